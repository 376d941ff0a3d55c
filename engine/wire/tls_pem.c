/* PEM, as far as certificates need it.
 *
 *     -----BEGIN CERTIFICATE-----
 *     MIIB...            four digits are three bytes; the last four may end in = or ==
 *     -----END CERTIFICATE----- */
#include "wire/tls_pem.h"

#include <string.h>

#define BEGIN   "-----BEGIN CERTIFICATE-----"
#define END     "-----END CERTIFICATE-----"
#define BLANK   64
#define PAD     65
#define STRANGE 66

/* Where `mark` begins; NULL: nowhere. */
static const char *find(leat_slice text, const char *mark) {
  size_t size = strlen(mark);
  const char *at = text.data, *end = text.data + text.size;
  while ((size_t)(end - at) >= size) {
    at = memchr(at, '-', (size_t)(end - at) - size + 1);
    if (!at) return NULL;
    if (memcmp(at, mark, size) == 0) return at;
    at++;
  }
  return NULL;
}

bool lti_tls_pem_next(leat_slice *text, leat_slice *body) {
  const char *begin = find(*text, BEGIN);
  if (!begin) return false;
  leat_slice rest = lti_slice_from(*text, (size_t)(begin - text->data) + sizeof BEGIN - 1);
  const char *end = find(rest, END);
  if (!end) return false;
  *body = lti_slice(rest.data, (size_t)(end - rest.data));
  *text = lti_slice_from(rest, body->size + sizeof END - 1);
  return true;
}

static unsigned value_of(char c) {
  if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
  if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
  if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  if (c == '\n' || c == '\r' || c == ' ' || c == '\t') return BLANK;
  return c == '=' ? PAD : STRANGE;
}

size_t lti_tls_pem_decode(leat_slice body, unsigned char *der) {
  size_t size = 0;
  unsigned bits = 0, digits = 0, pads = 0;
  for (size_t i = 0; i < body.size; i++) {
    unsigned value = value_of(body.data[i]);
    if (value == BLANK) continue;
    if (value == STRANGE || (pads && value != PAD)) return 0;
    if (value == PAD) {
      if (++pads > 2 || digits < 2) return 0;
      value = 0;
    }
    bits = bits << 6 | value;
    if (++digits < 4) continue;
    der[size++] = (unsigned char)(bits >> 16);
    der[size++] = (unsigned char)(bits >> 8);
    der[size++] = (unsigned char)bits;
    digits = bits = 0;
    if (pads) size -= pads;
  }
  return digits == 0 ? size : 0;
}
