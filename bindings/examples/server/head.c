/* Reads "GET /path?prompt=What%20now%3F HTTP/1.1" and looks for the blank line behind the fields,
 * which do not matter to us. Whatever is not understood is refused; nothing is guessed. */
#include "head.h"

#include <stdbool.h>
#include <string.h>

static const char *find(const char *at, const char *end, const char *text) {
  size_t size = strlen(text);
  for (; (size_t)(end - at) >= size; at++)
    if (memcmp(at, text, size) == 0) return at;
  return NULL;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* "What%20now%3F" -> "What now?". A zero byte is refused like a broken escape. */
static enum head_state decode(const char *at, const char *end, head *out) {
  for (; at < end; at++) {
    char c = *at == '+' ? ' ' : *at;
    if (c == '%') {
      int high = end - at > 2 ? hex(at[1]) : -1, low = end - at > 2 ? hex(at[2]) : -1;
      if (high < 0 || low < 0) return HEAD_BAD;
      c = (char)(high * 16 + low);
      at += 2;
    }
    if (c == '\0') return HEAD_BAD;
    if (out->prompt_size == sizeof out->prompt) return HEAD_TOO_LONG;
    out->prompt[out->prompt_size++] = c;
  }
  return HEAD_WHOLE;
}

/* The member of the query that is called "prompt". */
static enum head_state read_query(const char *at, const char *end, head *out) {
  static const char name[] = "prompt=";
  while (at < end) {
    const char *next = memchr(at, '&', (size_t)(end - at));
    if (!next) next = end;
    if ((size_t)(next - at) >= sizeof name - 1 && memcmp(at, name, sizeof name - 1) == 0)
      return decode(at + sizeof name - 1, next, out);
    at = next < end ? next + 1 : end;
  }
  return HEAD_WHOLE;
}

static enum head_state read_target(const char *at, const char *end, head *out) {
  const char *query = memchr(at, '?', (size_t)(end - at));
  size_t size = (size_t)((query ? query : end) - at);
  if (size == 0 || *at != '/') return HEAD_BAD;
  if (size >= sizeof out->path) return HEAD_TOO_LONG;
  memcpy(out->path, at, size);
  out->path[size] = '\0';
  return query ? read_query(query + 1, end, out) : HEAD_WHOLE;
}

enum head_state head_read(const char *bytes, size_t size, head *out) {
  const char *end = bytes + size, *blank = find(bytes, end, "\r\n\r\n");
  if (!blank) return HEAD_MORE;
  memset(out, 0, sizeof *out);
  const char *line_end = find(bytes, end, "\r\n"), *space = find(bytes, line_end, " ");
  if (!space) return HEAD_BAD;
  if (space - bytes != 3 || memcmp(bytes, "GET", 3) != 0) return HEAD_METHOD;
  const char *target = space + 1, *version = find(target, line_end, " ");
  if (!version || (size_t)(line_end - version) != sizeof " HTTP/1.1" - 1) return HEAD_BAD;
  if (memcmp(version, " HTTP/1.", sizeof " HTTP/1." - 1) != 0) return HEAD_BAD;
  return read_target(target, version, out);
}
