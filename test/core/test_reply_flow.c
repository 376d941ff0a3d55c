/* Answers that are no chat through a whole engine: documents, none at all, plain text, errors in
 * answers of status 200, and streams of media. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define OK(body) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n<<body>>" body "<<cut>>"
#define EVENTS(body) \
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n<<chunked>>" body "<<last>>"
#define LIST "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"created\":5}]}"

static void ask(flow *f, const char *protocol, const char *path) {
  f->request.protocol = protocol;
  f->request.path = path;
  f->request.body = lti_slice_of("{\"model\":\"m\"}");
  f->request.retries = LEAT_NONE;
}

/* What leat_reply_read makes of the event while it is there. */
static int read_models(flow_call *c, const leat_event *event) {
  leat_reply *r;
  if (event->kind != LEAT_EVENT_REPLY) return LEAT_CONTINUE;
  assert_int_equal(leat_reply_read(LEAT_REPLY_MODELS, event->text, NULL, NULL, &r), LEAT_OK);
  assert_int_equal(r->count, 1);
  assert_true(lti_slice_is(r->models[0].id, "m"));
  c->number++;
  leat_reply_free(r);
  return LEAT_CONTINUE;
}

static void test_a_document_is_read_as_what_it_is(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){OK(LIST), OK("\n\n \n" LIST "\n"), NULL});
  ask(f, "json", "/v1/models");
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = read_models;
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->kinds, "HY");
    assert_int_equal(c->number, 1);
    assert_true(c->result.times.first_content_ns > 0);
  }
}

static void test_an_answer_may_have_no_body(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 204 No Content\r\n\r\n", OK(""),
                                               "HTTP/1.1 204 No Content\r\n\r\n", NULL});
  ask(f, "json", "/v1/files/x");
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->kinds, "H");
  }
  ask(f, "openai-images", NULL);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EINCOMPLETE);
}

static void test_js_07_an_error_of_status_200(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){OK("{\"error\":{\"message\":\"no such model\",\"type\":\"t\","
                                  "\"code\":\"model_not_found\"}}"),
                               OK("{\"code\":1303,\"message\":\"too many\"}"), NULL});
  static const char *const codes[] = {"model_not_found", "1303"};
  ask(f, "json", "/v1/models/x");
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_EAPI);
    assert_string_equal(c->kinds, "H");
    assert_string_equal(c->provider_code, codes[i]);
  }
}

static void test_js_08_a_page_is_no_document(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){OK("<html>502 Bad Gateway</html>"),
                                         OK("upstream connect error"), OK("{\"data\":["), NULL});
  static const int errors[] = {LEAT_ENOTSTREAM, LEAT_ENOTSTREAM, LEAT_EDECODE};
  ask(f, "json", "/v1/models");
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, errors[i]);
    assert_string_equal(c->kinds, "H");
  }
}

static void test_plain_text_is_a_transcript(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){OK("1\n00:00:00,000 --> 00:00:01,000\nHi\n\n"),
                               EVENTS("d<<cut>>ata is what it says\n"),
                               EVENTS("da<<cut>>ta: {\"type\":\"transcript.text.delta\",\"delta\":"
                                      "\"Hi\"}\n\n<<cut>>data: {\"type\":\"transcript.text.done\"}"
                                      "\n\n"),
                               NULL});
  static const char *const kinds[] = {"HY", "HY", "HT"};
  ask(f, "openai-transcript", NULL);
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->kinds, kinds[i]);
  }
  flow_assert_has(peer_request(p, 0), "POST /v1/audio/transcriptions HTTP/1.1\r\n");
}

static int see_image(flow_call *c, const leat_event *event) {
  if (event->kind != LEAT_EVENT_IMAGE) return LEAT_CONTINUE;
  c->number += event->media.partial ? 1 : 100;
  return LEAT_PAUSE;
}

/* A reader that pauses at each image, and goes on in the loop's next turn. */
static void test_streams_of_media_pause_and_go_on(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f,
      (const char *const[]){
          EVENTS("data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QQ==\"}\n\n"
                 "data: {\"type\":\"image_generation.completed\",\"b64_json\":\"QUI\\/\",\"usage\":"
                 "{\"input_tokens\":1,\"output_tokens\":2}}\n\n"),
          EVENTS("data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QQ==\"}\n\n"),
          NULL});
  static const char *const kinds[] = {"HIIU", "HI"};
  static const int errors[] = {LEAT_OK, LEAT_EINCOMPLETE}, numbers[] = {101, 1};
  ask(f, "openai-images", NULL);
  f->request.body = lti_slice_of("{\"prompt\":\"p\",\"stream\":true}");
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = see_image;
    for (unsigned n = 2; n <= strlen(kinds[i]); n++) {
      flow_run(f, 20);
      leat_resume(f->engine, c->id);
    }
    flow_wait(f);
    flow_assert_error(c, errors[i]);
    assert_string_equal(c->kinds, kinds[i]);
    assert_int_equal(c->number, numbers[i]);
  }
  flow_assert_has(peer_request(p, 0), "\r\nAccept: text/event-stream\r\n");
}

static void test_js_12_a_document_that_is_too_large(void **state) {
  flow *f = *state;
  f->config.body_bytes_max = 1024;
  peer *p = flow_peer(f, (const char *const[]){EVENTS("{\"a\":\"<<fill 5000>>\"}"), NULL});
  ask(f, "json", "/v1/x");
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EBODYMAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_document_is_read_as_what_it_is),
      FLOW_TEST(test_an_answer_may_have_no_body),
      FLOW_TEST(test_js_07_an_error_of_status_200),
      FLOW_TEST(test_js_08_a_page_is_no_document),
      FLOW_TEST(test_plain_text_is_a_transcript),
      FLOW_TEST(test_streams_of_media_pause_and_go_on),
      FLOW_TEST(test_js_12_a_document_that_is_too_large),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
