/* A comparison as a table, a block for each load, and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/report/compare.h"

#define NUMBER_SIZE 48
#define CELL_SIZE   128

static const char *signed_figure(const compare_row *row, double value, char *out, size_t size) {
  char number[NUMBER_SIZE - 1]; /* the sign comes before it */
  if (!isfinite(value)) {
    snprintf(out, size, "unknown");
    return out;
  }
  figure_show(row->figure.unit, fabs(value), number, sizeof number);
  snprintf(out, size, "%s%s", value < 0 ? "-" : "+", number);
  return out;
}

/* B / A with its interval, as a change in per cent; else B - A. */
static void change_of(const compare_row *row, char *out, size_t size) {
  char low[NUMBER_SIZE], high[NUMBER_SIZE], difference[NUMBER_SIZE];
  bool bounded = isfinite(row->low) && isfinite(row->high);
  if (row->by_ratio && isfinite(row->ratio)) {
    int n = snprintf(out, size, "%+.1f %%", (row->ratio - 1) * 100);
    if (bounded && n > 0 && (size_t)n < size)
      snprintf(out + n, size - (size_t)n, " (%+.1f to %+.1f)", (row->low - 1) * 100,
               (row->high - 1) * 100);
    return;
  }
  signed_figure(row, row->difference, difference, sizeof difference);
  if (!bounded) {
    snprintf(out, size, "%s", difference);
    return;
  }
  snprintf(out, size, "%s (%s to %s)", difference, signed_figure(row, row->low, low, sizeof low),
           signed_figure(row, row->high, high, sizeof high));
}

static void put_row(const compare_row *row, cli_out *out) {
  char a[NUMBER_SIZE], b[NUMBER_SIZE], change[3 * NUMBER_SIZE], difference[NUMBER_SIZE];
  figure_show(row->figure.unit, row->a, a, sizeof a);
  figure_show(row->figure.unit, row->b, b, sizeof b);
  change_of(row, change, sizeof change);
  signed_figure(row, row->difference, difference, sizeof difference);
  cli_out_format(out, "  %-20s %12s %12s %13s  %-28s %s\n", row->figure.name, a, b, difference,
                 change, compare_verdict_name(row->verdict));
}

static void put_title(const comparison *c, const compare_row *row, cli_out *out) {
  char interval[CELL_SIZE];
  if (c->ways > 0)
    snprintf(interval, sizeof interval, "B against A (%.0f %% interval)", c->confidence * 100);
  else
    snprintf(interval, sizeof interval, "B against A");
  cli_out_foreign(out, lti_slice_of(row->point));
  cli_out_format(out, "%s  %-20s %12s %12s %13s  %-28s %s\n", row->point[0] ? "\n" : "", "figure",
                 "A", "B", "B - A", interval, "B is");
}

static void put_side(const char *letter, const compare_side *side, cli_out *out) {
  cli_out_format(out, "%s  ", letter);
  cli_out_foreign(out, lti_slice_of(side->name));
  cli_out_format(out, ", %zu run%s\n", side->count, side->count == 1 ? "" : "s");
}

void compare_table(const comparison *c, cli_out *out) {
  put_side("A", &c->a, out);
  put_side("B", &c->b, out);
  for (size_t i = 0; i < c->row_count; i++) {
    const compare_row *row = &c->rows[i];
    if (i == 0 || strcmp(row->point, c->rows[i - 1].point) != 0) {
      cli_out_text(out, "\n");
      put_title(c, row, out);
    }
    put_row(row, out);
  }
  if (c->row_count == 0) cli_out_text(out, "\nno load of A is one of B: nothing to compare\n");
  cli_out_format(out, "\n%s\n", c->method);
  for (size_t i = 0; i < c->warning_count; i++) {
    cli_out_text(out, "warning: ");
    cli_out_foreign(out, lti_slice_of(c->warnings[i]));
    cli_out_text(out, "\n");
  }
}

/* --- for programs --- */

static const char *unit_name(enum figure_unit unit) {
  switch (unit) {
    case FIGURE_MS: return "ms";
    case FIGURE_SHARE: return "share";
    case FIGURE_PER_S: return "1/s";
    case FIGURE_COUNT: break;
  }
  return "1";
}

static void put_values(cli_jsonw *w, const char *key, const double *values, size_t count) {
  cli_jsonw_open(w, key, '[');
  for (size_t i = 0; i < count; i++) cli_jsonw_real(w, NULL, values[i], 6);
  cli_jsonw_close(w, ']');
}

static void put_figure(const comparison *c, const compare_row *row, cli_jsonw *w) {
  cli_jsonw_open(w, NULL, '{');
  cli_jsonw_text(w, "load", lti_slice_of(row->point));
  cli_jsonw_text(w, "figure", lti_slice_of(row->figure.name));
  cli_jsonw_text(w, "unit", lti_slice_of(unit_name(row->figure.unit)));
  cli_jsonw_bool(w, "more_is_better", row->figure.more_is_better);
  cli_jsonw_real(w, "a", row->a, 6);
  cli_jsonw_real(w, "b", row->b, 6);
  cli_jsonw_real(w, "difference", row->difference, 6);
  cli_jsonw_real(w, "ratio", row->ratio, 6);
  cli_jsonw_text(w, "interval_of", lti_slice_of(row->by_ratio ? "ratio" : "difference"));
  cli_jsonw_real(w, "low", row->low, 6);
  cli_jsonw_real(w, "high", row->high, 6);
  cli_jsonw_real(w, "p", row->p, 6);
  cli_jsonw_text(w, "verdict", lti_slice_of(compare_verdict_name(row->verdict)));
  put_values(w, "runs_a", row->values, c->a.count);
  put_values(w, "runs_b", row->values + c->a.count, c->b.count);
  cli_jsonw_close(w, '}');
}

static void put_side_json(const char *key, const compare_side *side, cli_jsonw *w) {
  cli_jsonw_open(w, key, '{');
  cli_jsonw_text(w, "name", lti_slice_of(side->name));
  cli_jsonw_uint(w, "runs", side->count);
  const char *config = side->runs[0]->config;
  cli_jsonw_raw(w, "config", lti_slice_of(config ? config : "null"));
  cli_jsonw_close(w, '}');
}

void compare_json(const comparison *c, cli_jsonw *w) {
  cli_jsonw_int(w, "leat_compare", 1);
  cli_jsonw_text(w, "leat", lti_slice_of(leat_version()));
  put_side_json("a", &c->a, w);
  put_side_json("b", &c->b, w);
  cli_jsonw_text(w, "method", lti_slice_of(c->method));
  cli_jsonw_uint(w, "ways", c->ways);
  cli_jsonw_real(w, "confidence", c->confidence, 4);
  cli_jsonw_open(w, "warnings", '[');
  for (size_t i = 0; i < c->warning_count; i++)
    cli_jsonw_text(w, NULL, lti_slice_of(c->warnings[i]));
  cli_jsonw_close(w, ']');
  cli_jsonw_open(w, "figures", '[');
  for (size_t i = 0; i < c->row_count; i++) put_figure(c, &c->rows[i], w);
  cli_jsonw_close(w, ']');
}
