/* Pace: see pace.h. The last times are kept in a ring: the next one waits until the oldest of them
 * is out of the window, which is what holds the limit; even spacing only makes it smooth. */
#include "plan/pace.h"

#define SECOND_NS 1000000000ull

/* The window is this much longer than the limit says, in percent: what a network pushes together
 * must not become more in a second than was allowed. */
#define PACE_MARGIN 2
/* So many turns may be made good, no closer to each other than this part of the spacing. */
#define CATCH_UP   10
#define CLOSEST_OF 4

void lti_pace_init(lti_pace *p, uint32_t per_second) {
  *p = (lti_pace){0};
  if (per_second == 0) return;
  p->count = per_second < LTI_PACE_RING ? per_second : LTI_PACE_RING;
  p->window_ns = SECOND_NS * p->count / per_second * (100 + PACE_MARGIN) / 100;
  p->spacing_ns = p->window_ns / p->count;
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

void lti_pace_take(lti_pace *p, uint64_t now_ns) {
  if (p->spacing_ns == 0) return;
  uint64_t behind = CATCH_UP * p->spacing_ns;
  uint64_t turn = now_ns > behind ? later(p->turn_ns, now_ns - behind) : p->turn_ns;
  if (turn > now_ns || p->turn_ns == 0) turn = now_ns;
  p->went_ns[p->at] = now_ns;
  p->at = (p->at + 1) % p->count;
  p->turn_ns = turn + p->spacing_ns;
  p->next_ns = later(p->turn_ns, now_ns + p->spacing_ns / CLOSEST_OF);
  uint64_t oldest = p->went_ns[p->at];
  if (oldest) p->next_ns = later(p->next_ns, oldest + p->window_ns);
}
