/* Connections by origin: see pool.h, and pool_inside.h for the lists they are in. */
#include "io/pool_inside.h"

#include <assert.h>
#include <stdio.h>

#include "base/error.h"

#define HOLD_NS      (250ull * 1000 * 1000)
#define MS_NS        1000000ull
#define FRESH_MS     1000 /* at least so long a fresh connection waits for its first request */
#define ORIGINS_KEPT 256  /* origins that nobody uses, for their sessions */
/* A read slab, and a record that was half read before it. */
#define PLAIN_BYTES ((size_t)96 * 1024)

#define FD_PAUSE_NS      (100 * MS_NS)
#define DIAL_PAUSE_NS    (1000 * MS_NS)  /* after a further connection could not be opened */
#define SETTLE_NS        (10000 * MS_NS) /* for a server's first words */
#define ENCODE_BYTES_MAX ((size_t)4 * 1024 * 1024)

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
void lti_pool_origin_took(lti_origin *o) {
  o->taken++;
}

uint64_t lti_pool_origin_taken(const lti_origin *o) {
  return o->taken;
}

void **lti_pool_origin_user(lti_origin *o) {
  return &o->user;
}

/* ---- giving back */

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
  lti_conn_alarm_set(c, lti_pool_now(o) + (uint64_t)keep_ms * MS_NS);
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
  *lti_conn_retire(c) = lti_pool_now(o) + age_ns - lti_prng_below(&o->pool->prng, age_ns / 4 + 1);
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
  bool own = !failure || failure->layer == LEAT_LAYER_API;
  bool useless = was_opening || (!own && !lti_conn_reused(c));
  if (failure && failure->error == LEAT_EFDLIMIT)
    o->dial_after = lti_pool_now(o) + FD_PAUSE_NS;
  else if (useless && failure && lti_pool_serves(o))
    o->dial_after = lti_pool_now(o) + DIAL_PAUSE_NS;
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
