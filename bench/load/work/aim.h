/* Where requests go: a dialect's own path, or a row of the registry. */
#ifndef LOAD_AIM_H
#define LOAD_AIM_H

#include <stdbool.h>

#include "base/buf.h"
#include "bindings/cli/options.h"
#include "leat.h"

typedef struct aim {
  const leat_endpoint *row; /* of --endpoint; NULL: the dialect's own path */
  const char *dialect;      /* that chats are written in; NULL: the row takes no chats */
  bool task;                /* a job, run to its end */
  bool model_in_path;
  enum leat_auth auth; /* of --auth */
  leat_param *params;  /* of --param */
  size_t param_count;
  lti_buf names; /* of theirs, with NULs */
} aim;

/* How a dialect says in its bodies what the harness decides. */
typedef struct aim_words {
  bool stream, usage; /* "stream", "stream_options" */
  const char *limit;  /* "max_tokens"; NULL: not at the top of its bodies */
} aim_words;

/* False, and said. aim_deinit is due in any case. */
bool aim_init(aim *a, const cli_options *options);
void aim_deinit(aim *a);
/* Chats can be written in it. */
bool aim_is_chat(const char *dialect);
bool aim_is_socket(const char *dialect);
/* The server keeps what was said on a socket: a turn is its question alone. */
bool aim_remembers(const char *dialect);
bool aim_is_task(const leat_endpoint *row);
aim_words aim_words_of(const char *dialect);
/* Whose key and base URL the environment is asked for: the protocol's, or the endpoint's. */
const char *aim_provider(const cli_options *options);

#endif
