/* Means and intervals over runs: see spread.h. */
#include "bench/load/result/spread.h"

#include <math.h>
#include <string.h>

static const char *const shown[] = {"ttft.p50",
                                    "ttft.p99",
                                    "ttft.intended.p99",
                                    "itl.p50",
                                    "itl.p99",
                                    "tpot.p50",
                                    "e2e.p50",
                                    "e2e.p99",
                                    "e2e.intended.p99",
                                    "job.p50",
                                    "job.p99",
                                    "rate",
                                    "output_tokens_per_s",
                                    "goodput",
                                    "error_rate"};

_Static_assert(sizeof shown / sizeof shown[0] <= SPREAD_ROWS_MAX, "a row for each");

double spread_t(size_t degrees) {
  static const double few[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262,
                               2.228,  2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101,
                               2.093,  2.086, 2.080, 2.074, 2.069, 2.064, 2.060};
  const double z = 1.959964, z3 = z * z * z;
  if (degrees <= sizeof few / sizeof few[0]) return few[degrees - 1];
  /* Cornish and Fisher's expansion: off by less than 0.0002 there. */
  double d = (double)degrees;
  return z + (z3 + z) / (4 * d) + (5 * z3 * z * z + 16 * z3 + 3 * z) / (96 * d * d);
}

static bool alike(const result *a, const result *b) {
  if (a->point_count != b->point_count || !a->config || !b->config) return false;
  for (size_t i = 0; i < a->point_count; i++)
    if (strcmp(a->points[i].offer.label, b->points[i].offer.label) != 0) return false;
  return strcmp(a->config, b->config) == 0;
}

bool spread_fits(result *const *runs, size_t count) {
  for (size_t i = 1; i < count; i++)
    if (!alike(runs[0], runs[i])) return false;
  return count > 1 && runs[0]->point_count > 0;
}

/* What a sum over runs is taken of; false: not known there. */
static bool value_of(const spread_row *row, const result *run, size_t point, bool logs,
                     double *value) {
  if (!figure_value(&row->figure, &run->points[point], value)) return false;
  if (logs) *value = log(*value);
  return true;
}

static void bound(spread_row *row, double mean, double half, bool logs) {
  row->typical = logs ? exp(mean) : mean;
  row->low = logs ? exp(mean - half) : fmax(0, mean - half);
  row->high = logs ? exp(mean + half) : mean + half;
  if (row->figure.unit == FIGURE_SHARE) row->high = fmin(1, row->high);
}

static bool summarise(spread_row *row, result *const *runs, size_t count, size_t point) {
  double value, sum = 0, squares = 0;
  row->runs = 0;
  row->least = INFINITY;
  row->greatest = -INFINITY;
  for (size_t i = 0; i < count; i++) {
    if (!value_of(row, runs[i], point, false, &value)) continue;
    row->runs++;
    row->least = fmin(row->least, value);
    row->greatest = fmax(row->greatest, value);
  }
  if (row->runs == 0) return false;
  bool logs = (row->figure.unit == FIGURE_MS || row->figure.unit == FIGURE_PER_S) && row->least > 0;
  for (size_t i = 0; i < count; i++)
    if (value_of(row, runs[i], point, logs, &value)) sum += value;
  double n = (double)row->runs, mean = sum / n;
  for (size_t i = 0; i < count; i++)
    if (value_of(row, runs[i], point, logs, &value)) squares += (value - mean) * (value - mean);
  double half = row->runs > 1 ? spread_t(row->runs - 1) * sqrt(squares / (n - 1) / n) : NAN;
  bound(row, mean, half, logs);
  if (row->runs == 1) row->low = row->high = NAN;
  return true;
}

/* In a closed loop the intended start is the send, and is not told again. */
static bool told_apart(const figure *f, const result_point *p) {
  if (!f->intended) return true;
  return p->latencies[f->row].intended && lti_hist_count(p->latencies[f->row].intended) > 0;
}

size_t spread_of(result *const *runs, size_t count, size_t point,
                 spread_row rows[SPREAD_ROWS_MAX]) {
  size_t found = 0;
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
    spread_row *row = &rows[found];
    if (!figure_parse(lti_slice_of(shown[i]), &row->figure, NULL)) continue;
    if (!told_apart(&row->figure, &runs[0]->points[point])) continue;
    if (summarise(row, runs, count, point)) found++;
  }
  return found;
}
