/* Messages as generateContent has them: systemInstruction, and contents of the roles user and
 * model, each with parts.
 *
 * A tool call that is sent back as history is a functionCall part, its answer a functionResponse
 * of role user; several answers in a row share one content, since Gemini wants as many in it as
 * there were calls. A response must be an object: text that is no JSON object stands in one as
 * `result`. It names the function; where the message does not, the call with its id does.
 *
 * Thoughts go back as a thought part. Their signature belongs to the first function call where
 * there is one (Gemini demands it there), else to the thought, else to the text.
 *
 * Media from data: URIs and base64 text is sent in the body, anything else by its URL; `format`
 * gives a MIME type where neither does. File names are not sent: Gemini has no place for them. */
#include <string.h>

#include "gemini.h"

/* One message on its way. */
typedef struct writing {
  lti_openai_writer *w;
  const leat_chat_request *chat;
  size_t at;            /* of the message */
  leat_slice signature; /* until it was written */
} writing;

static void write_message(writing *x);
static void write_answers(writing *x);
static void write_parts(writing *x, const leat_message *m);
static void write_part(writing *x, const leat_part *part);

static bool has_role(const leat_message *m, const char *role) {
  return m->role && strcmp(m->role, role) == 0;
}

static bool is_system(const leat_message *m) {
  return has_role(m, "system") || has_role(m, "developer");
}

bool lti_gemini_has_system(const leat_chat_request *chat) {
  for (size_t i = 0; i < chat->message_count; i++) {
    if (is_system(&chat->messages[i])) return true;
  }
  return false;
}

bool lti_gemini_has_contents(const leat_chat_request *chat) {
  for (size_t i = 0; i < chat->message_count; i++) {
    if (!is_system(&chat->messages[i])) return true;
  }
  return chat->prompt.size > 0;
}

void lti_gemini_system(lti_openai_writer *w, const leat_chat_request *chat) {
  lti_openai_open(w, '{');
  lti_openai_name(w, "parts");
  lti_openai_open(w, '[');
  for (size_t i = 0; i < chat->message_count; i++) {
    const leat_message *m = &chat->messages[i];
    writing x = {.w = w, .chat = chat, .at = i};
    if (!is_system(m)) continue;
    for (size_t p = 0; p < m->part_count; p++) {
      if (m->parts[p].kind == LEAT_PART_TEXT || m->parts[p].kind == LEAT_PART_RAW) continue;
      lti_openai_fail(w, LEAT_EINVAL, "Gemini takes only text from the system");
    }
    write_parts(&x, m);
  }
  lti_openai_close(w, ']');
  lti_openai_close(w, '}');
}

void lti_gemini_contents(lti_openai_writer *w, const leat_chat_request *chat) {
  leat_message asked = {.role = "user", .text = chat->prompt};
  leat_chat_request prompt = {.messages = &asked, .message_count = 1};
  const leat_chat_request *all = chat->message_count ? chat : &prompt;
  writing x = {.w = w, .chat = all};
  lti_openai_open(w, '[');
  while (x.at < all->message_count && !w->error) {
    const leat_message *m = &all->messages[x.at];
    if (is_system(m)) {
      x.at++;
    } else if (has_role(m, "tool")) {
      write_answers(&x);
    } else {
      write_message(&x);
      x.at++;
    }
  }
  lti_openai_close(w, ']');
}

/* ---- messages -------------------------------------------------------------------------------- */

static const char *role_of(writing *x, const leat_message *m) {
  if (has_role(m, "user")) return "user";
  if (has_role(m, "assistant") || has_role(m, "model")) return "model";
  lti_openai_fail(x->w, LEAT_EINVAL,
                  m->role ? "Gemini has no such role: system, developer, user, assistant or tool"
                          : "a message has no role");
  return "user";
}

/* {"role":R,"parts":[ ; the caller writes the parts and closes both. */
static void open_content(writing *x, const char *role) {
  lti_openai_open(x->w, '{');
  lti_openai_member(x->w, "role", role);
  lti_openai_name(x->w, "parts");
  lti_openai_open(x->w, '[');
}

static void close_content(writing *x) {
  lti_openai_close(x->w, ']');
  lti_openai_close(x->w, '}');
}

static void write_signature(writing *x) {
  if (x->signature.size == 0) return;
  lti_openai_name(x->w, "thoughtSignature");
  lti_openai_text(x->w, x->signature);
  x->signature.size = 0;
}

static void write_thought(writing *x, const leat_message *m) {
  if (m->reasoning.size == 0) return;
  lti_openai_open(x->w, '{');
  lti_openai_name(x->w, "text");
  lti_openai_text(x->w, m->reasoning);
  lti_openai_name(x->w, "thought");
  lti_openai_literal(x->w, "true");
  if (m->tool_use_count == 0) write_signature(x);
  lti_openai_close(x->w, '}');
}

static void write_call(writing *x, const leat_tool_use *use) {
  static const char *const messages[] = {"a tool call's arguments are not valid JSON",
                                         "Gemini wants a tool call's arguments as a JSON object"};
  lti_openai_writer *w = x->w;
  if (!use->name) lti_openai_fail(w, LEAT_EINVAL, "a tool call has no name");
  lti_openai_open(w, '{');
  lti_openai_name(w, "functionCall");
  lti_openai_open(w, '{');
  lti_openai_member(w, "id", use->id && *use->id ? use->id : NULL);
  lti_openai_member(w, "name", use->name);
  lti_openai_name(w, "args");
  if (use->arguments.size) {
    lti_openai_json(w, use->arguments, LTI_JSON_OBJECT, messages);
  } else {
    lti_openai_literal(w, "{}");
  }
  lti_openai_close(w, '}');
  write_signature(x);
  lti_openai_close(w, '}');
}

static void write_message(writing *x) {
  const leat_message *m = &x->chat->messages[x->at];
  if (m->name) lti_openai_fail(x->w, LEAT_EINVAL, "Gemini has no name of a message");
  if (m->refusal.size) lti_openai_fail(x->w, LEAT_EINVAL, "Gemini has no refusal in a message");
  x->signature = m->signature;
  open_content(x, role_of(x, m));
  write_thought(x, m);
  if (m->part_count || m->text.size || m->tool_use_count + m->reasoning.size == 0) {
    write_parts(x, m);
  }
  for (size_t i = 0; i < m->tool_use_count; i++) write_call(x, &m->tool_uses[i]);
  close_content(x);
}

/* ---- tools' answers -------------------------------------------------------------------------- */

/* The name of the last call before this message that has its id. */
static const char *called(const writing *x, const leat_message *m) {
  const char *id = m->tool_call_id;
  if (m->name) return m->name;
  for (size_t i = x->at; id && *id && i-- > 0;) {
    const leat_message *before = &x->chat->messages[i];
    for (size_t k = before->tool_use_count; k-- > 0;) {
      const leat_tool_use *use = &before->tool_uses[k];
      if (use->id && strcmp(use->id, id) == 0) return use->name;
    }
  }
  return NULL;
}

static bool is_object(leat_slice text) {
  lti_json r;
  lti_json_init(&r, text);
  return text.size && lti_json_peek(&r) == LTI_JSON_OBJECT && lti_json_valid(text, NULL, NULL);
}

static void write_result(lti_openai_writer *w, leat_slice text) {
  lti_openai_name(w, "response");
  if (is_object(text)) {
    static const char *const messages[] = {"a tool's answer is not valid JSON",
                                           "a tool's answer is not a JSON object"};
    lti_openai_json(w, text, LTI_JSON_OBJECT, messages);
    return;
  }
  lti_openai_open(w, '{');
  lti_openai_name(w, "result");
  lti_openai_text(w, text);
  lti_openai_close(w, '}');
}

static void write_answer(writing *x) {
  const leat_message *m = &x->chat->messages[x->at];
  lti_openai_writer *w = x->w;
  const char *name = called(x, m);
  bool alone = m->part_count == 1 && m->parts->kind == LEAT_PART_TEXT && m->text.size == 0;
  if (!name) {
    lti_openai_fail(w, LEAT_EINVAL,
                    "a tool's answer needs the function's name, or the id of a call before it");
  }
  if (m->part_count && !alone) {
    lti_openai_fail(w, LEAT_EINVAL, "Gemini wants a tool's answer as one text");
  }
  lti_openai_open(w, '{');
  lti_openai_name(w, "functionResponse");
  lti_openai_open(w, '{');
  lti_openai_member(w, "id", m->tool_call_id && *m->tool_call_id ? m->tool_call_id : NULL);
  lti_openai_member(w, "name", name);
  write_result(w, alone ? m->parts->text : m->text);
  lti_openai_close(w, '}');
  lti_openai_close(w, '}');
}

static void write_answers(writing *x) {
  open_content(x, "user");
  while (x->at < x->chat->message_count && has_role(&x->chat->messages[x->at], "tool")) {
    write_answer(x);
    x->at++;
  }
  close_content(x);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void write_text(writing *x, leat_slice text) {
  lti_openai_open(x->w, '{');
  lti_openai_name(x->w, "text");
  lti_openai_text(x->w, text);
  write_signature(x);
  lti_openai_close(x->w, '}');
}

/* A signature that calls will carry is kept for them. */
static void write_parts(writing *x, const leat_message *m) {
  leat_slice kept = x->signature;
  if (m->part_count && m->text.size) {
    lti_openai_fail(x->w, LEAT_EINVAL, "a message has both text and parts");
  }
  if (m->tool_use_count) x->signature.size = 0;
  if (m->part_count == 0) write_text(x, m->text);
  for (size_t i = 0; i < m->part_count; i++) write_part(x, &m->parts[i]);
  if (m->tool_use_count) x->signature = kept;
}

/* {"inlineData":{"mimeType":..,"data":..}} or {"fileData":{"mimeType":..,"fileUri":..}} */
static void write_media(lti_openai_writer *w, leat_slice mime, leat_slice content, bool here) {
  lti_openai_open(w, '{');
  lti_openai_name(w, here ? "inlineData" : "fileData");
  lti_openai_open(w, '{');
  if (mime.size) {
    lti_openai_name(w, "mimeType");
    lti_openai_text(w, mime);
  }
  lti_openai_name(w, here ? "data" : "fileUri");
  lti_openai_text(w, content);
  lti_openai_close(w, '}');
  lti_openai_close(w, '}');
}

static leat_slice mime_of(const leat_part *part) {
  bool is_mime = part->format && strchr(part->format, '/');
  return is_mime ? lti_slice_of(part->format) : lti_slice(NULL, 0);
}

/* "data:image/png;base64,AAAA" (RFC 2397). False: it is no such URI. */
static bool take_uri(leat_slice text, leat_slice *mime, leat_slice *content, const char **why) {
  static const char scheme[] = "data:", coding[] = ";base64";
  size_t size = sizeof scheme - 1, tail = sizeof coding - 1;
  if (text.size < size || !lti_slice_is_nocase(lti_slice(text.data, size), scheme)) return false;
  text = lti_slice_from(text, size);
  const char *comma = text.size ? memchr(text.data, ',', text.size) : NULL;
  leat_slice type = lti_slice(text.data, comma ? (size_t)(comma - text.data) : 0);
  leat_slice end = type.size < tail ? type : lti_slice_from(type, type.size - tail);
  if (!comma || !lti_slice_is_nocase(end, coding)) {
    *why = "Gemini takes only data: URIs of base64";
    return true;
  }
  *content = lti_slice_from(text, type.size + 1);
  const char *semicolon = memchr(type.data, ';', type.size);
  *mime = lti_slice(type.data, (size_t)(semicolon - type.data));
  if (mime->size == 0) *mime = lti_slice_of("text/plain");
  return true;
}

static void write_url(lti_openai_writer *w, const leat_part *part, leat_slice url) {
  leat_slice mime = mime_of(part), content = {NULL, 0};
  const char *why = NULL;
  bool here = take_uri(url, &mime, &content, &why);
  if (url.size == 0) why = "a part has no url";
  if (part->detail && strcmp(part->detail, "auto") != 0) why = "Gemini has no detail of an image";
  if (why) lti_openai_fail(w, LEAT_EINVAL, why);
  write_media(w, mime, here ? content : url, here);
}

/* "wav" is audio/wav. */
static void write_audio(lti_openai_writer *w, const leat_part *part) {
  char mime[64];
  leat_slice type = mime_of(part);
  size_t size = part->format ? strlen(part->format) : 0;
  if (!part->data.size) lti_openai_fail(w, LEAT_EINVAL, "an audio part has no data");
  if (!size || size > sizeof mime - 6) {
    lti_openai_fail(w, LEAT_EINVAL, "an audio part has no usable format");
    return;
  }
  if (type.size == 0) {
    memcpy(mime, "audio/", 6);
    memcpy(mime + 6, part->format, size);
    type = lti_slice(mime, size + 6);
  }
  write_media(w, type, part->data, true);
}

static void write_file(lti_openai_writer *w, const leat_part *part) {
  leat_slice mime = mime_of(part), content = part->data;
  const char *why = NULL;
  if (part->file_id) {
    write_media(w, mime, lti_slice_of(part->file_id), false);
    return;
  }
  bool uri = take_uri(part->data, &mime, &content, &why);
  if (part->data.size == 0) {
    why = "a file part has neither file_id nor data";
  } else if (!uri && mime.size == 0) {
    why = "a file's base64 text needs its MIME type as format, or to be a data: URI";
  }
  if (why) lti_openai_fail(w, LEAT_EINVAL, why);
  write_media(w, mime, content, true);
}

static void write_part(writing *x, const leat_part *part) {
  static const char *const messages[] = {"a part is not valid JSON", "a part is not valid JSON"};
  switch (part->kind) {
    case LEAT_PART_TEXT: write_text(x, part->text); return;
    case LEAT_PART_IMAGE_URL:
    case LEAT_PART_VIDEO_URL: write_url(x->w, part, lti_slice_of(part->url)); return;
    case LEAT_PART_AUDIO: write_audio(x->w, part); return;
    case LEAT_PART_FILE: write_file(x->w, part); return;
    case LEAT_PART_RAW: lti_openai_json(x->w, part->data, LTI_JSON_NONE, messages); return;
  }
  lti_openai_fail(x->w, LEAT_EINVAL, "a part is of no known kind");
}
