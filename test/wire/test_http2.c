/* The HTTP/2 codec on answers as they should be, and on its own questions. Every script is fed
 * whole, byte by byte and cut in two at each place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/h2_ways.h"

static h2_script script;

static int begin(void **state) {
  (void)state;
  h2_script_init(&script);
  h2_settings(&script, NULL, 0);
  h2_settings_ack(&script);
  return 0;
}

static int finish(void **state) {
  (void)state;
  h2_script_deinit(&script);
  return 0;
}

static h2_record *play(size_t requests) {
  return h2_every_way(&(h2_plan){.requests = requests}, h2_script_bytes(&script));
}

static void check_complete(const h2_call *call, int status, const char *body) {
  assert_int_equal(call->completes, 1);
  assert_int_equal(call->failures, 0);
  assert_int_equal(call->status, status);
  assert_int_equal(call->body_size, strlen(body));
  if (call->body_size) assert_memory_equal(call->body, body, call->body_size);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void test_head_body_and_end(void **state) {
  (void)state;
  const char *const fields[] = {":status", "200", "content-type", "text/plain", "content-length",
                                "8",       NULL};
  h2_headers(&script, 1, 0, fields);
  h2_text(&script, 1, 0, "hello");
  h2_text(&script, 1, 0, "");
  h2_text(&script, 1, H2_END_STREAM, "you");
  h2_record *r = play(1);
  check_complete(&r->calls[0], 200, "helloyou");
  assert_true(r->calls[0].has_body);
  assert_int_equal(r->calls[0].header_count, 2);
  assert_int_equal(r->code, LTI_OK);
  h2_give_back(r);
}

static void test_answers_interleaved(void **state) {
  (void)state;
  h2_ok(&script, 3, 0);
  h2_ok(&script, 1, 0);
  h2_text(&script, 1, 0, "one");
  h2_text(&script, 3, 0, "three");
  h2_text(&script, 1, H2_END_STREAM, "");
  h2_ok(&script, 5, H2_END_STREAM);
  h2_text(&script, 3, H2_END_STREAM, "!");
  h2_record *r = play(3);
  check_complete(&r->calls[0], 200, "one");
  check_complete(&r->calls[1], 200, "three!");
  check_complete(&r->calls[2], 200, "");
  assert_false(r->calls[2].has_body);
  h2_give_back(r);
}

static void test_answers_without_a_body(void **state) {
  (void)state;
  static const lti_http_request head = {
      .method = "HEAD", .path = {"/", 1}, .host = {"a", 1}, .credentials_from = 9};
  const char *const none[] = {":status", "204", NULL};
  const char *const kept[] = {":status", "304", "content-length", "99", NULL};
  const char *const zero[] = {":status", "200", "content-length", "0", NULL};
  h2_headers(&script, 1, 0, none);
  h2_text(&script, 1, H2_END_STREAM, "");
  h2_headers(&script, 3, H2_END_STREAM, kept);
  h2_headers(&script, 5, 0, zero);
  h2_text(&script, 5, H2_END_STREAM, "");
  h2_record *r = play(3);
  check_complete(&r->calls[0], 204, "");
  check_complete(&r->calls[1], 304, "");
  check_complete(&r->calls[2], 200, "");
  for (size_t i = 0; i < 3; i++) assert_false(r->calls[i].has_body);
  h2_give_back(r);
  h2_script_clear(&script);
  h2_settings(&script, NULL, 0);
  const char *const long_head[] = {":status", "200", "content-length", "99", NULL};
  h2_headers(&script, 1, H2_END_STREAM, long_head);
  r = h2_every_way(&(h2_plan){.requests = 1, .request = &head}, h2_script_bytes(&script));
  check_complete(&r->calls[0], 200, "");
  h2_give_back(r);
}

static void test_padding_is_no_body(void **state) {
  (void)state;
  h2_ok(&script, 1, 0);
  h2_frame(&script, H2_DATA, H2_PADDED, 1, lti_slice("\3hello\0\0\0", 9));
  h2_frame(&script, H2_DATA, H2_PADDED, 1, lti_slice("\3\0\0\0", 4));
  h2_frame(&script, H2_DATA, H2_PADDED | H2_END_STREAM, 1, lti_slice("\0!", 2));
  h2_record *r = play(1);
  check_complete(&r->calls[0], 200, "hello!");
  h2_give_back(r);
}

static void test_trailers_end_an_answer_and_are_ignored(void **state) {
  (void)state;
  const char *const trailers[] = {"x-sum", "1", "grpc-status", "0", NULL};
  h2_ok(&script, 1, 0);
  h2_text(&script, 1, 0, "ok");
  h2_headers(&script, 1, H2_END_STREAM, trailers);
  h2_record *r = play(1);
  check_complete(&r->calls[0], 200, "ok");
  assert_int_equal(r->calls[0].header_count, 0);
  h2_give_back(r);
}

static void test_interim_answers_are_skipped(void **state) {
  (void)state;
  const char *const hints[] = {":status", "103", "link", "</a>", NULL};
  for (int i = 0; i < 32; i++) h2_headers(&script, 1, 0, hints);
  h2_ok(&script, 1, 0);
  h2_text(&script, 1, H2_END_STREAM, "ok");
  h2_record *r = play(1);
  check_complete(&r->calls[0], 200, "ok");
  assert_int_equal(r->calls[0].header_count, 0);
  h2_give_back(r);
}

static void test_header_block_in_many_frames(void **state) {
  (void)state;
  h2_script block;
  h2_script_init(&block);
  h2_field(&block, lti_slice_of(":status"), lti_slice_of("200"), false);
  h2_field(&block, lti_slice_of("content-type"), lti_slice_of("text/event-stream"), true);
  h2_field(&block, lti_slice_of("x-empty"), lti_slice_of(""), false);
  leat_slice all = h2_script_bytes(&block);
  size_t third = all.size / 3;
  h2_frame(&script, H2_HEADERS, 0, 1, lti_slice(all.data, third));
  h2_frame(&script, H2_CONTINUATION, 0, 1, lti_slice(all.data + third, third));
  h2_frame(&script, H2_CONTINUATION, H2_END_HEADERS, 1, lti_slice_from(all, 2 * third));
  h2_text(&script, 1, H2_END_STREAM, "ok");
  h2_record *r = play(1);
  check_complete(&r->calls[0], 200, "ok");
  assert_int_equal(r->calls[0].header_count, 2);
  h2_give_back(r);
  h2_script_deinit(&block);
}

/* More frames than a batch has room for, with heads among them. */
static void test_more_than_a_batch(void **state) {
  (void)state;
  h2_ok(&script, 1, 0);
  for (int i = 0; i < 300; i++) {
    h2_text(&script, 1, 0, "abc");
    if (i % 10 == 0) h2_ok(&script, (uint32_t)(3 + i / 5), i % 20 ? 0 : H2_END_STREAM);
  }
  h2_text(&script, 1, H2_END_STREAM, "");
  h2_record *r = play(31);
  assert_int_equal(r->calls[0].body_size, 900);
  assert_int_equal(r->calls[0].completes, 1);
  for (size_t i = 1; i < 31; i++) {
    assert_int_equal(r->calls[i].heads, 1);
    assert_int_equal(r->calls[i].completes, i % 2);
  }
  h2_give_back(r);
}

static void test_hundreds_of_heads_at_once(void **state) {
  (void)state;
  char value[1000];
  memset(value, 'v', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  const char *const fields[] = {":status", "200", "x-a", value, "x-b", value, "x-c", value, NULL};
  for (uint32_t id = 1; id < 121; id += 2) h2_headers(&script, id, H2_END_STREAM, fields);
  h2_record *r = h2_play(&(h2_plan){.requests = 60}, h2_script_bytes(&script), NULL, 0);
  for (size_t i = 0; i < 60; i++) {
    check_complete(&r->calls[i], 200, "");
    assert_int_equal(r->calls[i].header_count, 3);
    assert_int_equal(r->calls[i].head_hash, r->calls[0].head_hash);
  }
  h2_give_back(r);
}

static void test_unknown_frames_and_settings_are_passed_over(void **state) {
  (void)state;
  const uint32_t entries[] = {0x77, 5, 0x3, 200};
  h2_frame(&script, 0x42, 0xff, 1, lti_slice_of("whatever"));
  h2_frame(&script, 0xa, 0, 0, lti_slice_of("\0\0"));         /* ALTSVC */
  h2_frame(&script, 0x10, 0, 0, lti_slice_of("\0\0\0\1u=1")); /* PRIORITY_UPDATE */
  h2_frame(&script, H2_PRIORITY, 0, 1, lti_slice("\0\0\0\0\20", 5));
  h2_settings(&script, entries, 2);
  h2_ok(&script, 1, 0);
  h2_frame(&script, 0x42, 0xff, 1, lti_slice_of("again"));
  h2_text(&script, 1, H2_END_STREAM, "ok");
  h2_record *r = play(1);
  check_complete(&r->calls[0], 200, "ok");
  h2_give_back(r);
}

/* ---- questions --------------------------------------------------------------------------------
 */

static void test_slots_and_settings(void **state) {
  (void)state;
  h2_record r;
  assert_true(h2_record_init(&r, NULL, NULL));
  assert_int_equal(lti_http2_slots(r.codec), 100);
  assert_false(lti_http2_settled(r.codec) || lti_http2_acked(r.codec));
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  assert_int_equal(lti_http2_slots(r.codec), 99);
  h2_script_clear(&script);
  const uint32_t entries[] = {0x3, 2, 0x4, 1000};
  h2_settings(&script, entries, 2);
  assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LTI_OK);
  assert_true(lti_http2_settled(r.codec));
  assert_int_equal(r.changes, 1);
  assert_int_equal(lti_http2_streams_max(r.codec), 2);
  assert_int_equal(lti_http2_slots(r.codec), 1);
  assert_int_equal(lti_http2_stream_window(r.codec), 1000);
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  assert_int_equal(lti_http2_slots(r.codec), 0);
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LEAT_ESTATE);
  h2_script_clear(&script);
  const uint32_t more[] = {0x3, 5000};
  h2_settings(&script, more, 1);
  h2_settings_ack(&script);
  h2_window(&script, 0, 100000);
  assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LTI_OK);
  assert_int_equal(r.changes, 2);
  assert_true(lti_http2_acked(r.codec));
  assert_int_equal(lti_http2_streams_max(r.codec), 1000);
  assert_int_equal(lti_http2_slots(r.codec), 998);
  assert_int_equal(lti_http2_window(r.codec), 165535);
  assert_int_equal(lti_http2_window_peak(r.codec), 165535);
  assert_int_equal(lti_http2_active(r.codec), 2);
  h2_record_over(&r, LEAT_ERESET, "over");
  assert_int_equal(r.breaches, 0);
  h2_record_deinit(&r);
}

static void test_leave_says_goaway_and_lets_streams_finish(void **state) {
  (void)state;
  h2_record r;
  h2_seen frame;
  assert_true(h2_record_init(&r, NULL, NULL));
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(&r);
  lti_http2_leave(r.codec);
  lti_http2_leave(r.codec);
  assert_true(lti_http2_leaving(r.codec));
  assert_int_equal(lti_http2_slots(r.codec), 0);
  h2_record_drain(&r);
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_GOAWAY, 0), 1);
  assert_true(h2_last(lti_buf_slice(&r.sent), H2_GOAWAY, 0, &frame));
  assert_int_equal(h2_number(frame.payload, 4), 0);
  h2_ok(&script, 1, 0);
  h2_text(&script, 1, H2_END_STREAM, "ok");
  assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LTI_OK);
  check_complete(&r.calls[0], 200, "ok");
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_record_deinit(&r);
}

static void test_h2_19_ping_is_one_at_a_time(void **state) {
  (void)state;
  h2_record r;
  assert_true(h2_record_init(&r, NULL, NULL));
  lti_http2_ping(r.codec);
  lti_http2_ping(r.codec);
  h2_record_drain(&r);
  lti_http2_ping(r.codec);
  h2_record_drain(&r);
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_PING, 0), 1);
  h2_ping(&script, H2_ACK);
  h2_ping(&script, 0);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_PING, 0), 2);
  lti_http2_ping(r.codec);
  h2_record_drain(&r);
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_PING, 0), 3);
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_record_deinit(&r);
}

static void test_first_words(void **state) {
  (void)state;
  h2_record r;
  assert_true(h2_record_init(&r, NULL, NULL));
  assert_true(lti_http2_pending(r.codec));
  h2_record_drain(&r);
  assert_false(lti_http2_pending(r.codec));
  leat_slice sent = lti_buf_slice(&r.sent);
  assert_true(lti_slice_starts(sent, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  h2_seen frame;
  assert_true(h2_last(sent, H2_SETTINGS, 0, &frame));
  assert_memory_equal(frame.payload.data, "\0\2\0\0\0\0\0\4\0\1\0\0\0\6\0\0\20\0", 18);
  assert_int_equal(frame.payload.size, 18);
  assert_true(h2_last(sent, H2_WINDOW_UPDATE, 0, &frame));
  assert_int_equal(h2_number(frame.payload, 0), (1 << 20) - 65535);
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_record_deinit(&r);
}

/* ---- giving up --------------------------------------------------------------------------------
 */

static void test_cancel_drops_what_the_batch_still_holds(void **state) {
  (void)state;
  h2_ok(&script, 1, 0);
  h2_ok(&script, 3, 0);
  h2_text(&script, 1, 0, "a");
  h2_text(&script, 3, 0, "b");
  h2_text(&script, 1, 0, "c");
  h2_text(&script, 3, H2_END_STREAM, "d");
  h2_text(&script, 1, H2_END_STREAM, "e");
  for (size_t which = 0; which < 2; which++) {
    h2_record r;
    h2_seen frame;
    assert_true(h2_record_init(&r, NULL, NULL));
    for (int i = 0; i < 2; i++)
      assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
    h2_record_drain(&r);
    r.cancel_in = which + 1;
    assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LTI_OK);
    assert_true(r.calls[which].cancelled);
    assert_int_equal(r.calls[which].body_size, which == 0);
    check_complete(&r.calls[!which], 200, which == 0 ? "bd" : "ace");
    /* Both had ended for nghttp2 already, so nothing is left to reset. */
    assert_false(h2_last(lti_buf_slice(&r.sent), H2_RST_STREAM, 1, &frame));
    assert_int_equal(lti_http2_active(r.codec), 0);
    h2_record_over(&r, LEAT_ERESET, "over");
    assert_int_equal(r.breaches, 0);
    h2_record_deinit(&r);
  }
}

static void test_cancel_before_anything_left(void **state) {
  (void)state;
  h2_record r;
  h2_seen frame;
  assert_true(h2_record_init(&r, NULL, NULL));
  for (int i = 0; i < 3; i++)
    assert_int_equal(h2_record_open(&r, &h2_post, lti_slice(NULL, 0)), LTI_OK);
  h2_record_cancel(&r, 1);
  h2_record_cancel(&r, 1);
  h2_record_drain(&r);
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_HEADERS, 3), 0);
  assert_false(h2_last(lti_buf_slice(&r.sent), H2_RST_STREAM, 3, &frame));
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_HEADERS, 5), 1);
  h2_ok(&script, 5, H2_END_STREAM);
  h2_ok(&script, 1, H2_END_STREAM);
  assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LTI_OK);
  check_complete(&r.calls[0], 200, "");
  check_complete(&r.calls[2], 200, "");
  h2_record_over(&r, LEAT_ERESET, "over");
  assert_int_equal(r.breaches, 0);
  h2_record_deinit(&r);
}

/* ---- the end ----------------------------------------------------------------------------------
 */

/* Each of 64 streams hears of its own end once, in order, while the callbacks give up others and
 * try to open more. */
static void test_h2_20_end_of_many(void **state) {
  (void)state;
  h2_record r;
  h2_ok(&script, 5, 0);
  h2_text(&script, 5, 0, "begun");
  assert_true(h2_record_init(&r, NULL, NULL));
  for (int i = 0; i < 64; i++) {
    if (i == 60) h2_record_drain(&r);
    assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  }
  r.inside = true;
  lti_http2_feed(r.codec, h2_script_bytes(&script), 0);
  r.inside = false;
  h2_record_cancel(&r, 7);
  h2_record_over(&r, LEAT_ERESET, "the connection broke");
  int last = 0;
  for (size_t i = 0; i < 64; i++) {
    if (i == 7) continue;
    h2_check_failed(&r.calls[i], i == 2 ? LEAT_ETRUNCATED : LEAT_ERESET, 0, "the connection broke");
    assert_int_equal(r.calls[i].failure.unprocessed, i >= 60);
    assert_true(r.calls[i].ended_as > last);
    last = r.calls[i].ended_as;
  }
  assert_int_equal(h2_record_feed(&r, lti_slice("x", 1), 0), LEAT_ERESET);
  assert_int_equal(r.breaches, 0);
  h2_record_deinit(&r);
}

/* The first half fails while each failure gives up one at the back and cannot open another. */
static void test_h2_20_callbacks_give_up_others(void **state) {
  (void)state;
  h2_record r;
  assert_true(h2_record_init(&r, NULL, NULL));
  r.cancel_last = true;
  for (int i = 0; i < 63; i++)
    assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(&r);
  h2_record_over(&r, LEAT_ERESET, "the connection broke");
  for (size_t i = 0; i < 63; i++) {
    assert_int_equal(r.calls[i].failures, i < 32);
    assert_int_equal(r.calls[i].cancelled, i >= 32);
  }
  assert_int_equal(r.breaches, 0);
  h2_record_deinit(&r);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
  const struct CMUnitTest tests[] = {
      TEST(test_head_body_and_end),
      TEST(test_answers_interleaved),
      TEST(test_answers_without_a_body),
      TEST(test_padding_is_no_body),
      TEST(test_trailers_end_an_answer_and_are_ignored),
      TEST(test_interim_answers_are_skipped),
      TEST(test_header_block_in_many_frames),
      TEST(test_more_than_a_batch),
      TEST(test_hundreds_of_heads_at_once),
      TEST(test_unknown_frames_and_settings_are_passed_over),
      TEST(test_slots_and_settings),
      TEST(test_leave_says_goaway_and_lets_streams_finish),
      TEST(test_h2_19_ping_is_one_at_a_time),
      TEST(test_first_words),
      TEST(test_cancel_drops_what_the_batch_still_holds),
      TEST(test_cancel_before_anything_left),
      TEST(test_h2_20_end_of_many),
      TEST(test_h2_20_callbacks_give_up_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
