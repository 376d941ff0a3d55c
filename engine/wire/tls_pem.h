/* Certificates in PEM (RFC 7468), taken out of a text one by one. They are no secret, so that this
 * needs not take the constant time of a key's reader, which is most of what a system's 140 CAs cost
 * at the start. Keys stay with the TLS library. */
#ifndef LTI_TLS_PEM_H
#define LTI_TLS_PEM_H

#include <stdbool.h>

#include "base/slice.h"

/* The base64 of the next certificate in `*text`, which goes on behind it. False: there is none; a
 * block without its end is none. Text between blocks, and blocks of other kinds, are passed over.
 */
bool lti_tls_pem_next(leat_slice *text, leat_slice *body);
/* Decodes it into `der`, which has room for body.size / 4 * 3 + 3 bytes: how many, 0 when it is no
 * base64. Line ends and blanks are passed over. */
size_t lti_tls_pem_decode(leat_slice body, unsigned char *der);

#endif
