/* The engine as a guest on its host's loop (rows API-09, API-10): it keeps the loop alive exactly
 * while something is pending, leaves the host's own handles alone, shares the loop with a second
 * engine, and leaves nothing behind. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/flow.h"

static void test_api_09_the_loop_is_alive_exactly_while_something_is_pending(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_open(f);
  assert_false(uv_loop_alive(&f->loop));
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, p);
    assert_true(uv_loop_alive(&f->loop));
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0); /* ends by itself */
    flow_assert_error(c, LEAT_OK);
    assert_false(uv_loop_alive(&f->loop));
  }
  /* An idle connection does not count. There may be more than one: a chat that is done at its end
   * marker leaves a connection that has yet to read the last chunk. */
  assert_in_range(flow_stats(f).conns_open, 1, 3);
}

static int pause_at_text(flow_call *c, const leat_event *event) {
  (void)c;
  return event->kind == LEAT_EVENT_TEXT ? LEAT_PAUSE : LEAT_CONTINUE;
}

static void test_api_09_a_paused_request_keeps_the_loop_alive(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_at_text;
  flow_run(f, 40);
  assert_int_equal(c->dones, 0);
  assert_true(uv_loop_alive(&f->loop));
  leat_resume(f->engine, c->id);
  assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
  flow_assert_error(c, LEAT_OK);
}

static void test_api_09_a_backoff_keeps_the_loop_alive(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 503 X\r\nRetry-After-Ms: 80\r\nContent-Length: 0\r\n\r\n",
                               CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
  flow_assert_error(c, LEAT_OK);
}

/* ---- the host's own handles */

typedef struct host {
  uv_timer_t timer;
  uv_tcp_t server, client;
  int ticks, clients;
} host;

static void on_tick(uv_timer_t *timer) {
  host *h = timer->data;
  if (++h->ticks == 8) uv_timer_stop(timer);
}

static void on_client(uv_stream_t *server, int status) {
  host *h = server->data;
  if (status < 0) return;
  uv_tcp_init(server->loop, &h->client);
  uv_accept(server, (uv_stream_t *)&h->client);
  uv_close((uv_handle_t *)&h->client, NULL);
  h->clients++;
}

static void on_connected(uv_connect_t *connect, int status) {
  (void)connect, (void)status;
}

static void test_api_09_the_hosts_handles_go_on(void **state) {
  flow *f = *state;
  host h = {0};
  struct sockaddr_in address;
  struct sockaddr_storage bound;
  int size = sizeof bound;
  uv_tcp_t client;
  uv_connect_t connect;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 40>>" CHAT_END, NULL});
  uv_timer_init(&f->loop, &h.timer);
  uv_tcp_init(&f->loop, &h.server);
  uv_tcp_init(&f->loop, &client);
  h.timer.data = h.server.data = &h;
  uv_timer_start(&h.timer, on_tick, 5, 10);
  uv_ip4_addr("127.0.0.1", 0, &address);
  assert_int_equal(uv_tcp_bind(&h.server, (struct sockaddr *)&address, 0), 0);
  assert_int_equal(uv_listen((uv_stream_t *)&h.server, 4, on_client), 0);
  uv_tcp_getsockname(&h.server, (struct sockaddr *)&bound, &size);
  uv_tcp_connect(&connect, &client, (struct sockaddr *)&bound, on_connected);
  flow_call *c = flow_chat(f, p);
  flow_close(f, LEAT_CLOSE_DRAIN);
  flow_assert_error(c, LEAT_OK);
  flow_run(f, 120);
  assert_int_equal(h.ticks, 8);
  assert_int_equal(h.clients, 1);
  uv_close((uv_handle_t *)&h.timer, NULL);
  uv_close((uv_handle_t *)&h.server, NULL);
  uv_close((uv_handle_t *)&client, NULL);
  flow_run(f, 5);
}

static void test_api_09_a_stopped_loop_that_runs_again(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 30>>" CHAT_END, NULL});
  flow_call *c = flow_chat(f, p);
  for (int i = 0; i < 200 && !c->dones; i++) {
    uv_stop(&f->loop);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    usleep(500);
  }
  flow_assert_error(c, LEAT_OK);
}

/* ---- two engines */

typedef struct second {
  leat_engine *engine;
  int dones, error, closed;
} second;

static void on_second_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  second *s = user;
  (void)id;
  if (e == s->engine) s->dones++;
  s->error = result->error;
}

static void on_second_closed(void *user) {
  second *s = user;
  s->closed++;
}

static void test_api_09_two_engines_on_one_loop(void **state) {
  flow *f = *state;
  second s = {0};
  peer *p = flow_peer(f, (const char *const[]){"<<sleep 5>>" CHAT_HELLO, NULL});
  assert_int_equal(leat_open(&s.engine, &f->config, NULL), LEAT_OK);
  for (int i = 0; i < 20; i++) {
    flow_call *c = flow_chat(f, p);
    leat_request q = f->request;
    leat_id id;
    q.on_done = on_second_done;
    q.user = &s;
    assert_int_equal(leat_submit(s.engine, &q, &id), LEAT_OK);
    if (i % 4 == 0) assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  }
  assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(s.dones, 20);
  assert_int_equal(s.error, LEAT_OK);
  assert_int_equal(f->dones, 20);
  assert_int_equal(leat_close(s.engine, LEAT_CLOSE_NOW, on_second_closed, &s), LEAT_OK);
  flow_call *c = flow_chat(f, p); /* the other lives on */
  assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(s.closed, 1);
  flow_assert_error(c, LEAT_OK);
}

/* ---- engines in threads */

typedef struct worker {
  pthread_t thread;
  const flow *flow;
  const char *url;
  int dones, good;
} worker;

static void on_worker_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  worker *w = user;
  (void)e, (void)id;
  w->dones++;
  w->good += result->error == LEAT_OK;
}

static void *work(void *user) {
  worker *w = user;
  leat_config config;
  leat_request q = w->flow->request;
  leat_engine *e;
  leat_config_init(&config);
  config.ca_pem = w->flow->config.ca_pem;
  config.keep_alive_ms = LEAT_NONE; /* a handshake for each request */
  if (leat_open(&e, &config, NULL) != LEAT_OK) return NULL;
  q.base_url = w->url;
  q.on_done = on_worker_done;
  q.user = w;
  for (int i = 0; i < 20; i++) {
    leat_id id;
    leat_submit(e, &q, &id);
    if (i % 5 == 4) leat_run(e);
  }
  leat_close(e, LEAT_CLOSE_DRAIN, NULL, NULL);
  leat_run(e);
  return NULL;
}

static void check_threads(flow *f) {
  worker workers[4] = {0};
  flow_tls_server(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 4; i++) {
    workers[i].flow = f;
    workers[i].url = peer_url(p);
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(workers[i].thread, NULL);
    assert_int_equal(workers[i].dones, 20);
    assert_int_equal(workers[i].good, 20);
  }
}

static void test_engines_in_threads_share_nothing(void **state) {
  check_threads(*state);
}

/* Whose handshakes all compute with keys of one store in mbedTLS, that of the process. */
static void test_engines_in_threads_speak_tls_13(void **state) {
  if (!tls_server_has_13()) skip();
  tls_server_speak_13(true);
  check_threads(*state);
  tls_server_speak_13(false);
}

/* API-10: what would be inherited by a program that the host starts. */
static void test_api_10_descriptors_are_close_on_exec(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(first); /* the engine's sockets begin here, or below */
  for (int i = 0; i < 10; i++) flow_chat(f, p);
  flow_run(f, 30);
  for (int fd = 3; fd < first + 64; fd++) { /* the peer's are too */
    int flags = fcntl(fd, F_GETFD);
    char path[64], target[128] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (flags < 0 || readlink(path, target, sizeof target - 1) < 0) continue;
    if (strncmp(target, "socket:", 7) == 0) assert_true(flags & FD_CLOEXEC);
  }
}

/* A slow host: it blocks for longer than deadlines are short; what came in time is no time-out. */
static int block_a_while(flow_call *c, const leat_event *event) {
  (void)c;
  if (event->kind == LEAT_EVENT_TEXT) usleep(150000);
  return LEAT_CONTINUE;
}

static void test_api_06_a_callback_that_blocks_does_not_expire_what_has_come(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD CHAT_TEXT("a") "<<sleep 20>>" CHAT_TEXT("b") "<<sleep 20>>" CHAT_END, NULL});
  f->request.deadlines.gap_ms = 100;
  f->request.deadlines.idle_ms = 100;
  flow_call *c = flow_chat(f, p);
  c->on_event = block_a_while;
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "ab");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_api_09_the_loop_is_alive_exactly_while_something_is_pending),
      FLOW_TEST(test_api_09_a_paused_request_keeps_the_loop_alive),
      FLOW_TEST(test_api_09_a_backoff_keeps_the_loop_alive),
      FLOW_TEST(test_api_09_the_hosts_handles_go_on),
      FLOW_TEST(test_api_09_a_stopped_loop_that_runs_again),
      FLOW_TEST(test_api_09_two_engines_on_one_loop),
      FLOW_TEST(test_engines_in_threads_share_nothing),
      FLOW_TEST(test_engines_in_threads_speak_tls_13),
      FLOW_TEST(test_api_10_descriptors_are_close_on_exec),
      FLOW_TEST(test_api_06_a_callback_that_blocks_does_not_expire_what_has_come),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
