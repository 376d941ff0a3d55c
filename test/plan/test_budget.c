/* The retry budget: its share of the traffic, what is free, and that a storm stays within it (row
 * RT-06). */
#include "plan/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"

#define SECOND 1000000000ull

static int withdraw_all(lti_budget *b, uint64_t now_ns) {
  int n = 0;
  while (n < 10000 && lti_budget_withdraw(b, now_ns)) n++;
  return n;
}

static void ten_are_free_and_come_back(void **state) {
  lti_budget b;
  (void)state;
  lti_budget_init(&b, 10, 0);
  assert_int_equal(withdraw_all(&b, 0), 10);
  assert_int_equal(withdraw_all(&b, SECOND - 1), 0);
  assert_int_equal(withdraw_all(&b, SECOND), 1);
  assert_int_equal(withdraw_all(&b, 4 * SECOND), 3);
  assert_int_equal(withdraw_all(&b, 1000 * SECOND), 10);
}

static void traffic_pays_its_share(void **state) {
  lti_budget b;
  (void)state;
  lti_budget_init(&b, 10, 0);
  withdraw_all(&b, 0);
  for (int i = 0; i < 250; i++) lti_budget_deposit(&b);
  assert_int_equal(withdraw_all(&b, 0), 25);
  for (int i = 0; i < 1000000; i++) lti_budget_deposit(&b);
  assert_int_equal(withdraw_all(&b, 0), LTI_BUDGET_MAX);
}

static void what_traffic_paid_is_no_less_by_waiting(void **state) {
  lti_budget b;
  (void)state;
  lti_budget_init(&b, 50, 0);
  for (int i = 0; i < 100; i++) lti_budget_deposit(&b);
  assert_int_equal(withdraw_all(&b, 100 * SECOND), 60);
}

static void test_rt_06_a_storm_of_five_thousand_has_a_tenth_of_repeats(void **state) {
  lti_budget b;
  int repeats = 0;
  (void)state;
  lti_budget_init(&b, 10, 0);
  for (int i = 0; i < 5000; i++) {
    lti_budget_deposit(&b);
    repeats += lti_budget_withdraw(&b, 0);
  }
  assert_in_range(repeats, 500, 510);
}

/* By seed: however deposits and withdrawals alternate, repeats stay within their share, what was
 * free at first, and one a second. */
static void the_bound_holds_for_any_order(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 100; seed++) {
    lti_prng prng;
    lti_prng_seed(&prng, seed);
    lti_budget b;
    int percent = (int)lti_prng_below(&prng, 101);
    uint64_t now = 0, first = 0, repeats = 0;
    lti_budget_init(&b, percent, now);
    for (int i = 0; i < 5000; i++) {
      now += lti_prng_below(&prng, SECOND / 10);
      if (lti_prng_below(&prng, 2))
        lti_budget_deposit(&b), first++;
      else
        repeats += lti_budget_withdraw(&b, now);
      assert_true(repeats * 100 <= first * (uint64_t)percent + 1000 + now / SECOND * 100);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ten_are_free_and_come_back),
      cmocka_unit_test(traffic_pays_its_share),
      cmocka_unit_test(what_traffic_paid_is_no_less_by_waiting),
      cmocka_unit_test(test_rt_06_a_storm_of_five_thousand_has_a_tenth_of_repeats),
      cmocka_unit_test(the_bound_holds_for_any_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
