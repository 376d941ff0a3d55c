/* One of several machines that share a load: which of them this one is, and when all begin.
 *
 * --shard I/N says it, or JOB_COMPLETION_INDEX (which a Kubernetes Indexed Job sets) together with
 * LEAT_SHARDS. --start-at is a moment of the wall clock, RFC 3339 or seconds since 1970: what the
 * machines have in common as far as their clocks agree. */
#ifndef LOAD_SHARD_H
#define LOAD_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARD_COUNT_MAX 10000
#define SHARD_TEXT_MAX  24

/* "2/4". NULL is 0/1. False, and said: it is none. */
bool shard_parse(const char *text, int *shard, int *shards);
/* What the environment says, as --shard would take it; empty: nothing. False, and said, when that
 * is not usable. */
bool shard_from_environment(char *text, size_t size);
/* A moment in nanoseconds since 1970. False, and `why` (may be NULL) a clause. */
bool shard_moment(const char *text, int64_t *unix_ns, const char **why);
/* --start-at as a time of uv_hrtime; 0 without one. False, and said, when it is none, is over, or
 * is too far ahead to be meant. */
bool shard_start(const char *text, uint64_t *at_ns);

#endif
