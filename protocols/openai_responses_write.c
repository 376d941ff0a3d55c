/* Requests of OpenAI's Responses from the fields that every dialect shares.
 *
 * Messages become items of `input` (a prompt becomes one, too; messages_json is sent as `input`),
 * the token limit max_output_tokens, response_format text.format: its json_schema loses the object
 * around it, as Responses wants it. A field that Responses does not have is refused, not dropped;
 * `extra` brings what only Responses has (instructions, previous_response_id, include, ...). */
#include <string.h>

#include "openai_responses.h"

static void write_input(lti_responses_object *o, const leat_chat_request *chat) {
  lti_responses_items items = {.w = &o->w, .form = LTI_ITEMS_RESPONSES};
  if (chat->messages_json.size) {
    lti_openai_input_json(o, "input", chat->messages_json, LTI_JSON_ARRAY);
    return;
  }
  lti_openai_input_name(o, "input");
  lti_openai_open(&o->w, '[');
  lti_openai_input_messages(&items, chat);
  lti_openai_close(&o->w, ']');
}

static void write_double(lti_responses_object *o, const char *name, bool has, double value) {
  if (!has) return;
  lti_openai_input_name(o, name);
  lti_openai_double(&o->w, value, "temperature or top_p is not a finite number");
}

static void write_bool(lti_responses_object *o, const char *name, bool has, bool value) {
  if (!has) return;
  lti_openai_input_name(o, name);
  lti_openai_literal(&o->w, value ? "true" : "false");
}

/* {"type":"json_schema","json_schema":{"name":..}} becomes {"type":"json_schema","name":..}. */
static void write_format(lti_responses_object *o, leat_slice format) {
  static const char *const messages[] = {"response_format is not valid JSON",
                                         "response_format must be a JSON object"};
  leat_slice schema;
  if (format.size == 0) return;
  lti_openai_input_name(o, "text");
  lti_openai_open(&o->w, '{');
  lti_openai_name(&o->w, "format");
  bool wrapped = lti_json_valid(format, NULL, NULL) &&
                 lti_json_find(format, "/json_schema", &schema) && *schema.data == '{';
  if (!wrapped) {
    lti_openai_json(&o->w, format, LTI_JSON_OBJECT, messages);
  } else {
    lti_responses_object inner = {.w = o->w, .names = {"type"}, .count = 1};
    lti_openai_open(&inner.w, '{');
    lti_openai_member(&inner.w, "type", "json_schema");
    lti_openai_extra(&inner.w, schema, lti_openai_input_repeats, &inner);
    lti_openai_close(&inner.w, '}');
    o->w = inner.w;
  }
  lti_openai_close(&o->w, '}');
}

static void write_rest(lti_responses_object *o, const leat_chat_request *c) {
  bool limited = c->has_max_completion_tokens || c->has_max_tokens;
  lti_openai_input_int(o, "max_output_tokens", limited,
                       c->has_max_completion_tokens ? c->max_completion_tokens : c->max_tokens);
  write_double(o, "temperature", c->has_temperature, c->temperature);
  write_double(o, "top_p", c->has_top_p, c->top_p);
  lti_openai_input_int(o, "top_logprobs", c->has_top_logprobs, c->top_logprobs);
  if (c->has_logprobs && c->logprobs) {
    lti_openai_input_name(o, "include");
    lti_openai_literal(&o->w, "[\"message.output_text.logprobs\"]");
  }
  lti_openai_input_tools(o, c);
  write_bool(o, "parallel_tool_calls", c->has_parallel_tool_calls, c->parallel_tool_calls);
  write_format(o, c->response_format);
  if (c->reasoning_effort) {
    lti_openai_input_name(o, "reasoning");
    lti_openai_open(&o->w, '{');
    lti_openai_member(&o->w, "effort", c->reasoning_effort);
    lti_openai_close(&o->w, '}');
  }
  lti_openai_input_text(o, "service_tier", c->service_tier);
  lti_openai_input_text(o, "user", c->user);
  write_bool(o, "store", c->has_store, c->store);
  lti_openai_input_json(o, "metadata", c->metadata, LTI_JSON_OBJECT);
}

int lti_openai_responses_write(const leat_chat_request *chat, bool event, lti_buf *out,
                               lti_encoded *encoded) {
  lti_responses_object o = {.w = {.out = out, .encoded = encoded}};
  size_t before = out->size;
  memset(encoded, 0, sizeof *encoded);
  encoded->message = lti_openai_input_contradiction(chat);
  if (encoded->message) return LEAT_EINVAL;
  lti_openai_open(&o.w, '{');
  if (event) lti_openai_input_text(&o, "type", "response.create");
  lti_openai_input_text(&o, "model", chat->model);
  write_input(&o, chat);
  if (!event) {
    write_bool(&o, "stream", chat->stream, true);
    if (!chat->stream) o.names[o.count++] = "stream";
  }
  lti_openai_input_json(&o, "stream_options", chat->stream_options, LTI_JSON_OBJECT);
  write_rest(&o, chat);
  lti_openai_extra(&o.w, chat->extra, lti_openai_input_repeats, &o);
  lti_openai_close(&o.w, '}');
  if (o.w.error) out->size = before;
  encoded->stream = event || chat->stream;
  return o.w.error;
}
