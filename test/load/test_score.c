/* What a request's events and result become: each measure by its definition, and sums over threads.
 */
#include "bench/load/run/score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define MS UINT64_C(1000000)

typedef struct scene {
  score score;
  pulse *pulse;
  score_request request;
  char raw[64];
} scene;

static void scene_open(scene *s, bool open_loop) {
  memset(s, 0, sizeof *s);
  s->pulse = calloc(1, sizeof *s->pulse);
  assert_non_null(s->pulse);
  assert_true(score_init(&s->score, 1, 1));
  s->score.pulse = s->pulse;
  s->score.open_loop = open_loop;
  score_window(&s->score, 1000 * MS);
}

static void scene_close(scene *s) {
  score_deinit(&s->score);
  free(s->pulse);
}

static void begin(scene *s, uint64_t intended_ms, uint64_t now_ms) {
  s->request.intended_ns = intended_ms * MS;
  s->request.measured = true;
  score_start(&s->score, &s->request, now_ms * MS);
}

/* One event of a record of its own. */
static void hear(scene *s, enum leat_event_kind kind, const char *text, uint64_t at_ms) {
  static unsigned record;
  leat_event event = {.kind = kind, .received_ns = at_ms * MS};
  event.raw = lti_slice(s->raw + record++ % 32, 1);
  event.text = lti_slice_of(text);
  score_event(&s->score, &s->request, &event);
}

static void tell_usage(scene *s, int64_t input, int64_t output) {
  leat_event event = {.kind = LEAT_EVENT_USAGE};
  event.usage = (leat_usage){.input = input, .output = output, .reasoning = -1, .cached = -1};
  score_event(&s->score, &s->request, &event);
}

static void end(scene *s, int error, uint64_t sent_ms, uint64_t done_ms) {
  leat_result answer = {.error = error, .status = 200, .attempts = 1, .records = 7};
  answer.http = LEAT_HTTP_2;
  answer.times.sent_ns = sent_ms * MS;
  answer.times.leased_ns = sent_ms * MS;
  answer.times.head_ns = (sent_ms + 1) * MS;
  answer.times.done_ns = done_ms * MS;
  score_done(&s->score, &s->request, &answer, false);
}

static void assert_ms(const lti_hist *h, uint64_t count, double mean_ms) {
  assert_int_equal(lti_hist_count(h), count);
  assert_true(fabs(lti_hist_mean(h) / 1e3 - mean_ms) < 0.002 * (mean_ms + 1));
}

static void each_measure_by_its_definition(void **state) {
  (void)state;
  scene s;
  scene_open(&s, false);
  begin(&s, 1000, 1000);
  hear(&s, LEAT_EVENT_HEAD, "", 1010);
  hear(&s, LEAT_EVENT_TEXT, "", 1020); /* a role's record: it says nothing */
  hear(&s, LEAT_EVENT_REASONING, "hm", 1050);
  hear(&s, LEAT_EVENT_TEXT, "a", 1070);
  hear(&s, LEAT_EVENT_TEXT, "", 1075); /* empty: no token, no gap */
  hear(&s, LEAT_EVENT_TEXT, "b", 1090);
  hear(&s, LEAT_EVENT_FINISH, "stop", 1095);
  tell_usage(&s, 11, 5);
  end(&s, LEAT_OK, 1000, 1100);
  result_latency *l = s.score.latencies;
  assert_ms(l[MEASURE_TTFT].sent, 1, 50);
  assert_ms(l[MEASURE_TTFO].sent, 1, 70);
  assert_ms(l[MEASURE_TTST].sent, 1, 20);
  assert_ms(l[MEASURE_ITL].sent, 2, 20);
  assert_ms(l[MEASURE_E2E].sent, 1, 90);
  assert_ms(l[MEASURE_TPOT].sent, 1, 10); /* (90 - 50) / (5 - 1) */
  assert_int_equal(s.score.volume.content_events, 3);
  assert_int_equal(s.score.volume.events, 7);
  assert_int_equal(s.score.volume.output_tokens, 5);
  assert_int_equal(lti_hist_count(s.score.schedule_lag), 0);
  scene_close(&s);
}

static void an_open_loop_is_held_to_the_intended_start(void **state) {
  (void)state;
  scene s;
  scene_open(&s, true);
  begin(&s, 1000, 1200);
  hear(&s, LEAT_EVENT_TEXT, "a", 1250);
  end(&s, LEAT_OK, 1200, 1300);
  result_latency *l = s.score.latencies;
  assert_ms(l[MEASURE_TTFT].sent, 1, 50);
  assert_ms(l[MEASURE_TTFT].intended, 1, 250);
  assert_ms(s.score.schedule_lag, 1, 200);
  scene_close(&s);
}

static void two_parts_of_a_record_are_one_event(void **state) {
  (void)state;
  scene s;
  scene_open(&s, false);
  begin(&s, 1000, 1000);
  leat_event event = {.kind = LEAT_EVENT_REASONING, .received_ns = 1050 * MS};
  event.raw = lti_slice(s.raw, 8);
  event.text = lti_slice_of("x");
  score_event(&s.score, &s.request, &event);
  event.kind = LEAT_EVENT_TEXT;
  score_event(&s.score, &s.request, &event);
  end(&s, LEAT_OK, 1000, 1100);
  assert_int_equal(s.score.volume.content_events, 1);
  assert_ms(s.score.latencies[MEASURE_TTFO].sent, 1, 50);
  assert_int_equal(lti_hist_count(s.score.latencies[MEASURE_ITL].sent), 0);
  scene_close(&s);
}

static void without_usage_tokens_are_unknown(void **state) {
  (void)state;
  scene s;
  result_point *p = calloc(1, sizeof *p);
  score *scores[1];
  assert_non_null(p);
  scene_open(&s, false);
  begin(&s, 1000, 1000);
  hear(&s, LEAT_EVENT_TEXT, "a", 1050);
  end(&s, LEAT_OK, 1000, 1100);
  scores[0] = &s.score;
  assert_true(score_add(p, &s.score) && score_picture(p, scores, 1));
  assert_int_equal(p->volume.output_tokens, -1);
  assert_int_equal(p->volume.usage_answers, 0);
  assert_null(p->latencies[MEASURE_TPOT].sent);
  assert_true(p->lengths.output_mean < 0);
  scene_close(&s);
  result_point_deinit(p);
  free(p);
}

static void a_failure_has_no_latency(void **state) {
  (void)state;
  scene s;
  scene_open(&s, false);
  begin(&s, 1000, 1000);
  hear(&s, LEAT_EVENT_TEXT, "a", 1050);
  end(&s, LEAT_ETRUNCATED, 1000, 1100);
  assert_int_equal(lti_hist_count(s.score.latencies[MEASURE_TTFT].sent), 0);
  assert_int_equal(s.score.counts.failed, 1);
  assert_int_equal(s.score.counts.truncated, 1);
  assert_int_equal(s.score.error_count, 1);
  assert_string_equal(s.score.errors[0].name, "LEAT_ETRUNCATED");
  scene_close(&s);
}

static void goodput_wants_every_level(void **state) {
  (void)state;
  scene s;
  scene_open(&s, false);
  s.score.goodput.slo_count = 2;
  s.score.goodput.slos[0] = (result_slo){.measure = MEASURE_TTFT, .limit_ms = 60};
  s.score.goodput.slos[1] = (result_slo){.measure = MEASURE_E2E, .limit_ms = 80};
  begin(&s, 1000, 1000);
  hear(&s, LEAT_EVENT_TEXT, "a", 1050);
  end(&s, LEAT_OK, 1000, 1100);
  begin(&s, 1200, 1200);
  hear(&s, LEAT_EVENT_TEXT, "a", 1250);
  hear(&s, LEAT_EVENT_TEXT, "b", 1290);
  end(&s, LEAT_OK, 1200, 1300);
  assert_int_equal(s.score.goodput.good, 1);
  assert_int_equal(s.score.goodput.slos[0].met, 2);
  assert_int_equal(s.score.goodput.slos[1].met, 1);
  scene_close(&s);
}

static void warmup_is_in_no_figure(void **state) {
  (void)state;
  scene s;
  scene_open(&s, false);
  s.request.measured = false;
  score_start(&s.score, &s.request, 1000 * MS);
  hear(&s, LEAT_EVENT_TEXT, "a", 1050);
  hear(&s, LEAT_EVENT_TEXT, "b", 1060);
  end(&s, LEAT_OK, 1000, 1100);
  assert_int_equal(s.score.counts.warmup, 1);
  assert_int_equal(s.score.counts.started, 0);
  assert_int_equal(s.score.volume.content_events, 0);
  assert_int_equal(lti_hist_count(s.score.latencies[MEASURE_ITL].sent), 0);
  scene_close(&s);
}

/* Ten minutes, whose slots are folded, hold what a minute's hold. */
static void a_timeline_folds_and_loses_nothing(void **state) {
  (void)state;
  scene s;
  result_point *p = calloc(1, sizeof *p);
  score *scores[1];
  uint32_t started = 0, completed = 0;
  assert_non_null(p);
  scene_open(&s, false);
  for (uint64_t i = 0; i < 600; i++) {
    begin(&s, 1000 + i * 1000, 1000 + i * 1000);
    hear(&s, LEAT_EVENT_TEXT, "a", 1050 + i * 1000);
    end(&s, LEAT_OK, 1000 + i * 1000, 1100 + i * 1000);
  }
  scores[0] = &s.score;
  assert_true(score_add(p, &s.score) && score_picture(p, scores, 1));
  assert_true(p->timeline.count <= SCORE_SLOTS && p->timeline.count > SCORE_SLOTS / 4);
  for (size_t i = 0; i < p->timeline.count; i++) {
    started += p->timeline.slots[i].started;
    completed += p->timeline.slots[i].completed;
  }
  assert_int_equal(started, 600);
  assert_int_equal(completed, 600);
  assert_true(abs(p->timeline.slots[0].ttft_p50_us - 50000) < 5000);
  assert_int_equal(p->dot_count, 600);
  assert_true(p->track_count > 0);
  scene_close(&s);
  result_point_deinit(p);
  free(p);
}

static void threads_add_up(void **state) {
  (void)state;
  scene a, b;
  result_point *p = calloc(1, sizeof *p);
  score *scores[2];
  assert_non_null(p);
  scene_open(&a, false);
  scene_open(&b, false);
  scene *both[] = {&a, &b};
  for (size_t i = 0; i < 2; i++) {
    begin(both[i], 1000, 1000);
    hear(both[i], LEAT_EVENT_TEXT, "a", 1020 + 20 * i);
    tell_usage(both[i], 10, 2 + 2 * (int64_t)i);
    end(both[i], i ? LEAT_ESTATUS : LEAT_OK, 1000, 1100);
    scores[i] = &both[i]->score;
    assert_true(score_add(p, &both[i]->score));
  }
  assert_true(score_picture(p, scores, 2));
  assert_int_equal(p->counts.started, 2);
  assert_int_equal(p->counts.completed, 1);
  assert_int_equal(p->counts.failed, 1);
  assert_int_equal(p->volume.output_tokens, 2);
  assert_int_equal(p->statuses[0].count, 2);
  assert_int_equal(p->conns.requests_http2, 2);
  scene_close(&a);
  scene_close(&b);
  result_point_deinit(p);
  free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_measure_by_its_definition),
      cmocka_unit_test(an_open_loop_is_held_to_the_intended_start),
      cmocka_unit_test(two_parts_of_a_record_are_one_event),
      cmocka_unit_test(without_usage_tokens_are_unknown),
      cmocka_unit_test(a_failure_has_no_latency),
      cmocka_unit_test(goodput_wants_every_level),
      cmocka_unit_test(warmup_is_in_no_figure),
      cmocka_unit_test(a_timeline_folds_and_loses_nothing),
      cmocka_unit_test(threads_add_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
