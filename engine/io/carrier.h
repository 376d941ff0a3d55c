/* Between the files of a connection: what conn.c has in common for both HTTPs, and what each of
 * them does in its own way. Nobody else includes this. */
#ifndef LTI_CARRIER_H
#define LTI_CARRIER_H

#include "io/conn.h"

/* One way of carrying exchanges. */
typedef struct lti_carrier {
  enum leat_http http;
  int (*open)(lti_conn *c); /* the transport stands: makes the codec */
  void (*free)(lti_conn *c);
  int (*start)(lti_conn *c, lti_exchange *x, const lti_http_request *request);
  void (*abandon)(lti_exchange *x, bool drain);
  void (*resume)(lti_exchange *x);
  int (*supply)(lti_exchange *x, const lti_http_piece *piece);
  void (*bytes)(lti_conn *c, leat_slice bytes, uint64_t stamp_ns);
  void (*ended)(lti_conn *c, bool clean, int native);
  int (*fill)(lti_conn *c);
  void (*sent)(lti_conn *c);
  /* The connection is CLOSED now: every exchange on it hears `failure`. */
  void (*closed)(lti_conn *c, const lti_failure *failure);
  void (*alarm)(lti_conn *c, uint64_t now_ns); /* not while READY */
  void (*load)(const lti_conn *c, lti_conn_load *load);
} lti_carrier;

/* HTTP/1.1: one exchange. While it is paused the socket is not read; what was read already waits in
 * `held`, and so does the transport's end. */
typedef struct lti_conn_h1 {
  lti_http1 *codec;
  lti_exchange *exchange;
  lti_buf held;
  uint64_t request_mark; /* link.sent at which the current request's first byte has left */
  size_t drain_left;
  bool completed, end_pending, end_clean, tunnel;
  bool chunks; /* the body goes in chunks, and the last one has not been written */
} lti_conn_h1;

typedef struct lti_conn_h2 {
  lti_http2 *codec;
  lti_list unsent;        /* exchanges whose first byte the kernel has not taken, in order */
  size_t carried;         /* exchanges on it */
  uint64_t latency_ns;    /* smoothed */
  uint64_t ping_ns;       /* since when an answer is waited for, 0: none is */
  uint64_t stamp_ns;      /* of the read being delivered */
  uint64_t sent_mark;     /* link.sent behind which the unsent ones that were drained have left */
  const lti_failure *why; /* while it is being closed: these two */
  bool shared;            /* it carried several exchanges, or had served some */
  bool feeding;           /* the codec is on the stack */
  bool doomed;            /* its GOAWAY is queued: closed once that is sent */
} lti_conn_h2;

struct lti_conn {
  lti_link link;       /* first */
  lti_list node, turn; /* the owner's */
  lti_list dead;
  lti_alarm alarm;
  lti_conn_env *env;
  const lti_conn_sink *sink;
  void *owner, *wanted_by;
  const lti_carrier *carrier; /* NULL while OPENING */
  union {
    lti_conn_h1 h1;
    lti_conn_h2 h2;
  };
  uint64_t limit_ns, retire_ns;
  uint32_t served;  /* exchanges that ended well */
  uint32_t started; /* exchanges that began */
  enum lti_conn_state state;
  uint8_t plain; /* enum lti_conn_plain */
  bool leaving;
};

extern const lti_carrier lti_carrier_h1, lti_carrier_h2;

void lti_conn_state_set(lti_conn *c, enum lti_conn_state state);
void lti_conn_fail(lti_conn *c, int error, enum leat_layer layer, const char *message);
/* The peer has closed a connection that carries nothing, or wants it closed: nobody's failure,
 * unless it was of no use at all. */
void lti_conn_lapse(lti_conn *c, const char *message);
/* The last exchange has left it: READY again, or closed when it is leaving. */
void lti_conn_rest(lti_conn *c);
/* Room among the bytes that may be held for paused requests: LTI_OK or LEAT_EHELDMAX; counted. */
int lti_conn_hold(lti_conn_env *env, lti_buf *held, leat_slice bytes);
void lti_conn_hold_drop(lti_conn_env *env, lti_buf *held);

static inline leat_stats *lti_carrier_stats(const lti_conn *c) {
  return c->env->link.stats;
}

#endif
