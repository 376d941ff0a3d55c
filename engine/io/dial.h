/* Dialling: a name and a port, or a Unix socket's path, to one connected socket (RFC 8305, happy
 * eyeballs).
 *
 * Addresses are tried in order, the next one 250 ms after the last or at once when it fails; the
 * first to connect wins and the others are closed. A Unix socket whose queue is full is tried again
 * until the owner cancels. One dial makes one callback, unless it is
 * cancelled. */
#ifndef LTI_DIAL_H
#define LTI_DIAL_H

#include "io/alarm.h"
#include "io/dns.h"
#include "io/sock.h"

typedef struct lti_dial lti_dial;

typedef struct lti_dial_env {
  lti_loop *loop;
  lti_alloc *alloc;
  lti_alarms *alarms;
  lti_dns *dns;
} lti_dial_env;

typedef struct lti_dial_sink {
  /* LTI_OK with a socket, to be bound to its new owner at once; or an error, with errno or the
   * resolver's code in `native`. The dial is gone when this is called. */
  void (*done)(void *ctx, int error, int native, lti_sock *sock);
} lti_dial_sink;

typedef struct lti_dial_owner {
  const lti_dial_sink *sink;
  void *ctx;
} lti_dial_owner;

/* `host` is needed only while the dial starts. */
typedef struct lti_dial_target {
  const char *host; /* a name, an address, or the path of a Unix socket */
  uint16_t port;
  bool unix_socket;
} lti_dial_target;

/* May call `done` before it returns. LEAT_ENOMEM: it will not be called. `*dial` is NULL again when
 * the dial has ended. */
int lti_dial_start(const lti_dial_env *env, const lti_dial_target *target, lti_dial_owner owner,
                   lti_dial **dial);
void lti_dial_cancel(lti_dial *dial);
/* Still looking the name up. */
bool lti_dial_resolving(const lti_dial *dial);

#endif
