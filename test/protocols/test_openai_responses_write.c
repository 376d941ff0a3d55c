/* Requests of Responses, over a socket and over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/openai_responses.h"
#include "support/failing.h"

static int write_chat(const leat_chat_request *chat, bool event, char *text, size_t room) {
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  int rc = lti_openai_responses_write(chat, event, &out, &e);
  if (rc == LEAT_OK) assert_true(lti_json_valid(lti_buf_slice(&out), NULL, NULL));
  snprintf(text, room, "%.*s", rc ? (int)(e.message ? strlen(e.message) : 0) : (int)out.size,
           rc ? e.message : out.data);
  lti_buf_deinit(&out);
  return rc;
}

static void test_a_question_with_everything(void **state) {
  static const leat_part parts[] = {
      {.kind = LEAT_PART_TEXT, .text = {"see", 3}},
      {.kind = LEAT_PART_IMAGE_URL, .url = "https://h/i.png", .detail = "low"},
      {.kind = LEAT_PART_FILE, .file_id = "file_1"},
      {.kind = LEAT_PART_AUDIO, .data = {"AA==", 4}, .format = "wav"},
      {.kind = LEAT_PART_RAW, .data = {"{\"x\":1}", 7}}};
  static const leat_tool_use use = {.id = "c", .name = "f", .arguments = {"{}", 2}};
  static const leat_message messages[] = {
      {.role = "developer", .text = {"be", 2}},
      {.role = "user", .parts = parts, .part_count = 5},
      {.role = "assistant", .text = {"ok", 2}, .tool_uses = &use, .tool_use_count = 1},
      {.role = "tool", .tool_call_id = "c", .text = {"4", 1}}};
  static const leat_tool tool = {
      .name = "f", .description = "d", .parameters = {"{\"type\":\"object\"}", 17}, .strict = true};
  leat_chat_request chat;
  char text[2048];
  (void)state;
  leat_chat_request_init(&chat);
  chat.model = "m";
  chat.messages = messages;
  chat.message_count = 4;
  chat.tools = &tool;
  chat.tool_count = 1;
  chat.tool_choice = "f";
  chat.has_max_tokens = chat.has_temperature = chat.has_store = true;
  chat.max_tokens = 9;
  chat.temperature = 0.5;
  chat.reasoning_effort = "low";
  chat.response_format = lti_slice_of(
      "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
      "\"schema\":{}}}");
  chat.extra = lti_slice_of("{\"previous_response_id\":\"resp_0\"}");
  assert_int_equal(write_chat(&chat, true, text, sizeof text), LEAT_OK);
  assert_string_equal(
      text,
      "{\"type\":\"response.create\",\"model\":\"m\",\"input\":["
      "{\"type\":\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\","
      "\"text\":\"be\"}]},{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":"
      "\"input_text\",\"text\":\"see\"},{\"type\":\"input_image\",\"image_url\":"
      "\"https://h/i.png\",\"detail\":\"low\"},{\"type\":\"input_file\",\"file_id\":\"file_1\"},"
      "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA==\",\"format\":\"wav\"}},"
      "{\"x\":1}]},{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"
      "\"output_text\",\"text\":\"ok\"}]},{\"type\":\"function_call\",\"call_id\":\"c\","
      "\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c\","
      "\"output\":\"4\"}],\"max_output_tokens\":9,\"temperature\":0.5,\"tools\":[{\"type\":"
      "\"function\",\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
      "\"strict\":true}],\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"text\":{"
      "\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{}}},\"reasoning\":{"
      "\"effort\":\"low\"},\"store\":false,\"previous_response_id\":\"resp_0\"}");
}

static void test_the_same_question_for_http(void **state) {
  leat_chat_request chat;
  char text[512];
  (void)state;
  leat_chat_request_init(&chat);
  chat.prompt = lti_slice_of("hi");
  chat.stream = true;
  assert_int_equal(write_chat(&chat, false, text, sizeof text), LEAT_OK);
  assert_string_equal(text,
                      "{\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{"
                      "\"type\":\"input_text\",\"text\":\"hi\"}]}],\"stream\":true}");
  chat.stream = false;
  chat.extra = lti_slice_of("{\"stream\":true}");
  assert_int_equal(write_chat(&chat, false, text, sizeof text), LEAT_EINVAL);
}

static void test_what_cannot_be_asked_is_refused_with_a_word(void **state) {
  static const leat_message odd[] = {{.role = "user", .name = "x", .text = {"a", 1}},
                                     {.text = {"a", 1}},
                                     {.role = "tool", .text = {"a", 1}}};
  leat_chat_request chat;
  char text[512];
  (void)state;
  leat_chat_request_init(&chat);
  assert_int_equal(write_chat(&chat, true, text, sizeof text), LEAT_EINVAL);
  assert_string_equal(text, "messages are missing");
  for (size_t i = 0; i < 3; i++) {
    chat.messages = &odd[i];
    chat.message_count = 1;
    assert_int_equal(write_chat(&chat, true, text, sizeof text), LEAT_EINVAL);
    assert_true(strlen(text) > 10);
  }
  chat.message_count = 0;
  chat.prompt = lti_slice_of("a");
  chat.has_seed = true;
  assert_int_equal(write_chat(&chat, true, text, sizeof text), LEAT_EINVAL);
  chat.has_seed = false;
  chat.extra = lti_slice_of("{\"type\":1}");
  assert_int_equal(write_chat(&chat, true, text, sizeof text), LEAT_EINVAL);
  chat.extra = lti_slice_of("{\"a\":");
  assert_int_equal(write_chat(&chat, true, text, sizeof text), LEAT_EJSON);
}

static void write_under_failure(const leat_allocator *fns, void *ctx) {
  static const leat_tool tool = {.name = "f"};
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  leat_chat_request *chat = ctx;
  chat->tools = &tool;
  chat->tool_count = 1;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  for (int protocol = 0; protocol < 2; protocol++) {
    int rc = lti_protocol_find(protocol ? "realtime" : "responses-ws")->encode(chat, &out, &e);
    assert_true(rc == LEAT_OK || (rc == LEAT_ENOMEM && e.message));
  }
  lti_buf_deinit(&out);
}

static void test_encoding_survives_every_failed_allocation(void **state) {
  leat_chat_request chat;
  (void)state;
  leat_chat_request_init(&chat);
  chat.prompt = lti_slice_of("hi");
  chat.extra = lti_slice_of("{\"instructions\":\"a longer text, so that the buffer must grow\"}");
  assert_true(failing_at_every_n(write_under_failure, &chat) >= 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_question_with_everything),
      cmocka_unit_test(test_the_same_question_for_http),
      cmocka_unit_test(test_what_cannot_be_asked_is_refused_with_a_word),
      cmocka_unit_test(test_encoding_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
