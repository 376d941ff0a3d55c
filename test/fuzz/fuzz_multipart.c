/* Fuzzes the writer of forms, and the reader of data: URIs.
 *
 *   byte 0     how many fields, 0 to 7; bit 7: a data: URI instead
 *   then, for each field: bytes 0-3 are the sizes of name, file name, type and content, 255 being
 *   none of it; then these, as far as the input goes
 *
 * A reader that was written from the standards must find the fields that were written, in their
 * order and with their contents, whatever their names are; a type that could end its line is
 * refused. What a data: URI decodes to must not depend on the room there is. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "support/form_reader.h"
#include "wire/datauri.h"
#include "wire/http.h"
#include "wire/multipart.h"

#define FIELDS 7
#define NONE   255
#define BYTES  65536

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct source {
  const uint8_t *at;
  size_t left;
} source;

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static unsigned next_byte(source *s) {
  if (s->left == 0) return 0;
  s->left--;
  return *s->at++;
}

static leat_slice next_text(source *s, unsigned size) {
  if (size == NONE) return lti_slice(NULL, 0);
  size_t n = size < s->left ? size : s->left;
  leat_slice text = lti_slice(n ? (const char *)s->at : "", n);
  s->at += n;
  s->left -= n;
  return text;
}

/* What a name looks like once it is written. */
static bool is_escaped(leat_slice name, leat_slice shown) {
  char text[3 * NONE + 1];
  size_t n = 0;
  for (size_t i = 0; i < name.size; i++) {
    char c = name.data[i];
    if (c == '"' || c == '\r' || c == '\n')
      n += (size_t)snprintf(text + n, 4, "%%%02X", (unsigned)c);
    else
      text[n++] = c;
  }
  return shown.data && lti_slice_equal(lti_slice(text, n), shown);
}

typedef struct written {
  lti_multipart_field field;
  leat_slice content;
} written;

static void check_read(const lti_multipart *m, leat_slice body, const written *w, size_t count) {
  form_part parts[FIELDS];
  char type[LTI_MULTIPART_TYPE];
  int found = form_read(lti_multipart_type(m, type), body, parts, FIELDS);
  require(found == (int)count, "the reader finds as many parts as there are");
  for (size_t i = 0; i < count; i++) {
    const lti_multipart_field *f = &w[i].field;
    require(is_escaped(f->name, parts[i].name), "the name");
    require(f->filename.data ? is_escaped(f->filename, parts[i].filename) : !parts[i].filename.data,
            "the file name");
    require(!f->type.data == !parts[i].type.data && lti_slice_equal(f->type, parts[i].type),
            "the type");
    require(lti_slice_equal(w[i].content, parts[i].content), "the content");
  }
}

static void write_form(source *s, size_t count) {
  static const unsigned char random[LTI_MULTIPART_RANDOM] = {0x9e, 0x37, 0x79, 0xb9};
  written w[FIELDS];
  lti_multipart m;
  lti_alloc alloc;
  lti_buf out;
  size_t n = 0;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, BYTES, LEAT_EBODYMAX);
  lti_multipart_init(&m, random);
  for (size_t i = 0; i < count; i++) {
    unsigned sizes[4];
    for (size_t k = 0; k < 4; k++) sizes[k] = next_byte(s);
    if (sizes[0] == NONE) sizes[0] = 0;
    w[n].field.name = next_text(s, sizes[0]);
    w[n].field.filename = next_text(s, sizes[1]);
    w[n].field.type = next_text(s, sizes[2]);
    w[n].content = next_text(s, sizes[3] == NONE ? 0 : sizes[3]);
    int r = lti_multipart_field_head(&m, &w[n].field, &out);
    require((r == LEAT_EHEADER) == !lti_http_value_ok(w[n].field.type), "types are checked");
    if (r == LEAT_EHEADER) continue;
    /* The input can know the boundary, which is random elsewhere. */
    if (lti_slice_find(w[n].content, lti_slice(m.boundary, LTI_MULTIPART_BOUNDARY)))
      w[n].content = lti_slice("", 0);
    require(r == LTI_OK && lti_buf_append(&out, w[n].content) == LTI_OK, "the form has room");
    n++;
  }
  require(lti_multipart_end(&m, &out) == LTI_OK, "the form has room");
  check_read(&m, lti_buf_slice(&out), w, n);
  lti_buf_deinit(&out);
}

static int decode(leat_slice uri, size_t room, lti_buf *out) {
  lti_datauri d;
  size_t n;
  int r;
  lti_buf_clear(out);
  require(lti_datauri_init(&d, uri), "it was one before");
  do {
    require(lti_buf_reserve(out, room) == LTI_OK, "memory");
    r = lti_datauri_read(&d, out->data + out->size, room, &n);
    require(n <= room, "the room is kept to");
    out->size += n;
  } while (r == LTI_OK && n > 0);
  return r;
}

static void read_uri(leat_slice uri) {
  lti_datauri d;
  lti_alloc alloc;
  lti_buf whole, part;
  if (!lti_datauri_init(&d, uri)) return;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&whole, &alloc, 16 * BYTES, LEAT_EBODYMAX);
  lti_buf_init(&part, &alloc, 16 * BYTES, LEAT_EBODYMAX);
  int r = decode(uri, BYTES, &whole);
  static const size_t rooms[] = {3, 4, 5, 7, 64};
  for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
    require(decode(uri, rooms[i], &part) == r, "the same end");
    require(r != LTI_OK || lti_slice_equal(lti_buf_slice(&whole), lti_buf_slice(&part)),
            "the same content");
  }
  lti_buf_deinit(&whole);
  lti_buf_deinit(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  source s = {input, size};
  if (size > BYTES / 2) return 0;
  unsigned first = next_byte(&s);
  if (first & 0x80)
    read_uri(lti_slice(s.left ? (const char *)s.at : "", s.left));
  else
    write_form(&s, first % (FIELDS + 1));
  return 0;
}
