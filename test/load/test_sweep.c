/* Sweeps against servers of arithmetic, whose knee is known: which loads are run, in which order,
 * and what is found. */
#include "bench/load/shape/sweep.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "asked.h"
#include "bindings/cli/program.h"

#define S UINT64_C(1000000000)

/* A server that answers `capacity` requests a second and whose waiting grows as in a queue; of a
 * closed loop each stream waits for its turn. */
typedef struct server {
  double capacity, ttft_ms;
  double failing_above; /* loads at which one of ten requests fails; 0: none */
  double client_limit;  /* loads at which the client's certificate is invalid; 0: none */
  bool tokens;          /* it tells its tokens, ten an answer */
  size_t noisy;         /* this point's p99 is ten times what it should be; 0: none */
} server;

typedef struct scene {
  asked asked;
  shape_spec spec;
  sweep *sweep;
  result *result;
  double levels[RESULT_POINTS_MAX];
  result_knee knee;
} scene;

static double offered(const shape_spec *spec) {
  return spec->stages[spec->stage_count - 1].to;
}

/* What a point of this load would measure. */
static void measure_point(const server *v, double load, bool closed, result_point *p) {
  double use = load / v->capacity, rate = fmin(load, v->capacity);
  double ttft_ms = use < 1 ? fmin(v->ttft_ms / (1 - use), 9000) : 9000;
  if (closed) {
    rate = fmin(load / (v->ttft_ms / 1e3), v->capacity);
    ttft_ms = load / rate * 1e3;
  }
  p->wall_s = p->window_s = 100;
  p->counts.started = p->counts.completed = (uint64_t)(rate * 100);
  if (v->failing_above > 0 && load > v->failing_above) {
    p->counts.failed = p->counts.completed / 10;
    p->counts.completed -= p->counts.failed;
  }
  if (v->tokens) p->volume.output_tokens = (int64_t)p->counts.completed * 10;
  lti_hist *h = lti_hist_new(cli_program_alloc());
  assert_non_null(h);
  lti_hist_record(h, (uint64_t)(ttft_ms * 1e3));
  p->latencies[MEASURE_TTFT].sent = h;
  bool limited = v->client_limit > 0 && load >= v->client_limit;
  p->certificate.verdict = limited ? RESULT_INVALID : RESULT_VALID;
}

static void scene_open(scene *s, const char *line, int shards) {
  memset(s, 0, sizeof *s);
  const cli_options *options = asked_parse(&s->asked, line);
  assert_non_null(options);
  assert_true(shape_spec_init(&s->spec, options));
  s->sweep = sweep_open(options, shards);
  s->result = result_new();
  assert_true(s->sweep && s->result);
}

static void scene_close(scene *s) {
  sweep_free(s->sweep);
  result_free(s->result);
  shape_spec_free(&s->spec);
  asked_free(&s->asked);
}

/* Runs the sweep to its end. */
static void scene_run(scene *s, const char *line, const server *v, int shards) {
  scene_open(s, line, shards);
  while (sweep_next(s->sweep, s->result, &s->spec)) {
    size_t i = s->result->point_count;
    assert_true(s->spec.index_from == i * UINT64_C(1000000000));
    result_point *p = result_add(s->result);
    assert_non_null(p);
    s->levels[i] = offered(&s->spec);
    measure_point(v, s->levels[i], s->spec.kind == RESULT_CLOSED, p);
    if (v->noisy && i == v->noisy) lti_hist_record(p->latencies[MEASURE_TTFT].sent, 900000);
  }
  sweep_knee(s->sweep, s->result, &s->knee);
}

static void check_levels(const scene *s, const double *levels, size_t count) {
  if (s->result->point_count != count) fail_msg("%zu points", s->result->point_count);
  for (size_t i = 0; i < count; i++)
    if (fabs(s->levels[i] - levels[i]) > 1e-9) fail_msg("point %zu is %g", i, s->levels[i]);
}

#define CHECK_LEVELS(s, ...)                     \
  check_levels(s, (const double[]){__VA_ARGS__}, \
               sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static const server quick = {.capacity = 333, .ttft_ms = 20};

static void a_list_is_run_as_it_stands(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=10,20.5,400,500,600 --duration 1s", &quick, 1);
  CHECK_LEVELS(&s, 10, 20.5, 400, 500, 600);
  scene_close(&s);
  scene_run(&s, "--sweep rate=400,500,600 --duration 1s --slo ttft.p99<100ms", &quick, 1);
  CHECK_LEVELS(&s, 400, 500, 600);
  assert_true(s.knee.searched && !s.knee.found);
  assert_string_equal(s.knee.level, "ttft.p99<100ms: met by no point");
  scene_close(&s);
}

static void each_point_has_the_same_warmup_and_limits(void **state) {
  scene s;
  (void)state;
  scene_open(&s, "--sweep rate=10,20 --duration 5s --warmup 2s --requests 9", 1);
  assert_true(sweep_highest(s.sweep) == 20);
  for (int i = 0; i < 2; i++) {
    assert_true(sweep_next(s.sweep, s.result, &s.spec));
    assert_true(s.spec.duration_ns == 5 * S && s.spec.warmup_ns == 2 * S && s.spec.requests == 9);
    assert_non_null(result_add(s.result));
  }
  assert_false(sweep_next(s.sweep, s.result, &s.spec));
  scene_close(&s);
}

static void a_level_is_closed_in_on_until_ten_percent(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=10..1000 --duration 1s --slo ttft.p99<500ms", &quick, 1);
  CHECK_LEVELS(&s, 10, 20, 40, 80, 160, 320, 226, 269, 293);
  assert_true(s.knee.found && s.knee.point == 8);
  assert_string_equal(s.knee.level, "ttft.p99<500ms");
  scene_close(&s);
}

/* Wherever the knee lies, what is found met the level and is less than 10 % below it. */
static void a_knee_is_found_wherever_it_lies(void **state) {
  (void)state;
  for (double capacity = 13; capacity < 900; capacity *= 1.17) {
    scene s;
    server v = {.capacity = capacity, .ttft_ms = 20};
    double knee = capacity * (1 - 20.0 / 500);
    scene_run(&s, "--sweep rate=10..1000 --duration 1s --slo ttft.p99<500ms", &v, 1);
    assert_true(s.knee.found && s.result->point_count < 16);
    double found = s.levels[s.knee.point];
    assert_true(found <= knee * 1.001 && found > knee / 1.1 * 0.995);
    scene_close(&s);
  }
}

static void streams_are_searched_in_whole_numbers(void **state) {
  scene s;
  server v = {.capacity = 55, .ttft_ms = 100};
  (void)state;
  scene_run(&s, "--sweep concurrency=1..64 -n 50 --slo ttft.p99<=120ms", &v, 1);
  CHECK_LEVELS(&s, 1, 2, 4, 8, 6, 7);
  assert_true(s.knee.found && s.levels[s.knee.point] == 6);
  scene_close(&s);
}

static void all_levels_must_be_met(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=100,200,300 --duration 1s --slo ttft.p99<60ms --slo rate>150", &quick,
            1);
  assert_true(!s.knee.found);
  assert_string_equal(s.knee.level, "ttft.p99<60ms and rate>150: met by no point");
  scene_close(&s);
  scene_run(&s, "--sweep rate=160,200,300 --duration 1s --slo ttft.p99<60ms --slo rate>150", &quick,
            1);
  assert_true(s.knee.found && s.levels[s.knee.point] == 200);
  scene_close(&s);
}

static void a_level_that_all_meet_has_no_knee(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=10..100 --duration 1s --slo ttft.p99<500ms", &quick, 1);
  CHECK_LEVELS(&s, 10, 20, 40, 80, 100);
  assert_true(s.knee.searched && !s.knee.found && s.knee.point == 4);
  assert_string_equal(s.knee.level, "ttft.p99<500ms: met by every point");
  scene_close(&s);
}

static void a_range_that_misses_at_once_ends_at_once(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=10..1000 --duration 1s --slo ttft.p99<5ms", &quick, 1);
  CHECK_LEVELS(&s, 10);
  assert_true(!s.knee.found);
  scene_close(&s);
}

static void points_that_fail_meet_no_level(void **state) {
  scene s;
  server v = quick;
  (void)state;
  v.failing_above = 50;
  scene_run(&s, "--sweep rate=10..1000 --duration 1s --slo ttft.p99<500ms", &v, 1);
  CHECK_LEVELS(&s, 10, 20, 40, 80, 56.6, 47.6, 51.9);
  assert_true(s.knee.found && s.levels[s.knee.point] == 47.6);
  scene_close(&s);
  scene_run(&s, "--sweep rate=10,100 --duration 1s --slo error_rate<20%", &v, 1);
  assert_true(!s.knee.found && strstr(s.knee.level, "met by every point"));
  scene_close(&s);
}

static void a_client_at_its_limit_is_no_knee(void **state) {
  scene s;
  server v = quick;
  (void)state;
  v.client_limit = 100;
  scene_run(&s, "--sweep rate=10..1000 --duration 1s --slo ttft.p99<500ms", &v, 1);
  CHECK_LEVELS(&s, 10, 20, 40, 80, 160, 320);
  assert_true(!s.knee.found && s.knee.point == 4);
  assert_string_equal(s.knee.level, "ttft.p99<500ms: met until this client was the limit");
  scene_close(&s);
  scene_run(&s, "--sweep rate=10..100000 --duration 1s", &v, 1);
  CHECK_LEVELS(&s, 10, 20, 40, 80, 160, 320, 640);
  assert_true(!s.knee.found && strstr(s.knee.level, "this client was the limit"));
  scene_close(&s);
  scene_run(&s, "--sweep rate=500,600 --duration 1s --slo ttft.p99<500ms", &v, 1);
  assert_true(!s.knee.found);
  assert_string_equal(s.knee.level, "ttft.p99<500ms: this client was the limit");
  scene_close(&s);
}

/* Without a level: capacity 333, so that 320 still grows and 640 does not. p99 of 320 is more than
 * four times that of 160. */
static void without_a_level_the_knee_is_where_more_load_brings_nothing(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=10..100000 --duration 1s", &quick, 1);
  CHECK_LEVELS(&s, 10, 20, 40, 80, 160, 320, 640);
  assert_true(s.knee.found && s.levels[s.knee.point] == 160);
  assert_non_null(strstr(s.knee.level, "as the load doubles"));
  assert_null(strchr(s.knee.level, ':'));
  scene_close(&s);
}

static void throughput_is_that_of_tokens_where_they_are_told(void **state) {
  scene s;
  server v = {.capacity = 55, .ttft_ms = 100, .tokens = true};
  (void)state;
  scene_run(&s, "--sweep concurrency=1..4096 -n 5000", &v, 1);
  CHECK_LEVELS(&s, 1, 2, 4, 8, 16, 32);
  assert_true(s.knee.found && s.levels[s.knee.point] == 8);
  scene_close(&s);
}

static void a_single_slow_point_is_no_knee(void **state) {
  scene s;
  server v = quick;
  (void)state;
  v.noisy = 2;
  scene_run(&s, "--sweep rate=10..100000 --duration 1s", &v, 1);
  CHECK_LEVELS(&s, 10, 20, 40, 80, 160, 320, 640);
  assert_true(s.knee.found && s.levels[s.knee.point] == 160);
  scene_close(&s);
}

static void points_that_lie_close_are_held_against_half_their_load(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=100,110,120,130,140,150 --duration 1s", &quick, 1);
  assert_true(s.knee.searched && !s.knee.found);
  assert_non_null(strstr(s.knee.level, ": met by every point"));
  scene_close(&s);
  scene_run(&s, "--sweep rate=100,150,200,250,300,330,400 --duration 1s", &quick, 1);
  assert_true(s.knee.found && s.levels[s.knee.point] == 200);
  scene_close(&s);
}

static void machines_that_share_a_load_run_all_levels(void **state) {
  scene s;
  (void)state;
  scene_run(&s, "--sweep rate=100..800 --duration 1s --slo ttft.p99<5ms", &quick, 2);
  CHECK_LEVELS(&s, 100, 200, 400, 800);
  scene_close(&s);
}

static void an_interrupted_sweep_has_no_next_point(void **state) {
  scene s;
  (void)state;
  scene_open(&s, "--sweep rate=10,20 --duration 1s", 1);
  sweep_knee(s.sweep, s.result, &s.knee);
  assert_true(!s.knee.searched && !s.knee.found);
  assert_true(sweep_next(s.sweep, s.result, &s.spec));
  assert_non_null(result_add(s.result));
  s.result->interrupted = true;
  assert_false(sweep_next(s.sweep, s.result, &s.spec));
  scene_close(&s);
}

static void levels_that_cannot_be_read_are_said(void **state) {
  static const struct {
    const char *line, *said;
  } cases[] = {
      {"--sweep rate=1,2 -n 5 --slo nothing<5", "--slo nothing<5: "},
      {"--sweep rate=1,2 -n 5 --slo ttft.p99", "--slo ttft.p99: "},
      {"--sweep rate=1,2 -n 5 --slo a --slo b --slo c --slo d --slo e --slo f --slo g --slo h "
       "--slo "
       "i",
       "there are 9 levels, and at most 8 are held to"},
  };
  char said[2000];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    asked a = {0};
    asked_ear ear;
    const cli_options *options = asked_parse(&a, cases[i].line);
    assert_non_null(options);
    asked_listen(&ear);
    sweep *s = sweep_open(options, 1);
    asked_said(&ear, said, sizeof said);
    asked_free(&a);
    assert_null(s);
    if (!strstr(said, cases[i].said)) fail_msg("%s: %s", cases[i].line, said);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_is_run_as_it_stands),
      cmocka_unit_test(each_point_has_the_same_warmup_and_limits),
      cmocka_unit_test(a_level_is_closed_in_on_until_ten_percent),
      cmocka_unit_test(a_knee_is_found_wherever_it_lies),
      cmocka_unit_test(streams_are_searched_in_whole_numbers),
      cmocka_unit_test(all_levels_must_be_met),
      cmocka_unit_test(a_level_that_all_meet_has_no_knee),
      cmocka_unit_test(a_range_that_misses_at_once_ends_at_once),
      cmocka_unit_test(points_that_fail_meet_no_level),
      cmocka_unit_test(a_client_at_its_limit_is_no_knee),
      cmocka_unit_test(without_a_level_the_knee_is_where_more_load_brings_nothing),
      cmocka_unit_test(throughput_is_that_of_tokens_where_they_are_told),
      cmocka_unit_test(a_single_slow_point_is_no_knee),
      cmocka_unit_test(points_that_lie_close_are_held_against_half_their_load),
      cmocka_unit_test(machines_that_share_a_load_run_all_levels),
      cmocka_unit_test(an_interrupted_sweep_has_no_next_point),
      cmocka_unit_test(levels_that_cannot_be_read_are_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
