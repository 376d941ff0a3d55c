/* The decoder of OpenAI's completions: records in, events out.
 *
 * A record is read once, without a tree and in the usual case without a copy: the members of one
 * choice are noted as views, then emitted (openai_piece.c). Text with escapes is decoded into one
 * scratch buffer that all events of the stream share. Wrong types are ignored, unknown members are
 * passed over, a later duplicate replaces an earlier one; what is no JSON is LEAT_EDECODE.
 *
 * An error object ends the stream wherever it stands in a record, and so does "[DONE]". Shapes:
 * {"error":{..}}, {"error":".."}, beside choices, {"object":"error","message":..}, and flat ones
 * with a code. Outside the framing it is only remembered, for streams that end without evidence of
 * a whole answer. That evidence is: at least one choice, and each has a finish_reason. */
#include <string.h>

#include "openai.h"

#define SCRATCH_KEPT 4096 /* bytes of scratch kept from record to record */
#define META_STEP    16   /* the system rounds up to as much, behind the 8 bytes that it adds */

/* What a record says beside its choices. */
typedef struct record_notes {
  leat_slice error, usage, groq;
  lti_openai_note note;
  bool choices, message, marked; /* marked: something calls the whole record an error */
} record_notes;

static int read_record(lti_openai *d, leat_slice data, bool marked, lti_emit *emit);
static int read_members(lti_openai *d, lti_json *r, record_notes *notes, lti_emit *emit);
static int emit_usage(leat_slice usage, leat_slice groq, lti_emit *emit);

void lti_openai_init(void *decoder, lti_alloc *alloc, lti_buf *scratch) {
  lti_openai *d = decoder;
  memset(d, 0, sizeof *d);
  d->alloc = alloc;
  d->scratch = scratch;
}

void lti_openai_deinit(void *decoder) {
  lti_openai *d = decoder;
  lti_alloc_put(d->alloc, d->meta);
  d->meta = NULL;
  d->meta_room = 0;
  if (!d->rare) return;
  lti_buf_deinit(&d->rare->names);
  lti_buf_deinit(&d->rare->error_text);
  lti_alloc_put(d->alloc, d->rare->choices);
  lti_alloc_put(d->alloc, d->rare->tools);
  lti_alloc_put(d->alloc, d->rare);
  d->rare = NULL;
}

int lti_openai_record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit) {
  lti_openai *d = decoder;
  if (d->ended) return LTI_STOPPED;
  leat_slice text = data;
  while (text.size && (*text.data == ' ' || *text.data == '\n')) text = lti_slice_from(text, 1);
  if (text.size == 0) return LTI_OK;
  if (*text.data == '[' && lti_slice_starts(text, "[DONE]")) {
    d->ended = true;
    int rc = lti_openai_flush(d, emit);
    return rc == LTI_OK ? LTI_STOPPED : rc;
  }
  bool marked = lti_slice_is(type, "error");
  int rc;
  if (!marked && lti_openai_memo_read(d, text, emit, &rc)) return rc;
  rc = read_record(d, text, marked, emit);
  lti_openai_settle(d);
  return rc;
}

void lti_openai_settle(lti_openai *d) {
  if (d->scratch->capacity <= SCRATCH_KEPT) return;
  lti_buf_clear(d->scratch);
  lti_buf_shrink(d->scratch, SCRATCH_KEPT);
}

/* "error: {...}" of llama.cpp, or the bare JSON that new-api writes behind its pings. */
int lti_openai_stray(void *decoder, leat_slice text, lti_emit *emit) {
  lti_openai *d = decoder;
  bool found = false;
  (void)emit;
  if (d->ended || (d->rare && d->rare->error.set)) return LTI_OK;
  bool named = lti_slice_starts(text, "error:");
  if (named) text = lti_slice_from(text, 6);
  int rc = lti_openai_error(d, lti_slice_trim(text), named, &found);
  if (found) d->rare->stray = true;
  return rc;
}

int lti_openai_body(void *decoder, leat_slice json, lti_emit *emit) {
  lti_openai *d = decoder;
  bool found = false;
  if (d->ended) return LTI_OK;
  d->ended = true;
  int rc = LEAT_EDECODE;
  if (lti_json_valid(json, NULL, NULL)) rc = read_record(d, json, true, emit);
  if (rc == LEAT_EDECODE) {
    int noted = lti_openai_error(d, json, false, &found);
    if (noted != LTI_OK) rc = noted;
    if (found) rc = LTI_OK;
  }
  if (rc == LTI_STOPPED) rc = LTI_OK;
  return rc == LTI_OK ? lti_openai_flush(d, emit) : rc;
}

int lti_openai_flush(void *decoder, lti_emit *emit) {
  lti_openai *d = decoder;
  int rc = d->choice_count ? lti_openai_piece_flush(d, &d->first, emit) : LTI_OK;
  for (uint32_t i = 0; rc == LTI_OK && d->rare && i < d->rare->choice_count; i++) {
    rc = lti_openai_piece_flush(d, &d->rare->choices[i], emit);
  }
  return rc;
}

void lti_openai_verdict(void *decoder, lti_verdict *verdict) {
  const lti_openai *d = decoder;
  bool whole = d->choice_count && d->unfinished == 0;
  bool failed = d->rare && d->rare->error.set && !(whole && d->rare->stray);
  memset(verdict, 0, sizeof *verdict);
  if (failed) verdict->provider = d->rare->error;
  verdict->error = failed ? LEAT_EAPI : whole ? LEAT_OK : LEAT_EINCOMPLETE;
}

const leat_response *lti_openai_response(const void *decoder) {
  const lti_openai *d = decoder;
  return &d->response;
}

/* ---- records --------------------------------------------------------------------------------- */

/* `marked`: the SSE event was called "error", or this is a whole body, so that a flat object with a
 * message, or plain text, is an error without saying so itself. */
static int read_record(lti_openai *d, leat_slice data, bool marked, lti_emit *emit) {
  lti_json r;
  record_notes notes = {.marked = marked};
  bool found = false;
  int rc = LTI_OK;
  lti_json_init(&r, data);
  lti_openai_memo_begin(d, &notes.note);
  enum lti_json_type type = lti_json_peek(&r);
  if (type == LTI_JSON_OBJECT) {
    rc = read_members(d, &r, &notes, emit);
  } else {
    lti_json_skip(&r);
  }
  d->had_choices = notes.choices;
  if (rc != LTI_OK) return rc;
  bool good = lti_json_at_end(&r);
  if (!good && !marked) return LEAT_EDECODE;
  if (good) rc = emit_usage(notes.usage, notes.groq, emit);
  bool flat = !notes.choices && (type == LTI_JSON_ARRAY || (notes.message && notes.marked) ||
                                 (type == LTI_JSON_STRING && notes.marked));
  if (rc == LTI_OK && (!good || notes.error.size || flat)) {
    rc = lti_openai_error(d, data, marked, &found);
  }
  if (rc == LTI_OK && !good && !found) rc = LEAT_EDECODE;
  bool alone = good && !marked && notes.error.size + notes.usage.size + notes.groq.size == 0;
  if (rc == LTI_OK && alone) lti_openai_memo_keep(d, data, &notes.note);
  if (rc != LTI_OK || !found) return rc;
  d->ended = true;
  rc = lti_openai_flush(d, emit);
  return rc == LTI_OK ? LTI_STOPPED : rc;
}

static int read_choices(lti_openai *d, lti_json *r, record_notes *notes, lti_emit *emit) {
  int rc = LTI_OK;
  if (!lti_json_enter_array(r)) return LTI_OK;
  while (lti_json_next_value(r)) {
    lti_openai_piece piece;
    notes->choices = true;
    if (lti_json_peek(r) != LTI_JSON_OBJECT) {
      lti_json_skip(r);
      continue;
    }
    lti_openai_piece_read(r, &piece);
    if (lti_json_failed(r)) return LEAT_EDECODE;
    if (piece.usage.size) notes->usage = piece.usage;
    rc = lti_openai_piece_emit(d, &piece, emit);
    if (rc != LTI_OK) return rc;
    lti_openai_memo_note(&notes->note, &piece);
  }
  return LTI_OK;
}

/* false, 0, "", {} and [] say that there is no error. */
static bool is_said(leat_slice json) {
  if (lti_slice_is(json, "false") || lti_slice_is(json, "0")) return false;
  for (size_t i = 1; i + 1 < json.size; i++) {
    if (!strchr(" \t\r\n", json.data[i])) return true;
  }
  return json.size == 1;
}

static leat_slice read_groq(lti_json *r) {
  leat_slice usage = {NULL, 0};
  enum lti_openai_key key;
  if (!lti_json_enter_object(r)) return usage;
  while (lti_openai_key(r, &key)) {
    if (key == LTI_KEY_USAGE) {
      usage = lti_openai_raw(r);
    } else {
      lti_json_skip(r);
    }
  }
  return usage;
}

/* Members that may call a record without choices an error. */
static void read_mark(lti_json *r, enum lti_openai_key key, record_notes *notes) {
  enum lti_json_type type = lti_json_peek(r);
  leat_slice value = lti_openai_raw(r);
  switch (key) {
    case LTI_KEY_OBJECT:
    case LTI_KEY_TYPE: notes->marked |= lti_slice_is(value, "\"error\""); break;
    case LTI_KEY_CODE: notes->marked |= type == LTI_JSON_STRING || type == LTI_JSON_NUMBER; break;
    case LTI_KEY_SUCCESS: notes->marked |= type == LTI_JSON_FALSE; break;
    default: notes->message |= type == LTI_JSON_STRING || key == LTI_KEY_DETAIL; break;
  }
}

static int read_members(lti_openai *d, lti_json *r, record_notes *notes, lti_emit *emit) {
  enum lti_openai_key key;
  int64_t created;
  int rc = LTI_OK;
  lti_json_enter_object(r);
  while (rc == LTI_OK && lti_openai_key(r, &key)) {
    leat_response *about = &d->response;
    switch (key) {
      case LTI_KEY_ID: rc = lti_openai_meta(d, &about->id, lti_openai_string(r)); break;
      case LTI_KEY_MODEL: rc = lti_openai_meta(d, &about->model, lti_openai_string(r)); break;
      case LTI_KEY_SYSTEM_FINGERPRINT:
        rc = lti_openai_meta(d, &about->system_fingerprint, lti_openai_string(r));
        break;
      case LTI_KEY_SERVICE_TIER:
        rc = lti_openai_meta(d, &about->service_tier, lti_openai_string(r));
        break;
      case LTI_KEY_CREATED:
        if (about->created) {
          lti_json_skip(r);
        } else if (lti_json_int(r, &created) && created > 0) {
          about->created = created;
          d->news = true;
        }
        break;
      case LTI_KEY_CHOICES: rc = read_choices(d, r, notes, emit); break;
      case LTI_KEY_USAGE: notes->usage = lti_openai_raw(r); break;
      case LTI_KEY_X_GROQ: notes->groq = read_groq(r); break;
      case LTI_KEY_ERROR:
        notes->error = lti_openai_raw(r);
        if (!is_said(notes->error)) notes->error.size = 0;
        break;
      case LTI_KEY_OBJECT:
      case LTI_KEY_TYPE:
      case LTI_KEY_CODE:
      case LTI_KEY_SUCCESS:
      case LTI_KEY_MESSAGE:
      case LTI_KEY_DETAIL:
      case LTI_KEY_MSG:
      case LTI_KEY_DESCRIPTION: read_mark(r, key, notes); break;
      default: lti_json_skip(r); break;
    }
  }
  return rc;
}

static int emit_usage(leat_slice usage, leat_slice groq, lti_emit *emit) {
  if (usage.size + groq.size == 0) return LTI_OK;
  leat_event event = {.kind = LEAT_EVENT_USAGE};
  if (!lti_openai_usage(usage, &event.usage) && !lti_openai_usage(groq, &event.usage)) {
    return LTI_OK;
  }
  return emit->event(emit, &event);
}

/* ---- errors ---------------------------------------------------------------------------------- */

lti_openai_rare *lti_openai_rarely(lti_openai *d) {
  if (d->rare) return d->rare;
  lti_openai_rare *rare = lti_alloc_zero(d->alloc, sizeof *rare);
  if (!rare) return NULL;
  lti_buf_init(&rare->names, d->alloc, LTI_OPENAI_TEXT_MAX, LEAT_EEVENTMAX);
  lti_buf_init(&rare->error_text, d->alloc, LTI_OPENAI_TEXT_MAX, LEAT_EEVENTMAX);
  return d->rare = rare;
}

/* Text that is no JSON object, or one JSON string, as the message. */
static int note_plain(lti_openai *d, leat_slice plain, lti_provider_error *error) {
  enum { PLAIN_MAX = 1024 };
  lti_buf *kept = &d->rare->error_text;
  lti_json r;
  lti_json_text text;
  leat_slice message;
  lti_json_init(&r, plain);
  if (lti_json_peek(&r) != LTI_JSON_STRING || !lti_json_string(&r, &text)) {
    text = (lti_json_text){.raw = plain};
  }
  if (text.raw.size > PLAIN_MAX) text.raw.size = PLAIN_MAX;
  int rc = lti_json_decode(text, NULL, d->scratch, &message);
  lti_buf_clear(kept);
  if (rc == LTI_OK) rc = lti_buf_append(kept, message);
  error->message = lti_buf_slice(kept);
  error->set = true;
  return rc;
}

int lti_openai_error(lti_openai *d, leat_slice json, bool plain, bool *found) {
  lti_openai_rare *rare = lti_openai_rarely(d);
  lti_provider_error error;
  int rc = LTI_OK;
  if (!rare) return LEAT_ENOMEM;
  *found = lti_protocol_error(json, &error, &rare->error_text);
  if (!*found && plain && json.size && *json.data != '{' && *json.data != '[') {
    rc = note_plain(d, json, &error);
    *found = true;
  }
  if (*found) {
    rare->error = error;
    rare->stray = false;
  }
  return rc;
}

/* ---- what all records repeat ----------------------------------------------------------------- */

/* Five texts, and for a moment a sixth, of at most LTI_OPENAI_META_MAX bytes fit in 16 bits. */
static bool meta_reserve(lti_openai *d, size_t size) {
  if (size <= d->meta_room) return true;
  size_t room = (size + 8 + META_STEP - 1) / META_STEP * META_STEP - 8;
  char *grown = lti_alloc_grow(d->alloc, d->meta, d->meta_room, room);
  if (!grown) return false;
  d->meta = grown;
  d->meta_room = (uint16_t)room;
  return true;
}

/* Puts `value` in the place of a text that has another size: the old one is taken out, the new one
 * goes to the end, and every slice is set anew. */
static int meta_move(lti_openai *d, leat_slice *field, leat_slice value) {
  leat_response *about = &d->response;
  leat_slice *all[] = {&about->id, &about->model, &about->system_fingerprint, &about->service_tier,
                       &about->role};
  size_t at[5], gone = 0, gap = field->size;
  for (size_t i = 0; i < 5; i++) {
    at[i] = all[i]->size ? (size_t)(all[i]->data - d->meta) : 0;
    if (all[i] == field) gone = at[i];
  }
  if (!meta_reserve(d, d->meta_size + value.size)) return LEAT_ENOMEM;
  if (gap) {
    memmove(d->meta + gone, d->meta + gone + gap, d->meta_size - gone - gap);
    d->meta_size = (uint16_t)(d->meta_size - gap);
  }
  for (size_t i = 0; i < 5; i++) {
    if (all[i]->size) all[i]->data = d->meta + at[i] - (gap && at[i] > gone ? gap : 0);
  }
  *field = lti_slice(d->meta + d->meta_size, value.size);
  memcpy(d->meta + d->meta_size, value.data, value.size);
  d->meta_size = (uint16_t)(d->meta_size + value.size);
  return LTI_OK;
}

/* An empty text never replaces one, and what is too long is cut at a character's border. */
int lti_openai_meta(lti_openai *d, leat_slice *field, lti_json_text text) {
  leat_slice value = text.raw;
  if (value.size == 0 || (!text.escaped && lti_slice_equal(value, *field))) return LTI_OK;
  int rc = lti_json_decode(text, NULL, d->scratch, &value);
  if (rc != LTI_OK) return rc;
  if (value.size > LTI_OPENAI_META_MAX) {
    value.size = LTI_OPENAI_META_MAX;
    while (value.size && ((unsigned char)value.data[value.size] & 0xc0) == 0x80) value.size--;
  }
  if (lti_slice_equal(value, *field)) return LTI_OK;
  d->news = true;
  if (value.size != field->size) return meta_move(d, field, value);
  memcpy(d->meta + (field->data - d->meta), value.data, value.size);
  return LTI_OK;
}
