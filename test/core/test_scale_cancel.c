/* 100,000 requests cancelled in every phase of their lives: nothing is left of them, and whoever
 * comes next does not wait for them.
 *
 * 256 requests are always under way over at most 64 TLS connections. Each has a phase in which it
 * is to be cancelled, and some patience, counted in turns of the loop, so that the moment within
 * the phase varies. Most phases are seen from the loop's check handle, which runs between the reads
 * and the engine's turn: there a request may be finished and not told yet. At the end of each round
 * everything alive is cancelled at once, and a probe is submitted in the same breath.
 *
 * The test looks into the engine for the state of a request, and for nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/prng.h"
#include "core/request.h"
#include "support/scale.h"

#define CANCELS     100000
#define ROUNDS      10
#define WINDOW      256
#define CONNS       64
#define PROBES      20
#define CROWD       20000
#define CROWD_CONNS 2000

enum phase {
  AT_ONCE,
  QUEUED,
  OPENING,
  SENT,
  FIRST_EVENT,
  MIDDLE,
  PAUSED,
  BACKOFF,
  FINISHED,
  NEVER,
  PHASES
};

static const char *const names[PHASES] = {"at once", "queued",  "opening",
                                          "sent",    "head",    "mid-stream",
                                          "paused",  "backoff", "finished, not told yet",
                                          "never"};
/* Shares out of 100. */
static const unsigned shares[PHASES] = {10, 15, 12, 12, 12, 12, 8, 8, 8, 3};

typedef struct walk {
  struct test *test;
  leat_id id; /* 0: none under way */
  enum phase phase;
  unsigned patience, events;
  bool cancelled, due; /* due: to be cancelled outside of its callback */
} walk;

typedef struct test {
  scale scale;
  lti_prng dice;
  uv_check_t check;
  walk walks[WINDOW];
  uint64_t cancelled, target, by_phase[PHASES], completed;
  bool round_over;
  uint64_t probe_ns; /* when it was submitted; its duration when it is done */
  bool probe_done;
} test;

static void begin(walk *w);

static void cancel(walk *w) {
  test *t = w->test;
  assert_false(w->cancelled);
  assert_int_equal(leat_cancel(t->scale.engine, w->id), LEAT_OK);
  w->cancelled = true;
  t->cancelled++;
  t->by_phase[w->phase]++;
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  walk *w = user;
  test *t = w->test;
  (void)e;
  assert_true(w->id == id);
  assert_false(w->cancelled);
  w->events++;
  if (w->due || w->patience + 1 > w->events) return LEAT_CONTINUE;
  if (w->phase == FIRST_EVENT) {
    cancel(w);
  } else if (w->phase == PAUSED) {
    w->due = true;
    w->patience = (unsigned)lti_prng_next(&t->dice) % 4;
    return LEAT_PAUSE;
  } else if (w->phase == MIDDLE && event->kind == LEAT_EVENT_TEXT) {
    if (lti_prng_next(&t->dice) % 2)
      cancel(w);
    else
      w->due = true;
  }
  return w->cancelled && lti_prng_next(&t->dice) % 2 ? LEAT_PAUSE : LEAT_CONTINUE;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  walk *w = user;
  test *t = w->test;
  assert_true(w->id == id);
  assert_int_equal(leat_cancel(e, id), LEAT_ENOTFOUND);
  if (w->cancelled) {
    assert_int_equal(result->error, LEAT_ECANCELLED);
  } else if (w->phase != BACKOFF) {
    if (result->error) fail_msg("%s: %s", leat_error_name(result->error), result->message.data);
    t->completed++;
  }
  w->id = 0;
  if (!t->round_over) begin(w);
}

static enum phase roll_phase(test *t) {
  unsigned roll = (unsigned)lti_prng_next(&t->dice) % 100, phase = 0;
  while (roll >= shares[phase]) roll -= shares[phase++];
  return (enum phase)phase;
}

static void begin(walk *w) {
  test *t = w->test;
  leat_header fault = {lti_slice_of("x-mock-fault"), lti_slice_of("status=503")};
  leat_request q;
  leat_request_init(&q);
  *w = (walk){.test = t, .phase = roll_phase(t)};
  w->patience = (unsigned)lti_prng_next(&t->dice) % (w->phase == SENT ? 3 : 6);
  q.body = lti_slice_of("{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
  q.path = w->phase == FINISHED ? "/v1/chat/completions?n=1&ttft=0&ms=0"
                                : "/v1/chat/completions?n=8&ttft=1&ms=1";
  q.headers = &fault;
  q.header_count = w->phase == BACKOFF;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = w;
  assert_int_equal(leat_submit(t->scale.engine, &q, &w->id), LEAT_OK);
  if (w->phase == AT_ONCE) cancel(w);
}

/* Is the request where it is to be cancelled? */
static bool arrived(const walk *w) {
  const lti_request *r = lti_slots_get(&w->test->scale.engine->items, w->id);
  assert_non_null(r);
  switch (w->phase) {
    case QUEUED: return r->state == REQUEST_QUEUED;
    case OPENING: return r->state == REQUEST_QUEUED && r->lease.bound;
    case SENT: return r->state == REQUEST_SENT;
    case BACKOFF: return r->state == REQUEST_BACKOFF;
    case FINISHED: return r->state == REQUEST_FINISHED;
    case PAUSED:
    case MIDDLE: return w->due;
    case AT_ONCE:
    case FIRST_EVENT:
    case NEVER:
    case PHASES: break;
  }
  return false;
}

/* ---- rounds */

static void on_probe_event_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  test *t = user;
  (void)e, (void)id;
  assert_int_equal(result->error, LEAT_OK);
  t->probe_ns = uv_hrtime() - t->probe_ns;
  t->probe_done = true;
}

static void submit_probe(test *t) {
  leat_request q;
  leat_id id;
  leat_request_init(&q);
  q.body = lti_slice_of("{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
  q.path = "/v1/chat/completions?n=1&ttft=0&ms=0";
  q.on_done = on_probe_event_done;
  q.user = t;
  t->probe_done = false;
  t->probe_ns = uv_hrtime();
  assert_int_equal(leat_submit(t->scale.engine, &q, &id), LEAT_OK);
}

static void end_round(test *t) {
  t->round_over = true;
  for (size_t i = 0; i < WINDOW; i++)
    if (t->walks[i].id && !t->walks[i].cancelled) cancel(&t->walks[i]);
  submit_probe(t);
}

static void on_check(uv_check_t *check) {
  test *t = check->data;
  if (t->round_over) return;
  for (size_t i = 0; i < WINDOW; i++) {
    walk *w = &t->walks[i];
    if (!w->id || w->cancelled || !arrived(w)) continue;
    if (w->phase == PAUSED && w->patience == 1)
      assert_int_equal(leat_resume(t->scale.engine, w->id), LEAT_OK);
    if (w->patience-- == 0 || w->phase == FINISHED || w->phase == MIDDLE || w->phase == PAUSED)
      cancel(w);
  }
  if (t->cancelled >= t->target) end_round(t);
}

/* Returns how long the probe took. */
static uint64_t run_round(test *t, uint64_t cancels) {
  t->target = t->cancelled + cancels;
  t->round_over = false;
  for (size_t i = 0; i < WINDOW; i++) {
    t->walks[i].test = t;
    begin(&t->walks[i]);
  }
  scale_run(&t->scale);
  assert_true(t->probe_done);
  leat_stats stats = scale_stats(&t->scale);
  assert_int_equal(stats.requests_live, 0);
  assert_int_equal(stats.requests_queued, 0);
  assert_int_equal(stats.held_bytes, 0);
  assert_true(stats.conns_peak <= CONNS);
  return t->probe_ns;
}

static void on_crowd_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  test *t = user;
  (void)e, (void)id;
  assert_int_equal(result->error, LEAT_ECANCELLED);
  t->cancelled++;
}

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static uint64_t warm_baseline(test *t) {
  uint64_t took[PROBES];
  for (size_t i = 0; i < PROBES; i++) {
    submit_probe(t);
    scale_run(&t->scale);
    took[i] = t->probe_ns;
  }
  qsort(took, PROBES, sizeof *took, by_size);
  return took[PROBES / 2];
}

static void test_100000_cancels_in_every_phase_leave_nothing_and_delay_nobody(void **state) {
  test *t = *state;
  uint64_t each = CANCELS / scale_divisor() / ROUNDS, took[ROUNDS];
  uv_check_init(&t->scale.loop, &t->check);
  t->check.data = t;
  uv_check_start(&t->check, on_check);
  uv_unref((uv_handle_t *)&t->check);

  run_round(t, each > 2000 ? 2000 : each);
  uint64_t baseline = warm_baseline(t);
  scale_settle(&t->scale);
  scale_level before = scale_level_now(&t->scale);
  memset(t->by_phase, 0, sizeof t->by_phase);
  for (size_t i = 0; i < ROUNDS; i++) took[i] = run_round(t, each);
  scale_settle(&t->scale);
  scale_level_check(before, scale_level_now(&t->scale));

  qsort(took, ROUNDS, sizeof *took, by_size);
  print_message("next request: %.2f ms warm, %.2f ms median and %.2f ms at most after cancels\n",
                (double)baseline / 1e6, (double)took[ROUNDS / 2] / 1e6,
                (double)took[ROUNDS - 1] / 1e6);
  for (size_t i = 0; i < NEVER; i++) {
    print_message("  %6llu %s\n", (unsigned long long)t->by_phase[i], names[i]);
    /* Over HTTP/2 hardly anybody waits: three connections are opened for all rounds. */
    if (i < SENT && t->scale.config.http == LEAT_HTTP_2) continue;
    assert_true(t->by_phase[i] >= each * ROUNDS / 50);
  }
  /* One resumed handshake may be needed, and the gateway has closed connections to read; a wait of
   * any of the engine's clocks would be 250 ms and more. */
  assert_true(took[ROUNDS / 2] <= 3 * baseline + 50000000u * (1 + 3 * SCALE_SANITIZED));
  leat_stats stats = scale_stats(&t->scale);
  assert_int_equal(stats.requests_cancelled, t->cancelled);
  assert_int_equal(stats.requests_started,
                   stats.requests_completed + stats.requests_failed + stats.requests_cancelled);
  uv_close((uv_handle_t *)&t->check, NULL);
}

/* Seconds, if each that leaves looks for an heir of its connection among all that wait. */
static void test_a_crowd_that_waits_for_many_connections_leaves_at_once(void **state) {
  test *t = *state;
  leat_id *ids = calloc(CROWD, sizeof *ids);
  leat_request q;
  struct rlimit limit;
  assert_non_null(ids);
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < CROWD_CONNS + 64) {
    free(ids);
    print_message("skipped: %d descriptors are not allowed here\n", CROWD_CONNS + 64);
    skip();
  }
  leat_request_init(&q);
  q.body = lti_slice_of("{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
  q.on_done = on_crowd_done;
  q.user = t;
  t->cancelled = 0;
  for (size_t i = 0; i < CROWD; i++)
    assert_int_equal(leat_submit(t->scale.engine, &q, &ids[i]), LEAT_OK);
  uv_run(&t->scale.loop, UV_RUN_NOWAIT);
  assert_int_equal(scale_stats(&t->scale).conns_open, CROWD_CONNS);
  uint64_t begin = uv_hrtime();
  for (size_t i = 0; i < CROWD; i++)
    assert_int_equal(leat_cancel(t->scale.engine, ids[i]), LEAT_OK);
  uint64_t took = uv_hrtime() - begin;
  print_message("%d cancels with %d connections being opened: %.1f ms\n", CROWD, CROWD_CONNS,
                (double)took / 1e6);
  submit_probe(t);
  scale_run(&t->scale);
  assert_true(t->probe_done);
  assert_int_equal(t->cancelled, CROWD);
  assert_true(took <= 120000000u * (1 + 3 * SCALE_SANITIZED));
  free(ids);
}

static int setup_crowd(void **state) {
  test *t = *state;
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  t->scale.config.conns_max = CROWD_CONNS;
  scale_open(&t->scale);
  return 0;
}

static int setup(void **state) {
  test *t = *state;
  t->scale.config.conns_max = CONNS;
  t->scale.config.keep_alive_ms = 300;
  t->cancelled = 0;
  lti_prng_seed(&t->dice, 20240607);
  scale_open(&t->scale);
  return 0;
}

static int setup_h2(void **state) {
  test *t = *state;
  t->scale.config.http = LEAT_HTTP_2;
  return setup(state);
}

static int teardown(void **state) {
  test *t = *state;
  scale_close(&t->scale);
  t->scale.config.http = LEAT_HTTP_1;
  return 0;
}

int main(void) {
  static test t;
  static const char *const options[] = {"--quiet", NULL};
  if (!scale_init(&t.scale, options, 110)) return 77;
  /* A cancelled answer costs its connection, and a handshake of TLS 1.3 some milliseconds. */
  t.scale.config.tls_max = LEAT_TLS_1_2;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate_setup_teardown(
          test_100000_cancels_in_every_phase_leave_nothing_and_delay_nobody, setup, teardown, &t),
      cmocka_unit_test_prestate_setup_teardown(
          test_100000_cancels_in_every_phase_leave_nothing_and_delay_nobody, setup_h2, teardown,
          &t),
      cmocka_unit_test_prestate_setup_teardown(
          test_a_crowd_that_waits_for_many_connections_leaves_at_once, setup_crowd, teardown, &t),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  scale_deinit(&t.scale);
  return failed;
}
