/* Redirects: which are followed, with which method and body, and who gets the credentials (rows
 * KEY-01 to KEY-03; the corpus redirect-origin.jsonl is replayed in test/base, this is the whole
 * way). Names stand for 127.0.0.1 through `resolve`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define SECRETS 6

static const leat_header secrets[SECRETS] = {
    {{"x-api-key", 9}, {"secret-1", 8}},        {{"Cookie", 6}, {"id=secret-2", 11}},
    {{"x-goog-api-key", 14}, {"secret-3", 8}},  {{"Helicone-Auth", 13}, {"secret-4", 8}},
    {{"X-Session-Token", 15}, {"secret-5", 8}}, {{"X-Plain", 7}, {"no-matter", 9}},
};

static char texts[16][256];
static unsigned next_text;

/* A text that outlives the test. */
static const char *keep(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *keep(const char *format, ...) {
  char *text = texts[next_text++ % 16];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof texts[0], format, args);
  va_end(args);
  return text;
}

static const char *moved(int status, const char *location) {
  return keep("HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved", status,
              location);
}

static void with_secrets(flow *f) {
  f->request.api_key = "secret-0";
  f->request.headers = secrets;
  f->request.header_count = SECRETS;
  f->config.allow_plain_key = true;
}

static void assert_no_secret(const char *request) {
  if (strstr(request, "secret")) fail_msg("a credential went along: %s", request);
  flow_assert_has(request, "X-Plain: no-matter\r\n");
}

static void test_same_origin_keeps_everything(void **state) {
  static const int statuses[] = {307, 308};
  flow *f = *state;
  with_secrets(f);
  for (int i = 0; i < 2; i++) {
    peer *p =
        flow_peer(f, (const char *const[]){moved(statuses[i], "/v2/final?x=1"), CHAT_HELLO, NULL});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->kinds, "HTF"); /* the redirect itself is not told */
    assert_int_equal(c->result.redirects, 1);
    assert_int_equal(c->result.attempts, 1);
    assert_int_equal(peer_conns(p), 1);
    const char *second = peer_request(p, 1);
    assert_ptr_equal(strstr(second, "POST /v2/final?x=1 HTTP/1.1\r\n"), second);
    flow_assert_has(second, "Bearer secret-0");
    flow_assert_has(second, "secret-1");
    flow_assert_has(second, FLOW_BODY);
  }
}

static void test_locations_are_resolved(void **state) {
  static const char *const rows[][2] = {{"final", "/v1/chat/final"},
                                        {"../x/./y", "/v1/x/y"},
                                        {"?a=b", "/v1/chat/completions?a=b"},
                                        {"/../../z", "/z"}};
  flow *f = *state;
  for (int i = 0; i < 4; i++) {
    peer *p = flow_peer(f, (const char *const[]){moved(308, rows[i][0]), CHAT_HELLO, NULL});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    flow_assert_has(peer_request(p, 1), keep("POST %s HTTP/1.1\r\n", rows[i][1]));
  }
}

/* Another port, a subdomain, a name that only begins alike, another scheme. */
static void test_key_01_another_origin_gets_no_credential(void **state) {
  static const char *const names[] = {"origin.test", "sub.origin.test", "origin.test.evil.test",
                                      "127.0.0.1"};
  flow *f = *state;
  const char *resolve[4];
  peer *second = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *firsts[4];
  for (int i = 0; i < 4; i++) {
    const char *to = keep("http://%s:%d/final", names[i], peer_port(second));
    firsts[i] = flow_peer(f, (const char *const[]){moved(307, to), NULL});
  }
  with_secrets(f);
  for (int i = 0; i < 3; i++) resolve[i] = keep("%s:%d=127.0.0.1", names[i], peer_port(second));
  f->config.resolve = resolve;
  f->config.resolve_count = 3;
  for (unsigned i = 0; i < 4; i++) {
    flow_call *c = flow_chat(f, firsts[i]);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    flow_assert_has(peer_request(firsts[i], 0), "secret-0");
    assert_no_secret(peer_request(second, i));
    flow_assert_has(peer_request(second, i), FLOW_BODY);
    flow_assert_has(peer_request(second, i), keep("Host: %s:%d\r\n", names[i], peer_port(second)));
  }
}

static void test_key_01_a_key_in_the_query_stays_behind(void **state) {
  flow *f = *state;
  peer *second = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *first =
      flow_peer(f, (const char *const[]){moved(307, keep("%s/final", peer_url(second))), NULL});
  f->request.path = "/v1/x?key=secret-9";
  flow_chat(f, first);
  flow_wait(f);
  flow_assert_has(peer_request(first, 0), "secret-9");
  assert_null(strstr(peer_request(second, 0), "secret"));
}

typedef struct way_back {
  const char *there;
} way_back;

/* First to the other origin; what comes back from there is answered. */
static void send_away_once(peer_link *l, void *ctx) {
  const way_back *w = ctx;
  while (peer_read(l))
    if (!peer_say(l, strstr(peer_link_text(l), "POST /back ") ? CHAT_HELLO : w->there)) return;
}

static void test_key_03_the_key_is_not_restored_on_the_way_back(void **state) {
  flow *f = *state;
  way_back *w = flow_keep(f, sizeof *w);
  peer *first = flow_peer_script(f, send_away_once, w);
  peer *second =
      flow_peer(f, (const char *const[]){moved(307, keep("%s/back", peer_url(first))), NULL});
  w->there = moved(307, keep("%s/there", peer_url(second)));
  with_secrets(f);
  flow_call *c = flow_chat(f, first);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.redirects, 2);
  flow_assert_has(peer_request(first, 0), "secret-0");
  assert_no_secret(peer_request(second, 0));
  assert_no_secret(peer_request(first, 1));
}

static void test_key_02_https_to_http_is_refused(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  peer *plain =
      flow_peer_with(f, &(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL}});
  peer *p = flow_peer(f, (const char *const[]){moved(307, keep("%s/x", peer_url(plain))), NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREDIRECT);
  assert_int_equal(peer_conns(plain), 0);
  assert_true(c->message[0] != '\0');
  assert_int_equal(c->result_status, 307);
}

static void test_what_cannot_be_followed_is_an_error_without_a_request(void **state) {
  static const char *const locations[] = {"javascript:alert(1)",
                                          "gopher://x",
                                          "http://",
                                          "https://",
                                          "https://[::1",
                                          "http://127.0.0.1:0/",
                                          "http://o rigin.test/",
                                          "ws://127.0.0.1/",
                                          "file:///etc/passwd",
                                          "http://user@127.0.0.1/",
                                          "http://user:pass@127.0.0.1/",
                                          "//u@127.0.0.1/",
                                          ""};
  flow *f = *state;
  for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
    const char *const answers[] = {moved(307, locations[i]), CHAT_HELLO, NULL};
    peer *p = peer_start(&(peer_options){.answers = answers});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    unsigned requests = peer_requests(p);
    peer_stop(p);
    if (c->error != LEAT_EREDIRECT) fail_msg("\"%s\": %s", locations[i], leat_error_name(c->error));
    assert_int_equal(requests, 1);
    assert_false(c->result.retryable);
  }
}

static void test_other_statuses_do_not_repeat_a_post(void **state) {
  static const int statuses[] = {300, 301, 302, 303, 305};
  flow *f = *state;
  for (int i = 0; i < 5; i++) {
    peer *p = flow_peer(f, (const char *const[]){moved(statuses[i], "/x"), CHAT_HELLO, NULL});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_EREDIRECT);
    assert_int_equal(peer_requests(p), 1);
  }
}

static void test_a_loop_ends_after_five(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){moved(307, "/v1/chat/completions"), NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREDIRECT);
  assert_int_equal(peer_requests(p), 6);
  assert_int_equal(c->result.redirects, 5);
  flow_assert_has(c->message, "too many");
}

static void test_redirects_none(void **state) {
  flow *f = *state;
  f->config.redirects = LEAT_NONE;
  peer *p = flow_peer(f, (const char *const[]){moved(307, "/x"), CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREDIRECT);
  assert_int_equal(peer_requests(p), 1);
  assert_string_equal(c->kinds, "H"); /* with its head, so that the caller may follow it */
  assert_int_equal(c->status, 307);
}

static void test_raw_redirects_are_the_callers(void **state) {
  flow *f = *state;
  f->request.protocol = "raw";
  peer *p = flow_peer(f, (const char *const[]){moved(307, "/x"), CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->status, 307);
  assert_string_equal(c->text, "moved");
}

static void test_a_repeat_goes_to_the_new_place(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  peer *p = flow_peer(
      f, (const char *const[]){moved(308, "/new"),
                               "HTTP/1.1 503 X\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n",
                               CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 2), "POST /new HTTP/1.1\r\n");
  assert_int_equal(c->result.attempts, 2);
  assert_int_equal(c->result.redirects, 1);
}

static void test_a_redirect_with_an_endless_body_does_not_hold_up(void **state) {
  flow *f = *state;
  peer *second = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *first = flow_peer(
      f, (const char *const[]){keep("HTTP/1.1 307 Moved\r\nLocation: %s/x\r\nTransfer-Encoding: "
                                    "chunked\r\n\r\n<<silent>>",
                                    peer_url(second)),
                               NULL});
  flow_call *c = flow_chat(f, first);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) < FLOW_SOON_MS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_same_origin_keeps_everything),
      FLOW_TEST(test_locations_are_resolved),
      FLOW_TEST(test_key_01_another_origin_gets_no_credential),
      FLOW_TEST(test_key_01_a_key_in_the_query_stays_behind),
      FLOW_TEST(test_key_03_the_key_is_not_restored_on_the_way_back),
      FLOW_TEST(test_key_02_https_to_http_is_refused),
      FLOW_TEST(test_what_cannot_be_followed_is_an_error_without_a_request),
      FLOW_TEST(test_other_statuses_do_not_repeat_a_post),
      FLOW_TEST(test_a_loop_ends_after_five),
      FLOW_TEST(test_redirects_none),
      FLOW_TEST(test_raw_redirects_are_the_callers),
      FLOW_TEST(test_a_repeat_goes_to_the_new_place),
      FLOW_TEST(test_a_redirect_with_an_endless_body_does_not_hold_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
