/* data: URIs (RFC 2397): percent-escapes and base64, as browsers read them, at every size of room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "wire/datauri.h"

/* Decodes with so much room at a time. The content, NUL-terminated; its size, or an error. */
static int decode(const char *uri, size_t room, char *out, size_t out_size) {
  lti_datauri d;
  size_t size, total = 0;
  /* A copy of its exact size, so that a read beyond it is found. */
  size_t n = strlen(uri);
  char *copy = malloc(n ? n : 1);
  memcpy(copy, uri, n);
  assert_true(lti_datauri_init(&d, lti_slice(copy, n)));
  int r;
  do {
    assert_true(total + room <= out_size);
    r = lti_datauri_read(&d, out + total, room, &size);
    total += size;
  } while (r == LTI_OK && size > 0);
  out[total] = '\0';
  free(copy);
  return r == LTI_OK ? (int)total : r;
}

static void check(const char *uri, const char *content, size_t size) {
  char out[512];
  for (size_t room = 3; room < 40; room++) {
    assert_int_equal(decode(uri, room, out, sizeof out), size);
    assert_memory_equal(out, content, size);
  }
}

static void test_text_with_escapes(void **state) {
  (void)state;
  check("data:,hello%20there", "hello there", 11);
  check("DATA:text/plain;charset=utf-8,a%2Cb%00c", "a,b\0c", 5);
  check("data:,", "", 0);
  check("data:,100%", "100%", 4);
  check("data:,%zz%4", "%zz%4", 5);
  check("data:text/plain,;base64,x", ";base64,x", 9);
}

static void test_base64(void **state) {
  (void)state;
  check("data:;base64,", "", 0);
  check("data:image/png;base64,iVBORw0KGgo=", "\x89PNG\r\n\x1a\n", 8);
  check("data:;BASE64,YQ==", "a", 1);
  check("data:;base64,YQ", "a", 1);
  check("data:;base64,YWI=", "ab", 2);
  check("data:;base64,YWI", "ab", 2);
  check("data:;base64,YWJj", "abc", 3);
  check("data:;base64,YQ%3D%3D", "a", 1);
  check("data:;base64,%2B/+%2f", "\xfb\xff\xbf", 3);
  check("data:;base64,-_-_", "\xfb\xff\xbf", 3);
  check("data:;base64, Y W\r\nJ\tj ", "abc", 3);
}

static void test_what_is_no_base64(void **state) {
  static const char *const wrong[] = {"data:;base64,Y",
                                      "data:;base64,YWJjY",
                                      "data:;base64,Y=",
                                      "data:;base64,=",
                                      "data:;base64,YQ=",
                                      "data:;base64,YQ===",
                                      "data:;base64,YQ==Y",
                                      "data:;base64,YW=J",
                                      "data:;base64,Y!Jj",
                                      "data:;base64,YWJj=",
                                      "data:;base64,\x80\x80\x80\x80"};
  char out[64];
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(decode(wrong[i], 16, out, sizeof out), LEAT_EDECODE);
}

static void test_what_is_no_data_uri(void **state) {
  static const char *const others[] = {"",           "data",    "data:", "data:image/png",
                                       "http://a/,", "xdata:,a"};
  lti_datauri d;
  (void)state;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    assert_false(lti_datauri_init(&d, lti_slice_of(others[i])));
}

static void test_the_type_is_told(void **state) {
  lti_datauri d;
  (void)state;
  assert_true(lti_datauri_init(&d, lti_slice_of("data:image/webp;base64,AA")));
  assert_true(lti_slice_is(d.type, "image/webp"));
  assert_true(lti_datauri_init(&d, lti_slice_of("data:,x")));
  assert_int_equal(d.type.size, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text_with_escapes), cmocka_unit_test(test_base64),
      cmocka_unit_test(test_what_is_no_base64), cmocka_unit_test(test_what_is_no_data_uri),
      cmocka_unit_test(test_the_type_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
