/* A WebSocket server that does what a test tells it: a script for peers (support/peer.h), each
 * connection with lines of its own, done in order:
 *
 *   > TEXT       sends a text message             b TEXT      a binary one
 *   >- TEXT      the first piece of one, >+ TEXT another, >. TEXT the last
 *   < TEXT       waits for a message that contains TEXT
 *   ping TEXT    sends a PING                     pong TEXT   waits for this PONG
 *   close CODE REASON   sends a Close (0: empty)  closed CODE waits for this Close (1005: empty)
 *   ping?        waits for a PING                 fill N      sends a text of N bytes
 *   pings N      sends N PINGs at once, "ping"
 *   sleep MS     waits                            reset, end  ends the connection, with RST or not
 *   raw HEX      sends bytes as they are          silent      reads until the other side ends
 *   echo         returns messages, answers PING and Close, until a Close
 *   drip         from here each byte is sent alone
 *   with ...     as the first line: these bytes go out in one piece with the handshake's answer
 *
 * Behind the last line it waits for a Close, answers it, and ends. What does not happen as written
 * is a fault. PINGs that are not waited for are answered, PONGs passed over. */
#ifndef TEST_WS_PEER_H
#define TEST_WS_PEER_H

#include <stdatomic.h>

#include "support/peer.h"

typedef struct ws_peer {
  const char *const *scripts; /* by connection, the last for all that follow; ends with NULL */
  const char *subprotocol;    /* chosen, NULL: none */
  atomic_bool quiet;          /* does not print its faults */
  atomic_uint faults;
} ws_peer;

/* A peer_script, whose `ctx` is a ws_peer. */
void ws_peer_serve(peer_link *l, void *ctx);

#endif
