/* Who gets a connection: the queue of waiting requests before each origin's pool.
 *
 * A lease is a request's wish for a connection. It waits in a bounded queue that is fair between
 * tenants; while fewer connections are being opened than requests wait, another is opened for the
 * next in line, whose connect deadline then begins. Whoever is first in turn takes whichever
 * connection is free first, unless its body would wait there for a window that a smaller one behind
 * it does not need. Grants and failures are told from lti_dispatch_turn or from the loop,
 * never from inside lti_dispatch_want. */
#ifndef LTI_DISPATCH_H
#define LTI_DISPATCH_H

#include "io/pool.h"
#include "plan/queue.h"

typedef struct lti_lease lti_lease;

typedef struct lti_lease_sink {
  /* Must start it or give it back. It may call the caller, who may cancel others in line. */
  void (*granted)(lti_lease *lease, lti_conn *conn);
  void (*failed)(lti_lease *lease, const lti_failure *failure);
  void (*connecting)(lti_lease *lease); /* connect_ns was set, or taken back */
} lti_lease_sink;

struct lti_lease {
  const lti_lease_sink *sink;
  lti_queue_item item;
  lti_origin *origin; /* while waiting: whose line it stands in */
  lti_origin *home;   /* where it belongs, though its body may go over HTTP/1.1 */
  uint64_t body_size; /* bytes to be sent, which a window may hold up */
  uint64_t tenant;
  uint64_t entered;    /* how often its line had been served when it came */
  uint64_t connect_ns; /* since when a connection is wanted for it alone, 0: it queues */
  int64_t connect_ms;  /* < 0: no limit */
  bool bound;          /* a connection is being opened for it */
  bool no_descriptor;  /* the last try failed for want of one */
  bool rerouted;       /* it stands in the line of its home's HTTP/1.1 */
  bool at_home;        /* it was there, in vain */
};

typedef struct lti_dispatch {
  lti_alloc *alloc;
  lti_loop *loop;
  lti_alarms *alarms;
  lti_list dirty;   /* lines that may be served */
  lti_list starved; /* lines that found no descriptor left */
  lti_alarm alarm;
  size_t queue_max;
  size_t waiting;
  const void *serving; /* the line that is served now: it is not freed meanwhile */
  bool disturbed;      /* somebody left it since it was looked at */
} lti_dispatch;

int lti_dispatch_init(lti_dispatch *d, lti_alloc *alloc, lti_loop *loop, lti_alarms *alarms,
                      size_t queue_max);
void lti_dispatch_deinit(lti_dispatch *d);
/* `first`: it has waited already. LEAT_EQUEUEFULL, LEAT_ENOMEM. */
int lti_dispatch_want(lti_dispatch *d, lti_lease *lease, lti_origin *origin, bool first);
/* Waits no longer; harmless when it does not. */
void lti_dispatch_leave(lti_dispatch *d, lti_lease *lease);
void lti_dispatch_turn(lti_dispatch *d);
bool lti_dispatch_due(const lti_dispatch *d);
/* The pool's sink calls these. */
void lti_dispatch_slot(lti_dispatch *d, lti_origin *o);
void lti_dispatch_opened(lti_origin *o, void *wanted_by);
void lti_dispatch_failed(lti_dispatch *d, lti_origin *o, void *wanted_by,
                         const lti_failure *failure);
void lti_dispatch_wasted(lti_dispatch *d, lti_origin *o, const lti_failure *failure);

#endif
