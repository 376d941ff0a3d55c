/* The bounds that stamps give, against a queue whose bytes' true times are known: one that joins
 * segments as the kernel does, read in parts of any size at any time. */
#include "io/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"

#define JOINED_MAX 17
#define BYTES_MAX  4000
#define US         UINT64_C(1000)

/* Each byte's time of coming, and the stamp of the group that it is in. */
typedef struct queue {
  uint64_t came_ns[BYTES_MAX];
  size_t group[BYTES_MAX];
  uint64_t stamp_ns[BYTES_MAX]; /* of groups */
  size_t joined[BYTES_MAX];     /* segments in a group */
  size_t groups, read, end;
} queue;

/* A segment joins the last group unless that is full, or all of it is read. */
static void comes(queue *q, size_t bytes, uint64_t now_ns) {
  bool empty = q->read == q->end;
  if (q->groups == 0 || empty || q->joined[q->groups - 1] == JOINED_MAX) q->groups++;
  size_t last = q->groups - 1;
  q->joined[last]++;
  q->stamp_ns[last] = now_ns;
  for (size_t i = 0; i < bytes && q->end < BYTES_MAX; i++) {
    q->came_ns[q->end] = now_ns;
    q->group[q->end++] = last;
  }
}

/* Reads up to `room` and holds every byte against the bounds. Returns how far apart they were. */
static uint64_t take(queue *q, lti_segment *s, size_t room, uint64_t now_ns) {
  size_t n = q->end - q->read < room ? q->end - q->read : room;
  if (n == 0) return 0;
  uint64_t stamp = q->stamp_ns[q->group[q->read + n - 1]];
  uint64_t since = lti_segment_read(s, stamp, now_ns, n == room);
  for (size_t i = q->read; i < q->read + n; i++) {
    assert_true(q->came_ns[i] <= stamp);
    assert_true(q->came_ns[i] >= since);
  }
  q->read += n;
  return stamp - since;
}

static void what_came_lies_between_the_bounds(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 300; seed++) {
    static queue q;
    lti_segment s = {0};
    lti_prng prng;
    memset(&q, 0, sizeof q);
    lti_prng_seed(&prng, seed);
    uint64_t now = 1000000 * US, busy = lti_prng_below(&prng, 8) + 1;
    while (q.end < BYTES_MAX) {
      now += lti_prng_below(&prng, 100) * US;
      comes(&q, 1 + lti_prng_below(&prng, 30), now);
      if (lti_prng_below(&prng, busy)) continue;
      for (uint64_t reads = lti_prng_below(&prng, 12); reads > 0; reads--) {
        now += 10 * US;
        take(&q, &s, 1 + lti_prng_below(&prng, 120), now);
        if (lti_prng_below(&prng, 3) == 0) comes(&q, 1 + lti_prng_below(&prng, 30), now);
      }
    }
  }
}

/* 400 segments in 40 ms, then reads of 100 bytes: what a part may be off by is two groups. */
static void a_queue_is_told_group_by_group(void **state) {
  (void)state;
  static queue q;
  lti_segment s = {0};
  memset(&q, 0, sizeof q);
  uint64_t now = 1000000 * US;
  comes(&q, 10, now);
  take(&q, &s, 1000, now + 10 * US);
  for (int i = 0; i < 390; i++) comes(&q, 10, now += 100 * US);
  now += 1000 * US;
  uint64_t first = now + 10 * US;
  for (int i = 0; i < 39; i++) {
    uint64_t apart = take(&q, &s, 100, now += 10 * US);
    assert_true(apart <= 2 * JOINED_MAX * 100 * US);
    assert_int_equal(s.queue_ns, first);
  }
  assert_int_equal(q.read, q.end);
}

static void what_is_read_at_once_came_behind_the_read_before(void **state) {
  (void)state;
  lti_segment s = {0};
  assert_int_equal(lti_segment_read(&s, 100 * US, 110 * US, false), 0);
  assert_int_equal(lti_segment_read(&s, 200 * US, 210 * US, false), 100 * US);
  assert_int_equal(lti_segment_read(&s, 300 * US, 310 * US, true), 200 * US);
}

/* A stamp from behind the look at a group may be that group's, which has grown. */
static void a_group_that_may_have_grown_bounds_nothing(void **state) {
  (void)state;
  lti_segment s = {0};
  lti_segment_read(&s, 100 * US, 110 * US, false);
  assert_int_equal(lti_segment_read(&s, 200 * US, 210 * US, true), 100 * US);
  assert_int_equal(lti_segment_read(&s, 220 * US, 230 * US, true), 100 * US);
  assert_int_equal(lti_segment_read(&s, 221 * US, 240 * US, true), 100 * US);
}

static void a_clock_that_was_set_back_bounds_nothing(void **state) {
  (void)state;
  lti_segment s = {0};
  lti_segment_read(&s, 9000 * US, 9010 * US, false);
  assert_int_equal(lti_segment_read(&s, 300 * US, 310 * US, true), 0);
  assert_int_equal(lti_segment_read(&s, 400 * US, 410 * US, false), 0);
  assert_int_equal(lti_segment_read(&s, 500 * US, 510 * US, false), 400 * US);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_came_lies_between_the_bounds),
      cmocka_unit_test(a_queue_is_told_group_by_group),
      cmocka_unit_test(what_is_read_at_once_came_behind_the_read_before),
      cmocka_unit_test(a_group_that_may_have_grown_bounds_nothing),
      cmocka_unit_test(a_clock_that_was_set_back_bounds_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
