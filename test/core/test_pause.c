/* Pause and resume: nothing is delivered, nothing is lost, memory is bounded, and of the clocks
 * only `total` runs (row PL-05; design: pause). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

static int pause_always(flow_call *c, const leat_event *event) {
  (void)c, (void)event;
  return LEAT_PAUSE;
}

static int pause_once(flow_call *c, const leat_event *event) {
  return event->kind == LEAT_EVENT_TEXT && c->number++ == 0 ? LEAT_PAUSE : LEAT_CONTINUE;
}

/* Resumes whenever it is paused, event by event. */
static void step_through(flow *f, const flow_call *c) {
  unsigned seen = c->events;
  for (int i = 0; i < 5000 && !c->dones; i++) {
    unsigned before = c->events;
    leat_resume(f->engine, c->id);
    assert_int_equal(c->events, before); /* never from inside */
    flow_wait_events(f, c, seen + 1);
    assert_true(c->events <= seen + 1);
    seen = c->events;
  }
}

static void test_every_event_paused_is_the_same_answer(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_TEXT("c") CHAT_END,
             CHAT_HEAD
             "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"a\","
             "\"content\":\"bc\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,"
             "\"completion_tokens\":2,\"total_tokens\":3}}\n\n" CHAT_DONE "<<last>>",
             CHAT_JSON, NULL});
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = pause_always;
    flow_wait_events(f, c, 1);
    step_through(f, c);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, i < 2 ? "abc" : "hello");
  }
  assert_int_equal(flow_stats(f).held_bytes, 0);
}

static void test_no_event_comes_while_paused(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") "<<sleep 20>>" CHAT_TEXT("c") CHAT_END, NULL});
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_once;
  flow_run(f, 120);
  assert_string_equal(c->text, "a");
  assert_int_equal(c->dones, 0);
  assert_int_equal(leat_resume(f->engine, c->id), LEAT_OK);
  assert_int_equal(leat_resume(f->engine, c->id), LEAT_OK);
  assert_string_equal(c->text, "a");
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "abc");
  assert_int_equal(leat_resume(f->engine, c->id), LEAT_ENOTFOUND);
}

/* The peer's end comes in the pause; it is told behind what was held. */
static void test_an_end_in_the_pause_is_told_after_the_rest(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END "<<close>>",
                               CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") "<<close>>",
                               "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" CHAT_TEXT("a")
                                   CHAT_TEXT("b") CHAT_STOP "<<close>>",
                               NULL});
  static const int errors[] = {LEAT_OK, LEAT_ETRUNCATED, LEAT_OK};
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = pause_once;
    flow_run(f, 60);
    assert_int_equal(c->dones, 0);
    leat_resume(f->engine, c->id);
    flow_wait(f);
    flow_assert_error(c, errors[i]);
    assert_string_equal(c->text, "ab");
  }
}

static void test_a_pause_on_the_head(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, REFUSED("400 No", "x"), NULL});
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = pause_always;
    flow_run(f, 60);
    assert_string_equal(c->kinds, "H");
    assert_int_equal(c->dones, 0);
    step_through(f, c);
    flow_assert_error(c, i == 0 ? LEAT_OK : LEAT_ESTATUS);
  }
}

static void test_while_paused_only_total_runs(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){
                       CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") "<<sleep 150>>" CHAT_END, NULL});
  f->request.deadlines = (leat_deadlines){.head_ms = 60, .first_ms = 60, .gap_ms = 60};
  f->request.deadlines.idle_ms = 60;
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_once;
  flow_run(f, 200);
  assert_int_equal(c->dones, 0);
  leat_resume(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_the_clocks_start_anew_behind_a_pause(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<silent>>", NULL});
  f->request.deadlines.gap_ms = 80;
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_once;
  flow_run(f, 120);
  uint64_t from = uv_hrtime();
  leat_resume(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_EGAPTIMEOUT);
  assert_true(uv_hrtime() - from >= 79000000ull);
}

static void test_total_ends_a_paused_request(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END,
                                               CHAT_HEAD CHAT_TEXT("a") "<<silent>>", NULL});
  f->request.deadlines.total_ms = 80;
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = pause_once;
    flow_wait(f);
    flow_assert_error(c, LEAT_ETOTALTIMEOUT);
    assert_string_equal(c->text, "a");
  }
  assert_int_equal(flow_stats(f).held_bytes, 0);
}

static void test_cancel_ends_a_paused_request(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END, NULL});
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_once;
  flow_run(f, 60);
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_string_equal(c->text, "a");
}

static int cancel_then_read(flow_call *c, const leat_event *event) {
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  if (c->number++ == 0) return LEAT_PAUSE;
  leat_cancel(c->flow->engine, c->id);
  /* The views of the event live until this callback returns. */
  if (!lti_slice_is(event->text, "b") || event->raw.size == 0) c->flow->faults++;
  return LEAT_CONTINUE;
}

/* "b" comes from the hold: two texts of one record. */
static void test_cancel_inside_a_held_event_keeps_its_views(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD
             "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,"
             "\"delta\":{\"content\":\"b\"}},{\"index\":2,\"delta\":{\"content\":\"c\"}}]}\n\n"
             "<<silent>>",
             NULL});
  flow_call *c = flow_chat(f, p);
  c->on_event = cancel_then_read;
  flow_run(f, 60);
  assert_string_equal(c->text, "a");
  leat_resume(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_string_equal(c->text, "ab");
}

static void flood(peer_link *l, void *ctx) {
  (void)ctx;
  if (!peer_read(l) || !peer_say(l, CHAT_HEAD CHAT_TEXT("a"))) return;
  for (int i = 0; i < 64; i++)
    if (!peer_say(l, ": <<fill 262144>>\n")) return;
  peer_say(l, "\n\n" CHAT_END);
}

/* PL-05: 16 MB wait; what is held is one read and one record, not more. */
static void test_pl_05_memory_is_flat_while_the_reader_sleeps(void **state) {
  flow *f = *state;
  peer *p = flow_peer_script(f, flood, NULL);
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_once;
  flow_wait_events(f, c, 2);
  flow_run(f, 50);
  size_t before = f->memory.live_bytes;
  flow_run(f, 150);
  assert_true(f->memory.live_bytes <= before + 1024);
  assert_true(flow_stats(f).held_bytes <= 160 * 1024);
  leat_resume(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

#define DELTA(text) "{\"index\":0,\"delta\":{\"content\":\"" text "\"}}"

/* What is held is the rest of a read in one case, the rest of a record in the other. */
static void test_held_bytes_max_is_a_named_error(void **state) {
  flow *f = *state;
  f->config.held_bytes_max = 10;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD "data: {\"choices\":[" DELTA("a") "]}\n\ndata: {\"choices\":[" DELTA(
                 "b") "]}\n\n" CHAT_END,
             CHAT_HEAD "data: {\"choices\":[" DELTA("a") "," DELTA("b") "]}\n\n" CHAT_END, NULL});
  for (int i = 0; i < 2; i++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = pause_once;
    flow_wait(f); /* told without a resume: nothing is held any more */
    flow_assert_error(c, LEAT_EHELDMAX);
    assert_int_equal(leat_error_class(c->error), LEAT_CLASS_LIMIT);
    assert_int_equal(flow_stats(f).held_bytes, 0);
    assert_string_equal(c->text, "a");
  }
}

static int resume_inside(flow_call *c, const leat_event *event) {
  (void)event;
  leat_resume(c->flow->engine, c->id);
  return LEAT_PAUSE;
}

static int pause_and_resume_sibling(flow_call *c, const leat_event *event) {
  flow_call *sibling = c->ctx;
  (void)event;
  if (sibling) leat_resume(c->flow->engine, sibling->id);
  return LEAT_PAUSE;
}

/* A resume before the pause that the callback is about to ask for ends nothing. */
static void test_api_01_resume_inside_the_callback_that_pauses(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  c->on_event = resume_inside;
  flow_wait_events(f, c, 1);
  step_through(f, c);
  flow_assert_error(c, LEAT_OK);
}

static void test_api_01_siblings_resume_each_other(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f,
      (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_TEXT("c") CHAT_END, NULL});
  flow_call *a = flow_chat(f, p), *b = flow_chat(f, p);
  a->on_event = b->on_event = pause_and_resume_sibling;
  a->ctx = b;
  b->ctx = a;
  for (int i = 0; i < 100 && f->live; i++) {
    flow_run(f, 5);
    leat_resume(f->engine, a->id);
    leat_resume(f->engine, b->id);
  }
  flow_assert_error(a, LEAT_OK);
  flow_assert_error(b, LEAT_OK);
  assert_string_equal(a->text, "abc");
  assert_string_equal(b->text, "abc");
}

static void test_a_paused_request_does_not_hold_up_another(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END, NULL});
  flow_call *asleep = flow_chat(f, p);
  asleep->on_event = pause_once;
  flow_wait_events(f, asleep, 2);
  flow_call *c = flow_chat(f, p);
  flow_wait_for(f, c);
  flow_assert_error(c, LEAT_OK);
  flow_close(f, LEAT_CLOSE_NOW);
  flow_assert_error(asleep, LEAT_ECANCELLED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_every_event_paused_is_the_same_answer),
      FLOW_TEST(test_no_event_comes_while_paused),
      FLOW_TEST(test_an_end_in_the_pause_is_told_after_the_rest),
      FLOW_TEST(test_a_pause_on_the_head),
      FLOW_TEST(test_while_paused_only_total_runs),
      FLOW_TEST(test_the_clocks_start_anew_behind_a_pause),
      FLOW_TEST(test_total_ends_a_paused_request),
      FLOW_TEST(test_cancel_ends_a_paused_request),
      FLOW_TEST(test_cancel_inside_a_held_event_keeps_its_views),
      FLOW_TEST(test_pl_05_memory_is_flat_while_the_reader_sleeps),
      FLOW_TEST(test_held_bytes_max_is_a_named_error),
      FLOW_TEST(test_api_01_resume_inside_the_callback_that_pauses),
      FLOW_TEST(test_api_01_siblings_resume_each_other),
      FLOW_TEST(test_a_paused_request_does_not_hold_up_another),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
