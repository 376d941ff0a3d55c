/* One frame as a client sends it: header, mask, masked payload (RFC 6455 5.2 and 5.3). */
#ifndef LTI_WS_FRAME_H
#define LTI_WS_FRAME_H

#include <stdint.h>

#include "base/buf.h"

#define LTI_WS_FRAME_CONTROL_BYTES 125 /* the longest payload of a control frame */
#define LTI_WS_FRAME_MASK_BYTES    4

enum lti_ws_opcode {
  LTI_WS_CONTINUATION = 0,
  LTI_WS_CLOSE = 8,
  LTI_WS_PING = 9,
  LTI_WS_PONG = 10
}; /* 1 and 2 are those of lti_ws_type */

typedef struct lti_ws_frame {
  unsigned opcode;
  bool fin;
  unsigned char mask[LTI_WS_FRAME_MASK_BYTES];
  leat_slice payload;
} lti_ws_frame;

/* Appends it, or nothing: LEAT_ENOMEM, or the buffer's full_error when fewer than `spare` bytes of
 * its maximum would stay free. The payload must not lie in `out`. */
int lti_ws_frame_append(lti_buf *out, const lti_ws_frame *frame, size_t spare);

#endif
