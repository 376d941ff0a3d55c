/* One fault of an HTTP/2 server at a time, on the clock of the simulated world: what is found when,
 * and what becomes of the requests it meets. Rows H2-06, H2-07, H2-14 and H2-19 of the catalogue,
 * the ages of connections, and idle ones. The contract is watched by sim_client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_scene.h"

#define INITIAL_WINDOW 0x4 /* of SETTINGS (RFC 9113 6.5.2) */

typedef struct fixture {
  sim_client *client;
  sim_h2 *server;
  sim *w;
  sim_h2_manner manner; /* of every connection */
  sim_reply reply;      /* to every request */
  uint64_t first_ns;    /* > 0: how long the first job's answer is thought about */
  unsigned hushes;      /* connections that fall silent at their first tick */
  uint64_t hush_at;     /* but not before this */
  uint32_t talk;        /* > 0: says SETTINGS at each tick, with this for the initial window */
} fixture;

static void script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  const fixture *f = ctx;
  (void)form;
  *reply = f->reply;
  if (f->first_ns && job->number == 0) reply->think_ns = f->first_ns;
}

static void greet(void *ctx, sim_h2_conn *c, sim_h2_manner *manner) {
  const fixture *f = ctx;
  (void)c;
  *manner = f->manner;
}

static void tick(void *ctx, sim_h2_conn *c) {
  fixture *f = ctx;
  if (f->talk) sim_h2_setting(c, INITIAL_WINDOW, f->talk);
  if (f->w->now < f->hush_at || sim_h2_number(c) >= f->hushes) return;
  sim_h2_hush(c);
}

static void open_world(fixture *f) {
  memset(f, 0, sizeof *f);
  f->client = sim_client_new(1, script, f);
  f->w = f->client->w;
  f->client->config.retries = LEAT_NONE;
  f->client->config.http = LEAT_HTTP_2;
  sim_h2_config config = {{script, f, f->client->jobs, SIM_JOBS_MAX}, greet, tick};
  f->server = sim_h2_new(f->w, &config);
}

static void assert_ends(const fixture *f, size_t count, int error) {
  for (size_t i = 0; i < count; i++)
    if (f->client->records[i].result.error != error)
      fail_msg("job %zu ends with %s", i, leat_error_name(f->client->records[i].result.error));
}

static uint64_t took(const sim_record *r) {
  return r->done_ns - r->submitted_ns;
}

/* ---- idle connections */

/* Opened for a request that was cancelled meanwhile: the server's talk is no reason to keep it. */
static void test_an_unused_connection_is_closed_though_the_server_goes_on_talking(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.manner.tick_ns = 5 * SIM_S;
  f.talk = 70000;
  f.w->weather.latency_ns = 10 * SIM_MS;
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(f.client, &(sim_want){0});
  sim_scene_pass(f.client, 5 * SIM_MS);
  sim_client_cancel(r);
  sim_scene_pass(f.client, 40 * SIM_S);
  assert_int_equal(f.w->socks_open, 1);
  sim_scene_pass(f.client, 20 * SIM_S);
  assert_int_equal(f.w->socks_open, 0);
  assert_int_equal(sim_h2_conns_ever(f.server), 1);
  sim_scene_end(f.client, f.server);
}

static void test_a_used_connection_is_closed_though_the_server_goes_on_talking(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.manner.tick_ns = 5 * SIM_S;
  f.talk = 70000;
  sim_scene_open(f.client);
  sim_scene_submit(f.client, &(sim_want){0});
  sim_scene_run(f.client);
  sim_scene_pass(f.client, 45 * SIM_S);
  assert_int_equal(f.w->socks_open, 1);
  sim_scene_pass(f.client, 10 * SIM_S);
  assert_int_equal(f.w->socks_open, 0);
  sim_scene_end(f.client, f.server);
}

/* ---- H2-19: connections that fall silent */

/* Ping after 2 s of silence, and 500 ms for its answer: then the requests go elsewhere. */
static void test_h2_19_a_silent_connection_is_found_and_its_requests_are_repeated(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.ping_ms = 2000;
  f.client->config.ping_timeout_ms = 500;
  f.client->config.retries = 1;
  f.reply.think_ns = SIM_S;
  f.manner.tick_ns = SIM_MS;
  f.hushes = 1;
  f.hush_at = 100 * SIM_MS;
  sim_scene_open(f.client);
  f.hush_at += f.w->now;
  for (int i = 0; i < 50; i++) sim_scene_submit(f.client, &(sim_want){.retries = 1});
  sim_scene_run(f.client);
  assert_ends(&f, 50, LEAT_OK);
  assert_int_equal(sim_h2_conns_ever(f.server), 2);
  for (size_t i = 0; i < 50; i++) {
    const sim_record *r = &f.client->records[i];
    assert_true(r->result.maybe_ran_twice); /* for all that can be known */
    /* Found at 2.5 s behind the last byte; up to 500 ms of backoff; a second for the answer. */
    assert_in_range(took(r), 3500 * SIM_MS, 4200 * SIM_MS);
  }
  sim_scene_end(f.client, f.server);
}

static void test_h2_19_a_silent_connection_ends_streams_that_have_begun_as_truncated(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.ping_ms = 2000;
  f.client->config.ping_timeout_ms = 500;
  f.reply.piece_max = 200;
  f.reply.pause_ns = 200 * SIM_MS;
  f.manner.tick_ns = SIM_MS;
  f.hushes = 1;
  sim_scene_open(f.client);
  f.hush_at = f.w->now + SIM_S;
  for (int i = 0; i < 20; i++) sim_scene_submit(f.client, &(sim_want){.text_size = 5000});
  sim_scene_run(f.client);
  assert_ends(&f, 20, LEAT_ETRUNCATED);
  for (size_t i = 0; i < 20; i++)
    assert_in_range(took(&f.client->records[i]), 3300 * SIM_MS, 3550 * SIM_MS);
  sim_scene_end(f.client, f.server);
}

/* What is silent for long but alive answers PING, and nothing is lost. */
static void test_h2_19_a_slow_server_that_answers_pings_is_waited_for(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.ping_ms = 2000;
  f.client->config.ping_timeout_ms = 500;
  f.reply.think_ns = 60 * SIM_S;
  sim_scene_open(f.client);
  for (int i = 0; i < 20; i++) sim_scene_submit(f.client, &(sim_want){0});
  sim_scene_run(f.client);
  assert_ends(&f, 20, LEAT_OK);
  assert_int_equal(sim_h2_conns_ever(f.server), 1);
  sim_scene_end(f.client, f.server);
}

/* ---- H2-06, H2-14: servers that allow nothing */

static void test_h2_06_a_server_without_streams_meets_the_queue_deadline(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.manner.no_streams = true;
  f.w->weather.latency_ns = SIM_MS;
  sim_scene_open(f.client);
  /* A small one goes before the server has said that it takes none, and is refused. */
  for (int i = 0; i < 20; i++)
    sim_scene_submit(f.client, &(sim_want){.body_pad = 20000, .deadlines = {.queue_ms = 3000}});
  sim_scene_run(f.client);
  assert_ends(&f, 20, LEAT_EQUEUETIMEOUT);
  for (size_t i = 0; i < 20; i++) assert_int_equal(f.client->records[i].job->heads, 0);
  assert_in_range(sim_h2_conns_ever(f.server), 1, 8);
  sim_scene_end(f.client, f.server);
}

/* Those that wait do not wait for the slowest of those that run. */
static void test_h2_06_a_stream_that_is_free_again_is_used_at_once(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.h2_conns_max = 1;
  f.manner.streams_max = 10;
  f.reply.think_ns = 100 * SIM_MS;
  f.first_ns = 10 * SIM_S;
  sim_scene_open(f.client);
  for (int i = 0; i < 46; i++) sim_scene_submit(f.client, &(sim_want){0});
  sim_scene_run(f.client);
  assert_ends(&f, 46, LEAT_OK);
  for (size_t i = 1; i < 46; i++)
    assert_in_range(took(&f.client->records[i]), 100 * SIM_MS, 600 * SIM_MS);
  sim_scene_end(f.client, f.server);
}

static void test_h2_14_a_window_that_stays_shut_meets_the_head_deadline(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.manner.keeps_windows = true;
  sim_scene_open(f.client);
  sim_record *r =
      sim_scene_submit(f.client, &(sim_want){.body_pad = 200000, .deadlines = {.head_ms = 1500}});
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_EHEADTIMEOUT);
  assert_in_range(took(r), 1500 * SIM_MS, 1520 * SIM_MS);
  assert_int_equal(r->job->requests, 0);
  sim_scene_end(f.client, f.server);
}

/* ---- ages */

/* A new one now and then, and no request notices. */
static void test_connections_of_age_are_replaced_without_a_failed_request(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.conn_age_ms = 2000;
  f.reply.think_ns = 50 * SIM_MS;
  f.reply.piece_max = 300;
  f.reply.pause_ns = 300 * SIM_MS;
  sim_scene_open(f.client);
  for (int i = 0; i < 100; i++) {
    sim_scene_submit(f.client, &(sim_want){0});
    sim_scene_pass(f.client, 100 * SIM_MS);
  }
  sim_scene_run(f.client);
  assert_ends(&f, 100, LEAT_OK);
  for (size_t i = 0; i < 100; i++) {
    assert_int_equal(f.client->records[i].result.attempts, 1);
    assert_int_equal(f.client->records[i].job->heads, 1);
  }
  /* Ten seconds of requests, each connection used for 1.5 to 2 s. */
  assert_in_range(sim_h2_conns_ever(f.server), 5, 8);
  sim_scene_end(f.client, f.server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_unused_connection_is_closed_though_the_server_goes_on_talking),
      cmocka_unit_test(test_a_used_connection_is_closed_though_the_server_goes_on_talking),
      cmocka_unit_test(test_h2_19_a_silent_connection_is_found_and_its_requests_are_repeated),
      cmocka_unit_test(test_h2_19_a_silent_connection_ends_streams_that_have_begun_as_truncated),
      cmocka_unit_test(test_h2_19_a_slow_server_that_answers_pings_is_waited_for),
      cmocka_unit_test(test_h2_06_a_server_without_streams_meets_the_queue_deadline),
      cmocka_unit_test(test_h2_06_a_stream_that_is_free_again_is_used_at_once),
      cmocka_unit_test(test_h2_14_a_window_that_stays_shut_meets_the_head_deadline),
      cmocka_unit_test(test_connections_of_age_are_replaced_without_a_failed_request),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
