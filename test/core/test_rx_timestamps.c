/* When the kernel had the bytes of an event: on plain TCP and under TLS, on the clock of all other
 * stamps, and not where it was not asked for or is not to be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/flow.h"

#define MS UINT64_C(1000000)
/* Two texts, of which the second comes while the first is still being looked at. */
#define TWO_TEXTS CHAT_HEAD CHAT_TEXT("a") "<<sleep 40>>" CHAT_TEXT("b") CHAT_END

/* What the events of an answer were stamped. */
typedef struct stamps {
  uint64_t submitted_ns;
  unsigned events, stamped, wrong;
  unsigned exact, blurred; /* texts whose segment they ended, and others */
  uint64_t waited_ns;      /* the longest that bytes lay in the kernel */
  uint64_t work_ns;        /* the first text takes so long */
} stamps;

static int on_event(flow_call *c, const leat_event *event) {
  stamps *s = c->ctx;
  s->events++;
  if (event->segment_ns) {
    s->stamped++;
    bool after = event->segment_ns >= s->submitted_ns,
         before = event->segment_ns <= event->received_ns;
    if (!after || !before) s->wrong++;
    if (event->segment_since_ns > event->segment_ns) s->wrong++;
    if (event->kind == LEAT_EVENT_TEXT) *(event->segment_exact ? &s->exact : &s->blurred) += 1;
    uint64_t waited = event->received_ns - event->segment_ns;
    if (before && waited > s->waited_ns) s->waited_ns = waited;
  }
  if (event->kind == LEAT_EVENT_TEXT && s->work_ns) {
    struct timespec rest = {.tv_nsec = (long)s->work_ns};
    nanosleep(&rest, NULL);
    s->work_ns = 0;
  }
  return LEAT_CONTINUE;
}

static flow_call *ask(flow *f, peer *p, stamps *s) {
  s->submitted_ns = uv_hrtime();
  flow_call *c = flow_chat(f, p);
  c->on_event = on_event;
  c->ctx = s;
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(s->events >= 3);
  return c;
}

/* The kernel begins to stamp a moment after it was asked: sooner or later all of an answer are. */
static void assert_stamped_soon(flow *f, peer *p, stamps *s) {
#ifndef LEAT_PORTABLE
  for (int i = 0; i < 100; i++) {
    *s = (stamps){0};
    ask(f, p, s);
    assert_int_equal(s->wrong, 0);
    if (s->stamped == s->events) return;
  }
  fail_msg("%u of %u events are stamped", s->stamped, s->events);
#else
  ask(f, p, s);
  assert_int_equal(s->stamped, 0);
#endif
}

/* Texts with pauses between them have a segment each. Those of one write share it, and only the
 * last of them is known to have come when it did. */
static void assert_exact(flow *f, const char *const *answers, unsigned exact, unsigned blurred) {
  stamps s;
  f->config.rx_timestamps = true;
  peer *p = flow_peer(f, answers);
#ifndef LEAT_PORTABLE
  for (int i = 0; i < 20; i++) {
    s = (stamps){0};
    ask(f, p, &s);
    if (s.exact == exact && s.blurred == blurred) return;
    /* A busy machine reads late, and what has come apart together. */
    assert_true(s.exact <= exact);
  }
  fail_msg("exact %u, others %u", s.exact, s.blurred);
#else
  s = (stamps){0};
  ask(f, p, &s);
  assert_int_equal(s.exact + s.blurred, 0);
  (void)exact, (void)blurred;
#endif
}

#define APART                                                                                     \
  CHAT_HEAD "<<sleep 30>>" CHAT_TEXT("a") "<<sleep 30>>" CHAT_TEXT("b") "<<sleep 30>>" CHAT_TEXT( \
      "c") "<<sleep 30>>" CHAT_END
#define TOGETHER \
  CHAT_HEAD "<<sleep 30>>" CHAT_TEXT("a") CHAT_TEXT("b") CHAT_TEXT("c") "<<sleep 30>>" CHAT_END

static void test_an_event_that_ends_its_segment_is_exact(void **state) {
  assert_exact(*state, (const char *const[]){APART, NULL}, 3, 0);
}

static void test_events_in_front_of_others_are_not(void **state) {
  assert_exact(*state, (const char *const[]){TOGETHER, NULL}, 1, 2);
}

static void test_under_tls_it_is_the_last_record_that_ends_a_segment(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  assert_exact(f, (const char *const[]){APART, NULL}, 3, 0);
}

static void test_records_of_tls_in_front_of_others_are_not(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  assert_exact(f, (const char *const[]){TOGETHER, NULL}, 1, 2);
}

static void test_nothing_is_stamped_unasked(void **state) {
  flow *f = *state;
  stamps s = {0};
  ask(f, flow_peer(f, (const char *const[]){CHAT_HELLO, NULL}), &s);
  assert_int_equal(s.stamped, 0);
}

static void test_events_of_a_plain_connection_are_stamped(void **state) {
  flow *f = *state;
  stamps s = {0};
  f->config.rx_timestamps = true;
  assert_stamped_soon(f, flow_peer(f, (const char *const[]){CHAT_HELLO, TWO_TEXTS, NULL}), &s);
}

static void test_events_under_tls_are_stamped(void **state) {
  flow *f = *state;
  stamps s = {0};
  f->config.rx_timestamps = true;
  flow_tls_server(f);
  assert_stamped_soon(f, flow_peer(f, (const char *const[]){CHAT_HELLO, TWO_TEXTS, NULL}), &s);
}

/* The reader is away for 150 ms, and 40 ms into them, or some more on a busy machine, the next text
 * comes: it lies there for the rest, which no stamp of ours can tell. */
static void test_bytes_that_lay_in_the_kernel_are_seen(void **state) {
  flow *f = *state;
  stamps s = {0};
  f->config.rx_timestamps = true;
  peer *p = flow_peer(f, (const char *const[]){TWO_TEXTS, NULL});
#ifndef LEAT_PORTABLE
  for (int i = 0; i < 20 && s.waited_ns < 20 * MS; i++) {
    s = (stamps){.work_ns = 150 * MS};
    ask(f, p, &s);
    assert_int_equal(s.wrong, 0);
  }
  assert_true(s.waited_ns >= 20 * MS);
#else
  assert_stamped_soon(f, p, &s);
#endif
}

/* The wall clock's distance is taken anew: behind a second the stamps are as good. */
static void test_stamps_stay_right_for_longer_than_a_second(void **state) {
  flow *f = *state;
  stamps s = {0};
  f->config.rx_timestamps = true;
  peer *p =
      flow_peer(f, (const char *const[]){
                       CHAT_HEAD CHAT_TEXT("a") "<<sleep 1100>>" CHAT_TEXT("b") CHAT_END, NULL});
  assert_stamped_soon(f, p, &s);
}

static void test_unix_sockets_have_no_stamps(void **state) {
  flow *f = *state;
  stamps s = {0};
  static char path[64];
  f->config.rx_timestamps = true;
  snprintf(path, sizeof path, "/tmp/leat-stamps-%ld.sock", (long)getpid());
  ask(f,
      flow_peer_with(f, &(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL},
                                        .unix_path = path}),
      &s);
  assert_int_equal(s.wrong, 0);
  assert_int_equal(s.stamped, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_nothing_is_stamped_unasked),
      FLOW_TEST(test_events_of_a_plain_connection_are_stamped),
      FLOW_TEST(test_events_under_tls_are_stamped),
      FLOW_TEST(test_bytes_that_lay_in_the_kernel_are_seen),
      FLOW_TEST(test_stamps_stay_right_for_longer_than_a_second),
      FLOW_TEST(test_unix_sockets_have_no_stamps),
      FLOW_TEST(test_an_event_that_ends_its_segment_is_exact),
      FLOW_TEST(test_events_in_front_of_others_are_not),
      FLOW_TEST(test_under_tls_it_is_the_last_record_that_ends_a_segment),
      FLOW_TEST(test_records_of_tls_in_front_of_others_are_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
