/* Numbers of JSON texts, in both directions: rows JS-02 of the fault catalogue. */
#include "wire/json_number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "wire/json.h"

static lti_alloc heap;
static lti_buf scratch;

static bool read_int(const char *text, int64_t *value) {
  lti_json r;
  lti_json_init(&r, lti_slice_of(text));
  bool got = lti_json_int(&r, value);
  assert_true(lti_json_at_end(&r)); /* out of range is no syntax error */
  return got;
}

static bool read_double(const char *text, double *value) {
  lti_json r;
  lti_json_init(&r, lti_slice_of(text));
  bool got = lti_json_double(&r, value);
  assert_true(lti_json_at_end(&r));
  return got;
}

static void test_js_02_integers(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool good;
    int64_t value;
  } rows[] = {{"0", true, 0},
              {"-0", true, 0},
              {"-0.0e5", true, 0},
              {"5.0", true, 5},
              {"50e-1", true, 5},
              {"5e3", true, 5000},
              {"0.005E+3", true, 5},
              {"5.5", false, 0},
              {"1e-1", false, 0},
              {"9223372036854775807", true, INT64_MAX},
              {"-9223372036854775808", true, INT64_MIN},
              {"9223372036854775808", false, 0},
              {"-9223372036854775809", false, 0},
              {"18446744073709551616", false, 0},
              {"9999999999999999999", false, 0},
              {"123456789012345678901234567890", false, 0},
              {"922337203685477580.7e1", true, INT64_MAX},
              {"1e18", true, 1000000000000000000},
              {"1e19", false, 0},
              {"1e400", false, 0},
              {"1e99999999999999999999", false, 0},
              {"0e99999999999999999999", true, 0},
              {"1e-99999999999999999999", false, 0},
              {"4000000000", true, 4000000000},
              {"1000000000000000000000e-20", true, 10}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t value = 0;
    bool good = read_int(rows[i].text, &value);
    if (good != rows[i].good) print_error("%s\n", rows[i].text);
    assert_int_equal(good, rows[i].good);
    assert_int_equal(value, rows[i].value);
  }
}

/* The middle between two doubles with a nonzero digit far behind it must round up. */
static void test_js_02_a_long_number_is_rounded_by_its_last_digit(void **state) {
  (void)state;
  char text[3000];
  double value, half = 9007199254740993.0; /* rounds to ...992 */
  int head = snprintf(text, sizeof text, "9007199254740993.");
  memset(text + head, '0', 2000);
  text[head + 2000] = 0;
  assert_true(read_double(text, &value) && value == half);
  text[head + 1999] = '1';
  assert_true(read_double(text, &value) && value == 9007199254740994.0);
  memset(text, '0', sizeof text);
  memcpy(text, "0.", 2);
  memcpy(text + 2500, "15e2500", 8);
  assert_true(read_double(text, &value) && value == 15.0);
  memset(text, '9', 400);
  text[400] = 0;
  assert_false(read_double(text, &value));
  memcpy(text + 400, "e-399", 6);
  assert_true(read_double(text, &value) && value == 10.0);
}

static void test_js_02_doubles(void **state) {
  (void)state;
  static const char *const texts[] = {"0",
                                      "-0",
                                      "0.1",
                                      "1e22",
                                      "1e23",
                                      "-1.5e-7",
                                      "123456789012345678",
                                      "1.7976931348623157e308",
                                      "2.2250738585072011e-308",
                                      "5e-324",
                                      "4.9e-324",
                                      "2.4703282292062328e-324",
                                      "1e-400",
                                      "0e999",
                                      "8.5e22",
                                      "9007199254740993",
                                      "1e-22",
                                      "3.14159265358979323846",
                                      "1e15",
                                      "999999999999999e22",
                                      "6.02214076e23",
                                      "0.000000000000000000000000000001e30",
                                      "1e-999999999999999999999"};
  double value;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    double want = strtod(texts[i], NULL);
    if (!read_double(texts[i], &value) || memcmp(&value, &want, sizeof want) != 0) {
      fail_msg("%s: %.17g", texts[i], value);
    }
  }
  assert_false(read_double("1e400", &value));
  assert_false(read_double("-1e400", &value));
  assert_false(read_double("1e999999999999999999999", &value));
  assert_false(read_double("1.7976931348623159e308", &value));
}

static void write_double(double value, char text[64]) {
  lti_buf_clear(&scratch);
  assert_int_equal(lti_json_write_double(&scratch, value), LTI_OK);
  assert_true(scratch.size < 64);
  memcpy(text, scratch.data, scratch.size);
  text[scratch.size] = 0;
}

static void test_js_02_written_doubles_read_back_the_same(void **state) {
  (void)state;
  static const struct {
    double value;
    const char *text;
  } rows[] = {{0.7, "0.7"},    {1, "1"},
              {-0.0, "-0"},    {1e21, "1e+21"},
              {0.1, "0.1"},    {5e-324, "5e-324"},
              {1.5, "1.5"},    {0.1 + 0.2, "0.30000000000000004"},
              {1e-7, "1e-07"}, {DBL_MAX, "1.7976931348623157e+308"}};
  char text[64];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    write_double(rows[i].value, text);
    assert_string_equal(text, rows[i].text);
  }
  lti_prng random;
  lti_prng_seed(&random, 3);
  for (int i = 0; i < 20000; i++) {
    uint64_t bits = lti_prng_next(&random);
    double value, back = 0;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    write_double(value, text);
    assert_true(lti_json_valid(lti_slice_of(text), NULL, NULL));
    assert_true(read_double(text, &back));
    if (memcmp(&value, &back, sizeof value) != 0) fail_msg("%.17g came back as %.17g", value, back);
  }
  lti_buf_clear(&scratch);
  assert_int_equal(lti_json_write_double(&scratch, (double)NAN), LEAT_EINVAL);
  assert_int_equal(lti_json_write_double(&scratch, (double)INFINITY), LEAT_EINVAL);
  assert_int_equal(scratch.size, 0);
}

static void test_js_02_the_hosts_locale_changes_nothing(void **state) {
  (void)state;
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "fr_FR.UTF-8", "de_DE",
                                      "fr_FR",       "es_ES.UTF-8", "ru_RU.UTF-8", "pt_BR.UTF-8"};
  const char *found = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
    found = setlocale(LC_NUMERIC, names[i]);
  }
  if (!found || strcmp(localeconv()->decimal_point, ",") != 0) {
    printf("skipped: no locale with a decimal comma is installed\n");
    skip();
  }
  char text[64];
  double value = 0;
  write_double(0.30000000000000004, text);
  bool read = read_double("1234567890.12345678901234567890e-5", &value);
  setlocale(LC_NUMERIC, "C");
  assert_string_equal(text, "0.30000000000000004");
  assert_true(read && value == 1234567890.12345678901234567890e-5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_js_02_integers),
      cmocka_unit_test(test_js_02_a_long_number_is_rounded_by_its_last_digit),
      cmocka_unit_test(test_js_02_doubles),
      cmocka_unit_test(test_js_02_written_doubles_read_back_the_same),
      cmocka_unit_test(test_js_02_the_hosts_locale_changes_nothing),
  };
  lti_alloc_init(&heap, NULL);
  lti_buf_init(&scratch, &heap, 16u << 20, LEAT_EBODYMAX);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lti_buf_deinit(&scratch);
  return failed;
}
