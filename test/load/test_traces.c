/* Traces in their three forms: what is read, in which order, at which speed, and what is said of
 * rows that cannot be. */
#include "bench/load/shape/traces.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "asked.h"
#include "base/buf.h"
#include "bench/load/shape/traces_csv.h"
#include "bindings/cli/program.h"
#include "support/failing.h"

#define S  UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static const char mooncake[] =
    "{\"timestamp\": 0, \"input_length\": 6955, \"output_length\": 52, \"hash_ids\": [46, 47, "
    "48]}\n"
    "{\"timestamp\": 27.5, \"input_length\": 1, \"output_length\": 2, \"hash_ids\": []}\r\n"
    "\n"
    "  {\"output_length\": 9, \"timestamp\": 3e3, \"x\": [{\"timestamp\": 7}], \"session_id\": \"a "
    "b\"}";

static const char burstgpt[] =
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n"
    "45,ChatGPT,1087,230,1317,\"Conversation, log\"\n"
    "118,\"GPT-4\n\"\"new\"\"\",417,0,693,API log\n";

static const char azure[] =
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2023-11-16 18:17:03.9799600,4808,10\r\n"
    "2023-11-16 18:17:04.0319569,3180,8\r\n"
    "2023-11-17 00:00:00.0000000,110,27\r\n";

/* With the mark of UTF-8, an offset from UTC, rows that are out of order, and no line's end. */
static const char azure_2024[] =
    "\xef\xbb\xbfTIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2024-05-10 00:00:01.500000+00:00,3,30\n"
    "2024-05-10 02:00:00.250000+02:00,1,10\n"
    "2024-05-10T00:00:01.500000Z,4,40\n"
    "2024-05-09 23:00:00.500000-01:00,2,20";

static shape_trace *parse(const char *text, double speed) {
  char why[TRACES_WHY_MAX] = "";
  shape_trace *t = traces_parse(cli_program_alloc(), lti_slice_of(text), speed, why);
  if (!t) fail_msg("%s", why);
  return t;
}

static void check_row(const shape_trace *t, uint64_t index, shape_start wanted) {
  shape_start got = {.input_tokens = -1, .output_tokens = -1};
  assert_true(traces_row(t, index, &got));
  assert_true(got.at_ns == wanted.at_ns);
  assert_true(got.input_tokens == wanted.input_tokens);
  assert_true(got.output_tokens == wanted.output_tokens);
  assert_true(lti_slice_equal(got.prefix, wanted.prefix));
}

static void mooncake_is_read(void **state) {
  shape_start none;
  (void)state;
  shape_trace *t = parse(mooncake, 1);
  assert_true(traces_count(t) == 3 && traces_last(t) == 3 * S);
  check_row(t, 0, (shape_start){0, 0, false, 6955, 52, lti_slice_of("46,47,48")});
  check_row(t, 1, (shape_start){27500000, 0, false, 1, 2, lti_slice_of("")});
  check_row(t, 2, (shape_start){3 * S, 0, false, -1, 9, lti_slice_of("session a b")});
  assert_false(traces_row(t, 3, &none));
  assert_true(fabs(traces_rate(t) - 2.0 / 3) < 1e-12);
  traces_free(t);
}

static void burstgpt_is_read(void **state) {
  (void)state;
  shape_trace *t = parse(burstgpt, 1);
  assert_true(traces_count(t) == 3);
  check_row(t, 0, (shape_start){0, 0, false, 472, 18, lti_slice_of("")});
  check_row(t, 1, (shape_start){40 * S, 0, false, 1087, 230, lti_slice_of("")});
  check_row(t, 2, (shape_start){113 * S, 0, false, 417, 1, lti_slice_of("")});
  traces_free(t);
  t = parse(
      "session id,timestamp,elapsed time,request tokens\n"
      "7,10.25,3,5\n\n"
      "\"8\", 11.5 ,3,6\r\n"
      ",12,3,6\r\n",
      1);
  check_row(t, 0, (shape_start){0, 0, false, 5, -1, lti_slice_of("session 7")});
  check_row(t, 1, (shape_start){1250 * MS, 0, false, 6, -1, lti_slice_of("session 8")});
  check_row(t, 2, (shape_start){1750 * MS, 0, false, 6, -1, lti_slice_of("")});
  traces_free(t);
}

static void azure_is_read(void **state) {
  (void)state;
  shape_trace *t = parse(azure, 1);
  assert_true(traces_count(t) == 3);
  check_row(t, 0, (shape_start){0, 0, false, 4808, 10, lti_slice_of("")});
  check_row(t, 1, (shape_start){51996900, 0, false, 3180, 8, lti_slice_of("")});
  check_row(t, 2, (shape_start){20576 * S + 20040000, 0, false, 110, 27, lti_slice_of("")});
  traces_free(t);
}

static void rows_out_of_order_are_sorted_and_equal_ones_stay(void **state) {
  (void)state;
  shape_trace *t = parse(azure_2024, 1);
  for (int64_t i = 0; i < 4; i++) {
    uint64_t at = i < 2 ? (uint64_t)i * 250 * MS : 1250 * MS;
    check_row(t, (uint64_t)i, (shape_start){at, 0, false, i + 1, (i + 1) * 10, lti_slice_of("")});
  }
  traces_free(t);
}

static void a_speed_divides_the_times(void **state) {
  (void)state;
  shape_trace *t = parse(mooncake, 4);
  assert_true(traces_last(t) == 750 * MS);
  traces_free(t);
  t = parse(burstgpt, 0.5);
  assert_true(traces_last(t) == 226 * S);
  assert_true(fabs(traces_rate(t) - 2 / 226.0) < 1e-12);
  traces_free(t);
}

static void dates_are_those_of_the_calendar(void **state) {
  static const struct {
    const char *text;
    int64_t ns;
  } cases[] = {
      {"1970-01-01 00:00:00", 0},
      {"1970-01-01T00:00:00.000000001Z", 1},
      {"2000-02-29 12:00:00", INT64_C(951825600000000000)},
      {"2000-03-01 00:00:00", INT64_C(951868800000000000)},
      {"2023-11-16 18:17:03.9799600", INT64_C(1700158623979960000)},
      {"2024-12-31 23:59:59.9999999999", INT64_C(1735689599999999999)},
      {"2026-01-01 00:00:00+05:30", INT64_C(1767205800000000000)},
  };
  static const char *const wrong[] = {"",
                                      "2024",
                                      "2024-05-10",
                                      "2024-13-10 00:00:00",
                                      "2024-00-10 00:00:00",
                                      "2024-05-32 00:00:00",
                                      "2024-05-10 24:00:00",
                                      "2024-05-10 00:60:00",
                                      "2024-05-10 00:00",
                                      "2024-05-10 00:00:00 CET",
                                      "2024-05-10 00:00:00+1",
                                      "2024-05-10 00:00:00+01:000",
                                      "2024/05/10 00:00:00",
                                      "1969-05-10 00:00:00",
                                      "20x4-05-10 00:00:00"};
  int64_t ns = 0;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_true(traces_csv_date(lti_slice_of(cases[i].text), &ns));
    assert_true(ns == cases[i].ns);
  }
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_false(traces_csv_date(lti_slice_of(wrong[i]), &ns));
}

static void bad_rows_are_named_by_their_line(void **state) {
  static const struct {
    const char *text, *why;
  } cases[] = {
      {"",
       "line 1: it is neither JSON, an object a line, nor CSV whose first line names a column "
       "Timestamp"},
      {"a,b\n1,2\n", "line 1: it is neither JSON"},
      {"Timestamp,Request tokens\n", "there are no rows"},
      {"Timestamp,Request tokens\n1,5\n2,x\n",
       "line 3: a length is a whole number of tokens from 0 "
       "on, and here is \"x\""},
      {"Timestamp,Request tokens\n1,\n", "line 2: a length is a whole number of tokens"},
      {"Timestamp,Request tokens\n1,-5\n", "line 2: a length is a whole number of tokens"},
      {"Timestamp,Request tokens\n1,2.5\n", "line 2: a length is a whole number of tokens"},
      {"Timestamp,Request tokens\n1,5000000000\n", "line 2: a length is a whole number of tokens"},
      {"Timestamp,Request tokens\n\n\n1\n", "line 4: it has fewer columns than the first line"},
      {"Timestamp,Request tokens\n\"a\nb\",5\n",
       "line 2: a timestamp is seconds, or a date with a "
       "time as 2024-05-10 00:00:00.25, and here is"},
      {"Timestamp,x\n1,\"a\nb\"\nsoon,c\n", "line 4: a timestamp is seconds"},
      {"Timestamp,x\n1e10,\n", "line 2: a timestamp is out of range: \"1e10\""},
      {"Timestamp,x\n1,\"a\n", "line 2: a quote is never closed"},
      {"Timestamp,x\n1,\"a\"b\n",
       "line 2: behind a closing quote a comma or the line's end belongs "
       "\"a\""},
      {"Timestamp,\"x\n", "line 1: a quote is never closed"},
      {"{\"timestamp\": 1}\n{\"input_length\": 5}\n", "line 2: it has no \"timestamp\", in ms"},
      {"{\"timestamp\": 1}\n\n[1]\n", "line 3: it is no JSON object: \"[1]\""},
      {"{\"timestamp\": \"1\"}\n", "line 1: a number belongs where is \"\"1\"\""},
      {"{\"timestamp\": 1e300}\n", "line 1: a timestamp is out of range: \"1e300\""},
      {"{\"timestamp\": 1, \"input_length\": 1.5}\n", "line 1: a length is a whole number"},
      {"{\"timestamp\": 1, \"output_length\": null}\n",
       "line 1: a number belongs where is \"null\""},
      {"{\"timestamp\": 1, \"hash_ids\": 5}\n", "line 1: hash_ids is a list of whole numbers"},
      {"{\"timestamp\": 1, \"hash_ids\": [5, -1]}\n",
       "hash_ids holds whole numbers from 0 on, and "
       "here \"-1\""},
      {"{\"timestamp\": 1, \"hash_ids\": [5, \"a\"]}\n", "line 1: hash_ids holds whole numbers"},
      {"{\"timestamp\": 1, \"hash_ids\": [5\n", "line 1: "},
      {"{\"timestamp\": 1} x\n", "line 1: "},
      {"{\"timestamp\": 1\n", "line 1: "},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char why[TRACES_WHY_MAX] = "";
    shape_trace *t = traces_parse(cli_program_alloc(), lti_slice_of(cases[i].text), 1, why);
    if (t || strncmp(why, cases[i].why, strlen(cases[i].why)) != 0) {
      if (!strstr(why, cases[i].why)) fail_msg("%s: %s", cases[i].text, why);
    }
    assert_null(t);
  }
}

static void times_too_far_apart_for_the_speed_are_refused(void **state) {
  char why[TRACES_WHY_MAX] = "";
  static const char text[] = "Timestamp\n0\n8000000000\n";
  (void)state;
  assert_null(traces_parse(cli_program_alloc(), lti_slice_of(text), 0.01, why));
  assert_string_equal(why, "its times are too far apart");
  shape_trace *t = traces_parse(cli_program_alloc(), lti_slice_of(text), 1, why);
  assert_true(t && traces_last(t) == UINT64_C(8000000000) * S);
  traces_free(t);
}

/* A file on disk, from the command line to its parts. */
static void a_replay_walks_the_rows_of_its_file(void **state) {
  char path[] = "test_traces_XXXXXX", line[100];
  asked a = {0};
  shape_spec spec;
  shape_start start, part;
  result_offer offer;
  (void)state;
  int fd = mkstemp(path);
  assert_true(fd >= 0 && write(fd, mooncake, sizeof mooncake - 1) == sizeof mooncake - 1);
  close(fd);
  snprintf(line, sizeof line, "--replay ./%s --replay-speed 2 --warmup 1 --requests 1", path);
  bool fine = shape_spec_init(&spec, asked_parse(&a, line));
  unlink(path);
  assert_true(fine && spec.kind == RESULT_REPLAY && shape_length(&spec) == 1500 * MS + 1);
  assert_true(shape_streams_max(&spec) == 2);
  spec.requests = UINT64_MAX;
  assert_true(shape_streams_max(&spec) == 3);
  spec.requests = 1;
  shape_offer(&spec, &offer);
  assert_string_equal(offer.arrivals, "trace");
  assert_true(strncmp(offer.label, "replay of test_traces_", 22) == 0);
  shape *walk = shape_open(&spec, 0, 1), *second = shape_open(&spec, 1, 2);
  assert_true(shape_next(walk, &start) && start.warmup && start.at_ns == 0);
  assert_true(lti_slice_is(start.prefix, "46,47,48"));
  assert_true(shape_next(walk, &start) && !start.warmup && start.at_ns == 13750000);
  assert_true(shape_next(second, &part) && part.at_ns == start.at_ns && part.index == 1);
  assert_false(shape_next(walk, &start));
  assert_false(shape_next(second, &part));
  shape_free(walk);
  shape_free(second);
  shape_spec_free(&spec);
  asked_free(&a);
}

static void read_all(const leat_allocator *fns, void *ctx) {
  static const char *const texts[] = {mooncake, burstgpt, azure_2024};
  lti_alloc alloc;
  char why[TRACES_WHY_MAX] = "";
  (void)ctx;
  lti_alloc_init(&alloc, fns);
  for (size_t i = 0; i < 3; i++) {
    shape_trace *t = traces_parse(&alloc, lti_slice_of(texts[i]), 1, why);
    assert_true(t || strstr(why, "memory is short"));
    traces_free(t);
  }
}

static void no_memory_is_an_error_at_every_allocation(void **state) {
  (void)state;
  assert_true(failing_at_every_n(read_all, NULL) >= 6);
}

/* As many rows as make the arrays grow. */
static void long_traces_are_kept_whole(void **state) {
  enum { ROWS = 100000 };
  lti_buf text;
  shape_start start = {0};
  (void)state;
  lti_buf_init(&text, cli_program_alloc(), TRACES_BYTES_MAX, LEAT_EBODYMAX);
  for (int i = 0; i < ROWS; i++)
    assert_int_equal(
        lti_buf_format(&text, "{\"timestamp\":%d,\"input_length\":%d,\"hash_ids\":[%d]}\n",
                       (ROWS - i) * 3, i, i),
        LEAT_OK);
  char why[TRACES_WHY_MAX] = "";
  shape_trace *t = traces_parse(cli_program_alloc(), lti_buf_slice(&text), 1, why);
  assert_non_null(t);
  for (uint64_t i = 0; i < ROWS; i++) {
    char hash[16];
    snprintf(hash, sizeof hash, "%d", (int)(ROWS - 1 - i));
    assert_true(traces_row(t, i, &start));
    assert_true(start.at_ns == i * 3 * MS && start.input_tokens == (int64_t)(ROWS - 1 - i));
    assert_true(lti_slice_is(start.prefix, hash));
  }
  traces_free(t);
  lti_buf_deinit(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mooncake_is_read),
      cmocka_unit_test(burstgpt_is_read),
      cmocka_unit_test(azure_is_read),
      cmocka_unit_test(rows_out_of_order_are_sorted_and_equal_ones_stay),
      cmocka_unit_test(a_speed_divides_the_times),
      cmocka_unit_test(dates_are_those_of_the_calendar),
      cmocka_unit_test(bad_rows_are_named_by_their_line),
      cmocka_unit_test(times_too_far_apart_for_the_speed_are_refused),
      cmocka_unit_test(a_replay_walks_the_rows_of_its_file),
      cmocka_unit_test(no_memory_is_an_error_at_every_allocation),
      cmocka_unit_test(long_traces_are_kept_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
