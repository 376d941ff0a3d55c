/* A WebSocket: a request that asks for an upgrade, and what its connection becomes then.
 *
 *   ASKING -> OPEN -> CLOSING ----> OVER
 *      |        +----> ENDING -----> |
 *      +---------------------------> +
 *
 * ASKING has the handshake under way; OPEN carries messages both ways; CLOSING has sent our Close,
 * or both; ENDING has failed and only sends what says so; OVER waits for its done to be told. The
 * handshake is a lti_request, which lends its id, its deadlines, its pause and its result. What is
 * sent while ASKING waits.
 *
 * Turns are requests of a socket's dialect: they wait in line for their socket, and one at a time
 * is asked and answered. Each holds a reference, since what it must not tell (the key) is known to
 * the socket. An answer whose turn has left, cancelled or too late, is read to its end before the
 * next turn begins.
 *
 * socket.c is its life and the calls, socket_read.c what comes from the peer and what the clock
 * says, turn.c the turns. */
#ifndef LTI_SOCKET_H
#define LTI_SOCKET_H

#include "base/random.h"
#include "core/request.h"
#include "wire/ws.h"

enum lti_socket_state { SOCKET_ASKING, SOCKET_OPEN, SOCKET_CLOSING, SOCKET_ENDING, SOCKET_OVER };

struct lti_socket {
  leat_engine *engine;
  lti_request *request; /* the handshake, NULL once it was told */
  enum lti_socket_state state;
  uint32_t refs;
  bool own;      /* of one turn, which alone knows of it */
  bool draining; /* closes when no turn is left */
  leat_ws_event_cb on_event;
  leat_ws_done_cb on_done;
  void *user;
  const lti_protocol *dialect; /* NULL: bytes only */
  lti_spec spec;               /* the request's, once that was told */
  lti_ws *ws;
  lti_ws_config config;
  lti_random random;
  char key[LTI_WS_KEY_BYTES];
  struct {
    lti_buf text;       /* a text message that comes in pieces, for the decoder */
    lti_answer *follow; /* decodes what no turn waits for */
    uint64_t byte_ns;   /* the last byte */
    uint64_t pinged_ns; /* since when an answer to a PING is waited for, 0: none is */
    uint64_t excused_ns;
  } in;
  struct {
    lti_buf frames; /* that the connection has not got yet */
    size_t queue_bytes;
    bool told_full; /* LEAT_WS_SENT is owed */
  } out;
  struct {
    lti_list waiting;
    lti_request *running;
    lti_answer *leftover; /* of a turn that has left */
    lti_buf before;       /* the id of the last response */
    bool later;           /* there was a turn before */
    uint64_t linger_ns;   /* since when the running one is whole, 0: it is not */
    uint64_t leftover_ns; /* when something of the leftover came */
  } turns;
  lti_alarm alarm;
  int64_t close_ms, ping_ms;
  uint64_t closing_ns; /* since when it closes, 0: it does not */
  unsigned code;       /* the peer's, 1006: none came */
  lti_buf words;       /* why it is ENDING, or the peer's reason */
  int error;           /* why it is ENDING */
};

/* What a socket is opened for. */
typedef struct lti_socket_plan {
  const leat_ws *ws;
  const char *path; /* instead of the dialect's, NULL: that */
  int retries;      /* of the handshake */
  bool own;
} lti_socket_plan;

/* As leat_ws_open, without a look at `ws` itself. */
int lti_socket_open(leat_engine *e, const lti_socket_plan *plan, lti_socket **socket);
void lti_socket_release(lti_socket *s);
/* The socket of an id, NULL: it is none. */
lti_socket *lti_socket_find(const leat_engine *e, leat_id id);
/* Credentials that no text may show. */
const lti_spec *lti_socket_spec(const lti_socket *s);
/* Cuts it: done comes with `error`. */
void lti_socket_cut(lti_socket *s, int error);
/* The close handshake, when it has not begun. */
void lti_socket_end(lti_socket *s, unsigned code);
/* leat_close: it ends behind the last turn that was submitted. */
void lti_socket_drain(lti_socket *s);
/* The handshake's request was told, and is about to be freed. */
void lti_socket_told(lti_socket *s);

/* ---- called by the handshake's request, in its states SENT and READING */

/* Another attempt begins. */
void lti_socket_ask(lti_socket *s);
/* A head of status 101 came. As the exchange's sinks. */
int lti_socket_begin(lti_socket *s, const lti_http_head *head);
int lti_socket_bytes(lti_socket *s, leat_slice bytes, size_t *taken);
void lti_socket_drained(lti_socket *s);
/* The connection ended: NULL, cleanly. */
void lti_socket_lost(lti_socket *s, const lti_failure *failure);
/* The request has finished: no turn will be answered any more. */
void lti_socket_over(lti_socket *s);
/* The request's pause is over: false when a turn's is not. */
bool lti_socket_resumes(lti_socket *s);
/* Somebody who reads has paused: nothing is read. */
bool lti_socket_blocked(const lti_socket *s);

/* ---- between the files of a socket */

/* Hands to the connection what it takes. */
void lti_socket_flush(lti_socket *s);
/* Sets the alarm. */
void lti_socket_arm(lti_socket *s);
void lti_socket_alarm(lti_alarm *alarm, uint64_t now_ns);
/* A failure that the peer is told of where there is a frame for it, and then done. */
void lti_socket_fail(lti_socket *s, int error, const char *message);
/* Reading may go on, if nobody has paused. */
void lti_socket_wake(lti_socket *s);
/* The handshake's own callbacks: their user is the socket. */
int lti_socket_event(leat_engine *e, leat_id id, const leat_event *event, void *user);
void lti_socket_done(leat_engine *e, leat_id id, const leat_result *result, void *user);
extern const lti_ws_sink lti_socket_sink;

/* ---- turns */

/* As leat_submit, for a protocol that is spoken over sockets. */
int lti_turn_submit(leat_engine *e, const leat_request *request, leat_id *id);
/* Begins the next one, if the socket is free. */
void lti_turn_next(lti_socket *s);
/* A text message came while a turn runs, or its leftover. */
void lti_turn_message(lti_socket *s, leat_slice text);
/* The running one has waited long enough for what may follow its end. */
void lti_turn_linger_over(lti_socket *s);
/* The peer's Close came: the running turn ends with what there is. */
void lti_turn_closed(lti_socket *s, unsigned code, leat_slice reason);
/* The socket's request has finished: all turns end as it did. */
void lti_turn_fail_all(lti_socket *s);
/* A turn's request finishes: it leaves its socket. */
void lti_turn_leave(lti_request *turn);
void lti_turn_drop_leftover(lti_socket *s);

#endif
