/* Gemini through a whole engine: what the request says, in every framing of the answer, and when it
 * is sent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define TEXT(text) \
  "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" text "\"}]},\"index\":0}]}"
#define STOP "{\"candidates\":[{\"finishReason\":\"STOP\",\"index\":0}]}"
#define HEAD \
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
#define EVENTS \
  HEAD "<<chunked>>data: " TEXT("hello") "\r\n\r\n<<cut>>data: " STOP "\r\n\r\n<<last>>"
#define ARRAY \
  HEAD "<<chunked>>[" TEXT("hel") "\r\n,\r\n<<cut>>" TEXT("lo") ",<<cut>>" STOP "]\r\n<<last>>"
#define WHOLE                                                                                    \
  "HTTP/1.1 200 OK\r\n<<body>>{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hello\"}]}," \
  "\"finishReason\":\"STOP\"}]}<<cut>>"
#define BODY "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}"

static leat_chat_request chat;

static void ask(flow *f, const char *model, bool stream) {
  leat_chat_request_init(&chat);
  chat.model = model;
  chat.prompt = lti_slice_of("hi");
  chat.stream = stream;
  f->request.protocol = "gemini";
  f->request.api_key = "secret-key";
  f->request.body = lti_slice(NULL, 0);
  f->request.chat = &chat;
  f->request.retries = LEAT_NONE;
}

static void check_request(peer *p, unsigned n, const char *line) {
  const char *request = peer_request(p, n);
  char start[256];
  snprintf(start, sizeof start, "POST %s HTTP/1.1\r\n", line);
  assert_non_null(request);
  if (strncmp(request, start, strlen(start)) != 0) fail_msg("%s instead of %s", request, start);
  flow_assert_has(request, "\r\nx-goog-api-key: secret-key\r\n");
  flow_assert_has(request, "\r\nContent-Type: application/json\r\n");
  flow_assert_has(request, "\r\n\r\n" BODY);
  assert_null(strstr(request, "Authorization"));
}

static void test_a_stream_asks_for_events_in_the_path(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){EVENTS, NULL});
  ask(f, "gemini-2.5-flash", true);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_string_equal(c->kinds, "HTF");
  check_request(p, 0, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
  flow_assert_has(peer_request(p, 0), "\r\nAccept: text/event-stream\r\n");
}

static void test_a_whole_answer_has_a_path_of_its_own(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){WHOLE, NULL});
  ask(f, "gemini-2.5-flash", false);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  check_request(p, 0, "/v1beta/models/gemini-2.5-flash:generateContent");
}

static void test_a_model_cannot_leave_its_segment_of_the_path(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){EVENTS, NULL});
  ask(f, "tuned/x:y?a#b%\xc3\xa9", true);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  check_request(p, 0,
                "/v1beta/models/tuned%2Fx%3Ay%3Fa%23b%25%C3%A9:streamGenerateContent?alt=sse");
}

static void test_an_array_streams_as_events_do(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ARRAY, NULL});
  ask(f, "m", true);
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
    assert_string_equal(c->kinds, "HTTF");
    assert_int_equal(c->result.records, 3);
  }
  assert_int_equal(peer_conns(p), 1); /* what stands behind the bracket costs no connection */
}

static void test_an_array_is_live(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){HEAD "<<chunked>>[" TEXT("hello") "<<cut>>\r\n<<silent>>", NULL});
  ask(f, "m", true);
  flow_call *c = flow_chat(f, p);
  flow_wait_events(f, c, 2);
  assert_string_equal(c->text, "hello");
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
}

static void test_an_array_that_breaks_off_is_no_success(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){HEAD "<<chunked>>[" TEXT("hello") "," STOP "<<cut>>,<<close>>",
                               HEAD "<<chunked>>[" TEXT("hello") "]<<last>>",
                               HEAD "<<chunked>>[" TEXT("hello") "x<<last>>",
                               HEAD "<<chunked>>[]<<last>>", NULL});
  static const int errors[] = {LEAT_ETRUNCATED, LEAT_EINCOMPLETE, LEAT_EDECODE, LEAT_EDECODE};
  ask(f, "m", true);
  for (int i = 0; i < 4; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, errors[i]);
  }
}

static void test_a_body_of_the_callers_names_the_model_beside_it(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){EVENTS, WHOLE, NULL});
  ask(f, NULL, true);
  f->request.chat = NULL;
  f->request.body = lti_slice_of(BODY);
  f->request.model = "m";
  for (int i = 0; i < 2; i++) {
    f->request.stream = i == 0;
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
  }
  check_request(p, 0, "/v1beta/models/m:streamGenerateContent?alt=sse");
  check_request(p, 1, "/v1beta/models/m:generateContent");
}

static void test_without_a_model_nothing_is_sent(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){EVENTS, NULL});
  ask(f, NULL, true);
  f->request.base_url = peer_url(p);
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, LEAT_EINVAL);
  flow_assert_has(leat_last_message(f->engine), "gemini has the model in its path");
  assert_int_equal(peer_conns(p), 0);
}

static void test_errors_are_told_as_google_words_them(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 400 Bad Request\r\nContent-Type: text/event-stream\r\n"
                               "<<body>>[{\"error\":{\"code\":400,\"message\":\"no such field\","
                               "\"status\":\"INVALID_ARGUMENT\"}}]<<cut>>",
                               HEAD "<<chunked>>data: {\"promptFeedback\":{\"blockReason\":"
                                    "\"SAFETY\"}}\r\n\r\n<<last>>",
                               NULL});
  ask(f, "m", true);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_string_equal(c->provider_type, "INVALID_ARGUMENT");
  assert_string_equal(c->provider_code, "400");
  assert_string_equal(c->message, "HTTP 400: no such field");
  c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EAPI);
  assert_string_equal(c->provider_type, "prompt_blocked");
  assert_string_equal(c->provider_code, "SAFETY");
}

#define SLOW(delay)                                                                          \
  "HTTP/1.1 429 Too Many Requests\r\n<<body>>{\"error\":{\"code\":429,\"message\":\"slow\"," \
  "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"Help\"},{\"@type\":"          \
  "\"RetryInfo\",\"retryDelay\":" delay "}]}}<<cut>>"

static void test_rt_02_the_delay_that_the_error_asks_for_is_waited(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){SLOW("\"0.120s\""), EVENTS, NULL});
  ask(f, "m", true);
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
  assert_true(flow_took_ms(c) >= 120);
}

static void test_rt_02_a_delay_above_the_limit_is_told_and_not_slept(void **state) {
  static const struct {
    const char *answer;
    int64_t ms;
  } rows[] = {
      {SLOW("\"37025.5s\""), 37025500},
      {SLOW("\"121s\""), 121000},
      {SLOW("121"), -1},
      {SLOW("\"soon\""), -1},
  };
  flow *f = *state;
  ask(f, "m", true);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    f->request.retries = rows[i].ms < 0 ? LEAT_NONE : 2;
    peer *p = peer_start(&(peer_options){.answers = (const char *const[]){rows[i].answer, NULL}});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    unsigned requests = peer_requests(p);
    peer_stop(p);
    flow_assert_error(c, LEAT_ESTATUS);
    assert_int_equal(c->result.retry_after_ms, rows[i].ms);
    assert_int_equal(requests, 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_stream_asks_for_events_in_the_path),
      FLOW_TEST(test_a_whole_answer_has_a_path_of_its_own),
      FLOW_TEST(test_a_model_cannot_leave_its_segment_of_the_path),
      FLOW_TEST(test_an_array_streams_as_events_do),
      FLOW_TEST(test_an_array_is_live),
      FLOW_TEST(test_an_array_that_breaks_off_is_no_success),
      FLOW_TEST(test_a_body_of_the_callers_names_the_model_beside_it),
      FLOW_TEST(test_without_a_model_nothing_is_sent),
      FLOW_TEST(test_errors_are_told_as_google_words_them),
      FLOW_TEST(test_rt_02_the_delay_that_the_error_asks_for_is_waited),
      FLOW_TEST(test_rt_02_a_delay_above_the_limit_is_told_and_not_slept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
