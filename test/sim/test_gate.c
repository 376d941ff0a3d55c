/* The gate under random use, by seed: lanes and none, weights, priorities, supersede, cancels,
 * deadlines and closes, before a server that answers, refuses, fails, breaks off and tells limits
 * good and bad; with learned limits, limits of the caller's, budgets and circuits in any mixture,
 * and here and there without memory.
 *
 * What must hold: one done for each accepted submit, and none inside a call; within a lane those
 * that end well end in the order of their submits; nothing waits, lives or is held at the end; and
 * every byte is given back. LEAT_SIM_SEED=n runs one seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "leat.h"
#include "sim/sim.h"
#include "support/failing.h"

#define SEEDS    300
#define LANES    6
#define JOBS_MAX 150

typedef struct caller caller;

typedef struct job {
  struct world *world;
  int lane, number; /* lane -1: none */
  leat_id id;
  bool accepted;
  int dones, error;
  char text[64];
  size_t text_size;
} job;

typedef struct world {
  sim *w;
  uint64_t seed;
  lti_prng prng;
  leat_engine *engine;
  failing memory;
  lti_alloc alloc; /* of the server's */
  caller *callers;
  job jobs[JOBS_MAX];
  int count, left, last_good[LANES];
  int live, inside;
  bool closing;
  leat_limit limits[2];
  unsigned faults;
} world;

struct caller {
  caller *next;
  world *x;
  sim_link *link;
  lti_buf in;
  bool gone;
};

static uint64_t below(world *x, uint64_t bound) {
  return lti_prng_below(&x->prng, bound);
}

static bool chance(world *x, unsigned percent) {
  return below(x, 100) < percent;
}

static void fault(world *x, const char *what, const job *j) {
  if (x->faults++ < 5)
    print_message("seed %d: %s (job %d of lane %d: %s)\n", (int)x->seed, what, j ? j->number : -1,
                  j ? j->lane : -1, j ? leat_error_name(j->error) : "");
}

/* ---- the server */

static void *on_opened(void *ctx, sim_link *link) {
  world *x = ctx;
  caller *c = lti_alloc_zero(&x->alloc, sizeof *c);
  c->next = x->callers;
  x->callers = c;
  c->x = x;
  c->link = link;
  lti_buf_init(&c->in, &x->alloc, 65536, LEAT_EBODYMAX);
  return c;
}

static void say(caller *c, const char *text) {
  sim_link_send(c->link, lti_slice_of(text));
}

static const char *some_limits(world *x) {
  static const char *const lines[] = {
      "",
      "x-ratelimit-limit-requests: 6000\r\nx-ratelimit-remaining-requests: 3\r\n"
      "x-ratelimit-reset-requests: 60s\r\n",
      "x-ratelimit-limit-requests: 5\r\nx-ratelimit-remaining-requests: 0\r\n"
      "x-ratelimit-reset-requests: 300ms\r\n",
      "x-ratelimit-limit-tokens: 100\r\nx-ratelimit-remaining-tokens: 100\r\n",
      "x-ratelimit-limit-requests: -1\r\nx-ratelimit-remaining-requests: 99\r\n",
      "anthropic-ratelimit-input-tokens-limit: 50\r\n"
      "anthropic-ratelimit-input-tokens-remaining: 0\r\n",
      "x-ratelimit-limit-requests: 999999999999\r\nx-ratelimit-remaining-requests: 0\r\n"
      "x-ratelimit-reset-requests: 1h\r\n"};
  return lines[below(x, chance(x, 70) ? 1 : sizeof lines / sizeof *lines)];
}

#define PIECE(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define ENDING                                                                            \
  "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: " \
  "[DONE]\n\n"

static void answer(void *ctx) {
  caller *c = ctx;
  world *x = c->x;
  char text[2048];
  static const char *const bad[] = {"429 Slow\r\nretry-after-ms: 40",
                                    "429 Slow",
                                    "529 Much",
                                    "500 Oh",
                                    "503 Busy\r\nRetry-After: 1",
                                    "400 No",
                                    "429 Slow\r\nRetry-After: 99999"};
  if (c->gone) return;
  if (chance(x, 6)) {
    sim_link_reset(c->link);
  } else if (chance(x, 25)) {
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n",
             bad[below(x, sizeof bad / sizeof *bad)], some_limits(x));
    say(c, text);
  } else {
    bool cut = chance(x, 15);
    const char *body = PIECE("a") PIECE("b") ENDING;
    snprintf(text, sizeof text,
             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%sContent-Length: %zu\r\n\r\n"
             "%s",
             some_limits(x), strlen(body), cut ? PIECE("a") : body);
    say(c, text);
    if (cut) sim_link_reset(c->link);
  }
}

static void on_bytes(void *peer, leat_slice bytes) {
  caller *c = peer;
  lti_buf_append(&c->in, bytes);
  if (c->in.size == 0 || c->in.data[c->in.size - 1] != '}') return;
  lti_buf_clear(&c->in);
  sim_after(c->x->w, below(c->x, 30 * SIM_MS), answer, c);
}

static void on_ended(void *peer) {
  caller *c = peer;
  c->gone = true;
}

/* ---- the client */

static void mischief(world *x);

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  job *j = user;
  (void)e, (void)id;
  if (j->world->inside) fault(j->world, "an event inside a call", j);
  if (j->dones) fault(j->world, "an event behind done", j);
  for (size_t i = 0; event->kind == LEAT_EVENT_TEXT && i < event->text.size; i++)
    if (j->text_size + 1 < sizeof j->text) j->text[j->text_size++] = event->text.data[i];
  if (chance(j->world, 10)) mischief(j->world);
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  job *j = user;
  world *x = j->world;
  (void)e, (void)id;
  j->error = result->error;
  if (x->inside) fault(x, "done inside a call", j);
  if (j->dones++) fault(x, "two dones", j);
  x->live--;
  if (result->error == LEAT_OK) {
    size_t size = strlen(j->text);
    if (size < 2 || strcmp(j->text + size - 2, "ab") != 0) fault(x, "not the answer", j);
    if (j->lane >= 0 && j->number < x->last_good[j->lane]) fault(x, "out of order", j);
    if (j->lane >= 0) x->last_good[j->lane] = j->number;
  }
  mischief(x);
}

static bool on_truncation(leat_engine *e, leat_id id, leat_slice text, leat_request *next,
                          void *user) {
  const job *j = user;
  (void)e, (void)id;
  if (text.size != j->text_size) fault(j->world, "another text than was delivered", j);
  if (chance(j->world, 20)) return false;
  next->base_url = "http://127.0.0.1:8000";
  next->body = lti_slice_of("{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
  if (chance(j->world, 10)) mischief(j->world);
  return true;
}

static void set_wishes(world *x, leat_request *q) {
  if (chance(x, 20)) q->lane_weight = 1 + (int)below(x, 5);
  if (chance(x, 20)) q->priority = (int)below(x, 17) - 8;
  if (chance(x, 20)) q->tokens = 1 + (int64_t)below(x, 300);
  if (chance(x, 20)) q->deadlines.queue_ms = 1 + (int64_t)below(x, 500);
  if (chance(x, 20)) q->deadlines.total_ms = 1 + (int64_t)below(x, 2000);
  if (chance(x, 60)) q->on_truncation = on_truncation;
}

static void submit(world *x) {
  static const char *const names[LANES] = {"a", "b", "c", "d", "e", "f"};
  static const char *const bases[] = {"http://127.0.0.1:8000", "http://127.0.0.1:8001"};
  job *j = &x->jobs[x->count];
  leat_request q;
  *j = (job){.world = x, .number = x->count++, .lane = chance(x, 70) ? (int)below(x, LANES) : -1};
  x->left--;
  leat_request_init(&q);
  q.base_url = bases[chance(x, 20)];
  q.body = lti_slice_of(chance(x, 50) ? "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
                                      : "{\"model\":\"n\",\"stream\":true,\"max_tokens\":9}");
  set_wishes(x, &q);
  q.lane = j->lane >= 0 ? names[j->lane] : NULL;
  q.supersede = q.lane && chance(x, 15);
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = j;
  x->inside++;
  int rc = leat_submit(x->engine, &q, &j->id);
  x->inside--;
  j->accepted = rc == LEAT_OK;
  x->live += j->accepted;
  if (rc != LEAT_OK && rc != LEAT_ECLOSED && rc != LEAT_ENOMEM && rc != LEAT_EQUEUEFULL)
    fault(x, leat_last_message(x->engine), j);
}

static void mischief(world *x) {
  if (x->left > 0 && chance(x, 70)) submit(x);
  if (x->count && chance(x, 8)) leat_cancel(x->engine, x->jobs[below(x, (uint64_t)x->count)].id);
  if (chance(x, 3)) x->memory.fail_at = x->memory.calls + 1 + below(x, 50);
  if (x->closing || !chance(x, 1)) return;
  x->closing = true;
  leat_close(x->engine, chance(x, 50) ? LEAT_CLOSE_NOW : LEAT_CLOSE_DRAIN, NULL, NULL);
}

static void set_config(world *x, leat_config *c) {
  leat_config_init(c);
  c->loop = sim_uv(x->w);
  c->allocator = failing_allocator(&x->memory);
  c->conns_max = 1 + (int)below(x, 4);
  c->queue_max = 5 + (int)below(x, 100);
  c->deadlines.total_ms = 20000; /* an hour's pause is not worth simulating */
  c->retry_after_max_ms = 3000;
  c->learn_limits = chance(x, 50);
  c->retry_budget = chance(x, 30) ? (int)below(x, 100) : 0;
  c->circuit_failures = chance(x, 30) ? 1 + (int)below(x, 4) : 0;
  c->circuit_ms = 1 + (int64_t)below(x, 300);
  x->limits[0] = (leat_limit){.requests_per_minute = 600 + (int64_t)below(x, 60000)};
  x->limits[1] = (leat_limit){.model = "n",
                              .tokens_per_minute = 200 + (int64_t)below(x, 100000),
                              .concurrency = 1 + (int)below(x, 3)};
  c->limits = x->limits;
  c->limit_count = chance(x, 30) ? 2 : 0;
}

static void check_end(world *x) {
  leat_stats s;
  for (int i = 0; i < x->count; i++)
    if (x->jobs[i].dones != x->jobs[i].accepted) fault(x, "not one done", &x->jobs[i]);
  if (x->closing) return;
  leat_stats_get(x->engine, &s, sizeof s);
  if (s.requests_live || s.requests_queued || s.requests_limited || s.lanes_live || s.held_bytes)
    fault(x, "something is left", NULL);
  if (s.requests_started != s.requests_completed + s.requests_failed + s.requests_cancelled)
    fault(x, "the sums are wrong", NULL);
}

static unsigned run_seed(uint64_t seed) {
  static world x;
  leat_config config;
  x = (world){.seed = seed, .w = sim_new(seed), .left = JOBS_MAX};
  lti_prng_seed(&x.prng, seed);
  for (int i = 0; i < LANES; i++) x.last_good[i] = -1;
  x.w->owned = false;
  x.w->host = (sim_host){on_opened, on_bytes, on_ended, &x};
  x.w->weather.latency_ns = 1 + below(&x, 5 * SIM_MS);
  failing_init(&x.memory, 0);
  lti_alloc_init(&x.alloc, NULL);
  set_config(&x, &config);
  assert_int_equal(leat_open(&x.engine, &config, NULL), LEAT_OK);
  for (int i = 1 + (int)below(&x, 60); i > 0; i--) submit(&x);
  if (!sim_run(x.w, 100000 * SIM_S)) fault(&x, "it never ends", NULL);
  check_end(&x);
  if (!x.closing) leat_close(x.engine, LEAT_CLOSE_DRAIN, NULL, NULL);
  if (!sim_run(x.w, 1000 * SIM_S)) fault(&x, "it is never closed", NULL);
  if (!failing_clean(&x.memory)) fault(&x, "memory", NULL);
  sim_free(x.w);
  for (caller *c = x.callers, *next; c; c = next) {
    next = c->next;
    lti_buf_deinit(&c->in);
    lti_alloc_put(&x.alloc, c);
  }
  failing_deinit(&x.memory);
  return x.faults;
}

static void test_random_use_of_the_gate_keeps_its_promises(void **state) {
  const char *one = getenv("LEAT_SIM_SEED");
  unsigned faults = 0;
  (void)state;
  if (one) {
    assert_int_equal(run_seed(strtoull(one, NULL, 10)), 0);
    return;
  }
  for (uint64_t seed = 1; seed <= SEEDS; seed++) faults += run_seed(seed);
  assert_int_equal(faults, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_use_of_the_gate_keeps_its_promises),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
