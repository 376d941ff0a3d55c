/* One part of a candidate's content, read as views and then emitted: text or thought, a function
 * call, media, and last the signature, which proves what was thought before the part.
 *
 * Function calls come whole and are counted for each candidate; an id is rare. Arguments are handed
 * out as the JSON that was sent, and where there are none as an empty object. Media is an image or
 * audio by its MIME type; of any other type, as of code that was run, only the raw record tells. */
#include <string.h>

#include "gemini.h"

#define MIME_MAX 128

typedef struct part {
  lti_json_text text, signature;
  leat_slice call, inline_media, file; /* JSON */
  bool thought;
} part;

static void read_part(lti_json *r, part *p);
static int emit_call(lti_openai_out *o, leat_slice call);
static int emit_media(lti_openai_out *o, leat_slice media);
static int emit_signature(lti_openai_out *o, lti_json_text signature);

int lti_gemini_part(lti_openai_out *o, leat_slice json) {
  lti_json r;
  part p;
  int rc = LTI_OK;
  lti_json_init(&r, json);
  read_part(&r, &p);
  if (p.text.raw.size) {
    rc = lti_openai_piece_text(o, p.thought ? LTI_OPENAI_REASONING : LTI_OPENAI_TEXT, p.text);
  }
  if (rc == LTI_OK && p.call.size) rc = emit_call(o, p.call);
  if (rc == LTI_OK && p.inline_media.size) rc = emit_media(o, p.inline_media);
  if (rc == LTI_OK && p.file.size) rc = emit_media(o, p.file);
  if (rc == LTI_OK && p.signature.raw.size) rc = emit_signature(o, p.signature);
  return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_part(lti_json *r, part *p) {
  lti_json_text key;
  memset(p, 0, sizeof *p);
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "text")) {
      p->text = lti_openai_string(r);
    } else if (lti_json_key_is(key, "thought")) {
      if (!lti_json_bool(r, &p->thought)) p->thought = false;
    } else if (lti_json_key_is(key, "thoughtSignature")) {
      p->signature = lti_openai_string(r);
    } else if (lti_json_key_is(key, "functionCall")) {
      p->call = lti_openai_raw(r);
    } else if (lti_json_key_is(key, "inlineData")) {
      p->inline_media = lti_openai_raw(r);
    } else if (lti_json_key_is(key, "fileData")) {
      p->file = lti_openai_raw(r);
    } else {
      lti_json_skip(r);
    }
  }
}

static lti_json_text read_args(lti_json *r) {
  lti_json_text text = {{"{}", 2}, false, true};
  if (lti_json_peek(r) != LTI_JSON_OBJECT) {
    lti_json_skip(r);
    return text;
  }
  text.raw = lti_openai_raw(r);
  text.ascii = false;
  return text;
}

/* ---- emitting -------------------------------------------------------------------------------- */

/* How many calls the candidate has made. */
static int64_t count_calls(const lti_openai_out *o) {
  const lti_openai_rare *rare = o->d->rare;
  int64_t count = 0;
  for (uint32_t i = 0; rare && i < rare->tool_count; i++) {
    count += rare->tools[i].choice == o->choice->index;
  }
  return count;
}

static int emit_call(lti_openai_out *o, leat_slice json) {
  lti_json r;
  lti_json_text key;
  lti_openai_call call = {.index = count_calls(o), .arguments = {{"{}", 2}, false, true}};
  lti_json_init(&r, json);
  if (!lti_json_enter_object(&r)) return LTI_OK;
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "name")) {
      call.name = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "id")) {
      call.id = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "args")) {
      call.arguments = read_args(&r);
    } else {
      lti_json_skip(&r);
    }
  }
  return lti_openai_call_emit(o, &call);
}

static bool is_kind(leat_slice mime, enum leat_event_kind *kind) {
  *kind = lti_slice_starts(mime, "audio/") ? LEAT_EVENT_AUDIO : LEAT_EVENT_IMAGE;
  return *kind == LEAT_EVENT_AUDIO || lti_slice_starts(mime, "image/");
}

/* {"mimeType","data"}, or {"mimeType","fileUri"} */
static int emit_media(lti_openai_out *o, leat_slice json) {
  lti_json r;
  lti_json_text key, mime = {{NULL, 0}, false, true}, data = mime, url = mime;
  leat_event event;
  char type[MIME_MAX];
  memset(&event, 0, sizeof event);
  lti_json_init(&r, json);
  if (!lti_json_enter_object(&r)) return LTI_OK;
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "mimeType")) {
      mime = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "data")) {
      data = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "fileUri")) {
      url = lti_openai_string(&r);
    } else {
      lti_json_skip(&r);
    }
  }
  leat_slice text;
  int rc = lti_json_decode(mime, NULL, o->d->scratch, &text);
  if (rc != LTI_OK || text.size > sizeof type || !is_kind(text, &event.kind)) return rc;
  memcpy(type, text.data, text.size);
  event.media.mime_type = lti_slice(type, text.size);
  bool whole = data.raw.size > 0;
  rc = lti_json_decode(whole ? data : url, NULL, o->d->scratch, &text);
  if (rc != LTI_OK || text.size == 0) return rc;
  *(whole ? &event.media.data : &event.media.url) = text;
  return lti_openai_out_event(o, &event);
}

static int emit_signature(lti_openai_out *o, lti_json_text signature) {
  leat_event event = {.kind = LEAT_EVENT_SIGNATURE};
  int rc = lti_json_decode(signature, NULL, o->d->scratch, &event.text);
  return rc == LTI_OK && event.text.size ? lti_openai_out_event(o, &event) : rc;
}
