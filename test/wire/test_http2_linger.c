/* Streams whose answers are whole before their streams have ended: their ends are awaited, for a
 * second and by few, instead of a reset for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/h2_ways.h"

#define SECOND 1000000000u

typedef struct test {
  h2_record record;
  h2_script script;
} test;

static int begin(void **state) {
  test *t = calloc(1, sizeof *t);
  if (!t) return -1;
  h2_script_init(&t->script);
  assert_true(h2_record_init(&t->record, NULL, NULL));
  *state = t;
  return 0;
}

static int finish(void **state) {
  test *t = *state;
  h2_record_over(&t->record, LEAT_ERESET, "over");
  assert_int_equal(t->record.breaches, 0);
  h2_record_deinit(&t->record);
  h2_script_deinit(&t->script);
  free(t);
  return 0;
}

static void feed(test *t, uint64_t now_ns) {
  assert_int_equal(h2_record_feed(&t->record, h2_script_bytes(&t->script), now_ns), LTI_OK);
  h2_script_clear(&t->script);
}

/* Opens `count` streams and answers each but for its end. `streams_max` 0: the server sets none. */
static void answer(test *t, size_t count, uint32_t streams_max) {
  const uint32_t most[] = {3, streams_max};
  for (size_t i = 0; i < count; i++)
    assert_int_equal(h2_record_open(&t->record, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(&t->record);
  h2_greet(&t->script);
  if (streams_max) h2_settings(&t->script, most, 1);
  for (uint32_t i = 0; i < count; i++) {
    h2_ok(&t->script, 2 * i + 1, 0);
    h2_text(&t->script, 2 * i + 1, 0, "data: [DONE]\n\n");
  }
  feed(t, SECOND);
}

static void release(test *t, size_t i) {
  t->record.calls[i].over = true;
  lti_http2_release(t->record.codec, &t->record.calls[i].stream);
  assert_int_equal(t->record.calls[i].stream.id, 0);
  h2_record_drain(&t->record);
}

static size_t resets(const test *t, uint32_t id) {
  return h2_count(h2_behind_preface(lti_buf_slice(&t->record.sent)), H2_RST_STREAM, id);
}

static void test_an_end_that_comes_is_waited_for(void **state) {
  test *t = *state;
  answer(t, 2, 10);
  release(t, 0);
  assert_int_equal(lti_http2_active(t->record.codec), 1);
  assert_int_equal(lti_http2_slots(t->record.codec), 8); /* the server still counts it */
  h2_text(&t->script, 1, 0, ": late\n\n");
  h2_text(&t->script, 1, H2_END_STREAM, "");
  feed(t, SECOND + 1000000);
  assert_int_equal(lti_http2_slots(t->record.codec), 9);
  h2_ping(&t->script, 0);
  feed(t, 10ull * SECOND);
  assert_int_equal(resets(t, 1), 0);
  assert_int_equal(t->record.calls[0].body_size, 14); /* nothing came behind its release */
}

static void test_an_end_that_stays_away_is_not_waited_for_long(void **state) {
  test *t = *state;
  answer(t, 1, 10);
  release(t, 0);
  h2_ping(&t->script, 0);
  feed(t, SECOND + 900000000u);
  assert_int_equal(resets(t, 1), 0);
  h2_ping(&t->script, 0);
  feed(t, 2ull * SECOND);
  assert_int_equal(resets(t, 1), 1);
  assert_int_equal(lti_http2_slots(t->record.codec), 10);
}

static void test_half_of_the_servers_streams_may_linger(void **state) {
  test *t = *state;
  answer(t, 4, 4);
  for (size_t i = 0; i < 4; i++) release(t, i);
  assert_int_equal(resets(t, 1), 1);
  assert_int_equal(resets(t, 3), 1);
  assert_int_equal(resets(t, 5) + resets(t, 7), 0);
  assert_int_equal(lti_http2_slots(t->record.codec), 2);
}

static void test_none_lingers_where_there_is_one_stream(void **state) {
  test *t = *state;
  answer(t, 1, 1);
  release(t, 0);
  assert_int_equal(resets(t, 1), 1);
  assert_int_equal(lti_http2_slots(t->record.codec), 1);
}

static void test_no_more_than_sixty_four_linger(void **state) {
  test *t = *state;
  for (size_t round = 0; round < 2; round++) {
    size_t first = round * 40;
    if (round) t->record.count = 0, memset(t->record.calls, 0, sizeof t->record.calls);
    for (size_t i = 0; i < 40; i++)
      assert_int_equal(h2_record_open(&t->record, &h2_get, lti_slice(NULL, 0)), LTI_OK);
    h2_record_drain(&t->record);
    if (!round) h2_greet(&t->script);
    for (size_t i = first; i < first + 40; i++) h2_ok(&t->script, (uint32_t)(2 * i + 1), 0);
    feed(t, SECOND);
    for (size_t i = 0; i < 40; i++) release(t, i);
  }
  for (uint32_t i = 0; i < 80; i++) assert_int_equal(resets(t, 2 * i + 1), i < 16);
}

static void test_an_upload_that_has_not_left_is_reset(void **state) {
  test *t = *state;
  const lti_http_request post = {
      .method = "POST", .path = {"/", 1}, .host = {"h", 1}, .has_body = true, .body_size = 100000};
  char *body = calloc(1, 100000);
  assert_non_null(body);
  assert_int_equal(h2_record_open(&t->record, &post, lti_slice(body, 100000)), LTI_OK);
  h2_record_drain(&t->record);
  h2_greet(&t->script);
  h2_ok(&t->script, 1, 0);
  feed(t, SECOND);
  release(t, 0);
  assert_int_equal(resets(t, 1), 1);
  free(body);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)
  const struct CMUnitTest tests[] = {
      TEST(test_an_end_that_comes_is_waited_for),
      TEST(test_an_end_that_stays_away_is_not_waited_for_long),
      TEST(test_half_of_the_servers_streams_may_linger),
      TEST(test_none_lingers_where_there_is_one_stream),
      TEST(test_no_more_than_sixty_four_linger),
      TEST(test_an_upload_that_has_not_left_is_reset),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
