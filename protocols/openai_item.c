/* The objects inside of Responses' and Realtime's events: items of output, whole responses.
 *
 * Items are found by output_index, where that is missing by their id, else the last one is meant;
 * there may be LTI_RESPONSES_ITEMS_MAX of them. A tool call is told by the id that its answer must
 * name (call_id), not by that of the item. */
#include <string.h>

#include "openai_responses.h"

#define LAST_BIT 63

/* An item as it was sent. */
typedef struct piece {
  lti_json_text type, id, role, result, format;
  lti_openai_call call;
  leat_slice content, summary; /* JSON */
} piece;

/* A response as it was sent. */
typedef struct about {
  lti_json_text id, model, tier, status;
  leat_slice self, details, incomplete, usage, output; /* JSON */
  int64_t created;
} about;

static int tell_parts(lti_responses_step *s, lti_responses_item *item, const piece *p);

/* ---- finding --------------------------------------------------------------------------------- */

static int grow_items(lti_responses *d) {
  if (d->item_count < d->item_room) return LTI_OK;
  if (d->item_room >= LTI_RESPONSES_ITEMS_MAX) return LEAT_EDECODE;
  uint32_t room = d->item_room ? d->item_room * 2 : 2;
  lti_responses_item *fresh =
      lti_alloc_grow(d->base.alloc, d->items, d->item_room * sizeof *fresh, room * sizeof *fresh);
  if (!fresh) return LEAT_ENOMEM;
  d->items = fresh;
  d->item_room = room;
  return LTI_OK;
}

static lti_responses_item *seek(lti_responses *d, int64_t index, uint64_t id_hash) {
  for (uint32_t i = 0; i < d->item_count; i++) {
    lti_responses_item *item = &d->items[i];
    if (index >= 0 ? item->output_index == index : id_hash && item->id_hash == id_hash) return item;
  }
  bool nameless = index < 0 && !id_hash;
  return nameless && d->item_count ? &d->items[d->item_count - 1] : NULL;
}

int lti_openai_item_find(lti_responses_step *s, int64_t index, lti_json_text id,
                         lti_responses_item **item) {
  lti_responses *d = s->d;
  uint64_t id_hash = id.raw.size ? lti_openai_hash(id.raw) : 0, next = 0;
  if (index < -1) return LEAT_EDECODE;
  *item = seek(d, index, id_hash);
  if (*item) {
    if (!(*item)->id_hash) (*item)->id_hash = id_hash;
    return LTI_OK;
  }
  int rc = grow_items(d);
  if (rc != LTI_OK) return rc;
  for (uint32_t i = 0; i < d->item_count; i++) {
    if (d->items[i].output_index >= next) next = (uint64_t)d->items[i].output_index + 1;
  }
  if (index < 0) index = next > UINT32_MAX ? UINT32_MAX : (int64_t)next;
  *item = &d->items[d->item_count++];
  **item = (lti_responses_item){.output_index = (uint32_t)index, .id_hash = id_hash};
  return LTI_OK;
}

bool lti_openai_item_seen(uint64_t *bits, int64_t index) {
  uint64_t bit = (uint64_t)1 << (index < 0 ? 0 : index > LAST_BIT ? LAST_BIT : index);
  bool seen = *bits & bit;
  *bits |= bit;
  return seen;
}

/* ---- events of one item ---------------------------------------------------------------------- */

int lti_openai_item_call(lti_responses_step *s, lti_responses_item *item, lti_openai_call *c) {
  if (!item->is_call) item->call = s->d->call_count++;
  item->is_call = true;
  item->argued |= c->arguments.raw.size > 0;
  c->index = item->call;
  return lti_openai_call_emit(&s->out, c);
}

int lti_openai_item_image(lti_responses_step *s, lti_json_text data, lti_json_text id,
                          lti_json_text format) {
  static const char *const known[][2] = {
      {"png", "image/png"}, {"jpeg", "image/jpeg"}, {"webp", "image/webp"}};
  lti_openai_media m = {.kind = LEAT_EVENT_IMAGE, .data = data, .id = id};
  if (data.raw.size == 0) return LTI_OK;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (lti_json_key_is(format, known[i][0])) m.mime_type = lti_slice_of(known[i][1]);
  }
  return lti_openai_media_emit(&s->out, &m);
}

int lti_openai_item_transcript(lti_responses_step *s, lti_json_text text, lti_json_text id) {
  lti_openai_media m = {
      .kind = LEAT_EVENT_AUDIO, .id = id, .transcript = text, .half = &s->d->transcript};
  return lti_openai_media_emit(&s->out, &m);
}

static lti_json_text read_arguments(lti_json *r) {
  if (lti_json_peek(r) != LTI_JSON_OBJECT) return lti_openai_string(r);
  return (lti_json_text){.raw = lti_openai_raw(r)};
}

static bool read_piece(leat_slice json, piece *p) {
  lti_json r;
  lti_json_text key;
  memset(p, 0, sizeof *p);
  lti_json_init(&r, json);
  if (json.size == 0 || !lti_json_enter_object(&r)) return false;
  while (lti_json_next_key(&r, &key)) {
    static const struct {
      const char *name;
      size_t offset;
    } texts[] = {{"type", offsetof(piece, type)},           {"id", offsetof(piece, id)},
                 {"role", offsetof(piece, role)},           {"call_id", offsetof(piece, call.id)},
                 {"name", offsetof(piece, call.name)},      {"result", offsetof(piece, result)},
                 {"output_format", offsetof(piece, format)}};
    size_t i = 0, count = sizeof texts / sizeof *texts;
    while (i < count && !lti_json_key_is(key, texts[i].name)) i++;
    if (i < count) {
      *(lti_json_text *)(void *)((char *)p + texts[i].offset) = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "arguments") || lti_json_key_is(key, "input")) {
      p->call.arguments = read_arguments(&r);
    } else if (lti_json_key_is(key, "content")) {
      p->content = lti_openai_raw(&r);
    } else if (lti_json_key_is(key, "summary")) {
      p->summary = lti_openai_raw(&r);
    } else {
      lti_json_skip(&r);
    }
  }
  return true;
}

static int tell_item(lti_responses_step *s, lti_responses_item *item, piece *p, bool done) {
  int rc = lti_openai_meta(s->out.d, &s->out.d->response.role, p->role);
  if (rc != LTI_OK) return rc;
  if (lti_json_key_is(p->type, "function_call") || lti_json_key_is(p->type, "custom_tool_call")) {
    if (!done || item->argued) p->call.arguments = (lti_json_text){.ascii = true};
    return lti_openai_item_call(s, item, &p->call);
  }
  if (!done) return LTI_OK;
  if (lti_json_key_is(p->type, "image_generation_call")) {
    if (item->drawn || p->result.raw.size == 0) return LTI_OK;
    item->drawn = true;
    return lti_openai_item_image(s, p->result, p->id, p->format);
  }
  return tell_parts(s, item, p);
}

int lti_openai_item_read(lti_responses_step *s, leat_slice json, int64_t index, bool done) {
  lti_responses_item *item;
  piece p;
  if (!read_piece(json, &p)) return LTI_OK;
  int rc = lti_openai_item_find(s, index, p.id, &item);
  return rc == LTI_OK ? tell_item(s, item, &p, done) : rc;
}

/* ---- parts of an item that is whole ---------------------------------------------------------- */

typedef struct part {
  lti_json_text type, text, refusal, transcript;
} part;

static void read_part(lti_json *r, part *p) {
  lti_json_text key;
  memset(p, 0, sizeof *p);
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "type")) {
      p->type = lti_openai_string(r);
    } else if (lti_json_key_is(key, "text")) {
      p->text = lti_openai_string(r);
    } else if (lti_json_key_is(key, "refusal")) {
      p->refusal = lti_openai_string(r);
    } else if (lti_json_key_is(key, "transcript")) {
      p->transcript = lti_openai_string(r);
    } else {
      lti_json_skip(r);
    }
  }
}

/* Parts of messages: output_text, text, refusal, audio. Of reasoning: reasoning_text,
 * summary_text. */
static int tell_part(lti_responses_step *s, const piece *whole, const part *p) {
  bool thought = lti_json_key_is(whole->type, "reasoning");
  if (p->refusal.raw.size) return lti_openai_piece_text(&s->out, LTI_OPENAI_REFUSAL, p->refusal);
  if (p->transcript.raw.size) return lti_openai_item_transcript(s, p->transcript, whole->id);
  return lti_openai_piece_text(&s->out, thought ? LTI_OPENAI_REASONING : LTI_OPENAI_TEXT, p->text);
}

static int tell_list(lti_responses_step *s, const piece *whole, leat_slice list, uint64_t *bits) {
  lti_json r;
  int rc = LTI_OK;
  lti_json_init(&r, list);
  if (list.size == 0 || !lti_json_enter_array(&r)) return LTI_OK;
  for (int64_t i = 0; rc == LTI_OK && lti_json_next_value(&r); i++) {
    part p;
    read_part(&r, &p);
    bool told = p.text.raw.size || p.refusal.raw.size || p.transcript.raw.size;
    if (told && !lti_openai_item_seen(bits, i)) rc = tell_part(s, whole, &p);
  }
  return rc;
}

static int tell_parts(lti_responses_step *s, lti_responses_item *item, const piece *p) {
  if (!lti_json_key_is(p->type, "message") && !lti_json_key_is(p->type, "reasoning")) return LTI_OK;
  int rc = tell_list(s, p, p->summary, &item->summaries);
  return rc == LTI_OK ? tell_list(s, p, p->content, &item->parts) : rc;
}

/* ---- responses ------------------------------------------------------------------------------- */

static void read_about(leat_slice json, about *a) {
  lti_json r;
  lti_json_text key;
  memset(a, 0, sizeof *a);
  a->self = json;
  lti_json_init(&r, json);
  if (json.size == 0 || !lti_json_enter_object(&r)) return;
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "id")) {
      a->id = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "model")) {
      a->model = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "service_tier")) {
      a->tier = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "status")) {
      a->status = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "created_at")) {
      if (!lti_json_int(&r, &a->created)) a->created = 0;
    } else if (lti_json_key_is(key, "status_details")) {
      a->details = lti_openai_raw(&r);
    } else if (lti_json_key_is(key, "incomplete_details")) {
      a->incomplete = lti_openai_raw(&r);
    } else if (lti_json_key_is(key, "usage")) {
      a->usage = lti_openai_raw(&r);
    } else if (lti_json_key_is(key, "output")) {
      a->output = lti_openai_raw(&r);
    } else {
      lti_json_skip(&r);
    }
  }
}

static int keep_about(lti_responses_step *s, const about *a) {
  lti_openai *d = s->out.d;
  int rc = lti_openai_meta(d, &d->response.id, a->id);
  if (rc == LTI_OK) rc = lti_openai_meta(d, &d->response.model, a->model);
  if (rc == LTI_OK) rc = lti_openai_meta(d, &d->response.service_tier, a->tier);
  if (!d->response.created && a->created > 0) d->response.created = a->created;
  return rc;
}

int lti_openai_item_about(lti_responses_step *s, leat_slice response) {
  about a;
  read_about(response, &a);
  return keep_about(s, &a);
}

/* An item of the list is known by its id first: some gateways leave items out of it. */
static int tell_listed(lti_responses_step *s, leat_slice json, int64_t index) {
  piece p;
  lti_responses_item *item = NULL;
  int rc = LTI_OK;
  if (!read_piece(json, &p)) return LTI_OK;
  if (p.id.raw.size) item = seek(s->d, -1, lti_openai_hash(p.id.raw));
  if (!item) rc = lti_openai_item_find(s, index, p.id, &item);
  return rc == LTI_OK ? tell_item(s, item, &p, true) : rc;
}

static int tell_output(lti_responses_step *s, leat_slice output) {
  lti_json r;
  leat_slice item;
  int rc = LTI_OK;
  lti_json_init(&r, output);
  if (output.size == 0 || !lti_json_enter_array(&r)) return LTI_OK;
  for (int64_t i = 0; rc == LTI_OK && lti_json_next_value(&r); i++) {
    if (lti_json_raw(&r, &item)) rc = tell_listed(s, item, i);
  }
  return rc;
}

static int tell_usage(lti_responses_step *s, leat_slice usage) {
  leat_event event = {.kind = LEAT_EVENT_USAGE};
  if (!lti_openai_usage(usage, &event.usage)) return LTI_OK;
  return s->out.emit->event(s->out.emit, &event);
}

/* Notes the first error that one of these holds; without one the words are ours. */
static int note_failure(lti_responses_step *s, const leat_slice *where, size_t count,
                        const char *otherwise) {
  lti_openai *d = s->out.d;
  bool found = false;
  for (size_t i = 0; i < count && !found; i++) {
    int rc = where[i].size ? lti_openai_error(d, where[i], true, &found) : LTI_OK;
    if (rc != LTI_OK) return rc;
  }
  if (found) return LTI_OK;
  lti_openai_rare *rare = lti_openai_rarely(d);
  if (!rare) return LEAT_ENOMEM;
  rare->error = (lti_provider_error){.set = true, .message = lti_slice_of(otherwise)};
  return LTI_OK;
}

static enum lti_responses_end end_of(lti_json_text status) {
  static const char *const words[] = {"completed", "incomplete", "failed", "cancelled"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (lti_json_key_is(status, words[i])) return (enum lti_responses_end)i;
  }
  return LTI_RESPONSES_BY_STATUS;
}

static lti_json_text word_of(const char *word) {
  return (lti_json_text){.raw = lti_slice_of(word), .ascii = true};
}

/* {"reason":"max_output_tokens"}, or Realtime's status_details. */
static lti_json_text reason_of(const about *a) {
  lti_json r;
  leat_slice said;
  leat_slice where = a->incomplete.size ? a->incomplete : a->details;
  lti_json_text none = {.ascii = true};
  if (where.size == 0 || !lti_json_find(where, "/reason", &said)) return none;
  lti_json_init(&r, said);
  return lti_json_peek(&r) == LTI_JSON_STRING ? lti_openai_string(&r) : none;
}

static int tell_end(lti_responses_step *s, const about *a, enum lti_responses_end end) {
  const leat_slice where[] = {a->self, a->details};
  leat_event cancelled = {.kind = LEAT_EVENT_FINISH, .finish_reason = {"cancelled", 9}};
  switch (end) {
    case LTI_RESPONSES_COMPLETED: return lti_openai_piece_finish(&s->out, word_of("completed"));
    case LTI_RESPONSES_INCOMPLETE:
      s->out.detail = reason_of(a);
      return lti_openai_piece_finish(&s->out, word_of("incomplete"));
    case LTI_RESPONSES_FAILED:
      return note_failure(s, where, sizeof where / sizeof *where,
                          "the response failed, and does not say why");
    case LTI_RESPONSES_CANCELLED: return lti_openai_out_event(&s->out, &cancelled);
    case LTI_RESPONSES_BY_STATUS: break;
  }
  return LTI_OK;
}

int lti_openai_item_conclude(lti_responses_step *s, leat_slice response,
                             enum lti_responses_end end) {
  about a;
  read_about(response, &a);
  int rc = keep_about(s, &a);
  if (rc == LTI_OK) rc = tell_output(s, a.output);
  if (rc == LTI_OK) rc = lti_openai_responses_flush(s->d, s->out.emit);
  if (rc == LTI_OK) rc = tell_usage(s, a.usage);
  if (end == LTI_RESPONSES_BY_STATUS) end = end_of(a.status);
  if (rc == LTI_OK) rc = tell_end(s, &a, end);
  s->d->end = (uint8_t)(end + 1);
  s->out.d->ended = true;
  return rc == LTI_OK ? LTI_STOPPED : rc;
}

int lti_openai_item_fail(lti_responses_step *s, leat_slice json, const char *otherwise) {
  int rc = note_failure(s, &json, 1, otherwise);
  s->out.d->ended = true;
  if (rc == LTI_OK) rc = lti_openai_responses_flush(s->d, s->out.emit);
  return rc == LTI_OK ? LTI_STOPPED : rc;
}
