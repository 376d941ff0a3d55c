/* An allocator for tests: it fails call N, knows every live block, and never forgives.
 *
 * What it finds is counted in `faults` and printed on stderr: a block freed twice or never given
 * out, bytes written before or behind a block or after its end of life, a wrong old size given to
 * realloc, and (when `canary` is set) a secret that was still in a block when it was given back.
 * Realloc always moves. Freed blocks are kept apart for a while and filled with 0xdd.
 *
 *   static void scenario(const leat_allocator *fns, void *ctx) { ... must clean up whatever fails }
 *   failing_at_every_n(scenario, ctx);      runs it with call 1, 2, 3 ... failing, until none does
 *
 * For one thread at a time. Needs failing_deinit after failing_init. */
#ifndef TEST_FAILING_H
#define TEST_FAILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leat.h"

#define FAILING_KEPT 256

typedef struct failing {
  uint64_t calls;   /* malloc and realloc so far */
  uint64_t fail_at; /* this call gives NULL; 0: none */
  bool for_ever;    /* and so does every call behind it */
  uint64_t failed;  /* how many did */
  size_t live_blocks, live_bytes, peak_bytes;
  unsigned faults;
  const char *canary; /* a secret's text that no freed block may hold; NULL: not looked for */
  struct failing_block *live;
  struct failing_block *kept[FAILING_KEPT]; /* freed blocks, a ring */
  size_t kept_next;
} failing;

/* `fail_at` counts from 1; 0 never fails. */
void failing_init(failing *f, uint64_t fail_at);
/* Frees what is left, faults or not. */
void failing_deinit(failing *f);
/* The functions to hand to lti_alloc_init or a config; `f` must outlive their use. */
leat_allocator failing_allocator(failing *f);
/* Checks kept blocks for late writes, then: true when nothing is live and no fault was found. */
bool failing_clean(failing *f);

typedef void (*failing_scenario)(const leat_allocator *fns, void *ctx);
/* Runs the scenario with allocation N failing, for N = 1, 2, ... until a run has fewer calls than
 * N, each time once with that call alone failing and once with every later one too. A leak, a fault
 * or more than FAILING_RUNS_MAX runs fails the cmocka test. Returns the calls of the run that had
 * no failure. */
#define FAILING_RUNS_MAX 100000
uint64_t failing_at_every_n(failing_scenario scenario, void *ctx);

#endif
