/* Origins that are Unix sockets, end to end: what the server is asked, what becomes of a socket
 * that is not there, is nobody's or is full, and that nothing leads out of one. Names carry the row
 * of the project's table of faults that they stand for. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/flow.h"

#define LATE_MS 150

/* A path of this test's own; the last eight are kept. */
static const char *socket_path(void) {
  static char paths[8][64];
  static unsigned next;
  char *path = paths[next % 8];
  snprintf(path, sizeof paths[0], "/tmp/leat-test-%ld-%u.sock", (long)getpid(), next);
  next++;
  return path;
}

static peer *unix_peer(flow *f, const char *const *answers) {
  return flow_peer_with(f, &(peer_options){.answers = answers, .unix_path = socket_path()});
}

/* The URL of a peer with a path behind it; lives until the next call. */
static const char *url_with(const peer *p, const char *path) {
  static char url[160];
  snprintf(url, sizeof url, "%s:%s", peer_url(p), path);
  return url;
}

static void test_a_chat_over_a_socket(void **state) {
  flow *f = *state;
  peer *p = unix_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.api_key = "secret-0"; /* what stays on this machine needs no TLS */
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  const char *text = peer_request(p, 0);
  assert_ptr_equal(strstr(text, "POST /v1/chat/completions HTTP/1.1\r\n"), text);
  flow_assert_has(text, "\r\nHost: localhost\r\n");
  flow_assert_has(text, "Authorization: Bearer secret-0\r\n");
}

static void test_a_path_follows_a_colon(void **state) {
  static const char *const rows[][2] = {{"/", "POST /v1/chat/completions HTTP"},
                                        {"/v1", "POST /v1/chat/completions HTTP"},
                                        {"/api/v2/", "POST /api/v2/chat/completions HTTP"},
                                        {"/d?k=v", "POST /d/chat/completions?k=v HTTP"}};
  flow *f = *state;
  peer *p = unix_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
    f->request.base_url = url_with(p, rows[i][0]);
    flow_call *c = flow_submit(f);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    flow_assert_has(peer_request(p, i), rows[i][1]);
  }
  assert_int_equal(peer_conns(p), 1); /* the path is no part of the origin */
}

static void test_a_large_answer_and_a_large_question(void **state) {
  flow *f = *state;
  static char body[300000];
  memset(body, ' ', sizeof body);
  memcpy(body, FLOW_BODY, sizeof FLOW_BODY - 1);
  peer *p = unix_peer(f, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n"
                                               "\r\n<<fill 3000000>>",
                                               NULL});
  f->request.protocol = "raw";
  f->request.base_url = url_with(p, "/echo");
  f->request.method = "POST";
  f->request.body = (leat_slice){body, sizeof body};
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->text_size, 3000000);
  assert_true(strlen(peer_request(p, 0)) > sizeof body);
}

static void test_pl_01_two_sockets_share_nothing(void **state) {
  flow *f = *state;
  peer *a = unix_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *b = unix_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 2; i++) {
    flow_chat(f, a);
    flow_wait(f);
    flow_chat(f, b);
    flow_wait(f);
  }
  assert_int_equal(peer_conns(a), 1);
  assert_int_equal(peer_conns(b), 1);
  assert_int_equal(peer_requests(a), 2);
  assert_int_equal(peer_requests(b), 2);
}

static void test_no_socket_is_there(void **state) {
  flow *f = *state;
  char url[80];
  snprintf(url, sizeof url, "unix:%s", socket_path());
  f->request.base_url = url;
  f->config.retries = LEAT_NONE;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECONNECT);
  assert_int_equal(c->native, ENOENT);
  assert_int_equal(c->layer, LEAT_LAYER_SOCKET);
  flow_assert_has(c->message, url);
  flow_assert_has(c->message, strerror(ENOENT));
}

static int listen_at(const char *path, int backlog, struct sockaddr_un *address) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
  if (backlog >= 0) assert_int_equal(listen(fd, backlog), 0);
  return fd;
}

static void test_net_08_nobody_listens_at_the_socket(void **state) {
  flow *f = *state;
  struct sockaddr_un address;
  const char *path = socket_path();
  char url[80];
  close(listen_at(path, -1, &address));
  snprintf(url, sizeof url, "unix://%s", path);
  f->request.base_url = url;
  f->config.retries = LEAT_NONE;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  unlink(path);
  flow_assert_error(c, LEAT_EREFUSED);
  assert_int_equal(c->native, ECONNREFUSED);
}

static void test_a_socket_that_comes_later_is_found_by_the_retry(void **state) {
  flow *f = *state;
  const char *path = socket_path();
  char url[80];
  snprintf(url, sizeof url, "unix:%s", path);
  f->request.base_url = url;
  f->config.retries = 5;
  flow_call *c = flow_submit(f);
  flow_run(f, 20);
  flow_peer_with(
      f, &(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL}, .unix_path = path});
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(c->result.attempts > 1);
}

/* ---- full queues: where TCP would wait, a Unix socket says EAGAIN */

static void test_a_full_queue_is_waited_for_and_no_longer_than_connect_ms(void **state) {
  flow *f = *state;
  peer *p = flow_peer_with(f, &(peer_options){.unix_path = socket_path(), .deaf = true});
  f->config.retries = LEAT_NONE;
  f->config.deadlines.connect_ms = 200;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECONNTIMEOUT);
  assert_true(flow_took_ms(c) >= 150 && flow_took_ms(c) < FLOW_SOON_MS);
}

static void test_a_request_is_cancelled_while_the_queue_is_full(void **state) {
  flow *f = *state;
  peer *p = flow_peer_with(f, &(peer_options){.unix_path = socket_path(), .deaf = true});
  flow_call *c = flow_chat(f, p);
  flow_run(f, 30);
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
}

/* Lets the connection that fills the queue go after LATE_MS and answers the next. */
static void *serve_late(void *arg) {
  static const char answer[] =
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  const int *listener = arg;
  char request[2000];
  nanosleep(&(struct timespec){.tv_nsec = LATE_MS * 1000000}, NULL);
  close(accept4(*listener, NULL, NULL, SOCK_CLOEXEC));
  int fd = accept4(*listener, NULL, NULL, SOCK_CLOEXEC);
  bool ok = recv(fd, request, sizeof request, 0) > 0 &&
            send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) == sizeof answer - 1;
  close(fd);
  return ok ? arg : NULL;
}

static void test_a_full_queue_that_gets_room_is_used(void **state) {
  flow *f = *state;
  struct sockaddr_un address;
  pthread_t thread;
  void *served;
  char url[160];
  int listener = listen_at(socket_path(), 0, &address);
  int stuffing = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(stuffing, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(pthread_create(&thread, NULL, serve_late, &listener), 0);
  snprintf(url, sizeof url, "unix:%s:/x", address.sun_path);
  f->request.base_url = url;
  f->request.protocol = "raw";
  f->request.body = (leat_slice){NULL, 0};
  f->config.retries = LEAT_NONE;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  pthread_join(thread, &served);
  close(stuffing);
  close(listener);
  unlink(address.sun_path);
  assert_ptr_equal(served, &listener);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) >= LATE_MS / 2);
}

/* ---- answers */

static void test_a_cut_answer_is_not_taken_for_whole(void **state) {
  flow *f = *state;
  f->config.retries = LEAT_NONE;
  peer *p = unix_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("hel") "<<close>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_string_equal(c->text, "hel");
}

static void test_pl_06_a_socket_closed_while_idle_is_opened_again(void **state) {
  flow *f = *state;
  peer *p = unix_peer(f, (const char *const[]){CHAT_HELLO "<<close>>", CHAT_HELLO, NULL});
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
  }
  assert_int_equal(peer_conns(p), 2);
}

static void test_key_01_a_relative_redirect_stays_on_the_socket(void **state) {
  flow *f = *state;
  peer *p = unix_peer(f, (const char *const[]){"HTTP/1.1 307 T\r\nLocation: /v2/x\r\n"
                                               "Content-Length: 0\r\n\r\n",
                                               CHAT_HELLO, NULL});
  f->request.api_key = "secret-0";
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 1), "POST /v2/x HTTP/1.1\r\n");
  flow_assert_has(peer_request(p, 1), "secret-0");
  assert_int_equal(peer_conns(p), 1);
}

static void test_key_01_no_redirect_leads_out_of_a_socket_or_into_one(void **state) {
  flow *f = *state;
  static char out[200], into[200];
  peer *other = flow_peer(f, (const char *const[]){into, NULL});
  peer *p = unix_peer(f, (const char *const[]){out, NULL});
  snprintf(out, sizeof out, "HTTP/1.1 307 T\r\nLocation: %s/v1/x\r\nContent-Length: 0\r\n\r\n",
           peer_url(other));
  snprintf(into, sizeof into, "HTTP/1.1 307 T\r\nLocation: %s:/v1/x\r\nContent-Length: 0\r\n\r\n",
           peer_url(p));
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREDIRECT);
  assert_int_equal(peer_requests(other), 0);
  c = flow_chat(f, other);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREDIRECT);
  assert_int_equal(peer_requests(p), 1);
}

static void test_hundreds_of_streams_over_one_socket(void **state) {
  flow *f = *state;
  f->config.conns_max = 300;
  peer *p = unix_peer(
      f,
      (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 50>>" CHAT_TEXT("b") CHAT_END, NULL});
  flow_call *calls[300];
  for (int i = 0; i < 300; i++) calls[i] = flow_chat(f, p);
  flow_wait(f);
  for (int i = 0; i < 300; i++) {
    flow_assert_error(calls[i], LEAT_OK);
    assert_string_equal(calls[i]->text, "ab");
  }
  assert_int_equal(peer_requests(p), 300);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_chat_over_a_socket),
      FLOW_TEST(test_a_path_follows_a_colon),
      FLOW_TEST(test_a_large_answer_and_a_large_question),
      FLOW_TEST(test_pl_01_two_sockets_share_nothing),
      FLOW_TEST(test_no_socket_is_there),
      FLOW_TEST(test_net_08_nobody_listens_at_the_socket),
      FLOW_TEST(test_a_socket_that_comes_later_is_found_by_the_retry),
      FLOW_TEST(test_a_full_queue_is_waited_for_and_no_longer_than_connect_ms),
      FLOW_TEST(test_a_request_is_cancelled_while_the_queue_is_full),
      FLOW_TEST(test_a_full_queue_that_gets_room_is_used),
      FLOW_TEST(test_a_cut_answer_is_not_taken_for_whole),
      FLOW_TEST(test_pl_06_a_socket_closed_while_idle_is_opened_again),
      FLOW_TEST(test_key_01_a_relative_redirect_stays_on_the_socket),
      FLOW_TEST(test_key_01_no_redirect_leads_out_of_a_socket_or_into_one),
      FLOW_TEST(test_hundreds_of_streams_over_one_socket),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
