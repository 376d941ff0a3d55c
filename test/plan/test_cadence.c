/* The poll cadence: floor and limit, jitter that only lengthens. */
#include "plan/cadence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS 1000000ull
#define S  1000000000ull

static lti_prng seeded(uint64_t seed) {
  lti_prng prng;
  lti_prng_seed(&prng, seed);
  return prng;
}

static void the_floor_holds_as_long_as_the_limit_is_far(void **state) {
  (void)state;
  assert_int_equal(lti_cadence_in_force_ns(15 * S, 0, 50), 15 * S);
  assert_int_equal(lti_cadence_in_force_ns(15 * S, 750 * LTI_CADENCE_QUESTION, 50), 15 * S);
  assert_int_equal(lti_cadence_in_force_ns(15 * S, UINT64_MAX, 0), 15 * S);
}

/* Ten thousand jobs, a hundred a question, fifty questions a second: two seconds a round. */
static void many_jobs_stretch_the_round_to_what_the_limit_allows(void **state) {
  (void)state;
  uint64_t questions = 10000 * LTI_CADENCE_QUESTION / 100;
  assert_int_equal(lti_cadence_in_force_ns(750 * MS, questions, 50), 2 * S);
  assert_int_equal(lti_cadence_in_force_ns(750 * MS, 500 * LTI_CADENCE_QUESTION, 50), 10 * S);
  assert_int_equal(lti_cadence_in_force_ns(15 * S, 800 * LTI_CADENCE_QUESTION, 50), 16 * S);
}

static void jitter_only_lengthens_and_spreads(void **state) {
  lti_prng prng = seeded(2);
  unsigned tenths[10] = {0};
  (void)state;
  for (int i = 0; i < 10000; i++) {
    uint64_t ns = lti_cadence_jitter_ns(S, 10, &prng);
    assert_true(ns < 100 * MS);
    tenths[ns / (10 * MS)]++;
  }
  for (int i = 0; i < 10; i++) assert_in_range(tenths[i], 800, 1200);
  assert_int_equal(lti_cadence_jitter_ns(S, 0, &prng), 0);
  assert_int_equal(lti_cadence_jitter_ns(0, 10, &prng), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_floor_holds_as_long_as_the_limit_is_far),
      cmocka_unit_test(many_jobs_stretch_the_round_to_what_the_limit_allows),
      cmocka_unit_test(jitter_only_lengthens_and_spreads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
