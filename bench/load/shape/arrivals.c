/* Exponential steps by inversion. Gamma steps by Marsaglia and Tsang, "A simple method for
 * generating gamma variables" (2000): a cubed normal is accepted or drawn again; a shape below 1
 * is the shape above it times U^(1/shape). Normals by Marsaglia's polar method. */
#include "arrivals.h"

#include <math.h>

#include "elementary.h"

/* Keeps the arrivals' numbers apart from those of prompts, which have the same seed. */
#define ARRIVALS_SALT UINT64_C(0x6172726976616c73)

void arrivals_init(arrivals *a, uint64_t seed, double burstiness) {
  *a = (arrivals){.burstiness = burstiness};
  lti_prng_seed(&a->prng, seed ^ ARRIVALS_SALT);
}

/* Uniform in (0, 1]: its logarithm is finite. */
static double unit_above_zero(arrivals *a) {
  return 1 - lti_prng_unit(&a->prng);
}

static double normal(arrivals *a) {
  if (a->has_spare) {
    a->has_spare = false;
    return a->spare;
  }
  double x = 0, y = 0, square = 0;
  do {
    x = 2 * lti_prng_unit(&a->prng) - 1;
    y = 2 * lti_prng_unit(&a->prng) - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  double factor = sqrt(-2 * elementary_ln(square) / square);
  a->has_spare = true;
  a->spare = y * factor;
  return x * factor;
}

/* Gamma with a shape of at least 1 and a scale of 1. */
static double gamma_from_one(arrivals *a, double shape) {
  double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    double x = normal(a), root = 1 + c * x;
    if (root <= 0) continue;
    double v = root * root * root, u = unit_above_zero(a), x2 = x * x;
    if (u < 1 - 0.0331 * x2 * x2) return d * v;
    if (elementary_ln(u) < x2 / 2 + d * (1 - v + elementary_ln(v))) return d * v;
  }
}

double arrivals_step(arrivals *a) {
  double shape = a->burstiness;
  if (isinf(shape)) return 1;
  if (shape == 1) return -elementary_ln(unit_above_zero(a));
  if (shape > 1) return gamma_from_one(a, shape) / shape;
  double above = gamma_from_one(a, shape + 1);
  return above * elementary_exp(elementary_ln(unit_above_zero(a)) / shape) / shape;
}
