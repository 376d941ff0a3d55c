/* A server that takes bodies of any size, over HTTP/1.1 and HTTP/2, keeps the books of them, and
 * does in the middle of one what a test wants: a script for peer_start (support/peer.h).
 *
 *   taker *t = taker_start(f, &(taker_plan){.answers = (const char *const[]){"200", NULL}});
 *   ...
 *   taker_took took;
 *   taker_look(t, &took);
 *
 * An answer is a status, whose body is "ok" or the plan's; or over HTTP/1.1 any text with a peer's
 * marks, and over HTTP/2 "reset N" with an error code. Answer n is that to request n, the last one
 * to all that follow. Chunks are read strictly: what is no chunk is counted in `faults`. */
#ifndef TEST_TAKER_H
#define TEST_TAKER_H

#include "support/flow.h"

#define TAKER_KEPT ((size_t)256 * 1024) /* of a body's bytes, that are kept */

typedef struct taker_plan {
  const char *const *answers;
  const char *body; /* instead of "ok" */
  bool http2;
  tls_server *tls; /* NULL: plain */
  /* Once so many bytes of a body have come, `early` is said, and nothing for as long as it takes:
   * to the first `early_times` requests [1]. */
  uint64_t early_at;
  const char *early; /* NULL: never */
  unsigned early_times;
  bool deaf;     /* and then nothing more is read */
  int slow_ms;   /* waits so long before each read of a body */
  size_t window; /* HTTP/2: of a stream and the connection, 0: 64 KiB */
} taker_plan;

typedef struct taker_took {
  unsigned heads, wholes; /* requests that began, and that came whole */
  unsigned chunks, faults;
  uint64_t bytes;           /* of all bodies */
  char head[8192];          /* the last one's, as text */
  char body[TAKER_KEPT];    /* and its body's first bytes */
  uint64_t body_size, hash; /* all of that */
} taker_took;

typedef struct taker taker;

taker *taker_start(flow *f, const taker_plan *plan);
peer *taker_peer(const taker *t);
void taker_look(taker *t, taker_took *took);
/* FNV-1a, as `hash`: of bytes behind those that gave `hash`; TAKER_HASH of none. */
#define TAKER_HASH 14695981039346656037u
uint64_t taker_hash(uint64_t hash, leat_slice bytes);

#endif
