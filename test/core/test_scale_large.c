/* One event of 64 MB in one line, as a base64 image comes: it passes whole, its cost grows in
 * proportion to its size, and what is above event_bytes_max is LEAT_EEVENTMAX.
 *
 * The cost is counted, not timed: bytes that the engine copied, and bytes that growing a buffer
 * may have moved. The time is compared too, with a bound that only a quadratic cost exceeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "bench/mock/text.h"
#include "support/scale.h"

#define SEED  42
#define MB    ((size_t)1000 * 1000)
#define MIB   ((size_t)1024 * 1024)
#define CHECK 4096

typedef struct test {
  scale scale;
  size_t expected; /* content bytes of the large event */
  unsigned large, small, dones;
  int error;
  uint64_t received;
  uint64_t moved; /* old bytes of every block that grew */
  leat_allocator inner;
} test;

typedef struct cost {
  uint64_t copied, moved, allocations, peak, ns;
} cost;

static void check_letters(leat_slice text) {
  char piece[CHECK];
  for (size_t at = 0; at < text.size; at += CHECK) {
    size_t size = text.size - at < CHECK ? text.size - at : CHECK;
    mock_text_letters(SEED, at, piece, size);
    if (memcmp(text.data + at, piece, size) != 0) fail_msg("differs behind byte %zu", at);
  }
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  test *t = user;
  (void)e, (void)id;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  if (event->text.size <= MOCK_TEXT_PIECE_MAX) {
    t->small++;
    return LEAT_CONTINUE;
  }
  t->large++;
  assert_int_equal(event->text.size, t->expected);
  check_letters(event->text);
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  test *t = user;
  (void)e, (void)id;
  t->dones++;
  t->error = result->error;
  t->received = result->bytes_received;
}

/* Asks for one event with `size` bytes of content and two of the usual kind; returns the error. */
static int fetch(test *t, size_t size, cost *spent) {
  char fault[40], path[64];
  leat_header headers[] = {{lti_slice_of("x-mock-fault"), lti_slice_of("")}};
  leat_request q;
  leat_id id;
  leat_stats before = scale_stats(&t->scale), after;
  uint64_t begin = uv_hrtime();
  snprintf(fault, sizeof fault, "big=%zu", size);
  snprintf(path, sizeof path, "/v1/chat/completions?n=2&ttft=0&ms=0&seed=%d", SEED);
  headers[0].value = lti_slice_of(fault);
  leat_request_init(&q);
  q.body = lti_slice_of("{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
  q.path = path;
  q.headers = headers;
  q.header_count = 1;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = t;
  t->expected = size;
  t->large = t->small = t->dones = 0;
  t->moved = 0;
  t->scale.memory.peak_bytes = t->scale.memory.live_bytes;
  assert_int_equal(leat_submit(t->scale.engine, &q, &id), LEAT_OK);
  scale_run(&t->scale);
  assert_int_equal(t->dones, 1);
  after = scale_stats(&t->scale);
  *spent = (cost){.copied = after.bytes_copied - before.bytes_copied,
                  .moved = t->moved,
                  .allocations = after.allocations - before.allocations,
                  .peak = t->scale.memory.peak_bytes,
                  .ns = uv_hrtime() - begin};
  print_message(
      "%5.1f MB: %s, %.1f MB copied, %.1f MB moved, %llu allocations, peak %.1f MB, "
      "%.2f s\n",
      (double)size / 1e6, leat_error_name(t->error), (double)spent->copied / 1e6,
      (double)spent->moved / 1e6, (unsigned long long)spent->allocations, (double)spent->peak / 1e6,
      (double)spent->ns / 1e9);
  return t->error;
}

static void test_an_event_of_64_mb_passes_whole_at_linear_cost(void **state) {
  test *t = *state;
  cost first, small, large;
  assert_int_equal(fetch(t, 1 * MB, &first), LEAT_OK);
  assert_int_equal(fetch(t, 16 * MB, &small), LEAT_OK);
  assert_int_equal(t->large, 1);
  assert_int_equal(t->small, 2);
  assert_int_equal(fetch(t, 64 * MB, &large), LEAT_OK);
  assert_int_equal(t->large, 1);
  assert_int_equal(t->small, 2);
  /* Each byte is gathered once, and moved once more by buffers that double. */
  assert_true(large.copied <= 64 * MB + 64 * 1024);
  assert_true(large.copied * 10 <= small.copied * 45);
  assert_true(large.moved <= 2 * 64 * MB);
  /* Over HTTP/2 each WINDOW_UPDATE is a frame, and a block of nghttp2's. */
  size_t updates = t->scale.config.http == LEAT_HTTP_2 ? 64 * MB / (128 * 1024) : 0;
  assert_true(large.allocations <= small.allocations + 16 + updates);
  assert_true(large.peak <= 3 * 64 * MIB);
  assert_true(large.ns <= 12 * small.ns);
  /* The buffers of a large event go with it. */
  assert_true(t->scale.memory.live_bytes < 4 * MIB);
}

static void test_an_event_above_event_bytes_max_is_an_error_of_that_name(void **state) {
  test *t = *state;
  cost over;
  assert_int_equal(fetch(t, 64 * MIB, &over), LEAT_EEVENTMAX);
  assert_int_equal(t->large, 0);
  assert_true(over.peak <= 3 * 64 * MIB);
  assert_true(t->received <= 65 * MIB);
  assert_true(t->scale.memory.live_bytes < 4 * MIB);
  /* The engine goes on. */
  assert_int_equal(fetch(t, 1 * MB, &over), LEAT_OK);
  assert_int_equal(t->large, 1);
}

static void test_the_limit_is_the_callers(void **state) {
  test *t = *state;
  cost any;
  assert_int_equal(fetch(t, 100 * 1024 - 1024, &any), LEAT_OK);
  assert_int_equal(t->large, 1);
  assert_int_equal(fetch(t, 100 * 1024, &any), LEAT_EEVENTMAX);
  assert_true(any.peak < MIB);
}

/* ---- an allocator that says how much growing has cost */

static void *count_malloc(void *user, size_t size) {
  test *t = user;
  return t->inner.malloc(t->inner.user, size);
}

static void *count_realloc(void *user, void *ptr, size_t old_size, size_t new_size) {
  test *t = user;
  t->moved += old_size;
  return t->inner.realloc(t->inner.user, ptr, old_size, new_size);
}

static void count_free(void *user, void *ptr) {
  test *t = user;
  t->inner.free(t->inner.user, ptr);
}

static int setup(void **state) {
  test *t = *state;
  scale_open(&t->scale);
  return 0;
}

static int setup_h2(void **state) {
  test *t = *state;
  t->scale.config.http = LEAT_HTTP_2;
  scale_open(&t->scale);
  return 0;
}

static int setup_low(void **state) {
  test *t = *state;
  t->scale.config.event_bytes_max = 100 * 1024;
  scale_open(&t->scale);
  return 0;
}

static int teardown(void **state) {
  test *t = *state;
  scale_close(&t->scale);
  t->scale.config.http = LEAT_HTTP_1;
  return 0;
}

int main(void) {
  static test t;
  static const char *const options[] = {"--quiet", NULL};
  if (!scale_init(&t.scale, options, 110)) return 77;
  t.inner = failing_allocator(&t.scale.memory);
  t.scale.config.allocator = (leat_allocator){count_malloc, count_realloc, count_free, &t};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate_setup_teardown(test_an_event_of_64_mb_passes_whole_at_linear_cost,
                                               setup, teardown, &t),
      cmocka_unit_test_prestate_setup_teardown(test_an_event_of_64_mb_passes_whole_at_linear_cost,
                                               setup_h2, teardown, &t),
      cmocka_unit_test_prestate_setup_teardown(
          test_an_event_above_event_bytes_max_is_an_error_of_that_name, setup, teardown, &t),
      cmocka_unit_test_prestate_setup_teardown(test_the_limit_is_the_callers, setup_low, teardown,
                                               &t),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  scale_deinit(&t.scale);
  return failed;
}
