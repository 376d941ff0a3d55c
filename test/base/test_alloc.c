/* The allocator: counting, the caller's functions, and memory that is overwritten before it goes.
 */
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/failing.h"

static void takes_malloc_when_no_functions_are_given(void **state) {
  (void)state;
  leat_allocator none;
  lti_alloc a;
  memset(&none, 0, sizeof none);
  lti_alloc_init(&a, &none);
  char *p = lti_alloc_zero(&a, 100);
  assert_non_null(p);
  for (int i = 0; i < 100; i++) assert_int_equal(p[i], 0);
  p = lti_alloc_grow(&a, p, 100, 200);
  assert_non_null(p);
  lti_alloc_put(&a, p);
  lti_alloc_put(&a, NULL);
  lti_alloc_wipe(&a, NULL, 10);
  assert_int_equal(a.calls, 2);
  lti_alloc_init(&a, NULL);
  void *empty = lti_alloc_get(&a, 0);
  assert_non_null(empty);
  lti_alloc_put(&a, empty);
}

static void counts_and_passes_the_caller_his_pointer(void **state) {
  (void)state;
  failing f;
  lti_alloc a;
  failing_init(&f, 3);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  char *text = lti_alloc_text(&a, lti_slice("key\0x", 5));
  assert_memory_equal(text, "key\0x", 6);
  char *grown = lti_alloc_grow(&a, NULL, 0, 5);
  assert_non_null(grown);
  assert_null(lti_alloc_text(&a, lti_slice(NULL, 0)));
  lti_alloc_put(&a, grown);
  assert_int_equal(a.calls, 3);
  assert_int_equal(f.calls, 3);
  f.canary = "key";
  lti_alloc_wipe(&a, text, 6);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

static void a_failed_growth_leaves_the_block(void **state) {
  (void)state;
  failing f;
  lti_alloc a;
  failing_init(&f, 2);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  char *p = lti_alloc_text(&a, lti_slice("abc", 3));
  assert_null(lti_alloc_grow(&a, p, 4, 400));
  assert_string_equal(p, "abc");
  assert_null(lti_alloc_grow(&a, NULL, 0, SIZE_MAX));
  lti_alloc_put(&a, p);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

static void wipe_overwrites(void **state) {
  (void)state;
  char b[4] = {1, 2, 3, 4};
  lti_wipe(b, 3);
  assert_memory_equal(b, "\0\0\0\4", 4);
  lti_wipe(NULL, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_malloc_when_no_functions_are_given),
      cmocka_unit_test(counts_and_passes_the_caller_his_pointer),
      cmocka_unit_test(a_failed_growth_leaves_the_block),
      cmocka_unit_test(wipe_overwrites),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
