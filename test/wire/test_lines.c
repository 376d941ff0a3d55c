/* Lines of slices: the three line ends, the byte order mark, limits, and what is not kept. */
#include "wire/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/failing.h"

typedef struct seen {
  char text[4096]; /* "line|line|" */
  size_t size, lines, asked;
  size_t wanted; /* what keep answers */
  bool stop;
} seen;

static int on_line(void *ctx, leat_slice line) {
  seen *s = ctx;
  s->lines++;
  if (s->size + line.size + 1 > sizeof s->text) return LEAT_EBODYMAX;
  if (line.size) memcpy(s->text + s->size, line.data, line.size);
  s->size += line.size;
  s->text[s->size++] = '|';
  return s->stop ? LTI_STOPPED : LTI_OK;
}

static size_t on_keep(void *ctx, leat_slice start) {
  seen *s = ctx;
  assert_int_equal(start.size, LTI_LINES_ASK);
  s->asked++;
  return start.data[0] == 'k' ? LTI_LINES_ALL : s->wanted;
}

static const lti_lines_sink sink = {on_line, on_keep, LEAT_EEVENTMAX};
static lti_alloc heap;

static int feed(lti_lines *x, leat_slice bytes) {
  size_t taken = 0;
  char *copy = malloc(bytes.size ? bytes.size : 1);
  assert_non_null(copy);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  size_t at = 0;
  int rc = LTI_OK;
  do {
    rc = lti_lines_feed(x, lti_slice(copy + at, bytes.size - at), &taken);
    at += taken;
  } while (rc == LTI_STOPPED);
  free(copy);
  if (rc == LTI_OK) assert_int_equal(at, bytes.size);
  return rc;
}

/* `input` cut in two everywhere and byte by byte gives the lines `want` and the unfinished rest. */
static void expect(const char *input, const char *want, const char *want_rest) {
  leat_slice all = lti_slice_of(input), rest;
  for (size_t cut = 0; cut <= 2 * all.size + 1; cut++) {
    seen s = {.stop = cut % 2 != 0};
    lti_lines x;
    lti_lines_init(&x, &heap, 1024, &sink, &s);
    size_t step = cut / 2 ? cut / 2 : 1;
    for (size_t at = 0; at < all.size; at += step) {
      size_t size = all.size - at < step ? all.size - at : step;
      assert_int_equal(feed(&x, lti_slice(all.data + at, size)), LTI_OK);
    }
    assert_int_equal(lti_lines_end(&x, &rest), LTI_OK);
    if (!lti_slice_is(lti_slice(s.text, s.size), want) || !lti_slice_is(rest, want_rest)) {
      fail_msg("'%s' in steps of %zu: '%.*s' and '%.*s'", input, step, (int)s.size, s.text,
               (int)rest.size, rest.data);
    }
    lti_lines_deinit(&x);
  }
}

static void test_lf_cr_and_crlf_end_a_line(void **state) {
  (void)state;
  expect("a\nb\rc\r\nd", "a|b|c|", "d");
  expect("\n\r\r\n\n\r", "|||||", "");
  expect("a\r\r\nb\n\r", "a||b||", "");
  expect("", "", "");
  expect("no end", "", "no end");
  expect("\v\f\x1c\xc2\x85\xe2\x80\xa8\n", "\v\f\x1c\xc2\x85\xe2\x80\xa8|", "");
}

static void test_one_byte_order_mark_is_skipped(void **state) {
  (void)state;
  expect(
      "\xef\xbb\xbf"
      "a\n",
      "a|", "");
  expect("\xef\xbb\xbf\n", "|", "");
  expect("\xef\xbb\xbf\xef\xbb\xbf\n\xef\xbb\xbf\n", "\xef\xbb\xbf|\xef\xbb\xbf|", "");
  expect(
      "\xef\xbb"
      "a\n",
      "\xef\xbb"
      "a|",
      "");
  expect("\xef\n", "\xef|", "");
  expect("\xef\r\na", "\xef|", "a");
  expect("\xef\xbb\xef\xbb\xbf\n", "\xef\xbb\xef\xbb\xbf|", "");
  expect("\xef\xbb", "", "\xef\xbb");
  expect("\xef\xbb\xbf", "", "");
}

static void test_a_whole_line_is_a_view_of_the_slice(void **state) {
  (void)state;
  seen s = {.stop = true};
  lti_alloc alloc;
  lti_lines x;
  size_t taken;
  lti_alloc_init(&alloc, NULL);
  lti_lines_init(&x, &alloc, 1024, &sink, &s);
  assert_int_equal(lti_lines_feed(&x, lti_slice_of("one\r\ntwo\nthree\n"), &taken), LTI_STOPPED);
  assert_int_equal(taken, 5);
  assert_int_equal(alloc.calls, 0);
  assert_int_equal(x.copied, 0);
  lti_lines_deinit(&x);
}

/* A line of `size` bytes that begins with `first`, then "\nend\n", in two pieces. */
static int long_line(seen *s, char first, size_t size, size_t cut) {
  char bytes[2048];
  lti_lines x;
  memset(bytes, 'x', sizeof bytes);
  bytes[0] = first;
  memcpy(bytes + size, "\nend\n", 5);
  lti_lines_init(&x, &heap, 512, &sink, s);
  int rc = feed(&x, lti_slice(bytes, cut));
  if (rc == LTI_OK) rc = feed(&x, lti_slice(bytes + cut, size + 5 - cut));
  lti_lines_deinit(&x);
  return rc;
}

static void test_sse_10_a_long_line_is_kept_cut_or_dropped_as_asked(void **state) {
  (void)state;
  for (size_t cut = 1; cut < 1000; cut += 7) {
    seen all = {.wanted = 0}, part = {.wanted = 300}, none = {.wanted = 0};
    assert_int_equal(long_line(&all, 'k', 512, cut < 512 ? cut : 512), LTI_OK);
    assert_int_equal(all.size, 512 + 5);
    assert_int_equal(long_line(&all, 'k', 513, cut < 513 ? cut : 513), LEAT_EEVENTMAX);
    assert_int_equal(long_line(&part, 'p', 1000, cut), LTI_OK);
    assert_int_equal(part.size, 300 + 5);
    assert_int_equal(part.asked, 1);
    assert_int_equal(long_line(&none, 'n', 1000, cut), LTI_OK);
    assert_int_equal(none.lines, 1);
    assert_memory_equal(none.text, "end|", 4);
  }
}

static void test_sse_10_an_over_long_line_in_one_slice_is_treated_alike(void **state) {
  (void)state;
  seen all = {.wanted = 0}, part = {.wanted = 300}, none = {.wanted = 0};
  assert_int_equal(long_line(&all, 'k', 1000, 1005), LEAT_EEVENTMAX);
  assert_int_equal(all.lines, 0);
  assert_int_equal(long_line(&part, 'p', 1000, 1005), LTI_OK);
  assert_int_equal(part.size, 300 + 5);
  assert_int_equal(long_line(&none, 'n', 1000, 1005), LTI_OK);
  assert_int_equal(none.lines, 1);
}

static void test_the_rest_of_a_cut_line_is_cut_too(void **state) {
  (void)state;
  char bytes[600];
  leat_slice rest;
  seen part = {.wanted = 10}, none = {.wanted = 0};
  lti_lines x;
  memset(bytes, 'x', sizeof bytes);
  lti_lines_init(&x, &heap, 512, &sink, &part);
  assert_int_equal(feed(&x, lti_slice(bytes, sizeof bytes)), LTI_OK);
  assert_int_equal(lti_lines_end(&x, &rest), LTI_OK);
  assert_int_equal(rest.size, 10);
  lti_lines_deinit(&x);
  lti_lines_init(&x, &heap, 512, &sink, &none);
  assert_int_equal(feed(&x, lti_slice(bytes, sizeof bytes)), LTI_OK);
  assert_int_equal(lti_lines_end(&x, &rest), LTI_OK);
  assert_int_equal(rest.size, 0);
  lti_lines_deinit(&x);
}

static int on_count(void *ctx, leat_slice line) {
  (void)line;
  ++*(size_t *)ctx;
  return LTI_OK;
}

/* Were the LF looked for again at every CR, this would read 1.1 TB. */
static void test_a_slice_of_bare_crs_is_read_in_linear_time(void **state) {
  (void)state;
  static const lti_lines_sink counting = {on_count, NULL, LEAT_EEVENTMAX};
  size_t size = (size_t)3 << 20, lines = 0, taken;
  char *bytes = malloc(size);
  lti_lines x;
  assert_non_null(bytes);
  for (size_t i = 0; i < size; i += 3) memcpy(bytes + i, "ab\r", 3);
  lti_lines_init(&x, &heap, 1024, &counting, &lines);
  assert_int_equal(lti_lines_feed(&x, lti_slice(bytes, size), &taken), LTI_OK);
  assert_int_equal(lines, size / 3);
  lti_lines_deinit(&x);
  free(bytes);
}

static int on_refuse(void *ctx, leat_slice line) {
  (void)ctx;
  (void)line;
  return LEAT_EDECODE;
}

static void test_an_error_is_kept(void **state) {
  (void)state;
  static const lti_lines_sink refusing = {on_refuse, NULL, LEAT_EEVENTMAX};
  lti_lines x;
  size_t taken;
  leat_slice rest;
  lti_lines_init(&x, &heap, 1024, &refusing, NULL);
  assert_int_equal(lti_lines_feed(&x, lti_slice_of("a\nb\n"), &taken), LEAT_EDECODE);
  assert_int_equal(taken, 2);
  assert_int_equal(lti_lines_feed(&x, lti_slice_of("b\n"), &taken), LEAT_EDECODE);
  assert_int_equal(taken, 0);
  assert_int_equal(lti_lines_end(&x, &rest), LEAT_EDECODE);
  lti_lines_deinit(&x);
}

static void starved(const leat_allocator *fns, void *ctx) {
  size_t taken;
  seen s = {.wanted = LTI_LINES_ALL};
  lti_alloc alloc;
  lti_lines x;
  char piece[100];
  int rc = LTI_OK;
  (void)ctx;
  memset(piece, 'k', sizeof piece);
  lti_alloc_init(&alloc, fns);
  lti_lines_init(&x, &alloc, 4096, &sink, &s);
  rc = lti_lines_feed(&x, lti_slice_of("\xef\xbb"), &taken);
  for (int i = 0; rc == LTI_OK && i < 10; i++) {
    rc = lti_lines_feed(&x, lti_slice(piece, sizeof piece), &taken);
  }
  if (rc == LTI_OK) rc = lti_lines_feed(&x, lti_slice_of("\n"), &taken);
  assert_true(rc == LEAT_ENOMEM || (rc == LTI_OK && s.lines == 1));
  lti_lines_deinit(&x);
}

static void test_every_failed_allocation_is_an_error(void **state) {
  (void)state;
  assert_true(failing_at_every_n(starved, NULL) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lf_cr_and_crlf_end_a_line),
      cmocka_unit_test(test_one_byte_order_mark_is_skipped),
      cmocka_unit_test(test_a_whole_line_is_a_view_of_the_slice),
      cmocka_unit_test(test_sse_10_a_long_line_is_kept_cut_or_dropped_as_asked),
      cmocka_unit_test(test_sse_10_an_over_long_line_in_one_slice_is_treated_alike),
      cmocka_unit_test(test_the_rest_of_a_cut_line_is_cut_too),
      cmocka_unit_test(test_a_slice_of_bare_crs_is_read_in_linear_time),
      cmocka_unit_test(test_an_error_is_kept),
      cmocka_unit_test(test_every_failed_allocation_is_an_error),
  };
  lti_alloc_init(&heap, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
