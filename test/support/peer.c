/* The scripted peer: see peer.h. One thread accepts, one serves each link; `lock` guards what they
 * share, `tls_lock` the TLS library, whose configuration and generator all links use. A link's
 * socket is closed by its own thread alone. */
#include "support/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS      10000
#define IN_BYTES     ((size_t)64 << 20)
#define STUFFINGS    4
#define GATHER_BYTES ((size_t)16 << 10)

struct peer_link {
  peer_link *next;
  peer *owner;
  lti_alloc alloc; /* counts its calls: one for each thread */
  pthread_t thread;
  int fd;
  unsigned index, number;
  bool finished; /* under the owner's lock */
  bool over;     /* neither reads nor writes any more */
  bool chunked, drip;
  bool gathering; /* what is said waits in `out` until somebody must wait for it */
  tls_peer *tls;
  lti_buf in, out;
  char *request;
};

#define UNIX_SCHEME "unix:"

struct peer {
  peer_options options;
  pthread_t acceptor;
  pthread_mutex_t lock;
  int fd, stop_fd, port;
  int stuffing[STUFFINGS];
  char url[128];
  peer_link *links;
  unsigned conns, request_count, open, open_peak, accepting;
  char **requests;
};

static pthread_mutex_t tls_lock = PTHREAD_MUTEX_INITIALIZER;

static void must(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
  abort();
}

/* ---- bytes */

/* Waits until the socket is ready; false when that takes too long or the peer is being stopped. */
static bool wait_for(peer_link *l, short events, int ms) {
  struct pollfd fds[2] = {{.fd = l->owner->stop_fd, .events = POLLIN},
                          {.fd = l->fd, .events = events}};
  int n = poll(fds, 2, ms);
  return n > 0 && !fds[0].revents && fds[1].revents;
}

static bool send_now(peer_link *l, leat_slice bytes) {
  while (bytes.size > 0 && !l->over) {
    size_t size = l->drip ? 1 : bytes.size;
    ssize_t n = send(l->fd, bytes.data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
      bytes = lti_slice_from(bytes, (size_t)n);
    else if (errno != EAGAIN || !wait_for(l, POLLOUT, WAIT_MS))
      l->over = true;
  }
  return !l->over;
}

static bool flush_out(peer_link *l) {
  bool ok = send_now(l, lti_buf_slice(&l->out));
  lti_buf_clear(&l->out);
  return ok;
}

bool peer_send_raw(peer_link *l, leat_slice bytes) {
  if (!l->gathering) return send_now(l, bytes);
  if (lti_buf_append(&l->out, bytes) != 0) abort();
  return l->drip || l->out.size > GATHER_BYTES ? flush_out(l) : !l->over;
}

static bool flush_tls(peer_link *l) {
  bool ok = peer_send_raw(l, lti_buf_slice(&l->tls->cipher));
  lti_buf_clear(&l->tls->cipher);
  return ok;
}

bool peer_send(peer_link *l, leat_slice bytes) {
  if (!l->tls) return peer_send_raw(l, bytes);
  if (l->tls->error || !l->tls->established) l->over = true;
  if (l->over || bytes.size == 0) return !l->over;
  pthread_mutex_lock(&tls_lock);
  tls_peer_write(l->tls, bytes);
  pthread_mutex_unlock(&tls_lock);
  return flush_tls(l);
}

static bool take_cipher(peer_link *l, leat_slice bytes) {
  pthread_mutex_lock(&tls_lock);
  int r = tls_peer_feed(l->tls, bytes);
  bool ok = lti_buf_append(&l->in, lti_buf_slice(&l->tls->plain)) == 0;
  lti_buf_clear(&l->tls->plain);
  pthread_mutex_unlock(&tls_lock);
  flush_tls(l);
  return ok && r == 0;
}

/* Reads once. False: the end, an error, or too long a wait. */
static bool fill(peer_link *l) {
  char bytes[16384];
  if (l->over || !wait_for(l, POLLIN, WAIT_MS)) return false;
  ssize_t n = recv(l->fd, bytes, sizeof bytes, 0);
  if (n <= 0) return false;
  leat_slice got = lti_slice(bytes, (size_t)n);
  return l->tls ? take_cipher(l, got) : lti_buf_append(&l->in, got) == 0;
}

/* ---- requests */

/* The size of the whole request that stands in `in`, 0: not whole yet. */
static size_t request_size(const lti_buf *in) {
  leat_slice all = lti_buf_slice(in);
  const char *end = lti_slice_find(all, lti_slice_of("\r\n\r\n"));
  if (!end) return 0;
  size_t head = (size_t)(end - all.data) + 4;
  const char *length = lti_slice_find(lti_slice(all.data, head), lti_slice_of("Content-Length: "));
  size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
  return all.size >= head + body ? head + body : 0;
}

static void note_request(peer_link *l, const char *text, size_t size) {
  peer *p = l->owner;
  char *copy = malloc(size + 1);
  must(copy != NULL, "malloc");
  memcpy(copy, text, size);
  copy[size] = '\0';
  l->request = copy;
  pthread_mutex_lock(&p->lock);
  p->requests = realloc(p->requests, (p->request_count + 1) * sizeof *p->requests);
  must(p->requests != NULL, "realloc");
  l->number = p->request_count;
  p->requests[p->request_count++] = copy;
  pthread_mutex_unlock(&p->lock);
}

bool peer_read(peer_link *l) {
  size_t size;
  l->chunked = l->drip = false;
  if (l->over) return false;
  while ((size = request_size(&l->in)) == 0)
    if (!fill(l)) {
      l->over = true;
      return false;
    }
  note_request(l, l->in.data, size);
  lti_buf_consume(&l->in, size);
  return true;
}

bool peer_take(peer_link *l, void *bytes, size_t size) {
  while (!l->over && l->in.size < size)
    if (!fill(l)) l->over = true;
  if (l->over) return false;
  memcpy(bytes, l->in.data, size);
  lti_buf_consume(&l->in, size);
  return true;
}

size_t peer_take_some(peer_link *l, void *bytes, size_t room) {
  while (!l->over && l->in.size == 0) /* what comes over TLS may be half a record */
    if (!fill(l)) l->over = true;
  size_t n = l->over ? 0 : l->in.size < room ? l->in.size : room;
  if (n > 0) memcpy(bytes, l->in.data, n);
  lti_buf_consume(&l->in, n);
  return n;
}

const char *peer_link_text(const peer_link *l) {
  return l->request;
}
unsigned peer_link_number(const peer_link *l) {
  return l->number;
}
unsigned peer_link_index(const peer_link *l) {
  return l->index;
}

/* ---- saying */

bool peer_sleep(peer_link *l, int ms) {
  struct pollfd stop = {.fd = l->owner->stop_fd, .events = POLLIN};
  flush_out(l);
  if (poll(&stop, 1, ms) == 0) return true;
  l->over = true;
  return false;
}

/* One run of text between two marks. */
static bool say_run(peer_link *l, leat_slice text) {
  if (text.size == 0) return !l->over;
  if (!l->chunked) return peer_send(l, text);
  lti_buf chunk;
  lti_buf_init(&chunk, &l->alloc, IN_BYTES, LEAT_EBODYMAX);
  lti_buf_format(&chunk, "%zx\r\n", text.size);
  lti_buf_append(&chunk, text);
  lti_buf_text(&chunk, "\r\n");
  bool ok = peer_send(l, lti_buf_slice(&chunk));
  lti_buf_deinit(&chunk);
  return ok;
}

void peer_hang_up(peer_link *l, bool reset) {
  flush_out(l);
  if (reset) {
    struct linger hard = {.l_onoff = 1};
    setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  l->over = true;
}

static void say_fill(peer_link *l, size_t size) {
  char *bytes = malloc(size ? size : 1);
  must(bytes != NULL, "malloc");
  memset(bytes, 'x', size);
  say_run(l, lti_slice(bytes, size));
  free(bytes);
}

static void say_tls(peer_link *l, void (*what)(tls_peer *peer)) {
  if (!l->tls || l->over) return;
  pthread_mutex_lock(&tls_lock);
  if (l->tls->established) what(l->tls);
  pthread_mutex_unlock(&tls_lock);
  flush_tls(l);
}

/* `rest` is the text behind the mark. */
static void act(peer_link *l, leat_slice mark, const char *rest) {
  char word[32];
  unsigned long number = 0;
  snprintf(word, sizeof word, "%.*s", (int)mark.size, mark.data);
  char *blank = strchr(word, ' ');
  if (blank) {
    *blank = '\0';
    number = strtoul(blank + 1, NULL, 10);
  }
  if (!strcmp(word, "sleep")) peer_sleep(l, (int)number);
  if (!strcmp(word, "fill")) say_fill(l, number);
  if (!strcmp(word, "chunked")) l->chunked = true;
  if (!strcmp(word, "drip")) l->drip = true;
  if (!strcmp(word, "hello")) say_tls(l, tls_peer_ask_again);
  if (!strcmp(word, "ticket")) say_tls(l, tls_peer_send_ticket);
  if (!strcmp(word, "fin") && flush_out(l)) shutdown(l->fd, SHUT_WR);
  if (!strcmp(word, "bye") || !strcmp(word, "notify")) say_tls(l, tls_peer_close);
  if (!strcmp(word, "reset")) peer_hang_up(l, true);
  if (!strcmp(word, "close") || !strcmp(word, "bye")) peer_hang_up(l, false);
  if (!strcmp(word, "silent")) {
    flush_out(l);
    while (fill(l)) continue;
    l->over = true;
  }
  if (!strcmp(word, "last")) {
    l->chunked = false;
    peer_send(l, lti_slice_of("0\r\n\r\n"));
  }
  if (!strcmp(word, "body")) {
    char line[64];
    const char *end = strstr(rest, "<<");
    size_t size = end ? (size_t)(end - rest) : strlen(rest);
    int n = snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", size);
    peer_send(l, lti_slice(line, (size_t)n));
  }
}

bool peer_say(peer_link *l, const char *text) {
  l->gathering = true;
  while (*text && !l->over) {
    const char *mark = strstr(text, "<<");
    say_run(l, lti_slice(text, mark ? (size_t)(mark - text) : strlen(text)));
    if (!mark || l->over) break;
    const char *end = strstr(mark, ">>");
    must(end != NULL, "a mark without its end");
    act(l, lti_slice(mark + 2, (size_t)(end - mark) - 2), end + 2);
    text = end + 2;
  }
  l->gathering = false;
  return flush_out(l);
}

/* ---- relaying */

/* What the link has read goes on to the other socket. */
static bool relay_up(peer_link *l, int fd, peer_tap tap, void *ctx) {
  leat_slice bytes = lti_buf_slice(&l->in);
  if (bytes.size == 0) return true;
  if (!tap(ctx, true, bytes)) return false;
  while (bytes.size > 0) {
    struct pollfd out = {.fd = fd, .events = POLLOUT};
    ssize_t n = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno != EAGAIN || poll(&out, 1, WAIT_MS) <= 0)) return false;
    if (n > 0) bytes = lti_slice_from(bytes, (size_t)n);
  }
  lti_buf_clear(&l->in);
  return true;
}

/* False: the other socket has ended, or the tap cut. */
static bool relay_down(peer_link *l, int fd, peer_tap tap, void *ctx) {
  char bytes[16384];
  ssize_t n = recv(fd, bytes, sizeof bytes, 0);
  if (n > 0)
    return tap(ctx, false, lti_slice(bytes, (size_t)n)) &&
           peer_send(l, lti_slice(bytes, (size_t)n));
  if (n < 0) peer_hang_up(l, true);
  return false;
}

void peer_relay(peer_link *l, int fd, peer_tap tap, void *ctx) {
  bool up = relay_up(l, fd, tap, ctx), down = up;
  l->over |= !up;
  while ((up || down) && !l->over) {
    struct pollfd fds[3] = {{.fd = l->owner->stop_fd, .events = POLLIN},
                            {.fd = up ? l->fd : -1, .events = POLLIN},
                            {.fd = down ? fd : -1, .events = POLLIN}};
    if (poll(fds, 3, WAIT_MS) <= 0 || fds[0].revents) break;
    if (fds[1].revents) up = fill(l);
    if (!relay_up(l, fd, tap, ctx)) break;
    if (fds[1].revents && !up) shutdown(fd, SHUT_WR);
    if (!fds[2].revents || (down = relay_down(l, fd, tap, ctx)) || l->over) continue;
    say_tls(l, tls_peer_close);
    shutdown(l->fd, SHUT_WR);
  }
  close(fd);
  l->over = true;
}

/* ---- serving */

/* Entry n of a list that ends with NULL; the last one goes on. */
static const char *entry(const char *const *list, unsigned n) {
  unsigned i = 0;
  if (!list || !list[0]) return "";
  while (i < n && list[i + 1]) i++;
  return list[i];
}

static void serve(peer_link *l) {
  const peer_options *o = &l->owner->options;
  if (!peer_say(l, entry(o->greets, l->index))) return;
  if (l->tls)
    while (!l->tls->established)
      if (!fill(l)) return;
  if (o->script) {
    o->script(l, o->ctx);
    return;
  }
  while (peer_read(l))
    if (!peer_say(l, entry(o->answers, l->number))) return;
}

static void link_free(peer_link *l) {
  lti_buf_deinit(&l->in);
  lti_buf_deinit(&l->out);
  free(l);
}

static void *run_link(void *arg) {
  peer_link *l = arg;
  peer *p = l->owner;
  serve(l);
  pthread_mutex_lock(&tls_lock);
  tls_peer_free(l->tls);
  pthread_mutex_unlock(&tls_lock);
  l->tls = NULL;
  pthread_mutex_lock(&p->lock);
  close(l->fd);
  p->open--;
  l->finished = true;
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

/* Joins links that have finished, or all. */
static void reap(peer *p, bool all) {
  peer_link **at = &p->links;
  while (*at) {
    peer_link *l = *at;
    pthread_mutex_lock(&p->lock);
    bool finished = l->finished;
    pthread_mutex_unlock(&p->lock);
    if (!finished && !all) {
      at = &l->next;
      continue;
    }
    pthread_join(l->thread, NULL);
    *at = l->next;
    link_free(l);
  }
}

static void open_link(peer *p, int fd) {
  int on = 1;
  peer_link *l = calloc(1, sizeof *l);
  must(l != NULL, "calloc");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  l->fd = fd;
  l->owner = p;
  lti_alloc_init(&l->alloc, NULL);
  lti_buf_init(&l->in, &l->alloc, IN_BYTES, LEAT_EBODYMAX);
  lti_buf_init(&l->out, &l->alloc, IN_BYTES, LEAT_EBODYMAX);
  if (p->options.tls) {
    pthread_mutex_lock(&tls_lock);
    l->tls = tls_peer_new(p->options.tls);
    pthread_mutex_unlock(&tls_lock);
  }
  l->next = p->links;
  p->links = l;
  pthread_mutex_lock(&p->lock);
  l->index = p->conns++;
  if (++p->open > p->open_peak) p->open_peak = p->open;
  pthread_mutex_unlock(&p->lock);
  must(pthread_create(&l->thread, NULL, run_link, l) == 0, "pthread_create");
}

static void *run_acceptor(void *arg) {
  peer *p = arg;
  struct pollfd fds[2] = {{.fd = p->stop_fd, .events = POLLIN}, {.fd = p->fd, .events = POLLIN}};
  pthread_mutex_lock(&p->lock);
  p->accepting = 1;
  pthread_mutex_unlock(&p->lock);
  for (;;) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
    if (fds[0].revents) break;
    int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) open_link(p, fd);
    reap(p, false);
  }
  return NULL;
}

/* ---- life */

/* Where to listen; returns the address's size. */
static socklen_t own_address(const peer_options *o, struct sockaddr_storage *address) {
  memset(address, 0, sizeof *address);
  if (o->unix_path) {
    struct sockaddr_un *un = (struct sockaddr_un *)address;
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof un->sun_path, "%s", o->unix_path);
    return sizeof *un;
  }
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  if (o->ipv6) {
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
  } else {
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  v4->sin_port = htons((uint16_t)o->port); /* the port stands at one place in both */
  return o->ipv6 ? sizeof *v6 : sizeof *v4;
}

static void name_url(peer *p, const struct sockaddr_storage *address) {
  const peer_options *o = &p->options;
  if (o->unix_path) {
    snprintf(p->url, sizeof p->url, UNIX_SCHEME "%s", o->unix_path);
    p->options.unix_path = p->url + strlen(UNIX_SCHEME); /* the caller's may end before the peer */
    return;
  }
  p->port = ntohs(((const struct sockaddr_in *)address)->sin_port);
  snprintf(p->url, sizeof p->url, "http%s://%s:%d", o->tls ? "s" : "",
           o->ipv6 ? "[::1]" : "127.0.0.1", p->port);
}

static void listen_on(peer *p) {
  struct sockaddr_storage storage;
  struct sockaddr *address = (struct sockaddr *)&storage;
  socklen_t size = own_address(&p->options, &storage), named = size;
  p->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (p->options.unix_path) unlink(p->options.unix_path); /* of a process that was killed */
  must(p->fd >= 0 && bind(p->fd, address, size) == 0, "bind");
  must(listen(p->fd, p->options.deaf ? 0 : 1024) == 0, "listen");
  must(getsockname(p->fd, address, &named) == 0, "getsockname");
  name_url(p, &storage);
  /* With one connection waiting more than the queue holds, the kernel drops every further SYN. */
  for (int i = 0; i < STUFFINGS; i++) {
    p->stuffing[i] = -1;
    if (!p->options.deaf) continue;
    p->stuffing[i] = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(p->stuffing[i] >= 0, "socket");
    (void)!connect(p->stuffing[i], address, size);
  }
}

/* Lists are often compound literals, which end before the peer does; their texts do not. */
static const char **copy_list(const char *const *list) {
  size_t n = 0;
  if (!list) return NULL;
  while (list[n]) n++;
  const char **copy = calloc(n + 1, sizeof *copy);
  must(copy != NULL, "calloc");
  for (size_t i = 0; i < n; i++) copy[i] = list[i];
  return copy;
}

static unsigned look(peer *p, const unsigned *at) {
  pthread_mutex_lock(&p->lock);
  unsigned value = *at;
  pthread_mutex_unlock(&p->lock);
  return value;
}

peer *peer_start(const peer_options *options) {
  peer *p = calloc(1, sizeof *p);
  must(p != NULL, "calloc");
  p->options = *options;
  p->options.answers = copy_list(options->answers);
  p->options.greets = copy_list(options->greets);
  pthread_mutex_init(&p->lock, NULL);
  p->stop_fd = eventfd(0, EFD_CLOEXEC);
  must(p->stop_fd >= 0, "eventfd");
  listen_on(p);
  if (!options->deaf)
    must(pthread_create(&p->acceptor, NULL, run_acceptor, p) == 0, "pthread_create");
  /* A test may fork next. A thread that is still starting holds locks of the allocator, which
   * nobody would let go of in the child. */
  while (!options->deaf && !look(p, &p->accepting))
    nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
  return p;
}

void peer_stop(peer *p) {
  uint64_t one = 1;
  must(write(p->stop_fd, &one, sizeof one) == sizeof one, "write");
  if (!p->options.deaf) pthread_join(p->acceptor, NULL);
  reap(p, true);
  for (int i = 0; i < STUFFINGS; i++)
    if (p->stuffing[i] >= 0) close(p->stuffing[i]);
  close(p->fd);
  if (p->options.unix_path) unlink(p->options.unix_path);
  close(p->stop_fd);
  pthread_mutex_destroy(&p->lock);
  for (unsigned i = 0; i < p->request_count; i++) free(p->requests[i]);
  free(p->requests);
  free((void *)(uintptr_t)p->options.answers);
  free((void *)(uintptr_t)p->options.greets);
  free(p);
}

/* ---- questions */

void *peer_ctx(const peer *p) {
  return p->options.ctx;
}

int peer_port(const peer *p) {
  return p->port;
}
const char *peer_url(const peer *p) {
  return p->url;
}

unsigned peer_conns(peer *p) {
  return look(p, &p->conns);
}
unsigned peer_requests(peer *p) {
  return look(p, &p->request_count);
}
unsigned peer_open(peer *p) {
  return look(p, &p->open);
}
unsigned peer_open_peak(peer *p) {
  return look(p, &p->open_peak);
}

const char *peer_request(peer *p, unsigned n) {
  pthread_mutex_lock(&p->lock);
  const char *text = n < p->request_count ? p->requests[n] : NULL;
  pthread_mutex_unlock(&p->lock);
  return text;
}

bool peer_await(peer *p, unsigned n) {
  for (int i = 0; i < 5000 && peer_requests(p) < n; i++)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  return peer_requests(p) >= n;
}

void peer_rotate(peer *p) {
  pthread_mutex_lock(&tls_lock);
  tls_server_rotate(p->options.tls);
  pthread_mutex_unlock(&tls_lock);
}
