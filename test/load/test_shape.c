/* Shapes from a command line: their starts against the analytic integral of their rates, their
 * parts against the whole, their limits, their streams, and what is said of options that do not go
 * together. */
#include "bench/load/shape/shape.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "asked.h"
#include "bench/load/shape/stages.h"

#define S      UINT64_C(1000000000)
#define MS     UINT64_C(1000000)
#define SLICES 100

typedef struct scene {
  asked asked;
  shape_spec spec;
} scene;

static void scene_open(scene *s, const char *line) {
  memset(s, 0, sizeof *s);
  const cli_options *options = asked_parse(&s->asked, line);
  assert_non_null(options);
  assert_true(shape_spec_init(&s->spec, options));
}

static void scene_close(scene *s) {
  shape_spec_free(&s->spec);
  asked_free(&s->asked);
}

/* How many starts there are, those of the warm-up included, and when the last one is. */
static uint64_t count_starts(const shape_spec *spec, uint64_t *last_ns) {
  uint64_t count = 0;
  shape_start start;
  shape *s = shape_open(spec, 0, 1);
  assert_non_null(s);
  *last_ns = 0;
  while (shape_next(s, &start)) {
    assert_true(start.at_ns >= *last_ns);
    assert_true(start.index == spec->index_from + count);
    assert_true(start.input_tokens == -1 && start.output_tokens == -1 && start.prefix.size == 0);
    *last_ns = start.at_ns;
    count++;
  }
  assert_false(shape_next(s, &start));
  shape_free(s);
  return count;
}

/* --- open loops --- */

static void constant_starts_are_evenly_spaced_from_zero_on(void **state) {
  scene s;
  shape_start start;
  (void)state;
  scene_open(&s, "--rate 8 --arrivals constant --duration 10s");
  shape *walk = shape_open(&s.spec, 0, 1);
  for (uint64_t i = 0; i < 80; i++) {
    assert_true(shape_next(walk, &start));
    assert_true(start.at_ns == i * 125 * MS && !start.warmup);
  }
  assert_false(shape_next(walk, &start));
  shape_free(walk);
  scene_close(&s);
}

/* Starts in each slice of a run, beside what its stages promise. */
static void count_slices(const shape_spec *spec, uint64_t slice_ns, unsigned *counts) {
  shape_start start;
  shape *walk = shape_open(spec, 0, 1);
  assert_non_null(walk);
  for (size_t i = 0; i < SLICES; i++) counts[i] = 0;
  while (shape_next(walk, &start)) {
    assert_true(start.at_ns / slice_ns < SLICES);
    counts[start.at_ns / slice_ns]++;
  }
  shape_free(walk);
}

typedef double (*integral)(double at_s);

/* Evenly spaced ones may be one off in each slice; Poisson's by chance, as chi-square says (for a
 * hundred degrees, one of a thousand is above 149.4, and one of a thousand below 61.9). */
static void check_slices(const char *stages, double total_s, integral amount) {
  char line[200];
  unsigned counts[SLICES];
  double chi = 0;
  scene s;
  uint64_t slice_ns = (uint64_t)(total_s * 1e9 / SLICES);
  snprintf(line, sizeof line, "--rate-stages %s --arrivals constant", stages);
  scene_open(&s, line);
  assert_true(shape_length(&s.spec) == (uint64_t)(total_s * 1e9));
  count_slices(&s.spec, slice_ns, counts);
  for (size_t i = 0; i < SLICES; i++) {
    double wanted =
        amount((double)(i + 1) * total_s / SLICES) - amount((double)i * total_s / SLICES);
    assert_true(fabs(counts[i] - wanted) <= 1.000001);
  }
  scene_close(&s);
  snprintf(line, sizeof line, "--rate-stages %s --seed 3", stages);
  scene_open(&s, line);
  count_slices(&s.spec, slice_ns, counts);
  for (size_t i = 0; i < SLICES; i++) {
    double wanted =
        amount((double)(i + 1) * total_s / SLICES) - amount((double)i * total_s / SLICES);
    if (wanted > 0) chi += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
  }
  assert_true(chi > 55 && chi < 150);
  scene_close(&s);
}

static double linear_up(double t) {
  return 10 * t + 990.0 / 60 * t * t / 2;
}

static double linear_down_to_nothing(double t) {
  return 500 * t - 500.0 / 40 * t * t / 2;
}

static double exponential_up(double t) {
  double k = log(200) / 50;
  return 5 / k * (exp(k * t) - 1);
}

static double exponential_down(double t) {
  double k = log(1.0 / 400) / 50;
  return 2000 / k * (exp(k * t) - 1);
}

static double up_and_level_and_down(double t) {
  double up = fmin(t, 20), level = fmin(fmax(t - 20, 0), 60), down = fmax(t - 80, 0);
  return 100.0 / 20 * up * up / 2 + 100 * level + 100 * down - 100.0 / 20 * down * down / 2;
}

static void ramps_begin_what_their_integral_says(void **state) {
  (void)state;
  check_slices("10..1000@60s", 60, linear_up);
  check_slices("500..0@40s", 40, linear_down_to_nothing);
  check_slices("5..1000@50s:exp", 50, exponential_up);
  check_slices("2000..5@50s:exp", 50, exponential_down);
  check_slices("0..100@20s,100@1m,100..0@20s", 100, up_and_level_and_down);
}

static void a_pause_between_stages_is_empty(void **state) {
  scene s;
  shape_start start;
  unsigned before = 0, after = 0;
  (void)state;
  scene_open(&s, "--rate-stages 50@2s,0@3s,50@2s --arrivals constant");
  shape *walk = shape_open(&s.spec, 0, 1);
  while (shape_next(walk, &start)) {
    assert_true(start.at_ns < 2 * S || start.at_ns >= 5 * S);
    if (start.at_ns < 2 * S)
      before++;
    else
      after++;
  }
  assert_int_equal(before, 100);
  assert_int_equal(after, 100);
  shape_free(walk);
  scene_close(&s);
}

static void stages_lead_there_and_back(void **state) {
  static const shape_stage stages[] = {
      {10, 10, 30 * S, false},  {0, 100, 20 * S, false},   {100, 0, 20 * S, false},
      {3, 4000, 90 * S, false}, {3, 4000, 90 * S, true},   {4000, 3, 90 * S, true},
      {10, 10.001, S, true},    {1, 1e7, 100 * S, true},   {7, 7, SHAPE_FOREVER, false},
      {5, 5, 10 * S, true},     {1e7, 1e-3, 50 * S, true}, {1e-3, 1e-2, 900 * S, false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
    double length = stages[i].ns == SHAPE_FOREVER ? 1000 : (double)stages[i].ns / 1e9;
    for (double share = 0.01; share < 1; share += 0.01) {
      double at = length * share, amount = stages_amount(&stages[i], at);
      assert_true(amount < stages_total(&stages[i]));
      assert_true(fabs(stages_when(&stages[i], amount) - at) < 1e-7 * length);
    }
    if (stages[i].ns != SHAPE_FOREVER)
      assert_true(fabs(stages_amount(&stages[i], length) / stages_total(&stages[i]) - 1) < 1e-9);
  }
}

/* --- parts and the whole --- */

static void check_parts(const char *line, uint64_t parts) {
  shape *walks[16];
  shape_start whole, part;
  uint64_t count = 0;
  scene s;
  scene_open(&s, line);
  for (uint64_t i = 0; i < parts; i++) walks[i] = shape_open(&s.spec, i, parts);
  shape *all = shape_open(&s.spec, 0, 1);
  while (shape_next(all, &whole)) {
    assert_true(shape_next(walks[count % parts], &part));
    assert_true(part.at_ns == whole.at_ns && part.index == whole.index);
    assert_true(part.warmup == whole.warmup);
    count++;
  }
  assert_true(count > 0);
  for (uint64_t i = 0; i < parts; i++) {
    assert_false(shape_next(walks[i], &part));
    shape_free(walks[i]);
  }
  shape_free(all);
  scene_close(&s);
}

static void parts_together_are_the_whole(void **state) {
  static const char *const lines[] = {
      "--rate 500 --duration 3s --warmup 1s",
      "--rate 500 --requests 997 --warmup 50 --arrivals gamma --burstiness 0.2",
      "--rate-stages 1..300@3s,300..1@3s:exp --seed 99 --warmup 2s",
      "--burst 101 --burst-every 100ms --requests 1009 --warmup 1s",
      "--rate inf --requests 57",
  };
  (void)state;
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
    for (uint64_t parts = 1; parts <= 16; parts = parts * 2 + (parts == 2))
      check_parts(lines[i], parts);
}

/* --- limits --- */

static void requests_end_an_open_loop_exactly(void **state) {
  scene s;
  uint64_t last = 0;
  (void)state;
  scene_open(&s, "--rate 100 --requests 1234");
  assert_true(count_starts(&s.spec, &last) == 1234);
  assert_true(shape_length(&s.spec) == SHAPE_FOREVER);
  scene_close(&s);
  scene_open(&s, "--rate 100 --requests 1234 --duration 1s --arrivals constant");
  assert_true(count_starts(&s.spec, &last) == 100);
  scene_close(&s);
}

static void a_warmup_by_time_counts_neither_to_requests_nor_to_the_duration(void **state) {
  scene s;
  uint64_t last = 0;
  (void)state;
  scene_open(&s, "--rate 100 --arrivals constant --warmup 2s --requests 50");
  assert_true(count_starts(&s.spec, &last) == 250);
  assert_true(shape_window(&s.spec) == 2 * S);
  scene_close(&s);
  scene_open(&s, "--rate 100 --arrivals constant --warmup 2s --duration 3s");
  assert_true(count_starts(&s.spec, &last) == 500);
  assert_true(last == 4990 * MS);
  scene_close(&s);
}

static void a_warmup_by_number_ends_with_its_last_request(void **state) {
  scene s;
  shape_start start;
  uint64_t last = 0, window = 0;
  (void)state;
  scene_open(&s, "--rate 100 --warmup 30 --requests 50");
  shape *walk = shape_open(&s.spec, 0, 1);
  for (int i = 0; i < 80; i++) {
    assert_true(shape_next(walk, &start));
    assert_true(start.warmup == (i < 30));
    if (i == 30) window = start.at_ns;
  }
  assert_false(shape_next(walk, &start));
  shape_free(walk);
  assert_true(shape_window(&s.spec) == window && window > 0);
  scene_close(&s);
  scene_open(&s, "--rate 100 --arrivals constant --warmup 30 --duration 1s");
  assert_true(shape_window(&s.spec) == 300 * MS);
  assert_true(count_starts(&s.spec, &last) == 130);
  scene_close(&s);
}

static void a_ramp_comes_from_nothing_and_stays(void **state) {
  scene s;
  uint64_t last = 0;
  (void)state;
  scene_open(&s, "--rate 100 --ramp 10s --duration 15s --arrivals constant");
  assert_true(count_starts(&s.spec, &last) == 1000);
  scene_close(&s);
  scene_open(&s, "--rate 100 --ramp 10s --warmup 10s --duration 5s --arrivals constant");
  assert_true(count_starts(&s.spec, &last) == 1000);
  assert_true(shape_window(&s.spec) == 10 * S);
  scene_close(&s);
}

static void stages_are_warmed_up_in_front(void **state) {
  scene s;
  uint64_t last = 0;
  (void)state;
  scene_open(&s, "--rate-stages 20..40@10s --warmup 5s --arrivals constant");
  assert_true(shape_length(&s.spec) == 15 * S);
  assert_true(count_starts(&s.spec, &last) == 100 + 300);
  scene_close(&s);
  scene_open(&s, "--rate-stages 0..40@10s --warmup 5s --arrivals constant");
  assert_true(count_starts(&s.spec, &last) == 200 + 200);
  scene_close(&s);
}

static void bursts_are_at_one_instant_each(void **state) {
  scene s;
  shape_start start;
  uint64_t last = 0;
  (void)state;
  scene_open(&s, "--burst 1000");
  assert_true(count_starts(&s.spec, &last) == 1000 && last == 0);
  assert_true(shape_length(&s.spec) > last && shape_streams_max(&s.spec) == 1000);
  scene_close(&s);
  scene_open(&s, "--burst 10 --burst-every 2s --requests 35 --warmup 3s");
  assert_true(shape_length(&s.spec) == 9 * S + 1);
  shape *walk = shape_open(&s.spec, 0, 1);
  for (uint64_t i = 0; i < 45; i++) {
    assert_true(shape_next(walk, &start));
    assert_true(start.at_ns == (i < 10 ? 0 : 3 * S + (i - 10) / 10 * 2 * S));
    assert_true(start.warmup == (i < 10));
  }
  assert_false(shape_next(walk, &start));
  shape_free(walk);
  scene_close(&s);
  scene_open(&s, "--burst 10 --burst-every off");
  assert_true(count_starts(&s.spec, &last) == 10 && last == 0);
  scene_close(&s);
  scene_open(&s, "--burst 10 --burst-every 2s --duration 5s");
  assert_true(count_starts(&s.spec, &last) == 30 && last == 4 * S);
  scene_close(&s);
}

static void an_endless_rate_is_a_burst_or_under_a_cap_a_closed_loop(void **state) {
  scene s;
  uint64_t last = 0, changes = 0;
  (void)state;
  scene_open(&s, "--rate inf --requests 300");
  assert_int_equal(s.spec.kind, RESULT_BURST);
  assert_true(count_starts(&s.spec, &last) == 300 && last == 0);
  scene_close(&s);
  scene_open(&s, "--request-rate inf --max-concurrency 8 --num-prompts 300");
  assert_int_equal(s.spec.kind, RESULT_CLOSED);
  assert_true(shape_streams_at(&s.spec, 0, &changes) == 8 && changes == UINT64_MAX);
  assert_true(s.spec.requests == 300);
  scene_close(&s);
}

static void starts_go_on_from_where_another_point_ended(void **state) {
  scene s;
  uint64_t last = 0;
  (void)state;
  scene_open(&s, "--rate 100 --requests 10");
  s.spec.index_from = 5000;
  assert_true(count_starts(&s.spec, &last) == 10);
  scene_close(&s);
}

/* --- closed loops --- */

static void a_closed_loop_is_at_its_level_at_once(void **state) {
  scene s;
  uint64_t changes = 0;
  (void)state;
  scene_open(&s, "-c 500");
  assert_int_equal(s.spec.kind, RESULT_CLOSED);
  assert_true(shape_streams_at(&s.spec, 0, &changes) == 500 && changes == UINT64_MAX);
  assert_true(shape_streams_at(&s.spec, 999 * S, &changes) == 500);
  assert_true(s.spec.requests == 500 && shape_streams_max(&s.spec) == 500);
  scene_close(&s);
  scene_open(&s, "");
  assert_true(shape_streams_at(&s.spec, 0, &changes) == 1 && s.spec.requests == 1);
  scene_close(&s);
  scene_open(&s, "-c 5 -n 3");
  assert_true(shape_streams_max(&s.spec) == 3 && s.spec.requests == 3);
  scene_close(&s);
  scene_open(&s, "-c 5 -n 3 --warmup 4");
  assert_true(shape_streams_max(&s.spec) == 4 && shape_window(&s.spec) == SHAPE_FOREVER);
  scene_close(&s);
  scene_open(&s, "-c 5 --duration 1s --warmup 2s");
  assert_true(s.spec.requests == UINT64_MAX && shape_window(&s.spec) == 2 * S);
  scene_close(&s);
}

/* Every change is told, each is by one stream within a ramp, and none is missed between. */
static void check_streams(const shape_spec *spec, uint64_t end_ns, uint64_t most) {
  uint64_t at = 0, changes = 0, looks = 0;
  while (at < end_ns) {
    uint64_t streams = shape_streams_at(spec, at, &changes), ignored = 0;
    assert_true(streams <= most);
    assert_true(changes > at);
    if (changes == UINT64_MAX) break;
    assert_true(shape_streams_at(spec, changes - 1, &ignored) == streams);
    assert_true(shape_streams_at(spec, at + (changes - at) / 2, &ignored) == streams);
    at = changes;
    assert_true(++looks < 3 * most + 10);
  }
}

static void streams_come_one_by_one_in_a_ramp(void **state) {
  static const struct {
    const char *line;
    uint64_t end_s, most;
  } cases[] = {
      {"-c 10 --ramp 10s --duration 20s", 20, 10},
      {"-c 1 --ramp 1h --duration 2h", 7200, 1},
      {"-c 3000 --ramp 1s --duration 2s", 2, 3000},
      {"-c 7 --ramp 90m --duration 2h", 7200, 7},
      {"--concurrency-stages 1..64@60s:exp", 60, 64},
      {"--concurrency-stages 64..1@60s:exp,1..5@5s,0@2s,5..0@7s", 74, 64},
      {"--concurrency-stages 0..1000@10s,1000..0@10s", 20, 1000},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    scene s;
    scene_open(&s, cases[i].line);
    assert_true(shape_streams_max(&s.spec) == cases[i].most);
    check_streams(&s.spec, cases[i].end_s * S, cases[i].most);
    scene_close(&s);
  }
}

static void the_first_stream_of_a_ramp_is_there_at_once(void **state) {
  scene s;
  uint64_t changes = 0;
  (void)state;
  scene_open(&s, "-c 10 --ramp 10s --duration 20s");
  assert_true(shape_streams_at(&s.spec, 0, &changes) == 1);
  assert_true(changes > S && changes < S + 1000);
  assert_true(shape_streams_at(&s.spec, 4 * S + 500 * MS, &changes) == 5);
  assert_true(shape_streams_at(&s.spec, 10 * S, &changes) == 10 && changes == UINT64_MAX);
  scene_close(&s);
  scene_open(&s, "--concurrency-stages 10..2@8s,0@1s,3@1s");
  assert_true(shape_streams_at(&s.spec, 0, &changes) == 10);
  assert_true(changes <= S && changes > S - 1000);
  assert_true(shape_streams_at(&s.spec, S, &changes) == 9);
  assert_true(shape_streams_at(&s.spec, 8 * S + 500 * MS, &changes) == 0 && changes == 9 * S);
  assert_true(shape_streams_at(&s.spec, 9 * S, &changes) == 3 && changes == 10 * S);
  assert_true(shape_streams_at(&s.spec, 10 * S, &changes) == 0 && changes == UINT64_MAX);
  scene_close(&s);
}

/* --- what a report says --- */

static void an_offer_names_its_shape(void **state) {
  static const struct {
    const char *line, *label, *arrivals;
    double rate;
    int64_t concurrency;
    double burstiness;
  } cases[] = {
      {"-c 500", "concurrency 500", "", -1, 500, -1},
      {"--rate 40 --duration 5s", "rate 40/s", "poisson", 40, -1, 1},
      {"--rate 0.5 --requests 5 -c 3", "rate 0.5/s", "poisson", 0.5, 3, 1},
      {"--rate 40 --duration 5s --burstiness 0.5", "rate 40/s", "gamma", 40, -1, 0.5},
      {"--rate 40 --duration 5s --arrivals constant", "rate 40/s", "constant", 40, -1, -1},
      {"--rate 40 --duration 10s --ramp 10s", "rate 40/s", "poisson", 20, -1, 1},
      {"--rate 40 --duration 10s --ramp 10s --warmup 10s", "rate 40/s", "poisson", 40, -1, 1},
      {"--rate 40 --requests 200 --ramp 10s", "rate 40/s", "poisson", 20, -1, 1},
      {"--rate-stages 10@30s,40@30s --warmup 5s", "rate in 2 stages, 40/s at last", "poisson", 25,
       -1, 1},
      {"--concurrency-stages 1..9@30s,4@1s", "concurrency in 2 stages, 4 at last", "", -1, 9, -1},
      {"--burst 1000", "burst of 1000", "burst", -1, -1, -1},
      {"--burst 10 --burst-every 1.5s --requests 20", "bursts of 10 every 1.5 s", "burst", -1, -1,
       -1},
      {"--sweep rate=10..100 --duration 5s", "rate 10/s", "poisson", 10, -1, 1},
      {"--sweep concurrency=4,8 -n 20", "concurrency 4", "", -1, 4, -1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    scene s;
    result_offer offer;
    scene_open(&s, cases[i].line);
    shape_offer(&s.spec, &offer);
    assert_string_equal(offer.label, cases[i].label);
    assert_string_equal(offer.arrivals, cases[i].arrivals);
    assert_true(fabs(offer.rate - cases[i].rate) < 1e-9);
    assert_true(offer.concurrency == cases[i].concurrency);
    assert_true(offer.burstiness == cases[i].burstiness && offer.shape == s.spec.kind);
    scene_close(&s);
  }
}

static void the_rest_is_read(void **state) {
  scene s;
  (void)state;
  scene_open(&s, "--rate 5 --requests 7 -c 3 --end cut --seed 77");
  assert_true(s.spec.cap == 3 && s.spec.cut && s.spec.drain_ns == UINT64_MAX);
  assert_true(s.spec.seed == 77 && shape_streams_max(&s.spec) == 3);
  scene_close(&s);
  scene_open(&s, "-c 3 --think 250ms --drain-timeout 4s -n 9");
  assert_true(s.spec.think_ns == 250 * MS && s.spec.drain_ns == 4 * S && !s.spec.cut);
  scene_close(&s);
  scene_open(&s, "--rate 5 --requests 7 --turns 3 --think 1s --drain-timeout off");
  assert_true(s.spec.think_ns == S && s.spec.drain_ns == UINT64_MAX);
  assert_true(shape_streams_max(&s.spec) == 7);
  scene_close(&s);
}

static void another_level_keeps_the_ramp(void **state) {
  scene s;
  uint64_t changes = 0;
  (void)state;
  scene_open(&s, "--sweep concurrency=4,8 --ramp 1s --requests 100");
  shape_spec_level(&s.spec, 8);
  assert_true(s.spec.requests == 100 && s.spec.stage_count == 2);
  assert_true(shape_streams_at(&s.spec, 0, &changes) == 1);
  assert_true(shape_streams_at(&s.spec, S, &changes) == 8);
  scene_close(&s);
}

/* --- what is said --- */

/* What must not go together, and words of what is said of it. */
static const struct {
  const char *line, *said;
} refusals[] = {
    {"--rate 5 --burst 5", "--rate and --burst each say when requests begin: leave out one"},
    {"--rate-stages 1@1s --concurrency-stages 1@1s", "--rate-stages and --concurrency-stages each"},
    {"--sweep rate=1,2 --rate 5", "--rate and --sweep each say"},
    {"--replay a --burst 5", "--burst and --replay each say"},
    {"--rate 5", "--rate goes on for ever: say until when, --duration TIME or --requests N"},
    {"--rate 5 --duration off", "--rate goes on for ever"},
    {"-c 5 --ramp 5s", "--ramp goes on for ever"},
    {"--sweep rate=1,2", "--sweep goes on for ever"},
    {"--burst 5 --burst-every 5s", "--burst-every goes on for ever"},
    {"--burst 5 --requests 6", "leave --requests out, or add --burst-every TIME"},
    {"--rate inf", "say how many, --requests N, or how many at a time, --concurrency C"},
    {"--rate 0 --requests 5", "--rate 0: it is requests a second, from 0.000001 to 10000000"},
    {"--rate ten --requests 5", "--rate ten: it is requests a second"},
    {"--rate -5 --requests 5", "--rate -5: it is requests a second"},
    {"--arrivals poisson", "give it a finite --rate, or --rate-stages"},
    {"--arrivals poisson --rate inf -n 5", "give it a finite --rate"},
    {"--burstiness 2 -c 5", "--burstiness is how an open loop's starts lie"},
    {"--burstiness 2 --arrivals poisson --rate 5 -n 5", "is that of --arrivals gamma"},
    {"--burstiness 0 --rate 5 -n 5", "--burstiness 0: it is from 0.01 to"},
    {"--ramp 5s --burst 5", "in stages write it as 0..10@30s"},
    {"--ramp 5s --rate-stages 5@5s", "in stages write it as 0..10@30s"},
    {"--burst-every 5s", "say how large it is, --burst N"},
    {"--replay-speed 2", "say which, --replay FILE"},
    {"--slo ttft.p99<1s", "for a single load write --require"},
    {"-c 5 --concurrency-stages 5@5s", "is one level, and other options give several"},
    {"-c 5 --sweep concurrency=1,2", "is one level, and other options give several"},
    {"--think 1s --rate 5 -n 5", "leave it out, or give --turns"},
    {"--end cut --drain-timeout 5s", "leave out --drain-timeout"},
    {"--warmup soon", "it is a number of requests up to 1000000, as 50, or a time, as 10s"},
    {"--warmup -5", "--warmup -5: it is a number of requests"},
    {"--warmup 5000000", "--warmup 5000000: it is a number of requests"},
    {"--warmup 5 --rate-stages 5@5s", "stages go by the clock: give the warm-up a time, as 10s"},
    {"--warmup 5 --burst 5", "bursts go by the clock"},
    {"--warmup 5 --rate inf -n 5", "bursts go by the clock"},
    {"--rate-stages 5", "in \"5\", it says for how long: LEVEL@TIME"},
    {"--rate-stages 5@5s,,5@5s", "in \"\", it says for how long"},
    {"--rate-stages 5@0s", "its time is above 0"},
    {"--rate-stages 5@soon", "its time is above 0, as 30s, 1m or 1.5h"},
    {"--rate-stages x@5s", "in \"x@5s\", a level is a number from 0 on"},
    {"--rate-stages 5..x@5s", "a level is a number from 0 on"},
    {"--rate-stages -5@5s", "a level is a number from 0 on"},
    {"--rate-stages 1e9@5s", "its level is higher than leat can offer"},
    {"--rate-stages 5..9@5s:log", "behind the time only :exp may stand"},
    {"--rate-stages 0..9@5s:exp", "an exponential way has no end at 0"},
    {"--rate-stages 0@5s", "it never rises above 0"},
    {"--concurrency-stages 1.5@5s", "streams are whole numbers"},
    {"--concurrency-stages 2000000@5s", "its level is higher than leat can offer"},
    {"--replay /nowhere/trace.csv", "cannot read /nowhere/trace.csv"},
    {"--replay /dev/null --replay-speed 0", "--replay-speed 0: it is from 0.001 to 1000000"},
    {"--replay /dev/null", "--replay /dev/null: line 1: it is neither JSON"},
    {"--sweep 1,2 -n 5", "it says what is varied: rate=10,20,40 or concurrency=1..1024"},
    {"--sweep rate= -n 5", "a level is a number"},
    {"--sweep rate=0 -n 5", "a rate is from 0.000001"},
    {"--sweep rate=2,1 -n 5", "each level is above the one before it"},
    {"--sweep rate=2..1 -n 5", "a range leads upward"},
    {"--sweep rate=1,2..4 -n 5", "it is a list or a range, not both"},
    {"--sweep concurrency=1,2", "--sweep goes on for ever"},
    {"--sweep concurrency=1.5 -n 5", "a concurrency is a whole number from 1 to 1000000"},
    {"--sweep concurrency=1..x -n 5", "a level is a number"},
    {"--sweep concurrency=0,1 -n 5", "a concurrency is a whole number"},
};

static void what_cannot_be_is_said_with_what_to_do(void **state) {
  char said[4096];
  (void)state;
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    asked a = {0};
    asked_ear ear;
    shape_spec spec;
    const cli_options *options = asked_parse(&a, refusals[i].line);
    assert_non_null(options);
    asked_listen(&ear);
    bool fine = shape_spec_init(&spec, options);
    asked_said(&ear, said, sizeof said);
    shape_spec_free(&spec);
    asked_free(&a);
    if (fine || !strstr(said, refusals[i].said)) fail_msg("%s: %s", refusals[i].line, said);
    assert_true(strchr(said, '\n') == said + strlen(said) - 1);
  }
}

static void too_many_stages_are_refused(void **state) {
  static char line[SHAPE_STAGES_MAX * 5 + 8];
  char why[STAGES_WHY_MAX];
  static shape_spec spec;
  stages_form form = {SHAPE_RATE_MAX, false};
  size_t used = 0;
  (void)state;
  for (int i = 0; i < SHAPE_STAGES_MAX - 1; i++)
    used += (size_t)snprintf(line + used, sizeof line - used, "%s1@1s", i ? "," : "");
  assert_true(stages_parse(line, form, &spec, why));
  assert_int_equal(spec.stage_count, SHAPE_STAGES_MAX - 1);
  snprintf(line + used, sizeof line - used, ",1@1s");
  assert_false(stages_parse(line, form, &spec, why));
  assert_non_null(strstr(why, "there are too many stages before it"));
  memset(line, '1', 100);
  assert_false(stages_parse(line, form, &spec, why));
  assert_non_null(strstr(why, "it is too long"));
}

/* Numbers that a schedule had when this was written: they are what they will be on every machine.
 */
static void a_schedule_is_the_same_on_every_machine(void **state) {
  static const uint64_t poisson[] = {577445, 999783, 1438122, 2129278, 2313935};
  static const uint64_t ramp[] = {803254184, 8045744737, 9733501071, 10695558678, 11601445152};
  shape_start start;
  scene s;
  (void)state;
  scene_open(&s, "--rate 1000 --requests 5");
  shape *walk = shape_open(&s.spec, 0, 1);
  for (size_t i = 0; i < 5; i++) assert_true(shape_next(walk, &start) && start.at_ns == poisson[i]);
  shape_free(walk);
  scene_close(&s);
  scene_open(&s, "--rate-stages 1..100@10s:exp,100..1@10s --burstiness 0.5 --seed 2");
  walk = shape_open(&s.spec, 0, 100);
  for (size_t i = 0; i < 5; i++) assert_true(shape_next(walk, &start) && start.at_ns == ramp[i]);
  shape_free(walk);
  scene_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(constant_starts_are_evenly_spaced_from_zero_on),
      cmocka_unit_test(ramps_begin_what_their_integral_says),
      cmocka_unit_test(a_pause_between_stages_is_empty),
      cmocka_unit_test(stages_lead_there_and_back),
      cmocka_unit_test(parts_together_are_the_whole),
      cmocka_unit_test(requests_end_an_open_loop_exactly),
      cmocka_unit_test(a_warmup_by_time_counts_neither_to_requests_nor_to_the_duration),
      cmocka_unit_test(a_warmup_by_number_ends_with_its_last_request),
      cmocka_unit_test(a_ramp_comes_from_nothing_and_stays),
      cmocka_unit_test(stages_are_warmed_up_in_front),
      cmocka_unit_test(bursts_are_at_one_instant_each),
      cmocka_unit_test(an_endless_rate_is_a_burst_or_under_a_cap_a_closed_loop),
      cmocka_unit_test(starts_go_on_from_where_another_point_ended),
      cmocka_unit_test(a_closed_loop_is_at_its_level_at_once),
      cmocka_unit_test(streams_come_one_by_one_in_a_ramp),
      cmocka_unit_test(the_first_stream_of_a_ramp_is_there_at_once),
      cmocka_unit_test(an_offer_names_its_shape),
      cmocka_unit_test(the_rest_is_read),
      cmocka_unit_test(another_level_keeps_the_ramp),
      cmocka_unit_test(what_cannot_be_is_said_with_what_to_do),
      cmocka_unit_test(too_many_stages_are_refused),
      cmocka_unit_test(a_schedule_is_the_same_on_every_machine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
