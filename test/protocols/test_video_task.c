/* What a report of a video job says, in the envelopes of several gateways, and when it lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol.h"

static lti_alloc alloc;

static bool read_text(const char *json, bool submit, lti_task_report *report, lti_buf *scratch) {
  lti_buf_clear(scratch);
  return lti_protocol_task("video")->report(lti_slice_of(json), submit, report, scratch);
}

static int setup(void **state) {
  static lti_buf scratch;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&scratch, &alloc, 1024 * 1024, LEAT_EBODYMAX);
  *state = &scratch;
  return 0;
}

static int teardown(void **state) {
  lti_buf_deinit(*state);
  return 0;
}

static void test_js_14_words_and_places(void **state) {
  static const struct {
    const char *json;
    enum leat_task_state state;
    const char *id, *url;
    int progress;
  } rows[] = {
      {"{\"id\":\"a\",\"status\":\"queued\",\"progress\":0}", LEAT_TASK_RUNNING, "a", "", 0},
      {"{\"code\":\"success\",\"data\":{\"task_id\":\"b\",\"status\":\"SUCCESS\","
       "\"progress\":\"100%\",\"result_url\":\"u\"}}",
       LEAT_TASK_SUCCEEDED, "b", "u", 100},
      {"{\"code\":0,\"data\":{\"task_id\":\"c\",\"task_status\":\"processing\"}}",
       LEAT_TASK_RUNNING, "c", "", -1},
      {"{\"id\":7,\"status\":\"never heard of\"}", LEAT_TASK_RUNNING, "7", "", -1},
      {"{\"id\":\"d\",\"status\":\"failed\",\"error\":{\"message\":\"m\",\"code\":\"k\"}}",
       LEAT_TASK_FAILED, "d", "", -1},
      {"{\"id\":\"e\",\"status\":\"MODAL\"}", LEAT_TASK_NEEDS_INPUT, "e", "", -1},
  };
  lti_task_report r;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_true(read_text(rows[i].json, false, &r, *state));
    assert_int_equal(r.state, rows[i].state);
    assert_true(lti_slice_is(r.id, rows[i].id));
    assert_true(lti_slice_is(r.url, rows[i].url));
    assert_int_equal(r.progress, rows[i].progress);
  }
}

static void test_js_14_what_is_no_report(void **state) {
  static const char *const rows[] = {"", "<html>", "[]", "null", "{}", "{\"id\":\"a\"", "\"x\""};
  lti_task_report r;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_false(read_text(rows[i], false, &r, *state));
}

static void test_a_job_that_is_not_known(void **state) {
  lti_task_report r;
  assert_true(read_text("{\"code\":\"task_not_exist\",\"message\":\"gone\",\"data\":null}", false,
                        &r, *state));
  assert_true(r.not_found);
  assert_true(lti_slice_is(r.error.message, "gone"));
}

/* The same long text with escapes stands where several facts are looked for: it is decoded more
 * than once, and what has no room any more is not there, rather than somewhere it is not. */
static void test_escaped_texts_that_fill_the_scratch(void **state) {
  lti_task_report r;
  for (size_t size = 1; size < 2100; size++) {
    static const char head[] = "{\"code\":\"\\u0041", tail[] = "\",\"message\":\"\\u0042\"}";
    size_t n = sizeof head - 1;
    char *json = malloc(n + size + sizeof tail);
    assert_non_null(json);
    memcpy(json, head, n);
    memset(json + n, 'x', size);
    memcpy(json + n + size, tail, sizeof tail);
    lti_buf_deinit(*state);
    assert_true(read_text(json, false, &r, *state));
    assert_int_equal(r.state, LEAT_TASK_FAILED);
    for (size_t i = 0; i < r.error.code.size; i++)
      assert_int_equal(r.error.code.data[i], i ? 'x' : 'A');
    free(json);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_js_14_words_and_places, setup, teardown),
      cmocka_unit_test_setup_teardown(test_js_14_what_is_no_report, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_job_that_is_not_known, setup, teardown),
      cmocka_unit_test_setup_teardown(test_escaped_texts_that_fill_the_scratch, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
