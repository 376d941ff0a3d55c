/* How late this thread is: the receive lag of its loop, and how busy it is.
 *
 * Bytes that a poll reports at once may have come at any time since the poll before returned, for
 * it did not report them: so a read is late by at most its stamp less that return. If the poll
 * slept, the bytes woke it: a read is late by its stamp less the poll's return, and by what the
 * thread then waited for a core (the growth of its run delay). A loop that should have been woken
 * by its heartbeat and was not (a process that was stopped does not know it) is held to the entry
 * of that poll instead.
 *
 * What is recorded is thus a bound from above, but for three things: stops that end before the
 * heartbeat is due, bytes behind the first 64 KiB that wait on one connection, and the time that a
 * virtual machine's halted core takes to wake, which no clock in there sees.
 *
 * With the kernel's stamps an event's time is that of the last segment of its read, however late
 * the read was. An event that ended that segment is not late at all; one with others behind it came
 * by then, and is late by at most that stamp less the moments above, or less what older stamps of
 * its connection tell (segment_since_ns). Of a queue that takes several reads the moments are those
 * of the first of them (segment_queue_ns). */
#ifndef LOAD_GAUGE_H
#define LOAD_GAUGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/hist.h"
#include "bench/load/run/pulse.h"
#include "leat.h"

typedef struct gauge gauge;

#define GAUGE_STALL_NS 5000000u

/* What was seen between gauge_mark and gauge_read. */
typedef struct gauge_reading {
  double wall_s, busy_s, cpu_s;
  int64_t run_delay_us; /* -1: not to be had here */
  int64_t stalls, stall_max_us;
} gauge_reading;

/* On the thread that runs the loop, which has not run yet, and before the engine opens on it: libuv
 * runs first what was started last, so that the gauge's prepare comes behind the engine's, right
 * before the poll. `lag` gets a record (us) for every read that had events, weighted by their
 * number. NULL: no memory, or a libuv without a clock of its sleep. */
gauge *gauge_open(uv_loop_t *loop, lti_hist *lag);
/* Closes its handles; call uv_run until they are gone, then gauge_free. */
void gauge_close(gauge *g);
void gauge_free(gauge *g);
/* Shows what is recorded to the live view as well. NULL: no more. */
void gauge_show(gauge *g, pulse *live);
/* An event that came, as the engine stamped it. Cheap: a comparison, once per read a subtraction.
 */
void gauge_event(gauge *g, const leat_event *event);
/* Turns longer than this are stalls [GAUGE_STALL_NS]. */
void gauge_stall_above(gauge *g, uint64_t ns);
/* Both on the loop's thread, from its callbacks or outside of its run. */
void gauge_mark(gauge *g, uint64_t now_ns);
void gauge_read(gauge *g, uint64_t now_ns, gauge_reading *reading);
/* The largest lag since the last call, us: for the timeline. */
uint64_t gauge_peak(gauge *g);

#endif
