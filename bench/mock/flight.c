/* Requests under way and when they came: what a client's own word about its load is checked
 * against.
 *
 * A request is under way from the moment its head has been read to the last byte of its answer, so
 * their peak is exact for a client that counts from its first byte to the answer's last. It came
 * when the read that brought its head returned: several that shared a read came at the same time.
 * With --rx-stamps it came when the kernel took in the last segment of that read, so that a gateway
 * too busy to read at once shows in its own times and not in the client's.
 * What watchers ask (GET /stats, /mock/...) is in none of this.
 *
 * The log of arrivals is kept on demand and has a fixed size: what comes beyond it is only counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bench/mock/gateway.h"

#define ARRIVALS_USUAL 10000u
#define ARRIVALS_MAX   1000000u

/* Connections have the option from the socket that accepts them. POSIX alone has no such stamps. */
bool mock_flight_stamp(const mock *m, int listener) {
  int one = 1;
  if (!m->config.rx_stamps) return true;
#ifdef LEAT_PORTABLE
  (void)listener, (void)one;
  errno = ENOTSUP;
  return false;
#else
  return setsockopt(listener, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) == 0;
#endif
}

#ifdef LEAT_PORTABLE
ssize_t mock_flight_read(mock *m, int fd, char *out, size_t cap) {
  ssize_t n = recv(fd, out, cap, 0);
  m->read_ns = uv_hrtime();
  return n;
}
#else
static uint64_t ns_of(const struct timespec *t) {
  return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* The kernel's stamp is of the wall clock: how far that is from ours is taken anew each time, since
 * it may be set. Without a stamp, or with one of the future, the read's own time stands. */
static void note_stamp(mock *m, struct msghdr *message) {
  struct timespec stamp, wall;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t age_ns = ns_of(&wall) - ns_of(&stamp);
    if (ns_of(&wall) > ns_of(&stamp) && age_ns < m->read_ns) m->read_ns -= age_ns;
  }
}

ssize_t mock_flight_read(mock *m, int fd, char *out, size_t cap) {
  char control[128];
  struct iovec into = {out, cap};
  struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control};
  if (m->config.rx_stamps) message.msg_controllen = sizeof control;
  ssize_t n = m->config.rx_stamps ? recvmsg(fd, &message, 0) : recv(fd, out, cap, 0);
  m->read_ns = uv_hrtime();
  if (n > 0 && m->config.rx_stamps) note_stamp(m, &message);
  return n;
}
#endif

static bool is_watcher(const mock_exchange *x) {
  const char *url = mock_exchange_url(x);
  return strncmp(url, "/stats", 6) == 0 || strncmp(url, "/mock/", 6) == 0;
}

void mock_flight_enter(mock_exchange *x) {
  mock *m = x->m;
  mock_flight *f = &m->flight;
  if (x->flying || x->arrived_ns || is_watcher(x)) return;
  x->flying = true;
  x->arrived_ns = m->read_ns;
  if (++f->live > f->peak) f->peak = f->live;
  if (f->seen++ == 0) mock_freeze_plan(m);
  if (f->count < f->capacity) f->arrivals[f->count++] = m->read_ns;
}

void mock_flight_leave(mock_exchange *x) {
  if (x->flying) x->m->flight.live--;
  x->flying = false;
}

void mock_flight_free(mock *m) {
  free(m->flight.arrivals);
}

/* Begins the log anew. */
static bool restart(mock_flight *f, uint64_t most) {
  uint64_t *fresh = calloc(most, sizeof *fresh);
  if (!fresh) return false;
  free(f->arrivals);
  f->arrivals = fresh;
  f->capacity = (uint32_t)most;
  f->count = 0;
  f->seen_before = f->seen;
  return true;
}

static void serve_start(mock_exchange *x) {
  const char *text = mock_path_query(x, "max");
  uint64_t most = ARRIVALS_USUAL;
  char said[64];
  if (text && (!lti_slice_u64(lti_slice(text, strcspn(text, "&")), &most) || most > ARRIVALS_MAX ||
               !most)) {
    mock_reply_error(x, 400, "invalid_request_error", "mock", "max is 1 to 1000000");
    return;
  }
  if (!restart(&x->m->flight, most)) {
    mock_conn_drop(x->conn);
    return;
  }
  int n = snprintf(said, sizeof said, "{\"max\":%llu}", (unsigned long long)most);
  mock_reply_fixed(x, 200, "application/json", NULL, lti_slice(said, (size_t)n));
}

void mock_flight_serve(mock_exchange *x) {
  const mock_flight *f = &x->m->flight;
  lti_buf out;
  if (x->method == HTTP_POST) {
    serve_start(x);
    return;
  }
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_format(&out, "{\"seen\":%llu,\"max\":%u,\"arrivals_ns\":[",
                           (unsigned long long)(f->seen - f->seen_before), f->capacity);
  for (uint32_t i = 0; i < f->count && !err; i++)
    err = lti_buf_format(&out, "%s%llu", i ? "," : "", (unsigned long long)f->arrivals[i]);
  mock_reply_json(x, err | lti_buf_text(&out, "]}"), &out);
  lti_buf_deinit(&out);
}
