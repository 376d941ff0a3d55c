/* The HTTP/2 codec's memory: every allocation failing in turn, keys that must not be left behind,
 * and what a connection and a stream cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing.h"
#include "support/h2_ways.h"

#define SESSION_BYTES_MAX 30000
#define STREAM_BYTES_MAX  450
#define KEY               "sk-canary-do-not-leave-this-behind"

static h2_script script;

static const leat_header keys[] = {{{"authorization", 13}, {"Bearer " KEY, 7 + sizeof KEY - 1}},
                                   {{"x-mine", 6}, {KEY, sizeof KEY - 1}}};

static lti_http_request post_with_keys(size_t size) {
  lti_http_request request = h2_post;
  request.headers = keys;
  request.header_count = 2;
  request.credentials_from = 1;
  request.body_size = size;
  return request;
}

static void feed(h2_record *r) {
  h2_record_feed(r, h2_script_bytes(&script), 0);
  h2_script_clear(&script);
}

/* Requests with bodies and keys, heads of a few and of many fields, trailers, a reset, a stream
 * given up, PING, SETTINGS, WINDOW_UPDATE, GOAWAY. */
static void script_life(const leat_allocator *fns, void *ctx) {
  (void)ctx;
  static h2_record r;
  static char body[3000];
  lti_http_request post = post_with_keys(sizeof body);
  if (!h2_record_init(&r, NULL, fns)) {
    lti_buf_deinit(&r.sent);
    return;
  }
  h2_greet(&script);
  feed(&r);
  for (size_t i = 0; i < 5; i++) h2_record_open(&r, &post, lti_slice(body, sizeof body));
  lti_http2_ping(r.codec);
  h2_record_drain(&r);
  const char *many[2 * 60 + 3] = {":status", "200"};
  for (size_t i = 1; i < 61; i++) {
    many[2 * i] = "x-field";
    many[2 * i + 1] = "value";
  }
  h2_headers(&script, 1, 0, many);
  h2_ok(&script, 3, 0);
  h2_ping(&script, 0);
  h2_text(&script, 3, 0, "some text");
  const uint32_t entries[] = {0x4, 100000, 0x1, 100};
  h2_settings(&script, entries, 2);
  h2_window(&script, 0, 5000);
  h2_headers(&script, 5, 0, (const char *const[]){":status", "2000", NULL});
  feed(&r);
  if (r.count > 3) h2_record_cancel(&r, 3);
  static char large[40000];
  h2_frame(&script, H2_DATA, 0, 1, lti_slice(large, 16384));
  h2_frame(&script, H2_DATA, 0, 1, lti_slice(large, 16384));
  h2_frame(&script, H2_DATA, H2_END_STREAM, 1, lti_slice(large, 5000));
  h2_headers(&script, 3, H2_END_STREAM, (const char *const[]){"x-sum", "1", NULL});
  h2_rst(&script, 9, 7);
  feed(&r);
  h2_record_open(&r, &post, lti_slice(body, sizeof body));
  lti_http2_leave(r.codec);
  h2_record_drain(&r);
  h2_goaway(&script, 0, 0);
  feed(&r);
  h2_record_over(&r, LEAT_ERESET, "over");
  assert_int_equal(r.breaches, 0);
  h2_record_deinit(&r);
}

static void test_every_allocation_fails_in_turn(void **state) {
  (void)state;
  h2_script_init(&script);
  uint64_t calls = failing_at_every_n(script_life, NULL);
  assert_true(calls > 50);
  h2_script_deinit(&script);
}

static void test_keys_are_overwritten_before_memory_is_freed(void **state) {
  (void)state;
  failing heap;
  h2_script_init(&script);
  failing_init(&heap, 0);
  heap.canary = KEY;
  leat_allocator fns = failing_allocator(&heap);
  h2_record r;
  assert_true(h2_record_init(&r, NULL, &fns));
  r.sent.secret = true;
  lti_http_request post = post_with_keys(0);
  for (size_t i = 0; i < 20; i++)
    assert_int_equal(h2_record_open(&r, &post, lti_slice(NULL, 0)), LTI_OK);
  h2_record_cancel(&r, 3);
  h2_record_drain(&r);
  h2_greet(&script);
  h2_ok(&script, 1, H2_END_STREAM);
  feed(&r);
  assert_int_equal(r.calls[0].completes, 1);
  for (size_t i = 0; i < 5; i++)
    assert_int_equal(h2_record_open(&r, &post, lti_slice(NULL, 0)), LTI_OK);
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_record_deinit(&r);
  assert_true(failing_clean(&heap));
  failing_deinit(&heap);
  h2_script_deinit(&script);
}

static void ignore_head(void *ctx, lti_http2_stream *s, const lti_http_head *head) {
  (void)ctx, (void)s, (void)head;
}

static size_t ignore_body(void *ctx, lti_http2_stream *s, leat_slice bytes) {
  (void)ctx, (void)s;
  return bytes.size;
}

static void ignore_complete(void *ctx, lti_http2_stream *s) {
  (void)ctx, (void)s;
}

static void ignore_failed(void *ctx, lti_http2_stream *s, const lti_http2_failure *failure) {
  (void)ctx, (void)s, (void)failure;
}

/* What the allocator gave, for a connection that stands and for each stream that waits for its
 * answer. */
static void test_what_a_connection_and_a_stream_cost(void **state) {
  (void)state;
  enum { STREAMS = 4000 };
  static lti_http2_stream streams[STREAMS];
  static const lti_http2_sink sink = {ignore_head,   ignore_body, ignore_complete,
                                      ignore_failed, NULL,        NULL};
  const lti_http2_config config = {65536, 65536, 1 << 20, STREAMS};
  failing heap;
  failing_init(&heap, 0);
  leat_allocator fns = failing_allocator(&heap);
  lti_alloc alloc;
  lti_alloc_init(&alloc, &fns);
  lti_buf out;
  lti_buf_init(&out, &alloc, 64 << 20, LEAT_EBODYMAX);
  lti_http2 *x = lti_http2_new(&alloc, &config, &sink, NULL);
  h2_script_init(&script);
  const uint32_t allow[] = {0x3, STREAMS};
  h2_settings(&script, allow, 1);
  h2_settings_ack(&script);
  assert_int_equal(lti_http2_feed(x, h2_script_bytes(&script), 0), LTI_OK);
  assert_int_equal(lti_http2_drain(x, &out, 1 << 20), LTI_OK);
  lti_buf_clear(&out);
  lti_buf_shrink(&out, 0);
  size_t session = heap.live_bytes;
  lti_http_request request = post_with_keys(0);
  for (size_t i = 0; i < STREAMS; i++)
    assert_int_equal(lti_http2_open(x, &streams[i], &request, true), LTI_OK);
  assert_int_equal(lti_http2_drain(x, &out, 32 << 20), LTI_OK);
  lti_buf_clear(&out);
  lti_buf_shrink(&out, 0);
  size_t stream = (heap.live_bytes - session) / STREAMS;
  print_message("%zu bytes a connection, %zu a stream, and %zu in its owner\n", session, stream,
                sizeof(lti_http2_stream));
  assert_true(session <= SESSION_BYTES_MAX);
  assert_true(stream <= STREAM_BYTES_MAX);
  lti_http2_end(x, LEAT_ERESET, "over");
  lti_http2_free(x);
  lti_buf_deinit(&out);
  h2_script_deinit(&script);
  assert_true(failing_clean(&heap));
  failing_deinit(&heap);
}

/* Nothing is allocated for a piece of a body. */
static void test_a_piece_of_a_body_allocates_nothing(void **state) {
  (void)state;
  h2_record r;
  assert_true(h2_record_init(&r, NULL, NULL));
  assert_int_equal(h2_record_open(&r, &h2_get, lti_slice(NULL, 0)), LTI_OK);
  h2_script_init(&script);
  h2_greet(&script);
  h2_ok(&script, 1, 0);
  h2_record_drain(&r);
  feed(&r);
  for (int i = 0; i < 100; i++) h2_text(&script, 1, 0, "data: {\"token\":\"one of them\"}\n\n");
  r.inside = true;
  uint64_t before = r.alloc.calls;
  assert_int_equal(lti_http2_feed(r.codec, h2_script_bytes(&script), 0), LTI_OK);
  assert_int_equal(r.alloc.calls, before);
  r.inside = false;
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_record_deinit(&r);
  h2_script_deinit(&script);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_allocation_fails_in_turn),
      cmocka_unit_test(test_keys_are_overwritten_before_memory_is_freed),
      cmocka_unit_test(test_what_a_connection_and_a_stream_cost),
      cmocka_unit_test(test_a_piece_of_a_body_allocates_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
