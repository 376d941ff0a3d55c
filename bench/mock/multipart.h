/* multipart/form-data (RFC 7578, and RFC 2046 5.1 for its framing) as it arrives, in bounded memory
 * whatever its size: heads of parts go through a scratch buffer with a maximum, bodies are passed
 * on as slices of the input.
 *
 *     --B CRLF Content-Disposition: form-data; name="model" CRLF CRLF whisper-1 CRLF --B-- CRLF */
#ifndef MOCK_MULTIPART_H
#define MOCK_MULTIPART_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

#define MOCK_BOUNDARY_MAX  70 /* RFC 2046, 5.1.1 */
#define MOCK_PART_HEAD_MAX 8192

enum mock_multipart_state {
  MULTIPART_BODY, /* of a part, or what stands before the first one */
  MULTIPART_DELIMITED,
  MULTIPART_HEAD,
  MULTIPART_OVER,
  MULTIPART_BROKEN
};

typedef struct mock_multipart_sink {
  /* The head's lines, without the empty one. An error makes the parser fail. */
  int (*part)(void *user, leat_slice head);
  int (*bytes)(void *user, leat_slice bytes);
  int (*end)(void *user); /* of the part */
} mock_multipart_sink;

typedef struct mock_multipart {
  const mock_multipart_sink *sink;
  void *user;
  enum mock_multipart_state state;
  const char *why; /* it is broken */
  bool in_part;
  size_t matched, delimiter_size;
  char delimiter[MOCK_BOUNDARY_MAX + 5]; /* CRLF, two dashes, the boundary */
  lti_buf head;
} mock_multipart;

/* From the value of Content-Type. False: it names no boundary that can be. */
bool mock_multipart_init(mock_multipart *p, lti_alloc *alloc, const char *content_type);
void mock_multipart_deinit(mock_multipart *p);
/* False: the input is broken, `why` says how. */
bool mock_multipart_feed(mock_multipart *p, leat_slice bytes);
/* There is no more: was the last delimiter there? */
bool mock_multipart_end(mock_multipart *p);
/* The value of a parameter (name, filename) of the head's Content-Disposition, unquoted, or of the
 * whole field when `parameter` is NULL. False: there is none, or it is too long. */
bool mock_multipart_field(leat_slice head, const char *field, const char *parameter, char *out,
                          size_t cap);

#endif
