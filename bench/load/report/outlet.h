/* Where results go: the table to standard output (or to standard error, where JSON has that), JSON
 * to --json, and a report to each --output by its ending. Several runs of one load (--repeat) are
 * an array in JSON, rows in CSV, tables and one over all of them, on a page the last one and what
 * they have in common, and elsewhere the last one. */
#ifndef LOAD_OUTLET_H
#define LOAD_OUTLET_H

#include "bench/load/result/result.h"
#include "bindings/cli/options.h"

/* Are all the endings known? False, and said: so before anything runs. */
bool outlet_check(const cli_options *options);
/* False, and said, when something could not be written. */
bool outlet_put(const cli_options *options, result *const *runs, size_t count);

#endif
