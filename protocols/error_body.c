/* One reader for every gateway's error body, whatever its dialect (the shapes are listed in the
 * table of members below, with who sends them).
 *
 * The message is looked for in this order: /error/message, /error (a string), /message,
 * /description, /msg, /detail, /errors/0/message; type and code come from the same object as the
 * message where it has them. Gemini's `status` serves as the type, and a numeric one as the code.
 * An empty or null error is none, and neither is an envelope that says "success".
 *
 * Texts are decoded, cut to the limits below at a character's border, and copied into the caller's
 * buffer. Nothing recurses; an object is entered at most one level below its parent. */
#include <string.h>

#include "member.h"
#include "protocol.h"
#include "wire/json.h"

#define MESSAGE_MAX 4096
#define WORD_MAX    256
#define DECODED_MAX (size_t)(3 * 6 * MESSAGE_MAX)

/* OpenAI, new-api: {"error":{"message","type","param","code"}}. Anthropic: {"type":"error","error":
 * {"type","message"}}. Gemini: {"error":{"code","message","status"}}. OpenRouter: code is a number.
 * vLLM: {"object":"error","message","type","code"}. Tasks: {"code","message"}. Midjourney:
 * {"description","type","code"}. FastAPI: {"detail":"..."} or {"detail":[{"msg","type"}]}. Others:
 * {"msg"}, {"error":"..."}, {"success":false,"errors":[{"code","message"}]}. */
#define MEMBERS 12
typedef union members {
  struct {
    lti_member error, errors, message, description, msg, detail, type, code, status, success;
    lti_member param, request_id;
  };
  lti_member slots[MEMBERS];
} members;

#define SLOT(name) LTI_MEMBER(#name, offsetof(members, name) / sizeof(lti_member))

static const lti_member_name known[MEMBERS] = {
    SLOT(error), SLOT(errors), SLOT(message), SLOT(description), SLOT(msg),   SLOT(detail),
    SLOT(type),  SLOT(code),   SLOT(status),  SLOT(success),     SLOT(param), SLOT(request_id),
};

/* What the answer is made of, before it is decoded. */
typedef struct found {
  lti_member type, code, message, param, request_id;
} found;

static bool read_members(lti_json *r, members *m);
static bool choose(const members *root, found *f);
static int copy(const found *f, lti_provider_error *error, lti_buf *scratch);

/* An error status may come with the event stream that was asked for: what its first record holds.
 */
static leat_slice unframed(leat_slice body) {
  static const char *const before[] = {"event:", "id:", ":", "retry:"};
  for (leat_slice rest = body; rest.size;) {
    bool skipped = false;
    while (rest.size && memchr(" \t\r\n", *rest.data, 4)) rest = lti_slice_from(rest, 1);
    if (lti_slice_starts(rest, "data:")) return lti_slice_from(rest, 5);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
      skipped = skipped || lti_slice_starts(rest, before[i]);
    const char *end = skipped ? memchr(rest.data, '\n', rest.size) : NULL;
    if (!end) return body;
    rest = lti_slice_from(rest, (size_t)(end - rest.data));
  }
  return body;
}

bool lti_protocol_error(leat_slice json, lti_provider_error *error, lti_buf *scratch) {
  lti_json r;
  members root;
  found f;
  memset(&f, 0, sizeof f);
  memset(error, 0, sizeof *error);
  lti_json_init(&r, unframed(json));
  if (lti_json_peek(&r) == LTI_JSON_ARRAY && lti_json_enter_array(&r)) lti_json_next_value(&r);
  if (!read_members(&r, &root) || !choose(&root, &f)) return false;
  error->set = true;
  /* Without memory it is still an error, only a speechless one. */
  (void)copy(&f, error, scratch);
  return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_members(lti_json *r, members *m) {
  memset(m, 0, sizeof *m);
  return lti_member_read(r, known, MEMBERS, m->slots);
}

/* The members of an object, or of the first one of an array. */
static bool read_inner(const lti_member *m, members *inner) {
  lti_json r;
  lti_json_init(&r, m->text.raw);
  if (m->type == LTI_JSON_ARRAY && lti_json_enter_array(&r)) lti_json_next_value(&r);
  return read_members(&r, inner);
}

/* ---- choosing -------------------------------------------------------------------------------- */

static bool is_container(const lti_member *m) {
  return m->type == LTI_JSON_OBJECT || m->type == LTI_JSON_ARRAY;
}

static bool is_word(const lti_member *m) {
  return m->type != LTI_JSON_NONE && !is_container(m);
}

/* The first string that says something. */
static const lti_member *spoken(const members *m) {
  const lti_member *order[] = {&m->message, &m->description, &m->msg, &m->detail};
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    if (order[i]->type == LTI_JSON_STRING && order[i]->text.raw.size) return order[i];
  }
  return NULL;
}

/* Type and code of `m`, where nothing was found before. */
static void choose_words(const members *m, found *f) {
  if (!is_word(&f->type) && m->type.type == LTI_JSON_STRING) f->type = m->type;
  if (!is_word(&f->type) && m->status.type == LTI_JSON_STRING) f->type = m->status;
  if (!is_word(&f->code) && is_word(&m->code)) f->code = m->code;
  if (!is_word(&f->code) && m->status.type == LTI_JSON_NUMBER) f->code = m->status;
  if (!is_word(&f->param) && is_word(&m->param)) f->param = m->param;
  if (!is_word(&f->request_id) && is_word(&m->request_id)) f->request_id = m->request_id;
}

/* An object that is an error by its name: what it says, or else its JSON. */
static void choose_object(const lti_member *object, found *f) {
  members inner;
  bool read = read_inner(object, &inner);
  const lti_member *text = read ? spoken(&inner) : NULL;
  if (read) choose_words(&inner, f);
  if (text) {
    f->message = *text;
  } else if (!is_word(&f->type) && !is_word(&f->code)) {
    f->message = *object;
  }
}

static bool choose(const members *root, found *f) {
  const lti_member *text = spoken(root);
  const lti_member *listed = lti_member_truthy(&root->errors) ? &root->errors : &root->detail;
  if (lti_member_truthy(&root->error)) {
    if (is_container(&root->error)) {
      choose_object(&root->error, f);
      if (!is_word(&f->request_id)) f->request_id = root->request_id;
      return true;
    }
    f->message = root->error;
    choose_words(root, f);
    return true;
  }
  if (root->success.type == LTI_JSON_TRUE) return false;
  if (root->code.type == LTI_JSON_STRING && lti_slice_is(root->code.text.raw, "success")) {
    return false;
  }
  if (text) {
    f->message = *text;
    choose_words(root, f);
    return true;
  }
  if (!is_container(listed) || !lti_member_truthy(listed)) return false;
  choose_object(listed, f);
  choose_words(root, f);
  return true;
}

/* ---- copying --------------------------------------------------------------------------------- */

/* At most `max` bytes, and no part of a character. */
static leat_slice cut(leat_slice text, size_t max) {
  if (text.size <= max) return text;
  while (max && ((unsigned char)text.data[max] & 0xc0) == 0x80) max--;
  return lti_slice(text.data, max);
}

/* Appends the member's text. No character is written in more than six times its bytes, so that what
 * lies behind six times the limit need not be decoded. */
static int copy_member(const lti_member *m, size_t max, lti_buf *decoded, lti_buf *out) {
  leat_slice text;
  lti_json_text written = m->text;
  if (written.raw.size > 6 * max) written.raw.size = 6 * max;
  int rc = lti_json_decode(written, NULL, decoded, &text);
  return rc == LTI_OK ? lti_buf_append(out, cut(text, max)) : rc;
}

/* new-api ends its messages with " (request id: X)". */
static leat_slice find_request_id(leat_slice message) {
  static const char before[] = "(request id: ";
  const char *at = lti_slice_find(message, lti_slice_of(before));
  if (!at || !lti_slice_ends(message, ")")) return lti_slice(NULL, 0);
  const char *id = at + sizeof before - 1, *end = message.data + message.size - 1;
  return lti_slice(id, (size_t)(end - id));
}

static int copy(const found *f, lti_provider_error *error, lti_buf *scratch) {
  const lti_member *from[] = {&f->type, &f->code, &f->message, &f->param, &f->request_id};
  leat_slice *to[] = {&error->type, &error->code, &error->message, &error->param,
                      &error->request_id};
  enum { TEXTS = sizeof from / sizeof *from };
  size_t ends[TEXTS];
  lti_buf decoded;
  int rc = LTI_OK;
  lti_buf_init(&decoded, scratch->alloc, DECODED_MAX, LEAT_EBODYMAX);
  lti_buf_clear(scratch);
  for (size_t i = 0; rc == LTI_OK && i < TEXTS; i++) {
    if (from[i]->type != LTI_JSON_NONE) {
      rc = copy_member(from[i], to[i] == &error->message ? MESSAGE_MAX : WORD_MAX, &decoded,
                       scratch);
    }
    ends[i] = scratch->size;
  }
  lti_buf_deinit(&decoded);
  if (rc != LTI_OK) return rc;
  for (size_t i = 0, at = 0; i < TEXTS; at = ends[i++]) {
    if (from[i]->type == LTI_JSON_NONE) continue;
    *to[i] = ends[i] > at ? lti_slice(scratch->data + at, ends[i] - at) : lti_slice("", 0);
  }
  error->code_is_number = f->code.type == LTI_JSON_NUMBER;
  if (!error->request_id.data) error->request_id = find_request_id(error->message);
  return LTI_OK;
}
