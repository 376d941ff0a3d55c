/* Turns: requests of a dialect that is spoken over a socket, one behind the other. Both forms of a
 * chat's answer, sockets of their own and shared ones, and what is refused before it is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/slice.h"
#include "support/asking.h"

#define KEY "sk-not-to-be-shown"

/* ---- a socket of its own */

static void test_a_chat_in_pieces_over_its_own_socket(void **state) {
  flow *f = *state;
  f->config.api_key = KEY;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c", "hel") "\n" DELTA(
                                  "c", "lo") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_string_equal(c->kinds, "TTF");
  assert_int_equal(c->result.attempts, 1);
  assert_int_equal(c->result_status, 101);
  const leat_times *t = &c->result.times;
  assert_true(t->queued_ns <= t->leased_ns && t->queued_ns <= t->connected_ns);
  assert_true(t->connected_ns <= t->head_ns && t->head_ns <= t->first_content_ns);
  assert_true(t->first_content_ns <= t->done_ns);
  flow_assert_has(peer_request(server, 0), "GET /v1/chat/ws HTTP/1.1\r\n");
  flow_assert_has(peer_request(server, 0), "x-api-key: " KEY "\r\n");
  leat_stats stats = flow_stats(f);
  assert_int_equal(stats.requests_completed, 1);
  assert_int_equal(stats.requests_live, 0);
  assert_null(strstr(f->trace, KEY));
  talk_peer_over(f, server);
}

static void test_a_chat_in_messages_is_told_once(void **state) {
  flow *f = *state;
  peer *server = talk_peer(
      f, SCRIPTS("< one\n" WHOLE("c", "hel", "null") "\n" WHOLE("c", "hello", "null") "\n" WHOLE(
             "c", "hello", "\"stop\"") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  talk_peer_over(f, server);
}

static void test_a_message_in_fragments_is_one_record(void **state) {
  flow *f = *state;
  peer *server =
      talk_peer(f, SCRIPTS("drip\n< one\n>- {\"id\":\"c\",\"choices\":[{\"index\":0,\nping x\n>+ "
                           "\"delta\":{\"content\":\"hello\"}\n>. }]}\npong x\n" STOP(
                               "c") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  talk_peer_over(f, server);
}

static void test_a_response_over_its_own_socket(void **state) {
  flow *f = *state;
  f->request.protocol = "responses-ws";
  f->config.api_key = KEY;
  peer *server =
      talk_peer(f, SCRIPTS("< response.create\n" CREATED("r") "\n" PIECE("he") "\n" PIECE(
                       "llo") "\n" COMPLETED("r", "hello") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_RESPONSE("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  flow_assert_has(peer_request(server, 0), "GET /v1/responses HTTP/1.1\r\n");
  flow_assert_has(peer_request(server, 0), "Authorization: Bearer " KEY "\r\n");
  talk_peer_over(f, server);
}

static void test_typed_chats_are_written_for_each_dialect(void **state) {
  flow *f = *state;
  static const struct {
    const char *protocol, *script;
  } rows[] = {{"chat-ws", "< \"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]\n" DELTA(
                              "c", "hello") "\n" STOP("c") "\nclosed 1000\nclose 1000"},
              {"responses-ws", "< {\"type\":\"response.create\"\n" PIECE("hello") "\n" COMPLETED(
                                   "r", "hello") "\nclosed 1000\nclose 1000"},
              {"realtime",
               "< conversation.item.create\n< response.create\n"
               "> {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n"
               "> {\"type\":\"response.output_text.delta\",\"response_id\":\"r\","
               "\"delta\":\"hello\"}\n"
               "> {\"type\":\"response.done\",\"response\":{\"id\":\"r\","
               "\"status\":\"completed\"}}\nclosed 1000\nclose 1000"}};
  leat_message message = {.role = "user", .text = lti_slice_of("Hi")};
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = "m";
  chat.messages = &message;
  chat.message_count = 1;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *server = talk_peer(f, SCRIPTS(rows[i].script));
    f->request.protocol = rows[i].protocol;
    f->request.base_url = peer_url(server);
    f->request.chat = &chat;
    f->request.body = lti_slice(NULL, 0);
    flow_call *c = flow_submit(f);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
    talk_peer_over(f, server);
  }
}

static void test_a_goodbye_that_is_not_answered_holds_nobody_up(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c", "x") "\n" STOP("c") "\nsilent"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(flow_stats(f).conns_open, 1);
  uv_run(&f->loop, UV_RUN_DEFAULT); /* the socket alone keeps it alive */
  assert_int_equal(flow_stats(f).conns_open, 0);
  talk_peer_over(f, server);
}

static void test_a_path_of_the_callers(void **state) {
  flow *f = *state;
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c", "x") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  f->request.path = "/v9/talk?room=1";
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(server, 0), "GET /v9/talk?room=1 HTTP/1.1\r\n");
  talk_peer_over(f, server);
}

static void test_raw_events_are_the_messages(void **state) {
  flow *f = *state;
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c", "x") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  f->request.want_raw = true;
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(c->text,
                  "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}");
  talk_peer_over(f, server);
}

/* ---- the ways there */

static void test_a_turn_over_tls(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c", "x") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "x");
  assert_true(c->result.times.tls_ns >= c->result.times.connected_ns);
  talk_peer_over(f, server);
}

static void check_proxied(flow *f, bool tls) {
  f->config.api_key = KEY;
  flow_tls_server(f);
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c", "x") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  proxy *via = proxy_start(&(proxy_options){.tls = tls ? f->tls : NULL});
  f->config.proxy = proxy_url(via);
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "x");
  assert_int_equal(proxy_tunnels(via), 1);
  assert_false(proxy_saw(via, KEY));
  talk_peer_over(f, server);
  flow_close(f, LEAT_CLOSE_NOW);
  proxy_stop(via);
}

static void test_a_turn_through_a_proxy(void **state) {
  check_proxied(*state, false);
}

static void test_a_turn_through_a_proxy_in_tls(void **state) {
  check_proxied(*state, true);
}

static void test_plain_sockets_pass_a_proxy_in_a_tunnel(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("< hi\n> ho\nclosed 1000\nclose 1000"));
  proxy *via = proxy_start(&(proxy_options){0});
  f->config.proxy = proxy_url(via);
  talk *t = talk_open(f, server, NULL);
  talk_send(t, "hi");
  talk_wait_events(t, 2);
  talk_close(t, 1000, "");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_string_equal(t->text, "ho|");
  flow_assert_has(proxy_request(via, 0), "CONNECT 127.0.0.1:");
  talk_free(t);
  talk_peer_over(f, server);
  flow_close(f, LEAT_CLOSE_NOW);
  proxy_stop(via);
}

static void test_a_turn_over_a_unix_socket(void **state) {
  flow *f = *state;
  char path[64];
  snprintf(path, sizeof path, "/tmp/leat-ws-%ld.sock", (long)getpid());
  peer *server = talk_peer_at(
      f, path, SCRIPTS("< one\n" DELTA("c", "x") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "x");
  talk_peer_over(f, server);
}

/* ---- several on one socket */

static void test_turns_take_their_turn(void **state) {
  flow *f = *state;
  peer *server = talk_peer(
      f, SCRIPTS("< one\nping a\npong a\n" DELTA("c1", "1") "\n" STOP(
             "c1") "\n"
                   "< two\nping b\npong b\n" DELTA("c2", "2") "\n" STOP(
                       "c2") "\n"
                             "< three\n" WHOLE("c3", "3", "\"stop\"") "\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *c[3];
  static const char *const bodies[] = {ASK_CHAT("one"), ASK_CHAT("two"), ASK_CHAT("three")};
  for (int i = 0; i < 3; i++) c[i] = ask(f, server, t->call->id, bodies[i]);
  for (int i = 0; i < 3; i++) {
    char text[2] = {(char)('1' + i), '\0'};
    flow_wait_for(f, c[i]);
    flow_assert_error(c[i], LEAT_OK);
    assert_string_equal(c[i]->text, text);
    if (i < 2) assert_int_equal(c[2]->dones, 0);
  }
  talk_close(t, 1000, "");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  assert_int_equal(peer_conns(server), 1);
  assert_string_equal(t->decoded, ""); /* what turns wait for is theirs */
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_responses_take_their_turn(void **state) {
  flow *f = *state;
  f->request.protocol = "responses-ws";
  peer *server = talk_peer(
      f, SCRIPTS("< one\n" PIECE("1") "\n" COMPLETED(
             "r1", "1") "\n"
                        "< two\n" PIECE("2") "\n" COMPLETED("r2", "2") "\n"
                                                                       "closed 1000\nclose 1000"));
  talk *t = talk_open(f, server, "responses-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_RESPONSE("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_RESPONSE("two"));
  flow_wait_for(f, two);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_OK);
  assert_string_equal(one->text, "1");
  assert_string_equal(two->text, "2");
  talk_close(t, 1000, "");
  talk_wait(t);
  talk_free(t);
  talk_peer_over(f, server);
}

static void ask_next(flow_call *c, const leat_result *result) {
  (void)result;
  talk *t = c->ctx;
  if (++t->number > 50) return;
  flow_call *next = ask(c->flow, t->ctx, t->call->id, ASK_CHAT("again"));
  next->on_done = ask_next;
  next->ctx = t;
}

static void test_fifty_turns_each_asked_from_the_one_before(void **state) {
  flow *f = *state;
  static const char one[] = "< again\n" DELTA("c", "x") "\n" STOP("c") "\n";
  static const char end[] = "closed 1000\nclose 1000";
  char *script = calloc(1, 51 * sizeof one + sizeof end);
  assert_non_null(script);
  for (int i = 0; i < 51; i++) memcpy(script + strlen(script), one, sizeof one);
  memcpy(script + strlen(script), end, sizeof end);
  peer *server = talk_peer(f, SCRIPTS(script));
  talk *t = talk_open(f, server, "chat-ws");
  t->ctx = server;
  flow_call *first = ask(f, server, t->call->id, ASK_CHAT("again"));
  first->on_done = ask_next;
  first->ctx = t;
  while (t->number < 51 && !t->call->dones) uv_run(&f->loop, UV_RUN_ONCE);
  assert_int_equal(t->number, 51);
  talk_close(t, 1000, "");
  talk_wait(t);
  flow_assert_error(t->call, LEAT_OK);
  for (const flow_call *c = f->calls; c; c = c->next)
    if (c != t->call) assert_string_equal(c->text, "x");
  talk_free(t);
  talk_peer_over(f, server);
  free(script);
}

static void test_what_a_turn_leaves_behind_is_not_the_nexts(void **state) {
  flow *f = *state;
  peer *server = talk_peer(
      f, SCRIPTS("< one\n" DELTA("c1", "1") "\n" STOP(
             "c1") "\n"
                   "< two\n> {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
                   "\"completion_tokens\":9,\"total_tokens\":18}}\n> [DONE]\n" DELTA(
                       "c2", "2") "\n" STOP("c2") "\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_for(f, two);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_OK);
  assert_string_equal(two->text, "2");
  assert_string_equal(two->kinds, "TF");
  talk_close(t, 1000, "");
  talk_wait(t);
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_usage_that_was_asked_for_is_waited_for_a_while(void **state) {
  flow *f = *state;
  peer *server = talk_peer(
      f, SCRIPTS("< one\n" DELTA("c1", "1") "\n" STOP(
             "c1") "\nsleep 50\n"
                   "> {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
                   "\"completion_tokens\":2,\"total_tokens\":3}}\n"
                   "< two\n" DELTA("c2", "2") "\n" STOP("c2") "\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  flow_call *one = ask(f, server, t->call->id, ASK_USAGE("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_USAGE("two"));
  flow_wait_for(f, two);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_OK);
  assert_string_equal(one->kinds, "TFU");
  assert_string_equal(two->kinds, "TF");
  assert_true(flow_took_ms(two) >= 1000); /* none came, and its text is whole all the same */
  talk_close(t, 1000, "");
  talk_wait(t);
  talk_free(t);
  talk_peer_over(f, server);
}

/* ---- arguments */

static void refuse(flow *f, peer *server, leat_id socket, const char *body, int error) {
  f->request.base_url = peer_url(server);
  f->request.socket = socket;
  f->request.body = lti_slice_of(body);
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, error);
  assert_true(strlen(c->message) > 5);
}

static void test_turns_that_cannot_be_are_refused_at_once(void **state) {
  flow *f = *state;
  peer *server = talk_peer(f, SCRIPTS("closed 1000\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  talk *plain = talk_open(f, server, NULL);
  f->request.protocol = "chat-ws";
  refuse(f, server, 12345, ASK_CHAT("x"), LEAT_ENOTFOUND);
  refuse(f, server, plain->call->id, ASK_CHAT("x"), LEAT_EINVAL);
  refuse(f, server, t->call->id, "no JSON", LEAT_EJSON);
  f->request.protocol = "responses-ws";
  refuse(f, server, t->call->id, ASK_RESPONSE("x"), LEAT_EINVAL);
  refuse(f, server, 0, "{}", LEAT_EINVAL);
  f->request.protocol = "openai-chat";
  refuse(f, server, t->call->id, ASK_CHAT("x"), LEAT_EINVAL);
  f->request.protocol = "chat-ws";
  talk_wait_events(t, 1);
  talk_wait_events(plain, 1);
  talk_close(t, 1000, "");
  talk_close(plain, 1000, "");
  refuse(f, server, t->call->id, ASK_CHAT("x"), LEAT_ESTATE);
  talk_wait(t);
  talk_wait(plain);
  refuse(f, server, t->call->id, ASK_CHAT("x"), LEAT_ENOTFOUND);
  assert_int_equal(flow_stats(f).requests_live, 0);
  talk_free(t);
  talk_free(plain);
  talk_peer_over(f, server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_chat_in_pieces_over_its_own_socket),
      FLOW_TEST(test_a_chat_in_messages_is_told_once),
      FLOW_TEST(test_a_message_in_fragments_is_one_record),
      FLOW_TEST(test_a_response_over_its_own_socket),
      FLOW_TEST(test_typed_chats_are_written_for_each_dialect),
      FLOW_TEST(test_a_goodbye_that_is_not_answered_holds_nobody_up),
      FLOW_TEST(test_a_path_of_the_callers),
      FLOW_TEST(test_raw_events_are_the_messages),
      FLOW_TEST(test_a_turn_over_tls),
      FLOW_TEST(test_a_turn_through_a_proxy),
      FLOW_TEST(test_a_turn_through_a_proxy_in_tls),
      FLOW_TEST(test_plain_sockets_pass_a_proxy_in_a_tunnel),
      FLOW_TEST(test_a_turn_over_a_unix_socket),
      FLOW_TEST(test_turns_take_their_turn),
      FLOW_TEST(test_responses_take_their_turn),
      FLOW_TEST(test_fifty_turns_each_asked_from_the_one_before),
      FLOW_TEST(test_what_a_turn_leaves_behind_is_not_the_nexts),
      FLOW_TEST(test_usage_that_was_asked_for_is_waited_for_a_while),
      FLOW_TEST(test_turns_that_cannot_be_are_refused_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
