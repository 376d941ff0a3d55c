/* The out-queue: order, all-or-nothing, chunk sizes, secrets, and a naive model. */
#include "base/outq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/prng.h"
#include "support/failing.h"

/* The whole queue in one piece, read through vectors of at most `max` at a time. */
static void flatten(const lti_outq *q, lti_buf *out) {
  struct iovec v[64];
  int n = lti_outq_peek(q, v, 64);
  lti_buf_clear(out);
  for (int i = 0; i < n; i++) {
    assert_true(v[i].iov_len > 0);
    assert_int_equal(lti_buf_append(out, lti_slice(v[i].iov_base, v[i].iov_len)), 0);
  }
}

static void an_empty_queue_has_no_memory_and_no_vectors(void **state) {
  (void)state;
  failing f;
  lti_alloc a;
  lti_outq q;
  struct iovec v;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_outq_init(&q, &a);
  assert_int_equal(lti_outq_append(&q, lti_slice(NULL, 0)), 0);
  assert_int_equal(lti_outq_peek(&q, &v, 1), 0);
  lti_outq_drain(&q, 0);
  lti_outq_trim(&q);
  assert_int_equal(f.calls, 0);
  lti_outq_deinit(&q);
  failing_deinit(&f);
}

static void a_short_request_costs_one_small_block_that_is_used_again(void **state) {
  (void)state;
  failing f;
  lti_alloc a;
  lti_outq q;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_outq_init(&q, &a);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(lti_outq_append(&q, lti_slice_of("POST / HTTP/1.1\r\n\r\n")), 0);
    lti_outq_drain(&q, 19);
  }
  assert_int_equal(f.calls, 1);
  assert_int_equal(f.live_bytes, 4096);
  lti_outq_trim(&q);
  assert_int_equal(f.live_blocks, 0);
  lti_outq_deinit(&q);
  failing_deinit(&f);
}

static void a_long_body_takes_few_blocks_of_bounded_size(void **state) {
  (void)state;
  static char body[1 << 20];
  failing f;
  lti_alloc a;
  lti_outq q;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_outq_init(&q, &a);
  for (size_t i = 0; i < 1 << 12; i++) {
    assert_int_equal(lti_outq_append(&q, lti_slice(body + i * 256, 256)), 0);
  }
  assert_true(f.calls <= 24);
  assert_int_equal(lti_outq_size(&q), sizeof body);
  lti_outq_drain(&q, sizeof body);
  lti_outq_trim(&q);
  f.calls = 0;
  assert_int_equal(lti_outq_append(&q, lti_slice(body, sizeof body)), 0);
  assert_true(f.calls <= 18);
  struct iovec v[2];
  assert_int_equal(lti_outq_peek(&q, v, 2), 2);
  assert_true(v[0].iov_len <= 65536);
  lti_outq_deinit(&q);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

static void key_07_chunks_are_overwritten_before_they_go(void **state) {
  (void)state;
  failing f;
  lti_alloc a;
  lti_outq q;
  failing_init(&f, 0);
  f.canary = "sk-canary";
  leat_allocator fns = failing_allocator(&f);
  lti_alloc_init(&a, &fns);
  lti_outq_init(&q, &a);
  for (int i = 0; i < 5000; i++) {
    assert_int_equal(lti_outq_append(&q, lti_slice_of("sk-canary ")), 0);
  }
  lti_outq_drain(&q, 20000);
  lti_outq_drain(&q, 30000);
  assert_int_equal(lti_outq_append(&q, lti_slice_of("sk-")), 0);
  lti_outq_drain(&q, 3);
  lti_outq_trim(&q);
  assert_int_equal(f.live_blocks, 0);
  assert_int_equal(lti_outq_append(&q, lti_slice_of("sk-canary")), 0);
  lti_outq_deinit(&q);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

static void random_steps_agree_with_a_plain_buffer(void **state) {
  (void)state;
  static char piece[100000];
  lti_prng r;
  lti_alloc a;
  lti_outq q;
  lti_buf model, seen;
  lti_alloc_init(&a, NULL);
  lti_prng_seed(&r, 2);
  lti_outq_init(&q, &a);
  lti_buf_init(&model, &a, 1 << 22, LEAT_EBODYMAX);
  lti_buf_init(&seen, &a, 1 << 22, LEAT_EBODYMAX);
  for (int step = 0; step < 2000; step++) {
    bool large = lti_prng_below(&r, 10) == 0;
    size_t n = (size_t)lti_prng_below(&r, large ? sizeof piece : 5000);
    if (lti_prng_below(&r, 2) && model.size < 500000) {
      for (size_t i = 0; i < n; i++) piece[i] = (char)(i + (size_t)step);
      assert_int_equal(lti_outq_append(&q, lti_slice(piece, n)), 0);
      assert_int_equal(lti_buf_append(&model, lti_slice(piece, n)), 0);
    } else {
      if (n > model.size || lti_prng_below(&r, 30) == 0) n = model.size;
      lti_outq_drain(&q, n);
      lti_buf_consume(&model, n);
      if (lti_prng_below(&r, 4) == 0) lti_outq_trim(&q);
    }
    assert_int_equal(lti_outq_size(&q), model.size);
    flatten(&q, &seen);
    assert_true(lti_slice_equal(lti_buf_slice(&seen), lti_buf_slice(&model)));
  }
  lti_outq_deinit(&q);
  lti_buf_deinit(&model);
  lti_buf_deinit(&seen);
}

static void fill_and_drain(const leat_allocator *fns, void *ctx) {
  static char body[200000];
  lti_alloc a;
  lti_outq q;
  size_t size = 0;
  (void)ctx;
  lti_alloc_init(&a, fns);
  lti_outq_init(&q, &a);
  for (size_t n = 1; n < sizeof body; n *= 5) {
    int error = lti_outq_append(&q, lti_slice(body, n));
    assert_true(error == 0 || error == LEAT_ENOMEM);
    if (!error) size += n;
    assert_int_equal(lti_outq_size(&q), size);
    struct iovec v[64];
    size_t sum = 0;
    for (int i = 0, count = lti_outq_peek(&q, v, 64); i < count; i++) sum += v[i].iov_len;
    assert_int_equal(sum, size);
  }
  lti_outq_drain(&q, size / 2);
  lti_outq_deinit(&q);
}

static void every_failed_allocation_leaves_it_as_it_was(void **state) {
  (void)state;
  assert_true(failing_at_every_n(fill_and_drain, NULL) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_queue_has_no_memory_and_no_vectors),
      cmocka_unit_test(a_short_request_costs_one_small_block_that_is_used_again),
      cmocka_unit_test(a_long_body_takes_few_blocks_of_bounded_size),
      cmocka_unit_test(key_07_chunks_are_overwritten_before_they_go),
      cmocka_unit_test(random_steps_agree_with_a_plain_buffer),
      cmocka_unit_test(every_failed_allocation_leaves_it_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
