/* The questions HTTP/1.1 and HTTP/2 both ask of header fields: what a name and a value may be made
 * of, and which field is the first of a name. Pure functions over views. */
#include "wire/http.h"

/* RFC 9110 5.6.2: one bit for each of the 128 ASCII characters that a token may hold. */
static const uint32_t token_bits[4] = {
    0,          /* controls */
    0x03ff6cfa, /* ! # $ % & ' * + - . 0-9 */
    0xc7fffffe, /* A-Z ^ _ */
    0x57ffffff  /* ` a-z | ~ */
};

bool lti_http_token_byte(unsigned char c) {
  return c < 128 && (token_bits[c >> 5] >> (c & 31) & 1) != 0;
}

leat_slice lti_http_find(const leat_header *headers, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (lti_slice_is_nocase(headers[i].name, name))
      return headers[i].value.data ? headers[i].value : lti_slice("", 0);
  return lti_slice(NULL, 0);
}

bool lti_http_name_ok(leat_slice name) {
  for (size_t i = 0; i < name.size; i++)
    if (!lti_http_token_byte((unsigned char)name.data[i])) return false;
  return name.size > 0;
}

bool lti_http_value_ok(leat_slice value) {
  for (size_t i = 0; i < value.size; i++) {
    unsigned char c = (unsigned char)value.data[i];
    if ((c < 0x20 && c != '\t') || c > 0x7e) return false;
  }
  return true;
}
