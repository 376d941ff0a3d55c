/* The levels that were run stand in the order of the points. While levels only rise, the last one
 * decides whether to go on; once a point has missed, `low` and `high` close in on the knee. */
#include "sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load/result/figure.h"
#include "bindings/cli/say.h"
#include "sweep_list.h"

#define GATES_MAX      8
#define BRACKET        1.10 /* a knee is known when its two sides are closer than this */
#define GROWTH_MIN     1.10 /* of throughput, for each doubling of the load */
#define ERRORS_MAX     0.01
#define INDEX_DISTANCE UINT64_C(1000000000) /* between two points' requests */
#define RULE           "throughput growing by 10 % and ttft.p99 by at most 2x, as the load doubles"

struct sweep {
  sweep_list list;
  size_t planned; /* of the list's levels, how many were given out */
  bool shared;    /* with other machines */
  size_t gate_count;
  figure_gate gates[GATES_MAX];
  bool gates_errors; /* one of them is on error_rate */
  size_t run_count;
  double run[RESULT_POINTS_MAX]; /* level of each point */
};

/* What a point says of its load. */
enum standing {
  STANDING_BEFORE, /* the knee, or at it */
  STANDING_PAST,
  STANDING_UNKNOWN /* the client was the limit */
};

static bool read_gates(sweep *s, const cli_list *slo) {
  if (slo->count > GATES_MAX) {
    cli_say("--slo: there are %zu levels, and at most %d are held to", slo->count, GATES_MAX);
    return false;
  }
  for (size_t i = 0; i < slo->count; i++) {
    const char *why = "";
    figure_gate *gate = &s->gates[s->gate_count];
    if (!figure_gate_parse(slo->items[i], gate, &why)) {
      cli_say("--slo %s: %s", slo->items[i], why);
      return false;
    }
    if (lti_slice_is(lti_slice_of(gate->figure.name), "error_rate")) s->gates_errors = true;
    s->gate_count++;
  }
  return true;
}

sweep *sweep_open(const cli_options *options, int shards) {
  sweep *s = calloc(1, sizeof *s);
  if (!s) {
    cli_say("--sweep: memory is short");
    return NULL;
  }
  s->shared = shards > 1;
  if (sweep_list_read(options->load.sweep, &s->list) && read_gates(s, &options->load.slo)) return s;
  sweep_free(s);
  return NULL;
}

void sweep_free(sweep *s) {
  free(s);
}

double sweep_highest(const sweep *s) {
  return s->list.levels[s->list.count - 1];
}

/* --- one point --- */

static double throughput(const result_point *p, const result_point *beside) {
  double tokens = result_output_rate(p);
  return tokens > 0 && result_output_rate(beside) > 0 ? tokens : result_request_rate(p);
}

/* p99 in us, -1: no sample. */
static double p99_of(const result_point *p) {
  static const enum measure measures[] = {MEASURE_TTFT, MEASURE_E2E};
  for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++) {
    const result_latency *latency = &p->latencies[measures[i]];
    const lti_hist *h = latency->intended ? latency->intended : latency->sent;
    if (h && lti_hist_count(h)) return (double)lti_hist_percentile(h, 99);
  }
  return -1;
}

/* The point of the highest load that is at most half of point i's. False: there is none. */
static bool half_of(const sweep *s, size_t i, size_t *half) {
  bool found = false;
  for (size_t j = 0; j < i; j++) {
    if (s->run[j] > s->run[i] / 2 || (found && s->run[j] <= s->run[*half])) continue;
    *half = j;
    found = true;
  }
  return found;
}

/* The rule where no level was given. */
static bool is_past(const sweep *s, const result *so_far, size_t i) {
  size_t half = 0;
  if (!half_of(s, i, &half)) return false;
  const result_point *p = &so_far->points[i], *q = &so_far->points[half];
  double load = s->run[i] / s->run[half], before = throughput(q, p);
  if (before > 0 && throughput(p, q) / before < pow(GROWTH_MIN, log2(load))) return true;
  /* To double for each doubling of the load is to grow as the load does. */
  double p99 = p99_of(p), p99_before = p99_of(q);
  return p99_before > 0 && p99 / p99_before > load;
}

static bool holds(const sweep *s, const result *so_far, size_t i) {
  const result_point *p = &so_far->points[i];
  double value = 0;
  if (!s->gates_errors && result_error_rate(p) > ERRORS_MAX) return false;
  if (s->gate_count == 0) return !is_past(s, so_far, i);
  for (size_t g = 0; g < s->gate_count; g++)
    if (!figure_gate_holds(&s->gates[g], p, &value)) return false;
  return true;
}

static enum standing standing_of(const sweep *s, const result *so_far, size_t i) {
  if (holds(s, so_far, i)) return STANDING_BEFORE;
  bool valid = so_far->points[i].certificate.verdict != RESULT_INVALID;
  return valid ? STANDING_PAST : STANDING_UNKNOWN;
}

/* --- all points so far --- */

/* The knee's two sides, as points; -1: there is none yet. */
typedef struct bracket {
  int low, high;
  bool client; /* the point above is one at which the client was the limit */
} bracket;

static void take_low(const sweep *s, bracket *b, size_t i) {
  if (b->low < 0 || s->run[i] > s->run[b->low]) b->low = (int)i;
}

static void take_high(const sweep *s, bracket *b, size_t i, bool client) {
  if (b->high >= 0 && s->run[i] > s->run[b->high]) return;
  b->high = (int)i;
  b->client = client;
}

/* With levels: the lowest point that missed, and the highest below it that met. */
static bracket bracket_by_gates(const sweep *s, const result *so_far, size_t count) {
  bracket b = {-1, -1, false};
  for (size_t i = 0; i < count; i++) {
    enum standing at = standing_of(s, so_far, i);
    if (at != STANDING_BEFORE) take_high(s, &b, i, at == STANDING_UNKNOWN);
  }
  for (size_t i = 0; i < count; i++)
    if (b.high < 0 || s->run[i] < s->run[b.high]) take_low(s, &b, i);
  return b;
}

/* By the rule: the highest point that is not past the knee, and the lowest above it. One point
 * that only seems to be past it, among others that are not, thus decides nothing. */
static bracket bracket_by_rule(const sweep *s, const result *so_far, size_t count) {
  bracket b = {-1, -1, false};
  for (size_t i = 0; i < count; i++)
    if (standing_of(s, so_far, i) == STANDING_BEFORE) take_low(s, &b, i);
  for (size_t i = 0; i < count; i++)
    if (b.low < 0 || s->run[i] > s->run[b.low])
      take_high(s, &b, i, standing_of(s, so_far, i) == STANDING_UNKNOWN);
  return b;
}

static bracket bracket_of(const sweep *s, const result *so_far) {
  size_t count = so_far->point_count < s->run_count ? so_far->point_count : s->run_count;
  return s->gate_count ? bracket_by_gates(s, so_far, count) : bracket_by_rule(s, so_far, count);
}

/* --- the next level --- */

/* A rate in three digits or a whole number of streams between the two sides, or 0: they are close
 * enough. */
static double between(const sweep *s, double low, double high) {
  double middle = sqrt(low * high);
  if (high < low * BRACKET) return 0;
  double unit = s->list.streams ? 1 : pow(10, floor(log10(middle)) - 2);
  double level = nearbyint(middle / unit) * unit;
  return level > low && level < high ? level : 0;
}

/* Behind the last point of a range: whether a higher level would tell anything. */
static bool goes_on(const sweep *s, const result *so_far, const bracket *b) {
  size_t last = s->run_count - 1;
  if (s->gate_count) return b->high < 0;
  if (standing_of(s, so_far, last) == STANDING_BEFORE) return true;
  return last == 0 || standing_of(s, so_far, last - 1) == STANDING_BEFORE;
}

static double next_level(sweep *s, const result *so_far) {
  if (s->run_count == 0) return s->list.levels[s->planned++];
  bool searched = s->list.range && !s->shared;
  bracket b = bracket_of(s, so_far);
  bool rises = !searched || (s->planned == s->run_count && goes_on(s, so_far, &b));
  if (rises) return s->planned < s->list.count ? s->list.levels[s->planned++] : 0;
  if (!s->gate_count || b.low < 0 || b.high < 0 || b.client) return 0;
  return between(s, s->run[b.low], s->run[b.high]);
}

bool sweep_next(sweep *s, const result *so_far, shape_spec *spec) {
  if (so_far->interrupted || so_far->point_count < s->run_count) return false;
  if (s->run_count == RESULT_POINTS_MAX) return false;
  double level = next_level(s, so_far);
  if (level <= 0) return false;
  shape_spec_level(spec, level);
  spec->index_from = s->run_count * INDEX_DISTANCE;
  s->run[s->run_count++] = level;
  return true;
}

/* --- what it shows --- */

static void put_level(const sweep *s, const char *remark, result_knee *knee) {
  size_t used = 0, size = sizeof knee->level;
  if (s->gate_count == 0) used = (size_t)snprintf(knee->level, size, "%s", RULE);
  for (size_t g = 0; g < s->gate_count && used < size; g++)
    used += (size_t)snprintf(knee->level + used, size - used, "%s%s", g ? " and " : "",
                             s->gates[g].text);
  if (used < size) snprintf(knee->level + used, size - used, "%s", remark);
}

void sweep_knee(const sweep *s, const result *so_far, result_knee *knee) {
  *knee = (result_knee){.searched = so_far->point_count > 0};
  if (!knee->searched) return;
  bracket b = bracket_of(s, so_far);
  knee->found = b.low >= 0 && b.high >= 0 && !b.client;
  if (b.low >= 0) knee->point = (size_t)b.low;
  const char *remark = "";
  if (b.low < 0)
    remark = b.client ? ": this client was the limit" : ": met by no point";
  else if (b.high < 0)
    remark = ": met by every point";
  else if (b.client)
    remark = ": met until this client was the limit";
  put_level(s, remark, knee);
}
