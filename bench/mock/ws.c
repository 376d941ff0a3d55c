/* A socket's frames, both ways, and its turns.
 *
 * From the peer frames gather in `in` until they are whole; fragments gather in `message`. What the
 * peer may not do (no mask, reserved bits, wrong fragments, long control frames) closes with 1002,
 * what is too big with 1009. To the peer a piece of an event stream becomes a frame in place: the
 * header is written over what stood before the event. */
#include "bench/mock/ws.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX  (64u << 20)
#define TURNS_MAX    64
#define HEADER_MAX   10
#define CLOSE_NORMAL 1000
#define CLOSE_BROKEN 1002
#define CLOSE_TOOBIG 1009
#define CLOSE_FAILED 1011

static ws_turn *turn_of(const mock_exchange *x) {
  return LTI_CONTAINER_OF(x, ws_turn, x);
}

static ws_turn *first_turn(const ws *w) {
  if (lti_list_empty(&w->turns)) return NULL;
  return turn_of(LTI_CONTAINER_OF(w->turns.next, mock_exchange, all));
}

/* ---- out */

/* Writes the header so that it ends where the payload begins; returns its first byte. */
static char *write_header(char *payload, unsigned first, size_t size) {
  unsigned extra = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;
  char *at = payload;
  for (unsigned i = 0; i < extra; i++) *--at = (char)(unsigned char)((uint64_t)size >> (8 * i));
  *--at = (char)(extra == 0 ? size : extra == 2 ? 126 : 127);
  *--at = (char)(unsigned char)first;
  return at;
}

/* One frame; `final` is the FIN bit. */
static void send_frame(ws *w, unsigned opcode, bool final, leat_slice payload) {
  char header[HEADER_MAX];
  lti_buf out;
  if (w->closed) return;
  char *start = write_header(header + HEADER_MAX, opcode | (final ? 0x80u : 0), payload.size);
  lti_buf_init(&out, &w->conn->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (lti_buf_append(&out, lti_slice(start, (size_t)(header + HEADER_MAX - start))) ||
      lti_buf_append(&out, payload))
    mock_conn_drop(w->conn);
  else
    mock_conn_send(w->conn, out.data, out.size);
  lti_buf_deinit(&out);
  if (final) w->conn->m->stats.ws_sent++;
}

void ws_send(ws *w, enum ws_opcode opcode, const char *bytes, size_t size) {
  size_t most = opcode < WS_CLOSE && w->script.fragment ? w->script.fragment : SIZE_MAX;
  unsigned code = opcode;
  do {
    size_t n = size < most ? size : most;
    send_frame(w, code, n == size, lti_slice(bytes, n));
    code = WS_CONTINUATION;
    bytes += n;
    size -= n;
  } while (size);
}

void ws_send_text(ws *w, const char *format, ...) {
  char text[2048];
  va_list list;
  va_start(list, format);
  int n = vsnprintf(text, sizeof text, format, list);
  va_end(list);
  if (n > 0) ws_send(w, WS_TEXT, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void ws_send_close(ws *w, unsigned code, const char *reason) {
  char payload[125];
  size_t n = strlen(reason);
  if (n > sizeof payload - 2) n = sizeof payload - 2;
  payload[0] = (char)(unsigned char)(code >> 8);
  payload[1] = (char)(unsigned char)code;
  memcpy(payload + 2, reason, n);
  if (w->closing) return;
  send_frame(w, WS_CLOSE, true, lti_slice(payload, n + 2));
  w->closing = true;
  mock_conn_arm_idle(w->conn, w->conn->m->config.keepalive_ms);
}

/* Both have said Close: the server closes first (RFC 6455, 7.1.1). */
static void finish(ws *w) {
  w->closed = true;
  if (!w->script.hold) mock_conn_end(w->conn, MOCK_ENDING_CLEAN);
}

/* ---- in */

struct frame {
  unsigned opcode;
  bool final, masked, reserved;
  uint64_t size;
  size_t header; /* bytes before the payload */
};

/* False: more bytes are needed. */
static bool read_header(const lti_buf *in, struct frame *f) {
  const unsigned char *p = (const unsigned char *)in->data;
  if (in->size < 2) return false;
  f->final = (p[0] & 0x80) != 0;
  f->reserved = (p[0] & 0x70) != 0;
  f->opcode = p[0] & 15u;
  f->masked = (p[1] & 0x80) != 0;
  f->size = p[1] & 127u;
  unsigned extra = f->size == 126 ? 2 : f->size == 127 ? 8 : 0;
  f->header = 2u + extra + (f->masked ? 4u : 0u);
  if (in->size < f->header) return false;
  if (extra) f->size = 0;
  for (unsigned i = 0; i < extra; i++) f->size = f->size << 8 | p[2 + i];
  return true;
}

static bool legal(const ws *w, const struct frame *f) {
  bool control = f->opcode >= WS_CLOSE;
  if (!f->masked || f->reserved) return false;
  if (control) return f->opcode <= WS_PONG && f->final && f->size <= 125;
  if (f->opcode == WS_CONTINUATION) return w->opcode != 0;
  return f->opcode <= WS_BINARY && w->opcode == 0;
}

static void unmask(char *payload, size_t size, const char *mask) {
  for (size_t i = 0; i < size; i++) payload[i] = (char)(payload[i] ^ mask[i & 3]);
}

static void take_close(ws *w, leat_slice payload) {
  mock_stats *s = &w->conn->m->stats;
  unsigned code = CLOSE_NORMAL;
  s->ws_closes++;
  if (payload.size >= 2)
    code = (unsigned)((unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1]);
  if (w->script.no_close) return;
  ws_send_close(w, code, "");
  finish(w);
}

static void take_message(ws *w, enum ws_opcode opcode, leat_slice message) {
  w->taken++;
  w->conn->m->stats.ws_received++;
  if (w->closing) return;
  mock_conn_arm_idle(w->conn, w->conn->m->config.keepalive_ms);
  ws_talk_message(w, opcode, message);
  if (w->script.close && w->taken >= w->script.close_after)
    ws_send_close(w, w->script.close, "as the script says");
}

static void take_frame(ws *w, const struct frame *f, leat_slice payload) {
  switch (f->opcode) {
    case WS_PING: ws_send(w, WS_PONG, payload.data, payload.size); return;
    case WS_PONG: w->conn->m->stats.ws_pongs++; return;
    case WS_CLOSE: take_close(w, payload); return;
    default: break;
  }
  if (f->opcode != WS_CONTINUATION) w->opcode = (int)f->opcode;
  if (w->message.size + payload.size > MESSAGE_MAX || lti_buf_append(&w->message, payload)) {
    ws_send_close(w, CLOSE_TOOBIG, "the message is too big");
    return;
  }
  if (!f->final) return;
  enum ws_opcode opcode = (enum ws_opcode)w->opcode;
  w->opcode = 0;
  take_message(w, opcode, lti_buf_slice(&w->message));
  lti_buf_clear(&w->message);
  lti_buf_shrink(&w->message, 4096);
}

static void ws_input(mock_conn *c, const char *bytes, size_t size) {
  ws *w = ws_of(c);
  struct frame f;
  if (w->closed) return;
  if (lti_buf_append(&w->in, lti_slice(bytes, size))) {
    mock_conn_drop(c);
    return;
  }
  while (!c->dead && c->ending == MOCK_ENDING_NONE && !w->closed && read_header(&w->in, &f)) {
    bool fits = f.size <= MESSAGE_MAX;
    if (!fits || !legal(w, &f)) {
      ws_send_close(w, fits ? CLOSE_BROKEN : CLOSE_TOOBIG, fits ? "a bad frame" : "too big");
      finish(w);
      return;
    }
    size_t whole = f.header + (size_t)f.size;
    if (w->in.size < whole) return;
    char *payload = w->in.data + f.header;
    unmask(payload, (size_t)f.size, payload - 4);
    take_frame(w, &f, lti_slice(payload, (size_t)f.size));
    lti_buf_consume(&w->in, whole);
  }
  if (!w->in.size) lti_buf_shrink(&w->in, 4096);
}

/* ---- turns */

static void free_turn(ws *w, ws_turn *t) {
  w->waiting--;
  mock_exchange_deinit(&t->x);
  free(t);
}

void ws_ask(ws *w, leat_slice message) {
  mock_conn *c = w->conn;
  ws_turn *t = w->waiting < TURNS_MAX ? calloc(1, sizeof *t) : NULL;
  if (!t) {
    ws_send_close(w, CLOSE_FAILED, "too many turns wait");
    return;
  }
  mock_exchange_init(&t->x, c);
  w->waiting++;
  lti_list_push(&w->turns, &t->x.all);
  t->x.method = HTTP_POST;
  t->x.socket = true;
  if (lti_buf_append(&t->x.head, lti_buf_slice(&w->shake->head)) ||
      lti_buf_append(&t->x.body, message))
    mock_conn_drop(c);
  else
    mock_conn_mark(c);
}

static void begin_turn(ws *w, ws_turn *t) {
  mock_stats *s = &w->conn->m->stats;
  t->begun = true;
  w->turn_count++;
  s->requests++;
  s->ws.requests++;
  if (++s->ws.live > s->ws.peak) s->ws.peak = s->ws.live;
  mock_flight_enter(&t->x);
  mock_plan_make(&t->x);
  t->x.served = true;
  if (mock_fault_on(t->x.plan.faults, FAULT_BYTEWISE)) w->conn->stride = 1;
  ws_talk_begin(w, t);
}

/* Turns that are over go, and the next begins: never on the stack of a turn's own step. */
static void ws_pump(mock_conn *c) {
  ws *w = ws_of(c);
  ws_turn *t = first_turn(w);
  if (t && t->over) {
    c->m->stats.ws.live--;
    free_turn(w, t);
    t = first_turn(w);
    mock_conn_arm_idle(c, c->m->config.keepalive_ms);
  }
  if (!t || t->begun || w->closing || c->dead || c->ending != MOCK_ENDING_NONE) return;
  mock_cadence_stop(c->m, &c->due);
  begin_turn(w, t);
}

static void turn_over(ws_turn *t) {
  t->over = true;
  mock_exchange_answered(&t->x);
  mock_conn_mark(t->x.conn);
}

static void ws_drained(mock_conn *c) {
  ws_turn *t = first_turn(ws_of(c));
  if (t && t->begun && !t->over) mock_reply_resume(&t->x);
}

static void ws_idle(mock_conn *c) {
  ws *w = ws_of(c);
  if (w->closing)
    mock_conn_end(c, MOCK_ENDING_CLEAN);
  else
    ws_send_close(w, CLOSE_NORMAL, "idle");
}

static void ws_drop(mock_conn *c) {
  ws *w = ws_of(c);
  c->m->stats.ws.conns_live--;
  for (lti_list *at = w->turns.next; at != &w->turns; at = at->next) {
    ws_turn *t = turn_of(LTI_CONTAINER_OF(at, mock_exchange, all));
    t->x.cut = true;
    mock_cadence_stop(c->m, &t->x.due);
    if (t->begun) c->m->stats.ws.live--;
    if (t->begun && !t->over) c->m->stats.aborted++;
  }
}

static void ws_release(mock_conn *c) {
  ws *w = ws_of(c);
  while (!lti_list_empty(&w->turns)) free_turn(w, first_turn(w));
  mock_exchange_deinit(w->shake);
  free(w->shake);
  lti_buf_deinit(&w->in);
  lti_buf_deinit(&w->message);
  free(w);
}

/* ---- a turn's answer */

static void ws_head(mock_exchange *x, const mock_head *head) {
  ws *w = ws_of(x->conn);
  if (!head->whole) return;
  if (head->status == 200)
    ws_send(w, WS_TEXT, head->body.data, head->body.size);
  else
    ws_talk_error(w, head->body);
  turn_over(turn_of(x));
}

/* Where the JSON of an event begins, NULL: a comment. `size` becomes the JSON's. A piece that is
 * not an event's first is the JSON of a big one and goes on. */
static char *strip(char *piece, size_t *size, bool open) {
  static const char mark[] = "data: ";
  char *end = piece + *size;
  if (!open) {
    char *at = memmem(piece, *size, mark, sizeof mark - 1);
    if (!at && *size && *piece == ':') return NULL;
    if (at) piece = at + sizeof mark - 1;
  }
  while (end > piece && (end[-1] == '\n' || end[-1] == '\r')) end--;
  *size = (size_t)(end - piece);
  return piece;
}

/* `kept` counts from the beginning of the piece, as it does where the piece is all there is. */
static void send_piece(ws *w, ws_turn *t, char *piece, size_t size, size_t kept) {
  size_t length = size;
  char *json = strip(piece, &length, t->open);
  if (!json) {
    ws_send(w, WS_PING, "mock", 4);
    return;
  }
  bool ends = json + length < piece + size;
  if (length == 6 && memcmp(json, "[DONE]", 6) == 0 && !w->script.done) return;
  unsigned opcode = t->open ? WS_CONTINUATION : WS_TEXT;
  char *start = write_header(json, opcode | (ends ? 0x80u : 0), length);
  size_t most = piece + kept > json ? (size_t)(piece + kept - json) : 0;
  mock_conn_send(w->conn, start, (size_t)(json - start) + (most < length ? most : length));
  t->open = !ends;
  if (ends) w->conn->m->stats.ws_sent++;
}

static void ws_piece(mock_exchange *x, char *piece, size_t size, size_t kept, bool last) {
  ws *w = ws_of(x->conn);
  ws_turn *t = turn_of(x);
  bool dropped =
      kept < size && x->cut_ending == MOCK_ENDING_CLEAN; /* Close is no part of a frame */
  if (size && !w->closing && !dropped) send_piece(w, t, piece, size, kept);
  if (last) turn_over(t);
}

bool mock_ws_wants_message(const mock_exchange *x) {
  return ws_of(x->conn)->script.message;
}

static void ws_cut(mock_exchange *x) {
  ws *w = ws_of(x->conn);
  const mock_faults *f = x->plan.faults;
  unsigned code = CLOSE_FAILED;
  if (mock_fault_on(f, FAULT_WS_CLOSE)) code = (unsigned)(f->arg[FAULT_WS_CLOSE] % 65536);
  if (x->cut_ending == MOCK_ENDING_CLEAN)
    ws_send_close(w, code, "cut");
  else if (x->cut_ending != MOCK_ENDING_NONE)
    mock_conn_end(x->conn, x->cut_ending);
}

static bool ws_full(const mock_exchange *x) {
  return mock_conn_unsent(x->conn);
}

static void ws_due(mock_exchange *x) {
  if (ws_full(x))
    x->waiting = true;
  else
    x->step(x);
}

const mock_version mock_ws = {
    .input = ws_input,
    .drained = ws_drained,
    .idle = ws_idle,
    .pump = ws_pump,
    .drop = ws_drop,
    .release = ws_release,
    .head = ws_head,
    .piece = ws_piece,
    .cut = ws_cut,
    .full = ws_full,
    .due = ws_due,
};
