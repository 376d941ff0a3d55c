/* One load after another: which comes next, and where the knee lies. Pure decisions: points in, a
 * level out. The warm-up, --duration and --requests hold for each point.
 *
 * A list is run as it stands. A range doubles from its first level to its last, and stops early
 * where more would tell nothing: with --slo at the first point that misses the level, between which
 * and the last that met it the knee is then searched by bisection, until the two are less than 10 %
 * apart (or next to each other); without --slo behind two points in a row past the knee. On several
 * machines at once (--shard) nothing stops early or is searched, since each would decide by its own
 * part of the answers: all levels are run.
 *
 * With --slo the knee is the highest point that met every level, all below having met them too.
 * Without, a point is past the knee if, beside the nearest one of at most half its load, throughput
 * (output tokens a second, or requests where tokens are not told) has grown by less than 10 % for
 * each doubling of the load, or p99 of TTFT (from the intended start; of e2e where nothing has a
 * TTFT) has more than doubled for each; and the knee is the highest point that is not past it, with
 * points past it above. In both, a point at which more than 1 % of requests failed is past it,
 * unless a level of --slo is on error_rate itself. A point past it whose certificate says invalid
 * shows no knee: what ended there may be this client (a point that holds in spite of its client
 * holds). */
#ifndef LOAD_SWEEP_H
#define LOAD_SWEEP_H

#include <stdbool.h>

#include "bench/load/shape/shape.h"

typedef struct sweep sweep;

/* Reads --sweep and --slo; `shards` machines share the load. NULL, and said, when they cannot be
 * used. */
sweep *sweep_open(const cli_options *options, int shards);
void sweep_free(sweep *s);
/* The highest level that it may come to. */
double sweep_highest(const sweep *s);
/* Gives `spec` the level of the next point. `so_far` holds the points before it, in their order.
 * False: there are no more. */
bool sweep_next(sweep *s, const result *so_far, shape_spec *spec);
/* What the points show. */
void sweep_knee(const sweep *s, const result *so_far, result_knee *knee);

#endif
