/* Counting. Errors are kept by code; DEMO_TALLY_ERRORS_MAX kinds are more than a run ever shows. */
#include "demo_tally.h"

#include <string.h>
#include <sys/resource.h>

#include "base/slice.h"
#include "program.h"
#include "say.h"

bool demo_tally_init(demo_tally *t) {
  memset(t, 0, sizeof *t);
  t->ttft = lti_hist_new(cli_program_alloc());
  return t->ttft != NULL;
}

void demo_tally_deinit(demo_tally *t) {
  if (t->ttft) lti_hist_free(t->ttft);
}

void demo_tally_note(demo_tally *t, int error, leat_slice message) {
  size_t i = 0;
  while (i < t->error_count && t->errors[i].error != error) i++;
  if (i == DEMO_TALLY_ERRORS_MAX) i = DEMO_TALLY_ERRORS_MAX - 1;
  demo_tally_error *kind = &t->errors[i];
  if (kind->count++ > 0) return;
  kind->error = error;
  cli_say_clean(message.size ? message : lti_slice_of(leat_error_text(error)), kind->message,
                sizeof kind->message);
  t->error_count = i + 1;
}

void demo_tally_done(demo_tally *t, const leat_result *r) {
  const leat_times *at = &r->times;
  t->records += r->records;
  t->end_ns = at->done_ns;
  if (r->error == LEAT_ECANCELLED) {
    t->cancelled++;
  } else if (r->error) {
    t->failed++;
    demo_tally_note(t, r->error, r->message);
  } else {
    t->completed++;
    if (at->first_content_ns < at->sent_ns || at->sent_ns == 0) return;
    lti_hist_record(t->ttft, (at->first_content_ns - at->sent_ns) / 1000);
  }
}

static double seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void demo_tally_process_now(demo_tally_process *process) {
  struct rusage usage;
  memset(process, 0, sizeof *process);
  if (getrusage(RUSAGE_SELF, &usage) != 0) return;
  process->user_s = seconds(usage.ru_utime);
  process->system_s = seconds(usage.ru_stime);
  process->rss_peak_kb = (uint64_t)usage.ru_maxrss;
}
