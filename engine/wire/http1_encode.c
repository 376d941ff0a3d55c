/* The head of an HTTP/1.1 request as it goes out. It is written whole or not at all, and nothing is
 * repaired: a byte that two readers could read differently, or a combination that would make the
 * body of one request the start of another, is refused here, behind all other checks. */
#include <assert.h>

#include "base/error.h"
#include "wire/http1.h"

static bool target_ok(leat_slice text);
static bool tunnel_request_ok(const lti_http_request *request);

int lti_http1_encode(const lti_http_request *request, lti_buf *out) {
  if (!lti_http_name_ok(lti_slice_of(request->method)) || !target_ok(request->path) ||
      !target_ok(request->host) || !tunnel_request_ok(request))
    return LEAT_EHEADER;
  size_t room = strlen(request->method) + request->path.size + request->host.size + 80;
  for (size_t i = 0; i < request->header_count; i++) {
    const leat_header *h = &request->headers[i];
    if (!lti_http_name_ok(h->name) || !lti_http_value_ok(h->value)) return LEAT_EHEADER;
    room += h->name.size + h->value.size + 4;
  }
  /* Room for all of it first, so that the appends below cannot fail halfway. */
  int rc = lti_buf_reserve(out, room);
  if (rc != LTI_OK) return rc;
  rc |= lti_buf_text(out, request->method);
  rc |= lti_buf_byte(out, ' ');
  rc |= lti_buf_append(out, request->path);
  rc |= lti_buf_text(out, " HTTP/1.1\r\nHost: ");
  rc |= lti_buf_append(out, request->host);
  rc |= lti_buf_text(out, "\r\n");
  if (request->has_body && request->unsized) {
    rc |= lti_buf_text(out, "Transfer-Encoding: chunked\r\n");
  } else if (request->has_body) {
    rc |= lti_buf_text(out, "Content-Length: ");
    rc |= lti_buf_u64(out, request->body_size);
    rc |= lti_buf_text(out, "\r\n");
  }
  for (size_t i = 0; i < request->header_count; i++) {
    rc |= lti_buf_append(out, request->headers[i].name);
    rc |= lti_buf_text(out, ": ");
    rc |= lti_buf_append(out, request->headers[i].value);
    rc |= lti_buf_text(out, "\r\n");
  }
  rc |= lti_buf_text(out, "\r\n");
  assert(rc == LTI_OK);
  return rc;
}

/* A path or a host: visible ASCII, no blank. */
static bool target_ok(leat_slice text) {
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] <= 0x20 || text.data[i] >= 0x7f) return false;
  return text.size > 0;
}

/* CONNECT names an authority, "host:port", and carries no body; an upgrade is asked for by a GET
 * without one, so that nothing of it can be taken for the new protocol's bytes. */
static bool tunnel_request_ok(const lti_http_request *request) {
  bool is_connect = strcmp(request->method, "CONNECT") == 0;
  if ((is_connect || request->upgrade) && request->has_body) return false;
  if (request->upgrade && strcmp(request->method, "GET") != 0) return false;
  if (!is_connect) return true;
  leat_slice path = request->path;
  size_t digits = 0;
  while (digits < path.size && path.data[path.size - 1 - digits] >= '0' &&
         path.data[path.size - 1 - digits] <= '9')
    digits++;
  size_t host = path.size - digits;
  return digits > 0 && host > 1 && path.data[host - 1] == ':' && !memchr(path.data, '/', host);
}
