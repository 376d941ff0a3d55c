/* What answers about asynchronous jobs say, in every envelope that was seen, and when they lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocol.h"
#include "support/failing.h"

static const leat_task_form *form_of(const char *name) {
  const leat_task_form *form;
  for (size_t i = 0; name && (form = lti_protocol_task_form(i)); i++)
    if (strcmp(form->name, name) == 0) return form;
  assert_null(name);
  return NULL;
}

static const char *word_of(enum leat_task_state state) {
  switch (state) {
    case LEAT_TASK_RUNNING: return "running";
    case LEAT_TASK_SUCCEEDED: return "done";
    case LEAT_TASK_FAILED: return "failed";
    case LEAT_TASK_NEEDS_INPUT: return "input";
    case LEAT_TASK_SUBMITTING:
    case LEAT_TASK_DOWNLOADING: break;
  }
  return "?";
}

/* "done a SUCCESS 100% URL code/type/message missing busy", "-" for what was not said. */
static void describe(const lti_task_report *r, char *text, size_t size) {
  const lti_provider_error *e = &r->error;
  const leat_slice none = {"-", 1};
#define SAY(s) (int)((s).size ? (s) : none).size, ((s).size ? (s) : none).data
  int n = snprintf(text, size, "%s %.*s %.*s %d%% %.*s", word_of(r->state), SAY(r->id),
                   SAY(r->status), r->progress, SAY(r->url));
  if (e->set)
    n += snprintf(text + n, size - (size_t)n, " %.*s/%.*s/%.*s", SAY(e->code), SAY(e->type),
                  SAY(e->message));
#undef SAY
  snprintf(text + n, size - (size_t)n, "%s%s", r->not_found ? " missing" : "",
           r->busy ? " busy" : "");
}

/* From a block that ends where the JSON does. */
static const char *read_report(const leat_task_form *form, bool submit, leat_slice json) {
  static char text[1024];
  lti_alloc alloc;
  lti_buf scratch;
  lti_task_report r;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&scratch, &alloc, 1 << 20, LEAT_EBODYMAX);
  char *block = malloc(json.size + 1);
  assert_non_null(block);
  if (json.size) memcpy(block, json.data, json.size);
  block = realloc(block, json.size ? json.size : 1);
  assert_non_null(block);
  int rc = lti_protocol_report(form, lti_slice(block, json.size), submit, &r, &scratch);
  if (rc == LTI_OK) describe(&r, text, sizeof text);
  if (rc == LTI_OK) assert_true(lti_slice_is_utf8(lti_slice_of(text)));
  free(block);
  lti_buf_deinit(&scratch);
  return rc == LTI_OK ? text : leat_error_name(rc);
}

typedef struct row {
  const char *form, *json, *expected;
} row;

static void check(const row *rows, size_t count, bool submit) {
  for (size_t i = 0; i < count; i++)
    assert_string_equal(read_report(form_of(rows[i].form), submit, lti_slice_of(rows[i].json)),
                        rows[i].expected);
}

#define CHECK(rows, submit) check(rows, sizeof(rows) / sizeof *(rows), submit)

static void test_js_14_every_submit(void **state) {
  static const row rows[] = {
      {"suno",
       "{\"code\":\"success\",\"message\":\"task completed successfully\","
       "\"data\":\"task_x\"}",
       "running task_x - -1% -"},
      {"video",
       "{\"id\":\"a\",\"task_id\":\"a\",\"object\":\"video\",\"model\":\"m\","
       "\"status\":\"queued\",\"progress\":0,\"created_at\":1}",
       "running a queued 0% -"},
      {"video", "{\"task_id\":\"b\",\"status\":\"queued\"}", "running b queued -1% -"},
      {"kling_text2video",
       "{\"code\":0,\"message\":\"SUCCEED\",\"request_id\":\"r\",\"data\":{\"task_id\":\"c\","
       "\"task_status\":\"submitted\",\"created_at\":1,\"updated_at\":2}}",
       "running c submitted -1% -"},
      {"suno", "{\"code\":0,\"message\":\"\",\"data\":{\"taskId\":\"d\",\"status\":\"PENDING\"}}",
       "running d PENDING -1% -"},
      {"midjourney", "{\"code\":1,\"description\":\"ok\",\"result\":\"e\",\"properties\":{}}",
       "running e - -1% -"},
      {"midjourney", "{\"code\":22,\"description\":\"queued\",\"result\":\"f\"}",
       "running f - -1% -"},
      {"midjourney", "{\"code\":21,\"description\":\"there\",\"result\":\"g\"}",
       "running g - -1% -"},
      {"jimeng",
       "{\"code\":10000,\"message\":\"Success\",\"request_id\":\"r\","
       "\"data\":{\"task_id\":\"h\"}}",
       "running h - -1% -"},
      {"vidu", "{\"task_id\":\"i\",\"state\":\"created\",\"model\":\"viduq2\"}",
       "running i created -1% -"},
      {"seedance", "{\"id\":\"cgt-1\"}", "running cgt-1 - -1% -"},
      {NULL, "{\"code\":\"success\",\"data\":12345678901234567890}",
       "running 12345678901234567890 - -1% -"},
  };
  (void)state;
  CHECK(rows, true);
}

static void test_js_14_submits_that_are_refused(void **state) {
  static const row rows[] = {
      {"midjourney", "{\"code\":23,\"description\":\"queue full\"}",
       "failed - - -1% - 23/-/queue full busy"},
      {"midjourney", "{\"code\":24,\"description\":\"banned\",\"properties\":{}}",
       "failed - - -1% - 24/-/banned"},
      {"midjourney",
       "{\"description\":\"quota_not_enough\",\"type\":\"upstream_error\","
       "\"code\":4}",
       "failed - - -1% - 4/upstream_error/quota_not_enough"},
      {"video", "{\"code\":\"invalid_request\",\"message\":\"m\",\"data\":null}",
       "failed - - -1% - invalid_request/-/m"},
      {"kling_text2video",
       "{\"code\":1303,\"message\":\"parallel task over limit\","
       "\"request_id\":\"r\"}",
       "failed - - -1% - 1303/-/parallel task over limit"},
      {"jimeng", "{\"code\":50411,\"message\":\"risk\",\"data\":null}",
       "failed - - -1% - 50411/-/risk"},
      {NULL, "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"k\"}}",
       "failed - - -1% - k/t/m"},
      {NULL, "{\"error\":\"m\"}", "failed - - -1% - -/-/m"},
      {NULL, "{\"code\":null,\"message\":\"m\",\"param\":\"p\",\"type\":\"t\"}",
       "failed - - -1% - -/t/m"},
      {NULL, "{\"success\":false,\"message\":\"m\"}", "failed - - -1% - -/-/m"},
  };
  (void)state;
  CHECK(rows, true);
}

static void test_js_14_every_poll(void **state) {
  static const row rows[] = {
      {"video",
       "{\"code\":\"success\",\"message\":\"\",\"data\":{\"id\":7,\"task_id\":\"a\","
       "\"status\":\"SUCCESS\",\"progress\":\"100%\",\"result_url\":\"https://r\","
       "\"data\":{\"task_id\":\"upstream\",\"status\":\"processing\","
       "\"url\":\"https://other\"}}}",
       "done a SUCCESS 100% https://r"},
      {"video",
       "{\"id\":\"b\",\"object\":\"video\",\"status\":\"completed\",\"progress\":100,"
       "\"error\":null,\"metadata\":{\"url\":\"https://m\",\"cover_url\":\"x\"}}",
       "done b completed 100% https://m"},
      {"video",
       "{\"task_id\":\"c\",\"status\":\"succeeded\",\"url\":\"https://u\","
       "\"format\":\"mp4\",\"metadata\":{\"duration\":5}}",
       "done c succeeded -1% https://u"},
      {"kling_image2video",
       "{\"code\":0,\"message\":\"SUCCEED\",\"data\":{\"task_id\":\"d\","
       "\"task_status\":\"succeed\",\"task_result\":{\"videos\":[{\"id\":\"v\","
       "\"url\":\"https://k\",\"duration\":\"5\"}]}}}",
       "done d succeed -1% https://k"},
      {"suno",
       "{\"code\":0,\"data\":{\"taskId\":\"e\",\"status\":\"SUCCESS\","
       "\"videoUrl\":\"https://v\",\"audioUrl\":\"https://a\"}}",
       "done e SUCCESS -1% https://a"},
      {"midjourney",
       "{\"id\":\"f\",\"action\":\"IMAGINE\",\"status\":\"IN_PROGRESS\","
       "\"progress\":\"65%\",\"state\":\"done\",\"description\":\"Submit success\","
       "\"imageUrl\":\"https://i?rand=1\",\"failReason\":null}",
       "running f IN_PROGRESS 65% https://i?rand=1"},
      {"midjourney", "{\"id\":\"g\",\"status\":\"\",\"state\":\"finished\",\"progress\":\"\"}",
       "running g - -1% -"},
      {"midjourney", "{\"id\":\"h\",\"status\":\"MODAL\"}", "input h MODAL -1% -"},
      {"jimeng",
       "{\"code\":10000,\"data\":{\"status\":\"done\",\"video_url\":\"https://j\"},"
       "\"message\":\"Success\"}",
       "done - done -1% https://j"},
      {"vidu",
       "{\"state\":\"success\",\"err_code\":\"\",\"credits\":4,\"creations\":[{\"id\":"
       "\"1\",\"cover_url\":\"https://c\",\"url\":\"https://v\"}]}",
       "done - success -1% https://v"},
      {"seedance",
       "{\"id\":\"i\",\"status\":\"succeeded\",\"content\":{\"last_frame_url\":"
       "\"https://l\",\"video_url\":\"https://s\"},\"usage\":{},\"error\":null}",
       "done i succeeded -1% https://s"},
      {"suno",
       "{\"code\":\"success\",\"data\":{\"task_id\":\"j\",\"status\":\"SUCCESS\","
       "\"data\":[{\"id\":\"1\",\"image_url\":\"https://p\",\"video_url\":\"\","
       "\"audio_url\":\"https://1\"},{\"audio_url\":\"https://2\"}]}}",
       "done j SUCCESS -1% https://1"},
      {"video",
       "{\"code\":\"success\",\"data\":{\"task_id\":\"k\",\"status\":\"SUCCESS\","
       "\"data\":{\"code\":0,\"data\":{\"task_result\":{\"videos\":"
       "[{\"url\":\"https://deep\"}]}}}}}",
       "done k SUCCESS -1% https://deep"},
      {"video",
       "{\"code\":\"success\",\"data\":{\"task_id\":\"l\",\"status\":\"SUCCESS\","
       "\"fail_reason\":\"https://old\"}}",
       "done l SUCCESS -1% https://old"},
      {"video", "{\"code\":\"success\",\"data\":[{\"task_id\":\"m\",\"status\":\"QUEUED\"}]}",
       "running m QUEUED -1% -"},
      {"midjourney", "[{\"id\":\"n\",\"status\":\"SUCCESS\"}]", "done n SUCCESS -1% -"},
  };
  (void)state;
  CHECK(rows, false);
}

static void test_js_14_polls_of_what_failed(void **state) {
  static const row rows[] = {
      {"video",
       "{\"code\":\"success\",\"data\":{\"task_id\":\"a\",\"status\":\"FAILURE\","
       "\"progress\":\"100%\",\"fail_reason\":\"no\",\"result_url\":\"\"}}",
       "failed a FAILURE 100% - -/-/no"},
      {"video",
       "{\"code\":\"success\",\"data\":{\"task_id\":\"a\",\"status\":\"FAILURE\","
       "\"fail_reason\":\"https://u\"}}",
       "failed a FAILURE -1% - -/-/https://u"},
      {"sora", "{\"id\":\"b\",\"status\":\"failed\",\"error\":{\"message\":\"m\",\"code\":\"k\"}}",
       "failed b failed -1% - k/-/m"},
      {"kling_text2video",
       "{\"code\":0,\"message\":\"SUCCEED\",\"data\":{\"task_id\":\"c\",\"task_status\":"
       "\"failed\",\"task_status_msg\":\"risk\"}}",
       "failed c failed -1% - -/-/risk"},
      {"suno",
       "{\"code\":0,\"data\":{\"taskId\":\"d\",\"status\":\"FAILURE\","
       "\"errorMessage\":\"m\"}}",
       "failed d FAILURE -1% - -/-/m"},
      {"vidu", "{\"state\":\"failed\",\"err_code\":\"AuditSubmitIllegal\"}",
       "failed - failed -1% - AuditSubmitIllegal/-/AuditSubmitIllegal"},
      {"midjourney", "{\"id\":\"e\",\"status\":\"FAILURE\",\"failReason\":\"banned\"}",
       "failed e FAILURE -1% - -/-/banned"},
      {"jimeng", "{\"code\":10000,\"data\":{\"status\":\"expired\"}}",
       "failed - expired -1% - -/-/-"},
      {"video", "{\"code\":\"task_not_exist\",\"message\":\"task_not_exist\",\"data\":null}",
       "failed - - -1% - task_not_exist/-/task_not_exist missing"},
      {"midjourney", "{\"description\":\"task_no_found\",\"type\":\"upstream_error\",\"code\":4}",
       "failed - - -1% - 4/upstream_error/task_no_found missing"},
      {"suno", "{\"code\":\"success\",\"data\":null}", "failed - - -1% - -/-/- missing"},
      {"suno", "{\"code\":\"success\",\"message\":\"\",\"data\":[]}",
       "failed - - -1% - -/-/- missing"},
  };
  (void)state;
  CHECK(rows, false);
}

static void test_js_14_every_word(void **state) {
  static const struct {
    enum leat_task_state state;
    const char *words[24];
  } rows[] = {
      {LEAT_TASK_SUCCEEDED,
       {"SUCCESS", "completed", "succeeded", "succeed", "success", "done", "complete", "finished",
        "Succeed", "DONE"}},
      {LEAT_TASK_FAILED,
       {"FAILURE", "failed", "error", "cancelled", "expired", "not_found", "fail", "timeout",
        "canceled", "FAILED"}},
      {LEAT_TASK_RUNNING,
       {"NOT_START", "SUBMITTED",  "QUEUED",    "IN_PROGRESS", "queued",  "in_progress",
        "submitted", "processing", "pending",   "running",     "created", "queueing",
        "in_queue",  "generating", "streaming", "preparing",   "PENDING", "UNKNOWN",
        "unknown",   "?",          "succ",      "successful?"}},
      {LEAT_TASK_NEEDS_INPUT, {"MODAL", "modal"}},
  };
  char json[128];
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    for (size_t k = 0; k < 24 && rows[i].words[k]; k++) {
      snprintf(json, sizeof json, "{\"id\":\"a\",\"status\":\"%s\",\"progress\":\"100%%\"}",
               rows[i].words[k]);
      const char *text = read_report(NULL, false, lti_slice_of(json));
      assert_memory_equal(text, word_of(rows[i].state), strlen(word_of(rows[i].state)));
    }
  }
}

static void test_js_14_what_is_no_report(void **state) {
  static const row rows[] = {
      {NULL, "", "LEAT_EDECODE"},
      {NULL, "<html>", "LEAT_EDECODE"},
      {NULL, "[]", "LEAT_EDECODE"},
      {NULL, "[5]", "LEAT_EDECODE"},
      {NULL, "null", "LEAT_EDECODE"},
      {NULL, "{}", "LEAT_EDECODE"},
      {NULL, "{\"id\":\"a\"", "LEAT_EDECODE"},
      {NULL, "{\"id\":\"a\"}}", "LEAT_EDECODE"},
      {NULL, "\"x\"", "LEAT_EDECODE"},
      {NULL, "{\"id\":\"a\"}", "LEAT_EDECODE"},
      {NULL, "{\"status\":{\"a\":1},\"id\":[1]}", "LEAT_EDECODE"},
      {NULL, "{\"status\":null,\"state\":true}", "LEAT_EDECODE"},
  };
  (void)state;
  CHECK(rows, false);
  assert_string_equal(read_report(NULL, true, lti_slice_of("{\"model\":\"m\"}")), "LEAT_EDECODE");
}

static void test_js_04_escapes_duplicates_and_bad_bytes(void **state) {
  static const row rows[] = {
      {NULL, "{\"id\":\"\\u0061\",\"stat\\u0075s\":\"SUCC\\u0045SS\",\"url\":\"https:\\/\\/u\"}",
       "done a SUCCESS -1% https://u"},
      {NULL, "{\"id\":\"x\",\"id\":\"b\",\"status\":\"failed\",\"status\":\"queued\"}",
       "running b queued -1% -"},
      {NULL, "{\"id\":\"\xff\",\"status\":\"\\ud800\"}", "running \xef\xbf\xbd \xef\xbf\xbd -1% -"},
      {NULL, "{\"id\":\"a\",\"status\":\"queued\",\"progress\":1e3}", "running a queued -1% -"},
      {NULL, "{\"id\":\"a\",\"status\":\"queued\",\"progress\":-5}", "running a queued -1% -"},
      {NULL, "{\"id\":\"a\",\"status\":\"queued\",\"progress\":\"%\"}", "running a queued -1% -"},
      {NULL, "{\"id\":\"a\",\"status\":\"queued\",\"progress\":412}", "running a queued 100% -"},
      {NULL, "{\"id\":\"a\",\"status\":\"queued\",\"progress\":65.9}", "running a queued 65% -"},
  };
  (void)state;
  CHECK(rows, false);
}

static void test_a_form_has_words_and_places_of_its_own(void **state) {
  static const leat_task_form form = {.struct_size = sizeof form,
                                      .name = "own",
                                      .id = "/job/number /job/name",
                                      .status = "/job/phase",
                                      .progress = "/job/percent",
                                      .urls = "/job/files",
                                      .error_code = "/job/why/number",
                                      .error_message = "/job/why/text",
                                      .good_codes = "7 fine",
                                      .done_words = "ready shipped",
                                      .failed_words = "lost success",
                                      .input_words = "asks"};
  static const row rows[] = {
      {NULL,
       "{\"code\":7,\"job\":{\"name\":\"a\",\"phase\":\"Ready\",\"percent\":\"40%\","
       "\"files\":[\"https://1\",\"https://2\"]}}",
       "done a Ready 40% https://1"},
      {NULL,
       "{\"code\":\"fine\",\"job\":{\"number\":5,\"phase\":\"shipped\","
       "\"files\":{\"url\":\"u\"}}}",
       "done 5 shipped -1% u"},
      {NULL, "{\"job\":{\"number\":5,\"phase\":\"success\",\"why\":{\"number\":9,\"text\":\"t\"}}}",
       "failed 5 success -1% - 9/-/t"},
      {NULL, "{\"job\":{\"number\":5,\"phase\":\"ASKS\"}}", "input 5 ASKS -1% -"},
      {NULL, "{\"code\":0,\"job\":{\"number\":5,\"phase\":\"ready\"}}",
       "failed 5 ready -1% - 0/-/-"},
      {NULL, "{\"id\":\"b\",\"status\":\"completed\",\"url\":\"u\"}", "done b completed -1% u"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_string_equal(read_report(&form, false, lti_slice_of(rows[i].json)), rows[i].expected);
}

/* The ids of the items, with their states' first letters: "a:d b:r". */
static const char *walk(const leat_task_form *form, const char *json) {
  static char text[512];
  leat_slice rest, item;
  size_t n = 0;
  text[0] = '\0';
  if (!lti_protocol_items(form, lti_slice_of(json), &rest)) return "none";
  while (lti_protocol_item(&rest, &item)) {
    char first = read_report(form, false, item)[0];
    lti_alloc alloc;
    lti_buf scratch;
    lti_task_report r;
    lti_alloc_init(&alloc, NULL);
    lti_buf_init(&scratch, &alloc, 1 << 20, LEAT_EBODYMAX);
    int rc = lti_protocol_report(form, item, false, &r, &scratch);
    n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s:%c", n ? " " : "",
                          rc == LTI_OK ? (int)r.id.size : 1,
                          rc == LTI_OK && r.id.size ? r.id.data : "?", rc == LTI_OK ? first : '?');
    lti_buf_deinit(&scratch);
  }
  assert_false(lti_protocol_item(&rest, &item));
  return text;
}

static void test_js_14_batches_are_taken_apart(void **state) {
  static const row rows[] = {
      {"suno",
       "{\"code\":\"success\",\"data\":[{\"id\":1,\"task_id\":\"b\",\"status\":\"SUCCESS\"},"
       " {\"id\":2,\"task_id\":\"a\",\"status\":\"IN_PROGRESS\",\"data\":[]} ]}",
       "b:d a:r"},
      {"midjourney", " [ {\"id\":\"x\",\"status\":\"FAILURE\"} , {\"id\":\"y\",\"status\":\"\"}]",
       "x:f y:r"},
      {"suno",
       "[{\"code\":0,\"message\":\"\",\"data\":{\"taskId\":\"p\",\"status\":\"SUCCESS\"}},"
       "{\"code\":0,\"data\":{\"taskId\":\"q\",\"status\":\"PENDING\"}}]",
       "p:d q:r"},
      {"suno", "{\"code\":\"success\",\"data\":[]}", ""},
      {"suno", "{\"code\":\"success\",\"data\":null}", ""},
      {"suno", "[]", ""},
      {"suno", "[5,[1,{\"id\":\"n\"}],{\"id\":\"a\",\"status\":\"done\"},null]", "?:? ?:? a:d ?:?"},
      {"suno", "[{\"id\":\"a\",\"status\":\"done\"},{\"id\"", "a:d"},
      {"suno", "{\"code\":\"invalid\",\"message\":\"m\",\"data\":null}", "none"},
      {"suno", "{\"error\":{\"message\":\"m\"}}", "none"},
      {"suno", "<html>", "none"},
      {"suno", "", "none"},
  };
  static const leat_task_form form = {.name = "own", .batch_items = "/rows /list/0"};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_string_equal(walk(form_of(rows[i].form), rows[i].json), rows[i].expected);
  assert_string_equal(walk(&form, "{\"list\":[[{\"id\":\"z\",\"status\":\"done\"}]]}"), "z:d");
  assert_string_equal(walk(&form, "{\"data\":[{\"id\":\"z\",\"status\":\"done\"}]}"), "none");
}

/* Deep, wide and long: the time is linear and nothing recurses. */
static void test_js_01_hostile_answers(void **state) {
  enum { SIZE = 1 << 20 };
  char *json = malloc(SIZE + 64);
  (void)state;
  assert_non_null(json);
  memset(json, '[', SIZE);
  assert_string_equal(read_report(NULL, false, lti_slice(json, SIZE)), "LEAT_EDECODE");
  /* A status, and a URL below more `data` than are entered. */
  static const char open[] = "{\"status\":\"done\",\"data\":", url[] = "{\"url\":\"u\"}";
  size_t n = 0, depth = 100;
  for (size_t i = 0; i < depth; i++, n += sizeof open - 1) memcpy(json + n, open, sizeof open - 1);
  memcpy(json + n, url, sizeof url - 1);
  n += sizeof url - 1;
  memset(json + n, '}', depth);
  assert_string_equal(read_report(NULL, false, lti_slice(json, n + depth)), "done - done -1% -");
  free(json);
}

static void test_escaped_texts_that_fill_the_scratch(void **state) {
  (void)state;
  for (size_t size = 1; size < 2100; size++) {
    static const char head[] = "{\"code\":\"\\u0041", tail[] = "\",\"message\":\"\\u0042\"}";
    size_t n = sizeof head - 1;
    char *json = malloc(n + size + sizeof tail);
    assert_non_null(json);
    memcpy(json, head, n);
    memset(json + n, 'x', size);
    memcpy(json + n + size, tail, sizeof tail);
    lti_alloc alloc;
    lti_buf scratch;
    lti_task_report r;
    lti_alloc_init(&alloc, NULL);
    lti_buf_init(&scratch, &alloc, 1 << 20, LEAT_EBODYMAX);
    assert_int_equal(lti_protocol_report(NULL, lti_slice_of(json), false, &r, &scratch), LTI_OK);
    assert_int_equal(r.state, LEAT_TASK_FAILED);
    assert_int_equal(r.error.code.size, size + 1);
    for (size_t i = 0; i < r.error.code.size; i++)
      assert_int_equal(r.error.code.data[i], i ? 'x' : 'A');
    assert_true(lti_slice_is(r.error.message, "B"));
    lti_buf_deinit(&scratch);
    free(json);
  }
}

static void under_failure(const leat_allocator *fns, void *ctx) {
  lti_alloc alloc;
  lti_buf scratch;
  lti_task_report r;
  (void)ctx;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&scratch, &alloc, 1 << 20, LEAT_EBODYMAX);
  int rc = lti_protocol_report(
      NULL, lti_slice_of("{\"id\":\"\\u0061\",\"status\":\"f\\u0061iled\",\"error\":\"\\u00e9\"}"),
      false, &r, &scratch);
  assert_true(rc == LTI_OK || rc == LEAT_ENOMEM);
  if (rc == LTI_OK) assert_true(lti_slice_is(r.id, "a") && r.state == LEAT_TASK_FAILED);
  if (rc == LEAT_ENOMEM) assert_true(r.id.size == 0 && r.state == LEAT_TASK_RUNNING);
  lti_buf_deinit(&scratch);
}

static void test_without_memory_nothing_is_half_told(void **state) {
  (void)state;
  assert_true(failing_at_every_n(under_failure, NULL) >= 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_js_14_every_submit),
      cmocka_unit_test(test_js_14_submits_that_are_refused),
      cmocka_unit_test(test_js_14_every_poll),
      cmocka_unit_test(test_js_14_polls_of_what_failed),
      cmocka_unit_test(test_js_14_every_word),
      cmocka_unit_test(test_js_14_what_is_no_report),
      cmocka_unit_test(test_js_04_escapes_duplicates_and_bad_bytes),
      cmocka_unit_test(test_a_form_has_words_and_places_of_its_own),
      cmocka_unit_test(test_js_14_batches_are_taken_apart),
      cmocka_unit_test(test_js_01_hostile_answers),
      cmocka_unit_test(test_escaped_texts_that_fill_the_scratch),
      cmocka_unit_test(test_without_memory_nothing_is_half_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
