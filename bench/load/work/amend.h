/* A JSON body that was brought, with a few of its members made to fit the run: the model, whether
 * it streams and tells its usage, how long its answer may be, and what --extra-body says. All else
 * stays byte for byte. */
#ifndef LOAD_AMEND_H
#define LOAD_AMEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum amend_stream { AMEND_STREAM_KEEP, AMEND_STREAM_ON, AMEND_STREAM_OFF };

typedef struct amend {
  const char *model; /* NULL: as it is */
  enum amend_stream stream;
  bool usage;             /* ask for it at the end of a stream, where the body says nothing of it */
  int64_t max_tokens;     /* -1: as it is */
  const char *limit_name; /* the member that says it where the body has none of the known ones */
  leat_slice extra;       /* an object whose members take the place of those of the same name */
} amend;

/* It would change a body. */
bool amend_needed(const amend *a);
/* Appends the amended body. `body` and `extra` are valid JSON; an error of the buffer's, or
 * LEAT_EINVAL where the body is no object. */
int amend_write(const amend *a, leat_slice body, lti_buf *out);

#endif
