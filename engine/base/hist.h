/* A latency histogram with three significant digits from 1 us to 1 h in the form of HdrHistogram:
 * 2048 linear buckets, then 1024 for each doubling. Fixed size, no allocation to record. */
#ifndef LTI_HIST_H
#define LTI_HIST_H

#include <stddef.h>
#include <stdint.h>

#include "alloc.h"

typedef struct lti_hist lti_hist;

lti_hist *lti_hist_new(lti_alloc *alloc);
void lti_hist_free(lti_hist *h);
/* In microseconds; below 1 counts as 0, above an hour as an hour (and is counted in `over`). */
void lti_hist_record(lti_hist *h, uint64_t us);
void lti_hist_merge(lti_hist *to, const lti_hist *from);
uint64_t lti_hist_count(const lti_hist *h);
uint64_t lti_hist_over(const lti_hist *h);
/* The value at or below which `percent` of the records are: the upper end of its bucket, never
 * above the largest recorded; 0 when empty. */
uint64_t lti_hist_percentile(const lti_hist *h, double percent);
uint64_t lti_hist_min(const lti_hist *h);
uint64_t lti_hist_max(const lti_hist *h);
double lti_hist_mean(const lti_hist *h);
double lti_hist_stddev(const lti_hist *h);

#endif
