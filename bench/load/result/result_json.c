/* Writing. What a document has, from its top:
 *
 *     "leat_load": 1, "leat": the version, then the first point's figures under the names that they
 *     have always had (requests, events, connections, ttft, gap, e2e, ...), for who reads one run;
 *     title, seed, shard, machine, knee, parts (merged shards), measures (what each is), config;
 *     "points": all points in full, from which alone a document is read back.
 *
 * Figures that follow from others (percentiles, rates) are written for readers who want no
 * histograms, and skipped by our own reader. */
#include "result_json.h"

#include <math.h>

#include "bench/load/result/hdr.h"
#include "bench/load/result/result_fields.h"

#define VERSION 1

static double per(double amount, double by) {
  return by > 0 ? amount / by : NAN;
}

/* Null for what is not known. */
static void put_known(cli_jsonw *w, const char *key, double value, int decimals) {
  cli_jsonw_real(w, key, value < 0 ? NAN : value, decimals);
}

/* --- what a program that read one run has always found --- */

/* Null where there was no sample. */
static void put_ms(cli_jsonw *w, const char *key, const lti_hist *h, double us) {
  if (h && lti_hist_count(h))
    cli_jsonw_real(w, key, us / 1e3, 3);
  else
    cli_jsonw_null(w, key);
}

static void put_percentile(cli_jsonw *w, const char *key, const lti_hist *h, double percent) {
  put_ms(w, key, h, h ? (double)lti_hist_percentile(h, percent) : 0);
}

static void put_brief(cli_jsonw *w, const char *key, const lti_hist *h) {
  cli_jsonw_open(w, key, '{');
  cli_jsonw_uint(w, "count", h ? lti_hist_count(h) : 0);
  put_ms(w, "mean", h, h ? lti_hist_mean(h) : 0);
  put_percentile(w, "p50", h, 50);
  put_percentile(w, "p90", h, 90);
  put_percentile(w, "p99", h, 99);
  put_ms(w, "max", h, h ? (double)lti_hist_max(h) : 0);
  cli_jsonw_close(w, '}');
}

/* What the answers came over: one version, both, or null when none came. */
static const char *http_used(const result_conns *c) {
  if (c->requests_http1 && c->requests_http2) return "mixed";
  return c->requests_http1 ? "1.1" : c->requests_http2 ? "2" : NULL;
}

static void put_counts(const result_point *p, cli_jsonw *w) {
  const result_counts *n = &p->counts;
  cli_jsonw_open(w, "requests", '{');
  cli_jsonw_uint(w, "started", n->started);
  cli_jsonw_uint(w, "completed", n->completed);
  cli_jsonw_uint(w, "failed", n->failed);
  cli_jsonw_uint(w, "cancelled", n->cancelled);
  cli_jsonw_uint(w, "cut", n->cut);
  cli_jsonw_uint(w, "truncated", n->truncated);
  cli_jsonw_uint(w, "retried", n->retried);
  cli_jsonw_uint(w, "live_peak", n->in_flight_peak);
  cli_jsonw_close(w, '}');
  cli_jsonw_uint(w, "events", p->volume.events);
  cli_jsonw_uint(w, "content_events", p->volume.content_events);
  cli_jsonw_uint(w, "content_bytes", p->volume.content_bytes);
}

static void put_conns(const result_conns *c, uint64_t streams_peak, cli_jsonw *w) {
  cli_jsonw_open(w, "connections", '{');
  cli_jsonw_uint(w, "opened", c->opened);
  cli_jsonw_uint(w, "peak", c->peak);
  cli_jsonw_uint(w, "resumed", c->resumed);
  cli_jsonw_uint(w, "full_handshakes", c->full_handshakes);
  cli_jsonw_uint(w, "failed", c->failed);
  cli_jsonw_uint(w, "http2", c->http2);
  cli_jsonw_uint(w, "allowed", c->allowed);
  cli_jsonw_close(w, '}');
  cli_jsonw_open(w, "http", '{');
  cli_jsonw_text_or_null(w, "version", lti_slice_of(http_used(c)));
  cli_jsonw_uint(w, "requests_http1", c->requests_http1);
  cli_jsonw_uint(w, "requests_http2", c->requests_http2);
  cli_jsonw_close(w, '}');
  cli_jsonw_open(w, "streams", '{');
  cli_jsonw_uint(w, "peak", streams_peak);
  cli_jsonw_close(w, '}');
}

static void put_costs(const result_point *p, cli_jsonw *w) {
  const result_process *c = &p->process;
  double cpu_s = c->user_s + c->system_s;
  cli_jsonw_real(w, "wall_s", p->wall_s, 6);
  cli_jsonw_real(w, "requests_per_s", result_request_rate(p), 3);
  cli_jsonw_real(w, "events_per_s", result_event_rate(p), 1);
  cli_jsonw_open(w, "process", '{');
  cli_jsonw_real(w, "cpu_s", cpu_s, 6);
  cli_jsonw_real(w, "user_s", c->user_s, 6);
  cli_jsonw_real(w, "system_s", c->system_s, 6);
  cli_jsonw_uint(w, "max_rss_kb", c->rss_peak_kb);
  cli_jsonw_close(w, '}');
  cli_jsonw_real(w, "cpu_us_per_event", per(cpu_s * 1e6, (double)p->volume.events), 3);
  cli_jsonw_uint(w, "bytes_received", p->volume.bytes_received);
  cli_jsonw_uint(w, "decrypted_bytes", c->decrypted_bytes);
  cli_jsonw_uint(w, "copied_bytes", c->copied_bytes);
  cli_jsonw_real(w, "copied_share", per((double)c->copied_bytes, (double)c->decrypted_bytes), 6);
  put_known(w, "allocations_per_event", c->allocations_per_event, 6);
}

static void put_first(const result_point *p, cli_jsonw *w) {
  const lti_hist *lag = p->latencies[MEASURE_EVENT_LAG].sent;
  put_counts(p, w);
  put_conns(&p->conns, p->counts.answering_peak, w);
  put_costs(p, w);
  put_brief(w, "ttft", p->latencies[MEASURE_TTFT].sent);
  put_brief(w, "gap", p->latencies[MEASURE_ITL].sent);
  put_brief(w, "e2e", p->latencies[MEASURE_E2E].sent);
  if (lag && lti_hist_count(lag)) put_brief(w, "lag", lag);
  cli_jsonw_text(w, "verdict", lti_slice_of(result_verdict_name(p->certificate.verdict)));
}

/* --- a point in full --- */

typedef struct list {
  const void *first;
  size_t count, size; /* of one */
} list;

static void put_list(const result_fields *fields, const char *key, list of, cli_jsonw *w) {
  cli_jsonw_open(w, key, '[');
  for (size_t i = 0; i < of.count; i++) {
    cli_jsonw_open(w, NULL, '{');
    result_fields_write(fields, (const char *)of.first + i * of.size, w);
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, ']');
}

static void put_errors(const result_point *p, cli_jsonw *w) {
  list errors = {p->errors, p->error_count, sizeof p->errors[0]};
  put_list(&result_fields_error, "errors", errors, w);
}

static void put_statuses(const result_point *p, cli_jsonw *w) {
  list statuses = {p->statuses, p->status_count, sizeof p->statuses[0]};
  put_list(&result_fields_status, "statuses", statuses, w);
}

static void put_object(const result_fields *fields, const char *key, const void *of, cli_jsonw *w) {
  cli_jsonw_open(w, key, '{');
  result_fields_write(fields, of, w);
  cli_jsonw_close(w, '}');
}

/* What the histogram itself is, for a reader who wants it whole. */
static void put_whole(const lti_hist *h, cli_jsonw *w) {
  lti_hist_exact exact;
  lti_buf text;
  lti_hist_tell(h, &exact);
  cli_jsonw_open(w, "exact", '{');
  cli_jsonw_double(w, "sum_us", exact.sum);
  cli_jsonw_uint(w, "min_us", exact.min);
  cli_jsonw_uint(w, "max_us", exact.max);
  cli_jsonw_uint(w, "over_an_hour", exact.over);
  cli_jsonw_close(w, '}');
  lti_buf_init(&text, w->buf.alloc, (size_t)1 << 20, LEAT_EBODYMAX);
  int error = hdr_write(h, &text);
  if (error && !w->error) w->error = error;
  cli_jsonw_text(w, "hdr", lti_buf_slice(&text));
  lti_buf_deinit(&text);
}

static void put_hist_members(const lti_hist *h, cli_jsonw *w) {
  cli_jsonw_uint(w, "count", lti_hist_count(h));
  put_ms(w, "mean", h, lti_hist_mean(h));
  put_ms(w, "sd", h, lti_hist_stddev(h));
  put_ms(w, "min", h, (double)lti_hist_min(h));
  put_percentile(w, "p50", h, 50);
  put_percentile(w, "p90", h, 90);
  put_percentile(w, "p95", h, 95);
  put_percentile(w, "p99", h, 99);
  put_percentile(w, "p99.9", h, 99.9);
  put_ms(w, "max", h, (double)lti_hist_max(h));
  put_whole(h, w);
}

static void put_hist(const char *key, const lti_hist *h, cli_jsonw *w) {
  if (!h) {
    cli_jsonw_null(w, key);
    return;
  }
  cli_jsonw_open(w, key, '{');
  put_hist_members(h, w);
  cli_jsonw_close(w, '}');
}

static void put_latencies(const result_point *p, cli_jsonw *w) {
  cli_jsonw_open(w, "latencies", '{');
  for (unsigned i = 0; i < MEASURE_COUNT; i++) {
    const result_latency *l = &p->latencies[i];
    if (!l->sent && !l->intended) continue;
    cli_jsonw_open(w, measure_at((enum measure)i)->name, '{');
    put_hist("sent", l->sent, w);
    put_hist("intended", l->intended, w);
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, '}');
}

static void put_rates(const result_point *p, cli_jsonw *w) {
  cli_jsonw_open(w, "rates", '{');
  cli_jsonw_real(w, "requests_per_s", result_request_rate(p), 3);
  cli_jsonw_real(w, "events_per_s", result_event_rate(p), 1);
  put_known(w, "input_tokens_per_s", result_input_rate(p), 3);
  put_known(w, "output_tokens_per_s", result_output_rate(p), 3);
  put_known(w, "tokens_per_event", result_tokens_per_event(p), 6);
  cli_jsonw_real(w, "error_rate", result_error_rate(p), 6);
  put_known(w, "goodput", result_goodput_share(p), 6);
  put_known(w, "goodput_per_s", result_goodput_rate(p), 3);
  cli_jsonw_close(w, '}');
}

static void put_goodput(const result_goodput *g, cli_jsonw *w) {
  if (g->slo_count == 0) {
    cli_jsonw_null(w, "goodput");
    return;
  }
  cli_jsonw_open(w, "goodput", '{');
  cli_jsonw_uint(w, "good", g->good);
  list slos = {g->slos, g->slo_count, sizeof g->slos[0]};
  put_list(&result_fields_slo, "slos", slos, w);
  cli_jsonw_close(w, '}');
}

static void put_timeline(const result_timeline *t, cli_jsonw *w) {
  cli_jsonw_open(w, "timeline", '{');
  cli_jsonw_double(w, "slot_s", t->slot_s);
  result_fields_columns(&result_fields_slot, "columns", w);
  cli_jsonw_open(w, "slots", '[');
  for (size_t i = 0; i < t->count; i++) result_fields_row(&result_fields_slot, &t->slots[i], w);
  cli_jsonw_close(w, ']');
  cli_jsonw_close(w, '}');
}

static void put_dots(const result_point *p, cli_jsonw *w) {
  cli_jsonw_open(w, "dots", '{');
  result_fields_columns(&result_fields_dot, "columns", w);
  cli_jsonw_open(w, "rows", '[');
  for (size_t i = 0; i < p->dot_count; i++) result_fields_row(&result_fields_dot, &p->dots[i], w);
  cli_jsonw_close(w, ']');
  cli_jsonw_close(w, '}');
}

static void put_tracks(const result_point *p, cli_jsonw *w) {
  cli_jsonw_open(w, "tracks", '[');
  for (size_t i = 0; i < p->track_count; i++) {
    const result_track *t = &p->tracks[i];
    cli_jsonw_open(w, NULL, '{');
    result_fields_write(&result_fields_track, t, w);
    cli_jsonw_open(w, "steps_us", '[');
    for (size_t k = 0; k < t->count; k++) cli_jsonw_uint(w, NULL, t->steps_us[k]);
    cli_jsonw_close(w, ']');
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, ']');
}

static void put_certificate(const result_certificate *c, cli_jsonw *w) {
  cli_jsonw_open(w, "certificate", '{');
  result_fields_write(&result_fields_certificate, c, w);
  put_hist("receive_lag", c->receive_lag, w);
  put_hist("schedule_lag", c->schedule_lag, w);
  put_hist("kernel_lag", c->kernel_lag, w);
  list reasons = {c->reasons, c->reason_count, sizeof c->reasons[0]};
  put_list(&result_fields_reason, "reasons", reasons, w);
  cli_jsonw_close(w, '}');
}

static void put_point(const result_point *p, cli_jsonw *w) {
  cli_jsonw_open(w, NULL, '{');
  put_object(&result_fields_offer, "offer", &p->offer, w);
  result_fields_write(&result_fields_point, p, w);
  put_certificate(&p->certificate, w);
  put_object(&result_fields_counts, "counts", &p->counts, w);
  put_object(&result_fields_volume, "volume", &p->volume, w);
  put_rates(p, w);
  put_latencies(p, w);
  put_goodput(&p->goodput, w);
  put_object(&result_fields_lengths, "lengths", &p->lengths, w);
  put_object(&result_fields_conns, "connections", &p->conns, w);
  put_object(&result_fields_process, "process", &p->process, w);
  put_errors(p, w);
  put_statuses(p, w);
  put_timeline(&p->timeline, w);
  put_dots(p, w);
  put_tracks(p, w);
  cli_jsonw_close(w, '}');
}

/* --- the document --- */

static void put_measures(cli_jsonw *w) {
  cli_jsonw_open(w, "measures", '{');
  for (unsigned i = 0; i < MEASURE_COUNT; i++) {
    const measure_row *m = measure_at((enum measure)i);
    cli_jsonw_open(w, m->name, '{');
    cli_jsonw_text(w, "title", lti_slice_of(m->title));
    cli_jsonw_text(w, "formula", lti_slice_of(m->formula));
    cli_jsonw_text_or_null(w, "elsewhere", lti_slice_of(m->peers));
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, '}');
}

void result_json_write(const result *r, cli_jsonw *w) {
  cli_jsonw_int(w, "leat_load", VERSION);
  cli_jsonw_text(w, "leat", lti_slice_of(leat_version()));
  if (r->config)
    cli_jsonw_raw(w, "config", lti_slice_of(r->config));
  else
    cli_jsonw_null(w, "config");
  if (r->point_count) {
    put_first(&r->points[0], w);
    put_errors(&r->points[0], w);
  }
  result_fields_write(&result_fields_head, r, w);
  put_object(&result_fields_machine, "machine", &r->machine, w);
  put_object(&result_fields_knee, "knee", &r->knee, w);
  list parts = {r->parts, r->part_count, sizeof *r->parts};
  if (r->part_count) put_list(&result_fields_part, "parts", parts, w);
  put_measures(w);
  cli_jsonw_open(w, "points", '[');
  for (size_t i = 0; i < r->point_count; i++) put_point(&r->points[i], w);
  cli_jsonw_close(w, ']');
}
