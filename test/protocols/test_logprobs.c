/* Log probabilities in every form, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "leat.h"

typedef struct sheet {
  char text[4096];
  size_t size;
} sheet;

/* "token:-0.5" with its bytes and alternatives, one walk inside the other. */
static void walk(sheet *s, leat_slice json, int depth) {
  leat_logprobs w;
  leat_logprob one;
  int rc;
  leat_logprobs_init(&w, json);
  while ((rc = leat_logprobs_next(&w, &one)) == 1) {
    assert_true(lti_slice_is_utf8(one.token));
    s->size +=
        (size_t)snprintf(s->text + s->size, sizeof s->text - s->size, "%s%.*s:%g",
                         s->size && s->text[s->size - 1] != '(' ? " " : "", (int)one.token.size,
                         one.token.data ? one.token.data : "", one.logprob);
    if (one.bytes.size)
      s->size += (size_t)snprintf(s->text + s->size, sizeof s->text - s->size, "%.*s",
                                  (int)one.bytes.size, one.bytes.data);
    if (!one.top.size || depth > 1) continue;
    s->size += (size_t)snprintf(s->text + s->size, sizeof s->text - s->size, "(");
    walk(s, one.top, depth + 1);
    s->size += (size_t)snprintf(s->text + s->size, sizeof s->text - s->size, ")");
  }
  if (rc) s->size += (size_t)snprintf(s->text + s->size, sizeof s->text - s->size, "!");
  assert_int_equal(leat_logprobs_next(&w, &one), rc);
}

static const char *read_text(leat_slice json) {
  static sheet s;
  char *block = malloc(json.size ? json.size : 1);
  assert_non_null(block);
  if (json.size) memcpy(block, json.data, json.size);
  memset(&s, 0, sizeof s);
  walk(&s, lti_slice(block, json.size), 0);
  free(block);
  return s.text;
}

static void check(const char *const (*rows)[2], size_t count) {
  for (size_t i = 0; i < count; i++)
    assert_string_equal(read_text(lti_slice_of(rows[i][0])), rows[i][1]);
}

static void test_every_form(void **state) {
  static const char *const rows[][2] = {
      {"{\"content\":[{\"token\":\"Hi\",\"logprob\":-0.5,\"bytes\":[72,105],\"top_logprobs\":[{"
       "\"token\":\"Hi\",\"logprob\":-0.5,\"bytes\":null},{\"token\":\"Yo\",\"logprob\":-2}]},"
       "{\"token\":\"!\",\"logprob\":0}],\"refusal\":[{\"token\":\"No\",\"logprob\":-1}]}",
       "Hi:-0.5[72,105](Hi:-0.5 Yo:-2) !:0 No:-1"},
      {"{\"content\":null,\"refusal\":[{\"token\":\"No\",\"logprob\":-1}]}", "No:-1"},
      {"{\"content\":[],\"refusal\":null}", ""},
      {"{\"content\":null,\"refusal\":null}", ""},
      {" [ {\"token\":\"a\",\"logprob\":-1 , \"bytes\":[97],\"top_logprobs\":[]} , "
       "{\"logprob\":-2,\"token\":\"b\"} ] ",
       "a:-1[97]() b:-2"},
      {"{\"tokens\":[\"a\",\" b\"],\"token_logprobs\":[null,-0.25],\"top_logprobs\":[null,"
       "{\" b\":-0.25,\" \\u0063\":-3}],\"text_offset\":[0,1]}",
       "a:0  b:-0.25( b:-0.25  c:-3)"},
      {"{\"tokens\":[\"a\",\"b\"]}", "a:0 b:0"},
      {"{\" the\":-0.5,\"content\":-1.5}", " the:-0.5 content:-1.5"},
      {"{}", ""},
      {"[]", ""},
      {"null", ""},
      {"", ""},
  };
  (void)state;
  check(rows, sizeof rows / sizeof *rows);
}

static void test_js_03_what_is_no_logprob(void **state) {
  static const char *const rows[][2] = {
      {"[{\"token\":\"a\",\"logprob\":-1},5,{\"token\":\"b\",\"logprob\":-1}]", "a:-1!"},
      {"[{\"token\":5,\"logprob\":-1}]", "!"},
      {"[{\"token\":\"a\",\"logprob\":\"x\"}]", "!"},
      {"[{\"token\":\"a\"}]", "!"},
      {"[{\"token\":\"a\",\"logprob\":-1e400}]", "!"},
      {"{\"tokens\":[5],\"token_logprobs\":[1]}", "!"},
      {"{\"tokens\":[\"a\"],\"token_logprobs\":[\"1\"]}", "!"},
      {"{\"a\":\"b\"}", "!"},
      {"{\"a\":-1,\"b\":[]}", "a:-1!"},
      {"[", "!"},
      {"5", "!"},
      {"\"x\"", "!"},
      {"[{\"token\":\"a\",\"logprob\":-1}", "!"},
  };
  (void)state;
  check(rows, sizeof rows / sizeof *rows);
}

static void test_tokens_with_escapes(void **state) {
  static const char *const rows[][2] = {
      {"[{\"token\":\"\\u00e9\\n\",\"logprob\":-1}]", "\xc3\xa9\n:-1"},
      {"[{\"token\":\"\\ud83d\",\"logprob\":-1}]", "\xef\xbf\xbd:-1"},
      {"[{\"token\":\"\xe2\x82\",\"logprob\":-1,\"bytes\":[226,130]}]", "\xef\xbf\xbd:-1[226,130]"},
      {"{\"\\u0061\":-1}", "a:-1"},
  };
  char json[4096] = "[{\"logprob\":-1,\"token\":\"";
  (void)state;
  check(rows, sizeof rows / sizeof *rows);
  /* More than the walk has room for. */
  size_t size = strlen(json);
  for (int i = 0; i < 400; i++, size += 6) memcpy(json + size, "\\u00e9", 6);
  memcpy(json + size, "\"}]", 4);
  leat_logprobs w;
  leat_logprob one;
  leat_logprobs_init(&w, lti_slice_of(json));
  assert_int_equal(leat_logprobs_next(&w, &one), 1);
  assert_int_equal(one.token.size, sizeof w.text);
  assert_true(lti_slice_is_utf8(one.token));
  assert_int_equal(leat_logprobs_next(&w, &one), 0);
}

static void test_js_02_every_beginning_and_every_byte(void **state) {
  static const char *const bodies[] = {
      "{\"content\":[{\"token\":\"Hi\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\"\\u0061\","
      "\"logprob\":-1}]}],\"refusal\":[]}",
      "{\"tokens\":[\"a\",\"b\"],\"token_logprobs\":[null,-1],\"top_logprobs\":[{\"x\":-1},{}]}",
  };
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    size_t size = strlen(bodies[i]);
    char changed[256];
    for (size_t at = 0; at < size; at++) {
      read_text(lti_slice(bodies[i], at));
      for (size_t k = 0; k < 10; k++) {
        memcpy(changed, bodies[i], size);
        changed[at] = "\"}]\x00{\xff:,0["[k];
        assert_non_null(read_text(lti_slice(changed, size)));
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_form),
      cmocka_unit_test(test_js_03_what_is_no_logprob),
      cmocka_unit_test(test_tokens_with_escapes),
      cmocka_unit_test(test_js_02_every_beginning_and_every_byte),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
