/* Memory that is fetched before it is needed: of streams whose DATA frames have come.
 *
 * Streams are many and events are short: when the next one comes, what its stream has in memory
 * has long left the fast caches. The walk over a read's frames (http2_budget.c) sees all of them
 * before nghttp2 sees the first, and has what is known of their streams fetched meanwhile:
 * nghttp2's own account of a stream, ours, and what its owner has in front of it. A second step,
 * from the callback in which a frame begins, fetches what the owner has elsewhere, for the delivery
 * behind.
 *
 * All of this only hints at the machine: a stream is known by the lowest bits of its number, of two
 * that share them only the later one is, and nothing is read here. */
#include <nghttp2/nghttp2.h>

#include "wire/http2_inside.h"

#define LINE_BYTES   64
#define DEEP_BYTES   192 /* of nghttp2's, as far as a DATA frame touches it */
#define PLACES_LEAST 16
#define PLACES_MOST  1024

static lti_http2_place *place(const lti_http2_ahead *a, int32_t id) {
  return &a->places[(uint32_t)id / 2 & (a->count - 1)];
}

/* As many places as streams, since those that run together have numbers in a row. Without memory
 * it goes on with less. */
static void grow(lti_http2 *x) {
  lti_http2_ahead *a = &x->in.ahead, old = *a;
  if (x->active <= a->count || a->count == PLACES_MOST) return;
  uint32_t count = a->count ? 2 * a->count : PLACES_LEAST;
  lti_http2_place *places = lti_alloc_zero(x->alloc, count * sizeof *places);
  if (!places) return;
  *a = (lti_http2_ahead){places, count};
  for (uint32_t i = 0; i < old.count; i++)
    if (old.places[i].stream) *place(a, old.places[i].stream->id) = old.places[i];
  lti_alloc_put(x->alloc, old.places);
}

void lti_http2_ahead_add(lti_http2 *x, const lti_http2_stream *s) {
  grow(x);
  if (x->in.ahead.count == 0) return;
  const void *deep = nghttp2_session_find_stream(x->session, s->id);
  *place(&x->in.ahead, s->id) = (lti_http2_place){s, deep};
}

void lti_http2_ahead_remove(lti_http2 *x, const lti_http2_stream *s) {
  lti_http2_place *known = x->in.ahead.count ? place(&x->in.ahead, s->id) : NULL;
  if (known && known->stream == s) *known = (lti_http2_place){NULL, NULL};
}

/* Numbers, since what stands in front of a stream is not the stream's. */
static void fetch(uintptr_t from, uintptr_t size) {
  for (uintptr_t at = 0; at < size; at += LINE_BYTES) __builtin_prefetch((void *)(from + at), 1);
  __builtin_prefetch((void *)(from + size - 1), 1);
}

void lti_http2_ahead_frame(const lti_http2_ahead *a, const uint8_t *header) {
  int32_t id = header[6] << 16 | header[7] << 8 | header[8];
  const lti_http2_place *known = a->count ? place(a, id) : NULL;
  if (!known || !known->stream) return;
  fetch((uintptr_t)known->stream - LTI_HTTP2_FRONT_BYTES,
        LTI_HTTP2_FRONT_BYTES + offsetof(lti_http2_stream, sent));
  fetch((uintptr_t)known->deep, DEEP_BYTES);
}

void lti_http2_ahead_owner(const lti_http2_stream *s) {
  if (s->near) fetch((uintptr_t)s->near, LTI_HTTP2_NEAR_BYTES);
}
