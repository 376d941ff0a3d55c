/* Whose turn is next, among many who wait: fair by weight within a priority, and between
 * priorities strict but for a floor.
 *
 * Within a priority it is start-time fair queueing with a clock of its own (Golestani 1994): who
 * comes gets a mark that lies 1/weight behind the clock, or behind the mark it had the turn before,
 * the smallest mark is served next, and the clock is set to it. Two that always wait get turns in
 * proportion to their weights, exact to one turn of each; equals are served in the order of their
 * coming. Since the clock is never behind a mark that was served, who has left need not be
 * remembered: an idle lane holds no memory.
 *
 * The highest priority that has somebody goes first; but each lower one with somebody gets a turn
 * at least every LTI_FAIR_FLOOR turns, on the average also where several are due at once.
 *
 * Pure policy: no clock, no I/O. Items are embedded nodes. */
#ifndef LTI_FAIR_H
#define LTI_FAIR_H

#include <stdbool.h>

#include "base/heap.h"

#define LTI_FAIR_PRIORITY_MAX 8 /* and as many below 0 */
#define LTI_FAIR_LEVELS       (2 * LTI_FAIR_PRIORITY_MAX + 1)
#define LTI_FAIR_FLOOR        20
#define LTI_FAIR_WEIGHT_MAX   1000

/* One that waits. `mark` and `epoch` stay when it is out: its next turn may begin from there. */
typedef struct lti_fair_item {
  lti_heap_node node;
  uint64_t mark;
  uint32_t epoch;
  uint16_t weight;
  uint8_t level;
} lti_fair_item;

typedef struct lti_fair_level {
  lti_heap heap;
  uint64_t clock;
  uint32_t epoch;  /* marks of another one mean nothing */
  unsigned credit; /* turns that went to others while somebody waited here */
} lti_fair_level;

typedef struct lti_fair {
  lti_fair_level levels[LTI_FAIR_LEVELS];
  uint32_t waiting; /* a bit for each level that has somebody */
  uint32_t order;
  size_t size;
} lti_fair;

void lti_fair_init(lti_fair *f, lti_alloc *alloc);
/* Nobody may wait. */
void lti_fair_deinit(lti_fair *f);
/* Fresh: no turn before. What is out of range is moved into it. */
void lti_fair_item_init(lti_fair_item *item, int priority, int weight);
/* Comes to wait. `turns` of its own lie behind it when it did not leave in between: it goes on from
 * its last mark, however long that turn took; else from now. LEAT_ENOMEM. */
int lti_fair_push(lti_fair *f, lti_fair_item *item, bool goes_on);
/* Comes back from a turn that did not count: it stands where it stood. */
int lti_fair_return(lti_fair *f, lti_fair_item *item);
/* The next in turn, which stays; NULL: nobody. */
lti_fair_item *lti_fair_peek(const lti_fair *f);
/* Takes out the one that lti_fair_peek gave: its turn is counted. */
void lti_fair_serve(lti_fair *f, lti_fair_item *item);
/* Waits no longer; harmless when it does not. */
void lti_fair_remove(lti_fair *f, lti_fair_item *item);

#endif
