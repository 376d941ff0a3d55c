/* The fair queue: order within a tenant, turns between tenants, its bound, removal anywhere, and
 * what it does without memory. Row PL-04. */
#include "plan/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "base/slice.h"
#include "support/failing.h"

typedef struct waiter {
  lti_queue_item item;
  uint64_t tenant;
  int number;
} waiter;

typedef struct fixture {
  lti_alloc alloc;
  lti_queue queue;
} fixture;

static void init(fixture *f, size_t max) {
  lti_alloc_init(&f->alloc, NULL);
  lti_queue_init(&f->queue, &f->alloc, max);
}

static int push(fixture *f, waiter *w, uint64_t tenant, int number) {
  lti_queue_item_init(&w->item);
  w->tenant = tenant;
  w->number = number;
  return lti_queue_push(&f->queue, &w->item, tenant, false);
}

static waiter *waiter_of(lti_queue_item *item) {
  return item ? LTI_CONTAINER_OF(item, waiter, item) : NULL;
}

static int pop(fixture *f) {
  waiter *w = waiter_of(lti_queue_pop(&f->queue));
  return w ? w->number : -1;
}

static void one_tenant_is_served_in_order(void **state) {
  fixture f;
  waiter w[100];
  (void)state;
  init(&f, 100);
  for (int i = 0; i < 100; i++) assert_int_equal(push(&f, &w[i], 7, i), LTI_OK);
  for (int i = 0; i < 100; i++) assert_int_equal(pop(&f), i);
  assert_int_equal(pop(&f), -1);
  lti_queue_deinit(&f.queue);
}

static void test_pl_04_tenants_take_turns_however_many_each_has(void **state) {
  fixture f;
  waiter w[12];
  const int expected[] = {0, 10, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  (void)state;
  init(&f, 100);
  for (int i = 0; i < 10; i++) push(&f, &w[i], 1, i);
  push(&f, &w[10], 2, 10);
  push(&f, &w[11], 3, 11);
  for (int i = 0; i < 12; i++) assert_int_equal(pop(&f), expected[i]);
  lti_queue_deinit(&f.queue);
}

static void test_pl_04_a_walk_may_leave_a_tenant_out(void **state) {
  fixture f;
  waiter w[6];
  (void)state;
  init(&f, 100);
  for (int i = 0; i < 6; i++) push(&f, &w[i], (uint64_t)i / 2, i);
  const lti_queue_item *first = lti_queue_next(&f.queue, NULL);
  assert_ptr_equal(lti_queue_next_tenant(&f.queue, first), &w[2].item);
  assert_ptr_equal(lti_queue_next_tenant(&f.queue, &w[3].item), &w[4].item);
  assert_null(lti_queue_next_tenant(&f.queue, &w[4].item));
  for (int i = 0; i < 6; i++) lti_queue_remove(&f.queue, &w[i].item);
  lti_queue_deinit(&f.queue);
}

static void test_pl_04_a_late_tenant_waits_for_one_turn_of_each_other(void **state) {
  fixture f;
  waiter w[1001];
  (void)state;
  init(&f, 2000);
  for (int i = 0; i < 1000; i++) push(&f, &w[i], (uint64_t)i % 4, i);
  for (int i = 0; i < 10; i++) pop(&f);
  push(&f, &w[1000], 99, 1000);
  int turns = 0;
  while (pop(&f) != 1000) turns++;
  assert_in_range(turns, 0, 4);
  while (pop(&f) >= 0) continue;
  lti_queue_deinit(&f.queue);
}

static void the_bound_holds_but_for_what_has_waited_already(void **state) {
  fixture f;
  waiter w[4];
  (void)state;
  init(&f, 2);
  assert_int_equal(push(&f, &w[0], 1, 0), LTI_OK);
  assert_int_equal(push(&f, &w[1], 1, 1), LTI_OK);
  assert_int_equal(push(&f, &w[2], 1, 2), LEAT_EQUEUEFULL);
  assert_int_equal(push(&f, &w[2], 9, 2), LEAT_EQUEUEFULL); /* another tenant makes no room */
  assert_null(w[2].item.lane);
  lti_queue_item_init(&w[3].item);
  w[3].number = 3;
  assert_int_equal(lti_queue_push(&f.queue, &w[3].item, 1, true), LTI_OK);
  assert_int_equal(f.queue.size, 3);
  assert_int_equal(pop(&f), 3);
  assert_int_equal(pop(&f), 0);
  assert_int_equal(push(&f, &w[2], 1, 2), LTI_OK);
  assert_int_equal(pop(&f), 1);
  assert_int_equal(pop(&f), 2);
  lti_queue_deinit(&f.queue);
}

static void removal_is_possible_anywhere_and_twice(void **state) {
  fixture f;
  waiter w[6];
  (void)state;
  init(&f, 10);
  for (int i = 0; i < 6; i++) push(&f, &w[i], (uint64_t)i % 2, i);
  lti_queue_remove(&f.queue, &w[2].item);
  lti_queue_remove(&f.queue, &w[2].item);
  lti_queue_remove(&f.queue, &w[0].item);
  lti_queue_remove(&f.queue, &w[4].item); /* the tenant's last */
  assert_int_equal(f.queue.size, 3);
  assert_int_equal(pop(&f), 1);
  assert_int_equal(pop(&f), 3);
  assert_int_equal(push(&f, &w[0], 0, 0), LTI_OK);
  assert_int_equal(pop(&f), 5);
  assert_int_equal(pop(&f), 0);
  lti_queue_deinit(&f.queue);
}

static void a_walk_meets_everyone_once(void **state) {
  fixture f;
  waiter w[30];
  bool met[30] = {false};
  size_t count = 0;
  (void)state;
  init(&f, 100);
  assert_null(lti_queue_next(&f.queue, NULL));
  for (int i = 0; i < 30; i++) push(&f, &w[i], (uint64_t)i % 7, i);
  for (waiter *at = waiter_of(lti_queue_next(&f.queue, NULL)); at;
       at = waiter_of(lti_queue_next(&f.queue, &at->item))) {
    assert_false(met[at->number]);
    met[at->number] = true;
    count++;
  }
  assert_int_equal(count, 30);
  while (pop(&f) >= 0) continue;
  lti_queue_deinit(&f.queue);
}

/* Each tenant costs one allocation; the first brings the map. */
static void without_memory_nothing_is_queued(void **state) {
  (void)state;
  for (uint64_t n = 1; n <= 3; n++) {
    failing fail;
    fixture f;
    waiter w[2];
    failing_init(&fail, n);
    leat_allocator fns = failing_allocator(&fail);
    lti_alloc_init(&f.alloc, &fns);
    lti_queue_init(&f.queue, &f.alloc, 10);
    assert_int_equal(push(&f, &w[0], 1, 0), n < 3 ? LEAT_ENOMEM : LTI_OK);
    if (n == 3) assert_int_equal(push(&f, &w[1], 2, 1), LEAT_ENOMEM);
    waiter *out = &w[n == 3];
    assert_null(out->item.lane);
    lti_queue_remove(&f.queue, &out->item);
    assert_int_equal(f.queue.size, n == 3);
    if (n == 3) assert_int_equal(pop(&f), 0);
    lti_queue_deinit(&f.queue);
    assert_true(failing_clean(&fail));
    failing_deinit(&fail);
  }
}

/* Whatever is pushed, popped and removed: within a tenant numbers come out as they went in, and the
 * size is what is inside. */
static void random_use_keeps_the_order_and_the_count(void **state) {
  enum { COUNT = 400, TENANTS = 5 };
  static waiter w[COUNT];
  fixture f;
  lti_prng prng;
  int pushed = 0, last[TENANTS];
  size_t inside = 0;
  (void)state;
  init(&f, COUNT);
  lti_prng_seed(&prng, 11);
  memset(last, -1, sizeof last);
  while (pushed < COUNT || inside > 0) {
    uint64_t what = lti_prng_below(&prng, 10);
    if (what < 5 && pushed < COUNT) {
      assert_int_equal(push(&f, &w[pushed], lti_prng_below(&prng, TENANTS), pushed), LTI_OK);
      pushed++, inside++;
    } else if (what == 5 && pushed > 0) {
      waiter *one = &w[lti_prng_below(&prng, (uint64_t)pushed)];
      if (one->item.lane) inside--;
      lti_queue_remove(&f.queue, &one->item);
    } else if (inside > 0) {
      waiter *one = waiter_of(lti_queue_pop(&f.queue));
      assert_non_null(one);
      assert_true(one->number > last[one->tenant]);
      last[one->tenant] = one->number;
      inside--;
    }
    assert_int_equal(f.queue.size, inside);
  }
  lti_queue_deinit(&f.queue);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_tenant_is_served_in_order),
      cmocka_unit_test(test_pl_04_tenants_take_turns_however_many_each_has),
      cmocka_unit_test(test_pl_04_a_walk_may_leave_a_tenant_out),
      cmocka_unit_test(test_pl_04_a_late_tenant_waits_for_one_turn_of_each_other),
      cmocka_unit_test(the_bound_holds_but_for_what_has_waited_already),
      cmocka_unit_test(removal_is_possible_anywhere_and_twice),
      cmocka_unit_test(a_walk_meets_everyone_once),
      cmocka_unit_test(without_memory_nothing_is_queued),
      cmocka_unit_test(random_use_keeps_the_order_and_the_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
