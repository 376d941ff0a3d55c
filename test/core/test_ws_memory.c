/* Sockets and turns with any allocation failing, each once alone and once with all behind it: every
 * open and submit that was accepted has its one done, nothing leaks, and no block that held the key
 * is given back with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/slice.h"
#include "support/asking.h"

#define KEY "sk-canary-of-sockets"

typedef struct scenario {
  const char *url, *protocol;
  leat_slice ca;
  const char *bodies[3];     /* turns on the socket, or of their own */
  bool own, pauses, cancels; /* the first turn, in mid-answer */
  bool in_subprotocol;
  leat_engine *engine;
  leat_id socket, turns[3];
  unsigned accepted, dones, good;
} scenario;

static int answer_of(const scenario *s) {
  return s->pauses ? LEAT_PAUSE : LEAT_CONTINUE;
}

static void count_done(scenario *s, const leat_result *result) {
  assert_non_null(leat_error_name(result->error));
  s->dones++;
  if (result->error == LEAT_OK) s->good++;
}

static int on_turn_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  const scenario *s = user;
  bool first = id == s->turns[0] && event->kind == LEAT_EVENT_TEXT;
  if (first && s->cancels) leat_cancel(e, id);
  return answer_of(s);
}

static void on_turn_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  scenario *s = user;
  (void)id;
  count_done(s, result);
  if (!s->own && id == s->turns[2] &&
      leat_ws_close(e, s->socket, 1000, lti_slice_of("enough")) == LEAT_ENOMEM)
    leat_cancel(e, s->socket);
}

/* Bytes are sent back in two pieces, a ping behind the first, and then it closes. */
static int answer_bytes(leat_engine *e, leat_id id) {
  int r = leat_ws_send(e, id, LEAT_WS_TEXT, lti_slice_of("one "), false);
  if (r >= 0) r = leat_ws_ping(e, id, lti_slice_of("p"));
  if (r >= 0) r = leat_ws_send(e, id, LEAT_WS_TEXT, lti_slice_of("two"), true);
  if (r >= 0) r = leat_ws_close(e, id, 1000, lti_slice_of("bye"));
  return r;
}

static int on_socket_event(leat_engine *e, leat_id id, const leat_ws_event *event, void *user) {
  const scenario *s = user;
  bool asked = event->kind == LEAT_WS_MESSAGE && event->last && !s->protocol;
  if (asked && answer_bytes(e, id) < 0) leat_cancel(e, id);
  return answer_of(s);
}

static void on_socket_done(leat_engine *e, leat_id id, const leat_result *result, unsigned code,
                           void *user) {
  (void)e, (void)id, (void)code;
  count_done(user, result);
}

static void open_socket(scenario *s) {
  leat_ws ws;
  leat_ws_init(&ws);
  ws.url = s->protocol ? NULL : s->url;
  ws.base_url = s->protocol ? s->url : NULL;
  ws.protocol = s->protocol;
  ws.api_key = KEY;
  ws.key_in_subprotocol = s->in_subprotocol;
  ws.close_ms = 200;
  ws.on_event = on_socket_event;
  ws.on_done = on_socket_done;
  ws.user = s;
  if (leat_ws_open(s->engine, &ws, &s->socket) == LEAT_OK) s->accepted++;
}

static int submit(scenario *s, int i) {
  leat_request q;
  leat_request_init(&q);
  q.protocol = s->protocol;
  q.base_url = s->url;
  q.api_key = KEY;
  q.body = lti_slice_of(s->bodies[i]);
  q.socket = s->own ? 0 : s->socket;
  q.on_event = on_turn_event;
  q.on_done = on_turn_done;
  q.user = s;
  int r = leat_submit(s->engine, &q, &s->turns[i]);
  if (r == LEAT_OK) s->accepted++;
  return r;
}

static void start(scenario *s) {
  int r = LEAT_OK;
  if (!s->own) open_socket(s);
  if (!s->own && !s->accepted) return;
  for (int i = 0; i < 3 && s->bodies[i]; i++) r = submit(s, i);
  if (r != LEAT_OK && !s->own) leat_cancel(s->engine, s->socket); /* nobody will close it */
}

static void on_closed(void *user) {
  *(bool *)user = true;
}

static void resume(scenario *s) {
  leat_resume(s->engine, s->socket);
  for (int i = 0; i < 3; i++) leat_resume(s->engine, s->turns[i]);
}

static void run_scenario(const leat_allocator *fns, void *ctx) {
  scenario *s = ctx;
  leat_config config;
  uv_loop_t loop;
  bool closed = false;
  ((failing *)fns->user)->canary = KEY;
  uv_loop_init(&loop);
  leat_config_init(&config);
  config.loop = &loop;
  config.allocator = *fns;
  config.retries = LEAT_NONE;
  config.ca_pem = s->ca;
  s->accepted = s->dones = s->good = 0;
  memset(s->turns, 0, sizeof s->turns);
  s->socket = 0;
  int r = leat_open(&s->engine, &config, NULL);
  if (r == LEAT_OK) start(s);
  for (int i = 0; i < 20000 && r == LEAT_OK && s->dones < s->accepted; i++) {
    uv_run(&loop, UV_RUN_ONCE);
    if (s->pauses) resume(s);
  }
  if (r == LEAT_OK) {
    assert_int_equal(s->dones, s->accepted);
    assert_int_equal(leat_close(s->engine, LEAT_CLOSE_NOW, on_closed, &closed), LEAT_OK);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  if (r == LEAT_OK) assert_true(closed);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void check_every_failure(scenario *s, unsigned good) {
  uint64_t calls = failing_at_every_n(run_scenario, s);
  assert_true(calls > 20);
  assert_int_equal(s->good, good); /* the last run had no failure */
}

/* Its client leaves whenever it must: that is no fault. */
static peer *leaving_peer(flow *f, const char *const *scripts) {
  peer *p = talk_peer(f, scripts);
  ((ws_peer *)peer_ctx(p))->quiet = true;
  return p;
}

#define ECHOES "ping x\n>- he\n>. llo\n< one two\nclosed 1000\nclose 1000"

static void test_rs_02_messages_with_any_allocation_failing(void **state) {
  peer *server = leaving_peer(*state, SCRIPTS(ECHOES));
  check_every_failure(&(scenario){.url = peer_url(server)}, 1);
}

static void test_rs_02_pauses_with_any_allocation_failing(void **state) {
  peer *server = leaving_peer(*state, SCRIPTS(ECHOES));
  check_every_failure(&(scenario){.url = peer_url(server), .pauses = true}, 1);
}

static void test_rs_02_sockets_in_tls_with_any_allocation_failing(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  peer *server = leaving_peer(f, SCRIPTS(ECHOES));
  check_every_failure(&(scenario){.url = peer_url(server), .ca = f->config.ca_pem}, 1);
}

static void test_rs_02_refused_handshakes_with_any_allocation_failing(void **state) {
  peer *server = flow_peer(*state, (const char *const[]){REFUSED("401 No", "x"), NULL});
  check_every_failure(&(scenario){.url = peer_url(server)}, 0);
  check_every_failure(&(scenario){.url = peer_url(server), .protocol = "realtime"}, 0);
  check_every_failure(
      &(scenario){.url = peer_url(server), .protocol = "realtime", .in_subprotocol = true}, 0);
}

#define ANSWERED(id, text) DELTA(id, text) "\n" STOP(id) "\n"
#define THREE                                                          \
  "< one\n" DELTA("c1", "1") "\n" ANSWERED("c1", "1") "< two\n" WHOLE( \
      "c2", "2", "\"stop\"") "\n< three\n" ANSWERED("c3", "3") "closed 1000\nclose 1000"

static scenario three(peer *server) {
  return (scenario){.url = peer_url(server),
                    .protocol = "chat-ws",
                    .bodies = {ASK_CHAT("one"), ASK_CHAT("two"), ASK_CHAT("three")}};
}

static void test_rs_02_turns_with_any_allocation_failing(void **state) {
  scenario s = three(leaving_peer(*state, SCRIPTS(THREE)));
  check_every_failure(&s, 4);
}

static void test_rs_02_paused_turns_with_any_allocation_failing(void **state) {
  scenario s = three(leaving_peer(*state, SCRIPTS(THREE)));
  s.pauses = true;
  check_every_failure(&s, 4);
}

static void test_rs_02_cancelled_turns_with_any_allocation_failing(void **state) {
  scenario s = three(leaving_peer(*state, SCRIPTS(THREE)));
  s.cancels = true;
  check_every_failure(&s, 3);
}

static void test_rs_02_turns_of_their_own_with_any_allocation_failing(void **state) {
  flow *f = *state;
  peer *chat = leaving_peer(f, SCRIPTS("< x\n" ANSWERED("c", "1") "closed 1000\nclose 1000"));
  check_every_failure(
      &(scenario){
          .url = peer_url(chat), .protocol = "chat-ws", .bodies = {ASK_CHAT("x")}, .own = true},
      1);
  peer *response = leaving_peer(
      f, SCRIPTS("< x\n" PIECE("1") "\n" COMPLETED("r", "1") "\nclosed 1000\nclose 1000"));
  check_every_failure(&(scenario){.url = peer_url(response),
                                  .protocol = "responses-ws",
                                  .bodies = {ASK_RESPONSE("x")},
                                  .own = true},
                      1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_rs_02_messages_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_pauses_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_sockets_in_tls_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_refused_handshakes_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_turns_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_paused_turns_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_cancelled_turns_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_turns_of_their_own_with_any_allocation_failing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
