/* One request through the whole engine: the grammar submit -> event* -> done, what counts as
 * success, and what the result says (design: grammar, success). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"

static void test_events_then_one_done(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HEAD CHAT_TEXT("hel") CHAT_TEXT("lo") CHAT_END, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_string_equal(c->kinds, "HTTF");
  assert_int_equal(c->status, 200);
  assert_int_equal(c->result.attempts, 1);
  assert_int_equal(c->result.records, 4);
  assert_int_equal(c->result.events, 4);
  assert_string_equal(c->message, "");
  assert_int_equal(c->layer, LEAT_LAYER_NONE);
}

static void test_the_request_on_the_wire(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.api_key = "sk-test";
  flow_chat(f, p);
  flow_wait(f);
  const char *text = peer_request(p, 0);
  char host[64];
  snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%d\r\n", peer_port(p));
  assert_ptr_equal(strstr(text, "POST /v1/chat/completions HTTP/1.1\r\n"), text);
  flow_assert_has(text, host);
  flow_assert_has(text, "\r\nAuthorization: Bearer sk-test\r\n");
  flow_assert_has(text, "\r\nAccept-Encoding: identity\r\n");
  flow_assert_has(text, "\r\nContent-Type: application/json\r\n");
  flow_assert_has(text, "\r\n\r\n" FLOW_BODY);
}

static void test_without_key_there_is_no_authorization(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_null(strstr(peer_request(p, 0), "uthorization"));
}

static void test_stamps_are_in_order(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD "<<sleep 5>>" CHAT_TEXT("a") "<<sleep 5>>" CHAT_TEXT("b") CHAT_END, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  const leat_times *t = &c->result.times;
  assert_true(t->queued_ns > 0 && t->queued_ns <= t->leased_ns);
  assert_true(t->connected_ns <= t->leased_ns && t->queued_ns <= t->connected_ns);
  assert_true(t->leased_ns <= t->sent_ns && t->sent_ns < t->head_ns);
  assert_true(t->head_ns < t->first_content_ns);
  assert_true(t->first_event_ns == t->first_content_ns);
  assert_true(t->first_content_ns < t->last_content_ns && t->last_content_ns <= t->done_ns);
}

/* A clean end without a finish reason: not whole. */
static void test_clean_end_without_evidence_is_incomplete(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("half") "<<last>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EINCOMPLETE);
  assert_string_equal(c->text, "half");
}

static void test_marker_without_evidence_is_incomplete(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("half") CHAT_DONE "<<last>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EINCOMPLETE);
}

static void test_clean_end_with_evidence_needs_no_marker(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("all") CHAT_STOP "<<last>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void check_truncated(flow *f, const char *answer) {
  peer *p = flow_peer(f, (const char *const[]){answer, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_string_equal(c->text, "hello");
  assert_int_equal(c->result.attempts, 1);
}

/* Even though a finish reason was seen. */
static void test_unclean_end_before_the_marker_is_truncated(void **state) {
  flow *f = *state;
  check_truncated(f, CHAT_HEAD CHAT_TEXT("hello") CHAT_STOP "<<sleep 20>><<close>>");
  check_truncated(f, CHAT_HEAD CHAT_TEXT("hello") CHAT_STOP "<<sleep 20>><<reset>>");
}

static void test_h1_07_short_content_length_is_truncated(void **state) {
  flow *f = *state;
  check_truncated(f,
                  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  "Content-Length: 5000\r\n\r\n" CHAT_TEXT("hello") CHAT_STOP "<<close>>");
}

static void test_nothing_behind_the_marker_turns_success_into_failure(void **state) {
  static const char *const tails[] = {"<<reset>>", "<<close>>",
                                      "data: {\"error\":{\"message\":\"late\"}}\n\n<<last>>",
                                      "data: not json\n\n<<last>>", "\n\n<<reset>>"};
  flow *f = *state;
  for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
    char answer[1024];
    snprintf(answer, sizeof answer, "%s%s", CHAT_HEAD CHAT_TEXT("hello") CHAT_STOP CHAT_DONE,
             tails[i]);
    const char *const answers[] = {answer, NULL};
    peer *p = peer_start(&(peer_options){.answers = answers});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    peer_stop(p);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
  }
}

/* The marker ends the request although the body stays open; the connection is given up in time. */
static void test_marker_ends_the_request_while_the_body_stays_open(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){
                             CHAT_HEAD CHAT_TEXT("hello") CHAT_STOP CHAT_DONE "<<silent>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) < 900);
  assert_false(uv_loop_alive(&f->loop));
}

static void test_error_inside_a_stream(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD CHAT_TEXT("hello") "data: {\"error\":{\"message\":\"overloaded "
                                          "now\",\"type\":\"server_error\",\"code\":\"x\"}}"
                                          "\n\n<<cut>>" CHAT_DONE "<<last>>",
             NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EAPI);
  assert_string_equal(c->provider_message, "overloaded now");
  assert_string_equal(c->provider_type, "server_error");
  flow_assert_has(c->message, "overloaded now");
  assert_string_equal(c->text, "hello");
}

static void test_error_object_with_status_200(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){REFUSED("200 OK", "bad_day"), NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EAPI);
  assert_string_equal(c->provider_code, "bad_day");
}

static void test_refusal_tells_status_words_and_id(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f,
      (const char *const[]){
          "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/event-stream\r\nx-request-id: req-7\r\n"
          "<<body>>{\"error\":{\"message\":\"Incorrect API "
          "key\",\"type\":\"auth\",\"code\":\"bad_key\"}}"
          "<<cut>>",
          NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 401);
  assert_string_equal(c->provider_message, "Incorrect API key");
  assert_string_equal(c->provider_type, "auth");
  assert_string_equal(c->provider_code, "bad_key");
  assert_string_equal(c->request_id, "req-7");
  flow_assert_has(c->message, "401");
  flow_assert_has(c->message, "Incorrect API key");
  assert_string_equal(c->kinds, "H");
  assert_int_equal(c->layer, LEAT_LAYER_PROVIDER);
  assert_false(c->result.retryable);
}

/* The status decides, however little of the body came. */
static void test_refusal_cut_in_its_body_is_still_a_refusal(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             "HTTP/1.1 403 Forbidden\r\nContent-Length: 900\r\n\r\n{\"error\":{\"mess<<close>>",
             NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 403);
}

static void test_null_event_callback_drops_events(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->deaf = true;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(c->error, LEAT_OK);
  assert_int_equal(c->events, 0);
  assert_int_equal(c->result.records, 3);
}

static void test_want_raw_delivers_each_record(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.want_raw = true;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(c->error, LEAT_OK);
  assert_string_equal(c->kinds, "HWTWFW");
}

static void test_net_13_one_byte_at_a_time_is_the_same_answer(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<drip>>" CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_string_equal(c->kinds, "HTF");
}

/* Far more than any socket's buffer, to a reader that starts late: short writes and EAGAIN. */
static void read_late(peer_link *l, void *ctx) {
  (void)ctx;
  peer_sleep(l, 50);
  while (peer_read(l))
    if (!peer_say(l, CHAT_HELLO)) return;
}

static void check_upload(flow *f) {
  size_t size = (size_t)8 << 20;
  char *body = malloc(size + 1);
  assert_non_null(body);
  for (size_t i = 0; i < size; i++) body[i] = (char)('a' + (i * 7 + i / 4096) % 26);
  memcpy(body, "{\"a\":\"", 6);
  memcpy(body + size - 2, "\"}", 3);
  f->request.body = (leat_slice){body, size};
  peer *p = flow_peer_script(f, read_late, NULL);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  const char *sent = strstr(peer_request(p, 0), "\r\n\r\n") + 4;
  assert_int_equal(strlen(sent), size);
  assert_memory_equal(sent, body, size);
  free(body);
}

static void test_net_13_a_large_body_arrives_whole(void **state) {
  check_upload(*state);
}

static void test_net_13_over_tls_too(void **state) {
  flow_tls_server(*state);
  check_upload(*state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_events_then_one_done),
      FLOW_TEST(test_the_request_on_the_wire),
      FLOW_TEST(test_without_key_there_is_no_authorization),
      FLOW_TEST(test_stamps_are_in_order),
      FLOW_TEST(test_clean_end_without_evidence_is_incomplete),
      FLOW_TEST(test_marker_without_evidence_is_incomplete),
      FLOW_TEST(test_clean_end_with_evidence_needs_no_marker),
      FLOW_TEST(test_unclean_end_before_the_marker_is_truncated),
      FLOW_TEST(test_h1_07_short_content_length_is_truncated),
      FLOW_TEST(test_nothing_behind_the_marker_turns_success_into_failure),
      FLOW_TEST(test_marker_ends_the_request_while_the_body_stays_open),
      FLOW_TEST(test_error_inside_a_stream),
      FLOW_TEST(test_error_object_with_status_200),
      FLOW_TEST(test_refusal_tells_status_words_and_id),
      FLOW_TEST(test_refusal_cut_in_its_body_is_still_a_refusal),
      FLOW_TEST(test_null_event_callback_drops_events),
      FLOW_TEST(test_want_raw_delivers_each_record),
      FLOW_TEST(test_net_13_one_byte_at_a_time_is_the_same_answer),
      FLOW_TEST(test_net_13_a_large_body_arrives_whole),
      FLOW_TEST(test_net_13_over_tls_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
