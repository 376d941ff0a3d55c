/* Names are JSON pointers without their first slash, so that a form's fields, which are flat, have
 * the same ones. */
#include "bench/mock/asked.h"

#include <stdio.h>
#include <string.h>

#include "bench/mock/text.h"
#include "bench/mock/upload.h"
#include "wire/json.h"

#define POINTER_MAX 128

void mock_asked_refuse(mock_exchange *x, const char *message) {
  mock_reply_error(x, 400, "invalid_request_error", "invalid_request", message);
}

bool mock_asked_valid(mock_exchange *x) {
  char text[96];
  size_t offset = 0;
  if (x->upload || lti_json_valid(lti_buf_slice(&x->body), &offset, NULL)) return true;
  snprintf(text, sizeof text, "We could not parse the JSON body of your request (byte %zu)",
           offset);
  mock_asked_refuse(x, text);
  return false;
}

static bool find(const mock_exchange *x, const char *name, leat_slice *value) {
  char pointer[POINTER_MAX];
  snprintf(pointer, sizeof pointer, "/%s", name);
  return lti_json_find(lti_buf_slice(&x->body), pointer, value);
}

int mock_asked_decode(leat_slice value, lti_buf *out) {
  lti_json r;
  lti_json_text text;
  leat_slice plain;
  lti_buf scratch;
  lti_json_init(&r, value);
  if (!lti_json_string(&r, &text)) return LEAT_EINVAL;
  lti_buf_init(&scratch, out->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_json_decode(text, NULL, &scratch, &plain);
  if (!err) err = lti_buf_append(out, plain);
  lti_buf_deinit(&scratch);
  return err;
}

bool mock_asked_text(const mock_exchange *x, const char *name, lti_buf *out) {
  leat_slice value;
  if (x->upload)
    return mock_upload_field(x->upload, name, &value) && lti_buf_append(out, value) == 0;
  return find(x, name, &value) && mock_asked_decode(value, out) == 0;
}

bool mock_asked_word(const mock_exchange *x, const char *name, char *out, size_t cap) {
  lti_buf text, json;
  lti_buf_init(&text, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  lti_buf_init(&json, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  bool found = mock_asked_text(x, name, &text) &&
               lti_json_write_string(&json, lti_buf_slice(&text)) == 0 && json.size - 2 < cap;
  if (found) snprintf(out, cap, "%.*s", (int)json.size - 2, json.data + 1);
  lti_buf_deinit(&text);
  lti_buf_deinit(&json);
  return found;
}

bool mock_asked_number(const mock_exchange *x, const char *name, uint64_t *value) {
  leat_slice text;
  bool found = x->upload ? mock_upload_field(x->upload, name, &text) : find(x, name, &text);
  return found && lti_slice_u64(text, value);
}

bool mock_asked_flag(const mock_exchange *x, const char *name) {
  leat_slice text;
  bool found = x->upload ? mock_upload_field(x->upload, name, &text) : find(x, name, &text);
  return found && (lti_slice_is(text, "true") || lti_slice_is(text, "True"));
}

bool mock_asked_within(leat_slice text, const char *name, uint64_t *value) {
  char word[40];
  int n = snprintf(word, sizeof word, "mock_%s=", name);
  const char *at = lti_slice_find(text, lti_slice(word, (size_t)n));
  if (!at) return false;
  leat_slice rest = lti_slice_from(text, (size_t)(at - text.data) + (size_t)n);
  size_t digits = 0;
  while (digits < rest.size && rest.data[digits] >= '0' && rest.data[digits] <= '9') digits++;
  return lti_slice_u64(lti_slice(rest.data, digits), value);
}

uint64_t mock_asked_hash(uint64_t start, leat_slice bytes) {
  for (size_t i = 0; i < bytes.size; i++)
    start = mock_text_mix(start ^ (unsigned char)bytes.data[i]);
  return start;
}
