/* One TCP or Unix socket on the loop: connect, read into the shared slab, send a queue, close.
 *
 * One uv_poll a descriptor; at most one recv a wake-up, so that no connection starves the others;
 * the stamp of a read is taken when recv returns. sendmsg with MSG_NOSIGNAL, so that the host needs
 * no SIGPIPE handler. A sink may close its socket in any callback; no callback comes after that. */
#ifndef LTI_SOCK_H
#define LTI_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/outq.h"
#include "io/loop.h"

typedef struct lti_sock lti_sock;

/* An address with its port. */
typedef struct lti_addr {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  };
} lti_addr;

typedef struct lti_sock_sink {
  /* LTI_OK, or the error that errno `native` maps to. */
  void (*connected)(void *ctx, int error, int native);
  void (*bytes)(void *ctx, leat_slice bytes, uint64_t stamp_ns);
  /* The peer's FIN (native 0) or a failure. Reading has stopped. */
  void (*ended)(void *ctx, int native);
  /* Room again after a send that could not take everything. */
  void (*writable)(void *ctx);
} lti_sock_sink;

/* Whom a socket's callbacks reach. */
typedef struct lti_sock_owner {
  const lti_sock_sink *sink;
  void *ctx;
} lti_sock_owner;

/* Starts to connect; `connected` comes later. LEAT_EFDLIMIT, LEAT_ENOMEM, or the connect's error at
 * once (LEAT_EREFUSED, LEAT_EUNREACHABLE, LEAT_ECONNECT), with errno in `*native`. */
int lti_sock_open(lti_loop *loop, const lti_addr *addr, lti_sock_owner owner, lti_sock **sock,
                  int *native);
/* The same for a Unix socket at `path`, which has at most LTI_URL_UNIX_MAX bytes. LTI_AGAIN: its
 * queue is full for now, nothing was opened, and a later try may have more luck. */
int lti_sock_open_unix(lti_loop *loop, const char *path, lti_sock_owner owner, lti_sock **sock,
                       int *native);
/* Gives the socket to another owner. */
void lti_sock_bind(lti_sock *s, lti_sock_owner owner);
void lti_sock_read(lti_sock *s, bool on);
/* Sends what the kernel takes. LTI_OK: the queue is empty; LTI_AGAIN: `writable` will come; else
 * LEAT_ERESET with errno in `*native`. `*sent` counts bytes in every case. */
int lti_sock_send(lti_sock *s, lti_outq *q, size_t *sent, int *native);
/* Closes at once and frees later. */
void lti_sock_close(lti_sock *s);
/* A descriptor of somebody else's that is waited for until it can be read: a pipe, a terminal or a
 * socket. It stays its owner's, who closes it behind lti_sock_watch_close. */
typedef struct lti_sock_watch lti_sock_watch;
/* Not armed yet. LTI_STOPPED: it can always be read, as files and some devices can, and there is
 * nothing to watch. LEAT_EFDLIMIT, LEAT_ENOMEM. */
int lti_sock_watch_open(lti_loop *loop, int fd, void (*readable)(void *ctx), void *ctx,
                        lti_sock_watch **watch);
/* `readable` comes once, from the loop, when there are bytes, or an end. */
void lti_sock_watch_arm(lti_sock_watch *w);
void lti_sock_watch_close(lti_sock_watch *w);
/* LEAT_EREFUSED and so on, for an errno of connect, recv or send. */
int lti_sock_error(int native);
/* strerror, for messages. */
const char *lti_sock_text(int native);

#endif
