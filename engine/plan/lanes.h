/* Lanes: who must wait for whom. Requests of one name stand in one lane, in the order of their
 * coming; only the first has its turn, until it leaves.
 *
 * A lane is made by the first who joins and is gone with the last who leaves. Names are the
 * caller's, perhaps his users': the map's hash has a seed. Pure policy: no clock, no I/O. */
#ifndef LTI_LANES_H
#define LTI_LANES_H

#include <stdbool.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "base/slice.h"

typedef struct lti_lane lti_lane;

typedef struct lti_lane_item {
  lti_list node;
  lti_lane *lane; /* NULL: it is in none */
} lti_lane_item;

typedef struct lti_lanes {
  lti_alloc *alloc;
  lti_map by_name;
} lti_lanes;

void lti_lanes_init(lti_lanes *t, lti_alloc *alloc, const uint64_t seed[2]);
/* Nobody may be in a lane. */
void lti_lanes_deinit(lti_lanes *t);
/* How many there are now. */
size_t lti_lanes_live(const lti_lanes *t);
void lti_lane_item_init(lti_lane_item *item);
/* To the end of the lane of this name. LEAT_ENOMEM. */
int lti_lanes_join(lti_lanes *t, lti_lane_item *item, leat_slice name);
/* Has it its turn? */
bool lti_lanes_first(const lti_lane_item *item);
/* The one that joined before it; NULL: it is the first. */
lti_lane_item *lti_lanes_before(const lti_lane_item *item);
/* Leaves, from wherever it stands. Returns the one whose turn that makes it, NULL: nobody's. */
lti_lane_item *lti_lanes_leave(lti_lanes *t, lti_lane_item *item);

#endif
