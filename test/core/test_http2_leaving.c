/* Whole requests over HTTP/2 servers that leave, refuse or change their mind in the middle of a
 * burst (H2-06 to H2-09, H2-19): what was not taken up goes to another connection, free of charge;
 * what was taken up finishes; nothing is lost, and the server's books say that nothing ran twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/h2_peer.h"

#define NOTICE_ID 0x7fffffff /* of a GOAWAY that only gives notice (RFC 9113 6.8) */
#define BURST     60

static h2_peer *setup_peer(flow *f, void (*script)(h2_talk *t), peer **p) {
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = script;
  f->config.http = LEAT_HTTP_2;
  *p = h2_peer_start(f, h);
  f->request.base_url = peer_url(*p);
  return h;
}

static void burst(flow *f, unsigned from, unsigned to) {
  for (unsigned i = from; i < to; i++) h2_peer_chat(f, i);
}

/* Every one succeeded, ran once, and is not said to have run more often. */
static void assert_none_lost_or_doubled(const flow *f, h2_peer *h) {
  for (const flow_call *c = f->calls; c; c = c->next) {
    char text[32];
    snprintf(text, sizeof text, "%d:ok ", c->number);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, text);
    assert_int_equal(atomic_load(&h->runs[c->number]), 1);
    assert_false(c->result.maybe_ran_twice);
  }
  assert_int_equal(atomic_load(&h->faults), 0);
}

static void serve_well(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) h2_peer_answer(t, ask);
}

static bool gather(h2_talk *t, h2_ask *asks, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!h2_peer_next(t, &asks[i])) return false;
  return true;
}

/* ---- GOAWAY ---------------------------------------------------------------------------------- */

/* All of the burst has come and half of the first third's answers has left; then GOAWAY says that
 * the first third is all that it took up. */
static void leave_abruptly(h2_talk *t, uint32_t code) {
  h2_ask asks[BURST];
  if (t->number > 0) {
    serve_well(t);
    return;
  }
  if (!gather(t, asks, BURST)) return;
  for (size_t i = 0; i < BURST / 3; i++) h2_peer_head(t, asks[i]);
  h2_goaway(&t->out, asks[BURST / 3 - 1].id, code);
  h2_peer_sync(t);
  for (size_t i = 0; i < BURST / 3; i++) {
    h2_peer_text(t, asks[i], "ok");
    h2_peer_sync(t);
    h2_peer_done(t, asks[i]);
  }
  h2_peer_flush(t);
}

static void leave_without_error(h2_talk *t) {
  leave_abruptly(t, H2_NO_ERROR);
}

static void leave_with_error(h2_talk *t) {
  leave_abruptly(t, H2_ENHANCE_YOUR_CALM);
}

static void check_abrupt(flow *f, void (*script)(h2_talk *t)) {
  peer *p;
  h2_peer *h = setup_peer(f, script, &p);
  burst(f, 0, BURST);
  flow_wait(f);
  assert_none_lost_or_doubled(f, h);
  unsigned repeated = 0;
  for (unsigned i = 0; i < BURST; i++) repeated += atomic_load(&h->seen[i]) - 1;
  assert_int_equal(repeated, BURST - BURST / 3);
  assert_int_equal(flow_stats(f).requests_replayed, BURST - BURST / 3);
  assert_int_equal(peer_conns(p), 2);
}

static void test_h2_08_goaway_in_mid_burst_costs_nothing(void **state) {
  check_abrupt(*state, leave_without_error);
}

static void test_h2_08_goaway_with_an_error_is_the_same(void **state) {
  check_abrupt(*state, leave_with_error);
}

/* In two steps: a notice, and when that has been heard the last id. Nothing new comes behind the
 * notice, and nothing is repeated. */
static void leave_gracefully(h2_talk *t) {
  h2_ask asks[BURST];
  if (t->number > 0) {
    serve_well(t);
    return;
  }
  if (!gather(t, asks, BURST / 2)) return;
  h2_goaway(&t->out, NOTICE_ID, H2_NO_ERROR);
  h2_peer_head(t, asks[0]);
  h2_peer_sync(t); /* at its end the client has heard the notice */
  unsigned heads = t->heads;
  h2_peer_text(t, asks[0], "ok");
  h2_peer_done(t, asks[0]);
  h2_peer_sync(t);
  h2_goaway(&t->out, t->last_id, H2_NO_ERROR);
  h2_peer_sync(t);
  for (size_t i = 1; i < BURST / 2; i++) h2_peer_answer(t, asks[i]);
  h2_peer_flush(t);
  if (t->heads != heads) atomic_fetch_add(&t->peer->faults, 1);
}

static void test_h2_08_leaving_in_two_steps_repeats_nothing(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, leave_gracefully, &p);
  flow_call *first = h2_peer_chat(f, 0);
  burst(f, 1, BURST / 2);
  flow_wait_events(f, first, 1); /* which comes behind the notice, long before the last id */
  burst(f, BURST / 2, BURST);
  flow_wait(f);
  assert_none_lost_or_doubled(f, h);
  for (unsigned i = 0; i < BURST; i++) assert_int_equal(atomic_load(&h->seen[i]), 1);
  assert_int_equal(flow_stats(f).requests_replayed, 0);
  assert_int_equal(peer_conns(p), 2);
}

/* Every connection takes ten, and goes: a hundred requests need ten of them, and no retries. */
static void leave_after_ten(h2_talk *t) {
  h2_ask asks[10];
  if (!gather(t, asks, 10)) return;
  h2_goaway(&t->out, asks[9].id, H2_NO_ERROR);
  for (int i = 0; i < 10; i++) h2_peer_answer(t, asks[i]);
  h2_peer_flush(t);
}

static void test_h2_08_every_connection_leaves_and_all_is_done(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, leave_after_ten, &p);
  f->config.h2_streams_max = 20; /* what is refused nine times is not repeated for ever */
  f->config.h2_conns_max = 2;
  burst(f, 0, 100);
  flow_wait(f);
  assert_none_lost_or_doubled(f, h);
  assert_int_equal(peer_conns(p), 10);
}

/* H2-07: no request is ever taken up. That ends after a few tries, with an error that says so. */
static void take_nothing(h2_talk *t) {
  h2_ask ask;
  if (!h2_peer_next(t, &ask)) return;
  h2_goaway(&t->out, 0, H2_NO_ERROR);
  h2_peer_sync(t);
}

static void test_h2_07_a_server_that_never_takes_a_request_ends_it(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, take_nothing, &p);
  flow_call *c = h2_peer_chat(f, 1);
  flow_wait(f);
  flow_assert_error(c, LEAT_ERESET);
  flow_assert_has(c->message, "did not take the request up");
  assert_true(c->result.retryable);
  assert_false(c->result.maybe_ran_twice);
  assert_in_range(peer_conns(p), 2, 12);
  assert_int_equal(atomic_load(&h->runs[1]), 0);
}

/* ---- streams that are refused ---------------------------------------------------------------- */

static void refuse_a_third(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) {
    if (ask.prompt % 3 == 0 && atomic_load(&t->peer->seen[ask.prompt]) == 1)
      h2_peer_reset(t, ask, H2_REFUSED_STREAM);
    else
      h2_peer_answer(t, ask);
  }
}

static void test_h2_09_refused_streams_are_repeated_for_free(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, refuse_a_third, &p);
  f->request.once = true; /* they never ran: even these */
  burst(f, 0, BURST);
  flow_wait(f);
  assert_none_lost_or_doubled(f, h);
  for (unsigned i = 0; i < BURST; i++)
    assert_int_equal(atomic_load(&h->seen[i]), i % 3 == 0 ? 2 : 1);
  assert_int_equal(flow_stats(f).requests_replayed, BURST / 3);
  assert_int_equal(peer_conns(p), 1);
}

static void reset_a_third(h2_talk *t) {
  static const uint32_t codes[] = {H2_CANCEL, H2_INTERNAL_ERROR, H2_PROTOCOL_ERROR, H2_NO_ERROR};
  h2_ask ask;
  while (h2_peer_next(t, &ask)) {
    if (ask.prompt % 3 == 0)
      h2_peer_reset(t, ask, codes[ask.prompt / 3 % 4]);
    else
      h2_peer_answer(t, ask);
  }
}

/* Other codes do not say that nothing ran. */
static void test_h2_09_other_resets_are_errors(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, reset_a_third, &p);
  burst(f, 0, BURST);
  flow_wait(f);
  for (const flow_call *c = f->calls; c; c = c->next) {
    flow_assert_error(c, c->number % 3 == 0 ? LEAT_ERESET : LEAT_OK);
    assert_int_equal(atomic_load(&h->seen[c->number]), 1);
  }
  assert_int_equal(peer_conns(p), 1);
}

/* ---- HTTP_1_1_REQUIRED ----------------------------------------------------------------------- */

static const char *const both[] = {"h2", "http/1.1", NULL};

static void want_http1(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) {
    if (ask.prompt % 2 == 0)
      h2_peer_reset(t, ask, H2_HTTP_1_1_REQUIRED);
    else
      h2_peer_answer(t, ask);
  }
}

/* The first connection is HTTP/2; those that follow are what the client was told to use. */
static void serve_both(peer_link *l, void *ctx) {
  if (peer_link_index(l) == 0) {
    h2_peer_serve(l, ctx);
    return;
  }
  while (peer_read(l))
    if (!peer_say(l, CHAT_HELLO)) return;
}

static h2_peer *setup_both(flow *f, void (*script)(h2_talk *t), peer **p) {
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = script;
  flow_tls_server_of(f, both);
  *p = flow_peer_script(f, serve_both, h);
  f->request.base_url = peer_url(*p);
  return h;
}

static void test_h2_09_http_1_1_required_goes_over_http_1_1(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_both(f, want_http1, &p);
  burst(f, 0, 10);
  flow_wait(f);
  for (const flow_call *c = f->calls; c; c = c->next) {
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.http, c->number % 2 ? LEAT_HTTP_2 : LEAT_HTTP_1);
    assert_int_equal(atomic_load(&h->seen[c->number]), 1);
    assert_false(c->result.maybe_ran_twice);
  }
  assert_int_equal(peer_requests(p), 5);
  assert_int_equal(atomic_load(&h->faults), 0);
}

static void want_http1_for_all(h2_talk *t) {
  h2_ask asks[10];
  if (!gather(t, asks, 10)) return;
  h2_goaway(&t->out, 0, H2_HTTP_1_1_REQUIRED);
  h2_peer_sync(t);
}

static void test_h2_09_goaway_may_require_http_1_1_too(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_both(f, want_http1_for_all, &p);
  burst(f, 0, 10);
  flow_wait(f);
  for (const flow_call *c = f->calls; c; c = c->next) {
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.http, LEAT_HTTP_1);
    assert_int_equal(atomic_load(&h->seen[c->number]), 1);
    assert_false(c->result.maybe_ran_twice);
  }
  assert_int_equal(peer_requests(p), 10);
}

/* Where only HTTP/2 is wanted there is nowhere to go. */
static void test_h2_09_http_1_1_required_is_an_error_where_only_http_2_is_wanted(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, want_http1, &p);
  f->request.retries = 2;
  flow_call *c = h2_peer_chat(f, 2);
  flow_wait(f);
  flow_assert_error(c, LEAT_EHTTP);
  flow_assert_has(c->message, "HTTP/1.1");
  assert_false(c->result.retryable);
  assert_int_equal(atomic_load(&h->seen[2]), 1);
}

/* ---- MAX_CONCURRENT_STREAMS ------------------------------------------------------------------ */

/* Twenty at first; lowered to five while they run, raised to forty, lowered to none and raised
 * again. That it is kept to is watched by the peer at every HEADERS. */
static void change_limits(h2_talk *t) {
  static const uint32_t limits[] = {5, 40, 0, 8};
  h2_ask ask, held[20];
  if (!gather(t, held, 20)) return;
  for (size_t i = 0; i < 4; i++) {
    h2_peer_limit(t, limits[i]);
    if (!h2_peer_sync(t)) return;
    for (size_t k = 0; k < 5; k++) h2_peer_answer(t, held[5 * i + k]);
    if (!h2_peer_sync(t)) return;
  }
  while (h2_peer_next(t, &ask)) {
    h2_peer_answer(t, ask);
    if (t->active + t->ask_count == 0 && !h2_peer_sync(t)) return;
  }
}

static void test_h2_06_the_number_of_streams_is_kept_to_as_it_changes(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, change_limits, &p);
  static const uint32_t settings[] = {0x3, 20};
  h->settings = settings;
  h->setting_count = 1;
  f->config.h2_conns_max = 1;
  burst(f, 0, 100);
  flow_wait(f);
  assert_none_lost_or_doubled(f, h);
  assert_int_equal(peer_conns(p), 1);
}

/* ---- H2-19: silence -------------------------------------------------------------------------- */

static void fall_silent(h2_talk *t) {
  h2_ask asks[BURST];
  if (t->number > 0) {
    serve_well(t);
    return;
  }
  if (!gather(t, asks, BURST)) return;
  for (size_t i = 0; i < 10; i++) h2_peer_head(t, asks[i]), h2_peer_text(t, asks[i], "half");
  h2_peer_silent(t);
}

static int number_of_kind(const flow_call *c) {
  return c->number < 10 ? 0 : c->number % 2 ? 1 : 2;
}

/* Those that had begun to answer are truncated, what may be sent again is, and of what was to run
 * once nobody knows. */
static void test_h2_19_a_silent_connection_is_given_up(void **state) {
  static const int errors[] = {LEAT_ETRUNCATED, LEAT_OK, LEAT_EUNCERTAIN};
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, fall_silent, &p);
  f->config.ping_ms = 150;
  f->config.ping_timeout_ms = 800; /* a busy machine answers in time */
  f->request.retries = 1;
  for (unsigned i = 0; i < BURST; i++) {
    f->request.once = i >= 10 && i % 2 == 0;
    h2_peer_chat(f, i);
  }
  flow_wait(f);
  for (const flow_call *c = f->calls; c; c = c->next) {
    int kind = number_of_kind(c);
    flow_assert_error(c, errors[kind]);
    assert_int_equal(c->result.maybe_ran_twice, kind == 1);
    assert_int_equal(atomic_load(&h->seen[c->number]), kind == 1 ? 2 : 1);
    if (kind == 0) flow_assert_has(c->message, "does not answer PING");
  }
  assert_int_equal(peer_conns(p), 2);
}

/* ---- ages ------------------------------------------------------------------------------------ */

static void serve_slowly(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) {
    h2_peer_head(t, ask);
    h2_peer_text(t, ask, "ok");
    h2_peer_flush(t);
    if (!peer_sleep(t->link, 5)) return;
    h2_peer_done(t, ask);
  }
}

static void submit_next(flow_call *c, const leat_result *result) {
  flow *f = c->flow;
  (void)result;
  if (f->submitted < 120) h2_peer_chat(f, f->submitted)->on_done = submit_next;
}

/* Connections live 50 ms at most, requests come all the time: none of them fails for that. */
static void test_connections_of_age_make_way_without_a_failed_request(void **state) {
  flow *f = *state;
  peer *p;
  h2_peer *h = setup_peer(f, serve_slowly, &p);
  f->config.conn_age_ms = 50;
  for (unsigned i = 0; i < 8; i++) h2_peer_chat(f, i)->on_done = submit_next;
  flow_wait(f);
  assert_none_lost_or_doubled(f, h);
  for (const flow_call *c = f->calls; c; c = c->next) assert_int_equal(c->result.attempts, 1);
  assert_true(peer_conns(p) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_h2_08_goaway_in_mid_burst_costs_nothing),
      FLOW_TEST(test_h2_08_goaway_with_an_error_is_the_same),
      FLOW_TEST(test_h2_08_leaving_in_two_steps_repeats_nothing),
      FLOW_TEST(test_h2_08_every_connection_leaves_and_all_is_done),
      FLOW_TEST(test_h2_07_a_server_that_never_takes_a_request_ends_it),
      FLOW_TEST(test_h2_09_refused_streams_are_repeated_for_free),
      FLOW_TEST(test_h2_09_other_resets_are_errors),
      FLOW_TEST(test_h2_09_http_1_1_required_goes_over_http_1_1),
      FLOW_TEST(test_h2_09_goaway_may_require_http_1_1_too),
      FLOW_TEST(test_h2_09_http_1_1_required_is_an_error_where_only_http_2_is_wanted),
      FLOW_TEST(test_h2_06_the_number_of_streams_is_kept_to_as_it_changes),
      FLOW_TEST(test_h2_19_a_silent_connection_is_given_up),
      FLOW_TEST(test_connections_of_age_make_way_without_a_failed_request),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
