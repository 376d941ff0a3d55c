/* Anthropic's Messages and OpenAI's Responses through a whole engine: what the request says, both
 * framings of the answer, errors, and what is sent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define E(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n<<cut>>"
#define HEAD                                                                                 \
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" \
  "<<chunked>>"
#define START                                                       \
  E("message_start",                                                \
    ",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"role\":" \
    "\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":1}}")
#define THINKING                                                        \
  E("content_block_delta",                                              \
    ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":" \
    "\"why \"}")                                                        \
  E("content_block_delta",                                              \
    ",\"index\":0,\"delta\":{\"type\":\"signature_delta\","             \
    "\"signature\":\"sig \"}")
#define TEXT(text)                                                                            \
  E("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"" text \
                           "\""                                                               \
                           "}")
#define TOOL                                                              \
  E("content_block_start",                                                \
    ",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\"," \
    "\"name\":\"f\",\"input\":{}}")                                       \
  E("content_block_stop", ",\"index\":2")
#define FINISH                                                       \
  E("message_delta",                                                 \
    ",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_" \
    "tokens\":2}")
#define STOP   E("message_stop", "")
#define STREAM HEAD START THINKING TEXT("hel") E("ping", "") TEXT("lo") TOOL FINISH STOP
#define WHOLE                                                                                     \
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n<<body>>{\"type\":\"message\","           \
  "\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],\"stop_reason\":\"end_turn\",\"usage\":{" \
  "\"input_tokens\":1,\"output_tokens\":2}}<<cut>>"
#define ERROR(status, type)                                                                 \
  "HTTP/1.1 " status                                                                        \
  "\r\nContent-Type: application/json\r\nrequest-id: req_1\r\n<<body>>{\"type\":\"error\"," \
  "\"error\":{\"type\":\"" type "\",\"message\":\"words\"},\"request_id\":\"req_1\"}<<cut>>"
#define BODY(stream)                                                                               \
  "{\"model\":\"claude\",\"max_tokens\":4096,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}" \
  "]" stream "}"

static leat_chat_request chat;

static void ask(flow *f, const char *protocol, bool stream) {
  leat_chat_request_init(&chat);
  chat.model = "claude";
  chat.prompt = lti_slice_of("hi");
  chat.stream = stream;
  f->request.protocol = protocol;
  f->request.api_key = "secret-key";
  f->request.body = lti_slice(NULL, 0);
  f->request.chat = &chat;
  f->request.retries = LEAT_NONE;
}

static void check_line(peer *p, unsigned n, const char *line) {
  const char *request = peer_request(p, n);
  assert_non_null(request);
  if (strncmp(request, line, strlen(line)) != 0) fail_msg("%s instead of %s", request, line);
}

static unsigned count(const char *text, const char *part) {
  unsigned n = 0;
  for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
  return n;
}

static void test_a_stream_asks_with_version_and_key(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){STREAM "<<last>>", NULL});
  ask(f, "anthropic", true);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(c->text, "why ");
  flow_assert_has(c->text, "hello");
  check_line(p, 0, "POST /v1/messages HTTP/1.1\r\n");
  const char *request = peer_request(p, 0);
  flow_assert_has(request, "\r\nx-api-key: secret-key\r\n");
  flow_assert_has(request, "\r\nanthropic-version: 2023-06-01\r\n");
  flow_assert_has(request, "\r\nContent-Type: application/json\r\n");
  flow_assert_has(request, "\r\nAccept: text/event-stream\r\n");
  flow_assert_has(request, "\r\n\r\n" BODY(",\"stream\":true"));
  assert_null(strstr(request, "Authorization"));
  assert_int_equal(c->result.records, 10);
}

static void test_a_whole_answer(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){WHOLE, NULL});
  ask(f, "anthropic", false);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_string_equal(c->kinds, "HTUF");
  flow_assert_has(peer_request(p, 0), "\r\nAccept: application/json\r\n");
  flow_assert_has(peer_request(p, 0), "\r\n\r\n" BODY(""));
}

static void test_the_caller_may_name_another_version(void **state) {
  static const leat_header headers[] = {{{"Anthropic-Version", 17}, {"2099-01-01", 10}},
                                        {{"anthropic-beta", 14}, {"files-api-2025-04-14", 20}}};
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){WHOLE, NULL});
  ask(f, "anthropic", false);
  f->request.headers = headers;
  f->request.header_count = 2;
  flow_chat(f, p);
  flow_wait(f);
  const char *request = peer_request(p, 0);
  flow_assert_has(request, "ersion: 2099-01-01\r\n");
  flow_assert_has(request, "\r\nanthropic-beta: files-api-2025-04-14\r\n");
  assert_int_equal(count(request, "nthropic-"), 2);
}

static void test_a_body_of_the_callers_is_sent_untouched(void **state) {
  static const char body[] = "{ \"stream\" : true, \"model\" : \"claude\" }";
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){STREAM "<<last>>", NULL});
  ask(f, "anthropic", true);
  f->request.chat = NULL;
  f->request.body = lti_slice_of(body);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 0), body);
}

static void test_what_cannot_be_asked_is_told_at_once(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){WHOLE, NULL});
  ask(f, "anthropic", false);
  chat.has_seed = true;
  f->request.base_url = peer_url(p);
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, LEAT_EINVAL);
  flow_assert_has(c->message, "no seed");
  assert_int_equal(peer_requests(p), 0);
}

/* Whoever reads on gets the rest; nothing behind message_stop turns it into a failure. */
static void test_an_answer_ends_at_its_marker(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){STREAM "<<reset>>", NULL});
  ask(f, "anthropic", true);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_an_answer_that_breaks_off_is_no_success(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HEAD START TEXT("hel") "<<close>>",
                                               HEAD START TEXT("hel") "<<last>>", NULL});
  ask(f, "anthropic", true);
  flow_call *cut = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(cut, LEAT_ETRUNCATED);
  flow_call *clean = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(clean, LEAT_EINCOMPLETE);
  assert_string_equal(clean->text, "hel");
}

static void test_js_07_an_error_behind_200(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){HEAD START TEXT("hel") E("error",
                                                        ",\"error\":{\"type\":\"overloaded_error\","
                                                        "\"message\":\"Overloaded\"}") "<<last>>",
                               NULL});
  ask(f, "anthropic", true);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EAPI);
  assert_string_equal(c->provider_type, "overloaded_error");
  assert_string_equal(c->provider_message, "Overloaded");
  assert_string_equal(c->text, "hel");
}

static void test_a_refusal_says_what_the_provider_said(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ERROR("404 Not Found", "not_found_error"), NULL});
  ask(f, "anthropic", true);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 404);
  assert_string_equal(c->provider_type, "not_found_error");
  assert_string_equal(c->provider_message, "words");
  assert_string_equal(c->request_id, "req_1");
}

static void test_529_is_asked_again(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){ERROR("529 Overloaded", "overloaded_error"), WHOLE, NULL});
  ask(f, "anthropic", false);
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
  assert_string_equal(c->text, "hello");
}

/* ---- responses ------------------------------------------------------------------------------- */

static void test_responses_are_asked_over_http(void **state) {
  static const char stream[] =
      HEAD E("response.created", ",\"response\":{\"id\":\"r\",\"status\":\"in_progress\"}")
          E("response.output_text.delta",
            ",\"output_index\":0,\"content_index\":0,\"delta\":"
            "\"hello\"")
              E("response.incomplete",
                ",\"response\":{\"id\":\"r\",\"status\":\"incomplete\",\"incomplete_details\":{"
                "\"reason\":\"max_output_tokens\"}}") "<<last>>";
  static const char whole[] =
      "HTTP/1.1 200 OK\r\n<<body>>{\"object\":\"response\",\"status\":\"completed\",\"output\":[{"
      "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"hello\"}]}]}<<cut>>";
  static const char input[] =
      "{\"model\":\"claude\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{"
      "\"type\":\"input_text\",\"text\":\"hi\"}]}]";
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){stream, whole, NULL});
  char body[256];
  for (unsigned i = 0; i < 2; i++) {
    ask(f, "openai-responses", i == 0);
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
    snprintf(body, sizeof body, "\r\n\r\n%s%s}", input, i ? "" : ",\"stream\":true");
    check_line(p, i, "POST /v1/responses HTTP/1.1\r\n");
    flow_assert_has(peer_request(p, i), "\r\nAuthorization: Bearer secret-key\r\n");
    flow_assert_has(peer_request(p, i), body);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_stream_asks_with_version_and_key),
      FLOW_TEST(test_a_whole_answer),
      FLOW_TEST(test_the_caller_may_name_another_version),
      FLOW_TEST(test_a_body_of_the_callers_is_sent_untouched),
      FLOW_TEST(test_what_cannot_be_asked_is_told_at_once),
      FLOW_TEST(test_an_answer_ends_at_its_marker),
      FLOW_TEST(test_an_answer_that_breaks_off_is_no_success),
      FLOW_TEST(test_js_07_an_error_behind_200),
      FLOW_TEST(test_a_refusal_says_what_the_provider_said),
      FLOW_TEST(test_529_is_asked_again),
      FLOW_TEST(test_responses_are_asked_over_http),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
