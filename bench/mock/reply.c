/* Answers on the wire: heads, whole bodies, and bodies in pieces with their chunk framing; and the
 * place where a body is cut short, because only here is it known how many bytes of it have gone.
 *
 * A piece is written into the gateway's one scratch buffer behind MOCK_PIECE_ROOM free bytes, into
 * which the chunk-size line goes, so that a piece and its framing are one write and one record:
 *
 *     [....1f\r\n][data: {...}\n\n][\r\n]                                                        */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bench/mock/gateway.h"
#include "wire/json.h"

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

static void append_interim(mock_exchange *x, lti_buf *out) {
  if (!mock_fault_on(&x->plan.faults, FAULT_INTERIM)) return;
  for (uint64_t i = 0; i < x->plan.faults.arg[FAULT_INTERIM]; i++)
    if (lti_buf_text(out, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")) return;
}

static void append_big_head(mock_exchange *x, lti_buf *out) {
  if (!mock_fault_on(&x->plan.faults, FAULT_BIG_HEAD)) return;
  size_t size = x->plan.faults.arg[FAULT_BIG_HEAD];
  if (lti_buf_text(out, "x-mock-big: ") || lti_buf_reserve(out, size + 2)) return;
  memset(out->data + out->size, 'x', size);
  out->size += size;
  lti_buf_text(out, "\r\n");
}

/* What a head says besides what follows from the exchange. */
struct head {
  int status;
  const char *type, *extra;
  uint64_t length; /* MOCK_NEVER: chunked, or to the end of the connection */
};

static int append_head(mock_exchange *x, lti_buf *out, const struct head *h) {
  bool to_end = mock_fault_on(&x->plan.faults, FAULT_EOF_BODY);
  if (to_end) x->keep = false;
  x->chunked = h->length == MOCK_NEVER && !to_end;
  append_interim(x, out);
  int err = lti_buf_format(out, "HTTP/1.1 %d %s\r\n", h->status, reason_of(h->status));
  if (h->type) err |= lti_buf_format(out, "Content-Type: %s\r\n", h->type);
  if (x->chunked)
    err |= lti_buf_text(out, "Transfer-Encoding: chunked\r\n");
  else if (!to_end)
    err |= lti_buf_format(out, "Content-Length: %llu\r\n", (unsigned long long)h->length);
  err |=
      lti_buf_format(out, "X-Oneapi-Request-Id: mock-%llu\r\n", (unsigned long long)x->m->ordinal);
  if (*x->plan.retry_after) err |= lti_buf_format(out, "Retry-After: %s\r\n", x->plan.retry_after);
  if (h->extra) err |= lti_buf_text(out, h->extra);
  append_big_head(x, out);
  if (x->keep)
    return err |
           lti_buf_format(out, "Keep-Alive: timeout=%u\r\n\r\n", x->m->config.keepalive_ms / 1000);
  return err | lti_buf_text(out, "Connection: close\r\n\r\n");
}

static void set_stride(mock_exchange *x) {
  if (mock_fault_on(&x->plan.faults, FAULT_BYTEWISE)) x->conn->stride = 1;
}

void mock_reply_begin(mock_exchange *x, int status, const char *type, const char *extra,
                      uint64_t length) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  set_stride(x);
  if (append_head(x, &out, &(struct head){status, type, extra, length}))
    mock_conn_drop(x->conn);
  else
    mock_conn_send(x->conn, out.data, out.size);
  lti_buf_deinit(&out);
}

/* gzip of all of `body` behind what `out` holds. False: not enough memory. */
static bool append_gzip(lti_buf *out, leat_slice body) {
  z_stream z;
  memset(&z, 0, sizeof z);
  if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
  uLong bound = deflateBound(&z, (uLong)body.size);
  bool fine = lti_buf_reserve(out, bound) == 0;
  if (fine) {
    z.next_in = (Bytef *)(uintptr_t)body.data;
    z.avail_in = (uInt)body.size;
    z.next_out = (Bytef *)out->data + out->size;
    z.avail_out = (uInt)bound;
    fine = deflate(&z, Z_FINISH) == Z_STREAM_END;
    out->size += z.total_out;
  }
  deflateEnd(&z);
  return fine;
}

static bool wants_gzip(const mock_exchange *x, size_t size) {
  if (mock_fault_on(&x->plan.faults, FAULT_GZIP)) return true;
  const char *accepts = mock_exchange_header(x, "accept-encoding");
  return x->plan.gzip && accepts && strstr(accepts, "gzip") && size > 0;
}

/* The body as it goes out: blank lines, content coding. */
static int make_body(mock_exchange *x, lti_buf *out, leat_slice body, bool gzip) {
  int err = 0;
  if (mock_fault_on(&x->plan.faults, FAULT_BLANK))
    for (uint64_t i = 0; i < x->plan.faults.arg[FAULT_BLANK] && !err; i++)
      err = lti_buf_byte(out, '\n');
  if (err) return err;
  if (gzip) return append_gzip(out, body) ? 0 : LEAT_ENOMEM;
  return lti_buf_append(out, body);
}

static void send_surplus(mock_exchange *x) {
  static const char surplus[] = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsurplus";
  if (mock_fault_on(&x->plan.faults, FAULT_SURPLUS))
    mock_conn_send(x->conn, surplus, sizeof surplus - 1);
}

void mock_reply_fixed(mock_exchange *x, int status, const char *type, const char *extra,
                      leat_slice body) {
  lti_buf head, bytes;
  lti_buf_init(&head, &x->m->alloc, 2 * MOCK_BODY_MAX, LEAT_EBODYMAX);
  lti_buf_init(&bytes, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  bool gzip = wants_gzip(x, body.size);
  int err = make_body(x, &bytes, body, gzip);
  char more[2048];
  snprintf(more, sizeof more, "%s%s", extra ? extra : "", gzip ? "Content-Encoding: gzip\r\n" : "");
  const char *chunked = mock_exchange_header(x, "x-mock-chunked");
  if (!err)
    err = append_head(x, &head,
                      &(struct head){status, type, more, chunked ? MOCK_NEVER : bytes.size});
  char *piece = NULL;
  bool cuttable = x->cut_at != MOCK_NEVER || x->chunked;
  bool no_body = x->method == HTTP_HEAD;
  set_stride(x);
  if (!err && !cuttable && !no_body) err = lti_buf_append(&head, lti_buf_slice(&bytes));
  if (!err && cuttable && !(piece = mock_reply_room(x, bytes.size))) err = LEAT_ENOMEM;
  if (err) {
    mock_conn_drop(x->conn);
  } else {
    mock_conn_send(x->conn, head.data, head.size);
    if (cuttable && !no_body) {
      if (bytes.size) memcpy(piece, bytes.data, bytes.size);
      mock_reply_piece(x, piece, bytes.size, true);
    } else if (!x->cut) {
      send_surplus(x);
      mock_conn_answered(x->conn);
    }
  }
  lti_buf_deinit(&head);
  lti_buf_deinit(&bytes);
}

static int append_field(lti_buf *out, const char *name, const char *value) {
  int err = lti_buf_format(out, ",\"%s\":", name);
  if (!value) return err | lti_buf_text(out, "null");
  return err | lti_buf_format(out, "\"%s\"", value);
}

void mock_reply_error(mock_exchange *x, int status, const char *kind, const char *code,
                      const char *message) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, 2 * MOCK_HEAD_MAX, LEAT_EBODYMAX);
  int err = lti_buf_text(&out, "{\"error\":{\"message\":");
  err |= lti_json_write_string(&out, lti_slice_of(message));
  err |= append_field(&out, "type", kind);
  err |= append_field(&out, "param", NULL);
  err |= append_field(&out, "code", code);
  err |= lti_buf_text(&out, "}}");
  if (err)
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, status, "application/json", NULL, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

char *mock_reply_room(mock_exchange *x, size_t size) {
  lti_buf *piece = &x->m->piece;
  lti_buf_clear(piece);
  if (lti_buf_reserve(piece, size + MOCK_PIECE_ROOM + MOCK_PIECE_TAIL)) return NULL;
  return piece->data + MOCK_PIECE_ROOM;
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

/* The piece reaches the cut: its framing promises all of it, its bytes end early. */
static bool cut_piece(mock_exchange *x, char *piece, char *start, size_t size) {
  size_t kept = (size_t)(x->cut_at - x->body_bytes);
  mock_conn *c = x->conn;
  (void)size;
  mock_conn_send(c, start, (size_t)(piece - start) + kept);
  x->cut = true;
  x->body_bytes += kept;
  if (x->cut_ending != MOCK_ENDING_NONE) mock_conn_end(c, x->cut_ending);
  return false;
}

static char *put_le(char *at, uint32_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) *at++ = (char)(unsigned char)(value >> (8 * i));
  return at;
}

/* A streamed gzip body: each piece is one stored block (RFC 1951, 3.2.4), so nothing is kept back
 * and no compressor is needed. Returns the new first byte and moves the size. */
static char *wrap_gzip(mock_exchange *x, char *piece, size_t *size, bool last) {
  static const char start[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03";
  uint32_t n = (uint32_t)*size;
  bool first = x->body_bytes == 0;
  x->gzip_crc = (uint32_t)crc32(x->gzip_crc, (const Bytef *)piece, n);
  x->gzip_size += n;
  char *end = piece + n, *at = piece - 5;
  at[0] = (char)last;
  put_le(put_le(at + 1, n, 2), ~n, 2);
  if (last) end = put_le(put_le(end, x->gzip_crc, 4), x->gzip_size, 4);
  if (first) {
    at -= sizeof start - 1;
    memcpy(at, start, sizeof start - 1);
  }
  *size = (size_t)(end - at);
  return at;
}

bool mock_reply_piece(mock_exchange *x, char *piece, size_t size, bool last) {
  mock_conn *c = x->conn;
  if (x->cut || c->dead) return false;
  if (x->gzip && size <= UINT16_MAX) piece = wrap_gzip(x, piece, &size, last);
  char *start = piece, *end = piece + size;
  if (x->chunked && size) start = write_size_line(piece, size);
  if (x->cut_at != MOCK_NEVER && x->body_bytes + size >= x->cut_at)
    return cut_piece(x, piece, start, size);
  if (x->chunked && size) {
    *end++ = '\r';
    *end++ = '\n';
  }
  if (x->chunked && last) {
    memcpy(end, "0\r\n\r\n", 5);
    end += 5;
  }
  x->body_bytes += size;
  if (end > start) mock_conn_send(c, start, (size_t)(end - start));
  if (x->cut) return false;
  if (!last) return true;
  send_surplus(x);
  mock_conn_answered(c);
  return false;
}

static void step_due(mock_conn *c) {
  mock_exchange *x = c->exchange;
  if (mock_conn_unsent(c))
    x->waiting = true;
  else
    x->step(x);
}

void mock_reply_step_at(mock_exchange *x, uint64_t due_ns) {
  mock_cadence_set(x->conn, due_ns, step_due);
  x->due_ns = x->conn->due.key;
}

void mock_reply_resume(mock_exchange *x) {
  if (!x->waiting || x->cut) return;
  x->waiting = false;
  x->due_ns = MOCK_NEVER;
  x->m->stats.blocked++;
  x->step(x);
}
