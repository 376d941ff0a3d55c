/* A transport to an origin: one socket, perhaps through a proxy's tunnel, perhaps TLS; plain bytes
 * up and down, and no idea of HTTP but the one CONNECT.
 *
 *   DIALING -> [TUNNELLING] -> CONNECTED -> SHAKING -> OPEN
 *      any of them -> CLOSED
 *
 * TUNNELLING speaks to a proxy: TLS with it first when it is an https one, then CONNECT. CONNECTED
 * waits for its owner's permission to shake hands with the origin (first handshake, then resume);
 * without TLS it is OPEN at once.
 *
 * Bytes come up in the read's own call stack; what is written joins the out-queue and leaves once a
 * turn, in lti_link_flush, which asks its owner for more while there is room (`fill`): so whoever
 * has much to send is pulled, and small pieces of one turn share a TLS record. Nothing is freed on
 * a callback's stack: a sink may close the link in any of its functions. */
#ifndef LTI_LINK_H
#define LTI_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/dial.h"
#include "wire/http1.h"
#include "wire/proxy.h"
#include "wire/tls.h"

/* One TLS record, and what a queue may hold before nothing is asked of its owner. */
#define LTI_LINK_RECORD ((size_t)16 * 1024)
#define LTI_LINK_QUEUE  ((size_t)64 * 1024)

typedef struct lti_link lti_link;

/* Why an exchange or a connection ended before its time. `message` lives during the call. */
typedef struct lti_failure {
  int error, native;
  enum leat_layer layer;
  const char *message; /* NULL: the error's own text will do */
  bool unprocessed;    /* the server did nothing with the request: it is safe to send again */
  bool http1_wanted;   /* and it wants it over HTTP/1.1 */
  bool serves;         /* it did nothing with this one, but with others on the connection */
  bool shared;         /* a connection of many requests failed, perhaps for another one's fault */
  bool doubted;        /* a session was offered, which may be why: it is not offered again */
} lti_failure;

/* What all links of an engine share. */
typedef struct lti_link_env {
  lti_dial_env dial;
  leat_stats *stats;
  lti_tls_context *tls; /* NULL until the first TLS origin */
  char *plain, *outer;  /* slabs for decrypted bytes; the second inside a proxy's TLS, lazily */
  size_t plain_size;
  lti_buf *encode; /* scratch for what is about to be sent, secret */
  uint64_t held_bytes_max;
  lti_tls_session *proxy_session; /* of the https proxy */
  lti_list dirty;                 /* links with something to send */
} lti_link_env;

typedef struct lti_link_sink {
  void (*connected)(lti_link *l); /* TCP, and the tunnel, stand; TLS waits for lti_link_shake */
  void (*step)(lti_link *l);      /* an expensive step waits for lti_link_step */
  void (*ready)(lti_link *l);     /* OPEN */
  void (*bytes)(lti_link *l, leat_slice plain, uint64_t stamp_ns);
  /* An OPEN transport ended. Clean: FIN on plain TCP, close_notify on TLS. */
  void (*ended)(lti_link *l, bool clean, int native);
  /* It could not be opened, or broke: to be closed. */
  void (*failed)(lti_link *l, const lti_failure *failure);
  /* The queue has room: write what there is, up to about LTI_LINK_RECORD bytes. LTI_OK. */
  int (*fill)(lti_link *l);
  /* The kernel has taken bytes: lti_link_sent has grown. */
  void (*sent)(lti_link *l);
  /* TLS 1.3: the first session ticket came. */
  void (*ticket)(lti_link *l);
} lti_link_sink;

/* Texts must live as long as the link. */
typedef struct lti_link_target {
  const char *host;
  uint16_t port;
  bool tls, unix_socket;
  enum lti_tls_alpn alpn;
  const lti_proxy *proxy; /* NULL: direct */
} lti_link_target;

enum lti_link_state {
  LINK_DIALING,
  LINK_TUNNELLING,
  LINK_CONNECTED,
  LINK_SHAKING,
  LINK_OPEN,
  LINK_CLOSED
};

/* Made while a tunnel is being asked for, and kept for its TLS. */
typedef struct lti_tunnel {
  lti_tls *tls;      /* with the proxy, NULL: plain */
  lti_outq out;      /* what the proxy's TLS has made of the queue below */
  lti_http1 *http;   /* until the answer to CONNECT is there */
  int status;        /* of that answer, 0: none yet */
  bool shaken, kept; /* its session is kept for the next */
} lti_tunnel;

/* Embedded in its owner; the fields are link.c's. */
struct lti_link {
  lti_list dirty;
  lti_link_env *env;
  const lti_link_sink *sink;
  lti_link_target target;
  lti_dial *dial;
  lti_sock *sock;
  lti_tls *tls;
  lti_tunnel *tunnel;
  lti_outq out;
  lti_buf flight; /* of a handshake, waiting for its expensive step */
  uint64_t sent;  /* bytes the kernel has taken */
  uint64_t dialed_ns, connected_ns, ready_ns;
  uint64_t read_ns;  /* the last byte from the peer */
  uint64_t moved_ns; /* when the kernel had room again for what waited: the peer takes bytes */
  enum lti_link_state state;
  bool shook, offered, ticket_told, blocked;
  bool broken; /* sending failed; reading tells what happened */
  bool shared; /* set by the owner: it carries many, so the pages of TLS's buffers stay */
};

void lti_link_init(lti_link *l, lti_link_env *env, const lti_link_sink *sink,
                   const lti_link_target *target);
/* Starts to dial; `failed` may come before it returns. */
void lti_link_dial(lti_link *l);
/* Begins the TLS handshake of a CONNECTED link, resuming `session` unless NULL. */
void lti_link_shake(lti_link *l, const lti_tls_session *session);
/* Does the expensive step that waits. */
void lti_link_step(lti_link *l);
/* Queues bytes: one TLS record for each 16 KB. After an error, close the link. */
int lti_link_write(lti_link *l, leat_slice bytes);
/* There is something to send, or to ask `fill` for: flushed at the end of the turn. */
void lti_link_mark(lti_link *l);
/* Sends now what the queue holds, asking for more. */
void lti_link_flush(lti_link *l);
void lti_link_flush_all(lti_link_env *env);
void lti_link_read(lti_link *l, bool on);
/* Closes at once. `polite`: close_notify is sent first, if that takes no waiting. */
void lti_link_close(lti_link *l, bool polite);
/* After lti_link_close, off its callbacks' stacks. */
void lti_link_deinit(lti_link *l);

/* Bytes queued that the kernel has not taken. */
static inline size_t lti_link_queued(const lti_link *l) {
  return lti_outq_size(&l->out) + (l->tunnel ? lti_outq_size(&l->tunnel->out) : 0);
}
/* Where the next byte written will stand in the count of `sent`. Exact without a proxy's TLS,
 * beneath which a little more is sent. */
static inline uint64_t lti_link_mark_next(const lti_link *l) {
  return l->sent + lti_link_queued(l);
}
bool lti_link_resolving(const lti_link *l);

#endif
