/* Jobs that outlive the process: what a second engine with the same journal makes of what the first
 * one had noted, whatever moment it was cut off at; and files that are no journals. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define SUBMITTED ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"queued\"}")
#define RUNNING   ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"in_progress\"}")
#define COMPLETED \
  ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"completed\",\"url\":\"u\"}")
#define FAILED ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"failed\"}")

static char path[64];

static int setup(void **state) {
  snprintf(path, sizeof path, "/tmp/leat-journal-XXXXXX");
  int fd = mkstemp(path);
  if (fd < 0) return -1;
  close(fd);
  unlink(path);
  return flow_setup(state);
}

static int teardown(void **state) {
  static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
  int r = flow_teardown(state);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", path, ends[i]);
    unlink(name);
  }
  return r;
}

static leat_task job(const peer *p, const char *name) {
  leat_task t;
  leat_task_init(&t);
  t.base_url = peer_url(p);
  t.body = lti_slice_of("{\"prompt\":\"x\"}");
  t.poll_ms = 5;
  t.retries = LEAT_NONE;
  t.custom_id = name;
  return t;
}

static flow_call *start(flow *f, const char *const *answers, const char *name) {
  f->config.journal = path;
  peer *p = flow_peer(f, answers);
  leat_task t = job(p, name);
  return flow_task(f, &t);
}

/* What stands in the file, by another reader when nobody has it: "state task_id error". */
static const char *row(const char *name) {
  static char text[128];
  sqlite3 *db;
  sqlite3_stmt *s;
  snprintf(text, sizeof text, "none");
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(
      sqlite3_prepare_v2(db, "SELECT state, task_id, error FROM job WHERE name = ?1", -1, &s, NULL),
      SQLITE_OK);
  sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
  if (sqlite3_step(s) == SQLITE_ROW) {
    const unsigned char *id = sqlite3_column_text(s, 1);
    snprintf(text, sizeof text, "%d %s %d", sqlite3_column_int(s, 0), id ? (const char *)id : "-",
             sqlite3_column_int(s, 2));
  }
  sqlite3_finalize(s);
  sqlite3_close(db);
  return text;
}

/* Another run: the same flow with a new engine. */
static void next_run(flow *f) {
  if (!f->closed && f->engine) flow_close(f, LEAT_CLOSE_NOW);
  f->engine = NULL;
  f->closed = false;
  f->closes = 0;
}

/* ---- one run after the other */

static void test_a_job_that_ended_is_told_and_not_run_again(void **state) {
  flow *f = *state;
  flow_call *c = start(f, (const char *const[]){SUBMITTED, RUNNING, COMPLETED, NULL}, "a");
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_close(f, LEAT_CLOSE_DRAIN);
  assert_string_equal(row("a"), "3 task-1 0");
  next_run(f);
  c = start(f, (const char *const[]){"<<close>>", NULL}, "a");
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->task_id, "task-1");
  assert_int_equal(peer_requests(f->peers[1]), 0);
}

static void test_a_job_that_failed_is_told_so_again(void **state) {
  flow *f = *state;
  start(f, (const char *const[]){SUBMITTED, FAILED, NULL}, "a");
  flow_wait(f);
  flow_assert_error(f->calls, LEAT_ETASKFAILED);
  next_run(f);
  flow_call *c = start(f, (const char *const[]){"<<close>>", NULL}, "a");
  flow_wait(f);
  flow_assert_error(c, LEAT_ETASKFAILED);
  assert_int_equal(peer_requests(f->peers[1]), 0);
}

static void test_a_job_that_was_accepted_is_only_asked_about(void **state) {
  flow *f = *state;
  flow_call *c = start(f, (const char *const[]){SUBMITTED, RUNNING, NULL}, "a");
  while (c->polls < 1 && strlen(c->states) < 1) uv_run(&f->loop, UV_RUN_ONCE);
  next_run(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_string_equal(row("a"), "2 task-1 0");
  c = start(f, (const char *const[]){RUNNING, COMPLETED, NULL}, "a");
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(peer_requests(f->peers[1]), 2);
  flow_assert_has(peer_request(f->peers[1], 0), "GET /v1/video/generations/task-1 ");
}

static void test_a_submit_without_an_answer_is_uncertain_in_the_next_run(void **state) {
  flow *f = *state;
  start(f, (const char *const[]){"<<silent>>", NULL}, "a");
  while (peer_requests(f->peers[0]) < 1) uv_run(&f->loop, UV_RUN_ONCE);
  next_run(f);
  assert_string_equal(row("a"), "1 - 0");
  for (int run = 0; run < 2; run++) { /* and in the one after it */
    flow_call *c = start(f, (const char *const[]){SUBMITTED, NULL}, "a");
    flow_wait(f);
    flow_assert_error(c, LEAT_EUNCERTAIN);
    assert_int_equal(peer_requests(f->peers[1 + run]), 0);
    next_run(f);
  }
}

static void test_an_uncertain_job_is_submitted_again_when_that_is_asked_for(void **state) {
  flow *f = *state;
  start(f, (const char *const[]){"<<close>>", NULL}, "a");
  flow_wait(f);
  flow_assert_error(f->calls, LEAT_EUNCERTAIN);
  next_run(f);
  f->config.journal = path;
  peer *p = flow_peer(f, (const char *const[]){SUBMITTED, COMPLETED, NULL});
  leat_task t = job(p, "a");
  t.resubmit = true;
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_a_job_that_was_surely_not_taken_is_submitted_again(void **state) {
  flow *f = *state;
  start(f, (const char *const[]){"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", NULL}, "a");
  flow_wait(f);
  flow_assert_error(f->calls, LEAT_ESTATUS);
  flow_close(f, LEAT_CLOSE_DRAIN);
  assert_string_equal(row("a"), "none");
  next_run(f);
  flow_call *c = start(f, (const char *const[]){SUBMITTED, COMPLETED, NULL}, "a");
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_a_refusal_for_good_is_done(void **state) {
  flow *f = *state;
  start(f, (const char *const[]){REFUSED("400 No", "bad_prompt"), NULL}, "a");
  flow_wait(f);
  next_run(f);
  assert_string_equal(row("a"), "3 - -60");
}

static void test_cancelled_before_it_was_sent_is_not_uncertain(void **state) {
  flow *f = *state;
  flow_call *c = start(f, (const char *const[]){SUBMITTED, COMPLETED, NULL}, "a");
  leat_cancel(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  next_run(f);
  assert_string_equal(row("a"), "none");
}

/* The file of results is the truth about what was told. */
static void test_what_the_caller_knows_as_done_is_done(void **state) {
  flow *f = *state;
  assert_int_equal(leat_journal_done(NULL, "a"), LEAT_EINVAL);
  f->config.journal = path;
  flow_open(f);
  assert_int_equal(leat_journal_done(f->engine, ""), LEAT_EINVAL);
  assert_int_equal(leat_journal_done(f->engine, "a"), LEAT_OK);
  assert_int_equal(leat_journal_done(f->engine, "b"), LEAT_OK);
  flow_call *c = start(f, (const char *const[]){"<<close>>", NULL}, "a"); /* in the same run */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  next_run(f);
  c = start(f, (const char *const[]){"<<close>>", NULL}, "b"); /* and in the next */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

/* ---- within one run */

static void test_two_jobs_of_one_name_are_an_error(void **state) {
  flow *f = *state;
  flow_call *a = start(f, (const char *const[]){SUBMITTED, COMPLETED, NULL}, "same");
  leat_task t = job(f->peers[0], "same");
  flow_call *b = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(a, LEAT_OK);
  flow_assert_error(b, LEAT_EINVAL);
  flow_assert_has(b->message, "custom_id");
  flow_call *c = flow_task(f, &t); /* also behind its end */
  flow_wait(f);
  flow_assert_error(c, LEAT_EINVAL);
}

static void test_names_that_cannot_be_kept(void **state) {
  flow *f = *state;
  char name[600];
  leat_id id;
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  f->config.journal = path;
  peer *p = flow_peer(f, (const char *const[]){SUBMITTED, NULL});
  flow_open(f);
  leat_task t = job(p, name);
  t.on_done = (leat_task_done_cb)(void (*)(void))abort;
  assert_int_equal(leat_task_start(f->engine, &t, &id), LEAT_EINVAL);
  t.custom_id = "";
  assert_int_equal(leat_task_start(f->engine, &t, &id), LEAT_EINVAL);
}

/* ---- files */

static void assert_refused(flow *f, const char *part) {
  leat_engine *e = (leat_engine *)(uintptr_t)1;
  const char *why = NULL;
  leat_config c = f->config;
  c.journal = path;
  c.loop = NULL;
  assert_int_equal(leat_open(&e, &c, &why), LEAT_EJOURNAL);
  assert_null(e);
  flow_assert_has(why, part);
}

static void test_a_journal_in_use_is_an_error(void **state) {
  flow *f = *state;
  f->config.journal = path;
  flow_open(f);
  assert_refused(f, "another process");
}

static void write_file(const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void test_a_file_that_is_no_journal(void **state) {
  write_file("{\"custom_id\":\"this is a file of jobs, which somebody gave for the journal\"}\n");
  assert_refused(*state, "no journal");
}

static void test_a_database_that_is_no_journal_is_left_alone(void **state) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "CREATE TABLE mine(a)", NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  assert_refused(*state, "no journal of leat's");
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "SELECT * FROM job", NULL, NULL, NULL), SQLITE_ERROR);
  sqlite3_close(db);
}

static void test_a_journal_of_a_newer_leat(void **state) {
  sqlite3 *db;
  flow *f = *state;
  f->config.journal = path;
  flow_open(f);
  next_run(f);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  assert_refused(f, "newer");
}

static void test_a_folder_is_no_journal(void **state) {
  char kept[64];
  snprintf(kept, sizeof kept, "%s", path);
  snprintf(path, sizeof path, "/tmp");
  assert_refused(*state, "cannot be opened");
  snprintf(path, sizeof path, "%s", kept);
}

#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      JOURNAL_TEST(test_a_job_that_ended_is_told_and_not_run_again),
      JOURNAL_TEST(test_a_job_that_failed_is_told_so_again),
      JOURNAL_TEST(test_a_job_that_was_accepted_is_only_asked_about),
      JOURNAL_TEST(test_a_submit_without_an_answer_is_uncertain_in_the_next_run),
      JOURNAL_TEST(test_an_uncertain_job_is_submitted_again_when_that_is_asked_for),
      JOURNAL_TEST(test_a_job_that_was_surely_not_taken_is_submitted_again),
      JOURNAL_TEST(test_a_refusal_for_good_is_done),
      JOURNAL_TEST(test_cancelled_before_it_was_sent_is_not_uncertain),
      JOURNAL_TEST(test_what_the_caller_knows_as_done_is_done),
      JOURNAL_TEST(test_two_jobs_of_one_name_are_an_error),
      JOURNAL_TEST(test_names_that_cannot_be_kept),
      JOURNAL_TEST(test_a_journal_in_use_is_an_error),
      JOURNAL_TEST(test_a_file_that_is_no_journal),
      JOURNAL_TEST(test_a_database_that_is_no_journal_is_left_alone),
      JOURNAL_TEST(test_a_journal_of_a_newer_leat),
      JOURNAL_TEST(test_a_folder_is_no_journal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
