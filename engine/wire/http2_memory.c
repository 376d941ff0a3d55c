/* nghttp2's memory: the engine's allocator, behind the four functions that nghttp2 asks for.
 *
 * Keys pass through nghttp2, in the fields of requests that wait and in the frames made of them, so
 * every block is overwritten before it is given back. nghttp2 does not say how large a block was:
 * each has its size in front of it. */
#include <stdalign.h>
#include <string.h>

#include "wire/http2_inside.h"

typedef union block_front {
  size_t size; /* of the whole block, this included */
  max_align_t align;
} block_front;

void *lti_http2_memory_malloc(size_t size, void *user) {
  if (size > SIZE_MAX - sizeof(block_front)) return NULL;
  block_front *front = lti_alloc_get(user, sizeof *front + size);
  if (!front) return NULL;
  front->size = sizeof *front + size;
  return front + 1;
}

void *lti_http2_memory_calloc(size_t count, size_t size, void *user) {
  if (size && count > SIZE_MAX / size) return NULL;
  void *ptr = lti_http2_memory_malloc(count * size, user);
  if (ptr) memset(ptr, 0, count * size);
  return ptr;
}

void *lti_http2_memory_realloc(void *ptr, size_t size, void *user) {
  void *fresh = lti_http2_memory_malloc(size, user);
  if (!fresh || !ptr) return fresh;
  size_t old = ((block_front *)ptr)[-1].size - sizeof(block_front);
  memcpy(fresh, ptr, old < size ? old : size);
  lti_http2_memory_free(ptr, user);
  return fresh;
}

void lti_http2_memory_free(void *ptr, void *user) {
  if (!ptr) return;
  block_front *front = (block_front *)ptr - 1;
  lti_alloc_wipe(user, front, front->size);
}
