/* A descriptor read on the event loop, line by line: a terminal, a pipe, a file.
 *
 * A line has no end mark ("\n" or "\r\n"); the last one needs none. What can be polled is read when
 * there is something; what cannot, such as a file, a block a turn. Reading stops while `paused`, so
 * that nothing is read that cannot be passed on. The loop is not kept alive by it. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <uv.h>

#include "base/buf.h"

typedef struct cli_lines {
  uv_loop_t *loop;
  uv_poll_t poll;
  uv_idle_t idle;
  int fd;
  int flags; /* of the descriptor, which others may share, before it was polled; -1: not polled */
  bool open, paused, ended, busy;
  lti_buf rest;  /* bytes of lines that were not handed on yet */
  size_t looked; /* of these, how many are known to hold no line's end */
  uint64_t count;
  void *user;
  /* A view. May pause, and close. */
  void (*on_line)(struct cli_lines *lines, leat_slice line);
  /* The end, once: 0, or errno; EMSGSIZE: a line is longer than `line_max`. */
  void (*on_end)(struct cli_lines *lines, int error);
} cli_lines;

/* Fill in `user` and the callbacks, then open. False: there was no handle to be had. */
bool cli_lines_open(cli_lines *lines, uv_loop_t *loop, int fd, size_t line_max);
void cli_lines_pause(cli_lines *lines);
void cli_lines_resume(cli_lines *lines);
/* There is input at hand that was not handed on. */
bool cli_lines_left(const cli_lines *lines);
/* No callback comes any more. The loop must run once more. */
void cli_lines_close(cli_lines *lines);
/* Behind the loop's end. */
void cli_lines_free(cli_lines *lines);

#endif
