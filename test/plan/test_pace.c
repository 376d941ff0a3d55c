/* A pace that no second exceeds, whoever is late. */
#include "plan/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"

#define MS 1000000ull
#define S  1000000000ull

/* However late whoever asks comes, and however long nobody did. */
static void no_second_sees_more_than_the_limit(void **state) {
  static const uint32_t limits[] = {1, 7, 50, 1000};
  static uint64_t taken[20000];
  lti_prng prng;
  (void)state;
  lti_prng_seed(&prng, 3);
  for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
    lti_pace p;
    lti_pace_init(&p, limits[l]);
    size_t count = 0, from = 0;
    uint64_t now = 5 * S;
    while (now < 15 * S) {
      if (now < p.next_ns) now = p.next_ns;
      now += lti_prng_below(&prng, 4) == 0 ? lti_prng_below(&prng, 3 * p.spacing_ns) : 0;
      lti_pace_take(&p, now);
      taken[count++] = now;
      while (taken[from] + S <= now) from++;
      assert_in_range(count - from, 1, limits[l]);
    }
    assert_true(count > 8 * limits[l]);
  }
}

/* A timer of milliseconds that is late each time costs no turn. */
static void small_lateness_does_not_add_up(void **state) {
  lti_pace p;
  (void)state;
  lti_pace_init(&p, 50);
  uint64_t now = S, first = now;
  for (int i = 0; i < 100; i++) {
    lti_pace_take(&p, now);
    now = p.next_ns + MS;
  }
  assert_true(now - first < 100 * (p.spacing_ns + MS / 10));
}

static void without_a_limit_nobody_waits(void **state) {
  lti_pace p;
  (void)state;
  lti_pace_init(&p, 0);
  for (uint64_t now = S; now < S + 100; now++) {
    assert_true(p.next_ns <= now);
    lti_pace_take(&p, now);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_second_sees_more_than_the_limit),
      cmocka_unit_test(small_lateness_does_not_add_up),
      cmocka_unit_test(without_a_limit_nobody_waits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
