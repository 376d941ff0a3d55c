/* What the commands share: exit codes, the allocator, and their entry points. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include "base/alloc.h"
#include "options.h"

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_WRONG = 2, CLI_INTERRUPTED = 130 };

/* malloc's, for what the program itself keeps. */
lti_alloc *cli_program_alloc(void);

/* Each runs one command to its exit code. */
int cli_chat_run(const cli_options *options);
int cli_decode_run(const cli_options *options);
int cli_task_run(const cli_options *options);
int cli_demo_run(const cli_options *options);
int cli_ws_run(const cli_options *options);
int cli_call_run(const cli_options *options);
int cli_endpoints_run(const cli_options *options);

#endif
