/* The endpoints and task forms of an engine: its own beside and in place of the built-in ones, one
 * by one and from JSON, what is refused and with which words, and that nothing is lost without
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "core/endpoints.h"
#include "support/failing.h"

typedef struct desk {
  leat_engine *engine;
} desk;

static int setup(void **state) {
  static desk d;
  assert_int_equal(leat_open(&d.engine, NULL, NULL), LEAT_OK);
  *state = &d;
  return 0;
}

static int teardown(void **state) {
  desk *d = *state;
  leat_close(d->engine, LEAT_CLOSE_NOW, NULL, NULL);
  return leat_run(d->engine);
}

static size_t rows_of(const leat_engine *engine) {
  size_t n = 0;
  while (leat_endpoint_at(engine, n)) n++;
  return n;
}

static int load(desk *d, const char *json) {
  return leat_endpoint_load(d->engine, lti_slice_of(json));
}

/* ---- one by one */

static void test_its_own_row_stands_behind_the_built_in_ones(void **state) {
  desk *d = *state;
  size_t before = rows_of(NULL);
  char path[32] = "/mine/{x}";
  leat_endpoint row = {.struct_size = sizeof row, .name = "my.call", .path = path};
  assert_null(leat_endpoint_find(d->engine, "my.call"));
  assert_int_equal(leat_endpoint_add(d->engine, &row), LEAT_OK);
  memset(path, 'z', 5); /* it was copied */
  const leat_endpoint *found = leat_endpoint_find(d->engine, "my.call");
  assert_non_null(found);
  assert_string_equal(found->path, "/mine/{x}");
  assert_string_equal(found->method, "GET");
  assert_ptr_equal(leat_endpoint_at(d->engine, before), found);
  assert_int_equal(rows_of(d->engine), before + 1);
  assert_int_equal(rows_of(NULL), before);
  row = (leat_endpoint){
      .struct_size = sizeof row, .name = "my.call", .path = "/other", .body = LEAT_BODY_JSON};
  assert_int_equal(leat_endpoint_add(d->engine, &row), LEAT_OK);
  assert_int_equal(rows_of(d->engine), before + 1);
  assert_string_equal(leat_endpoint_find(d->engine, "my.call")->path, "/other");
  assert_string_equal(leat_endpoint_find(d->engine, "my.call")->method, "POST");
}

static void test_a_built_in_row_is_replaced_where_it_stands(void **state) {
  desk *d = *state;
  leat_endpoint row = *leat_endpoint_find(NULL, "suno.music");
  size_t at = 0;
  while (leat_endpoint_at(NULL, at) != leat_endpoint_find(NULL, "suno.music")) at++;
  row.path = "/v9/music";
  assert_int_equal(leat_endpoint_add(d->engine, &row), LEAT_OK);
  assert_string_equal(leat_endpoint_at(d->engine, at)->path, "/v9/music");
  assert_string_equal(leat_endpoint_find(NULL, "suno.music")->path, "/suno/submit/MUSIC");
  assert_int_equal(rows_of(d->engine), rows_of(NULL));
}

static void test_a_form_gets_its_defaults(void **state) {
  desk *d = *state;
  leat_task_form form = {.struct_size = sizeof form, .name = "mine", .poll_path = "/j/{id}"};
  assert_int_equal(leat_task_form_add(d->engine, &form), LEAT_OK);
  const leat_task_form *found = leat_task_form_find(d->engine, "mine");
  assert_string_equal(found->poll_method, "GET");
  assert_int_equal(found->poll_ms, 15000);
  assert_int_equal(found->batch_max, 100);
  assert_null(leat_task_form_find(NULL, "mine"));
}

static void test_what_is_no_row_is_refused(void **state) {
  desk *d = *state;
  static const leat_endpoint fine = {
      .struct_size = sizeof fine, .name = "a.b", .path = "/x", .method = "GET"};
  char big[LTI_ENDPOINT_TEXT_MAX + 2];
  memset(big, 'x', sizeof big - 1);
  big[0] = '/';
  big[sizeof big - 1] = '\0';
  leat_endpoint rows[20];
  for (size_t i = 0; i < 20; i++) rows[i] = fine;
  rows[0].name = "ab";
  rows[1].name = "a.b.c";
  rows[2].name = ".b";
  rows[3].name = "A.b";
  rows[4].path = NULL;
  rows[5].path = "x";
  rows[6].path = "/x y";
  rows[7].path = "/{x";
  rows[8].path = "/x#y";
  rows[9].method = "GE T";
  rows[10].protocol = "nonsense";
  rows[11].protocol = "realtime";
  rows[12].reply = LEAT_REPLY_KIND_WS;
  rows[13].reply = LEAT_REPLY_KIND_TASK;
  rows[14].task = "nonsense";
  rows[15].header = "x";
  rows[16].header = "Content-Length", rows[16].value = "3";
  rows[17].header = "x-api-key", rows[17].value = "sk-1";
  rows[18].base_url = "ftp://x";
  rows[19].path = big;
  static const char *const members[] = {"name",     "name",     "name",     "name",     "path",
                                        "path",     "path",     "path",     "path",     "method",
                                        "protocol", "protocol", "protocol", "task",     "task",
                                        "value",    "header",   "header",   "base_url", "path"};
  for (size_t i = 0; i < 20; i++) {
    assert_int_equal(leat_endpoint_add(d->engine, &rows[i]), LEAT_EINVAL);
    const char *why = leat_last_message(d->engine);
    if (strncmp(why, members[i], strlen(members[i])) != 0) fail_msg("%zu: %s", i, why);
  }
  assert_int_equal(leat_endpoint_add(d->engine, NULL), LEAT_EINVAL);
  assert_int_equal(leat_endpoint_add(NULL, &fine), LEAT_EINVAL);
  assert_int_equal(rows_of(d->engine), rows_of(NULL));
}

static void test_what_is_no_form_is_refused(void **state) {
  desk *d = *state;
  static const leat_task_form fine = {
      .struct_size = sizeof fine, .name = "a", .poll_path = "/{id}"};
  leat_task_form forms[12];
  for (size_t i = 0; i < 12; i++) forms[i] = fine;
  forms[0].name = "a.b";
  forms[1].poll_path = NULL;
  forms[2].poll_path = "/x";
  forms[3].poll_body = "{\"x\":{id}";
  forms[4].batch_path = "/b";
  forms[5].batch_path = "/b", forms[5].batch_body = "{\"ids\":[]}";
  forms[6].batch_max = 10001;
  forms[7].content_path = "/c";
  forms[8].urls = "/a b";
  forms[9].poll_ms = -1;
  forms[10].done_words = "a\nb";
  forms[11].poll_method = "";
  static const char *const members[] = {"name",       "poll_path",  "poll_path",  "poll_body",
                                        "batch_body", "batch_body", "batch_max",  "content_path",
                                        "urls",       "poll_ms",    "done_words", "poll_method"};
  for (size_t i = 0; i < 12; i++) {
    assert_int_equal(leat_task_form_add(d->engine, &forms[i]), LEAT_EINVAL);
    const char *why = leat_last_message(d->engine);
    if (strncmp(why, members[i], strlen(members[i])) != 0) fail_msg("%zu: %s", i, why);
  }
}

/* ---- from JSON */

static void test_a_file_adds_and_changes(void **state) {
  desk *d = *state;
  assert_int_equal(
      load(d,
           " {\"tasks\":[{\"name\":\"mine\",\"poll_path\":\"/j/{id}\",\"poll_ms\":5000,"
           "\"batch_path\":\"/j\",\"batch_body\":\"{\\\"ids\\\":{ids}}\",\"batch_max\":7}],"
           "\"endpoints\":[{\"name\":\"my.job\",\"path\":\"/jobs\",\"body\":\"json\","
           "\"reply\":\"task\",\"task\":\"mine\",\"group\":\"task\",\"auth\":\"mj-api-secret\","
           "\"once\":true,\"summary\":\"\\u00e9\\n\"},"
           "{\"name\":\"suno.music\",\"path\":\"/v9\",\"summary\":null}]}"),
      LEAT_EINVAL);
  assert_string_equal(
      leat_last_message(d->engine),
      "endpoints[0] \"my.job\": summary is longer than 2,048 bytes or has a control "
      "byte");
  assert_null(leat_task_form_find(d->engine, "mine"));
  assert_int_equal(
      load(d,
           " {\"endpoints\":[{\"name\":\"my.job\",\"path\":\"/jobs\",\"body\":\"json\","
           "\"reply\":\"task\",\"task\":\"mine\",\"group\":\"task\",\"auth\":\"mj-api-secret\","
           "\"once\":true,\"summary\":\"\\u00e9\"},"
           "{\"name\":\"suno.music\",\"path\":\"/v9\",\"summary\":null}],"
           "\"tasks\":[{\"name\":\"mine\",\"poll_path\":\"/j/{id}\",\"poll_ms\":5000,"
           "\"batch_path\":\"/j\",\"batch_body\":\"{\\\"ids\\\":{ids}}\",\"batch_max\":7}]}"),
      LEAT_OK);
  const leat_endpoint *row = leat_endpoint_find(d->engine, "my.job");
  assert_int_equal(row->auth, LEAT_AUTH_MJ_API_SECRET);
  assert_int_equal(row->body, LEAT_BODY_JSON);
  assert_int_equal(row->reply, LEAT_REPLY_KIND_TASK);
  assert_int_equal(row->group, LEAT_REPLY_TASK);
  assert_string_equal(row->summary, "\xc3\xa9");
  assert_string_equal(row->method, "POST");
  assert_true(row->once && !row->confirmed);
  row = leat_endpoint_find(d->engine, "suno.music");
  assert_string_equal(row->path, "/v9");
  assert_null(row->summary);
  assert_string_equal(row->task, "suno"); /* what it does not say stays */
  assert_int_equal(load(d, "[{\"name\":\"suno.music\",\"path\":\"/v10\"}]"), LEAT_OK);
  assert_string_equal(leat_endpoint_find(d->engine, "suno.music")->path, "/v10");
  const leat_task_form *form = leat_task_form_find(d->engine, "mine");
  assert_int_equal(form->batch_max, 7);
  assert_string_equal(form->batch_body, "{\"ids\":{ids}}");
}

static void test_what_is_wrong_is_said_and_where(void **state) {
  static const struct {
    const char *json, *why;
    int error;
  } rows[] = {
      {"", "not valid JSON: ", LEAT_EJSON},
      {"{\"endpoints\":[}", "not valid JSON: ", LEAT_EJSON},
      {"7", "an object is wanted", LEAT_EINVAL},
      {"[{}]", "endpoints[0]: \"name\" must be there", LEAT_EINVAL},
      {"{\"endpoint\":[]}", "\"endpoints\" and \"tasks\" are all", LEAT_EINVAL},
      {"{\"tasks\":[],\"tasks\":[]}", "\"endpoints\" and \"tasks\" are all", LEAT_EINVAL},
      {"{\"endpoints\":{}}", "\"endpoints\" must be an array", LEAT_EINVAL},
      {"{\"endpoints\":[1]}", "endpoints[0]: must be an object", LEAT_EINVAL},
      {"{\"endpoints\":[{}]}", "endpoints[0]: \"name\" must be there, a text", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":7}]}", "endpoints[0]: \"name\" must be there", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\"}]}", "endpoints[0] \"a.b\": path is missing",
       LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\",\"pth\":\"/x\"}]}",
       "endpoints[0] \"a.b\": has a member that is not known; known are name summary", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\",\"path\":1}]}",
       "endpoints[0] \"a.b\": \"path\" must be a text, or null", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\",\"path\":\"/\\u0000\"}]}",
       "endpoints[0] \"a.b\": \"path\" must be a text without NUL", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\",\"path\":\"/x\",\"reply\":\"jsn\"}]}",
       "endpoints[0] \"a.b\": \"reply\" must be one of json sse array ws bytes task", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\",\"path\":\"/x\",\"auth\":3}]}",
       "endpoints[0] \"a.b\": \"auth\" must be one of default bearer raw x-api-key", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\",\"path\":\"/x\",\"once\":1}]}",
       "endpoints[0] \"a.b\": \"once\" must be true or false", LEAT_EINVAL},
      {"{\"endpoints\":[{\"name\":\"a.b\",\"path\":\"/x\"},{\"name\":\"a.b\",\"path\":\"/x\"}]}",
       "endpoints[1] \"a.b\": stands there twice", LEAT_EINVAL},
      {"{\"tasks\":[{\"name\":\"a\",\"poll_path\":\"/{id}\",\"batch_max\":1.5}]}",
       "tasks[0] \"a\": \"batch_max\" must be a number", LEAT_EINVAL},
      {"{\"tasks\":[{\"name\":\"a\",\"poll_path\":\"/{id}\",\"poll_ms\":\"5s\"}]}",
       "tasks[0] \"a\": \"poll_ms\" must be milliseconds", LEAT_EINVAL},
      {"{\"tasks\":[{\"name\":\"a\",\"poll_path\":\"/\"}]}",
       "tasks[0] \"a\": poll_path has no {id}", LEAT_EINVAL},
  };
  desk *d = *state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(load(d, rows[i].json), rows[i].error);
    const char *why = leat_last_message(d->engine);
    if (strncmp(why, rows[i].why, strlen(rows[i].why)) != 0) fail_msg("%s: %s", rows[i].json, why);
  }
  assert_int_equal(rows_of(d->engine), rows_of(NULL));
  assert_int_equal(leat_endpoint_load(NULL, lti_slice_of("{}")), LEAT_EINVAL);
}

/* A text of `count` rows that nobody knows. */
static char *many(size_t count) {
  size_t room = count * 48 + 64, n = 0;
  char *json = malloc(room);
  n += (size_t)snprintf(json, room, "{\"endpoints\":[");
  for (size_t i = 0; i < count; i++)
    n += (size_t)snprintf(json + n, room - n, "%s{\"name\":\"x.n%zu\",\"path\":\"/x\"}",
                          i ? "," : "", i);
  snprintf(json + n, room - n, "]}");
  return json;
}

static void test_there_are_not_more_than_a_thousand(void **state) {
  desk *d = *state;
  char *json = many(LTI_ENDPOINTS_MAX + 1);
  assert_int_equal(load(d, json), LEAT_EINVAL);
  assert_non_null(strstr(leat_last_message(d->engine), "at most 1000"));
  free(json);
  json = many(5 * LTI_ENDPOINTS_MAX);
  assert_int_equal(load(d, json), LEAT_EINVAL);
  assert_non_null(strstr(leat_last_message(d->engine), "one too many"));
  free(json);
  json = many(LTI_ENDPOINTS_MAX);
  assert_int_equal(load(d, json), LEAT_OK);
  assert_int_equal(load(d, json), LEAT_OK); /* the same again are no more */
  free(json);
  leat_endpoint row = {.struct_size = sizeof row, .name = "one.more", .path = "/x"};
  assert_int_equal(leat_endpoint_add(d->engine, &row), LEAT_EINVAL);
  json = calloc(1, LTI_ENDPOINT_JSON_BYTES_MAX + 2);
  memset(json, ' ', LTI_ENDPOINT_JSON_BYTES_MAX + 1);
  assert_int_equal(load(d, json), LEAT_EINVAL);
  free(json);
}

/* ---- without memory */

static void scenario(const leat_allocator *fns, void *ctx) {
  static const char json[] =
      "{\"endpoints\":[{\"name\":\"a.b\",\"path\":\"/x\",\"task\":\"t\"},"
      "{\"name\":\"suno.music\",\"path\":\"/\\u0041\"}],"
      "\"tasks\":[{\"name\":\"t\",\"poll_path\":\"/{id}\",\"poll_body\":\"{id}\"}]}";
  (void)ctx;
  lti_alloc alloc;
  lti_endpoints e;
  lti_buf message;
  lti_alloc_init(&alloc, fns);
  lti_endpoints_init(&e, &alloc);
  lti_buf_init(&message, &alloc, 4096, LEAT_EBODYMAX);
  int r = lti_endpoints_load(&e, lti_slice_of(json), &message);
  assert_true(r == LTI_OK || r == LEAT_ENOMEM || r == LEAT_EINVAL);
  bool there = lti_endpoints_find(&e, "a.b") != NULL;
  assert_int_equal(there, r == LTI_OK);
  assert_int_equal(lti_endpoints_form_find(&e, "t") != NULL, there);
  lti_endpoints_deinit(&e);
  lti_buf_deinit(&message);
}

static void test_every_failed_allocation_leaves_all_or_nothing(void **state) {
  (void)state;
  assert_true(failing_at_every_n(scenario, NULL) > 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_its_own_row_stands_behind_the_built_in_ones, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_a_built_in_row_is_replaced_where_it_stands, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_a_form_gets_its_defaults, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_is_no_row_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_is_no_form_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_file_adds_and_changes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_is_wrong_is_said_and_where, setup, teardown),
      cmocka_unit_test_setup_teardown(test_there_are_not_more_than_a_thousand, setup, teardown),
      cmocka_unit_test(test_every_failed_allocation_leaves_all_or_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
