/* Synthetic prompts: see prompts.h. Eight words come out of one random number, ids are spelled once
 * for all, and room is made once for all of a prompt: so a word costs two nanoseconds, and an id
 * five. */
#include "prompts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/cli/program.h"
#include "draw.h"
#include "words.h"

#define PREFIX_MAX   ((size_t)64 << 20)
#define ID_FIRST     100
#define OWN_WORDS    5 /* the number of a prompt in words: 2^40 of them */
#define OWN_IDS      3
#define SHARED_PLACE UINT64_MAX /* what stands for an index where nothing of one's own is said */

/* Where the units (words or ids) of one prompt go: there is room for all. */
typedef struct writing {
  const prompts *p;
  char *at;
  int64_t left; /* units to come */
} writing;

void prompts_init(prompts *p, uint64_t seed) {
  *p = (prompts){.seed = seed, .vocabulary = 30000, .turns = 1, .each = 1};
  lti_buf_init(&p->prefix, cli_program_alloc(), PREFIX_MAX, LEAT_EBODYMAX);
}

void prompts_deinit(prompts *p) {
  lti_buf_deinit(&p->prefix);
  free(p->spelled);
  p->spelled = NULL;
}

int64_t prompts_words(const prompts *p, int64_t tokens) {
  if (p->ids) return tokens;
  double words = round(((double)tokens - p->fixed) / p->each);
  return words < 1 ? 1 : (int64_t)words;
}

/* Words of a part that is told in tokens, and which no prompt's fixed cost is a part of. */
static int64_t part_words(const prompts *p, int64_t tokens) {
  return p->ids ? tokens : llround((double)tokens / p->each);
}

/* ---- units */

static uint32_t id_count(const prompts *p) {
  return p->vocabulary - ID_FIRST;
}

/* ",100" and so on: the comma, at most six digits, and in the last byte how many bytes that is. */
static bool spell_ids(prompts *p) {
  char text[16];
  if (!p->spelled) p->spelled = calloc(id_count(p), sizeof *p->spelled);
  if (!p->spelled) return false;
  for (uint32_t i = 0; i < id_count(p); i++) {
    int n = snprintf(text, sizeof text, ",%u", ID_FIRST + i);
    memcpy(p->spelled[i], text, (size_t)n);
    p->spelled[i][PROMPTS_ID_SIZE - 1] = (char)n;
  }
  return true;
}

static void put_word(writing *w, unsigned which) {
  memcpy(w->at, words_text + which * WORDS_STRIDE, WORDS_STRIDE);
  w->at += WORDS_STRIDE;
}

/* All bytes of the entry, of which the next one overwrites those that were too many. */
static void put_id(writing *w, uint32_t which) {
  const char *spelled = w->p->spelled[which];
  memcpy(w->at, spelled, PROMPTS_ID_SIZE);
  w->at += spelled[PROMPTS_ID_SIZE - 1];
}

static void put_random_ids(writing *w, lti_prng *chance, int64_t count) {
  uint64_t range = id_count(w->p);
  for (; count > 0; count--) put_id(w, (uint32_t)((lti_prng_next(chance) >> 32) * range >> 32));
}

static void put_random_words(writing *w, lti_prng *chance, int64_t count) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < count; i++, bits >>= 8) {
    if (i % 8 == 0) bits = lti_prng_next(chance);
    put_word(w, bits & 0xff);
  }
}

/* `count` units as chance has them. */
static void put_random(writing *w, uint64_t seed, int64_t count) {
  lti_prng chance;
  if (count > w->left) count = w->left;
  if (count <= 0) return;
  w->left -= count;
  lti_prng_seed(&chance, seed);
  if (w->p->ids)
    put_random_ids(w, &chance, count);
  else
    put_random_words(w, &chance, count);
}

/* ---- parts */

/* The number of this prompt, shuffled, in the base of the units, the highest digit first. */
static void put_number(writing *w, const prompts_wish *wish) {
  const prompts *p = w->p;
  uint64_t base = p->ids ? id_count(p) : WORDS_COUNT, space = 1;
  int64_t most = p->ids ? OWN_IDS : OWN_WORDS, digits = 0;
  if (most > w->left) most = w->left;
  for (; digits < most && space <= DRAW_SPACE_MAX / base; digits++) space *= base;
  if (digits == 0) return;
  uint64_t number = wish->index * p->turns + wish->turn;
  uint64_t place = draw_distinct(p->seed, number, space);
  w->left -= digits;
  for (int64_t i = 0; i < digits; i++) {
    space /= base;
    uint32_t digit = (uint32_t)(place / space % base);
    if (p->ids)
      put_id(w, digit);
    else
      put_word(w, digit);
  }
}

/* What all share, which costs a copy. */
static void put_shared(writing *w) {
  const prompts *p = w->p;
  int64_t count = p->prefix_words < w->left ? p->prefix_words : w->left;
  if (p->ids) {
    put_random(w, draw_mix(p->seed, SHARED_PLACE), count);
  } else if (count > 0) {
    size_t size = (size_t)count * WORDS_STRIDE;
    memcpy(w->at, p->prefix.data, size);
    w->at += size;
    w->left -= count;
  }
}

/* Each block as its name has it; the last one goes on to the prompt's end. */
static void put_blocks(writing *w, leat_slice names) {
  int64_t count = part_words(w->p, PROMPTS_BLOCK);
  uint64_t seed = draw_mix(w->p->seed, SHARED_PLACE - 1);
  while (names.size > 0 && w->left > 0) {
    const char *comma = memchr(names.data, ',', names.size);
    size_t size = comma ? (size_t)(comma - names.data) : names.size;
    put_random(w, draw_hash(seed, lti_slice(names.data, size)),
               !comma      ? w->left
               : count > 0 ? count
                           : 1);
    names = lti_slice_from(names, comma ? size + 1 : size);
  }
}

bool prompts_share(prompts *p) {
  lti_buf_clear(&p->prefix);
  p->prefix_words = part_words(p, p->shared);
  if (p->ids) return spell_ids(p);
  if (p->prefix_words <= 0) return true;
  if (lti_buf_reserve(&p->prefix, (size_t)p->prefix_words * WORDS_STRIDE) != LEAT_OK) return false;
  writing w = {.p = p, .at = p->prefix.data, .left = p->prefix_words};
  put_random(&w, draw_mix(p->seed, SHARED_PLACE), p->prefix_words);
  p->prefix.size = (size_t)(w.at - p->prefix.data);
  return true;
}

int prompts_write(const prompts *p, const prompts_wish *wish, lti_buf *out) {
  int64_t units = prompts_words(p, wish->tokens);
  size_t unit = p->ids ? PROMPTS_ID_SIZE : WORDS_STRIDE;
  int r = lti_buf_reserve(out, (size_t)units * unit + 2);
  if (r != LEAT_OK) return r;
  char *from = out->data + out->size;
  writing w = {.p = p, .at = from, .left = units};
  put_shared(&w);
  put_blocks(&w, wish->blocks);
  put_number(&w, wish);
  put_random(&w, draw_mix(draw_mix(p->seed, wish->index), wish->turn), w.left);
  if (p->ids) {
    *from = '['; /* where the first comma stood */
    *w.at++ = ']';
  } else {
    w.at--; /* the blank behind the last word */
  }
  out->size = (size_t)(w.at - out->data);
  return LEAT_OK;
}
