/* The ways of a key: which field has each, who decides, and that a key in the query is as much of
 * a secret as one in a header (rows KEY-01 to KEY-07, KEY-09 and KEY-10). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "support/canary.h"
#include "support/flow.h"

static const struct way {
  enum leat_auth auth;
  const char *sent;
} ways[] = {
    {LEAT_AUTH_BEARER, "Authorization: Bearer KEY\r\n"},
    {LEAT_AUTH_RAW, "Authorization: KEY\r\n"},
    {LEAT_AUTH_X_API_KEY, "x-api-key: KEY\r\n"},
    {LEAT_AUTH_API_KEY, "api-key: KEY\r\n"},
    {LEAT_AUTH_X_GOOG_API_KEY, "x-goog-api-key: KEY\r\n"},
    {LEAT_AUTH_QUERY, "?key=KEY HTTP/1.1\r\n"},
    {LEAT_AUTH_MJ_API_SECRET, "mj-api-secret: KEY\r\n"},
};

#define WAYS (sizeof ways / sizeof *ways)

static size_t count_of(const char *text, const char *part) {
  size_t n = 0;
  for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
  return n;
}

static void check_sent(peer *p, unsigned n, const char *sent) {
  const char *got = peer_request(p, n);
  assert_non_null(got);
  flow_assert_has(got, sent);
  assert_int_equal(count_of(got, "KEY"), 1);
}

/* ---- which field */

static void test_each_way_has_its_field(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.api_key = "KEY";
  for (unsigned i = 0; i < WAYS; i++) {
    f->request.auth = ways[i].auth;
    flow_chat(f, p);
    flow_wait(f);
    check_sent(p, i, ways[i].sent);
  }
  f->request.auth = LEAT_AUTH_NONE;
  flow_chat(f, p);
  flow_wait(f);
  assert_null(strstr(peer_request(p, WAYS), "KEY"));
}

/* The request, then the row, then the engine, then the dialect. */
static void test_who_decides(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){REFUSED("400 No", "c"), NULL});
  f->config.auth = LEAT_AUTH_RAW;
  f->config.api_key = "KEY";
  f->request.protocol = "anthropic";
  flow_chat(f, p);
  flow_wait(f);
  check_sent(p, 0, "Authorization: KEY\r\n");
  f->request.protocol = NULL;
  f->request.endpoint = "messages.count_tokens";
  flow_chat(f, p);
  flow_wait(f);
  check_sent(p, 1, "x-api-key: KEY\r\n");
  f->request.auth = LEAT_AUTH_BEARER;
  flow_chat(f, p);
  flow_wait(f);
  check_sent(p, 2, "Authorization: Bearer KEY\r\n");
  f->request.endpoint = "messages.create";
  f->request.auth = LEAT_AUTH_DEFAULT;
  flow_chat(f, p);
  flow_wait(f);
  check_sent(p, 3, "Authorization: KEY\r\n");
}

static void test_a_dialects_own_way_is_the_default(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){REFUSED("400 No", "c"), NULL});
  f->request.api_key = "KEY";
  f->request.protocol = "anthropic";
  flow_chat(f, p);
  flow_wait(f);
  check_sent(p, 0, "x-api-key: KEY\r\n");
  assert_int_equal(f->calls->error, LEAT_ESTATUS);
}

static void test_a_scheme_of_ones_own(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){REFUSED("401 No", "KEY is no key"), NULL});
  f->request.api_key = "Token KEY";
  f->request.auth = LEAT_AUTH_RAW;
  flow_chat(f, p);
  flow_wait(f);
  check_sent(p, 0, "Authorization: Token KEY\r\n");
  f->request.auth = LEAT_AUTH_X_API_KEY;
  assert_int_equal(flow_try(f)->error, LEAT_EHEADER);
}

static void test_a_callers_field_replaces_the_keys(void **state) {
  flow *f = *state;
  leat_header own = {{"X-API-Key", 9}, {"mine", 4}};
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.api_key = "KEY";
  f->request.auth = LEAT_AUTH_X_API_KEY;
  f->request.headers = &own;
  f->request.header_count = 1;
  flow_chat(f, p);
  flow_wait(f);
  flow_assert_has(peer_request(p, 0), ": mine\r\n");
  assert_null(strstr(peer_request(p, 0), "KEY"));
}

static void test_a_key_in_the_query_is_encoded_and_follows_others(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.api_key = "a+b/c=&d";
  f->request.auth = LEAT_AUTH_QUERY;
  f->request.path = "/x?a=b";
  flow_chat(f, p);
  flow_wait(f);
  flow_assert_has(peer_request(p, 0), "POST /x?a=b&key=a%2Bb%2Fc%3D%26d HTTP/1.1\r\n");
}

static void test_the_engines_way_is_checked(void **state) {
  leat_engine *engine;
  leat_config config;
  const char *why;
  (void)state;
  leat_config_init(&config);
  config.auth = (enum leat_auth)42;
  assert_int_equal(leat_open(&engine, &config, &why), LEAT_EINVAL);
  flow_assert_has(why, "auth");
}

/* ---- KEY-04, KEY-10 */

static void test_key_04_no_way_takes_what_breaks_lines(void **state) {
  static const char *const keys[] = {"vile\r\nX: y", "vile\n", "vi\tle", "vile\x7f", "vil\xc3\xa9"};
  flow *f = *state;
  f->request.base_url = "http://127.0.0.1:1";
  for (size_t w = 0; w < WAYS; w++) {
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
      f->request.auth = ways[w].auth;
      f->request.api_key = keys[i];
      flow_call *c = flow_try(f);
      assert_int_equal(c->error, LEAT_EHEADER);
      assert_null(strstr(c->message, "vil"));
    }
  }
}

static void test_key_10_no_way_goes_in_plain_sight(void **state) {
  flow *f = *state;
  f->request.base_url = "http://api.x.test:1";
  f->request.api_key = "sk-plain";
  for (size_t w = 0; w < WAYS; w++) {
    f->request.auth = ways[w].auth;
    flow_call *c = flow_try(f);
    assert_int_equal(c->error, LEAT_EPLAINKEY);
    assert_null(strstr(c->message, "sk-plain"));
  }
}

/* ---- KEY-05, KEY-06 */

typedef struct echo {
  canary canary;
  char format[256];
} echo;

static void echo_key(peer_link *l, void *ctx) {
  const echo *x = ctx;
  char key[CANARY_SIZE + 1], answer[2048];
  canary_text(&x->canary, key);
  while (peer_read(l)) {
    snprintf(answer, sizeof answer, x->format, key);
    if (!peer_say(l, answer)) return;
  }
}

static bool told(const canary *k, const char *text) {
  return canary_in(k, lti_slice_of(text));
}

static void check_hidden(flow *f, const canary *k, const flow_call *c) {
  assert_int_not_equal(c->error, LEAT_OK);
  assert_false(told(k, c->message) || told(k, c->provider_message) || told(k, c->body));
  assert_false(told(k, c->provider_code) || told(k, c->provider_type));
  assert_false(told(k, c->request_id) || told(k, f->trace));
}

static void test_key_06_whatever_its_way_an_echoed_key_is_masked(void **state) {
  static const char *const formats[] = {
      "HTTP/1.1 401 No\r\nx-request-id: %1$s\r\n<<body>>{\"error\":{\"code\":\"%1$s\"}}<<cut>>",
      "HTTP/1.1 403 No\r\n<<body>>who is GET /x?key=%1$s&a=b?<<cut>>",
      "HTTP/1.1 200 OK\r\nX-%1$s : bad\r\n\r\n",
  };
  flow *f = *state;
  for (size_t w = 0; w < WAYS; w++) {
    for (size_t i = 0; i < 3; i++) {
      char key[CANARY_SIZE + 1], scheme[CANARY_SIZE + 8];
      echo *x = flow_keep(f, sizeof *x);
      canary_init(&x->canary, 60 + w);
      canary_text(&x->canary, key);
      memcpy(x->format, formats[i], strlen(formats[i]) + 1);
      snprintf(scheme, sizeof scheme, "Token %s", key);
      peer *p = peer_start(&(peer_options){.script = echo_key, .ctx = x});
      f->request.auth = ways[w].auth;
      f->request.api_key = ways[w].auth == LEAT_AUTH_RAW ? scheme : key;
      f->request.retries = LEAT_NONE;
      flow_call *c = flow_chat(f, p);
      flow_wait(f);
      peer_stop(p);
      check_hidden(f, &x->canary, c);
    }
  }
}

static void test_key_06_the_encoded_key_is_masked_too(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){REFUSED("401 No", "sk%2Fsecret%2Fone or sk/secret/one"), NULL});
  f->request.auth = LEAT_AUTH_QUERY;
  f->request.api_key = "sk/secret/one";
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  assert_null(strstr(c->provider_code, "secret"));
  assert_null(strstr(c->body, "secret"));
}

/* ---- KEY-01, KEY-03: redirects */

static const char *moved(flow *f, const char *location) {
  char *text = flow_keep(f, 512);
  snprintf(text, 512, "HTTP/1.1 307 Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", location);
  return text;
}

static void with_query_key(flow *f) {
  f->config.allow_plain_key = true;
  f->request.auth = LEAT_AUTH_QUERY;
  f->request.api_key = "sk-1/2";
}

static void test_key_01_a_key_in_the_query_follows_within_its_origin(void **state) {
  static const char *const rows[][2] = {
      {"/next", "POST /next?key=sk-1%2F2 HTTP/1.1\r\n"},
      {"/next?a=b", "POST /next?a=b&key=sk-1%2F2 HTTP/1.1\r\n"},
      {"/next?key=other", "POST /next?key=other HTTP/1.1\r\n"},
      {"?x=y", "POST /v1/chat/completions?x=y&key=sk-1%2F2 HTTP/1.1\r\n"},
  };
  flow *f = *state;
  with_query_key(f);
  for (size_t i = 0; i < 4; i++) {
    peer *p = peer_start(
        &(peer_options){.answers = (const char *const[]){moved(f, rows[i][0]), CHAT_HELLO, NULL}});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    flow_assert_has(peer_request(p, 1), rows[i][1]);
    peer_stop(p);
  }
}

static void test_key_01_and_stays_behind_at_another(void **state) {
  static const char *const rows[][2] = {
      {"/x", "POST /x HTTP/1.1\r\n"},
      {"/x?key=sk-1%2F2", "POST /x HTTP/1.1\r\n"},
      {"/x?key=sk-1%2F2&a=b", "POST /x?a=b HTTP/1.1\r\n"},
      {"/x?a=b&key=sk-1/2&key=sk-1%2F2&c=d", "POST /x?a=b&c=d HTTP/1.1\r\n"},
      {"/x?key=its-own&monkey=1", "POST /x?key=its-own&monkey=1 HTTP/1.1\r\n"},
  };
  flow *f = *state;
  char location[256];
  with_query_key(f);
  for (size_t i = 0; i < 5; i++) {
    peer *other = peer_start(&(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL}});
    snprintf(location, sizeof location, "%s%s", peer_url(other), rows[i][0]);
    peer *p =
        peer_start(&(peer_options){.answers = (const char *const[]){moved(f, location), NULL}});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    flow_assert_has(peer_request(other, 0), rows[i][1]);
    assert_null(strstr(peer_request(other, 0), "sk-1"));
    peer_stop(p);
    peer_stop(other);
  }
}

static void test_key_03_a_way_back_does_not_restore_it(void **state) {
  flow *f = *state;
  char *back = flow_keep(f, 256);
  with_query_key(f);
  peer *other = flow_peer(f, (const char *const[]){back, NULL});
  peer *p = flow_peer(f, (const char *const[]){moved(f, peer_url(other)), CHAT_HELLO, NULL});
  snprintf(back, 256, "HTTP/1.1 307 Moved\r\nLocation: %s/back\r\nContent-Length: 0\r\n\r\n",
           peer_url(p));
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 1), "POST /back HTTP/1.1\r\n");
}

/* ---- KEY-07 */

/* The peer reads the key, so it lives in a process of its own. */
static pid_t fork_peer(const peer_options *options, char *url, size_t size) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    peer *p = peer_start(options);
    ssize_t n = write(ends[1], peer_url(p), strlen(peer_url(p)) + 1);
    (void)n;
    for (;;) pause();
  }
  ssize_t n = read(ends[0], url, size);
  close(ends[0]);
  close(ends[1]);
  assert_true(pid > 0 && n > 0);
  return pid;
}

static void test_key_07_a_key_in_the_query_is_gone_from_memory(void **state) {
  flow *f = *state;
  canary k;
  char url[64], key[CANARY_SIZE + 1];
  const char *const answers[] = {"HTTP/1.1 500 X\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n",
                                 CHAT_HELLO, NULL};
  pid_t pid = fork_peer(&(peer_options){.answers = answers}, url, sizeof url);
  canary_init(&k, 77);
  canary_text(&k, key);
  f->config.allocator = (leat_allocator){0}; /* malloc: what is freed stays as it was */
  f->request.base_url = url;
  f->request.auth = LEAT_AUTH_QUERY;
  f->request.api_key = key;
  f->request.retries = 1;
  flow_submit(f);
  f->request.api_key = NULL;
  lti_wipe(key, sizeof key);
  flow_wait(f);
  flow_assert_error(f->calls, LEAT_OK);
  flow_close(f, LEAT_CLOSE_NOW);
  assert_int_equal(canary_find(&k), 0);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static void test_key_07_no_block_is_freed_with_it(void **state) {
  flow *f = *state;
  canary k;
  char key[CANARY_SIZE + 1];
  peer *other = flow_peer(f, (const char *const[]){"<<close>>", CHAT_HELLO, NULL});
  peer *p = flow_peer(f, (const char *const[]){moved(f, "/x"), moved(f, peer_url(other)), NULL});
  canary_init(&k, 78);
  canary_text(&k, key);
  f->memory.canary = key;
  f->request.auth = LEAT_AUTH_QUERY;
  f->request.api_key = key;
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_close(f, LEAT_CLOSE_NOW);
  assert_int_equal(f->memory.faults, 0);
  f->memory.canary = NULL;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_each_way_has_its_field),
      FLOW_TEST(test_who_decides),
      FLOW_TEST(test_a_dialects_own_way_is_the_default),
      FLOW_TEST(test_a_scheme_of_ones_own),
      FLOW_TEST(test_a_callers_field_replaces_the_keys),
      FLOW_TEST(test_a_key_in_the_query_is_encoded_and_follows_others),
      cmocka_unit_test(test_the_engines_way_is_checked),
      FLOW_TEST(test_key_04_no_way_takes_what_breaks_lines),
      FLOW_TEST(test_key_10_no_way_goes_in_plain_sight),
      FLOW_TEST(test_key_06_whatever_its_way_an_echoed_key_is_masked),
      FLOW_TEST(test_key_06_the_encoded_key_is_masked_too),
      FLOW_TEST(test_key_01_a_key_in_the_query_follows_within_its_origin),
      FLOW_TEST(test_key_01_and_stays_behind_at_another),
      FLOW_TEST(test_key_03_a_way_back_does_not_restore_it),
      FLOW_TEST(test_key_07_a_key_in_the_query_is_gone_from_memory),
      FLOW_TEST(test_key_07_no_block_is_freed_with_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
