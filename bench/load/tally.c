/* Counting. Errors are kept by code; TALLY_ERRORS_MAX kinds are more than a run ever shows. */
#include "tally.h"

#include <string.h>
#include <sys/resource.h>

#include "base/slice.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"

bool tally_init(tally *t) {
  memset(t, 0, sizeof *t);
  t->ttft = lti_hist_new(cli_program_alloc());
  t->gap = lti_hist_new(cli_program_alloc());
  t->e2e = lti_hist_new(cli_program_alloc());
  t->lag = lti_hist_new(cli_program_alloc());
  return t->ttft && t->gap && t->e2e && t->lag;
}

void tally_deinit(tally *t) {
  if (t->ttft) lti_hist_free(t->ttft);
  if (t->gap) lti_hist_free(t->gap);
  if (t->e2e) lti_hist_free(t->e2e);
  if (t->lag) lti_hist_free(t->lag);
}

void tally_note(tally *t, int error, leat_slice message) {
  size_t i = 0;
  while (i < t->error_count && t->errors[i].error != error) i++;
  if (i == TALLY_ERRORS_MAX) i = TALLY_ERRORS_MAX - 1;
  tally_error *kind = &t->errors[i];
  if (kind->count++ > 0) return;
  kind->error = error;
  cli_say_clean(message.size ? message : lti_slice_of(leat_error_text(error)), kind->message,
                sizeof kind->message);
  t->error_count = i + 1;
}

void tally_head(tally *t) {
  if (++t->answering > t->answering_peak) t->answering_peak = t->answering;
}

/* `..."mock_ns":123}`: the last member, read backwards. */
void tally_lag(tally *t, leat_slice raw, uint64_t received_ns) {
  static const char name[] = "\"mock_ns\":";
  uint64_t stamp_ns;
  size_t end = raw.size && raw.data[raw.size - 1] == '}' ? raw.size - 1 : 0, from = end;
  while (from > 0 && raw.data[from - 1] >= '0' && raw.data[from - 1] <= '9') from--;
  leat_slice digits = {raw.data + from, end - from}, before = {raw.data, from};
  if (!lti_slice_ends(before, name) || !lti_slice_u64(digits, &stamp_ns)) return;
  lti_hist_record(t->lag, received_ns > stamp_ns ? (received_ns - stamp_ns) / 1000 : 0);
}

void tally_done(tally *t, const leat_result *r, bool headed) {
  const leat_times *at = &r->times;
  t->records += r->records;
  t->by_http[r->http]++;
  if (headed) t->answering--;
  t->end_ns = at->done_ns;
  if (r->error == LEAT_ECANCELLED) {
    t->cancelled++;
  } else if (r->error) {
    t->failed++;
    tally_note(t, r->error, r->message);
  } else {
    t->completed++;
    if (at->first_content_ns < at->sent_ns || at->sent_ns == 0) return;
    lti_hist_record(t->ttft, (at->first_content_ns - at->sent_ns) / 1000);
    lti_hist_record(t->e2e, (at->last_content_ns - at->sent_ns) / 1000);
  }
}

void tally_refused(tally *t, int error, const char *message) {
  t->failed++;
  tally_note(t, error, lti_slice_of(message));
}

static double seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void tally_process_now(tally_process *process) {
  struct rusage usage;
  memset(process, 0, sizeof *process);
  if (getrusage(RUSAGE_SELF, &usage) != 0) return;
  process->user_s = seconds(usage.ru_utime);
  process->system_s = seconds(usage.ru_stime);
  process->rss_peak_kb = (uint64_t)usage.ru_maxrss;
}
