/* Forms read: see form_reader.h. */
#include "support/form_reader.h"

#include <stdio.h>
#include <string.h>

/* Takes what stands before `end` off `*rest`, and `end` with it. */
static bool take_until(leat_slice *rest, const char *end, leat_slice *taken) {
  size_t n = strlen(end);
  for (size_t i = 0; i + n <= rest->size; i++) {
    if (memcmp(rest->data + i, end, n) != 0) continue;
    *taken = lti_slice(rest->data, i);
    *rest = lti_slice_from(*rest, i + n);
    return true;
  }
  return false;
}

static bool take(leat_slice *rest, const char *text) {
  leat_slice before;
  leat_slice copy = *rest;
  if (!lti_slice_starts(copy, text)) return false;
  return take_until(rest, text, &before);
}

/* A quoted value ends with its quote; a quote or a line end within it could not be told from that.
 */
static bool take_quoted(leat_slice *rest, leat_slice *value) {
  if (!take_until(rest, "\"", value)) return false;
  return value->size == 0 ||
         (!memchr(value->data, '\r', value->size) && !memchr(value->data, '\n', value->size));
}

static bool read_head(leat_slice *rest, form_part *part) {
  leat_slice line;
  *part = (form_part){{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
  if (!take(rest, "Content-Disposition: form-data; name=\"") || !take_quoted(rest, &part->name))
    return false;
  if (take(rest, "; filename=\"") && !take_quoted(rest, &part->filename)) return false;
  if (!take(rest, "\r\n")) return false;
  if (take(rest, "Content-Type: ")) {
    if (!take_until(rest, "\r\n", &line)) return false;
    part->type = line;
  }
  return take(rest, "\r\n");
}

int form_read(leat_slice content_type, leat_slice body, form_part *parts, size_t parts_max) {
  char dashes[128], between[128];
  if (!take(&content_type, "multipart/form-data; boundary=") || content_type.size == 0 ||
      content_type.size > 70) /* RFC 2046 5.1.1 */
    return -1;
  int size = (int)content_type.size;
  snprintf(dashes, sizeof dashes, "--%.*s", size, content_type.data);
  snprintf(between, sizeof between, "\r\n--%.*s", size, content_type.data);
  if (!take(&body, dashes)) return -1;
  for (size_t count = 0;; count++) {
    if (take(&body, "--\r\n")) return body.size == 0 ? (int)count : -1;
    if (count == parts_max || !take(&body, "\r\n") || !read_head(&body, &parts[count]) ||
        !take_until(&body, between, &parts[count].content))
      return -1;
  }
}
