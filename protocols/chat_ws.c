/* Chat completions over WebSocket ("chat-ws"): one message asks, many answer, turn after turn.
 *
 * The question is the body that would be posted to /chat/completions. The answer comes as the
 * objects of that endpoint, read by its decoder: chunks with `choices[].delta`, or objects with
 * `choices[].message`, which may hold a piece, everything so far, or, behind chunks, everything
 * again. A `message` that begins with all that came before is therefore told without that
 * beginning, as long as none came that did not.
 *
 * No gateway says how a turn ends, so the rule is ours:
 *  - an error object or "[DONE]" ends it;
 *  - else it is whole when every choice that it asked for has a finish_reason. If usage was not
 *    asked for, or came with the last finish_reason or behind it, that is the end. Else the next
 *    usage is (LTI_AGAIN; the driver gives it LTI_PROTOCOL_LINGER_MS);
 *  - a record with usage and no choices, behind the end of every choice that was heard of, ends it
 *    though fewer came than were asked for.
 * What a turn may leave behind (usage, "[DONE]", a repeated end) is known in the next one by the id
 * of its response, or by standing before that turn's first choice. Some gateways give every
 * response the same id: a choice that has not ended yet is never a rest.
 *
 * Close code 4001 is the gateway's own error, and so is any other above 3999. */
#include <string.h>

#include "dialects.h"
#include "openai_responses.h"

#define TRACKS_MAX 1024
#define FNV_BASIS  UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)

/* All text of one channel so far: by its size and hash. */
typedef struct track {
  uint32_t choice, tool;
  enum leat_event_kind kind;
  bool pieces; /* a `message` came that was a piece: none is a repetition any more */
  uint64_t size, hash;
} track;

typedef struct chat_ws {
  lti_openai base; /* first */
  lti_protocol_turn turn;
  uint64_t before; /* hash of the id of the response before, 0: not known */
  track *tracks;
  uint32_t track_count, track_room;
  lti_emit filter;
  lti_emit *emit; /* behind the filter, during a record */
  bool led;       /* it reads the answer to a turn of ours */
  bool usage;     /* in the record under way */
  bool done_passed;
  lti_buf close_text;
  lti_provider_error closed;
} chat_ws;

static int filter(lti_emit *filter, leat_event *event);

static int encode(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  return lti_openai_write(chat, false, out, encoded);
}

static void init(void *decoder, lti_alloc *alloc, lti_buf *scratch) {
  chat_ws *d = decoder;
  memset(d, 0, sizeof *d);
  lti_openai_init(&d->base, alloc, scratch);
  lti_buf_init(&d->close_text, alloc, 256, LEAT_EWS);
  d->filter.event = filter;
  d->turn.later = true;
}

static void deinit(void *decoder) {
  chat_ws *d = decoder;
  lti_alloc_put(d->base.alloc, d->tracks);
  d->tracks = NULL;
  lti_buf_deinit(&d->close_text);
  lti_openai_deinit(&d->base);
}

static void begin(void *decoder, const lti_protocol_turn *turn) {
  chat_ws *d = decoder;
  d->turn = *turn;
  d->led = true;
  d->before = turn->before.size ? lti_openai_hash(turn->before) : 0;
  d->turn.before = lti_slice(NULL, 0);
}

/* ---- records --------------------------------------------------------------------------------- */

/* What follows the end of a response may repeat that end, but goes on with nothing. */
static bool goes_on(leat_slice data) {
  leat_slice choice, reason;
  if (!lti_json_find(data, "/choices/0", &choice)) return false;
  return !lti_json_find(choice, "/finish_reason", &reason) || lti_slice_is(reason, "null");
}

/* Does the record belong to the response before? Only asked before this turn's first choice. */
static bool is_left_over(chat_ws *d, leat_slice data) {
  leat_slice id;
  if (!d->turn.later || d->base.choice_count) return false;
  if (lti_slice_starts(data, "[DONE]")) {
    bool first = !d->done_passed;
    d->done_passed = true;
    return first;
  }
  return d->before && lti_json_find(data, "/id", &id) && id.size > 2 && *id.data == '"' &&
         lti_openai_hash(lti_slice(id.data + 1, id.size - 2)) == d->before && !goes_on(data);
}

/* What the record just read makes of the turn. */
static int judge(chat_ws *d) {
  const lti_openai *b = &d->base;
  if (!b->choice_count || b->unfinished) return LTI_OK;
  if (b->choice_count < d->turn.choices && (b->had_choices || !d->usage)) return LTI_OK;
  if (d->turn.usage && !d->usage) return LTI_AGAIN;
  d->base.ended = true;
  return LTI_STOPPED;
}

static int record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit) {
  chat_ws *d = decoder;
  if (d->base.ended) return LTI_STOPPED;
  leat_slice text = data;
  while (text.size && memchr(" \t\r\n", *text.data, 4)) text = lti_slice_from(text, 1);
  if (is_left_over(d, text)) return LTI_OK;
  d->emit = emit;
  d->usage = d->base.had_choices = false;
  int rc = lti_openai_record(&d->base, type, text, &d->filter);
  return rc == LTI_OK ? judge(d) : rc;
}

static int body(void *decoder, leat_slice frames, lti_emit *emit) {
  return lti_frames_body(record, decoder, frames, emit);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static track *find_track(chat_ws *d, const leat_event *event) {
  uint32_t tool = event->kind == LEAT_EVENT_TOOL_CALL ? event->tool_call.index : 0;
  for (uint32_t i = 0; i < d->track_count; i++) {
    track *t = &d->tracks[i];
    if (t->kind == event->kind && t->choice == event->choice && t->tool == tool) return t;
  }
  if (d->track_count == d->track_room) {
    uint32_t room = d->track_room ? d->track_room * 2 : 2;
    track *fresh = room > TRACKS_MAX
                       ? NULL
                       : lti_alloc_grow(d->base.alloc, d->tracks, d->track_room * sizeof *fresh,
                                        room * sizeof *fresh);
    if (!fresh) return NULL;
    d->tracks = fresh;
    d->track_room = room;
  }
  track *t = &d->tracks[d->track_count++];
  *t = (track){.choice = event->choice, .tool = tool, .kind = event->kind, .hash = FNV_BASIS};
  return t;
}

static uint64_t hash_on(uint64_t hash, leat_slice bytes) {
  for (size_t i = 0; i < bytes.size; i++) hash = (hash ^ (unsigned char)bytes.data[i]) * FNV_PRIME;
  return hash;
}

/* Takes off what was told before. */
static void cut_repetition(track *t, bool whole, leat_slice *text) {
  if (whole && t->size && text->size && !t->pieces) {
    bool repeats = text->size >= t->size &&
                   hash_on(FNV_BASIS, lti_slice(text->data, (size_t)t->size)) == t->hash;
    t->pieces = !repeats;
    if (repeats) *text = lti_slice_from(*text, (size_t)t->size);
  }
  t->hash = hash_on(t->hash, *text);
  t->size += text->size;
}

static int filter(lti_emit *emit, leat_event *event) {
  chat_ws *d = LTI_CONTAINER_OF(emit, chat_ws, filter);
  bool call = event->kind == LEAT_EVENT_TOOL_CALL;
  bool text = event->kind == LEAT_EVENT_TEXT || event->kind == LEAT_EVENT_REASONING ||
              event->kind == LEAT_EVENT_REFUSAL;
  if (event->kind == LEAT_EVENT_USAGE) {
    d->usage = true;
    if (d->led && d->turn.later && !d->base.choice_count) return LTI_OK;
  }
  leat_slice *piece = call ? &event->tool_call.arguments : text ? &event->text : NULL;
  if (piece && piece->size) {
    track *t = find_track(d, event);
    if (!t) return d->track_room >= TRACKS_MAX ? LEAT_EDECODE : LEAT_ENOMEM;
    cut_repetition(t, d->base.whole, piece);
    bool silent = !event->logprobs.size &&
                  !(call && (event->tool_call.id.size || event->tool_call.name.size));
    if (!piece->size && silent) return LTI_OK;
  }
  return d->emit->event(d->emit, event);
}

static int flush(void *decoder, lti_emit *emit) {
  chat_ws *d = decoder;
  return lti_openai_flush(&d->base, emit);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void closed(void *decoder, unsigned code, leat_slice reason) {
  chat_ws *d = decoder;
  if (code < 4000) return;
  lti_buf_clear(&d->close_text);
  d->closed.set = true;
  if (code == 4001) d->closed.type = lti_slice_of("gateway_error");
  if (lti_buf_format(&d->close_text, "%u%.*s", code, (int)reason.size, reason.data) != LTI_OK) {
    return;
  }
  d->closed.code = lti_slice(d->close_text.data, 4);
  d->closed.message = lti_slice(d->close_text.data + 4, d->close_text.size - 4);
}

static void verdict(void *decoder, lti_verdict *v) {
  const chat_ws *d = decoder;
  lti_openai_verdict(decoder, v);
  if (v->error != LEAT_EINCOMPLETE || !d->closed.set) return;
  v->error = LEAT_EAPI;
  v->provider = d->closed;
}

const lti_protocol lti_chat_ws = {
    .name = "chat-ws",
    .path = "/chat/ws",
    .end_marker = "turn",
    .socket = &(const lti_protocol_socket){.key_header = "x-api-key"},
    .encode = encode,
    .inspect = lti_openai_inspect,
    .decoder_size = sizeof(chat_ws),
    .decoder_init = init,
    .decoder_deinit = deinit,
    .record = record,
    .stray = lti_openai_stray,
    .body = body,
    .flush = flush,
    .verdict = verdict,
    .response = lti_openai_response,
    .begin = begin,
    .closed = closed,
};
