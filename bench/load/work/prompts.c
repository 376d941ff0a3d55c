/* Synthetic prompts: see prompts.h. Eight words come out of one random number, and room is made
 * once for all of a prompt, so that a word costs about a nanosecond. */
#include "prompts.h"

#include <math.h>

#include "bindings/cli/program.h"
#include "draw.h"
#include "words.h"

#define PREFIX_MAX   ((size_t)64 << 20)
#define ID_FIRST     100
#define ID_DIGITS    8 /* a comma and the digits of an id */
#define OWN_WORDS    5 /* the number of a prompt in words: 2^40 of them */
#define OWN_IDS      3
#define SHARED_PLACE UINT64_MAX /* what stands for an index where nothing of one's own is said */

/* Where the units (words or ids) of one prompt go. */
typedef struct writing {
  const prompts *p;
  lti_buf *out; /* with room for all */
  bool first;
  int64_t left; /* units to come */
} writing;

void prompts_init(prompts *p, uint64_t seed) {
  *p = (prompts){.seed = seed, .vocabulary = 30000, .turns = 1, .each = 1};
  lti_buf_init(&p->prefix, cli_program_alloc(), PREFIX_MAX, LEAT_EBODYMAX);
}

void prompts_deinit(prompts *p) {
  lti_buf_deinit(&p->prefix);
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

static void put_word(writing *w, unsigned which) {
  lti_buf *out = w->out;
  memcpy(out->data + out->size, words_text + which * WORDS_STRIDE, WORDS_STRIDE);
  out->size += WORDS_STRIDE;
}

static void put_id(writing *w, uint32_t id) {
  char digits[ID_DIGITS];
  lti_buf *out = w->out;
  size_t n = sizeof digits;
  do digits[--n] = (char)('0' + id % 10);
  while (id /= 10);
  if (!w->first) out->data[out->size++] = ',';
  w->first = false;
  memcpy(out->data + out->size, digits + n, sizeof digits - n);
  out->size += sizeof digits - n;
}

static uint32_t id_count(const prompts *p) {
  return p->vocabulary - ID_FIRST;
}

/* `count` units as chance has them. */
static void put_random(writing *w, uint64_t seed, int64_t count) {
  lti_prng chance;
  lti_prng_seed(&chance, seed);
  if (count > w->left) count = w->left;
  w->left -= count;
  if (w->p->ids) {
    uint32_t range = id_count(w->p);
    for (; count > 0; count--)
      put_id(w, ID_FIRST + (uint32_t)((lti_prng_next(&chance) >> 32) * range >> 32));
    return;
  }
  uint64_t bits = 0;
  for (int64_t i = 0; i < count; i++, bits >>= 8) {
    if (i % 8 == 0) bits = lti_prng_next(&chance);
    put_word(w, bits & 0xff);
  }
}

/* ---- parts */

/* The number of this prompt, shuffled, in the base of the units, the highest digit first. */
static void put_number(writing *w, const prompts_wish *wish) {
  const prompts *p = w->p;
  uint64_t base = p->ids ? id_count(p) : WORDS_COUNT, space = 1;
  int64_t digits = p->ids ? OWN_IDS : OWN_WORDS;
  if (digits > w->left) digits = w->left;
  if (digits == 0) return;
  for (int64_t i = 0; i < digits; i++) space *= base;
  uint64_t number = wish->index * p->turns + wish->turn;
  uint64_t place = draw_distinct(p->seed, number, space);
  w->left -= digits;
  for (int64_t i = 0; i < digits; i++) {
    space /= base;
    uint32_t digit = (uint32_t)(place / space % base);
    if (p->ids)
      put_id(w, ID_FIRST + digit);
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
    memcpy(w->out->data + w->out->size, p->prefix.data, size);
    w->out->size += size;
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
  if (p->ids || p->prefix_words <= 0) return true;
  if (lti_buf_reserve(&p->prefix, (size_t)p->prefix_words * WORDS_STRIDE) != LEAT_OK) return false;
  writing w = {.p = p, .out = &p->prefix, .left = p->prefix_words};
  put_random(&w, draw_mix(p->seed, SHARED_PLACE), p->prefix_words);
  return true;
}

int prompts_write(const prompts *p, const prompts_wish *wish, lti_buf *out) {
  writing w = {.p = p, .out = out, .first = true, .left = prompts_words(p, wish->tokens)};
  size_t unit = p->ids ? ID_DIGITS : WORDS_STRIDE;
  int r = lti_buf_reserve(out, (size_t)w.left * unit + 2);
  if (r != LEAT_OK) return r;
  if (p->ids) out->data[out->size++] = '[';
  put_shared(&w);
  put_blocks(&w, wish->blocks);
  put_number(&w, wish);
  put_random(&w, draw_mix(draw_mix(p->seed, wish->index), wish->turn), w.left);
  if (p->ids)
    out->data[out->size++] = ']';
  else
    out->size--; /* the blank behind the last word */
  return LEAT_OK;
}
