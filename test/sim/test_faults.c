/* One fault at a time, on the clock of the simulated world: every deadline with its own error and
 * at its own time, lost and dead connections, pauses, storms, descriptors. Rows of NET, RT, PL, RS
 * and API are in the names; the contract is watched by sim_client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_scene.h"

/* What the server does to each request of a job, and how the world is. */
typedef struct fixture {
  sim_client *client;
  sim_reply first; /* to the first request of a job */
  sim_reply later; /* to its others */
  enum sim_form form;
  bool formed; /* the first is answered in `form` */
  unsigned number;
  void (*on_mischief)(struct fixture *f, sim_record *r);
} fixture;

static void script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  fixture *f = ctx;
  bool first = job->heads == 1;
  *reply = first ? f->first : f->later;
  if (first && f->formed) *form = f->form;
}

static void mischief(sim_client *c, sim_record *r) {
  fixture *f = c->ctx;
  if (f->on_mischief) f->on_mischief(f, r);
}

static void open_world(fixture *f) {
  memset(f, 0, sizeof *f);
  f->client = sim_client_new(1, script, f);
  f->client->mischief = mischief;
  f->client->config.retries = LEAT_NONE;
}

static double ms_of(const sim_record *r) {
  return (double)(r->result.times.done_ns - r->result.times.queued_ns) / (double)SIM_MS;
}

/* One request alone in an engine, to its end. */
static void expect_end(fixture *f, const sim_want *want, int error, double ms) {
  sim_scene_open(f->client);
  sim_record *r = sim_scene_submit(f->client, want);
  sim_scene_run(f->client);
  if (r->result.error != error) fail_msg("it ends with %s", leat_error_name(r->result.error));
  if (ms > 0 && (ms_of(r) < ms || ms_of(r) > ms + 10)) fail_msg("it ends after %.3f ms", ms_of(r));
  sim_scene_end(f->client, NULL);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void test_net_03_a_hanging_resolver_meets_dns_ms(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  expect_end(&f, &(sim_want){.origin = "http://hang.sim", .deadlines = {.dns_ms = 700}},
             LEAT_EDNSTIMEOUT, 700);
}

static void test_net_03_connect_ms_counts_the_lookup_too(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  expect_end(&f, &(sim_want){.origin = "http://hang.sim", .deadlines = {.connect_ms = 300}},
             LEAT_ECONNTIMEOUT, 300);
}

static void test_net_06_a_dead_address_costs_a_quarter_second(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.origin = "http://many.sim"});
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_OK);
  uint64_t connecting = r->result.times.connected_ns - r->result.times.queued_ns;
  assert_in_range(connecting, 250 * SIM_MS, 280 * SIM_MS);
  assert_int_equal(f.client->w->socks_open, 1); /* the loser is closed */
  sim_scene_end(f.client, NULL);
}

static void test_net_09_no_answer_to_a_connect_meets_connect_ms(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  expect_end(&f, &(sim_want){.origin = "http://192.0.2.1", .deadlines = {.connect_ms = 900}},
             LEAT_ECONNTIMEOUT, 900);
}

static void test_net_09_no_answer_to_a_request_meets_head_ms(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.first.mute = f.first.ran = true;
  expect_end(&f, &(sim_want){.deadlines = {.head_ms = 800}}, LEAT_EHEADTIMEOUT, 800);
}

static void test_net_09_a_stalled_upload_counts_as_head_ms(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->w->weather.window = 1000;
  f.client->w->weather.short_send = 1000;
  f.client->w->weather.latency_ns = 100 * SIM_MS; /* 100 s for the body */
  expect_end(&f, &(sim_want){.body_pad = 500000, .deadlines = {.head_ms = 1500}}, LEAT_EHEADTIMEOUT,
             0);
}

static void test_deadline_first_content(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.first.stall_ns = 100 * SIM_S;
  f.first.stall_permille = 10; /* behind the head, in the first record */
  f.first.piece_max = 20;
  expect_end(&f, &(sim_want){.text_size = 5000, .deadlines = {.first_ms = 400}}, LEAT_EFIRSTTIMEOUT,
             0);
}

static void test_deadline_gap_between_contents(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.first.stall_ns = 100 * SIM_S;
  f.first.stall_permille = 500;
  f.first.piece_max = 400;
  expect_end(&f, &(sim_want){.text_size = 3000, .deadlines = {.gap_ms = 400}}, LEAT_EGAPTIMEOUT, 0);
}

static void test_deadline_idle(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.first.cut = SIM_CUT_SILENCE;
  f.first.cut_permille = 500;
  f.first.piece_max = 300;
  f.first.pause_ns = 20 * SIM_MS;
  expect_end(&f, &(sim_want){.text_size = 3000, .deadlines = {.idle_ms = 400}}, LEAT_EIDLETIMEOUT,
             0);
}

static void test_deadline_queue(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.conns_max = 1;
  f.first.think_ns = 5 * SIM_S;
  sim_scene_open(f.client);
  sim_record *a = sim_scene_submit(f.client, &(sim_want){0});
  sim_record *b = sim_scene_submit(f.client, &(sim_want){.deadlines = {.queue_ms = 1200}});
  sim_scene_run(f.client);
  assert_int_equal(a->result.error, LEAT_OK);
  assert_int_equal(b->result.error, LEAT_EQUEUETIMEOUT);
  assert_int_equal(b->result.attempts, 0);
  assert_in_range((uint64_t)ms_of(b), 1200, 1203);
  sim_scene_end(f.client, NULL);
}

static void test_deadline_total_over_all_attempts(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.first.status = f.later.status = 503;
  f.form = SIM_ERROR;
  f.formed = true;
  sim_scene_open(f.client);
  sim_record *r =
      sim_scene_submit(f.client, &(sim_want){.retries = 50, .deadlines = {.total_ms = 20000}});
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_ETOTALTIMEOUT);
  assert_in_range(r->result.attempts, 3, 8);
  sim_scene_end(f.client, NULL);
}

/* ---- pauses ---------------------------------------------------------------------------------- */

static void resume_later(void *ctx) {
  sim_client_resume(ctx);
}

static void test_pl_05_a_pause_of_a_minute_stops_reading_and_every_clock_but_total(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.first.piece_max = 300;
  f.first.pause_ns = SIM_MS;
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(
      f.client, &(sim_want){.text_size = 5000,
                            .pause_permille = 1000,
                            .deadlines = {.first_ms = 500, .gap_ms = 500, .idle_ms = 500}});
  sim_run(f.client->w, SIM_S);
  assert_true(r->paused);
  sim_run(f.client->w, 60 * SIM_S); /* nothing happens */
  assert_int_equal(r->dones, 0);
  leat_stats before, after;
  leat_stats_get(f.client->engine, &before, sizeof before);
  sim_ours_after(f.client->w, 60 * SIM_S, resume_later, r);
  sim_run(f.client->w, 59 * SIM_S);
  leat_stats_get(f.client->engine, &after, sizeof after);
  assert_int_equal(before.reads, after.reads);
  assert_in_range(after.turns - before.turns, 0, 20);
  sim_run(f.client->w, 2 * SIM_S);
  r->want.pause_permille = 0;
  if (r->paused) sim_client_resume(r);
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_OK);
  sim_scene_end(f.client, NULL);
}

static void test_pl_05_total_runs_in_a_pause(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  expect_end(&f, &(sim_want){.pause_permille = 1000, .deadlines = {.total_ms = 3000}},
             LEAT_ETOTALTIMEOUT, 3000);
}

/* ---- lost connections ------------------------------------------------------------------------ */

static void test_net_10_closed_behind_the_accept(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.first.mute = f.first.early = true;
  f.first.cut = SIM_CUT_FIN;
  expect_end(&f, &(sim_want){0}, LEAT_ERESET, 0);
}

static void test_net_11_an_answer_before_the_body_was_sent(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->w->weather.window = 20000;
  f.first.early = true;
  f.first.status = 413;
  f.form = SIM_ERROR;
  f.formed = true;
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.body_pad = 900000});
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_ESTATUS);
  assert_int_equal(r->result.status, 413);
  sim_scene_end(f.client, NULL);
}

static void test_net_12_half_closed_while_the_body_goes_out(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->w->weather.window = 20000;
  f.first.mute = f.first.early = f.first.half_close = true;
  f.first.cut = SIM_CUT_FIN;
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.body_pad = 900000});
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_ERESET);
  assert_in_range(f.client->w->passes, 1, 1000); /* no spinning */
  sim_scene_end(f.client, NULL);
}

static void test_net_13_every_length_of_reads_and_sends(void **state) {
  (void)state;
  for (size_t length = 1; length <= 64; length++) {
    fixture f;
    open_world(&f);
    f.client->w->weather.read_max = length;
    f.client->w->weather.short_send = 500;
    f.client->w->weather.window = length;
    expect_end(&f, &(sim_want){.text_size = 500, .body_pad = 50}, LEAT_OK, 0);
  }
}

static void test_net_14_an_idle_connection_that_died_silently(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  sim_scene_open(f.client);
  sim_scene_submit(f.client, &(sim_want){0});
  sim_scene_run(f.client);
  sim_links_lose(f.client->w);
  sim_record *r =
      sim_scene_submit(f.client, &(sim_want){.retries = 1, .deadlines = {.head_ms = 1000}});
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_OK);
  assert_int_equal(r->result.attempts, 2);
  assert_true(r->result.maybe_ran_twice);
  sim_scene_end(f.client, NULL);
}

static void test_pl_06_a_connection_that_closes_as_it_is_reused(void **state) {
  unsigned replayed = 0;
  (void)state;
  for (uint64_t idle_us = 0; idle_us < 600; idle_us += 10) {
    fixture f;
    open_world(&f);
    f.first.idle_ns = idle_us * SIM_US + 1;
    f.client->w->prng = (lti_prng){{idle_us, 1, 2, 3}};
    sim_scene_open(f.client);
    sim_scene_submit(f.client, &(sim_want){0});
    sim_scene_run(f.client);
    sim_record *r = sim_scene_submit(f.client, &(sim_want){0});
    sim_scene_run(f.client);
    assert_int_equal(r->result.error, LEAT_OK);
    if (r->result.attempts > 1) {
      replayed++;
      assert_true(r->result.maybe_ran_twice);
      assert_int_equal(r->job->runs, 1);
    }
    sim_scene_end(f.client, NULL);
  }
  assert_in_range(replayed, 3, 60);
}

static void test_pl_06_once_is_not_replayed(void **state) {
  unsigned uncertain = 0;
  (void)state;
  for (uint64_t idle_us = 0; idle_us < 600; idle_us += 10) {
    fixture f;
    open_world(&f);
    f.first.idle_ns = idle_us * SIM_US + 1;
    sim_scene_open(f.client);
    sim_scene_submit(f.client, &(sim_want){0});
    sim_scene_run(f.client);
    sim_record *r = sim_scene_submit(f.client, &(sim_want){.once = true});
    sim_scene_run(f.client);
    assert_int_equal(r->result.attempts, 1);
    uncertain += r->result.error == LEAT_EUNCERTAIN;
    if (r->result.error != LEAT_EUNCERTAIN) assert_int_equal(r->result.error, LEAT_OK);
    sim_scene_end(f.client, NULL);
  }
  assert_in_range(uncertain, 3, 60);
}

static void test_pl_07_a_pool_of_dead_connections_recovers(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.conns_max = 8;
  sim_scene_open(f.client);
  for (int i = 0; i < 8; i++) sim_scene_submit(f.client, &(sim_want){0});
  sim_scene_run(f.client);
  assert_int_equal(f.client->w->socks_open, 8);
  sim_links_lose(f.client->w);
  for (int i = 0; i < 16; i++)
    sim_scene_submit(f.client, &(sim_want){.retries = 2, .deadlines = {.head_ms = 500}});
  sim_scene_run(f.client);
  for (int i = 8; i < 24; i++) assert_int_equal(f.client->records[i].result.error, LEAT_OK);
  sim_scene_end(f.client, NULL);
}

static void test_pl_03_a_cancelled_stream_frees_its_slot_at_once(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.conns_max = 1;
  f.first.piece_max = 100;
  f.first.pause_ns = SIM_S;
  sim_scene_open(f.client);
  sim_scene_submit(f.client, &(sim_want){.text_size = 5000, .cancel_at = 3});
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.text_size = 10});
  sim_scene_run(f.client);
  const sim_record *cancelled = &f.client->records[0];
  assert_int_equal(cancelled->result.error, LEAT_ECANCELLED);
  assert_int_equal(r->result.error, LEAT_OK);
  assert_true(r->result.times.leased_ns - cancelled->result.times.done_ns < 10 * SIM_MS);
  sim_scene_end(f.client, NULL);
}

/* ---- repeats --------------------------------------------------------------------------------- */

static void test_rt_06_a_host_that_is_down_is_not_stormed(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->w->weather.refused = 1000;
  f.client->config.conns_max = 4;
  sim_scene_open(f.client);
  for (int i = 0; i < 100; i++) sim_scene_submit(f.client, &(sim_want){.retries = 2});
  sim_scene_run(f.client);
  for (int i = 0; i < 100; i++) {
    assert_int_equal(f.client->records[i].result.error, LEAT_EREFUSED);
    assert_int_equal(f.client->records[i].result.attempts, 3);
  }
  assert_in_range(f.client->w->connects, 100, 300);
  assert_in_range(f.client->w->socks_peak, 1, 4);
  sim_scene_end(f.client, NULL);
}

static void close_in_backoff(void *ctx) {
  fixture *f = ctx;
  sim_client_close(f->client, LEAT_CLOSE_NOW);
}

static void cancel_in_backoff(void *ctx) {
  sim_client_cancel(ctx);
}

static void test_rt_07_cancel_and_close_in_a_backoff(void **state) {
  (void)state;
  for (int closes = 0; closes < 2; closes++) {
    fixture f;
    open_world(&f);
    f.form = SIM_ERROR;
    f.formed = true;
    f.first.status = 503;
    f.first.more = "Retry-After: 60\r\n";
    sim_scene_open(f.client);
    sim_record *r = sim_scene_submit(f.client, &(sim_want){.retries = 2});
    sim_ours_after(f.client->w, SIM_S, closes ? close_in_backoff : cancel_in_backoff,
                   closes ? (void *)&f : (void *)r);
    sim_scene_run(f.client);
    assert_int_equal(r->result.error, LEAT_ECANCELLED);
    assert_in_range((uint64_t)ms_of(r), 1000, 1003);
    sim_scene_end(f.client, NULL);
  }
}

static void test_rt_08_the_wall_clock_jumps(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.form = SIM_ERROR;
  f.formed = true;
  f.first.status = 429;
  /* 30 s after the wall clock's time here, which jumps by a year while the wait lasts */
  f.first.more = "Retry-After: Tue, 14 Nov 2023 22:30:30 GMT\r\n";
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.retries = 1});
  sim_run(f.client->w, 5 * SIM_S);
  f.client->w->wall_ms += 365ll * 86400 * 1000;
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_OK);
  assert_in_range((uint64_t)ms_of(r), 28000, 31000);
  sim_scene_end(f.client, NULL);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static void give_descriptors(void *ctx) {
  fixture *f = ctx;
  f->client->w->weather.descriptors = 0;
}

static void test_rs_01_no_descriptor_waits_without_spinning_and_recovers(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->w->weather.descriptors = 1;
  f.first.think_ns = 8 * SIM_S;
  sim_scene_open(f.client);
  for (int i = 0; i < 20; i++) sim_scene_submit(f.client, &(sim_want){0});
  sim_ours_after(f.client->w, 4 * SIM_S, give_descriptors, &f);
  sim_run(f.client->w, 3900 * SIM_MS);
  assert_int_equal(f.client->w->socks_open, 1);
  leat_stats stats;
  leat_stats_get(f.client->engine, &stats, sizeof stats);
  assert_in_range(stats.turns, 10, 400);
  sim_scene_run(f.client);
  for (int i = 0; i < 20; i++) assert_int_equal(f.client->records[i].result.error, LEAT_OK);
  sim_scene_end(f.client, NULL);
}

static void test_rs_01_no_descriptor_at_all_is_an_error_of_its_own(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->w->weather.descriptors = 1;
  f.first.think_ns = 30 * SIM_S;
  sim_scene_open(f.client);
  sim_scene_submit(f.client, &(sim_want){0});
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.deadlines = {.connect_ms = 2000}});
  sim_scene_run(f.client);
  assert_int_equal(r->result.error, LEAT_EFDLIMIT);
  assert_in_range((uint64_t)ms_of(r), 2000, 2120);
  sim_scene_end(f.client, NULL);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static void close_once(fixture *f, sim_record *r) {
  (void)r;
  if (f->number-- == 1) sim_client_close(f->client, LEAT_CLOSE_NOW);
}

static void test_api_02_close_in_every_callback(void **state) {
  unsigned closed_inside = 0;
  (void)state;
  for (unsigned n = 1; n < 40; n++) {
    fixture f;
    open_world(&f);
    f.client->w->owned = n % 2;
    f.first.piece_max = 200;
    f.number = n;
    f.on_mischief = close_once;
    sim_scene_open(f.client);
    for (int i = 0; i < 5; i++) sim_scene_submit(f.client, &(sim_want){.text_size = 300});
    sim_scene_submit(f.client, &(sim_want){.task = true, .poll_ms = 5, .deadline_ms = 60});
    sim_scene_run(f.client);
    closed_inside += f.client->closed;
    sim_scene_end(f.client, NULL);
  }
  assert_int_equal(closed_inside, 39);
}

static void submit_next(fixture *f, sim_record *r) {
  if (r->dones && f->number > 0)
    f->number--, sim_scene_submit(f->client, &(sim_want){.text_size = 20});
}

static void test_api_03_submit_in_every_done(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.number = 100;
  f.on_mischief = submit_next;
  sim_scene_open(f.client);
  sim_scene_submit(f.client, &(sim_want){.text_size = 20});
  sim_scene_run(f.client);
  assert_int_equal(f.client->done_count, 101);
  assert_int_equal(f.client->w->connects, 1);
  sim_scene_end(f.client, NULL);
}

static void test_pl_08_close_with_many_in_flight(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  f.client->config.conns_max = 40;
  f.client->w->owned = false;
  f.first.piece_max = 50;
  f.first.pause_ns = 50 * SIM_MS;
  sim_scene_open(f.client);
  for (int i = 0; i < 120; i++) sim_scene_submit(f.client, &(sim_want){.text_size = 2000});
  sim_run(f.client->w, 300 * SIM_MS);
  sim_client_close(f.client, LEAT_CLOSE_NOW);
  sim_scene_run(f.client);
  assert_int_equal(f.client->done_count, 120);
  sim_scene_end(f.client, NULL);
}

static void test_pl_08_a_drain_finishes_what_runs_and_takes_nothing_new(void **state) {
  fixture f;
  int error;
  (void)state;
  open_world(&f);
  f.first.think_ns = 2 * SIM_S;
  sim_scene_open(f.client);
  for (int i = 0; i < 100; i++) sim_scene_submit(f.client, &(sim_want){0});
  sim_run(f.client->w, SIM_S);
  sim_client_close(f.client, LEAT_CLOSE_DRAIN);
  assert_null(sim_client_submit(f.client, &(sim_want){0}, &error));
  assert_int_equal(error, LEAT_ECLOSED);
  sim_scene_run(f.client);
  for (int i = 0; i < 100; i++) assert_int_equal(f.client->records[i].result.error, LEAT_OK);
  sim_scene_end(f.client, NULL);
}

static void test_net_04_closing_waits_for_a_lookup(void **state) {
  fixture f;
  (void)state;
  open_world(&f);
  sim_scene_open(f.client);
  sim_record *r = sim_scene_submit(f.client, &(sim_want){.origin = "http://hang.sim"});
  sim_run(f.client->w, SIM_S);
  sim_client_cancel(r);
  sim_run(f.client->w, 10 * SIM_MS);
  assert_int_equal(r->result.error, LEAT_ECANCELLED);
  sim_client_close(f.client, LEAT_CLOSE_NOW);
  sim_run(f.client->w, SIM_S);
  assert_false(f.client->closed);
  sim_scene_run(f.client);
  assert_true(f.client->closed);
  sim_scene_end(f.client, NULL);
}

/* ---- the pool -------------------------------------------------------------------------------- */

static void wait_only(void *ctx) {
  (void)ctx;
}

static void test_idle_connections_are_closed_before_the_server_does(void **state) {
  static const struct {
    int told_s;
    unsigned after_ms;
  } rows[] = {{0, 50000}, {10, 6000}, {3, 750}, {600, 50000}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fixture f;
    open_world(&f);
    f.first.keep_alive_s = rows[i].told_s;
    sim_scene_open(f.client);
    sim_scene_submit(f.client, &(sim_want){0});
    sim_scene_run(f.client);
    sim_ours_after(f.client->w, 100 * SIM_S, wait_only, NULL);
    sim_run(f.client->w, (rows[i].after_ms - 20) * SIM_MS);
    assert_int_equal(f.client->w->socks_open, 1);
    sim_run(f.client->w, 40 * SIM_MS);
    assert_int_equal(f.client->w->socks_open, 0);
    sim_scene_end(f.client, NULL);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_net_03_a_hanging_resolver_meets_dns_ms),
      cmocka_unit_test(test_net_03_connect_ms_counts_the_lookup_too),
      cmocka_unit_test(test_net_04_closing_waits_for_a_lookup),
      cmocka_unit_test(test_net_06_a_dead_address_costs_a_quarter_second),
      cmocka_unit_test(test_net_09_no_answer_to_a_connect_meets_connect_ms),
      cmocka_unit_test(test_net_09_no_answer_to_a_request_meets_head_ms),
      cmocka_unit_test(test_net_09_a_stalled_upload_counts_as_head_ms),
      cmocka_unit_test(test_deadline_first_content),
      cmocka_unit_test(test_deadline_gap_between_contents),
      cmocka_unit_test(test_deadline_idle),
      cmocka_unit_test(test_deadline_queue),
      cmocka_unit_test(test_deadline_total_over_all_attempts),
      cmocka_unit_test(test_pl_05_a_pause_of_a_minute_stops_reading_and_every_clock_but_total),
      cmocka_unit_test(test_pl_05_total_runs_in_a_pause),
      cmocka_unit_test(test_net_10_closed_behind_the_accept),
      cmocka_unit_test(test_net_11_an_answer_before_the_body_was_sent),
      cmocka_unit_test(test_net_12_half_closed_while_the_body_goes_out),
      cmocka_unit_test(test_net_13_every_length_of_reads_and_sends),
      cmocka_unit_test(test_net_14_an_idle_connection_that_died_silently),
      cmocka_unit_test(test_pl_03_a_cancelled_stream_frees_its_slot_at_once),
      cmocka_unit_test(test_pl_06_a_connection_that_closes_as_it_is_reused),
      cmocka_unit_test(test_pl_06_once_is_not_replayed),
      cmocka_unit_test(test_pl_07_a_pool_of_dead_connections_recovers),
      cmocka_unit_test(test_pl_08_close_with_many_in_flight),
      cmocka_unit_test(test_pl_08_a_drain_finishes_what_runs_and_takes_nothing_new),
      cmocka_unit_test(test_rt_06_a_host_that_is_down_is_not_stormed),
      cmocka_unit_test(test_rt_07_cancel_and_close_in_a_backoff),
      cmocka_unit_test(test_rt_08_the_wall_clock_jumps),
      cmocka_unit_test(test_rs_01_no_descriptor_waits_without_spinning_and_recovers),
      cmocka_unit_test(test_rs_01_no_descriptor_at_all_is_an_error_of_its_own),
      cmocka_unit_test(test_api_02_close_in_every_callback),
      cmocka_unit_test(test_api_03_submit_in_every_done),
      cmocka_unit_test(test_idle_connections_are_closed_before_the_server_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
