/* Sums of plain counters go by the tables of result_fields.h, so that a new one is not forgotten.
 *
 * Shards begin at times of their own clocks: what has a place in time (slots, dots, tracks) is
 * moved by its shard's delay behind the first. */
#include "bench/load/result/merge_point.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/result/merge.h"
#include "bench/load/result/result_fields.h"
#include "bindings/cli/program.h"

#define DELAY_MAX_S 1e9

int64_t merge_sum(int64_t a, int64_t b) {
  return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static bool add_hist(lti_hist **to, const lti_hist *from) {
  if (!from) return true;
  if (!*to) *to = lti_hist_new(cli_program_alloc());
  if (!*to) return false;
  lti_hist_merge(*to, from);
  return true;
}

/* Unsigned counters are added; figures that may be unknown are so in the sum when one is. */
static void add_counters(const result_fields *fields, void *to, const void *from) {
  for (size_t i = 0; i < fields->count; i++) {
    const result_field *f = &fields->rows[i];
    char *at = (char *)to + f->offset;
    const char *of = (const char *)from + f->offset;
    if (f->kind == RESULT_FIELD_U64) {
      uint64_t *sum = (uint64_t *)(void *)at;
      *sum += *(const uint64_t *)(const void *)of;
    } else if (f->kind == RESULT_FIELD_I64_OR_NULL) {
      int64_t *sum = (int64_t *)(void *)at, one = *(const int64_t *)(const void *)of;
      *sum = *sum < 0 || one < 0 ? -1 : merge_sum(*sum, one);
    }
  }
}

/* Tokens are known of the answers that told them: a shard without any takes nothing from others. */
static void add_tokens(int64_t *sum, int64_t one) {
  if (one < 0) return;
  *sum = *sum < 0 ? one : merge_sum(*sum, one);
}

static void add_volume(result_volume *to, const result_volume *from) {
  int64_t tokens[] = {to->input_tokens, to->output_tokens, to->reasoning_tokens, to->cached_tokens};
  add_tokens(&tokens[0], from->input_tokens);
  add_tokens(&tokens[1], from->output_tokens);
  add_tokens(&tokens[2], from->reasoning_tokens);
  add_tokens(&tokens[3], from->cached_tokens);
  add_counters(&result_fields_volume, to, from);
  to->input_tokens = tokens[0];
  to->output_tokens = tokens[1];
  to->reasoning_tokens = tokens[2];
  to->cached_tokens = tokens[3];
}

static void add_process(result_process *to, const result_process *from) {
  to->user_s += from->user_s;
  to->system_s += from->system_s;
  add_counters(&result_fields_process, to, from);
}

/* --- kinds of failures and statuses --- */

static void add_error(result_point *to, const result_error *from) {
  size_t i = 0;
  while (i < to->error_count && strcmp(to->errors[i].name, from->name) != 0) i++;
  if (i == RESULT_ERRORS_MAX) i--;
  if (i == to->error_count) {
    to->errors[to->error_count++] = *from;
    return;
  }
  to->errors[i].count += from->count;
}

static void add_status(result_point *to, const result_status *from) {
  size_t i = 0;
  while (i < to->status_count && to->statuses[i].status != from->status) i++;
  if (i == RESULT_STATUS_MAX) i--;
  if (i == to->status_count) {
    to->statuses[to->status_count++] = *from;
    return;
  }
  to->statuses[i].count += from->count;
}

/* --- lengths --- */

typedef struct moments {
  double count, mean, sd;
} moments;

/* Two sets as one: the squares about the common mean. */
static void add_moments(moments *to, const moments *from) {
  if (from->mean < 0 || from->count <= 0) return;
  if (to->mean < 0 || to->count <= 0) {
    *to = *from;
    return;
  }
  double count = to->count + from->count, apart = from->mean - to->mean;
  double squares = to->sd * to->sd * to->count + from->sd * from->sd * from->count +
                   apart * apart * to->count * from->count / count;
  to->mean += apart * from->count / count;
  to->sd = to->sd < 0 || from->sd < 0 ? -1 : sqrt(squares / count);
  to->count = count;
}

static int64_t smaller_known(int64_t a, int64_t b) {
  return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/* Answers that told their usage stand behind these figures; before this one is added to `to`. */
static void add_lengths(result_point *to, const result_point *from) {
  result_lengths *l = &to->lengths;
  const result_lengths *one = &from->lengths;
  double had = (double)to->volume.usage_answers, more = (double)from->volume.usage_answers;
  moments input = {had, l->input_mean, l->input_sd}, output = {had, l->output_mean, l->output_sd};
  add_moments(&input, &(moments){more, one->input_mean, one->input_sd});
  add_moments(&output, &(moments){more, one->output_mean, one->output_sd});
  l->input_mean = input.mean;
  l->input_sd = input.sd;
  l->output_mean = output.mean;
  l->output_sd = output.sd;
  l->input_wanted = one->input_wanted;
  l->output_wanted = one->output_wanted;
  memcpy(l->note, one->note, sizeof l->note);
  l->input_min = smaller_known(l->input_min, one->input_min);
  l->output_min = smaller_known(l->output_min, one->output_min);
  l->input_max = larger(l->input_max, one->input_max);
  l->output_max = larger(l->output_max, one->output_max);
}

static void add_goodput(result_goodput *to, const result_goodput *from) {
  to->good += from->good;
  for (size_t i = 0; i < from->slo_count; i++) {
    uint64_t met = i < to->slo_count ? to->slos[i].met : 0;
    to->slos[i] = from->slos[i];
    to->slos[i].met += met;
  }
  to->slo_count = from->slo_count;
}

/* --- what has its place in time --- */

static void add_percentile(int32_t *to, int32_t from, bool several) {
  if (from >= 0) *to = several ? -1 : from;
}

static void add_slot(result_slot *to, const result_slot *from) {
  bool several = to->started + to->completed + to->failed + to->in_flight > 0 || to->events > 0;
  to->started += from->started;
  to->completed += from->completed;
  to->failed += from->failed;
  to->in_flight += from->in_flight;
  to->events += from->events;
  to->output_tokens += from->output_tokens;
  add_percentile(&to->ttft_p50_us, from->ttft_p50_us, several);
  add_percentile(&to->ttft_p99_us, from->ttft_p99_us, several);
  add_percentile(&to->itl_p50_us, from->itl_p50_us, several);
  add_percentile(&to->itl_p99_us, from->itl_p99_us, several);
  if (from->lag_max_us > to->lag_max_us) to->lag_max_us = from->lag_max_us;
}

static bool grow_slots(result_timeline *t, size_t count) {
  if (count <= t->count) return true;
  result_slot *slots = lti_alloc_grow(cli_program_alloc(), t->slots, t->count * sizeof *slots,
                                      count * sizeof *slots);
  if (!slots) return false;
  for (size_t i = t->count; i < count; i++)
    slots[i] = (result_slot){
        .ttft_p50_us = -1, .ttft_p99_us = -1, .itl_p50_us = -1, .itl_p99_us = -1, .lag_max_us = -1};
  t->slots = slots;
  t->count = count;
  return true;
}

/* Slots as long as the longest of any shard; a shorter slot falls into the one that holds its
 * begin. What lies beyond the last is in no slot, as in a run. */
static bool add_timeline(result_timeline *to, const result_timeline *from, double delay_s) {
  if (from->count == 0 || !(to->slot_s > 0) || !(from->slot_s > 0)) return true;
  for (size_t i = 0; i < from->count; i++) {
    double at = ((double)i * from->slot_s + delay_s) / to->slot_s + 1e-6;
    if (!(at < RESULT_SECONDS_MAX)) break;
    size_t slot = (size_t)at;
    if (!grow_slots(to, slot + 1)) return false;
    add_slot(&to->slots[slot], &from->slots[i]);
  }
  return true;
}

/* Each shard gives its part of the cloud's points, evenly taken. */
static bool add_dots(result_point *to, const result_point *from, double delay_s, size_t most) {
  size_t step = from->dot_count > most && most > 0 ? (from->dot_count + most - 1) / most : 1;
  size_t more = (from->dot_count + step - 1) / step, size = to->dot_count * sizeof *to->dots;
  if (from->dot_count == 0 || most == 0) return true;
  result_dot *dots =
      lti_alloc_grow(cli_program_alloc(), to->dots, size, size + more * sizeof *dots);
  if (!dots) return false;
  to->dots = dots;
  for (size_t i = 0; i < from->dot_count; i += step) {
    dots[to->dot_count] = from->dots[i];
    dots[to->dot_count++].start_s += (float)fmin(delay_s, DELAY_MAX_S);
  }
  return true;
}

static bool add_tracks(result_point *to, const result_point *from, size_t most) {
  size_t more = from->track_count < most ? from->track_count : most;
  size_t size = to->track_count * sizeof *to->tracks;
  if (more == 0) return true;
  result_track *tracks =
      lti_alloc_grow(cli_program_alloc(), to->tracks, size, size + more * sizeof *tracks);
  if (!tracks) return false;
  memcpy(tracks + to->track_count, from->tracks, more * sizeof *tracks);
  to->tracks = tracks;
  to->track_count += more;
  return true;
}

/* --- a point --- */

static bool add_latencies(result_point *to, const result_point *from) {
  for (size_t i = 0; i < MEASURE_COUNT; i++)
    if (!add_hist(&to->latencies[i].sent, from->latencies[i].sent) ||
        !add_hist(&to->latencies[i].intended, from->latencies[i].intended))
      return false;
  return true;
}

typedef struct window {
  double first, last; /* begins */
  double end, measured_end;
  double first_end;
  double longest, slot_s;
} window;

static window window_of(result *const *shards, size_t count, size_t k) {
  window w = {.first = INFINITY, .first_end = INFINITY};
  for (size_t i = 0; i < count; i++) {
    const result_point *p = &shards[i]->points[k];
    w.first = fmin(w.first, p->begun_at);
    w.last = fmax(w.last, p->begun_at);
    w.end = fmax(w.end, p->begun_at + p->wall_s);
    w.measured_end = fmax(w.measured_end, p->begun_at + p->window_s);
    w.first_end = fmin(w.first_end, p->begun_at + p->window_s);
    w.longest = fmax(w.longest, p->window_s);
    w.slot_s = fmax(w.slot_s, p->timeline.slot_s);
  }
  return w;
}

static bool add_point(result_point *to, const result_point *from, double delay_s, size_t shards) {
  add_lengths(to, from);
  add_counters(&result_fields_counts, &to->counts, &from->counts);
  add_counters(&result_fields_conns, &to->conns, &from->conns);
  add_volume(&to->volume, &from->volume);
  add_process(&to->process, &from->process);
  add_goodput(&to->goodput, &from->goodput);
  for (size_t i = 0; i < from->error_count; i++) add_error(to, &from->errors[i]);
  for (size_t i = 0; i < from->status_count; i++) add_status(to, &from->statuses[i]);
  to->drained = to->drained && from->drained;
  size_t tracks = RESULT_TRACKS_MAX / shards + (to->track_count < RESULT_TRACKS_MAX % shards);
  return add_latencies(to, from) && add_timeline(&to->timeline, &from->timeline, delay_s) &&
         add_dots(to, from, delay_s, RESULT_DOTS_MAX / shards) && add_tracks(to, from, tracks);
}

/* Shards that are not there, and windows that do not lie over each other. */
static void doubt(result_point *p, result *const *shards, size_t count, const window *w) {
  char text[RESULT_TEXT_MAX];
  size_t all = (size_t)shards[0]->shards;
  double together = w->longest > 0 ? (w->first_end - w->last) / w->longest : 1;
  if (count < all) {
    snprintf(text, sizeof text, "%zu of %zu shards are missing: their part is in no figure",
             all - count, all);
    merge_doubt(&p->certificate, RESULT_INVALID, text, "merge the results of all shards");
  }
  if (together >= MERGE_OVERLAP_VALID) return;
  snprintf(text, sizeof text,
           "all shards ran together for only %.0f %% of the window: they began up to %.3f s apart",
           fmax(together, 0) * 100, w->last - w->first);
  merge_doubt(&p->certificate, together < MERGE_OVERLAP_DEGRADED ? RESULT_INVALID : RESULT_DEGRADED,
              text, "give all shards one --start-at, and machines clocks that agree");
}

bool merge_point(result_point *to, result *const *shards, size_t count, size_t k) {
  window w = window_of(shards, count, k);
  to->offer = shards[0]->points[k].offer;
  to->timeline.slot_s = w.slot_s;
  to->begun_at = w.first;
  to->wall_s = w.end - w.first;
  to->window_s = w.measured_end - w.first;
  merge_certificate_init(&to->certificate);
  for (size_t i = 0; i < count; i++) {
    const result_point *from = &shards[i]->points[k];
    if (!add_point(to, from, from->begun_at - w.first, count) ||
        !merge_certificate(&to->certificate, &from->certificate, shards[i]->shard))
      return false;
  }
  doubt(to, shards, count, &w);
  return true;
}
