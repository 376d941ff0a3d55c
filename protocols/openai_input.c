/* Items of input as Responses and Realtime take them: messages with typed parts, tool calls and
 * their outputs; declarations of tools; and objects whose members are remembered by name.
 *
 * The three forms differ in little: what the assistant said is `output_text`, in Realtime's beta
 * `text`; Realtime has sound in the part itself, no files, and calls a developer the system. */
#include <string.h>

#include "openai_responses.h"

static void write_item(const lti_responses_items *to, const leat_message *m);
static void write_parts(const lti_responses_items *to, const leat_message *m, bool ours);

/* ---- objects --------------------------------------------------------------------------------- */

void lti_openai_input_name(lti_responses_object *o, const char *name) {
  if (o->count < sizeof o->names / sizeof *o->names) o->names[o->count++] = name;
  lti_openai_name(&o->w, name);
}

void lti_openai_input_text(lti_responses_object *o, const char *name, const char *text) {
  if (!text) return;
  lti_openai_input_name(o, name);
  lti_openai_text(&o->w, lti_slice_of(text));
}

void lti_openai_input_int(lti_responses_object *o, const char *name, bool has, int64_t value) {
  if (!has) return;
  lti_openai_input_name(o, name);
  lti_openai_int(&o->w, value);
}

void lti_openai_input_json(lti_responses_object *o, const char *name, leat_slice json,
                           enum lti_json_type type) {
  static const char *const messages[] = {"a field of the request is not valid JSON",
                                         "a field of the request is JSON of the wrong type"};
  if (json.size == 0) return;
  lti_openai_input_name(o, name);
  lti_openai_json(&o->w, json, type, messages);
}

const char *lti_openai_input_repeats(const void *ctx, lti_json_text key) {
  const lti_responses_object *o = ctx;
  for (size_t i = 0; i < o->count; i++) {
    if (lti_json_key_is(key, o->names[i])) return "extra repeats a member that is written already";
  }
  return NULL;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void begin_item(const lti_responses_items *to, const char *type) {
  if (to->before) to->before(to->w);
  lti_openai_open(to->w, '{');
  lti_openai_member(to->w, "type", type);
}

static void end_item(const lti_responses_items *to) {
  lti_openai_close(to->w, '}');
  if (to->behind) to->behind(to->w);
}

void lti_openai_input_messages(const lti_responses_items *to, const leat_chat_request *chat) {
  leat_message asked = {.role = "user", .text = chat->prompt};
  for (size_t i = 0; i < chat->message_count; i++) write_item(to, &chat->messages[i]);
  if (chat->message_count == 0) write_item(to, &asked);
}

static void write_uses(const lti_responses_items *to, const leat_message *m) {
  for (size_t i = 0; i < m->tool_use_count; i++) {
    const leat_tool_use *use = &m->tool_uses[i];
    if (!use->id) lti_openai_fail(to->w, LEAT_EINVAL, "a tool call has no id");
    if (!use->name) lti_openai_fail(to->w, LEAT_EINVAL, "a tool call has no name");
    begin_item(to, "function_call");
    lti_openai_member(to->w, "call_id", use->id);
    lti_openai_member(to->w, "name", use->name);
    lti_openai_name(to->w, "arguments");
    lti_openai_text(to->w, use->arguments);
    end_item(to);
  }
}

static void write_output(const lti_responses_items *to, const leat_message *m) {
  if (!m->tool_call_id) lti_openai_fail(to->w, LEAT_EINVAL, "a tool's message has no tool_call_id");
  begin_item(to, "function_call_output");
  lti_openai_member(to->w, "call_id", m->tool_call_id);
  lti_openai_name(to->w, "output");
  if (m->part_count) {
    write_parts(to, m, false);
  } else {
    lti_openai_text(to->w, m->text);
  }
  end_item(to);
}

static void write_item(const lti_responses_items *to, const leat_message *m) {
  if (!m->role) lti_openai_fail(to->w, LEAT_EINVAL, "a message has no role");
  if (m->name) lti_openai_fail(to->w, LEAT_EINVAL, "messages have no names in this dialect");
  if (m->part_count && m->text.size) {
    lti_openai_fail(to->w, LEAT_EINVAL, "a message has both text and parts");
  }
  if (to->w->error) return;
  if (strcmp(m->role, "tool") == 0) {
    write_output(to, m);
    return;
  }
  bool ours = strcmp(m->role, "assistant") == 0;
  bool realtime = to->form != LTI_ITEMS_RESPONSES;
  if (!ours || m->part_count || m->text.size || m->refusal.size) {
    begin_item(to, "message");
    bool developer = realtime && strcmp(m->role, "developer") == 0;
    lti_openai_member(to->w, "role", developer ? "system" : m->role);
    lti_openai_name(to->w, "content");
    write_parts(to, m, ours);
    end_item(to);
  }
  write_uses(to, m);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void write_text(const lti_responses_items *to, leat_slice text, bool ours) {
  const char *type = !ours                                 ? "input_text"
                     : to->form == LTI_ITEMS_REALTIME_BETA ? "text"
                                                           : "output_text";
  lti_openai_open(to->w, '{');
  lti_openai_member(to->w, "type", type);
  lti_openai_name(to->w, "text");
  lti_openai_text(to->w, text);
  lti_openai_close(to->w, '}');
}

static void write_refusal(const lti_responses_items *to, leat_slice refusal) {
  if (to->form != LTI_ITEMS_RESPONSES) {
    write_text(to, refusal, true);
    return;
  }
  lti_openai_open(to->w, '{');
  lti_openai_member(to->w, "type", "refusal");
  lti_openai_name(to->w, "refusal");
  lti_openai_text(to->w, refusal);
  lti_openai_close(to->w, '}');
}

static void write_image(const lti_responses_items *to, const leat_part *part) {
  if (!part->url) lti_openai_fail(to->w, LEAT_EINVAL, "a part has no url");
  lti_openai_open(to->w, '{');
  lti_openai_member(to->w, "type", "input_image");
  lti_openai_member(to->w, "image_url", part->url);
  lti_openai_member(to->w, "detail", part->detail);
  lti_openai_close(to->w, '}');
}

static void write_audio(const lti_responses_items *to, const leat_part *part) {
  bool realtime = to->form != LTI_ITEMS_RESPONSES;
  if (!part->data.size) lti_openai_fail(to->w, LEAT_EINVAL, "an audio part has no data");
  if (!realtime && !part->format) {
    lti_openai_fail(to->w, LEAT_EINVAL, "an audio part has no format");
  }
  lti_openai_open(to->w, '{');
  lti_openai_member(to->w, "type", "input_audio");
  lti_openai_name(to->w, realtime ? "audio" : "input_audio");
  if (!realtime) {
    lti_openai_open(to->w, '{');
    lti_openai_name(to->w, "data");
  }
  lti_openai_text(to->w, part->data);
  if (!realtime) {
    lti_openai_member(to->w, "format", part->format);
    lti_openai_close(to->w, '}');
  }
  lti_openai_close(to->w, '}');
}

static void write_file(const lti_responses_items *to, const leat_part *part) {
  if (to->form != LTI_ITEMS_RESPONSES) {
    lti_openai_fail(to->w, LEAT_EINVAL, "realtime takes no files");
  }
  if (!part->file_id && !part->data.size) {
    lti_openai_fail(to->w, LEAT_EINVAL, "a file part has neither file_id nor data");
  }
  lti_openai_open(to->w, '{');
  lti_openai_member(to->w, "type", "input_file");
  lti_openai_member(to->w, "file_id", part->file_id);
  lti_openai_member(to->w, "filename", part->filename);
  if (part->data.size) {
    lti_openai_name(to->w, "file_data");
    lti_openai_text(to->w, part->data);
  }
  lti_openai_close(to->w, '}');
}

static void write_part(const lti_responses_items *to, const leat_part *part, bool ours) {
  static const char *const messages[] = {"a part is not valid JSON", "a part is not valid JSON"};
  switch (part->kind) {
    case LEAT_PART_TEXT: write_text(to, part->text, ours); return;
    case LEAT_PART_IMAGE_URL: write_image(to, part); return;
    case LEAT_PART_AUDIO: write_audio(to, part); return;
    case LEAT_PART_FILE: write_file(to, part); return;
    case LEAT_PART_RAW: lti_openai_json(to->w, part->data, LTI_JSON_NONE, messages); return;
    case LEAT_PART_VIDEO_URL:
      lti_openai_fail(to->w, LEAT_EINVAL, "this dialect takes no videos");
      return;
  }
  lti_openai_fail(to->w, LEAT_EINVAL, "a part is of no known kind");
}

static void write_parts(const lti_responses_items *to, const leat_message *m, bool ours) {
  lti_openai_open(to->w, '[');
  for (size_t i = 0; i < m->part_count; i++) write_part(to, &m->parts[i], ours);
  if (m->part_count == 0 && (m->text.size || !m->refusal.size)) write_text(to, m->text, ours);
  if (m->refusal.size) write_refusal(to, m->refusal);
  lti_openai_close(to->w, ']');
}

/* ---- tools ----------------------------------------------------------------------------------- */

static void write_tool(lti_openai_writer *w, const leat_tool *tool) {
  static const char *const messages[] = {"a tool's parameters are not valid JSON",
                                         "a tool's parameters must be a JSON object"};
  if (!tool->name) lti_openai_fail(w, LEAT_EINVAL, "a tool has no name");
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", "function");
  lti_openai_member(w, "name", tool->name);
  lti_openai_member(w, "description", tool->description);
  if (tool->parameters.size) {
    lti_openai_name(w, "parameters");
    lti_openai_json(w, tool->parameters, LTI_JSON_OBJECT, messages);
  }
  if (tool->strict) {
    lti_openai_name(w, "strict");
    lti_openai_literal(w, "true");
  }
  lti_openai_close(w, '}');
}

void lti_openai_input_tools(lti_responses_object *o, const leat_chat_request *chat) {
  static const char *const modes[] = {"none", "auto", "required"};
  if (chat->tool_count) {
    lti_openai_input_name(o, "tools");
    lti_openai_open(&o->w, '[');
    for (size_t i = 0; i < chat->tool_count; i++) write_tool(&o->w, &chat->tools[i]);
    lti_openai_close(&o->w, ']');
  }
  lti_openai_input_json(o, "tools", chat->tools_json, LTI_JSON_ARRAY);
  lti_openai_input_json(o, "tool_choice", chat->tool_choice_json, LTI_JSON_NONE);
  if (!chat->tool_choice) return;
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(chat->tool_choice, modes[i]) != 0) continue;
    lti_openai_input_text(o, "tool_choice", chat->tool_choice);
    return;
  }
  lti_openai_input_name(o, "tool_choice");
  lti_openai_open(&o->w, '{');
  lti_openai_member(&o->w, "type", "function");
  lti_openai_member(&o->w, "name", chat->tool_choice);
  lti_openai_close(&o->w, '}');
}

const char *lti_openai_input_contradiction(const leat_chat_request *c) {
  int inputs = (c->message_count > 0) + (c->messages_json.size > 0) + (c->prompt.size > 0);
  if (inputs == 0) return "messages are missing";
  if (inputs > 1) return "only one of messages, messages_json and prompt may be given";
  if (c->tool_count && c->tools_json.size) return "both tools and tools_json are given";
  if (c->tool_choice && c->tool_choice_json.size) {
    return "both tool_choice and tool_choice_json are given";
  }
  if (c->suffix.size) return "suffix belongs to completions";
  if (c->has_n && c->n != 1) return "this dialect gives one answer: n must be 1";
  if (c->stop_count) return "this dialect has no stop";
  if (c->has_reasoning_tokens) return "this dialect has no reasoning_tokens";
  if (c->has_seed) return "this dialect has no seed";
  if (c->has_top_k) return "this dialect has no top_k";
  if (c->has_frequency_penalty || c->has_presence_penalty) return "this dialect has no penalties";
  if (c->logit_bias.size) return "this dialect has no logit_bias";
  if (c->has_best_of || c->has_echo) return "best_of and echo belong to completions";
  return NULL;
}
