/* Runs the HTTP/1.1 codec over scripted bytes and writes down what its sink was told, so that two
 * ways of cutting the same bytes can be compared.
 *
 * Every piece is fed from a block of exactly its size that is freed afterwards, so that a read
 * behind it, or of an old view, is seen by the sanitizers. What a sink must never see (a call after
 * a failure or a completion, a second head, a body before the head) is counted in `breaches`.
 * Header-only, because the fuzz target does not link cmocka. */
#ifndef TEST_HTTP1_RECORD_H
#define TEST_HTTP1_RECORD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/http1.h"

typedef struct record {
  /* what to do */
  size_t stop_bytes; /* take at most this many of a body piece, then stop; 0: take all */
  bool stop_events;  /* stop at the head and at the end as well */
  int head_error, body_error, complete_error;
  /* what came */
  lti_http1 *codec;
  int heads, completes, breaches, code;
  int status;
  bool has_body, reusable_at_complete;
  uint64_t head_hash;
  size_t header_count;
  char *body;
  size_t body_size, body_room;
  uint64_t stops;
  int64_t keep_alive_ms;
  bool over, reusable, started;
  const char *reason;
} record;

static inline uint64_t record_hash(uint64_t hash, leat_slice s) {
  for (size_t i = 0; i < s.size; i++) hash = (hash ^ (unsigned char)s.data[i]) * 1099511628211u;
  return (hash ^ 0x1ff) * 1099511628211u;
}

static inline int record_head(void *ctx, const lti_http_head *head) {
  record *r = ctx;
  if (r->over || r->heads) r->breaches++;
  r->heads++;
  r->status = head->status;
  r->has_body = head->has_body;
  r->header_count = head->header_count;
  for (size_t i = 0; i < head->header_count; i++) {
    r->head_hash = record_hash(r->head_hash, head->headers[i].name);
    r->head_hash = record_hash(r->head_hash, head->headers[i].value);
  }
  if (r->head_error) return r->head_error;
  r->stops += r->stop_events;
  return r->stop_events ? LTI_STOPPED : LTI_OK;
}

static inline int record_body(void *ctx, leat_slice bytes, size_t *taken) {
  record *r = ctx;
  if (r->over || !r->heads || !r->has_body || bytes.size == 0) r->breaches++;
  if (*taken != bytes.size) r->breaches++;
  if (r->body_error) return r->body_error;
  if (r->stop_bytes && r->stop_bytes < bytes.size) *taken = r->stop_bytes;
  if (r->body_size + *taken > r->body_room) {
    r->body_room = (r->body_size + *taken) * 2;
    r->body = realloc(r->body, r->body_room);
    if (!r->body) abort();
  }
  memcpy(r->body + r->body_size, bytes.data, *taken);
  r->body_size += *taken;
  r->stops += r->stop_bytes != 0;
  return r->stop_bytes ? LTI_STOPPED : LTI_OK;
}

static inline int record_complete(void *ctx) {
  record *r = ctx;
  if (r->over || !r->heads || r->completes) r->breaches++;
  r->completes++;
  r->over = true;
  r->reusable_at_complete = lti_http1_reusable(r->codec);
  if (r->complete_error) return r->complete_error;
  r->stops += r->stop_events;
  return r->stop_events ? LTI_STOPPED : LTI_OK;
}

static const lti_http_sink record_sink = {record_head, record_body, record_complete};

/* Feeds one piece, again and again while the sink stops. */
static inline void record_feed(record *r, leat_slice piece) {
  char *block = malloc(piece.size ? piece.size : 1);
  if (!block) abort();
  if (piece.size) memcpy(block, piece.data, piece.size);
  leat_slice rest = lti_slice(block, piece.size);
  int rc;
  do {
    size_t taken = SIZE_MAX;
    rc = lti_http1_feed(r->codec, rest, &taken);
    if (taken > rest.size || (rc == LTI_OK && taken != rest.size)) r->breaches++;
    if (taken <= rest.size) rest = lti_slice_from(rest, taken);
  } while (rc == LTI_STOPPED);
  free(block);
  if (rc < 0) r->over = true;
  /* A failure behind a complete answer is the surplus's, not the answer's. */
  if (rc < 0 && !r->completes && r->code == LTI_OK) r->code = rc;
}

/* How the connection ends behind the bytes, if it does. */
enum record_ending { RECORD_STAYS_OPEN, RECORD_ENDS_CLEAN, RECORD_ENDS_UNCLEAN };

/* What a peer sends for one request. */
typedef struct record_script {
  const char *method; /* of the request; GET asks for an upgrade */
  leat_slice raw;
  enum record_ending ending;
  size_t header_bytes_max;
} record_script;

/* Plays the script, cut at the given offsets (rising). */
static inline void record_run(record *r, lti_alloc *alloc, const record_script *script,
                              const size_t *cuts, size_t cut_count) {
  r->codec = lti_http1_new(alloc, script->header_bytes_max, &record_sink, r);
  if (!r->codec) {
    r->code = LEAT_ENOMEM;
    return;
  }
  lti_http_request request = {.method = script->method};
  request.upgrade = strcmp(script->method, "GET") == 0;
  lti_http1_begin(r->codec, &request);
  size_t at = 0;
  for (size_t i = 0; i <= cut_count; i++) {
    size_t to = i < cut_count ? cuts[i] : script->raw.size;
    record_feed(r, lti_slice(script->raw.data + at, to - at));
    at = to;
  }
  if (script->ending != RECORD_STAYS_OPEN) {
    int rc = lti_http1_end(r->codec, script->ending == RECORD_ENDS_CLEAN);
    if (rc > 0) r->breaches++;
    if (rc < 0) r->over = true;
    if (rc < 0 && !r->completes && r->code == LTI_OK) r->code = rc;
  }
  r->reusable = lti_http1_reusable(r->codec);
  r->started = lti_http1_started(r->codec);
  r->keep_alive_ms = lti_http1_keep_alive_ms(r->codec);
  r->reason = r->code < 0 ? lti_http1_reason(r->codec) : "";
  /* Failure is for good: the same code again, and not a word to the sink. */
  if (r->code < 0) {
    size_t taken;
    if (lti_http1_feed(r->codec, lti_slice("x", 1), &taken) != r->code || taken) r->breaches++;
    if (lti_http1_end(r->codec, true) != r->code) r->breaches++;
  }
  lti_http1_free(r->codec);
  r->codec = NULL;
}

static inline void record_deinit(record *r) {
  free(r->body);
  r->body = NULL;
}

/* Did both runs make the same of the same bytes? */
static inline bool record_equal(const record *a, const record *b) {
  return a->heads == b->heads && a->completes == b->completes && a->code == b->code &&
         a->status == b->status && a->has_body == b->has_body && a->head_hash == b->head_hash &&
         a->header_count == b->header_count && a->body_size == b->body_size &&
         (a->body_size == 0 || memcmp(a->body, b->body, a->body_size) == 0) &&
         a->reusable == b->reusable && a->started == b->started &&
         a->keep_alive_ms == b->keep_alive_ms && strcmp(a->reason, b->reason) == 0;
}

static inline void record_print(const char *title, const record *r) {
  fprintf(stderr,
          "%s: code %d (%s), status %d, %d heads, %d completes, %zu fields, %zu body bytes, "
          "reusable %d, breaches %d\n",
          title, r->code, r->reason ? r->reason : "", r->status, r->heads, r->completes,
          r->header_count, r->body_size, r->reusable, r->breaches);
}

#endif
