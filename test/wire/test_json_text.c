/* Strings of JSON texts, decoded and written: rows JS-03 of the fault catalogue. Each is read from
 * a block of exactly its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/failing.h"
#include "wire/json.h"

static lti_alloc heap;
static lti_buf scratch;

static leat_slice exact(const char *text) {
  size_t size = strlen(text);
  char *copy = malloc(size ? size : 1);
  assert_non_null(copy);
  memcpy(copy, text, size);
  return lti_slice(copy, size);
}

/* The text of a JSON string given with its quotes. */
static lti_json_text string_of(leat_slice json) {
  lti_json r;
  lti_json_text text;
  lti_json_init(&r, json);
  assert_true(lti_json_string(&r, &text) && lti_json_at_end(&r));
  return text;
}

static void expect_decoded(const char *json, const char *want) {
  leat_slice copy = exact(json), out;
  assert_int_equal(lti_json_decode(string_of(copy), NULL, &scratch, &out), LTI_OK);
  if (!lti_slice_is(out, want)) fail_msg("%s: '%.*s'", json, (int)out.size, out.data);
  assert_true(lti_slice_is_utf8(out));
  free((void *)(uintptr_t)copy.data);
}

#define FFFD "\xef\xbf\xbd"

static void test_js_03_strings_decode_to_valid_utf8(void **state) {
  (void)state;
  expect_decoded("\"\"", "");
  expect_decoded("\"plain\"", "plain");
  expect_decoded("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
  expect_decoded("\"\\u0041\\u00e9\\u20AC\\uFFFF\"", "A\xc3\xa9\xe2\x82\xac\xef\xbf\xbf");
  expect_decoded("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
  expect_decoded("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf");
  expect_decoded("\"\\ud83d\"", FFFD);
  expect_decoded("\"\\ude00\"", FFFD);
  expect_decoded("\"\\ude00\\ud83d\"", FFFD FFFD);
  expect_decoded("\"\\ud83d\\ud83d\\ude00\"", FFFD "\xf0\x9f\x98\x80");
  expect_decoded("\"\\ud83dx\\ude00\"", FFFD "x" FFFD);
  expect_decoded("\"\\ud83d\\n\"", FFFD "\n");
  expect_decoded("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                 "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

/* The table of Unicode 15, 3.9 (U+FFFD substitution of maximal subparts), and its neighbours. */
static void test_js_03_invalid_bytes_become_one_mark_for_each_maximal_subpart(void **state) {
  (void)state;
  expect_decoded("\"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64\"",
                 "a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d");
  expect_decoded("\"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41\"",
                 FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A");
  expect_decoded("\"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41\"",
                 FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A");
  expect_decoded("\"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42\"",
                 FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B");
  expect_decoded("\"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41\"", FFFD FFFD FFFD FFFD "A");
  expect_decoded("\"\xe2\x82\"", FFFD);
  expect_decoded("\"\xe2\x82\\n\"", FFFD "\n");
  expect_decoded("\"1234567\xf0\x9f\x98\"", "1234567" FFFD);
}

static void test_js_03_a_pair_split_over_pieces_is_joined(void **state) {
  (void)state;
  static const struct {
    const char *pieces[4], *want;
    uint16_t held;
  } rows[] = {{{"\"a\\ud83d\"", "\"\\ude00b\""},
               "a\xf0\x9f\x98\x80"
               "b",
               0},
              {{"\"\\ud83d\"", "\"\"", "\"\\ude00\""}, "\xf0\x9f\x98\x80", 0},
              {{"\"\\ud83d\"", "\"x\""}, FFFD "x", 0},
              {{"\"\\ud83d\"", "\"\\u0041\""}, FFFD "A", 0},
              {{"\"\\ud83d\"", "\"\\ud83d\"", "\"\\ude00\""}, FFFD "\xf0\x9f\x98\x80", 0},
              {{"\"\\ud83d\"", "\"\xff\""}, FFFD FFFD, 0},
              {{"\"x\"", "\"\\ude00\""}, "x" FFFD, 0},
              {{"\"x\\ud83d\""}, "x", 0xd83d}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_json_half half = {0};
    char text[64];
    size_t size = 0;
    for (size_t j = 0; j < 4 && rows[i].pieces[j]; j++) {
      leat_slice out;
      lti_json_text piece = string_of(lti_slice_of(rows[i].pieces[j]));
      assert_int_equal(lti_json_decode(piece, &half, &scratch, &out), LTI_OK);
      assert_true(lti_slice_is_utf8(out));
      if (out.size) memcpy(text + size, out.data, out.size);
      size += out.size;
    }
    if (!lti_slice_is(lti_slice(text, size), rows[i].want)) fail_msg("row %zu", i);
    assert_int_equal(half.high, rows[i].held);
  }
}

static void test_a_plain_string_is_a_view(void **state) {
  (void)state;
  static const char json[] = "\"na\xc3\xafve \xe4\xbd\xa0\xe5\xa5\xbd\"";
  leat_slice out;
  lti_json_text text = string_of(lti_slice_of(json));
  uint64_t calls = heap.calls;
  assert_false(text.ascii || text.escaped);
  assert_int_equal(lti_json_decode(text, NULL, &scratch, &out), LTI_OK);
  assert_ptr_equal(out.data, json + 1);
  assert_int_equal(heap.calls, calls);
}

static void test_a_broken_escape_from_elsewhere_does_no_harm(void **state) {
  (void)state;
  static const char *const raws[] = {"\\",         "\\u",        "\\u1",    "\\u123",
                                     "a\\ud83d\\", "\\ud83d\\u", "\\uzzzz", "\\\xff"};
  for (size_t i = 0; i < sizeof raws / sizeof *raws; i++) {
    lti_json_text text = {.raw = exact(raws[i]), .escaped = true};
    leat_slice out;
    assert_int_equal(lti_json_decode(text, NULL, &scratch, &out), LTI_OK);
    assert_true(lti_slice_is_utf8(out));
    assert_false(lti_json_key_is(text, "no such name"));
    free((void *)(uintptr_t)text.raw.data);
  }
}

static void test_written_strings_read_back_the_same(void **state) {
  (void)state;
  char all[128];
  lti_buf out;
  leat_slice back;
  for (size_t i = 0; i < sizeof all; i++) all[i] = (char)i;
  lti_buf_init(&out, &heap, 1u << 20, LEAT_EBODYMAX);
  assert_int_equal(lti_json_write_string(&out, lti_slice(all, sizeof all)), LTI_OK);
  assert_true(lti_json_valid(lti_buf_slice(&out), NULL, NULL));
  assert_int_equal(lti_json_decode(string_of(lti_buf_slice(&out)), NULL, &scratch, &back), LTI_OK);
  assert_true(lti_slice_equal(back, lti_slice(all, sizeof all)));
  static const struct {
    const char *text, *want;
  } rows[] = {{"", "\"\""},
              {"a/b\"c\\d", "\"a/b\\\"c\\\\d\""},
              {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
              {"\xe4\xbd\xa0\n\xff"
               "x\xe2\x82",
               "\"\xe4\xbd\xa0\\n" FFFD "x" FFFD "\""}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_buf_clear(&out);
    assert_int_equal(lti_json_write_string(&out, lti_slice_of(rows[i].text)), LTI_OK);
    if (!lti_slice_is(lti_buf_slice(&out), rows[i].want)) {
      fail_msg("%.*s", (int)out.size, out.data);
    }
  }
  lti_buf_deinit(&out);
}

static void test_a_string_that_does_not_fit_leaves_the_buffer_as_it_was(void **state) {
  (void)state;
  lti_buf out;
  lti_buf_init(&out, &heap, 12, LEAT_EBODYMAX);
  assert_int_equal(lti_buf_text(&out, "{"), LTI_OK);
  assert_int_equal(lti_json_write_string(&out, lti_slice_of("0123456789")), LEAT_EBODYMAX);
  assert_int_equal(lti_json_write_string(&out, lti_slice_of("01\n\n\n\n\n")), LEAT_EBODYMAX);
  assert_int_equal(out.size, 1);
  assert_int_equal(lti_json_write_string(&out, lti_slice_of("012345678")), LTI_OK);
  lti_buf_deinit(&out);
}

/* Many short runs between bad bytes: the time must not grow with the square. */
static void test_a_megabyte_of_bad_bytes_is_decoded_in_linear_time(void **state) {
  (void)state;
  size_t size = (size_t)1 << 20;
  char *bytes = malloc(size);
  lti_buf out;
  leat_slice text;
  assert_non_null(bytes);
  memset(bytes, 0xff, size);
  lti_buf_init(&out, &heap, 4 * size, LEAT_EBODYMAX);
  lti_json_text bad = {.raw = lti_slice(bytes, size)};
  assert_int_equal(lti_json_decode(bad, NULL, &out, &text), LTI_OK);
  assert_int_equal(text.size, 3 * size);
  lti_buf_deinit(&out);
  free(bytes);
}

static void starved(const leat_allocator *fns, void *ctx) {
  static const char json[] =
      "\"\\ud83d\\u0041 a text of some length \xff\\ud83d\\ude00 and more of it, so that it "
      "grows\"";
  lti_alloc alloc;
  lti_buf buf;
  leat_slice out;
  lti_json_half half = {0xd83d};
  (void)ctx;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&buf, &alloc, 4096, LEAT_EBODYMAX);
  int rc = lti_json_decode(string_of(lti_slice_of(json)), &half, &buf, &out);
  assert_true(rc == LTI_OK || rc == LEAT_ENOMEM);
  lti_buf_clear(&buf);
  if (rc == LTI_OK) rc = lti_json_write_string(&buf, lti_slice_of(json));
  if (rc == LTI_OK) rc = lti_json_write_double(&buf, 0.1);
  assert_true(rc == LTI_OK || rc == LEAT_ENOMEM);
  if (rc == LEAT_ENOMEM) assert_true(buf.size == 0 || buf.data[0] == '"');
  lti_buf_deinit(&buf);
}

static void test_every_failed_allocation_is_an_error(void **state) {
  (void)state;
  assert_true(failing_at_every_n(starved, NULL) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_js_03_strings_decode_to_valid_utf8),
      cmocka_unit_test(test_js_03_invalid_bytes_become_one_mark_for_each_maximal_subpart),
      cmocka_unit_test(test_js_03_a_pair_split_over_pieces_is_joined),
      cmocka_unit_test(test_a_plain_string_is_a_view),
      cmocka_unit_test(test_a_broken_escape_from_elsewhere_does_no_harm),
      cmocka_unit_test(test_written_strings_read_back_the_same),
      cmocka_unit_test(test_a_string_that_does_not_fit_leaves_the_buffer_as_it_was),
      cmocka_unit_test(test_a_megabyte_of_bad_bytes_is_decoded_in_linear_time),
      cmocka_unit_test(test_every_failed_allocation_is_an_error),
  };
  lti_alloc_init(&heap, NULL);
  lti_buf_init(&scratch, &heap, 16u << 20, LEAT_EBODYMAX);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lti_buf_deinit(&scratch);
  return failed;
}
