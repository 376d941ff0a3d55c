/* ln: x = m * 2^e with m between sqrt(1/2) and sqrt(2), and ln m = 2 atanh(s) with
 * s = (m - 1) / (m + 1), |s| < 0.172, whose series needs twelve terms. exp: x = k ln 2 + r with
 * |r| < 0.347, and the series of exp r needs fourteen. */
#include "elementary.h"

#include <math.h>

#define LN2_HIGH                                                                  \
  0x1.62e42fefa38p-1 /* its low bits are zero: a product with |k| < 2048 is exact \
                      */
#define LN2_LOW    0x1.ef35793c7673p-45
#define LN2        0x1.62e42fefa39efp-1
#define SQRT_HALF  0x1.6a09e667f3bcdp-1
#define EXP_LOWEST (-700.0)

static double twice_atanh(double s) {
  double square = s * s, sum = 0;
  for (int n = 23; n >= 3; n -= 2) sum = (sum + 1.0 / n) * square;
  return 2 * s + 2 * s * sum;
}

double elementary_ln(double x) {
  int e = 0;
  double m = frexp(x, &e);
  if (m < SQRT_HALF) {
    m *= 2;
    e--;
  }
  double tail = twice_atanh((m - 1) / (m + 1)) + e * LN2_LOW;
  return e * LN2_HIGH + tail;
}

double elementary_ln1p(double y) {
  if (y > -0.25 && y < 0.4) return twice_atanh(y / (2 + y));
  return elementary_ln(1 + y);
}

double elementary_exp(double x) {
  if (x < EXP_LOWEST) return 0;
  double k = floor(x / LN2 + 0.5);
  double r = (x - k * LN2_HIGH) - k * LN2_LOW, sum = 1;
  for (int n = 14; n >= 1; n--) sum = 1 + sum * r / n;
  return ldexp(sum, (int)k);
}
