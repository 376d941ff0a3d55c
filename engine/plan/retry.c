/* Retry policy: see retry.h. Three questions in a row: may the attempt have run, is this kind of
 * failure worth repeating at all, and is there a repeat left. */
#include "plan/retry.h"

#include "base/error.h"

bool lti_retry_status(int status) {
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

int64_t lti_retry_backoff_ms(int n, lti_prng *prng) {
  int64_t base = n >= 4 ? 8000 : 500ll << n;
  return (int64_t)((double)base * (0.75 + 0.25 * lti_prng_unit(prng)));
}

/* 429s that no waiting cures: the money is gone. */
static bool hopeless_code(leat_slice code) {
  static const char *const codes[] = {"insufficient_quota", "credit_balance_exhausted",
                                      "enforced_spend_limit_reached", "billing_hard_limit_reached"};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (lti_slice_is(code, codes[i])) return true;
  return false;
}

static bool status_retryable(const lti_retry_case *c) {
  if (lti_slice_is_nocase(c->should_retry, "true")) return true;
  if (lti_slice_is_nocase(c->should_retry, "false")) return false;
  if (c->status == 501 || (c->status == 429 && hopeless_code(c->code))) return false;
  return lti_retry_status(c->status);
}

static bool transport_retryable(int error) {
  switch (error) {
    case LEAT_ERESOLVEAGAIN:
    case LEAT_EREFUSED:
    case LEAT_EUNREACHABLE:
    case LEAT_ERESET:
    case LEAT_ECONNECT:
    case LEAT_EFDLIMIT:
    case LEAT_EDNSTIMEOUT:
    case LEAT_ECONNTIMEOUT:
    case LEAT_EHEADTIMEOUT:
    case LEAT_ETRUNCATED: return true;
    default: return false;
  }
}

/* Could the server have begun to work on the attempt? An answer of an error status says that it
 * refused, except the timeouts and faults behind which work may have gone on. */
static bool maybe_ran(const lti_retry_case *c) {
  if (!c->sent_any) return false;
  if (c->status == 0) return true;
  if (c->status == 503 && c->hint_ms >= 0) return false;
  if (c->status == 408 || c->status == 409) return true;
  return c->status >= 500 || c->status < 400;
}

/* Lost before any answer, and safe or cheap to send again at once. */
static bool replayable(const lti_retry_case *c) {
  if (c->error != LEAT_ERESET || c->response_started) return false;
  bool untouched = !c->sent_any;
  int most = untouched ? LTI_REPLAYS_AMONG_MANY : LTI_REPLAYS_MAX;
  if (!c->leased || c->replays_done >= most || c->replays_idle >= LTI_REPLAYS_MAX) return false;
  return untouched || (c->reused && !c->once);
}

/* Behind the first few: a line of hundreds before a server that leaves after each handful. */
static int64_t replay_wait_ms(int replays_done, lti_prng *prng) {
  int over = replays_done - LTI_REPLAYS_MAX;
  if (over < 0) return 0;
  int64_t most = over < 6 ? (int64_t)16 << over : 1000;
  return most - (int64_t)lti_prng_below(prng, (uint64_t)most / 4);
}

void lti_retry_decide(const lti_retry_case *c, lti_prng *prng, lti_retry_plan *plan) {
  *plan = (lti_retry_plan){.action = LTI_RETRY_NO, .maybe_ran = maybe_ran(c)};
  bool again = c->status >= 400 ? status_retryable(c) : c->shared || transport_retryable(c->error);
  plan->retryable = again;
  if (c->delivered) return; /* by us, that is: the caller knows what he has had */
  if (!c->spent && replayable(c)) {
    plan->action = LTI_RETRY_FREE;
    plan->wait_ms = replay_wait_ms(c->replays_done, prng);
    return;
  }
  if (c->spent || (c->once && plan->maybe_ran)) {
    /* Once an answer has begun it is not lost: what broke it has a name of its own. */
    bool lost = c->status == 0 && !c->response_started;
    plan->uncertain = plan->maybe_ran && (c->once ? again || lost : again && lost);
    return;
  }
  if (!again || c->retries_done >= c->retries_max) return;
  if (c->hint_ms > c->hint_max_ms) return;
  int64_t backoff = lti_retry_backoff_ms(c->retries_done, prng);
  plan->action = LTI_RETRY_WAIT;
  plan->wait_ms = c->hint_ms > backoff ? c->hint_ms : backoff;
  /* The SDKs take the server's word for shorter waits too, so that 0.25 s is 0.25 s. */
  if (c->hint_ms > 0) plan->wait_ms = c->hint_ms;
}
