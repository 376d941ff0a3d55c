/* Bodies that were brought, made to fit the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/work/amend.h"
#include "bindings/cli/program.h"
#include "wire/json.h"

#define NOTHING .max_tokens = -1

static lti_buf out;

static const char *amended(amend a, const char *body) {
  size_t offset;
  const char *why;
  lti_buf_clear(&out);
  assert_int_equal(amend_write(&a, lti_slice_of(body), &out), LEAT_OK);
  assert_true(lti_json_valid(lti_buf_slice(&out), &offset, &why));
  assert_int_equal(lti_buf_byte(&out, '\0'), LEAT_OK);
  return out.data;
}

static void members_that_mean_nothing_here_stay_as_they_are(void **state) {
  amend a = {.model = "new", NOTHING};
  (void)state;
  assert_string_equal(amended(a, "{}"), "{\"model\":\"new\"}");
  assert_string_equal(amended(a, " { \"x\" : [1, {\"model\":2}] , \"model\":\"old\",\"y\":1e5 } "),
                      "{\"x\":[1, {\"model\":2}],\"y\":1e5,\"model\":\"new\"}");
  assert_string_equal(amended(a, "{\"mod\\u0065l\":1,\"a\\\"b\":2}"),
                      "{\"a\\\"b\":2,\"model\":\"new\"}");
}

static void streams_and_their_usage_are_asked_for(void **state) {
  amend a = {.stream = AMEND_STREAM_ON, .usage = true, NOTHING};
  (void)state;
  assert_string_equal(amended(a, "{\"stream\":false}"),
                      "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
  /* What it says of the usage itself stands. */
  assert_string_equal(amended(a, "{\"stream_options\":{}}"),
                      "{\"stream_options\":{},\"stream\":true}");
  a.usage = false;
  assert_string_equal(amended(a, "{}"), "{\"stream\":true}");
  a.stream = AMEND_STREAM_OFF;
  assert_string_equal(amended(a, "{\"stream\":true,\"stream_options\":{},\"a\":1}"),
                      "{\"a\":1,\"stream\":false}");
}

static void a_limit_keeps_the_name_that_the_body_has_for_it(void **state) {
  amend a = {.max_tokens = 7, .limit_name = "max_tokens"};
  (void)state;
  assert_string_equal(amended(a, "{}"), "{\"max_tokens\":7}");
  assert_string_equal(amended(a, "{\"max_tokens\":1}"), "{\"max_tokens\":7}");
  assert_string_equal(amended(a, "{\"max_completion_tokens\":1}"), "{\"max_completion_tokens\":7}");
  assert_string_equal(amended(a, "{\"max_output_tokens\":1}"), "{\"max_output_tokens\":7}");
  a.limit_name = NULL;
  assert_string_equal(amended(a, "{\"a\":1}"), "{\"a\":1}");
  assert_string_equal(amended(a, "{\"max_tokens\":1}"), "{\"max_tokens\":7}");
}

static void extra_members_win(void **state) {
  amend a = {.model = "m",
             .stream = AMEND_STREAM_ON,
             .usage = true,
             .max_tokens = 7,
             .limit_name = "max_tokens",
             .extra = lti_slice_of("{\"ignore_eos\":true}")};
  (void)state;
  assert_string_equal(amended(a, "{\"ignore_eos\":false,\"b\":2}"),
                      "{\"b\":2,\"model\":\"m\",\"stream\":true,\"stream_options\":"
                      "{\"include_usage\":true},\"max_tokens\":7,\"ignore_eos\":true}");
  a.extra = lti_slice_of("{\"model\":1,\"stream\":2,\"stream_options\":3,\"max_tokens\":4}");
  assert_string_equal(amended(a, "{\"model\":9,\"stream_options\":9,\"max_tokens\":9}"),
                      "{\"model\":1,\"stream\":2,\"stream_options\":3,\"max_tokens\":4}");
  a.extra = lti_slice_of("{}");
  a.model = "q\"";
  a.stream = AMEND_STREAM_KEEP;
  a.usage = false;
  a.max_tokens = -1;
  assert_string_equal(amended(a, "{}"), "{\"model\":\"q\\\"\"}");
}

static void what_changes_nothing_is_known(void **state) {
  (void)state;
  assert_false(amend_needed(&(amend){NOTHING}));
  assert_true(amend_needed(&(amend){.model = "m", NOTHING}));
  assert_true(amend_needed(&(amend){.stream = AMEND_STREAM_OFF, NOTHING}));
  assert_true(amend_needed(&(amend){.max_tokens = 0}));
  assert_true(amend_needed(&(amend){.extra = lti_slice_of("{}"), NOTHING}));
}

static void what_is_no_object_is_refused(void **state) {
  static const char *const wrong[] = {"", "[]", "1", "\"a\"", "{\"a\":}", "{\"a\":1"};
  amend a = {.model = "m", NOTHING};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    lti_buf_clear(&out);
    assert_int_equal(amend_write(&a, lti_slice_of(wrong[i]), &out), LEAT_EINVAL);
  }
}

static void a_body_that_finds_no_room_is_an_error(void **state) {
  amend a = {.model = "a model", NOTHING};
  lti_buf small;
  (void)state;
  for (size_t room = 0; room < 40; room++) {
    lti_buf_init(&small, cli_program_alloc(), room, LEAT_EBODYMAX);
    int r = amend_write(&a, lti_slice_of("{\"b\":[1,2,3],\"c\":\"d\"}"), &small);
    assert_true(r == LEAT_EBODYMAX || small.size == 39);
    lti_buf_deinit(&small);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(members_that_mean_nothing_here_stay_as_they_are),
      cmocka_unit_test(streams_and_their_usage_are_asked_for),
      cmocka_unit_test(a_limit_keeps_the_name_that_the_body_has_for_it),
      cmocka_unit_test(extra_members_win),
      cmocka_unit_test(what_changes_nothing_is_known),
      cmocka_unit_test(what_is_no_object_is_refused),
      cmocka_unit_test(a_body_that_finds_no_room_is_an_error),
  };
  lti_buf_init(&out, cli_program_alloc(), (size_t)1 << 20, LEAT_EBODYMAX);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lti_buf_deinit(&out);
  return failed;
}
