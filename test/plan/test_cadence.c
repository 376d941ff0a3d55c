/* The poll cadence: first wait, later waits, jitter that only lengthens, and the server's wish. */
#include "plan/cadence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static lti_prng seeded(uint64_t seed) {
  lti_prng prng;
  lti_prng_seed(&prng, seed);
  return prng;
}

static void first_wait_and_later_waits_differ(void **state) {
  const lti_cadence c = {.first_ms = 500, .poll_ms = 15000};
  lti_prng prng = seeded(1);
  (void)state;
  assert_int_equal(lti_cadence_wait_ms(&c, 0, -1, &prng), 500);
  assert_int_equal(lti_cadence_wait_ms(&c, 1, -1, &prng), 15000);
  assert_int_equal(lti_cadence_wait_ms(&c, 1000000, -1, &prng), 15000);
}

static void jitter_only_lengthens_and_spreads(void **state) {
  const lti_cadence c = {.first_ms = 1000, .poll_ms = 1000, .jitter_percent = 10};
  lti_prng prng = seeded(2);
  unsigned tenths[10] = {0};
  (void)state;
  for (int i = 0; i < 10000; i++) {
    int64_t ms = lti_cadence_wait_ms(&c, 1, -1, &prng);
    assert_in_range(ms, 1000, 1100);
    tenths[ms == 1100 ? 9 : (ms - 1000) / 10]++;
  }
  for (int i = 0; i < 10; i++) assert_in_range(tenths[i], 800, 1200);
}

static void a_longer_wish_of_the_server_wins(void **state) {
  const lti_cadence c = {.first_ms = 1000, .poll_ms = 1000};
  lti_prng prng = seeded(3);
  (void)state;
  assert_int_equal(lti_cadence_wait_ms(&c, 1, 4000, &prng), 4000);
  assert_int_equal(lti_cadence_wait_ms(&c, 0, 4000, &prng), 4000);
  assert_int_equal(lti_cadence_wait_ms(&c, 1, 200, &prng), 1000);
  assert_int_equal(lti_cadence_wait_ms(&c, 1, 0, &prng), 1000);
}

static void the_longest_settings_do_not_overflow(void **state) {
  const lti_cadence c = {.first_ms = 86400000, .poll_ms = 86400000, .jitter_percent = 1000};
  lti_prng prng = seeded(4);
  (void)state;
  for (int i = 0; i < 1000; i++) {
    int64_t ms = lti_cadence_wait_ms(&c, 1, 366ll * 86400 * 1000, &prng);
    assert_in_range(ms, 366ll * 86400 * 1000, 11 * 366ll * 86400 * 1000);
  }
}

static void one_seed_gives_one_sequence(void **state) {
  const lti_cadence c = {.first_ms = 1000, .poll_ms = 1000, .jitter_percent = 50};
  lti_prng a = seeded(5), b = seeded(5);
  (void)state;
  for (uint64_t n = 0; n < 100; n++)
    assert_int_equal(lti_cadence_wait_ms(&c, n, -1, &a), lti_cadence_wait_ms(&c, n, -1, &b));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_wait_and_later_waits_differ),
      cmocka_unit_test(jitter_only_lengthens_and_spreads),
      cmocka_unit_test(a_longer_wish_of_the_server_wins),
      cmocka_unit_test(the_longest_settings_do_not_overflow),
      cmocka_unit_test(one_seed_gives_one_sequence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
