/* Where the shared test corpora are and what is in them: whole files, lines, base64.
 *
 * The folder is $LEAT_CORPORA, else ../shared/corpora beside the source tree ($LEAT_SOURCE_DIR).
 * Without it a test that calls corpora_require is skipped, with a line that says so. Nothing here
 * is copied into the project. Memory is malloc's, each block exactly as long as its content, so
 * that the sanitizer sees any read beyond it. */
#ifndef TEST_CORPORA_H
#define TEST_CORPORA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Skips the running cmocka test, visibly, unless `name` exists in the corpora. */
void corpora_require(const char *name);
bool corpora_present(const char *name);
/* "FOLDER/name"; static, until the next call. */
const char *corpora_path(const char *name);

/* A whole file of the corpora; fails the test when it cannot be read. Give back corpora_free. */
leat_slice corpora_load(const char *name);
void corpora_free(leat_slice bytes);

/* Takes the next line off `*rest`; false at the end. Empty lines are passed over. */
bool corpora_next_line(leat_slice *rest, leat_slice *line);

/* RFC 4648 4; fails the test on anything else. Give back with corpora_free. */
leat_slice corpora_base64(leat_slice text);

/* Calls `visit` with each file of a folder whose name ends in `ending`, in the order of their
 * names; returns how many. `name` is relative to the folder. */
typedef void (*corpora_visit)(const char *name, leat_slice bytes, void *ctx);
size_t corpora_each(const char *folder, const char *ending, corpora_visit visit, void *ctx);

#endif
