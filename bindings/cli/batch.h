/* `leat task run --input`: many jobs from lines of JSON, in the form of OpenAI's batches.
 *
 *   batch.c         the run: how many at once, the journal, what is shown
 *   batch_line.c    reads one line, and finds the endpoint that it is for
 *   batch_result.c  writes the line that tells how a job ended
 *   batch_names.c   which names were there already */
#ifndef CLI_BATCH_H
#define CLI_BATCH_H

#include <stdbool.h>

#include "base/buf.h"
#include "jsonw.h"
#include "leat.h"
#include "options.h"

#define CLI_BATCH_NAME_MAX   512
#define CLI_BATCH_PARAMS_MAX 8
#define CLI_BATCH_WHY_MAX    256

/* One line, taken apart. */
typedef struct cli_batch_line {
  const char *custom_id;
  const leat_endpoint *row;
  leat_slice body; /* a view of the line */
  leat_param params[CLI_BATCH_PARAMS_MAX];
  size_t param_count;
  lti_buf texts; /* what the pointers above point into */
  char why[CLI_BATCH_WHY_MAX];
} cli_batch_line;

void cli_batch_line_init(cli_batch_line *line);
void cli_batch_line_deinit(cli_batch_line *line);
/* False: `why` says what is wrong with it. `engine` may have rows of its own. */
bool cli_batch_line_read(cli_batch_line *line, const leat_engine *engine, leat_slice text);

/* What one line of results says besides. */
typedef struct cli_batch_end {
  const char *custom_id;
  const leat_result *result;
  leat_slice raw; /* the answer; empty: there is none */
} cli_batch_end;

void cli_batch_result_write(cli_jsonw *w, const cli_batch_end *end);

/* Names as 64-bit hashes with a secret seed: two of a million different ones are taken for one with
 * a chance of one to 30 millions. */
typedef struct cli_batch_names {
  uint64_t seed[2];
  uint64_t *slots;
  size_t count, capacity;
} cli_batch_names;

bool cli_batch_names_init(cli_batch_names *names);
void cli_batch_names_free(cli_batch_names *names);
bool cli_batch_names_have(const cli_batch_names *names, leat_slice name);
/* 1: it is new, 0: it was there, -1: no memory. */
int cli_batch_names_add(cli_batch_names *names, leat_slice name);

int cli_batch_run(const cli_options *options);

#endif
