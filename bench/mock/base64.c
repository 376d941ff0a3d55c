/* Base64 (RFC 4648, section 4), with padding. */
#include "bench/mock/gateway.h"
#include "bench/mock/text.h"

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

int mock_base64_content(lti_buf *out, uint64_t seed, uint64_t size) {
  char bytes[3 * 1024];
  int err = 0;
  for (uint64_t at = 0; at < size && !err; at += sizeof bytes) {
    size_t n = size - at < sizeof bytes ? (size_t)(size - at) : sizeof bytes;
    mock_text_bytes(seed, at, bytes, n);
    err = mock_base64_write(out, lti_slice(bytes, n));
  }
  return err;
}
