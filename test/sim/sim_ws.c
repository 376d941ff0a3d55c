/* The WebSocket server of the simulated world: see sim_ws.h. Connections live until sim_ws_deinit,
 * so that what was planned for one that has ended finds it so. */
#include "sim/sim_ws.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/digest.h"

#define BYTES_MAX ((size_t)1 << 20)

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

typedef struct conn {
  lti_list node;
  sim_ws *server;
  sim_link *link; /* NULL: it has ended */
  lti_buf in;
  bool open, deaf, closing;
  bool busy;
  unsigned question, said;
  sim_ws_reply reply;
} conn;

static void *on_opened(void *ctx, sim_link *link);
static void on_bytes(void *peer, leat_slice bytes);
static void on_ended(void *peer);
static void say_next(void *ctx);

void sim_ws_init(sim_ws *s, sim *w) {
  memset(s, 0, sizeof *s);
  s->w = w;
  lti_alloc_init(&s->alloc, NULL);
  lti_list_init(&s->conns);
  w->host = (sim_host){on_opened, on_bytes, on_ended, s};
}

void sim_ws_deinit(sim_ws *s) {
  lti_list *n;
  while ((n = lti_list_pop(&s->conns))) {
    conn *c = LTI_CONTAINER_OF(n, conn, node);
    lti_buf_deinit(&c->in);
    free(c);
  }
}

size_t sim_ws_text(unsigned question, unsigned pieces, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (unsigned i = 0; i < pieces; i++) {
    int n = snprintf(text + used, size - used, "q%u.%u ", question, i);
    assert(n > 0 && (size_t)n < size - used);
    used += (size_t)n;
  }
  return used;
}

/* ---- frames down */

static void send_frame(conn *c, unsigned first, leat_slice payload) {
  char head[4] = {(char)first, (char)payload.size};
  size_t size = 2;
  if (!c->link) return;
  if (payload.size > 125) {
    head[1] = 126;
    head[2] = (char)(payload.size >> 8);
    head[3] = (char)payload.size;
    size = 4;
  }
  sim_link_send(c->link, lti_slice(head, size));
  if (payload.size) sim_link_send(c->link, payload);
}

static void send_text(conn *c, leat_slice text) {
  if (!c->reply.fragments) {
    send_frame(c, 0x80 | TEXT, text);
    return;
  }
  size_t half = (size_t)sim_below(c->server->w, text.size);
  send_frame(c, TEXT, lti_slice(text.data, half));
  send_frame(c, 0x80 | PING, lti_slice_of("in between"));
  send_frame(c, 0x80, lti_slice_from(text, half));
}

static void send_close(conn *c, unsigned code) {
  char payload[2] = {(char)(code >> 8), (char)code};
  c->closing = true;
  send_frame(c, 0x80 | CLOSE, lti_slice(payload, 2));
}

/* ---- answers */

static void say_later(conn *c) {
  sim *w = c->server->w;
  sim_after(w, sim_below(w, c->reply.pace_ns) + 1, say_next, c);
}

static void say_piece(conn *c) {
  char text[4096], line[4400];
  size_t from = sim_ws_text(c->question, c->said, text, sizeof text);
  sim_ws_text(c->question, c->said + 1, text, sizeof text);
  int n = snprintf(
      line, sizeof line, "{\"id\":\"a%u\",\"choices\":[{\"index\":0,\"%s\":{\"content\":\"%s\"}}]}",
      c->question, c->reply.messages ? "message" : "delta", text + (c->reply.messages ? 0 : from));
  c->said++;
  send_text(c, lti_slice(line, (size_t)n));
}

static void say_whole(conn *c) {
  char line[200];
  int n = snprintf(line, sizeof line,
                   "{\"id\":\"a%u\",\"choices\":[{\"index\":0,\"%s\":{},"
                   "\"finish_reason\":\"stop\"}]}",
                   c->question, c->reply.messages ? "message" : "delta");
  send_text(c, lti_slice(line, (size_t)n));
}

static void say_end(conn *c) {
  c->busy = c->reply.end == SIM_WS_MUTE;
  switch (c->reply.end) {
    case SIM_WS_WHOLE: say_whole(c); return;
    case SIM_WS_ERROR: send_text(c, lti_slice_of("{\"error\":{\"message\":\"no\"}}")); return;
    case SIM_WS_CLOSE: send_close(c, c->reply.code); return;
    case SIM_WS_RESET: sim_link_reset(c->link); break;
    case SIM_WS_FIN: sim_link_fin(c->link, false); break;
    case SIM_WS_STALL: c->deaf = true; return;
    case SIM_WS_MUTE: return;
    case SIM_WS_GARBAGE: send_text(c, lti_slice_of("no JSON")); return;
    case SIM_WS_BREACH: send_frame(c, 0x83, lti_slice_of("?")); return;
  }
  c->link = NULL;
}

static void say_next(void *ctx) {
  conn *c = ctx;
  if (!c->link || c->deaf || c->closing) return;
  if (c->said == (c->reply.end == SIM_WS_WHOLE ? c->reply.pieces : c->reply.at)) {
    say_end(c);
    return;
  }
  say_piece(c);
  say_later(c);
}

static void take_question(conn *c, const char *text) {
  sim_ws *s = c->server;
  const char *name = strstr(text, "\"q");
  unsigned number = name ? (unsigned)strtoul(name + 2, NULL, 10) : SIM_WS_QUESTIONS;
  if (number >= SIM_WS_QUESTIONS || c->busy || s->seen[number]++) {
    fprintf(stderr, "sim_ws: question %u: %s\n", number, c->busy ? "too early" : "wrong, or again");
    s->breaches++;
    return;
  }
  c->busy = true;
  c->question = number;
  c->said = 0;
  c->reply = (sim_ws_reply){.pieces = 3, .pace_ns = SIM_MS};
  s->script(s->ctx, number, &c->reply);
  say_later(c);
}

/* ---- frames up */

static void take_frame(conn *c, unsigned opcode, char *payload, size_t size) {
  sim_ws *s = c->server;
  payload[size] = '\0';
  if (opcode == PING) send_frame(c, 0x80 | PONG, lti_slice(payload, size));
  if (opcode == TEXT && !c->closing) take_question(c, payload);
  if (opcode != CLOSE) return;
  s->closes++;
  if (!c->closing) send_frame(c, 0x80 | CLOSE, lti_slice(payload, size < 2 ? 0 : 2));
  if (c->link) sim_link_fin(c->link, false);
  c->link = NULL;
}

/* True: there was a whole one. */
static bool take_one(conn *c) {
  const unsigned char *b = (const unsigned char *)c->in.data;
  size_t have = c->in.size, head = 6;
  if (have < head) return false;
  uint64_t size = b[1] & 127;
  if (size == 126) head = 8, size = (uint64_t)b[2] << 8 | b[3];
  if (size == 127 || !(b[1] & 0x80)) {
    c->server->breaches++;
    c->deaf = true;
    return false;
  }
  if (have < head + size) return false;
  char *payload = malloc((size_t)size + 1);
  assert(payload);
  for (size_t i = 0; i < size; i++) payload[i] = (char)(b[head + i] ^ b[head - 4 + i % 4]);
  unsigned opcode = b[0] & 15;
  lti_buf_consume(&c->in, head + (size_t)size);
  take_frame(c, opcode, payload, (size_t)size);
  free(payload);
  return true;
}

static void shake(conn *c, const char *key) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char sum[LTI_DIGEST_SHA1_BYTES];
  char text[24 + sizeof guid];
  lti_buf answer;
  memcpy(text, key, 24);
  memcpy(text + 24, guid, sizeof guid);
  lti_digest_sha1(lti_slice(text, sizeof text - 1), sum);
  lti_buf_init(&answer, &c->server->alloc, 1024, LEAT_EBODYMAX);
  lti_buf_text(&answer,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
  lti_digest_base64(lti_slice((const char *)sum, sizeof sum), &answer);
  lti_buf_text(&answer, "\r\n\r\n");
  sim_link_send(c->link, lti_buf_slice(&answer));
  lti_buf_deinit(&answer);
}

static void take_head(conn *c) {
  static const char name[] = "Sec-WebSocket-Key: ";
  sim_ws *s = c->server;
  const char *end = c->in.size ? memmem(c->in.data, c->in.size, "\r\n\r\n", 4) : NULL;
  if (!end) return;
  const char *key = memmem(c->in.data, c->in.size, name, sizeof name - 1);
  assert(key);
  if (sim_chance(s->w, s->refuse_permille)) {
    sim_link_send(c->link, lti_slice_of("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
    c->deaf = true;
    return;
  }
  shake(c, key + sizeof name - 1);
  c->open = true;
  s->sockets++;
  lti_buf_consume(&c->in, (size_t)(end + 4 - c->in.data));
}

static void on_bytes(void *peer, leat_slice bytes) {
  conn *c = peer;
  if (c->deaf || !c->link) return;
  int r = lti_buf_append(&c->in, bytes);
  assert(r == LEAT_OK);
  if (!c->open) take_head(c);
  while (c->open && c->link && !c->deaf && take_one(c)) continue;
}

static void *on_opened(void *ctx, sim_link *link) {
  sim_ws *s = ctx;
  conn *c = calloc(1, sizeof *c);
  assert(c);
  c->server = s;
  c->link = link;
  lti_buf_init(&c->in, &s->alloc, BYTES_MAX, LEAT_EBODYMAX);
  lti_list_push(&s->conns, &c->node);
  return c;
}

static void on_ended(void *peer) {
  conn *c = peer;
  if (c->link) sim_link_fin(c->link, false);
  c->link = NULL;
}
