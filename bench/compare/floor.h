/* What both floors do: many TLS connections over epoll and mbedTLS, from one thread.
 *
 * What a client may do to be cheap is done: one full handshake, whose session all other connections
 * resume; AES-128-GCM; one recv a wake-up into one buffer that all connections share, from which
 * the TLS library is fed. What a client must do and a floor need not is left out: certificates are
 * not checked, bytes are dropped. TLS is 1.2, whatever the library could do, so that every line of
 * the comparison does the same work.
 *
 * What comes in is handed on a record at a time, which is how the floor also knows whether the
 * gateway wrote each event alone: `crowded` counts the records in which more than one event ended.
 * Another floor says what it does with a connection (floor_way) and gets all the rest here. */
#ifndef COMPARE_FLOOR_H
#define COMPARE_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/ssl.h>

/* First in a floor's own struct for a connection. */
typedef struct floor_conn {
  int fd;
  bool secured;
  mbedtls_ssl_context ssl;
} floor_conn;

enum floor_state { FLOOR_MORE, FLOOR_DONE, FLOOR_BROKEN };

typedef struct floor_way {
  const char *protocols[2]; /* for ALPN, NULL behind the last */
  bool ends_by_close;       /* the peer's close_notify is the end of an answer */
  size_t conn_size;
  /* The connection stands: ask for everything. */
  enum floor_state (*begin)(floor_conn *c);
  /* The bytes of one record. */
  enum floor_state (*take)(floor_conn *c, const char *bytes, size_t size);
} floor_way;

/* What a command line says: PORT STREAMS [PATH [CONNECTIONS]]. */
typedef struct floor_task {
  unsigned port;
  size_t streams, conns;
  const char *path;
} floor_task;

extern const char floor_body[]; /* of the request, JSON */

/* Runs to the end and prints one JSON object. -> the program's exit status. */
int floor_main(const floor_way *way, const floor_task *task, floor_conn *conns);
/* False, and said, when the words make no sense. `conns` is 0 when not named. */
bool floor_read_task(floor_task *task, int argc, char **argv);
/* Sends it all, or fails: what a floor says is small and goes into the socket's buffer. */
bool floor_send(floor_conn *c, const void *bytes, size_t size);
/* Counts the ends of events, "\n\n". `last` is the byte before, as an end may lie across two. */
void floor_count(char *last, const char *bytes, size_t size);

#endif
