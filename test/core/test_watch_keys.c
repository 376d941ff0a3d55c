/* The callback that gives keys: a fresh one before each attempt, which goes where the protocol
 * wants it and nowhere else (rows KEY-01 to KEY-07 and KEY-10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "support/asking.h"
#include "support/canary.h"

#define SOON "Retry-After-Ms: 1\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\n" SOON "Content-Length: 0\r\n\r\n"

typedef struct keys {
  flow *flow;
  unsigned asked;
  char text[64]; /* the last one given */
  char host[64];
  leat_attempt last;
  int answer;       /* of the callback */
  leat_slice given; /* instead of "sk-N" */
  bool cancels;
  canary canary; /* when `secret` */
  bool secret;
} keys;

static int give_key(void *user, leat_engine *e, const leat_attempt *a, leat_slice *key) {
  keys *k = user;
  if (k->flow->calling || key->size) k->flow->faults++;
  k->asked++;
  k->last = *a;
  snprintf(k->host, sizeof k->host, "%.*s", (int)a->host.size, a->host.data);
  if (k->cancels) leat_cancel(e, a->id);
  if (k->secret)
    canary_text(&k->canary, k->text);
  else
    snprintf(k->text, sizeof k->text, "sk-%u", k->asked);
  *key = k->given.data ? k->given : lti_slice_of(k->text);
  return k->answer;
}

static keys *ask_for_keys(flow *f) {
  keys *k = flow_keep(f, sizeof *k);
  k->flow = f;
  f->config.key = give_key;
  f->config.key_user = k;
  return k;
}

/* ---- where it goes */

static void test_each_attempt_has_its_own(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  f->config.api_key = "sk-of-the-engine"; /* which does not count */
  f->request.retries = 2;
  peer *p = flow_peer(f, (const char *const[]){BUSY, BUSY, CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(k->asked, 3);
  assert_int_equal(k->last.number, 3);
  flow_assert_has(peer_request(p, 0), "\r\nAuthorization: Bearer sk-1\r\n");
  flow_assert_has(peer_request(p, 1), "\r\nAuthorization: Bearer sk-2\r\n");
  flow_assert_has(peer_request(p, 2), "\r\nAuthorization: Bearer sk-3\r\n");
}

static void test_it_travels_as_the_protocol_has_it(void **state) {
  static const char *const rows[][2] = {{"anthropic", "\r\nx-api-key: sk-1\r\n"},
                                        {"gemini", "\r\nx-goog-api-key: sk-2\r\n"},
                                        {"raw", "\r\nAuthorization: Bearer sk-3\r\n"}};
  flow *f = *state;
  ask_for_keys(f);
  peer *p =
      flow_peer(f, (const char *const[]){"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", NULL});
  f->request.model = "m";
  f->request.body =
      lti_slice_of("{\"model\":\"m\",\"max_tokens\":1,\"messages\":[],\"contents\":[]}");
  for (unsigned i = 0; i < 3; i++) {
    f->request.protocol = rows[i][0];
    flow_chat(f, p);
    flow_wait(f);
    flow_assert_has(peer_request(p, i), rows[i][1]);
  }
}

static void test_a_request_with_its_own_is_not_asked_for(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.api_key = "sk-own";
  flow_chat(f, p);
  flow_wait(f);
  flow_assert_has(peer_request(p, 0), "Bearer sk-own\r\n");
  f->request.api_key = ""; /* which is none */
  flow_chat(f, p);
  flow_wait(f);
  assert_null(strstr(peer_request(p, 1), "uthorization"));
  f->request.api_key = NULL;
  leat_header header = {{"authorization", 13}, {"Basic eDp5", 10}};
  f->request.headers = &header;
  f->request.header_count = 1;
  flow_chat(f, p);
  flow_wait(f);
  flow_assert_has(peer_request(p, 2), "authorization: Basic eDp5\r\n");
  assert_null(strstr(peer_request(p, 2), "Bearer"));
  assert_int_equal(k->asked, 0);
}

static void test_an_empty_one_is_none(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  k->given = lti_slice("", 0);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(k->asked, 1);
  assert_null(strstr(peer_request(p, 0), "uthorization"));
}

static void test_requests_that_share_their_headers_have_their_own_keys(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  f->config.conns_max = 1;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 10; i++) flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(k->asked, 10);
  for (unsigned i = 0; i < 10; i++) {
    char expected[32];
    snprintf(expected, sizeof expected, "Bearer sk-%u\r\n", i + 1);
    flow_assert_has(peer_request(p, i), expected);
  }
}

/* ---- what ends the request */

static void test_its_error_ends_the_request(void **state) {
  static const int rows[][2] = {
      {LEAT_ECANCELLED, LEAT_ECANCELLED}, {LEAT_EIO, LEAT_EIO}, {1, LEAT_EINVAL}};
  flow *f = *state;
  keys *k = ask_for_keys(f);
  f->request.retries = 2;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    k->answer = rows[i][0];
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, rows[i][1]);
    assert_int_equal(c->result.attempts, 1);
    flow_assert_has(c->message, "no key");
  }
  assert_int_equal(k->asked, 3);
  assert_int_equal(peer_requests(p), 0);
  k->answer = LEAT_OK;
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(peer_conns(p), 1); /* as good as it was */
}

static void test_key_04_one_that_cannot_be_sent_ends_it(void **state) {
  static const leat_slice rows[] = {
      {"vile\r\nX: y", 10}, {"vi vile", 7}, {"vi\0le", 5}, {"vile\t", 5}};
  flow *f = *state;
  keys *k = ask_for_keys(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    k->given = rows[i];
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_EHEADER);
    assert_null(strstr(c->message, "vile"));
  }
  assert_int_equal(peer_requests(p), 0);
}

static void test_cancelled_in_it(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  k->cancels = true;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(peer_requests(p), 0);
}

static void test_key_10_not_over_plain_http_to_elsewhere(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  f->request.base_url = "http://api.x.test:1";
  flow_call *c = flow_try(f); /* at once, and not when a key is there */
  assert_int_equal(c->error, LEAT_EPLAINKEY);
  assert_int_equal(k->asked, 0);
}

/* ---- redirects */

static void test_key_01_another_origin_gets_none_nor_does_the_first_again(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  static char there[128], back[128];
  peer *second = flow_peer(f, (const char *const[]){back, NULL});
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 307 Go\r\nLocation: /v1/near\r\nContent-Length: 0\r\n\r\n",
                               there, CHAT_HELLO, NULL});
  snprintf(there, sizeof there, "HTTP/1.1 307 Go\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n",
           peer_url(second));
  snprintf(back, sizeof back, "HTTP/1.1 307 Go\r\nLocation: %s/y\r\nContent-Length: 0\r\n\r\n",
           peer_url(p));
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(k->asked, 2);
  flow_assert_has(peer_request(p, 0), "Bearer sk-1\r\n");
  flow_assert_has(peer_request(p, 1), "Bearer sk-2\r\n"); /* a hop within the origin */
  assert_null(strstr(peer_request(second, 0), "sk-"));
  assert_null(strstr(peer_request(second, 0), "uthorization"));
  assert_null(strstr(peer_request(p, 2), "sk-")); /* KEY-03 */
}

/* ---- KEY-05 to KEY-07 */

static void test_key_06_an_echoed_one_is_masked(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  k->given = lti_slice_of("sk-echoed-key");
  peer *p = flow_peer(
      f, (const char *const[]){
             ANSWER_JSON("401 No", "{\"error\":{\"message\":\"Incorrect key sk-echoed-key\"}}"),
             NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_string_equal(c->provider_message, "Incorrect key *************");
  assert_null(strstr(c->message, "sk-echoed"));
  assert_null(strstr(c->body, "sk-echoed"));
  assert_null(strstr(f->trace, "sk-echoed"));
}

static void test_key_07_no_block_is_freed_with_one(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  char plain[CANARY_SIZE + 1];
  canary_init(&k->canary, 81);
  canary_text(&k->canary, plain);
  k->secret = true;
  f->memory.canary = plain;
  f->request.retries = 1;
  peer *p = flow_peer(f, (const char *const[]){BUSY, CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 1), plain);
  flow_close(f, LEAT_CLOSE_NOW);
  assert_int_equal(f->memory.faults, 0);
  f->memory.canary = NULL;
}

/* ---- sockets and tasks */

static void test_a_handshake_asks_too(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  peer *server = talk_peer(
      f, SCRIPTS("< one\n" DELTA("c", "hello") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(k->asked, 1);
  assert_true(k->last.id == c->id);
  flow_assert_has(peer_request(server, 0), "x-api-key: sk-1\r\n");
  talk_peer_over(f, server);
}

static void test_a_socket_without_a_protocol_does_not_ask(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  peer *server = talk_peer(f, SCRIPTS("close 1000"));
  talk *t = talk_open(f, server, NULL);
  flow_wait(f);
  assert_int_equal(k->asked, 0);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_key_06_what_a_turn_is_told_is_masked(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  k->given = lti_slice_of("sk-echoed-key");
  peer *server =
      talk_peer(f, SCRIPTS("< one\n> {\"error\":{\"message\":\"no sk-echoed-key\"}}\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *c = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_wait(f);
  assert_int_not_equal(c->error, LEAT_OK);
  assert_null(strstr(c->message, "sk-echoed"));
  assert_null(strstr(c->provider_message, "sk-echoed"));
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_each_exchange_of_a_task_has_its_own(void **state) {
  flow *f = *state;
  keys *k = ask_for_keys(f);
  peer *p = flow_peer(
      f, (const char *const[]){
             ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"queued\"}"),
             ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"completed\"}"), NULL});
  leat_task task;
  leat_task_init(&task);
  task.base_url = peer_url(p);
  task.model = task.prompt = "p";
  task.poll_ms = task.first_poll_ms = 1;
  flow_call *c = flow_task(f, &task);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(k->asked, 2);
  flow_assert_has(peer_request(p, 0), "Bearer sk-1\r\n");
  flow_assert_has(peer_request(p, 1), "Bearer sk-2\r\n");
}

/* ---- out of memory */

typedef struct scenario {
  const char *url;
  unsigned accepted, dones;
  char value[32];
} scenario;

static size_t start(void *user, leat_engine *e, const leat_attempt *a, leat_header *extra,
                    size_t room) {
  scenario *s = user;
  (void)e, (void)room;
  snprintf(s->value, sizeof s->value, "00-%u", a->number);
  extra[0] = (leat_header){{"traceparent", 11}, lti_slice_of(s->value)};
  return 1;
}

static int same_key(void *user, leat_engine *e, const leat_attempt *a, leat_slice *key) {
  (void)user, (void)e, (void)a;
  *key = lti_slice_of("sk-canary-of-callbacks");
  return LEAT_OK;
}

static void scenario_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  scenario *s = user;
  (void)e, (void)id, (void)result;
  s->dones++;
}

static int count_text(void *user, leat_slice text) {
  *(size_t *)user += text.size;
  return 0;
}

static void submit(leat_engine *e, scenario *s) {
  leat_request q;
  leat_id id;
  leat_request_init(&q);
  q.base_url = s->url;
  q.body = lti_slice_of(FLOW_BODY);
  q.on_done = scenario_done;
  q.user = s;
  q.retries = 1;
  if (leat_submit(e, &q, &id) == LEAT_OK) s->accepted++;
}

static void run_scenario(const leat_allocator *fns, void *ctx) {
  scenario *s = ctx;
  leat_engine *e;
  leat_config config;
  uv_loop_t loop;
  leat_observer observer = {.start = start, .user = s};
  size_t text = 0;
  uv_loop_init(&loop);
  leat_config_init(&config);
  config.loop = &loop;
  config.allocator = *fns;
  config.observer = &observer;
  config.key = same_key;
  config.metrics = true;
  s->accepted = s->dones = 0;
  int r = leat_open(&e, &config, NULL);
  for (int i = 0; i < 2 && r == LEAT_OK; i++) submit(e, s);
  for (int i = 0; i < 20000 && r == LEAT_OK && s->dones < s->accepted; i++)
    uv_run(&loop, UV_RUN_ONCE);
  if (r == LEAT_OK) {
    assert_int_equal(s->dones, s->accepted);
    int written = leat_stats_write(e, count_text, &text);
    assert_true(written == LEAT_OK || written == LEAT_ENOMEM);
    leat_close(e, LEAT_CLOSE_NOW, NULL, NULL);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_rs_02_with_any_allocation_failing(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  scenario s = {.url = peer_url(p)};
  assert_true(failing_at_every_n(run_scenario, &s) > 10);
  assert_int_equal(s.dones, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_each_attempt_has_its_own),
      FLOW_TEST(test_it_travels_as_the_protocol_has_it),
      FLOW_TEST(test_a_request_with_its_own_is_not_asked_for),
      FLOW_TEST(test_an_empty_one_is_none),
      FLOW_TEST(test_requests_that_share_their_headers_have_their_own_keys),
      FLOW_TEST(test_its_error_ends_the_request),
      FLOW_TEST(test_key_04_one_that_cannot_be_sent_ends_it),
      FLOW_TEST(test_cancelled_in_it),
      FLOW_TEST(test_key_10_not_over_plain_http_to_elsewhere),
      FLOW_TEST(test_key_01_another_origin_gets_none_nor_does_the_first_again),
      FLOW_TEST(test_key_06_an_echoed_one_is_masked),
      FLOW_TEST(test_key_07_no_block_is_freed_with_one),
      FLOW_TEST(test_a_handshake_asks_too),
      FLOW_TEST(test_a_socket_without_a_protocol_does_not_ask),
      FLOW_TEST(test_key_06_what_a_turn_is_told_is_masked),
      FLOW_TEST(test_each_exchange_of_a_task_has_its_own),
      FLOW_TEST(test_rs_02_with_any_allocation_failing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
