/* Connections by origin: see pool.h.
 *
 * A connection's list node is in its origin's `idle` (READY, most recent first) or `others`; its
 * turn node is in `held` (waits for the first handshake's ticket), in the pool's `shakes` (waits
 * for a place among handshakes_max) or `steps` (its flight waits for an expensive step). */
#include "io/pool.h"

#include <assert.h>
#include <stdio.h>

#include "base/error.h"

#define HOLD_NS      (250ull * 1000 * 1000)
#define MS_NS        1000000ull
#define FRESH_MS     1000 /* at least so long a fresh connection waits for its first request */
#define ORIGINS_KEPT 256  /* origins that nobody uses, for their sessions */
#define PLAIN_BYTES                                                            \
  ((size_t)96 * 1024) /* a read slab and a record that was half read before it \
                       */
#define FD_PAUSE_NS      (100 * MS_NS)
#define ENCODE_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct lti_origin {
  lti_pool *pool;
  lti_list node; /* pool->origins, least recently used first */
  lti_url url;
  lti_buf key;
  lti_list idle, others;
  lti_list held;
  lti_conn *first; /* shakes hands in full while others wait */
  lti_tls_session *session;
  void *user;
  size_t refs, conns, opening;
  uint64_t dial_after; /* no descriptor was left: not before this */
  bool no_tickets;
};

struct lti_pool {
  lti_conn_env env;
  lti_pool_config config;
  lti_pool_owner owner;
  lti_map by_key;
  lti_list origins;
  size_t origin_count, shaking;
  lti_list shakes, steps;
  lti_buf encode, scratch;
  bool closing, in_shake_next;
  char message[256];
};

static void on_connected(lti_conn *c);
static void on_step(lti_conn *c);
static void on_ready(lti_conn *c, bool fresh);
static void on_closed(lti_conn *c, const lti_failure *failure);
static void on_alarm(lti_conn *c, uint64_t now_ns);

static const lti_conn_sink conn_sink = {on_connected, on_step, on_ready, on_closed, on_alarm};

/* ---- life */

int lti_pool_open(const lti_dial_env *dial, leat_stats *stats, const lti_pool_config *config,
                  lti_pool_owner owner, lti_pool **pool) {
  lti_pool *p = lti_alloc_zero(dial->alloc, sizeof *p);
  if (!p) return LEAT_ENOMEM;
  p->config = *config;
  p->owner = owner;
  p->env.dial = *dial;
  p->env.stats = stats;
  p->env.header_bytes_max = config->header_bytes_max;
  p->env.held_bytes_max = config->held_bytes_max;
  p->env.plain_size = PLAIN_BYTES;
  p->env.plain = lti_alloc_get(dial->alloc, PLAIN_BYTES);
  p->env.encode = &p->encode;
  lti_buf_init(&p->encode, dial->alloc, ENCODE_BYTES_MAX, LEAT_EHEADER);
  p->encode.secret = true;
  lti_buf_init(&p->scratch, dial->alloc, 4096, LEAT_EURL);
  lti_list_init(&p->env.dirty);
  lti_list_init(&p->env.dead);
  lti_list_init(&p->origins);
  lti_list_init(&p->shakes);
  lti_list_init(&p->steps);
  lti_map_init(&p->by_key, dial->alloc, config->seed);
  *pool = p;
  if (p->env.plain) return LTI_OK;
  lti_pool_free(p);
  *pool = NULL;
  return LEAT_ENOMEM;
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
  lti_alloc_put(p->env.dial.alloc, o);
}

void lti_pool_free(lti_pool *p) {
  lti_alloc *alloc = p->env.dial.alloc;
  while (!lti_list_empty(&p->origins))
    origin_free(LTI_CONTAINER_OF(p->origins.next, lti_origin, node));
  lti_map_deinit(&p->by_key);
  lti_tls_context_free(p->env.tls);
  lti_buf_deinit(&p->encode);
  lti_buf_deinit(&p->scratch);
  lti_alloc_wipe(alloc, p->env.plain, p->env.plain ? PLAIN_BYTES : 0);
  lti_alloc_put(alloc, p);
}

/* ---- origins */

static int origin_new(lti_pool *p, const lti_url *url, lti_origin **origin) {
  lti_origin *o = lti_alloc_zero(p->env.dial.alloc, sizeof *o);
  if (!o) return LEAT_ENOMEM;
  o->pool = p;
  o->url = *url;
  o->url.path = lti_slice(NULL, 0);
  lti_list_init(&o->node);
  lti_list_init(&o->idle);
  lti_list_init(&o->others);
  lti_list_init(&o->held);
  lti_buf_init(&o->key, p->env.dial.alloc, 4096, LEAT_EURL);
  int r = lti_buf_append(&o->key, lti_buf_slice(&p->scratch));
  if (r == LTI_OK) r = lti_map_add(&p->by_key, lti_buf_slice(&o->key), o);
  if (r != LTI_OK) {
    lti_buf_deinit(&o->key);
    lti_alloc_put(p->env.dial.alloc, o);
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

int lti_pool_origin(lti_pool *p, const lti_url *url, lti_origin **origin) {
  lti_buf_clear(&p->scratch);
  int r = lti_url_origin(url, &p->scratch);
  if (r != LTI_OK) return r;
  lti_origin *o = lti_map_get(&p->by_key, lti_buf_slice(&p->scratch));
  if (!o) {
    trim_origins(p);
    r = origin_new(p, url, &o);
    if (r != LTI_OK) return r;
  }
  lti_list_remove(&o->node);
  lti_list_push(&p->origins, &o->node);
  o->refs++;
  *origin = o;
  return LTI_OK;
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

lti_conn *lti_pool_take(lti_origin *o) {
  if (lti_list_empty(&o->idle)) return NULL;
  lti_conn *c = lti_conn_of(o->idle.next);
  to_others(o, c);
  return c;
}

static void set_idle_alarm(lti_origin *o, lti_conn *c) {
  int64_t keep_ms = o->pool->config.keep_alive_ms;
  int64_t told_ms = lti_conn_keep_alive_ms(c);
  if (told_ms >= 0) {
    /* Before the server does: 4 s less than it says, or a quarter of very little. */
    int64_t safe_ms = told_ms > 5000 ? told_ms - 4000 : told_ms / 4;
    if (safe_ms < keep_ms) keep_ms = safe_ms;
  }
  if (!lti_conn_reused(c) && keep_ms < FRESH_MS) keep_ms = FRESH_MS;
  lti_conn_alarm_set(c, lti_loop_clock(o->pool->env.dial.loop) + (uint64_t)keep_ms * MS_NS);
}

void lti_pool_give(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  lti_list_remove(lti_conn_node(c));
  lti_list_push_front(&o->idle, lti_conn_node(c));
  set_idle_alarm(o, c);
  o->pool->owner.sink->slot(o->pool->owner.ctx, o);
}

bool lti_pool_starved(const lti_origin *o) {
  return o->dial_after != 0 && lti_loop_clock(o->pool->env.dial.loop) < o->dial_after;
}

bool lti_pool_room(const lti_origin *o) {
  if (o->pool->closing || o->conns >= (size_t)o->pool->config.conns_max) return false;
  return !lti_pool_starved(o);
}

static int need_tls(lti_pool *p, const char **message) {
  if (p->env.tls) return LTI_OK;
  int r = lti_tls_context_new(p->env.dial.alloc, &p->config.tls, &p->env.tls, p->message,
                              sizeof p->message);
  *message = p->message;
  return r;
}

static void set_limit(const lti_origin *o, lti_conn *c, int64_t connect_ms) {
  uint64_t now_ns = lti_loop_clock(o->pool->env.dial.loop);
  *lti_conn_limit(c) = connect_ms < 0 ? UINT64_MAX : now_ns + (uint64_t)connect_ms * MS_NS;
  /* An earlier alarm sleeps on to the limit when it fires. */
  if (lti_conn_alarm_at(c) > *lti_conn_limit(c)) lti_conn_alarm_set(c, *lti_conn_limit(c));
}

int lti_pool_dial(lti_origin *o, void *wanted_by, int64_t connect_ms, const char **message) {
  lti_pool *p = o->pool;
  *message = NULL;
  int r = o->url.tls ? need_tls(p, message) : LTI_OK;
  if (r != LTI_OK) return r;
  lti_conn *c;
  lti_conn_target target = {o->url.host, o->url.port, o->url.tls, o->url.unix_socket};
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
    if (lti_conn_wanted_by(c) == wanted_by && lti_conn_state(c) <= CONN_SHAKING) return c;
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
  uint64_t until = lti_loop_clock(o->pool->env.dial.loop) + HOLD_NS;
  lti_conn_alarm_set(c, until < *lti_conn_limit(c) ? until : *lti_conn_limit(c));
}

static void on_step(lti_conn *c) {
  lti_origin *o = lti_conn_owner(c);
  lti_list_remove(lti_conn_turn(c));
  lti_list_push(&o->pool->steps, lti_conn_turn(c));
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
  if (!o->session) o->no_tickets = true;
  if (o->first == c) o->first = NULL;
  permit_held(o);
}

static void on_ready(lti_conn *c, bool fresh) {
  lti_origin *o = lti_conn_owner(c);
  lti_pool *p = o->pool;
  if (fresh) {
    void *wanted_by = lti_conn_wanted_by(c);
    o->opening--;
    lti_conn_want(c, NULL);
    if (wanted_by) p->owner.sink->opened(p->owner.ctx, o, wanted_by);
    if (o->url.tls) {
      p->shaking--;
      learn_session(o, c);
    }
  } else if (p->config.keep_alive_ms < 0) {
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

/* A server may choke on a ticket instead of refusing it: the next handshake goes without one. */
static void doubt_session(lti_origin *o, int error) {
  if (error != LEAT_ETLS && error != LEAT_ERESET) return;
  lti_tls_session_free(o->session);
  o->session = NULL;
}

static void on_closed(lti_conn *c, const lti_failure *failure) {
  lti_origin *o = lti_conn_owner(c);
  lti_pool *p = o->pool;
  bool was_opening = lti_conn_ready_ns(c) == 0;
  lti_list_remove(lti_conn_node(c));
  lti_list_remove(lti_conn_turn(c));
  o->conns--;
  if (was_opening) {
    o->opening--;
    if (lti_conn_shook(c)) p->shaking--;
    if (lti_conn_shook(c) && failure) doubt_session(o, failure->error);
  }
  if (p->closing) return;
  if (o->first == c) promote(o);
  shake_next(p);
  if (failure && failure->error == LEAT_EFDLIMIT)
    o->dial_after = lti_loop_clock(p->env.dial.loop) + FD_PAUSE_NS;
  if (was_opening) p->owner.sink->failed(p->owner.ctx, o, lti_conn_wanted_by(c), failure);
  p->owner.sink->slot(p->owner.ctx, o);
}

static void on_alarm(lti_conn *c, uint64_t now_ns) {
  lti_origin *o = lti_conn_owner(c);
  if (lti_conn_state(c) == CONN_READY) {
    lti_conn_close(c, NULL);
  } else if (now_ns < *lti_conn_limit(c)) {
    lti_conn_alarm_set(c, *lti_conn_limit(c));
    if (lti_conn_state(c) != CONN_CONNECTED) return;
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
  lti_conn_flush_all(&p->env);
  lti_conn_reap_all(&p->env);
  return !lti_list_empty(&p->steps) || !lti_list_empty(&p->env.dirty);
}
