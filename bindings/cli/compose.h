/* One chat request out of the options: typed fields, or the body that the user brought. */
#ifndef CLI_COMPOSE_H
#define CLI_COMPOSE_H

#include <stdbool.h>

#include "base/buf.h"
#include "options.h"

typedef struct cli_compose {
  leat_request request;
  leat_chat_request chat;
  leat_message messages[2];
  lti_buf text; /* the prompt, or the body */
} cli_compose;

/* Fills `compose->request` but for its callbacks. `default_prompt` stands in where none was given;
 * NULL asks standard input for it. False, and said, when something cannot be used.
 * cli_compose_free is due in any case. */
bool cli_compose_chat(cli_compose *compose, const cli_options *options, const char *default_prompt);
void cli_compose_free(cli_compose *compose);

#endif
