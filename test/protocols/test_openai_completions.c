/* The older completions: what differs from the chat dialect, in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocol.h"
#include "support/trace.h"

#define TEXT       "openai-completions"
#define DATA(json) "data: " json "\n\n"

static void check(const char *body, const char *expected) {
  trace_check_text(TEXT, body, expected);
}

static void test_text_and_logprobs_of_a_stream(void **state) {
  (void)state;
  check(DATA("{\"choices\":[{\"text\":\"\\n\",\"index\":0,\"logprobs\":null,"
             "\"finish_reason\":null}],\"model\":\"m\"}")
            DATA("{\"choices\":[{\"text\":\"a\",\"index\":0,\"logprobs\":{\"tokens\":[\"a\"]}}]}")
                DATA("{\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"length\"}]}")
                    DATA("[DONE]"),
        "T0 \n\nT0 a # {\"tokens\":[\"a\"]}\nF0 length\n= LEAT_OK");
}

static void test_several_choices_and_usage_in_one_json_body(void **state) {
  (void)state;
  check(
      "{\"object\":\"text_completion\",\"choices\":[{\"text\":\"a\",\"index\":0,"
      "\"finish_reason\":\"stop\"},{\"text\":\"b\",\"index\":1,\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}",
      "T0 a\nF0 stop\nT1 b\nF1 stop\nU 1 2 3\n= LEAT_OK");
}

static void test_halves_and_errors_as_in_chat(void **state) {
  (void)state;
  check(DATA("{\"choices\":[{\"text\":\"\\ud83d\"}]}")
            DATA("{\"choices\":[{\"text\":\"\\ude00\",\"finish_reason\":\"stop\"}]}"),
        "T0 \nT0 \xf0\x9f\x98\x80\nF0 stop\n= LEAT_OK");
  check(DATA("{\"error\":{\"message\":\"m\",\"code\":\"c\"}}"), "= LEAT_EAPI /c/m");
  check(DATA("{\"choices\":[{\"text\":\"a\"}]}") DATA("[DONE]"), "T0 a\n= LEAT_EINCOMPLETE");
}

static int encode(const leat_chat_request *chat, char *text, size_t size, lti_encoded *encoded) {
  lti_alloc alloc;
  lti_buf out;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  int rc = lti_protocol_find(TEXT)->encode(chat, &out, encoded);
  snprintf(text, size, "%.*s", (int)out.size, out.data ? out.data : "");
  lti_buf_deinit(&out);
  return rc;
}

static void test_a_prompt_with_suffix_echo_and_logprobs(void **state) {
  (void)state;
  char text[1024];
  lti_encoded encoded;
  leat_chat_request chat = {.model = "m", .prompt = {"say\n", 4}, .suffix = {"end", 3}};
  chat.stream = true;
  chat.has_max_tokens = chat.has_best_of = chat.has_echo = chat.echo = chat.has_logprobs = true;
  chat.logprobs = true;
  chat.max_tokens = 16;
  chat.best_of = 2;
  assert_int_equal(encode(&chat, text, sizeof text, &encoded), LTI_OK);
  assert_string_equal(text,
                      "{\"model\":\"m\",\"prompt\":\"say\\n\",\"suffix\":\"end\",\"stream\":true,"
                      "\"stream_options\":{\"include_usage\":true},\"max_tokens\":16,"
                      "\"logprobs\":0,\"best_of\":2,\"echo\":true}");
  assert_true(encoded.stream);
  chat = (leat_chat_request){.prompt = {"", 0}, .has_top_logprobs = true, .top_logprobs = 5};
  assert_int_equal(encode(&chat, text, sizeof text, &encoded), LTI_OK);
  assert_string_equal(text, "{\"prompt\":\"\",\"logprobs\":5}");
}

static void test_messages_and_tools_are_refused(void **state) {
  (void)state;
  char text[64];
  lti_encoded encoded;
  const leat_message message = {.role = "user", .text = {"x", 1}};
  leat_chat_request chat = {.messages = &message, .message_count = 1};
  assert_int_equal(encode(&chat, text, sizeof text, &encoded), LEAT_EINVAL);
  assert_string_equal(encoded.message, "completions take a prompt instead of messages");
  chat = (leat_chat_request){.prompt = {"x", 1}, .tools_json = {"[]", 2}};
  assert_int_equal(encode(&chat, text, sizeof text, &encoded), LEAT_EINVAL);
  assert_string_equal(encoded.message, "completions take no tools");
  chat = (leat_chat_request){.model = "m"};
  assert_int_equal(encode(&chat, text, sizeof text, &encoded), LEAT_EINVAL);
  assert_string_equal(encoded.message, "the prompt is missing");
}

static void test_its_path_and_name(void **state) {
  (void)state;
  const lti_protocol *p = lti_protocol_find(TEXT);
  assert_string_equal(p->path, "/completions");
  assert_string_equal(p->end_marker, "done");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text_and_logprobs_of_a_stream),
      cmocka_unit_test(test_several_choices_and_usage_in_one_json_body),
      cmocka_unit_test(test_halves_and_errors_as_in_chat),
      cmocka_unit_test(test_a_prompt_with_suffix_echo_and_logprobs),
      cmocka_unit_test(test_messages_and_tools_are_refused),
      cmocka_unit_test(test_its_path_and_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
