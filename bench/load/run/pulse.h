/* What a running thread shows to the live view: counters that it alone writes and anyone reads,
 * with coarse histograms (8 buckets a doubling). Relaxed atomics: a look may be a moment old. */
#ifndef LOAD_PULSE_H
#define LOAD_PULSE_H

#include <stdatomic.h>
#include <stdint.h>

#define PULSE_BUCKETS 256 /* from 1 us: bucket 8 * log2 and three bits more */

typedef struct pulse {
  _Atomic uint64_t started, completed, failed, events, content_events, output_tokens, in_flight;
  _Atomic uint64_t ttft[PULSE_BUCKETS], itl[PULSE_BUCKETS];
  _Atomic uint64_t lag[PULSE_BUCKETS]; /* receive lag of reads */
} pulse;

static inline void pulse_add(_Atomic uint64_t *counter, uint64_t n) {
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                        memory_order_relaxed);
}

static inline unsigned pulse_bucket(uint64_t us) {
  if (us < 8) return (unsigned)us;
  unsigned log = 63u - (unsigned)__builtin_clzll(us);
  unsigned bucket = (log - 2) * 8 + (unsigned)(us >> (log - 3) & 7);
  return bucket < PULSE_BUCKETS ? bucket : PULSE_BUCKETS - 1;
}

/* The smallest value of a bucket, us. */
static inline uint64_t pulse_value(unsigned bucket) {
  if (bucket < 16) return bucket;
  return (uint64_t)(8 + bucket % 8) << (bucket / 8 - 1);
}

static inline void pulse_record(_Atomic uint64_t *buckets, uint64_t us) {
  pulse_add(&buckets[pulse_bucket(us)], 1);
}

#endif
