/* The end of an engine: draining and cancelling, from outside and from callbacks, with work in
 * every phase; what is left afterwards is nothing (rows PL-08, API-02, API-05; fixture's checks).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

static void test_drain_lets_requests_run_to_their_ends(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  peer *p =
      flow_peer(f, (const char *const[]){
                       CHAT_HEAD CHAT_TEXT("hel") "<<sleep 30>>" CHAT_TEXT("lo") CHAT_END, NULL});
  flow_call *running = flow_chat(f, p), *queued = flow_chat(f, p);
  flow_wait_events(f, running, 1);
  flow_close(f, LEAT_CLOSE_DRAIN);
  flow_assert_error(running, LEAT_OK);
  flow_assert_error(queued, LEAT_OK);
  assert_int_equal(f->closes, 1);
}

static void test_drain_waits_for_repeats(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 503 X\r\nRetry-After-Ms: 60\r\nContent-Length: 0\r\n\r\n",
                               CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_run(f, 30);
  flow_close(f, LEAT_CLOSE_DRAIN);
  flow_assert_error(c, LEAT_OK);
}

static void test_drain_can_be_turned_into_now(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_run(f, 30);
  assert_int_equal(leat_close(f->engine, LEAT_CLOSE_DRAIN, NULL, NULL), LEAT_OK);
  flow_run(f, 30);
  assert_int_equal(c->dones, 0);
  assert_int_equal(leat_close(f->engine, LEAT_CLOSE_NOW, NULL, NULL), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  flow_run(f, 20);
  f->closed = true;
}

static void test_api_05_nothing_is_accepted_once_closing(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  leat_task task;
  leat_id id;
  flow_call *c = flow_chat(f, p);
  assert_int_equal(leat_close(f->engine, LEAT_CLOSE_DRAIN, NULL, NULL), LEAT_OK);
  assert_int_equal(flow_try(f)->error, LEAT_ECLOSED);
  leat_task_init(&task);
  assert_int_equal(leat_task_start(f->engine, &task, &id), LEAT_ECLOSED);
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_run(f, 20);
  f->closed = true;
}

/* A thousand in every phase: queued, connecting, sent, streaming, paused, in backoff. */
static int pause_some(flow_call *c, const leat_event *event) {
  return c->number % 3 == 0 && event->kind == LEAT_EVENT_TEXT ? LEAT_PAUSE : LEAT_CONTINUE;
}

static void test_pl_08_a_thousand_in_flight_are_cancelled(void **state) {
  flow *f = *state;
  peer *streaming =
      flow_peer(f, (const char *const[]){
                       CHAT_HEAD CHAT_TEXT("a") "<<sleep 20>>" CHAT_TEXT("b") "<<silent>>", NULL});
  peer *mute = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  peer *deaf = flow_peer_with(f, &(peer_options){.deaf = true});
  peer *busy =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 503 X\r\nRetry-After: 50\r\nContent-Length: 0\r\n\r\n", NULL});
  peer *peers[] = {streaming, mute, deaf, busy};
  f->config.conns_max = 24;
  f->request.retries = 1;
  for (int i = 0; i < 1000; i++) {
    flow_call *c = flow_chat(f, peers[i % 4]);
    c->on_event = pause_some;
    c->number = i;
  }
  flow_run(f, 60);
  flow_close(f, LEAT_CLOSE_NOW);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(f->dones, 1000);
  assert_int_equal(f->closes, 1);
}

static void test_an_engine_that_did_nothing_closes(void **state) {
  flow *f = *state;
  flow_open(f);
  assert_false(uv_loop_alive(&f->loop));
  flow_close(f, LEAT_CLOSE_DRAIN);
  assert_int_equal(f->closes, 1);
}

static void test_close_with_a_connection_that_idles(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(flow_stats(f).conns_open, 1);
  flow_close(f, LEAT_CLOSE_DRAIN);
}

/* ---- posts */

typedef struct posting {
  flow *flow;
  pthread_t thread;
  int ran, refused, accepted;
} posting;

static void on_post(leat_engine *e, void *user) {
  posting *x = user;
  if (e != x->flow->engine) x->flow->faults++;
  x->ran++;
}

static void *post_a_thousand(void *user) {
  posting *x = user;
  for (int i = 0; i < 1000; i++) {
    int r = leat_post(x->flow->engine, on_post, x);
    if (r == LEAT_OK) x->accepted++;
    if (r == LEAT_ECLOSED) x->refused++;
  }
  return NULL;
}

static void test_posts_from_other_threads_all_run(void **state) {
  flow *f = *state;
  posting posts[4] = {{.flow = f}, {.flow = f}, {.flow = f}, {.flow = f}};
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 100>>" CHAT_END, NULL});
  flow_chat(f, p);
  for (int i = 0; i < 4; i++) pthread_create(&posts[i].thread, NULL, post_a_thousand, &posts[i]);
  flow_wait(f);
  for (int i = 0; i < 4; i++) pthread_join(posts[i].thread, NULL);
  flow_run(f, 10);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(posts[i].accepted, 1000);
    assert_int_equal(posts[i].ran, 1000);
  }
}

static void test_a_post_wakes_a_loop_that_waits(void **state) {
  flow *f = *state;
  posting x = {.flow = f};
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_run(f, 30);
  pthread_create(&x.thread, NULL, post_a_thousand, &x);
  flow_run(f, 200);
  pthread_join(x.thread, NULL);
  assert_int_equal(x.ran, 1000);
  leat_cancel(f->engine, c->id);
}

/* Accepted before the close: they run before its callback. Later ones are refused. */
static void test_every_accepted_post_runs_before_the_end(void **state) {
  flow *f = *state;
  posting x = {.flow = f};
  flow_open(f);
  post_a_thousand(&x);
  assert_int_equal(leat_close(f->engine, LEAT_CLOSE_NOW, NULL, NULL), LEAT_OK);
  assert_int_equal(leat_post(f->engine, on_post, &x), LEAT_ECLOSED);
  assert_int_equal(x.ran, 0);
  flow_run(f, 20);
  assert_int_equal(x.ran, 1000);
  f->closed = true;
}

static void close_from_post(leat_engine *e, void *user) {
  flow *f = user;
  if (leat_close(e, LEAT_CLOSE_NOW, NULL, NULL) != LEAT_OK) f->faults++;
}

static void test_api_02_close_in_a_post(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  flow_call *c = flow_chat(f, p);
  assert_int_equal(leat_post(f->engine, close_from_post, f), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  flow_run(f, 20);
  f->closed = true;
}

/* ---- an owned loop */

typedef struct owned {
  int dones, error, run_inside, once_inside, closed;
  leat_id id;
} owned;

static void on_owned_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  owned *x = user;
  if (id == x->id) x->dones++;
  x->error = result->error;
  x->run_inside = leat_run(e);
  x->once_inside = leat_run_once(e, 0);
}

static void on_owned_close(void *user) {
  owned *x = user;
  x->closed++;
}

static void test_an_owned_loop_runs_until_nothing_is_pending(void **state) {
  flow *f = *state;
  owned x = {0};
  leat_engine *e;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->config.loop = NULL;
  assert_int_equal(leat_open(&e, &f->config, NULL), LEAT_OK);
  f->request.base_url = peer_url(p);
  f->request.on_done = on_owned_done;
  f->request.user = &x;
  for (int i = 1; i <= 3; i++) {
    assert_int_equal(leat_submit(e, &f->request, &x.id), LEAT_OK);
    assert_int_equal(leat_run(e), LEAT_OK);
    assert_int_equal(x.dones, i);
    assert_int_equal(x.error, LEAT_OK);
    assert_int_equal(x.run_inside, LEAT_ESTATE);
    assert_int_equal(x.once_inside, LEAT_ESTATE);
  }
  assert_int_equal(leat_run_once(e, 0), 0);
  assert_int_equal(leat_submit(e, &f->request, &x.id), LEAT_OK);
  int turns = 0;
  while (leat_run_once(e, 50) == 1 && turns < 1000) turns++;
  assert_int_equal(x.dones, 4);
  assert_int_equal(leat_close(e, LEAT_CLOSE_DRAIN, on_owned_close, &x), LEAT_OK);
  assert_int_equal(x.closed, 0);
  assert_int_equal(leat_run(e), LEAT_OK);
  assert_int_equal(x.closed, 1);
}

static void close_and_note(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  owned *x = user;
  (void)id;
  x->dones++;
  x->error = result->error;
  leat_close(e, LEAT_CLOSE_NOW, on_owned_close, x);
}

static void test_api_02_close_in_done_on_an_owned_loop(void **state) {
  flow *f = *state;
  owned x = {0};
  leat_engine *e;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->config.loop = NULL;
  assert_int_equal(leat_open(&e, &f->config, NULL), LEAT_OK);
  f->request.base_url = peer_url(p);
  f->request.on_done = close_and_note;
  f->request.user = &x;
  assert_int_equal(leat_submit(e, &f->request, &x.id), LEAT_OK);
  assert_int_equal(leat_run(e), LEAT_OK);
  assert_int_equal(x.dones, 1);
  assert_int_equal(x.closed, 1);
}

static void test_run_is_not_for_borrowed_loops(void **state) {
  flow *f = *state;
  flow_open(f);
  assert_int_equal(leat_run(f->engine), LEAT_ESTATE);
  assert_int_equal(leat_run_once(f->engine, 0), LEAT_ESTATE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_drain_lets_requests_run_to_their_ends),
      FLOW_TEST(test_drain_waits_for_repeats),
      FLOW_TEST(test_drain_can_be_turned_into_now),
      FLOW_TEST(test_api_05_nothing_is_accepted_once_closing),
      FLOW_TEST(test_pl_08_a_thousand_in_flight_are_cancelled),
      FLOW_TEST(test_an_engine_that_did_nothing_closes),
      FLOW_TEST(test_close_with_a_connection_that_idles),
      FLOW_TEST(test_posts_from_other_threads_all_run),
      FLOW_TEST(test_a_post_wakes_a_loop_that_waits),
      FLOW_TEST(test_every_accepted_post_runs_before_the_end),
      FLOW_TEST(test_api_02_close_in_a_post),
      FLOW_TEST(test_an_owned_loop_runs_until_nothing_is_pending),
      FLOW_TEST(test_api_02_close_in_done_on_an_owned_loop),
      FLOW_TEST(test_run_is_not_for_borrowed_loops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
