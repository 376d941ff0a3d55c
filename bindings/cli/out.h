/* Standard output, or a file, for what the program was asked for.
 *
 * Buffered, never through stdio, so that every failure is seen: a closed pipe, a full disk. The
 * first error sticks, and nothing is written behind it. A non-blocking descriptor is waited for.
 * On a terminal, control characters of a model's text (which could drive it) become '?'. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <stdbool.h>

#include "base/slice.h"

#define CLI_OUT_SIZE 16384

typedef struct cli_out {
  int fd;
  int error; /* errno of the first failure, 0: none */
  bool terminal;
  bool line_start; /* nothing written yet, or a newline last */
  const char *name;
  size_t used;
  char bytes[CLI_OUT_SIZE];
} cli_out;

void cli_out_init(cli_out *out, int fd, const char *name);
/* "-" is standard output. False, and said, when the file cannot be opened. */
bool cli_out_open(cli_out *out, const char *path);
void cli_out_write(cli_out *out, leat_slice bytes);
void cli_out_text(cli_out *out, const char *text);
void cli_out_format(cli_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Someone else's text: made harmless when it goes to a terminal. */
void cli_out_foreign(cli_out *out, leat_slice text);
void cli_out_flush(cli_out *out);
/* Flushes, closes what cli_out_open opened; says what failed. True: everything was written. */
bool cli_out_close(cli_out *out);

#endif
