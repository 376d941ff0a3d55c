/* Fields of a request's body, JSON or a form alike, read by name. */
#ifndef MOCK_ASKED_H
#define MOCK_ASKED_H

#include "bench/mock/gateway.h"

/* The body is JSON, or a form that was read; else it is answered 400. */
bool mock_asked_valid(mock_exchange *x);
/* A string's characters, or a form field's, in `out`; false: there is none. */
bool mock_asked_text(const mock_exchange *x, const char *name, lti_buf *out);
/* The same into a bounded text with a NUL, as it can stand in JSON. */
bool mock_asked_word(const mock_exchange *x, const char *name, char *out, size_t cap);
bool mock_asked_number(const mock_exchange *x, const char *name, uint64_t *value);
bool mock_asked_flag(const mock_exchange *x, const char *name);
/* A number said in a text as "mock_NAME=N". */
bool mock_asked_within(leat_slice text, const char *name, uint64_t *value);
/* A JSON string's characters. */
int mock_asked_decode(leat_slice value, lti_buf *out);
/* What text is worth in tokens. */
static inline uint32_t mock_asked_tokens(size_t bytes) {
  return (uint32_t)((bytes + 3) / 4);
}
/* A hash of bytes that clients can compute, too: mix(... mix(mix(start ^ b0) ^ b1) ...). */
uint64_t mock_asked_hash(uint64_t start, leat_slice bytes);

/* 400 in OpenAI's words. */
void mock_asked_refuse(mock_exchange *x, const char *message);

#endif
