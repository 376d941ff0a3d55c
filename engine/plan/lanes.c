/* Lanes by name: see lanes.h. */
#include "plan/lanes.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

struct lti_lane {
  lti_list items; /* never empty */
  size_t size;
  char name[];
};

void lti_lanes_init(lti_lanes *t, lti_alloc *alloc, const uint64_t seed[2]) {
  t->alloc = alloc;
  lti_map_init(&t->by_name, alloc, seed);
}

void lti_lanes_deinit(lti_lanes *t) {
  assert(t->by_name.size == 0);
  lti_map_deinit(&t->by_name);
}

size_t lti_lanes_live(const lti_lanes *t) {
  return t->by_name.size;
}

void lti_lane_item_init(lti_lane_item *item) {
  lti_list_init(&item->node);
  item->lane = NULL;
}

static lti_lane *lane_new(lti_lanes *t, leat_slice name) {
  lti_lane *lane = lti_alloc_get(t->alloc, sizeof *lane + name.size);
  if (!lane) return NULL;
  lti_list_init(&lane->items);
  lane->size = name.size;
  if (name.size) memcpy(lane->name, name.data, name.size);
  if (lti_map_add(&t->by_name, lti_slice(lane->name, name.size), lane) == LTI_OK) return lane;
  lti_alloc_put(t->alloc, lane);
  return NULL;
}

int lti_lanes_join(lti_lanes *t, lti_lane_item *item, leat_slice name) {
  assert(!item->lane);
  lti_lane *lane = lti_map_get(&t->by_name, name);
  if (!lane) lane = lane_new(t, name);
  if (!lane) return LEAT_ENOMEM;
  lti_list_push(&lane->items, &item->node);
  item->lane = lane;
  return LTI_OK;
}

static lti_lane_item *item_of(lti_list *n) {
  return LTI_CONTAINER_OF(n, lti_lane_item, node);
}

bool lti_lanes_first(const lti_lane_item *item) {
  return item->lane && item->lane->items.next == &item->node;
}

lti_lane_item *lti_lanes_before(const lti_lane_item *item) {
  if (!item->lane || lti_lanes_first(item)) return NULL;
  return item_of(item->node.prev);
}

lti_lane_item *lti_lanes_leave(lti_lanes *t, lti_lane_item *item) {
  lti_lane *lane = item->lane;
  if (!lane) return NULL;
  bool first = lti_lanes_first(item);
  lti_list_remove(&item->node);
  item->lane = NULL;
  if (lti_list_empty(&lane->items)) {
    lti_map_remove(&t->by_name, lti_slice(lane->name, lane->size));
    lti_alloc_put(t->alloc, lane);
    return NULL;
  }
  return first ? item_of(lane->items.next) : NULL;
}
