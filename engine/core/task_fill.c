/* Names in braces, in the paths and bodies of task forms and endpoints, replaced by what stands for
 * them: see task_inside.h. "{id}" and "{ids}" are the provider's; any other name is a parameter, or
 * else a member of the body. */
#include "base/error.h"
#include "base/url.h"
#include "core/task_inside.h"
#include "wire/json.h"

#define NAME_MAX_BYTES 63

/* The name at `*at`, which is behind a brace; false when it is none, such as JSON's own. */
static bool read_name(const char *at, char name[NAME_MAX_BYTES + 1]) {
  size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  if (n == 0 || n > NAME_MAX_BYTES || at[n] != '}') return false;
  memcpy(name, at, n);
  name[n] = '\0';
  return true;
}

static const char *find_param(const lti_task_holes *h, const char *name) {
  for (size_t i = 0; i < h->param_count; i++)
    if (strcmp(h->params[i].name, name) == 0) return h->params[i].value;
  return NULL;
}

static bool find_member(const lti_task_holes *h, const char *name, leat_slice *value) {
  char pointer[NAME_MAX_BYTES + 2] = "/";
  if (!h->body.size) return false;
  memcpy(pointer + 1, name, strlen(name) + 1);
  return lti_json_find(h->body, pointer, value);
}

/* A member's text as it stands in a path: a string without its quotes, or a number. */
static int append_member(leat_slice value, lti_buf *out) {
  lti_json r;
  lti_json_text raw;
  leat_slice text;
  lti_json_init(&r, value);
  if (lti_json_peek(&r) == LTI_JSON_NUMBER) return lti_url_encode(value, out);
  if (!lti_json_string(&r, &raw)) return LEAT_ENOENDPOINT;
  lti_buf decoded;
  lti_buf_init(&decoded, out->alloc, out->max, out->full_error);
  int rc = lti_json_decode(raw, NULL, &decoded, &text);
  if (rc == LTI_OK) rc = lti_url_encode(text, out);
  lti_buf_deinit(&decoded);
  return rc;
}

static int put_in_path(const char *name, const lti_task_holes *h, lti_buf *out) {
  leat_slice value;
  if (h->id && strcmp(name, "id") == 0) return lti_url_encode(lti_slice_of(h->id), out);
  const char *param = find_param(h, name);
  if (param) return lti_url_encode(lti_slice_of(param), out);
  return find_member(h, name, &value) ? append_member(value, out) : LEAT_ENOENDPOINT;
}

static int put_ids(const lti_task_holes *h, lti_buf *out) {
  int r = lti_buf_byte(out, '[');
  for (size_t i = 0; i < h->id_count && r == LTI_OK; i++) {
    if (i > 0) r = lti_buf_byte(out, ',');
    if (r == LTI_OK) r = lti_json_write_string(out, lti_slice_of(h->ids[i]));
  }
  return r == LTI_OK ? lti_buf_byte(out, ']') : r;
}

static int put_in_json(const char *name, const lti_task_holes *h, lti_buf *out) {
  leat_slice value;
  if (h->id && strcmp(name, "id") == 0) return lti_json_write_string(out, lti_slice_of(h->id));
  if (h->ids && strcmp(name, "ids") == 0) return put_ids(h, out);
  const char *param = find_param(h, name);
  if (param) return lti_json_write_string(out, lti_slice_of(param));
  return find_member(h, name, &value) ? lti_buf_append(out, value) : LEAT_ENOENDPOINT;
}

static int fill(const char *pattern, const lti_task_holes *holes, lti_buf *out,
                int (*put)(const char *name, const lti_task_holes *holes, lti_buf *out)) {
  char name[NAME_MAX_BYTES + 1];
  while (*pattern) {
    bool hole = *pattern == '{' && read_name(pattern + 1, name);
    int r = hole ? put(name, holes, out) : lti_buf_byte(out, *pattern);
    if (r == LEAT_ENOENDPOINT && holes->keep_unknown)
      r = lti_buf_append(out, lti_slice(pattern, strlen(name) + 2));
    if (r != LTI_OK) return r;
    pattern += hole ? strlen(name) + 2 : 1;
  }
  return LTI_OK;
}

int lti_task_fill_path(const char *pattern, const lti_task_holes *holes, lti_buf *out) {
  int r = fill(pattern, holes, out, put_in_path);
  return r == LTI_OK ? lti_buf_byte(out, '\0') : r;
}

int lti_task_fill_json(const char *pattern, const lti_task_holes *holes, lti_buf *out) {
  return fill(pattern, holes, out, put_in_json);
}
