/* The HTTP/2 codec and peers that break the rules: one test or more for each H2 row of the
 * project's table of faults that a codec can meet. Short scripts are fed whole, byte by byte and
 * cut in two at each place; floods are fed in pieces as a socket gives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing.h"
#include "support/h2_ways.h"

static h2_script script;

static int begin(void **state) {
  (void)state;
  h2_script_init(&script);
  h2_greet(&script);
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

/* The script ends the connection, and takes what runs with it. */
static void check_ends(size_t requests, uint32_t code, const char *reason) {
  h2_record *r = play(requests);
  h2_check_ended(r, code, reason);
  for (size_t i = 0; i < requests; i++) assert_int_equal(r->calls[i].failure.error, LEAT_EHTTP);
  h2_give_back(r);
}

/* ---- header lists -----------------------------------------------------------------------------
 */

/* A field of 1,000 bytes into the table, then named again by one byte, `times` over: 62 is the
 * first place of the dynamic table. */
static void amplified(uint32_t id, size_t times, bool first) {
  h2_script block;
  char *value = malloc(1000);
  assert_non_null(value);
  memset(value, 'x', 1000);
  h2_script_init(&block);
  h2_field(&block, lti_slice_of(":status"), lti_slice_of("200"), false);
  if (first) h2_field(&block, lti_slice_of("x-large"), lti_slice(value, 1000), true);
  for (size_t i = 0; i < times; i++) h2_raw(&block, lti_slice("\xbe", 1));
  h2_frame(&script, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, id, h2_script_bytes(&block));
  h2_script_deinit(&block);
  free(value);
}

static void test_h2_01_amplified_header_list(void **state) {
  (void)state;
  amplified(1, 14000, true);
  const lti_http2_config config = {4096, 65536, 1 << 20, 1000};
  failing heap;
  failing_init(&heap, 0);
  leat_allocator fns = failing_allocator(&heap);
  h2_record r;
  assert_true(h2_record_init(&r, &config, &fns));
  for (int i = 0; i < 2; i++)
    assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(&r);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  h2_check_failed(&r.calls[0], LEAT_EHEADERSMAX, H2_ENHANCE_YOUR_CALM,
                  "header list above the limit");
  assert_true(heap.peak_bytes < 64 << 10);
  h2_script_clear(&script);
  h2_ok(&script, 3, H2_END_STREAM);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(r.calls[1].completes, 1);
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_record_deinit(&r);
  assert_true(failing_clean(&heap));
  failing_deinit(&heap);
}

static void test_h2_01_header_list_limit(void **state) {
  (void)state;
  /* :status counts 42, the field 7 + 1000 + 32: three of them are below 4,096 and four above. */
  amplified(1, 2, true);
  h2_record *r = play(1);
  assert_int_equal(r->calls[0].completes, 1);
  assert_int_equal(r->calls[0].header_count, 3);
  h2_give_back(r);
  h2_greet(&script);
  amplified(1, 3, true);
  h2_check_stream_ends(&script, LEAT_EHEADERSMAX, H2_ENHANCE_YOUR_CALM,
                       "header list above the limit");
}

static void test_h2_01_third_long_list_ends_the_connection(void **state) {
  (void)state;
  amplified(1, 100, true);
  amplified(3, 100, false);
  h2_record *r = play(4);
  assert_int_equal(r->code, LTI_OK);
  h2_give_back(r);
  amplified(5, 100, false);
  r = play(4);
  h2_check_ended(r, H2_ENHANCE_YOUR_CALM, "too many header lists");
  for (size_t i = 0; i < 3; i++)
    h2_check_failed(&r->calls[i], LEAT_EHEADERSMAX, H2_ENHANCE_YOUR_CALM,
                    "header list above the limit");
  h2_check_failed(&r->calls[3], LEAT_EHTTP, H2_ENHANCE_YOUR_CALM, "too many header lists");
  h2_give_back(r);
}

static void test_h2_01_trailers_are_under_the_limit(void **state) {
  (void)state;
  char value[5000];
  memset(value, 'v', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  const char *const trailers[] = {"x", value, NULL};
  h2_ok(&script, 1, 0);
  h2_headers(&script, 1, H2_END_STREAM, trailers);
  h2_check_stream_ends(&script, LEAT_EHEADERSMAX, H2_ENHANCE_YOUR_CALM,
                       "header list above the limit");
}

static void test_h2_02_continuation_flood(void **state) {
  (void)state;
  h2_frame(&script, H2_HEADERS, 0, 1, lti_slice("\x88", 1));
  for (int i = 0; i < 9; i++) h2_frame_head(&script, 0, H2_CONTINUATION, 0, 1);
  check_ends(1, H2_ENHANCE_YOUR_CALM, "a header block in too many frames");
}

static void test_h2_02_continuation_in_the_wrong_place(void **state) {
  (void)state;
  h2_frame_head(&script, 0, H2_CONTINUATION, H2_END_HEADERS, 1);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_frame(&script, H2_HEADERS, 0, 1, lti_slice("\x88", 1));
  h2_ok(&script, 3, 0);
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_frame(&script, H2_HEADERS, 0, 1, lti_slice("\x88", 1));
  h2_frame_head(&script, 0, H2_CONTINUATION, H2_END_HEADERS, 3);
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
}

static void test_broken_compression(void **state) {
  (void)state;
  h2_frame(&script, H2_HEADERS, H2_END_HEADERS, 1, lti_slice("\xff\xff\xff\xff\xff\xff\xff", 7));
  check_ends(2, H2_COMPRESSION_ERROR, "header compression");
}

static void test_h2_06_reset_of_every_stream(void **state) {
  (void)state;
  for (uint32_t id = 1; id < 41; id += 2)
    h2_rst(&script, id, id % 4 == 1 ? H2_REFUSED_STREAM : H2_INTERNAL_ERROR);
  h2_record *r = play(20);
  assert_int_equal(r->code, LTI_OK);
  for (size_t i = 0; i < 20; i++) {
    h2_check_failed(&r->calls[i], LEAT_ERESET, i % 2 == 0 ? H2_REFUSED_STREAM : H2_INTERNAL_ERROR,
                    "server");
    assert_int_equal(r->calls[i].failure.unprocessed, i % 2 == 0);
    assert_int_equal(r->calls[i].ended_as, i + 1);
  }
  h2_give_back(r);
}

static void test_h2_06_no_streams_allowed(void **state) {
  (void)state;
  h2_record r;
  const uint32_t none[] = {0x3, 0};
  assert_true(h2_record_init(&r, NULL, NULL));
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_script_clear(&script);
  h2_settings(&script, none, 1);
  assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LTI_OK);
  assert_int_equal(lti_http2_slots(r.codec), 0);
  assert_int_equal(lti_http2_streams_max(r.codec), 0);
  /* The SETTINGS came before the request could leave: it does not, and may run elsewhere. */
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_HEADERS, 1), 0);
  assert_false(lti_http2_pending(r.codec));
  h2_record_over(&r, LEAT_ERESET, "over");
  assert_true(r.calls[0].failure.unprocessed);
  h2_record_deinit(&r);
}

/* ---- leaving ----------------------------------------------------------------------------------
 */

static void test_h2_07_goaway_before_anything(void **state) {
  (void)state;
  h2_goaway(&script, 0, H2_NO_ERROR);
  for (int undrained = 0; undrained < 2; undrained++) {
    h2_record *r =
        h2_every_way(&(h2_plan){.requests = 3, .undrained = undrained}, h2_script_bytes(&script));
    assert_int_equal(r->code, LTI_OK);
    for (size_t i = 0; i < 3; i++) {
      h2_check_failed(&r->calls[i], LEAT_ERESET, H2_NO_ERROR, "did not take the request up");
      assert_true(r->calls[i].failure.unprocessed);
    }
    h2_give_back(r);
  }
}

static void test_h2_08_goaway_in_the_middle(void **state) {
  (void)state;
  h2_ok(&script, 1, 0);
  h2_goaway(&script, 3, H2_NO_ERROR);
  h2_text(&script, 1, H2_END_STREAM, "one");
  h2_ok(&script, 3, H2_END_STREAM);
  h2_record *r = play(4);
  assert_int_equal(r->code, LTI_OK);
  assert_int_equal(r->calls[0].completes, 1);
  assert_int_equal(r->calls[1].completes, 1);
  for (size_t i = 2; i < 4; i++) {
    h2_check_failed(&r->calls[i], LEAT_ERESET, H2_NO_ERROR, "did not take the request up");
    assert_true(r->calls[i].failure.unprocessed);
    assert_true(r->calls[i].ended_as < r->calls[0].ended_as || r->ended == 4);
  }
  assert_true(lti_http2_leaving(r->codec));
  h2_give_back(r);
}

/* First the notice with the largest id, which takes nothing back but what has not left. */
static void test_h2_08_goaway_twice(void **state) {
  (void)state;
  h2_goaway(&script, 0x7fffffff, H2_NO_ERROR);
  h2_goaway(&script, 1, H2_INTERNAL_ERROR);
  h2_ok(&script, 1, H2_END_STREAM);
  h2_record *r = play(2);
  assert_int_equal(r->code, LTI_OK);
  assert_int_equal(lti_http2_code(r->codec), H2_INTERNAL_ERROR);
  assert_int_equal(r->calls[0].completes, 1);
  h2_check_failed(&r->calls[1], LEAT_ERESET, H2_INTERNAL_ERROR, "did not take the request up");
  assert_true(r->calls[1].failure.unprocessed);
  h2_give_back(r);
  h2_greet(&script);
  h2_goaway(&script, 0x7fffffff, H2_NO_ERROR);
  r = h2_play(&(h2_plan){.requests = 2, .undrained = true}, h2_script_bytes(&script), NULL, 0);
  for (size_t i = 0; i < 2; i++) assert_true(r->calls[i].failure.unprocessed);
  assert_int_equal(h2_count(lti_buf_slice(&r->sent), H2_HEADERS, 1), 0);
  h2_give_back(r);
}

/* A breach behind a GOAWAY of theirs, which feed cannot see: drain tells. */
static void test_h2_08_breach_behind_goaway(void **state) {
  (void)state;
  h2_goaway(&script, 3, H2_NO_ERROR);
  h2_window(&script, 0, 0);
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_goaway(&script, 3, H2_NO_ERROR);
  h2_goaway(&script, 5, H2_NO_ERROR); /* must not grow */
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
}

/* ---- resets -----------------------------------------------------------------------------------
 */

static void test_h2_09_what_a_reset_means(void **state) {
  (void)state;
  const struct {
    uint32_t code;
    bool started, answered, unprocessed, http1;
    int error;
  } rows[] = {{H2_REFUSED_STREAM, false, false, true, false, LEAT_ERESET},
              {H2_HTTP_1_1_REQUIRED, false, false, false, true, LEAT_ERESET},
              {H2_CANCEL, false, false, false, false, LEAT_ERESET},
              {H2_INTERNAL_ERROR, false, false, false, false, LEAT_ERESET},
              {H2_NO_ERROR, false, false, false, false, LEAT_ERESET},
              {0xffffffff, false, false, false, false, LEAT_ERESET},
              {H2_REFUSED_STREAM, true, false, false, false, LEAT_ERESET},
              {H2_REFUSED_STREAM, true, true, false, false, LEAT_ETRUNCATED},
              {H2_NO_ERROR, true, true, false, false, LEAT_ETRUNCATED},
              {H2_INTERNAL_ERROR, true, true, false, false, LEAT_ETRUNCATED}};
  const char *const interim[] = {":status", "100", NULL};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    h2_greet(&script);
    if (rows[i].answered) {
      h2_ok(&script, 1, 0);
    } else if (rows[i].started) {
      h2_headers(&script, 1, 0, interim);
    }
    h2_rst(&script, 1, rows[i].code);
    h2_ok(&script, 3, H2_END_STREAM);
    h2_record *r = play(2);
    h2_check_failed(&r->calls[0], rows[i].error, rows[i].code, "server");
    assert_int_equal(r->calls[0].failure.unprocessed, rows[i].unprocessed);
    assert_int_equal(r->calls[0].failure.http1_wanted, rows[i].http1);
    assert_int_equal(r->calls[1].completes, 1);
    assert_int_equal(h2_count(lti_buf_slice(&r->sent), H2_RST_STREAM, 1), 0);
    h2_give_back(r);
  }
}

static void test_h2_10_reset_behind_the_end(void **state) {
  (void)state;
  h2_ok(&script, 1, 0);
  h2_text(&script, 1, H2_END_STREAM, "whole");
  h2_rst(&script, 1, H2_NO_ERROR);
  h2_ok(&script, 3, H2_END_STREAM);
  h2_rst(&script, 3, H2_CANCEL);
  h2_record *r = play(2);
  assert_int_equal(r->code, LTI_OK);
  assert_int_equal(r->calls[0].completes, 1);
  assert_int_equal(r->calls[0].body_size, 5);
  assert_int_equal(r->calls[1].completes, 1);
  h2_give_back(r);
}

/* ---- windows ----------------------------------------------------------------------------------
 */

/* 20 frames of 16,000 bytes for a stream that was given up: the connection's window is credited,
 * and HPACK's table goes on. */
static void test_h2_12_late_frames_of_a_cancelled_stream(void **state) {
  (void)state;
  h2_record r;
  h2_seen frame;
  const lti_http2_config config = {4096, 65536, 131072, 10};
  static char bytes[16000];
  assert_true(h2_record_init(&r, &config, NULL));
  for (int i = 0; i < 2; i++)
    assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(&r);
  h2_ok(&script, 1, 0);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  h2_record_cancel(&r, 0);
  for (int drained = 0; drained < 2; drained++) {
    for (int i = 0; i < 20; i++) {
      h2_script_clear(&script);
      h2_frame(&script, H2_DATA, 0, 1, lti_slice(bytes, sizeof bytes));
      r.inside = true;
      assert_int_equal(lti_http2_feed(r.codec, h2_script_bytes(&script), 0), LTI_OK);
      r.inside = false;
      if (drained || i % 4 == 3) h2_record_drain(&r);
    }
  }
  leat_slice sent = lti_buf_slice(&r.sent);
  assert_true(h2_last(sent, H2_RST_STREAM, 1, &frame));
  assert_int_equal(h2_number(frame.payload, 0), H2_CANCEL);
  size_t credited = 0;
  leat_slice rest = h2_behind_preface(sent);
  while (h2_next(&rest, &frame))
    if (frame.type == H2_WINDOW_UPDATE && frame.id == 0) credited += h2_number(frame.payload, 0);
  assert_true(credited > 40 * sizeof bytes);
  assert_int_equal(h2_count(sent, H2_WINDOW_UPDATE, 1), 0);
  h2_script_clear(&script);
  amplified(1, 0, true);
  h2_frame(&script, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 3, lti_slice("\x88\xbe", 2));
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(r.calls[1].completes, 1);
  assert_int_equal(r.calls[1].header_count, 1);
  h2_record_over(&r, LEAT_ERESET, "over");
  assert_int_equal(r.breaches, 0);
  h2_record_deinit(&r);
}

static void test_h2_13_overrun_of_a_stream_window(void **state) {
  (void)state;
  const lti_http2_config config = {4096, 1000, 1 << 20, 10};
  char bytes[600] = {0};
  h2_ok(&script, 1, 0);
  h2_frame(&script, H2_DATA, 0, 1, lti_slice(bytes, 500));
  h2_frame(&script, H2_DATA, 0, 1, lti_slice(bytes, 500));
  leat_slice fits = h2_script_bytes(&script);
  for (int over = 0; over < 2; over++) {
    h2_record r;
    h2_seen frame;
    assert_true(h2_record_init(&r, &config, NULL));
    r.hold_from = 0;
    for (int i = 0; i < 2; i++)
      assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
    h2_record_drain(&r);
    assert_int_equal(h2_record_feed(&r, fits, 0), LTI_OK);
    assert_int_equal(r.calls[0].body_size, 1000);
    assert_int_equal(r.calls[0].stream.unread, 1000);
    assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_WINDOW_UPDATE, 1), 0);
    if (!over) {
      lti_http2_consume(r.codec, &r.calls[0].stream, 600);
      h2_record_drain(&r);
      assert_true(h2_last(lti_buf_slice(&r.sent), H2_WINDOW_UPDATE, 1, &frame));
      assert_int_equal(h2_number(frame.payload, 0), 600);
    }
    h2_script more;
    h2_script_init(&more);
    h2_frame(&more, H2_DATA, 0, 1, lti_slice(bytes, 600));
    assert_int_equal(h2_record_feed(&r, h2_script_bytes(&more), 0), LTI_OK);
    if (over) {
      h2_check_failed(&r.calls[0], LEAT_EHTTP, H2_FLOW_CONTROL_ERROR, "above the stream's window");
      assert_true(h2_last(lti_buf_slice(&r.sent), H2_RST_STREAM, 1, &frame));
      assert_int_equal(h2_number(frame.payload, 0), H2_FLOW_CONTROL_ERROR);
    } else {
      assert_int_equal(r.calls[0].body_size, 1600);
    }
    h2_script_deinit(&more);
    h2_record_over(&r, LEAT_ERESET, "over");
    assert_int_equal(r.breaches, 0);
    h2_record_deinit(&r);
  }
}

static void test_h2_13_overrun_of_the_connection_window(void **state) {
  (void)state;
  const lti_http2_config config = {4096, 1 << 20, 65535, 10};
  static char bytes[16384];
  h2_ok(&script, 1, 0);
  for (int i = 0; i < 4; i++) h2_frame(&script, H2_DATA, 0, 1, lti_slice(bytes, sizeof bytes));
  h2_record *r =
      h2_play(&(h2_plan){.requests = 1, .config = &config}, h2_script_bytes(&script), NULL, 0);
  h2_check_ended(r, H2_FLOW_CONTROL_ERROR, "overran a window");
  assert_int_equal(r->calls[0].failure.error, LEAT_EHTTP);
  h2_give_back(r);
}

static void test_h2_13_windows_raised_too_far(void **state) {
  (void)state;
  h2_window(&script, 0, 0x7fffffff);
  check_ends(1, H2_FLOW_CONTROL_ERROR, "overran a window");
  h2_greet(&script);
  h2_window(&script, 1, 0x7fffffff);
  h2_check_stream_ends(&script, LEAT_EHTTP, H2_FLOW_CONTROL_ERROR, "raised a window too far");
  h2_greet(&script);
  h2_window(&script, 1, 100);
  const uint32_t entries[] = {0x4, 0x7fffffff};
  h2_settings(&script, entries, 1);
  check_ends(1, H2_FLOW_CONTROL_ERROR, "raised a window too far");
  h2_greet(&script);
  const uint32_t larger[] = {0x4, 0x80000000};
  h2_settings(&script, larger, 1);
  check_ends(1, H2_FLOW_CONTROL_ERROR, "overran a window");
}

static void test_h2_13_increment_of_nothing(void **state) {
  (void)state;
  h2_window(&script, 0, 0);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_window(&script, 1, 0);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
}

/* 40,000 bytes are under way of 60,000 when the peer says 10,000: the window is 30,000 below zero,
 * and nothing leaves until it is above. */
static void test_h2_14_window_shrinks_below_zero(void **state) {
  (void)state;
  h2_record r;
  static char body[60000];
  lti_http_request post = h2_post;
  post.body_size = sizeof body;
  const uint32_t at_first[] = {0x4, 40000}, then[] = {0x4, 10000}, none[] = {0x4, 0};
  assert_true(h2_record_init(&r, NULL, NULL));
  h2_script_clear(&script);
  h2_settings(&script, at_first, 1);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(h2_record_open(&r, &post, lti_slice(body, sizeof body)), LTI_OK);
  h2_record_drain(&r);
  assert_int_equal(r.calls[0].stream.body_sent, 40000);
  assert_int_equal(lti_http2_upload(r.codec), 20000);
  h2_script_clear(&script);
  h2_settings(&script, then, 1);
  h2_window(&script, 1, 30000);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(r.calls[0].stream.body_sent, 40000);
  h2_script_clear(&script);
  h2_window(&script, 1, 1);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(r.calls[0].stream.body_sent, 40001);
  h2_script_clear(&script);
  h2_settings(&script, none, 1);
  h2_window(&script, 1, 10000);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(r.calls[0].stream.body_sent, 40001);
  assert_false(lti_http2_pending(r.codec));
  h2_script_clear(&script);
  h2_window(&script, 1, 100000);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  assert_int_equal(r.calls[0].stream.body_sent, 60000);
  assert_int_equal(lti_http2_upload(r.codec), 0);
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_record_deinit(&r);
}

/* ---- frames that are none ---------------------------------------------------------------------
 */

static void test_h2_15_frames_of_wrong_sizes(void **state) {
  (void)state;
  static char bytes[20000];
  h2_frame_head(&script, 0xffffff, H2_DATA, 0, 1);
  check_ends(1, H2_FRAME_SIZE_ERROR, "forbidden size");
  h2_greet(&script);
  h2_frame(&script, H2_DATA, 0, 1, lti_slice(bytes, 16385));
  check_ends(1, H2_FRAME_SIZE_ERROR, "forbidden size");
  const struct {
    uint8_t type;
    uint32_t id;
    size_t size;
  } rows[] = {{H2_PING, 0, 7},     {H2_PING, 0, 9},          {H2_RST_STREAM, 1, 3},
              {H2_PRIORITY, 1, 4}, {H2_WINDOW_UPDATE, 0, 5}, {H2_GOAWAY, 0, 7},
              {H2_SETTINGS, 0, 5}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    h2_greet(&script);
    h2_frame(&script, rows[i].type, 0, rows[i].id, lti_slice(bytes, rows[i].size));
    check_ends(1, H2_FRAME_SIZE_ERROR, "forbidden size");
  }
}

static void test_h2_15_settings_that_are_wrong(void **state) {
  (void)state;
  const uint32_t small[] = {0x5, 16383}, large[] = {0x5, 1 << 24}, push[] = {0x2, 1};
  uint32_t many[400];
  for (size_t i = 0; i < 200; i++) {
    many[2 * i] = 0x3;
    many[2 * i + 1] = 100;
  }
  h2_settings(&script, small, 1);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_settings(&script, large, 1);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_settings(&script, push, 1);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_settings(&script, many, 200);
  check_ends(1, H2_ENHANCE_YOUR_CALM, "asks for too much");
  h2_greet(&script);
  h2_frame_head(&script, 0, H2_SETTINGS, 0, 1);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_settings_ack(&script);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
}

static void test_h2_16_frames_on_the_wrong_stream(void **state) {
  (void)state;
  h2_ok(&script, 99, 0);
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_ok(&script, 2, 0);
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_ok(&script, 0, 0);
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_text(&script, 99, 0, "x");
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_text(&script, 0, 0, "x");
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_rst(&script, 99, H2_CANCEL);
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
  h2_greet(&script);
  h2_text(&script, 1, 0, "before its head");
  check_ends(2, H2_PROTOCOL_ERROR, "broke the rules");
}

static void test_h2_16_frames_behind_the_end(void **state) {
  (void)state;
  h2_ok(&script, 1, H2_END_STREAM);
  h2_ok(&script, 1, 0);
  h2_text(&script, 1, 0, "late");
  h2_window(&script, 1, 5);
  h2_ok(&script, 3, H2_END_STREAM);
  h2_record *r = play(2);
  assert_int_equal(r->code, LTI_OK);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(r->calls[i].completes, 1);
    assert_int_equal(r->calls[i].body_size, 0);
  }
  h2_give_back(r);
}

static void test_h2_17_push(void **state) {
  (void)state;
  h2_frame(&script, H2_PUSH_PROMISE, H2_END_HEADERS, 1, lti_slice("\0\0\0\2\x82\x84\x87", 7));
  check_ends(1, H2_PROTOCOL_ERROR, "PUSH_PROMISE");
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void test_h2_21_nothing_is_fed_behind_a_failure(void **state) {
  (void)state;
  h2_record r;
  assert_true(h2_record_init(&r, NULL, NULL));
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(&r);
  h2_window(&script, 0, 0);
  h2_ok(&script, 1, H2_END_STREAM);
  assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LEAT_EHTTP);
  h2_script_clear(&script);
  h2_ok(&script, 1, H2_END_STREAM);
  for (int i = 0; i < 3; i++)
    assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LEAT_EHTTP);
  assert_int_equal(r.calls[0].heads, 0);
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_GOAWAY, 0), 1);
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LEAT_ESTATE);
  lti_http2_ping(r.codec);
  lti_http2_leave(r.codec);
  assert_false(lti_http2_pending(r.codec));
  h2_record_over(&r, LEAT_EHTTP, lti_http2_reason(r.codec));
  assert_int_equal(r.breaches, 0);
  h2_record_deinit(&r);
}

static void test_h2_22_no_preface(void **state) {
  (void)state;
  h2_script_clear(&script);
  h2_raw(&script, lti_slice_of("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  check_ends(1, H2_PROTOCOL_ERROR, "does not speak HTTP/2");
  h2_script_clear(&script);
  h2_ok(&script, 1, H2_END_STREAM);
  check_ends(1, H2_PROTOCOL_ERROR, "does not speak HTTP/2");
  h2_script_clear(&script);
  h2_settings_ack(&script);
  check_ends(1, H2_PROTOCOL_ERROR, "broke the rules");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
  const struct CMUnitTest tests[] = {
      TEST(test_h2_01_amplified_header_list),
      TEST(test_h2_01_header_list_limit),
      TEST(test_h2_01_third_long_list_ends_the_connection),
      TEST(test_h2_01_trailers_are_under_the_limit),
      TEST(test_h2_02_continuation_flood),
      TEST(test_h2_02_continuation_in_the_wrong_place),
      TEST(test_broken_compression),
      TEST(test_h2_06_reset_of_every_stream),
      TEST(test_h2_06_no_streams_allowed),
      TEST(test_h2_07_goaway_before_anything),
      TEST(test_h2_08_goaway_in_the_middle),
      TEST(test_h2_08_goaway_twice),
      TEST(test_h2_08_breach_behind_goaway),
      TEST(test_h2_09_what_a_reset_means),
      TEST(test_h2_10_reset_behind_the_end),
      TEST(test_h2_12_late_frames_of_a_cancelled_stream),
      TEST(test_h2_13_overrun_of_a_stream_window),
      TEST(test_h2_13_overrun_of_the_connection_window),
      TEST(test_h2_13_windows_raised_too_far),
      TEST(test_h2_13_increment_of_nothing),
      TEST(test_h2_14_window_shrinks_below_zero),
      TEST(test_h2_15_frames_of_wrong_sizes),
      TEST(test_h2_15_settings_that_are_wrong),
      TEST(test_h2_16_frames_on_the_wrong_stream),
      TEST(test_h2_16_frames_behind_the_end),
      TEST(test_h2_17_push),
      TEST(test_h2_21_nothing_is_fed_behind_a_failure),
      TEST(test_h2_22_no_preface),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
