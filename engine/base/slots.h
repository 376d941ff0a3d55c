/* A table of generation-tagged ids: id -> pointer, where a stale id finds nothing.
 *
 * id = generation << 32 | index + 1. A slot's generation grows each time it is freed; index 0 is
 * never 0 as an id. Free slots are reused in first-in-first-out order so that generations spread.
 * The table grows by doubling up to `max` slots. */
#ifndef LTI_SLOTS_H
#define LTI_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "alloc.h"

typedef struct lti_slot lti_slot;

typedef struct lti_slots {
  lti_alloc *alloc;
  lti_slot *slots;
  size_t used, capacity, max, live;
  uint32_t free_first, free_last;
} lti_slots;

void lti_slots_init(lti_slots *t, lti_alloc *alloc, size_t max);
void lti_slots_deinit(lti_slots *t);
/* LEAT_ENOMEM, or LEAT_EQUEUEFULL at `max`. */
int lti_slots_add(lti_slots *t, void *item, uint64_t *id);
/* NULL when the id is stale or was never given. */
void *lti_slots_get(const lti_slots *t, uint64_t id);
/* The item, taken out; NULL as above. */
void *lti_slots_remove(lti_slots *t, uint64_t id);
/* Walks live items: start with *cursor = 0; NULL at the end. Items may be removed on the way. */
void *lti_slots_next(const lti_slots *t, size_t *cursor);

#endif
