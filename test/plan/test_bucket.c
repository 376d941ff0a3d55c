/* The token bucket: what it holds, when there is enough, debts, and that it neither loses nor gains
 * anything however often it is looked at. */
#include "plan/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"

#define SECOND 1000000000ull
#define MINUTE (60 * SECOND)

static void it_begins_full_and_gives_what_it_has(void **state) {
  lti_bucket b;
  (void)state;
  lti_bucket_init(&b, 10, 60, 5 * SECOND);
  assert_int_equal(lti_bucket_level(&b, 5 * SECOND), 10);
  lti_bucket_take(&b, 10, 5 * SECOND);
  assert_int_equal(lti_bucket_level(&b, 5 * SECOND), 0);
  assert_int_equal(lti_bucket_when(&b, 1, 5 * SECOND), 6 * SECOND);
  assert_int_equal(lti_bucket_when(&b, 3, 5 * SECOND), 8 * SECOND);
  assert_int_equal(lti_bucket_level(&b, 6 * SECOND - 1000), 0);
  assert_int_equal(lti_bucket_level(&b, 6 * SECOND), 1);
  assert_int_equal(lti_bucket_level(&b, 500 * SECOND), 10);
}

static void a_debt_is_paid_first(void **state) {
  lti_bucket b;
  (void)state;
  lti_bucket_init(&b, 10, 60, 0);
  lti_bucket_take(&b, 100, 0);
  assert_int_equal(lti_bucket_level(&b, 0), -90);
  assert_int_equal(lti_bucket_when(&b, 1, 0), 91 * SECOND);
  lti_bucket_take(&b, -50, 0);
  assert_int_equal(lti_bucket_when(&b, 1, 0), 41 * SECOND);
  lti_bucket_take(&b, -500, 0);
  assert_int_equal(lti_bucket_level(&b, 0), 10);
}

static void more_than_it_holds_may_go_when_it_is_full(void **state) {
  lti_bucket b;
  (void)state;
  lti_bucket_init(&b, 10, 60, 0);
  assert_int_equal(lti_bucket_when(&b, 1000, 7), 7);
  lti_bucket_take(&b, 1, 7);
  assert_int_equal(lti_bucket_when(&b, 1000, 7) / SECOND, 1);
}

static void without_a_rate_it_never_fills(void **state) {
  lti_bucket b;
  (void)state;
  lti_bucket_init(&b, 2, 0, 0);
  lti_bucket_take(&b, 2, 0);
  assert_true(lti_bucket_when(&b, 1, 0) == LTI_BUCKET_NEVER);
  assert_int_equal(lti_bucket_level(&b, MINUTE * 1000000), 0);
  lti_bucket_set_level(&b, 9, 0);
  assert_int_equal(lti_bucket_level(&b, 0), 2);
}

static void the_largest_numbers_do_not_overflow(void **state) {
  lti_bucket b;
  (void)state;
  lti_bucket_init(&b, INT64_MAX, INT64_MAX, 0);
  lti_bucket_take(&b, INT64_MAX, 0);
  lti_bucket_take(&b, INT64_MAX, 0);
  assert_true(lti_bucket_level(&b, 0) < 0);
  assert_true(lti_bucket_when(&b, INT64_MAX, 0) > 0);
  assert_int_equal(lti_bucket_level(&b, UINT64_MAX), b.capacity);
  lti_bucket_take(&b, INT64_MIN, UINT64_MAX);
  assert_int_equal(lti_bucket_level(&b, UINT64_MAX), b.capacity);
  lti_bucket_set_rate(&b, INT64_MAX, UINT64_MAX, UINT64_MAX);
  lti_bucket_set_rate(&b, 1, 0, UINT64_MAX);
  assert_int_equal(b.period_us, 1);
}

/* A clock that goes back, as none does, takes nothing away. */
static void an_earlier_time_changes_nothing(void **state) {
  lti_bucket b;
  (void)state;
  lti_bucket_init(&b, 10, 60, 100 * SECOND);
  lti_bucket_take(&b, 5, 100 * SECOND);
  assert_int_equal(lti_bucket_level(&b, SECOND), 5);
}

/* By seed: a bucket that is looked at in thousands of odd moments gains, to the unit, what the
 * formula says for the whole time; and `when` names the very microsecond. */
static void it_does_not_drift(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    lti_prng prng;
    lti_prng_seed(&prng, seed);
    uint64_t rate = 1 + lti_prng_below(&prng, 1000000), now = lti_prng_below(&prng, MINUTE);
    uint64_t from = now;
    lti_bucket b;
    lti_bucket_init(&b, (int64_t)1 << 39, (int64_t)rate, now);
    lti_bucket_set_level(&b, 0, now);
    for (int i = 0; i < 2000; i++) {
      now += lti_prng_below(&prng, 3) ? lti_prng_below(&prng, 2000) : lti_prng_below(&prng, SECOND);
      lti_bucket_level(&b, now);
    }
    uint64_t us = (now - from) / 1000;
    assert_int_equal(lti_bucket_level(&b, now), us * rate / LTI_BUCKET_MINUTE_US);
    int64_t wish = b.level + 1 + (int64_t)lti_prng_below(&prng, 5000);
    uint64_t at = lti_bucket_when(&b, wish, now);
    lti_bucket before = b;
    assert_true(lti_bucket_level(&before, at - 1000) < wish);
    assert_true(lti_bucket_level(&b, at) >= wish);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_begins_full_and_gives_what_it_has),
      cmocka_unit_test(a_debt_is_paid_first),
      cmocka_unit_test(more_than_it_holds_may_go_when_it_is_full),
      cmocka_unit_test(without_a_rate_it_never_fills),
      cmocka_unit_test(the_largest_numbers_do_not_overflow),
      cmocka_unit_test(an_earlier_time_changes_nothing),
      cmocka_unit_test(it_does_not_drift),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
