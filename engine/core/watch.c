/* The observer and the callback that gives keys: see watch.h. */
#include "core/watch.h"

#include "base/error.h"
#include "core/socket.h"
#include "wire/json.h"

#define MODEL_BYTES_MAX ((size_t)1024)

/* ---- making */

static bool is_watched(const leat_engine *e) {
  return e->config.observer || e->config.key || e->metrics;
}

/* As far as it is known: a body of the caller's own is looked into. */
static int note_model(lti_watch *w, const leat_request *q) {
  const char *name = q->chat ? q->chat->model : q->model;
  if (name && *name) return lti_buf_append(&w->model, lti_slice_of(name));
  leat_slice value, text;
  lti_json json;
  lti_json_text member;
  if (!q->body.data || !lti_json_find(q->body, "/model", &value)) return LTI_OK;
  lti_json_init(&json, value);
  if (!lti_json_string(&json, &member) || member.raw.size > MODEL_BYTES_MAX) return LTI_OK;
  int r = lti_json_decode(member, NULL, &w->model, &text);
  if (r == LTI_OK && text.data != w->model.data) r = lti_buf_append(&w->model, text);
  return r;
}

int lti_watch_open(lti_request *r, const leat_request *wanted, void *user) {
  leat_engine *e = r->item.engine;
  if (!is_watched(e)) return LTI_OK;
  lti_watch *w = lti_alloc_zero(&e->alloc, sizeof *w);
  if (!w) return LEAT_ENOMEM;
  lti_list_init(&w->due);
  w->request = r;
  w->input = w->output = -1;
  lti_buf_init(&w->model, &e->alloc, MODEL_BYTES_MAX, LEAT_EINVAL);
  r->watch = w;
  w->user = user;
  w->row = lti_metrics_row(r);
  if (!e->config.observer && !e->config.key) return LTI_OK;
  /* A name that is too long is not known; no memory is another matter. */
  return note_model(w, wanted) == LEAT_ENOMEM ? LEAT_ENOMEM : LTI_OK;
}

void lti_watch_close(lti_request *r) {
  lti_watch *w = r->watch;
  if (!w) return;
  lti_list_remove(&w->due);
  lti_buf_deinit(&w->model);
  lti_alloc_put(&r->item.engine->alloc, w);
  r->watch = NULL;
}

/* ---- telling */

/* Of a handshake for one turn nobody knows but that turn, NULL when it has left. Else itself. */
static const lti_request *shown(const lti_request *r) {
  const lti_socket *s = r->socket;
  if (!s || r->turn || !s->own) return r;
  if (s->turns.running) return s->turns.running;
  if (lti_list_empty(&s->turns.waiting)) return NULL;
  return LTI_CONTAINER_OF(s->turns.waiting.next, lti_request, turn_node);
}

static leat_slice protocol_of(const lti_request *r, const lti_request *whose) {
  const lti_protocol *p = whose->spec.protocol;
  if (!p && r->socket) p = r->socket->dialect;
  return lti_slice_of(p ? p->name : r->socket ? "" : "raw");
}

static leat_slice path_of(const lti_request *r) {
  leat_slice path = lti_spec_path(&r->spec);
  const char *query = path.size ? memchr(path.data, '?', path.size) : NULL;
  return query ? lti_slice(path.data, (size_t)(query - path.data)) : path;
}

static leat_attempt attempt_of(const lti_request *r, const lti_request *whose) {
  const lti_origin *origin = r->turn ? r->socket->request->origin : r->origin;
  const lti_url *url = lti_pool_origin_url(origin);
  bool socket = r->socket && !r->turn && !r->socket->own;
  return (leat_attempt){
      .id = whose->item.id,
      .number = r->attempts,
      .hops = r->redirects,
      .protocol = protocol_of(r, whose),
      .model = whose->watch ? lti_buf_slice(&whose->watch->model) : lti_slice("", 0),
      .method = r->turn ? lti_slice("", 0) : lti_slice_of(lti_spec_method(&r->spec)),
      .host = lti_slice_of(url->host),
      .path = path_of(r->turn ? r->socket->request : r),
      .port = url->port,
      .tls = url->tls,
      .turn = r->turn,
      .submitted_ns = whose->times.queued_ns,
      .now_ns = lti_loop_clock(r->item.engine->loop),
      .user = socket         ? r->socket->user
              : whose->watch ? whose->watch->user
                             : NULL};
}

static bool owes_start(const lti_request *r) {
  if (r->turn && r->socket->own) return false; /* the handshake's were told as its own */
  return r->attempts + r->redirects > r->watch->told;
}

/* How many fields are in `extra`, which has room for `room`. */
static size_t tell_start(lti_request *r, leat_header *extra, size_t room) {
  leat_engine *e = r->item.engine;
  const leat_observer *o = e->config.observer;
  const lti_request *whose = shown(r);
  r->watch->told++;
  if (!o || !o->start || !whose) return 0;
  leat_attempt attempt = attempt_of(r, whose);
  size_t count = o->start(o->user, e, &attempt, extra, room);
  return count < room ? count : room;
}

static void finish(lti_request *r, int error, const char *message) {
  lti_request_finish(r,
                     &(lti_failure){.error = error, .layer = LEAT_LAYER_API, .message = message});
}

/* With what the engine's line says, if it says anything. */
static void refuse(lti_request *r, int error) {
  lti_buf *line = &r->item.engine->scratch;
  bool said = line->size > 0 && lti_buf_byte(line, '\0') == LTI_OK;
  finish(r, error, said ? line->data : NULL);
}

static bool add_fields(lti_request *r, const leat_header *fields, size_t count) {
  leat_engine *e = r->item.engine;
  bool exposed = lti_spec_exposed(&e->defaults, lti_pool_origin_url(r->origin));
  lti_buf_clear(&e->scratch);
  for (size_t i = 0; i < count; i++) {
    int rc = lti_spec_add(&r->spec, &fields[i], exposed, &e->scratch);
    if (rc == LTI_OK) continue;
    refuse(r, rc);
    return false;
  }
  return true;
}

static bool ask_key(lti_request *r) {
  leat_engine *e = r->item.engine;
  const lti_request *whose = shown(r);
  leat_slice key = {NULL, 0};
  if (!r->spec.asks_key || r->spec.away || !whose) return true;
  leat_attempt attempt = attempt_of(r, whose);
  int rc = e->config.key(e->config.key_user, e, &attempt, &key);
  if (r->state != REQUEST_QUEUED) return false;
  if (rc != LTI_OK) {
    finish(r, rc < 0 ? rc : LEAT_EINVAL, "there is no key for this attempt");
    return false;
  }
  lti_buf_clear(&e->scratch);
  rc = lti_spec_give_key(&r->spec, key, &e->scratch);
  if (rc != LTI_OK) refuse(r, rc);
  return rc == LTI_OK;
}

bool lti_watch_start(lti_request *r) {
  const leat_config *config = &r->item.engine->config;
  leat_header extra[LEAT_ATTEMPT_FIELDS];
  if (!config->observer && !config->key) return true;
  if (lti_spec_attempt(&r->spec) != LTI_OK) {
    finish(r, LEAT_ENOMEM, NULL);
    return false;
  }
  size_t count = tell_start(r, extra, LEAT_ATTEMPT_FIELDS);
  if (r->state != REQUEST_QUEUED) return false;
  return add_fields(r, extra, count) && ask_key(r);
}

/* ---- what is owed */

static void owe(lti_request *r) {
  leat_engine *e = r->item.engine;
  lti_list_remove(&r->watch->due);
  lti_list_push(&e->watched, &r->watch->due);
  lti_engine_kick(e);
}

void lti_watch_turn(lti_request *r) {
  if (r->watch && r->item.engine->config.observer && owes_start(r)) owe(r);
}

bool lti_watch_repeat(lti_request *r, int error, int64_t wait_ms) {
  const leat_observer *o = r->item.engine->config.observer;
  if (!r->watch || !o || (!o->start && !o->retry)) return false;
  r->watch->repeats = true;
  r->watch->error = error;
  r->watch->wait_ms = wait_ms;
  owe(r);
  return true;
}

static void tell_repeat(lti_request *r) {
  leat_engine *e = r->item.engine;
  const leat_observer *o = e->config.observer;
  const lti_request *whose = shown(r);
  if (!o || !o->retry || !whose) return;
  leat_attempt attempt = attempt_of(r, whose);
  o->retry(o->user, e, &attempt, r->watch->error, r->watch->wait_ms);
}

bool lti_watch_settle(lti_request *r) {
  lti_watch *w = r->watch;
  if (!w) return true;
  leat_header none;
  bool told = r->state == REQUEST_FINISHED && lti_list_empty(&r->item.due);
  lti_list_remove(&w->due);
  if (owes_start(r)) tell_start(r, &none, 0);
  bool repeats = w->repeats && r->state == REQUEST_BACKOFF;
  w->repeats = false;
  if (repeats) tell_repeat(r);
  return !told || lti_list_empty(&r->item.due);
}

void lti_watch_run(leat_engine *e) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &e->watched);
  while ((n = lti_list_pop(&batch))) {
    lti_watch *w = LTI_CONTAINER_OF(n, lti_watch, due);
    lti_request *r = w->request;
    bool repeats = w->repeats;
    lti_watch_settle(r);
    if (repeats && w->wait_ms == 0 && r->state == REQUEST_BACKOFF) lti_request_again(r, true);
  }
}

void lti_watch_done(lti_request *r, const leat_result *result) {
  leat_engine *e = r->item.engine;
  const leat_observer *o = e->config.observer;
  bool hidden = r->socket && !r->turn && r->socket->own;
  if (o && o->done && !hidden) o->done(o->user, e, r->item.id, result);
}
