/* The shared corpus of raw responses and what a correct client makes of them: every vector in every
 * way of http1_ways.h. A result that the vector also allows counts. "WS" asks for an upgrade, which
 * this codec never sends: for it such an answer is as wrong as for a POST. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/corpora.h"
#include "support/http1_ways.h"
#include "wire/json.h"

#define VECTORS "h1-responses.jsonl"

static leat_slice value_at(leat_slice line, const char *pointer) {
  leat_slice value;
  return lti_json_find(line, pointer, &value) ? value : lti_slice("", 0);
}

/* A string without escapes, as ids, methods and bodies here are. */
static leat_slice text_at(leat_slice line, const char *pointer) {
  leat_slice value = value_at(line, pointer);
  if (value.size < 2) return lti_slice("", 0);
  return lti_slice(value.data + 1, value.size - 2);
}

static const char *result_of(const record *r) {
  if (r->code == LEAT_ETRUNCATED) return "incomplete";
  if (r->code != LTI_OK) return "error";
  return r->completes ? "complete" : "need_more";
}

static bool allowed(leat_slice line, const char *result) {
  if (lti_slice_is(text_at(line, "/expected/result"), result)) return true;
  leat_slice also = value_at(line, "/also_acceptable");
  return lti_slice_find(also, lti_slice_of(result)) != NULL;
}

static void check_details(leat_slice line, const record *r) {
  leat_slice body = text_at(line, "/expected/body"), status = value_at(line, "/expected/status");
  uint64_t number = 0;
  assert_true(lti_slice_u64(status, &number));
  assert_int_equal(r->status, number);
  assert_int_equal(r->body_size, body.size);
  if (body.size) assert_memory_equal(r->body, body.data, body.size);
  if (r->completes)
    assert_int_equal(r->reusable, lti_slice_is(value_at(line, "/expected/reuse"), "true"));
}

static void check_vector(leat_slice line) {
  leat_slice id = text_at(line, "/id"), raw = corpora_base64(text_at(line, "/raw_b64"));
  bool is_head = lti_slice_is(text_at(line, "/method"), "HEAD");
  bool closes = lti_slice_is(value_at(line, "/peer_closes"), "true");
  record_script script = {is_head ? "HEAD" : "POST", raw,
                          closes ? RECORD_ENDS_CLEAN : RECORD_STAYS_OPEN, HTTP1_LIMIT};
  record r = http1_every_way(&script);
  const char *result = result_of(&r);
  if (!allowed(line, result)) {
    record_print("unexpected", &r);
    fail_msg("%.*s: %s", (int)id.size, id.data, result);
  }
  if (strcmp(result, "error") != 0) check_details(line, &r);
  record_deinit(&r);
  corpora_free(raw);
}

static void test_h1_every_vector_of_the_corpus(void **state) {
  (void)state;
  corpora_require(VECTORS);
  leat_slice file = corpora_load(VECTORS), rest = file, line;
  size_t count = 0;
  for (; corpora_next_line(&rest, &line); count++) check_vector(line);
  assert_true(count >= 38);
  corpora_free(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_h1_every_vector_of_the_corpus)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
