/* Requests that name an endpoint: what they need and are told when it is missing, where their
 * parameters go, which base URLs they stand on, and what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define JSON "{\"model\":\"m\",\"id\":\"a/b\",\"n\":7,\"flag\":true,\"list\":[],\"nul\":null}"

static const char ok_json[] = ANSWER_JSON("200 OK", "{\"object\":\"list\",\"data\":[]}");

static void check_line(peer *p, unsigned n, const char *line) {
  const char *got = peer_request(p, n);
  if (!got || strncmp(got, line, strlen(line)) != 0 || strncmp(got + strlen(line), " HTTP", 5) != 0)
    fail_msg("%.120s\nand not\n%s", got ? got : "(nothing)", line);
}

static void expect(flow *f, int error, const char *why) {
  flow_call *c = flow_try(f);
  if (c->error != error) fail_msg("%s: %s (%s)", why, leat_error_name(c->error), c->message);
  flow_assert_has(c->message, why);
}

/* ---- what is wrong with the call */

static void test_what_an_endpoint_lacks_is_named(void **state) {
  flow *f = *state;
  leat_form_field field = {.name = "a", .value = {"b", 1}};
  leat_param params[1] = {{"id", NULL}};
  f->request.base_url = "http://127.0.0.1:1";
  f->request.body = lti_slice(NULL, 0);
  f->request.endpoint = "no.such";
  expect(f, LEAT_ENOENDPOINT, "no endpoint is called \"no.such\"");
  f->request.endpoint = "files.get";
  expect(f, LEAT_ENOENDPOINT,
         "endpoint \"files.get\" needs the parameter \"id\" of its path /v1/files/{id}");
  f->request.body = lti_slice_of("{}");
  expect(f, LEAT_EINVAL, "endpoint \"files.get\" takes no body");
  f->request.endpoint = "suno.music";
  f->request.body = lti_slice(NULL, 0);
  expect(f, LEAT_EINVAL, "endpoint \"suno.music\" needs a JSON body");
  f->request.body = lti_slice_of("{\"a\":");
  expect(f, LEAT_EJSON, "the body is not valid JSON");
  f->request.body = lti_slice(NULL, 0);
  f->request.form = &field;
  f->request.form_count = 1;
  expect(f, LEAT_EINVAL, "endpoint \"suno.music\" takes JSON, not a form");
  f->request.form_count = 0;
  f->request.form = NULL;
  f->request.endpoint = "files.upload";
  expect(f, LEAT_EINVAL, "endpoint \"files.upload\" needs a form's fields");
  f->request.endpoint = "realtime.connect";
  expect(f, LEAT_EINVAL, "endpoint \"realtime.connect\" is a WebSocket's");
  f->request.endpoint = "files.get";
  f->request.params = params;
  f->request.param_count = 1;
  expect(f, LEAT_EINVAL, "a parameter has no name or no value");
  params[0].value = "..";
  expect(f, LEAT_EURL, "the parameter \"id\" cannot stand in a path");
  params[0].value = "";
  expect(f, LEAT_ENOENDPOINT, "needs the parameter \"id\"");
  f->request.endpoint = NULL;
  expect(f, LEAT_EINVAL, "params stand in an endpoint's path");
}

static void test_an_endpoint_stands_instead_of_path_and_protocol(void **state) {
  flow *f = *state;
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = "m";
  chat.prompt = lti_slice_of("hi");
  f->request.base_url = "http://127.0.0.1:1";
  f->request.body = lti_slice(NULL, 0);
  f->request.endpoint = "models.list";
  f->request.path = "/x";
  expect(f, LEAT_EINVAL, "instead of protocol, path, method and socket");
  f->request.path = NULL;
  f->request.protocol = "raw";
  expect(f, LEAT_EINVAL, "instead of protocol, path, method and socket");
  f->request.protocol = NULL;
  f->request.method = "PUT";
  expect(f, LEAT_EINVAL, "instead of protocol, path, method and socket");
  f->request.method = NULL;
  f->request.endpoint = "suno.music";
  f->request.chat = &chat;
  expect(f, LEAT_EINVAL, "endpoint \"suno.music\" takes `body`, not `chat`");
  f->request.auth = (enum leat_auth)99;
  expect(f, LEAT_EINVAL, "auth is none of enum leat_auth");
}

/* ---- where its parameters come from */

static int add_row(flow *f, const char *path, const char *method) {
  leat_endpoint row = {.struct_size = sizeof row,
                       .name = "my.row",
                       .path = path,
                       .method = method,
                       .body = LEAT_BODY_JSON};
  return leat_endpoint_add(flow_open(f), &row);
}

static void test_a_parameter_is_the_callers_or_a_member_of_the_body(void **state) {
  static const struct {
    const char *path, *line;
  } rows[] = {
      {"/x/{id}", "POST /x/a%2Fb"},
      {"/x/{n}/{flag}", "POST /x/7/true"},
      {"/x/{given}?y={id}", "POST /x/1%3F2?y=a%2Fb"},
      {"/x/{id}.{n}{n}", "POST /x/a%2Fb.77"},
      {"/x", "POST /x?given=1%3F2"},
      {"/x?a=b", "POST /x?a=b&given=1%3F2"},
  };
  flow *f = *state;
  leat_param given = {"given", "1?2"};
  peer *p = flow_peer(f, (const char *const[]){ok_json, NULL});
  f->request.body = lti_slice_of(JSON);
  f->request.endpoint = "my.row";
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
    bool named = strstr(rows[i].line, "1%3F2") != NULL;
    f->request.params = named ? &given : NULL;
    f->request.param_count = named;
    assert_int_equal(add_row(f, rows[i].path, NULL), LEAT_OK);
    flow_chat(f, p);
    flow_wait(f);
    check_line(p, i, rows[i].line);
  }
  f->request.param_count = 0;
  static const char *const missing[] = {"/{list}", "/{nul}", "/{none}"};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(add_row(f, missing[i], NULL), LEAT_OK);
    expect(f, LEAT_ENOENDPOINT, "needs the parameter");
  }
}

static void test_the_callers_parameter_wins_and_the_model_is_the_requests(void **state) {
  flow *f = *state;
  leat_param params[] = {{"model", "given"}};
  peer *p = flow_peer(f, (const char *const[]){ok_json, NULL});
  f->request.body = lti_slice_of("{\"model\":\"body\"}");
  f->request.endpoint = "gemini.count_tokens";
  flow_chat(f, p);
  flow_wait(f);
  check_line(p, 0, "POST /v1beta/models/body:countTokens");
  f->request.model = "own";
  flow_chat(f, p);
  flow_wait(f);
  check_line(p, 1, "POST /v1beta/models/own:countTokens");
  f->request.params = params;
  f->request.param_count = 1;
  flow_chat(f, p);
  flow_wait(f);
  check_line(p, 2, "POST /v1beta/models/given:countTokens");
}

static void test_a_row_that_is_replaced_serves_who_asked_before(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ok_json, NULL});
  f->request.body = lti_slice_of(JSON);
  f->request.endpoint = "my.row";
  assert_int_equal(add_row(f, "/before/{id}", "PUT"), LEAT_OK);
  flow_call *c = flow_chat(f, p);
  assert_int_equal(add_row(f, "/behind", "PATCH"), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_chat(f, p);
  flow_wait(f);
  check_line(p, 0, "PUT /before/a%2Fb");
  check_line(p, 1, "PATCH /behind");
}

/* ---- bases */

static void test_bases_and_rows_are_joined_once(void **state) {
  static const char *const rows[][3] = {
      {"", "chat.completions", "POST /v1/chat/completions"},
      {"/", "chat.completions", "POST /v1/chat/completions"},
      {"/v1", "chat.completions", "POST /v1/chat/completions"},
      {"//v1/", "chat.completions", "POST /v1/chat/completions"},
      {"/v1beta", "chat.completions", "POST /v1/chat/completions"},
      {"/api/paas/v4", "chat.completions", "POST /api/paas/v4/chat/completions"},
      {"/openai", "chat.completions", "POST /openai/chat/completions"},
      {"/v1", "suno.music", "POST /suno/submit/MUSIC"},
      {"/v1/", "kling.text2video", "POST /kling/v1/videos/text2video"},
      {"/api/v3", "seedance.create", "POST /api/v3/contents/generations/tasks"},
      {"/v1", "jimeng.submit", "POST /jimeng/?Action=CVSync2AsyncSubmitTask&Version=2022-08-31"},
      {"/v1", "gemini.count_tokens", "POST /v1beta/models/m:countTokens"},
      {"/anthropic", "messages.create", "POST /anthropic/v1/messages"},
      {"/anthropic/v1/", "messages.create", "POST /anthropic/v1/messages"},
  };
  flow *f = *state;
  char base[128];
  peer *p = flow_peer(f, (const char *const[]){REFUSED("400 No", "c"), NULL});
  f->request.body = lti_slice_of(JSON);
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
    snprintf(base, sizeof base, "%s%s", peer_url(p), rows[i][0]);
    f->request.base_url = base;
    f->request.endpoint = rows[i][1];
    flow_submit(f);
    flow_wait(f);
    check_line(p, i, rows[i][2]);
  }
}

static void test_a_rows_own_base_is_for_when_nobody_says(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ok_json, NULL});
  char base[128];
  snprintf(base, sizeof base, "%s/there/v1", peer_url(p));
  leat_endpoint row = {
      .struct_size = sizeof row, .name = "my.row", .path = "/v1/x", .base_url = base};
  assert_int_equal(leat_endpoint_add(flow_open(f), &row), LEAT_OK);
  f->request.base_url = NULL;
  f->request.body = lti_slice(NULL, 0);
  f->request.endpoint = "my.row";
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  check_line(p, 0, "GET /there/v1/x");
}

/* Submit and polls of a job stand on the same base, and have the key in the same place. */
static void test_a_jobs_paths_are_joined_once_too(void **state) {
  flow *f = *state;
  char base[128];
  peer *p = flow_peer(
      f, (const char *const[]){ANSWER_JSON("200 OK", "{\"code\":\"success\",\"data\":\"t/1\"}"),
                               ANSWER_JSON("200 OK",
                                           "{\"code\":\"success\",\"data\":{\"status\":\"SUCCESS\","
                                           "\"task_id\":\"t/1\"}}"),
                               NULL});
  snprintf(base, sizeof base, "%s/proxy/v1/", peer_url(p));
  leat_task t;
  leat_task_init(&t);
  t.base_url = base;
  t.api_key = "sk-1";
  t.auth = LEAT_AUTH_QUERY;
  t.endpoint = "suno.music";
  t.body = lti_slice_of("{\"prompt\":\"x\"}");
  t.poll_ms = 1;
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  check_line(p, 0, "POST /proxy/suno/submit/MUSIC?key=sk-1");
  assert_non_null(strstr(peer_request(p, 1), "/proxy/suno/fetch"));
  assert_non_null(strstr(peer_request(p, 1), "key=sk-1 HTTP"));
}

/* ---- what comes back */

static void test_a_typed_chat_goes_through_a_row(void **state) {
  flow *f = *state;
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = "m";
  chat.prompt = lti_slice_of("hi");
  chat.stream = true;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.body = lti_slice(NULL, 0);
  f->request.chat = &chat;
  f->request.endpoint = "chat.completions";
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  check_line(p, 0, "POST /v1/chat/completions");
  flow_assert_has(peer_request(p, 0), "Accept: text/event-stream\r\n");
}

static void test_a_typed_chats_model_stands_in_the_path(void **state) {
  flow *f = *state;
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = "gemini-x";
  chat.prompt = lti_slice_of("hi");
  chat.stream = true;
  peer *p = flow_peer(f, (const char *const[]){REFUSED("400 No", "c"), NULL});
  f->request.body = lti_slice(NULL, 0);
  f->request.chat = &chat;
  f->request.endpoint = "gemini.generate";
  flow_chat(f, p);
  flow_wait(f);
  check_line(p, 0, "POST /v1beta/models/gemini-x:streamGenerateContent?alt=sse");
}

static void test_bytes_come_as_they_are_and_statuses_are_errors(void **state) {
  flow *f = *state;
  leat_param id = {"id", "x"};
  peer *p = flow_peer(f, (const char *const[]){ANSWER("200 OK", "video/mp4", "\1\2\3"),
                                               REFUSED("404 No", "gone"), NULL});
  f->request.body = lti_slice(NULL, 0);
  f->request.endpoint = "video.content";
  f->request.params = &id;
  f->request.param_count = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "\1\2\3");
  c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_string_equal(c->provider_code, "gone");
}

static int keep_reply(flow_call *c, const leat_event *event) {
  if (event->kind == LEAT_EVENT_REPLY)
    snprintf(c->ctx, 128, "%.*s", (int)event->text.size, event->text.data);
  return LEAT_CONTINUE;
}

static void test_json_comes_whole(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ok_json, NULL});
  char *reply = flow_keep(f, 128);
  f->request.body = lti_slice(NULL, 0);
  f->request.endpoint = "models.list";
  flow_call *c = flow_chat(f, p);
  c->ctx = reply;
  c->on_event = keep_reply;
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(reply, "{\"object\":\"list\",\"data\":[]}");
}

static void test_what_costs_each_time_is_not_sent_twice(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<close>>", ok_json, NULL});
  f->request.body = lti_slice_of("{\"prompt\":\"x\"}");
  f->request.endpoint = "suno.music";
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EUNCERTAIN);
  assert_int_equal(peer_requests(p), 1);
}

static void test_a_background_stream_is_resumed(void **state) {
  static const char stream[] = CHAT_HEAD
      "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
      "\"sequence_number\":43,\"output_index\":0,\"content_index\":0,\"delta\":\"lo\"}\n\n<<cut>>"
      "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":44,"
      "\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[]}}\n\n<<last>>";
  flow *f = *state;
  leat_param params[] = {{"id", "r"}, {"starting_after", "42"}};
  peer *p = flow_peer(f, (const char *const[]){stream, NULL});
  f->request.body = lti_slice(NULL, 0);
  f->request.endpoint = "responses.resume";
  f->request.params = params;
  f->request.param_count = 2;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "lo");
  check_line(p, 0, "GET /v1/responses/r?stream=true&starting_after=42");
}

static void test_gemini_streams_where_the_row_does(void **state) {
  static const char stream[] =
      ANSWER("200 OK", "application/json",
             "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"he\"}]}}]}\n,"
             "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"y\"}]},"
             "\"finishReason\":\"STOP\"}]}]");
  flow *f = *state;
  leat_param model = {"model", "g"};
  peer *p = flow_peer(f, (const char *const[]){stream, NULL});
  f->request.body = lti_slice_of("{\"contents\":[]}");
  f->request.endpoint = "gemini.stream_array";
  f->request.params = &model;
  f->request.param_count = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hey");
  f->request.endpoint = "gemini.generate";
  f->request.stream = true;
  flow_chat(f, p);
  flow_wait(f);
  check_line(p, 1, "POST /v1beta/models/g:streamGenerateContent?alt=sse");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_what_an_endpoint_lacks_is_named),
      FLOW_TEST(test_an_endpoint_stands_instead_of_path_and_protocol),
      FLOW_TEST(test_a_parameter_is_the_callers_or_a_member_of_the_body),
      FLOW_TEST(test_the_callers_parameter_wins_and_the_model_is_the_requests),
      FLOW_TEST(test_a_row_that_is_replaced_serves_who_asked_before),
      FLOW_TEST(test_bases_and_rows_are_joined_once),
      FLOW_TEST(test_a_rows_own_base_is_for_when_nobody_says),
      FLOW_TEST(test_a_jobs_paths_are_joined_once_too),
      FLOW_TEST(test_a_typed_chat_goes_through_a_row),
      FLOW_TEST(test_a_typed_chats_model_stands_in_the_path),
      FLOW_TEST(test_bytes_come_as_they_are_and_statuses_are_errors),
      FLOW_TEST(test_json_comes_whole),
      FLOW_TEST(test_what_costs_each_time_is_not_sent_twice),
      FLOW_TEST(test_a_background_stream_is_resumed),
      FLOW_TEST(test_gemini_streams_where_the_row_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
