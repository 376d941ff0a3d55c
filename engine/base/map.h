/* A hash map from byte strings to pointers: origins, names, tool indexes. Chained, with a keyed
 * hash (SipHash-1-3 with a seed of the engine's), since peers choose some of the keys. Keys are not
 * copied: they live in the item. An entry keeps its place until it is removed. */
#ifndef LTI_MAP_H
#define LTI_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "slice.h"

typedef struct lti_map_entry lti_map_entry;

typedef struct lti_map {
  lti_alloc *alloc;
  lti_map_entry *entries;
  uint32_t *heads; /* in the same block */
  size_t size, used, capacity;
  uint32_t free_first;
  uint64_t seed[2];
} lti_map;

void lti_map_init(lti_map *m, lti_alloc *alloc, const uint64_t seed[2]);
void lti_map_deinit(lti_map *m);
void *lti_map_get(const lti_map *m, leat_slice key);
/* `key` must stay valid while the item, which is not NULL, is in. LEAT_EINVAL when the key is in
 * already, LEAT_ENOMEM. */
int lti_map_add(lti_map *m, leat_slice key, void *item);
void *lti_map_remove(lti_map *m, leat_slice key);
/* As lti_slots_next: any item may be removed on the way. */
void *lti_map_next(const lti_map *m, size_t *cursor);
uint64_t lti_hash(const uint64_t seed[2], leat_slice bytes);

#endif
