/* Results to look at and to test with: rich, and the same each time. */
#ifndef TEST_LOAD_SAMPLE_H
#define TEST_LOAD_SAMPLE_H

#include "bench/load/result/result.h"

enum sample_kind {
  SAMPLE_CLOSED,   /* one point, concurrency 100, all fine: valid */
  SAMPLE_OPEN,     /* one point, rate 40/s, with errors, levels and a stall: degraded */
  SAMPLE_SWEEP,    /* six points with a knee, the last one invalid */
  SAMPLE_NO_USAGE, /* one point whose server told no tokens, over a Unix socket: little is known */
  SAMPLE_EMPTY     /* one point that was interrupted before anything came */
};

/* `seed` moves the latencies a little: results of one kind and several seeds are like runs of one
 * load. NULL: no memory. */
result *sample_make(enum sample_kind kind, uint64_t seed);

#endif
