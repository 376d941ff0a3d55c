/* The HTTP/2 codec against a server that nobody here wrote: nghttp2's, behind h2_server.h. Requests
 * with and without bodies, a thousand streams at once, small windows in both directions, answers
 * before the request's body is up, and a session that leaves in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/h2_record.h"
#include "support/h2_server.h"

static const lti_http_request get = {.method = "GET",
                                     .path = {"/v1/models?x=1", 14},
                                     .host = {"api.test", 8},
                                     .credentials_from = 9};

/* What the server of a test is told, and answers. */
typedef struct scene {
  h2_server *server;
  h2_record client;
  lti_buf back; /* from the server */
  size_t requests, closed;
  h2_request last;
  size_t answer_bytes; /* of each answer's body */
  bool answer;         /* each request at once, with the body and the end */
  bool echo_length;    /* says Content-Length */
} scene;

static void answer(scene *t, h2_request *request) {
  char length[24];
  snprintf(length, sizeof length, "%zu", t->answer_bytes);
  const char *const with[] = {"content-type", "text/plain", "content-length", length, NULL};
  const char *const without[] = {"content-type", "text/plain", NULL};
  h2_server_head(t->server, request, 200, t->echo_length ? with : without, false);
  char *body = calloc(1, t->answer_bytes + 1);
  for (size_t i = 0; i < t->answer_bytes; i++) body[i] = (char)('a' + i % 26);
  h2_server_body(t->server, request, lti_slice(body, t->answer_bytes));
  free(body);
  h2_server_finish(t->server, request, NULL);
}

static void on_request(void *ctx, h2_server *server, h2_request *request) {
  (void)server;
  scene *t = ctx;
  t->requests++;
  t->last = *request;
  if (t->answer) answer(t, request);
}

static void on_closed(void *ctx, h2_server *server, h2_request *request, uint32_t code) {
  (void)server, (void)request, (void)code;
  scene *t = ctx;
  t->closed++;
}

static void scene_open(scene *t, h2_server_config config, const lti_http2_config *client) {
  memset(t, 0, sizeof *t);
  config.on = (h2_server_events){.request = on_request, .closed = on_closed, .ctx = t};
  t->answer_bytes = 5;
  assert_true(h2_record_init(&t->client, client, NULL));
  t->server = h2_server_new(&config);
  lti_buf_init(&t->back, &t->client.alloc, 64 << 20, LEAT_EBODYMAX);
}

static void scene_close(scene *t) {
  h2_record_over(&t->client, LEAT_ERESET, "the test is over");
  assert_int_equal(t->client.breaches, 0);
  h2_server_free(t->server);
  lti_buf_deinit(&t->back);
  h2_record_deinit(&t->client);
}

/* Lets both speak until neither has anything to say. */
static void talk(scene *t) {
  bool more = true;
  while (more) {
    more = false;
    lti_buf_clear(&t->client.sent);
    assert_int_equal(lti_http2_drain(t->client.codec, &t->client.sent, 1 << 20), LTI_OK);
    if (t->client.sent.size) {
      more = true;
      assert_true(h2_server_feed(t->server, lti_buf_slice(&t->client.sent)));
    }
    lti_buf_clear(&t->back);
    if (h2_server_drain(t->server, &t->back, 1 << 20)) {
      more = true;
      t->client.inside = true;
      int rc = lti_http2_feed(t->client.codec, lti_buf_slice(&t->back), 0);
      t->client.inside = false;
      assert_int_equal(rc, LTI_OK);
    }
  }
}

static void test_request_and_answer(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.give_back = true}, NULL);
  t.answer = true;
  assert_int_equal(h2_record_open(&t.client, &get, lti_slice(NULL, 0)), LTI_OK);
  talk(&t);
  assert_int_equal(t.requests, 1);
  assert_string_equal(t.last.method, "GET");
  assert_string_equal(t.last.scheme, "https");
  assert_string_equal(t.last.authority, "api.test");
  assert_string_equal(t.last.path, "/v1/models?x=1");
  assert_int_equal(t.last.fields, 0);
  h2_call *call = &t.client.calls[0];
  assert_int_equal(call->completes, 1);
  assert_int_equal(call->status, 200);
  assert_int_equal(call->header_count, 1);
  assert_int_equal(call->body_size, 5);
  assert_memory_equal(call->body, "abcde", 5);
  assert_true(lti_http2_settled(t.client.codec) && lti_http2_acked(t.client.codec));
  assert_int_equal(lti_http2_active(t.client.codec), 0);
  assert_int_equal(h2_server_active(t.server), 0);
  scene_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_request_and_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
