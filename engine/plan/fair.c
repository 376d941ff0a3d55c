/* Fair turns: see fair.h. A mark is a time on its level's clock, where the only member of weight 1
 * has a turn STEP long. */
#include "plan/fair.h"

#include <assert.h>

#include "base/error.h"
#include "base/slice.h"

#define STEP      ((uint64_t)1 << 40)
#define CLOCK_MAX ((uint64_t)1 << 62)
/* Turns of others, behind which the next is its own. */
#define CREDIT_DUE (LTI_FAIR_FLOOR - 1)

struct lti_fair_class {
  lti_list node; /* in level->classes */
  lti_heap_node mark;
  lti_list items; /* who waits */
  uint64_t start; /* its mark, also while nobody waits */
  size_t members;
  uint16_t weight;
};

void lti_fair_init(lti_fair *f, lti_alloc *alloc) {
  *f = (lti_fair){.alloc = alloc};
  for (size_t i = 0; i < LTI_FAIR_LEVELS; i++) {
    lti_list_init(&f->levels[i].classes);
    lti_heap_init(&f->levels[i].heap, alloc);
  }
}

static lti_fair_class *class_of(const lti_list *n) {
  return LTI_CONTAINER_OF(n, lti_fair_class, node);
}

static void forget_classes(lti_fair *f, lti_fair_level *l) {
  lti_list *n;
  while ((n = lti_list_pop(&l->classes))) lti_alloc_put(f->alloc, class_of(n));
  lti_heap_deinit(&l->heap);
  l->class_count = 0;
}

void lti_fair_deinit(lti_fair *f) {
  assert(f->size == 0);
  for (size_t i = 0; i < LTI_FAIR_LEVELS; i++) forget_classes(f, &f->levels[i]);
}

static int within(int value, int least, int most) {
  return value < least ? least : value > most ? most : value;
}

void lti_fair_item_init(lti_fair_item *item, int priority, int weight, bool stays) {
  priority = within(priority, -LTI_FAIR_PRIORITY_MAX, LTI_FAIR_PRIORITY_MAX);
  *item = (lti_fair_item){.level = (uint8_t)(priority + LTI_FAIR_PRIORITY_MAX),
                          .weight = (uint16_t)within(weight, 1, LTI_FAIR_WEIGHT_MAX),
                          .stays = stays};
  lti_list_init(&item->node);
}

/* ---- classes */

static lti_fair_class *class_new(lti_fair *f, lti_fair_level *l, uint16_t weight) {
  if (lti_heap_reserve(&l->heap, l->class_count + 1) != LTI_OK) return NULL;
  lti_fair_class *c = lti_alloc_zero(f->alloc, sizeof *c);
  if (!c) return NULL;
  lti_heap_node_init(&c->mark);
  lti_list_init(&c->items);
  c->start = l->clock;
  c->weight = weight;
  l->class_count++;
  lti_list_push_front(&l->classes, &c->node);
  return c;
}

/* Few weights are in use, and the one that was used last is tried first. */
static lti_fair_class *find_class(lti_fair *f, lti_fair_level *l, uint16_t weight) {
  for (lti_list *n = l->classes.next; n != &l->classes; n = n->next) {
    lti_fair_class *c = class_of(n);
    if (c->weight != weight) continue;
    lti_list_remove(n);
    lti_list_push_front(&l->classes, n);
    return c;
  }
  return class_new(f, l, weight);
}

static void set_start(lti_fair_level *l, lti_fair_class *c, uint64_t start) {
  c->start = start;
  if (lti_heap_node_in(&c->mark)) lti_heap_set(&l->heap, &c->mark, start);
}

/* A class of twice as many is due again in half the time. */
static void set_members(lti_fair_level *l, lti_fair_class *c, size_t members) {
  uint64_t due = c->start > l->clock ? c->start - l->clock : 0;
  size_t before = c->members ? c->members : 1, now = members ? members : 1;
  c->members = members;
  if (due && before != now) set_start(l, c, l->clock + due / now * before);
}

static void leave_class(lti_fair *f, lti_fair_item *item) {
  lti_fair_class *c = item->member_of;
  if (!c) return;
  set_members(&f->levels[item->level], c, c->members - 1);
  item->member_of = NULL;
}

/* Before the clock ends it begins anew. */
static void rewind_clock(lti_fair_level *l) {
  uint64_t back = l->clock;
  l->clock = 0;
  for (lti_list *n = l->classes.next; n != &l->classes; n = n->next) {
    lti_fair_class *c = class_of(n);
    set_start(l, c, c->start > back ? c->start - back : 0);
  }
}

/* ---- items */

static int enter(lti_fair *f, lti_fair_item *item, bool first) {
  lti_fair_level *l = &f->levels[item->level];
  assert(!item->waits);
  lti_fair_class *c = item->member_of ? item->member_of : find_class(f, l, item->weight);
  if (!c) return LEAT_ENOMEM;
  if (!item->member_of) {
    item->member_of = c;
    set_members(l, c, c->members + 1);
  }
  if (lti_list_empty(&c->items)) { /* there is room, since the class was made */
    if (c->start < l->clock) c->start = l->clock;
    lti_heap_set(&l->heap, &c->mark, c->start);
  }
  if (first)
    lti_list_push_front(&c->items, &item->node);
  else
    lti_list_push(&c->items, &item->node);
  item->waits = true;
  f->waiting |= 1u << item->level;
  f->size++;
  return LTI_OK;
}

int lti_fair_push(lti_fair *f, lti_fair_item *item) {
  return enter(f, item, false);
}

int lti_fair_return(lti_fair *f, lti_fair_item *item) {
  return enter(f, item, true);
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

lti_fair_item *lti_fair_peek(const lti_fair *f) {
  if (!f->waiting) return NULL;
  lti_heap_node *min = lti_heap_min(&f->levels[next_level(f)].heap);
  const lti_fair_class *c = LTI_CONTAINER_OF(min, lti_fair_class, mark);
  return LTI_CONTAINER_OF(c->items.next, lti_fair_item, node);
}

static void take_out(lti_fair *f, lti_fair_item *item) {
  lti_fair_level *l = &f->levels[item->level];
  lti_fair_class *c = item->member_of;
  lti_list_remove(&item->node);
  item->waits = false;
  f->size--;
  if (!lti_list_empty(&c->items)) return;
  lti_heap_remove(&l->heap, &c->mark);
  if (l->heap.size) return;
  f->waiting &= ~(1u << item->level);
  l->credit = 0;
}

/* The highest one is served by its rank: what it once waited for its floor does not count then. A
 * lower one keeps what it waited for longer than its floor. */
static void count_turn(lti_fair *f, size_t level) {
  lti_fair_level *l = &f->levels[level];
  for (size_t i = 0; i < LTI_FAIR_LEVELS; i++)
    if (f->waiting >> i & 1 && i != level) f->levels[i].credit++;
  l->credit = l->credit >= CREDIT_DUE ? l->credit - CREDIT_DUE : 0;
}

void lti_fair_serve(lti_fair *f, lti_fair_item *item) {
  lti_fair_level *l = &f->levels[item->level];
  lti_fair_class *c = item->member_of;
  count_turn(f, item->level);
  if (c->start > l->clock) l->clock = c->start;
  set_start(l, c, l->clock + STEP / c->weight / c->members);
  take_out(f, item);
  if (!item->stays) leave_class(f, item);
  if (l->clock >= CLOCK_MAX) rewind_clock(l);
}

void lti_fair_end(lti_fair *f, lti_fair_item *item) {
  if (item->waits) take_out(f, item);
  leave_class(f, item);
}

void lti_fair_hand_on(lti_fair_item *item, lti_fair_item *next) {
  bool same = item->level == next->level && item->weight == next->weight;
  if (!item->member_of || item->waits || next->member_of || !same) return;
  next->member_of = item->member_of;
  item->member_of = NULL;
}
