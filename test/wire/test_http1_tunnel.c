/* Tunnels over the HTTP/1.1 codec: the 101 that was asked for and the 2xx to CONNECT. Every script
 * is played in every way of http1_ways.h; a script's GET asks for an upgrade. Names carry the row
 * of the project's table of faults that they stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing.h"
#include "support/http1_ways.h"

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define TO_WS  SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

#define check_tunnel(method, text, status, raw) \
  check_script_completes(SCRIPT(method, RAW(text), RECORD_ENDS_CLEAN), status, raw, false)
#define check_no_tunnel(method, text, reason) \
  check_script_breaks(SCRIPT(method, RAW(text), RECORD_STAYS_OPEN), LEAT_EHTTP, reason, "")

/* ---- upgrades -------------------------------------------------------------------------------- */

static void test_ws_03_bytes_of_the_heads_segment_are_the_tunnels(void **state) {
  (void)state;
  check_tunnel("GET", TO_WS "\x81\x02hi", 101, "\x81\x02hi");
  check_tunnel("GET", TO_WS, 101, "");
  check_tunnel("GET", TO_WS "HTTP/1.1 200 OK\r\n\r\n", 101, "HTTP/1.1 200 OK\r\n\r\n");
}

static void test_a_tunnels_bytes_are_not_looked_at(void **state) {
  (void)state;
  leat_slice raw = RAW(TO_WS "\0\r\n0\r\n\r\n\xff");
  record r = http1_every_way(SCRIPT("GET", raw, RECORD_ENDS_CLEAN));
  assert_int_equal(r.code, LTI_OK);
  assert_int_equal(r.body_size, 9);
  assert_memory_equal(r.body, raw.data + raw.size - 9, 9);
  assert_true(r.has_body);
  record_deinit(&r);
}

static void test_a_switch_is_named_in_any_case_and_in_lists(void **state) {
  (void)state;
  check_tunnel("GET", SWITCH "upgrade:h2c\r\nconnection: keep-alive ,  uPGRADE\r\n\r\nx", 101, "x");
  check_tunnel("GET", SWITCH "Connection: a\r\nConnection: upgrade\r\nUpgrade: , x\r\n\r\nx", 101,
               "x");
}

static void test_a_switch_has_no_length(void **state) {
  (void)state;
  check_tunnel("GET",
               SWITCH "Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\nraw bytes",
               101, "raw bytes");
  check_tunnel("GET",
               SWITCH
               "Upgrade: x\r\nConnection: upgrade\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab",
               101, "2\r\nab");
}

static void test_interim_answers_come_before_a_switch(void **state) {
  (void)state;
  check_tunnel("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n" TO_WS "x",
               101, "x");
}

static void test_ws_01_a_switch_without_its_fields_is_refused(void **state) {
  (void)state;
  check_no_tunnel("GET", SWITCH "\r\nraw", "without Upgrade");
  check_no_tunnel("GET", SWITCH "Connection: upgrade\r\n\r\nraw", "without Upgrade");
  check_no_tunnel("GET", SWITCH "Connection: upgrade\r\nUpgrade: ,\r\n\r\nraw", "without Upgrade");
  check_no_tunnel("GET", SWITCH "Upgrade: websocket\r\n\r\nraw", "without Connection: upgrade");
  check_no_tunnel("GET", SWITCH "Upgrade: a\r\nConnection: upgraded, close\r\n\r\nraw",
                  "without Connection: upgrade");
  check_no_tunnel("GET", "HTTP/1.0 101 S\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", "HTTP/1.0");
}

static void test_a_switch_that_nobody_asked_for_is_refused(void **state) {
  (void)state;
  check_no_tunnel("POST", TO_WS "raw", "101 Switching Protocols without a request");
  check_no_tunnel("HEAD", TO_WS, "101 Switching Protocols without a request");
  check_no_tunnel("CONNECT", TO_WS "raw", "101 Switching Protocols without a request");
}

static void test_ws_01_an_upgrade_may_be_answered_as_any_request(void **state) {
  (void)state;
  check_script_completes(
      SCRIPT("GET", RAW("HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"), RECORD_STAYS_OPEN), 401,
      "no", true);
  check_script_completes(SCRIPT("GET", RAW(CHUNKED "2\r\nok\r\n0\r\n\r\n"), RECORD_STAYS_OPEN), 200,
                         "ok", true);
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

static void test_any_2xx_to_connect_is_a_tunnel(void **state) {
  (void)state;
  check_tunnel("CONNECT", OK "\r\n\x16\x03\x01", 200, "\x16\x03\x01");
  check_tunnel("CONNECT", "HTTP/1.0 200 Connection established\r\n\r\nx", 200, "x");
  check_tunnel("CONNECT", "HTTP/1.1 204 No\r\n\r\nx", 204, "x");
  check_tunnel("CONNECT", "HTTP/1.1 299 Odd\r\nConnection: keep-alive\r\n\r\nx", 299, "x");
}

static void test_what_a_2xx_to_connect_says_of_its_length_is_ignored(void **state) {
  (void)state;
  check_tunnel("CONNECT", OK "Content-Length: 0\r\n\r\nraw", 200, "raw");
  check_tunnel("CONNECT", OK "Content-Length: 2\r\n\r\nraw", 200, "raw");
  check_tunnel("CONNECT", CHUNKED "5\r\nhello\r\n0\r\n\r\n", 200, "5\r\nhello\r\n0\r\n\r\n");
  check_tunnel("CONNECT", OK "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nraw", 200, "raw");
}

static void test_connect_refused_is_an_answer_with_a_body(void **state) {
  (void)state;
  check_script_completes(
      SCRIPT("CONNECT",
             RAW("HTTP/1.1 407 P\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno"),
             RECORD_STAYS_OPEN),
      407, "no", true);
  check_script_completes(
      SCRIPT("CONNECT", RAW("HTTP/1.0 502 Bad Gateway\r\n\r\nwhy"), RECORD_ENDS_CLEAN), 502, "why",
      false);
  check_no_tunnel("CONNECT", "HTTP/1.1 403 F\r\nContent-Length: x\r\n\r\n", "Content-Length");
}

static void test_connect_answered_with_garbage_is_refused(void **state) {
  (void)state;
  check_no_tunnel("CONNECT", "SSH-2.0-OpenSSH\r\n", "not an HTTP/1 response");
  check_no_tunnel("CONNECT", OK "Content-Length : 1\r\n\r\n", "blank before the colon");
  check_no_tunnel("CONNECT", OK "Content-Length: what\r\n\r\n", "Content-Length");
  check_no_tunnel("CONNECT", OK "A: b\nC: d\r\n\r\n", "LF without CR");
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void test_a_tunnel_lasts_until_the_transport_ends(void **state) {
  (void)state;
  record r = http1_every_way(SCRIPT("GET", RAW(TO_WS "abc"), RECORD_STAYS_OPEN));
  assert_int_equal(r.code, LTI_OK);
  assert_int_equal(r.heads, 1);
  assert_int_equal(r.completes, 0);
  assert_int_equal(r.body_size, 3);
  assert_false(r.reusable);
  record_deinit(&r);
}

static void test_a_tunnel_without_a_clean_end_is_truncated(void **state) {
  (void)state;
  check_script_breaks(SCRIPT("GET", RAW(TO_WS "abc"), RECORD_ENDS_UNCLEAN), LEAT_ETRUNCATED,
                      "a tunnel had no clean end", "abc");
  check_script_breaks(SCRIPT("CONNECT", RAW(OK "\r\n"), RECORD_ENDS_UNCLEAN), LEAT_ETRUNCATED,
                      "a tunnel had no clean end", "");
  check_script_breaks(SCRIPT("GET", RAW(SWITCH "Upgrade: x\r\n"), RECORD_ENDS_CLEAN),
                      LEAT_ETRUNCATED, "inside a header block", "");
  check_script_breaks(SCRIPT("CONNECT", RAW(""), RECORD_ENDS_CLEAN), LEAT_ERESET, "without", "");
}

/* A sink that gives up behind the first bytes hears nothing of the rest. */
static void test_a_tunnel_can_be_given_up(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record r = {0};
  lti_http1 *x = r.codec = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  lti_http1_begin(x, &(lti_http_request){.method = "CONNECT"});
  assert_false(lti_http1_tunnel(x));
  record_feed(&r, RAW(OK "\r\nab"));
  assert_true(lti_http1_tunnel(x));
  lti_http1_abandon(x);
  size_t taken;
  assert_int_equal(lti_http1_feed(x, RAW("cd"), &taken), LEAT_ECANCELLED);
  assert_int_equal(r.body_size, 2);
  assert_false(lti_http1_reusable(x));
  record_deinit(&r);
  lti_http1_free(x);
}

typedef struct tunnel_seen {
  lti_http1 *x;
  bool at_head, at_complete, reusable;
} tunnel_seen;

static int seen_head(void *ctx, const lti_http_head *head) {
  tunnel_seen *s = ctx;
  s->at_head = lti_http1_tunnel(s->x) && head->has_body;
  return LTI_OK;
}

static int seen_body(void *ctx, leat_slice bytes, size_t *taken) {
  (void)ctx;
  (void)bytes;
  (void)taken;
  return LTI_OK;
}

static int seen_complete(void *ctx) {
  tunnel_seen *s = ctx;
  s->at_complete = lti_http1_tunnel(s->x);
  s->reusable = lti_http1_reusable(s->x);
  return LTI_OK;
}

static void test_a_sink_can_see_that_it_is_a_tunnel(void **state) {
  (void)state;
  static const lti_http_sink sink = {seen_head, seen_body, seen_complete};
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  tunnel_seen s = {0};
  lti_http1 *x = s.x = lti_http1_new(&alloc, HTTP1_LIMIT, &sink, &s);
  size_t taken;
  lti_http1_begin(x, &(lti_http_request){.method = "CONNECT"});
  assert_int_equal(lti_http1_feed(x, RAW("HTTP/1.1 403 F\r\nContent-Length: 0\r\n\r\n"), &taken),
                   LTI_OK);
  assert_false(s.at_head);
  assert_false(s.at_complete);
  assert_true(s.reusable);
  lti_http1_begin(x, &(lti_http_request){.method = "CONNECT"});
  assert_int_equal(lti_http1_feed(x, RAW(OK "Connection: keep-alive\r\n\r\n"), &taken), LTI_OK);
  assert_true(s.at_head);
  assert_false(lti_http1_reusable(x));
  assert_int_equal(lti_http1_end(x, true), LTI_OK);
  assert_true(s.at_complete);
  assert_false(s.reusable);
  assert_false(lti_http1_reusable(x));
  lti_http1_free(x);
}

/* ---- memory, requests ------------------------------------------------------------------------ */

static void play_short_of_memory(const leat_allocator *fns, void *ctx) {
  (void)ctx;
  static const size_t cut = 40;
  lti_alloc alloc;
  lti_alloc_init(&alloc, fns);
  record r = {0};
  record_run(&r, &alloc, SCRIPT("GET", RAW(TO_WS "abc"), RECORD_ENDS_CLEAN), &cut, 1);
  assert_int_equal(r.breaches, 0);
  assert_true(r.code == LTI_OK || r.code == LEAT_ENOMEM);
  assert_int_equal(r.completes, r.code == LTI_OK);
  record_deinit(&r);
}

static void test_a_tunnel_survives_failing_memory(void **state) {
  (void)state;
  assert_true(failing_at_every_n(play_short_of_memory, NULL) >= 3);
}

static int encode(const lti_http_request *q, char *text, size_t room) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_buf out;
  lti_buf_init(&out, &alloc, 4096, LEAT_EHEADERSMAX);
  int rc = lti_http1_encode(q, &out);
  snprintf(text, room, "%.*s", (int)out.size, out.size ? out.data : "");
  lti_buf_deinit(&out);
  return rc;
}

static void test_encode_writes_connect_with_its_authority(void **state) {
  (void)state;
  char text[256];
  leat_header auth = {RAW("Proxy-Authorization"), RAW("Basic YQ==")};
  lti_http_request q = {.method = "CONNECT",
                        .path = RAW("api.example.com:443"),
                        .host = RAW("api.example.com:443"),
                        .headers = &auth,
                        .header_count = 1};
  assert_int_equal(encode(&q, text, sizeof text), LTI_OK);
  assert_string_equal(text,
                      "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n"
                      "Proxy-Authorization: Basic YQ==\r\n\r\n");
  q.path = RAW("[::1]:8443");
  assert_int_equal(encode(&q, text, sizeof text), LTI_OK);
  static const leat_slice bad[] = {{"/", 1},     {"host", 4}, {"host:", 5}, {":80", 3},
                                   {"/x:80", 5}, {"80", 2},   {"a b:80", 6}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    q.path = bad[i];
    assert_int_equal(encode(&q, text, sizeof text), LEAT_EHEADER);
    assert_string_equal(text, "");
  }
  q.path = RAW("a:80");
  q.has_body = true;
  assert_int_equal(encode(&q, text, sizeof text), LEAT_EHEADER);
}

static void test_encode_writes_an_upgrade_as_a_get_without_body(void **state) {
  (void)state;
  char text[256];
  leat_header fields[] = {{RAW("Upgrade"), RAW("websocket")}, {RAW("Connection"), RAW("Upgrade")}};
  lti_http_request q = {.method = "GET",
                        .path = RAW("/ws"),
                        .host = RAW("a"),
                        .headers = fields,
                        .header_count = 2,
                        .upgrade = true};
  assert_int_equal(encode(&q, text, sizeof text), LTI_OK);
  assert_string_equal(
      text, "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  q.has_body = true;
  assert_int_equal(encode(&q, text, sizeof text), LEAT_EHEADER);
  q.has_body = false;
  q.method = "POST";
  assert_int_equal(encode(&q, text, sizeof text), LEAT_EHEADER);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ws_03_bytes_of_the_heads_segment_are_the_tunnels),
      cmocka_unit_test(test_a_tunnels_bytes_are_not_looked_at),
      cmocka_unit_test(test_a_switch_is_named_in_any_case_and_in_lists),
      cmocka_unit_test(test_a_switch_has_no_length),
      cmocka_unit_test(test_interim_answers_come_before_a_switch),
      cmocka_unit_test(test_ws_01_a_switch_without_its_fields_is_refused),
      cmocka_unit_test(test_a_switch_that_nobody_asked_for_is_refused),
      cmocka_unit_test(test_ws_01_an_upgrade_may_be_answered_as_any_request),
      cmocka_unit_test(test_any_2xx_to_connect_is_a_tunnel),
      cmocka_unit_test(test_what_a_2xx_to_connect_says_of_its_length_is_ignored),
      cmocka_unit_test(test_connect_refused_is_an_answer_with_a_body),
      cmocka_unit_test(test_connect_answered_with_garbage_is_refused),
      cmocka_unit_test(test_a_tunnel_lasts_until_the_transport_ends),
      cmocka_unit_test(test_a_tunnel_without_a_clean_end_is_truncated),
      cmocka_unit_test(test_a_tunnel_can_be_given_up),
      cmocka_unit_test(test_a_sink_can_see_that_it_is_a_tunnel),
      cmocka_unit_test(test_a_tunnel_survives_failing_memory),
      cmocka_unit_test(test_encode_writes_connect_with_its_authority),
      cmocka_unit_test(test_encode_writes_an_upgrade_as_a_get_without_body),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
