/* A hash map from byte strings to pointers: origins, names, tool indexes. Open addressing with a
 * keyed hash (SipHash-1-3 with a seed of the engine's), since peers choose some of the keys. Keys
 * are not copied: they live in the item. */
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
  size_t size, capacity;
  uint64_t seed[2];
} lti_map;

void lti_map_init(lti_map *m, lti_alloc *alloc, const uint64_t seed[2]);
void lti_map_deinit(lti_map *m);
void *lti_map_get(const lti_map *m, leat_slice key);
/* `key` must stay valid while the item is in. LEAT_EINVAL when the key is in already. */
int lti_map_add(lti_map *m, leat_slice key, void *item);
void *lti_map_remove(lti_map *m, leat_slice key);
/* As lti_slots_next. */
void *lti_map_next(const lti_map *m, size_t *cursor);
uint64_t lti_hash(const uint64_t seed[2], leat_slice bytes);

#endif
