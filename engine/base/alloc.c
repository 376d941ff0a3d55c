/* The engine's allocator: counts calls and hands them to the caller's functions or to malloc's.
 *
 * It owns no memory itself. Nothing here decides what to do without memory: NULL goes up, and each
 * owner names LEAT_ENOMEM. A size of 0 is asked for as 1, so that NULL always means "none". */
#include "alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"

static void *system_malloc(void *user, size_t size) {
  (void)user;
  return malloc(size);
}

static void *system_realloc(void *user, void *ptr, size_t old_size, size_t new_size) {
  (void)user;
  (void)old_size;
  return realloc(ptr, new_size);
}

static void system_free(void *user, void *ptr) {
  (void)user;
  free(ptr);
}

void lti_alloc_init(lti_alloc *a, const leat_allocator *fns) {
  static const leat_allocator system = {system_malloc, system_realloc, system_free, NULL};
  bool own = fns && fns->malloc && fns->realloc && fns->free;
  a->fns = own ? *fns : system;
  a->calls = 0;
}

void *lti_alloc_get(lti_alloc *a, size_t size) {
  a->calls++;
  return a->fns.malloc(a->fns.user, size ? size : 1);
}

/* The system's zeroes come without a touch where a block is large: pages that are never used stay
 * out of memory. */
void *lti_alloc_zero(lti_alloc *a, size_t size) {
  if (a->fns.malloc == system_malloc) {
    a->calls++;
    return calloc(1, size ? size : 1);
  }
  void *ptr = lti_alloc_get(a, size);
  if (ptr) memset(ptr, 0, size);
  return ptr;
}

void *lti_alloc_grow(lti_alloc *a, void *ptr, size_t old_size, size_t new_size) {
  if (!ptr) return lti_alloc_get(a, new_size);
  a->calls++;
  return a->fns.realloc(a->fns.user, ptr, old_size ? old_size : 1, new_size ? new_size : 1);
}

void lti_alloc_put(lti_alloc *a, void *ptr) {
  if (ptr) a->fns.free(a->fns.user, ptr);
}

void lti_alloc_wipe(lti_alloc *a, void *ptr, size_t size) {
  if (!ptr) return;
  lti_wipe(ptr, size);
  lti_alloc_put(a, ptr);
}

char *lti_alloc_text(lti_alloc *a, leat_slice text) {
  assert(text.size < SIZE_MAX);
  char *copy = lti_alloc_get(a, text.size + 1);
  if (!copy) return NULL;
  if (text.size) memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  return copy;
}

void lti_wipe(void *ptr, size_t size) {
  if (size) explicit_bzero(ptr, size);
}
