/* The places of the gate: one for each scheme, host and port, with its retry budget and its
 * circuit. See gate.h.
 *
 * What counts for the circuit is whether the place answers: any status below 500 closes it, also
 * 429 and 529, which the limits are for. */
#include "base/error.h"
#include "core/gate.h"

#define IDLE_MAX 256
#define FNV      1099511628211ull

static leat_slice key_of(const lti_gate_place *p) {
  return lti_slice((const char *)&p->key, sizeof p->key);
}

uint64_t lti_gate_place_key(const lti_request *r) {
  const lti_url *url = lti_pool_origin_url(r->origin);
  uint64_t h = 1469598103934665603ull ^ url->port;
  h = (h ^ (uint64_t)url->tls ^ (uint64_t)url->unix_socket << 1) * FNV;
  for (const char *at = url->host; *at; at++) h = (h ^ (unsigned char)*at) * FNV;
  return h;
}

static void place_free(lti_gate *g, lti_gate_place *p) {
  if (p->circuit.state != CIRCUIT_CLOSED) g->engine->stats.circuits_open--;
  lti_list_remove(&p->idle);
  lti_list_remove(&p->tripped);
  lti_map_remove(&g->places, key_of(p));
  lti_alloc_put(&g->engine->alloc, p);
}

static lti_gate_place *place_new(lti_gate *g, uint64_t key) {
  leat_engine *e = g->engine;
  lti_gate_place *p = lti_alloc_zero(&e->alloc, sizeof *p);
  if (!p) return NULL;
  p->key = key;
  lti_list_init(&p->idle);
  lti_list_init(&p->lines);
  lti_list_init(&p->passed);
  lti_list_init(&p->tripped);
  lti_budget_init(&p->budget, e->config.retry_budget, lti_loop_clock(e->loop));
  lti_circuit_init(&p->circuit, e->config.circuit_failures, e->config.circuit_ms);
  if (lti_map_add(&g->places, key_of(p), p) == LTI_OK) return p;
  lti_alloc_put(&e->alloc, p);
  return NULL;
}

lti_gate_place *lti_gate_find_place(lti_gate *g, uint64_t key) {
  lti_gate_place *p = lti_map_get(&g->places, lti_slice((const char *)&key, sizeof key));
  if (!p) p = place_new(g, key);
  if (!p) return NULL;
  if (!lti_list_empty(&p->idle)) {
    lti_list_remove(&p->idle);
    g->idle_places--;
  }
  p->line_count++;
  return p;
}

void lti_gate_release_place(lti_gate *g, lti_gate_place *p) {
  if (--p->line_count) return;
  lti_list_push(&g->places_idle, &p->idle);
  if (++g->idle_places <= IDLE_MAX) return;
  g->idle_places--;
  place_free(g, LTI_CONTAINER_OF(g->places_idle.next, lti_gate_place, idle));
}

/* ---- the circuit */

/* Did it fail to answer? */
static bool is_failure(const lti_request *r, int error) {
  if (error == LEAT_ESTATUS) return r->status >= 500 && r->status != 501 && r->status != 529;
  switch (leat_error_class(error)) {
    case LEAT_CLASS_RESOLVE:
    case LEAT_CLASS_CONNECT:
    case LEAT_CLASS_TLS: return error != LEAT_ECIRCUIT;
    default:
      return error == LEAT_EHTTP || error == LEAT_EDNSTIMEOUT || error == LEAT_ECONNTIMEOUT ||
             error == LEAT_EHEADTIMEOUT;
  }
}

static void close_circuit(lti_request *r, lti_gate_place *p) {
  if (p->circuit.state != CIRCUIT_CLOSED) {
    r->item.engine->stats.circuits_open--;
    lti_engine_trace(r->item.engine, r->item.id, "circuit closed");
  }
  lti_circuit_succeeded(&p->circuit);
  r->ticket->trial = false;
}

void lti_gate_place_heard(lti_request *r) {
  if (r->item.engine->config.circuit_failures <= 0) return;
  bool alive = r->status < 500 || r->status == 501 || r->status == 529;
  if (alive) close_circuit(r, r->ticket->line->place);
}

void lti_gate_place_ended(lti_request *r, int error) {
  leat_engine *e = r->item.engine;
  lti_ticket *t = r->ticket;
  lti_gate_place *p = t->line->place;
  if (e->config.circuit_failures <= 0) return;
  bool trial = t->trial, closed = p->circuit.state == CIRCUIT_CLOSED;
  uint64_t now = lti_loop_clock(e->loop);
  t->trial = false;
  if (!is_failure(r, error)) {
    if (trial) lti_circuit_spoiled(&p->circuit, now);
    return;
  }
  if (!lti_circuit_failed(&p->circuit, trial, now)) return;
  e->stats.circuits_opened++;
  if (closed) e->stats.circuits_open++;
  lti_engine_trace(e, r->item.id, "circuit open for %lld ms", (long long)e->config.circuit_ms);
  if (lti_list_empty(&p->tripped)) lti_list_push(&e->gate->tripped, &p->tripped);
  lti_engine_kick(e);
}

/* Those in its lines fail when they are looked at; those in line for a connection here. */
void lti_gate_trip(lti_gate_place *p) {
  lti_list batch;
  lti_list *n;
  lti_gate_mark_place(p);
  if (p->circuit.state != CIRCUIT_OPEN) return;
  lti_list_init(&batch);
  lti_list_take(&batch, &p->passed);
  while ((n = lti_list_pop(&batch))) {
    lti_ticket *t = LTI_CONTAINER_OF(n, lti_ticket, passed);
    t->request->retryable = true;
    lti_request_finish(t->request, &(lti_failure){.error = LEAT_ECIRCUIT, .layer = LEAT_LAYER_API});
  }
}

/* ---- the budget */

bool lti_gate_repeats(lti_request *r) {
  leat_engine *e = r->item.engine;
  if (e->config.retry_budget <= 0) return true;
  if (lti_budget_withdraw(&r->ticket->line->place->budget, lti_loop_clock(e->loop))) return true;
  e->stats.budget_refusals++;
  lti_engine_trace(e, r->item.id, "no repeat: the budget is spent");
  return false;
}
