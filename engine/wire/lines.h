/* Lines ended by LF, CR LF or CR (WHATWG HTML 9.2.5), found in slices without copying.
 *
 * A line that lies whole in one slice is handed on as a view of it; only one that straddles slices
 * is gathered in a scratch buffer, and scanned once. One leading UTF-8 BOM of the whole input is
 * skipped. Before a line is gathered beyond 256 bytes the sink's `keep` is asked with what there is
 * so far: a line that nobody wants (a comment without end) is then dropped to its end, unbuffered.
 *
 * Example: "a\r" | "\nb\n" gives "a" (at once: a CR ends the line), then "b". */
#ifndef LTI_LINES_H
#define LTI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

typedef struct lti_lines_sink {
  /* LTI_OK, LTI_STOPPED (feed returns right behind this line), or an error. */
  int (*line)(void *ctx, leat_slice line);
  bool (*keep)(void *ctx, leat_slice start);
} lti_lines_sink;

typedef struct lti_lines {
  const lti_lines_sink *sink;
  void *ctx;
  lti_buf scratch;
  int error;
  unsigned char bom; /* bytes of a leading BOM seen; 4: decided */
  bool after_cr;     /* an LF now belongs to the line before */
  bool dropping;     /* inside a line that nobody wants */
  bool asked;        /* keep said yes for the line under way */
  size_t copied;     /* bytes gathered, for the copy counter */
} lti_lines;

/* `line_bytes_max`: above it feed gives `full_error`. */
void lti_lines_init(lti_lines *x, lti_alloc *alloc, size_t line_bytes_max, int full_error,
                    const lti_lines_sink *sink, void *ctx);
void lti_lines_deinit(lti_lines *x);
int lti_lines_feed(lti_lines *x, leat_slice bytes, size_t *taken);
/* The input ended. An unfinished line is not handed on; `*rest` views it (empty when there is
 * none), valid until deinit. */
int lti_lines_end(lti_lines *x, leat_slice *rest);

#endif
