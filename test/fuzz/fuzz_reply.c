/* Fuzzes typed replies: all groups, jobs with and without a form of their own, the items of a
 * batch, and log probabilities.
 *
 *   byte 0      bits 0-3: the group   bit 4: with a form   bits 5-7: nothing
 *   byte 1      which allocation fails in the second run
 *   the rest    the body
 *
 * Whatever a reply shows is looked at byte by byte: every text must be valid UTF-8, every view must
 * lie in memory that is there, and every row of floats must be aligned. Reading the same body twice
 * must say the same. With a failed allocation there may only be no reply. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static const leat_task_form own_form = {
    .struct_size = sizeof own_form,
    .name = "own",
    .id = "/job/id /0/id",
    .status = "/job/state",
    .progress = "/job/done",
    .urls = "/job/files /files",
    .text = "/job/words",
    .error_code = "/job/code",
    .error_message = "/job/why",
    .batch_items = "/jobs /data/0",
    .good_codes = "7 fine",
    .done_words = "over",
    .failed_words = "lost",
    .input_words = "asks",
};

static void mix(uint64_t *digest, leat_slice text, bool utf8) {
  if (utf8 && !lti_slice_is_utf8(text)) abort();
  for (size_t i = 0; i < text.size; i++)
    *digest = (*digest ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
  *digest = (*digest ^ text.size) * UINT64_C(0x100000001b3);
}

static void mix_number(uint64_t *digest, double number) {
  mix(digest, lti_slice((const char *)&number, sizeof number), false);
}

static void mix_pieces(uint64_t *digest, const leat_transcript_piece *p, size_t count) {
  for (size_t i = 0; i < count; i++) {
    mix_number(digest, p[i].start_s);
    mix_number(digest, p[i].end_s);
    mix(digest, p[i].text, true);
    mix(digest, p[i].speaker, true);
  }
}

static void mix_task(uint64_t *digest, const leat_task_reply *t) {
  mix_number(digest, t->state);
  mix_number(digest, t->progress);
  if (t->progress < -1 || t->progress > 100) abort();
  mix(digest, t->id, true);
  mix(digest, t->status, true);
  mix(digest, t->text, true);
  for (size_t i = 0; i < t->url_count; i++) mix(digest, t->urls[i], true);
  for (size_t i = 0; i < t->stem_count; i++) {
    mix(digest, t->stems[i].name, true);
    mix(digest, t->stems[i].value, true);
  }
  mix_pieces(digest, t->lines, t->line_count);
}

static void mix_stored(uint64_t *digest, const leat_stored *s) {
  const leat_slice texts[] = {s->id,         s->name,        s->purpose,   s->status,
                              s->input_file, s->output_file, s->error_file};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) mix(digest, texts[i], true);
  mix_number(digest, (double)s->bytes);
  mix_number(digest, (double)s->created);
}

static void mix_moderation(uint64_t *digest, const leat_moderation *m) {
  mix_number(digest, m->flagged);
  for (size_t i = 0; i < m->category_count; i++) {
    mix(digest, m->categories[i].name, true);
    mix_number(digest, m->categories[i].score);
    mix_number(digest, m->categories[i].flagged);
  }
}

static void mix_embedding(uint64_t *digest, const leat_embedding *e) {
  if ((uintptr_t)e->values % 16) abort();
  mix_number(digest, e->index);
  mix(digest, lti_slice((const char *)e->values, e->size * sizeof *e->values), false);
}

static void mix_image(uint64_t *digest, const leat_image *image) {
  mix(digest, image->url, true);
  mix(digest, image->base64, true);
  mix(digest, image->mime_type, true);
  mix(digest, image->revised_prompt, true);
}

static void mix_model(uint64_t *digest, const leat_model *model) {
  mix(digest, model->id, true);
  mix(digest, model->owned_by, true);
  mix(digest, model->name, true);
  mix_number(digest, (double)model->created);
}

static void mix_item(uint64_t *digest, const leat_reply *r, size_t i) {
  switch (r->group) {
    case LEAT_REPLY_IMAGES: mix_image(digest, &r->images[i]); break;
    case LEAT_REPLY_EMBEDDINGS: mix_embedding(digest, &r->embeddings[i]); break;
    case LEAT_REPLY_MODELS: mix_model(digest, &r->models[i]); break;
    case LEAT_REPLY_MODERATION: mix_moderation(digest, &r->moderations[i]); break;
    case LEAT_REPLY_RERANK:
      mix(digest, r->ranks[i].document, true);
      mix_number(digest, r->ranks[i].score);
      break;
    case LEAT_REPLY_FILES:
    case LEAT_REPLY_BATCHES: mix_stored(digest, &r->stored[i]); break;
    case LEAT_REPLY_TASK: mix_task(digest, r->task); break;
    case LEAT_REPLY_TOKENS: mix_number(digest, (double)r->tokens); break;
    case LEAT_REPLY_TRANSCRIPT:
      mix(digest, r->transcript->text, true);
      mix(digest, r->transcript->language, true);
      mix(digest, r->transcript->plain, true);
      mix_pieces(digest, r->transcript->segments, r->transcript->segment_count);
      mix_pieces(digest, r->transcript->words, r->transcript->word_count);
      break;
    case LEAT_REPLY_NONE:
    case LEAT_REPLY_ERROR: abort(); /* they have no items */
  }
}

/* What a reply says, as one number; 0: there is none. */
static uint64_t digest_of(enum leat_reply_group group, leat_slice body, const leat_task_form *form,
                          const leat_allocator *allocator) {
  uint64_t digest = UINT64_C(0xcbf29ce484222325);
  leat_reply *r;
  int rc = leat_reply_read(group, body, form, allocator, &r);
  if ((rc == LEAT_OK) != (r != NULL)) abort();
  if (rc != LEAT_OK && rc != LEAT_EDECODE && rc != LEAT_ENOMEM && rc != LEAT_EINVAL) abort();
  if (!r) return 0;
  const leat_slice texts[] = {r->id,          r->model,         r->error.type,      r->error.code,
                              r->error.param, r->error.message, r->error.request_id};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) mix(&digest, texts[i], true);
  for (size_t i = 0; i < r->count; i++) mix_item(&digest, r, i);
  leat_reply_free(r);
  return digest;
}

/* ---- memory that ends */

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

/* ---- walks */

static void walk_logprobs(leat_slice json, int depth) {
  leat_logprobs walk;
  leat_logprob one;
  uint64_t digest = 0;
  size_t count = 0;
  int rc;
  leat_logprobs_init(&walk, json);
  while ((rc = leat_logprobs_next(&walk, &one)) == 1) {
    mix(&digest, one.token, true);
    mix(&digest, one.bytes, false);
    if (++count > json.size) abort();
    if (depth < 2) walk_logprobs(one.top, depth + 1);
  }
  if (leat_logprobs_next(&walk, &one) != rc) abort();
}

static void walk_items(const leat_task_form *form, leat_slice json) {
  leat_slice rest, item;
  size_t count = 0;
  if (!lti_protocol_items(form, json, &rest)) return;
  while (lti_protocol_item(&rest, &item)) {
    if (item.data < json.data || item.data + item.size > json.data + json.size) abort();
    if (item.size == 0 || ++count > json.size) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  if (size < 2) return 0;
  unsigned left = input[1];
  const leat_allocator meager = {meager_malloc, meager_realloc, meager_free, &left};
  enum leat_reply_group group = (enum leat_reply_group)(input[0] & 15);
  const leat_task_form *form = input[0] & 16 ? &own_form : NULL;
  char *block = malloc(size - 2 ? size - 2 : 1);
  if (!block) abort();
  memcpy(block, input + 2, size - 2);
  leat_slice body = lti_slice(block, size - 2);
  uint64_t first = digest_of(group, body, form, NULL);
  if (digest_of(group, body, form, NULL) != first) abort();
  digest_of(group, body, form, &meager);
  walk_items(form, body);
  walk_logprobs(body, 0);
  free(block);
  return 0;
}
