/* Tasks with any allocation failing, each once alone and once with all behind it: every task that
 * was accepted has its one done, nothing leaks, no block that held the key is given back with it;
 * and how small a task that waits is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define KEY      "sk-canary-of-tasks"
#define JOBS     3
#define JOBS_BIG 4000

typedef struct scenario {
  const char *url, *endpoint, *body;
  const char *journal;
  bool download;
  leat_engine *engine;
  unsigned accepted, dones, good;
} scenario;

static void on_done(leat_engine *e, leat_id id, const leat_task_update *last,
                    const leat_result *result, void *user) {
  scenario *s = user;
  (void)e, (void)id, (void)last;
  assert_non_null(leat_error_name(result->error));
  assert_int_equal(result->message.data[result->message.size], '\0');
  s->dones++;
  s->good += result->error == LEAT_OK;
}

static void start(scenario *s) {
  static const char *const names[JOBS] = {"a", "b", "c"};
  const leat_header header = {lti_slice_of("X-More"), lti_slice_of("yes")};
  for (int i = 0; i < JOBS; i++) {
    leat_task t;
    leat_id id;
    leat_task_init(&t);
    t.base_url = s->url;
    t.api_key = KEY;
    t.endpoint = s->endpoint;
    t.body = lti_slice_of(s->body);
    t.headers = &header;
    t.header_count = 1;
    t.poll_ms = 2;
    t.deadline_ms = 2000;
    t.download = s->download;
    t.custom_id = s->journal ? names[i] : NULL;
    t.on_done = on_done;
    t.user = s;
    s->accepted += leat_task_start(s->engine, &t, &id) == LEAT_OK;
  }
}

static void on_closed(void *user) {
  *(bool *)user = true;
}

static void run_scenario(const leat_allocator *fns, void *ctx) {
  scenario *s = ctx;
  leat_config config;
  uv_loop_t loop;
  bool closed = false;
  ((failing *)fns->user)->canary = KEY;
  uv_loop_init(&loop);
  leat_config_init(&config);
  config.loop = &loop;
  config.allocator = *fns;
  config.retries = LEAT_NONE;
  config.polls_per_second = 10000;
  config.journal = s->journal;
  s->accepted = s->dones = s->good = 0;
  if (s->journal) unlink(s->journal);
  int r = leat_open(&s->engine, &config, NULL);
  if (r == LEAT_OK) start(s);
  for (int i = 0; i < 20000 && r == LEAT_OK && s->dones < s->accepted; i++)
    uv_run(&loop, UV_RUN_ONCE);
  if (r == LEAT_OK) {
    assert_int_equal(s->dones, s->accepted);
    assert_int_equal(leat_close(s->engine, LEAT_CLOSE_NOW, on_closed, &closed), LEAT_OK);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  if (r == LEAT_OK) assert_true(closed);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void check_every_failure(scenario *s) {
  uint64_t calls = failing_at_every_n(run_scenario, s);
  assert_true(calls > 20);
  assert_int_equal(s->good, JOBS); /* the last run had no failure */
}

/* Answers by what is asked, on any number of connections. */
static void serve(peer_link *l, void *ctx) {
  (void)ctx;
  bool alive = true;
  while (alive && peer_read(l)) {
    const char *text = peer_link_text(l);
    char answer[512], items[256] = "";
    const char *ids = strstr(text, "\"ids\":[");
    for (const char *at = ids; at && (at = strstr(at, "\"job-")); at++)
      snprintf(items + strlen(items), sizeof items - strlen(items),
               "%s{\"task_id\":\"job-%c\",\"status\":\"SUCCESS\"}", *items ? "," : "", at[5]);
    if (strstr(text, "/submit/"))
      snprintf(answer, sizeof answer,
               ANSWER_JSON("200 OK", "{\"code\":\"success\",\"data\":\"job-%u\"}"),
               peer_link_number(l) % 10);
    else if (ids)
      snprintf(answer, sizeof answer, ANSWER_JSON("200 OK", "{\"code\":\"success\",\"data\":[%s]}"),
               items);
    else if (strstr(text, "/content "))
      snprintf(answer, sizeof answer, ANSWER("200 OK", "video/mp4", "0123456789"));
    else if (strncmp(text, "POST ", 5) == 0)
      snprintf(answer, sizeof answer,
               ANSWER_JSON("200 OK", "{\"id\":\"v\",\"status\":\"queued\"}"));
    else
      snprintf(
          answer, sizeof answer,
          ANSWER_JSON("200 OK", "{\"id\":\"v\",\"status\":\"completed\",\"url\":\"http://x\"}"));
    alive = peer_say(l, answer);
  }
}

static void test_rs_02_jobs_asked_about_together_with_any_allocation_failing(void **state) {
  peer *p = flow_peer_script(*state, serve, NULL);
  check_every_failure(
      &(scenario){.url = peer_url(p), .endpoint = "suno.music", .body = "{\"prompt\":\"la\"}"});
}

static void test_rs_02_jobs_with_downloads_with_any_allocation_failing(void **state) {
  peer *p = flow_peer_script(*state, serve, NULL);
  check_every_failure(&(scenario){.url = peer_url(p),
                                  .endpoint = "video.generate",
                                  .body = "{\"prompt\":\"la\"}",
                                  .download = true});
}

static void test_rs_02_calls_that_are_no_jobs_with_any_allocation_failing(void **state) {
  peer *p = flow_peer_script(*state, serve, NULL);
  check_every_failure(&(scenario){
      .url = peer_url(p), .endpoint = "embeddings.create", .body = "{\"input\":\"x\"}"});
}

static void test_rs_02_jobs_in_a_journal_with_any_allocation_failing(void **state) {
  char path[64];
  peer *p = flow_peer_script(*state, serve, NULL);
  /* In memory where that can be had: hundreds of engines wait for the disk otherwise. */
  const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(path, sizeof path, "%s/leat-memory-%ld", folder, (long)getpid());
  check_every_failure(&(scenario){.url = peer_url(p),
                                  .endpoint = "video.generate",
                                  .body = "{\"prompt\":\"la\"}",
                                  .journal = path});
  unlink(path);
}

/* Thousands that wait share what is the same: each is a few hundred bytes. */
static void test_a_task_that_waits_is_small(void **state) {
  flow *f = *state;
  peer *p = flow_peer_script(f, serve, NULL);
  leat_engine *e = flow_open(f);
  scenario s = {.engine = e};
  leat_task t;
  leat_task_init(&t);
  t.base_url = peer_url(p);
  t.api_key = KEY;
  t.family = "suno";
  t.poll_ms = 3600000;
  t.on_done = on_done;
  t.user = &s;
  size_t before = f->memory.live_bytes;
  for (int i = 0; i < JOBS_BIG; i++) {
    char name[64];
    leat_id id;
    snprintf(name, sizeof name, "task_%032d", i);
    t.task_id = name;
    assert_int_equal(leat_task_start(e, &t, &id), LEAT_OK);
  }
  size_t each = (f->memory.live_bytes - before) / JOBS_BIG;
  print_message("%zu bytes a task\n", each);
  assert_true(each < 700);
  leat_close(e, LEAT_CLOSE_NOW, on_closed, &f->closed);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  assert_int_equal(s.dones, JOBS_BIG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_rs_02_jobs_asked_about_together_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_jobs_with_downloads_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_calls_that_are_no_jobs_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_jobs_in_a_journal_with_any_allocation_failing),
      FLOW_TEST(test_a_task_that_waits_is_small),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
