/* The circuit: when it opens, that one attempt tries, and what late news of older attempts does. */
#include "plan/circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"

#define MS 1000000ull

static bool admits(lti_circuit *c, uint64_t now_ns) {
  bool trial;
  return lti_circuit_admit(c, now_ns, &trial);
}

static void it_opens_after_so_many_in_a_row(void **state) {
  lti_circuit c;
  (void)state;
  lti_circuit_init(&c, 3, 100);
  assert_false(lti_circuit_failed(&c, false, 0));
  assert_false(lti_circuit_failed(&c, false, 0));
  lti_circuit_succeeded(&c);
  assert_false(lti_circuit_failed(&c, false, 0));
  assert_false(lti_circuit_failed(&c, false, 0));
  assert_true(admits(&c, 0));
  assert_true(lti_circuit_failed(&c, false, 0));
  assert_false(admits(&c, 0));
  assert_false(admits(&c, 100 * MS - 1));
}

static void opened(lti_circuit *c) {
  lti_circuit_init(c, 1, 100);
  lti_circuit_failed(c, false, 0);
}

static void one_tries_and_its_success_closes(void **state) {
  lti_circuit c;
  bool trial;
  (void)state;
  opened(&c);
  assert_true(lti_circuit_admit(&c, 100 * MS, &trial));
  assert_true(trial);
  assert_false(admits(&c, 100 * MS));
  assert_false(admits(&c, 10000 * MS));
  lti_circuit_succeeded(&c);
  assert_true(lti_circuit_admit(&c, 100 * MS, &trial));
  assert_false(trial);
}

static void its_failure_opens_again_for_as_long(void **state) {
  lti_circuit c;
  bool trial;
  (void)state;
  opened(&c);
  assert_true(lti_circuit_admit(&c, 150 * MS, &trial));
  assert_true(lti_circuit_failed(&c, trial, 200 * MS));
  assert_false(admits(&c, 300 * MS - 1));
  assert_true(admits(&c, 300 * MS));
}

static void older_failures_say_nothing_new(void **state) {
  lti_circuit c;
  bool trial;
  (void)state;
  opened(&c);
  assert_false(lti_circuit_failed(&c, false, 90 * MS));
  assert_true(lti_circuit_admit(&c, 100 * MS, &trial));
  assert_false(lti_circuit_failed(&c, false, 100 * MS));
  assert_false(admits(&c, 101 * MS));
  lti_circuit_succeeded(&c);
  assert_true(admits(&c, 101 * MS));
}

static void a_trial_without_a_word_is_followed_by_another(void **state) {
  lti_circuit c;
  bool trial;
  (void)state;
  opened(&c);
  assert_true(lti_circuit_admit(&c, 100 * MS, &trial));
  lti_circuit_spoiled(&c, 120 * MS);
  assert_true(lti_circuit_admit(&c, 120 * MS, &trial));
  assert_true(trial);
  lti_circuit_succeeded(&c);
  lti_circuit_spoiled(&c, 120 * MS);
  assert_true(admits(&c, 120 * MS));
}

/* By seed: while it is not closed at most one trial is out, and it is never let through early. */
static void never_more_than_one_trial(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    lti_prng prng;
    lti_circuit c;
    uint64_t now = 0;
    int trials = 0;
    lti_prng_seed(&prng, seed);
    lti_circuit_init(&c, 1 + (int)lti_prng_below(&prng, 5), 50);
    for (int i = 0; i < 2000; i++) {
      bool trial;
      now += lti_prng_below(&prng, 20 * MS);
      if (trials && lti_prng_below(&prng, 2)) {
        trials--;
        if (lti_prng_below(&prng, 2))
          lti_circuit_failed(&c, true, now);
        else
          lti_circuit_succeeded(&c);
      } else if (lti_prng_below(&prng, 2)) {
        lti_circuit_failed(&c, false, now);
      } else if (lti_circuit_admit(&c, now, &trial)) {
        assert_true(c.state != CIRCUIT_OPEN);
        trials += trial;
      }
      assert_in_range(trials, 0, 1);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_opens_after_so_many_in_a_row),
      cmocka_unit_test(one_tries_and_its_success_closes),
      cmocka_unit_test(its_failure_opens_again_for_as_long),
      cmocka_unit_test(older_failures_say_nothing_new),
      cmocka_unit_test(a_trial_without_a_word_is_followed_by_another),
      cmocka_unit_test(never_more_than_one_trial),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
