/* Shards of one load as one result: the sums are exact, and what does not belong together, is
 * missing, or did not run together, is refused or said. */
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
#include "bench/load/result/merge.h"
#include "bindings/cli/program.h"

#define SHARDS 3

static const char *const names[] = {"0.json", "1.json", "2.json", "3.json"};
static char why[400];

typedef struct load {
  result *shards[SHARDS];
  result *sum;
} load;

static lti_hist *hist(void) {
  lti_hist *h = lti_hist_new(cli_program_alloc());
  assert_non_null(h);
  return h;
}

static void set_config(result *r, const char *text) {
  lti_alloc_put(cli_program_alloc(), r->config);
  r->config = lti_alloc_zero(cli_program_alloc(), strlen(text) + 1);
  assert_non_null(r->config);
  memcpy(r->config, text, strlen(text));
}

static void fill_point(result_point *p, int shard, lti_prng *prng, lti_hist *all) {
  snprintf(p->offer.label, sizeof p->offer.label, "rate 30/s");
  p->offer.rate = 30;
  p->begun_at = 1e9 + 0.002 * shard;
  p->wall_s = 11 + shard;
  p->window_s = 10;
  p->counts.started = p->counts.completed = 100 + (uint64_t)shard;
  p->counts.in_flight_peak = 4;
  p->volume.usage_answers = 100;
  p->volume.output_tokens = shard == 2 ? -1 : 1000;
  p->volume.events = 2000;
  p->conns.opened = 2;
  p->process.user_s = 0.5;
  p->process.rss_peak_kb = 100;
  p->latencies[MEASURE_TTFT].sent = hist();
  for (int i = 0; i < 1000; i++) {
    uint64_t us = 1000 + lti_prng_below(prng, 1000000);
    lti_hist_record(p->latencies[MEASURE_TTFT].sent, us);
    lti_hist_record(all, us);
  }
}

static void fill_parts(result_point *p, int shard) {
  p->certificate.receive_lag = hist();
  lti_hist_record(p->certificate.receive_lag, 100 + (uint64_t)shard);
  p->certificate.busy_share = 0.1 * (shard + 1);
  p->certificate.lag_valid_us = 500 + shard;
  p->certificate.stalls = shard;
  p->certificate.run_delay_us = shard == 1 ? -1 : 10;
  snprintf(p->certificate.clock, sizeof p->certificate.clock, "tsc");
  p->error_count = 1;
  p->errors[0] = (result_error){.name = "LEAT_ERESET", .count = 2};
  snprintf(p->errors[0].message, sizeof p->errors[0].message, "of shard %d", shard);
  p->status_count = 1;
  p->statuses[0] = (result_status){.status = shard == 0 ? 500 : 503, .count = 1};
  p->goodput.slo_count = 1;
  p->goodput.good = 90;
  p->goodput.slos[0] = (result_slo){.measure = MEASURE_TTFT, .limit_ms = 500, .met = 95};
  p->lengths.output_mean = 10 * (shard + 1);
  p->lengths.output_sd = 1;
  p->lengths.output_min = 5 + shard;
  p->lengths.output_max = 50 + shard;
  p->timeline.slot_s = 1;
  p->timeline.count = 2;
  p->timeline.slots = lti_alloc_zero(cli_program_alloc(), 2 * sizeof *p->timeline.slots);
  p->timeline.slots[0] = (result_slot){.started = 10, .ttft_p99_us = 100 * (shard + 1)};
  p->timeline.slots[1] = (result_slot){.started = 5, .ttft_p99_us = -1, .lag_max_us = shard};
  p->dot_count = 2;
  p->dots = lti_alloc_zero(cli_program_alloc(), 2 * sizeof *p->dots);
  p->track_count = 1;
  p->tracks = lti_alloc_zero(cli_program_alloc(), sizeof *p->tracks);
  p->tracks[0].index = (uint64_t)shard;
}

static void open_load(load *l, lti_hist *all) {
  lti_prng prng;
  lti_prng_seed(&prng, 1);
  memset(l, 0, sizeof *l);
  for (int i = 0; i < SHARDS; i++) {
    char config[80];
    result *r = l->shards[i] = result_new();
    assert_non_null(r);
    r->shard = i;
    r->shards = SHARDS;
    r->clock_error_ms = 0.5 * i;
    r->machine.cores = 2;
    snprintf(config, sizeof config, "{\"rate\":30,\"shard\":\"%d/3\",\"output\":[\"%d\"]}", i, i);
    set_config(r, config);
    result_point *p = result_add(r);
    assert_non_null(p);
    fill_point(p, i, &prng, all);
    fill_parts(p, i);
  }
}

static void close_load(load *l) {
  for (int i = 0; i < SHARDS; i++) result_free(l->shards[i]);
  result_free(l->sum);
}

static void counts_and_histograms_are_added_exactly(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_non_null(l.sum);
  const result_point *p = &l.sum->points[0];
  const lti_hist *ttft = p->latencies[MEASURE_TTFT].sent;
  assert_int_equal(lti_hist_count(ttft), 3000);
  for (double percent = 0.1; percent < 100; percent += 0.1)
    assert_int_equal(lti_hist_percentile(ttft, percent), lti_hist_percentile(all, percent));
  assert_int_equal(lti_hist_max(ttft), lti_hist_max(all));
  assert_true(fabs(lti_hist_mean(ttft) - lti_hist_mean(all)) < 1e-6);
  assert_null(p->latencies[MEASURE_TTFT].intended);
  assert_int_equal(p->counts.started, 303);
  assert_int_equal(p->counts.in_flight_peak, 12);
  assert_int_equal(p->volume.events, 6000);
  assert_int_equal(p->volume.output_tokens, 2000); /* one shard's answers told none */
  assert_int_equal(p->volume.input_tokens, -1);
  assert_int_equal(p->conns.opened, 6);
  assert_true(p->process.user_s == 1.5);
  assert_int_equal(p->process.rss_peak_kb, 300);
  assert_int_equal(p->error_count, 1);
  assert_int_equal(p->errors[0].count, 6);
  assert_string_equal(p->errors[0].message, "of shard 0");
  assert_int_equal(p->status_count, 2);
  assert_int_equal(p->statuses[1].count, 2);
  assert_int_equal(p->goodput.good, 270);
  assert_int_equal(p->goodput.slos[0].met, 285);
  assert_int_equal(p->lengths.output_min, 5);
  assert_int_equal(p->lengths.output_max, 52);
  assert_true(fabs(p->lengths.output_mean - 20) < 1e-9);
  assert_true(fabs(p->lengths.output_sd - sqrt(1 + 200.0 / 3)) < 1e-9);
  close_load(&l);
  lti_hist_free(all);
}

static void what_has_its_place_in_time_keeps_it(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  l.shards[2]->points[0].begun_at = 1e9 + 0.4;
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_non_null(l.sum);
  const result_point *p = &l.sum->points[0];
  assert_true(p->begun_at == 1e9);
  assert_true(fabs(p->wall_s - 13.4) < 1e-6);
  assert_true(fabs(p->window_s - 10.4) < 1e-6);
  assert_int_equal(p->timeline.count, 2);
  assert_int_equal(p->timeline.slots[0].started, 30);
  assert_int_equal(p->timeline.slots[0].ttft_p99_us, -1); /* not to be had from three parts */
  assert_int_equal(p->timeline.slots[1].lag_max_us, 2);
  assert_int_equal(p->dot_count, 6);
  assert_true(fabs((double)p->dots[4].start_s - 0.4) < 1e-5);
  assert_int_equal(p->track_count, 3);
  assert_int_equal(p->tracks[2].index, 2);
  close_load(&l);
  lti_hist_free(all);
}

static void the_head_is_that_of_the_load(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  l.shards[1]->interrupted = true;
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_non_null(l.sum);
  assert_int_equal(l.sum->shards, 1);
  assert_string_equal(l.sum->config, "{\"rate\":30,\"output\":[\"0\"]}");
  assert_int_equal(l.sum->part_count, SHARDS);
  assert_int_equal(l.sum->parts[2].shard, 2);
  assert_true(l.sum->parts[1].clock_error_ms == 0.5);
  assert_int_equal(l.sum->machine.cores, 6);
  assert_true(l.sum->interrupted);
  assert_true(l.sum->clock_error_ms == 1);
  result_free(l.sum);
  l.shards[2]->clock_error_ms = -1;
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_true(l.sum->clock_error_ms == -1);
  close_load(&l);
  lti_hist_free(all);
}

/* --- the certificate --- */

static void a_certificate_is_the_worst_of_all(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  result_certificate *bad = &l.shards[1]->points[0].certificate;
  bad->verdict = RESULT_DEGRADED;
  bad->reason_count = 1;
  bad->reasons[0] = (result_reason){.verdict = RESULT_DEGRADED};
  snprintf(bad->reasons[0].text, sizeof bad->reasons[0].text, "it was late");
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_non_null(l.sum);
  const result_certificate *c = &l.sum->points[0].certificate;
  assert_int_equal(c->verdict, RESULT_DEGRADED);
  assert_int_equal(c->reason_count, 1);
  assert_string_equal(c->reasons[0].text, "shard 1: it was late");
  assert_int_equal(lti_hist_count(c->receive_lag), 3);
  assert_int_equal(lti_hist_max(c->receive_lag), 102);
  assert_true(fabs(c->busy_share - 0.3) < 1e-9);
  assert_true(c->lag_valid_us == 500);
  assert_int_equal(c->stalls, 3);
  assert_int_equal(c->run_delay_us, -1);
  assert_string_equal(c->clock, "tsc");
  close_load(&l);
  lti_hist_free(all);
}

static void shards_that_are_whole_and_together_are_valid(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_int_equal(l.sum->points[0].certificate.verdict, RESULT_VALID);
  assert_int_equal(l.sum->points[0].certificate.reason_count, 0);
  close_load(&l);
  lti_hist_free(all);
}

static void a_missing_shard_makes_the_sum_invalid(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  l.sum = merge_shards(l.shards, names, 2, why, sizeof why);
  assert_non_null(l.sum);
  const result_certificate *c = &l.sum->points[0].certificate;
  assert_int_equal(c->verdict, RESULT_INVALID);
  assert_non_null(strstr(c->reasons[0].text, "1 of 3 shards are missing"));
  close_load(&l);
  lti_hist_free(all);
}

static void windows_that_lie_apart_are_no_load_together(void **state) {
  static const struct {
    double late_s;
    enum result_verdict verdict;
  } cases[] = {
      {0.4, RESULT_VALID}, {1, RESULT_DEGRADED}, {6, RESULT_INVALID}, {60, RESULT_INVALID}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    load l;
    lti_hist *all = hist();
    open_load(&l, all);
    l.shards[1]->points[0].begun_at += cases[i].late_s;
    l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
    assert_non_null(l.sum);
    assert_int_equal(l.sum->points[0].certificate.verdict, cases[i].verdict);
    close_load(&l);
    lti_hist_free(all);
  }
}

static void the_worst_reasons_find_room(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  for (int i = 0; i < SHARDS; i++) {
    result_certificate *c = &l.shards[i]->points[0].certificate;
    c->reason_count = RESULT_REASONS_MAX;
    c->verdict = i == 2 ? RESULT_INVALID : RESULT_DEGRADED;
    for (size_t k = 0; k < RESULT_REASONS_MAX; k++) {
      c->reasons[k] = (result_reason){.verdict = c->verdict};
      memset(c->reasons[k].text, 'x', sizeof c->reasons[k].text - 1);
    }
  }
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_non_null(l.sum);
  const result_certificate *c = &l.sum->points[0].certificate;
  assert_int_equal(c->reason_count, RESULT_REASONS_MAX);
  for (size_t k = 0; k < RESULT_REASONS_MAX; k++) {
    assert_int_equal(c->reasons[k].verdict, RESULT_INVALID);
    assert_memory_equal(c->reasons[k].text, "shard 2: x", 10);
  }
  close_load(&l);
  lti_hist_free(all);
}

/* --- what is refused --- */

static void expect_refusal(load *l, size_t count, const char *words) {
  l->sum = merge_shards(l->shards, names, count, why, sizeof why);
  assert_null(l->sum);
  if (!strstr(why, words)) fail_msg("\"%s\" is not in \"%s\"", words, why);
}

static void what_is_not_of_one_load_is_refused(void **state) {
  load l;
  lti_hist *all = hist();
  (void)state;
  open_load(&l, all);
  expect_refusal(&l, 0, "0 files");
  l.shards[1]->shard = 2;
  expect_refusal(&l, SHARDS, "1.json and 2.json are both shard 2");
  l.shards[1]->shard = 1;
  l.shards[1]->shards = 4;
  expect_refusal(&l, SHARDS, "1.json is shard 1 of 4, and 0.json one of 3");
  l.shards[1]->shards = 1;
  expect_refusal(&l, SHARDS, "1.json is no shard");
  l.shards[1]->shards = 3;
  set_config(l.shards[2], "{\"rate\":40,\"shard\":\"2/3\"}");
  expect_refusal(&l, SHARDS, "0.json and 2.json are not of one load: rate: 30 / 40");
  set_config(l.shards[2], "{\"rate\":30,\"shard\":\"2/3\"}");
  snprintf(l.shards[2]->points[0].offer.label, 64, "rate 31/s");
  expect_refusal(&l, SHARDS, "load 1 of 0.json is rate 30/s, and of 2.json it is rate 31/s");
  result_add(l.shards[2]);
  expect_refusal(&l, SHARDS, "0.json has 1 loads, and 2.json has 2");
  close_load(&l);
  lti_hist_free(all);
}

static void more_kinds_of_failures_than_there_is_room_for_are_counted(void **state) {
  load l;
  lti_hist *all = hist();
  uint64_t count = 0;
  (void)state;
  open_load(&l, all);
  for (int i = 0; i < SHARDS; i++) {
    result_point *p = &l.shards[i]->points[0];
    p->error_count = RESULT_ERRORS_MAX;
    p->status_count = RESULT_STATUS_MAX;
    for (int k = 0; k < RESULT_ERRORS_MAX; k++) {
      p->errors[k].count = 1;
      snprintf(p->errors[k].name, sizeof p->errors[k].name, "E%d", i * 20 + k);
      p->statuses[k] = (result_status){.status = 400 + i * 20 + k, .count = 1};
    }
  }
  l.sum = merge_shards(l.shards, names, SHARDS, why, sizeof why);
  assert_non_null(l.sum);
  const result_point *p = &l.sum->points[0];
  assert_int_equal(p->error_count, RESULT_ERRORS_MAX);
  for (size_t k = 0; k < p->error_count; k++) count += p->errors[k].count;
  assert_int_equal(count, SHARDS * RESULT_ERRORS_MAX);
  count = 0;
  for (size_t k = 0; k < p->status_count; k++) count += p->statuses[k].count;
  assert_int_equal(count, SHARDS * RESULT_STATUS_MAX);
  close_load(&l);
  lti_hist_free(all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_and_histograms_are_added_exactly),
      cmocka_unit_test(what_has_its_place_in_time_keeps_it),
      cmocka_unit_test(the_head_is_that_of_the_load),
      cmocka_unit_test(a_certificate_is_the_worst_of_all),
      cmocka_unit_test(shards_that_are_whole_and_together_are_valid),
      cmocka_unit_test(a_missing_shard_makes_the_sum_invalid),
      cmocka_unit_test(windows_that_lie_apart_are_no_load_together),
      cmocka_unit_test(the_worst_reasons_find_room),
      cmocka_unit_test(what_is_not_of_one_load_is_refused),
      cmocka_unit_test(more_kinds_of_failures_than_there_is_room_for_are_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
