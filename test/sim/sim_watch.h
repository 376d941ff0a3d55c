/* An observer in the simulated world, and a callback that gives keys: they hold the engine to what
 * leat/watch.h says of their order, and may do whatever the test's mischief does.
 *
 * Watched: start first, a start behind each retry, another only for a hop of a redirect; as many
 * starts as the result has attempts and redirects; one done each and nothing behind it; a key asked
 * for behind each start that is sent. What is broken is a fault of the client's. */
#ifndef TEST_SIM_WATCH_H
#define TEST_SIM_WATCH_H

#include "sim/sim_client.h"

#define SIM_WATCHED_MAX 1024

typedef struct sim_watched {
  leat_id id;
  unsigned starts, hops;
  char last; /* S or R */
} sim_watched;

typedef struct sim_watch {
  sim_client *client;
  leat_observer observer;
  sim_watched seen[SIM_WATCHED_MAX];
  size_t count;
  unsigned keys;
  char key[32], trace[32];
} sim_watch;

/* Before sim_client_open; it must live until sim_client_end. */
void sim_watch_client(sim_watch *x, sim_client *c);
/* Every request that was started is done. */
void sim_watch_check(const sim_watch *x);

#endif
