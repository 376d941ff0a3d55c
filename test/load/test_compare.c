/* Comparisons of runs whose truth is known: none differ, or all by so much. The runs come from a
 * seeded generator with heavy tails, within a run and from run to run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "bench/load/report/compare.h"
#include "bench/load/report/maxt.h"
#include "bindings/cli/program.h"

#define RUNS_MAX 10
#define REQUESTS 300

static lti_prng prng;

static double normal(void) {
  double radius = sqrt(-2 * log(1 - lti_prng_unit(&prng)));
  return radius * cos(6.283185307179586 * lti_prng_unit(&prng));
}

static void record(lti_hist **h, double us) {
  if (!*h) *h = lti_hist_new(cli_program_alloc());
  assert_non_null(*h);
  lti_hist_record(*h, us < 1 ? 1 : us > 3e9 ? (uint64_t)3e9 : (uint64_t)us);
}

/* A run of 300 requests: times are lognormal, one in fifty takes ten times as long, and the run as
 * a whole has a good or a bad minute. `slower` times as slow as others. */
static result *make_run(double slower, double begun_at) {
  result *r = result_new();
  assert_non_null(r);
  result_point *p = result_add(r);
  assert_non_null(p);
  double minute = slower * exp(0.02 * fabs(normal()) * (lti_prng_unit(&prng) < 0.1 ? 4 : 1));
  snprintf(p->offer.label, sizeof p->offer.label, "concurrency 8");
  p->begun_at = begun_at;
  for (int i = 0; i < REQUESTS; i++) {
    double stuck = lti_prng_unit(&prng) < 0.02 ? 10 : 1;
    double ttft = 50000 * minute * stuck * exp(0.1 * normal());
    double gap = 10000 * minute * exp(0.05 * normal());
    record(&p->latencies[MEASURE_TTFT].sent, ttft);
    for (int k = 0; k < 5; k++) record(&p->latencies[MEASURE_ITL].sent, gap * exp(0.2 * normal()));
    record(&p->latencies[MEASURE_TPOT].sent, gap);
    record(&p->latencies[MEASURE_E2E].sent, ttft + 99 * gap);
    p->wall_s += (ttft + 99 * gap) / 8e6;
  }
  p->counts.started = p->counts.completed = REQUESTS;
  p->counts.failed = lti_prng_unit(&prng) < 0.2 ? 1 : 0;
  p->volume.output_tokens = 100 * REQUESTS;
  p->volume.events = 100 * REQUESTS;
  return r;
}

typedef struct pair {
  result *a[RUNS_MAX], *b[RUNS_MAX];
  compare_side sides[2];
  comparison *c;
} pair;

/* In turns, so that nothing but `slower` tells the sides apart. */
static void open_pair(pair *p, size_t first, size_t second, double slower) {
  memset(p, 0, sizeof *p);
  for (size_t i = 0; i < first; i++) p->a[i] = make_run(1, 1e9 + 1000 * (double)i);
  for (size_t i = 0; i < second; i++) p->b[i] = make_run(slower, 1e9 + 1000 * (double)i + 500);
  p->sides[0] = (compare_side){.name = "a.json", .runs = (const result *const *)p->a, first};
  p->sides[1] = (compare_side){.name = "b.json", .runs = (const result *const *)p->b, second};
}

static void judge_pair(pair *p) {
  p->c = compare_new(&p->sides[0], &p->sides[1]);
  assert_non_null(p->c);
}

static void close_pair(pair *p) {
  compare_free(p->c);
  for (size_t i = 0; i < RUNS_MAX; i++) {
    result_free(p->a[i]);
    result_free(p->b[i]);
  }
}

static size_t count_verdicts(const comparison *c, enum compare_verdict verdict) {
  size_t count = 0;
  for (size_t i = 0; i < c->row_count; i++) count += c->rows[i].verdict == verdict ? 1 : 0;
  return count;
}

static const compare_row *row_of(const comparison *c, const char *name) {
  for (size_t i = 0; i < c->row_count; i++)
    if (strcmp(c->rows[i].figure.name, name) == 0) return &c->rows[i];
  return NULL;
}

static bool is_warned(const comparison *c, const char *words) {
  for (size_t i = 0; i < c->warning_count; i++)
    if (strstr(c->warnings[i], words)) return true;
  return false;
}

/* --- verdicts --- */

static void equal_runs_rarely_differ(void **state) {
  size_t false_pairs = 0;
  (void)state;
  lti_prng_seed(&prng, 1);
  for (size_t i = 0; i < 100; i++) {
    pair p;
    size_t runs = 3 + i % 8;
    open_pair(&p, runs, i % 3 ? runs : runs < RUNS_MAX ? runs + 1 : runs, 1);
    judge_pair(&p);
    if (count_verdicts(p.c, COMPARE_BETTER) + count_verdicts(p.c, COMPARE_WORSE) > 0) false_pairs++;
    close_pair(&p);
  }
  assert_in_range(false_pairs, 0, 5);
}

static void a_tenth_slower_is_found_with_ten_runs(void **state) {
  (void)state;
  lti_prng_seed(&prng, 2);
  for (int i = 0; i < 5; i++) {
    pair p;
    open_pair(&p, 10, 10, 1.1);
    judge_pair(&p);
    const compare_row *ttft = row_of(p.c, "ttft.p50"), *rate = row_of(p.c, "rate");
    assert_int_equal(ttft->verdict, COMPARE_WORSE);
    assert_int_equal(row_of(p.c, "e2e.mean")->verdict, COMPARE_WORSE);
    assert_int_equal(rate->verdict, COMPARE_WORSE);
    assert_int_equal(row_of(p.c, "error_rate")->verdict, COMPARE_SAME);
    assert_int_equal(count_verdicts(p.c, COMPARE_BETTER), 0);
    assert_true(ttft->by_ratio);
    assert_true(ttft->low > 1 && ttft->low < 1.1 && ttft->high > 1.1);
    assert_true(rate->high < 1);
    assert_true(ttft->p <= 0.02);
    close_pair(&p);
  }
}

static void a_tenth_faster_is_better(void **state) {
  pair p;
  (void)state;
  lti_prng_seed(&prng, 3);
  open_pair(&p, 10, 10, 1 / 1.1);
  judge_pair(&p);
  assert_int_equal(row_of(p.c, "ttft.p50")->verdict, COMPARE_BETTER);
  assert_int_equal(row_of(p.c, "output_tokens_per_s")->verdict, COMPARE_BETTER);
  assert_int_equal(count_verdicts(p.c, COMPARE_WORSE), 0);
  close_pair(&p);
}

static void too_few_runs_decide_nothing(void **state) {
  static const size_t sizes[][2] = {{1, 1}, {1, 10}, {10, 1}, {2, 2}, {2, 4}, {3, 3}};
  (void)state;
  lti_prng_seed(&prng, 4);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    pair p;
    open_pair(&p, sizes[i][0], sizes[i][1], 2);
    judge_pair(&p);
    assert_int_equal(count_verdicts(p.c, COMPARE_UNDECIDABLE), p.c->row_count);
    assert_int_equal(p.c->ways, 0);
    assert_non_null(strstr(p.c->method, "nothing is decidable"));
    const compare_row *ttft = row_of(p.c, "ttft.p50");
    assert_true(ttft->a > 0 && ttft->b > 0);
    assert_true(fabs(ttft->ratio - 2) < 0.4);
    assert_true(isnan(ttft->low) && isnan(ttft->p));
    close_pair(&p);
  }
}

static void four_runs_a_side_decide(void **state) {
  pair p;
  (void)state;
  lti_prng_seed(&prng, 5);
  open_pair(&p, 4, 4, 2);
  judge_pair(&p);
  assert_int_equal(p.c->ways, 70);
  assert_int_equal(row_of(p.c, "ttft.p50")->verdict, COMPARE_WORSE);
  close_pair(&p);
}

static void a_figure_that_some_run_does_not_know_is_not_decidable(void **state) {
  pair p;
  (void)state;
  lti_prng_seed(&prng, 6);
  open_pair(&p, 5, 5, 1);
  p.b[2]->points[0].volume.output_tokens = -1;
  judge_pair(&p);
  assert_int_equal(row_of(p.c, "output_tokens_per_s")->verdict, COMPARE_UNDECIDABLE);
  assert_int_equal(row_of(p.c, "ttft.p50")->verdict, COMPARE_SAME);
  assert_null(row_of(p.c, "goodput"));
  close_pair(&p);
}

static void loads_of_a_sweep_are_paired_by_their_labels(void **state) {
  pair p;
  (void)state;
  lti_prng_seed(&prng, 7);
  open_pair(&p, 5, 5, 1);
  for (int i = 0; i < 5; i++) {
    result_point *point = result_add(p.a[i]);
    *point = p.a[i]->points[0];
    memset(point->latencies, 0, sizeof point->latencies);
    snprintf(point->offer.label, sizeof point->offer.label, "concurrency 16");
  }
  judge_pair(&p);
  for (size_t i = 0; i < p.c->row_count; i++)
    assert_string_equal(p.c->rows[i].point, "concurrency 8");
  assert_true(is_warned(p.c, "1 load of A and 0 of B have no counterpart"));
  close_pair(&p);
}

/* --- warnings --- */

static void set_config(result *r, const char *text) {
  lti_alloc_put(cli_program_alloc(), r->config);
  r->config = lti_alloc_zero(cli_program_alloc(), strlen(text) + 1);
  assert_non_null(r->config);
  memcpy(r->config, text, strlen(text));
}

static void runs_in_turns_of_one_config_are_not_warned_of(void **state) {
  pair p;
  (void)state;
  lti_prng_seed(&prng, 8);
  open_pair(&p, 5, 5, 1);
  judge_pair(&p);
  assert_int_equal(p.c->warning_count, 0);
  close_pair(&p);
}

static void what_makes_a_comparison_doubtful_is_said(void **state) {
  pair p;
  (void)state;
  lti_prng_seed(&prng, 9);
  open_pair(&p, 5, 5, 1);
  for (size_t i = 0; i < 5; i++) {
    set_config(p.a[i], "{\"rate\":10,\"title\":\"x\"}");
    set_config(p.b[i], i == 3 ? "{\"rate\":30}" : "{\"rate\":20}");
    p.b[i]->points[0].begun_at += 1e6;
  }
  snprintf(p.b[1]->machine.processor, sizeof p.b[1]->machine.processor, "another");
  snprintf(p.b[1]->machine.versions, sizeof p.b[1]->machine.versions, "leat 9");
  result_certificate *bad = &p.b[2]->points[0].certificate;
  bad->verdict = RESULT_INVALID;
  bad->reason_count = 1;
  snprintf(bad->reasons[0].text, sizeof bad->reasons[0].text, "the loop was away");
  p.a[0]->interrupted = true;
  judge_pair(&p);
  assert_true(is_warned(p.c, "A and B were not asked for the same (A / B): rate: 10 / 20"));
  assert_true(is_warned(p.c, "the runs of B are not of one config (run 1 / run 4): rate: 20 / 30"));
  assert_true(is_warned(p.c, "not all runs are of one machine"));
  assert_true(is_warned(p.c, "not all runs are of one program"));
  assert_true(is_warned(p.c,
                        "1 of 5 runs of B: the certificate is not valid, at worst invalid: "
                        "the loop was away"));
  assert_true(is_warned(p.c, "1 of 5 runs of A: interrupted"));
  assert_true(is_warned(p.c, "all runs of A came before those of B"));
  close_pair(&p);
}

static void runs_that_met_are_said(void **state) {
  pair p;
  (void)state;
  lti_prng_seed(&prng, 10);
  open_pair(&p, 2, 2, 1);
  p.b[1]->points[0].begun_at = p.a[0]->points[0].begun_at + 1;
  judge_pair(&p);
  assert_true(is_warned(p.c, "run 1 of A and run 2 of B ran at the same time"));
  compare_free(p.c);
  p.sides[1] = p.sides[0];
  judge_pair(&p);
  assert_true(is_warned(p.c, "run 1 of A is run 1 of B"));
  close_pair(&p);
}

/* --- the arithmetic --- */

static maxt_figure judge_one(const double *values, size_t first, size_t second) {
  maxt_figure f = {.values = values, .floor = 1e-3};
  maxt_design d = {.first = first, .second = second, .alpha = 0.02, .alpha_max = 0.05};
  size_t ways;
  assert_true(maxt_judge(&d, &f, 1, &ways));
  return f;
}

static void ways_are_counted(void **state) {
  (void)state;
  assert_int_equal(maxt_ways(1, 1), 2);
  assert_int_equal(maxt_ways(3, 3), 20);
  assert_int_equal(maxt_ways(5, 5), 252);
  assert_int_equal(maxt_ways(10, 10), 184756);
  assert_int_equal(maxt_ways(500, 500), SIZE_MAX);
}

static void p_is_the_share_of_ways_that_reach_as_far(void **state) {
  const double apart[] = {1, 2, 3, 4, 11, 12, 13, 14};
  const double mixed[] = {1, 2, 3, 11, 4, 12, 13, 14};
  (void)state;
  assert_true(fabs(judge_one(apart, 4, 4).p - 2.0 / 70) < 1e-12);
  assert_true(judge_one(apart, 4, 4).differs);
  assert_true(judge_one(apart, 4, 4).difference == 10);
  /* Only {1 2 3 4} and, with the same sum, no other choice is farther from the middle. */
  assert_true(fabs(judge_one(mixed, 4, 4).p - 4.0 / 70) < 1e-12);
  assert_false(judge_one(mixed, 4, 4).differs);
}

static void an_interval_ends_where_the_verdict_does(void **state) {
  (void)state;
  lti_prng_seed(&prng, 11);
  for (int i = 0; i < 200; i++) {
    double values[11];
    for (int k = 0; k < 11; k++) values[k] = normal() + (k < 5 ? 0 : 0.02 * i);
    maxt_figure f = judge_one(values, 5, 6);
    assert_int_equal(f.differs, fabs(f.difference) > f.margin);
    assert_int_equal(f.differs, f.p <= 0.02);
  }
}

static void figures_without_any_spread_are_the_same_or_not(void **state) {
  const double same[] = {5, 5, 5, 5, 5, 5, 5, 5, 5, 5};
  const double apart[] = {5, 5, 5, 5, 5, 6, 6, 6, 6, 6};
  (void)state;
  assert_false(judge_one(same, 5, 5).differs);
  assert_true(judge_one(same, 5, 5).p == 1);
  assert_true(judge_one(apart, 5, 5).differs);
  assert_true(judge_one(apart, 5, 5).margin < 0.1);
}

static void drawn_ways_are_the_same_each_time(void **state) {
  double values[24];
  (void)state;
  lti_prng_seed(&prng, 12);
  for (int i = 0; i < 24; i++) values[i] = normal();
  maxt_figure once = judge_one(values, 12, 12), again = judge_one(values, 12, 12);
  assert_true(once.p == again.p && once.margin == again.margin);
  assert_true(once.p > 1.0 / MAXT_WAYS_MAX);
}

/* --- as text --- */

static void the_table_and_json_tell_every_figure(void **state) {
  static cli_out out;
  pair p;
  cli_jsonw w;
  char path[] = "test_compare_XXXXXX", text[16384];
  (void)state;
  lti_prng_seed(&prng, 13);
  open_pair(&p, 5, 5, 2);
  judge_pair(&p);
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  remove(path);
  cli_out_init(&out, fd, "a file");
  compare_table(p.c, &out);
  cli_out_flush(&out);
  FILE *file = fdopen(fd, "r+");
  assert_non_null(file);
  rewind(file);
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  assert_non_null(strstr(text, "A  a.json, 5 runs\n"));
  assert_non_null(strstr(text, "concurrency 8\n"));
  assert_non_null(strstr(text, "over all 252 ways"));
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  compare_json(p.c, &w);
  cli_jsonw_close(&w, '}');
  assert_int_equal(w.error, LEAT_OK);
  for (size_t i = 0; i < p.c->row_count; i++) {
    char name[80];
    snprintf(name, sizeof name, "\"figure\":\"%s\"", p.c->rows[i].figure.name);
    assert_non_null(strstr(text, p.c->rows[i].figure.name));
    assert_non_null(lti_slice_find(lti_buf_slice(&w.buf), lti_slice_of(name)));
  }
  cli_jsonw_deinit(&w);
  close_pair(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_runs_rarely_differ),
      cmocka_unit_test(a_tenth_slower_is_found_with_ten_runs),
      cmocka_unit_test(a_tenth_faster_is_better),
      cmocka_unit_test(too_few_runs_decide_nothing),
      cmocka_unit_test(four_runs_a_side_decide),
      cmocka_unit_test(a_figure_that_some_run_does_not_know_is_not_decidable),
      cmocka_unit_test(loads_of_a_sweep_are_paired_by_their_labels),
      cmocka_unit_test(runs_in_turns_of_one_config_are_not_warned_of),
      cmocka_unit_test(what_makes_a_comparison_doubtful_is_said),
      cmocka_unit_test(runs_that_met_are_said),
      cmocka_unit_test(ways_are_counted),
      cmocka_unit_test(p_is_the_share_of_ways_that_reach_as_far),
      cmocka_unit_test(an_interval_ends_where_the_verdict_does),
      cmocka_unit_test(figures_without_any_spread_are_the_same_or_not),
      cmocka_unit_test(drawn_ways_are_the_same_each_time),
      cmocka_unit_test(the_table_and_json_tell_every_figure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
