/* Request bodies that come piece by piece: see upload.c. */
#ifndef LEAT_PYTHON_UPLOAD_H
#define LEAT_PYTHON_UPLOAD_H

#include "core.h"

/* Makes `source` one that the cell's pieces are read from. */
void lpy_upload_source(lpy_cell *cell, leat_source *source);
/* LEAT_OK, LEAT_ECLOSED, LEAT_ENOMEM. No bytes: what `failed` says, the end or a failure. */
int lpy_upload_put(lpy_cell *cell, leat_slice bytes, bool failed);

#endif
