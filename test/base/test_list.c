/* The intrusive list: order, harmless second removals, and batches taken as a whole. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void keeps_order_at_both_ends(void **state) {
  (void)state;
  lti_list l, n[3];
  lti_list_init(&l);
  assert_null(lti_list_pop(&l));
  for (int i = 0; i < 3; i++) lti_list_init(&n[i]);
  lti_list_push(&l, &n[1]);
  lti_list_push(&l, &n[2]);
  lti_list_push_front(&l, &n[0]);
  for (int i = 0; i < 3; i++) assert_ptr_equal(lti_list_pop(&l), &n[i]);
  assert_true(lti_list_empty(&l));
}

static void removing_twice_is_harmless(void **state) {
  (void)state;
  lti_list l, n[2];
  lti_list_init(&l);
  for (int i = 0; i < 2; i++) lti_list_push(&l, &n[i]);
  lti_list_remove(&n[0]);
  lti_list_remove(&n[0]);
  assert_true(lti_list_empty(&n[0]));
  assert_ptr_equal(l.next, &n[1]);
  assert_ptr_equal(l.prev, &n[1]);
}

static void take_moves_a_batch_to_the_end(void **state) {
  (void)state;
  lti_list to, from, n[4];
  lti_list_init(&to);
  lti_list_init(&from);
  lti_list_take(&to, &from);
  assert_true(lti_list_empty(&to));
  lti_list_push(&to, &n[0]);
  for (int i = 1; i < 4; i++) lti_list_push(&from, &n[i]);
  lti_list_take(&to, &from);
  assert_true(lti_list_empty(&from));
  for (int i = 0; i < 4; i++) assert_ptr_equal(lti_list_pop(&to), &n[i]);
  assert_true(lti_list_empty(&to));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keeps_order_at_both_ends),
      cmocka_unit_test(removing_twice_is_harmless),
      cmocka_unit_test(take_moves_a_batch_to_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
