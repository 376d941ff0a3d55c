/* What the kernel's stamps say of when the bytes of a connection came.
 *
 * A read has one stamp, that of the last segment in it; and the kernel joins segments that wait to
 * be read (17 on Linux, of any size), whose stamp is then that of the last to have been joined. So
 * when a byte came is known to lie between two times: the stamp of its read, and one of these:
 *
 *  - a read that took all there was: what is read behind it came behind its stamp;
 *  - of a queue that is read in parts, the stamp of the group before the one in which the part
 *    begins. A new stamp is that of another group if it is older than a look at the group before,
 *    which had its own stamp then; otherwise it may be the same group, grown since.
 */
#ifndef LTI_IO_SEGMENT_H
#define LTI_IO_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lti_segment {
  uint64_t stamp_ns;  /* of the last read; 0: none yet */
  uint64_t before_ns; /* the bytes of that read's last group came behind this; 0: not known */
  uint64_t look_ns;   /* when that read was begun */
  uint64_t queue_ns;  /* when the first read was begun of those in a row that left something */
  bool queued;        /* it was full: there may have been more */
} lti_segment;

/* A read that was begun at look_ns, full or not, and its stamp. Returns what all its bytes came
 * behind; 0: not known. */
uint64_t lti_segment_read(lti_segment *s, uint64_t stamp_ns, uint64_t look_ns, bool full);

#endif
