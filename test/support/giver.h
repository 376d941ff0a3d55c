/* A request's body made up byte by byte, in every way in which one can be given: by a callback that
 * pauses, ends too early or too late, fails or cancels; from a file; through a pipe, a thread at
 * its other end.
 *
 *   giver *g = giver_new(f, 1000000);
 *   f->request.source = giver_callback(g);
 *   ...
 *   assert_true(took.hash == giver_hash(1000000)); */
#ifndef TEST_GIVER_H
#define TEST_GIVER_H

#include "support/flow.h"

typedef struct giver {
  flow *flow;
  const flow_call *call; /* whose source it is, for pauses and cancels */
  uint64_t size;         /* of the body */
  int64_t told;          /* its size as the source says it [LEAT_NONE] */
  /* the callback's ways */
  size_t step;            /* gives so much at most [as much as there is room for] */
  unsigned pause_each;    /* pauses before every nth read, for pause_ms; 0: never */
  int pause_ms;           /* 0: says at once that it is ready again, while it is being asked */
  uint64_t fail_at;       /* fails there, 0: never */
  uint64_t cancel_at;     /* cancels its request there, 0: never */
  bool rewinds, stubborn; /* it can be rewound; or it says that it cannot, when asked */
  /* what came of it */
  uint64_t at, given;
  unsigned reads, pauses, rewound, closes;
  bool paused, reading;
  leat_source source;
  uv_timer_t timer;
  bool timer_open;
} giver;

giver *giver_new(flow *f, uint64_t size);
const leat_source *giver_callback(giver *g);
/* A file of that content, which the process's end removes; its path. */
const char *giver_file(giver *g);
/* A pipe that a thread fills, which the flow's end waits for; a descriptor and 1. The caller closes
 * it. */
int giver_pipe(giver *g);
/* Byte `at` of every giver's body. */
char giver_byte(uint64_t at);
/* taker_hash of the first `size` of them. */
uint64_t giver_hash(uint64_t size);

#endif
