/* HTTP/2 on a connection: as many exchanges as the peer has streams for.
 *
 * A read's way up: bytes -> lti_http2_feed -> the stream's exchange -> its sink. Frames to be sent
 * are pulled by `fill` once a turn, so that those of many streams share a TLS record.
 *
 * A paused exchange keeps what came for it in a backlog of its own, at most the stream's window,
 * for nothing is given back to the peer meanwhile; its siblings go on. The end of its stream waits
 * there too, and outlives the connection.
 *
 * While exchanges run, a connection that says nothing for ping_ns is asked by PING whether it
 * lives. */
#include <assert.h>
#include <stdio.h>

#include "base/error.h"
#include "io/carrier.h"

#define SETTINGS_NS (10ull * 1000 * 1000 * 1000) /* for the peer to acknowledge ours */

enum backlog_end { BACKLOG_OPEN, BACKLOG_COMPLETE, BACKLOG_FAILED };

struct lti_backlog {
  lti_conn_env *env;
  lti_buf bytes;
  enum backlog_end end;
  lti_failure failure;
  char message[160];
};

static void on_head(void *ctx, lti_http2_stream *s, const lti_http_head *head);
static size_t on_body(void *ctx, lti_http2_stream *s, leat_slice bytes);
static void on_complete(void *ctx, lti_http2_stream *s);
static void on_failed(void *ctx, lti_http2_stream *s, const lti_http2_failure *failure);
static void on_changed(void *ctx);
static void on_hungry(void *ctx, lti_http2_stream *s);
static void h2_sent(lti_conn *c);

static const lti_http2_sink http2_sink = {on_head,   on_body,    on_complete,
                                          on_failed, on_changed, on_hungry};

static lti_exchange *exchange_of(lti_http2_stream *s) {
  return LTI_CONTAINER_OF(s, lti_exchange, stream);
}

static uint64_t clock_of(const lti_conn *c) {
  return lti_loop_clock(c->env->link.dial.loop);
}

/* ---- life */

/* The last sign of life. A peer that takes what was waiting for it lives; its answer to a PING has
 * to wait until it has read all that was sent before. */
static uint64_t alive_ns(const lti_conn *c) {
  return c->link.moved_ns > c->link.read_ns ? c->link.moved_ns : c->link.read_ns;
}

/* When a PING must have been answered. */
static uint64_t pong_ns(const lti_conn *c) {
  uint64_t from = c->h2.ping_ns > alive_ns(c) ? c->h2.ping_ns : alive_ns(c);
  return from + c->env->ping_timeout_ns;
}

static void set_alarm(lti_conn *c) {
  uint64_t silence = c->env->ping_ns;
  uint64_t at = silence == UINT64_MAX ? UINT64_MAX : alive_ns(c) + silence;
  if (c->h2.ping_ns) at = pong_ns(c);
  uint64_t settle = c->link.ready_ns + SETTINGS_NS;
  if (!lti_http2_acked(c->h2.codec) && settle < at) at = settle;
  lti_conn_alarm_set(c, at);
}

static int h2_open(lti_conn *c) {
  c->h2.codec = lti_http2_new(c->env->link.dial.alloc, &c->env->http2, &http2_sink, c);
  if (!c->h2.codec) return LEAT_ENOMEM;
  lti_list_init(&c->h2.unsent);
  c->h2.sent_mark = UINT64_MAX;
  c->link.shared = true;
  c->link.read_ns = c->link.ready_ns;
  lti_link_mark(&c->link); /* the preface */
  return LTI_OK;
}

static void h2_free(lti_conn *c) {
  lti_http2_free(c->h2.codec);
}

/* Takes an exchange off its connection; its stream is over, or given up. */
static void detach(lti_exchange *x) {
  lti_conn *c = x->conn;
  lti_list_remove(&x->unsent);
  x->response_started = x->stream.started;
  x->reused = c->served > 0;
  x->conn = NULL;
  c->h2.carried--;
}

/* Behind whatever may have ended exchanges. The connection may be gone afterwards. */
static void look_around(lti_conn *c) {
  if (c->state == CONN_CLOSED || c->h2.feeding) return;
  if (lti_http2_leaving(c->h2.codec)) c->leaving = true;
  if (lti_http2_pending(c->h2.codec)) lti_link_mark(&c->link);
  if (c->state == CONN_BUSY && c->h2.carried == 0) {
    lti_conn_rest(c);
    return;
  }
  if (c->state == CONN_READY && c->leaving) lti_conn_lapse(c, "the server took no request");
}

/* ---- backlogs */

static lti_backlog *backlog_of(lti_exchange *x, lti_conn_env *env) {
  if (x->backlog) return x->backlog;
  lti_backlog *b = lti_alloc_zero(env->link.dial.alloc, sizeof *b);
  if (!b) return NULL;
  b->env = env;
  lti_buf_init(&b->bytes, env->link.dial.alloc, SIZE_MAX / 2, LEAT_EHELDMAX);
  x->backlog = b;
  return b;
}

static void backlog_free(lti_backlog *b) {
  lti_conn_hold_drop(b->env, &b->bytes);
  lti_buf_deinit(&b->bytes);
  lti_alloc_put(b->env->link.dial.alloc, b);
}

static void fail_exchange(lti_exchange *x, int error, const char *message) {
  lti_conn *c = x->conn;
  lti_http2_cancel(c->h2.codec, &x->stream);
  detach(x);
  x->sink->failed(x, &(lti_failure){.error = error, .layer = LEAT_LAYER_API, .message = message});
}

static void keep(lti_exchange *x, leat_slice bytes) {
  lti_backlog *b = backlog_of(x, x->conn->env);
  int r = b ? lti_conn_hold(b->env, &b->bytes, bytes) : LEAT_ENOMEM;
  if (r != LTI_OK) {
    fail_exchange(x, r, NULL);
    return;
  }
  lti_carrier_stats(x->conn)->bytes_copied += bytes.size;
}

/* The stream is over; its reader is not there yet. False: no memory to note that. */
static bool keep_end(lti_exchange *x, enum backlog_end end, const lti_failure *failure) {
  lti_backlog *b = backlog_of(x, x->conn->env);
  if (!b) return false;
  b->end = end;
  if (failure) {
    b->failure = *failure;
    if (failure->message) snprintf(b->message, sizeof b->message, "%s", failure->message);
    b->failure.message = b->message[0] ? b->message : NULL;
  }
  return true;
}

/* ---- the way up */

static void on_head(void *ctx, lti_http2_stream *s, const lti_http_head *head) {
  lti_conn *c = ctx;
  lti_exchange *x = exchange_of(s);
  uint64_t sent = x->sent_ns ? x->sent_ns : c->h2.stamp_ns;
  uint64_t took = c->h2.stamp_ns > sent ? c->h2.stamp_ns - sent : 0;
  c->h2.latency_ns = c->h2.latency_ns ? c->h2.latency_ns - c->h2.latency_ns / 8 + took / 8 : took;
  x->received_ns = c->h2.stamp_ns;
  x->sink->head(x, head); /* what it answers shows in x->paused, and in its next body */
}

static size_t on_body(void *ctx, lti_http2_stream *s, leat_slice bytes) {
  lti_conn *c = ctx;
  lti_exchange *x = exchange_of(s);
  size_t taken = bytes.size;
  lti_carrier_stats(c)->bytes_received += bytes.size;
  x->received_ns = c->h2.stamp_ns;
  if (!x->paused)
    x->sink->body(x, bytes, &taken);
  else
    taken = 0;
  if (!x->conn || taken == bytes.size) return bytes.size;
  keep(x, lti_slice_from(bytes, taken));
  return taken;
}

static void end_complete(lti_exchange *x) {
  lti_conn *c = x->conn;
  c->served++;
  detach(x);
  if (!x->sink->complete(x) && c->state != CONN_CLOSED) c->leaving = true;
}

static void on_complete(void *ctx, lti_http2_stream *s) {
  (void)ctx;
  lti_exchange *x = exchange_of(s);
  if (!x->paused) {
    end_complete(x);
    return;
  }
  if (!keep_end(x, BACKLOG_COMPLETE, NULL)) {
    fail_exchange(x, LEAT_ENOMEM, NULL);
    return;
  }
  x->conn->served++;
  detach(x);
}

static void on_failed(void *ctx, lti_http2_stream *s, const lti_http2_failure *failure) {
  lti_conn *c = ctx;
  lti_exchange *x = exchange_of(s);
  lti_failure told = {.error = failure->error,
                      .native = (int)failure->code,
                      .layer = LEAT_LAYER_HTTP,
                      .message = failure->reason,
                      .unprocessed = failure->unprocessed,
                      .serves = c->served > 0 || lti_http2_takes_some(c->h2.codec),
                      .http1_wanted = failure->http1_wanted};
  bool waits = x->paused && keep_end(x, BACKLOG_FAILED, &told);
  detach(x);
  if (c->state == CONN_CLOSED && c->h2.why) {
    /* The connection's own failure says more than the stream's. */
    told.layer = c->h2.why->layer;
    told.native = c->h2.why->native;
    told.message = c->h2.why->message;
    told.shared = c->h2.shared && c->h2.why->error == LEAT_EHTTP;
  }
  if (!waits) x->sink->failed(x, &told);
}

static void on_changed(void *ctx) {
  lti_conn *c = ctx;
  if (lti_http2_leaving(c->h2.codec)) c->leaving = true;
  if (c->state != CONN_CLOSED) c->sink->changed(c);
}

static void on_hungry(void *ctx, lti_http2_stream *s) {
  (void)ctx;
  lti_exchange *x = exchange_of(s);
  x->sink->hungry(x);
}

static void h2_bytes(lti_conn *c, leat_slice bytes, uint64_t stamp_ns) {
  c->h2.ping_ns = 0;
  c->h2.stamp_ns = stamp_ns;
  size_t room = lti_http2_slots(c->h2.codec);
  c->h2.feeding = true;
  int r = lti_http2_feed(c->h2.codec, bytes, stamp_ns);
  c->h2.feeding = false;
  if (c->state == CONN_CLOSED) return;
  if (r != LTI_OK) {
    lti_link_flush(&c->link); /* the GOAWAY that says why */
    lti_conn_fail(c, r, LEAT_LAYER_HTTP, lti_http2_reason(c->h2.codec));
    return;
  }
  look_around(c);
  if (c->state == CONN_BUSY && room == 0 && lti_http2_slots(c->h2.codec) > 0) c->sink->changed(c);
}

static void h2_ended(lti_conn *c, bool clean, int native) {
  (void)clean;
  if (c->state == CONN_READY) {
    lti_conn_lapse(c, "the server closed the connection at once");
    return;
  }
  lti_conn_close(c, &(lti_failure){.error = native ? lti_sock_error(native) : LEAT_ERESET,
                                   .native = native,
                                   .layer = LEAT_LAYER_SOCKET,
                                   .message = lti_http2_leaving(c->h2.codec)
                                                  ? "the server closed the connection it had left"
                                                  : "the server closed the connection"});
}

static void h2_closed(lti_conn *c, const lti_failure *failure) {
  c->h2.why = failure;
  c->h2.shared = c->h2.carried > 1 || c->served > 0;
  lti_http2_end(c->h2.codec, failure ? failure->error : LEAT_ERESET,
                failure ? failure->message : NULL);
  c->h2.why = NULL;
}

/* ---- the way down */

static int h2_fill(lti_conn *c) {
  lti_buf *encode = c->env->link.encode;
  lti_buf_clear(encode);
  uint64_t mark = lti_link_mark_next(&c->link);
  int r = lti_http2_drain(c->h2.codec, encode, LTI_LINK_RECORD);
  if (r == LEAT_EHTTP) { /* what the peer sent before, found only now */
    c->h2.doomed = true;
    r = LTI_OK;
  }
  if (r == LTI_OK && encode->size > 0) r = lti_link_write(&c->link, lti_buf_slice(encode));
  lti_wipe(encode->data, encode->size);
  lti_buf_clear(encode);
  if (c->h2.sent_mark == UINT64_MAX && !lti_list_empty(&c->h2.unsent)) c->h2.sent_mark = mark;
  if (c->h2.doomed && lti_link_queued(&c->link) == 0) h2_sent(c);
  return r;
}

/* Once any byte has left behind the first of them, all that were drained count as sent: rather one
 * too many than one that is repeated though it ran. */
static void h2_sent(lti_conn *c) {
  if (c->h2.doomed) {
    lti_conn_fail(c, LEAT_EHTTP, LEAT_LAYER_HTTP, lti_http2_reason(c->h2.codec));
    return;
  }
  if (c->link.sent <= c->h2.sent_mark) return;
  uint64_t now_ns = clock_of(c);
  c->h2.sent_mark = UINT64_MAX;
  while (!lti_list_empty(&c->h2.unsent)) {
    lti_exchange *x = LTI_CONTAINER_OF(c->h2.unsent.next, lti_exchange, unsent);
    if (!x->stream.sent) return;
    x->sent_ns = now_ns;
    lti_list_remove(&x->unsent);
  }
}

static int h2_start(lti_conn *c, lti_exchange *x, const lti_http_request *request) {
  x->stream = (lti_http2_stream){
      .body = x->stream.body, .behind = x->stream.behind, .more = x->stream.more};
  int r = lti_http2_open(c->h2.codec, &x->stream, request, c->link.target.tls);
  if (r != LTI_OK) return r;
  x->conn = c;
  lti_list_init(&x->unsent);
  lti_list_push(&c->h2.unsent, &x->unsent);
  if (c->h2.carried++ == 0) {
    uint64_t now_ns = clock_of(c);
    /* It may have been silent for long, and nobody has asked it why. */
    if (c->env->ping_ns != UINT64_MAX && now_ns > alive_ns(c) + c->env->ping_ns) {
      lti_http2_ping(c->h2.codec);
      c->h2.ping_ns = now_ns;
    }
    set_alarm(c);
  }
  return LTI_OK;
}

static int h2_supply(lti_exchange *x, const lti_http_piece *piece) {
  return lti_http2_supply(x->conn->h2.codec, &x->stream, piece);
}

/* ---- pause, cancel, liveness */

static void h2_resume(lti_exchange *x) {
  lti_backlog *b = x->backlog;
  lti_conn *c = x->conn;
  x->paused = false;
  if (!b) return;
  lti_buf held = b->bytes;
  lti_buf_init(&b->bytes, held.alloc, held.max, held.full_error);
  b->env->link.stats->held_bytes -= held.size;
  size_t taken = held.size;
  if (held.size > 0) x->sink->body(x, lti_buf_slice(&held), &taken);
  bool gone = x->backlog != b;
  if (!gone && x->conn) lti_http2_consume(c->h2.codec, &x->stream, taken);
  if (!gone && x->paused && taken < held.size) {
    int r = lti_conn_hold(b->env, &b->bytes, lti_slice_from(lti_buf_slice(&held), taken));
    if (r != LTI_OK) {
      b->end = BACKLOG_FAILED;
      b->failure = (lti_failure){.error = r, .layer = LEAT_LAYER_API};
      x->paused = false;
    }
  }
  lti_buf_deinit(&held);
  if (gone || x->paused) {
    if (c && !gone) look_around(c);
    return;
  }
  x->backlog = NULL;
  if (b->end == BACKLOG_COMPLETE)
    x->sink->complete(x);
  else if (b->end == BACKLOG_FAILED)
    x->sink->failed(x, &b->failure);
  backlog_free(b);
  if (c) look_around(c);
}

static void h2_abandon(lti_exchange *x, bool drain) {
  lti_conn *c = x->conn;
  lti_backlog *b = x->backlog;
  x->backlog = NULL;
  if (b) backlog_free(b);
  if (!c) return;
  if (drain)
    lti_http2_release(c->h2.codec, &x->stream);
  else
    lti_http2_cancel(c->h2.codec, &x->stream);
  detach(x);
  look_around(c);
}

static void h2_alarm(lti_conn *c, uint64_t now_ns) {
  if (!lti_http2_acked(c->h2.codec) && now_ns >= c->link.ready_ns + SETTINGS_NS) {
    lti_conn_fail(c, LEAT_EHTTP, LEAT_LAYER_HTTP, "the server does not acknowledge SETTINGS");
    return;
  }
  if (c->h2.ping_ns && now_ns >= pong_ns(c)) {
    lti_conn_fail(c, LEAT_ERESET, LEAT_LAYER_HTTP, "the server does not answer PING");
    return;
  }
  bool asks = c->env->ping_ns != UINT64_MAX && !c->h2.ping_ns;
  if (asks && now_ns >= alive_ns(c) + c->env->ping_ns) {
    lti_http2_ping(c->h2.codec);
    c->h2.ping_ns = now_ns;
    lti_link_mark(&c->link);
  }
  set_alarm(c);
}

static void h2_load(const lti_conn *c, lti_conn_load *load) {
  load->active = c->h2.carried;
  load->room = lti_http2_slots(c->h2.codec);
  load->streams_max = lti_http2_streams_max(c->h2.codec);
  load->window = (int64_t)lti_http2_window(c->h2.codec) - (int64_t)lti_http2_upload(c->h2.codec);
  load->window_peak = lti_http2_window_peak(c->h2.codec);
  load->stream_window = lti_http2_stream_window(c->h2.codec);
  load->latency_ns = c->h2.latency_ns;
  load->settled = lti_http2_settled(c->h2.codec);
}

const lti_carrier lti_carrier_h2 = {
    .http = LEAT_HTTP_2,
    .open = h2_open,
    .free = h2_free,
    .start = h2_start,
    .abandon = h2_abandon,
    .resume = h2_resume,
    .supply = h2_supply,
    .bytes = h2_bytes,
    .ended = h2_ended,
    .fill = h2_fill,
    .sent = h2_sent,
    .closed = h2_closed,
    .alarm = h2_alarm,
    .load = h2_load,
};
