/* Messages and tools of a request body: content as one string or as parts, tool calls sent back as
 * history, tool declarations. What a kind of part cannot do without is asked for by name. */
#include <string.h>

#include "openai.h"

static void write_message(lti_openai_writer *w, const leat_message *m);
static void write_content(lti_openai_writer *w, const leat_message *m);
static void write_part(lti_openai_writer *w, const leat_part *part);
static void write_tool_uses(lti_openai_writer *w, const leat_message *m);

/* `prompt` is one user message. */
void lti_openai_messages(lti_openai_writer *w, const leat_chat_request *chat) {
  leat_message asked = {.role = "user", .text = chat->prompt};
  lti_openai_open(w, '[');
  for (size_t i = 0; i < chat->message_count; i++) write_message(w, &chat->messages[i]);
  if (chat->message_count == 0) write_message(w, &asked);
  lti_openai_close(w, ']');
}

void lti_openai_tools(lti_openai_writer *w, const leat_chat_request *chat) {
  static const char *const messages[] = {"a tool's parameters are not valid JSON",
                                         "a tool's parameters must be a JSON object"};
  lti_openai_open(w, '[');
  for (size_t i = 0; i < chat->tool_count; i++) {
    const leat_tool *tool = &chat->tools[i];
    if (!tool->name) lti_openai_fail(w, LEAT_EINVAL, "a tool has no name");
    lti_openai_open(w, '{');
    lti_openai_member(w, "type", "function");
    lti_openai_name(w, "function");
    lti_openai_open(w, '{');
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
    lti_openai_close(w, '}');
  }
  lti_openai_close(w, ']');
}

/* ---- messages -------------------------------------------------------------------------------- */

static void write_slice(lti_openai_writer *w, const char *name, leat_slice text) {
  if (text.size == 0) return;
  lti_openai_name(w, name);
  lti_openai_text(w, text);
}

static void write_message(lti_openai_writer *w, const leat_message *m) {
  if (!m->role) lti_openai_fail(w, LEAT_EINVAL, "a message has no role");
  lti_openai_open(w, '{');
  lti_openai_member(w, "role", m->role);
  lti_openai_member(w, "name", m->name);
  lti_openai_name(w, "content");
  write_content(w, m);
  write_slice(w, "reasoning_content", m->reasoning);
  write_slice(w, "refusal", m->refusal);
  if (m->tool_use_count) write_tool_uses(w, m);
  lti_openai_member(w, "tool_call_id", m->tool_call_id);
  lti_openai_close(w, '}');
}

/* A message that only calls tools, or refuses, has no content. */
static void write_content(lti_openai_writer *w, const leat_message *m) {
  if (m->part_count && m->text.size) {
    lti_openai_fail(w, LEAT_EINVAL, "a message has both text and parts");
  } else if (m->part_count) {
    lti_openai_open(w, '[');
    for (size_t i = 0; i < m->part_count; i++) write_part(w, &m->parts[i]);
    lti_openai_close(w, ']');
  } else if (!m->text.data && (m->tool_use_count || m->refusal.size)) {
    lti_openai_literal(w, "null");
  } else {
    lti_openai_text(w, m->text);
  }
}

static void write_tool_uses(lti_openai_writer *w, const leat_message *m) {
  lti_openai_name(w, "tool_calls");
  lti_openai_open(w, '[');
  for (size_t i = 0; i < m->tool_use_count; i++) {
    const leat_tool_use *use = &m->tool_uses[i];
    if (!use->name) lti_openai_fail(w, LEAT_EINVAL, "a tool call has no name");
    lti_openai_open(w, '{');
    lti_openai_member(w, "id", use->id);
    lti_openai_member(w, "type", "function");
    lti_openai_name(w, "function");
    lti_openai_open(w, '{');
    lti_openai_member(w, "name", use->name);
    lti_openai_name(w, "arguments");
    lti_openai_text(w, use->arguments);
    lti_openai_close(w, '}');
    lti_openai_close(w, '}');
  }
  lti_openai_close(w, ']');
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* {"type":T,T:{ ... ; the caller writes the inner members and closes both. */
static void open_part(lti_openai_writer *w, const char *type) {
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", type);
  lti_openai_name(w, type);
  lti_openai_open(w, '{');
}

static void close_part(lti_openai_writer *w) {
  lti_openai_close(w, '}');
  lti_openai_close(w, '}');
}

static void write_text_part(lti_openai_writer *w, const leat_part *part) {
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", "text");
  lti_openai_name(w, "text");
  lti_openai_text(w, part->text);
  lti_openai_close(w, '}');
}

static void write_url_part(lti_openai_writer *w, const leat_part *part, const char *type) {
  if (!part->url) lti_openai_fail(w, LEAT_EINVAL, "a part has no url");
  open_part(w, type);
  lti_openai_member(w, "url", part->url);
  lti_openai_member(w, "detail", part->detail);
  close_part(w);
}

static void write_audio_part(lti_openai_writer *w, const leat_part *part) {
  if (!part->data.size) lti_openai_fail(w, LEAT_EINVAL, "an audio part has no data");
  if (!part->format) lti_openai_fail(w, LEAT_EINVAL, "an audio part has no format");
  open_part(w, "input_audio");
  write_slice(w, "data", part->data);
  lti_openai_member(w, "format", part->format);
  close_part(w);
}

static void write_file_part(lti_openai_writer *w, const leat_part *part) {
  if (!part->file_id && !part->data.size) {
    lti_openai_fail(w, LEAT_EINVAL, "a file part has neither file_id nor data");
  }
  open_part(w, "file");
  lti_openai_member(w, "file_id", part->file_id);
  lti_openai_member(w, "filename", part->filename);
  write_slice(w, "file_data", part->data);
  close_part(w);
}

static void write_part(lti_openai_writer *w, const leat_part *part) {
  static const char *const messages[] = {"a part is not valid JSON", "a part is not valid JSON"};
  switch (part->kind) {
    case LEAT_PART_TEXT: write_text_part(w, part); return;
    case LEAT_PART_IMAGE_URL: write_url_part(w, part, "image_url"); return;
    case LEAT_PART_AUDIO: write_audio_part(w, part); return;
    case LEAT_PART_FILE: write_file_part(w, part); return;
    case LEAT_PART_VIDEO_URL: write_url_part(w, part, "video_url"); return;
    case LEAT_PART_RAW: lti_openai_json(w, part->data, LTI_JSON_NONE, messages); return;
  }
  lti_openai_fail(w, LEAT_EINVAL, "a part is of no known kind");
}
