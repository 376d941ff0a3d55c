/* One connection to an origin: a transport (io/link) and what carries exchanges over it, HTTP/1.1
 * (conn_h1.c), one at a time, or HTTP/2 (conn_h2.c), many at once.
 *
 *   OPENING -> READY <-> BUSY -> [DRAINING ->] READY
 *      any of them -> CLOSED (freed by lti_conn_reap_all at the end of the turn)
 *
 * OPENING dials and shakes hands; which HTTP it speaks is known at its end. READY carries nothing;
 * BUSY carries exchanges, perhaps with room for more (HTTP/2); DRAINING, HTTP/1.1 only, reads the
 * rest of a response whose request has what it wants, within a budget, to keep the connection.
 *
 * Bytes come up in the read's own call stack; what is sent joins the out-queue and leaves once a
 * turn. Nothing is freed on a callback's stack. */
#ifndef LTI_CONN_H
#define LTI_CONN_H

#include "io/exchange.h"

/* What all connections of an engine share. */
typedef struct lti_conn_env {
  lti_link_env link;
  size_t header_bytes_max;
  lti_http2_config http2;
  uint64_t ping_ns, ping_timeout_ns; /* UINT64_MAX: never */
  lti_list dead;                     /* to be reaped */
} lti_conn_env;

/* What the pool hears. */
typedef struct lti_conn_sink {
  void (*connected)(lti_conn *c);         /* TCP stands; TLS waits for lti_conn_shake */
  void (*step)(lti_conn *c);              /* an expensive step waits for lti_conn_step */
  void (*ready)(lti_conn *c, bool fresh); /* READY: may carry an exchange */
  void (*changed)(lti_conn *c);           /* HTTP/2: lti_conn_load has changed */
  void (*ticket)(lti_conn *c);            /* TLS 1.3: a session can be saved now */
  void (*closed)(lti_conn *c, const lti_failure *failure); /* out of service; reaped soon */
  void (*alarm)(lti_conn *c, uint64_t now_ns);             /* lti_conn_alarm_set's time came */
} lti_conn_sink;

enum lti_conn_state { CONN_OPENING, CONN_READY, CONN_BUSY, CONN_DRAINING, CONN_CLOSED };

typedef struct lti_conn_target {
  lti_link_target link;
  enum lti_conn_plain { CONN_PLAIN_HTTP1, CONN_PLAIN_HTTP2 } plain; /* spoken where no ALPN tells */
} lti_conn_target;

/* `owner` is the sink's. Starts to dial with lti_conn_dial, which may close it before it returns.
 */
int lti_conn_open(lti_conn_env *env, const lti_conn_sink *sink, void *owner,
                  const lti_conn_target *target, lti_conn **conn);
void lti_conn_dial(lti_conn *c);
/* Begins the TLS handshake of a connected one, resuming `session` unless NULL. */
void lti_conn_shake(lti_conn *c, const lti_tls_session *session);
/* Does the expensive step that waits. */
void lti_conn_step(lti_conn *c);
/* Puts an exchange on a connection that has room. An error means that nothing was started and that
 * the connection is as it was, unless it is CLOSED now. */
int lti_conn_start(lti_conn *c, lti_exchange *x, const lti_http_request *request);
void lti_conn_close(lti_conn *c, const lti_failure *failure);
/* Takes no new exchange; closes when the last has ended. */
void lti_conn_leave(lti_conn *c);
/* End of turn: frees what was closed. */
void lti_conn_reap_all(lti_conn_env *env);

/* How much a connection carries, and could: what io/place judges. */
typedef struct lti_conn_load {
  size_t active, room; /* exchanges it has, and could take besides */
  size_t streams_max;  /* the most that it could have */
  int64_t window;      /* bytes it may send now, less what waits already; HTTP/2 only */
  int64_t window_peak, stream_window;
  uint64_t latency_ns; /* of recent heads, 0: none yet */
  bool settled;        /* the windows are known */
} lti_conn_load;
void lti_conn_load_get(const lti_conn *c, lti_conn_load *load);

void lti_conn_alarm_set(lti_conn *c, uint64_t at_ns);
uint64_t lti_conn_alarm_at(const lti_conn *c);
enum lti_conn_state lti_conn_state(const lti_conn *c);
/* Which HTTP it speaks; LEAT_HTTP_AUTO while OPENING. */
enum leat_http lti_conn_http(const lti_conn *c);
void *lti_conn_owner(const lti_conn *c);
/* Two list nodes for the owner's use; removed from their lists when the connection is reaped. */
lti_list *lti_conn_node(lti_conn *c);
lti_conn *lti_conn_of(lti_list *node);
lti_list *lti_conn_turn(lti_conn *c);
lti_conn *lti_conn_of_turn(lti_list *turn);
/* A mark of the owner's: for whom it was opened. */
void lti_conn_want(lti_conn *c, void *wanted_by);
void *lti_conn_wanted_by(const lti_conn *c);
/* Until when it may take to become READY, and how long it may be used: the owner's to set and to
 * watch. */
uint64_t *lti_conn_limit(lti_conn *c);
uint64_t *lti_conn_retire(lti_conn *c);
/* Waits for lti_conn_shake; lti_conn_shake was called; the name is still being looked up. */
bool lti_conn_waits(const lti_conn *c);
bool lti_conn_shook(const lti_conn *c);
/* With a session, that is. */
bool lti_conn_offered(const lti_conn *c);
bool lti_conn_resolving(const lti_conn *c);
bool lti_conn_resumed_tls(const lti_conn *c);
/* LEAT_TLS_DEFAULT: none. */
enum leat_tls lti_conn_tls_version(const lti_conn *c);
bool lti_conn_reused(const lti_conn *c);
/* The server's Keep-Alive timeout in ms, -1: none told. */
int64_t lti_conn_keep_alive_ms(const lti_conn *c);
lti_tls *lti_conn_tls(const lti_conn *c);
/* The server itself said, by ALPN, that it speaks this HTTP; without TLS it could not. */
bool lti_conn_agreed(const lti_conn *c);
/* When dialling began, TCP stood, and it became READY. */
uint64_t lti_conn_dialed_ns(const lti_conn *c);
uint64_t lti_conn_connected_ns(const lti_conn *c);
uint64_t lti_conn_ready_ns(const lti_conn *c);

#endif
