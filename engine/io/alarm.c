/* Alarms over base/heap: see alarm.h. The heap is reserved for as many nodes as owners have joined,
 * which is what makes lti_alarm_set infallible. */
#include "io/alarm.h"

#include <assert.h>

#include "base/error.h"
#include "base/slice.h"

void lti_alarms_init(lti_alarms *as, lti_alloc *alloc) {
  lti_heap_init(&as->heap, alloc);
  as->owners = 0;
}

void lti_alarms_deinit(lti_alarms *as) {
  assert(as->owners == 0);
  lti_heap_deinit(&as->heap);
}

int lti_alarm_join(lti_alarms *as, lti_alarm *a, void (*fire)(lti_alarm *, uint64_t)) {
  int r = lti_heap_reserve(&as->heap, as->owners + 1);
  if (r != LTI_OK) return r;
  as->owners++;
  lti_heap_node_init(&a->node);
  a->fire = fire;
  return LTI_OK;
}

void lti_alarm_leave(lti_alarms *as, lti_alarm *a) {
  assert(as->owners > 0);
  lti_heap_remove(&as->heap, &a->node);
  as->owners--;
}

void lti_alarm_set(lti_alarms *as, lti_alarm *a, uint64_t at_ns) {
  if (at_ns == UINT64_MAX) {
    lti_heap_remove(&as->heap, &a->node);
    return;
  }
  int r = lti_heap_set(&as->heap, &a->node, at_ns);
  assert(r == LTI_OK);
  (void)r;
}

uint64_t lti_alarm_at(const lti_alarm *a) {
  return lti_heap_node_in(&a->node) ? a->node.key : UINT64_MAX;
}

bool lti_alarms_run(lti_alarms *as, uint64_t now_ns, size_t budget) {
  for (; budget > 0; budget--) {
    lti_heap_node *n = lti_heap_min(&as->heap);
    if (!n || n->key > now_ns) return false;
    lti_heap_remove(&as->heap, n);
    lti_alarm *a = LTI_CONTAINER_OF(n, lti_alarm, node);
    a->fire(a, now_ns);
  }
  return lti_alarms_next(as) <= now_ns;
}

uint64_t lti_alarms_next(const lti_alarms *as) {
  const lti_heap_node *n = lti_heap_min(&as->heap);
  return n ? n->key : UINT64_MAX;
}
