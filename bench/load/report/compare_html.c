/* Two sets of runs on one page: what is decided in words, what to beware of, a table for each load
 * with the interval of each figure as a picture, and percentile curves of both. */
#include "compare_html.h"

#include <math.h>
#include <stdio.h>

#include "bindings/cli/program.h"
#include "report_parts.h"

#define TITLE_MAX   400
#define WORDS_MAX   240
#define CELL_MAX    64
#define CURVES_MAX  4     /* loads whose curves are drawn */
#define PIECE_WIDTH 130.0 /* px of an interval's picture */
#define RUNS_WIDTH  120.0
#define RUNS_DRAWN  100  /* of a side */
#define SPAN_MIN    0.05 /* the picture reaches at least from -5 % to +5 % */
#define SPAN_MAX    3.0  /* ... and at most to e^3 times */

typedef struct verdicts {
  size_t counts[4]; /* by verdict */
} verdicts;

static verdicts count_rows(const comparison *c) {
  verdicts t = {{0}};
  for (size_t i = 0; i < c->row_count; i++) t.counts[c->rows[i].verdict]++;
  return t;
}

static enum page_tone tone_of(enum compare_verdict verdict) {
  switch (verdict) {
    case COMPARE_BETTER: return PAGE_GOOD;
    case COMPARE_WORSE: return PAGE_BAD;
    case COMPARE_SAME:
    case COMPARE_UNDECIDABLE: break;
  }
  return PAGE_PLAIN;
}

/* ---- what is decided */

static const char *headline(const comparison *c, const verdicts *t, enum page_tone *tone) {
  *tone = PAGE_WARN;
  if (c->row_count == 0) return "Nothing to compare: no load of A is one of B";
  if (t->counts[COMPARE_UNDECIDABLE] == c->row_count)
    return "Not decidable: too few runs to tell a difference from chance";
  *tone = PAGE_BAD;
  if (t->counts[COMPARE_WORSE] > 0 && t->counts[COMPARE_BETTER] > 0)
    return "B differs from A: worse in some figures, better in others";
  if (t->counts[COMPARE_WORSE] > 0) return "B is worse than A";
  *tone = PAGE_GOOD;
  if (t->counts[COMPARE_BETTER] > 0) return "B is better than A";
  *tone = PAGE_PLAIN;
  return "No difference seen between A and B";
}

static void put_side(cli_out *out, const char *letter, const compare_side *side) {
  size_t counts[3] = {0, 0, 0};
  for (size_t i = 0; i < side->count; i++) {
    enum result_verdict worst = RESULT_VALID;
    for (size_t k = 0; k < side->runs[i]->point_count; k++)
      if (side->runs[i]->points[k].certificate.verdict > worst)
        worst = side->runs[i]->points[k].certificate.verdict;
    counts[worst]++;
  }
  cli_out_format(out, "<div><dt>%s: ", letter);
  page_word(out, side->name);
  cli_out_format(out, "</dt><dd>%zu run%s: %zu valid, %zu degraded, %zu invalid</dd></div>\n",
                 side->count, side->count == 1 ? "" : "s", counts[RESULT_VALID],
                 counts[RESULT_DEGRADED], counts[RESULT_INVALID]);
}

static void put_verdict(const comparison *c, cli_out *out) {
  enum page_tone tone;
  verdicts t = count_rows(c);
  const char *words = headline(c, &t, &tone);
  cli_out_format(out,
                 "<div class=\"verdict %s\" id=\"verdict\" role=\"region\" "
                 "aria-labelledby=\"verdict-h\">\n<h2 id=\"verdict-h\">",
                 page_tone_name(tone));
  page_mark(out, tone);
  cli_out_format(out, "<span>%s</span></h2>\n<p>Method: ", words);
  page_word(out, c->method);
  cli_out_text(out, "</p>\n");
  if (t.counts[COMPARE_UNDECIDABLE] < c->row_count)
    cli_out_format(out,
                   "<p>Of %zu figures %zu are better, %zu worse, %zu show no difference, and "
                   "%zu cannot be decided.</p>\n",
                   c->row_count, t.counts[COMPARE_BETTER], t.counts[COMPARE_WORSE],
                   t.counts[COMPARE_SAME], t.counts[COMPARE_UNDECIDABLE]);
  if (c->warning_count > 0) cli_out_text(out, "<ul class=\"reasons\">\n");
  for (size_t i = 0; i < c->warning_count && i < COMPARE_WARNINGS_MAX; i++) {
    cli_out_text(out, "<li>");
    page_mark(out, PAGE_WARN);
    page_word(out, c->warnings[i]);
    cli_out_text(out, "</li>\n");
  }
  if (c->warning_count > 0) cli_out_text(out, "</ul>\n");
  page_terms(out);
  put_side(out, "A", &c->a);
  put_side(out, "B", &c->b);
  page_terms_end(out);
  cli_out_text(out, "</div>\n");
}

/* ---- pictures in cells */

/* How far the pictures of one load reach: the largest |log| of the changes, and of the intervals of
 * those that are decided. An interval that says little may go beyond. */
static double span_of(const comparison *c, size_t from, size_t to) {
  double span = SPAN_MIN;
  for (size_t i = from; i < to; i++) {
    const compare_row *row = &c->rows[i];
    if (!row->by_ratio) continue;
    bool decided = row->verdict == COMPARE_BETTER || row->verdict == COMPARE_WORSE;
    const double values[] = {row->ratio, row->low, row->high};
    for (size_t k = 0; k < (decided ? 3 : 1); k++)
      if (isfinite(values[k]) && values[k] > 0) span = fmax(span, fabs(log(values[k])));
  }
  return fmin(span, SPAN_MAX) * 1.05;
}

static double place_of(double ratio, double span) {
  double at = ratio > 0 ? log(ratio) / span : -1;
  return (fmin(fmax(at, -1), 1) + 1) / 2 * PIECE_WIDTH;
}

static const char *colour_of(enum compare_verdict verdict) {
  switch (verdict) {
    case COMPARE_BETTER: return "cg";
    case COMPARE_WORSE: return "cb";
    case COMPARE_SAME:
    case COMPARE_UNDECIDABLE: break;
  }
  return "c5";
}

/* The interval around B / A; the line in the middle is 1. */
static void put_interval(cli_out *out, const compare_row *row, double span) {
  cli_out_format(out,
                 "<td class=\"w pic\"><svg class=\"%s\" width=\"%.0f\" height=\"18\" "
                 "aria-hidden=\"true\"><line class=\"base\" x1=\"%.1f\" x2=\"%.1f\" y2=\"18\"/>",
                 colour_of(row->verdict), PIECE_WIDTH, PIECE_WIDTH / 2, PIECE_WIDTH / 2);
  if (row->by_ratio && isfinite(row->low) && isfinite(row->high)) {
    double low = place_of(row->low, span), high = place_of(row->high, span);
    cli_out_format(out, "<rect class=\"s bar\" x=\"%.1f\" width=\"%.1f\" y=\"7\" height=\"4\"/>",
                   low, fmax(high - low, 1));
  }
  if (row->by_ratio && isfinite(row->ratio))
    cli_out_format(out, "<circle class=\"s bar\" cx=\"%.1f\" cy=\"9\" r=\"4.5\"/>",
                   place_of(row->ratio, span));
  cli_out_text(out, "</svg></td>");
}

typedef struct range {
  double low, high;
} range;

static void put_dots(cli_out *out, const double *values, size_t count, const range *r, int y) {
  double width = r->high > r->low ? r->high - r->low : 1;
  size_t step = count / RUNS_DRAWN + 1;
  for (size_t i = 0; i < count; i += step)
    if (isfinite(values[i]))
      cli_out_format(out, "<circle class=\"s bar c%d\" cx=\"%.1f\" cy=\"%d\" r=\"3\"/>",
                     y < 9 ? 1 : 2, 4 + (values[i] - r->low) / width * (RUNS_WIDTH - 8), y);
}

/* Each run's figure: A above, B below. */
static void put_runs(cli_out *out, const comparison *c, const compare_row *row) {
  range r = {INFINITY, -INFINITY};
  size_t count = c->a.count + c->b.count;
  cli_out_format(out,
                 "<td class=\"w pic\"><svg width=\"%.0f\" height=\"18\" "
                 "aria-hidden=\"true\">",
                 RUNS_WIDTH);
  for (size_t i = 0; row->values && i < count; i++) {
    if (!isfinite(row->values[i])) continue;
    r.low = fmin(r.low, row->values[i]);
    r.high = fmax(r.high, row->values[i]);
  }
  if (row->values && r.low <= r.high) {
    put_dots(out, row->values, c->a.count, &r, 4);
    put_dots(out, row->values + c->a.count, c->b.count, &r, 13);
  }
  cli_out_text(out, "</svg></td>");
}

/* ---- the table of a load */

static const char *difference(const compare_row *row, double value, char *out) {
  char number[CELL_MAX];
  if (!isfinite(value)) return "\xe2\x80\x93";
  figure_show(row->figure.unit, fabs(value), number, sizeof number);
  snprintf(out, CELL_MAX, "%s%.60s", value < 0 ? "\xe2\x88\x92" : "+", number);
  return out;
}

static const char *change(const compare_row *row, double value, char *out) {
  if (!row->by_ratio) return difference(row, value, out);
  if (!isfinite(value)) return "\xe2\x80\x93";
  double percent = (value - 1) * 100;
  snprintf(out, CELL_MAX, "%s%.1f %%", percent < 0 ? "\xe2\x88\x92" : "+", fabs(percent));
  return out;
}

static void put_row(const comparison *c, const compare_row *row, double span, cli_out *out) {
  char text[WORDS_MAX], low[CELL_MAX], high[CELL_MAX], shown[CELL_MAX];
  cli_out_text(out, "<tr><th scope=\"row\">");
  if (tone_of(row->verdict) != PAGE_PLAIN) page_mark(out, tone_of(row->verdict));
  page_word(out, row->figure.name);
  cli_out_text(out, "</th>");
  page_cell(out, isfinite(row->a) ? figure_show(row->figure.unit, row->a, shown, sizeof shown)
                                  : "\xe2\x80\x93");
  page_cell(out, isfinite(row->b) ? figure_show(row->figure.unit, row->b, shown, sizeof shown)
                                  : "\xe2\x80\x93");
  page_cell(out, change(row, row->by_ratio ? row->ratio : row->difference, shown));
  snprintf(text, sizeof text, "%s to %s", change(row, row->low, low), change(row, row->high, high));
  page_cell(out, isfinite(row->low) && isfinite(row->high) ? text : "\xe2\x80\x93");
  put_interval(out, row, span);
  put_runs(out, c, row);
  page_cell_words(out, compare_verdict_name(row->verdict));
  page_row_end(out);
}

static void put_table(const comparison *c, size_t from, size_t to, cli_out *out) {
  char heads[WORDS_MAX];
  double span = span_of(c, from, to);
  snprintf(heads, sizeof heads,
           "Figure|A|B|Change|%.0f %% interval|<%.0f %% less to %.0f %% more|<Runs: A above, B "
           "below|<B is",
           c->confidence * 100, (1 - exp(-span)) * 100, (exp(span) - 1) * 100);
  page_table(out, c->rows[from].point[0] ? c->rows[from].point : "Figures", heads);
  for (size_t i = from; i < to; i++) put_row(c, &c->rows[i], span, out);
  page_table_end(out);
}

/* ---- curves */

/* All runs' samples of one measure, added up. NULL: none had any, or no memory. */
static lti_hist *sum_of(const compare_side *side, size_t point, enum measure m) {
  lti_hist *sum = lti_hist_new(cli_program_alloc());
  for (size_t i = 0; sum && i < side->count; i++) {
    const result *r = side->runs[i];
    const lti_hist *h =
        point < r->point_count ? report_parts_felt(&r->points[point].latencies[m]) : NULL;
    if (h) lti_hist_merge(sum, h);
  }
  return sum;
}

static void put_curve(const comparison *c, const compare_row *row, enum measure m, cli_out *out) {
  static const char *const titles[] = {[MEASURE_TTFT] = "Time to first token",
                                       [MEASURE_ITL] = "Inter-token latency",
                                       [MEASURE_E2E] = "End to end"};
  lti_hist *a = sum_of(&c->a, row->point_a, m), *b = sum_of(&c->b, row->point_b, m);
  report_curves curves = {titles[m], {"A", "B"}, {a, b}};
  report_charts_curves(&curves, out);
  lti_hist_free(a);
  lti_hist_free(b);
}

static void put_load(const comparison *c, size_t from, size_t to, bool curves, cli_out *out) {
  const compare_row *row = &c->rows[from];
  cli_out_text(out, "<section><h2>");
  page_word(out, row->point[0] ? row->point : "Figure by figure");
  cli_out_text(out, "</h2>\n");
  put_table(c, from, to, out);
  if (curves) {
    cli_out_text(out,
                 "<p class=\"sub\">Percentiles of all runs' samples together, from the "
                 "intended start where there is one. The verdicts above do not rest on "
                 "them.</p>\n<div class=\"charts three\">\n");
    put_curve(c, row, MEASURE_TTFT, out);
    put_curve(c, row, MEASURE_ITL, out);
    put_curve(c, row, MEASURE_E2E, out);
    cli_out_text(out, "</div>\n");
  }
  cli_out_text(out, "</section>\n");
}

static void put_loads(const comparison *c, cli_out *out) {
  size_t loads = 0;
  for (size_t from = 0, to; from < c->row_count; from = to) {
    for (to = from + 1; to < c->row_count; to++)
      if (strcmp(c->rows[to].point, c->rows[from].point) != 0) break;
    put_load(c, from, to, loads++ < CURVES_MAX, out);
  }
}

static void put_config(const char *letter, const compare_side *side, cli_out *out) {
  const result *r = side->runs[0];
  cli_out_format(out, "<details><summary>Configuration of %s</summary>\n<pre tabindex=\"0\">",
                 letter);
  page_word(out, r->config ? r->config : "{}");
  cli_out_text(out, "</pre>\n");
  page_terms(out);
  page_term(out, "System", r->machine.system);
  page_term(out, "Processor", r->machine.processor);
  page_term(out, "Versions", r->machine.versions);
  page_terms_end(out);
  cli_out_text(out, "</details>\n");
}

static const char *file_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

/* Files without their folders, where that tells them apart. */
static void name_sides(const comparison *c, char out[TITLE_MAX]) {
  const char *a = file_of(c->a.name), *b = file_of(c->b.name);
  bool alike = strcmp(a, b) == 0;
  snprintf(out, TITLE_MAX, "%.180s against %.180s", alike ? c->b.name : b, alike ? c->a.name : a);
}

bool compare_html(const comparison *c, const char *title, cli_out *out) {
  char sides[TITLE_MAX];
  name_sides(c, sides);
  if (!page_begin(out, title ? title : sides)) return false;
  cli_out_text(out, "<header>\n<h1>");
  page_word(out, title ? title : sides);
  cli_out_text(out, "</h1>\n<p class=\"sub\">");
  if (title) {
    page_word(out, sides);
    cli_out_text(out, " \xc2\xb7 ");
  }
  cli_out_text(out, "A is what was, B is what is held against it</p>\n</header>\n");
  put_verdict(c, out);
  put_loads(c, out);
  page_section(out, "origin", "Where it comes from");
  put_config("A", &c->a, out);
  put_config("B", &c->b, out);
  page_section_end(out);
  page_end(out);
  return true;
}
