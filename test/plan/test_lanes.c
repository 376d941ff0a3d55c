/* Lanes: order, one turn at a time, nothing left of a lane that is empty, and no memory. */
#include "plan/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "support/failing.h"

static const uint64_t seed[2] = {1, 2};

typedef struct member {
  lti_lane_item item;
  int number;
} member;

static leat_slice name_of(const char *text) {
  return lti_slice_of(text);
}

static void the_first_has_its_turn_until_it_leaves(void **state) {
  lti_alloc alloc;
  lti_lanes t;
  member m[3];
  (void)state;
  lti_alloc_init(&alloc, NULL);
  lti_lanes_init(&t, &alloc, seed);
  for (int i = 0; i < 3; i++) {
    lti_lane_item_init(&m[i].item);
    assert_false(lti_lanes_first(&m[i].item));
    assert_int_equal(lti_lanes_join(&t, &m[i].item, name_of("chat")), LTI_OK);
  }
  assert_int_equal(lti_lanes_live(&t), 1);
  assert_true(lti_lanes_first(&m[0].item));
  assert_false(lti_lanes_first(&m[1].item));
  assert_ptr_equal(lti_lanes_before(&m[2].item), &m[1].item);
  assert_null(lti_lanes_before(&m[0].item));
  assert_null(lti_lanes_leave(&t, &m[1].item)); /* it was nobody's turn */
  assert_ptr_equal(lti_lanes_leave(&t, &m[0].item), &m[2].item);
  assert_true(lti_lanes_first(&m[2].item));
  assert_null(lti_lanes_leave(&t, &m[2].item));
  assert_null(lti_lanes_leave(&t, &m[2].item));
  assert_int_equal(lti_lanes_live(&t), 0);
  lti_lanes_deinit(&t);
}

static void names_are_any_bytes_and_are_copied(void **state) {
  lti_alloc alloc;
  lti_lanes t;
  member m[3];
  char name[] = "a";
  (void)state;
  lti_alloc_init(&alloc, NULL);
  lti_lanes_init(&t, &alloc, seed);
  for (int i = 0; i < 3; i++) lti_lane_item_init(&m[i].item);
  lti_lanes_join(&t, &m[0].item, lti_slice(name, 1));
  name[0] = 'b';
  lti_lanes_join(&t, &m[1].item, lti_slice(name, 1));
  lti_lanes_join(&t, &m[2].item, lti_slice("", 0));
  assert_int_equal(lti_lanes_live(&t), 3);
  for (int i = 0; i < 3; i++) assert_true(lti_lanes_first(&m[i].item));
  for (int i = 0; i < 3; i++) lti_lanes_leave(&t, &m[i].item);
  lti_lanes_deinit(&t);
}

/* An idle lane holds no memory: as many bytes are live behind ten thousand as before them. */
static void an_idle_lane_costs_nothing(void **state) {
  failing memory;
  lti_alloc alloc;
  lti_lanes t;
  static member m[10000];
  (void)state;
  failing_init(&memory, 0);
  leat_allocator fns = failing_allocator(&memory);
  lti_alloc_init(&alloc, &fns);
  lti_lanes_init(&t, &alloc, seed);
  size_t blocks = memory.live_blocks;
  for (int i = 0; i < 10000; i++) {
    char name[32];
    snprintf(name, sizeof name, "chat %d", i);
    lti_lane_item_init(&m[i].item);
    assert_int_equal(lti_lanes_join(&t, &m[i].item, lti_slice_of(name)), LTI_OK);
  }
  for (int i = 0; i < 10000; i++) lti_lanes_leave(&t, &m[i].item);
  assert_int_equal(lti_lanes_live(&t), 0);
  assert_in_range(memory.live_blocks, blocks, blocks + 1); /* the map's table */
  lti_lanes_deinit(&t);
  assert_true(failing_clean(&memory));
  failing_deinit(&memory);
}

static void without_memory_nobody_joins(void **state) {
  (void)state;
  for (uint64_t n = 1; n <= 2; n++) {
    failing memory;
    lti_alloc alloc;
    lti_lanes t;
    member m;
    failing_init(&memory, n);
    leat_allocator fns = failing_allocator(&memory);
    lti_alloc_init(&alloc, &fns);
    lti_lanes_init(&t, &alloc, seed);
    lti_lane_item_init(&m.item);
    assert_int_equal(lti_lanes_join(&t, &m.item, name_of("x")), LEAT_ENOMEM);
    assert_null(m.item.lane);
    assert_int_equal(lti_lanes_live(&t), 0);
    lti_lanes_deinit(&t);
    assert_true(failing_clean(&memory));
    failing_deinit(&memory);
  }
}

/* By seed: turns of each lane come in the order of joining, whoever leaves from the middle. */
static void random_use_keeps_the_order(void **state) {
  enum { LANES = 7, COUNT = 2000 };
  static member m[COUNT];
  lti_alloc alloc;
  lti_lanes t;
  lti_prng prng;
  int last[LANES], inside[COUNT], size = 0;
  (void)state;
  lti_alloc_init(&alloc, NULL);
  lti_lanes_init(&t, &alloc, seed);
  lti_prng_seed(&prng, 5);
  memset(last, -1, sizeof last);
  for (int joined = 0; joined < COUNT || size;) {
    if (joined < COUNT && lti_prng_below(&prng, 5) < 3) {
      char name[2] = {(char)('a' + joined % LANES), 0};
      lti_lane_item_init(&m[joined].item);
      m[joined].number = joined;
      lti_lanes_join(&t, &m[joined].item, lti_slice_of(name));
      inside[size++] = joined++;
    } else if (size) {
      int at = (int)lti_prng_below(&prng, (uint64_t)size);
      member *x = &m[inside[at]];
      inside[at] = inside[--size];
      bool first = lti_lanes_first(&x->item);
      if (first) {
        assert_true(x->number > last[x->number % LANES]);
        last[x->number % LANES] = x->number;
      }
      lti_lane_item *next = lti_lanes_leave(&t, &x->item);
      assert_true(!next || first);
      if (next) assert_true(LTI_CONTAINER_OF(next, member, item)->number > x->number);
    }
  }
  assert_int_equal(lti_lanes_live(&t), 0);
  lti_lanes_deinit(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_has_its_turn_until_it_leaves),
      cmocka_unit_test(names_are_any_bytes_and_are_copied),
      cmocka_unit_test(an_idle_lane_costs_nothing),
      cmocka_unit_test(without_memory_nobody_joins),
      cmocka_unit_test(random_use_keeps_the_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
