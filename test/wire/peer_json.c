/* The JSON reader against jansson: the same texts accepted, the same values read. Built only where
 * jansson is installed.
 *
 * The texts are those of JSONTestSuite, and many more made by
 * changing a few bytes of these. Some differences are meant, and such texts are left out: jansson
 * refuses invalid UTF-8, lone surrogates, NUL in a key and numbers out of range, all of which our
 * reader leaves to whoever asks for the value; ours stops at 512 levels, jansson at 2,048. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "support/corpora.h"
#include "wire/json.h"

#define TEXTS_MAX  512
#define CHANGED    100000
#define CHANGE_MAX 2048 /* bytes of a text that is worth changing */

static lti_alloc heap;

typedef struct collection {
  leat_slice texts[TEXTS_MAX];
  size_t count, accepted, refused, excused;
} collection;

static bool same_value(leat_slice text, json_t *theirs);

/* ---- one text -------------------------------------------------------------------------------- */

static bool excused_string(lti_json_text text) {
  lti_buf out;
  leat_slice characters;
  lti_buf_init(&out, &heap, 1u << 20, LEAT_EBODYMAX);
  assert_int_equal(lti_json_decode(text, NULL, &out, &characters), LTI_OK);
  bool odd = !lti_slice_is_utf8(text.raw) ||
             lti_slice_find(characters, lti_slice_of("\xef\xbf\xbd")) ||
             (characters.size && memchr(characters.data, 0, characters.size));
  lti_buf_deinit(&out);
  return odd;
}

static bool excused_number(leat_slice raw) {
  lti_json r;
  double real;
  int64_t number;
  lti_json_init(&r, raw);
  bool whole = true;
  for (size_t i = 0; i < raw.size; i++) whole &= !strchr(".eE", raw.data[i]);
  return whole ? !lti_json_int(&r, &number) : !lti_json_double(&r, &real);
}

static bool excused_scalar(lti_json *r, enum lti_json_type type) {
  lti_json_text text;
  leat_slice raw;
  if (type == LTI_JSON_STRING) return lti_json_string(r, &text) && excused_string(text);
  return lti_json_raw(r, &raw) && type == LTI_JSON_NUMBER && excused_number(raw);
}

/* Is there something in this valid text that jansson refuses? */
static bool excused(leat_slice text) {
  bool objects[LTI_JSON_DEPTH_MAX + 1] = {false}, odd = false;
  lti_json r;
  lti_json_text key;
  lti_json_init(&r, text);
  do {
    bool more = r.depth == 0       ? true
                : objects[r.depth] ? lti_json_next_key(&r, &key)
                                   : lti_json_next_value(&r);
    if (!more) continue;
    if (objects[r.depth]) odd |= excused_string(key);
    enum lti_json_type type = lti_json_peek(&r);
    if (type == LTI_JSON_OBJECT && lti_json_enter_object(&r)) {
      objects[r.depth] = true;
    } else if (type == LTI_JSON_ARRAY && lti_json_enter_array(&r)) {
      objects[r.depth] = false;
    } else {
      odd |= excused_scalar(&r, type);
    }
  } while (r.depth > 0 && !lti_json_failed(&r));
  return odd;
}

/* The value of the last member of this name. */
static bool last_member(leat_slice object, leat_slice name, leat_slice *value) {
  lti_json r;
  lti_json_text key;
  bool found = false;
  lti_json_init(&r, object);
  assert_true(lti_json_enter_object(&r));
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_escaped_is(key, name)) found = lti_json_raw(&r, value);
  }
  return found;
}

static bool same_object(leat_slice text, json_t *theirs) {
  const char *name;
  json_t *member;
  leat_slice value;
  size_t ours = 0;
  json_object_foreach(theirs, name, member) {
    if (!last_member(text, lti_slice_of(name), &value) || !same_value(value, member)) return false;
  }
  lti_json r;
  lti_json_text key;
  lti_json_init(&r, text);
  assert_true(lti_json_enter_object(&r));
  while (lti_json_next_key(&r, &key)) ours++;
  return ours >= json_object_size(theirs);
}

static bool same_array(leat_slice text, json_t *theirs) {
  lti_json r;
  leat_slice value;
  size_t count = 0;
  lti_json_init(&r, text);
  assert_true(lti_json_enter_array(&r));
  while (lti_json_next_value(&r)) {
    if (!lti_json_raw(&r, &value)) return false;
    if (!same_value(value, json_array_get(theirs, count++))) return false;
  }
  return count == json_array_size(theirs);
}

static bool same_string(lti_json_text text, json_t *theirs) {
  lti_buf out;
  leat_slice characters;
  lti_buf_init(&out, &heap, 1u << 20, LEAT_EBODYMAX);
  assert_int_equal(lti_json_decode(text, NULL, &out, &characters), LTI_OK);
  leat_slice want = lti_slice(json_string_value(theirs), json_string_length(theirs));
  bool same = lti_slice_equal(characters, want);
  lti_buf_deinit(&out);
  return same;
}

static bool same_value(leat_slice text, json_t *theirs) {
  lti_json r;
  lti_json_text string;
  int64_t number;
  double real;
  bool flag;
  lti_json_init(&r, text);
  if (!theirs) return false;
  switch (json_typeof(theirs)) {
    case JSON_OBJECT: return lti_json_peek(&r) == LTI_JSON_OBJECT && same_object(text, theirs);
    case JSON_ARRAY: return lti_json_peek(&r) == LTI_JSON_ARRAY && same_array(text, theirs);
    case JSON_STRING: return lti_json_string(&r, &string) && same_string(string, theirs);
    case JSON_INTEGER: return lti_json_int(&r, &number) && number == json_integer_value(theirs);
    case JSON_REAL:
      return lti_json_double(&r, &real) && !(real < json_real_value(theirs)) &&
             !(real > json_real_value(theirs));
    case JSON_NULL: return lti_json_null(&r);
    case JSON_TRUE:
    case JSON_FALSE: return lti_json_bool(&r, &flag) && flag == json_is_true(theirs);
  }
  return false;
}

static void compare(collection *c, leat_slice text) {
  json_error_t error;
  size_t offset = 0;
  const char *why = "";
  if (text.size == 0) return;
  bool ours = lti_json_valid(text, &offset, &why);
  json_t *theirs = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  if (ours && !theirs && excused(text)) {
    c->excused++;
    return;
  }
  bool nul = memchr(text.data, 0, text.size) != NULL; /* ends a text for jansson */
  bool deep = !ours && strcmp(why, "nested too deeply") == 0;
  if (ours != (theirs != NULL) && !deep && !nul) {
    fail_msg("'%.*s': ours %s at %zu, jansson %s", (int)text.size, text.data, ours ? "fine" : why,
             offset, theirs ? "fine" : error.text);
  }
  if (ours && !same_value(text, theirs)) fail_msg("'%.*s': values", (int)text.size, text.data);
  c->accepted += ours;
  c->refused += !ours;
  json_decref(theirs);
}

/* ---- many texts ------------------------------------------------------------------------------ */

static void collect(const char *name, leat_slice bytes, void *ctx) {
  collection *c = ctx;
  (void)name;
  compare(c, bytes);
  if (c->count == TEXTS_MAX || bytes.size > CHANGE_MAX || bytes.size == 0) return;
  char *copy = malloc(bytes.size);
  assert_non_null(copy);
  memcpy(copy, bytes.data, bytes.size);
  c->texts[c->count++] = lti_slice(copy, bytes.size);
}

/* One to three bytes of `text` replaced, doubled or taken out, by bytes that JSON is made of. */
static leat_slice changed(lti_prng *random, leat_slice text, char *out) {
  static const char bytes[] = "{}[]\",:\\ u0123456789eE+-.tfn\n\t\x01\x80\xe2";
  memcpy(out, text.data, text.size);
  for (uint64_t n = 1 + lti_prng_below(random, 3); n > 0; n--) {
    size_t at = lti_prng_below(random, text.size);
    out[at] = bytes[lti_prng_below(random, sizeof bytes - 1)];
    if (lti_prng_below(random, 4) == 0 && text.size > 1) {
      text.size--;
      memmove(out + at, out + at + 1, text.size - at);
    }
  }
  return lti_slice(out, text.size);
}

static void test_jansson_accepts_the_same_texts_and_reads_the_same_values(void **state) {
  (void)state;
  static collection c;
  static char out[CHANGE_MAX];
  lti_prng random;
  corpora_require("json_test_suite/test_parsing");
  corpora_each("json_test_suite/test_parsing", ".json", collect, &c);
  lti_prng_seed(&random, 2026);
  for (int i = 0; i < CHANGED; i++) {
    compare(&c, changed(&random, c.texts[lti_prng_below(&random, c.count)], out));
  }
  printf("%zu texts accepted by both, %zu refused by both, %zu left out\n", c.accepted, c.refused,
         c.excused);
  assert_true(c.accepted > 1000 && c.refused > 1000);
  for (size_t i = 0; i < c.count; i++) corpora_free(c.texts[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_jansson_accepts_the_same_texts_and_reads_the_same_values),
  };
  lti_alloc_init(&heap, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
