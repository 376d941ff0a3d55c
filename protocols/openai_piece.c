/* One choice of a record: read as views, then emitted in the order reasoning, text, refusal, media,
 * tool calls, finish.
 *
 * A choice that opens without a word gives one text event of no bytes, so that a receiver knows of
 * it; later empty texts give none. A high surrogate at the end of a text is held for its choice and
 * channel; when the choice finishes, or the stream ends, it is handed out as U+FFFD. Choices are
 * found by their index, whatever its value; there may be LTI_OPENAI_CHOICES_MAX of them. */
#include <string.h>

#include "openai.h"

/* By channel. */
static const enum leat_event_kind kinds[] = {LEAT_EVENT_TEXT, LEAT_EVENT_REASONING,
                                             LEAT_EVENT_REFUSAL};

static void read_delta(lti_json *r, lti_openai_piece *piece);
static int emit_rarities(lti_openai_out *o, const lti_openai_piece *piece);

void lti_openai_piece_read(lti_json *r, lti_openai_piece *piece) {
  enum lti_openai_key key;
  memset(piece, 0, sizeof *piece);
  if (!lti_json_enter_object(r)) return;
  while (lti_openai_key(r, &key)) {
    switch (key) {
      case LTI_KEY_INDEX:
        if (!lti_openai_index(r, &piece->index)) piece->index = -1;
        break;
      case LTI_KEY_TEXT: piece->text = lti_openai_string(r); break;
      case LTI_KEY_FINISH_REASON: piece->finish = lti_openai_string(r); break;
      case LTI_KEY_LOGPROBS: piece->logprobs = lti_openai_raw(r); break;
      case LTI_KEY_USAGE: piece->usage = lti_openai_raw(r); break;
      case LTI_KEY_MESSAGE: piece->whole = true; /* fall through */
      case LTI_KEY_DELTA: read_delta(r, piece); break;
      default: lti_json_skip(r); break;
    }
  }
}

int lti_openai_piece_emit(lti_openai *d, const lti_openai_piece *piece, lti_emit *emit) {
  lti_openai_out o = {.d = d, .emit = emit, .logprobs = piece->logprobs};
  bool opened = false;
  if (piece->index < 0 || piece->index > UINT32_MAX) return LEAT_EDECODE;
  d->whole = piece->whole;
  int rc = lti_openai_piece_choice(d, (uint32_t)piece->index, &o.choice, &opened);
  if (rc == LTI_OK) rc = lti_openai_meta(d, &d->response.role, piece->role);
  if (rc != LTI_OK) return rc;
  const lti_json_text *thought = &piece->reasoning_content, *text = &piece->content;
  if (thought->raw.size == 0) thought = &piece->reasoning;
  if (text->raw.size == 0) text = &piece->text;
  if (thought->raw.size) rc = lti_openai_piece_text(&o, LTI_OPENAI_REASONING, *thought);
  if (rc == LTI_OK && text->raw.size) rc = lti_openai_piece_text(&o, LTI_OPENAI_TEXT, *text);
  if (rc == LTI_OK && piece->refusal.raw.size) {
    rc = lti_openai_piece_text(&o, LTI_OPENAI_REFUSAL, piece->refusal);
  }
  if (rc == LTI_OK) rc = emit_rarities(&o, piece);
  if (rc == LTI_OK && (o.logprobs.size || (opened && !o.sent && piece->finish.raw.size == 0))) {
    leat_event event = {.kind = LEAT_EVENT_TEXT, .logprobs = o.logprobs};
    rc = lti_openai_out_event(&o, &event);
  }
  if (rc == LTI_OK && piece->finish.raw.size) rc = lti_openai_piece_finish(&o, piece->finish);
  return rc;
}

int lti_openai_piece_flush(lti_openai *d, lti_openai_choice *choice, lti_emit *emit) {
  lti_openai_out o = {.d = d, .emit = emit, .choice = choice};
  for (size_t i = 0; i < 3; i++) {
    if (!choice->halves[i].high) continue;
    leat_event event = {.kind = kinds[i], .text = {"\xef\xbf\xbd", 3}};
    choice->halves[i].high = 0;
    int rc = lti_openai_out_event(&o, &event);
    if (rc != LTI_OK) return rc;
  }
  return lti_openai_tools_flush(&o);
}

int lti_openai_out_event(lti_openai_out *o, leat_event *event) {
  event->choice = o->choice->index;
  o->sent = true;
  return o->emit->event(o->emit, event);
}

int lti_openai_piece_text(lti_openai_out *o, enum lti_openai_channel channel, lti_json_text text) {
  leat_event event = {.kind = kinds[channel]};
  int rc = lti_json_decode(text, &o->choice->halves[channel], o->d->scratch, &event.text);
  if (rc != LTI_OK || event.text.size == 0) return rc;
  if (channel != LTI_OPENAI_REASONING) {
    event.logprobs = o->logprobs;
    o->logprobs.size = 0;
  }
  return lti_openai_out_event(o, &event);
}

bool lti_openai_index(lti_json *r, int64_t *index) {
  if (lti_json_peek(r) == LTI_JSON_NUMBER) return lti_json_int(r, index);
  lti_json_skip(r);
  return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Usually one string; some send an array of parts. */
static void read_content(lti_json *r, lti_openai_piece *piece) {
  bool parts = lti_json_peek(r) == LTI_JSON_ARRAY;
  piece->parts = lti_slice(NULL, 0);
  piece->content.raw = lti_slice(NULL, 0);
  if (parts) {
    piece->parts = lti_openai_raw(r);
  } else {
    piece->content = lti_openai_string(r);
  }
}

static void read_delta(lti_json *r, lti_openai_piece *piece) {
  enum lti_openai_key key;
  if (!lti_json_enter_object(r)) return;
  while (lti_openai_key(r, &key)) {
    switch (key) {
      case LTI_KEY_CONTENT: read_content(r, piece); break;
      case LTI_KEY_ROLE: piece->role = lti_openai_string(r); break;
      case LTI_KEY_REASONING: piece->reasoning = lti_openai_string(r); break;
      case LTI_KEY_REASONING_CONTENT: piece->reasoning_content = lti_openai_string(r); break;
      case LTI_KEY_REFUSAL: piece->refusal = lti_openai_string(r); break;
      case LTI_KEY_TOOL_CALLS: piece->tools = lti_openai_raw(r); break;
      case LTI_KEY_FUNCTION_CALL: piece->function = lti_openai_raw(r); break;
      case LTI_KEY_AUDIO: piece->audio = lti_openai_raw(r); break;
      case LTI_KEY_IMAGES: piece->images = lti_openai_raw(r); break;
      default: lti_json_skip(r); break;
    }
  }
}

/* ---- choices --------------------------------------------------------------------------------- */

static lti_openai_choice *seek_choice(lti_openai *d, uint32_t index) {
  if (d->choice_count == 0) return NULL;
  if (d->first.index == index) return &d->first;
  for (uint32_t i = 0; i + 1 < d->choice_count; i++) {
    if (d->rare->choices[i].index == index) return &d->rare->choices[i];
  }
  return NULL;
}

static int grow_choices(lti_openai *d) {
  lti_openai_rare *rare = lti_openai_rarely(d);
  if (!rare) return LEAT_ENOMEM;
  if (rare->choice_count < rare->choice_room) return LTI_OK;
  if (rare->choice_room >= LTI_OPENAI_CHOICES_MAX) return LEAT_EDECODE;
  uint32_t room = rare->choice_room ? rare->choice_room * 2 : 4;
  lti_openai_choice *fresh = lti_alloc_grow(
      d->alloc, rare->choices, rare->choice_room * sizeof *fresh, room * sizeof *fresh);
  if (!fresh) return LEAT_ENOMEM;
  rare->choices = fresh;
  rare->choice_room = room;
  return LTI_OK;
}

int lti_openai_piece_choice(lti_openai *d, uint32_t index, lti_openai_choice **choice,
                            bool *opened) {
  *choice = seek_choice(d, index);
  if (*choice) return LTI_OK;
  if (d->choice_count >= LTI_OPENAI_CHOICES_MAX) return LEAT_EDECODE;
  *choice = &d->first;
  if (d->choice_count) {
    int rc = grow_choices(d);
    if (rc != LTI_OK) return rc;
    *choice = &d->rare->choices[d->rare->choice_count++];
  }
  memset(*choice, 0, sizeof **choice);
  (*choice)->index = index;
  d->choice_count++;
  d->unfinished++;
  *opened = true;
  return LTI_OK;
}

/* ---- emitting -------------------------------------------------------------------------------- */

static int emit_rarities(lti_openai_out *o, const lti_openai_piece *piece) {
  int rc = LTI_OK;
  if (piece->parts.size) rc = lti_openai_parts_emit(o, piece->parts);
  if (rc == LTI_OK && piece->images.size) rc = lti_openai_parts_emit(o, piece->images);
  if (rc == LTI_OK && piece->audio.size) rc = lti_openai_audio_emit(o, piece->audio);
  if (rc == LTI_OK && piece->tools.size) rc = lti_openai_tools_emit(o, piece->tools);
  if (rc == LTI_OK && piece->function.size) rc = lti_openai_function_emit(o, piece->function);
  return rc;
}

/* What the finish says more, where it does not move when the reason is decoded. */
static int decode_detail(lti_openai_out *o, leat_slice *detail) {
  lti_json_text text = o->detail;
  if (text.raw.size == 0) return LTI_OK;
  int rc = lti_json_decode(text, NULL, o->d->scratch, detail);
  if (rc != LTI_OK || (text.ascii && !text.escaped)) return rc;
  lti_openai_rare *rare = lti_openai_rarely(o->d);
  if (!rare) return LEAT_ENOMEM;
  lti_buf_clear(&rare->names);
  rc = lti_buf_append(&rare->names, *detail);
  *detail = lti_buf_slice(&rare->names);
  return rc;
}

int lti_openai_piece_finish(lti_openai_out *o, lti_json_text reason) {
  leat_event event = {.kind = LEAT_EVENT_FINISH};
  int rc = lti_openai_piece_flush(o->d, o->choice, o->emit);
  if (rc == LTI_OK) rc = decode_detail(o, &event.finish_detail);
  if (rc == LTI_OK) rc = lti_json_decode(reason, NULL, o->d->scratch, &event.finish_reason);
  if (rc != LTI_OK) return rc;
  if (!o->choice->finished) o->d->unfinished--;
  o->choice->finished = true;
  return lti_openai_out_event(o, &event);
}
