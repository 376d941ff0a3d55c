/* What the demo's chats add up to: counts, the time to the first content, errors by kind. */
#ifndef CLI_DEMO_TALLY_H
#define CLI_DEMO_TALLY_H

#include <stdbool.h>

#include "base/hist.h"
#include "leat.h"

#define DEMO_TALLY_ERRORS_MAX  16
#define DEMO_TALLY_MESSAGE_MAX 200

/* One kind of failure, with the first message of that kind. */
typedef struct demo_tally_error {
  int error;
  uint64_t count;
  char message[DEMO_TALLY_MESSAGE_MAX];
} demo_tally_error;

typedef struct demo_tally {
  uint64_t started, completed, failed, cancelled;
  uint64_t records, content_events;
  uint64_t start_ns, end_ns;
  lti_hist *ttft;                                 /* us, of whole answers */
  demo_tally_error errors[DEMO_TALLY_ERRORS_MAX]; /* the last one takes all kinds beyond */
  size_t error_count;
  leat_stats stats;
} demo_tally;

/* What the operating system says of this process. */
typedef struct demo_tally_process {
  double user_s, system_s;
  uint64_t rss_peak_kb;
} demo_tally_process;

/* False: no memory. */
bool demo_tally_init(demo_tally *t);
void demo_tally_deinit(demo_tally *t);
/* Counts one finished request. */
void demo_tally_done(demo_tally *t, const leat_result *result);
/* Counts an error by kind, and nothing else. */
void demo_tally_note(demo_tally *t, int error, leat_slice message);
void demo_tally_process_now(demo_tally_process *process);

#endif
