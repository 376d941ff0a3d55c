/* The scripted WebSocket server: see ws_peer.h. Frames are built and taken apart by hand, so that
 * nothing of the code under test judges itself. */
#include "support/ws_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/digest.h"

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

typedef struct frame {
  unsigned opcode;
  bool fin, masked;
  char *bytes; /* malloc's, with a NUL */
  size_t size;
} frame;

typedef struct server {
  peer_link *l;
  ws_peer *p;
  lti_alloc alloc;
  lti_buf early; /* goes out with the handshake's answer */
  bool gathering;
} server;

static void fault(server *s, const char *line, const char *what) {
  if (!s->p->quiet) fprintf(stderr, "ws_peer: %s: %s\n", line, what);
  atomic_fetch_add(&s->p->faults, 1);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static bool put(server *s, leat_slice bytes) {
  if (!s->gathering) return peer_send(s->l, bytes);
  return lti_buf_append(&s->early, bytes) == 0;
}

static bool send_frame(server *s, unsigned opcode, bool fin, leat_slice payload) {
  unsigned char head[10] = {(unsigned char)(opcode | (fin ? 0x80 : 0))};
  size_t size = 2;
  if (payload.size < 126) {
    head[1] = (unsigned char)payload.size;
  } else if (payload.size < 65536) {
    head[1] = 126;
    head[2] = (unsigned char)(payload.size >> 8);
    head[3] = (unsigned char)payload.size;
    size = 4;
  } else {
    head[1] = 127;
    for (int i = 0; i < 8; i++) head[2 + i] = (unsigned char)(payload.size >> (56 - 8 * i));
    size = 10;
  }
  char *whole = malloc(size + payload.size);
  if (!whole) abort();
  memcpy(whole, head, size);
  if (payload.size) memcpy(whole + size, payload.data, payload.size);
  bool ok = put(s, lti_slice(whole, size + payload.size));
  free(whole);
  return ok;
}

static bool send_close(server *s, unsigned code, leat_slice reason) {
  char payload[125] = {(char)(code >> 8), (char)code};
  if (reason.size > 123) reason.size = 123;
  if (reason.size) memcpy(payload + 2, reason.data, reason.size);
  return send_frame(s, CLOSE, true, lti_slice(payload, code ? 2 + reason.size : 0));
}

static bool take_frame(server *s, frame *f) {
  unsigned char head[2], more[8], mask[4] = {0};
  if (!peer_take(s->l, head, 2)) return false;
  f->opcode = head[0] & 15;
  f->fin = head[0] & 0x80;
  f->masked = head[1] & 0x80;
  uint64_t size = head[1] & 127;
  size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (extra && !peer_take(s->l, more, extra)) return false;
  if (extra) size = 0;
  for (size_t i = 0; i < extra; i++) size = size << 8 | more[i];
  if (!f->masked) fault(s, "a frame", "is not masked");
  if (f->masked && !peer_take(s->l, mask, 4)) return false;
  f->bytes = malloc(size + 1);
  if (!f->bytes) abort();
  f->size = size;
  if (!peer_take(s->l, f->bytes, size)) {
    free(f->bytes);
    return false;
  }
  for (size_t i = 0; i < size; i++) f->bytes[i] = (char)(f->bytes[i] ^ mask[i % 4]);
  f->bytes[size] = '\0';
  return true;
}

/* The next message, whole, or control frame; PINGs are answered and passed over unless wanted. */
static bool take_message(server *s, frame *m, bool want_ping) {
  frame f;
  *m = (frame){.bytes = NULL};
  while (take_frame(s, &f)) {
    if (f.opcode == PING && !want_ping) send_frame(s, PONG, true, lti_slice(f.bytes, f.size));
    if (f.opcode == CLOSE || (f.opcode == PING && want_ping) || f.opcode == PONG) {
      free(m->bytes);
      *m = f;
      return true;
    }
    if (f.opcode >= CLOSE) {
      free(f.bytes);
      continue;
    }
    m->bytes = realloc(m->bytes, m->size + f.size + 1);
    if (!m->bytes) abort();
    memcpy(m->bytes + m->size, f.bytes, f.size + 1);
    m->size += f.size;
    if (f.opcode) m->opcode = f.opcode;
    free(f.bytes);
    if (f.fin) return true;
  }
  free(m->bytes);
  return false;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool await_message(server *s, const char *line, const char *text) {
  frame m;
  do {
    if (!take_message(s, &m, false)) return fault(s, line, "the client has gone"), false;
    if (m.opcode == PONG) free(m.bytes);
  } while (m.opcode == PONG);
  bool ok = m.opcode < CLOSE && strstr(m.bytes, text);
  if (!ok) fault(s, line, m.opcode == CLOSE ? "a Close came instead" : m.bytes);
  free(m.bytes);
  return ok;
}

static bool await_control(server *s, const char *line, unsigned opcode, const char *text) {
  frame m;
  if (!take_message(s, &m, opcode == PING)) return fault(s, line, "the client has gone"), false;
  bool ok = m.opcode == opcode && (!text || strcmp(m.bytes, text) == 0);
  if (!ok) fault(s, line, m.opcode == CLOSE ? "a Close came instead" : m.bytes);
  if (ok && opcode == PING) send_frame(s, PONG, true, lti_slice(m.bytes, m.size));
  free(m.bytes);
  return ok;
}

static bool await_close(server *s, const char *line, unsigned wanted) {
  frame m;
  do {
    if (!take_message(s, &m, false)) return fault(s, line, "the client has gone"), false;
    if (m.opcode != CLOSE) free(m.bytes);
  } while (m.opcode != CLOSE);
  unsigned code =
      m.size < 2 ? 1005 : (unsigned)(unsigned char)m.bytes[0] << 8 | (unsigned char)m.bytes[1];
  free(m.bytes);
  if (code == wanted) return true;
  char got[32];
  snprintf(got, sizeof got, "it was %u", code);
  fault(s, line, got);
  return false;
}

static bool echo(server *s) {
  frame m;
  while (take_message(s, &m, false)) {
    bool over = m.opcode == CLOSE;
    if (m.opcode != PONG) send_frame(s, m.opcode, true, lti_slice(m.bytes, m.size));
    free(m.bytes);
    if (over) return false;
  }
  return false;
}

static bool send_raw(server *s, const char *hex) {
  lti_buf bytes;
  lti_buf_init(&bytes, &s->alloc, 1 << 20, LEAT_EBODYMAX);
  for (; hex[0] && hex[1]; hex += 2) {
    char pair[3] = {hex[0], hex[1], '\0'};
    lti_buf_byte(&bytes, (char)strtoul(pair, NULL, 16));
  }
  bool ok = put(s, lti_buf_slice(&bytes));
  lti_buf_deinit(&bytes);
  return ok;
}

static bool fill(server *s, size_t size) {
  char *bytes = malloc(size + 1);
  if (!bytes) abort();
  memset(bytes, 'x', size);
  bool ok = send_frame(s, TEXT, true, lti_slice(bytes, size));
  free(bytes);
  return ok;
}

/* In one piece, and without a look at the answers. */
static bool send_pings(server *s, unsigned long count) {
  static const char ping[] = "\x89\x04ping";
  bool ok = true;
  for (unsigned long i = 0; i < count && ok; i++) ok = put(s, lti_slice(ping, sizeof ping - 1));
  return ok;
}

static bool ends(peer_link *l, bool reset) {
  peer_hang_up(l, reset);
  return false;
}

/* False: the connection is over. */
static bool act(server *s, const char *line) {
  char word[16] = "";
  const char *blank = strchr(line, ' ');
  size_t size = blank ? (size_t)(blank - line) : strlen(line);
  if (size < sizeof word) memcpy(word, line, size);
  const char *rest = blank ? blank + 1 : "";
  leat_slice text = lti_slice_of(rest);
  unsigned long number = strtoul(rest, NULL, 10);
  if (!strcmp(word, ">")) return send_frame(s, TEXT, true, text);
  if (!strcmp(word, ">-")) return send_frame(s, TEXT, false, text);
  if (!strcmp(word, ">+")) return send_frame(s, 0, false, text);
  if (!strcmp(word, ">.")) return send_frame(s, 0, true, text);
  if (!strcmp(word, "b")) return send_frame(s, BINARY, true, text);
  if (!strcmp(word, "<")) return await_message(s, line, rest);
  if (!strcmp(word, "ping")) return send_frame(s, PING, true, text);
  if (!strcmp(word, "ping?")) return await_control(s, line, PING, NULL);
  if (!strcmp(word, "pong")) return await_control(s, line, PONG, rest);
  if (!strcmp(word, "closed")) return await_close(s, line, (unsigned)number);
  if (!strcmp(word, "sleep")) return peer_sleep(s->l, (int)number);
  if (!strcmp(word, "fill")) return fill(s, number);
  if (!strcmp(word, "pings")) return send_pings(s, number);
  if (!strcmp(word, "raw")) return send_raw(s, rest);
  if (!strcmp(word, "echo")) return echo(s);
  if (!strcmp(word, "drip")) return peer_say(s->l, "<<drip>>");
  if (!strcmp(word, "silent")) return peer_say(s->l, "<<silent>>");
  if (!strcmp(word, "reset") || !strcmp(word, "end")) return ends(s->l, *word == 'r');
  if (!strcmp(word, "close")) {
    const char *reason = strchr(rest, ' ');
    return send_close(s, (unsigned)number, lti_slice_of(reason ? reason + 1 : NULL));
  }
  fault(s, line, "is no word of a script");
  return false;
}

static bool shake(server *s, const char *request) {
  static const char name[] = "Sec-WebSocket-Key: ";
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const char *key = strstr(request, name);
  unsigned char sum[LTI_DIGEST_SHA1_BYTES];
  char text[24 + sizeof guid];
  lti_buf answer;
  if (!key) return fault(s, "handshake", "has no key"), false;
  memcpy(text, key + sizeof name - 1, 24);
  memcpy(text + 24, guid, sizeof guid);
  lti_digest_sha1(lti_slice(text, sizeof text - 1), sum);
  lti_buf_init(&answer, &s->alloc, 1 << 16, LEAT_EBODYMAX);
  lti_buf_text(&answer,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"
               "Connection: keep-alive, Upgrade\r\nX-Request-Id: ws-1\r\n");
  if (s->p->subprotocol)
    lti_buf_format(&answer, "Sec-WebSocket-Protocol: %s\r\n", s->p->subprotocol);
  lti_buf_text(&answer, "Sec-WebSocket-Accept: ");
  lti_digest_base64(lti_slice((const char *)sum, sizeof sum), &answer);
  lti_buf_text(&answer, "\r\n\r\n");
  lti_buf_append(&answer, lti_buf_slice(&s->early));
  bool ok = peer_send(s->l, lti_buf_slice(&answer));
  lti_buf_deinit(&answer);
  return ok;
}

/* The next line of a script, copied; NULL at its end. */
static char *next_line(const char **script) {
  if (!**script) return NULL;
  const char *end = strchr(*script, '\n');
  size_t size = end ? (size_t)(end - *script) : strlen(*script);
  char *line = malloc(size + 1);
  if (!line) abort();
  memcpy(line, *script, size);
  line[size] = '\0';
  *script += size + (end ? 1 : 0);
  return line;
}

static void goodbye(server *s) {
  frame m;
  bool over = false;
  while (!over && take_message(s, &m, false)) {
    over = m.opcode == CLOSE;
    if (over) send_frame(s, CLOSE, true, lti_slice(m.bytes, m.size));
    free(m.bytes);
  }
}

static void play(server *s, const char *script) {
  char *line;
  bool alive = true;
  while (!strncmp(script, "with ", 5)) {
    line = next_line(&script);
    s->gathering = true;
    act(s, line + 5);
    s->gathering = false;
    free(line);
  }
  if (!shake(s, peer_link_text(s->l))) return;
  while (alive && (line = next_line(&script))) {
    alive = act(s, line);
    free(line);
  }
  if (alive) goodbye(s);
}

void ws_peer_serve(peer_link *l, void *ctx) {
  server s = {.l = l, .p = ctx};
  unsigned n = 0, index = peer_link_index(l);
  if (!peer_read(l)) return;
  while (n < index && s.p->scripts[n + 1]) n++;
  lti_alloc_init(&s.alloc, NULL);
  lti_buf_init(&s.early, &s.alloc, 1 << 20, LEAT_EBODYMAX);
  play(&s, s.p->scripts[n]);
  lti_buf_deinit(&s.early);
}
