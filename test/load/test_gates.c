/* Gates: options in, an exit code out, and the order of the codes. */
#include "bench/load/report/gates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bindings/cli/program.h"
#include "load/sample.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static bool reads(gates *g, const char *failures, const char *require) {
  cli_options o;
  memset(&o, 0, sizeof o);
  o.load.allow_failures = failures;
  o.load.require.items = &require;
  o.load.require.count = require ? 1 : 0;
  return gates_init(g, &o);
}

static void failures_are_a_number_or_a_share(void **state) {
  static const char *const bad[] = {
      "", "-1", "1.5", "x", "101%", "%", "3 ", "5%%", "99999999999999999999999999999999999"};
  gates g;
  (void)state;
  assert_true(reads(&g, NULL, NULL) && g.failures_allowed == 0);
  assert_true(reads(&g, "3", NULL) && g.failures_allowed == 3 && !g.failures_are_share);
  assert_true(reads(&g, "1%", NULL) && g.failures_allowed == 0.01 && g.failures_are_share);
  assert_true(reads(&g, "0.5%", NULL) && g.failures_allowed == 0.005);
  for (size_t i = 0; i < COUNT_OF(bad); i++)
    if (reads(&g, bad[i], NULL)) fail_msg("'%s' is taken", bad[i]);
}

static void requirements_are_parsed(void **state) {
  const char *items[GATES_MAX + 1];
  cli_options o;
  gates g;
  (void)state;
  assert_true(reads(&g, NULL, "ttft.p99<500ms") && g.count == 1);
  assert_false(reads(&g, NULL, "ttft<500ms"));
  memset(&o, 0, sizeof o);
  for (size_t i = 0; i < COUNT_OF(items); i++) items[i] = "failed==0";
  o.load.require = (cli_list){items, GATES_MAX};
  assert_true(gates_init(&g, &o) && g.count == GATES_MAX);
  o.load.require.count++;
  assert_false(gates_init(&g, &o));
}

static bool levels_of(result_goodput *goodput, const char *text) {
  cli_list list = {&text, 1};
  return gates_levels(goodput, &list);
}

static void levels_have_names_of_ours_and_others(void **state) {
  result_goodput g;
  (void)state;
  assert_true(levels_of(&g, "ttft:500 tpot:50 e2el:5000"));
  assert_int_equal(g.slo_count, 3);
  assert_true(g.slos[0].measure == MEASURE_TTFT && g.slos[0].limit_ms == 500);
  assert_true(g.slos[1].measure == MEASURE_TPOT && g.slos[1].limit_ms == 50);
  assert_true(g.slos[2].measure == MEASURE_E2E && g.slos[2].limit_ms == 5000);
  assert_true(levels_of(&g, " itl:12.5,request_latency:2s "));
  assert_true(g.slos[0].limit_ms == 12.5 && g.slos[1].limit_ms == 2000);
  assert_true(levels_of(&g, "") && g.slo_count == 0);
}

static void bad_levels_are_refused(void **state) {
  static const char *const bad[] = {
      "ttft",         "ttft:",    ":5",     "ttft:x",
      "ttft:-5",      "none:5",   "tls:5",  "ttft:5 ttft:6",
      "e2e:5 e2el:6", "ttft:5:6", "ttft=5", "ttft:11111111111111111111111111111111111111111"};
  result_goodput g;
  (void)state;
  for (size_t i = 0; i < COUNT_OF(bad); i++)
    if (levels_of(&g, bad[i])) fail_msg("'%s' is taken", bad[i]);
}

static int code_of(enum sample_kind kind, const char *failures, const char *require, bool strict) {
  gates g;
  result *r = sample_make(kind, 1);
  assert_non_null(r);
  assert_true(reads(&g, failures, require));
  g.strict = strict;
  int code = gates_judge(&g, r);
  result_free(r);
  return code;
}

static void a_clean_run_passes(void **state) {
  (void)state;
  assert_int_equal(code_of(SAMPLE_CLOSED, NULL, NULL, true), CLI_DONE);
  assert_int_equal(code_of(SAMPLE_CLOSED, NULL, "ttft.p99<500ms", true), CLI_DONE);
  assert_int_equal(code_of(SAMPLE_EMPTY, NULL, NULL, false), CLI_DONE);
}

static void what_is_missed_is_an_exit_code(void **state) {
  (void)state;
  assert_int_equal(code_of(SAMPLE_CLOSED, NULL, "ttft.p99<5ms", true), GATES_MISSED);
  assert_int_equal(code_of(SAMPLE_CLOSED, NULL, "schedule_lag.p99<5s", false), GATES_MISSED);
  assert_int_equal(code_of(SAMPLE_OPEN, "6", NULL, false), CLI_DONE);
  assert_int_equal(code_of(SAMPLE_OPEN, "5", NULL, false), CLI_FAILED);
  assert_int_equal(code_of(SAMPLE_OPEN, "1.5%", NULL, false), CLI_DONE);
  assert_int_equal(code_of(SAMPLE_OPEN, "1.4%", NULL, false), CLI_FAILED);
  assert_int_equal(code_of(SAMPLE_OPEN, "6", NULL, true), GATES_NOT_VALID);
  assert_int_equal(code_of(SAMPLE_OPEN, "6", "error_rate<=1%", false), GATES_MISSED);
}

static void failures_come_before_validity_and_that_before_misses(void **state) {
  (void)state;
  assert_int_equal(code_of(SAMPLE_OPEN, NULL, "ttft.p99<1ms", true), CLI_FAILED);
  assert_int_equal(code_of(SAMPLE_OPEN, "6", "ttft.p99<1ms", true), GATES_NOT_VALID);
  assert_int_equal(code_of(SAMPLE_OPEN, "6", "ttft.p99<1ms", false), GATES_MISSED);
}

static void beyond_the_knee_nothing_is_judged(void **state) {
  (void)state;
  assert_int_equal(code_of(SAMPLE_SWEEP, NULL, "ttft.p99<90ms", true), CLI_DONE);
  assert_int_equal(code_of(SAMPLE_SWEEP, NULL, "ttft.p99<70ms", true), GATES_MISSED);
  gates g;
  result *r = sample_make(SAMPLE_SWEEP, 1);
  assert_true(reads(&g, NULL, "ttft.p99<70ms"));
  r->knee.found = false;
  r->knee.point = 0; /* none met the level */
  assert_int_equal(gates_judge(&g, r), CLI_DONE);
  result_free(r);
}

static void without_a_level_every_point_of_a_sweep_is_judged(void **state) {
  (void)state;
  gates g;
  result *r = sample_make(SAMPLE_SWEEP, 1);
  assert_true(reads(&g, NULL, "ttft.p99<90ms"));
  snprintf(r->knee.level, sizeof r->knee.level, "throughput grows by 10 %%");
  assert_int_equal(gates_judge(&g, r), GATES_MISSED);
  r->knee.searched = false;
  assert_int_equal(gates_judge(&g, r), GATES_MISSED);
  assert_true(reads(&g, NULL, "ttft.p99<900ms"));
  assert_int_equal(gates_judge(&g, r), CLI_DONE);
  result_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(failures_are_a_number_or_a_share),
      cmocka_unit_test(requirements_are_parsed),
      cmocka_unit_test(levels_have_names_of_ours_and_others),
      cmocka_unit_test(bad_levels_are_refused),
      cmocka_unit_test(a_clean_run_passes),
      cmocka_unit_test(what_is_missed_is_an_exit_code),
      cmocka_unit_test(failures_come_before_validity_and_that_before_misses),
      cmocka_unit_test(beyond_the_knee_nothing_is_judged),
      cmocka_unit_test(without_a_level_every_point_of_a_sweep_is_judged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
