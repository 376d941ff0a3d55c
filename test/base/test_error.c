/* The error table: every error of leat.h has a name, a text and a class, and nothing else has. */
#include "base/error.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void names_are_those_of_the_header(void **state) {
  (void)state;
  assert_string_equal(leat_error_name(LEAT_OK), "LEAT_OK");
  assert_string_equal(leat_error_name(LEAT_EINVAL), "LEAT_EINVAL");
  assert_string_equal(leat_error_name(LEAT_ETRUNCATED), "LEAT_ETRUNCATED");
  assert_string_equal(leat_error_name(LEAT_ETASKINPUT), "LEAT_ETASKINPUT");
  int strange[] = {1, 2, INT_MAX, INT_MIN, -29, -45, -58, -1000};
  for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
    assert_string_equal(leat_error_name(strange[i]), "LEAT_EUNKNOWN");
    assert_non_null(leat_error_text(strange[i]));
    assert_int_not_equal(leat_error_class(strange[i]), LEAT_CLASS_OK);
  }
}

/* Reads the enum out of the header itself, so that a new error cannot be forgotten. */
static void every_error_of_the_header_is_in_the_table(void **state) {
  (void)state;
  char line[256], path[4096], name[64];
  int value, seen = 0;
  const char *root = getenv("LEAT_SOURCE_DIR");
  snprintf(path, sizeof path, "%s/engine/leat.h", root ? root : ".");
  FILE *f = fopen(path, "r");
  if (!f) {
    print_message("skipped: no %s\n", path);
    skip();
  }
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, " %63[A-Z_] = %d", name, &value) != 2 || strncmp(name, "LEAT_E", 6) != 0) {
      continue;
    }
    if (value >= 0) continue;
    assert_string_equal(leat_error_name(value), name);
    assert_int_not_equal(leat_error_class(value), LEAT_CLASS_OK);
    seen++;
  }
  fclose(f);
  assert_true(seen >= 48);
}

static void texts_are_one_clause_without_a_full_stop(void **state) {
  (void)state;
  for (int error = 0; error > -100; error--) {
    const char *text = leat_error_text(error);
    size_t n = strlen(text);
    assert_true(n > 3 && n < 80);
    assert_true(text[n - 1] != '.' && !strchr(text, '\n'));
  }
}

static void classes_say_what_to_do(void **state) {
  (void)state;
  assert_int_equal(leat_error_class(LEAT_OK), LEAT_CLASS_OK);
  assert_int_equal(leat_error_class(LEAT_EJSON), LEAT_CLASS_USAGE);
  assert_int_equal(leat_error_class(LEAT_ECANCELLED), LEAT_CLASS_CANCELLED);
  assert_int_equal(leat_error_class(LEAT_EEVENTMAX), LEAT_CLASS_LIMIT);
  assert_int_equal(leat_error_class(LEAT_ERESOLVE), LEAT_CLASS_RESOLVE);
  assert_int_equal(leat_error_class(LEAT_EREFUSED), LEAT_CLASS_CONNECT);
  assert_int_equal(leat_error_class(LEAT_ENOCA), LEAT_CLASS_TLS);
  assert_int_equal(leat_error_class(LEAT_EREDIRECT), LEAT_CLASS_HTTP);
  assert_int_equal(leat_error_class(LEAT_EQUEUETIMEOUT), LEAT_CLASS_TIMEOUT);
  assert_int_equal(leat_error_class(LEAT_EAPI), LEAT_CLASS_STATUS);
  assert_int_equal(leat_error_class(LEAT_EINCOMPLETE), LEAT_CLASS_STREAM);
  assert_int_equal(leat_error_class(LEAT_ETASKTIME), LEAT_CLASS_TASK);
}

static void layers_have_names(void **state) {
  (void)state;
  assert_string_equal(leat_layer_name(LEAT_LAYER_NONE), "none");
  assert_string_equal(leat_layer_name(LEAT_LAYER_PROVIDER), "provider");
  assert_string_equal(leat_layer_name((enum leat_layer)99), "unknown");
  assert_string_equal(leat_version(), LEAT_VERSION);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_those_of_the_header),
      cmocka_unit_test(every_error_of_the_header_is_in_the_table),
      cmocka_unit_test(texts_are_one_clause_without_a_full_stop),
      cmocka_unit_test(classes_say_what_to_do),
      cmocka_unit_test(layers_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
