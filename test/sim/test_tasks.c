/* Async tasks in the simulated world: cadence and deadline on its clock, submits that are lost or
 * refused, tasks that are not found at first, words that nobody knows, downloads that are cut.
 * Rows JS-14 and PL-06 where they meet tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_client.h"

/* A step for each request of a kind, in order; the last one stays. */
typedef struct step {
  enum sim_form form; /* 0: as asked for; SIM_ERROR with `status` */
  sim_reply reply;
} step;

typedef struct plan {
  step submits[3], polls[8], fetches[8];
  unsigned submit_count, poll_count, fetch_count;
} plan;

static const step *pick(const step *steps, unsigned count, unsigned n) {
  return &steps[n < count ? n : count - 1];
}

static void script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  const plan *p = ctx;
  const step *s = NULL;
  if (*form == SIM_SUBMIT && p->submit_count) s = pick(p->submits, p->submit_count, job->heads - 1);
  if (*form == SIM_POLL && p->poll_count) s = pick(p->polls, p->poll_count, job->polls);
  if (*form == SIM_CONTENT && p->fetch_count) s = pick(p->fetches, p->fetch_count, job->fetches);
  if (!s) return;
  *reply = s->reply;
  if (s->form) *form = s->form;
}

static const step running = {.reply = {.task_state = "in_progress"}};
static const step completed = {.reply = {.task_state = "completed"}};

/* Runs one task to its end; what the contract demands is checked on the way. */
typedef struct outcome {
  int error;
  enum leat_task_state state;
  unsigned submits, runs, polls, fetches, attempts;
  size_t bytes;
  double ms;
} outcome;

static outcome run_task(plan *p, const sim_want *want) {
  sim_client *c = sim_client_new(3, script, p);
  sim_want task = *want;
  task.task = true;
  if (!task.poll_ms) task.poll_ms = 1000;
  assert_int_equal(sim_client_open(c), LEAT_OK);
  sim_record *r = sim_client_submit(c, &task, NULL);
  assert_non_null(r);
  assert_true(sim_client_run(c, 10000 * SIM_S));
  sim_client_check(c);
  outcome o = {.error = r->result.error,
               .state = r->task_state,
               .submits = r->job->submits,
               .runs = r->job->runs,
               .polls = r->job->polls,
               .fetches = r->job->fetches,
               .attempts = r->result.attempts,
               .bytes = r->text_size,
               .ms = (double)(r->result.times.done_ns - r->result.times.queued_ns) / SIM_MS};
  assert_int_equal(sim_client_end(c), 0);
  return o;
}

static void polls_come_in_cadence_with_jitter_that_only_lengthens(void **state) {
  plan p = {.polls = {running, running, running, completed}, .poll_count = 4};
  (void)state;
  outcome o = run_task(&p, &(sim_want){0});
  assert_int_equal(o.error, LEAT_OK);
  assert_int_equal(o.state, LEAT_TASK_SUCCEEDED);
  assert_int_equal(o.submits, 1);
  assert_int_equal(o.polls, 4);
  assert_true(o.ms >= 4000 && o.ms <= 4420);
}

static void test_js_14_an_unknown_word_means_that_it_runs(void **state) {
  plan p = {.polls = {{.reply = {.task_state = "dreaming"}}, completed}, .poll_count = 2};
  (void)state;
  outcome o = run_task(&p, &(sim_want){0});
  assert_int_equal(o.error, LEAT_OK);
  assert_int_equal(o.polls, 2);
}

static void test_js_14_not_found_right_behind_the_submit_is_asked_again(void **state) {
  step unknown = {.reply = {.task_unknown = true}};
  plan p = {.polls = {unknown, unknown, completed}, .poll_count = 3};
  (void)state;
  assert_int_equal(run_task(&p, &(sim_want){0}).error, LEAT_OK);
  p.poll_count = 1;
  outcome o = run_task(&p, &(sim_want){0});
  assert_int_not_equal(o.error, LEAT_OK);
  assert_int_equal(o.polls, 6);
}

static void a_task_that_failed_says_so(void **state) {
  plan p = {.polls = {running, {.reply = {.task_state = "failed"}}}, .poll_count = 2};
  (void)state;
  outcome o = run_task(&p, &(sim_want){0});
  assert_int_equal(o.error, LEAT_ETASKFAILED);
  assert_int_equal(o.state, LEAT_TASK_FAILED);
}

/* ---- deadlines */

static void assert_ends_in_time(plan *p) {
  outcome o = run_task(p, &(sim_want){.deadline_ms = 5000, .download = true, .text_size = 3000});
  assert_int_equal(o.error, LEAT_ETASKTIME);
  assert_true(o.ms >= 5000 && o.ms < 5005);
}

static void the_deadline_holds_between_polls(void **state) {
  plan p = {.polls = {running}, .poll_count = 1};
  (void)state;
  assert_ends_in_time(&p);
}

static void the_deadline_holds_in_a_stalled_submit(void **state) {
  plan p = {.submits = {{.reply = {.mute = true}}}, .submit_count = 1};
  (void)state;
  assert_ends_in_time(&p);
}

static void the_deadline_holds_in_a_stalled_poll(void **state) {
  plan p = {.polls = {{.reply = {.mute = true}}}, .poll_count = 1};
  (void)state;
  assert_ends_in_time(&p);
}

static void the_deadline_holds_in_a_stalled_download(void **state) {
  plan p = {
      .polls = {completed},
      .poll_count = 1,
      .fetches = {{.reply = {.stall_ns = 60 * SIM_S, .stall_permille = 500, .piece_max = 200}}},
      .fetch_count = 1};
  (void)state;
  assert_ends_in_time(&p);
}

/* ---- submits */

static void a_submit_that_was_lost_is_uncertain_and_not_repeated(void **state) {
  plan p = {.submit_count = 1};
  (void)state;
  p.submits[0].reply = (sim_reply){.mute = true, .ran = true, .cut = SIM_CUT_FIN};
  outcome o = run_task(&p, &(sim_want){.retries = 5});
  assert_int_equal(o.error, LEAT_EUNCERTAIN);
  assert_int_equal(o.submits, 1);
  p.submits[0] = (step){SIM_ERROR, {.status = 502, .ran = true}};
  o = run_task(&p, &(sim_want){.retries = 5});
  assert_int_equal(o.error, LEAT_EUNCERTAIN);
  assert_int_equal(o.runs, 1);
}

static void a_submit_that_was_refused_for_sure_is_repeated(void **state) {
  static const step refusals[] = {
      {SIM_ERROR, {.status = 429}},
      {SIM_ERROR, {.status = 503, .more = "Retry-After: 1\r\n"}},
  };
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    plan p = {.submits = {refusals[i], {.reply = {.status = 200}}},
              .submit_count = 2,
              .polls = {completed},
              .poll_count = 1};
    outcome o = run_task(&p, &(sim_want){.retries = 2});
    assert_int_equal(o.error, LEAT_OK);
    assert_int_equal(o.submits, 2);
    assert_int_equal(o.runs, 1);
  }
}

static void polls_that_fail_in_passing_do_not_end_a_task(void **state) {
  plan p = {.polls = {{SIM_ERROR, {.status = 500}},
                      {.reply = {.mute = true, .cut = SIM_CUT_RESET}},
                      {SIM_ERROR, {.status = 502}},
                      running,
                      {.reply = {.cut = SIM_CUT_FIN, .cut_permille = 500}},
                      completed},
            .poll_count = 6};
  (void)state;
  outcome o = run_task(&p, &(sim_want){.retries = LEAT_NONE});
  assert_int_equal(o.error, LEAT_OK);
  assert_int_equal(o.polls, 6);
}

/* ---- downloads */

static plan downloads(step first, step later) {
  return (plan){.polls = {completed}, .poll_count = 1, .fetches = {first, later}, .fetch_count = 2};
}

static void a_download_that_is_cut_goes_on_where_it_was(void **state) {
  static const enum sim_framing framings[] = {SIM_CHUNKED, SIM_LENGTH};
  (void)state;
  for (size_t i = 0; i < 2; i++)
    for (unsigned permille = 0; permille <= 1000; permille += 50) {
      step cut = {.reply = {.framing = framings[i],
                            .cut = SIM_CUT_FIN,
                            .cut_permille = permille,
                            .piece_max = 500}};
      plan p = downloads(cut, (step){0});
      outcome o = run_task(&p, &(sim_want){.download = true, .text_size = 4000});
      assert_int_equal(o.error, LEAT_OK);
      assert_true(o.bytes >= 4000);
      assert_in_range(o.fetches, permille < 1000 ? 2 : 1, 2);
    }
}

/* A range that only the connection's end delimits: its total stands in Content-Range. */
static void a_range_that_ends_early_is_not_taken_for_whole(void **state) {
  step cut = {.reply = {.cut = SIM_CUT_FIN, .cut_permille = 300, .piece_max = 100}};
  step early = {
      .reply = {
          .framing = SIM_UNTIL_CLOSE, .cut = SIM_CUT_FIN, .cut_permille = 600, .piece_max = 100}};
  plan p = downloads(cut, early);
  (void)state;
  p.fetches[2] = (step){0};
  p.fetch_count = 3;
  outcome o = run_task(&p, &(sim_want){.download = true, .text_size = 4000});
  assert_int_equal(o.error, LEAT_OK);
  assert_int_equal(o.fetches, 3);
  assert_true(o.bytes >= 4000);
}

static void downloads_without_progress_end(void **state) {
  step nothing = {.reply = {.cut = SIM_CUT_FIN, .cut_permille = 20}};
  plan p = downloads(nothing, nothing);
  (void)state;
  outcome o = run_task(&p, &(sim_want){.download = true, .text_size = 4000, .retries = LEAT_NONE});
  assert_int_not_equal(o.error, LEAT_OK);
  assert_in_range(o.fetches, 2, 10);
}

static void a_server_that_ignores_the_range_is_found_out(void **state) {
  step cut = {.reply = {.cut = SIM_CUT_FIN, .cut_permille = 500, .piece_max = 200}};
  plan p = downloads(cut, (step){.reply = {.no_range = true}});
  (void)state;
  outcome o = run_task(&p, &(sim_want){.download = true, .text_size = 4000});
  assert_int_equal(o.error, LEAT_EIO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(polls_come_in_cadence_with_jitter_that_only_lengthens),
      cmocka_unit_test(test_js_14_an_unknown_word_means_that_it_runs),
      cmocka_unit_test(test_js_14_not_found_right_behind_the_submit_is_asked_again),
      cmocka_unit_test(a_task_that_failed_says_so),
      cmocka_unit_test(the_deadline_holds_between_polls),
      cmocka_unit_test(the_deadline_holds_in_a_stalled_submit),
      cmocka_unit_test(the_deadline_holds_in_a_stalled_poll),
      cmocka_unit_test(the_deadline_holds_in_a_stalled_download),
      cmocka_unit_test(a_submit_that_was_lost_is_uncertain_and_not_repeated),
      cmocka_unit_test(a_submit_that_was_refused_for_sure_is_repeated),
      cmocka_unit_test(polls_that_fail_in_passing_do_not_end_a_task),
      cmocka_unit_test(a_download_that_is_cut_goes_on_where_it_was),
      cmocka_unit_test(a_range_that_ends_early_is_not_taken_for_whole),
      cmocka_unit_test(downloads_without_progress_end),
      cmocka_unit_test(a_server_that_ignores_the_range_is_found_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
