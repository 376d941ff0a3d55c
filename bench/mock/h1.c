/* HTTP/1.1: requests through llhttp, answers with their chunk framing.
 *
 * A connection has at most one exchange; bytes of a next request wait in `early`. The parser pauses
 * behind each request, so that what follows waits until the answer is complete. A request that
 * cannot be parsed is answered 400 and closes. A piece and its framing are one write and one
 * record:
 *
 *     [....1f\r\n][data: {...}\n\n][\r\n]                                                        */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/mock/gateway.h"
#include "bench/mock/upload.h"

#define EARLY_MAX (256 * 1024)

typedef struct h1 {
  llhttp_t parser;
  mock_exchange *exchange;
  lti_buf early;
  bool pumping, parsed, chunked, upgraded;
} h1;

static const llhttp_settings_t settings;

static h1 *of(const mock_conn *c) {
  return c->session;
}

static int h1_open(mock_conn *c) {
  h1 *s = calloc(1, sizeof *s);
  if (!s) return UV_ENOMEM;
  llhttp_init(&s->parser, HTTP_REQUEST, &settings);
  s->parser.data = c;
  lti_buf_init(&s->early, &c->m->alloc, EARLY_MAX, LEAT_EBODYMAX);
  c->session = s;
  c->m->stats.h1.conns++;
  c->m->stats.h1.conns_live++;
  return 0;
}

static void free_exchange(h1 *s) {
  if (!s->exchange) return;
  mock_exchange_deinit(s->exchange);
  free(s->exchange);
  s->exchange = NULL;
}

static void h1_drop(mock_conn *c) {
  h1 *s = of(c);
  c->m->stats.h1.conns_live--;
  if (!s->exchange) return;
  s->exchange->cut = true;
  mock_cadence_stop(c->m, &s->exchange->due);
  if (s->parsed) c->m->stats.h1.live--;
  if (s->parsed && c->ending == MOCK_ENDING_NONE) c->m->stats.aborted++;
}

static void h1_release(mock_conn *c) {
  h1 *s = of(c);
  free_exchange(s);
  lti_buf_deinit(&s->early);
  free(s);
}

/* ---- requests */

static int on_message_begin(llhttp_t *parser) {
  mock_conn *c = parser->data;
  h1 *s = of(c);
  free_exchange(s);
  if (!(s->exchange = calloc(1, sizeof *s->exchange))) return HPE_USER;
  mock_exchange_init(s->exchange, c);
  return lti_buf_append(&s->exchange->head, lti_slice(":path", sizeof ":path")) ? HPE_USER : 0;
}

static mock_exchange *exchange_of(llhttp_t *parser) {
  return of(parser->data)->exchange;
}

static int keep_text(llhttp_t *parser, const char *at, size_t size) {
  mock_exchange *x = exchange_of(parser);
  return lti_buf_append(&x->head, lti_slice(at, size)) ? HPE_USER : 0;
}

static int end_text(llhttp_t *parser) {
  return lti_buf_byte(&exchange_of(parser)->head, '\0') ? HPE_USER : 0;
}

static int on_headers_complete(llhttp_t *parser) {
  static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
  mock_exchange *x = exchange_of(parser);
  x->method = parser->method;
  mock_flight_enter(x);
  if (!mock_upload_begin(x)) return -1;
  const char *expect = mock_exchange_header(x, "expect");
  if (expect && strcasecmp(expect, "100-continue") == 0)
    mock_conn_send(x->conn, go_on, sizeof go_on - 1);
  return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size) {
  mock_exchange *x = exchange_of(parser);
  if (x->upload)
    mock_upload_feed(x->upload, at, size);
  else if (!x->too_big && lti_buf_append(&x->body, lti_slice(at, size)))
    x->too_big = true;
  return 0;
}

static int on_message_complete(llhttp_t *parser) {
  mock_conn *c = parser->data;
  mock_exchange *x = exchange_of(parser);
  uint32_t most = c->m->config.requests_max;
  x->method = parser->method;
  x->keep =
      llhttp_should_keep_alive(parser) && !parser->upgrade && (!most || c->requests + 1 < most);
  return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = keep_text,
    .on_header_field = keep_text,
    .on_header_value = keep_text,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
    .on_url_complete = end_text,
    .on_header_field_complete = end_text,
    .on_header_value_complete = end_text,
};

static void refuse(mock_conn *c) {
  static const char answer[] =
      "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  mock_conn_send(c, answer, sizeof answer - 1);
  mock_conn_end(c, MOCK_ENDING_CLEAN);
}

/* Feeds the parser; `*taken` bytes were used when a request is complete (then true). */
static bool feed(mock_conn *c, const char *bytes, size_t size, size_t *taken) {
  h1 *s = of(c);
  llhttp_resume(&s->parser);
  llhttp_errno_t err = llhttp_execute(&s->parser, bytes, size);
  *taken = size;
  if (err == HPE_OK) return false;
  if (err == HPE_PAUSED) {
    *taken = (size_t)(llhttp_get_error_pos(&s->parser) - bytes);
    return true;
  }
  refuse(c);
  return false;
}

static void serve(mock_conn *c) {
  mock_stats *stats = &c->m->stats;
  h1 *s = of(c);
  s->parsed = true;
  c->requests++;
  stats->requests++;
  stats->h1.requests++;
  if (++stats->h1.live > stats->h1.peak) stats->h1.peak = stats->h1.live;
  mock_cadence_stop(c->m, &c->due);
  mock_routes_serve(s->exchange);
}

static bool ready(const mock_conn *c) {
  return !c->dead && !of(c)->parsed && c->ending == MOCK_ENDING_NONE && !mock_conn_unsent(c);
}

/* The connection is HTTP's no more. */
static void hand_over(mock_conn *c) {
  h1 *s = of(c);
  lti_buf early = s->early;
  c->m->stats.h1.live--;
  c->m->stats.h1.conns_live--;
  mock_exchange_answered(s->exchange);
  if (mock_ws_open(c, s->exchange)) {
    c->m->stats.h1.live++;
    c->m->stats.h1.conns_live++;
    mock_conn_drop(c);
    return;
  }
  free(s);
  mock_conn_arm_idle(c, c->m->config.keepalive_ms);
  if (early.size && !c->dead) c->version->input(c, early.data, early.size);
  lti_buf_deinit(&early);
}

void mock_h1_upgrade(mock_conn *c) {
  of(c)->upgraded = true;
  mock_conn_mark(c);
}

/* Requests that came before their time, in order. */
static void h1_pump(mock_conn *c) {
  h1 *s = of(c);
  if (s->pumping || c->dead) return;
  if (s->upgraded) {
    hand_over(c);
    return;
  }
  s->pumping = true;
  while (ready(c) && s->early.size) {
    size_t taken = 0;
    bool whole = feed(c, s->early.data, s->early.size, &taken);
    lti_buf_consume(&s->early, taken);
    if (whole) serve(c);
  }
  if (!s->early.size) lti_buf_shrink(&s->early, 0);
  s->pumping = false;
}

static void h1_input(mock_conn *c, const char *bytes, size_t size) {
  h1 *s = of(c);
  s->pumping = true;
  while (size && ready(c) && !s->early.size) {
    size_t taken = 0;
    bool whole = feed(c, bytes, size, &taken);
    bytes += taken;
    size -= taken;
    if (whole) serve(c);
  }
  s->pumping = false;
  if (size && !c->dead && c->ending == MOCK_ENDING_NONE &&
      lti_buf_append(&s->early, lti_slice(bytes, size)))
    mock_conn_drop(c);
}

static void h1_drained(mock_conn *c) {
  h1 *s = of(c);
  if (s->exchange && s->parsed)
    mock_reply_resume(s->exchange);
  else
    h1_pump(c);
}

static void h1_idle(mock_conn *c) {
  mock_conn_end(c, MOCK_ENDING_CLEAN);
}

/* ---- answers */

/* The answer is complete: the next request, or the end. */
static void answered(mock_conn *c) {
  static const char surplus[] = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsurplus";
  h1 *s = of(c);
  const mock_faults *f = s->exchange->plan.faults;
  bool keep = s->exchange->keep;
  uint64_t idle_ms = c->m->config.keepalive_ms;
  if (mock_fault_on(f, FAULT_SURPLUS)) mock_conn_send(c, surplus, sizeof surplus - 1);
  if (mock_fault_on(f, FAULT_CLOSE_AFTER)) idle_ms = f->arg[FAULT_CLOSE_AFTER];
  if (c->dead) return;
  mock_exchange_answered(s->exchange);
  free_exchange(s);
  c->m->stats.h1.live--;
  s->parsed = false;
  c->stride = 0;
  if (!keep || idle_ms == 0) {
    mock_conn_end(c, MOCK_ENDING_CLEAN);
    return;
  }
  mock_conn_arm_idle(c, idle_ms);
  h1_pump(c);
}

static const char *reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 416: return "Range Not Satisfiable";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Mock";
  }
}

static void append_interims(mock_exchange *x, lti_buf *out) {
  const mock_faults *f = x->plan.faults;
  if (!mock_fault_on(f, FAULT_INTERIM)) return;
  for (uint64_t i = 0; i < f->arg[FAULT_INTERIM]; i++)
    if (lti_buf_text(out, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")) return;
}

static int append_head(mock_exchange *x, lti_buf *out, const mock_head *head) {
  bool to_end = mock_fault_on(x->plan.faults, FAULT_EOF_BODY);
  if (to_end) x->keep = false;
  of(x->conn)->chunked = head->length == MOCK_NEVER && !to_end;
  append_interims(x, out);
  int err = lti_buf_format(out, "HTTP/1.1 %d %s\r\n", head->status, reason_of(head->status));
  err |= lti_buf_append(out, head->lines);
  if (of(x->conn)->chunked)
    err |= lti_buf_text(out, "Transfer-Encoding: chunked\r\n");
  else if (!to_end)
    err |= lti_buf_format(out, "Content-Length: %llu\r\n", (unsigned long long)head->length);
  if (x->keep)
    return err |
           lti_buf_format(out, "Keep-Alive: timeout=%u\r\n\r\n", x->m->config.keepalive_ms / 1000);
  return err | lti_buf_text(out, "Connection: close\r\n\r\n");
}

static void h1_head(mock_exchange *x, const mock_head *head) {
  mock_conn *c = x->conn;
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, 2 * MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (mock_fault_on(x->plan.faults, FAULT_BYTEWISE)) c->stride = 1;
  if (append_head(x, &out, head) || lti_buf_append(&out, head->body))
    mock_conn_drop(c);
  else
    mock_conn_send(c, out.data, out.size);
  lti_buf_deinit(&out);
  if (head->whole && !x->cut) answered(c);
}

/* Writes "1f CRLF" so that it ends where the piece begins; returns its first byte. */
static char *write_size_line(char *piece, size_t size) {
  static const char digits[] = "0123456789abcdef";
  char *at = piece;
  *--at = '\n';
  *--at = '\r';
  do {
    *--at = digits[size & 15];
    size >>= 4;
  } while (size);
  return at;
}

static void h1_piece(mock_exchange *x, char *piece, size_t size, size_t kept, bool last) {
  mock_conn *c = x->conn;
  bool chunked = of(c)->chunked, whole = kept == size;
  char *start = chunked && size ? write_size_line(piece, size) : piece, *end = piece + kept;
  if (chunked && size && whole) {
    *end++ = '\r';
    *end++ = '\n';
  }
  if (chunked && last && whole) {
    memcpy(end, "0\r\n\r\n", 5);
    end += 5;
  }
  if (end > start) mock_conn_send(c, start, (size_t)(end - start));
  if (last && whole && !x->cut) answered(c);
}

static void h1_cut(mock_exchange *x) {
  if (x->cut_ending != MOCK_ENDING_NONE) mock_conn_end(x->conn, x->cut_ending);
}

static bool h1_full(const mock_exchange *x) {
  return mock_conn_unsent(x->conn);
}

static void h1_due(mock_exchange *x) {
  if (h1_full(x))
    x->waiting = true;
  else
    x->step(x);
}

const mock_version mock_h1 = {
    .open = h1_open,
    .input = h1_input,
    .drained = h1_drained,
    .idle = h1_idle,
    .pump = h1_pump,
    .drop = h1_drop,
    .release = h1_release,
    .head = h1_head,
    .piece = h1_piece,
    .cut = h1_cut,
    .full = h1_full,
    .due = h1_due,
};
