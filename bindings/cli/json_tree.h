/* JSON that is put together from paths, as httpie writes them: messages[0].role=user.
 *
 * A path is names with dots between them and [N] for the N-th of an array, [] for one more; a
 * backslash takes the meaning from '.', '[' and itself. What is on the way is made, and JSON that
 * was read is opened where a path leads into it. */
#ifndef CLI_JSON_TREE_H
#define CLI_JSON_TREE_H

#include <stdbool.h>

#include "base/buf.h"

enum cli_tree_kind { CLI_TREE_EMPTY = 0, CLI_TREE_RAW, CLI_TREE_OBJECT, CLI_TREE_ARRAY };

typedef struct cli_tree {
  enum cli_tree_kind kind;
  leat_slice key; /* of our own memory, as is `raw` */
  leat_slice raw;
  struct cli_tree *first, *last, *next;
} cli_tree;

/* `json` is valid. NULL is what all went well gives; else why not, a clause. */
const char *cli_tree_read(cli_tree *root, leat_slice json);
/* Puts a valid JSON value where the path leads. */
const char *cli_tree_set(cli_tree *root, leat_slice path, leat_slice json);
/* An error of the buffer's. What is empty is null. */
int cli_tree_write(const cli_tree *root, lti_buf *out);
void cli_tree_free(cli_tree *root);

#endif
