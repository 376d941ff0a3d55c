/* One request on its connection, whichever HTTP that speaks: embedded in its owner, who hears what
 * comes back.
 *
 * It is open from lti_conn_start until `complete`, `failed` or lti_exchange_abandon. A paused one
 * may outlive its stream and its connection: what came and was not taken waits in its backlog. */
#ifndef LTI_EXCHANGE_H
#define LTI_EXCHANGE_H

#include "io/link.h"
#include "wire/http2.h"

typedef struct lti_conn lti_conn;
typedef struct lti_exchange lti_exchange;
typedef struct lti_backlog lti_backlog;

/* What an exchange reports. Each may abandon the exchange. `failed` and `complete` end it: the
 * connection does not know it any more when they are called. */
typedef struct lti_exchange_sink {
  int (*head)(lti_exchange *x, const lti_http_head *head);
  int (*body)(lti_exchange *x, leat_slice bytes, size_t *taken);
  /* False: what came is no answer to such a request, and the connection is not trusted further. */
  bool (*complete)(lti_exchange *x);
  void (*failed)(lti_exchange *x, const lti_failure *failure);
  /* A tunnel (an upgrade that was granted) has sent all that was queued. NULL where none is. */
  void (*drained)(lti_exchange *x);
  /* The connection has taken all of the body's piece, and more is to come. Calls nothing of the
   * exchange; may come more than once for a piece. NULL where bodies come whole. */
  void (*hungry)(lti_exchange *x);
} lti_exchange_sink;

/* The request, and stream.body, which is set before the start, must live until the exchange ends.
 * With stream.more it is the first piece of the body, and may be empty. */
struct lti_exchange {
  const lti_exchange_sink *sink;
  lti_conn *conn;       /* NULL: not leased, or its connection is done with it */
  uint64_t received_ns; /* the stamp of the read being delivered */
  bool paused;          /* set by the owner before its head or body sink answers LTI_STOPPED */
  /* filled in when the exchange ends */
  bool response_started;   /* a byte of a response had come */
  bool reused;             /* the connection had served before */
  lti_http2_stream stream; /* its body and body_sent are used by HTTP/1.1 as well */
  lti_backlog *backlog;    /* what a paused one has not taken yet, HTTP/2 only */
  lti_list unsent;         /* between start and the first byte sent, HTTP/2 only */
  uint64_t sent_ns;        /* first byte taken by the kernel, 0: none yet */
};

bool lti_exchange_open(const lti_exchange *x);
/* Takes the exchange off. `drain`: its response may be read to the end to keep the connection. */
void lti_exchange_abandon(lti_exchange *x, bool drain);
/* Goes on after a sink answered LTI_STOPPED with `paused` set. From the loop only. */
void lti_exchange_resume(lti_exchange *x);
/* The next piece of the body, from the loop, behind `hungry` or a first piece that was empty. Its
 * bytes must live until `hungry` or the exchange's end. Nothing happens when it has ended.
 * LEAT_ENOMEM. */
int lti_exchange_supply(lti_exchange *x, const lti_http_piece *piece);
/* A tunnel's bytes: queued, LEAT_ENOMEM or LEAT_ESTATE. How many wait for the kernel. */
int lti_exchange_send(lti_exchange *x, leat_slice bytes);
size_t lti_exchange_queued(const lti_exchange *x);

#endif
