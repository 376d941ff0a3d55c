/* Whether an attempt that failed is repeated, and when: pure policy.
 *
 * Two different things: a *replay* sends again, free of charge, what provably never reached the
 * server or was lost on a reused connection before any answer; a *retry* is one of the caller's
 * few. The status table, the backoff (min(0.5 * 2^n, 8) s times 0.75..1) and the veto headers are
 * those of the OpenAI SDKs. */
#ifndef LTI_RETRY_H
#define LTI_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/prng.h"
#include "base/slice.h"

/* Replays of one request while the server takes up nothing, so that one that always hangs up ends
 * it; and in all, while it takes up others and so may take up this one too. Behind the first 8 they
 * wait, longer each time. */
#define LTI_REPLAYS_MAX        8
#define LTI_REPLAYS_AMONG_MANY 64

enum lti_retry_action {
  LTI_RETRY_NO,   /* the error stands */
  LTI_RETRY_FREE, /* after wait_ms, which is mostly 0, not counted */
  LTI_RETRY_WAIT  /* after wait_ms, counted */
};

typedef struct lti_retry_case {
  int error;               /* what the attempt ended with */
  int status;              /* the response's status, 0: none came */
  leat_slice code;         /* the provider's error code */
  leat_slice should_retry; /* x-should-retry */
  int64_t hint_ms;         /* the server's wish, -1: none */
  bool leased;             /* it had a connection */
  bool sent_any;           /* a byte of the request left the socket */
  bool response_started;   /* a byte of a response came */
  bool reused;             /* the connection had served before */
  bool shared;             /* and others: whichever of them it failed for, it may be another */
  bool once;               /* never send twice */
  bool spent;              /* its body cannot be sent again: it was read, and cannot be rewound */
  bool delivered;          /* an event other than head was delivered */
  int retries_done, retries_max;
  int replays_done, replays_idle; /* idle: those since the server took up any request */
  int64_t hint_max_ms;            /* above it the error goes to the caller unslept */
} lti_retry_case;

typedef struct lti_retry_plan {
  enum lti_retry_action action;
  int64_t wait_ms;
  bool maybe_ran; /* the attempt given up may have reached the model */
  bool retryable; /* the same request may succeed later, whoever repeats it */
  bool uncertain; /* `once` or `spent`, and it may have run: LEAT_EUNCERTAIN */
} lti_retry_plan;

void lti_retry_decide(const lti_retry_case *c, lti_prng *prng, lti_retry_plan *plan);
/* 408, 409, 429 and 500 upwards. */
bool lti_retry_status(int status);
/* The wait before retry n (0 first). */
int64_t lti_retry_backoff_ms(int n, lti_prng *prng);

#endif
