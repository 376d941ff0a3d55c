/* The last point in the words of AIPerf's profile_export_aiperf.json (schema 1.1): a member for
 * each metric, {"unit", "avg", "min", "max", "p1".."p99", "std", "count", "sum"} where there is a
 * distribution, {"unit", "avg"} where there is one number, and, as AIPerf does, no member where
 * there is none.
 *
 * Careful with words: its inter_token_latency is our tpot, its inter_chunk_latency our itl, and its
 * output_token_count has no reasoning in it, while output_sequence_length has. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/load/report/report.h"

static void put_distribution(cli_jsonw *w, const char *name, const lti_hist *h) {
  static const double percents[] = {1, 5, 10, 25, 50, 75, 90, 95, 99};
  if (!h || lti_hist_count(h) == 0) return;
  double count = (double)lti_hist_count(h);
  cli_jsonw_open(w, name, '{');
  cli_jsonw_text(w, "unit", lti_slice_of("ms"));
  cli_jsonw_real(w, "avg", lti_hist_mean(h) / 1e3, 6);
  for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
    char key[8];
    snprintf(key, sizeof key, "p%.0f", percents[i]);
    cli_jsonw_real(w, key, (double)lti_hist_percentile(h, percents[i]) / 1e3, 3);
  }
  cli_jsonw_real(w, "min", (double)lti_hist_min(h) / 1e3, 3);
  cli_jsonw_real(w, "max", (double)lti_hist_max(h) / 1e3, 3);
  /* Theirs is a sample's. */
  double sd = count > 1 ? lti_hist_stddev(h) * sqrt(count / (count - 1)) / 1e3 : 0;
  cli_jsonw_real(w, "std", sd, 6);
  cli_jsonw_uint(w, "count", lti_hist_count(h));
  cli_jsonw_real(w, "sum", lti_hist_mean(h) * count / 1e3, 3);
  cli_jsonw_close(w, '}');
}

/* One number; none where it is negative. */
static void put_number(cli_jsonw *w, const char *name, const char *unit, double value) {
  if (!isfinite(value) || value < 0) return;
  cli_jsonw_open(w, name, '{');
  cli_jsonw_text(w, "unit", lti_slice_of(unit));
  cli_jsonw_double(w, "avg", value);
  cli_jsonw_close(w, '}');
}

typedef struct lengths {
  const char *name;
  double mean, sd;
  int64_t low, high;
} lengths;

static void put_lengths(cli_jsonw *w, const lengths *l, uint64_t count) {
  if (l->mean < 0) return;
  cli_jsonw_open(w, l->name, '{');
  cli_jsonw_text(w, "unit", lti_slice_of("tokens"));
  cli_jsonw_double(w, "avg", l->mean);
  if (l->low >= 0) cli_jsonw_int(w, "min", l->low);
  if (l->high >= 0) cli_jsonw_int(w, "max", l->high);
  if (l->sd >= 0) cli_jsonw_double(w, "std", l->sd);
  cli_jsonw_uint(w, "count", count);
  cli_jsonw_close(w, '}');
}

static void put_tokens(const result_point *p, cli_jsonw *w) {
  const result_volume *v = &p->volume;
  const result_lengths *l = &p->lengths;
  lengths output = {"output_sequence_length", l->output_mean, l->output_sd, l->output_min,
                    l->output_max};
  lengths input = {"input_sequence_length", l->input_mean, l->input_sd, l->input_min, l->input_max};
  double in = result_input_rate(p), out = result_output_rate(p);
  put_number(w, "output_token_throughput", "tokens/sec", out);
  put_number(w, "total_token_throughput", "tokens/sec", in < 0 || out < 0 ? -1 : in + out);
  put_lengths(w, &output, v->usage_answers);
  put_lengths(w, &input, v->usage_answers);
  put_number(w, "total_isl", "tokens", (double)v->input_tokens);
  put_number(w, "total_osl", "tokens", (double)v->output_tokens);
  put_number(w, "total_reasoning_tokens", "tokens", (double)v->reasoning_tokens);
  if (v->output_tokens >= 0 && v->reasoning_tokens >= 0)
    put_number(w, "total_output_tokens", "tokens",
               (double)v->output_tokens - (double)v->reasoning_tokens);
}

static void put_requests(const result_point *p, cli_jsonw *w) {
  put_number(w, "request_throughput", "requests/sec", result_request_rate(p));
  put_number(w, "request_count", "requests", (double)p->counts.completed);
  put_number(w, "error_request_count", "requests", (double)p->counts.failed);
  if (p->goodput.slo_count) {
    put_number(w, "goodput", "requests/sec", result_goodput_rate(p));
    put_number(w, "good_request_count", "requests", (double)p->goodput.good);
  }
  put_number(w, "benchmark_duration", "sec", p->wall_s);
}

/* In UTC, as "2026-01-02T03:04:05.678901". */
static void put_time(cli_jsonw *w, const char *key, double at) {
  char text[48];
  struct tm parts;
  time_t seconds = (time_t)at;
  if (!(at > 0 && at < 1e11) || !gmtime_r(&seconds, &parts)) return;
  size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text + used, sizeof text - used, ".%06d", (int)((at - floor(at)) * 1e6));
  cli_jsonw_text(w, key, lti_slice_of(text));
}

static void put_errors(const result_point *p, cli_jsonw *w) {
  cli_jsonw_open(w, "error_summary", '[');
  for (size_t i = 0; i < p->error_count; i++) {
    cli_jsonw_open(w, NULL, '{');
    cli_jsonw_open(w, "error_details", '{');
    cli_jsonw_text(w, "type", lti_slice_of(p->errors[i].name));
    cli_jsonw_text(w, "message", lti_slice_of(p->errors[i].message));
    cli_jsonw_close(w, '}');
    cli_jsonw_uint(w, "count", p->errors[i].count);
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, ']');
}

void report_aiperf(const result *r, cli_jsonw *w) {
  if (r->point_count == 0) return;
  const result_point *p = &r->points[r->point_count - 1];
  cli_jsonw_text(w, "schema_version", lti_slice_of("1.1"));
  put_requests(p, w);
  put_distribution(w, "request_latency", p->latencies[MEASURE_E2E].sent);
  put_distribution(w, "time_to_first_token", p->latencies[MEASURE_TTFT].sent);
  put_distribution(w, "time_to_first_output_token", p->latencies[MEASURE_TTFO].sent);
  put_distribution(w, "time_to_second_token", p->latencies[MEASURE_TTST].sent);
  put_distribution(w, "inter_token_latency", p->latencies[MEASURE_TPOT].sent);
  put_distribution(w, "inter_chunk_latency", p->latencies[MEASURE_ITL].sent);
  put_tokens(p, w);
  if (r->config) cli_jsonw_raw(w, "input_config", lti_slice_of(r->config));
  cli_jsonw_bool(w, "was_cancelled", r->interrupted);
  put_errors(p, w);
  put_time(w, "start_time", p->begun_at);
  put_time(w, "end_time", p->begun_at > 0 ? p->begun_at + p->wall_s : 0);
  cli_jsonw_text(w, "leat_verdict", lti_slice_of(result_verdict_name(p->certificate.verdict)));
}
