/* Where a request goes, and its body: the base URL, the path of the caller, of the endpoint or of
 * the dialect, and the bytes that the dialect encodes or the caller brings. See spec.h. */
#include "base/error.h"
#include "core/endpoint_path.h"
#include "core/spec_inside.h"
#include "wire/json.h"

#define BODY_BYTES_MAX ((size_t)2048 * 1024 * 1024)

static int keep_body(lti_spec *s, const lti_spec_input *in, leat_slice body) {
  s->has_body = true;
  s->body = lti_blob_make(s->alloc, in->places ? &in->places->body : NULL, body);
  return s->body ? LTI_OK : LEAT_ENOMEM;
}

static int explain(lti_buf *message, const lti_encoded *encoded, int error) {
  if (error == LEAT_EJSON)
    lti_buf_format(message, "the body is not valid JSON: %s at offset %zu",
                   encoded->message ? encoded->message : "syntax error", encoded->offset);
  else if (encoded->message)
    lti_buf_text(message, encoded->message);
  return error;
}

static void keep_facts(lti_spec *s, const lti_encoded *encoded) {
  s->stream = encoded->stream;
  s->usage = encoded->usage;
  s->choices = encoded->choices;
}

/* A form or a source: no dialect has looked at it. */
static int take_load(lti_spec *s, const lti_spec_input *in) {
  const leat_request *q = in->request;
  const char *why = NULL;
  if (q->chat || q->body.data) why = "a request has one of `chat`, `body`, `source` and `form`";
  if (s->protocol && !q->endpoint)
    why = "`source` and `form` go with protocol raw and with endpoints, not with a dialect";
  if (why) {
    lti_buf_text(in->message, why);
    return LEAT_EINVAL;
  }
  s->has_body = true;
  return in->load->streamed ? LTI_OK : keep_body(s, in, in->load->bytes);
}

/* Is there a body of the kind that the endpoint takes? */
static int check_row_body(const lti_spec_input *in) {
  const leat_endpoint *row = in->row;
  const leat_request *q = in->request;
  bool json = q->body.data || q->source, any = json || q->chat || q->form_count;
  const char *why = NULL;
  switch (row->body) {
    case LEAT_BODY_NONE: why = any ? "takes no body" : NULL; break;
    case LEAT_BODY_JSON:
      why = q->form_count               ? "takes JSON, not a form"
            : !json && !q->chat         ? "needs a JSON body"
            : q->chat && !row->protocol ? "takes `body`, not `chat`"
                                        : NULL;
      break;
    case LEAT_BODY_MULTIPART:
      why = q->chat                   ? "takes a form, not `chat`"
            : !json && !q->form_count ? "needs a form's fields"
                                      : NULL;
      break;
  }
  if (!why) return LTI_OK;
  lti_buf_format(in->message, "endpoint \"%s\" %s", row->name, why);
  return LEAT_EINVAL;
}

/* A body that no dialect looks into: JSON must be JSON all the same. */
static int make_plain_body(lti_spec *s, const lti_spec_input *in) {
  const leat_request *q = in->request;
  lti_encoded encoded = {0};
  bool json = in->row && in->row->body == LEAT_BODY_JSON && q->body.data;
  if (json && !lti_json_valid(q->body, &encoded.offset, &encoded.message))
    return explain(in->message, &encoded, LEAT_EJSON);
  return q->body.data ? keep_body(s, in, q->body) : LTI_OK;
}

/* A row may stream though its body says nothing of it. */
static bool row_streams(const lti_spec_input *in) {
  const leat_endpoint *row = in->row;
  if (!row) return false;
  bool may = row->stream_path || row->body == LEAT_BODY_MULTIPART || in->load;
  return lti_endpoint_streams(row) || (may && in->request->stream);
}

/* The body of an endpoint that takes none, or one that is no JSON. */
static int make_row_body(lti_spec *s, const lti_spec_input *in) {
  const char *method = in->row->method;
  s->stream = row_streams(in);
  if (in->load) return take_load(s, in);
  if (in->row->body != LEAT_BODY_NONE) return make_plain_body(s, in);
  s->has_body = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
                strcmp(method, "PATCH") == 0; /* an empty one, whose length is told */
  return LTI_OK;
}

int lti_spec_make_body(lti_spec *s, const lti_spec_input *in) {
  const leat_request *q = in->request;
  lti_buf *message = in->message;
  lti_encoded encoded = {0};
  if (in->row) {
    int r = check_row_body(in);
    if (r != LTI_OK) return r;
    if (in->load || in->row->body != LEAT_BODY_JSON) return make_row_body(s, in);
  }
  if (in->load) return take_load(s, in);
  if (!s->protocol) {
    if (q->chat) {
      lti_buf_text(message, "protocol raw takes `body`, not `chat`");
      return LEAT_EINVAL;
    }
    return make_plain_body(s, in);
  }
  if (!q->chat == !q->body.data) {
    lti_buf_text(message, "a request needs either `chat` or `body`");
    return LEAT_EINVAL;
  }
  if (q->body.data) {
    int r = s->protocol->inspect(q->body, &encoded);
    if (r != LTI_OK) return explain(message, &encoded, r);
    encoded.stream |= (q->stream && s->protocol->stream_path) || row_streams(in);
    keep_facts(s, &encoded);
    return keep_body(s, in, q->body);
  }
  lti_buf out;
  lti_buf_init(&out, s->alloc, BODY_BYTES_MAX, LEAT_EBODYMAX);
  int r = s->protocol->encode(q->chat, &out, &encoded);
  encoded.stream |= row_streams(in);
  keep_facts(s, &encoded);
  if (r == LTI_OK) r = keep_body(s, in, lti_buf_slice(&out));
  lti_buf_deinit(&out);
  return explain(message, &encoded, r);
}

/* The model, where a handshake has it in its query. */
static int add_model(lti_buf *path, const lti_spec_upgrade *u) {
  const char *name = u->dialect ? u->dialect->socket->model_query : NULL;
  if (!name || !u->model || !*u->model) return LTI_OK;
  bool query = memchr(path->data, '?', path->size) != NULL;
  int r = lti_buf_format(path, "%c%s=", query ? '&' : '?', name);
  return r == LTI_OK ? lti_url_encode(lti_slice_of(u->model), path) : r;
}

/* The dialect's own path; what the model is called may be a part of it. */
static int own_path(const lti_spec *s, const lti_spec_input *in, leat_slice base, lti_buf *path) {
  static const char place[] = "{model}";
  const lti_protocol *p = in->upgrade ? in->upgrade->dialect : s->protocol;
  const leat_request *q = in->request;
  const char *tail = s->stream && p->stream_path ? p->stream_path : p->path;
  const char *at = strstr(tail, place);
  if (!at) return lti_url_join(base, tail, path);
  const char *model = q->chat ? q->chat->model : q->model;
  if (!model || !*model) {
    lti_buf_format(in->message, "%s has the model in its path: the request must name one", p->name);
    return LEAT_EINVAL;
  }
  lti_buf filled;
  lti_buf_init(&filled, s->alloc, PATH_BYTES_MAX, LEAT_EURL);
  int r = lti_buf_append(&filled, lti_slice(tail, (size_t)(at - tail)));
  if (r == LTI_OK) r = lti_url_encode(lti_slice_of(model), &filled);
  if (r == LTI_OK) r = lti_buf_text(&filled, at + sizeof place - 1);
  if (r == LTI_OK) r = lti_buf_byte(&filled, '\0');
  if (r == LTI_OK) r = lti_url_join(base, filled.data, path);
  lti_buf_deinit(&filled);
  return r;
}

static int build_path(const lti_spec *s, const lti_spec_input *in, const lti_url *url,
                      lti_buf *path) {
  const lti_spec_upgrade *u = in->upgrade;
  const lti_protocol *dialect = u ? u->dialect : s->protocol;
  const char *given = u && u->url ? NULL : in->request->path;
  bool joined = dialect && !(u && u->url);
  int r;
  if (in->row)
    r = lti_endpoint_path(
        &(lti_endpoint_call){in->row, in->request, lti_spec_body(s), s->stream, in->message},
        url->path, path);
  else if (given && in->call && !u) /* of a task: a row's or a form's */
    r = lti_url_join_root(url->path, given, false, path);
  else if (given)
    r = lti_buf_format(path, "%s%s", given[0] == '/' ? "" : "/", given);
  else if (joined)
    r = own_path(s, in, url->path, path);
  else if (url->path.size && *url->path.data == '/')
    r = lti_buf_append(path, url->path);
  else
    r = lti_buf_format(path, "/%.*s", (int)url->path.size, url->path.size ? url->path.data : "");
  return r == LTI_OK && u ? add_model(path, u) : r;
}

int lti_spec_keep_path(lti_spec *s, const lti_spec_input *in, const lti_buf *path) {
  lti_blob *blob =
      lti_blob_make(s->alloc, in->places ? &in->places->path : NULL, lti_buf_slice(path));
  if (!blob) return LEAT_ENOMEM;
  lti_blob_release(s->path);
  s->path = blob;
  return LTI_OK;
}

/* "key=KEY" behind what the query has already. */
int lti_spec_append_key(lti_buf *path, leat_slice encoded) {
  bool query = memchr(path->data, '?', path->size) != NULL;
  int r = lti_buf_format(path, "%ckey=", query ? '&' : '?');
  return r == LTI_OK ? lti_buf_append(path, encoded) : r;
}

int lti_spec_make_path(lti_spec *s, const lti_spec_input *in, const lti_url *url) {
  lti_buf path;
  lti_buf_init(&path, s->alloc, PATH_BYTES_MAX, LEAT_EURL);
  int r = build_path(s, in, url, &path);
  if (r == LTI_OK && !lti_url_path_ok(lti_buf_slice(&path))) {
    lti_buf_text(in->message,
                 "the path has a control byte, a blank or a byte above 0x7e: percent-encode it");
    r = LEAT_EHEADER;
  }
  if (r == LTI_OK) r = lti_spec_keep_path(s, in, &path);
  lti_buf_deinit(&path);
  return r;
}

/* Bytes are read by nobody, and what has no dialect is JSON as it is. */
static const char *row_protocol(const leat_endpoint *row) {
  if (row->protocol) return row->protocol;
  return row->reply == LEAT_REPLY_KIND_BYTES ? NULL : "json";
}

int lti_spec_find_protocol(lti_spec *s, const lti_spec_input *in) {
  const char *name = lti_spec_protocol(in->request, in->defaults);
  lti_buf *message = in->message;
  if (in->row) {
    s->protocol = lti_protocol_find(row_protocol(in->row));
    return LTI_OK;
  }
  if (strcmp(name, "raw") == 0) return LTI_OK;
  s->protocol = lti_protocol_find(name);
  if (s->protocol) return LTI_OK;
  lti_buf_format(message, "no protocol is called \"%s\"; known are:", name);
  for (size_t i = 0; lti_protocol_at(i); i++)
    lti_buf_format(message, " %s", lti_protocol_at(i)->name);
  lti_buf_text(message, " raw");
  return LEAT_ENOPROTOCOL;
}

const char *lti_spec_protocol(const leat_request *q, const lti_spec_defaults *d) {
  return q->protocol ? q->protocol : d->protocol ? d->protocol : "openai-chat";
}

int lti_spec_find_target(const lti_protocol *p, const lti_spec_input *in, lti_url *url) {
  const char *base = in->request->base_url ? in->request->base_url : in->defaults->base_url;
  bool own = in->upgrade && in->upgrade->url;
  if (own) base = in->upgrade->url;
  if (!base && in->row) base = in->row->base_url;
  if (!base) base = p && p->base ? p->base : "https://api.openai.com";
  const char *why = NULL;
  leat_slice text = lti_slice_of(base);
  int r = in->upgrade ? lti_url_parse_ws(url, text, &why) : lti_url_parse(url, text, &why);
  if (r != LTI_OK)
    lti_buf_format(in->message, "the %sURL cannot be used: %s", own ? "" : "base ", why ? why : "");
  return r;
}
