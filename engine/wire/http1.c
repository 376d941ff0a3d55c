/* HTTP/1.1, client side: one connection's requests out and responses in.
 *
 *      IDLE -> HEAD -> BODY -> COMPLETE          every state but FAILED -> FAILED, for good
 *               ^--- begin ------'
 *
 * llhttp parses every head; the framing of bodies is read here. llhttp 8.1 is what Debian ships,
 * and it hides bytes from its user: it takes CR LF CR X for the end of a head, skips the two bytes
 * behind a chunk's data unseen, and goes on into surplus bytes. Guarding it from outside would need
 * a second reader of every byte; so instead
 *  - the guard walks each head byte by byte, checks lines and names, and finds where the head ends;
 *    llhttp is given exactly one whole head, and must find as many fields in it as the guard did;
 *  - chunked, counted and open-ended bodies are read by the few lines below, which hand out views
 * of the input: a chunk with one event costs a dozen steps and no call into a library. Since a head
 * is parsed when it is whole, no token is ever split, and llhttp_t lives on the stack. A head that
 * lies in one feed is parsed in place; another is gathered in `head`, which is freed when the head
 * was delivered: a codec that streams or idles owns nothing but itself.
 *
 * Trailers are walked by the same guard, under the same limit, and ignored.
 *
 * A tunnel, behind a 101 that was asked for or a 2xx to CONNECT, is one more framing: a body that
 * only the end of the transport delimits, on a connection that is no one's afterwards. */
#include "wire/http1.h"

#include <assert.h>
#include <llhttp.h>

#include "base/error.h"

#define INTERIM_MAX          32
#define FIELD_OVERHEAD       32   /* bytes counted for each field besides its name and value */
#define CHUNK_LINE_BYTES_MAX 4096 /* a chunk's size with its extensions */

enum state { STATE_IDLE, STATE_HEAD, STATE_BODY, STATE_COMPLETE, STATE_FAILED };

/* What ends a body. BODY_COUNTED with nothing left is also the body that is not there. */
enum framing { BODY_COUNTED, BODY_CHUNKED, BODY_TO_END, BODY_TUNNEL };

/* Where the guard is in a header block or in trailers. */
enum guard_step {
  GUARD_STATUS,  /* in the first 13 bytes of the status line */
  GUARD_LINE,    /* at the start of a line */
  GUARD_NAME,    /* in a name */
  GUARD_VALUE,   /* in a value, or in the reason phrase */
  GUARD_LF,      /* behind a line's CR */
  GUARD_LAST_LF, /* behind the CR of the empty line */
  GUARD_DONE
};

/* Where the reader of chunks is: "5;ext CR LF hello CR LF 0 CR LF [trailers] CR LF". */
enum chunk_step {
  CHUNK_FIRST, /* before the first digit of a size */
  CHUNK_SIZE,
  CHUNK_EXTENSION,
  CHUNK_SIZE_LF,
  CHUNK_BYTES,
  CHUNK_BYTES_CR,
  CHUNK_BYTES_LF,
  CHUNK_TRAILERS
};

struct lti_http1 {
  lti_alloc *alloc;
  const lti_http_sink *sink;
  void *ctx;
  size_t header_bytes_max;
  const char *reason;
  int error;
  uint8_t state, framing, guard_step, chunk_step; /* of the enums above */
  uint8_t interim_count;
  bool is_head_method, is_connect, asks_upgrade; /* of the request */
  bool started, persistent, surplus;
  uint32_t chunk_line_bytes;
  size_t guard_bytes, guard_fields;
  uint64_t left; /* of the body, or of the chunk */
  int64_t keep_alive_ms;
  lti_buf head; /* the part of a split head that came so far */
};

/* A head as llhttp understood it. */
struct response {
  int status;
  bool is_http10;
  leat_header *fields;
  size_t count, capacity;
  bool in_value; /* the last span was a value's */
};

static const uint8_t legal_turns[] = {
    [STATE_IDLE] = 1 << STATE_HEAD | 1 << STATE_FAILED,
    [STATE_HEAD] = 1 << STATE_BODY | 1 << STATE_FAILED,
    [STATE_BODY] = 1 << STATE_COMPLETE | 1 << STATE_FAILED,
    [STATE_COMPLETE] = 1 << STATE_HEAD | 1 << STATE_FAILED,
    [STATE_FAILED] = 1 << STATE_FAILED,
};

static void turn(lti_http1 *x, enum state to);
static int fail(lti_http1 *x, int error, const char *reason);
static int sink_verdict(lti_http1 *x, int verdict);
static int feed_once(lti_http1 *x, leat_slice rest, size_t *used);
static int feed_head(lti_http1 *x, leat_slice rest, size_t *used);
static int feed_counted(lti_http1 *x, leat_slice rest, size_t *used);
static int feed_to_end(lti_http1 *x, leat_slice rest, size_t *used);
static int feed_chunked(lti_http1 *x, leat_slice rest, size_t *used);
static int finish(lti_http1 *x, bool surplus);
static bool body_is_whole(const lti_http1 *x);
static void guard_reset(lti_http1 *x, enum guard_step step);
static int guard_walk(lti_http1 *x, leat_slice bytes, size_t *used);

/* ---- life ------------------------------------------------------------------------------------ */

lti_http1 *lti_http1_new(lti_alloc *alloc, size_t header_bytes_max, const lti_http_sink *sink,
                         void *ctx) {
  assert(header_bytes_max > 0 && sink->head && sink->body && sink->complete);
  lti_http1 *x = lti_alloc_zero(alloc, sizeof *x);
  if (!x) return NULL;
  x->alloc = alloc;
  x->sink = sink;
  x->ctx = ctx;
  x->header_bytes_max = header_bytes_max;
  x->state = STATE_IDLE;
  x->persistent = true;
  x->keep_alive_ms = -1;
  lti_buf_init(&x->head, alloc, header_bytes_max, LEAT_EHEADERSMAX);
  return x;
}

void lti_http1_free(lti_http1 *x) {
  if (!x) return;
  lti_buf_deinit(&x->head);
  lti_alloc_put(x->alloc, x);
}

void lti_http1_begin(lti_http1 *x, const lti_http_request *request) {
  assert(lti_http1_reusable(x));
  turn(x, STATE_HEAD);
  x->is_head_method = strcmp(request->method, "HEAD") == 0;
  x->is_connect = strcmp(request->method, "CONNECT") == 0;
  x->asks_upgrade = request->upgrade;
  x->started = false;
  x->interim_count = 0;
  guard_reset(x, GUARD_STATUS);
}

int lti_http1_feed(lti_http1 *x, leat_slice bytes, size_t *taken) {
  *taken = 0;
  if (x->state == STATE_FAILED) return x->error;
  if (x->state == STATE_IDLE || x->state == STATE_COMPLETE)
    return bytes.size ? fail(x, LEAT_EHTTP, "bytes that answer no request") : LTI_OK;
  if (bytes.size) x->started = true;
  int rc = LTI_OK;
  while (rc == LTI_OK && (*taken < bytes.size || body_is_whole(x))) {
    size_t used = 0;
    enum state before = x->state;
    rc = feed_once(x, lti_slice_from(bytes, *taken), &used);
    *taken += used;
    /* A complete response took the surplus with it, and its sink may have begun the next. */
    if (before == STATE_BODY && *taken == bytes.size) break;
  }
  return rc;
}

int lti_http1_end(lti_http1 *x, bool clean) {
  x->persistent = false;
  switch ((enum state)x->state) {
    case STATE_IDLE:
    case STATE_COMPLETE: return LTI_OK;
    case STATE_HEAD:
      if (!x->started) return fail(x, LEAT_ERESET, "connection closed without an answer");
      return fail(x, LEAT_ETRUNCATED, "connection closed inside a header block");
    case STATE_BODY: break;
    case STATE_FAILED: return x->error;
  }
  bool is_tunnel = x->framing == BODY_TUNNEL, to_end = x->framing == BODY_TO_END || is_tunnel;
  if (to_end && !clean)
    return fail(x, LEAT_ETRUNCATED,
                is_tunnel ? "a tunnel had no clean end"
                          : "a body that only the end delimits had no clean end");
  if (!to_end && !body_is_whole(x))
    return fail(x, LEAT_ETRUNCATED,
                x->framing == BODY_CHUNKED ? "connection closed before the last chunk"
                                           : "connection closed before Content-Length bytes");
  int rc = finish(x, false);
  return rc == LTI_STOPPED ? LTI_OK : rc;
}

void lti_http1_abandon(lti_http1 *x) {
  /* A sink may call this: `head` stays, for the views that it was given. */
  if (x->state != STATE_FAILED) fail(x, LEAT_ECANCELLED, "given up");
}

bool lti_http1_started(const lti_http1 *x) {
  return x->started;
}

bool lti_http1_reusable(const lti_http1 *x) {
  return (x->state == STATE_IDLE || x->state == STATE_COMPLETE) && x->persistent && !x->surplus;
}

bool lti_http1_tunnel(const lti_http1 *x) {
  return x->framing == BODY_TUNNEL;
}

int64_t lti_http1_keep_alive_ms(const lti_http1 *x) {
  return x->keep_alive_ms;
}

const char *lti_http1_reason(const lti_http1 *x) {
  return x->reason ? x->reason : "";
}

/* ---- states ---------------------------------------------------------------------------------- */

static void turn(lti_http1 *x, enum state to) {
  assert(legal_turns[x->state] & 1 << to);
  x->state = (uint8_t)to;
}

static int fail(lti_http1 *x, int error, const char *reason) {
  assert(error < 0);
  turn(x, STATE_FAILED);
  x->error = error;
  x->reason = reason;
  return error;
}

/* What a sink's answer means to feed. The sink may have abandoned the exchange. */
static int sink_verdict(lti_http1 *x, int verdict) {
  assert(verdict <= LTI_STOPPED);
  if (x->state == STATE_FAILED) return x->error;
  return verdict < 0 ? fail(x, verdict, "refused by the receiver") : verdict;
}

static int feed_once(lti_http1 *x, leat_slice rest, size_t *used) {
  if (x->state == STATE_HEAD) return feed_head(x, rest, used);
  assert(x->state == STATE_BODY);
  switch ((enum framing)x->framing) {
    case BODY_COUNTED: return feed_counted(x, rest, used);
    case BODY_CHUNKED: return feed_chunked(x, rest, used);
    case BODY_TO_END:
    case BODY_TUNNEL: return feed_to_end(x, rest, used);
  }
  return LEAT_ESTATE;
}

static bool body_is_whole(const lti_http1 *x) {
  return x->state == STATE_BODY && x->framing == BODY_COUNTED && x->left == 0;
}

/* The response is whole. Called last: the sink may begin the next request. */
static int finish(lti_http1 *x, bool surplus) {
  turn(x, STATE_COMPLETE);
  x->surplus = surplus;
  return sink_verdict(x, x->sink->complete(x->ctx));
}

/* ---- heads: the guard ------------------------------------------------------------------------ */

static void guard_reset(lti_http1 *x, enum guard_step step) {
  x->guard_step = (uint8_t)step;
  x->guard_bytes = 0;
  x->guard_fields = 0;
}

/* "HTTP/1.1 200 " by position; the space is not asked for when the reason phrase is missing. */
static const char *guard_status(lti_http1 *x, unsigned char c) {
  static const char protocol[] = "HTTP/1.";
  size_t i = x->guard_bytes;
  if (i == 0 && (c == '\r' || c == '\n')) return "empty line before the response";
  if (i < 7) return c == (unsigned char)protocol[i] ? NULL : "not an HTTP/1 response";
  if (i == 7) return c == '0' || c == '1' ? NULL : "unknown HTTP version";
  if (i == 8) return c == ' ' ? NULL : "no blank behind the HTTP version";
  if (i < 12) return c >= (i == 9 ? '1' : '0') && c <= '9' ? NULL : "bad status code";
  if (c != ' ' && c != '\r') return "bad status code";
  x->guard_step = c == ' ' ? GUARD_VALUE : GUARD_LF;
  return NULL;
}

static const char *guard_line_start(lti_http1 *x, unsigned char c) {
  if (c == '\r') {
    x->guard_step = GUARD_LAST_LF;
    return NULL;
  }
  if (c == ' ' || c == '\t') return "folded header line";
  if (c == ':') return "empty header name";
  if (c == '\n') return "LF without CR in a header block";
  if (!lti_http_token_byte(c)) return "forbidden byte in a header name";
  x->guard_step = GUARD_NAME;
  x->guard_fields++;
  return NULL;
}

static const char *guard_name(lti_http1 *x, unsigned char c) {
  if (c == ':') {
    x->guard_step = GUARD_VALUE;
    return NULL;
  }
  if (lti_http_token_byte(c)) return NULL;
  if (c == '\r' || c == '\n') return "header line without a colon";
  if (c == ' ' || c == '\t') return "blank before the colon of a header";
  return "forbidden byte in a header name";
}

/* Takes one byte of a head or of trailers; returns what is wrong with it, or NULL. */
static const char *guard_byte(lti_http1 *x, unsigned char c) {
  switch ((enum guard_step)x->guard_step) {
    case GUARD_STATUS: return guard_status(x, c);
    case GUARD_LINE: return guard_line_start(x, c);
    case GUARD_NAME: return guard_name(x, c);
    case GUARD_VALUE:
      if (c == '\r') x->guard_step = GUARD_LF;
      if (c == '\n') return "LF without CR in a header block";
      return (c < 0x20 && c != '\t' && c != '\r') || c == 0x7f ? "control character in a header"
                                                               : NULL;
    case GUARD_LF:
      x->guard_step = GUARD_LINE;
      return c == '\n' ? NULL : "CR without LF in a header";
    case GUARD_LAST_LF:
      x->guard_step = GUARD_DONE;
      return c == '\n' ? NULL : "header block not ended by CR LF CR LF";
    case GUARD_DONE: break;
  }
  return "bytes behind a header block";
}

/* Walks up to the end of the block, which GUARD_DONE marks, or of `bytes`. */
static int guard_walk(lti_http1 *x, leat_slice bytes, size_t *used) {
  while (*used < bytes.size && x->guard_step != GUARD_DONE) {
    const char *fault = guard_byte(x, (unsigned char)bytes.data[*used]);
    if (fault) return fail(x, LEAT_EHTTP, fault);
    x->guard_bytes++;
    if (x->guard_bytes > x->header_bytes_max ||
        x->guard_fields > x->header_bytes_max / FIELD_OVERHEAD)
      return fail(x, LEAT_EHEADERSMAX, "header block above the limit");
    ++*used;
  }
  return LTI_OK;
}

/* ---- heads: llhttp --------------------------------------------------------------------------- */

/* Spans of one token follow each other without a gap. Anything else is a reading of the head that
 * the guard did not have, and refused. */
static int on_field(llhttp_t *parser, const char *at, size_t size) {
  struct response *r = parser->data;
  leat_header *last = r->count ? &r->fields[r->count - 1] : NULL;
  if (last && !r->in_value && last->name.data + last->name.size == at) {
    last->name.size += size;
    return 0;
  }
  if (r->count == r->capacity) return -1;
  r->in_value = false;
  r->fields[r->count++] = (leat_header){lti_slice(at, size), lti_slice("", 0)};
  return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t size) {
  struct response *r = parser->data;
  if (r->count == 0) return -1;
  leat_slice *value = &r->fields[r->count - 1].value;
  if (r->in_value && value->size > 0) {
    if (value->data + value->size != at) return -1;
    value->size += size;
    return 0;
  }
  r->in_value = true;
  *value = lti_slice(at, size);
  return 0;
}

/* The head is all that llhttp is asked for. */
static int on_headers_complete(llhttp_t *parser) {
  (void)parser;
  return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
};

static int head_parse(lti_http1 *x, leat_slice head, struct response *r) {
  llhttp_t parser;
  llhttp_init(&parser, HTTP_RESPONSE, &head_settings);
  parser.data = r;
  /* Fields that a tunnel's head may not have, but that say nothing; others' are refused below. */
  if (x->is_connect) llhttp_set_lenient_chunked_length(&parser, 1);
  llhttp_errno_t rc = llhttp_execute(&parser, head.data, head.size);
  if (rc != HPE_PAUSED) {
    const char *reason = llhttp_get_error_reason(&parser); /* static texts, all of them */
    return fail(x, LEAT_EHTTP, reason && reason[0] ? reason : "bad header block");
  }
  if (r->count != x->guard_fields) return fail(x, LEAT_EHTTP, "ambiguous header block");
  size_t total = 0;
  for (size_t i = 0; i < r->count; i++) {
    leat_header *h = &r->fields[i];
    h->value = lti_slice_trim(h->value);
    if (!lti_http_name_ok(h->name) || h->name.data[-1] != '\n' || h->name.data[h->name.size] != ':')
      return fail(x, LEAT_EHTTP, "ambiguous header block");
    total += h->name.size + h->value.size + FIELD_OVERHEAD;
  }
  if (total > x->header_bytes_max) return fail(x, LEAT_EHEADERSMAX, "header block above the limit");
  r->status = llhttp_get_status_code(&parser);
  r->is_http10 = llhttp_get_http_minor(&parser) == 0;
  return LTI_OK;
}

/* ---- heads: meaning -------------------------------------------------------------------------- */

/* Takes the next element off a comma-separated list; false at its end. */
static bool list_next(leat_slice *list, leat_slice *item) {
  if (!list->data) return false;
  const char *comma = list->size ? memchr(list->data, ',', list->size) : NULL;
  size_t n = comma ? (size_t)(comma - list->data) : list->size;
  *item = lti_slice_trim(lti_slice(list->data, n));
  *list = comma ? lti_slice_from(*list, n + 1) : lti_slice(NULL, 0);
  return true;
}

/* RFC 9112 9.3: may the connection carry another request? */
static void connection_read(lti_http1 *x, const struct response *r) {
  bool close = false, keep_alive = false;
  x->keep_alive_ms = -1;
  for (size_t i = 0; i < r->count; i++) {
    leat_slice list = r->fields[i].value, item;
    if (lti_slice_is_nocase(r->fields[i].name, "connection")) {
      while (list_next(&list, &item)) {
        close |= lti_slice_is_nocase(item, "close");
        keep_alive |= lti_slice_is_nocase(item, "keep-alive");
      }
    } else if (lti_slice_is_nocase(r->fields[i].name, "keep-alive")) {
      uint64_t seconds;
      while (list_next(&list, &item))
        if (item.size > 8 && lti_slice_is_nocase(lti_slice(item.data, 8), "timeout=") &&
            lti_slice_u64(lti_slice_from(item, 8), &seconds))
          x->keep_alive_ms = seconds < 1000000 ? (int64_t)seconds * 1000 : 1000000000;
    }
  }
  x->persistent = !close && (keep_alive || !r->is_http10);
}

/* RFC 9112 6.3, without its leniencies: one Transfer-Encoding that says chunked and nothing else,
 * or one Content-Length, or none of them and the end of the connection. */
static int framing_read(lti_http1 *x, const struct response *r) {
  size_t codings = 0, lengths = 0;
  uint64_t length = 0;
  for (size_t i = 0; i < r->count; i++) {
    const leat_header *h = &r->fields[i];
    if (lti_slice_is_nocase(h->name, "transfer-encoding")) {
      if (++codings > 1) return fail(x, LEAT_EHTTP, "Transfer-Encoding twice");
      if (!lti_slice_is_nocase(h->value, "chunked"))
        return fail(x, LEAT_EHTTP, "Transfer-Encoding other than chunked");
    } else if (lti_slice_is_nocase(h->name, "content-length")) {
      if (++lengths > 1) return fail(x, LEAT_EHTTP, "Content-Length twice");
      if (!lti_slice_u64(h->value, &length)) return fail(x, LEAT_EHTTP, "bad Content-Length");
    }
  }
  if (codings && lengths)
    return fail(x, LEAT_EHTTP, "Content-Length and Transfer-Encoding together");
  if (codings && r->is_http10) return fail(x, LEAT_EHTTP, "Transfer-Encoding in HTTP/1.0");
  bool never = r->status < 200 || r->status == 204 || r->status == 304 || x->is_head_method;
  x->left = 0;
  if (never || lengths) {
    x->framing = BODY_COUNTED;
    if (!never) x->left = length;
  } else {
    x->framing = codings ? BODY_CHUNKED : BODY_TO_END;
    x->chunk_step = CHUNK_FIRST;
    x->chunk_line_bytes = 0;
  }
  return LTI_OK;
}

static bool list_names(const struct response *r, const char *name, const char *wanted) {
  for (size_t i = 0; i < r->count; i++) {
    leat_slice list = r->fields[i].value, item;
    if (!lti_slice_is_nocase(r->fields[i].name, name)) continue;
    while (list_next(&list, &item))
      if (wanted ? lti_slice_is_nocase(item, wanted) : item.size > 0) return true;
  }
  return false;
}

/* RFC 9110 15.2.2: a switch names the protocol, and as the next hop's affair (7.8). */
static int switch_check(lti_http1 *x, const struct response *r) {
  if (!x->asks_upgrade) return fail(x, LEAT_EHTTP, "101 Switching Protocols without a request");
  if (r->is_http10) return fail(x, LEAT_EHTTP, "101 Switching Protocols in HTTP/1.0");
  if (!list_names(r, "upgrade", NULL))
    return fail(x, LEAT_EHTTP, "101 Switching Protocols without Upgrade");
  if (!list_names(r, "connection", "upgrade"))
    return fail(x, LEAT_EHTTP, "101 Switching Protocols without Connection: upgrade");
  return LTI_OK;
}

/* One whole and parsed head: an interim response is skipped, the final one delivered. What a 2xx to
 * CONNECT says of its length is not even looked at (RFC 9110 9.3.6). */
static int head_deliver(lti_http1 *x, const struct response *r) {
  bool tunnel = r->status == 101 || (x->is_connect && r->status / 100 == 2);
  int rc = LTI_OK;
  if (r->status == 101) rc = switch_check(x, r);
  if (rc == LTI_OK && !tunnel) rc = framing_read(x, r);
  if (rc != LTI_OK) return rc;
  if (r->status < 200 && !tunnel) {
    if (++x->interim_count > INTERIM_MAX) return fail(x, LEAT_EHTTP, "too many interim responses");
    guard_reset(x, GUARD_STATUS);
    return LTI_OK;
  }
  connection_read(x, r);
  if (tunnel) {
    x->framing = BODY_TUNNEL;
    x->persistent = false;
  }
  turn(x, STATE_BODY);
  lti_http_head head = {.status = r->status,
                        .headers = r->fields,
                        .header_count = r->count,
                        .has_body = !body_is_whole(x)};
  return sink_verdict(x, x->sink->head(x->ctx, &head));
}

static int head_whole(lti_http1 *x, leat_slice head) {
  struct response r = {.capacity = x->guard_fields};
  r.fields = lti_alloc_get(x->alloc, r.capacity * sizeof *r.fields);
  if (!r.fields) return fail(x, LEAT_ENOMEM, "no memory for a header block");
  int rc = head_parse(x, head, &r);
  if (rc == LTI_OK) rc = head_deliver(x, &r);
  lti_alloc_put(x->alloc, r.fields);
  return rc;
}

static int feed_head(lti_http1 *x, leat_slice rest, size_t *used) {
  int rc = guard_walk(x, rest, used);
  if (rc != LTI_OK) return rc;
  bool whole = x->guard_step == GUARD_DONE;
  leat_slice part = lti_slice(rest.data, *used);
  if (whole && x->head.size == 0) return head_whole(x, part);
  rc = lti_buf_append(&x->head, part);
  if (rc != LTI_OK) return fail(x, rc, "no memory for a header block");
  if (!whole) return LTI_OK;
  rc = head_whole(x, lti_buf_slice(&x->head));
  lti_buf_clear(&x->head);
  lti_buf_shrink(&x->head, 0);
  return rc;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

/* Hands out `piece`; `*used` grows by what the sink took. */
static int body_deliver(lti_http1 *x, leat_slice piece, size_t *used) {
  size_t taken = piece.size;
  int verdict = x->sink->body(x->ctx, piece, &taken);
  if (verdict != LTI_STOPPED) taken = piece.size;
  assert(taken <= piece.size);
  *used += taken;
  if (x->framing == BODY_COUNTED || x->framing == BODY_CHUNKED) x->left -= taken;
  return sink_verdict(x, verdict);
}

static int feed_counted(lti_http1 *x, leat_slice rest, size_t *used) {
  if (x->left > 0) {
    size_t n = rest.size < x->left ? rest.size : (size_t)x->left;
    int rc = body_deliver(x, lti_slice(rest.data, n), used);
    if (rc != LTI_OK || x->left > 0) return rc;
  }
  bool surplus = *used < rest.size;
  *used = rest.size;
  return finish(x, surplus);
}

static int feed_to_end(lti_http1 *x, leat_slice rest, size_t *used) {
  return body_deliver(x, rest, used);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static int chunk_digit(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In the size itself: digits, then ';' or CR. */
static const char *chunk_size_byte(lti_http1 *x, unsigned char c) {
  int digit = chunk_digit(c);
  if (digit >= 0) {
    if (x->left >> 60) return "chunk size above 2^64";
    x->left = x->left << 4 | (unsigned)digit;
    x->chunk_step = CHUNK_SIZE;
    return NULL;
  }
  if (x->chunk_step == CHUNK_FIRST) return "chunk without a size";
  if (c != '\r' && c != ';') return "bad chunk size";
  x->chunk_step = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
  return NULL;
}

/* RFC 9112 7.1: one byte that belongs to the framing and not to the data; what is wrong, or NULL.
 */
static const char *chunk_byte(lti_http1 *x, unsigned char c) {
  if (++x->chunk_line_bytes > CHUNK_LINE_BYTES_MAX) return "chunk extensions above the limit";
  switch ((enum chunk_step)x->chunk_step) {
    case CHUNK_FIRST:
    case CHUNK_SIZE: return chunk_size_byte(x, c);
    case CHUNK_EXTENSION:
      if (c == '\r') x->chunk_step = CHUNK_SIZE_LF;
      return (c < 0x20 && c != '\t' && c != '\r') || c == 0x7f
                 ? "control character in a chunk extension"
                 : NULL;
    case CHUNK_SIZE_LF:
      if (c != '\n') return "chunk size not followed by CRLF";
      x->chunk_step = x->left ? CHUNK_BYTES : CHUNK_TRAILERS;
      if (!x->left) guard_reset(x, GUARD_LINE);
      return NULL;
    case CHUNK_BYTES_CR:
      x->chunk_step = CHUNK_BYTES_LF;
      return c == '\r' ? NULL : "chunk data not followed by CRLF";
    case CHUNK_BYTES_LF:
      x->chunk_step = CHUNK_FIRST;
      x->chunk_line_bytes = 0;
      return c == '\n' ? NULL : "chunk data not followed by CRLF";
    case CHUNK_BYTES:
    case CHUNK_TRAILERS: break;
  }
  return "chunk out of step";
}

static int chunk_data(lti_http1 *x, leat_slice rest, size_t *used) {
  size_t n = rest.size < x->left ? rest.size : (size_t)x->left;
  int rc = body_deliver(x, lti_slice(rest.data, n), used);
  if (x->left == 0) x->chunk_step = CHUNK_BYTES_CR;
  return rc;
}

static int chunk_trailers(lti_http1 *x, leat_slice rest, size_t *used) {
  size_t walked = 0;
  int rc = guard_walk(x, rest, &walked);
  *used += walked;
  if (rc != LTI_OK || x->guard_step != GUARD_DONE) return rc;
  bool surplus = walked < rest.size;
  *used += rest.size - walked;
  return finish(x, surplus);
}

static int feed_chunked(lti_http1 *x, leat_slice rest, size_t *used) {
  int rc = LTI_OK;
  while (rc == LTI_OK && *used < rest.size) {
    if (x->chunk_step == CHUNK_TRAILERS)
      return chunk_trailers(x, lti_slice_from(rest, *used), used);
    if (x->chunk_step == CHUNK_BYTES) {
      rc = chunk_data(x, lti_slice_from(rest, *used), used);
    } else {
      const char *fault = chunk_byte(x, (unsigned char)rest.data[*used]);
      if (fault) return fail(x, LEAT_EHTTP, fault);
      ++*used;
    }
  }
  return rc;
}
