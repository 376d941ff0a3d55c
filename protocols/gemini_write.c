/* Requests of generateContent from the fields that every dialect shares.
 *
 * The model and whether it streams stand in the path. System and developer messages become the one
 * systemInstruction; limits and sampling join generationConfig; response_format becomes a MIME type
 * and a schema, tool_choice a functionCallingConfig: "auto" AUTO, "none" NONE, "required" ANY, and
 * a name ANY with that one function. messages_json, tools_json and tool_choice_json are sent as
 * contents, tools and toolConfig. Thoughts are asked for wherever thinking is: with
 * reasoning_tokens as the budget (0: none), or reasoning_effort as the level. Usage comes unasked.
 *
 * What Gemini does not have is refused, not dropped; `extra` brings what only it has. On failure
 * the buffer is as it was, and `encoded` says why. */
#include <string.h>

#include "gemini.h"

enum member {
  M_systemInstruction,
  M_contents,
  M_tools,
  M_toolConfig,
  M_generationConfig,
  MEMBER_COUNT
};

/* What is said of each is static text, so that it outlives the call. */
#define ROW(name) [M_##name] = {#name, "extra repeats the member \"" #name "\""}
static const struct {
  const char *name, *repeated;
} members[] = {
    ROW(systemInstruction), ROW(contents), ROW(tools), ROW(toolConfig), ROW(generationConfig),
};

typedef struct body {
  lti_openai_writer w;
  const leat_chat_request *chat;
  unsigned written; /* one bit a member */
} body;

static const char *contradiction(const leat_chat_request *chat);
static const char *unknown(const leat_chat_request *chat);
static void write_input(body *b);
static void write_tools(body *b);
static void write_config(body *b);
static const char *repeats(const void *ctx, lti_json_text key);

int lti_gemini_write(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  body b = {.w = {.out = out, .encoded = encoded}, .chat = chat};
  size_t before = out->size;
  memset(encoded, 0, sizeof *encoded);
  encoded->message = contradiction(chat);
  if (!encoded->message) encoded->message = unknown(chat);
  if (encoded->message) return LEAT_EINVAL;
  lti_openai_open(&b.w, '{');
  write_input(&b);
  write_tools(&b);
  write_config(&b);
  lti_openai_extra(&b.w, chat->extra, repeats, &b);
  lti_openai_close(&b.w, '}');
  if (b.w.error) out->size = before;
  encoded->stream = chat->stream;
  encoded->usage = false;
  if (chat->has_n && chat->n > 0 && chat->n <= UINT32_MAX) encoded->choices = (uint32_t)chat->n;
  return b.w.error;
}

/* Streaming shows in the path alone, and so does the model. */
int lti_gemini_inspect(leat_slice text, lti_encoded *encoded) {
  lti_json r;
  leat_slice value;
  int64_t count = 0;
  memset(encoded, 0, sizeof *encoded);
  if (!lti_json_valid(text, &encoded->offset, &encoded->message)) return LEAT_EJSON;
  lti_json_init(&r, text);
  if (lti_json_peek(&r) != LTI_JSON_OBJECT) {
    encoded->offset = lti_json_offset(&r);
    encoded->message = "the body must be a JSON object";
    return LEAT_EJSON;
  }
  if (!lti_json_find(text, "/generationConfig/candidateCount", &value)) return LTI_OK;
  lti_json_init(&r, value);
  if (lti_json_int(&r, &count) && count > 0 && count <= UINT32_MAX) {
    encoded->choices = (uint32_t)count;
  }
  return LTI_OK;
}

/* ---- refusals -------------------------------------------------------------------------------- */

static const char *contradiction(const leat_chat_request *chat) {
  bool typed = chat->message_count > 0, json = chat->messages_json.size > 0;
  bool prompt = chat->prompt.size > 0;
  if (typed + json + prompt > 1) {
    return "only one of messages, messages_json and prompt may be given";
  }
  if (!json && !lti_gemini_has_contents(chat)) return "a message beside the system's is missing";
  if (chat->tool_count && chat->tools_json.size) return "both tools and tools_json are given";
  if (chat->tool_choice && chat->tool_choice_json.size) {
    return "both tool_choice and tool_choice_json are given";
  }
  if (chat->reasoning_effort && chat->has_reasoning_tokens) {
    return "both reasoning_effort and reasoning_tokens are given";
  }
  return NULL;
}

static const char *unknown(const leat_chat_request *c) {
  const struct {
    bool given;
    const char *message;
  } rows[] = {
      {c->suffix.size > 0, "Gemini has no suffix"},
      {c->has_best_of, "Gemini has no best_of"},
      {c->has_echo, "Gemini has no echo"},
      {c->has_store, "Gemini has no store"},
      {c->has_parallel_tool_calls, "Gemini has no parallel_tool_calls"},
      {c->user != NULL, "Gemini has no user"},
      {c->service_tier != NULL, "Gemini has no service_tier"},
      {c->metadata.size > 0, "Gemini has no metadata"},
      {c->logit_bias.size > 0, "Gemini has no logit_bias"},
      {c->stream_options.size > 0, "Gemini has no stream_options"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rows[i].given) return rows[i].message;
  }
  return NULL;
}

static const char *repeats(const void *ctx, lti_json_text key) {
  const body *b = ctx;
  for (int m = 0; m < MEMBER_COUNT; m++) {
    if ((b->written >> m & 1) && lti_json_key_is(key, members[m].name)) return members[m].repeated;
  }
  return NULL;
}

/* ---- members --------------------------------------------------------------------------------- */

static void begin(body *b, enum member m) {
  b->written |= 1u << m;
  lti_openai_name(&b->w, members[m].name);
}

static void write_input(body *b) {
  static const char *const messages[] = {"messages_json is not valid JSON",
                                         "messages_json must be a JSON array"};
  if (lti_gemini_has_system(b->chat)) {
    begin(b, M_systemInstruction);
    lti_gemini_system(&b->w, b->chat);
  }
  begin(b, M_contents);
  if (b->chat->messages_json.size) {
    lti_openai_json(&b->w, b->chat->messages_json, LTI_JSON_ARRAY, messages);
  } else {
    lti_gemini_contents(&b->w, b->chat);
  }
}

static void write_declaration(lti_openai_writer *w, const leat_tool *tool) {
  static const char *const messages[] = {"a tool's parameters are not valid JSON",
                                         "a tool's parameters must be a JSON object"};
  if (!tool->name) lti_openai_fail(w, LEAT_EINVAL, "a tool has no name");
  if (tool->strict) lti_openai_fail(w, LEAT_EINVAL, "Gemini has no strict tools");
  lti_openai_open(w, '{');
  lti_openai_member(w, "name", tool->name);
  lti_openai_member(w, "description", tool->description);
  if (tool->parameters.size) {
    lti_openai_name(w, "parameters");
    lti_openai_json(w, tool->parameters, LTI_JSON_OBJECT, messages);
  }
  lti_openai_close(w, '}');
}

static void write_choice(lti_openai_writer *w, const char *choice) {
  bool automatic = strcmp(choice, "auto") == 0, none = strcmp(choice, "none") == 0;
  bool named = !automatic && !none && strcmp(choice, "required") != 0;
  lti_openai_open(w, '{');
  lti_openai_name(w, "functionCallingConfig");
  lti_openai_open(w, '{');
  lti_openai_member(w, "mode", automatic ? "AUTO" : none ? "NONE" : "ANY");
  if (named) {
    lti_openai_name(w, "allowedFunctionNames");
    lti_openai_open(w, '[');
    lti_openai_text(w, lti_slice_of(choice));
    lti_openai_close(w, ']');
  }
  lti_openai_close(w, '}');
  lti_openai_close(w, '}');
}

static void write_tools(body *b) {
  static const char *const tools[] = {"tools_json is not valid JSON",
                                      "tools_json must be a JSON array"};
  static const char *const choice[] = {"tool_choice_json is not valid JSON",
                                       "tool_choice_json must be a JSON object"};
  const leat_chat_request *chat = b->chat;
  if (chat->tool_count) {
    begin(b, M_tools);
    lti_openai_literal(&b->w, "[{\"functionDeclarations\":");
    b->w.comma = false;
    lti_openai_open(&b->w, '[');
    for (size_t i = 0; i < chat->tool_count; i++) write_declaration(&b->w, &chat->tools[i]);
    lti_openai_close(&b->w, ']');
    lti_openai_close(&b->w, '}');
    lti_openai_close(&b->w, ']');
  } else if (chat->tools_json.size) {
    begin(b, M_tools);
    lti_openai_json(&b->w, chat->tools_json, LTI_JSON_ARRAY, tools);
  }
  if (chat->tool_choice) {
    begin(b, M_toolConfig);
    write_choice(&b->w, chat->tool_choice);
  } else if (chat->tool_choice_json.size) {
    begin(b, M_toolConfig);
    lti_openai_json(&b->w, chat->tool_choice_json, LTI_JSON_OBJECT, choice);
  }
}

/* ---- generationConfig ------------------------------------------------------------------------ */

static void write_int(lti_openai_writer *w, const char *name, bool has, int64_t value) {
  if (!has) return;
  lti_openai_name(w, name);
  lti_openai_int(w, value);
}

static void write_double(lti_openai_writer *w, const char *name, bool has, double value) {
  if (!has) return;
  lti_openai_name(w, name);
  lti_openai_double(w, value, "a number of the request is not finite");
}

static void write_stop(lti_openai_writer *w, const leat_chat_request *chat) {
  if (chat->stop_count == 0) return;
  lti_openai_name(w, "stopSequences");
  lti_openai_open(w, '[');
  for (size_t i = 0; i < chat->stop_count; i++) {
    if (!chat->stop[i]) lti_openai_fail(w, LEAT_EINVAL, "an element of stop is NULL");
    lti_openai_text(w, lti_slice_of(chat->stop[i]));
  }
  lti_openai_close(w, ']');
}

/* OpenAI's {"type":"json_object"} and {"type":"json_schema","json_schema":{"schema":{..}}}. */
static void write_format(lti_openai_writer *w, leat_slice format) {
  static const char *const messages[] = {"response_format is not valid JSON",
                                         "response_format's schema must be a JSON object"};
  leat_slice type = {NULL, 0}, schema;
  if (format.size == 0 || w->error) return;
  if (!lti_json_valid(format, &w->encoded->offset, NULL)) {
    lti_openai_fail(w, LEAT_EJSON, messages[0]);
    return;
  }
  lti_json_find(format, "/type", &type);
  bool object = lti_slice_is(type, "\"json_object\""), text = lti_slice_is(type, "\"text\"");
  if (text) return;
  if (!object && !lti_slice_is(type, "\"json_schema\"")) {
    lti_openai_fail(w, LEAT_EINVAL, "Gemini has no response_format of this type");
    return;
  }
  lti_openai_member(w, "responseMimeType", "application/json");
  if (object) return;
  if (!lti_json_find(format, "/json_schema/schema", &schema)) {
    lti_openai_fail(w, LEAT_EINVAL, "response_format has no schema");
    return;
  }
  lti_openai_name(w, "responseSchema");
  lti_openai_json(w, schema, LTI_JSON_OBJECT, messages);
}

static void write_thinking(lti_openai_writer *w, const leat_chat_request *chat) {
  bool budget = chat->has_reasoning_tokens;
  if (!budget && !chat->reasoning_effort) return;
  lti_openai_name(w, "thinkingConfig");
  lti_openai_open(w, '{');
  write_int(w, "thinkingBudget", budget, chat->reasoning_tokens);
  lti_openai_member(w, "thinkingLevel", chat->reasoning_effort);
  if (!budget || chat->reasoning_tokens != 0) {
    lti_openai_name(w, "includeThoughts");
    lti_openai_literal(w, "true");
  }
  lti_openai_close(w, '}');
}

static void write_members(lti_openai_writer *w, const leat_chat_request *c) {
  bool limited = c->has_max_completion_tokens || c->has_max_tokens;
  write_int(w, "maxOutputTokens", limited,
            c->has_max_completion_tokens ? c->max_completion_tokens : c->max_tokens);
  write_double(w, "temperature", c->has_temperature, c->temperature);
  write_double(w, "topP", c->has_top_p, c->top_p);
  write_int(w, "topK", c->has_top_k, c->top_k);
  write_int(w, "candidateCount", c->has_n, c->n);
  write_stop(w, c);
  write_double(w, "presencePenalty", c->has_presence_penalty, c->presence_penalty);
  write_double(w, "frequencyPenalty", c->has_frequency_penalty, c->frequency_penalty);
  write_int(w, "seed", c->has_seed, c->seed);
  if (c->has_logprobs) {
    lti_openai_name(w, "responseLogprobs");
    lti_openai_literal(w, c->logprobs ? "true" : "false");
  }
  write_int(w, "logprobs", c->has_top_logprobs, c->top_logprobs);
  write_format(w, c->response_format);
  write_thinking(w, c);
}

/* Without a member it is not written at all, so that `extra` may bring one. */
static void write_config(body *b) {
  size_t before = b->w.out->size;
  bool comma = b->w.comma;
  unsigned written = b->written;
  begin(b, M_generationConfig);
  lti_openai_open(&b->w, '{');
  size_t opened = b->w.out->size;
  write_members(&b->w, b->chat);
  if (!b->w.error && b->w.out->size == opened) {
    b->w.out->size = before;
    b->w.comma = comma;
    b->written = written;
    return;
  }
  lti_openai_close(&b->w, '}');
}
