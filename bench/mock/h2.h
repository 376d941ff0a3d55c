/* What the files of HTTP/2 share: a connection's session and its streams.
 *
 *   h2.c  the session, its answers, the pump      h2_in.c  requests and windows
 *   h2_fault.c  what goes wrong on purpose
 *
 * nghttp2 pulls: a stream's DATA is produced by its exchange's step inside nghttp2's read callback,
 * when there is window for it, straight into the frame. One step makes one frame, and a frame is a
 * TLS record of its own unless they are coalesced. Nothing is sent from within a callback; what was
 * submitted goes out when the connection is pumped, at the end of the turn. */
#ifndef MOCK_H2_H
#define MOCK_H2_H

#include <nghttp2/nghttp2.h>

#include "bench/mock/gateway.h"

typedef struct h2 {
  mock_conn *conn;
  nghttp2_session *session;
  lti_list streams, ready; /* all; those whose request is complete and not yet served */
  lti_list owed;           /* window that will be given back later */
  uint32_t open, begun;
  int32_t left_out; /* streams above are left out by a GOAWAY; INT32_MAX: none */
  bool silent, closing;
  enum mock_ending end; /* once what was pumped is out */
  mock_due again;       /* the pump has more to say than its share of a turn */
  lti_buf raw;          /* frames made by hand, said behind the one of nghttp2's that caused them */
} h2;

typedef struct h2_stream {
  mock_exchange x; /* first: exchanges are streams */
  lti_list ready;
  int32_t id;
  bool head_done, unwanted; /* its request's head is here; it will not be served */
  bool head_sent, eof, produces;
  char *pull_at; /* where a step's piece goes while nghttp2 pulls, else NULL */
  size_t pull_cap, pull_size;
  lti_buf tail; /* what did not fit */
  size_t tail_at;
  uint64_t due_turn; /* when it could first have been pulled */
  uint64_t empties;  /* empty DATA frames still to go */
  uint32_t read_delay_ms;
} h2_stream;

static inline h2 *h2_of(const mock_conn *c) {
  return c->session;
}

/* h2_in.c */
void h2_in_callbacks(nghttp2_session_callbacks *callbacks);
void h2_in_serve(h2 *h);
void h2_in_forget(h2 *h); /* window owed */
void h2_stream_free(h2_stream *s);

/* h2_fault.c */
/* What the request's faults do before it is served. True: it will not be. */
bool h2_fault_judge(h2 *h, h2_stream *s);
void h2_fault_after(h2 *h, const h2_stream *s);

#endif
