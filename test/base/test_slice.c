/* Slices: comparison, trimming, search, numbers, and UTF-8 against a decoder written the slow way.
 */
#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static leat_slice of(const char *text) {
  return lti_slice_of(text);
}

static void compares_without_case_in_ascii_only(void **state) {
  (void)state;
  assert_true(lti_slice_is_nocase(of("Content-TYPE"), "content-type"));
  assert_false(lti_slice_is_nocase(of("content-typ"), "content-type"));
  assert_false(lti_slice_is_nocase(of("@"), "`"));
  assert_false(lti_slice_is_nocase(of("["), "{"));
  assert_false(lti_slice_equal_nocase(of("\xc3\x84"), of("\xc3\xa4")));
  assert_true(lti_slice_equal_nocase(lti_slice(NULL, 0), of("")));
}

static void compares_with_case(void **state) {
  (void)state;
  assert_true(lti_slice_is(of("data"), "data"));
  assert_false(lti_slice_is(of("Data"), "data"));
  assert_true(lti_slice_is(lti_slice(NULL, 0), ""));
  assert_true(lti_slice_starts(of("data: x"), "data:"));
  assert_false(lti_slice_starts(of("dat"), "data"));
  assert_true(lti_slice_equal(lti_slice(NULL, 0), of("")));
  assert_int_equal(lti_slice_from(lti_slice(NULL, 0), 0).size, 0);
}

static void trims_blanks_and_tabs_only(void **state) {
  (void)state;
  assert_true(lti_slice_is(lti_slice_trim(of(" \t a b\t ")), "a b"));
  assert_true(lti_slice_is(lti_slice_trim(of(" \t ")), ""));
  assert_true(lti_slice_is(lti_slice_trim(of("\n")), "\n"));
  assert_int_equal(lti_slice_trim(lti_slice(NULL, 0)).size, 0);
}

static void finds_the_first_place(void **state) {
  (void)state;
  leat_slice s = lti_slice("ab\0abc", 6);
  assert_ptr_equal(lti_slice_find(s, of("abc")), s.data + 3);
  assert_ptr_equal(lti_slice_find(s, of("ab")), s.data);
  assert_ptr_equal(lti_slice_find(s, of("")), s.data);
  assert_null(lti_slice_find(s, of("abcd")));
  assert_null(lti_slice_find(lti_slice(NULL, 0), of("a")));
}

static void reads_u64_to_the_last_value_and_no_further(void **state) {
  (void)state;
  uint64_t v = 7;
  assert_true(lti_slice_u64(of("0"), &v));
  assert_int_equal(v, 0);
  assert_true(lti_slice_u64(of("18446744073709551615"), &v));
  assert_true(v == UINT64_MAX);
  const char *bad[] = {"",
                       "18446744073709551616",
                       "18446744073709551620",
                       "99999999999999999999999",
                       "+1",
                       "-1",
                       " 1",
                       "1 ",
                       "0x1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    v = 7;
    assert_false(lti_slice_u64(of(bad[i]), &v));
    assert_int_equal(v, 7);
  }
  assert_true(lti_slice_u64(of("000000000000000000000000000042"), &v));
  assert_int_equal(v, 42);
}

/* Decodes the code point and asks whether its shortest form is what was there. */
static bool slow_utf8(const unsigned char *p, size_t size) {
  size_t i = 0;
  while (i < size) {
    unsigned char c = p[i];
    size_t n = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 0;
    uint32_t point = n == 1 ? c : c & (0xffu >> (n + 1));
    if (n == 0 || size - i < n) return false;
    for (size_t k = 1; k < n; k++) {
      if ((p[i + k] >> 6) != 2) return false;
      point = point << 6 | (p[i + k] & 0x3fu);
    }
    size_t shortest = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (n != shortest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += n;
  }
  return true;
}

static void utf8_agrees_with_a_slow_decoder_on_every_lead(void **state) {
  (void)state;
  static const unsigned char tails[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                        0x9f, 0xa0, 0xbf, 0xc0, 0xff};
  const size_t n = sizeof tails;
  unsigned char b[16] = {0};
  for (unsigned lead = 0; lead < 256; lead++) {
    for (size_t i = 0; i < n * n * n; i++) {
      b[0] = (unsigned char)lead;
      b[1] = tails[i % n];
      b[2] = tails[i / n % n];
      b[3] = tails[i / n / n];
      for (size_t size = 1; size <= 4; size++) {
        leat_slice s = lti_slice((char *)b, size);
        assert_int_equal(lti_slice_is_utf8(s), slow_utf8(b, size));
      }
    }
  }
}

static void utf8_is_checked_at_every_offset_of_a_long_text(void **state) {
  (void)state;
  char text[40];
  for (size_t at = 0; at + 3 <= sizeof text; at++) {
    memset(text, 'x', sizeof text);
    memcpy(text + at, "\xe2\x82\xac", 3);
    assert_true(lti_slice_is_utf8(lti_slice(text, sizeof text)));
    assert_false(lti_slice_is_utf8(lti_slice(text, at + 1)));
    assert_false(lti_slice_is_utf8(lti_slice(text, at + 2)));
    assert_true(lti_slice_is_utf8(lti_slice(text, at + 3)));
    text[at + 1] = 'x';
    assert_false(lti_slice_is_utf8(lti_slice(text, sizeof text)));
  }
  assert_true(lti_slice_is_utf8(lti_slice(NULL, 0)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compares_without_case_in_ascii_only),
      cmocka_unit_test(compares_with_case),
      cmocka_unit_test(trims_blanks_and_tabs_only),
      cmocka_unit_test(finds_the_first_place),
      cmocka_unit_test(reads_u64_to_the_last_value_and_no_further),
      cmocka_unit_test(utf8_agrees_with_a_slow_decoder_on_every_lead),
      cmocka_unit_test(utf8_is_checked_at_every_offset_of_a_long_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
