/* A connection: bytes in through one recv into the shared slab, bytes out at once or, when the peer
 * reads slowly, from `out`, and four ways to end. What the bytes mean is its version's to know.
 *
 *   handshake -> version known -> ending -> linger (FIN sent, rest discarded) -> dead
 *
 * The version follows from ALPN, else from the first bytes: HTTP/2 begins with a preface that no
 * HTTP/1.1 request can begin with. Nothing is freed before the poll handle has closed: whoever is
 * on the stack may still look at the connection, and its exchanges' `cut` then says that nothing is
 * to be sent any more. */
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

static const char preface[MOCK_PREFACE_SIZE + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void on_poll(uv_poll_t *handle, int status, int events);
static void finish(mock_conn *c);

static mock_conn *conn_of(mock_due *due) {
  return LTI_CONTAINER_OF(due, mock_conn, due);
}

static void arm(mock_conn *c, uint64_t after_ns, void (*on_due)(mock_due *)) {
  if (!c->dead && !mock_cadence_set(c->m, &c->due, uv_hrtime() + after_ns, on_due))
    mock_conn_drop(c);
}

static void idle_due(mock_due *due) {
  mock_conn *c = conn_of(due);
  if (c->version)
    c->version->idle(c);
  else
    mock_conn_end(c, MOCK_ENDING_CLEAN);
}

void mock_conn_arm_idle(mock_conn *c, uint64_t idle_ms) {
  arm(c, idle_ms * 1000000u, idle_due);
}

static void update_poll(mock_conn *c) {
  int want = UV_READABLE | (mock_conn_unsent(c) ? UV_WRITABLE : 0);
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
  lti_list_init(&c->marked);
  lti_list_push(&m->conns, &c->all);
  mock_due_init(&c->due);
  lti_buf_init(&c->out, &m->alloc, OUT_MAX, LEAT_EBODYMAX);
  m->stats.conns++;
  if (++m->stats.conns_live > m->stats.conns_peak) m->stats.conns_peak = m->stats.conns_live;
  if (!m->config.plain && mock_tls_open(c)) {
    mock_conn_drop(c);
    return;
  }
  mock_conn_arm_idle(c, m->config.keepalive_ms);
  update_poll(c);
}

static void on_closed(uv_handle_t *handle) {
  mock_conn *c = handle->data;
  mock *m = c->m;
  if (c->version) c->version->release(c);
  mock_tls_release(c);
  lti_buf_deinit(&c->out);
  free(c);
  mock_unref(m);
}

void mock_conn_drop(mock_conn *c) {
  if (c->dead) return;
  c->dead = true;
  mock_cadence_stop(c->m, &c->due);
  lti_list_remove(&c->all);
  lti_list_remove(&c->marked);
  if (c->version) c->version->drop(c);
  uv_close((uv_handle_t *)&c->poll, on_closed);
  close(c->fd);
  c->m->stats.conns_live--;
  mock_accept_again(c->m);
}

/* ---- out */

/* What the socket takes now, else what it must take later. */
static bool put_now(mock_conn *c, const char *bytes, size_t size) {
  size_t at = 0;
  mock_timing_written(c->m);
  while (!mock_conn_unsent(c) && at < size) {
    ssize_t n = send(c->fd, bytes + at, size - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return false;
    if (n < 0) break;
    at += (size_t)n;
  }
  return at == size || lti_buf_append(&c->out, lti_slice(bytes + at, size - at)) == 0;
}

bool mock_conn_put(mock_conn *c, const char *bytes, size_t size) {
  mock *m = c->m;
  if (m->corked == c && size <= MOCK_WIRE_SIZE && !c->lost) {
    if (m->wire_size + size > MOCK_WIRE_SIZE) {
      c->lost = !put_now(c, m->wire, m->wire_size);
      m->wire_size = 0;
    }
    memcpy(m->wire + m->wire_size, bytes, size);
    m->wire_size += size;
  } else if (!c->lost) {
    c->lost = !put_now(c, bytes, size);
  }
  return !c->lost;
}

void mock_conn_cork(mock_conn *c) {
  c->m->corked = c;
  c->m->wire_size = 0;
}

void mock_conn_uncork(mock_conn *c) {
  mock *m = c->m;
  m->corked = NULL;
  if (c->dead) return;
  if (!c->lost && m->wire_size) c->lost = !put_now(c, m->wire, m->wire_size);
  m->wire_size = 0;
  if (c->lost)
    mock_conn_drop(c);
  else
    update_poll(c);
}

void mock_conn_send(mock_conn *c, const char *bytes, size_t size) {
  if (c->dead || c->ending != MOCK_ENDING_NONE) return;
  c->m->stats.bytes += size;
  while (size && !c->lost) {
    size_t n = size > RECORD_MAX ? RECORD_MAX : size;
    if (c->stride && n > c->stride) n = c->stride;
    if (!c->ssl) {
      mock_conn_put(c, bytes, n);
    } else {
      int r = mock_tls_write(c, bytes, n);
      if (r <= 0) break;
      n = (size_t)r;
    }
    bytes += n;
    size -= n;
  }
  if (size || c->lost)
    mock_conn_drop(c);
  else if (c->m->corked != c)
    update_poll(c);
}

/* False: the connection is dead, or bytes are left. */
static bool flush(mock_conn *c) {
  while (c->out_at < c->out.size) {
    ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.size - c->out_at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) mock_conn_drop(c);
    if (n < 0) return false;
    c->out_at += (size_t)n;
  }
  lti_buf_clear(&c->out);
  lti_buf_shrink(&c->out, 0);
  c->out_at = 0;
  return true;
}

static void on_writable(mock_conn *c) {
  if (!flush(c)) return;
  if (c->ending != MOCK_ENDING_NONE) {
    if (!c->lingering) finish(c);
  } else if (c->version) {
    c->version->drained(c);
  }
}

void mock_conn_mark(mock_conn *c) {
  if (!c->dead && lti_list_empty(&c->marked)) lti_list_push(&c->m->marked, &c->marked);
}

void mock_conn_pump_marked(mock *m) {
  lti_list turn;
  lti_list_init(&turn);
  lti_list_take(&turn, &m->marked);
  while (!lti_list_empty(&turn)) {
    lti_list *first = turn.next;
    lti_list_remove(first);
    mock_conn *c = LTI_CONTAINER_OF(first, mock_conn, marked);
    if (c->version) c->version->pump(c);
  }
  m->turn++;
}

/* ---- ends */

static void linger_due(mock_due *due) {
  mock_conn_drop(conn_of(due));
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
  if (c->ending == MOCK_ENDING_CLEAN && c->secured && !c->notified) {
    c->notified = true;
    mock_tls_notify(c);
    update_poll(c);
    if (mock_conn_unsent(c)) return;
  }
  shutdown(c->fd, SHUT_WR);
  c->lingering = true;
  arm(c, LINGER_NS, linger_due);
}

void mock_conn_end(mock_conn *c, enum mock_ending ending) {
  if (c->dead || c->ending != MOCK_ENDING_NONE) return;
  c->ending = ending;
  mock_cadence_stop(c->m, &c->due);
  if (!mock_conn_unsent(c)) finish(c);
}

/* ---- in */

static void set_version(mock_conn *c, const mock_version *version) {
  if (version->open(c)) {
    mock_conn_drop(c);
    return;
  }
  c->version = version;
}

/* Compares the first bytes with HTTP/2's preface until they differ or are all there. */
static void recognise(mock_conn *c, const char *bytes, size_t size) {
  bool differ = false;
  while (size && c->preface_size < MOCK_PREFACE_SIZE && !differ) {
    differ = *bytes != preface[c->preface_size];
    if (differ) break;
    c->preface[c->preface_size++] = *bytes++;
    size--;
  }
  if (!differ && c->preface_size < MOCK_PREFACE_SIZE) return;
  set_version(c, differ ? &mock_h1 : &mock_h2);
  if (!c->dead) c->version->input(c, c->preface, c->preface_size);
  if (size && !c->dead && c->ending == MOCK_ENDING_NONE) c->version->input(c, bytes, size);
}

static void take_input(mock_conn *c, const char *bytes, size_t size) {
  if (c->version)
    c->version->input(c, bytes, size);
  else
    recognise(c, bytes, size);
}

/* Where the first bytes need not be looked at. */
static void choose_version(mock_conn *c) {
  enum mock_h2 h2 = c->m->config.h2;
  if (h2 == MOCK_H2_ONLY || strcmp(mock_tls_protocol(c), "h2") == 0)
    set_version(c, &mock_h2);
  else if (h2 == MOCK_H2_OFF || *mock_tls_protocol(c))
    set_version(c, &mock_h1);
}

static bool shake_hands(mock_conn *c) {
  int r = mock_tls_handshake(c);
  if (r < 0 || c->lost) mock_conn_drop(c);
  if (c->dead || r == 0) return false;
  c->secured = true;
  choose_version(c);
  return !c->dead;
}

static void read_tls(mock_conn *c) {
  mock *m = c->m;
  if (!c->secured && !shake_hands(c)) return;
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
  ssize_t n = mock_flight_read(m, c->fd, m->slab, SLAB_SIZE);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    mock_conn_drop(c);
    return;
  }
  if (c->lingering || c->ending != MOCK_ENDING_NONE) return;
  if (!c->ssl) {
    if (!c->version) choose_version(c);
    if (!c->dead) take_input(c, m->slab, (size_t)n);
    return;
  }
  m->slab_at = 0;
  m->slab_size = (size_t)n;
  read_tls(c);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  mock_conn *c = handle->data;
  mock *m = c->m;
  mock_cadence_turn(m);
  if (c->dead) return;
  if (status < 0) {
    mock_conn_drop(c);
    return;
  }
  if (events & UV_WRITABLE) on_writable(c);
  if (!c->dead && (events & UV_READABLE)) on_readable(c);
  mock_conn_pump_marked(m);
  if (!c->dead) update_poll(c);
}
