/* A binary min-heap of intrusive nodes keyed by time: the engine's one deadline heap.
 *
 * Nodes know their place, so that moving and removing one costs log n and no search. The array
 * grows by doubling; insertion is the only call that can fail. Equal keys come out in no set order.
 */
#ifndef LTI_HEAP_H
#define LTI_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"

#define LTI_HEAP_OUT SIZE_MAX

typedef struct lti_heap_node {
  uint64_t key;
  size_t place; /* LTI_HEAP_OUT: in no heap */
} lti_heap_node;

typedef struct lti_heap {
  lti_alloc *alloc;
  lti_heap_node **nodes;
  size_t size, capacity;
} lti_heap;

void lti_heap_init(lti_heap *h, lti_alloc *alloc);
void lti_heap_deinit(lti_heap *h);
static inline void lti_heap_node_init(lti_heap_node *n) {
  n->place = LTI_HEAP_OUT;
}
static inline bool lti_heap_node_in(const lti_heap_node *n) {
  return n->place != LTI_HEAP_OUT;
}
/* Room for one more node beyond `size`: makes the next insertion infallible. */
int lti_heap_reserve(lti_heap *h, size_t total);
/* Inserts, or moves if it is in already. LEAT_ENOMEM only when it was out. */
int lti_heap_set(lti_heap *h, lti_heap_node *n, uint64_t key);
/* Harmless when it is out. */
void lti_heap_remove(lti_heap *h, lti_heap_node *n);
/* The node with the smallest key, or NULL. */
static inline lti_heap_node *lti_heap_min(const lti_heap *h) {
  return h->size ? h->nodes[0] : NULL;
}

#endif
