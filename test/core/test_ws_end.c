/* Sockets: how they end. Closes from both sides, losses, clocks, cancel, and the end of the engine.
 * The rows are those of the catalogue of faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/slice.h"
#include "support/talk.h"

#define SCRIPTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check(const talk *t, const char *kinds, int error, unsigned code) {
  flow_assert_error(t->call, error);
  assert_string_equal(t->kinds, kinds);
  assert_int_equal(t->code, code);
}

/* ---- the end */

static void test_ws_08_codes_of_the_peers_close(void **state) {
  flow *f = *state;
  static const struct {
    const char *script;
    int error;
    unsigned code;
  } rows[] = {{"close 1000 bye", LEAT_OK, 1000},
              {"close 1001", LEAT_OK, 1001},
              {"close 0", LEAT_OK, 1005},
              {"close 1011 oops", LEAT_EWSCLOSE, 1011},
              {"close 4001 full", LEAT_EWSCLOSE, 4001}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *server = talk_peer(f, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, NULL);
    talk_wait(t);
    check(t, "OC", rows[i].error, rows[i].code);
    assert_int_equal(t->closing, rows[i].code);
    if (i == 4) flow_assert_has(t->call->message, "4001: full");
    talk_free(t);
    talk_peer_over(f, server);
  }
}

static void test_ws_09_a_close_without_an_answer_is_cut(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("closed 1000\nsilent"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.close_ms = 60;
  talk_start(t);
  talk_wait_events(t, 1);
  assert_int_equal(talk_close(t, 1000, ""), LEAT_OK);
  assert_int_equal(talk_close(t, 1000, ""), LEAT_ESTATE);
  assert_int_equal(talk_send(t, "x"), LEAT_ESTATE);
  talk_wait(t);
  check(t, "O", LEAT_EWSCLOSE, 1006);
  assert_true(flow_took_ms(t->call) < FLOW_SOON_MS);
  talk_free(t);
}

static void test_ws_09_a_connection_that_stays_behind_both_closes_is_cut(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("close 1000\nclosed 1000\nsilent"));
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  assert_true(flow_took_ms(t->call) < FLOW_SOON_MS);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_connections_that_are_lost(void **state) {
  flow *f = *state;
  static const struct {
    const char *script, *kinds;
    int error;
  } rows[] = {{"> a\nend", "OM", LEAT_ERESET},
              {"reset", "O", LEAT_ERESET},
              {">- half\nend", "OM", LEAT_ETRUNCATED}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *server = talk_peer(f, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, NULL);
    talk_wait(t);
    flow_assert_error(t->call, rows[i].error);
    assert_int_equal(t->code, 1006);
    talk_free(t);
  }
}

static void test_what_was_sent_leaves_before_the_close(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n< two\nclosed 4000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk_send(t, "one");
  talk_send(t, "two");
  assert_int_equal(talk_close(t, 4000, "reason"), LEAT_OK);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- clocks */

static void test_a_silent_peer_is_pinged_and_then_lost(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("silent"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.ping_ms = 60;
  talk_start(t);
  talk_wait(t);
  check(t, "O", LEAT_EIDLETIMEOUT, 1006);
  assert_true(flow_took_ms(t->call) >= 110);
  talk_free(t);
}

static void test_a_peer_that_answers_pings_lives(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("ping?\nping?\nping?\nclose 1000"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.ping_ms = 60;
  talk_start(t);
  talk_wait(t);
  check(t, "OpppC", LEAT_OK, 1000);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_idle_and_total_are_off_unless_asked_for(void **state) {
  flow *f = *state;
  f->config.deadlines.idle_ms = f->config.deadlines.total_ms = 30;
  peer *server = talk_peer(f, SCRIPTS("sleep 120\nclose 1000", "silent"));
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  talk_free(t);
  t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.deadlines.total_ms = 60;
  talk_start(t);
  talk_wait(t);
  check(t, "O", LEAT_ETOTALTIMEOUT, 1006);
  talk_free(t);
}

/* ---- cancel */

static int cancel_at(talk *t, const leat_ws_event *event) {
  if (event->kind == (enum leat_ws_event_kind)(size_t)t->ctx)
    assert_int_equal(leat_cancel(t->flow->engine, t->call->id), LEAT_OK);
  return LEAT_PAUSE; /* of no effect behind a cancel, and undone before it */
}

static int cancel_or_go_on(talk *t, const leat_ws_event *event) {
  if (event->kind != (enum leat_ws_event_kind)(size_t)t->ctx) return LEAT_CONTINUE;
  return cancel_at(t, event);
}

static void test_cancel_in_every_callback(void **state) {
  flow *f = *state;
  static const struct {
    enum leat_ws_event_kind kind;
    const char *kinds;
  } rows[] = {{LEAT_WS_OPEN, "O"},    {LEAT_WS_PING, "OP"},    {LEAT_WS_MESSAGE, "OPM"},
              {LEAT_WS_PONG, "OPMp"}, {LEAT_WS_SENT, "OPMpS"}, {LEAT_WS_CLOSING, "OPMpSC"}};
  for (size_t i = 0; i < 6; i++) {
    const char *script = i == 4 || i == 5 ? "sleep 20\nping a\n> b\nraw 8a0163\n< x\nclose 1000"
                                          : "with ping a\nwith > b\nwith raw 8a0163\nclose 1000";
    peer *server = talk_peer(f, SCRIPTS(script));
    talk *t = talk_new(f);
    t->ws.url = peer_url(server);
    t->on_event = cancel_or_go_on;
    t->ctx = (void *)(size_t)rows[i].kind;
    t->ws.queue_bytes = 1;
    talk_start(t);
    if (i >= 4) talk_send(t, "x");
    talk_wait(t);
    flow_assert_error(t->call, LEAT_ECANCELLED);
    assert_int_equal(strlen(t->kinds), strspn(t->kinds, "OPMpSC"));
    assert_int_equal(t->kinds[strlen(t->kinds) - 1], rows[i].kinds[strlen(rows[i].kinds) - 1]);
    talk_free(t);
    flow_peer_stop(f, server);
  }
}

static void test_cancel_before_anything(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("silent"));
  talk *t = talk_open(f, server, NULL);
  talk_send(t, "x");
  assert_int_equal(leat_cancel(f->engine, t->call->id), LEAT_OK);
  assert_int_equal(talk_send(t, "x"), LEAT_ESTATE);
  talk_wait(t);
  check(t, "", LEAT_ECANCELLED, 1006);
  assert_int_equal(talk_send(t, "x"), LEAT_ENOTFOUND);
  assert_int_equal(talk_close(t, 1000, ""), LEAT_ENOTFOUND);
  talk_free(t);
}

static void test_a_close_before_the_answer(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< early\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk_send(t, "early");
  assert_int_equal(talk_close(t, 1000, ""), LEAT_OK);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  talk_free(t);
  talk_peer_over(f, server);
}

static int send_back(talk *t, const leat_ws_event *event) {
  if (event->kind == LEAT_WS_MESSAGE && t->number++ < 3) talk_send(t, "again");
  if (event->kind == LEAT_WS_MESSAGE && t->number == 4) talk_close(t, 1000, "enough");
  return LEAT_CONTINUE;
}

static void test_calls_from_callbacks(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("> first\necho"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->on_event = send_back;
  talk_start(t);
  talk_wait(t);
  check(t, "OMMMMC", LEAT_OK, 1000);
  assert_string_equal(t->text, "first|again|again|again|");
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- the engine's end */

static void test_a_draining_engine_says_goodbye(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("closed 1001\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk *late = talk_open(f, server, NULL); /* has not begun when the engine closes */
  talk_wait_events(t, 1);
  flow_close(f, LEAT_CLOSE_DRAIN);
  check(t, "OC", LEAT_OK, 1000);
  flow_assert_error(late->call, LEAT_OK);
  talk_free(t);
  talk_free(late);
  talk_peer_over(f, server);
}

static void test_an_engine_that_closes_now_cancels(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("silent"));
  talk *t = talk_open(f, server, NULL);
  talk_wait_events(t, 1);
  flow_close(f, LEAT_CLOSE_NOW);
  check(t, "O", LEAT_ECANCELLED, 1006);
  talk_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_ws_08_codes_of_the_peers_close),
      FLOW_TEST(test_ws_09_a_close_without_an_answer_is_cut),
      FLOW_TEST(test_ws_09_a_connection_that_stays_behind_both_closes_is_cut),
      FLOW_TEST(test_connections_that_are_lost),
      FLOW_TEST(test_what_was_sent_leaves_before_the_close),
      FLOW_TEST(test_a_silent_peer_is_pinged_and_then_lost),
      FLOW_TEST(test_a_peer_that_answers_pings_lives),
      FLOW_TEST(test_idle_and_total_are_off_unless_asked_for),
      FLOW_TEST(test_cancel_in_every_callback),
      FLOW_TEST(test_cancel_before_anything),
      FLOW_TEST(test_a_close_before_the_answer),
      FLOW_TEST(test_calls_from_callbacks),
      FLOW_TEST(test_a_draining_engine_says_goodbye),
      FLOW_TEST(test_an_engine_that_closes_now_cancels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
