/* The shards of one load as one result. Counts are added, histograms are added bucket by bucket, so
 * that percentiles are those of all requests together; nothing is averaged.
 *
 * Rates follow from the window that holds all of theirs, by their wall clocks. What cannot be known
 * from parts is not told (percentiles of a slot of the timeline to which more than one shard gave)
 * or is a bound: the most in flight at once is at most the sum of what each had.
 *
 * The certificate is the worst of all, with every reason by its shard, its histograms are added,
 * and it says besides when a shard is missing, or when windows lie so far apart that the load was
 * never whole: each shard is honest on its own then, and their sum is not the load that was asked
 * for. */
#ifndef LOAD_MERGE_H
#define LOAD_MERGE_H

#include "bench/load/result/result.h"

#define MERGE_SHARDS_MAX RESULT_PARTS_MAX

/* Shares of the longest window during which all shards ran, below which the sum is degraded, and
 * invalid. */
#define MERGE_OVERLAP_VALID    0.95
#define MERGE_OVERLAP_DEGRADED 0.5

/* NULL, and `why` a sentence that says which shard cannot be added and what differs: they must be
 * shards of one config, each once. `names` are what the user calls them. */
result *merge_shards(result *const *shards, const char *const *names, size_t count, char *why,
                     size_t size);

#endif
