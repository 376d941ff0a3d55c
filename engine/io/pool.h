/* Connections by origin: opens them, shakes hands in good order, keeps idle ones, and lends them.
 *
 * Who gets a connection is not decided here (core/dispatch does); the pool says when one is free.
 * An origin is scheme, host and port; the TLS settings are the engine's. Sessions are kept by
 * origin and never offered elsewhere.
 *
 * A cold TLS origin makes one full handshake; its other connections wait with theirs until the
 * ticket is there, until it is clear that none comes, or 250 ms, and then resume. At most
 * handshakes_max are under way at once, and one expensive step is done a turn. */
#ifndef LTI_POOL_H
#define LTI_POOL_H

#include "base/map.h"
#include "base/url.h"
#include "io/conn.h"

typedef struct lti_pool lti_pool;
typedef struct lti_origin lti_origin;

typedef struct lti_pool_config {
  int conns_max, handshakes_max;
  int64_t keep_alive_ms; /* < 0: connections are not kept */
  size_t header_bytes_max;
  uint64_t held_bytes_max;
  lti_tls_config tls; /* views that live as long as the pool */
  uint64_t seed[2];
} lti_pool_config;

typedef struct lti_pool_sink {
  /* A connection of the origin is free, or may now be opened. */
  void (*slot)(void *ctx, lti_origin *o);
  /* A connection that was being opened for `wanted_by` (never NULL) is open, and for whoever is
   * first in turn: slot follows. */
  void (*opened)(void *ctx, lti_origin *o, void *wanted_by);
  /* A connection that was being opened for `wanted_by` (NULL: nobody any more) failed. */
  void (*failed)(void *ctx, lti_origin *o, void *wanted_by, const lti_failure *failure);
} lti_pool_sink;

typedef struct lti_pool_owner {
  const lti_pool_sink *sink;
  void *ctx;
} lti_pool_owner;

int lti_pool_open(const lti_dial_env *dial, leat_stats *stats, const lti_pool_config *config,
                  lti_pool_owner owner, lti_pool **pool);
/* Closes every connection at once. lti_pool_free after the last was reaped. */
void lti_pool_close(lti_pool *p);
void lti_pool_free(lti_pool *p);

/* Finds or makes the origin of a URL; each needs a release. LEAT_ENOMEM. */
int lti_pool_origin(lti_pool *p, const lti_url *url, lti_origin **origin);
void lti_pool_origin_keep(lti_origin *o);
void lti_pool_origin_release(lti_origin *o);
const lti_url *lti_pool_origin_url(const lti_origin *o);
/* The embedder's slot, NULL at first. */
void **lti_pool_origin_user(lti_origin *o);

/* A free connection, which the caller starts at once or gives back by lti_pool_give; NULL: none. */
lti_conn *lti_pool_take(lti_origin *o);
void lti_pool_give(lti_conn *c);
/* May another connection be opened? */
bool lti_pool_room(const lti_origin *o);
/* There is none for now, since no descriptor was left a moment ago. */
bool lti_pool_starved(const lti_origin *o);
/* Opens one; what it becomes is told by the sink, perhaps before this returns. `*message` says why
 * it failed, until the next call. `connect_ms` < 0: no limit. */
int lti_pool_dial(lti_origin *o, void *wanted_by, int64_t connect_ms, const char **message);
size_t lti_pool_opening(const lti_origin *o);
/* What was being opened for `wanted_by` (NULL: for nobody any more) is for `now`, which gives it
 * its own time to connect; false when nothing was. */
bool lti_pool_rebind(lti_origin *o, const void *wanted_by, void *now, int64_t connect_ms);
/* Is the name still being looked up for it? */
bool lti_pool_resolving(const lti_origin *o, const void *wanted_by);

/* End of turn: expensive step, sends, reaping. True when another turn should follow at once. */
bool lti_pool_turn(lti_pool *p);

#endif
