/* A gauge beside an engine, as the harness has them: a callback that takes its time is seen and
 * judged, one that does not is not, and the gauge looks behind what the engine does in its turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/result/certificate.h"
#include "bench/load/run/gauge.h"
#include "support/flow.h"

#define MS UINT64_C(1000000)
/* Thirty texts, 5 ms apart. */
#define TEXT CHAT_TEXT("x") "<<sleep 5>>"
#define TEN  TEXT TEXT TEXT TEXT TEXT TEXT TEXT TEXT TEXT TEXT
#define TALK CHAT_HEAD TEN TEN TEN CHAT_END

/* What the callbacks of a request do. */
typedef struct listener {
  gauge *gauge;
  uint64_t events, texts;
  uint64_t work_ns;
  unsigned every; /* which texts are worked on; 0: none */
} listener;

static void burn(uint64_t ns) {
  uint64_t end = uv_hrtime() + ns;
  while (uv_hrtime() < end) continue;
}

static int on_event(flow_call *c, const leat_event *event) {
  listener *l = c->ctx;
  l->events++;
  gauge_event(l->gauge, event);
  if (event->kind == LEAT_EVENT_TEXT && l->every && l->texts++ % l->every == 0) burn(l->work_ns);
  return LEAT_CONTINUE;
}

/* Two chats at once, of which one callback is slow: the other's events are late by it. */
static void run(flow *f, listener *slow, listener *quick, result_point *p) {
  static lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  memset(p, 0, sizeof *p);
  p->certificate.receive_lag = lti_hist_new(&alloc);
  assert_non_null(p->certificate.receive_lag);
  gauge *g = gauge_open(&f->loop, p->certificate.receive_lag);
  assert_non_null(g);
  slow->gauge = quick->gauge = g;
  peer *server = flow_peer(f, (const char *const[]){TALK, NULL});
  gauge_mark(g, uv_hrtime());
  flow_call *calls[] = {flow_chat(f, server), flow_chat(f, server)};
  calls[0]->on_event = calls[1]->on_event = on_event;
  calls[0]->ctx = slow;
  calls[1]->ctx = quick;
  flow_wait(f);
  gauge_reading reading;
  gauge_read(g, uv_hrtime(), &reading);
  gauge_close(g);
  uv_run(&f->loop, UV_RUN_NOWAIT);
  gauge_free(g);
  for (size_t i = 0; i < 2; i++) flow_assert_error(calls[i], LEAT_OK);
  p->volume.events = slow->events + quick->events;
  p->certificate.busy_share = reading.busy_s / reading.wall_s;
  p->certificate.stalls = reading.stalls;
  certificate_judge(p);
  assert_int_equal(lti_hist_count(p->certificate.receive_lag), p->volume.events);
}

/* Every third text costs 40 ms: most of what comes meanwhile is late. */
static void test_a_slow_callback_is_told_and_judged(void **state) {
  static result_point p;
  listener slow = {.work_ns = 40 * MS, .every = 3}, quick = {0};
  run(*state, &slow, &quick, &p);
  const result_certificate *c = &p.certificate;
  assert_int_equal(c->verdict, RESULT_INVALID);
  assert_true(lti_hist_percentile(c->receive_lag, 99) >= 20000);
  assert_true(c->stalls >= 2);
  assert_true(c->reason_count >= 1);
  assert_non_null(strstr(c->reasons[0].text, "receive lag"));
  lti_hist_free(c->receive_lag);
}

/* Without work the lags are those of the machine, which starves some, but never all. */
static void test_a_quick_callback_has_no_part_in_lag(void **state) {
  static result_point p;
  listener one = {0}, other = {0};
  run(*state, &one, &other, &p);
  assert_true(lti_hist_min(p.certificate.receive_lag) < 10000);
  assert_true(p.certificate.busy_share < 0.9);
  lti_hist_free(p.certificate.receive_lag);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_slow_callback_is_told_and_judged),
      FLOW_TEST(test_a_quick_callback_has_no_part_in_lag),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
