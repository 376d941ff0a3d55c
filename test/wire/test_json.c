/* The JSON reader: the verdicts of JSONTestSuite, the rows JS-01 and JS-04 of the fault catalogue,
 * the reader's states and its scanning. Every text is read from a block of exactly its size. */
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "support/corpora.h"

static lti_alloc heap;
static lti_buf scratch;

static leat_slice exact(leat_slice bytes) {
  char *copy = malloc(bytes.size ? bytes.size : 1);
  assert_non_null(copy);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  return lti_slice(copy, bytes.size);
}

/* Reads a value by entering everything that can be entered; without recursion. */
static bool walk(leat_slice text) {
  lti_json r;
  lti_json_text key;
  leat_slice out;
  bool objects[LTI_JSON_DEPTH_MAX + 1];
  lti_json_init(&r, text);
  do {
    bool more = r.depth == 0       ? true
                : objects[r.depth] ? lti_json_next_key(&r, &key)
                                   : lti_json_next_value(&r);
    if (!more) continue;
    enum lti_json_type type = lti_json_peek(&r);
    if (type == LTI_JSON_OBJECT && lti_json_enter_object(&r)) {
      objects[r.depth] = true;
    } else if (type == LTI_JSON_ARRAY && lti_json_enter_array(&r)) {
      objects[r.depth] = false;
    } else if (type == LTI_JSON_STRING && lti_json_string(&r, &key)) {
      assert_int_equal(lti_json_decode(key, NULL, &scratch, &out), LTI_OK);
      assert_true(lti_slice_is_utf8(out));
    } else {
      lti_json_skip(&r);
    }
  } while (r.depth > 0 && !lti_json_failed(&r));
  return lti_json_at_end(&r);
}

static bool valid(leat_slice text) {
  leat_slice copy = exact(text);
  size_t offset = 0;
  const char *why = NULL;
  bool good = lti_json_valid(copy, &offset, &why), walked = walk(copy);
  assert_int_equal(good, walked);
  if (!good) {
    assert_true(offset <= text.size);
    assert_non_null(why);
  }
  corpora_free(copy);
  return good;
}

static bool valid_text(const char *text) {
  return valid(lti_slice_of(text));
}

/* ---- what is JSON ---------------------------------------------------------------------------- */

static void check_verdict(const char *name, leat_slice bytes, void *ctx) {
  size_t *wrong = ctx;
  bool good = valid(bytes);
  if ((name[0] == 'y' && !good) || (name[0] == 'n' && good)) {
    printf("%s: %s\n", name, good ? "accepted" : "refused");
    ++*wrong;
  }
}

static void test_js_01_every_verdict_of_jsontestsuite(void **state) {
  (void)state;
  size_t wrong = 0;
  corpora_require("json_test_suite/test_parsing");
  size_t files = corpora_each("json_test_suite/test_parsing", ".json", check_verdict, &wrong);
  printf("%zu files of JSONTestSuite\n", files);
  assert_true(files > 100);
  assert_int_equal(wrong, 0);
}

static void test_js_01_nesting_is_refused_without_stack(void **state) {
  (void)state;
  static char deep[500000];
  size_t offset;
  const char *why;
  memset(deep, '[', 100000);
  assert_false(valid(lti_slice(deep, 100000)));
  assert_false(lti_json_valid(lti_slice(deep, 100000), &offset, &why));
  assert_int_equal(offset, LTI_JSON_DEPTH_MAX);
  assert_string_equal(why, "nested too deeply");
  for (size_t i = 0; i < 100000; i++) memcpy(deep + 5 * i, "{\"\":[", 5);
  assert_false(valid(lti_slice(deep, sizeof deep)));
  for (size_t depth = LTI_JSON_DEPTH_MAX - 1; depth <= LTI_JSON_DEPTH_MAX + 1; depth++) {
    memset(deep, '[', depth);
    memset(deep + depth, ']', depth);
    assert_int_equal(valid(lti_slice(deep, 2 * depth)), depth <= LTI_JSON_DEPTH_MAX);
    assert_false(valid(lti_slice(deep, 2 * depth - 1)));
  }
}

static void test_js_01_mixed_nesting_remembers_every_level(void **state) {
  (void)state;
  char text[8 * LTI_JSON_DEPTH_MAX], *end = text;
  uint64_t kinds[LTI_JSON_DEPTH_MAX];
  lti_prng random;
  lti_prng_seed(&random, 7);
  for (int round = 0; round < 50; round++) {
    end = text;
    for (size_t i = 0; i < LTI_JSON_DEPTH_MAX; i++) {
      kinds[i] = lti_prng_next(&random) & 1;
      end = stpcpy(end, kinds[i] ? "{\"k\":" : "[");
    }
    *end++ = '1';
    for (size_t i = LTI_JSON_DEPTH_MAX; i-- > 0;) *end++ = kinds[i] ? '}' : ']';
    leat_slice all = lti_slice(text, (size_t)(end - text));
    assert_true(valid(all));
    char *closer = end - 1 - lti_prng_next(&random) % LTI_JSON_DEPTH_MAX;
    *closer = *closer == '}' ? ']' : '}';
    assert_false(valid(all));
  }
}

static const char *const refused[] = {"",
                                      " ",
                                      "[",
                                      "{",
                                      "]",
                                      "}",
                                      ",",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{,}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\" 1}",
                                      "{a:1}",
                                      "{1:1}",
                                      "[1}",
                                      "{\"a\":1]",
                                      "1 2",
                                      "[] []",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "tru",
                                      "falsy",
                                      "\"",
                                      "\"\\",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\n\"",
                                      "\"\t\"",
                                      "'a'",
                                      "-",
                                      "+1",
                                      "01",
                                      "-01",
                                      "1.",
                                      ".5",
                                      "1.e1",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "1_000",
                                      "NaN",
                                      "Infinity",
                                      "-Infinity",
                                      "\xef\xbb\xbf{}",
                                      "[1]x",
                                      "//c\n1",
                                      "[\"a\":1]",
                                      "{\"a\",\"b\"}",
                                      "\f1",
                                      "1\v",
                                      "\xc2\xa0"
                                      "1"};

static const char *const accepted[] = {"0",
                                       "-0",
                                       "1e400",
                                       "\"\"",
                                       "null",
                                       "true",
                                       "false",
                                       "[]",
                                       "{}",
                                       " [ ] ",
                                       "\t{\r\n} ",
                                       "[1,2]",
                                       "{\"a\":1,\"a\":2}",
                                       "\"\\ud800\"",
                                       "\"\xff\"",
                                       "\"\x7f\"",
                                       "0e1",
                                       "0.0",
                                       "1E-07",
                                       "\"\\u0000\\b\\f\\n\\r\\t\\/\\\\\\\"\"",
                                       "[[[]],{\"a\":{\"b\":[{}]}}]"};

static void check_text(const char *text, bool is_json) {
  leat_slice bytes = lti_slice_of(text);
  if (valid(bytes) != is_json) fail_msg("%.*s", (int)bytes.size, bytes.data);
}

static void test_what_is_not_json_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) check_text(refused[i], false);
  for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) check_text(accepted[i], true);
}

static const char CHUNK[] =
    "{\"id\":\"c-1\", \"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":"
    "\"h\\u00e9llo "
    "\\\"w\\\"\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"a\":-1.5e3,"
    "\"b\":[true,false,null,\"\",{},[]]}}";

static void test_every_prefix_of_an_object_is_refused(void **state) {
  (void)state;
  assert_true(valid_text(CHUNK));
  for (size_t i = 0; i + 1 < sizeof CHUNK; i++) {
    if (valid(lti_slice(CHUNK, i))) fail_msg("accepted the first %zu bytes", i);
  }
}

static void test_the_offset_of_an_error_is_where_it_stands(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t offset;
  } rows[] = {{"{\"a\":1,}", 7}, {"[1,2 3]", 5},  {"[nul]", 1},      {"{\"a\" 1}", 5}, {"1 x", 2},
              {"\"a\nb\"", 2},   {"\"a\\q\"", 2}, {"[1,2", 4},       {"[01]", 3},      {"", 0},
              {"\"abc", 4},      {"[1.]", 3},     {"{\"a\":tru}", 5}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t offset = 99;
    const char *why;
    assert_false(lti_json_valid(lti_slice_of(rows[i].text), &offset, &why));
    if (offset != rows[i].offset) fail_msg("%s: %zu %s", rows[i].text, offset, why);
  }
  assert_false(lti_json_valid(lti_slice(NULL, 0), NULL, NULL));
}

/* ---- the reader's states --------------------------------------------------------------------- */

static void test_reading_an_object(void **state) {
  (void)state;
  lti_json r;
  lti_json_text key, id = {.escaped = true};
  leat_slice usage = {NULL, 0};
  lti_json_init(&r, lti_slice(CHUNK, sizeof CHUNK - 1));
  assert_true(lti_json_enter_object(&r));
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "id")) {
      assert_true(lti_json_string(&r, &id));
    } else if (lti_json_key_is(key, "usage")) {
      assert_true(lti_json_raw(&r, &usage));
    } else {
      lti_json_skip(&r);
    }
  }
  assert_true(lti_json_at_end(&r));
  assert_true(lti_slice_is(id.raw, "c-1") && !id.escaped && id.ascii);
  assert_true(lti_slice_is(usage, "{\"a\":-1.5e3,\"b\":[true,false,null,\"\",{},[]]}"));
}

static void test_a_value_that_nobody_reads_is_skipped(void **state) {
  (void)state;
  lti_json r;
  lti_json_text key;
  size_t count = 0;
  lti_json_init(&r, lti_slice(CHUNK, sizeof CHUNK - 1));
  assert_true(lti_json_enter_object(&r));
  while (lti_json_next_key(&r, &key)) count++;
  assert_true(lti_json_at_end(&r));
  assert_int_equal(count, 3);
  lti_json_init(&r, lti_slice_of("[[1,2],{\"a\":3},\"x\"]"));
  assert_true(lti_json_enter_array(&r));
  for (count = 0; lti_json_next_value(&r);) count++;
  assert_true(lti_json_at_end(&r));
  assert_int_equal(count, 3);
}

static void test_leaving_from_any_place(void **state) {
  (void)state;
  for (int reads = 0; reads < 7; reads++) {
    lti_json r;
    lti_json_text key;
    lti_json_init(&r, lti_slice_of("[{\"a\":[1,2],\"b\":{\"c\":3},\"d\":4},5]"));
    assert_true(lti_json_enter_array(&r) && lti_json_next_value(&r));
    uint32_t depth = r.depth;
    assert_true(lti_json_enter_object(&r));
    if (reads > 0) assert_true(lti_json_next_key(&r, &key));
    if (reads > 1) assert_true(lti_json_enter_array(&r));
    if (reads > 2) assert_true(lti_json_next_value(&r));
    if (reads > 3) lti_json_skip(&r);
    if (reads > 4) lti_json_leave(&r, depth + 1);
    if (reads > 5) assert_true(lti_json_next_key(&r, &key) && lti_json_enter_object(&r));
    lti_json_leave(&r, depth);
    int64_t five = 0;
    assert_true(lti_json_next_value(&r) && lti_json_int(&r, &five));
    assert_int_equal(five, 5);
    assert_false(lti_json_next_value(&r));
    assert_true(lti_json_at_end(&r));
  }
}

static void test_an_error_is_sticky(void **state) {
  (void)state;
  lti_json r;
  lti_json_text key;
  int64_t number;
  leat_slice raw;
  lti_json_init(&r, lti_slice_of("[1,x,2]"));
  assert_true(lti_json_enter_array(&r) && lti_json_next_value(&r) && lti_json_int(&r, &number));
  assert_true(lti_json_next_value(&r));
  assert_false(lti_json_int(&r, &number));
  assert_true(lti_json_failed(&r));
  assert_int_equal(lti_json_offset(&r), 3);
  const char *why = r.error;
  assert_false(lti_json_next_value(&r) || lti_json_next_key(&r, &key));
  assert_false(lti_json_enter_array(&r) || lti_json_enter_object(&r) || lti_json_raw(&r, &raw));
  assert_false(lti_json_string(&r, &key) || lti_json_null(&r) || lti_json_at_end(&r));
  assert_int_equal(lti_json_peek(&r), LTI_JSON_NONE);
  lti_json_skip(&r);
  lti_json_leave(&r, 0);
  assert_ptr_equal(r.error, why);
  assert_int_equal(lti_json_offset(&r), 3);
}

static void test_peek_tells_the_type(void **state) {
  (void)state;
  static const enum lti_json_type types[] = {LTI_JSON_NULL,   LTI_JSON_FALSE,  LTI_JSON_TRUE,
                                             LTI_JSON_NUMBER, LTI_JSON_NUMBER, LTI_JSON_STRING,
                                             LTI_JSON_ARRAY,  LTI_JSON_OBJECT};
  lti_json r;
  lti_json_init(&r, lti_slice_of("[ null,false ,true,-1,2,\"\",[ ],{}]"));
  assert_true(lti_json_enter_array(&r));
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    assert_true(lti_json_next_value(&r));
    assert_int_equal(lti_json_peek(&r), types[i]);
  }
  assert_false(lti_json_next_value(&r));
  assert_true(lti_json_at_end(&r));
}

static void test_js_04_a_wrong_type_is_ignored(void **state) {
  (void)state;
  static const char *const values[] = {"null", "true", "5", "\"x\"", "[1,{}]", "{\"a\":[]}"};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    char text[128];
    snprintf(text, sizeof text, "[%s,%s,%s,%s,%s,%s,%s,7]", values[i], values[i], values[i],
             values[i], values[i], values[i], values[i]);
    lti_json r;
    lti_json_text string;
    int64_t number = 0;
    double real;
    bool flag;
    lti_json_init(&r, lti_slice_of(text));
    assert_true(lti_json_enter_array(&r) && lti_json_next_value(&r));
    assert_int_equal(lti_json_null(&r), i == 0);
    assert_true(lti_json_next_value(&r));
    assert_int_equal(lti_json_bool(&r, &flag), i == 1);
    assert_true(lti_json_next_value(&r));
    assert_int_equal(lti_json_int(&r, &number), i == 2);
    assert_true(lti_json_next_value(&r));
    assert_int_equal(lti_json_double(&r, &real), i == 2);
    assert_true(lti_json_next_value(&r));
    assert_int_equal(lti_json_string(&r, &string), i == 3);
    assert_true(lti_json_next_value(&r));
    if (lti_json_enter_array(&r)) lti_json_leave(&r, 1);
    assert_true(lti_json_next_value(&r));
    if (lti_json_enter_object(&r)) lti_json_leave(&r, 1);
    assert_true(lti_json_next_value(&r) && lti_json_int(&r, &number));
    assert_int_equal(number, 7);
    assert_false(lti_json_next_value(&r));
    assert_true(lti_json_at_end(&r));
  }
}

static void test_js_04_keys_with_escapes_are_recognised(void **state) {
  (void)state;
  static const struct {
    const char *text, *name;
    bool same;
  } rows[] = {{"{\"content\":1}", "content", true},
              {"{\"\\u0063ontent\":1}", "content", true},
              {"{\"conten\\u0074\":1}", "content", true},
              {"{\"conten\\u0074s\":1}", "content", false},
              {"{\"\\u0063onten\":1}", "content", false},
              {"{\"\\/\\n\\\"\":1}", "/\n\"", true},
              {"{\"\\u00e9\\ud83d\\ude00\":1}", "\xc3\xa9\xf0\x9f\x98\x80", true},
              {"{\"\\ud83d\":1}", "\xef\xbf\xbd", true},
              {"{\"\\ud83d\\u0041\":1}",
               "\xef\xbf\xbd"
               "A",
               true},
              {"{\"\":1}", "", true}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_json r;
    lti_json_text key;
    lti_json_init(&r, lti_slice_of(rows[i].text));
    assert_true(lti_json_enter_object(&r) && lti_json_next_key(&r, &key));
    assert_int_equal(lti_json_key_is(key, rows[i].name), rows[i].same);
  }
}

static void test_js_04_find_takes_the_last_of_equal_keys(void **state) {
  (void)state;
  static const char text[] =
      "{\"a\":1,\"b\":[10,{\"c\":\"x\"},[]],\"a\":{\"k\":2},\"~/"
      "\":3,\"\":4,\"\\u0065\":5,\"a\":{\"k\":6}}";
  static const struct {
    const char *pointer, *want;
  } rows[] = {{"/a", "{\"k\":6}"}, {"/a/k", "6"},    {"/b/0", "10"},  {"/b/1/c", "\"x\""},
              {"/b/2", "[]"},      {"/~0~1", "3"},   {"/", "4"},      {"/e", "5"},
              {"/x", NULL},        {"/b/3", NULL},   {"/b/00", NULL}, {"/b/-", NULL},
              {"/b/0/x", NULL},    {"/b/2/0", NULL}, {"b", NULL},     {"/b/1x", NULL}};
  leat_slice value;
  assert_true(lti_json_find(lti_slice_of(text), "", &value));
  assert_true(lti_slice_is(value, text));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bool found = lti_json_find(lti_slice_of(text), rows[i].pointer, &value);
    if (found != (rows[i].want != NULL)) fail_msg("%s: %d", rows[i].pointer, found);
    if (found) assert_true(lti_slice_is(value, rows[i].want));
  }
  assert_false(lti_json_find(lti_slice_of("{\"a\":1,"), "/a", &value));
  assert_false(lti_json_find(lti_slice_of("{\"a\":1} x"), "/a", &value));
}

/* ---- scanning -------------------------------------------------------------------------------- */

static const char *scan_slowly(const char *p, const char *end, unsigned *high) {
  for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++) {
    *high |= (unsigned char)*p >> 7;
  }
  return p;
}

static void check_scan(leat_slice bytes) {
  const char *end = bytes.data + bytes.size;
  unsigned slow = 0, fast = 0, portable = 0;
  const char *want = scan_slowly(bytes.data, end, &slow);
  assert_ptr_equal(lti_json_scan(bytes.data, end, &fast), want);
  assert_ptr_equal(lti_json_scan_portable(bytes.data, end, &portable), want);
  assert_int_equal(fast != 0, slow);
  assert_int_equal(portable != 0, slow);
}

static void test_every_way_of_scanning_finds_the_same_byte(void **state) {
  (void)state;
  char bytes[48];
  for (size_t size = 0; size <= sizeof bytes; size++) {
    for (size_t at = 0; at < size; at++) {
      for (int c = 0; c < 256; c++) {
        memset(bytes, 'a', sizeof bytes);
        bytes[at] = (char)c;
        check_scan(lti_slice(bytes, size));
        if (at + 1 < size) bytes[at + 1] = at % 2 ? '"' : '\xe9';
        check_scan(lti_slice(bytes, size));
      }
    }
  }
  lti_prng random;
  lti_prng_seed(&random, 11);
  for (int i = 0; i < 20000; i++) {
    for (size_t j = 0; j < sizeof bytes; j++) {
      uint64_t n = lti_prng_next(&random);
      bytes[j] = (char)(n % 16 ? 0x20 + n / 16 % 0xe0 : n / 16);
    }
    check_scan(lti_slice(bytes, (size_t)i % (sizeof bytes + 1)));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_js_01_every_verdict_of_jsontestsuite),
      cmocka_unit_test(test_js_01_nesting_is_refused_without_stack),
      cmocka_unit_test(test_js_01_mixed_nesting_remembers_every_level),
      cmocka_unit_test(test_what_is_not_json_is_refused),
      cmocka_unit_test(test_every_prefix_of_an_object_is_refused),
      cmocka_unit_test(test_the_offset_of_an_error_is_where_it_stands),
      cmocka_unit_test(test_reading_an_object),
      cmocka_unit_test(test_a_value_that_nobody_reads_is_skipped),
      cmocka_unit_test(test_leaving_from_any_place),
      cmocka_unit_test(test_an_error_is_sticky),
      cmocka_unit_test(test_peek_tells_the_type),
      cmocka_unit_test(test_js_04_a_wrong_type_is_ignored),
      cmocka_unit_test(test_js_04_keys_with_escapes_are_recognised),
      cmocka_unit_test(test_js_04_find_takes_the_last_of_equal_keys),
      cmocka_unit_test(test_every_way_of_scanning_finds_the_same_byte),
  };
  lti_alloc_init(&heap, NULL);
  lti_buf_init(&scratch, &heap, 16u << 20, LEAT_EBODYMAX);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lti_buf_deinit(&scratch);
  return failed;
}
