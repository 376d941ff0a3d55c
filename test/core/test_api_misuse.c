/* What callers may do wrong, and what they may do in a callback (rows API): every call for every
 * request in every callback; arguments that make no sense; ids that are stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define ALL_KINDS                                                                    \
  CHAT_HEAD                                                                          \
  "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"r\"}}]}\n\n"  \
  "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"t\"}}]}\n\n"            \
  "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":" \
  "\"c\",\"function\":{\"name\":\"n\",\"arguments\":\"{}\"}}]}}]}\n\n" CHAT_STOP     \
  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,"    \
  "\"total_tokens\":2}}\n\n" CHAT_DONE "<<last>>"
#define KINDS "HRTCFU"

/* c->number: at which event to act, from 0. c->ctx: the sibling, or NULL: itself. */
static int cancel_at(flow_call *c, const leat_event *event) {
  flow_call *target = c->ctx ? c->ctx : c;
  (void)event;
  if ((int)c->events - 1 != c->number) return LEAT_CONTINUE;
  int r = leat_cancel(c->flow->engine, target->id);
  if (r != LEAT_OK && !target->dones) c->flow->faults++;
  leat_cancel(c->flow->engine, target->id);
  return LEAT_CONTINUE;
}

static void test_api_01_cancel_itself_in_every_event(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ALL_KINDS, NULL});
  for (int at = 0; at < (int)strlen(KINDS); at++) {
    flow_call *c = flow_chat(f, p);
    c->on_event = cancel_at;
    c->number = at;
    flow_wait(f);
    flow_assert_error(c, LEAT_ECANCELLED);
    assert_int_equal(c->events, at + 1);
    assert_memory_equal(c->kinds, KINDS, (size_t)at + 1);
  }
  assert_int_equal(flow_stats(f).requests_cancelled, strlen(KINDS));
}

static void test_api_01_cancel_a_sibling_in_every_event(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ALL_KINDS, NULL});
  for (int at = 0; at < (int)strlen(KINDS); at++) {
    flow_call *a = flow_chat(f, p), *b = flow_chat(f, p);
    a->on_event = b->on_event = cancel_at;
    a->number = b->number = at;
    a->ctx = b;
    b->ctx = a;
    flow_wait(f);
    assert_true(a->error == LEAT_OK || a->error == LEAT_ECANCELLED);
    assert_true(b->error == LEAT_OK || b->error == LEAT_ECANCELLED);
    assert_true(a->error == LEAT_ECANCELLED || b->error == LEAT_ECANCELLED);
  }
}

static void cancel_in_done(flow_call *c, const leat_result *result) {
  flow_call *sibling = c->ctx;
  (void)result;
  if (leat_cancel(c->flow->engine, c->id) != LEAT_ENOTFOUND) c->flow->faults++;
  if (leat_resume(c->flow->engine, c->id) != LEAT_ENOTFOUND) c->flow->faults++;
  if (sibling) leat_cancel(c->flow->engine, sibling->id);
}

static void test_api_01_cancel_in_done(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *calls[8];
  for (int i = 0; i < 8; i++) {
    calls[i] = flow_chat(f, p);
    calls[i]->on_done = cancel_in_done;
  }
  for (int i = 0; i < 8; i++) calls[i]->ctx = calls[(i + 1) % 8];
  flow_wait(f);
  assert_int_equal(f->faults, 0);
}

static int close_at(flow_call *c, const leat_event *event) {
  flow *f = c->flow;
  (void)event;
  if ((int)c->events - 1 != c->number) return LEAT_CONTINUE;
  if (leat_close(f->engine, LEAT_CLOSE_NOW, NULL, NULL) != LEAT_OK) f->faults++;
  leat_request q = f->request;
  leat_id id;
  q.on_done = (leat_done_cb)(void *)abort; /* never to be called */
  if (leat_submit(f->engine, &q, &id) != LEAT_ECLOSED) f->faults++;
  return LEAT_CONTINUE;
}

static void count_closed(void *user) {
  flow *f = user;
  f->closed = true;
}

static int close_then_tell(flow_call *c, const leat_event *event) {
  (void)event;
  if ((int)c->events - 1 != c->number) return LEAT_CONTINUE;
  if (leat_close(c->flow->engine, LEAT_CLOSE_NOW, count_closed, c->flow) != LEAT_OK)
    c->flow->faults++;
  close_at(c, event);
  return LEAT_CONTINUE;
}

/* One engine for each event kind, three requests in flight. */
static void test_api_02_close_in_every_event(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ALL_KINDS, NULL});
  for (int at = 0; at < (int)strlen(KINDS); at++) {
    f->engine = NULL;
    f->closed = false;
    flow_call *calls[3];
    for (int i = 0; i < 3; i++) calls[i] = flow_chat(f, p);
    calls[1]->on_event = close_then_tell;
    calls[1]->number = at;
    flow_wait(f);
    flow_close(f, LEAT_CLOSE_NOW);
    /* What the same read still held may come; what lives is cancelled in the next turn. */
    assert_true(calls[1]->error == LEAT_ECANCELLED || calls[1]->error == LEAT_OK);
    assert_true((int)calls[1]->events > at);
  }
}

static void close_in_done(flow_call *c, const leat_result *result) {
  (void)result;
  if (leat_close(c->flow->engine, LEAT_CLOSE_NOW, count_closed, c->flow) != LEAT_OK)
    c->flow->faults++;
  c->flow->closed = false;
}

static void test_api_02_close_in_done(void **state) {
  flow *f = *state;
  peer *a = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  peer *b = flow_peer(f, (const char *const[]){CHAT_HEAD "<<silent>>", NULL});
  flow_call *first = flow_chat(f, a);
  first->on_done = close_in_done;
  flow_call *second = flow_chat(f, b);
  flow_wait(f);
  flow_assert_error(first, LEAT_OK);
  flow_assert_error(second, LEAT_ECANCELLED);
  for (int i = 0; i < 100 && !f->closed; i++) flow_run(f, 5);
  assert_true(f->closed);
}

static void submit_again(flow_call *c, const leat_result *result) {
  flow *f = c->flow;
  if (result->error != LEAT_OK) f->faults++;
  if (++*(int *)c->ctx >= 2000) return;
  bool calling = f->calling;
  flow_call *next = flow_submit(f);
  f->calling = calling;
  next->on_done = submit_again;
  next->ctx = c->ctx;
}

static void test_api_03_submit_in_done_over_and_over(void **state) {
  flow *f = *state;
  int count = 0;
  peer *p = flow_peer(f, (const char *const[]){CHAT_JSON, NULL});
  flow_call *c = flow_chat(f, p);
  c->on_done = submit_again;
  c->ctx = &count;
  flow_wait(f);
  assert_int_equal(count, 2000);
  assert_int_equal(peer_conns(p), 1);
}

static int submit_in_event(flow_call *c, const leat_event *event) {
  (void)event;
  if (c->flow->submitted < 60) flow_submit(c->flow);
  c->flow->calling = false;
  return LEAT_CONTINUE;
}

static void test_api_03_submit_in_every_event(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){ALL_KINDS, NULL});
  for (int i = 0; i < 10; i++) flow_chat(f, p)->on_event = submit_in_event;
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
  assert_int_equal(f->submitted, 60);
}

static void test_api_04_stale_ids_are_harmless(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, CHAT_HEAD "<<silent>>", NULL});
  flow_call *first = flow_chat(f, p);
  flow_wait(f);
  flow_call *second = flow_chat(f, p); /* in the first one's place in the table */
  assert_true(second->id != first->id);
  assert_int_equal(leat_cancel(f->engine, first->id), LEAT_ENOTFOUND);
  assert_int_equal(leat_resume(f->engine, first->id), LEAT_ENOTFOUND);
  assert_int_equal(leat_cancel(f->engine, 0), LEAT_ENOTFOUND);
  assert_int_equal(leat_cancel(f->engine, UINT64_MAX), LEAT_ENOTFOUND);
  flow_run(f, 30);
  assert_int_equal(second->dones, 0);
  assert_int_equal(leat_cancel(f->engine, second->id), LEAT_OK);
  assert_int_equal(leat_cancel(f->engine, second->id), LEAT_OK);
  flow_wait(f);
  assert_int_equal(leat_cancel(f->engine, second->id), LEAT_ENOTFOUND);
}

static void test_cancel_before_the_first_turn(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c = flow_chat(f, p);
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  assert_int_equal(c->dones, 0);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(peer_conns(p), 0);
}

static void test_api_07_arguments_that_make_no_sense(void **state) {
  flow *f = *state;
  leat_id id = 0;
  f->request.base_url = "http://127.0.0.1:1";
  flow_open(f);
  leat_request q = f->request;
  assert_int_equal(leat_submit(NULL, &q, &id), LEAT_EINVAL);
  assert_int_equal(leat_submit(f->engine, NULL, &id), LEAT_EINVAL);
  assert_int_equal(leat_submit(f->engine, &q, &id), LEAT_EINVAL); /* no on_done */
  flow_assert_has(leat_last_message(f->engine), "on_done");
  f->request.struct_size = 0;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request.struct_size = sizeof f->request + 1;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request.struct_size = sizeof f->request;
  f->request.header_count = 3;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request.header_count = 0;
  f->request.retries = -2;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request.retries = 0;
  f->request.body = lti_slice("", 0);
  assert_int_equal(flow_try(f)->error, LEAT_EJSON);
  f->request.body = lti_slice(NULL, 0);
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request.protocol = "openai-chatt";
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, LEAT_ENOPROTOCOL);
  flow_assert_has(c->message, "openai-chat");
  assert_int_equal(leat_cancel(NULL, 1), LEAT_EINVAL);
  assert_int_equal(leat_resume(NULL, 1), LEAT_EINVAL);
  assert_int_equal(leat_post(f->engine, NULL, NULL), LEAT_EINVAL);
  assert_int_equal(leat_close(NULL, LEAT_CLOSE_NOW, NULL, NULL), LEAT_EINVAL);
  assert_int_equal(leat_run(NULL), LEAT_EINVAL);
  assert_string_equal(leat_last_message(NULL), "");
  assert_int_equal(flow_stats(f).requests_started, 0);
}

static void test_api_07_json_that_is_none_is_refused_with_its_offset(void **state) {
  flow *f = *state;
  f->request.base_url = "http://127.0.0.1:1";
  f->request.body = lti_slice_of("{\"a\":1,}");
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, LEAT_EJSON);
  flow_assert_has(c->message, "offset 7");
}

static void test_api_07_config_that_makes_no_sense(void **state) {
  flow *f = *state;
  leat_engine *e = (leat_engine *)f;
  const char *why = NULL;
  leat_config c;
  assert_int_equal(leat_open(NULL, NULL, NULL), LEAT_EINVAL);
  leat_config_init(&c);
  c.struct_size = 3;
  assert_int_equal(leat_open(&e, &c, &why), LEAT_EINVAL);
  assert_null(e);
  assert_non_null(why);
  leat_config_init(&c);
  c.allocator = f->config.allocator;
  c.allocator.free = NULL;
  assert_int_equal(leat_open(&e, &c, &why), LEAT_EINVAL);
  leat_config_init(&c);
  c.conns_max = -1;
  assert_int_equal(leat_open(&e, &c, &why), LEAT_EINVAL);
  leat_config_init(&c);
  c.loop = &f->loop;
  c.allocator = f->config.allocator;
  c.resolve = (const char *const[]){"nonsense"};
  c.resolve_count = 1;
  assert_int_equal(leat_open(&e, &c, &why), LEAT_EINVAL);
  flow_assert_has(why, "resolve");
  flow_run(f, 10); /* what was half made closes when the loop runs next */
}

static void test_net_05_hosts_and_urls_that_cannot_be_are_refused_before_any_lookup(void **state) {
  static const char *const urls[] = {
      "http://",         "ftp://x.test",    "http://a b.test",       "http://0x7f.1",
      "http://u@x.test", "http://x.test:0", "http://x.test:70000",   "http://[::1",
      "x.test",          "http://x..test",  "http://b\xc3\xbc.test", "http://-x.test/\n"};
  flow *f = *state;
  char longest[400];
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    f->request.base_url = urls[i];
    flow_call *c = flow_try(f);
    if (c->error != LEAT_EURL) fail_msg("%s: %s", urls[i], leat_error_name(c->error));
    assert_true(c->message[0] != '\0');
  }
  memset(longest, 'a', sizeof longest);
  memcpy(longest, "http://", 7);
  longest[320] = '\0';
  f->request.base_url = longest;
  assert_int_equal(flow_try(f)->error, LEAT_EURL);
}

/* Strings and structs are copied: they are overwritten right after the submit. */
static void test_api_08_everything_is_copied_at_submit(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  char url[64], key[16], path[32], body[64], name[16], value[16];
  snprintf(url, sizeof url, "%s", peer_url(p));
  snprintf(key, sizeof key, "sk-copied");
  snprintf(path, sizeof path, "/p/q?r=1");
  snprintf(body, sizeof body, "%s", FLOW_BODY);
  snprintf(name, sizeof name, "X-Name");
  snprintf(value, sizeof value, "value");
  leat_header header = {lti_slice_of(name), lti_slice_of(value)};
  f->request.base_url = url;
  f->request.api_key = key;
  f->request.path = path;
  f->request.body = lti_slice_of(body);
  f->request.headers = &header;
  f->request.header_count = 1;
  flow_call *c = flow_submit(f);
  memset(url, '#', sizeof url);
  memset(key, '#', sizeof key);
  memset(path, '#', sizeof path);
  memset(body, '#', sizeof body);
  memset(name, '#', sizeof name);
  memset(value, '#', sizeof value);
  memset(&header, 0, sizeof header);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  flow_assert_has(peer_request(p, 0), "POST /p/q?r=1 HTTP/1.1\r\n");
  flow_assert_has(peer_request(p, 0), "X-Name: value\r\n");
  flow_assert_has(peer_request(p, 0), "Bearer sk-copied\r\n");
  flow_assert_has(peer_request(p, 0), FLOW_BODY);
}

static void test_error_names_and_texts_are_there_for_all(void **state) {
  (void)state;
  assert_string_equal(leat_error_name(LEAT_ETRUNCATED), "LEAT_ETRUNCATED");
  assert_string_equal(leat_error_name(12345), "LEAT_EUNKNOWN");
  assert_string_equal(leat_version(), LEAT_VERSION);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_api_01_cancel_itself_in_every_event),
      FLOW_TEST(test_api_01_cancel_a_sibling_in_every_event),
      FLOW_TEST(test_api_01_cancel_in_done),
      FLOW_TEST(test_api_02_close_in_every_event),
      FLOW_TEST(test_api_02_close_in_done),
      FLOW_TEST(test_api_03_submit_in_done_over_and_over),
      FLOW_TEST(test_api_03_submit_in_every_event),
      FLOW_TEST(test_api_04_stale_ids_are_harmless),
      FLOW_TEST(test_cancel_before_the_first_turn),
      FLOW_TEST(test_api_07_arguments_that_make_no_sense),
      FLOW_TEST(test_api_07_json_that_is_none_is_refused_with_its_offset),
      FLOW_TEST(test_api_07_config_that_makes_no_sense),
      FLOW_TEST(test_net_05_hosts_and_urls_that_cannot_be_are_refused_before_any_lookup),
      FLOW_TEST(test_api_08_everything_is_copied_at_submit),
      cmocka_unit_test(test_error_names_and_texts_are_there_for_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
