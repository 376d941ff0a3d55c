/* What is done with results beside making them. Each runs one command to its exit code. */
#ifndef LOAD_COMMANDS_H
#define LOAD_COMMANDS_H

#include "bindings/cli/options.h"

/* Two files of runs figure by figure; with --run two configs, whose loads take turns. 0: compared,
 * whatever differs; 1: a run failed by its own config's gates, or the comparison could not be
 * written; 2: usage, or files that hold no runs; 130: interrupted. */
int compare_run(const cli_options *options);
/* The runs of files as tables and in every form of report. 0; 1: it could not be written; 2: usage,
 * or files that hold no runs; 3 and 4: --require, --strict. */
int report_run(const cli_options *options);
/* The shards of one load as one result, told as report tells it, with its exit codes; 2 also for
 * shards that do not belong together. */
int merge_run(const cli_options *options);

#endif
