/* From two sets of results to rows of numbers, through maxt.c, to verdicts.
 *
 * Which figures: of the measures that people decide by the mean and three percentiles, of the rest
 * two percentiles, from the intended start too where a run tells it apart, and the rates and
 * shares. Fewer figures see smaller differences, so the harness' own (lags, busy) are not among
 * them: a certificate that is not valid is a warning. Points of a sweep are paired by their labels.
 */
#include "bench/load/report/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/report/compare_warnings.h"
#include "bench/load/report/maxt.h"
#include "bindings/cli/program.h"

#define ALPHA     0.02
#define ALPHA_MAX 0.05

/* No spread from run to run is taken to be less than half of what a histogram tells apart. */
#define FLOOR_LOG   0.0005
#define FLOOR_MS    0.0005
#define FLOOR_SHARE 1e-5
#define FLOOR_OTHER 1e-3

static void collect(comparison *c);
static void summarise(compare_row *row, size_t first, size_t second);
static bool judge(comparison *c);

static bool fits(const compare_side *side) {
  return side->count > 0 && side->count <= COMPARE_RUNS_MAX;
}

comparison *compare_new(const compare_side *a, const compare_side *b) {
  lti_alloc *alloc = cli_program_alloc();
  comparison *c = fits(a) && fits(b) ? lti_alloc_zero(alloc, sizeof *c) : NULL;
  if (!c) return NULL;
  c->a = *a;
  c->b = *b;
  c->confidence = 1 - ALPHA;
  c->rows = lti_alloc_zero(alloc, COMPARE_ROWS_MAX * sizeof *c->rows);
  if (c->rows) collect(c);
  if (!c->rows || c->no_memory || !judge(c)) {
    compare_free(c);
    return NULL;
  }
  compare_warnings(c);
  return c;
}

void compare_free(comparison *c) {
  if (!c) return;
  for (size_t i = 0; c->rows && i < c->row_count; i++)
    lti_alloc_put(cli_program_alloc(), c->rows[i].values);
  lti_alloc_put(cli_program_alloc(), c->rows);
  lti_alloc_put(cli_program_alloc(), c);
}

const char *compare_verdict_name(enum compare_verdict verdict) {
  switch (verdict) {
    case COMPARE_SAME: return "no difference seen";
    case COMPARE_BETTER: return "better";
    case COMPARE_WORSE: return "worse";
    case COMPARE_UNDECIDABLE: return "not decidable";
  }
  return "";
}

/* --- which figures --- */

static const result *run_at(const comparison *c, size_t i) {
  return i < c->a.count ? c->a.runs[i] : c->b.runs[i - c->a.count];
}

const result_point *compare_point_of(const result *r, const char *label, size_t near) {
  if (near < r->point_count && strcmp(r->points[near].offer.label, label) == 0)
    return &r->points[near];
  for (size_t i = 0; i < r->point_count; i++)
    if (strcmp(r->points[i].offer.label, label) == 0) return &r->points[i];
  return NULL;
}

/* The figure's value in every run. False: none knows it. */
static bool gather(const comparison *c, compare_row *row) {
  bool known = false;
  for (size_t i = 0; i < c->a.count + c->b.count; i++) {
    size_t near = i < c->a.count ? row->point_a : row->point_b;
    const result_point *p = compare_point_of(run_at(c, i), row->point, near);
    double value = 0;
    bool here = p && figure_value(&row->figure, p, &value);
    row->values[i] = here ? value : NAN;
    known = known || here;
  }
  return known;
}

static void add_row(comparison *c, const compare_row *point, const char *name) {
  lti_alloc *alloc = cli_program_alloc();
  if (c->row_count == COMPARE_ROWS_MAX) return;
  compare_row *row = &c->rows[c->row_count];
  *row = *point;
  if (!figure_parse(lti_slice_of(name), &row->figure, NULL)) return;
  row->values = lti_alloc_zero(alloc, (c->a.count + c->b.count) * sizeof *row->values);
  if (!row->values) c->no_memory = true;
  if (row->values && gather(c, row)) {
    summarise(row, c->a.count, c->b.count);
    c->row_count++;
    return;
  }
  lti_alloc_put(alloc, row->values);
  memset(row, 0, sizeof *row);
}

static bool is_main(enum measure m) {
  return m == MEASURE_TTFT || m == MEASURE_ITL || m == MEASURE_TPOT || m == MEASURE_E2E ||
         m == MEASURE_JOB;
}

/* What is a connection's, and what only a mock tells. */
static bool is_passed_over(enum measure m) {
  return m == MEASURE_QUEUE || m == MEASURE_CONNECT || m == MEASURE_TLS || m == MEASURE_EVENT_LAG;
}

static void add_measure(comparison *c, const compare_row *point, enum measure m, bool intended) {
  static const char *const many[] = {"mean", "p50", "p90", "p99", NULL};
  static const char *const few[] = {"p50", "p99", NULL};
  for (const char *const *stat = is_main(m) && !intended ? many : few; *stat; stat++) {
    char name[FIGURE_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s%s", measure_at(m)->name, intended ? "intended." : "", *stat);
    add_row(c, point, name);
  }
}

/* Without reasoning the first output is the first token, and is not told again. */
static bool is_first_token(const result_point *p) {
  const lti_hist *ttfo = p->latencies[MEASURE_TTFO].sent, *ttft = p->latencies[MEASURE_TTFT].sent;
  return ttfo && ttft && lti_hist_count(ttfo) == lti_hist_count(ttft) &&
         lti_hist_mean(ttfo) == lti_hist_mean(ttft);
}

static void collect_point(comparison *c, const result_point *p, size_t at_a, size_t at_b) {
  static const char *const scalars[] = {"rate",    "output_tokens_per_s", "events_per_s",
                                        "goodput", "goodput_rate",        "error_rate"};
  compare_row point = {.point_a = at_a, .point_b = at_b};
  snprintf(point.point, sizeof point.point, "%s", p->offer.label);
  for (unsigned m = 0; m < MEASURE_COUNT; m++) {
    if (is_passed_over((enum measure)m)) continue;
    if (m == MEASURE_TTFO && is_first_token(p)) continue;
    add_measure(c, &point, (enum measure)m, false);
    if (p->latencies[m].intended) add_measure(c, &point, (enum measure)m, true);
  }
  for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) add_row(c, &point, scalars[i]);
}

/* The points that the first run of A has and the first of B has too. */
static void collect(comparison *c) {
  const result *a = c->a.runs[0], *b = c->b.runs[0];
  for (size_t i = 0; i < a->point_count; i++) {
    const result_point *other = compare_point_of(b, a->points[i].offer.label, i);
    if (other) collect_point(c, &a->points[i], i, (size_t)(other - b->points));
  }
}

/* --- numbers --- */

static bool all_known(const compare_row *row, size_t from, size_t to) {
  for (size_t i = from; i < to; i++)
    if (!isfinite(row->values[i])) return false;
  return true;
}

static bool all_positive(const compare_row *row, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (isfinite(row->values[i]) && !(row->values[i] > 0)) return false;
  return row->figure.unit != FIGURE_SHARE;
}

/* The runs' mean, geometric where they are compared by their ratio; NAN: none knows it. */
static double typical(const compare_row *row, size_t from, size_t to) {
  double sum = 0, count = 0;
  for (size_t i = from; i < to; i++) {
    if (!isfinite(row->values[i])) continue;
    sum += row->by_ratio ? log(row->values[i]) : row->values[i];
    count++;
  }
  if (count == 0) return NAN;
  return row->by_ratio ? exp(sum / count) : sum / count;
}

static void summarise(compare_row *row, size_t first, size_t second) {
  row->by_ratio = all_positive(row, first + second);
  row->a = typical(row, 0, first);
  row->b = typical(row, first, first + second);
  row->difference = row->b - row->a;
  row->ratio = row->a > 0 ? row->b / row->a : NAN;
  row->low = row->high = row->p = NAN;
  row->verdict = COMPARE_UNDECIDABLE;
}

static double floor_of(const compare_row *row) {
  if (row->by_ratio) return FLOOR_LOG;
  switch (row->figure.unit) {
    case FIGURE_MS: return FLOOR_MS;
    case FIGURE_SHARE: return FLOOR_SHARE;
    case FIGURE_PER_S:
    case FIGURE_COUNT: break;
  }
  return FLOOR_OTHER;
}

static void take_verdict(compare_row *row, const maxt_figure *f) {
  row->low = f->difference - f->margin;
  row->high = f->difference + f->margin;
  if (row->by_ratio) {
    row->low = exp(row->low);
    row->high = exp(row->high);
  }
  row->p = f->p;
  row->verdict = COMPARE_SAME;
  if (!f->differs) return;
  bool more = f->difference > 0;
  row->verdict = more == row->figure.more_is_better ? COMPARE_BETTER : COMPARE_WORSE;
}

/* The rows that every run knows, as maxt wants them. */
static size_t prepare(const comparison *c, maxt_figure *figures, size_t *rows, double *logs) {
  size_t runs = c->a.count + c->b.count, count = 0;
  for (size_t i = 0; i < c->row_count; i++) {
    const compare_row *row = &c->rows[i];
    double *values = logs + count * runs;
    if (!all_known(row, 0, runs)) continue;
    for (size_t k = 0; k < runs; k++)
      values[k] = row->by_ratio ? log(row->values[k]) : row->values[k];
    rows[count] = i;
    figures[count++] = (maxt_figure){.values = values, .floor = floor_of(row)};
  }
  return count;
}

static void say_method(comparison *c, size_t figures) {
  size_t all = maxt_ways(c->a.count, c->b.count);
  if (c->ways == 0) {
    snprintf(c->method, sizeof c->method,
             "%zu against %zu run%s: the spread from run to run is %s, so nothing is decidable; "
             "5 runs a side (--repeat 5) are a good number, 4 the least",
             c->a.count, c->b.count, c->b.count == 1 ? "" : "s",
             c->a.count < 2 || c->b.count < 2 ? "not known" : "hardly known");
    return;
  }
  snprintf(c->method, sizeof c->method,
           "each run one observation; permutation test with the largest t of %zu figures, over "
           "%s%zu ways to deal %zu and %zu runs; %.0f %% intervals, for all figures together",
           figures, all > c->ways ? "" : "all ", c->ways, c->a.count, c->b.count,
           c->confidence * 100);
}

static bool judge(comparison *c) {
  lti_alloc *alloc = cli_program_alloc();
  size_t runs = c->a.count + c->b.count, rows = c->row_count + 1, count = 0;
  maxt_design design = {
      .first = c->a.count, .second = c->b.count, .alpha = ALPHA, .alpha_max = ALPHA_MAX};
  if (!maxt_decidable(&design)) {
    say_method(c, 0);
    return true;
  }
  maxt_figure *figures = lti_alloc_zero(alloc, rows * sizeof *figures);
  size_t *which = lti_alloc_zero(alloc, rows * sizeof *which);
  double *logs = lti_alloc_zero(alloc, rows * runs * sizeof *logs);
  bool fine = figures && which && logs;
  if (fine) count = prepare(c, figures, which, logs);
  fine = fine && maxt_judge(&design, figures, count, &c->ways);
  for (size_t i = 0; fine && i < count; i++) take_verdict(&c->rows[which[i]], &figures[i]);
  if (fine) say_method(c, count);
  lti_alloc_put(alloc, figures);
  lti_alloc_put(alloc, which);
  lti_alloc_put(alloc, logs);
  return fine;
}
