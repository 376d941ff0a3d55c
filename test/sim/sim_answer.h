/* What the simulated server reads and writes: request heads, and whole responses with the place at
 * which they are evidence of a whole answer. No time and no links here. */
#ifndef TEST_SIM_ANSWER_H
#define TEST_SIM_ANSWER_H

#include "sim/sim_server.h"

typedef struct sim_request {
  char method[8], path[256];
  unsigned job;
  enum sim_form form; /* by its path, as it would be answered well */
  size_t body_size;
  uint64_t range_from;
  bool ranged;
} sim_request;

/* False: not a request that this engine should have sent. */
bool sim_request_read(sim_request *r, leat_slice head);

typedef struct sim_answer {
  lti_buf wire, body;
  size_t whole_at;    /* bytes of the wire that make the answer whole; SIZE_MAX: it never is */
  bool needs_fin;     /* and a clean end behind them */
  size_t evidence_at; /* where a clean end makes it whole too; SIZE_MAX: nowhere */
  bool total_told;    /* by Content-Range */
} sim_answer;

void sim_answer_init(sim_answer *a, lti_alloc *alloc);
void sim_answer_deinit(sim_answer *a);
void sim_answer_write(sim_answer *a, const sim_request *r, const sim_job *job, enum sim_form form,
                      const sim_reply *reply);

#endif
