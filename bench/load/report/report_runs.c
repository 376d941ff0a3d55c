/* The runs of one load (--repeat) in one table, for a terminal and for the page. */
#include <math.h>
#include <stdio.h>

#include "bench/load/result/spread.h"
#include "bindings/cli/say.h"
#include "report.h"
#include "report_parts.h"

#define CELL_MAX  48
#define WORDS_MAX 200

typedef struct cells {
  char typical[CELL_MAX], interval[2 * CELL_MAX], least[CELL_MAX], greatest[CELL_MAX];
} cells;

static const char *number_of(const figure *f, double value, char *out) {
  return figure_show(f->unit, value, out, CELL_MAX);
}

/* Without the unit, which stands behind the other end. */
static const char *low_of(const figure *f, double value, char *out) {
  if (f->unit == FIGURE_COUNT) return number_of(f, value, out);
  return figure_number(f->unit == FIGURE_SHARE ? value * 100 : value, out, CELL_MAX);
}

static void fill(const spread_row *row, cells *c) {
  char low[CELL_MAX], high[CELL_MAX];
  const figure *f = &row->figure;
  number_of(f, row->typical, c->typical);
  number_of(f, row->least, c->least);
  number_of(f, row->greatest, c->greatest);
  snprintf(c->interval, sizeof c->interval, "-");
  if (isfinite(row->low))
    snprintf(c->interval, sizeof c->interval, "%s to %s", low_of(f, row->low, low),
             number_of(f, row->high, high));
}

/* "3 valid, 1 degraded, 0 invalid" */
static void count_verdicts(result *const *runs, size_t count, size_t point, char *out,
                           size_t size) {
  size_t counts[3] = {0, 0, 0};
  for (size_t i = 0; i < count; i++) counts[runs[i]->points[point].certificate.verdict]++;
  snprintf(out, size, "%zu valid, %zu degraded, %zu invalid", counts[RESULT_VALID],
           counts[RESULT_DEGRADED], counts[RESULT_INVALID]);
}

void report_runs_table(result *const *runs, size_t count, cli_out *out) {
  if (!spread_fits(runs, count)) return;
  for (size_t point = 0; point < runs[0]->point_count; point++) {
    spread_row rows[SPREAD_ROWS_MAX];
    char verdicts[WORDS_MAX], label[WORDS_MAX];
    cells c;
    size_t found = spread_of(runs, count, point, rows);
    count_verdicts(runs, count, point, verdicts, sizeof verdicts);
    cli_say_clean(lti_slice_of(runs[0]->points[point].offer.label), label, sizeof label);
    cli_out_format(out, "over %zu runs, %s: %s\n", count, label, verdicts);
    cli_out_format(out, "  %-20s %12s  %-27s %12s %12s\n", "figure", "typical", "95 % interval",
                   "least", "greatest");
    for (size_t i = 0; i < found; i++) {
      fill(&rows[i], &c);
      cli_out_format(out, "  %-20s %12s  %-27s %12s %12s\n", rows[i].figure.name, c.typical,
                     c.interval, c.least, c.greatest);
    }
  }
  cli_out_text(out,
               "  each run is one observation; the interval is of the typical run (Student's "
               "t)\n");
}

void report_runs(result *const *runs, size_t count, size_t point, cli_out *out) {
  spread_row rows[SPREAD_ROWS_MAX];
  char words[WORDS_MAX];
  cells c;
  if (!spread_fits(runs, count)) return;
  size_t found = spread_of(runs, count, point, rows);
  page_section(out, "runs", "All runs");
  count_verdicts(runs, count, point, words, sizeof words);
  cli_out_format(out, "<p class=\"sub\">%zu runs of the same load: %s. ", count, words);
  cli_out_text(out,
               "Each is one observation; the interval is of the typical run (Student's t), "
               "and holds if the runs are alike. Everything else on this page is of the last "
               "one.</p>\n");
  page_table(out, "Figures over all runs", "Figure|Typical|95 % interval|Least|Greatest");
  for (size_t i = 0; i < found; i++) {
    fill(&rows[i], &c);
    page_row(out, rows[i].figure.name);
    page_cell(out, c.typical);
    page_cell(out, c.interval);
    page_cell(out, c.least);
    page_cell(out, c.greatest);
    page_row_end(out);
  }
  page_table_end(out);
  page_section_end(out);
}
