/* Going on where an answer broke off: cuts at every event and in every manner, no byte twice and
 * none missing; who is asked, how often, and with what; pauses, cancels and refusals in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define USAGE \
  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n<<cut>>"
#define ROLE \
  "data: "   \
  "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n<<cut>>"

/* What the test's callback does and sees: one at a time. */
typedef struct asked {
  int times, decline_at; /* the n-th time it says no */
  char text[8192];       /* as it was last told */
  char body[9000];
  const char *elsewhere; /* the base URL of the next one */
  void (*also)(flow_call *c);
} asked;

static asked *book;

/* The peer is told how much there is, so that it can say the rest. */
static bool on_truncation(leat_engine *e, leat_id id, leat_slice text, leat_request *next,
                          void *user) {
  flow_call *c = user;
  asked *a = book;
  (void)e;
  assert_true(id == c->id);
  assert_true(next->user == user && next->on_done);
  a->times++;
  snprintf(a->text, sizeof a->text, "%.*s", (int)text.size, text.data ? text.data : "");
  if (a->also) a->also(c);
  if (a->times == a->decline_at) return false;
  snprintf(a->body, sizeof a->body,
           "{\"model\":\"m\",\"stream\":true,\"have\":%zu,\"messages\":[]}", text.size);
  next->body = lti_slice_of(a->body);
  next->base_url = a->elsewhere ? a->elsewhere : c->flow->request.base_url;
  return true;
}

static asked *begin(flow *f) {
  static asked asking;
  asking = (asked){.times = 0};
  book = &asking;
  f->request.on_truncation = on_truncation;
  return book;
}

/* A peer that says TEXT a letter an event and breaks off as it is told. */
static const char letters[] = "the quick brown fox jumps over the lazy dog and so on until it ends";

enum manner { MANNER_CLOSE, MANNER_RESET, MANNER_CLEAN, MANNERS };

typedef struct breaking {
  unsigned cut;       /* the first answer breaks off behind so many events */
  unsigned each;      /* and every later one behind so many, 0: goes on to the end */
  enum manner manner; /* how */
} breaking;

static size_t have_of(const char *request) {
  const char *at = strstr(request, "\"have\":");
  return at ? (size_t)strtoul(at + 7, NULL, 10) : 0;
}

static bool break_off(peer_link *l, enum manner manner) {
  if (manner == MANNER_CLEAN) return peer_say(l, "<<last>>");
  peer_say(l, manner == MANNER_RESET ? "<<sleep 5>><<reset>>" : "<<close>>");
  return false;
}

/* Event 0 is the role, then a letter each, then finish, usage and [DONE]. */
static bool say_event(peer_link *l, size_t number, size_t from) {
  char text[256];
  size_t left = strlen(letters) - from;
  if (number == 0) return peer_say(l, "<<chunked>>" ROLE);
  if (number <= left) {
    snprintf(text, sizeof text, "<<chunked>>" CHAT_TEXT("%c"), letters[from + number - 1]);
    return peer_say(l, text);
  }
  if (number == left + 1) return peer_say(l, "<<chunked>>" CHAT_STOP);
  if (number == left + 2) return peer_say(l, "<<chunked>>" USAGE);
  return peer_say(l, "<<chunked>>" CHAT_DONE "<<last>>");
}

static void speak(peer_link *l, void *ctx) {
  const breaking *b = ctx;
  while (peer_read(l)) {
    size_t have = have_of(peer_link_text(l)), events = strlen(letters) - have + 3;
    size_t cut = peer_link_number(l) == 0 ? b->cut : b->each ? b->each : SIZE_MAX;
    if (!peer_say(l, CHAT_HEAD)) return;
    size_t i = 0;
    for (; i <= events && i < cut; i++)
      if (!say_event(l, i, have)) return;
    if (i <= events && !break_off(l, b->manner)) return;
  }
}

static peer *breaking_peer(flow *f, breaking what) {
  breaking *b = flow_keep(f, sizeof *b);
  *b = what;
  return flow_peer_script(f, speak, b);
}

/* A cut in front of every event of the stream, in every manner. In front of the finish reason it is
 * gone on with; behind it only the end's evidence is missing, and it is not. */
static void test_rt_05_cut_at_every_event_and_gone_on_with(void **state) {
  flow *f = *state;
  size_t size = strlen(letters);
  asked *a = begin(f);
  f->request.retries = 3; /* for a reset that overtakes even the first event */
  for (int manner = 0; manner < MANNERS; manner++) {
    for (unsigned cut = 1; cut <= size + 3; cut++) {
      peer *p = breaking_peer(f, (breaking){cut, 0, (enum manner)manner});
      a->times = 0;
      flow_call *c = flow_chat(f, p);
      flow_wait(f);
      bool whole = cut >= size + 2; /* its finish reason came, but no [DONE] */
      bool clean = whole && manner == MANNER_CLEAN;
      assert_string_equal(c->text, letters);
      if (manner != MANNER_RESET || !whole)
        assert_int_equal(c->error, whole && !clean ? LEAT_ETRUNCATED : LEAT_OK);
      assert_int_equal(c->result.resumed, a->times);
      if (manner != MANNER_RESET) assert_int_equal(a->times, !whole);
      assert_int_equal(c->heads, a->times + 1);
      /* A reset may overtake what was sent before it. */
      if (a->times) assert_in_range(strlen(a->text), manner == MANNER_RESET ? 0 : cut - 1, cut - 1);
      flow_peer_stop(f, p);
    }
  }
}

static void test_rt_05_several_cuts_give_one_text(void **state) {
  flow *f = *state;
  begin(f);
  f->request.resumes_max = 100;
  for (unsigned each = 2; each < 20; each++) {
    peer *p = breaking_peer(f, (breaking){each, each, MANNER_CLOSE});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    assert_string_equal(c->text, letters);
    /* Behind the finish reason it is not asked. */
    assert_true(c->error == LEAT_OK || c->error == LEAT_ETRUNCATED);
    assert_int_equal(c->result.resumed, peer_requests(p) - 1);
    flow_peer_stop(f, p);
  }
}

static void test_it_is_asked_so_often_and_no_more(void **state) {
  static const struct { int most, times; } rows[] = {{0, 3}, {1, 1}, {5, 5}, {LEAT_NONE, 0}};
  flow *f = *state;
  asked *a = begin(f);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *p = breaking_peer(f, (breaking){3, 3, MANNER_RESET});
    f->request.resumes_max = rows[i].most;
    a->times = 0;
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    assert_int_equal(a->times, rows[i].times);
    assert_int_equal(c->result.resumed, rows[i].times);
    flow_assert_error(c, LEAT_ETRUNCATED);
    assert_memory_equal(c->text, letters, c->text_size);
    assert_int_equal(c->text_size, 2 * (rows[i].times + 1));
    flow_peer_stop(f, p);
  }
}

static void test_no_is_an_answer(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  a->decline_at = 1;
  flow_call *c = flow_chat(f, breaking_peer(f, (breaking){5, 0, MANNER_CLOSE}));
  flow_wait(f);
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_int_equal(c->result.resumed, 0);
  assert_string_equal(c->text, "the ");
}

static void test_without_the_callback_the_error_stands(void **state) {
  flow *f = *state;
  flow_call *c = flow_chat(f, breaking_peer(f, (breaking){5, 0, MANNER_CLOSE}));
  flow_wait(f);
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_int_equal(c->result.attempts, 1);
}

static void test_nothing_delivered_is_a_matter_of_retries(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  f->request.retries = 1;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD "<<close>>", CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(a->times, 0);
  assert_int_equal(c->result.attempts, 2);
}

static void test_it_may_go_on_elsewhere(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  peer *first = breaking_peer(f, (breaking){9, 0, MANNER_RESET});
  /* Request 0 of the other one is the rest: it must not break that off. */
  peer *second = breaking_peer(f, (breaking){1000, 0, MANNER_RESET});
  a->elsewhere = peer_url(second);
  flow_call *c = flow_chat(f, first);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, letters);
  assert_int_equal(peer_requests(first), 1);
  assert_int_equal(peer_requests(second), 1);
  assert_int_equal(flow_stats(f).requests_resumed, 1);
  assert_int_equal(flow_stats(f).requests_completed, 1);
}

static void test_what_follows_is_retried_like_any_other(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  f->request.retries = 1;
  peer *second = flow_peer(f, (const char *const[]){"HTTP/1.1 503 Busy\r\nRetry-After-Ms: 1\r\n"
                                                    "Content-Length: 0\r\n\r\n",
                                                    CHAT_HELLO, NULL});
  a->elsewhere = peer_url(second);
  f->config.retries = 1;
  flow_call *c = flow_chat(f, breaking_peer(f, (breaking){5, 0, MANNER_CLOSE}));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "the hello");
  assert_int_equal(c->result.attempts, 3);
  assert_int_equal(c->result.resumed, 1);
}

static void test_stalled_answers_are_broken_off_too(void **state) {
  flow *f = *state;
  begin(f);
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<silent>>",
                                         CHAT_HEAD CHAT_TEXT("b") "<<silent>>", CHAT_HELLO, NULL});
  f->request.deadlines.idle_ms = 40;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "abhello");
  assert_int_equal(c->result.resumed, 2);
}

static int pause_at_b(flow_call *c, const leat_event *event) {
  bool b = event->kind == LEAT_EVENT_TEXT && lti_slice_is(event->text, "b");
  if (b) c->on_event = NULL;
  return b ? LEAT_PAUSE : LEAT_CONTINUE;
}

/* What is held is delivered before anybody is asked, and is a part of the text. */
static void test_a_pause_in_between_holds(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HEAD "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                                         "\"a\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{"
                                         "\"content\":\"b\"}}]}\n\ndata: {\"choices\":[{\"index\":"
                                         "0,\"delta\":{\"content\":\"c\"}}]}\n\n<<cut>><<close>>",
                               CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  c->on_event = pause_at_b;
  flow_wait_events(f, c, 3);
  flow_run(f, 60);
  assert_string_equal(c->text, "ab");
  assert_int_equal(a->times, 0);
  leat_resume(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(a->text, "abc");
  assert_string_equal(c->text, "abchello");
}

static void cancel_it(flow_call *c) {
  assert_int_equal(leat_cancel(c->flow->engine, c->id), LEAT_OK);
}

static void test_it_may_be_cancelled_while_it_is_asked(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  a->also = cancel_it;
  peer *p = breaking_peer(f, (breaking){5, 0, MANNER_CLOSE});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(c->result.resumed, 0);
  assert_int_equal(peer_requests(p), 1);
}

static void close_now(flow_call *c) {
  leat_close(c->flow->engine, LEAT_CLOSE_NOW, NULL, NULL);
  c->flow->closed = true;
}

static void test_the_engine_may_be_closed_while_it_is_asked(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  a->also = close_now;
  flow_call *c = flow_chat(f, breaking_peer(f, (breaking){5, 0, MANNER_CLOSE}));
  flow_wait(f);
  assert_int_equal(c->dones, 1);
  flow_assert_error(c, LEAT_ECANCELLED);
}

/* A request that cannot be sent: its error is the end. */
static bool bad_next(leat_engine *e, leat_id id, leat_slice text, leat_request *next, void *user) {
  (void)e, (void)id, (void)text, (void)user;
  next->body = lti_slice_of("{not json");
  return true;
}

static bool empty_next(leat_engine *e, leat_id id, leat_slice text, leat_request *next,
                       void *user) {
  (void)e, (void)id, (void)text, (void)user, (void)next;
  return true;
}

static void test_a_bad_request_ends_it(void **state) {
  flow *f = *state;
  peer *p = breaking_peer(f, (breaking){5, 0, MANNER_CLOSE});
  f->request.on_truncation = bad_next;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EJSON);
  flow_assert_has(c->message, "JSON");
  assert_string_equal(c->text, "the ");
  flow_peer_stop(f, p);
  p = breaking_peer(f, (breaking){5, 0, MANNER_CLOSE});
  f->request.on_truncation = empty_next;
  c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EINVAL);
  assert_int_equal(c->result.resumed, 0);
}

/* It keeps the lane, and goes on before the next of it. */
static void test_it_keeps_its_lane(void **state) {
  flow *f = *state;
  begin(f);
  f->request.lane = "chat";
  peer *p = breaking_peer(f, (breaking){5, 0, MANNER_CLOSE});
  flow_call *first = flow_chat(f, p), *second = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(first, LEAT_OK);
  flow_assert_error(second, LEAT_OK);
  assert_string_equal(first->text, letters);
  assert_string_equal(second->text, letters);
  assert_non_null(strstr(peer_request(p, 1), "\"have\":4"));
  assert_int_equal(flow_stats(f).lanes_live, 0);
}

static void test_the_total_deadline_runs_on(void **state) {
  flow *f = *state;
  asked *a = begin(f);
  f->request.resumes_max = 1000000;
  f->request.deadlines.total_ms = 500;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 20>><<close>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETOTALTIMEOUT);
  assert_true(a->times >= 1);
}

/* Every allocation behind the first cut, failed once: the text is never wrong, whatever ends it. */
static void test_without_memory_no_byte_is_wrong(void **state) {
  flow *f = *state;
  begin(f);
  unsigned good = 0, bad = 0;
  for (uint64_t n = 1; n <= 60; n++) {
    peer *p = breaking_peer(f, (breaking){5, 0, MANNER_CLOSE});
    flow_open(f);
    f->memory.fail_at = f->memory.calls + n;
    f->request.base_url = peer_url(p);
    flow_call *c = flow_try(f);
    flow_wait(f);
    f->memory.fail_at = 0;
    assert_memory_equal(c->text, letters, c->text_size);
    good += c->error == LEAT_OK;
    bad += c->error == LEAT_ENOMEM || c->error == LEAT_ETRUNCATED;
    flow_peer_stop(f, p);
  }
  assert_true(good > 5 && bad > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_rt_05_cut_at_every_event_and_gone_on_with),
      FLOW_TEST(test_rt_05_several_cuts_give_one_text),
      FLOW_TEST(test_it_is_asked_so_often_and_no_more),
      FLOW_TEST(test_no_is_an_answer),
      FLOW_TEST(test_without_the_callback_the_error_stands),
      FLOW_TEST(test_nothing_delivered_is_a_matter_of_retries),
      FLOW_TEST(test_it_may_go_on_elsewhere),
      FLOW_TEST(test_what_follows_is_retried_like_any_other),
      FLOW_TEST(test_stalled_answers_are_broken_off_too),
      FLOW_TEST(test_a_pause_in_between_holds),
      FLOW_TEST(test_it_may_be_cancelled_while_it_is_asked),
      FLOW_TEST(test_the_engine_may_be_closed_while_it_is_asked),
      FLOW_TEST(test_a_bad_request_ends_it),
      FLOW_TEST(test_it_keeps_its_lane),
      FLOW_TEST(test_the_total_deadline_runs_on),
      FLOW_TEST(test_without_memory_no_byte_is_wrong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
