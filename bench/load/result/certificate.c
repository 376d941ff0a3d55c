/* The verdict: see certificate.h.
 *
 * Each check compares one figure with its two bounds and adds at most one reason. The verdict is
 * that of the worst reason, and the worst stand first. What to change depends on where the time
 * went: to other programs, to the machine's owner, or to this program itself. */
#include "bench/load/result/certificate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUSY_VALID    0.9
#define BUSY_DEGRADED 0.99
#define STEAL_NOTED   0.01
#define DELAY_NOTED   0.01
/* Starts that found no room: none in a valid run. */
#define MISSED_DEGRADED 0.01

/* For a loop that has too much to do. */
#define THREADS_ADVICE \
  "use --threads N on a machine with free cores, share the load by --shard, or offer less"

static double percentile_of(const lti_hist *h, double percent) {
  return h && lti_hist_count(h) > 0 ? (double)lti_hist_percentile(h, percent) : -1;
}

void certificate_lags(double ttft_us, double *valid_us, double *degraded_us) {
  double share = ttft_us * CERTIFICATE_LAG_SHARE;
  *valid_us = share > CERTIFICATE_LAG_US ? share : CERTIFICATE_LAG_US;
  *degraded_us = *valid_us * CERTIFICATE_DEGRADED_FOR;
}

static void set_bounds(result_point *p) {
  result_certificate *c = &p->certificate;
  certificate_lags(percentile_of(p->latencies[MEASURE_TTFT].sent, 50), &c->lag_valid_us,
                   &c->lag_degraded_us);
  c->busy_valid = BUSY_VALID;
  c->busy_degraded = BUSY_DEGRADED;
}

/* Makes room for a reason in its place; NULL: there are RESULT_REASONS_MAX that are as bad. */
static result_reason *place_for(result_certificate *c, enum result_verdict verdict) {
  size_t at = 0;
  while (at < c->reason_count && c->reasons[at].verdict >= verdict) at++;
  if (at == RESULT_REASONS_MAX) return NULL;
  if (c->reason_count < RESULT_REASONS_MAX) c->reason_count++;
  memmove(&c->reasons[at + 1], &c->reasons[at], (c->reason_count - 1 - at) * sizeof c->reasons[0]);
  c->reasons[at].verdict = verdict;
  return &c->reasons[at];
}

__attribute__((format(printf, 4, 5))) static void add(result_certificate *c,
                                                      enum result_verdict verdict,
                                                      const char *advice, const char *form, ...) {
  va_list values;
  if (verdict > c->verdict) c->verdict = verdict;
  result_reason *r = place_for(c, verdict);
  if (!r) return;
  va_start(values, form);
  vsnprintf(r->text, sizeof r->text, form, values);
  va_end(values);
  snprintf(r->advice, sizeof r->advice, "%s", advice);
}

/* Why this thread may have been away, from the likeliest cause. */
static const char *advice_of_lag(const result_certificate *c) {
  if (c->steal_share > STEAL_NOTED)
    return "the machine's owner gives its cores to others: use one with cores of its own";
  if (c->run_delay_share > DELAY_NOTED)
    return "other programs use its core: stop them, or pin this one to a core of its own "
           "(taskset), apart from the server";
  if (c->busy_share >= BUSY_VALID) return THREADS_ADVICE;
  return "it was stopped or held up for moments: run it where nothing suspends it, with fewer "
         "connections or a lower rate, or with --threads N";
}

static void judge_lag(result_certificate *c, const char *name, const lti_hist *lag) {
  double p99 = percentile_of(lag, 99);
  if (p99 <= c->lag_valid_us) return;
  bool degraded = p99 <= c->lag_degraded_us;
  add(c, degraded ? RESULT_DEGRADED : RESULT_INVALID, advice_of_lag(c),
      "%s p99 is %.3f ms; valid allows %.3f ms, degraded %.3f ms", name, p99 / 1000,
      c->lag_valid_us / 1000, c->lag_degraded_us / 1000);
}

static void judge_busy(result_certificate *c) {
  if (c->busy_share < c->busy_valid) return;
  bool degraded = c->busy_share <= c->busy_degraded;
  add(c, degraded ? RESULT_DEGRADED : RESULT_INVALID, THREADS_ADVICE,
      "the busiest thread worked %.1f %% of the time; valid allows less than %.0f %%, degraded up "
      "to %.0f %%",
      100 * c->busy_share, 100 * c->busy_valid, 100 * c->busy_degraded);
}

static void judge_missed(const result_point *p, result_certificate *c) {
  if (c->missed <= 0) return;
  double started = (double)(p->counts.started > 0 ? p->counts.started : 1);
  bool degraded = (double)c->missed <= MISSED_DEGRADED * started;
  add(c, degraded ? RESULT_DEGRADED : RESULT_INVALID,
      "raise --concurrency, or leave it out, so that starts need not wait; or lower --rate",
      "%lld of %llu starts found no room under the cap of %lld and came late; valid allows none, "
      "degraded %.0f %%",
      (long long)c->missed, (unsigned long long)p->counts.started, (long long)p->offer.concurrency,
      100 * MISSED_DEGRADED);
}

static uint64_t errors_named(const result_point *p, const char *name) {
  for (size_t i = 0; i < p->error_count; i++) {
    if (strcmp(p->errors[i].name, name) == 0) return p->errors[i].count;
  }
  return 0;
}

/* Requests that failed for want of something here say nothing of the server. */
static void judge_limits(const result_point *p, result_certificate *c) {
  uint64_t descriptors = errors_named(p, "LEAT_EFDLIMIT");
  if (descriptors)
    add(c, RESULT_INVALID, "raise the limit (ulimit -n), or lower --connections",
        "%llu requests failed because this process may open no more than %lld files",
        (unsigned long long)descriptors, (long long)c->descriptors_max);
  uint64_t unreachable = errors_named(p, "LEAT_EUNREACHABLE");
  if (unreachable && c->ports_max > 0 && p->conns.opened >= (uint64_t)c->ports_max / 2)
    add(c, RESULT_INVALID, "use HTTP/2 or fewer connections, or widen net.ipv4.ip_local_port_range",
        "%llu requests failed while %llu connections used up %lld local ports",
        (unsigned long long)unreachable, (unsigned long long)p->conns.opened,
        (long long)c->ports_max);
}

/* Events whose reads nobody gauged prove nothing. */
static void judge_coverage(const result_point *p, result_certificate *c) {
  if (p->volume.events == 0 || (c->receive_lag && lti_hist_count(c->receive_lag) > 0)) return;
  add(c, RESULT_INVALID, "report this: the harness did not measure itself",
      "%llu events came and no read was measured", (unsigned long long)p->volume.events);
}

void certificate_judge(result_point *p) {
  result_certificate *c = &p->certificate;
  c->verdict = RESULT_VALID;
  c->reason_count = 0;
  set_bounds(p);
  judge_coverage(p, c);
  judge_lag(c, "receive lag", c->receive_lag);
  judge_lag(c, "schedule lag", c->schedule_lag);
  judge_busy(c);
  judge_missed(p, c);
  judge_limits(p, c);
}
