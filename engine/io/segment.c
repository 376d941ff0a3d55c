/* Between which times bytes came: see segment.h. To read less at a time would tell no more: what
 * the kernel has joined may be as much as the largest read takes. */
#include "io/segment.h"

#define CLOCKS_NS 5000 /* the two clocks are held together no better than this */

uint64_t lti_segment_read(lti_segment *s, uint64_t stamp_ns, uint64_t look_ns, bool full) {
  uint64_t since_ns = s->queued ? s->before_ns : s->stamp_ns;
  bool other = stamp_ns != s->stamp_ns && stamp_ns + CLOCKS_NS <= s->look_ns;
  if (!s->queued || other) s->before_ns = s->stamp_ns;
  if (!s->queued) s->queue_ns = look_ns;
  s->stamp_ns = stamp_ns;
  s->look_ns = look_ns;
  s->queued = full;
  /* A wall clock that was set back, and our idea of it with it, bounds nothing. */
  return since_ns <= stamp_ns ? since_ns : 0;
}
