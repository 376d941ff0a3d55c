/* The steps that most tests in the simulated world are made of. Each of them must succeed: whatever
 * does not fails the cmocka test. */
#ifndef TEST_SIM_SCENE_H
#define TEST_SIM_SCENE_H

#include "sim/sim_client.h"
#include "sim/sim_h2.h"

void sim_scene_open(sim_client *c);
sim_record *sim_scene_submit(sim_client *c, const sim_want *want);
/* Until nothing is alive, and then all that must hold is looked at. */
void sim_scene_run(sim_client *c);
/* The world goes on for so long, whatever there is to do. */
void sim_scene_pass(sim_client *c, uint64_t ns);
/* Nobody did anything wrong; `server` NULL: it was not one of HTTP/2. Both are freed. */
void sim_scene_end(sim_client *c, sim_h2 *server);

#endif
