/* Request bodies that are not in memory: from callbacks, files and pipes, over HTTP/1.1 and HTTP/2,
 * whole, in the order and the size that was told, and never more than a piece ahead. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/giver.h"
#include "support/taker.h"

#define LARGE ((uint64_t)3 << 20)

static const char *const ok[] = {"200", NULL};

/* To a server of its own; the request is raw, and its method the default. */
static taker *serve(flow *f, bool http2, const taker_plan *plan) {
  taker_plan filled = *plan;
  filled.http2 = http2;
  if (!filled.answers) filled.answers = ok;
  taker *t = taker_start(f, &filled);
  f->request.protocol = "raw";
  f->request.http = http2 ? LEAT_HTTP_2 : LEAT_HTTP_1;
  f->request.body = lti_slice(NULL, 0);
  f->request.base_url = peer_url(taker_peer(t));
  f->request.path = "/up";
  return t;
}

static flow_call *send_callback(flow *f, giver *g) {
  f->request.source = giver_callback(g);
  flow_call *c = flow_try(f);
  g->call = c;
  assert_int_equal(c->error, LEAT_OK);
  return c;
}

static taker_took *look(flow *f, taker *t) {
  taker_took *took = flow_keep(f, sizeof *took);
  taker_look(t, took);
  return took;
}

/* All came, once, as it was given. */
static taker_took *check_whole(flow *f, const flow_call *c, taker *t, uint64_t size) {
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result_status, 200);
  assert_string_equal(c->text, "ok");
  taker_took *took = look(f, t);
  assert_int_equal(took->faults, 0);
  assert_int_equal(took->wholes, 1);
  assert_int_equal(took->body_size, size);
  assert_true(took->hash == giver_hash(size));
  return took;
}

/* ---- callbacks */

static void check_callback(flow *f, bool http2, uint64_t size, bool told) {
  taker *t = serve(f, http2, &(taker_plan){0});
  giver *g = giver_new(f, size);
  if (told) g->told = (int64_t)size;
  flow_call *c = send_callback(f, g);
  flow_wait(f);
  taker_took *took = check_whole(f, c, t, size);
  char length[64];
  snprintf(length, sizeof length, "%s: %llu", http2 ? "content-length" : "Content-Length",
           (unsigned long long)size);
  if (told) flow_assert_has(took->head, length);
  if (!told) assert_null(strstr(took->head, http2 ? "content-length" : "Content-Length"));
  if (!told && !http2) flow_assert_has(took->head, "\r\nTransfer-Encoding: chunked\r\n");
  assert_int_equal(g->closes, 1);
  assert_null(strstr(took->head, "xpect"));
}

static void test_a_callback_of_known_size(void **state) {
  check_callback(*state, false, LARGE, true);
}
static void test_a_callback_of_known_size_over_http2(void **state) {
  check_callback(*state, true, LARGE, true);
}
static void test_a_callback_of_unknown_size_goes_in_chunks(void **state) {
  check_callback(*state, false, LARGE, false);
}
static void test_a_callback_of_unknown_size_over_http2(void **state) {
  check_callback(*state, true, LARGE, false);
}
static void test_an_empty_body_of_unknown_size(void **state) {
  check_callback(*state, false, 0, false);
}
static void test_an_empty_body_of_unknown_size_over_http2(void **state) {
  check_callback(*state, true, 0, false);
}

/* Sizes around that of a piece and of a record. */
static void test_sizes_at_which_pieces_end(void **state) {
  flow *f = *state;
  static const uint64_t sizes[] = {1,     2,     16371, 16372, 16373,  16384,  65533,
                                   65534, 65535, 65536, 65537, 131071, 131072, 131073};
  for (int http2 = 0; http2 < 2; http2++) {
    taker *t = serve(f, http2, &(taker_plan){0});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      for (int told = 0; told < 2; told++) {
        giver *g = giver_new(f, sizes[i]);
        if (told) g->told = (int64_t)sizes[i];
        flow_call *c = send_callback(f, g);
        flow_wait(f);
        flow_assert_error(c, LEAT_OK);
        taker_took *took = look(f, t);
        assert_int_equal(took->faults, 0);
        assert_int_equal(took->body_size, sizes[i]);
        assert_true(took->hash == giver_hash(sizes[i]));
      }
    }
  }
}

/* A few bytes at a time, and a pause before each third read: now for a while, now over at once. */
static void check_pauses(flow *f, bool http2, int pause_ms) {
  taker *t = serve(f, http2, &(taker_plan){0});
  giver *g = giver_new(f, 3000);
  g->step = 100;
  g->pause_each = 3;
  g->pause_ms = pause_ms;
  flow_call *c = send_callback(f, g);
  flow_wait(f);
  check_whole(f, c, t, 3000);
  assert_true(g->pauses >= 10);
}

static void test_a_callback_that_pauses(void **state) {
  check_pauses(*state, false, 2);
}
static void test_a_callback_that_pauses_over_http2(void **state) {
  check_pauses(*state, true, 2);
}
static void test_ready_may_be_said_while_it_is_asked(void **state) {
  check_pauses(*state, false, 0);
}

/* ---- files and pipes */

static void check_file(flow *f, bool http2) {
  taker *t = serve(f, http2, &(taker_plan){0});
  giver *g = giver_new(f, LARGE);
  leat_source source = {.path = giver_file(g)};
  f->request.source = &source;
  flow_call *c = flow_submit(f);
  unlink(source.path); /* it is open already */
  memset(&source, 0xff, sizeof source);
  flow_wait(f);
  flow_assert_has(check_whole(f, c, t, LARGE)->head,
                  http2 ? "content-length: 3145728" : "Content-Length: 3145728");
}

static void test_a_file(void **state) {
  check_file(*state, false);
}
static void test_a_file_over_http2(void **state) {
  check_file(*state, true);
}

/* Its owner's position stays where it is, and what is left from there is what is sent. */
static void test_a_descriptor_of_a_file_is_read_from_where_it_stands(void **state) {
  flow *f = *state;
  taker *t = serve(f, false, &(taker_plan){0});
  giver *g = giver_new(f, 100000);
  int fd = open(giver_file(g), O_RDONLY);
  assert_int_equal(lseek(fd, 40000, SEEK_SET), 40000);
  leat_source source = {.fd_plus_one = fd + 1};
  f->request.source = &source;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  taker_took *took = look(f, t);
  assert_int_equal(took->body_size, 60000);
  for (uint64_t i = 0; i < 60000; i++) assert_int_equal(took->body[i], giver_byte(40000 + i));
  assert_int_equal(lseek(fd, 0, SEEK_CUR), 40000);
  assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
  close(fd);
}

static void check_pipe(flow *f, bool http2, bool told) {
  taker *t = serve(f, http2, &(taker_plan){0});
  giver *g = giver_new(f, LARGE);
  leat_source source = {.fd_plus_one = giver_pipe(g), .size = told ? (int64_t)LARGE : 0};
  f->request.source = &source;
  flow_call *c = flow_submit(f);
  close(source.fd_plus_one - 1); /* it was duplicated */
  flow_wait(f);
  check_whole(f, c, t, LARGE);
}

static void test_a_pipe(void **state) {
  check_pipe(*state, false, false);
}
static void test_a_pipe_over_http2(void **state) {
  check_pipe(*state, true, false);
}
static void test_a_pipe_of_known_size(void **state) {
  check_pipe(*state, false, true);
}

/* Nothing comes for a while, then a little, then the end: and the descriptor is as it was. */
static void test_a_pipe_that_is_slow(void **state) {
  flow *f = *state;
  int fds[2];
  taker *t = serve(f, true, &(taker_plan){0});
  assert_int_equal(pipe(fds), 0);
  leat_source source = {.fd_plus_one = fds[0] + 1};
  f->request.source = &source;
  flow_call *c = flow_submit(f);
  flow_run(f, 30);
  char bytes[10];
  for (uint64_t i = 0; i < 10; i++) bytes[i] = giver_byte(i);
  assert_int_equal(write(fds[1], bytes, 4), 4);
  flow_run(f, 30);
  assert_int_equal(write(fds[1], bytes + 4, 6), 6);
  flow_run(f, 30);
  assert_int_equal(c->dones, 0);
  close(fds[1]);
  flow_wait(f);
  check_whole(f, c, t, 10);
  assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
  close(fds[0]);
}

/* What can always be read is no pipe, and has an end all the same. */
static void test_a_device_without_bytes(void **state) {
  flow *f = *state;
  taker *t = serve(f, false, &(taker_plan){0});
  int fd = open("/dev/null", O_RDONLY);
  leat_source source = {.fd_plus_one = fd + 1};
  f->request.source = &source;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  check_whole(f, c, t, 0);
  close(fd);
}

static void test_an_empty_file_and_one_the_kernel_makes_up(void **state) {
  flow *f = *state;
  taker *t = serve(f, false, &(taker_plan){0});
  leat_source source = {.path = giver_file(giver_new(f, 0))};
  f->request.source = &source;
  flow_submit(f);
  flow_wait(f);
  flow_assert_has(look(f, t)->head, "\r\nContent-Length: 0\r\n");
  source.path = "/proc/self/status";
  flow_submit(f);
  flow_wait(f);
  taker_took *took = look(f, t);
  flow_assert_has(took->head, "chunked");
  flow_assert_has(took->body, "Name:");
}

/* ---- refused at the submit: nothing is called, nothing stays open */

static void check_refused(flow *f, const leat_source *source, int error) {
  f->request.source = source;
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, error);
  assert_true(c->message[0]);
}

static void test_sources_that_are_none(void **state) {
  flow *f = *state;
  serve(f, false, &(taker_plan){0});
  giver *g = giver_new(f, 10);
  giver_callback(g);
  check_refused(f, &(leat_source){0}, LEAT_EINVAL);
  check_refused(f, &(leat_source){.path = "/a", .fd_plus_one = 1}, LEAT_EINVAL);
  check_refused(f, &(leat_source){.path = "/nowhere/at/all"}, LEAT_ESOURCE);
  check_refused(f, &(leat_source){.path = "/dev/null"}, LEAT_ESOURCE);
  check_refused(f, &(leat_source){.path = "/"}, LEAT_ESOURCE);
  check_refused(f, &(leat_source){.fd_plus_one = 100000}, LEAT_ESOURCE);
  f->request.body = lti_slice_of("{}");
  check_refused(f, &g->source, LEAT_EINVAL);
  f->request.body = lti_slice(NULL, 0);
  f->request.protocol = "openai-chat";
  check_refused(f, &g->source, LEAT_EINVAL);
  assert_int_equal(g->closes, 0);
}

/* ---- never more than a piece ahead */

/* The server reads nothing behind the first bytes: what the source was asked for is what stands in
 * the piece, in our queue and in the kernel. */
static void check_ahead(flow *f, bool http2) {
  serve(f, http2, &(taker_plan){.early_at = 1, .early = "", .deaf = true});
  giver *g = giver_new(f, (uint64_t)64 << 20);
  flow_call *c = send_callback(f, g);
  for (int i = 0; i < 60 && g->given < 60000; i++) flow_run(f, 20);
  flow_run(f, 300);
  assert_true(g->given >= 60000);
  assert_true(g->given < (uint64_t)8 << 20); /* most of it is the kernel's, which buffers alone */
  assert_true(g->given <= flow_stats(f).bytes_sent + 256 * 1024);
  assert_true(f->memory.live_bytes < 600 * 1024);
  leat_cancel(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(g->closes, 1);
}

static void test_little_is_read_ahead(void **state) {
  check_ahead(*state, false);
}
static void test_little_is_read_ahead_over_http2(void **state) {
  check_ahead(*state, true);
}

/* ---- over TLS */

static void check_tls(flow *f, const char *const *alpn, bool http2) {
  tls_server *tls = flow_tls_server_of(f, alpn);
  taker *t = serve(f, http2, &(taker_plan){.tls = tls});
  giver *g = giver_new(f, LARGE);
  flow_call *c = send_callback(f, g);
  flow_wait(f);
  check_whole(f, c, t, LARGE);
  assert_int_equal(c->result.http, http2 ? LEAT_HTTP_2 : LEAT_HTTP_1);
}

static const char *const h1_alone[] = {"http/1.1", NULL};
static const char *const h2_alone[] = {"h2", NULL};

static void test_over_tls(void **state) {
  check_tls(*state, h1_alone, false);
}
static void test_over_tls_and_http2(void **state) {
  check_tls(*state, h2_alone, true);
}

/* ---- many at once on one connection */

static void test_uploads_share_a_connection(void **state) {
  flow *f = *state;
  f->config.h2_conns_max = 1;
  taker *t = serve(f, true, &(taker_plan){.window = 1 << 20});
  giver *g[8];
  for (size_t i = 0; i < 8; i++) {
    g[i] = giver_new(f, 200000);
    if (i % 2) g[i]->told = 200000;
    g[i]->step = 1 + 1000 * i;
    send_callback(f, g[i]);
  }
  flow_wait(f);
  for (const flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
  taker_took *took = look(f, t);
  assert_int_equal(took->wholes, 8);
  assert_int_equal(took->bytes, 8 * 200000);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_callback_of_known_size),
      FLOW_TEST(test_a_callback_of_known_size_over_http2),
      FLOW_TEST(test_a_callback_of_unknown_size_goes_in_chunks),
      FLOW_TEST(test_a_callback_of_unknown_size_over_http2),
      FLOW_TEST(test_an_empty_body_of_unknown_size),
      FLOW_TEST(test_an_empty_body_of_unknown_size_over_http2),
      FLOW_TEST(test_sizes_at_which_pieces_end),
      FLOW_TEST(test_a_callback_that_pauses),
      FLOW_TEST(test_a_callback_that_pauses_over_http2),
      FLOW_TEST(test_ready_may_be_said_while_it_is_asked),
      FLOW_TEST(test_a_file),
      FLOW_TEST(test_a_file_over_http2),
      FLOW_TEST(test_a_descriptor_of_a_file_is_read_from_where_it_stands),
      FLOW_TEST(test_a_pipe),
      FLOW_TEST(test_a_pipe_over_http2),
      FLOW_TEST(test_a_pipe_of_known_size),
      FLOW_TEST(test_a_pipe_that_is_slow),
      FLOW_TEST(test_a_device_without_bytes),
      FLOW_TEST(test_an_empty_file_and_one_the_kernel_makes_up),
      FLOW_TEST(test_sources_that_are_none),
      FLOW_TEST(test_little_is_read_ahead),
      FLOW_TEST(test_little_is_read_ahead_over_http2),
      FLOW_TEST(test_over_tls),
      FLOW_TEST(test_over_tls_and_http2),
      FLOW_TEST(test_uploads_share_a_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
