/* Lines ended by LF, CR LF or CR (WHATWG HTML 9.2.5), found in slices without copying.
 *
 * A line that lies whole in one slice is handed on as a view of it; only one that straddles slices
 * is gathered in a scratch buffer, and scanned once. One leading UTF-8 BOM of the whole input is
 * skipped. Before a line is gathered beyond LTI_LINES_ASK bytes the sink's `keep` is asked how much
 * of it is wanted: a line that nobody wants (a comment without end) is then dropped to its end,
 * unbuffered, and one that is wanted in part is cut. A line that was not gathered is not cut.
 *
 * Example: "a\r" | "\nb\n" gives "a" (at once: a CR ends the line), then "b". */
#ifndef LTI_LINES_H
#define LTI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define LTI_LINES_ASK 256
#define LTI_LINES_ALL SIZE_MAX

typedef struct lti_lines_sink {
  /* LTI_OK, LTI_STOPPED (feed returns right behind this line), or an error. */
  int (*line)(void *ctx, leat_slice line);
  /* How many bytes of the line that begins with `start` are wanted: 0, LTI_LINES_ALL (and then
   * the limit holds), or something between. NULL: all of every line. */
  size_t (*keep)(void *ctx, leat_slice start);
  int full_error; /* of a line above the limit */
} lti_lines_sink;

/* Made when the first line straddles slices. */
typedef struct lti_lines_cut {
  lti_buf scratch; /* the line under way, or the last gathered one until the next begins */
  lti_buf beside;  /* the owner's own, for what consists of several lines */
  size_t wanted;   /* bytes of the line under way, once `asked` */
} lti_lines_cut;

/* Cuts that nobody needs now: of many streams few are cut at the same moment, so they share. */
#define LTI_LINES_SPARE_MAX 16
typedef struct lti_lines_spare {
  lti_lines_cut *cuts[LTI_LINES_SPARE_MAX];
  size_t count;
} lti_lines_spare;

typedef struct lti_lines {
  const lti_lines_sink *sink;
  void *ctx;
  lti_alloc *alloc;
  lti_lines_cut *cut;     /* NULL: no line was, or it is parked */
  lti_lines_spare *spare; /* NULL: it keeps its own until deinit */
  int error;
  unsigned char bom; /* bytes of a leading BOM seen; BOM_DECIDED in lines.c */
  bool after_cr;     /* an LF now belongs to the line before */
  bool gathering;    /* the line under way began in an earlier slice */
  bool asked;
  size_t line_max;
  size_t copied; /* bytes gathered, for the copy counter; the sink may add its own */
} lti_lines;

/* `line_bytes_max` is raised to LTI_LINES_ASK; above it feed gives the sink's `full_error`. */
void lti_lines_init(lti_lines *x, lti_alloc *alloc, size_t line_bytes_max,
                    const lti_lines_sink *sink, void *ctx);
void lti_lines_deinit(lti_lines *x);
int lti_lines_feed(lti_lines *x, leat_slice bytes, size_t *taken);
/* Nothing is under way: what comes next is the start of a line, and no part of anything before. */
bool lti_lines_between(const lti_lines *x);
/* The cut, made at the first call; NULL without memory. */
lti_lines_cut *lti_lines_need_cut(lti_lines *x);
/* Nothing views the cut any more: it goes to the spare ones, if there is a place for them. Not
 * while a line is under way. */
void lti_lines_park(lti_lines *x);
/* All that share it must be gone. */
void lti_lines_spare_deinit(lti_lines_spare *spare, lti_alloc *alloc);
/* The input ended. An unfinished line is not handed on; `*rest` views it (empty when there is
 * none), valid until deinit. */
int lti_lines_end(lti_lines *x, leat_slice *rest);

#endif
