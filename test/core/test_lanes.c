/* Lanes in a whole engine: order within a lane, many lanes at once, supersede, priorities, and what
 * cancel, close, pause and deadlines mean to those that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define SLOW CHAT_HEAD CHAT_TEXT("a") "<<sleep 40>>" CHAT_END
#define HANG CHAT_HEAD CHAT_TEXT("a") "<<silent>>"

static flow_call *in_lane(flow *f, const peer *p, const char *lane) {
  f->request.base_url = peer_url(p);
  f->request.lane = lane;
  f->request.body = lti_slice_of(FLOW_BODY);
  return flow_submit(f);
}

/* The calls in the order of their ends. */
typedef struct ends {
  int order[64], count;
} ends;

static void note_end(flow_call *c, const leat_result *result) {
  ends *e = c->ctx;
  (void)result;
  if (e->count < 64) e->order[e->count++] = c->number;
}

static void test_a_lane_runs_one_at_a_time_in_order(void **state) {
  flow *f = *state;
  ends e = {.count = 0};
  peer *p = flow_peer(f, (const char *const[]){SLOW, CHAT_HELLO, SLOW, CHAT_HELLO, NULL});
  for (int i = 0; i < 8; i++) {
    flow_call *c = in_lane(f, p, "chat");
    c->number = i;
    c->ctx = &e;
    c->on_done = note_end;
  }
  assert_int_equal(flow_stats(f).lanes_live, 1);
  assert_int_equal(flow_stats(f).requests_queued, 8);
  flow_wait(f);
  for (int i = 0; i < 8; i++) assert_int_equal(e.order[i], i);
  assert_int_equal(peer_conns(p), 1);
  assert_int_equal(flow_stats(f).lanes_live, 0);
  assert_int_equal(flow_stats(f).requests_queued, 0);
  assert_int_equal(flow_stats(f).requests_completed, 8);
}

static void test_lanes_run_beside_each_other(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HANG, HANG, HANG, NULL});
  flow_call *c[3];
  static const char *const names[] = {"a", "b", "c"};
  for (int i = 0; i < 3; i++) c[i] = in_lane(f, p, names[i]);
  for (int i = 0; i < 3; i++) flow_wait_events(f, c[i], 2);
  assert_int_equal(flow_stats(f).lanes_live, 3);
  for (int i = 0; i < 3; i++) leat_cancel(f->engine, c[i]->id);
  flow_wait(f);
}

static void test_the_time_in_a_lane_is_told(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){SLOW, CHAT_HELLO, NULL});
  flow_call *first = in_lane(f, p, "chat"), *second = in_lane(f, p, "chat");
  flow_wait(f);
  assert_int_equal(first->error, LEAT_OK);
  assert_true(second->result.limited_ns >= 35000000);
  assert_true(first->result.limited_ns < second->result.limited_ns);
}

static void again_in_done(flow_call *c, const leat_result *result) {
  int *left = c->ctx;
  (void)result;
  if (--*left <= 0) return;
  flow_call *next = flow_submit(c->flow);
  next->ctx = left;
  next->on_done = again_in_done;
}

/* Whoever answers in done has the lane's next turn: it never was idle. */
static void test_the_next_may_be_submitted_in_done(void **state) {
  flow *f = *state;
  int left = 20;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = in_lane(f, p, "chat");
  c->ctx = &left;
  c->on_done = again_in_done;
  flow_wait(f);
  assert_int_equal(left, 0);
  assert_int_equal(peer_requests(p), 20);
}

static void test_supersede_ends_those_that_wait_and_run(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HANG, CHAT_HELLO, NULL});
  flow_call *running = in_lane(f, p, "chat");
  flow_wait_events(f, running, 2);
  flow_call *waiting = in_lane(f, p, "chat");
  f->request.supersede = true;
  flow_call *newest = in_lane(f, p, "chat");
  flow_wait(f);
  flow_assert_error(running, LEAT_ESUPERSEDED);
  flow_assert_error(waiting, LEAT_ESUPERSEDED);
  assert_int_equal(leat_error_class(running->error), LEAT_CLASS_SUPERSEDED);
  assert_string_equal(running->text, "a");
  flow_assert_error(newest, LEAT_OK);
  leat_stats stats = flow_stats(f);
  assert_int_equal(stats.requests_superseded, 2);
  assert_int_equal(stats.requests_cancelled, 2);
  assert_int_equal(stats.requests_completed, 1);
}

/* Told within one turn of the loop, and before anything of the new one. */
static void test_supersede_is_told_in_the_next_turn(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HANG, CHAT_HELLO, NULL});
  flow_call *running = in_lane(f, p, "chat");
  flow_wait_events(f, running, 2);
  f->request.supersede = true;
  in_lane(f, p, "chat");
  uint64_t turns = flow_stats(f).turns;
  flow_wait_for(f, running);
  assert_true(flow_stats(f).turns <= turns + 1);
  flow_wait(f);
}

static int supersede_itself(flow_call *c, const leat_event *event) {
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  c->on_event = NULL;
  c->flow->request.supersede = true;
  flow_submit(c->flow);
  return LEAT_PAUSE; /* of no meaning any more */
}

static void test_a_callback_may_supersede_its_own_request(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HANG, CHAT_HELLO, NULL});
  flow_call *c = in_lane(f, p, "chat");
  c->on_event = supersede_itself;
  flow_wait(f);
  flow_assert_error(c, LEAT_ESUPERSEDED);
  assert_int_equal(flow_stats(f).requests_completed, 1);
}

static int pause_once(flow_call *c, const leat_event *event) {
  bool text = event->kind == LEAT_EVENT_TEXT;
  if (text) c->on_event = NULL;
  return text ? LEAT_PAUSE : LEAT_CONTINUE;
}

/* Its answer is there, but its reader sleeps: it still has the lane, and loses it. */
static void test_a_paused_one_keeps_the_lane_until_it_is_superseded(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END, CHAT_HELLO, NULL});
  flow_call *paused = in_lane(f, p, "chat");
  paused->on_event = pause_once;
  flow_wait_events(f, paused, 2);
  flow_call *next = in_lane(f, p, "chat");
  flow_run(f, 60);
  assert_int_equal(next->dones, 0);
  assert_int_equal(peer_requests(p), 1);
  f->request.supersede = true;
  flow_call *newest = in_lane(f, p, "chat");
  flow_wait(f);
  flow_assert_error(paused, LEAT_ESUPERSEDED);
  flow_assert_error(next, LEAT_ESUPERSEDED);
  flow_assert_error(newest, LEAT_OK);
}

static void test_a_resumed_one_hands_the_lane_on(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END, CHAT_HELLO, NULL});
  flow_call *paused = in_lane(f, p, "chat");
  paused->on_event = pause_once;
  flow_wait_events(f, paused, 2);
  flow_call *next = in_lane(f, p, "chat");
  leat_resume(f->engine, paused->id);
  flow_wait(f);
  flow_assert_error(paused, LEAT_OK);
  assert_string_equal(paused->text, "ab");
  flow_assert_error(next, LEAT_OK);
}

static void test_cancelled_ones_leave_the_lane_in_order(void **state) {
  flow *f = *state;
  ends e = {.count = 0};
  flow_call *c[6];
  peer *p = flow_peer(f, (const char *const[]){SLOW, CHAT_HELLO, NULL});
  for (int i = 0; i < 6; i++) {
    c[i] = in_lane(f, p, "chat");
    c[i]->number = i;
    c[i]->ctx = &e;
    c[i]->on_done = note_end;
  }
  leat_cancel(f->engine, c[1]->id);
  leat_cancel(f->engine, c[4]->id);
  flow_wait(f);
  static const int order[] = {1, 4, 0, 2, 3, 5};
  for (int i = 0; i < 6; i++) assert_int_equal(e.order[i], order[i]);
  flow_assert_error(c[1], LEAT_ECANCELLED);
  flow_assert_error(c[5], LEAT_OK);
  assert_int_equal(peer_requests(p), 4);
}

static void test_the_running_one_cancelled_lets_the_next_begin(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HANG, CHAT_HELLO, NULL});
  flow_call *first = in_lane(f, p, "chat"), *second = in_lane(f, p, "chat");
  flow_wait_events(f, first, 2);
  leat_cancel(f->engine, first->id);
  flow_wait(f);
  flow_assert_error(first, LEAT_ECANCELLED);
  flow_assert_error(second, LEAT_OK);
}

static void test_deadlines_run_while_a_lane_is_waited_for(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HANG, NULL});
  flow_call *first = in_lane(f, p, "chat");
  flow_wait_events(f, first, 2);
  f->request.deadlines.queue_ms = 30;
  flow_call *queue = in_lane(f, p, "chat");
  f->request.deadlines = (leat_deadlines){.total_ms = 30};
  flow_call *total = in_lane(f, p, "chat");
  flow_wait_for(f, queue);
  flow_wait_for(f, total);
  flow_assert_error(queue, LEAT_EQUEUETIMEOUT);
  flow_assert_error(total, LEAT_ETOTALTIMEOUT);
  assert_int_equal(queue->result.attempts, 0);
  leat_cancel(f->engine, first->id);
  flow_wait(f);
}

static void test_a_retry_keeps_the_lane(void **state) {
  flow *f = *state;
  f->request.retries = 1;
  ends e = {.count = 0};
  peer *p = flow_peer(f, (const char *const[]){
                             "HTTP/1.1 503 Busy\r\nRetry-After-Ms: 30\r\nContent-Length: 0\r\n\r\n",
                             CHAT_HELLO, NULL});
  for (int i = 0; i < 3; i++) {
    flow_call *c = in_lane(f, p, "chat");
    c->number = i;
    c->ctx = &e;
    c->on_done = note_end;
  }
  flow_wait(f);
  for (int i = 0; i < 3; i++) assert_int_equal(e.order[i], i);
  assert_int_equal(flow_stats(f).requests_retried, 1);
}

static void test_drain_runs_the_lanes_to_their_ends(void **state) {
  flow *f = *state;
  flow_call *c[4];
  peer *p = flow_peer(f, (const char *const[]){SLOW, CHAT_HELLO, NULL});
  for (int i = 0; i < 4; i++) c[i] = in_lane(f, p, "chat");
  flow_close(f, LEAT_CLOSE_DRAIN);
  for (int i = 0; i < 4; i++) flow_assert_error(c[i], LEAT_OK);
}

static void test_now_cancels_who_waits(void **state) {
  flow *f = *state;
  flow_call *c[4];
  peer *p = flow_peer(f, (const char *const[]){HANG, NULL});
  for (int i = 0; i < 4; i++) c[i] = in_lane(f, p, i < 2 ? "a" : "b");
  flow_wait_events(f, c[0], 2);
  flow_close(f, LEAT_CLOSE_NOW);
  for (int i = 0; i < 4; i++) flow_assert_error(c[i], LEAT_ECANCELLED);
}

static void test_the_queue_is_bounded(void **state) {
  flow *f = *state;
  f->config.queue_max = 3;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 3; i++) in_lane(f, p, "chat");
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, LEAT_EQUEUEFULL);
  flow_wait(f);
  assert_int_equal(flow_stats(f).lanes_live, 0);
}

static void test_what_contradicts_itself_is_refused(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = in_lane(f, p, "chat");
  const leat_request good = f->request;
  f->request.lane_weight = 1001;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request = good;
  f->request.lane_weight = -1;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request = good;
  f->request.priority = 9;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request = good;
  f->request.tokens = -1;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request = good;
  f->request.lane = NULL;
  f->request.supersede = true;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request = good;
  f->request.protocol = "chat-ws";
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  flow_assert_has(leat_last_message(f->engine), "socket");
  f->request = good;
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

/* One connection, so that one runs while the others wait: the highest goes next. */
static void test_priorities_go_first(void **state) {
  flow *f = *state;
  ends e = {.count = 0};
  static const int priorities[] = {0, -8, 0, 8, 3};
  static const int order[] = {3, 4, 0, 2, 1};
  f->config.conns_max = 1;
  f->config.limits = &(leat_limit){.concurrency = 1};
  f->config.limit_count = 1;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 5; i++) {
    f->request.priority = priorities[i];
    flow_call *c = in_lane(f, p, NULL);
    c->number = i;
    c->ctx = &e;
    c->on_done = note_end;
  }
  flow_wait(f);
  for (int i = 0; i < 5; i++) assert_int_equal(e.order[i], order[i]);
}

/* Every allocation of a submit with a lane, failed once: it is refused or served, and nothing is
 * left. */
static void test_lanes_without_memory(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  in_lane(f, p, "warm");
  flow_wait(f);
  unsigned refused = 0, served = 0;
  for (uint64_t n = 1; n <= 40; n++) {
    f->request.supersede = n % 2;
    f->memory.fail_at = f->memory.calls + n;
    flow_call *c = flow_try(f), *d = flow_try(f);
    flow_wait(f);
    f->memory.fail_at = 0;
    refused += c->error == LEAT_ENOMEM;
    refused += d->error == LEAT_ENOMEM;
    served += d->error == LEAT_OK;
    assert_int_equal(flow_stats(f).lanes_live, 0);
    assert_int_equal(flow_stats(f).requests_queued, 0);
  }
  assert_true(refused > 8 && served > 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_lane_runs_one_at_a_time_in_order),
      FLOW_TEST(test_lanes_run_beside_each_other),
      FLOW_TEST(test_the_time_in_a_lane_is_told),
      FLOW_TEST(test_the_next_may_be_submitted_in_done),
      FLOW_TEST(test_supersede_ends_those_that_wait_and_run),
      FLOW_TEST(test_supersede_is_told_in_the_next_turn),
      FLOW_TEST(test_a_callback_may_supersede_its_own_request),
      FLOW_TEST(test_a_paused_one_keeps_the_lane_until_it_is_superseded),
      FLOW_TEST(test_a_resumed_one_hands_the_lane_on),
      FLOW_TEST(test_cancelled_ones_leave_the_lane_in_order),
      FLOW_TEST(test_the_running_one_cancelled_lets_the_next_begin),
      FLOW_TEST(test_deadlines_run_while_a_lane_is_waited_for),
      FLOW_TEST(test_a_retry_keeps_the_lane),
      FLOW_TEST(test_drain_runs_the_lanes_to_their_ends),
      FLOW_TEST(test_now_cancels_who_waits),
      FLOW_TEST(test_the_queue_is_bounded),
      FLOW_TEST(test_what_contradicts_itself_is_refused),
      FLOW_TEST(test_priorities_go_first),
      FLOW_TEST(test_lanes_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
