/* What a request is to those who watch the engine: the observer, the callback that gives keys, and
 * the metrics. Made only where one of these is on.
 *
 * The start of an attempt is told where it is granted a connection, in the turn's dispatching. All
 * else is owed: a repeat is decided deep in a read or in somebody's walk along a line, from where
 * nobody can be called, so it waits in the engine's list until the turn (or the repeat's own time)
 * comes, and nothing goes on before it is told. */
#ifndef LTI_WATCH_H
#define LTI_WATCH_H

#include "core/request.h"

struct lti_watch {
  lti_list due; /* in engine->watched */
  lti_request *request;
  void *user;            /* the caller's, NULL: it is a call of our own */
  lti_buf model;         /* empty: not known */
  uint32_t told;         /* starts */
  bool repeats;          /* a repeat is owed, for: */
  int error;             /* why */
  int64_t wait_ms;       /* and when */
  int64_t input, output; /* tokens, -1: not told */
  size_t row;            /* in the metrics */
};

/* Behind the request's spec. `user`: see above. LEAT_ENOMEM. */
int lti_watch_open(lti_request *r, const leat_request *wanted, void *user);
void lti_watch_close(lti_request *r);
/* An attempt has a connection, and was counted: says so, and asks for its key. False: it is not to
 * be sent, for it has finished. Calls out. */
bool lti_watch_start(lti_request *r);
/* A turn was asked on an open socket: start is owed. */
void lti_watch_turn(lti_request *r);
/* It will be repeated: true when that is owed to the observer first, who is told in the next turn
 * and must be before the repeat. */
bool lti_watch_repeat(lti_request *r, int error, int64_t wait_ms);
/* Tells what is owed. Calls out: the request may have finished. False: it was about to be told its
 * done, and has been cancelled, which it is told in the next turn. */
bool lti_watch_settle(lti_request *r);
/* The turn's part: settles all, and repeats what waits for nothing else. */
void lti_watch_run(leat_engine *e);
/* Right before its done. Calls out. */
void lti_watch_done(lti_request *r, const leat_result *result);

#endif
