/* The generator: the published sequence, fair bounds, and one seed giving one sequence. */
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void gives_the_published_sequence(void **state) {
  (void)state;
  lti_prng r = {{1, 2, 3, 4}};
  const uint64_t expected[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};
  for (int i = 0; i < 4; i++) assert_true(lti_prng_next(&r) == expected[i]);
}

static void seeds_by_splitmix64(void **state) {
  (void)state;
  lti_prng r;
  lti_prng_seed(&r, 0);
  assert_true(r.s[0] == UINT64_C(0xe220a8397b1dcdaf));
  assert_true(r.s[1] == UINT64_C(0x6e789e6aa1b965f4));
  assert_true(r.s[2] == UINT64_C(0x06c45d188009454f));
  assert_true(r.s[3] == UINT64_C(0xf88bb8a8724c81ec));
}

static void one_seed_gives_one_sequence(void **state) {
  (void)state;
  lti_prng a, b, c;
  lti_prng_seed(&a, 42);
  lti_prng_seed(&b, 42);
  lti_prng_seed(&c, 43);
  int same = 0;
  for (int i = 0; i < 1000; i++) {
    uint64_t x = lti_prng_next(&a);
    assert_true(x == lti_prng_next(&b));
    same += x == lti_prng_next(&c);
  }
  assert_int_equal(same, 0);
}

static void below_is_fair_and_bounded(void **state) {
  (void)state;
  lti_prng r;
  int counts[7] = {0};
  lti_prng_seed(&r, 8);
  for (int i = 0; i < 70000; i++) counts[lti_prng_below(&r, 7)]++;
  for (int i = 0; i < 7; i++) assert_in_range(counts[i], 9500, 10500);
  for (int i = 0; i < 100; i++) assert_int_equal(lti_prng_below(&r, 1), 0);
  /* A bound above 2^63 rejects every second number: each half must still come equally often. */
  int high = 0;
  uint64_t bound = UINT64_C(3) << 62;
  for (int i = 0; i < 30000; i++) high += lti_prng_below(&r, bound) >= bound / 3;
  assert_in_range(high, 19500, 20500);
}

static void unit_lies_in_the_half_open_interval(void **state) {
  (void)state;
  lti_prng r;
  double sum = 0;
  lti_prng_seed(&r, 9);
  for (int i = 0; i < 10000; i++) {
    double u = lti_prng_unit(&r);
    assert_true(u >= 0 && u < 1);
    sum += u;
  }
  assert_true(sum > 4800 && sum < 5200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_published_sequence),
      cmocka_unit_test(seeds_by_splitmix64),
      cmocka_unit_test(one_seed_gives_one_sequence),
      cmocka_unit_test(below_is_fair_and_bounded),
      cmocka_unit_test(unit_lies_in_the_half_open_interval),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
