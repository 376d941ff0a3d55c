/* Alarms: the engine's deadlines, all in one heap, so that the loop needs one timer.
 *
 * An alarm lives inside its owner. Setting it costs log n; owners that move a deadline at every
 * byte store the time instead and let the alarm look when it fires. Room is reserved when an owner
 * is made, so that setting never fails. `fire` runs outside the heap: it may set or clear any
 * alarm. */
#ifndef LTI_ALARM_H
#define LTI_ALARM_H

#include "base/heap.h"

typedef struct lti_alarm {
  lti_heap_node node;
  void (*fire)(struct lti_alarm *alarm, uint64_t now_ns);
} lti_alarm;

typedef struct lti_alarms {
  lti_heap heap;
  size_t owners;
} lti_alarms;

void lti_alarms_init(lti_alarms *as, lti_alloc *alloc);
void lti_alarms_deinit(lti_alarms *as);
/* Makes room for one more alarm: LEAT_ENOMEM. Every join needs a leave. */
int lti_alarm_join(lti_alarms *as, lti_alarm *a, void (*fire)(lti_alarm *, uint64_t));
void lti_alarm_leave(lti_alarms *as, lti_alarm *a);
/* UINT64_MAX clears. */
void lti_alarm_set(lti_alarms *as, lti_alarm *a, uint64_t at_ns);
/* When it will fire, UINT64_MAX when not. */
uint64_t lti_alarm_at(const lti_alarm *a);
/* Fires what is due, at most `budget` of them; true when more is due. */
bool lti_alarms_run(lti_alarms *as, uint64_t now_ns, size_t budget);
uint64_t lti_alarms_next(const lti_alarms *as);

#endif
