/* Ids with generations: stale ids find nothing, slots are reused first in, first out. */
#include "base/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/failing.h"

static void a_stale_id_finds_nothing(void **state) {
  (void)state;
  int x = 1, y = 2;
  uint64_t first, second;
  lti_alloc a;
  lti_slots t;
  lti_alloc_init(&a, NULL);
  lti_slots_init(&t, &a, 10);
  assert_null(lti_slots_get(&t, 0));
  assert_null(lti_slots_get(&t, 1));
  assert_int_equal(lti_slots_add(&t, &x, &first), 0);
  assert_true(first != 0);
  assert_ptr_equal(lti_slots_get(&t, first), &x);
  assert_null(lti_slots_get(&t, first & UINT32_MAX));
  assert_null(lti_slots_get(&t, first + 1));
  assert_null(lti_slots_get(&t, UINT64_MAX));
  assert_ptr_equal(lti_slots_remove(&t, first), &x);
  assert_null(lti_slots_remove(&t, first));
  assert_int_equal(lti_slots_add(&t, &y, &second), 0);
  assert_true(first != second);
  assert_null(lti_slots_get(&t, first));
  assert_ptr_equal(lti_slots_get(&t, second), &y);
  lti_slots_deinit(&t);
}

static void free_slots_are_taken_in_the_order_they_came(void **state) {
  (void)state;
  int x;
  uint64_t id[4], again;
  lti_alloc a;
  lti_slots t;
  const int order[4] = {2, 0, 3, 1};
  lti_alloc_init(&a, NULL);
  lti_slots_init(&t, &a, 4);
  for (int i = 0; i < 4; i++) assert_int_equal(lti_slots_add(&t, &x, &id[i]), 0);
  assert_int_equal(lti_slots_add(&t, &x, &again), LEAT_EQUEUEFULL);
  for (int i = 0; i < 4; i++) assert_non_null(lti_slots_remove(&t, id[order[i]]));
  for (int i = 0; i < 4; i++) {
    assert_int_equal(lti_slots_add(&t, &x, &again), 0);
    assert_int_equal(again & UINT32_MAX, id[order[i]] & UINT32_MAX);
    assert_int_equal(again >> 32, (id[order[i]] >> 32) + 1);
  }
  lti_slots_deinit(&t);
}

static void a_table_of_none_is_full_at_once(void **state) {
  (void)state;
  int x;
  uint64_t id;
  lti_alloc a;
  lti_slots t;
  lti_alloc_init(&a, NULL);
  lti_slots_init(&t, &a, 0);
  assert_int_equal(lti_slots_add(&t, &x, &id), LEAT_EQUEUEFULL);
  assert_int_equal(a.calls, 0);
  lti_slots_deinit(&t);
}

#define MODEL 300

static void random_steps_agree_with_a_plain_list(void **state) {
  (void)state;
  static int items[MODEL];
  uint64_t ids[MODEL] = {0}, dead[64] = {0};
  size_t live = 0, deaths = 0;
  lti_prng r;
  lti_alloc a;
  lti_slots t;
  lti_alloc_init(&a, NULL);
  lti_prng_seed(&r, 5);
  lti_slots_init(&t, &a, MODEL - 50);
  for (int step = 0; step < 30000; step++) {
    size_t i = (size_t)lti_prng_below(&r, MODEL);
    if (ids[i] == 0) {
      int error = lti_slots_add(&t, &items[i], &ids[i]);
      assert_int_equal(error, live == MODEL - 50 ? LEAT_EQUEUEFULL : 0);
      if (!error) live++;
    } else if (lti_prng_below(&r, 4) != 0) {
      assert_ptr_equal(lti_slots_get(&t, ids[i]), &items[i]);
    } else {
      assert_ptr_equal(lti_slots_remove(&t, ids[i]), &items[i]);
      dead[deaths++ % 64] = ids[i];
      ids[i] = 0;
      live--;
    }
    assert_null(lti_slots_get(&t, dead[lti_prng_below(&r, 64)]));
    assert_int_equal(t.live, live);
  }
  lti_slots_deinit(&t);
}

static void a_walk_meets_every_item_once_though_some_are_removed(void **state) {
  (void)state;
  static int items[100];
  uint64_t ids[100];
  lti_alloc a;
  lti_slots t;
  size_t cursor = 0, met = 0;
  lti_alloc_init(&a, NULL);
  lti_slots_init(&t, &a, 100);
  for (int i = 0; i < 100; i++) assert_int_equal(lti_slots_add(&t, &items[i], &ids[i]), 0);
  for (int *item; (item = lti_slots_next(&t, &cursor)); met++) {
    assert_int_equal((*item)++, 0);
    assert_ptr_equal(lti_slots_remove(&t, ids[item - items]), item);
  }
  assert_int_equal(met, 100);
  assert_int_equal(t.live, 0);
  lti_slots_deinit(&t);
}

static void add_many(const leat_allocator *fns, void *ctx) {
  int x;
  uint64_t id;
  size_t live = 0;
  lti_alloc a;
  lti_slots t;
  (void)ctx;
  lti_alloc_init(&a, fns);
  lti_slots_init(&t, &a, 1000);
  for (int i = 0; i < 300; i++) {
    int error = lti_slots_add(&t, &x, &id);
    assert_true(error == 0 || error == LEAT_ENOMEM);
    if (!error) live++;
    if (!error) assert_ptr_equal(lti_slots_get(&t, id), &x);
    assert_int_equal(t.live, live);
  }
  lti_slots_deinit(&t);
}

static void every_failed_allocation_leaves_the_table(void **state) {
  (void)state;
  assert_true(failing_at_every_n(add_many, NULL) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stale_id_finds_nothing),
      cmocka_unit_test(free_slots_are_taken_in_the_order_they_came),
      cmocka_unit_test(a_table_of_none_is_full_at_once),
      cmocka_unit_test(random_steps_agree_with_a_plain_list),
      cmocka_unit_test(a_walk_meets_every_item_once_though_some_are_removed),
      cmocka_unit_test(every_failed_allocation_leaves_the_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
