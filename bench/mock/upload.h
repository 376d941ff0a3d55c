/* A body that is not kept: the parts of a form, or the raw bytes sent to /mock/sink, counted and
 * digested as they arrive. Fields are kept as far as UPLOAD_FIELDS_MAX, the bytes of files only
 * where the gateway is asked to store them. */
#ifndef MOCK_UPLOAD_H
#define MOCK_UPLOAD_H

#include "bench/mock/gateway.h"

#define MOCK_UPLOAD_PARTS_MAX 256
#define MOCK_UPLOAD_KEEP_MAX  ((size_t)16 << 20) /* of a file that is stored */

typedef struct mock_upload_part {
  char name[80], filename[256], type[128];
  bool is_file, kept; /* kept: `value` is all of it */
  lti_buf value;
  uint64_t bytes;
  uint32_t crc;
  char sha256[65]; /* empty: it was too long to digest */
} mock_upload_part;

/* As soon as the head is here: makes x->upload when the body is one of those. False: no memory. */
bool mock_upload_begin(mock_exchange *x);
void mock_upload_feed(mock_upload *u, const char *bytes, size_t size);
/* The body is here. NULL, or what is wrong with it. */
const char *mock_upload_end(mock_upload *u);
void mock_upload_free(mock_upload *u);

size_t mock_upload_count(const mock_upload *u);
const mock_upload_part *mock_upload_at(const mock_upload *u, size_t index);
/* The last field of this name, which is no file. */
bool mock_upload_field(const mock_upload *u, const char *name, leat_slice *value);
/* The first file, of this name unless NULL. */
const mock_upload_part *mock_upload_file(const mock_upload *u, const char *name);
/* "bytes":N,"crc32":"...","sha256":"..." of a part. */
int mock_upload_write_facts(const mock_upload_part *part, lti_buf *out);
/* {"fields":[[name, text], ...], "files":[{name, filename, content_type, bytes, ...}, ...]} */
int mock_upload_write_report(const mock_upload *u, lti_buf *out);

/* POST or PUT /mock/sink: what came. */
void mock_upload_serve_sink(mock_exchange *x);

#endif
