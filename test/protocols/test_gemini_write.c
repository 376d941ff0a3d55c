/* Requests of generateContent: bodies as they must be, byte for byte, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/gemini.h"
#include "support/failing.h"
#include "support/writing.h"

#define USER(parts) "{\"contents\":[{\"role\":\"user\",\"parts\":[" parts "]}]"
#define HI          USER("{\"text\":\"hi\"}")

static void check(const leat_chat_request *chat, const char *body) {
  writing_check("gemini", chat, body);
}

static void check_refused(const leat_chat_request *chat, int error, const char *message) {
  writing_refused("gemini", chat, error, message);
}

static leat_chat_request asking(void) {
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = "gemini-2.5-flash";
  chat.prompt = lti_slice_of("hi");
  return chat;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void test_a_prompt_is_one_content_and_nothing_else(void **state) {
  leat_chat_request chat = asking();
  (void)state;
  check(&chat, HI "}");
  chat.stream = true;
  check(&chat, HI "}");
}

static void test_roles_and_the_system_instruction(void **state) {
  static const leat_part parts[] = {{.kind = LEAT_PART_TEXT, .text = {"b\"", 2}},
                                    {.kind = LEAT_PART_RAW, .data = {"{\"x\":1}", 7}}};
  static const leat_message messages[] = {
      {.role = "system", .text = {"a", 1}},
      {.role = "user", .text = {"q1", 2}},
      {.role = "assistant", .text = {"a1", 2}},
      {.role = "developer", .parts = parts, .part_count = 2},
      {.role = "model", .text = {"a2", 2}},
      {.role = "user", .text = {"", 0}},
  };
  leat_chat_request chat = writing_of(messages, 6);
  (void)state;
  check(&chat,
        "{\"systemInstruction\":{\"parts\":[{\"text\":\"a\"},{\"text\":\"b\\\"\"},{\"x\":1}]},"
        "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"q1\"}]},"
        "{\"role\":\"model\",\"parts\":[{\"text\":\"a1\"}]},"
        "{\"role\":\"model\",\"parts\":[{\"text\":\"a2\"}]},"
        "{\"role\":\"user\",\"parts\":[{\"text\":\"\"}]}]}");
}

static void test_parts_of_every_kind(void **state) {
  static const leat_part parts[] = {
      {.kind = LEAT_PART_TEXT, .text = {"see", 3}},
      {.kind = LEAT_PART_IMAGE_URL, .url = "data:image/png;base64,iVBO", .detail = "auto"},
      {.kind = LEAT_PART_IMAGE_URL, .url = "DATA:image/jpeg;x=y;BASE64,AA=="},
      {.kind = LEAT_PART_IMAGE_URL, .url = "https://h/i.png", .format = "image/png"},
      {.kind = LEAT_PART_VIDEO_URL, .url = "https://youtu.be/x"},
      {.kind = LEAT_PART_AUDIO, .data = {"AA==", 4}, .format = "wav"},
      {.kind = LEAT_PART_AUDIO, .data = {"AA==", 4}, .format = "audio/ogg"},
      {.kind = LEAT_PART_FILE, .file_id = "https://g/files/1", .filename = "a.pdf"},
      {.kind = LEAT_PART_FILE, .data = {"data:application/pdf;base64,JVBE", 32}},
      {.kind = LEAT_PART_FILE, .data = {"JVBE", 4}, .format = "application/pdf"},
      {.kind = LEAT_PART_FILE, .data = {"data:;base64,QQ==", 17}},
  };
  static const leat_message message = {.role = "user", .parts = parts, .part_count = 11};
  leat_chat_request chat = writing_of(&message, 1);
  (void)state;
  check(&chat, USER("{\"text\":\"see\"},"
                    "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"iVBO\"}},"
                    "{\"inlineData\":{\"mimeType\":\"image/jpeg\",\"data\":\"AA==\"}},"
                    "{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":\"https://h/i.png\"}},"
                    "{\"fileData\":{\"fileUri\":\"https://youtu.be/x\"}},"
                    "{\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":\"AA==\"}},"
                    "{\"inlineData\":{\"mimeType\":\"audio/ogg\",\"data\":\"AA==\"}},"
                    "{\"fileData\":{\"fileUri\":\"https://g/files/1\"}},"
                    "{\"inlineData\":{\"mimeType\":\"application/pdf\",\"data\":\"JVBE\"}},"
                    "{\"inlineData\":{\"mimeType\":\"application/pdf\",\"data\":\"JVBE\"}},"
                    "{\"inlineData\":{\"mimeType\":\"text/plain\",\"data\":\"QQ==\"}}") "}");
}

static void test_calls_and_their_answers_go_back(void **state) {
  static const leat_tool_use uses[] = {{.id = "c1", .name = "f", .arguments = {"{\"a\":1}", 7}},
                                       {.id = "c2", .name = "g"},
                                       {.id = "", .name = "h"}};
  static const leat_part part = {.kind = LEAT_PART_TEXT, .text = {"[1]", 3}};
  static const leat_message messages[] = {
      {.role = "user", .text = {"q", 1}},
      {.role = "assistant", .tool_uses = uses, .tool_use_count = 3},
      {.role = "tool", .tool_call_id = "c2", .text = {"{\"ok\":true}", 11}},
      {.role = "tool", .tool_call_id = "c1", .parts = &part, .part_count = 1},
      {.role = "tool", .name = "h", .text = {"plain \"text\"", 12}},
      {.role = "user", .text = {"so?", 3}},
  };
  leat_chat_request chat = writing_of(messages, 6);
  (void)state;
  check(
      &chat,
      "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"q\"}]},"
      "{\"role\":\"model\",\"parts\":["
      "{\"functionCall\":{\"id\":\"c1\",\"name\":\"f\",\"args\":{\"a\":1}}},"
      "{\"functionCall\":{\"id\":\"c2\",\"name\":\"g\",\"args\":{}}},"
      "{\"functionCall\":{\"name\":\"h\",\"args\":{}}}]},"
      "{\"role\":\"user\",\"parts\":["
      "{\"functionResponse\":{\"id\":\"c2\",\"name\":\"g\",\"response\":{\"ok\":true}}},"
      "{\"functionResponse\":{\"id\":\"c1\",\"name\":\"f\",\"response\":{\"result\":\"[1]\"}}},"
      "{\"functionResponse\":{\"name\":\"h\",\"response\":{\"result\":\"plain \\\"text\\\"\"}}}]},"
      "{\"role\":\"user\",\"parts\":[{\"text\":\"so?\"}]}]}");
}

static void test_the_last_call_of_an_id_is_the_one_that_is_answered(void **state) {
  static const leat_tool_use first = {.id = "c", .name = "old"},
                             second = {.id = "c", .name = "new"};
  static const leat_message messages[] = {
      {.role = "assistant", .tool_uses = &first, .tool_use_count = 1},
      {.role = "tool", .tool_call_id = "c", .text = {"1", 1}},
      {.role = "assistant", .tool_uses = &second, .tool_use_count = 1},
      {.role = "tool", .tool_call_id = "c", .text = {"2", 1}},
  };
  leat_chat_request chat = writing_of(messages, 4);
  (void)state;
  check(&chat,
        "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"c\",\"name\":"
        "\"old\",\"args\":{}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"c\","
        "\"name\":\"old\",\"response\":{\"result\":\"1\"}}}]},{\"role\":\"model\",\"parts\":[{"
        "\"functionCall\":{\"id\":\"c\",\"name\":\"new\",\"args\":{}}}]},{\"role\":\"user\","
        "\"parts\":[{\"functionResponse\":{\"id\":\"c\",\"name\":\"new\",\"response\":{\"result\":"
        "\"2\"}}}]}]}");
}

static void test_thoughts_go_back_and_the_signature_where_gemini_wants_it(void **state) {
  static const leat_tool_use uses[] = {{.name = "f"}, {.name = "g"}};
  leat_message m = {.role = "assistant", .signature = {"S=", 2}};
  leat_chat_request chat = writing_of(&m, 1);
  (void)state;
  m.reasoning = lti_slice_of("hm");
  check(&chat,
        "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true,"
        "\"thoughtSignature\":\"S=\"}]}]}");
  m.text = lti_slice_of("a");
  check(&chat,
        "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true,"
        "\"thoughtSignature\":\"S=\"},{\"text\":\"a\"}]}]}");
  m.reasoning.size = 0;
  check(
      &chat,
      "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"a\",\"thoughtSignature\":\"S=\"}]"
      "}]}");
  m.reasoning = lti_slice_of("hm");
  m.tool_uses = uses;
  m.tool_use_count = 2;
  check(&chat,
        "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true},"
        "{\"text\":\"a\"},{\"functionCall\":{\"name\":\"f\",\"args\":{}},\"thoughtSignature\":\"S="
        "\"},{\"functionCall\":{\"name\":\"g\",\"args\":{}}}]}]}");
}

static void test_json_of_the_callers_is_sent_as_it_is(void **state) {
  leat_chat_request chat;
  (void)state;
  leat_chat_request_init(&chat);
  chat.messages_json = lti_slice_of("[ {\"role\":\"user\"} ]");
  chat.tools_json = lti_slice_of("[{\"googleSearch\":{}}]");
  chat.tool_choice_json = lti_slice_of("{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}}");
  chat.extra = lti_slice_of(" { \"safetySettings\":[] , \"cachedContent\":\"c\" } ");
  check(&chat,
        "{\"contents\":[ {\"role\":\"user\"} ],\"tools\":[{\"googleSearch\":{}}],"
        "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}},"
        " \"safetySettings\":[] , \"cachedContent\":\"c\" }");
}

/* ---- settings -------------------------------------------------------------------------------- */

static void test_the_whole_generation_config(void **state) {
  static const char *const stop[] = {"END", "\n"};
  leat_chat_request chat = asking();
  (void)state;
  chat.has_max_tokens = chat.has_temperature = chat.has_top_p = chat.has_top_k = true;
  chat.has_n = chat.has_seed = chat.has_logprobs = chat.has_top_logprobs = true;
  chat.has_presence_penalty = chat.has_frequency_penalty = chat.has_reasoning_tokens = true;
  chat.max_tokens = 100;
  chat.temperature = 0.5;
  chat.top_p = 1;
  chat.top_k = 40;
  chat.n = 2;
  chat.seed = -7;
  chat.logprobs = true;
  chat.top_logprobs = 5;
  chat.presence_penalty = 0.25;
  chat.frequency_penalty = -0.25;
  chat.reasoning_tokens = 1024;
  chat.stop = stop;
  chat.stop_count = 2;
  chat.response_format = lti_slice_of(
      "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}"
      "}");
  check(&chat, HI
        ",\"generationConfig\":{\"maxOutputTokens\":100,\"temperature\":0.5,\"topP\":1,"
        "\"topK\":40,\"candidateCount\":2,\"stopSequences\":[\"END\",\"\\n\"],"
        "\"presencePenalty\":0.25,\"frequencyPenalty\":-0.25,\"seed\":-7,"
        "\"responseLogprobs\":true,\"logprobs\":5,\"responseMimeType\":"
        "\"application/json\",\"responseSchema\":{\"type\":\"object\"},\"thinkingConfig\":"
        "{\"thinkingBudget\":1024,\"includeThoughts\":true}}}");
}

static void test_thinking_may_be_off_or_a_level(void **state) {
  leat_chat_request chat = asking();
  (void)state;
  chat.has_reasoning_tokens = true;
  check(&chat, HI ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":0}}}");
  chat.has_reasoning_tokens = false;
  chat.reasoning_effort = "low";
  check(&chat, HI
        ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingLevel\":\"low\","
        "\"includeThoughts\":true}}}");
}

static void test_response_formats(void **state) {
  leat_chat_request chat = asking();
  (void)state;
  chat.response_format = lti_slice_of("{\"type\":\"text\"}");
  check(&chat, HI "}");
  chat.response_format = lti_slice_of("{\"type\":\"json_object\"}");
  check(&chat, HI ",\"generationConfig\":{\"responseMimeType\":\"application/json\"}}");
  chat.response_format = lti_slice_of("{\"type\":\"grammar\"}");
  check_refused(&chat, LEAT_EINVAL, "Gemini has no response_format of this type");
  chat.response_format = lti_slice_of("{\"type\":\"json_schema\"}");
  check_refused(&chat, LEAT_EINVAL, "response_format has no schema");
  chat.response_format = lti_slice_of("{\"type\"");
  check_refused(&chat, LEAT_EJSON, "response_format is not valid JSON");
}

static void test_tools_and_which_of_them(void **state) {
  static const leat_tool tools[] = {
      {.name = "f", .description = "d", .parameters = {"{\"type\":\"object\"}", 17}},
      {.name = "g"}};
  static const struct {
    const char *choice, *config;
  } rows[] = {
      {"auto", "{\"mode\":\"AUTO\"}"},
      {"none", "{\"mode\":\"NONE\"}"},
      {"required", "{\"mode\":\"ANY\"}"},
      {"g", "{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"g\"]}"},
  };
  leat_chat_request chat = asking();
  char body[512];
  (void)state;
  chat.tools = tools;
  chat.tool_count = 2;
  for (size_t i = 0; i < 4; i++) {
    chat.tool_choice = rows[i].choice;
    snprintf(body, sizeof body,
             HI
             ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":\"d\","
             "\"parameters\":{\"type\":\"object\"}},{\"name\":\"g\"}]}],\"toolConfig\":{"
             "\"functionCallingConfig\":%s}}",
             rows[i].config);
    check(&chat, body);
  }
}

static void test_extra_may_bring_a_config_where_there_is_none(void **state) {
  leat_chat_request chat = asking();
  (void)state;
  chat.extra = lti_slice_of("{\"generationConfig\":{\"responseModalities\":[\"IMAGE\"]}}");
  check(&chat, HI ",\"generationConfig\":{\"responseModalities\":[\"IMAGE\"]}}");
  chat.has_seed = true;
  check_refused(&chat, LEAT_EINVAL, "extra repeats the member \"generationConfig\"");
  chat.extra = lti_slice_of("{\"contents\":[]}");
  check_refused(&chat, LEAT_EINVAL, "extra repeats the member \"contents\"");
  chat.extra = lti_slice_of("{\"tools\":[");
  check_refused(&chat, LEAT_EJSON, "extra is not valid JSON");
  chat.extra = lti_slice_of("[]");
  check_refused(&chat, LEAT_EINVAL, "extra must be a JSON object");
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void test_what_gemini_does_not_have_is_refused_by_name(void **state) {
  leat_chat_request c[10];
  static const char *const names[] = {
      "suffix", "best_of",      "echo",     "store",      "parallel_tool_calls",
      "user",   "service_tier", "metadata", "logit_bias", "stream_options"};
  char message[64];
  (void)state;
  for (size_t i = 0; i < 10; i++) c[i] = asking();
  c[0].suffix = lti_slice_of("x");
  c[1].has_best_of = c[2].has_echo = c[3].has_store = c[4].has_parallel_tool_calls = true;
  c[5].user = c[6].service_tier = "x";
  c[7].metadata = c[8].logit_bias = c[9].stream_options = lti_slice_of("{}");
  for (size_t i = 0; i < 10; i++) {
    snprintf(message, sizeof message, "Gemini has no %s", names[i]);
    check_refused(&c[i], LEAT_EINVAL, message);
  }
}

static void test_contradictions(void **state) {
  static const leat_message system = {.role = "system", .text = {"s", 1}};
  static const leat_tool tool = {.name = "f"};
  leat_chat_request chat = writing_of(&system, 1);
  (void)state;
  check_refused(&chat, LEAT_EINVAL, "a message beside the system's is missing");
  chat.prompt = lti_slice_of("hi");
  check_refused(&chat, LEAT_EINVAL, "only one of messages, messages_json and prompt may be given");
  leat_chat_request_init(&chat);
  check_refused(&chat, LEAT_EINVAL, "a message beside the system's is missing");
  chat = asking();
  chat.reasoning_effort = "low";
  chat.has_reasoning_tokens = true;
  check_refused(&chat, LEAT_EINVAL, "both reasoning_effort and reasoning_tokens are given");
  chat = asking();
  chat.tools = &tool;
  chat.tool_count = 1;
  chat.tools_json = lti_slice_of("[]");
  check_refused(&chat, LEAT_EINVAL, "both tools and tools_json are given");
  chat.tools_json.size = 0;
  chat.tool_choice = "f";
  chat.tool_choice_json = lti_slice_of("{}");
  check_refused(&chat, LEAT_EINVAL, "both tool_choice and tool_choice_json are given");
}

static void test_json_of_the_callers_that_is_none(void **state) {
  leat_chat_request chat;
  (void)state;
  leat_chat_request_init(&chat);
  chat.messages_json = lti_slice_of("{}");
  check_refused(&chat, LEAT_EINVAL, "messages_json must be a JSON array");
  chat.messages_json = lti_slice_of("[");
  check_refused(&chat, LEAT_EJSON, "messages_json is not valid JSON");
  chat = asking();
  chat.tools_json = lti_slice_of("{}");
  check_refused(&chat, LEAT_EINVAL, "tools_json must be a JSON array");
  chat.tools_json = lti_slice_of("[]");
  chat.tool_choice_json = lti_slice_of("\"auto\"");
  check_refused(&chat, LEAT_EINVAL, "tool_choice_json must be a JSON object");
}

static void test_messages_that_cannot_be_said(void **state) {
  static const leat_part image = {.kind = LEAT_PART_IMAGE_URL, .url = "https://h/i"};
  static const leat_tool_use bad = {.name = "f", .arguments = {"[1]", 3}}, nameless = {.id = "c"};
  const struct {
    leat_message m;
    int error;
    const char *message;
  } rows[] = {
      {{.text = {"x", 1}}, LEAT_EINVAL, "a message has no role"},
      {{.role = "critic"},
       LEAT_EINVAL,
       "Gemini has no such role: system, developer, user, assistant or tool"},
      {{.role = "user", .name = "joe"}, LEAT_EINVAL, "Gemini has no name of a message"},
      {{.role = "assistant", .refusal = {"no", 2}},
       LEAT_EINVAL,
       "Gemini has no refusal in a message"},
      {{.role = "user", .text = {"x", 1}, .parts = &image, .part_count = 1},
       LEAT_EINVAL,
       "a message has both text and parts"},
      {{.role = "assistant", .tool_uses = &bad, .tool_use_count = 1},
       LEAT_EINVAL,
       "Gemini wants a tool call's arguments as a JSON object"},
      {{.role = "assistant", .tool_uses = &nameless, .tool_use_count = 1},
       LEAT_EINVAL,
       "a tool call has no name"},
      {{.role = "tool", .tool_call_id = "c", .text = {"1", 1}},
       LEAT_EINVAL,
       "a tool's answer needs the function's name, or the id of a call before it"},
      {{.role = "tool", .name = "f", .parts = &image, .part_count = 1},
       LEAT_EINVAL,
       "Gemini wants a tool's answer as one text"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    leat_chat_request chat = writing_of(&rows[i].m, 1);
    check_refused(&chat, rows[i].error, rows[i].message);
  }
  const leat_message with_system[] = {{.role = "system", .parts = &image, .part_count = 1},
                                      {.role = "user", .text = {"x", 1}}};
  leat_chat_request chat = writing_of(with_system, 2);
  check_refused(&chat, LEAT_EINVAL, "Gemini takes only text from the system");
}

static void test_parts_that_cannot_be_said(void **state) {
  static const struct {
    leat_part part;
    const char *message;
  } rows[] = {
      {{.kind = LEAT_PART_IMAGE_URL}, "a part has no url"},
      {{.kind = LEAT_PART_IMAGE_URL, .url = "https://h/i", .detail = "low"},
       "Gemini has no detail of an image"},
      {{.kind = LEAT_PART_IMAGE_URL, .url = "data:text/plain,abc"},
       "Gemini takes only data: URIs of base64"},
      {{.kind = LEAT_PART_IMAGE_URL, .url = "data:"}, "Gemini takes only data: URIs of base64"},
      {{.kind = LEAT_PART_AUDIO, .format = "wav"}, "an audio part has no data"},
      {{.kind = LEAT_PART_AUDIO, .data = {"AA==", 4}}, "an audio part has no usable format"},
      {{.kind = LEAT_PART_FILE}, "a file part has neither file_id nor data"},
      {{.kind = LEAT_PART_FILE, .data = {"AA==", 4}, .filename = "a.pdf"},
       "a file's base64 text needs its MIME type as format, or to be a data: URI"},
      {{.kind = (enum leat_part_kind)99}, "a part is of no known kind"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    leat_message m = {.role = "user", .parts = &rows[i].part, .part_count = 1};
    leat_chat_request chat = writing_of(&m, 1);
    check_refused(&chat, LEAT_EINVAL, rows[i].message);
  }
}

static void test_tools_and_numbers_that_cannot_be_said(void **state) {
  leat_tool tool = {.name = "f", .strict = true};
  leat_chat_request chat = asking();
  (void)state;
  chat.tools = &tool;
  chat.tool_count = 1;
  check_refused(&chat, LEAT_EINVAL, "Gemini has no strict tools");
  tool = (leat_tool){.description = "d"};
  check_refused(&chat, LEAT_EINVAL, "a tool has no name");
  tool = (leat_tool){.name = "f", .parameters = {"[]", 2}};
  check_refused(&chat, LEAT_EINVAL, "a tool's parameters must be a JSON object");
  chat.tool_count = 0;
  chat.has_temperature = true;
  chat.temperature = 1.0 / 0.0;
  check_refused(&chat, LEAT_EINVAL, "a number of the request is not finite");
}

/* ---- bodies of the caller's ------------------------------------------------------------------ */

static void test_a_body_says_how_many_candidates_it_wants(void **state) {
  lti_encoded e;
  (void)state;
  assert_int_equal(lti_gemini_inspect(lti_slice_of(HI "}"), &e), LEAT_OK);
  assert_false(e.stream);
  assert_int_equal(e.choices, 0);
  assert_int_equal(
      lti_gemini_inspect(lti_slice_of("{\"generationConfig\":{\"candidateCount\":3}}"), &e),
      LEAT_OK);
  assert_int_equal(e.choices, 3);
  assert_int_equal(lti_gemini_inspect(lti_slice_of("{\"stream\":true}"), &e), LEAT_OK);
  assert_false(e.stream);
  assert_int_equal(lti_gemini_inspect(lti_slice_of("[]"), &e), LEAT_EJSON);
  assert_string_equal(e.message, "the body must be a JSON object");
  assert_int_equal(lti_gemini_inspect(lti_slice_of("{\"a\":}"), &e), LEAT_EJSON);
  assert_int_equal(e.offset, 5);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void write_with(const leat_allocator *fns, void *ctx) {
  const leat_chat_request *chat = ctx;
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  int rc = lti_gemini_write(chat, &out, &e);
  assert_true(rc == LEAT_OK || rc == LEAT_ENOMEM);
  if (rc != LEAT_OK) assert_string_equal(e.message, "no memory for the body");
  lti_buf_deinit(&out);
}

static void test_without_memory_and_room_it_says_so(void **state) {
  leat_chat_request chat = asking();
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  (void)state;
  chat.has_seed = true;
  assert_true(failing_at_every_n(write_with, &chat) > 0);
  lti_alloc_init(&alloc, NULL);
  for (size_t max = 1; max < 80; max++) {
    lti_buf_init(&out, &alloc, max, LEAT_EBODYMAX);
    assert_int_equal(lti_gemini_write(&chat, &out, &e), LEAT_EBODYMAX);
    assert_string_equal(e.message, "the body is too large");
    assert_int_equal(out.size, 0);
    lti_buf_deinit(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_prompt_is_one_content_and_nothing_else),
      cmocka_unit_test(test_roles_and_the_system_instruction),
      cmocka_unit_test(test_parts_of_every_kind),
      cmocka_unit_test(test_calls_and_their_answers_go_back),
      cmocka_unit_test(test_the_last_call_of_an_id_is_the_one_that_is_answered),
      cmocka_unit_test(test_thoughts_go_back_and_the_signature_where_gemini_wants_it),
      cmocka_unit_test(test_json_of_the_callers_is_sent_as_it_is),
      cmocka_unit_test(test_the_whole_generation_config),
      cmocka_unit_test(test_thinking_may_be_off_or_a_level),
      cmocka_unit_test(test_response_formats),
      cmocka_unit_test(test_tools_and_which_of_them),
      cmocka_unit_test(test_extra_may_bring_a_config_where_there_is_none),
      cmocka_unit_test(test_what_gemini_does_not_have_is_refused_by_name),
      cmocka_unit_test(test_contradictions),
      cmocka_unit_test(test_json_of_the_callers_that_is_none),
      cmocka_unit_test(test_messages_that_cannot_be_said),
      cmocka_unit_test(test_parts_that_cannot_be_said),
      cmocka_unit_test(test_tools_and_numbers_that_cannot_be_said),
      cmocka_unit_test(test_a_body_says_how_many_candidates_it_wants),
      cmocka_unit_test(test_without_memory_and_room_it_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
