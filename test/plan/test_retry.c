/* The retry policy: what is repeated, when, and what is said of attempts that may have run.
 * Rows RT-02 to RT-05 and PL-06; what needs an engine (RT-06 to RT-09) is in test/sim. */
#include "plan/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"

static lti_prng prng;

/* An attempt that was sent whole on a fresh connection, with two retries left. */
static lti_retry_case attempt(int error, int status) {
  return (lti_retry_case){.error = error,
                          .status = status,
                          .hint_ms = -1,
                          .leased = true,
                          .sent_any = true,
                          .response_started = status != 0,
                          .retries_max = 2,
                          .hint_max_ms = 120000};
}

static lti_retry_plan decide(const lti_retry_case *c) {
  lti_retry_plan plan;
  lti_retry_decide(c, &prng, &plan);
  return plan;
}

static lti_retry_plan decide_status(int status) {
  lti_retry_case c = attempt(LEAT_ESTATUS, status);
  return decide(&c);
}

static void test_rt_03_statuses(void **state) {
  static const int again[] = {408, 409, 429, 500, 502, 503, 504, 520, 529, 599};
  static const int final[] = {400, 401, 402, 403, 404, 405, 413, 415, 422, 451, 501};
  (void)state;
  for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
    lti_retry_plan plan = decide_status(again[i]);
    assert_int_equal(plan.action, LTI_RETRY_WAIT);
    assert_true(plan.retryable);
  }
  for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
    lti_retry_plan plan = decide_status(final[i]);
    assert_int_equal(plan.action, LTI_RETRY_NO);
    assert_false(plan.retryable);
  }
}

static void test_rt_03_x_should_retry_wins(void **state) {
  lti_retry_case c = attempt(LEAT_ESTATUS, 400);
  (void)state;
  c.should_retry = lti_slice_of("true");
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
  c = attempt(LEAT_ESTATUS, 503);
  c.should_retry = lti_slice_of("FALSE");
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  assert_false(decide(&c).retryable);
  c.should_retry = lti_slice_of("perhaps");
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
}

static void test_rt_03_transport_errors(void **state) {
  static const int again[] = {LEAT_ERESOLVEAGAIN, LEAT_EREFUSED,    LEAT_EUNREACHABLE,
                              LEAT_ERESET,        LEAT_EDNSTIMEOUT, LEAT_ECONNTIMEOUT,
                              LEAT_EHEADTIMEOUT,  LEAT_ETRUNCATED};
  static const int final[] = {LEAT_ERESOLVE,     LEAT_ECERT,        LEAT_ENOCA,    LEAT_EHTTP,
                              LEAT_EHEADERSMAX,  LEAT_EBODYMAX,     LEAT_ENOMEM,   LEAT_EDECODE,
                              LEAT_EIDLETIMEOUT, LEAT_EGAPTIMEOUT,  LEAT_EHELDMAX, LEAT_EAPI,
                              LEAT_EINCOMPLETE,  LEAT_ETOTALTIMEOUT};
  (void)state;
  for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
    lti_retry_case c = attempt(again[i], 0);
    assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
  }
  for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
    lti_retry_case c = attempt(final[i], 0);
    assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  }
}

static void money_that_is_gone_is_not_waited_for(void **state) {
  lti_retry_case c = attempt(LEAT_ESTATUS, 429);
  (void)state;
  c.code = lti_slice_of("insufficient_quota");
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  c.should_retry = lti_slice_of("true");
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
  c = attempt(LEAT_ESTATUS, 429);
  c.code = lti_slice_of("rate_limit_exceeded");
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
}

/* A breach of the protocol is repeated where it may have been for another request's answer. */
static void test_h2_20_what_broke_a_shared_connection_is_worth_a_repeat(void **state) {
  lti_retry_case c = attempt(LEAT_EHTTP, 0);
  (void)state;
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  c.shared = true;
  lti_retry_plan plan = decide(&c);
  assert_int_equal(plan.action, LTI_RETRY_WAIT);
  assert_true(plan.maybe_ran && plan.retryable);
  c.reused = true; /* and never for free, or a server that always does it would never end */
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
  c.once = true;
  assert_true(decide(&c).uncertain);
  c.once = false;
  c.delivered = true;
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
}

static void test_rt_02_a_wish_above_the_cap_is_neither_slept_nor_clipped(void **state) {
  lti_retry_case c = attempt(LEAT_ESTATUS, 429);
  (void)state;
  c.hint_ms = 120001;
  lti_retry_plan plan = decide(&c);
  assert_int_equal(plan.action, LTI_RETRY_NO);
  assert_true(plan.retryable);
  c.hint_ms = 120000;
  plan = decide(&c);
  assert_int_equal(plan.action, LTI_RETRY_WAIT);
  assert_int_equal(plan.wait_ms, 120000);
}

static void a_wish_is_taken_at_its_word_and_zero_means_our_own_wait(void **state) {
  lti_retry_case c = attempt(LEAT_ESTATUS, 429);
  (void)state;
  c.hint_ms = 250;
  assert_int_equal(decide(&c).wait_ms, 250);
  c.hint_ms = 0;
  assert_in_range(decide(&c).wait_ms, 375, 500);
}

static void test_rt_04_waits_double_up_to_eight_seconds_and_are_spread(void **state) {
  static const int64_t most[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};
  (void)state;
  for (int n = 0; n < 7; n++) {
    unsigned quarters[4] = {0};
    for (int i = 0; i < 4000; i++) {
      int64_t ms = lti_retry_backoff_ms(n, &prng), least = most[n] * 3 / 4;
      assert_in_range(ms, least, most[n]);
      int64_t quarter = (ms - least) * 4 / (most[n] - least);
      quarters[quarter > 3 ? 3 : quarter]++;
    }
    for (int i = 0; i < 4; i++) assert_in_range(quarters[i], 700, 1300);
  }
  assert_in_range(lti_retry_backoff_ms(1000000, &prng), 6000, 8000);
}

static void retries_end(void **state) {
  lti_retry_case c = attempt(LEAT_ESTATUS, 503);
  (void)state;
  c.retries_done = 1;
  assert_in_range(decide(&c).wait_ms, 750, 1000);
  c.retries_done = 2;
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  assert_true(decide(&c).retryable);
  c.retries_max = 0;
  c.retries_done = 0;
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
}

static void test_rt_05_nothing_is_repeated_after_the_first_event(void **state) {
  static const int errors[] = {LEAT_ERESET, LEAT_ETRUNCATED, LEAT_EHEADTIMEOUT, LEAT_ESTATUS};
  (void)state;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    for (int sent = 0; sent < 2; sent++) {
      lti_retry_case c = attempt(errors[i], 0);
      c.delivered = true;
      c.sent_any = sent;
      c.reused = true;
      assert_int_equal(decide(&c).action, LTI_RETRY_NO);
    }
}

static void test_pl_06_lost_on_a_reused_connection_is_replayed_at_once(void **state) {
  lti_retry_case c = attempt(LEAT_ERESET, 0);
  (void)state;
  c.reused = true;
  c.retries_max = 0;
  lti_retry_plan plan = decide(&c);
  assert_int_equal(plan.action, LTI_RETRY_FREE);
  assert_true(plan.maybe_ran);
  c.response_started = true; /* a byte of an answer: no more than a retry */
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  c.response_started = false;
  c.reused = false; /* fresh: the server itself hung up */
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  c.retries_max = 1;
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
}

static void what_never_left_is_replayed_even_once_but_not_for_ever(void **state) {
  lti_retry_case c = attempt(LEAT_ERESET, 0);
  (void)state;
  c.sent_any = false;
  c.once = true;
  c.retries_max = 0;
  assert_int_equal(decide(&c).action, LTI_RETRY_FREE);
  assert_false(decide(&c).maybe_ran);
  c.replays_done = c.replays_idle = LTI_REPLAYS_MAX;
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  assert_false(decide(&c).uncertain);
  c.retries_max = 1;
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
  c.replays_done = c.replays_idle = 0;
  c.leased = false; /* the connection could not be made: that is what retries are for */
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
}

/* H2-08: a server that leaves after each handful, and one line of hundreds. */
static void test_h2_08_replays_among_many_wait_longer_and_longer(void **state) {
  lti_retry_case c = attempt(LEAT_ERESET, 0);
  (void)state;
  c.sent_any = false;
  c.retries_max = 0;
  int64_t all_ms = 0;
  for (c.replays_done = 0; c.replays_done < LTI_REPLAYS_AMONG_MANY; c.replays_done++) {
    lti_retry_plan plan = decide(&c);
    assert_int_equal(plan.action, LTI_RETRY_FREE);
    assert_int_equal(plan.wait_ms > 0, c.replays_done >= LTI_REPLAYS_MAX);
    assert_in_range(plan.wait_ms, 0, 1000);
    all_ms += plan.wait_ms;
  }
  assert_in_range(all_ms, 30000, 60000);
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  c.replays_done = 20;
  c.replays_idle = LTI_REPLAYS_MAX; /* the others are not taken up any more either */
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
  c.replays_done = LTI_REPLAYS_MAX;
  c.replays_idle = 0;
  c.sent_any = true; /* it may have run: no more than without the others */
  c.reused = true;
  assert_int_equal(decide(&c).action, LTI_RETRY_NO);
}

static void once_is_uncertain_unless_the_server_proved_its_refusal(void **state) {
  static const int lost[] = {LEAT_ERESET, LEAT_EHEADTIMEOUT, LEAT_ETRUNCATED, LEAT_EIDLETIMEOUT};
  static const int proof[] = {400, 401, 404, 422, 429};
  static const int doubt[] = {408, 409, 500, 502, 503, 504};
  (void)state;
  for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
    for (int reused = 0; reused < 2; reused++) {
      lti_retry_case c = attempt(lost[i], 0);
      c.once = true;
      c.reused = reused;
      lti_retry_plan plan = decide(&c);
      assert_int_equal(plan.action, LTI_RETRY_NO);
      assert_true(plan.uncertain);
    }
  for (size_t i = 0; i < sizeof proof / sizeof *proof; i++) {
    lti_retry_case c = attempt(LEAT_ESTATUS, proof[i]);
    c.once = true;
    assert_false(decide(&c).uncertain);
    assert_int_equal(decide(&c).action, proof[i] == 429 ? LTI_RETRY_WAIT : LTI_RETRY_NO);
  }
  for (size_t i = 0; i < sizeof doubt / sizeof *doubt; i++) {
    lti_retry_case c = attempt(LEAT_ESTATUS, doubt[i]);
    c.once = true;
    assert_int_equal(decide(&c).action, LTI_RETRY_NO);
    assert_true(decide(&c).uncertain);
  }
  lti_retry_case c = attempt(LEAT_ESTATUS, 503);
  c.once = true;
  c.hint_ms = 1000;
  assert_int_equal(decide(&c).action, LTI_RETRY_WAIT);
  assert_false(decide(&c).maybe_ran);
}

static void once_keeps_the_error_of_an_answer_that_had_begun(void **state) {
  static const int errors[] = {LEAT_EHELDMAX, LEAT_EDECODE, LEAT_EEVENTMAX, LEAT_EIDLETIMEOUT};
  (void)state;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    lti_retry_case c = attempt(errors[i], 0);
    c.once = c.response_started = true;
    assert_int_equal(decide(&c).action, LTI_RETRY_NO);
    assert_false(decide(&c).uncertain);
  }
  lti_retry_case c = attempt(LEAT_ETRUNCATED, 0);
  c.once = c.response_started = true;
  assert_true(decide(&c).uncertain);
}

static void what_cannot_have_run_is_not_said_to_have(void **state) {
  static const struct {
    int status;
    bool maybe;
  } rows[] = {{0, true},   {200, true}, {307, true},  {400, false}, {404, false},
              {408, true}, {409, true}, {429, false}, {500, true},  {503, true}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_retry_case c = attempt(rows[i].status ? LEAT_ESTATUS : LEAT_ERESET, rows[i].status);
    assert_int_equal(decide(&c).maybe_ran, rows[i].maybe);
    c.sent_any = false;
    assert_false(decide(&c).maybe_ran);
  }
}

static int seed_prng(void **state) {
  (void)state;
  lti_prng_seed(&prng, 1);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rt_03_statuses),
      cmocka_unit_test(test_rt_03_x_should_retry_wins),
      cmocka_unit_test(test_rt_03_transport_errors),
      cmocka_unit_test(money_that_is_gone_is_not_waited_for),
      cmocka_unit_test(test_h2_20_what_broke_a_shared_connection_is_worth_a_repeat),
      cmocka_unit_test(test_rt_02_a_wish_above_the_cap_is_neither_slept_nor_clipped),
      cmocka_unit_test(a_wish_is_taken_at_its_word_and_zero_means_our_own_wait),
      cmocka_unit_test(test_rt_04_waits_double_up_to_eight_seconds_and_are_spread),
      cmocka_unit_test(retries_end),
      cmocka_unit_test(test_rt_05_nothing_is_repeated_after_the_first_event),
      cmocka_unit_test(test_pl_06_lost_on_a_reused_connection_is_replayed_at_once),
      cmocka_unit_test(what_never_left_is_replayed_even_once_but_not_for_ever),
      cmocka_unit_test(test_h2_08_replays_among_many_wait_longer_and_longer),
      cmocka_unit_test(once_is_uncertain_unless_the_server_proved_its_refusal),
      cmocka_unit_test(once_keeps_the_error_of_an_answer_that_had_begun),
      cmocka_unit_test(what_cannot_have_run_is_not_said_to_have),
  };
  return cmocka_run_group_tests(tests, seed_prng, NULL);
}
