/* The scripted proxy: see proxy.h. It is a script of a peer, whose threads, waits and TLS it uses;
 * `lock` guards what tunnels write down. Each tunnel's two directions are kept apart, so that what
 * was cut into two reads is found all the same. */
#include "support/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slice.h"

typedef struct tunnel {
  struct tunnel *next;
  proxy *owner;
  char *bytes[2]; /* down, up */
  size_t size[2];
} tunnel;

struct proxy {
  proxy_options options;
  peer *peer;
  pthread_mutex_t lock;
  tunnel *tunnels;
  unsigned tunnel_count;
};

static void must(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
  abort();
}

/* ---- tunnels */

static tunnel *tunnel_new(proxy *p) {
  tunnel *t = calloc(1, sizeof *t);
  must(t != NULL, "calloc");
  t->owner = p;
  pthread_mutex_lock(&p->lock);
  t->next = p->tunnels;
  p->tunnels = t;
  p->tunnel_count++;
  pthread_mutex_unlock(&p->lock);
  return t;
}

/* False: the tunnel has carried all that it may. */
static bool note(void *ctx, bool up, leat_slice bytes) {
  tunnel *t = ctx;
  proxy *p = t->owner;
  pthread_mutex_lock(&p->lock);
  t->bytes[up] = realloc(t->bytes[up], t->size[up] + bytes.size);
  must(t->bytes[up] != NULL, "realloc");
  memcpy(t->bytes[up] + t->size[up], bytes.data, bytes.size);
  t->size[up] += bytes.size;
  bool goes_on = up || p->options.cut_down == 0 || t->size[0] < p->options.cut_down;
  pthread_mutex_unlock(&p->lock);
  return goes_on;
}

/* The port of "CONNECT host:port HTTP/1.1"; 0: there is none. */
static unsigned long wanted_port(const char *request) {
  const char *target = strncmp(request, "CONNECT ", 8) == 0 ? request + 8 : "";
  size_t size = strcspn(target, " \r\n");
  while (size && target[size - 1] != ':') size--;
  return size ? strtoul(target + size, NULL, 10) : 0;
}

static int reach(unsigned long port) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(fd >= 0, "socket");
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
  close(fd);
  return -1;
}

/* ---- answers */

static bool knows(const proxy *p, const char *request) {
  char line[512];
  if (!p->options.auth) return true;
  snprintf(line, sizeof line, "\r\nProxy-Authorization: %s\r\n", p->options.auth);
  return strstr(request, line) != NULL;
}

static const char *answer_to(const proxy *p, unsigned number) {
  unsigned i = 0;
  if (!p->options.answers || !p->options.answers[0]) return "";
  while (i < number && p->options.answers[i + 1]) i++;
  return p->options.answers[i];
}

static void connect_through(proxy *p, peer_link *l) {
  char text[600];
  unsigned long port = wanted_port(peer_link_text(l));
  int fd = port ? reach(port) : -1;
  if (fd < 0) {
    peer_say(l, port ? PROXY_REFUSES("502 Bad Gateway", "nothing there")
                     : PROXY_REFUSES("400 Bad Request", "no CONNECT"));
    return;
  }
  snprintf(text, sizeof text, "%s%s",
           p->options.head ? p->options.head : "HTTP/1.1 200 Connection established\r\n\r\n",
           p->options.behind ? p->options.behind : "");
  if (!peer_say(l, text)) {
    close(fd);
    return;
  }
  peer_relay(l, fd, note, tunnel_new(p));
}

static void serve(peer_link *l, void *ctx) {
  proxy *p = ctx;
  while (peer_read(l)) {
    if (p->options.delay_ms && !peer_sleep(l, p->options.delay_ms)) return;
    const char *answer = answer_to(p, peer_link_number(l));
    if (!knows(p, peer_link_text(l))) answer = PROXY_WANTS_AUTH;
    if (*answer)
      peer_say(l, answer);
    else
      connect_through(p, l);
  }
  if (p->options.reset) peer_hang_up(l, true);
}

/* ---- life */

proxy *proxy_start(const proxy_options *options) {
  proxy *p = calloc(1, sizeof *p);
  must(p != NULL, "calloc");
  p->options = *options;
  if (options->answers) {
    size_t n = 0;
    while (options->answers[n]) n++;
    const char **copy = calloc(n + 1, sizeof *copy);
    must(copy != NULL, "calloc");
    for (size_t i = 0; i < n; i++) copy[i] = options->answers[i];
    p->options.answers = copy;
  }
  pthread_mutex_init(&p->lock, NULL);
  p->peer = peer_start(&(peer_options){.script = serve, .ctx = p, .tls = options->tls});
  return p;
}

void proxy_stop(proxy *p) {
  peer_stop(p->peer);
  pthread_mutex_destroy(&p->lock);
  while (p->tunnels) {
    tunnel *t = p->tunnels;
    p->tunnels = t->next;
    free(t->bytes[0]);
    free(t->bytes[1]);
    free(t);
  }
  free((void *)(uintptr_t)p->options.answers);
  free(p);
}

/* ---- questions */

int proxy_port(const proxy *p) {
  return peer_port(p->peer);
}
const char *proxy_url(const proxy *p) {
  return peer_url(p->peer);
}
unsigned proxy_conns(proxy *p) {
  return peer_conns(p->peer);
}
unsigned proxy_requests(proxy *p) {
  return peer_requests(p->peer);
}
const char *proxy_request(proxy *p, unsigned n) {
  return peer_request(p->peer, n);
}

unsigned proxy_tunnels(proxy *p) {
  pthread_mutex_lock(&p->lock);
  unsigned count = p->tunnel_count;
  pthread_mutex_unlock(&p->lock);
  return count;
}

size_t proxy_bytes(proxy *p, bool up) {
  size_t size = 0;
  pthread_mutex_lock(&p->lock);
  for (const tunnel *t = p->tunnels; t; t = t->next) size += t->size[up];
  pthread_mutex_unlock(&p->lock);
  return size;
}

bool proxy_saw(proxy *p, const char *text) {
  bool saw = false;
  for (unsigned i = 0; i < peer_requests(p->peer); i++)
    saw |= strstr(peer_request(p->peer, i), text) != NULL;
  pthread_mutex_lock(&p->lock);
  for (const tunnel *t = p->tunnels; t; t = t->next)
    for (int up = 0; up < 2; up++)
      saw |= lti_slice_find(lti_slice(t->bytes[up], t->size[up]), lti_slice_of(text)) != NULL;
  pthread_mutex_unlock(&p->lock);
  return saw;
}
