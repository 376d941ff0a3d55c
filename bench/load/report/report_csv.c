/* Comma-separated values as RFC 4180 has them: a header, then a row a point, lines end with CR LF.
 * The columns are the same for every result, so that files can be put together; what is not known
 * is an empty field. A text that a spreadsheet would take for a formula gets a blank before it. */
#include <stdio.h>
#include <string.h>

#include "bench/load/report/report.h"
#include "bindings/cli/say.h"

/* Plain figures, by their own names. */
static const char *const figures[] = {
    "started",
    "completed",
    "failed",
    "cancelled",
    "truncated",
    "retried",
    "missed",
    "error_rate",
    "rate",
    "events_per_s",
    "goodput",
    "goodput_rate",
    "busy",
    "output_tokens_per_s",
    "input_tokens_per_s",
    "tokens_per_event",
};

static const char *const stats[] = {"mean", "sd",  "min",   "p50", "p90",
                                    "p95",  "p99", "p99.9", "max"};
static const char *const lags[] = {"receive_lag", "schedule_lag", "kernel_lag"};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

typedef struct row {
  cli_out *out;
  const result_point *p; /* NULL: the header */
  bool begun;
} row;

static void next(row *r) {
  if (r->begun) cli_out_text(r->out, ",");
  r->begun = true;
}

static void put_text(row *r, const char *name, const char *text) {
  char clean[256];
  next(r);
  if (!r->p) {
    cli_out_text(r->out, name);
    return;
  }
  cli_say_clean(lti_slice_of(text), clean, sizeof clean);
  bool quoted = strpbrk(clean, ",\"") != NULL;
  if (quoted) cli_out_text(r->out, "\"");
  if (clean[0] && strchr("=+-@", clean[0])) cli_out_text(r->out, " ");
  for (const char *c = clean; *c; c++) cli_out_text(r->out, *c == '"' ? "\"\"" : (char[]){*c, 0});
  if (quoted) cli_out_text(r->out, "\"");
}

static void put_number(row *r, const char *name, double value, bool known) {
  next(r);
  if (!r->p)
    cli_out_text(r->out, name);
  else if (known)
    cli_out_format(r->out, "%.10g", value);
}

/* A negative number is not known. */
static void put_count(row *r, const char *name, double value) {
  put_number(r, name, value, value >= 0);
}

/* The column is called as the figure is, with _ for dots, and with its unit. */
static void put_figure(row *r, const char *name) {
  figure f;
  double value = 0;
  char column[FIGURE_NAME_MAX + 8];
  bool known = figure_parse(lti_slice_of(name), &f, NULL) && r->p && figure_value(&f, r->p, &value);
  snprintf(column, sizeof column, "%s%s", name, f.unit == FIGURE_MS ? "_ms" : "");
  for (char *c = column; *c; c++)
    if (*c == '.' && !(c > column + 2 && c[-1] == '9')) *c = '_';
  put_number(r, column, value, known);
}

static void put_latency(row *r, const char *name, const char *form) {
  char full[FIGURE_NAME_MAX];
  for (size_t i = 0; i < COUNT_OF(stats); i++) {
    snprintf(full, sizeof full, "%s%s.%s", name, form, stats[i]);
    put_figure(r, full);
  }
}

static void put_samples(row *r, unsigned m) {
  char column[FIGURE_NAME_MAX];
  const lti_hist *h = r->p ? r->p->latencies[m].sent : NULL;
  snprintf(column, sizeof column, "%s_samples", measure_at((enum measure)m)->name);
  put_count(r, column, h ? (double)lti_hist_count(h) : 0);
}

static void put_offer(row *r) {
  static const result_point none;
  const result_point *p = r->p ? r->p : &none;
  put_text(r, "load", p->offer.label);
  put_text(r, "shape", result_shape_name(p->offer.shape));
  put_text(r, "arrivals", p->offer.arrivals);
  put_count(r, "rate_wanted", p->offer.rate);
  put_count(r, "concurrency_wanted", (double)p->offer.concurrency);
  put_text(r, "verdict", result_verdict_name(p->certificate.verdict));
  put_count(r, "begun_at", p->begun_at);
  put_count(r, "wall_s", p->wall_s);
  put_count(r, "window_s", p->window_s);
}

static void put_volume(row *r) {
  static const result_point none;
  const result_point *p = r->p ? r->p : &none;
  const result_process *c = &p->process;
  put_count(r, "events", (double)p->volume.events);
  put_count(r, "content_events", (double)p->volume.content_events);
  put_count(r, "content_bytes", (double)p->volume.content_bytes);
  put_count(r, "input_tokens", (double)p->volume.input_tokens);
  put_count(r, "output_tokens", (double)p->volume.output_tokens);
  put_count(r, "connections_opened", (double)p->conns.opened);
  put_count(r, "in_flight_peak", (double)p->counts.in_flight_peak);
  put_count(r, "cpu_s", c->user_s + c->system_s);
  put_count(r, "rss_peak_kb", (double)c->rss_peak_kb);
}

static void put_row(cli_out *out, const result_point *p) {
  row r = {.out = out, .p = p};
  put_offer(&r);
  for (size_t i = 0; i < COUNT_OF(figures); i++) put_figure(&r, figures[i]);
  put_volume(&r);
  for (unsigned i = 0; i < MEASURE_COUNT; i++) {
    const measure_row *m = measure_at((enum measure)i);
    put_samples(&r, i);
    put_latency(&r, m->name, "");
    if (m->intended) put_latency(&r, m->name, ".intended");
  }
  for (size_t i = 0; i < COUNT_OF(lags); i++) put_latency(&r, lags[i], "");
  cli_out_text(out, "\r\n");
}

void report_csv(const result *r, cli_out *out) {
  put_row(out, NULL);
  report_csv_rows(r, out);
}

void report_csv_rows(const result *r, cli_out *out) {
  for (size_t i = 0; i < r->point_count; i++) put_row(out, &r->points[i]);
}
