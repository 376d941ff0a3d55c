/* What one thread counts: every measure of every request, in forms that add up with those of the
 * other threads. Counting an event touches a few counters and buckets; nothing is allocated,
 * written or locked between two events.
 *
 * A request's times are kept in its score_request until it ends: latencies are of whole answers
 * alone, gaps of all. A record of the stream counts as one event however many parts it has. */
#ifndef LOAD_SCORE_H
#define LOAD_SCORE_H

#include "base/prng.h"
#include "bench/load/report/recorder.h"
#include "bench/load/result/result.h"
#include "bench/load/run/pulse.h"
#include "leat.h"

#define SCORE_SLOTS   600 /* of the timeline: then two become one */
#define SCORE_BUCKETS 640 /* of pulse.h, up to 16 s */

/* A slot of the timeline while it is counted. */
typedef struct score_slot {
  uint32_t started, completed, failed, in_flight;
  uint64_t events, output_tokens;
  uint32_t lag_max_us;
  bool touched, timed; /* timed: `in_flight` was told */
  uint32_t ttft[SCORE_BUCKETS], itl[SCORE_BUCKETS];
} score_slot;

/* One request while it runs; the runner's stream holds it. */
typedef struct score_request {
  uint64_t index, intended_ns, submitted_ns;
  uint64_t first_ns, output_ns, second_ns, last_ns; /* of content; 0: not yet */
  const char *record;                               /* where the last record of content lay */
  uint64_t content_events, gap_max_us;
  int64_t input_tokens, output_tokens, reasoning_tokens, cached_tokens;
  uint32_t turn;
  bool measured, headed, task;
  result_track *track;
  uint64_t *events_ns; /* for the recorder; NULL: not wanted */
  size_t event_count, event_room;
} score_request;

typedef struct score {
  uint32_t thread;
  bool open_loop, stamped;
  recorder *recorder;
  pulse *pulse;
  uint64_t base_ns;   /* the window's begin */
  uint64_t end_ns;    /* the last end of a measured request */
  uint64_t in_flight; /* measured or not */
  uint64_t answering;
  result_latency latencies[MEASURE_COUNT];
  lti_hist *schedule_lag, *receive_lag, *kernel_lag;
  result_counts counts;
  result_volume volume;
  result_conns conns; /* of requests: by version */
  result_goodput goodput;
  double lengths[4]; /* sums and squares of input and output tokens */
  result_lengths bounds;
  size_t error_count, status_count;
  result_error errors[RESULT_ERRORS_MAX];
  result_status statuses[RESULT_STATUS_MAX];
  uint64_t slot_ns;
  score_slot *slots, *slot;       /* `slot`: the last one, of slot_from_ns .. + slot_ns */
  uint64_t slot_from_ns, seen_ns; /* the latest time that was told */
  lti_prng prng;
  size_t dot_count, dot_room;
  uint64_t dots_seen;
  result_dot *dots;
  size_t track_count, track_room;
  uint64_t tracks_seen;
  result_track *tracks;
} score;

/* False: no memory. `threads` share the dots and tracks of a result. */
bool score_init(score *s, size_t threads, uint64_t seed);
void score_deinit(score *s);
/* The measured window begins: nothing was counted before. */
void score_window(score *s, uint64_t now_ns);

/* A request is submitted; its index, turn, intended start and `measured` are set. */
void score_start(score *s, score_request *r, uint64_t now_ns);
void score_event(score *s, score_request *r, const leat_event *event);
/* `cut`: ended by the harness at the end of the run. */
void score_done(score *s, score_request *r, const leat_result *answer, bool cut);
/* A task's last word, instead of score_done's latencies. */
void score_task(score *s, score_request *r, const leat_task_update *last, uint64_t now_ns);
/* A submit that was refused. */
void score_refused(score *s, score_request *r, int error, leat_slice message);
void score_lag_peak(score *s, uint64_t now_ns, uint64_t lag_us);

/* Adds one thread's figures to a point; the certificate's histograms too. False: no memory. */
bool score_add(result_point *point, const score *s);
/* All threads' timelines and samples, into a point that is otherwise complete. */
bool score_picture(result_point *point, score *const *scores, size_t count);
/* Two slots of the timeline become one, so that a run of any length has room. */
void score_fold(score *s);

#endif
