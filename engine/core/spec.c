/* What a request sends: see spec.h.
 *
 * Building goes in three steps: the target (base URL, path) and the body (encoded from typed
 * fields, or the caller's own), which are spec_target.c's, and the headers (ours, the engine's, the
 * request's; a later one of the same name replaces an earlier one). Everything is gathered in
 * buffers first and then laid into one block, the head: for each header the sizes of its name and
 * value, the method with its NUL, then the texts. It has no pointers, so that two are the same when
 * their bytes are. */
#include "core/spec_inside.h"

#include "base/error.h"
#include "core/credential.h"
#include "wire/proxy.h"

#define TEXT_BYTES_MAX ((size_t)256 * 1024)
#define HEAD_BYTES_MAX ((size_t)64 << 20)

/* A header list under construction: views of the caller's memory and of static texts. */
typedef struct gathering {
  leat_header list[LTI_SPEC_HEADERS_MAX];
  size_t count;
  lti_buf *message;
  lti_buf bearer;  /* "Bearer KEY" */
  lti_buf offered; /* the subprotocols of a handshake */
  leat_slice key;  /* the last of them, NULL: it is not there */
  lti_buf query;   /* the key as a query has it */
  bool upgrade;
} gathering;

static const char offered_name[] = "Sec-WebSocket-Protocol";

/* Fields that the engine alone writes, since they frame the message. */
static bool is_framing(leat_slice name) {
  static const char *const names[] = {"host",       "content-length", "transfer-encoding",
                                      "connection", "upgrade",        "te",
                                      "expect",     "keep-alive"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (lti_slice_is_nocase(name, names[i])) return true;
  return false;
}

static int put_header(gathering *g, leat_slice name, leat_slice value) {
  for (size_t i = 0; i < g->count; i++) {
    if (!lti_slice_equal_nocase(g->list[i].name, name)) continue;
    g->list[i].value = value;
    return LTI_OK;
  }
  if (g->count == LTI_SPEC_HEADERS_MAX) {
    lti_buf_format(g->message, "more than %d headers", LTI_SPEC_HEADERS_MAX);
    return LEAT_EHEADER;
  }
  g->list[g->count++] = (leat_header){name, value};
  return LTI_OK;
}

static int put_text(gathering *g, const char *name, const char *value) {
  return put_header(g, lti_slice_of(name), lti_slice_of(value));
}

/* The caller's: checked. Values are not shown, they may be secrets. */
static int check_field(leat_slice name, leat_slice value, bool upgrade, lti_buf *message) {
  static const char websocket[] = "sec-websocket-";
  if (!lti_http_name_ok(name)) {
    lti_buf_text(message, "a header name is empty or has a byte that names cannot have");
    return LEAT_EHEADER;
  }
  if (!lti_http_value_ok(value)) {
    lti_buf_format(message,
                   "the value of header \"%.*s\" has CR, LF, NUL or another forbidden byte",
                   (int)name.size, name.data);
    return LEAT_EHEADER;
  }
  size_t prefix = name.size < sizeof websocket - 1 ? name.size : sizeof websocket - 1;
  bool asks = upgrade && lti_slice_is_nocase(lti_slice(name.data, prefix), websocket);
  if (!is_framing(name) && !asks) return LTI_OK;
  lti_buf_format(message, "header \"%.*s\" is the engine's own to write", (int)name.size,
                 name.data);
  return LEAT_EHEADER;
}

static int put_foreign(gathering *g, const leat_header *headers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    leat_slice name = headers[i].name, value = lti_slice_trim(headers[i].value);
    int r = check_field(name, value, g->upgrade, g->message);
    if (r == LTI_OK) r = put_header(g, name, value);
    if (r != LTI_OK) return r;
  }
  return LTI_OK;
}

/* A field that the key fills alone may have a scheme in front of it. */
static int check_key(leat_slice key, bool scheme, lti_buf *message) {
  if (lti_http_value_ok(key) && (scheme || !memchr(key.data, ' ', key.size)) &&
      !memchr(key.data, '\t', key.size))
    return LTI_OK;
  lti_buf_text(message, "the API key has CR, LF, a blank or another byte that keys cannot have");
  return LEAT_EHEADER;
}

static const char authorization[] = "Authorization";

/* What no header can be called: listed among the credentials, but never sent as a field. */
static const char query_key[] = "?key", query_key_encoded[] = "?key=";

static int put_query_key(gathering *g, leat_slice key) {
  int r = lti_url_encode(key, &g->query);
  if (r == LEAT_EURL) lti_buf_text(g->message, "the API key cannot stand in a query");
  if (r == LTI_OK) r = put_header(g, lti_slice_of(query_key), key);
  if (r == LTI_OK) r = put_header(g, lti_slice_of(query_key_encoded), lti_buf_slice(&g->query));
  return r;
}

/* `field`: the dialect's own, which has the key and nothing else; NULL: it is a bearer's. */
static int put_key(gathering *g, const char *key, enum leat_auth style, const char *field) {
  if (!key || !*key || style == LEAT_AUTH_NONE) return LTI_OK;
  leat_slice k = lti_slice_of(key);
  int r = check_key(k, style == LEAT_AUTH_RAW, g->message);
  if (r != LTI_OK) return r;
  if (style == LEAT_AUTH_QUERY) return put_query_key(g, k);
  if (style != LEAT_AUTH_DEFAULT) field = lti_credential_field(style);
  if (field) return put_header(g, lti_slice_of(field), k);
  r = lti_buf_text(&g->bearer, "Bearer ");
  if (r == LTI_OK) r = lti_buf_append(&g->bearer, k);
  if (r == LTI_OK) r = put_header(g, lti_slice_of(authorization), lti_buf_slice(&g->bearer));
  return r;
}

static enum leat_auth style_of(const lti_spec_input *in, const char *field) {
  enum leat_auth row = in->row ? in->row->auth : LEAT_AUTH_DEFAULT;
  return lti_credential_style(in->request->auth, row, in->defaults->auth, field);
}

/* The key will come by callback; or would, if the caller had not given the field itself. A path is
 * made once, so that the query cannot have such a key. */
static int expect_key(lti_spec *s, const gathering *g, const lti_spec_input *in,
                      const char *field) {
  enum leat_auth style = style_of(in, field);
  if (!in->defaults->asks_key || in->request->api_key || style == LEAT_AUTH_NONE) return LTI_OK;
  if (style == LEAT_AUTH_QUERY) {
    lti_buf_text(g->message, "a key that comes by callback cannot stand in the query");
    return LEAT_EINVAL;
  }
  if (style != LEAT_AUTH_DEFAULT) field = lti_credential_field(style);
  const char *name = field ? field : authorization;
  s->asks_key = true;
  s->key_field = field;
  for (size_t i = 0; i < g->count; i++)
    if (lti_slice_is_nocase(g->list[i].name, name)) s->asks_key = false;
  return LTI_OK;
}

/* The request's own, else the engine's. */
static const char *key_of(const lti_spec_input *in) {
  const char *own = in->request->api_key;
  return own ? own : in->defaults->asks_key ? NULL : in->defaults->api_key;
}

/* What kind of answer is wanted, and what kind of body comes. */
static int put_kinds(const lti_spec *s, gathering *g, const lti_spec_input *in) {
  const leat_endpoint *row = in->row;
  bool call = in->call || row;
  bool json = s->protocol || (call && s->has_body);
  bool bytes = row && row->reply == LEAT_REPLY_KIND_BYTES;
  bool text = row ? row->body == LEAT_BODY_JSON : json && s->has_body && !in->load;
  int r = put_text(g, "Accept",
                   s->stream        ? "text/event-stream"
                   : json && !bytes ? "application/json"
                                    : "*/*");
  if (r == LTI_OK && (s->protocol || call))
    r = put_text(g, "Accept-Encoding", s->stream ? "identity" : "gzip");
  if (r == LTI_OK && text) r = put_text(g, "Content-Type", "application/json");
  return r;
}

static void drop_credentials(gathering *g) {
  size_t n = 0;
  for (size_t i = 0; i < g->count; i++)
    if (!lti_credential_is(g->list[i].name)) g->list[n++] = g->list[i];
  g->count = n;
}

static int gather_headers(lti_spec *s, gathering *g, const lti_spec_input *in) {
  const leat_request *q = in->request;
  const lti_spec_defaults *d = in->defaults;
  const lti_protocol *p = s->protocol;
  const char *field = p ? p->key_header : NULL;
  s->identity = s->stream || (!p && !in->call && !in->row);
  int r = put_text(g, "User-Agent", "leat/" LEAT_VERSION);
  if (r == LTI_OK) r = put_kinds(s, g, in);
  if (r == LTI_OK && p && p->header) r = put_text(g, p->header, p->value);
  if (r == LTI_OK && in->row && in->row->header) r = put_text(g, in->row->header, in->row->value);
  if (r == LTI_OK && !in->foreign) r = put_key(g, key_of(in), style_of(in, field), field);
  if (r == LTI_OK) r = put_foreign(g, d->headers, d->header_count);
  if (r == LTI_OK) r = put_foreign(g, q->headers, q->header_count);
  s->away = in->foreign;
  if (in->foreign)
    drop_credentials(g);
  else if (r == LTI_OK)
    r = expect_key(s, g, in, field);
  if (r == LTI_OK && in->load && in->load->type.data)
    r = put_header(g, lti_slice_of("Content-Type"), in->load->type);
  return r;
}

/* ---- a handshake's headers */

/* Tokens with commas between them (RFC 6455 11.3.4). */
static bool subprotocols_ok(leat_slice list) {
  for (size_t from = 0, at = 0; at <= list.size; at++) {
    if (at < list.size && list.data[at] != ',') continue;
    if (!lti_http_name_ok(lti_slice_trim(lti_slice(list.data + from, at - from)))) return false;
    from = at + 1;
  }
  return true;
}

/* What is offered, the key last. */
static int offer(gathering *g, const lti_spec_upgrade *u, const char *key) {
  const lti_protocol_socket *how = u->dialect ? u->dialect->socket : NULL;
  const char *list = u->subprotocols && *u->subprotocols ? u->subprotocols : NULL;
  int r = LTI_OK;
  if (u->key_in_subprotocol && (!how || !how->key_subprotocol)) {
    lti_buf_text(g->message, "the key cannot be a subprotocol of this protocol");
    return LEAT_EINVAL;
  }
  if (u->key_in_subprotocol && !list) list = how->subprotocols;
  if (list) r = lti_buf_text(&g->offered, list);
  if (r == LTI_OK && u->key_in_subprotocol && key && *key) {
    g->key = lti_slice_of(key);
    r = lti_buf_format(&g->offered, "%s%s%s", list ? ", " : "", how->key_subprotocol, key);
  }
  if (r == LTI_OK && g->offered.size && !subprotocols_ok(lti_buf_slice(&g->offered))) {
    lti_buf_text(g->message,
                 "a subprotocol, or the key as one, has a byte that tokens cannot have");
    r = LEAT_EHEADER;
  }
  return r;
}

/* The engine's key goes to a provider whose protocol is known, not to any socket. */
static int gather_handshake(lti_spec *s, gathering *g, const lti_spec_input *in) {
  const leat_request *q = in->request;
  const lti_spec_defaults *d = in->defaults;
  const lti_spec_upgrade *u = in->upgrade;
  const lti_protocol_socket *how = u->dialect ? u->dialect->socket : NULL;
  /* As a subprotocol it must be there from the beginning. */
  bool early = u->key_in_subprotocol && !q->api_key;
  const char *key = q->api_key || (how && !early) ? key_of(in) : how ? d->api_key : NULL;
  leat_header fields[5];
  g->upgrade = true;
  int r = offer(g, u, key);
  if (r != LTI_OK) return r;
  size_t count = lti_ws_ask(u->key, lti_buf_slice(&g->offered), u->ws, fields);
  r = put_text(g, "User-Agent", "leat/" LEAT_VERSION);
  for (size_t i = 0; r == LTI_OK && i < count; i++)
    r = put_header(g, fields[i].name, fields[i].value);
  if (r == LTI_OK && how && how->header) r = put_text(g, how->header, how->value);
  const char *field = how ? how->key_header : NULL;
  if (r == LTI_OK && !u->key_in_subprotocol) r = put_key(g, key, style_of(in, field), field);
  if (r == LTI_OK) r = put_foreign(g, d->headers, d->header_count);
  if (r == LTI_OK) r = put_foreign(g, q->headers, q->header_count);
  if (r == LTI_OK && how && !u->key_in_subprotocol) r = expect_key(s, g, in, field);
  return r;
}

/* Fields that anybody may see, credentials, and keys that are no fields. */
enum { RANK_PLAIN, RANK_SECRET, RANK_UNSENT, RANKS };

static int rank_of(const gathering *g, leat_slice name) {
  if (*name.data == '?') return RANK_UNSENT;
  bool offered = g->key.size && lti_slice_is_nocase(name, offered_name);
  return offered || lti_credential_is(name) ? RANK_SECRET : RANK_PLAIN;
}

/* ---- the head's block */

typedef struct sizes {
  uint32_t name, value;
} sizes;

static size_t headers_of(const lti_spec *s) {
  return (size_t)s->secrets_at + s->secret_count;
}

static size_t texts_at(const lti_spec *s) {
  return headers_of(s) * sizeof(sizes);
}

static sizes sizes_at(const lti_spec *s, size_t i) {
  sizes x;
  memcpy(&x, s->head->bytes + i * sizeof x, sizeof x);
  return x;
}

const char *lti_spec_method(const lti_spec *s) {
  return s->head ? s->head->bytes + texts_at(s) : "";
}

/* All of them, also those that are not sent any more. */
static void list_headers(const lti_spec *s, leat_header *list) {
  const char *at = lti_spec_method(s);
  at += strlen(at) + 1;
  for (size_t i = 0; i < headers_of(s); i++) {
    sizes x = sizes_at(s, i);
    list[i] = (leat_header){lti_slice(at, x.name), lti_slice(at + x.name, x.value)};
    at += x.name + x.value;
  }
}

static int lay_one(lti_buf *out, const leat_header *h) {
  sizes x = {(uint32_t)h->name.size, (uint32_t)h->value.size};
  return lti_buf_append(out, lti_slice((const char *)&x, sizeof x));
}

/* Credentials go last, and last of them what is not sent. */
static void sort_headers(lti_spec *s, const gathering *g, leat_header *sorted) {
  size_t n = 0, from[RANKS + 1] = {0};
  int ranks[LTI_SPEC_HEADERS_MAX];
  for (size_t i = 0; i < g->count; i++) ranks[i] = rank_of(g, g->list[i].name);
  for (int rank = 0; rank < RANKS; rank++) {
    from[rank] = n;
    for (size_t i = 0; i < g->count; i++)
      if (ranks[i] == rank) sorted[n++] = g->list[i];
  }
  s->secrets_at = (uint8_t)from[RANK_SECRET];
  s->header_count = (uint8_t)from[RANK_UNSENT];
  s->credential_count = (uint8_t)(from[RANK_UNSENT] - from[RANK_SECRET]);
  s->unsent_count = (uint8_t)(n - from[RANK_UNSENT]);
  s->secret_count = (uint8_t)(n - from[RANK_SECRET]);
}

/* A bearer's key, or that of a subprotocol or a query; or else the first credential. */
static void note_key(lti_spec *s, const gathering *g) {
  leat_header list[LTI_SPEC_HEADERS_MAX];
  list_headers(s, list);
  for (size_t i = s->secrets_at; i < headers_of(s); i++) {
    leat_slice key = list[i].value;
    bool offered = g->key.size && lti_slice_is(list[i].name, offered_name);
    bool asked = lti_slice_is(list[i].name, query_key);
    bool bearer = lti_slice_starts(key, "Bearer ");
    if (!offered && !bearer && !asked && s->key_size) continue;
    if (offered) key = lti_slice_from(key, key.size - g->key.size);
    if (!offered && bearer) key = lti_slice_from(key, 7);
    s->key_at = (uint32_t)(key.data - s->head->bytes);
    s->key_size = (uint32_t)key.size;
  }
}

/* Lays the gathered list into the spec. A handshake's is its own, for its key will change. */
static int lay_headers(lti_spec *s, const lti_spec_input *in, const gathering *g,
                       const char *method) {
  leat_header sorted[LTI_SPEC_HEADERS_MAX];
  lti_buf out;
  int r = LTI_OK;
  lti_buf_init(&out, s->alloc, HEAD_BYTES_MAX, LEAT_EHEADER);
  out.secret = true;
  sort_headers(s, g, sorted);
  for (size_t i = 0; r == LTI_OK && i < g->count; i++) r = lay_one(&out, &sorted[i]);
  if (r == LTI_OK) r = lti_buf_append(&out, lti_slice(method, strlen(method) + 1));
  for (size_t i = 0; r == LTI_OK && i < g->count; i++) {
    r = lti_buf_append(&out, sorted[i].name);
    if (r == LTI_OK) r = lti_buf_append(&out, sorted[i].value);
  }
  lti_blob **place = in->places && !in->upgrade ? &in->places->head : NULL;
  if (r == LTI_OK) s->head = lti_blob_make(s->alloc, place, lti_buf_slice(&out));
  if (r == LTI_OK && !s->head) r = LEAT_ENOMEM;
  if (r == LTI_OK) note_key(s, g);
  lti_buf_deinit(&out);
  return r;
}

leat_slice lti_spec_key(const lti_spec *s) {
  return s->key_size ? lti_slice(s->head->bytes + s->key_at, s->key_size) : lti_slice(NULL, 0);
}

leat_slice lti_spec_secret(const lti_spec *s, size_t i) {
  leat_header list[LTI_SPEC_HEADERS_MAX];
  leat_slice extra;
  size_t extras = 0;
  for (; s->extra && lti_extra_secret(s->extra, extras, &extra); extras++)
    if (extras == i) return extra;
  i -= extras;
  if (i == s->secret_count) return lti_spec_key(s); /* it may be a part of its field only */
  if (i > s->secret_count) return lti_slice(NULL, 0);
  list_headers(s, list);
  return lti_credential_secret(&list[s->secrets_at + i]);
}

size_t lti_spec_size(const lti_spec *s) {
  size_t head = s->head ? s->head->size - texts_at(s) : 0;
  return head + lti_spec_body(s).size;
}

leat_slice lti_spec_path(const lti_spec *s) {
  return lti_blob_slice(s->path);
}

leat_slice lti_spec_body(const lti_spec *s) {
  return lti_blob_slice(s->body);
}

static bool has_credentials(const gathering *g) {
  for (size_t i = 0; i < g->count; i++)
    if (rank_of(g, g->list[i].name) != RANK_PLAIN) return true;
  return false;
}

/* Plain bytes stay on this machine on a Unix socket, and on loopback unless they go to a proxy
 * first, whose loopback it would be. */
bool lti_spec_exposed(const lti_spec_defaults *d, const lti_url *url) {
  if (url->tls || url->unix_socket || d->allow_plain_key) return false;
  return !url->loopback ||
         (d->proxy && !lti_proxy_bypassed(lti_slice_of(d->no_proxy), url->host, url->port));
}

/* ---- the whole */

static int put_key_in_path(lti_spec *s, const lti_spec_input *in, leat_slice encoded) {
  lti_buf path;
  lti_buf_init(&path, s->alloc, PATH_BYTES_MAX, LEAT_EURL);
  path.secret = true;
  int r = lti_buf_append(&path, lti_spec_path(s));
  if (r == LTI_OK) r = lti_spec_append_key(&path, encoded);
  if (r == LTI_OK) r = lti_spec_keep_path(s, in, &path);
  s->key_in_path = r == LTI_OK;
  lti_buf_deinit(&path);
  return r;
}

static int make_headers(lti_spec *s, const lti_spec_input *in, const lti_url *url) {
  const leat_request *q = in->request;
  lti_buf *message = in->message;
  gathering g = {.count = 0, .message = message};
  lti_buf_init(&g.bearer, s->alloc, TEXT_BYTES_MAX, LEAT_EHEADER);
  lti_buf_init(&g.offered, s->alloc, TEXT_BYTES_MAX, LEAT_EHEADER);
  lti_buf_init(&g.query, s->alloc, TEXT_BYTES_MAX, LEAT_EHEADER);
  g.bearer.secret = g.offered.secret = g.query.secret = true;
  const char *method = in->upgrade                  ? "GET"
                       : in->row                    ? in->row->method
                       : q->method && !s->protocol  ? q->method
                       : s->has_body || s->protocol ? "POST"
                                                    : "GET";
  int r = lti_http_name_ok(lti_slice_of(method)) ? LTI_OK : LEAT_EHEADER;
  if (r == LTI_OK) r = in->upgrade ? gather_handshake(s, &g, in) : gather_headers(s, &g, in);
  if (r == LTI_OK && (s->asks_key || has_credentials(&g)) && lti_spec_exposed(in->defaults, url)) {
    lti_buf_format(message,
                   "a key would travel unencrypted to %s%s: use https, or allow it explicitly",
                   url->host, url->loopback ? " through a proxy" : "");
    r = LEAT_EPLAINKEY;
  }
  if (r == LTI_OK) r = lay_headers(s, in, &g, method);
  if (r == LTI_OK && g.query.size) r = put_key_in_path(s, in, lti_buf_slice(&g.query));
  lti_buf_deinit(&g.bearer);
  lti_buf_deinit(&g.query);
  lti_buf_deinit(&g.offered);
  return r;
}

static int init_turn(lti_spec *s, const lti_spec_input *in) {
  int r = lti_spec_find_protocol(s, in);
  if (r == LTI_OK) r = lti_spec_make_body(s, in);
  if (r == LTI_OK && !lti_slice_is_utf8(lti_spec_body(s))) {
    lti_buf_text(in->message, "the body is not valid UTF-8, as a text message must be");
    r = LEAT_EINVAL;
  }
  return r;
}

static int init_handshake(lti_spec *s, const lti_spec_input *in, lti_url *url) {
  s->upgrade = true;
  int r = lti_spec_find_target(s->protocol, in, url);
  if (r == LTI_OK) r = lti_spec_make_path(s, in, url);
  if (r == LTI_OK) r = make_headers(s, in, url);
  return r;
}

int lti_spec_init(lti_spec *s, const lti_spec_input *in, lti_url *url) {
  int r;
  *s = (lti_spec){.alloc = in->alloc};
  if (in->turn) {
    r = init_turn(s, in);
  } else if (in->upgrade) {
    r = init_handshake(s, in, url);
  } else {
    r = lti_spec_find_protocol(s, in);
    if (r == LTI_OK) r = lti_spec_find_target(s->protocol, in, url);
    if (r == LTI_OK)
      r = lti_spec_make_body(s, in); /* whether it streams may be a matter of the path */
    if (r == LTI_OK) r = lti_spec_make_path(s, in, url);
    if (r == LTI_OK) r = make_headers(s, in, url);
  }
  if (r != LTI_OK) lti_spec_deinit(s);
  return r;
}

void lti_spec_drop_body(lti_spec *s) {
  lti_blob_release(s->body);
  s->body = NULL;
}

void lti_spec_deinit(lti_spec *s) {
  lti_spec_drop_body(s);
  lti_blob_release(s->head);
  lti_blob_release(s->path);
  lti_extra_free(s->extra);
  *s = (lti_spec){.alloc = s->alloc};
}

/* ---- redirects */

/* A parameter "key" of a query, with the '?' or '&' in front of it: that of this value, or with
 * `value` NULL any. Empty when there is none. */
static leat_slice find_key_param(leat_slice path, const leat_slice *value) {
  const char *query = path.size ? memchr(path.data, '?', path.size) : NULL;
  size_t from = query ? (size_t)(query - path.data) : path.size;
  while (from < path.size) {
    size_t at = from + 1;
    while (at < path.size && path.data[at] != '&') at++;
    leat_slice param = lti_slice(path.data + from, at - from), rest = lti_slice_from(param, 1);
    if (lti_slice_starts(rest, "key=") &&
        (!value || lti_slice_equal(lti_slice_from(rest, 4), *value)))
      return param;
    from = at;
  }
  return lti_slice(NULL, 0);
}

/* Takes a parameter out of a query whose first one the next becomes. */
static void cut_param(lti_buf *path, leat_slice param) {
  size_t at = (size_t)(param.data - path->data), behind = at + param.size;
  char mark = path->data[at];
  memmove(path->data + at, path->data + behind, path->size - behind);
  path->size -= param.size;
  if (at < path->size) path->data[at] = mark;
}

/* A key in the query goes where credentials in headers go, and nowhere else, whatever the Location
 * says: a server may have put the query that it was asked with behind it. */
static int settle_key(const lti_spec *s, leat_slice path, lti_buf *out) {
  leat_header list[LTI_SPEC_HEADERS_MAX];
  list_headers(s, list);
  const leat_header *last = &list[headers_of(s) - 1]; /* the key encoded, and before it plain */
  int r = lti_buf_append(out, path);
  if (r != LTI_OK) return r;
  if (s->key_in_path)
    return find_key_param(path, NULL).size ? r : lti_spec_append_key(out, last->value);
  for (size_t i = 0; i < 2; i++) {
    leat_slice param;
    while ((param = find_key_param(lti_buf_slice(out), &last[-(ptrdiff_t)i].value)).size)
      cut_param(out, param);
  }
  return r;
}

int lti_spec_redirect(lti_spec *s, leat_slice path, bool same_origin) {
  lti_buf settled;
  lti_buf_init(&settled, s->alloc, 2 * PATH_BYTES_MAX, LEAT_EREDIRECT);
  settled.secret = true;
  s->key_in_path &= same_origin;
  int r = s->unsent_count ? settle_key(s, path, &settled) : LTI_OK;
  if (r == LTI_OK && s->unsent_count) path = lti_buf_slice(&settled);
  lti_blob *other = r == LTI_OK ? lti_blob_make(s->alloc, NULL, path) : NULL;
  lti_buf_deinit(&settled);
  if (!other) return r == LTI_OK ? LEAT_ENOMEM : r;
  lti_blob_release(s->path);
  s->path = other;
  if (!same_origin) {
    s->header_count -= s->credential_count;
    s->credential_count = 0;
    s->away = true;
  }
  return LTI_OK;
}

/* ---- what one attempt has besides */

int lti_spec_attempt(lti_spec *s) {
  if (s->extra) lti_extra_clear(s->extra);
  if (!s->extra) s->extra = lti_extra_new(s->alloc);
  return s->extra ? LTI_OK : LEAT_ENOMEM;
}

static int add_field(lti_spec *s, const leat_header *field, size_t scheme, bool credential) {
  if (headers_of(s) + s->extra->count >= LTI_SPEC_HEADERS_MAX) return LEAT_EHEADER;
  return lti_extra_add(s->extra, field, scheme, credential);
}

int lti_spec_add(lti_spec *s, const leat_header *field, bool exposed, lti_buf *message) {
  leat_header trimmed = {field->name, lti_slice_trim(field->value)};
  bool credential = lti_credential_is(field->name);
  int r = check_field(trimmed.name, trimmed.value, s->upgrade, message);
  if (r != LTI_OK || (credential && s->away)) return r;
  if (credential && exposed) {
    lti_buf_text(message,
                 "a field of the observer's is a credential, and would travel unencrypted");
    return LEAT_EPLAINKEY;
  }
  r = add_field(s, &trimmed, credential ? lti_credential_scheme(&trimmed) : 0, credential);
  if (r == LEAT_EHEADER) lti_buf_text(message, "the observer's fields are too many or too large");
  return r;
}

int lti_spec_give_key(lti_spec *s, leat_slice key, lti_buf *message) {
  if (key.size == 0) return LTI_OK;
  bool scheme = s->key_field && strcmp(s->key_field, authorization) == 0;
  int r = check_key(key, scheme, message);
  if (r != LTI_OK || s->key_field) {
    leat_header field = {lti_slice_of(s->key_field), key};
    return r == LTI_OK ? add_field(s, &field, lti_credential_scheme(&field), true) : r;
  }
  lti_buf bearer;
  lti_buf_init(&bearer, s->alloc, TEXT_BYTES_MAX, LEAT_EHEADER);
  bearer.secret = true;
  r = lti_buf_text(&bearer, "Bearer ");
  if (r == LTI_OK) r = lti_buf_append(&bearer, key);
  leat_header field = {lti_slice_of(authorization), lti_buf_slice(&bearer)};
  if (r == LTI_OK) r = add_field(s, &field, lti_credential_scheme(&field), true);
  lti_buf_deinit(&bearer);
  return r;
}

void lti_spec_http(const lti_spec *s, leat_slice host, leat_header *headers,
                   lti_http_request *request) {
  list_headers(s, headers);
  *request = (lti_http_request){.method = lti_spec_method(s),
                                .path = lti_spec_path(s),
                                .path_secret = s->key_in_path,
                                .host = host,
                                .headers = headers,
                                .header_count = s->header_count,
                                .credentials_from = s->header_count - s->credential_count,
                                .body_size = lti_spec_body(s).size,
                                .has_body = s->has_body,
                                .upgrade = s->upgrade};
  if (s->extra) lti_extra_join(s->extra, headers, request);
}

static leat_slice find_header(const lti_spec *s, const char *name) {
  leat_header list[LTI_SPEC_HEADERS_MAX];
  list_headers(s, list);
  return lti_http_find(list, s->header_count, name);
}

leat_slice lti_spec_offered(const lti_spec *s) {
  return find_header(s, offered_name);
}

void lti_spec_rekey(lti_spec *s, const lti_ws_config *ws, char *key) {
  leat_header fields[5];
  lti_ws_ask(key, lti_slice(NULL, 0), ws, fields);
  leat_slice old = find_header(s, "Sec-WebSocket-Key");
  if (old.size == LTI_WS_KEY_BYTES)
    memcpy(s->head->bytes + (old.data - s->head->bytes), key, old.size);
}
