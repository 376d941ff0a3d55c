/* The engine's allocator: the caller's three functions or malloc's, with a count of calls.
 *
 * One lives in each engine and is passed by pointer to everything that owns memory.
 * `lti_alloc_wipe` frees what held a secret. Sizes are checked by the caller. */
#ifndef LTI_ALLOC_H
#define LTI_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "leat.h"

typedef struct lti_alloc {
  leat_allocator fns;
  uint64_t calls; /* malloc and realloc, for the zero-allocations-per-event claim */
} lti_alloc;

/* `fns` may be NULL or all-NULL: malloc. */
void lti_alloc_init(lti_alloc *a, const leat_allocator *fns);
/* NULL when there is none; size 0 is one byte. */
void *lti_alloc_get(lti_alloc *a, size_t size);
void *lti_alloc_zero(lti_alloc *a, size_t size);
void *lti_alloc_grow(lti_alloc *a, void *ptr, size_t old_size, size_t new_size);
/* NULL is fine. */
void lti_alloc_put(lti_alloc *a, void *ptr);
/* As put, overwriting `size` bytes first in a way that the compiler keeps. */
void lti_alloc_wipe(lti_alloc *a, void *ptr, size_t size);
/* NUL-terminated copy. */
char *lti_alloc_text(lti_alloc *a, leat_slice text);
/* Overwrites memory with zeroes in a way that the compiler keeps. */
void lti_wipe(void *ptr, size_t size);

#endif
