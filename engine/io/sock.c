/* Sockets on uv_poll: see sock.h.
 *
 * States: CONNECTING -> OPEN -> ENDED (peer's FIN or an error; only sending is left) -> CLOSING.
 * The struct is freed by uv_close's callback, which libuv makes after every callback of this turn,
 * so that a sink may close in the middle of one. */
#include "io/sock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "io/segment.h"

#define SEND_VECTORS 16
/* Bytes the kernel may hold that it has not sent yet. What is sent next waits behind them: a head
 * behind a large body, and the answer to a PING. */
#define UNSENT_BYTES (128 * 1024)
/* Of what comes beside the bytes: one stamp, and room for more. */
#define CONTROL_BYTES 128
/* How often the wall clock's distance from ours is taken, and how many tries it has. */
#define DISTANCE_NS    1000000000u
#define DISTANCE_TRIES 3
#define ODD_NS         1000000 /* a stamp so much older than its read is looked at twice */

enum sock_state { SOCK_CONNECTING, SOCK_OPEN, SOCK_ENDED, SOCK_CLOSING };

struct lti_sock {
  uv_poll_t poll;
  lti_loop *loop;
  lti_alloc *alloc;
  lti_sock_owner owner;
  int fd;
  enum sock_state state;
  bool reading, blocked;
  bool stamped; /* the kernel tells when bytes came */
  int events;   /* what uv_poll watches now */
  lti_segment segment;
};

struct lti_sock_watch {
  uv_poll_t poll;
  lti_loop *loop;
  void (*readable)(void *ctx);
  void *ctx;
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_closed(uv_handle_t *handle);

static void watch(lti_sock *s) {
  int events = 0;
  if (s->state == SOCK_CONNECTING) events = UV_WRITABLE;
  if (s->state == SOCK_OPEN && s->reading) events |= UV_READABLE;
  if (s->state != SOCK_CONNECTING && s->blocked) events |= UV_WRITABLE;
  if (events == s->events || s->state == SOCK_CLOSING) return;
  s->events = events;
  if (events)
    uv_poll_start(&s->poll, events, on_poll);
  else
    uv_poll_stop(&s->poll);
}

/* Small writes leave at once, large ones queue with us and not in the kernel; a peer that vanished
 * behind a NAT is noticed in minutes. */
static void set_options(int fd) {
  int on = 1, idle = 60, every = 15, times = 4, unsent = UNSENT_BYTES;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

static int connect_now(int fd, const struct sockaddr *addr, socklen_t size) {
  int r;
  do r = connect(fd, addr, size);
  while (r < 0 && errno == EINTR);
  return r == 0 || errno == EINPROGRESS ? 0 : errno;
}

static bool ask_for_stamps(const lti_loop_read *read, int fd);
static void note_segment(lti_loop_read *read, struct msghdr *message, uint64_t stamp_ns);

static int open_any(lti_loop *loop, const struct sockaddr *addr, socklen_t size, lti_sock **sock,
                    int *native) {
  lti_alloc *alloc = lti_loop_alloc(loop);
  int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    *native = errno;
    return lti_sock_error(errno);
  }
  if (addr->sa_family != AF_UNIX) set_options(fd);
  *native = connect_now(fd, addr, size);
  lti_sock *s = *native == 0 ? lti_alloc_zero(alloc, sizeof *s) : NULL;
  if (!s) {
    close(fd);
    return *native ? lti_sock_error(*native) : LEAT_ENOMEM;
  }
  s->loop = loop;
  s->alloc = alloc;
  s->fd = fd;
  s->stamped = ask_for_stamps(lti_loop_last_read(loop), fd);
  if (uv_poll_init(lti_loop_uv(loop), &s->poll, fd) != 0) {
    close(fd);
    lti_alloc_put(alloc, s);
    return LEAT_EFDLIMIT;
  }
  uv_unref((uv_handle_t *)&s->poll);
  lti_loop_handle_opened(loop);
  s->poll.data = s;
  s->reading = true;
  watch(s);
  *sock = s;
  return LTI_OK;
}

int lti_sock_open(lti_loop *loop, const lti_addr *addr, lti_sock_owner owner, lti_sock **sock,
                  int *native) {
  socklen_t size = addr->any.sa_family == AF_INET6 ? sizeof addr->v6 : sizeof addr->v4;
  int r = open_any(loop, &addr->any, size, sock, native);
  if (r == LTI_OK) lti_sock_bind(*sock, owner);
  return r;
}

/* Where a TCP connect would wait for room in the peer's queue, a Unix one says EAGAIN. */
int lti_sock_open_unix(lti_loop *loop, const char *path, lti_sock_owner owner, lti_sock **sock,
                       int *native) {
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  size_t size = strlen(path);
  assert(size < sizeof addr.sun_path);
  memcpy(addr.sun_path, path, size);
  int r = open_any(loop, (const struct sockaddr *)&addr, sizeof addr, sock, native);
  if (r == LTI_OK) lti_sock_bind(*sock, owner);
  return r != LTI_OK && *native == EAGAIN ? LTI_AGAIN : r;
}

void lti_sock_bind(lti_sock *s, lti_sock_owner owner) {
  s->owner = owner;
}

void lti_sock_read(lti_sock *s, bool on) {
  s->reading = on;
  watch(s);
}

int lti_sock_send(lti_sock *s, lti_outq *q, size_t *sent, int *native) {
  *sent = 0;
  while (lti_outq_size(q) > 0) {
    struct iovec vectors[SEND_VECTORS];
    struct msghdr message = {.msg_iov = vectors};
    message.msg_iovlen = (size_t)lti_outq_peek(q, vectors, SEND_VECTORS);
    ssize_t n = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      s->blocked = true;
      watch(s);
      return LTI_AGAIN;
    }
    if (n < 0) {
      *native = errno;
      return LEAT_ERESET;
    }
    lti_outq_drain(q, (size_t)n);
    *sent += (size_t)n;
  }
  return LTI_OK;
}

void lti_sock_close(lti_sock *s) {
  assert(s->state != SOCK_CLOSING);
  s->state = SOCK_CLOSING;
  uv_poll_stop(&s->poll);
  uv_close((uv_handle_t *)&s->poll, on_closed);
  close(s->fd);
}

int lti_sock_error(int native) {
  switch (native) {
    case ECONNREFUSED: return LEAT_EREFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL: return LEAT_EUNREACHABLE;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED: return LEAT_ERESET;
    case ETIMEDOUT: return LEAT_ECONNTIMEOUT;
    case EMFILE:
    case ENFILE: return LEAT_EFDLIMIT;
    case ENOBUFS:
    case ENOMEM: return LEAT_ENOMEM;
    default: return LEAT_ECONNECT;
  }
}

const char *lti_sock_text(int native) {
  return strerror(native);
}

static void on_connect(lti_sock *s) {
  int native = 0;
  socklen_t size = sizeof native;
  if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &native, &size) < 0) native = errno;
  s->state = native ? SOCK_ENDED : SOCK_OPEN;
  watch(s);
  s->owner.sink->connected(s->owner.ctx, native ? lti_sock_error(native) : LTI_OK, native);
}

/* As recv. The stamp that comes with the bytes is that of the last segment they were in. */
static ssize_t receive_stamped(lti_sock *s, char *slab, size_t size, uint64_t *stamp_ns) {
  union {
    struct cmsghdr align;
    char bytes[CONTROL_BYTES];
  } control;
  struct iovec vector = {slab, size};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  uint64_t look_ns = uv_hrtime();
  ssize_t n = recvmsg(s->fd, &message, 0);
  if (n <= 0) return n;
  *stamp_ns = uv_hrtime();
  lti_loop_read *read = lti_loop_last_read(s->loop);
  note_segment(read, &message, *stamp_ns);
  bool full = (size_t)n == size;
  read->queue_ns = s->segment.queued ? s->segment.queue_ns : 0;
  if (read->segment_ns)
    read->since_ns = lti_segment_read(&s->segment, read->segment_ns, look_ns, full);
  else
    s->segment = (lti_segment){0};
  /* What is behind a full read may have come with its last bytes. */
  read->end = full ? NULL : slab + n;
  return n;
}

static void on_readable(lti_sock *s) {
  size_t size;
  uint64_t stamp_ns = 0;
  char *slab = lti_loop_slab(s->loop, &size);
  ssize_t n = s->stamped ? receive_stamped(s, slab, size, &stamp_ns) : recv(s->fd, slab, size, 0);
  int native = errno;
  if (n > 0) {
    if (stamp_ns == 0) stamp_ns = uv_hrtime();
    s->owner.sink->bytes(s->owner.ctx, lti_slice(slab, (size_t)n), stamp_ns);
    return;
  }
  if (n < 0 && (native == EAGAIN || native == EWOULDBLOCK || native == EINTR)) return;
  s->state = SOCK_ENDED;
  watch(s);
  s->owner.sink->ended(s->owner.ctx, n < 0 ? native : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  lti_sock *s = poll->data;
  if (s->state == SOCK_CLOSING) return;
  if (status < 0) s->events = 0; /* libuv stops the handle when it reports an error */
  if (s->state == SOCK_CONNECTING) {
    on_connect(s);
    return;
  }
  /* An error wakes both directions; reading tells what it is, after the bytes that came before. */
  if (status < 0 && s->state == SOCK_OPEN && s->reading) events |= UV_READABLE;
  if ((events & UV_WRITABLE || status < 0) && s->blocked) {
    s->blocked = false;
    watch(s);
    s->owner.sink->writable(s->owner.ctx);
  }
  if (s->state == SOCK_OPEN && s->reading && (events & UV_READABLE)) on_readable(s);
  watch(s);
}

static void on_closed(uv_handle_t *handle) {
  lti_sock *s = handle->data;
  lti_loop *loop = s->loop;
  lti_alloc_put(s->alloc, s);
  lti_loop_handle_closed(loop);
}

/* ---- when the kernel had it */

#if defined SO_TIMESTAMPNS && !defined LEAT_PORTABLE
static bool ask_for_stamps(const lti_loop_read *read, int fd) {
  int on = 1;
  return read->wanted && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0;
}

static int64_t clock_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The wall clock is read between two looks at ours; of a few tries the one that took least time is
 * the best. */
static void take_distance(lti_loop_read *read, uint64_t now_ns) {
  int64_t least = INT64_MAX;
  for (int i = 0; i < DISTANCE_TRIES; i++) {
    int64_t before = clock_ns(CLOCK_MONOTONIC), wall = clock_ns(CLOCK_REALTIME);
    int64_t took = clock_ns(CLOCK_MONOTONIC) - before;
    if (took >= least) continue;
    least = took;
    read->wall_ns = wall - before - took / 2;
  }
  read->taken_ns = now_ns;
}

/* The wall clock may have been set since its distance was taken: what looks odd is looked at again,
 * and a stamp is never behind the read. */
static uint64_t brought_over(lti_loop_read *read, int64_t wall_ns, uint64_t stamp_ns) {
  int64_t age = (int64_t)stamp_ns - (wall_ns - read->wall_ns);
  if (age < 0 || age > ODD_NS) {
    take_distance(read, stamp_ns);
    age = (int64_t)stamp_ns - (wall_ns - read->wall_ns);
  }
  return age > 0 ? stamp_ns - (uint64_t)age : stamp_ns;
}

static void note_segment(lti_loop_read *read, struct msghdr *message, uint64_t stamp_ns) {
  read->read_ns = stamp_ns;
  read->segment_ns = 0;
  if (read->taken_ns == 0 || stamp_ns - read->taken_ns > DISTANCE_NS) take_distance(read, stamp_ns);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    struct timespec t;
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS) continue;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    int64_t wall_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (wall_ns > 0) read->segment_ns = brought_over(read, wall_ns, stamp_ns);
  }
}
#else
static bool ask_for_stamps(const lti_loop_read *read, int fd) {
  (void)read, (void)fd;
  return false;
}

static void note_segment(lti_loop_read *read, struct msghdr *message, uint64_t stamp_ns) {
  (void)read, (void)message, (void)stamp_ns;
}
#endif

/* ---- descriptors of others */

static void on_watched(uv_poll_t *poll, int status, int events);
static void on_watch_closed(uv_handle_t *handle);

/* epoll takes no files, and says EPERM. */
int lti_sock_watch_open(lti_loop *loop, int fd, void (*readable)(void *ctx), void *ctx,
                        lti_sock_watch **watch) {
  lti_alloc *alloc = lti_loop_alloc(loop);
  lti_sock_watch *w = lti_alloc_zero(alloc, sizeof *w);
  if (!w) return LEAT_ENOMEM;
  int r = uv_poll_init(lti_loop_uv(loop), &w->poll, fd);
  if (r != 0) {
    lti_alloc_put(alloc, w);
    return r == UV_EPERM ? LTI_STOPPED : LEAT_EFDLIMIT;
  }
  uv_unref((uv_handle_t *)&w->poll);
  lti_loop_handle_opened(loop);
  w->loop = loop;
  w->readable = readable;
  w->ctx = ctx;
  w->poll.data = w;
  *watch = w;
  return LTI_OK;
}

void lti_sock_watch_arm(lti_sock_watch *w) {
  uv_poll_start(&w->poll, UV_READABLE, on_watched);
}

void lti_sock_watch_close(lti_sock_watch *w) {
  w->readable = NULL;
  uv_poll_stop(&w->poll);
  uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

/* Whatever it is, reading tells. */
static void on_watched(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  lti_sock_watch *w = poll->data;
  uv_poll_stop(poll);
  if (w->readable) w->readable(w->ctx);
}

static void on_watch_closed(uv_handle_t *handle) {
  lti_sock_watch *w = handle->data;
  lti_loop *loop = w->loop;
  lti_alloc_put(lti_loop_alloc(loop), w);
  lti_loop_handle_closed(loop);
}
