/* The delimiter is looked for byte by byte where a CR begins, and passed over by memchr elsewhere:
 * a CR occurs in it only at its start, so what was matched in vain is part of the body and cannot
 * itself hold another start. The first delimiter lacks its CRLF, which counts as seen. */
#include "bench/mock/multipart.h"

#include <ctype.h>
#include <string.h>

static bool fail(mock_multipart *p, const char *why) {
  if (p->state != MULTIPART_BROKEN) p->why = why;
  p->state = MULTIPART_BROKEN;
  return false;
}

/* RFC 2045, 5.1: boundary=token or boundary="quoted". */
static leat_slice boundary_of(const char *type) {
  static const char name[] = "boundary=";
  const char *at = type;
  while ((at = strchr(at, ';'))) {
    at++;
    while (*at == ' ' || *at == '\t') at++;
    if (!lti_slice_is_nocase(lti_slice(at, strnlen(at, sizeof name - 1)), name)) continue;
    at += sizeof name - 1;
    if (*at == '"') return lti_slice(at + 1, strcspn(at + 1, "\""));
    return lti_slice(at, strcspn(at, "; \t"));
  }
  return lti_slice("", 0);
}

bool mock_multipart_init(mock_multipart *p, lti_alloc *alloc, const char *content_type) {
  leat_slice boundary = boundary_of(content_type);
  memset(p, 0, sizeof *p);
  lti_buf_init(&p->head, alloc, MOCK_PART_HEAD_MAX, LEAT_EHEADERSMAX);
  if (!boundary.size || boundary.size > MOCK_BOUNDARY_MAX) return false;
  memcpy(p->delimiter, "\r\n--", 4);
  memcpy(p->delimiter + 4, boundary.data, boundary.size);
  p->delimiter_size = boundary.size + 4;
  p->matched = 2;
  return true;
}

void mock_multipart_deinit(mock_multipart *p) {
  lti_buf_deinit(&p->head);
}

static bool say(mock_multipart *p, leat_slice bytes) {
  if (!bytes.size || !p->in_part) return true;
  return p->sink->bytes(p->user, bytes) == 0 || fail(p, "a part is too big");
}

static bool delimited(mock_multipart *p) {
  p->state = MULTIPART_DELIMITED;
  p->matched = 0;
  lti_buf_clear(&p->head);
  if (!p->in_part) return true;
  p->in_part = false;
  return p->sink->end(p->user) == 0 || fail(p, "a part cannot be taken");
}

/* Returns what is left. */
static leat_slice feed_body(mock_multipart *p, leat_slice in) {
  while (in.size && p->state == MULTIPART_BODY) {
    if (p->matched == 0) {
      const char *cr = memchr(in.data, '\r', in.size);
      size_t n = cr ? (size_t)(cr - in.data) : in.size;
      if (!say(p, lti_slice(in.data, n))) break;
      in = lti_slice_from(in, n);
      if (!cr) break;
    }
    if (*in.data == p->delimiter[p->matched]) {
      in = lti_slice_from(in, 1);
      if (++p->matched == p->delimiter_size) delimited(p);
    } else {
      size_t n = p->matched;
      p->matched = 0;
      if (!say(p, lti_slice(p->delimiter, n))) break;
      if (*in.data != '\r') {
        if (!say(p, lti_slice(in.data, 1))) break;
        in = lti_slice_from(in, 1);
      }
    }
  }
  return in;
}

/* Behind a delimiter: two dashes, or blanks and the line's end. */
static void judge_delimiter(mock_multipart *p) {
  leat_slice h = lti_buf_slice(&p->head);
  if (lti_slice_is(h, "--")) {
    p->state = MULTIPART_OVER;
  } else if (lti_slice_ends(h, "\r\n")) {
    lti_buf_clear(&p->head);
    p->state = MULTIPART_HEAD;
  } else if (h.data[h.size - 1] != ' ' && h.data[h.size - 1] != '\t' &&
             h.data[h.size - 1] != '\r' && !lti_slice_is(h, "-")) {
    fail(p, "something stands behind a delimiter");
  }
}

static void judge_head(mock_multipart *p) {
  leat_slice h = lti_buf_slice(&p->head);
  bool empty = lti_slice_is(h, "\r\n");
  if (!empty && !lti_slice_ends(h, "\r\n\r\n")) return;
  p->in_part = true;
  p->state = MULTIPART_BODY;
  if (p->sink->part(p->user, lti_slice(h.data, h.size - 2))) fail(p, "a part cannot be taken");
}

bool mock_multipart_feed(mock_multipart *p, leat_slice in) {
  while (in.size && p->state != MULTIPART_BROKEN && p->state != MULTIPART_OVER) {
    if (p->state == MULTIPART_BODY) {
      in = feed_body(p, in);
      continue;
    }
    if (lti_buf_byte(&p->head, *in.data)) return fail(p, "the head of a part is too big");
    in = lti_slice_from(in, 1);
    if (p->state == MULTIPART_DELIMITED)
      judge_delimiter(p);
    else
      judge_head(p);
  }
  return p->state != MULTIPART_BROKEN;
}

bool mock_multipart_end(mock_multipart *p) {
  return p->state == MULTIPART_OVER || fail(p, "the last delimiter is missing");
}

/* The line of this field, without its name. */
static bool find_line(leat_slice head, const char *field, leat_slice *value) {
  size_t n = strlen(field);
  while (head.size) {
    const char *end = lti_slice_find(head, lti_slice("\r\n", 2));
    leat_slice line = lti_slice(head.data, end ? (size_t)(end - head.data) : head.size);
    if (line.size > n && line.data[n] == ':' &&
        lti_slice_is_nocase(lti_slice(line.data, n), field)) {
      *value = lti_slice_trim(lti_slice_from(line, n + 1));
      return true;
    }
    if (!end) return false;
    head = lti_slice_from(head, line.size + 2);
  }
  return false;
}

/* A quoted string up to its end; a backslash counts only before a quote and before itself, since
 * file names of one system are full of them. */
static size_t unquote(leat_slice text, char *out, size_t cap) {
  size_t n = 0;
  for (size_t i = 0; i < text.size && text.data[i] != '"' && n + 1 < cap; i++) {
    bool escape = text.data[i] == '\\' && i + 1 < text.size &&
                  (text.data[i + 1] == '"' || text.data[i + 1] == '\\');
    out[n++] = text.data[escape ? ++i : i];
  }
  return n;
}

/* Parameters in quotes may hold semicolons: one is passed over at a time. */
static bool find_parameter(leat_slice line, const char *name, leat_slice *value, bool *quoted) {
  size_t n = strlen(name), at = 0;
  bool inside = false;
  for (; at < line.size; at++) {
    char c = line.data[at];
    if (inside && c == '\\') at++;
    if (c == '"') inside = !inside;
    if (inside || c != ';') continue;
    leat_slice rest = lti_slice_trim(lti_slice_from(line, at + 1));
    if (rest.size <= n || rest.data[n] != '=' ||
        !lti_slice_is_nocase(lti_slice(rest.data, n), name))
      continue;
    rest = lti_slice_from(rest, n + 1);
    *quoted = rest.size && *rest.data == '"';
    *value = *quoted ? lti_slice_from(rest, 1) : rest;
    return true;
  }
  return false;
}

bool mock_multipart_field(leat_slice head, const char *field, const char *parameter, char *out,
                          size_t cap) {
  leat_slice line, value;
  bool quoted = false;
  *out = '\0';
  if (!find_line(head, field, &line)) return false;
  if (parameter && !find_parameter(line, parameter, &value, &quoted)) return false;
  if (!parameter) value = line;
  size_t n = 0;
  if (quoted)
    n = unquote(value, out, cap);
  else
    while (n < value.size && n + 1 < cap && (!parameter || value.data[n] != ';'))
      out[n] = value.data[n], n++;
  out[n] = '\0';
  return true;
}
