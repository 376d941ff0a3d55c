/* Fair queue: see queue.h. The lane pushed to last is tried first, then the map: a gateway may have
 * a tenant for each of thousands that wait. Tenants are hashes already and no peer chooses them, so
 * the map needs no secret seed. */
#include "plan/queue.h"

#include <assert.h>

#include "base/error.h"
#include "base/slice.h"

struct lti_queue_lane {
  lti_list node;
  lti_list items;
  uint64_t tenant;
};

static lti_queue_lane *lane_of(const lti_list *n) {
  return LTI_CONTAINER_OF(n, lti_queue_lane, node);
}

void lti_queue_init(lti_queue *q, lti_alloc *alloc, size_t max) {
  q->alloc = alloc;
  q->size = 0;
  q->max = max;
  lti_list_init(&q->lanes);
  lti_map_init(&q->by_tenant, alloc, (uint64_t[2]){0, 0});
}

void lti_queue_deinit(lti_queue *q) {
  assert(q->size == 0 && lti_list_empty(&q->lanes));
  lti_map_deinit(&q->by_tenant);
}

void lti_queue_item_init(lti_queue_item *item) {
  lti_list_init(&item->node);
  item->lane = NULL;
}

static leat_slice key_of(const uint64_t *tenant) {
  return lti_slice((const char *)tenant, sizeof *tenant);
}

static lti_queue_lane *add_lane(lti_queue *q, uint64_t tenant) {
  lti_queue_lane *lane = lti_alloc_get(q->alloc, sizeof *lane);
  if (!lane) return NULL;
  lane->tenant = tenant;
  if (lti_map_add(&q->by_tenant, key_of(&lane->tenant), lane) != LTI_OK) {
    lti_alloc_put(q->alloc, lane);
    return NULL;
  }
  lti_list_init(&lane->items);
  lti_list_push(&q->lanes, &lane->node);
  return lane;
}

static lti_queue_lane *find_lane(lti_queue *q, uint64_t tenant) {
  if (q->size > 0 && lane_of(q->lanes.prev)->tenant == tenant) return lane_of(q->lanes.prev);
  lti_queue_lane *lane = lti_map_get(&q->by_tenant, key_of(&tenant));
  return lane ? lane : add_lane(q, tenant);
}

int lti_queue_push(lti_queue *q, lti_queue_item *item, uint64_t tenant, bool first) {
  assert(item->lane == NULL);
  if (!first && q->size >= q->max) return LEAT_EQUEUEFULL;
  lti_queue_lane *lane = find_lane(q, tenant);
  if (!lane) return LEAT_ENOMEM;
  if (first)
    lti_list_push_front(&lane->items, &item->node);
  else
    lti_list_push(&lane->items, &item->node);
  item->lane = lane;
  q->size++;
  return LTI_OK;
}

static void take(lti_queue *q, lti_queue_item *item) {
  lti_queue_lane *lane = item->lane;
  lti_list_remove(&item->node);
  item->lane = NULL;
  q->size--;
  if (!lti_list_empty(&lane->items)) return;
  lti_list_remove(&lane->node);
  lti_map_remove(&q->by_tenant, key_of(&lane->tenant));
  lti_alloc_put(q->alloc, lane);
}

lti_queue_item *lti_queue_pop(lti_queue *q) {
  if (q->size == 0) return NULL;
  lti_queue_lane *lane = lane_of(q->lanes.next);
  lti_queue_item *item = LTI_CONTAINER_OF(lane->items.next, lti_queue_item, node);
  lti_queue_serve(q, item);
  return item;
}

void lti_queue_serve(lti_queue *q, lti_queue_item *item) {
  lti_list *lane = &item->lane->node;
  lti_list_remove(lane);
  lti_list_push(&q->lanes, lane); /* its next turn comes after the others' */
  take(q, item);
}

void lti_queue_remove(lti_queue *q, lti_queue_item *item) {
  if (item->lane) take(q, item);
}

lti_queue_item *lti_queue_next(const lti_queue *q, const lti_queue_item *after) {
  if (!after) {
    if (q->size == 0) return NULL;
    return LTI_CONTAINER_OF(lane_of(q->lanes.next)->items.next, lti_queue_item, node);
  }
  const lti_list *next = after->node.next;
  if (next != &after->lane->items) return LTI_CONTAINER_OF(next, lti_queue_item, node);
  return lti_queue_next_tenant(q, after);
}

lti_queue_item *lti_queue_next_tenant(const lti_queue *q, const lti_queue_item *after) {
  const lti_list *next = after->lane->node.next;
  if (next == &q->lanes) return NULL;
  return LTI_CONTAINER_OF(lane_of(next)->items.next, lti_queue_item, node);
}
