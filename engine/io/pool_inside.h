/* What the files of the pool share: an origin, and the pool itself.
 *
 *   pool.c        origins, dialling, handshakes in good order, what becomes of connections
 *   pool_lend.c   which connection a request gets, and whether another is to be opened
 *
 * A connection's list node is in its origin's `idle` (HTTP/1.1 and READY, most recent first),
 * `shared` (HTTP/2, from READY to its end) or `others`; its turn node is in `held` (waits for the
 * first handshake's ticket), in the pool's `shakes` (waits for a place among handshakes_max) or
 * `steps` (its flight waits for an expensive step). */
#ifndef LTI_POOL_INSIDE_H
#define LTI_POOL_INSIDE_H

#include "base/prng.h"
#include "io/pool.h"

struct lti_origin {
  lti_pool *pool;
  lti_list node; /* pool->origins, least recently used first */
  lti_url url;
  lti_buf key;
  enum leat_http wanted; /* as it was asked for */
  enum leat_http spoken; /* LEAT_HTTP_AUTO: not known yet */
  lti_list idle, shared, others;
  lti_list held;
  lti_conn *first; /* shakes hands in full while others wait */
  lti_tls_session *session;
  void *user;
  size_t refs, conns, opening;
  uint64_t taken;      /* requests that it has begun to answer */
  uint64_t dial_after; /* no descriptor was left, or it failed beside others: not before this */
  size_t streams_max;  /* what the last HTTP/2 connection allowed, 0: not known */
  int64_t window_peak; /* how large the send window of any was at most, 0: the same */
  bool no_tickets, only_http2, proxied;
};

struct lti_pool {
  lti_conn_env env;
  lti_pool_config config;
  lti_pool_owner owner;
  lti_map by_key;
  lti_list origins;
  size_t origin_count, shaking;
  lti_proxy proxy;
  lti_prng prng;
  lti_list shakes, steps;
  lti_buf encode, scratch;
  bool closing, in_shake_next, proxied;
  char message[256];
};

static inline uint64_t lti_pool_now(const lti_origin *o) {
  return lti_loop_clock(o->pool->env.link.dial.loop);
}

#endif
