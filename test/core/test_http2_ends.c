/* How an answer over HTTP/2 ends, and whether it was one: interim responses and trailers pass, a
 * reset behind the end changes nothing (H2-10), and what was cut short is never a success, however
 * it was cut: by RST_STREAM, by the connection's end, by GOAWAY (H2-08, H2-09, H2-16, H2-20). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/h2_peer.h"

#define EVENT(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"

#define STOP  "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE  "data: [DONE]\n\n"
#define BURST 20

static h2_peer *setup_peer(flow *f, void (*script)(h2_talk *t), peer **p) {
  h2_peer *h = flow_keep(f, sizeof *h);
  h->script = script;
  f->config.http = LEAT_HTTP_2;
  *p = h2_peer_start(f, h);
  f->request.base_url = peer_url(*p);
  return h;
}

static void serve_well(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) h2_peer_answer(t, ask);
}

/* ---- single streams -------------------------------------------------------------------------- */

/* What is said on one stream: head, body, end; each part may be missing. */
typedef struct ending {
  const char *interim; /* status of it */
  const char *length;  /* told in content-length */
  bool head_ends;      /* END_STREAM with the head */
  const char *text;
  bool ends;     /* END_STREAM with the text */
  bool trailers; /* END_STREAM with them */
  bool resets;   /* RST_STREAM with `code` */
  uint32_t code;
  int error; /* of the result, and what was delivered */
  const char *kinds, *got;
} ending;

/* H: head, T: text, F: finish reason. */
static const ending endings[] = {
    {.text = EVENT("a") STOP DONE, .ends = true, .kinds = "HTF", .got = "a"},
    /* Interim responses are no heads. */
    {.interim = "100", .text = EVENT("a") STOP DONE, .ends = true, .kinds = "HTF", .got = "a"},
    {.interim = "103", .text = EVENT("a") STOP DONE, .ends = true, .kinds = "HTF", .got = "a"},
    {.text = EVENT("a") STOP DONE, .trailers = true, .kinds = "HTF", .got = "a"},
    /* H2-10: behind the end nothing changes it. */
    {.text = EVENT("a") STOP DONE, .ends = true, .resets = true, .kinds = "HTF", .got = "a"},
    {.text = EVENT("a") STOP DONE,
     .ends = true,
     .resets = true,
     .code = H2_CANCEL,
     .kinds = "HTF",
     .got = "a"},
    {.text = EVENT("a") STOP DONE,
     .trailers = true,
     .resets = true,
     .code = H2_INTERNAL_ERROR,
     .kinds = "HTF",
     .got = "a"},
    /* Nor does it behind the dialect's own end marker. */
    {.text = EVENT("a") STOP DONE,
     .resets = true,
     .code = H2_INTERNAL_ERROR,
     .kinds = "HTF",
     .got = "a"},
    /* Before it a reset is no end, not even one without an error. */
    {.text = EVENT("a"), .resets = true, .error = LEAT_ETRUNCATED, .kinds = "HT", .got = "a"},
    {.text = EVENT("a"),
     .resets = true,
     .code = H2_CANCEL,
     .error = LEAT_ETRUNCATED,
     .kinds = "HT",
     .got = "a"},
    {.text = EVENT("a") STOP, .resets = true, .error = LEAT_ETRUNCATED, .kinds = "HTF", .got = "a"},
    {.resets = true, .code = H2_INTERNAL_ERROR, .error = LEAT_ETRUNCATED, .kinds = "H", .got = ""},
    /* REFUSED_STREAM behind an answer that has begun is no refusal. */
    {.text = EVENT("a"),
     .resets = true,
     .code = H2_REFUSED_STREAM,
     .error = LEAT_ETRUNCATED,
     .kinds = "HT",
     .got = "a"},
    /* Clean ends without the evidence of a whole answer. */
    {.text = EVENT("a"), .ends = true, .error = LEAT_EINCOMPLETE, .kinds = "HT", .got = "a"},
    {.text = EVENT("a"), .trailers = true, .error = LEAT_EINCOMPLETE, .kinds = "HT", .got = "a"},
    {.head_ends = true, .error = LEAT_EINCOMPLETE, .kinds = "H", .got = ""},
    /* Content-Length and DATA do not agree. */
    {.length = "9999",
     .text = EVENT("a"),
     .ends = true,
     .error = LEAT_EHTTP,
     .kinds = "HT",
     .got = "a"},
};
#define ENDINGS (sizeof endings / sizeof *endings)

static void say_ending(h2_talk *t, h2_ask ask, const ending *e) {
  const char *fields[] = {":status", "200", e->length ? "content-length" : NULL, e->length, NULL};
  if (e->interim)
    h2_headers(&t->out, ask.id, 0,
               (const char *const[]){":status", e->interim, "x-early", "1", NULL});
  h2_headers(&t->out, ask.id, e->head_ends ? H2_END_STREAM : 0, fields);
  if (e->text) h2_text(&t->out, ask.id, e->ends ? H2_END_STREAM : 0, e->text);
  if (e->trailers)
    h2_headers(&t->out, ask.id, H2_END_STREAM, (const char *const[]){"x-late", "1", NULL});
  if (e->resets) h2_rst(&t->out, ask.id, e->code);
}

static void serve_endings(h2_talk *t) {
  h2_ask ask;
  while (h2_peer_next(t, &ask)) say_ending(t, ask, &endings[ask.prompt]);
}

/* All in one burst, and then one by one, when their frames come alone. */
static void test_h2_10_ends_of_streams_are_told_apart(void **state) {
  flow *f = *state;
  peer *p;
  setup_peer(f, serve_endings, &p);
  f->config.h2_conns_max = 1;
  for (unsigned i = 0; i < ENDINGS; i++) h2_peer_chat(f, i);
  flow_wait(f);
  for (unsigned i = 0; i < ENDINGS; i++) {
    h2_peer_chat(f, i);
    flow_wait(f);
  }
  for (const flow_call *c = f->calls; c; c = c->next) {
    const ending *e = &endings[c->number];
    if (c->error != e->error || strcmp(c->kinds, e->kinds) || strcmp(c->text, e->got))
      fail_msg("ending %d: %s (%s), %s, \"%s\"", c->number, leat_error_name(c->error), c->message,
               c->kinds, c->text);
    assert_int_equal(c->result.attempts, 1);
  }
  assert_int_equal(peer_conns(p), 1);
}

/* The answer comes while the body is still going out, and NO_ERROR says that the rest of it is not
 * wanted (RFC 9113 8.1): curl 04_05. */
static void answer_early(h2_talk *t) {
  while (t->heads == 0)
    if (!h2_peer_step(t)) return;
  h2_ask ask = {t->last_id, 0};
  h2_peer_answer(t, ask);
  h2_peer_reset(t, ask, H2_NO_ERROR);
  while (h2_peer_step(t)) continue;
}

static void test_h2_10_an_answer_before_the_body_was_sent_stands(void **state) {
  flow *f = *state;
  peer *p;
  setup_peer(f, answer_early, &p)->keeps_windows = true;
  size_t size = 300000;
  char *body = flow_keep(f, size + 1);
  memset(body, ' ', size);
  static const char json[] = "{\"model\":\"m\",\"messages\":[],\"stream\":true}";
  memcpy(body, json, sizeof json - 1);
  f->request.body = lti_slice(body, size);
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "0:ok ");
}

/* ---- whole connections ----------------------------------------------------------------------- */

enum way { BY_FIN, BY_RESET, BY_GOAWAY_ALL, BY_GOAWAY_HALF, BY_NONSENSE, WAYS };

/* Half of the burst has begun to answer when the connection ends. The others go elsewhere, also
 * when it was a breach of the protocol that ended it: that need not have been for them. */
static void break_off(h2_talk *t) {
  const enum way *way = t->peer->ctx;
  h2_ask asks[BURST];
  if (t->number > 0) {
    serve_well(t);
    return;
  }
  for (size_t i = 0; i < BURST; i++)
    if (!h2_peer_next(t, &asks[i])) return;
  for (size_t i = 0; i < BURST / 2; i++) {
    h2_peer_head(t, asks[i]);
    h2_peer_text(t, asks[i], "half");
  }
  if (!h2_peer_sync(t)) return;
  if (*way == BY_GOAWAY_ALL) h2_goaway(&t->out, asks[BURST - 1].id, H2_NO_ERROR);
  if (*way == BY_GOAWAY_HALF) h2_goaway(&t->out, asks[BURST / 2 - 1].id, H2_NO_ERROR);
  if (*way == BY_NONSENSE) h2_text(&t->out, 0, 0, "DATA on stream 0");
  h2_peer_flush(t);
  if (*way == BY_NONSENSE) h2_peer_silent(t);
  peer_hang_up(t->link, *way == BY_RESET);
}

static void check_broken(flow *f, h2_peer *h, enum way way) {
  for (const flow_call *c = f->calls; c; c = c->next) {
    bool begun = c->number < BURST / 2;
    if (begun) {
      char half[32];
      snprintf(half, sizeof half, "%d:half ", c->number);
      flow_assert_error(c, way == BY_NONSENSE ? LEAT_EHTTP : LEAT_ETRUNCATED);
      assert_string_equal(c->text, half);
      assert_int_equal(atomic_load(&h->seen[c->number]), 1);
      assert_int_equal(c->result.attempts, 1);
    } else {
      flow_assert_error(c, LEAT_OK);
      assert_int_equal(atomic_load(&h->seen[c->number]), 2);
      assert_int_equal(atomic_load(&h->runs[c->number]), 1);
      assert_int_equal(c->result.maybe_ran_twice, way != BY_GOAWAY_HALF);
    }
  }
}

static void test_h2_08_what_a_lost_connection_cut_is_no_success(void **state) {
  flow *f = *state;
  static const enum way ways[] = {BY_FIN, BY_RESET, BY_GOAWAY_ALL, BY_GOAWAY_HALF, BY_NONSENSE};
  f->config.http = LEAT_HTTP_2;
  f->request.retries = 1;
  for (size_t i = 0; i < WAYS; i++) {
    h2_peer *h = flow_keep(f, sizeof *h);
    *h = (h2_peer){.script = break_off, .ctx = (void *)&ways[i]};
    peer *p = h2_peer_start(f, h);
    f->request.base_url = peer_url(p);
    flow_call *others = f->calls;
    f->calls = NULL;
    for (unsigned n = 0; n < BURST; n++) h2_peer_chat(f, n);
    flow_wait(f);
    check_broken(f, h, ways[i]);
    flow_call **last = &f->calls;
    while (*last) last = &(*last)->next;
    *last = others;
  }
}

/* ---- H2-20 ----------------------------------------------------------------------------------- */

#define CROWD 200

static void fail_a_crowd(h2_talk *t) {
  h2_ask ask;
  if (t->number > 0) {
    serve_well(t);
    return;
  }
  for (size_t i = 0; i < CROWD; i++)
    if (!h2_peer_next(t, &ask)) return;
  h2_text(&t->out, 0, 0, "DATA on stream 0");
  h2_peer_silent(t);
}

/* The next one submitted, the one before it cancelled, from inside each done. */
static void meddle(flow_call *c, const leat_result *result) {
  flow *f = c->flow;
  (void)result;
  if (c->number % 3 == 0 && f->submitted < CROWD + 60) h2_peer_chat(f, 250);
  if (c->number % 5 == 0 && c->next) leat_cancel(f->engine, c->next->id);
  if (c->number % 7 == 0) leat_cancel(f->engine, c->id);
}

static void test_h2_20_a_connection_that_fails_with_a_crowd_ends_each_of_them_once(void **state) {
  flow *f = *state;
  peer *p;
  setup_peer(f, fail_a_crowd, &p);
  f->config.h2_conns_max = 1;
  for (unsigned i = 0; i < CROWD; i++) h2_peer_chat(f, i)->on_done = meddle;
  flow_wait(f);
  unsigned cancelled = 0;
  for (const flow_call *c = f->calls; c; c = c->next) {
    assert_int_equal(c->dones, 1);
    cancelled += c->error == LEAT_ECANCELLED;
    if (c->error != LEAT_ECANCELLED) flow_assert_error(c, c->number == 250 ? LEAT_OK : LEAT_EHTTP);
    if (c->error == LEAT_EHTTP) assert_true(c->events == 0 && c->result.retryable);
  }
  assert_true(f->submitted >= CROWD + 60);
  assert_true(cancelled < CROWD / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_h2_10_ends_of_streams_are_told_apart),
      FLOW_TEST(test_h2_10_an_answer_before_the_body_was_sent_stands),
      FLOW_TEST(test_h2_08_what_a_lost_connection_cut_is_no_success),
      FLOW_TEST(test_h2_20_a_connection_that_fails_with_a_crowd_ends_each_of_them_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
