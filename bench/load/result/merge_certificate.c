/* The instrument of several machines is as good as its worst part: the worst verdict, the largest
 * share, the strictest threshold. Counts of what happened are added, histograms too. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/result/merge_point.h"
#include "bindings/cli/program.h"

static bool add_hist(lti_hist **to, const lti_hist *from) {
  if (!from) return true;
  if (!*to) *to = lti_hist_new(cli_program_alloc());
  if (!*to) return false;
  lti_hist_merge(*to, from);
  return true;
}

/* Unknown parts leave the sum unknown. */
static int64_t sum_of(int64_t a, int64_t b) {
  return a < 0 || b < 0 ? -1 : merge_sum(a, b);
}

/* One that is known is a lower bound of the largest, and says more than nothing. */
static double largest_of(double a, double b) {
  return a > b ? a : b;
}

static int64_t largest_int(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static double strictest_of(double a, double b) {
  return a < 0 ? b : b < 0 ? a : fmin(a, b);
}

static int64_t smallest_int(int64_t a, int64_t b) {
  return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Reasons are sorted by how bad they are, so that where there is no room the worst are told. */
static void add_reason(result_certificate *c, const result_reason *reason) {
  size_t at = c->reason_count;
  if (at == RESULT_REASONS_MAX && c->reasons[at - 1].verdict >= reason->verdict) return;
  if (at == RESULT_REASONS_MAX) at--;
  while (at > 0 && c->reasons[at - 1].verdict < reason->verdict) {
    c->reasons[at] = c->reasons[at - 1];
    at--;
  }
  c->reasons[at] = *reason;
  if (c->reason_count < RESULT_REASONS_MAX) c->reason_count++;
}

void merge_doubt(result_certificate *c, enum result_verdict verdict, const char *text,
                 const char *advice) {
  result_reason reason = {.verdict = verdict};
  snprintf(reason.text, sizeof reason.text, "%s", text);
  snprintf(reason.advice, sizeof reason.advice, "%s", advice);
  add_reason(c, &reason);
  if (verdict > c->verdict) c->verdict = verdict;
}

static void add_reasons(result_certificate *to, const result_certificate *from, int shard) {
  for (size_t i = 0; i < from->reason_count; i++) {
    result_reason reason = from->reasons[i];
    snprintf(reason.text, sizeof reason.text, "shard %d: %.180s", shard, from->reasons[i].text);
    add_reason(to, &reason);
  }
}

static void add_clock(result_certificate *c, const char *clock) {
  if (!c->clock[0])
    snprintf(c->clock, sizeof c->clock, "%s", clock);
  else if (strcmp(c->clock, clock) != 0)
    snprintf(c->clock, sizeof c->clock, "several");
}

void merge_certificate_init(result_certificate *c) {
  c->run_delay_us = c->missed = c->stalls = c->retransmits = 0;
}

bool merge_certificate(result_certificate *to, const result_certificate *from, int shard) {
  if (from->verdict > to->verdict) to->verdict = from->verdict;
  to->lag_valid_us = strictest_of(to->lag_valid_us, from->lag_valid_us);
  to->lag_degraded_us = strictest_of(to->lag_degraded_us, from->lag_degraded_us);
  to->busy_share = largest_of(to->busy_share, from->busy_share);
  to->busy_valid = strictest_of(to->busy_valid, from->busy_valid);
  to->busy_degraded = strictest_of(to->busy_degraded, from->busy_degraded);
  to->cpu_share = largest_of(to->cpu_share, from->cpu_share);
  to->run_delay_us = sum_of(to->run_delay_us, from->run_delay_us);
  to->run_delay_share = largest_of(to->run_delay_share, from->run_delay_share);
  to->missed = sum_of(to->missed, from->missed);
  to->stalls = sum_of(to->stalls, from->stalls);
  to->stall_max_us = largest_int(to->stall_max_us, from->stall_max_us);
  to->steal_share = largest_of(to->steal_share, from->steal_share);
  to->retransmits = sum_of(to->retransmits, from->retransmits);
  to->descriptors_max = smallest_int(to->descriptors_max, from->descriptors_max);
  to->descriptors_peak = largest_int(to->descriptors_peak, from->descriptors_peak);
  to->ports_max = smallest_int(to->ports_max, from->ports_max);
  add_clock(to, from->clock);
  add_reasons(to, from, shard);
  return add_hist(&to->receive_lag, from->receive_lag) &&
         add_hist(&to->schedule_lag, from->schedule_lag) &&
         add_hist(&to->kernel_lag, from->kernel_lag);
}
