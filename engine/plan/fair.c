/* Fair turns: see fair.h. A mark is a time on its level's clock, where a turn of weight 1 is STEP
 * long; the low bits, too small to matter, hold the order of coming. */
#include "plan/fair.h"

#include <assert.h>

#include "base/error.h"
#include "base/list.h"
#include "base/slice.h"

#define STEP       ((uint64_t)1 << 40)
#define ORDER_MASK (((uint32_t)1 << 24) - 1)
#define CLOCK_MAX  ((uint64_t)1 << 62)
/* A lane whose turn took long is owed what others had meanwhile, but no more than this. */
#define OWED_TURNS 4
/* Turns of others, behind which the next is its own. */
#define CREDIT_DUE (LTI_FAIR_FLOOR - 1)

void lti_fair_init(lti_fair *f, lti_alloc *alloc) {
  *f = (lti_fair){.size = 0};
  for (size_t i = 0; i < LTI_FAIR_LEVELS; i++) lti_heap_init(&f->levels[i].heap, alloc);
}

void lti_fair_deinit(lti_fair *f) {
  assert(f->size == 0);
  for (size_t i = 0; i < LTI_FAIR_LEVELS; i++) lti_heap_deinit(&f->levels[i].heap);
}

static int within(int value, int least, int most) {
  return value < least ? least : value > most ? most : value;
}

void lti_fair_item_init(lti_fair_item *item, int priority, int weight) {
  priority = within(priority, -LTI_FAIR_PRIORITY_MAX, LTI_FAIR_PRIORITY_MAX);
  *item = (lti_fair_item){.level = (uint8_t)(priority + LTI_FAIR_PRIORITY_MAX),
                          .weight = (uint16_t)within(weight, 1, LTI_FAIR_WEIGHT_MAX),
                          .epoch = UINT32_MAX};
  lti_heap_node_init(&item->node);
}

/* Before the clock ends, in weeks, it begins anew. */
static void rewind_clock(lti_fair_level *l) {
  uint64_t back = l->clock;
  for (size_t i = 0; i < l->heap.size; i++) {
    lti_heap_node *n = l->heap.nodes[i];
    n->key = n->key > back ? n->key - back : 0;
  }
  l->clock = 0;
  l->epoch = (l->epoch + 1) % UINT32_MAX;
}

static int enter(lti_fair *f, lti_fair_item *item, uint64_t mark) {
  lti_fair_level *l = &f->levels[item->level];
  int r = lti_heap_set(&l->heap, &item->node, mark);
  if (r != LTI_OK) return r;
  item->epoch = l->epoch;
  f->waiting |= 1u << item->level;
  f->size++;
  return LTI_OK;
}

int lti_fair_push(lti_fair *f, lti_fair_item *item, bool goes_on) {
  assert(!lti_heap_node_in(&item->node));
  lti_fair_level *l = &f->levels[item->level];
  uint64_t step = STEP / item->weight, from = l->clock;
  if (goes_on && item->epoch == l->epoch) {
    uint64_t least = from > OWED_TURNS * step ? from - OWED_TURNS * step : 0;
    from = item->mark > least ? item->mark : least;
  }
  return enter(f, item, from + step + (f->order++ & ORDER_MASK));
}

int lti_fair_return(lti_fair *f, lti_fair_item *item) {
  assert(!lti_heap_node_in(&item->node));
  const lti_fair_level *l = &f->levels[item->level];
  return enter(f, item, item->epoch == l->epoch ? item->mark : l->clock);
}

/* The lower one that has waited longest for its floor, else the highest. */
static size_t next_level(const lti_fair *f) {
  size_t best = LTI_FAIR_LEVELS, top = 0;
  unsigned most = CREDIT_DUE - 1;
  for (size_t i = 0; i < LTI_FAIR_LEVELS; i++) {
    if (!(f->waiting >> i & 1)) continue;
    top = i;
    if (f->levels[i].credit <= most) continue;
    most = f->levels[i].credit;
    best = i;
  }
  return best < LTI_FAIR_LEVELS ? best : top;
}

static lti_fair_item *item_of(lti_heap_node *n) {
  return LTI_CONTAINER_OF(n, lti_fair_item, node);
}

lti_fair_item *lti_fair_peek(const lti_fair *f) {
  if (!f->waiting) return NULL;
  return item_of(lti_heap_min(&f->levels[next_level(f)].heap));
}

static void take_out(lti_fair *f, lti_fair_item *item) {
  lti_fair_level *l = &f->levels[item->level];
  item->mark = item->node.key;
  lti_heap_remove(&l->heap, &item->node);
  f->size--;
  if (l->heap.size) return;
  f->waiting &= ~(1u << item->level);
  l->credit = 0;
}

/* The highest one is served by its rank: what it once waited for its floor does not count then. A
 * lower one keeps what it waited for longer than its floor. */
void lti_fair_serve(lti_fair *f, lti_fair_item *item) {
  lti_fair_level *l = &f->levels[item->level];
  for (size_t i = 0; i < LTI_FAIR_LEVELS; i++)
    if (f->waiting >> i & 1 && i != item->level) f->levels[i].credit++;
  l->credit = l->credit >= CREDIT_DUE ? l->credit - CREDIT_DUE : 0;
  take_out(f, item);
  if (item->mark > l->clock) l->clock = item->mark;
  if (l->clock >= CLOCK_MAX) rewind_clock(l);
}

void lti_fair_remove(lti_fair *f, lti_fair_item *item) {
  if (lti_heap_node_in(&item->node)) take_out(f, item);
}
