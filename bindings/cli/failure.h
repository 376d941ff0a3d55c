/* How a failure is told: what happened, where, and what to do next, in one line. */
#ifndef CLI_FAILURE_H
#define CLI_FAILURE_H

#include "leat.h"

/* Says why a request failed. `retries` is what was configured. */
void cli_failure_say(const leat_result *result, int retries);
/* Says why a call was refused; returns the exit code: 2 when the user can mend it, else 1. */
int cli_failure_refused(const leat_engine *engine, int error);
/* What to do about an error, or NULL. Static text. */
const char *cli_failure_advice(int error, int status);

#endif
