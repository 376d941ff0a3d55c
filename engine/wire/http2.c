/* The life of an HTTP/2 connection, client side: opening, feeding, delivering, draining, ending.
 *
 *      OPEN -----> LEAVING -----> FAILED       GOAWAY came or was sent; an error, or `end`
 *        '---------------------------^
 *
 * nghttp2 may not be entered from its own callbacks, and its user should not be either: so a feed
 * runs nghttp2 first, which gathers (http2_response.c), and delivers behind it. A batch that is
 * full makes nghttp2 pause, and it goes on behind the delivery.
 *
 * A sink may give up any stream, its own too, and its memory with it: what the batch still holds of
 * it is dropped, and nghttp2's pointer to it is cleared. A stream that nghttp2 does not know to be
 * closed is reset; frames that come for it all the same are nghttp2's to drop, which credits the
 * connection's window.
 *
 * Windows: bytes that arrived are given back to the connection's window behind each call of
 * nghttp2; those that owners have taken to their stream's, when half a window of them has come
 * together: that is when nghttp2 would announce them. */
#include "wire/http2.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/error.h"
#include "wire/http2_inside.h"

#define STREAMS_FIRST      100       /* until the peer's SETTINGS say what it allows */
#define REQUEST_FIELDS_MAX (1 << 20) /* nghttp2's limit; ours, which is less, is checked first */
#define STACK_FIELDS       48        /* of a head; with more an array is allocated */
#define OVERLONG_MAX       3         /* header lists above the limit end the connection */
#define REASON_BY_NGHTTP2  "the server broke the rules of HTTP/2"

static struct nghttp2_session *session_new(lti_http2 *x);
static int session_begin(lti_http2 *x);
static void receive(lti_http2 *x, leat_slice bytes);
static void deliver(lti_http2 *x);
static void stream_gone(lti_http2 *x, lti_http2_stream *s);
static void stream_detach(lti_http2 *x, lti_http2_stream *s, uint32_t code);

/* ---- life -------------------------------------------------------------------------------------
 */

lti_http2 *lti_http2_new(lti_alloc *alloc, const lti_http2_config *config,
                         const lti_http2_sink *sink, void *ctx) {
  assert(config->header_bytes_max > 0 && config->streams_max > 0);
  assert(config->stream_window <= INT32_MAX && config->conn_window <= INT32_MAX);
  lti_http2 *x = lti_alloc_zero(alloc, sizeof *x);
  if (!x) return NULL;
  x->alloc = alloc;
  x->config = *config;
  x->sink = sink;
  x->ctx = ctx;
  x->reason = "";
  x->window_peak = NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE;
  lti_list_init(&x->streams);
  lti_list_init(&x->ended);
  /* The finished heads that make a feed deliver, one more, and the one under way. */
  lti_buf_init(&x->in.heads, alloc, 16384 + 2 * config->header_bytes_max, LEAT_EHEADERSMAX);
  lti_http2_budget_init(&x->in.budget, &x->in.ahead);
  x->session = session_new(x);
  if (x->session && session_begin(x) == 0) return x;
  lti_http2_free(x);
  return NULL;
}

void lti_http2_free(lti_http2 *x) {
  if (!x) return;
  assert(x->active == 0);
  nghttp2_session_del(x->session);
  lti_buf_deinit(&x->in.heads);
  lti_alloc_put(x->alloc, x->in.ahead.places);
  lti_alloc_put(x->alloc, x);
}

/* Bytes of its body that wait to be sent, as far as is known. */
static uint64_t upload_of(const lti_http2_stream *s) {
  return s->body.size - s->body_sent + s->behind;
}

int lti_http2_open(lti_http2 *x, lti_http2_stream *s, const lti_http_request *request, bool tls) {
  assert(s->id == 0);
  assert(!request->has_body || s->more || request->body_size == s->body.size);
  if (lti_http2_slots(x) == 0) return LEAT_ESTATE;
  int rc = lti_http2_request_check(request);
  if (rc != LTI_OK) return rc;
  lti_http2_stream wanted = *s;
  memset(s, 0, sizeof *s);
  if (request->has_body) {
    s->body = wanted.body;
    s->more = wanted.more;
    s->behind = wanted.more ? wanted.behind : 0;
  }
  s->is_head = strcmp(request->method, "HEAD") == 0;
  int32_t id = lti_http2_request_submit(x, s, request, tls);
  if (id <= 0) return id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE ? LEAT_ESTATE : LEAT_ENOMEM;
  s->id = id;
  lti_list_push(&x->streams, &s->node);
  x->active++;
  x->upload += upload_of(s);
  return LTI_OK;
}

int lti_http2_supply(lti_http2 *x, lti_http2_stream *s, const lti_http_piece *piece) {
  if (s->id == 0 || s->closed || x->dead) return LTI_OK;
  assert(s->more && s->body_sent == s->body.size);
  x->upload -= upload_of(s);
  s->body = piece->bytes;
  s->body_sent = 0;
  s->more = piece->more;
  s->behind = piece->more ? piece->behind : 0;
  x->upload += upload_of(s);
  /* Where nghttp2 had not asked in vain yet there is nothing to resume, and it says so. */
  int rc = nghttp2_session_resume_data(x->session, s->id);
  return rc == NGHTTP2_ERR_NOMEM ? LEAT_ENOMEM : LTI_OK;
}

static void forget_batch(lti_http2 *x, const lti_http2_stream *s) {
  for (size_t i = x->in.next; i < x->in.count; i++)
    if (x->in.batch[i].stream == s) x->in.batch[i].stream = NULL;
}

void lti_http2_cancel(lti_http2 *x, lti_http2_stream *s) {
  if (s->id == 0) return;
  forget_batch(x, s);
  stream_detach(x, s, NGHTTP2_CANCEL);
}

void lti_http2_release(lti_http2 *x, lti_http2_stream *s) {
  bool waits = s->id && !s->closed && !x->dead && !x->error && s->outcome == LTI_HTTP2_RUNS;
  if (!waits || s->more || s->body_sent < s->body.size) {
    lti_http2_cancel(x, s);
    return;
  }
  forget_batch(x, s);
  nghttp2_session_set_stream_user_data(x->session, s->id, NULL);
  lti_http2_linger_add(x, s->id);
  stream_gone(x, s);
}

/* ---- failing, leaving, ending -----------------------------------------------------------------
 */

/* Our callbacks fail only for want of memory. */
void lti_http2_fatal(lti_http2 *x, int rc) {
  bool memory = rc == NGHTTP2_ERR_NOMEM || rc == NGHTTP2_ERR_CALLBACK_FAILURE;
  x->dead = true;
  lti_http2_fail(x, memory ? LEAT_ENOMEM : LEAT_EHTTP,
                 memory ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM,
                 memory ? "no memory for HTTP/2" : REASON_BY_NGHTTP2);
}

void lti_http2_fail(lti_http2 *x, int error, uint32_t code, const char *reason) {
  if (x->error) return;
  x->state = LTI_HTTP2_FAILED;
  x->error = error;
  x->code = code;
  x->reason = reason;
  if (!x->dead && nghttp2_session_terminate_session(x->session, code) != 0) x->dead = true;
}

/* A call that can only fail for want of memory. */
static void must(lti_http2 *x, int rc) {
  if (nghttp2_is_fatal(rc)) lti_http2_fatal(x, rc);
}

void lti_http2_leave(lti_http2 *x) {
  if (x->state != LTI_HTTP2_OPEN) return;
  x->state = LTI_HTTP2_LEAVING;
  must(x, nghttp2_submit_goaway(x->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0));
}

void lti_http2_ping(lti_http2 *x) {
  if (x->pinged || x->state == LTI_HTTP2_FAILED) return;
  x->pinged = true;
  must(x, nghttp2_submit_ping(x->session, NGHTTP2_FLAG_NONE, NULL));
}

/* The first failure that the codec itself found keeps its error and its reason. */
void lti_http2_end(lti_http2 *x, int error, const char *reason) {
  assert(error < 0 && !x->in.batch);
  if (!x->error) {
    x->error = error;
    x->reason = reason;
  }
  x->state = LTI_HTTP2_FAILED;
  x->dead = true;
  while (!lti_list_empty(&x->streams)) {
    lti_http2_stream *s = LTI_CONTAINER_OF(x->streams.next, lti_http2_stream, node);
    lti_http2_failure failure = {error, x->code, !s->sent, false, reason};
    lti_http2_response_break(x, s, &failure);
  }
  deliver(x);
}

/* ---- nghttp2's session ------------------------------------------------------------------------
 */

static const char *reason_of(uint32_t code) {
  switch (code) {
    case NGHTTP2_FLOW_CONTROL_ERROR: return "the server overran a window";
    case NGHTTP2_STREAM_CLOSED: return "a frame for a stream that is closed";
    case NGHTTP2_FRAME_SIZE_ERROR: return "a frame of a forbidden size";
    case NGHTTP2_COMPRESSION_ERROR: return "broken header compression";
    case NGHTTP2_ENHANCE_YOUR_CALM: return "the server asks for too much";
    default: return REASON_BY_NGHTTP2;
  }
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  lti_http2 *x = ctx;
  if (frame->hd.type == NGHTTP2_HEADERS) {
    lti_http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s) s->sent = true;
    lti_http2_budget_earn(&x->in.budget, 0);
  } else if (frame->hd.type == NGHTTP2_DATA) {
    lti_http2_budget_earn(&x->in.budget, frame->hd.length);
  } else if (frame->hd.type == NGHTTP2_PING || frame->hd.type == NGHTTP2_SETTINGS) {
    if (frame->hd.flags & NGHTTP2_FLAG_ACK && x->in.budget.answers) x->in.budget.answers--;
  } else if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
    x->by_nghttp2 |= !x->error;
    lti_http2_fail(x, LEAT_EHTTP, frame->goaway.error_code, REASON_BY_NGHTTP2);
    if (x->by_nghttp2) {
      x->code = frame->goaway.error_code;
      x->reason = reason_of(x->code);
    }
  }
  return 0;
}

/* nghttp2 closes a stream while it receives only for reasons that were heard before; while it
 * sends, when it had to reset one whose window the peer's SETTINGS raised too far. RFC 9113 6.9.2
 * makes that an error of the connection. */
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx) {
  lti_http2 *x = ctx;
  lti_http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
  if (!s) {
    lti_http2_linger_closed(x, id);
    return 0;
  }
  s->closed = true;
  if (s->outcome == LTI_HTTP2_RUNS)
    lti_http2_fail(x, LEAT_EHTTP, code, "the server's SETTINGS raised a window too far");
  return 0;
}

static nghttp2_session_callbacks *callbacks_new(void) {
  nghttp2_session_callbacks *callbacks;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return NULL;
  lti_http2_response_callbacks(callbacks);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  return callbacks;
}

static nghttp2_option *option_new(void) {
  nghttp2_option *option;
  if (nghttp2_option_new(&option) != 0) return NULL;
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_no_http_messaging(option, 1);
  nghttp2_option_set_peer_max_concurrent_streams(option, STREAMS_FIRST);
  nghttp2_option_set_max_send_header_block_length(option, REQUEST_FIELDS_MAX);
  return option;
}

/* The two tables of arguments come from malloc, as nghttp2 has it, and hold nothing of ours. */
static nghttp2_session *session_new(lti_http2 *x) {
  nghttp2_mem mem = {x->alloc, lti_http2_memory_malloc, lti_http2_memory_free,
                     lti_http2_memory_calloc, lti_http2_memory_realloc};
  nghttp2_session_callbacks *callbacks = callbacks_new();
  nghttp2_option *option = option_new();
  nghttp2_session *session = NULL;
  if (callbacks && option && nghttp2_session_client_new3(&session, callbacks, x, option, &mem) != 0)
    session = NULL;
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

/* HEADER_TABLE_SIZE stays what it is at first, 4,096: a smaller one obliges the peer to say so in
 * its next header block (RFC 7541 4.2), nghttp2 insists on it, and encoders without a table forget.
 */
static int session_begin(lti_http2 *x) {
  uint32_t list =
      x->config.header_bytes_max < UINT32_MAX ? (uint32_t)x->config.header_bytes_max : UINT32_MAX;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, x->config.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, list}};
  int rc = nghttp2_submit_settings(x->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof *settings);
  if (rc != 0) return rc;
  return nghttp2_session_set_local_window_size(x->session, NGHTTP2_FLAG_NONE, 0,
                                               (int32_t)x->config.conn_window);
}

/* ---- feeding ----------------------------------------------------------------------------------
 */

/* nghttp2 says to its user only in part what made it end the session. With a GOAWAY of the peer's
 * at hand it says nothing; that case is found by drain. */
static void notice_end(lti_http2 *x) {
  if (x->state != LTI_HTTP2_OPEN || nghttp2_session_check_request_allowed(x->session) ||
      nghttp2_session_get_next_stream_id(x->session) > INT32_MAX)
    return;
  x->by_nghttp2 = true;
  lti_http2_fail(x, LEAT_EHTTP, NGHTTP2_PROTOCOL_ERROR, REASON_BY_NGHTTP2);
}

int lti_http2_feed(lti_http2 *x, leat_slice bytes, uint64_t now_ns) {
  if (x->error) return x->error;
  assert(!x->in.batch);
  lti_http2_entry batch[LTI_HTTP2_BATCH];
  x->in.batch = batch;
  lti_http2_budget *budget = &x->in.budget;
  lti_http2_passed passed = lti_http2_budget_walk(budget, bytes, now_ns);
  if (passed.has_header) receive(x, lti_slice((const char *)passed.header, sizeof passed.header));
  if (passed.to > passed.from && !x->error)
    receive(x, lti_slice(bytes.data + passed.from, passed.to - passed.from));
  x->in.batch = NULL;
  lti_http2_linger_sweep(x);
  if (budget->breach) lti_http2_fail(x, LEAT_EHTTP, budget->code, budget->breach);
  if (x->error) return x->error;
  if (x->changed) {
    x->changed = false;
    if (x->sink->changed) x->sink->changed(x->ctx);
  }
  return x->error;
}

static void receive(lti_http2 *x, leat_slice bytes) {
  size_t at = 0;
  while (at < bytes.size || x->in.paused) {
    x->in.paused = false;
    ssize_t n =
        nghttp2_session_mem_recv(x->session, (const uint8_t *)bytes.data + at, bytes.size - at);
    bool stuck = n == 0 && at < bytes.size && !x->in.paused; /* never, as far as is known */
    if (n < 0 || stuck) {
      lti_http2_fatal(x, (int)n);
    } else {
      at += (size_t)n;
      notice_end(x);
    }
    if (x->in.arrived && !x->dead)
      must(x, nghttp2_session_consume_connection(x->session, x->in.arrived));
    x->in.arrived = 0;
    deliver(x);
    if (x->in.budget.overlong >= OVERLONG_MAX)
      lti_http2_fail(x, LEAT_EHTTP, NGHTTP2_ENHANCE_YOUR_CALM, "too many header lists too long");
    if (x->error) return;
  }
}

/* ---- delivering -------------------------------------------------------------------------------
 */

/* The owner has taken `size` bytes of `unread`. */
static void give_back(lti_http2 *x, lti_http2_stream *s, size_t size) {
  assert(size <= s->unread);
  s->unread -= (uint32_t)size;
  s->owed += (uint32_t)size;
  if (s->owed < x->config.stream_window / 2 || s->id == 0 || s->closed || x->dead) return;
  if (s->outcome == LTI_HTTP2_RUNS)
    must(x, nghttp2_session_consume_stream(x->session, s->id, s->owed));
  s->owed = 0;
}

void lti_http2_consume(lti_http2 *x, lti_http2_stream *s, size_t size) {
  give_back(x, s, size);
}

/* Without memory for its head a response is lost, whatever it was. */
static void lose(lti_http2 *x, lti_http2_stream *s) {
  forget_batch(x, s);
  lti_http2_response_break(x, s,
                           &(lti_http2_failure){LEAT_ENOMEM, NGHTTP2_INTERNAL_ERROR, false, false,
                                                "no memory for a header block"});
}

static void deliver_head(lti_http2 *x, lti_http2_entry *e) {
  lti_http2_stream *s = e->stream;
  leat_header on_stack[STACK_FIELDS], *fields = on_stack;
  if (e->fields > STACK_FIELDS) fields = lti_alloc_get(x->alloc, e->fields * sizeof *fields);
  if (!fields) {
    lose(x, s);
    return;
  }
  lti_http2_response_fields(x, e, fields);
  lti_http_head head = {
      .status = e->status, .headers = fields, .header_count = e->fields, .has_body = e->has_body};
  s->head_seen = true;
  lti_http2_ahead_add(x, s);
  x->sink->head(x->ctx, s, &head);
  if (fields != on_stack) lti_alloc_put(x->alloc, fields);
}

static void deliver_body(lti_http2 *x, lti_http2_entry *e) {
  lti_http2_stream *s = e->stream;
  s->unread += (uint32_t)e->size;
  size_t taken = x->sink->body(x->ctx, s, lti_slice(e->bytes, e->size));
  /* A sink that gave its stream up has cleared the entry, and the stream may be no more. */
  if (e->stream) give_back(x, s, taken);
}

static void deliver_end(lti_http2 *x, lti_http2_stream *s) {
  if (s->outcome == LTI_HTTP2_COMPLETE) {
    stream_detach(x, s, NGHTTP2_CANCEL);
    x->sink->complete(x->ctx, s);
    return;
  }
  lti_http2_failure failure = {.error = s->error,
                               .code = s->code,
                               .unprocessed = s->unprocessed,
                               .http1_wanted = s->code == NGHTTP2_HTTP_1_1_REQUIRED && s->closed,
                               .reason = s->reason};
  if (failure.error == LEAT_ERESET && s->head_seen) failure.error = LEAT_ETRUNCATED;
  stream_detach(x, s, failure.code);
  x->sink->failed(x->ctx, s, &failure);
}

static void deliver(lti_http2 *x) {
  for (; x->in.next < x->in.count; x->in.next++) {
    lti_http2_entry *e = &x->in.batch[x->in.next];
    if (!e->stream) continue;
    if (e->bytes) {
      deliver_body(x, e);
    } else {
      deliver_head(x, e);
    }
  }
  x->in.next = x->in.count = 0;
  lti_buf_consume(&x->in.heads, x->in.heads_size);
  x->in.heads_size = 0;
  lti_buf_shrink(&x->in.heads, 0);
  while (!lti_list_empty(&x->ended))
    deliver_end(x, LTI_CONTAINER_OF(x->ended.next, lti_http2_stream, node));
}

/* Takes a stream out of the books; nothing here or in nghttp2 points to it any more. */
static void stream_gone(lti_http2 *x, lti_http2_stream *s) {
  lti_http2_ahead_remove(x, s);
  lti_list_remove(&s->node);
  x->active--;
  x->upload -= upload_of(s);
  s->id = 0;
  if (x->in.stream == s) x->in.stream = NULL;
  if (x->in.block.stream == s) x->in.block.stream = NULL;
}

/* As above, and resets it unless it has ended on both sides. */
static void stream_detach(lti_http2 *x, lti_http2_stream *s, uint32_t code) {
  if (!s->closed && !x->dead) {
    nghttp2_session_set_stream_user_data(x->session, s->id, NULL);
    if (!x->error) must(x, nghttp2_submit_rst_stream(x->session, NGHTTP2_FLAG_NONE, s->id, code));
  }
  stream_gone(x, s);
}

/* ---- draining ---------------------------------------------------------------------------------
 */

int lti_http2_drain(lti_http2 *x, lti_buf *out, size_t size_max) {
  if (x->dead) return x->error;
  int before = x->error;
  while (out->size < size_max) {
    const uint8_t *bytes;
    ssize_t n = nghttp2_session_mem_send(x->session, &bytes);
    if (n == 0) break;
    if (n < 0) {
      lti_http2_fatal(x, (int)n);
      break;
    }
    int rc = lti_buf_append(out, lti_slice((const char *)bytes, (size_t)n));
    if (rc != LTI_OK) {
      x->dead = true;
      lti_http2_fail(x, rc, NGHTTP2_INTERNAL_ERROR, "no memory for frames to send");
      break;
    }
  }
  return before && !x->dead ? LTI_OK : x->error;
}

bool lti_http2_pending(const lti_http2 *x) {
  return !x->dead && nghttp2_session_want_write(x->session);
}

/* ---- questions --------------------------------------------------------------------------------
 */

size_t lti_http2_slots(const lti_http2 *x) {
  if (x->state != LTI_HTTP2_OPEN || lti_http2_leaving(x)) return 0;
  size_t most = lti_http2_streams_max(x), taken = x->active + x->linger.count;
  return most > taken ? most - taken : 0;
}

size_t lti_http2_active(const lti_http2 *x) {
  return x->active;
}

size_t lti_http2_streams_max(const lti_http2 *x) {
  uint32_t peer =
      nghttp2_session_get_remote_settings(x->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return peer < x->config.streams_max ? peer : x->config.streams_max;
}

bool lti_http2_leaving(const lti_http2 *x) {
  return x->state != LTI_HTTP2_OPEN || nghttp2_session_get_next_stream_id(x->session) > INT32_MAX;
}

bool lti_http2_takes_some(const lti_http2 *x) {
  return x->takes_some;
}

bool lti_http2_settled(const lti_http2 *x) {
  return x->settled;
}

bool lti_http2_acked(const lti_http2 *x) {
  return x->acked;
}

int32_t lti_http2_window(const lti_http2 *x) {
  return nghttp2_session_get_remote_window_size(x->session);
}

int32_t lti_http2_window_peak(const lti_http2 *x) {
  return x->window_peak;
}

int32_t lti_http2_stream_window(const lti_http2 *x) {
  return (int32_t)nghttp2_session_get_remote_settings(x->session,
                                                      NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
}

uint64_t lti_http2_upload(const lti_http2 *x) {
  return x->upload;
}

const char *lti_http2_reason(const lti_http2 *x) {
  return x->reason;
}

uint32_t lti_http2_code(const lti_http2 *x) {
  return x->code;
}
