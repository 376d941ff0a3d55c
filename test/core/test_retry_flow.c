/* Repeats end to end: what is repeated and what is not, how long the wait is, what the second
 * attempt sends, and what the result says of it (rows RT of the table of faults). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/flow.h"

#define SOON "Retry-After-Ms: 1\r\n"

/* `answer` first, then a good one; returns the finished call. */
static flow_call *after(flow *f, const char *answer, peer **peer_out) {
  peer *p = flow_peer(f, (const char *const[]){answer, CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  if (peer_out) *peer_out = p;
  return c;
}

static void test_rt_01_retry_after_as_the_server_says_it(void **state) {
  static const struct {
    const char *line;
    int64_t ms;
  } rows[] = {
      {"Retry-After: 2", 2000},
      {"Retry-After: 1.5", 1500},
      {"Retry-After-Ms: 250", 250},
      {"Retry-After: -5", -1},
      {"Retry-After: nan", -1},
      {"Retry-After: inf", -1},
      {"Retry-After: tomorrow", -1},
      {"Retry-After: ", -1},
      {"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"Retry-After: Sunday, 06-Nov-94 08:49:37 GMT", 0},
      {"Retry-After: Sun Nov  6 08:49:37 1994", 0},
      {"Retry-After: 9\r\nRetry-After-Ms: 40", 40},
  };
  flow *f = *state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char answer[256];
    snprintf(answer, sizeof answer, "HTTP/1.1 429 Slow\r\n%s\r\nContent-Length: 0\r\n\r\n",
             rows[i].line);
    const char *const answers[] = {answer, NULL};
    peer *p = peer_start(&(peer_options){.answers = answers});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    peer_stop(p);
    flow_assert_error(c, LEAT_ESTATUS);
    if (c->result.retry_after_ms != rows[i].ms)
      fail_msg("%s: %lld", rows[i].line, (long long)c->result.retry_after_ms);
    assert_true(c->result.retryable);
  }
}

static void test_rt_01_the_wait_is_what_was_asked_for(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  double least = FLOW_SOON_MS; /* of some: what else runs here may delay one, and hardly all */
  for (int i = 0; i < 6 && least >= 370; i++) {
    flow_call *c =
        after(f, "HTTP/1.1 429 Slow\r\nRetry-After-Ms: 120\r\nContent-Length: 0\r\n\r\n", NULL);
    flow_assert_error(c, LEAT_OK);
    assert_true(flow_took_ms(c) >= 120);
    if (flow_took_ms(c) < least) least = flow_took_ms(c);
  }
  assert_true(least < 370); /* without the wish it were 375 at least */
}

static void test_rt_04_without_a_hint_the_wait_is_jittered_half_a_second(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  flow_call *c = after(f, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", NULL);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) >= 375 && flow_took_ms(c) < FLOW_SOON_MS);
}

static void test_rt_02_a_wish_above_the_limit_is_not_slept(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  flow_call *c =
      after(f, "HTTP/1.1 503 Busy\r\nRetry-After: 121\r\nContent-Length: 0\r\n\r\n", NULL);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_true(flow_took_ms(c) < FLOW_SOON_MS);
  assert_int_equal(c->result.retry_after_ms, 121000);
  assert_int_equal(c->result.attempts, 1);
  assert_true(c->result.retryable);
}

static void test_rt_03_which_statuses_are_repeated(void **state) {
  static const struct {
    int status;
    unsigned requests;
  } rows[] = {{408, 2}, {409, 2}, {429, 2}, {500, 2}, {502, 2}, {503, 2}, {504, 2},
              {529, 2}, {400, 1}, {401, 1}, {403, 1}, {404, 1}, {413, 1}, {422, 1}};
  flow *f = *state;
  f->request.retries = 1;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char answer[256];
    snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\n" SOON "Content-Length: 0\r\n\r\n",
             rows[i].status);
    const char *const answers[] = {answer, CHAT_HELLO, NULL};
    peer *p = peer_start(&(peer_options){.answers = answers});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    unsigned requests = peer_requests(p);
    peer_stop(p);
    if (requests != rows[i].requests) fail_msg("%d: %u requests", rows[i].status, requests);
    flow_assert_error(c, requests == 2 ? LEAT_OK : LEAT_ESTATUS);
    assert_int_equal(c->result.attempts, requests);
  }
}

static void test_rt_03_the_server_says_whether_to_repeat(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  flow_call *c =
      after(f, "HTTP/1.1 400 X\r\nx-should-retry: true\r\n" SOON "Content-Length: 0\r\n\r\n", NULL);
  flow_assert_error(c, LEAT_OK);
  c = after(f, "HTTP/1.1 500 X\r\nx-should-retry: false\r\n" SOON "Content-Length: 0\r\n\r\n",
            NULL);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result.attempts, 1);
}

static void test_quota_that_is_used_up_is_not_asked_for_again(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  flow_call *c = after(f,
                       "HTTP/1.1 429 X\r\n" SOON
                       "<<body>>{\"error\":{\"message\":\"pay\","
                       "\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}<<cut>>",
                       NULL);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result.attempts, 1);
  assert_false(c->result.retryable);
  flow_assert_has(c->message, "pay");
}

/* A response that is repeated delivers nothing, not even its head. */
static void test_a_repeated_refusal_delivers_nothing(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  flow_call *c = after(f, "HTTP/1.1 500 X\r\n" SOON "Content-Length: 3\r\n\r\nbad", NULL);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->kinds, "HTF");
  assert_int_equal(c->status, 200);
  assert_true(c->result.maybe_ran_twice);
  assert_int_equal(flow_stats(f).requests_retried, 1);
}

static void test_a_rejected_attempt_did_not_run(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  flow_call *c = after(f, "HTTP/1.1 429 X\r\n" SOON "Content-Length: 0\r\n\r\n", NULL);
  flow_assert_error(c, LEAT_OK);
  assert_false(c->result.maybe_ran_twice);
}

static void test_the_last_refusal_is_told_when_repeats_are_used_up(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  peer *p = flow_peer(
      f, (const char *const[]){
             "HTTP/1.1 500 X\r\n" SOON "<<body>>{\"error\":{\"message\":\"one\"}}<<cut>>",
             "HTTP/1.1 502 X\r\n" SOON "<<body>>{\"error\":{\"message\":\"two\"}}<<cut>>",
             "HTTP/1.1 503 X\r\n" SOON "<<body>>{\"error\":{\"message\":\"three\"}}<<cut>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 503);
  assert_string_equal(c->provider_message, "three");
  assert_int_equal(c->result.attempts, 3);
  assert_string_equal(c->kinds, "H");
}

static void test_rt_05_nothing_is_repeated_behind_the_first_delta(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  flow_call *c = after(f, CHAT_HEAD CHAT_TEXT("half") "<<sleep 10>><<reset>>", NULL);
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_int_equal(c->result.attempts, 1);
  assert_string_equal(c->text, "half");
}

static void test_the_head_alone_does_not_forbid_a_repeat(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  flow_call *c = after(f, CHAT_HEAD ": ping\n\n<<sleep 20>><<reset>>", NULL);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->kinds, "HHTF");
  assert_int_equal(c->result.attempts, 2);
  assert_true(c->result.maybe_ran_twice);
}

static void test_rt_07_cancel_in_backoff_is_at_once(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  peer *p =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 503 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n", NULL});
  flow_call *c = flow_chat(f, p);
  flow_run(f, 60);
  assert_int_equal(c->dones, 0);
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  uint64_t from = uv_hrtime();
  flow_wait(f);
  assert_true(uv_hrtime() - from < FLOW_SOON_MS * 1000000ull);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_false(c->result.retryable); /* whatever the attempt before it was */
  assert_int_equal(peer_requests(p), 1);
}

static void test_rt_07_close_in_backoff_is_at_once(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  peer *p =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 503 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n", NULL});
  flow_call *c = flow_chat(f, p);
  flow_run(f, 60);
  flow_close(f, LEAT_CLOSE_NOW);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_false(c->result.retryable); /* whatever the attempt before it was */
}

static void test_rt_09_a_repeat_sends_the_same_bytes(void **state) {
  flow *f = *state;
  peer *p;
  leat_header headers[] = {{{"Idempotency-Key", 15}, {"k-1", 3}}};
  f->request.retries = 1;
  f->request.headers = headers;
  f->request.header_count = 1;
  f->request.api_key = "sk-same";
  flow_call *c = after(f, "HTTP/1.1 500 X\r\n" SOON "Content-Length: 0\r\n\r\n", &p);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(peer_request(p, 0), peer_request(p, 1));
  flow_assert_has(peer_request(p, 1), "Idempotency-Key: k-1\r\n");
}

static void test_net_10_close_after_accept_is_an_error_on_a_fresh_connection(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<close>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ERESET);
  assert_int_equal(peer_requests(p), 1);
  assert_true(c->result.retryable);
  assert_false(c->result.maybe_ran_twice);
}

static void test_a_lost_attempt_is_repeated_and_said_so(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  flow_call *c = after(f, "<<close>>", NULL);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
  assert_true(c->result.maybe_ran_twice);
}

/* PL-06: the reused connection was being closed: once more, at once, free of charge. */
static void test_pl_06_a_reused_connection_that_closes_costs_no_retry(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, "<<close>>", CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(peer_conns(p), 2);
  assert_int_equal(peer_requests(p), 3);
  assert_true(flow_took_ms(c) < FLOW_SOON_MS);
  assert_true(c->result.maybe_ran_twice);
}

static void test_pl_06_not_after_a_byte_of_the_response(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HELLO, "HTTP/1.1 200<<close>>", CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  assert_int_not_equal(c->error, LEAT_OK);
  assert_int_equal(peer_requests(p), 2);
}

static void test_once_lost_is_uncertain(void **state) {
  flow *f = *state;
  f->request.retries = 2;
  f->request.once = true;
  flow_call *c = after(f, "<<close>>", NULL);
  flow_assert_error(c, LEAT_EUNCERTAIN);
  assert_int_equal(c->result.attempts, 1);
}

static void test_once_lost_on_a_reused_connection_is_uncertain(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, "<<close>>", CHAT_HELLO, NULL});
  f->request.once = true;
  flow_chat(f, p);
  flow_wait(f);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EUNCERTAIN);
  assert_int_equal(peer_requests(p), 2);
}

static void test_once_rejected_is_repeated(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  f->request.once = true;
  flow_call *c = after(f, "HTTP/1.1 429 X\r\n" SOON "Content-Length: 0\r\n\r\n", NULL);
  flow_assert_error(c, LEAT_OK);
  assert_false(c->result.maybe_ran_twice);
}

static void test_once_with_a_server_fault_is_uncertain(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  f->request.once = true;
  flow_call *c = after(f, "HTTP/1.1 500 X\r\n" SOON "Content-Length: 0\r\n\r\n", NULL);
  flow_assert_error(c, LEAT_EUNCERTAIN);
  assert_int_equal(c->result_status, 500);
}

static void test_net_08_refused_is_named_and_repeated(void **state) {
  flow *f = *state;
  peer *p = peer_start(&(peer_options){0});
  char url[64];
  snprintf(url, sizeof url, "%s", peer_url(p));
  peer_stop(p); /* now nothing listens there */
  f->request.base_url = url;
  f->request.retries = 1;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREFUSED);
  assert_int_equal(c->result.attempts, 2);
  assert_int_not_equal(c->native, 0);
  assert_int_equal(c->layer, LEAT_LAYER_SOCKET);
  flow_assert_has(c->message, "127.0.0.1");
}

static void test_rt_06_five_hundred_waiters_of_a_dead_host_end_soon(void **state) {
  flow *f = *state;
  peer *p = peer_start(&(peer_options){0});
  char url[64];
  snprintf(url, sizeof url, "%s", peer_url(p));
  peer_stop(p);
  f->request.base_url = url;
  flow_call *calls[500];
  for (int i = 0; i < 500; i++) calls[i] = flow_submit(f);
  uint64_t from = uv_hrtime();
  flow_wait(f);
  assert_true(uv_hrtime() - from < 2 * FLOW_SOON_MS * 1000000ull);
  for (int i = 0; i < 500; i++) flow_assert_error(calls[i], LEAT_EREFUSED);
  assert_true(flow_stats(f).conns_peak <= 64);
  assert_int_equal(flow_stats(f).conns_open, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_rt_01_retry_after_as_the_server_says_it),
      FLOW_TEST(test_rt_01_the_wait_is_what_was_asked_for),
      FLOW_TEST(test_rt_04_without_a_hint_the_wait_is_jittered_half_a_second),
      FLOW_TEST(test_rt_02_a_wish_above_the_limit_is_not_slept),
      FLOW_TEST(test_rt_03_which_statuses_are_repeated),
      FLOW_TEST(test_rt_03_the_server_says_whether_to_repeat),
      FLOW_TEST(test_quota_that_is_used_up_is_not_asked_for_again),
      FLOW_TEST(test_a_repeated_refusal_delivers_nothing),
      FLOW_TEST(test_a_rejected_attempt_did_not_run),
      FLOW_TEST(test_the_last_refusal_is_told_when_repeats_are_used_up),
      FLOW_TEST(test_rt_05_nothing_is_repeated_behind_the_first_delta),
      FLOW_TEST(test_the_head_alone_does_not_forbid_a_repeat),
      FLOW_TEST(test_rt_07_cancel_in_backoff_is_at_once),
      FLOW_TEST(test_rt_07_close_in_backoff_is_at_once),
      FLOW_TEST(test_rt_09_a_repeat_sends_the_same_bytes),
      FLOW_TEST(test_net_10_close_after_accept_is_an_error_on_a_fresh_connection),
      FLOW_TEST(test_a_lost_attempt_is_repeated_and_said_so),
      FLOW_TEST(test_pl_06_a_reused_connection_that_closes_costs_no_retry),
      FLOW_TEST(test_pl_06_not_after_a_byte_of_the_response),
      FLOW_TEST(test_once_lost_is_uncertain),
      FLOW_TEST(test_once_lost_on_a_reused_connection_is_uncertain),
      FLOW_TEST(test_once_rejected_is_repeated),
      FLOW_TEST(test_once_with_a_server_fault_is_uncertain),
      FLOW_TEST(test_net_08_refused_is_named_and_repeated),
      FLOW_TEST(test_rt_06_five_hundred_waiters_of_a_dead_host_end_soon),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
