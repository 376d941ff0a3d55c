/* An answer whose events are all known when it begins: written into one buffer, played in time. The
 * first event comes after the plan's ttft, each other a gap later.
 *
 *     mock_script *s = mock_script_new(x);
 *     lti_buf_format(&s->bytes, "event: a\ndata: {}\n\n");  mock_script_mark(s);  ...
 *     mock_script_play(x, "text/event-stream"); */
#ifndef MOCK_SCRIPT_H
#define MOCK_SCRIPT_H

#include "bench/mock/gateway.h"

#define MOCK_SCRIPT_EVENTS_MAX 4096

typedef struct mock_script {
  lti_buf bytes;
  size_t at;
  uint32_t count, played;
  uint64_t base_ns;
  size_t ends[MOCK_SCRIPT_EVENTS_MAX];
} mock_script;

/* It is the exchange's job from now on. NULL: no memory, the connection is dropped. */
mock_script *mock_script_new(mock_exchange *x);
/* An event ends here. False: there are too many. */
bool mock_script_mark(mock_script *s);
void mock_script_play(mock_exchange *x, const char *type);

#endif
