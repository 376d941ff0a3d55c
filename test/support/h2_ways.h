/* Plays a peer's bytes to the HTTP/2 codec in every way they can be cut: whole, byte by byte, in
 * pieces of 2 to 21 bytes, and in two at each place. All must come to the same, which is given
 * back. */
#ifndef TEST_H2_WAYS_H
#define TEST_H2_WAYS_H

#include "support/h2_frames.h"
#include "support/h2_record.h"

typedef struct h2_plan {
  size_t requests;                 /* opened and drained before anything is fed */
  const lti_http_request *request; /* NULL: h2_get */
  leat_slice body;
  const lti_http2_config *config; /* NULL: h2_record_config */
  bool undrained;                 /* what was opened has not left when the bytes come */
} h2_plan;

extern const lti_http_request h2_get, h2_post;

/* The record of the whole play, all streams ended: those that ran had their connection reset. Give
 * back with h2_record_deinit, and free. */
h2_record *h2_every_way(const h2_plan *plan, leat_slice bytes);
void h2_give_back(h2_record *record);

/* One play. `cuts` rise. */
h2_record *h2_play(const h2_plan *plan, leat_slice bytes, const size_t *cuts, size_t count);

/* The connection failed, with a GOAWAY of `code`, and every call ended once. */
void h2_check_ended(const h2_record *r, uint32_t code, const char *reason);
void h2_check_failed(const h2_call *call, int error, uint32_t code, const char *reason);
/* The first of two streams ends so, and the second completes behind it. We reset the first; or it
 * was at its end on both sides, so that nothing is left to reset. */
void h2_check_stream_ends(h2_script *script, int error, uint32_t code, const char *reason);
void h2_check_closed_stream_ends(h2_script *script, const char *reason);

#endif
