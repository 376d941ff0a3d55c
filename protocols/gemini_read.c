/* The decoder of generateContent: records in, events out.
 *
 * A record is one GenerateContentResponse: candidates, each with parts, a reason to finish and its
 * index, and beside them counts that hold for the answer so far. It is read once to find its
 * members as views; what is no JSON is LEAT_EDECODE, wrong types are ignored, unknown members are
 * passed over, and a later duplicate replaces an earlier one.
 *
 * The answer is whole when every candidate seen has a finishReason, whatever it says, and no error
 * came. An error object ends it: inside a record, as an element of an array, or in an array of its
 * own; outside the framing it is remembered (lti_openai_stray). A prompt that was blocked has a
 * reason and no candidate at all, which is an error that nobody calls one. */
#include <string.h>

#include "gemini.h"

#define BLOCK_BYTES_MAX 4096
#define REASON_MAX      256

/* What a record says beside its candidates. */
typedef struct record_notes {
  leat_slice usage, feedback;
  bool error, code, message, candidates;
} record_notes;

/* One element of `candidates`. */
typedef struct candidate {
  int64_t index;
  bool bad_index;
  leat_slice content, logprobs; /* JSON */
  lti_json_text finish, detail;
} candidate;

static int read_record(lti_gemini *g, leat_slice data, lti_emit *emit);
static int read_members(lti_gemini *g, lti_json *r, record_notes *notes, lti_emit *emit);
static int read_candidates(lti_gemini *g, lti_json *r, record_notes *notes, lti_emit *emit);
static int emit_candidate(lti_openai *d, const candidate *c, lti_emit *emit);
static int keep_block(lti_gemini *g, leat_slice feedback);

void lti_gemini_init(void *decoder, lti_alloc *alloc, lti_buf *scratch) {
  lti_gemini *g = decoder;
  lti_openai_init(&g->base, alloc, scratch);
  g->block = NULL;
}

void lti_gemini_deinit(void *decoder) {
  lti_gemini *g = decoder;
  if (g->block) {
    lti_buf_deinit(&g->block->text);
    lti_alloc_put(g->base.alloc, g->block);
    g->block = NULL;
  }
  lti_openai_deinit(&g->base);
}

int lti_gemini_record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit) {
  lti_gemini *g = decoder;
  lti_openai *d = &g->base;
  (void)type;
  if (d->ended) return LTI_STOPPED;
  while (data.size && (*data.data == ' ' || *data.data == '\n')) data = lti_slice_from(data, 1);
  if (data.size == 0) return LTI_OK;
  int rc = LTI_STOPPED;
  if (!lti_slice_starts(data, "[DONE]")) rc = read_record(g, data, emit);
  lti_openai_settle(d);
  if (rc != LTI_STOPPED) return rc;
  d->ended = true;
  rc = lti_openai_flush(d, emit);
  return rc == LTI_OK ? LTI_STOPPED : rc;
}

void lti_gemini_verdict(void *decoder, lti_verdict *verdict) {
  const lti_gemini *g = decoder;
  lti_openai_verdict(decoder, verdict);
  if (verdict->error != LEAT_EINCOMPLETE || !g->block || g->base.choice_count) return;
  leat_slice text = lti_buf_slice(&g->block->text);
  verdict->error = LEAT_EAPI;
  verdict->derived = true;
  verdict->provider.set = true;
  verdict->provider.type = lti_slice_of("prompt_blocked");
  verdict->provider.code = lti_slice(text.data, g->block->reason_size);
  text = lti_slice_from(text, g->block->reason_size);
  if (text.size) verdict->provider.message = text;
}

/* ---- records --------------------------------------------------------------------------------- */

/* LTI_STOPPED: it was an error. */
static int read_record(lti_gemini *g, leat_slice data, lti_emit *emit) {
  lti_json r;
  record_notes notes;
  leat_event event = {.kind = LEAT_EVENT_USAGE};
  bool found = false;
  memset(&notes, 0, sizeof notes);
  lti_json_init(&r, data);
  enum lti_json_type type = lti_json_peek(&r);
  int rc = LTI_OK;
  if (type == LTI_JSON_OBJECT) {
    rc = read_members(g, &r, &notes, emit);
  } else {
    lti_json_skip(&r);
  }
  if (rc != LTI_OK) return rc;
  if (!lti_json_at_end(&r)) return LEAT_EDECODE;
  if (lti_gemini_usage(notes.usage, &event.usage)) rc = emit->event(emit, &event);
  if (rc == LTI_OK && notes.feedback.size) rc = keep_block(g, notes.feedback);
  bool flat = !notes.candidates && notes.code && notes.message;
  if (rc == LTI_OK && (notes.error || flat || type == LTI_JSON_ARRAY)) {
    rc = lti_openai_error(&g->base, data, false, &found);
  }
  return rc == LTI_OK && found ? LTI_STOPPED : rc;
}

static int read_members(lti_gemini *g, lti_json *r, record_notes *notes, lti_emit *emit) {
  leat_response *about = &g->base.response;
  lti_json_text key;
  int rc = LTI_OK;
  lti_json_enter_object(r);
  while (rc == LTI_OK && lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "candidates")) {
      rc = read_candidates(g, r, notes, emit);
    } else if (lti_json_key_is(key, "usageMetadata")) {
      notes->usage = lti_openai_raw(r);
    } else if (lti_json_key_is(key, "modelVersion")) {
      rc = lti_openai_meta(&g->base, &about->model, lti_openai_string(r));
    } else if (lti_json_key_is(key, "responseId")) {
      rc = lti_openai_meta(&g->base, &about->id, lti_openai_string(r));
    } else if (lti_json_key_is(key, "promptFeedback")) {
      notes->feedback = lti_openai_raw(r);
    } else if (lti_json_key_is(key, "error")) {
      notes->error = lti_openai_raw(r).size > 0;
    } else if (lti_json_key_is(key, "code")) {
      notes->code = lti_openai_raw(r).size > 0;
    } else if (lti_json_key_is(key, "message")) {
      notes->message = lti_openai_string(r).raw.size > 0;
    } else {
      lti_json_skip(r);
    }
  }
  return rc;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static void read_candidate(lti_json *r, candidate *c) {
  lti_json_text key;
  memset(c, 0, sizeof *c);
  lti_json_enter_object(r);
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "content")) {
      c->content = lti_openai_raw(r);
    } else if (lti_json_key_is(key, "index")) {
      c->bad_index = !lti_openai_index(r, &c->index);
    } else if (lti_json_key_is(key, "finishReason")) {
      c->finish = lti_openai_string(r);
    } else if (lti_json_key_is(key, "finishMessage")) {
      c->detail = lti_openai_string(r);
    } else if (lti_json_key_is(key, "logprobsResult")) {
      c->logprobs = lti_openai_raw(r);
    } else {
      lti_json_skip(r);
    }
  }
}

static int read_candidates(lti_gemini *g, lti_json *r, record_notes *notes, lti_emit *emit) {
  int rc = LTI_OK;
  if (!lti_json_enter_array(r)) return LTI_OK;
  while (rc == LTI_OK && lti_json_next_value(r)) {
    candidate c;
    if (lti_json_peek(r) != LTI_JSON_OBJECT) {
      lti_json_skip(r);
      continue;
    }
    notes->candidates = true;
    read_candidate(r, &c);
    if (lti_json_failed(r)) return LEAT_EDECODE;
    rc = emit_candidate(&g->base, &c, emit);
  }
  return rc;
}

static int emit_parts(lti_openai_out *o, lti_json *r) {
  leat_slice part;
  int rc = LTI_OK;
  if (!lti_json_enter_array(r)) return LTI_OK;
  while (rc == LTI_OK && lti_json_next_value(r)) {
    if (lti_json_raw(r, &part)) rc = lti_gemini_part(o, part);
  }
  return rc;
}

static int emit_content(lti_openai_out *o, leat_slice content) {
  lti_json r;
  lti_json_text key;
  int rc = LTI_OK;
  lti_json_init(&r, content);
  if (!lti_json_enter_object(&r)) return LTI_OK;
  while (rc == LTI_OK && lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "role")) {
      rc = lti_openai_meta(o->d, &o->d->response.role, lti_openai_string(&r));
    } else if (lti_json_key_is(key, "parts")) {
      rc = emit_parts(o, &r);
    }
  }
  return rc;
}

/* Proto's default value says nothing, even where it is spelled out. */
static bool is_finish(lti_json_text reason) {
  return reason.raw.size && !lti_slice_is(reason.raw, "FINISH_REASON_UNSPECIFIED");
}

static int emit_candidate(lti_openai *d, const candidate *c, lti_emit *emit) {
  lti_openai_out o = {.d = d, .emit = emit, .logprobs = c->logprobs, .detail = c->detail};
  bool opened = false;
  if (c->bad_index || c->index < 0 || c->index > UINT32_MAX) return LEAT_EDECODE;
  int rc = lti_openai_piece_choice(d, (uint32_t)c->index, &o.choice, &opened);
  if (rc == LTI_OK && c->content.size) rc = emit_content(&o, c->content);
  if (rc == LTI_OK && (o.logprobs.size || (opened && !o.sent && !is_finish(c->finish)))) {
    leat_event event = {.kind = LEAT_EVENT_TEXT, .logprobs = o.logprobs};
    rc = lti_openai_out_event(&o, &event);
  }
  return rc == LTI_OK && is_finish(c->finish) ? lti_openai_piece_finish(&o, c->finish) : rc;
}

/* ---- blocked prompts ------------------------------------------------------------------------- */

static int keep_text(lti_gemini *g, lti_json_text text, size_t max) {
  leat_slice value;
  int rc = lti_json_decode(text, NULL, g->base.scratch, &value);
  if (rc != LTI_OK) return rc;
  if (value.size > max) {
    value.size = max;
    while (value.size && ((unsigned char)value.data[value.size] & 0xc0) == 0x80) value.size--;
  }
  return lti_buf_append(&g->block->text, value);
}

static bool make_block(lti_gemini *g) {
  if (!g->block) {
    g->block = lti_alloc_zero(g->base.alloc, sizeof *g->block);
    if (!g->block) return false;
    lti_buf_init(&g->block->text, g->base.alloc, BLOCK_BYTES_MAX, LEAT_EEVENTMAX);
  }
  lti_buf_clear(&g->block->text);
  return true;
}

/* {"blockReason":"SAFETY","blockReasonMessage":"..."}; there is feedback without a reason too. */
static int keep_block(lti_gemini *g, leat_slice feedback) {
  lti_json r;
  lti_json_text key, reason = {{NULL, 0}, false, true}, message = reason;
  lti_json_init(&r, feedback);
  if (!lti_json_enter_object(&r)) return LTI_OK;
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "blockReason")) {
      reason = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "blockReasonMessage")) {
      message = lti_openai_string(&r);
    } else {
      lti_json_skip(&r);
    }
  }
  if (reason.raw.size == 0) return LTI_OK;
  if (!make_block(g)) return LEAT_ENOMEM;
  int rc = keep_text(g, reason, REASON_MAX);
  g->block->reason_size = g->block->text.size;
  return rc == LTI_OK ? keep_text(g, message, BLOCK_BYTES_MAX - REASON_MAX) : rc;
}
