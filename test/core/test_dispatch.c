/* Who waits for a connection, and what becomes of the wait: a request that leaves while one is
 * being opened for it, a server that hangs up at once, deadlines that are not the waiter's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/h2_peer.h"

static flow_call *chat_within(flow *f, peer *p, int64_t connect_ms) {
  f->request.deadlines.connect_ms = connect_ms;
  return flow_chat(f, p);
}

/* The connection that the first was given up on is the second's, with the second's own time. */
static void test_an_heir_has_its_own_time_to_connect(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  f->request.retries = LEAT_NONE;
  peer *p = flow_peer_with(f, &(peer_options){.deaf = true});
  flow_call *first = chat_within(f, p, 100);
  flow_call *second = chat_within(f, p, 300);
  flow_wait(f);
  flow_assert_error(first, LEAT_ECONNTIMEOUT);
  flow_assert_error(second, LEAT_ECONNTIMEOUT);
  assert_true(second->result.times.done_ns - first->result.times.done_ns >= 290 * 1000000ull);
}

/* The connection that was opened for a request that left has no deadline; who comes later has. */
static void test_who_waits_for_an_orphan_keeps_its_deadline(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  f->request.retries = LEAT_NONE;
  peer *p = flow_peer_with(f, &(peer_options){.deaf = true});
  flow_call *first = chat_within(f, p, LEAT_NONE);
  flow_run(f, 20);
  assert_int_equal(leat_cancel(f->engine, first->id), LEAT_OK);
  flow_run(f, 20);
  flow_call *second = chat_within(f, p, 100);
  flow_wait(f);
  flow_assert_error(second, LEAT_ECONNTIMEOUT);
  assert_true(flow_took_ms(second) < FLOW_SOON_MS);
}

static void hang_up(peer_link *l, void *ctx) {
  (void)l, (void)ctx;
}

/* Each connection stands and is closed before a request can be sent: tries that fail, with their
 * waits, not a loop of handshakes. */
static void test_a_server_that_hangs_up_at_once_is_not_dialled_forever(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  peer *p = flow_peer_with(f, &(peer_options){.tls = flow_tls_server(f), .script = hang_up});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ERESET);
  assert_true(peer_conns(p) <= 20);
}

/* Connecting is not waiting in the queue, also once the connection stands. */
static void test_queue_deadline_does_not_count_a_handshake(void **state) {
  flow *f = *state;
  peer *p = flow_peer_with(f, &(peer_options){.tls = flow_tls_server(f),
                                              .answers = (const char *const[]){CHAT_HELLO, NULL}});
  f->request.deadlines.queue_ms = 1;
  f->request.retries = LEAT_NONE;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

/* However short idle connections live, a fresh one lives until its request takes it. */
static void test_a_short_keep_alive_does_not_close_fresh_connections(void **state) {
  flow *f = *state;
  peer *p = flow_peer_with(f, &(peer_options){.tls = flow_tls_server(f),
                                              .answers = (const char *const[]){CHAT_HELLO, NULL}});
  f->config.keep_alive_ms = 1;
  f->request.retries = LEAT_NONE;
  for (int i = 0; i < 40; i++) flow_chat(f, p);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
}

/* Lowers the limit so far that the next descriptor is one too many. */
static struct rlimit no_more_descriptors(void) {
  struct rlimit old, low;
  int next = dup(0);
  assert_true(next >= 0);
  close(next);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
  low = old;
  low.rlim_cur = (rlim_t)next;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
  return old;
}

static void test_rs_01_without_a_descriptor_requests_wait(void **state) {
  flow *f = *state;
  flow_call *calls[3];
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.retries = LEAT_NONE;
  flow_open(f);
  flow_run(f, 5);
  struct rlimit old = no_more_descriptors();
  for (int i = 0; i < 3; i++) calls[i] = flow_chat(f, p);
  uint64_t turns = flow_stats(f).turns;
  flow_run(f, 300);
  bool waiting = f->live == 3;
  turns = flow_stats(f).turns - turns;
  assert_int_equal(leat_cancel(f->engine, calls[0]->id), LEAT_OK);
  flow_run(f, 50);
  setrlimit(RLIMIT_NOFILE, &old);
  assert_true(waiting);
  assert_true(turns < 200); /* no spin */
  flow_wait(f);
  flow_assert_error(calls[0], LEAT_ECANCELLED);
  flow_assert_error(calls[1], LEAT_OK);
  flow_assert_error(calls[2], LEAT_OK);
}

static void test_rs_01_the_connect_deadline_names_the_descriptor(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.retries = LEAT_NONE;
  flow_open(f);
  flow_run(f, 5);
  struct rlimit old = no_more_descriptors();
  flow_call *c = chat_within(f, p, 250);
  flow_run(f, 400);
  setrlimit(RLIMIT_NOFILE, &old);
  flow_wait(f);
  flow_assert_error(c, LEAT_EFDLIMIT);
}

/* The first connection serves, but gives no window back; a second says nothing at all, so that who
 * does not fit on the first waits for it. */
static void serve_the_first(peer_link *l, void *ctx) {
  if (peer_link_index(l) == 0)
    h2_peer_serve(l, ctx);
  else
    while (peer_sleep(l, 10)) continue;
}

static void hang_up_but_the_first(peer_link *l, void *ctx) {
  if (peer_link_index(l) == 0) h2_peer_serve(l, ctx);
}

static void answer_all(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) h2_peer_answer(t, ask);
}

static void upload(flow *f, size_t size) {
  char *body = malloc(size + 1);
  if (!body) abort();
  int n = snprintf(body, size, "{\"model\":\"m\",\"messages\":[],\"stream\":true,\"user\":\"");
  memset(body + n, 'x', size - (size_t)n - 2);
  memcpy(body + size - 2, "\"}", 2);
  f->request.body = lti_slice(body, size);
  flow_submit(f);
  free(body);
}

static void test_pl_04_one_tenants_uploads_do_not_hide_anothers_chat(void **state) {
  flow *f = *state;
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = answer_all;
  h->keeps_windows = true;
  f->config.http = LEAT_HTTP_2;
  f->config.h2_conns_max = 2;
  peer *p = flow_peer_script(f, serve_the_first, h);
  f->request.base_url = peer_url(p);
  f->request.api_key = "sk-of-many";
  for (int i = 0; i < 300; i++) upload(f, 60000);
  while (f->dones == 0) flow_run(f, 5); /* one is through, and has used up the window */
  flow_run(f, 200);
  uint64_t queued = flow_stats(f).requests_queued;
  assert_in_range(queued, 201, 299);
  f->request.api_key = "sk-of-one";
  h2_peer_chat(f, 7);
  /* It gets a connection, as they have not. */
  for (int i = 0; i < 200 && flow_stats(f).requests_queued > queued; i++) flow_run(f, 20);
  assert_int_equal(flow_stats(f).requests_queued, queued);
  for (flow_call *other = f->calls; other; other = other->next) leat_cancel(f->engine, other->id);
  flow_wait(f);
}

/* A second connection that comes to nothing is nobody's failure while the first one serves. */
static void test_a_useless_connection_fails_nobody_beside_one_that_serves(void **state) {
  flow *f = *state;
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = answer_all;
  f->config.http = LEAT_HTTP_2;
  f->config.h2_conns_max = 2;
  peer *p = flow_peer_script(f, hang_up_but_the_first, h);
  f->request.base_url = peer_url(p);
  for (int i = 0; i < 40; i++) upload(f, 60000);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) {
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.attempts, 1);
  }
  assert_true(peer_conns(p) > 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_an_heir_has_its_own_time_to_connect),
      FLOW_TEST(test_who_waits_for_an_orphan_keeps_its_deadline),
      FLOW_TEST(test_a_server_that_hangs_up_at_once_is_not_dialled_forever),
      FLOW_TEST(test_queue_deadline_does_not_count_a_handshake),
      FLOW_TEST(test_a_short_keep_alive_does_not_close_fresh_connections),
      FLOW_TEST(test_pl_04_one_tenants_uploads_do_not_hide_anothers_chat),
      FLOW_TEST(test_a_useless_connection_fails_nobody_beside_one_that_serves),
      FLOW_TEST(test_rs_01_without_a_descriptor_requests_wait),
      FLOW_TEST(test_rs_01_the_connect_deadline_names_the_descriptor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
