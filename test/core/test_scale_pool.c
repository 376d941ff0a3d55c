/* How many connections and handshakes a crowd costs: 64 connections of a cold pool share one full
 * handshake, and 2,000 chats share 64 connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/scale.h"

#define CONNS 64
#define CHATS 2000

typedef struct test {
  scale scale;
  unsigned done, resumed, reused;
} test;

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  test *t = user;
  (void)e, (void)id;
  if (result->error) fail_msg("%s: %s", leat_error_name(result->error), result->message.data);
  assert_int_equal(result->attempts, 1);
  t->done++;
  t->resumed += result->resumed_tls && !result->reused_connection;
  t->reused += result->reused_connection;
}

static void submit_chats(test *t, unsigned count, const char *path) {
  leat_request q;
  leat_id id;
  leat_request_init(&q);
  q.body = lti_slice_of("{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
  q.path = path;
  q.on_done = on_done;
  q.user = t;
  for (unsigned i = 0; i < count; i++)
    assert_int_equal(leat_submit(t->scale.engine, &q, &id), LEAT_OK);
}

/* Each stream is longer than all handshakes together, so that no connection is used twice. */
static void test_a_cold_start_of_64_connections_costs_one_full_handshake(void **state) {
  test *t = *state;
  submit_chats(t, CONNS, "/v1/chat/completions?n=2&ttft=1500&ms=100");
  scale_run(&t->scale);
  leat_stats stats = scale_stats(&t->scale);
  assert_int_equal(t->done, CONNS);
  assert_int_equal(stats.conns_opened, CONNS);
  assert_int_equal(stats.conns_failed, 0);
  assert_int_equal(stats.handshakes_full, 1);
  assert_int_equal(stats.handshakes_resumed, CONNS - 1);
  assert_int_equal(t->resumed, CONNS - 1);
}

static void test_2000_chats_over_64_connections_open_64(void **state) {
  test *t = *state;
  submit_chats(t, CHATS, "/v1/chat/completions?n=10&ttft=5&ms=2");
  scale_run(&t->scale);
  leat_stats stats = scale_stats(&t->scale);
  assert_int_equal(t->done, CHATS);
  assert_int_equal(stats.requests_completed, CHATS);
  assert_int_equal(stats.requests_live_peak, CHATS);
  assert_int_equal(stats.conns_opened, CONNS);
  assert_int_equal(stats.conns_peak, CONNS);
  assert_int_equal(stats.conns_reused, CHATS - CONNS);
  assert_int_equal(t->reused, CHATS - CONNS);
  assert_int_equal(stats.handshakes_full, 1);
  assert_int_equal(stats.handshakes_resumed, CONNS - 1);
  assert_int_equal(stats.requests_retried, 0);
}

static int setup(void **state) {
  test *t = *state;
  t->done = t->resumed = t->reused = 0;
  t->scale.config.conns_max = CONNS;
  scale_open(&t->scale);
  return 0;
}

static int teardown(void **state) {
  test *t = *state;
  scale_close(&t->scale);
  return 0;
}

static int run(test *t, const char *const *options, enum leat_tls tls_max) {
  if (!scale_init(&t->scale, options, 100)) return 77;
  t->scale.config.tls_max = tls_max;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate_setup_teardown(
          test_a_cold_start_of_64_connections_costs_one_full_handshake, setup, teardown, t),
      cmocka_unit_test_prestate_setup_teardown(test_2000_chats_over_64_connections_open_64, setup,
                                               teardown, t),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  scale_deinit(&t->scale);
  return failed;
}

/* Once with tickets and once with session ids, by which TLS 1.2 resumes as well. */
int main(void) {
  static test t;
  static const char *const tickets[] = {"--quiet", NULL};
  static const char *const ids[] = {"--quiet", "--no-tickets", NULL};
  int failed = run(&t, tickets, LEAT_TLS_DEFAULT);
  return failed ? failed : run(&t, ids, LEAT_TLS_1_2);
}
