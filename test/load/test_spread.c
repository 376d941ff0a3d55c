/* Figures over the runs of one load, against sums done by hand. */
#include "bench/load/result/spread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bindings/cli/program.h"
#include "load/sample.h"

#define RUNS 4

static void make_runs(result *runs[RUNS], enum sample_kind kind) {
  for (size_t i = 0; i < RUNS; i++) {
    runs[i] = sample_make(kind, i + 1);
    assert_non_null(runs[i]);
  }
}

static void free_runs(result *runs[RUNS]) {
  for (size_t i = 0; i < RUNS; i++) result_free(runs[i]);
}

static const spread_row *row_of(const spread_row *rows, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(rows[i].figure.name, name) == 0) return &rows[i];
  return NULL;
}

static void assert_near(double a, double b, double share) {
  if (fabs(a - b) > share * fabs(b)) fail_msg("%.9g is not %.9g", a, b);
}

/* scipy.stats.t.ppf(0.975, d) */
static void students_t_is_that_of_tables(void **state) {
  (void)state;
  assert_near(spread_t(1), 12.7062, 1e-4);
  assert_near(spread_t(4), 2.77645, 3e-4);
  assert_near(spread_t(25), 2.05954, 3e-4);
  assert_near(spread_t(26), 2.05553, 1e-4);
  assert_near(spread_t(60), 2.00030, 1e-4);
  assert_near(spread_t(1000), 1.96234, 1e-4);
  for (size_t d = 2; d < 200; d++) assert_true(spread_t(d) < spread_t(d - 1));
}

static void latencies_are_taken_by_their_logarithms(void **state) {
  (void)state;
  result *runs[RUNS];
  spread_row rows[SPREAD_ROWS_MAX];
  make_runs(runs, SAMPLE_CLOSED);
  size_t found = spread_of(runs, RUNS, 0, rows);
  const spread_row *row = row_of(rows, found, "ttft.p99");
  assert_non_null(row);
  double logs[RUNS], mean = 0, squares = 0, least = INFINITY, greatest = 0;
  for (size_t i = 0; i < RUNS; i++) {
    double value;
    assert_true(figure_value(&row->figure, &runs[i]->points[0], &value));
    logs[i] = log(value);
    mean += logs[i] / RUNS;
    least = fmin(least, value);
    greatest = fmax(greatest, value);
  }
  for (size_t i = 0; i < RUNS; i++) squares += (logs[i] - mean) * (logs[i] - mean);
  double half = 3.182 * sqrt(squares / (RUNS - 1) / RUNS);
  assert_int_equal(row->runs, RUNS);
  assert_near(row->typical, exp(mean), 1e-12);
  assert_near(row->low, exp(mean - half), 1e-12);
  assert_near(row->high, exp(mean + half), 1e-12);
  assert_near(row->least, least, 1e-12);
  assert_near(row->greatest, greatest, 1e-12);
  assert_true(row->low < row->typical && row->typical < row->high);
  free_runs(runs);
}

static void shares_stay_shares(void **state) {
  (void)state;
  result *runs[RUNS];
  spread_row rows[SPREAD_ROWS_MAX];
  make_runs(runs, SAMPLE_OPEN);
  for (size_t i = 0; i < RUNS; i++) {
    runs[i]->points[0].counts.completed = 100;
    runs[i]->points[0].counts.failed = i == 0 ? 300 : 0;
  }
  size_t found = spread_of(runs, RUNS, 0, rows);
  const spread_row *row = row_of(rows, found, "error_rate");
  assert_non_null(row);
  assert_near(row->typical, 0.75 / RUNS, 1e-9);
  assert_true(row->low == 0 && row->least == 0);
  assert_near(row->greatest, 0.75, 1e-9);
  assert_true(row->high > 0.75 && row->high <= 1);
  free_runs(runs);
}

/* In a closed loop the intended start is the send; what a server does not tell is not known. */
static void what_is_not_known_has_no_row(void **state) {
  (void)state;
  result *runs[RUNS];
  spread_row rows[SPREAD_ROWS_MAX];
  make_runs(runs, SAMPLE_NO_USAGE);
  size_t found = spread_of(runs, RUNS, 0, rows);
  assert_null(row_of(rows, found, "tpot.p50"));
  assert_null(row_of(rows, found, "job.p50"));
  assert_non_null(row_of(rows, found, "rate"));
  free_runs(runs);
  make_runs(runs, SAMPLE_CLOSED);
  found = spread_of(runs, RUNS, 0, rows);
  assert_null(row_of(rows, found, "ttft.intended.p99"));
  free_runs(runs);
  make_runs(runs, SAMPLE_OPEN);
  found = spread_of(runs, RUNS, 0, rows);
  assert_non_null(row_of(rows, found, "ttft.intended.p99"));
  found = spread_of(runs, 1, 0, rows);
  const spread_row *row = row_of(rows, found, "ttft.p50");
  assert_non_null(row);
  assert_true(isnan(row->low) && isnan(row->high));
  assert_true(row->least == row->greatest);
  assert_near(row->typical, row->least, 1e-12);
  free_runs(runs);
}

static void only_runs_of_one_load_are_put_together(void **state) {
  (void)state;
  result *runs[RUNS], *other = sample_make(SAMPLE_SWEEP, 1);
  make_runs(runs, SAMPLE_OPEN);
  assert_true(spread_fits(runs, RUNS));
  assert_false(spread_fits(runs, 1));
  assert_false(spread_fits((result *[]){runs[0], other}, 2));
  lti_alloc_put(cli_program_alloc(), runs[1]->config);
  runs[1]->config = lti_alloc_text(cli_program_alloc(), lti_slice_of("{\"rate\":41}"));
  assert_false(spread_fits(runs, RUNS));
  result_free(other);
  free_runs(runs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(students_t_is_that_of_tables),
      cmocka_unit_test(latencies_are_taken_by_their_logarithms),
      cmocka_unit_test(shares_stay_shares),
      cmocka_unit_test(what_is_not_known_has_no_row),
      cmocka_unit_test(only_runs_of_one_load_are_put_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
