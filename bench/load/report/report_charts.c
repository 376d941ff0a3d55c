/* The charts of one load. Long timelines are drawn from columns of several slots each: counts are
 * added, percentiles of the top and lags take the largest, medians the mean, and the page says so.
 */
#include <math.h>
#include <stdio.h>

#include "bench/load/report/chart.h"
#include "bindings/cli/program.h"
#include "report_parts.h"

#define COLUMNS_MAX  200
#define ROWS_MAX     40 /* of the table behind the charts */
#define SUMMARY_MAX  300
#define WORDS_MAX    80
#define MS_US        1000.0f
#define FINEST       99.99
#define PERCENTS_MAX 48

/* ---- percentiles */

/* 50, 55 .. 75, 77.5 .. 87.5, 90, 91 .. 99, 99.1 .. 99.9, 99.91 .. 99.99. */
static size_t list_percents(double percents[PERCENTS_MAX]) {
  size_t n = 0;
  for (int i = 0; i < 6; i++) percents[n++] = 50 + 5 * i;
  for (int i = 1; i < 6; i++) percents[n++] = 75 + 2.5 * i;
  for (int i = 0; i < 9; i++) percents[n++] = 90 + i;
  for (int i = 0; i < 9; i++) percents[n++] = 99 + 0.1 * i;
  for (int i = 0; i < 10; i++) percents[n++] = 99.9 + 0.01 * i;
  return n;
}

/* The finest percentile that so many samples tell: one of them lies above it. */
static double finest(const lti_hist *h) {
  double count = h ? (double)lti_hist_count(h) : 0;
  return count > 0 ? 100 * (1 - 1 / count) : 0;
}

static void fill_curve(const lti_hist *h, const double *percents, size_t count, double *y) {
  double end = finest(h);
  for (size_t i = 0; i < count; i++)
    y[i] = i == 0 || percents[i] <= end ? report_parts_percentile(h, percents[i]) : (double)NAN;
}

static void summarise(const report_curves *curves, char *out) {
  char p50[PAGE_FIGURE_MAX], p99[PAGE_FIGURE_MAX];
  int used = snprintf(out, SUMMARY_MAX, "%.60s by percentile", curves->title);
  for (size_t i = 0; i < 2 && used > 0 && used < SUMMARY_MAX; i++) {
    if (finest(curves->hists[i]) == 0) continue;
    used +=
        snprintf(out + used, SUMMARY_MAX - (size_t)used, "; %.40s: median %s, p99 %s",
                 curves->names[i], page_time(report_parts_percentile(curves->hists[i], 50), p50),
                 page_time(report_parts_percentile(curves->hists[i], 99), p99));
  }
}

void report_charts_curves(const report_curves *curves, cli_out *out) {
  double percents[PERCENTS_MAX], values[2][PERCENTS_MAX];
  char summary[SUMMARY_MAX];
  size_t count = list_percents(percents);
  double end = fmax(finest(curves->hists[0]), finest(curves->hists[1]));
  if (end == 0) return;
  summarise(curves, summary);
  chart c = {.title = curves->title, .summary = summary, .count = count, .at = percents};
  c.x = (chart_axis){"percentile", CHART_PERCENTILE, CHART_PERCENT, 50,
                     end <= 99     ? 99
                     : end <= 99.9 ? 99.9
                                   : FINEST};
  c.y = (chart_axis){"", CHART_AUTO, CHART_TIME_US, 0, 0};
  while (c.count > 0 && percents[c.count - 1] > c.x.to + 1e-9) c.count--;
  for (size_t i = 0; i < 2; i++) {
    fill_curve(curves->hists[i], percents, count, values[i]);
    chart_add(&c, (chart_series){curves->names[i], i == 0 ? "c1" : "c2", i == 0 ? "" : "dash",
                                 values[i]});
  }
  chart_write(out, &c);
}

static void put_forms(const result_point *p, enum measure m, const char *title, cli_out *out) {
  const result_latency *l = &p->latencies[m];
  report_curves curves = {
      title, {"from the send", "from the intended start"}, {l->sent, l->intended}};
  report_charts_curves(&curves, out);
}

void report_charts_latency(const result_point *p, cli_out *out) {
  cli_out_text(out, report_parts_open(p)
                        ? "<p class=\"sub\">Each latency in two forms: from the actual send, and "
                          "from the intended start, which also counts what a request waited "
                          "because others held it up.</p>\n"
                        : "<p class=\"sub\">A closed loop: a request begins when the one before "
                          "it has ended, so that its intended start is its send.</p>\n");
  cli_out_text(out, "<div class=\"charts three\">\n");
  put_forms(p, MEASURE_TTFT, "Time to first token", out);
  put_forms(p, MEASURE_ITL, "Inter-token latency", out);
  put_forms(p, MEASURE_E2E, "End to end", out);
  put_forms(p, MEASURE_JOB, "Jobs", out);
  cli_out_text(out, "</div>\n");
}

/* ---- over time */

enum column {
  AT,
  TTFT_P50,
  TTFT_P99,
  ITL_P50,
  ITL_P99,
  STARTED,
  COMPLETED,
  FAILED,
  IN_FLIGHT,
  EVENTS,
  TOKENS,
  LAG,
  COLUMN_COUNT
};

typedef struct columns {
  size_t count, step; /* slots a column */
  bool tokens;        /* some were told */
  double values[COLUMN_COUNT][COLUMNS_MAX];
} columns;

/* Sums of what one column is made of. */
typedef struct gather {
  double p50_sum[2], p99[2], lag;
  size_t p50_count[2];
  double started, completed, failed, in_flight, events, tokens;
} gather;

static void gather_slot(gather *g, const result_slot *s) {
  int32_t p50[2] = {s->ttft_p50_us, s->itl_p50_us}, p99[2] = {s->ttft_p99_us, s->itl_p99_us};
  for (size_t i = 0; i < 2; i++) {
    if (p50[i] >= 0) {
      g->p50_sum[i] += p50[i];
      g->p50_count[i]++;
    }
    if (p99[i] >= 0) g->p99[i] = fmax(g->p99[i], p99[i]);
  }
  if (s->lag_max_us >= 0) g->lag = fmax(g->lag, s->lag_max_us);
  g->started += s->started;
  g->completed += s->completed;
  g->failed += s->failed;
  g->in_flight = fmax(g->in_flight, s->in_flight);
  g->events += (double)s->events;
  g->tokens += (double)s->output_tokens;
}

static double known(double value) {
  return value >= 0 ? value : (double)NAN;
}

static double mean_of(double sum, size_t count) {
  return count > 0 ? sum / (double)count : (double)NAN;
}

static void fill_column(columns *c, size_t i, const gather *g, double seconds) {
  double(*v)[COLUMNS_MAX] = c->values;
  v[AT][i] = ((double)i + 0.5) * seconds;
  v[TTFT_P50][i] = mean_of(g->p50_sum[0], g->p50_count[0]);
  v[ITL_P50][i] = mean_of(g->p50_sum[1], g->p50_count[1]);
  v[TTFT_P99][i] = known(g->p99[0]);
  v[ITL_P99][i] = known(g->p99[1]);
  v[LAG][i] = known(g->lag);
  v[STARTED][i] = g->started / seconds;
  v[COMPLETED][i] = g->completed / seconds;
  v[FAILED][i] = g->failed / seconds;
  v[IN_FLIGHT][i] = g->in_flight;
  v[EVENTS][i] = g->events / seconds;
  v[TOKENS][i] = g->tokens / seconds;
  if (g->tokens > 0) c->tokens = true;
}

static void fill_columns(columns *c, const result_timeline *t, size_t max) {
  c->tokens = false;
  c->step = (t->count + max - 1) / max;
  c->count = 0;
  for (size_t i = 0; i < t->count; i += c->step) {
    gather g = {.p99 = {-1, -1}, .lag = -1};
    for (size_t k = i; k < i + c->step && k < t->count; k++) gather_slot(&g, &t->slots[k]);
    fill_column(c, c->count++, &g, t->slot_s * (double)c->step);
  }
}

static chart time_chart(const char *title, const columns *c, double end_s, enum chart_unit unit) {
  chart drawing = {.title = title, .count = c->count, .at = c->values[AT], .height = 160};
  drawing.x = (chart_axis){"since the start", CHART_LINEAR, CHART_SECONDS, 0, end_s};
  drawing.y = (chart_axis){"", CHART_LINEAR, unit, 0, 0};
  return drawing;
}

static void put_rates(const columns *c, double end_s, const result_point *p, cli_out *out) {
  chart rates = time_chart("Requests a second", c, end_s, CHART_COUNT);
  chart_add(&rates, (chart_series){"started", "c5", "dash", c->values[STARTED]});
  chart_add(&rates, (chart_series){"completed", "c1", "", c->values[COMPLETED]});
  if (p->counts.failed > 0)
    chart_add(&rates, (chart_series){"failed", "cb", "", c->values[FAILED]});
  chart_write(out, &rates);
  chart flight = time_chart("In flight", c, end_s, CHART_COUNT);
  chart_add(&flight, (chart_series){"", "c1", "area", c->values[IN_FLIGHT]});
  chart_add(&flight, (chart_series){"in flight", "c1", "", c->values[IN_FLIGHT]});
  chart_write(out, &flight);
  chart output = time_chart(c->tokens ? "Events and output tokens a second" : "Events a second", c,
                            end_s, CHART_COUNT);
  chart_add(&output, (chart_series){"events", "c1", "", c->values[EVENTS]});
  if (c->tokens) {
    output.note = "tokens count when their answer ends, which is when the server tells them";
    chart_add(&output, (chart_series){"output tokens", "c3", "dash", c->values[TOKENS]});
  }
  chart_write(out, &output);
}

static void put_lag(const columns *c, double end_s, const result_point *p, cli_out *out) {
  const result_certificate *k = &p->certificate;
  chart lag = time_chart("Our own lateness: largest receive lag", c, end_s, CHART_TIME_US);
  lag.y.scale = CHART_LOG;
  lag.note = "the verdict goes by its p99; single reads may lie above";
  chart_add(&lag, (chart_series){"", "c4", "area", c->values[LAG]});
  chart_add(&lag, (chart_series){"largest lag", "c4", "", c->values[LAG]});
  if (!chart_filled(&lag)) return;
  char valid[WORDS_MAX], degraded[WORDS_MAX], text[PAGE_FIGURE_MAX];
  snprintf(valid, sizeof valid, "valid up to %s", page_time(k->lag_valid_us, text));
  snprintf(degraded, sizeof degraded, "degraded up to %s", page_time(k->lag_degraded_us, text));
  if (k->lag_valid_us > 0) chart_mark_at(&lag, (chart_mark){false, k->lag_valid_us, valid, "cg"});
  if (k->lag_degraded_us > 0)
    chart_mark_at(&lag, (chart_mark){false, k->lag_degraded_us, degraded, "cw"});
  chart_write(out, &lag);
}

/* ---- dots */

typedef struct dots {
  float *x, *ttft, *e2e; /* fine ones from the front, failed ones from the back */
  size_t fine, failed, room;
} dots;

static void dots_add(dots *d, const result_dot *dot) {
  size_t at = dot->error ? d->room - ++d->failed : d->fine++;
  d->x[at] = dot->start_s;
  d->ttft[at] = dot->ttft_ms < 0 ? -1 : dot->ttft_ms * MS_US;
  d->e2e[at] = dot->e2e_ms < 0 ? -1 : dot->e2e_ms * MS_US;
}

/* All that failed, and evenly so many of the others that it is about `max`. */
static bool dots_fill(dots *d, const result_point *p, size_t max) {
  lti_alloc *alloc = cli_program_alloc();
  size_t failed = 0, seen = 0;
  for (size_t i = 0; i < p->dot_count; i++) failed += p->dots[i].error != 0;
  size_t fine = p->dot_count - failed, step = fine / max + 1;
  d->room = failed + fine / step + 1;
  d->fine = d->failed = 0;
  d->x = lti_alloc_zero(alloc, 3 * d->room * sizeof *d->x);
  if (!d->x) return false;
  d->ttft = d->x + d->room;
  d->e2e = d->ttft + d->room;
  for (size_t i = 0; i < p->dot_count; i++)
    if (p->dots[i].error || seen++ % step == 0) dots_add(d, &p->dots[i]);
  return true;
}

static void add_clouds(chart *c, const dots *d, const float *y) {
  size_t from = d->room - d->failed;
  c->clouds[0] = (chart_cloud){"a request", "c1", d->x, y, d->fine};
  c->clouds[1] = (chart_cloud){"one that failed", "cb", d->x + from, y + from, d->failed};
  c->cloud_count = 2;
}

static void put_latencies(const columns *c, double end_s, const dots *d, cli_out *out) {
  chart ttft = time_chart("Time to first token", c, end_s, CHART_TIME_US);
  ttft.wide = true;
  ttft.height = 220;
  ttft.y.scale = CHART_AUTO;
  ttft.note = "dots at their start, percentiles of the first tokens of each moment";
  add_clouds(&ttft, d, d->ttft);
  chart_add(&ttft, (chart_series){"p50", "c3", "", c->values[TTFT_P50]});
  chart_add(&ttft, (chart_series){"p99", "c2", "", c->values[TTFT_P99]});
  if (chart_filled(&ttft)) chart_write(out, &ttft);
  chart itl = time_chart("Inter-token latency", c, end_s, CHART_TIME_US);
  itl.y.scale = CHART_AUTO;
  chart_add(&itl, (chart_series){"p50", "c3", "", c->values[ITL_P50]});
  chart_add(&itl, (chart_series){"p99", "c2", "", c->values[ITL_P99]});
  if (chart_filled(&itl)) chart_write(out, &itl);
  chart e2e = time_chart("End to end", c, end_s, CHART_TIME_US);
  e2e.y.scale = CHART_AUTO;
  add_clouds(&e2e, d, d->e2e);
  e2e.count = 0;
  if (chart_filled(&e2e)) chart_write(out, &e2e);
}

/* ---- the table behind them */

static void put_time_row(const columns *c, size_t i, cli_out *out) {
  char text[PAGE_FIGURE_MAX];
  page_row(out, chart_figure(CHART_SECONDS, c->values[AT][i], text));
  for (int k = TTFT_P50; k <= ITL_P99; k++) page_cell(out, page_ms(c->values[k][i], text));
  for (int k = STARTED; k <= FAILED; k++) page_cell(out, page_rate(c->values[k][i], text));
  page_cell(out, page_count(c->values[IN_FLIGHT][i], text));
  page_cell(out, page_rate(c->values[EVENTS][i], text));
  page_cell(out, c->tokens ? page_rate(c->values[TOKENS][i], text) : "\xe2\x80\x93");
  page_cell(out, page_ms(c->values[LAG][i], text));
  page_row_end(out);
}

static void put_time_table(columns *c, const result_timeline *t, cli_out *out) {
  fill_columns(c, t, ROWS_MAX);
  cli_out_text(out, "<details><summary>The same as a table</summary>\n");
  page_table(out, "The run over time; latencies in ms",
             "At|TTFT p50, ms|TTFT p99, ms|ITL p50, ms|ITL p99, ms|Started|Completed|Failed|"
             "In flight|Events|Tokens|Receive lag, ms");
  for (size_t i = 0; i < c->count; i++) put_time_row(c, i, out);
  page_table_end(out);
  cli_out_text(out, "</details>\n");
}

bool report_charts_time(const result_point *p, size_t dots_max, cli_out *out) {
  if (p->timeline.count == 0 || !(p->timeline.slot_s > 0)) {
    cli_out_text(out, "<p class=\"sub\">The result has no timeline.</p>\n");
    return true;
  }
  lti_alloc *alloc = cli_program_alloc();
  columns *c = lti_alloc_zero(alloc, sizeof *c);
  dots d = {0};
  bool fine = c && dots_fill(&d, p, dots_max);
  if (fine) {
    fill_columns(c, &p->timeline, COLUMNS_MAX);
    double end_s = p->timeline.slot_s * (double)(c->count * c->step);
    if (c->step > 1)
      cli_out_format(out,
                     "<p class=\"sub\">Drawn in columns of %zu moments: of p99 and lags the "
                     "largest, of medians the mean.</p>\n",
                     c->step);
    cli_out_text(out, "<div class=\"charts\">\n");
    put_latencies(c, end_s, &d, out);
    put_rates(c, end_s, p, out);
    put_lag(c, end_s, p, out);
    cli_out_text(out, "</div>\n");
    put_time_table(c, &p->timeline, out);
  }
  lti_alloc_put(alloc, d.x);
  lti_alloc_put(alloc, c);
  return fine;
}
