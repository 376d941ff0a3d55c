/* Base64: four characters are three bytes. "AQI=" is 01 02. */
#include "base64.h"

static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool cli_base64_decode(leat_slice text, lti_buf *out) {
  uint32_t bits = 0;
  unsigned count = 0;
  while (text.size && text.data[text.size - 1] == '=') text.size--;
  if (lti_buf_reserve(out, text.size / 4 * 3 + 3) != LEAT_OK) return false;
  for (size_t i = 0; i < text.size; i++) {
    int value = value_of(text.data[i]);
    if (value < 0) return false;
    bits = bits << 6 | (uint32_t)value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    lti_buf_byte(out, (char)(unsigned char)(bits >> count & 0xff));
  }
  return count < 6;
}
