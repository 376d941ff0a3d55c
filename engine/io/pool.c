/* Connections by origin: see pool.h.
 *
 * A connection's list node is in its origin's `idle` (HTTP/1.1 and READY, most recent first),
 * `shared` (HTTP/2, from READY to its end) or `others`; its
 * turn node is in `held` (waits for the first handshake's ticket), in the pool's `shakes` (waits
 * for a place among handshakes_max) or `steps` (its flight waits for an expensive step). */
#include "io/pool.h"

#include <assert.h>
#include <stdio.h>

#include "base/error.h"
#include "base/prng.h"
#include "io/place.h"

#define HOLD_NS      (250ull * 1000 * 1000)
#define MS_NS        1000000ull
#define FRESH_MS     1000 /* at least so long a fresh connection waits for its first request */
#define ORIGINS_KEPT 256  /* origins that nobody uses, for their sessions */
#define PLAIN_BYTES                                                            \
  ((size_t)96 * 1024) /* a read slab and a record that was half read before it \
                       */
#define CANDIDATES_MAX   16
#define FD_PAUSE_NS      (100 * MS_NS)
#define DIAL_PAUSE_NS    (1000 * MS_NS)  /* after a further connection could not be opened */
#define CLEAR_CONNS_MIN  4               /* of so many one is kept clear of what would fill it */
#define SETTLE_NS        (10000 * MS_NS) /* for a server's first words */
#define ENCODE_BYTES_MAX ((size_t)4 * 1024 * 1024)

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

static void on_connected(lti_conn *c);
static void on_step(lti_conn *c);
static void on_ready(lti_conn *c, bool fresh);
static void on_changed(lti_conn *c);
static void on_ticket(lti_conn *c);
static void on_closed(lti_conn *c, const lti_failure *failure);
static void on_alarm(lti_conn *c, uint64_t now_ns);

static const lti_conn_sink conn_sink = {on_connected, on_step,   on_ready, on_changed,
                                        on_ticket,    on_closed, on_alarm};

/* ---- life */

static uint64_t ns_of(int64_t ms) {
  return ms < 0 ? UINT64_MAX : (uint64_t)ms * MS_NS;
}

static void env_init(lti_conn_env *env, const lti_dial_env *dial, leat_stats *stats,
                     const lti_pool_config *config) {
  env->link.dial = *dial;
  env->link.stats = stats;
  env->link.held_bytes_max = config->held_bytes_max;
  env->link.plain_size = PLAIN_BYTES;
  env->link.plain = lti_alloc_get(dial->alloc, PLAIN_BYTES);
  env->header_bytes_max = config->header_bytes_max;
  env->http2 = config->http2;
  env->ping_ns = ns_of(config->ping_ms);
  env->ping_timeout_ns = ns_of(config->ping_timeout_ms);
  lti_list_init(&env->link.dirty);
  lti_list_init(&env->dead);
}

int lti_pool_open(const lti_dial_env *dial, leat_stats *stats, const lti_pool_config *config,
                  lti_pool_owner owner, lti_pool **pool) {
  lti_pool *p = lti_alloc_zero(dial->alloc, sizeof *p);
  if (!p) return LEAT_ENOMEM;
  p->config = *config;
  p->owner = owner;
  env_init(&p->env, dial, stats, config);
  p->env.link.encode = &p->encode;
  lti_buf_init(&p->encode, dial->alloc, ENCODE_BYTES_MAX, LEAT_EHEADER);
  p->encode.secret = true;
  lti_buf_init(&p->scratch, dial->alloc, 4096, LEAT_EURL);
  lti_list_init(&p->origins);
  lti_list_init(&p->shakes);
  lti_list_init(&p->steps);
  lti_map_init(&p->by_key, dial->alloc, config->seed);
  lti_prng_seed(&p->prng, config->seed[0] ^ config->seed[1]);
  int r = p->env.link.plain ? LTI_OK : LEAT_ENOMEM;
  bool proxied = config->proxy && *config->proxy;
  const char *why;
  if (r == LTI_OK && proxied)
    r = lti_proxy_init(&p->proxy, dial->alloc, lti_slice_of(config->proxy), &why);
  if (r != LTI_OK) {
    lti_pool_free(p);
    p = NULL;
  } else {
    p->proxied = proxied;
  }
  *pool = p;
  return r;
}

static void close_list(lti_list *list) {
  lti_list batch;
  lti_list_init(&batch);
  lti_list_take(&batch, list);
  while (!lti_list_empty(&batch)) {
    lti_conn *c = lti_conn_of(batch.next);
    lti_list_remove(lti_conn_node(c));
    lti_conn_close(c, NULL);
  }
}

void lti_pool_close(lti_pool *p) {
  p->closing = true;
  for (lti_list *n = p->origins.next; n != &p->origins; n = n->next) {
    lti_origin *o = LTI_CONTAINER_OF(n, lti_origin, node);
    close_list(&o->idle);
    close_list(&o->shared);
    close_list(&o->others);
  }
  lti_conn_reap_all(&p->env);
}

static void origin_free(lti_origin *o) {
  lti_pool *p = o->pool;
  assert(o->refs == 0 && o->conns == 0);
  lti_map_remove(&p->by_key, lti_buf_slice(&o->key));
  lti_list_remove(&o->node);
  p->origin_count--;
  lti_tls_session_free(o->session);
  lti_buf_deinit(&o->key);
  lti_alloc_put(p->env.link.dial.alloc, o);
}

void lti_pool_free(lti_pool *p) {
  lti_alloc *alloc = p->env.link.dial.alloc;
  while (!lti_list_empty(&p->origins))
    origin_free(LTI_CONTAINER_OF(p->origins.next, lti_origin, node));
  lti_map_deinit(&p->by_key);
  lti_tls_session_free(p->env.link.proxy_session);
  lti_tls_context_free(p->env.link.tls);
  if (p->proxied) lti_proxy_deinit(&p->proxy);
  lti_buf_deinit(&p->encode);
  lti_buf_deinit(&p->scratch);
  lti_alloc_wipe(alloc, p->env.link.plain, p->env.link.plain ? PLAIN_BYTES : 0);
  lti_alloc_wipe(alloc, p->env.link.outer, p->env.link.outer ? PLAIN_BYTES : 0);
  lti_alloc_put(alloc, p);
}

/* ---- origins */

static int origin_new(lti_pool *p, const lti_url *url, enum leat_http http, lti_origin **origin) {
  lti_origin *o = lti_alloc_zero(p->env.link.dial.alloc, sizeof *o);
  if (!o) return LEAT_ENOMEM;
  o->pool = p;
  o->url = *url;
  o->url.path = lti_slice(NULL, 0);
  lti_list_init(&o->node);
  o->wanted = http;
  o->spoken = http;
  o->proxied = p->proxied && !url->unix_socket &&
               !lti_proxy_bypassed(lti_slice_of(p->config.no_proxy), url->host, url->port);
  lti_list_init(&o->idle);
  lti_list_init(&o->shared);
  lti_list_init(&o->others);
  lti_list_init(&o->held);
  lti_buf_init(&o->key, p->env.link.dial.alloc, 4096, LEAT_EURL);
  int r = lti_buf_append(&o->key, lti_buf_slice(&p->scratch));
  if (r == LTI_OK) r = lti_map_add(&p->by_key, lti_buf_slice(&o->key), o);
  if (r != LTI_OK) {
    lti_buf_deinit(&o->key);
    lti_alloc_put(p->env.link.dial.alloc, o);
    return r;
  }
  lti_list_push(&p->origins, &o->node);
  p->origin_count++;
  *origin = o;
  return LTI_OK;
}

static void trim_origins(lti_pool *p) {
  lti_list *n = p->origins.next;
  while (p->origin_count > ORIGINS_KEPT && n != &p->origins) {
    lti_origin *o = LTI_CONTAINER_OF(n, lti_origin, node);
    n = n->next;
    if (o->refs == 0 && o->conns == 0) origin_free(o);
  }
}

int lti_pool_origin(lti_pool *p, const lti_url *url, enum leat_http http, lti_origin **origin) {
  if (http == LEAT_HTTP_AUTO && !url->tls) http = LEAT_HTTP_1; /* nothing could tell otherwise */
  lti_buf_clear(&p->scratch);
  int r = lti_url_origin(url, &p->scratch);
  if (r == LTI_OK) r = lti_buf_format(&p->scratch, " %d", (int)http);
  if (r != LTI_OK) return r;
  lti_origin *o = lti_map_get(&p->by_key, lti_buf_slice(&p->scratch));
  if (!o) {
    trim_origins(p);
    r = origin_new(p, url, http, &o);
    if (r != LTI_OK) return r;
  }
  lti_list_remove(&o->node);
  lti_list_push(&p->origins, &o->node);
  o->refs++;
  *origin = o;
  return LTI_OK;
}

int lti_pool_origin_http1(lti_origin *o, lti_origin **origin) {
  return lti_pool_origin(o->pool, &o->url, LEAT_HTTP_1, origin);
}

void lti_pool_origin_only_http2(lti_origin *o) {
  o->only_http2 = true;
}

void lti_pool_origin_keep(lti_origin *o) {
  o->refs++;
}

void lti_pool_origin_release(lti_origin *o) {
  assert(o->refs > 0);
  o->refs--;
}

const lti_url *lti_pool_origin_url(const lti_origin *o) {
  return &o->url;
}
void **lti_pool_origin_user(lti_origin *o) {
  return &o->user;
}

/* ---- lending */

static void to_others(lti_origin *o, lti_conn *c) {
  lti_list_remove(lti_conn_node(c));
  lti_list_push(&o->others, lti_conn_node(c));
}

static uint64_t now_of(const lti_origin *o) {
  return lti_loop_clock(o->pool->env.link.dial.loop);
}

static size_t conns_max(const lti_origin *o) {
  const lti_pool_config *config = &o->pool->config;
  switch (o->spoken) {
    case LEAT_HTTP_AUTO: return 1; /* until it has told what it speaks */
    case LEAT_HTTP_1: return (size_t)config->conns_max;
    case LEAT_HTTP_2: return (size_t)config->h2_conns_max;
  }
  return 0;
}

bool lti_pool_starved(const lti_origin *o) {
  return o->dial_after != 0 && now_of(o) < o->dial_after;
}

static bool can_dial(const lti_origin *o) {
  return !o->pool->closing && o->conns < conns_max(o) && !lti_pool_starved(o);
}

/* Too old for another request. The first one it always gets: else one that has to wait for a
 * server's first words might never be young enough. */
static bool retired(lti_conn *c, uint64_t now_ns) {
  if (now_ns < *lti_conn_retire(c) || !lti_conn_reused(c)) return false;
  lti_conn_leave(c);
  return true;
}

typedef struct candidate {
  lti_conn *conn;
  enum lti_place_verdict verdict;
  lti_conn_load load;
} candidate;

static bool improves(const candidate *c, const candidate *best, uint64_t body_size) {
  if (c->verdict != best->verdict) return c->verdict > best->verdict;
  return c->verdict != LTI_PLACE_FULL && lti_place_better(&c->load, &best->load, body_size);
}

typedef struct places {
  candidate best, stalled; /* of all, and of the stalled ones */
  size_t good, waits;      /* how many are that */
} places;

static void consider(places *p, const candidate *c, uint64_t body_size) {
  p->good += c->verdict == LTI_PLACE_GOOD;
  p->waits += c->verdict == LTI_PLACE_WAIT;
  if (improves(c, &p->best, body_size)) p->best = *c;
  if (c->verdict == LTI_PLACE_STALLED && improves(c, &p->stalled, body_size)) p->stalled = *c;
}

/* The best of the first few shared connections that are not full. Each goes to the list's end when
 * it was looked at, so that the full ones of hundreds are not met again for each request. */
static places find_places(lti_origin *o, uint64_t body_size) {
  places p = {.best.verdict = LTI_PLACE_FULL, .stalled.verdict = LTI_PLACE_FULL};
  uint64_t now_ns = now_of(o);
  lti_list *last = o->shared.prev, *n = last;
  for (size_t seen = 0; !lti_list_empty(&o->shared) && seen < CANDIDATES_MAX;) {
    n = o->shared.next;
    candidate c = {.conn = lti_conn_of(n)};
    bool at_end = n == last;
    lti_list_remove(n);
    lti_list_push(&o->shared, n);
    if (!retired(c.conn, now_ns)) {
      lti_conn_load_get(c.conn, &c.load);
      c.verdict = lti_place_judge(&c.load, body_size);
      seen += c.verdict != LTI_PLACE_FULL;
      consider(&p, &c, body_size);
    }
    if (at_end) break;
  }
  return p;
}

/* May it go over HTTP/1.1 instead? */
static bool can_leave(const lti_origin *o, bool at_home) {
  return !at_home && o->wanted == LEAT_HTTP_AUTO && o->spoken == LEAT_HTTP_2 && !o->only_http2;
}

bool lti_pool_elsewhere(const lti_origin *o, uint64_t body_size, bool at_home) {
  return can_leave(o, at_home) && lti_place_crawls(o->window_peak, body_size);
}

bool lti_pool_spare(const lti_origin *o, size_t waiting) {
  size_t idle = 0;
  for (lti_list *n = o->idle.next; n != &o->idle && idle <= waiting; n = n->next) idle++;
  size_t more = can_dial(o) ? conns_max(o) - o->conns : 0;
  return idle + more + o->opening > waiting;
}

/* The last one that nothing large waits on, and no further can be opened: small requests find their
 * way there, and a body that would fill it waits with its like. */
static bool kept_clear(const lti_origin *o, const places *p, uint64_t body_size) {
  if (p->good != 1 || p->stalled.verdict != LTI_PLACE_STALLED) return false;
  if (conns_max(o) < CLEAR_CONNS_MIN || can_dial(o)) return false;
  return lti_place_fills(p->best.load.window_peak, body_size);
}

static enum lti_pool_answer take_shared(lti_origin *o, uint64_t body_size, bool at_home,
                                        lti_conn **conn) {
  if (lti_pool_elsewhere(o, body_size, at_home)) return LTI_POOL_ELSEWHERE;
  places p = find_places(o, body_size);
  *conn = p.best.conn;
  switch (p.best.verdict) {
    case LTI_PLACE_FULL: return LTI_POOL_NONE;
    case LTI_PLACE_WAIT: return LTI_POOL_WAIT;
    case LTI_PLACE_GOOD:
      if (!kept_clear(o, &p, body_size)) return LTI_POOL_TAKEN;
      *conn = p.stalled.conn;
      if (p.waits > 0) return LTI_POOL_WAIT;
      break;
    case LTI_PLACE_STALLED: break;
  }
  /* What is being opened will be better. */
  if (o->opening > 0 || can_dial(o)) return LTI_POOL_NONE;
  bool hauls = lti_place_hauls(p.best.load.window_peak, body_size);
  return hauls && can_leave(o, at_home) ? LTI_POOL_ELSEWHERE : LTI_POOL_TAKEN;
}

enum lti_pool_answer lti_pool_take(lti_origin *o, uint64_t body_size, bool at_home,
                                   lti_conn **conn) {
  uint64_t now_ns = now_of(o);
  while (!lti_list_empty(&o->idle)) {
    lti_conn *c = lti_conn_of(o->idle.next);
    if (retired(c, now_ns)) continue; /* which has closed it */
    to_others(o, c);
    *conn = c;
    return LTI_POOL_TAKEN;
  }
  return take_shared(o, body_size, at_home, conn);
}

/* Connected, and its SETTINGS have not come. */
static bool unsettled(const lti_conn *c) {
  lti_conn_load load;
  lti_conn_load_get(c, &load);
  return lti_conn_state(c) == CONN_READY && !load.settled && !lti_conn_reused(c);
}

static void set_idle_alarm(lti_origin *o, lti_conn *c) {
  if (unsettled(c)) {
    lti_conn_alarm_set(c, lti_conn_ready_ns(c) + SETTLE_NS);
    return;
  }
  int64_t keep_ms = o->pool->config.keep_alive_ms;
  int64_t told_ms = lti_conn_keep_alive_ms(c);
  if (told_ms >= 0) {
    /* Before the server does: 4 s less than it says, or a quarter of very little. */
    int64_t safe_ms = told_ms > 5000 ? told_ms - 4000 : told_ms / 4;
    if (safe_ms < keep_ms) keep_ms = safe_ms;
  }
  if (!lti_conn_reused(c) && keep_ms < FRESH_MS) keep_ms = FRESH_MS;
  lti_conn_alarm_set(c, now_of(o) + (uint64_t)keep_ms * MS_NS);
}

void lti_pool_give(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  lti_list_remove(lti_conn_node(c));
  if (lti_conn_http(c) == LEAT_HTTP_2)
    lti_list_push(&o->shared, lti_conn_node(c));
  else
    lti_list_push_front(&o->idle, lti_conn_node(c));
  if (lti_conn_state(c) == CONN_READY) set_idle_alarm(o, c);
  o->pool->owner.sink->slot(o->pool->owner.ctx, o);
}

/* How many requests a connection that is being opened will carry, if all are like this one. */
static size_t expected(const lti_origin *o, uint64_t body_size) {
  if (o->spoken != LEAT_HTTP_2) return 1;
  if (o->window_peak > 0 && lti_place_fills(o->window_peak, body_size)) return 1;
  return o->streams_max ? o->streams_max : LTI_PLACE_CROWD;
}

bool lti_pool_room(const lti_origin *o, size_t waiting, uint64_t body_size) {
  if (!can_dial(o)) return false;
  return o->opening == 0 || waiting > o->opening * (expected(o, body_size) - 1);
}

bool lti_pool_crowded(const lti_origin *o) {
  if (o->spoken != LEAT_HTTP_2 || o->opening > 0 || !can_dial(o)) return false;
  for (lti_list *n = o->shared.next; n != &o->shared; n = n->next) {
    lti_conn_load load;
    lti_conn_load_get(lti_conn_of(n), &load);
    if (load.room > 0 && load.active < LTI_PLACE_CROWD) return false;
  }
  return !lti_list_empty(&o->shared);
}

bool lti_pool_serves(const lti_origin *o) {
  for (lti_list *n = o->shared.next; n != &o->shared; n = n->next) {
    lti_conn_load load;
    lti_conn_load_get(lti_conn_of(n), &load);
    if (load.room > 0) return true;
  }
  return false;
}

static int need_tls(lti_pool *p, const char **message) {
  if (p->env.link.tls) return LTI_OK;
  int r = lti_tls_context_new(p->env.link.dial.alloc, &p->config.tls, &p->env.link.tls, p->message,
                              sizeof p->message);
  *message = p->message;
  return r;
}

static void set_limit(const lti_origin *o, lti_conn *c, int64_t connect_ms) {
  uint64_t now_ns = lti_loop_clock(o->pool->env.link.dial.loop);
  *lti_conn_limit(c) = connect_ms < 0 ? UINT64_MAX : now_ns + (uint64_t)connect_ms * MS_NS;
  /* An earlier alarm sleeps on to the limit when it fires. */
  if (lti_conn_alarm_at(c) > *lti_conn_limit(c)) lti_conn_alarm_set(c, *lti_conn_limit(c));
}

static lti_conn_target target_of(const lti_origin *o) {
  static const enum lti_tls_alpn offers[] = {[LEAT_HTTP_AUTO] = LTI_TLS_ALPN_HTTP2_OR_1,
                                             [LEAT_HTTP_1] = LTI_TLS_ALPN_HTTP1,
                                             [LEAT_HTTP_2] = LTI_TLS_ALPN_HTTP2};
  lti_link_target link = {.host = o->url.host,
                          .port = o->url.port,
                          .tls = o->url.tls,
                          .unix_socket = o->url.unix_socket,
                          .alpn = offers[o->wanted],
                          .proxy = o->proxied ? &o->pool->proxy : NULL};
  return (lti_conn_target){.link = link,
                           .plain = o->wanted == LEAT_HTTP_2 ? CONN_PLAIN_HTTP2 : CONN_PLAIN_HTTP1};
}

int lti_pool_dial(lti_origin *o, void *wanted_by, int64_t connect_ms, const char **message) {
  lti_pool *p = o->pool;
  *message = NULL;
  bool tls = o->url.tls || (o->proxied && p->proxy.url.tls);
  int r = tls ? need_tls(p, message) : LTI_OK;
  if (r != LTI_OK) return r;
  lti_conn *c;
  lti_conn_target target = target_of(o);
  r = lti_conn_open(&p->env, &conn_sink, o, &target, &c);
  if (r != LTI_OK) return r;
  o->conns++;
  o->opening++;
  o->dial_after = 0;
  lti_conn_want(c, wanted_by);
  lti_list_push(&o->others, lti_conn_node(c));
  set_limit(o, c, connect_ms);
  lti_conn_dial(c);
  return LTI_OK;
}

size_t lti_pool_opening(const lti_origin *o) {
  return o->opening;
}

static lti_conn *find_wanted(const lti_origin *o, const void *wanted_by) {
  for (lti_list *n = o->others.next; n != &o->others; n = n->next) {
    lti_conn *c = lti_conn_of(n);
    if (lti_conn_wanted_by(c) == wanted_by && lti_conn_state(c) == CONN_OPENING) return c;
  }
  return NULL;
}

bool lti_pool_rebind(lti_origin *o, const void *wanted_by, void *now, int64_t connect_ms) {
  lti_conn *c = find_wanted(o, wanted_by);
  if (!c) return false;
  lti_conn_want(c, now);
  if (now) set_limit(o, c, connect_ms);
  return true;
}

bool lti_pool_resolving(const lti_origin *o, const void *wanted_by) {
  lti_conn *c = find_wanted(o, wanted_by);
  return c && lti_conn_resolving(c);
}

/* ---- handshakes in good order */

/* One that fails at once comes back here through on_closed: the outer loop goes on instead. */
static void shake_next(lti_pool *p) {
  if (p->in_shake_next) return;
  p->in_shake_next = true;
  while (p->shaking < (size_t)p->config.handshakes_max) {
    lti_list *n = lti_list_pop(&p->shakes);
    if (!n) break;
    lti_conn *c = lti_conn_of_turn(n);
    lti_origin *o = lti_conn_owner(c);
    p->shaking++;
    lti_conn_alarm_set(c, *lti_conn_limit(c));
    lti_conn_shake(c, o->session);
  }
  p->in_shake_next = false;
}

static void permit(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  lti_list_remove(lti_conn_turn(c));
  lti_list_push(&o->pool->shakes, lti_conn_turn(c));
}

static void permit_held(lti_origin *o) {
  while (!lti_list_empty(&o->held)) permit(lti_conn_of_turn(o->held.next));
}

static void on_connected(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  if (!o->url.tls) return;
  bool wait = !o->session && !o->no_tickets && o->first;
  if (!wait) {
    if (!o->session && !o->first) o->first = c;
    permit(c);
    shake_next(o->pool);
    return;
  }
  lti_list_push(&o->held, lti_conn_turn(c));
  uint64_t until = lti_loop_clock(o->pool->env.link.dial.loop) + HOLD_NS;
  lti_conn_alarm_set(c, until < *lti_conn_limit(c) ? until : *lti_conn_limit(c));
}

static void on_step(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  lti_list_remove(lti_conn_turn(c));
  lti_list_push(&o->pool->steps, lti_conn_turn(c));
}

static bool late_tickets(lti_conn *c) {
  return strcmp(lti_tls_version(lti_conn_tls(c)), "TLSv1.3") == 0;
}

/* A handshake has ended well: its session serves the connections to come. */
static void learn_session(lti_origin *o, lti_conn *c) {
  bool resumed = lti_conn_resumed_tls(c);
  if (!resumed || !o->session) {
    lti_tls_session *session = lti_tls_session_save(lti_conn_tls(c));
    if (session || !resumed) {
      lti_tls_session_free(o->session);
      o->session = session;
    }
  }
  /* With TLS 1.3 it comes later, and the others wait on for it. */
  if (!o->session && !resumed && !lti_tls_ticket_ready(lti_conn_tls(c)) && late_tickets(c)) return;
  if (!o->session) o->no_tickets = true;
  if (o->first == c) o->first = NULL;
  permit_held(o);
}

/* What an origin speaks is what its newest connection does. */
static void learn_http(lti_origin *o, lti_conn *c) {
  if (o->wanted == LEAT_HTTP_AUTO) o->spoken = lti_conn_http(c);
  int64_t age_ms = o->pool->config.conn_age_ms;
  if (age_ms < 0) return;
  uint64_t age_ns = (uint64_t)age_ms * MS_NS;
  *lti_conn_retire(c) = now_of(o) + age_ns - lti_prng_below(&o->pool->prng, age_ns / 4 + 1);
}

static void on_ready(lti_conn *c, bool fresh) {
  lti_origin *o = lti_conn_owner(c);
  lti_pool *p = o->pool;
  if (fresh) {
    learn_http(o, c);
    void *wanted_by = lti_conn_wanted_by(c);
    o->opening--;
    lti_conn_want(c, NULL);
    if (wanted_by) p->owner.sink->opened(p->owner.ctx, o, wanted_by);
    if (o->url.tls) {
      p->shaking--;
      learn_session(o, c);
    }
  } else if (o->first == c) {
    o->no_tickets = o->session == NULL; /* it would have come before an answer */
    o->first = NULL;
    permit_held(o);
  }
  if (!fresh && p->config.keep_alive_ms < 0) {
    lti_conn_close(c, NULL);
    return;
  }
  lti_pool_give(c);
  if (fresh && o->url.tls) shake_next(p);
}

/* The first handshake failed: the next in line is the first. */
static void promote(lti_origin *o) {
  o->first = NULL;
  if (lti_list_empty(&o->held)) return;
  o->first = lti_conn_of_turn(o->held.next);
  permit(o->first);
}

/* A server may choke on a ticket instead of refusing it, or speak another version of TLS by now:
 * the next handshake goes without one, and whoever waited for this one gets another at no charge.
 */
static bool doubt_session(lti_origin *o, const lti_conn *c, int error) {
  if (!lti_conn_shook(c) || (error != LEAT_ETLS && error != LEAT_ERESET)) return false;
  lti_tls_session_free(o->session);
  o->session = NULL;
  return lti_conn_offered(c);
}

static void on_ticket(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  learn_session(o, c);
  shake_next(o->pool);
}

static void on_changed(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  lti_conn_load load;
  lti_conn_load_get(c, &load);
  if (load.settled) {
    o->streams_max = load.streams_max;
    if (load.window_peak > o->window_peak) o->window_peak = load.window_peak;
  }
  /* Only its first words begin the wait: a server that goes on talking does not prolong it. */
  bool settles = load.settled && lti_conn_alarm_at(c) == lti_conn_ready_ns(c) + SETTLE_NS;
  if (settles && lti_conn_state(c) == CONN_READY) set_idle_alarm(o, c);
  o->pool->owner.sink->slot(o->pool->owner.ctx, o);
}

static void on_closed(lti_conn *c, const lti_failure *failure) {
  lti_origin *o = lti_conn_owner(c);
  lti_pool *p = o->pool;
  lti_failure doubted;
  bool was_opening = lti_conn_http(c) == LEAT_HTTP_AUTO;
  lti_list_remove(lti_conn_node(c));
  lti_list_remove(lti_conn_turn(c));
  o->conns--;
  if (was_opening) {
    o->opening--;
    if (lti_conn_shook(c)) p->shaking--;
    if (failure && doubt_session(o, c, failure->error)) {
      doubted = *failure;
      doubted.doubted = true;
      failure = &doubted;
    }
  }
  if (p->closing) return;
  if (o->first == c) promote(o);
  shake_next(p);
  if (failure && failure->error == LEAT_EFDLIMIT)
    o->dial_after = now_of(o) + FD_PAUSE_NS;
  else if (was_opening && failure && lti_pool_serves(o))
    o->dial_after = now_of(o) + DIAL_PAUSE_NS;
  bool own = !failure || failure->layer == LEAT_LAYER_API;
  if (was_opening)
    p->owner.sink->failed(p->owner.ctx, o, lti_conn_wanted_by(c), failure);
  else if (!own && !lti_conn_reused(c))
    p->owner.sink->wasted(p->owner.ctx, o, failure);
  p->owner.sink->slot(p->owner.ctx, o);
}

static void on_alarm(lti_conn *c, uint64_t now_ns) {
  lti_origin *o = lti_conn_owner(c);
  if (unsettled(c)) {
    lti_conn_close(c, &(lti_failure){.error = LEAT_ECONNTIMEOUT,
                                     .layer = LEAT_LAYER_HTTP,
                                     .message = "the server does not say a word of HTTP/2"});
  } else if (lti_conn_state(c) == CONN_READY) {
    lti_conn_close(c, NULL);
  } else if (now_ns < *lti_conn_limit(c)) {
    lti_conn_alarm_set(c, *lti_conn_limit(c));
    if (!lti_conn_waits(c)) return;
    permit(c); /* the first handshake takes too long to wait for */
    shake_next(o->pool);
  } else {
    bool names = lti_conn_resolving(c);
    lti_conn_close(c, &(lti_failure){.error = names ? LEAT_EDNSTIMEOUT : LEAT_ECONNTIMEOUT,
                                     .layer = names ? LEAT_LAYER_DNS : LEAT_LAYER_SOCKET});
  }
}

/* ---- end of turn */

bool lti_pool_turn(lti_pool *p) {
  lti_list *n = lti_list_pop(&p->steps);
  if (n) lti_conn_step(lti_conn_of_turn(n));
  lti_link_flush_all(&p->env.link);
  lti_conn_reap_all(&p->env);
  return !lti_list_empty(&p->steps) || !lti_list_empty(&p->env.link.dirty);
}
