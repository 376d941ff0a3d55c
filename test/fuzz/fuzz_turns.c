/* Fuzzes the decoders of the dialects that are spoken over sockets.
 *
 *   byte 0      bits 0-1: the dialect   bit 2: it is a turn of ours   bit 3: a later one
 *               bit 4: usage was asked for   bits 5-6: choices that were asked for
 *   byte 1      which allocation fails in the second run
 *   the rest    messages, one a line
 *
 * Every text must be valid UTF-8, and no event may come behind the end. With a failed allocation
 * only a crash is a finding. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct sink {
  lti_emit emit;
  bool over;
} sink;

static void look(leat_slice text) {
  if (!lti_slice_is_utf8(text)) abort();
}

static int on_event(lti_emit *emit, leat_event *event) {
  sink *s = LTI_CONTAINER_OF(emit, sink, emit);
  if (s->over) abort();
  switch (event->kind) {
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL: look(event->text); break;
    case LEAT_EVENT_FINISH: look(event->finish_reason); break;
    case LEAT_EVENT_TOOL_CALL:
      look(event->tool_call.id);
      look(event->tool_call.name);
      look(event->tool_call.arguments);
      break;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO:
      look(event->media.data);
      look(event->media.url);
      look(event->media.mime_type);
      look(event->media.transcript);
      look(event->media.id);
      break;
    case LEAT_EVENT_USAGE: break;
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_HEAD: abort();
  }
  return LTI_OK;
}

static int play_one(const lti_protocol *p, void *decoder, leat_slice line, sink *s) {
  char *block = malloc(line.size + 1);
  if (!block) abort();
  memcpy(block, line.data, line.size);
  int rc = p->record(decoder, lti_slice(NULL, 0), lti_slice(block, line.size), &s->emit);
  free(block);
  if (rc == LTI_STOPPED) s->over = true;
  return rc;
}

static void play(const lti_protocol *p, const lti_protocol_turn *turn, leat_slice rest,
                 const leat_allocator *allocator) {
  sink s = {.emit = {on_event}};
  lti_alloc alloc;
  lti_verdict verdict;
  int rc = LTI_OK;
  lti_alloc_init(&alloc, allocator);
  void *decoder = lti_alloc_zero(&alloc, p->decoder_size);
  if (!decoder) return;
  lti_buf scratch;
  lti_protocol_scratch(&scratch, &alloc);
  p->decoder_init(decoder, &alloc, &scratch);
  if (turn) p->begin(decoder, turn);
  while (rest.size && (rc == LTI_OK || rc == LTI_AGAIN || rc == LTI_STOPPED)) {
    const char *end = memchr(rest.data, '\n', rest.size);
    size_t line = end ? (size_t)(end - rest.data) : rest.size;
    rc = play_one(p, decoder, lti_slice(rest.data, line), &s);
    rest = lti_slice_from(rest, line + (end ? 1 : 0));
  }
  if (p->closed) p->closed(decoder, 4001, lti_slice_of("reason"));
  p->verdict(decoder, &verdict);
  look(verdict.provider.type);
  look(verdict.provider.code);
  look(verdict.provider.message);
  look(p->response(decoder)->id);
  p->decoder_deinit(decoder);
  lti_buf_deinit(&scratch);
  lti_alloc_put(&alloc, decoder);
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

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static const char *const names[] = {"chat-ws", "responses-ws", "realtime", "realtime-beta"};
  if (size < 2) return 0;
  unsigned left = input[1];
  const leat_allocator meager = {meager_malloc, meager_realloc, meager_free, &left};
  const lti_protocol *p = lti_protocol_find(names[input[0] & 3]);
  lti_protocol_turn turn = {.usage = input[0] & 16, .choices = input[0] >> 5 & 3};
  turn.later = input[0] & 8;
  if (turn.later) turn.before = lti_slice_of("r0");
  leat_slice messages = lti_slice((const char *)input + 2, size - 2), rest = messages, frame;
  const lti_protocol_turn *led = input[0] & 4 ? &turn : NULL;
  play(p, led, messages, NULL);
  play(p, led, messages, &meager);
  for (size_t before = SIZE_MAX; lti_protocol_frame(&rest, &frame); before = rest.size) {
    if (rest.size >= before || !frame.size) abort();
  }
  lti_encoded encoded;
  p->inspect(messages, &encoded);
  return 0;
}
