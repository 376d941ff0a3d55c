/* The table of ids. A slot is live while its item is not NULL; free slots form a list through
 * `next_free`, taken at the front and given back at the end. Slots at `used` and above were never
 * given out. A generation comes round again after 2^32 - 1 uses of its slot, which in
 * first-in-first-out order is out of reach of any id that someone still holds. */
#include "slots.h"

#include <assert.h>

#define NO_SLOT        UINT32_MAX
#define CAPACITY_FIRST ((size_t)16)

struct lti_slot {
  void *item;
  uint32_t generation;
  uint32_t next_free;
};

void lti_slots_init(lti_slots *t, lti_alloc *alloc, size_t max) {
  assert(max < NO_SLOT);
  t->alloc = alloc;
  t->slots = NULL;
  t->used = t->capacity = t->live = 0;
  t->max = max;
  t->free_first = t->free_last = NO_SLOT;
}

void lti_slots_deinit(lti_slots *t) {
  lti_alloc_put(t->alloc, t->slots);
  lti_slots_init(t, t->alloc, t->max);
}

static int grow(lti_slots *t) {
  size_t capacity = t->capacity ? t->capacity * 2 : CAPACITY_FIRST;
  if (capacity > t->max) capacity = t->max;
  if (capacity > SIZE_MAX / sizeof *t->slots) return LEAT_ENOMEM;
  lti_slot *slots = lti_alloc_grow(t->alloc, t->slots, t->capacity * sizeof *t->slots,
                                   capacity * sizeof *t->slots);
  if (!slots) return LEAT_ENOMEM;
  t->slots = slots;
  t->capacity = capacity;
  return LEAT_OK;
}

static uint64_t id_of(const lti_slots *t, uint32_t index) {
  return (uint64_t)t->slots[index].generation << 32 | (index + UINT64_C(1));
}

static uint32_t take_free(lti_slots *t) {
  uint32_t index = t->free_first;
  t->free_first = t->slots[index].next_free;
  if (t->free_first == NO_SLOT) t->free_last = NO_SLOT;
  return index;
}

int lti_slots_add(lti_slots *t, void *item, uint64_t *id) {
  uint32_t index;
  assert(item);
  if (t->live >= t->max) return LEAT_EQUEUEFULL;
  if (t->free_first != NO_SLOT) {
    index = take_free(t);
  } else {
    if (t->used == t->capacity) {
      int error = grow(t);
      if (error) return error;
    }
    index = (uint32_t)t->used++;
    t->slots[index].generation = 1;
  }
  t->slots[index].item = item;
  t->live++;
  *id = id_of(t, index);
  return LEAT_OK;
}

static lti_slot *find(const lti_slots *t, uint64_t id) {
  uint64_t place = id & UINT32_MAX;
  if (place == 0 || place > t->used) return NULL;
  lti_slot *s = &t->slots[place - 1];
  return s->item && s->generation == id >> 32 ? s : NULL;
}

void *lti_slots_get(const lti_slots *t, uint64_t id) {
  lti_slot *s = find(t, id);
  return s ? s->item : NULL;
}

void *lti_slots_remove(lti_slots *t, uint64_t id) {
  lti_slot *s = find(t, id);
  if (!s) return NULL;
  uint32_t index = (uint32_t)(s - t->slots);
  void *item = s->item;
  s->item = NULL;
  s->generation = s->generation == UINT32_MAX ? 1 : s->generation + 1;
  s->next_free = NO_SLOT;
  if (t->free_last == NO_SLOT) {
    t->free_first = index;
  } else {
    t->slots[t->free_last].next_free = index;
  }
  t->free_last = index;
  t->live--;
  return item;
}

void *lti_slots_next(const lti_slots *t, size_t *cursor) {
  while (*cursor < t->used) {
    void *item = t->slots[(*cursor)++].item;
    if (item) return item;
  }
  return NULL;
}
