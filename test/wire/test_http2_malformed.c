/* The HTTP/2 codec and answers that are malformed (RFC 9113 8.1.1, row H2-18 of the project's table
 * of faults): their streams end, all others go on. Every script is fed whole, byte by byte and cut
 * in two at each place. */
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
  h2_greet(&script);
  return 0;
}

static int finish(void **state) {
  (void)state;
  h2_script_deinit(&script);
  return 0;
}

/* ---- malformed answers ------------------------------------------------------------------------
 */

static void check_malformed(const char *const *fields, const char *reason) {
  h2_greet(&script);
  h2_headers(&script, 1, 0, fields);
  h2_check_stream_ends(&script, LEAT_EHTTP, H2_PROTOCOL_ERROR, reason);
}

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_h2_18_malformed_heads(void **state) {
  (void)state;
  check_malformed(FIELDS("content-type", "text/plain"), "no :status");
  check_malformed(FIELDS(":status", "200", ":status", "200"), ":status twice");
  check_malformed(FIELDS("x", "y", ":status", "200"), "behind other fields");
  check_malformed(FIELDS(":status", "20"), "bad :status");
  check_malformed(FIELDS(":status", "2000"), "bad :status");
  check_malformed(FIELDS(":status", "099"), "bad :status");
  check_malformed(FIELDS(":status", "2x0"), "bad :status");
  check_malformed(FIELDS(":status", ""), "bad :status");
  check_malformed(FIELDS(":status", "101"), "101");
  check_malformed(FIELDS(":status", "200", ":path", "/"), "not for responses");
  check_malformed(FIELDS(":status", "200", "X-Upper", "y"), "upper case");
  check_malformed(FIELDS(":status", "200", "", "y"), "header name");
  check_malformed(FIELDS(":status", "200", "a b", "y"), "header name");
  check_malformed(FIELDS(":status", "200", "a:", "y"), "header name");
  check_malformed(FIELDS(":status", "200", "x", "a\rb"), "header value");
  check_malformed(FIELDS(":status", "200", "x", "a\nb"), "header value");
  check_malformed(FIELDS(":status", "200", "x", " a"), "header value");
  check_malformed(FIELDS(":status", "200", "x", "a\t"), "header value");
  check_malformed(FIELDS(":status", "200", "connection", "close"), "connection-specific");
  check_malformed(FIELDS(":status", "200", "keep-alive", "timeout=5"), "connection-specific");
  check_malformed(FIELDS(":status", "200", "proxy-connection", "x"), "connection-specific");
  check_malformed(FIELDS(":status", "200", "transfer-encoding", "chunked"), "connection-specific");
  check_malformed(FIELDS(":status", "200", "upgrade", "h2c"), "connection-specific");
  check_malformed(FIELDS(":status", "200", "te", "trailers"), "connection-specific");
  check_malformed(FIELDS(":status", "200", "content-length", "-1"), "bad Content-Length");
  check_malformed(FIELDS(":status", "200", "content-length", ""), "bad Content-Length");
  check_malformed(FIELDS(":status", "200", "content-length", "5, 5"), "bad Content-Length");
  check_malformed(FIELDS(":status", "200", "content-length", "5", "content-length", "5"),
                  "Content-Length twice");
}

static void test_h2_18_empty_header_block(void **state) {
  (void)state;
  h2_frame_head(&script, 0, H2_HEADERS, H2_END_HEADERS, 1);
  h2_check_stream_ends(&script, LEAT_EHTTP, H2_PROTOCOL_ERROR, "no :status");
}

static void test_h2_18_lengths_that_differ(void **state) {
  (void)state;
  h2_headers(&script, 1, 0, FIELDS(":status", "200", "content-length", "5"));
  h2_text(&script, 1, H2_END_STREAM, "four");
  h2_check_closed_stream_ends(&script, "shorter than its Content-Length");
  h2_greet(&script);
  h2_headers(&script, 1, 0, FIELDS(":status", "200", "content-length", "5"));
  h2_text(&script, 1, 0, "four");
  h2_text(&script, 1, 0, "four");
  h2_text(&script, 1, H2_END_STREAM, "more");
  h2_ok(&script, 3, H2_END_STREAM);
  /* The piece that is too long is not delivered, and how much came before depends on the cuts. */
  h2_record *r = h2_play(&(h2_plan){.requests = 2}, h2_script_bytes(&script), NULL, 0);
  h2_check_failed(&r->calls[0], LEAT_EHTTP, H2_PROTOCOL_ERROR, "longer than its Content-Length");
  assert_int_equal(r->calls[0].body_size, 4);
  assert_int_equal(r->calls[1].completes, 1);
  h2_give_back(r);
  h2_greet(&script);
  h2_headers(&script, 1, H2_END_STREAM, FIELDS(":status", "200", "content-length", "5"));
  h2_check_closed_stream_ends(&script, "shorter than its Content-Length");
  h2_greet(&script);
  h2_headers(&script, 1, 0, FIELDS(":status", "204"));
  h2_text(&script, 1, H2_END_STREAM, "x");
  h2_check_closed_stream_ends(&script, "longer than its Content-Length");
  h2_greet(&script);
  h2_headers(&script, 1, 0, FIELDS(":status", "200", "content-length", "5"));
  h2_text(&script, 1, 0, "four");
  h2_headers(&script, 1, H2_END_STREAM, FIELDS("x-trailer", "1"));
  h2_check_closed_stream_ends(&script, "shorter than its Content-Length");
}

static void test_h2_18_blocks_out_of_place(void **state) {
  (void)state;
  h2_headers(&script, 1, 0, FIELDS(":status", "100"));
  h2_text(&script, 1, 0, "x");
  h2_check_stream_ends(&script, LEAT_EHTTP, H2_PROTOCOL_ERROR, "body before a final response");
  h2_greet(&script);
  h2_headers(&script, 1, H2_END_STREAM, FIELDS(":status", "100"));
  h2_check_closed_stream_ends(&script, "END_STREAM before a final response");
  h2_greet(&script);
  h2_headers(&script, 1, 0, FIELDS(":status", "100"));
  h2_text(&script, 1, H2_END_STREAM, "");
  h2_check_closed_stream_ends(&script, "END_STREAM before a final response");
  h2_greet(&script);
  h2_ok(&script, 1, 0);
  h2_headers(&script, 1, 0, FIELDS("x", "y"));
  h2_check_stream_ends(&script, LEAT_EHTTP, H2_PROTOCOL_ERROR, "in the middle of a body");
  h2_greet(&script);
  h2_ok(&script, 1, 0);
  h2_headers(&script, 1, H2_END_STREAM, FIELDS(":status", "200"));
  h2_check_closed_stream_ends(&script, "a pseudo-header in trailers");
  h2_greet(&script);
  for (int i = 0; i < 33; i++) h2_headers(&script, 1, 0, FIELDS(":status", "103"));
  h2_check_stream_ends(&script, LEAT_EHTTP, H2_PROTOCOL_ERROR, "too many interim responses");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
  const struct CMUnitTest tests[] = {
      TEST(test_h2_18_malformed_heads),
      TEST(test_h2_18_empty_header_block),
      TEST(test_h2_18_lengths_that_differ),
      TEST(test_h2_18_blocks_out_of_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
