/* What HTTP/1.1 and HTTP/2 have in common: a request to encode, and the events of a response.
 *
 * A sink's functions are called from inside feed. `head` comes once for the final response (1xx are
 * skipped and counted by the codec), `body` any number of times, `complete` once. Each returns
 * LTI_OK, LTI_STOPPED to have feed return after the bytes taken so far, or an error that feed hands
 * on. */
#ifndef LTI_HTTP_H
#define LTI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

typedef struct lti_http_head {
  int status;
  const leat_header *headers; /* views, valid during the call; order and duplicates kept */
  size_t header_count;
  bool has_body; /* false: 204, 304, HEAD, or a length of 0; true for a tunnel */
} lti_http_head;

typedef struct lti_http_sink {
  int (*head)(void *ctx, const lti_http_head *head);
  /* `*taken` is bytes.size unless LTI_STOPPED says otherwise. */
  int (*body)(void *ctx, leat_slice bytes, size_t *taken);
  int (*complete)(void *ctx);
} lti_http_sink;

/* A request's head. Everything is checked before it comes here; values are sent as they are. */
typedef struct lti_http_request {
  const char *method;
  leat_slice path;  /* origin form, with the query; "host:port" for CONNECT */
  bool path_secret; /* a key is in the query */
  leat_slice host;  /* the Host field */
  const leat_header *headers;
  size_t header_count;
  size_t credentials_from; /* headers from here on are secret */
  uint64_t body_size;      /* Content-Length is sent when has_body */
  bool has_body;
  bool unsized; /* the body's size is not known: HTTP/1.1 sends it in chunks */
  bool upgrade; /* HTTP/1.1: asks for another protocol, and 101 is a final answer */
} lti_http_request;

/* A piece of a body that is not all there at once. */
typedef struct lti_http_piece {
  leat_slice bytes;
  uint64_t behind; /* bytes that follow it: LTI_HTTP_UNSIZED where that is not known */
  bool more;       /* something follows, if only the end */
} lti_http_piece;

/* What a body of unknown size counts as wherever room for it is looked for. */
#define LTI_HTTP_UNSIZED ((uint64_t)1 << 30)

/* The first header of this name, or the empty slice with data NULL. */
leat_slice lti_http_find(const leat_header *headers, size_t count, const char *name);
bool lti_http_token_byte(unsigned char c);
/* RFC 9110 5.6.2 token; RFC 9110 5.5 field value without CR, LF, NUL, other CTLs but HTAB, and
 * without bytes above 0x7e. */
bool lti_http_name_ok(leat_slice name);
bool lti_http_value_ok(leat_slice value);

#endif
