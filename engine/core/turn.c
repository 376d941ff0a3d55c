/* Turns on a socket: a request of a dialect that is spoken over WebSocket. See socket.h.
 *
 * A turn waits in QUEUED for the socket to be open and free, is SENT when its messages have been
 * queued, READING from the first message that answers, and FINISHED by its dialect's end. It is
 * never sent twice. A socket of its own is closed behind it, and cut when it ends otherwise. */
#include <assert.h>

#include "base/error.h"
#include "core/socket.h"
#include "core/watch.h"

#define FRAME_HEAD_MAX 14
/* For the end of a socket whose only turn has all that it wants. */
#define OWN_CLOSE_MS 1000

/* ---- submitting */

static int open_own(leat_engine *e, const leat_request *q, lti_request *r) {
  leat_ws ws;
  leat_ws_init(&ws);
  ws.base_url = q->base_url;
  ws.protocol = r->spec.protocol->name;
  ws.model = q->chat ? q->chat->model : NULL;
  ws.api_key = q->api_key;
  ws.headers = q->headers;
  ws.header_count = q->header_count;
  ws.deadlines = q->deadlines;
  /* These run for the turn. */
  ws.deadlines.total_ms = ws.deadlines.idle_ms = ws.deadlines.queue_ms = LEAT_NONE;
  ws.message_bytes_max = e->config.event_bytes_max;
  ws.close_ms = OWN_CLOSE_MS;
  lti_socket_plan plan = {.ws = &ws, .path = q->path, .retries = q->retries, .own = true};
  int rc = lti_socket_open(e, &plan, &r->socket);
  if (rc == LTI_OK) r->socket->refs++;
  return rc;
}

static int join(leat_engine *e, const leat_request *q, lti_request *r) {
  lti_socket *s = lti_socket_find(e, q->socket);
  if (!s || s->state == SOCKET_OVER)
    return lti_engine_fail(e, LEAT_ENOTFOUND, "no socket has this id");
  if (s->dialect != r->spec.protocol)
    return lti_engine_fail(e, LEAT_EINVAL, "the socket was opened for another protocol");
  if (s->state > SOCKET_OPEN || s->closing_ns || s->draining)
    return lti_engine_fail(e, LEAT_ESTATE, "the socket is closing");
  r->socket = s;
  s->refs++;
  return LTI_OK;
}

int lti_turn_submit(leat_engine *e, const leat_request *q, leat_id *id) {
  lti_request *r;
  int rc = lti_request_turn(e, q, &r);
  if (rc != LTI_OK) return rc;
  rc = lti_slots_add(&e->items, r, &r->item.id);
  if (rc != LTI_OK) {
    lti_engine_fail(e, rc, NULL);
  } else {
    rc = q->socket ? join(e, q, r) : open_own(e, q, r);
    if (rc != LTI_OK) lti_slots_remove(&e->items, r->item.id);
  }
  if (rc != LTI_OK) {
    lti_request_drop(r);
    return rc;
  }
  lti_list_push(&r->socket->turns.waiting, &r->turn_node);
  lti_request_started(r);
  *id = r->item.id;
  lti_engine_trace(e, *id, "submit a turn on socket %llu",
                   (unsigned long long)r->socket->request->item.id);
  lti_turn_next(r->socket);
  return LTI_OK;
}

/* ---- asking */

/* All messages or none: there is room for each before the first is written. */
static int send_messages(lti_socket *s, const lti_spec *spec) {
  leat_slice rest = lti_spec_body(spec), frame;
  size_t room = 0;
  while (lti_protocol_frame(&rest, &frame)) room += frame.size + FRAME_HEAD_MAX;
  int rc = lti_buf_reserve(&s->out.frames, room);
  rest = lti_spec_body(spec);
  while (rc == LTI_OK && lti_protocol_frame(&rest, &frame))
    rc = lti_ws_send(s->ws, LTI_WS_TEXT, frame, true);
  return rc;
}

static void stamp(lti_socket *s, lti_request *r) {
  uint64_t now = lti_loop_clock(s->engine->loop);
  const lti_request *shake = s->request;
  r->times.leased_ns = r->times.connected_ns = r->times.tls_ns = now;
  if (!s->turns.later && s->own) r->times = shake->times, r->times.head_ns = 0;
  r->times.queued_ns = r->wait_from_ns;
  r->waited_ns = now - r->wait_from_ns;
  r->exchange.sent_ns = now;
  r->attempts = s->own ? shake->attempts : 1;
  r->status = shake->status;
  r->http = LEAT_HTTP_1;
  r->reused_connection = s->turns.later || (s->own && shake->reused_connection);
  r->resumed_tls = shake->resumed_tls;
  r->tls = shake->tls;
}

static int begin(lti_socket *s, lti_request *r) {
  const lti_protocol *p = r->spec.protocol;
  lti_protocol_turn turn = {.usage = r->spec.usage,
                            .choices = r->spec.choices,
                            .later = s->turns.later,
                            .before = lti_buf_slice(&s->turns.before)};
  int rc = lti_response_begin(r);
  if (rc != LTI_OK) return rc;
  p->begin(r->answer->decoder, &turn);
  return send_messages(s, &r->spec);
}

void lti_turn_next(lti_socket *s) {
  lti_list *n;
  while (s->state == SOCKET_OPEN && !s->turns.running && !s->turns.leftover &&
         (n = lti_list_pop(&s->turns.waiting))) {
    lti_request *r = LTI_CONTAINER_OF(n, lti_request, turn_node);
    stamp(s, r);
    lti_watch_turn(r);
    int rc = begin(s, r);
    if (rc != LTI_OK) {
      lti_request_finish(r, &(lti_failure){.error = rc, .layer = LEAT_LAYER_API});
      if (s->own) lti_socket_end(s, 1000);
      continue;
    }
    s->turns.running = r;
    r->state = REQUEST_SENT;
    lti_spec_drop_body(&r->spec);
    lti_deadline_arm(r);
    lti_socket_flush(s);
  }
}

/* ---- being answered */

/* The turn leaves its socket before it finishes, so that its leaving changes nothing there. */
static void settle(lti_socket *s, int error, const char *message) {
  lti_request *r = s->turns.running;
  leat_slice id = r->answer ? r->spec.protocol->response(r->answer->decoder)->id : lti_slice("", 0);
  s->turns.running = NULL;
  s->turns.linger_ns = 0;
  s->turns.later = true;
  lti_buf_clear(&s->turns.before);
  lti_buf_append(&s->turns.before, id); /* without memory it is not known */
  r->retryable = error == LEAT_ERESET || error == LEAT_ETRUNCATED || error == LEAT_EWSCLOSE;
  lti_request_finish(
      r, &(lti_failure){.error = error, .layer = LEAT_LAYER_PROVIDER, .message = message});
}

/* Behind a turn: the next, or the socket's own end. */
static void go_on(lti_socket *s) {
  if (s->own)
    lti_socket_end(s, 1000);
  else
    lti_turn_next(s);
  if (s->state == SOCKET_OPEN && s->draining) lti_socket_drain(s);
  lti_socket_wake(s);
}

static void conclude(lti_socket *s) {
  lti_verdict verdict;
  lti_answer_verdict(s->turns.running->answer, &verdict);
  settle(s, verdict.error, NULL);
  go_on(s);
}

void lti_turn_drop_leftover(lti_socket *s) {
  lti_answer_free(s->turns.leftover);
  s->turns.leftover = NULL;
}

/* The rest of an answer that nobody waits for: read until it ends, however it ends. */
static void read_leftover(lti_socket *s, int rc) {
  s->turns.leftover_ns = s->request->exchange.received_ns;
  if (rc == LTI_OK) return;
  const leat_response *about = s->dialect->response(s->turns.leftover->decoder);
  lti_buf_clear(&s->turns.before);
  lti_buf_append(&s->turns.before, about->id);
  lti_turn_drop_leftover(s);
  if (rc == LTI_STOPPED || rc == LTI_AGAIN)
    go_on(s);
  else
    lti_socket_fail(s, rc, "an answer cannot be decoded, and so its end cannot be known");
}

static void stamp_read(lti_socket *s, lti_request *r, size_t size) {
  uint64_t now = s->request->exchange.received_ns;
  r->exchange.received_ns = now;
  r->bytes += size;
  if (r->state == REQUEST_READING) return;
  r->state = REQUEST_READING;
  r->times.head_ns = r->since_ns = now;
  lti_deadline_arm(r);
}

void lti_turn_message(lti_socket *s, leat_slice text) {
  lti_request *r = s->turns.running;
  if (!r) {
    read_leftover(s, lti_answer_message(s->turns.leftover, text));
    return;
  }
  stamp_read(s, r, text.size);
  int rc = lti_response_message(r, text);
  if (s->state == SOCKET_OVER) return;
  if (s->turns.running != r) { /* it was cancelled by its own callback */
    if (s->turns.leftover) read_leftover(s, rc);
    return;
  }
  s->turns.linger_ns = rc == LTI_AGAIN ? r->exchange.received_ns : 0;
  if (rc == LTI_STOPPED) {
    conclude(s);
  } else if (rc < 0) {
    settle(s, rc, NULL);
    lti_socket_fail(s, rc, "an answer cannot be decoded, and so its end cannot be known");
  }
}

void lti_turn_linger_over(lti_socket *s) {
  s->turns.linger_ns = 0;
  if (s->turns.running) conclude(s);
}

void lti_turn_closed(lti_socket *s, unsigned code, leat_slice reason) {
  lti_request *r = s->turns.running;
  lti_verdict verdict;
  if (!r) return;
  lti_answer_cut(r->answer);
  if (s->turns.running != r || s->state == SOCKET_OVER) return;
  if (r->spec.protocol->closed) r->spec.protocol->closed(r->answer->decoder, code, reason);
  lti_answer_verdict(r->answer, &verdict);
  if (verdict.error == LEAT_OK || verdict.error == LEAT_EAPI) {
    settle(s, verdict.error, NULL);
    return;
  }
  lti_buf *line = &s->engine->scratch;
  lti_buf_clear(line);
  lti_buf_format(line, "the peer closed with %u%s%.*s", code, reason.size ? ": " : "",
                 (int)reason.size, reason.size ? reason.data : "");
  bool put = lti_buf_byte(line, '\0') == LTI_OK;
  bool plain = code == 1000 || code == 1001 || code == 1005;
  int error = !plain ? LEAT_EWSCLOSE : r->state == REQUEST_SENT ? LEAT_ERESET : LEAT_ETRUNCATED;
  settle(s, error, put ? line->data : NULL);
}

/* ---- ends that are not the answer's */

static int ignore(void *ctx, leat_event *event) {
  (void)ctx;
  (void)event;
  return LTI_OK;
}

void lti_turn_leave(lti_request *r) {
  lti_socket *s = r->socket;
  lti_list_remove(&r->turn_node);
  bool running = s->turns.running == r;
  if (s->state == SOCKET_OVER || (!running && !s->own)) return;
  if (running) s->turns.running = NULL;
  s->turns.linger_ns = 0;
  if (s->own) {
    if (running || s->state == SOCKET_ASKING) lti_socket_cut(s, LEAT_ECANCELLED);
    return;
  }
  /* The decoder may be on the stack: it moves, and is freed behind its end. */
  s->turns.later = true;
  s->turns.leftover = r->answer;
  s->turns.leftover->sink = (lti_answer_sink){ignore, NULL};
  s->turns.leftover->want_raw = false;
  r->answer = NULL;
  s->turns.leftover_ns = lti_loop_clock(s->engine->loop);
  lti_socket_arm(s);
  lti_socket_wake(s);
}

/* What befell the socket befell the turn; of its own socket it knows all that is known. */
static void inherit(lti_socket *s, lti_request *r) {
  lti_request *shake = s->request;
  r->retryable = shake->retryable;
  r->native = shake->native;
  if (!r->origin && shake->origin) {
    r->origin = shake->origin;
    lti_pool_origin_keep(r->origin);
  }
  if (!s->own || r->state != REQUEST_QUEUED) return;
  r->attempts = shake->attempts;
  r->status = shake->status;
  r->retry_after_ms = shake->retry_after_ms;
  uint64_t queued_ns = r->times.queued_ns;
  r->times = shake->times;
  r->times.queued_ns = queued_ns;
  r->exchange.sent_ns = shake->exchange.sent_ns;
  lti_alloc *alloc = &r->item.engine->alloc;
  lti_alloc_put(alloc, r->request_id);
  r->request_id = shake->request_id ? lti_alloc_text(alloc, lti_slice_of(shake->request_id)) : NULL;
  r->refusal = shake->refusal;
  shake->refusal = NULL;
}

static void fail_one(lti_socket *s, lti_request *r) {
  lti_request *shake = s->request;
  char line[256];
  leat_slice words = shake->words ? lti_buf_slice(&shake->words->message) : lti_slice("", 0);
  size_t size = words.size < sizeof line - 1 ? words.size : sizeof line - 1;
  if (size) memcpy(line, words.data, size);
  line[size] = '\0';
  int error = shake->error;
  /* A socket that ended well has answered only those that it was asked. */
  if (error == LEAT_OK) error = LEAT_ERESET;
  if (error == LEAT_ERESET && r->state == REQUEST_READING) error = LEAT_ETRUNCATED;
  inherit(s, r);
  lti_failure failure = {.error = error,
                         .layer = shake->error ? shake->layer : LEAT_LAYER_SOCKET,
                         .native = shake->native,
                         .message = size           ? line
                                    : shake->error ? NULL
                                                   : "the socket was closed before its turn"};
  bool unasked = r->state == REQUEST_QUEUED && shake->status == 101;
  if (unasked && error != LEAT_ECANCELLED) r->retryable = true;
  lti_request_finish(r, &failure);
}

void lti_turn_fail_all(lti_socket *s) {
  lti_request *r = s->turns.running;
  lti_list *n;
  s->turns.running = NULL;
  if (r) fail_one(s, r);
  while ((n = lti_list_pop(&s->turns.waiting)))
    fail_one(s, LTI_CONTAINER_OF(n, lti_request, turn_node));
}
