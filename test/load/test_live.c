/* The live view as text: figures of pulses, lines that never wrap, plain where it must be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "bench/load/report/live_view.h"

static live_view sample(void) {
  live_view v = {.label = "rate 40/s",
                 .elapsed_s = 12.3,
                 .length_s = 60,
                 .ended = 480,
                 .completed = 478,
                 .failed = 2,
                 .in_flight = 1234,
                 .request_rate = 40.2,
                 .event_rate = 51234,
                 .token_rate = 48000,
                 .ttft_p50_us = 52100,
                 .ttft_p99_us = 80300,
                 .itl_p50_us = 10000,
                 .itl_p99_us = 12100,
                 .lag_p99_us = 85,
                 .lag_valid_us = 521,
                 .lag_degraded_us = 5210};
  for (uint64_t us = 20000; us < 120000; us += 500) v.ttft[pulse_bucket(us)]++;
  for (uint64_t us = 9000; us < 12000; us += 100) v.itl[pulse_bucket(us)] += us % 7;
  return v;
}

static live_frame *draw(const live_view *v, int columns, bool colour, bool utf8) {
  live_look look = {columns, colour, utf8};
  live_frame *f = calloc(1, sizeof *f);
  assert_non_null(f);
  live_view_draw(v, &look, f);
  assert_true(f->size < LIVE_VIEW_SIZE);
  assert_int_equal(f->line_count, LIVE_VIEW_LINES);
  return f;
}

/* Columns that a line takes: characters, without what only colours or clears. */
static int shown(const char *at, const char *end) {
  int columns = 0;
  while (at < end) {
    if (*at == '\x1b') {
      while (at < end && !((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z'))) at++;
    } else if (((unsigned char)*at & 0xc0) != 0x80) {
      columns++;
    }
    at++;
  }
  return columns;
}

static void assert_fits(const live_frame *f, int columns) {
  const char *at = f->text, *end = f->text + f->size;
  for (int i = 0; i < f->line_count; i++) {
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    assert_non_null(line_end);
    assert_int_equal(shown(at, line_end), f->widths[i]);
    assert_true(f->widths[i] < columns);
    at = line_end + 1;
  }
  assert_ptr_equal(at, end);
}

static bool has(const live_frame *f, const char *text) {
  return lti_slice_find(lti_slice(f->text, f->size), lti_slice_of(text)) != NULL;
}

static void test_lines_never_wrap(void **state) {
  (void)state;
  live_view v = sample();
  memset(v.label, 'x', sizeof v.label - 1);
  for (int columns = 1; columns < 200; columns++)
    for (int way = 0; way < 4; way++) {
      live_frame *f = draw(&v, columns, way & 1, way & 2);
      assert_fits(f, columns > 1 ? columns : 2);
      free(f);
    }
}

static void test_it_says_what_is_going_on(void **state) {
  (void)state;
  static const char *const words[] = {"rate 40/s",       "12.3 of 60 s",
                                      " 20 %",           "40.2/s",
                                      "478 done",        "1,234 in flight",
                                      "2 failed",        "51,234/s events",
                                      "48,000/s tokens", "p50 52.1 ms",
                                      "p99 80.3 ms",     "p50 10.0 ms",
                                      "p99 12.1 ms",     "valid up to 521 \xc2\xb5s",
                                      "\xe2\x96\x88"};
  live_view v = sample();
  live_frame *f = draw(&v, 100, false, true);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) assert_true(has(f, words[i]));
  free(f);
}

static void test_plain_terminals_get_plain_text(void **state) {
  (void)state;
  live_view v = sample();
  live_frame *f = draw(&v, 100, false, false);
  for (size_t i = 0; i < f->size; i++) assert_true((unsigned char)f->text[i] < 0x80);
  assert_false(has(f, "\x1b[3"));
  assert_true(has(f, "85 us"));
  free(f);
  f = draw(&v, 100, true, false);
  assert_true(has(f, "\x1b[32m* valid"));
  free(f);
}

static void test_the_light_goes_by_the_lag(void **state) {
  (void)state;
  static const struct {
    double lag_us;
    const char *word;
  } cases[] = {{521, "* valid"}, {522, "* degraded"}, {5211, "* invalid"}, {NAN, "* waiting"}};
  live_view v = sample();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    v.lag_p99_us = cases[i].lag_us;
    live_frame *f = draw(&v, 100, false, false);
    assert_true(has(f, cases[i].word));
    free(f);
  }
}

static void test_a_view_of_nothing_yet(void **state) {
  (void)state;
  live_view v = {.label = "concurrency 1",
                 .length_s = -1,
                 .ttft_p50_us = NAN,
                 .ttft_p99_us = NAN,
                 .itl_p50_us = NAN,
                 .itl_p99_us = NAN,
                 .lag_p99_us = NAN};
  live_frame *f = draw(&v, 80, true, true);
  assert_fits(f, 80);
  assert_false(has(f, "nan"));
  assert_false(has(f, "%"));
  free(f);
}

static void test_percentiles_are_as_fine_as_their_buckets(void **state) {
  (void)state;
  uint64_t buckets[PULSE_BUCKETS] = {0};
  assert_true(isnan(live_view_percentile(buckets, 50)));
  for (uint64_t us = 1; us <= 100000; us++) buckets[pulse_bucket(us)]++;
  static const double percents[] = {1, 10, 50, 90, 99, 100};
  for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
    double truth = percents[i] * 1000;
    assert_true(fabs(live_view_percentile(buckets, percents[i]) - truth) <= truth / 50);
  }
  memset(buckets, 0, sizeof buckets);
  buckets[PULSE_BUCKETS - 1] = 1;
  assert_true(live_view_percentile(buckets, 99) > 1e6);
}

static void test_a_line_for_a_log(void **state) {
  (void)state;
  char line[512], small[20];
  live_view v = sample();
  live_view_line(&v, line, sizeof line);
  assert_non_null(strstr(line, "rate 40/s: 12 s, 478 done, 1234 in flight, 2 failed, 40.2/s"));
  assert_non_null(strstr(line, "ourselves valid"));
  assert_null(strchr(line, '\n'));
  live_view_line(&v, small, sizeof small);
  assert_int_equal(strlen(small), sizeof small - 1);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lines_never_wrap),
      cmocka_unit_test(test_it_says_what_is_going_on),
      cmocka_unit_test(test_plain_terminals_get_plain_text),
      cmocka_unit_test(test_the_light_goes_by_the_lag),
      cmocka_unit_test(test_a_view_of_nothing_yet),
      cmocka_unit_test(test_percentiles_are_as_fine_as_their_buckets),
      cmocka_unit_test(test_a_line_for_a_log),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
