/* Whole engines against HTTP/2 servers that make trouble, by seed: servers that leave in the middle
 * of bursts (H2-07, H2-08), shrink windows and keep them (H2-14), fall silent (H2-19), refuse and
 * reset streams and change their number (H2-06, H2-09), and all of it at once, with pauses,
 * cancels, deadlines, closes and bad weather (H2-11, H2-12, H2-20).
 *
 * Beyond the contract that sim_client.h watches: with repeats enough nothing is lost that could be
 * sent again; what a server never ran it is not said to have run; paused requests hold no more than
 * their windows; few connections are opened a second; when all is done and some time has passed
 * none is open. LEAT_SIM_SEED and LEAT_SIM_SEEDS as in sim_seeds.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_client.h"
#include "sim/sim_h2.h"
#include "sim/sim_seeds.h"
#include "sim/sim_watch.h"

#define SEEDS             25 /* of each storm */
#define RETRIES           40
#define HELD_SLACK        4096 /* events of one record, which wait beside the window's bytes */
#define CONNECTS_MAX      160  /* in one second: 16 places, each of them lost every 100 ms */
#define INITIAL_WINDOW    0x4  /* of SETTINGS (RFC 9113 6.5.2) */
#define MAX_STREAMS       0x3
#define ENHANCE_YOUR_CALM 0xb

typedef struct storm {
  sim_client *client;
  sim_h2 *server;
  sim *w;
  lti_prng prng; /* of its own, so that more weather does not change the plan */
  unsigned jobs_left;
  size_t body_max;
  bool calm;  /* nothing is cancelled, and nothing but what can be sent again is lost */
  bool exact; /* and every request runs once */
  unsigned cancel_permille, pause_permille, mischief_permille;
  leat_deadlines deadlines;
  unsigned patience; /* troubles that the servers make before they are tired of it */
  size_t connects;
  void (*script)(struct storm *s, sim_job *job, sim_reply *reply);
  void (*greet)(struct storm *s, sim_h2_manner *manner);
  void (*tick)(struct storm *s, sim_h2_conn *c);
  bool watched;
  sim_watch watch;
} storm;

static uint64_t below(storm *s, uint64_t bound) {
  return bound ? lti_prng_below(&s->prng, bound) : 0;
}

static bool chance(storm *s, unsigned permille) {
  return below(s, 1000) < permille;
}

/* One more trouble, if the servers are in the mood. */
static bool trouble(storm *s, unsigned permille) {
  if (!s->patience || !chance(s, permille)) return false;
  s->patience--;
  return true;
}

/* ---- the servers */

static void script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  storm *s = ctx;
  (void)form;
  reply->piece_max = chance(s, 200) ? 1 + below(s, 40) : 200 + below(s, 8000);
  reply->pause_ns = below(s, 3) * below(s, 5 * SIM_MS);
  reply->think_ns = below(s, 40 * SIM_MS);
  reply->comments = chance(s, 300);
  if (chance(s, 100)) reply->comment_bytes = below(s, 4000);
  reply->framing = (enum sim_framing)below(s, 2);
  reply->no_done = chance(s, 200);
  if (s->script) s->script(s, job, reply);
}

static void greet(void *ctx, sim_h2_conn *c, sim_h2_manner *manner) {
  storm *s = ctx;
  (void)c;
  manner->streams_max = chance(s, 500) ? 100 : 1 + (uint32_t)below(s, 12);
  if (chance(s, 500)) manner->conn_window = 65535 + (uint32_t)below(s, 4000000);
  if (chance(s, 500)) manner->stream_window = 1 + (uint32_t)below(s, 1000000);
  manner->tick_ns = 2 * SIM_MS + below(s, 30 * SIM_MS); /* more often were a flood of SETTINGS */
  if (s->greet) s->greet(s, manner);
}

static void tick(void *ctx, sim_h2_conn *c) {
  storm *s = ctx;
  if (s->tick) s->tick(s, c);
}

/* ---- the caller */

static void submit_one(storm *s) {
  static const size_t sizes[] = {100, 100, 3000, 20000, 100000, 1000000};
  size_t body = sizes[below(s, 6)];
  if (body > s->body_max) body = s->body_max;
  sim_want want = {.retries = RETRIES, .text_size = below(s, 2000), .deadlines = s->deadlines};
  want.body_pad = below(s, body);
  want.json = chance(s, 150);
  want.origin = chance(s, 850) ? NULL : "http://127.0.0.1:8001";
  if (chance(s, s->pause_permille)) {
    want.pause_permille = 1 + (unsigned)below(s, 300);
    want.pause_ns = 1 + below(s, 100 * SIM_MS);
  }
  if (chance(s, s->cancel_permille)) want.cancel_at = 1 + (unsigned)below(s, 12);
  if (!s->calm) want.once = chance(s, 150);
  int error;
  if (sim_client_submit(s->client, &want, &error)) return;
  if (error != LEAT_EQUEUEFULL && !(error == LEAT_ECLOSED && s->client->closing))
    sim_client_fault(s->client, "submit gives %s", leat_error_name(error));
}

static void submit_some(void *ctx) {
  storm *s = ctx;
  if (s->client->closing) return;
  unsigned n = 1 + (unsigned)below(s, 25);
  if (n > s->jobs_left) n = s->jobs_left;
  s->jobs_left -= n;
  while (n-- > 0) submit_one(s);
  if (s->jobs_left) sim_ours_after(s->w, below(s, 100 * SIM_MS), submit_some, s);
}

static void cancel_any(void *ctx) {
  storm *s = ctx;
  sim_client *c = s->client;
  if (c->count && !c->closed) sim_client_cancel(&c->records[below(s, c->count)]);
}

static void close_any(void *ctx) {
  storm *s = ctx;
  if (s->client->closed) return;
  sim_client_close(s->client, chance(s, 500) ? LEAT_CLOSE_NOW : LEAT_CLOSE_DRAIN);
}

static void check_held(sim_client *c) {
  leat_stats stats;
  if (c->closed || leat_stats_get(c->engine, &stats, sizeof stats) != LEAT_OK) return;
  uint64_t window = (uint64_t)(c->config.h2_stream_window ? c->config.h2_stream_window : 524288);
  uint64_t most = 0;
  for (size_t i = 0; i < c->count; i++)
    if (c->records[i].ever_paused && !c->records[i].dones) most += window + HELD_SLACK;
  if (stats.held_bytes > most)
    sim_client_fault(c, "%llu bytes are held, above %llu", (unsigned long long)stats.held_bytes,
                     (unsigned long long)most);
}

static void mischief(sim_client *c, sim_record *r) {
  storm *s = c->ctx;
  if (r->events % 8 == 0 || r->dones) check_held(c);
  if (!chance(s, s->mischief_permille)) return;
  switch (below(s, 10)) {
    case 0:
      if (!r->dones) sim_client_cancel(r);
      break;
    case 1: cancel_any(s); break;
    case 2:
      if (chance(s, 200)) close_any(s);
      break;
    case 3:
      if (!r->dones && !r->paused) sim_client_resume(r);
      break;
    default:
      if (!c->closing && s->jobs_left) s->jobs_left--, submit_one(s);
      break;
  }
}

/* ---- what must hold at the end */

static void check_each(storm *s) {
  sim_client *c = s->client;
  for (size_t i = 0; i < c->count; i++) {
    const sim_record *r = &c->records[i];
    int error = r->result.error;
    if (!r->accepted) continue;
    bool delivered = r->events > r->heads;
    if (error != LEAT_OK && r->result.retryable && !r->cancelled && !delivered && !r->want.once)
      sim_client_fault(c, "job %zu is lost: %s after %u attempts", i, leat_error_name(error),
                       r->result.attempts);
    if (s->calm && error != LEAT_OK)
      sim_client_fault(c, "job %zu gives %s", i, leat_error_name(error));
    if (s->exact && (r->job->runs != 1 || r->result.maybe_ran_twice))
      sim_client_fault(c, "job %zu ran %u times%s", i, r->job->runs,
                       r->result.maybe_ran_twice ? ", and twice for all that is known" : "");
  }
}

static void nothing(void *ctx) {
  (void)ctx;
}

/* Idle for long enough: every connection is closed. */
static void check_idle(storm *s) {
  sim_client *c = s->client;
  if (c->closing) return;
  sim_ours_after(s->w, 130 * SIM_S, nothing, NULL);
  sim_client_run(c, 200 * SIM_S);
  if (s->w->socks_open) sim_client_fault(c, "%zu idle sockets stay open", s->w->socks_open);
  leat_stats stats;
  if (leat_stats_get(c->engine, &stats, sizeof stats) == LEAT_OK && stats.conns_open)
    sim_client_fault(c, "%llu connections are said to be open",
                     (unsigned long long)stats.conns_open);
}

static void count_connects(void *ctx) {
  storm *s = ctx;
  size_t connects = s->w->connects - s->connects;
  s->connects = s->w->connects;
  if (connects > CONNECTS_MAX)
    sim_client_fault(s->client, "%zu connections are opened in one second", connects);
  if (s->client->closed || s->client->done_count == s->client->count) return;
  sim_ours_after(s->w, SIM_S, count_connects, s);
}

/* ---- one seed */

static void set_config(storm *s, leat_config *config) {
  static const int64_t keep[] = {0, 0, LEAT_NONE, 1, 1000};
  config->http = LEAT_HTTP_2;
  config->h2_conns_max = chance(s, 500) ? 0 : 1 + (int)below(s, 8);
  config->h2_streams_max = chance(s, 700) ? 0 : 1 + (int)below(s, 20);
  config->h2_stream_window = chance(s, 500) ? 65536 : 0;
  config->h2_conn_window = chance(s, 500) ? 65536 : 0;
  config->keep_alive_ms = keep[below(s, 5)];
  config->conn_age_ms = chance(s, 800) ? 0 : 1 + (int64_t)below(s, 500);
}

static void set_weather(storm *s) {
  sim_weather *weather = &s->w->weather;
  weather->latency_ns = 1 + below(s, 3) * below(s, 5 * SIM_MS);
  weather->read_max = chance(s, 300) ? 50 + below(s, 300) : 0;
  weather->read_random = chance(s, 300);
  weather->short_send = chance(s, 300) ? (unsigned)below(s, 300) : 0;
  if (chance(s, 200)) weather->window = 5000 + below(s, 20000);
}

static void storm_new(storm *s, uint64_t seed) {
  memset(s, 0, sizeof *s);
  lti_prng_seed(&s->prng, seed * 2654435761u + 1);
  s->client = sim_client_new(seed, script, s);
  s->w = s->client->w;
  s->w->owned = chance(s, 500);
  sim_h2_config config = {{script, s, s->client->jobs, SIM_JOBS_MAX}, greet, tick};
  s->server = sim_h2_new(s->w, &config);
  s->client->mischief = mischief;
  s->jobs_left = 30 + (unsigned)below(s, 60);
  s->body_max = chance(s, 300) ? 1000000 : 30000;
  s->patience = (unsigned)below(s, 200);
  set_weather(s);
  set_config(s, &s->client->config);
  s->watched = seed % 2 == 0;
  if (s->watched) sim_watch_client(&s->watch, s->client);
}

static unsigned storm_end(storm *s) {
  sim_h2 *server = s->server;
  if (sim_h2_blames(server)) s->client->faults++;
  unsigned faults = sim_client_end(s->client);
  sim_h2_free(server);
  return faults;
}

static unsigned storm_run(storm *s) {
  if (sim_client_open(s->client) != LEAT_OK) {
    sim_client_fault(s->client, "open fails");
    return storm_end(s);
  }
  sim_ours_after(s->w, 0, submit_some, s);
  sim_ours_after(s->w, SIM_S, count_connects, s);
  sim_client_run(s->client, 10000 * SIM_S);
  sim_client_check(s->client);
  check_each(s);
  check_idle(s);
  if (s->watched) sim_watch_check(&s->watch);
  return storm_end(s);
}

/* ---- GOAWAY storms: no request is lost, none runs twice */

static void leaving_tick(storm *s, sim_h2_conn *c) {
  if (trouble(s, 150)) sim_h2_leave(c, true, 0);
  if (trouble(s, 100)) sim_h2_leave(c, false, chance(s, 200) ? ENHANCE_YOUR_CALM : 0);
}

static unsigned run_goaway_storm(uint64_t seed) {
  storm s;
  storm_new(&s, seed);
  s.calm = s.exact = true;
  s.tick = leaving_tick;
  if (chance(&s, 500)) s.pause_permille = 200;
  return storm_run(&s);
}

static void test_h2_08_goaway_storms(void **state) {
  (void)state;
  assert_int_equal(sim_seeds_run(SEEDS, run_goaway_storm), 0);
}

/* ---- window storms: uploads that stall and go on */

static void window_greet(storm *s, sim_h2_manner *manner) {
  manner->keeps_windows = chance(s, 700);
}

static void window_tick(storm *s, sim_h2_conn *c) {
  if (chance(s, 400)) sim_h2_give(c, chance(s, 500) ? SIZE_MAX : 1 + below(s, 100000));
  if (trouble(s, 200))
    sim_h2_setting(c, INITIAL_WINDOW, chance(s, 300) ? 0 : (uint32_t)below(s, 100000));
  if (!s->patience && chance(s, 300)) sim_h2_setting(c, INITIAL_WINDOW, 65535);
  if (chance(s, 50)) sim_h2_read(c, false);
  if (chance(s, 300)) sim_h2_read(c, true);
}

static unsigned run_window_storm(uint64_t seed) {
  storm s;
  storm_new(&s, seed);
  s.calm = s.exact = true;
  s.greet = window_greet;
  s.tick = window_tick;
  s.body_max = 1000000;
  s.jobs_left = 10 + (unsigned)below(&s, 30);
  return storm_run(&s);
}

static void test_h2_14_window_storms(void **state) {
  (void)state;
  assert_int_equal(sim_seeds_run(SEEDS, run_window_storm), 0);
}

/* ---- liveness storms: connections that die, loudly or not */

static void silent_greet(storm *s, sim_h2_manner *manner) {
  if (!trouble(s, 300)) return;
  manner->cut = SIM_CUT_FIN + (enum sim_cut)below(s, 3);
  manner->cut_at = below(s, 3) ? below(s, 20000) : below(s, 100);
}

static void silent_tick(storm *s, sim_h2_conn *c) {
  if (trouble(s, 30)) sim_h2_hush(c);
  if (trouble(s, 30)) sim_h2_end(c, SIM_CUT_FIN + (enum sim_cut)below(s, 3));
}

static unsigned run_liveness_storm(uint64_t seed) {
  storm s;
  storm_new(&s, seed);
  s.greet = silent_greet;
  s.tick = silent_tick;
  s.patience = (unsigned)below(&s, 60);
  s.client->config.ping_ms = 300 + (int64_t)below(&s, 500);
  s.client->config.ping_timeout_ms = 100 + (int64_t)below(&s, 500);
  if (chance(&s, 500)) s.pause_permille = 200;
  return storm_run(&s);
}

static void test_h2_19_liveness_storms(void **state) {
  (void)state;
  assert_int_equal(sim_seeds_run(SEEDS, run_liveness_storm), 0);
}

/* ---- refusal storms: streams that are refused, reset, or not allowed at all */

static void refuse(storm *s, sim_reply *reply) {
  static const uint32_t codes[] = {0x1, 0x2, 0x7, 0x7, 0x7, 0x8, 0xb};
  reply->mute = true;
  reply->cut = SIM_CUT_STREAM;
  reply->code = codes[s->exact ? 2 : below(s, 7)];
  reply->ran = chance(s, 500);
  reply->early = chance(s, 500);
  if (chance(s, 500)) reply->think_ns = 0;
}

static void refusing_script(storm *s, sim_job *job, sim_reply *reply) {
  (void)job;
  if (trouble(s, 400)) refuse(s, reply);
}

static void refusing_greet(storm *s, sim_h2_manner *manner) {
  manner->no_streams = trouble(s, 200);
}

static void refusing_tick(storm *s, sim_h2_conn *c) {
  if (trouble(s, 200))
    sim_h2_setting(c, MAX_STREAMS, chance(s, 300) ? 0 : (uint32_t)below(s, 8));
  else if (chance(s, 100))
    sim_h2_setting(c, MAX_STREAMS, 1 + (uint32_t)below(s, 100));
}

static unsigned run_refusal_storm(uint64_t seed) {
  storm s;
  storm_new(&s, seed);
  s.calm = true;
  s.exact = chance(&s, 500);
  s.script = refusing_script;
  s.greet = refusing_greet;
  s.tick = refusing_tick;
  return storm_run(&s);
}

static void test_h2_09_refusal_storms(void **state) {
  (void)state;
  assert_int_equal(sim_seeds_run(SEEDS, run_refusal_storm), 0);
}

/* ---- all at once */

static void mixed_script(storm *s, sim_job *job, sim_reply *reply) {
  (void)job;
  if (trouble(s, 200)) refuse(s, reply);
  if (trouble(s, 50)) {
    reply->cut = SIM_CUT_FIN + (enum sim_cut)below(s, 4);
    reply->cut_permille = (unsigned)below(s, 1000);
    reply->code = (uint32_t)below(s, 14);
  }
  if (trouble(s, 20)) reply->flood = 22 + (unsigned)below(s, 10);
  if (trouble(s, 50)) reply->status = chance(s, 500) ? 429 : 503;
  if (trouble(s, 100)) reply->early = true;
}

static void mixed_greet(storm *s, sim_h2_manner *manner) {
  silent_greet(s, manner);
  refusing_greet(s, manner);
  manner->keeps_windows = chance(s, 300);
}

static void mixed_tick(storm *s, sim_h2_conn *c) {
  leaving_tick(s, c);
  window_tick(s, c);
  silent_tick(s, c);
  refusing_tick(s, c);
}

static int64_t some_ms(storm *s, unsigned permille, uint64_t most) {
  return chance(s, permille) ? 1 + (int64_t)below(s, most) : 0;
}

static unsigned run_mixed_storm(uint64_t seed) {
  storm s;
  storm_new(&s, seed);
  s.script = mixed_script;
  s.greet = mixed_greet;
  s.tick = mixed_tick;
  s.client->rude = true;
  s.client->config.ping_ms = chance(&s, 300) ? LEAT_NONE : 100 + (int64_t)below(&s, 2000);
  s.client->config.ping_timeout_ms = 50 + (int64_t)below(&s, 500);
  s.deadlines = (leat_deadlines){.connect_ms = some_ms(&s, 300, 2000),
                                 .head_ms = 100 + (int64_t)below(&s, 5000),
                                 .first_ms = some_ms(&s, 100, 2000),
                                 .gap_ms = some_ms(&s, 100, 1000),
                                 .idle_ms = 300 + (int64_t)below(&s, 3000),
                                 .queue_ms = some_ms(&s, 200, 3000),
                                 .total_ms = 1 + (int64_t)below(&s, 60000)};
  s.cancel_permille = (unsigned)below(&s, 200);
  s.pause_permille = (unsigned)below(&s, 400);
  s.mischief_permille = chance(&s, 500) ? (unsigned)below(&s, 60) : 0;
  s.w->weather.refused = chance(&s, 300) ? (unsigned)below(&s, 200) : 0;
  s.w->weather.descriptors = chance(&s, 100) ? 1 + below(&s, 3) : 0;
  if (chance(&s, 100)) s.client->config.held_bytes_max = 1 + (int64_t)below(&s, 20000);
  for (uint64_t n = below(&s, 6); n > 0; n--)
    sim_ours_after(s.w, below(&s, 2 * SIM_S), cancel_any, &s);
  if (chance(&s, 300)) sim_ours_after(s.w, below(&s, 2 * SIM_S), close_any, &s);
  return storm_run(&s);
}

static void test_h2_20_everything_at_once(void **state) {
  (void)state;
  assert_int_equal(sim_seeds_run(2 * SEEDS, run_mixed_storm), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_h2_08_goaway_storms),      cmocka_unit_test(test_h2_14_window_storms),
      cmocka_unit_test(test_h2_19_liveness_storms),    cmocka_unit_test(test_h2_09_refusal_storms),
      cmocka_unit_test(test_h2_20_everything_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
