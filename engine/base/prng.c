/* xoshiro256** (Blackman and Vigna 2018), its state filled by splitmix64 so that near seeds give
 * far sequences and the state is never all zeroes. The same seed gives the same numbers on every
 * machine: simulations are replayed by their seed. */
#include "prng.h"

#include <assert.h>

static uint64_t rotated(uint64_t x, unsigned by) {
  return x << by | x >> (64 - by);
}

void lti_prng_seed(lti_prng *r, uint64_t seed) {
  for (int i = 0; i < 4; i++) {
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    r->s[i] = z ^ z >> 31;
  }
}

uint64_t lti_prng_next(lti_prng *r) {
  uint64_t *s = r->s;
  uint64_t result = rotated(s[1] * 5, 7) * 9;
  uint64_t shifted = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotated(s[3], 45);
  return result;
}

uint64_t lti_prng_below(lti_prng *r, uint64_t bound) {
  assert(bound > 0);
  /* 2^64 mod bound numbers are one too many for a fair remainder: draw again on the lowest. */
  uint64_t unfair = (0 - bound) % bound;
  uint64_t x = lti_prng_next(r);
  while (x < unfair) x = lti_prng_next(r);
  return x % bound;
}

double lti_prng_unit(lti_prng *r) {
  return (double)(lti_prng_next(r) >> 11) * 0x1.0p-53;
}
