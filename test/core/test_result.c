/* What a result says of an attempt is of the last one, and what a trace says is no secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"

static int pause_on_head(flow_call *c, const leat_event *event) {
  (void)c;
  return event->kind == LEAT_EVENT_HEAD ? LEAT_PAUSE : LEAT_CONTINUE;
}

/* While paused only the total runs: a pause on the head is no time without content. */
static void test_first_content_deadline_does_not_count_a_pause(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.deadlines.first_ms = 100;
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_on_head;
  flow_wait_events(f, c, 1);
  flow_run(f, 250);
  assert_int_equal(leat_resume(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static int pause_on_finish(flow_call *c, const leat_event *event) {
  (void)c;
  return event->kind == LEAT_EVENT_FINISH ? LEAT_PAUSE : LEAT_CONTINUE;
}

static void test_last_content_is_when_it_came_not_when_the_pause_ended(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD CHAT_TEXT("x") CHAT_STOP "<<sleep 50>>" CHAT_DONE "<<last>>", NULL});
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_on_finish;
  flow_wait_events(f, c, 3);
  flow_run(f, 100);
  assert_int_equal(leat_resume(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(c->result.times.done_ns - c->result.times.last_content_ns > 90ull * 1000 * 1000);
}

/* The second attempt has no head: neither its hints nor its id are the first one's. */
static void test_hints_and_ids_are_of_the_last_attempt(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 503 X\r\nRetry-After-Ms: 1\r\n"
                                               "x-request-id: one\r\n<<body>>busy<<cut>>",
                                               "<<close>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ERESET);
  assert_int_equal(c->result.retry_after_ms, -1);
  assert_string_equal(c->request_id, "");
  assert_int_equal(c->result.bytes_received, 0);
  /* the wait behind the reset is the engine's own, not the millisecond of the first answer */
  assert_true(flow_took_ms(c) > 300);
}

static void test_a_wish_about_polls_is_a_hint(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 200 OK\r\nopenai-poll-after-ms: 1234\r\n"
                                               "<<body>>x<<cut>>",
                                               NULL});
  f->request.protocol = "raw";
  f->request.base_url = peer_url(p);
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.retry_after_ms, 1234);
}

/* A refusal proves that it did not run, whatever the clock says in the wait behind it. */
static void test_the_total_in_a_backoff_is_a_timeout(void **state) {
  flow *f = *state;
  f->request.once = true;
  f->request.retries = 1;
  f->request.deadlines.total_ms = 150;
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 429 X\r\nRetry-After: 5\r\n"
                                               "Content-Length: 0\r\n\r\n",
                                               NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETOTALTIMEOUT);
}

static void test_key_05_a_query_is_not_traced(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.path = "/v1/chat?key=canary-in-query";
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(f->trace, "/v1/chat");
  assert_null(strstr(f->trace, "canary"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_first_content_deadline_does_not_count_a_pause),
      FLOW_TEST(test_last_content_is_when_it_came_not_when_the_pause_ended),
      FLOW_TEST(test_hints_and_ids_are_of_the_last_attempt),
      FLOW_TEST(test_a_wish_about_polls_is_a_hint),
      FLOW_TEST(test_the_total_in_a_backoff_is_a_timeout),
      FLOW_TEST(test_key_05_a_query_is_not_traced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
