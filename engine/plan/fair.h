/* Whose turn is next, among many who wait: fair by weight within a priority, and between
 * priorities strict but for a floor.
 *
 * Within a priority those of one weight are a class, served in the order of their coming. Between
 * classes it is start-time fair queueing (Goyal, Vin and Cheng 1996): a class of n members of
 * weight w has the share n * w, so each turn moves its mark by 1 / (n * w), and the class with the
 * smallest mark is next. So shares are exact to one turn at any moment, not only over a round, and
 * equals take strict turns. Who waits is a member; who `stays` is one also while it has its turn,
 * until lti_fair_end: a lane that comes back behind each turn.
 *
 * The highest priority that has somebody goes first; but each lower one with somebody gets a turn
 * of every LTI_FAIR_FLOOR, on the average also where several are due at once.
 *
 * Who has left is not remembered, only the marks of the classes, of which there are as many as
 * weights in use. Pure policy: no clock, no I/O. Items are embedded nodes. */
#ifndef LTI_FAIR_H
#define LTI_FAIR_H

#include <stdbool.h>

#include "base/heap.h"
#include "base/list.h"

#define LTI_FAIR_PRIORITY_MAX 8 /* and as many below 0 */
#define LTI_FAIR_LEVELS       (2 * LTI_FAIR_PRIORITY_MAX + 1)
#define LTI_FAIR_FLOOR        20
#define LTI_FAIR_WEIGHT_MAX   1000

typedef struct lti_fair_class lti_fair_class;

/* One that waits, or has its turn. */
typedef struct lti_fair_item {
  lti_list node;
  lti_fair_class *member_of; /* NULL: of none */
  uint16_t weight;
  uint8_t level;
  bool waits, stays;
} lti_fair_item;

typedef struct lti_fair_level {
  lti_list classes;
  lti_heap heap; /* of the classes with somebody who waits, by their marks */
  uint64_t clock;
  size_t class_count;
  unsigned credit; /* turns that went to others while somebody waited here */
} lti_fair_level;

typedef struct lti_fair {
  lti_alloc *alloc;
  lti_fair_level levels[LTI_FAIR_LEVELS];
  uint32_t waiting; /* a bit for each level that has somebody */
  size_t size;      /* how many wait */
} lti_fair;

void lti_fair_init(lti_fair *f, lti_alloc *alloc);
/* There may be no member. */
void lti_fair_deinit(lti_fair *f);
/* What is out of range is moved into it. */
void lti_fair_item_init(lti_fair_item *item, int priority, int weight, bool stays);
/* Comes to wait, behind its equals. LEAT_ENOMEM. */
int lti_fair_push(lti_fair *f, lti_fair_item *item);
/* Comes back from a turn that did not count: before its equals. LEAT_ENOMEM. */
int lti_fair_return(lti_fair *f, lti_fair_item *item);
/* The next in turn, which stays; NULL: nobody. */
lti_fair_item *lti_fair_peek(const lti_fair *f);
/* Takes out the one that lti_fair_peek gave: its turn is counted. */
void lti_fair_serve(lti_fair *f, lti_fair_item *item);
/* Waits no longer, and is no member any more; harmless when it is neither. */
void lti_fair_end(lti_fair *f, lti_fair_item *item);
/* `next`, which is no member, takes the place of one that stays, if it is of its class. */
void lti_fair_hand_on(lti_fair_item *item, lti_fair_item *next);

#endif
