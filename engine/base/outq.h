/* The out-queue: bytes on their way down to one socket, in chunks, sent once a turn.
 *
 * Chunks come from the allocator at growth and go back when drained; the last empty one is kept
 * until lti_outq_trim. Chunk memory is overwritten before it is freed, since a plain-http queue
 * holds keys. There is no maximum here: whoever appends looks at lti_outq_size first. */
#ifndef LTI_OUTQ_H
#define LTI_OUTQ_H

#include <stddef.h>
#include <sys/uio.h>

#include "alloc.h"
#include "slice.h"

typedef struct lti_outq_chunk lti_outq_chunk;

typedef struct lti_outq {
  lti_alloc *alloc;
  lti_outq_chunk *head, *tail;
  size_t size;
} lti_outq;

void lti_outq_init(lti_outq *q, lti_alloc *alloc);
void lti_outq_deinit(lti_outq *q);
/* Copies. All or nothing: LEAT_ENOMEM leaves the queue as it was. */
int lti_outq_append(lti_outq *q, leat_slice bytes);
static inline size_t lti_outq_size(const lti_outq *q) {
  return q->size;
}
/* Fills up to `max` vectors with the queue's front; returns how many. */
int lti_outq_peek(const lti_outq *q, struct iovec *vectors, int max);
/* Removes the first `n` bytes, which must be there. */
void lti_outq_drain(lti_outq *q, size_t n);
/* Frees the chunk that is kept when the queue is empty. */
void lti_outq_trim(lti_outq *q);

#endif
