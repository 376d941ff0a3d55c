/* SHA-1 (RFC 3174) and base64 (RFC 4648 section 4): what a WebSocket handshake and Basic
 * authentication need, and nothing that guards a secret. */
#ifndef LTI_DIGEST_H
#define LTI_DIGEST_H

#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

#define LTI_DIGEST_SHA1_BYTES 20

void lti_digest_sha1(leat_slice bytes, unsigned char out[LTI_DIGEST_SHA1_BYTES]);
/* Appends, with padding. LEAT_ENOMEM or the buffer's full_error. */
int lti_digest_base64(leat_slice bytes, lti_buf *out);

#endif
