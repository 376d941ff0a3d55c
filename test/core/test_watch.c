/* The observer: every attempt seen once and in order, however it fails; what it adds goes with that
 * attempt alone; and its callbacks may do what others may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/asking.h"
#include "support/h2_peer.h"

#define SOON     "Retry-After-Ms: 1\r\n"
#define BUSY     "HTTP/1.1 503 Busy\r\n" SOON "Content-Length: 0\r\n\r\n"
#define SEEN_MAX 64

/* What the observer of one test has seen: of each id a text such as "S1 R1:LEAT_ESTATUS S2 D". */
typedef struct seen {
  leat_id ids[SEEN_MAX];
  char texts[SEEN_MAX][256];
  size_t count;
  unsigned starts, retries, dones;
  leat_attempt last;
  char protocol[32], model[64], method[16], host[64], path[128]; /* of it */
  uint64_t last_ns;
  char values[16][64];
  size_t (*on_start)(struct seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                     size_t room);
  void (*on_retry)(struct seen *s, leat_engine *e, const leat_attempt *a);
  void (*on_done)(struct seen *s, leat_engine *e, leat_id id);
  flow *flow;
  flow_call *more;
  leat_observer observer;
} seen;

static char *text_of(seen *s, leat_id id) {
  size_t i = 0;
  while (i < s->count && s->ids[i] != id) i++;
  assert_true(i < SEEN_MAX);
  if (i == s->count) s->ids[s->count++] = id;
  return s->texts[i];
}

static void note(seen *s, leat_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void note(seen *s, leat_id id, const char *format, ...) {
  char *text = text_of(s, id);
  size_t size = strlen(text);
  va_list args;
  if (size && size < sizeof s->texts[0] - 1) text[size++] = ' ';
  va_start(args, format);
  vsnprintf(text + size, sizeof s->texts[0] - size, format, args);
  va_end(args);
  if (s->flow->calling) s->flow->faults++;
}

static void copy(char *to, size_t room, leat_slice from) {
  size_t size = from.size < room ? from.size : room - 1;
  if (size) memcpy(to, from.data, size);
  to[size] = '\0';
}

static size_t on_start(void *user, leat_engine *e, const leat_attempt *a, leat_header *extra,
                       size_t room) {
  seen *s = user;
  s->starts++;
  s->last = *a;
  copy(s->protocol, sizeof s->protocol, a->protocol);
  copy(s->model, sizeof s->model, a->model);
  copy(s->method, sizeof s->method, a->method);
  copy(s->host, sizeof s->host, a->host);
  copy(s->path, sizeof s->path, a->path);
  if (a->hops)
    note(s, a->id, "S%u+%u", a->number, a->hops);
  else
    note(s, a->id, "S%u", a->number);
  return s->on_start ? s->on_start(s, e, a, extra, room) : 0;
}

static void on_retry(void *user, leat_engine *e, const leat_attempt *a, int error,
                     int64_t wait_ms) {
  seen *s = user;
  s->retries++;
  if (wait_ms < 0) s->flow->faults++;
  note(s, a->id, "R%u:%s", a->number, leat_error_name(error));
  if (s->on_retry) s->on_retry(s, e, a);
}

static void on_done(void *user, leat_engine *e, leat_id id, const leat_result *result) {
  seen *s = user;
  s->dones++;
  note(s, id, "D:%s", leat_error_name(result->error));
  if (s->on_done) s->on_done(s, e, id);
}

static seen *watch(flow *f) {
  seen *s = flow_keep(f, sizeof *s);
  s->flow = f;
  s->observer = (leat_observer){on_start, on_retry, on_done, s};
  f->config.observer = &s->observer;
  return s;
}

static void expect(seen *s, const flow_call *c, const char *text) {
  assert_string_equal(text_of(s, c->id), text);
}

/* ---- order */

static void test_a_good_request_is_started_once_and_done_once(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.path = "/v9/chat?key=secret";
  flow_call *c = flow_chat(f, p);
  memset(&s->observer, 0xff, sizeof s->observer); /* it was copied */
  flow_wait(f);
  expect(s, c, "S1 D:LEAT_OK");
  assert_string_equal(s->protocol, "openai-chat");
  assert_string_equal(s->model, "m");
  assert_string_equal(s->method, "POST");
  assert_string_equal(s->host, "127.0.0.1");
  assert_string_equal(s->path, "/v9/chat");
  assert_int_equal(s->last.port, peer_port(p));
  assert_false(s->last.tls || s->last.turn);
  assert_ptr_equal(s->last.user, c);
  assert_true(s->last.submitted_ns > 0 && s->last.now_ns >= s->last.submitted_ns);
}

static void test_each_repeat_is_told_before_its_start(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p = flow_peer(f, (const char *const[]){BUSY, BUSY, CHAT_HELLO, NULL});
  f->request.retries = 2;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  expect(s, c, "S1 R1:LEAT_ESTATUS S2 R2:LEAT_ESTATUS S3 D:LEAT_OK");
  assert_int_equal(c->result.attempts, 3);
}

static void test_an_attempt_without_a_connection_is_one_too(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  char url[64];
  snprintf(url, sizeof url, "%s", peer_url(p));
  flow_peer_stop(f, p);
  f->request.base_url = url;
  f->request.retries = 1;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_EREFUSED);
  expect(s, c, "S1 R1:LEAT_EREFUSED S2 D:LEAT_EREFUSED");
}

static void test_a_connection_that_takes_too_long_is_one_too(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p = flow_peer_with(f, &(peer_options){.deaf = true});
  f->request.deadlines.connect_ms = 60;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECONNTIMEOUT);
  expect(s, c, "S1 D:LEAT_ECONNTIMEOUT");
}

static void test_who_never_left_the_queue_has_no_attempt(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD "<<silent>>", NULL});
  f->config.conns_max = 1;
  flow_call *first = flow_chat(f, p);
  flow_wait_events(f, first, 1);
  f->request.deadlines.queue_ms = 30;
  flow_call *c = flow_chat(f, p);
  flow_wait_for(f, c);
  flow_assert_error(c, LEAT_EQUEUETIMEOUT);
  expect(s, c, "D:LEAT_EQUEUETIMEOUT");
  leat_cancel(f->engine, first->id);
  flow_wait(f);
  expect(s, first, "S1 D:LEAT_ECANCELLED");
}

static void test_a_free_repeat_is_told_as_any_other(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  /* A kept connection that the server has closed: nothing was taken up. */
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, "<<close>>", CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  expect(s, c, "S1 R1:LEAT_ERESET S2 D:LEAT_OK");
}

static void test_a_hop_is_a_start_of_its_own(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 307 Go\r\nLocation: /v1/else\r\nContent-Length: 0\r\n\r\n", BUSY,
                       "HTTP/1.1 307 Go\r\nLocation: /v1/third\r\nContent-Length: 0\r\n\r\n",
                       CHAT_HELLO, NULL});
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  expect(s, c, "S1 S1+1 R1:LEAT_ESTATUS S2+1 S2+2 D:LEAT_OK");
  assert_string_equal(s->path, "/v1/third");
  assert_int_equal(s->starts, c->result.attempts + c->result.redirects);
}

static void test_all_functions_may_be_missing(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  leat_observer none = {0};
  s->observer = none;
  peer *p = flow_peer(f, (const char *const[]){BUSY, CHAT_HELLO, NULL});
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
}

static void test_a_chat_has_its_model_and_a_bad_body_none(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = "gpt-x";
  chat.prompt = lti_slice_of("hi");
  chat.stream = true;
  f->request.body = lti_slice(NULL, 0);
  f->request.chat = &chat;
  flow_chat(f, p);
  flow_wait(f);
  assert_string_equal(s->model, "gpt-x");
  f->request.chat = NULL;
  static const char *const bodies[][2] = {
      {"{\"model\":\"\\u0041b\",\"messages\":[],\"stream\":true}", "Ab"},
      {"{\"model\":7,\"messages\":[],\"stream\":true}", ""},
      {"{\"messages\":[],\"stream\":true}", ""}};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    f->request.body = lti_slice_of(bodies[i][0]);
    flow_chat(f, p);
    flow_wait(f);
    assert_string_equal(s->model, bodies[i][1]);
  }
}

/* ---- fields of an attempt */

static size_t add_trace(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                        size_t room) {
  (void)e;
  assert_true(room >= 2);
  snprintf(s->values[0], sizeof s->values[0], "00-%u-%u", a->number, a->hops);
  extra[0] = (leat_header){{"traceparent", 11}, lti_slice_of(s->values[0])};
  extra[1] = (leat_header){{"x-mine", 6}, {"  new  ", 7}};
  return 2;
}

static void test_fields_go_with_their_attempt_alone(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = add_trace;
  peer *p = flow_peer(
      f, (const char *const[]){BUSY, "HTTP/1.1 307 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
                               CHAT_HELLO, NULL});
  leat_header mine = {{"X-Mine", 6}, {"old", 3}};
  f->request.headers = &mine;
  f->request.header_count = 1;
  f->request.api_key = "sk-1";
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  static const char *const expected[] = {"traceparent: 00-1-0\r\n", "traceparent: 00-2-0\r\n",
                                         "traceparent: 00-2-1\r\n"};
  for (unsigned i = 0; i < 3; i++) {
    flow_assert_has(peer_request(p, i), expected[i]);
    flow_assert_has(peer_request(p, i), "X-Mine: new\r\n"); /* in the place of the request's own */
    flow_assert_has(peer_request(p, i), "Authorization: Bearer sk-1\r\n");
    assert_null(strstr(strstr(peer_request(p, i), "traceparent") + 1, "traceparent"));
  }
  s->on_start = NULL;
  flow_chat(f, p);
  flow_wait(f);
  assert_null(strstr(peer_request(p, 3), "traceparent"));
  flow_assert_has(peer_request(p, 3), "X-Mine: old\r\n");
}

static size_t add_many(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                       size_t room) {
  (void)e, (void)a;
  for (size_t i = 0; i < room; i++) {
    snprintf(s->values[i], sizeof s->values[i], "x-field-%zu", i);
    extra[i] = (leat_header){lti_slice_of(s->values[i]), {"", 0}};
  }
  return 1000; /* of which there are no more than the room */
}

static void test_as_many_fields_as_there_is_room_for(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = add_many;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 0), "x-field-0: \r\n");
  flow_assert_has(peer_request(p, 0), "x-field-15: \r\n");
}

static leat_header vile;

static size_t add_vile(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                       size_t room) {
  (void)s, (void)e, (void)a, (void)room;
  extra[0] = vile;
  return 1;
}

static void test_key_04_fields_that_cannot_be_sent_end_the_request(void **state) {
  static const leat_header rows[] = {
      {{"x-vi le", 7}, {"v", 1}},         {{"", 0}, {"v", 1}},
      {{"x-a", 3}, {"vile\r\nX: y", 10}}, {{"x-a", 3}, {"vi\0le", 5}},
      {{"Content-Length", 14}, {"4", 1}}, {{"host", 4}, {"vile", 4}}};
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = add_vile;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    vile = rows[i];
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_EHEADER);
    assert_true(c->message[0] != '\0');
    assert_null(strstr(c->message, "vile"));
    expect(s, c, "S1 D:LEAT_EHEADER");
  }
  assert_int_equal(peer_requests(p), 0);
  s->on_start = NULL;
  flow_call *c = flow_chat(f, p); /* the connection is as good as it was */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(peer_conns(p), 1);
}

static void test_key_10_a_credential_among_them_needs_its_permission(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  char url[64], entry[64];
  s->on_start = add_vile;
  vile = (leat_header){{"X-Api-Key", 9}, {"sk-vile", 7}};
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  snprintf(url, sizeof url, "http://api.x.test:%d", peer_port(p));
  snprintf(entry, sizeof entry, "api.x.test:%d=127.0.0.1", peer_port(p));
  f->config.resolve = (const char *const[]){entry};
  f->config.resolve_count = 1;
  f->request.base_url = url;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_EPLAINKEY);
  assert_int_equal(peer_requests(p), 0);
  c = flow_chat(f, p); /* loopback */
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 0), "X-Api-Key: sk-vile\r\n");
}

static void test_key_01_a_credential_among_them_stays_at_its_origin(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  char *there = flow_keep(f, 256);
  s->on_start = add_vile;
  vile = (leat_header){{"X-Api-Key", 9}, {"sk-vile", 7}};
  peer *second = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *p = flow_peer(f, (const char *const[]){there, NULL});
  snprintf(there, 256, "HTTP/1.1 307 Go\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n",
           peer_url(second));
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  expect(s, c, "S1 S1+1 D:LEAT_OK");
  flow_assert_has(peer_request(p, 0), "X-Api-Key: sk-vile\r\n");
  assert_null(strstr(peer_request(second, 0), "sk-vile"));
}

static void test_key_06_a_credential_among_them_is_masked(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = add_vile;
  vile = (leat_header){{"authorization", 13}, {"Bearer sk-observed", 18}};
  peer *p =
      flow_peer(f, (const char *const[]){REFUSED("401 No", "sk-observed is no key of ours"), NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_has(peer_request(p, 0), "uthorization: Bearer sk-observed\r\n");
  flow_assert_error(c, LEAT_ESTATUS);
  assert_null(strstr(c->provider_code, "sk-observed"));
  assert_null(strstr(c->body, "sk-observed"));
  flow_assert_has(c->provider_code, "*********** is no key of ours");
  assert_null(strstr(f->trace, "sk-observed"));
}

/* ---- what callbacks may do */

static size_t cancel_self(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                          size_t room) {
  (void)s, (void)extra, (void)room;
  assert_int_equal(leat_cancel(e, a->id), LEAT_OK);
  return 0;
}

static void test_cancelled_in_start(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = cancel_self;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  expect(s, c, "S1 D:LEAT_ECANCELLED");
  assert_int_equal(peer_requests(p), 0);
  s->on_start = NULL;
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(peer_conns(p), 1);
}

static size_t cancel_all(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                         size_t room) {
  (void)extra, (void)room;
  for (const flow_call *c = s->flow->calls; c; c = c->next)
    if (c->id != a->id) leat_cancel(e, c->id);
  return 0;
}

static void test_others_in_line_cancelled_in_start(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = cancel_all;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  for (int i = 0; i < 20; i++) flow_chat(f, p);
  flow_wait(f);
  unsigned good = 0, cancelled = 0;
  for (flow_call *c = f->calls; c; c = c->next) {
    good += c->error == LEAT_OK;
    cancelled += c->error == LEAT_ECANCELLED;
  }
  assert_int_equal(good, 1);
  assert_int_equal(cancelled, 19);
  assert_int_equal(s->starts, 1);
  assert_int_equal(s->dones, 20);
}

/* Those behind it in line, some of which were passed over. */
static size_t cancel_every_other(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                                 size_t room) {
  (void)a, (void)extra, (void)room;
  int i = 0;
  for (const flow_call *c = s->flow->calls; c; c = c->next)
    if (i++ % 2 == (int)(s->starts % 2) && c->id != a->id) leat_cancel(e, c->id);
  return 0;
}

static void serve_slowly(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) {
    peer_sleep(t->link, 1);
    h2_peer_answer(t, ask);
  }
}

static void test_others_on_the_same_connection_cancelled_in_start(void **state) {
  static const uint32_t few[] = {3, 4}; /* SETTINGS_MAX_CONCURRENT_STREAMS */
  flow *f = *state;
  seen *s = watch(f);
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = serve_slowly;
  h->settings = few;
  h->setting_count = 1;
  f->config.http = LEAT_HTTP_2;
  f->config.h2_conns_max = 2;
  f->config.keep_alive_ms = LEAT_NONE; /* its last one's end is the connection's */
  s->on_start = cancel_every_other;
  peer *p = h2_peer_start(f, h);
  f->request.base_url = peer_url(p);
  f->request.retries = 3;
  for (unsigned i = 0; i < 60; i++) h2_peer_chat(f, i);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next)
    assert_true(c->error == LEAT_OK || c->error == LEAT_ECANCELLED);
  assert_int_equal(s->dones, 60);
  for (const flow_call *c = f->calls; c; c = c->next) {
    const char *text = text_of(s, c->id);
    assert_true(text[0] == 'S' || strcmp(text, "D:LEAT_ECANCELLED") == 0);
  }
}

static void cancel_in_retry(seen *s, leat_engine *e, const leat_attempt *a) {
  (void)s;
  assert_int_equal(leat_cancel(e, a->id), LEAT_OK);
}

static void test_cancelled_in_retry(void **state) {
  static const char *const answers[] = {BUSY, "<<close>>"};
  flow *f = *state;
  seen *s = watch(f);
  s->on_retry = cancel_in_retry;
  f->request.retries = 2;
  for (size_t i = 0; i < 2; i++) {
    peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, answers[i], CHAT_HELLO, NULL});
    flow_chat(f, p);
    flow_wait(f);
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_ECANCELLED);
    expect(s, c,
           i == 0 ? "S1 R1:LEAT_ESTATUS D:LEAT_ECANCELLED" : "S1 R1:LEAT_ERESET D:LEAT_ECANCELLED");
    assert_int_equal(peer_requests(p), 2);
  }
}

static void submit_one_more(seen *s, leat_engine *e, leat_id id) {
  assert_int_equal(leat_cancel(e, id), LEAT_ENOTFOUND);
  if (s->dones < 5) s->more = flow_submit(s->flow);
}

static void test_submitted_in_done(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_done = submit_one_more;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(s->dones, 5);
  assert_int_equal(s->starts, 5);
}

static size_t submit_in_start(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                              size_t room) {
  (void)e, (void)a, (void)extra, (void)room;
  if (s->starts < 20) s->more = flow_submit(s->flow);
  return 0;
}

static void test_submitted_in_start(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = submit_in_start;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(s->dones, 20);
}

/* Whoever is newer takes the place of all in the lane, of the one that is about to be sent too. */
static size_t supersede_in_start(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                                 size_t room) {
  (void)e, (void)a, (void)extra, (void)room;
  if (s->starts < 5) s->more = flow_submit(s->flow);
  return 0;
}

static void test_superseded_in_start(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = supersede_in_start;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.lane = "chat-1";
  f->request.supersede = true;
  flow_call *first = flow_chat(f, p);
  flow_wait(f);
  expect(s, first, "S1 D:LEAT_ESUPERSEDED");
  flow_assert_error(s->more, LEAT_OK);
  assert_int_equal(s->starts, 5);
  assert_int_equal(s->dones, 5);
  assert_int_equal(peer_requests(p), 1);
}

static size_t close_in_start(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                             size_t room) {
  (void)s, (void)a, (void)extra, (void)room;
  leat_close(e, LEAT_CLOSE_NOW, NULL, NULL);
  return 0;
}

static void test_closed_in_start(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = close_in_start;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD "<<silent>>", NULL});
  for (int i = 0; i < 5; i++) flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(s->dones, 5);
  f->closed = true;
}

/* ---- sockets, turns and tasks */

static void test_a_turns_own_handshake_is_the_turns_attempt(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = add_trace;
  peer *server = talk_peer(
      f, SCRIPTS("< one\n" DELTA("c", "hello") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  expect(s, c, "S1 D:LEAT_OK");
  assert_int_equal(s->count, 1);
  flow_assert_has(peer_request(server, 0), "traceparent: 00-1-0\r\n");
  assert_string_equal(s->protocol, "chat-ws");
  assert_string_equal(s->model, "m");
  assert_string_equal(s->method, "GET");
  assert_ptr_equal(s->last.user, c);
  assert_false(s->last.turn);
  talk_peer_over(f, server);
}

static void test_a_turn_cancelled_in_its_handshakes_start(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  s->on_start = cancel_self;
  peer *server = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  flow_call *c = ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  expect(s, c, "S1 D:LEAT_ECANCELLED");
  assert_int_equal(s->count, 1);
}

static void test_a_socket_and_its_turns(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *server =
      talk_peer(f, SCRIPTS("< one\n" DELTA("c", "hello") "\n" STOP("c") "\n< two\n" DELTA(
                       "d", "hello") "\n" STOP("d") "\nclosed 1000\nclose 1000"));
  talk *t = talk_open(f, server, "chat-ws");
  talk_wait_events(t, 1);
  expect(s, t->call, "S1");
  assert_ptr_equal(s->last.user, t);
  flow_call *one = ask(f, server, t->call->id, ASK_CHAT("one"));
  flow_call *two = ask(f, server, t->call->id, ASK_CHAT("two"));
  flow_wait_for(f, two);
  expect(s, one, "S1 D:LEAT_OK");
  expect(s, two, "S1 D:LEAT_OK");
  assert_true(s->last.turn);
  assert_string_equal(s->host, "127.0.0.1");
  assert_ptr_equal(s->last.user, two);
  talk_close(t, 1000, "");
  flow_wait(f);
  expect(s, t->call, "S1 D:LEAT_OK");
  talk_free(t);
  talk_peer_over(f, server);
}

static void test_a_tasks_exchanges_are_seen_one_by_one(void **state) {
  flow *f = *state;
  seen *s = watch(f);
  peer *p = flow_peer(
      f, (const char *const[]){
             ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"queued\"}"),
             ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"completed\"}"), NULL});
  leat_task task;
  leat_task_init(&task);
  task.base_url = peer_url(p);
  task.model = task.prompt = "p";
  task.poll_ms = task.first_poll_ms = 1;
  flow_call *c = flow_task(f, &task);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(s->count, 2);
  for (size_t i = 0; i < 2; i++) {
    assert_string_equal(s->texts[i], "S1 D:LEAT_OK");
    assert_true(s->ids[i] != c->id);
  }
  assert_null(s->last.user);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_good_request_is_started_once_and_done_once),
      FLOW_TEST(test_each_repeat_is_told_before_its_start),
      FLOW_TEST(test_an_attempt_without_a_connection_is_one_too),
      FLOW_TEST(test_a_connection_that_takes_too_long_is_one_too),
      FLOW_TEST(test_who_never_left_the_queue_has_no_attempt),
      FLOW_TEST(test_a_free_repeat_is_told_as_any_other),
      FLOW_TEST(test_a_hop_is_a_start_of_its_own),
      FLOW_TEST(test_all_functions_may_be_missing),
      FLOW_TEST(test_a_chat_has_its_model_and_a_bad_body_none),
      FLOW_TEST(test_fields_go_with_their_attempt_alone),
      FLOW_TEST(test_as_many_fields_as_there_is_room_for),
      FLOW_TEST(test_key_04_fields_that_cannot_be_sent_end_the_request),
      FLOW_TEST(test_key_10_a_credential_among_them_needs_its_permission),
      FLOW_TEST(test_key_01_a_credential_among_them_stays_at_its_origin),
      FLOW_TEST(test_key_06_a_credential_among_them_is_masked),
      FLOW_TEST(test_cancelled_in_start),
      FLOW_TEST(test_others_in_line_cancelled_in_start),
      FLOW_TEST(test_others_on_the_same_connection_cancelled_in_start),
      FLOW_TEST(test_cancelled_in_retry),
      FLOW_TEST(test_submitted_in_done),
      FLOW_TEST(test_submitted_in_start),
      FLOW_TEST(test_superseded_in_start),
      FLOW_TEST(test_closed_in_start),
      FLOW_TEST(test_a_turns_own_handshake_is_the_turns_attempt),
      FLOW_TEST(test_a_turn_cancelled_in_its_handshakes_start),
      FLOW_TEST(test_a_socket_and_its_turns),
      FLOW_TEST(test_a_tasks_exchanges_are_seen_one_by_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
