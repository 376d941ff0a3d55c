/* A file of requests, left where it is: mapped, and known by an index of its rows.
 *
 *     {"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{...}}
 *                                                       OpenAI's batch form: a body, sent as it is
 *     {"prompt":"...","output_tokens":100}              a question; output_tokens may be missing
 *     {"messages":[...],"output_tokens":100}            a chat that has been going on
 *     {"conversations":[{"from":"human","value":"..."},{"from":"gpt","value":"..."}]}
 *                                                       ShareGPT: the questions of a conversation
 *
 * A line of JSON each, or all in one array. The first row says which form all have; one that has
 * another, or that cannot be read, is an error with its line. Conversations without a question,
 * which real files have, are passed over and counted. The whole file is read once when it is
 * opened, so that nothing can be wrong with a row later; it must not change until it is closed. */
#ifndef LOAD_DATASET_H
#define LOAD_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define DATASET_ROWS_MAX  100000000
#define DATASET_ROW_MAX   ((size_t)64 << 20)
#define DATASET_WHY_MAX   400
#define DATASET_TURNS_MAX 1000 /* questions of a conversation; later ones are passed over */

enum dataset_form {
  DATASET_NONE = 0,
  DATASET_BODIES,
  DATASET_PROMPTS,
  DATASET_MESSAGES,
  DATASET_TALKS
};

typedef struct dataset dataset;

typedef struct dataset_row {
  leat_slice content; /* JSON: the body, the prompt's string, the array of messages or of turns */
  const leat_endpoint *endpoint; /* of a body, by its method and url; NULL: not looked for */
  int64_t output_tokens;         /* -1: not said */
  uint32_t turns;                /* of a conversation; else 1 */
} dataset_row;

/* NULL, and said. `routed`: each body must name its endpoint by `url`. "-" is standard input. */
dataset *dataset_open(const char *path, bool routed);
/* The same of text that is there already, and stays; `name` is how `why`, which is filled where it
 * is refused, calls it. */
dataset *dataset_of(leat_slice text, const char *name, bool routed, char why[DATASET_WHY_MAX]);
void dataset_close(dataset *d);
enum dataset_form dataset_kind(const dataset *d);
uint64_t dataset_count(const dataset *d);
/* Rows that were passed over. */
uint64_t dataset_skipped(const dataset *d);
/* The most questions that any conversation has. */
uint32_t dataset_turns_max(const dataset *d);
void dataset_read(const dataset *d, uint64_t i, dataset_row *row);
/* The text of a prompt, or of the question of this turn, appended; an error of the buffers'.
 * `scratch` is for texts with escapes. */
int dataset_question(const dataset *d, const dataset_row *row, uint32_t turn, lti_buf *scratch,
                     lti_buf *out);
/* What the system says in front of a conversation; nothing is appended where it says nothing. */
int dataset_system(const dataset *d, const dataset_row *row, lti_buf *scratch, lti_buf *out);

#endif
