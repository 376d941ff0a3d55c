/* Shards and their common begin: what is taken, what is refused, and when it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <uv.h>

#include "bench/load/run/shard.h"

#define S INT64_C(1000000000)

static void moments_are_read_in_all_their_spellings(void **state) {
  static const struct {
    const char *text;
    int64_t unix_ns;
  } cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2000-02-29T12:00:00Z", 951825600 * S},
      {"2026-11-21T23:55:00Z", 1795305300 * S},
      {"2026-11-21t23:55:00z", 1795305300 * S},
      {"2026-11-21 23:55:00Z", 1795305300 * S},
      {"2026-11-22T00:55:00+01:00", 1795305300 * S},
      {"2026-11-21T18:25:00-05:30", 1795305300 * S},
      {"2026-11-21T23:55:00.25Z", 1795305300 * S + S / 4},
      {"2026-11-21T23:55:00.1234567891Z", 1795305300 * S + 123456789},
      {"2016-12-31T23:59:60Z", 1483228800 * S},
      {"2100-03-01T00:00:00Z", 4107542400 * S},
      {"1795305300", 1795305300 * S},
      {"1795305300.000000001", 1795305300 * S + 1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t got = -1;
    assert_true(shard_moment(cases[i].text, &got, NULL));
    assert_int_equal(got, cases[i].unix_ns);
  }
}

static void what_is_no_moment_is_refused(void **state) {
  static const char *const cases[] = {
      "",
      "soon",
      "2026-11-21",
      "2026-11-21T23:55Z",
      "2026-11-21T23:55:00",
      "2026-02-29T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-00-01T00:00:00Z",
      "2026-11-31T00:00:00Z",
      "2026-11-21T24:00:00Z",
      "2026-11-21T23:60:00Z",
      "2026-11-21T23:55:61Z",
      "2026-11-21T23:55:00.Z",
      "2026-11-21T23:55:00ZZ",
      "2026-11-21T23:55:00+1",
      "2026-11-21T23:55:00+24:00",
      "2026-11-21T23:55:00+01:60",
      "1969-12-31T23:59:59Z",
      "9999-12-31T23:59:59Z",
      "1795305300000", /* milliseconds */
      "1795305300.",
      "1795305300.5x",
      "99999999999999999999999",
      "-5",
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t got = 0;
    const char *why = NULL;
    assert_false(shard_moment(cases[i], &got, &why));
    assert_non_null(why);
  }
}

static void every_day_follows_the_one_before(void **state) {
  int64_t last = 0, now = 0;
  char text[40];
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  (void)state;
  last = -86400 * S;
  for (int year = 1970; year < 2110; year++)
    for (int month = 1; month <= 12; month++) {
      bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
      for (int day = 1; day <= lengths[month - 1] + (month == 2 && leap); day++) {
        snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", year, month, day);
        assert_true(shard_moment(text, &now, NULL));
        assert_int_equal(now - last, 86400 * S);
        last = now;
      }
    }
}

static void a_begin_is_a_time_of_the_monotonic_clock(void **state) {
  char text[40];
  uint64_t at = 1;
  (void)state;
  assert_true(shard_start(NULL, &at));
  assert_int_equal(at, 0);
  snprintf(text, sizeof text, "%lld", (long long)time(NULL) + 100);
  uint64_t before = uv_hrtime();
  assert_true(shard_start(text, &at));
  uint64_t ahead = at - before;
  assert_in_range(ahead, 95u * (uint64_t)S, 101u * (uint64_t)S);
}

static void a_begin_that_is_over_or_far_away_is_refused(void **state) {
  char text[40];
  uint64_t at = 0;
  (void)state;
  snprintf(text, sizeof text, "%lld", (long long)time(NULL) - 1);
  assert_false(shard_start(text, &at));
  snprintf(text, sizeof text, "%lld", (long long)time(NULL) + 8 * 86400);
  assert_false(shard_start(text, &at));
  assert_false(shard_start("tomorrow", &at));
}

static void shards_are_counted_from_none(void **state) {
  int shard = -1, shards = -1;
  (void)state;
  assert_true(shard_parse(NULL, &shard, &shards));
  assert_int_equal(shard, 0);
  assert_int_equal(shards, 1);
  assert_true(shard_parse("3/4", &shard, &shards));
  assert_int_equal(shard, 3);
  assert_int_equal(shards, 4);
  static const char *const wrong[] = {"",     "1",    "/",    "1/",      "4/4", "-1/4", "1/0",
                                      "1 /4", "1/4 ", "1/4x", "0/10001", "a/b", "+1/4", "1//4"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_false(shard_parse(wrong[i], &shard, &shards));
}

static void the_environment_of_an_indexed_job_says_the_shard(void **state) {
  char text[SHARD_TEXT_MAX];
  (void)state;
  unsetenv("JOB_COMPLETION_INDEX");
  unsetenv("LEAT_SHARDS");
  assert_true(shard_from_environment(text, sizeof text));
  assert_string_equal(text, "");
  setenv("JOB_COMPLETION_INDEX", "2", 1);
  assert_false(shard_from_environment(text, sizeof text));
  setenv("LEAT_SHARDS", "3", 1);
  assert_true(shard_from_environment(text, sizeof text));
  assert_string_equal(text, "2/3");
  setenv("LEAT_SHARDS", "2", 1);
  assert_false(shard_from_environment(text, sizeof text));
  assert_string_equal(text, "");
  setenv("LEAT_SHARDS", "a number that is far too long to be one", 1);
  assert_false(shard_from_environment(text, sizeof text));
  unsetenv("JOB_COMPLETION_INDEX");
  unsetenv("LEAT_SHARDS");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(moments_are_read_in_all_their_spellings),
      cmocka_unit_test(what_is_no_moment_is_refused),
      cmocka_unit_test(every_day_follows_the_one_before),
      cmocka_unit_test(a_begin_is_a_time_of_the_monotonic_clock),
      cmocka_unit_test(a_begin_that_is_over_or_far_away_is_refused),
      cmocka_unit_test(shards_are_counted_from_none),
      cmocka_unit_test(the_environment_of_an_indexed_job_says_the_shard),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
