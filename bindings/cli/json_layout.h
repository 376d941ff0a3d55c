/* JSON as people read it, two blanks a level, or in one line. */
#ifndef CLI_JSON_LAYOUT_H
#define CLI_JSON_LAYOUT_H

#include <stdbool.h>

#include "base/buf.h"

/* Appends valid JSON; an error of the buffer's. */
int cli_json_layout(leat_slice json, bool one_line, lti_buf *out);

#endif
