/* The walk through a shape. An open loop is a renewal process in operational time, where one
 * request is expected per unit, whatever the rate: steps with a mean of one are added up, and each
 * sum is led back to seconds through the stages' cumulative rate. So a ramp is exact at every
 * instant, and the same steps serve every rate.
 *
 * Every walker makes every start and gives out its own: threads and shards need not speak to each
 * other. The cost of a start not given out is that of one draw, some 50 ns (a steep exponential
 * way: 115). */
#include "shape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arrivals.h"
#include "stages.h"
#include "traces.h"

#define NS_PER_S 1e9
#define TIME_MAX 9e18 /* ns: 285 years */

/* A level may be off by rounding: this much above a whole number is still that number. */
#define LEVEL_BLUR 1e-8

struct shape {
  const shape_spec *spec;
  uint64_t first, step; /* of those that are given out */
  uint64_t index;       /* of the start to come, from 0 */
  uint64_t measured;    /* starts within the window so far */
  uint64_t window_ns;   /* its begin, SHAPE_FOREVER: not reached by number */
  arrivals arrivals;
  size_t stage;
  uint64_t stage_ns; /* when it began */
  double amount;     /* operational time since then */
};

shape *shape_open(const shape_spec *spec, uint64_t first, uint64_t step) {
  shape *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->spec = spec;
  s->first = first;
  s->step = step ? step : 1;
  s->window_ns = spec->warmup_requests ? SHAPE_FOREVER : spec->warmup_ns;
  arrivals_init(&s->arrivals, spec->seed, spec->burstiness);
  return s;
}

void shape_free(shape *s) {
  free(s);
}

/* The time of the next start of an open loop. The first of evenly spaced ones is at 0, so that T
 * seconds at a rate of r hold exactly T r of them. */
static bool next_open(shape *s, uint64_t *at_ns) {
  const shape_spec *spec = s->spec;
  if (s->index > 0 || !isinf(spec->burstiness)) s->amount += arrivals_step(&s->arrivals);
  for (; s->stage < spec->stage_count; s->stage++) {
    const shape_stage *stage = &spec->stages[s->stage];
    double total = stages_total(stage);
    if (s->amount < total) {
      double ns = (double)s->stage_ns + stages_when(stage, s->amount) * NS_PER_S;
      *at_ns = ns < TIME_MAX ? (uint64_t)llround(ns) : SHAPE_FOREVER;
      return ns < TIME_MAX;
    }
    s->amount -= total;
    s->stage_ns += stage->ns;
  }
  return false;
}

/* The warm-up is a burst of its own, at 0. */
static bool next_burst(const shape *s, uint64_t *at_ns) {
  const shape_spec *spec = s->spec;
  uint64_t burst = s->index / spec->burst;
  *at_ns = 0;
  if (spec->warmup_ns && burst == 0) return true;
  if (spec->warmup_ns) burst--;
  if (burst > 0 && spec->burst_every_ns == 0) return false;
  if (burst > 0 && burst > (SHAPE_FOREVER - spec->warmup_ns) / spec->burst_every_ns) return false;
  *at_ns = spec->warmup_ns + burst * spec->burst_every_ns;
  return true;
}

static bool next_time(shape *s, shape_start *start) {
  switch (s->spec->kind) {
    case RESULT_OPEN: return next_open(s, &start->at_ns);
    case RESULT_BURST: return next_burst(s, &start->at_ns);
    case RESULT_REPLAY: return traces_row(s->spec->trace, s->index, start);
    case RESULT_CLOSED: break; /* its starts are its answers' ends */
  }
  return false;
}

/* Has the window room for this start? Tells whether it is one of the warm-up. */
static bool is_within(shape *s, shape_start *start) {
  const shape_spec *spec = s->spec;
  if (s->window_ns == SHAPE_FOREVER && s->index >= spec->warmup_requests)
    s->window_ns = start->at_ns;
  start->warmup = s->window_ns == SHAPE_FOREVER || start->at_ns < s->window_ns;
  if (start->warmup) return true;
  if (start->at_ns - s->window_ns >= spec->duration_ns) return false;
  return s->measured++ < spec->requests;
}

bool shape_next(shape *s, shape_start *start) {
  for (;;) {
    *start = (shape_start){.input_tokens = -1, .output_tokens = -1};
    if (!next_time(s, start) || !is_within(s, start)) return false;
    uint64_t index = s->index++;
    start->index = s->spec->index_from + index;
    if (index >= s->first && (index - s->first) % s->step == 0) return true;
  }
}

static uint64_t sum_capped(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* When the last burst is. */
static uint64_t last_burst(const shape_spec *spec) {
  if (spec->burst_every_ns == 0) return spec->warmup_ns;
  if (spec->requests == UINT64_MAX) return SHAPE_FOREVER;
  uint64_t repeats = spec->requests ? (spec->requests - 1) / spec->burst : 0;
  if (repeats > (UINT64_MAX - spec->warmup_ns) / spec->burst_every_ns) return SHAPE_FOREVER;
  return spec->warmup_ns + repeats * spec->burst_every_ns;
}

uint64_t shape_length(const shape_spec *spec) {
  if (spec->kind == RESULT_REPLAY) return sum_capped(traces_last(spec->trace), 1);
  if (spec->kind == RESULT_BURST) return sum_capped(last_burst(spec), 1);
  uint64_t length = 0;
  for (size_t i = 0; i < spec->stage_count; i++) length = sum_capped(length, spec->stages[i].ns);
  return length;
}

uint64_t shape_window(const shape_spec *spec) {
  if (spec->warmup_requests == 0) return spec->warmup_ns;
  if (spec->kind == RESULT_CLOSED) return SHAPE_FOREVER;
  shape walk = {.spec = spec, .step = 1, .window_ns = SHAPE_FOREVER};
  shape_start start = {0};
  arrivals_init(&walk.arrivals, spec->seed, spec->burstiness);
  while (walk.window_ns == SHAPE_FOREVER)
    if (!shape_next(&walk, &start)) return shape_length(spec);
  return walk.window_ns;
}

uint64_t shape_streams_max(const shape_spec *spec) {
  double most = 0;
  uint64_t starts = sum_capped(spec->requests, spec->warmup_requests);
  if (spec->kind == RESULT_BURST && spec->burst_every_ns == 0) starts = spec->burst;
  if (spec->kind == RESULT_REPLAY && traces_count(spec->trace) < starts)
    starts = traces_count(spec->trace);
  if (spec->kind != RESULT_CLOSED) return spec->cap < starts ? spec->cap : starts;
  for (size_t i = 0; i < spec->stage_count; i++)
    most = fmax(most, fmax(spec->stages[i].from, spec->stages[i].to));
  return (uint64_t)ceil(most);
}

/* --- a closed loop's streams --- */

/* Streams of one stage: its level rounded up, but never more than it leads to. */
static uint64_t streams_within(const shape_stage *stage, double at_s) {
  double level = stages_level(stage, at_s), most = fmax(stage->from, stage->to);
  double streams = ceil(level - LEVEL_BLUR);
  if (streams < 1 && most > 0 && stage->to > stage->from) streams = 1;
  if (streams > most) streams = most;
  return streams > 0 ? (uint64_t)streams : 0;
}

/* A time by which a stage that has `streams` of them has one more, or one less; UINT64_MAX: it
 * never has. */
static uint64_t changed_by(const shape_stage *stage, uint64_t streams) {
  bool rises = stage->to > stage->from;
  double level = rises ? (double)streams : (double)streams - 1;
  if (stage->from == stage->to || (rises ? level >= stage->to : level < stage->to))
    return UINT64_MAX;
  if (stage->exponential && level <= 0) return UINT64_MAX;
  if (rises) level = fmin(level + 2 * LEVEL_BLUR, stage->to);
  return (uint64_t)ceil(stages_reaches(stage, level) * NS_PER_S) + 1;
}

/* The first nanosecond of another number than at `at_ns`, to the last bit as streams_within sees
 * it. */
static uint64_t stream_changes(const shape_stage *stage, uint64_t at_ns, uint64_t streams) {
  uint64_t same = at_ns, other = changed_by(stage, streams);
  if (other == UINT64_MAX || other <= at_ns + 1) return other == UINT64_MAX ? other : at_ns + 1;
  while (other - same > 1) {
    uint64_t middle = same + (other - same) / 2;
    if (streams_within(stage, (double)middle / NS_PER_S) == streams)
      same = middle;
    else
      other = middle;
  }
  return other;
}

uint64_t shape_streams_at(const shape_spec *spec, uint64_t at_ns, uint64_t *changes_at_ns) {
  uint64_t begun = 0;
  *changes_at_ns = UINT64_MAX;
  for (size_t i = 0; i < spec->stage_count; i++) {
    const shape_stage *stage = &spec->stages[i];
    uint64_t end = sum_capped(begun, stage->ns);
    if (at_ns >= end && end != SHAPE_FOREVER) {
      begun = end;
      continue;
    }
    uint64_t streams = streams_within(stage, (double)(at_ns - begun) / NS_PER_S);
    uint64_t change = sum_capped(begun, stream_changes(stage, at_ns - begun, streams));
    *changes_at_ns = change < end ? change : end;
    return streams;
  }
  return 0;
}

/* --- what a report says --- */

/* Requests that the stages begin until a time, in the mean. */
static double amount_until(const shape_spec *spec, double at_s) {
  double amount = 0;
  for (size_t i = 0; i < spec->stage_count && at_s > 0; i++) {
    double length = (double)spec->stages[i].ns / NS_PER_S;
    amount += stages_amount(&spec->stages[i], at_s < length ? at_s : length);
    at_s -= length;
  }
  return amount;
}

/* The time until which they have begun so many; INFINITY: they never have. */
static double time_of_amount(const shape_spec *spec, double amount) {
  double begun_s = 0;
  for (size_t i = 0; i < spec->stage_count; i++) {
    double total = stages_total(&spec->stages[i]);
    if (amount < total) return begun_s + stages_when(&spec->stages[i], amount);
    amount -= total;
    begun_s += (double)spec->stages[i].ns / NS_PER_S;
  }
  return INFINITY;
}

/* The rate that the window has in the mean. */
static double mean_rate(const shape_spec *spec) {
  uint64_t length = shape_length(spec);
  double begin = spec->warmup_requests ? time_of_amount(spec, (double)spec->warmup_requests)
                                       : (double)spec->warmup_ns / NS_PER_S;
  double end = length == SHAPE_FOREVER ? INFINITY : (double)length / NS_PER_S;
  if (spec->duration_ns != UINT64_MAX)
    end = fmin(end, begin + (double)spec->duration_ns / NS_PER_S);
  if (spec->requests != UINT64_MAX) {
    double all = amount_until(spec, begin) + (double)spec->requests;
    end = fmin(end, time_of_amount(spec, all));
  }
  if (!(end > begin)) return -1;
  if (isinf(end)) return spec->stages[spec->stage_count - 1].to;
  return (amount_until(spec, end) - amount_until(spec, begin)) / (end - begin);
}

static void put_label(const shape_spec *spec, result_offer *offer) {
  const shape_stage *last = &spec->stages[spec->stage_count ? spec->stage_count - 1 : 0];
  const char *what = spec->kind == RESULT_OPEN ? "rate" : "concurrency";
  const char *unit = spec->kind == RESULT_OPEN ? "/s" : "";
  char *label = offer->label;
  size_t size = sizeof offer->label;
  if (spec->kind == RESULT_REPLAY)
    snprintf(label, size, "replay of %s", traces_name(spec->trace));
  else if (spec->kind == RESULT_BURST && spec->burst_every_ns)
    snprintf(label, size, "bursts of %llu every %g s", (unsigned long long)spec->burst,
             (double)spec->burst_every_ns / NS_PER_S);
  else if (spec->kind == RESULT_BURST)
    snprintf(label, size, "burst of %llu", (unsigned long long)spec->burst);
  else if (last->ns == SHAPE_FOREVER)
    snprintf(label, size, "%s %.10g%s", what, last->to, unit);
  else
    snprintf(label, size, "%s in %zu stages, %.6g%s at last", what,
             spec->stage_count - (spec->warmup_ns ? 1 : 0), last->to, unit);
}

static const char *arrivals_named(const shape_spec *spec) {
  switch (spec->kind) {
    case RESULT_CLOSED: return "";
    case RESULT_BURST: return "burst";
    case RESULT_REPLAY: return "trace";
    case RESULT_OPEN: break;
  }
  if (isinf(spec->burstiness)) return "constant";
  return spec->burstiness == 1 ? "poisson" : "gamma";
}

void shape_offer(const shape_spec *spec, result_offer *offer) {
  *offer = (result_offer){.shape = spec->kind, .rate = -1, .concurrency = -1, .burstiness = -1};
  put_label(spec, offer);
  snprintf(offer->arrivals, sizeof offer->arrivals, "%s", arrivals_named(spec));
  if (spec->kind == RESULT_CLOSED)
    offer->concurrency = (int64_t)shape_streams_max(spec);
  else if (spec->cap != UINT64_MAX)
    offer->concurrency = (int64_t)spec->cap;
  if (spec->kind == RESULT_REPLAY) offer->rate = traces_rate(spec->trace);
  if (spec->kind == RESULT_OPEN) offer->rate = mean_rate(spec);
  if (spec->kind == RESULT_OPEN && !isinf(spec->burstiness)) offer->burstiness = spec->burstiness;
}
