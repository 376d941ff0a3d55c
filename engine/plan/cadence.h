/* When a task is polled next: a base interval, lengthened by jitter so that jobs submitted together
 * do not poll together, and never past the task's deadline. Pure policy. */
#ifndef LTI_CADENCE_H
#define LTI_CADENCE_H

#include <stdint.h>

#include "base/prng.h"

typedef struct lti_cadence {
  int64_t first_ms, poll_ms;
  int jitter_percent;
} lti_cadence;

/* The wait before poll `n` (0 first). `hint_ms` is the server's wish, -1: none; a longer one wins.
 */
int64_t lti_cadence_wait_ms(const lti_cadence *c, uint64_t n, int64_t hint_ms, lti_prng *prng);

#endif
