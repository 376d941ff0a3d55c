/* URLs as HTTP clients need them: http and https, host checked, path joined, redirects resolved
 * (RFC 3986 section 5, with the refusals of the redirect rules).
 *
 * Hosts are lower-cased, at most 253 bytes, LDH names or IP literals; "0x7f.1", blanks, NUL,
 * userinfo and IDN are refused (LEAT_EURL). A literal IPv6 host is kept in its canonical form and
 * without its brackets. Functions that append leave the buffer as it was when they fail.
 *
 * A Unix socket is an origin of its own, "unix:/run/x.sock" or "unix:///run/x.sock", which speaks
 * plain HTTP. A path follows a colon: "unix:/run/x.sock:/v1/models?q". The socket's path is taken
 * as it is written, without percent-escapes, and may not hold ':', '?', '#' or a control byte. */
#ifndef LTI_URL_H
#define LTI_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "slice.h"

#define LTI_URL_HOST_MAX 253
#define LTI_URL_UNIX_MAX 107 /* what sockaddr_un.sun_path holds besides its NUL */

typedef struct lti_url {
  bool tls;
  bool unix_socket; /* `host` is the path of a Unix socket, and `port` means nothing */
  bool literal;     /* the host is an IP address */
  bool loopback;    /* localhost, *.localhost, 127.0.0.0/8, ::1, a Unix socket */
  uint16_t port;
  char host[LTI_URL_HOST_MAX + 1]; /* NUL-terminated, trailing dot kept */
  leat_slice path; /* as written, with the query and without the fragment; may be empty; a view */
} lti_url;

/* `text` must live as long as url->path is used. `*why` gets a static text on failure; `why` may be
 * NULL. */
int lti_url_parse(lti_url *url, leat_slice text, const char **why);
/* The same for a WebSocket's URL: ws:// stands for http:// and wss:// for https://. */
int lti_url_parse_ws(lti_url *url, leat_slice text, const char **why);
/* "https://host[:port]" without a default port, or "unix:/run/x.sock", appended. */
int lti_url_origin(const lti_url *url, lti_buf *out);
/* "host[:port]" for the Host field, IPv6 in brackets, no trailing dot; "localhost" for a Unix
 * socket. */
int lti_url_host_field(const lti_url *url, lti_buf *out);
bool lti_url_same_origin(const lti_url *a, const lti_url *b);
/* The path of an endpoint: `base` is the base URL's path and query ("" and "/" give "/v1" unless
 * the tail begins with a version of its own), `tail` such as "/chat/completions". Duplicate slashes
 * at the joint become one, and a version segment that the tail repeats is joined once:
 * "/api/v1beta/" and "/v1beta/models" give "/api/v1beta/models", and so does "/api/v1", since of v1
 * and v1beta the tail's is meant. Queries follow, the base's first. */
int lti_url_join(leat_slice base, const char *tail, lti_buf *out);
/* The same for a tail that begins at the origin's root, its version included. A version segment
 * that both have, with what stands around it, is joined once: "/api/v3" and "/api/v3/tasks" give
 * "/api/v3/tasks". Of v1 and v1beta at the base's end the tail's is meant, or none where it has
 * none: "/v1" and "/suno/fetch" give "/suno/fetch". Any other prefix stands in place of the tail's
 * version: "/api/paas/v4" and "/v1/models" give "/api/paas/v4/models", "/openai" gives
 * "/openai/models". But a prefix without a version leaves any but v1 there, and with `stays` that
 * too: whose base URLs never have one, such as Anthropic's, means "/proxy/v1/messages". */
int lti_url_join_root(leat_slice base, const char *tail, bool stays, lti_buf *out);
/* Resolves `location` against `from` (whose path is set). The absolute path replaces what is in
 * `path_out`, which `to->path` then views; from->path must not lie there. `to` may be `from`.
 * LEAT_EREDIRECT with `*why` when it must not be followed: https to http, userinfo, a foreign
 * scheme, a bad host or port, a control byte, or from a Unix socket to anywhere else. Nothing leads
 * to a Unix socket but a reference without scheme and host from that same socket. */
int lti_url_redirect(const lti_url *from, leat_slice location, lti_url *to, lti_buf *path_out,
                     const char **why);
/* A path or query may hold no CTL, SP, '#' or byte above 0x7e: false if it does. */
bool lti_url_path_ok(leat_slice path);
/* One path segment, percent-encoded (RFC 3986 unreserved bytes stay). "." and "..", which would
 * mean another path however they are written, are LEAT_EURL. */
int lti_url_encode(leat_slice segment, lti_buf *out);

#endif
