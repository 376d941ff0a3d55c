/* A transport: see link.h for its states.
 *
 * Bytes from the socket go through as many layers as there are:
 *
 *   socket -> [proxy's TLS, into env->outer] -> [CONNECT's answer] -> [origin's TLS, into
 * env->plain]
 *
 * and down again: lti_link_write -> origin's TLS -> out -> [proxy's TLS -> tunnel->out] -> socket.
 * After every call up the state is looked at again, since the owner may have closed. */
#include "io/link.h"

#include <assert.h>
#include <stdio.h>

#include "base/error.h"

#define FLUSH_ROUNDS       4
#define TUNNEL_HEAD_BYTES  ((size_t)16 * 1024)
#define TUNNEL_QUEUE_BYTES LTI_LINK_QUEUE
/* A read this large has touched more pages of TLS's buffers than needed. */
#define PURGE_BYTES 4096

static void on_dialled(void *ctx, int error, int native, lti_sock *sock);
static void on_connected(void *ctx, int error, int native);
static void on_bytes(void *ctx, leat_slice bytes, uint64_t stamp_ns);
static void on_ended(void *ctx, int native);
static void on_writable(void *ctx);
static int on_tunnel_head(void *ctx, const lti_http_head *head);
static int on_tunnel_body(void *ctx, leat_slice bytes, size_t *taken);
static int on_tunnel_complete(void *ctx);
static void on_cipher(lti_link *l, leat_slice cipher, uint64_t stamp_ns);
static void take(lti_link *l, leat_slice bytes, uint64_t stamp_ns);

static const lti_dial_sink dial_sink = {on_dialled};
static const lti_sock_sink sock_sink = {on_connected, on_bytes, on_ended, on_writable};
static const lti_http_sink tunnel_sink = {on_tunnel_head, on_tunnel_body, on_tunnel_complete};

static void set_state(lti_link *l, enum lti_link_state state) {
  static const unsigned char legal[] = {
      [LINK_DIALING] = 1 << LINK_TUNNELLING | 1 << LINK_CONNECTED | 1 << LINK_CLOSED,
      [LINK_TUNNELLING] = 1 << LINK_CONNECTED | 1 << LINK_CLOSED,
      [LINK_CONNECTED] = 1 << LINK_SHAKING | 1 << LINK_OPEN | 1 << LINK_CLOSED,
      [LINK_SHAKING] = 1 << LINK_OPEN | 1 << LINK_CLOSED,
      [LINK_OPEN] = 1 << LINK_CLOSED,
      [LINK_CLOSED] = 0,
  };
  assert(legal[l->state] & 1 << state);
  l->state = state;
}

/* ---- life */

void lti_link_init(lti_link *l, lti_link_env *env, const lti_link_sink *sink,
                   const lti_link_target *target) {
  *l = (lti_link){.env = env, .sink = sink, .target = *target};
  lti_list_init(&l->dirty);
  lti_outq_init(&l->out, env->dial.alloc);
  lti_buf_init(&l->flight, env->dial.alloc, SIZE_MAX / 2, LEAT_EHELDMAX);
}

static void tunnel_free(lti_link *l) {
  if (!l->tunnel) return;
  lti_tls_free(l->tunnel->tls);
  lti_http1_free(l->tunnel->http);
  lti_outq_deinit(&l->tunnel->out);
  lti_alloc_put(l->env->dial.alloc, l->tunnel);
  l->tunnel = NULL;
}

static void drop_flight(lti_link *l) {
  l->env->stats->held_bytes -= l->flight.size;
  lti_buf_clear(&l->flight);
}

static int send_out(lti_link *l, int *native);

void lti_link_close(lti_link *l, bool polite) {
  if (l->state == LINK_CLOSED) return;
  if (polite && l->state == LINK_OPEN && l->tls && !l->blocked && !l->broken) {
    int native;
    lti_tls_close(l->tls);
    send_out(l, &native);
  }
  set_state(l, LINK_CLOSED);
  if (l->dial) lti_dial_cancel(l->dial);
  /* Thousands may close in one turn, and are reaped behind the last: each gives back what it can.
   */
  lti_outq_drain(&l->out, lti_outq_size(&l->out));
  lti_outq_trim(&l->out);
  if (l->sock) lti_sock_close(l->sock);
  l->sock = NULL;
  lti_list_remove(&l->dirty);
}

void lti_link_deinit(lti_link *l) {
  drop_flight(l);
  lti_list_remove(&l->dirty);
  lti_tls_free(l->tls);
  tunnel_free(l);
  lti_outq_deinit(&l->out);
  lti_buf_deinit(&l->flight);
}

bool lti_link_resolving(const lti_link *l) {
  return l->dial && lti_dial_resolving(l->dial);
}

void lti_link_read(lti_link *l, bool on) {
  if (l->sock) lti_sock_read(l->sock, on);
}

/* ---- failing */

static void fail(lti_link *l, int error, enum leat_layer layer, const char *message) {
  l->sink->failed(l, &(lti_failure){.error = error, .layer = layer, .message = message});
}

static void fail_tls(lti_link *l, const lti_tls *tls, int error) {
  l->sink->failed(l, &(lti_failure){.error = error,
                                    .layer = LEAT_LAYER_TLS,
                                    .native = lti_tls_native(tls),
                                    .message = lti_tls_message(tls)});
}

/* ---- opening */

void lti_link_dial(lti_link *l) {
  const lti_link_target *t = &l->target;
  l->dialed_ns = lti_loop_clock(l->env->dial.loop);
  lti_dial_target to = {.host = t->host, .port = t->port, .unix_socket = t->unix_socket};
  if (t->proxy) to = (lti_dial_target){.host = t->proxy->url.host, .port = t->proxy->url.port};
  int r = lti_dial_start(&l->env->dial, &to, (lti_dial_owner){&dial_sink, l}, &l->dial);
  if (r != LTI_OK) fail(l, r, LEAT_LAYER_API, NULL);
}

static void opened(lti_link *l) {
  l->ready_ns = lti_loop_clock(l->env->dial.loop);
  set_state(l, LINK_OPEN);
  l->sink->ready(l);
}

static void connected(lti_link *l) {
  l->connected_ns = lti_loop_clock(l->env->dial.loop);
  set_state(l, LINK_CONNECTED);
  l->sink->connected(l);
  if (!l->target.tls && l->state == LINK_CONNECTED) opened(l);
}

static int tunnel_start(lti_link *l);

static void on_dialled(void *ctx, int error, int native, lti_sock *sock) {
  lti_link *l = ctx;
  l->dial = NULL;
  if (error != LTI_OK) {
    bool name = error == LEAT_ERESOLVE || error == LEAT_ERESOLVEAGAIN;
    const char *text = error == LEAT_ECONNECT && native ? lti_sock_text(native) : NULL;
    char words[160];
    if (l->target.proxy) {
      snprintf(words, sizeof words, "the proxy cannot be reached: %s",
               text ? text : leat_error_text(error));
      text = words;
    }
    l->sink->failed(l, &(lti_failure){.error = error,
                                      .native = native,
                                      .layer = name ? LEAT_LAYER_DNS : LEAT_LAYER_SOCKET,
                                      .message = text});
    return;
  }
  l->sock = sock;
  lti_sock_bind(sock, (lti_sock_owner){&sock_sink, l});
  if (!l->target.proxy) {
    connected(l);
    return;
  }
  set_state(l, LINK_TUNNELLING);
  int r = tunnel_start(l);
  if (r != LTI_OK && l->state == LINK_TUNNELLING) fail(l, r, LEAT_LAYER_SOCKET, NULL);
}

/* ---- tunnels */

/* The request for a tunnel, once the way to the proxy stands. */
static int tunnel_ask(lti_link *l) {
  static const lti_http_request connect = {.method = "CONNECT"};
  lti_buf *encode = l->env->encode;
  lti_buf_clear(encode);
  int r = lti_proxy_connect(l->target.proxy, l->target.host, l->target.port, encode);
  if (r == LTI_OK) r = lti_outq_append(&l->out, lti_buf_slice(encode));
  lti_wipe(encode->data, encode->size);
  lti_buf_clear(encode);
  if (r != LTI_OK) return r;
  lti_http1_begin(l->tunnel->http, &connect);
  lti_link_mark(l);
  return LTI_OK;
}

static void drop_proxy_session(lti_link_env *env) {
  lti_tls_session_free(env->proxy_session);
  env->proxy_session = NULL;
}

/* One serves all connections to come, until the proxy refuses it. With TLS 1.3 it comes behind the
 * handshake. */
static void keep_proxy_session(lti_link *l) {
  lti_tunnel *t = l->tunnel;
  if (t->kept || !lti_tls_ticket_ready(t->tls)) return;
  t->kept = true;
  if (l->env->proxy_session && lti_tls_resumed(t->tls)) return;
  drop_proxy_session(l->env);
  l->env->proxy_session = lti_tls_session_save(t->tls);
}

static void tunnel_shake(lti_link *l, leat_slice *cipher) {
  lti_tunnel *t = l->tunnel;
  l->env->stats->bytes_copied_bio += cipher->size;
  int r = lti_tls_handshake(t->tls, cipher);
  lti_link_mark(l);
  if (r == LTI_AGAIN) return;
  if (r != LTI_OK) {
    lti_link_flush(l); /* the alert that says why */
    drop_proxy_session(l->env);
    fail_tls(l, t->tls, r);
    return;
  }
  t->shaken = true;
  keep_proxy_session(l);
  r = tunnel_ask(l);
  if (r != LTI_OK) fail(l, r, LEAT_LAYER_API, NULL);
}

static int tunnel_start(lti_link *l) {
  lti_link_env *env = l->env;
  lti_tunnel *t = l->tunnel = lti_alloc_zero(env->dial.alloc, sizeof *t);
  if (!t) return LEAT_ENOMEM;
  lti_outq_init(&t->out, env->dial.alloc);
  t->http = lti_http1_new(env->dial.alloc, TUNNEL_HEAD_BYTES, &tunnel_sink, l);
  if (!t->http) return LEAT_ENOMEM;
  const lti_url *url = &l->target.proxy->url;
  if (!url->tls) return tunnel_ask(l);
  if (!env->outer) env->outer = lti_alloc_get(env->dial.alloc, env->plain_size);
  if (!env->outer) return LEAT_ENOMEM;
  lti_tls_target target = {.host = url->host, .alpn = LTI_TLS_ALPN_HTTP1};
  int r = lti_tls_new(env->tls, &target, env->proxy_session, &t->out, &t->tls);
  leat_slice nothing = {NULL, 0};
  if (r == LTI_OK) tunnel_shake(l, &nothing);
  return r;
}

static int on_tunnel_head(void *ctx, const lti_http_head *head) {
  lti_link *l = ctx;
  l->tunnel->status = head->status;
  return LTI_STOPPED; /* what follows is the origin's */
}

static int on_tunnel_body(void *ctx, leat_slice bytes, size_t *taken) {
  (void)ctx;
  (void)bytes;
  *taken = 0;
  return LTI_STOPPED;
}

static int on_tunnel_complete(void *ctx) {
  (void)ctx;
  return LTI_STOPPED;
}

static void tunnel_answered(lti_link *l) {
  int status = l->tunnel->status;
  if (status >= 200 && status < 300) return;
  char words[96];
  snprintf(words, sizeof words, "the proxy answered CONNECT with HTTP %d%s", status,
           status == 407 ? ": it wants a user and a password" : "");
  l->sink->failed(
      l, &(lti_failure){
             .error = LEAT_EPROXY, .native = status, .layer = LEAT_LAYER_SOCKET, .message = words});
}

/* The answer to CONNECT; what stands behind it in the same read is the origin's. */
static void tunnel_feed(lti_link *l, leat_slice bytes, uint64_t stamp_ns) {
  lti_tunnel *t = l->tunnel;
  size_t taken = 0;
  int r = lti_http1_feed(t->http, bytes, &taken);
  if (r == LEAT_ENOMEM) {
    fail(l, r, LEAT_LAYER_API, NULL);
    return;
  }
  if (r < 0) {
    fail(l, LEAT_EPROXY, LEAT_LAYER_SOCKET, "the proxy does not answer as HTTP/1.1 does");
    return;
  }
  if (t->status == 0) return;
  tunnel_answered(l);
  if (l->state != LINK_TUNNELLING) return;
  lti_http1_free(t->http);
  t->http = NULL;
  if (!t->tls) tunnel_free(l);
  connected(l);
  bytes = lti_slice_from(bytes, taken);
  if (bytes.size > 0 && l->state != LINK_CLOSED) take(l, bytes, stamp_ns);
}

/* The decrypted bytes are a read's last if no cipher bytes are left of it. */
static void move_end(lti_link *l, bool whole, leat_slice cipher, leat_slice plain) {
  lti_loop_last_read(l->env->dial.loop)->end =
      whole && cipher.size == 0 ? plain.data + plain.size : NULL;
}

static bool read_whole(const lti_link *l) {
  return lti_loop_last_read(l->env->dial.loop)->end != NULL;
}

/* The proxy's TLS: decrypts, and hands on what the layer above is waiting for. */
static void on_outer(lti_link *l, leat_slice cipher, uint64_t stamp_ns) {
  lti_tunnel *t = l->tunnel;
  bool whole = read_whole(l);
  if (!t->shaken) {
    tunnel_shake(l, &cipher);
    if (l->state == LINK_CLOSED || !t->shaken || cipher.size == 0) return;
  }
  int r;
  do {
    size_t size;
    r = lti_tls_read(t->tls, &cipher, l->env->outer, l->env->plain_size, &size);
    keep_proxy_session(l);
    move_end(l, whole, cipher, lti_slice(l->env->outer, size));
    if (size > 0) take(l, lti_slice(l->env->outer, size), stamp_ns);
    if (l->state == LINK_CLOSED) return;
  } while (r == LTI_AGAIN);
  if (lti_outq_size(&t->out) > 0) lti_link_mark(l);
  if (r == LTI_STOPPED)
    on_ended(l, 0);
  else if (r != LTI_OK)
    fail_tls(l, t->tls, r);
}

/* ---- the origin's handshake */

static void shake_done(lti_link *l, leat_slice rest, uint64_t stamp_ns) {
  if (lti_tls_resumed(l->tls))
    l->env->stats->handshakes_resumed++;
  else
    l->env->stats->handshakes_full++;
  l->ticket_told = lti_tls_ticket_ready(l->tls);
  lti_tls_purge(l->tls);
  opened(l);
  if (rest.size > 0 && l->state == LINK_OPEN) on_cipher(l, rest, stamp_ns);
}

static void shake_feed(lti_link *l, leat_slice cipher, uint64_t stamp_ns) {
  l->env->stats->bytes_copied_bio += cipher.size;
  int r = lti_tls_handshake(l->tls, &cipher);
  lti_link_mark(l);
  if (r == LTI_OK)
    shake_done(l, cipher, stamp_ns);
  else if (r != LTI_AGAIN) {
    lti_link_flush(l); /* the alert that says why */
    fail_tls(l, l->tls, r);
  }
}

void lti_link_shake(lti_link *l, const lti_tls_session *session) {
  assert(l->state == LINK_CONNECTED && l->target.tls);
  set_state(l, LINK_SHAKING);
  l->shook = true;
  l->offered = session != NULL;
  lti_tls_target target = {.host = l->target.host, .alpn = l->target.alpn};
  int r = lti_tls_new(l->env->tls, &target, session, &l->out, &l->tls);
  if (r != LTI_OK)
    fail(l, r, LEAT_LAYER_TLS, NULL);
  else
    shake_feed(l, lti_slice(NULL, 0), 0);
}

void lti_link_step(lti_link *l) {
  assert(l->state == LINK_SHAKING);
  l->env->stats->held_bytes -= l->flight.size;
  lti_buf flight = l->flight;
  lti_buf_init(&l->flight, flight.alloc, flight.max, flight.full_error);
  lti_link_read(l, true);
  shake_feed(l, lti_buf_slice(&flight), l->read_ns);
  lti_buf_deinit(&flight);
}

/* A full key exchange costs milliseconds: it waits for its turn, so that reads go first. */
static void shake_later(lti_link *l, leat_slice cipher) {
  bool waits = l->flight.size > 0;
  leat_stats *stats = l->env->stats;
  int r = stats->held_bytes + cipher.size > l->env->held_bytes_max
              ? LEAT_EHELDMAX
              : lti_buf_append(&l->flight, cipher);
  if (r != LTI_OK) {
    fail(l, r, LEAT_LAYER_API, NULL);
    return;
  }
  stats->held_bytes += cipher.size;
  lti_link_read(l, false);
  if (!waits) l->sink->step(l);
}

/* ---- the way up */

static void on_cipher(lti_link *l, leat_slice cipher, uint64_t stamp_ns) {
  lti_link_env *env = l->env;
  size_t size, total = 0;
  bool whole = read_whole(l);
  int r;
  env->stats->bytes_copied_bio += cipher.size;
  do {
    r = lti_tls_read(l->tls, &cipher, env->plain, env->plain_size, &size);
    total += size;
    env->stats->bytes_decrypted += size;
    if (!l->ticket_told && lti_tls_ticket_ready(l->tls)) {
      l->ticket_told = true; /* before the bytes, which may be all that was waited for */
      l->sink->ticket(l);
      if (l->state == LINK_CLOSED) return;
    }
    move_end(l, whole, cipher, lti_slice(env->plain, size));
    if (size > 0) l->sink->bytes(l, lti_slice(env->plain, size), stamp_ns);
    if (l->state == LINK_CLOSED) return;
  } while (r == LTI_AGAIN);
  if (total >= PURGE_BYTES && !l->shared) lti_tls_purge(l->tls);
  if (lti_outq_size(&l->out) > 0) lti_link_mark(l); /* an alert, or an answer to the peer's */
  if (r == LTI_STOPPED)
    l->sink->ended(l, true, 0);
  else if (r != LTI_OK)
    fail_tls(l, l->tls, r);
}

/* Bytes of the origin, or of a plain proxy. */
static void take(lti_link *l, leat_slice bytes, uint64_t stamp_ns) {
  switch (l->state) {
    case LINK_TUNNELLING: tunnel_feed(l, bytes, stamp_ns); break;
    case LINK_SHAKING:
      if (l->flight.size > 0 || lti_tls_flight_expensive(l->tls, bytes))
        shake_later(l, bytes);
      else
        shake_feed(l, bytes, stamp_ns);
      break;
    case LINK_OPEN:
      if (l->tls)
        on_cipher(l, bytes, stamp_ns);
      else
        l->sink->bytes(l, bytes, stamp_ns);
      break;
    case LINK_CONNECTED:
      fail(l, LEAT_ETLS, LEAT_LAYER_TLS, "the server spoke before the handshake");
      break;
    case LINK_DIALING:
    case LINK_CLOSED: break;
  }
}

static void on_bytes(void *ctx, leat_slice bytes, uint64_t stamp_ns) {
  lti_link *l = ctx;
  l->env->stats->reads++;
  l->read_ns = stamp_ns;
  if (l->tunnel && l->tunnel->tls)
    on_outer(l, bytes, stamp_ns);
  else
    take(l, bytes, stamp_ns);
}

static void on_ended(void *ctx, int native) {
  lti_link *l = ctx;
  if (l->state == LINK_OPEN) {
    /* On TLS a FIN without close_notify is the dirty end. */
    l->sink->ended(l, native == 0 && !l->target.tls, native);
    return;
  }
  bool tunnel = l->state == LINK_TUNNELLING;
  l->sink->failed(
      l, &(lti_failure){.error = native   ? lti_sock_error(native)
                                 : tunnel ? LEAT_EPROXY
                                          : LEAT_ERESET,
                        .native = native,
                        .layer = l->target.tls && !tunnel ? LEAT_LAYER_TLS : LEAT_LAYER_SOCKET,
                        .message = tunnel ? "the proxy closed before it answered CONNECT"
                                          : "the server closed during the TLS handshake"});
}

static void on_connected(void *ctx, int error, int native) {
  (void)ctx, (void)error, (void)native;
}

/* ---- the way down */

void lti_link_mark(lti_link *l) {
  if (l->state != LINK_CLOSED && lti_list_empty(&l->dirty))
    lti_list_push(&l->env->dirty, &l->dirty);
}

int lti_link_write(lti_link *l, leat_slice bytes) {
  if (l->broken) return LTI_OK;
  return l->tls ? lti_tls_write(l->tls, bytes) : lti_outq_append(&l->out, bytes);
}

/* What the origin's layer has queued goes through the proxy's TLS. */
static int wrap(lti_link *l) {
  lti_tunnel *t = l->tunnel;
  while (t->shaken && lti_outq_size(&l->out) > 0 && lti_outq_size(&t->out) < TUNNEL_QUEUE_BYTES) {
    struct iovec front;
    lti_outq_peek(&l->out, &front, 1);
    int r = lti_tls_write(t->tls, lti_slice(front.iov_base, front.iov_len));
    if (r != LTI_OK) return r;
    lti_outq_drain(&l->out, front.iov_len);
  }
  return LTI_OK;
}

/* Sends what is queued, as far as the kernel takes it: LTI_OK, LTI_AGAIN, or LEAT_ERESET. */
static int send_out(lti_link *l, int *native) {
  bool wrapped = l->tunnel && l->tunnel->tls;
  int r;
  do {
    size_t sent = 0;
    r = wrapped ? wrap(l) : LTI_OK;
    if (r == LTI_OK) r = lti_sock_send(l->sock, wrapped ? &l->tunnel->out : &l->out, &sent, native);
    l->sent += sent;
    l->env->stats->bytes_sent += sent;
  } while (r == LTI_OK && wrapped && l->tunnel->shaken && lti_outq_size(&l->out) > 0);
  return r;
}

/* Asks the owner for more, where there is room for it. False: the link is closed. */
static bool fill(lti_link *l) {
  if (l->state != LINK_OPEN || lti_outq_size(&l->out) >= LTI_LINK_QUEUE) return true;
  int r = l->sink->fill(l);
  if (r != LTI_OK && l->state != LINK_CLOSED) fail(l, r, LEAT_LAYER_API, NULL);
  return l->state != LINK_CLOSED;
}

void lti_link_flush(lti_link *l) {
  if (!l->sock || l->blocked || l->broken) return;
  for (int round = 0; round < FLUSH_ROUNDS; round++) {
    int native = 0;
    if (!fill(l)) return;
    if (lti_link_queued(l) == 0) {
      lti_outq_trim(&l->out);
      if (l->tls) lti_tls_purge_out(l->tls);
      return;
    }
    int r = send_out(l, &native);
    if (l->state == LINK_OPEN) l->sink->sent(l);
    if (l->state == LINK_CLOSED) return;
    if (r == LTI_AGAIN) {
      l->blocked = true;
      return;
    }
    if (r != LTI_OK) {
      /* An answer may have come before the reset (413, 429): reading goes on and tells. */
      l->broken = true;
      lti_outq_drain(&l->out, lti_outq_size(&l->out));
      return;
    }
  }
  lti_link_mark(l);
}

void lti_link_flush_all(lti_link_env *env) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &env->dirty);
  while ((n = lti_list_pop(&batch))) lti_link_flush(LTI_CONTAINER_OF(n, lti_link, dirty));
}

static void on_writable(void *ctx) {
  lti_link *l = ctx;
  l->blocked = false;
  l->moved_ns = lti_loop_clock(l->env->dial.loop);
  lti_link_mark(l);
}
