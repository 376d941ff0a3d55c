/* The live view: rates, what is in flight, percentiles of TTFT and of gaps over the last seconds, a
 * strip of the histogram, errors and the certificate's light, redrawn in place on a terminal of
 * enough lines; elsewhere a plain line now and then. It reads pulses, and disturbs nobody. */
#ifndef LOAD_LIVE_H
#define LOAD_LIVE_H

#include "bench/load/run/crew.h"

typedef struct live live;

/* `quiet`: shows nothing. NULL: no memory. */
live *live_open(const result_offer *offer, const shape_spec *spec, bool quiet);
/* Draws; to be called some times a second from the controlling thread. */
void live_tick(live *l, const crew *c, uint64_t now_ns);
/* Takes the view away. */
void live_close(live *l);

#endif
