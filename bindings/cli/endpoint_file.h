/* --endpoints FILE: rows and task forms of the user's own. */
#ifndef CLI_ENDPOINT_FILE_H
#define CLI_ENDPOINT_FILE_H

#include <stdbool.h>

#include "leat.h"

/* Gives what the file has to the engine; `path` NULL: none. False, and said. */
bool cli_endpoint_file(leat_engine *engine, const char *path);

#endif
