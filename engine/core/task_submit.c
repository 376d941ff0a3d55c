/* The submit of a task: at most so many are under way, keys taking turns, so that ten thousand that
 * are started at once do not become ten thousand requests. See task_inside.h. */
#include "base/error.h"
#include "core/request.h"
#include "core/task_inside.h"

#define SUBMITS_MAX 256 /* under way at once */

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user);

/* ---- sending */

static int make_reply(lti_task *t) {
  leat_engine *e = lti_task_engine(t);
  size_t most = t->kind->form.name ? LTI_TASK_REPLY_BYTES_MAX : (size_t)e->config.body_bytes_max;
  t->reply = lti_alloc_get(&e->alloc, sizeof *t->reply);
  if (!t->reply) return LEAT_ENOMEM;
  lti_buf_init(t->reply, &e->alloc, most, LEAT_EBODYMAX);
  return LTI_OK;
}

static void drop_reply(lti_task *t) {
  if (!t->reply) return;
  lti_buf_deinit(t->reply);
  lti_alloc_put(&lti_task_engine(t)->alloc, t->reply);
  t->reply = NULL;
}

static int send_submit(lti_task *t) {
  const lti_task_kind *k = t->kind;
  leat_engine *e = lti_task_engine(t);
  leat_request q;
  lti_buf path;
  lti_buf_init(&path, &e->alloc, 16384, LEAT_EURL);
  lti_task_holes holes = {
      .params = k->params, .param_count = k->param_count, .body = lti_blob_slice(t->body)};
  int r = lti_task_fill_path(k->row.path, &holes, &path);
  if (r != LTI_OK) lti_engine_fail(e, r, "a name in the endpoint's path has no usable value");
  lti_task_kind_request(k, &q);
  q.method = k->row.method;
  q.path = path.data;
  if (k->row.body != LEAT_BODY_NONE) q.body = lti_blob_slice(t->body);
  q.once = k->form.name || k->row.once;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = t;
  if (r == LTI_OK) r = make_reply(t);
  if (r == LTI_OK) r = lti_request_order(e, &q, &t->request);
  lti_buf_deinit(&path);
  if (r != LTI_OK) {
    drop_reply(t);
    return r;
  }
  lti_blob_release(t->body);
  t->body = NULL;
  t->sent = true;
  return LTI_OK;
}

/* ---- places */

/* An intent in the journal stands for a submit that may have left; so no more are noted than there
 * are connections that they may leave on. */
static unsigned places(const leat_engine *e) {
  const leat_config *c = &e->config;
  if (!e->journal || c->http == LEAT_HTTP_2 || c->conns_max > SUBMITS_MAX) return SUBMITS_MAX;
  return (unsigned)c->conns_max;
}

static void take_place(lti_task *t) {
  t->submitting = true;
  lti_task_engine(t)->poller.submitting++;
}

void lti_task_give_place(lti_task *t) {
  if (!t->submitting) return;
  t->submitting = false;
  lti_task_engine(t)->poller.submitting--;
}

/* The journal comes first, if it is to know the task. */
static int start_submit(lti_task *t) {
  int r = LTI_OK;
  take_place(t);
  if (!lti_task_journal_ask(t, &r)) r = send_submit(t);
  if (r != LTI_OK) lti_task_give_place(t);
  return r;
}

void lti_task_submit_noted(lti_task *t) {
  int r = send_submit(t);
  if (r != LTI_OK) lti_task_finish(t, r, leat_last_message(lti_task_engine(t)));
}

/* ---- the line */

static void get_in_line(lti_task *t) {
  lti_poll_key *key = t->kind->key;
  if (lti_list_empty(&key->submits))
    lti_list_push(&lti_task_engine(t)->poller.submitters, &key->turn);
  lti_list_push(&key->submits, &t->line);
}

int lti_task_submit(lti_task *t) {
  lti_poller *p = &lti_task_engine(t)->poller;
  if (p->submitting < places(lti_task_engine(t)) && lti_list_empty(&p->submitters))
    return start_submit(t);
  get_in_line(t);
  return LTI_OK;
}

void lti_task_unsubmit(lti_task *t) {
  if (t->state != LEAT_TASK_SUBMITTING) return;
  lti_poll_key *key = t->kind->key;
  if (!t->request) lti_task_give_place(t);
  lti_list_remove(&t->line);
  if (lti_list_empty(&key->submits)) lti_list_remove(&key->turn);
}

static lti_task *next_in_line(lti_poller *p) {
  lti_list *n = lti_list_pop(&p->submitters);
  if (!n) return NULL;
  lti_poll_key *key = LTI_CONTAINER_OF(n, lti_poll_key, turn);
  lti_task *t = LTI_CONTAINER_OF(lti_list_pop(&key->submits), lti_task, line);
  if (!lti_list_empty(&key->submits)) lti_list_push(&p->submitters, &key->turn);
  return t;
}

void lti_task_submit_more(leat_engine *e) {
  lti_task *t;
  while (e->poller.submitting < places(e) && (t = next_in_line(&e->poller))) {
    int r = start_submit(t);
    if (r != LTI_OK) lti_task_finish(t, r, leat_last_message(e));
  }
}

/* ---- the answer */

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  lti_task *t = user;
  (void)e, (void)id;
  if (t->ended || event->kind != LEAT_EVENT_RAW) return LEAT_CONTINUE;
  int r = lti_buf_append(t->reply, event->text);
  if (r != LTI_OK) lti_task_finish(t, r, NULL);
  return LEAT_CONTINUE;
}

/* A call that is no job: its answer is the end. */
static void end_call(lti_task *t, lti_task_answer *answer) {
  leat_task_update u;
  t->state = answer->result->error == LEAT_OK ? LEAT_TASK_SUCCEEDED : LEAT_TASK_FAILED;
  lti_task_reply_update(t, answer, &u);
  lti_task_conclude(t, answer->result->error, &u, answer->result);
}

static int take_id(lti_task *t, const lti_task_answer *answer) {
  leat_slice id = answer->report.id;
  if (id.size == 0 || memchr(id.data, 0, id.size)) return LEAT_EDECODE;
  t->id = lti_alloc_text(&lti_task_engine(t)->alloc, id);
  if (!t->id) return LEAT_ENOMEM;
  t->state = LEAT_TASK_RUNNING;
  lti_task_journal_accepted(t);
  lti_poller_open(t);
  return LTI_OK;
}

/* LEAT_OK: the job is accepted. */
static int judge(lti_task *t, lti_task_answer *answer, lti_buf *scratch) {
  const lti_task_report *report = &answer->report;
  if (answer->result->error != LEAT_OK) return answer->result->error;
  int r = lti_protocol_report(&t->kind->form, answer->json, true, &answer->report, scratch);
  if (r != LTI_OK) return r;
  if (report->id.size == 0) return report->error.set ? LEAT_EAPI : LEAT_EDECODE;
  return take_id(t, answer);
}

static void read_submit(lti_task *t, lti_task_answer *answer, lti_buf *scratch) {
  leat_task_update u;
  int error = judge(t, answer, scratch);
  if (error == LEAT_OK) {
    lti_task_reply_keep(t, &answer->report);
    lti_task_reply_update(t, answer, &u);
    lti_task_tell_update(t, &u);
    if (!t->ended) lti_task_reply_act(t, answer);
    return;
  }
  lti_task_reply_update(t, answer, &u);
  leat_result told = *answer->result;
  told.error = error;
  if (error == LEAT_EDECODE) told.message = lti_slice_of("the answer to the submit names no task");
  if (error == LEAT_ENOMEM) told.message = lti_slice(NULL, 0);
  if (error == LEAT_EAPI) told.retryable = answer->report.busy;
  lti_task_conclude(t, error, &u, &told);
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  lti_task *t = user;
  (void)id;
  lti_task_give_place(t);
  if (lti_task_exchanged(t)) {
    lti_buf reply = *t->reply, scratch;
    lti_buf_init(t->reply, &e->alloc, reply.max, LEAT_EBODYMAX);
    lti_buf_init(&scratch, &e->alloc, reply.max, LEAT_EBODYMAX);
    lti_task_answer answer = {.result = result, .report = {.progress = -1}};
    answer.json = reply.size ? lti_buf_slice(&reply) : result->body;
    drop_reply(t);
    if (t->kind->form.name)
      read_submit(t, &answer, &scratch);
    else
      end_call(t, &answer);
    lti_buf_deinit(&scratch);
    lti_buf_deinit(&reply);
  }
  lti_task_submit_more(e);
}
