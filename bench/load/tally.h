/* What a run of many requests adds up to: counts, latencies, errors by kind.
 *
 * Latencies are recorded in microseconds, of whole answers only: ttft from the request's first byte
 * to the first content, e2e to the last content, gap between two events of content of one answer;
 * lag from the gateway's write of an event to our read of it, where it stamps them (leat mock does,
 * asked by the header x-mock-stamp: 1, with the clock of the same machine).
 * Counting an event touches this struct and a histogram bucket, and allocates nothing. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdbool.h>

#include "base/hist.h"
#include "leat.h"

#define TALLY_ERRORS_MAX  16
#define TALLY_MESSAGE_MAX 200

/* One kind of failure, with the first message of that kind. */
typedef struct tally_error {
  int error;
  uint64_t count;
  char message[TALLY_MESSAGE_MAX];
} tally_error;

typedef struct tally {
  uint64_t started, completed, failed, cancelled;
  uint64_t records, content_events;
  uint64_t by_http[LEAT_HTTP_2 + 1];  /* requests done, by what their last connection spoke */
  uint64_t answering, answering_peak; /* answers under way: head seen, not done */
  uint64_t start_ns, end_ns;
  lti_hist *ttft, *gap, *e2e, *lag;
  tally_error errors[TALLY_ERRORS_MAX]; /* the last one takes all kinds beyond */
  size_t error_count;
  leat_stats stats;
} tally;

/* What the operating system says of this process. */
typedef struct tally_process {
  double user_s, system_s;
  uint64_t rss_peak_kb;
} tally_process;

/* False: no memory. */
bool tally_init(tally *t);
void tally_deinit(tally *t);
/* Counts an answer that begins. */
void tally_head(tally *t);
/* Notes how late an event was read, if `raw` ends with a stamp. */
void tally_lag(tally *t, leat_slice raw, uint64_t received_ns);
/* Counts one finished request; `headed`: tally_head counted its answer. */
void tally_done(tally *t, const leat_result *result, bool headed);
/* Counts an error by kind, and nothing else. */
void tally_note(tally *t, int error, leat_slice message);
/* Counts a request that was refused before it was accepted. */
void tally_refused(tally *t, int error, const char *message);
void tally_process_now(tally_process *process);

#endif
