/* What a run amounts to, as plain data: everything that a report says. A run makes it, JSON carries
 * it without loss (histograms as HdrHistogram V2), and every report, gate, comparison and merge
 * reads it alone: so all of them work on files as they do on runs.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC relative to the point's start where they are `_ns`, and
 * histograms are in microseconds. A figure that is not known is negative (counts of tokens, shares)
 * or NULL (histograms), never guessed. A result owns everything that it points to, all of it from
 * cli_program_alloc. */
#ifndef LOAD_RESULT_H
#define LOAD_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "bench/load/result/measure.h"

#define RESULT_ERRORS_MAX  32 /* kinds; the last takes what is beyond */
#define RESULT_STATUS_MAX  32 /* the same */
#define RESULT_TEXT_MAX    200
#define RESULT_SECONDS_MAX 3600 /* slots of a timeline; longer runs have longer slots */
#define RESULT_DOTS_MAX    4000
#define RESULT_TRACKS_MAX  12
#define RESULT_STEPS_MAX   512 /* events of a track */
#define RESULT_REASONS_MAX 16
#define RESULT_POINTS_MAX  256
#define RESULT_PARTS_MAX   10000

/* Both forms of one latency. `intended` is NULL where it is the same (a closed loop) or has no
 * meaning; `sent` NULL where there was no sample. */
typedef struct result_latency {
  lti_hist *sent, *intended;
} result_latency;

/* One kind of failure. */
typedef struct result_error {
  char name[40]; /* LEAT_ETRUNCATED */
  char kind[16]; /* its class: timeout, status, stream, connect, ... */
  uint64_t count;
  char message[RESULT_TEXT_MAX]; /* of the first one */
} result_error;

typedef struct result_status {
  int status;
  uint64_t count;
} result_status;

/* Requests. started = completed + failed + cancelled + cut. */
typedef struct result_counts {
  uint64_t started, completed, failed, cancelled;
  uint64_t cut;       /* ended by us at the end of the run (--end cut) */
  uint64_t truncated; /* of failed: the answer was not whole */
  uint64_t retried;   /* attempts beyond the first */
  uint64_t warmup;    /* requests before the measured window; in no other figure */
  uint64_t late;      /* began when the window had ended, of an open loop that fell behind */
  uint64_t missed;    /* starts that had to wait for the cap (--max-concurrency) */
  uint64_t sessions;  /* conversations, where there are any */
  uint64_t in_flight_peak;
  uint64_t answering_peak; /* answers at once: head seen, not done */
} result_counts;

/* What came. Tokens are the server's own figures, -1 where no answer told them. */
typedef struct result_volume {
  uint64_t events;         /* SSE events dispatched, end markers included */
  uint64_t content_events; /* those with a non-empty piece of reasoning or content */
  uint64_t content_bytes;
  uint64_t bytes_received, bytes_sent;
  uint64_t usage_answers; /* answers that told their tokens */
  int64_t input_tokens, output_tokens, reasoning_tokens, cached_tokens;
  uint64_t usage_content_events; /* content events of those answers: for tokens an event */
} result_volume;

typedef struct result_conns {
  uint64_t opened, peak, failed, full_handshakes, resumed, http2;
  uint64_t requests_http1, requests_http2;
  uint64_t allowed; /* as many as could be opened, of the version that was spoken */
} result_conns;

typedef struct result_process {
  double user_s, system_s; /* of the measured window */
  uint64_t rss_peak_kb;
  uint64_t copied_bytes, decrypted_bytes;
  double allocations_per_event; /* in the steady state; -1: there was none to measure */
} result_process;

/* A slot of the timeline. Percentiles are in microseconds, -1 without a sample. */
typedef struct result_slot {
  uint32_t started, completed, failed, in_flight;
  uint64_t events, output_tokens;
  int32_t ttft_p50_us, ttft_p99_us, itl_p50_us, itl_p99_us, lag_max_us;
} result_slot;

typedef struct result_timeline {
  double slot_s;
  size_t count;
  result_slot *slots;
} result_timeline;

/* One request, for a cloud of points. -1: not reached. */
typedef struct result_dot {
  float start_s;
  float ttft_ms, e2e_ms;
  int32_t error; /* leat's, 0: fine */
} result_dot;

/* A request told in full, for a picture of it: its milestones, and when its content came, all in
 * microseconds from the intended start; -1: not reached. */
typedef struct result_track {
  uint64_t index;
  int32_t error;
  int64_t sent_us, connected_us, tls_us, head_us, first_us, last_us, done_us;
  size_t count;
  uint32_t steps_us[RESULT_STEPS_MAX];
} result_track;

/* --- the certificate --- */

enum result_verdict { RESULT_VALID, RESULT_DEGRADED, RESULT_INVALID };

/* Why the verdict is not `valid`, and what to change. */
typedef struct result_reason {
  enum result_verdict verdict;
  char text[RESULT_TEXT_MAX];
  char advice[RESULT_TEXT_MAX];
} result_reason;

/* How far this process itself may have bent the numbers. Bounds are what `valid` and `degraded`
 * allowed. A negative share or count was not to be had here. */
typedef struct result_certificate {
  enum result_verdict verdict;
  lti_hist *receive_lag;  /* an event's read, at the latest so long after it could be read; us */
  lti_hist *schedule_lag; /* sent - intended, of an open loop; NULL: closed */
  lti_hist *kernel_lag;   /* our reads less the kernel's stamps, which are the times of what
                             was read; NULL: times are those of our reads */
  double lag_valid_us, lag_degraded_us;         /* the thresholds of both lags' p99 */
  double busy_share, busy_valid, busy_degraded; /* of the busiest thread */
  double cpu_share;                             /* CPU time of that thread over wall time */
  int64_t run_delay_us;                         /* growth of run delay, all threads */
  double run_delay_share;                       /* over wall time, the worst thread */
  int64_t missed;                               /* starts that found no room under a cap */
  int64_t stalls; /* moments when the loop was away for longer than 5 ms */
  int64_t stall_max_us;
  double steal_share;  /* of the machine's CPU, over the run */
  int64_t retransmits; /* TCP segments, the machine's, over the run */
  int64_t descriptors_max, descriptors_peak;
  int64_t ports_max; /* ephemeral ports; -1 for Unix sockets */
  char clock[16];    /* clocksource of the machine */
  size_t reason_count;
  result_reason reasons[RESULT_REASONS_MAX];
} result_certificate;

/* --- a point: one load from its begin to its end; a sweep has many --- */

enum result_shape { RESULT_CLOSED, RESULT_OPEN, RESULT_BURST, RESULT_REPLAY };

/* Which part of what was asked for this point is. */
typedef struct result_offer {
  enum result_shape shape;
  char label[64];      /* "rate 40/s", "concurrency 500" */
  double rate;         /* requests/s that were intended, mean; -1: none */
  int64_t concurrency; /* streams, or the cap of an open loop; -1: none */
  char arrivals[16];   /* "poisson", "constant", "gamma", "trace", "burst"; empty: closed */
  double burstiness;
} result_offer;

/* A service level that requests were held against: ttft:500. */
typedef struct result_slo {
  enum measure measure;
  double limit_ms;
  uint64_t met; /* requests */
} result_slo;

typedef struct result_goodput {
  size_t slo_count; /* 0: none was asked for */
  result_slo slos[8];
  uint64_t good; /* requests that met all of them */
} result_goodput;

/* The achieved lengths of prompts and answers, in tokens as the server counted them. */
typedef struct result_lengths {
  int64_t input_wanted, output_wanted; /* -1: not asked for */
  int64_t input_min, input_max, output_min, output_max;
  double input_mean, input_sd, output_mean, output_sd; /* -1: unknown */
  char note[RESULT_TEXT_MAX]; /* how they were made; empty: they were not */
} result_lengths;

typedef struct result_point {
  result_offer offer;
  bool drained;    /* what ran at the end was waited for; else it was cut */
  double wall_s;   /* the measured window, drain included */
  double window_s; /* without the drain */
  double begun_at; /* Unix seconds */
  result_counts counts;
  result_volume volume;
  result_conns conns;
  result_process process;
  result_lengths lengths;
  result_goodput goodput;
  result_latency latencies[MEASURE_COUNT];
  size_t error_count, status_count;
  result_error errors[RESULT_ERRORS_MAX];
  result_status statuses[RESULT_STATUS_MAX];
  result_timeline timeline;
  size_t dot_count;
  result_dot *dots;
  size_t track_count;
  result_track *tracks;
  result_certificate certificate;
} result_point;

/* The machine and the program, for who reads it later. */
typedef struct result_machine {
  char system[96]; /* "Linux 6.18.0 x86_64" */
  char processor[96];
  int64_t cores, threads; /* threads: of the run */
  int64_t memory_kb;
  char versions[200]; /* "leat 0.1.0, libuv 1.44.2, mbedTLS 2.28.3, nghttp2 1.52.0" */
} result_machine;

/* What of a knee search or a sweep is told beside its points. */
typedef struct result_knee {
  bool searched, found;
  size_t point;    /* the last that met the level, if any did; found: and one above it did not */
  char level[120]; /* "ttft.p99<500ms"; where not found, with why: "...: met by every point" */
} result_knee;

/* A shard that is in a merged result. */
typedef struct result_part {
  int shard;
  enum result_verdict verdict; /* of its own certificates, the worst */
  double begun_at;             /* Unix seconds, by its own clock */
  double clock_error_ms;       /* -1: nothing is known */
  char system[96];
} result_part;

typedef struct result {
  char *config; /* a JSON object: every option by its name, as --config takes it; never a key */
  char title[120];
  int64_t seed;
  int shard, shards;     /* 0 of 1: not divided */
  double clock_error_ms; /* what is known of the wall clock's error, for shards; -1: nothing */
  bool interrupted;
  result_machine machine;
  result_knee knee;
  size_t repeat;     /* which of --repeat, from 0 */
  size_t part_count; /* 0: not merged */
  result_part *parts;
  size_t point_count;
  result_point *points;
} result;

/* An empty result without points. NULL: no memory. */
result *result_new(void);
void result_free(result *r);
/* One more point, emptied; NULL: no memory, or RESULT_POINTS_MAX. Earlier pointers go stale. */
result_point *result_add(result *r);
/* Emptied: counts are 0, what is not known is negative. */
void result_point_init(result_point *p);
/* Frees what it owns, and empties it. */
void result_point_deinit(result_point *p);

/* Output tokens a second of the measured window, -1 unknown; and the like. */
double result_output_rate(const result_point *p);
double result_input_rate(const result_point *p);
double result_request_rate(const result_point *p);
double result_event_rate(const result_point *p);
double result_error_rate(const result_point *p);    /* failed / (completed + failed), 0..1 */
double result_goodput_rate(const result_point *p);  /* good requests a second, -1: not asked for */
double result_goodput_share(const result_point *p); /* good / started, -1 */
double result_tokens_per_event(const result_point *p); /* the batching ratio, -1 unknown */
/* What the config has for an option, as a text (numbers as they stand there). False: it has none.
 */
bool result_option(const result *r, const char *name, char *out, size_t size);
const char *result_verdict_name(enum result_verdict verdict); /* "valid" */
const char *result_shape_name(enum result_shape shape);       /* "closed" */

#endif
