/* data: URIs: see datauri.h. */
#include "wire/datauri.h"

#include "base/error.h"

bool lti_datauri_init(lti_datauri *d, leat_slice uri) {
  static const char scheme[] = "data:", coding[] = ";base64";
  size_t front = sizeof scheme - 1, tail = sizeof coding - 1;
  if (uri.size < front || !lti_slice_is_nocase(lti_slice(uri.data, front), scheme)) return false;
  uri = lti_slice_from(uri, front);
  const char *comma = memchr(uri.data, ',', uri.size);
  if (!comma) return false;
  size_t size = (size_t)(comma - uri.data);
  memset(d, 0, sizeof *d);
  d->type = lti_slice(uri.data, size);
  d->rest = lti_slice_from(uri, size + 1);
  if (size >= tail && lti_slice_is_nocase(lti_slice_from(d->type, size - tail), coding)) {
    d->base64 = true;
    d->type.size -= tail;
  }
  return true;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The next byte, its percent-escape undone; what is no escape stands for itself. */
static unsigned char next(lti_datauri *d) {
  const char *at = d->rest.data;
  int high = -1, low = -1;
  if (*at == '%' && d->rest.size >= 3) {
    high = hex(at[1]);
    low = hex(at[2]);
  }
  bool escaped = high >= 0 && low >= 0;
  d->rest = lti_slice_from(d->rest, escaped ? 3 : 1);
  return (unsigned char)(escaped ? high << 4 | low : *at);
}

static int digit(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

/* Four digits make three bytes; behind padding only padding may stand, as much as is missing. */
static int take(lti_datauri *d, unsigned char c, char *into, size_t *size) {
  if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') return LTI_OK;
  if (c == '=') {
    d->pads++;
    return d->count + d->pads > 4 || d->count < 2 ? LEAT_EDECODE : LTI_OK;
  }
  int value = digit(c);
  if (value < 0 || d->pads) return LEAT_EDECODE;
  d->bits = d->bits << 6 | (uint32_t)value;
  if (++d->count < 4) return LTI_OK;
  into[(*size)++] = (char)(d->bits >> 16);
  into[(*size)++] = (char)(d->bits >> 8);
  into[(*size)++] = (char)d->bits;
  d->count = 0;
  d->bits = 0;
  return LTI_OK;
}

/* The last group, which has two or three digits, or none. */
static int finish(lti_datauri *d, char *into, size_t *size) {
  unsigned count = d->count;
  if (count == 1 || (d->pads && count + d->pads != 4)) return LEAT_EDECODE;
  if (count >= 2) into[(*size)++] = (char)(d->bits >> (count == 2 ? 4 : 10));
  if (count == 3) into[(*size)++] = (char)(d->bits >> 2);
  d->count = d->pads = 0;
  return LTI_OK;
}

int lti_datauri_read(lti_datauri *d, char *into, size_t room, size_t *size) {
  int r = LTI_OK;
  *size = 0;
  while (r == LTI_OK && d->rest.size > 0 && room - *size >= 3) {
    unsigned char c = next(d);
    if (d->base64)
      r = take(d, c, into, size);
    else
      into[(*size)++] = (char)c;
  }
  if (r == LTI_OK && d->rest.size == 0 && room - *size >= 3 && d->base64) r = finish(d, into, size);
  return r;
}
