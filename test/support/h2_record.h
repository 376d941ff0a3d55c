/* Runs the HTTP/2 codec over bytes that a peer sends and writes down what its sinks were told, so
 * that two ways of cutting the same bytes can be compared.
 *
 * Every piece is fed from a block of exactly its size that is freed afterwards, so that a read
 * behind it, or of an old view, is seen by the sanitizers. What a sink must never see (a call
 * behind a stream's end, a second head, a body before the head, a call from inside open, cancel,
 * consume or drain) is counted in `breaches`. Header-only, because the fuzz target does not link
 * cmocka. */
#ifndef TEST_H2_RECORD_H
#define TEST_H2_RECORD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/http2.h"

#define H2_CALLS_MAX 64

struct h2_record;

/* One request and what came of it. */
typedef struct h2_call {
  lti_http2_stream stream;
  struct h2_record *record;
  int heads, completes, failures;
  int status;
  bool has_body, over, cancelled;
  size_t header_count;
  uint64_t head_hash;
  char *body;
  size_t body_size, body_room;
  lti_http2_failure failure;
  int ended_as; /* the how manieth stream to end, from 1 */
} h2_call;

typedef struct h2_record {
  lti_alloc alloc;
  lti_http2 *codec;
  lti_buf sent; /* all that drain gave */
  h2_call calls[H2_CALLS_MAX];
  size_t count;
  /* what to do */
  size_t hold_from; /* calls from this one on take nothing of their bodies; SIZE_MAX: none */
  size_t cancel_in; /* cancels call N-1 in any first body callback; 0: none */
  bool cancel_last; /* each failure gives up the last call that runs, and tries to open one */
  bool release;     /* lets go where it would cancel */
  bool cancel_self; /* each call gives itself up in its first body callback */
  /* what came */
  int breaches, ended, changes, code;
  bool inside; /* a sink may be called now */
} h2_record;

static inline uint64_t h2_record_hash(uint64_t hash, leat_slice s) {
  for (size_t i = 0; i < s.size; i++) hash = (hash ^ (unsigned char)s.data[i]) * 1099511628211u;
  return (hash ^ 0x1ff) * 1099511628211u;
}

static inline h2_call *h2_record_call(void *ctx, lti_http2_stream *s) {
  h2_record *r = ctx;
  h2_call *call = LTI_CONTAINER_OF(s, h2_call, stream);
  if (!r->inside || call->over || call->record != r) r->breaches++;
  return call;
}

static inline void h2_record_head(void *ctx, lti_http2_stream *s, const lti_http_head *head) {
  h2_call *call = h2_record_call(ctx, s);
  if (call->heads++) call->record->breaches++;
  call->status = head->status;
  call->has_body = head->has_body;
  call->header_count = head->header_count;
  for (size_t i = 0; i < head->header_count; i++) {
    call->head_hash = h2_record_hash(call->head_hash, head->headers[i].name);
    call->head_hash = h2_record_hash(call->head_hash, head->headers[i].value);
  }
}

static inline void h2_record_cancel(h2_record *r, size_t i) {
  if (i >= r->count) return;
  r->calls[i].over = r->calls[i].cancelled = true;
  if (r->release)
    lti_http2_release(r->codec, &r->calls[i].stream);
  else
    lti_http2_cancel(r->codec, &r->calls[i].stream);
}

static inline size_t h2_record_body(void *ctx, lti_http2_stream *s, leat_slice bytes) {
  h2_call *call = h2_record_call(ctx, s);
  h2_record *r = call->record;
  size_t at = (size_t)(call - r->calls);
  if (!call->heads || !call->has_body || bytes.size == 0) r->breaches++;
  if (call->body_size + bytes.size > call->body_room) {
    call->body_room = (call->body_size + bytes.size) * 2;
    call->body = realloc(call->body, call->body_room);
    if (!call->body) abort();
  }
  memcpy(call->body + call->body_size, bytes.data, bytes.size);
  call->body_size += bytes.size;
  if (r->cancel_self) h2_record_cancel(r, at);
  if (r->cancel_in) {
    size_t which = r->cancel_in - 1;
    r->cancel_in = 0;
    h2_record_cancel(r, which);
  }
  return at >= r->hold_from ? 0 : bytes.size;
}

static inline void h2_record_end(h2_call *call) {
  if (call->stream.id != 0) call->record->breaches++;
  call->over = true;
  call->ended_as = ++call->record->ended;
}

static inline void h2_record_complete(void *ctx, lti_http2_stream *s) {
  h2_call *call = h2_record_call(ctx, s);
  if (!call->heads) call->record->breaches++;
  call->completes++;
  h2_record_end(call);
}

/* What an owner may do in a callback; on a connection that failed nothing is opened. */
static inline void h2_record_meddle(h2_record *r) {
  static lti_http2_stream another;
  const lti_http_request get = {.method = "GET", .path = {"/", 1}, .host = {"h", 1}};
  if (lti_http2_open(r->codec, &another, &get, true) != LEAT_ESTATE) r->breaches++;
  for (size_t i = r->count; i-- > 0;) {
    if (r->calls[i].over) continue;
    h2_record_cancel(r, i);
    return;
  }
}

static inline void h2_record_failed(void *ctx, lti_http2_stream *s, const lti_http2_failure *why) {
  h2_call *call = h2_record_call(ctx, s);
  if (why->error >= 0 || !why->reason || !why->reason[0]) call->record->breaches++;
  call->failures++;
  call->failure = *why;
  h2_record_end(call);
  if (call->record->cancel_last) h2_record_meddle(call->record);
}

static inline void h2_record_changed(void *ctx) {
  h2_record *r = ctx;
  if (!r->inside) r->breaches++;
  r->changes++;
}

static const lti_http2_sink h2_record_sink = {
    h2_record_head, h2_record_body, h2_record_complete, h2_record_failed, h2_record_changed, NULL};

static const lti_http2_config h2_record_config = {
    .header_bytes_max = 4096, .stream_window = 65536, .conn_window = 1 << 20, .streams_max = 1000};

/* False: no memory. */
static inline bool h2_record_init(h2_record *r, const lti_http2_config *config,
                                  const leat_allocator *fns) {
  memset(r, 0, sizeof *r);
  lti_alloc_init(&r->alloc, fns);
  lti_buf_init(&r->sent, &r->alloc, 64 << 20, LEAT_EBODYMAX);
  r->hold_from = SIZE_MAX;
  r->codec = lti_http2_new(&r->alloc, config ? config : &h2_record_config, &h2_record_sink, r);
  return r->codec != NULL;
}

static inline int h2_record_open(h2_record *r, const lti_http_request *request, leat_slice body) {
  if (r->count == H2_CALLS_MAX) abort();
  h2_call *call = &r->calls[r->count];
  call->record = r;
  call->stream.body = body;
  int rc = lti_http2_open(r->codec, &call->stream, request, true);
  if (rc == LTI_OK) r->count++;
  return rc;
}

static inline int h2_record_drain(h2_record *r) {
  int rc = lti_http2_drain(r->codec, &r->sent, r->sent.size + (1 << 20));
  if (rc != LTI_OK && r->code == LTI_OK) r->code = rc;
  return rc;
}

/* Feeds one piece and drains. */
static inline int h2_record_feed(h2_record *r, leat_slice piece, uint64_t now_ns) {
  char *block = malloc(piece.size ? piece.size : 1);
  if (!block) abort();
  if (piece.size) memcpy(block, piece.data, piece.size);
  r->inside = true;
  int rc = lti_http2_feed(r->codec, lti_slice(block, piece.size), now_ns);
  r->inside = false;
  free(block);
  if (r->code != LTI_OK && rc != r->code) r->breaches++; /* a failure was forgotten */
  if (rc != LTI_OK && r->code == LTI_OK) r->code = rc;
  h2_record_drain(r);
  return rc;
}

static inline void h2_record_over(h2_record *r, int error, const char *reason) {
  r->inside = true;
  lti_http2_end(r->codec, error, reason);
  r->inside = false;
  if (lti_http2_active(r->codec) || lti_http2_upload(r->codec) || lti_http2_slots(r->codec))
    r->breaches++;
  for (size_t i = 0; i < r->count; i++)
    if (!r->calls[i].over) r->breaches++;
}

/* Every stream must have ended. */
static inline void h2_record_deinit(h2_record *r) {
  lti_http2_free(r->codec);
  lti_buf_deinit(&r->sent);
  for (size_t i = 0; i < H2_CALLS_MAX; i++) free(r->calls[i].body);
}

static inline bool h2_record_calls_equal(const h2_call *a, const h2_call *b) {
  return a->heads == b->heads && a->completes == b->completes && a->failures == b->failures &&
         a->status == b->status && a->has_body == b->has_body &&
         a->header_count == b->header_count && a->head_hash == b->head_hash &&
         a->body_size == b->body_size && a->failure.error == b->failure.error &&
         a->failure.unprocessed == b->failure.unprocessed &&
         a->failure.http1_wanted == b->failure.http1_wanted &&
         (a->body_size == 0 || memcmp(a->body, b->body, a->body_size) == 0);
}

static inline bool h2_record_equal(const h2_record *a, const h2_record *b) {
  if (a->code != b->code || a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++)
    if (!h2_record_calls_equal(&a->calls[i], &b->calls[i])) return false;
  return true;
}

static inline void h2_record_print(const char *title, const h2_record *r) {
  fprintf(stderr, "%s: code %d, breaches %d, changes %d, reason '%s'\n", title, r->code,
          r->breaches, r->changes, r->codec ? lti_http2_reason(r->codec) : "");
  for (size_t i = 0; i < r->count; i++) {
    const h2_call *c = &r->calls[i];
    fprintf(stderr, "  %zu: heads %d status %d headers %zu body %zu complete %d failed %d", i,
            c->heads, c->status, c->header_count, c->body_size, c->completes, c->failures);
    if (c->failures)
      fprintf(stderr, " error %d code %u%s%s '%s'", c->failure.error, c->failure.code,
              c->failure.unprocessed ? " unprocessed" : "", c->failure.http1_wanted ? " http1" : "",
              c->failure.reason);
    fprintf(stderr, "\n");
  }
}

#endif
