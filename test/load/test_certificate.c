/* The certificate's verdict: one case a row, each figure at its bounds and one step behind them,
 * and what the reasons say. */
#include "bench/load/result/certificate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NONE INT64_MIN /* no histogram */

/* Figures of a run; the histograms get a hundred records of one value, us. */
typedef struct row {
  const char *name;
  int64_t ttft_us, receive_us, schedule_us, kernel_us;
  double busy;
  int64_t missed, started;
  enum result_verdict verdict;
  const char *text, *advice; /* of the first reason; NULL: there is none */
} row;

static const row rows[] = {
    {"nothing is known but that events came in time", NONE, 0, NONE, NONE, -1, 0, 100, RESULT_VALID,
     NULL, NULL},
    {"at half a millisecond, without a TTFT", NONE, 500, NONE, NONE, 0.1, 0, 100, RESULT_VALID,
     NULL, NULL},
    {"behind it", NONE, 501, NONE, NONE, 0.1, 0, 100, RESULT_DEGRADED,
     "receive lag p99 is 0.501 ms; valid allows 0.500 ms, degraded 5.000 ms", "stopped or held up"},
    {"a short TTFT lowers nothing", 2000, 500, NONE, NONE, 0.1, 0, 100, RESULT_VALID, NULL, NULL},
    {"a long one raises the bound to a hundredth", 200000, 2000, NONE, NONE, 0.1, 0, 100,
     RESULT_VALID, NULL, NULL},
    {"and not more", 200000, 2010, NONE, NONE, 0.1, 0, 100, RESULT_DEGRADED, "valid allows 2.0",
     "rate"},
    {"at ten times", NONE, 5000, NONE, NONE, 0.1, 0, 100, RESULT_DEGRADED, "receive lag",
     "connections"},
    {"behind ten times", NONE, 5010, NONE, NONE, 0.1, 0, 100, RESULT_INVALID, "receive lag",
     "--threads"},
    {"starts in time", NONE, 10, 500, NONE, 0.1, 0, 100, RESULT_VALID, NULL, NULL},
    {"starts late", NONE, 10, 501, NONE, 0.1, 0, 100, RESULT_DEGRADED, "schedule lag p99", "rate"},
    {"starts much too late", NONE, 10, 6000, NONE, 0.1, 0, 100, RESULT_INVALID, "schedule lag",
     "rate"},
    {"read late, told by the kernel's stamps", NONE, 10, NONE, 7000, 0.1, 0, 100, RESULT_VALID,
     NULL, NULL},
    {"busy, but not too much", NONE, 10, NONE, NONE, 0.8999, 0, 100, RESULT_VALID, NULL, NULL},
    {"too busy", NONE, 10, NONE, NONE, 0.9, 0, 100, RESULT_DEGRADED,
     "worked 90.0 % of the time; valid allows less than 90 %, degraded up to 99 %", "--threads"},
    {"at the end of it", NONE, 10, NONE, NONE, 0.99, 0, 100, RESULT_DEGRADED, "99.0 %",
     "--threads"},
    {"never at rest", NONE, 10, NONE, NONE, 0.995, 0, 100, RESULT_INVALID, "worked", "--shard"},
    {"one start had to wait", NONE, 10, 10, NONE, 0.1, 1, 100, RESULT_DEGRADED,
     "1 of 100 starts found no room under the cap of 45", "--concurrency"},
    {"many had", NONE, 10, 10, NONE, 0.1, 2, 100, RESULT_INVALID, "2 of 100 starts",
     "--concurrency"},
};

static lti_alloc alloc;

static lti_hist *hundred_of(int64_t us) {
  if (us == NONE) return NULL;
  lti_hist *h = lti_hist_new(&alloc);
  assert_non_null(h);
  lti_hist_record_n(h, (uint64_t)us, 100);
  return h;
}

static void set_up(result_point *p, const row *r) {
  memset(p, 0, sizeof *p);
  lti_alloc_init(&alloc, NULL);
  p->latencies[MEASURE_TTFT].sent = hundred_of(r->ttft_us);
  p->counts.started = (uint64_t)r->started;
  p->volume.events = 100;
  p->offer.concurrency = 45;
  result_certificate *c = &p->certificate;
  c->receive_lag = hundred_of(r->receive_us);
  c->schedule_lag = hundred_of(r->schedule_us);
  c->kernel_lag = hundred_of(r->kernel_us);
  c->busy_share = r->busy;
  c->missed = r->missed;
  c->steal_share = c->run_delay_share = -1;
}

static void tear_down(result_point *p) {
  lti_hist_free(p->latencies[MEASURE_TTFT].sent);
  lti_hist_free(p->certificate.receive_lag);
  lti_hist_free(p->certificate.schedule_lag);
  lti_hist_free(p->certificate.kernel_lag);
}

static void assert_says(const char *text, const char *part, const char *name) {
  if (!strstr(text, part)) fail_msg("%s: \"%s\" without \"%s\"", name, text, part);
}

static void each_figure_is_held_against_its_bounds(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    static result_point p;
    const row *r = &rows[i];
    set_up(&p, r);
    certificate_judge(&p);
    const result_certificate *c = &p.certificate;
    if (c->verdict != r->verdict) fail_msg("%s: %d", r->name, c->verdict);
    assert_int_equal(c->reason_count, r->text != NULL);
    if (r->text) {
      assert_int_equal(c->reasons[0].verdict, r->verdict);
      assert_says(c->reasons[0].text, r->text, r->name);
      assert_says(c->reasons[0].advice, r->advice, r->name);
    }
    tear_down(&p);
  }
}

static void bounds_stand_in_the_certificate(void **state) {
  (void)state;
  static result_point p;
  set_up(&p, &rows[4]); /* a TTFT of 200 ms */
  certificate_judge(&p);
  assert_true(fabs(p.certificate.lag_valid_us - 2000) < 3);
  assert_true(fabs(p.certificate.lag_degraded_us - 10 * p.certificate.lag_valid_us) < 1e-6);
  assert_true(p.certificate.busy_valid == 0.9 && p.certificate.busy_degraded == 0.99);
  tear_down(&p);
}

static void the_worst_reason_decides_and_stands_first(void **state) {
  (void)state;
  static result_point p;
  const row all = {.ttft_us = NONE,
                   .receive_us = 600,
                   .schedule_us = 9000,
                   .kernel_us = 700,
                   .busy = 0.95,
                   .missed = 90,
                   .started = 100};
  set_up(&p, &all);
  certificate_judge(&p);
  const result_certificate *c = &p.certificate;
  assert_int_equal(c->verdict, RESULT_INVALID);
  assert_int_equal(c->reason_count, 4);
  assert_says(c->reasons[0].text, "schedule lag", "first");
  assert_says(c->reasons[1].text, "starts", "second");
  assert_int_equal(c->reasons[1].verdict, RESULT_INVALID);
  assert_says(c->reasons[2].text, "receive lag", "third");
  for (size_t i = 2; i < 4; i++) assert_int_equal(c->reasons[i].verdict, RESULT_DEGRADED);
  tear_down(&p);
}

static void judging_twice_says_it_once(void **state) {
  (void)state;
  static result_point p;
  set_up(&p, &rows[2]);
  certificate_judge(&p);
  certificate_judge(&p);
  assert_int_equal(p.certificate.reason_count, 1);
  tear_down(&p);
}

/* What to change follows from where the time went. */
static void advice_names_the_cause(void **state) {
  (void)state;
  static const struct {
    double steal, delay, busy;
    const char *says;
  } causes[] = {{0.05, 0.5, 0.95, "cores of its own"},
                {0.0, 0.02, 0.95, "taskset"},
                {-1, -1, 0.95, "--threads"},
                {-1, -1, 0.2, "suspends"}};
  for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
    static result_point p;
    const row late = {.ttft_us = NONE, .receive_us = 9000, .schedule_us = NONE, .kernel_us = NONE};
    set_up(&p, &late);
    p.certificate.steal_share = causes[i].steal;
    p.certificate.run_delay_share = causes[i].delay;
    p.certificate.busy_share = causes[i].busy;
    certificate_judge(&p);
    assert_says(p.certificate.reasons[0].advice, causes[i].says, "advice");
    tear_down(&p);
  }
}

static void add_error(result_point *p, const char *name, uint64_t count) {
  result_error *e = &p->errors[p->error_count++];
  strncpy(e->name, name, sizeof e->name - 1);
  e->count = count;
}

static void limits_of_ours_make_it_invalid(void **state) {
  (void)state;
  static result_point p;
  set_up(&p, &rows[0]);
  add_error(&p, "LEAT_ESTATUS", 10);
  add_error(&p, "LEAT_EUNREACHABLE", 10);
  p.certificate.ports_max = 28000;
  p.conns.opened = 100;
  certificate_judge(&p);
  assert_int_equal(p.certificate.verdict, RESULT_VALID); /* those are the server's */
  p.conns.opened = 27900;
  certificate_judge(&p);
  assert_int_equal(p.certificate.verdict, RESULT_INVALID);
  assert_says(p.certificate.reasons[0].text, "28000 local ports", "ports");
  assert_says(p.certificate.reasons[0].advice, "HTTP/2", "ports");
  p.conns.opened = 100;
  add_error(&p, "LEAT_EFDLIMIT", 3);
  p.certificate.descriptors_max = 1024;
  certificate_judge(&p);
  assert_int_equal(p.certificate.verdict, RESULT_INVALID);
  assert_int_equal(p.certificate.reason_count, 1);
  assert_says(p.certificate.reasons[0].text, "3 requests failed", "descriptors");
  assert_says(p.certificate.reasons[0].text, "1024 files", "descriptors");
  assert_says(p.certificate.reasons[0].advice, "ulimit -n", "descriptors");
  tear_down(&p);
}

static void events_without_a_gauge_prove_nothing(void **state) {
  (void)state;
  static result_point p;
  const row none = {.ttft_us = NONE, .receive_us = NONE, .schedule_us = NONE, .kernel_us = NONE};
  set_up(&p, &none);
  certificate_judge(&p);
  assert_int_equal(p.certificate.verdict, RESULT_INVALID);
  assert_says(p.certificate.reasons[0].text, "100 events", "coverage");
  p.volume.events = 0; /* nothing came: nothing was bent */
  certificate_judge(&p);
  assert_int_equal(p.certificate.verdict, RESULT_VALID);
  tear_down(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_figure_is_held_against_its_bounds),
      cmocka_unit_test(bounds_stand_in_the_certificate),
      cmocka_unit_test(the_worst_reason_decides_and_stands_first),
      cmocka_unit_test(judging_twice_says_it_once),
      cmocka_unit_test(advice_names_the_cause),
      cmocka_unit_test(limits_of_ours_make_it_invalid),
      cmocka_unit_test(events_without_a_gauge_prove_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
