/* What a running thread shows to the live view: counters that it alone writes and anyone reads,
 * with coarse histograms (32 buckets a doubling: a value is known to 1.6 %). Relaxed atomics: a
 * look may be a moment old. */
#ifndef LOAD_PULSE_H
#define LOAD_PULSE_H

#include <stdatomic.h>
#include <stdint.h>

#define PULSE_PARTS   32 /* of a doubling: log2 and five bits more */
#define PULSE_BUCKETS 1024

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
  if (us < PULSE_PARTS) return (unsigned)us;
  unsigned log = 63u - (unsigned)__builtin_clzll(us);
  unsigned bucket = (log - 4) * PULSE_PARTS + (unsigned)(us >> (log - 5) & (PULSE_PARTS - 1));
  return bucket < PULSE_BUCKETS ? bucket : PULSE_BUCKETS - 1;
}

/* The smallest value of a bucket, us. */
static inline uint64_t pulse_value(unsigned bucket) {
  if (bucket < 2 * PULSE_PARTS) return bucket;
  return (uint64_t)(PULSE_PARTS + bucket % PULSE_PARTS) << (bucket / PULSE_PARTS - 1);
}

/* Its middle; the value itself, where buckets are that narrow. */
static inline double pulse_middle(unsigned bucket) {
  uint64_t low = pulse_value(bucket), next = pulse_value(bucket + 1);
  return (double)low + (double)(next - low - 1) / 2;
}

static inline void pulse_record(_Atomic uint64_t *buckets, uint64_t us) {
  pulse_add(&buckets[pulse_bucket(us)], 1);
}

#endif
