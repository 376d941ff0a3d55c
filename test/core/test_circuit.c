/* Places that fail: the circuit opens, leaves them alone, tries once and closes; and the retry
 * budget keeps a storm of thousands small. Row RT-06. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"

#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

/* A port at which nothing listens any more. */
static int dead_port(void) {
  static const char *const none[] = {CHAT_HELLO, NULL};
  peer *p = peer_start(&(peer_options){.answers = none});
  int port = peer_port(p);
  peer_stop(p);
  return port;
}

static const char *url_of(flow *f, int port) {
  char *url = flow_keep(f, 64);
  snprintf(url, 64, "http://127.0.0.1:%d", port);
  return url;
}

static flow_call *submit_and_wait(flow *f) {
  flow_call *c = flow_submit(f);
  flow_wait(f);
  return c;
}

static void test_it_opens_and_who_comes_is_told_at_once(void **state) {
  flow *f = *state;
  f->config.circuit_failures = 3;
  f->request.base_url = url_of(f, dead_port());
  f->request.retries = LEAT_NONE;
  for (int i = 0; i < 3; i++) flow_assert_error(submit_and_wait(f), LEAT_EREFUSED);
  leat_stats before = flow_stats(f);
  assert_int_equal(before.circuits_open, 1);
  for (int i = 0; i < 10; i++) {
    flow_call *c = submit_and_wait(f);
    flow_assert_error(c, LEAT_ECIRCUIT);
    assert_int_equal(c->result.attempts, 0);
    assert_true(c->result.retryable);
  }
  assert_int_equal(flow_stats(f).conns_failed, before.conns_failed);
  assert_int_equal(flow_stats(f).circuits_opened, 1);
}

static void test_one_tries_and_its_success_closes_it(void **state) {
  flow *f = *state;
  int port = dead_port();
  f->config.circuit_failures = 1;
  f->config.circuit_ms = 500;
  f->request.base_url = url_of(f, port);
  f->request.retries = LEAT_NONE;
  flow_assert_error(submit_and_wait(f), LEAT_EREFUSED);
  flow_assert_error(submit_and_wait(f), LEAT_ECIRCUIT);
  static const char *const answers[] = {"<<sleep 50>>" CHAT_HELLO, CHAT_HELLO, NULL};
  flow_peer_with(f, &(peer_options){.answers = answers, .port = port});
  flow_run(f, 550);
  flow_call *trial = flow_submit(f), *other = flow_submit(f);
  flow_wait(f);
  flow_assert_error(trial, LEAT_OK);
  flow_assert_error(other, LEAT_ECIRCUIT);
  flow_assert_error(submit_and_wait(f), LEAT_OK);
  assert_int_equal(flow_stats(f).circuits_open, 0);
}

static void test_a_trial_that_is_cancelled_is_followed_by_another(void **state) {
  flow *f = *state;
  int port = dead_port();
  f->config.circuit_failures = 1;
  f->config.circuit_ms = 20;
  f->request.base_url = url_of(f, port);
  f->request.retries = LEAT_NONE;
  flow_assert_error(submit_and_wait(f), LEAT_EREFUSED);
  static const char *const answers[] = {"<<silent>>", CHAT_HELLO, NULL};
  peer *p = flow_peer_with(f, &(peer_options){.answers = answers, .port = port});
  flow_run(f, 40);
  flow_call *trial = flow_submit(f);
  while (peer_requests(p) == 0) flow_run(f, 5);
  leat_cancel(f->engine, trial->id);
  flow_wait(f);
  flow_assert_error(submit_and_wait(f), LEAT_OK);
}

static void test_statuses_of_500_count_and_429_does_not(void **state) {
  flow *f = *state;
  f->config.circuit_failures = 2;
  f->request.retries = LEAT_NONE;
  peer *p = flow_peer(
      f, (const char *const[]){BUSY, "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", BUSY,
                               "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", BUSY, BUSY, NULL});
  f->request.base_url = peer_url(p);
  for (int i = 0; i < 6; i++) flow_assert_error(submit_and_wait(f), LEAT_ESTATUS);
  flow_assert_error(submit_and_wait(f), LEAT_ECIRCUIT);
  assert_int_equal(peer_requests(p), 6);
}

static void test_those_that_are_served_go_on(void **state) {
  flow *f = *state;
  f->config.circuit_failures = 1;
  f->request.retries = LEAT_NONE;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 60>>" CHAT_END, BUSY, NULL});
  f->request.base_url = peer_url(p);
  flow_call *served = flow_submit(f);
  flow_wait_events(f, served, 2);
  flow_call *failed = flow_submit(f);
  flow_wait_for(f, failed);
  flow_assert_error(failed, LEAT_ESTATUS);
  flow_call *after = flow_submit(f);
  flow_wait(f);
  flow_assert_error(after, LEAT_ECIRCUIT);
  flow_assert_error(served, LEAT_OK);
}

static void test_other_places_are_not_touched(void **state) {
  flow *f = *state;
  f->config.circuit_failures = 1;
  f->request.retries = LEAT_NONE;
  f->request.base_url = url_of(f, dead_port());
  flow_assert_error(submit_and_wait(f), LEAT_EREFUSED);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.base_url = peer_url(p);
  flow_assert_error(submit_and_wait(f), LEAT_OK);
}

/* ---- storms */

/* A host that is down, and five thousand that want something of it, each with two repeats. */
static void test_rt_06_repeats_are_a_tenth_of_the_requests(void **state) {
  flow *f = *state;
  f->config.retry_budget = 10;
  f->deaf = true;
  f->config.trace = NULL; /* megabytes of it */
  f->request.retries = 2;
  f->request.base_url = url_of(f, dead_port());
  for (int i = 0; i < 5000; i++) flow_submit(f);
  flow_wait(f);
  leat_stats stats = flow_stats(f);
  assert_int_equal(stats.requests_failed, 5000);
  assert_in_range(stats.requests_retried, 10, 520);
  assert_true(stats.budget_refusals > 4000);
}

static void test_rt_06_with_a_circuit_hardly_anything_is_tried(void **state) {
  flow *f = *state;
  f->config.retry_budget = 10;
  f->config.circuit_failures = 5;
  f->deaf = true;
  f->config.trace = NULL; /* megabytes of it */
  f->request.retries = 2;
  f->request.base_url = url_of(f, dead_port());
  for (int i = 0; i < 5000; i++) flow_submit(f);
  flow_wait(f);
  leat_stats stats = flow_stats(f);
  assert_int_equal(stats.requests_failed, 5000);
  assert_in_range(stats.conns_failed, 5, 200);
  unsigned by_circuit = 0;
  for (flow_call *c = f->calls; c; c = c->next) by_circuit += c->error == LEAT_ECIRCUIT;
  assert_in_range(by_circuit, 4800, 5000);
}

static void test_without_a_budget_all_repeats_are_made(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  f->config.deadlines.total_ms = LEAT_NONE;
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 503 Busy\r\nRetry-After-Ms: 1\r\n"
                                               "Content-Length: 0\r\n\r\n",
                                               NULL});
  f->request.base_url = peer_url(p);
  for (int i = 0; i < 40; i++) flow_submit(f);
  flow_wait(f);
  assert_int_equal(flow_stats(f).requests_retried, 40);
  assert_int_equal(flow_stats(f).budget_refusals, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_it_opens_and_who_comes_is_told_at_once),
      FLOW_TEST(test_one_tries_and_its_success_closes_it),
      FLOW_TEST(test_a_trial_that_is_cancelled_is_followed_by_another),
      FLOW_TEST(test_statuses_of_500_count_and_429_does_not),
      FLOW_TEST(test_those_that_are_served_go_on),
      FLOW_TEST(test_other_places_are_not_touched),
      FLOW_TEST(test_rt_06_repeats_are_a_tenth_of_the_requests),
      FLOW_TEST(test_rt_06_with_a_circuit_hardly_anything_is_tried),
      FLOW_TEST(test_without_a_budget_all_repeats_are_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
