/* What the user hands in: the prompt and the body, as text, from a file or from standard input. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <stdbool.h>

#include "base/buf.h"

#define CLI_INPUT_MAX ((size_t)64 << 20)

/* Reads all of a file, "-" being standard input. False, and said, when it cannot be read. */
bool cli_input_read(lti_buf *out, const char *path);
/* Says so when others than its owner can read the file; `what` it is: "key file". */
void cli_input_warn_of_readers(const char *what, const char *path);
/* --body: "-", a path, "@path", or JSON that begins with a brace or a bracket; checked to be valid
 * JSON. */
bool cli_input_body(lti_buf *out, const char *text);
/* The prompt: --prompt, or the one argument, or standard input when that is no terminal. */
bool cli_input_prompt(lti_buf *out, const char *option, char *const *args, size_t arg_count);

#endif
