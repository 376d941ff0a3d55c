/* The runs that a file holds: one result as an object, or those of --repeat, as an array or as a
 * line each (so that files put together with cat are one). */
#ifndef LOAD_RUNS_H
#define LOAD_RUNS_H

#include <stdbool.h>

#include "bench/load/result/result.h"

#define RUNS_SIZE_MAX  ((size_t)1 << 30)
#define RUNS_COUNT_MAX 1000

typedef struct runs {
  result **items;
  size_t count;
} runs;

/* Adds the runs of a file, "-" being standard input, to `r` (zeroed at first). False, and said:
 * it cannot be read, or is not whole. runs_free is due in any case. */
bool runs_read(runs *r, const char *path);
/* The same, of this text; `name` is what it is called where something is wrong. */
bool runs_read_text(runs *r, const char *name, leat_slice text);
/* Takes `one` over, even where there is no room (false). */
bool runs_add(runs *r, result *one);
void runs_free(runs *r);

#endif
