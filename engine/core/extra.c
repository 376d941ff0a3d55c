/* Fields of one attempt: see extra.h. */
#include "core/extra.h"

#include "base/error.h"

#define TEXTS_BYTES_MAX ((size_t)256 * 1024)

lti_extra *lti_extra_new(lti_alloc *alloc) {
  lti_extra *x = lti_alloc_zero(alloc, sizeof *x);
  if (!x) return NULL;
  lti_buf_init(&x->texts, alloc, TEXTS_BYTES_MAX, LEAT_EHEADER);
  x->texts.secret = true;
  return x;
}

void lti_extra_free(lti_extra *x) {
  if (!x) return;
  lti_alloc *alloc = x->texts.alloc;
  lti_buf_deinit(&x->texts);
  lti_alloc_put(alloc, x);
}

void lti_extra_clear(lti_extra *x) {
  lti_wipe(x->texts.data, x->texts.size);
  lti_buf_clear(&x->texts);
  x->count = 0;
}

int lti_extra_add(lti_extra *x, const leat_header *field, size_t scheme, bool credential) {
  if (x->count == LTI_EXTRA_FIELDS_MAX) return LEAT_EHEADER;
  struct lti_extra_field f = {.at = (uint32_t)x->texts.size,
                              .name = (uint32_t)field->name.size,
                              .value = (uint32_t)field->value.size,
                              .scheme = (uint32_t)scheme,
                              .credential = credential};
  if (field->name.size > TEXTS_BYTES_MAX || field->value.size > TEXTS_BYTES_MAX)
    return LEAT_EHEADER;
  int r = lti_buf_reserve(&x->texts, field->name.size + field->value.size);
  if (r == LTI_OK) r = lti_buf_append(&x->texts, field->name);
  if (r == LTI_OK) r = lti_buf_append(&x->texts, field->value);
  if (r == LTI_OK) x->fields[x->count++] = f;
  return r;
}

static leat_header field_of(const lti_extra *x, const struct lti_extra_field *f) {
  const char *at = x->texts.data + f->at;
  return (leat_header){lti_slice(at, f->name), lti_slice(at + f->name, f->value)};
}

bool lti_extra_secret(const lti_extra *x, size_t i, leat_slice *secret) {
  for (size_t n = 0; n < x->count; n++) {
    if (!x->fields[n].credential || i-- > 0) continue;
    *secret = lti_slice_from(field_of(x, &x->fields[n]).value, x->fields[n].scheme);
    return true;
  }
  return false;
}

static void join_one(const leat_header *field, bool credential, leat_header *headers,
                     lti_http_request *request) {
  size_t count = request->header_count;
  for (size_t i = 0; i < count; i++) {
    if (!lti_slice_equal_nocase(headers[i].name, field->name)) continue;
    headers[i].value = field->value;
    return;
  }
  size_t at = credential ? count : request->credentials_from;
  memmove(headers + at + 1, headers + at, (count - at) * sizeof *headers);
  headers[at] = *field;
  request->header_count++;
  if (!credential) request->credentials_from++;
}

void lti_extra_join(const lti_extra *x, leat_header *headers, lti_http_request *request) {
  for (size_t i = 0; i < x->count; i++) {
    leat_header field = field_of(x, &x->fields[i]);
    join_one(&field, x->fields[i].credential, headers, request);
  }
}
