/* SHA-1 as RFC 3174 section 6.1 writes it, and base64 of RFC 4648 section 4.
 *
 * Both serve handshakes of a few dozen bytes, so they are written to be read: one block of 64 bytes
 * is expanded to 80 words and folded into five. The last block, or the last two, are a copy of what
 * is left with the bit 1, zeroes and the length in bits behind it. A copy of the input never stays
 * on the stack: Basic credentials pass through base64 alone, which copies nothing, and what SHA-1
 * is given is no secret. */
#include "wire/digest.h"

#include <string.h>

#include "base/error.h"

#define BLOCK_BYTES  64
#define LENGTH_BYTES 8

static void fold(uint32_t state[5], const unsigned char *block);
static void store_u32(unsigned char *out, uint32_t value);

void lti_digest_sha1(leat_slice bytes, unsigned char out[LTI_DIGEST_SHA1_BYTES]) {
  uint32_t state[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  const unsigned char *at = (const unsigned char *)bytes.data;
  size_t left = bytes.size;
  for (; left >= BLOCK_BYTES; left -= BLOCK_BYTES, at += BLOCK_BYTES) fold(state, at);

  unsigned char tail[2 * BLOCK_BYTES] = {0};
  if (left) memcpy(tail, at, left);
  tail[left] = 0x80;
  size_t tail_bytes = left + 1 + LENGTH_BYTES > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES;
  uint64_t bits = (uint64_t)bytes.size * 8;
  store_u32(tail + tail_bytes - 8, (uint32_t)(bits >> 32));
  store_u32(tail + tail_bytes - 4, (uint32_t)bits);
  for (size_t i = 0; i < tail_bytes; i += BLOCK_BYTES) fold(state, tail + i);

  for (size_t i = 0; i < 5; i++) store_u32(out + i * 4, state[i]);
}

/* "Ma" is 4d 61: 010011 010110 0001(00), which are T, W, E, and one '=' for the byte that lacks. */
int lti_digest_base64(leat_slice bytes, lti_buf *out) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (bytes.size > SIZE_MAX / 4 * 3 - 3) return out->full_error;
  size_t size = (bytes.size + 2) / 3 * 4;
  if (size == 0) return LTI_OK;
  int error = lti_buf_reserve(out, size);
  if (error) return error;
  char *to = out->data + out->size;
  for (size_t at = 0; at < bytes.size; at += 3, to += 4) {
    size_t have = bytes.size - at;
    uint32_t three = (uint32_t)(unsigned char)bytes.data[at] << 16;
    if (have > 1) three |= (uint32_t)(unsigned char)bytes.data[at + 1] << 8;
    if (have > 2) three |= (unsigned char)bytes.data[at + 2];
    to[0] = letters[three >> 18];
    to[1] = letters[three >> 12 & 63];
    to[2] = have > 1 ? letters[three >> 6 & 63] : '=';
    to[3] = have > 2 ? letters[three & 63] : '=';
  }
  out->size += size;
  return LTI_OK;
}

static uint32_t rotated(uint32_t x, unsigned by) {
  return x << by | x >> (32 - by);
}

static uint32_t load_u32(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_u32(unsigned char *out, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) out[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* f(t) and K(t) of RFC 3174 section 5, added up. */
static uint32_t round_term(size_t t, uint32_t b, uint32_t c, uint32_t d) {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999u;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1u;
  if (t < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
  return (b ^ c ^ d) + 0xca62c1d6u;
}

static void fold(uint32_t state[5], const unsigned char *block) {
  uint32_t w[80];
  for (size_t t = 0; t < 16; t++) w[t] = load_u32(block + t * 4);
  for (size_t t = 16; t < 80; t++) w[t] = rotated(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (size_t t = 0; t < 80; t++) {
    uint32_t next = rotated(a, 5) + round_term(t, b, c, d) + e + w[t];
    e = d;
    d = c;
    c = rotated(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}
