/* What `leat call` is told, as the parts of a request: NAME [BODY] [ITEM...].
 *
 *     path=text   a text in the JSON body; of an endpoint with a form a field of it, name=@FILE a
 *                 file's; of one without a body a parameter
 *     path:=JSON  any JSON value
 *     name==text  a parameter: of the path where that has {name}, else of the query
 *
 * --set, --set-json, --param and --form say the same by name. */
#ifndef CLI_CALL_WORDS_H
#define CLI_CALL_WORDS_H

#include <stdbool.h>

#include "base/buf.h"
#include "leat.h"
#include "options.h"

typedef struct cli_call_words {
  const char *name;
  lti_buf body; /* empty: none */
  leat_param *params;
  size_t param_count;
  leat_form_field *fields;
  leat_source *sources; /* of the fields that are files */
  size_t field_count;
  lti_buf texts; /* names and values, NUL-terminated */
} cli_call_words;

/* The endpoint's name, before anything else is looked at; NULL, and said, when there is none. */
const char *cli_call_name(const cli_options *options);
/* False, and said. cli_call_words_free is due in any case. */
bool cli_call_words_init(cli_call_words *words, const cli_options *options,
                         const leat_endpoint *row);
void cli_call_words_free(cli_call_words *words);

#endif
