/* The hash map: entries that keep their place while they are in, and chains of entry numbers from
 * one head a bucket. Both lie in one block, entries first, as many heads as entries.
 *
 * An entry that stays where it is makes removal free of tombstones and safe during a walk. Free
 * entries form a list through `next` and have no item. Chains stay short because no peer knows the
 * seed (SipHash-1-3, Aumasson and Bernstein 2012) and heads are never fewer than entries. */
#include "map.h"

#include <assert.h>
#include <string.h>

#define NO_ENTRY       UINT32_MAX
#define CAPACITY_FIRST ((size_t)8)
#define CAPACITY_MAX   ((size_t)1 << 30)

struct lti_map_entry {
  leat_slice key;
  void *item; /* NULL: free */
  uint64_t hash;
  uint32_t next;
};

void lti_map_init(lti_map *m, lti_alloc *alloc, const uint64_t seed[2]) {
  memset(m, 0, sizeof *m);
  m->alloc = alloc;
  m->seed[0] = seed[0];
  m->seed[1] = seed[1];
  m->free_first = NO_ENTRY;
}

void lti_map_deinit(lti_map *m) {
  lti_alloc_put(m->alloc, m->entries);
  lti_map_init(m, m->alloc, (uint64_t[2]){m->seed[0], m->seed[1]});
}

static uint32_t *head_of(const lti_map *m, uint64_t hash) {
  return &m->heads[hash & (m->capacity - 1)];
}

static lti_map_entry *find(const lti_map *m, leat_slice key, uint64_t hash) {
  if (m->capacity == 0) return NULL;
  for (uint32_t at = *head_of(m, hash); at != NO_ENTRY; at = m->entries[at].next) {
    lti_map_entry *e = &m->entries[at];
    if (e->hash == hash && lti_slice_equal(e->key, key)) return e;
  }
  return NULL;
}

void *lti_map_get(const lti_map *m, leat_slice key) {
  if (m->size == 0) return NULL;
  lti_map_entry *e = find(m, key, lti_hash(m->seed, key));
  return e ? e->item : NULL;
}

static void chain(lti_map *m, uint32_t at) {
  uint32_t *head = head_of(m, m->entries[at].hash);
  m->entries[at].next = *head;
  *head = at;
}

/* Only called when every entry is in use, so that all of them are chained anew. */
static int grow(lti_map *m) {
  size_t capacity = m->capacity ? m->capacity * 2 : CAPACITY_FIRST;
  if (capacity > CAPACITY_MAX || capacity > SIZE_MAX / 2 / sizeof *m->entries) return LEAT_ENOMEM;
  lti_map_entry *entries =
      lti_alloc_get(m->alloc, capacity * (sizeof *m->entries + sizeof *m->heads));
  if (!entries) return LEAT_ENOMEM;
  if (m->used) memcpy(entries, m->entries, m->used * sizeof *entries);
  lti_alloc_put(m->alloc, m->entries);
  m->entries = entries;
  m->heads = (uint32_t *)(void *)(entries + capacity);
  m->capacity = capacity;
  memset(m->heads, 0xff, capacity * sizeof *m->heads); /* NO_ENTRY */
  for (size_t i = 0; i < m->used; i++) chain(m, (uint32_t)i);
  return LEAT_OK;
}

int lti_map_add(lti_map *m, leat_slice key, void *item) {
  uint64_t hash = lti_hash(m->seed, key);
  uint32_t at = m->free_first;
  assert(item);
  if (find(m, key, hash)) return LEAT_EINVAL;
  if (at != NO_ENTRY) {
    m->free_first = m->entries[at].next;
  } else {
    if (m->used == m->capacity) {
      int error = grow(m);
      if (error) return error;
    }
    at = (uint32_t)m->used++;
  }
  m->entries[at] = (lti_map_entry){.key = key, .item = item, .hash = hash};
  chain(m, at);
  m->size++;
  return LEAT_OK;
}

void *lti_map_remove(lti_map *m, leat_slice key) {
  if (m->size == 0) return NULL;
  lti_map_entry *e = find(m, key, lti_hash(m->seed, key));
  if (!e) return NULL;
  uint32_t at = (uint32_t)(e - m->entries);
  uint32_t *link = head_of(m, e->hash);
  while (*link != at) link = &m->entries[*link].next;
  *link = e->next;
  void *item = e->item;
  e->item = NULL;
  e->key = lti_slice(NULL, 0);
  e->next = m->free_first;
  m->free_first = at;
  m->size--;
  return item;
}

void *lti_map_next(const lti_map *m, size_t *cursor) {
  while (*cursor < m->used) {
    void *item = m->entries[(*cursor)++].item;
    if (item) return item;
  }
  return NULL;
}

static uint64_t rotated(uint64_t x, unsigned by) {
  return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4]) {
  v[0] += v[1];
  v[2] += v[3];
  v[1] = rotated(v[1], 13) ^ v[0];
  v[3] = rotated(v[3], 16) ^ v[2];
  v[0] = rotated(v[0], 32) + v[3];
  v[2] += v[1];
  v[3] = rotated(v[3], 21) ^ v[0];
  v[1] = rotated(v[1], 17) ^ v[2];
  v[2] = rotated(v[2], 32);
}

/* Up to eight bytes as a little-endian number, whatever the machine's order. */
static uint64_t little_endian(const char *p, size_t n) {
  uint64_t word = 0;
  for (size_t i = 0; i < n; i++) word |= (uint64_t)(unsigned char)p[i] << (8 * i);
  return word;
}

static void sip_word(uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  sip_round(v);
  v[0] ^= word;
}

uint64_t lti_hash(const uint64_t seed[2], leat_slice bytes) {
  uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                   seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573)};
  size_t whole = bytes.size - bytes.size % 8;
  for (size_t i = 0; i < whole; i += 8) sip_word(v, little_endian(bytes.data + i, 8));
  uint64_t rest = bytes.size % 8 ? little_endian(bytes.data + whole, bytes.size % 8) : 0;
  sip_word(v, rest | (uint64_t)bytes.size << 56);
  v[2] ^= 0xff;
  for (int i = 0; i < 3; i++) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
