/* JSON (RFC 8259) read in place: a pull reader over one complete text, without a tree, without
 * recursion and without allocation; and a writer of strings.
 *
 *     lti_json r;  lti_json_init(&r, text);
 *     if (lti_json_enter_object(&r))
 *       while (lti_json_next_key(&r, &key))
 *         if (lti_json_key_is(key, "id")) lti_json_string(&r, &id); else lti_json_skip(&r);
 *
 * The reader is sticky: after a syntax error every call returns false and `error`/`offset` say what
 * and where. Each value is consumed by one call; what was not consumed when the next key or value
 * is asked for is skipped. Asking for the wrong type consumes
 * the value, returns false and is no error, so that a hostile type is simply ignored. Values are
 * views of the text; lti_json_raw gives any value's exact bytes. Everything that is passed over is
 * checked, but for the UTF-8 of strings, which lti_json_decode makes valid. */
#ifndef LTI_JSON_H
#define LTI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define LTI_JSON_DEPTH_MAX 512

enum lti_json_type {
  LTI_JSON_NONE = 0, /* end of the container, or failure */
  LTI_JSON_NULL,
  LTI_JSON_FALSE,
  LTI_JSON_TRUE,
  LTI_JSON_NUMBER,
  LTI_JSON_STRING,
  LTI_JSON_ARRAY,
  LTI_JSON_OBJECT
};

/* A string as it stands between its quotes; `escaped` when a backslash is in it. */
typedef struct lti_json_text {
  leat_slice raw;
  bool escaped;
  bool ascii; /* no byte above 0x7f: valid UTF-8 for sure */
} lti_json_text;

typedef struct lti_json {
  const char *start, *at, *end;
  const char *error; /* static text, NULL: fine */
  uint32_t depth;
  unsigned char due;                         /* what may come next: enum due in json.c */
  uint64_t objects[LTI_JSON_DEPTH_MAX / 64]; /* one bit a level: 1 object, 0 array */
} lti_json;

void lti_json_init(lti_json *r, leat_slice text);
/* The type of the value to come, without consuming it. */
enum lti_json_type lti_json_peek(lti_json *r);
/* True: the container was entered, and must be walked to its end (next_key / next_value false). */
bool lti_json_enter_object(lti_json *r);
bool lti_json_enter_array(lti_json *r);
/* False at the end of the container, which is then left, or on an error. */
bool lti_json_next_key(lti_json *r, lti_json_text *key);
bool lti_json_next_value(lti_json *r);
/* Leaves the containers entered since `depth` (the reader's depth before entering). */
void lti_json_leave(lti_json *r, uint32_t depth);

bool lti_json_string(lti_json *r, lti_json_text *text);
bool lti_json_int(lti_json *r, int64_t *value);   /* integral numbers in range; 5.0 counts */
bool lti_json_double(lti_json *r, double *value); /* finite only */
bool lti_json_bool(lti_json *r, bool *value);
bool lti_json_null(lti_json *r);
void lti_json_skip(lti_json *r);
/* Any value, unchanged; false on an error. */
bool lti_json_raw(lti_json *r, leat_slice *value);
/* Only white space is left. Sets the error otherwise. */
bool lti_json_at_end(lti_json *r);
static inline bool lti_json_failed(const lti_json *r) {
  return r->error != NULL;
}
static inline size_t lti_json_offset(const lti_json *r) {
  return (size_t)(r->at - r->start);
}

/* Compares a key with a name in UTF-8, escapes understood. */
bool lti_json_escaped_is(lti_json_text key, leat_slice name);
static inline bool lti_json_key_is(lti_json_text key, const char *name) {
  return key.escaped ? lti_json_escaped_is(key, lti_slice_of(name)) : lti_slice_is(key.raw, name);
}
/* Is `text` one valid value with nothing behind it? `*offset` and `*why` on failure. */
bool lti_json_valid(leat_slice text, size_t *offset, const char **why);

/* The value at an RFC 6901 pointer such as "/data/0/url"; false when there is none. A later
 * duplicate of a key wins. */
bool lti_json_find(leat_slice text, const char *pointer, leat_slice *value);

/* Half of a surrogate pair that a string ended with: kept by the caller from piece to piece of one
 * text (one choice and channel), zeroed at first. */
typedef struct lti_json_half {
  uint16_t high; /* 0xd800..0xdbff, 0: none */
} lti_json_half;

/* The string's characters as valid UTF-8: the view itself where it has no escape and is valid, else
 * written to `scratch` (cleared first). Unpaired surrogates and invalid bytes become U+FFFD, but a
 * high surrogate at the very end is held in `half` when that is not NULL, and joined with the low
 * one at the start of the next piece. */
int lti_json_decode(lti_json_text text, lti_json_half *half, lti_buf *scratch, leat_slice *out);

/* Appends `text` quoted and escaped; invalid UTF-8 becomes U+FFFD. */
int lti_json_write_string(lti_buf *out, leat_slice text);
/* Shortest form that reads back the same; LEAT_EINVAL for NaN and infinities. */
int lti_json_write_double(lti_buf *out, double value);

/* The first quote, backslash or control character from `at` on, or `end`; `*high` gets the top bit
 * of every byte passed over. The second one is for machines without SSE2, and for the tests. */
const char *lti_json_scan(const char *at, const char *end, unsigned *high);
const char *lti_json_scan_portable(const char *at, const char *end, unsigned *high);

#endif
