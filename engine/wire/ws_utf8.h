/* UTF-8 checked as it comes, in pieces that may end within a character (RFC 3629: no surrogates, no
 * overlong forms, nothing above U+10FFFF). A byte is refused as soon as no character can go on with
 * it. All zeroes is the state between two characters. */
#ifndef LTI_WS_UTF8_H
#define LTI_WS_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

typedef struct lti_ws_utf8 {
  uint8_t left;   /* bytes that the character under way still needs */
  uint8_t lo, hi; /* between which the next one must be */
} lti_ws_utf8;

/* How many bytes are good: `text.size`, or where the first bad one stands. */
size_t lti_ws_utf8_take(lti_ws_utf8 *u, leat_slice text);
static inline bool lti_ws_utf8_whole(const lti_ws_utf8 *u) {
  return u->left == 0;
}

#endif
