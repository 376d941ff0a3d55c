/* See blob.h. */
#include "blob.h"

#include <string.h>

lti_blob *lti_blob_make(lti_alloc *alloc, lti_blob **place, leat_slice bytes) {
  lti_blob *newest = place ? *place : NULL;
  if (newest && newest->refs < UINT32_MAX && lti_slice_equal(lti_blob_slice(newest), bytes)) {
    newest->refs++;
    return newest;
  }
  lti_blob *b = lti_alloc_get(alloc, sizeof *b + bytes.size);
  if (!b) return NULL;
  *b = (lti_blob){.alloc = alloc, .place = place, .size = bytes.size, .refs = 1};
  if (bytes.size) memcpy(b->bytes, bytes.data, bytes.size);
  if (newest) newest->place = NULL;
  if (place) *place = b;
  return b;
}

void lti_blob_release(lti_blob *b) {
  if (!b || --b->refs > 0) return;
  if (b->place) *b->place = NULL;
  lti_alloc_wipe(b->alloc, b, sizeof *b + b->size);
}
