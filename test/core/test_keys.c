/* Keys: refused when they could break out of their line, in no text that the engine makes, masked
 * where a server echoes them, gone from memory at the end (rows KEY-04 to KEY-07 and KEY-10). */
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

/* ---- KEY-04 */

static void check_refused(flow *f, const char *what, size_t i) {
  flow_call *c = flow_try(f);
  if (c->error != LEAT_EHEADER) fail_msg("%s %zu: %s", what, i, leat_error_name(c->error));
  assert_true(c->message[0] != '\0');
  assert_null(strstr(c->message, "vile"));
}

static void test_key_04_what_could_break_out_of_its_line_is_refused(void **state) {
  static const char *const keys[] = {"vile\r\nX: y", "vile\n",   "vile\r",  "vi vile",
                                     "vile\t",       "vile\x7f", "vile\x01"};
  static const leat_slice values[] = {
      {"vile\r\nX: y", 11}, {"vile\n", 5}, {"vi\0le", 5}, {"vile\rb", 6}, {"\x01vile", 5}};
  static const leat_slice names[] = {
      {"vi le", 5},       {"", 0},     {"vile:", 5},           {"vile\r\n", 6},
      {"vil\xc3\xa9", 5}, {"Host", 4}, {"Content-Length", 14}, {"transfer-encoding", 17},
      {"Connection", 10}};
  static const char *const paths[] = {"/vile path", "/vile\r\nX: y", "/vile\t", "/v\xc3\xa9vile"};
  flow *f = *state;
  f->request.base_url = "http://127.0.0.1:1";
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    f->request.api_key = keys[i];
    check_refused(f, "key", i);
  }
  f->request.api_key = NULL;
  leat_header header = {{"X-Ok", 4}, {"", 0}};
  f->request.headers = &header;
  f->request.header_count = 1;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    header.value = values[i];
    check_refused(f, "value", i);
  }
  header.value = lti_slice_of("fine");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    header.name = names[i];
    check_refused(f, "name", i);
  }
  f->request.header_count = 0;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    f->request.path = paths[i];
    check_refused(f, "path", i);
  }
  f->request.path = NULL;
  f->request.protocol = "raw";
  f->request.method = "GET / HTTP/1.1\r\n";
  check_refused(f, "method", 0);
}

/* ---- KEY-10 */

static void test_key_10_no_key_over_plain_http_to_elsewhere(void **state) {
  flow *f = *state;
  leat_header header = {{"x-api-key", 9}, {"k", 1}};
  f->request.base_url = "http://api.x.test:1";
  f->request.api_key = "sk-plain";
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, LEAT_EPLAINKEY);
  flow_assert_has(c->message, "api.x.test");
  assert_null(strstr(c->message, "sk-plain"));
  f->request.api_key = NULL;
  f->request.headers = &header;
  f->request.header_count = 1;
  assert_int_equal(flow_try(f)->error, LEAT_EPLAINKEY);
}

static void test_key_10_allowed_to_loopback_and_where_permitted(void **state) {
  flow *f = *state;
  char url[64], entry[64];
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  snprintf(url, sizeof url, "http://api.x.test:%d", peer_port(p));
  snprintf(entry, sizeof entry, "api.x.test:%d=127.0.0.1", peer_port(p));
  f->config.resolve = (const char *const[]){entry};
  f->config.resolve_count = 1;
  f->config.allow_plain_key = true;
  f->request.api_key = "sk-plain";
  flow_assert_error(flow_chat(f, p), LEAT_OK);
  f->request.base_url = url;
  flow_submit(f);
  flow_wait(f);
  assert_int_equal(peer_requests(p), 2);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
}

/* ---- KEY-05, KEY-06 */

typedef struct echo {
  const canary *canary;
  const char *format; /* %1$s: the key */
} echo;

static void echo_key(peer_link *l, void *ctx) {
  const echo *x = ctx;
  char key[CANARY_SIZE + 1], answer[2048];
  canary_text(x->canary, key);
  while (peer_read(l)) {
    snprintf(answer, sizeof answer, x->format, key);
    if (!peer_say(l, answer)) return;
  }
}

static bool told(const canary *k, const char *text) {
  return canary_in(k, lti_slice_of(text));
}

static void check_hidden(const canary *k, const flow_call *c, const char *what) {
  if (told(k, c->message)) fail_msg("%s: in the message", what);
  if (told(k, c->provider_message)) fail_msg("%s: in the provider's message", what);
  if (told(k, c->provider_code) || told(k, c->provider_type)) fail_msg("%s: in the code", what);
  if (told(k, c->body)) fail_msg("%s: in the body", what);
  if (told(k, c->request_id)) fail_msg("%s: in the request id", what);
}

static const char *const echoes[] = {
    ANSWER_JSON("401 No",
                "{\"error\":{\"message\":\"Incorrect key %1$s. Get %1$s!\","
                "\"type\":\"%1$s\",\"code\":\"%1$s\"}}"),
    ANSWER("403 No", "text/plain", "no entry for %1$s"),
    ANSWER("200 OK", "text/html",
           "<html>who is Bearer %1$s, then? a page of some more bytes</html>"),
    CHAT_HEAD "data: {\"error\":{\"message\":\"%1$s is unknown\",\"code\":\"%1$s\"}}\n\n<<last>>",
    "HTTP/1.1 400 No\r\nx-request-id: %1$s\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-%1$s : bad\r\n\r\n",
    "HTTP/1.1 307 Go\r\nLocation: ftp://%1$s/\r\nContent-Length: 0\r\n\r\n",
    "%1$s\r\n\r\n",
    /* cut where the first 4 KiB end, and where a message ends */
    "HTTP/1.1 400 No\r\nConnection: close\r\n\r\n<<fill 4084>>%1$s<<close>>",
    "HTTP/1.1 400 No\r\nConnection: close\r\n\r\n<<fill 290>>%1$s<<close>>",
};

/* However the key was given: as the key, in a header of its own, in the engine's defaults. */
static void check_echoes(flow *f, const canary *k) {
  for (size_t i = 0; i < sizeof echoes / sizeof *echoes; i++) {
    echo x = {k, echoes[i]};
    peer *p = peer_start(&(peer_options){.script = echo_key, .ctx = &x});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    peer_stop(p);
    assert_int_not_equal(c->error, LEAT_OK);
    check_hidden(k, c, echoes[i]);
  }
  assert_false(told(k, f->trace));
  for (flow_call *c = f->calls; c; c = c->next) {
    assert_null(strstr(c->body, "sk-canary"));
    assert_null(strstr(c->message, "sk-canary"));
  }
}

static void test_key_06_an_echoed_key_is_masked(void **state) {
  flow *f = *state;
  canary k;
  char key[CANARY_SIZE + 1];
  canary_init(&k, 6);
  canary_text(&k, key);
  f->request.api_key = key;
  check_echoes(f, &k);
}

static void test_key_06_a_key_in_a_header_is_masked_too(void **state) {
  flow *f = *state;
  canary k;
  char key[CANARY_SIZE + 1];
  canary_init(&k, 7);
  canary_text(&k, key);
  leat_header header = {{"x-api-key", 9}, lti_slice_of(key)};
  f->request.headers = &header;
  f->request.header_count = 1;
  check_echoes(f, &k);
  f->request.api_key = "sk-and-another-key"; /* neither hides the other */
  check_echoes(f, &k);
}

static void test_key_05_no_text_has_the_key_whatever_fails(void **state) {
  static const char *const answers[] = {
      "<<close>>",           "<<reset>>", "HTTP/1.1 500 X\r\n\r\n<<close>>",
      CHAT_HEAD "<<close>>", CHAT_HELLO,  "nonsense\r\n\r\n"};
  flow *f = *state;
  canary k;
  char key[CANARY_SIZE + 1], path[80], url[64];
  canary_init(&k, 5);
  canary_text(&k, key);
  snprintf(path, sizeof path, "/v1/x?key=%s", key);
  f->request.api_key = key;
  f->request.path = path;
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    peer *p = peer_start(&(peer_options){.answers = (const char *const[]){answers[i], NULL}});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    snprintf(url, sizeof url, "%s", peer_url(p));
    peer_stop(p);
    check_hidden(&k, c, answers[i]);
  }
  f->request.base_url = url; /* nobody listens any more */
  flow_call *c = flow_submit(f);
  flow_wait(f);
  check_hidden(&k, c, "refused");
  f->request.body = lti_slice_of("{");
  c = flow_try(f);
  assert_false(told(&k, c->message));
  assert_false(told(&k, f->trace));
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

static void reap_peer(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static void submit_secretly(flow *f, const canary *k) {
  char key[CANARY_SIZE + 1];
  canary_text(k, key);
  f->request.api_key = key;
  flow_submit(f);
  f->request.api_key = NULL;
  lti_wipe(key, sizeof key);
}

static void check_gone(flow *f, const canary *k) {
  f->config.allocator = (leat_allocator){0}; /* malloc: what is freed stays as it was */
  submit_secretly(f, k);
  flow_wait(f);
  flow_assert_error(f->calls, LEAT_OK);
  submit_secretly(f, k);
  flow_run(f, 2);
  leat_cancel(f->engine, f->calls->id);
  flow_wait(f);
  flow_close(f, LEAT_CLOSE_NOW);
  assert_int_equal(canary_find(k), 0);
}

static void test_key_07_the_key_is_gone_from_memory(void **state) {
  flow *f = *state;
  canary k;
  char url[64];
  const char *const answers[] = {"HTTP/1.1 500 X\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n",
                                 CHAT_HELLO, NULL};
  pid_t pid = fork_peer(&(peer_options){.answers = answers}, url, sizeof url);
  canary_init(&k, 70);
  f->request.base_url = url;
  f->request.retries = 1;
  check_gone(f, &k);
  reap_peer(pid);
}

static void test_key_07_behind_tls_too(void **state) {
  flow *f = *state;
  canary k;
  char url[64];
  flow_tls_server(f);
  const char *const answers[] = {CHAT_HELLO, NULL};
  pid_t pid = fork_peer(&(peer_options){.answers = answers, .tls = f->tls}, url, sizeof url);
  canary_init(&k, 71);
  f->request.base_url = url;
  check_gone(f, &k);
  reap_peer(pid);
}

/* Each block that held the key was wiped before it was given back. */
static void test_key_07_no_block_is_freed_with_the_key(void **state) {
  flow *f = *state;
  canary k;
  char key[CANARY_SIZE + 1];
  peer *second = flow_peer(f, (const char *const[]){"<<close>>", CHAT_HELLO, NULL});
  static char moved[128];
  snprintf(moved, sizeof moved, "HTTP/1.1 307 Go\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n",
           peer_url(second));
  peer *p = flow_peer(f, (const char *const[]){moved, NULL});
  canary_init(&k, 72);
  canary_text(&k, key);
  f->memory.canary = key;
  f->config.api_key = key;
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
      FLOW_TEST(test_key_04_what_could_break_out_of_its_line_is_refused),
      FLOW_TEST(test_key_10_no_key_over_plain_http_to_elsewhere),
      FLOW_TEST(test_key_10_allowed_to_loopback_and_where_permitted),
      FLOW_TEST(test_key_06_an_echoed_key_is_masked),
      FLOW_TEST(test_key_06_a_key_in_a_header_is_masked_too),
      FLOW_TEST(test_key_05_no_text_has_the_key_whatever_fails),
      FLOW_TEST(test_key_07_the_key_is_gone_from_memory),
      FLOW_TEST(test_key_07_behind_tls_too),
      FLOW_TEST(test_key_07_no_block_is_freed_with_the_key),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
