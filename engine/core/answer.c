/* The answer: bytes of one body in, a dialect's events out.
 *
 *     UNDECIDED --'{' '['--> JSON      collected, decoded when the body ends
 *               --'['--> ARRAY         instead, of a dialect with `elements`: a record each, and
 *                                      the closing bracket is the end
 *               --'{'--> OBJECTS       likewise, without an end of their own: a whole answer, which
 *                                      is one record, cannot be told from the first of several
 *               --'<' or a byte that is no text--> FOREIGN   refused once there is enough to show
 *               --no field of an event stream--> JSON        instead, of a dialect that is `plain`
 *               --anything else--> SSE
 *     no dialect: RAW from the start
 *
 * A body that begins as text and not as a field of an event stream ("upstream connect error") may
 * still be a stream with an unknown field in front, so it is read as one; its first bytes are kept
 * until a record comes, and if none does it was no stream.
 *
 * JSON outside the framing of a stream, as written behind pings by a gateway whose upstream failed,
 * comes as stray lines: they are joined until the braces balance. All state of one record is gone
 * when feed returns, but for what the decoder keeps. */
#include "core/answer.h"

#include <string.h>

#include "base/error.h"
#include "base/slice.h"

#define FOREIGN_ENOUGH  64 /* bytes of a foreign body that are enough for a message */
#define STRAY_BYTES_MAX ((size_t)64 << 10)
#define BOM_SIZE        3
#define BOM_NONE        4

static const char bom[] = "\xef\xbb\xbf";

struct lti_answer_stray {
  lti_buf text;
  uint32_t depth;
};

static int on_event(void *ctx, const lti_sse_event *event);
static int on_stray(void *ctx, leat_slice line);
static const lti_sse_sink sse_sink = {on_event, on_stray};

static int on_element(void *ctx, leat_slice json);
static int on_closed(void *ctx);
static const lti_elements_sink array_sink = {on_element, on_closed, LEAT_EEVENTMAX};
static const lti_elements_sink objects_sink = {on_element, NULL, LEAT_EBODYMAX};

static int emit_event(lti_emit *emit, leat_event *event);
static size_t skip_blank(lti_answer *a, leat_slice bytes);
static int decide(lti_answer *a, leat_slice bytes);
static int show(lti_answer *a, leat_slice bytes);
static int feed_sse(lti_answer *a, leat_slice bytes, size_t *taken);
static int feed_elements(lti_answer *a, leat_slice bytes, size_t *taken);
static int feed_raw(lti_answer *a, leat_slice bytes);
static int end_form(lti_answer *a);
static bool has_elements(const lti_answer *a);
static int emit_raw(lti_answer *a);

static void init(lti_answer *a, lti_alloc *alloc, const lti_protocol *protocol,
                 const lti_answer_limits *limits, lti_answer_sink sink) {
  memset(a, 0, sizeof *a);
  a->protocol = protocol;
  a->emit.event = emit_event;
  a->sink = sink;
  a->alloc = alloc;
  a->limits = *limits;
  if (!protocol) a->form = LTI_FORM_RAW;
}

/* A decoder, and behind it a scratch buffer where the answer has one of its own. Sizes are
 * multiples of their alignment, which is that of pointers and 64-bit numbers. */
static size_t decoder_room(const lti_protocol *protocol, const lti_answer_limits *limits) {
  if (!protocol) return 0;
  return protocol->decoder_size + (limits->scratch ? 0 : sizeof(lti_buf));
}

static lti_buf *own_scratch(const lti_answer *a) {
  return (lti_buf *)(void *)((char *)a->decoder + a->protocol->decoder_size);
}

static void init_decoder(lti_answer *a, void *decoder) {
  lti_buf *scratch = a->limits.scratch;
  a->decoder = decoder;
  if (!scratch) {
    a->own_scratch = true;
    scratch = own_scratch(a);
    lti_protocol_scratch(scratch, a->alloc);
  }
  a->protocol->decoder_init(decoder, a->alloc, scratch);
}

int lti_answer_init(lti_answer *a, lti_alloc *alloc, const lti_protocol *protocol,
                    const lti_answer_limits *limits, lti_answer_sink sink) {
  init(a, alloc, protocol, limits, sink);
  if (!protocol) return LTI_OK;
  void *decoder = lti_alloc_zero(alloc, decoder_room(protocol, limits));
  if (!decoder) return LEAT_ENOMEM;
  init_decoder(a, decoder);
  return LTI_OK;
}

lti_answer *lti_answer_new(lti_alloc *alloc, const lti_protocol *protocol,
                           const lti_answer_limits *limits, lti_answer_sink sink) {
  lti_answer *a = lti_alloc_zero(alloc, sizeof *a + decoder_room(protocol, limits));
  if (!a) return NULL;
  init(a, alloc, protocol, limits, sink);
  if (!protocol) return a;
  a->joined = true;
  init_decoder(a, a + 1);
  return a;
}

void lti_answer_free(lti_answer *a) {
  if (!a) return;
  lti_alloc *alloc = a->alloc;
  lti_answer_deinit(a);
  lti_alloc_put(alloc, a);
}

void lti_answer_deinit(lti_answer *a) {
  if (a->form == LTI_FORM_SSE) lti_sse_deinit(&a->sse);
  if (a->form == LTI_FORM_JSON) lti_buf_deinit(&a->json);
  if (has_elements(a)) lti_elements_deinit(&a->elements);
  if (a->decoder) a->protocol->decoder_deinit(a->decoder);
  if (a->own_scratch) lti_buf_deinit(own_scratch(a));
  a->own_scratch = false;
  if (a->stray) lti_buf_deinit(&a->stray->text);
  if (!a->joined) lti_alloc_put(a->alloc, a->decoder);
  lti_alloc_put(a->alloc, a->stray);
  lti_alloc_put(a->alloc, a->shown);
  a->decoder = NULL;
  a->stray = NULL;
  a->shown = NULL;
  a->form = LTI_FORM_UNDECIDED;
}

int lti_answer_feed(lti_answer *a, leat_slice bytes, size_t *taken) {
  size_t skipped = 0;
  int rc = a->error;
  *taken = 0;
  if (rc) return rc;
  if (a->ended) return LTI_STOPPED;
  a->want_stop = false;
  if (a->form == LTI_FORM_UNDECIDED) {
    skipped = a->matched ? 0 : skip_blank(a, bytes);
    bytes = lti_slice_from(bytes, skipped);
    if (bytes.size) rc = decide(a, bytes);
  }
  *taken = bytes.size;
  if (rc == LTI_OK && bytes.size) {
    switch (a->form) {
      case LTI_FORM_UNDECIDED: break;
      case LTI_FORM_SSE: rc = feed_sse(a, bytes, taken); break;
      case LTI_FORM_JSON:
        rc = lti_buf_append(&a->json, bytes);
        a->copied += rc == LTI_OK ? bytes.size : 0;
        break;
      case LTI_FORM_ARRAY:
      case LTI_FORM_OBJECTS: rc = feed_elements(a, bytes, taken); break;
      case LTI_FORM_RAW: rc = feed_raw(a, bytes); break;
      case LTI_FORM_FOREIGN:
        rc = show(a, bytes);
        if (rc == LTI_OK && a->shown->size >= FOREIGN_ENOUGH) rc = LEAT_ENOTSTREAM;
        break;
    }
  }
  *taken += skipped;
  if (rc < 0) a->error = rc;
  return rc;
}

int lti_answer_end(lti_answer *a, lti_verdict *verdict) {
  if (!a->error && !a->ended) {
    int rc = end_form(a);
    if (rc < 0) a->error = rc;
  }
  lti_answer_verdict(a, verdict);
  if (verdict->error == LEAT_EINCOMPLETE && a->form == LTI_FORM_SSE && a->shown) {
    verdict->error = a->error = LEAT_ENOTSTREAM;
  }
  bool nothing = a->form == LTI_FORM_UNDECIDED && a->protocol && a->protocol->empty;
  if (verdict->error == LEAT_EINCOMPLETE && nothing) verdict->error = LEAT_OK;
  return verdict->error;
}

int lti_answer_message(lti_answer *a, leat_slice text) {
  if (a->error) return a->error;
  if (a->ended) return LTI_STOPPED;
  a->want_stop = false;
  a->records++;
  a->raw = text;
  int rc = emit_raw(a);
  if (rc == LTI_OK) rc = a->protocol->record(a->decoder, lti_slice(NULL, 0), text, &a->emit);
  a->raw = lti_slice(NULL, 0);
  a->ended = rc == LTI_STOPPED;
  if (rc < 0) a->error = rc;
  return rc;
}

void lti_answer_cut(lti_answer *a) {
  if (a->error || a->ended) return;
  int rc = a->protocol->flush(a->decoder, &a->emit);
  if (rc < 0) a->error = rc;
}

void lti_answer_verdict(lti_answer *a, lti_verdict *verdict) {
  memset(verdict, 0, sizeof *verdict);
  if (a->protocol) a->protocol->verdict(a->decoder, verdict);
  if (a->error && verdict->error != LEAT_EAPI) verdict->error = a->error;
}

/* ---- what the body is ------------------------------------------------------------------------ */

/* White space and a BOM in front of anything else; a BOM that breaks off is left to `decide`. */
static size_t skip_blank(lti_answer *a, leat_slice bytes) {
  size_t i = 0;
  while (i < bytes.size && a->bom < BOM_SIZE) {
    if (bytes.data[i] != bom[a->bom]) {
      if (a->bom == 0) a->bom = BOM_NONE;
      break;
    }
    a->bom++;
    i++;
  }
  if (a->bom < BOM_SIZE) return i;
  while (i < bytes.size && memchr(" \t\r\n", bytes.data[i], 4)) i++;
  return i;
}

/* No two begin with the same letter. */
static const char *const fields[] = {":", "data:", "event:", "id:", "retry:"};

enum { FIELDS = sizeof fields / sizeof *fields };

/* Does it begin with a comment or one of the standard's fields, for sure? */
static bool is_field(leat_slice bytes) {
  for (size_t i = 0; i < FIELDS; i++) {
    if (lti_slice_starts(bytes, fields[i])) return true;
  }
  return false;
}

static void begin_json(lti_answer *a) {
  size_t max = a->limits.body_bytes_max;
  a->form = LTI_FORM_JSON;
  lti_buf_init(&a->json, a->alloc, max, LEAT_EBODYMAX);
}

static void begin_sse(lti_answer *a) {
  lti_answer_limits limits = a->limits;
  a->form = LTI_FORM_SSE;
  lti_sse_init(&a->sse, a->alloc, limits.event_bytes_max, &sse_sink, a);
  lti_sse_share(&a->sse, limits.spare);
}

/* Text is an answer too, unless it begins with a field of an event stream. How much of one the
 * reads before have brought is remembered, not the bytes: they are the field's. */
static int decide_plain(lti_answer *a, leat_slice bytes) {
  size_t matched = a->matched, field = a->field, taken, i = 0;
  while (matched == 0 && field < FIELDS && *fields[field] != *bytes.data) field++;
  while (field < FIELDS && i < bytes.size && fields[field][matched] == bytes.data[i]) {
    i++;
    if (!fields[field][++matched]) break;
  }
  leat_slice before = lti_slice(field < FIELDS ? fields[field] : "", a->matched);
  if (field < FIELDS && !fields[field][matched]) {
    begin_sse(a);
    return lti_sse_feed(&a->sse, before, &taken);
  }
  if (field < FIELDS && i == bytes.size) {
    a->field = (unsigned char)field;
    a->matched = (unsigned char)matched;
    return LTI_OK;
  }
  begin_json(a);
  return lti_buf_append(&a->json, before);
}

static int decide(lti_answer *a, leat_slice bytes) {
  unsigned char c = (unsigned char)bytes.data[0];
  lti_answer_limits limits = a->limits;
  if ((c == '{' || c == '[') && a->protocol->elements) {
    bool array = c == '[';
    a->form = array ? LTI_FORM_ARRAY : LTI_FORM_OBJECTS;
    lti_elements_init(&a->elements, a->alloc,
                      array ? limits.event_bytes_max : limits.body_bytes_max,
                      array ? &array_sink : &objects_sink, a);
    return LTI_OK;
  }
  if ((c == '{' || c == '[') && !a->matched) {
    begin_json(a);
    return LTI_OK;
  }
  bool text = c >= 0x20 && c != '<' && c != 0x7f && a->bom >= BOM_SIZE;
  if (a->protocol->plain && (text || a->matched)) return decide_plain(a, bytes);
  if (a->bom < BOM_SIZE || c == '<' || c < 0x20 || c >= 0x7f) {
    a->form = LTI_FORM_FOREIGN;
    return LTI_OK;
  }
  begin_sse(a);
  if (!is_field(bytes)) {
    int rc = show(a, lti_slice("", 0));
    if (rc != LTI_OK) return rc;
  }
  /* The splitter skips one BOM itself, and no second one. */
  size_t taken;
  return a->bom == BOM_SIZE ? lti_sse_feed(&a->sse, lti_slice(bom, BOM_SIZE), &taken) : LTI_OK;
}

/* Keeps first bytes for the message. */
static int show(lti_answer *a, leat_slice bytes) {
  if (!a->shown) a->shown = lti_alloc_zero(a->alloc, sizeof *a->shown);
  if (!a->shown) return LEAT_ENOMEM;
  size_t room = LTI_ANSWER_SHOWN - a->shown->size;
  size_t size = bytes.size < room ? bytes.size : room;
  if (size) memcpy(a->shown->bytes + a->shown->size, bytes.data, size);
  a->shown->size += size;
  return LTI_OK;
}

leat_slice lti_answer_shows(const lti_answer *a) {
  return a->shown ? lti_slice(a->shown->bytes, a->shown->size) : lti_slice(NULL, 0);
}

/* It is a stream after all. */
static void show_nothing(lti_answer *a) {
  lti_alloc_put(a->alloc, a->shown);
  a->shown = NULL;
}

/* ---- forms ----------------------------------------------------------------------------------- */

static int feed_sse(lti_answer *a, leat_slice bytes, size_t *taken) {
  size_t before = lti_sse_copied(&a->sse);
  int rc = a->shown ? show(a, bytes) : LTI_OK;
  if (a->shown && is_field(lti_answer_shows(a))) show_nothing(a);
  if (rc == LTI_OK) rc = lti_sse_feed(&a->sse, bytes, taken);
  a->copied += lti_sse_copied(&a->sse) - before;
  return rc;
}

static bool has_elements(const lti_answer *a) {
  return a->form == LTI_FORM_ARRAY || a->form == LTI_FORM_OBJECTS;
}

bool lti_answer_closed(const lti_answer *a) {
  return a->form == LTI_FORM_ARRAY && lti_elements_closed(&a->elements);
}

static int feed_elements(lti_answer *a, leat_slice bytes, size_t *taken) {
  size_t before = a->elements.copied;
  int rc = lti_elements_feed(&a->elements, bytes, taken);
  a->copied += a->elements.copied - before;
  return rc;
}

static int feed_raw(lti_answer *a, leat_slice bytes) {
  leat_event event = {.kind = LEAT_EVENT_RAW, .text = bytes};
  a->raw = bytes;
  int rc = emit_event(&a->emit, &event);
  a->raw = lti_slice(NULL, 0);
  return rc == LTI_OK && a->want_stop ? LTI_STOPPED : rc;
}

static int emit_raw(lti_answer *a) {
  leat_event event = {.kind = LEAT_EVENT_RAW, .text = a->raw};
  return a->want_raw ? emit_event(&a->emit, &event) : LTI_OK;
}

/* The whole body was the beginning of a field's name: it is text. */
static int end_plain(lti_answer *a) {
  leat_slice text = lti_slice(fields[a->field], a->matched);
  begin_json(a);
  return lti_buf_append(&a->json, text);
}

static int end_form(lti_answer *a) {
  int rc = a->form == LTI_FORM_UNDECIDED && a->matched ? end_plain(a) : LTI_OK;
  if (rc != LTI_OK) return rc;
  switch (a->form) {
    case LTI_FORM_UNDECIDED:
    case LTI_FORM_RAW: return LTI_OK;
    case LTI_FORM_FOREIGN: return LEAT_ENOTSTREAM;
    case LTI_FORM_SSE: rc = lti_sse_end(&a->sse); break;
    case LTI_FORM_ARRAY:
    case LTI_FORM_OBJECTS: break; /* half a record is dropped, as half an event is */
    case LTI_FORM_JSON:
      a->raw = lti_buf_slice(&a->json);
      rc = emit_raw(a);
      if (rc == LTI_OK) rc = a->protocol->body(a->decoder, a->raw, &a->emit);
      break;
  }
  if (rc == LTI_OK) rc = a->protocol->flush(a->decoder, &a->emit);
  a->raw = lti_slice(NULL, 0);
  return rc;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Text that is no view of its record was written anew, since it had escapes to undo. */
static size_t rewritten(const lti_answer *a, const leat_event *event) {
  leat_slice text = {NULL, 0};
  if (event->kind >= LEAT_EVENT_TEXT && event->kind <= LEAT_EVENT_REFUSAL) text = event->text;
  if (event->kind == LEAT_EVENT_TOOL_CALL) text = event->tool_call.arguments;
  /* As numbers: the two may have nothing to do with each other, and the record may be none. */
  bool view = (uintptr_t)text.data - (uintptr_t)a->raw.data < a->raw.size;
  return view ? 0 : text.size;
}

static int emit_event(lti_emit *emit, leat_event *event) {
  lti_answer *a = LTI_CONTAINER_OF(emit, lti_answer, emit);
  event->raw = a->raw;
  a->copied += rewritten(a, event);
  event->response = a->protocol ? a->protocol->response(a->decoder) : NULL;
  int rc = a->sink.event(a->sink.ctx, event);
  if (rc != LTI_STOPPED) return rc;
  a->want_stop = true;
  return LTI_OK;
}

static int decode(lti_answer *a, leat_slice type, leat_slice record) {
  a->records++;
  a->raw = record;
  int rc = emit_raw(a);
  if (rc == LTI_OK) rc = a->protocol->record(a->decoder, type, record, &a->emit);
  a->raw = lti_slice(NULL, 0);
  if (rc == LTI_STOPPED) a->ended = true;
  if (rc == LTI_AGAIN) rc = LTI_OK; /* of a socket's dialect; in here the body's end ends it */
  return rc == LTI_OK && a->want_stop ? LTI_STOPPED : rc;
}

static int on_event(void *ctx, const lti_sse_event *event) {
  lti_answer *a = ctx;
  if (a->shown) show_nothing(a);
  if (a->stray) a->stray->depth = 0;
  return decode(a, event->type, event->data);
}

static int on_element(void *ctx, leat_slice json) {
  return decode(ctx, lti_slice(NULL, 0), json);
}

/* An array that had nothing in it is no answer. */
static int on_closed(void *ctx) {
  lti_answer *a = ctx;
  if (a->records == 0) return LEAT_EDECODE;
  int rc = a->protocol->flush(a->decoder, &a->emit);
  a->ended = rc == LTI_OK;
  return rc == LTI_OK ? LTI_STOPPED : rc;
}

/* How deep the brackets are behind `line`; a string does not go on in the next one. */
static uint32_t depth_behind(leat_slice line, uint32_t depth) {
  bool in_string = false;
  for (size_t i = 0; i < line.size; i++) {
    char c = line.data[i];
    if (c == '"') in_string = !in_string;
    if (in_string) {
      i += c == '\\';
    } else if (c == '{' || c == '[') {
      depth++;
    } else if ((c == '}' || c == ']') && depth) {
      depth--;
    }
  }
  return depth;
}

/* One more line of JSON outside the framing; what grows too large is forgotten. */
static int gather(lti_answer *a, leat_slice line, uint32_t depth) {
  if (!a->stray) {
    a->stray = lti_alloc_zero(a->alloc, sizeof *a->stray);
    if (!a->stray) return LEAT_ENOMEM;
    lti_buf_init(&a->stray->text, a->alloc, STRAY_BYTES_MAX, LEAT_EBODYMAX);
  }
  if (a->stray->depth == 0) lti_buf_clear(&a->stray->text);
  int rc = lti_buf_append(&a->stray->text, line);
  if (rc == LTI_OK) rc = lti_buf_byte(&a->stray->text, '\n');
  a->stray->depth = rc == LTI_OK ? depth : 0;
  if (rc == LTI_OK) a->copied += line.size + 1;
  return rc == LEAT_EBODYMAX ? LTI_OK : rc;
}

static int on_stray(void *ctx, leat_slice line) {
  lti_answer *a = ctx;
  uint32_t depth = a->stray ? a->stray->depth : 0;
  leat_slice start = lti_slice_trim(line);
  bool json = start.size && (*start.data == '{' || *start.data == '[');
  if (depth == 0 && !json) return a->protocol->stray(a->decoder, line, &a->emit);
  uint32_t behind = depth_behind(line, depth);
  if (depth == 0 && behind == 0) return a->protocol->stray(a->decoder, line, &a->emit);
  int rc = gather(a, line, behind);
  if (rc != LTI_OK || behind || a->stray->text.size == 0) return rc;
  rc = a->protocol->stray(a->decoder, lti_buf_slice(&a->stray->text), &a->emit);
  lti_buf_clear(&a->stray->text);
  return rc;
}
