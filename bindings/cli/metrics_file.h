/* --metrics: what the engine counts, in a file that Prometheus' node exporter or anybody else reads
 * at any time. It is written anew every few seconds and at the end, beside its place and then moved
 * there, so that a reader never sees half of it. */
#ifndef CLI_METRICS_FILE_H
#define CLI_METRICS_FILE_H

#include <stdbool.h>

#include "leat.h"

#define CLI_METRICS_PERIOD_MS 2000

/* False, and said, when it cannot be written. */
bool cli_metrics_write(const leat_engine *engine, const char *path);

#endif
