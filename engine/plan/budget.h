/* How many repeats an origin may be given: a share of its traffic, so that a host that is down is
 * not asked several times as often as one that is up.
 *
 * Every first attempt pays in `percent` hundredths of a repeat, every repeat takes a whole one.
 * LTI_BUDGET_FREE are there at first and come back at one a second, for those who send little; what
 * good times save up ends at LTI_BUDGET_MAX. Pure policy: time is an argument. */
#ifndef LTI_BUDGET_H
#define LTI_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define LTI_BUDGET_FREE 10
#define LTI_BUDGET_MAX  100

typedef struct lti_budget {
  int percent;
  int64_t balance;  /* in hundredths of a repeat */
  uint64_t free_ns; /* when the next free one came, or is to come */
} lti_budget;

void lti_budget_init(lti_budget *b, int percent, uint64_t now_ns);
/* A first attempt. */
void lti_budget_deposit(lti_budget *b);
/* Is there a repeat? It is taken then. */
bool lti_budget_withdraw(lti_budget *b, uint64_t now_ns);

#endif
