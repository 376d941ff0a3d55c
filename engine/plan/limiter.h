/* The limits of one key and model at one place: how many requests and tokens a minute, how many at
 * once, and when the next may go.
 *
 * There are two sources. Rules are the caller's: a bucket that holds one second's worth and fills
 * so that no minute has more than was allowed. What the server tells with its answers is learned:
 * `limit`, `remaining` and the time to a full reset give a bucket of the server's size, which is
 * set to what the server has left, less all that it may not have counted then: what was sent since
 * that request, and what was on its way before it. The reset tells how it
 * fills: steadily, in a minute, an hour or a day, when it fits what is used up; else all at once at
 * the end of a window. Both must have room.
 *
 * What a request may cost is reserved when it goes (lti_limiter_take) and settled by what it did
 * cost. In a learned bucket only what was too little is settled: what was too much comes back with
 * the server's next word, since many servers do not give it back.
 *
 * Until the first answer at most `probe` are out. Then the window opens: at once when that answer
 * told limits, else by one for each answer. A refusal (429, 529) or a time-out halves it, once for
 * all that went before, and from there on it grows by one a windowful. A refusal also pauses
 * everything: as long as the server says, else longer each time in a row.
 *
 * Pure policy: time is an argument. */
#ifndef LTI_LIMITER_H
#define LTI_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/bucket.h"

/* What is limited. Input and output apart is Anthropic's way. */
enum lti_limiter_meter {
  LIMITER_REQUESTS,
  LIMITER_TOKENS,
  LIMITER_INPUT,
  LIMITER_OUTPUT,
  LTI_LIMITER_METERS
};

typedef struct lti_limiter_rules {
  int64_t requests_per_minute, tokens_per_minute; /* 0: none */
  uint32_t concurrency;                           /* 0: none */
  bool learn;
  uint32_t probe;
  int64_t pause_max_ms;
} lti_limiter_rules;

/* One meter as an answer tells it; -1: not told. */
typedef struct lti_limiter_told {
  int64_t limit, remaining, reset_ms;
} lti_limiter_told;

/* A meter that the server keeps. */
typedef struct lti_limiter_gauge {
  lti_bucket bucket;
  int64_t limit;          /* 0: not told yet */
  int64_t full;           /* the most that was there at once, as far as seen */
  bool windowed;          /* it does not fill steadily */
  uint64_t window_end_ns; /* but is full again then; 0: it is */
} lti_limiter_gauge;

typedef struct lti_limiter {
  lti_limiter_rules rules;
  lti_bucket fixed[2]; /* requests, tokens */
  lti_limiter_gauge gauges[LTI_LIMITER_METERS];
  int64_t taken[LTI_LIMITER_METERS];    /* in all */
  int64_t young[2][LTI_LIMITER_METERS]; /* not answered, of this epoch and the one before */
  uint64_t epoch;
  uint64_t sent, newest_heard; /* how many went, and the last of them that was answered */
  uint32_t out;                /* how many are under way */
  uint32_t window, grown;
  bool answered, learned, narrowed;
  uint64_t narrowed_ns; /* what went before has had its say */
  uint64_t paused_until_ns;
  unsigned refusals; /* in a row, each round counted once */
} lti_limiter;

/* What one request has reserved. */
typedef struct lti_limiter_claim {
  int64_t cost[LTI_LIMITER_METERS];
  int64_t mark[LTI_LIMITER_METERS]; /* `taken` behind it */
  int64_t open[LTI_LIMITER_METERS]; /* not answered when it went: it may overtake those */
  uint64_t number, at_ns, epoch;
  bool out, heard, settled;
} lti_limiter_claim;

/* How it ended, which says what it has cost. */
enum lti_limiter_end {
  LIMITER_ANSWERED,
  LIMITER_CUT,     /* it may have cost all that it reserved */
  LIMITER_REFUSED, /* it has cost a request, and no tokens */
  LIMITER_UNSENT   /* it never reached the server */
};

void lti_limiter_init(lti_limiter *l, const lti_limiter_rules *rules, uint64_t now_ns);
/* Tokens that no waiting makes possible. */
bool lti_limiter_never(const lti_limiter *l, int64_t tokens);
/* When a request of claim->cost may go: now_ns, a later time, or LTI_BUCKET_NEVER: when one that is
 * out has been answered or has ended. */
uint64_t lti_limiter_when(lti_limiter *l, const lti_limiter_claim *claim, uint64_t now_ns);
/* It goes. */
void lti_limiter_take(lti_limiter *l, lti_limiter_claim *claim, uint64_t now_ns);
/* The head of its answer came. */
void lti_limiter_heard(lti_limiter *l, lti_limiter_claim *claim, const lti_limiter_told *told,
                       uint64_t now_ns);
/* What it did cost; -1: not known. */
void lti_limiter_settle(lti_limiter *l, lti_limiter_claim *claim, int64_t input, int64_t output,
                        uint64_t now_ns);
/* It was refused for going too fast. `hint_ms`: the server's wish, -1: none; `jitter`: 0 to 1. */
void lti_limiter_refused(lti_limiter *l, const lti_limiter_claim *claim, int64_t hint_ms,
                         double jitter, uint64_t now_ns);
/* It timed out, which says that the server has too much to do. */
void lti_limiter_timed_out(lti_limiter *l, const lti_limiter_claim *claim, uint64_t now_ns);
/* It is over. */
void lti_limiter_end(lti_limiter *l, lti_limiter_claim *claim, enum lti_limiter_end how,
                     uint64_t now_ns);
/* Nothing of it would be missed: as good as new, but for what was learned. */
bool lti_limiter_idle(const lti_limiter *l, uint64_t now_ns);

#endif
