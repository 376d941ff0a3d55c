/* A strict reader of Prometheus' text format 0.0.4, and of the conventions that promtool checks:
 * independent of what writes it. Whatever is not as it should be fails the cmocka test.
 *
 * Checked: lines end with "\n"; HELP and TYPE once for each metric, before its samples, which stand
 * together; names and labels by their grammar, escapes, no label twice, no sample twice; values
 * are numbers; counters and buckets are whole; a histogram's buckets ascend, do not decrease and
 * end with +Inf, which is its _count; counters end in _total and nothing else does; no other metric
 * ends as a histogram's samples do; units are seconds and bytes, not abbreviated; names are lower
 * case and do not say their type. */
#ifndef TEST_EXPOSITION_H
#define TEST_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>

#include "leat.h"

typedef struct exposition {
  char *text;
  size_t size;
  unsigned pieces;
  bool whole_lines; /* each piece ended with one */
} exposition;

/* What leat_stats_write gives, checked. Needs exposition_free. */
void exposition_read(exposition *x, const leat_engine *e);
void exposition_free(exposition *x);
void exposition_check(const char *text);
/* The value of a sample, named as it stands there, labels and all: "x_total{a=\"b\"}". Fails the
 * test when it is not there. */
double exposition_value(const exposition *x, const char *sample);
bool exposition_has(const exposition *x, const char *part);

#endif
