/* A TLS server without a socket, on mbedTLS: what a client sends is fed in, what goes back is taken
 * out. One tls_server is a configuration; each connection is a tls_peer.
 *
 *   tls_peer_feed(peer, cipher from the client)     handshakes, or decrypts into peer->plain
 *   peer->cipher                                    bytes for the client; consume what was moved */
#ifndef TEST_TLS_SERVER_H
#define TEST_TLS_SERVER_H

#include <mbedtls/ssl.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "support/certs.h"

typedef struct tls_server tls_server;

typedef struct tls_server_options {
  certs_pair *leaf;
  certs_pair *chain;       /* sent behind the leaf; may be NULL */
  certs_pair *client_ca;   /* asks for a certificate that this one signed; may be NULL */
  bool tickets;            /* RFC 5077 */
  bool cache;              /* sessions by id */
  bool tls12;              /* never TLS 1.3, whatever tls_server_speak_13 said */
  int ticket_count;        /* sent behind a handshake of TLS 1.3 [1] */
  bool holds_tickets;      /* none of them before tls_peer_send_ticket */
  bool renegotiates;       /* so that tls_peer_ask_again works */
  const char *const *alpn; /* what it speaks, the best first, ended by NULL; NULL: no ALPN */
  const char *alpn_forced; /* what it says it picked, whatever was offered; needs `alpn` */
  const char *alpn_untold; /* what it picks without a word; needs `alpn` */
  const int *suites;       /* NULL: ECDHE with AES-GCM first; ended by 0, must outlive the server */
} tls_server_options;

typedef struct tls_peer {
  mbedtls_ssl_context ssl;
  tls_server *server;
  leat_slice input;
  lti_buf cipher, plain;
  bool established;
  int error; /* sticky mbedTLS code; PEER_CLOSE_NOTIFY after the client's close_notify */
} tls_peer;

/* mbedTLS of this line speaks TLS 1.3. */
bool tls_server_has_13(void);
/* Servers made from now on speak TLS 1.3, where mbedTLS does, or TLS 1.2 as at first: a test
 * program runs its tests twice. */
void tls_server_speak_13(bool on);
bool tls_server_speaks_13(void);
tls_server *tls_server_new(const tls_server_options *options);
void tls_server_free(tls_server *server);
/* Forgets ticket keys and cached sessions, so that nothing resumes any more. */
void tls_server_rotate(tls_server *server);
/* Tickets that were accepted so far. */
unsigned tls_server_resumed(tls_server *server);
/* The server name of the last ClientHello; "" when it had none. */
const char *tls_server_name(const tls_server *server);

tls_peer *tls_peer_new(tls_server *server);
void tls_peer_free(tls_peer *peer);
/* Takes all of `cipher`. 0, or the sticky error. */
int tls_peer_feed(tls_peer *peer, leat_slice cipher);
/* One record at least, even for no bytes. */
void tls_peer_write(tls_peer *peer, leat_slice plain);
/* The next one of `ticket_count` that `holds_tickets` kept back. TLS 1.3. */
void tls_peer_send_ticket(tls_peer *peer);
/* The whole subject of the client's certificate as "CN=x", or "" without one. */
void tls_peer_subject(const tls_peer *peer, char *text, size_t size);
/* close_notify. */
void tls_peer_close(tls_peer *peer);
/* HelloRequest. */
void tls_peer_ask_again(tls_peer *peer);

#endif
