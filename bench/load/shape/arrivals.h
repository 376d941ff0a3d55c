/* How the starts of an open loop lie, in operational time: steps with a mean of one, which the
 * stages then stretch to seconds. A gamma distribution whose shape is the burstiness: 1 is the
 * exponential of a Poisson process, INFINITY is always exactly one. */
#ifndef LOAD_ARRIVALS_H
#define LOAD_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/prng.h"

#define ARRIVALS_BURSTINESS_MIN 0.01
#define ARRIVALS_BURSTINESS_MAX 1e6

typedef struct arrivals {
  lti_prng prng;
  double burstiness;
  bool has_spare; /* of the normal draws, which come in pairs */
  double spare;
} arrivals;

/* The same seed gives the same steps on every machine. */
void arrivals_init(arrivals *a, uint64_t seed, double burstiness);
/* The next step, 0 or more. */
double arrivals_step(arrivals *a);

#endif
