/* When requests begin: pure arithmetic, time is an argument. A shape is a list of stages; from it
 * and a seed come the intended starts of an open loop, one after the other and the same on every
 * machine, or how many streams a closed loop keeps up at a time.
 *
 * Threads and shards each walk the whole schedule and take every k-th start: so what they do
 * together is exactly what one would do.
 *
 * The warm-up stands in front of the window that is measured. Where one level goes on (--rate,
 * --concurrency, --ramp) or a trace is replayed it is their begin, so that a ramp can be warmed
 * over; in front of stages it is a stage of its own, at the level where they begin (or, if that is
 * nothing, where the first one leads to); in front of bursts it is a burst. */
#ifndef LOAD_SHAPE_H
#define LOAD_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load/result/result.h"
#include "bindings/cli/options.h"

#define SHAPE_STAGES_MAX  256
#define SHAPE_FOREVER     UINT64_MAX
#define SHAPE_RATE_MAX    1e7
#define SHAPE_STREAMS_MAX 1000000

/* From one level to another, requests a second (open) or streams (closed). */
typedef struct shape_stage {
  double from, to;
  uint64_t ns;      /* SHAPE_FOREVER: until the run's other limits end it */
  bool exponential; /* the way from one to the other; else linear */
} shape_stage;

typedef struct shape_trace shape_trace; /* the rows of --replay */

typedef struct shape_spec {
  enum result_shape kind;
  shape_stage stages[SHAPE_STAGES_MAX];
  size_t stage_count;
  double burstiness; /* gamma's shape: 1 is Poisson, INFINITY evenly spaced */
  uint64_t seed;
  uint64_t burst;                      /* requests at one instant */
  uint64_t burst_every_ns;             /* 0: once */
  shape_trace *trace;                  /* of RESULT_REPLAY; owned by the spec */
  uint64_t requests;                   /* at most so many measured starts, UINT64_MAX: no limit */
  uint64_t duration_ns;                /* no start so long after the window's begin, UINT64_MAX */
  uint64_t warmup_requests, warmup_ns; /* one of them or neither; in front of the window */
  uint64_t ramp_ns;                    /* of one level; already in the stages */
  uint64_t cap;        /* of an open loop: at most so many in flight; UINT64_MAX: none */
  uint64_t think_ns;   /* between two requests of one stream or conversation */
  bool cut;            /* what runs at the end is cancelled, not waited for */
  uint64_t drain_ns;   /* a drain is cut after this, UINT64_MAX: never */
  uint64_t index_from; /* the first start's number: each point of a sweep goes on from the last's,
                        * so that none sends what the gateway has already seen */
} shape_spec;

/* Reads --rate, --concurrency, --ramp, --rate-stages, --burst, --replay and the rest. False, and
 * said, when they cannot be used or contradict each other. shape_spec_free is due in any case. With
 * --sweep it is the shape of the first point. */
bool shape_spec_init(shape_spec *spec, const cli_options *options);
void shape_spec_free(shape_spec *spec);
/* Gives a shape of one level (--rate, --concurrency, with or without --ramp) another one: requests
 * a second or streams. */
void shape_spec_level(shape_spec *spec, double level);

/* How long the shape itself lasts, its warm-up included: no start is so late or later.
 * SHAPE_FOREVER if its last stage goes on. The run's other limits may end it before. */
uint64_t shape_length(const shape_spec *spec);
/* When the measured window begins, from the begin of the run. SHAPE_FOREVER: only the run can know,
 * a closed loop being warmed up by a number of requests. */
uint64_t shape_window(const shape_spec *spec);
/* The most streams that a closed loop ever has; for all others the most that may be in flight, as
 * far as the spec bounds it (UINT64_MAX: not at all). */
uint64_t shape_streams_max(const shape_spec *spec);
/* Fills in what a report says of it. Its burstiness is -1 where it has none. */
void shape_offer(const shape_spec *spec, result_offer *offer);

/* One intended start. */
typedef struct shape_start {
  uint64_t at_ns;                      /* from the begin of the run, warm-up included */
  uint64_t index;                      /* from index_from, over all threads and shards */
  bool warmup;                         /* in front of the window */
  int64_t input_tokens, output_tokens; /* a replay's row; -1: not told */
  leat_slice prefix; /* a replay's: "46,47,48" (hashes of its blocks of 512 tokens), or "session 7"
                      * (its conversation); empty: none */
} shape_start;

/* Walks the starts of an open loop, a burst or a replay. */
typedef struct shape shape;
/* Every `step`-th start from `first` on (a thread's part). The spec must outlive it, unchanged.
 * NULL: no memory. */
shape *shape_open(const shape_spec *spec, uint64_t first, uint64_t step);
/* False: no more. Starts come in the order of their times. Allocates nothing. */
bool shape_next(shape *s, shape_start *start);
void shape_free(shape *s);

/* A closed loop: streams wanted at this time, and when that number changes next (UINT64_MAX:
 * never). In a ramp from nothing the first stream is there at once. */
uint64_t shape_streams_at(const shape_spec *spec, uint64_t at_ns, uint64_t *changes_at_ns);

#endif
