/* Base64 (RFC 4648 4), as images and sound come. */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include <stdbool.h>

#include "base/buf.h"

/* Appends the bytes; padding may be missing. False: it is none, or too long. */
bool cli_base64_decode(leat_slice text, lti_buf *out);

#endif
