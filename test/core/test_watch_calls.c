/* What an observer's callbacks may do, which is what any may: cancel their own request and others
 * in the same line or on the same connection, submit, supersede, close; and what is seen of
 * sockets, turns and tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/asking.h"
#include "support/h2_peer.h"
#include "support/seen.h"

#define SOON "Retry-After-Ms: 1\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\n" SOON "Content-Length: 0\r\n\r\n"

/* ---- what callbacks may do */

static size_t cancel_self(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                          size_t room) {
  (void)s, (void)extra, (void)room;
  assert_int_equal(leat_cancel(e, a->id), LEAT_OK);
  return 0;
}

static void test_cancelled_in_start(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = cancel_self;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  seen_expect(s, c, "S1 D:LEAT_ECANCELLED");
  assert_int_equal(peer_requests(p), 0);
  s->on_start = NULL;
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(peer_conns(p), 1);
}

static size_t cancel_all(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                         size_t room) {
  (void)extra, (void)room;
  for (const flow_call *c = s->flow->calls; c; c = c->next)
    if (c->id != a->id) leat_cancel(e, c->id);
  return 0;
}

static void test_others_in_line_cancelled_in_start(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = cancel_all;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 20; i++) flow_chat(f, p);
  flow_wait(f);
  unsigned good = 0, cancelled = 0;
  for (flow_call *c = f->calls; c; c = c->next) {
    good += c->error == LEAT_OK;
    cancelled += c->error == LEAT_ECANCELLED;
  }
  assert_int_equal(good, 1);
  assert_int_equal(cancelled, 19);
  assert_int_equal(s->starts, 1);
  assert_int_equal(s->dones, 20);
}

/* Those behind it in line, some of which were passed over. */
static size_t cancel_every_other(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                                 size_t room) {
  (void)a, (void)extra, (void)room;
  int i = 0;
  for (const flow_call *c = s->flow->calls; c; c = c->next)
    if (i++ % 2 == (int)(s->starts % 2) && c->id != a->id) leat_cancel(e, c->id);
  return 0;
}

static void serve_slowly(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) {
    peer_sleep(t->link, 1);
    h2_peer_answer(t, ask);
  }
}

static void test_others_on_the_same_connection_cancelled_in_start(void **state) {
  static const uint32_t few[] = {3, 4}; /* SETTINGS_MAX_CONCURRENT_STREAMS */
  flow *f = *state;
  seen *s = seen_watch(f);
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = serve_slowly;
  h->settings = few;
  h->setting_count = 1;
  f->config.http = LEAT_HTTP_2;
  f->config.h2_conns_max = 2;
  f->config.keep_alive_ms = LEAT_NONE; /* its last one's end is the connection's */
  s->on_start = cancel_every_other;
  peer *p = h2_peer_start(f, h);
  f->request.base_url = peer_url(p);
  f->request.retries = 3;
  for (unsigned i = 0; i < 60; i++) h2_peer_chat(f, i);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next)
    assert_true(c->error == LEAT_OK || c->error == LEAT_ECANCELLED);
  assert_int_equal(s->dones, 60);
  for (const flow_call *c = f->calls; c; c = c->next) {
    const char *text = seen_text(s, c->id);
    assert_true(text[0] == 'S' || strcmp(text, "D:LEAT_ECANCELLED") == 0);
  }
}

static void cancel_in_retry(seen *s, leat_engine *e, const leat_attempt *a) {
  (void)s;
  assert_int_equal(leat_cancel(e, a->id), LEAT_OK);
}

static void test_cancelled_in_retry(void **state) {
  static const char *const answers[] = {BUSY, "<<close>>"};
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_retry = cancel_in_retry;
  f->request.retries = 2;
  for (size_t i = 0; i < 2; i++) {
    peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, answers[i], CHAT_HELLO, NULL});
    flow_chat(f, p);
    flow_wait(f);
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_ECANCELLED);
    seen_expect(
        s, c,
        i == 0 ? "S1 R1:LEAT_ESTATUS D:LEAT_ECANCELLED" : "S1 R1:LEAT_ERESET D:LEAT_ECANCELLED");
    assert_int_equal(peer_requests(p), 2);
  }
}

static void submit_one_more(seen *s, leat_engine *e, leat_id id) {
  assert_int_equal(leat_cancel(e, id), LEAT_ENOTFOUND);
  if (s->dones < 5) s->more = flow_submit(s->flow);
}

static void test_submitted_in_done(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_done = submit_one_more;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(s->dones, 5);
  assert_int_equal(s->starts, 5);
}

static size_t submit_in_start(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                              size_t room) {
  (void)e, (void)a, (void)extra, (void)room;
  if (s->starts < 20) s->more = flow_submit(s->flow);
  return 0;
}

static void test_submitted_in_start(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = submit_in_start;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(s->dones, 20);
}

/* Whoever is newer takes the place of all in the lane, of the one that is about to be sent too. */
static size_t supersede_in_start(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                                 size_t room) {
  (void)e, (void)a, (void)extra, (void)room;
  if (s->starts < 5) s->more = flow_submit(s->flow);
  return 0;
}

static void test_superseded_in_start(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = supersede_in_start;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.lane = "chat-1";
  f->request.supersede = true;
  flow_call *first = flow_chat(f, p);
  flow_wait(f);
  seen_expect(s, first, "S1 D:LEAT_ESUPERSEDED");
  flow_assert_error(s->more, LEAT_OK);
  assert_int_equal(s->starts, 5);
  assert_int_equal(s->dones, 5);
  assert_int_equal(peer_requests(p), 1);
}

static size_t close_in_start(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                             size_t room) {
  (void)s, (void)a, (void)extra, (void)room;
  leat_close(e, LEAT_CLOSE_NOW, NULL, NULL);
  return 0;
}

static void test_closed_in_start(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = close_in_start;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD "<<silent>>", NULL});
  for (int i = 0; i < 5; i++) flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(s->dones, 5);
  f->closed = true;
}

/* ---- sockets, turns and tasks */

static void test_a_turns_own_handshake_is_the_turns_attempt(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = seen_add_trace;
  peer *server = talk_peer(
      f, SCRIPTS("< one\n" DELTA("c", "hello") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  seen_expect(s, c, "S1 D:LEAT_OK");
  assert_int_equal(s->count, 1);
  flow_assert_has(peer_request(server, 0), "traceparent: 00-1-0\r\n");
  assert_string_equal(s->protocol, "chat-ws");
  assert_string_equal(s->model, "m");
  assert_string_equal(s->method, "GET");
  assert_ptr_equal(s->last.user, c);
  assert_false(s->last.turn);
  talk_peer_over(f, server);
}

static void test_a_turn_cancelled_in_its_handshakes_start(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  s->on_start = cancel_self;
  peer *server = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  seen_expect(s, c, "S1 D:LEAT_ECANCELLED");
  assert_int_equal(s->count, 1);
}

static void test_a_socket_and_its_turns(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c", "hello") "\n" STOP("c") "\n< two\n" DELTA(
                       "d", "hello") "\n" STOP("d") "\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  talk_wait_events(t, 1);
  seen_expect(s, t->call, "S1");
  assert_ptr_equal(s->last.user, t);
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_for(f, two);
  seen_expect(s, one, "S1 D:LEAT_OK");
  seen_expect(s, two, "S1 D:LEAT_OK");
  assert_true(s->last.turn);
  assert_string_equal(s->host, "127.0.0.1");
  assert_ptr_equal(s->last.user, two);
  talk_close(t, 1000, "");
  flow_wait(f);
  seen_expect(s, t->call, "S1 D:LEAT_OK");
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_a_tasks_exchanges_are_seen_one_by_one(void **state) {
  flow *f = *state;
  seen *s = seen_watch(f);
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
  assert_int_equal(s->count, 2);
  for (size_t i = 0; i < 2; i++) {
    assert_string_equal(s->texts[i], "S1 D:LEAT_OK");
    assert_true(s->ids[i] != c->id);
  }
  assert_null(s->last.user);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_cancelled_in_start),
      FLOW_TEST(test_others_in_line_cancelled_in_start),
      FLOW_TEST(test_others_on_the_same_connection_cancelled_in_start),
      FLOW_TEST(test_cancelled_in_retry),
      FLOW_TEST(test_submitted_in_done),
      FLOW_TEST(test_submitted_in_start),
      FLOW_TEST(test_superseded_in_start),
      FLOW_TEST(test_closed_in_start),
      FLOW_TEST(test_a_turns_own_handshake_is_the_turns_attempt),
      FLOW_TEST(test_a_turn_cancelled_in_its_handshakes_start),
      FLOW_TEST(test_a_socket_and_its_turns),
      FLOW_TEST(test_a_tasks_exchanges_are_seen_one_by_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
