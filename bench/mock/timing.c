/* The gateway's own times, as the truth that a client's are held against.
 *
 *   lateness  an event's write less the time it was due: what the gateway adds to its own cadence.
 *             Taken when the bytes are given to the socket, not when they are made, which is
 *             earlier where many records share a write. Events held back by a slow reader have no
 *             due time and are not in it.
 *   first     a stream's first event of content less its request's arrival (flight.c): the truth
 *             for a TTFT
 *   gap       between the stamps of two events of content of one stream: the truth for gaps
 *
 * Times of first and gap are those of the stamps in the events (x-mock-stamp). Means and sigmas are
 * computed from nanoseconds, percentiles come from histograms of microseconds. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/mock/gateway.h"

#define LATE_NS  5000000u
#define TEXT_MAX 2048

static int series_init(mock *m, mock_series *s) {
  s->hist = lti_hist_new(&m->alloc);
  return s->hist ? 0 : UV_ENOMEM;
}

int mock_timing_init(mock *m) {
  mock_timing *t = &m->timing;
  int err = series_init(m, &t->lateness);
  if (!err) err = series_init(m, &t->first);
  return err ? err : series_init(m, &t->gap);
}

void mock_timing_deinit(mock *m) {
  lti_hist_free(m->timing.lateness.hist);
  lti_hist_free(m->timing.first.hist);
  lti_hist_free(m->timing.gap.hist);
}

/* Mean and sum of squares as they go on (Welford): no large sums are subtracted. */
static void record(mock_series *s, uint64_t ns) {
  double us = (double)ns / 1000, off = us - s->mean_us;
  s->count++;
  s->mean_us += off / (double)s->count;
  s->squares += off * (us - s->mean_us);
  lti_hist_record(s->hist, ns / 1000);
}

static void record_lateness(mock *m, uint64_t due_ns, uint64_t now_ns) {
  uint64_t late = now_ns > due_ns ? now_ns - due_ns : 0;
  if (late > LATE_NS) m->stats.late++;
  record(&m->timing.lateness, late);
}

void mock_timing_event(mock *m, uint64_t due_ns, uint64_t now_ns) {
  mock_timing *t = &m->timing;
  if (due_ns == MOCK_NEVER) return;
  if (t->unwritten_count == MOCK_UNWRITTEN_MAX)
    record_lateness(m, due_ns, now_ns);
  else
    t->unwritten[t->unwritten_count++] = due_ns;
}

void mock_timing_written(mock *m) {
  mock_timing *t = &m->timing;
  if (t->unwritten_count == 0) return;
  uint64_t now = uv_hrtime();
  for (uint32_t i = 0; i < t->unwritten_count; i++) record_lateness(m, t->unwritten[i], now);
  t->unwritten_count = 0;
}

void mock_timing_content(mock_exchange *x, uint64_t now_ns) {
  mock_timing *t = &x->m->timing;
  if (x->content_ns)
    record(&t->gap, now_ns - x->content_ns);
  else if (x->arrived_ns)
    record(&t->first, now_ns - x->arrived_ns);
  x->content_ns = now_ns;
}

/* ---- for those who ask */

static int write_series(lti_buf *out, const char *name, const mock_series *s) {
  double sigma = s->count > 1 ? sqrt(s->squares / (double)s->count) : 0;
  const lti_hist *h = s->hist;
  return lti_buf_format(
      out,
      "\"%s_us\":{\"count\":%llu,\"mean\":%.3f,\"sigma\":%.3f,\"p50\":%llu,\"p90\":%llu,"
      "\"p99\":%llu,\"max\":%llu},",
      name, (unsigned long long)s->count, s->mean_us, sigma,
      (unsigned long long)lti_hist_percentile(h, 50),
      (unsigned long long)lti_hist_percentile(h, 90),
      (unsigned long long)lti_hist_percentile(h, 99), (unsigned long long)lti_hist_max(h));
}

static void restart(mock *m, mock_series *s) {
  lti_hist *fresh = lti_hist_new(&m->alloc);
  if (!fresh) return; /* then it goes on from what there is */
  lti_hist_free(s->hist);
  *s = (mock_series){.hist = fresh};
}

void mock_timing_serve(mock_exchange *x) {
  mock *m = x->m;
  const mock_timing *t = &m->timing;
  const mock_freeze *f = &m->freeze;
  const char *reset = mock_path_query(x, "reset");
  bool again = reset && *reset == '1';
  lti_buf out;
  lti_buf_init(&out, &m->alloc, TEXT_MAX, LEAT_EBODYMAX);
  int err = lti_buf_byte(&out, '{') | write_series(&out, "lateness", &t->lateness) |
            write_series(&out, "first", &t->first) | write_series(&out, "gap", &t->gap);
  err |= lti_buf_format(&out,
                        "\"in_flight\":%llu,\"in_flight_peak\":%llu,"
                        "\"frozen\":{\"count\":%u,\"from_ns\":%llu,\"to_ns\":%llu},"
                        "\"now_ns\":%llu}",
                        (unsigned long long)m->flight.live, (unsigned long long)m->flight.peak,
                        f->count, (unsigned long long)f->from_ns, (unsigned long long)f->to_ns,
                        (unsigned long long)uv_hrtime());
  mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
  if (!again) return;
  m->flight.peak = m->flight.live;
  restart(m, &m->timing.lateness);
  restart(m, &m->timing.first);
  restart(m, &m->timing.gap);
}
