/* Names to addresses: libuv's thread pool behind a cache.
 *
 * Answers are kept 60 s, "no such name" 1 s, temporary failures not at all. One lookup a name is in
 * flight, however many wait for it; at most two run on the host's thread pool at a time, so that a
 * dead resolver leaves the host's own work two threads. IP literals and fixed addresses (`resolve`
 * overrides) never go there. A lookup cannot be recalled once it runs: closing waits for it. */
#ifndef LTI_DNS_H
#define LTI_DNS_H

#include "base/list.h"
#include "io/loop.h"
#include "io/sock.h"

#define LTI_DNS_ADDRS_MAX 8

typedef struct lti_dns lti_dns;

typedef struct lti_addrs {
  size_t count;
  lti_addr list[LTI_DNS_ADDRS_MAX]; /* families alternate, the resolver's first choice first */
} lti_addrs;

/* Embedded in whoever waits. */
typedef struct lti_dns_wait {
  lti_list node;
  /* LTI_OK with addresses (valid during the call), or LEAT_ERESOLVE, LEAT_ERESOLVEAGAIN,
   * LEAT_ENOMEM; `native` is the resolver's code. */
  void (*done)(struct lti_dns_wait *wait, int error, int native, const lti_addrs *addrs);
} lti_dns_wait;

/* `resolve`: "host:port=address", as leat_config says; LEAT_EINVAL when one is malformed. */
int lti_dns_open(lti_loop *loop, lti_alloc *alloc, const char *const *resolve, size_t resolve_count,
                 lti_dns **dns);
/* No waiter may be left. `closed` comes when the last lookup has ended, perhaps at once. */
void lti_dns_close(lti_dns *dns, void (*closed)(void *ctx), void *ctx);

/* LTI_OK: `*addrs` is filled. LTI_AGAIN: `wait->done` will be called, unless it is cancelled. Or an
 * error that is known already. The addresses carry `port`. */
int lti_dns_find(lti_dns *dns, const char *host, uint16_t port, lti_addrs *addrs,
                 lti_dns_wait *wait);
/* Harmless when it does not wait (initialise node with lti_list_init). */
void lti_dns_cancel(lti_dns_wait *wait);
/* Drops a cached answer: its addresses did not work. */
void lti_dns_forget(lti_dns *dns, const char *host);
/* An IP literal, IPv6 without brackets: false if it is none. */
bool lti_dns_literal(const char *host, uint16_t port, lti_addr *addr);

#endif
