/* What chance decides in a work, as functions of the seed and of numbers alone, so that the same
 * run can be had again on any machine and by any thread. */
#ifndef LOAD_DRAW_H
#define LOAD_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/prng.h"
#include "base/slice.h"

#define DRAW_TOKENS_MAX 10000000 /* of one prompt or answer */
#define DRAW_SPACE_MAX  (UINT64_C(1) << 56)

/* "M" or "M,SD": how long something is, normally distributed. */
typedef struct draw_length {
  double mean, sd; /* mean 0: not asked for */
} draw_length;

/* Two numbers as one that is like neither. */
uint64_t draw_mix(uint64_t a, uint64_t b);
/* The same of bytes. */
uint64_t draw_hash(uint64_t seed, leat_slice bytes);
/* False, and said, when `text` is no length; NULL leaves it unasked. `option` is its name. */
bool draw_length_read(draw_length *l, const char *option, const char *text);
/* At least 1, at most DRAW_TOKENS_MAX. */
int64_t draw_length_one(const draw_length *l, lti_prng *chance);
/* A number below `space` (at most DRAW_SPACE_MAX) that no other `i` below `space` gets with this
 * seed. */
uint64_t draw_distinct(uint64_t seed, uint64_t i, uint64_t space);
/* Where the i-th of a shuffled list of `count` stands; behind the last the list begins anew, in
 * another order. */
uint64_t draw_shuffled(uint64_t seed, uint64_t i, uint64_t count);

#endif
