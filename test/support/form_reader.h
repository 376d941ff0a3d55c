/* A reader of multipart/form-data (RFC 7578, RFC 2046 5.1), written from the standards and not from
 * the writer: it finds the parts by the boundary that the Content-Type names. */
#ifndef TEST_FORM_READER_H
#define TEST_FORM_READER_H

#include <stdbool.h>

#include "base/slice.h"

typedef struct form_part {
  leat_slice name, filename, type; /* as they stand; `data` NULL: there is none */
  leat_slice content;
} form_part;

/* Reads a whole body. Returns how many parts it has, -1 when it is not what the standards say. */
int form_read(leat_slice content_type, leat_slice body, form_part *parts, size_t parts_max);

#endif
