/* Which of an origin's connections a request goes to: pure judgement over what they carry.
 *
 * HTTP/2 has one send window for all streams of a connection. A body that does not fit into what is
 * left of it waits for the peer to read, and so do all behind it: that, and not the number of
 * streams, is what makes one shared connection slow. So a request with a body goes where the window
 * lets it through at once; where none does, another connection is worth its handshake. A body that
 * is larger than any window goes where none other waits: a further connection would not be better
 * than that. */
#ifndef LTI_PLACE_H
#define LTI_PLACE_H

#include "io/conn.h"

/* From here on a connection's load is a reason to open a second one. */
#define LTI_PLACE_CROWD 100

/* Bodies up to this size go before the peer has told its windows. */
#define LTI_PLACE_SMALL ((uint64_t)16 * 1024)

/* From bad to good. */
enum lti_place_verdict {
  LTI_PLACE_FULL,    /* no stream is free */
  LTI_PLACE_STALLED, /* the body would wait behind others for the window */
  LTI_PLACE_WAIT,    /* its windows are not known yet, and soon will be */
  LTI_PLACE_GOOD
};

enum lti_place_verdict lti_place_judge(const lti_conn_load *load, uint64_t body_size);
/* Such a body leaves no window for another on a connection whose window was once so large. */
bool lti_place_fills(int64_t window_peak, uint64_t body_size);
/* And it is worth an HTTP/1.1 connection of its own where it would wait behind others. */
bool lti_place_hauls(int64_t window_peak, uint64_t body_size);
/* Is `a` the better place of two with the same verdict? */
bool lti_place_better(const lti_conn_load *a, const lti_conn_load *b, uint64_t body_size);
/* The peer's windows are as small as they begin (RFC 9113 6.9.2: 65,535 bytes) and the body is
 * larger: it would crawl over any HTTP/2 connection to this origin. 0: they are not known. */
bool lti_place_crawls(int64_t window_peak, uint64_t body_size);

#endif
