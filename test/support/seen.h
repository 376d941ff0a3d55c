/* An observer (leat/watch.h) in the flow fixture, and what it has seen: of each request a text such
 * as "S1 R1:LEAT_ESTATUS S2 D:LEAT_OK", with "+1" behind a start for each redirect before it. */
#ifndef TEST_SEEN_H
#define TEST_SEEN_H

#include "support/flow.h"

#define SEEN_MAX 64

typedef struct seen {
  leat_id ids[SEEN_MAX];
  char texts[SEEN_MAX][256];
  size_t count;
  unsigned starts, retries, dones;
  leat_attempt last;
  char protocol[32], model[64], method[16], host[64], path[128]; /* of it */
  uint64_t last_ns;
  char values[16][64];
  size_t (*on_start)(struct seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                     size_t room);
  void (*on_retry)(struct seen *s, leat_engine *e, const leat_attempt *a);
  void (*on_done)(struct seen *s, leat_engine *e, leat_id id);
  flow *flow;
  flow_call *more;
  leat_observer observer;
} seen;

/* The engine that the flow will open has this observer. */
seen *seen_watch(flow *f);
/* What was seen of an id, "" when it was nothing. */
char *seen_text(seen *s, leat_id id);
void seen_expect(seen *s, const flow_call *c, const char *text);
/* An on_start that adds a traceparent of the attempt's numbers, and "x-mine: new" between blanks.
 */
size_t seen_add_trace(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                      size_t room);

#endif
