/* Requests of Anthropic's Messages from the fields that every dialect shares.
 *
 * There must be a limit of tokens, so those who set none get LTI_ANTHROPIC_MAX_TOKENS, and what the
 * model may think beside them. The effort and the schema of an answer are members of
 * output_config. A field that Messages does not have is refused, not dropped; `extra` brings what
 * only Messages has (container, cache_control, mcp_servers, ...). */
#include <string.h>

#include "anthropic.h"
/* For objects whose members are remembered by name. */
#include "openai_responses.h"

static const char *contradiction(const leat_chat_request *c);
static const char *unknown(const leat_chat_request *c);
static void write_input(lti_responses_object *o, const leat_chat_request *chat);
static void write_sampling(lti_responses_object *o, const leat_chat_request *chat);
static void write_tools(lti_responses_object *o, const leat_chat_request *chat);
static void write_tool_choice(lti_responses_object *o, const leat_chat_request *chat);
static void write_thinking(lti_responses_object *o, const leat_chat_request *chat);
static void write_output(lti_responses_object *o, const leat_chat_request *chat);
static void write_metadata(lti_responses_object *o, const leat_chat_request *chat);

static int64_t limit_of(const leat_chat_request *c) {
  if (c->has_max_completion_tokens) return c->max_completion_tokens;
  if (c->has_max_tokens) return c->max_tokens;
  return LTI_ANTHROPIC_MAX_TOKENS + (c->has_reasoning_tokens ? c->reasoning_tokens : 0);
}

int lti_anthropic_write(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  lti_responses_object o = {.w = {.out = out, .encoded = encoded}};
  size_t before = out->size;
  memset(encoded, 0, sizeof *encoded);
  encoded->message = contradiction(chat);
  if (!encoded->message) encoded->message = unknown(chat);
  if (encoded->message) return LEAT_EINVAL;
  lti_openai_open(&o.w, '{');
  lti_openai_input_text(&o, "model", chat->model);
  lti_openai_input_int(&o, "max_tokens", true, limit_of(chat));
  write_input(&o, chat);
  if (chat->stream) {
    lti_openai_input_name(&o, "stream");
    lti_openai_literal(&o.w, "true");
  } else {
    o.names[o.count++] = "stream";
  }
  write_sampling(&o, chat);
  write_tools(&o, chat);
  write_thinking(&o, chat);
  write_output(&o, chat);
  write_metadata(&o, chat);
  lti_openai_input_text(&o, "service_tier", chat->service_tier);
  lti_openai_extra(&o.w, chat->extra, lti_openai_input_repeats, &o);
  lti_openai_close(&o.w, '}');
  if (o.w.error) out->size = before;
  encoded->stream = chat->stream;
  return o.w.error;
}

/* ---- what cannot be asked -------------------------------------------------------------------- */

static const char *contradiction(const leat_chat_request *c) {
  int inputs = (c->message_count > 0) + (c->messages_json.size > 0) + (c->prompt.size > 0);
  size_t system = 0;
  for (size_t i = 0; i < c->message_count; i++) {
    system += lti_anthropic_message_is_system(&c->messages[i]);
  }
  if (inputs == 0) return "messages are missing";
  if (inputs > 1) return "only one of messages, messages_json and prompt may be given";
  if (c->message_count && system == c->message_count) {
    return "there must be a message besides those of the system";
  }
  if (c->tool_count && c->tools_json.size) return "both tools and tools_json are given";
  if (c->tool_choice && c->tool_choice_json.size) {
    return "both tool_choice and tool_choice_json are given";
  }
  if (c->tool_choice_json.size && c->has_parallel_tool_calls) {
    return "parallel_tool_calls is a member of tool_choice, and tool_choice_json is given";
  }
  if (c->user && c->metadata.size) return "user is a member of metadata, and metadata is given";
  if (c->has_reasoning_tokens &&
      (c->reasoning_tokens < 0 || c->reasoning_tokens > INT64_MAX - LTI_ANTHROPIC_MAX_TOKENS)) {
    return "reasoning_tokens is out of range";
  }
  return NULL;
}

static const char *unknown(const leat_chat_request *c) {
  if (c->suffix.size) return "suffix belongs to completions";
  if (c->has_n && c->n != 1) return "this dialect gives one answer: n must be 1";
  if (c->has_seed) return "this dialect has no seed";
  if (c->has_frequency_penalty || c->has_presence_penalty) return "this dialect has no penalties";
  if (c->logit_bias.size) return "this dialect has no logit_bias";
  if ((c->has_logprobs && c->logprobs) || c->has_top_logprobs)
    return "this dialect has no logprobs";
  if (c->has_best_of || c->has_echo) return "best_of and echo belong to completions";
  if (c->has_store && c->store) return "this dialect does not store answers";
  if (c->stream_options.size) return "this dialect has no stream_options";
  return NULL;
}

/* ---- members --------------------------------------------------------------------------------- */

static void write_input(lti_responses_object *o, const leat_chat_request *chat) {
  bool system = false;
  for (size_t i = 0; i < chat->message_count; i++) {
    system |= lti_anthropic_message_is_system(&chat->messages[i]);
  }
  if (system) {
    lti_openai_input_name(o, "system");
    lti_anthropic_message_system(&o->w, chat);
  }
  if (chat->messages_json.size) {
    lti_openai_input_json(o, "messages", chat->messages_json, LTI_JSON_ARRAY);
    return;
  }
  lti_openai_input_name(o, "messages");
  lti_anthropic_message_list(&o->w, chat);
}

static void write_double(lti_responses_object *o, const char *name, bool has, double value) {
  if (!has) return;
  lti_openai_input_name(o, name);
  lti_openai_double(&o->w, value, "temperature or top_p is not a finite number");
}

static void write_sampling(lti_responses_object *o, const leat_chat_request *chat) {
  write_double(o, "temperature", chat->has_temperature, chat->temperature);
  write_double(o, "top_p", chat->has_top_p, chat->top_p);
  lti_openai_input_int(o, "top_k", chat->has_top_k, chat->top_k);
  if (chat->stop_count == 0) return;
  lti_openai_input_name(o, "stop_sequences");
  lti_openai_open(&o->w, '[');
  for (size_t i = 0; i < chat->stop_count; i++) {
    if (!chat->stop[i]) lti_openai_fail(&o->w, LEAT_EINVAL, "an element of stop is NULL");
    lti_openai_text(&o->w, lti_slice_of(chat->stop[i]));
  }
  lti_openai_close(&o->w, ']');
}

/* The schema must be there, if only to say that there are no parameters. */
static void write_tool(lti_openai_writer *w, const leat_tool *tool) {
  static const char *const messages[] = {"a tool's parameters are not valid JSON",
                                         "a tool's parameters must be a JSON object"};
  static const char none[] = "{\"type\":\"object\",\"properties\":{}}";
  if (!tool->name) lti_openai_fail(w, LEAT_EINVAL, "a tool has no name");
  lti_openai_open(w, '{');
  lti_openai_member(w, "name", tool->name);
  lti_openai_member(w, "description", tool->description);
  lti_openai_name(w, "input_schema");
  lti_openai_json(w, tool->parameters.size ? tool->parameters : lti_slice_of(none), LTI_JSON_OBJECT,
                  messages);
  if (tool->strict) {
    lti_openai_name(w, "strict");
    lti_openai_literal(w, "true");
  }
  lti_openai_close(w, '}');
}

static void write_tools(lti_responses_object *o, const leat_chat_request *chat) {
  if (chat->tool_count) {
    lti_openai_input_name(o, "tools");
    lti_openai_open(&o->w, '[');
    for (size_t i = 0; i < chat->tool_count; i++) write_tool(&o->w, &chat->tools[i]);
    lti_openai_close(&o->w, ']');
  }
  lti_openai_input_json(o, "tools", chat->tools_json, LTI_JSON_ARRAY);
  lti_openai_input_json(o, "tool_choice", chat->tool_choice_json, LTI_JSON_OBJECT);
  write_tool_choice(o, chat);
}

/* Whether calls may be parallel is said beside it; where none may be made it says nothing. */
static void write_tool_choice(lti_responses_object *o, const leat_chat_request *chat) {
  static const char *const modes[][2] = {{"auto", "auto"}, {"required", "any"}, {"none", "none"}};
  bool serial = chat->has_parallel_tool_calls && !chat->parallel_tool_calls;
  const char *choice = chat->tool_choice, *type = "tool";
  if (!choice && !serial) return;
  if (!choice) choice = "auto";
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(choice, modes[i][0]) == 0) type = modes[i][1];
  }
  lti_openai_input_name(o, "tool_choice");
  lti_openai_open(&o->w, '{');
  lti_openai_member(&o->w, "type", type);
  if (strcmp(type, "tool") == 0) lti_openai_member(&o->w, "name", choice);
  if (serial && strcmp(type, "none") != 0) {
    lti_openai_name(&o->w, "disable_parallel_tool_use");
    lti_openai_literal(&o->w, "true");
  }
  lti_openai_close(&o->w, '}');
}

static void write_thinking(lti_responses_object *o, const leat_chat_request *chat) {
  if (!chat->has_reasoning_tokens) return;
  lti_openai_input_name(o, "thinking");
  lti_openai_open(&o->w, '{');
  lti_openai_member(&o->w, "type", chat->reasoning_tokens ? "enabled" : "disabled");
  if (chat->reasoning_tokens) {
    lti_openai_name(&o->w, "budget_tokens");
    lti_openai_int(&o->w, chat->reasoning_tokens);
  }
  lti_openai_close(&o->w, '}');
}

/* The schema of {"type":"json_schema","json_schema":{"schema":..}}, or of {.., "schema":..}. */
static void write_format(lti_openai_writer *w, leat_slice format) {
  static const char *const messages[] = {"response_format is not valid JSON",
                                         "response_format has no JSON object as its schema"};
  leat_slice type, schema = {"null", 4};
  if (!lti_json_valid(format, &w->encoded->offset, NULL)) {
    lti_openai_fail(w, LEAT_EJSON, messages[0]);
    return;
  }
  if (!lti_json_find(format, "/type", &type) || !lti_slice_is(type, "\"json_schema\"")) {
    lti_openai_fail(w, LEAT_EINVAL, "response_format must be a json_schema in this dialect");
    return;
  }
  if (!lti_json_find(format, "/json_schema/schema", &schema)) {
    lti_json_find(format, "/schema", &schema);
  }
  lti_openai_name(w, "format");
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", "json_schema");
  lti_openai_name(w, "schema");
  lti_openai_json(w, schema, LTI_JSON_OBJECT, messages);
  lti_openai_close(w, '}');
}

static void write_output(lti_responses_object *o, const leat_chat_request *chat) {
  if (!chat->reasoning_effort && !chat->response_format.size) return;
  lti_openai_input_name(o, "output_config");
  lti_openai_open(&o->w, '{');
  lti_openai_member(&o->w, "effort", chat->reasoning_effort);
  if (chat->response_format.size) write_format(&o->w, chat->response_format);
  lti_openai_close(&o->w, '}');
}

static void write_metadata(lti_responses_object *o, const leat_chat_request *chat) {
  lti_openai_input_json(o, "metadata", chat->metadata, LTI_JSON_OBJECT);
  if (!chat->user) return;
  lti_openai_input_name(o, "metadata");
  lti_openai_open(&o->w, '{');
  lti_openai_member(&o->w, "user_id", chat->user);
  lti_openai_close(&o->w, '}');
}
