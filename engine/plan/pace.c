/* Pace: see pace.h. */
#include "plan/pace.h"

#define SECOND_NS 1000000000ull

/* Questions are spaced this much wider than the limit says, in percent: what a network pushes
 * together must not become more in a second than was allowed. */
#define PACE_MARGIN 3

void lti_pace_init(lti_pace *p, uint32_t per_second) {
  *p = (lti_pace){0};
  if (per_second == 0) return;
  p->spacing_ns = SECOND_NS * (100 + PACE_MARGIN) / 100 / per_second;
}

/* A timer that fires a little late must not make all that follow late: the next one is counted from
 * when this one was due, as far back as half a spacing. */
void lti_pace_take(lti_pace *p, uint64_t now_ns) {
  uint64_t slack = p->spacing_ns / 2;
  uint64_t from = p->next_ns + slack < now_ns ? now_ns : p->next_ns;
  if (from > now_ns) from = now_ns;
  p->next_ns = from + p->spacing_ns;
}
