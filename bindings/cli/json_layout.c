/* JSON laid out: strings are passed over, everything else is a matter of brackets and commas. */
#include "json_layout.h"

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* How many bytes a string takes, its quotes included. */
static size_t string_size(leat_slice json) {
  size_t n = 1;
  while (n < json.size && json.data[n] != '"') n += json.data[n] == '\\' ? 2 : 1;
  return n < json.size ? n + 1 : json.size;
}

static int new_line(lti_buf *out, size_t depth) {
  int r = lti_buf_byte(out, '\n');
  for (size_t i = 0; r == LEAT_OK && i < 2 * depth; i++) r = lti_buf_byte(out, ' ');
  return r;
}

/* The next byte that is no white space. */
static char behind(leat_slice rest) {
  size_t n = 1;
  while (n < rest.size && is_blank(rest.data[n])) n++;
  return n < rest.size ? rest.data[n] : '\0';
}

static int put_mark(leat_slice rest, size_t *depth, lti_buf *out) {
  char c = *rest.data, next = behind(rest);
  bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
  bool empty = opens && (next == '}' || next == ']');
  int r = LEAT_OK;
  if (closes && *depth) --*depth;
  if (closes && out->size && out->data[out->size - 1] != '{' && out->data[out->size - 1] != '[')
    r = new_line(out, *depth);
  if (r == LEAT_OK) r = lti_buf_byte(out, c);
  if (opens) ++*depth;
  if (r == LEAT_OK && ((opens && !empty) || c == ',')) r = new_line(out, *depth);
  return r == LEAT_OK && c == ':' ? lti_buf_byte(out, ' ') : r;
}

int cli_json_layout(leat_slice json, bool one_line, lti_buf *out) {
  size_t depth = 0;
  int r = LEAT_OK;
  while (r == LEAT_OK && json.size) {
    size_t n = 1;
    char c = *json.data;
    if (c == '"') {
      n = string_size(json);
      r = lti_buf_append(out, lti_slice(json.data, n));
    } else if (!one_line && strchr("{}[],:", c)) {
      r = put_mark(json, &depth, out);
    } else if (!is_blank(c)) {
      r = lti_buf_byte(out, c);
    }
    json = lti_slice_from(json, n);
  }
  return r;
}
