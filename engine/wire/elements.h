/* The elements of a JSON array (RFC 8259), split out of a body as they arrive, zero-copy in the
 * usual case; with them, objects that stand one behind the other without an array (NDJSON).
 *
 * An element is an object. One that lies in one slice is handed on as a view of it, one that
 * straddles slices is gathered, and every byte is looked at once. Strings and their escapes are
 * known, so that a brace in a text is none; whether the rest of an element is JSON is for whoever
 * reads it. Between elements stand one comma, in an array, and white space. Anything else there,
 * an element that is no object, and whatever follows the closing bracket is LEAT_EDECODE.
 *
 *     "[{\"a\":\"}\"}\r\n,\r" | "\n{\"b\":[]}" | "]\n"  gives  {"a":"}"}  then  {"b":[]}  then
 * closed
 */
#ifndef LTI_ELEMENTS_H
#define LTI_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

typedef struct lti_elements_sink {
  /* LTI_OK, LTI_STOPPED (feed returns right behind this element), or an error. */
  int (*element)(void *ctx, leat_slice json);
  /* The array's closing bracket; as above. May be NULL. */
  int (*closed)(void *ctx);
  int full_error; /* of an element above the limit */
} lti_elements_sink;

typedef struct lti_elements {
  const lti_elements_sink *sink;
  void *ctx;
  lti_buf held; /* the element under way, as far as it lay in earlier slices */
  size_t depth; /* brackets open in it, 0: between elements */
  size_t copied;
  uint64_t count;
  int error;
  unsigned char place; /* enum place in elements.c */
  bool bare;           /* there is no array */
  bool in_string, escaped;
} lti_elements;

/* `element_bytes_max` bounds one element: the sink's `full_error`. */
void lti_elements_init(lti_elements *x, lti_alloc *alloc, size_t element_bytes_max,
                       const lti_elements_sink *sink, void *ctx);
void lti_elements_deinit(lti_elements *x);
int lti_elements_feed(lti_elements *x, leat_slice bytes, size_t *taken);
/* LTI_OK: at the end of an array, between objects without one, or before everything;
 * LEAT_EINCOMPLETE: anywhere else; or the error that came before. */
int lti_elements_end(const lti_elements *x);
/* The closing bracket came. */
bool lti_elements_closed(const lti_elements *x);

#endif
