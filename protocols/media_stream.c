/* Event streams of images, sound and transcripts, and the dialects that have them. Their answers
 * that are not streamed are documents, read in json_reply.c.
 *
 *     image_generation.partial_image   {"b64_json":..,"partial_image_index":0}  a preview
 *     image_generation.completed       {"b64_json":..,"usage":{..}}             the evidence
 *     speech.audio.delta / .done       {"audio":..} / {"usage":{..}}
 *     transcript.text.delta / .done    {"delta":..,"logprobs":[..]} / {"text":..,"usage":{..}}
 *     transcript.text.segment          {"text":..,"start":..,"speaker":..}
 *
 * `type` in the JSON is believed before the event's name; image_edit.* is image_generation.*; what
 * is not known is passed over. Several images may come one behind the other, so that the first that
 * is complete does not end the stream, but a preview behind the last means that one is missing. A
 * transcript's text is told once: by its deltas, or where none came by its segments, or by .done.
 * Base64 is handed out as it was sent. */
#include <string.h>

#include "base/error.h"
#include "dialects.h"
#include "json_reply.h"
#include "openai.h"

enum slot { B64_JSON, URL, FORMAT, AUDIO, DELTA, TEXT, LOGPROBS, SLOTS };

static const lti_member_name names[] = {
    LTI_MEMBER("b64_json", B64_JSON),    LTI_MEMBER("url", URL),
    LTI_MEMBER("output_format", FORMAT), LTI_MEMBER("audio", AUDIO),
    LTI_MEMBER("delta", DELTA),          LTI_MEMBER("text", TEXT),
    LTI_MEMBER("logprobs", LOGPROBS),
};

/* One record on its way. */
typedef struct passing {
  lti_json_reply *d;
  lti_emit *emit;
  lti_member m[SLOTS];
} passing;

/* The known ones; others are named as they are by nobody. */
static leat_slice type_of_image(const lti_member *format) {
  static const char *const types[] = {"image/png", "image/jpeg", "image/webp"};
  for (size_t i = 0; i < sizeof types / sizeof *types && format->type == LTI_JSON_STRING; i++)
    if (lti_slice_is(format->text.raw, types[i] + 6)) return lti_slice_of(types[i]);
  return lti_slice(NULL, 0);
}

/* Base64 and URLs are views of the record but for escapes, such as those of '/'. */
static int text_of(passing *p, const lti_member *m, leat_slice *text) {
  *text = lti_slice(NULL, 0);
  if (m->type != LTI_JSON_STRING) return LTI_OK;
  return lti_json_decode(m->text, NULL, &p->d->scratch, text);
}

static int emit_image(passing *p, bool partial) {
  leat_event event = {.kind = LEAT_EVENT_IMAGE};
  const lti_member *base64 = &p->m[B64_JSON];
  bool has_base64 = lti_member_says(base64);
  leat_slice *to = has_base64 ? &event.media.data : &event.media.url;
  event.media.mime_type = type_of_image(&p->m[FORMAT]);
  event.media.partial = partial;
  int rc = text_of(p, has_base64 ? base64 : &p->m[URL], to);
  if (rc != LTI_OK || to->size == 0) return rc;
  p->d->open = partial;
  return p->emit->event(p->emit, &event);
}

static int emit_audio(passing *p) {
  leat_event event = {.kind = LEAT_EVENT_AUDIO};
  int rc =
      text_of(p, lti_member_says(&p->m[AUDIO]) ? &p->m[AUDIO] : &p->m[DELTA], &event.media.data);
  return rc == LTI_OK && event.media.data.size ? p->emit->event(p->emit, &event) : rc;
}

static int emit_text(passing *p, const lti_member *m) {
  leat_event event = {.kind = LEAT_EVENT_TEXT};
  if (m->type != LTI_JSON_STRING) return LTI_OK;
  int rc = lti_json_decode(m->text, &p->d->half, &p->d->scratch, &event.text);
  if (rc != LTI_OK || event.text.size == 0) return rc;
  if (p->m[LOGPROBS].type == LTI_JSON_ARRAY && lti_member_truthy(&p->m[LOGPROBS]))
    event.logprobs = p->m[LOGPROBS].text.raw;
  p->d->said = true;
  return p->emit->event(p->emit, &event);
}

/* By the end of the type's name: whose it is does not matter. */
static int emit_record(passing *p, leat_slice type) {
  lti_json_reply *d = p->d;
  bool text = lti_slice_starts(type, "transcript.text.");
  if (lti_slice_ends(type, ".partial_image")) return emit_image(p, true);
  if (lti_slice_is(type, "speech.audio.delta")) return emit_audio(p);
  if (text && lti_slice_ends(type, ".delta")) return emit_text(p, &p->m[DELTA]);
  if (text && lti_slice_ends(type, ".segment")) return d->said ? LTI_OK : emit_text(p, &p->m[TEXT]);
  if (lti_slice_is(type, "image_generation.completed") ||
      lti_slice_is(type, "image_edit.completed")) {
    d->whole = true;
    return emit_image(p, false);
  }
  if (!lti_slice_is(type, "speech.audio.done") && !(text && lti_slice_ends(type, ".done")))
    return LTI_OK;
  d->whole = d->ended = true;
  return text && !d->said ? emit_text(p, &p->m[TEXT]) : LTI_OK;
}

static int record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit) {
  passing p = {.d = decoder, .emit = emit};
  lti_json_reply_head head;
  if (p.d->ended) return LTI_STOPPED;
  if (data.size == 0) return LTI_OK;
  if (lti_json_reply_is_end(data)) {
    p.d->ended = true;
    int rc = lti_json_reply_flush(p.d, emit);
    return rc == LTI_OK ? LTI_STOPPED : rc;
  }
  int rc = lti_json_reply_head_read(p.d, data, &head);
  if (rc != LTI_OK) return rc;
  if (head.refused || lti_slice_is(type, "error")) return lti_json_reply_refuse(p.d, data, emit);
  lti_member_read_text(data, names, SLOTS, p.m);
  rc = emit_record(&p, head.type.type == LTI_JSON_STRING ? head.type.text.raw : type);
  if (rc == LTI_OK && p.d->ended) rc = lti_json_reply_flush(p.d, emit);
  if (rc == LTI_OK) rc = lti_json_reply_usage(&head.usage, emit);
  lti_buf_clear(&p.d->scratch);
  lti_buf_shrink(&p.d->scratch, LTI_JSON_REPLY_KEPT);
  return rc == LTI_OK && p.d->ended ? LTI_STOPPED : rc;
}

#define READER                                                                                   \
  .end_marker = "done", .encode = lti_json_reply_encode, .inspect = lti_json_reply_inspect,      \
  .decoder_size = sizeof(lti_json_reply), .decoder_init = lti_json_reply_init,                   \
  .decoder_deinit = lti_json_reply_deinit, .record = record, .stray = lti_json_reply_stray,      \
  .body = lti_json_reply_body, .flush = lti_json_reply_flush, .verdict = lti_json_reply_verdict, \
  .response = lti_json_reply_response

const lti_protocol lti_openai_images = {
    .name = "openai-images", .path = "/images/generations", READER};
const lti_protocol lti_openai_speech = {.name = "openai-speech", .path = "/audio/speech", READER};
const lti_protocol lti_openai_transcript = {
    .name = "openai-transcript", .path = "/audio/transcriptions", .plain = true, READER};
