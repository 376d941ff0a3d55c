/* Blobs: the same bytes at one place share one block, and nothing outlives its holders. */
#include "base/blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing.h"

static void the_same_bytes_in_a_row_are_held_once(void **state) {
  (void)state;
  lti_alloc a;
  lti_blob *place = NULL;
  lti_alloc_init(&a, NULL);
  lti_blob *first = lti_blob_make(&a, &place, lti_slice_of("one"));
  lti_blob *second = lti_blob_make(&a, &place, lti_slice_of("one"));
  assert_ptr_equal(first, second);
  assert_int_equal(a.calls, 1);
  lti_blob *other = lti_blob_make(&a, &place, lti_slice_of("two"));
  assert_ptr_not_equal(first, other);
  assert_ptr_equal(place, other);
  lti_blob *late = lti_blob_make(&a, &place, lti_slice_of("one"));
  assert_ptr_not_equal(first, late); /* only the newest is known */
  lti_blob_release(first);
  assert_true(lti_slice_is(lti_blob_slice(second), "one"));
  lti_blob_release(second);
  assert_ptr_equal(place, late);
  lti_blob_release(late);
  assert_null(place);
  assert_true(lti_slice_is(lti_blob_slice(other), "two"));
  lti_blob_release(other);
  assert_null(place);
}

static void without_a_place_nothing_is_shared(void **state) {
  (void)state;
  lti_alloc a;
  lti_alloc_init(&a, NULL);
  lti_blob *first = lti_blob_make(&a, NULL, lti_slice_of("x"));
  lti_blob *second = lti_blob_make(&a, NULL, lti_slice_of("x"));
  assert_ptr_not_equal(first, second);
  lti_blob_release(first);
  lti_blob_release(second);
}

static void no_bytes_are_a_blob_too_and_null_is_none(void **state) {
  (void)state;
  lti_alloc a;
  lti_blob *place = NULL;
  lti_alloc_init(&a, NULL);
  lti_blob *none = lti_blob_make(&a, &place, lti_slice(NULL, 0));
  assert_non_null(none);
  assert_int_equal(lti_blob_slice(none).size, 0);
  lti_blob_release(none);
  assert_null(place);
  lti_blob_release(NULL);
  assert_null(lti_blob_slice(NULL).data);
}

static void without_memory_the_newest_stays(void **state) {
  (void)state;
  lti_alloc a;
  failing f;
  lti_blob *place = NULL;
  failing_init(&f, 2);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_blob *first = lti_blob_make(&a, &place, lti_slice_of("one"));
  assert_non_null(first);
  assert_null(lti_blob_make(&a, &place, lti_slice_of("two")));
  assert_ptr_equal(place, first);
  lti_blob *again = lti_blob_make(&a, &place, lti_slice_of("one")); /* needs no memory */
  assert_ptr_equal(again, first);
  lti_blob_release(again);
  lti_blob_release(first);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_same_bytes_in_a_row_are_held_once),
      cmocka_unit_test(without_a_place_nothing_is_shared),
      cmocka_unit_test(no_bytes_are_a_blob_too_and_null_is_none),
      cmocka_unit_test(without_memory_the_newest_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
