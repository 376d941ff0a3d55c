/* The life of one task: see task_inside.h.
 *
 * Every exchange is a request of the engine's own ("raw", as a call). The submit is marked `once`:
 * it costs money, so an attempt that may have been taken is never repeated. A task ends either in
 * the callback that brought its last answer, which is told from there with views of it, or by
 * somebody's wish or a deadline: that is told in the loop's next turn. */
#include "core/task.h"

#include "base/error.h"
#include "core/config.h"
#include "core/request.h"
#include "core/task_inside.h"
#include "wire/json.h"

#define DAY_MS  86400000
#define YEAR_MS 31536000000ll

static void on_alarm(lti_alarm *alarm, uint64_t now_ns);

/* ---- making */

static void task_free(lti_task *t) {
  leat_engine *e = lti_task_engine(t);
  lti_poller_part(t->kind);
  lti_blob_release(t->body);
  lti_blob_release(t->poll_body);
  lti_blob_release(t->said);
  if (t->reply) lti_buf_deinit(t->reply);
  lti_alloc_put(&e->alloc, t->reply);
  if (t->end) lti_buf_deinit(&t->end->message);
  lti_alloc_put(&e->alloc, t->end);
  lti_task_content_free(t);
  lti_alloc_put(&e->alloc, t->id);
  lti_alloc_put(&e->alloc, t->custom_id);
  lti_task_kind_release(t->kind);
  lti_alarm_leave(&e->alarms, &t->alarm);
  lti_alloc_put(&e->alloc, t);
}

/* Takes over the caller's hold on `kind`. */
static lti_task *task_new(leat_engine *e, lti_task_kind *kind, const leat_task *q) {
  lti_task *t = lti_alloc_zero(&e->alloc, sizeof *t);
  if (!t) return NULL;
  if (lti_alarm_join(&e->alarms, &t->alarm, on_alarm) != LTI_OK) {
    lti_alloc_put(&e->alloc, t);
    return NULL;
  }
  if (lti_poller_join(kind) != LTI_OK) {
    lti_alarm_leave(&e->alarms, &t->alarm);
    lti_alloc_put(&e->alloc, t);
    return NULL;
  }
  t->item = (lti_item){.kind = LTI_ITEM_TASK, .engine = e};
  t->kind = kind;
  t->on_update = q->on_update;
  t->on_done = q->on_done;
  t->user = q->user;
  t->state = LEAT_TASK_SUBMITTING;
  t->progress = -1;
  lti_list_init(&t->item.due);
  lti_list_init(&t->line);
  lti_heap_node_init(&t->turn);
  return t;
}

static int check_arguments(leat_engine *e, const leat_task *q, const leat_id *id) {
  if (!q || !id || q->struct_size != sizeof *q)
    return lti_engine_fail(e, LEAT_EINVAL, "a task needs leat_task_init, and a place for its id");
  if (!q->on_done) return lti_engine_fail(e, LEAT_EINVAL, "a task needs on_done");
  if ((q->header_count && !q->headers) || (q->param_count && !q->params))
    return lti_engine_fail(e, LEAT_EINVAL, "a count without its list");
  int given = (q->body.data != NULL) + (q->prompt != NULL) + (q->task_id != NULL);
  if (given > 1)
    return lti_engine_fail(e, LEAT_EINVAL, "a task needs one of body, prompt and task_id");
  if (q->prompt && !q->model) return lti_engine_fail(e, LEAT_EINVAL, "a prompt needs a model");
  if (q->jitter_percent > 1000 || q->poll_ms > DAY_MS || q->first_poll_ms > DAY_MS ||
      q->deadline_ms > YEAR_MS || q->fd_plus_one < 0)
    return lti_engine_fail(e, LEAT_EINVAL, "a time of the task is absurd");
  if (q->task_id && !*q->task_id) return lti_engine_fail(e, LEAT_EINVAL, "task_id is empty");
  return LTI_OK;
}

static int write_body(const leat_task *q, lti_buf *out) {
  int r = lti_buf_text(out, "{\"model\":");
  if (r == LTI_OK) r = lti_json_write_string(out, lti_slice_of(q->model));
  if (r == LTI_OK) r = lti_buf_text(out, ",\"prompt\":");
  if (r == LTI_OK) r = lti_json_write_string(out, lti_slice_of(q->prompt));
  if (r == LTI_OK) r = lti_buf_byte(out, '}');
  return r;
}

static int check_body(leat_engine *e, leat_slice body) {
  size_t offset;
  const char *why;
  if (lti_json_valid(body, &offset, &why)) return LTI_OK;
  lti_buf_clear(&e->message);
  lti_buf_format(&e->message, "the task's body is not valid JSON: %s at offset %zu", why, offset);
  return lti_engine_fail(e, LEAT_EJSON, "");
}

/* Members of the submit's body that its polls repeat, with {id} left as it is. */
static int make_poll_body(lti_task *t, leat_slice body) {
  lti_task_kind *k = t->kind;
  if (!k->form.poll_body || !strchr(k->form.poll_body, '{')) return LTI_OK;
  lti_buf out;
  lti_buf_init(&out, &k->engine->alloc, LTI_TASK_TEXTS_BYTES_MAX, LEAT_EBODYMAX);
  lti_task_holes holes = {
      .params = k->params, .param_count = k->param_count, .body = body, .keep_unknown = true};
  int r = lti_task_fill_json(k->form.poll_body, &holes, &out);
  if (r == LTI_OK) r = lti_buf_byte(&out, '\0');
  if (r == LTI_OK) {
    t->poll_body = lti_blob_make(&k->engine->alloc, &k->bodies, lti_buf_slice(&out));
    if (!t->poll_body) r = LEAT_ENOMEM;
  }
  lti_buf_deinit(&out);
  return r;
}

static int keep_body(lti_task *t, leat_slice body) {
  lti_task_kind *k = t->kind;
  int r = make_poll_body(t, body);
  if (r != LTI_OK) return lti_engine_fail(k->engine, r, NULL);
  t->body = lti_blob_make(&k->engine->alloc, &k->bodies, body);
  return t->body ? LTI_OK : lti_engine_fail(k->engine, LEAT_ENOMEM, NULL);
}

/* Some calls have none: lti_task_kind_find knows. */
static int take_body(lti_task *t, const leat_task *q) {
  leat_engine *e = lti_task_engine(t);
  if (!q->body.data && !q->prompt) return LTI_OK;
  if (q->body.data) {
    int r = check_body(e, q->body);
    return r == LTI_OK ? keep_body(t, q->body) : r;
  }
  lti_buf body;
  lti_buf_init(&body, &e->alloc, LTI_TASK_REPLY_BYTES_MAX, LEAT_EBODYMAX);
  int r = write_body(q, &body);
  r = r == LTI_OK ? keep_body(t, lti_buf_slice(&body)) : lti_engine_fail(e, r, NULL);
  lti_buf_deinit(&body);
  return r;
}

/* ---- starting */

static void set_deadline(lti_task *t) {
  t->started_ns = lti_loop_clock(lti_task_engine(t)->loop);
  uint64_t wait = t->kind->deadline_ns;
  lti_alarm_set(&lti_task_engine(t)->alarms, &t->alarm,
                wait == UINT64_MAX ? wait : t->started_ns + wait);
}

/* A job from elsewhere is asked about at once. */
static int begin_waiting(lti_task *t, const leat_task *q) {
  leat_engine *e = lti_task_engine(t);
  t->id = lti_alloc_text(&e->alloc, lti_slice_of(q->task_id));
  if (!t->id) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  int r = make_poll_body(t, lti_slice("{}", 2));
  if (r != LTI_OK) return lti_engine_fail(e, r, NULL);
  t->state = LEAT_TASK_RUNNING;
  lti_poller_open(t);
  lti_poller_wait(t, 0);
  return LTI_OK;
}

static int begin(lti_task *t, const leat_task *q) {
  leat_engine *e = lti_task_engine(t);
  int r = lti_task_content_make(t, q);
  if (r == LTI_OK) r = lti_task_journal_keep(t, q);
  if (r == LTI_OK) r = lti_slots_add(&e->items, t, &t->item.id);
  if (r != LTI_OK) return lti_engine_fail(e, r, NULL);
  set_deadline(t);
  if (q->task_id) {
    r = begin_waiting(t, q);
  } else {
    r = take_body(t, q);
    if (r == LTI_OK) r = lti_task_submit(t);
  }
  if (r != LTI_OK) lti_slots_remove(&e->items, t->item.id);
  return r;
}

int leat_task_start(leat_engine *e, const leat_task *q, leat_id *id) {
  lti_task_kind *kind;
  if (!e) return LEAT_EINVAL;
  if (lti_engine_closed(e)) return LEAT_ECLOSED;
  int r = check_arguments(e, q, id);
  if (r == LTI_OK) r = lti_task_kind_find(e, q, &kind);
  if (r != LTI_OK) return r;
  lti_task *t = task_new(e, kind, q);
  if (!t) {
    lti_task_kind_release(kind);
    return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  }
  r = begin(t, q);
  if (r != LTI_OK) {
    task_free(t);
    return r;
  }
  e->stats.tasks_started++;
  e->stats.tasks_live++;
  *id = t->item.id;
  lti_engine_kick(e);
  return LTI_OK;
}

/* ---- ending */

static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  (void)now_ns;
  lti_task_finish(LTI_CONTAINER_OF(alarm, lti_task, alarm), LEAT_ETASKTIME, NULL);
}

/* Out of every line but the table of ids. */
static void withdraw(lti_task *t) {
  lti_alarm_set(&lti_task_engine(t)->alarms, &t->alarm, UINT64_MAX);
  lti_poller_leave(t);
  lti_poller_shut(t);
  lti_task_unsubmit(t);
  if (t->poll) lti_poll_forget(t->poll, t);
  t->poll = NULL;
  lti_task_content_stop(t);
}

static void tell_later(lti_task *t) {
  lti_list_push(&lti_task_engine(t)->finished, &t->item.due);
  lti_engine_kick(lti_task_engine(t));
}

/* Words that cannot be kept for lack of memory are the error's own. */
static void keep_message(lti_task *t, const char *message) {
  leat_engine *e = lti_task_engine(t);
  if (!message || !*message) return;
  t->end = lti_alloc_zero(&e->alloc, sizeof *t->end);
  if (!t->end) return;
  lti_buf_init(&t->end->message, &e->alloc, LTI_TASK_TEXTS_BYTES_MAX, LEAT_EBODYMAX);
  t->end->result.retry_after_ms = -1;
  int r = lti_buf_append(&t->end->message, lti_slice(message, strlen(message) + 1));
  if (r != LTI_OK) lti_buf_clear(&t->end->message);
}

void lti_task_finish(lti_task *t, int error, const char *message) {
  if (t->ended) return;
  t->ended = true;
  t->error = error;
  keep_message(t, message);
  withdraw(t);
  if (t->request)
    leat_cancel(lti_task_engine(t), t->request); /* its done finds the task ended */
  else
    tell_later(t);
}

bool lti_task_exchanged(lti_task *t) {
  t->request = 0;
  if (!t->ended) return true;
  tell_later(t);
  return false;
}

void lti_task_cancel(lti_task *t) {
  t->cancelled = true;
  if (t->ended) {
    t->error = LEAT_ECANCELLED;
    if (t->end) lti_buf_clear(&t->end->message);
    return;
  }
  lti_task_finish(t, LEAT_ECANCELLED, NULL);
}

/* ---- telling */

void lti_task_fill_update(const lti_task *t, leat_task_update *u) {
  lti_task_reply_update(t, NULL, u);
}

void lti_task_tell_update(lti_task *t, const leat_task_update *u) {
  if (t->on_update && !t->cancelled) t->on_update(lti_task_engine(t), t->item.id, u, t->user);
}

static void tell_done(lti_task *t, const leat_task_update *u, leat_result *result) {
  static const leat_response nothing;
  leat_engine *e = lti_task_engine(t);
  result->error = t->error;
  if (t->error == LEAT_OK || !result->message.data)
    result->message = lti_slice_of(t->error == LEAT_OK ? "" : leat_error_text(t->error));
  result->times.queued_ns = t->started_ns;
  result->times.done_ns = lti_loop_clock(e->loop);
  result->response = &nothing;
  if (t->error == LEAT_OK)
    result->layer = LEAT_LAYER_NONE;
  else if (result->layer == LEAT_LAYER_NONE)
    result->layer =
        leat_error_class(t->error) == LEAT_CLASS_TASK ? LEAT_LAYER_PROVIDER : LEAT_LAYER_API;
  lti_slots_remove(&e->items, t->item.id);
  e->stats.tasks_live--;
  e->stats.tasks_done++;
  t->on_done(e, t->item.id, u, result, t->user);
  lti_task_journal_end(t, result);
  task_free(t);
}

void lti_task_conclude(lti_task *t, int error, const leat_task_update *u,
                       const leat_result *result) {
  leat_result told = {.retry_after_ms = -1};
  if (result) told = *result;
  if (result && result->error != error) told.message = lti_slice(NULL, 0);
  if (error == LEAT_ETASKFAILED || error == LEAT_EAPI) told.message = u->error_message;
  lti_buf words; /* the message is NUL-terminated */
  lti_buf_init(&words, &lti_task_engine(t)->alloc, LTI_TASK_TEXTS_BYTES_MAX, LEAT_EBODYMAX);
  if (told.message.data && told.message.size == 0) told.message.data = NULL;
  if (told.message.data) {
    bool kept = lti_buf_append(&words, told.message) == LTI_OK && lti_buf_byte(&words, 0) == LTI_OK;
    told.message = kept ? lti_slice(words.data, words.size - 1) : lti_slice(NULL, 0);
  }
  t->ended = true;
  t->error = error;
  withdraw(t);
  tell_done(t, u, &told);
  lti_buf_deinit(&words);
}

void lti_task_tell(lti_task *t) {
  leat_task_update u;
  leat_result told = {.retry_after_ms = -1};
  if (t->error == LEAT_ETASKFAILED) t->state = LEAT_TASK_FAILED;
  lti_task_fill_update(t, &u);
  if (t->end) told = t->end->result;
  if (t->end && t->end->message.size)
    told.message = lti_slice(t->end->message.data, t->end->message.size - 1);
  tell_done(t, &u, &told);
}
