/* One line of a file of jobs: {"custom_id", "method", "url" or "endpoint", "body"}. `endpoint` is a
 * row's name, or a path as `url` is; a path is looked for among the rows, exact ones first, and
 * what stands in the places of its {names} becomes parameters. */
#include <stdarg.h>
#include <stdio.h>

#include "batch.h"
#include "program.h"
#include "wire/json.h"

typedef struct fields {
  const char *custom_id, *method, *url, *endpoint;
} fields;

void cli_batch_line_init(cli_batch_line *l) {
  memset(l, 0, sizeof *l);
  lti_buf_init(&l->texts, cli_program_alloc(), (size_t)128 << 20, LEAT_EBODYMAX);
}

void cli_batch_line_deinit(cli_batch_line *l) {
  lti_buf_deinit(&l->texts);
}

__attribute__((format(printf, 2, 3))) static bool refuse(cli_batch_line *l, const char *format,
                                                         ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(l->why, sizeof l->why, format, args);
  va_end(args);
  return false;
}

/* ---- the members */

/* There is room for all texts of the line. */
static const char *keep(cli_batch_line *l, leat_slice text) {
  const char *at = l->texts.data + l->texts.size;
  bool kept = lti_buf_append(&l->texts, text) == LEAT_OK && lti_buf_byte(&l->texts, 0) == LEAT_OK;
  return kept && !memchr(text.data ? text.data : "", 0, text.size) ? at : NULL;
}

static bool read_text(cli_batch_line *l, lti_json *r, const char *name, const char **text) {
  lti_json_text raw;
  leat_slice decoded;
  lti_buf scratch;
  if (!lti_json_string(r, &raw)) return refuse(l, "\"%s\" is not a text", name);
  lti_buf_init(&scratch, cli_program_alloc(), l->texts.max, LEAT_EBODYMAX);
  bool fine = lti_json_decode(raw, NULL, &scratch, &decoded) == LEAT_OK;
  *text = fine ? keep(l, decoded) : NULL;
  lti_buf_deinit(&scratch);
  return *text ? true : refuse(l, "\"%s\" holds a NUL byte", name);
}

static bool read_member(cli_batch_line *l, lti_json *r, lti_json_text key, fields *f) {
  if (lti_json_key_is(key, "custom_id")) return read_text(l, r, "custom_id", &f->custom_id);
  if (lti_json_key_is(key, "method")) return read_text(l, r, "method", &f->method);
  if (lti_json_key_is(key, "url")) return read_text(l, r, "url", &f->url);
  if (lti_json_key_is(key, "endpoint")) return read_text(l, r, "endpoint", &f->endpoint);
  if (lti_json_key_is(key, "body")) return lti_json_raw(r, &l->body);
  lti_json_skip(r);
  return true;
}

static bool read_members(cli_batch_line *l, leat_slice text, fields *f) {
  lti_json r;
  lti_json_text key;
  size_t offset;
  const char *why;
  if (!lti_json_valid(text, &offset, &why))
    return refuse(l, "not valid JSON: %s at byte %zu", why, offset);
  lti_json_init(&r, text);
  if (!lti_json_enter_object(&r)) return refuse(l, "not a JSON object");
  while (lti_json_next_key(&r, &key))
    if (!read_member(l, &r, key, f)) return false;
  return true;
}

/* ---- the endpoint */

/* Does the path fit the row's, and what stands in its holes? */
static bool fits(cli_batch_line *l, const char *pattern, const char *path) {
  l->param_count = 0;
  while (*pattern) {
    const char *end = *pattern == '{' ? strchr(pattern, '}') : NULL;
    if (!end) {
      if (*pattern++ != *path++) return false;
      continue;
    }
    char stop[3] = {'/', end[1] ? end[1] : '/', '\0'};
    size_t size = strcspn(path, stop);
    if (size == 0 || l->param_count == CLI_BATCH_PARAMS_MAX) return false;
    const char *name = keep(l, lti_slice(pattern + 1, (size_t)(end - pattern - 1)));
    const char *value = keep(l, lti_slice(path, size));
    l->params[l->param_count++] = (leat_param){name, value};
    path += size;
    pattern = end + 1;
  }
  return *path == '\0';
}

/* {"prompt"} of a Gemini path is in the body of others: rows with holes come second. */
static bool find_path(cli_batch_line *l, const leat_engine *e, const char *method,
                      const char *path) {
  for (int holes = 0; holes < 2; holes++) {
    const leat_endpoint *row;
    for (size_t i = 0; (row = leat_endpoint_at(e, i)); i++) {
      if ((strchr(row->path, '{') != NULL) != (holes == 1) || strcmp(row->method, method) != 0)
        continue;
      if (row->reply == LEAT_REPLY_KIND_WS || !fits(l, row->path, path)) continue;
      l->row = row;
      return true;
    }
  }
  return refuse(l, "no endpoint is %.10s %.100s: see leat endpoints", method, path);
}

static bool find_row(cli_batch_line *l, const leat_engine *e, const fields *f) {
  const char *target = f->endpoint ? f->endpoint : f->url;
  if (!target || !*target) return refuse(l, "it has neither \"url\" nor \"endpoint\"");
  if (*target == '/') return find_path(l, e, f->method ? f->method : "POST", target);
  l->row = leat_endpoint_find(e, target);
  if (!l->row) return refuse(l, "no endpoint is called %.100s: see leat endpoints", target);
  if (f->method && strcmp(f->method, l->row->method) != 0)
    return refuse(l, "%.60s is called with %.10s, not %.10s", target, l->row->method, f->method);
  return true;
}

static bool check(cli_batch_line *l) {
  leat_slice stream;
  if (l->row->body == LEAT_BODY_MULTIPART || l->row->reply == LEAT_REPLY_KIND_WS)
    return refuse(l, "%.60s takes a form or is a WebSocket, which no line can be", l->row->name);
  if (l->row->body != LEAT_BODY_NONE && (!l->body.size || l->body.data[0] != '{'))
    return refuse(l, "it has no \"body\", or one that is no object");
  if (l->body.size && lti_json_find(l->body, "/stream", &stream) && lti_slice_is(stream, "true"))
    return refuse(l, "it asks for a stream, of which a line of results cannot be made");
  return true;
}

bool cli_batch_line_read(cli_batch_line *l, const leat_engine *e, leat_slice text) {
  fields f = {0};
  lti_buf_clear(&l->texts);
  l->custom_id = NULL;
  l->row = NULL;
  l->body = lti_slice(NULL, 0);
  l->param_count = 0;
  /* Texts do not grow by decoding, and views must stay where they are; paths are tried often. */
  if (lti_buf_reserve(&l->texts, text.size * 3 + 4096) != LEAT_OK) return refuse(l, "no memory");
  if (!read_members(l, text, &f)) return false;
  if (!f.custom_id || !*f.custom_id) return refuse(l, "it has no \"custom_id\"");
  if (strlen(f.custom_id) > CLI_BATCH_NAME_MAX)
    return refuse(l, "its \"custom_id\" is longer than %d bytes", CLI_BATCH_NAME_MAX);
  l->custom_id = f.custom_id;
  return find_row(l, e, &f) && check(l);
}
