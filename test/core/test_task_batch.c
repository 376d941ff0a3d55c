/* Jobs that are asked about together: whole answers, and every odd one that gateways give (other
 * order, missing ids, doubles, errors inside, refusals), with the way back to one by one. Row JS-14
 * where it meets answers about many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/flow.h"

#define JOBS_MAX 300

/* A gateway of songs. Job n is "job-n"; it has ended when it was asked about more than `looks`
 * times. One connection at a time, so that its counters need no lock. */
typedef struct songs {
  unsigned looks;
  bool reversed, doubled, bare;
  unsigned missing_every;      /* answers about many leave out each n-th job */
  unsigned failing_every;      /* each n-th job ends badly */
  const char *batch_answer;    /* instead of a good one */
  unsigned batch_answer_times; /* so often; 0: always */
  const char *single_answer;
  /* what came */
  unsigned submits, batches, singles, asked[JOBS_MAX], most_ids;
} songs;

static const char *word_of(songs *s, unsigned n) {
  if (++s->asked[n % JOBS_MAX] <= s->looks) return "IN_PROGRESS";
  return s->failing_every && n % s->failing_every == 0 ? "FAILURE" : "SUCCESS";
}

static int write_item(songs *s, unsigned n, lti_buf *out) {
  return lti_buf_format(out,
                        "{\"task_id\":\"job-%u\",\"status\":\"%s\",\"progress\":\"50%%\","
                        "\"fail_reason\":\"so it is\",\"data\":{\"audio_url\":\"http://x/%u\"}}",
                        n, word_of(s, n), n);
}

static void send_json(peer_link *l, const lti_buf *body) {
  char head[128];
  int n =
      snprintf(head, sizeof head,
               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
               body->size);
  peer_send(l, lti_slice(head, (size_t)n));
  peer_send(l, lti_slice(body->data, body->size));
}

static size_t read_ids(const char *text, unsigned *ids) {
  size_t count = 0;
  const char *at = strstr(text, "\"ids\":");
  while (at && count < JOBS_MAX && (at = strstr(at, "\"job-"))) {
    ids[count++] = (unsigned)strtoul(at + 5, NULL, 10);
    at += 5;
  }
  return count;
}

static void answer_many(peer_link *l, songs *s, lti_buf *body) {
  unsigned ids[JOBS_MAX];
  size_t count = read_ids(peer_link_text(l), ids);
  if (count > s->most_ids) s->most_ids = (unsigned)count;
  lti_buf_text(body, s->bare ? "[" : "{\"code\":\"success\",\"message\":\"\",\"data\":[");
  bool first = true;
  for (size_t i = 0; i < count * (s->doubled ? 2u : 1u); i++) {
    unsigned n = ids[s->reversed ? count - 1 - i % count : i % count];
    if (s->missing_every && n % s->missing_every == 0) continue;
    if (!first) lti_buf_byte(body, ',');
    first = false;
    write_item(s, n, body);
  }
  lti_buf_text(body, s->bare ? "]" : "]}");
  send_json(l, body);
}

static bool answer(peer_link *l, songs *s, lti_buf *body) {
  const char *text = peer_link_text(l), *id = strstr(text, "/suno/fetch/job-");
  lti_buf_clear(body);
  if (strstr(text, "/suno/submit/")) {
    lti_buf_format(body, "{\"code\":\"success\",\"data\":\"job-%u\"}", s->submits++);
    send_json(l, body);
  } else if (id) {
    s->singles++;
    if (s->single_answer) return peer_say(l, s->single_answer);
    lti_buf_text(body, "{\"code\":\"success\",\"data\":");
    write_item(s, (unsigned)strtoul(id + 16, NULL, 10), body);
    lti_buf_byte(body, '}');
    send_json(l, body);
  } else {
    s->batches++;
    bool odd = s->batch_answer && (!s->batch_answer_times || s->batches <= s->batch_answer_times);
    if (odd) return peer_say(l, s->batch_answer);
    answer_many(l, s, body);
  }
  return true;
}

static void serve(peer_link *l, void *ctx) {
  lti_alloc alloc;
  lti_buf body;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&body, &alloc, (size_t)1 << 20, -1);
  while (peer_read(l) && answer(l, ctx, &body)) continue;
  lti_buf_deinit(&body);
}

static leat_task song(const peer *p) {
  leat_task t;
  leat_task_init(&t);
  t.endpoint = "suno.music";
  t.base_url = peer_url(p);
  t.body = lti_slice_of("{\"prompt\":\"la\"}");
  t.poll_ms = 40;
  t.retries = LEAT_NONE;
  return t;
}

/* Submits and waits for `jobs` of them; what holds for each job is checked by the flow. */
static peer *run(flow *f, songs *s, unsigned jobs) {
  f->config.conns_max = 1;
  f->config.polls_per_second = 1000;
  peer *p = flow_peer_script(f, serve, s);
  leat_task t = song(p);
  for (unsigned i = 0; i < jobs; i++) flow_task(f, &t);
  flow_wait(f);
  return p;
}

static void assert_all(flow *f, int error) {
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, error);
}

static unsigned number_of(const flow_call *c) {
  return (unsigned)strtoul(c->task_id + 4, NULL, 10);
}

static songs *songs_of(flow *f, songs like) {
  songs *s = flow_keep(f, sizeof *s);
  *s = like;
  return s;
}

static void test_many_jobs_share_their_questions(void **state) {
  flow *f = *state;
  songs *s = songs_of(f, (songs){.looks = 2});
  run(f, s, 250);
  assert_all(f, LEAT_OK);
  assert_int_equal(s->submits, 250);
  assert_true(s->most_ids > 50 && s->most_ids <= 100);
  assert_true(s->batches + s->singles <= 40);
  assert_string_equal(f->calls->url, "http://x/249");
  flow_assert_has(f->calls->states, "RC");
}

static void test_the_order_of_an_answer_does_not_matter(void **state) {
  flow *f = *state;
  run(f, songs_of(f, (songs){.looks = 1, .reversed = true}), 60);
  assert_all(f, LEAT_OK);
  for (flow_call *c = f->calls; c; c = c->next)
    assert_string_equal(strrchr(c->url, '/') + 1, c->task_id + 4);
}

static void test_jobs_that_are_told_twice_end_once(void **state) {
  flow *f = *state;
  run(f, songs_of(f, (songs){.looks = 0, .doubled = true}), 20);
  assert_all(f, LEAT_OK);
}

static void test_a_bare_array_is_an_answer_too(void **state) {
  flow *f = *state;
  run(f, songs_of(f, (songs){.looks = 1, .bare = true}), 20);
  assert_all(f, LEAT_OK);
}

static void test_js_14_jobs_that_an_answer_lacks_are_asked_about_alone(void **state) {
  flow *f = *state;
  songs *s = songs_of(f, (songs){.looks = 1, .missing_every = 10});
  run(f, s, 50);
  assert_all(f, LEAT_OK);
  assert_true(s->singles >= 5);
  assert_true(s->batches >= 1);
}

static void test_js_14_jobs_that_nobody_knows_end_with_an_error(void **state) {
  flow *f = *state;
  static const char unknown[] =
      ANSWER_JSON("400 Bad Request",
                  "{\"code\":\"task_not_exist\",\"message\":\"task_not_exist\",\"data\":null}");
  songs *s = songs_of(f, (songs){.looks = 1, .missing_every = 10, .single_answer = unknown});
  run(f, s, 20);
  unsigned lost = 0;
  for (flow_call *c = f->calls; c; c = c->next) {
    bool missing = number_of(c) % 10 == 0;
    lost += missing;
    flow_assert_error(c, missing ? LEAT_ESTATUS : LEAT_OK);
  }
  assert_int_equal(lost, 2);
  assert_int_equal(s->singles, 2 * 6);
}

static void test_items_with_errors_end_their_own_jobs_only(void **state) {
  flow *f = *state;
  run(f, songs_of(f, (songs){.looks = 1, .failing_every = 4}), 24);
  for (flow_call *c = f->calls; c; c = c->next) {
    bool fails = number_of(c) % 4 == 0;
    flow_assert_error(c, fails ? LEAT_ETASKFAILED : LEAT_OK);
    if (fails) flow_assert_has(c->message, "so it is");
  }
}

/* Whatever a gateway says instead of an answer about many: the jobs are asked one by one. */
static void check_refusal(flow *f, const char *answer) {
  songs *s = songs_of(f, (songs){.looks = 1, .batch_answer = answer});
  run(f, s, 12);
  assert_all(f, LEAT_OK);
  assert_true(s->batches >= 1);
  assert_true(s->singles >= 12);
}

static void test_a_refused_question_about_many_is_asked_one_by_one(void **state) {
  check_refusal(*state, REFUSED("404 Not Found", "no_such_path"));
}
static void test_a_forbidden_question_about_many_is_asked_one_by_one(void **state) {
  check_refusal(*state, REFUSED("403 Forbidden", "not_you"));
}
static void test_an_error_of_status_200_about_many_is_asked_one_by_one(void **state) {
  check_refusal(*state,
                ANSWER_JSON("200 OK", "{\"code\":\"bad\",\"message\":\"no\",\"data\":null}"));
}
static void test_no_json_about_many_is_asked_one_by_one(void **state) {
  check_refusal(*state, ANSWER("200 OK", "text/html", "<html>hello</html>"));
}
static void test_an_empty_answer_about_many_is_asked_one_by_one(void **state) {
  check_refusal(*state, ANSWER_JSON("200 OK", "{\"code\":\"success\",\"data\":[]}"));
}

static void test_questions_about_many_that_fail_in_passing_are_asked_again(void **state) {
  flow *f = *state;
  songs *s = songs_of(f, (songs){.looks = 1,
                                 .batch_answer = "HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n",
                                 .batch_answer_times = 3});
  run(f, s, 30);
  assert_all(f, LEAT_OK);
  assert_true(s->batches > 3);
  assert_true(s->singles < 10);
}

/* The gateway's wish is for all of that key. */
static void test_retry_after_is_for_all_jobs_of_a_key(void **state) {
  flow *f = *state;
  songs *s = songs_of(
      f,
      (songs){.batch_answer = "HTTP/1.1 429 X\r\nRetry-After-Ms: 300\r\nContent-Length: 0\r\n\r\n",
              .batch_answer_times = 1});
  run(f, s, 30);
  assert_all(f, LEAT_OK);
  for (flow_call *c = f->calls; c; c = c->next) assert_true(flow_took_ms(c) >= 299);
}

/* ---- leaving */

static void cancel_the_others(flow_call *c, const leat_result *result) {
  (void)result;
  for (flow_call *o = c->flow->calls; o; o = o->next)
    if (o != c && !o->dones) leat_cancel(c->flow->engine, o->id);
}

static void test_api_01_a_done_may_cancel_the_jobs_of_the_same_answer(void **state) {
  flow *f = *state;
  songs *s = songs_of(f, (songs){.looks = 0});
  f->config.conns_max = 1;
  peer *p = flow_peer_script(f, serve, s);
  leat_task t = song(p);
  for (int i = 0; i < 30; i++) flow_task(f, &t)->on_done = cancel_the_others;
  flow_wait(f);
  unsigned fine = 0;
  for (flow_call *c = f->calls; c; c = c->next) fine += c->error == LEAT_OK;
  assert_int_equal(fine, 1);
  assert_int_equal(flow_stats(f).tasks_live, 0);
}

static void close_in_done(flow_call *c, const leat_result *result) {
  (void)result;
  leat_close(c->flow->engine, LEAT_CLOSE_NOW, NULL, NULL);
  c->flow->closed = true;
}

static void test_api_01_a_done_may_close_the_engine(void **state) {
  flow *f = *state;
  songs *s = songs_of(f, (songs){.looks = 0});
  peer *p = flow_peer_script(f, serve, s);
  f->config.conns_max = 1;
  leat_task t = song(p);
  for (int i = 0; i < 10; i++) flow_task(f, &t);
  f->calls->on_done = close_in_done;
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) assert_int_equal(c->dones, 1);
}

static void test_a_question_that_nobody_waits_for_is_given_up(void **state) {
  flow *f = *state;
  songs *s = songs_of(f, (songs){.batch_answer = "<<silent>>"});
  f->config.conns_max = 1;
  peer *p = flow_peer_script(f, serve, s);
  leat_task t = song(p);
  t.deadline_ms = 300;
  for (int i = 0; i < 10; i++) flow_task(f, &t);
  flow_wait(f);
  assert_all(f, LEAT_ETASKTIME);
  assert_int_equal(flow_stats(f).requests_live, 0);
}

/* ---- keys */

/* Two keys have a pace each; and one key has its pace. */
static void test_the_pace_is_kept_for_each_key(void **state) {
  flow *f = *state;
  songs *s = songs_of(f, (songs){.looks = 4});
  f->config.conns_max = 1;
  f->config.polls_per_second = 20;
  peer *p = flow_peer_script(f, serve, s);
  leat_task t = song(p);
  t.poll_ms = 1;
  t.api_key = "sk-one";
  flow_call *one = flow_task(f, &t);
  t.api_key = "sk-two";
  flow_call *two = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(one, LEAT_OK);
  flow_assert_error(two, LEAT_OK);
  assert_true(flow_took_ms(one) >= 4 * 50);
  assert_true(flow_took_ms(two) >= 4 * 50);
  assert_int_equal(s->singles, 10); /* nobody is asked about with another's key */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_many_jobs_share_their_questions),
      FLOW_TEST(test_the_order_of_an_answer_does_not_matter),
      FLOW_TEST(test_jobs_that_are_told_twice_end_once),
      FLOW_TEST(test_a_bare_array_is_an_answer_too),
      FLOW_TEST(test_js_14_jobs_that_an_answer_lacks_are_asked_about_alone),
      FLOW_TEST(test_js_14_jobs_that_nobody_knows_end_with_an_error),
      FLOW_TEST(test_items_with_errors_end_their_own_jobs_only),
      FLOW_TEST(test_a_refused_question_about_many_is_asked_one_by_one),
      FLOW_TEST(test_a_forbidden_question_about_many_is_asked_one_by_one),
      FLOW_TEST(test_an_error_of_status_200_about_many_is_asked_one_by_one),
      FLOW_TEST(test_no_json_about_many_is_asked_one_by_one),
      FLOW_TEST(test_an_empty_answer_about_many_is_asked_one_by_one),
      FLOW_TEST(test_questions_about_many_that_fail_in_passing_are_asked_again),
      FLOW_TEST(test_retry_after_is_for_all_jobs_of_a_key),
      FLOW_TEST(test_api_01_a_done_may_cancel_the_jobs_of_the_same_answer),
      FLOW_TEST(test_api_01_a_done_may_close_the_engine),
      FLOW_TEST(test_a_question_that_nobody_waits_for_is_given_up),
      FLOW_TEST(test_the_pace_is_kept_for_each_key),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
