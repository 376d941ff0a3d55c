/* Lending connections: see pool.h. An HTTP/1.1 connection that is idle suits everybody; of HTTP/2's
 * io/place says which suits best, and here it is weighed against what else could be had: one that
 * is being opened, one that could be, or HTTP/1.1. */
#include "io/place.h"
#include "io/pool_inside.h"

#define CANDIDATES_MAX  16
#define CLEAR_CONNS_MIN 4 /* of so many one is kept clear of what would fill it */

static void to_others(lti_origin *o, lti_conn *c) {
  lti_list_remove(lti_conn_node(c));
  lti_list_push(&o->others, lti_conn_node(c));
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
  return o->dial_after != 0 && lti_pool_now(o) < o->dial_after;
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
  uint64_t now_ns = lti_pool_now(o);
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
  uint64_t now_ns = lti_pool_now(o);
  while (!lti_list_empty(&o->idle)) {
    lti_conn *c = lti_conn_of(o->idle.next);
    if (retired(c, now_ns)) continue; /* which has closed it */
    to_others(o, c);
    *conn = c;
    return LTI_POOL_TAKEN;
  }
  return take_shared(o, body_size, at_home, conn);
}

/* ---- opening another */

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
