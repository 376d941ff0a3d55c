/* The simulated resolver: engine/io/dns.h on the world's clock. What becomes of a name is in it:
 *
 *   good.sim         127.0.0.1 after some milliseconds     many.sim  a dead address first
 *   none.sim         does not exist                        hang.sim  no answer for 30 s
 *   known-none.sim   known not to exist, at once           others    do not exist
 *
 * and any lookup may fail for now, as the weather says. Nothing is cached: each wait is a lookup of
 * its own, which cannot be recalled. */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "io/dns.h"
#include "sim/sim.h"

typedef struct lookup {
  lti_list waiters; /* one, or none when it was cancelled */
  lti_dns *dns;
  int error;
  lti_addrs addrs;
} lookup;

struct lti_dns {
  sim *w;
  lti_alloc *alloc;
  size_t running;
  void (*closed)(void *ctx);
  void *closed_ctx;
};

int lti_dns_open(lti_loop *loop, lti_alloc *alloc, const char *const *resolve, size_t resolve_count,
                 lti_dns **dns) {
  assert(!resolve && resolve_count == 0);
  lti_dns *d = lti_alloc_zero(alloc, sizeof *d);
  if (!d) return LEAT_ENOMEM;
  d->w = (sim *)(void *)lti_loop_uv(loop);
  d->alloc = alloc;
  *dns = d;
  return LTI_OK;
}

static void finish_close(lti_dns *d) {
  void (*closed)(void *) = d->closed;
  void *ctx = d->closed_ctx;
  lti_alloc_put(d->alloc, d);
  closed(ctx);
}

void lti_dns_close(lti_dns *d, void (*closed)(void *ctx), void *ctx) {
  d->closed = closed;
  d->closed_ctx = ctx;
  if (d->running == 0) finish_close(d);
}

bool lti_dns_literal(const char *host, uint16_t port, lti_addr *addr) {
  memset(addr, 0, sizeof *addr);
  addr->v4.sin_family = AF_INET;
  addr->v4.sin_port = htons(port);
  return inet_pton(AF_INET, host, &addr->v4.sin_addr) == 1;
}

static void add_addr(lookup *k, const char *text) {
  lti_dns_literal(text, 0, &k->addrs.list[k->addrs.count++]);
}

static void answer(void *ctx) {
  lookup *k = ctx;
  lti_dns *d = k->dns;
  d->w->lookups--;
  d->running--;
  if (!lti_list_empty(&k->waiters)) {
    lti_dns_wait *wait = LTI_CONTAINER_OF(k->waiters.next, lti_dns_wait, node);
    lti_list_remove(&wait->node);
    wait->done(wait, k->error, 0, &k->addrs);
  }
  lti_alloc_put(d->alloc, k);
  if (d->closed && d->running == 0) finish_close(d);
}

static uint64_t decide(sim *w, const char *host, lookup *k) {
  uint64_t delay = sim_below(w, 20 * SIM_MS);
  if (sim_chance(w, w->weather.name_again)) {
    k->error = LEAT_ERESOLVEAGAIN;
    return delay;
  }
  if (strcmp(host, "many.sim") == 0) add_addr(k, "192.0.2.1");
  if (strcmp(host, "good.sim") == 0 || strcmp(host, "many.sim") == 0) add_addr(k, "127.0.0.1");
  k->error = k->addrs.count ? LTI_OK : LEAT_ERESOLVE;
  if (strcmp(host, "hang.sim") == 0) {
    k->error = LEAT_ERESOLVEAGAIN;
    delay = 30 * SIM_S;
  }
  return delay;
}

int lti_dns_find(lti_dns *d, const char *host, uint16_t port, lti_addrs *addrs,
                 lti_dns_wait *wait) {
  if (lti_dns_literal(host, port, &addrs->list[0])) {
    addrs->count = 1;
    return LTI_OK;
  }
  if (strcmp(host, "known-none.sim") == 0) return LEAT_ERESOLVE;
  lookup *k = lti_alloc_zero(d->alloc, sizeof *k);
  if (!k) return LEAT_ENOMEM;
  k->dns = d;
  lti_list_init(&k->waiters);
  lti_list_push(&k->waiters, &wait->node);
  uint64_t delay = decide(d->w, host, k);
  d->running++;
  d->w->lookups++;
  sim_after(d->w, delay, answer, k);
  return LTI_AGAIN;
}

void lti_dns_cancel(lti_dns_wait *wait) {
  lti_list_remove(&wait->node);
}

void lti_dns_forget(lti_dns *d, const char *host) {
  (void)d, (void)host;
}
