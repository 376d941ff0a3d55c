/* A request's body that comes piece by piece from JavaScript: a queue between `write` and the
 * engine's source, which reads it as the connection takes it. Bytes are copied once into it. */
#ifndef LEAT_NODE_UPLOAD_H
#define LEAT_NODE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "leat.h"

typedef struct lno_piece lno_piece;

typedef struct lno_upload {
  lno_piece *first, **end;
  size_t queued;      /* bytes */
  bool open;          /* the engine may read on: there is a source, and it was not closed */
  bool waiting;       /* the source had nothing to give */
  bool whole, failed; /* no more will be written */
  bool full;          /* somebody was told to wait */
} lno_upload;

#define LNO_UPLOAD_MAX ((size_t)256 << 10) /* above it writers are told to wait */

void lno_upload_init(lno_upload *upload);
void lno_upload_deinit(lno_upload *upload);
/* False: no memory. */
bool lno_upload_add(lno_upload *upload, leat_slice bytes);
/* As leat_source's read. */
int lno_upload_read(lno_upload *upload, char *into, size_t room, size_t *size);

#endif
