/* A token bucket in whole numbers: so much at once, so much a period, and no drift.
 *
 * It fills by `rate` units a period up to `capacity`. What is taken may be more than there is: the
 * level is below zero then, a debt that the rate pays off first. Parts of a unit are kept as a
 * fraction of the period in microseconds, and the clock is moved on by whole microseconds only, so
 * that a bucket that is looked at a million times a second gains exactly what one does that is
 * looked at once. Pure policy: time is an argument. */
#ifndef LTI_BUCKET_H
#define LTI_BUCKET_H

#include <stdint.h>

#define LTI_BUCKET_NEVER     UINT64_MAX
#define LTI_BUCKET_MINUTE_US (60ull * 1000 * 1000)

typedef struct lti_bucket {
  int64_t level, capacity;
  uint64_t rate, period_us;
  uint64_t part; /* of a unit, in 1/period_us */
  uint64_t at_ns;
} lti_bucket;

/* Full. What is larger than the arithmetic bears is cut down; a rate of 0 never fills. */
void lti_bucket_init(lti_bucket *b, int64_t capacity, int64_t rate, uint64_t now_ns);
/* The same rate a period of another length, the level as it is. */
void lti_bucket_set_rate(lti_bucket *b, int64_t rate, uint64_t period_us, uint64_t now_ns);
int64_t lti_bucket_level(lti_bucket *b, uint64_t now_ns);
/* Sets the level, at most the capacity. */
void lti_bucket_set_level(lti_bucket *b, int64_t level, uint64_t now_ns);
/* Takes, or gives back when `units` is negative. */
void lti_bucket_take(lti_bucket *b, int64_t units, uint64_t now_ns);
/* When the level is `units`: now_ns when it is, LTI_BUCKET_NEVER when it will never be. What is
 * more than the capacity counts as the capacity: it may go when the bucket is full. */
uint64_t lti_bucket_when(lti_bucket *b, int64_t units, uint64_t now_ns);

#endif
