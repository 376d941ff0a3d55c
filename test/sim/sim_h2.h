/* A scripted HTTP/2 server at the far end of the simulated network: the jobs, replies and books of
 * sim_server.h, over as many streams and connections as the client opens. Frames are made and
 * checked by nghttp2's own server session (support/h2_server.h).
 *
 * What a connection does besides answering is its manner, which the test chooses when it is opened,
 * and what the test does to it at its ticks. A request counts as run when its answer begins; one
 * that is refused, or that a GOAWAY leaves out, never does. */
#ifndef TEST_SIM_H2_H
#define TEST_SIM_H2_H

#include "sim/sim_server.h"

typedef struct sim_h2 sim_h2;
typedef struct sim_h2_conn sim_h2_conn;

/* Zero: a good server with RFC 9113's own windows. */
typedef struct sim_h2_manner {
  uint32_t streams_max;   /* 0: says nothing */
  uint32_t stream_window; /* of what the client sends, 0: 65,535 */
  uint32_t conn_window;   /* 0: 65,535 */
  bool no_streams;        /* allows none at first, whatever streams_max is */
  bool keeps_windows;     /* gives nothing back by itself: sim_h2_give does */
  uint64_t tick_ns;       /* longest time between two ticks; 0: there are none */
  enum sim_cut cut;       /* how it ends behind cut_at bytes of its own; SIM_WHOLE: it does not */
  size_t cut_at;
} sim_h2_manner;

typedef struct sim_h2_config {
  sim_server_config base;
  /* Both may be NULL. */
  void (*greet)(void *ctx, sim_h2_conn *c, sim_h2_manner *manner);
  void (*tick)(void *ctx, sim_h2_conn *c);
} sim_h2_config;

/* Becomes the world's host. Lives until sim_h2_free, which comes behind sim_free. */
sim_h2 *sim_h2_new(sim *w, const sim_h2_config *config);
void sim_h2_free(sim_h2 *s);
/* Connections open right now, as the server sees it; all there ever were; and breaches of the
 * protocol by the client. */
size_t sim_h2_conns(const sim_h2 *s);
size_t sim_h2_conns_ever(const sim_h2 *s);
unsigned sim_h2_blames(const sim_h2 *s);

/* ---- what a test may do to a connection, in greet, tick and script; harmless once it is over */

/* GOAWAY: `notice` says only that it will leave (RFC 9113 6.8), the other one that requests which
 * have not begun to run never will. With a code it is an error. */
void sim_h2_leave(sim_h2_conn *c, bool notice, uint32_t code);
void sim_h2_setting(sim_h2_conn *c, uint16_t id, uint32_t value);
/* Gives windows back, at most so many bytes a stream. */
void sim_h2_give(sim_h2_conn *c, size_t size_max);
/* Reads and says nothing from now on. */
void sim_h2_hush(sim_h2_conn *c);
/* Stops reading from the transport, or goes on. */
void sim_h2_read(sim_h2_conn *c, bool on);
void sim_h2_end(sim_h2_conn *c, enum sim_cut how);
/* Requests on it; its number, from 0 in the order of opening; the connection of the job's latest
 * request, or NULL. */
size_t sim_h2_active(const sim_h2_conn *c);
unsigned sim_h2_number(const sim_h2_conn *c);
sim_h2_conn *sim_h2_conn_of(sim_h2 *s, const sim_job *job);

#endif
