/* Synthetic prompts of a wished number of tokens: words, or token ids as a JSON array.
 *
 * A prompt is made of parts, one behind the other: what all share; what a replay says that some
 * share, block by block; and its own, which begins with its number in the base of the words, so
 * that no two prompts are alike as long as they have a few words of their own, and no server finds
 * a prefix of one in its cache. Words are worth what calibration found: tokens = fixed + each *
 * words. Ids are what they are. */
#ifndef LOAD_PROMPTS_H
#define LOAD_PROMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define PROMPTS_ID_SIZE 8
#define PROMPTS_BLOCK   512 /* tokens of a block of a replay's hashes, as Mooncake has them */

typedef struct prompts {
  uint64_t seed;
  bool ids;            /* token ids instead of words */
  uint32_t vocabulary; /* ids are drawn from 100 to here */
  uint32_t turns;      /* of a conversation, at most */
  int64_t shared;      /* tokens that all prompts begin with */
  double fixed,
      each; /* tokens of a prompt without words, and of a word: 0 and 1 until calibrated */
  char (*spelled)[PROMPTS_ID_SIZE]; /* the ids as texts; NULL until prompts_share */
  lti_buf prefix; /* the words that all prompts begin with; empty until prompts_share */
  int64_t prefix_words;
} prompts;

typedef struct prompts_wish {
  uint64_t index;
  uint32_t turn;
  int64_t tokens;
  leat_slice blocks; /* names of blocks that other prompts may have, commas between; empty: none */
} prompts_wish;

void prompts_init(prompts *p, uint64_t seed);
void prompts_deinit(prompts *p);
/* Makes what all share: due before the first prompt of ids, or with something shared, and again
 * whenever `each` has changed. False: no memory. */
bool prompts_share(prompts *p);
/* How many words make so many tokens; at least 1. */
int64_t prompts_words(const prompts *p, int64_t tokens);
/* Appends the prompt. An error of the buffer's. */
int prompts_write(const prompts *p, const prompts_wish *wish, lti_buf *out);

#endif
