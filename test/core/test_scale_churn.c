/* RS-08: a long stretch of connects, cancels, pauses, faults and errors in a random mix leaves the
 * process as it was: resident memory, descriptors and libuv's handles stay flat, and when all is
 * over every block has come back.
 *
 * 20 seconds by default; LEAT_SCALE_SECONDS makes it shorter or longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "base/slice.h"
#include "support/scale.h"

#define SECONDS        20
#define WALKS          128
#define CONNS          48
#define LARGE_BODY     ((size_t)300 * 1024)
#define RSS_GROWTH_KB  4096
#define TICK_MS        1
#define SAMPLES_MAX    4096
#define CANCELS_A_TICK 3

/* What the gateway is told to do; the last ones are done by the walk itself. */
static const char *const fates[] = {"",
                                    "",
                                    "",
                                    "",
                                    "drop",
                                    "status=500",
                                    "status=401",
                                    "busy=0",
                                    "reset=100",
                                    "close=100",
                                    "truncate=100",
                                    "stall=300",
                                    "html",
                                    "empty",
                                    "error=1",
                                    "bare-error=1",
                                    "no-done",
                                    "no-finish",
                                    "after-done",
                                    "chunk-truncated",
                                    "gzip",
                                    "json",
                                    "eof-body",
                                    "big-head",
                                    "surplus",
                                    "bytewise",
                                    "big=100K",
                                    "@refused",
                                    "@name",
                                    "@plain",
                                    "@hurry",
                                    "@upload",
                                    "@task"};
#define FATES (sizeof fates / sizeof *fates)

typedef struct walk {
  struct test *test;
  leat_id id;
  bool paused;
} walk;

typedef struct sample {
  long rss_kb, fds, handles;
} sample;

typedef struct test {
  scale scale;
  lti_prng dice;
  uv_timer_t tick;
  walk walks[WALKS];
  char name_url[64], plain_url[64], resolve[64], *large;
  const char *resolves[1];
  uint64_t ends[2], errors[128], until_ns, next_sample_ns;
  sample samples[SAMPLES_MAX];
  size_t sample_count;
  bool over;
} test;

static void begin(walk *w);

static uint64_t roll(test *t, uint64_t below) {
  return lti_prng_next(&t->dice) % below;
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  walk *w = user;
  (void)e, (void)event;
  assert_true(w->id == id && !w->paused);
  if (roll(w->test, 8)) return LEAT_CONTINUE;
  w->paused = true;
  return LEAT_PAUSE;
}

static void ended(walk *w, int error) {
  test *t = w->test;
  t->ends[error != 0]++;
  assert_in_range(-error, 0, 127);
  t->errors[-error]++;
  w->id = 0;
  if (!t->over) begin(w);
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  (void)e, (void)id;
  ended(user, result->error);
}

static void on_task_done(leat_engine *e, leat_id id, const leat_task_update *last,
                         const leat_result *result, void *user) {
  (void)e, (void)id, (void)last;
  ended(user, result->error);
}

static void begin_task(walk *w) {
  leat_task q;
  leat_task_init(&q);
  q.model = "m";
  q.prompt = "a mill";
  q.poll_ms = 10;
  q.download = roll(w->test, 2);
  q.on_done = on_task_done;
  q.user = w;
  assert_int_equal(leat_task_start(w->test->scale.engine, &q, &w->id), LEAT_OK);
}

static void begin(walk *w) {
  test *t = w->test;
  const char *fate = fates[roll(t, FATES)];
  leat_header headers[] = {{lti_slice_of("x-mock-fault"), lti_slice_of(fate)}};
  leat_request q;
  *w = (walk){.test = t};
  leat_request_init(&q);
  q.body = lti_slice_of(roll(t, 4) ? "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
                                   : "{\"model\":\"m\",\"stream\":false,\"messages\":[]}");
  q.path = "/v1/chat/completions?n=6&ttft=1&ms=1";
  q.headers = headers;
  q.header_count = *fate && *fate != '@';
  q.retries = roll(t, 3) ? LEAT_NONE : 1;
  q.deadlines.idle_ms = 60;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = w;
  if (strcmp(fate, "@refused") == 0) q.base_url = "https://127.0.0.1:1";
  if (strcmp(fate, "@name") == 0) q.base_url = t->name_url;
  if (strcmp(fate, "@plain") == 0) q.base_url = t->plain_url;
  if (strcmp(fate, "@hurry") == 0) q.deadlines.total_ms = 2;
  if (strcmp(fate, "@upload") == 0) q.body = lti_slice_of(t->large);
  if (strcmp(fate, "@task") == 0)
    begin_task(w);
  else
    assert_int_equal(leat_submit(t->scale.engine, &q, &w->id), LEAT_OK);
}

/* ---- every millisecond */

static void count_handle(uv_handle_t *handle, void *count) {
  (void)handle;
  ++*(long *)count;
}

/* Sockets come and go: descriptors and handles are counted without those of open connections. */
static void take_sample(test *t) {
  long conns = (long)scale_stats(&t->scale).conns_open, handles = 0;
  uv_walk(&t->scale.loop, count_handle, &handles);
  assert_true(t->sample_count < SAMPLES_MAX);
  t->samples[t->sample_count++] = (sample){scale_rss_kb(), scale_fds() - conns, handles - conns};
}

static void on_tick(uv_timer_t *tick) {
  test *t = tick->data;
  uint64_t now = uv_hrtime();
  for (unsigned i = 0; i < CANCELS_A_TICK; i++) {
    walk *w = &t->walks[roll(t, WALKS)];
    if (w->id) assert_int_equal(leat_cancel(t->scale.engine, w->id), LEAT_OK);
  }
  for (size_t i = 0; i < WALKS; i++) {
    walk *w = &t->walks[i];
    if (!w->paused || roll(t, 4)) continue;
    w->paused = false;
    assert_int_equal(leat_resume(t->scale.engine, w->id), LEAT_OK);
  }
  if (now >= t->next_sample_ns) {
    take_sample(t);
    t->next_sample_ns = now + 250000000u;
  }
  if (now < t->until_ns) return;
  t->over = true;
  uv_timer_stop(tick);
  for (size_t i = 0; i < WALKS; i++)
    if (t->walks[i].id) leat_cancel(t->scale.engine, t->walks[i].id);
}

/* ---- the test */

static void churn(test *t, uint64_t ms) {
  uint64_t now = uv_hrtime();
  t->over = false;
  t->until_ns = now + ms * 1000000u;
  t->next_sample_ns = now;
  t->sample_count = 0;
  uv_timer_start(&t->tick, on_tick, TICK_MS, TICK_MS);
  for (size_t i = 0; i < WALKS; i++) {
    t->walks[i].test = t;
    begin(&t->walks[i]);
  }
  scale_run(&t->scale);
  scale_settle(&t->scale);
}

static sample most(const test *t, size_t from, size_t to) {
  sample m = {0, 0, 0};
  for (size_t i = from; i < to; i++) {
    const sample *s = &t->samples[i];
    if (s->rss_kb > m.rss_kb) m.rss_kb = s->rss_kb;
    if (s->fds > m.fds) m.fds = s->fds;
    if (s->handles > m.handles) m.handles = s->handles;
  }
  return m;
}

static uint64_t seconds(void) {
  const char *text = getenv("LEAT_SCALE_SECONDS");
  unsigned long long n = text ? strtoull(text, NULL, 10) : 0;
  return n > 0 && n < SAMPLES_MAX / 4 ? n : SECONDS;
}

static void test_rs_08_churn_leaves_memory_descriptors_and_handles_flat(void **state) {
  test *t = *state;
  uv_timer_init(&t->scale.loop, &t->tick);
  t->tick.data = t;
  churn(t, 2000);
  scale_level before = scale_level_now(&t->scale);
  churn(t, seconds() * 1000);
  scale_level after = scale_level_now(&t->scale);

  sample early = most(t, t->sample_count / 4, t->sample_count / 2);
  sample late = most(t, t->sample_count * 3 / 4, t->sample_count);
  leat_stats stats = scale_stats(&t->scale);
  print_message(
      "%llu ended well, %llu otherwise; RSS %ld -> %ld KB, descriptors %ld -> %ld, "
      "handles %ld -> %ld; %llu connections, %llu of them failed\n",
      (unsigned long long)t->ends[0], (unsigned long long)t->ends[1], early.rss_kb, late.rss_kb,
      early.fds, late.fds, early.handles, late.handles, (unsigned long long)stats.conns_opened,
      (unsigned long long)stats.conns_failed);
  for (int i = 1; i < 128; i++)
    if (t->errors[i])
      print_message("  %6llu %s\n", (unsigned long long)t->errors[i], leat_error_name(-i));
  if (!SCALE_SANITIZED) assert_true(late.rss_kb <= early.rss_kb + RSS_GROWTH_KB);
  assert_true(late.fds <= early.fds + 4); /* connections that are being closed or opened */
  assert_true(late.handles <= early.handles + WALKS);
  assert_int_equal(after.blocks, before.blocks);
  assert_int_equal(after.fds, before.fds);
  assert_int_equal(stats.requests_live + stats.tasks_live + stats.held_bytes, 0);
  uv_close((uv_handle_t *)&t->tick, NULL);
}

static int setup(void **state) {
  test *t = *state;
  const char *port = strrchr(t->scale.gateway.url, ':') + 1;
  snprintf(t->name_url, sizeof t->name_url, "https://other.test:%s", port);
  snprintf(t->plain_url, sizeof t->plain_url, "http://127.0.0.1:%s", port);
  snprintf(t->resolve, sizeof t->resolve, "other.test:%s=127.0.0.1", port);
  t->resolves[0] = t->resolve;
  t->large = malloc(LARGE_BODY + 64);
  assert_non_null(t->large);
  size_t n = (size_t)snprintf(t->large, 64, "{\"model\":\"m\",\"stream\":true,\"user\":\"");
  memset(t->large + n, 'x', LARGE_BODY);
  snprintf(t->large + n + LARGE_BODY, 64 - n, "\"}");
  t->scale.config.resolve = t->resolves;
  t->scale.config.resolve_count = 1;
  t->scale.config.conns_max = CONNS;
  t->scale.config.keep_alive_ms = 300;
  lti_prng_seed(&t->dice, 8);
  scale_open(&t->scale);
  return 0;
}

static int teardown(void **state) {
  test *t = *state;
  scale_close(&t->scale);
  free(t->large);
  return 0;
}

int main(void) {
  static test t;
  static const char *const options[] = {"--quiet",     "--task-queued", "1ms",
                                        "--task-time", "5ms",           NULL};
  if (!scale_init(&t.scale, options, (unsigned)seconds() + 60)) return 77;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate_setup_teardown(
          test_rs_08_churn_leaves_memory_descriptors_and_handles_flat, setup, teardown, &t),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  scale_deinit(&t.scale);
  return failed;
}
