/* `leat load`: from options to results. */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "bench/load/result/result.h"
#include "bindings/cli/options.h"

/* Runs the command to its exit code: 0 done, 1 requests failed beyond --allow-failures, 2 usage, 3
 * a --require was missed, 4 not valid with --strict, 130 interrupted. */
int load_run(const cli_options *options);

/* One load, all points of its sweep: its result, to be freed with result_free, and CLI_DONE; else
 * NULL and the exit code, with the reason said. An interrupted one has a result all the same, and
 * so has one whose --jsonl is not whole (CLI_FAILED). */
int load_once(const cli_options *options, size_t repeat, result **out);
/* The rest between two runs, --pause. False: a signal ended it. */
bool load_rest(const cli_options *options);

#endif
