/* Connections by origin: opens them, shakes hands in good order, keeps idle ones, and lends them.
 *
 * Who gets a connection is not decided here (core/dispatch does); the pool says when one is free.
 * An origin is scheme, host, port, which HTTP is wanted, and whether a proxy leads there; the TLS
 * settings and the proxy are the engine's. Sessions are kept by origin and never offered elsewhere.
 * Whether an origin of LEAT_HTTP_AUTO speaks HTTP/2 is learned from its first connection, and until
 * then no second one is opened.
 *
 * HTTP/2 connections are shared: io/place says which one a request goes to, and when another should
 * be opened first. Connections are retired at an age, each at another time, so that a crowd opened
 * together does not go together.
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
  int conns_max, h2_conns_max, handshakes_max;
  int64_t keep_alive_ms;            /* < 0: connections are not kept */
  int64_t conn_age_ms;              /* < 0: without limit */
  int64_t ping_ms, ping_timeout_ms; /* ping_ms < 0: never */
  size_t header_bytes_max;
  lti_http2_config http2;
  uint64_t held_bytes_max;
  lti_tls_config tls;   /* views that live as long as the pool, as all of these */
  const char *proxy;    /* NULL or "": none */
  const char *no_proxy; /* NULL: none */
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
  /* The server closed or broke one that had carried nothing yet: LEAT_ECONNTIMEOUT when it never
   * said a word. slot follows. */
  void (*wasted)(void *ctx, lti_origin *o, const lti_failure *failure);
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
int lti_pool_origin(lti_pool *p, const lti_url *url, enum leat_http http, lti_origin **origin);
/* The same place over HTTP/1.1, for what HTTP/2 does not suit; needs a release. It may be `o`. */
int lti_pool_origin_http1(lti_origin *o, lti_origin **origin);
/* HTTP/1.1 does not work there: nothing is to be sent that way any more. */
void lti_pool_origin_only_http2(lti_origin *o);
void lti_pool_origin_keep(lti_origin *o);
void lti_pool_origin_release(lti_origin *o);
const lti_url *lti_pool_origin_url(const lti_origin *o);
/* It has begun to answer a request; and so often it has. */
void lti_pool_origin_took(lti_origin *o);
uint64_t lti_pool_origin_taken(const lti_origin *o);
/* The embedder's slot, NULL at first. */
void **lti_pool_origin_user(lti_origin *o);

enum lti_pool_answer {
  LTI_POOL_TAKEN,    /* `*conn` is to be started at once, or given back by lti_pool_give */
  LTI_POOL_NONE,     /* nothing is free; opening one will help, if there is room */
  LTI_POOL_WAIT,     /* nothing is free; something soon will be */
  LTI_POOL_ELSEWHERE /* over HTTP/1.1: the body would crawl through this origin's HTTP/2, or wait */
};
/* A connection for a request with such a body. `at_home`: ELSEWHERE is no answer. */
enum lti_pool_answer lti_pool_take(lti_origin *o, uint64_t body_size, bool at_home,
                                   lti_conn **conn);
/* Is that the answer for such a body, whatever the connections carry? */
bool lti_pool_elsewhere(const lti_origin *o, uint64_t body_size, bool at_home);
/* Is there a connection, or may one be opened, for one more than `waiting`? */
bool lti_pool_spare(const lti_origin *o, size_t waiting);
void lti_pool_give(lti_conn *c);
/* May another connection be opened, and is it worth it with so many waiting, for a request with
 * such a body? */
bool lti_pool_room(const lti_origin *o, size_t waiting, uint64_t body_size);
/* A shared connection has a stream free: who waited for a better one can do with it. */
bool lti_pool_serves(const lti_origin *o);
/* Everything there is carries a crowd: one more would be welcome, though nobody has to wait. */
bool lti_pool_crowded(const lti_origin *o);
/* None can be opened for now, since no descriptor was left a moment ago, or since one failed where
 * others serve. */
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
