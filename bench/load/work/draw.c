/* Seeded chance: see draw.h. Bijections are computed, not stored: a list of a hundred million lines
 * is shuffled without a table. */
#include "draw.h"

#include <assert.h>
#include <math.h>

#include "bindings/cli/say.h"
#include "bindings/cli/values.h"

#define ROUNDS      4
#define NUMBER_SIZE 64

/* splitmix64's finish. */
static uint64_t stirred(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

uint64_t draw_mix(uint64_t a, uint64_t b) {
  return stirred(stirred(a + UINT64_C(0x9e3779b97f4a7c15)) ^ b);
}

uint64_t draw_hash(uint64_t seed, leat_slice bytes) {
  uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < bytes.size; i++)
    hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
  return stirred(hash);
}

/* One number of the pair, at `text`. */
static bool read_number(leat_slice text, double *value) {
  char copy[NUMBER_SIZE];
  if (text.size == 0 || text.size >= sizeof copy) return false;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  return cli_values_real(copy, value);
}

bool draw_length_read(draw_length *l, const char *option, const char *text) {
  *l = (draw_length){0, 0};
  if (!text) return true;
  const char *comma = strchr(text, ',');
  leat_slice mean = comma ? lti_slice(text, (size_t)(comma - text)) : lti_slice_of(text);
  bool fine = read_number(mean, &l->mean) &&
              (!comma || read_number(lti_slice_of(comma + 1), &l->sd)) && l->mean >= 1 &&
              l->sd >= 0 && l->mean <= DRAW_TOKENS_MAX && l->sd <= DRAW_TOKENS_MAX;
  if (!fine)
    cli_say("--%s %s: write it as M or M,SD, from 1 to %d tokens", option, text, DRAW_TOKENS_MAX);
  return fine;
}

/* Box and Muller's (1958), one of the two. */
static double normal(lti_prng *chance) {
  double u = 1 - lti_prng_unit(chance), v = lti_prng_unit(chance);
  return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

int64_t draw_length_one(const draw_length *l, lti_prng *chance) {
  double x = l->sd > 0 ? l->mean + l->sd * normal(chance) : l->mean;
  if (x < 1) return 1;
  return x > DRAW_TOKENS_MAX ? DRAW_TOKENS_MAX : (int64_t)llround(x);
}

/* A Feistel network over the next power of four, walked until it comes back into the list: within
 * four steps on average. */
static uint64_t permuted(uint64_t key, uint64_t i, uint64_t count) {
  unsigned half = 1;
  while (half < 32 && UINT64_C(1) << 2 * half < count) half++;
  uint64_t mask = (UINT64_C(1) << half) - 1;
  do {
    uint64_t left = i >> half, right = i & mask;
    for (unsigned round = 0; round < ROUNDS; round++) {
      uint64_t next = left ^ (draw_mix(key + round, right) & mask);
      left = right;
      right = next;
    }
    i = left << half | right;
  } while (i >= count);
  return i;
}

uint64_t draw_distinct(uint64_t seed, uint64_t i, uint64_t space) {
  assert(space > 0 && space <= DRAW_SPACE_MAX);
  return permuted(seed, i % space, space);
}

uint64_t draw_shuffled(uint64_t seed, uint64_t i, uint64_t count) {
  assert(count > 0 && count <= DRAW_SPACE_MAX);
  return permuted(draw_mix(seed, i / count), i % count, count);
}
