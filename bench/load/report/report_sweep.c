/* Loads beside each other: latencies and throughput against what was offered, with the level and
 * the knee where one was searched, and a row for each load. */
#include <math.h>
#include <stdio.h>

#include "bench/load/report/chart.h"
#include "bench/load/result/figure.h"
#include "report_parts.h"

#define WORDS_MAX   160
#define WIDE_LOADS  9.0 /* loads that differ by more lie on a log axis */
#define MS_US       1e3
#define LOADS_TITLE "Loads beside each other"

enum load_value {
  LOAD,
  TTFT_P50,
  TTFT_P99,
  FELT_P99,
  ITL_P99,
  E2E_P50,
  REQUESTS,
  OUTPUT,
  GATED,
  VALUE_COUNT
};

typedef struct loads {
  size_t count;
  const char *what;  /* "offered rate, requests/s" */
  bool tokens, open; /* open: with intended starts */
  double values[VALUE_COUNT][RESULT_POINTS_MAX];
  size_t order[RESULT_POINTS_MAX]; /* by growing load: a search jumps about */
} loads;

static double load_of(const result *r, size_t i, const char **what) {
  bool rates = true, streams = true;
  for (size_t k = 0; k < r->point_count; k++) {
    if (!(r->points[k].offer.rate > 0)) rates = false;
    if (r->points[k].offer.concurrency <= 0) streams = false;
  }
  *what = rates ? "offered requests/s" : streams ? "requests at once" : "load, in its order";
  return rates     ? r->points[i].offer.rate
         : streams ? (double)r->points[i].offer.concurrency
                   : (double)i + 1;
}

static double positive(double value) {
  return value >= 0 ? value : (double)NAN;
}

static void fill_load(loads *l, const result *r, size_t at, size_t point) {
  const result_point *p = &r->points[point];
  double(*v)[RESULT_POINTS_MAX] = l->values;
  const result_latency *ttft = &p->latencies[MEASURE_TTFT];
  v[LOAD][at] = load_of(r, point, &l->what);
  v[TTFT_P50][at] = report_parts_percentile(ttft->sent, 50);
  v[TTFT_P99][at] = report_parts_percentile(ttft->sent, 99);
  v[FELT_P99][at] = report_parts_percentile(ttft->intended, 99);
  v[ITL_P99][at] = report_parts_percentile(p->latencies[MEASURE_ITL].sent, 99);
  v[E2E_P50][at] = report_parts_percentile(report_parts_felt(&p->latencies[MEASURE_E2E]), 50);
  v[REQUESTS][at] = positive(result_request_rate(p));
  double tokens = result_output_rate(p);
  v[OUTPUT][at] = l->tokens ? positive(tokens) : positive(result_event_rate(p));
  if (ttft->intended) l->open = true;
}

static void fill_loads(loads *l, const result *r) {
  const char *what;
  l->count = r->point_count < RESULT_POINTS_MAX ? r->point_count : RESULT_POINTS_MAX;
  l->open = false;
  l->tokens = true;
  for (size_t i = 0; i < l->count; i++) {
    if (result_output_rate(&r->points[i]) < 0) l->tokens = false;
    size_t at = i;
    for (; at > 0 && load_of(r, l->order[at - 1], &what) > load_of(r, i, &what); at--)
      l->order[at] = l->order[at - 1];
    l->order[at] = i;
  }
  for (size_t i = 0; i < l->count; i++) fill_load(l, r, i, l->order[i]);
}

static chart load_chart(const char *title, const loads *l, const result *r, enum chart_unit unit) {
  const double *at = l->values[LOAD];
  chart c = {.title = title, .count = l->count, .at = at, .height = 190};
  double first = at[0], last = at[l->count - 1];
  bool wide = first > 0 && last / first > WIDE_LOADS;
  c.x = (chart_axis){l->what, wide ? CHART_LOG : CHART_LINEAR, CHART_COUNT, wide ? first : 0,
                     last > first ? last : first + 1};
  c.y = (chart_axis){"", unit == CHART_TIME_US ? CHART_AUTO : CHART_LINEAR, unit, 0, 0};
  const char *what;
  if (r->knee.found && r->knee.point < r->point_count)
    chart_mark_at(&c, (chart_mark){true, load_of(r, r->knee.point, &what), "knee", "c4"});
  return c;
}

/* A curve, and a knob at each load. */
static void add_both(chart *c, const char *name, const char *colour, const char *look,
                     const double *y) {
  chart_add(c, (chart_series){name, colour, look, y});
  chart_add(c, (chart_series){"", colour, "knob", y});
}

/* Of "ttft.p99<500ms and itl.p99<50ms: met by no point" the levels, without the remark. */
static leat_slice levels_of(const result *r) {
  const char *remark = strstr(r->knee.level, ": ");
  return remark ? lti_slice(r->knee.level, (size_t)(remark - r->knee.level))
                : lti_slice_of(r->knee.level);
}

/* The first latency among the levels, TTFT's or another one's. */
static bool find_gate(const result *r, bool ttft, figure_gate *gate) {
  static const char joint[] = " and ";
  leat_slice rest = levels_of(r);
  char one[sizeof r->knee.level];
  const char *why;
  while (r->knee.searched && rest.size > 0) {
    const char *end = lti_slice_find(rest, lti_slice_of(joint));
    size_t size = end ? (size_t)(end - rest.data) : rest.size;
    snprintf(one, sizeof one, "%.*s", (int)size, rest.data);
    if (figure_gate_parse(one, gate, &why) && gate->figure.unit == FIGURE_MS &&
        lti_slice_starts(lti_slice_of(gate->figure.name), "ttft") == ttft)
      return true;
    rest = end ? lti_slice_from(rest, size + sizeof joint - 1) : lti_slice(NULL, 0);
  }
  return false;
}

static void put_ttft(const loads *l, const result *r, cli_out *out) {
  figure_gate gate;
  chart c = load_chart("Time to first token against load", l, r, CHART_TIME_US);
  c.wide = true;
  c.height = 240;
  add_both(&c, "p50", "c3", "", l->values[TTFT_P50]);
  add_both(&c, "p99", "c1", "", l->values[TTFT_P99]);
  if (l->open) add_both(&c, "p99 from the intended start", "c2", "dash", l->values[FELT_P99]);
  if (find_gate(r, true, &gate))
    chart_mark_at(&c, (chart_mark){false, gate.limit * MS_US, gate.text, "cb"});
  if (chart_filled(&c)) chart_write(out, &c);
}

/* The figure of a level that is not TTFT's. */
static void put_level(loads *l, const result *r, cli_out *out) {
  figure_gate gate;
  if (!find_gate(r, false, &gate)) return;
  for (size_t i = 0; i < l->count; i++) {
    double value;
    bool known = figure_value(&gate.figure, &r->points[l->order[i]], &value);
    l->values[GATED][i] = known ? value * MS_US : (double)NAN;
  }
  chart c = load_chart("The level's figure against load", l, r, CHART_TIME_US);
  c.wide = true;
  add_both(&c, gate.figure.name, "c1", "", l->values[GATED]);
  chart_mark_at(&c, (chart_mark){false, gate.limit * MS_US, gate.text, "cb"});
  if (chart_filled(&c)) chart_write(out, &c);
}

static void put_rates(const loads *l, const result *r, cli_out *out) {
  chart requests = load_chart("Requests a second, completed", l, r, CHART_COUNT);
  add_both(&requests, "completed", "c1", "", l->values[REQUESTS]);
  if (l->what[0] == 'o')
    chart_add(&requests, (chart_series){"offered", "c5", "thin", l->values[LOAD]});
  if (chart_filled(&requests)) chart_write(out, &requests);
  chart output =
      load_chart(l->tokens ? "Output tokens a second" : "Events a second", l, r, CHART_COUNT);
  add_both(&output, l->tokens ? "output tokens" : "events", "c3", "", l->values[OUTPUT]);
  if (chart_filled(&output)) chart_write(out, &output);
  chart itl = load_chart("Inter-token latency, p99, against load", l, r, CHART_TIME_US);
  add_both(&itl, "p99", "c1", "", l->values[ITL_P99]);
  if (chart_filled(&itl)) chart_write(out, &itl);
  chart e2e = load_chart("End to end, median, against load", l, r, CHART_TIME_US);
  add_both(&e2e, "p50", "c1", "", l->values[E2E_P50]);
  if (chart_filled(&e2e)) chart_write(out, &e2e);
}

static void put_load_row(const result *r, size_t i, cli_out *out) {
  const result_point *p = &r->points[i];
  char t[PAGE_FIGURE_MAX];
  bool knee = r->knee.found && r->knee.point == i;
  const result_latency *ttft = &p->latencies[MEASURE_TTFT];
  cli_out_text(out, knee ? "<tr class=\"here\"><th scope=\"row\">" : "<tr><th scope=\"row\">");
  page_word(out, p->offer.label);
  cli_out_text(out, knee ? " (knee)</th><td class=\"w state\">" : "</th><td class=\"w state\">");
  page_mark(out, page_tone_of(p->certificate.verdict));
  cli_out_format(out, "%s</td>", result_verdict_name(p->certificate.verdict));
  page_cell(out, page_rate(p->offer.rate, t));
  page_cell(out, page_rate(result_request_rate(p), t));
  page_cell(out, page_rate(result_output_rate(p), t));
  page_cell(out, page_ms(report_parts_percentile(ttft->sent, 50), t));
  page_cell(out, page_ms(report_parts_percentile(ttft->sent, 99), t));
  page_cell(out, page_ms(report_parts_percentile(ttft->intended, 99), t));
  page_cell(out, page_ms(report_parts_percentile(p->latencies[MEASURE_ITL].sent, 99), t));
  page_cell(out, page_ms(report_parts_percentile(p->latencies[MEASURE_E2E].sent, 50), t));
  page_cell(out, page_share(result_error_rate(p), t));
  page_cell(out, page_share(result_goodput_share(p), t));
  page_cell(out, page_count((double)p->counts.in_flight_peak, t));
  page_cell(out, page_ms(report_parts_percentile(p->certificate.receive_lag, 99), t));
  page_row_end(out);
}

static void put_knee(const result *r, cli_out *out) {
  leat_slice levels = levels_of(r);
  const char *remark = r->knee.level + levels.size;
  if (!r->knee.searched) return;
  bool found = r->knee.found && r->knee.point < r->point_count;
  cli_out_text(out, found ? "<p>The knee under <code>" : "<p>Searched under <code>");
  page_text(out, levels);
  if (found) {
    cli_out_text(out, "</code> is at <strong>");
    page_word(out, r->points[r->knee.point].offer.label);
    cli_out_text(out, "</strong>: the last load that met it.</p>\n");
    return;
  }
  cli_out_text(out, "</code>");
  page_word(out, remark);
  cli_out_text(out, "; so there is no knee to tell.</p>\n");
}

void report_sweep(const result *r, cli_out *out) {
  loads l;
  fill_loads(&l, r);
  page_section(out, "sweep", LOADS_TITLE);
  put_knee(r, out);
  cli_out_text(out, "<div class=\"charts\">\n");
  put_ttft(&l, r, out);
  put_level(&l, r, out);
  put_rates(&l, r, out);
  cli_out_text(out, "</div>\n<h3>Each load</h3>\n");
  page_table(out, LOADS_TITLE,
             "Load|<Verdict|Offered|Completed|Output tokens|TTFT p50, ms|TTFT p99, ms|"
             "p99 intended, ms|ITL p99, ms|E2E p50, ms|Failed|Goodput|In flight|Our lag p99, ms");
  for (size_t i = 0; i < l.count; i++) put_load_row(r, l.order[i], out);
  page_table_end(out);
  page_section_end(out);
}
