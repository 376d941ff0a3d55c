/* When tasks are asked about: how long between two looks at one job. Pure policy.
 *
 * The cadence in force is the longest of the family's floor and of what the limit allows for the
 * jobs that are open: ten thousand of them, asked about a hundred at a time, with fifty questions
 * a second, take two seconds a round. Jitter only lengthens, so that the floor holds. */
#ifndef LTI_CADENCE_H
#define LTI_CADENCE_H

#include <stdint.h>

#include "base/prng.h"

/* One question to a gateway, in the unit that rounds are counted in: a job that shares its question
 * with 99 others is a hundredth of it. */
#define LTI_CADENCE_QUESTION 1000000ull

/* `questions` is what one round over all open jobs takes, in LTI_CADENCE_QUESTION. `per_second` 0:
 * no limit. */
uint64_t lti_cadence_in_force_ns(uint64_t floor_ns, uint64_t questions, uint32_t per_second);
/* What is added to one wait: up to `percent` of it. */
uint64_t lti_cadence_jitter_ns(uint64_t wait_ns, unsigned percent, lti_prng *prng);

#endif
