/* What runner.c and runner_stream.c have of each other. */
#ifndef LOAD_RUNNER_INSIDE_H
#define LOAD_RUNNER_INSIDE_H

#include <sys/resource.h>

#include "runner.h"

/* A thread's own share of the process' CPU time, where the system tells it. */
#ifdef RUSAGE_THREAD
#define RUNNER_RUSAGE RUSAGE_THREAD
#else
#define RUNNER_RUSAGE RUSAGE_SELF
#endif

runner_stream *runner_pop(runner_line *line);
void runner_push(runner_line *line, runner_stream *s);
/* A stream that counts as live. NULL: no memory. */
runner_stream *runner_stream_new(runner *r);
void runner_each(runner *r, void (*visit)(runner_stream *s));
/* The measured window begins for this thread, if it has not. */
void runner_measure(runner *r, uint64_t now_ns);
void runner_end(runner *r);
/* Does what is due now, and sets the alarm anew. */
void runner_step(runner *r);
double runner_seconds(struct timeval time);

/* The stream's next request: of its conversation, or of a new one. */
void runner_next(runner_stream *s, uint64_t now_ns);
/* The same, behind the reads of this turn or of a later one. */
void runner_ready(runner_stream *s);
/* A start of an open loop, if there is room under the cap. */
void runner_arrive(runner_stream *s, uint64_t now_ns);
/* Room under the cap may have come. */
void runner_serve_held(runner *r, uint64_t now_ns);
/* Ends what thinks, and what waits for room. */
void runner_retire_idle(runner *r);
void runner_cut(runner_stream *s);
void runner_cancel(runner_stream *s);
/* No request of this run can fare better: all threads stop, and the run says why. */
void runner_refuse(runner *r, int error, const char *message);

#endif
