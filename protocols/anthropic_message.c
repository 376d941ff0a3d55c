/* Messages of a request in Anthropic's form.
 *
 * What the system says stands apart from the others, wherever it stood. A message of nothing but
 * text is a string; any other is a list of blocks: the reasoning first, with the signature without
 * which it is not taken back, then text or parts, then what was refused, as text, then the tool
 * calls. Outputs of tools are blocks of a user's message, and those that follow each other are
 * blocks of one. What a part cannot do without, or cannot be here, is told by name. */
#include <string.h>

#include "anthropic.h"
#include "protocol.h"

/* Who speaks decides what may be said. */
enum speaker { SYSTEM, USER, ASSISTANT };

static void write_message(lti_openai_writer *w, const leat_message *m);
static size_t write_outputs(lti_openai_writer *w, const leat_chat_request *chat, size_t at);
static void write_part(lti_openai_writer *w, const leat_part *part, enum speaker speaker);

static bool is_role(const leat_message *m, const char *role) {
  return m->role && strcmp(m->role, role) == 0;
}

bool lti_anthropic_message_is_system(const leat_message *m) {
  return is_role(m, "system") || is_role(m, "developer");
}

static void refuse(lti_openai_writer *w, const char *message) {
  lti_openai_fail(w, LEAT_EINVAL, message);
}

static void write_text(lti_openai_writer *w, leat_slice text) {
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", "text");
  lti_openai_name(w, "text");
  lti_openai_text(w, text);
  lti_openai_close(w, '}');
}

/* Text, or parts, as elements of a list. */
static void write_blocks(lti_openai_writer *w, const leat_message *m, enum speaker speaker) {
  for (size_t i = 0; i < m->part_count; i++) write_part(w, &m->parts[i], speaker);
  if (m->part_count == 0 && m->text.size) write_text(w, m->text);
}

static void check(lti_openai_writer *w, const leat_message *m) {
  bool ours = is_role(m, "assistant");
  if (!m->role) refuse(w, "a message has no role");
  if (m->name) refuse(w, "messages have no names in this dialect");
  if (m->part_count && m->text.size) refuse(w, "a message has both text and parts");
  if (!ours && (m->tool_use_count || m->reasoning.size || m->signature.size || m->refusal.size)) {
    refuse(w, "only an assistant's message has tool calls, reasoning or a refusal");
  }
  if (m->tool_call_id && !is_role(m, "tool")) {
    refuse(w, "only a tool's message has a tool_call_id");
  }
}

/* One text is a string, more of it a list. */
void lti_anthropic_message_system(lti_openai_writer *w, const leat_chat_request *chat) {
  const leat_message *only = NULL;
  size_t count = 0;
  for (size_t i = 0; i < chat->message_count; i++) {
    if (!lti_anthropic_message_is_system(&chat->messages[i])) continue;
    only = &chat->messages[i];
    check(w, only);
    count++;
  }
  if (count == 1 && only->part_count == 0) {
    lti_openai_text(w, only->text);
    return;
  }
  lti_openai_open(w, '[');
  for (size_t i = 0; i < chat->message_count; i++) {
    const leat_message *m = &chat->messages[i];
    if (lti_anthropic_message_is_system(m)) write_blocks(w, m, SYSTEM);
  }
  lti_openai_close(w, ']');
}

void lti_anthropic_message_list(lti_openai_writer *w, const leat_chat_request *chat) {
  leat_message asked = {.role = "user", .text = chat->prompt};
  lti_openai_open(w, '[');
  for (size_t i = 0; i < chat->message_count;) {
    const leat_message *m = &chat->messages[i];
    if (is_role(m, "tool")) {
      i = write_outputs(w, chat, i);
      continue;
    }
    if (!lti_anthropic_message_is_system(m)) write_message(w, m);
    i++;
  }
  if (chat->message_count == 0) write_message(w, &asked);
  lti_openai_close(w, ']');
}

/* ---- messages -------------------------------------------------------------------------------- */

static void write_thinking(lti_openai_writer *w, const leat_message *m) {
  if (m->reasoning.size + m->signature.size == 0) return;
  if (m->signature.size == 0) refuse(w, "reasoning needs the signature that came with it");
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", "thinking");
  lti_openai_name(w, "thinking");
  lti_openai_text(w, m->reasoning);
  lti_openai_name(w, "signature");
  lti_openai_text(w, m->signature);
  lti_openai_close(w, '}');
}

static void write_uses(lti_openai_writer *w, const leat_message *m) {
  static const char *const messages[] = {"a tool call's arguments are not valid JSON",
                                         "a tool call's arguments must be a JSON object"};
  for (size_t i = 0; i < m->tool_use_count; i++) {
    const leat_tool_use *use = &m->tool_uses[i];
    if (!use->id) refuse(w, "a tool call has no id");
    if (!use->name) refuse(w, "a tool call has no name");
    lti_openai_open(w, '{');
    lti_openai_member(w, "type", "tool_use");
    lti_openai_member(w, "id", use->id);
    lti_openai_member(w, "name", use->name);
    lti_openai_name(w, "input");
    lti_openai_json(w, use->arguments.size ? use->arguments : lti_slice("{}", 2), LTI_JSON_OBJECT,
                    messages);
    lti_openai_close(w, '}');
  }
}

static void write_message(lti_openai_writer *w, const leat_message *m) {
  bool ours = is_role(m, "assistant");
  check(w, m);
  if (!ours && !is_role(m, "user")) refuse(w, "a message has a role that this dialect has not");
  lti_openai_open(w, '{');
  lti_openai_member(w, "role", m->role);
  lti_openai_name(w, "content");
  if (m->part_count + m->tool_use_count + m->reasoning.size + m->signature.size + m->refusal.size ==
      0) {
    lti_openai_text(w, m->text);
  } else {
    lti_openai_open(w, '[');
    write_thinking(w, m);
    write_blocks(w, m, ours ? ASSISTANT : USER);
    if (m->refusal.size) write_text(w, m->refusal);
    write_uses(w, m);
    lti_openai_close(w, ']');
  }
  lti_openai_close(w, '}');
}

static void write_output(lti_openai_writer *w, const leat_message *m) {
  check(w, m);
  if (!m->tool_call_id) refuse(w, "a tool's message has no tool_call_id");
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", "tool_result");
  lti_openai_member(w, "tool_use_id", m->tool_call_id);
  lti_openai_name(w, "content");
  if (m->part_count) {
    lti_openai_open(w, '[');
    write_blocks(w, m, USER);
    lti_openai_close(w, ']');
  } else {
    lti_openai_text(w, m->text);
  }
  lti_openai_close(w, '}');
}

/* All that follow each other, from `at` on. Returns where the next message is. */
static size_t write_outputs(lti_openai_writer *w, const leat_chat_request *chat, size_t at) {
  lti_openai_open(w, '{');
  lti_openai_member(w, "role", "user");
  lti_openai_name(w, "content");
  lti_openai_open(w, '[');
  for (; at < chat->message_count; at++) {
    const leat_message *m = &chat->messages[at];
    if (is_role(m, "tool")) {
      write_output(w, m);
    } else if (!lti_anthropic_message_is_system(m)) {
      break;
    }
  }
  lti_openai_close(w, ']');
  lti_openai_close(w, '}');
  return at;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* "data:image/png;base64,iVBOR...": false when it is no such URI. */
static bool take_apart(leat_slice uri, leat_slice *type, leat_slice *content) {
  static const char base64[] = ";base64";
  size_t tail = sizeof base64 - 1;
  const char *comma = lti_slice_starts(uri, "data:") ? memchr(uri.data, ',', uri.size) : NULL;
  if (!comma) return false;
  leat_slice kind = lti_slice(uri.data + 5, (size_t)(comma - uri.data) - 5);
  if (!lti_slice_ends(kind, base64)) return false;
  kind.size -= tail;
  const char *semicolon = kind.size ? memchr(kind.data, ';', kind.size) : NULL;
  *type = semicolon ? lti_slice(kind.data, (size_t)(semicolon - kind.data)) : kind;
  *content = lti_slice_from(uri, (size_t)(comma + 1 - uri.data));
  return true;
}

/* {"type":T,"source":{"type":S ... ; the caller writes the rest of the source and closes both. */
static void open_source(lti_openai_writer *w, const char *type, const char *source) {
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", type);
  lti_openai_name(w, "source");
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", source);
}

static void write_base64(lti_openai_writer *w, const char *type, leat_slice media,
                         leat_slice content) {
  open_source(w, type, "base64");
  lti_openai_name(w, "media_type");
  lti_openai_text(w, media);
  lti_openai_name(w, "data");
  lti_openai_text(w, content);
  lti_openai_close(w, '}');
}

static void write_image(lti_openai_writer *w, const leat_part *part) {
  leat_slice url = lti_slice_of(part->url), media, content;
  if (!part->url) refuse(w, "a part has no url");
  if (part->detail && strcmp(part->detail, "auto") != 0) {
    refuse(w, "images have no detail in this dialect");
  }
  if (take_apart(url, &media, &content)) {
    write_base64(w, "image", media, content);
  } else {
    if (lti_slice_starts(url, "data:")) refuse(w, "an image's data: URI must be of base64");
    open_source(w, "image", "url");
    lti_openai_member(w, "url", part->url);
    lti_openai_close(w, '}');
  }
  lti_openai_close(w, '}');
}

/* By its name's end; a file whose name has none is a PDF, and of others nothing is known. */
static leat_slice media_of(const char *filename) {
  static const char *const known[][2] = {{".png", "image/png"},   {".jpg", "image/jpeg"},
                                         {".jpeg", "image/jpeg"}, {".gif", "image/gif"},
                                         {".webp", "image/webp"}, {".pdf", "application/pdf"}};
  const char *dot = filename ? strrchr(filename, '.') : NULL;
  for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++) {
    if (lti_slice_is_nocase(lti_slice_of(dot), known[i][0])) return lti_slice_of(known[i][1]);
  }
  return lti_slice_of(dot ? "" : "application/pdf");
}

static void write_file(lti_openai_writer *w, const leat_part *part) {
  leat_slice media = media_of(part->filename), content = part->data;
  if (!part->file_id && !part->data.size) {
    refuse(w, "a file part has neither file_id nor data");
  }
  if (!part->file_id && !take_apart(part->data, &media, &content) &&
      lti_slice_starts(part->data, "data:")) {
    refuse(w, "a file's data: URI must be of base64");
  }
  bool image = lti_slice_starts(media, "image/");
  if (part->file_id) {
    open_source(w, image ? "image" : "document", "file");
    lti_openai_member(w, "file_id", part->file_id);
    lti_openai_close(w, '}');
  } else {
    if (!image && !lti_slice_is(media, "application/pdf")) {
      refuse(w, "a file must be a PDF or an image in this dialect: send text as text");
    }
    write_base64(w, image ? "image" : "document", media, content);
  }
  if (!image) lti_openai_member(w, "title", part->filename);
  lti_openai_close(w, '}');
}

static void write_part(lti_openai_writer *w, const leat_part *part, enum speaker speaker) {
  static const char *const messages[] = {"a part is not valid JSON", "a part is not valid JSON"};
  bool plain = part->kind == LEAT_PART_TEXT || part->kind == LEAT_PART_RAW;
  if (speaker != USER && !plain) {
    refuse(w, "what the system or the assistant says is text in this dialect");
  }
  switch (part->kind) {
    case LEAT_PART_TEXT: write_text(w, part->text); return;
    case LEAT_PART_IMAGE_URL: write_image(w, part); return;
    case LEAT_PART_FILE: write_file(w, part); return;
    case LEAT_PART_RAW: lti_openai_json(w, part->data, LTI_JSON_NONE, messages); return;
    case LEAT_PART_AUDIO: refuse(w, "this dialect takes no sound"); return;
    case LEAT_PART_VIDEO_URL: refuse(w, "this dialect takes no videos"); return;
  }
  refuse(w, "a part is of no known kind");
}
