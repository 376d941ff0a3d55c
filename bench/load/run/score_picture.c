/* What of the threads' counts becomes a picture: the timeline, the cloud of dots, the tracks; and
 * their sums. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/cli/program.h"
#include "score.h"

static bool add_hist(lti_hist **to, const lti_hist *from) {
  if (lti_hist_count(from) == 0) return true;
  if (!*to) *to = lti_hist_new(cli_program_alloc());
  if (!*to) return false;
  lti_hist_merge(*to, from);
  return true;
}

static void add_error(result_point *p, const result_error *e) {
  size_t i = 0;
  while (i < p->error_count && strcmp(p->errors[i].name, e->name) != 0) i++;
  if (i == RESULT_ERRORS_MAX) i = RESULT_ERRORS_MAX - 1;
  if (i < p->error_count) {
    p->errors[i].count += e->count;
    return;
  }
  p->errors[p->error_count++] = *e;
}

static void add_status(result_point *p, const result_status *s) {
  size_t i = 0;
  while (i < p->status_count && p->statuses[i].status != s->status) i++;
  if (i == RESULT_STATUS_MAX) i = RESULT_STATUS_MAX - 1;
  if (i == p->status_count) {
    p->statuses[p->status_count++] = *s;
    return;
  }
  p->statuses[i].count += s->count;
}

static void add_counts(result_counts *to, const result_counts *from) {
  to->started += from->started;
  to->completed += from->completed;
  to->failed += from->failed;
  to->cancelled += from->cancelled;
  to->cut += from->cut;
  to->truncated += from->truncated;
  to->retried += from->retried;
  to->warmup += from->warmup;
  to->late += from->late;
  to->missed += from->missed;
  to->sessions += from->sessions;
  to->in_flight_peak += from->in_flight_peak;
  to->answering_peak += from->answering_peak;
}

/* Mean and deviation are made from sums when the last thread is in: until then they hold the sums.
 */
static void add_lengths(result_point *p, const score *s) {
  result_lengths *to = &p->lengths;
  const result_lengths *from = &s->bounds;
  if (s->volume.usage_answers == 0) return;
  bool first = p->volume.usage_answers == 0;
  if (first || from->input_min < to->input_min) to->input_min = from->input_min;
  if (first || from->input_max > to->input_max) to->input_max = from->input_max;
  if (first || from->output_min < to->output_min) to->output_min = from->output_min;
  if (first || from->output_max > to->output_max) to->output_max = from->output_max;
  to->input_mean += s->lengths[0];
  to->input_sd += s->lengths[1];
  to->output_mean += s->lengths[2];
  to->output_sd += s->lengths[3];
}

static void add_volume(result_volume *to, const result_volume *from) {
  to->events += from->events;
  to->content_events += from->content_events;
  to->usage_answers += from->usage_answers;
  to->input_tokens += from->input_tokens;
  to->output_tokens += from->output_tokens;
  to->reasoning_tokens += from->reasoning_tokens;
  to->cached_tokens += from->cached_tokens;
  to->usage_content_events += from->usage_content_events;
}

bool score_add(result_point *p, const score *s) {
  result_goodput *g = &p->goodput;
  bool fine = true;
  for (enum measure m = 0; m < MEASURE_COUNT; m++) {
    fine = fine && add_hist(&p->latencies[m].sent, s->latencies[m].sent);
    if (s->latencies[m].intended)
      fine = fine && add_hist(&p->latencies[m].intended, s->latencies[m].intended);
  }
  fine = fine && add_hist(&p->certificate.receive_lag, s->receive_lag) &&
         add_hist(&p->certificate.schedule_lag, s->schedule_lag) &&
         add_hist(&p->certificate.kernel_lag, s->kernel_lag);
  add_counts(&p->counts, &s->counts);
  add_lengths(p, s);
  add_volume(&p->volume, &s->volume);
  p->conns.requests_http1 += s->conns.requests_http1;
  p->conns.requests_http2 += s->conns.requests_http2;
  for (size_t i = 0; i < g->slo_count; i++) g->slos[i].met += s->goodput.slos[i].met;
  g->good += s->goodput.good;
  for (size_t i = 0; i < s->error_count; i++) add_error(p, &s->errors[i]);
  for (size_t i = 0; i < s->status_count; i++) add_status(p, &s->statuses[i]);
  return fine;
}

static void mean_of(double *sum, double *squares, double n) {
  double mean = *sum / n, variance = *squares / n - mean * mean;
  *sum = mean;
  *squares = variance > 0 ? sqrt(variance) : 0;
}

static void finish_lengths(result_point *p) {
  result_lengths *l = &p->lengths;
  result_volume *v = &p->volume;
  if (v->usage_answers > 0) {
    mean_of(&l->input_mean, &l->input_sd, (double)v->usage_answers);
    mean_of(&l->output_mean, &l->output_sd, (double)v->usage_answers);
    return;
  }
  v->input_tokens = v->output_tokens = v->reasoning_tokens = v->cached_tokens = -1;
  l->input_mean = l->input_sd = l->output_mean = l->output_sd = -1;
  l->input_min = l->input_max = l->output_min = l->output_max = -1;
}

void score_fold(score *s) {
  for (size_t i = 0; i < SCORE_SLOTS / 2; i++) {
    score_slot *sum = &s->slots[i], *a = &s->slots[2 * i];
    const score_slot *b = a + 1;
    if (sum != a) *sum = *a;
    if (!b->touched) continue;
    sum->started += b->started;
    sum->completed += b->completed;
    sum->failed += b->failed;
    sum->events += b->events;
    sum->output_tokens += b->output_tokens;
    if (b->timed) sum->in_flight = b->in_flight;
    sum->timed = sum->timed || b->timed;
    if (b->lag_max_us > sum->lag_max_us) sum->lag_max_us = b->lag_max_us;
    sum->touched = true;
    for (size_t k = 0; k < SCORE_BUCKETS; k++) {
      sum->ttft[k] += b->ttft[k];
      sum->itl[k] += b->itl[k];
    }
  }
  memset(s->slots + SCORE_SLOTS / 2, 0, SCORE_SLOTS / 2 * sizeof *s->slots);
  s->slot_ns *= 2;
  s->slot = NULL;
}

/* The middle of the bucket that holds the share; -1: there is no sample. */
static int32_t percentile(const uint64_t *buckets, double share) {
  uint64_t all = 0, seen = 0;
  for (unsigned i = 0; i < SCORE_BUCKETS; i++) all += buckets[i];
  if (all == 0) return -1;
  for (unsigned i = 0; i < SCORE_BUCKETS; i++) {
    seen += buckets[i];
    if ((double)seen >= share * (double)all) return (int32_t)pulse_middle(i);
  }
  return -1;
}

/* One slot of all threads. */
static void sum_slot(result_slot *to, score *const *scores, size_t count, size_t at) {
  uint64_t ttft[SCORE_BUCKETS] = {0}, itl[SCORE_BUCKETS] = {0};
  memset(to, 0, sizeof *to);
  to->lag_max_us = -1;
  for (size_t t = 0; t < count; t++) {
    const score_slot *slot = &scores[t]->slots[at];
    size_t last = at;
    while (!scores[t]->slots[last].timed && last > 0) last--;
    to->in_flight += scores[t]->slots[last].in_flight;
    to->started += slot->started;
    to->completed += slot->completed;
    to->failed += slot->failed;
    to->events += slot->events;
    to->output_tokens += slot->output_tokens;
    if (slot->touched && (int32_t)slot->lag_max_us > to->lag_max_us)
      to->lag_max_us = (int32_t)slot->lag_max_us;
    for (size_t k = 0; k < SCORE_BUCKETS; k++) {
      ttft[k] += slot->ttft[k];
      itl[k] += slot->itl[k];
    }
  }
  to->ttft_p50_us = percentile(ttft, 0.5);
  to->ttft_p99_us = percentile(ttft, 0.99);
  to->itl_p50_us = percentile(itl, 0.5);
  to->itl_p99_us = percentile(itl, 0.99);
}

static bool make_timeline(result_point *p, score *const *scores, size_t count) {
  lti_alloc *alloc = cli_program_alloc();
  uint64_t slot_ns = 0;
  size_t used = 0;
  for (size_t t = 0; t < count; t++)
    if (scores[t]->slot_ns > slot_ns) slot_ns = scores[t]->slot_ns;
  for (size_t t = 0; t < count; t++) {
    while (scores[t]->slot_ns < slot_ns) score_fold(scores[t]);
    for (size_t i = used; i < SCORE_SLOTS; i++)
      if (scores[t]->slots[i].touched) used = i + 1;
  }
  p->timeline.slot_s = (double)slot_ns / 1e9;
  p->timeline.count = used;
  p->timeline.slots = lti_alloc_zero(alloc, used * sizeof *p->timeline.slots);
  if (!p->timeline.slots) return false;
  for (size_t i = 0; i < used; i++) sum_slot(&p->timeline.slots[i], scores, count, i);
  return true;
}

static bool gather_samples(result_point *p, score *const *scores, size_t count) {
  lti_alloc *alloc = cli_program_alloc();
  size_t dots = 0, tracks = 0;
  for (size_t t = 0; t < count; t++) {
    dots += scores[t]->dot_count;
    tracks += scores[t]->track_count;
  }
  p->dots = lti_alloc_zero(alloc, dots * sizeof *p->dots);
  p->tracks = lti_alloc_zero(alloc, tracks * sizeof *p->tracks);
  if (!p->dots || !p->tracks) return false;
  for (size_t t = 0; t < count; t++) {
    memcpy(p->dots + p->dot_count, scores[t]->dots, scores[t]->dot_count * sizeof *p->dots);
    p->dot_count += scores[t]->dot_count;
    for (size_t i = 0; i < scores[t]->track_count && p->track_count < RESULT_TRACKS_MAX; i++)
      if (scores[t]->tracks[i].done_us > 0) p->tracks[p->track_count++] = scores[t]->tracks[i];
  }
  return true;
}

bool score_picture(result_point *p, score *const *scores, size_t count) {
  finish_lengths(p);
  return make_timeline(p, scores, count) && gather_samples(p, scores, count);
}
