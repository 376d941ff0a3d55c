/* Connections shared by requests: how many are opened, when one is used again and when never, who
 * waits for whom (rows PL, and H1-10, H1-14, H1-15 where they are about reuse). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"

static void test_ten_requests_in_a_row_share_one_connection(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 10; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.reused_connection, i > 0);
  }
  assert_int_equal(peer_conns(p), 1);
  assert_int_equal(flow_stats(f).conns_opened, 1);
  assert_int_equal(flow_stats(f).conns_reused, 9);
}

static void test_no_more_connections_than_conns_max(void **state) {
  flow *f = *state;
  f->config.conns_max = 4;
  peer *p = flow_peer(f, (const char *const[]){"<<sleep 1>>" CHAT_HELLO, NULL});
  for (int i = 0; i < 200; i++) flow_chat(f, p);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
  assert_int_equal(peer_conns(p), 4);
  assert_int_equal(flow_stats(f).conns_peak, 4);
  assert_int_equal(flow_stats(f).requests_live_peak, 200);
}

static void test_pl_01_other_port_name_or_scheme_is_another_connection(void **state) {
  flow *f = *state;
  char urls[4][64], resolve[2][64];
  peer *a = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *b = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  snprintf(urls[0], 64, "http://127.0.0.1:%d", peer_port(a));
  snprintf(urls[1], 64, "http://127.0.0.1:%d", peer_port(b));
  snprintf(urls[2], 64, "http://one.test:%d", peer_port(a));
  snprintf(urls[3], 64, "http://two.test:%d", peer_port(a));
  snprintf(resolve[0], 64, "one.test:%d=127.0.0.1", peer_port(a));
  snprintf(resolve[1], 64, "two.test:%d=127.0.0.1", peer_port(a));
  f->config.resolve = (const char *const[]){resolve[0], resolve[1]};
  f->config.resolve_count = 2;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 4; i++) {
      f->request.base_url = urls[i];
      flow_call *c = flow_submit(f);
      flow_wait(f);
      flow_assert_error(c, LEAT_OK);
    }
  }
  assert_int_equal(peer_conns(a), 3);
  assert_int_equal(peer_conns(b), 1);
}

static void test_pl_02_keys_of_requests_do_not_stick_to_the_connection(void **state) {
  static const char *const keys[] = {"sk-one", "sk-two", "", "sk-three"};
  flow *f = *state;
  f->config.api_key = "sk-default";
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (unsigned i = 0; i < 4; i++) {
    f->request.api_key = keys[i];
    flow_chat(f, p);
    flow_wait(f);
    const char *text = peer_request(p, i);
    for (unsigned k = 0; k < 4; k++)
      if (*keys[k]) assert_int_equal(strstr(text, keys[k]) != NULL, k == i);
    assert_null(strstr(text, "sk-default"));
  }
  assert_int_equal(peer_conns(p), 1);
}

static void test_pl_03_a_cancelled_stream_frees_its_slot_at_once(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<silent>>", CHAT_HELLO, NULL});
  flow_call *first = flow_chat(f, p);
  flow_call *second = flow_chat(f, p);
  flow_wait_events(f, first, 2);
  assert_int_equal(leat_cancel(f->engine, first->id), LEAT_OK);
  uint64_t from = uv_hrtime();
  flow_wait(f);
  assert_true(uv_hrtime() - from < FLOW_SOON_MS * 1000000ull);
  flow_assert_error(first, LEAT_ECANCELLED);
  flow_assert_error(second, LEAT_OK);
  assert_int_equal(peer_conns(p), 2);
}

static void test_pl_04_a_hanging_request_starves_only_its_own_slot(void **state) {
  flow *f = *state;
  f->config.conns_max = 4;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", CHAT_HELLO, NULL});
  flow_call *hanging = flow_chat(f, p);
  while (peer_requests(p) == 0) flow_run(f, 5);
  flow_call *calls[100];
  for (int i = 0; i < 100; i++) calls[i] = flow_chat(f, p);
  for (int i = 0; i < 100; i++) {
    flow_wait_for(f, calls[i]);
    flow_assert_error(calls[i], LEAT_OK);
  }
  assert_int_equal(hanging->dones, 0);
  assert_int_equal(leat_cancel(f->engine, hanging->id), LEAT_OK);
  flow_wait(f);
}

/* One connection: ten of one key, then one of another. The other waits for one, not for ten. */
static void test_pl_04_tenants_take_turns(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *calls[10];
  f->request.api_key = "sk-big";
  for (int i = 0; i < 10; i++) calls[i] = flow_chat(f, p);
  f->request.api_key = "sk-small";
  flow_call *other = flow_chat(f, p);
  flow_wait(f);
  int before = 0;
  for (int i = 0; i < 10; i++) {
    before += calls[i]->result.times.done_ns < other->result.times.done_ns;
    if (i > 0) assert_true(calls[i]->result.times.sent_ns > calls[i - 1]->result.times.sent_ns);
  }
  assert_true(before <= 2);
}

static void test_pl_07_a_pool_of_dead_connections_recovers(void **state) {
  flow *f = *state;
  f->config.conns_max = 8;
  peer *p =
      flow_peer(f, (const char *const[]){"<<sleep 20>>" CHAT_HELLO "<<sleep 40>><<reset>>", NULL});
  for (int round = 0; round < 3; round++) {
    flow_call *calls[8];
    for (int i = 0; i < 8; i++) calls[i] = flow_chat(f, p);
    flow_wait(f);
    for (int i = 0; i < 8; i++) flow_assert_error(calls[i], LEAT_OK);
    if (round == 1) flow_run(f, 100); /* with and without having heard of it */
  }
  flow_run(f, 100);
  assert_int_equal(flow_stats(f).conns_open, 0);
}

static void test_h1_10_a_second_answer_in_the_same_segment_is_nobodys(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 92\r\n\r\n"
             "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"hello\"},\"finish_reason\":"
             "\"stop\"}],"
             "\"id\":\"abcdef\"}"
             "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
             CHAT_HELLO, NULL});
  flow_call *first = flow_chat(f, p);
  flow_wait(f);
  flow_call *second = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(first, LEAT_OK);
  flow_assert_error(second, LEAT_OK);
  assert_string_equal(second->text, "hello");
  assert_int_equal(peer_conns(p), 2);
}

static void test_h1_10_behind_what_is_no_answer_nothing_is_asked(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HELLO, "HTTP/1.1 200 OK\r\n<<body>><html>stray</html>",
                               CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  flow_call *stray = flow_chat(f, p);
  flow_wait(f);
  flow_call *third = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(stray, LEAT_ENOTSTREAM);
  assert_string_equal(third->text, "hello");
  assert_int_equal(peer_conns(p), 2); /* the second carried on the first's, the third did not */
}

static void test_h1_10_bytes_on_an_idle_connection_close_it(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){
                       CHAT_HELLO "<<sleep 20>>HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
                       CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  flow_run(f, 80);
  assert_int_equal(flow_stats(f).conns_open, 0);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  assert_string_equal(c->text, "hello");
  assert_int_equal(peer_conns(p), 2);
}

static void check_not_reused(flow *f, const char *answer) {
  peer *p = flow_peer(f, (const char *const[]){answer, NULL});
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
  }
  assert_int_equal(peer_conns(p), 2);
}

#define WHOLE_JSON                                                                                 \
  "<<body>>{\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}" \
  "]}<<cut>>"

static void test_h1_14_what_is_not_persistent_is_not_used_again(void **state) {
  flow *f = *state;
  check_not_reused(f, "HTTP/1.1 200 OK\r\nConnection: close\r\n" WHOLE_JSON);
  check_not_reused(f, "HTTP/1.0 200 OK\r\n" WHOLE_JSON);
  check_not_reused(f, "HTTP/1.1 200 OK\r\nConnection: x, Close\r\n" WHOLE_JSON);
}

static void test_h1_14_keep_alive_timeout_is_undercut(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\n" WHOLE_JSON, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(flow_stats(f).conns_open, 1);
  flow_run(f, 400);
  assert_int_equal(flow_stats(f).conns_open, 0);
}

static void test_idle_connections_are_reaped(void **state) {
  flow *f = *state;
  f->config.keep_alive_ms = 80;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(flow_stats(f).conns_open, 1);
  flow_run(f, 160);
  assert_int_equal(flow_stats(f).conns_open, 0);
  assert_int_equal(flow_stats(f).conns_failed, 0);
}

static void test_without_keep_alive_each_answer_closes(void **state) {
  flow *f = *state;
  f->config.keep_alive_ms = LEAT_NONE;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 3; i++) {
    flow_chat(f, p);
    flow_wait(f);
    assert_int_equal(flow_stats(f).conns_open, 0);
  }
  assert_int_equal(peer_conns(p), 3);
}

static void test_a_close_of_an_idle_connection_is_noticed(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO "<<sleep 20>><<close>>", NULL});
  flow_chat(f, p);
  flow_wait(f);
  flow_run(f, 80);
  assert_int_equal(flow_stats(f).conns_open, 0);
}

static void test_queue_max_is_a_named_error(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  f->config.queue_max = 3;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 3; i++) flow_chat(f, p);
  flow_call *c = flow_try(f);
  flow_assert_error(c, LEAT_EQUEUEFULL);
  flow_wait(f);
  flow_chat(f, p);
  flow_wait(f);
}

static void test_requests_max_is_a_named_error(void **state) {
  flow *f = *state;
  f->config.requests_max = 3;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 3; i++) flow_chat(f, p);
  flow_assert_error(flow_try(f), LEAT_EQUEUEFULL);
  flow_wait(f);
  flow_assert_error(flow_chat(f, p), LEAT_OK);
  flow_wait(f);
}

static void answer_early(peer_link *l, void *ctx) {
  (void)ctx;
  peer_sleep(l, 30); /* reads nothing of 16 MB */
  peer_say(l, CHAT_JSON "<<sleep 300>>");
}

static void test_h1_15_an_answer_before_the_body_is_sent_is_delivered(void **state) {
  flow *f = *state;
  size_t size = (size_t)16 << 20;
  char *body = malloc(size);
  memset(body, ' ', size);
  memcpy(body, "{\"stream\":true}", 15);
  peer *p = flow_peer_script(f, answer_early, NULL);
  f->request.body = (leat_slice){body, size};
  flow_call *c = flow_chat(f, p);
  free(body);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_int_equal(flow_stats(f).conns_open, 0);
}

static void refuse_early(peer_link *l, void *ctx) {
  (void)ctx;
  peer_sleep(l, 30);
  peer_say(l, REFUSED("413 Too Large", "too_large") "<<sleep 50>><<reset>>");
}

static void test_net_11_a_refusal_before_a_reset_is_delivered(void **state) {
  flow *f = *state;
  size_t size = (size_t)16 << 20;
  char *body = malloc(size);
  memset(body, ' ', size);
  memcpy(body, "{\"stream\":true}", 15);
  peer *p = flow_peer_script(f, refuse_early, NULL);
  f->request.body = (leat_slice){body, size};
  flow_call *c = flow_chat(f, p);
  free(body);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 413);
  assert_string_equal(c->provider_code, "too_large");
}

static void half_close(peer_link *l, void *ctx) {
  (void)ctx;
  peer_say(l, "<<fin>>");
  peer_sleep(l, 2000);
}

static void test_net_12_a_half_close_under_an_open_body_ends_without_spinning(void **state) {
  flow *f = *state;
  size_t size = (size_t)16 << 20;
  char *body = malloc(size);
  memset(body, 'x', size);
  peer *p = flow_peer_script(f, half_close, NULL);
  f->request.protocol = "raw";
  f->request.body = (leat_slice){body, size};
  flow_call *c = flow_chat(f, p);
  free(body);
  flow_wait(f);
  flow_assert_error(c, LEAT_ERESET);
  assert_true(flow_stats(f).turns < 2000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_ten_requests_in_a_row_share_one_connection),
      FLOW_TEST(test_no_more_connections_than_conns_max),
      FLOW_TEST(test_pl_01_other_port_name_or_scheme_is_another_connection),
      FLOW_TEST(test_pl_02_keys_of_requests_do_not_stick_to_the_connection),
      FLOW_TEST(test_pl_03_a_cancelled_stream_frees_its_slot_at_once),
      FLOW_TEST(test_pl_04_a_hanging_request_starves_only_its_own_slot),
      FLOW_TEST(test_pl_04_tenants_take_turns),
      FLOW_TEST(test_pl_07_a_pool_of_dead_connections_recovers),
      FLOW_TEST(test_h1_10_a_second_answer_in_the_same_segment_is_nobodys),
      FLOW_TEST(test_h1_10_behind_what_is_no_answer_nothing_is_asked),
      FLOW_TEST(test_h1_10_bytes_on_an_idle_connection_close_it),
      FLOW_TEST(test_h1_14_what_is_not_persistent_is_not_used_again),
      FLOW_TEST(test_h1_14_keep_alive_timeout_is_undercut),
      FLOW_TEST(test_idle_connections_are_reaped),
      FLOW_TEST(test_without_keep_alive_each_answer_closes),
      FLOW_TEST(test_a_close_of_an_idle_connection_is_noticed),
      FLOW_TEST(test_queue_max_is_a_named_error),
      FLOW_TEST(test_requests_max_is_a_named_error),
      FLOW_TEST(test_h1_15_an_answer_before_the_body_is_sent_is_delivered),
      FLOW_TEST(test_net_11_a_refusal_before_a_reset_is_delivered),
      FLOW_TEST(test_net_12_a_half_close_under_an_open_body_ends_without_spinning),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
