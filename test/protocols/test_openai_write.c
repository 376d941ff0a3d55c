/* Request bodies of the chat dialect, byte for byte; those of the older completions stand in
 * test_openai_completions.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocol.h"
#include "support/failing.h"
#include "wire/json.h"

#define CHAT "openai-chat"

static int encode(const leat_chat_request *chat, char *text, size_t size, lti_encoded *encoded) {
  lti_alloc alloc;
  lti_buf out;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  int rc = lti_protocol_find(CHAT)->encode(chat, &out, encoded);
  snprintf(text, size, "%.*s", (int)out.size, out.data ? out.data : "");
  if (rc != LTI_OK) assert_int_equal(out.size, 0);
  if (rc == LTI_OK) assert_true(lti_json_valid(lti_buf_slice(&out), NULL, NULL));
  lti_buf_deinit(&out);
  return rc;
}

static void check_encoded(const leat_chat_request *chat, const char *expected) {
  char text[4096];
  lti_encoded encoded;
  assert_int_equal(encode(chat, text, sizeof text, &encoded), LTI_OK);
  assert_string_equal(text, expected);
  assert_int_equal(encoded.stream, chat->stream);
}

static void check_refused(const leat_chat_request *chat, int error, const char *message) {
  char text[4096];
  lti_encoded encoded;
  assert_int_equal(encode(chat, text, sizeof text, &encoded), error);
  assert_string_equal(encoded.message, message);
}

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static leat_chat_request asking(void) {
  leat_chat_request chat = {.struct_size = sizeof chat, .prompt = {"hi", 2}};
  return chat;
}

static void test_a_prompt_is_one_user_message(void **state) {
  (void)state;
  leat_chat_request chat = asking();
  chat.model = "m\"1";
  check_encoded(&chat, "{\"model\":\"m\\\"1\"," HI "}");
  chat.stream = true;
  check_encoded(&chat, "{\"model\":\"m\\\"1\"," HI
                       ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
  chat.no_usage = true;
  check_encoded(&chat, "{\"model\":\"m\\\"1\"," HI ",\"stream\":true}");
  chat.stream_options = lti_slice_of("{\"x\": 1}");
  check_encoded(&chat,
                "{\"model\":\"m\\\"1\"," HI ",\"stream\":true,\"stream_options\":{\"x\": 1}}");
}

static void test_every_typed_field_is_written(void **state) {
  (void)state;
  static const char *const stop[] = {"\n", "END"};
  leat_chat_request chat = asking();
  chat.has_max_tokens = chat.has_max_completion_tokens = chat.has_temperature = true;
  chat.has_top_p = chat.has_top_k = chat.has_n = chat.has_frequency_penalty = true;
  chat.has_presence_penalty = chat.has_seed = chat.has_logprobs = chat.has_top_logprobs = true;
  chat.has_parallel_tool_calls = chat.has_best_of = chat.has_echo = chat.has_store = true;
  chat.max_tokens = 1;
  chat.max_completion_tokens = 2;
  chat.temperature = 0.7;
  chat.top_p = 1;
  chat.top_k = 3;
  chat.n = 4;
  chat.frequency_penalty = -0.5;
  chat.presence_penalty = 1e-7;
  chat.seed = INT64_MIN;
  chat.logprobs = true;
  chat.top_logprobs = 5;
  chat.best_of = 6;
  chat.stop = stop;
  chat.stop_count = 2;
  chat.reasoning_effort = "low";
  chat.user = "u";
  chat.service_tier = "flex";
  chat.response_format = lti_slice_of("{\"type\":\"json_object\"}");
  chat.metadata = lti_slice_of("{ \"k\":\"v\" }");
  chat.logit_bias = lti_slice_of("{\"5\":-100}");
  chat.extra = lti_slice_of(" { \"x\" : [1] , \"y\":{} } ");
  check_encoded(
      &chat,
      "{" HI
      ",\"max_tokens\":1,\"max_completion_tokens\":2,\"temperature\":0.7,\"top_p\":1,"
      "\"top_k\":3,\"n\":4,\"stop\":[\"\\n\",\"END\"],\"frequency_penalty\":-0.5,"
      "\"presence_penalty\":1e-07,\"seed\":-9223372036854775808,\"logprobs\":true,"
      "\"top_logprobs\":5,\"parallel_tool_calls\":false,"
      "\"response_format\":{\"type\":\"json_object\"},\"reasoning_effort\":\"low\","
      "\"service_tier\":\"flex\",\"user\":\"u\",\"store\":false,\"metadata\":{ \"k\":\"v\" },"
      "\"logit_bias\":{\"5\":-100},\"best_of\":6,\"echo\":false, \"x\" : [1] , \"y\":{} }");
}

static void test_messages_with_parts_and_tool_calls(void **state) {
  (void)state;
  const leat_part parts[] = {
      {.kind = LEAT_PART_TEXT, .text = {"a\n", 2}},
      {.kind = LEAT_PART_IMAGE_URL, .url = "https://x/i.png", .detail = "low"},
      {.kind = LEAT_PART_AUDIO, .data = {"UklG", 4}, .format = "wav"},
      {.kind = LEAT_PART_FILE, .file_id = "f1"},
      {.kind = LEAT_PART_FILE, .filename = "a.pdf", .data = {"QUJD", 4}},
      {.kind = LEAT_PART_VIDEO_URL, .url = "https://x/v.mp4"},
      {.kind = LEAT_PART_RAW, .data = {"{\"type\": \"new\"}", 15}},
  };
  const leat_tool_use use = {"c1", "f", {"{\"q\":1}", 7}};
  const leat_message messages[] = {
      {.role = "system", .name = "s", .text = {"be", 2}},
      {.role = "user", .parts = parts, .part_count = 7},
      {.role = "assistant", .tool_uses = &use, .tool_use_count = 1, .reasoning = {"r", 1}},
      {.role = "tool", .tool_call_id = "c1", .text = {"", 0}},
      {.role = "assistant", .refusal = {"no", 2}},
  };
  leat_chat_request chat = {.messages = messages, .message_count = 5};
  check_encoded(
      &chat,
      "{\"messages\":[{\"role\":\"system\",\"name\":\"s\",\"content\":\"be\"},"
      "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\\n\"},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/i.png\",\"detail\":\"low\"}},"
      "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklG\",\"format\":\"wav\"}},"
      "{\"type\":\"file\",\"file\":{\"file_id\":\"f1\"}},"
      "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"QUJD\"}},"
      "{\"type\":\"video_url\",\"video_url\":{\"url\":\"https://x/v.mp4\"}},{\"type\": \"new\"}]},"
      "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"r\",\"tool_calls\":[{"
      "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"{\\\"q\\\":1}\"}}]},"
      "{\"role\":\"tool\",\"content\":\"\",\"tool_call_id\":\"c1\"},"
      "{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"}]}");
}

static void test_tools_and_the_choice_among_them(void **state) {
  (void)state;
  const leat_tool tools[] = {
      {.name = "f",
       .description = "d",
       .parameters = {"{\"type\": \"object\"}", 18},
       .strict = true},
      {.name = "g"},
  };
  leat_chat_request chat = asking();
  chat.tools = tools;
  chat.tool_count = 2;
#define TOOLS                                                                              \
  ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\"," \
  "\"parameters\":{\"type\": \"object\"},\"strict\":true}},"                               \
  "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]"
  check_encoded(&chat, "{" HI TOOLS "}");
  chat.tool_choice = "required";
  check_encoded(&chat, "{" HI TOOLS ",\"tool_choice\":\"required\"}");
  chat.tool_choice = "g";
  check_encoded(&chat, "{" HI TOOLS
                       ",\"tool_choice\":{\"type\":\"function\",\"function\":"
                       "{\"name\":\"g\"}}}");
  chat = asking();
  chat.tools_json = lti_slice_of("[ ]");
  chat.tool_choice_json = lti_slice_of("\"auto\"");
  check_encoded(&chat, "{" HI ",\"tools\":[ ],\"tool_choice\":\"auto\"}");
  chat = asking();
  chat.prompt = lti_slice(NULL, 0);
  chat.messages_json = lti_slice_of("[{}]");
  check_encoded(&chat, "{\"messages\":[{}]}");
}

static void test_json_of_the_caller_is_checked(void **state) {
  (void)state;
  leat_chat_request chat = asking();
  lti_encoded encoded;
  char text[256];
  chat.response_format = lti_slice_of("{\"a\":}");
  check_refused(&chat, LEAT_EJSON, "response_format is not valid JSON");
  encode(&chat, text, sizeof text, &encoded);
  assert_int_equal(encoded.offset, 5);
  chat.response_format = lti_slice_of("[]");
  check_refused(&chat, LEAT_EINVAL, "response_format is JSON of the wrong type");
  chat = asking();
  chat.extra = lti_slice_of("[]");
  check_refused(&chat, LEAT_EINVAL, "extra must be a JSON object");
  chat.extra = lti_slice_of("{\"a\":1} x");
  check_refused(&chat, LEAT_EJSON, "extra is not valid JSON");
  chat.extra = lti_slice_of("{}");
  check_encoded(&chat, "{" HI "}");
}

static void test_extra_may_not_repeat_a_member(void **state) {
  (void)state;
  leat_chat_request chat = asking();
  chat.extra = lti_slice_of("{\"model\":\"m\"}");
  check_encoded(&chat, "{" HI ",\"model\":\"m\"}");
  chat.model = "x";
  check_refused(&chat, LEAT_EINVAL, "extra repeats the member \"model\"");
  chat.extra = lti_slice_of("{\"a\":1,\"mess\\u0061ges\":[]}");
  check_refused(&chat, LEAT_EINVAL, "extra repeats the member \"messages\"");
  chat.extra = lti_slice_of("{\"stream\":true}");
  check_refused(&chat, LEAT_EINVAL, "extra repeats the member \"stream\"");
}

static void test_requests_that_contradict_themselves(void **state) {
  (void)state;
  const leat_message message = {.role = "user", .text = {"x", 1}};
  const leat_tool tool = {.name = "f"};
  leat_chat_request chat = {.struct_size = sizeof chat};
  check_refused(&chat, LEAT_EINVAL, "messages are missing");
  chat = asking();
  chat.messages = &message;
  chat.message_count = 1;
  check_refused(&chat, LEAT_EINVAL, "only one of messages, messages_json and prompt may be given");
  chat = asking();
  chat.suffix = lti_slice_of("s");
  check_refused(&chat, LEAT_EINVAL, "suffix belongs to completions");
  chat = asking();
  chat.has_reasoning_tokens = true;
  check_refused(&chat, LEAT_EINVAL, "this dialect has no reasoning_tokens");
  chat = asking();
  chat.tools = &tool;
  chat.tool_count = 1;
  chat.tools_json = lti_slice_of("[]");
  check_refused(&chat, LEAT_EINVAL, "both tools and tools_json are given");
  chat = asking();
  chat.tool_choice = "auto";
  chat.tool_choice_json = lti_slice_of("\"auto\"");
  check_refused(&chat, LEAT_EINVAL, "both tool_choice and tool_choice_json are given");
  chat = asking();
  chat.has_temperature = true;
  chat.temperature = (double)NAN;
  check_refused(&chat, LEAT_EINVAL, "temperature is not a finite number");
}

static void test_parts_that_lack_something(void **state) {
  (void)state;
  static const struct {
    leat_part part;
    int error;
    const char *message;
  } rows[] = {
      {{.kind = LEAT_PART_IMAGE_URL}, LEAT_EINVAL, "a part has no url"},
      {{.kind = LEAT_PART_AUDIO, .format = "wav"}, LEAT_EINVAL, "an audio part has no data"},
      {{.kind = LEAT_PART_AUDIO, .data = {"a", 1}}, LEAT_EINVAL, "an audio part has no format"},
      {{.kind = LEAT_PART_FILE}, LEAT_EINVAL, "a file part has neither file_id nor data"},
      {{.kind = LEAT_PART_RAW, .data = {"{", 1}}, LEAT_EJSON, "a part is not valid JSON"},
      {{.kind = (enum leat_part_kind)99}, LEAT_EINVAL, "a part is of no known kind"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    leat_message message = {.role = "user", .parts = &rows[i].part, .part_count = 1};
    leat_chat_request chat = {.messages = &message, .message_count = 1};
    check_refused(&chat, rows[i].error, rows[i].message);
    message.text = lti_slice_of("x");
    check_refused(&chat, LEAT_EINVAL, "a message has both text and parts");
  }
}

static void test_inspect_finds_the_stream_member(void **state) {
  (void)state;
  static const struct {
    const char *body;
    int error;
    bool stream;
    size_t offset;
  } rows[] = {
      {"{\"stream\":true}", LTI_OK, true, 0},
      {"{\"messages\":[{\"stream\":true}]}", LTI_OK, false, 0},
      {"{\"stream\":true,\"stream\":false}", LTI_OK, false, 0},
      {"{\"stream\":\"true\"}", LTI_OK, false, 0},
      {" {\"str\\u0065am\" : true } ", LTI_OK, true, 0},
      {"[]", LEAT_EJSON, false, 0},
      {"{\"a\":1,}", LEAT_EJSON, false, 7},
      {"", LEAT_EJSON, false, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_encoded encoded;
    int rc = lti_protocol_find(CHAT)->inspect(lti_slice_of(rows[i].body), &encoded);
    assert_int_equal(rc, rows[i].error);
    assert_int_equal(encoded.stream, rows[i].stream);
    if (rc != LTI_OK) assert_int_equal(encoded.offset, rows[i].offset);
    if (rc != LTI_OK) assert_non_null(encoded.message);
  }
}

static void test_a_body_above_its_limit_has_the_buffers_error(void **state) {
  lti_alloc alloc;
  lti_buf out;
  lti_encoded encoded;
  leat_chat_request chat = asking();
  (void)state;
  lti_alloc_init(&alloc, NULL);
  for (size_t max = 1; max < 45; max++) {
    lti_buf_init(&out, &alloc, max, LEAT_EBODYMAX);
    assert_int_equal(lti_protocol_find(CHAT)->encode(&chat, &out, &encoded), LEAT_EBODYMAX);
    assert_int_equal(out.size, 0);
    lti_buf_deinit(&out);
  }
}

static void encode_under_failure(const leat_allocator *fns, void *ctx) {
  lti_alloc alloc;
  lti_buf out;
  lti_encoded encoded;
  leat_chat_request chat = asking();
  (void)ctx;
  char long_text[2000];
  memset(long_text, '\n', sizeof long_text);
  chat.prompt = lti_slice(long_text, sizeof long_text);
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  int rc = lti_protocol_find(CHAT)->encode(&chat, &out, &encoded);
  assert_true(rc == LTI_OK || rc == LEAT_ENOMEM);
  lti_buf_deinit(&out);
}

static void test_encoding_survives_every_failed_allocation(void **state) {
  (void)state;
  assert_true(failing_at_every_n(encode_under_failure, NULL) > 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_prompt_is_one_user_message),
      cmocka_unit_test(test_every_typed_field_is_written),
      cmocka_unit_test(test_messages_with_parts_and_tool_calls),
      cmocka_unit_test(test_tools_and_the_choice_among_them),
      cmocka_unit_test(test_json_of_the_caller_is_checked),
      cmocka_unit_test(test_extra_may_not_repeat_a_member),
      cmocka_unit_test(test_requests_that_contradict_themselves),
      cmocka_unit_test(test_parts_that_lack_something),
      cmocka_unit_test(test_inspect_finds_the_stream_member),
      cmocka_unit_test(test_a_body_above_its_limit_has_the_buffers_error),
      cmocka_unit_test(test_encoding_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
