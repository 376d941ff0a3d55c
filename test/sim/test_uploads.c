/* Large requests over HTTP/2 in the simulated world: on how many connections they go, who waits for
 * whom, and what a slow or stubborn reader does to them. The contract is watched by sim_client.h,
 * and the server compares each body with what was submitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_scene.h"

#define LARGE     300000
#define CONNS     8 /* at most, as leat.h says */
#define LATENCY   (10 * SIM_MS)
#define NONE_DONE UINT64_MAX

typedef struct fixture {
  sim_client *client;
  sim_h2 *server;
  sim *w;
  sim_h2_manner manner;    /* of every connection */
  sim_reply reply;         /* to every request */
  size_t give;             /* > 0: so many bytes of window are given back at a tick */
  uint64_t reads, read_ns; /* > 0: reads so many ticks, then nothing for so long */
  unsigned placed[CONNS];  /* large requests on each connection */
} fixture;

static void script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  fixture *f = ctx;
  (void)form;
  *reply = f->reply;
  if (f->client->records[job->number].want.body_pad < LARGE) return;
  const sim_h2_conn *c = sim_h2_conn_of(f->server, job);
  if (c && sim_h2_number(c) < CONNS) f->placed[sim_h2_number(c)]++;
}

static void greet(void *ctx, sim_h2_conn *c, sim_h2_manner *manner) {
  const fixture *f = ctx;
  (void)c;
  *manner = f->manner;
}

static void tick(void *ctx, sim_h2_conn *c) {
  const fixture *f = ctx;
  if (f->give) sim_h2_give(c, f->give);
}

static void open_world(fixture *f) {
  memset(f, 0, sizeof *f);
  f->client = sim_client_new(1, script, f);
  f->w = f->client->w;
  f->w->weather.latency_ns = LATENCY;
  f->client->config.retries = LEAT_NONE;
  f->client->config.http = LEAT_HTTP_2;
  sim_h2_config config = {{script, f, f->client->jobs, SIM_JOBS_MAX}, greet, tick};
  f->server = sim_h2_new(f->w, &config);
}

static sim_record *upload(fixture *f) {
  return sim_scene_submit(f->client, &(sim_want){.body_pad = LARGE});
}

static void assert_each_ran_once(const fixture *f) {
  for (size_t i = 0; i < f->client->count; i++) {
    const sim_record *r = &f->client->records[i];
    if (r->result.error != LEAT_OK)
      fail_msg("job %zu ends with %s", i, leat_error_name(r->result.error));
    assert_int_equal(r->job->runs, 1);
    assert_int_equal(r->result.attempts, 1);
  }
}

static uint64_t waited(const sim_record *r) {
  return r->result.times.leased_ns - r->result.times.queued_ns;
}

/* ---- where they go */

/* A second connection would let no more of it through at once than the first does. */
static void test_one_upload_needs_one_connection(void **state) {
  static const uint32_t windows[] = {0, 100000, LARGE - 1, 4 * LARGE};
  (void)state;
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
    fixture f;
    open_world(&f);
    f.manner.conn_window = f.manner.stream_window = windows[i];
    sim_scene_open(f.client);
    upload(&f);
    sim_scene_run(f.client);
    assert_each_ran_once(&f);
    assert_int_equal(sim_h2_conns_ever(f.server), 1);
    /* And the next finds it as it was. */
    upload(&f);
    sim_scene_run(f.client);
    assert_each_ran_once(&f);
    assert_int_equal(sim_h2_conns_ever(f.server), 1);
    sim_scene_end(f.client, f.server);
  }
}

/* The connections are opened together, and none gets the most of the uploads; one is kept clear. */
static void test_uploads_spread_over_connections_that_are_opened_together(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  sim_scene_open(f.client);
  for (int i = 0; i < 56; i++) upload(&f);
  sim_scene_run(f.client);
  assert_each_ran_once(&f);
  assert_int_equal(sim_h2_conns_ever(f.server), CONNS);
  unsigned clear = 0;
  for (int i = 0; i < CONNS; i++) {
    assert_in_range(f.placed[i], 0, 16);
    clear += f.placed[i] == 0;
  }
  assert_int_equal(clear, 1);
  /* Each hop takes one to two latencies: the first connection and its SETTINGS, those of all the
   * others, and then everybody has a place. */
  for (size_t i = 0; i < 56; i++) assert_in_range(waited(&f.client->records[i]), 0, 16 * LATENCY);
  sim_scene_end(f.client, f.server);
}

static void test_few_connections_are_all_used(void **state) {
  (void)state;
  for (int conns = 1; conns < 4; conns++) {
    fixture f;
    open_world(&f);
    f.client->config.h2_conns_max = conns;
    sim_scene_open(f.client);
    for (int i = 0; i < 12; i++) upload(&f);
    sim_scene_run(f.client);
    assert_each_ran_once(&f);
    assert_int_equal(sim_h2_conns_ever(f.server), conns);
    for (int i = 0; i < conns; i++) assert_true(f.placed[i] > 0);
    sim_scene_end(f.client, f.server);
  }
}

/* Windows come back late, so that the uploads take seconds. */
static void test_small_requests_do_not_wait_behind_uploads(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.manner.keeps_windows = true;
  f.manner.tick_ns = 200 * SIM_MS;
  f.give = 65535;
  sim_scene_open(f.client);
  for (int i = 0; i < 40; i++) {
    upload(&f);
    sim_scene_submit(f.client, &(sim_want){.body_pad = 200});
  }
  sim_scene_pass(f.client, SIM_S);
  uint64_t late = 0, early = NONE_DONE;
  for (int i = 0; i < 20; i++) sim_scene_submit(f.client, &(sim_want){.body_pad = 200});
  sim_scene_run(f.client);
  assert_each_ran_once(&f);
  for (size_t i = 0; i < f.client->count; i++) {
    const sim_record *r = &f.client->records[i];
    uint64_t took = r->done_ns - r->submitted_ns;
    if (r->want.body_pad < LARGE && took > late) late = took;
    if (r->want.body_pad == LARGE && took < early) early = took;
  }
  assert_in_range(late, 0, 30 * LATENCY);
  assert_true(early > late);
  sim_scene_end(f.client, f.server);
}

/* Without it there would be a place, and so there is. */
static void test_a_further_connection_that_fails_hurts_nobody(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  sim_scene_open(f.client);
  sim_scene_submit(f.client, &(sim_want){0});
  sim_scene_run(f.client);
  f.w->weather.refused = 1000;
  for (int i = 0; i < 10; i++) upload(&f);
  sim_scene_run(f.client);
  assert_each_ran_once(&f);
  assert_int_equal(sim_h2_conns_ever(f.server), 1);
  sim_scene_end(f.client, f.server);
}

/* ---- slow and stubborn readers */

static void stop_reading(void *ctx);

static void go_on_reading(void *ctx) {
  fixture *f = ctx;
  if (f->client->done_count == f->client->count) return;
  f->w->weather.window = 65536;
  sim_after(f->w, 10 * SIM_MS, stop_reading, f);
}

static void stop_reading(void *ctx) {
  fixture *f = ctx;
  f->w->weather.window = 0;
  sim_after(f->w, f->read_ns, go_on_reading, f);
}

/* A line that takes 64 KB each 8 s: the PING waits behind what was sent before, and its answer
 * comes when all of that has been read. */
static void test_h2_19_a_slow_line_is_not_taken_for_a_dead_one(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.ping_ms = 2000;
  f.client->config.ping_timeout_ms = 10000;
  f.manner.conn_window = f.manner.stream_window = 4000000;
  f.read_ns = 8 * SIM_S;
  sim_scene_open(f.client);
  sim_scene_submit(f.client, &(sim_want){.body_pad = 1000000});
  sim_after(f.w, 100 * SIM_MS, stop_reading, &f);
  sim_scene_run(f.client);
  assert_each_ran_once(&f);
  assert_int_equal(sim_h2_conns_ever(f.server), 1);
  assert_true(f.client->records[0].done_ns - f.client->records[0].submitted_ns > 60 * SIM_S);
  sim_scene_end(f.client, f.server);
}

/* And one that takes nothing at all is found all the same. */
static void test_h2_19_a_line_that_takes_nothing_is_dead(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.ping_ms = 2000;
  f.client->config.ping_timeout_ms = 10000;
  f.manner.conn_window = f.manner.stream_window = 4000000;
  f.read_ns = 3600 * SIM_S;
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.body_pad = 1000000});
  sim_after(f.w, 100 * SIM_MS, stop_reading, &f);
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_ERESET);
  assert_in_range(r->done_ns - r->submitted_ns, 12 * SIM_S, 13 * SIM_S);
  sim_scene_end(f.client, f.server);
}

/* 413 while most of the body is still to be sent: that is the answer, and the connection goes on.
 */
static void test_an_answer_before_the_body_is_up_stands(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.reply.early = true;
  f.reply.status = 413;
  sim_scene_open(f.client);
  sim_record *r = upload(&f);
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_ESTATUS);
  assert_int_equal(r->result.status, 413);
  assert_int_equal(r->job->requests, 0);
  f.reply = (sim_reply){0};
  sim_scene_pass(f.client, SIM_S); /* until the window is given back */
  sim_record *next = sim_scene_submit(f.client, &(sim_want){.body_pad = 60000});
  sim_scene_run(f.client);
  assert_int_equal(next->result.error, LEAT_OK);
  assert_int_equal(sim_h2_conns_ever(f.server), 1);
  sim_scene_end(f.client, f.server);
}

static void cancel_all(void *ctx) {
  const fixture *f = ctx;
  for (size_t i = 0; i < f->client->count; i++)
    if (f->client->records[i].want.body_pad == LARGE) sim_client_cancel(&f->client->records[i]);
}

/* Streams that were given up in the middle leave their siblings and the connections alone. */
static void test_h2_12_uploads_that_are_cancelled_half_way(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.h2_conns_max = 2;
  sim_scene_open(f.client);
  for (int i = 0; i < 30; i++) {
    upload(&f);
    sim_scene_submit(f.client, &(sim_want){.body_pad = 20000 + (size_t)i});
  }
  sim_ours_after(f.w, 20 * LATENCY, cancel_all, &f);
  sim_scene_run(f.client);
  for (size_t i = 0; i < f.client->count; i++) {
    const sim_record *r = &f.client->records[i];
    bool large = r->want.body_pad == LARGE;
    assert_true(r->result.error == LEAT_OK || (large && r->result.error == LEAT_ECANCELLED));
  }
  assert_int_equal(f.client->records[0].result.error, LEAT_ECANCELLED);
  upload(&f);
  sim_scene_run(f.client);
  assert_int_equal(f.client->records[60].result.error, LEAT_OK);
  assert_int_equal(sim_h2_conns_ever(f.server), 2);
  sim_scene_end(f.client, f.server);
}

/* H2-14: the head deadline counts from the lease, and small ones on the way are not held up. */
static void test_h2_14_a_window_that_stays_shut_ends_only_what_waits_for_it(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.manner.keeps_windows = true;
  sim_scene_open(f.client);
  for (int i = 0; i < 10; i++)
    sim_scene_submit(f.client, &(sim_want){.body_pad = LARGE, .deadlines = {.head_ms = 1500}});
  for (int i = 0; i < 50; i++)
    sim_scene_submit(f.client, &(sim_want){.deadlines = {.head_ms = 1500}});
  sim_scene_run(f.client);
  for (size_t i = 0; i < f.client->count; i++)
    assert_int_equal(f.client->records[i].result.error, i < 10 ? LEAT_EHEADTIMEOUT : LEAT_OK);
  sim_scene_end(f.client, f.server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_upload_needs_one_connection),
      cmocka_unit_test(test_uploads_spread_over_connections_that_are_opened_together),
      cmocka_unit_test(test_few_connections_are_all_used),
      cmocka_unit_test(test_small_requests_do_not_wait_behind_uploads),
      cmocka_unit_test(test_a_further_connection_that_fails_hurts_nobody),
      cmocka_unit_test(test_h2_19_a_slow_line_is_not_taken_for_a_dead_one),
      cmocka_unit_test(test_h2_19_a_line_that_takes_nothing_is_dead),
      cmocka_unit_test(test_an_answer_before_the_body_is_up_stands),
      cmocka_unit_test(test_h2_12_uploads_that_are_cancelled_half_way),
      cmocka_unit_test(test_h2_14_a_window_that_stays_shut_ends_only_what_waits_for_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
