/* A latency histogram with three significant digits from 1 us to 1 h in the form of HdrHistogram:
 * 2048 linear buckets, then 1024 for each doubling. Fixed size, no allocation to record. */
#ifndef LTI_HIST_H
#define LTI_HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"

typedef struct lti_hist lti_hist;

lti_hist *lti_hist_new(lti_alloc *alloc);
void lti_hist_free(lti_hist *h);
/* In microseconds; below 1 counts as 0, above an hour as an hour (and is counted in `over`). */
void lti_hist_record(lti_hist *h, uint64_t us);
/* The same value `n` times over, at the cost of once. */
void lti_hist_record_n(lti_hist *h, uint64_t us, uint64_t n);
/* `count` records of one value at once. */
void lti_hist_add(lti_hist *h, uint64_t us, uint64_t count);
void lti_hist_merge(lti_hist *to, const lti_hist *from);
/* As if nothing had been recorded. */
void lti_hist_clear(lti_hist *h);
uint64_t lti_hist_count(const lti_hist *h);
uint64_t lti_hist_over(const lti_hist *h);
/* The value at or below which `percent` of the records are: the upper end of its bucket, never
 * above the largest recorded; 0 when empty. */
uint64_t lti_hist_percentile(const lti_hist *h, double percent);
uint64_t lti_hist_min(const lti_hist *h);
uint64_t lti_hist_max(const lti_hist *h);
double lti_hist_mean(const lti_hist *h);
double lti_hist_stddev(const lti_hist *h);

/* One bucket that holds records. Its index is HdrHistogram's in its array of counts. */
typedef struct lti_hist_bucket {
  size_t index;
  uint64_t low, high; /* the smallest and the largest value that are counted there */
  uint64_t count;
} lti_hist_bucket;

/* The next one from bucket `*at` on, which must be 0 at first. False: there is none. */
bool lti_hist_next(const lti_hist *h, size_t *at, lti_hist_bucket *bucket);
/* What the buckets alone do not tell, for a histogram that was put together by lti_hist_add. False,
 * and nothing is changed: these cannot be the buckets' own. */
typedef struct lti_hist_exact {
  double sum;
  uint64_t min, max, over;
} lti_hist_exact;
void lti_hist_tell(const lti_hist *h, lti_hist_exact *exact);
bool lti_hist_restore(lti_hist *h, const lti_hist_exact *exact);

#endif
