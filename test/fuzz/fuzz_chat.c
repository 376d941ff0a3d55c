/* Fuzzes the reading side of an answer with each dialect of HTTP: form, splitter and decoder.
 *
 *   byte 0      bit 0: the second dialect of a pair   bit 1: want_raw   bit 2: the sink stops at
 *               every event   bits 3-7: bytes a feed in the third run, plus one
 *   byte 1      bits 0-4: which allocation fails in the fourth run   bits 5-7: the pair
 *   the rest    the body
 *
 * The same body is read whole, byte by byte and in pieces: the events, the verdict and the
 * provider's error must be the same each time. Every text must be valid UTF-8, and no event may
 * come behind the end. With a failed allocation only a crash is a finding. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/answer.h"

#define BYTES_MAX 8192 /* above this, byte by byte is left out */
#define LIMIT     ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* What came out of a run, as one number. */
typedef struct outcome {
  uint64_t digest;
  int error;
  bool over; /* no event may come any more */
  bool stops;
} outcome;

typedef struct script {
  leat_slice body;
  size_t piece;
  const lti_protocol *protocol;
  bool want_raw, stops;
  const leat_allocator *allocator;
} script;

static void mix(outcome *o, leat_slice bytes, bool text) {
  if (text && !lti_slice_is_utf8(bytes)) abort();
  for (size_t i = 0; i < bytes.size; i++) {
    o->digest = (o->digest ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
  }
  o->digest = (o->digest ^ bytes.size) * UINT64_C(0x100000001b3);
}

static void mix_number(outcome *o, uint64_t number) {
  o->digest = (o->digest ^ number) * UINT64_C(0x100000001b3);
}

static void mix_event(outcome *o, const leat_event *event) {
  switch (event->kind) {
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL: mix(o, event->text, true); break;
    case LEAT_EVENT_FINISH:
      mix(o, event->finish_reason, true);
      mix(o, event->finish_detail, true);
      break;
    case LEAT_EVENT_SIGNATURE: mix(o, event->text, true); break;
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_RAW: mix(o, event->text, false); break;
    case LEAT_EVENT_USAGE:
      mix_number(o, (uint64_t)event->usage.input);
      mix_number(o, (uint64_t)event->usage.cached);
      break;
    case LEAT_EVENT_TOOL_CALL:
      mix_number(o, event->tool_call.index);
      mix(o, event->tool_call.id, true);
      mix(o, event->tool_call.name, true);
      mix(o, event->tool_call.arguments, true);
      break;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO:
      mix(o, event->media.data, true);
      mix(o, event->media.url, true);
      mix(o, event->media.mime_type, true);
      mix(o, event->media.transcript, true);
      mix(o, event->media.id, true);
      break;
    case LEAT_EVENT_HEAD: abort();
  }
}

static int on_event(void *ctx, leat_event *event) {
  outcome *o = ctx;
  if (o->over) abort();
  mix_number(o, (uint64_t)event->kind << 32 | event->choice);
  mix_event(o, event);
  mix(o, event->logprobs, false);
  mix(o, event->response->id, true);
  mix(o, event->response->model, true);
  mix(o, event->response->role, true);
  return o->stops ? LTI_STOPPED : LTI_OK;
}

/* Each piece lies in a block of its own, which is gone when the next one comes. */
static int feed_piece(lti_answer *a, leat_slice piece) {
  char *block = malloc(piece.size);
  size_t done = 0, taken;
  int rc = LTI_OK;
  if (!block) abort();
  memcpy(block, piece.data, piece.size);
  while (rc == LTI_OK && done < piece.size) {
    rc = lti_answer_feed(a, lti_slice(block + done, piece.size - done), &taken);
    if (taken > piece.size - done || (rc == LTI_OK && taken != piece.size - done)) abort();
    done += taken;
    if (rc == LTI_STOPPED && !a->ended) rc = LTI_OK;
  }
  free(block);
  return rc;
}

static outcome play(const script *s) {
  static const lti_answer_limits limits = {LIMIT, LIMIT, NULL, NULL};
  outcome o = {.digest = UINT64_C(0xcbf29ce484222325), .stops = s->stops};
  lti_alloc alloc;
  lti_answer a;
  lti_verdict verdict;
  leat_slice rest = s->body;
  lti_answer_sink sink = {on_event, &o};
  lti_alloc_init(&alloc, s->allocator);
  o.error = lti_answer_init(&a, &alloc, s->protocol, &limits, sink);
  if (o.error != LTI_OK) return o;
  a.want_raw = s->want_raw;
  int rc = LTI_OK;
  while (rc == LTI_OK && rest.size) {
    size_t size = rest.size < s->piece ? rest.size : s->piece;
    rc = feed_piece(&a, lti_slice(rest.data, size));
    rest = lti_slice_from(rest, size);
  }
  o.over = a.ended;
  o.error = lti_answer_end(&a, &verdict);
  if (o.error > 0) abort();
  mix(&o, verdict.provider.type, true);
  mix(&o, verdict.provider.code, true);
  mix(&o, verdict.provider.message, true);
  lti_answer_deinit(&a);
  return o;
}

static void compare(const outcome *a, const script *s) {
  outcome b = play(s);
  if (a->digest != b.digest || a->error != b.error) abort();
}

/* ---- memory that ends ------------------------------------------------------------------------ */

static void *meager_malloc(void *user, size_t size) {
  unsigned *left = user;
  return *left && (*left)-- ? malloc(size) : NULL;
}

static void *meager_realloc(void *user, void *ptr, size_t old_size, size_t new_size) {
  unsigned *left = user;
  (void)old_size;
  return *left && (*left)-- ? realloc(ptr, new_size) : NULL;
}

static void meager_free(void *user, void *ptr) {
  (void)user;
  free(ptr);
}

static const lti_protocol *protocol_of(const uint8_t *input) {
  static const char *const names[] = {
      "openai-chat", "openai-completions", "openai-responses", "anthropic",        "gemini",
      "json",        "openai-images",      "openai-speech",    "openai-transcript"};
  size_t i = (size_t)(input[1] >> 5) * 2 + (input[0] & 1u);
  const lti_protocol *p = lti_protocol_find(names[i % (sizeof names / sizeof *names)]);
  if (!p) abort();
  return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  if (size < 2) return 0;
  unsigned left = input[1] & 31;
  const leat_allocator meager = {meager_malloc, meager_realloc, meager_free, &left};
  script s = {.body = {(const char *)input + 2, size - 2}, .piece = SIZE_MAX};
  s.protocol = protocol_of(input);
  s.want_raw = input[0] & 2;
  s.stops = input[0] & 4;
  outcome whole = play(&s);
  s.piece = (size_t)(input[0] >> 3) + 1;
  compare(&whole, &s);
  s.piece = 1;
  if (size <= BYTES_MAX) compare(&whole, &s);
  s.piece = SIZE_MAX;
  s.allocator = &meager;
  play(&s);
  return 0;
}
