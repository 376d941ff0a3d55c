/* An HTTP/2 server without a socket: nghttp2's own server session, fed by slices and drained into a
 * buffer, for peers in tests. It is nghttp2 that judges our frames here: a breach of the protocol
 * ends the session, which h2_server_feed tells.
 *
 * A request is told when it is whole, or with `early` when its head has come; `head` tells of the
 * head apart from that. It is answered at any time: a head, pieces of a body, the end. Bodies wait
 * here, as long as windows want it so. Windows are given back when the test says so, or at once
 * (`give_back`). */
#ifndef TEST_H2_SERVER_H
#define TEST_H2_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct h2_server h2_server;

/* One request, from its head until its stream is closed. */
typedef struct h2_request {
  int32_t id;
  char method[16], scheme[8], authority[64], path[128];
  uint32_t fields;        /* the others */
  uint32_t never_indexed; /* of them, those marked so */
  uint64_t body_bytes;    /* that have come */
  uint64_t body_hash;     /* of them */
  uint64_t unread;        /* not given back yet */
  bool whole;
  void *user; /* the test's */
} h2_request;

typedef struct h2_server_events {
  void (*request)(void *ctx, h2_server *server, h2_request *request);
  /* The head has come, or NULL. */
  void (*head)(void *ctx, h2_server *server, h2_request *request);
  /* None of a request that was not told by one of the above. `code` is RFC 9113 section 7. */
  void (*closed)(void *ctx, h2_server *server, h2_request *request, uint32_t code);
  /* A header field of a request; may be NULL. */
  void (*field)(void *ctx, h2_request *request, leat_slice name, leat_slice value, bool never);
  void *ctx;
  /* A piece of a request's body; may be NULL. */
  void (*body)(void *ctx, h2_request *request, leat_slice bytes);
} h2_server_events;

typedef struct h2_server_config {
  uint32_t streams_max;   /* 0: says nothing */
  uint32_t stream_window; /* 0: 65,535 */
  uint32_t conn_window;   /* 0: 65,535 */
  bool early, give_back;
  h2_server_events on;
} h2_server_config;

h2_server *h2_server_new(const h2_server_config *config);
void h2_server_free(h2_server *server);
/* False: the client broke the protocol, or the session ended. */
bool h2_server_feed(h2_server *server, leat_slice bytes);
/* Whether it was the client that broke the protocol: the session ended, or reset a stream, with an
 * error that the test did not ask for. */
bool h2_server_blames(const h2_server *server);
/* Appends up to about `size_max` bytes; false when nothing was left to send. */
bool h2_server_drain(h2_server *server, lti_buf *out, size_t size_max);

/* "name", "value", ..., NULL. `status` below 200 is an interim answer. */
void h2_server_head(h2_server *server, h2_request *request, int status, const char *const *fields,
                    bool end);
void h2_server_body(h2_server *server, h2_request *request, leat_slice bytes);
/* With trailers, when they are not NULL. */
void h2_server_finish(h2_server *server, h2_request *request, const char *const *trailers);
void h2_server_reset(h2_server *server, h2_request *request, uint32_t code);
void h2_server_give_back(h2_server *server, h2_request *request, size_t size);
/* RFC 9113 6.8: those above `last` were not processed. INT32_MAX without a code is a notice, behind
 * which requests are still taken up. */
void h2_server_goaway(h2_server *server, int32_t last, uint32_t code);
/* New SETTINGS: SETTINGS_x of RFC 9113 6.5.2 by number. */
void h2_server_setting(h2_server *server, uint16_t id, uint32_t value);

h2_request *h2_server_find(h2_server *server, int32_t id);
size_t h2_server_active(const h2_server *server);
size_t h2_server_active_peak(const h2_server *server);
/* Bytes of bodies that wait for windows. */
uint64_t h2_server_waiting(const h2_server *server);

#endif
