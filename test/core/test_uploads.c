/* Large bodies: how much of them leaves our hands when the peer does not read, and that they go
 * over HTTP/1.1 only where the server has said that it speaks that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"
#include "support/h2_peer.h"

#define BODY_BYTES  (8u << 20)
#define TAKEN_MIN   (64u << 10)
#define TAKEN_MAX   (1u << 20) /* 128 KB unsent, and what fits into the peer's receive buffer */
#define WINDOW      (16u << 20)
#define SETTINGS_ID 0x4 /* INITIAL_WINDOW_SIZE (RFC 9113 6.5.2) */

/* A chat with a prompt of so many bytes, the first of which say "1". */
static leat_slice large_body(flow *f, size_t bytes) {
  static const char front[] = "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"1 ";
  static const char back[] = "\"}]}";
  char *text = flow_keep(f, sizeof front + bytes + sizeof back);
  memcpy(text, front, sizeof front - 1);
  memset(text + sizeof front - 1, 'x', bytes);
  memcpy(text + sizeof front - 1 + bytes, back, sizeof back - 1);
  return (leat_slice){text, sizeof front - 1 + bytes + sizeof back - 1};
}

/* ---- peers that do not read: what the kernel has taken cannot be overtaken any more, neither by
 * the head of another request on the connection nor by a PING; what waits with us can */

/* Submits, lets the kernel take what it wants to, and looks at how much that was. */
static void check_taken(flow *f) {
  f->request.body = large_body(f, BODY_BYTES);
  flow_call *c = flow_submit(f);
  for (int i = 0; i < 80 && flow_stats(f).bytes_sent <= TAKEN_MIN; i++) flow_run(f, 50);
  flow_run(f, 300);
  uint64_t taken = flow_stats(f).bytes_sent;
  assert_true(taken > TAKEN_MIN);
  assert_true(taken < TAKEN_MAX);
  leat_cancel(f->engine, c->id);
  flow_wait(f);
  assert_int_equal(c->error, LEAT_ECANCELLED);
}

static void read_nothing(peer_link *l, void *ctx) {
  (void)ctx;
  peer_sleep(l, 5000);
}

static void test_little_of_a_body_waits_in_the_kernel(void **state) {
  flow *f = *state;
  f->request.base_url = peer_url(flow_peer_script(f, read_nothing, NULL));
  check_taken(f);
}

/* Its windows are wide open. */
static void greet_and_read_nothing(peer_link *l, void *ctx) {
  const uint32_t window[] = {SETTINGS_ID, WINDOW};
  h2_script script;
  (void)ctx;
  h2_script_init(&script);
  h2_settings(&script, window, 1);
  h2_window(&script, 0, WINDOW);
  peer_send(l, h2_script_bytes(&script));
  h2_script_deinit(&script);
  peer_sleep(l, 5000);
}

static void test_little_of_a_body_waits_in_the_kernel_over_http2(void **state) {
  flow *f = *state;
  f->config.http = LEAT_HTTP_2;
  f->request.base_url = peer_url(flow_peer_script(f, greet_and_read_nothing, NULL));
  check_taken(f);
}

/* ---- over HTTP/1.1, or not */

#define CRAWLING 100000 /* more than the 64 KB that HTTP/2's windows begin with */

static void serve_well(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) h2_peer_answer(t, ask);
}

/* The first link speaks HTTP/2, and the others HTTP/1.1. */
static void serve_both(peer_link *l, void *ctx) {
  if (peer_link_index(l) == 0) {
    h2_peer_serve(l, ctx);
    return;
  }
  while (peer_read(l))
    if (!peer_say(l, CHAT_HELLO)) return;
}

static h2_peer *setup_server(flow *f, peer_script script, const tls_server_options *tls) {
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = serve_well;
  flow_tls_server_with(f, tls);
  f->request.base_url = peer_url(flow_peer_script(f, script, h));
  f->request.body = large_body(f, CRAWLING);
  return h;
}

static const char *const both[] = {"h2", "http/1.1", NULL};
static const char *const h2_alone[] = {"h2", NULL};

static void test_what_would_crawl_goes_over_http1(void **state) {
  flow *f = *state;
  h2_peer *h = setup_server(f, serve_both, &(tls_server_options){.tickets = true, .alpn = both});
  f->request.once = true;
  for (int i = 0; i < 10; i++) flow_submit(f);
  flow_wait(f);
  for (const flow_call *c = f->calls; c; c = c->next) {
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.http, LEAT_HTTP_1);
    assert_int_equal(c->result.attempts, 1);
  }
  assert_int_equal(atomic_load(&h->heads), 0);
}

/* A server without HTTP/1.1 ends such a handshake, or lets it pass without having picked any: then
 * a request would be lost on it. All go over HTTP/2, however they crawl, each once. */
static void check_stays(flow *f, const tls_server_options *tls) {
  h2_peer *h = setup_server(f, h2_peer_serve, tls);
  f->request.once = true;
  f->request.retries = LEAT_NONE;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 10; i++) flow_submit(f);
    flow_wait(f);
  }
  for (const flow_call *c = f->calls; c; c = c->next) {
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.http, LEAT_HTTP_2);
  }
  assert_int_equal(atomic_load(&h->heads), 20);
  assert_int_equal(atomic_load(&h->runs[1]), 20);
}

static void test_not_to_a_server_that_refuses_it(void **state) {
  check_stays(*state, &(tls_server_options){.tickets = true, .alpn = h2_alone});
}

static void test_not_to_a_server_that_did_not_say_it_speaks_that(void **state) {
  check_stays(*state,
              &(tls_server_options){.tickets = true, .alpn = both, .alpn_untold = "http/1.1"});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_little_of_a_body_waits_in_the_kernel),
      FLOW_TEST(test_little_of_a_body_waits_in_the_kernel_over_http2),
      FLOW_TEST(test_what_would_crawl_goes_over_http1),
      FLOW_TEST(test_not_to_a_server_that_refuses_it),
      FLOW_TEST(test_not_to_a_server_that_did_not_say_it_speaks_that),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
