/* That steps are drawn from the distributions they are said to be of, by the Kolmogorov-Smirnov
 * test at n = 10,000 and alpha = 0.01, and that a seed gives the same steps for ever. */
#include "bench/load/shape/arrivals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/load/shape/elementary.h"
#include "bench/load/shape/shape.h"

#define N         10000
#define CRITICAL  1.628 /* Stephens: D (sqrt n + 0.12 + 0.11 / sqrt n) at alpha 0.01 */
#define MEDIAN    0.828 /* the same at 0.5 */
#define SEEDS     100
#define FAILS_MAX 4 /* of 100 fair ones, five or more fail with a probability of 0.0034 */
#define NS_PER_S  1e9

static double samples[N];

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* The regularised lower incomplete gamma function: by its series below a + 1, by Lentz's continued
 * fraction above it. */
static double gamma_cdf(double a, double x) {
  if (x <= 0) return 0;
  double front = exp(a * log(x) - x - lgamma(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (double k = a + 1; term > sum * 1e-15; k++) sum += term *= x / k;
    return front * sum;
  }
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int i = 1; i < 1000; i++) {
    double factor = -i * (i - a);
    b += 2;
    d = 1 / (factor * d + b);
    c = b + factor / c;
    h *= d * c;
    if (fabs(d * c - 1) < 1e-15) break;
  }
  return 1 - front * h;
}

/* The greatest distance between the samples' own distribution and a gamma one with a mean of one,
 * times what makes it independent of n. */
static double distance(double burstiness) {
  double most = 0;
  qsort(samples, N, sizeof samples[0], by_size);
  for (size_t i = 0; i < N; i++) {
    double cdf = gamma_cdf(burstiness, samples[i] * burstiness);
    most = fmax(most, fmax(cdf - (double)i / N, (double)(i + 1) / N - cdf));
  }
  return most * (sqrt(N) + 0.12 + 0.11 / sqrt(N));
}

/* The gaps between a schedule's intended starts, in units of their mean. */
static void draw_gaps(double rate, double burstiness, uint64_t seed) {
  static shape_spec spec;
  shape_start start;
  uint64_t last = 0;
  spec = (shape_spec){.kind = RESULT_OPEN, .burstiness = burstiness, .seed = seed};
  spec.requests = N;
  spec.duration_ns = UINT64_MAX;
  shape_spec_level(&spec, rate);
  shape *s = shape_open(&spec, 0, 1);
  assert_non_null(s);
  for (size_t i = 0; i < N; i++) {
    assert_true(shape_next(s, &start));
    samples[i] = (double)(start.at_ns - last) / NS_PER_S * rate;
    last = start.at_ns;
  }
  assert_false(shape_next(s, &start));
  shape_free(s);
}

/* The steps themselves: in strong bursts a percent of the gaps is shorter than the nanosecond that
 * starts are rounded to. */
static void draw_steps(double burstiness, uint64_t seed) {
  arrivals a;
  arrivals_init(&a, seed, burstiness);
  for (size_t i = 0; i < N; i++) samples[i] = arrivals_step(&a);
}

static void gamma_has_the_values_of_the_tables(void **state) {
  (void)state;
  assert_true(fabs(gamma_cdf(1, 1) - (1 - exp(-1))) < 1e-12);
  assert_true(fabs(gamma_cdf(0.5, 0.5) - erf(sqrt(0.5))) < 1e-12);
  assert_true(fabs(gamma_cdf(0.5, 8) - erf(sqrt(8))) < 1e-12);
  assert_true(fabs(gamma_cdf(2, 3) - (1 - 4 * exp(-3))) < 1e-12);
}

/* Of a hundred seeds few may fail, and as many must lie on each side of the median: a generator
 * that is too even fails this as one that is off does. */
static void check_seeds(double rate, double burstiness) {
  int fails = 0, above = 0;
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    if (burstiness < 0.5)
      draw_steps(burstiness, seed);
    else
      draw_gaps(rate, burstiness, seed);
    double d = distance(burstiness);
    if (d > CRITICAL) fails++;
    if (d > MEDIAN) above++;
  }
  if (fails > FAILS_MAX || above < 30 || above > 70)
    fail_msg("rate %g, shape %g: %d of %d seeds fail, %d are above the median", rate, burstiness,
             fails, SEEDS, above);
}

static void poisson_gaps_are_exponential(void **state) {
  (void)state;
  check_seeds(5000, 1);
}

static void gamma_gaps_are_gamma_in_bursts(void **state) {
  (void)state;
  check_seeds(0, 0.3);
  check_seeds(100, 0.5);
}

static void gamma_steps_are_gamma_in_strong_bursts(void **state) {
  (void)state;
  check_seeds(0, 0.05);
}

static void gamma_gaps_are_gamma_where_they_are_even(void **state) {
  (void)state;
  check_seeds(100, 4);
}

static void every_rate_has_the_same_distribution(void **state) {
  static const double rates[] = {10, 100, 1000, 5000}, shapes[] = {0.5, 0.8, 1, 1.5, 20};
  int fails = 0;
  (void)state;
  for (size_t r = 0; r < 4; r++) {
    for (size_t k = 0; k < 5; k++) {
      draw_gaps(rates[r], shapes[k], 1000 * (r + 1) + k);
      if (distance(shapes[k]) > CRITICAL) fails++;
    }
  }
  assert_true(fails <= 1);
}

static void constant_gaps_are_all_the_same(void **state) {
  static const double rates[] = {10, 100, 1000, 5000};
  (void)state;
  for (size_t r = 0; r < 4; r++) {
    draw_gaps(rates[r], INFINITY, 1);
    assert_true(samples[0] == 0);
    for (size_t i = 1; i < N; i++) assert_true(fabs(samples[i] - 1) < 1e-9);
  }
}

/* Where the gaps of one follow each other, nothing of the last is in the next. */
static void gaps_do_not_depend_on_the_one_before(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    double both = 0, square = 0;
    draw_gaps(1000, 1, seed);
    for (size_t i = 1; i < N; i++) both += (samples[i] - 1) * (samples[i - 1] - 1);
    for (size_t i = 0; i < N; i++) square += (samples[i] - 1) * (samples[i] - 1);
    assert_true(fabs(both / square) < 4 / sqrt(N));
  }
}

/* Counts per 10 ms at 5,000 a second: their variance over their mean is 1 for Poisson, and comes
 * near 1 / shape for gamma. */
static double dispersion(double burstiness, uint64_t seed) {
  enum { SLOTS = 6000 };
  static unsigned counts[SLOTS];
  static shape_spec spec;
  shape_start start;
  double sum = 0, squares = 0;
  spec = (shape_spec){.kind = RESULT_OPEN, .burstiness = burstiness, .seed = seed};
  spec.requests = UINT64_MAX;
  spec.duration_ns = UINT64_C(60000000000);
  shape_spec_level(&spec, 5000);
  for (size_t i = 0; i < SLOTS; i++) counts[i] = 0;
  shape *s = shape_open(&spec, 0, 1);
  assert_non_null(s);
  while (shape_next(s, &start)) counts[start.at_ns / 10000000]++;
  shape_free(s);
  for (size_t i = 0; i < SLOTS; i++) sum += counts[i];
  for (size_t i = 0; i < SLOTS; i++) squares += pow(counts[i] - sum / SLOTS, 2);
  return squares / sum;
}

static void counts_are_as_dispersed_as_their_process(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    double poisson = dispersion(1, seed), even = dispersion(4, seed),
           bursts = dispersion(0.5, seed);
    assert_true(poisson > 0.9 && poisson < 1.1);
    assert_true(even > 0.22 && even < 0.30);
    assert_true(bursts > 1.75 && bursts < 2.15);
  }
  assert_true(dispersion(INFINITY, 1) < 1e-9);
}

static void elementary_functions_are_right(void **state) {
  (void)state;
  for (double x = 1e-300; x < 1e300; x *= 1.37)
    assert_true(fabs(elementary_ln(x) - log(x)) <= 4e-16 * fmax(1, fabs(log(x))));
  for (double y = -0.9; y < 3; y += 0.001)
    assert_true(fabs(elementary_ln1p(y) - log1p(y)) <= 1e-15 * fmax(0.1, fabs(log1p(y))));
  for (double y = 1e-18; y < 1; y *= 1.7)
    assert_true(fabs(elementary_ln1p(y) / log1p(y) - 1) < 1e-15);
  for (double x = -690; x < 690; x += 0.37)
    assert_true(fabs(elementary_exp(x) / exp(x) - 1) < 1e-15);
  assert_true(elementary_exp(-1e9) == 0);
  assert_true(elementary_ln(1) == 0 && elementary_ln1p(0) == 0 && elementary_exp(0) == 1);
}

/* Bits of the steps, mixed: of a shape whose every draw takes part. */
static uint64_t fingerprint(double burstiness) {
  arrivals a;
  uint64_t mixed = 0;
  arrivals_init(&a, 7, burstiness);
  for (int i = 0; i < 100000; i++) {
    union {
      double step;
      uint64_t bits;
    } as = {.step = arrivals_step(&a)};
    mixed = (mixed ^ as.bits) * UINT64_C(0x100000001b3);
  }
  return mixed;
}

static void a_seed_gives_the_same_steps_on_every_machine(void **state) {
  (void)state;
  assert_true(fingerprint(1) == UINT64_C(0x7ac8dd58df7de627));
  assert_true(fingerprint(0.3) == UINT64_C(0xfec616089fc3b0e6));
  assert_true(fingerprint(4) == UINT64_C(0x41ce5f0d62a85830));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gamma_has_the_values_of_the_tables),
      cmocka_unit_test(poisson_gaps_are_exponential),
      cmocka_unit_test(gamma_gaps_are_gamma_in_bursts),
      cmocka_unit_test(gamma_steps_are_gamma_in_strong_bursts),
      cmocka_unit_test(gamma_gaps_are_gamma_where_they_are_even),
      cmocka_unit_test(every_rate_has_the_same_distribution),
      cmocka_unit_test(constant_gaps_are_all_the_same),
      cmocka_unit_test(gaps_do_not_depend_on_the_one_before),
      cmocka_unit_test(counts_are_as_dispersed_as_their_process),
      cmocka_unit_test(elementary_functions_are_right),
      cmocka_unit_test(a_seed_gives_the_same_steps_on_every_machine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
