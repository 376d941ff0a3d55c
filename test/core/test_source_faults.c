/* What may go wrong while a body is on its way from its source: the source fails, or gives more or
 * less than it said; the server answers early, goes away, stands still, or sends the body
 * elsewhere; the caller cancels. What cannot be rewound is sent once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/giver.h"
#include "support/taker.h"

#define SIZE ((uint64_t)1 << 20)
#define HALF (SIZE / 2)

static const char *const ok[] = {"200", NULL};

static taker *serve(flow *f, bool http2, const taker_plan *plan) {
  taker_plan filled = *plan;
  filled.http2 = http2;
  filled.body = "{}";
  if (!filled.answers) filled.answers = ok;
  taker *t = taker_start(f, &filled);
  f->request.http = http2 ? LEAT_HTTP_2 : LEAT_HTTP_1;
  f->request.body = lti_slice(NULL, 0);
  f->request.base_url = peer_url(taker_peer(t));
  f->request.protocol = "raw";
  return t;
}

/* The request is an endpoint's: error statuses are errors, redirects are followed. */
static void as_call(flow *f) {
  f->request.protocol = NULL;
  f->request.endpoint = "files.upload";
  f->request.retries = 2;
}

static giver *give(flow *f, bool rewinds) {
  giver *g = giver_new(f, SIZE);
  g->told = SIZE;
  g->rewinds = rewinds;
  return g;
}

static flow_call *send_it(flow *f, giver *g) {
  f->request.source = giver_callback(g);
  flow_call *c = flow_try(f);
  g->call = c;
  if (c->error != LEAT_OK) fail_msg("submit: %s: %s", leat_error_name(c->error), c->message);
  return c;
}

static taker_took *look(flow *f, taker *t) {
  taker_took *took = flow_keep(f, sizeof *took);
  taker_look(t, took);
  return took;
}

/* ---- the source's own faults */

/* Nothing whole comes of it, and the connection is not used for another. */
static void check_fault(flow *f, bool http2, giver *g) {
  taker *t = serve(f, http2, &(taker_plan){0});
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESOURCE);
  flow_assert_has(c->message, "source");
  assert_int_equal(c->layer, LEAT_LAYER_API);
  assert_false(c->result.retryable);
  assert_int_equal(c->result.attempts, 1);
  assert_int_equal(g->closes, 1);
  /* The server reads what it has had of it first. */
  for (int i = 0; i < 400 && peer_open(taker_peer(t)) > (http2 ? 1u : 0u); i++) flow_run(f, 5);
  for (int i = 0; i < 40 && look(f, t)->heads == 0; i++) flow_run(f, 5);
  giver *other = give(f, false);
  c = send_it(f, other);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  taker_took *took = look(f, t);
  assert_int_equal(took->wholes, 1);
  assert_true(took->hash == giver_hash(SIZE));
  if (!http2) assert_int_equal(peer_conns(taker_peer(t)), 2);
}

static void check_fewer(flow *f, bool http2, uint64_t size) {
  giver *g = giver_new(f, size);
  g->told = (int64_t)size + 1;
  check_fault(f, http2, g);
}

static void check_more(flow *f, bool http2, uint64_t told) {
  giver *g = giver_new(f, told + 1);
  g->told = (int64_t)told;
  check_fault(f, http2, g);
}

static void test_fewer_bytes_than_told(void **state) {
  check_fewer(*state, false, 1000);
}
static void test_fewer_bytes_than_told_by_one_piece(void **state) {
  check_fewer(*state, false, 65536);
}
static void test_fewer_bytes_than_told_over_http2(void **state) {
  check_fewer(*state, true, 100000);
}
static void test_more_bytes_than_told(void **state) {
  check_more(*state, false, 1000);
}
static void test_more_bytes_than_told_by_one_piece(void **state) {
  check_more(*state, false, 65536);
}
static void test_more_bytes_than_told_by_two_pieces(void **state) {
  check_more(*state, false, 131072);
}
static void test_more_bytes_than_told_over_http2(void **state) {
  check_more(*state, true, 65536);
}

static void check_failing(flow *f, bool http2, uint64_t at) {
  giver *g = give(f, true);
  g->fail_at = at;
  check_fault(f, http2, g);
}

static void test_a_source_that_fails(void **state) {
  check_failing(*state, false, 300000);
}
static void test_a_source_that_fails_over_http2(void **state) {
  check_failing(*state, true, 300000);
}

/* Its size was taken at the submit; what it has now is something else. */
static void check_changed_file(flow *f, off_t size) {
  taker *t = serve(f, false, &(taker_plan){0});
  leat_source source = {.path = giver_file(giver_new(f, 200000))};
  f->request.source = &source;
  flow_call *c = flow_submit(f);
  assert_int_equal(truncate(source.path, size), 0);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESOURCE);
  assert_int_equal(look(f, t)->wholes, 0);
}

static void test_a_file_that_shrinks(void **state) {
  check_changed_file(*state, 100000);
}
static void test_a_file_that_grows(void **state) {
  check_changed_file(*state, 200001);
}

/* ---- answers before the end */

/* NET-11, H1-15: delivered; the rest is not sent, and on HTTP/1.1 nothing follows on the
 * connection. */
static void check_early(flow *f, bool http2, const char *status, int error) {
  taker *t = serve(f, http2, &(taker_plan){.early_at = HALF, .early = status});
  as_call(f);
  f->request.retries = LEAT_NONE;
  giver *g = giver_new(f, (uint64_t)256 << 20);
  g->told = (int64_t)g->size;
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, error);
  assert_int_equal(c->result_status, strtol(status, NULL, 10));
  assert_int_equal(g->closes, 1);
  assert_true(g->given < g->size / 2);
  assert_int_equal(look(f, t)->wholes, 0);
}

static void test_net_11_a_refusal_before_the_end(void **state) {
  check_early(*state, false, "413", LEAT_ESTATUS);
}
static void test_net_11_a_refusal_before_the_end_over_http2(void **state) {
  check_early(*state, true, "413", LEAT_ESTATUS);
}
static void test_h1_15_an_answer_before_the_end(void **state) {
  check_early(*state, false, "200", LEAT_OK);
}
static void test_h2_10_an_answer_before_the_end_and_a_reset_without_error(void **state) {
  check_early(*state, true, "200", LEAT_OK);
}

/* Answered, and then the connection is reset under what is still being sent. */
static void test_net_11_a_refusal_and_a_reset(void **state) {
  flow *f = *state;
  serve(
      f, false,
      &(taker_plan){.early_at = HALF,
                    .early = "HTTP/1.1 429 N\r\nContent-Length: 2\r\n\r\n{}<<sleep 50>><<reset>>"});
  as_call(f);
  f->request.retries = LEAT_NONE;
  giver *g = giver_new(f, (uint64_t)64 << 20);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 429);
}

/* ---- attempts that are lost */

#define LOST "<<reset>>"

/* Taken from, and it cannot be rewound: whether it ran nobody knows. */
static void test_what_cannot_be_rewound_is_sent_once(void **state) {
  flow *f = *state;
  taker *t = serve(f, false, &(taker_plan){.early_at = HALF, .early = LOST});
  f->request.retries = 3;
  giver *g = give(f, false);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_EUNCERTAIN);
  assert_int_equal(c->result.attempts, 1);
  assert_int_equal(look(f, t)->heads, 1);
  assert_true(g->given <= SIZE);
}

static void test_what_can_be_rewound_is_sent_again(void **state) {
  flow *f = *state;
  taker *t = serve(f, false, &(taker_plan){.early_at = HALF, .early = LOST});
  f->request.retries = 3;
  giver *g = give(f, true);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
  assert_true(c->result.maybe_ran_twice);
  assert_int_equal(g->rewound, 1);
  assert_int_equal(g->closes, 1);
  taker_took *took = look(f, t);
  assert_int_equal(took->wholes, 1);
  assert_true(took->hash == giver_hash(SIZE));
}

static void test_a_file_is_rewound(void **state) {
  flow *f = *state;
  taker *t = serve(f, false, &(taker_plan){.early_at = HALF, .early = LOST});
  f->request.retries = 3;
  leat_source source = {.path = giver_file(giver_new(f, SIZE))};
  f->request.source = &source;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(look(f, t)->hash == giver_hash(SIZE));
}

static void test_a_source_that_says_it_can_and_cannot(void **state) {
  flow *f = *state;
  serve(f, false, &(taker_plan){.early_at = HALF, .early = LOST});
  f->request.retries = 3;
  giver *g = give(f, false);
  g->stubborn = true;
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESOURCE);
  flow_assert_has(c->message, "rewound");
  assert_int_equal(c->result.attempts, 2);
}

/* Nothing was taken yet: the connection could not even be made. */
static void test_nothing_taken_is_repeated(void **state) {
  flow *f = *state;
  taker *t = serve(f, false, &(taker_plan){0});
  char *url = flow_keep(f, 64);
  snprintf(url, 64, "%s", peer_url(taker_peer(t)));
  flow_peer_stop(f, taker_peer(t));
  f->request.base_url = url;
  f->request.retries = 1;
  giver *g = give(f, false);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREFUSED);
  assert_int_equal(c->result.attempts, 2);
  assert_int_equal(g->reads, 0);
  assert_int_equal(g->closes, 1);
}

/* H2-06: the server did nothing with it; free of charge, where it can be sent again. */
static void check_refused_stream(flow *f, bool rewinds, int error) {
  taker *t = serve(f, true, &(taker_plan){.early_at = HALF, .early = "reset 7"});
  giver *g = give(f, rewinds);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, error);
  assert_int_equal(look(f, t)->wholes, rewinds ? 1 : 0);
  assert_false(c->result.maybe_ran_twice);
}

static void test_h2_06_a_refused_stream_is_replayed(void **state) {
  check_refused_stream(*state, true, LEAT_OK);
}
static void test_h2_06_a_refused_stream_is_not_where_it_cannot(void **state) {
  check_refused_stream(*state, false, LEAT_ERESET);
}

/* The status says what became of it. */
static void check_status(flow *f, bool rewinds) {
  taker *t =
      serve(f, false,
            &(taker_plan){.answers = (const char *const[]){"HTTP/1.1 503 B\r\nRetry-After: 0\r\n"
                                                           "<<body>>{}<<cut>>",
                                                           "200", NULL}});
  taker_took *took;
  as_call(f);
  giver *g = give(f, rewinds);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  took = look(f, t);
  flow_assert_error(c, rewinds ? LEAT_OK : LEAT_ESTATUS);
  assert_int_equal(took->wholes, rewinds ? 2 : 1);
  if (rewinds) assert_true(took->hash == giver_hash(SIZE));
  if (!rewinds) assert_int_equal(c->result_status, 503);
}

static void test_a_status_that_invites_a_repeat(void **state) {
  check_status(*state, true);
}
static void test_a_status_that_invites_a_repeat_that_cannot_be(void **state) {
  check_status(*state, false);
}

/* ---- redirects */

static void check_redirect(flow *f, bool rewinds) {
  taker *elsewhere = serve(f, false, &(taker_plan){0});
  char *moved = flow_keep(f, 200);
  snprintf(moved, 200, "HTTP/1.1 307 T\r\nLocation: %s/there\r\n<<body>>{}<<cut>>",
           peer_url(taker_peer(elsewhere)));
  const char **answers = flow_keep(f, 2 * sizeof *answers);
  answers[0] = moved;
  taker *t = serve(f, false, &(taker_plan){.answers = answers});
  as_call(f);
  f->request.once = false;
  giver *g = give(f, rewinds);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  assert_int_equal(look(f, t)->wholes, 1);
  taker_took *took = look(f, elsewhere);
  if (!rewinds) {
    flow_assert_error(c, LEAT_EREDIRECT);
    flow_assert_has(c->message, "rewound");
    assert_int_equal(took->heads, 0);
    return;
  }
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(took->wholes, 1);
  assert_true(took->hash == giver_hash(SIZE));
  flow_assert_has(took->head, "POST /there HTTP/1.1\r\n");
}

static void test_a_redirect_takes_the_body_along(void **state) {
  check_redirect(*state, true);
}
static void test_a_redirect_ends_what_cannot_be_rewound(void **state) {
  check_redirect(*state, false);
}

/* ---- answers that break off */

static bool go_on(leat_engine *e, leat_id id, leat_slice text, leat_request *next, void *user) {
  (void)e, (void)id, (void)user;
  assert_true(lti_slice_is(text, "hel"));
  next->body = lti_slice_of(FLOW_BODY);
  return true;
}

typedef struct words {
  bool given;
  unsigned closes;
} words;

static int say_words(void *user, char *into, size_t room, size_t *size) {
  words *w = user;
  *size = w->given ? 0 : sizeof FLOW_BODY - 1;
  assert_true(*size <= room);
  memcpy(into, FLOW_BODY, *size);
  w->given = true;
  return LEAT_OK;
}

static void close_words(void *user) {
  ((words *)user)->closes++;
}

/* The new request has a body of its own: the source of the first is closed, once. */
static void test_a_source_ends_where_another_request_goes_on(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("hel") "<<close>>",
                                               CHAT_HEAD CHAT_TEXT("lo") CHAT_END, NULL});
  words *w = flow_keep(f, sizeof *w);
  leat_source source = {
      .size = sizeof FLOW_BODY - 1, .read = say_words, .close = close_words, .user = w};
  f->config.base_url = peer_url(p);
  f->request.body = lti_slice(NULL, 0);
  f->request.endpoint = "chat.completions";
  f->request.source = &source;
  f->request.on_truncation = go_on;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
  assert_int_equal(w->closes, 1);
  flow_assert_has(peer_request(p, 0), FLOW_BODY);
}

/* ---- clocks */

/* Nobody reads: the head's clock runs from the last piece that was taken. */
static void check_stall(flow *f, bool http2) {
  serve(f, http2, &(taker_plan){.early_at = 1, .early = "", .deaf = true});
  f->request.deadlines.head_ms = 300;
  giver *g = giver_new(f, (uint64_t)64 << 20);
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_EHEADTIMEOUT == c->error ? LEAT_EHEADTIMEOUT : LEAT_EUNCERTAIN);
  assert_int_equal(g->closes, 1);
}

static void test_h2_14_an_upload_that_stands_still(void **state) {
  check_stall(*state, false);
}
static void test_h2_14_an_upload_that_stands_still_over_http2(void **state) {
  check_stall(*state, true);
}

/* A source that is slow is slow for the whole of it, and longer than the clock. */
static void test_an_upload_that_moves_may_take_its_time(void **state) {
  flow *f = *state;
  serve(f, false, &(taker_plan){0});
  f->request.deadlines.head_ms = 1000;
  giver *g = giver_new(f, 2000);
  g->step = 100;
  g->pause_each = 2;
  g->pause_ms = 100;
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) > 1200);
}

/* ---- cancelling */

static void check_cancel(flow *f, bool http2) {
  taker *t = serve(f, http2, &(taker_plan){0});
  giver *g = giver_new(f, (uint64_t)64 << 20);
  g->cancel_at = 200000;
  flow_call *c = send_it(f, g);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(g->closes, 1);
  assert_true(g->given < g->size / 2);
  assert_int_equal(look(f, t)->wholes, 0);
}

static void test_a_source_may_cancel_its_request(void **state) {
  check_cancel(*state, false);
}
static void test_a_source_may_cancel_its_request_over_http2(void **state) {
  check_cancel(*state, true);
}

static void test_an_engine_that_closes_in_the_middle(void **state) {
  flow *f = *state;
  serve(f, false, &(taker_plan){.slow_ms = 1});
  giver *g = giver_new(f, (uint64_t)64 << 20);
  flow_call *c = send_it(f, g);
  for (int i = 0; i < 100 && !g->given; i++) flow_run(f, 5);
  flow_close(f, LEAT_CLOSE_NOW);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(g->closes, 1);
}

/* While it pauses, and when its pipe says nothing. */
static void test_cancelling_one_that_waits(void **state) {
  flow *f = *state;
  int fds[2];
  serve(f, true, &(taker_plan){0});
  giver *g = give(f, false);
  g->pause_each = 2;
  g->pause_ms = 5000;
  g->step = 10;
  flow_call *c = send_it(f, g);
  assert_int_equal(pipe(fds), 0);
  leat_source source = {.fd_plus_one = fds[0] + 1};
  f->request.source = &source;
  flow_call *d = flow_submit(f);
  flow_run(f, 50);
  assert_int_equal(leat_source_ready(f->engine, d->id), LEAT_OK);
  flow_run(f, 10);
  leat_cancel(f->engine, c->id);
  leat_cancel(f->engine, d->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  flow_assert_error(d, LEAT_ECANCELLED);
  assert_int_equal(leat_source_ready(f->engine, c->id), LEAT_ENOTFOUND);
  close(fds[0]);
  close(fds[1]);
}

/* ---- no memory */

static void check_memory(flow *f, bool http2) {
  unsigned failures = 0;
  for (uint64_t n = 1; n < 600; n++) {
    taker *t = serve(f, http2, &(taker_plan){0});
    giver *g = give(f, false);
    flow_open(f);
    f->memory.fail_at = f->memory.calls + n;
    uint64_t failed = f->memory.failed;
    f->request.source = giver_callback(g);
    flow_call *c = flow_try(f);
    g->call = c;
    if (!c->forgiven) {
      flow_wait(f);
      assert_int_equal(g->closes, 1);
      if (c->error == LEAT_OK) assert_true(look(f, t)->hash == giver_hash(SIZE));
    } else {
      assert_int_equal(g->closes, 0);
    }
    if (c->error != LEAT_OK) failures++;
    f->memory.fail_at = 0;
    flow_peer_stop(f, taker_peer(t));
    if (f->memory.failed == failed) break;
  }
  assert_true(failures > 5);
}

static void test_at_every_allocation(void **state) {
  check_memory(*state, false);
}
static void test_at_every_allocation_over_http2(void **state) {
  check_memory(*state, true);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_fewer_bytes_than_told),
      FLOW_TEST(test_fewer_bytes_than_told_by_one_piece),
      FLOW_TEST(test_fewer_bytes_than_told_over_http2),
      FLOW_TEST(test_more_bytes_than_told),
      FLOW_TEST(test_more_bytes_than_told_by_one_piece),
      FLOW_TEST(test_more_bytes_than_told_by_two_pieces),
      FLOW_TEST(test_more_bytes_than_told_over_http2),
      FLOW_TEST(test_a_source_that_fails),
      FLOW_TEST(test_a_source_that_fails_over_http2),
      FLOW_TEST(test_a_file_that_shrinks),
      FLOW_TEST(test_a_file_that_grows),
      FLOW_TEST(test_net_11_a_refusal_before_the_end),
      FLOW_TEST(test_net_11_a_refusal_before_the_end_over_http2),
      FLOW_TEST(test_h1_15_an_answer_before_the_end),
      FLOW_TEST(test_h2_10_an_answer_before_the_end_and_a_reset_without_error),
      FLOW_TEST(test_net_11_a_refusal_and_a_reset),
      FLOW_TEST(test_what_cannot_be_rewound_is_sent_once),
      FLOW_TEST(test_what_can_be_rewound_is_sent_again),
      FLOW_TEST(test_a_file_is_rewound),
      FLOW_TEST(test_a_source_that_says_it_can_and_cannot),
      FLOW_TEST(test_nothing_taken_is_repeated),
      FLOW_TEST(test_h2_06_a_refused_stream_is_replayed),
      FLOW_TEST(test_h2_06_a_refused_stream_is_not_where_it_cannot),
      FLOW_TEST(test_a_status_that_invites_a_repeat),
      FLOW_TEST(test_a_status_that_invites_a_repeat_that_cannot_be),
      FLOW_TEST(test_a_redirect_takes_the_body_along),
      FLOW_TEST(test_a_redirect_ends_what_cannot_be_rewound),
      FLOW_TEST(test_a_source_ends_where_another_request_goes_on),
      FLOW_TEST(test_h2_14_an_upload_that_stands_still),
      FLOW_TEST(test_h2_14_an_upload_that_stands_still_over_http2),
      FLOW_TEST(test_an_upload_that_moves_may_take_its_time),
      FLOW_TEST(test_a_source_may_cancel_its_request),
      FLOW_TEST(test_a_source_may_cancel_its_request_over_http2),
      FLOW_TEST(test_an_engine_that_closes_in_the_middle),
      FLOW_TEST(test_cancelling_one_that_waits),
      FLOW_TEST(test_at_every_allocation),
      FLOW_TEST(test_at_every_allocation_over_http2),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
