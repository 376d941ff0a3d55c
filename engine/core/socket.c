/* A socket's life, and the calls on it: see socket.h. */
#include "core/socket.h"

#include <assert.h>

#include "base/error.h"
#include "core/config.h"

#define MS_NS         1000000ull
#define CLOSE_MS      5000
#define PING_MS       30000
#define MESSAGE_MAX   ((int64_t)64 << 20)
#define QUEUE_BYTES   ((int64_t)1 << 20)
#define FRAGMENTS_MAX 65536
#define WORDS_MAX     512
#define ID_MAX        1024
/* What the connection is given at once, at least. */
#define GIVEN_BYTES ((size_t)256 * 1024)
/* What an idle socket keeps of the memory that messages took. */
#define KEPT_BYTES ((size_t)4096)

/* ---- opening */

void leat_ws_init(leat_ws *ws) {
  *ws = (leat_ws){.struct_size = sizeof *ws};
}

static int64_t or_default(int64_t value, int64_t otherwise) {
  return value == 0 ? otherwise : value;
}

/* What a socket has off by default, though requests may have it on. */
static void set_deadlines(leat_request *q, const leat_ws *ws) {
  q->deadlines = ws->deadlines;
  q->deadlines.first_ms = q->deadlines.gap_ms = LEAT_NONE;
  int64_t *off[] = {&q->deadlines.idle_ms, &q->deadlines.queue_ms, &q->deadlines.total_ms};
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) *off[i] = or_default(*off[i], LEAT_NONE);
}

static lti_socket *socket_new(leat_engine *e, const lti_socket_plan *plan) {
  const leat_ws *ws = plan->ws;
  lti_socket *s = lti_alloc_zero(&e->alloc, sizeof *s);
  if (!s) return NULL;
  uint64_t message_max = (uint64_t)or_default(ws->message_bytes_max, MESSAGE_MAX);
  s->engine = e;
  s->own = plan->own;
  s->on_event = ws->on_event;
  s->on_done = ws->on_done;
  s->user = ws->user;
  s->code = 1006;
  s->close_ms = or_default(ws->close_ms, CLOSE_MS);
  s->ping_ms = or_default(ws->ping_ms, PING_MS);
  s->out.queue_bytes = (size_t)or_default(ws->queue_bytes, QUEUE_BYTES);
  lti_random_init(&s->random);
  s->config = (lti_ws_config){.message_bytes_max = message_max,
                              .fragments_max = FRAGMENTS_MAX,
                              .random = lti_random_fill,
                              .random_ctx = &s->random};
  lti_list_init(&s->turns.waiting);
  lti_buf_init(&s->out.frames, &e->alloc, SIZE_MAX / 2, LEAT_EQUEUEFULL);
  lti_buf_init(&s->in.text, &e->alloc, (size_t)message_max, LEAT_EMESSAGEMAX);
  lti_buf_init(&s->turns.before, &e->alloc, ID_MAX, LEAT_EDECODE);
  lti_buf_init(&s->words, &e->alloc, WORDS_MAX, LEAT_EBODYMAX);
  s->ws = lti_ws_new(&e->alloc, &s->config, &s->out.frames, &lti_socket_sink, s);
  if (s->ws && lti_alarm_join(&e->alarms, &s->alarm, lti_socket_alarm) == LTI_OK) {
    s->refs = 1;
    return s;
  }
  lti_ws_free(s->ws);
  lti_random_deinit(&s->random);
  lti_alloc_put(&e->alloc, s);
  return NULL;
}

int lti_socket_open(leat_engine *e, const lti_socket_plan *plan, lti_socket **socket) {
  const leat_ws *ws = plan->ws;
  const lti_protocol *dialect = ws->protocol ? lti_protocol_find(ws->protocol) : NULL;
  if (ws->protocol && (!dialect || !dialect->socket))
    return lti_engine_fail(e, LEAT_ENOPROTOCOL, "the protocol is not spoken over WebSocket");
  lti_socket *s = socket_new(e, plan);
  if (!s) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  s->dialect = dialect;
  leat_request q;
  leat_request_init(&q);
  q.protocol = "raw";
  q.base_url = ws->base_url;
  q.path = plan->path;
  q.api_key = ws->api_key;
  q.http = LEAT_HTTP_1;
  q.headers = ws->headers;
  q.header_count = ws->header_count;
  q.retries = plan->retries;
  q.on_event = lti_socket_event;
  q.on_done = lti_socket_done;
  q.user = s;
  set_deadlines(&q, ws);
  lti_spec_upgrade upgrade = {.dialect = dialect,
                              .url = ws->url,
                              .subprotocols = ws->subprotocols,
                              .model = ws->model,
                              .key_in_subprotocol = ws->key_in_subprotocol,
                              .ws = &s->config,
                              .key = s->key};
  int r = lti_request_upgrade(e, &q, &upgrade, s);
  if (r == LTI_OK)
    *socket = s;
  else
    lti_socket_release(s);
  return r;
}

static int check(leat_engine *e, const leat_ws *ws, const leat_id *id) {
  if (!ws || !id || ws->struct_size != sizeof *ws)
    return lti_engine_fail(e, LEAT_EINVAL, "a socket needs leat_ws_init, and a place for its id");
  if (!ws->on_done) return lti_engine_fail(e, LEAT_EINVAL, "a socket needs on_done");
  if (ws->header_count && !ws->headers)
    return lti_engine_fail(e, LEAT_EINVAL, "header_count without headers");
  if (!ws->url && !ws->protocol)
    return lti_engine_fail(e, LEAT_EINVAL, "a socket needs a url, or a protocol with a path");
  if (ws->close_ms < 0 || ws->ping_ms < LEAT_NONE || ws->message_bytes_max < 0 ||
      ws->queue_bytes < 0)
    return lti_engine_fail(e, LEAT_EINVAL, "a limit of the socket is negative");
  return LTI_OK;
}

int leat_ws_open(leat_engine *e, const leat_ws *ws, leat_id *id) {
  if (!e) return LEAT_EINVAL;
  if (lti_engine_closed(e)) return LEAT_ECLOSED;
  int r = check(e, ws, id);
  if (r != LTI_OK) return r;
  lti_socket *s;
  r = lti_socket_open(e, &(lti_socket_plan){.ws = ws, .retries = LEAT_NONE}, &s);
  if (r == LTI_OK) *id = s->request->item.id;
  return r;
}

void lti_socket_release(lti_socket *s) {
  if (--s->refs > 0) return;
  leat_engine *e = s->engine;
  lti_answer_free(s->in.follow);
  lti_answer_free(s->turns.leftover);
  lti_ws_free(s->ws);
  lti_buf_deinit(&s->out.frames);
  lti_buf_deinit(&s->in.text);
  lti_buf_deinit(&s->turns.before);
  lti_buf_deinit(&s->words);
  lti_spec_deinit(&s->spec);
  lti_random_deinit(&s->random);
  lti_alarm_leave(&e->alarms, &s->alarm);
  lti_alloc_put(&e->alloc, s);
}

lti_socket *lti_socket_find(const leat_engine *e, leat_id id) {
  lti_item *item = lti_slots_get(&e->items, id);
  if (!item || item->kind != LTI_ITEM_REQUEST) return NULL;
  lti_request *r = (lti_request *)item;
  return r->turn ? NULL : r->socket;
}

const lti_spec *lti_socket_spec(const lti_socket *s) {
  return s->request ? &s->request->spec : &s->spec;
}

/* ---- sending */

/* Bytes that have not left yet. */
static size_t queued(const lti_socket *s) {
  size_t below = s->state == SOCKET_ASKING ? 0 : lti_exchange_queued(&s->request->exchange);
  return s->out.frames.size + below;
}

/* As much as the connection should have at once: a quarter of what waits, so that moving the rest
 * to the front of its buffer costs linear time over all. */
void lti_socket_flush(lti_socket *s) {
  lti_buf *frames = &s->out.frames;
  if (s->state == SOCKET_ASKING || s->state == SOCKET_OVER) return;
  lti_exchange *x = &s->request->exchange;
  if (!x->conn || frames->size == 0 || lti_exchange_queued(x) >= LTI_LINK_QUEUE) return;
  size_t size = frames->size / 4 > GIVEN_BYTES ? frames->size / 4 : GIVEN_BYTES;
  if (size > frames->size) size = frames->size;
  int r = lti_exchange_send(x, lti_slice(frames->data, size));
  if (r != LTI_OK) {
    lti_socket_cut(s, r);
    return;
  }
  lti_buf_consume(frames, size);
  lti_buf_shrink(frames, KEPT_BYTES);
  lti_engine_kick(s->engine);
}

static int find(leat_engine *e, leat_id id, lti_socket **socket) {
  *socket = lti_socket_find(e, id);
  if (!*socket) return LEAT_ENOTFOUND;
  if ((*socket)->state > SOCKET_OPEN)
    return lti_engine_fail(e, LEAT_ESTATE, "the socket is closing");
  return LTI_OK;
}

int leat_ws_send(leat_engine *e, leat_id id, enum leat_ws_type type, leat_slice bytes, bool last) {
  lti_socket *s;
  if (!e) return LEAT_EINVAL;
  int r = find(e, id, &s);
  if (r != LTI_OK) return r;
  if (type != LEAT_WS_TEXT && type != LEAT_WS_BINARY)
    return lti_engine_fail(e, LEAT_EINVAL, "a message is text or binary");
  if (bytes.size && !bytes.data) return lti_engine_fail(e, LEAT_EINVAL, "bytes without data");
  if (queued(s) >= 2 * s->out.queue_bytes) {
    s->out.told_full = true;
    return lti_engine_fail(e, LEAT_EQUEUEFULL, "too much waits to be sent already");
  }
  enum lti_ws_type kind = type == LEAT_WS_TEXT ? LTI_WS_TEXT : LTI_WS_BINARY;
  r = lti_ws_send(s->ws, kind, bytes, last);
  if (r == LEAT_EINVAL) return lti_engine_fail(e, r, "the text is not valid UTF-8");
  if (r != LTI_OK) return lti_engine_fail(e, r, NULL);
  lti_socket_flush(s);
  if (s->state == SOCKET_OVER) return LTI_OK; /* done tells */
  if (queued(s) < s->out.queue_bytes) return LTI_OK;
  s->out.told_full = true;
  return 1;
}

int leat_ws_ping(leat_engine *e, leat_id id, leat_slice payload) {
  lti_socket *s;
  if (!e) return LEAT_EINVAL;
  int r = find(e, id, &s);
  if (r != LTI_OK) return r;
  if (queued(s) >= 2 * s->out.queue_bytes) return lti_engine_fail(e, LEAT_EQUEUEFULL, NULL);
  r = lti_ws_ping(s->ws, payload);
  if (r != LTI_OK) return lti_engine_fail(e, r, NULL);
  lti_socket_flush(s);
  return LTI_OK;
}

/* ---- closing */

static int begin_close(lti_socket *s, unsigned code, leat_slice reason) {
  int r = lti_ws_close(s->ws, code, reason);
  if (r != LTI_OK) return r;
  if (s->state == SOCKET_OPEN) s->state = SOCKET_CLOSING;
  s->closing_ns = lti_loop_clock(s->engine->loop);
  lti_socket_flush(s);
  lti_socket_arm(s);
  lti_engine_kick(s->engine);
  return LTI_OK;
}

int leat_ws_close(leat_engine *e, leat_id id, unsigned code, leat_slice reason) {
  lti_socket *s;
  if (!e) return LEAT_EINVAL;
  int r = find(e, id, &s);
  if (r == LTI_OK) r = begin_close(s, code, reason);
  if (r == LEAT_EINVAL) return lti_engine_fail(e, r, "a close code or reason that may not be sent");
  return r == LTI_OK || r == LEAT_ENOTFOUND ? r : lti_engine_fail(e, r, NULL);
}

void lti_socket_end(lti_socket *s, unsigned code) {
  if (s->state > SOCKET_OPEN || lti_ws_close_sent(s->ws)) return;
  int r = begin_close(s, code, lti_slice("", 0));
  if (r != LTI_OK) lti_socket_cut(s, r);
}

void lti_socket_drain(lti_socket *s) {
  s->draining = true;
  if (!s->turns.running && !s->turns.leftover && lti_list_empty(&s->turns.waiting))
    lti_socket_end(s, 1001);
}

void lti_socket_cut(lti_socket *s, int error) {
  if (s->state == SOCKET_OVER) return;
  lti_request_finish(s->request, &(lti_failure){.error = error, .layer = LEAT_LAYER_API});
}

/* ---- the handshake's end */

void lti_socket_over(lti_socket *s) {
  if (s->state == SOCKET_OVER) return;
  s->state = SOCKET_OVER;
  lti_alarm_set(&s->engine->alarms, &s->alarm, UINT64_MAX);
  lti_turn_fail_all(s);
}

void lti_socket_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  lti_socket *s = user;
  if (s->on_done && !s->own) s->on_done(e, id, result, s->code, s->user);
}

void lti_socket_told(lti_socket *s) {
  if (s->request) {
    s->spec = s->request->spec;
    s->request->spec = (lti_spec){.alloc = s->spec.alloc};
    s->request = NULL;
  }
  lti_socket_release(s);
}
