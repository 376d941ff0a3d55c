/* Tool calls and media of one choice.
 *
 * Calls are told apart by their index, never by id, since later fragments carry the index alone.
 * Where an index is missing (Gemini's and Ollama's imitations) a known id goes on with its call, a
 * new id, or a name without an id, opens the next one, and anything else goes on with the last. Id
 * and name are handed out once a call, arguments piece by piece; arguments that are an object
 * instead of a string are handed out as its JSON. The older `function_call` is call 0, without id.
 *
 * An index is never a size: a call of index 4,000,000,000 costs as much as any other. A negative or
 * fractional one, or more than LTI_OPENAI_TOOLS_MAX calls, is LEAT_EDECODE. */
#include <string.h>

#include "openai.h"

static bool read_call(lti_json *r, lti_openai_call *c);
static void read_function(lti_json *r, lti_openai_call *c);
static int find_tool(lti_openai_out *o, const lti_openai_call *c, lti_openai_tool **tool,
                     bool *opened);
static int names_begin(lti_openai *d, const lti_json_text *texts[], size_t count);
static int name(lti_openai *d, lti_json_text text, leat_slice *out);

int lti_openai_tools_emit(lti_openai_out *o, leat_slice calls) {
  lti_json r;
  int rc = LTI_OK;
  lti_json_init(&r, calls);
  if (!lti_json_enter_array(&r)) return LTI_OK;
  while (rc == LTI_OK && lti_json_next_value(&r)) {
    lti_openai_call c = {.index = -1};
    if (read_call(&r, &c)) rc = c.bad_index ? LEAT_EDECODE : lti_openai_call_emit(o, &c);
  }
  return rc;
}

int lti_openai_function_emit(lti_openai_out *o, leat_slice function) {
  lti_json r;
  lti_openai_call c = {.index = 0};
  lti_json_init(&r, function);
  if (lti_json_peek(&r) != LTI_JSON_OBJECT) return LTI_OK;
  read_function(&r, &c);
  return lti_openai_call_emit(o, &c);
}

int lti_openai_tools_flush(lti_openai_out *o) {
  const lti_openai_rare *rare = o->d->rare;
  for (uint32_t i = 0; rare && i < rare->tool_count; i++) {
    lti_openai_tool *tool = &rare->tools[i];
    if (tool->choice != o->choice->index || !tool->half.high) continue;
    leat_event event = {.kind = LEAT_EVENT_TOOL_CALL};
    event.tool_call.index = tool->index;
    event.tool_call.arguments = lti_slice("\xef\xbf\xbd", 3);
    tool->half.high = 0;
    int rc = lti_openai_out_event(o, &event);
    if (rc != LTI_OK) return rc;
  }
  return LTI_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

static lti_json_text read_arguments(lti_json *r) {
  lti_json_text text = {{NULL, 0}, false, false};
  if (lti_json_peek(r) == LTI_JSON_OBJECT) {
    text.raw = lti_openai_raw(r);
    return text;
  }
  return lti_openai_string(r);
}

/* {"name","arguments"}, or {"name","input"} of a custom tool. */
static void read_function(lti_json *r, lti_openai_call *c) {
  enum lti_openai_key key;
  if (!lti_json_enter_object(r)) return;
  while (lti_openai_key(r, &key)) {
    switch (key) {
      case LTI_KEY_NAME: c->name = lti_openai_string(r); break;
      case LTI_KEY_ARGUMENTS:
      case LTI_KEY_INPUT: c->arguments = read_arguments(r); break;
      default: lti_json_skip(r); break;
    }
  }
}

static bool read_call(lti_json *r, lti_openai_call *c) {
  enum lti_openai_key key;
  if (!lti_json_enter_object(r)) return false;
  while (lti_openai_key(r, &key)) {
    switch (key) {
      case LTI_KEY_INDEX:
        c->index = -1;
        c->bad_index = lti_json_peek(r) == LTI_JSON_NUMBER;
        if (lti_openai_index(r, &c->index) && c->index >= 0 && c->index <= UINT32_MAX) {
          c->bad_index = false;
        }
        break;
      case LTI_KEY_ID: c->id = lti_openai_string(r); break;
      case LTI_KEY_FUNCTION:
      case LTI_KEY_CUSTOM: read_function(r, c); break;
      default: lti_json_skip(r); break;
    }
  }
  return true;
}

/* ---- finding --------------------------------------------------------------------------------- */

uint64_t lti_openai_hash(leat_slice bytes) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < bytes.size; i++) {
    h = (h ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
  }
  return h;
}

static int open_tool(lti_openai_out *o, uint32_t index, lti_openai_tool **tool) {
  lti_openai_rare *rare = lti_openai_rarely(o->d);
  if (!rare) return LEAT_ENOMEM;
  if (rare->tool_count >= LTI_OPENAI_TOOLS_MAX) return LEAT_EDECODE;
  if (rare->tool_count == rare->tool_room) {
    uint32_t room = rare->tool_room ? rare->tool_room * 2 : 2;
    lti_openai_tool *fresh = lti_alloc_grow(o->d->alloc, rare->tools,
                                            rare->tool_room * sizeof *fresh, room * sizeof *fresh);
    if (!fresh) return LEAT_ENOMEM;
    rare->tools = fresh;
    rare->tool_room = room;
  }
  *tool = &rare->tools[rare->tool_count++];
  memset(*tool, 0, sizeof **tool);
  (*tool)->choice = o->choice->index;
  (*tool)->index = index;
  return LTI_OK;
}

/* The call that a fragment without an index belongs to: NULL when it opens one. */
static lti_openai_tool *match_tool(const lti_openai_out *o, const lti_openai_call *c,
                                   uint64_t *next_index) {
  const lti_openai_rare *rare = o->d->rare;
  lti_openai_tool *same = NULL, *last = NULL;
  uint64_t id_hash = lti_openai_hash(c->id.raw);
  *next_index = 0;
  for (uint32_t i = 0; rare && i < rare->tool_count; i++) {
    lti_openai_tool *tool = &rare->tools[i];
    if (tool->choice != o->choice->index) continue;
    if (tool->index >= *next_index) *next_index = (uint64_t)tool->index + 1;
    if (tool->has_id && tool->id_hash == id_hash) same = tool;
    last = tool;
  }
  if (c->id.raw.size) return same;
  return c->name.raw.size ? NULL : last;
}

static int find_tool(lti_openai_out *o, const lti_openai_call *c, lti_openai_tool **tool,
                     bool *opened) {
  const lti_openai_rare *rare = o->d->rare;
  uint64_t index = (uint64_t)c->index;
  *tool = NULL;
  if (c->index < 0) *tool = match_tool(o, c, &index);
  for (uint32_t i = 0; c->index >= 0 && rare && i < rare->tool_count && !*tool; i++) {
    lti_openai_tool *t = &rare->tools[i];
    if (t->choice == o->choice->index && t->index == index) *tool = t;
  }
  if (*tool) return LTI_OK;
  if (index > UINT32_MAX) return LEAT_EDECODE;
  *opened = true;
  return open_tool(o, (uint32_t)index, tool);
}

/* ---- emitting -------------------------------------------------------------------------------- */

int lti_openai_call_emit(lti_openai_out *o, const lti_openai_call *c) {
  const lti_json_text *texts[] = {&c->id, &c->name};
  leat_event event = {.kind = LEAT_EVENT_TOOL_CALL};
  leat_tool_call *said = &event.tool_call;
  lti_openai_tool *tool;
  bool opened = false;
  int rc = find_tool(o, c, &tool, &opened);
  if (rc == LTI_OK) rc = names_begin(o->d, texts, 2);
  if (rc == LTI_OK && !tool->has_id) rc = name(o->d, c->id, &said->id);
  if (rc == LTI_OK && !tool->has_name) rc = name(o->d, c->name, &said->name);
  if (rc == LTI_OK) {
    rc = lti_json_decode(c->arguments, &tool->half, o->d->scratch, &said->arguments);
  }
  if (rc != LTI_OK) return rc;
  said->index = tool->index;
  if (said->id.size) {
    tool->has_id = true;
    tool->id_hash = lti_openai_hash(c->id.raw);
  }
  tool->has_name |= said->name.size > 0;
  if (!opened && !said->id.size && !said->name.size && !said->arguments.size) return LTI_OK;
  return lti_openai_out_event(o, &event);
}

/* Room for short texts that must be decoded beside a long one: their views do not move. */
static int names_begin(lti_openai *d, const lti_json_text *texts[], size_t count) {
  size_t room = 0;
  for (size_t i = 0; i < count; i++) {
    if (texts[i]->escaped || !texts[i]->ascii) room += 3 * texts[i]->raw.size;
  }
  if (room == 0) return LTI_OK;
  lti_openai_rare *rare = lti_openai_rarely(d);
  if (!rare) return LEAT_ENOMEM;
  lti_buf_clear(&rare->names);
  return lti_buf_reserve(&rare->names, room);
}

static int name(lti_openai *d, lti_json_text text, leat_slice *out) {
  leat_slice decoded;
  if (text.raw.size == 0 || (!text.escaped && text.ascii)) return *out = text.raw, LTI_OK;
  int rc = lti_json_decode(text, NULL, d->scratch, &decoded);
  if (rc != LTI_OK) return rc;
  lti_buf *names = &d->rare->names;
  size_t at = names->size;
  rc = lti_buf_append(names, decoded);
  *out = lti_slice(names->data + at, decoded.size);
  return rc;
}

/* ---- media ----------------------------------------------------------------------------------- */

int lti_openai_media_emit(lti_openai_out *o, const lti_openai_media *m) {
  leat_event event = {.kind = m->kind};
  const lti_json_text *texts[] = {&m->id, &m->transcript};
  event.media.mime_type = m->mime_type;
  int rc = names_begin(o->d, texts, 2);
  if (rc == LTI_OK) rc = name(o->d, m->id, &event.media.id);
  if (rc == LTI_OK && m->half) {
    rc = lti_json_decode(m->transcript, m->half, o->d->scratch, &event.media.transcript);
    return rc == LTI_OK && event.media.transcript.size ? lti_openai_out_event(o, &event) : rc;
  }
  if (rc == LTI_OK) rc = name(o->d, m->transcript, &event.media.transcript);
  if (rc == LTI_OK) rc = lti_json_decode(m->data, NULL, o->d->scratch, &event.media.data);
  return rc == LTI_OK ? lti_openai_out_event(o, &event) : rc;
}

int lti_openai_audio_emit(lti_openai_out *o, leat_slice audio) {
  lti_json r;
  enum lti_openai_key key;
  lti_openai_media m = {.kind = LEAT_EVENT_AUDIO};
  lti_json_init(&r, audio);
  if (!lti_json_enter_object(&r)) return LTI_OK;
  while (lti_openai_key(&r, &key)) {
    switch (key) {
      case LTI_KEY_ID: m.id = lti_openai_string(&r); break;
      case LTI_KEY_DATA: m.data = lti_openai_string(&r); break;
      case LTI_KEY_TRANSCRIPT: m.transcript = lti_openai_string(&r); break;
      default: lti_json_skip(&r); break;
    }
  }
  return lti_openai_media_emit(o, &m);
}

/* "data:image/png;base64,iVBOR..." is taken apart; any other URL is handed out as it is. */
static int emit_image(lti_openai_out *o, lti_json_text url) {
  leat_event event = {.kind = LEAT_EVENT_IMAGE};
  leat_slice text;
  int rc = lti_json_decode(url, NULL, o->d->scratch, &text);
  if (rc != LTI_OK || text.size == 0) return rc;
  event.media.url = text;
  const char *comma = lti_slice_starts(text, "data:") ? memchr(text.data, ',', text.size) : NULL;
  if (comma) {
    leat_slice kind = lti_slice(text.data + 5, (size_t)(comma - text.data) - 5);
    static const char base64[] = ";base64";
    size_t tail = sizeof base64 - 1;
    if (kind.size >= tail && memcmp(comma - tail, base64, tail) == 0) {
      const char *semicolon = memchr(kind.data, ';', kind.size);
      event.media.mime_type = lti_slice(kind.data, (size_t)(semicolon - kind.data));
      event.media.data = lti_slice_from(text, (size_t)(comma + 1 - text.data));
      event.media.url = lti_slice(NULL, 0);
    }
  }
  return lti_openai_out_event(o, &event);
}

/* The URL is a string, or the member of an object. */
static lti_json_text read_url(lti_json *r) {
  lti_json_text url = {{NULL, 0}, false, true};
  enum lti_openai_key key;
  if (lti_json_peek(r) != LTI_JSON_OBJECT) return lti_openai_string(r);
  lti_json_enter_object(r);
  while (lti_openai_key(r, &key)) {
    if (key == LTI_KEY_URL) {
      url = lti_openai_string(r);
    } else {
      lti_json_skip(r);
    }
  }
  return url;
}

static int emit_part(lti_openai_out *o, lti_json *r) {
  enum lti_openai_key key;
  int rc = LTI_OK;
  if (!lti_json_enter_object(r)) return LTI_OK;
  while (rc == LTI_OK && lti_openai_key(r, &key)) {
    switch (key) {
      case LTI_KEY_TEXT:
        rc = lti_openai_piece_text(o, LTI_OPENAI_TEXT, lti_openai_string(r));
        break;
      case LTI_KEY_REFUSAL:
        rc = lti_openai_piece_text(o, LTI_OPENAI_REFUSAL, lti_openai_string(r));
        break;
      case LTI_KEY_IMAGE_URL: rc = emit_image(o, read_url(r)); break;
      default: lti_json_skip(r); break;
    }
  }
  return rc;
}

int lti_openai_parts_emit(lti_openai_out *o, leat_slice parts) {
  lti_json r;
  int rc = LTI_OK;
  lti_json_init(&r, parts);
  if (!lti_json_enter_array(&r)) return LTI_OK;
  while (rc == LTI_OK && lti_json_next_value(&r)) rc = emit_part(o, &r);
  return rc;
}
