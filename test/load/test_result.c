/* Results: what is unknown, figures that follow, and documents written and read back. */
#include "bench/load/result/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/result/result_json.h"
#include "bindings/cli/program.h"
#include "load/sample.h"
#include "support/failing.h"
#include "wire/json.h"

#define WHY_MAX 256

static lti_buf written_of(const result *r) {
  cli_jsonw w;
  lti_buf text;
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  result_json_write(r, &w);
  cli_jsonw_close(&w, '}');
  assert_int_equal(w.error, LEAT_OK);
  text = w.buf;
  return text;
}

static result *read_of(const char *text) {
  char why[WHY_MAX] = "";
  result *r = result_json_read(lti_slice_of(text), why, sizeof why);
  if (!r) assert_true(why[0] != '\0');
  return r;
}

/* Refused, for a reason that has this part. */
static void assert_refused(const char *text, const char *part) {
  char why[WHY_MAX] = "";
  result *r = result_json_read(lti_slice_of(text), why, sizeof why);
  if (!r && strstr(why, part)) return;
  result_free(r);
  fail_msg("%s\n  said: %s\n  not: %s", text, r ? "(nothing)" : why, part);
}

static void what_is_not_known_is_negative(void **state) {
  (void)state;
  result *r = result_new();
  result_point *p = result_add(r);
  assert_non_null(p);
  assert_true(result_output_rate(p) < 0 && result_input_rate(p) < 0);
  assert_true(result_tokens_per_event(p) < 0 && result_goodput_share(p) < 0);
  assert_true(p->certificate.busy_share < 0 && p->lengths.output_mean < 0);
  assert_true(result_error_rate(p) == 0 && result_request_rate(p) == 0);
  assert_int_equal(r->shards, 1);
  result_free(r);
  result_free(NULL);
}

static void figures_follow_from_counts(void **state) {
  (void)state;
  result_point p;
  result_point_init(&p);
  p.wall_s = 4;
  p.counts.started = 10;
  p.counts.completed = 6;
  p.counts.failed = 2;
  p.volume.output_tokens = 120;
  p.volume.input_tokens = 40;
  p.volume.usage_content_events = 60;
  p.volume.events = 100;
  p.goodput.slo_count = 1;
  p.goodput.good = 5;
  assert_true(result_request_rate(&p) == 1.5);
  assert_true(result_error_rate(&p) == 0.25);
  assert_true(result_output_rate(&p) == 30 && result_input_rate(&p) == 10);
  assert_true(result_event_rate(&p) == 25);
  assert_true(result_goodput_share(&p) == 0.5 && result_goodput_rate(&p) == 1.25);
  assert_true(result_tokens_per_event(&p) == 2);
}

static void points_have_a_maximum(void **state) {
  (void)state;
  result *r = result_new();
  for (int i = 0; i < RESULT_POINTS_MAX; i++) assert_non_null(result_add(r));
  assert_null(result_add(r));
  assert_int_equal(r->point_count, RESULT_POINTS_MAX);
  result_free(r);
}

static void an_option_of_the_config_is_found(void **state) {
  (void)state;
  char text[16];
  result *r = result_new();
  assert_false(result_option(r, "model", text, sizeof text));
  r->config = lti_alloc_text(cli_program_alloc(),
                             lti_slice_of("{\"model\":\"m\\u002d1\",\"seed\":7,\"none\":null,"
                                          "\"long\":\"0123456789abcdef\"}"));
  assert_true(result_option(r, "model", text, sizeof text));
  assert_string_equal(text, "m-1");
  assert_true(result_option(r, "seed", text, sizeof text));
  assert_string_equal(text, "7");
  assert_false(result_option(r, "none", text, sizeof text));
  assert_false(result_option(r, "long", text, sizeof text));
  assert_false(result_option(r, "other", text, sizeof text));
  result_free(r);
}

/* --- documents --- */

static void written_read_and_written_is_the_same(void **state) {
  (void)state;
  for (int kind = SAMPLE_CLOSED; kind <= SAMPLE_EMPTY; kind++) {
    result *r = sample_make((enum sample_kind)kind, 3);
    assert_non_null(r);
    lti_buf first = written_of(r);
    lti_buf_byte(&first, '\0');
    result *back = read_of(first.data);
    assert_non_null(back);
    lti_buf second = written_of(back);
    assert_int_equal(second.size + 1, first.size);
    assert_memory_equal(first.data, second.data, second.size);
    assert_true(lti_json_valid(lti_buf_slice(&second), NULL, NULL));
    lti_buf_deinit(&first);
    lti_buf_deinit(&second);
    result_free(back);
    result_free(r);
  }
}

static void histograms_come_back_exactly(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  lti_buf text = written_of(r);
  lti_buf_byte(&text, '\0');
  result *back = read_of(text.data);
  assert_non_null(back);
  const lti_hist *a = r->points[0].latencies[MEASURE_TTFT].intended;
  const lti_hist *b = back->points[0].latencies[MEASURE_TTFT].intended;
  assert_int_equal(lti_hist_count(a), lti_hist_count(b));
  assert_int_equal(lti_hist_min(a), lti_hist_min(b));
  assert_int_equal(lti_hist_max(a), lti_hist_max(b));
  assert_true(lti_hist_mean(a) == lti_hist_mean(b));
  for (double p = 0.5; p < 100; p += 0.5)
    assert_int_equal(lti_hist_percentile(a, p), lti_hist_percentile(b, p));
  lti_buf_deinit(&text);
  result_free(back);
  result_free(r);
}

static void a_program_that_reads_one_run_finds_what_it_always_found(void **state) {
  static const char *const members[] = {"/requests/started",
                                        "/requests/completed",
                                        "/requests/failed",
                                        "/requests/cancelled",
                                        "/requests/retried",
                                        "/requests/live_peak",
                                        "/events",
                                        "/content_events",
                                        "/content_bytes",
                                        "/connections/opened",
                                        "/connections/peak",
                                        "/connections/resumed",
                                        "/connections/http2",
                                        "/http/version",
                                        "/streams/peak",
                                        "/wall_s",
                                        "/requests_per_s",
                                        "/events_per_s",
                                        "/process/cpu_s",
                                        "/process/max_rss_kb",
                                        "/cpu_us_per_event",
                                        "/bytes_received",
                                        "/copied_bytes",
                                        "/copied_share",
                                        "/allocations_per_event",
                                        "/ttft/mean",
                                        "/gap/p50",
                                        "/e2e/p99",
                                        "/gap/count",
                                        "/errors/0/error",
                                        "/errors/0/count",
                                        "/errors/0/message",
                                        "/config/model",
                                        "/leat",
                                        "/decrypted_bytes",
                                        "/ttft/max"};
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  lti_buf text = written_of(r);
  leat_slice value;
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    if (!lti_json_find(lti_buf_slice(&text), members[i], &value)) fail_msg("%s", members[i]);
  assert_true(lti_json_find(lti_buf_slice(&text), "/http/version", &value));
  assert_true(lti_slice_is(value, "\"2\""));
  lti_buf_deinit(&text);
  result_free(r);
}

static void measures_come_with_their_formulas(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_EMPTY, 1);
  lti_buf text = written_of(r);
  for (unsigned m = 0; m < MEASURE_COUNT; m++) {
    char pointer[64];
    leat_slice value;
    snprintf(pointer, sizeof pointer, "/measures/%s/formula", measure_at((enum measure)m)->name);
    assert_true(lti_json_find(lti_buf_slice(&text), pointer, &value));
    assert_true(value.size > 20);
  }
  lti_buf_deinit(&text);
  result_free(r);
}

static void names_of_other_tools_are_known(void **state) {
  enum measure m;
  (void)state;
  assert_true(measure_find(lti_slice_of("e2el"), &m) && m == MEASURE_E2E);
  assert_true(measure_find(lti_slice_of("inter_token_latency"), &m) && m == MEASURE_TPOT);
  assert_true(measure_find(lti_slice_of("inter_chunk_latency"), &m) && m == MEASURE_ITL);
  assert_false(measure_find(lti_slice_of("tt"), &m));
  assert_false(measure_find(lti_slice_of(""), &m));
}

static void every_truncation_is_refused(void **state) {
  (void)state;
  result *r = result_new();
  result_point *p = result_add(r);
  p->latencies[MEASURE_TTFT].sent = lti_hist_new(cli_program_alloc());
  lti_hist_record(p->latencies[MEASURE_TTFT].sent, 5001);
  lti_buf text = written_of(r);
  for (size_t size = 0; size < text.size; size++) {
    char why[WHY_MAX] = "", *copy = malloc(size ? size : 1);
    memcpy(copy, text.data, size);
    result *back = result_json_read(lti_slice(copy, size), why, sizeof why);
    if (back || !why[0]) fail_msg("%zu of %zu bytes", size, text.size);
    free(copy);
  }
  lti_buf_deinit(&text);
  result_free(r);
}

#define DOCUMENT(point) "{\"leat_load\":1,\"points\":[{" point "}]}"

static void what_is_wrong_is_said_with_its_place(void **state) {
  (void)state;
  assert_refused("", "byte 0");
  assert_refused("[]", "a JSON object was expected");
  assert_refused("{}", "leat_load is missing");
  assert_refused("{\"leat_load\":2,\"points\":[]}", "leat_load: a newer version");
  assert_refused("{\"leat_load\":1}", "points is missing");
  assert_refused("{\"leat_load\":1,\"points\":[]} x", "behind");
  assert_refused("{\"leat_load\":1,\"points\":[],\"points\":[]}", "points: it stands here twice");
  assert_refused("{\"leat_load\":1,\"points\":[],\"shards\":0}", "no such shard");
  assert_refused("{\"leat_load\":1,\"points\":[],\"knee\":{\"found\":true}}", "knee.point");
  assert_refused("{\"leat_load\":1,\"config\":3,\"points\":[]}", "config: an object");
  assert_refused(DOCUMENT("\"wall_s\":\"1\""), "points[0].wall_s: a number was expected (byte");
  assert_refused(DOCUMENT("\"counts\":{\"failed\":-1}"), "points[0].counts.failed: a whole number");
  assert_refused(DOCUMENT("\"counts\":{\"failed\":1.5}"), "points[0].counts.failed");
  assert_refused(DOCUMENT("\"counts\":[]"), "points[0].counts: an object");
  assert_refused(DOCUMENT("\"offer\":{\"shape\":\"round\"}"),
                 "points[0].offer.shape: closed, open");
  assert_refused(DOCUMENT("\"certificate\":{\"verdict\":\"fine\"}"), "certificate.verdict");
  assert_refused(DOCUMENT("\"latencies\":{\"ttft\":{\"sent\":{}}}"),
                 "points[0].latencies.ttft.sent: its histogram");
  assert_refused(DOCUMENT("\"latencies\":{\"ttft\":{\"sent\":{\"hdr\":\"AAAA\"}}}"),
                 "latencies.ttft.sent: this is no HdrHistogram");
  assert_refused(DOCUMENT("\"goodput\":{\"slos\":[{\"measure\":\"x\"}]}"),
                 "goodput.slos[0].measure: there is no such measure");
  assert_refused(DOCUMENT("\"timeline\":{\"slots\":[[1]]}"),
                 "timeline.slots[0]: there are too few");
  assert_refused(DOCUMENT("\"tracks\":[{\"steps_us\":[-1]}]"), "tracks[0].steps_us: a whole");
  assert_refused(DOCUMENT("\"dots\":{\"rows\":[[1e99,1,1,0]]}"), "dots.rows[0]: the number is too");
  assert_refused(DOCUMENT("\"offer\":{\"label\":\"a\\u0000b\"}"), "without NUL");
}

static void what_is_not_known_is_skipped(void **state) {
  (void)state;
  result *r = read_of(
      "{\"leat_load\":1,\"novel\":{\"a\":[1,2]},\"points\":[{\"x\":1,\"latencies\":"
      "{\"other\":{}},\"wall_s\":2.5,\"offer\":{\"rate\":null}}]}");
  assert_non_null(r);
  assert_int_equal(r->point_count, 1);
  assert_true(r->points[0].wall_s == 2.5 && r->points[0].offer.rate < 0);
  assert_null(r->config);
  result_free(r);
}

/* A list of so many empty objects, between two texts. */
static void assert_too_many(const char *before, int count, const char *behind, const char *part) {
  lti_buf text;
  lti_buf_init(&text, cli_program_alloc(), 1 << 20, LEAT_EBODYMAX);
  lti_buf_text(&text, before);
  for (int i = 0; i < count; i++) lti_buf_text(&text, i ? ",{}" : "{}");
  lti_buf_text(&text, behind);
  lti_buf_byte(&text, '\0');
  assert_refused(text.data, part);
  lti_buf_deinit(&text);
}

static void lists_have_maxima(void **state) {
  (void)state;
  assert_too_many("{\"leat_load\":1,\"points\":[{\"errors\":[", RESULT_ERRORS_MAX + 1, "]}]}",
                  "errors[32]: there are too many");
  assert_too_many("{\"leat_load\":1,\"points\":[", RESULT_POINTS_MAX + 1, "]}",
                  "points[256]: there are too many");
  assert_too_many("{\"leat_load\":1,\"points\":[{\"tracks\":[", RESULT_TRACKS_MAX + 1, "]}]}",
                  "tracks[12]: there are too many");
}

static void a_long_text_is_cut_between_characters(void **state) {
  char text[700] = "{\"leat_load\":1,\"points\":[],\"title\":\"";
  (void)state;
  for (int i = 0; i < 100; i++) strncat(text, "\xe2\x82\xac", sizeof text - strlen(text) - 1);
  strncat(text, "\"}", sizeof text - strlen(text) - 1);
  result *r = read_of(text);
  assert_non_null(r);
  assert_int_equal(strlen(r->title), 117);
  assert_true(lti_slice_is_utf8(lti_slice_of(r->title)));
  /* A character that did not fit is left out of the document, too. */
  memset(r->title, 'a', sizeof r->title);
  memcpy(r->title + sizeof r->title - 3, "\xe2\x82", 3);
  lti_buf first = written_of(r);
  lti_buf_byte(&first, '\0');
  result *back = read_of(first.data);
  assert_non_null(back);
  assert_int_equal(strlen(back->title), sizeof r->title - 3);
  lti_buf_deinit(&first);
  result_free(back);
  result_free(r);
}

/* --- without memory --- */

typedef struct document {
  leat_slice text;
  bool once; /* it came through */
} document;

static void read_it(const leat_allocator *fns, void *ctx) {
  document *d = ctx;
  char why[WHY_MAX] = "";
  lti_alloc_init(cli_program_alloc(), fns);
  result *r = result_json_read(d->text, why, sizeof why);
  if (r) d->once = true;
  if (!r) assert_true(why[0] != '\0');
  result_free(r);
  lti_alloc_init(cli_program_alloc(), NULL);
}

static void write_it(const leat_allocator *fns, void *ctx) {
  cli_jsonw w;
  lti_alloc alloc;
  lti_alloc_init(&alloc, fns);
  cli_jsonw_init(&w, &alloc);
  cli_jsonw_open(&w, NULL, '{');
  result_json_write(ctx, &w);
  cli_jsonw_close(&w, '}');
  assert_true(w.error == LEAT_OK || w.error == LEAT_ENOMEM);
  cli_jsonw_deinit(&w);
}

static void allocations_that_fail_are_said(void **state) {
  (void)state;
  result *r = result_new();
  result_point *p = result_add(r);
  p->latencies[MEASURE_E2E].sent = lti_hist_new(cli_program_alloc());
  lti_hist_record(p->latencies[MEASURE_E2E].sent, 70000);
  p->dots = lti_alloc_zero(cli_program_alloc(), sizeof *p->dots);
  p->dot_count = 1;
  r->config = lti_alloc_text(cli_program_alloc(), lti_slice_of("{\"a\\u0062\":\"c\"}"));
  snprintf(r->title, sizeof r->title, "a \"title\"");
  failing_at_every_n(write_it, r);
  lti_buf text = written_of(r);
  document d = {lti_buf_slice(&text), false};
  failing_at_every_n(read_it, &d);
  assert_true(d.once);
  lti_buf_deinit(&text);
  result_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_known_is_negative),
      cmocka_unit_test(figures_follow_from_counts),
      cmocka_unit_test(points_have_a_maximum),
      cmocka_unit_test(an_option_of_the_config_is_found),
      cmocka_unit_test(written_read_and_written_is_the_same),
      cmocka_unit_test(histograms_come_back_exactly),
      cmocka_unit_test(a_program_that_reads_one_run_finds_what_it_always_found),
      cmocka_unit_test(measures_come_with_their_formulas),
      cmocka_unit_test(names_of_other_tools_are_known),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(what_is_wrong_is_said_with_its_place),
      cmocka_unit_test(what_is_not_known_is_skipped),
      cmocka_unit_test(lists_have_maxima),
      cmocka_unit_test(a_long_text_is_cut_between_characters),
      cmocka_unit_test(allocations_that_fail_are_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
