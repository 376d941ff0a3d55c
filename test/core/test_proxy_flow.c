/* Whole requests through a scripted CONNECT proxy: what the proxy and the origin get to see, what
 * becomes of a proxy that refuses, lies, stalls or cuts, and who is reached without it. Names that
 * only the proxy knows prove that none is looked up here. Rows KEY and PL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"
#include "support/proxy.h"
#include "support/tls_scene.h"

#define KEY       "secret-hunter2"
#define AUTH      "Basic dTpwYXNzLWh1bnRlcg==" /* u:pass-hunter */
#define USER_PART "u:pass-hunter@"
#define NAME      "api.x.test" /* in the certificate, in no resolver */
#define PROXIES   2

static proxy *proxies[PROXIES];
static size_t proxy_count;
static char texts[8][200];
static unsigned next_text;

static int setup(void **state) {
  proxy_count = 0;
  return flow_setup(state);
}

static int teardown(void **state) {
  for (size_t i = 0; i < proxy_count; i++) proxy_stop(proxies[i]);
  return flow_teardown(state);
}

#define PROXY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const char *keep(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *keep(const char *format, ...) {
  char *text = texts[next_text++ % 8];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof texts[0], format, args);
  va_end(args);
  return text;
}

/* Started, and the engine's proxy from now on, with `user` in front of its host. */
static proxy *use_proxy(flow *f, const proxy_options *options, const char *user) {
  proxy *p = proxy_start(options);
  assert_true(proxy_count < PROXIES);
  proxies[proxy_count++] = p;
  const char *scheme = options->tls ? "https" : "http";
  f->config.proxy = keep("%s://%s127.0.0.1:%d", scheme, user, proxy_port(p));
  return p;
}

static peer *tls_origin(flow *f, const char *const *answers) {
  if (!f->tls) flow_tls_server(f);
  peer *o = flow_peer_with(f, &(peer_options){.answers = answers, .tls = f->tls});
  f->request.base_url = keep("https://" NAME ":%d", peer_port(o));
  f->request.api_key = KEY;
  return o;
}

static flow_call *ask(flow *f) {
  flow_call *c = flow_submit(f);
  flow_wait(f);
  return c;
}

/* One request, no repeats, and what became of it. */
static flow_call *ask_once(flow *f) {
  f->config.retries = LEAT_NONE;
  return ask(f);
}

static void assert_saw_nothing(proxy *p) {
  static const char *const secrets[] = {KEY, "/v1/chat", "hello", "\"messages\"",
                                        "Authorization: Bearer"};
  for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
    if (proxy_saw(p, secrets[i])) fail_msg("the proxy saw %s", secrets[i]);
}

static void assert_origin_saw_no_proxy(peer *o) {
  static const char *const parts[] = {"roxy", AUTH, "hunter@", "CONNECT"};
  for (unsigned n = 0; n < peer_requests(o); n++)
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
      if (strstr(peer_request(o, n), parts[i])) fail_msg("the origin saw %s", parts[i]);
}

/* ---- tunnels that stand */

static void check_chat_through(flow *f, bool tls, const char *user) {
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p =
      use_proxy(f, &(proxy_options){.tls = tls ? f->tls : NULL, .auth = *user ? AUTH : NULL}, user);
  flow_call *c = ask_once(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_int_equal(proxy_requests(p), 1);
  assert_int_equal(proxy_tunnels(p), 1);
  const char *expected =
      keep("CONNECT " NAME ":%d HTTP/1.1\r\nHost: " NAME ":%d\r\n", peer_port(o), peer_port(o));
  assert_ptr_equal(strstr(proxy_request(p, 0), expected), proxy_request(p, 0));
  flow_assert_has(peer_request(o, 0), "Authorization: Bearer " KEY);
  assert_saw_nothing(p);
  assert_origin_saw_no_proxy(o);
  if (*user)
    flow_assert_has(proxy_request(p, 0), "\r\nProxy-Authorization: " AUTH "\r\n");
  else
    assert_null(strstr(proxy_request(p, 0), "Proxy-Authorization"));
}

static void test_tls_through_an_http_proxy(void **state) {
  check_chat_through(*state, false, "");
}

static void test_tls_in_tls_through_an_https_proxy(void **state) {
  check_chat_through(*state, true, "");
}

static void test_key_11_basic_authentication_is_the_proxys_alone(void **state) {
  check_chat_through(*state, false, USER_PART);
}

static void test_key_11_basic_authentication_over_tls(void **state) {
  check_chat_through(*state, true, USER_PART);
}

static void test_a_plain_origin_is_reached_by_a_tunnel_too(void **state) {
  flow *f = *state;
  peer *o = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = AUTH}, USER_PART);
  f->request.base_url = keep("http://plain.x.test:%d", peer_port(o));
  flow_call *c = ask_once(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  flow_assert_has(proxy_request(p, 0), keep("CONNECT plain.x.test:%d HTTP/1.1\r\n", peer_port(o)));
  assert_ptr_equal(strstr(peer_request(o, 0), "POST /v1/chat/completions HTTP/1.1\r\n"),
                   peer_request(o, 0));
  assert_origin_saw_no_proxy(o);
}

static void test_a_tunnel_is_kept_and_used_again(void **state) {
  flow *f = *state;
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  for (int i = 0; i < 3; i++) flow_assert_error(ask(f), LEAT_OK);
  assert_int_equal(proxy_requests(p), 1);
  assert_int_equal(peer_conns(o), 1);
  assert_int_equal(flow_stats(f).conns_opened, 1);
}

static void check_many(flow *f, bool tls) {
  flow_call *calls[40];
  peer *o = tls_origin(
      f,
      (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 20>>" CHAT_TEXT("b") CHAT_END, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.tls = tls ? f->tls : NULL}, "");
  f->config.conns_max = 10;
  for (int i = 0; i < 40; i++) calls[i] = flow_submit(f);
  flow_wait(f);
  for (int i = 0; i < 40; i++) {
    flow_assert_error(calls[i], LEAT_OK);
    assert_string_equal(calls[i]->text, "ab");
  }
  assert_int_equal(peer_requests(o), 40);
  assert_true(proxy_tunnels(p) <= 10);
  assert_saw_nothing(p);
}

static void test_many_at_once_through_an_http_proxy(void **state) {
  check_many(*state, false);
}

static void test_many_at_once_through_an_https_proxy(void **state) {
  check_many(*state, true);
}

static void test_a_session_with_an_https_proxy_is_resumed(void **state) {
  flow *f = *state;
  tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  tls_server *own = tls_server_new(&(tls_server_options){.leaf = &f->leaf, .tickets = true});
  use_proxy(f, &(proxy_options){.tls = own}, "");
  f->config.keep_alive_ms = LEAT_NONE; /* each has a tunnel of its own */
  for (unsigned i = 0; i < 6; i++) {
    if (i == 3) tls_server_rotate(own);
    flow_assert_error(ask(f), LEAT_OK);
    assert_int_equal(tls_server_resumed(own), i < 3 ? i : i - 1);
  }
  flow_close(f, LEAT_CLOSE_NOW);
  proxy_stop(proxies[--proxy_count]);
  tls_server_free(own);
}

static void check_large(flow *f, bool tls) {
  static char body[1500000];
  memset(body, ' ', sizeof body);
  memcpy(body, FLOW_BODY, sizeof FLOW_BODY - 1);
  peer *o = tls_origin(f, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n"
                                                "\r\n<<fill 3000000>>",
                                                NULL});
  proxy *p = use_proxy(f, &(proxy_options){.tls = tls ? f->tls : NULL}, "");
  f->request.protocol = "raw";
  f->request.method = "POST";
  f->request.body = (leat_slice){body, sizeof body};
  flow_call *c = ask_once(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->text_size, 3000000);
  assert_true(strlen(peer_request(o, 0)) > sizeof body);
  assert_true(proxy_bytes(p, true) > sizeof body && proxy_bytes(p, false) > 3000000);
}

static void test_large_bodies_both_ways_through_an_http_proxy(void **state) {
  check_large(*state, false);
}

static void test_large_bodies_both_ways_through_an_https_proxy(void **state) {
  check_large(*state, true);
}

/* ---- answers to CONNECT */

/* The proxy answers each CONNECT so; the request fails with `error`, before its key has left. */
static flow_call *check_answer(flow *f, const char *answer, int error) {
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.answers = (const char *const[]){answer, NULL}}, "");
  flow_call *c = ask_once(f);
  flow_assert_error(c, error);
  assert_int_equal(c->heads, 0);
  assert_int_equal(c->events, 0);
  assert_int_equal(peer_requests(o), 0);
  assert_saw_nothing(p);
  assert_null(strstr(c->message, "hunter"));
  return c;
}

static void test_407_names_the_status(void **state) {
  flow_call *c = check_answer(*state, PROXY_WANTS_AUTH, LEAT_EPROXY);
  flow_assert_has(c->message, "407");
}

static void test_a_wrong_password_is_not_quoted(void **state) {
  flow *f = *state;
  tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = AUTH}, "u:wrong-hunter@");
  flow_call *c = ask_once(f);
  flow_assert_error(c, LEAT_EPROXY);
  flow_assert_has(c->message, "407");
  assert_null(strstr(c->message, "hunter"));
  assert_null(strstr(f->trace ? f->trace : "", "hunter"));
  assert_saw_nothing(p);
}

static void test_403_names_the_status(void **state) {
  flow_call *c = check_answer(*state, PROXY_REFUSES("403 Forbidden", "no"), LEAT_EPROXY);
  flow_assert_has(c->message, "403");
}

static void test_502_names_the_status(void **state) {
  flow_call *c = check_answer(*state, PROXY_REFUSES("502 Bad Gateway", "no"), LEAT_EPROXY);
  flow_assert_has(c->message, "502");
}

static void test_a_redirect_of_a_proxy_is_not_followed(void **state) {
  flow_call *c = check_answer(*state,
                              "HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\n"
                              "Content-Length: 0\r\n\r\n",
                              LEAT_EPROXY);
  flow_assert_has(c->message, "307");
}

static void test_a_refusal_with_an_endless_body_is_not_waited_for(void **state) {
  flow *f = *state;
  flow_call *c = check_answer(f, "HTTP/1.1 503 S\r\n\r\n<<fill 100000>><<silent>>", LEAT_EPROXY);
  flow_assert_has(c->message, "503");
  assert_true(flow_took_ms(c) < FLOW_SOON_MS);
}

static void test_an_answer_that_is_not_http_is_refused(void **state) {
  flow_call *c = check_answer(*state, "SSH-2.0-OpenSSH_9\r\n<<silent>>", LEAT_EPROXY);
  flow_assert_has(c->message, "HTTP/1.1");
}

static void test_a_switch_of_protocols_is_no_answer(void **state) {
  check_answer(*state, "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n<<silent>>",
               LEAT_EPROXY);
}

static void test_a_head_above_the_limit_is_refused(void **state) {
  check_answer(*state, "HTTP/1.1 200 OK\r\nX: <<fill 100000>>\r\n\r\n<<silent>>", LEAT_EPROXY);
}

static void test_a_head_without_end_is_no_answer(void **state) {
  check_answer(*state, "HTTP/1.1 200 OK\r\nX: y\r\n<<close>>", LEAT_EPROXY);
}

static void test_a_proxy_that_closes_without_an_answer_is_named(void **state) {
  flow_call *c = check_answer(*state, "<<close>>", LEAT_EPROXY);
  flow_assert_has(c->message, "closed");
}

static void test_silence_is_bounded_by_connect_ms(void **state) {
  flow *f = *state;
  f->config.deadlines.connect_ms = 200;
  flow_call *c = check_answer(f, "<<silent>>", LEAT_ECONNTIMEOUT);
  assert_true(flow_took_ms(c) >= 150 && flow_took_ms(c) < FLOW_SOON_MS);
}

static void test_a_200_behind_interim_answers_and_with_a_length_is_a_tunnel(void **state) {
  flow *f = *state;
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  use_proxy(f,
            &(proxy_options){.delay_ms = 30,
                             .head = "HTTP/1.1 100 C\r\n\r\nHTTP/1.0 200 OK\r\n"
                                     "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
            "");
  flow_assert_error(ask_once(f), LEAT_OK);
  assert_int_equal(peer_requests(o), 1);
}

static void test_ws_03_bytes_behind_the_200_are_the_origins_and_no_handshake(void **state) {
  flow *f = *state;
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.behind = "HTTP/1.1 200 OK\r\n\r\n"}, "");
  flow_call *c = ask_once(f);
  assert_int_equal(c->dones, 1);
  assert_int_equal(c->error, LEAT_ETLS);
  assert_int_equal(peer_requests(o), 0);
  assert_saw_nothing(p);
}

static void test_bytes_behind_the_200_are_no_answer_of_a_plain_origin(void **state) {
  flow *f = *state;
  peer *o = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  use_proxy(f, &(proxy_options){.behind = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlies"}, "");
  f->request.base_url = keep("http://plain.x.test:%d", peer_port(o));
  flow_call *c = ask_once(f);
  assert_int_equal(c->dones, 1);
  assert_int_not_equal(c->error, LEAT_OK);
  assert_null(strstr(c->text, "lies"));
}

/* ---- keys */

/* Whoever relays plain bytes reads them: what counts as this machine without a proxy does not
 * behind one. */
static void test_key_10_no_key_passes_a_proxy_in_clear(void **state) {
  static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "plain.x.test"};
  flow *f = *state;
  peer *o = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  f->request.api_key = KEY;
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    f->request.base_url = keep("http://%s:%d", hosts[i], peer_port(o));
    flow_call *c = flow_try(f);
    assert_int_equal(c->error, LEAT_EPLAINKEY);
  }
  assert_int_equal(proxy_conns(p), 0);
  assert_int_equal(peer_conns(o), 0);
}

static void test_key_10_a_key_goes_where_no_proxy_says_so(void **state) {
  flow *f = *state;
  peer *o = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  f->config.no_proxy = "127.0.0.1";
  f->request.api_key = KEY;
  f->request.base_url = peer_url(o);
  flow_assert_error(ask_once(f), LEAT_OK);
  flow_assert_has(peer_request(o, 0), KEY);
  assert_int_equal(proxy_conns(p), 0);
}

static void test_key_10_a_plain_key_through_a_proxy_is_allowed_explicitly(void **state) {
  flow *f = *state;
  peer *o = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  f->config.allow_plain_key = true;
  f->request.api_key = KEY;
  f->request.base_url = peer_url(o);
  flow_assert_error(ask_once(f), LEAT_OK);
  assert_true(proxy_saw(p, KEY));
}

/* ---- tunnels that fall */

static void check_cut(flow *f, bool tls, bool reset) {
  tls_origin(f, (const char *const[]){
                    CHAT_HEAD CHAT_TEXT("hel") "<<sleep 50>><<fill 60000>>" CHAT_END, NULL});
  use_proxy(f, &(proxy_options){.tls = tls ? f->tls : NULL, .cut_down = 20000, .reset = reset}, "");
  flow_call *c = ask_once(f);
  assert_true(c->error == LEAT_ETRUNCATED || c->error == LEAT_ERESET);
  assert_int_equal(c->dones, 1);
  assert_string_equal(c->text, "hel");
}

static void test_a_cut_tunnel_is_no_end_of_an_answer(void **state) {
  check_cut(*state, false, false);
}

static void test_a_reset_tunnel_is_no_end_of_an_answer(void **state) {
  check_cut(*state, false, true);
}

static void test_a_cut_tunnel_of_an_https_proxy_is_no_end_of_an_answer(void **state) {
  check_cut(*state, true, false);
}

static void test_an_origin_that_is_not_there_is_the_proxys_502(void **state) {
  flow *f = *state;
  tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  use_proxy(f, &(proxy_options){.auth = NULL}, "");
  f->request.base_url = "https://" NAME ":1";
  flow_call *c = ask_once(f);
  flow_assert_error(c, LEAT_EPROXY);
  flow_assert_has(c->message, "502");
}

static void test_a_proxy_that_is_not_there(void **state) {
  flow *f = *state;
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  f->config.proxy = "http://127.0.0.1:1";
  flow_assert_error(ask_once(f), LEAT_EREFUSED);
  assert_int_equal(peer_conns(o), 0);
}

static void test_a_request_is_cancelled_while_the_proxy_is_silent(void **state) {
  flow *f = *state;
  tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p =
      use_proxy(f, &(proxy_options){.answers = (const char *const[]){"<<silent>>", NULL}}, "");
  flow_call *c = flow_submit(f);
  flow_run(f, 50);
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(proxy_requests(p), 1);
}

static void test_the_engine_closes_while_the_proxy_is_silent(void **state) {
  flow *f = *state;
  tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  use_proxy(f, &(proxy_options){.answers = (const char *const[]){"<<silent>>", NULL}}, "");
  flow_call *c = flow_submit(f);
  flow_run(f, 50);
  flow_close(f, LEAT_CLOSE_NOW);
  assert_int_equal(c->dones, 1);
}

/* ---- certificates */

static void test_an_origins_certificate_is_checked_through_a_proxy(void **state) {
  flow *f = *state;
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  f->request.base_url = keep("https://other.x.test:%d", peer_port(o));
  flow_assert_error(ask_once(f), LEAT_ECERT);
  assert_int_equal(peer_requests(o), 0);
  assert_saw_nothing(p);
}

static void test_a_proxys_certificate_is_checked_before_its_password_leaves(void **state) {
  flow *f = *state;
  certs_pair stranger, leaf;
  certs_make(&stranger, &(certs_spec){.cn = "Stranger", .ca = true}, NULL);
  certs_make(&leaf, &(certs_spec){.cn = "x", .ip = "127.0.0.1"}, &stranger);
  tls_server *foreign = tls_server_new(&(tls_server_options){.leaf = &leaf});
  peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.tls = foreign, .auth = AUTH}, USER_PART);
  flow_assert_error(ask_once(f), LEAT_ECERT);
  assert_int_equal(proxy_requests(p), 0);
  assert_int_equal(peer_conns(o), 0);
  flow_close(f, LEAT_CLOSE_NOW);
  proxy_stop(p);
  proxy_count = 0;
  tls_server_free(foreign);
  certs_free(&leaf);
  certs_free(&stranger);
}

/* ---- NO_PROXY, sockets */

static void test_no_proxy_is_reached_directly(void **state) {
  static const char *const lists[] = {"127.0.0.1", "x.test,127.0.0.0/8", "*"};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    flow *f = *state;
    peer *o = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
    proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
    f->request.base_url = peer_url(o);
    f->config.no_proxy = lists[i];
    flow_assert_error(ask_once(f), LEAT_OK);
    assert_int_equal(proxy_conns(p), 0);
    if (i + 1 == sizeof lists / sizeof *lists) break;
    teardown(state);
    setup(state);
  }
}

static void test_pl_01_no_proxy_with_a_port_parts_what_is_reached_how(void **state) {
  flow *f = *state;
  peer *direct = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *through = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  f->config.no_proxy = keep("127.0.0.1:%d", peer_port(direct));
  f->request.base_url = peer_url(direct);
  flow_assert_error(ask_once(f), LEAT_OK);
  assert_int_equal(proxy_requests(p), 0);
  f->request.base_url = peer_url(through);
  flow_assert_error(ask_once(f), LEAT_OK);
  assert_int_equal(proxy_requests(p), 1);
  assert_int_equal(peer_requests(direct), 1);
  assert_int_equal(peer_requests(through), 1);
}

static void test_a_unix_socket_is_never_proxied(void **state) {
  flow *f = *state;
  peer *o = flow_peer_with(f, &(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL},
                                              .unix_path = keep("/tmp/leat-proxied-%d.sock", 1)});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  f->request.base_url = peer_url(o);
  flow_assert_error(ask_once(f), LEAT_OK);
  assert_int_equal(proxy_conns(p), 0);
}

/* A redirect to a host that NO_PROXY names leaves the proxy, and one that it does not stays. */
static void test_a_redirect_is_judged_anew(void **state) {
  flow *f = *state;
  static char moved[200];
  peer *to = tls_origin(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *from = tls_origin(f, (const char *const[]){moved, NULL});
  proxy *p = use_proxy(f, &(proxy_options){.auth = NULL}, "");
  snprintf(moved, sizeof moved, "HTTP/1.1 307 T\r\nLocation: %s/v1/x\r\nContent-Length: 0\r\n\r\n",
           peer_url(to));
  f->config.no_proxy = "127.0.0.1";
  flow_assert_error(ask_once(f), LEAT_OK);
  assert_int_equal(proxy_requests(p), 1);
  assert_int_equal(peer_requests(from), 1);
  assert_int_equal(peer_requests(to), 1);
  assert_null(strstr(peer_request(to, 0), KEY));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PROXY_TEST(test_tls_through_an_http_proxy),
      PROXY_TEST(test_tls_in_tls_through_an_https_proxy),
      PROXY_TEST(test_key_11_basic_authentication_is_the_proxys_alone),
      PROXY_TEST(test_key_11_basic_authentication_over_tls),
      PROXY_TEST(test_a_plain_origin_is_reached_by_a_tunnel_too),
      PROXY_TEST(test_a_tunnel_is_kept_and_used_again),
      PROXY_TEST(test_many_at_once_through_an_http_proxy),
      PROXY_TEST(test_many_at_once_through_an_https_proxy),
      PROXY_TEST(test_a_session_with_an_https_proxy_is_resumed),
      PROXY_TEST(test_large_bodies_both_ways_through_an_http_proxy),
      PROXY_TEST(test_large_bodies_both_ways_through_an_https_proxy),
      PROXY_TEST(test_407_names_the_status),
      PROXY_TEST(test_a_wrong_password_is_not_quoted),
      PROXY_TEST(test_403_names_the_status),
      PROXY_TEST(test_502_names_the_status),
      PROXY_TEST(test_a_redirect_of_a_proxy_is_not_followed),
      PROXY_TEST(test_a_refusal_with_an_endless_body_is_not_waited_for),
      PROXY_TEST(test_an_answer_that_is_not_http_is_refused),
      PROXY_TEST(test_a_switch_of_protocols_is_no_answer),
      PROXY_TEST(test_a_head_above_the_limit_is_refused),
      PROXY_TEST(test_a_head_without_end_is_no_answer),
      PROXY_TEST(test_a_proxy_that_closes_without_an_answer_is_named),
      PROXY_TEST(test_silence_is_bounded_by_connect_ms),
      PROXY_TEST(test_a_200_behind_interim_answers_and_with_a_length_is_a_tunnel),
      PROXY_TEST(test_ws_03_bytes_behind_the_200_are_the_origins_and_no_handshake),
      PROXY_TEST(test_bytes_behind_the_200_are_no_answer_of_a_plain_origin),
      PROXY_TEST(test_key_10_no_key_passes_a_proxy_in_clear),
      PROXY_TEST(test_key_10_a_key_goes_where_no_proxy_says_so),
      PROXY_TEST(test_key_10_a_plain_key_through_a_proxy_is_allowed_explicitly),
      PROXY_TEST(test_a_cut_tunnel_is_no_end_of_an_answer),
      PROXY_TEST(test_a_reset_tunnel_is_no_end_of_an_answer),
      PROXY_TEST(test_a_cut_tunnel_of_an_https_proxy_is_no_end_of_an_answer),
      PROXY_TEST(test_an_origin_that_is_not_there_is_the_proxys_502),
      PROXY_TEST(test_a_proxy_that_is_not_there),
      PROXY_TEST(test_a_request_is_cancelled_while_the_proxy_is_silent),
      PROXY_TEST(test_the_engine_closes_while_the_proxy_is_silent),
      PROXY_TEST(test_an_origins_certificate_is_checked_through_a_proxy),
      PROXY_TEST(test_a_proxys_certificate_is_checked_before_its_password_leaves),
      PROXY_TEST(test_no_proxy_is_reached_directly),
      PROXY_TEST(test_pl_01_no_proxy_with_a_port_parts_what_is_reached_how),
      PROXY_TEST(test_a_unix_socket_is_never_proxied),
      PROXY_TEST(test_a_redirect_is_judged_anew),
  };
  return tls_scene_run(tests, NULL, NULL);
}
