/* Poll cadence: see cadence.h. Jitter only lengthens, so that a family's floor holds. */
#include "plan/cadence.h"

#define SECOND_NS 1000000000ull

uint64_t lti_cadence_in_force_ns(uint64_t floor_ns, uint64_t questions, uint32_t per_second) {
  if (per_second == 0) return floor_ns;
  double round_ns = (double)questions / (double)LTI_CADENCE_QUESTION / per_second * SECOND_NS;
  return round_ns > (double)floor_ns ? (uint64_t)round_ns : floor_ns;
}

uint64_t lti_cadence_jitter_ns(uint64_t wait_ns, unsigned percent, lti_prng *prng) {
  return (uint64_t)((double)wait_ns * percent / 100.0 * lti_prng_unit(prng));
}
