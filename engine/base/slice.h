/* Slices: views of bytes that someone else owns, and the few questions one asks of them.
 *
 * leat_slice, the error codes and the allocator are the vocabulary that every layer shares with the
 * public header; base/{slice,error,alloc}.h bring them in, so that nothing else below core needs
 * leat.h. */
#ifndef LTI_SLICE_H
#define LTI_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "leat.h"

#define LTI_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline leat_slice lti_slice(const char *data, size_t size) {
  leat_slice s = {data, size};
  return s;
}

/* Of a NUL-terminated text; NULL gives the empty slice. */
static inline leat_slice lti_slice_of(const char *text) {
  return lti_slice(text, text ? strlen(text) : 0);
}

/* The part behind the first `n` bytes. */
static inline leat_slice lti_slice_from(leat_slice s, size_t n) {
  return n ? lti_slice(s.data + n, s.size - n) : s;
}

static inline bool lti_slice_is(leat_slice s, const char *text) {
  size_t n = strlen(text);
  return s.size == n && (n == 0 || memcmp(s.data, text, n) == 0);
}

static inline bool lti_slice_equal(leat_slice a, leat_slice b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool lti_slice_ends(leat_slice s, const char *text) {
  size_t n = strlen(text);
  return s.size >= n && memcmp(s.data + s.size - n, text, n) == 0;
}
static inline bool lti_slice_starts(leat_slice s, const char *text) {
  size_t n = strlen(text);
  return s.size >= n && memcmp(s.data, text, n) == 0;
}

/* ASCII without case, as for header names and hosts. */
bool lti_slice_is_nocase(leat_slice s, const char *text);
bool lti_slice_equal_nocase(leat_slice a, leat_slice b);
/* Without SP and HTAB at both ends. */
leat_slice lti_slice_trim(leat_slice s);
/* Where `needle` begins, or NULL. */
const char *lti_slice_find(leat_slice s, leat_slice needle);
/* Decimal digits only, no sign; false when empty, foreign bytes or above 2^64-1. */
bool lti_slice_u64(leat_slice s, uint64_t *value);
/* True for valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool lti_slice_is_utf8(leat_slice s);

#endif
