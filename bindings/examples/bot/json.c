/* Values are found by skipping what stands before them: strings are stepped over as such, and
 * brackets are counted. So a value that is broken inside is found, too, and refused by whoever
 * reads it. */
#include "json.h"

#include <string.h>

static const char *skip_blanks(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
  return at;
}

/* -> behind the string that begins at `at`, or NULL. */
static const char *skip_string(const char *at, const char *end) {
  for (at++; at < end; at++) {
    if (*at == '\\')
      at++;
    else if (*at == '"')
      return at + 1;
  }
  return NULL;
}

/* -> behind the value that begins at `at`, or NULL. */
static const char *skip_value(const char *at, const char *end) {
  size_t depth = 0;
  while (at && at < end) {
    if (*at == '"') {
      at = skip_string(at, end);
      if (depth == 0) return at;
      continue;
    }
    if (*at == '{' || *at == '[') depth++;
    if (*at == '}' || *at == ']') {
      if (depth == 0) return at; /* it closes what the value stands in */
      if (--depth == 0) return at + 1;
    }
    if (depth == 0 && (*at == ',' || *at == ':')) return at;
    at++;
  }
  return depth == 0 ? at : NULL;
}

/* One value, and `*at` behind it and the comma that may follow. */
static bool take_value(const char **at, const char *end, leat_slice *value) {
  const char *begin = skip_blanks(*at, end), *behind = skip_value(begin, end);
  if (!behind || behind == begin) return false;
  *value = (leat_slice){begin, (size_t)(behind - begin)};
  *at = skip_blanks(behind, end);
  if (*at < end && **at == ',') ++*at;
  return true;
}

static bool find_member(leat_slice json, const char *name, size_t size, leat_slice *value) {
  const char *at = json.data, *end = at + json.size;
  if (json.size == 0 || *at != '{') return false;
  for (at = skip_blanks(at + 1, end); at < end && *at == '"'; at = skip_blanks(at, end)) {
    const char *key = at + 1, *colon = skip_string(at, end);
    size_t key_size = colon ? (size_t)(colon - key) - 1 : 0;
    colon = colon ? skip_blanks(colon, end) : end;
    if (colon >= end || *colon != ':') return false;
    at = colon + 1;
    if (!take_value(&at, end, value)) return false;
    if (key_size == size && memcmp(key, name, size) == 0) return true;
  }
  return false;
}

bool json_find(leat_slice json, const char *path, leat_slice *value) {
  for (*value = json; *path; path += *path == '.') {
    size_t size = strcspn(path, ".");
    if (!find_member(*value, path, size, value)) return false;
    path += size;
  }
  return true;
}

bool json_open(leat_slice json, leat_slice *items) {
  if (json.size == 0 || json.data[0] != '[') return false;
  *items = (leat_slice){json.data + 1, json.size - 1};
  return true;
}

bool json_next(leat_slice *items, leat_slice *item) {
  const char *at = items->data, *end = at + items->size;
  if (!take_value(&at, end, item)) return false;
  *items = (leat_slice){at, (size_t)(end - at)};
  return true;
}

bool json_number(leat_slice json, int64_t *number) {
  bool negative = json.size > 0 && json.data[0] == '-';
  *number = 0;
  if (json.size - negative == 0 || json.size - negative > 18) return false;
  for (size_t i = negative; i < json.size; i++) {
    if (json.data[i] < '0' || json.data[i] > '9') return false;
    *number = *number * 10 + (json.data[i] - '0');
  }
  if (negative) *number = -*number;
  return true;
}

/* ---- strings */

static bool read_hex(leat_slice json, size_t at, uint32_t *unit) {
  *unit = 0;
  if (at + 4 > json.size) return false;
  for (size_t i = at; i < at + 4; i++) {
    char c = json.data[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return false;
    *unit = *unit * 16 + (uint32_t)digit;
  }
  return true;
}

static size_t write_utf8(uint32_t c, char *out) {
  if (c < 0x80) return out[0] = (char)c, 1;
  if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
  size_t n = c < 0x10000 ? 3 : 4;
  out[0] = (char)(n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
  for (size_t i = 1; i < n; i++) out[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 63));
  return n;
}

/* The escape at json.data[*at], which is behind the backslash -> bytes of `out`, at most 4. Half a
 * pair of surrogates becomes U+FFFD. */
static size_t read_escape(leat_slice json, size_t *at, char *out) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  char c = json.data[(*at)++];
  uint32_t unit, low;
  if (c != 'u' || !read_hex(json, *at, &unit)) {
    const char *name = c ? strchr(names, c) : NULL;
    return out[0] = name ? values[name - names] : c, 1;
  }
  *at += 4;
  bool pair = unit >= 0xd800 && unit < 0xdc00 && *at + 6 <= json.size && json.data[*at] == '\\' &&
              json.data[*at + 1] == 'u' && read_hex(json, *at + 2, &low) && low >= 0xdc00 &&
              low < 0xe000;
  if (pair) *at += 6;
  if (pair) unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  return write_utf8(unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit, out);
}

size_t json_text(leat_slice json, char *out, size_t room) {
  size_t size = 0;
  if (json.size < 2 || json.data[0] != '"') return 0;
  json.size--; /* its last quote */
  for (size_t at = 1; at < json.size && size + 4 <= room;) {
    if (json.data[at] == '\\') {
      at++;
      if (at < json.size) size += read_escape(json, &at, out + size);
    } else {
      out[size++] = json.data[at++];
    }
  }
  return size;
}

size_t json_quote(leat_slice text, char *out) {
  static const char digits[] = "0123456789abcdef";
  size_t size = 0;
  out[size++] = '"';
  for (size_t i = 0; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (c == '"' || c == '\\') {
      out[size++] = '\\';
      out[size++] = (char)c;
    } else if (c < 0x20) {
      memcpy(out + size, "\\u00", 4);
      out[size + 4] = digits[c >> 4];
      out[size + 5] = digits[c & 15];
      size += 6;
    } else {
      out[size++] = (char)c;
    }
  }
  out[size++] = '"';
  return size;
}
