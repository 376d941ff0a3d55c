/* Whole engines under random use and random weather, by seed: mixes of streams, plain answers and
 * tasks; cancels, pauses, closes; an allocation that fails; lost, reset, half-closed and stalled
 * connections; short sends and 1-byte reads; names that fail; descriptors that run out; servers
 * that cut, refuse, redirect and close idle connections at the moment of reuse (PL-06). What must
 * hold is in sim_client.h. Every second engine is watched: see sim_watch.h.
 *
 * LEAT_SIM_SEED=n runs one seed, LEAT_SIM_SEEDS=n runs 1..n; LEAT_SIM_TRACE=1 prints the engine's
 * trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_seeds.h"
#include "sim/sim_watch.h"

#define SEEDS 300

typedef struct scenario {
  sim_client *client;
  sim *w;
  lti_prng prng; /* of its own, so that more weather does not change the plan */
  bool calm;     /* nothing goes wrong: all that is not cancelled must succeed */
  bool starved;  /* one allocation fails */
  bool watched;
  unsigned jobs_left;
  unsigned mischief_permille;
  sim_watch watch;
} scenario;

static uint64_t below(scenario *s, uint64_t bound) {
  return bound ? lti_prng_below(&s->prng, bound) : 0;
}

static bool chance(scenario *s, unsigned permille) {
  return below(s, 1000) < permille;
}

/* ---- the server's moods */

static void set_pace(scenario *s, sim_reply *reply) {
  reply->framing = (enum sim_framing)below(s, 3);
  reply->piece_max = chance(s, 300) ? 1 + below(s, 40) : 200 + below(s, 4000);
  reply->pause_ns = below(s, 3) * below(s, 5 * SIM_MS);
  reply->think_ns = below(s, 20 * SIM_MS);
  reply->comments = chance(s, 300);
  reply->no_done = chance(s, 200);
  reply->close_told = chance(s, 100);
  reply->close_untold = chance(s, 150);
  reply->idle_ns = chance(s, 500) ? 1 + below(s, 30 * SIM_MS) : 0;
  reply->keep_alive_s = chance(s, 100) ? 1 + (int)below(s, 10) : 0;
}

static void refuse(scenario *s, enum sim_form *form, sim_reply *reply) {
  static const int statuses[] = {400, 401, 404, 408, 409, 413, 429, 500, 502, 503, 529};
  static const char *const more[] = {NULL,
                                     NULL,
                                     "Retry-After: 0\r\n",
                                     "Retry-After: 1\r\n",
                                     "retry-after-ms: 30\r\n",
                                     "Retry-After: 9999\r\n",
                                     "x-should-retry: false\r\n",
                                     "x-should-retry: true\r\n"};
  *form = SIM_ERROR;
  reply->status = statuses[below(s, 11)];
  reply->more = more[below(s, 8)];
  bool proof = reply->status < 500 && reply->status != 408 && reply->status != 409;
  proof = proof || (reply->status == 503 && reply->more && strstr(reply->more, "etry-"));
  reply->ran = !proof && chance(s, 500);
  reply->early = chance(s, 200);
}

static void go_wrong(scenario *s, enum sim_form *form, sim_reply *reply) {
  switch (below(s, 7)) {
    case 0: refuse(s, form, reply); break;
    case 1:
      reply->mute = reply->ran = true;
      reply->cut = (enum sim_cut)below(s, 4);
      break;
    case 2:
      reply->mute = reply->early = true;
      reply->cut = SIM_CUT_FIN + (enum sim_cut)below(s, 3);
      break;
    case 3:
      reply->cut = SIM_CUT_FIN + (enum sim_cut)below(s, 3);
      reply->cut_permille = (unsigned)below(s, 1001);
      reply->half_close = chance(s, 300);
      break;
    case 4:
      reply->stall_ns = below(s, 3 * SIM_S);
      reply->stall_permille = (unsigned)below(s, 1000);
      break;
    case 5: reply->no_finish = true; break;
    case 6:
      *form = SIM_REDIRECT;
      reply->close_told = chance(s, 300);
      break;
  }
}

static void run_task(scenario *s, const sim_job *job, enum sim_form form, sim_reply *reply) {
  static const char *const states[] = {"queued", "in_progress", "a new word", "completed",
                                       "completed"};
  if (form == SIM_POLL) reply->task_state = states[below(s, 5)];
  if (form == SIM_POLL && !s->calm && chance(s, 50)) reply->task_state = "failed";
  reply->task_unknown = form == SIM_POLL && job->polls == 0 && chance(s, 100);
}

static void script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  scenario *s = ctx;
  set_pace(s, reply);
  const sim_record *r = &s->client->records[job->number];
  if (*form == SIM_STREAM && r->want.json) *form = SIM_JSON;
  if (r->want.task) run_task(s, job, *form, reply);
  if (!s->calm && chance(s, 350)) go_wrong(s, form, reply);
}

/* ---- the caller's moods */

static int64_t some_ms(scenario *s, unsigned permille, uint64_t most) {
  return chance(s, permille) ? 1 + (int64_t)below(s, most) : 0;
}

static void set_deadlines(scenario *s, leat_deadlines *d) {
  if (!s->calm) {
    d->dns_ms = some_ms(s, 300, 500);
    d->connect_ms = some_ms(s, 300, 2000);
    d->head_ms = some_ms(s, 300, 2000);
    d->first_ms = some_ms(s, 200, 2000);
    d->gap_ms = some_ms(s, 200, 1000);
    d->idle_ms = some_ms(s, 300, 2000);
    d->queue_ms = some_ms(s, 200, 3000);
  }
  d->total_ms = s->calm ? LEAT_NONE : 1 + (int64_t)below(s, 20000);
}

static const char *some_origin(scenario *s) {
  static const char *const calm[] = {"http://127.0.0.1:8000", "http://127.0.0.1:8001",
                                     "http://good.sim", "http://many.sim/v1"};
  static const char *const wild[] = {"http://hang.sim", "http://none.sim", "http://known-none.sim",
                                     "http://192.0.2.7", "http://240.0.0.1"};
  if (!s->calm && chance(s, 60)) return wild[below(s, 5)];
  return calm[chance(s, 700) ? 0 : below(s, 4)];
}

static void submit_one(scenario *s) {
  sim_want want = {.origin = some_origin(s)};
  want.task = chance(s, 150);
  want.json = !want.task && chance(s, 200);
  want.once = !want.task && chance(s, 200);
  want.download = want.task && chance(s, 600);
  want.text_size = below(s, 10) ? below(s, 600) : below(s, 5500);
  want.body_pad = chance(s, 100) ? below(s, 200000) : below(s, 100);
  want.retries = chance(s, 300) ? LEAT_NONE : (int)below(s, 4);
  want.poll_ms = 1 + (int64_t)below(s, 300);
  want.deadline_ms = s->calm ? 0 : 1 + (int64_t)below(s, 30000);
  if (chance(s, 250)) {
    want.pause_permille = 1 + (unsigned)below(s, 500);
    want.pause_ns = 1 + below(s, 400 * SIM_MS);
  }
  if (chance(s, 80)) want.cancel_at = 1 + (unsigned)below(s, 12);
  set_deadlines(s, &want.deadlines);
  int error;
  if (sim_client_submit(s->client, &want, &error)) return;
  if (error == LEAT_ENOMEM && s->starved) return;
  if (error != LEAT_EQUEUEFULL && !(error == LEAT_ECLOSED && s->client->closing))
    sim_client_fault(s->client, "submit gives %s", leat_error_name(error));
}

static void submit_some(void *ctx) {
  scenario *s = ctx;
  if (s->client->closing) return;
  unsigned n = 1 + (unsigned)below(s, 6);
  if (n > s->jobs_left) n = s->jobs_left;
  s->jobs_left -= n;
  while (n-- > 0) submit_one(s);
  if (s->jobs_left) sim_ours_after(s->w, below(s, 200 * SIM_MS), submit_some, s);
}

static void cancel_any(scenario *s) {
  sim_client *c = s->client;
  if (c->count && !c->closed) sim_client_cancel(&c->records[below(s, c->count)]);
}

static void cancel_later(void *ctx) {
  cancel_any(ctx);
}

static void close_later(void *ctx) {
  scenario *s = ctx;
  if (s->client->closed) return;
  sim_client_close(s->client, chance(s, 500) ? LEAT_CLOSE_NOW : LEAT_CLOSE_DRAIN);
}

/* From inside a callback: anything that a caller may do there. */
static void mischief(sim_client *c, sim_record *r) {
  scenario *s = c->ctx;
  if (!chance(s, s->mischief_permille)) return;
  switch (below(s, 12)) {
    case 0:
      if (!r->dones) sim_client_cancel(r);
      break;
    case 1: cancel_any(s); break;
    case 2: close_later(s); break;
    case 3:
      if (!r->dones && !r->paused) sim_client_resume(r);
      break;
    case 4: sim_client_post(c); break;
    default:
      if (!c->closing && s->jobs_left) s->jobs_left--, submit_one(s);
      break;
  }
}

/* ---- one seed */

static void set_weather(scenario *s) {
  sim_weather *weather = &s->w->weather;
  weather->latency_ns = 1 + below(s, 3) * below(s, 10 * SIM_MS);
  weather->read_max = chance(s, 200) ? 1 : chance(s, 500) ? 1 + below(s, 300) : 0;
  weather->read_random = chance(s, 500);
  weather->short_send = chance(s, 400) ? (unsigned)below(s, 600) : 0;
  if (chance(s, 200)) weather->window = 1 + below(s, 3000);
  if (s->calm) return;
  weather->refused = chance(s, 200) ? (unsigned)below(s, 300) : 0;
  weather->unreachable = chance(s, 100) ? (unsigned)below(s, 200) : 0;
  weather->syn_lost = chance(s, 200) ? (unsigned)below(s, 200) : 0;
  weather->name_again = chance(s, 300) ? (unsigned)below(s, 300) : 0;
  weather->descriptors = chance(s, 200) ? 1 + below(s, 3) : 0;
}

static void set_config(scenario *s, leat_config *config) {
  static const int64_t keep[] = {0, LEAT_NONE, 1, 5, 40, 1000};
  config->conns_max = 1 + (int)below(s, 6);
  config->keep_alive_ms = keep[below(s, 6)];
  if (!s->calm && chance(s, 100)) config->queue_max = 1 + (int)below(s, 5);
  if (!s->calm && chance(s, 100)) config->requests_max = 3 + (int)below(s, 10);
  if (!s->calm && chance(s, 50)) config->held_bytes_max = 1 + (int64_t)below(s, 2000);
  config->retry_after_max_ms = chance(s, 500) ? 0 : 500;
  if (s->calm) config->retries = 8; /* a server that closes idle connections costs some */
}

static void check_calm(scenario *s) {
  sim_client *c = s->client;
  for (size_t i = 0; i < c->count; i++) {
    const sim_record *r = &c->records[i];
    bool spared = r->cancelled || (c->closing && r->result.error == LEAT_ECANCELLED);
    if (!r->accepted || r->result.error == LEAT_OK || spared) continue;
    /* What may have been lost on its way to a server that hung up is uncertain if it is once. */
    if (r->result.error == LEAT_EUNCERTAIN && (r->want.once || r->want.task)) continue;
    sim_client_fault(c, "job %zu gives %s on a calm sea", i, leat_error_name(r->result.error));
  }
}

static unsigned run_seed(uint64_t seed) {
  scenario s = {.jobs_left = 30};
  lti_prng_seed(&s.prng, seed * 2654435761u + 1);
  s.calm = seed % 5 == 0;
  s.client = sim_client_new(seed, script, &s);
  s.w = s.client->w;
  s.w->owned = chance(&s, 500);
  s.client->mischief = mischief;
  s.mischief_permille = chance(&s, 500) ? (unsigned)below(&s, 60) : 0;
  set_weather(&s);
  set_config(&s, &s.client->config);
  s.watched = seed % 2 == 0;
  if (s.watched) sim_watch_client(&s.watch, s.client);
  s.starved = !s.calm && chance(&s, 200);
  if (s.starved) s.client->memory.fail_at = 1 + below(&s, 2500);
  if (sim_client_open(s.client) != LEAT_OK) {
    if (!s.starved) sim_client_fault(s.client, "open fails");
    return sim_client_end(s.client);
  }
  sim_ours_after(s.w, 0, submit_some, &s);
  for (uint64_t n = below(&s, 6); n > 0; n--)
    sim_ours_after(s.w, below(&s, 3 * SIM_S), cancel_later, &s);
  if (chance(&s, 300)) sim_ours_after(s.w, below(&s, 3 * SIM_S), close_later, &s);
  sim_client_run(s.client, 3000 * SIM_S);
  sim_client_check(s.client);
  if (s.calm) check_calm(&s);
  if (s.watched) sim_watch_check(&s.watch);
  return sim_client_end(s.client);
}

/* ---- */

static void test_whatever_happens_the_contract_holds(void **state) {
  (void)state;
  assert_int_equal(sim_seeds_run(SEEDS, run_seed), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_whatever_happens_the_contract_holds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
