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

#endif
