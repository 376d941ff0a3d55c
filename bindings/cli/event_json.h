/* Events and results as JSON lines: what `chat --json` prints, and the `done` object that task
 * shares. */
#ifndef CLI_EVENT_JSON_H
#define CLI_EVENT_JSON_H

#include "jsonw.h"
#include "leat.h"

/* "1.1" or "2"; NULL: there was no connection. */
const char *cli_event_json_http(enum leat_http http);
/* One object without its line end. */
void cli_event_json_event(cli_jsonw *w, const leat_event *event);
/* The member `usage`, with the counts that were told. */
void cli_event_json_usage(cli_jsonw *w, const leat_usage *usage);
/* The member `key`: how a request ended. */
void cli_event_json_result(cli_jsonw *w, const char *key, const leat_result *result);

#endif
