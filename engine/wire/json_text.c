/* JSON strings and text: decoding, comparing and writing, valid UTF-8 whatever came in.
 *
 * A string is decoded as UTF-16 would be: escapes are code units, pairs of surrogates are joined,
 * and what is left alone becomes U+FFFD. Raw bytes that are no UTF-8 become one U+FFFD for each
 * maximal subpart (Unicode 15, 3.9; WHATWG Encoding), so that "\xe2\x82" is one and "\xff\xff" two.
 * Runs of good bytes are appended in one piece; the time is linear in the text.
 *
 * Example: the pieces `\ud83d` and `\ude00!` give "" (the half is held) and U+1F600 "!". */
#include <string.h>

#include "base/error.h"
#include "wire/json.h"

#define REPLACEMENT 0xfffdu

/* The size of the UTF-8 sequence at `p`, or of the part of one that ends before what cannot follow;
 * `*good` says which. */
static size_t utf8_sequence(const char *p, const char *end, bool *good) {
  const unsigned char *s = (const unsigned char *)p;
  unsigned low = 0x80, high = 0xbf;
  size_t want = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4, got = 1;
  *good = s[0] < 0x80 || (s[0] >= 0xc2 && s[0] <= 0xf4);
  if (!*good) return 1;
  if (s[0] == 0xe0) low = 0xa0;
  if (s[0] == 0xed) high = 0x9f;
  if (s[0] == 0xf0) low = 0x90;
  if (s[0] == 0xf4) high = 0x8f;
  while (got < want && got < (size_t)(end - p) && s[got] >= low && s[got] <= high) {
    low = 0x80;
    high = 0xbf;
    got++;
  }
  *good = got == want;
  return got;
}

/* Where valid UTF-8 ends. */
static const char *utf8_run(const char *p, const char *end) {
  while (p < end) {
    uint64_t w;
    bool good;
    while (end - p >= 8) {
      memcpy(&w, p, sizeof w);
      if (w & UINT64_C(0x8080808080808080)) break;
      p += 8;
    }
    if (p == end) break;
    size_t size = utf8_sequence(p, end, &good);
    if (!good) break;
    p += size;
  }
  return p;
}

static size_t utf8_encode(uint32_t c, char out[4]) {
  if (c < 0x80) return out[0] = (char)c, 1;
  if (c < 0x800) {
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | c >> 18);
  out[1] = (char)(0x80 | (c >> 12 & 0x3f));
  out[2] = (char)(0x80 | (c >> 6 & 0x3f));
  out[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

static int append_char(lti_buf *out, uint32_t c) {
  char bytes[4];
  size_t size = utf8_encode(c, bytes);
  return lti_buf_append(out, lti_slice(bytes, size));
}

/* `p` to `end` as they are, but for what is no UTF-8. */
static int append_run(lti_buf *out, const char *p, const char *end) {
  int rc = LTI_OK;
  while (rc == LTI_OK && p < end) {
    const char *stop = utf8_run(p, end);
    bool good;
    rc = lti_buf_append(out, lti_slice(p, (size_t)(stop - p)));
    if (rc == LTI_OK && stop < end) {
      stop += utf8_sequence(stop, end, &good);
      rc = append_char(out, REPLACEMENT);
    }
    p = stop;
  }
  return rc;
}

static bool is_high(uint32_t unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(uint32_t unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

static uint32_t joined(uint32_t high, uint32_t low) {
  return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static uint32_t hex_digit(char c) {
  if (c >= '0' && c <= '9') return (uint32_t)(c - '0');
  return (uint32_t)((c | 0x20) - 'a') + 10;
}

/* The code unit of the escape at `*p`, which the reader has checked; a text that did not come from
 * the reader gives U+FFFD where it is cut short. */
static uint32_t read_escape(const char **p, const char *end) {
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  const char *s = *p;
  *p = end - s < 2 ? end : s + 2;
  if (end - s < 2) return REPLACEMENT;
  const char *found = memchr(from, s[1], sizeof from - 1);
  if (found) return (unsigned char)to[found - from];
  if (s[1] != 'u') return (unsigned char)s[1] < 0x80 ? (unsigned char)s[1] : REPLACEMENT;
  if (end - s < 6) return REPLACEMENT;
  *p = s + 6;
  return (hex_digit(s[2]) << 12 | hex_digit(s[3]) << 8 | hex_digit(s[4]) << 4 | hex_digit(s[5])) &
         0xffff;
}

/* The character, two escapes long where it is a pair. */
static uint32_t read_escaped(const char **p, const char *end) {
  uint32_t unit = read_escape(p, end);
  if (is_high(unit) && *p < end && **p == '\\') {
    const char *next = *p;
    uint32_t low = read_escape(&next, end);
    if (is_low(low)) return *p = next, joined(unit, low);
  }
  return is_high(unit) || is_low(unit) ? REPLACEMENT : unit;
}

bool lti_json_escaped_is(lti_json_text key, leat_slice name) {
  const char *p = key.raw.data, *end = p + key.raw.size;
  size_t at = 0;
  while (p < end) {
    char bytes[4] = {*p};
    size_t size = 1;
    if (*p == '\\') {
      size = utf8_encode(read_escaped(&p, end), bytes);
    } else {
      p++;
    }
    if (name.size - at < size || memcmp(name.data + at, bytes, size) != 0) return false;
    at += size;
  }
  return at == name.size;
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* One escape behind a held high surrogate (`*held`, 0: none). */
static int append_unit(lti_buf *out, uint16_t *held, uint32_t unit) {
  uint32_t high = *held;
  *held = is_high(unit) ? (uint16_t)unit : 0;
  if (high && is_low(unit)) return append_char(out, joined(high, unit));
  if (high) {
    int rc = append_char(out, REPLACEMENT);
    if (rc != LTI_OK) return rc;
  }
  if (*held) return LTI_OK;
  return append_char(out, is_low(unit) ? REPLACEMENT : unit);
}

static int append_bytes(lti_buf *out, uint16_t *held, const char *p, const char *end) {
  if (*held) {
    int rc = append_char(out, REPLACEMENT);
    if (rc != LTI_OK) return rc;
    *held = 0;
  }
  return append_run(out, p, end);
}

int lti_json_decode(lti_json_text text, lti_json_half *half, lti_buf *scratch, leat_slice *out) {
  const char *p = text.raw.data, *end = p;
  uint16_t held = half ? half->high : 0;
  if (text.raw.size == 0) return *out = lti_slice("", 0), LTI_OK;
  end += text.raw.size;
  if (!held && !text.escaped && (text.ascii || utf8_run(p, end) == end)) {
    return *out = text.raw, LTI_OK;
  }
  lti_buf_clear(scratch);
  while (p < end) {
    int rc;
    if (*p == '\\') {
      rc = append_unit(scratch, &held, read_escape(&p, end));
    } else {
      const char *slash = memchr(p, '\\', (size_t)(end - p));
      const char *stop = slash ? slash : end;
      rc = append_bytes(scratch, &held, p, stop);
      p = stop;
    }
    if (rc != LTI_OK) return rc;
  }
  if (held && !half) {
    int rc = append_char(scratch, REPLACEMENT);
    if (rc != LTI_OK) return rc;
  }
  if (half) half->high = held;
  return *out = lti_buf_slice(scratch), LTI_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int append_escape(lti_buf *out, char c) {
  static const char hex[] = "0123456789abcdef", from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
  char text[6] = {'\\', 'u', '0', '0', hex[c >> 4 & 1], hex[c & 15]};
  const char *found = memchr(from, c, sizeof from - 1);
  if (found) text[1] = to[found - from];
  return lti_buf_append(out, lti_slice(text, found ? 2 : 6));
}

int lti_json_write_string(lti_buf *out, leat_slice text) {
  size_t before = out->size;
  const char *p = text.size ? text.data : "", *end = p + text.size;
  int rc = lti_buf_byte(out, '"');
  while (rc == LTI_OK && p < end) {
    unsigned high = 0;
    const char *stop = lti_json_scan(p, end, &high);
    rc = high ? append_run(out, p, stop) : lti_buf_append(out, lti_slice(p, (size_t)(stop - p)));
    if (rc == LTI_OK && stop < end) rc = append_escape(out, *stop++);
    p = stop;
  }
  if (rc == LTI_OK) rc = lti_buf_byte(out, '"');
  if (rc != LTI_OK) out->size = before;
  return rc;
}

/* ---- pointers -------------------------------------------------------------------------------- */

/* RFC 6901 4: "~1" is '/', "~0" is '~'. `token` is one reference token as it stands; pointers are
 * the program's own, and none has a name above 256 bytes. */
static bool key_matches(lti_json_text key, leat_slice token) {
  char plain[256];
  size_t size = 0;
  if (token.size > sizeof plain) return false;
  for (size_t i = 0; i < token.size; i++) {
    char c = token.data[i];
    if (c == '~' && i + 1 < token.size) c = token.data[++i] == '1' ? '/' : '~';
    plain[size++] = c;
  }
  return lti_json_escaped_is(key, lti_slice(plain, size));
}

static bool array_index(leat_slice token, uint64_t *index) {
  if (token.size > 1 && token.data[0] == '0') return false;
  return lti_slice_u64(token, index);
}

static bool find_member(lti_json *r, leat_slice token, leat_slice *value) {
  lti_json_text key;
  bool found = false;
  while (lti_json_next_key(r, &key)) {
    if (key_matches(key, token)) found = lti_json_raw(r, value);
  }
  return found && !r->error;
}

static bool find_element(lti_json *r, leat_slice token, leat_slice *value) {
  uint64_t index = 0, at = 0;
  bool wanted = array_index(token, &index), found = false;
  while (lti_json_next_value(r)) {
    if (wanted && at++ == index) found = lti_json_raw(r, value);
  }
  return found && !r->error;
}

bool lti_json_find(leat_slice text, const char *pointer, leat_slice *value) {
  leat_slice here;
  lti_json r;
  lti_json_init(&r, text);
  if (!lti_json_raw(&r, &here) || !lti_json_at_end(&r)) return false;
  while (*pointer == '/') {
    size_t size = strcspn(pointer + 1, "/");
    leat_slice token = lti_slice(pointer + 1, size);
    pointer += 1 + size;
    lti_json_init(&r, here);
    bool found = here.data[0] == '{'   ? lti_json_enter_object(&r) && find_member(&r, token, &here)
                 : here.data[0] == '[' ? lti_json_enter_array(&r) && find_element(&r, token, &here)
                                       : false;
    if (!found) return false;
  }
  if (*pointer) return false;
  *value = here;
  return true;
}
