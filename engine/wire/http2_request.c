/* A request becomes HEADERS and DATA (RFC 9113 8.3.1).
 *
 * Names are lowered by nghttp2, which copies all fields; values go out as they are, without blanks
 * at their ends, which HTTP/2 forbids. Credentials are marked never-indexed (RFC 7541 7.1.3), so
 * that neither side's table holds them. The body is read from where it lies, as the peer's windows
 * let it through; where it comes in pieces nghttp2 is told to wait for the next one. A stream that
 * was given up is not read any more, since it is found through nghttp2's pointer to it and that is
 * cleared. */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/error.h"
#include "wire/http2_inside.h"

#define PSEUDO_FIELDS     5           /* :method :scheme :authority :path content-length */
#define HEADERS_BYTES_MAX (512 << 10) /* of a request; nghttp2 has a limit too, twice this */

static bool target_ok(leat_slice text) {
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] <= 0x20 || text.data[i] >= 0x7f) return false;
  return text.size > 0;
}

int lti_http2_request_check(const lti_http_request *request) {
  leat_slice method = lti_slice_of(request->method);
  if (!lti_http_name_ok(method) || lti_slice_is(method, "CONNECT") || request->upgrade ||
      !target_ok(request->path) || !target_ok(request->host))
    return LEAT_EHEADER;
  size_t bytes = method.size + request->path.size + request->host.size;
  for (size_t i = 0; i < request->header_count; i++) {
    const leat_header *h = &request->headers[i];
    if (!lti_http_name_ok(h->name) || !lti_http_value_ok(h->value)) return LEAT_EHEADER;
    bytes += h->name.size + h->value.size + 32;
  }
  return bytes > HEADERS_BYTES_MAX ? LEAT_EHEADER : LTI_OK;
}

static bool name_in(leat_slice name, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (lti_slice_is_nocase(name, names[i])) return true;
  return false;
}

/* RFC 9113 8.2.2; Host is :authority's. */
static bool field_is_of_connection(const leat_header *h) {
  static const char *const names[] = {"connection",        "host",    "keep-alive",
                                      "proxy-connection",  "upgrade", "http2-settings",
                                      "transfer-encoding", "te"};
  if (!name_in(h->name, names, sizeof names / sizeof *names)) return false;
  return !(lti_slice_is_nocase(h->name, "te") &&
           lti_slice_is_nocase(lti_slice_trim(h->value), "trailers"));
}

static bool field_is_secret(const leat_header *h) {
  static const char *const names[] = {"authorization", "cookie", "x-api-key", "api-key",
                                      "x-goog-api-key"};
  return name_in(h->name, names, sizeof names / sizeof *names);
}

static nghttp2_nv field(leat_slice name, leat_slice value, bool secret) {
  /* nghttp2 copies, and takes what it only reads as not const. */
  union {
    const char *text;
    uint8_t *bytes;
  } n = {name.data}, v = {value.data ? value.data : ""};
  return (nghttp2_nv){n.bytes, v.bytes, name.size, value.size,
                      (uint8_t)(secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)};
}

static nghttp2_nv field_of(const char *name, leat_slice value) {
  return field(lti_slice_of(name), value, false);
}

/* `digits` holds the length's text while nghttp2 copies it. */
static leat_slice decimal(char digits[20], uint64_t value) {
  size_t at = 20;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  return lti_slice(digits + at, 20 - at);
}

/* Called by drain when the windows let `length` bytes through. */
static ssize_t body_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx) {
  (void)source;
  lti_http2 *x = ctx;
  lti_http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
  if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  size_t left = s->body.size - s->body_sent, n = left < length ? left : length;
  if (n > 0) memcpy(to, s->body.data + s->body_sent, n);
  s->body_sent += n;
  x->upload -= n;
  if (n == left && s->more) x->sink->hungry(x->ctx, s);
  if (n == 0 && s->more) return NGHTTP2_ERR_DEFERRED;
  if (n == left && !s->more) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)n;
}

int32_t lti_http2_request_submit(lti_http2 *x, lti_http2_stream *s, const lti_http_request *request,
                                 bool tls) {
  size_t room = (PSEUDO_FIELDS + request->header_count) * sizeof(nghttp2_nv), n = 0;
  nghttp2_nv *fields = lti_alloc_get(x->alloc, room);
  if (!fields) return NGHTTP2_ERR_NOMEM;
  char digits[20];
  fields[n++] = field_of(":method", lti_slice_of(request->method));
  fields[n++] = field_of(":scheme", lti_slice_of(tls ? "https" : "http"));
  fields[n++] = field_of(":authority", request->host);
  fields[n++] = field(lti_slice_of(":path"), request->path, request->path_secret);
  if (request->has_body && !request->unsized)
    fields[n++] = field_of("content-length", decimal(digits, request->body_size));
  for (size_t i = 0; i < request->header_count; i++) {
    const leat_header *h = &request->headers[i];
    if (field_is_of_connection(h)) continue;
    bool secret = i >= request->credentials_from || field_is_secret(h);
    fields[n++] = field(h->name, lti_slice_trim(h->value), secret);
  }
  nghttp2_data_provider body = {.source = {.ptr = NULL}, .read_callback = body_read};
  int32_t id = nghttp2_submit_request(x->session, NULL, fields, n,
                                      s->body.size || s->more ? &body : NULL, s);
  lti_alloc_put(x->alloc, fields);
  return id;
}
