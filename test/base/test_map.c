/* The hash map against a plain array, and SipHash-1-3 against other implementations' results. */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/failing.h"

static const uint64_t zero_seed[2] = {0, 0};

/* The first is the reference's key 00..0f; the others are what CPython 3.11 gives for bytes with
 * PYTHONHASHSEED=0, which is SipHash-1-3 with a key of zeroes. */
static void hashes_as_other_implementations_do(void **state) {
  (void)state;
  const uint64_t seed[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
  char bytes[64];
  for (int i = 0; i < 64; i++) bytes[i] = (char)i;
  assert_true(lti_hash(seed, lti_slice(NULL, 0)) == UINT64_C(0xabac0158050fc4dc));
  assert_true(lti_hash(zero_seed, lti_slice_of("abc")) == UINT64_C(0xc03bc3a0042630f2));
  assert_true(lti_hash(zero_seed, lti_slice_of("12345678")) == UINT64_C(0x3489982430560a87));
  assert_true(lti_hash(zero_seed, lti_slice_of("https://api.openai.com:443")) ==
              UINT64_C(0x59911fe39def708));
  assert_true(lti_hash(zero_seed, lti_slice(bytes, 64)) == UINT64_C(0x75e05fd5bbc870c6));
}

typedef struct item {
  char key[16];
  bool in, gone;
  int met;
} item;

static leat_slice key_of(const item *i) {
  return lti_slice_of(i->key);
}

#define ITEMS 500

static void items_init(item *items) {
  memset(items, 0, ITEMS * sizeof *items);
  for (int i = 0; i < ITEMS; i++) snprintf(items[i].key, sizeof items[i].key, "k%d", i);
}

static void an_empty_map_finds_nothing(void **state) {
  (void)state;
  lti_alloc a;
  lti_map m;
  size_t cursor = 0;
  lti_alloc_init(&a, NULL);
  lti_map_init(&m, &a, zero_seed);
  assert_null(lti_map_get(&m, lti_slice_of("x")));
  assert_null(lti_map_remove(&m, lti_slice_of("x")));
  assert_null(lti_map_next(&m, &cursor));
  lti_map_deinit(&m);
  assert_int_equal(a.calls, 0);
}

static void a_key_is_in_once_and_may_be_empty(void **state) {
  (void)state;
  int x, y;
  lti_alloc a;
  lti_map m;
  lti_alloc_init(&a, NULL);
  lti_map_init(&m, &a, zero_seed);
  assert_int_equal(lti_map_add(&m, lti_slice("a\0b", 3), &x), 0);
  assert_int_equal(lti_map_add(&m, lti_slice("a\0b", 3), &y), LEAT_EINVAL);
  assert_int_equal(lti_map_add(&m, lti_slice("a", 1), &y), 0);
  assert_int_equal(lti_map_add(&m, lti_slice(NULL, 0), &y), 0);
  assert_ptr_equal(lti_map_get(&m, lti_slice("a\0b", 3)), &x);
  assert_ptr_equal(lti_map_get(&m, lti_slice("", 0)), &y);
  assert_int_equal(m.size, 3);
  lti_map_deinit(&m);
}

static void random_steps_agree_with_a_plain_array(void **state) {
  (void)state;
  static item items[ITEMS];
  lti_prng r;
  lti_alloc a;
  lti_map m;
  size_t size = 0;
  lti_alloc_init(&a, NULL);
  lti_prng_seed(&r, 6);
  lti_map_init(&m, &a, (uint64_t[2]){lti_prng_next(&r), lti_prng_next(&r)});
  items_init(items);
  for (int step = 0; step < 50000; step++) {
    item *i = &items[lti_prng_below(&r, ITEMS)];
    item *expected = i->in ? i : NULL;
    switch (lti_prng_below(&r, 3)) {
      case 0:
        assert_int_equal(lti_map_add(&m, key_of(i), i), i->in ? LEAT_EINVAL : 0);
        if (!i->in) size++;
        i->in = true;
        break;
      case 1:
        assert_ptr_equal(lti_map_remove(&m, key_of(i)), expected);
        if (i->in) size--;
        i->in = false;
        break;
      default: assert_ptr_equal(lti_map_get(&m, key_of(i)), expected);
    }
    assert_int_equal(m.size, size);
  }
  assert_true(m.capacity <= 512);
  lti_map_deinit(&m);
}

static void a_walk_meets_every_item_once_whatever_is_removed(void **state) {
  (void)state;
  static item items[ITEMS];
  lti_prng r;
  lti_alloc a;
  lti_map m;
  lti_alloc_init(&a, NULL);
  lti_prng_seed(&r, 7);
  lti_map_init(&m, &a, zero_seed);
  for (int round = 0; round < 50; round++) {
    size_t cursor = 0;
    items_init(items);
    for (int i = 0; i < ITEMS; i++)
      assert_int_equal(lti_map_add(&m, key_of(&items[i]), &items[i]), 0);
    for (item *i; (i = lti_map_next(&m, &cursor));) {
      assert_false(i->gone);
      i->met++;
      item *other = lti_prng_below(&r, 2) ? i : &items[lti_prng_below(&r, ITEMS)];
      if (lti_map_remove(&m, key_of(other))) other->gone = true;
    }
    for (int i = 0; i < ITEMS; i++) {
      assert_true(items[i].met <= 1);
      assert_true(items[i].met == 1 || items[i].gone);
      lti_map_remove(&m, key_of(&items[i]));
    }
    assert_int_equal(m.size, 0);
  }
  lti_map_deinit(&m);
}

static void add_many(const leat_allocator *fns, void *ctx) {
  static item items[ITEMS];
  lti_alloc a;
  lti_map m;
  (void)ctx;
  lti_alloc_init(&a, fns);
  lti_map_init(&m, &a, zero_seed);
  items_init(items);
  for (int i = 0; i < ITEMS; i++) {
    int error = lti_map_add(&m, key_of(&items[i]), &items[i]);
    assert_true(error == 0 || error == LEAT_ENOMEM);
    items[i].in = error == 0;
  }
  for (int i = 0; i < ITEMS; i++) {
    assert_ptr_equal(lti_map_get(&m, key_of(&items[i])), items[i].in ? &items[i] : NULL);
  }
  lti_map_deinit(&m);
}

static void every_failed_allocation_leaves_the_map(void **state) {
  (void)state;
  assert_true(failing_at_every_n(add_many, NULL) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hashes_as_other_implementations_do),
      cmocka_unit_test(an_empty_map_finds_nothing),
      cmocka_unit_test(a_key_is_in_once_and_may_be_empty),
      cmocka_unit_test(random_steps_agree_with_a_plain_array),
      cmocka_unit_test(a_walk_meets_every_item_once_whatever_is_removed),
      cmocka_unit_test(every_failed_allocation_leaves_the_map),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
