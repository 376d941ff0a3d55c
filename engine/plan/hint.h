/* What servers say about time: Retry-After and its kin, read strictly.
 *
 * Retry-After (RFC 9110 10.2.3) as seconds, with decimals as gateways send them, or as one of the
 * three HTTP-dates (5.6.7); retry-after-ms; x-ratelimit-reset-* as a Go duration ("6m0s", "12ms");
 * anthropic-ratelimit-*-reset as an RFC 3339 time; and Gemini's retryDelay, which stands in the
 * body of an error, as a duration ("46s"). What is malformed, negative or absurd is ignored. */
#ifndef LTI_HINT_H
#define LTI_HINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Longest wait that is taken for a hint at all: a year. */
#define LTI_HINT_MAX_MS (366ll * 86400 * 1000)

/* Milliseconds to wait by header `name`, whose form the name tells; false: no usable hint. A time
 * that is past gives 0. `now_unix_ms` is the wall clock. */
bool lti_hint_ms(leat_slice name, leat_slice value, int64_t now_unix_ms, int64_t *ms);

/* What servers limit, input and output apart being Anthropic's way. */
enum lti_hint_meter { HINT_REQUESTS, HINT_TOKENS, HINT_INPUT, HINT_OUTPUT, LTI_HINT_METERS };

/* How much there is of each in all, how much is left, and when all of it is there again; -1: not
 * told. */
typedef struct lti_hint_limits {
  int64_t limit[LTI_HINT_METERS], remaining[LTI_HINT_METERS], reset_ms[LTI_HINT_METERS];
} lti_hint_limits;

void lti_hint_limits_init(lti_hint_limits *l);
/* Reads one header of x-ratelimit-{limit,remaining,reset}-{requests,tokens} or of
 * anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}. False:
 * it is none of them, or its value is not usable, such as Azure's -1. */
bool lti_hint_limit(leat_slice name, leat_slice value, int64_t now_unix_ms, lti_hint_limits *l);

#endif
