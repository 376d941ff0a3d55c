/* One load of all shards as one. */
#ifndef LOAD_MERGE_POINT_H
#define LOAD_MERGE_POINT_H

#include "bench/load/result/result.h"

/* Fills the empty `to` with the sum of each shard's point `k`. False: no memory; `to` is still to
 * be deinited. */
bool merge_point(result_point *to, result *const *shards, size_t count, size_t k);

/* The sum of two figures that are not negative; it stops at the largest there is. */
int64_t merge_sum(int64_t a, int64_t b);
/* Sums begin at 0; what is the largest or the strictest of all is not known yet. */
void merge_certificate_init(result_certificate *c);
/* Adds one shard's certificate: the worse verdict, its reasons by the shard's number. */
bool merge_certificate(result_certificate *to, const result_certificate *from, int shard);
/* Makes the verdict no better than this, and says why. */
void merge_doubt(result_certificate *c, enum result_verdict verdict, const char *text,
                 const char *advice);

#endif
