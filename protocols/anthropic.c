/* Anthropic's Messages: POST /messages, streamed or whole.
 *
 *     message_start -> (block_start -> block_delta* -> block_stop)* -> message_delta+ ->
 *     message_stop
 *
 * with pings anywhere. Each record is an object whose `type` says what it is (SSE's event name is
 * believed only where that is missing); types that are not known are passed over. Usage is told at
 * the start and again with each message_delta, whose counts replace those before: each event of
 * ours holds all of them.
 *
 * An error record ends the answer wherever it comes. The answer is whole when a message_delta had a
 * stop_reason; message_stop is only its end. Gateways put OpenAI's "[DONE]" there as well. */
#include "anthropic.h"

#include <string.h>

#include "dialects.h"

/* What a record is. */
enum kind {
  OTHER = 0,
  BLOCK_DELTA,
  BLOCK_BEGIN,
  BLOCK_END,
  MESSAGE_BEGIN,
  MESSAGE_DELTA,
  MESSAGE_END,
  MESSAGE,
  ERROR
};

/* The frequent ones first. */
static const struct {
  const char *name;
  enum kind kind;
} types[] = {
    {"content_block_delta", BLOCK_DELTA},
    {"content_block_start", BLOCK_BEGIN},
    {"content_block_stop", BLOCK_END},
    {"message_start", MESSAGE_BEGIN},
    {"message_delta", MESSAGE_DELTA},
    {"message_stop", MESSAGE_END},
    {"message", MESSAGE},
    {"error", ERROR},
};

/* The members of one record, as views: missing ones and those of a wrong type are empty. */
typedef struct note {
  lti_json_text type, stop_reason, stop_sequence;
  lti_anthropic_delta delta;
  leat_slice block, message, usage, error; /* JSON */
  int64_t index;                           /* -1: missing, -2: none */
} note;

/* A message as it was sent. */
typedef struct letter {
  lti_json_text id, model, role, stop_reason, stop_sequence;
  leat_slice content, usage; /* JSON */
} letter;

static bool read_note(leat_slice data, leat_slice type, note *n);
static void read_letter(leat_slice json, letter *l);
static int tell(lti_anthropic_step *s, const note *n, leat_slice data);

static void init(void *decoder, lti_alloc *alloc, lti_buf *scratch) {
  lti_anthropic *d = decoder;
  memset(d, 0, sizeof *d);
  memset(&d->usage, 0xff, sizeof d->usage);
  lti_openai_init(&d->base, alloc, scratch);
}

static void deinit(void *decoder) {
  lti_anthropic *d = decoder;
  lti_alloc_put(d->base.alloc, d->tools);
  d->tools = NULL;
  lti_openai_deinit(&d->base);
}

/* The answer is over. */
static int stop(lti_anthropic *d, lti_emit *emit) {
  d->base.ended = true;
  int rc = lti_openai_flush(&d->base, emit);
  return rc == LTI_OK ? LTI_STOPPED : rc;
}

/* Keeps what the record says of its error; where it says nothing the words are ours. */
static int fail(lti_anthropic *d, leat_slice json, lti_emit *emit) {
  bool found = false;
  int rc = lti_openai_error(&d->base, json, true, &found);
  if (rc == LTI_OK && !found) {
    d->base.rare->error = (lti_provider_error){
        .set = true, .message = lti_slice_of("the provider sent an error without words")};
  }
  return rc == LTI_OK ? stop(d, emit) : rc;
}

static int step(lti_anthropic *d, const note *n, leat_slice data, lti_emit *emit) {
  bool opened;
  lti_anthropic_step s = {.d = d, .out = {.d = &d->base, .emit = emit}};
  int rc = lti_openai_piece_choice(&d->base, 0, &s.out.choice, &opened);
  if (rc == LTI_OK) rc = tell(&s, n, data);
  lti_openai_settle(&d->base);
  return rc;
}

static int record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit) {
  lti_anthropic *d = decoder;
  note n;
  if (d->base.ended) return LTI_STOPPED;
  leat_slice text = data;
  while (text.size && memchr(" \t\r\n", *text.data, 4)) text = lti_slice_from(text, 1);
  if (text.size == 0) return LTI_OK;
  if (lti_slice_starts(text, "[DONE]")) return stop(d, emit);
  if (!read_note(text, type, &n)) {
    bool said = lti_slice_is(type, "error") && *text.data != '{' && *text.data != '[';
    return said ? fail(d, text, emit) : LEAT_EDECODE;
  }
  return step(d, &n, text, emit);
}

/* A message, or an error in whatever shape a gateway has for it. */
static int body(void *decoder, leat_slice json, lti_emit *emit) {
  lti_anthropic *d = decoder;
  note n;
  bool found = false;
  if (d->base.ended) return LTI_OK;
  bool read = read_note(json, lti_slice(NULL, 0), &n);
  int rc = read ? step(d, &n, json, emit) : LEAT_EDECODE;
  if ((rc == LTI_OK && !lti_json_key_is(n.type, "message")) || rc == LEAT_EDECODE) {
    int noted = lti_openai_error(&d->base, json, false, &found);
    if (noted != LTI_OK || found) rc = noted;
  }
  d->base.ended = true;
  return rc == LTI_STOPPED ? LTI_OK : rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_delta(lti_json *r, note *n) {
  lti_json_text key;
  lti_anthropic_delta *d = &n->delta;
  memset(d, 0, sizeof *d);
  n->stop_reason.raw = n->stop_sequence.raw = lti_slice(NULL, 0);
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "type")) {
      d->type = lti_openai_string(r);
    } else if (lti_json_key_is(key, "text")) {
      d->text = lti_openai_string(r);
    } else if (lti_json_key_is(key, "thinking")) {
      d->thinking = lti_openai_string(r);
    } else if (lti_json_key_is(key, "partial_json")) {
      d->partial_json = lti_openai_string(r);
    } else if (lti_json_key_is(key, "signature")) {
      d->signature = lti_openai_string(r);
    } else if (lti_json_key_is(key, "stop_reason")) {
      n->stop_reason = lti_openai_string(r);
    } else if (lti_json_key_is(key, "stop_sequence")) {
      n->stop_sequence = lti_openai_string(r);
    } else {
      lti_json_skip(r);
    }
  }
}

static int64_t read_index(lti_json *r) {
  int64_t index = -1;
  bool number = lti_json_peek(r) == LTI_JSON_NUMBER;
  bool good = lti_openai_index(r, &index);
  return !number ? -1 : good && index >= 0 && index <= UINT32_MAX ? index : -2;
}

/* A later duplicate replaces. False: no JSON. What is no object has no members. */
static bool read_note(leat_slice data, leat_slice type, note *n) {
  lti_json r;
  lti_json_text key;
  memset(n, 0, sizeof *n);
  n->index = -1;
  lti_json_init(&r, data);
  if (lti_json_enter_object(&r)) {
    while (lti_json_next_key(&r, &key)) {
      if (lti_json_key_is(key, "type")) {
        n->type = lti_openai_string(&r);
      } else if (lti_json_key_is(key, "index")) {
        n->index = read_index(&r);
      } else if (lti_json_key_is(key, "delta")) {
        read_delta(&r, n);
      } else if (lti_json_key_is(key, "content_block")) {
        n->block = lti_openai_raw(&r);
      } else if (lti_json_key_is(key, "message")) {
        n->message = lti_openai_raw(&r);
      } else if (lti_json_key_is(key, "usage")) {
        n->usage = lti_openai_raw(&r);
      } else if (lti_json_key_is(key, "error")) {
        n->error = lti_openai_raw(&r);
      } else {
        lti_json_skip(&r);
      }
    }
  }
  if (n->type.raw.size == 0 && !lti_slice_is(type, "message")) n->type.raw = type;
  return lti_json_at_end(&r);
}

static void read_letter(leat_slice json, letter *l) {
  lti_json r;
  lti_json_text key;
  memset(l, 0, sizeof *l);
  lti_json_init(&r, json);
  if (json.size == 0 || !lti_json_enter_object(&r)) return;
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "id")) {
      l->id = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "model")) {
      l->model = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "role")) {
      l->role = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "content")) {
      l->content = lti_openai_raw(&r);
    } else if (lti_json_key_is(key, "stop_reason")) {
      l->stop_reason = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "stop_sequence")) {
      l->stop_sequence = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "usage")) {
      l->usage = lti_openai_raw(&r);
    } else {
      lti_json_skip(&r);
    }
  }
}

static enum kind kind_of(lti_json_text type) {
  for (size_t i = 0; type.raw.size && i < sizeof types / sizeof *types; i++) {
    if (lti_json_key_is(type, types[i].name)) return types[i].kind;
  }
  return OTHER;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* leat_usage is counts and nothing else. */
static void merge_usage(leat_usage *all, const leat_usage *said) {
  int64_t *to = (int64_t *)(void *)all;
  const int64_t *from = (const int64_t *)(const void *)said;
  for (size_t i = 0; i < sizeof *all / sizeof *to; i++) {
    if (from[i] >= 0) to[i] = from[i];
  }
}

static int tell_usage(lti_anthropic_step *s, leat_slice usage) {
  leat_event event = {.kind = LEAT_EVENT_USAGE};
  leat_slice tier;
  lti_json r;
  if (!lti_openai_usage(usage, &event.usage)) return LTI_OK;
  merge_usage(&s->d->usage, &event.usage);
  event.usage = s->d->usage;
  if (lti_json_find(usage, "/service_tier", &tier)) {
    lti_json_init(&r, tier);
    int rc = lti_openai_meta(s->out.d, &s->out.d->response.service_tier, lti_openai_string(&r));
    if (rc != LTI_OK) return rc;
  }
  return s->out.emit->event(s->out.emit, &event);
}

static int tell_finish(lti_anthropic_step *s, lti_json_text reason, lti_json_text sequence) {
  int rc = LTI_OK;
  if (reason.raw.size == 0) return LTI_OK;
  if (lti_json_key_is(reason, "tool_use")) rc = lti_anthropic_block_settle(s);
  s->out.detail = sequence;
  return rc == LTI_OK ? lti_openai_piece_finish(&s->out, reason) : rc;
}

static int tell_content(lti_anthropic_step *s, leat_slice content) {
  lti_json r;
  leat_slice block;
  int rc = LTI_OK;
  lti_json_init(&r, content);
  if (content.size == 0 || !lti_json_enter_array(&r)) return LTI_OK;
  for (int64_t i = 0; rc == LTI_OK && lti_json_next_value(&r); i++) {
    if (lti_json_raw(&r, &block)) rc = lti_anthropic_block_begin(s, block, i, true);
  }
  return rc;
}

/* The whole of a message, or its beginning, which has no content as yet. */
static int tell_message(lti_anthropic_step *s, leat_slice json) {
  lti_openai *d = s->out.d;
  letter l;
  read_letter(json, &l);
  int rc = lti_openai_meta(d, &d->response.id, l.id);
  if (rc == LTI_OK) rc = lti_openai_meta(d, &d->response.model, l.model);
  if (rc == LTI_OK) rc = lti_openai_meta(d, &d->response.role, l.role);
  if (rc == LTI_OK) rc = tell_content(s, l.content);
  if (rc == LTI_OK) rc = tell_usage(s, l.usage);
  return rc == LTI_OK ? tell_finish(s, l.stop_reason, l.stop_sequence) : rc;
}

static int tell_message_delta(lti_anthropic_step *s, const note *n) {
  int rc = tell_usage(s, n->usage);
  return rc == LTI_OK ? tell_finish(s, n->stop_reason, n->stop_sequence) : rc;
}

/* Some gateways write their own errors without a type. */
static int tell_untyped(lti_anthropic_step *s, const note *n, leat_slice data) {
  bool found = false;
  if (n->type.raw.size || (n->error.size == 0 && *data.data != '[')) return LTI_OK;
  int rc = lti_openai_error(s->out.d, data, false, &found);
  return rc == LTI_OK && found ? stop(s->d, s->out.emit) : rc;
}

static int tell(lti_anthropic_step *s, const note *n, leat_slice data) {
  enum kind kind = kind_of(n->type);
  bool block = kind == BLOCK_BEGIN || kind == BLOCK_DELTA || kind == BLOCK_END;
  if (block && n->index < -1) return LEAT_EDECODE;
  switch (kind) {
    case OTHER: return tell_untyped(s, n, data);
    case BLOCK_DELTA: return lti_anthropic_block_delta(s, &n->delta, n->index);
    case BLOCK_BEGIN: return lti_anthropic_block_begin(s, n->block, n->index, false);
    case BLOCK_END: return lti_anthropic_block_end(s, n->index);
    case MESSAGE_BEGIN: return tell_message(s, n->message);
    case MESSAGE_DELTA: return tell_message_delta(s, n);
    case MESSAGE_END: return stop(s->d, s->out.emit);
    case MESSAGE: return tell_message(s, data);
    case ERROR: return fail(s->d, data, s->out.emit);
  }
  return LTI_OK;
}

/* ---- the dialect ----------------------------------------------------------------------------- */

const lti_protocol lti_anthropic_messages = {
    .name = "anthropic",
    .base = "https://api.anthropic.com",
    .path = "/messages",
    .key_header = "x-api-key",
    .header = "anthropic-version",
    .value = "2023-06-01",
    .end_marker = "message_stop",
    .encode = lti_anthropic_write,
    .inspect = lti_openai_inspect,
    .decoder_size = sizeof(lti_anthropic),
    .decoder_init = init,
    .decoder_deinit = deinit,
    .record = record,
    .stray = lti_openai_stray,
    .body = body,
    .flush = lti_openai_flush,
    .verdict = lti_openai_verdict,
    .response = lti_openai_response,
};
