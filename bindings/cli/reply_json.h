/* Typed replies as JSON: what `leat decode --group` prints. */
#ifndef CLI_REPLY_JSON_H
#define CLI_REPLY_JSON_H

#include "jsonw.h"
#include "leat.h"

/* One object without its line end. What was not told is left out. */
void cli_reply_json(cli_jsonw *w, const leat_reply *reply);

#endif
