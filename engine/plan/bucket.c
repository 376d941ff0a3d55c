/* The token bucket: see bucket.h. Whole periods and the rest of one are counted apart, so that no
 * product is larger than rate * period. */
#include "plan/bucket.h"

#define UNITS_MAX ((int64_t)1 << 40)
#define US_NS     1000ull

static int64_t within(int64_t value, int64_t least, int64_t most) {
  return value < least ? least : value > most ? most : value;
}

static uint64_t rate_within(int64_t rate, uint64_t period_us) {
  uint64_t most = UINT64_MAX / 2 / period_us;
  if (rate <= 0) return 0;
  return (uint64_t)rate < most ? (uint64_t)rate : most;
}

void lti_bucket_init(lti_bucket *b, int64_t capacity, int64_t rate, uint64_t now_ns) {
  capacity = within(capacity, 1, UNITS_MAX);
  *b = (lti_bucket){.level = capacity,
                    .capacity = capacity,
                    .rate = rate_within(rate, LTI_BUCKET_MINUTE_US),
                    .period_us = LTI_BUCKET_MINUTE_US,
                    .at_ns = now_ns};
}

/* What has come since it was looked at last. */
static void fill(lti_bucket *b, uint64_t now_ns) {
  if (now_ns <= b->at_ns) return;
  uint64_t us = (now_ns - b->at_ns) / US_NS;
  b->at_ns += us * US_NS;
  uint64_t room = b->level < b->capacity ? (uint64_t)(b->capacity - b->level) : 0;
  uint64_t periods = us / b->period_us;
  if (b->rate && periods <= room / b->rate) {
    uint64_t parts = us % b->period_us * b->rate + b->part;
    uint64_t gained = periods * b->rate + parts / b->period_us;
    b->part = parts % b->period_us;
    if (gained < room) {
      b->level += (int64_t)gained;
      return;
    }
  } else if (!b->rate) {
    return;
  }
  if (room) b->level = b->capacity;
  b->part = 0;
}

void lti_bucket_set_rate(lti_bucket *b, int64_t rate, uint64_t period_us, uint64_t now_ns) {
  fill(b, now_ns);
  if (period_us == 0) period_us = 1;
  if (b->period_us != period_us) b->part = 0;
  b->period_us = period_us;
  b->rate = rate_within(rate, period_us);
}

int64_t lti_bucket_level(lti_bucket *b, uint64_t now_ns) {
  fill(b, now_ns);
  return b->level;
}

void lti_bucket_set_level(lti_bucket *b, int64_t level, uint64_t now_ns) {
  fill(b, now_ns);
  b->level = within(level, -UNITS_MAX, b->capacity);
  b->part = 0;
}

void lti_bucket_take(lti_bucket *b, int64_t units, uint64_t now_ns) {
  fill(b, now_ns);
  units = within(units, -UNITS_MAX, UNITS_MAX);
  b->level = within(b->level - units, -UNITS_MAX, b->capacity);
  if (b->level == b->capacity) b->part = 0;
}

uint64_t lti_bucket_when(lti_bucket *b, int64_t units, uint64_t now_ns) {
  fill(b, now_ns);
  if (units > b->capacity) units = b->capacity;
  if (b->level >= units) return now_ns;
  if (!b->rate) return LTI_BUCKET_NEVER;
  uint64_t missing = (uint64_t)(units - b->level);
  uint64_t parts = missing % b->rate * b->period_us;
  uint64_t periods = missing / b->rate;
  /* The part that is there already is less than one unit of those missing. */
  if (parts < b->part && periods) parts += b->rate * b->period_us, periods--;
  parts -= b->part;
  uint64_t us = (parts + b->rate - 1) / b->rate;
  if (periods > UINT64_MAX / 4 / US_NS / b->period_us) return LTI_BUCKET_NEVER;
  return b->at_ns + (periods * b->period_us + us) * US_NS;
}
