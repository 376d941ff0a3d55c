/* A growing byte buffer with a maximum: for text that must be in one piece.
 *
 * Growth doubles, so that appending costs linear time. Reaching `max` is LEAT_EBODYMAX or whatever
 * error the owner names in `full_error`. A failed append leaves the buffer as it was. A buffer that
 * is marked `secret` is overwritten whenever its memory is given back. */
#ifndef LTI_BUF_H
#define LTI_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "slice.h"

typedef struct lti_buf {
  lti_alloc *alloc;
  char *data;
  size_t size, capacity, max;
  int full_error;
  bool secret;
} lti_buf;

void lti_buf_init(lti_buf *b, lti_alloc *alloc, size_t max, int full_error);
void lti_buf_deinit(lti_buf *b);
/* Keeps the memory. */
void lti_buf_clear(lti_buf *b);
/* Gives the memory of an empty buffer back when it is more than `keep` bytes. */
void lti_buf_shrink(lti_buf *b, size_t keep);
/* Room for `extra` more bytes. LEAT_ENOMEM or full_error. */
int lti_buf_reserve(lti_buf *b, size_t extra);
int lti_buf_append(lti_buf *b, leat_slice bytes);
int lti_buf_text(lti_buf *b, const char *text);
int lti_buf_byte(lti_buf *b, char c);
int lti_buf_u64(lti_buf *b, uint64_t value);
int lti_buf_i64(lti_buf *b, int64_t value);
/* printf into the buffer; no NUL is kept. */
int lti_buf_format(lti_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first `n` bytes. */
void lti_buf_consume(lti_buf *b, size_t n);
static inline leat_slice lti_buf_slice(const lti_buf *b) {
  return lti_slice(b->data, b->size);
}

#endif
