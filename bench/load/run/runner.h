/* One thread of a run: a loop, an engine, a gauge and a pacer, and the streams that run on it.
 *
 * A stream carries one conversation after another (closed loop), or one (open loop); each turn of
 * it is a request. What all threads share is in runner_common, and is atomic: the number of
 * requests that may still begin, the room under a cap, the next index. */
#ifndef LOAD_RUNNER_H
#define LOAD_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "bench/load/run/crew.h"
#include "bench/load/run/gauge.h"
#include "bench/load/run/pacer.h"
#include "bench/load/run/score.h"

#define RUNNER_EVENTS 16384 /* times kept of one answer, for a recorder that wants them */

typedef struct runner runner;

/* Of all threads of a run. */
typedef struct runner_shared {
  const crew_plan *plan;
  uint64_t begin_ns;           /* the run's begin, warm-up included */
  _Atomic uint64_t measure_ns; /* the window's begin, 0: not yet */
  _Atomic uint64_t index;      /* of the next conversation of a closed loop */
  _Atomic uint64_t begun;      /* requests, those of a warm-up by number included */
  uint64_t most;               /* of them; UINT64_MAX: no limit */
  _Atomic uint64_t in_flight, in_flight_peak;
  _Atomic int64_t room;  /* under the cap of an open loop */
  _Atomic int waiting;   /* threads that wait for room */
  _Atomic bool stopping; /* crew_stop: nothing begins, what runs is cancelled */
  _Atomic int refused;   /* the first error of a submit that no other would fare better with */
  char refusal[RESULT_TEXT_MAX];
  _Atomic size_t over; /* threads that have ended */
  runner *const *runners;
  size_t count;
} runner_shared;

typedef struct runner_stream {
  struct runner *runner;
  struct runner_stream *next; /* in one of the runner's lists */
  work_talk *talk;
  leat_id id;      /* the request or task that runs; 0: none */
  leat_id socket;  /* that its turns share; 0: none */
  uint64_t due_ns; /* while it thinks */
  shape_start start;
  score_request request;
  bool arrives; /* a start of an open loop whose conversation has not begun */
  bool wants_answer, running, cut;
} runner_stream;

/* Streams in the order in which they came. */
typedef struct runner_line {
  runner_stream *first, *last;
} runner_line;

struct runner {
  runner_shared *shared;
  size_t thread;
  pthread_t pthread;
  bool started; /* the thread exists */
  leat_config config;
  pulse pulse;
  score score;
  gauge_reading reading;
  leat_stats before, after, steady_from, steady_to; /* before: at the window's begin */
  double user_s, system_s;

  uv_loop_t loop;
  uv_async_t wake;
  uv_timer_t tick; /* of the timeline's lag */
  uv_check_t reads_done;
  uv_idle_t more; /* runs while something is ready: no sleep */
  gauge *gauge;
  pacer *pacer;
  leat_engine *engine;
  work_hand *hand;
  shape *starts;     /* of an open loop */
  shape_start start; /* the next one */
  bool has_start, ended, measuring, closing, steady, measured_steady;
  size_t live;         /* streams with a conversation, thinking ones included */
  size_t live_content; /* of the first wave, with content */
  size_t wanted;       /* a closed loop's share */
  uint64_t window_ns;  /* when the measured window begins; UINT64_MAX: with its first request */
  uint64_t end_ns;     /* nothing begins from here on */
  uint64_t cut_ns;     /* and here what runs is cut */
  uint64_t lead_ns;    /* how long before its instant a burst is begun */
  uint64_t instant_ns; /* of the last start */
  double user_mark, system_mark;
  runner_line idle, thinking, held, ready; /* held: they wait for room */
  runner_stream **chunks;
  size_t chunk_count, chunk_room;
};

/* Makes what may be made before the thread is. False, and said. */
bool runner_init(runner *r, runner_shared *shared, size_t thread);
/* The thread: runs to the end of the load. */
void *runner_main(void *arg);
/* Any thread. */
void runner_wake(runner *r);
void runner_deinit(runner *r);

#endif
