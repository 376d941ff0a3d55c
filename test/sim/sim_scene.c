/* Steps of tests in the simulated world: see sim_scene.h. */
#include "sim/sim_scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void sim_scene_open(sim_client *c) {
  assert_int_equal(sim_client_open(c), LEAT_OK);
}

sim_record *sim_scene_submit(sim_client *c, const sim_want *want) {
  sim_record *r = sim_client_submit(c, want, NULL);
  assert_non_null(r);
  return r;
}

void sim_scene_run(sim_client *c) {
  assert_true(sim_client_run(c, 10000 * SIM_S));
  sim_client_check(c);
}

static void nothing(void *ctx) {
  (void)ctx;
}

void sim_scene_pass(sim_client *c, uint64_t ns) {
  sim_ours_after(c->w, ns, nothing, NULL);
  sim_run(c->w, ns);
}

void sim_scene_end(sim_client *c, sim_h2 *server) {
  if (server) assert_int_equal(sim_h2_blames(server), 0);
  assert_int_equal(sim_client_end(c), 0);
  if (server) sim_h2_free(server);
}
