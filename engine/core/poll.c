/* One question to a gateway: about one job, or about many at once, and what its answer says of
 * each. See task_inside.h.
 *
 * A question knows its jobs by their ids, since a job may end while it is under way; a question
 * that nobody waits for any more is cancelled. Answers about many need not keep the order, may lack
 * jobs and have some twice: each job takes the first item that is its own, and one that has none is
 * asked about alone. What is refused for many is asked one by one as well. */
#include <assert.h>

#include "base/error.h"
#include "core/request.h"
#include "core/task_inside.h"

#define NOT_FOUND_MAX 5  /* questions that may miss a job that was just submitted */
#define LOST_MAX      20 /* questions in a row that may fail otherwise */
#define MISSED_MAX                                                              \
  2 /* answers about many that may lack a job before it is asked alone for good \
     */
#define LOST_FIRST_MS  500
#define LOST_DOUBLINGS 4
#define TOO_MANY       429

struct lti_poll {
  lti_task_kind *kind;
  leat_id request;
  lti_buf reply;
  uint32_t count, live;
  bool batch, answering;
  leat_id ids[];
};

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user);

/* ---- asking */

static void poll_free(lti_poll *p) {
  leat_engine *e = p->kind->engine;
  lti_buf_deinit(&p->reply);
  lti_task_kind_release(p->kind);
  lti_alloc_put(&e->alloc, p);
}

static lti_poll *poll_new(lti_task_kind *kind, lti_task **tasks, uint32_t count, bool batch) {
  lti_alloc *alloc = &kind->engine->alloc;
  lti_poll *p = lti_alloc_zero(alloc, sizeof *p + count * sizeof *p->ids);
  if (!p) return NULL;
  p->kind = kind;
  lti_task_kind_hold(kind);
  lti_buf_init(&p->reply, alloc, LTI_TASK_REPLY_BYTES_MAX, LEAT_EBODYMAX);
  p->count = p->live = count;
  p->batch = batch;
  for (uint32_t i = 0; i < count; i++) p->ids[i] = tasks[i]->item.id;
  return p;
}

static int fill_batch(const lti_task_kind *k, lti_task **tasks, uint32_t count, lti_buf *path,
                      lti_buf *body) {
  lti_task_holes holes = {.params = k->params, .param_count = k->param_count, .id_count = count};
  const char **ids = lti_alloc_get(&k->engine->alloc, count * sizeof *ids);
  if (!ids) return LEAT_ENOMEM;
  for (uint32_t i = 0; i < count; i++) ids[i] = tasks[i]->id;
  holes.ids = ids;
  int r = lti_task_fill_path(k->form.batch_path, &holes, path);
  if (r == LTI_OK) r = lti_task_fill_json(k->form.batch_body, &holes, body);
  lti_alloc_put(&k->engine->alloc, ids);
  return r;
}

static int fill_single(const lti_task_kind *k, const lti_task *t, lti_buf *path, lti_buf *body) {
  lti_task_holes holes = {.id = t->id, .params = k->params, .param_count = k->param_count};
  int r = lti_task_fill_path(k->form.poll_path, &holes, path);
  const char *pattern = t->poll_body ? t->poll_body->bytes : k->form.poll_body;
  if (r == LTI_OK && pattern) r = lti_task_fill_json(pattern, &holes, body);
  return r;
}

static int send_poll(lti_poll *p, lti_buf *path, lti_buf *body) {
  const lti_task_kind *k = p->kind;
  leat_request q;
  lti_task_kind_request(k, &q);
  q.path = path->data;
  q.method = p->batch ? "POST" : k->form.poll_method ? k->form.poll_method : "GET";
  if (body->size) q.body = lti_buf_slice(body);
  q.retries = LEAT_NONE; /* it is asked again at its time, at its pace */
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = p;
  return lti_request_submit(k->engine, &q, true, &p->request);
}

static int fill_and_send(lti_poll *p, lti_task **tasks, lti_buf *path, lti_buf *body) {
  int r = p->batch ? fill_batch(p->kind, tasks, p->count, path, body)
                   : fill_single(p->kind, tasks[0], path, body);
  if (r == LTI_OK) return send_poll(p, path, body);
  return lti_engine_fail(p->kind->engine, r, "the task's id cannot be part of a path");
}

int lti_poll_ask(lti_task_kind *kind, lti_task **tasks, uint32_t count, bool batch) {
  leat_engine *e = kind->engine;
  lti_poll *p = poll_new(kind, tasks, count, batch);
  if (!p) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  lti_buf path, body;
  lti_buf_init(&path, &e->alloc, 16384, LEAT_EURL);
  lti_buf_init(&body, &e->alloc, LTI_TASK_TEXTS_BYTES_MAX, LEAT_EBODYMAX);
  int r = fill_and_send(p, tasks, &path, &body);
  lti_buf_deinit(&path);
  lti_buf_deinit(&body);
  if (r != LTI_OK) {
    poll_free(p);
    return r;
  }
  for (uint32_t i = 0; i < count; i++) {
    tasks[i]->poll = p;
    tasks[i]->polls++;
  }
  e->stats.task_polls++;
  return LTI_OK;
}

void lti_poll_forget(lti_poll *p, lti_task *t) {
  assert(t->poll == p && p->live > 0);
  p->live--;
  if (p->live == 0 && !p->answering) leat_cancel(p->kind->engine, p->request);
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  lti_poll *p = user;
  (void)e, (void)id;
  if (event->kind != LEAT_EVENT_RAW) return LEAT_CONTINUE;
  if (p->reply.max && lti_buf_append(&p->reply, event->text) != LTI_OK) {
    lti_buf_deinit(&p->reply); /* the rest is not kept either: it counts as no answer */
    p->reply.max = 0;
  }
  return LEAT_CONTINUE;
}

/* ---- what an answer says of one job */

/* The i-th job, if this is still the question it waits for. */
static lti_task *task_at(const lti_poll *p, uint32_t i) {
  lti_item *item = lti_slots_get(&p->kind->engine->items, p->ids[i]);
  if (!item || item->kind != LTI_ITEM_TASK) return NULL;
  lti_task *t = (lti_task *)item;
  return t->poll == p && !t->ended ? t : NULL;
}

static void release_task(lti_poll *p, lti_task *t) {
  t->poll = NULL;
  p->live--;
}

static uint64_t hint_ns(const leat_result *result) {
  return result->retry_after_ms > 0 ? (uint64_t)result->retry_after_ms * LTI_TASK_MS_NS : 0;
}

/* A question that told nothing is no reason to wait for a whole round. */
static void ask_again(lti_task *t, const leat_result *result) {
  int doublings = t->lost < LOST_DOUBLINGS ? t->lost : LOST_DOUBLINGS;
  uint64_t wait_ns = (LOST_FIRST_MS * LTI_TASK_MS_NS) << doublings, hint = hint_ns(result);
  if (wait_ns > t->kind->floor_ns) wait_ns = t->kind->floor_ns;
  lti_poller_wait(t, hint > wait_ns ? hint : wait_ns);
}

static void give_up(lti_task *t, int error, const lti_task_answer *answer) {
  leat_task_update u;
  lti_task_reply_update(t, answer, &u);
  lti_task_conclude(t, error, &u, answer->result);
}

static bool is_passing(const leat_result *r) {
  return r->error == LEAT_OK || r->retryable || r->error == LEAT_ETRUNCATED ||
         r->error == LEAT_ENOMEM || leat_error_class(r->error) == LEAT_CLASS_TIMEOUT;
}

static void take_report(lti_task *t, lti_task_answer *answer) {
  leat_task_update u;
  t->lost = t->not_found = 0;
  bool news = lti_task_reply_keep(t, &answer->report);
  if (news && answer->report.state == LEAT_TASK_RUNNING) {
    lti_task_reply_update(t, answer, &u);
    lti_task_tell_update(t, &u);
  }
  if (!t->ended) lti_task_reply_act(t, answer);
}

/* Not found right behind the submit may only be too early. */
static void not_found(lti_task *t, const lti_task_answer *answer) {
  uint64_t hint = hint_ns(answer->result);
  if (++t->not_found <= NOT_FOUND_MAX) {
    lti_poller_wait(t, hint > t->kind->floor_ns ? hint : t->kind->floor_ns);
    return;
  }
  give_up(t, answer->result->error ? answer->result->error : LEAT_ETASKFAILED, answer);
}

static void single_done(lti_poll *p, lti_task *t, lti_task_answer *answer) {
  const leat_result *result = answer->result;
  lti_buf scratch;
  release_task(p, t);
  lti_buf_init(&scratch, &p->kind->engine->alloc, LTI_TASK_REPLY_BYTES_MAX, LEAT_EBODYMAX);
  int read = lti_protocol_report(&t->kind->form, answer->json, false, &answer->report, &scratch);
  bool understood = read == LTI_OK;
  if (result->status == 404 || (understood && answer->report.not_found))
    not_found(t, answer);
  else if (result->error == LEAT_OK && understood)
    take_report(t, answer);
  else if (is_passing(result) && ++t->lost <= LOST_MAX)
    ask_again(t, result);
  else
    give_up(t, result->error != LEAT_OK ? result->error : read, answer);
  lti_buf_deinit(&scratch);
}

/* ---- what an answer says of many */

/* Gateways often keep the order: the search begins where the last one ended. */
static lti_task *task_named(const lti_poll *p, leat_slice id, uint32_t *from) {
  for (uint32_t n = 0; n < p->count; n++) {
    uint32_t i = (*from + n) % p->count;
    lti_task *t = task_at(p, i);
    if (!t || strlen(t->id) != id.size || memcmp(t->id, id.data, id.size) != 0) continue;
    *from = i;
    return t;
  }
  return NULL;
}

/* One job may be waited for twice. */
static void take_item(lti_poll *p, lti_task_answer *answer, uint32_t *from) {
  lti_task *t;
  while ((t = task_named(p, answer->report.id, from))) {
    t->missed = 0;
    release_task(p, t);
    take_report(t, answer);
  }
}

static void take_items(lti_poll *p, leat_slice rest, const leat_result *result) {
  lti_buf scratch;
  uint32_t from = 0;
  lti_task_answer answer = {.result = result};
  lti_buf_init(&scratch, &p->kind->engine->alloc, LTI_TASK_REPLY_BYTES_MAX, LEAT_EBODYMAX);
  while (p->live > 0 && lti_protocol_item(&rest, &answer.json)) {
    int r = lti_protocol_report(&p->kind->form, answer.json, false, &answer.report, &scratch);
    if (r == LTI_OK && !answer.report.not_found && answer.report.id.size)
      take_item(p, &answer, &from);
  }
  lti_buf_deinit(&scratch);
}

/* Those that the answer did not tell of are asked about one by one, at once; those that it never
 * tells of, always. */
static void ask_alone(lti_poll *p) {
  for (uint32_t i = 0; i < p->count; i++) {
    lti_task *t = task_at(p, i);
    if (!t) continue;
    release_task(p, t);
    t->missed++;
    lti_poller_single_out(t);
    lti_poller_wait(t, 0);
  }
}

static void all_again(lti_poll *p, const leat_result *result) {
  lti_task_answer answer = {.result = result, .report = {.progress = -1}};
  for (uint32_t i = 0; i < p->count; i++) {
    lti_task *t = task_at(p, i);
    if (!t) continue;
    release_task(p, t);
    if (++t->lost <= LOST_MAX)
      ask_again(t, result);
    else
      give_up(t, result->error, &answer);
  }
}

static void batch_done(lti_poll *p, leat_slice json, const leat_result *result) {
  leat_slice items;
  if (result->error != LEAT_OK && is_passing(result)) {
    all_again(p, result);
    return;
  }
  bool too_long = result->error == LEAT_OK && p->reply.max == 0;
  bool fine =
      result->error == LEAT_OK && !too_long && lti_protocol_items(&p->kind->form, json, &items);
  if (too_long || result->status == 413)
    lti_poller_batch_less(p->kind);
  else
    lti_poller_batch_told(p->kind, fine);
  if (fine) take_items(p, items, result);
  ask_alone(p);
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  lti_poll *p = user;
  lti_task *t;
  (void)e, (void)id;
  p->answering = true;
  p->kind->asked_last = p->count;
  lti_poller_answered(p->kind);
  if (result->status == TOO_MANY && result->retry_after_ms > 0)
    lti_poller_pause(p->kind->key, (uint64_t)result->retry_after_ms);
  leat_slice json = p->reply.size ? lti_buf_slice(&p->reply) : result->body;
  if (p->batch) {
    batch_done(p, json, result);
  } else if ((t = task_at(p, 0))) {
    lti_task_answer answer = {.result = result, .json = json};
    single_done(p, t, &answer);
  }
  poll_free(p);
}
