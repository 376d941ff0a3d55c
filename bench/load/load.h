/* The closed-loop harness behind `leat load`: exactly C requests at once until R are done. */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "bindings/cli/options.h"

/* Runs the command to its exit code. */
int load_run(const cli_options *options);

#endif
