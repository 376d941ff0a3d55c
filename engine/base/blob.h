/* Bytes that nobody changes, held by many: those who would each keep a copy of the same share one.
 *
 * A place remembers the newest blob that was made there, without holding it: the next one with the
 * same bytes is that one. So ten thousand requests with one set of headers have one set of headers,
 * and nothing outlives its holders. Blobs may hold secrets: the last holder overwrites them. */
#ifndef LTI_BLOB_H
#define LTI_BLOB_H

#include <stdint.h>

#include "alloc.h"
#include "slice.h"

typedef struct lti_blob {
  lti_alloc *alloc;
  struct lti_blob **place; /* where it is the newest, NULL: nowhere any more */
  size_t size;
  uint32_t refs;
  char bytes[];
} lti_blob;

/* A copy of `bytes`, or one more hold on the newest at `place` (NULL: not shared), which lives as
 * long as its blobs. NULL without memory. */
lti_blob *lti_blob_make(lti_alloc *alloc, lti_blob **place, leat_slice bytes);
/* NULL is fine. */
void lti_blob_release(lti_blob *b);
/* Empty for NULL. */
static inline leat_slice lti_blob_slice(const lti_blob *b) {
  return b ? lti_slice(b->bytes, b->size) : lti_slice(NULL, 0);
}

#endif
