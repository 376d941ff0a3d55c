/* The gate: tickets, lanes, and lines that let go who may. See gate.h. */
#include "core/gate.h"

#include <assert.h>

#include "base/error.h"

#define LINES_IDLE_MAX 1024
/* Of one place in the queue for connections: enough to open as many at once. */
#define PASSED_MAX 64
/* Of one line at a time, so that those of one place take turns. */
#define PASSES_A_TURN 8

static void on_alarm(lti_alarm *alarm, uint64_t now_ns);
static void line_free(lti_gate *g, lti_gate_line *l);

lti_gate *lti_gate_new(leat_engine *e) {
  const leat_config *c = &e->config;
  lti_gate *g = lti_alloc_zero(&e->alloc, sizeof *g);
  if (!g) return NULL;
  uint64_t seed[2] = {lti_prng_next(&e->prng), lti_prng_next(&e->prng)};
  g->engine = e;
  lti_lanes_init(&g->lanes, &e->alloc, seed);
  lti_map_init(&g->lines, &e->alloc, seed);
  lti_map_init(&g->places, &e->alloc, seed);
  lti_list_init(&g->dirty);
  lti_list_init(&g->lines_idle);
  lti_list_init(&g->places_idle);
  lti_list_init(&g->tripped);
  g->limits = c->learn_limits || c->limit_count;
  g->always = g->limits || c->retry_budget > 0 || c->circuit_failures > 0;
  return g;
}

void lti_gate_free(lti_gate *g) {
  lti_list *n;
  if (!g) return;
  assert(g->waiting == 0);
  while ((n = lti_list_pop(&g->lines_idle))) line_free(g, LTI_CONTAINER_OF(n, lti_gate_line, idle));
  while ((n = lti_list_pop(&g->places_idle))) {
    lti_gate_place *p = LTI_CONTAINER_OF(n, lti_gate_place, idle);
    lti_map_remove(&g->places, lti_slice((const char *)&p->key, sizeof p->key));
    lti_alloc_put(&g->engine->alloc, p);
  }
  lti_lanes_deinit(&g->lanes);
  lti_map_deinit(&g->lines);
  lti_map_deinit(&g->places);
  lti_alloc_put(&g->engine->alloc, g);
}

void lti_gate_mark_place(lti_gate_place *p) {
  for (lti_list *n = p->lines.next; n != &p->lines; n = n->next)
    lti_gate_mark(LTI_CONTAINER_OF(n, lti_gate_line, of_place));
}

void lti_gate_mark(lti_gate_line *l) {
  lti_gate *g = l->gate;
  if (l->fair.size == 0 || !lti_list_empty(&l->dirty)) return;
  lti_list_push(&g->dirty, &l->dirty);
  lti_engine_kick(g->engine);
}

bool lti_gate_due(const lti_gate *g) {
  return !lti_list_empty(&g->dirty) || !lti_list_empty(&g->tripped);
}

/* ---- lines */

static leat_slice key_of(const lti_gate_line *l) {
  return lti_slice((const char *)&l->key, sizeof l->key);
}

static void line_free(lti_gate *g, lti_gate_line *l) {
  leat_engine *e = g->engine;
  lti_list_remove(&l->idle);
  lti_list_remove(&l->dirty);
  lti_list_remove(&l->of_place);
  lti_map_remove(&g->lines, key_of(l));
  lti_alarm_leave(&e->alarms, &l->alarm);
  lti_fair_deinit(&l->fair);
  lti_gate_release_place(g, l->place);
  lti_alloc_put(&e->alloc, l);
}

static lti_gate_line *line_new(lti_gate *g, uint64_t key, uint64_t place,
                               const lti_limiter_rules *rules) {
  leat_engine *e = g->engine;
  lti_gate_line *l = lti_alloc_zero(&e->alloc, sizeof *l);
  if (!l) return NULL;
  l->key = key;
  l->gate = g;
  lti_list_init(&l->of_place);
  lti_list_init(&l->dirty);
  lti_list_init(&l->idle);
  lti_fair_init(&l->fair, &e->alloc);
  lti_limiter_init(&l->limiter, rules, lti_loop_clock(e->loop));
  if (lti_alarm_join(&e->alarms, &l->alarm, on_alarm) != LTI_OK) goto no_alarm;
  l->place = lti_gate_find_place(g, place);
  if (l->place && lti_map_add(&g->lines, key_of(l), l) == LTI_OK) {
    lti_list_push(&l->place->lines, &l->of_place);
    return l;
  }
  if (l->place) lti_gate_release_place(g, l->place);
  lti_alarm_leave(&e->alarms, &l->alarm);
no_alarm:
  lti_alloc_put(&e->alloc, l);
  return NULL;
}

static lti_gate_line *find_line(lti_gate *g, uint64_t key, uint64_t place,
                                const lti_limiter_rules *rules) {
  lti_gate_line *l = lti_map_get(&g->lines, lti_slice((const char *)&key, sizeof key));
  if (!l) l = line_new(g, key, place, rules);
  if (!l) return NULL;
  if (!lti_list_empty(&l->idle)) {
    lti_list_remove(&l->idle);
    g->idle_lines--;
  }
  l->tickets++;
  return l;
}

/* A line without limits has learned nothing that would be missed. */
static void release_line(lti_gate *g, lti_gate_line *l) {
  if (--l->tickets) return;
  if (!g->limits) {
    line_free(g, l);
    return;
  }
  lti_alarm_set(&g->engine->alarms, &l->alarm, UINT64_MAX);
  lti_list_push(&g->lines_idle, &l->idle);
  if (++g->idle_lines <= LINES_IDLE_MAX) return;
  g->idle_lines--;
  line_free(g, LTI_CONTAINER_OF(g->lines_idle.next, lti_gate_line, idle));
}

static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  (void)now_ns;
  lti_gate_mark(LTI_CONTAINER_OF(alarm, lti_gate_line, alarm));
}

/* ---- tickets */

static lti_gate *gate_of(const lti_request *r) {
  return r->item.engine->gate;
}

static int find_own_line(lti_request *r, const leat_request *wanted) {
  lti_gate *g = gate_of(r);
  lti_limiter_rules rules;
  uint64_t place = lti_gate_place_key(r);
  uint64_t key = lti_gate_measure(r, wanted, place, &rules);
  lti_gate_line *l = find_line(g, key, place, &rules);
  if (!l) return LEAT_ENOMEM;
  if (r->ticket->line) {
    lti_fair_end(&r->ticket->line->fair, &r->ticket->turn);
    release_line(g, r->ticket->line);
  }
  r->ticket->line = l;
  return LTI_OK;
}

const char *lti_gate_refuses(const leat_request *q) {
  if (q->lane_weight < 0 || q->lane_weight > LTI_FAIR_WEIGHT_MAX)
    return "lane_weight is 1 to 1,000";
  if (q->priority < -LTI_FAIR_PRIORITY_MAX || q->priority > LTI_FAIR_PRIORITY_MAX)
    return "priority is -8 to 8";
  if (q->supersede && !q->lane) return "supersede without a lane";
  if (q->tokens < 0) return "tokens is negative";
  if (q->resumes_max < LEAT_NONE) return "resumes_max is negative";
  return NULL;
}

int lti_gate_open(lti_request *r, const leat_request *wanted) {
  lti_gate *g = gate_of(r);
  leat_engine *e = r->item.engine;
  if (!g->always && !wanted->lane && !wanted->priority) return LTI_OK;
  lti_ticket *t = lti_alloc_zero(&e->alloc, sizeof *t);
  if (!t) return LEAT_ENOMEM;
  r->ticket = t;
  r->noted = g->limits;
  t->request = r;
  t->used_input = t->used_output = -1;
  lti_list_init(&t->passed);
  lti_lane_item_init(&t->lane);
  lti_fair_item_init(&t->turn, wanted->priority, wanted->lane_weight, wanted->lane != NULL);
  int rc = find_own_line(r, wanted);
  if (rc == LTI_OK && wanted->lane)
    rc = lti_lanes_join(&g->lanes, &t->lane, lti_slice_of(wanted->lane));
  return rc; /* lti_gate_close undoes it */
}

int lti_gate_renew(lti_request *r, const leat_request *wanted) {
  lti_ticket *t = r->ticket;
  const lti_gate_line *before = t->line;
  int rc = find_own_line(r, wanted);
  if (t->line != before) t->had_turn = false;
  return rc;
}

static lti_ticket *ticket_of_lane(lti_lane_item *item) {
  return item ? LTI_CONTAINER_OF(item, lti_ticket, lane) : NULL;
}

static int stand_in_line(lti_ticket *t) {
  lti_gate *g = gate_of(t->request);
  int rc = t->had_turn ? lti_fair_return(&t->line->fair, &t->turn)
                       : lti_fair_push(&t->line->fair, &t->turn);
  if (rc != LTI_OK) return rc;
  t->state = TICKET_LINE;
  t->closed = t->line->closed;
  g->limited++;
  lti_gate_mark(t->line);
  return LTI_OK;
}

/* The next of a lane has the place of the one before, if it stands in the same line. */
static void hand_on(lti_ticket *from, lti_ticket *next) {
  if (!next || next->state != TICKET_LANE) return;
  if (next->line == from->line) lti_fair_hand_on(&from->turn, &next->turn);
  next->state = TICKET_AWAY;
  if (stand_in_line(next) == LTI_OK) return;
  gate_of(next->request)->waiting--;
  lti_request_finish(next->request, &(lti_failure){.error = LEAT_ENOMEM, .layer = LEAT_LAYER_API});
}

void lti_gate_close(lti_request *r) {
  lti_gate *g = gate_of(r);
  lti_ticket *t = r->ticket;
  if (!t) return;
  lti_gate_ended(r, LEAT_ECANCELLED);
  lti_gate_leave(r);
  hand_on(t, ticket_of_lane(lti_lanes_leave(&g->lanes, &t->lane)));
  if (t->line) {
    lti_fair_end(&t->line->fair, &t->turn);
    release_line(g, t->line);
  }
  lti_alloc_put(&r->item.engine->alloc, t);
  r->ticket = NULL;
}

int lti_gate_wait(lti_request *r, bool again) {
  lti_gate *g = gate_of(r);
  lti_ticket *t = r->ticket;
  if (!again && g->waiting >= (size_t)r->item.engine->config.queue_max) return LEAT_EQUEUEFULL;
  lti_gate_ended(r, LEAT_ECANCELLED);
  assert(t->state == TICKET_AWAY);
  r->lease.connect_ns = 0;
  t->since_ns = lti_loop_clock(r->item.engine->loop);
  if (t->lane.lane && !lti_lanes_first(&t->lane)) {
    t->state = TICKET_LANE;
  } else {
    int rc = stand_in_line(t);
    if (rc != LTI_OK) return rc;
  }
  g->waiting++;
  return LTI_OK;
}

static void add_wait(lti_ticket *t) {
  lti_gate *g = gate_of(t->request);
  g->waiting--;
  t->limited_ns += lti_loop_clock(g->engine->loop) - t->since_ns;
}

void lti_gate_leave(lti_request *r) {
  lti_gate *g = gate_of(r);
  lti_ticket *t = r->ticket;
  switch (t->state) {
    case TICKET_LINE:
      lti_fair_end(&t->line->fair, &t->turn);
      g->limited--;
      add_wait(t);
      break;
    case TICKET_LANE: add_wait(t); break;
    case TICKET_PASSED:
    case TICKET_OUT: return; /* lti_gate_ended says how */
    case TICKET_AWAY: break;
  }
  t->state = TICKET_AWAY;
  if (!t->trial) return;
  t->trial = false;
  lti_circuit_spoiled(&t->line->place->circuit, lti_loop_clock(g->engine->loop));
}

/* One of the place's in the queue for connections is there no more: another may be. */
static void unpass(lti_ticket *t) {
  lti_gate_place *p = t->line->place;
  lti_list_remove(&t->passed);
  if (p->passed_count-- >= PASSED_MAX) lti_gate_mark_place(p);
}

void lti_gate_return(lti_ticket *t) {
  if (t->state == TICKET_PASSED) unpass(t);
  t->state = TICKET_AWAY;
  lti_gate_mark(t->line);
}

void lti_gate_granted(lti_request *r) {
  lti_ticket *t = r->ticket;
  if (t->state == TICKET_PASSED) unpass(t);
  t->state = TICKET_OUT;
}

uint64_t lti_gate_limited_ns(const lti_request *r) {
  return r->ticket->limited_ns;
}

void lti_gate_supersede(lti_request *r) {
  lti_lane_item *before = &r->ticket->lane;
  while ((before = lti_lanes_before(before)))
    lti_request_supersede(ticket_of_lane(before)->request);
}

/* ---- letting go */

static void fail(lti_ticket *t, int error, const char *message) {
  t->request->retryable = error == LEAT_ECIRCUIT;
  lti_request_finish(t->request,
                     &(lti_failure){.error = error, .layer = LEAT_LAYER_API, .message = message});
}

/* Into the queue for connections, where it is not counted again. */
static void pass(lti_gate_line *l, lti_ticket *t, uint64_t now) {
  lti_gate *g = l->gate;
  leat_engine *e = g->engine;
  lti_request *r = t->request;
  lti_fair_serve(&l->fair, &t->turn);
  g->limited--;
  add_wait(t);
  if (t->closed != l->closed) e->stats.limiter_waits++;
  t->had_turn = true;
  t->state = TICKET_PASSED;
  lti_list_push(&l->place->passed, &t->passed);
  l->place->passed_count++;
  lti_limiter_take(&l->limiter, &t->claim, now);
  if (!t->paid && e->config.retry_budget > 0) lti_budget_deposit(&l->place->budget);
  t->paid = true;
  int rc = lti_dispatch_want(&e->dispatch, &r->lease, r->origin, false);
  if (rc != LTI_OK) fail(t, rc, NULL);
}

/* True: the one in turn was dealt with, and another may be. */
static bool serve_one(lti_gate_line *l, uint64_t now) {
  lti_fair_item *item = lti_fair_peek(&l->fair);
  if (!item) return false;
  lti_ticket *t = LTI_CONTAINER_OF(item, lti_ticket, turn);
  if (!t->trial && l->place->circuit.state != CIRCUIT_CLOSED &&
      !lti_circuit_admit(&l->place->circuit, now, &t->trial)) {
    fail(t, LEAT_ECIRCUIT, NULL);
    return true;
  }
  if (t->exact && lti_limiter_never(&l->limiter, t->claim.cost[LIMITER_TOKENS])) {
    fail(t, LEAT_ELIMIT, NULL);
    return true;
  }
  if (l->place->passed_count >= PASSED_MAX) return false;
  uint64_t at = lti_limiter_when(&l->limiter, &t->claim, now);
  if (at <= now) {
    pass(l, t, now);
    return true;
  }
  l->closed++;
  if (at != LTI_BUCKET_NEVER) lti_alarm_set(&l->gate->engine->alarms, &l->alarm, at);
  return false;
}

static void serve(lti_gate_line *l) {
  uint64_t now = lti_loop_clock(l->gate->engine->loop);
  for (int n = 0; n < PASSES_A_TURN; n++)
    if (!serve_one(l, now)) return;
  lti_gate_mark(l);
}

/* Several times over the lines, until none has anybody left that may go, or for so long. */
void lti_gate_turn(lti_gate *g) {
  lti_list *n;
  while ((n = lti_list_pop(&g->tripped)))
    lti_gate_trip(LTI_CONTAINER_OF(n, lti_gate_place, tripped));
  for (int steps = 0; steps < PASSED_MAX && (n = lti_list_pop(&g->dirty)); steps++)
    serve(LTI_CONTAINER_OF(n, lti_gate_line, dirty));
}
