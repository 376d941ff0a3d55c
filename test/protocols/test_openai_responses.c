/* OpenAI's Responses over HTTP: what is its own beside the decoder that test_responses_ws.c feeds.
 * Bodies are given whole, in small pieces and cut at every place (support/trace.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/openai_responses.h"
#include "support/failing.h"
#include "support/trace.h"

#define E(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define CREATED                                                            \
  E("response.created",                                                    \
    ",\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":" \
    "\"in_progress\",\"error\":null,\"usage\":null}")
#define TEXT(t)                                                                \
  E("response.output_text.delta",                                              \
    ",\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\"" t \
    "\","                                                                      \
    "\"logprobs\":[],\"obfuscation\":\"xyz\"")
#define RESPONSE(status, rest) \
  "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"" status "\"" rest "}"
#define ENDED(status, rest) E("response." status, ",\"response\":" RESPONSE(status, rest))
#define OUTPUT                                                                                 \
  ",\"output\":[{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[{\"type\":\"summary_text\"," \
  "\"text\":\"w\"}]},{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"content\":[{" \
  "\"type\":\"output_text\",\"text\":\"hi\"}]},{\"type\":\"function_call\",\"id\":\"f\","      \
  "\"call_id\":\"c\",\"name\":\"n\",\"arguments\":\"{}\"}]"
#define NEW_USAGE ",\"usage\":{\"input_tokens\":2,\"output_tokens\":3,\"total_tokens\":5}"
#define OLD_USAGE ",\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,\"total_tokens\":5}"

static void check(const char *body, const char *expected) {
  trace_check_text("openai-responses", body, expected);
}

static void test_a_stream_and_both_spellings_of_usage(void **state) {
  (void)state;
  check(CREATED TEXT("Hi ") TEXT("there") ENDED("completed", NEW_USAGE) TEXT("behind"),
        "T0 Hi \nT0 there\nU 2 3 5\nF0 completed\n= LEAT_OK");
  check(CREATED TEXT("a") ENDED("completed", OLD_USAGE), "T0 a\nU 2 3 5\nF0 completed\n= LEAT_OK");
}

static void test_an_incomplete_answer_says_why_and_is_whole(void **state) {
  (void)state;
  check(TEXT("a") ENDED("incomplete", ",\"incomplete_details\":{\"reason\":\"content_filter\"}"),
        "T0 a\nF0 incomplete # content_filter\n= LEAT_OK");
  check(ENDED("incomplete", ",\"incomplete_details\":{\"reason\":7}"), "F0 incomplete\n= LEAT_OK");
  check(ENDED("incomplete", ",\"incomplete_details\":null"), "F0 incomplete\n= LEAT_OK");
}

static void test_a_whole_response(void **state) {
  static const char events[] = "R0 w\nT0 hi\nC0.0 c n {}\nU 2 3 5\nF0 completed\n= LEAT_OK";
  (void)state;
  check(RESPONSE("completed", OUTPUT NEW_USAGE), events);
  check("\r\n " RESPONSE("completed", OUTPUT OLD_USAGE) "\n", events);
  check(RESPONSE("incomplete", ",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"),
        "F0 incomplete # max_output_tokens\n= LEAT_OK");
  check(RESPONSE("failed", ",\"error\":{\"code\":\"c\",\"message\":\"m\"}"), "= LEAT_EAPI /c/m");
  check(RESPONSE("in_progress", ""), "= LEAT_EINCOMPLETE");
  check(RESPONSE("cancelled", ""), "F0 cancelled\n= LEAT_EINCOMPLETE");
  check("{\"object\":\"response\"", "= LEAT_EDECODE");
}

static void test_js_11_errors_as_whole_bodies(void **state) {
  (void)state;
  check("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}}", "= LEAT_EAPI t/c/m");
  check("{\"code\":\"c\",\"message\":\"m\",\"data\":null}", "= LEAT_EAPI /c/m");
  check("{\"success\":false,\"message\":\"m\"}", "= LEAT_EAPI //m");
  check("[{\"error\":{\"message\":\"m\"}}]", "= LEAT_EAPI //m");
  check("{}", "= LEAT_EINCOMPLETE");
}

static void test_js_07_failures_and_error_events_of_both_shapes(void **state) {
  (void)state;
  check(TEXT("a") ENDED("failed", ",\"error\":{\"code\":\"server_error\",\"message\":\"m\"}"),
        "T0 a\n= LEAT_EAPI /server_error/m");
  check(TEXT("a") E("error", ",\"code\":\"c\",\"message\":\"m\",\"param\":null"),
        "T0 a\n= LEAT_EAPI error/c/m");
  check(E("error", ",\"error\":{\"type\":\"t\",\"code\":\"c\",\"message\":\"m\"}"),
        "= LEAT_EAPI t/c/m");
  check("event: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n", "= LEAT_EAPI //m");
  check("data: {\"error\":{\"message\":\"m\"}}\n\n", "= LEAT_EAPI //m");
  check(": PING\n\n{\"error\":{\"message\":\"m\"}}", "= LEAT_EAPI //m");
}

static void test_js_13_unknown_types_are_seen_raw_only(void **state) {
  static trace t;
  (void)state;
  check(E("response.future", ",\"delta\":\"x\"") TEXT("a") ENDED("completed", ""),
        "T0 a\nF0 completed\n= LEAT_OK");
  trace_body(&t, "openai-responses", lti_slice_of("data: {\"type\":\"response.future\"}\n\n"),
             &(trace_options){.want_raw = true});
  assert_string_equal(t.text, "RAW {\"type\":\"response.future\"}\n= LEAT_EINCOMPLETE");
}

static void test_the_end_is_called_by_its_name(void **state) {
  static const char *const rows[][2] = {
      {ENDED("completed", ""), "response.completed"},
      {ENDED("incomplete", ""), "response.incomplete"},
      {ENDED("cancelled", ""), "response.cancelled"},
      {ENDED("failed", ""), "response.failed"},
      {"data: [DONE]\n\n", NULL},
      {TEXT("a"), NULL},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    static trace t;
    lti_answer a;
    lti_alloc alloc;
    lti_verdict verdict;
    size_t taken;
    lti_alloc_init(&alloc, NULL);
    assert_int_equal(lti_answer_init(&a, &alloc, lti_protocol_find("openai-responses"),
                                     &(lti_answer_limits){4096, 4096, NULL, NULL},
                                     (lti_answer_sink){trace_event, &t}),
                     LTI_OK);
    lti_answer_feed(&a, lti_slice_of(rows[i][0]), &taken);
    lti_answer_end(&a, &verdict);
    if (rows[i][1]) assert_string_equal(verdict.ended, rows[i][1]);
    if (!rows[i][1]) assert_null(verdict.ended);
    lti_answer_deinit(&a);
  }
}

static void read_under_failure(const leat_allocator *fns, void *ctx) {
  static const char *const bodies[] = {
      CREATED TEXT("\\u0061")
          ENDED("incomplete", ",\"incomplete_details\":{\"reason\":\"\\u006dax\"}" NEW_USAGE),
      RESPONSE("completed", OUTPUT NEW_USAGE),
      "{\"error\":{\"message\":\"\\u006d\"}}",
      "{\"code\":\"c\",\"message\":\"\\u006d\"}",
  };
  static trace t;
  (void)ctx;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    int rc = trace_body(&t, "openai-responses", lti_slice_of(bodies[i]),
                        &(trace_options){.piece = 64, .allocator = fns});
    assert_true(rc == (i > 1 ? LEAT_EAPI : LEAT_OK) || rc == LEAT_ENOMEM);
    assert_true(t.utf8);
  }
}

static void test_every_failed_allocation_is_survived(void **state) {
  (void)state;
  assert_true(failing_at_every_n(read_under_failure, NULL) >= 8);
}

static void test_a_body_of_the_callers_and_where_it_goes(void **state) {
  const lti_protocol *p = lti_protocol_find("openai-responses");
  leat_chat_request chat;
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  (void)state;
  assert_string_equal(p->path, "/responses");
  assert_null(p->socket);
  assert_int_equal(p->inspect(lti_slice_of("{\"input\":\"a\",\"stream\":true}"), &e), LEAT_OK);
  assert_true(e.stream);
  assert_int_equal(p->inspect(lti_slice_of("{\"input\""), &e), LEAT_EJSON);
  leat_chat_request_init(&chat);
  chat.prompt = lti_slice_of("hi");
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 4096, LEAT_EBODYMAX);
  assert_int_equal(p->encode(&chat, &out, &e), LEAT_OK);
  assert_true(lti_slice_is(lti_buf_slice(&out),
                           "{\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{"
                           "\"type\":\"input_text\",\"text\":\"hi\"}]}]}"));
  assert_false(e.stream);
  chat.stream = true;
  lti_buf_clear(&out);
  assert_int_equal(p->encode(&chat, &out, &e), LEAT_OK);
  assert_true(e.stream);
  chat.has_reasoning_tokens = true;
  assert_int_equal(p->encode(&chat, &out, &e), LEAT_EINVAL);
  lti_buf_deinit(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_stream_and_both_spellings_of_usage),
      cmocka_unit_test(test_an_incomplete_answer_says_why_and_is_whole),
      cmocka_unit_test(test_a_whole_response),
      cmocka_unit_test(test_js_11_errors_as_whole_bodies),
      cmocka_unit_test(test_js_07_failures_and_error_events_of_both_shapes),
      cmocka_unit_test(test_js_13_unknown_types_are_seen_raw_only),
      cmocka_unit_test(test_the_end_is_called_by_its_name),
      cmocka_unit_test(test_every_failed_allocation_is_survived),
      cmocka_unit_test(test_a_body_of_the_callers_and_where_it_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
