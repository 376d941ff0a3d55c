/* The retry budget: see budget.h. */
#include "plan/budget.h"

#define REPEAT  100
#define FREE_NS 1000000000ull

void lti_budget_init(lti_budget *b, int percent, uint64_t now_ns) {
  *b = (lti_budget){.percent = percent, .balance = LTI_BUDGET_FREE * REPEAT, .free_ns = now_ns};
}

void lti_budget_deposit(lti_budget *b) {
  b->balance += b->percent;
  if (b->balance > LTI_BUDGET_MAX * REPEAT) b->balance = LTI_BUDGET_MAX * REPEAT;
}

/* Free ones come back up to their number, and do not add to what traffic has paid in. */
static void give_free(lti_budget *b, uint64_t now_ns) {
  if (now_ns <= b->free_ns) return;
  uint64_t seconds = (now_ns - b->free_ns) / FREE_NS;
  b->free_ns += seconds * FREE_NS;
  int64_t room = LTI_BUDGET_FREE * REPEAT - b->balance;
  if (room <= 0) return;
  b->balance += seconds < LTI_BUDGET_FREE ? (int64_t)seconds * REPEAT : room;
  if (b->balance > LTI_BUDGET_FREE * REPEAT) b->balance = LTI_BUDGET_FREE * REPEAT;
}

bool lti_budget_withdraw(lti_budget *b, uint64_t now_ns) {
  give_free(b, now_ns);
  if (b->balance < REPEAT) return false;
  b->balance -= REPEAT;
  return true;
}
