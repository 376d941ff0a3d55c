/* What names and values may be made of, byte by byte over all 256, and finding a field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/http.h"

/* Every byte alone and in the middle of a good text gives the same verdict. */
static bool accepts(bool (*ok)(leat_slice), int byte) {
  char alone = (char)byte, inside[3] = {'a', (char)byte, 'b'};
  bool verdict = ok(lti_slice(&alone, 1));
  assert_int_equal(ok(lti_slice(inside, 3)), verdict);
  return verdict;
}

static void test_names_are_tokens(void **state) {
  (void)state;
  static const char others[] = "!#$%&'*+-.^_`|~";
  for (int c = 0; c < 256; c++) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    bool token = letter || (c != 0 && strchr(others, c) != NULL);
    assert_int_equal(accepts(lti_http_name_ok, c), token);
    assert_int_equal(lti_http_token_byte((unsigned char)c), token);
  }
  assert_false(lti_http_name_ok(lti_slice("", 0)));
  assert_false(lti_http_name_ok(lti_slice(NULL, 0)));
}

static void test_key_values_are_visible_ascii_blank_and_tab(void **state) {
  (void)state;
  for (int c = 0; c < 256; c++)
    assert_int_equal(accepts(lti_http_value_ok, c), c == '\t' || (c >= 0x20 && c <= 0x7e));
  assert_true(lti_http_value_ok(lti_slice(NULL, 0)));
}

static void test_find_gives_the_first_without_case(void **state) {
  (void)state;
  leat_header h[] = {{lti_slice_of("A"), lti_slice_of("1")},
                     {lti_slice_of("Retry-After"), lti_slice_of("2")},
                     {lti_slice_of("retry-after"), lti_slice_of("3")},
                     {lti_slice_of("Empty"), lti_slice(NULL, 0)}};
  assert_true(lti_slice_is(lti_http_find(h, 4, "RETRY-AFTER"), "2"));
  assert_null(lti_http_find(h, 4, "retry").data);
  assert_null(lti_http_find(h, 1, "retry-after").data);
  assert_null(lti_http_find(NULL, 0, "a").data);
  leat_slice empty = lti_http_find(h, 4, "empty"); /* there, and empty */
  assert_non_null(empty.data);
  assert_int_equal(empty.size, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names_are_tokens),
      cmocka_unit_test(test_key_values_are_visible_ascii_blank_and_tab),
      cmocka_unit_test(test_find_gives_the_first_without_case),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
