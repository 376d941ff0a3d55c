/* The simulated network: engine/io/sock.h on links of the world.
 *
 * A link joins a client's socket to a peer of the host. Segments travel each way in order, each
 * with its own delay; a link that is lost delivers nothing more. A reset overtakes nothing, but may
 * destroy what has arrived and was not read. A peer that has closed answers bytes with a reset. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/sock.h"
#include "sim/sim.h"

enum sock_state { SOCK_CONNECTING, SOCK_OPEN, SOCK_ENDED, SOCK_CLOSING };
enum segment_kind { SEGMENT_BYTES, SEGMENT_FIN, SEGMENT_RESET };

typedef struct segment {
  lti_list node;
  enum segment_kind kind;
  size_t size;
  char bytes[];
} segment;

struct sim_link {
  lti_list node;
  sim *w;
  lti_sock *sock; /* NULL: the client has closed */
  void *peer;     /* NULL: not connected yet */
  uint16_t port;
  bool answered; /* the connect's outcome is there */
  int refusal;   /* errno of it */
  bool lost, deaf, closed_there;
  bool slow;         /* does not read for now */
  lti_list down, up; /* segments on their way */
  lti_list unread;   /* that have come while it was slow */
  uint64_t down_at, up_at;
  size_t up_size; /* bytes of the client that the host has not read */
  char *rx;       /* arrived, not read */
  size_t rx_size, rx_capacity;
  bool rx_fin;
  int rx_error;
};

struct lti_sock {
  lti_list node;
  sim_link *link;
  lti_loop *loop;
  lti_sock_owner owner;
  enum sock_state state;
  bool reading, blocked;
  uint64_t blocked_until;
};

static sim *world_of(lti_loop *loop) {
  return (sim *)(void *)lti_loop_uv(loop);
}

static uint64_t latency(sim *w) {
  return w->weather.latency_ns + sim_below(w, w->weather.latency_ns + 1);
}

/* ---- segments */

static segment *take_segment(lti_list *list) {
  lti_list *n = lti_list_pop(list);
  return n ? LTI_CONTAINER_OF(n, segment, node) : NULL;
}

static void put_segment(lti_list *list, enum segment_kind kind, leat_slice bytes) {
  segment *s = malloc(sizeof *s + bytes.size);
  assert(s);
  s->kind = kind;
  s->size = bytes.size;
  if (bytes.size) memcpy(s->bytes, bytes.data, bytes.size);
  lti_list_init(&s->node);
  lti_list_push(list, &s->node);
}

/* In order: none arrives before the one sent before it. */
static uint64_t arrival(sim *w, uint64_t *last) {
  uint64_t at = w->now + latency(w);
  if (at <= *last) at = *last + 1;
  *last = at;
  return at - w->now;
}

static void append_rx(sim_link *l, const segment *s) {
  if (l->rx_size + s->size > l->rx_capacity) {
    l->rx_capacity = 2 * (l->rx_size + s->size);
    l->rx = realloc(l->rx, l->rx_capacity);
    assert(l->rx);
  }
  memcpy(l->rx + l->rx_size, s->bytes, s->size);
  l->rx_size += s->size;
}

static void arrive_down(void *ctx) {
  sim_link *l = ctx;
  segment *s = take_segment(&l->down);
  if (!l->lost && l->sock && !l->rx_error) {
    if (s->kind == SEGMENT_BYTES) append_rx(l, s);
    if (s->kind == SEGMENT_FIN) l->rx_fin = true;
    if (s->kind == SEGMENT_RESET) {
      l->rx_error = ECONNRESET;
      if (sim_chance(l->w, 500)) l->rx_size = 0;
    }
  }
  free(s);
}

static void send_down(sim_link *l, enum segment_kind kind, leat_slice bytes) {
  put_segment(&l->down, kind, bytes);
  sim_after(l->w, arrival(l->w, &l->down_at), arrive_down, l);
}

static void take_up(sim_link *l, segment *s) {
  if (!l->lost && !l->deaf) l->up_size -= s->size;
  if (l->lost || (l->deaf && s->kind == SEGMENT_BYTES)) {
    free(s);
    return;
  }
  if (s->kind == SEGMENT_FIN) {
    if (l->peer) l->w->host.ended(l->peer);
    l->peer = NULL;
  } else if (l->closed_there) {
    send_down(l, SEGMENT_RESET, lti_slice(NULL, 0));
  } else if (l->peer) {
    l->w->host.bytes(l->peer, lti_slice(s->bytes, s->size));
  }
  free(s);
}

static void arrive_up(void *ctx) {
  sim_link *l = ctx;
  segment *s = take_segment(&l->up);
  if (l->slow)
    lti_list_push(&l->unread, &s->node);
  else
    take_up(l, s);
}

static void send_up(sim_link *l, enum segment_kind kind, leat_slice bytes) {
  put_segment(&l->up, kind, bytes);
  l->up_size += bytes.size;
  sim_after(l->w, arrival(l->w, &l->up_at), arrive_up, l);
}

/* ---- the far end */

void sim_link_send(sim_link *l, leat_slice bytes) {
  send_down(l, SEGMENT_BYTES, bytes);
}

void sim_link_fin(sim_link *l, bool half) {
  send_down(l, SEGMENT_FIN, lti_slice(NULL, 0));
  if (!half) l->closed_there = true;
}

void sim_link_reset(sim_link *l) {
  send_down(l, SEGMENT_RESET, lti_slice(NULL, 0));
  l->closed_there = true;
}

void sim_link_lose(sim_link *l) {
  l->lost = true;
}

void sim_links_lose(sim *w) {
  for (lti_list *n = w->links.next; n != &w->links; n = n->next)
    LTI_CONTAINER_OF(n, sim_link, node)->lost = true;
}

void sim_link_deafen(sim_link *l) {
  l->deaf = true;
}

void sim_link_read(sim_link *l, bool on) {
  segment *s;
  l->slow = !on;
  while (!l->slow && (s = take_segment(&l->unread))) take_up(l, s);
}

sim *sim_link_world(sim_link *l) {
  return l->w;
}

uint16_t sim_link_port(const sim_link *l) {
  return l->port;
}

void sim_links_free(sim *w) {
  lti_list *n;
  while ((n = lti_list_pop(&w->links))) {
    sim_link *l = LTI_CONTAINER_OF(n, sim_link, node);
    segment *s;
    while ((s = take_segment(&l->down)) || (s = take_segment(&l->up)) ||
           (s = take_segment(&l->unread)))
      free(s);
    free(l->rx);
    free(l);
  }
}

/* ---- connecting */

static void answer_connect(void *ctx) {
  sim_link *l = ctx;
  if (!l->sock) return;
  l->answered = true;
  if (l->refusal == 0) l->peer = l->w->host.opened(l->w->host.ctx, l);
}

static void start_connect(sim_link *l) {
  sim *w = l->w;
  w->connects++;
  if (sim_chance(w, w->weather.syn_lost)) return;
  if (sim_chance(w, w->weather.refused)) l->refusal = ECONNREFUSED;
  sim_after(w, 2 * latency(w), answer_connect, l);
}

static sim_link *link_new(sim *w, const lti_addr *addr) {
  sim_link *l = calloc(1, sizeof *l);
  assert(l);
  l->w = w;
  l->port = ntohs(addr->any.sa_family == AF_INET6 ? addr->v6.sin6_port : addr->v4.sin_port);
  lti_list_init(&l->node);
  lti_list_init(&l->down);
  lti_list_init(&l->up);
  lti_list_init(&l->unread);
  lti_list_push(&w->links, &l->node);
  return l;
}

/* 240.0.0.0/4 has no route; 192.0.2.0/24 (TEST-NET-1) swallows every SYN. */
static bool unroutable(const lti_addr *addr) {
  return addr->any.sa_family == AF_INET && ntohl(addr->v4.sin_addr.s_addr) >> 28 == 15;
}

static bool black_hole(const lti_addr *addr) {
  return addr->any.sa_family == AF_INET && ntohl(addr->v4.sin_addr.s_addr) >> 8 == 0xc00002;
}

int lti_sock_open(lti_loop *loop, const lti_addr *addr, lti_sock_owner owner, lti_sock **sock,
                  int *native) {
  sim *w = world_of(loop);
  *native = 0;
  if (w->weather.descriptors && w->socks_open >= w->weather.descriptors)
    *native = EMFILE;
  else if (unroutable(addr) || sim_chance(w, w->weather.unreachable))
    *native = ENETUNREACH;
  if (*native) return lti_sock_error(*native);
  lti_sock *s = lti_alloc_zero(lti_loop_alloc(loop), sizeof *s);
  if (!s) return LEAT_ENOMEM;
  s->loop = loop;
  s->owner = owner;
  s->reading = true;
  s->link = link_new(w, addr);
  s->link->sock = s;
  lti_list_init(&s->node);
  lti_list_push(&w->socks, &s->node);
  if (++w->socks_open > w->socks_peak) w->socks_peak = w->socks_open;
  lti_loop_handle_opened(loop);
  if (!black_hole(addr)) start_connect(s->link);
  *sock = s;
  return LTI_OK;
}

/* The simulated host has no file system. */
int lti_sock_open_unix(lti_loop *loop, const char *path, lti_sock_owner owner, lti_sock **sock,
                       int *native) {
  (void)loop, (void)path, (void)owner, (void)sock;
  *native = ENOENT;
  return lti_sock_error(ENOENT);
}

void lti_sock_bind(lti_sock *s, lti_sock_owner owner) {
  s->owner = owner;
}

/* ---- reading and sending */

void lti_sock_read(lti_sock *s, bool on) {
  s->reading = on;
}

static leat_slice front(const lti_outq *q, char *room, size_t size) {
  struct iovec vectors[16];
  int n = lti_outq_peek(q, vectors, 16);
  size_t used = 0;
  for (int i = 0; i < n && used < size; i++) {
    size_t part = vectors[i].iov_len < size - used ? vectors[i].iov_len : size - used;
    memcpy(room + used, vectors[i].iov_base, part);
    used += part;
  }
  return lti_slice(room, used);
}

static int block(lti_sock *s, uint64_t for_ns) {
  s->blocked = true;
  s->blocked_until = s->link->w->now + for_ns;
  return LTI_AGAIN;
}

static void wake_up(void *ctx) {
  (void)ctx; /* that the clock stops here is enough: sockets are looked at in every pass */
}

int lti_sock_send(lti_sock *s, lti_outq *q, size_t *sent, int *native) {
  sim_link *l = s->link;
  sim *w = l->w;
  char room[4096];
  assert(s->state == SOCK_OPEN || s->state == SOCK_ENDED);
  for (*sent = 0; lti_outq_size(q) > 0;) {
    if (l->rx_error) {
      *native = EPIPE;
      return LEAT_ERESET;
    }
    size_t space = l->up_size < w->weather.window ? w->weather.window - l->up_size : 0;
    if (space > sizeof room) space = sizeof room;
    if (space == 0) return block(s, 0);
    if (sim_chance(w, w->weather.short_send)) {
      if (sim_chance(w, 300)) {
        uint64_t pause = sim_below(w, SIM_MS);
        sim_after(w, pause, wake_up, NULL);
        return block(s, pause);
      }
      space = 1 + sim_below(w, space);
    }
    leat_slice bytes = front(q, room, space);
    send_up(l, SEGMENT_BYTES, bytes);
    lti_outq_drain(q, bytes.size);
    *sent += bytes.size;
  }
  return LTI_OK;
}

void lti_sock_close(lti_sock *s) {
  sim_link *l = s->link;
  assert(s->state != SOCK_CLOSING);
  s->state = SOCK_CLOSING;
  l->sock = NULL;
  l->w->socks_open--;
  if (l->peer) send_up(l, SEGMENT_FIN, lti_slice(NULL, 0));
  lti_list_remove(&s->node);
  lti_list_push(&l->w->closing, &s->node);
}

/* Nor has it pipes. */
int lti_sock_watch_open(lti_loop *loop, int fd, void (*readable)(void *ctx), void *ctx,
                        lti_sock_watch **watch) {
  (void)loop, (void)fd, (void)readable, (void)ctx, (void)watch;
  return LTI_STOPPED;
}

void lti_sock_watch_arm(lti_sock_watch *w) {
  (void)w;
}

void lti_sock_watch_close(lti_sock_watch *w) {
  (void)w;
}

int lti_sock_error(int native) {
  switch (native) {
    case ECONNREFUSED: return LEAT_EREFUSED;
    case ENETUNREACH: return LEAT_EUNREACHABLE;
    case ECONNRESET:
    case EPIPE: return LEAT_ERESET;
    case EMFILE: return LEAT_EFDLIMIT;
    default: return LEAT_ECONNECT;
  }
}

const char *lti_sock_text(int native) {
  return strerror(native);
}

/* ---- readiness */

static bool writable(const lti_sock *s) {
  const sim_link *l = s->link;
  if (!s->blocked || s->state == SOCK_CONNECTING) return false;
  if (l->rx_error) return true;
  return s->blocked_until <= l->w->now && l->up_size < l->w->weather.window;
}

static bool readable(const lti_sock *s) {
  const sim_link *l = s->link;
  return s->state == SOCK_OPEN && s->reading && (l->rx_size > 0 || l->rx_fin || l->rx_error);
}

static bool ready(const lti_sock *s) {
  if (s->state == SOCK_CONNECTING) return s->link->answered;
  return writable(s) || readable(s);
}

static void read_some(lti_sock *s) {
  sim_link *l = s->link;
  sim *w = l->w;
  size_t size;
  char *slab = lti_loop_slab(s->loop, &size);
  if (l->rx_size == 0) {
    s->state = SOCK_ENDED;
    s->owner.sink->ended(s->owner.ctx, l->rx_error);
    return;
  }
  if (w->weather.read_max && w->weather.read_max < size) size = w->weather.read_max;
  if (w->weather.read_random) size = 1 + sim_below(w, size);
  if (size > l->rx_size) size = l->rx_size;
  memcpy(slab, l->rx, size);
  l->rx_size -= size;
  memmove(l->rx, l->rx + size, l->rx_size);
  s->owner.sink->bytes(s->owner.ctx, lti_slice(slab, size), w->now);
  size_t whole;
  memset(lti_loop_slab(s->loop, &whole), 0xee, size); /* views of the read are dead now */
}

static void serve(lti_sock *s) {
  if (s->state == SOCK_CONNECTING) {
    int native = s->link->refusal;
    s->state = native ? SOCK_ENDED : SOCK_OPEN;
    s->owner.sink->connected(s->owner.ctx, native ? lti_sock_error(native) : LTI_OK, native);
    return;
  }
  if (writable(s)) {
    s->blocked = false;
    s->owner.sink->writable(s->owner.ctx);
  }
  if (readable(s)) read_some(s);
}

size_t sim_socks_at(const sim *w, uint16_t port) {
  size_t count = 0;
  for (const lti_list *n = w->links.next; n != &w->links; n = n->next) {
    const sim_link *l = LTI_CONTAINER_OF(n, sim_link, node);
    if (l->sock && l->port == port) count++;
  }
  return count;
}

bool sim_socks_ready(sim *w) {
  for (lti_list *n = w->socks.next; n != &w->socks; n = n->next)
    if (ready(LTI_CONTAINER_OF(n, lti_sock, node))) return true;
  return false;
}

/* Each socket that is ready once, as one epoll_wait reports it; what is closed meanwhile has moved
 * to another list. */
void sim_socks_serve(sim *w) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &w->socks);
  while ((n = lti_list_pop(&batch))) {
    lti_sock *s = LTI_CONTAINER_OF(n, lti_sock, node);
    lti_list_push(&w->socks, n);
    if (ready(s)) serve(s);
  }
}

void sim_socks_reap(sim *w) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &w->closing);
  while ((n = lti_list_pop(&batch))) {
    lti_sock *s = LTI_CONTAINER_OF(n, lti_sock, node);
    lti_loop *loop = s->loop;
    lti_alloc_put(lti_loop_alloc(loop), s);
    lti_loop_handle_closed(loop);
  }
}
