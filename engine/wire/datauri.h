/* data: URIs (RFC 2397): content that stands in its own address.
 *
 *   data:image/png;base64,iVBORw0KGgo=      data:,hello%20there
 *
 * Read in pieces, so that a video of many megabytes needs no second copy of itself. Base64 is read
 * as browsers do: percent-escapes are undone first, white space is skipped, the padding may be
 * missing, and the URL-safe alphabet is the same. What is neither ends it with LEAT_EDECODE. */
#ifndef LTI_DATAURI_H
#define LTI_DATAURI_H

#include "base/slice.h"

typedef struct lti_datauri {
  leat_slice type; /* "image/png"; empty where the URI has none */
  leat_slice rest; /* of the payload, not decoded yet */
  bool base64;
  unsigned char count, pads; /* of base64: digits of the group under way, and what ends it */
  uint32_t bits;
} lti_datauri;

/* False: it is no data: URI. `uri` must live as long as this is used. */
bool lti_datauri_init(lti_datauri *d, leat_slice uri);
/* Up to `room` bytes, 3 at least; `*size` 0 is the end. LTI_OK, or LEAT_EDECODE. */
int lti_datauri_read(lti_datauri *d, char *into, size_t room, size_t *size);

#endif
