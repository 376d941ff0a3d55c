/* The out-queue: a list of chunks, filled at the tail and drained at the head.
 *
 * A chunk's block is 4 KiB for small content and doubles with the queue up to 64 KiB, so that a
 * short request touches one page and a long body few chunks. `touched` is how far a chunk was ever
 * written: only that much is overwritten before the block goes back. Only the last chunk may be
 * empty, and then it is the one that is kept. */
#include "outq.h"

#include <assert.h>
#include <string.h>

#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)65536)

struct lti_outq_chunk {
  lti_outq_chunk *next;
  size_t capacity, begin, end, touched;
  char bytes[];
};

void lti_outq_init(lti_outq *q, lti_alloc *alloc) {
  q->alloc = alloc;
  q->head = q->tail = NULL;
  q->size = 0;
}

static void chunk_free(lti_outq *q, lti_outq_chunk *c) {
  lti_alloc_wipe(q->alloc, c, sizeof *c + c->touched);
}

static void chunks_free(lti_outq *q, lti_outq_chunk *c) {
  while (c) {
    lti_outq_chunk *next = c->next;
    chunk_free(q, c);
    c = next;
  }
}

void lti_outq_deinit(lti_outq *q) {
  chunks_free(q, q->head);
  q->head = q->tail = NULL;
  q->size = 0;
}

/* A chunk for up to `wanted` bytes, larger than the one before it in a queue that grows. */
static lti_outq_chunk *chunk_new(lti_outq *q, const lti_outq_chunk *before, size_t wanted) {
  size_t block = BLOCK_MIN;
  if (before && before->end > before->begin) block = (before->capacity + sizeof *before) * 2;
  while (block < BLOCK_MAX && block - sizeof *before < wanted) block *= 2;
  if (block > BLOCK_MAX) block = BLOCK_MAX;
  lti_outq_chunk *c = lti_alloc_get(q->alloc, block);
  if (!c) return NULL;
  memset(c, 0, sizeof *c);
  c->capacity = block - sizeof *c;
  return c;
}

/* Appends to one chunk what fits and returns the rest. */
static leat_slice fill(lti_outq_chunk *c, leat_slice bytes) {
  size_t room = c->capacity - c->end;
  size_t n = bytes.size < room ? bytes.size : room;
  if (n == 0) return bytes;
  memcpy(c->bytes + c->end, bytes.data, n);
  c->end += n;
  if (c->touched < c->end) c->touched = c->end;
  return lti_slice_from(bytes, n);
}

/* Fills new chunks with `rest`: a list that begins at *first and ends at *last. */
static int fill_new(lti_outq *q, leat_slice rest, lti_outq_chunk **first, lti_outq_chunk **last) {
  const lti_outq_chunk *before = q->tail;
  *first = *last = NULL;
  while (rest.size) {
    lti_outq_chunk *c = chunk_new(q, before, rest.size);
    if (!c) {
      chunks_free(q, *first);
      return LEAT_ENOMEM;
    }
    rest = fill(c, rest);
    if (*last) (*last)->next = c;
    if (!*first) *first = c;
    before = *last = c;
  }
  return LEAT_OK;
}

int lti_outq_append(lti_outq *q, leat_slice bytes) {
  lti_outq_chunk *first, *last;
  size_t room = q->tail ? q->tail->capacity - q->tail->end : 0;
  assert(bytes.size <= SIZE_MAX - q->size);
  if (bytes.size > room) {
    int error = fill_new(q, lti_slice_from(bytes, room), &first, &last);
    if (error) return error;
    if (q->tail) {
      fill(q->tail, lti_slice(bytes.data, room));
      q->tail->next = first;
    } else {
      q->head = first;
    }
    q->tail = last;
  } else if (bytes.size) {
    fill(q->tail, bytes);
  }
  q->size += bytes.size;
  return LEAT_OK;
}

int lti_outq_peek(const lti_outq *q, struct iovec *vectors, int max) {
  int n = 0;
  for (lti_outq_chunk *c = q->head; c && n < max; c = c->next) {
    if (c->end == c->begin) continue;
    vectors[n].iov_base = c->bytes + c->begin;
    vectors[n].iov_len = c->end - c->begin;
    n++;
  }
  return n;
}

void lti_outq_drain(lti_outq *q, size_t n) {
  assert(n <= q->size);
  q->size -= n;
  while (n) {
    lti_outq_chunk *c = q->head;
    size_t held = c->end - c->begin;
    if (n < held) {
      c->begin += n;
      return;
    }
    n -= held;
    if (c == q->tail) {
      c->begin = c->end = 0;
      return;
    }
    q->head = c->next;
    chunk_free(q, c);
  }
}

void lti_outq_trim(lti_outq *q) {
  if (q->size == 0) lti_outq_deinit(q);
}
