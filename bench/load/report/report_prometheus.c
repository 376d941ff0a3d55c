/* A result in Prometheus' text format 0.0.4, for the textfile collector or a push gateway. Each
 * point of a sweep has labels of its own; everything is a gauge, since a result does not grow, but
 * the latencies, which are histograms.
 *
 *     leat_load_latency_seconds_bucket{point="0",load="rate 40/s",measure="ttft",from="send",
 *                                      le="0.05"} 812
 *
 * A bucket of ours that reaches over a bound counts above it: 0.1 % of the value at most. */
#include <stdio.h>
#include <string.h>

#include "bench/load/report/report.h"
#include "bindings/cli/say.h"

#define LABELS_MAX      400
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct {
  uint64_t us;
  const char *le;
} bounds[] = {{100, "0.0001"},    {250, "0.00025"},   {500, "0.0005"},     {1000, "0.001"},
              {2500, "0.0025"},   {5000, "0.005"},    {10000, "0.01"},     {25000, "0.025"},
              {50000, "0.05"},    {100000, "0.1"},    {250000, "0.25"},    {500000, "0.5"},
              {1000000, "1.0"},   {2500000, "2.5"},   {5000000, "5.0"},    {10000000, "10.0"},
              {30000000, "30.0"}, {60000000, "60.0"}, {300000000, "300.0"}};

static const struct {
  double percent;
  const char *quantile;
} quantiles[] = {{50, "0.5"}, {90, "0.9"}, {95, "0.95"}, {99, "0.99"}, {99.9, "0.999"}};

/* Plain figures and their metrics. */
static const struct {
  const char *figure, *metric, *help;
} gauges[] = {
    {"error_rate", "leat_load_error_ratio", "Failed requests of those that ended"},
    {"goodput", "leat_load_goodput_ratio", "Requests that kept to all levels, of those started"},
    {"goodput_rate", "leat_load_goodput_per_second", "Requests a second that kept to all levels"},
    {"rate", "leat_load_requests_per_second", "Requests completed a second"},
    {"events_per_s", "leat_load_events_per_second", "Events read a second"},
    {"output_tokens_per_s", "leat_load_output_tokens_per_second", "Tokens of answers a second"},
    {"input_tokens_per_s", "leat_load_input_tokens_per_second", "Tokens of prompts a second"},
    {"tokens_per_event", "leat_load_tokens_per_event", "Tokens a content event"},
    {"busy", "leat_load_busy_ratio", "How busy the busiest thread of this client was"},
};

static void put_head(cli_out *out, const char *metric, const char *type, const char *help) {
  cli_out_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

/* {point="0",load="rate 40/s" and `more` */
static const char *labels_of(const result *r, size_t i, const char *more, char *out, size_t size) {
  char label[sizeof r->points[i].offer.label], text[2 * sizeof label];
  size_t used = 0;
  cli_say_clean(lti_slice_of(r->points[i].offer.label), label, sizeof label);
  for (const char *c = label; *c && used + 3 < sizeof text; c++) {
    if (*c == '"' || *c == '\\') text[used++] = '\\';
    text[used++] = *c;
  }
  text[used] = '\0';
  snprintf(out, size, "point=\"%zu\",load=\"%s\"%s", i, text, more);
  return out;
}

/* One point's samples. */
typedef struct place {
  const result *r;
  cli_out *out;
  size_t point;
} place;

static void put_sample(place at, const char *metric, const char *more, double value) {
  char labels[LABELS_MAX];
  labels_of(at.r, at.point, more, labels, sizeof labels);
  cli_out_format(at.out, "%s{%s} %.12g\n", metric, labels, value);
}

static void put_gauges(const result *r, cli_out *out) {
  for (size_t g = 0; g < COUNT_OF(gauges); g++) {
    figure f;
    bool headed = false;
    if (!figure_parse(lti_slice_of(gauges[g].figure), &f, NULL)) continue;
    for (size_t i = 0; i < r->point_count; i++) {
      double value;
      if (!figure_value(&f, &r->points[i], &value)) continue;
      if (!headed) put_head(out, gauges[g].metric, "gauge", gauges[g].help);
      headed = true;
      put_sample((place){r, out, i}, gauges[g].metric, "", value);
    }
  }
}

static void put_requests(const result *r, cli_out *out) {
  const char *metric = "leat_load_requests";
  put_head(out, metric, "gauge", "Requests by how they ended");
  for (size_t i = 0; i < r->point_count; i++) {
    const result_counts *n = &r->points[i].counts;
    put_sample((place){r, out, i}, metric, ",outcome=\"completed\"", (double)n->completed);
    put_sample((place){r, out, i}, metric, ",outcome=\"failed\"", (double)n->failed);
    put_sample((place){r, out, i}, metric, ",outcome=\"cancelled\"", (double)n->cancelled);
    put_sample((place){r, out, i}, metric, ",outcome=\"cut\"", (double)n->cut);
  }
  metric = "leat_load_requests_truncated";
  put_head(out, metric, "gauge", "Failed requests whose answer was not whole");
  for (size_t i = 0; i < r->point_count; i++)
    put_sample((place){r, out, i}, metric, "", (double)r->points[i].counts.truncated);
}

static void put_verdict(const result *r, cli_out *out) {
  put_head(out, "leat_load_verdict", "gauge", "What the certificate says: 1 for that verdict");
  for (size_t i = 0; i < r->point_count; i++) {
    for (int v = RESULT_VALID; v <= RESULT_INVALID; v++) {
      char more[40];
      snprintf(more, sizeof more, ",verdict=\"%s\"", result_verdict_name((enum result_verdict)v));
      put_sample((place){r, out, i}, "leat_load_verdict", more,
                 r->points[i].certificate.verdict == (enum result_verdict)v);
    }
  }
}

static void put_costs(const result *r, cli_out *out) {
  const char *metric = "leat_load_duration_seconds";
  put_head(out, metric, "gauge", "The measured window with its drain");
  for (size_t i = 0; i < r->point_count; i++)
    put_sample((place){r, out, i}, metric, "", r->points[i].wall_s);
  metric = "leat_load_cpu_seconds";
  put_head(out, metric, "gauge", "CPU time of this client");
  for (size_t i = 0; i < r->point_count; i++) {
    const result_process *c = &r->points[i].process;
    put_sample((place){r, out, i}, metric, "", c->user_s + c->system_s);
  }
  metric = "leat_load_memory_peak_bytes";
  put_head(out, metric, "gauge", "The most memory that this client had resident");
  for (size_t i = 0; i < r->point_count; i++)
    put_sample((place){r, out, i}, metric, "", (double)r->points[i].process.rss_peak_kb * 1024);
}

/* --- latencies --- */

typedef void (*put_hist)(place at, const char *more, const lti_hist *h);

static void put_histogram(place at, const char *more, const lti_hist *h) {
  char labels[LABELS_MAX];
  uint64_t below = 0;
  size_t bucket = 0;
  lti_hist_bucket b;
  bool some = lti_hist_next(h, &bucket, &b);
  cli_out *out = at.out;
  labels_of(at.r, at.point, more, labels, sizeof labels);
  for (size_t k = 0; k < COUNT_OF(bounds); k++) {
    for (; some && b.high <= bounds[k].us; some = lti_hist_next(h, &bucket, &b)) below += b.count;
    cli_out_format(out, "leat_load_latency_seconds_bucket{%s,le=\"%s\"} %llu\n", labels,
                   bounds[k].le, (unsigned long long)below);
  }
  unsigned long long count = lti_hist_count(h);
  cli_out_format(out, "leat_load_latency_seconds_bucket{%s,le=\"+Inf\"} %llu\n", labels, count);
  cli_out_format(out, "leat_load_latency_seconds_sum{%s} %.12g\n", labels,
                 lti_hist_mean(h) * (double)count / 1e6);
  cli_out_format(out, "leat_load_latency_seconds_count{%s} %llu\n", labels, count);
}

static void put_quantiles(place at, const char *more, const lti_hist *h) {
  for (size_t k = 0; k < COUNT_OF(quantiles); k++) {
    char full[LABELS_MAX / 2];
    snprintf(full, sizeof full, "%s,quantile=\"%s\"", more, quantiles[k].quantile);
    put_sample(at, "leat_load_latency_quantile_seconds", full,
               (double)lti_hist_percentile(h, quantiles[k].percent) / 1e6);
  }
}

static bool has_samples(const lti_hist *h) {
  return h && lti_hist_count(h) > 0;
}

typedef struct series {
  const result *r;
  cli_out *out;
  put_hist put;
} series;

static void put_form(const series *s, size_t i, const char *name, const char *form,
                     const lti_hist *h) {
  char more[96];
  if (!has_samples(h)) return;
  snprintf(more, sizeof more, ",measure=\"%s\",from=\"%s\"", name, form);
  s->put((place){s->r, s->out, i}, more, h);
}

static void put_latencies(const series *s) {
  for (size_t i = 0; i < s->r->point_count; i++) {
    const result_point *p = &s->r->points[i];
    for (unsigned m = 0; m < MEASURE_COUNT; m++) {
      const char *name = measure_at((enum measure)m)->name;
      put_form(s, i, name, "send", p->latencies[m].sent);
      put_form(s, i, name, "intended", p->latencies[m].intended);
    }
    put_form(s, i, "receive_lag", "arrival", p->certificate.receive_lag);
    put_form(s, i, "schedule_lag", "intended", p->certificate.schedule_lag);
    put_form(s, i, "kernel_lag", "arrival", p->certificate.kernel_lag);
  }
}

void report_prometheus(const result *r, cli_out *out) {
  series histograms = {r, out, put_histogram}, percentiles = {r, out, put_quantiles};
  if (r->point_count == 0) return;
  put_verdict(r, out);
  put_requests(r, out);
  put_gauges(r, out);
  put_costs(r, out);
  put_head(out, "leat_load_latency_seconds", "histogram", "Latencies and this client's own lags");
  put_latencies(&histograms);
  put_head(out, "leat_load_latency_quantile_seconds", "gauge", "Percentiles, at most 0.1 % high");
  put_latencies(&percentiles);
}
