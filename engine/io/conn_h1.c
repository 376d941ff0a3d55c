/* HTTP/1.1 on a connection: one exchange at a time, kept alive between them.
 *
 * A read's way up: bytes -> lti_http1_feed -> the exchange's sink. After every call up the state is
 * looked at again, since the owner may have abandoned or closed. The way down: the head is written
 * at the start, the body is pulled by `fill`, in chunks where its size is not known.
 *
 * An upgrade that was granted makes the connection a tunnel: its exchange gets and sends raw bytes
 * until the transport ends. */
#include <assert.h>

#include "base/error.h"
#include "io/carrier.h"

#define DRAIN_BYTES ((size_t)64 * 1024)
#define DRAIN_NS    (1000ull * 1000 * 1000)
#define CHUNK_FRAME                                                             \
  ((size_t)12) /* of one that fits a record: its size in hex, and two line ends \
                */

static int on_head(void *ctx, const lti_http_head *head);
static int on_body(void *ctx, leat_slice bytes, size_t *taken);
static int on_complete(void *ctx);
static void h1_ended(lti_conn *c, bool clean, int native);

static const lti_http_sink http_sink = {on_head, on_body, on_complete};

/* ---- life */

static int h1_open(lti_conn *c) {
  lti_alloc *alloc = c->env->link.dial.alloc;
  c->h1.codec = lti_http1_new(alloc, c->env->header_bytes_max, &http_sink, c);
  if (!c->h1.codec) return LEAT_ENOMEM;
  lti_buf_init(&c->h1.held, alloc, SIZE_MAX / 2, LEAT_EHELDMAX);
  return LTI_OK;
}

static void h1_free(lti_conn *c) {
  lti_conn_hold_drop(c->env, &c->h1.held);
  lti_buf_deinit(&c->h1.held);
  lti_http1_free(c->h1.codec);
}

/* The exchange leaves the connection; what it wants to know of it is written down. */
static lti_exchange *detach(lti_conn *c) {
  lti_exchange *x = c->h1.exchange;
  if (!x) return NULL;
  x->response_started = lti_http1_started(c->h1.codec);
  x->reused = c->served > 0;
  x->conn = NULL;
  c->h1.exchange = NULL;
  return x;
}

static void h1_closed(lti_conn *c, const lti_failure *failure) {
  lti_exchange *x = detach(c);
  if (x) x->sink->failed(x, failure);
}

/* ---- the way down */

static bool piece_left(const lti_conn *c) {
  const lti_exchange *x = c->h1.exchange;
  return x && x->stream.body_sent < x->stream.body.size;
}

/* The request has left in full: RFC 9112 9.3 wants that before another follows it. */
static bool all_sent(const lti_conn *c) {
  const lti_exchange *x = c->h1.exchange;
  if (x && (x->stream.more || piece_left(c) || c->h1.chunks)) return false;
  return lti_link_queued(&c->link) == 0 && !c->link.broken;
}

/* RFC 9112 7.1: "5\r\nhello\r\n", and "0\r\n\r\n" behind the last. A chunk is one record. */
static int write_chunk(lti_conn *c, leat_slice bytes) {
  lti_buf *encode = c->env->link.encode;
  lti_buf_clear(encode);
  int r = lti_buf_format(encode, "%zx\r\n", bytes.size);
  if (r == LTI_OK) r = lti_buf_append(encode, bytes);
  if (r == LTI_OK) r = lti_buf_text(encode, "\r\n");
  if (r == LTI_OK) r = lti_link_write(&c->link, lti_buf_slice(encode));
  lti_buf_clear(encode);
  return r;
}

/* As much of the body as makes a record. */
static int write_some(lti_conn *c, lti_http2_stream *body) {
  leat_slice rest = lti_slice_from(body->body, body->body_sent);
  size_t most = c->h1.chunks ? LTI_LINK_RECORD - CHUNK_FRAME : LTI_LINK_RECORD;
  if (rest.size > most) rest.size = most;
  int r = c->h1.chunks ? write_chunk(c, rest) : lti_link_write(&c->link, rest);
  if (r == LTI_OK) body->body_sent += rest.size;
  return r;
}

static int h1_fill(lti_conn *c) {
  lti_exchange *x = c->h1.exchange;
  int r = LTI_OK;
  if (!x || c->link.broken) return LTI_OK;
  while (r == LTI_OK && piece_left(c) && lti_link_queued(&c->link) < LTI_LINK_QUEUE)
    r = write_some(c, &x->stream);
  if (r != LTI_OK || piece_left(c)) return r;
  if (x->stream.more) {
    x->sink->hungry(x);
  } else if (c->h1.chunks) {
    c->h1.chunks = false;
    r = write_chunk(c, lti_slice("", 0));
  }
  return r;
}

static int h1_supply(lti_exchange *x, const lti_http_piece *piece) {
  lti_http2_stream *s = &x->stream;
  assert(s->more && s->body_sent == s->body.size);
  s->body = piece->bytes;
  s->body_sent = 0;
  s->more = piece->more;
  s->behind = piece->behind;
  return LTI_OK;
}

static void h1_sent(lti_conn *c) {
  lti_exchange *x = c->h1.exchange;
  if (!x) return;
  if (x->sent_ns == 0 && c->link.sent > c->h1.request_mark)
    x->sent_ns = lti_loop_clock(c->env->link.dial.loop);
  if (c->h1.tunnel && lti_link_queued(&c->link) == 0 && x->sink->drained) x->sink->drained(x);
}

static int h1_start(lti_conn *c, lti_exchange *x, const lti_http_request *request) {
  lti_buf *encode = c->env->link.encode;
  lti_buf_clear(encode);
  int r = lti_http1_encode(request, encode);
  /* A small body shares the head's record and segment. */
  bool together = !x->stream.more && x->stream.body.size <= LTI_LINK_RECORD / 2;
  if (r == LTI_OK && together) r = lti_buf_append(encode, x->stream.body);
  if (r == LTI_OK) {
    c->h1.request_mark = lti_link_mark_next(&c->link);
    r = lti_link_write(&c->link, lti_buf_slice(encode));
    /* What was written cannot be taken back. */
    if (r != LTI_OK) lti_conn_fail(c, r, LEAT_LAYER_API, NULL);
  }
  lti_wipe(encode->data, encode->size); /* a head holds the key */
  lti_buf_clear(encode);
  if (r != LTI_OK) return r;
  x->conn = c;
  x->stream.body_sent = together ? x->stream.body.size : 0;
  c->h1.exchange = x;
  c->h1.chunks = request->has_body && request->unsized;
  c->h1.completed = false;
  lti_alarm_set(c->env->link.dial.alarms, &c->alarm, UINT64_MAX);
  lti_http1_begin(c->h1.codec, request);
  return LTI_OK;
}

/* ---- the way up */

/* The owner speaks first: a body that is no answer to what was asked may be one that an earlier
 * request never asked for, and all behind it would be one too late. */
static void finish_response(lti_conn *c) {
  bool keep = lti_http1_reusable(c->h1.codec) && all_sent(c) && !c->h1.end_pending;
  lti_exchange *x = detach(c);
  c->h1.completed = false;
  c->served++;
  if (x && !x->sink->complete(x)) keep = false;
  if (c->state == CONN_CLOSED) return;
  if (keep)
    lti_conn_rest(c);
  else
    lti_conn_close(c, NULL);
}

/* Feeds HTTP, and looks at what became of the connection meanwhile. Returns what was taken. */
static size_t deliver(lti_conn *c, leat_slice bytes) {
  size_t taken = 0;
  int r = lti_http1_feed(c->h1.codec, bytes, &taken);
  if (c->state == CONN_CLOSED) return bytes.size;
  if (r < 0)
    lti_conn_fail(c, r, LEAT_LAYER_HTTP, lti_http1_reason(c->h1.codec));
  else if (c->h1.completed)
    finish_response(c);
  return taken;
}

/* Bytes before any of the request has left cannot be its answer (RFC 9112 11.1). */
static bool unasked(const lti_conn *c) {
  return c->state == CONN_READY || (c->h1.exchange && c->h1.exchange->sent_ns == 0);
}

static void keep(lti_conn *c, leat_slice bytes) {
  int r = lti_conn_hold(c->env, &c->h1.held, bytes);
  if (r != LTI_OK) lti_conn_fail(c, r, LEAT_LAYER_API, NULL);
}

static void h1_bytes(lti_conn *c, leat_slice bytes, uint64_t stamp_ns) {
  if (unasked(c)) {
    /* On a reused connection the request has lost nothing but time, and is sent again. */
    bool late = c->state == CONN_BUSY && c->served > 0;
    lti_conn_fail(c, late ? LEAT_ERESET : LEAT_EHTTP, LEAT_LAYER_HTTP,
                  "bytes that no request asked for");
    return;
  }
  lti_exchange *x = c->h1.exchange;
  if (x) x->received_ns = stamp_ns;
  lti_carrier_stats(c)->bytes_received += bytes.size;
  if (!x || !x->paused) {
    size_t taken = deliver(c, bytes);
    if (!c->h1.exchange || !c->h1.exchange->paused) return;
    bytes = lti_slice_from(bytes, taken);
    lti_link_read(&c->link, false);
  }
  lti_carrier_stats(c)->bytes_copied += bytes.size;
  keep(c, bytes);
}

/* The transport ended: what that means to the response only HTTP can say. */
static void h1_ended(lti_conn *c, bool clean, int native) {
  if (c->h1.exchange && c->h1.exchange->paused) {
    c->h1.end_pending = true;
    c->h1.end_clean = clean;
    lti_link_read(&c->link, false);
    return;
  }
  if (c->state != CONN_BUSY) {
    lti_conn_lapse(c, "the server closed the connection at once");
    return;
  }
  int r = lti_http1_end(c->h1.codec, clean);
  if (c->state == CONN_CLOSED) return;
  if (r == LTI_OK && c->h1.completed) {
    finish_response(c);
    return;
  }
  lti_conn_close(c, &(lti_failure){.error = r == LTI_OK ? LEAT_ERESET : r,
                                   .native = native,
                                   .layer = r == LEAT_EHTTP ? LEAT_LAYER_HTTP : LEAT_LAYER_SOCKET,
                                   .message = lti_http1_reason(c->h1.codec)});
}

static int on_head(void *ctx, const lti_http_head *head) {
  lti_conn *c = ctx;
  lti_exchange *x = c->h1.exchange;
  if (!x) return LTI_OK;
  c->h1.tunnel = lti_http1_tunnel(c->h1.codec);
  int r = x->sink->head(x, head);
  return c->state == CONN_CLOSED ? LTI_STOPPED : r;
}

static int on_body(void *ctx, leat_slice bytes, size_t *taken) {
  lti_conn *c = ctx;
  lti_exchange *x = c->h1.exchange;
  *taken = bytes.size;
  if (x) {
    int r = x->sink->body(x, bytes, taken);
    if (c->state == CONN_CLOSED) return LTI_STOPPED;
    if (c->h1.exchange) return r;
    *taken = bytes.size; /* abandoned on the way: DRAINING takes the rest */
  }
  if (bytes.size > c->h1.drain_left) {
    lti_conn_close(c, NULL);
    return LTI_STOPPED;
  }
  c->h1.drain_left -= bytes.size;
  return LTI_OK;
}

static int on_complete(void *ctx) {
  lti_conn *c = ctx;
  c->h1.completed = true;
  return LTI_OK;
}

/* ---- pause, cancel */

static void h1_resume(lti_exchange *x) {
  lti_conn *c = x->conn;
  lti_buf held = c->h1.held;
  lti_buf_init(&c->h1.held, held.alloc, held.max, held.full_error);
  x->paused = false;
  lti_carrier_stats(c)->held_bytes -= held.size;
  /* Even nothing is fed: a response may have been complete but for telling so. */
  size_t taken = deliver(c, lti_buf_slice(&held));
  bool paused = c->h1.exchange && c->h1.exchange->paused;
  if (paused) keep(c, lti_slice_from(lti_buf_slice(&held), taken));
  lti_buf_deinit(&held);
  if (c->state == CONN_CLOSED || paused) return;
  if (c->h1.end_pending) {
    c->h1.end_pending = false;
    h1_ended(c, c->h1.end_clean, 0);
    return;
  }
  lti_link_read(&c->link, true);
}

static void h1_abandon(lti_exchange *x, bool drain) {
  lti_conn *c = x->conn;
  bool sent = all_sent(c);
  bool quiet = c->h1.held.size == 0 && !c->h1.end_pending && !c->h1.tunnel;
  bool paused = x->paused;
  detach(c);
  if (!drain || !sent || !quiet || c->state != CONN_BUSY) {
    lti_http1_abandon(c->h1.codec);
    lti_conn_close(c, NULL);
    return;
  }
  if (paused) lti_link_read(&c->link, true);
  lti_conn_state_set(c, CONN_DRAINING);
  c->h1.drain_left = DRAIN_BYTES;
  lti_conn_alarm_set(c, lti_loop_clock(c->env->link.dial.loop) + DRAIN_NS);
}

static void h1_alarm(lti_conn *c, uint64_t now_ns) {
  (void)now_ns;
  if (c->state == CONN_DRAINING) lti_conn_close(c, NULL);
}

static void h1_load(const lti_conn *c, lti_conn_load *load) {
  load->active = c->h1.exchange != NULL;
  load->room = c->state == CONN_READY;
  load->streams_max = 1;
  load->window = load->window_peak = load->stream_window = INT64_MAX;
  load->settled = true;
}

const lti_carrier lti_carrier_h1 = {
    .http = LEAT_HTTP_1,
    .open = h1_open,
    .free = h1_free,
    .start = h1_start,
    .abandon = h1_abandon,
    .resume = h1_resume,
    .supply = h1_supply,
    .bytes = h1_bytes,
    .ended = h1_ended,
    .fill = h1_fill,
    .sent = h1_sent,
    .closed = h1_closed,
    .alarm = h1_alarm,
    .load = h1_load,
};
