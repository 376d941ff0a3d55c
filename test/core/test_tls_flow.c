/* TLS end to end: which certificates are refused, with which words, on every path; how connections
 * end; how many handshakes are full ones (rows TLS). All of it once with servers of TLS 1.2 and,
 * where mbedTLS has it, once with servers of TLS 1.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"
#include "support/tls_scene.h"

/* ---- TLS-01 to TLS-10: one certificate, one host, one verdict */

enum signer { BY_CA, BY_ITSELF, BY_STRANGER, BY_INTERMEDIATE, BY_LEAF };

typedef struct verdict_row {
  const char *what;
  const char *host; /* as in the URL; names stand for 127.0.0.1 */
  certs_spec leaf;
  enum signer signer;
  const char *words; /* in the message; NULL: it is accepted */
} verdict_row;

#define NAME "api.x.test"

static const verdict_row rows[] = {
    {"good", NAME, {.cn = "x", .dns = {NAME}}, BY_CA, NULL},
    {"TLS-01 expired",
     NAME,
     {.cn = "x", .dns = {NAME}, .to = "20210101000000"},
     BY_CA,
     "expired on 2021-01-01"},
    {"TLS-01 not yet valid",
     NAME,
     {.cn = "x", .dns = {NAME}, .from = "20470101000000"},
     BY_CA,
     "not valid before 2047-01-01"},
    {"TLS-02 self-signed", NAME, {.cn = "x", .dns = {NAME}}, BY_ITSELF, "issuer is not trusted"},
    {"TLS-02 unknown CA", NAME, {.cn = "x", .dns = {NAME}}, BY_STRANGER, "issuer is not trusted"},
    {"TLS-02 intermediate missing",
     NAME,
     {.cn = "x", .dns = {NAME}},
     BY_INTERMEDIATE,
     "issuer is not trusted"},
    {"TLS-03 signed by a leaf", NAME, {.cn = "x", .dns = {NAME}}, BY_LEAF, "not trusted"},
    {"TLS-04 wrong host", NAME, {.cn = "x", .dns = {"other.x.test"}}, BY_CA, "it is for other.x"},
    {"TLS-04 two labels deep",
     "a.b.x.test",
     {.cn = "x", .dns = {"*.x.test"}},
     BY_CA,
     "it is for *.x.test"},
    {"TLS-04 bare domain", "x.test", {.cn = "x", .dns = {"*.x.test"}}, BY_CA, "it is for *.x.test"},
    {"TLS-04 partial wildcard", NAME, {.cn = "x", .dns = {"a*.x.test"}}, BY_CA, "it is for a*"},
    {"TLS-04 wildcard", NAME, {.cn = "x", .dns = {"*.x.test"}}, BY_CA, NULL},
    {"TLS-05 CN right, SAN not", NAME, {.cn = NAME, .dns = {"other.x.test"}}, BY_CA, "it is for"},
    {"TLS-06 CN right, no SAN", NAME, {.cn = NAME}, BY_CA, "no subjectAltName"},
    {"TLS-07 address", "127.0.0.1", {.cn = "x", .ip = "127.0.0.1"}, BY_CA, NULL},
    {"TLS-07 other address", "127.0.0.1", {.cn = "x", .ip = "127.0.0.2"}, BY_CA, "127.0.0.2"},
    {"TLS-07 no address", "127.0.0.1", {.cn = "x", .dns = {NAME}}, BY_CA, "it is for api.x.test"},
    {"TLS-07 address as a name", "127.0.0.1", {.cn = "x", .dns = {"127.0.0.1"}}, BY_CA, "it is"},
    {"TLS-07 address as CN", "127.0.0.1", {.cn = "127.0.0.1"}, BY_CA, "no subjectAltName"},
    {"TLS-07 wildcard address", "127.0.0.1", {.cn = "x", .dns = {"*.0.0.1"}}, BY_CA, "it is for"},
    {"TLS-08 trailing dot", "api.x.test.", {.cn = "x", .dns = {NAME}}, BY_CA, NULL},
    {"TLS-09 SHA-1", NAME, {.cn = "x", .dns = {NAME}, .sha1 = true}, BY_CA, "weak hash"},
    {"TLS-09 RSA-1024",
     NAME,
     {.cn = "x", .dns = {NAME}, .key = CERTS_RSA_1024},
     BY_CA,
     "too short"},
    {"TLS-10 no serverAuth",
     NAME,
     {.cn = "x", .dns = {NAME}, .usage = CERTS_USAGE_CODE_SIGNING},
     BY_CA,
     "serverAuth"},
};

typedef struct scene {
  certs_pair ca, stranger, intermediate, leaf, plain_leaf;
  tls_server *server;
  peer *peer;
  char url[128], resolve[128];
} scene;

static void make_issuers(scene *s) {
  certs_make(&s->ca, &(certs_spec){.cn = "Flow CA", .ca = true}, NULL);
  certs_make(&s->stranger, &(certs_spec){.cn = "Stranger", .ca = true}, NULL);
  certs_make(&s->intermediate, &(certs_spec){.cn = "Between", .ca = true}, &s->ca);
  certs_make(&s->plain_leaf, &(certs_spec){.cn = "Leaf", .dns = {"leaf.x.test"}}, &s->ca);
}

static void scene_open(scene *s, const verdict_row *row) {
  const certs_pair *issuers[] = {&s->ca, NULL, &s->stranger, &s->intermediate, &s->plain_leaf};
  certs_make(&s->leaf, &row->leaf, issuers[row->signer]);
  certs_pair *chain = row->signer == BY_LEAF ? &s->plain_leaf : NULL;
  s->server =
      tls_server_new(&(tls_server_options){.leaf = &s->leaf, .chain = chain, .tickets = true});
  s->peer = peer_start(
      &(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL}, .tls = s->server});
  size_t size = strlen(row->host);
  snprintf(s->url, sizeof s->url, "https://%s:%d", row->host, peer_port(s->peer));
  snprintf(s->resolve, sizeof s->resolve, "%.*s:%d=127.0.0.1", (int)size, row->host,
           peer_port(s->peer));
}

static void scene_close(scene *s) {
  peer_stop(s->peer);
  tls_server_free(s->server);
  certs_free(&s->leaf);
}

static void free_issuers(scene *s) {
  certs_free(&s->ca);
  certs_free(&s->stranger);
  certs_free(&s->intermediate);
  certs_free(&s->plain_leaf);
}

static void check_row(flow *f, const scene *s, const verdict_row *row) {
  f->request.base_url = s->url;
  f->request.retries = 2;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  int error = row->words ? LEAT_ECERT : LEAT_OK;
  if (c->error != error) fail_msg("%s: %s", row->what, leat_error_name(c->error));
  if (!row->words) return;
  char host[64];
  snprintf(host, sizeof host, "%s", row->host);
  if (!strstr(c->message, row->words) || !strstr(c->message, host))
    fail_msg("%s: \"%s\"", row->what, c->message);
  assert_int_equal(c->layer, LEAT_LAYER_TLS);
  assert_int_equal(c->result.attempts, 1);
  assert_false(c->result.retryable);
  assert_int_equal(peer_requests(s->peer), 0);
}

static void test_tls_01_to_10_each_refusal_says_which_check_and_which_name(void **state) {
  flow *f = *state;
  scene s;
  make_issuers(&s);
  f->config.ca_pem = certs_pem(&s.ca);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *resolve[1] = {s.resolve};
    scene_open(&s, &rows[i]);
    f->config.resolve = resolve;
    f->config.resolve_count = 1;
    check_row(f, &s, &rows[i]);
    flow_close(f, LEAT_CLOSE_NOW); /* a new engine for each: resolve is its own */
    f->closed = false;
    scene_close(&s);
  }
  free_issuers(&s);
}

static void test_tls_07_ipv6_literals(void **state) {
  flow *f = *state;
  certs_pair ca, good, bad;
  certs_make(&ca, &(certs_spec){.cn = "Flow CA", .ca = true}, NULL);
  certs_make(&good, &(certs_spec){.cn = "x", .ip = "::1"}, &ca);
  certs_make(&bad, &(certs_spec){.cn = "::1", .dns = {"::1"}, .ip = "::2"}, &ca);
  f->config.ca_pem = certs_pem(&ca);
  for (int i = 0; i < 2; i++) {
    tls_server *server = tls_server_new(&(tls_server_options){.leaf = i ? &bad : &good});
    peer *p = peer_start(&(peer_options){
        .answers = (const char *const[]){CHAT_HELLO, NULL}, .tls = server, .ipv6 = true});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, i ? LEAT_ECERT : LEAT_OK);
    assert_string_equal(tls_server_name(server), ""); /* no SNI for a literal */
    peer_stop(p);
    tls_server_free(server);
  }
  certs_free(&ca);
  certs_free(&good);
  certs_free(&bad);
}

/* ---- one server that all the rest share */

static void by_name(flow *f, peer *p, char *url, char *resolve) {
  static const char *list[1];
  snprintf(url, 64, "https://" NAME ":%d", peer_port(p));
  snprintf(resolve, 64, NAME ":%d=127.0.0.1", peer_port(p));
  list[0] = resolve;
  f->config.resolve = list;
  f->config.resolve_count = 1;
  f->request.base_url = url;
}

static void test_tls_08_server_name_has_no_dot(void **state) {
  flow *f = *state;
  char url[64], resolve[64];
  flow_tls_server(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  by_name(f, p, url, resolve);
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(tls_server_name(f->tls), NAME);
}

static void test_a_refused_certificate_fails_all_waiters_at_once(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  certs_pair other;
  certs_make(&other, &(certs_spec){.cn = "Other CA", .ca = true}, NULL);
  f->config.ca_pem = certs_pem(&other);
  f->request.retries = 2;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 200; i++) flow_chat(f, p);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) {
    flow_assert_error(c, LEAT_ECERT);
    flow_assert_has(c->message, "not trusted");
    assert_int_equal(c->result.attempts, 1);
    assert_true(flow_took_ms(c) < FLOW_SOON_MS);
  }
  assert_true(flow_stats(f).conns_opened <= 64);
  flow_close(f, LEAT_CLOSE_NOW);
  certs_free(&other);
}

static void test_insecure_accepts_any_certificate(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  f->config.ca_pem = lti_slice(NULL, 0);
  f->config.insecure = true;
  flow_call *c = flow_chat(f, flow_peer(f, (const char *const[]){CHAT_HELLO, NULL}));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_no_ca_is_a_named_error(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->config.ca_pem = lti_slice(NULL, 0);
  f->config.ca_file = "/nonexistent/ca.pem";
  flow_chat(f, p);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ENOCA);
  flow_assert_has(c->message, "/nonexistent/ca.pem");
  assert_int_equal(peer_conns(p), 0);
}

/* The name is checked again behind a redirect, in a repeat, and on a connection that resumes. */
static void test_tls_11_the_name_is_checked_on_every_path(void **state) {
  flow *f = *state;
  static char moved[128];
  char good[64], wrong[64], other[64];
  flow_tls_server(f);
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 503 X\r\nConnection: close\r\n"
                                               "Retry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n",
                                               CHAT_HELLO, NULL});
  snprintf(moved, sizeof moved,
           "HTTP/1.1 307 Go\r\nLocation: https://wrong.x.test:%d/\r\nContent-Length: 0\r\n\r\n",
           peer_port(p));
  peer *first = flow_peer(f, (const char *const[]){moved, NULL});
  snprintf(good, sizeof good, NAME ":%d=127.0.0.1", peer_port(p));
  snprintf(wrong, sizeof wrong, "wrong.x.test:%d=127.0.0.1", peer_port(p));
  f->config.resolve = (const char *const[]){good, wrong};
  f->config.resolve_count = 2;
  snprintf(other, sizeof other, "https://wrong.x.test:%d", peer_port(p));
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p); /* by address, and repeated: a session is there now */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  f->request.base_url = other;
  c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECERT);
  flow_assert_has(c->message, "wrong.x.test");
  c = flow_chat(f, first);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECERT);
  flow_assert_has(c->message, "wrong.x.test");
}

/* The certificate says more than the address behind it, where nobody listens. */
static void test_net_07_a_refused_certificate_is_told_before_a_refused_connection(void **state) {
  flow *f = *state;
  char url[64], resolve[2][64];
  flow_tls_server(f);
  peer *six = flow_peer_with(
      f, &(peer_options){
             .answers = (const char *const[]){CHAT_HELLO, NULL}, .tls = f->tls, .ipv6 = true});
  snprintf(url, sizeof url, "https://wrong.x.test:%d", peer_port(six));
  snprintf(resolve[0], 64, "wrong.x.test:%d=[::1]", peer_port(six));
  snprintf(resolve[1], 64, "wrong.x.test:%d=127.0.0.1", peer_port(six));
  f->config.resolve = (const char *const[]){resolve[0], resolve[1]};
  f->config.resolve_count = 2;
  f->request.base_url = url;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECERT);
}

/* ---- ends */

#define OPEN_ENDED "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

static void check_end(flow *f, const char *answer, int error) {
  flow_call *c = flow_chat(f, flow_peer(f, (const char *const[]){answer, NULL}));
  flow_wait(f);
  flow_assert_error(c, error);
  assert_string_equal(c->text, "hello");
  flow_run(f, 30); /* the end may come behind the answer */
  assert_int_equal(flow_stats(f).conns_open, 0);
}

static void test_tls_13_an_end_without_close_notify_is_no_end(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  check_end(f, OPEN_ENDED CHAT_TEXT("hello") CHAT_STOP "<<close>>", LEAT_ETRUNCATED);
  check_end(f, OPEN_ENDED CHAT_TEXT("hello") CHAT_STOP "<<bye>>", LEAT_OK);
  check_end(f, OPEN_ENDED CHAT_TEXT("hello") "<<bye>>", LEAT_EINCOMPLETE);
}

static void test_tls_14_unless_the_length_was_told(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  check_end(f, CHAT_JSON "<<close>>", LEAT_OK);
  check_end(f, CHAT_HEAD CHAT_TEXT("hello") CHAT_STOP "<<last>><<close>>", LEAT_OK);
}

static void more_behind_the_end(peer_link *l, void *ctx) {
  (void)ctx;
  if (!peer_read(l)) return;
  peer_say(l, OPEN_ENDED CHAT_TEXT("hello") CHAT_STOP "<<notify>>");
  peer_send_raw(l, lti_slice_of("\x17\x03\x03\x00\x05hello"));
  peer_send_raw(l, lti_slice_of("HTTP/1.1 200 OK\r\n\r\n"));
  peer_sleep(l, 100);
}

static void test_tls_15_bytes_behind_close_notify_are_ignored(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  flow_call *c = flow_chat(f, flow_peer_script(f, more_behind_the_end, NULL));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(flow_stats(f).conns_open, 0);
}

static void test_tls_19_renegotiation_is_refused_and_the_stream_goes_on(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  tls_server *asks =
      tls_server_new(&(tls_server_options){.leaf = &f->leaf, .renegotiates = true, .tls12 = true});
  peer *p = peer_start(&(peer_options){
      .answers =
          (const char *const[]){
              CHAT_HEAD CHAT_TEXT("hel") "<<hello>>" CHAT_TEXT("lo") "<<sleep 20>>" CHAT_END, NULL},
      .tls = asks});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  peer_stop(p);
  tls_server_free(asks);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
}

/* ---- what is no TLS */

static void test_tls_21_servers_that_do_not_speak_tls(void **state) {
  static const char *const greetings[] = {
      "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
      "220 smtp ready\r\n",
      "\x16\x03\x03\xff\xff", /* a record of 64 KB */
      "\x16\x03\x03<<close>>",
      "\x17\x03\x03\x01\x05<<fill 261>>",          /* application bytes before their time */
      "\x16\x03\x03\x01\x05<<fill 261>><<close>>", /* a flight of nonsense, part of a long one */
      "<<sleep 20>><<close>>",
      "<<sleep 20>><<reset>>"};
  flow *f = *state;
  flow_tls_server(f);
  f->request.deadlines.connect_ms = 2 * FLOW_SOON_MS;
  for (size_t i = 0; i < sizeof greetings / sizeof *greetings; i++) {
    char url[64];
    peer *p = peer_start(&(peer_options){.greets = (const char *const[]){greetings[i], NULL},
                                         .answers = (const char *const[]){"<<silent>>", NULL}});
    snprintf(url, sizeof url, "https://127.0.0.1:%d", peer_port(p));
    f->request.base_url = url;
    flow_call *c = flow_submit(f);
    flow_wait(f);
    peer_stop(p);
    if (c->error != LEAT_ETLS && c->error != LEAT_ERESET)
      fail_msg("greeting %zu: %s %s", i, leat_error_name(c->error), c->message);
    assert_int_equal(c->layer, LEAT_LAYER_TLS);
    assert_true(flow_took_ms(c) < FLOW_SOON_MS);
  }
  assert_int_equal(flow_stats(f).conns_open, 0);
}

static void test_tls_22_foreign_suites_are_refused(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  static const int cbc[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, 0};
  tls_server *old = tls_server_new(&(tls_server_options){.leaf = &f->leaf, .suites = cbc});
  peer *p =
      peer_start(&(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL}, .tls = old});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  peer_stop(p);
  tls_server_free(old);
  flow_assert_error(c, LEAT_ETLS);
  assert_int_equal(leat_error_class(c->error), LEAT_CLASS_TLS);
}

static void test_tls_24_many_failing_handshakes_leave_nothing(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  f->config.conns_max = 16;
  peer *p = flow_peer_with(f, &(peer_options){.greets = (const char *const[]){
                                                  "\x15\x03\x03\x01\x02\x02\x28<<close>>", NULL}});
  char url[64];
  snprintf(url, sizeof url, "https://127.0.0.1:%d", peer_port(p));
  f->request.base_url = url;
  size_t blocks = 0;
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 250; i++) flow_submit(f);
    flow_wait(f);
    flow_run(f, 10);
    if (round == 0) blocks = f->memory.live_blocks;
  }
  for (flow_call *c = f->calls; c; c = c->next) assert_int_not_equal(c->error, LEAT_OK);
  assert_true(f->memory.live_blocks <= blocks + 4);
  assert_int_equal(flow_stats(f).conns_open, 0);
}

/* ---- versions */

static enum leat_tls version(void) {
  return tls_server_speaks_13() ? LEAT_TLS_1_3 : LEAT_TLS_1_2;
}

static void test_a_result_says_which_version_and_that_a_second_connection_resumed(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  f->config.keep_alive_ms = LEAT_NONE; /* each has a connection of its own */
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
    assert_int_equal(c->result.tls, version());
    assert_int_equal(c->result.resumed_tls, i > 0);
    assert_false(c->result.reused_connection);
  }
  assert_int_equal(flow_stats(f).handshakes_full, 1);
  assert_int_equal(flow_stats(f).handshakes_resumed, 2);
}

static void test_a_result_without_tls_says_none(void **state) {
  flow *f = *state;
  flow_call *c = flow_chat(f, flow_peer(f, (const char *const[]){CHAT_HELLO, NULL}));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.tls, LEAT_TLS_DEFAULT);
}

static void test_tls_max_is_the_best_that_is_spoken(void **state) {
  static const enum leat_tls most[] = {LEAT_TLS_DEFAULT, LEAT_TLS_1_2, LEAT_TLS_1_3};
  flow *f = *state;
  flow_tls_server(f);
  f->config.keep_alive_ms = LEAT_NONE;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (size_t i = 0; i < 3; i++) {
    f->config.tls_max = most[i];
    for (int again = 0; again < 2; again++) {
      flow_call *c = flow_chat(f, p);
      flow_wait(f);
      flow_assert_error(c, LEAT_OK);
      assert_int_equal(c->result.tls, most[i] == LEAT_TLS_1_2 ? LEAT_TLS_1_2 : version());
      assert_int_equal(c->result.resumed_tls, again);
    }
    flow_close(f, LEAT_CLOSE_NOW);
    f->closed = false;
  }
}

/* Of TLS 1.3: the text is whole, and each of the tickets serves a connection to come. */
static void test_tickets_in_the_middle_of_a_stream_are_no_errors(void **state) {
  flow *f = *state;
  if (!tls_server_speaks_13()) skip(); /* TLS 1.2 has its own in the handshake */
  flow_tls_server(f);
  f->config.keep_alive_ms = LEAT_NONE;
  tls_server *holds = tls_server_new(&(tls_server_options){
      .leaf = &f->leaf, .tickets = true, .ticket_count = 3, .holds_tickets = true});
  peer *p = peer_start(&(peer_options){
      .answers =
          (const char *const[]){CHAT_HEAD CHAT_TEXT("hel") "<<ticket>>" CHAT_TEXT(
                                    "l") "<<sleep 20>><<ticket>><<ticket>>" CHAT_TEXT("o") CHAT_END,
                                CHAT_HEAD CHAT_TEXT("hel") "<<ticket>>" CHAT_TEXT("lo") CHAT_END,
                                NULL},
      .tls = holds});
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
    assert_int_equal(c->result.resumed_tls, i > 0);
  }
  flow_close(f, LEAT_CLOSE_NOW);
  peer_stop(p);
  tls_server_free(holds);
}

/* ---- first handshake, then resume */

static void cold_start(flow *f, peer *p, int count) {
  f->config.conns_max = count;
  for (int i = 0; i < count; i++) flow_chat(f, p);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
  assert_int_equal(flow_stats(f).conns_opened, count);
}

/* The answers take longer than all the handshakes, of which those of TLS 1.3 cost some milliseconds
 * even where they resume: so no connection is used twice. */
static void test_a_cold_start_of_64_costs_one_full_handshake(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  cold_start(f, flow_peer(f, (const char *const[]){"<<sleep 1500>>" CHAT_HELLO, NULL}), 64);
  assert_int_equal(flow_stats(f).handshakes_full, 1);
  assert_int_equal(flow_stats(f).handshakes_resumed, 63);
  int resumed = 0;
  for (flow_call *c = f->calls; c; c = c->next) resumed += c->result.resumed_tls;
  assert_int_equal(resumed, 63);
}

static void test_without_tickets_every_handshake_is_full_and_none_waits_for_ever(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  tls_server *plain = tls_server_new(&(tls_server_options){.leaf = &f->leaf});
  peer *p = peer_start(&(peer_options){
      .answers = (const char *const[]){"<<sleep 100>>" CHAT_HELLO, NULL}, .tls = plain});
  cold_start(f, p, 6);
  peer_stop(p);
  tls_server_free(plain);
  assert_int_equal(flow_stats(f).handshakes_full, 6);
}

static void test_tls_16_a_refused_ticket_costs_a_full_handshake(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  f->config.keep_alive_ms = LEAT_NONE;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 4; i++) {
    if (i == 2) peer_rotate(p);
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.resumed_tls, i == 1 || i == 3);
  }
  assert_int_equal(flow_stats(f).handshakes_full, 2);
  assert_int_equal(flow_stats(f).handshakes_resumed, 2);
}

/* Once it hangs up, once it answers what is no answer: nobody's try is used up, and the session is
 * not offered again. mbedTLS 3.6 brings that about when a server that spoke TLS 1.3 speaks 1.2
 * alone. */
static void test_tls_16_a_server_that_chokes_on_a_ticket_costs_a_full_handshake(void **state) {
  static const char *const chokes[] = {"<<sleep 20>><<reset>>", "\x17\x03\x03\x01\x05<<fill 261>>"};
  flow *f = *state;
  flow_tls_server(f);
  f->config.keep_alive_ms = LEAT_NONE;
  f->request.retries = LEAT_NONE;
  for (size_t i = 0; i < sizeof chokes / sizeof *chokes; i++) {
    peer *p = peer_start(&(peer_options){.greets = (const char *const[]){"", chokes[i], "", NULL},
                                         .answers = (const char *const[]){CHAT_HELLO, NULL},
                                         .tls = f->tls});
    for (int n = 0; n < 3; n++) {
      flow_call *c = flow_chat(f, p);
      flow_wait(f);
      flow_assert_error(c, LEAT_OK);
      assert_int_equal(c->result.attempts, 1);
      assert_int_equal(c->result.resumed_tls, n == 2);
    }
    assert_int_equal(peer_conns(p), 4);
    peer_stop(p);
  }
  assert_int_equal(flow_stats(f).conns_failed, 2);
}

static void test_tls_16_a_session_is_for_its_own_name(void **state) {
  flow *f = *state;
  char url[64], resolve[64];
  flow_tls_server(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  by_name(f, p, url, resolve);
  flow_submit(f);
  flow_wait(f);
  flow_call *c = flow_chat(f, p); /* by address */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_false(c->result.resumed_tls);
  assert_int_equal(flow_stats(f).handshakes_full, 2);
}

static void test_a_first_handshake_that_fails_lets_the_next_try(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  f->request.retries = 1;
  peer *p = flow_peer_with(
      f, &(peer_options){.greets = (const char *const[]){"<<sleep 30>><<reset>>", "", NULL},
                         .answers = (const char *const[]){CHAT_HELLO, NULL},
                         .tls = f->tls});
  for (int i = 0; i < 8; i++) flow_chat(f, p);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
  assert_int_equal(flow_stats(f).handshakes_full, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_tls_01_to_10_each_refusal_says_which_check_and_which_name),
      FLOW_TEST(test_tls_07_ipv6_literals),
      FLOW_TEST(test_tls_08_server_name_has_no_dot),
      FLOW_TEST(test_a_refused_certificate_fails_all_waiters_at_once),
      FLOW_TEST(test_insecure_accepts_any_certificate),
      FLOW_TEST(test_no_ca_is_a_named_error),
      FLOW_TEST(test_tls_11_the_name_is_checked_on_every_path),
      FLOW_TEST(test_net_07_a_refused_certificate_is_told_before_a_refused_connection),
      FLOW_TEST(test_tls_13_an_end_without_close_notify_is_no_end),
      FLOW_TEST(test_tls_14_unless_the_length_was_told),
      FLOW_TEST(test_tls_15_bytes_behind_close_notify_are_ignored),
      FLOW_TEST(test_tls_19_renegotiation_is_refused_and_the_stream_goes_on),
      FLOW_TEST(test_tls_21_servers_that_do_not_speak_tls),
      FLOW_TEST(test_tls_22_foreign_suites_are_refused),
      FLOW_TEST(test_tls_24_many_failing_handshakes_leave_nothing),
      FLOW_TEST(test_a_result_says_which_version_and_that_a_second_connection_resumed),
      FLOW_TEST(test_a_result_without_tls_says_none),
      FLOW_TEST(test_tls_max_is_the_best_that_is_spoken),
      FLOW_TEST(test_tickets_in_the_middle_of_a_stream_are_no_errors),
      FLOW_TEST(test_a_cold_start_of_64_costs_one_full_handshake),
      FLOW_TEST(test_without_tickets_every_handshake_is_full_and_none_waits_for_ever),
      FLOW_TEST(test_tls_16_a_refused_ticket_costs_a_full_handshake),
      FLOW_TEST(test_tls_16_a_server_that_chokes_on_a_ticket_costs_a_full_handshake),
      FLOW_TEST(test_tls_16_a_session_is_for_its_own_name),
      FLOW_TEST(test_a_first_handshake_that_fails_lets_the_next_try),
  };
  return tls_scene_run(tests, NULL, NULL);
}
