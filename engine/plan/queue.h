/* A bounded queue that is fair between tenants: whoever waits longest within a tenant, tenants in
 * turn. A tenant is any number (a hash of the key that pays); it costs memory only while it waits.
 *
 * Pure policy: no clock, no I/O. Items are embedded nodes. */
#ifndef LTI_QUEUE_H
#define LTI_QUEUE_H

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

typedef struct lti_queue_lane lti_queue_lane;

typedef struct lti_queue_item {
  lti_list node;
  lti_queue_lane *lane; /* NULL: not queued */
} lti_queue_item;

typedef struct lti_queue {
  lti_alloc *alloc;
  lti_list lanes; /* in turn order; none is empty */
  lti_map by_tenant;
  size_t size, max;
} lti_queue;

void lti_queue_init(lti_queue *q, lti_alloc *alloc, size_t max);
/* The queue must be empty. */
void lti_queue_deinit(lti_queue *q);
void lti_queue_item_init(lti_queue_item *item);
/* LEAT_EQUEUEFULL at max, LEAT_ENOMEM. `first`: ahead of its tenant's others, and not counted
 * against max, for what has waited already. */
int lti_queue_push(lti_queue *q, lti_queue_item *item, uint64_t tenant, bool first);
/* The next in turn, taken out; NULL when empty. */
lti_queue_item *lti_queue_pop(lti_queue *q);
/* Takes one out that is served though it was not next: its tenant's turn is over all the same. */
void lti_queue_serve(lti_queue *q, lti_queue_item *item);
/* Takes one out of the middle; harmless when it is not queued. */
void lti_queue_remove(lti_queue *q, lti_queue_item *item);
/* Walks all, each tenant's in order, without taking out: NULL begins, NULL at the end. */
lti_queue_item *lti_queue_next(const lti_queue *q, const lti_queue_item *after);
/* The first of the tenant whose turn follows that of `after`. */
lti_queue_item *lti_queue_next_tenant(const lti_queue *q, const lti_queue_item *after);

#endif
