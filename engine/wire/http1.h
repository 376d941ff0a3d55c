/* HTTP/1.1 (RFC 9112) on one connection, client side: requests out, responses in, on llhttp.
 *
 * One codec serves a connection for its whole life: `begin` before each request, then feed what
 * arrives, `end` at the transport's end. It is strict where llhttp is not (request smuggling and
 * response splitting rows of the tests): any breach is LEAT_EHTTP and sticky; a header block above
 * the limit is LEAT_EHEADERSMAX; more than 32 interim responses are LEAT_EHTTP.
 *
 * A tunnel comes of a 101 to a request with `upgrade`, when it has Upgrade and Connection: upgrade,
 * and of any 2xx to CONNECT, whose Content-Length and Transfer-Encoding mean nothing (RFC 9110
 * 9.3.6). Its head is the final one, with has_body set; behind it all bytes go to `body` as they
 * are, also those of the head's own segment, until the transport ends. No request follows a tunnel.
 * A 101 that was not asked for, or without these fields, is LEAT_EHTTP.
 *
 * States: IDLE -> (begin) HEAD -> BODY -> COMPLETE -> (begin) HEAD ... ; FAILED is final. Bytes
 * that arrive in IDLE or COMPLETE are nobody's answer: LEAT_EHTTP, the connection must be closed.
 */
#ifndef LTI_HTTP1_H
#define LTI_HTTP1_H

#include "base/alloc.h"
#include "base/buf.h"
#include "wire/http.h"

typedef struct lti_http1 lti_http1;

/* `header_bytes_max` bounds a head twice: its bytes on the wire, and names, values and 32 bytes a
 * field. Trailers are under the same limit. `sink` must outlive the codec. */
lti_http1 *lti_http1_new(lti_alloc *alloc, size_t header_bytes_max, const lti_http_sink *sink,
                         void *ctx);
void lti_http1_free(lti_http1 *x);

/* A request line and headers, CRLF CRLF included, are appended to `out`; the body is the caller's
 * to send. Host first, then Content-Length, or Transfer-Encoding: chunked for one of unknown size,
 * then the given headers in order (Upgrade and Connection are among them where wanted). The path of
 * CONNECT is "host:port". All or nothing: LEAT_EHEADER for a forbidden byte in method, path, host,
 * a name or a value, for an upgrade that is no GET, or for either with a body; LEAT_ENOMEM, or the
 * buffer's full_error. */
int lti_http1_encode(const lti_http_request *request, lti_buf *out);

/* Expects a response to `request`, of which only `method` and `upgrade` matter and nothing is kept.
 * Only in IDLE, or in COMPLETE when reusable. */
void lti_http1_begin(lti_http1 *x, const lti_http_request *request);
/* LTI_OK: all taken, `*taken` == bytes.size. LTI_STOPPED: a sink asked to stop; feed the rest
 * later, with or without new bytes behind it (an empty feed is fine, and is what calls `complete`
 * when nothing else is owed). When the response completes, the surplus behind it, if any, is taken
 * and dropped, and the connection is not reusable, which `complete` can see already. Otherwise an
 * error, sticky. A sink may call abandon, and `complete` may call begin, but none may call free. */
int lti_http1_feed(lti_http1 *x, leat_slice bytes, size_t *taken);
/* The transport ended. `clean`: FIN on plain TCP or close_notify on TLS. LTI_OK when nothing was
 * owed, or when the body was delimited by the end, as a tunnel is, and the end is clean (complete
 * is called then); LEAT_ERESET when no byte of a response had come; LEAT_ETRUNCATED inside a header
 * block or body. */
int lti_http1_end(lti_http1 *x, bool clean);
/* Gives up the exchange under way: the codec fails with LEAT_ECANCELLED and calls no sink any
 * more. */
void lti_http1_abandon(lti_http1 *x);

/* Any byte of a (final or interim) response to the current request has arrived. */
bool lti_http1_started(const lti_http1 *x);
/* The final head made a tunnel of the connection; for good, and within the head's own call. */
bool lti_http1_tunnel(const lti_http1 *x);
/* Idle or complete, by the response's own headers persistent, and no surplus byte. */
bool lti_http1_reusable(const lti_http1 *x);
/* Keep-Alive: timeout=N of the last response, in ms; -1 when it had none. */
int64_t lti_http1_keep_alive_ms(const lti_http1 *x);
/* A static text on the failure, for the trace and the result's message. */
const char *lti_http1_reason(const lti_http1 *x);

#endif
