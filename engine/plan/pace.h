/* A limit of so many a second: spaced evenly, and whoever comes late may catch up, but however long
 * nobody came, no second sees more than `per_second`. Pure policy: time is an argument. */
#ifndef LTI_PACE_H
#define LTI_PACE_H

#include <stdint.h>

#define LTI_PACE_RING 64

typedef struct lti_pace {
  uint64_t spacing_ns; /* 0: no limit */
  uint64_t window_ns;  /* in which no more than `count` go */
  uint64_t turn_ns;    /* when the next is due in even spacing */
  uint64_t next_ns;    /* when it may go */
  uint64_t went_ns[LTI_PACE_RING];
  uint32_t count, at;
} lti_pace;

void lti_pace_init(lti_pace *p, uint32_t per_second);
/* One goes now. */
void lti_pace_take(lti_pace *p, uint64_t now_ns);

#endif
