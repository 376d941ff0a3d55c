/* The growing buffer: bound, failure without change, secrets, numbers, and a naive model. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/failing.h"

static void appends_up_to_max_and_stays_as_it_was_beyond(void **state) {
  (void)state;
  lti_alloc a;
  lti_buf b;
  lti_alloc_init(&a, NULL);
  for (size_t max = 0; max < 200; max++) {
    lti_buf_init(&b, &a, max, LEAT_EEVENTMAX);
    for (size_t i = 0; i < max; i++) assert_int_equal(lti_buf_byte(&b, 'x'), LEAT_OK);
    assert_int_equal(lti_buf_byte(&b, 'y'), LEAT_EEVENTMAX);
    assert_int_equal(lti_buf_text(&b, "yy"), LEAT_EEVENTMAX);
    assert_int_equal(lti_buf_reserve(&b, SIZE_MAX), LEAT_EEVENTMAX);
    assert_int_equal(lti_buf_text(&b, ""), LEAT_OK);
    assert_int_equal(lti_buf_slice(&b).size, max);
    for (size_t i = 0; i < max; i++) assert_int_equal(b.data[i], 'x');
    lti_buf_deinit(&b);
  }
}

static void a_buffer_without_bound_still_refuses_what_cannot_be(void **state) {
  (void)state;
  lti_alloc a;
  lti_buf b;
  lti_alloc_init(&a, NULL);
  lti_buf_init(&b, &a, SIZE_MAX, LEAT_EBODYMAX);
  assert_int_equal(lti_buf_text(&b, "abc"), LEAT_OK);
  assert_int_equal(lti_buf_reserve(&b, SIZE_MAX), LEAT_EBODYMAX);
  assert_int_equal(lti_buf_reserve(&b, SIZE_MAX / 2 + 1), LEAT_EBODYMAX);
  assert_int_equal(b.size, 3);
  lti_buf_deinit(&b);
}

static void writes_numbers_and_formats(void **state) {
  (void)state;
  lti_alloc a;
  lti_buf b;
  lti_alloc_init(&a, NULL);
  lti_buf_init(&b, &a, 1000, LEAT_EBODYMAX);
  assert_int_equal(lti_buf_u64(&b, 0), 0);
  assert_int_equal(lti_buf_byte(&b, ' '), 0);
  assert_int_equal(lti_buf_u64(&b, UINT64_MAX), 0);
  assert_int_equal(lti_buf_byte(&b, ' '), 0);
  assert_int_equal(lti_buf_i64(&b, INT64_MIN), 0);
  assert_int_equal(lti_buf_byte(&b, ' '), 0);
  assert_int_equal(lti_buf_i64(&b, 42), 0);
  assert_int_equal(lti_buf_format(&b, " %s=%d", "x", -7), 0);
  assert_int_equal(lti_buf_format(&b, "%s", ""), 0);
  assert_true(
      lti_slice_is(lti_buf_slice(&b), "0 18446744073709551615 -9223372036854775808 42 x=-7"));
  lti_buf_deinit(&b);
}

static void a_format_or_number_that_does_not_fit_leaves_nothing(void **state) {
  (void)state;
  lti_alloc a;
  lti_buf b;
  lti_alloc_init(&a, NULL);
  lti_buf_init(&b, &a, 5, LEAT_EBODYMAX);
  assert_int_equal(lti_buf_format(&b, "%s", "123456"), LEAT_EBODYMAX);
  assert_int_equal(lti_buf_i64(&b, -12345), LEAT_EBODYMAX);
  assert_int_equal(b.size, 0);
  assert_int_equal(lti_buf_format(&b, "%s", "12345"), 0);
  assert_int_equal(lti_buf_i64(&b, -1), LEAT_EBODYMAX);
  assert_true(lti_slice_is(lti_buf_slice(&b), "12345"));
  lti_buf_clear(&b);
  assert_int_equal(lti_buf_i64(&b, -1234), 0);
  assert_true(lti_slice_is(lti_buf_slice(&b), "-1234"));
  lti_buf_deinit(&b);
}

static void shrinks_only_when_empty_and_large(void **state) {
  (void)state;
  failing f;
  lti_alloc a;
  lti_buf b;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_buf_init(&b, &a, 10000, LEAT_EBODYMAX);
  assert_int_equal(lti_buf_reserve(&b, 5000), 0);
  assert_int_equal(lti_buf_byte(&b, 'x'), 0);
  lti_buf_shrink(&b, 100);
  assert_int_equal(f.live_blocks, 1);
  lti_buf_clear(&b);
  lti_buf_shrink(&b, 10000);
  assert_int_equal(f.live_blocks, 1);
  lti_buf_shrink(&b, 100);
  assert_int_equal(f.live_blocks, 0);
  assert_int_equal(lti_buf_byte(&b, 'y'), 0);
  lti_buf_shrink(&b, 0);
  assert_true(lti_slice_is(lti_buf_slice(&b), "y"));
  lti_buf_deinit(&b);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

static void key_07_a_secret_is_overwritten_wherever_it_moves(void **state) {
  (void)state;
  failing f;
  lti_alloc a;
  lti_buf b;
  failing_init(&f, 0);
  f.canary = "sk-canary";
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_buf_init(&b, &a, 10000, LEAT_EBODYMAX);
  b.secret = true;
  for (int i = 0; i < 200; i++) assert_int_equal(lti_buf_text(&b, "sk-canary "), 0);
  lti_buf_consume(&b, 995);
  lti_buf_clear(&b);
  lti_buf_shrink(&b, 0);
  assert_int_equal(lti_buf_text(&b, "sk-canary"), 0);
  lti_buf_deinit(&b);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

static void appends_in_linear_time(void **state) {
  (void)state;
  lti_alloc a;
  lti_buf b;
  lti_alloc_init(&a, NULL);
  lti_buf_init(&b, &a, 1 << 24, LEAT_EBODYMAX);
  for (int i = 0; i < 1 << 20; i++) assert_int_equal(lti_buf_byte(&b, 'x'), 0);
  assert_true(a.calls < 24);
  lti_buf_deinit(&b);
}

static void random_steps_agree_with_a_plain_array(void **state) {
  (void)state;
  static char model[4096];
  char piece[300];
  lti_prng r;
  lti_alloc a;
  lti_buf b;
  size_t size = 0;
  lti_alloc_init(&a, NULL);
  lti_prng_seed(&r, 1);
  lti_buf_init(&b, &a, sizeof model, LEAT_EBODYMAX);
  for (int step = 0; step < 20000; step++) {
    uint64_t what = lti_prng_below(&r, 10);
    if (what < 7) {
      size_t n = (size_t)lti_prng_below(&r, sizeof piece);
      for (size_t i = 0; i < n; i++) piece[i] = (char)lti_prng_next(&r);
      int error = lti_buf_append(&b, lti_slice(piece, n));
      assert_int_equal(error, n > sizeof model - size ? LEAT_EBODYMAX : 0);
      if (!error) memcpy(model + size, piece, n);
      if (!error) size += n;
    } else if (what < 9) {
      size_t n = (size_t)lti_prng_below(&r, size + 1);
      lti_buf_consume(&b, n);
      memmove(model, model + n, size - n);
      size -= n;
    } else if (lti_prng_below(&r, 20) == 0) {
      lti_buf_clear(&b);
      lti_buf_shrink(&b, 500);
      size = 0;
    }
    assert_true(lti_slice_equal(lti_buf_slice(&b), lti_slice(model, size)));
  }
  lti_buf_deinit(&b);
}

static void fill(const leat_allocator *fns, void *ctx) {
  lti_alloc a;
  lti_buf b;
  lti_alloc_init(&a, fns);
  lti_buf_init(&b, &a, 2000, LEAT_EBODYMAX);
  b.secret = *(bool *)ctx;
  size_t size = 0;
  for (int i = 0; i < 100; i++) {
    int error = i % 2 ? lti_buf_i64(&b, -100) : lti_buf_format(&b, "%d", 1000);
    assert_true(error == 0 || error == LEAT_ENOMEM);
    if (!error) size += 4;
    assert_int_equal(b.size, size);
  }
  lti_buf_deinit(&b);
}

static void every_failed_allocation_leaves_it_as_it_was(void **state) {
  (void)state;
  bool secret = false;
  assert_true(failing_at_every_n(fill, &secret) > 2);
  secret = true;
  assert_true(failing_at_every_n(fill, &secret) > 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(appends_up_to_max_and_stays_as_it_was_beyond),
      cmocka_unit_test(a_buffer_without_bound_still_refuses_what_cannot_be),
      cmocka_unit_test(writes_numbers_and_formats),
      cmocka_unit_test(a_format_or_number_that_does_not_fit_leaves_nothing),
      cmocka_unit_test(shrinks_only_when_empty_and_large),
      cmocka_unit_test(key_07_a_secret_is_overwritten_wherever_it_moves),
      cmocka_unit_test(appends_in_linear_time),
      cmocka_unit_test(random_steps_agree_with_a_plain_array),
      cmocka_unit_test(every_failed_allocation_leaves_it_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
