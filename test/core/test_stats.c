/* What the counters say, and what they must not say: no allocation for each event once a stream
 * runs, next to no byte copied, and every event counted once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define WARM 50 /* a long answer by then */
#define EVENT                                                                                    \
  "data: "                                                                                       \
  "{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
  "\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n<<cut>>"

typedef struct steady {
  uint64_t calls, allocations, copied, received;
  leat_stats at_warm, at_end;
  unsigned events;
  int gap_every; /* a pause of 1 ms behind so many events; 0: none */
} steady;

static void stream(peer_link *l, void *ctx) {
  const steady *s = ctx;
  if (!peer_read(l) || !peer_say(l, CHAT_HEAD)) return;
  for (unsigned i = 0; i < s->events + WARM; i++) {
    if (!peer_say(l, EVENT)) return;
    if (i < WARM || (s->gap_every && i % (unsigned)s->gap_every == 0)) peer_sleep(l, 1);
  }
  peer_say(l, CHAT_END);
}

static int note(flow_call *c, const leat_event *event) {
  steady *s = c->ctx;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  if (++c->number == WARM) {
    s->at_warm = flow_stats(c->flow);
    s->calls = c->flow->memory.calls;
  }
  if (c->number == (int)s->events + WARM) {
    s->at_end = flow_stats(c->flow);
    s->calls = c->flow->memory.calls - s->calls;
  }
  return LEAT_CONTINUE;
}

/* Kept, because the peer still looks at it when the test's function has returned. */
static steady *steady_new(flow *f, unsigned events, int gap_every) {
  steady *s = flow_keep(f, sizeof *s);
  s->events = events;
  s->gap_every = gap_every;
  return s;
}

/* One event at a time: what a stream does all day. */
static void test_a_thousand_events_make_no_allocation(void **state) {
  flow *f = *state;
  for (int tls = 0; tls < 2; tls++) {
    steady *s = steady_new(f, 1000, 10);
    if (tls) {
      flow_close(f, LEAT_CLOSE_NOW);
      f->closed = false;
      flow_tls_server(f);
    }
    flow_call *c = flow_chat(f, flow_peer_script(f, stream, s));
    c->on_event = note;
    c->ctx = s;
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result.records, 1000 + WARM + 2);
    assert_int_equal(s->calls, 0);
    assert_int_equal(s->at_end.allocations, s->at_warm.allocations);
    assert_int_equal(s->at_end.events - s->at_warm.events, 1000);
    uint64_t copied = s->at_end.bytes_copied - s->at_warm.bytes_copied;
    uint64_t received = s->at_end.bytes_received - s->at_warm.bytes_received;
    assert_true(received > 1000 * 150);
    if (copied * 50 > received)
      fail_msg("%llu of %llu bytes copied", (unsigned long long)copied,
               (unsigned long long)received);
  }
}

/* As fast as it goes: events straddle reads, and their halves are copied; nothing else is. */
static void test_a_flood_of_events_allocates_only_for_halves(void **state) {
  flow *f = *state;
  steady *s = steady_new(f, 20000, 0);
  flow_call *c = flow_chat(f, flow_peer_script(f, stream, s));
  c->on_event = note;
  c->ctx = s;
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.records, 20000 + WARM + 2);
  uint64_t copied = s->at_end.bytes_copied - s->at_warm.bytes_copied;
  uint64_t received = s->at_end.bytes_received - s->at_warm.bytes_received;
  uint64_t reads = s->at_end.reads - s->at_warm.reads;
  assert_true(s->calls <= 6); /* scratch for halves, made once and kept */
  assert_true(copied <= (reads + 1) * 256);
  assert_true(received > copied);
}

static void test_requests_are_counted_by_their_ends(void **state) {
  flow *f = *state;
  f->config.conns_max = 2;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HELLO, CHAT_HELLO, REFUSED("400 No", "x"), "<<silent>>", NULL});
  flow_call *last = NULL;
  for (int i = 0; i < 4; i++) {
    last = flow_chat(f, p);
    if (i < 3) flow_wait(f);
  }
  leat_stats s = flow_stats(f);
  assert_int_equal(s.requests_live, 1);
  flow_run(f, 20);
  leat_cancel(f->engine, last->id);
  flow_wait(f);
  s = flow_stats(f);
  assert_int_equal(s.requests_started, 4);
  assert_int_equal(s.requests_completed, 2);
  assert_int_equal(s.requests_failed, 1);
  assert_int_equal(s.requests_cancelled, 1);
  assert_int_equal(s.requests_live, 0);
  assert_int_equal(s.requests_live_peak, 1);
  assert_int_equal(s.records, 6);
  assert_int_equal(s.content_bytes, 10);
  assert_true(s.bytes_sent > 400 && s.bytes_received > 200);
  assert_true(s.bytes_copied_submit >= 4 * strlen(FLOW_BODY));
  assert_int_equal(s.conns_opened, 1);
  assert_int_equal(s.conns_reused, 3);
  assert_int_equal(s.allocations + 1, f->memory.calls); /* the engine is older than its counters */
}

static void test_bytes_decrypted_are_the_responses(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  flow_chat(f, flow_peer(f, (const char *const[]){CHAT_HELLO, NULL}));
  flow_wait(f);
  leat_stats s = flow_stats(f);
  assert_int_equal(s.bytes_decrypted, s.bytes_received);
  assert_true(s.bytes_copied_bio > s.bytes_decrypted);
  assert_int_equal(s.handshakes_full, 1);
}

/* A program built against an older header asks for less. */
static void test_stats_fill_what_fits(void **state) {
  flow *f = *state;
  struct {
    leat_stats stats;
    uint64_t guard;
  } s;
  memset(&s, 0xee, sizeof s);
  flow_open(f);
  assert_int_equal(leat_stats_get(f->engine, &s.stats, 16), LEAT_OK);
  assert_int_equal(s.stats.requests_started, 0);
  assert_int_equal(((unsigned char *)&s.stats)[16], 0xee);
  assert_int_equal(leat_stats_get(f->engine, &s.stats, sizeof s.stats), LEAT_OK);
  assert_int_equal(s.guard, 0xeeeeeeeeeeeeeeee);
  assert_int_equal(leat_stats_get(f->engine, NULL, sizeof s.stats), LEAT_EINVAL);
  assert_int_equal(leat_stats_get(NULL, &s.stats, sizeof s.stats), LEAT_EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_thousand_events_make_no_allocation),
      FLOW_TEST(test_a_flood_of_events_allocates_only_for_halves),
      FLOW_TEST(test_requests_are_counted_by_their_ends),
      FLOW_TEST(test_bytes_decrypted_are_the_responses),
      FLOW_TEST(test_stats_fill_what_fits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
