/* One reader that sleeps, and servers that flood, on an HTTP/2 connection that others share (H2-01
 * to H2-05, H2-11, H2-12): memory is bounded, those beside it go on as if nothing had happened, and
 * a flood ends the connection with an error that says what it was. Order is compared by turns of
 * the server, not by clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/h2_peer.h"

static h2_peer *setup_peer(flow *f, void (*script)(h2_talk *t), peer **p) {
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = script;
  f->config.http = LEAT_HTTP_2;
  f->config.h2_conns_max = 1;
  *p = h2_peer_start(f, h);
  f->request.base_url = peer_url(*p);
  return h;
}

/* ---- a paused reader ------------------------------------------------------------------------- */

#define STREAMS 12
#define ROUNDS  60
#define PIECE   2000 /* bytes of text in each event: all of a stream's are twice its window */
#define WINDOW  65536

static char filler[PIECE + 1];
static unsigned order[2][STREAMS * ROUNDS]; /* who had an event, without the sleeper's */
static size_t order_count[2];
static int order_row;
static flow_call *sleeper; /* the one that pauses, NULL: none does */
static uint64_t held_peak;

/* A piece to each in turn, and a pause until the client has taken them. The sleeper has one more
 * when there is room for it again; what it could not be sent before comes at the end. */
static void serve_rounds(h2_talk *t) {
  h2_ask asks[STREAMS];
  unsigned sent[STREAMS] = {0};
  for (size_t i = 0; i < STREAMS; i++)
    if (!h2_peer_next(t, &asks[i])) return;
  for (size_t i = 0; i < STREAMS; i++) h2_peer_head(t, asks[i]);
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < STREAMS; i++) sent[i] += h2_peer_text(t, asks[i], filler);
    if (!h2_peer_sync(t)) return;
  }
  for (size_t i = 0; i < STREAMS; i++) {
    if (sent[i] < ROUNDS) continue;
    h2_peer_done(t, asks[i]);
    sent[i] = UINT32_MAX;
  }
  for (size_t i = 0; i < STREAMS; i++) {
    while (sent[i] < ROUNDS && !t->streams[asks[i].id / 2].reset) {
      if (h2_peer_text(t, asks[i], filler))
        sent[i]++;
      else if (!h2_peer_step(t))
        return;
    }
    if (sent[i] == ROUNDS) h2_peer_done(t, asks[i]);
  }
  h2_peer_silent(t);
}

static int note_order(flow_call *c, const leat_event *event) {
  leat_stats stats = flow_stats(c->flow);
  if (stats.held_bytes > held_peak) held_peak = stats.held_bytes;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  if (c->number == 0) return c == sleeper ? LEAT_PAUSE : LEAT_CONTINUE;
  order[order_row][order_count[order_row]++] = (unsigned)c->number;
  return LEAT_CONTINUE;
}

static flow_call *start_rounds(flow *f, bool with_sleeper) {
  flow_call *first = NULL;
  peer *p;
  memset(filler, 'x', PIECE);
  f->config.h2_stream_window = f->config.h2_conn_window = WINDOW; /* what it holds is all of both */
  setup_peer(f, serve_rounds, &p);
  order_row = with_sleeper;
  order_count[order_row] = 0;
  held_peak = 0;
  for (unsigned i = 0; i < STREAMS; i++) {
    flow_call *c = h2_peer_chat(f, i);
    c->on_event = note_order;
    if (i == 0) first = c;
  }
  sleeper = with_sleeper ? first : NULL;
  return first;
}

/* All but the first. */
static void wait_for_siblings(flow *f, const flow_call *first) {
  for (const flow_call *c = f->calls; c; c = c->next)
    if (c != first) flow_wait_for(f, c);
}

static void assert_whole(const flow_call *c) {
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->text_size, ROUNDS * (PIECE + strlen("0: ") + (c->number >= 10)));
}

static void assert_siblings_whole(const flow *f, const flow_call *first) {
  for (const flow_call *c = f->calls; c; c = c->next)
    if (c != first) assert_whole(c);
}

/* With a sleeper among them the others have their events in the very same order, and all of them
 * before it wakes. What it holds is no more than its window. Then it has all of its own. */
static void test_h2_11_the_siblings_of_a_paused_stream_go_on_as_without_it(void **state) {
  flow *f = *state, *other;
  flow_call *first = start_rounds(f, true);
  wait_for_siblings(f, first);
  assert_siblings_whole(f, first);
  assert_int_equal(first->dones, 0);
  assert_int_equal(first->events, 2); /* the head, and the one it sleeps on */
  assert_in_range(held_peak, WINDOW / 2, WINDOW);
  size_t with = f->memory.peak_bytes;
  first->on_event = NULL;
  assert_int_equal(leat_resume(f->engine, first->id), LEAT_OK);
  flow_wait(f);
  assert_whole(first);
  assert_int_equal(flow_stats(f).held_bytes, 0);

  void *again;
  assert_int_equal(flow_setup(&again), 0);
  other = again;
  start_rounds(other, false);
  flow_wait(other);
  assert_siblings_whole(other, NULL);
  assert_int_equal(held_peak, 0);
  size_t without = other->memory.peak_bytes;
  assert_int_equal(flow_teardown(&again), 0);
  assert_int_equal(order_count[0], order_count[1]);
  assert_memory_equal(order[0], order[1], order_count[0] * sizeof order[0][0]);
  /* A hold grows by doubling, and its old half lives as long as it is copied. */
  assert_true(with < without + 4 * WINDOW);
}

/* Less than a window may be held: the sleeper ends with an error of its own, the others do not. */
static void test_h2_11_what_may_be_held_at_all_is_bounded_too(void **state) {
  flow *f = *state;
  f->config.held_bytes_max = 20000;
  flow_call *first = start_rounds(f, true);
  flow_wait(f);
  flow_assert_error(first, LEAT_EHELDMAX);
  assert_siblings_whole(f, first);
  assert_in_range(held_peak, 1, 20000);
}

/* H2-12: it goes while much of it is under way; what still comes for it costs nobody a window. */
static void test_h2_12_a_paused_stream_that_is_cancelled_gives_its_window_back(void **state) {
  flow *f = *state;
  flow_call *first = start_rounds(f, true);
  flow_wait_events(f, f->calls, ROUNDS / 2);
  assert_true(flow_stats(f).held_bytes > 0);
  assert_int_equal(leat_cancel(f->engine, first->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(first, LEAT_ECANCELLED);
  assert_siblings_whole(f, first);
  assert_int_equal(flow_stats(f).held_bytes, 0);
}

/* ---- floods ---------------------------------------------------------------------------------- */

#define FLOOD_BYTES_MAX ((size_t)64 << 20)

typedef struct flood {
  void (*one)(h2_script *out, uint32_t id); /* a frame of it */
  atomic_size_t bytes;                      /* sent until the client had enough */
} flood;

static void one_ping(h2_script *out, uint32_t id) {
  (void)id;
  h2_ping(out, 0);
}

static void one_settings(h2_script *out, uint32_t id) {
  (void)id;
  h2_settings(out, (const uint32_t[]){0x3, 100}, 1);
}

static void one_empty(h2_script *out, uint32_t id) {
  h2_text(out, id, 0, "");
}

static void one_byte(h2_script *out, uint32_t id) {
  h2_text(out, id, 0, ":");
}

static void one_reset(h2_script *out, uint32_t id) {
  h2_rst(out, id, H2_CANCEL);
}

static void one_window(h2_script *out, uint32_t id) {
  h2_window(out, id, 1);
}

static void one_priority(h2_script *out, uint32_t id) {
  h2_frame(out, H2_PRIORITY, 0, id, lti_slice("\0\0\0\0\1", 5));
}

static void one_unknown(h2_script *out, uint32_t id) {
  h2_frame(out, 0x42, 0, id, lti_slice_of("what is this?"));
}

static void one_interim(h2_script *out, uint32_t id) {
  h2_headers(out, id, 0, (const char *const[]){":status", "103", NULL});
}

/* On the first connection; behind it the server behaves. */
static void serve_flood(h2_talk *t) {
  flood *x = t->peer->ctx;
  h2_ask ask;
  if (!h2_peer_next(t, &ask)) return;
  if (t->number > 0) {
    h2_peer_answer(t, ask);
    while (h2_peer_next(t, &ask)) h2_peer_answer(t, ask);
    return;
  }
  if (x->one != one_interim) {
    h2_peer_head(t, ask);
    h2_peer_text(t, ask, "before");
  }
  if (!h2_peer_sync(t)) return;
  while (!t->over && atomic_load(&x->bytes) < FLOOD_BYTES_MAX) {
    while (t->out.bytes.size < 16384) x->one(&t->out, ask.id);
    atomic_fetch_add(&x->bytes, t->out.bytes.size);
    h2_peer_flush(t);
  }
}

static void check_flood(flow *f, void (*one)(h2_script *out, uint32_t id), const char *what) {
  peer *p;
  flood *x = flow_keep(f, sizeof *x);
  x->one = one;
  setup_peer(f, serve_flood, &p)->ctx = x;
  flow_call *c = h2_peer_chat(f, 1);
  flow_wait_events(f, c, 2);
  size_t before = f->memory.live_bytes;
  f->memory.peak_bytes = before;
  flow_wait(f);
  flow_assert_error(c, LEAT_EHTTP);
  flow_assert_has(c->message, what);
  assert_int_equal(c->layer, LEAT_LAYER_HTTP);
  assert_true(atomic_load(&x->bytes) < FLOOD_BYTES_MAX);
  if (f->memory.peak_bytes > before + 128 * 1024)
    fail_msg("%zu bytes more", f->memory.peak_bytes - before);
  flow_call *next = h2_peer_chat(f, 2);
  flow_wait(f);
  flow_assert_error(next, LEAT_OK);
  assert_string_equal(next->text, "2:ok ");
  assert_int_equal(peer_conns(p), 2);
}

#define NOTHING_FORWARD "too many frames that bring nothing forward"

static void test_h2_03_pings_without_end(void **state) {
  check_flood(*state, one_ping, "too many PING or SETTINGS");
}

static void test_h2_03_settings_without_end(void **state) {
  check_flood(*state, one_settings, "too many PING or SETTINGS");
}

static void test_h2_04_empty_pieces_of_body_without_end(void **state) {
  check_flood(*state, one_empty, NOTHING_FORWARD);
}

static void test_h2_04_window_updates_without_end(void **state) {
  check_flood(*state, one_window, NOTHING_FORWARD);
}

static void test_h2_04_priorities_without_end(void **state) {
  check_flood(*state, one_priority, NOTHING_FORWARD);
}

static void test_h2_04_unknown_frames_without_end(void **state) {
  check_flood(*state, one_unknown, NOTHING_FORWARD);
}

static void test_h2_05_single_bytes_without_end(void **state) {
  check_flood(*state, one_byte, NOTHING_FORWARD);
}

/* The first ones end the request: the flood behind them ends the connection all the same. */
static void check_late_flood(flow *f, void (*one)(h2_script *out, uint32_t id), int error) {
  peer *p;
  flood *x = flow_keep(f, sizeof *x);
  x->one = one;
  setup_peer(f, serve_flood, &p)->ctx = x;
  flow_call *c = h2_peer_chat(f, 1);
  flow_wait(f);
  flow_assert_error(c, error);
  for (int i = 0; i < 500 && flow_stats(f).conns_open > 0; i++) flow_run(f, 10);
  assert_int_equal(flow_stats(f).conns_open, 0);
  assert_true(atomic_load(&x->bytes) < FLOOD_BYTES_MAX);
  flow_call *next = h2_peer_chat(f, 2);
  flow_wait(f);
  flow_assert_error(next, LEAT_OK);
}

static void test_h2_06_resets_without_end(void **state) {
  check_late_flood(*state, one_reset, LEAT_ETRUNCATED);
}

static void test_interim_responses_without_end(void **state) {
  check_late_flood(*state, one_interim, LEAT_EHTTP);
}

/* ---- H2-01 ----------------------------------------------------------------------------------- */

/* 20 KB of header block become 400 KB of fields: RFC 7541 lets one index name a long field. The
 * stream ends, those beside it do not; the third time it is the connection that does. */
static void serve_bombs(h2_talk *t) {
  h2_ask ask;
  char value[3001];
  memset(value, 'v', 3000);
  value[3000] = '\0';
  while (h2_peer_next(t, &ask)) {
    if (ask.prompt % 10 != 3) {
      h2_peer_answer(t, ask);
      continue;
    }
    h2_script block;
    h2_script_init(&block);
    h2_field(&block, lti_slice_of(":status"), lti_slice_of("200"), false);
    h2_field(&block, lti_slice_of("x-bomb"), lti_slice_of(value), true);
    for (int i = 0; i < 400; i++) h2_raw(&block, lti_slice("\xbe", 1)); /* the newest entry */
    h2_frame(&t->out, H2_HEADERS, H2_END_HEADERS, ask.id, h2_script_bytes(&block));
    h2_script_deinit(&block);
  }
}

static void test_h2_01_a_header_bomb_ends_its_own_stream(void **state) {
  flow *f = *state;
  peer *p;
  setup_peer(f, serve_bombs, &p);
  for (unsigned i = 0; i < 20; i++) h2_peer_chat(f, i);
  flow_wait(f);
  for (const flow_call *c = f->calls; c; c = c->next)
    flow_assert_error(c, c->number % 10 == 3 ? LEAT_EHEADERSMAX : LEAT_OK);
  assert_int_equal(peer_conns(p), 1);
  assert_true(f->memory.peak_bytes < 1024 * 1024);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_h2_11_the_siblings_of_a_paused_stream_go_on_as_without_it),
      FLOW_TEST(test_h2_11_what_may_be_held_at_all_is_bounded_too),
      FLOW_TEST(test_h2_12_a_paused_stream_that_is_cancelled_gives_its_window_back),
      FLOW_TEST(test_h2_03_pings_without_end),
      FLOW_TEST(test_h2_03_settings_without_end),
      FLOW_TEST(test_h2_04_empty_pieces_of_body_without_end),
      FLOW_TEST(test_h2_04_window_updates_without_end),
      FLOW_TEST(test_h2_04_priorities_without_end),
      FLOW_TEST(test_h2_04_unknown_frames_without_end),
      FLOW_TEST(test_h2_05_single_bytes_without_end),
      FLOW_TEST(test_h2_06_resets_without_end),
      FLOW_TEST(test_interim_responses_without_end),
      FLOW_TEST(test_h2_01_a_header_bomb_ends_its_own_stream),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
