/* A set of names that keeps only their hashes: open addressing, never more than half full, 0 being
 * an empty slot. */
#include <stdlib.h>
#include <sys/random.h>

#include "base/map.h"
#include "batch.h"

#define CAPACITY_FIRST 1024

bool cli_batch_names_init(cli_batch_names *n) {
  n->count = 0;
  n->capacity = CAPACITY_FIRST;
  n->slots = calloc(n->capacity, sizeof *n->slots);
  return n->slots && getrandom(n->seed, sizeof n->seed, 0) == (ssize_t)sizeof n->seed;
}

void cli_batch_names_free(cli_batch_names *n) {
  free(n->slots);
  n->slots = NULL;
}

static uint64_t hash_of(const cli_batch_names *n, leat_slice name) {
  uint64_t hash = lti_hash(n->seed, name);
  return hash ? hash : 1;
}

/* Where it is, or would be. */
static size_t place_of(const uint64_t *slots, size_t capacity, uint64_t hash) {
  size_t at = (size_t)hash & (capacity - 1);
  while (slots[at] && slots[at] != hash) at = (at + 1) & (capacity - 1);
  return at;
}

bool cli_batch_names_have(const cli_batch_names *n, leat_slice name) {
  return n->slots[place_of(n->slots, n->capacity, hash_of(n, name))] != 0;
}

static bool grow(cli_batch_names *n) {
  uint64_t *slots = calloc(n->capacity * 2, sizeof *slots);
  if (!slots) return false;
  for (size_t i = 0; i < n->capacity; i++)
    if (n->slots[i]) slots[place_of(slots, n->capacity * 2, n->slots[i])] = n->slots[i];
  free(n->slots);
  n->slots = slots;
  n->capacity *= 2;
  return true;
}

int cli_batch_names_add(cli_batch_names *n, leat_slice name) {
  if (n->count * 2 >= n->capacity && !grow(n)) return -1;
  uint64_t hash = hash_of(n, name);
  size_t at = place_of(n->slots, n->capacity, hash);
  if (n->slots[at]) return 0;
  n->slots[at] = hash;
  n->count++;
  return 1;
}
