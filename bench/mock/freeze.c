/* A gateway that stops: its loop sleeps for a time, reads nothing and writes nothing, as a process
 * does that waits for a disk or a lock. The kernel goes on accepting connections and bytes.
 *
 * Asked for by --freeze AT,FOR, where AT counts from the first request's head, or by POST
 * /mock/freeze?ms=2000&in=500, which is answered at once. When the last one really began and ended
 * stands in GET /mock/timing, because truth follows from that and not from what was asked for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/mock/gateway.h"

#define MS_NS 1000000u

/* A signal does not wake it early. */
static void sleep_until(uint64_t until_ns) {
  struct timespec until = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

static void freeze_due(mock_due *due) {
  mock_freeze *f = LTI_CONTAINER_OF(due, mock_freeze, due);
  f->from_ns = uv_hrtime();
  sleep_until(f->from_ns + f->for_ns);
  f->to_ns = uv_hrtime();
  f->count++;
}

static bool plan(mock *m, uint64_t in_ns, uint64_t for_ns) {
  m->freeze.for_ns = for_ns;
  return mock_cadence_set(m, &m->freeze.due, uv_hrtime() + in_ns, freeze_due);
}

void mock_freeze_plan(mock *m) {
  const mock_config *g = &m->config;
  if (g->freeze_us) plan(m, g->freeze_at_us * 1000, g->freeze_us * 1000);
}

static bool read_ms(const mock_exchange *x, const char *name, uint64_t *ms) {
  const char *text = mock_path_query(x, name);
  if (!text) return true;
  return lti_slice_u64(lti_slice(text, strcspn(text, "&")), ms) && *ms <= MOCK_FREEZE_MS_MAX;
}

void mock_freeze_serve(mock_exchange *x) {
  uint64_t ms = 0, in_ms = 0;
  char said[80];
  if (x->method != HTTP_POST || !read_ms(x, "ms", &ms) || !read_ms(x, "in", &in_ms) || ms == 0) {
    mock_reply_error(x, 400, "invalid_request_error", "mock",
                     "POST /mock/freeze?ms=1 to 60000, and in= up to 60000");
    return;
  }
  if (!plan(x->m, in_ms * MS_NS, ms * MS_NS)) {
    mock_conn_drop(x->conn);
    return;
  }
  int n = snprintf(said, sizeof said, "{\"ms\":%llu,\"in\":%llu}", (unsigned long long)ms,
                   (unsigned long long)in_ms);
  mock_reply_fixed(x, 200, "application/json", NULL, lti_slice(said, (size_t)n));
}
