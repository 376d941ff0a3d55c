/* The history of a conversation: see talk.h. An answer grows piece by piece at the end of the
 * buffer until the next question is put behind it. */
#include "talk.h"

#include <stdlib.h>

#include "bindings/cli/program.h"

#define KEPT ((size_t)64 << 10)

void talk_init(talk_history *h) {
  *h = (talk_history){.failed = LEAT_OK};
  lti_buf_init(&h->said, cli_program_alloc(), TALK_BYTES_MAX, LEAT_EBODYMAX);
}

void talk_deinit(talk_history *h) {
  lti_buf_deinit(&h->said);
  free(h->ends);
}

bool talk_reset(talk_history *h, uint32_t turns) {
  lti_buf_clear(&h->said);
  lti_buf_shrink(&h->said, KEPT);
  h->count = 0;
  h->failed = LEAT_OK;
  if (2 * turns <= h->room) return true;
  size_t *ends = realloc(h->ends, 2 * (size_t)turns * sizeof *ends);
  if (!ends) return false;
  h->ends = ends;
  h->room = 2 * turns;
  return true;
}

int talk_ask(talk_history *h, leat_slice question) {
  if (h->failed) return h->failed;
  if (h->count % 2 == 1) h->ends[h->count++] = h->said.size;
  int r = h->count < h->room ? lti_buf_append(&h->said, question) : LEAT_EBODYMAX;
  if (r == LEAT_OK) h->ends[h->count++] = h->said.size;
  return r;
}

void talk_answer(talk_history *h, leat_slice piece) {
  if (h->failed == LEAT_OK) h->failed = lti_buf_append(&h->said, piece);
}

static leat_slice piece_at(const talk_history *h, uint32_t i) {
  size_t from = i ? h->ends[i - 1] : 0;
  return lti_slice(h->said.data + from, h->ends[i] - from);
}

size_t talk_messages(const talk_history *h, leat_message *messages) {
  size_t n = 0;
  for (uint32_t i = 0; i < h->count; i++) {
    leat_slice text = piece_at(h, i);
    if (i % 2 == 1 && text.size == 0) continue;
    messages[n++] = (leat_message){.role = i % 2 ? "assistant" : "user", .text = text};
  }
  return n;
}

int talk_prompt(const talk_history *h, lti_buf *out) {
  int r = LEAT_OK;
  for (uint32_t i = 0; r == LEAT_OK && i < h->count; i++) {
    if (i) r = lti_buf_text(out, "\n\n");
    if (r == LEAT_OK) r = lti_buf_append(out, piece_at(h, i));
  }
  return r;
}
