/* Fuzzes the JSON reader and writer with one text, which lies in a block of exactly its size.
 *
 * What must hold: skipping and walking a text come to the same verdict; an error stands within the
 * text; every value's raw bytes are a valid text of their own; every string decodes to valid UTF-8,
 * and what is written of it reads back the same; every number that becomes a double, or an integer,
 * is written and read back as the same one; the two scanners agree. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/json.h"

#define NESTED_MAX 16 /* containers whose raw bytes are checked again */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct bufs {
  lti_buf text, written;
} bufs;

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static leat_slice decoded(bufs *b, lti_json_text text) {
  leat_slice out;
  require(lti_json_decode(text, NULL, &b->text, &out) == LTI_OK, "a string is decoded");
  require(lti_slice_is_utf8(out), "to valid UTF-8");
  return out;
}

static void check_string(bufs *b, leat_slice raw) {
  lti_json r;
  lti_json_text text, again;
  leat_slice back;
  lti_buf second;
  lti_json_init(&r, raw);
  require(lti_json_string(&r, &text) && lti_json_at_end(&r), "a string is a text of its own");
  leat_slice out = decoded(b, text);
  lti_buf_clear(&b->written);
  require(lti_json_write_string(&b->written, out) == LTI_OK, "it is written");
  lti_json_init(&r, lti_buf_slice(&b->written));
  require(lti_json_string(&r, &again) && lti_json_at_end(&r), "as one string");
  lti_buf_init(&second, b->text.alloc, SIZE_MAX, LEAT_EBODYMAX);
  require(lti_json_decode(again, NULL, &second, &back) == LTI_OK, "which is decoded");
  require(lti_slice_equal(out, back), "to the same characters");
  if (lti_slice_is_utf8(text.raw)) require(lti_json_escaped_is(text, out), "equal as a key");
  lti_buf_deinit(&second);
}

static void check_number(bufs *b, leat_slice raw) {
  lti_json r;
  double value, back;
  int64_t number, same;
  lti_json_init(&r, raw);
  if (lti_json_double(&r, &value)) {
    require(isfinite(value) && lti_json_at_end(&r), "a finite number");
    lti_buf_clear(&b->written);
    require(lti_json_write_double(&b->written, value) == LTI_OK, "is written");
    lti_json_init(&r, lti_buf_slice(&b->written));
    require(lti_json_double(&r, &back) && memcmp(&value, &back, sizeof back) == 0, "and read");
  }
  lti_json_init(&r, raw);
  if (!lti_json_int(&r, &number)) return;
  require(fabs((double)number - value) <= fabs(value) * 1e-15, "an integer is near its double");
  lti_buf_clear(&b->written);
  require(lti_buf_i64(&b->written, number) == LTI_OK, "it is written");
  lti_json_init(&r, lti_buf_slice(&b->written));
  require(lti_json_int(&r, &same) && same == number, "and read");
}

static void check_value(bufs *b, lti_json *at, unsigned *nested) {
  lti_json ahead = *at;
  leat_slice raw;
  enum lti_json_type type = lti_json_peek(&ahead);
  if (!lti_json_raw(&ahead, &raw)) return;
  if (type == LTI_JSON_STRING) check_string(b, raw);
  if (type == LTI_JSON_NUMBER) check_number(b, raw);
  if ((type == LTI_JSON_OBJECT || type == LTI_JSON_ARRAY) && ++*nested > NESTED_MAX) return;
  require(lti_json_valid(raw, NULL, NULL), "a value is a text of its own");
}

/* Enters all that can be entered. */
static bool walk(bufs *b, leat_slice text) {
  bool objects[LTI_JSON_DEPTH_MAX + 1] = {false};
  unsigned nested = 0;
  lti_json r;
  lti_json_text key;
  lti_json_init(&r, text);
  do {
    bool more = r.depth == 0       ? true
                : objects[r.depth] ? lti_json_next_key(&r, &key)
                                   : lti_json_next_value(&r);
    if (!more) continue;
    if (r.depth && objects[r.depth]) decoded(b, key);
    enum lti_json_type type = lti_json_peek(&r);
    if (nested <= NESTED_MAX || type < LTI_JSON_ARRAY) check_value(b, &r, &nested);
    if (type == LTI_JSON_OBJECT && lti_json_enter_object(&r)) {
      objects[r.depth] = true;
    } else if (type == LTI_JSON_ARRAY && lti_json_enter_array(&r)) {
      objects[r.depth] = false;
    } else {
      lti_json_skip(&r);
    }
  } while (r.depth > 0 && !lti_json_failed(&r));
  return lti_json_at_end(&r);
}

static void check_scan(leat_slice text) {
  const char *end = text.data + text.size;
  for (const char *p = text.data; p < end; p++) {
    unsigned fast = 0, portable = 0;
    const char *stop = lti_json_scan(p, end, &fast);
    require(stop == lti_json_scan_portable(p, end, &portable), "the scanners agree");
    require(!fast == !portable, "on bytes above ASCII too");
    p = stop < end ? stop : end - 1;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  leat_slice text = lti_slice((const char *)input, size), found;
  size_t offset = 0;
  const char *why = NULL;
  lti_alloc alloc;
  bufs b;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&b.text, &alloc, SIZE_MAX, LEAT_EBODYMAX);
  lti_buf_init(&b.written, &alloc, SIZE_MAX, LEAT_EBODYMAX);
  bool good = lti_json_valid(text, &offset, &why);
  require(good || (offset <= size && why), "an error says where and why");
  require(walk(&b, text) == good, "skipping and walking agree");
  require(!lti_json_find(text, "/choices/0/delta", &found) || good, "only in a text");
  if (size) check_scan(text);
  lti_buf_clear(&b.written);
  require(lti_json_write_string(&b.written, text) == LTI_OK, "any bytes are written");
  require(lti_json_valid(lti_buf_slice(&b.written), NULL, NULL), "as JSON");
  lti_buf_deinit(&b.text);
  lti_buf_deinit(&b.written);
  return 0;
}
