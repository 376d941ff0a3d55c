/* Files that clients have stored, and those that batches make. */
#ifndef MOCK_FILES_H
#define MOCK_FILES_H

#include <time.h>

#include "bench/mock/gateway.h"

#define MOCK_FILE_ID_MAX 40

typedef struct mock_file {
  char name[256], purpose[48]; /* as they stand in JSON */
  uint64_t bytes;
  uint32_t crc;
  char sha256[65];
  time_t created;
  mock_blob *blob; /* NULL: too big to be kept, or deleted */
  bool deleted;
} mock_file;

struct mock_files {
  uint32_t count;
  size_t kept;
  mock_file *files[10000];
};

void mock_files_free(mock *m);
/* NULL: there is none, or it was deleted. */
mock_file *mock_file_find(mock *m, leat_slice id, uint32_t *place);
/* Takes the blob over. NULL: there are too many, or there is no memory. */
mock_file *mock_file_add(mock *m, mock_blob *blob, uint32_t *place);
void mock_file_id(const mock *m, uint32_t place, char out[MOCK_FILE_ID_MAX]);

#endif
