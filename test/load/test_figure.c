/* Figures by name, limits in their units, and how they are shown. */
#include "bench/load/result/figure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "load/sample.h"

static double value_of(const result_point *p, const char *name) {
  figure f;
  const char *why = "";
  double value;
  if (!figure_parse(lti_slice_of(name), &f, &why)) fail_msg("%s: %s", name, why);
  assert_string_equal(f.name, name);
  return figure_value(&f, p, &value) ? value : NAN;
}

static void every_name_of_the_list_is_known(void **state) {
  static const char *const names[] = {"ttft.p99",
                                      "ttft.mean",
                                      "itl.max",
                                      "e2e.p50",
                                      "ttft.p99.9",
                                      "itl.sd",
                                      "e2e.min",
                                      "ttft.median",
                                      "receive_lag.p99",
                                      "error_rate",
                                      "failed",
                                      "truncated",
                                      "goodput",
                                      "goodput_rate",
                                      "rate",
                                      "output_tokens_per_s",
                                      "events_per_s",
                                      "busy",
                                      "completed",
                                      "tokens_per_event",
                                      "schedule_lag.p99",
                                      "e2el.p90",
                                      "ttft.intended.p99",
                                      "input_tokens_per_s"};
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (!isfinite(value_of(&r->points[0], names[i]))) fail_msg("%s", names[i]);
  result_free(r);
}

static void figures_are_the_histograms(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  const result_point *p = &r->points[0];
  const lti_hist *sent = p->latencies[MEASURE_TTFT].sent;
  const lti_hist *intended = p->latencies[MEASURE_TTFT].intended;
  assert_true(value_of(p, "ttft.p99") == (double)lti_hist_percentile(sent, 99) / 1e3);
  assert_true(value_of(p, "ttft.p99.9") == (double)lti_hist_percentile(sent, 99.9) / 1e3);
  assert_true(value_of(p, "ttft.intended.p50") == (double)lti_hist_percentile(intended, 50) / 1e3);
  assert_true(value_of(p, "ttft.max") == (double)lti_hist_max(sent) / 1e3);
  assert_true(value_of(p, "error_rate") == 6.0 / 400);
  assert_true(value_of(p, "failed") == 6);
  result_free(r);
}

static void in_a_closed_loop_the_intended_start_is_the_send(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_CLOSED, 1);
  assert_true(value_of(&r->points[0], "ttft.intended.p99") == value_of(&r->points[0], "ttft.p99"));
  assert_true(isnan(value_of(&r->points[0], "schedule_lag.p99")));
  assert_true(isnan(value_of(&r->points[0], "goodput")));
  assert_true(isnan(value_of(&r->points[0], "job.p99")));
  result_free(r);
}

static void other_names_are_refused(void **state) {
  static const char *const names[] = {"",
                                      "ttft",
                                      "ttft.",
                                      "ttft.p",
                                      "ttft.p0",
                                      "ttft.p101",
                                      "ttft.99",
                                      "ttft.pp9",
                                      "itl.intended.p99",
                                      "nothing",
                                      "ttft.p99x",
                                      "ttft .p99",
                                      "failed.p1",
                                      ".p99",
                                      "ttft.intended",
                                      "ttft.intended.",
                                      "ttft.p1e1000",
                                      "receive_lag.intended.p99",
                                      "a.name.that.is.much.too.long.to.be.one.of.a.figure.p99"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    figure f;
    const char *why = NULL;
    if (figure_parse(lti_slice_of(names[i]), &f, &why)) fail_msg("'%s' is taken", names[i]);
    assert_non_null(why);
    assert_false(figure_parse(lti_slice_of(names[i]), &f, NULL));
  }
}

static void limits_have_units(void **state) {
  static const struct {
    const char *text;
    enum figure_order order;
    double limit;
  } rows[] = {{"ttft.p99<500ms", FIGURE_LESS, 500}, {"ttft.p99 <= 1.5s", FIGURE_AT_MOST, 1500},
              {"itl.max>250us", FIGURE_MORE, 0.25}, {"e2e.mean<2m", FIGURE_LESS, 120000},
              {"ttft.p50 < 80", FIGURE_LESS, 80},   {"error_rate<=1%", FIGURE_AT_MOST, 0.01},
              {"goodput>0.95", FIGURE_MORE, 0.95},  {"rate>=40/s", FIGURE_AT_LEAST, 40},
              {"failed==0", FIGURE_EQUAL, 0},       {" busy < 90 % ", FIGURE_LESS, 0.9},
              {"e2e.p99<1h", FIGURE_LESS, 3600000}, {"completed>=10", FIGURE_AT_LEAST, 10}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    figure_gate gate;
    const char *why = "";
    if (!figure_gate_parse(rows[i].text, &gate, &why)) fail_msg("%s: %s", rows[i].text, why);
    assert_int_equal(gate.order, rows[i].order);
    assert_true(fabs(gate.limit - rows[i].limit) < 1e-9);
    assert_string_equal(gate.text, rows[i].text);
  }
}

static void bad_gates_are_refused(void **state) {
  static const char *const texts[] = {"",
                                      "ttft.p99",
                                      "ttft.p99<",
                                      "<5",
                                      "ttft.p99<5x",
                                      "ttft.p99<-5",
                                      "ttft.p99<5%",
                                      "failed<5ms",
                                      "error_rate<1ms",
                                      "ttft.p99=5",
                                      "ttft.p99<5 6",
                                      "ttft.p99<<5",
                                      "ttft.p99<1e3",
                                      "ttft.p99<1.2.3",
                                      "nothing<5"};
  char longer[200];
  figure_gate gate;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const char *why = NULL;
    if (figure_gate_parse(texts[i], &gate, &why)) fail_msg("'%s' is taken", texts[i]);
    assert_non_null(why);
  }
  memset(longer, '1', sizeof longer);
  memcpy(longer, "ttft.p99<", 9);
  longer[sizeof longer - 1] = '\0';
  assert_false(figure_gate_parse(longer, &gate, NULL));
}

static bool holds(const char *text, const result_point *p, double *value) {
  figure_gate gate;
  assert_true(figure_gate_parse(text, &gate, NULL));
  return figure_gate_holds(&gate, p, value);
}

static void gates_compare(void **state) {
  double value;
  (void)state;
  result_point p;
  result_point_init(&p);
  p.counts.completed = 8;
  p.counts.failed = 2;
  assert_true(holds("error_rate<=20%", &p, &value) && value == 0.2);
  assert_false(holds("error_rate<20%", &p, &value));
  assert_true(holds("failed==2", &p, &value));
  assert_false(holds("failed==3", &p, &value));
  assert_true(holds("completed>7", &p, &value) && holds("completed>=8", &p, &value));
  assert_false(holds("completed>8", &p, &value));
  assert_false(holds("ttft.p99<500ms", &p, &value));
  assert_true(isnan(value));
  assert_false(holds("ttft.p99>500ms", &p, &value));
}

static void shown(enum figure_unit unit, double value, const char *text) {
  char out[64];
  assert_string_equal(figure_show(unit, value, out, sizeof out), text);
}

static void figures_are_shown_with_three_digits(void **state) {
  (void)state;
  shown(FIGURE_MS, 12.345, "12.3 ms");
  shown(FIGURE_MS, 0.0421, "0.042 ms");
  shown(FIGURE_MS, 1.2345, "1.23 ms");
  shown(FIGURE_MS, 123.9, "124 ms");
  shown(FIGURE_MS, 9.999, "10.0 ms");
  shown(FIGURE_MS, 99.96, "100 ms");
  shown(FIGURE_MS, 12345.6, "12,346 ms");
  shown(FIGURE_SHARE, 0.991, "99.1 %");
  shown(FIGURE_SHARE, 0, "0 %");
  shown(FIGURE_PER_S, 40.2, "40.2/s");
  shown(FIGURE_COUNT, 17, "17");
  shown(FIGURE_COUNT, 1234567, "1,234,567");
  shown(FIGURE_COUNT, 1.2, "1.20");
  shown(FIGURE_MS, NAN, "unknown");
  shown(FIGURE_MS, 1e20, "1e+20 ms");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_name_of_the_list_is_known),
      cmocka_unit_test(figures_are_the_histograms),
      cmocka_unit_test(in_a_closed_loop_the_intended_start_is_the_send),
      cmocka_unit_test(other_names_are_refused),
      cmocka_unit_test(limits_have_units),
      cmocka_unit_test(bad_gates_are_refused),
      cmocka_unit_test(gates_compare),
      cmocka_unit_test(figures_are_shown_with_three_digits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
