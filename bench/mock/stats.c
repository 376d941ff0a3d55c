/* Counters. Events held back by a slow reader are counted as blocked and not as late.
 *
 * The first fields have the names of the yardstick's gateway: events, streams, conns, live, peak,
 * late (more than 5 ms), cpu. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/mock/gateway.h"

int mock_stats_init(mock *m) {
  m->stats.start_ns = uv_hrtime();
  return mock_timing_init(m);
}

void mock_stats_deinit(mock *m) {
  mock_timing_deinit(m);
}

void mock_stats_stream(mock_exchange *x) {
  mock_stats *s = &x->m->stats;
  x->stream = true;
  s->streams++;
  if (++s->streams_live > s->streams_peak) s->streams_peak = s->streams_live;
}

void mock_stats_event(mock *m, uint64_t due_ns, uint64_t now_ns) {
  m->stats.events++;
  m->stats.second_events++;
  mock_timing_event(m, due_ns, now_ns);
}

void mock_stats_second(mock *m) {
  mock_stats *s = &m->stats;
  s->last_events = s->second_events;
  s->second_events = 0;
  s->last_requests = s->requests - s->second_requests;
  s->second_requests = s->requests;
}

static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long peak_rss_kb(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

#define U(x)     ((unsigned long long)(x))
#define SHARE(s) U((s).conns), U((s).conns_live), U((s).requests), U((s).live), U((s).peak)

size_t mock_stats_json(const mock *m, char *out, size_t cap) {
  const mock_stats *s = &m->stats;
  const lti_hist *h = m->timing.lateness.hist;
  int n = snprintf(
      out, cap,
      "{\"events\":%llu,\"streams\":%llu,\"conns\":%llu,\"live\":%llu,\"peak\":%llu,\"late\":%llu,"
      "\"cpu\":%.3f,\"requests\":%llu,\"streams_done\":%llu,\"aborted\":%llu,\"faults\":%llu,"
      "\"blocked\":%llu,\"bytes_sent\":%llu,\"in_flight\":%llu,\"in_flight_peak\":%llu,"
      "\"connections\":{\"live\":%llu,\"peak\":%llu,\"total\":%llu,\"max\":%u},"
      "\"handshakes\":{\"full\":%llu,\"resumed\":%llu,\"failed\":%llu},"
      "\"lateness_us\":{\"count\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu},"
      "\"h1\":{\"connections\":%llu,\"live\":%llu,\"requests\":%llu,\"open\":%llu,\"peak\":%llu},"
      "\"h2\":{\"connections\":%llu,\"live\":%llu,\"requests\":%llu,\"open\":%llu,\"peak\":%llu,"
      "\"refused\":%llu,\"goaways\":%llu,\"resets_sent\":%llu,\"resets_received\":%llu,"
      "\"pings\":%llu},"
      "\"ws\":{\"connections\":%llu,\"live\":%llu,\"requests\":%llu,\"open\":%llu,"
      "\"peak\":%llu,\"received\":%llu,\"sent\":%llu,\"pongs\":%llu,\"closes\":%llu},"
      "\"ids\":{\"distinct\":%llu,\"repeated\":%llu,\"done\":%llu,\"done_again\":%llu},"
      "\"tasks\":{\"submitted\":%llu,\"polls\":%llu,\"batch_polls\":%llu,\"batch_ids\":%llu,"
      "\"contents\":%llu,\"signed_with_key\":%llu},"
      "\"limits\":{\"admitted\":%llu,\"admitted_tokens\":%llu,\"refused_requests\":%llu,"
      "\"refused_tokens\":%llu,\"refused_polls\":%llu,\"refused_load\":%llu,"
      "\"in_flight_peak\":%llu},"
      "\"keys\":{\"bearer\":%llu,\"token\":%llu,\"raw\":%llu,\"x-api-key\":%llu,"
      "\"api-key\":%llu,\"x-goog-api-key\":%llu,\"mj-api-secret\":%llu,\"query\":%llu,"
      "\"socket\":%llu,\"none\":%llu},"
      "\"per_second\":{\"events\":%llu,\"requests\":%llu},\"uptime_s\":%.3f,\"max_rss_kb\":%ld}",
      U(s->events), U(s->streams), U(s->conns), U(s->streams_live), U(s->streams_peak), U(s->late),
      cpu_seconds(), U(s->requests), U(s->streams_done), U(s->aborted), U(s->faults), U(s->blocked),
      U(s->bytes), U(m->flight.live), U(m->flight.peak), U(s->conns_live), U(s->conns_peak),
      U(s->conns), m->conns_max, U(s->full), U(s->resumed), U(s->handshake_failed),
      U(lti_hist_count(h)), U(lti_hist_percentile(h, 50)), U(lti_hist_percentile(h, 99)),
      U(lti_hist_max(h)), SHARE(s->h1), SHARE(s->h2), U(s->refused), U(s->goaways),
      U(s->resets_sent), U(s->resets_received), U(s->pings), SHARE(s->ws), U(s->ws_received),
      U(s->ws_sent), U(s->ws_pongs), U(s->ws_closes), U(s->ids_distinct), U(s->ids_repeated),
      U(s->ids_done), U(s->ids_done_again), U(s->tasks), U(s->polls), U(s->batch_polls),
      U(s->batch_ids), U(s->contents), U(s->signed_with_key), U(s->admitted), U(s->admitted_tokens),
      U(s->refused_requests), U(s->refused_tokens), U(s->refused_polls), U(s->refused_load),
      U(s->in_flight_peak), U(s->keys[0]), U(s->keys[1]), U(s->keys[2]), U(s->keys[3]),
      U(s->keys[4]), U(s->keys[5]), U(s->keys[6]), U(s->keys[7]), U(s->keys[8]), U(s->keys[9]),
      U(s->last_events), U(s->last_requests), (double)(uv_hrtime() - s->start_ns) / 1e9,
      peak_rss_kb());
  return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

void mock_stats_serve(mock_exchange *x) {
  char text[MOCK_STATS_MAX];
  size_t size = mock_stats_json(x->m, text, sizeof text);
  bool reset = strstr(mock_exchange_url(x), "reset=1") != NULL;
  mock *m = x->m;
  mock_reply_fixed(x, 200, "application/json", NULL, lti_slice(text, size));
  if (reset) m->stats.streams_peak = m->stats.streams_live;
}
