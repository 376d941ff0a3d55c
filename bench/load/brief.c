/* Figures and their wording. `events` are SSE events dispatched, the end marker included; `content
 * events` those that carried a piece of the answer, which gaps are measured between. */
#include "brief.h"

#include <stdio.h>

static double per(double amount, double by) {
  return by > 0 ? amount / by : 0;
}

static double wall_s(const tally *t) {
  return t->end_ns > t->start_ns ? (double)(t->end_ns - t->start_ns) / 1e9 : 0;
}

static double cpu_s(const brief *r) {
  return r->process.user_s + r->process.system_s;
}

static double copied_share(const tally *t) {
  return per((double)t->stats.bytes_copied, (double)t->stats.bytes_decrypted);
}

const char *brief_thousands(uint64_t n, char *out, size_t size) {
  char digits[24];
  int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
  size_t used = 0;
  for (int i = 0; i < count && used + 2 < size; i++) {
    if (i > 0 && (count - i) % 3 == 0) out[used++] = ',';
    out[used++] = digits[i];
  }
  out[used] = '\0';
  return out;
}

static double in_ms(uint64_t us) {
  return (double)us / 1e3;
}

void brief_latency_json(cli_jsonw *w, const char *key, const lti_hist *h) {
  cli_jsonw_open(w, key, '{');
  cli_jsonw_uint(w, "count", lti_hist_count(h));
  cli_jsonw_real(w, "mean", lti_hist_mean(h) / 1e3, 3);
  cli_jsonw_real(w, "p50", in_ms(lti_hist_percentile(h, 50)), 3);
  cli_jsonw_real(w, "p90", in_ms(lti_hist_percentile(h, 90)), 3);
  cli_jsonw_real(w, "p99", in_ms(lti_hist_percentile(h, 99)), 3);
  cli_jsonw_real(w, "max", in_ms(lti_hist_max(h)), 3);
  cli_jsonw_close(w, '}');
}

/* What the answers came over: one version, both, or NULL when none came. */
static const char *http_used(const tally *t) {
  bool one = t->by_http[LEAT_HTTP_1] > 0, two = t->by_http[LEAT_HTTP_2] > 0;
  if (one && two) return "mixed";
  return one ? "1.1" : two ? "2" : NULL;
}

static void put_config(const brief *r, cli_jsonw *w) {
  const cli_options *o = r->options;
  cli_jsonw_open(w, "config", '{');
  cli_jsonw_text(w, "base_url", lti_slice_of(r->base_url));
  cli_jsonw_text_or_null(w, "chat_path", lti_slice_of(o->chat_path));
  cli_jsonw_text(w, "protocol", lti_slice_of(o->protocol ? o->protocol : "openai-chat"));
  cli_jsonw_text_or_null(w, "model", lti_slice_of(o->model));
  cli_jsonw_text(w, "http", lti_slice_of(o->http ? o->http : "auto"));
  cli_jsonw_text(w, "shape", lti_slice_of("closed"));
  cli_jsonw_int(w, "requests", r->requests);
  cli_jsonw_int(w, "concurrency", r->concurrency);
  cli_jsonw_int(w, "connections", r->connections);
  if (o->streams.set) cli_jsonw_int(w, "streams", o->streams.value);
  cli_jsonw_bool(w, "coalesce", o->coalesce);
  cli_jsonw_int(w, "retries", r->retries);
  cli_jsonw_close(w, '}');
}

static void put_counts(const tally *t, cli_jsonw *w) {
  const leat_stats *s = &t->stats;
  cli_jsonw_open(w, "requests", '{');
  cli_jsonw_uint(w, "started", t->started);
  cli_jsonw_uint(w, "completed", t->completed);
  cli_jsonw_uint(w, "failed", t->failed);
  cli_jsonw_uint(w, "cancelled", t->cancelled);
  cli_jsonw_uint(w, "retried", s->requests_retried);
  cli_jsonw_uint(w, "live_peak", s->requests_live_peak);
  cli_jsonw_close(w, '}');
  cli_jsonw_uint(w, "events", t->records);
  cli_jsonw_uint(w, "content_events", t->content_events);
  cli_jsonw_uint(w, "content_bytes", s->content_bytes);
  cli_jsonw_open(w, "connections", '{');
  cli_jsonw_uint(w, "opened", s->conns_opened);
  cli_jsonw_uint(w, "peak", s->conns_peak);
  cli_jsonw_uint(w, "resumed", s->handshakes_resumed);
  cli_jsonw_uint(w, "full_handshakes", s->handshakes_full);
  cli_jsonw_uint(w, "failed", s->conns_failed);
  cli_jsonw_uint(w, "http2", s->conns_h2);
  cli_jsonw_close(w, '}');
  cli_jsonw_open(w, "http", '{');
  cli_jsonw_text_or_null(w, "version", lti_slice_of(http_used(t)));
  cli_jsonw_uint(w, "requests_http1", t->by_http[LEAT_HTTP_1]);
  cli_jsonw_uint(w, "requests_http2", t->by_http[LEAT_HTTP_2]);
  cli_jsonw_close(w, '}');
  cli_jsonw_open(w, "streams", '{');
  cli_jsonw_uint(w, "peak", t->answering_peak);
  cli_jsonw_close(w, '}');
}

static void put_errors(const tally *t, cli_jsonw *w) {
  cli_jsonw_open(w, "errors", '[');
  for (size_t i = 0; i < t->error_count; i++) {
    cli_jsonw_open(w, NULL, '{');
    cli_jsonw_text(w, "error", lti_slice_of(leat_error_name(t->errors[i].error)));
    cli_jsonw_uint(w, "count", t->errors[i].count);
    cli_jsonw_text(w, "message", lti_slice_of(t->errors[i].message));
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, ']');
}

void brief_json(const brief *r, cli_jsonw *w) {
  const tally *t = r->tally;
  cli_jsonw_text(w, "leat", lti_slice_of(leat_version()));
  put_config(r, w);
  put_counts(t, w);
  cli_jsonw_real(w, "wall_s", wall_s(t), 6);
  cli_jsonw_real(w, "requests_per_s", per((double)t->completed, wall_s(t)), 3);
  cli_jsonw_real(w, "events_per_s", per((double)t->records, wall_s(t)), 1);
  cli_jsonw_open(w, "process", '{');
  cli_jsonw_real(w, "cpu_s", cpu_s(r), 6);
  cli_jsonw_real(w, "user_s", r->process.user_s, 6);
  cli_jsonw_real(w, "system_s", r->process.system_s, 6);
  cli_jsonw_uint(w, "max_rss_kb", r->process.rss_peak_kb);
  cli_jsonw_close(w, '}');
  cli_jsonw_real(w, "cpu_us_per_event", per(cpu_s(r) * 1e6, (double)t->records), 3);
  cli_jsonw_uint(w, "bytes_received", t->stats.bytes_received);
  cli_jsonw_uint(w, "decrypted_bytes", t->stats.bytes_decrypted);
  cli_jsonw_uint(w, "copied_bytes", t->stats.bytes_copied);
  cli_jsonw_real(w, "copied_share", copied_share(t), 6);
  if (r->allocations_per_event >= 0)
    cli_jsonw_real(w, "allocations_per_event", r->allocations_per_event, 6);
  else
    cli_jsonw_null(w, "allocations_per_event");
  brief_latency_json(w, "ttft", t->ttft);
  brief_latency_json(w, "gap", t->gap);
  brief_latency_json(w, "e2e", t->e2e);
  if (lti_hist_count(t->lag)) brief_latency_json(w, "lag", t->lag);
  put_errors(t, w);
}

static void latency_row(cli_out *out, const char *name, const lti_hist *h) {
  cli_out_format(out, "  %-12s %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, lti_hist_mean(h) / 1e3,
                 in_ms(lti_hist_percentile(h, 50)), in_ms(lti_hist_percentile(h, 90)),
                 in_ms(lti_hist_percentile(h, 99)), in_ms(lti_hist_max(h)));
}

static void table_latency(const tally *t, cli_out *out) {
  if (lti_hist_count(t->ttft) == 0) return;
  cli_out_format(out, "%-14s %9s %9s %9s %9s %9s\n", "latency, ms", "mean", "p50", "p90", "p99",
                 "max");
  latency_row(out, "ttft", t->ttft);
  if (lti_hist_count(t->gap)) latency_row(out, "gap", t->gap);
  latency_row(out, "e2e", t->e2e);
  if (lti_hist_count(t->lag)) latency_row(out, "lag", t->lag);
}

static void table_client(const brief *r, cli_out *out) {
  const tally *t = r->tally;
  cli_out_format(out, "%-14s CPU %.2f s", "client", cpu_s(r));
  if (t->records) cli_out_format(out, " (%.2f us/event)", cpu_s(r) * 1e6 / (double)t->records);
  cli_out_format(out, ", peak memory %.1f MB, %.2f %% of response bytes copied",
                 (double)r->process.rss_peak_kb / 1024, copied_share(t) * 100);
  if (r->allocations_per_event >= 0)
    cli_out_format(out, ", %.3g allocations/event", r->allocations_per_event);
  cli_out_text(out, "\n");
}

static void table_http(const tally *t, cli_out *out) {
  char a[32], b[32];
  cli_out_format(out, "%-14s %s requests over HTTP/2, %s over HTTP/1.1; %llu of the connections",
                 "http", brief_thousands(t->by_http[LEAT_HTTP_2], a, sizeof a),
                 brief_thousands(t->by_http[LEAT_HTTP_1], b, sizeof b),
                 (unsigned long long)t->stats.conns_h2);
  cli_out_text(out, " spoke HTTP/2\n");
}

void brief_table(const brief *r, cli_out *out) {
  const tally *t = r->tally;
  const leat_stats *s = &t->stats;
  char a[32], b[32];
  cli_out_format(out, "%-14s %s completed, %s failed", "requests",
                 brief_thousands(t->completed, a, sizeof a),
                 brief_thousands(t->failed, b, sizeof b));
  cli_out_format(out, ", %llu cancelled, %llu retried, in %.3f s\n",
                 (unsigned long long)t->cancelled, (unsigned long long)s->requests_retried,
                 wall_s(t));
  for (size_t i = 0; i < t->error_count; i++)
    cli_out_format(out, "  %-10s %s %s\n", brief_thousands(t->errors[i].count, a, sizeof a),
                   leat_error_name(t->errors[i].error), t->errors[i].message);
  cli_out_format(out, "%-14s %lld wanted, %llu reached, %llu answers at once\n", "concurrency",
                 (long long)r->concurrency, (unsigned long long)s->requests_live_peak,
                 (unsigned long long)t->answering_peak);
  cli_out_format(out, "%-14s %llu opened, %llu at once, %llu full handshakes, %llu resumed\n",
                 "connections", (unsigned long long)s->conns_opened,
                 (unsigned long long)s->conns_peak, (unsigned long long)s->handshakes_full,
                 (unsigned long long)s->handshakes_resumed);
  if (http_used(t)) table_http(t, out);
  cli_out_format(out, "%-14s %.1f requests/s, %s events/s", "throughput",
                 per((double)t->completed, wall_s(t)),
                 brief_thousands((uint64_t)per((double)t->records, wall_s(t)), a, sizeof a));
  cli_out_format(out, ", %.2f MB/s of text\n", per((double)s->content_bytes / 1e6, wall_s(t)));
  table_latency(t, out);
  table_client(r, out);
}
