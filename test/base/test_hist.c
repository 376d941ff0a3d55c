/* The histogram against exact percentiles of the same values, sorted. */
#include "base/hist.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/failing.h"

#define HOUR   UINT64_C(3600000000)
#define VALUES 20000

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static lti_hist *fresh(lti_alloc *a) {
  lti_alloc_init(a, NULL);
  lti_hist *h = lti_hist_new(a);
  assert_non_null(h);
  return h;
}

/* At least the exact value, and at most 0.1 % above it. */
static void assert_close(uint64_t seen, uint64_t exact) {
  if (seen >= exact && (double)(seen - exact) <= (double)exact / 1000) return;
  fail_msg("%llu for %llu", (unsigned long long)seen, (unsigned long long)exact);
}

static void an_empty_one_is_all_zero(void **state) {
  (void)state;
  lti_alloc a;
  lti_hist *h = fresh(&a);
  assert_int_equal(lti_hist_count(h), 0);
  assert_int_equal(lti_hist_percentile(h, 50), 0);
  assert_int_equal(lti_hist_min(h), 0);
  assert_int_equal(lti_hist_max(h), 0);
  assert_true(lti_hist_mean(h) == 0 && lti_hist_stddev(h) == 0);
  lti_hist_free(h);
  lti_hist_free(NULL);
}

static void one_value_is_every_percentile(void **state) {
  (void)state;
  const uint64_t values[] = {0, 1, 2047, 2048, 2049, 4095, 4096, 5001, 123456789, HOUR};
  lti_alloc a;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    lti_hist *h = fresh(&a);
    lti_hist_record(h, values[i]);
    for (int p = 0; p <= 100; p += 25) assert_int_equal(lti_hist_percentile(h, p), values[i]);
    assert_int_equal(lti_hist_min(h), values[i]);
    assert_int_equal(lti_hist_max(h), values[i]);
    assert_true(lti_hist_mean(h) == (double)values[i]);
    assert_true(lti_hist_stddev(h) == 0);
    lti_hist_free(h);
  }
}

static void small_values_are_exact(void **state) {
  (void)state;
  lti_alloc a;
  lti_hist *h = fresh(&a);
  for (uint64_t v = 1; v <= 1000; v++) lti_hist_record(h, v);
  assert_int_equal(lti_hist_percentile(h, 50), 500);
  assert_int_equal(lti_hist_percentile(h, 90), 900);
  assert_int_equal(lti_hist_percentile(h, 99), 990);
  assert_int_equal(lti_hist_percentile(h, 99.9), 999);
  assert_int_equal(lti_hist_percentile(h, 99.91), 1000);
  assert_int_equal(lti_hist_percentile(h, 100), 1000);
  assert_int_equal(lti_hist_percentile(h, 1e9), 1000);
  assert_int_equal(lti_hist_percentile(h, 0), 1);
  assert_int_equal(lti_hist_percentile(h, -1), 1);
  assert_int_equal(lti_hist_percentile(h, NAN), 1);
  assert_true(fabs(lti_hist_mean(h) - 500.5) < 1e-9);
  assert_true(fabs(lti_hist_stddev(h) - 288.675) < 1e-3);
  lti_hist_free(h);
}

static void above_an_hour_is_an_hour_and_counted(void **state) {
  (void)state;
  lti_alloc a;
  lti_hist *h = fresh(&a);
  lti_hist_record(h, HOUR);
  assert_int_equal(lti_hist_over(h), 0);
  lti_hist_record(h, HOUR + 1);
  lti_hist_record(h, UINT64_MAX);
  assert_int_equal(lti_hist_over(h), 2);
  assert_int_equal(lti_hist_count(h), 3);
  assert_int_equal(lti_hist_max(h), HOUR);
  assert_int_equal(lti_hist_percentile(h, 100), HOUR);
  lti_hist_free(h);
}

static void many_at_once_are_as_many_one_by_one(void **state) {
  (void)state;
  lti_alloc a, b;
  lti_hist *at_once = fresh(&a), *one_by_one = fresh(&b);
  const struct { uint64_t us, n; } rows[] = {{0, 3}, {17, 1}, {5001, 1000}, {HOUR + 5, 2}, {9, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_hist_record_n(at_once, rows[i].us, rows[i].n);
    for (uint64_t k = 0; k < rows[i].n; k++) lti_hist_record(one_by_one, rows[i].us);
  }
  assert_int_equal(lti_hist_count(at_once), 1006);
  assert_int_equal(lti_hist_over(at_once), 2);
  assert_int_equal(lti_hist_min(at_once), 0);
  assert_int_equal(lti_hist_max(at_once), HOUR);
  assert_true(lti_hist_mean(at_once) == lti_hist_mean(one_by_one));
  assert_true(lti_hist_stddev(at_once) == lti_hist_stddev(one_by_one));
  for (double p = 0; p <= 100; p += 0.1)
    assert_int_equal(lti_hist_percentile(at_once, p), lti_hist_percentile(one_by_one, p));
  lti_hist_free(at_once);
  lti_hist_free(one_by_one);
}

static void a_single_bucket_is_never_wider_than_a_thousandth(void **state) {
  (void)state;
  lti_alloc a;
  for (uint64_t v = 1; v <= HOUR / 2; v = v * 1001 / 1000 + 1) {
    lti_hist *one = fresh(&a);
    lti_hist_record(one, v);
    lti_hist_record(one, HOUR);
    assert_close(lti_hist_percentile(one, 50), v);
    lti_hist_free(one);
  }
}

static uint64_t draw(lti_prng *r, int shape) {
  switch (shape) {
    case 0: return lti_prng_below(r, HOUR + 1);
    case 1: return lti_prng_below(r, 3000);
    case 2: return (uint64_t)exp(lti_prng_unit(r) * log(3.6e9));
    default: return lti_prng_below(r, 100) ? 20000 + lti_prng_below(r, 500) : HOUR / 60;
  }
}

static void percentiles_agree_with_sorted_values(void **state) {
  (void)state;
  static uint64_t values[VALUES];
  const double percents[] = {0, 0.01, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100};
  lti_prng r;
  lti_alloc a;
  lti_prng_seed(&r, 10);
  for (int shape = 0; shape < 4; shape++) {
    for (size_t n = 1; n <= VALUES; n = n * 3 + 1) {
      lti_hist *h = fresh(&a);
      double sum = 0, squares = 0;
      for (size_t i = 0; i < n; i++) {
        values[i] = draw(&r, shape);
        lti_hist_record(h, values[i]);
        sum += (double)values[i];
      }
      qsort(values, n, sizeof *values, by_value);
      for (size_t p = 0; p < sizeof percents / sizeof *percents; p++) {
        /* The rank in whole numbers: thousandths of a percent. */
        uint64_t milli = (uint64_t)llround(percents[p] * 1000);
        uint64_t rank = (milli * n + 99999) / 100000;
        assert_close(lti_hist_percentile(h, percents[p]), values[rank ? rank - 1 : 0]);
      }
      double mean = sum / (double)n;
      for (size_t i = 0; i < n; i++) squares += pow((double)values[i] - mean, 2);
      double deviation = sqrt(squares / (double)n);
      assert_true(fabs(lti_hist_mean(h) - mean) <= mean * 1e-9);
      assert_true(fabs(lti_hist_stddev(h) - deviation) <= deviation * 0.001 + mean * 0.001);
      assert_int_equal(lti_hist_min(h), values[0]);
      assert_int_equal(lti_hist_max(h), values[n - 1]);
      lti_hist_free(h);
    }
  }
}

static void merged_is_as_recorded_in_one(void **state) {
  (void)state;
  lti_prng r;
  lti_alloc a;
  lti_hist *whole = fresh(&a), *one = fresh(&a), *two = fresh(&a), *none = fresh(&a);
  lti_prng_seed(&r, 11);
  for (int i = 0; i < 5000; i++) {
    uint64_t v = draw(&r, i % 3) + (i % 100 == 0 ? HOUR : 0);
    lti_hist_record(whole, v);
    lti_hist_record(i % 7 ? one : two, v);
  }
  lti_hist_merge(one, two);
  lti_hist_merge(one, none);
  lti_hist_merge(none, one);
  for (double p = 0; p <= 100; p += 0.5) {
    assert_int_equal(lti_hist_percentile(none, p), lti_hist_percentile(whole, p));
  }
  assert_int_equal(lti_hist_count(none), 5000);
  assert_int_equal(lti_hist_over(none), lti_hist_over(whole));
  assert_int_equal(lti_hist_min(none), lti_hist_min(whole));
  assert_int_equal(lti_hist_max(none), lti_hist_max(whole));
  assert_true(fabs(lti_hist_mean(none) - lti_hist_mean(whole)) < 1);
  lti_hist_free(whole);
  lti_hist_free(one);
  lti_hist_free(two);
  lti_hist_free(none);
}

/* All buckets, by their own borders. */
static void walking_meets_every_bucket_once(void **state) {
  (void)state;
  lti_alloc a;
  lti_prng r;
  lti_hist *h = fresh(&a), *again = fresh(&a);
  lti_hist_bucket b, last = {0, 0, 0, 0};
  size_t at = 0;
  uint64_t count = 0;
  assert_false(lti_hist_next(h, &at, &b));
  lti_prng_seed(&r, 12);
  for (int i = 0; i < 5000; i++) lti_hist_record(h, draw(&r, i % 4));
  for (at = 0; lti_hist_next(h, &at, &b); last = b) {
    assert_true(b.low <= b.high && b.count > 0 && at == b.index + 1);
    if (last.count) assert_true(b.low > last.high && b.index > last.index);
    lti_hist_add(again, b.high < HOUR ? b.high : HOUR, b.count);
    count += b.count;
  }
  assert_int_equal(count, 5000);
  for (double p = 0; p < 100; p += 0.5) {
    if (lti_hist_percentile(h, p) < lti_hist_max(h))
      assert_int_equal(lti_hist_percentile(h, p), lti_hist_percentile(again, p));
  }
  lti_hist_free(h);
  lti_hist_free(again);
}

/* HdrHistogram's own formulas, for 3 digits, a lowest value of 1 and 2048 linear buckets. */
static size_t hdr_index_of(uint64_t v) {
  unsigned octave = 64 - (unsigned)__builtin_clzll(v | 2047) - 11;
  uint64_t sub = v >> octave;
  return ((size_t)(octave + 1) << 10) + (size_t)(sub - 1024);
}

static void an_index_is_hdr_histograms(void **state) {
  (void)state;
  lti_alloc a;
  for (uint64_t v = 0; v <= HOUR; v = v < 5000 ? v + 1 : v * 1003 / 1000) {
    lti_hist_bucket b;
    size_t at = 0;
    if (v > 3000 && v < 5000 && v % 97) continue;
    lti_hist *h = fresh(&a);
    lti_hist_record(h, v);
    assert_true(lti_hist_next(h, &at, &b));
    assert_int_equal(b.index, hdr_index_of(v));
    assert_true(b.low <= v && v <= b.high);
    assert_false(lti_hist_next(h, &at, &b));
    lti_hist_free(h);
  }
}

static void what_buckets_do_not_tell_is_put_back(void **state) {
  (void)state;
  lti_alloc a;
  lti_hist_exact exact, wrong;
  lti_hist_bucket b;
  lti_hist *h = fresh(&a), *again = fresh(&a);
  lti_hist_tell(h, &exact);
  assert_true(lti_hist_restore(again, &exact));
  lti_hist_record(h, 5001);
  lti_hist_record(h, 70001);
  lti_hist_record(h, UINT64_MAX);
  for (size_t at = 0; lti_hist_next(h, &at, &b);)
    lti_hist_add(again, b.high < HOUR ? b.high : HOUR, b.count);
  lti_hist_tell(h, &exact);
  wrong = exact;
  wrong.min = 4999;
  assert_false(lti_hist_restore(again, &wrong));
  wrong = exact;
  wrong.max = HOUR + 1;
  assert_false(lti_hist_restore(again, &wrong));
  wrong = exact;
  wrong.over = 2;
  assert_false(lti_hist_restore(again, &wrong));
  wrong = exact;
  wrong.sum *= 1.01;
  assert_false(lti_hist_restore(again, &wrong));
  wrong.sum = NAN;
  assert_false(lti_hist_restore(again, &wrong));
  assert_int_equal(lti_hist_min(again), 5003);
  assert_true(lti_hist_restore(again, &exact));
  assert_int_equal(lti_hist_min(again), 5001);
  assert_int_equal(lti_hist_over(again), 1);
  assert_true(lti_hist_mean(again) == lti_hist_mean(h));
  lti_hist_free(h);
  lti_hist_free(again);
}

static void record_many(const leat_allocator *fns, void *ctx) {
  lti_alloc a;
  (void)ctx;
  lti_alloc_init(&a, fns);
  lti_hist *h = lti_hist_new(&a);
  if (!h) return;
  for (uint64_t v = 1; v < HOUR; v *= 3) lti_hist_record(h, v);
  lti_hist_free(h);
}

static void recording_allocates_nothing(void **state) {
  (void)state;
  assert_int_equal(failing_at_every_n(record_many, NULL), 1);
}

static void cleared_it_is_as_new(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_hist *h = lti_hist_new(&alloc);
  assert_non_null(h);
  for (uint64_t us = 1; us < 100000; us *= 3) lti_hist_record(h, us);
  lti_hist_record(h, HOUR + 1);
  lti_hist_clear(h);
  assert_int_equal(lti_hist_count(h), 0);
  assert_int_equal(lti_hist_over(h), 0);
  assert_int_equal(lti_hist_max(h), 0);
  lti_hist_record(h, 7);
  assert_int_equal(lti_hist_percentile(h, 99), 7);
  assert_int_equal(lti_hist_min(h), 7);
  lti_hist_free(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cleared_it_is_as_new),
      cmocka_unit_test(an_empty_one_is_all_zero),
      cmocka_unit_test(one_value_is_every_percentile),
      cmocka_unit_test(small_values_are_exact),
      cmocka_unit_test(above_an_hour_is_an_hour_and_counted),
      cmocka_unit_test(many_at_once_are_as_many_one_by_one),
      cmocka_unit_test(a_single_bucket_is_never_wider_than_a_thousandth),
      cmocka_unit_test(percentiles_agree_with_sorted_values),
      cmocka_unit_test(merged_is_as_recorded_in_one),
      cmocka_unit_test(walking_meets_every_bucket_once),
      cmocka_unit_test(an_index_is_hdr_histograms),
      cmocka_unit_test(what_buckets_do_not_tell_is_put_back),
      cmocka_unit_test(recording_allocates_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
