/* 1,000,000 events through many streams, every byte of every one compared with what the gateway
 * says it wrote; and what an event costs in the steady state: no allocation, no copy.
 *
 * The gateway writes one event for each piece of text, so that a piece lost, doubled, cut or out of
 * order shows at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "bench/mock/text.h"
#include "support/scale.h"

#define EVENTS      2000 /* of each stream */
#define STREAMS     500  /* 1,000,000 events */
#define CONNS       64
#define CONNS_H2    8
#define ODD_EVENTS  200
#define PACED       100 /* streams of the steady state */
#define PACED_COUNT 300

typedef struct stream {
  struct test *test;
  uint64_t seed;
  uint32_t index, events; /* the next piece; how many there are */
} stream;

typedef struct test {
  scale scale;
  stream *streams;
  bool words; /* no text with escapes, which would be copied */
  uint64_t events, bytes, done;
  uint64_t steady_at, steady_to; /* events over all streams: measure from the one to the other */
  leat_stats from, to;
} test;

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  stream *s = user;
  test *t = s->test;
  char piece[MOCK_TEXT_PIECE_MAX];
  (void)id;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  size_t size = mock_text_piece(s->seed, s->index, piece, sizeof piece);
  if (!lti_slice_equal(event->text, lti_slice(piece, size)))
    fail_msg("seed %llu, piece %u: %.*s", (unsigned long long)s->seed, s->index,
             (int)event->text.size, event->text.data);
  s->index++;
  t->bytes += size;
  if (++t->events == t->steady_at) leat_stats_get(e, &t->from, sizeof t->from);
  if (t->events == t->steady_to) leat_stats_get(e, &t->to, sizeof t->to);
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  stream *s = user;
  (void)e, (void)id;
  if (result->error) fail_msg("%s: %s", leat_error_name(result->error), result->message.data);
  assert_int_equal(result->attempts, 1);
  assert_int_equal(s->index, s->events);
  assert_int_equal(result->records, s->events + 2); /* finish and [DONE]; usage is off */
  s->test->done++;
}

static void submit(test *t, stream *s, const char *path, const char *fault) {
  leat_header headers[] = {{lti_slice_of("x-mock-fault"), lti_slice_of(fault)}};
  leat_request q;
  leat_id id;
  leat_request_init(&q);
  q.body = lti_slice_of("{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
  q.path = path;
  q.headers = headers;
  q.header_count = fault != NULL;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = s;
  assert_int_equal(leat_submit(t->scale.engine, &q, &id), LEAT_OK);
}

/* `count` streams of `events` at once, `gap_ms` between two of each. */
static void run_streams(test *t, size_t count, uint32_t events, unsigned gap_ms,
                        const char *fault) {
  uint64_t seed = t->words ? MOCK_TEXT_WORDS : 7000;
  t->events = t->bytes = t->done = 0;
  t->streams = calloc(count, sizeof *t->streams);
  assert_non_null(t->streams);
  for (size_t i = 0; i < count; i++) {
    char path[128];
    stream *s = &t->streams[i];
    *s = (stream){.test = t, .seed = seed + i, .events = events};
    snprintf(path, sizeof path, "/v1/chat/completions?n=%u&ttft=0&ms=%u&seed=%llu", events, gap_ms,
             (unsigned long long)s->seed);
    submit(t, s, path, fault);
  }
  scale_run(&t->scale);
  assert_int_equal(t->done, count);
  assert_int_equal(t->events, count * events);
  free(t->streams);
}

static void test_a_million_events_arrive_once_whole_and_in_order(void **state) {
  test *t = *state;
  uint64_t begin = uv_hrtime();
  run_streams(t, STREAMS, EVENTS, 0, NULL);
  leat_stats stats = scale_stats(&t->scale);
  assert_int_equal(stats.records, (uint64_t)STREAMS * (EVENTS + 2));
  assert_int_equal(stats.conns_opened, CONNS);
  print_message("%llu events, %.1f MB of text compared, %.1f s\n", (unsigned long long)t->events,
                (double)t->bytes / 1e6, (double)(uv_hrtime() - begin) / 1e9);
}

static void test_a_million_events_over_http2(void **state) {
  test *t = *state;
  uint64_t begin = uv_hrtime();
  run_streams(t, STREAMS, EVENTS, 0, NULL);
  leat_stats stats = scale_stats(&t->scale);
  assert_int_equal(stats.records, (uint64_t)STREAMS * (EVENTS + 2));
  assert_true(stats.conns_opened <= CONNS_H2);
  print_message("%llu events, %.1f MB of text compared, %.1f s, %llu connections\n",
                (unsigned long long)t->events, (double)t->bytes / 1e6,
                (double)(uv_hrtime() - begin) / 1e9, (unsigned long long)stats.conns_opened);
}

static void test_events_in_odd_pieces_arrive_once_whole_and_in_order(void **state) {
  static const char *const faults[] = {"crlf", "cr", "comments=2", "crlf;comments=1", "eof-body"};
  test *t = *state;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    run_streams(t, STREAMS / 5, ODD_EVENTS, 0, faults[i]);
  /* Over HTTP/2, where each byte has a frame, many of them are a flood (H2-05). */
  size_t bytewise = t->scale.config.http == LEAT_HTTP_1 ? STREAMS / 25 : STREAMS / 125;
  run_streams(t, bytewise, ODD_EVENTS / 4, 0, "bytewise");
  assert_int_equal(scale_stats(&t->scale).requests_completed, STREAMS + bytewise);
}

/* Every stream has had a quarter of its events when it begins, and has a quarter to come when it
 * ends: buffers have their sizes. */
static void test_an_event_in_the_steady_state_allocates_and_copies_nothing(void **state) {
  test *t = *state;
  t->words = true;
  t->steady_at = PACED * PACED_COUNT / 4;
  t->steady_to = t->steady_at * 3;
  run_streams(t, PACED, PACED_COUNT, 10, NULL);
  uint64_t events = t->to.events - t->from.events;
  uint64_t copied = t->to.bytes_copied - t->from.bytes_copied;
  uint64_t decrypted = t->to.bytes_decrypted - t->from.bytes_decrypted;
  t->steady_at = t->steady_to = 0;
  t->words = false;
  assert_int_equal(events, PACED * PACED_COUNT / 2);
  assert_int_equal(t->to.allocations - t->from.allocations, 0);
  assert_true(copied * 50 <= decrypted);
  leat_stats stats = scale_stats(&t->scale);
  print_message("%llu events: %llu allocations, %llu of %llu bytes copied, %.2f reads an event\n",
                (unsigned long long)events,
                (unsigned long long)(t->to.allocations - t->from.allocations),
                (unsigned long long)copied, (unsigned long long)decrypted,
                (double)(t->to.reads - t->from.reads) / (double)events);
  assert_true(stats.bytes_copied * 50 <= stats.bytes_decrypted);
}

static int setup(void **state) {
  test *t = *state;
  t->scale.config.conns_max = CONNS;
  t->scale.config.keep_alive_ms = 0;
  scale_open(&t->scale);
  return 0;
}

static int setup_h2(void **state) {
  test *t = *state;
  t->scale.config.http = LEAT_HTTP_2;
  t->scale.config.h2_conns_max = CONNS_H2;
  t->scale.config.keep_alive_ms = 0;
  scale_open(&t->scale);
  return 0;
}

static int setup_many(void **state) {
  test *t = *state;
  t->scale.config.conns_max = PACED;
  scale_open(&t->scale);
  return 0;
}

static int teardown(void **state) {
  test *t = *state;
  scale_close(&t->scale);
  t->scale.config.http = LEAT_HTTP_1;
  return 0;
}

int main(void) {
  static test t;
  static const char *const options[] = {"--quiet", NULL};
  if (!scale_init(&t.scale, options, 170)) return 77;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate_setup_teardown(test_a_million_events_arrive_once_whole_and_in_order,
                                               setup, teardown, &t),
      cmocka_unit_test_prestate_setup_teardown(
          test_events_in_odd_pieces_arrive_once_whole_and_in_order, setup, teardown, &t),
      cmocka_unit_test_prestate_setup_teardown(test_a_million_events_over_http2, setup_h2, teardown,
                                               &t),
      cmocka_unit_test_prestate_setup_teardown(
          test_events_in_odd_pieces_arrive_once_whole_and_in_order, setup_h2, teardown, &t),
      cmocka_unit_test_prestate_setup_teardown(
          test_an_event_in_the_steady_state_allocates_and_copies_nothing, setup_many, teardown, &t),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  scale_deinit(&t.scale);
  return failed;
}
