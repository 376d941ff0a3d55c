/* Reports of results that were made up: their form, and that their figures are the result's. */
#include "bench/load/report/report.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bindings/cli/program.h"
#include "load/sample.h"
#include "support/exposition.h"
#include "wire/json.h"

#define COLUMNS_MAX 100

typedef void (*report_text)(const result *r, cli_out *out);
typedef void (*report_json)(const result *r, cli_jsonw *w);

/* What a report writes; to be freed. */
static char *text_of(report_text report, const result *r) {
  static cli_out out;
  FILE *file = tmpfile();
  assert_non_null(file);
  cli_out_init(&out, fileno(file), "a report");
  report(r, &out);
  cli_out_flush(&out);
  assert_int_equal(out.error, 0);
  off_t size = lseek(fileno(file), 0, SEEK_END);
  char *text = malloc((size_t)size + 1);
  assert_int_equal(pread(fileno(file), text, (size_t)size, 0), size);
  text[size] = '\0';
  fclose(file);
  return text;
}

static char *text_of_sample(report_text report, enum sample_kind kind) {
  result *r = sample_make(kind, 1);
  assert_non_null(r);
  char *text = text_of(report, r);
  result_free(r);
  return text;
}

/* An object's text, NUL-terminated; lti_buf_deinit is due. */
static lti_buf object_of(report_json report, const result *r) {
  cli_jsonw w;
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  report(r, &w);
  cli_jsonw_close(&w, '}');
  assert_int_equal(w.error, LEAT_OK);
  assert_true(lti_json_valid(lti_buf_slice(&w.buf), NULL, NULL));
  return w.buf;
}

static void assert_has(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part) {
  if (strstr(text, part)) fail_msg("'%s' is in\n%s", part, text);
}

/* --- the table --- */

static void no_line_of_a_table_is_too_wide(void **state) {
  (void)state;
  for (int kind = SAMPLE_CLOSED; kind <= SAMPLE_EMPTY; kind++) {
    char *text = text_of_sample(report_table, (enum sample_kind)kind);
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
      size_t size = strcspn(at, "\n");
      if (size > COLUMNS_MAX) fail_msg("%zu columns: %.*s", size, (int)size, at);
      assert_true(size == 0 || at[size - 1] != ' ');
    }
    free(text);
  }
}

static void a_closed_loop_says_that_both_forms_are_one(void **state) {
  (void)state;
  char *text = text_of_sample(report_table, SAMPLE_CLOSED);
  assert_has(text, "requests       800 completed, none failed");
  assert_has(text, "in a closed loop the intended start is the send");
  assert_has_not(text, "from the intended start");
  assert_has(text, "certificate    valid");
  assert_has(text, "receive lag");
  assert_has_not(text, "schedule lag");
  assert_has(text, "1.20 a content event");
  free(text);
}

static void an_open_loop_tells_both_forms(void **state) {
  (void)state;
  char *text = text_of_sample(report_table, SAMPLE_OPEN);
  assert_has(text, "from the send");
  assert_has(text, "from the intended start");
  assert_has(text, "4 LEAT_ETRUNCATED: the connection ended");
  assert_has(text, "4 of them cut short");
  assert_has(text, "goodput");
  assert_has(text, "certificate    degraded");
  assert_has(text, "schedule lag");
  assert_has(text, "  degraded         receive lag p99");
  free(text);
}

static void tokens_that_are_not_known_are_not_guessed(void **state) {
  (void)state;
  char *text = text_of_sample(report_table, SAMPLE_NO_USAGE);
  assert_has(text, "tokens         not known");
  assert_has_not(text, "tokens/s");
  assert_has_not(text, "tpot");
  free(text);
}

static void a_sweep_has_a_row_for_each_point_and_its_knee(void **state) {
  (void)state;
  char *text = text_of_sample(report_table, SAMPLE_SWEEP);
  assert_has(text, "  rate 10/s ");
  assert_has(text, "* rate 80/s ");
  assert_has(text, "  rate 320/s ");
  assert_has(text, "knee           rate 80/s is the most that kept ttft.p99<90ms");
  assert_has(text, "certificate    invalid");
  assert_has(text, "(rate 320/s)");
  free(text);
}

static void a_foreign_text_cannot_drive_a_terminal(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  snprintf(r->title, sizeof r->title, "\033[2Jtitle");
  snprintf(r->points[0].offer.label, sizeof r->points[0].offer.label, "\033]0;x\007");
  snprintf(r->points[0].errors[0].message, RESULT_TEXT_MAX, "\033[31m");
  snprintf(r->points[0].certificate.reasons[0].text, RESULT_TEXT_MAX, "\033c");
  snprintf(r->points[0].certificate.clock, sizeof r->points[0].certificate.clock, "\033D");
  snprintf(r->points[0].lengths.note, sizeof r->points[0].lengths.note, "\033D");
  report_text reports[] = {report_table, report_csv, report_prometheus};
  for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
    char *text = text_of(reports[i], r);
    assert_has_not(text, "\033");
    free(text);
  }
  result_free(r);
}

/* What runs have in common, and nothing where they are of unlike loads. */
static void runs_of_one_load_have_a_table_of_their_own(void **state) {
  (void)state;
  static cli_out out;
  char text[4096];
  result *runs[3];
  for (size_t i = 0; i < 3; i++) {
    runs[i] = sample_make(SAMPLE_OPEN, i + 1);
    assert_non_null(runs[i]);
  }
  snprintf(runs[0]->points[0].offer.label, sizeof runs[0]->points[0].offer.label, "\033]0;x");
  FILE *file = tmpfile();
  assert_non_null(file);
  cli_out_init(&out, fileno(file), "a report");
  report_runs_table(runs, 3, &out);
  cli_out_flush(&out);
  assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
  for (size_t i = 1; i < 3; i++)
    memcpy(runs[i]->points[0].offer.label, runs[0]->points[0].offer.label,
           sizeof runs[0]->points[0].offer.label);
  report_runs_table(runs, 3, &out);
  cli_out_flush(&out);
  ssize_t size = pread(fileno(file), text, sizeof text - 1, 0);
  assert_true(size > 0);
  text[size] = '\0';
  assert_has(text, "over 3 runs, ");
  assert_has(text, "0 valid, 3 degraded, 0 invalid");
  assert_has(text, "  ttft.p99 ");
  assert_has(text, " to ");
  assert_has_not(text, "\033");
  for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
    assert_true(strcspn(at, "\n") <= COLUMNS_MAX);
  fclose(file);
  for (size_t i = 0; i < 3; i++) result_free(runs[i]);
}

static void a_result_without_points_is_said(void **state) {
  (void)state;
  result *r = result_new();
  char *text = text_of(report_table, r);
  assert_string_equal(text, "nothing was measured\n");
  free(text);
  text = text_of(report_prometheus, r);
  assert_string_equal(text, "");
  free(text);
  lti_buf vllm = object_of(report_vllm, r), aiperf = object_of(report_aiperf, r);
  assert_int_equal(vllm.size + aiperf.size, 4);
  lti_buf_deinit(&vllm);
  lti_buf_deinit(&aiperf);
  result_free(r);
}

/* --- CSV --- */

/* Reads RFC 4180 strictly: the fields of one row; returns behind it. */
static const char *read_row(const char *at, char fields[][80], size_t max, size_t *count) {
  *count = 0;
  for (;;) {
    size_t used = 0;
    bool quoted = *at == '"';
    assert_true(*count < max);
    if (quoted) at++;
    for (;; at++) {
      if (quoted && at[0] == '"' && at[1] != '"') break;
      if (quoted && at[0] == '"') at++;
      if (!quoted && strchr(",\r", *at)) break;
      assert_true(*at != '\0' && *at != '\n' && (quoted || *at != '"'));
      assert_true(used + 1 < 80);
      fields[*count][used++] = *at;
    }
    if (quoted) at++;
    fields[(*count)++][used] = '\0';
    if (*at++ == ',') continue;
    assert_true(at[-1] == '\r' && *at == '\n');
    return at + 1;
  }
}

static size_t column_of(char header[][80], size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(header[i], name) == 0) return i;
  fail_msg("no column %s", name);
  return 0;
}

static void every_row_of_csv_has_the_headers_columns(void **state) {
  static char header[400][80], row[400][80];
  (void)state;
  for (int kind = SAMPLE_CLOSED; kind <= SAMPLE_EMPTY; kind++) {
    size_t columns, count, rows = 0;
    result *r = sample_make((enum sample_kind)kind, 1);
    snprintf(r->points[0].offer.label, sizeof r->points[0].offer.label, "=a, \"b\"");
    char *text = text_of(report_csv, r);
    const char *at = read_row(text, header, 400, &columns);
    for (size_t i = 0; i < columns; i++)
      assert_int_equal(column_of(header, columns, header[i]), i); /* no name stands twice */
    for (; *at; rows++) {
      at = read_row(at, row, 400, &count);
      assert_int_equal(count, columns);
      if (rows == 0) assert_string_equal(row[column_of(header, columns, "load")], " =a, \"b\"");
    }
    assert_int_equal(rows, r->point_count);
    free(text);
    result_free(r);
  }
}

static void figures_of_csv_are_the_results(void **state) {
  static char header[400][80], row[400][80];
  size_t columns, count;
  char wanted[40];
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  char *text = text_of(report_csv, r);
  read_row(read_row(text, header, 400, &columns), row, 400, &count);
  const lti_hist *h = r->points[0].latencies[MEASURE_TTFT].intended;
  snprintf(wanted, sizeof wanted, "%.10g", (double)lti_hist_percentile(h, 99) / 1e3);
  assert_string_equal(row[column_of(header, columns, "ttft_intended_p99_ms")], wanted);
  assert_string_equal(row[column_of(header, columns, "failed")], "6");
  assert_string_equal(row[column_of(header, columns, "verdict")], "degraded");
  assert_string_equal(row[column_of(header, columns, "job_p99_ms")], "");
  assert_string_equal(row[column_of(header, columns, "concurrency_wanted")], "");
  assert_string_equal(row[column_of(header, columns, "ttft_samples")], "400");
  free(text);
  result_free(r);
}

/* --- Prometheus --- */

static void prometheus_text_is_strictly_right(void **state) {
  (void)state;
  for (int kind = SAMPLE_CLOSED; kind <= SAMPLE_EMPTY; kind++) {
    result *r = sample_make((enum sample_kind)kind, 1);
    snprintf(r->points[0].offer.label, sizeof r->points[0].offer.label, "a\\b \"c\"");
    char *text = text_of(report_prometheus, r);
    exposition_check(text);
    assert_has(text, "load=\"a\\\\b \\\"c\\\"\"");
    free(text);
    result_free(r);
  }
}

static void prometheus_buckets_are_the_histograms(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_CLOSED, 1);
  char *text = text_of(report_prometheus, r), wanted[200];
  const lti_hist *h = r->points[0].latencies[MEASURE_ITL].sent;
  lti_hist_bucket b;
  uint64_t below = 0;
  for (size_t at = 0; lti_hist_next(h, &at, &b);)
    if (b.high <= 10000) below += b.count;
  snprintf(wanted, sizeof wanted, "measure=\"itl\",from=\"send\",le=\"0.01\"} %llu\n",
           (unsigned long long)below);
  assert_has(text, wanted);
  assert_has(text, "measure=\"itl\",from=\"send\",le=\"+Inf\"} 15200\n");
  assert_has(text, "leat_load_verdict{point=\"0\",load=\"concurrency 100\",verdict=\"valid\"} 1\n");
  free(text);
  result_free(r);
}

/* --- the words of others --- */

static double number_at(const lti_buf *object, const char *pointer) {
  lti_json reader;
  leat_slice value;
  double number;
  if (!lti_json_find(lti_buf_slice(object), pointer, &value)) fail_msg("%s", pointer);
  lti_json_init(&reader, value);
  if (!lti_json_double(&reader, &number)) fail_msg("%s is no number", pointer);
  return number;
}

static void assert_value(const lti_buf *object, const char *pointer, const char *wanted) {
  leat_slice value;
  if (!lti_json_find(lti_buf_slice(object), pointer, &value)) fail_msg("%s", pointer);
  if (!lti_slice_is(value, wanted))
    fail_msg("%s is %.*s, not %s", pointer, (int)value.size, value.data, wanted);
}

static void vllm_has_its_members(void **state) {
  static const char *const members[] = {"/date",
                                        "/endpoint_type",
                                        "/backend",
                                        "/label",
                                        "/model_id",
                                        "/tokenizer_id",
                                        "/num_prompts",
                                        "/request_rate",
                                        "/burstiness",
                                        "/max_concurrency",
                                        "/duration",
                                        "/completed",
                                        "/failed",
                                        "/total_input_tokens",
                                        "/total_output_tokens",
                                        "/request_throughput",
                                        "/request_goodput",
                                        "/output_throughput",
                                        "/total_token_throughput",
                                        "/max_concurrent_requests",
                                        "/max_output_tokens_per_s",
                                        "/mean_ttft_ms",
                                        "/median_ttft_ms",
                                        "/std_ttft_ms",
                                        "/p99_ttft_ms",
                                        "/mean_tpot_ms",
                                        "/p99_tpot_ms",
                                        "/mean_itl_ms",
                                        "/p99_itl_ms",
                                        "/mean_e2el_ms",
                                        "/p99_e2el_ms",
                                        "/std_e2el_ms"};
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  const result_point *p = &r->points[0];
  lti_buf object = object_of(report_vllm, r);
  leat_slice value;
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    if (!lti_json_find(lti_buf_slice(&object), members[i], &value)) fail_msg("%s", members[i]);
  assert_value(&object, "/backend", "\"openai-chat\"");
  assert_value(&object, "/model_id", "\"m-1\"");
  assert_value(&object, "/request_rate", "40");
  assert_value(&object, "/max_concurrency", "null");
  assert_value(&object, "/num_prompts", "400");
  double p99 = (double)lti_hist_percentile(p->latencies[MEASURE_E2E].sent, 99) / 1e3;
  assert_true(number_at(&object, "/p99_e2el_ms") == p99);
  assert_true(number_at(&object, "/request_throughput") == result_request_rate(p));
  lti_buf_deinit(&object);
  result_free(r);
}

static void vllm_of_a_closed_loop_without_usage_is_null_where_nothing_is_known(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_NO_USAGE, 1);
  lti_buf object = object_of(report_vllm, r);
  assert_value(&object, "/request_rate", "\"inf\"");
  assert_value(&object, "/max_concurrency", "100");
  assert_value(&object, "/total_output_tokens", "null");
  assert_value(&object, "/output_throughput", "null");
  assert_value(&object, "/mean_tpot_ms", "null");
  assert_value(&object, "/request_goodput", "null");
  lti_buf_deinit(&object);
  result_free(r);
}

static void aiperf_has_distributions_and_numbers(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_OPEN, 1);
  const result_point *p = &r->points[0];
  lti_buf object = object_of(report_aiperf, r);
  leat_slice value;
  assert_value(&object, "/time_to_first_token/unit", "\"ms\"");
  assert_value(&object, "/time_to_first_token/count", "400");
  assert_true(number_at(&object, "/time_to_first_token/p99") ==
              (double)lti_hist_percentile(p->latencies[MEASURE_TTFT].sent, 99) / 1e3);
  assert_true(number_at(&object, "/inter_token_latency/p50") ==
              (double)lti_hist_percentile(p->latencies[MEASURE_TPOT].sent, 50) / 1e3);
  assert_true(number_at(&object, "/inter_chunk_latency/count") == 7600);
  assert_value(&object, "/request_count/avg", "394");
  assert_value(&object, "/request_count/unit", "\"requests\"");
  assert_value(&object, "/error_request_count/avg", "6");
  assert_value(&object, "/total_output_tokens/avg", "8000");
  assert_value(&object, "/total_osl/avg", "9600");
  assert_value(&object, "/start_time", "\"2026-01-02T03:04:05.125000\"");
  assert_value(&object, "/error_summary/1/count", "2");
  assert_value(&object, "/was_cancelled", "false");
  assert_false(lti_json_find(lti_buf_slice(&object), "/request_count/p50", &value));
  lti_buf_deinit(&object);
  result_free(r);
}

static void aiperf_has_no_member_for_what_is_not_known(void **state) {
  (void)state;
  result *r = sample_make(SAMPLE_NO_USAGE, 1);
  lti_buf object = object_of(report_aiperf, r);
  leat_slice value;
  assert_false(lti_json_find(lti_buf_slice(&object), "/inter_token_latency", &value));
  assert_false(lti_json_find(lti_buf_slice(&object), "/output_token_throughput", &value));
  assert_false(lti_json_find(lti_buf_slice(&object), "/goodput", &value));
  assert_true(lti_json_find(lti_buf_slice(&object), "/inter_chunk_latency", &value));
  lti_buf_deinit(&object);
  result_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_line_of_a_table_is_too_wide),
      cmocka_unit_test(a_closed_loop_says_that_both_forms_are_one),
      cmocka_unit_test(an_open_loop_tells_both_forms),
      cmocka_unit_test(tokens_that_are_not_known_are_not_guessed),
      cmocka_unit_test(a_sweep_has_a_row_for_each_point_and_its_knee),
      cmocka_unit_test(a_foreign_text_cannot_drive_a_terminal),
      cmocka_unit_test(a_result_without_points_is_said),
      cmocka_unit_test(runs_of_one_load_have_a_table_of_their_own),
      cmocka_unit_test(every_row_of_csv_has_the_headers_columns),
      cmocka_unit_test(figures_of_csv_are_the_results),
      cmocka_unit_test(prometheus_text_is_strictly_right),
      cmocka_unit_test(prometheus_buckets_are_the_histograms),
      cmocka_unit_test(vllm_has_its_members),
      cmocka_unit_test(vllm_of_a_closed_loop_without_usage_is_null_where_nothing_is_known),
      cmocka_unit_test(aiperf_has_distributions_and_numbers),
      cmocka_unit_test(aiperf_has_no_member_for_what_is_not_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
