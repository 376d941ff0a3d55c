/* The last point in the words of `vllm bench serve --save-result`, for scripts that read those.
 *
 * Its names mean there what they mean here: ttft, tpot, itl and e2el count from the send,
 * deviations are those of all samples, client_queue_time is how long after its intended start a
 * request was sent. Percentiles are the upper ends of a histogram's buckets, 0.1 % high at most,
 * where vLLM interpolates between samples. What we cannot know is null: tokens without usage, and
 * the peak of tokens in a second, since an event is not a token. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/load/report/report.h"

/* Ours and theirs. */
static void put_latency(cli_jsonw *w, const char *name, const lti_hist *h) {
  static const struct {
    const char *prefix;
    enum figure_stat stat;
    double percent;
  } rows[] = {{"mean", FIGURE_MEAN, 0},       {"median", FIGURE_PERCENTILE, 50},
              {"std", FIGURE_SD, 0},          {"p50", FIGURE_PERCENTILE, 50},
              {"p90", FIGURE_PERCENTILE, 90}, {"p95", FIGURE_PERCENTILE, 95},
              {"p99", FIGURE_PERCENTILE, 99}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char key[64];
    double ms;
    snprintf(key, sizeof key, "%s_%s_ms", rows[i].prefix, name);
    bool known = figure_of_hist(h, rows[i].stat, rows[i].percent, &ms);
    cli_jsonw_real(w, key, known ? ms : NAN, 6);
  }
}

static void put_date(cli_jsonw *w, double begun_at) {
  char text[32] = "";
  struct tm parts;
  time_t at = (time_t)begun_at;
  if (begun_at > 0 && begun_at < 1e11 && localtime_r(&at, &parts))
    strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
  cli_jsonw_text_or_null(w, "date", lti_slice_of(text));
}

/* The name of the backend there that speaks what we spoke. */
static const char *backend_of(const char *protocol) {
  if (strcmp(protocol, "openai-completions") == 0) return "openai";
  return protocol;
}

static void put_setup(const result *r, const result_point *p, cli_jsonw *w) {
  char text[256];
  const result_offer *o = &p->offer;
  bool open = o->shape != RESULT_CLOSED && o->rate >= 0;
  put_date(w, p->begun_at);
  if (!result_option(r, "protocol", text, sizeof text)) snprintf(text, sizeof text, "openai-chat");
  cli_jsonw_text(w, "endpoint_type", lti_slice_of(backend_of(text)));
  cli_jsonw_text(w, "backend", lti_slice_of(backend_of(text)));
  cli_jsonw_text_or_null(w, "label", lti_slice_of(r->title));
  if (!result_option(r, "model", text, sizeof text)) text[0] = '\0';
  cli_jsonw_text_or_null(w, "model_id", lti_slice_of(text));
  cli_jsonw_null(w, "tokenizer_id");
  cli_jsonw_uint(w, "num_prompts", p->counts.started);
  if (open)
    cli_jsonw_double(w, "request_rate", o->rate);
  else
    cli_jsonw_text(w, "request_rate", lti_slice_of("inf"));
  cli_jsonw_double(w, "burstiness", open && o->burstiness > 0 ? o->burstiness : 1);
  if (o->concurrency >= 0)
    cli_jsonw_int(w, "max_concurrency", o->concurrency);
  else
    cli_jsonw_null(w, "max_concurrency");
}

static void put_tokens(cli_jsonw *w, const char *key, int64_t tokens) {
  if (tokens < 0)
    cli_jsonw_null(w, key);
  else
    cli_jsonw_int(w, key, tokens);
}

static void put_known(cli_jsonw *w, const char *key, double value) {
  cli_jsonw_double(w, key, value < 0 ? NAN : value);
}

static void put_totals(const result_point *p, cli_jsonw *w) {
  double output = result_output_rate(p), input = result_input_rate(p);
  cli_jsonw_double(w, "duration", p->wall_s);
  cli_jsonw_uint(w, "completed", p->counts.completed);
  cli_jsonw_uint(w, "failed", p->counts.failed);
  put_tokens(w, "total_input_tokens", p->volume.input_tokens);
  put_tokens(w, "total_output_tokens", p->volume.output_tokens);
  cli_jsonw_double(w, "request_throughput", result_request_rate(p));
  put_known(w, "request_goodput", result_goodput_rate(p));
  put_known(w, "output_throughput", output);
  put_known(w, "total_token_throughput", output < 0 || input < 0 ? -1 : output + input);
  cli_jsonw_null(w, "max_output_tokens_per_s");
  cli_jsonw_uint(w, "max_concurrent_requests", p->counts.in_flight_peak);
  cli_jsonw_null(w, "rtfx");
}

void report_vllm(const result *r, cli_jsonw *w) {
  if (r->point_count == 0) return;
  const result_point *p = &r->points[r->point_count - 1];
  put_setup(r, p, w);
  put_totals(p, w);
  put_latency(w, "ttft", p->latencies[MEASURE_TTFT].sent);
  put_latency(w, "tpot", p->latencies[MEASURE_TPOT].sent);
  put_latency(w, "itl", p->latencies[MEASURE_ITL].sent);
  put_latency(w, "e2el", p->latencies[MEASURE_E2E].sent);
  if (p->offer.shape != RESULT_CLOSED && p->offer.concurrency >= 0) {
    put_latency(w, "client_queue_time", p->certificate.schedule_lag);
    put_latency(w, "e2el_including_client_queue", p->latencies[MEASURE_E2E].intended);
  }
  cli_jsonw_text(w, "leat_verdict", lti_slice_of(result_verdict_name(p->certificate.verdict)));
}
