/* The page of a result: whole, escaped, self-contained, the same each time, and small.
 *
 *   load_test_report_html           runs the tests
 *   load_test_report_html FOLDER    writes sample pages there, for eyes and for a browser's test
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/load/report/compare_html.h"
#include "bench/load/report/report.h"
#include "bindings/cli/program.h"
#include "load/markup.h"
#include "load/sample.h"

#define USUAL_MAX (300u * 1024)
#define HOSTILE   "<script>alert(1)</script>\"'`&\x01\xff\xe2\x80\xae</pre></style>"
#define RUNS      5

static result *make(enum sample_kind kind) {
  result *r = sample_make(kind, 1);
  assert_non_null(r);
  return r;
}

static result *make_run(uint64_t seed) {
  result *r = sample_make(SAMPLE_OPEN, seed);
  assert_non_null(r);
  return r;
}

/* One whose certificate says no, with reasons. */
static result *make_invalid(void) {
  result *r = make(SAMPLE_OPEN);
  result_certificate *c = &r->points[0].certificate;
  c->verdict = RESULT_INVALID;
  c->busy_share = 0.997;
  c->reason_count = 2;
  c->reasons[0] = (result_reason){RESULT_INVALID, "one thread was busy for 99.7 % of the run",
                                  "give the run more threads (--threads 2)"};
  c->reasons[1] = (result_reason){RESULT_DEGRADED, "the loop was away 7 times, up to 81 ms",
                                  "move other work off this machine"};
  return r;
}

/* Everything that came from elsewhere tries to be markup. */
static result *make_hostile(void) {
  result *r = make_invalid();
  result_point *p = &r->points[0];
  result_certificate *c = &p->certificate;
  lti_alloc_put(cli_program_alloc(), r->config);
  r->config = lti_alloc_text(cli_program_alloc(),
                             lti_slice_of("{\"model\":\"" HOSTILE "\",\"x\":[]]]]}}}"));
  snprintf(r->title, sizeof r->title, "%s", HOSTILE);
  snprintf(r->machine.system, sizeof r->machine.system, "%s", HOSTILE);
  snprintf(r->machine.processor, sizeof r->machine.processor, "%s", HOSTILE);
  snprintf(r->machine.versions, sizeof r->machine.versions, "%s", HOSTILE);
  snprintf(r->knee.level, sizeof r->knee.level, "%s", HOSTILE);
  snprintf(p->offer.label, sizeof p->offer.label, "%s", HOSTILE);
  snprintf(c->clock, sizeof c->clock, "<script>");
  snprintf(c->reasons[0].text, RESULT_TEXT_MAX, "%s", HOSTILE);
  snprintf(c->reasons[0].advice, RESULT_TEXT_MAX, "%s", HOSTILE);
  snprintf(p->errors[0].name, sizeof p->errors[0].name, "\"><script>x</script>");
  snprintf(p->errors[0].kind, sizeof p->errors[0].kind, "<script>");
  snprintf(p->errors[0].message, RESULT_TEXT_MAX, "%s", HOSTILE);
  return r;
}

static markup page_of_runs(result *const *runs, size_t count) {
  FILE *file = tmpfile();
  cli_out *out = malloc(sizeof *out);
  assert_true(file && out);
  cli_out_init(out, fileno(file), "page");
  assert_true(report_html(runs, count, out));
  cli_out_flush(out);
  assert_int_equal(out->error, 0);
  free(out);
  return markup_read(file);
}

static markup page_of(result *r) {
  return page_of_runs(&r, 1);
}

static void check(result *r, size_t size_max) {
  markup p = page_of(r);
  markup_check(&p);
  if (p.size > size_max) fail_msg("%zu bytes, more than %zu", p.size, size_max);
  free(p.text);
  result_free(r);
}

static void test_pages_are_whole_small_and_load_nothing(void **state) {
  (void)state;
  check(make(SAMPLE_CLOSED), USUAL_MAX);
  check(make(SAMPLE_OPEN), USUAL_MAX);
  check(make(SAMPLE_NO_USAGE), USUAL_MAX);
  check(make(SAMPLE_EMPTY), USUAL_MAX);
  check(make_invalid(), USUAL_MAX);
  check(make(SAMPLE_SWEEP), 2 * USUAL_MAX);
}

static void test_what_came_from_elsewhere_is_text(void **state) {
  (void)state;
  result *r = make_hostile();
  markup p = page_of(r);
  markup_check(&p);
  assert_null(strstr(p.text, "alert(1)</"));
  assert_null(strstr(p.text, "\xe2\x80\xae"));
  assert_null(strchr(p.text, '\x01'));
  assert_null(strchr(p.text, '`'));
  const char *escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&#96;&amp;";
  size_t found = 0;
  for (const char *at = strstr(p.text, escaped); at; at = strstr(at + 1, escaped)) found++;
  assert_true(found >= 9);
  free(p.text);
  result_free(r);
}

static void test_the_same_result_is_the_same_page(void **state) {
  (void)state;
  result *a = make(SAMPLE_OPEN), *b = make(SAMPLE_OPEN);
  markup first = page_of(a), again = page_of(a), other = page_of(b);
  assert_string_equal(first.text, again.text);
  assert_string_equal(first.text, other.text);
  free(first.text);
  free(again.text);
  free(other.text);
  result_free(a);
  result_free(b);
}

static void expect(result *r, const char *const *words, size_t count) {
  markup p = page_of(r);
  const char *at = p.text;
  for (size_t i = 0; i < count; i++) {
    const char *found = strstr(at, words[i]);
    if (!found) fail_msg("not there, or not in this order: %s", words[i]);
    at = found;
  }
  free(p.text);
  result_free(r);
}

static void test_the_verdict_comes_first(void **state) {
  (void)state;
  static const char *const invalid[] = {
      "<h1>",        "verdict bad",      "Invalid: do not use", "one thread was busy for 99.7 %",
      "--threads 2", "Receive lag, p99", "class=\"cards\"",     "Latency by percentile"};
  static const char *const valid[] = {"<h1>", "verdict good", "Valid:", "class=\"cards\""};
  expect(make_invalid(), invalid, sizeof invalid / sizeof invalid[0]);
  expect(make(SAMPLE_CLOSED), valid, sizeof valid / sizeof valid[0]);
}

static void test_forms_are_told_by_the_loop(void **state) {
  (void)state;
  static const char *const closed[] = {"Load test", "A closed loop: a request begins when",
                                       "No request failed"};
  static const char *const open[] = {"from the intended start", "LEAT_ETRUNCATED",
                                     "ttft, from the intended start"};
  static const char *const silent[] = {"tokens were not told", "never guessed from events"};
  expect(make(SAMPLE_CLOSED), closed, sizeof closed / sizeof closed[0]);
  expect(make(SAMPLE_OPEN), open, sizeof open / sizeof open[0]);
  expect(make(SAMPLE_NO_USAGE), silent, sizeof silent / sizeof silent[0]);
}

static void test_a_sweep_marks_its_knee_and_its_level(void **state) {
  (void)state;
  static const char *const words[] = {"verdict good",
                                      "rate 80/s</strong>, the knee. Of all 6 loads 5 are valid",
                                      "The knee under",
                                      "ttft.p99&lt;90ms",
                                      "Time to first token against load",
                                      "class=\"mk\"",
                                      "ttft.p99&lt;90ms</text>",
                                      ">knee</text>",
                                      "(knee)"};
  static const char *const none[] = {"verdict bad",
                                     "rate 320/s</strong>, the worst",
                                     "Searched under <code>itl.p99&lt;50ms and ttft.p99&lt;90ms<",
                                     ": met by no point; so there is no knee",
                                     ">ttft.p99&lt;90ms</text>",
                                     "The level's figure against load",
                                     ">itl.p99&lt;50ms</text>"};
  expect(make(SAMPLE_SWEEP), words, sizeof words / sizeof words[0]);
  result *r = make(SAMPLE_SWEEP);
  r->knee.found = false;
  snprintf(r->knee.level, sizeof r->knee.level, "itl.p99<50ms and ttft.p99<90ms: met by no point");
  expect(r, none, sizeof none / sizeof none[0]);
}

static void test_a_result_with_nothing_in_it_is_a_page(void **state) {
  (void)state;
  result *none = result_new(), *empty = result_new();
  assert_true(none && empty && result_add(empty));
  check(none, USUAL_MAX);
  check(empty, USUAL_MAX);
  static const char *const words[] = {"verdict plain", "No verdict: nothing was measured"};
  expect(make(SAMPLE_EMPTY), words, sizeof words / sizeof words[0]);
}

static void test_the_largest_sweep_stays_bounded(void **state) {
  (void)state;
  result *r = make(SAMPLE_SWEEP);
  while (r->point_count < RESULT_POINTS_MAX) {
    result_point *p = result_add(r);
    assert_non_null(p);
    p->offer.rate = 320 + (double)r->point_count;
    snprintf(p->offer.label, sizeof p->offer.label, "rate %zu/s", 320 + r->point_count);
    p->latencies[MEASURE_TTFT].sent = lti_hist_new(cli_program_alloc());
    assert_non_null(p->latencies[MEASURE_TTFT].sent);
    for (uint64_t i = 1; i < 50; i++)
      lti_hist_record(p->latencies[MEASURE_TTFT].sent, 1000 * i * r->point_count);
  }
  check(r, 1u << 20);
}

/* ---- two sets of runs */

static comparison *compare_samples(enum sample_kind a, enum sample_kind b, result *runs[2 * RUNS]) {
  for (size_t i = 0; i < 2 * RUNS; i++) {
    runs[i] = sample_make(i < RUNS ? a : b, i + 1);
    assert_non_null(runs[i]);
  }
  const compare_side sides[] = {{"before.json", (const result *const *)runs, RUNS},
                                {"after " HOSTILE, (const result *const *)runs + RUNS, RUNS}};
  comparison *c = compare_new(&sides[0], &sides[1]);
  assert_non_null(c);
  return c;
}

/* Of the last run, and beside it what figures are over all of them. */
static void test_runs_of_one_load_are_told_together(void **state) {
  (void)state;
  result *runs[RUNS];
  for (size_t i = 0; i < RUNS; i++) runs[i] = make_run(i + 1);
  markup p = page_of_runs(runs, RUNS), last = page_of(runs[RUNS - 1]);
  markup_check(&p);
  assert_non_null(strstr(p.text, "<section id=\"runs\""));
  assert_non_null(strstr(p.text, "runs of the same load"));
  assert_non_null(strstr(p.text, "the last of 5 runs"));
  assert_null(strstr(last.text, "<section id=\"runs\""));
  assert_true(p.size > last.size && p.size < last.size + 8192);
  free(p.text);
  free(last.text);
  for (size_t i = 0; i < RUNS; i++) result_free(runs[i]);
}

static void free_samples(comparison *c, result *runs[2 * RUNS]) {
  compare_free(c);
  for (size_t i = 0; i < 2 * RUNS; i++) result_free(runs[i]);
}

static void test_a_comparison_is_a_page(void **state) {
  (void)state;
  static const enum sample_kind pairs[][2] = {{SAMPLE_OPEN, SAMPLE_OPEN},
                                              {SAMPLE_SWEEP, SAMPLE_SWEEP},
                                              {SAMPLE_CLOSED, SAMPLE_NO_USAGE},
                                              {SAMPLE_EMPTY, SAMPLE_OPEN}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    result *runs[2 * RUNS];
    comparison *c = compare_samples(pairs[i][0], pairs[i][1], runs);
    FILE *file = tmpfile();
    cli_out *out = malloc(sizeof *out);
    assert_true(file && out);
    cli_out_init(out, fileno(file), "page");
    assert_true(compare_html(c, NULL, out));
    cli_out_flush(out);
    free(out);
    markup p = markup_read(file);
    markup_check(&p);
    assert_non_null(strstr(p.text, "after &lt;script&gt;"));
    assert_true(p.size < 2 * USUAL_MAX);
    free(p.text);
    free_samples(c, runs);
  }
}

/* ---- sample pages for a browser */

static int write_page(const char *folder, const char *name, result *r) {
  char path[512];
  cli_out *out = malloc(sizeof *out);
  snprintf(path, sizeof path, "%s/%s.html", folder, name);
  bool fine = out && cli_out_open(out, path) && report_html(&r, 1, out);
  fine = fine && cli_out_close(out);
  free(out);
  result_free(r);
  return fine ? 0 : 1;
}

/* B's first tokens come later, its gaps are shorter. */
static void shift(result *r) {
  result_point *p = &r->points[0];
  for (uint64_t i = 0; i < 900; i++) {
    lti_hist_record(p->latencies[MEASURE_TTFT].sent, 90000 + 100 * i);
    lti_hist_record(p->latencies[MEASURE_TTFT].intended, 90000 + 100 * i);
    lti_hist_record(p->latencies[MEASURE_TPOT].sent, 6000 + i);
  }
}

static int write_comparison(const char *folder) {
  char path[512];
  result *runs[2 * RUNS];
  cli_out *out = malloc(sizeof *out);
  comparison *c = compare_samples(SAMPLE_OPEN, SAMPLE_OPEN, runs);
  compare_side a = c->a, b = {"after.json", c->b.runs, c->b.count};
  compare_free(c);
  for (size_t i = RUNS; i < 2 * RUNS; i++) shift(runs[i]);
  a.runs = (const result *const *)runs;
  b.runs = (const result *const *)runs + RUNS;
  c = compare_new(&a, &b);
  snprintf(path, sizeof path, "%s/compare.html", folder);
  bool fine = c && out && cli_out_open(out, path) && compare_html(c, NULL, out);
  fine = fine && cli_out_close(out);
  free(out);
  free_samples(c, runs);
  return fine ? 0 : 1;
}

static int write_runs(const char *folder) {
  char path[512];
  result *runs[RUNS];
  cli_out *out = malloc(sizeof *out);
  for (size_t i = 0; i < RUNS; i++) runs[i] = make_run(i + 1);
  snprintf(path, sizeof path, "%s/runs.html", folder);
  bool fine = out && cli_out_open(out, path) && report_html(runs, RUNS, out);
  fine = fine && cli_out_close(out);
  free(out);
  for (size_t i = 0; i < RUNS; i++) result_free(runs[i]);
  return fine ? 0 : 1;
}

static int write_samples(const char *folder) {
  return write_page(folder, "open", make(SAMPLE_OPEN)) |
         write_page(folder, "closed", make(SAMPLE_CLOSED)) |
         write_page(folder, "empty", make(SAMPLE_EMPTY)) |
         write_page(folder, "invalid", make_invalid()) |
         write_page(folder, "sweep", make(SAMPLE_SWEEP)) |
         write_page(folder, "hostile", make_hostile()) | write_comparison(folder) |
         write_runs(folder);
}

int main(int argc, char **argv) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pages_are_whole_small_and_load_nothing),
      cmocka_unit_test(test_what_came_from_elsewhere_is_text),
      cmocka_unit_test(test_the_same_result_is_the_same_page),
      cmocka_unit_test(test_the_verdict_comes_first),
      cmocka_unit_test(test_forms_are_told_by_the_loop),
      cmocka_unit_test(test_a_sweep_marks_its_knee_and_its_level),
      cmocka_unit_test(test_a_result_with_nothing_in_it_is_a_page),
      cmocka_unit_test(test_the_largest_sweep_stays_bounded),
      cmocka_unit_test(test_a_comparison_is_a_page),
      cmocka_unit_test(test_runs_of_one_load_are_told_together),
  };
  if (argc > 1) return write_samples(argv[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
