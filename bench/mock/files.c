/* Files: stored from a form, listed, described, given back and deleted. The bytes of large ones are
 * not kept; their size and digests are told all the same. */
#include "bench/mock/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bench/mock/asked.h"
#include "bench/mock/text.h"
#include "bench/mock/upload.h"
#include "wire/json.h"

#define FILES_MAX  (sizeof((struct mock_files *)0)->files / sizeof(mock_file *))
#define KEPT_MAX   ((size_t)512 << 20) /* of all files together */
#define LIST_USUAL 10000u

void mock_files_free(mock *m) {
  for (uint32_t i = 0; m->files && i < m->files->count; i++) {
    mock_blob_drop(m->files->files[i]->blob);
    free(m->files->files[i]);
  }
  free(m->files);
}

/* ---- the table */

void mock_file_id(const mock *m, uint32_t place, char out[MOCK_FILE_ID_MAX]) {
  uint64_t hash = mock_text_mix(m->config.seed ^ mock_text_mix(0x66696c65u + place));
  snprintf(out, MOCK_FILE_ID_MAX, "file-%016" PRIx64 "%08x", hash, place);
}

mock_file *mock_file_find(mock *m, leat_slice id, uint32_t *place) {
  char name[MOCK_FILE_ID_MAX];
  for (uint32_t i = 0; m->files && i < m->files->count; i++) {
    mock_file_id(m, i, name);
    if (!lti_slice_is(id, name)) continue;
    *place = i;
    return m->files->files[i]->deleted ? NULL : m->files->files[i];
  }
  return NULL;
}

mock_file *mock_file_add(mock *m, mock_blob *blob, uint32_t *place) {
  mock_file *f = NULL;
  if (!m->files) m->files = calloc(1, sizeof *m->files);
  if (m->files && m->files->count < FILES_MAX) f = calloc(1, sizeof *f);
  if (!f) {
    mock_blob_drop(blob);
    return NULL;
  }
  f->created = time(NULL);
  f->blob = blob;
  if (blob) {
    f->bytes = blob->size;
    f->crc = (uint32_t)crc32_z(0, (const Bytef *)blob->bytes, blob->size);
    m->files->kept += blob->size;
  }
  *place = m->files->count;
  m->files->files[m->files->count++] = f;
  return f;
}

/* ---- what is said of one */

static int write_file(const mock *m, const mock_file *f, uint32_t place, lti_buf *out) {
  char id[MOCK_FILE_ID_MAX];
  mock_file_id(m, place, id);
  return lti_buf_format(out,
                        "{\"id\":\"%s\",\"object\":\"file\",\"bytes\":%" PRIu64
                        ",\"created_at\":%lld,\"expires_at\":null,\"filename\":\"%s\","
                        "\"purpose\":\"%s\",\"status\":\"processed\",\"status_details\":null,"
                        "\"mock\":{\"crc32\":\"%08" PRIx32 "\",\"sha256\":\"%s\",\"kept\":%s}}",
                        id, f->bytes, (long long)f->created, f->name, f->purpose, f->crc, f->sha256,
                        f->blob ? "true" : "false");
}

static void reply_file(mock_exchange *x, const mock_file *f, uint32_t place) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  mock_reply_json(x, write_file(x->m, f, place, &out), &out);
  lti_buf_deinit(&out);
}

/* NULL: it has been answered. */
static mock_file *find(mock_exchange *x, leat_slice part, uint32_t *place) {
  char space[80], text[120];
  leat_slice id = mock_path_decode(part, space, sizeof space);
  mock_file *f = mock_file_find(x->m, id, place);
  if (f) return f;
  snprintf(text, sizeof text, "No such File object: %.*s", (int)id.size, id.data);
  mock_reply_error(x, 404, "invalid_request_error", NULL, text);
  return NULL;
}

/* ---- calls */

static void copy_json(leat_slice text, lti_alloc *alloc, char *out, size_t cap) {
  lti_buf json;
  lti_buf_init(&json, alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  if (lti_json_write_string(&json, text) == 0 && json.size - 2 < cap)
    snprintf(out, cap, "%.*s", (int)json.size - 2, json.data + 1);
  lti_buf_deinit(&json);
}

static mock_blob *keep(const mock *m, const mock_upload_part *part) {
  size_t kept = m->files ? m->files->kept : 0;
  bool fits = part->kept && kept + part->value.size <= KEPT_MAX;
  return fits ? mock_blob_new(lti_buf_slice(&part->value)) : NULL;
}

void mock_files_create(mock_exchange *x, const leat_slice *parts) {
  const mock_upload_part *part = x->upload ? mock_upload_file(x->upload, "file") : NULL;
  leat_slice purpose;
  uint32_t place;
  (void)parts;
  if (!part || !mock_upload_field(x->upload, "purpose", &purpose)) {
    mock_asked_refuse(x, "file and purpose are required, in a form");
    return;
  }
  mock_file *f = mock_file_add(x->m, keep(x->m, part), &place);
  if (!f) {
    mock_reply_error(x, 413, "invalid_request_error", "too_many_files", "There are too many files");
    return;
  }
  copy_json(lti_slice_of(part->filename), &x->m->alloc, f->name, sizeof f->name);
  copy_json(purpose, &x->m->alloc, f->purpose, sizeof f->purpose);
  f->bytes = part->bytes;
  f->crc = part->crc;
  memcpy(f->sha256, part->sha256, sizeof f->sha256);
  reply_file(x, f, place);
}

/* The latest first, behind the one that `after` names. */
void mock_files_list(mock_exchange *x, const leat_slice *parts) {
  mock *m = x->m;
  const char *after = mock_path_query(x, "after"), *limit = mock_path_query(x, "limit");
  uint32_t from = m->files ? m->files->count : 0, shown = 0;
  uint64_t most = LIST_USUAL;
  lti_buf out;
  (void)parts;
  if (after) mock_file_find(m, lti_slice(after, strcspn(after, "&")), &from);
  if (limit) lti_slice_u64(lti_slice(limit, strcspn(limit, "&")), &most);
  lti_buf_init(&out, &m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_text(&out, "{\"object\":\"list\",\"data\":[");
  while (from > 0 && shown < most && !err) {
    const mock_file *f = m->files->files[--from];
    if (f->deleted) continue;
    if (shown++) err = lti_buf_byte(&out, ',');
    err |= write_file(m, f, from, &out);
  }
  err |= lti_buf_format(&out, "],\"has_more\":%s}", from > 0 ? "true" : "false");
  mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
}

void mock_files_get(mock_exchange *x, const leat_slice *parts) {
  uint32_t place;
  mock_file *f = find(x, parts[0], &place);
  if (f) reply_file(x, f, place);
}

void mock_files_content(mock_exchange *x, const leat_slice *parts) {
  uint32_t place;
  mock_content c = {.type = "application/octet-stream"};
  mock_file *f = find(x, parts[0], &place);
  if (!f) return;
  if (!f->blob) {
    mock_reply_error(x, 404, "invalid_request_error", "content_not_kept",
                     "The file was too big to be kept");
    return;
  }
  c.blob = f->blob;
  c.size = f->blob->size;
  snprintf(c.etag, sizeof c.etag, "\"%08" PRIx32 "-%u\"", f->crc, place);
  mock_content_send(x, &c);
}

void mock_files_delete(mock_exchange *x, const leat_slice *parts) {
  char id[MOCK_FILE_ID_MAX], text[120];
  uint32_t place;
  mock_file *f = find(x, parts[0], &place);
  if (!f) return;
  f->deleted = true;
  if (f->blob) x->m->files->kept -= f->blob->size;
  mock_blob_drop(f->blob);
  f->blob = NULL;
  mock_file_id(x->m, place, id);
  int n = snprintf(text, sizeof text, "{\"id\":\"%s\",\"object\":\"file\",\"deleted\":true}", id);
  mock_reply_fixed(x, 200, "application/json", NULL, lti_slice(text, (size_t)n));
}
