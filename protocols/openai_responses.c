/* OpenAI's Responses over HTTP (POST /responses, "openai-responses"), and the decoder that it
 * shares with Responses and Realtime over sockets: records in, events out.
 *
 * Each record is an object whose `type` says what it is (SSE's event name is believed only where
 * that is missing). Deltas become events at once; the wholes behind them (`*.done`, the item, the
 * response) are told only where no delta was, since some gateways send wholes alone. All text goes
 * to choice 0, in the order of its coming; function calls are counted from 0 in the order of
 * theirs. Names of the beta and of today are both known; types that are not known are passed over.
 *
 * The end is response.completed, .incomplete, .failed, .cancelled or .done, or an error event. The
 * answer is whole when the response is completed, or incomplete by its own limits: then, too, the
 * provider has said all that it will. */
#include "openai_responses.h"

#include <string.h>

#include "dialects.h"

/* What a type means. */
enum kind {
  OTHER = 0,
  TEXT_DELTA,
  REASONING_DELTA,
  SUMMARY_DELTA,
  CALL_DELTA,
  AUDIO_DELTA,
  TRANSCRIPT_DELTA,
  REFUSAL_DELTA,
  TEXT_DONE,
  REASONING_DONE,
  SUMMARY_DONE,
  CALL_DONE,
  TRANSCRIPT_DONE,
  REFUSAL_DONE,
  IMAGE,
  ITEM_ADDED,
  ITEM_DONE,
  BEGUN,
  COMPLETED,
  INCOMPLETE,
  FAILED,
  CANCELLED,
  DONE,
  ERROR
};

/* The frequent ones first. Realtime said response.text, .audio and .audio_transcript in its beta,
 * and Responses response.audio.transcript. */
static const struct {
  const char *name;
  enum kind kind;
} types[] = {
    {"response.output_text.delta", TEXT_DELTA},
    {"response.text.delta", TEXT_DELTA},
    {"response.reasoning_text.delta", REASONING_DELTA},
    {"response.reasoning.delta", REASONING_DELTA},
    {"response.reasoning_summary_text.delta", SUMMARY_DELTA},
    {"response.reasoning_summary.delta", SUMMARY_DELTA},
    {"response.function_call_arguments.delta", CALL_DELTA},
    {"response.custom_tool_call_input.delta", CALL_DELTA},
    {"response.output_audio.delta", AUDIO_DELTA},
    {"response.audio.delta", AUDIO_DELTA},
    {"response.output_audio_transcript.delta", TRANSCRIPT_DELTA},
    {"response.audio_transcript.delta", TRANSCRIPT_DELTA},
    {"response.audio.transcript.delta", TRANSCRIPT_DELTA},
    {"response.refusal.delta", REFUSAL_DELTA},
    {"response.output_text.done", TEXT_DONE},
    {"response.text.done", TEXT_DONE},
    {"response.reasoning_text.done", REASONING_DONE},
    {"response.reasoning.done", REASONING_DONE},
    {"response.reasoning_summary_text.done", SUMMARY_DONE},
    {"response.reasoning_summary.done", SUMMARY_DONE},
    {"response.function_call_arguments.done", CALL_DONE},
    {"response.custom_tool_call_input.done", CALL_DONE},
    {"response.output_audio_transcript.done", TRANSCRIPT_DONE},
    {"response.audio_transcript.done", TRANSCRIPT_DONE},
    {"response.audio.transcript.done", TRANSCRIPT_DONE},
    {"response.refusal.done", REFUSAL_DONE},
    {"response.image_generation_call.partial_image", IMAGE},
    {"response.output_item.added", ITEM_ADDED},
    {"response.output_item.done", ITEM_DONE},
    {"response.created", BEGUN},
    {"response.queued", BEGUN},
    {"response.in_progress", BEGUN},
    {"response.completed", COMPLETED},
    {"response.incomplete", INCOMPLETE},
    {"response.failed", FAILED},
    {"response.cancelled", CANCELLED},
    {"response.done", DONE},
    {"error", ERROR},
};

enum shape { STRING, JSON, INDEX };

#define AT(member) offsetof(lti_responses_note, member)
static const struct {
  const char *name;
  enum shape shape;
  size_t offset;
} members[] = {
    {"type", STRING, AT(type)},
    {"delta", STRING, AT(delta)},
    {"item_id", STRING, AT(item_id)},
    {"output_index", INDEX, AT(output_index)},
    {"content_index", INDEX, AT(content_index)},
    {"summary_index", INDEX, AT(summary_index)},
    {"logprobs", JSON, AT(logprobs)},
    {"response_id", STRING, AT(response_id)},
    {"call_id", STRING, AT(call_id)},
    {"name", STRING, AT(name)},
    {"text", STRING, AT(text)},
    {"refusal", STRING, AT(refusal)},
    {"transcript", STRING, AT(transcript)},
    {"arguments", STRING, AT(arguments)},
    {"input", STRING, AT(input)},
    {"partial_image_b64", STRING, AT(image)},
    {"output_format", STRING, AT(format)},
    {"item", JSON, AT(item)},
    {"response", JSON, AT(response)},
    {"error", JSON, AT(error)},
    {"object", STRING, AT(object)},
};

static bool read_note(leat_slice data, leat_slice type, lti_responses_note *n);
static int tell(lti_responses_step *s, leat_slice data);
static bool is_foreign(lti_responses *d, const lti_responses_note *n);

void lti_openai_responses_init(void *decoder, lti_alloc *alloc, lti_buf *scratch) {
  lti_responses *d = decoder;
  memset(d, 0, sizeof *d);
  lti_openai_init(&d->base, alloc, scratch);
}

void lti_openai_responses_deinit(void *decoder) {
  lti_responses *d = decoder;
  lti_alloc_put(d->base.alloc, d->items);
  d->items = NULL;
  lti_openai_deinit(&d->base);
}

void lti_openai_responses_begin(void *decoder, const lti_protocol_turn *turn) {
  lti_responses *d = decoder;
  d->led = true;
  d->before = turn->before.size ? lti_openai_hash(turn->before) : 0;
}

static int step(lti_responses *d, const lti_responses_note *n, leat_slice data, lti_emit *emit) {
  bool opened;
  lti_responses_step s = {.d = d, .note = n, .out = {.d = &d->base, .emit = emit}};
  int rc = lti_openai_piece_choice(&d->base, 0, &s.out.choice, &opened);
  if (rc == LTI_OK) rc = tell(&s, data);
  lti_openai_settle(&d->base);
  return rc;
}

int lti_openai_responses_record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit) {
  lti_responses *d = decoder;
  lti_responses_note n;
  if (d->base.ended) return LTI_STOPPED;
  leat_slice text = data;
  while (text.size && memchr(" \t\r\n", *text.data, 4)) text = lti_slice_from(text, 1);
  if (text.size == 0) return LTI_OK;
  if (lti_slice_starts(text, "[DONE]")) {
    /* Left over from the turn before, unless something of this one came already. */
    if (d->led && !d->base.response.id.size && !d->item_count) return LTI_OK;
    d->base.ended = true;
    int rc = lti_openai_responses_flush(d, emit);
    return rc == LTI_OK ? LTI_STOPPED : rc;
  }
  if (!read_note(text, type, &n)) return LEAT_EDECODE;
  if (is_foreign(d, &n)) return LTI_OK;
  return step(d, &n, text, emit);
}

int lti_openai_responses_body(void *decoder, leat_slice json, lti_emit *emit) {
  lti_responses *d = decoder;
  lti_responses_note n;
  if (d->base.ended) return LTI_OK;
  if (!read_note(json, lti_slice(NULL, 0), &n)) return LEAT_EDECODE;
  int rc = step(d, &n, json, emit);
  return rc == LTI_STOPPED ? LTI_OK : rc;
}

int lti_openai_responses_flush(void *decoder, lti_emit *emit) {
  lti_responses *d = decoder;
  int rc = lti_openai_flush(&d->base, emit);
  if (rc != LTI_OK || !d->transcript.high) return rc;
  leat_event event = {.kind = LEAT_EVENT_AUDIO, .media = {.transcript = {"\xef\xbf\xbd", 3}}};
  d->transcript.high = 0;
  return emit->event(emit, &event);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_member(lti_json *r, enum shape shape, void *to) {
  int64_t *index = to;
  switch (shape) {
    case STRING: *(lti_json_text *)to = lti_openai_string(r); return;
    case JSON: *(leat_slice *)to = lti_openai_raw(r); return;
    case INDEX: break;
  }
  *index = -1;
  if (!lti_openai_index(r, index) || *index < -1 || *index > UINT32_MAX) *index = -2;
}

/* A later duplicate replaces. False: no JSON. What is no object has no members. */
static bool read_note(leat_slice data, leat_slice type, lti_responses_note *n) {
  lti_json r;
  lti_json_text key;
  memset(n, 0, sizeof *n);
  n->output_index = n->content_index = n->summary_index = -1;
  lti_json_init(&r, data);
  if (lti_json_enter_object(&r)) {
    while (lti_json_next_key(&r, &key)) {
      size_t i = 0;
      while (i < sizeof members / sizeof *members && !lti_json_key_is(key, members[i].name)) i++;
      if (i == sizeof members / sizeof *members) {
        lti_json_skip(&r);
      } else {
        read_member(&r, members[i].shape, (char *)n + members[i].offset);
      }
    }
  }
  if (n->type.raw.size == 0 && !lti_slice_is(type, "message")) n->type.raw = type;
  return lti_json_at_end(&r);
}

static enum kind kind_of(lti_json_text type) {
  for (size_t i = 0; type.raw.size && i < sizeof types / sizeof *types; i++) {
    if (lti_json_key_is(type, types[i].name)) return types[i].kind;
  }
  return OTHER;
}

/* The id of the response that a record belongs to, where it says so. */
static uint64_t owner_of(const lti_responses *d, const lti_responses_note *n) {
  leat_slice id = n->response_id.raw, quoted;
  if (id.size == 0 && n->response.size && (d->before || d->strict) &&
      lti_json_find(n->response, "/id", &quoted) && quoted.size > 2 && *quoted.data == '"') {
    id = lti_slice(quoted.data + 1, quoted.size - 2);
  }
  return id.size ? lti_openai_hash(id) : 0;
}

/* What is left of the turn before, or, on a socket that many may speak on, of somebody else's. */
static bool is_foreign(lti_responses *d, const lti_responses_note *n) {
  if (!d->led) return false;
  uint64_t owner = owner_of(d, n);
  if (!owner) return false;
  if (owner == d->before) return true;
  if (!d->own) d->own = owner;
  return d->strict && owner != d->own;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* An array with something in it: a peer may write a number there, or nothing but blanks. */
static bool is_filled(leat_slice json) {
  if (json.size < 3 || *json.data != '[') return false;
  return lti_slice_trim(lti_slice(json.data + 1, json.size - 2)).size > 0;
}

static int tell_text(lti_responses_step *s, enum lti_openai_channel channel, bool done) {
  const lti_responses_note *n = s->note;
  lti_responses_item *item;
  bool summary = n->summary_index != -1 && channel == LTI_OPENAI_REASONING;
  lti_json_text text = !done ? n->delta : channel == LTI_OPENAI_REFUSAL ? n->refusal : n->text;
  if (text.raw.size == 0) return LTI_OK;
  int rc = lti_openai_item_find(s, n->output_index, n->item_id, &item);
  if (rc != LTI_OK) return rc;
  uint64_t *bits = summary ? &item->summaries : &item->parts;
  bool seen = lti_openai_item_seen(bits, summary ? n->summary_index : n->content_index);
  if (done && seen) return LTI_OK;
  if (is_filled(n->logprobs)) s->out.logprobs = n->logprobs;
  return lti_openai_piece_text(&s->out, channel, text);
}

static int tell_call(lti_responses_step *s, bool done) {
  const lti_responses_note *n = s->note;
  lti_responses_item *item;
  lti_openai_call c = {.id = n->call_id, .name = n->name, .arguments = n->delta};
  int rc = lti_openai_item_find(s, n->output_index, n->item_id, &item);
  if (rc != LTI_OK) return rc;
  if (done)
    c.arguments = item->argued            ? (lti_json_text){.ascii = true}
                  : n->arguments.raw.size ? n->arguments
                                          : n->input;
  return lti_openai_item_call(s, item, &c);
}

static int tell_transcript(lti_responses_step *s, bool done) {
  const lti_responses_note *n = s->note;
  lti_responses_item *item;
  lti_json_text text = done ? n->transcript : n->delta;
  if (done && text.raw.size == 0) text = n->text;
  if (text.raw.size == 0) return LTI_OK;
  int rc = lti_openai_item_find(s, n->output_index, n->item_id, &item);
  if (rc != LTI_OK) return rc;
  bool seen = lti_openai_item_seen(&item->parts, n->content_index);
  return done && seen ? LTI_OK : lti_openai_item_transcript(s, text, n->item_id);
}

static int tell_audio(lti_responses_step *s) {
  lti_openai_media m = {.kind = LEAT_EVENT_AUDIO, .data = s->note->delta, .id = s->note->item_id};
  return s->note->delta.raw.size ? lti_openai_media_emit(&s->out, &m) : LTI_OK;
}

/* A record without a type: an error object as any gateway writes it, or a whole response. */
static int tell_untyped(lti_responses_step *s, leat_slice data) {
  const lti_responses_note *n = s->note;
  bool found = false, marked = lti_json_key_is(n->object, "error");
  if (lti_json_key_is(n->object, "response")) {
    return lti_openai_item_conclude(s, data, LTI_RESPONSES_BY_STATUS);
  }
  if (n->error.size == 0 && !marked && *data.data != '[') return LTI_OK;
  int rc = lti_openai_error(s->out.d, data, false, &found);
  return rc == LTI_OK && found ? lti_openai_item_fail(s, data, NULL) : rc;
}

static int tell(lti_responses_step *s, leat_slice data) {
  const lti_responses_note *n = s->note;
  switch (kind_of(n->type)) {
    case OTHER: return n->type.raw.size ? LTI_OK : tell_untyped(s, data);
    case TEXT_DELTA: return tell_text(s, LTI_OPENAI_TEXT, false);
    case REASONING_DELTA:
    case SUMMARY_DELTA: return tell_text(s, LTI_OPENAI_REASONING, false);
    case REFUSAL_DELTA: return tell_text(s, LTI_OPENAI_REFUSAL, false);
    case CALL_DELTA: return tell_call(s, false);
    case AUDIO_DELTA: return tell_audio(s);
    case TRANSCRIPT_DELTA: return tell_transcript(s, false);
    case TEXT_DONE: return tell_text(s, LTI_OPENAI_TEXT, true);
    case REASONING_DONE:
    case SUMMARY_DONE: return tell_text(s, LTI_OPENAI_REASONING, true);
    case REFUSAL_DONE: return tell_text(s, LTI_OPENAI_REFUSAL, true);
    case CALL_DONE: return tell_call(s, true);
    case TRANSCRIPT_DONE: return tell_transcript(s, true);
    case IMAGE: return lti_openai_item_image(s, n->image, n->item_id, n->format);
    case ITEM_ADDED: return lti_openai_item_read(s, n->item, n->output_index, false);
    case ITEM_DONE: return lti_openai_item_read(s, n->item, n->output_index, true);
    case BEGUN: return lti_openai_item_about(s, n->response);
    case COMPLETED: return lti_openai_item_conclude(s, n->response, LTI_RESPONSES_COMPLETED);
    case INCOMPLETE: return lti_openai_item_conclude(s, n->response, LTI_RESPONSES_INCOMPLETE);
    case FAILED: return lti_openai_item_conclude(s, n->response, LTI_RESPONSES_FAILED);
    case CANCELLED: return lti_openai_item_conclude(s, n->response, LTI_RESPONSES_CANCELLED);
    case DONE: return lti_openai_item_conclude(s, n->response, LTI_RESPONSES_BY_STATUS);
    case ERROR: return lti_openai_item_fail(s, data, "the provider sent an error without words");
  }
  return LTI_OK;
}

/* ---- over HTTP ------------------------------------------------------------------------------- */

static int encode(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  return lti_openai_responses_write(chat, false, out, encoded);
}

/* The whole of an answer: a response, or an error in whatever shape a gateway has for it. */
static int body(void *decoder, leat_slice json, lti_emit *emit) {
  lti_responses *d = decoder;
  bool found = false, before = d->base.ended;
  int rc = lti_openai_responses_body(d, json, emit);
  if (before || (rc != LTI_OK && rc != LEAT_EDECODE) || d->base.ended) return rc;
  int noted = lti_openai_error(&d->base, json, false, &found);
  return noted != LTI_OK ? noted : found ? LTI_OK : rc;
}

static void verdict(void *decoder, lti_verdict *v) {
  static const char *const ends[] = {
      [LTI_RESPONSES_COMPLETED + 1] = "response.completed",
      [LTI_RESPONSES_INCOMPLETE + 1] = "response.incomplete",
      [LTI_RESPONSES_FAILED + 1] = "response.failed",
      [LTI_RESPONSES_CANCELLED + 1] = "response.cancelled",
      [LTI_RESPONSES_BY_STATUS + 1] = NULL,
  };
  const lti_responses *d = decoder;
  lti_openai_verdict(decoder, v);
  v->ended = ends[d->end];
}

const lti_protocol lti_openai_responses = {
    .name = "openai-responses",
    .path = "/responses",
    .end_marker = "done",
    .encode = encode,
    .inspect = lti_openai_inspect,
    .decoder_size = sizeof(lti_responses),
    .decoder_init = lti_openai_responses_init,
    .decoder_deinit = lti_openai_responses_deinit,
    .record = lti_openai_responses_record,
    .stray = lti_openai_stray,
    .body = body,
    .flush = lti_openai_responses_flush,
    .verdict = verdict,
    .response = lti_openai_response,
};
