/* Sockets: how they begin. What the handshake asks for, what it makes of the answers, and what is
 * refused before anything is sent. The rows are those of the catalogue of faults. */
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

/* ---- the handshake */

static void test_a_message_each_way_and_a_close(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< hello\n> you\nb \x01\x02\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, NULL);
  assert_int_equal(talk_send(t, "hello"), LEAT_OK);
  talk_wait_events(t, 3);
  assert_string_equal(t->text, "you|\x01\x02|");
  assert_int_equal(talk_close(t, 1000, "done"), LEAT_OK);
  talk_wait(t);
  check(t, "OMMC", LEAT_OK, 1000);
  assert_int_equal(t->call->result_status, 101);
  assert_string_equal(t->call->request_id, "ws-1");
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_what_the_handshake_says(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("closed 1000\nclose 1000"));
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
    peer *server = talk_peer_with(f, rows[i].in_subprotocol ? "realtime" : NULL,
                                  SCRIPTS("closed 1000\nclose 1000"));
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

/* The engine's way of keys holds for sockets too; what is answered with it is masked. */
static void test_key_05_a_key_in_the_query_of_a_handshake(void **state) {
  flow *f = *state;
  peer *server = flow_peer(f, (const char *const[]){REFUSED("401 No", "bad " KEY), NULL});
  f->config.auth = LEAT_AUTH_QUERY;
  f->config.api_key = KEY;
  talk *t = talk_new(f);
  t->ws.base_url = peer_url(server);
  t->ws.protocol = "realtime";
  t->ws.model = "a/b";
  talk_start(t);
  talk_wait(t);
  flow_assert_has(peer_request(server, 0), "GET /v1/realtime?model=a%2Fb&key=" KEY " HTTP/1.1\r\n");
  assert_null(strstr(peer_request(server, 0), "Authorization"));
  check(t, "", LEAT_EUPGRADE, 1006);
  assert_null(strstr(t->call->provider_code, KEY));
  assert_null(strstr(f->trace, KEY));
  talk_free(t);
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
  peer *server = talk_peer_with(f, "b", SCRIPTS("silent"));
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
  peer *server =
      talk_peer(f, SCRIPTS("with > one\nwith ping x\nwith > two\npong x\nclose 1001 bye"));
  talk *t = talk_open(f, server, NULL);
  talk_wait(t);
  check(t, "OMPMC", LEAT_OK, 1001);
  assert_string_equal(t->text, "one|two|");
  assert_string_equal(t->reason, "bye");
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_a_socket_over_tls(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  peer *server = talk_peer(f, SCRIPTS("< hi\n> ho\nfill 200000\nclosed 1000\nclose 1000"));
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
  talk_free(t);
  talk_peer_over(f, server);
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

static void test_a_socket_waits_for_a_connection_of_its_own(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  peer *server = talk_peer(f, SCRIPTS("> one\nclosed 1000\nclose 1000"));
  talk *first = talk_open(f, server, NULL), *second = talk_open(f, server, NULL);
  talk_wait_events(first, 2);
  flow_run(f, 30);
  assert_int_equal(second->events, 0);
  assert_int_equal(peer_conns(server), 1);
  talk_close(first, 1000, "");
  talk_wait(first);
  talk_wait_events(second, 2);
  talk_close(second, 1000, "");
  talk_wait(second);
  flow_assert_error(first->call, LEAT_OK);
  flow_assert_error(second->call, LEAT_OK);
  talk_free(first);
  talk_free(second);
  talk_peer_over(f, server);
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

/* ---- arguments */

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
  peer *server = talk_peer(f, SCRIPTS("closed 1000\nclose 1000"));
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
  talk_free(t);
  talk_peer_over(f, server);
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

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_message_each_way_and_a_close),
      FLOW_TEST(test_what_the_handshake_says),
      FLOW_TEST(test_a_dialect_knows_its_place_and_where_its_key_goes),
      FLOW_TEST(test_key_05_a_key_in_the_query_of_a_handshake),
      FLOW_TEST(test_ws_01_refusals_are_told_with_their_words),
      FLOW_TEST(test_ws_01_a_redirect_is_not_followed),
      FLOW_TEST(test_ws_01_answers_that_are_wrong),
      FLOW_TEST(test_ws_02_a_subprotocol_that_was_not_offered),
      FLOW_TEST(test_ws_03_frames_beside_the_answer_are_not_lost),
      FLOW_TEST(test_a_socket_over_tls),
      FLOW_TEST(test_a_handshake_has_a_deadline),
      FLOW_TEST(test_a_socket_waits_for_a_connection_of_its_own),
      FLOW_TEST(test_a_refused_connection),
      FLOW_TEST(test_what_cannot_be_opened_is_refused_at_once),
      FLOW_TEST(test_what_cannot_be_sent_is_refused_at_once),
      FLOW_TEST(test_a_key_that_is_echoed_is_masked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
