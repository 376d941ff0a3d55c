/* Poll cadence: see cadence.h. Jitter only lengthens, so that a family's floor holds. */
#include "plan/cadence.h"

int64_t lti_cadence_wait_ms(const lti_cadence *c, uint64_t n, int64_t hint_ms, lti_prng *prng) {
  int64_t base = n == 0 ? c->first_ms : c->poll_ms;
  if (hint_ms > base) base = hint_ms;
  double jitter = (double)base * c->jitter_percent / 100.0 * lti_prng_unit(prng);
  return base + (int64_t)jitter;
}
