/* The HTTP/2 codec and peers that send without end what brings nothing forward: rows H2-03 to H2-06
 * of the project's table of faults. A flood is fed in pieces as a socket gives them, by a clock of
 * its own, and must end the connection; the same frames at a bearable rate must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/h2_ways.h"

#define SECOND 1000000000u

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

/* ---- floods -----------------------------------------------------------------------------------
 */

/* Feeds the script `times` over, `per_second` of them in each second of its clock, in pieces of
 * 16,384 bytes or less. Returns how many repeats went through. */
static size_t flood(h2_record *r, size_t times, size_t per_second, bool drained) {
  leat_slice one = h2_script_bytes(&script);
  size_t a_piece = 16384 / one.size, fed = 0;
  if (per_second && per_second / 100 + 1 < a_piece) a_piece = per_second / 100 + 1;
  char *piece = malloc(a_piece * one.size);
  assert_non_null(piece);
  for (size_t i = 0; i < a_piece; i++) memcpy(piece + i * one.size, one.data, one.size);
  while (fed < times) {
    size_t n = times - fed < a_piece ? times - fed : a_piece;
    uint64_t now = per_second ? (uint64_t)fed * SECOND / per_second : 0;
    r->inside = true;
    int rc = lti_http2_feed(r->codec, lti_slice(piece, n * one.size), now);
    r->inside = false;
    lti_buf_clear(&r->sent);
    if (rc != LTI_OK) r->code = rc;
    if (drained || rc != LTI_OK) lti_http2_drain(r->codec, &r->sent, 1 << 20);
    if (rc != LTI_OK) break;
    fed += n;
  }
  free(piece);
  return fed;
}

static void flood_open(h2_record *r) {
  assert_true(h2_record_init(r, NULL, NULL));
  for (int i = 0; i < 2; i++)
    assert_int_equal(h2_record_open(r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(r);
  h2_greet(&script);
  h2_ok(&script, 1, 0);
  assert_int_equal(h2_record_feed(r, h2_script_bytes(&script), 0), LTI_OK);
  h2_script_clear(&script);
}

static void flood_close(h2_record *r) {
  h2_record_over(r, LEAT_ERESET, "over");
  assert_int_equal(r->breaches, 0);
  h2_record_deinit(r);
}

/* The script without end, drained or not, ends the connection before `times`; `per_second` of them
 * may go on for ever. */
static void check_flood(size_t times, size_t per_second, const char *reason) {
  h2_script one = script;
  h2_record r;
  memset(&script, 0, sizeof script);
  h2_script_init(&script);
  flood_open(&r);
  h2_raw(&script, h2_script_bytes(&one));
  assert_true(flood(&r, times, 0, true) < times);
  h2_check_ended(&(h2_record){.code = r.code, .codec = r.codec, .sent = r.sent},
                 H2_ENHANCE_YOUR_CALM, reason);
  flood_close(&r);
  flood_open(&r);
  h2_raw(&script, h2_script_bytes(&one));
  size_t calm = per_second * 60;
  assert_int_equal(flood(&r, calm, per_second, true), calm);
  flood_close(&r);
  h2_script_deinit(&script);
  script = one;
}

static void test_h2_03_ping_flood(void **state) {
  (void)state;
  h2_script_clear(&script);
  h2_ping(&script, 0);
  check_flood(1000, 200, "wait for an answer");
  h2_script_clear(&script);
  h2_ping(&script, H2_ACK);
  check_flood(21000, 9000, "bring nothing forward");
}

static void test_h2_03_settings_flood(void **state) {
  (void)state;
  h2_script_clear(&script);
  h2_settings(&script, NULL, 0);
  check_flood(1000, 200, "wait for an answer");
}

static void test_h2_03_answers_wait_while_nothing_can_be_sent(void **state) {
  (void)state;
  h2_record r;
  flood_open(&r);
  h2_ping(&script, 0);
  assert_int_equal(flood(&r, 200, 0, false), 200);
  assert_int_equal(lti_http2_drain(r.codec, &r.sent, 1 << 20), LTI_OK);
  assert_int_equal(h2_count(lti_buf_slice(&r.sent), H2_PING, 0), 200);
  assert_int_equal(flood(&r, 256, 0, false), 256);
  assert_int_equal(flood(&r, 1, 0, false), 0);
  assert_int_equal(r.code, LEAT_EHTTP);
  flood_close(&r);
}

static void test_h2_04_frames_that_bring_nothing(void **state) {
  (void)state;
  h2_script_clear(&script);
  h2_text(&script, 1, 0, "");
  check_flood(21000, 9000, "bring nothing forward");
  h2_script_clear(&script);
  h2_frame_head(&script, 0, 0x42, 0, 7);
  check_flood(21000, 9000, "bring nothing forward");
  h2_script_clear(&script);
  h2_frame(&script, H2_PRIORITY, 0, 3, lti_slice("\0\0\0\0\1", 5));
  check_flood(21000, 9000, "bring nothing forward");
  h2_script_clear(&script);
  h2_window(&script, 3, 1);
  check_flood(21000, 9000, "bring nothing forward");
  h2_script_clear(&script);
  h2_window(&script, 0, 1);
  check_flood(21000, 9000, "bring nothing forward");
}

static void test_h2_04_frames_for_a_stream_that_is_no_more(void **state) {
  (void)state;
  h2_record r;
  flood_open(&r);
  h2_record_cancel(&r, 0);
  h2_record_drain(&r);
  h2_text(&script, 1, 0, "");
  assert_true(flood(&r, 21000, 0, true) < 21000);
  assert_int_equal(r.code, LEAT_EHTTP);
  flood_close(&r);
}

static void test_h2_05_tiny_pieces(void **state) {
  (void)state;
  h2_script_clear(&script);
  h2_text(&script, 1, 0, "x");
  check_flood(161000, 70000, "bring nothing forward");
}

/* Gives a frame's windows back in steps: how many updates that takes. */
static size_t give_back(const h2_seen *frame, size_t step) {
  size_t updates = 0;
  for (size_t left = frame->payload.size; left > 0; updates += 2) {
    size_t n = left < step ? left : step;
    h2_window(&script, frame->id, (uint32_t)n);
    h2_window(&script, 0, (uint32_t)n);
    left -= n;
  }
  return updates;
}

/* What 60 MB of uploads bring back in WINDOW_UPDATE is no flood: two for each step that the server
 * reads, at once. `window`: of each stream. */
static void check_upload(uint32_t window, size_t step) {
  h2_record r;
  static char body[1 << 20];
  lti_http_request post = h2_post;
  post.body_size = sizeof body;
  const uint32_t small[] = {0x4, window};
  assert_true(h2_record_init(&r, NULL, NULL));
  h2_script_clear(&script);
  h2_settings(&script, small, 1);
  h2_record_feed(&r, h2_script_bytes(&script), 0);
  for (int i = 0; i < 60; i++)
    assert_int_equal(h2_record_open(&r, &post, lti_slice(body, sizeof body)), LTI_OK);
  h2_record_drain(&r);
  size_t updates = 0;
  while (lti_http2_upload(r.codec)) {
    h2_seen frame;
    leat_slice rest = h2_behind_preface(lti_buf_slice(&r.sent));
    h2_script_clear(&script);
    while (h2_next(&rest, &frame)) {
      if (frame.type != H2_DATA || frame.payload.size == 0) continue;
      updates += give_back(&frame, step);
    }
    assert_true(script.bytes.size > 0);
    lti_buf_clear(&r.sent);
    assert_int_equal(h2_record_feed(&r, h2_script_bytes(&script), 0), LTI_OK);
  }
  assert_true(updates > 60 * sizeof body / (window < step ? window : step));
  flood_close(&r);
}

static void test_h2_04_window_updates_for_an_upload(void **state) {
  (void)state;
  check_upload(1000, 16384);
  check_upload(65535, 16384);
  check_upload(65535, 1024);
}

static void test_h2_06_resets_without_end(void **state) {
  (void)state;
  h2_script_clear(&script);
  h2_rst(&script, 3, H2_CANCEL);
  check_flood(21000, 9000, "bring nothing forward");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
  const struct CMUnitTest tests[] = {
      TEST(test_h2_03_ping_flood),
      TEST(test_h2_03_settings_flood),
      TEST(test_h2_03_answers_wait_while_nothing_can_be_sent),
      TEST(test_h2_04_frames_that_bring_nothing),
      TEST(test_h2_04_frames_for_a_stream_that_is_no_more),
      TEST(test_h2_05_tiny_pieces),
      TEST(test_h2_06_resets_without_end),
      TEST(test_h2_04_window_updates_for_an_upload),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
