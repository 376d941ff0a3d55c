/* Who may ask for a connection: the gate of lanes, limits and circuits before core/dispatch.
 *
 *   submit --> LANE --its turn--> LINE --the limits have room--> PASSED --a connection--> OUT
 *                                  ^                                                      |
 *                                  +------------ another attempt <------ AWAY <-----------+
 *
 * A request that has a lane or a priority, or any of an engine with limits, a retry budget or a
 * circuit, has a ticket; the others never come here. A line is a key and a model at one place, or
 * where nothing is limited all of one place; it holds who waits in the order of plan/fair, and lets
 * go as many as its limiter admits. Few of a place stand in the queue for connections at a time:
 * turns are given out here, where weights and priorities count.
 *
 * A place is an origin as its URL names it: it has the retry budget and the circuit. Lines and
 * places outlive their requests, for what they have learned, and the least used are forgotten.
 *
 * Nothing here calls the caller: who fails here is told from the engine's turn. gate.c has the
 * tickets and the lines, gate_meter.c what is limited and learned, gate_place.c the places. */
#ifndef LTI_GATE_H
#define LTI_GATE_H

#include "core/request.h"
#include "plan/budget.h"
#include "plan/circuit.h"
#include "plan/fair.h"
#include "plan/lanes.h"
#include "plan/limiter.h"

typedef struct lti_gate_place {
  uint64_t key;
  lti_list idle; /* in gate->places_idle while no line is left */
  lti_list lines, passed;
  lti_list tripped; /* in gate->tripped: its circuit has opened */
  size_t passed_count, line_count;
  lti_budget budget;
  lti_circuit circuit;
} lti_gate_place;

typedef struct lti_gate_line {
  uint64_t key;
  lti_gate *gate;
  lti_gate_place *place;
  lti_list of_place, dirty, idle;
  lti_fair fair;
  lti_limiter limiter;
  lti_alarm alarm;
  size_t tickets;  /* how many belong here */
  uint64_t closed; /* how often its limits have held somebody back */
} lti_gate_line;

enum lti_ticket_state { TICKET_AWAY, TICKET_LANE, TICKET_LINE, TICKET_PASSED, TICKET_OUT };

typedef struct lti_ticket {
  lti_request *request;
  enum lti_ticket_state state;
  lti_gate_line *line;
  lti_lane_item lane;
  lti_fair_item turn;
  lti_list passed; /* in place->passed */
  lti_limiter_claim claim;
  uint64_t since_ns, limited_ns, closed;
  int64_t used_input, used_output; /* as the answer tells, -1: not yet */
  bool exact;                      /* the caller has said what it costs */
  bool had_turn, paid, trial;
} lti_ticket;

struct lti_gate {
  leat_engine *engine;
  lti_lanes lanes;
  lti_map lines, places;            /* by their keys */
  lti_list dirty;                   /* lines that may let somebody go */
  lti_list lines_idle, places_idle; /* the least used first */
  lti_list tripped;
  size_t idle_lines, idle_places;
  size_t waiting; /* in lanes and lines */
  size_t limited; /* of them those in lines */
  bool limits;    /* what a request costs matters */
  bool always;    /* every request has a ticket */
};

/* NULL without memory; NULL is fine to free. Nobody may wait any more then. */
lti_gate *lti_gate_new(leat_engine *e);
void lti_gate_free(lti_gate *g);
/* Lets go who may: requests may finish, or stand in line for a connection, behind it. */
void lti_gate_turn(lti_gate *g);
bool lti_gate_due(const lti_gate *g);

/* ---- of a request: those behind lti_gate_open are for one that has a ticket */

/* What is wrong with what it wants here, NULL: nothing. */
const char *lti_gate_refuses(const leat_request *wanted);
/* Gives it a ticket if it needs one. LEAT_ENOMEM. */
int lti_gate_open(lti_request *r, const leat_request *wanted);
/* It is over: the next of its lane has its turn. Harmless without a ticket. */
void lti_gate_close(lti_request *r);
/* What its spec says has changed. LEAT_ENOMEM. */
int lti_gate_renew(lti_request *r, const leat_request *wanted);
/* Comes to wait, instead of lti_dispatch_want. LEAT_EQUEUEFULL, LEAT_ENOMEM. */
int lti_gate_wait(lti_request *r, bool again);
/* Waits no longer. */
void lti_gate_leave(lti_request *r);
/* It has a connection. */
void lti_gate_granted(lti_request *r);
/* The head of its answer is here. */
void lti_gate_heard(lti_request *r, const lti_http_head *head);
void lti_gate_usage(lti_request *r, const leat_usage *usage);
/* Its attempt has ended like this; harmless when it has none. */
void lti_gate_ended(lti_request *r, int error);
/* May it be repeated? And is its wait here, so that it need not wait by itself? */
bool lti_gate_repeats(lti_request *r);
bool lti_gate_paces(const lti_request *r, int error);
/* How long it has waited before the gate. */
uint64_t lti_gate_limited_ns(const lti_request *r);
/* Those before it in its lane end with LEAT_ESUPERSEDED. */
void lti_gate_supersede(lti_request *r);

/* A status that says: too fast, or too much. */
static inline bool lti_gate_refusal(int status) {
  return status == 429 || status == 529;
}

/* ---- between the files of the gate */

lti_gate_place *lti_gate_find_place(lti_gate *g, uint64_t key);
void lti_gate_release_place(lti_gate *g, lti_gate_place *p);
uint64_t lti_gate_place_key(const lti_request *r);
/* Fails who waits for a connection there. */
void lti_gate_trip(lti_gate_place *p);
/* The circuit's and the budget's part of the two above. */
void lti_gate_place_heard(lti_request *r);
void lti_gate_place_ended(lti_request *r, int error);
/* What it may cost, and its line's key, by the place's. */
uint64_t lti_gate_measure(lti_request *r, const leat_request *wanted, uint64_t place,
                          lti_limiter_rules *rules);
/* They may be looked at: something has changed. */
void lti_gate_mark(lti_gate_line *l);
void lti_gate_mark_place(lti_gate_place *p);
/* Its attempt has been accounted for. */
void lti_gate_return(lti_ticket *t);

#endif
