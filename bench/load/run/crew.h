/* The threads of a run: each has a loop, an engine, a gauge and a pacer of its own; together they
 * keep the shape's numbers exactly (streams are shared out, starts are taken in turn, one counter
 * holds the requests that are left and one the cap), and at the end their tallies are one. */
#ifndef LOAD_CREW_H
#define LOAD_CREW_H

#include "bench/load/result/result.h"
#include "bench/load/run/pulse.h"
#include "bench/load/shape/shape.h"
#include "bench/load/work/work.h"
#include "leat.h"

/* How every request is told of in a file, from whichever thread. */
typedef struct recorder recorder;

typedef struct crew_plan {
  const shape_spec *shape;
  const work *work;
  const leat_config *config; /* of each engine; conns_max and the like are those of all together */
  int threads;
  int shard, shards;
  uint64_t start_at_ns;        /* of uv_hrtime: when to begin; 0: at once */
  bool rx_timestamps, stamped; /* stamped: the gateway stamps its events (x-mock-stamp) */
  result_goodput goodput;      /* the levels */
  recorder *recorder;          /* NULL: none */
  void (*over)(void *user);    /* a thread has ended, told on it; NULL: not told */
  void *user;
} crew_plan;

typedef struct crew crew;

/* Starts the threads. NULL, and said, when they cannot be. */
crew *crew_open(const crew_plan *plan);
/* Any thread: nothing more begins, what runs is cancelled. */
void crew_stop(crew *c);
/* Any thread: all have ended. */
bool crew_over(const crew *c);
size_t crew_threads(const crew *c);
const pulse *crew_pulse(const crew *c, size_t thread);
/* Waits for their end and fills `point` (NULL: nothing is wanted). LEAT_OK, or what stopped them
 * all: a submit that was refused and that no other would fare better with, which is said. */
int crew_close(crew *c, result_point *point);

#endif
