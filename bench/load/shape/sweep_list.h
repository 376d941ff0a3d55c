/* What --sweep says: which load is varied, and its levels.
 *
 *     rate=10,20,40        these, one after the other
 *     concurrency=1..1024  the first, doubled until the last: 1, 2, 4, ..., 1024
 */
#ifndef LOAD_SWEEP_LIST_H
#define LOAD_SWEEP_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define SWEEP_LIST_MAX 128

typedef struct sweep_list {
  bool streams; /* concurrency; else the rate */
  bool range;   /* first..last: a knee may be searched between them */
  size_t count;
  double levels[SWEEP_LIST_MAX]; /* rising */
} sweep_list;

/* False, and said, when it cannot be used. */
bool sweep_list_read(const char *text, sweep_list *list);

#endif
