/* A limit of so many a second, spaced evenly, with no burst: however long nobody came, no second
 * sees more than `per_second`. Pure policy: time is an argument. */
#ifndef LTI_PACE_H
#define LTI_PACE_H

#include <stdint.h>

typedef struct lti_pace {
  uint64_t spacing_ns; /* 0: no limit */
  uint64_t next_ns;    /* when the next may go */
} lti_pace;

void lti_pace_init(lti_pace *p, uint32_t per_second);
/* One goes now. */
void lti_pace_take(lti_pace *p, uint64_t now_ns);

#endif
