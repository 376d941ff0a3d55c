/* The observer: every attempt seen once and in order, however it fails; what it adds goes with that
 * attempt alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/seen.h"

#define SOON "Retry-After-Ms: 1\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\n" SOON "Content-Length: 0\r\n\r\n"

/* ---- order */

static void test_a_good_request_is_started_once_and_done_once(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.path = "/v9/chat?key=secret";
  flow_call *c = flow_chat(f, p);
  memset(&s->observer, 0xff, sizeof s->observer); /* it was copied */
  flow_wait(f);
  seen_expect(s, c, "S1 D:LEAT_OK");
  assert_string_equal(s->protocol, "openai-chat");
  assert_string_equal(s->model, "m");
  assert_string_equal(s->method, "POST");
  assert_string_equal(s->host, "127.0.0.1");
  assert_string_equal(s->path, "/v9/chat");
  assert_int_equal(s->last.port, peer_port(p));
  assert_false(s->last.tls || s->last.turn);
  assert_ptr_equal(s->last.user, c);
  assert_true(s->last.submitted_ns > 0 && s->last.now_ns >= s->last.submitted_ns);
}

static void test_each_repeat_is_told_before_its_start(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *p = flow_peer(f, (const char *const[]){BUSY, BUSY, CHAT_HELLO, NULL});
  f->request.retries = 2;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  seen_expect(s, c, "S1 R1:LEAT_ESTATUS S2 R2:LEAT_ESTATUS S3 D:LEAT_OK");
  assert_int_equal(c->result.attempts, 3);
}

static void test_an_attempt_without_a_connection_is_one_too(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  char url[64];
  snprintf(url, sizeof url, "%s", peer_url(p));
  flow_peer_stop(f, p);
  f->request.base_url = url;
  f->request.retries = 1;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREFUSED);
  seen_expect(s, c, "S1 R1:LEAT_EREFUSED S2 D:LEAT_EREFUSED");
}

static void test_a_connection_that_takes_too_long_is_one_too(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *p = flow_peer_with(f, &(peer_options){.deaf = true});
  f->request.deadlines.connect_ms = 60;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECONNTIMEOUT);
  seen_expect(s, c, "S1 D:LEAT_ECONNTIMEOUT");
}

static void test_who_never_left_the_queue_has_no_attempt(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD "<<silent>>", NULL});
  f->config.conns_max = 1;
  flow_call *first = flow_chat(f, p);
  flow_wait_events(f, first, 1);
  f->request.deadlines.queue_ms = 30;
  flow_call *c = flow_chat(f, p);
  flow_wait_for(f, c);
  flow_assert_error(c, LEAT_EQUEUETIMEOUT);
  seen_expect(s, c, "D:LEAT_EQUEUETIMEOUT");
  leat_cancel(f->engine, first->id);
  flow_wait(f);
  seen_expect(s, first, "S1 D:LEAT_ECANCELLED");
}

static void test_a_free_repeat_is_told_as_any_other(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  /* A kept connection that the server has closed: nothing was taken up. */
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, "<<close>>", CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  seen_expect(s, c, "S1 R1:LEAT_ERESET S2 D:LEAT_OK");
}

static void test_a_hop_is_a_start_of_its_own(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *p =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 307 Go\r\nLocation: /v1/else\r\nContent-Length: 0\r\n\r\n", BUSY,
                       "HTTP/1.1 307 Go\r\nLocation: /v1/third\r\nContent-Length: 0\r\n\r\n",
                       CHAT_HELLO, NULL});
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  seen_expect(s, c, "S1 S1+1 R1:LEAT_ESTATUS S2+1 S2+2 D:LEAT_OK");
  assert_string_equal(s->path, "/v1/third");
  assert_int_equal(s->starts, c->result.attempts + c->result.redirects);
}

static void test_all_functions_may_be_missing(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  leat_observer none = {0};
  s->observer = none;
  peer *p = flow_peer(f, (const char *const[]){BUSY, CHAT_HELLO, NULL});
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
}

static void test_a_chat_has_its_model_and_a_bad_body_none(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = "gpt-x";
  chat.prompt = lti_slice_of("hi");
  chat.stream = true;
  f->request.body = lti_slice(NULL, 0);
  f->request.chat = &chat;
  flow_chat(f, p);
  flow_wait(f);
  assert_string_equal(s->model, "gpt-x");
  f->request.chat = NULL;
  static const char *const bodies[][2] = {
      {"{\"model\":\"\\u0041b\",\"messages\":[],\"stream\":true}", "Ab"},
      {"{\"model\":7,\"messages\":[],\"stream\":true}", ""},
      {"{\"messages\":[],\"stream\":true}", ""}};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    f->request.body = lti_slice_of(bodies[i][0]);
    flow_chat(f, p);
    flow_wait(f);
    assert_string_equal(s->model, bodies[i][1]);
  }
}

/* ---- fields of an attempt */

static void test_fields_go_with_their_attempt_alone(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = seen_add_trace;
  peer *p = flow_peer(
      f, (const char *const[]){BUSY, "HTTP/1.1 307 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
                               CHAT_HELLO, NULL});
  leat_header mine = {{"X-Mine", 6}, {"old", 3}};
  f->request.headers = &mine;
  f->request.header_count = 1;
  f->request.api_key = "sk-1";
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  static const char *const expected[] = {"traceparent: 00-1-0\r\n", "traceparent: 00-2-0\r\n",
                                         "traceparent: 00-2-1\r\n"};
  for (unsigned i = 0; i < 3; i++) {
    flow_assert_has(peer_request(p, i), expected[i]);
    flow_assert_has(peer_request(p, i), "X-Mine: new\r\n"); /* in the place of the request's own */
    flow_assert_has(peer_request(p, i), "Authorization: Bearer sk-1\r\n");
    assert_null(strstr(strstr(peer_request(p, i), "traceparent") + 1, "traceparent"));
  }
  s->on_start = NULL;
  flow_chat(f, p);
  flow_wait(f);
  assert_null(strstr(peer_request(p, 3), "traceparent"));
  flow_assert_has(peer_request(p, 3), "X-Mine: old\r\n");
}

static size_t add_many(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                       size_t room) {
  (void)e, (void)a;
  for (size_t i = 0; i < room; i++) {
    snprintf(s->values[i], sizeof s->values[i], "x-field-%zu", i);
    extra[i] = (leat_header){lti_slice_of(s->values[i]), {"", 0}};
  }
  return 1000; /* of which there are no more than the room */
}

static void test_as_many_fields_as_there_is_room_for(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = add_many;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 0), "x-field-0: \r\n");
  flow_assert_has(peer_request(p, 0), "x-field-15: \r\n");
}

static leat_header vile;

static size_t add_vile(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                       size_t room) {
  (void)s, (void)e, (void)a, (void)room;
  extra[0] = vile;
  return 1;
}

static void test_key_04_fields_that_cannot_be_sent_end_the_request(void **state) {
  static const leat_header rows[] = {
      {{"x-vi le", 7}, {"v", 1}},         {{"", 0}, {"v", 1}},
      {{"x-a", 3}, {"vile\r\nX: y", 10}}, {{"x-a", 3}, {"vi\0le", 5}},
      {{"Content-Length", 14}, {"4", 1}}, {{"host", 4}, {"vile", 4}}};
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = add_vile;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    vile = rows[i];
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_EHEADER);
    assert_true(c->message[0] != '\0');
    assert_null(strstr(c->message, "vile"));
    seen_expect(s, c, "S1 D:LEAT_EHEADER");
  }
  assert_int_equal(peer_requests(p), 0);
  s->on_start = NULL;
  flow_call *c = flow_chat(f, p); /* the connection is as good as it was */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(peer_conns(p), 1);
}

static void test_key_10_a_credential_among_them_needs_its_permission(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  char url[64], entry[64];
  s->on_start = add_vile;
  vile = (leat_header){{"X-Api-Key", 9}, {"sk-vile", 7}};
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  snprintf(url, sizeof url, "http://api.x.test:%d", peer_port(p));
  snprintf(entry, sizeof entry, "api.x.test:%d=127.0.0.1", peer_port(p));
  f->config.resolve = (const char *const[]){entry};
  f->config.resolve_count = 1;
  f->request.base_url = url;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_EPLAINKEY);
  assert_int_equal(peer_requests(p), 0);
  c = flow_chat(f, p); /* loopback */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 0), "X-Api-Key: sk-vile\r\n");
}

static void test_key_01_a_credential_among_them_stays_at_its_origin(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  char *there = flow_keep(f, 256);
  s->on_start = add_vile;
  vile = (leat_header){{"X-Api-Key", 9}, {"sk-vile", 7}};
  peer *second = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *p = flow_peer(f, (const char *const[]){there, NULL});
  snprintf(there, 256, "HTTP/1.1 307 Go\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n",
           peer_url(second));
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  seen_expect(s, c, "S1 S1+1 D:LEAT_OK");
  flow_assert_has(peer_request(p, 0), "X-Api-Key: sk-vile\r\n");
  assert_null(strstr(peer_request(second, 0), "sk-vile"));
}

static void test_key_06_a_credential_among_them_is_masked(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = add_vile;
  vile = (leat_header){{"authorization", 13}, {"Bearer sk-observed", 18}};
  peer *p =
      flow_peer(f, (const char *const[]){REFUSED("401 No", "sk-observed is no key of ours"), NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_has(peer_request(p, 0), "uthorization: Bearer sk-observed\r\n");
  flow_assert_error(c, LEAT_ESTATUS);
  assert_null(strstr(c->provider_code, "sk-observed"));
  assert_null(strstr(c->body, "sk-observed"));
  flow_assert_has(c->provider_code, "*********** is no key of ours");
  assert_null(strstr(f->trace, "sk-observed"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_good_request_is_started_once_and_done_once),
      FLOW_TEST(test_each_repeat_is_told_before_its_start),
      FLOW_TEST(test_an_attempt_without_a_connection_is_one_too),
      FLOW_TEST(test_a_connection_that_takes_too_long_is_one_too),
      FLOW_TEST(test_who_never_left_the_queue_has_no_attempt),
      FLOW_TEST(test_a_free_repeat_is_told_as_any_other),
      FLOW_TEST(test_a_hop_is_a_start_of_its_own),
      FLOW_TEST(test_all_functions_may_be_missing),
      FLOW_TEST(test_a_chat_has_its_model_and_a_bad_body_none),
      FLOW_TEST(test_fields_go_with_their_attempt_alone),
      FLOW_TEST(test_as_many_fields_as_there_is_room_for),
      FLOW_TEST(test_key_04_fields_that_cannot_be_sent_end_the_request),
      FLOW_TEST(test_key_10_a_credential_among_them_needs_its_permission),
      FLOW_TEST(test_key_01_a_credential_among_them_stays_at_its_origin),
      FLOW_TEST(test_key_06_a_credential_among_them_is_masked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
