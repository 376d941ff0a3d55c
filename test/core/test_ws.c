/* Sockets: handshake, messages both ways, the end in all its forms, clocks, pause and cancel. The
 * rows are those of the catalogue of faults. */
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
#define KEY          "sk-not-to-be-shown"

static void check(const talk *t, const char *kinds, int error, unsigned code) {
  flow_assert_error(t->call, error);
  assert_string_equal(t->kinds, kinds);
  assert_int_equal(t->code, code);
}

/* ---- the handshake --------------------------------------------------------------------------- */

static void test_a_message_each_way_and_a_close(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("< hello\n> you\nb \x01\x02\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  assert_int_equal(talk_send(t, "hello"), LEAT_OK);
  talk_wait_events(t, 3);
  assert_string_equal(t->text, "you|\x01\x02|");
  assert_int_equal(talk_close(t, 1000, "done"), LEAT_OK);
  talk_wait(t);
  check(t, "OMMC", LEAT_OK, 1000);
  assert_int_equal(t->call->result_status, 101);
  assert_string_equal(t->call->request_id, "");
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static void test_what_the_handshake_says(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("closed 1000\nclose 1000"));
  leat_header header = {lti_slice_of("X-Mine"), lti_slice_of("1")};
  char url[160];
  talk *t = talk_new(f);
  snprintf(url, sizeof url, "ws%s/a/b?c=d", peer_url(server) + 4);
  t->ws.url = url;
  t->ws.api_key = KEY;
  t->ws.headers = &header;
  t->ws.header_count = 1;
  talk_start(t);
  talk_wait_events(t, 1);
  const char *request = peer_request(server, 0);
  flow_assert_has(request, "GET /a/b?c=d HTTP/1.1\r\n");
  flow_assert_has(request, "Upgrade: websocket\r\n");
  flow_assert_has(request, "Connection: Upgrade\r\n");
  flow_assert_has(request, "Sec-WebSocket-Version: 13\r\n");
  flow_assert_has(request, "Authorization: Bearer " KEY "\r\n");
  flow_assert_has(request, "X-Mine: 1\r\n");
  assert_null(strstr(request, "Sec-WebSocket-Extensions"));
  assert_null(strstr(request, "Sec-WebSocket-Protocol"));
  assert_null(strstr(request, "Content-Length"));
  assert_null(strstr(f->trace, KEY));
  talk_close(t, 1000, "");
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  talk_free(t);
}

static void test_a_dialect_knows_its_place_and_where_its_key_goes(void **state) {
  flow *f = *state;
  static const struct {
    const char *protocol;
    bool in_subprotocol;
    const char *has[4];
  } rows[] = {
      {"chat-ws", false, {"GET /v1/chat/ws HTTP", "x-api-key: " KEY "\r\n"}},
      {"responses-ws", false, {"GET /v1/responses HTTP", "Authorization: Bearer " KEY "\r\n"}},
      {"realtime", false, {"GET /v1/realtime?model=a%2Fb HTTP", "Authorization: Bearer " KEY}},
      {"realtime", true, {"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key." KEY "\r\n"}},
      {"realtime-beta", false, {"OpenAI-Beta: realtime=v1\r\n"}},
      {"realtime-beta",
       true,
       {"Sec-WebSocket-Protocol: realtime, openai-beta.realtime-v1, openai-insecure-api-key." KEY
        "\r\n"}},
  };
  f->config.api_key = KEY;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    ws_peer p = {.subprotocol = rows[i].in_subprotocol ? "realtime" : NULL};
    peer *server = talk_peer(f, &p, SCRIPTS("closed 1000\nclose 1000"));
    talk *t = talk_new(f);
    t->ws.base_url = peer_url(server);
    t->ws.protocol = rows[i].protocol;
    t->ws.model = "a/b";
    t->ws.key_in_subprotocol = rows[i].in_subprotocol;
    talk_start(t);
    talk_wait_events(t, 1);
    for (size_t j = 0; rows[i].has[j]; j++)
      flow_assert_has(peer_request(server, 0), rows[i].has[j]);
    bool bearer = strstr(peer_request(server, 0), "Authorization") != NULL;
    if (rows[i].in_subprotocol) assert_false(bearer);
    assert_string_equal(t->subprotocol, rows[i].in_subprotocol ? "realtime" : "");
    talk_close(t, 1000, "");
    talk_wait(t);
    check(t, "OC", LEAT_OK, 1000);
    talk_free(t);
  }
}

static void test_ws_01_refusals_are_told_with_their_words(void **state) {
  flow *f = *state;
  peer *server = flow_peer(
      f,
      (const char *const[]){REFUSED("401 Unauthorized", "bad_key"),
                            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n<<body>><html><<cut>>",
                            REFUSED("426 Upgrade Required", "x"), NULL});
  static const int statuses[] = {401, 200, 426};
  for (int i = 0; i < 3; i++) {
    talk *t = talk_new(f);
    t->ws.url = peer_url(server);
    t->ws.api_key = KEY;
    talk_start(t);
    talk_wait(t);
    check(t, "", LEAT_EUPGRADE, 1006);
    assert_int_equal(t->call->result_status, statuses[i]);
    if (i == 0) assert_string_equal(t->call->provider_code, "bad_key");
    if (i == 1) assert_string_equal(t->call->body, "<html>");
    flow_assert_has(t->call->message, i == 0 ? "HTTP 401: no" : "HTTP ");
    talk_free(t);
  }
}

static void test_ws_01_a_redirect_is_not_followed(void **state) {
  flow *f = *state;
  peer *other = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  char answer[256];
  snprintf(answer, sizeof answer,
           "HTTP/1.1 301 Moved\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n", peer_url(other));
  peer *server = flow_peer(f, (const char *const[]){answer, NULL});
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  check(t, "", LEAT_EUPGRADE, 1006);
  assert_int_equal(t->call->result_status, 301);
  assert_int_equal(peer_requests(other), 0);
  talk_free(t);
}

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"

static void test_ws_01_answers_that_are_wrong(void **state) {
  flow *f = *state;
  static const char *const answers[] = {
      SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
      SWITCH "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
      SWITCH "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
      SWITCH "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
      NULL};
  peer *server = flow_peer(f, answers);
  for (int i = 0; i < 5; i++) {
    talk *t = talk_open(f, server, NULL);
    talk_wait(t);
    check(t, "", LEAT_EUPGRADE, 1006);
    assert_true(strlen(t->call->message) > 10);
    talk_free(t);
  }
}

static void test_ws_02_a_subprotocol_that_was_not_offered(void **state) {
  flow *f = *state;
  ws_peer p = {.subprotocol = "b"};
  peer *server = talk_peer(f, &p, SCRIPTS("silent"));
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  check(t, "", LEAT_EUPGRADE, 1006);
  flow_assert_has(t->call->message, "subprotocol");
  talk_free(t);
  t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.subprotocols = "a, b";
  talk_start(t);
  talk_wait_events(t, 1);
  assert_string_equal(t->subprotocol, "b");
  leat_cancel(f->engine, t->call->id);
  talk_wait(t);
  check(t, "O", LEAT_ECANCELLED, 1006);
  talk_free(t);
}

static void test_ws_03_frames_beside_the_answer_are_not_lost(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server =
      talk_peer(f, &p, SCRIPTS("with > one\nwith ping x\nwith > two\npong x\nclose 1001 bye"));
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  check(t, "OMPMC", LEAT_OK, 1001);
  assert_string_equal(t->text, "one|two|");
  assert_string_equal(t->reason, "bye");
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static void test_a_socket_over_tls(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  flow_tls_server(f);
  peer *server = talk_peer(f, &p, SCRIPTS("< hi\n> ho\nfill 200000\nclosed 1000\nclose 1000"));
  char url[128];
  talk *t = talk_new(f);
  snprintf(url, sizeof url, "wss%s", peer_url(server) + 5);
  t->ws.url = url;
  talk_start(t);
  talk_send(t, "hi");
  while (!t->call->dones && strlen(t->text) < 200004) uv_run(&f->loop, UV_RUN_ONCE);
  talk_close(t, 1000, "");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void test_pieces_of_a_message_are_one(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("< one two three\n> ok\nclosed 1000\nclose 1000"));
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
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static void test_a_full_queue_says_so_and_when_it_is_empty(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("sleep 50\n< x\n< y\n> ok\nclosed 1000\nclose 1000"));
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
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static void test_a_large_message_goes_out_in_linear_time(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("< xend\n> ok\nclosed 1000\nclose 1000"));
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
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static void test_pings_both_ways(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("ping a\npong a\nping?\n> ok\nclosed 1000\nclose 1000"));
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
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static int note_pieces(talk *t, const leat_ws_event *event) {
  if (event->kind != LEAT_WS_MESSAGE) return LEAT_CONTINUE;
  if (event->first) t->number += 1;
  if (event->last) t->number += 100;
  return LEAT_CONTINUE;
}

static void test_fragments_are_handed_on_as_they_come(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("drip\n>- one\nping\n>+  two\n>.  three\nclose 1000"));
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
      {"raw 8180000000\nclosed 1002", LEAT_EWS},
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
    if (i % 8 == 0 && i) f->peer_count = f->peer_count; /* each row has a peer of its own */
    ws_peer p = {0};
    peer *server = talk_peer(f, &p, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, NULL);
    talk_wait(t);
    flow_assert_error(t->call, rows[i].error);
    assert_int_equal(t->code, 1006);
    assert_true(strlen(t->call->message) > 8);
    assert_int_equal(p.faults, 0);
    talk_free(t);
    peer_stop(f->peers[--f->peer_count]);
  }
}

static void test_ws_11_a_message_above_the_limit(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("> four\nfill 5\nclosed 1009"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.message_bytes_max = 4;
  talk_start(t);
  talk_wait(t);
  check(t, "OM", LEAT_EMESSAGEMAX, 1006);
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

/* ---- the end --------------------------------------------------------------------------------- */

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
    ws_peer p = {0};
    peer *server = talk_peer(f, &p, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, NULL);
    talk_wait(t);
    check(t, "OC", rows[i].error, rows[i].code);
    assert_int_equal(t->closing, rows[i].code);
    if (i == 4) flow_assert_has(t->call->message, "4001: full");
    assert_int_equal(p.faults, 0);
    talk_free(t);
  }
}

static void test_ws_09_a_close_without_an_answer_is_cut(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("closed 1000\nsilent"));
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
  assert_true(flow_took_ms(t->call) < 2000);
  talk_free(t);
}

static void test_ws_09_a_connection_that_stays_behind_both_closes_is_cut(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("close 1000\nclosed 1000\nsilent"));
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  assert_true(flow_took_ms(t->call) < 2000);
  assert_int_equal(p.faults, 0);
  talk_free(t);
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
    ws_peer p = {0};
    peer *server = talk_peer(f, &p, SCRIPTS(rows[i].script));
    talk *t = talk_open(f, server, NULL);
    talk_wait(t);
    flow_assert_error(t->call, rows[i].error);
    assert_int_equal(t->code, 1006);
    talk_free(t);
  }
}

static void test_what_was_sent_leaves_before_the_close(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("< one\n< two\nclosed 4000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk_send(t, "one");
  talk_send(t, "two");
  assert_int_equal(talk_close(t, 4000, "reason"), LEAT_OK);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

/* ---- clocks ---------------------------------------------------------------------------------- */

static void test_a_silent_peer_is_pinged_and_then_lost(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("silent"));
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
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("ping?\nping?\nping?\nclose 1000"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.ping_ms = 60;
  talk_start(t);
  talk_wait(t);
  check(t, "OpppC", LEAT_OK, 1000);
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static void test_a_handshake_has_a_deadline(void **state) {
  flow *f = *state;
  peer *server = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->ws.deadlines.head_ms = 60;
  talk_start(t);
  talk_wait(t);
  check(t, "", LEAT_EHEADTIMEOUT, 1006);
  talk_free(t);
}

static void test_idle_and_total_are_off_unless_asked_for(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  f->config.deadlines.idle_ms = f->config.deadlines.total_ms = 30;
  peer *server = talk_peer(f, &p, SCRIPTS("sleep 120\nclose 1000", "silent"));
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

static void test_a_refused_connection(void **state) {
  flow *f = *state;
  talk *t = talk_new(f);
  t->ws.url = "ws://127.0.0.1:1/";
  talk_start(t);
  talk_wait(t);
  check(t, "", LEAT_EREFUSED, 1006);
  talk_free(t);
}

/* ---- pause and cancel ------------------------------------------------------------------------ */

static int pause_once(talk *t, const leat_ws_event *event) {
  if (t->number || event->kind != (enum leat_ws_event_kind)(size_t)t->ctx) return LEAT_CONTINUE;
  t->number = 1;
  return LEAT_PAUSE;
}

static void check_pause(flow *f, enum leat_ws_event_kind kind, unsigned before) {
  ws_peer p = {0};
  peer *server = talk_peer(f, &p,
                           SCRIPTS("with ping x\nwith > one\nwith ping y\nwith >- tw\n"
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
  assert_int_equal(p.faults, 0);
  talk_free(t);
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
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("with close 1000"));
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
    ws_peer p = {0};
    const char *script = i == 4 || i == 5 ? "sleep 20\nping a\n> b\nraw 8a0163\n< x\nclose 1000"
                                          : "with ping a\nwith > b\nwith raw 8a0163\nclose 1000";
    peer *server = talk_peer(f, &p, SCRIPTS(script));
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
    peer_stop(f->peers[--f->peer_count]);
  }
}

static void test_cancel_before_anything(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("silent"));
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
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("< early\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk_send(t, "early");
  assert_int_equal(talk_close(t, 1000, ""), LEAT_OK);
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static int send_back(talk *t, const leat_ws_event *event) {
  if (event->kind == LEAT_WS_MESSAGE && t->number++ < 3) talk_send(t, "again");
  if (event->kind == LEAT_WS_MESSAGE && t->number == 4) talk_close(t, 1000, "enough");
  return LEAT_CONTINUE;
}

static void test_calls_from_callbacks(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("> first\necho"));
  talk *t = talk_new(f);
  t->ws.url = peer_url(server);
  t->on_event = send_back;
  talk_start(t);
  talk_wait(t);
  check(t, "OMMMMC", LEAT_OK, 1000);
  assert_string_equal(t->text, "first|again|again|again|");
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

/* ---- the engine's end ------------------------------------------------------------------------ */

static void test_a_draining_engine_says_goodbye(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("closed 1001\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  talk *late = talk_open(f, server, NULL); /* has not begun when the engine closes */
  talk_wait_events(t, 1);
  flow_close(f, LEAT_CLOSE_DRAIN);
  check(t, "OC", LEAT_OK, 1000);
  flow_assert_error(late->call, LEAT_OK);
  assert_int_equal(p.faults, 0);
  talk_free(t);
  talk_free(late);
}

static void test_an_engine_that_closes_now_cancels(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("silent"));
  talk *t = talk_open(f, server, NULL);
  talk_wait_events(t, 1);
  flow_close(f, LEAT_CLOSE_NOW);
  check(t, "O", LEAT_ECANCELLED, 1006);
  talk_free(t);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static void refuse(flow *f, void (*spoil)(leat_ws *ws), int error) {
  talk *t = talk_new(f);
  t->ws.url = "ws://127.0.0.1:1/";
  spoil(&t->ws);
  assert_int_equal(talk_try(t), error);
  assert_true(strlen(t->call->message) > 5);
  talk_free(t);
}

static const leat_header upgrade_header = {{"Sec-WebSocket-Key", 17}, {"x", 1}};

static void no_size(leat_ws *ws) {
  ws->struct_size = 0;
}
static void no_place(leat_ws *ws) {
  ws->url = NULL;
}
static void bad_url(leat_ws *ws) {
  ws->url = "ftp://x";
}
static void bad_protocol(leat_ws *ws) {
  ws->protocol = "openai-chat";
}
static void bad_key(leat_ws *ws) {
  ws->api_key = "a\nb";
}
static void bad_token(leat_ws *ws) {
  ws->subprotocols = "a b";
}
static void key_nowhere(leat_ws *ws) {
  ws->key_in_subprotocol = true;
}
static void bad_limit(leat_ws *ws) {
  ws->queue_bytes = -1;
}
static void own_header(leat_ws *ws) {
  ws->headers = &upgrade_header, ws->header_count = 1;
}
static void plain_key(leat_ws *ws) {
  ws->url = "ws://example.test/", ws->api_key = KEY;
}

static void key_is_no_token(leat_ws *ws) {
  ws->protocol = "realtime";
  ws->key_in_subprotocol = true;
  ws->api_key = "a/b";
}

static void test_what_cannot_be_opened_is_refused_at_once(void **state) {
  flow *f = *state;
  refuse(f, no_size, LEAT_EINVAL);
  refuse(f, no_place, LEAT_EINVAL);
  refuse(f, bad_url, LEAT_EURL);
  refuse(f, bad_protocol, LEAT_ENOPROTOCOL);
  refuse(f, bad_key, LEAT_EHEADER);
  refuse(f, bad_token, LEAT_EHEADER);
  refuse(f, key_nowhere, LEAT_EINVAL);
  refuse(f, bad_limit, LEAT_EINVAL);
  refuse(f, own_header, LEAT_EHEADER);
  refuse(f, plain_key, LEAT_EPLAINKEY);
  refuse(f, key_is_no_token, LEAT_EHEADER);
  assert_int_equal(leat_ws_send(f->engine, 12345, LEAT_WS_TEXT, lti_slice_of("x"), true),
                   LEAT_ENOTFOUND);
  assert_int_equal(leat_ws_ping(f->engine, 12345, lti_slice_of("")), LEAT_ENOTFOUND);
}

static void test_what_cannot_be_sent_is_refused_at_once(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server = talk_peer(f, &p, SCRIPTS("closed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  leat_id id = t->call->id;
  assert_int_equal(leat_ws_send(f->engine, id, LEAT_WS_TEXT, lti_slice_of("\xff"), true),
                   LEAT_EINVAL);
  assert_int_equal(leat_ws_send(f->engine, id, (enum leat_ws_type)7, lti_slice_of("x"), true),
                   LEAT_EINVAL);
  assert_int_equal(talk_close(t, 1006, ""), LEAT_EINVAL);
  assert_int_equal(talk_close(t, 0, "words"), LEAT_EINVAL);
  talk_wait_events(t, 1);
  talk_close(t, 1000, "");
  talk_wait(t);
  check(t, "OC", LEAT_OK, 1000);
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

static void test_a_key_that_is_echoed_is_masked(void **state) {
  flow *f = *state;
  peer *server = flow_peer(
      f, (const char *const[]){
             ANSWER_JSON("401 Unauthorized", "{\"error\":{\"message\":\"bad " KEY "\"}}"), NULL});
  for (int i = 0; i < 2; i++) {
    talk *t = talk_new(f);
    t->ws.base_url = peer_url(server);
    t->ws.protocol = "realtime";
    t->ws.api_key = KEY;
    t->ws.key_in_subprotocol = i;
    talk_start(t);
    talk_wait(t);
    flow_assert_error(t->call, LEAT_EUPGRADE);
    assert_null(strstr(t->call->message, KEY));
    assert_null(strstr(t->call->provider_message, KEY));
    assert_null(strstr(t->call->body, KEY));
    flow_assert_has(t->call->provider_message, "bad ***");
    talk_free(t);
  }
}

static void test_decoded_events_come_behind_their_messages(void **state) {
  flow *f = *state;
  ws_peer p = {0};
  peer *server =
      talk_peer(f, &p,
                SCRIPTS("> {\"type\":\"session.created\"}\n"
                        ">- {\"type\":\"response.text.delta\",\n>. \"delta\":\"Hi\"}\n"
                        "> {\"type\":\"response.done\",\"response\":{\"status\":\"completed\"}}\n"
                        "> no JSON\n"
                        "> {\"type\":\"response.output_text.delta\",\"delta\":\"!\"}\nclose 1000"));
  talk *t = talk_open(f, server, "realtime");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(t->decoded, "Hi!");
  flow_assert_has(t->kinds, "MD");
  assert_int_equal(p.faults, 0);
  talk_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_message_each_way_and_a_close),
      FLOW_TEST(test_what_the_handshake_says),
      FLOW_TEST(test_a_dialect_knows_its_place_and_where_its_key_goes),
      FLOW_TEST(test_ws_01_refusals_are_told_with_their_words),
      FLOW_TEST(test_ws_01_a_redirect_is_not_followed),
      FLOW_TEST(test_ws_01_answers_that_are_wrong),
      FLOW_TEST(test_ws_02_a_subprotocol_that_was_not_offered),
      FLOW_TEST(test_ws_03_frames_beside_the_answer_are_not_lost),
      FLOW_TEST(test_a_socket_over_tls),
      FLOW_TEST(test_pieces_of_a_message_are_one),
      FLOW_TEST(test_a_full_queue_says_so_and_when_it_is_empty),
      FLOW_TEST(test_a_large_message_goes_out_in_linear_time),
      FLOW_TEST(test_pings_both_ways),
      FLOW_TEST(test_fragments_are_handed_on_as_they_come),
      FLOW_TEST(test_ws_04_to_07_breaches_are_told_to_the_peer),
      FLOW_TEST(test_ws_11_a_message_above_the_limit),
      FLOW_TEST(test_ws_08_codes_of_the_peers_close),
      FLOW_TEST(test_ws_09_a_close_without_an_answer_is_cut),
      FLOW_TEST(test_ws_09_a_connection_that_stays_behind_both_closes_is_cut),
      FLOW_TEST(test_connections_that_are_lost),
      FLOW_TEST(test_what_was_sent_leaves_before_the_close),
      FLOW_TEST(test_a_silent_peer_is_pinged_and_then_lost),
      FLOW_TEST(test_a_peer_that_answers_pings_lives),
      FLOW_TEST(test_a_handshake_has_a_deadline),
      FLOW_TEST(test_idle_and_total_are_off_unless_asked_for),
      FLOW_TEST(test_a_refused_connection),
      FLOW_TEST(test_nothing_comes_while_paused_and_nothing_is_lost),
      FLOW_TEST(test_a_pause_at_the_close_holds_done_back),
      FLOW_TEST(test_cancel_in_every_callback),
      FLOW_TEST(test_cancel_before_anything),
      FLOW_TEST(test_a_close_before_the_answer),
      FLOW_TEST(test_calls_from_callbacks),
      FLOW_TEST(test_a_draining_engine_says_goodbye),
      FLOW_TEST(test_an_engine_that_closes_now_cancels),
      FLOW_TEST(test_what_cannot_be_opened_is_refused_at_once),
      FLOW_TEST(test_what_cannot_be_sent_is_refused_at_once),
      FLOW_TEST(test_a_key_that_is_echoed_is_masked),
      FLOW_TEST(test_decoded_events_come_behind_their_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
