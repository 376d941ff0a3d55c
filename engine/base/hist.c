/* The histogram: counts in the buckets of HdrHistogram with three significant digits.
 *
 * Values below 2048 have a bucket each. Above, each doubling is cut into 1024 buckets, so that a
 * bucket is never wider than 1/1024 of its values: reported values are at most 0.1 % too high.
 *
 *   value  5000 = 1 0011 1000 1000b: 13 bits, 2 more than 11; 5000 >> 2 = 1250; bucket
 *                 2 * 1024 + 1250 = 3298, which holds 5000..5003
 *
 * Count, sum, minimum and maximum are kept exactly beside the buckets. */
#include "hist.h"

#include <math.h>
#include <string.h>

#define VALUE_MAX    UINT64_C(3600000000)
#define LINEAR_BITS  11
#define HALF         1024u
#define BUCKET_COUNT ((32 - LINEAR_BITS) * HALF + 2 * HALF)

struct lti_hist {
  lti_alloc *alloc;
  uint64_t count, over, min, max;
  double sum;
  uint64_t buckets[BUCKET_COUNT];
};

static unsigned shift_of(uint64_t value) {
  unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
  return bits > LINEAR_BITS ? bits - LINEAR_BITS : 0;
}

static size_t bucket_of(uint64_t value) {
  unsigned shift = shift_of(value);
  return (size_t)shift * HALF + (size_t)(value >> shift);
}

/* The largest value of a bucket; `width` gets how many values share it. */
static uint64_t bucket_end(size_t bucket, uint64_t *width) {
  unsigned shift = bucket < 2 * HALF ? 0 : (unsigned)(bucket / HALF - 1);
  uint64_t top = bucket - (uint64_t)shift * HALF;
  *width = UINT64_C(1) << shift;
  return ((top + 1) << shift) - 1;
}

lti_hist *lti_hist_new(lti_alloc *alloc) {
  lti_hist *h = lti_alloc_zero(alloc, sizeof *h);
  if (!h) return NULL;
  h->alloc = alloc;
  h->min = UINT64_MAX;
  return h;
}

void lti_hist_free(lti_hist *h) {
  if (h) lti_alloc_put(h->alloc, h);
}

void lti_hist_record(lti_hist *h, uint64_t us) {
  lti_hist_record_n(h, us, 1);
}

void lti_hist_record_n(lti_hist *h, uint64_t us, uint64_t n) {
  if (n == 0) return;
  if (us > VALUE_MAX) {
    us = VALUE_MAX;
    h->over += n;
  }
  h->buckets[bucket_of(us)] += n;
  h->count += n;
  h->sum += (double)us * (double)n;
  if (us < h->min) h->min = us;
  if (us > h->max) h->max = us;
}

void lti_hist_add(lti_hist *h, uint64_t us, uint64_t count) {
  if (count == 0) return;
  if (us > VALUE_MAX) {
    us = VALUE_MAX;
    h->over += count;
  }
  h->buckets[bucket_of(us)] += count;
  h->count += count;
  h->sum += (double)us * (double)count;
  if (us < h->min) h->min = us;
  if (us > h->max) h->max = us;
}

void lti_hist_clear(lti_hist *h) {
  lti_alloc *alloc = h->alloc;
  memset(h, 0, sizeof *h);
  h->alloc = alloc;
  h->min = UINT64_MAX;
}

void lti_hist_merge(lti_hist *to, const lti_hist *from) {
  for (size_t i = 0; i < BUCKET_COUNT; i++) to->buckets[i] += from->buckets[i];
  to->count += from->count;
  to->over += from->over;
  to->sum += from->sum;
  if (from->min < to->min) to->min = from->min;
  if (from->max > to->max) to->max = from->max;
}

uint64_t lti_hist_count(const lti_hist *h) {
  return h->count;
}

uint64_t lti_hist_over(const lti_hist *h) {
  return h->over;
}

/* How many records must be at or below the answer: at least one, and percent / 100 of them rounded
 * up, but not for what is only the rounding of the multiplication (99.9 % of 1000 are 999). */
static uint64_t rank_of(const lti_hist *h, double percent) {
  double exact = percent * (double)h->count / 100.0;
  if (!(exact > 1)) return 1;
  double rank = ceil(exact * (1 - 1e-12));
  return rank < (double)h->count ? (uint64_t)rank : h->count;
}

uint64_t lti_hist_percentile(const lti_hist *h, double percent) {
  uint64_t seen = 0, width;
  if (h->count == 0) return 0;
  uint64_t rank = rank_of(h, percent);
  for (size_t i = bucket_of(h->min); i < BUCKET_COUNT; i++) {
    seen += h->buckets[i];
    if (seen < rank) continue;
    uint64_t end = bucket_end(i, &width);
    return end < h->max ? end : h->max;
  }
  return h->max;
}

uint64_t lti_hist_min(const lti_hist *h) {
  return h->count ? h->min : 0;
}

uint64_t lti_hist_max(const lti_hist *h) {
  return h->max;
}

double lti_hist_mean(const lti_hist *h) {
  return h->count ? h->sum / (double)h->count : 0;
}

static double bucket_middle(size_t bucket) {
  uint64_t width;
  uint64_t end = bucket_end(bucket, &width);
  return (double)end - (double)(width - 1) / 2;
}

/* Both the mean and the deviations are the buckets' here, so that equal records deviate by 0. */
double lti_hist_stddev(const lti_hist *h) {
  double mean = 0, squares = 0;
  if (h->count == 0) return 0;
  size_t last = bucket_of(h->max);
  for (size_t i = bucket_of(h->min); i <= last; i++) {
    mean += bucket_middle(i) * ((double)h->buckets[i] / (double)h->count);
  }
  for (size_t i = bucket_of(h->min); i <= last; i++) {
    double away = bucket_middle(i) - mean;
    if (h->buckets[i]) squares += away * away * (double)h->buckets[i];
  }
  return sqrt(squares / (double)h->count);
}

bool lti_hist_next(const lti_hist *h, size_t *at, lti_hist_bucket *bucket) {
  uint64_t width;
  while (*at < BUCKET_COUNT && h->buckets[*at] == 0) ++*at;
  if (*at == BUCKET_COUNT) return false;
  bucket->index = *at;
  bucket->high = bucket_end(*at, &width);
  bucket->low = bucket->high - (width - 1);
  bucket->count = h->buckets[*at];
  ++*at;
  return true;
}

void lti_hist_tell(const lti_hist *h, lti_hist_exact *exact) {
  exact->sum = h->sum;
  exact->min = lti_hist_min(h);
  exact->max = h->max;
  exact->over = h->over;
}

/* Whether a sum lies between what the buckets' smallest and largest values add up to, but for the
 * rounding of the additions. */
static bool sum_fits(const lti_hist *h, double sum) {
  double low = 0, high = 0;
  size_t at = 0;
  lti_hist_bucket b;
  while (lti_hist_next(h, &at, &b)) {
    low += (double)b.low * (double)b.count;
    high += (double)b.high * (double)b.count;
  }
  return sum >= low * (1 - 1e-9) && sum <= high * (1 + 1e-9);
}

bool lti_hist_restore(lti_hist *h, const lti_hist_exact *exact) {
  if (h->count == 0) return !(exact->sum > 0) && exact->max == 0 && exact->over == 0;
  if (exact->min > exact->max || exact->max > VALUE_MAX || exact->over > h->count) return false;
  if (exact->over > 0 && exact->over > h->buckets[bucket_of(VALUE_MAX)]) return false;
  if (bucket_of(exact->min) != bucket_of(h->min) || bucket_of(exact->max) != bucket_of(h->max))
    return false;
  if (!sum_fits(h, exact->sum)) return false;
  h->sum = exact->sum;
  h->min = exact->min;
  h->max = exact->max;
  h->over = exact->over;
  return true;
}
