/* Ten thousand jobs in the simulated world, with lognormal durations, a hundredth of them forgotten
 * by the gateway or never ending: each is told once, in time, by few questions and none above the
 * limit. Seeded; row JS-14. */
#include <math.h>
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

#define JOBS     10000
#define LIMIT    50
#define FLOOR_MS 750
#define MEDIAN_S 3.0
#define SIGMA    0.8
#define TWO_PI   6.283185307179586

enum fate { FATE_ENDS, FATE_FAILS, FATE_LOST, FATE_STUCK };

typedef struct song {
  struct crowd *crowd;
  enum fate fate;
  uint64_t ends_ns, seen_ns; /* on the gateway's side */
  unsigned submits, dones;
  int error;
} song;

/* The gateway and its client. */
typedef struct crowd {
  sim *w;
  leat_engine *engine;
  lti_alloc alloc;
  lti_buf out;
  song *songs;
  uint32_t submitted;
  unsigned batches, singles, done, most_a_second;
  uint64_t asked_ns[LIMIT + 1]; /* the last questions */
  unsigned asked_at;
} crowd;

typedef struct caller { /* one connection */
  crowd *crowd;
  sim_link *link;
  lti_buf in;
  struct caller *next;
} caller;

static caller *callers;

/* ---- the gateway */

static uint64_t lognormal_ns(sim *w) {
  double u = (double)(sim_below(w, 1000000) + 1) / 1000001.0;
  double v = (double)sim_below(w, 1000000) / 1000000.0;
  double z = sqrt(-2 * log(u)) * cos(TWO_PI * v);
  return (uint64_t)(MEDIAN_S * exp(SIGMA * z) * (double)SIM_S);
}

static void count_question(crowd *c) {
  unsigned in_second = 1;
  for (unsigned i = 0; i <= LIMIT; i++)
    if (c->asked_ns[i] && c->asked_ns[i] + SIM_S > c->w->now) in_second++;
  if (in_second > c->most_a_second) c->most_a_second = in_second;
  c->asked_ns[c->asked_at] = c->w->now;
  c->asked_at = (c->asked_at + 1) % (LIMIT + 1);
}

static const char *word_of(crowd *c, song *s) {
  if (s->fate == FATE_STUCK || c->w->now < s->ends_ns) return "IN_PROGRESS";
  if (!s->seen_ns) s->seen_ns = c->w->now;
  return s->fate == FATE_FAILS ? "FAILURE" : "SUCCESS";
}

static void write_song(crowd *c, unsigned long n) {
  lti_buf_format(&c->out, "{\"task_id\":\"s-%lu\",\"status\":\"%s\"}", n, word_of(c, &c->songs[n]));
}

static void answer_many(crowd *c, const char *text) {
  bool first = true;
  c->batches++;
  lti_buf_text(&c->out, "{\"code\":\"success\",\"data\":[");
  for (const char *at = text; (at = strstr(at, "\"s-")); at++) {
    unsigned long n = strtoul(at + 3, NULL, 10);
    assert_true(n < c->submitted);
    if (c->songs[n].fate == FATE_LOST) continue;
    if (!first) lti_buf_byte(&c->out, ',');
    first = false;
    write_song(c, n);
  }
  lti_buf_text(&c->out, "]}");
}

static int answer_one(crowd *c, const char *text) {
  unsigned long n = strtoul(strstr(text, "/suno/fetch/s-") + 14, NULL, 10);
  c->singles++;
  assert_true(n < c->submitted);
  if (c->songs[n].fate == FATE_LOST) {
    lti_buf_text(&c->out, "{\"code\":\"task_not_exist\",\"message\":\"no\",\"data\":null}");
    return 400;
  }
  lti_buf_text(&c->out, "{\"code\":\"success\",\"data\":");
  write_song(c, n);
  lti_buf_byte(&c->out, '}');
  return 200;
}

static void answer_submit(crowd *c) {
  assert_true(c->submitted < JOBS);
  song *s = &c->songs[c->submitted];
  s->submits++;
  s->ends_ns = c->w->now + lognormal_ns(c->w);
  lti_buf_format(&c->out, "{\"code\":\"success\",\"data\":\"s-%u\"}", c->submitted++);
}

static void answer(caller *k, const char *text) {
  crowd *c = k->crowd;
  char head[128];
  int status = 200;
  lti_buf_clear(&c->out);
  bool submit = strncmp(text, "POST /suno/submit/", 18) == 0;
  if (!submit) count_question(c);
  if (submit)
    answer_submit(c);
  else if (strncmp(text, "POST ", 5) == 0)
    answer_many(c, strstr(text, "\r\n\r\n"));
  else
    status = answer_one(c, text);
  int n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status,
                   c->out.size);
  sim_link_send(k->link, lti_slice(head, (size_t)n));
  sim_link_send(k->link, lti_buf_slice(&c->out));
}

/* The size of the first request, 0: it is not whole yet. */
static size_t first_request(const lti_buf *in) {
  const char *end = in->size ? strstr(in->data, "\r\n\r\n") : NULL;
  const char *length = end ? strstr(in->data, "Content-Length: ") : NULL;
  if (!end) return 0;
  size_t size = (size_t)(end - in->data) + 4;
  if (length && length < end) size += strtoul(length + 16, NULL, 10);
  return size <= in->size ? size : 0;
}

static void on_bytes(void *peer, leat_slice bytes) {
  caller *k = peer;
  size_t size;
  assert_int_equal(lti_buf_append(&k->in, bytes), 0);
  assert_int_equal(lti_buf_byte(&k->in, '\0'), 0); /* for strstr */
  k->in.size--;
  while ((size = first_request(&k->in))) {
    answer(k, k->in.data);
    lti_buf_consume(&k->in, size);
    assert_int_equal(lti_buf_byte(&k->in, '\0'), 0);
    k->in.size--;
  }
}

static void *on_opened(void *ctx, sim_link *link) {
  caller *k = calloc(1, sizeof *k);
  assert_non_null(k);
  *k = (caller){.crowd = ctx, .link = link, .next = callers};
  lti_buf_init(&k->in, &k->crowd->alloc, (size_t)1 << 22, -1);
  callers = k;
  return k;
}

static void on_ended(void *peer) {
  (void)peer;
}

static void on_closed(void *user) {
  *(bool *)user = true;
}

/* ---- the client */

static void on_done(leat_engine *e, leat_id id, const leat_task_update *last,
                    const leat_result *result, void *user) {
  crowd *c = user;
  (void)e, (void)id;
  assert_true(last->task_id.size > 2);
  unsigned long n = strtoul(last->task_id.data + 2, NULL, 10);
  assert_true(n < JOBS);
  c->songs[n].dones++;
  c->songs[n].error = result->error;
  c->done++;
}

static void start_all(crowd *c) {
  leat_task t;
  leat_id id;
  leat_task_init(&t);
  t.endpoint = "suno.music";
  t.base_url = "http://127.0.0.1:80";
  t.body = lti_slice_of("{\"prompt\":\"la\"}");
  t.poll_ms = FLOOR_MS;
  t.deadline_ms = 120000;
  t.on_done = on_done;
  t.user = c;
  for (int i = 0; i < JOBS; i++) assert_int_equal(leat_task_start(c->engine, &t, &id), LEAT_OK);
}

static void deal_fates(crowd *c) {
  for (int i = 0; i < JOBS; i++) {
    uint64_t dice = sim_below(c->w, 1000);
    c->songs[i].fate = dice < 5     ? FATE_LOST
                       : dice < 10  ? FATE_STUCK
                       : dice < 100 ? FATE_FAILS
                                    : FATE_ENDS;
  }
}

static int error_of(enum fate fate) {
  switch (fate) {
    case FATE_ENDS: return LEAT_OK;
    case FATE_FAILS: return LEAT_ETASKFAILED;
    case FATE_LOST: return LEAT_ESTATUS;
    case FATE_STUCK: return LEAT_ETASKTIME;
  }
  return LEAT_EINVAL;
}

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* The lags of those that ended, in order. */
static size_t gather_lags(const crowd *c, uint64_t *lags) {
  size_t count = 0;
  for (int i = 0; i < JOBS; i++)
    if (c->songs[i].seen_ns) lags[count++] = c->songs[i].seen_ns - c->songs[i].ends_ns;
  qsort(lags, count, sizeof *lags, by_size);
  return count;
}

static void check(const crowd *c) {
  static uint64_t lags[JOBS];
  assert_int_equal(c->submitted, JOBS);
  for (int i = 0; i < JOBS; i++) {
    assert_int_equal(c->songs[i].dones, 1);
    assert_int_equal(c->songs[i].error, error_of(c->songs[i].fate));
  }
  size_t count = gather_lags(c, lags);
  uint64_t p99 = lags[count * 99 / 100];
  print_message("lag p50 %.2f s, p99 %.2f s; %u questions about many, %u about one\n",
                (double)lags[count / 2] / SIM_S, (double)p99 / SIM_S, c->batches, c->singles);
  assert_true(p99 < 22 * SIM_S / 10); /* the longest cadence, and a tenth */
  assert_in_range(c->most_a_second, 1, LIMIT);
  assert_true(c->batches < 2000);
}

static void check_seed(uint64_t seed) {
  static failing memory;
  crowd c = {.w = sim_new(seed)};
  leat_config config;
  failing_init(&memory, 0);
  lti_alloc_init(&c.alloc, NULL);
  lti_buf_init(&c.out, &c.alloc, (size_t)1 << 22, -1);
  c.songs = calloc(JOBS, sizeof *c.songs);
  assert_non_null(c.songs);
  c.w->host = (sim_host){on_opened, on_bytes, on_ended, &c};
  c.w->weather.latency_ns = SIM_MS;
  leat_config_init(&config);
  config.loop = sim_uv(c.w);
  config.allocator = failing_allocator(&memory);
  deal_fates(&c);
  assert_int_equal(leat_open(&c.engine, &config, NULL), LEAT_OK);
  start_all(&c);
  assert_true(sim_run(c.w, 1000 * SIM_S));
  check(&c);
  bool closed = false;
  leat_close(c.engine, LEAT_CLOSE_DRAIN, on_closed, &closed);
  assert_true(sim_run(c.w, 1000 * SIM_S));
  assert_true(closed);
  if (c.w->owned) leat_run(c.engine); /* the engine frees itself behind its run */
  sim_free(c.w);
  assert_true(failing_clean(&memory));
  failing_deinit(&memory);
  for (caller *k; (k = callers); free(k)) {
    callers = k->next;
    lti_buf_deinit(&k->in);
  }
  lti_buf_deinit(&c.out);
  free(c.songs);
}

static void test_js_14_ten_thousand_jobs_are_told_once_and_in_time(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 2; seed++) check_seed(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_js_14_ten_thousand_jobs_are_told_once_and_in_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
