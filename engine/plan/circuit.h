/* Whether an origin is worth an attempt at all.
 *
 *   CLOSED --`failures` in a row--> OPEN --`open_ms` later, an attempt comes--> HALF
 *     ^                              ^                                           |
 *     +-- it succeeds ---------------|----------- it fails ----------------------+
 *
 * OPEN lets nothing through, HALF one attempt. Failures of attempts that had begun before it opened
 * say nothing new; a success of one of them closes it all the same. Pure policy: time is an
 * argument. */
#ifndef LTI_CIRCUIT_H
#define LTI_CIRCUIT_H

#include <stdbool.h>
#include <stdint.h>

enum lti_circuit_state { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF };

typedef struct lti_circuit {
  enum lti_circuit_state state;
  int failures_max, failures;
  uint64_t open_ns;  /* for how long */
  uint64_t until_ns; /* in OPEN */
} lti_circuit;

void lti_circuit_init(lti_circuit *c, int failures_max, int64_t open_ms);
/* May an attempt begin? In HALF the one that may is the trial: `*trial` says that this is it. */
bool lti_circuit_admit(lti_circuit *c, uint64_t now_ns, bool *trial);
/* An attempt ended. True: that has opened the circuit. */
bool lti_circuit_failed(lti_circuit *c, bool trial, uint64_t now_ns);
void lti_circuit_succeeded(lti_circuit *c);
/* The trial ended without a word about the origin, by a cancel: the next one tries. */
void lti_circuit_spoiled(lti_circuit *c, uint64_t now_ns);

#endif
