/* The growing buffer. Capacities are 63, 127, 255 ... bytes, each with one byte behind it for the
 * NUL that vsnprintf insists on, so that a block asked of the allocator is a power of two until
 * `max` cuts it. A buffer marked secret moves by allocate, copy, overwrite: realloc could leave the
 * old bytes behind. */
#include "buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_FIRST 63u

static void release(lti_buf *b) {
  if (b->data && b->secret) lti_wipe(b->data, b->capacity + 1);
  lti_alloc_put(b->alloc, b->data);
  b->data = NULL;
  b->capacity = 0;
}

void lti_buf_init(lti_buf *b, lti_alloc *alloc, size_t max, int full_error) {
  assert(full_error < 0);
  memset(b, 0, sizeof *b);
  b->alloc = alloc;
  b->max = max < PTRDIFF_MAX ? max : PTRDIFF_MAX - 1;
  b->full_error = full_error;
}

void lti_buf_deinit(lti_buf *b) {
  release(b);
  b->size = 0;
}

void lti_buf_clear(lti_buf *b) {
  b->size = 0;
}

void lti_buf_shrink(lti_buf *b, size_t keep) {
  if (b->size == 0 && b->capacity > keep) release(b);
}

static size_t capacity_for(const lti_buf *b, size_t wanted) {
  size_t capacity = b->capacity ? b->capacity : CAPACITY_FIRST;
  while (capacity < wanted) capacity = capacity > b->max / 2 ? b->max : capacity * 2 + 1;
  return capacity < b->max ? capacity : b->max;
}

static char *moved(lti_buf *b, size_t capacity) {
  if (!b->secret) {
    size_t old = b->data ? b->capacity + 1 : 0;
    return lti_alloc_grow(b->alloc, b->data, old, capacity + 1);
  }
  char *fresh = lti_alloc_get(b->alloc, capacity + 1);
  if (!fresh) return NULL;
  if (b->size) memcpy(fresh, b->data, b->size);
  release(b);
  return fresh;
}

int lti_buf_reserve(lti_buf *b, size_t extra) {
  assert(b->size <= b->max);
  if (extra > b->max - b->size) return b->full_error;
  if (b->data && extra <= b->capacity - b->size) return LEAT_OK;
  size_t capacity = capacity_for(b, b->size + extra);
  char *fresh = moved(b, capacity);
  if (!fresh) return LEAT_ENOMEM;
  b->data = fresh;
  b->capacity = capacity;
  return LEAT_OK;
}

int lti_buf_append(lti_buf *b, leat_slice bytes) {
  if (bytes.size == 0) return LEAT_OK;
  int error = lti_buf_reserve(b, bytes.size);
  if (error) return error;
  memcpy(b->data + b->size, bytes.data, bytes.size);
  b->size += bytes.size;
  return LEAT_OK;
}

int lti_buf_text(lti_buf *b, const char *text) {
  return lti_buf_append(b, lti_slice_of(text));
}

int lti_buf_byte(lti_buf *b, char c) {
  return lti_buf_append(b, lti_slice(&c, 1));
}

int lti_buf_u64(lti_buf *b, uint64_t value) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  return lti_buf_append(b, lti_slice(digits + at, sizeof digits - at));
}

int lti_buf_i64(lti_buf *b, int64_t value) {
  if (value >= 0) return lti_buf_u64(b, (uint64_t)value);
  int error = lti_buf_reserve(b, 2);
  if (error) return error;
  size_t before = b->size;
  b->data[b->size++] = '-';
  error = lti_buf_u64(b, 0 - (uint64_t)value);
  if (error) b->size = before;
  return error;
}

int lti_buf_format(lti_buf *b, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int size = vsnprintf(NULL, 0, format, args);
  va_end(args);
  int error = size < 0 ? LEAT_EINVAL : lti_buf_reserve(b, (size_t)size);
  if (!error) {
    vsnprintf(b->data + b->size, (size_t)size + 1, format, again);
    b->size += (size_t)size;
  }
  va_end(again);
  return error;
}

void lti_buf_consume(lti_buf *b, size_t n) {
  assert(n <= b->size);
  if (n == 0) return;
  b->size -= n;
  if (b->size) memmove(b->data, b->data + n, b->size);
}
