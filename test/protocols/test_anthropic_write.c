/* Requests of Anthropic's Messages: literal bodies, and refusals with their words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/anthropic.h"
#include "support/failing.h"
#include "support/writing.h"

#define ASK(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

static void expect(const leat_chat_request *chat, const char *body) {
  writing_check("anthropic", chat, body);
}

static void expect_refusal(const leat_chat_request *chat, int error, const char *why) {
  writing_refused_with("anthropic", chat, error, why);
}

static leat_chat_request ask(void) {
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.prompt = lti_slice_of("a");
  return chat;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static void test_a_prompt_and_nothing_else(void **state) {
  leat_chat_request chat = ask();
  (void)state;
  expect(&chat, "{\"max_tokens\":4096," ASK("a") "}");
  chat.model = "claude";
  chat.stream = true;
  expect(&chat, "{\"model\":\"claude\",\"max_tokens\":4096," ASK("a") ",\"stream\":true}");
}

static void test_the_limit_is_what_was_asked_for(void **state) {
  leat_chat_request chat = ask();
  (void)state;
  chat.has_max_tokens = true;
  chat.max_tokens = 7;
  expect(&chat, "{\"max_tokens\":7," ASK("a") "}");
  chat.has_max_completion_tokens = true;
  chat.max_completion_tokens = 9;
  expect(&chat, "{\"max_tokens\":9," ASK("a") "}");
}

static void test_thinking_is_beside_the_limit_that_nobody_set(void **state) {
  leat_chat_request chat = ask();
  (void)state;
  chat.has_reasoning_tokens = true;
  chat.reasoning_tokens = 2048;
  expect(&chat, "{\"max_tokens\":6144," ASK(
                    "a") ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}}");
  chat.has_max_tokens = true;
  chat.max_tokens = 3000;
  expect(&chat, "{\"max_tokens\":3000," ASK(
                    "a") ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}}");
  chat.reasoning_tokens = 0;
  expect(&chat, "{\"max_tokens\":3000," ASK("a") ",\"thinking\":{\"type\":\"disabled\"}}");
}

static void test_a_request_with_everything(void **state) {
  static const char *const stop[] = {"\n\nHuman:", "x"};
  static const leat_tool tools[] = {{.name = "f",
                                     .description = "d",
                                     .parameters = {"{\"type\":\"object\"}", 17},
                                     .strict = true},
                                    {.name = "g"}};
  leat_chat_request chat = ask();
  (void)state;
  chat.model = "m";
  chat.has_temperature = chat.has_top_p = chat.has_top_k = chat.has_parallel_tool_calls = true;
  chat.temperature = 0.5;
  chat.top_p = 0.25;
  chat.top_k = 40;
  chat.stop = stop;
  chat.stop_count = 2;
  chat.tools = tools;
  chat.tool_count = 2;
  chat.tool_choice = "required";
  chat.user = "u";
  chat.service_tier = "auto";
  chat.reasoning_effort = "low";
  chat.response_format = lti_slice_of(
      "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"a\":1}}}");
  chat.extra = lti_slice_of(" { \"container\" : null } ");
  expect(&chat,
         "{\"model\":\"m\",\"max_tokens\":4096," ASK(
             "a") ",\"temperature\":0.5,\"top_p\":0.25,\"top_k\":40,"
                  "\"stop_sequences\":[\"\\n\\nHuman:\",\"x\"],"
                  "\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":"
                  "\"object\"},\"strict\":true},{\"name\":\"g\",\"input_schema\":{\"type\":"
                  "\"object\",\"properties\":{}}}],"
                  "\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true},"
                  "\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\","
                  "\"schema\":{\"a\":1}}},\"metadata\":{\"user_id\":\"u\"},"
                  "\"service_tier\":\"auto\", \"container\" : null }");
}

static void test_choices_of_tools(void **state) {
  static const char *const rows[][2] = {
      {"auto", "{\"type\":\"auto\"}"},
      {"required", "{\"type\":\"any\"}"},
      {"none", "{\"type\":\"none\"}"},
      {"get_time", "{\"type\":\"tool\",\"name\":\"get_time\"}"},
  };
  leat_chat_request chat = ask();
  char body[256];
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    chat.tool_choice = rows[i][0];
    snprintf(body, sizeof body, "{\"max_tokens\":4096," ASK("a") ",\"tool_choice\":%s}",
             rows[i][1]);
    expect(&chat, body);
  }
  chat.has_parallel_tool_calls = chat.parallel_tool_calls = true;
  chat.tool_choice = NULL;
  expect(&chat, "{\"max_tokens\":4096," ASK("a") "}");
  chat.parallel_tool_calls = false;
  expect(&chat,
         "{\"max_tokens\":4096," ASK(
             "a") ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}}");
  chat.tool_choice = "none";
  expect(&chat, "{\"max_tokens\":4096," ASK("a") ",\"tool_choice\":{\"type\":\"none\"}}");
}

static void test_json_of_the_callers_is_sent_as_it_is(void **state) {
  leat_chat_request chat;
  (void)state;
  leat_chat_request_init(&chat);
  chat.messages_json = lti_slice_of("[ 1 ]");
  chat.tools_json = lti_slice_of("[{\"type\":\"web_search_20250305\"}]");
  chat.tool_choice_json = lti_slice_of("{\"type\":\"any\"}");
  chat.metadata = lti_slice_of("{\"user_id\":\"x\"}");
  chat.response_format = lti_slice_of("{\"type\":\"json_schema\",\"schema\":{}}");
  expect(&chat,
         "{\"max_tokens\":4096,\"messages\":[ 1 ],\"tools\":[{\"type\":\"web_search_20250305\"}],"
         "\"tool_choice\":{\"type\":\"any\"},\"output_config\":{\"format\":{\"type\":"
         "\"json_schema\",\"schema\":{}}},\"metadata\":{\"user_id\":\"x\"}}");
}

/* ---- messages -------------------------------------------------------------------------------- */

static void test_a_conversation(void **state) {
  static const leat_tool_use uses[] = {{.id = "t1", .name = "f", .arguments = {"{\"a\":1}", 7}},
                                       {.id = "t2", .name = "g"}};
  static const leat_part shown[] = {{.kind = LEAT_PART_TEXT, .text = {"see", 3}},
                                    {.kind = LEAT_PART_IMAGE_URL, .url = "https://h/i.png"}};
  static const leat_message messages[] = {
      {.role = "system", .text = {"be", 2}},
      {.role = "user", .text = {"hi", 2}},
      {.role = "assistant",
       .text = {"ok", 2},
       .reasoning = {"why", 3},
       .signature = {"c2ln", 4},
       .tool_uses = uses,
       .tool_use_count = 2},
      {.role = "tool", .tool_call_id = "t1", .text = {"4", 1}},
      {.role = "tool", .tool_call_id = "t2", .parts = shown, .part_count = 2},
      {.role = "user", .text = {"so", 2}},
      {.role = "assistant", .refusal = {"no", 2}},
      {.role = "tool", .tool_call_id = "t3"},
      {.role = "assistant", .text = {"{", 1}}};
  leat_chat_request chat = writing_of(messages, sizeof messages / sizeof *messages);
  (void)state;
  expect(&chat,
         "{\"max_tokens\":4096,\"system\":\"be\",\"messages\":["
         "{\"role\":\"user\",\"content\":\"hi\"},"
         "{\"role\":\"assistant\",\"content\":["
         "{\"type\":\"thinking\",\"thinking\":\"why\",\"signature\":\"c2ln\"},"
         "{\"type\":\"text\",\"text\":\"ok\"},"
         "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":1}},"
         "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}]},"
         "{\"role\":\"user\",\"content\":["
         "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"4\"},"
         "{\"type\":\"tool_result\",\"tool_use_id\":\"t2\",\"content\":[{\"type\":\"text\","
         "\"text\":\"see\"},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
         "\"https://h/i.png\"}}]}]},"
         "{\"role\":\"user\",\"content\":\"so\"},"
         "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"no\"}]},"
         "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t3\","
         "\"content\":\"\"}]},{\"role\":\"assistant\",\"content\":\"{\"}]}");
}

static void test_what_the_system_says_stands_apart_wherever_it_stood(void **state) {
  static const leat_part parts[] = {
      {.kind = LEAT_PART_TEXT, .text = {"b", 1}},
      {.kind = LEAT_PART_RAW,
       .data = {"{\"type\":\"text\",\"text\":\"c\",\"cache_control\":{\"type\":\"ephemeral\"}}",
                63}}};
  static const leat_message messages[] = {{.role = "developer", .text = {"a", 1}},
                                          {.role = "tool", .tool_call_id = "t", .text = {"1", 1}},
                                          {.role = "system", .parts = parts, .part_count = 2},
                                          {.role = "tool", .tool_call_id = "u", .text = {"2", 1}},
                                          {.role = "user", .text = {"x", 1}}};
  leat_chat_request chat = writing_of(messages, 5);
  (void)state;
  expect(&chat,
         "{\"max_tokens\":4096,\"system\":[{\"type\":\"text\",\"text\":\"a\"},"
         "{\"type\":\"text\",\"text\":\"b\"},"
         "{\"type\":\"text\",\"text\":\"c\",\"cache_control\":{\"type\":\"ephemeral\"}}],"
         "\"messages\":[{\"role\":\"user\",\"content\":["
         "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"1\"},"
         "{\"type\":\"tool_result\",\"tool_use_id\":\"u\",\"content\":\"2\"}]},"
         "{\"role\":\"user\",\"content\":\"x\"}]}");
}

static void test_thinking_that_was_not_shown_goes_back_by_its_signature(void **state) {
  static const leat_part redacted = {
      .kind = LEAT_PART_RAW, .data = {"{\"type\":\"redacted_thinking\",\"data\":\"E\"}", 39}};
  static const leat_message messages[] = {
      {.role = "assistant", .signature = {"s", 1}, .text = {"a", 1}},
      {.role = "assistant", .parts = &redacted, .part_count = 1}};
  leat_chat_request chat = writing_of(messages, 2);
  (void)state;
  expect(&chat,
         "{\"max_tokens\":4096,\"messages\":[{\"role\":\"assistant\",\"content\":["
         "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\"},"
         "{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":\"assistant\",\"content\":["
         "{\"type\":\"redacted_thinking\",\"data\":\"E\"}]}]}");
}

static void expect_part(const leat_part *part, const char *block) {
  const leat_message m = {.role = "user", .parts = part, .part_count = 1};
  leat_chat_request chat = writing_of(&m, 1);
  char body[512];
  snprintf(body, sizeof body,
           "{\"max_tokens\":4096,\"messages\":[{\"role\":\"user\",\"content\":[%s]}]}", block);
  expect(&chat, body);
}

static void test_images_and_files(void **state) {
  (void)state;
  expect_part(&(leat_part){.kind = LEAT_PART_IMAGE_URL,
                           .url = "data:image/png;name=x;base64,iVBO",
                           .detail = "auto"},
              "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
              "\"data\":\"iVBO\"}}");
  expect_part(&(leat_part){.kind = LEAT_PART_FILE, .file_id = "file_1"},
              "{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}");
  expect_part(&(leat_part){.kind = LEAT_PART_FILE, .file_id = "file_1", .filename = "a.PNG"},
              "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}");
  expect_part(&(leat_part){.kind = LEAT_PART_FILE, .data = {"JVBE", 4}, .filename = "a.pdf"},
              "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
              "\"application/pdf\",\"data\":\"JVBE\"},\"title\":\"a.pdf\"}");
  expect_part(&(leat_part){.kind = LEAT_PART_FILE, .data = {"JVBE", 4}},
              "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
              "\"application/pdf\",\"data\":\"JVBE\"}}");
  expect_part(&(leat_part){.kind = LEAT_PART_FILE, .data = {"data:image/gif;base64,R0", 24}},
              "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/gif\","
              "\"data\":\"R0\"}}");
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void test_what_messages_cannot_be_is_told(void **state) {
  static const leat_tool_use nameless = {.id = "t"}, bare = {.name = "f"};
  static const leat_tool_use broken = {.id = "t", .name = "f", .arguments = {"{\"a\"", 4}};
  static const leat_tool_use listed = {.id = "t", .name = "f", .arguments = {"[]", 2}};
  static const leat_part text = {.kind = LEAT_PART_TEXT, .text = {"a", 1}};
  static const leat_part image = {.kind = LEAT_PART_IMAGE_URL, .url = "https://h"};
  static const struct {
    leat_message message;
    int error;
    const char *why;
  } rows[] = {
      {{.text = {"a", 1}}, LEAT_EINVAL, "no role"},
      {{.role = "function", .text = {"a", 1}}, LEAT_EINVAL, "role that this dialect has not"},
      {{.role = "user", .name = "x", .text = {"a", 1}}, LEAT_EINVAL, "no names"},
      {{.role = "user", .text = {"a", 1}, .parts = &text, .part_count = 1}, LEAT_EINVAL, "both"},
      {{.role = "user", .reasoning = {"a", 1}}, LEAT_EINVAL, "only an assistant's"},
      {{.role = "user", .tool_uses = &bare, .tool_use_count = 1}, LEAT_EINVAL, "only an assistant"},
      {{.role = "user", .tool_call_id = "t", .text = {"a", 1}}, LEAT_EINVAL, "only a tool's"},
      {{.role = "tool", .text = {"a", 1}}, LEAT_EINVAL, "no tool_call_id"},
      {{.role = "assistant", .reasoning = {"a", 1}}, LEAT_EINVAL, "signature"},
      {{.role = "assistant", .parts = &image, .part_count = 1}, LEAT_EINVAL, "is text"},
      {{.role = "assistant", .tool_uses = &bare, .tool_use_count = 1}, LEAT_EINVAL, "no id"},
      {{.role = "assistant", .tool_uses = &nameless, .tool_use_count = 1}, LEAT_EINVAL, "no name"},
      {{.role = "assistant", .tool_uses = &broken, .tool_use_count = 1}, LEAT_EJSON, "arguments"},
      {{.role = "assistant", .tool_uses = &listed, .tool_use_count = 1}, LEAT_EINVAL, "object"},
      {{.role = "system", .text = {"a", 1}}, LEAT_EINVAL, "besides those of the system"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    leat_chat_request chat = writing_of(&rows[i].message, 1);
    expect_refusal(&chat, rows[i].error, rows[i].why);
  }
}

static void test_what_parts_cannot_be_is_told(void **state) {
  static const struct {
    leat_part part;
    int error;
    const char *why;
  } rows[] = {
      {{.kind = LEAT_PART_IMAGE_URL}, LEAT_EINVAL, "no url"},
      {{.kind = LEAT_PART_IMAGE_URL, .url = "data:image/png,x"}, LEAT_EINVAL, "base64"},
      {{.kind = LEAT_PART_IMAGE_URL, .url = "data:x"}, LEAT_EINVAL, "base64"},
      {{.kind = LEAT_PART_IMAGE_URL, .url = "https://h", .detail = "low"}, LEAT_EINVAL, "detail"},
      {{.kind = LEAT_PART_FILE}, LEAT_EINVAL, "neither"},
      {{.kind = LEAT_PART_FILE, .data = {"data:,x", 7}}, LEAT_EINVAL, "base64"},
      {{.kind = LEAT_PART_FILE, .data = {"AA==", 4}, .filename = "a.docx"}, LEAT_EINVAL, "PDF"},
      {{.kind = LEAT_PART_FILE, .data = {"data:;base64,AA==", 17}}, LEAT_EINVAL, "PDF"},
      {{.kind = LEAT_PART_AUDIO, .data = {"AA==", 4}, .format = "wav"}, LEAT_EINVAL, "sound"},
      {{.kind = LEAT_PART_VIDEO_URL, .url = "https://h"}, LEAT_EINVAL, "videos"},
      {{.kind = LEAT_PART_RAW, .data = {"{", 1}}, LEAT_EJSON, "not valid JSON"},
      {{.kind = (enum leat_part_kind)99}, LEAT_EINVAL, "no known kind"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const leat_message m = {.role = "user", .parts = &rows[i].part, .part_count = 1};
    leat_chat_request chat = writing_of(&m, 1);
    expect_refusal(&chat, rows[i].error, rows[i].why);
  }
}

#define expect_field_refused(why, ...)       \
  do {                                       \
    leat_chat_request chat = ask();          \
    __VA_ARGS__;                             \
    expect_refusal(&chat, LEAT_EINVAL, why); \
  } while (0)

static void test_fields_that_it_does_not_have_are_refused(void **state) {
  (void)state;
  expect_field_refused("suffix", chat.suffix = lti_slice_of("x"));
  expect_field_refused("n must be 1", chat.has_n = true, chat.n = 2);
  expect_field_refused("seed", chat.has_seed = true);
  expect_field_refused("penalties", chat.has_frequency_penalty = true);
  expect_field_refused("penalties", chat.has_presence_penalty = true);
  expect_field_refused("logit_bias", chat.logit_bias = lti_slice_of("{}"));
  expect_field_refused("logprobs", chat.has_logprobs = chat.logprobs = true);
  expect_field_refused("logprobs", chat.has_top_logprobs = true);
  expect_field_refused("best_of", chat.has_best_of = true);
  expect_field_refused("echo", chat.has_echo = true);
  expect_field_refused("store", chat.has_store = chat.store = true);
  expect_field_refused("stream_options", chat.stream_options = lti_slice_of("{}"));
  expect_field_refused("json_schema",
                       chat.response_format = lti_slice_of("{\"type\":\"json_object\"}"));
  expect_field_refused("schema", chat.response_format = lti_slice_of("{\"type\":\"json_schema\"}"));
  expect_field_refused("out of range", chat.has_reasoning_tokens = true,
                       chat.reasoning_tokens = -1);
  expect_field_refused("out of range", chat.has_reasoning_tokens = true,
                       chat.reasoning_tokens = INT64_MAX);
  expect_field_refused("not a finite", chat.has_temperature = true, chat.temperature = (double)NAN);
  expect_field_refused("extra repeats", chat.extra = lti_slice_of("{\"max_tokens\":1}"));
  expect_field_refused("extra repeats", chat.extra = lti_slice_of("{\"stream\":true}"));
  expect_field_refused("extra must be", chat.extra = lti_slice_of("[]"));
}

static void test_contradictions_are_refused(void **state) {
  static const leat_tool tool = {.name = "f"}, nameless = {.description = "d"};
  static const char *const stop[] = {NULL};
  leat_chat_request chat;
  (void)state;
  leat_chat_request_init(&chat);
  expect_refusal(&chat, LEAT_EINVAL, "messages are missing");
  chat = ask();
  chat.messages_json = lti_slice_of("[]");
  expect_refusal(&chat, LEAT_EINVAL, "only one of");
  chat = ask();
  chat.tools = &tool;
  chat.tool_count = 1;
  chat.tools_json = lti_slice_of("[]");
  expect_refusal(&chat, LEAT_EINVAL, "both tools");
  chat.tools_json.size = 0;
  chat.tools = &nameless;
  expect_refusal(&chat, LEAT_EINVAL, "a tool has no name");
  chat = ask();
  chat.tool_choice = "auto";
  chat.tool_choice_json = lti_slice_of("{}");
  expect_refusal(&chat, LEAT_EINVAL, "both tool_choice");
  chat.tool_choice = NULL;
  chat.has_parallel_tool_calls = true;
  expect_refusal(&chat, LEAT_EINVAL, "parallel_tool_calls");
  chat = ask();
  chat.user = "u";
  chat.metadata = lti_slice_of("{}");
  expect_refusal(&chat, LEAT_EINVAL, "metadata");
  chat = ask();
  chat.stop = stop;
  chat.stop_count = 1;
  expect_refusal(&chat, LEAT_EINVAL, "stop");
  chat = ask();
  chat.response_format = lti_slice_of("{");
  expect_refusal(&chat, LEAT_EJSON, "response_format");
  chat = ask();
  chat.extra = lti_slice_of("{\"a\":");
  expect_refusal(&chat, LEAT_EJSON, "extra");
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void write_under_failure(const leat_allocator *fns, void *ctx) {
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  int rc = lti_anthropic_write(ctx, &out, &e);
  assert_true(rc == LEAT_OK || (rc == LEAT_ENOMEM && e.message && out.size == 0));
  lti_buf_deinit(&out);
}

static void test_encoding_survives_every_failed_allocation(void **state) {
  static const leat_tool tool = {.name = "f"};
  static const leat_message messages[] = {{.role = "system", .text = {"be", 2}},
                                          {.role = "tool", .tool_call_id = "t"},
                                          {.role = "user", .text = {"hi", 2}}};
  leat_chat_request chat = writing_of(messages, 3);
  (void)state;
  chat.tools = &tool;
  chat.tool_count = 1;
  chat.user = "u";
  chat.extra = lti_slice_of("{\"container\":\"a longer text, so that the buffer must grow\"}");
  assert_true(failing_at_every_n(write_under_failure, &chat) >= 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_prompt_and_nothing_else),
      cmocka_unit_test(test_the_limit_is_what_was_asked_for),
      cmocka_unit_test(test_thinking_is_beside_the_limit_that_nobody_set),
      cmocka_unit_test(test_a_request_with_everything),
      cmocka_unit_test(test_choices_of_tools),
      cmocka_unit_test(test_json_of_the_callers_is_sent_as_it_is),
      cmocka_unit_test(test_a_conversation),
      cmocka_unit_test(test_what_the_system_says_stands_apart_wherever_it_stood),
      cmocka_unit_test(test_thinking_that_was_not_shown_goes_back_by_its_signature),
      cmocka_unit_test(test_images_and_files),
      cmocka_unit_test(test_what_messages_cannot_be_is_told),
      cmocka_unit_test(test_what_parts_cannot_be_is_told),
      cmocka_unit_test(test_fields_that_it_does_not_have_are_refused),
      cmocka_unit_test(test_contradictions_are_refused),
      cmocka_unit_test(test_encoding_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
