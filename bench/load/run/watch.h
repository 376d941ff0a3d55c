/* The controlling thread while a crew works: signals, the live view, the end. It sleeps but for
 * these. */
#ifndef LOAD_WATCH_H
#define LOAD_WATCH_H

#include "bench/load/report/live.h"
#include "bench/load/run/crew.h"

typedef struct watch watch;

/* Signals are caught from here on: SIGINT and SIGTERM stop the crew that is watched, a second one
 * ends the process at once. NULL, and said, on failure. */
watch *watch_open(void);
/* For crew_plan.over: any thread. */
void watch_over(void *watch);
/* Returns when the crew has ended; `view` may be NULL. */
void watch_crew(watch *w, crew *c, live *view);
/* Sleeps, or until a signal comes. */
void watch_rest(watch *w, uint64_t ms);
bool watch_interrupted(const watch *w);
void watch_close(watch *w);

#endif
