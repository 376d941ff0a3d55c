/* The engine's counters as a caller sees them. They are kept where things happen, in one leat_stats
 * of the engine's; only what other parts count is filled in here. */
#include "base/error.h"
#include "core/gate.h"

int leat_stats_get(const leat_engine *e, leat_stats *stats, size_t size) {
  if (!e || !stats || size > sizeof *stats) return LEAT_EINVAL;
  leat_stats now = e->stats;
  now.requests_queued = e->dispatch.waiting + (e->gate ? e->gate->waiting : 0);
  if (e->gate) now.requests_limited = e->gate->limited;
  if (e->gate) now.lanes_live = lti_lanes_live(&e->gate->lanes);
  now.allocations = e->alloc.calls;
  memcpy(stats, &now, size);
  return LTI_OK;
}
