/* Paths of requests: with single slashes and without their query, matched against patterns in which
 * "*" stands for one segment, percent-decoded where what it says matters. */
#include <string.h>

#include "bench/mock/gateway.h"

leat_slice mock_path_clean(const mock_exchange *x, char *out, size_t cap) {
  const char *url = mock_exchange_url(x);
  size_t n = 0;
  for (; *url && *url != '?' && n < cap; url++)
    if (*url != '/' || n == 0 || out[n - 1] != '/') out[n++] = *url;
  return lti_slice(out, n);
}

bool mock_path_match(leat_slice path, const char *pattern, leat_slice parts[MOCK_PATH_PARTS]) {
  size_t at = 0, count = 0;
  for (; *pattern; pattern++) {
    if (*pattern != '*') {
      if (at == path.size || path.data[at++] != *pattern) return false;
      continue;
    }
    size_t begin = at;
    while (at < path.size && path.data[at] != '/' && path.data[at] != pattern[1]) at++;
    if (at == begin) return false;
    if (count < MOCK_PATH_PARTS) parts[count++] = lti_slice(path.data + begin, at - begin);
  }
  return at == path.size;
}

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

leat_slice mock_path_decode(leat_slice part, char *out, size_t cap) {
  size_t n = 0;
  for (size_t i = 0; i < part.size && n < cap; i++) {
    int high = -1, low = -1;
    if (part.data[i] == '%' && i + 2 < part.size) {
      high = hex_of(part.data[i + 1]);
      low = hex_of(part.data[i + 2]);
    }
    bool escaped = high >= 0 && low >= 0;
    out[n++] = escaped ? (char)(unsigned char)(16 * high + low) : part.data[i];
    if (escaped) i += 2;
  }
  return lti_slice(out, n);
}

const char *mock_path_query(const mock_exchange *x, const char *name) {
  size_t n = strlen(name);
  const char *at = strchr(mock_exchange_url(x), '?');
  while (at) {
    at++;
    if (strncmp(at, name, n) == 0 && at[n] == '=') return at + n + 1;
    at = strchr(at, '&');
  }
  return NULL;
}
