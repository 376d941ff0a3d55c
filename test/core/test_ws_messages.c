/* Sockets: messages both ways, whole and in pieces, limits, pings, pause. The rows are those of the
 * catalogue of faults. */
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

/* ---- sending */

static void test_pieces_of_a_message_are_one(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one two three\n> ok\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  leat_engine *e = f->engine;
  assert_int_equal(leat_ws_send(e, t->call->id, LEAT_WS_TEXT, lti_slice_of("one "), false), 0);
  assert_int_equal(leat_ws_send(e, t->call->id, LEAT_WS_BINARY, lti_slice_of("x"), true),
                   LEAT_ESTATE);
  talk_wait_events(t, 1);
  assert_int_equal(leat_ws_send(e, t->call->id, LEAT_WS_TEXT, lti_slice_of("two "), false), 0);
  assert_int_equal(leat_ws_send(e, t->call->id, LEAT_WS_TEXT, lti_slice_of("three"), true), 0);
  talk_wait_events(t, 2);
  talk_close(t, 1000, "");
  talk_wait(t);
  check(t, "OMC", LEAT_OK, 1000);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_a_full_queue_says_so_and_when_it_is_empty(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("sleep 50\n< x\n< y\n> ok\nclosed 1000\nclose 1000"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.queue_bytes = 1000;
  talk_start(t);
  char big[1500];
  memset(big, 'x', sizeof big);
  leat_slice message = lti_slice(big, sizeof big);
  assert_int_equal(leat_ws_send(f->engine, t->call->id, LEAT_WS_TEXT, message, true), 1);
  assert_int_equal(talk_send(t, "y"), 1);
  message.size = 600;
  assert_int_equal(leat_ws_send(f->engine, t->call->id, LEAT_WS_TEXT, message, true), 1);
  assert_int_equal(talk_send(t, "z"), LEAT_EQUEUEFULL);
  talk_wait_events(t, 3);
  assert_string_equal(t->kinds, "OSM");
  assert_int_equal(talk_send(t, "z"), LEAT_OK);
  talk_close(t, 1000, "");
  talk_wait(t);
  check(t, "OSMC", LEAT_OK, 1000);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_a_large_message_goes_out_in_linear_time(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< xend\n> ok\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  size_t size = (size_t)16 << 20;
  char *big = malloc(size + 1);
  assert_non_null(big);
  memset(big, 'x', size);
  memcpy(big + size - 4, "xend", 5);
  assert_int_equal(leat_ws_send(f->engine, t->call->id, LEAT_WS_TEXT, lti_slice(big, size), true),
                   1);
  free(big);
  talk_wait_events(t, 3);
  talk_close(t, 1000, "");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_pings_both_ways(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("ping a\npong a\nping?\n> ok\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk_wait_events(t, 2);
  assert_int_equal(leat_ws_ping(f->engine, t->call->id, lti_slice_of("b")), LEAT_OK);
  char long_one[126] = {0};
  assert_int_equal(leat_ws_ping(f->engine, t->call->id, lti_slice(long_one, 126)), LEAT_EINVAL);
  talk_wait_events(t, 4);
  assert_string_equal(t->kinds, "OPpM");
  talk_close(t, 1000, "");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- receiving */

static int note_pieces(talk *t, const leat_ws_event *event) {
  if (event->kind != LEAT_WS_MESSAGE) return LEAT_CONTINUE;
  if (event->first) t->number += 1;
  if (event->last) t->number += 100;
  return LEAT_CONTINUE;
}

static void test_fragments_are_handed_on_as_they_come(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("drip\n>- one\nping\n>+  two\n>.  three\nclose 1000"));
  talk *t = talk_new(f);
  t->on_event = note_pieces;
  t->ws.url = peer_url(server);
  talk_start(t);
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(t->text, "one two three|");
  assert_int_equal(t->number, 101);
  talk_free(t);
}

static void test_ws_04_to_07_breaches_are_told_to_the_peer(void **state) {
  flow *f = *state;
  static const struct {
    const char *script;
    int error;
  } rows[] = {
      {"raw 818000000000\nclosed 1002", LEAT_EWS},
      {"raw c10161\nclosed 1002", LEAT_EWS},
      {"raw 830161\nclosed 1002", LEAT_EWS},
      {"raw 0900\nclosed 1002", LEAT_EWS},
      {"raw 800161\nclosed 1002", LEAT_EWS},
      {"raw 8101ff\nclosed 1007", LEAT_EWS},
      {"raw 880103\nclosed 1002", LEAT_EWS},
      {"raw 880203e7\nclosed 1002", LEAT_EWS},
      {"raw 817f7fffffffffffffff\nclosed 1009", LEAT_EMESSAGEMAX},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *server = talk_peer(f, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, NULL);
    talk_wait(t);
    flow_assert_error(t->call, rows[i].error);
    assert_int_equal(t->code, 1006);
    assert_true(strlen(t->call->message) > 8);
    talk_free(t);
    talk_peer_over(f, server);
  }
}

static void test_ws_10_floods_of_pings(void **state) {
  flow *f = *state;
  static const struct {
    const char *script;
    int error;
  } rows[] = {{"pings 450\n> a\npings 450\n> b\nclosed 1000\nclose 1000", LEAT_OK},
              {"pings 100000\nsilent", LEAT_EWS}};
  for (int i = 0; i < 2; i++) {
    peer *server = talk_peer(f, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, NULL);
    while (!t->call->dones && strlen(t->text) < 4) uv_run(&f->loop, UV_RUN_ONCE);
    talk_close(t, 1000, "");
    talk_wait(t);
    flow_assert_error(t->call, rows[i].error);
    assert_true(t->events <= 2000);
    assert_true(f->memory.peak_bytes < 400000); /* answers to PINGs do not pile up */
    talk_free(t);
    flow_peer_stop(f, server);
  }
}

static void test_ws_11_endless_fragments(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS(">- x\nraw 0000\nraw 0000\n>+ y\n>. z\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(t->text, "xyz|");
  talk_free(t);
  talk_peer_over(f, server);
  enum { FRAGMENTS = 70000 };
  char *script = malloc(4 * FRAGMENTS + 32);
  assert_non_null(script);
  memcpy(script, "raw 010178", 10);
  for (size_t i = 0; i < FRAGMENTS; i++) memcpy(script + 10 + 4 * i, "0000", 4);
  memcpy(script + 10 + 4 * (size_t)FRAGMENTS, "\nsilent", 8);
  server = talk_peer(f, SCRIPTS(script));
  t = talk_open(f, server, NULL);
  talk_wait(t);
  flow_assert_error(t->call, LEAT_EWS);
  assert_true(f->memory.peak_bytes < 400000);
  talk_free(t);
  flow_peer_stop(f, server);
  free(script);
}

static void test_ws_11_a_message_above_the_limit(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("> four\nfill 5\nclosed 1009"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.message_bytes_max = 4;
  talk_start(t);
  talk_wait(t);
  check(t, "OM", LEAT_EMESSAGEMAX, 1006);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_decoded_events_come_behind_their_messages(void **state) {
  flow *f = *state;
  peer *server = talk_peer(
      f, SCRIPTS("> {\"type\":\"session.created\"}\n"
                 ">- {\"type\":\"response.text.delta\",\n>. \"delta\":\"Hi\"}\n"
                 "> {\"type\":\"response.done\",\"response\":{\"status\":\"completed\"}}\n"
                 "> no JSON\n"
                 "> {\"type\":\"response.output_text.delta\",\"delta\":\"!\"}\nclose 1000"));
  talk *t = talk_open(f, server, "realtime");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(t->decoded, "Hi!");
  flow_assert_has(t->kinds, "MD");
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- pause */

static int pause_once(talk *t, const leat_ws_event *event) {
  if (t->number || event->kind != (enum leat_ws_event_kind)(size_t)t->ctx) return LEAT_CONTINUE;
  t->number = 1;
  return LEAT_PAUSE;
}

static void check_pause(flow *f, enum leat_ws_event_kind kind, unsigned before) {
  peer *server = talk_peer(f, SCRIPTS("with ping x\nwith > one\nwith ping y\nwith >- tw\n"
                                      ">. o\nclose 1000 bye"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->on_event = pause_once;
  t->ctx = (void *)(size_t)kind;
  talk_start(t);
  talk_wait_events(t, before);
  flow_run(f, 30);
  assert_int_equal(t->events, before);
  assert_int_equal(leat_resume(f->engine, t->call->id), LEAT_OK);
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(t->text, "one|two|");
  assert_string_equal(t->reason, "bye");
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_nothing_comes_while_paused_and_nothing_is_lost(void **state) {
  flow *f = *state;
  check_pause(f, LEAT_WS_OPEN, 1);
  check_pause(f, LEAT_WS_PING, 2);
  check_pause(f, LEAT_WS_MESSAGE, 3);
  assert_int_equal(flow_stats(f).held_bytes, 0);
}

static void test_a_pause_at_the_close_holds_done_back(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("with close 1000"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->on_event = pause_once;
  t->ctx = (void *)(size_t)LEAT_WS_CLOSING;
  talk_start(t);
  talk_wait_events(t, 2);
  flow_run(f, 30);
  assert_int_equal(t->call->dones, 0);
  leat_resume(f->engine, t->call->id);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  talk_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_pieces_of_a_message_are_one),
      FLOW_TEST(test_a_full_queue_says_so_and_when_it_is_empty),
      FLOW_TEST(test_a_large_message_goes_out_in_linear_time),
      FLOW_TEST(test_pings_both_ways),
      FLOW_TEST(test_fragments_are_handed_on_as_they_come),
      FLOW_TEST(test_ws_04_to_07_breaches_are_told_to_the_peer),
      FLOW_TEST(test_ws_10_floods_of_pings),
      FLOW_TEST(test_ws_11_endless_fragments),
      FLOW_TEST(test_ws_11_a_message_above_the_limit),
      FLOW_TEST(test_decoded_events_come_behind_their_messages),
      FLOW_TEST(test_nothing_comes_while_paused_and_nothing_is_lost),
      FLOW_TEST(test_a_pause_at_the_close_holds_done_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
