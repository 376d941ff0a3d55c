/* Base64 (RFC 4648, section 4), with padding. */
#include "bench/mock/gateway.h"

int mock_base64_write(lti_buf *out, leat_slice bytes) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int err = lti_buf_reserve(out, bytes.size / 3 * 4 + 4);
  if (err) return err;
  for (size_t at = 0; at < bytes.size; at += 3) {
    uint32_t word = 0;
    size_t left = bytes.size - at;
    for (size_t i = 0; i < 3; i++)
      word = word << 8 | (i < left ? (unsigned char)bytes.data[at + i] : 0u);
    for (size_t i = 0; i < 4; i++)
      out->data[out->size++] = i <= left ? letters[word >> (18 - 6 * i) & 63] : '=';
  }
  return 0;
}
