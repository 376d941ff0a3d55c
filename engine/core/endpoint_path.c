/* Where a call of an endpoint goes: see endpoint_path.h. A value is a parameter of the request, the
 * model's name where that is asked for, or a member at the top of the JSON body. It is
 * percent-encoded, so that it stays the one segment that the row's author meant. */
#include "core/endpoint_path.h"

#include "base/error.h"
#include "base/url.h"
#include "core/template.h"
#include "wire/json.h"

#define PATH_BYTES_MAX  ((size_t)32 * 1024)
#define VALUE_BYTES_MAX ((size_t)16 * 1024)

bool lti_endpoint_streams(const leat_endpoint *row) {
  bool same = row->stream_path && strcmp(row->path, row->stream_path) == 0;
  bool asks = row->reply == LEAT_REPLY_KIND_SSE && row->body == LEAT_BODY_NONE;
  return same || asks || row->reply == LEAT_REPLY_KIND_ARRAY;
}

static leat_slice param_of(const leat_request *q, leat_slice name) {
  for (size_t i = 0; i < q->param_count; i++)
    if (lti_slice_is(name, q->params[i].name)) return lti_slice_of(q->params[i].value);
  return lti_slice(NULL, 0);
}

/* A text, a number or a truth value at the top of the body, decoded into `scratch` where it must
 * be. Names have no '/' and no '~', which pointers would read. */
static int member_of(leat_slice body, leat_slice name, lti_buf *scratch, leat_slice *value) {
  char pointer[80];
  lti_json r;
  lti_json_text text;
  if (name.size + 2 > sizeof pointer || !body.size) return LTI_OK;
  pointer[0] = '/';
  memcpy(pointer + 1, name.data, name.size);
  pointer[1 + name.size] = '\0';
  if (!lti_json_find(body, pointer, value)) return LTI_OK;
  lti_json_init(&r, *value);
  switch (lti_json_peek(&r)) {
    case LTI_JSON_STRING:
      return lti_json_string(&r, &text) ? lti_json_decode(text, NULL, scratch, value) : LTI_OK;
    case LTI_JSON_NUMBER:
    case LTI_JSON_TRUE:
    case LTI_JSON_FALSE: return LTI_OK;
    case LTI_JSON_NONE:
    case LTI_JSON_NULL:
    case LTI_JSON_ARRAY:
    case LTI_JSON_OBJECT: break;
  }
  *value = lti_slice(NULL, 0);
  return LTI_OK;
}

static int missing(const lti_endpoint_call *call, const char *path, leat_slice name) {
  lti_buf_format(call->message, "endpoint \"%s\" needs the parameter \"%.*s\" of its path %s",
                 call->row->name, (int)name.size, name.data, path);
  return LEAT_ENOENDPOINT;
}

static int put_value(const lti_endpoint_call *call, const char *path, leat_slice name,
                     lti_buf *out) {
  const leat_request *q = call->request;
  leat_slice value = param_of(q, name);
  if (!value.size && lti_slice_is(name, "model"))
    value = lti_slice_of(q->chat ? q->chat->model : q->model);
  lti_buf scratch;
  lti_buf_init(&scratch, out->alloc, VALUE_BYTES_MAX, LEAT_EURL);
  int r = value.size ? LTI_OK : member_of(call->body, name, &scratch, &value);
  if (r == LTI_OK) r = value.size ? lti_url_encode(value, out) : missing(call, path, name);
  if (r == LEAT_EURL)
    lti_buf_format(call->message, "the parameter \"%.*s\" cannot stand in a path", (int)name.size,
                   name.data);
  lti_buf_deinit(&scratch);
  return r;
}

static int fill(const lti_endpoint_call *call, const char *path, lti_buf *out) {
  leat_slice text, name;
  const char *rest = path;
  int r = LTI_OK;
  while (r == LTI_OK && lti_template_next(&rest, &text, &name)) {
    r = lti_buf_append(out, text);
    if (r == LTI_OK && name.size) r = put_value(call, path, name, out);
  }
  return r == LTI_OK ? lti_buf_byte(out, '\0') : r;
}

/* What the path does not ask for is a query's: ?limit=20. */
static int put_query(const lti_endpoint_call *call, const char *path, lti_buf *out) {
  const leat_request *q = call->request;
  int r = LTI_OK;
  for (size_t i = 0; r == LTI_OK && i < q->param_count; i++) {
    const leat_param *p = &q->params[i];
    if (lti_template_has(path, lti_slice_of(p->name))) continue;
    bool query = memchr(out->data, '?', out->size) != NULL;
    r = lti_buf_byte(out, query ? '&' : '?');
    if (r == LTI_OK) r = lti_url_encode(lti_slice_of(p->name), out);
    if (r == LTI_OK) r = lti_buf_byte(out, '=');
    if (r == LTI_OK) r = lti_url_encode(lti_slice_of(p->value), out);
  }
  return r;
}

/* Anthropic's base URLs have no version; all others' do, or stand in its place. */
static bool version_stays(const leat_endpoint *row) {
  bool field = row->header && lti_slice_is_nocase(lti_slice_of(row->header), "anthropic-version");
  return field || (row->protocol && strcmp(row->protocol, "anthropic") == 0);
}

int lti_endpoint_path(const lti_endpoint_call *call, leat_slice base, lti_buf *path) {
  const leat_endpoint *row = call->row;
  const char *template = call->stream && row->stream_path ? row->stream_path : row->path;
  lti_buf filled;
  lti_buf_init(&filled, path->alloc, PATH_BYTES_MAX, LEAT_EURL);
  int r = fill(call, template, &filled);
  if (r == LTI_OK) r = lti_url_join_root(base, filled.data, version_stays(row), path);
  if (r == LTI_OK) r = put_query(call, template, path);
  lti_buf_deinit(&filled);
  return r;
}
