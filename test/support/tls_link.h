/* One client session of wire/tls joined to one tls_peer: bytes move when the test says so, in
 * pieces as small as it says. */
#ifndef TEST_TLS_LINK_H
#define TEST_TLS_LINK_H

#include "base/outq.h"
#include "support/tls_server.h"
#include "wire/tls.h"

#define TLS_LINK_WHOLE ((size_t)-1)

typedef struct tls_link {
  lti_outq out;
  lti_tls *tls;
  tls_peer *peer;
} tls_link;

/* What lti_tls_new gives; close even then. */
int tls_link_open(tls_link *l, lti_alloc *alloc, lti_tls_context *context, const char *host,
                  const lti_tls_session *resume);
/* The same with an ALPN offer. */
int tls_link_open_to(tls_link *l, lti_alloc *alloc, lti_tls_context *context,
                     const lti_tls_target *target, const lti_tls_session *resume);
/* Joins a new peer of `server`. */
void tls_link_accept(tls_link *l, tls_server *server);
void tls_link_close(tls_link *l);
/* To the end of the handshake, `piece` bytes at a time both ways: the client's last result, which
 * is LTI_AGAIN when nothing moves any more. */
int tls_link_handshake(tls_link *l, size_t piece);
/* All of the out-queue to the peer, `piece` bytes at a time. */
void tls_link_flush(tls_link *l, size_t piece);
/* All that the peer has written to the client, `piece` bytes at a time, into a plain buffer of
 * `room` bytes a call; plain bytes are appended to `got`. The client's last result. */
int tls_link_read(tls_link *l, size_t piece, size_t room, lti_buf *got);

#endif
