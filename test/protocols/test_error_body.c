/* Error bodies of every gateway that the documents name, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocol.h"
#include "support/failing.h"

/* "type/code/message", "-" for what was not said; a number's code has a '#' in front. */
static const char *read_error(leat_slice json, char *text, size_t size) {
  lti_alloc alloc;
  lti_buf scratch;
  lti_provider_error e;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&scratch, &alloc, 1 << 20, LEAT_EBODYMAX);
  /* A block of its own, so that a view of it would show. */
  char *block = malloc(json.size + 1);
  assert_non_null(block);
  if (json.size) memcpy(block, json.data, json.size);
  bool found = lti_protocol_error(lti_slice(block, json.size), &e, &scratch);
  memset(block, '#', json.size);
  free(block);
  assert_int_equal(found, e.set);
  leat_slice none = lti_slice_of("-");
  leat_slice type = e.type.data ? e.type : none, code = e.code.data ? e.code : none;
  leat_slice message = e.message.data ? e.message : none;
  snprintf(text, size, "%.*s/%s%.*s/%.*s", (int)type.size, type.data, e.code_is_number ? "#" : "",
           (int)code.size, code.data, (int)message.size, message.data);
  assert_true(lti_slice_is_utf8(lti_slice_of(text)));
  lti_buf_deinit(&scratch);
  return found ? text : "none";
}

typedef struct row {
  const char *json, *expected;
} row;

static void check(const row *rows, size_t count) {
  char text[512];
  for (size_t i = 0; i < count; i++) {
    assert_string_equal(read_error(lti_slice_of(rows[i].json), text, sizeof text),
                        rows[i].expected);
  }
}

static void test_js_08_an_error_in_a_streams_first_record(void **state) {
  static const row rows[] = {
      {"data: {\"error\":{\"message\":\"m\",\"type\":\"t\"}}\n\ndata: [DONE]\n\n", "t/-/m"},
      {"event: error\r\nid: 1\r\n: x\r\ndata:{\"error\":\"m\"}\r\n\r\n", "-/-/m"},
      {"\n\n data: {\"detail\":\"m\"}", "-/-/m"},
      {"data: [DONE]\n\n", "none"},
      {"event: error\n", "none"},
      {"event: error", "none"},
      {": \n: \n", "none"},
      {"data:", "none"},
  };
  (void)state;
  check(rows, sizeof rows / sizeof *rows);
}

static void test_js_07_every_shape_of_the_documents(void **state) {
  static const row rows[] = {
      {"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}", "t/-/m"},
      {"{\"error\":{\"message\":\"m (request id: X)\",\"type\":\"new_api_error\",\"code\":\"\"}}",
       "new_api_error//m (request id: X)"},
      {"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":503}}", "t/#503/m"},
      {"{\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"m\"},\"request_id\":\"r\"}",
       "t/-/m"},
      {"{\"code\":\"task_not_exist\",\"message\":\"m\",\"data\":null}", "-/task_not_exist/m"},
      {"{\"description\":\"m\",\"type\":\"upstream_error\",\"code\":4}", "upstream_error/#4/m"},
      {"{\"code\":null,\"message\":\"m\",\"param\":\"p\",\"type\":\"t\"}", "t/-/m"},
      {"{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\","
       "\"details\":[{\"message\":\"inner\"}]}}",
       "RESOURCE_EXHAUSTED/#429/m"},
      {" [{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"S\"}},{\"error\":\"x\"}]",
       "S/#400/m"},
      {"{\"error\":{\"code\":502,\"message\":\"m\",\"metadata\":{\"raw\":\"x\"}}}", "-/#502/m"},
      {"{\"success\":false,\"message\":\"m\"}", "-/-/m"},
      {"{\"object\":\"error\",\"message\":\"m\",\"type\":\"BadRequestError\",\"code\":400}",
       "BadRequestError/#400/m"},
      {"{\"error\":\"m\"}", "-/-/m"},
      {"{\"error\":\"Not Found\",\"status\":404,\"message\":\"No message\"}", "-/#404/Not Found"},
      {"{\"msg\":\"m\",\"code\":500}", "-/#500/m"},
      {"{\"detail\":\"m\"}", "-/-/m"},
      {"{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"m\",\"type\":\"missing\"}]}", "missing/-/m"},
      {"{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"m\"}],\"messages\":[]}",
       "-/#10000/m"},
      {"{\"error\":{\"type\":\"t\"}}", "t/-/-"},
      {"{\"error\":{\"reason\":\"r\"}}", "-/-/{\"reason\":\"r\"}"},
      {"{\"error\":true}", "-/-/true"},
      {"{\"error\":{\"message\":{\"a\":1},\"code\":true}}", "-/true/-"},
  };
  (void)state;
  check(rows, sizeof rows / sizeof *rows);
}

static void test_js_07_what_is_no_error(void **state) {
  static const row rows[] = {
      {"", "none"},
      {"<html>", "none"},
      {"null", "none"},
      {"[]", "none"},
      {"[5]", "none"},
      {"\"text\"", "none"},
      {"{}", "none"},
      {"{\"error\":null}", "none"},
      {"{\"error\":false}", "none"},
      {"{\"error\":\"\"}", "none"},
      {"{\"error\":{ }}", "none"},
      {"{\"error\":[]}", "none"},
      {"{\"error\":0}", "none"},
      {"{\"message\":\"\"}", "none"},
      {"{\"message\":{\"role\":\"assistant\"}}", "none"},
      {"{\"code\":\"success\",\"message\":\"done\"}", "none"},
      {"{\"success\":true,\"message\":\"hello\"}", "none"},
      {"{\"error\":{\"message\":\"m\"", "none"},
      {"{\"error\":{\"message\":\"m\"},}", "none"},
  };
  (void)state;
  check(rows, sizeof rows / sizeof *rows);
}

static void test_js_04_duplicates_and_escapes(void **state) {
  static const row rows[] = {
      {"{\"error\":{\"message\":\"a\",\"message\":\"b\"}}", "-/-/b"},
      {"{\"error\":{\"message\":\"a\",\"message\":null,\"type\":\"t\"}}", "t/-/-"},
      {"{\"error\":{\"message\":\"a\"},\"error\":null}", "none"},
      {"{\"\\u0065rror\":{\"mess\\u0061ge\":\"\\u00e9\\n\\ud83d\\ude00\"}}",
       "-/-/\xc3\xa9\n\xf0\x9f\x98\x80"},
      {"{\"error\":{\"message\":\"\xff\"}}", "-/-/\xef\xbf\xbd"},
  };
  (void)state;
  check(rows, sizeof rows / sizeof *rows);
}

/* `piece` so often between two other texts. */
static size_t repeat(char *out, const char *head, const char *piece, size_t times) {
  size_t size = strlen(head), step = strlen(piece);
  memcpy(out, head, size);
  for (; times; times--, size += step) memcpy(out + size, piece, step);
  memcpy(out + size, "\"}}", 3);
  return size + 3;
}

static void test_long_texts_are_cut_at_a_character(void **state) {
  (void)state;
  char *json = malloc((1 << 20) + 64), *text = malloc(8192);
  assert_non_null(json);
  assert_non_null(text);
  size_t size = repeat(json, "{\"error\":{\"message\":\"x", "\xc3\xa9", 1 << 19);
  read_error(lti_slice(json, size), text, 8192);
  assert_int_equal(strlen(text), strlen("-/-/") + 4095);
  size = repeat(json, "{\"error\":{\"code\":\"", "\\u0041", 1000);
  read_error(lti_slice(json, size), text, 8192);
  assert_int_equal(strlen(text), strlen("-//-") + 256);
  free(json);
  free(text);
}

static void test_js_01_deep_nesting_is_no_error_and_no_crash(void **state) {
  (void)state;
  char json[4096], text[64];
  memset(json, '[', sizeof json);
  assert_string_equal(read_error(lti_slice(json, sizeof json), text, sizeof text), "none");
}

static void under_failure(const leat_allocator *fns, void *ctx) {
  lti_alloc alloc;
  lti_buf scratch;
  lti_provider_error e;
  (void)ctx;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&scratch, &alloc, 1 << 20, LEAT_EBODYMAX);
  assert_true(lti_protocol_error(
      lti_slice_of("{\"error\":{\"message\":\"\\u00e9 and so on\",\"code\":\"\\u0041\"}}"), &e,
      &scratch));
  assert_true(e.set);
  assert_true(e.message.data == NULL || e.message.size == 12);
  lti_buf_deinit(&scratch);
}

static void test_without_memory_it_is_still_an_error(void **state) {
  (void)state;
  assert_true(failing_at_every_n(under_failure, NULL) >= 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_js_07_every_shape_of_the_documents),
      cmocka_unit_test(test_js_08_an_error_in_a_streams_first_record),
      cmocka_unit_test(test_js_07_what_is_no_error),
      cmocka_unit_test(test_js_04_duplicates_and_escapes),
      cmocka_unit_test(test_long_texts_are_cut_at_a_character),
      cmocka_unit_test(test_js_01_deep_nesting_is_no_error_and_no_crash),
      cmocka_unit_test(test_without_memory_it_is_still_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
