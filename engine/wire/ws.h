/* WebSocket (RFC 6455), client side, on wslay, behind the handshake: frames out, messages in.
 *
 * The handshake's own rules stand here as well: what to ask for and what to make of the answer.
 * Frames are masked with fresh random bytes, no extension is offered. Text is checked to be UTF-8
 * as it comes, so that a broken message fails at its first bad byte. wslay is never entered from
 * its callbacks: what it finds is delivered behind it.
 *
 * Everything the peer can pile up has a limit: a message's bytes, its fragments, control frames
 * that bring nothing forward (1,000 in a row; ten a second and one a frame with content come back),
 * answers to PING (only the newest is kept). A breach, and any breach of the protocol, is sticky;
 * the Close frame that says so is in `out` then.
 *
 * States: OPEN -> CLOSING (our Close is sent) or CLOSED (theirs came, and ours with it) -> CLOSED;
 * FAILED. Timers are the owner's. */
#ifndef LTI_WS_H
#define LTI_WS_H

#include "base/alloc.h"
#include "base/buf.h"
#include "wire/http.h"

#define LTI_WS_KEY_BYTES 24 /* Sec-WebSocket-Key: 16 random bytes in base64 */

typedef struct lti_ws lti_ws;

/* Random bytes that cannot be foreseen; never fails. */
typedef void (*lti_ws_random)(void *ctx, void *out, size_t size);

typedef struct lti_ws_config {
  uint64_t message_bytes_max;
  uint32_t fragments_max; /* of one message */
  lti_ws_random random;
  void *random_ctx;
} lti_ws_config;

enum lti_ws_type { LTI_WS_TEXT = 1, LTI_WS_BINARY = 2 };

/* Called from inside feed: each may send, ping and close, but not feed, end or free. */
typedef struct lti_ws_sink {
  /* A piece of a message: a view of what was fed; `first` and `last` say where it stands (a whole
   * message in one piece is both; an empty last piece may end one, no other is empty). A piece of
   * text may end within a character. LTI_OK, or LTI_STOPPED to have feed return behind it. */
  int (*message)(void *ctx, enum lti_ws_type type, leat_slice bytes, bool first, bool last);
  /* PING (its answer is queued already) and PONG. */
  void (*ping)(void *ctx, leat_slice payload);
  void (*pong)(void *ctx, leat_slice payload);
  /* The peer's Close, once; 1005 when it gave no code. `reason` is UTF-8. */
  void (*closed)(void *ctx, unsigned code, leat_slice reason);
} lti_ws_sink;

/* The fields of the request: Upgrade, Connection, Sec-WebSocket-Version, -Key and, unless
 * `subprotocols` ("a, b") is empty, -Protocol. Fills headers[0..5) with views of static texts, of
 * `key` and of `subprotocols`; returns how many. `key` gets LTI_WS_KEY_BYTES. */
size_t lti_ws_ask(char *key, leat_slice subprotocols, const lti_ws_config *config,
                  leat_header headers[5]);
/* RFC 6455 4.1: is this head the answer to `key`? LTI_OK, and `*chosen` is the subprotocol (a view
 * of the head, empty: none); LEAT_EUPGRADE with a static text in `*why`. */
int lti_ws_check(const lti_http_head *head, const char *key, leat_slice subprotocols,
                 leat_slice *chosen, const char **why);

/* `out` gets every frame that is to be sent and must outlive the codec. From here on its owner only
 * takes bytes off its front: an unsent answer to a PING may be replaced, so the bytes behind the
 * front may move and become fewer. Of its maximum the last 262 bytes serve PONG and Close alone, so
 * that messages that fill it do not stand in their way. NULL: no memory. */
lti_ws *lti_ws_new(lti_alloc *alloc, const lti_ws_config *config, lti_buf *out,
                   const lti_ws_sink *sink, void *ctx);
void lti_ws_free(lti_ws *x);

/* `now_ns` is the clock of the budgets. LTI_OK: all taken. LTI_STOPPED: the sink asked; feed the
 * rest later (an empty feed is fine). Behind a Close nothing is looked at. LEAT_EWS,
 * LEAT_EMESSAGEMAX, LEAT_ENOMEM, or the full_error of `out`, sticky. */
int lti_ws_feed(lti_ws *x, leat_slice bytes, uint64_t now_ns, size_t *taken);
/* The transport ended: LTI_OK behind both Closes, else LEAT_ETRUNCATED within a message, and
 * LEAT_ERESET between two. */
int lti_ws_end(lti_ws *x);

/* One frame: a message, or a piece of one that ends with `last`. The bytes are masked on their way
 * into `out`, where they must not lie already. LEAT_ESTATE once closing, or when
 * a piece has another type than the message it continues; LEAT_EINVAL for text that is not UTF-8
 * (a character may be cut between two pieces); LEAT_ENOMEM or the buffer's full_error: nothing was
 * sent then. */
int lti_ws_send(lti_ws *x, enum lti_ws_type type, leat_slice bytes, bool last);
/* At most 125 bytes: LEAT_EINVAL. LEAT_ESTATE once closing; LEAT_ENOMEM or full_error as above. */
int lti_ws_ping(lti_ws *x, leat_slice payload);
/* Close with a code (1000-1003, 1007-1011, 3000-4999, or 0 for none) and a reason of at most 123
 * bytes of UTF-8: LEAT_EINVAL. LEAT_ESTATE once closing; LEAT_ENOMEM. Our Close is the last frame
 * in `out`: a PING behind it is not answered, but messages still come. */
int lti_ws_close(lti_ws *x, unsigned code, leat_slice reason);

bool lti_ws_close_sent(const lti_ws *x);
bool lti_ws_close_seen(const lti_ws *x);
/* A static text on the failure; the code that our Close names for it, 0: none. */
const char *lti_ws_reason(const lti_ws *x);
unsigned lti_ws_code(const lti_ws *x);

#endif
