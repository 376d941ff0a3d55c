/* Answers, whatever version of HTTP writes them: heads, whole bodies, and bodies in pieces; and the
 * place where a body is cut short, because only here is it known how many bytes of it have gone.
 *
 * A piece is written into the gateway's one scratch buffer with MOCK_PIECE_ROOM free bytes before
 * it and MOCK_PIECE_TAIL behind it, into which the version's framing goes, so that both are one
 * write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bench/mock/gateway.h"
#include "wire/json.h"

static int append_big_line(mock_exchange *x, lti_buf *out) {
  const mock_faults *f = x->plan.faults;
  if (!mock_fault_on(f, FAULT_BIG_HEAD)) return 0;
  size_t size = f->arg[FAULT_BIG_HEAD];
  int err = lti_buf_text(out, "x-mock-big: ");
  if (!err) err = lti_buf_reserve(out, size);
  if (err) return err;
  memset(out->data + out->size, 'x', size);
  out->size += size;
  return lti_buf_text(out, "\r\n");
}

static int append_lines(mock_exchange *x, lti_buf *out, const char *type, const char *extra) {
  int err = type ? lti_buf_format(out, "Content-Type: %s\r\n", type) : 0;
  err |= lti_buf_format(out, "X-Oneapi-Request-Id: mock-%llu\r\n", (unsigned long long)x->ordinal);
  if (*x->plan.retry_after) err |= lti_buf_format(out, "Retry-After: %s\r\n", x->plan.retry_after);
  if (x->limit_lines) err |= lti_buf_text(out, x->limit_lines);
  if (extra) err |= lti_buf_text(out, extra);
  return err | append_big_line(x, out);
}

bool mock_reply_begin(mock_exchange *x, int status, const char *type, const char *extra,
                      uint64_t length) {
  lti_buf lines;
  bool bodiless = x->method == HTTP_HEAD;
  lti_buf_init(&lines, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (append_lines(x, &lines, type, extra))
    mock_conn_drop(x->conn);
  else
    x->conn->version->head(
        x, &(mock_head){status, lti_buf_slice(&lines), length, bodiless, lti_slice("", 0)});
  lti_buf_deinit(&lines);
  return !bodiless && !x->cut;
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
  if (mock_fault_on(x->plan.faults, FAULT_GZIP)) return true;
  const char *accepts = mock_exchange_header(x, "accept-encoding");
  return x->plan.gzip && accepts && strstr(accepts, "gzip") && size > 0;
}

/* The body as it goes out: blank lines, content coding. */
static int make_body(mock_exchange *x, lti_buf *out, leat_slice body, bool gzip) {
  int err = 0;
  if (mock_fault_on(x->plan.faults, FAULT_BLANK))
    for (uint64_t i = 0; i < x->plan.faults->arg[FAULT_BLANK] && !err; i++)
      err = lti_buf_byte(out, '\n');
  if (err) return err;
  if (gzip) return append_gzip(out, body) ? 0 : LEAT_ENOMEM;
  return lti_buf_append(out, body);
}

/* A body that goes out in one piece but may be cut, or was wanted in chunks. */
static void send_as_piece(mock_exchange *x, leat_slice bytes) {
  char *piece = mock_reply_room(x, bytes.size);
  if (!piece) {
    mock_conn_drop(x->conn);
    return;
  }
  if (bytes.size) memcpy(piece, bytes.data, bytes.size);
  mock_reply_piece(x, piece, bytes.size, true);
}

void mock_reply_fixed(mock_exchange *x, int status, const char *type, const char *extra,
                      leat_slice body) {
  lti_buf lines, bytes;
  lti_buf_init(&lines, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  lti_buf_init(&bytes, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  bool gzip = wants_gzip(x, body.size), chunked = mock_exchange_header(x, "x-mock-chunked") != NULL;
  bool bodiless = x->method == HTTP_HEAD;
  bool pieced = !bodiless && (x->cut_at != MOCK_NEVER || chunked);
  int err = make_body(x, &bytes, body, gzip);
  err |= append_lines(x, &lines, type, extra);
  if (gzip) err |= lti_buf_text(&lines, "Content-Encoding: gzip\r\n");
  mock_head head = {status, lti_buf_slice(&lines), chunked ? MOCK_NEVER : bytes.size, !pieced,
                    bodiless || pieced ? lti_slice("", 0) : lti_buf_slice(&bytes)};
  if (err)
    mock_conn_drop(x->conn);
  else
    x->conn->version->head(x, &head);
  if (!err && pieced && !x->cut) send_as_piece(x, lti_buf_slice(&bytes));
  lti_buf_deinit(&lines);
  lti_buf_deinit(&bytes);
}

void mock_reply_json(mock_exchange *x, int err, const lti_buf *out) {
  if (err)
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, 200, "application/json", NULL, lti_buf_slice(out));
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
  size_t kept = size;
  if (x->cut_at != MOCK_NEVER && x->body_bytes + size >= x->cut_at)
    kept = x->cut_at > x->body_bytes ? (size_t)(x->cut_at - x->body_bytes) : 0;
  bool cut = kept < size || (x->cut_at != MOCK_NEVER && x->body_bytes + size == x->cut_at);
  x->body_bytes += kept;
  c->version->piece(x, piece, size, kept, last && !cut);
  if (!cut) return !last && !x->cut;
  if (!x->cut) {
    x->cut = true;
    c->version->cut(x);
  }
  return false;
}

static void step_due(mock_due *due) {
  mock_exchange *x = LTI_CONTAINER_OF(due, mock_exchange, due);
  x->conn->version->due(x);
}

void mock_reply_step_at(mock_exchange *x, uint64_t due_ns) {
  if (x->conn->dead) return;
  if (!mock_cadence_set(x->m, &x->due, due_ns, step_due))
    mock_conn_drop(x->conn);
  else
    x->due_ns = x->due.node.key;
}

void mock_reply_resume(mock_exchange *x) {
  if (!x->waiting || x->cut) return;
  x->waiting = false;
  x->due_ns = MOCK_NEVER;
  x->m->stats.blocked++;
  x->step(x);
}
