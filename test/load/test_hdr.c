/* HdrHistogram V2: what is written comes back, what another library wrote is read, and what is
 * damaged is refused. */
#include "bench/load/result/hdr.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "bindings/cli/base64.h"
#include "bindings/cli/program.h"
#include "support/failing.h"

#define HOUR UINT64_C(3600000000)

static lti_buf text_of(const lti_hist *h) {
  lti_buf out;
  lti_buf_init(&out, cli_program_alloc(), SIZE_MAX, LEAT_EBODYMAX);
  assert_int_equal(hdr_write(h, &out), LEAT_OK);
  return out;
}

static void assert_same_buckets(const lti_hist *a, const lti_hist *b) {
  size_t i = 0, k = 0;
  lti_hist_bucket x, y;
  while (lti_hist_next(a, &i, &x)) {
    assert_true(lti_hist_next(b, &k, &y));
    assert_int_equal(x.index, y.index);
    assert_int_equal(x.count, y.count);
  }
  assert_false(lti_hist_next(b, &k, &y));
}

static void assert_comes_back(const lti_hist *h) {
  lti_buf text = text_of(h), again;
  lti_hist *back = lti_hist_new(cli_program_alloc());
  assert_true(hdr_read(lti_buf_slice(&text), back));
  assert_same_buckets(h, back);
  again = text_of(back);
  assert_true(lti_slice_equal(lti_buf_slice(&text), lti_buf_slice(&again)));
  lti_buf_deinit(&text);
  lti_buf_deinit(&again);
  lti_hist_free(back);
}

static void histograms_come_back(void **state) {
  lti_prng r;
  (void)state;
  lti_prng_seed(&r, 5);
  for (size_t n = 0; n < 20000; n = n * 5 + 1) {
    lti_hist *h = lti_hist_new(cli_program_alloc());
    for (size_t i = 0; i < n; i++)
      lti_hist_record(h, (uint64_t)exp(lti_prng_unit(&r) * log(3.6e9)) - 1);
    assert_comes_back(h);
    lti_hist_free(h);
  }
}

static void large_counts_come_back(void **state) {
  (void)state;
  for (uint64_t count = 1; count < UINT64_C(1) << 53; count *= 3) {
    lti_hist *h = lti_hist_new(cli_program_alloc());
    lti_hist_add(h, 0, count);
    assert_comes_back(h);
    lti_hist_free(h);
  }
}

static void borders_come_back(void **state) {
  static const uint64_t values[] = {0,    1,    2046,    2047,          2048,     2049,
                                    4095, 4096, 1 << 20, (1 << 20) - 1, HOUR - 1, HOUR};
  (void)state;
  lti_hist *all = lti_hist_new(cli_program_alloc());
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    lti_hist *h = lti_hist_new(cli_program_alloc());
    lti_hist_record(h, values[i]);
    lti_hist_record(all, values[i]);
    assert_comes_back(h);
    lti_hist_free(h);
  }
  assert_comes_back(all);
  lti_hist_free(all);
}

static void reading_adds(void **state) {
  (void)state;
  lti_hist *h = lti_hist_new(cli_program_alloc()), *sum = lti_hist_new(cli_program_alloc());
  lti_hist_add(h, 1000, 3);
  lti_buf text = text_of(h);
  assert_true(hdr_read(lti_buf_slice(&text), sum));
  assert_true(hdr_read(lti_buf_slice(&text), sum));
  assert_int_equal(lti_hist_count(sum), 6);
  lti_buf_deinit(&text);
  lti_hist_free(h);
  lti_hist_free(sum);
}

/* The header of what lies inside, byte by byte, as the format has it. */
static void the_header_is_the_formats(void **state) {
  static const unsigned char start[] = {0x1c, 0x84, 0x93, 0x14};
  (void)state;
  lti_hist *h = lti_hist_new(cli_program_alloc());
  lti_hist_add(h, 3, 5);
  lti_buf text = text_of(h), bytes;
  lti_buf_init(&bytes, cli_program_alloc(), SIZE_MAX, LEAT_EBODYMAX);
  assert_true(cli_base64_decode(lti_buf_slice(&text), &bytes));
  assert_memory_equal(bytes.data, start, sizeof start);
  uint32_t length = 0;
  for (int i = 4; i < 8; i++) length = length << 8 | (unsigned char)bytes.data[i];
  assert_int_equal(length, bytes.size - 8);
  assert_int_equal((unsigned char)bytes.data[8], 0x78); /* zlib, RFC 1950 2.2 */
  lti_buf_deinit(&text);
  lti_buf_deinit(&bytes);
  lti_hist_free(h);
}

static void damage_is_refused_and_adds_nothing(void **state) {
  lti_prng r;
  (void)state;
  lti_prng_seed(&r, 6);
  lti_hist *h = lti_hist_new(cli_program_alloc()), *to = lti_hist_new(cli_program_alloc());
  for (int i = 0; i < 500; i++) lti_hist_record(h, lti_prng_below(&r, 100000));
  lti_buf text = text_of(h);
  for (size_t i = 0; i < text.size; i++) {
    assert_false(hdr_read(lti_slice(text.data, i & ~(size_t)3), to));
    char kept = text.data[i];
    text.data[i] = kept == 'A' ? 'B' : 'A';
    /* A cookie and a zlib stream have bits that mean nothing: then it is the same histogram. */
    if (hdr_read(lti_buf_slice(&text), to)) {
      assert_same_buckets(h, to);
      lti_hist_free(to);
      to = lti_hist_new(cli_program_alloc());
    }
    text.data[i] = '!';
    assert_false(hdr_read(lti_buf_slice(&text), to));
    text.data[i] = kept;
    assert_int_equal(lti_hist_count(to), 0);
  }
  assert_false(hdr_read(lti_slice_of(""), to));
  assert_false(hdr_read(lti_slice_of("AAAA"), to));
  assert_false(hdr_read(lti_slice_of("HISTFAAAAA=="), to));
  lti_buf_deinit(&text);
  lti_hist_free(h);
  lti_hist_free(to);
}

typedef struct foreign {
  const char *text; /* base64 */
  bool fits;
  uint64_t count, p50, max; /* as that library says: the largest of the values of a bucket */
} foreign;

/* By HdrHistogram's library for JavaScript, hdr-histogram-js 3. */
static const foreign foreigns[] = {
    /* ours */
    {"HISTFAAAAC94nJNpmSzMwMDAw8DAwMjAwMDMAAEgNsO1yUsY4Hym/cYih23Zbv9kZAIAifcHSw==", true, 15, 5003,
     3600000000u},
    /* empty */
    {"HISTFAAAAB54nJNpmSzMwMDACMXMDBAAYjNcm7yEAc4HAEvsA1s=", true, 0, 0, 0u},
    /* two digits */
    {"HISTFAAAACl4nJNpmSzMwMDAxsDAwMjAwMDEAAEgNsO1yUsYYPxmdo7bfFwAY2ME5A==", true, 9, 123903,
     123903u},
    /* unit of 1024 */
    {"HISTFAAAACp4nJNpmSzMwMDAysDAwMjAwMDMAAbML0DktclLGKCAkZ/lq5MQAHHfBaU=", true, 11, 5001215,
     5001215u},
    /* five digits */
    {"HISTFAAAACV4nJNpmSzMwMDAysDAwAilGaBshmuTlzDA+PNfO7GwAQBhxwU3", true, 5, 1234575, 1234575u},
    /* other highest */
    {"HISTFAAAACd4nJNpmSzMwMDAwsDAwMjAwMDMAAEg9osrSwUYYPxgllgmAGC+BHg=", true, 3, 42, 90u},
    /* too large */
    {"HISTFAAAACl4nJNpmSzMwMDAxsDAwMjAwMDMAAEg9osrSwUYYPxglv63TEwAbYsFmw==", false, 3, 42,
     3600000000u},
    /* many */
    {"HISTFAAAACp4nJNpmSzMwMDAzcDAwMjAwMDMAAEgNsO1yUsYYHzmBggQ4GYCAIgbBwU=", true, 4503599627370497,
     2, 9u},
};

static void what_other_libraries_wrote_is_read(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof foreigns / sizeof foreigns[0]; i++) {
    lti_hist *h = lti_hist_new(cli_program_alloc());
    if (hdr_read(lti_slice_of(foreigns[i].text), h) != foreigns[i].fits) fail_msg("text %zu", i);
    if (foreigns[i].fits) {
      assert_int_equal(lti_hist_count(h), foreigns[i].count);
      assert_int_equal(lti_hist_percentile(h, 50), foreigns[i].p50);
      assert_int_equal(lti_hist_max(h), foreigns[i].max);
    }
    lti_hist_free(h);
  }
}

static void write_it(const leat_allocator *fns, void *ctx) {
  lti_alloc alloc;
  lti_buf out;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&out, &alloc, SIZE_MAX, LEAT_EBODYMAX);
  int error = hdr_write(ctx, &out);
  assert_true(error == LEAT_OK || error == LEAT_ENOMEM);
  lti_buf_deinit(&out);
}

static void read_it(const leat_allocator *fns, void *ctx) {
  const lti_buf *text = ctx;
  lti_alloc own;
  lti_alloc_init(&own, NULL);
  lti_hist *h = lti_hist_new(&own);
  lti_alloc_init(cli_program_alloc(), fns);
  if (!hdr_read(lti_buf_slice(text), h)) assert_int_equal(lti_hist_count(h), 0);
  lti_alloc_init(cli_program_alloc(), NULL);
  lti_hist_free(h);
}

static void allocations_may_fail(void **state) {
  (void)state;
  lti_hist *h = lti_hist_new(cli_program_alloc());
  for (uint64_t v = 1; v < HOUR; v = v * 5 / 4 + 1) lti_hist_record(h, v);
  failing_at_every_n(write_it, h);
  lti_buf text = text_of(h);
  failing_at_every_n(read_it, &text);
  lti_buf_deinit(&text);
  lti_hist_free(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(histograms_come_back),
      cmocka_unit_test(large_counts_come_back),
      cmocka_unit_test(borders_come_back),
      cmocka_unit_test(reading_adds),
      cmocka_unit_test(the_header_is_the_formats),
      cmocka_unit_test(damage_is_refused_and_adds_nothing),
      cmocka_unit_test(what_other_libraries_wrote_is_read),
      cmocka_unit_test(allocations_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
