/* What must hold of a result, of the pool and of an engine's end: the client's checks. */
#ifndef TEST_SIM_JUDGE_H
#define TEST_SIM_JUDGE_H

#include "sim/sim_client.h"

void sim_judge_result(sim_record *r);
void sim_judge_conns(sim_client *c);
void sim_judge_end(sim_client *c);

#endif
