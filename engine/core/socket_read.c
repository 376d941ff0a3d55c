/* What comes to a socket: the answer to its handshake, messages, the end, and what the clock says.
 *
 * All of it runs in the call stack of a read, or of the engine's turn. A callback may do anything
 * meanwhile: behind each of them the state is looked at again. An event that comes while the reader
 * has paused is kept, as LEAT_EVENT_RAW with its kind and flags in `choice`; decoded events keep
 * their place behind it. */
#include <assert.h>

#include "base/error.h"
#include "core/socket.h"

#define MS_NS       1000000ull
#define LATE_NS     (10 * MS_NS)
#define LEFTOVER_MS 30000

/* ---- telling */

/* The fields of an event in the 32 bits of another. */
static uint32_t pack(const leat_ws_event *ev) {
  return (uint32_t)ev->kind | (uint32_t)ev->type << 8 | (uint32_t)ev->first << 12 |
         (uint32_t)ev->last << 13 | (uint32_t)ev->code << 16;
}

static leat_ws_event unpack(const leat_event *event) {
  uint32_t packed = event->choice;
  return (leat_ws_event){.kind = (enum leat_ws_event_kind)(packed & 0xff),
                         .type = (enum leat_ws_type)(packed >> 8 & 0xf),
                         .first = packed >> 12 & 1,
                         .last = packed >> 13 & 1,
                         .code = packed >> 16,
                         .bytes = event->text};
}

int lti_socket_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  lti_socket *s = user;
  leat_ws_event ev = {.kind = LEAT_WS_DECODED, .event = event};
  if (!s->on_event || event->kind == LEAT_EVENT_HEAD) return LEAT_CONTINUE;
  if (event->kind == LEAT_EVENT_RAW) ev = unpack(event);
  ev.received_ns = event->received_ns;
  return s->on_event(e, id, &ev, s->user);
}

static void keep(lti_socket *s, const leat_ws_event *ev) {
  leat_event event = {.kind = LEAT_EVENT_RAW, .choice = pack(ev), .text = ev->bytes};
  event.received_ns = ev->received_ns;
  int r = lti_response_hold(s->request, &event);
  if (r != LTI_OK) lti_socket_cut(s, r);
}

static void tell(lti_socket *s, leat_ws_event *ev) {
  lti_request *r = s->request;
  if (s->state == SOCKET_OVER || !s->on_event) return;
  ev->received_ns = r->exchange.received_ns;
  if (r->paused || !lti_hold_empty(&r->hold)) {
    keep(s, ev);
    return;
  }
  r->events++;
  s->engine->stats.events++;
  if (!r->delivered) r->times.first_event_ns = ev->received_ns;
  r->delivered = true;
  int answer = s->on_event(s->engine, r->item.id, ev, s->user);
  if (answer == LEAT_PAUSE && s->state != SOCKET_OVER) r->paused = true;
}

/* ---- the end */

static void finish(lti_socket *s, int error, enum leat_layer layer, const char *message) {
  lti_request_finish(s->request,
                     &(lti_failure){.error = error, .layer = layer, .message = message});
}

/* Both sides have closed. */
static void finish_closed(lti_socket *s) {
  if (s->code == 1000 || s->code == 1001 || s->code == 1005) {
    finish(s, LEAT_OK, LEAT_LAYER_NONE, NULL);
    return;
  }
  char line[160];
  leat_slice reason = lti_buf_slice(&s->words);
  int shown = reason.size < 123 ? (int)reason.size : 123;
  lti_buf *scratch = &s->engine->scratch;
  lti_buf_clear(scratch);
  lti_buf_format(scratch, "the peer closed with %u%s%.*s", s->code, shown ? ": " : "", shown,
                 shown ? reason.data : "");
  size_t size = scratch->size < sizeof line - 1 ? scratch->size : sizeof line - 1;
  if (size) memcpy(line, scratch->data, size);
  line[size] = '\0';
  finish(s, LEAT_EWSCLOSE, LEAT_LAYER_PROVIDER, size ? line : NULL);
}

static void finish_ending(lti_socket *s) {
  bool ours = s->error == LEAT_ENOMEM || s->error == LEAT_EMESSAGEMAX;
  const char *words =
      lti_buf_byte(&s->words, '\0') == LTI_OK && s->words.size > 1 ? s->words.data : NULL;
  finish(s, s->error, ours ? LEAT_LAYER_API : LEAT_LAYER_PROVIDER, words);
}

/* The last frame has left, or nobody waits for it any longer. */
static void finish_if_sent(lti_socket *s) {
  bool sent = s->out.frames.size == 0 && lti_exchange_queued(&s->request->exchange) == 0;
  if (!sent) return;
  if (s->state == SOCKET_ENDING)
    finish_ending(s);
  else if (s->state == SOCKET_CLOSING && lti_ws_close_seen(s->ws))
    finish_closed(s);
}

void lti_socket_fail(lti_socket *s, int error, const char *message) {
  if (s->state >= SOCKET_ENDING) return;
  s->state = SOCKET_ENDING;
  s->error = error;
  s->code = 1006;
  lti_buf_clear(&s->words);
  if (message) lti_buf_text(&s->words, message);
  if (!s->closing_ns) s->closing_ns = lti_loop_clock(s->engine->loop);
  lti_socket_flush(s);
  if (s->state == SOCKET_ENDING) finish_if_sent(s);
  lti_socket_arm(s);
}

void lti_socket_lost(lti_socket *s, const lti_failure *failure) {
  if (s->state == SOCKET_OVER) return;
  if (s->state == SOCKET_ENDING) {
    finish_ending(s);
    return;
  }
  int error = lti_ws_end(s->ws);
  if (lti_ws_close_seen(s->ws)) {
    finish_closed(s);
    return;
  }
  bool told = failure && failure->error != LEAT_ERESET && failure->error != LEAT_ETRUNCATED;
  if (told)
    lti_request_finish(s->request, failure);
  else
    finish(s, error, LEAT_LAYER_SOCKET, "the connection ended without a Close");
}

/* ---- the handshake */

void lti_socket_ask(lti_socket *s) {
  lti_spec_rekey(&s->request->spec, &s->config, s->key);
}

bool lti_socket_blocked(const lti_socket *s) {
  const lti_request *r = s->request, *turn = s->turns.running;
  if (r->paused || !lti_hold_empty(&r->hold)) return true;
  return turn && (turn->paused || !lti_hold_empty(&turn->hold));
}

bool lti_socket_resumes(lti_socket *s) {
  if (lti_socket_blocked(s)) return false;
  s->in.byte_ns = lti_loop_clock(s->engine->loop);
  s->in.pinged_ns = 0;
  lti_socket_arm(s);
  return true;
}

void lti_socket_wake(lti_socket *s) {
  lti_request *r = s->request;
  if (s->state == SOCKET_OVER || !r->exchange.paused || lti_socket_blocked(s)) return;
  lti_list_remove(&r->item.due);
  lti_list_push(&s->engine->resumed, &r->item.due);
  lti_engine_kick(s->engine);
}

/* What the sinks of an exchange answer. */
static int answer(lti_socket *s) {
  if (s->state == SOCKET_OVER) return LTI_STOPPED;
  if (s->state == SOCKET_ENDING || !lti_socket_blocked(s)) return LTI_OK;
  s->request->exchange.paused = true;
  return LTI_STOPPED;
}

int lti_socket_begin(lti_socket *s, const lti_http_head *head) {
  lti_request *r = s->request;
  leat_slice chosen;
  const char *why;
  int rc = lti_ws_check(head, s->key, lti_spec_offered(&r->spec), &chosen, &why);
  if (rc != LTI_OK) {
    lti_request_detach(r, false);
    lti_request_failed(r, rc, LEAT_LAYER_HTTP, why);
    return LTI_OK;
  }
  s->state = lti_ws_close_sent(s->ws) ? SOCKET_CLOSING : SOCKET_OPEN;
  s->in.byte_ns = r->exchange.received_ns;
  leat_head told = {.status = head->status,
                    .headers = head->headers,
                    .header_count = head->header_count,
                    .http = (enum leat_http)r->http};
  leat_ws_event ev = {.kind = LEAT_WS_OPEN, .bytes = chosen, .head = &told};
  tell(s, &ev);
  lti_socket_flush(s);
  if (s->state == SOCKET_OPEN) lti_turn_next(s);
  if (s->state == SOCKET_OPEN && s->draining) lti_socket_drain(s);
  if (s->state != SOCKET_OVER) lti_socket_arm(s);
  return answer(s);
}

/* ---- messages */

/* Decodes what no turn waits for. A decoder that is done, or cannot go on, makes place for another:
 * the message itself was told. */
static void follow(lti_socket *s, leat_slice text) {
  lti_request *r = s->request;
  leat_engine *e = s->engine;
  int rc = LTI_OK;
  if (!s->on_event) return;
  if (!s->in.follow) {
    lti_answer_limits limits = {s->in.text.max, s->in.text.max, &e->decoded, &e->spare};
    s->in.follow =
        lti_answer_new(&e->alloc, s->dialect, &limits, (lti_answer_sink){lti_response_event, r});
    if (!s->in.follow) rc = LEAT_ENOMEM;
  }
  if (rc == LTI_OK) rc = lti_answer_message(s->in.follow, text);
  if (rc != LTI_OK && rc != LTI_AGAIN && s->in.follow) {
    lti_answer_free(s->in.follow);
    s->in.follow = NULL;
  }
  if (rc == LEAT_ENOMEM || rc == LEAT_EHELDMAX) lti_socket_cut(s, rc);
}

static void decode(lti_socket *s, leat_slice text) {
  s->engine->stats.records++;
  if (s->turns.running || s->turns.leftover)
    lti_turn_message(s, text);
  else
    follow(s, text);
}

/* A text in pieces is put together for the decoder alone. */
static void gather(lti_socket *s, leat_slice bytes, bool first, bool last) {
  lti_buf *text = &s->in.text;
  if (first && last) {
    decode(s, bytes);
    return;
  }
  if (first) lti_buf_clear(text);
  int r = lti_buf_append(text, bytes);
  if (r != LTI_OK) {
    lti_socket_cut(s, r);
    return;
  }
  s->engine->stats.bytes_copied += bytes.size;
  if (!last) return;
  decode(s, lti_buf_slice(text));
  lti_buf_clear(text);
  lti_buf_shrink(text, 4096);
}

static int on_message(void *ctx, enum lti_ws_type type, leat_slice bytes, bool first, bool last) {
  lti_socket *s = ctx;
  leat_ws_event ev = {.kind = LEAT_WS_MESSAGE,
                      .type = type == LTI_WS_TEXT ? LEAT_WS_TEXT : LEAT_WS_BINARY,
                      .first = first,
                      .last = last,
                      .bytes = bytes};
  tell(s, &ev);
  if (s->state != SOCKET_OVER && s->dialect && type == LTI_WS_TEXT) gather(s, bytes, first, last);
  return s->state == SOCKET_OVER || lti_socket_blocked(s) ? LTI_STOPPED : LTI_OK;
}

static void on_ping(void *ctx, leat_slice payload) {
  leat_ws_event ev = {.kind = LEAT_WS_PING, .bytes = payload};
  tell(ctx, &ev);
}

static void on_pong(void *ctx, leat_slice payload) {
  leat_ws_event ev = {.kind = LEAT_WS_PONG, .bytes = payload};
  tell(ctx, &ev);
}

static void on_closed(void *ctx, unsigned code, leat_slice reason) {
  lti_socket *s = ctx;
  if (s->state == SOCKET_OVER) return;
  s->state = SOCKET_CLOSING;
  s->code = code;
  lti_buf_clear(&s->words);
  lti_buf_append(&s->words, reason);
  if (!s->closing_ns) s->closing_ns = lti_loop_clock(s->engine->loop);
  leat_ws_event ev = {.kind = LEAT_WS_CLOSING, .code = code, .bytes = reason};
  tell(s, &ev);
  if (s->state != SOCKET_OVER) lti_turn_closed(s, code, lti_buf_slice(&s->words));
}

const lti_ws_sink lti_socket_sink = {on_message, on_ping, on_pong, on_closed};

int lti_socket_bytes(lti_socket *s, leat_slice bytes, size_t *taken) {
  lti_request *r = s->request;
  int rc = LTI_STOPPED;
  s->in.byte_ns = r->exchange.received_ns;
  s->in.pinged_ns = 0;
  *taken = bytes.size;
  if (s->state == SOCKET_ENDING) return LTI_OK;
  while (rc == LTI_STOPPED && s->state < SOCKET_ENDING && !lti_socket_blocked(s)) {
    size_t n;
    rc = lti_ws_feed(s->ws, bytes, r->exchange.received_ns, &n);
    bytes = lti_slice_from(bytes, n);
  }
  if (s->state == SOCKET_OVER) return LTI_STOPPED;
  if (rc < 0) {
    lti_socket_fail(s, rc, lti_ws_reason(s->ws));
    return answer(s);
  }
  lti_socket_flush(s);
  if (s->state == SOCKET_CLOSING) finish_if_sent(s);
  if (s->state == SOCKET_OVER) return LTI_STOPPED;
  if (s->state != SOCKET_ENDING) *taken -= bytes.size;
  lti_socket_arm(s);
  return answer(s);
}

void lti_socket_drained(lti_socket *s) {
  if (s->state == SOCKET_OVER || s->state == SOCKET_ASKING) return;
  lti_socket_flush(s);
  if (s->state == SOCKET_OVER || lti_exchange_queued(&s->request->exchange)) return;
  if (s->out.told_full) {
    s->out.told_full = false;
    leat_ws_event ev = {.kind = LEAT_WS_SENT};
    tell(s, &ev);
  }
  if (s->state != SOCKET_OVER) finish_if_sent(s);
}

/* ---- clocks */

enum clock { CLOCK_NONE, CLOCK_PING, CLOCK_LOST, CLOCK_CLOSE, CLOCK_LINGER, CLOCK_LEFTOVER };

static void consider(uint64_t from_ns, int64_t ms, enum clock clock, uint64_t *at,
                     enum clock *which) {
  if (from_ns == 0 || ms < 0) return;
  uint64_t then = from_ns + (uint64_t)ms * MS_NS;
  if (then >= *at) return;
  *at = then;
  *which = clock;
}

static uint64_t next_clock(const lti_socket *s, enum clock *which) {
  uint64_t at = UINT64_MAX;
  *which = CLOCK_NONE;
  consider(s->closing_ns, s->close_ms, CLOCK_CLOSE, &at, which);
  if (s->state != SOCKET_OPEN || lti_socket_blocked(s)) return at;
  if (s->in.pinged_ns)
    consider(s->in.pinged_ns, s->ping_ms, CLOCK_LOST, &at, which);
  else
    consider(s->in.byte_ns, s->ping_ms, CLOCK_PING, &at, which);
  consider(s->turns.linger_ns, LTI_PROTOCOL_LINGER_MS, CLOCK_LINGER, &at, which);
  if (s->turns.leftover) consider(s->turns.leftover_ns, LEFTOVER_MS, CLOCK_LEFTOVER, &at, which);
  return at;
}

void lti_socket_arm(lti_socket *s) {
  enum clock which;
  if (s->state == SOCKET_OVER) return;
  lti_alarm_set(&s->engine->alarms, &s->alarm, next_clock(s, &which));
}

static void ring(lti_socket *s, enum clock which) {
  switch (which) {
    case CLOCK_NONE: return;
    case CLOCK_PING:
      s->in.pinged_ns = lti_loop_clock(s->engine->loop);
      if (lti_ws_ping(s->ws, lti_slice("", 0)) == LTI_OK) lti_socket_flush(s);
      return;
    case CLOCK_LOST:
      finish(s, LEAT_EIDLETIMEOUT, LEAT_LAYER_SOCKET, "the peer does not answer a PING");
      return;
    case CLOCK_CLOSE:
      if (s->state == SOCKET_ENDING)
        finish_ending(s);
      else if (lti_ws_close_seen(s->ws))
        finish_closed(s);
      else
        finish(s, LEAT_EWSCLOSE, LEAT_LAYER_SOCKET, "the peer did not answer the Close in time");
      return;
    case CLOCK_LINGER: lti_turn_linger_over(s); return;
    case CLOCK_LEFTOVER:
      lti_socket_fail(s, LEAT_EIDLETIMEOUT, "the answer to a turn that was given up did not end");
      return;
  }
}

/* A loop that was held up reads first, once for each time: see deadline.c. */
void lti_socket_alarm(lti_alarm *alarm, uint64_t now_ns) {
  lti_socket *s = LTI_CONTAINER_OF(alarm, lti_socket, alarm);
  enum clock which;
  uint64_t at = next_clock(s, &which);
  if (s->state == SOCKET_OVER) return;
  if (at <= now_ns && now_ns - at >= LATE_NS && s->in.excused_ns != at) {
    s->in.excused_ns = at;
    lti_alarm_set(&s->engine->alarms, alarm, now_ns + MS_NS);
    return;
  }
  if (at <= now_ns) ring(s, which);
  lti_socket_arm(s);
}
