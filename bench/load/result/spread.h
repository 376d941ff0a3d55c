/* The runs of one load side by side: what a figure is over them, and how well that is known.
 *
 * A run is one observation of a figure: its requests share a server, a machine and a minute, so a
 * thousand of them are no thousand observations, and an interval from within one run would be far
 * too narrow. Latencies and rates are taken by their logarithms (the typical value is the geometric
 * mean), shares and counts as they are. The interval is Student's t: it holds for runs that are
 * alike and do not hang together, and says nothing of what all of them had in common. */
#ifndef LOAD_SPREAD_H
#define LOAD_SPREAD_H

#include "bench/load/result/figure.h"
#include "bench/load/result/result.h"

#define SPREAD_ROWS_MAX   20
#define SPREAD_CONFIDENCE 0.95

typedef struct spread_row {
  figure figure;
  size_t runs;            /* that know it */
  double typical;         /* in the figure's unit */
  double low, high;       /* of the typical value; NAN where fewer than two runs know it */
  double least, greatest; /* of a run */
} spread_row;

/* Are they runs of one load, more than one: the same config, and the same points, of which there
 * are some? */
bool spread_fits(result *const *runs, size_t count);
/* The figures of the runs' `point`, those that any run knows; returns how many. */
size_t spread_of(result *const *runs, size_t count, size_t point, spread_row rows[SPREAD_ROWS_MAX]);
/* What Student's t, two-sided, is less than with SPREAD_CONFIDENCE; at least one degree. */
double spread_t(size_t degrees);

#endif
