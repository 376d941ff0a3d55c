/* Bodies on their way through: bounded memory, whatever their size. Every part is counted and its
 * CRC-32 taken; SHA-256 is given up behind SHA_MAX, because it would be most of the time that two
 * gigabytes take. */
#include "bench/mock/upload.h"

#include <inttypes.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "bench/mock/multipart.h"
#include "wire/json.h"

#define FIELDS_MAX ((size_t)4 << 20) /* of all fields together */
#define SHA_MAX    ((uint64_t)256 << 20)
#define SHA_BYTES  32

struct mock_upload {
  mock *m;
  mock_multipart parser;
  bool raw, digesting, storing;
  const char *why;
  size_t count, fields_size;
  mbedtls_md_context_t sha;
  mock_upload_part *parts[MOCK_UPLOAD_PARTS_MAX];
};

/* ---- parts */

static mock_upload_part *last(const mock_upload *u) {
  return u->parts[u->count - 1];
}

static int begin_digest(mock_upload *u) {
  mbedtls_md_free(&u->sha);
  mbedtls_md_init(&u->sha);
  u->digesting = mbedtls_md_setup(&u->sha, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0) == 0 &&
                 mbedtls_md_starts(&u->sha) == 0;
  return 0;
}

static mock_upload_part *add_part(mock_upload *u) {
  mock_upload_part *p = u->count < MOCK_UPLOAD_PARTS_MAX ? calloc(1, sizeof *p) : NULL;
  if (!p) return NULL;
  lti_buf_init(&p->value, &u->m->alloc, MOCK_UPLOAD_KEEP_MAX, LEAT_EBODYMAX);
  p->kept = true;
  u->parts[u->count++] = p;
  return p;
}

static int on_part(void *user, leat_slice head) {
  static const char disposition[] = "content-disposition";
  mock_upload *u = user;
  mock_upload_part *p = add_part(u);
  if (!p || !mock_multipart_field(head, disposition, "name", p->name, sizeof p->name)) return -1;
  p->is_file = mock_multipart_field(head, disposition, "filename", p->filename, sizeof p->filename);
  mock_multipart_field(head, "content-type", NULL, p->type, sizeof p->type);
  return begin_digest(u);
}

/* Fields must fit; a file that does not is not kept. */
static int keep(mock_upload *u, mock_upload_part *p, leat_slice bytes) {
  if (p->is_file && !(u->storing && p->kept)) {
    p->kept = false;
    return 0;
  }
  bool fits = p->is_file || u->fields_size + bytes.size <= FIELDS_MAX;
  if (fits && lti_buf_append(&p->value, bytes) == 0) {
    if (!p->is_file) u->fields_size += bytes.size;
    return 0;
  }
  if (!p->is_file) return -1;
  p->kept = false;
  lti_buf_clear(&p->value);
  lti_buf_shrink(&p->value, 0);
  return 0;
}

static int on_bytes(void *user, leat_slice bytes) {
  mock_upload *u = user;
  mock_upload_part *p = last(u);
  if (keep(u, p, bytes)) return -1;
  p->bytes += bytes.size;
  p->crc = (uint32_t)crc32_z(p->crc, (const Bytef *)bytes.data, bytes.size);
  if (u->digesting && p->bytes <= SHA_MAX)
    mbedtls_md_update(&u->sha, (const unsigned char *)bytes.data, bytes.size);
  return 0;
}

static int on_end(void *user) {
  mock_upload *u = user;
  mock_upload_part *p = last(u);
  unsigned char digest[SHA_BYTES];
  if (!u->digesting || p->bytes > SHA_MAX || mbedtls_md_finish(&u->sha, digest)) return 0;
  for (size_t i = 0; i < SHA_BYTES; i++) snprintf(p->sha256 + 2 * i, 3, "%02x", digest[i]);
  return 0;
}

static const mock_multipart_sink sink = {on_part, on_bytes, on_end};

/* ---- its life */

static bool is_sink(const mock_exchange *x) {
  const char *url = mock_exchange_url(x);
  return strncmp(url, "/mock/sink", 10) == 0 && (url[10] == '\0' || url[10] == '?');
}

bool mock_upload_begin(mock_exchange *x) {
  const char *type = mock_exchange_header(x, "content-type");
  bool form = type && strncasecmp(type, "multipart/form-data", 19) == 0, raw = is_sink(x);
  if (x->upload || (!form && !raw)) return true;
  mock_upload *u = calloc(1, sizeof *u);
  if (!u) return false;
  x->upload = u;
  u->m = x->m;
  u->raw = raw;
  u->storing = !raw && strstr(mock_exchange_url(x), "/v1/files") != NULL;
  mbedtls_md_init(&u->sha);
  if (raw) {
    mock_multipart_init(&u->parser, &x->m->alloc, "");
    return add_part(u) && (last(u)->is_file = true) && begin_digest(u) == 0;
  }
  if (!mock_multipart_init(&u->parser, &x->m->alloc, type)) u->why = "the boundary is missing";
  u->parser.sink = &sink;
  u->parser.user = u;
  return true;
}

void mock_upload_feed(mock_upload *u, const char *bytes, size_t size) {
  if (u->why) return;
  if (u->raw)
    on_bytes(u, lti_slice(bytes, size));
  else if (!mock_multipart_feed(&u->parser, lti_slice(bytes, size)))
    u->why = u->parser.why;
}

const char *mock_upload_end(mock_upload *u) {
  if (u->why) return u->why;
  if (u->raw)
    on_end(u);
  else if (!mock_multipart_end(&u->parser))
    u->why = u->parser.why;
  return u->why;
}

void mock_upload_free(mock_upload *u) {
  if (!u) return;
  for (size_t i = 0; i < u->count; i++) {
    lti_buf_deinit(&u->parts[i]->value);
    free(u->parts[i]);
  }
  mbedtls_md_free(&u->sha);
  mock_multipart_deinit(&u->parser);
  free(u);
}

/* ---- what came */

size_t mock_upload_count(const mock_upload *u) {
  return u->count;
}

const mock_upload_part *mock_upload_at(const mock_upload *u, size_t index) {
  return index < u->count ? u->parts[index] : NULL;
}

bool mock_upload_field(const mock_upload *u, const char *name, leat_slice *value) {
  for (size_t i = u->count; i-- > 0;) {
    if (u->parts[i]->is_file || strcmp(u->parts[i]->name, name) != 0) continue;
    *value = lti_buf_slice(&u->parts[i]->value);
    return true;
  }
  return false;
}

const mock_upload_part *mock_upload_file(const mock_upload *u, const char *name) {
  for (size_t i = 0; i < u->count; i++)
    if (u->parts[i]->is_file && (!name || strcmp(u->parts[i]->name, name) == 0)) return u->parts[i];
  return NULL;
}

int mock_upload_write_facts(const mock_upload_part *part, lti_buf *out) {
  int err = lti_buf_format(
      out, "\"bytes\":%" PRIu64 ",\"crc32\":\"%08" PRIx32 "\",\"sha256\":", part->bytes, part->crc);
  if (!*part->sha256) return err | lti_buf_text(out, "null");
  return err | lti_buf_format(out, "\"%s\"", part->sha256);
}

static int write_field(const mock_upload_part *p, lti_buf *out) {
  return lti_buf_byte(out, '[') | lti_json_write_string(out, lti_slice_of(p->name)) |
         lti_buf_byte(out, ',') | lti_json_write_string(out, lti_buf_slice(&p->value)) |
         lti_buf_byte(out, ']');
}

static int write_file(const mock_upload_part *p, lti_buf *out) {
  int err = lti_buf_text(out, "{\"name\":") | lti_json_write_string(out, lti_slice_of(p->name));
  err |= lti_buf_text(out, ",\"filename\":");
  err |= lti_json_write_string(out, lti_slice_of(p->filename));
  err |= lti_buf_text(out, ",\"content_type\":");
  err |= lti_json_write_string(out, lti_slice_of(p->type)) | lti_buf_byte(out, ',');
  return err | mock_upload_write_facts(p, out) | lti_buf_byte(out, '}');
}

static int write_parts(const mock_upload *u, lti_buf *out, bool files) {
  bool first = true;
  int err = 0;
  for (size_t i = 0; i < u->count && !err; i++) {
    if (u->parts[i]->is_file != files) continue;
    if (!first) err = lti_buf_byte(out, ',');
    first = false;
    err |= files ? write_file(u->parts[i], out) : write_field(u->parts[i], out);
  }
  return err;
}

int mock_upload_write_report(const mock_upload *u, lti_buf *out) {
  int err = lti_buf_text(out, "{\"fields\":[") | write_parts(u, out, false);
  err |= lti_buf_text(out, "],\"files\":[") | write_parts(u, out, true);
  return err | lti_buf_text(out, "]}");
}

/* The request as it came, for those who test how requests are written. */
static int write_headers(const mock_exchange *x, lti_buf *out) {
  const char *at = x->head.data, *end = x->head.data + x->head.size;
  bool first = true;
  int err = lti_buf_byte(out, '[');
  while (at < end && !err) {
    const char *value = at + strlen(at) + 1;
    if (*at != ':') {
      err |= lti_buf_text(out, first ? "[" : ",[");
      err |= lti_json_write_string(out, lti_slice_of(at)) | lti_buf_byte(out, ',');
      err |= lti_json_write_string(out, lti_slice_of(value)) | lti_buf_byte(out, ']');
      first = false;
    }
    at = value + strlen(value) + 1;
  }
  return err | lti_buf_byte(out, ']');
}

void mock_upload_serve_sink(mock_exchange *x) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, 8 * MOCK_HEAD_MAX, LEAT_EBODYMAX);
  int err = lti_buf_format(
      &out, "{\"method\":\"%s\",\"target\":", llhttp_method_name((llhttp_method_t)x->method));
  err |= lti_json_write_string(&out, lti_slice_of(mock_exchange_url(x)));
  err |= lti_buf_text(&out, ",\"headers\":") | write_headers(x, &out) | lti_buf_byte(&out, ',');
  err |= mock_upload_write_facts(mock_upload_at(x->upload, 0), &out) | lti_buf_byte(&out, '}');
  if (err)
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, 200, "application/json", NULL, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}
