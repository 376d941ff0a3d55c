/* Metrics: see metrics.h. The buckets of operations and tokens are those that OpenTelemetry's
 * conventions for generative AI advise, with some more for what takes minutes. */
#include "core/metrics.h"

#include "base/error.h"
#include "core/socket.h"
#include "core/watch.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S  (1000 * MS)

#define LONG_TIMES                                                                           \
  {                                                                                          \
    10 * MS, 20 * MS, 40 * MS, 80 * MS, 160 * MS, 320 * MS, 640 * MS, 1280 * MS, 2560 * MS,  \
        5120 * MS, 10240 * MS, 20480 * MS, 40960 * MS, 81920 * MS, 163840 * MS, 327680 * MS, \
        655360 * MS                                                                          \
  }
#define TOKENS \
  { 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864 }

const lti_metrics_kind lti_metrics_kinds[METRICS_KINDS] = {
    [METRICS_DURATION] = {"leat_request_duration_seconds",
                          "From submit to done, waiting and repeats included.", LONG_TIMES, true},
    [METRICS_FIRST] = {"leat_first_content_seconds",
                       "From submit to the first content of a streamed answer.", LONG_TIMES, true},
    [METRICS_GAP] = {"leat_content_gap_seconds",
                     "Between two pieces of content of a streamed answer.",
                     {500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 75 * MS,
                      100 * MS, 150 * MS, 200 * MS, 300 * MS, 400 * MS, 500 * MS, 750 * MS, 1 * S,
                      2500 * MS, 10 * S, 60 * S},
                     true},
    [METRICS_INPUT] = {"leat_request_tokens", "Tokens of a request, as the provider counts them.",
                       TOKENS, false},
    [METRICS_OUTPUT] = {"leat_request_tokens", "Tokens of a request, as the provider counts them.",
                        TOKENS, false},
    [METRICS_QUEUE] = {"leat_queue_wait_seconds",
                       "Waiting of a request for its connection, but for connecting.", LONG_TIMES,
                       true},
    [METRICS_CONNECT] = {"leat_connect_duration_seconds",
                         "From looking the name up to the end of the TLS handshake.",
                         {1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS,
                          500 * MS, 1 * S, 2500 * MS, 5 * S, 10 * S, 30 * S},
                         true},
};

lti_metrics *lti_metrics_new(lti_alloc *alloc) {
  return lti_alloc_zero(alloc, sizeof(lti_metrics));
}

void lti_metrics_free(lti_alloc *alloc, lti_metrics *m) {
  lti_alloc_put(alloc, m);
}

void lti_metrics_record(lti_metrics_hist *h, enum lti_metrics_which which, uint64_t value) {
  const uint64_t *bounds = lti_metrics_kinds[which].bounds;
  size_t i = 0;
  while (i < LTI_METRICS_BOUNDS && bounds[i] && value > bounds[i]) i++;
  if (i < LTI_METRICS_BOUNDS && !bounds[i]) i = LTI_METRICS_BOUNDS;
  h->counts[i]++;
  if (value > LTI_METRICS_SUM_MAX) value = LTI_METRICS_SUM_MAX;
  h->sum += value;
  if (h->sum < LTI_METRICS_SUM_MAX) return;
  h->sum -= LTI_METRICS_SUM_MAX;
  h->sum_high++;
}

const char *lti_metrics_row_name(size_t row) {
  size_t last = 0;
  while (lti_protocol_at(last)) last++;
  if (row < last) return lti_protocol_at(row)->name;
  return row == last ? "raw" : row == last + 1 ? "call" : NULL;
}

/* ---- what happens to a request */

size_t lti_metrics_row(const lti_request *r) {
  const lti_protocol *p = r->spec.protocol;
  size_t row = 0;
  while (lti_protocol_at(row) && lti_protocol_at(row) != p) row++;
  if (!p && r->call) row++;
  return row < LTI_METRICS_ROWS ? row : LTI_METRICS_ROWS - 1;
}

static lti_metrics_hist *hist_of(const lti_request *r, enum lti_metrics_which which) {
  lti_metrics *m = r->item.engine->metrics;
  m->used[r->watch->row] = true;
  return &m->rows[r->watch->row][which];
}

void lti_metrics_granted(const lti_request *r, const lti_conn *conn) {
  if (lti_conn_reused(conn)) return;
  uint64_t from = lti_conn_dialed_ns(conn), to = lti_conn_ready_ns(conn);
  lti_metrics_record(&r->item.engine->metrics->connect, METRICS_CONNECT, to > from ? to - from : 0);
}

void lti_metrics_status(lti_metrics *m, int status) {
  m->statuses[status >= 100 && status < 600 ? status / 100 : 0]++;
}

void lti_metrics_content(const lti_request *r, uint64_t now_ns) {
  if (!r->spec.protocol || !(r->spec.stream || r->turn)) return;
  bool first = !r->content_seen;
  if (first && r->resumed) return; /* neither the first nor a piece behind another */
  uint64_t from = first ? r->times.queued_ns : r->last_content_ns;
  enum lti_metrics_which which = first ? METRICS_FIRST : METRICS_GAP;
  lti_metrics_record(hist_of(r, which), which, now_ns > from ? now_ns - from : 0);
}

void lti_metrics_usage(lti_request *r, const leat_usage *usage) {
  r->watch->input = usage->input;
  r->watch->output = usage->output;
}

void lti_metrics_repeated(lti_metrics *m, int error) {
  m->repeated[leat_error_class(error)]++;
}

static void record_tokens(const lti_request *r, enum lti_metrics_which which, int64_t count) {
  if (count >= 0) lti_metrics_record(hist_of(r, which), which, (uint64_t)count);
}

/* How long a socket was open is no duration of an operation. */
void lti_metrics_ended(const lti_request *r) {
  lti_metrics *m = r->item.engine->metrics;
  uint64_t from = r->times.queued_ns, to = r->times.done_ns;
  m->errors[leat_error_class(r->error)]++;
  if (r->attempts > 0) lti_metrics_record(&m->queue, METRICS_QUEUE, r->waited_ns);
  if (r->socket && !r->turn) return;
  lti_metrics_record(hist_of(r, METRICS_DURATION), METRICS_DURATION, to > from ? to - from : 0);
  record_tokens(r, METRICS_INPUT, r->watch->input);
  record_tokens(r, METRICS_OUTPUT, r->watch->output);
}
