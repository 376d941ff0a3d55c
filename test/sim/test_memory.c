/* Whole scenarios in which allocation N fails, for every N, alone and with all behind it: each
 * submit is refused with LEAT_ENOMEM or has exactly one done, whatever its result; nothing leaks,
 * and what succeeds is whole (rows RS-02 and P9). The rest of the contract is watched as always, in
 * sim_client.h. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_client.h"

typedef struct plan {
  void (*submit)(sim_client *c);
  void (*script)(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply);
  enum leat_close_mode close;
  uint64_t close_after_ns;
  size_t read_max;
  bool borrowed;
  unsigned faults, runs, refused, failed, whole;
} plan;

static void submit(sim_client *c, const sim_want *want) {
  plan *p = c->ctx;
  int error;
  if (sim_client_submit(c, want, &error)) return;
  p->refused++;
  if (error != LEAT_ENOMEM) sim_client_fault(c, "submit gives %s", leat_error_name(error));
}

static void close_now(void *ctx) {
  sim_client *c = ctx;
  if (!c->closing) sim_client_close(c, ((plan *)c->ctx)->close);
}

static void scenario(const leat_allocator *fns, void *ctx) {
  plan *p = ctx;
  sim_client *c = sim_client_new(7, p->script, p);
  c->config.allocator = *fns;
  c->config.conns_max = 2;
  c->w->owned = !p->borrowed;
  c->w->weather.read_max = p->read_max;
  if (sim_client_open(c) == LEAT_OK) {
    p->submit(c);
    if (p->close_after_ns) sim_ours_after(c->w, p->close_after_ns, close_now, c);
    sim_client_run(c, 1000 * SIM_S);
    sim_client_check(c);
  }
  for (size_t i = 0; i < c->count; i++) {
    if (!c->records[i].accepted) continue;
    p->whole += c->records[i].result.error == LEAT_OK;
    p->failed += c->records[i].result.error != LEAT_OK;
  }
  p->runs++;
  p->faults += sim_client_end(c);
}

static void assert_survives(plan *p, unsigned calls_min) {
  uint64_t calls = failing_at_every_n(scenario, p);
  printf("%llu allocations, %u runs: %u submits refused, %u results failed, %u whole\n",
         (unsigned long long)calls, p->runs, p->refused, p->failed, p->whole);
  assert_int_equal(p->faults, 0);
  assert_true(calls >= calls_min);
  assert_true(p->refused > 0 && p->failed > 0 && p->whole > 0);
}

/* ---- streams, an answer in one piece, a task */

static void mixed(sim_client *c) {
  submit(c, &(sim_want){.text_size = 600, .pause_permille = 300, .pause_ns = 40 * SIM_MS});
  submit(c, &(sim_want){.text_size = 300});
  submit(c, &(sim_want){.text_size = 300, .once = true, .origin = "http://many.sim"});
  submit(c, &(sim_want){.text_size = 300, .json = true});
  submit(c, &(sim_want){.text_size = 300, .task = true, .download = true, .poll_ms = 20});
}

static void mixed_script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  (void)ctx;
  reply->piece_max = 150;
  reply->pause_ns = SIM_MS;
  if (job->number == 3) *form = SIM_JSON;
  if (*form == SIM_POLL && job->polls >= 1) reply->task_state = "completed";
  if (*form == SIM_CONTENT && job->fetches == 0) {
    reply->cut = SIM_CUT_RESET;
    reply->cut_permille = 700;
  }
}

static void test_rs_02_streams_and_a_task(void **state) {
  plan p = {.submit = mixed, .script = mixed_script};
  (void)state;
  assert_survives(&p, 100);
}

static void test_rs_02_the_same_in_small_reads_on_a_borrowed_loop(void **state) {
  plan p = {.submit = mixed, .script = mixed_script, .borrowed = true, .read_max = 37};
  (void)state;
  assert_survives(&p, 100);
}

static void test_rs_02_closed_in_the_middle(void **state) {
  plan p = {.submit = mixed,
            .script = mixed_script,
            .close = LEAT_CLOSE_NOW,
            .close_after_ns = 15 * SIM_MS,
            .borrowed = true};
  (void)state;
  assert_survives(&p, 80);
}

/* ---- refusals, repeats, redirects, replays */

static void troubled(sim_client *c) {
  submit(c, &(sim_want){.text_size = 100});
  submit(c, &(sim_want){.text_size = 100, .body_pad = 100000});
  submit(c, &(sim_want){.text_size = 100, .json = true});
  submit(c, &(sim_want){.text_size = 100});
  submit(c, &(sim_want){.text_size = 100, .deadlines = {.head_ms = 50}});
  submit(c, &(sim_want){.text_size = 100});
}

static void troubled_script(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply) {
  (void)ctx;
  if (job->number == 2) *form = SIM_JSON;
  if (job->heads > 1) return;
  switch (job->number) {
    case 0: *form = SIM_REDIRECT; break;
    case 1:
    case 2:
      *form = SIM_ERROR;
      reply->status = 503;
      reply->more = "Retry-After: 1\r\nx-request-id: r1\r\n";
      break;
    case 5:
      *form = SIM_ERROR;
      reply->status = 400;
      break;
    case 3:
      reply->mute = reply->ran = true;
      reply->cut = SIM_CUT_FIN;
      break;
    default: reply->mute = true; break;
  }
}

static void test_rs_02_refusals_repeats_and_redirects(void **state) {
  plan p = {.submit = troubled, .script = troubled_script};
  (void)state;
  assert_survives(&p, 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rs_02_streams_and_a_task),
      cmocka_unit_test(test_rs_02_the_same_in_small_reads_on_a_borrowed_loop),
      cmocka_unit_test(test_rs_02_closed_in_the_middle),
      cmocka_unit_test(test_rs_02_refusals_repeats_and_redirects),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
