/* The deadline heap against a model that looks at every node. */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/failing.h"

#define NODES 200

static void comes_out_in_order(void **state) {
  (void)state;
  lti_heap_node nodes[NODES];
  lti_prng r;
  lti_alloc a;
  lti_heap h;
  uint64_t last = 0;
  lti_alloc_init(&a, NULL);
  lti_prng_seed(&r, 3);
  lti_heap_init(&h, &a);
  assert_null(lti_heap_min(&h));
  for (int i = 0; i < NODES; i++) {
    lti_heap_node_init(&nodes[i]);
    lti_heap_remove(&h, &nodes[i]);
    assert_int_equal(lti_heap_set(&h, &nodes[i], lti_prng_below(&r, 50)), 0);
  }
  for (int i = 0; i < NODES; i++) {
    lti_heap_node *n = lti_heap_min(&h);
    assert_true(n->key >= last);
    last = n->key;
    lti_heap_remove(&h, n);
    assert_false(lti_heap_node_in(n));
  }
  assert_null(lti_heap_min(&h));
  lti_heap_deinit(&h);
}

static uint64_t smallest(const lti_heap_node *nodes, size_t *count) {
  uint64_t min = UINT64_MAX;
  *count = 0;
  for (int i = 0; i < NODES; i++) {
    if (!lti_heap_node_in(&nodes[i])) continue;
    (*count)++;
    if (nodes[i].key < min) min = nodes[i].key;
  }
  return min;
}

static void random_steps_agree_with_a_search_of_all_nodes(void **state) {
  (void)state;
  lti_heap_node nodes[NODES];
  lti_prng r;
  lti_alloc a;
  lti_heap h;
  lti_alloc_init(&a, NULL);
  lti_prng_seed(&r, 4);
  lti_heap_init(&h, &a);
  for (int i = 0; i < NODES; i++) lti_heap_node_init(&nodes[i]);
  for (int step = 0; step < 50000; step++) {
    lti_heap_node *n = &nodes[lti_prng_below(&r, NODES)];
    uint64_t key = lti_prng_below(&r, 10) ? lti_prng_below(&r, 1000) : UINT64_MAX;
    size_t count;
    if (lti_prng_below(&r, 3)) {
      assert_int_equal(lti_heap_set(&h, n, key), 0);
      assert_true(n->key == key);
    } else {
      lti_heap_remove(&h, n);
    }
    uint64_t min = smallest(nodes, &count);
    assert_int_equal(h.size, count);
    if (count) assert_true(lti_heap_min(&h)->key == min);
    for (size_t i = 0; i < h.size; i++) assert_int_equal(h.nodes[i]->place, i);
  }
  lti_heap_deinit(&h);
  for (int i = 0; i < NODES; i++) assert_false(lti_heap_node_in(&nodes[i]));
}

static void insert_many(const leat_allocator *fns, void *ctx) {
  lti_heap_node nodes[NODES];
  lti_alloc a;
  lti_heap h;
  size_t size = 0;
  (void)ctx;
  lti_alloc_init(&a, fns);
  lti_heap_init(&h, &a);
  for (int i = 0; i < NODES; i++) {
    lti_heap_node_init(&nodes[i]);
    int error = lti_heap_set(&h, &nodes[i], (uint64_t)(NODES - i));
    assert_true(error == 0 || error == LEAT_ENOMEM);
    assert_int_equal(lti_heap_node_in(&nodes[i]), !error);
    if (error) continue;
    size++;
    assert_int_equal(lti_heap_set(&h, &nodes[i], (uint64_t)i), 0);
    assert_int_equal(h.size, size);
  }
  lti_heap_deinit(&h);
}

static void every_failed_allocation_leaves_the_node_out(void **state) {
  (void)state;
  assert_true(failing_at_every_n(insert_many, NULL) > 3);
}

static void a_reserved_insertion_cannot_fail(void **state) {
  (void)state;
  lti_heap_node nodes[NODES];
  failing f;
  lti_alloc a;
  lti_heap h;
  failing_init(&f, 2);
  f.for_ever = true;
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_heap_init(&h, &a);
  assert_int_equal(lti_heap_reserve(&h, NODES), 0);
  for (int i = 0; i < NODES; i++) {
    lti_heap_node_init(&nodes[i]);
    assert_int_equal(lti_heap_set(&h, &nodes[i], 1), 0);
  }
  assert_int_equal(lti_heap_reserve(&h, SIZE_MAX), LEAT_ENOMEM);
  lti_heap_deinit(&h);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(comes_out_in_order),
      cmocka_unit_test(random_steps_agree_with_a_search_of_all_nodes),
      cmocka_unit_test(every_failed_allocation_leaves_the_node_out),
      cmocka_unit_test(a_reserved_insertion_cannot_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
