/* Elements of a streamed array: whole, byte by byte and cut in two everywhere, each piece in a
 * block of its own that is gone when feed returns; then hostile input, limits, stops, and memory
 * that fails. */
#include "wire/elements.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/corpora.h"
#include "support/failing.h"

#define MAX ((size_t)1 << 20)

static lti_alloc heap;

/* What came: each element and '|', and '#' where the array closed. */
typedef struct record {
  lti_buf text;
  bool stop;          /* answer STOPPED to everything */
  int answer;         /* an error, to the first element */
  const char *inside; /* elements that lie here are views */
  size_t inside_size, views;
} record;

static int on_element(void *ctx, leat_slice json) {
  record *r = ctx;
  if (r->answer) return r->answer;
  r->views += (uintptr_t)json.data - (uintptr_t)r->inside < r->inside_size;
  int rc = lti_buf_append(&r->text, json);
  if (rc == LTI_OK) rc = lti_buf_byte(&r->text, '|');
  return rc == LTI_OK && r->stop ? LTI_STOPPED : rc;
}

static int on_closed(void *ctx) {
  record *r = ctx;
  int rc = lti_buf_byte(&r->text, '#');
  return rc == LTI_OK && r->stop ? LTI_STOPPED : rc;
}

static const lti_elements_sink sink = {on_element, on_closed, LEAT_EEVENTMAX};

static int feed_piece(lti_elements *x, record *r, leat_slice bytes) {
  char *copy = malloc(bytes.size ? bytes.size : 1);
  size_t at = 0, taken = 0;
  int rc;
  assert_non_null(copy);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  r->inside = copy;
  r->inside_size = bytes.size;
  do {
    rc = lti_elements_feed(x, lti_slice(copy + at, bytes.size - at), &taken);
    at += taken;
    assert_true(at <= bytes.size);
    if (rc == LTI_OK) assert_int_equal(at, bytes.size);
  } while (rc == LTI_STOPPED);
  free(copy);
  return rc;
}

typedef struct way {
  size_t cut, step, max; /* the first piece, and the others (0: one); bytes of an element */
} way;

static int run(record *r, leat_slice input, way w) {
  lti_elements x;
  lti_elements_init(&x, &heap, w.max, &sink, r);
  lti_buf_clear(&r->text);
  r->views = 0;
  int rc = feed_piece(&x, r, lti_slice(input.data, w.cut));
  for (size_t at = w.cut; rc == LTI_OK && at < input.size;) {
    size_t left = input.size - at, size = w.step && w.step < left ? w.step : left;
    rc = feed_piece(&x, r, lti_slice(input.data + at, size));
    at += size;
  }
  int end = lti_elements_end(&x);
  if (rc < 0) {
    size_t taken;
    assert_int_equal(end, rc);
    assert_int_equal(lti_elements_feed(&x, lti_slice("{}", 2), &taken), rc);
    assert_int_equal(taken, 0);
  }
  lti_elements_deinit(&x);
  return end;
}

/* `want` and the outcome, whichever way the input is cut; on an error what came before it. */
static void check_outcome(leat_slice input, const char *want, int outcome) {
  record r = {.stop = false};
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  for (int stop = 0; stop < 2; stop++) {
    r.stop = stop;
    for (size_t cut = 0; cut <= input.size; cut++) {
      for (size_t step = 0; step < 3; step++) {
        int rc = run(&r, input, (way){cut, step, MAX});
        if (rc == outcome && lti_slice_is(lti_buf_slice(&r.text), want)) continue;
        fail_msg("%.*s cut at %zu by %zu: %d and %.*s instead of %d and %s", (int)input.size,
                 input.data, cut, step, rc, (int)r.text.size, r.text.data, outcome, want);
      }
    }
  }
  lti_buf_deinit(&r.text);
}

static void check_splits(const char *input, const char *want, int outcome) {
  check_outcome(lti_slice_of(input), want, outcome);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static void test_elements_of_an_array_come_one_by_one_at_every_split(void **state) {
  (void)state;
  check_splits("[]", "#", LTI_OK);
  check_splits(" [ ]\r\n", "#", LTI_OK);
  check_splits("[{}]", "{}|#", LTI_OK);
  check_splits("[{\"a\":1},{\"b\":[{},[2]]}]", "{\"a\":1}|{\"b\":[{},[2]]}|#", LTI_OK);
  check_splits("[{\r\n  \"a\": 1\r\n}\r\n,\r\n{\r\n}\r\n]\r\n\t", "{\r\n  \"a\": 1\r\n}|{\r\n}|#",
               LTI_OK);
}

static void test_js_12_brackets_in_strings_are_text_wherever_they_are_cut(void **state) {
  (void)state;
  check_splits("[{\"a\":\"br{ace ]} , [\"},{\"]\":0}]", "{\"a\":\"br{ace ]} , [\"}|{\"]\":0}|#",
               LTI_OK);
  check_splits("[{\"a\":\"\\\"}]\"}]", "{\"a\":\"\\\"}]\"}|#", LTI_OK);
  check_splits("[{\"a\":\"\\\\\"},{\"b\":\"\\\\\\\"}\"}]",
               "{\"a\":\"\\\\\"}|{\"b\":\"\\\\\\\"}\"}|#", LTI_OK);
  check_splits("[{\"a\":\"\\u005d\\n{\"}]", "{\"a\":\"\\u005d\\n{\"}|#", LTI_OK);
  check_splits("[{\"\":\"\"},{\"a\":\"\xf0\x9f\x98\x80}\"}]",
               "{\"\":\"\"}|{\"a\":\"\xf0\x9f\x98\x80}\"}|#", LTI_OK);
}

static void test_objects_without_an_array_are_elements_too(void **state) {
  (void)state;
  check_splits("{}", "{}|", LTI_OK);
  check_splits("{\"a\":\"}\"}\n{\"b\":2}\r\n\r\n{}\n", "{\"a\":\"}\"}|{\"b\":2}|{}|", LTI_OK);
  check_splits("{}{}", "{}|{}|", LTI_OK);
  check_splits("{},{}", "{}|", LEAT_EDECODE);
  check_splits("{}]", "{}|", LEAT_EDECODE);
  check_splits("{}[{}]", "{}|", LEAT_EDECODE);
}

static void test_what_is_cut_is_told_from_what_ended(void **state) {
  (void)state;
  check_splits("", "", LTI_OK);
  check_splits(" \r\n", "", LTI_OK);
  check_splits("[", "", LEAT_EINCOMPLETE);
  check_splits("[{}", "{}|", LEAT_EINCOMPLETE);
  check_splits("[{},", "{}|", LEAT_EINCOMPLETE);
  check_splits("[{},{\"a\":\"", "{}|", LEAT_EINCOMPLETE);
  check_splits("[{\"a\":\"\\", "", LEAT_EINCOMPLETE);
  check_splits("{\"a\":", "", LEAT_EINCOMPLETE);
}

static void test_anything_else_between_elements_is_refused(void **state) {
  static const char *const wrong[] = {
      "[,{}]", "[1]",    "[\"{}\"]", "[null]", "[[{}]]",         "[}",   "]",
      "x",     "\"{}\"", ",",        "[:",     "\xef\xbb\xbf[]", "[\v]", "[\f{}]"};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    check_splits(wrong[i], "", LEAT_EDECODE);
  check_splits("[{}{}]", "{}|", LEAT_EDECODE);
  check_splits("[{},,{}]", "{}|", LEAT_EDECODE);
  check_splits("[{},]", "{}|", LEAT_EDECODE);
  check_splits("[{};{}]", "{}|", LEAT_EDECODE);
  check_splits("[{}}", "{}|", LEAT_EDECODE);
  check_splits("[{}]]", "{}|#", LEAT_EDECODE);
  check_splits("[{}]\n{}", "{}|#", LEAT_EDECODE);
  check_splits("[]\n[]", "#", LEAT_EDECODE);
  check_outcome(lti_slice("[\0{}]", 5), "", LEAT_EDECODE);
}

static void test_an_element_that_is_no_json_is_handed_on_for_its_reader_to_refuse(void **state) {
  (void)state;
  check_splits("[{]]", "{]|#", LTI_OK);
  check_splits("[{,,,}]", "{,,,}|#", LTI_OK);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void test_elements_of_one_slice_are_views_and_nothing_is_allocated(void **state) {
  static const char text[] = "[{\"a\":1},\n{\"b\":\"]\"}]";
  record r = {.stop = false};
  failing f;
  lti_alloc alloc;
  lti_elements x;
  size_t taken;
  (void)state;
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  r.inside = text;
  r.inside_size = sizeof text;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&alloc, &fns);
  lti_elements_init(&x, &alloc, MAX, &sink, &r);
  assert_int_equal(lti_elements_feed(&x, lti_slice_of(text), &taken), LTI_OK);
  assert_int_equal(r.views, 2);
  assert_int_equal(x.count, 2);
  assert_int_equal(x.copied, 0);
  assert_int_equal(f.calls, 0);
  assert_true(lti_elements_closed(&x));
  lti_elements_deinit(&x);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
  lti_buf_deinit(&r.text);
}

static void test_the_memory_of_a_large_element_is_given_back(void **state) {
  enum { SIZE = 100000 };
  char *text = malloc(SIZE);
  record r = {.stop = false};
  lti_elements x;
  size_t taken;
  (void)state;
  assert_non_null(text);
  memset(text, ' ', SIZE);
  memcpy(text, "[{\"", 3);
  memcpy(text + SIZE - 4, "\":0}", 4);
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  lti_elements_init(&x, &heap, SIZE, &sink, &r);
  for (size_t at = 0; at < SIZE; at += 1000) {
    assert_int_equal(lti_elements_feed(&x, lti_slice(text + at, 1000), &taken), LTI_OK);
    if (at + 1000 < SIZE) assert_int_equal(x.held.size, at + 999);
  }
  assert_int_equal(x.count, 1);
  assert_int_equal(x.copied, SIZE - 1);
  assert_int_equal(x.held.capacity, 0);
  lti_elements_deinit(&x);
  lti_buf_deinit(&r.text);
  free(text);
}

static void test_an_element_may_be_as_large_as_the_limit_and_no_larger(void **state) {
  leat_slice text = lti_slice_of("[{},{\"a\":\"0123456789\"}]");
  record r = {.stop = false};
  (void)state;
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  for (size_t cut = 0; cut <= text.size; cut++) {
    for (size_t step = 0; step < 3; step++) {
      assert_int_equal(run(&r, text, (way){cut, step, 18}), LTI_OK);
      assert_int_equal(run(&r, text, (way){cut, step, 17}), LEAT_EEVENTMAX);
      assert_true(lti_slice_is(lti_buf_slice(&r.text), "{}|"));
    }
  }
  lti_buf_deinit(&r.text);
}

static void test_js_01_nesting_is_only_counted(void **state) {
  enum { DEPTH = 100000 };
  char *text = malloc(2 * DEPTH + 4);
  record r = {.stop = false};
  (void)state;
  assert_non_null(text);
  memset(text, '[', DEPTH + 2);
  text[1] = '{';
  memset(text + DEPTH + 2, ']', DEPTH + 2);
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  assert_int_equal(run(&r, lti_slice(text, 2 * DEPTH + 4), (way){0, 1000, MAX}), LTI_OK);
  assert_int_equal(r.text.size, 2 * DEPTH + 4);
  lti_buf_deinit(&r.text);
  free(text);
}

static void test_an_error_of_the_sink_stays(void **state) {
  record r = {.answer = LEAT_ECANCELLED};
  (void)state;
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  assert_int_equal(run(&r, lti_slice_of("[{}, {}]"), (way){2, 1, MAX}), LEAT_ECANCELLED);
  lti_buf_deinit(&r.text);
}

static void feed_with(const leat_allocator *fns, void *ctx) {
  lti_alloc alloc;
  lti_elements x;
  size_t taken;
  leat_slice text = lti_slice_of("[{\"a\":\"0123456789\"},{\"b\":\"0123456789\"}]");
  (void)ctx;
  record r = {.stop = false};
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  lti_elements_init(&x, &alloc, MAX, &sink, &r);
  int rc = LTI_OK;
  for (size_t at = 0; rc == LTI_OK && at < text.size; at++) {
    rc = lti_elements_feed(&x, lti_slice(text.data + at, 1), &taken);
  }
  assert_true(rc == LTI_OK || rc == LEAT_ENOMEM);
  assert_int_equal(lti_elements_end(&x), rc);
  lti_elements_deinit(&x);
  lti_buf_deinit(&r.text);
}

static void test_without_memory_it_says_so_and_leaks_nothing(void **state) {
  (void)state;
  assert_true(failing_at_every_n(feed_with, NULL) > 0);
}

/* ---- the corpus ------------------------------------------------------------------------------ */

static void check_count(const char *name, size_t want) {
  leat_slice body = corpora_load(name);
  record whole = {.stop = false}, r = {.stop = false};
  lti_buf_init(&whole.text, &heap, MAX, LEAT_EBODYMAX);
  lti_buf_init(&r.text, &heap, MAX, LEAT_EBODYMAX);
  assert_int_equal(run(&whole, body, (way){body.size, 0, MAX}), LTI_OK);
  assert_int_equal(whole.views, want);
  for (size_t cut = 0; cut <= body.size; cut++) {
    assert_int_equal(run(&r, body, (way){cut, cut % 5, MAX}), LTI_OK);
    assert_true(lti_slice_equal(lti_buf_slice(&r.text), lti_buf_slice(&whole.text)));
  }
  lti_buf_deinit(&r.text);
  lti_buf_deinit(&whole.text);
  corpora_free(body);
}

static void test_the_arrays_of_the_corpus_at_every_split(void **state) {
  (void)state;
  corpora_require("streams");
  check_count("streams/gem-array-compact.body", 3);
  check_count("streams/gem-array-empty.body", 0);
  check_count("streams/gem-array-error-element.body", 2);
  check_count("streams/gem-array-tricky-strings.body", 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_elements_of_an_array_come_one_by_one_at_every_split),
      cmocka_unit_test(test_js_12_brackets_in_strings_are_text_wherever_they_are_cut),
      cmocka_unit_test(test_objects_without_an_array_are_elements_too),
      cmocka_unit_test(test_what_is_cut_is_told_from_what_ended),
      cmocka_unit_test(test_anything_else_between_elements_is_refused),
      cmocka_unit_test(test_an_element_that_is_no_json_is_handed_on_for_its_reader_to_refuse),
      cmocka_unit_test(test_elements_of_one_slice_are_views_and_nothing_is_allocated),
      cmocka_unit_test(test_the_memory_of_a_large_element_is_given_back),
      cmocka_unit_test(test_an_element_may_be_as_large_as_the_limit_and_no_larger),
      cmocka_unit_test(test_js_01_nesting_is_only_counted),
      cmocka_unit_test(test_an_error_of_the_sink_stays),
      cmocka_unit_test(test_without_memory_it_says_so_and_leaks_nothing),
      cmocka_unit_test(test_the_arrays_of_the_corpus_at_every_split),
  };
  lti_alloc_init(&heap, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
