/* The incremental check of UTF-8: every code point, every pair and triple of bytes, cut anywhere,
 * against the check of whole texts. */
#include "wire/ws_utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool valid(leat_slice text, size_t cut) {
  lti_ws_utf8 u = {0};
  if (lti_ws_utf8_take(&u, lti_slice(text.data, cut)) < cut) return false;
  leat_slice rest = lti_slice_from(text, cut);
  return lti_ws_utf8_take(&u, rest) == rest.size && lti_ws_utf8_whole(&u);
}

static void check_text(leat_slice text) {
  bool expected = lti_slice_is_utf8(text);
  for (size_t cut = 0; cut <= text.size; cut++) assert_int_equal(valid(text, cut), expected);
}

static size_t encode(uint32_t c, char *out) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 63));
  out[0] = (char)((0xf00u >> n & 0xf0u) | c);
  return n;
}

static void ws_07_every_code_point(void **state) {
  (void)state;
  for (uint32_t c = 0; c < 0x110000; c += c < 0x12000 ? 1 : 61) {
    char text[4];
    size_t n = encode(c, text);
    bool surrogate = c >= 0xd800 && c <= 0xdfff;
    assert_int_equal(valid(lti_slice(text, n), n / 2), !surrogate);
    assert_int_equal(lti_slice_is_utf8(lti_slice(text, n)), !surrogate);
  }
}

static void ws_07_all_short_byte_strings(void **state) {
  (void)state;
  char text[4];
  for (unsigned i = 0; i < 65536; i++) {
    text[0] = (char)(i >> 8);
    text[1] = (char)(i & 255);
    check_text(lti_slice(text, 2));
  }
  /* Behind every lead byte: what is at the edges of the ranges. */
  static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
  for (unsigned i = 0; i < 256 * 1000; i++) {
    unsigned at = i;
    for (size_t b = 3; b > 0; b--, at /= 10) text[b] = (char)edges[at % 10];
    text[0] = (char)at;
    for (size_t n = 3; n <= 4; n++) check_text(lti_slice(text, n));
  }
}

/* Refused at the first byte with which no character can go on, wherever it stands. */
static void ws_07_the_first_bad_byte_is_told(void **state) {
  static const struct {
    const char *text;
    size_t at;
  } rows[] = {{"\xff", 0},          {"\xc1\x80", 0},        {"\xe0\x9f", 1}, {"\xed\xa0", 1},
              {"\xf0\x8f", 1},      {"\xf4\x90", 1},        {"\xf5", 0},     {"\xe2\x82x", 2},
              {"\xf0\x9f\x98x", 3}, {"\xe2\x82\xac\x80", 3}};
  (void)state;
  for (size_t before = 0; before < 40; before++) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
      char text[64];
      memset(text, 'a', before);
      size_t size = strlen(rows[i].text);
      memcpy(text + before, rows[i].text, size);
      memset(text + before + size, 'z', 12);
      lti_ws_utf8 u = {0};
      assert_int_equal(lti_ws_utf8_take(&u, lti_slice(text, before + size + 12)),
                       before + rows[i].at);
    }
  }
}

static void an_empty_text_changes_nothing(void **state) {
  (void)state;
  lti_ws_utf8 u = {0};
  assert_int_equal(lti_ws_utf8_take(&u, lti_slice(NULL, 0)), 0);
  assert_true(lti_ws_utf8_whole(&u));
  assert_int_equal(lti_ws_utf8_take(&u, lti_slice_of("\xe2\x82")), 2);
  assert_int_equal(lti_ws_utf8_take(&u, lti_slice(NULL, 0)), 0);
  assert_false(lti_ws_utf8_whole(&u));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ws_07_every_code_point),
      cmocka_unit_test(ws_07_all_short_byte_strings),
      cmocka_unit_test(ws_07_the_first_bad_byte_is_told),
      cmocka_unit_test(an_empty_text_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
