/* Server-sent events (WHATWG HTML 9.2.6) split out of a body, zero-copy in the usual case.
 *
 * An event whose lines lie in one slice and which has one data line is handed on as views of that
 * slice. A line that straddles slices was gathered once already and is taken over as it is; only
 * several data lines, joined by LF, and a block that straddles slices between lines are copied.
 * The data's bytes are passed as they came; making them valid UTF-8 is for whoever reads text.
 * An unterminated last block is dropped, as the standard says.
 *
 * What is no SSE at all is offered to `stray`: a line with an unknown field (such as `error:
 * {...}`) or without a colon (such as bare JSON), cut to LTI_SSE_STRAY_MAX bytes. Comments and the
 * standard's own fields are never stray. At the end of input an unfinished line counts as one. */
#ifndef LTI_SSE_H
#define LTI_SSE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/lines.h"

#define LTI_SSE_STRAY_MAX 4096

typedef struct lti_sse_event {
  leat_slice type; /* "message" unless the event named another */
  leat_slice data;
  leat_slice id;  /* the last event id at dispatch */
  bool has_retry; /* the reconnection time was set since the event before */
  uint64_t retry_ms;
} lti_sse_event;

typedef struct lti_sse_sink {
  /* LTI_OK, LTI_STOPPED (feed returns behind this event), or an error. */
  int (*event)(void *ctx, const lti_sse_event *event);
  /* May be NULL. LTI_OK or an error. */
  int (*stray)(void *ctx, leat_slice line);
} lti_sse_sink;

/* What must outlive a slice, or a block, besides data: most streams never need it. */
typedef struct lti_sse_kept {
  lti_buf type, id, next_id;
} lti_sse_kept;

/* What an event in one piece touches stands last, and so does that of its owner behind it: streams
 * are many, and each of them is cold when its next event comes. */
typedef struct lti_sse {
  leat_slice type_view; /* the block's type so far: into the slice being fed, or into `type` */
  lti_lines lines;
  leat_slice data_view; /* likewise its data, or into the cut's `beside` */
  lti_sse_kept *kept;
  const lti_sse_sink *sink;
  void *ctx;
  uint64_t retry_ms; /* saturates at UINT64_MAX */
  bool has_data, data_held, has_type, type_held, has_next_id, has_new_retry;
  bool has_retry;
  bool between; /* a block begins with the next byte */
} lti_sse;

/* `event_bytes_max`, at least LTI_LINES_ASK, bounds one line and one event's data: LEAT_EEVENTMAX.
 * Comments and stray lines are not bounded, for they are not kept. */
void lti_sse_init(lti_sse *x, lti_alloc *alloc, size_t event_bytes_max, const lti_sse_sink *sink,
                  void *ctx);
void lti_sse_deinit(lti_sse *x);
/* Takes the buffers of blocks that are cut from `spare`, and gives them back behind each: behind
 * init, before the first byte. */
static inline void lti_sse_share(lti_sse *x, lti_lines_spare *spare) {
  x->lines.spare = spare;
}
int lti_sse_feed(lti_sse *x, leat_slice bytes, size_t *taken);
int lti_sse_end(lti_sse *x);
/* Bytes that were gathered instead of viewed, so far. */
size_t lti_sse_copied(const lti_sse *x);
leat_slice lti_sse_last_id(const lti_sse *x);

#endif
