/* The questions about slices that take more than a line: case, search, numbers and UTF-8.
 *
 * Nothing here allocates or keeps a pointer. Every function takes time linear in its input and
 * reads no byte beyond it, whatever the bytes are: all of them may come from a peer. */
#include "slice.h"

static unsigned char lower(char c) {
  unsigned char u = (unsigned char)c;
  return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

static bool blank(char c) {
  return c == ' ' || c == '\t';
}

bool lti_slice_equal_nocase(leat_slice a, leat_slice b) {
  if (a.size != b.size) return false;
  for (size_t i = 0; i < a.size; i++) {
    if (lower(a.data[i]) != lower(b.data[i])) return false;
  }
  return true;
}

bool lti_slice_is_nocase(leat_slice s, const char *text) {
  return lti_slice_equal_nocase(s, lti_slice_of(text));
}

leat_slice lti_slice_trim(leat_slice s) {
  while (s.size && blank(s.data[0])) s = lti_slice_from(s, 1);
  while (s.size && blank(s.data[s.size - 1])) s.size--;
  return s;
}

const char *lti_slice_find(leat_slice s, leat_slice needle) {
  if (needle.size == 0) return s.data;
  if (needle.size > s.size) return NULL;
  return memmem(s.data, s.size, needle.data, needle.size);
}

bool lti_slice_u64(leat_slice s, uint64_t *value) {
  uint64_t v = 0;
  if (s.size == 0) return false;
  for (size_t i = 0; i < s.size; i++) {
    if (s.data[i] < '0' || s.data[i] > '9') return false;
    uint64_t digit = (uint64_t)(s.data[i] - '0');
    if (v > (UINT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
  }
  *value = v;
  return true;
}

/* The length of the one valid sequence at `p`, of at most `left` bytes; 0 when it is none. RFC 3629
 * section 4: what may follow as the second byte depends on the first, and that alone keeps out
 * overlong forms (E0 80..9F, F0 80..8F), surrogates (ED A0..BF) and what lies above U+10FFFF. */
static size_t sequence_length(const unsigned char *p, size_t left) {
  unsigned char first = p[0], low = 0x80, high = 0xbf;
  size_t n;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (left < n) return 0;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
  }
  return n;
}

bool lti_slice_is_utf8(leat_slice s) {
  const unsigned char *p = (const unsigned char *)s.data;
  size_t i = 0;
  while (i < s.size) {
    uint64_t eight;
    /* Most text is ASCII: eight bytes a step while no top bit is set. */
    if (s.size - i >= sizeof eight) {
      memcpy(&eight, p + i, sizeof eight);
      if ((eight & UINT64_C(0x8080808080808080)) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    size_t n = sequence_length(p + i, s.size - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}
