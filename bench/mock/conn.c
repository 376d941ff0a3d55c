/* A connection: bytes in through one recv into the shared slab, bytes out at once or, when the peer
 * reads slowly, from `out`, and five ways to end.
 *
 *   handshake -> requests one after another -> ending -> linger (FIN sent, rest discarded) -> dead
 *
 * Nothing is freed before the poll handle has closed: whoever is on the stack may still look at the
 * connection and its exchange, whose `cut` then says that nothing is to be sent any more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/mock/gateway.h"

#define SLAB_SIZE  (64 * 1024)
#define RECORD_MAX (16 * 1024)
#define LINGER_NS  2000000000u
#define OUT_MAX    (MOCK_BODY_MAX + (1u << 20))

static void on_poll(uv_poll_t *handle, int status, int events);
static void pump(mock_conn *c);
static void finish(mock_conn *c);

static void idle_due(mock_conn *c) {
  mock_conn_end(c, MOCK_ENDING_CLEAN);
}

static void arm_idle(mock_conn *c, uint64_t idle_ms) {
  mock_cadence_set(c, uv_hrtime() + idle_ms * 1000000u, idle_due);
}

static void update_poll(mock_conn *c) {
  int want = UV_READABLE | (mock_conn_unsent(c) || c->tls_blocked ? UV_WRITABLE : 0);
  if (c->dead || want == c->events) return;
  c->events = want;
  uv_poll_start(&c->poll, want, on_poll);
}

void mock_conn_open(mock *m, int fd) {
  mock_conn *c = calloc(1, sizeof *c);
  if (!c || uv_poll_init(m->loop, &c->poll, fd)) {
    free(c);
    close(fd);
    return;
  }
  c->m = m;
  c->fd = fd;
  c->poll.data = c;
  m->handles++;
  lti_list_init(&c->all);
  lti_list_push(&m->conns, &c->all);
  lti_heap_node_init(&c->due);
  lti_buf_init(&c->out, &m->alloc, OUT_MAX, LEAT_EBODYMAX);
  lti_buf_init(&c->early, &m->alloc, MOCK_EARLY_MAX, LEAT_EBODYMAX);
  mock_http_init(c);
  m->stats.conns++;
  if (++m->stats.conns_live > m->stats.conns_peak) m->stats.conns_peak = m->stats.conns_live;
  if (!m->config.plain && mock_tls_open(c)) {
    mock_conn_drop(c);
    return;
  }
  arm_idle(c, m->config.keepalive_ms);
  update_poll(c);
}

static void on_closed(uv_handle_t *handle) {
  mock_conn *c = handle->data;
  mock *m = c->m;
  if (c->exchange) mock_exchange_free(c->exchange);
  mock_tls_release(c);
  lti_buf_deinit(&c->out);
  lti_buf_deinit(&c->early);
  free(c);
  mock_unref(m);
}

void mock_conn_drop(mock_conn *c) {
  if (c->dead) return;
  c->dead = true;
  mock_cadence_stop(c);
  lti_list_remove(&c->all);
  if (c->exchange) {
    c->exchange->cut = true;
    if (c->parsed && c->ending == MOCK_ENDING_NONE) c->m->stats.aborted++;
  }
  uv_close((uv_handle_t *)&c->poll, on_closed);
  close(c->fd);
  c->m->stats.conns_live--;
  mock_accept_again(c->m);
}

/* Bytes taken, 0: would block, -1: lost. */
static int write_some(mock_conn *c, const char *bytes, size_t size) {
  if (c->ssl) return mock_tls_write(c, bytes, size);
  ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  return (int)n;
}

/* Writes until all is gone or the socket is full; `*at` moves. False: lost. */
static bool write_all(mock_conn *c, const char *bytes, size_t size, size_t *at) {
  while (*at < size) {
    size_t n = size - *at;
    if (n > RECORD_MAX) n = RECORD_MAX;
    if (c->stride && n > c->stride) n = c->stride;
    if (c->in_flight) n = c->in_flight;
    int r = write_some(c, bytes + *at, n);
    if (r < 0) return false;
    if (r == 0) {
      c->in_flight = c->ssl ? n : 0;
      return true;
    }
    c->in_flight = 0;
    *at += (size_t)r;
    c->m->stats.bytes += (uint64_t)r;
  }
  return true;
}

void mock_conn_send(mock_conn *c, const char *bytes, size_t size) {
  size_t at = 0;
  if (c->dead || c->ending != MOCK_ENDING_NONE) return;
  if (!mock_conn_unsent(c) && !write_all(c, bytes, size, &at)) {
    mock_conn_drop(c);
    return;
  }
  if (at == size) return;
  if (lti_buf_append(&c->out, lti_slice(bytes + at, size - at))) {
    mock_conn_drop(c);
    return;
  }
  update_poll(c);
}

static void on_writable(mock_conn *c) {
  c->tls_blocked = false;
  if (!mock_conn_unsent(c)) {
    update_poll(c);
    return;
  }
  if (!write_all(c, c->out.data, c->out.size, &c->out_at)) {
    mock_conn_drop(c);
    return;
  }
  if (c->out_at == c->out.size) {
    lti_buf_clear(&c->out);
    lti_buf_shrink(&c->out, 0);
    c->out_at = 0;
    if (c->ending != MOCK_ENDING_NONE)
      finish(c);
    else if (c->exchange && c->parsed)
      mock_reply_resume(c->exchange);
    else
      pump(c);
  }
  update_poll(c);
}

static void linger_due(mock_conn *c) {
  mock_conn_drop(c);
}

/* Everything is written: the end itself. Closing a socket with unread bytes would reset it, so a
 * graceful end shuts its half and waits for the peer's. */
static void finish(mock_conn *c) {
  if (c->ending == MOCK_ENDING_RESET) {
    struct linger now = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    mock_conn_drop(c);
    return;
  }
  if (c->ending == MOCK_ENDING_CLEAN && c->ssl && c->secured) mock_tls_notify(c);
  shutdown(c->fd, SHUT_WR);
  c->lingering = true;
  mock_cadence_set(c, uv_hrtime() + LINGER_NS, linger_due);
}

void mock_conn_end(mock_conn *c, enum mock_ending ending) {
  if (c->dead || c->ending != MOCK_ENDING_NONE) return;
  c->ending = ending;
  mock_cadence_stop(c);
  if (!mock_conn_unsent(c)) finish(c);
}

void mock_conn_answered(mock_conn *c) {
  const mock_faults *f = &c->exchange->plan.faults;
  bool keep = c->exchange->keep;
  uint64_t idle_ms = c->m->config.keepalive_ms;
  if (mock_fault_on(f, FAULT_CLOSE_AFTER)) idle_ms = f->arg[FAULT_CLOSE_AFTER];
  mock_exchange_free(c->exchange);
  c->exchange = NULL;
  c->parsed = false;
  c->stride = 0;
  if (c->dead) return;
  if (!keep || idle_ms == 0) {
    mock_conn_end(c, MOCK_ENDING_CLEAN);
    return;
  }
  arm_idle(c, idle_ms);
  pump(c);
}

static void serve(mock_conn *c) {
  c->parsed = true;
  c->requests++;
  c->m->stats.requests++;
  mock_cadence_stop(c);
  mock_routes_serve(c->exchange);
}

static bool ready(const mock_conn *c) {
  return !c->dead && !c->parsed && c->ending == MOCK_ENDING_NONE && !mock_conn_unsent(c);
}

/* Requests that came before their time, in order. */
static void pump(mock_conn *c) {
  if (c->pumping) return;
  c->pumping = true;
  while (ready(c) && c->early.size) {
    size_t taken = 0;
    bool whole = mock_http_feed(c, c->early.data, c->early.size, &taken);
    lti_buf_consume(&c->early, taken);
    if (whole) serve(c);
  }
  if (!c->early.size) lti_buf_shrink(&c->early, 0);
  c->pumping = false;
}

/* Plaintext from the peer. */
static void take_input(mock_conn *c, const char *bytes, size_t size) {
  c->pumping = true;
  while (size && ready(c) && !c->early.size) {
    size_t taken = 0;
    bool whole = mock_http_feed(c, bytes, size, &taken);
    bytes += taken;
    size -= taken;
    if (whole) serve(c);
  }
  c->pumping = false;
  if (size && !c->dead && c->ending == MOCK_ENDING_NONE &&
      lti_buf_append(&c->early, lti_slice(bytes, size)))
    mock_conn_drop(c);
}

static void read_tls(mock_conn *c) {
  mock *m = c->m;
  if (!c->secured) {
    int r = mock_tls_handshake(c);
    if (r < 0) mock_conn_drop(c);
    if (r <= 0) return;
    c->secured = true;
  }
  while (!c->dead && c->ending == MOCK_ENDING_NONE) {
    int n = mock_tls_read(c, m->plain, RECORD_MAX);
    if (n == 0) return;
    if (n < 0) {
      mock_tls_notify(c);
      mock_conn_drop(c);
      return;
    }
    take_input(c, m->plain, (size_t)n);
  }
}

static void on_readable(mock_conn *c) {
  mock *m = c->m;
  ssize_t n = recv(c->fd, m->slab, SLAB_SIZE, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    mock_conn_drop(c);
    return;
  }
  if (c->lingering || c->ending != MOCK_ENDING_NONE) return;
  if (!c->ssl) {
    take_input(c, m->slab, (size_t)n);
    return;
  }
  m->slab_at = 0;
  m->slab_size = (size_t)n;
  read_tls(c);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  mock_conn *c = handle->data;
  mock_cadence_turn(c->m);
  if (c->dead) return;
  if (status < 0) {
    mock_conn_drop(c);
    return;
  }
  if (events & UV_WRITABLE) on_writable(c);
  if (!c->dead && (events & UV_READABLE)) on_readable(c);
  if (!c->dead) update_poll(c);
}
