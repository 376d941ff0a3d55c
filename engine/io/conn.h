/* One connection to an origin: socket, TLS and HTTP/1.1 joined, carrying one exchange at a time.
 *
 *   DIALING -> CONNECTED -> SHAKING -> READY <-> BUSY -> DRAINING -> READY
 *      any of them -> CLOSED (freed by lti_conn_reap at the end of the turn)
 *
 * DIALING looks the name up and connects. CONNECTED waits for its owner's permission to shake hands
 * (first handshake, then resume). READY idles in the pool; BUSY carries an exchange; DRAINING reads
 * the rest of a response whose request has what it wants, within a budget, to keep the connection.
 *
 * Bytes come up in the read's own call stack; what is sent joins the out-queue and leaves once a
 * turn. Nothing is freed on a callback's stack. */
#ifndef LTI_CONN_H
#define LTI_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/dial.h"
#include "wire/http.h"
#include "wire/tls.h"

typedef struct lti_conn lti_conn;
typedef struct lti_exchange lti_exchange;

/* Why an exchange or a connection ended before its time. `message` lives during the call. */
typedef struct lti_failure {
  int error, native;
  enum leat_layer layer;
  const char *message; /* NULL: the error's own text will do */
} lti_failure;

/* What an exchange reports. Each may abandon the exchange. `failed` and `complete` end it: the
 * connection does not know it any more when they are called. */
typedef struct lti_exchange_sink {
  int (*head)(lti_exchange *x, const lti_http_head *head);
  int (*body)(lti_exchange *x, leat_slice bytes, size_t *taken);
  /* False: what came is no answer to such a request, and the connection is not trusted further. */
  bool (*complete)(lti_exchange *x);
  void (*failed)(lti_exchange *x, const lti_failure *failure);
} lti_exchange_sink;

/* One request on its connection: embedded in its owner. `request` and `body` must live until the
 * exchange ends. */
struct lti_exchange {
  const lti_exchange_sink *sink;
  lti_conn *conn; /* NULL: not leased */
  leat_slice body;
  size_t body_sent;     /* handed to the out-queue */
  uint64_t sent_ns;     /* first byte taken by the kernel, 0: none yet */
  uint64_t received_ns; /* the stamp of the read being delivered */
  bool paused;          /* set by the owner before its body sink answers LTI_STOPPED */
  /* filled in when the exchange ends */
  bool response_started; /* a byte of a response had come */
  bool reused;           /* the connection had served before */
};

/* What all connections of an engine share. */
typedef struct lti_conn_env {
  lti_dial_env dial;
  leat_stats *stats;
  lti_tls_context *tls; /* NULL until the first TLS origin */
  char *plain;          /* slab for decrypted bytes */
  size_t plain_size;
  lti_buf *encode; /* scratch for request heads, secret */
  size_t header_bytes_max;
  uint64_t held_bytes_max;
  lti_list dirty; /* connections with something to send */
  lti_list dead;  /* to be reaped */
} lti_conn_env;

/* What the pool hears. */
typedef struct lti_conn_sink {
  void (*connected)(lti_conn *c);         /* TCP stands; TLS waits for lti_conn_shake */
  void (*step)(lti_conn *c);              /* an expensive step waits for lti_conn_step */
  void (*ready)(lti_conn *c, bool fresh); /* may carry an exchange */
  void (*closed)(lti_conn *c, const lti_failure *failure); /* out of service; reaped soon */
  void (*alarm)(lti_conn *c, uint64_t now_ns);             /* lti_conn_alarm_set's time came */
} lti_conn_sink;

enum lti_conn_state {
  CONN_DIALING,
  CONN_CONNECTED,
  CONN_SHAKING,
  CONN_READY,
  CONN_BUSY,
  CONN_DRAINING,
  CONN_CLOSED
};

/* `owner` is the sink's, the target's host must live as long as the connection. Starts to dial with
 * lti_conn_dial, which may close it before it returns. */
typedef struct lti_conn_target {
  const char *host;
  uint16_t port;
  bool tls;
  bool unix_socket; /* `host` is its path */
} lti_conn_target;

int lti_conn_open(lti_conn_env *env, const lti_conn_sink *sink, void *owner,
                  const lti_conn_target *target, lti_conn **conn);
void lti_conn_dial(lti_conn *c);
/* Begins the TLS handshake of a CONNECTED connection, resuming `session` unless NULL. */
void lti_conn_shake(lti_conn *c, const lti_tls_session *session);
/* Does the expensive step that waits. */
void lti_conn_step(lti_conn *c);
/* Puts an exchange on a READY connection: encodes and queues it. An error means that nothing was
 * started and the connection is still READY. */
int lti_conn_start(lti_conn *c, lti_exchange *x, const lti_http_request *request);
/* Takes the exchange off. `drain`: its response may be read to the end to keep the connection. */
void lti_conn_abandon(lti_conn *c, bool drain);
/* Goes on after the exchange's body sink answered LTI_STOPPED. From the loop only. */
void lti_conn_resume(lti_conn *c);
void lti_conn_close(lti_conn *c, const lti_failure *failure);
/* End of turn: sends what the out-queues hold; frees what was closed. */
void lti_conn_flush_all(lti_conn_env *env);
void lti_conn_reap_all(lti_conn_env *env);

void lti_conn_alarm_set(lti_conn *c, uint64_t at_ns);
uint64_t lti_conn_alarm_at(const lti_conn *c);
enum lti_conn_state lti_conn_state(const lti_conn *c);
void *lti_conn_owner(const lti_conn *c);
/* Two list nodes for the owner's use; removed from their lists when the connection is reaped. */
lti_list *lti_conn_node(lti_conn *c);
lti_conn *lti_conn_of(lti_list *node);
lti_list *lti_conn_turn(lti_conn *c);
lti_conn *lti_conn_of_turn(lti_list *turn);
/* A mark of the owner's: for whom it was opened. */
void lti_conn_want(lti_conn *c, void *wanted_by);
void *lti_conn_wanted_by(const lti_conn *c);
/* Until when it may take to become READY: the owner's to set and to watch. */
uint64_t *lti_conn_limit(lti_conn *c);
/* lti_conn_shake was called. */
bool lti_conn_shook(const lti_conn *c);
bool lti_conn_resolving(const lti_conn *c);
bool lti_conn_resumed_tls(const lti_conn *c);
bool lti_conn_reused(const lti_conn *c);
/* The server's Keep-Alive timeout in ms, -1: none told. */
int64_t lti_conn_keep_alive_ms(const lti_conn *c);
lti_tls *lti_conn_tls(const lti_conn *c);
uint64_t lti_conn_connected_ns(const lti_conn *c);
uint64_t lti_conn_ready_ns(const lti_conn *c);

#endif
