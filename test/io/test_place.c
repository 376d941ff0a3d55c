/* Where a request goes, for what connections carry and what windows they have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/place.h"

#define INITIAL 65535
#define MB      ((int64_t)1 << 20)

/* One with room, whose windows are known and as large as they begin. */
static lti_conn_load idle(void) {
  return (lti_conn_load){.room = 100,
                         .streams_max = 100,
                         .window = INITIAL,
                         .window_peak = INITIAL,
                         .stream_window = INITIAL,
                         .settled = true};
}

static void assert_verdict(const lti_conn_load *load, uint64_t body_size,
                           enum lti_place_verdict verdict) {
  assert_int_equal(lti_place_judge(load, body_size), verdict);
}

static void test_without_a_stream_nothing_has_a_place(void **state) {
  lti_conn_load load = idle();
  (void)state;
  load.room = 0;
  assert_verdict(&load, 0, LTI_PLACE_FULL);
  assert_verdict(&load, (uint64_t)MB, LTI_PLACE_FULL);
}

static void test_only_small_bodies_go_before_the_windows_are_known(void **state) {
  lti_conn_load load = idle();
  (void)state;
  load.settled = false;
  assert_verdict(&load, 0, LTI_PLACE_GOOD);
  assert_verdict(&load, LTI_PLACE_SMALL, LTI_PLACE_GOOD);
  assert_verdict(&load, LTI_PLACE_SMALL + 1, LTI_PLACE_WAIT);
}

static void test_a_body_goes_where_the_window_lets_it_through(void **state) {
  lti_conn_load load = idle();
  (void)state;
  load.window = 1000;
  assert_verdict(&load, 0, LTI_PLACE_GOOD);
  assert_verdict(&load, 1000, LTI_PLACE_GOOD);
  assert_verdict(&load, 1001, LTI_PLACE_STALLED);
  load.window = -5; /* bodies wait already */
  assert_verdict(&load, 0, LTI_PLACE_GOOD);
  assert_verdict(&load, 1, LTI_PLACE_STALLED);
}

/* None could be had that lets more through; windows come back when half is used up. */
static void test_a_body_larger_than_any_window_goes_where_none_other_waits(void **state) {
  lti_conn_load load = idle();
  (void)state;
  assert_verdict(&load, (uint64_t)MB, LTI_PLACE_GOOD);
  load.window = INITIAL / 2;
  assert_verdict(&load, (uint64_t)MB, LTI_PLACE_GOOD);
  load.window = INITIAL / 2 - 1;
  assert_verdict(&load, (uint64_t)MB, LTI_PLACE_STALLED);
  load.window_peak = 16 * MB;
  load.window = MB;
  assert_verdict(&load, (uint64_t)MB, LTI_PLACE_GOOD);
  load.window = MB - 1;
  assert_verdict(&load, (uint64_t)MB, LTI_PLACE_STALLED);
}

static void test_what_fills_a_connection(void **state) {
  (void)state;
  assert_false(lti_place_fills(INITIAL, INITIAL / 2));
  assert_true(lti_place_fills(INITIAL, INITIAL / 2 + 1));
  assert_true(lti_place_fills(0, INITIAL)); /* never less than RFC 9113 says */
  assert_false(lti_place_fills(16 * MB, 8 * (uint64_t)MB));
  assert_true(lti_place_fills(16 * MB, 8 * (uint64_t)MB + 1));
  /* It is worth an HTTP/1.1 connection when it is more than 64 KiB besides. */
  assert_false(lti_place_hauls(INITIAL, INITIAL));
  assert_true(lti_place_hauls(INITIAL, INITIAL + 1));
  assert_false(lti_place_hauls(16 * MB, (uint64_t)MB));
  assert_true(lti_place_hauls(16 * MB, 9 * (uint64_t)MB));
}

static void test_what_crawls_through_the_smallest_windows(void **state) {
  (void)state;
  assert_false(lti_place_crawls(0, (uint64_t)MB)); /* not known */
  assert_false(lti_place_crawls(INITIAL, INITIAL));
  assert_true(lti_place_crawls(INITIAL, INITIAL + 1));
  assert_false(lti_place_crawls(INITIAL + 1, (uint64_t)MB));
}

static void test_of_the_stalled_the_one_with_the_most_window_is_better(void **state) {
  lti_conn_load a = idle(), b = idle();
  (void)state;
  a.window = -1000, b.window = -2000;
  a.active = 50;
  assert_true(lti_place_better(&a, &b, 100));
  assert_false(lti_place_better(&b, &a, 100));
  b.window = -1000;
  assert_false(lti_place_better(&a, &b, 100));
  assert_true(lti_place_better(&b, &a, 100));
}

static void test_of_the_good_the_one_with_fewer_and_faster_answers_is_better(void **state) {
  lti_conn_load a = idle(), b = idle();
  (void)state;
  a.active = 3, b.active = 4;
  assert_true(lti_place_better(&a, &b, 100));
  a.latency_ns = 2100, b.latency_ns = 1000;
  assert_false(lti_place_better(&a, &b, 100));
  assert_true(lti_place_better(&b, &a, 100));
  b.active = 40;
  assert_true(lti_place_better(&a, &b, 100));
}

static void test_one_that_has_not_spoken_yet_is_worse_than_a_few_more(void **state) {
  lti_conn_load a = idle(), b = idle();
  (void)state;
  b.settled = false;
  a.active = 15;
  assert_true(lti_place_better(&a, &b, 100));
  assert_false(lti_place_better(&b, &a, 100));
  a.active = 17;
  assert_true(lti_place_better(&b, &a, 100));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_without_a_stream_nothing_has_a_place),
      cmocka_unit_test(test_only_small_bodies_go_before_the_windows_are_known),
      cmocka_unit_test(test_a_body_goes_where_the_window_lets_it_through),
      cmocka_unit_test(test_a_body_larger_than_any_window_goes_where_none_other_waits),
      cmocka_unit_test(test_what_fills_a_connection),
      cmocka_unit_test(test_what_crawls_through_the_smallest_windows),
      cmocka_unit_test(test_of_the_stalled_the_one_with_the_most_window_is_better),
      cmocka_unit_test(test_of_the_good_the_one_with_fewer_and_faster_answers_is_better),
      cmocka_unit_test(test_one_that_has_not_spoken_yet_is_worse_than_a_few_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
