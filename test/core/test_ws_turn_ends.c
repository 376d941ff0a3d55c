/* Turns that end otherwise than by their answer: cancelled, too late, refused by the peer, lost
 * with their socket, paused; and what becomes of the socket and of the turns behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/slice.h"
#include "support/asking.h"

#define ANSWERED(id, text) DELTA(id, text) "\n" STOP(id) "\n"
#define GOODBYE            "closed 1000\nclose 1000"

static void end_well(talk *t, peer *server) {
  flow *f = t->flow;
  talk_close(t, 1000, "");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- cancel */

static void test_a_cancelled_turn_is_read_to_its_end_before_the_next(void **state) {
  flow *f = *state;
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c1", "1") "\nsleep 30\nping a\npong a\n" ANSWERED(
                       "c1", "rest") "< two\n" ANSWERED("c2", "2") GOODBYE));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_events(f, one, 1);
  assert_int_equal(leat_cancel(f->engine, one->id), LEAT_OK);
  flow_wait_for(f, one);
  flow_assert_error(one, LEAT_ECANCELLED);
  assert_int_equal(two->dones, 0);
  flow_wait_for(f, two);
  flow_assert_error(two, LEAT_OK);
  assert_string_equal(one->text, "1");
  assert_string_equal(two->text, "2");
  end_well(t, server);
}

static int cancel_it(flow_call *c, const leat_event *event) {
  if (event->kind == LEAT_EVENT_TEXT) leat_cancel(c->flow->engine, c->id);
  return LEAT_CONTINUE;
}

static void test_a_turn_cancelled_from_its_own_callback(void **state) {
  flow *f = *state;
  static const char *const scripts[] = {
      "< one\n" ANSWERED("c1", "1") "< two\n" ANSWERED("c2", "2") GOODBYE,
      /* the message that is under way ends the answer too */
      "< one\n" WHOLE("c1", "1", "\"stop\"") "\n< two\n" ANSWERED("c2", "2") GOODBYE};
  for (int i = 0; i < 2; i++) {
    peer *server = talk_peer(f, SCRIPTS(scripts[i]));
    talk *t = talk_open(f, server, "chat-ws");
    flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
    flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
    one->on_event = cancel_it;
    flow_wait_for(f, two);
    flow_assert_error(one, LEAT_ECANCELLED);
    flow_assert_error(two, LEAT_OK);
    assert_int_equal(one->events, 1);
    assert_string_equal(two->text, "2");
    end_well(t, server);
  }
}

static void test_a_waiting_turn_that_is_cancelled_is_never_sent(void **state) {
  flow *f = *state;
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" ANSWERED("c1", "1") "< three\n" ANSWERED("c3", "3") GOODBYE));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_call *three = ask(f, server, t->call->id, ASK_CHAT("three"));
  assert_int_equal(leat_cancel(f->engine, two->id), LEAT_OK);
  flow_wait_for(f, three);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_ECANCELLED);
  flow_assert_error(three, LEAT_OK);
  assert_string_equal(three->text, "3");
  end_well(t, server);
}

static void test_a_cancelled_turn_cuts_its_own_socket(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c1", "1") "\nsilent", "silent"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait_events(f, c, 1);
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  c = ask(f, server, 0, ASK_CHAT("one")); /* before the handshake */
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  leat_stats stats = flow_stats(f);
  assert_int_equal(stats.requests_cancelled, 2);
  assert_int_equal(stats.requests_live, 0);
  talk_peer_over(f, server);
}

static void test_a_cancelled_socket_takes_its_turns_along(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c1", "1") "\nsilent"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_events(f, one, 1);
  leat_cancel(f->engine, t->call->id);
  flow_wait(f);
  flow_assert_error(t->call, LEAT_ECANCELLED);
  flow_assert_error(one, LEAT_ECANCELLED);
  flow_assert_error(two, LEAT_ECANCELLED);
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- lost */

static void test_turns_of_a_lost_socket(void **state) {
  flow *f = *state;
  static const struct {
    const char *script;
    int running, socket;
  } rows[] = {
      {"< one\nend", LEAT_ERESET, LEAT_ERESET},
      {"< one\nreset", LEAT_ERESET, LEAT_ERESET},
      {"< one\n" DELTA("c", "1") "\nend", LEAT_ETRUNCATED, LEAT_ERESET},
      {"< one\n" DELTA("c", "1") "\n>- half\nend", LEAT_ETRUNCATED, LEAT_ETRUNCATED},
      {"< one\n" DELTA("c", "1") "\nclose 1000", LEAT_ETRUNCATED, LEAT_OK},
      {"< one\n" DELTA("c", "1") "\nclose 1001", LEAT_ETRUNCATED, LEAT_OK},
      {"< one\nclose 1000", LEAT_ERESET, LEAT_OK},
      {"< one\n" DELTA("c", "1") "\nclose 1011 broken", LEAT_EWSCLOSE, LEAT_EWSCLOSE},
      {"< one\n" DELTA("c", "1") "\nclose 4001 no model", LEAT_EAPI, LEAT_EWSCLOSE},
      {"< one\n" DELTA("c", "1") "\nraw 8180\nraw 00000000", LEAT_EWS, LEAT_EWS},
      {"< one\n> no JSON", LEAT_EDECODE, LEAT_EDECODE},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *server = talk_peer(f, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, "chat-ws");
    flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
    flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
    flow_wait(f);
    flow_assert_error(t->call, rows[i].socket);
    flow_assert_error(one, rows[i].running);
    assert_true(two->error < 0 && two->error != LEAT_EAPI);
    assert_true(two->events == 0 && two->result.attempts <= 1 && two->result.retryable);
    assert_true(strlen(one->message) > 5 && strlen(two->message) > 5);
    if (rows[i].running == LEAT_EAPI) {
      assert_string_equal(one->provider_code, "4001");
      assert_string_equal(one->provider_message, "no model");
    }
    talk_free(t);
    talk_peer_over(f, server);
  }
}

static void test_an_answer_that_was_whole_stays_so(void **state) {
  flow *f = *state;
  static const char *const scripts[] = {
      "< one\n" DELTA("c", "1") "\n" STOP("c") "\nclose 1011 broken",
      "< one\n" DELTA("c", "1") "\n" STOP("c") "\nend",
      "< one\n" DELTA("c", "1") "\n" STOP("c") "\nreset"};
  for (int i = 0; i < 3; i++) {
    peer *server = talk_peer(f, SCRIPTS(scripts[i]));
    flow_call *c = ask(f, server, 0, i == 0 ? ASK_USAGE("one") : ASK_CHAT("one"));
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "1");
    talk_peer_over(f, server);
  }
}

static void test_an_error_ends_the_turn_and_not_the_socket(void **state) {
  flow *f = *state;
  peer *server = talk_peer(
      f, SCRIPTS("< one\n> {\"error\":{\"message\":\"slow down\",\"type\":\"t\",\"code\":\"x\"}}\n"
                 "< two\n" ANSWERED("c2", "2") GOODBYE));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_for(f, two);
  flow_assert_error(one, LEAT_EAPI);
  assert_string_equal(one->provider_message, "slow down");
  flow_assert_error(two, LEAT_OK);
  end_well(t, server);
}

static void test_a_refused_handshake_is_its_turns_refusal(void **state) {
  flow *f = *state;
  peer *server = flow_peer(f, (const char *const[]){REFUSED("401 Unauthorized", "bad_key"), NULL});
  f->request.protocol = "chat-ws";
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_EUPGRADE);
  assert_int_equal(c->result_status, 401);
  assert_string_equal(c->provider_code, "bad_key");
  assert_int_equal(c->result.attempts, 1);
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *waits = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(t->call, LEAT_EUPGRADE);
  flow_assert_error(waits, LEAT_EUPGRADE);
  assert_string_equal(waits->kinds, "");
  talk_free(t);
}

static void serve_second(peer_link *l, void *ctx) {
  if (peer_link_index(l) > 0) {
    ws_peer_serve(l, ctx);
  } else if (peer_read(l)) {
    peer_say(l, "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
  }
}

static void test_the_handshake_of_a_turns_own_socket_is_tried_again(void **state) {
  flow *f = *state;
  static const char *const script = "< one\n" ANSWERED("c", "1") "closed 1000\nclose 1000";
  ws_peer *p = flow_keep(f, sizeof *p);
  p->scripts = flow_keep(f, 2 * sizeof *p->scripts);
  memcpy((void *)(size_t)p->scripts, &script, sizeof script);
  peer *server = flow_peer_script(f, serve_second, p);
  f->request.retries = 2;
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
  assert_string_equal(c->text, "1");
  talk_peer_over(f, server);
}

/* ---- too late */

static void test_deadlines_of_turns(void **state) {
  flow *f = *state;
  static const struct {
    const char *script;
    leat_deadlines deadlines;
    int error;
  } rows[] = {
      {"< one\nsleep 150\n" ANSWERED("c", "1") "< two\n" ANSWERED("c2", "2") GOODBYE,
       {.head_ms = 60},
       LEAT_EHEADTIMEOUT},
      {"< one\n" DELTA("c", "1") "\nsleep 150\n" ANSWERED("c", "1") "< two\n" ANSWERED("c2", "2")
           GOODBYE,
       {.gap_ms = 60},
       LEAT_EGAPTIMEOUT},
      {"< one\n> {\"id\":\"c\",\"choices\":[]}\nsleep 150\n" ANSWERED("c", "1") "< two\n" ANSWERED(
           "c2", "2") GOODBYE,
       {.first_ms = 60},
       LEAT_EFIRSTTIMEOUT},
      {"< one\n" DELTA("c", "1") "\nsleep 150\n" ANSWERED("c", "1") "< two\n" ANSWERED("c2", "2")
           GOODBYE,
       {.total_ms = 60},
       LEAT_ETOTALTIMEOUT}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *server = talk_peer(f, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, "chat-ws");
    talk_wait_events(t, 1);
    f->request.deadlines = rows[i].deadlines;
    flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
    f->request.deadlines = (leat_deadlines){0};
    flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
    flow_wait_for(f, two);
    flow_assert_error(one, rows[i].error);
    flow_assert_error(two, LEAT_OK);
    assert_string_equal(two->text, "2");
    end_well(t, server);
  }
}

static void test_waiting_for_a_turn_has_a_deadline(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\nsleep 100\n" ANSWERED("c", "1") GOODBYE));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  f->request.deadlines.queue_ms = 30;
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_for(f, one);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_EQUEUETIMEOUT);
  end_well(t, server);
}

/* ---- pause */

static int pause_first(flow_call *c, const leat_event *event) {
  if (c->number || event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  c->number = 1;
  return LEAT_PAUSE;
}

static void test_a_paused_turn_gets_nothing_and_loses_nothing(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c", "1") "\n" DELTA("c", "2") "\n" ANSWERED(
                                  "c", "3") "< two\n" ANSWERED("c2", "4") GOODBYE));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  one->on_event = pause_first;
  flow_wait_events(f, one, 1);
  flow_run(f, 40);
  assert_int_equal(one->events, 1);
  assert_int_equal(two->dones, 0);
  assert_int_equal(leat_resume(f->engine, one->id), LEAT_OK);
  flow_wait_for(f, two);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_OK);
  assert_string_equal(one->text, "123");
  assert_string_equal(two->text, "4");
  assert_int_equal(flow_stats(f).held_bytes, 0);
  end_well(t, server);
}

static void test_a_paused_turn_can_be_cancelled(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c", "1") "\n" ANSWERED(
                                  "c", "2") "< two\n" ANSWERED("c2", "3") GOODBYE));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  one->on_event = pause_first;
  flow_wait_events(f, one, 1);
  flow_run(f, 20);
  assert_int_equal(leat_cancel(f->engine, one->id), LEAT_OK);
  flow_wait_for(f, two);
  flow_assert_error(one, LEAT_ECANCELLED);
  flow_assert_error(two, LEAT_OK);
  assert_string_equal(two->text, "3");
  end_well(t, server);
}

static int pause_opening(talk *t, const leat_ws_event *event) {
  if (event->kind != LEAT_WS_MESSAGE || t->number) return LEAT_CONTINUE;
  t->number = 1;
  return LEAT_PAUSE;
}

static void test_a_paused_socket_holds_its_turns(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c", "1") "\n" ANSWERED("c", "2") GOODBYE));
  talk *t = talk_new(f);
  t->ws.base_url = peer_url(server);
  t->ws.protocol = "chat-ws";
  t->on_event = pause_opening;
  talk_start(t);
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  talk_wait_events(t, 2);
  flow_run(f, 30);
  assert_int_equal(one->dones, 0);
  assert_int_equal(t->events, 2);
  leat_resume(f->engine, t->call->id);
  flow_wait_for(f, one);
  flow_assert_error(one, LEAT_OK);
  assert_string_equal(one->text, "12");
  end_well(t, server);
}

static void test_a_peer_that_ends_while_a_turn_is_paused(void **state) {
  flow *f = *state;
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c", "1") "\n" ANSWERED("c", "2") "close 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  one->on_event = pause_first;
  flow_wait_events(f, one, 1);
  flow_run(f, 40);
  leat_resume(f->engine, one->id);
  flow_wait(f);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(one->text, "12");
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- the engine's end */

static void test_a_draining_engine_lets_every_turn_end(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" ANSWERED("c1", "1") "< two\n" ANSWERED(
                                  "c2", "2") "closed 1001\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_close(f, LEAT_CLOSE_DRAIN);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_OK);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(two->text, "2");
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_a_draining_engine_waits_for_turns_of_their_own(void **state) {
  flow *f = *state;
  peer *server =
      talk_peer(f, SCRIPTS("< one\nsleep 30\n" ANSWERED("c1", "1") "closed 1000\nclose 1000"));
  flow_call *one = ask(f, server, 0, ASK_CHAT("one"));
  flow_call *two = ask(f, server, 0, ASK_CHAT("one"));
  flow_close(f, LEAT_CLOSE_DRAIN);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_OK);
  assert_string_equal(two->text, "1");
  talk_peer_over(f, server);
}

static void test_an_engine_that_closes_now_cancels_every_turn(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c1", "1") "\nsilent"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *own = ask(f, server, 0, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_events(f, one, 1);
  flow_close(f, LEAT_CLOSE_NOW);
  flow_assert_error(one, LEAT_ECANCELLED);
  flow_assert_error(two, LEAT_ECANCELLED);
  flow_assert_error(own, LEAT_ECANCELLED);
  flow_assert_error(t->call, LEAT_ECANCELLED);
  talk_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_cancelled_turn_is_read_to_its_end_before_the_next),
      FLOW_TEST(test_a_turn_cancelled_from_its_own_callback),
      FLOW_TEST(test_a_waiting_turn_that_is_cancelled_is_never_sent),
      FLOW_TEST(test_a_cancelled_turn_cuts_its_own_socket),
      FLOW_TEST(test_a_cancelled_socket_takes_its_turns_along),
      FLOW_TEST(test_turns_of_a_lost_socket),
      FLOW_TEST(test_an_answer_that_was_whole_stays_so),
      FLOW_TEST(test_an_error_ends_the_turn_and_not_the_socket),
      FLOW_TEST(test_a_refused_handshake_is_its_turns_refusal),
      FLOW_TEST(test_the_handshake_of_a_turns_own_socket_is_tried_again),
      FLOW_TEST(test_deadlines_of_turns),
      FLOW_TEST(test_waiting_for_a_turn_has_a_deadline),
      FLOW_TEST(test_a_paused_turn_gets_nothing_and_loses_nothing),
      FLOW_TEST(test_a_paused_turn_can_be_cancelled),
      FLOW_TEST(test_a_paused_socket_holds_its_turns),
      FLOW_TEST(test_a_peer_that_ends_while_a_turn_is_paused),
      FLOW_TEST(test_a_draining_engine_lets_every_turn_end),
      FLOW_TEST(test_a_draining_engine_waits_for_turns_of_their_own),
      FLOW_TEST(test_an_engine_that_closes_now_cancels_every_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
