/* The deadline heap: an array of pointers in which no node's key is below its parent's, and every
 * node knows its index. Removal puts the last node in the gap and lets it rise or sink. */
#include "heap.h"

#include <assert.h>

#define CAPACITY_FIRST ((size_t)16)

void lti_heap_init(lti_heap *h, lti_alloc *alloc) {
  h->alloc = alloc;
  h->nodes = NULL;
  h->size = h->capacity = 0;
}

void lti_heap_deinit(lti_heap *h) {
  for (size_t i = 0; i < h->size; i++) h->nodes[i]->place = LTI_HEAP_OUT;
  lti_alloc_put(h->alloc, h->nodes);
  lti_heap_init(h, h->alloc);
}

int lti_heap_reserve(lti_heap *h, size_t total) {
  size_t capacity = h->capacity ? h->capacity : CAPACITY_FIRST;
  if (total <= h->capacity) return LEAT_OK;
  if (total > SIZE_MAX / sizeof *h->nodes / 2) return LEAT_ENOMEM;
  while (capacity < total) capacity *= 2;
  lti_heap_node **nodes = lti_alloc_grow(h->alloc, h->nodes, h->capacity * sizeof *h->nodes,
                                         capacity * sizeof *h->nodes);
  if (!nodes) return LEAT_ENOMEM;
  h->nodes = nodes;
  h->capacity = capacity;
  return LEAT_OK;
}

static void place(lti_heap *h, lti_heap_node *n, size_t at) {
  h->nodes[at] = n;
  n->place = at;
}

/* Moves the gap at `at` towards the root until `n` fits there. */
static void rise(lti_heap *h, lti_heap_node *n, size_t at) {
  while (at > 0) {
    size_t parent = (at - 1) / 2;
    if (h->nodes[parent]->key <= n->key) break;
    place(h, h->nodes[parent], at);
    at = parent;
  }
  place(h, n, at);
}

static void sink(lti_heap *h, lti_heap_node *n, size_t at) {
  for (;;) {
    size_t child = at * 2 + 1;
    if (child >= h->size) break;
    if (child + 1 < h->size && h->nodes[child + 1]->key < h->nodes[child]->key) child++;
    if (h->nodes[child]->key >= n->key) break;
    place(h, h->nodes[child], at);
    at = child;
  }
  place(h, n, at);
}

static void settle(lti_heap *h, lti_heap_node *n, size_t at) {
  if (at > 0 && h->nodes[(at - 1) / 2]->key > n->key) {
    rise(h, n, at);
  } else {
    sink(h, n, at);
  }
}

int lti_heap_set(lti_heap *h, lti_heap_node *n, uint64_t key) {
  if (!lti_heap_node_in(n)) {
    int error = lti_heap_reserve(h, h->size + 1);
    if (error) return error;
    n->key = key;
    h->size++;
    rise(h, n, h->size - 1);
    return LEAT_OK;
  }
  assert(n->place < h->size && h->nodes[n->place] == n);
  n->key = key;
  settle(h, n, n->place);
  return LEAT_OK;
}

void lti_heap_remove(lti_heap *h, lti_heap_node *n) {
  if (!lti_heap_node_in(n)) return;
  assert(n->place < h->size && h->nodes[n->place] == n);
  size_t at = n->place;
  lti_heap_node *last = h->nodes[--h->size];
  n->place = LTI_HEAP_OUT;
  if (last != n) settle(h, last, at);
}
