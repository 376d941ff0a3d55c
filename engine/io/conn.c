/* One connection: see conn.h for its states.
 *
 * A read's way up: on_bytes -> (decrypt into the shared plain slab) -> take_plain -> lti_http1_feed
 * -> the exchange's sink. After every call up the state is looked at again, since the owner may
 * have abandoned or closed. The way down: write_bytes -> out-queue, mark dirty, flush in the turn.
 *
 * While an exchange is paused the socket is not read; what was read already waits in `held`, and so
 * does the transport's end (end_pending). During the handshake `held` keeps the flight that waits
 * for its expensive step. */
#include "io/conn.h"

#include <assert.h>

#include "base/error.h"
#include "wire/http1.h"

#define OUT_BYTES_MAX ((size_t)64 * 1024) /* body bytes queued ahead of the socket */
#define WRITE_BYTES   ((size_t)16 * 1024) /* one TLS record */
#define FLUSH_ROUNDS  4
#define DRAIN_BYTES   ((size_t)64 * 1024)
#define DRAIN_NS      (1000ull * 1000 * 1000)
#define PURGE_BYTES                                                             \
  4096 /* a read this large has touched more pages of TLS's buffers than needed \
        */

struct lti_conn {
  lti_list node, turn; /* the owner's */
  lti_list dirty;      /* in env->dirty, or env->dead once closed */
  lti_alarm alarm;
  lti_conn_env *env;
  const lti_conn_sink *sink;
  void *owner;
  void *wanted_by;
  lti_conn_target target;
  lti_dial *dial;
  lti_sock *sock;
  lti_tls *tls;
  lti_http1 *http;
  lti_exchange *exchange;
  lti_outq out;
  lti_buf held;
  uint64_t out_sent;     /* bytes the kernel has taken */
  uint64_t request_mark; /* out_sent at which the current request's first byte has left */
  uint64_t connected_ns, ready_ns, limit_ns;
  size_t drain_left;
  uint32_t served; /* exchanges that ended well */
  enum lti_conn_state state;
  bool shook, blocked, out_broken, completed, end_pending, end_clean;
};

static void on_dialled(void *ctx, int error, int native, lti_sock *sock);
static void on_connected(void *ctx, int error, int native);
static void on_bytes(void *ctx, leat_slice bytes, uint64_t stamp_ns);
static void on_ended(void *ctx, int native);
static void on_writable(void *ctx);
static int on_head(void *ctx, const lti_http_head *head);
static int on_body(void *ctx, leat_slice bytes, size_t *taken);
static int on_complete(void *ctx);
static void on_alarm(lti_alarm *alarm, uint64_t now_ns);
static void on_cipher(lti_conn *c, leat_slice cipher);
static void transport_end(lti_conn *c, bool clean, int native);
static void finish_response(lti_conn *c);
static void flush(lti_conn *c);

static const lti_dial_sink dial_sink = {on_dialled};
static const lti_sock_sink sock_sink = {on_connected, on_bytes, on_ended, on_writable};
static const lti_http_sink http_sink = {on_head, on_body, on_complete};

/* The one setter of the state: forward, but for READY's round trips. */
static void set_state(lti_conn *c, enum lti_conn_state state) {
  static const unsigned char legal[] = {
      [CONN_DIALING] = 1 << CONN_CONNECTED | 1 << CONN_CLOSED,
      [CONN_CONNECTED] = 1 << CONN_SHAKING | 1 << CONN_READY | 1 << CONN_CLOSED,
      [CONN_SHAKING] = 1 << CONN_READY | 1 << CONN_CLOSED,
      [CONN_READY] = 1 << CONN_BUSY | 1 << CONN_CLOSED,
      [CONN_BUSY] = 1 << CONN_READY | 1 << CONN_DRAINING | 1 << CONN_CLOSED,
      [CONN_DRAINING] = 1 << CONN_READY | 1 << CONN_CLOSED,
      [CONN_CLOSED] = 0,
  };
  assert(legal[c->state] & 1 << state);
  c->state = state;
}

static void mark_dirty(lti_conn *c) {
  if (c->state != CONN_CLOSED && c->dirty.next == &c->dirty)
    lti_list_push(&c->env->dirty, &c->dirty);
}

/* ---- life */

int lti_conn_open(lti_conn_env *env, const lti_conn_sink *sink, void *owner,
                  const lti_conn_target *target, lti_conn **conn) {
  lti_alloc *alloc = env->dial.alloc;
  lti_conn *c = lti_alloc_zero(alloc, sizeof *c);
  if (!c) return LEAT_ENOMEM;
  c->env = env;
  c->sink = sink;
  c->owner = owner;
  c->target = *target;
  lti_list_init(&c->node);
  lti_list_init(&c->turn);
  lti_list_init(&c->dirty);
  lti_outq_init(&c->out, alloc);
  lti_buf_init(&c->held, alloc, SIZE_MAX / 2, LEAT_EHELDMAX);
  c->http = lti_http1_new(alloc, env->header_bytes_max, &http_sink, c);
  if (!c->http || lti_alarm_join(env->dial.alarms, &c->alarm, on_alarm) != LTI_OK) {
    lti_http1_free(c->http);
    lti_alloc_put(alloc, c);
    return LEAT_ENOMEM;
  }
  *conn = c;
  env->stats->conns_opened++;
  env->stats->conns_open++;
  if (env->stats->conns_open > env->stats->conns_peak)
    env->stats->conns_peak = env->stats->conns_open;
  return LTI_OK;
}

void lti_conn_dial(lti_conn *c) {
  lti_dial_target target = {c->target.host, c->target.port, c->target.unix_socket};
  int r = lti_dial_start(&c->env->dial, &target, (lti_dial_owner){&dial_sink, c}, &c->dial);
  if (r != LTI_OK) lti_conn_close(c, &(lti_failure){.error = r, .layer = LEAT_LAYER_API});
}

/* The exchange leaves the connection; what it wants to know of it is written down. */
static lti_exchange *detach(lti_conn *c) {
  lti_exchange *x = c->exchange;
  if (!x) return NULL;
  x->response_started = lti_http1_started(c->http);
  x->reused = c->served > 0;
  x->conn = NULL;
  c->exchange = NULL;
  return x;
}

static void drop_held(lti_conn *c) {
  c->env->stats->held_bytes -= c->held.size;
  lti_buf_clear(&c->held);
}

void lti_conn_close(lti_conn *c, const lti_failure *failure) {
  if (c->state == CONN_CLOSED) return;
  bool polite = c->state == CONN_READY && c->tls && !c->blocked && !c->out_broken;
  lti_exchange *x = detach(c);
  set_state(c, CONN_CLOSED);
  if (c->dial) lti_dial_cancel(c->dial);
  if (polite) {
    size_t sent;
    int native;
    lti_tls_close(c->tls);
    lti_sock_send(c->sock, &c->out, &sent, &native);
  }
  /* Thousands may close in one turn, and are reaped behind the last: each gives back what it can.
   */
  lti_outq_drain(&c->out, lti_outq_size(&c->out));
  lti_outq_trim(&c->out);
  if (c->sock) lti_sock_close(c->sock);
  c->sock = NULL;
  lti_alarm_set(c->env->dial.alarms, &c->alarm, UINT64_MAX);
  lti_list_remove(&c->dirty);
  lti_list_push(&c->env->dead, &c->dirty);
  c->env->stats->conns_open--;
  if (failure) c->env->stats->conns_failed++;
  c->sink->closed(c, failure);
  if (x) x->sink->failed(x, failure);
}

static void conn_free(lti_conn *c) {
  lti_alloc *alloc = c->env->dial.alloc;
  drop_held(c);
  lti_list_remove(&c->node);
  lti_list_remove(&c->turn);
  lti_alarm_leave(c->env->dial.alarms, &c->alarm);
  lti_tls_free(c->tls);
  lti_http1_free(c->http);
  lti_outq_deinit(&c->out);
  lti_buf_deinit(&c->held);
  lti_alloc_put(alloc, c);
}

void lti_conn_reap_all(lti_conn_env *env) {
  lti_list *n;
  while ((n = lti_list_pop(&env->dead))) conn_free(LTI_CONTAINER_OF(n, lti_conn, dirty));
}

static void fail(lti_conn *c, int error, enum leat_layer layer, const char *message) {
  lti_conn_close(c, &(lti_failure){.error = error, .layer = layer, .message = message});
}

static void fail_tls(lti_conn *c, int error) {
  lti_conn_close(c, &(lti_failure){.error = error,
                                   .layer = LEAT_LAYER_TLS,
                                   .native = lti_tls_native(c->tls),
                                   .message = lti_tls_message(c->tls)});
}

/* ---- opening */

static void on_dialled(void *ctx, int error, int native, lti_sock *sock) {
  lti_conn *c = ctx;
  c->dial = NULL;
  if (error != LTI_OK) {
    bool name = error == LEAT_ERESOLVE || error == LEAT_ERESOLVEAGAIN;
    const char *text = error == LEAT_ECONNECT && native ? lti_sock_text(native) : NULL;
    lti_conn_close(c, &(lti_failure){.error = error,
                                     .native = native,
                                     .layer = name ? LEAT_LAYER_DNS : LEAT_LAYER_SOCKET,
                                     .message = text});
    return;
  }
  c->sock = sock;
  lti_sock_bind(sock, (lti_sock_owner){&sock_sink, c});
  c->connected_ns = lti_loop_clock(c->env->dial.loop);
  set_state(c, CONN_CONNECTED);
  c->sink->connected(c);
  if (c->target.tls || c->state != CONN_CONNECTED) return;
  c->ready_ns = c->connected_ns;
  set_state(c, CONN_READY);
  c->sink->ready(c, true);
}

static void shake_done(lti_conn *c, leat_slice rest) {
  if (lti_tls_resumed(c->tls))
    c->env->stats->handshakes_resumed++;
  else
    c->env->stats->handshakes_full++;
  lti_tls_purge(c->tls);
  c->ready_ns = lti_loop_clock(c->env->dial.loop);
  set_state(c, CONN_READY);
  c->sink->ready(c, true);
  if (rest.size > 0 && c->state != CONN_CLOSED) on_cipher(c, rest);
}

static void shake_feed(lti_conn *c, leat_slice cipher) {
  c->env->stats->bytes_copied_bio += cipher.size;
  int r = lti_tls_handshake(c->tls, &cipher);
  mark_dirty(c);
  if (r == LTI_OK)
    shake_done(c, cipher);
  else if (r != LTI_AGAIN) {
    flush(c); /* the alert that says why */
    fail_tls(c, r);
  }
}

void lti_conn_shake(lti_conn *c, const lti_tls_session *session) {
  assert(c->state == CONN_CONNECTED && c->target.tls);
  set_state(c, CONN_SHAKING);
  c->shook = true;
  int r = lti_tls_new(c->env->tls, &(lti_tls_target){.host = c->target.host}, session, &c->out,
                      &c->tls);
  if (r != LTI_OK) {
    fail(c, r, LEAT_LAYER_TLS, NULL);
    return;
  }
  shake_feed(c, lti_slice(NULL, 0));
}

void lti_conn_step(lti_conn *c) {
  assert(c->state == CONN_SHAKING);
  c->env->stats->held_bytes -= c->held.size;
  lti_buf flight = c->held;
  lti_buf_init(&c->held, flight.alloc, flight.max, flight.full_error);
  lti_sock_read(c->sock, true);
  shake_feed(c, lti_buf_slice(&flight));
  lti_buf_deinit(&flight);
}

static int hold(lti_conn *c, leat_slice bytes) {
  if (c->env->stats->held_bytes + bytes.size > c->env->held_bytes_max) return LEAT_EHELDMAX;
  int r = lti_buf_append(&c->held, bytes);
  if (r == LTI_OK) c->env->stats->held_bytes += bytes.size;
  return r;
}

/* A full key exchange costs milliseconds: it waits for its turn, so that reads go first. */
static void shake_later(lti_conn *c, leat_slice cipher) {
  bool waits = c->held.size > 0;
  int r = hold(c, cipher);
  if (r != LTI_OK) {
    fail(c, r, LEAT_LAYER_API, NULL);
    return;
  }
  lti_sock_read(c->sock, false);
  if (!waits) c->sink->step(c);
}

/* ---- the way down */

static int write_bytes(lti_conn *c, leat_slice bytes) {
  if (c->out_broken) return LTI_OK; /* reading will tell what happened */
  return c->tls ? lti_tls_write(c->tls, bytes) : lti_outq_append(&c->out, bytes);
}

static bool body_left(const lti_conn *c) {
  return c->exchange && c->exchange->body_sent < c->exchange->body.size;
}

/* The request has left in full: RFC 9112 9.3 wants that before another follows it. */
static bool all_sent(const lti_conn *c) {
  return !body_left(c) && lti_outq_size(&c->out) == 0 && !c->out_broken;
}

/* Queues the next pieces of the body, within bounds. */
static int fill_body(lti_conn *c) {
  while (body_left(c) && lti_outq_size(&c->out) < OUT_BYTES_MAX) {
    leat_slice rest = lti_slice_from(c->exchange->body, c->exchange->body_sent);
    if (rest.size > WRITE_BYTES) rest.size = WRITE_BYTES;
    int r = write_bytes(c, rest);
    if (r != LTI_OK) return r;
    c->exchange->body_sent += rest.size;
  }
  return LTI_OK;
}

/* A head holds the key. */
static void forget_head(lti_buf *encode) {
  lti_wipe(encode->data, encode->size);
  lti_buf_clear(encode);
}

int lti_conn_start(lti_conn *c, lti_exchange *x, const lti_http_request *request) {
  assert(c->state == CONN_READY && !x->conn);
  lti_buf *encode = c->env->encode;
  lti_buf_clear(encode);
  int r = lti_http1_encode(request, encode);
  /* A small body shares the head's record and segment. */
  bool together = x->body.size <= WRITE_BYTES / 2;
  if (r == LTI_OK && together) r = lti_buf_append(encode, x->body);
  if (r != LTI_OK) {
    forget_head(encode);
    return r;
  }
  x->conn = c;
  x->body_sent = together ? x->body.size : 0;
  x->sent_ns = 0;
  x->paused = false;
  x->response_started = false;
  c->exchange = x;
  c->completed = false;
  c->request_mark = c->out_sent + lti_outq_size(&c->out);
  set_state(c, CONN_BUSY);
  lti_alarm_set(c->env->dial.alarms, &c->alarm, UINT64_MAX);
  lti_http1_begin(c->http, request);
  r = write_bytes(c, lti_buf_slice(encode));
  if (r == LTI_OK) r = fill_body(c);
  forget_head(encode);
  if (r != LTI_OK) {
    detach(c);
    fail(c, r, LEAT_LAYER_API, NULL);
    return r;
  }
  if (c->served > 0) c->env->stats->conns_reused++;
  mark_dirty(c);
  return LTI_OK;
}

static void flush(lti_conn *c) {
  if (!c->sock || c->blocked || c->out_broken) return;
  for (int round = 0; round < FLUSH_ROUNDS; round++) {
    size_t sent;
    int native = 0;
    int r = lti_sock_send(c->sock, &c->out, &sent, &native);
    c->out_sent += sent;
    c->env->stats->bytes_sent += sent;
    if (c->exchange && c->exchange->sent_ns == 0 && c->out_sent > c->request_mark)
      c->exchange->sent_ns = lti_loop_clock(c->env->dial.loop);
    if (r == LTI_AGAIN) {
      c->blocked = true;
      return;
    }
    if (r != LTI_OK) {
      /* An answer may have come before the reset (413, 429): reading goes on and tells. */
      c->out_broken = true;
      lti_outq_drain(&c->out, lti_outq_size(&c->out));
      return;
    }
    if (!body_left(c)) break;
    r = fill_body(c);
    if (r != LTI_OK) {
      fail(c, r, LEAT_LAYER_API, NULL);
      return;
    }
  }
  if (lti_outq_size(&c->out) > 0)
    mark_dirty(c);
  else
    lti_outq_trim(&c->out);
}

void lti_conn_flush_all(lti_conn_env *env) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &env->dirty);
  while ((n = lti_list_pop(&batch))) flush(LTI_CONTAINER_OF(n, lti_conn, dirty));
}

static void on_writable(void *ctx) {
  lti_conn *c = ctx;
  c->blocked = false;
  if (lti_outq_size(&c->out) > 0 || body_left(c)) mark_dirty(c);
}

/* ---- the way up */

/* Feeds HTTP, and looks at what became of the connection meanwhile. Returns what was taken. */
static size_t deliver(lti_conn *c, leat_slice bytes) {
  size_t taken = 0;
  int r = lti_http1_feed(c->http, bytes, &taken);
  if (c->state == CONN_CLOSED) return bytes.size;
  if (r < 0)
    fail(c, r, LEAT_LAYER_HTTP, lti_http1_reason(c->http));
  else if (c->completed)
    finish_response(c);
  return taken;
}

/* Bytes before any of the request has left cannot be its answer (RFC 9112 11.1). */
static bool unasked(const lti_conn *c) {
  return c->state == CONN_READY || (c->exchange && c->exchange->sent_ns == 0);
}

static void take_plain(lti_conn *c, leat_slice bytes) {
  if (unasked(c)) {
    /* On a reused connection the request has lost nothing but time, and is sent again. */
    bool late = c->state == CONN_BUSY && c->served > 0;
    fail(c, late ? LEAT_ERESET : LEAT_EHTTP, LEAT_LAYER_HTTP, "bytes that no request asked for");
    return;
  }
  c->env->stats->bytes_received += bytes.size;
  if (!c->exchange || !c->exchange->paused) {
    size_t taken = deliver(c, bytes);
    bool paused = c->exchange && c->exchange->paused;
    if (!paused) return;
    bytes = lti_slice_from(bytes, taken);
    lti_sock_read(c->sock, false);
  }
  c->env->stats->bytes_copied += bytes.size;
  int r = hold(c, bytes);
  if (r != LTI_OK) fail(c, r, LEAT_LAYER_API, NULL);
}

static void on_cipher(lti_conn *c, leat_slice cipher) {
  lti_conn_env *env = c->env;
  size_t size, total = 0;
  int r;
  env->stats->bytes_copied_bio += cipher.size;
  do {
    r = lti_tls_read(c->tls, &cipher, env->plain, env->plain_size, &size);
    total += size;
    env->stats->bytes_decrypted += size;
    if (size > 0) take_plain(c, lti_slice(env->plain, size));
    if (c->state == CONN_CLOSED) return;
  } while (r == LTI_AGAIN);
  if (total >= PURGE_BYTES) lti_tls_purge(c->tls);
  if (lti_outq_size(&c->out) > 0) mark_dirty(c); /* an alert, or an answer to the peer's */
  if (r == LTI_STOPPED)
    transport_end(c, true, 0);
  else if (r != LTI_OK)
    fail_tls(c, r);
}

static void on_bytes(void *ctx, leat_slice bytes, uint64_t stamp_ns) {
  lti_conn *c = ctx;
  c->env->stats->reads++;
  if (c->exchange) c->exchange->received_ns = stamp_ns;
  if (!c->target.tls)
    take_plain(c, bytes);
  else if (c->state == CONN_SHAKING &&
           (c->held.size > 0 || lti_tls_flight_expensive(c->tls, bytes)))
    shake_later(c, bytes);
  else if (c->state == CONN_SHAKING)
    shake_feed(c, bytes);
  else if (c->tls)
    on_cipher(c, bytes);
  else
    fail(c, LEAT_ETLS, LEAT_LAYER_TLS, "the server spoke before the handshake");
}

/* The transport ended: what that means to the response only HTTP can say. */
static void transport_end(lti_conn *c, bool clean, int native) {
  if (c->exchange && c->exchange->paused) {
    c->end_pending = true;
    c->end_clean = clean;
    lti_sock_read(c->sock, false);
    return;
  }
  if (c->state == CONN_READY || c->state == CONN_DRAINING) {
    lti_conn_close(c, NULL); /* nobody's failure */
    return;
  }
  if (c->state != CONN_BUSY) {
    lti_conn_close(c, &(lti_failure){.error = native ? lti_sock_error(native) : LEAT_ERESET,
                                     .native = native,
                                     .layer = c->target.tls ? LEAT_LAYER_TLS : LEAT_LAYER_SOCKET,
                                     .message = "the server closed during the TLS handshake"});
    return;
  }
  int r = lti_http1_end(c->http, clean);
  if (c->state == CONN_CLOSED) return;
  if (r == LTI_OK && c->completed) {
    finish_response(c);
    return;
  }
  lti_conn_close(c, &(lti_failure){.error = r == LTI_OK ? LEAT_ERESET : r,
                                   .native = native,
                                   .layer = r == LEAT_EHTTP ? LEAT_LAYER_HTTP : LEAT_LAYER_SOCKET,
                                   .message = lti_http1_reason(c->http)});
}

static void on_ended(void *ctx, int native) {
  lti_conn *c = ctx;
  /* On TLS a FIN without close_notify is the dirty end. */
  transport_end(c, native == 0 && !c->target.tls, native);
}

static int on_head(void *ctx, const lti_http_head *head) {
  lti_conn *c = ctx;
  if (!c->exchange) return LTI_OK;
  int r = c->exchange->sink->head(c->exchange, head);
  return c->state == CONN_CLOSED ? LTI_STOPPED : r;
}

static int on_body(void *ctx, leat_slice bytes, size_t *taken) {
  lti_conn *c = ctx;
  *taken = bytes.size;
  if (c->exchange) {
    int r = c->exchange->sink->body(c->exchange, bytes, taken);
    if (c->state == CONN_CLOSED) return LTI_STOPPED;
    if (c->exchange) return r;
    *taken = bytes.size; /* abandoned on the way: DRAINING takes the rest */
  }
  if (bytes.size > c->drain_left) {
    lti_conn_close(c, NULL);
    return LTI_STOPPED;
  }
  c->drain_left -= bytes.size;
  return LTI_OK;
}

static int on_complete(void *ctx) {
  lti_conn *c = ctx;
  c->completed = true;
  return LTI_OK;
}

/* The owner speaks first: a body that is no answer to what was asked may be one that an earlier
 * request never asked for, and all behind it would be one too late. */
static void finish_response(lti_conn *c) {
  bool keep = lti_http1_reusable(c->http) && all_sent(c) && !c->end_pending;
  lti_exchange *x = detach(c);
  c->completed = false;
  c->served++;
  if (x && !x->sink->complete(x)) keep = false;
  if (!keep) {
    lti_conn_close(c, NULL);
    return;
  }
  lti_alarm_set(c->env->dial.alarms, &c->alarm, UINT64_MAX);
  set_state(c, CONN_READY);
  c->sink->ready(c, false);
}

/* ---- pause, cancel */

void lti_conn_resume(lti_conn *c) {
  assert(c->exchange && c->exchange->paused);
  lti_buf held = c->held;
  lti_buf_init(&c->held, held.alloc, held.max, held.full_error);
  c->exchange->paused = false;
  c->env->stats->held_bytes -= held.size;
  /* Even nothing is fed: a response may have been complete but for telling so. */
  size_t taken = deliver(c, lti_buf_slice(&held));
  if (c->exchange && c->exchange->paused) {
    int r = hold(c, lti_slice_from(lti_buf_slice(&held), taken));
    if (r != LTI_OK) fail(c, r, LEAT_LAYER_API, NULL);
  }
  lti_buf_deinit(&held);
  if (c->state == CONN_CLOSED || (c->exchange && c->exchange->paused)) return;
  if (c->end_pending) {
    c->end_pending = false;
    transport_end(c, c->end_clean, 0);
    return;
  }
  lti_sock_read(c->sock, true);
}

void lti_conn_abandon(lti_conn *c, bool drain) {
  assert(c->exchange);
  bool sent = all_sent(c);
  bool quiet = c->held.size == 0 && !c->end_pending;
  bool paused = c->exchange->paused;
  detach(c);
  if (!drain || !sent || !quiet || c->state != CONN_BUSY) {
    lti_http1_abandon(c->http);
    lti_conn_close(c, NULL);
    return;
  }
  if (paused) lti_sock_read(c->sock, true);
  set_state(c, CONN_DRAINING);
  c->drain_left = DRAIN_BYTES;
  lti_conn_alarm_set(c, lti_loop_clock(c->env->dial.loop) + DRAIN_NS);
}

static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  lti_conn *c = LTI_CONTAINER_OF(alarm, lti_conn, alarm);
  if (c->state == CONN_DRAINING)
    lti_conn_close(c, NULL);
  else
    c->sink->alarm(c, now_ns);
}

/* ---- questions */

void lti_conn_alarm_set(lti_conn *c, uint64_t at_ns) {
  lti_alarm_set(c->env->dial.alarms, &c->alarm, at_ns);
}

uint64_t lti_conn_alarm_at(const lti_conn *c) {
  return lti_alarm_at(&c->alarm);
}

enum lti_conn_state lti_conn_state(const lti_conn *c) {
  return c->state;
}
void *lti_conn_owner(const lti_conn *c) {
  return c->owner;
}
lti_list *lti_conn_node(lti_conn *c) {
  return &c->node;
}
lti_conn *lti_conn_of(lti_list *node) {
  return LTI_CONTAINER_OF(node, lti_conn, node);
}
lti_list *lti_conn_turn(lti_conn *c) {
  return &c->turn;
}
lti_conn *lti_conn_of_turn(lti_list *turn) {
  return LTI_CONTAINER_OF(turn, lti_conn, turn);
}
void lti_conn_want(lti_conn *c, void *wanted_by) {
  c->wanted_by = wanted_by;
}
void *lti_conn_wanted_by(const lti_conn *c) {
  return c->wanted_by;
}
uint64_t *lti_conn_limit(lti_conn *c) {
  return &c->limit_ns;
}
bool lti_conn_shook(const lti_conn *c) {
  return c->shook;
}
bool lti_conn_resolving(const lti_conn *c) {
  return c->dial && lti_dial_resolving(c->dial);
}
bool lti_conn_resumed_tls(const lti_conn *c) {
  return c->tls && lti_tls_resumed(c->tls);
}
bool lti_conn_reused(const lti_conn *c) {
  return c->served > 0;
}
int64_t lti_conn_keep_alive_ms(const lti_conn *c) {
  return lti_http1_keep_alive_ms(c->http);
}
lti_tls *lti_conn_tls(const lti_conn *c) {
  return c->tls;
}
uint64_t lti_conn_connected_ns(const lti_conn *c) {
  return c->connected_ns;
}
uint64_t lti_conn_ready_ns(const lti_conn *c) {
  return c->ready_ns;
}

static void on_connected(void *ctx, int error, int native) {
  (void)ctx, (void)error, (void)native;
}
