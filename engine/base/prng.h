/* A small seeded generator (xoshiro256**) for jitter, sampling and simulations: never for secrets.
 */
#ifndef LTI_PRNG_H
#define LTI_PRNG_H

#include <stdint.h>

typedef struct lti_prng {
  uint64_t s[4];
} lti_prng;

void lti_prng_seed(lti_prng *r, uint64_t seed);
uint64_t lti_prng_next(lti_prng *r);
/* Uniform in [0, bound), bound > 0, without modulo bias. */
uint64_t lti_prng_below(lti_prng *r, uint64_t bound);
/* Uniform in [0, 1). */
double lti_prng_unit(lti_prng *r);

#endif
