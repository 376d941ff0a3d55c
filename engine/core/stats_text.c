/* The engine's counters and metrics as Prometheus' text format, version 0.0.4: for each metric its
 * HELP, its TYPE, and its samples, all in one group; names and labels as Prometheus' conventions
 * want them. Numbers are written without the locale's help, whose decimal point may be a comma.
 *
 *   # HELP leat_content_gap_seconds Between two pieces of content of a streamed answer.
 *   # TYPE leat_content_gap_seconds histogram
 *   leat_content_gap_seconds_bucket{protocol="openai-chat",le="0.025"} 41
 *   ...
 *   leat_content_gap_seconds_bucket{protocol="openai-chat",le="+Inf"} 42
 *   leat_content_gap_seconds_sum{protocol="openai-chat"} 0.840062731
 *   leat_content_gap_seconds_count{protocol="openai-chat"} 42 */
#include "base/error.h"
#include "core/engine.h"

#define PIECE_BYTES     4096
#define PIECE_BYTES_MAX ((size_t)64 * 1024)
#define S_NS            UINT64_C(1000000000)

typedef struct writer {
  lti_buf text;
  int (*put)(void *user, leat_slice text);
  void *user;
  int error; /* the first; nothing is written behind it */
} writer;

/* ---- pieces */

static void flush(writer *w) {
  if (w->error == LTI_OK && w->text.size) w->error = w->put(w->user, lti_buf_slice(&w->text));
  lti_buf_clear(&w->text);
}

static void put_text(writer *w, const char *text) {
  if (w->error == LTI_OK) w->error = lti_buf_text(&w->text, text);
}

static void put_number(writer *w, uint64_t value) {
  if (w->error == LTI_OK) w->error = lti_buf_u64(&w->text, value);
}

static void end_line(writer *w) {
  put_text(w, "\n");
  if (w->text.size >= PIECE_BYTES) flush(w);
}

/* Nanoseconds as seconds: as many decimals as it takes. */
static void put_seconds(writer *w, uint64_t s, uint64_t ns) {
  char decimals[11] = ".000000000";
  put_number(w, s + ns / S_NS);
  ns %= S_NS;
  if (ns == 0) return;
  for (size_t i = 9; i > 0; i--, ns /= 10) decimals[i] = (char)('0' + ns % 10);
  for (size_t i = 9; decimals[i] == '0'; i--) decimals[i] = '\0';
  put_text(w, decimals);
}

static void put_head(writer *w, const char *name, const char *type, const char *help) {
  put_text(w, "# HELP ");
  put_text(w, name);
  put_text(w, " ");
  put_text(w, help);
  end_line(w);
  put_text(w, "# TYPE ");
  put_text(w, name);
  put_text(w, " ");
  put_text(w, type);
  end_line(w);
}

/* `label` NULL: none. Neither it nor its value needs escapes: they are all ours. */
static void put_label(writer *w, const char *label, const char *value) {
  if (!label) return;
  put_text(w, label);
  put_text(w, "=\"");
  put_text(w, value);
  put_text(w, "\"");
}

static void put_sample(writer *w, const char *name, const char *label, const char *value,
                       uint64_t number) {
  put_text(w, name);
  if (label) put_text(w, "{");
  put_label(w, label, value);
  put_text(w, label ? "} " : " ");
  put_number(w, number);
  end_line(w);
}

/* ---- counters and gauges */

typedef struct row {
  const char *name, *help; /* help NULL: another sample of the metric before */
  bool gauge;
  size_t at; /* in leat_stats */
  const char *label, *value;
} row;

#define COUNTER(name, field, help) \
  { name, help, false, offsetof(leat_stats, field), NULL, NULL }
#define GAUGE(name, field, help) \
  { name, help, true, offsetof(leat_stats, field), NULL, NULL }
#define LABELLED(name, field, l, v, help) \
  { name, help, false, offsetof(leat_stats, field), l, v }

static const row rows[] = {
    COUNTER("leat_requests_started_total", requests_started, "Requests accepted."),
    LABELLED("leat_requests_ended_total", requests_completed, "outcome", "completed",
             "Requests done."),
    LABELLED("leat_requests_ended_total", requests_failed, "outcome", "failed", NULL),
    LABELLED("leat_requests_ended_total", requests_cancelled, "outcome", "cancelled", NULL),
    GAUGE("leat_requests_in_flight", requests_live, "Requests accepted and not done."),
    GAUGE("leat_requests_in_flight_peak", requests_live_peak, "The most there were at once."),
    GAUGE("leat_requests_queued", requests_queued, "Requests that wait for a connection."),
    COUNTER("leat_requests_repeated_total", requests_retried, "Attempts that were repeated."),
    COUNTER("leat_requests_replayed_total", requests_replayed,
            "Of these, attempts that the server had not processed."),
    COUNTER("leat_requests_superseded_total", requests_superseded,
            "Requests whose place a newer one of their lane took."),
    COUNTER("leat_requests_resumed_total", requests_resumed,
            "Answers that broke off and were gone on with."),
    GAUGE("leat_requests_limited", requests_limited,
          "Of those queued, the ones that wait for their turn or a limit."),
    GAUGE("leat_lanes", lanes_live, "Lanes that have a request."),
    COUNTER("leat_limiter_waits_total", limiter_waits, "Requests that a limit held back."),
    COUNTER("leat_limit_refusals_total", limit_refusals, "Answers of status 429 or 529."),
    COUNTER("leat_budget_refusals_total", budget_refusals,
            "Repeats that the retry budget did not allow."),
    COUNTER("leat_circuits_opened_total", circuits_opened, "Times that an origin was given up."),
    GAUGE("leat_circuits_open", circuits_open, "Origins that are left alone."),
    COUNTER("leat_tasks_started_total", tasks_started, "Tasks accepted."),
    COUNTER("leat_tasks_ended_total", tasks_done, "Tasks done."),
    GAUGE("leat_tasks_in_flight", tasks_live, "Tasks accepted and not done."),
    COUNTER("leat_task_polls_total", task_polls, "Questions after tasks."),
    COUNTER("leat_stream_records_total", records, "Records of streams dispatched."),
    COUNTER("leat_events_total", events, "Events delivered."),
    COUNTER("leat_content_bytes_total", content_bytes,
            "Bytes of text, reasoning and refusal delivered."),
    COUNTER("leat_received_bytes_total", bytes_received, "Bytes of responses."),
    COUNTER("leat_decrypted_bytes_total", bytes_decrypted, "Bytes of TLS records opened."),
    COUNTER("leat_sent_bytes_total", bytes_sent, "Bytes handed to the kernel."),
    LABELLED("leat_copied_bytes_total", bytes_copied, "stage", "response",
             "Bytes that were copied."),
    LABELLED("leat_copied_bytes_total", bytes_copied_bio, "stage", "tls", NULL),
    LABELLED("leat_copied_bytes_total", bytes_copied_submit, "stage", "submit", NULL),
    GAUGE("leat_held_bytes", held_bytes, "Bytes that wait for paused requests."),
    COUNTER("leat_connections_opened_total", conns_opened, "Connections begun."),
    COUNTER("leat_connections_http2_total", conns_h2, "Of these, those that came to speak HTTP/2."),
    COUNTER("leat_connections_failed_total", conns_failed, "Connections that failed."),
    COUNTER("leat_connections_reused_total", conns_reused,
            "Requests on a connection that had carried one."),
    GAUGE("leat_connections_open", conns_open, "Connections."),
    GAUGE("leat_connections_open_peak", conns_peak, "The most there were at once."),
    LABELLED("leat_tls_handshakes_total", handshakes_full, "handshake", "full",
             "TLS handshakes that ended well."),
    LABELLED("leat_tls_handshakes_total", handshakes_resumed, "handshake", "resumed", NULL),
    COUNTER("leat_allocations_total", allocations, "Calls of the allocator."),
    COUNTER("leat_loop_turns_total", turns, "Turns of the loop."),
    COUNTER("leat_socket_reads_total", reads, "Reads of sockets."),
};

static void write_rows(writer *w, const leat_stats *stats) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const row *r = &rows[i];
    uint64_t number;
    memcpy(&number, (const char *)stats + r->at, sizeof number);
    if (r->help) put_head(w, r->name, r->gauge ? "gauge" : "counter", r->help);
    put_sample(w, r->name, r->label, r->value, number);
  }
  put_head(w, "leat_build_info", "gauge", "Always 1: its label says which leat this is.");
  put_sample(w, "leat_build_info", "version", LEAT_VERSION, 1);
}

/* ---- by class */

static const char *const class_names[LTI_METRICS_CLASSES] = {
    [LEAT_CLASS_OK] = "ok",
    [LEAT_CLASS_USAGE] = "usage",
    [LEAT_CLASS_CANCELLED] = "cancelled",
    [LEAT_CLASS_SUPERSEDED] = "superseded",
    [LEAT_CLASS_LIMIT] = "limit",
    [LEAT_CLASS_RESOLVE] = "resolve",
    [LEAT_CLASS_CONNECT] = "connect",
    [LEAT_CLASS_TLS] = "tls",
    [LEAT_CLASS_HTTP] = "http",
    [LEAT_CLASS_TIMEOUT] = "timeout",
    [LEAT_CLASS_STATUS] = "status",
    [LEAT_CLASS_STREAM] = "stream",
    [LEAT_CLASS_TASK] = "task",
};

static void write_classes(writer *w, const char *name, const char *help, const uint64_t *counts) {
  put_head(w, name, "counter", help);
  for (size_t i = LEAT_CLASS_OK + 1; i < LTI_METRICS_CLASSES; i++)
    put_sample(w, name, "class", class_names[i], counts[i]);
}

static void write_statuses(writer *w, const lti_metrics *m) {
  static const char *const codes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
  put_head(w, "leat_responses_total", "counter", "Heads of responses, those repeated included.");
  for (size_t i = 1; i <= sizeof codes / sizeof *codes; i++) {
    size_t which = i % (sizeof codes / sizeof *codes);
    put_sample(w, "leat_responses_total", "code", codes[which], m->statuses[which]);
  }
}

/* ---- histograms */

/* What the samples of one histogram have in common. */
typedef struct series {
  const lti_metrics_kind *kind;
  const char *labels[2], *values[2]; /* NULL: none */
} series;

static void put_labels(writer *w, const series *s, const char *suffix) {
  put_text(w, s->kind->name);
  put_text(w, suffix);
  bool bucket = strcmp(suffix, "_bucket") == 0;
  if (s->labels[0] || bucket) put_text(w, "{");
  put_label(w, s->labels[0], s->values[0]);
  if (s->labels[1]) put_text(w, ",");
  put_label(w, s->labels[1], s->values[1]);
  if (s->labels[0] && bucket) put_text(w, ",");
  if (bucket)
    put_text(w, "le=\"");
  else
    put_text(w, s->labels[0] ? "} " : " ");
}

static void put_bucket(writer *w, const series *s, const uint64_t *bound, uint64_t count) {
  put_labels(w, s, "_bucket");
  if (!bound)
    put_text(w, "+Inf");
  else if (s->kind->seconds)
    put_seconds(w, 0, *bound);
  else
    put_number(w, *bound);
  put_text(w, "\"} ");
  put_number(w, count);
  end_line(w);
}

/* Prometheus' buckets hold all that is at most their bound. */
static void write_hist(writer *w, const series *s, const lti_metrics_hist *h) {
  uint64_t count = 0;
  const uint64_t *bounds = s->kind->bounds;
  for (size_t i = 0; i < LTI_METRICS_BOUNDS && bounds[i]; i++) {
    count += h->counts[i];
    put_bucket(w, s, &bounds[i], count);
  }
  count += h->counts[LTI_METRICS_BOUNDS];
  put_bucket(w, s, NULL, count);
  put_labels(w, s, "_sum");
  if (s->kind->seconds)
    put_seconds(w, h->sum_high * (LTI_METRICS_SUM_MAX / S_NS), h->sum);
  else
    put_number(w, h->sum_high * LTI_METRICS_SUM_MAX + h->sum);
  end_line(w);
  put_labels(w, s, "_count");
  put_number(w, count);
  end_line(w);
}

static void write_kind(writer *w, const lti_metrics *m, enum lti_metrics_which which) {
  const lti_metrics_kind *kind = &lti_metrics_kinds[which];
  bool tokens = !kind->seconds;
  if (which != METRICS_OUTPUT) put_head(w, kind->name, "histogram", kind->help);
  const char *name;
  for (size_t i = 0; i < LTI_METRICS_ROWS && (name = lti_metrics_row_name(i)); i++) {
    series s = {kind, {"protocol", tokens ? "direction" : NULL}, {name, NULL}};
    s.values[1] = which == METRICS_INPUT ? "input" : "output";
    if (m->used[i]) write_hist(w, &s, &m->rows[i][which]);
  }
}

static void write_metrics(writer *w, const lti_metrics *m) {
  write_classes(w, "leat_request_errors_total", "Requests that ended with an error.", m->errors);
  write_classes(w, "leat_attempt_errors_total", "Attempts that failed and were repeated.",
                m->repeated);
  write_statuses(w, m);
  for (enum lti_metrics_which i = 0; i < METRICS_QUEUE; i++) write_kind(w, m, i);
  const lti_metrics_hist *plain[] = {&m->queue, &m->connect};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
    series s = {.kind = &lti_metrics_kinds[METRICS_QUEUE + i]};
    put_head(w, s.kind->name, "histogram", s.kind->help);
    write_hist(w, &s, plain[i]);
  }
}

int leat_stats_write(const leat_engine *e, int (*put)(void *user, leat_slice text), void *user) {
  leat_stats stats;
  if (!e || !put) return LEAT_EINVAL;
  lti_alloc alloc = e->alloc; /* whose calls are not the engine's to count */
  writer w = {.put = put, .user = user};
  leat_stats_get(e, &stats, sizeof stats);
  lti_buf_init(&w.text, &alloc, PIECE_BYTES_MAX, LEAT_ENOMEM);
  write_rows(&w, &stats);
  if (e->metrics) write_metrics(&w, e->metrics);
  flush(&w);
  lti_buf_deinit(&w.text);
  return w.error;
}
