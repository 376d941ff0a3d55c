/* Protocol "raw": HTTP as it is. Any method, address, headers and body go out as they were given;
 * status, all headers and the body come back as they came. Nothing is decoded, followed, repeated
 * or called an error but the framing of HTTP itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"
#include "support/giver.h"
#include "support/taker.h"

typedef struct seen {
  char heads[2048]; /* of all head events, as text */
  unsigned slices;
} seen;

static int on_event(flow_call *c, const leat_event *event) {
  seen *s = c->ctx;
  if (event->kind == LEAT_EVENT_RAW) s->slices++;
  if (event->kind != LEAT_EVENT_HEAD) return LEAT_CONTINUE;
  size_t at = strlen(s->heads);
  at += (size_t)snprintf(s->heads + at, sizeof s->heads - at, "%d\n", event->head.status);
  for (size_t i = 0; i < event->head.header_count; i++) {
    const leat_header *h = &event->head.headers[i];
    at += (size_t)snprintf(s->heads + at, sizeof s->heads - at, "%.*s: %.*s\n", (int)h->name.size,
                           h->name.data, (int)h->value.size, h->value.size ? h->value.data : "");
  }
  return LEAT_CONTINUE;
}

static void as_raw(flow *f, const char *method, const char *url) {
  f->request.protocol = "raw";
  f->request.method = method;
  f->request.base_url = url;
  f->request.body = lti_slice(NULL, 0);
  f->request.retries = 0;
}

static flow_call *ask(flow *f) {
  flow_call *c = flow_submit(f);
  c->ctx = flow_keep(f, sizeof(seen));
  c->on_event = on_event;
  flow_wait(f);
  return c;
}

static const char *heads_of(const flow_call *c) {
  return ((const seen *)c->ctx)->heads;
}

/* One answer to a GET. */
static flow_call *get(flow *f, const char *answer) {
  as_raw(f, NULL, peer_url(flow_peer(f, (const char *const[]){answer, NULL})));
  f->request.path = "/a";
  return ask(f);
}

/* ---- what goes out */

static void test_the_request_goes_out_as_it_was_given(void **state) {
  flow *f = *state;
  static const leat_header headers[] = {{{"X-One", 5}, {"1", 1}},
                                        {{"content-type", 12}, {"application/x-thing", 19}},
                                        {{"Accept", 6}, {"text/html;q=0.5", 15}}};
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 200 OK\r\n<<body>>ok<<cut>>", NULL});
  char url[100];
  snprintf(url, sizeof url, "%s/a/../b%%2F;c?q=%%00&r", peer_url(p));
  as_raw(f, "PATCH", url);
  f->request.headers = headers;
  f->request.header_count = 3;
  f->request.body = lti_slice("\0\xff{", 3);
  flow_call *c = ask(f);
  flow_assert_error(c, LEAT_OK);
  const char *sent = peer_request(p, 0);
  flow_assert_has(sent, "PATCH /a/../b%2F;c?q=%00&r HTTP/1.1\r\n");
  flow_assert_has(sent, "\r\nX-One: 1\r\n");
  flow_assert_has(sent, "ontent-type: application/x-thing\r\n");
  flow_assert_has(sent, "\r\nAccept: text/html;q=0.5\r\n");
  flow_assert_has(sent, "\r\nContent-Length: 3\r\n");
  assert_null(strstr(sent, "Accept-Encoding"));
  assert_null(strstr(sent, "Authorization"));
  assert_memory_equal(strstr(sent, "\r\n\r\n") + 4, "\0\xff{", 3);
}

static void test_any_method(void **state) {
  flow *f = *state;
  static const char *const methods[] = {"GET",     "POST",     "PUT", "DELETE",
                                        "OPTIONS", "PROPFIND", "x-Y"};
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 200 OK\r\n<<body>>ok<<cut>>", NULL});
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    char line[64];
    as_raw(f, methods[i], peer_url(p));
    f->request.path = "/m";
    flow_assert_error(ask(f), LEAT_OK);
    int n = snprintf(line, sizeof line, "%s /m HTTP/1.1\r\n", methods[i]);
    assert_memory_equal(peer_request(p, (unsigned)i), line, (size_t)n);
  }
}

static void test_methods_that_are_none(void **state) {
  flow *f = *state;
  static const char *const methods[] = {"", "G ET", "GET\r\nX: y", "G\xc3\xa9T"};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    as_raw(f, methods[i], "http://127.0.0.1:1");
    assert_int_equal(flow_try(f)->error, LEAT_EHEADER);
  }
}

/* A tunnel is not asked for by its name. */
static void test_connect_is_no_request(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 200 OK\r\n\r\n", NULL});
  as_raw(f, "CONNECT", peer_url(p));
  f->request.path = "/a";
  flow_call *c = flow_try(f);
  flow_wait(f);
  assert_int_equal(c->error, LEAT_EHEADER);
  assert_int_equal(peer_requests(p), 0);
}

/* ---- what comes back */

static void test_all_headers_in_their_order(void **state) {
  flow *f = *state;
  flow_call *c = get(f,
                     "HTTP/1.1 299 Odd\r\nB: 2\r\nSet-Cookie: a\r\nA: 1\r\nset-cookie: b\r\n"
                     "Empty:\r\n<<body>>ok<<cut>>");
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(
      heads_of(c), "299\nB: 2\nSet-Cookie: a\nA: 1\nset-cookie: b\nEmpty: \nContent-Length: 2\n");
  assert_string_equal(c->kinds, "HW");
  assert_string_equal(c->text, "ok");
}

static void test_no_status_is_an_error(void **state) {
  flow *f = *state;
  static const int statuses[] = {400, 401, 404, 408, 409, 418, 429, 500, 503, 599};
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    char answer[100];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 %d X\r\nRetry-After: 0\r\nx-should-retry: true\r\n<<body>>no<<cut>>",
             statuses[i]);
    peer *p = flow_peer(f, (const char *const[]){answer, NULL});
    as_raw(f, NULL, peer_url(p));
    flow_call *c = ask(f);
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result_status, statuses[i]);
    assert_string_equal(c->text, "no");
    assert_int_equal(peer_requests(p), 1);
    flow_peer_stop(f, p);
  }
}

static void test_no_redirect_is_followed(void **state) {
  flow *f = *state;
  flow_call *c = get(f, "HTTP/1.1 307 T\r\nLocation: /elsewhere\r\n<<body>>there<<cut>>");
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result_status, 307);
  assert_string_equal(c->text, "there");
  assert_int_equal(c->result.redirects, 0);
}

static void test_no_coding_is_undone(void **state) {
  flow *f = *state;
  flow_call *c =
      get(f, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n<<body>>not even gzip<<cut>>");
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "not even gzip");
  c = get(f, "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n<<body>>?<<cut>>");
  flow_assert_error(c, LEAT_OK);
}

/* As they come, and not gathered. */
static void test_slices_come_as_they_arrive(void **state) {
  flow *f = *state;
  flow_call *c = get(f,
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n<<chunked>>data: 1\n\n"
                     "<<sleep 30>>[1,<<sleep 30>>2<<last>>");
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "data: 1\n\n[1,2");
  assert_true(((const seen *)c->ctx)->slices >= 3);
}

static void test_interim_answers_and_trailers_are_passed_over(void **state) {
  flow *f = *state;
  flow_call *c = get(f,
                     "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n"
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "2\r\nok\r\n0\r\nX-Trailer: t\r\n\r\n");
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(heads_of(c), "200\nTransfer-Encoding: chunked\n");
  assert_string_equal(c->text, "ok");
  assert_string_equal(c->kinds, "HW");
}

/* ---- bodies that there are not */

static void check_empty(flow *f, const char *method, const char *answer) {
  peer *p = flow_peer(f, (const char *const[]){answer, NULL});
  for (int i = 0; i < 2; i++) { /* the second on the same connection */
    as_raw(f, method, peer_url(p));
    flow_call *c = ask(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "");
    assert_string_equal(c->kinds, "H");
  }
  assert_int_equal(peer_conns(p), 1);
}

static void test_head_has_no_body(void **state) {
  check_empty(*state, "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
}
static void test_head_of_chunks_has_no_body(void **state) {
  check_empty(*state, "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}
static void test_204_has_no_body(void **state) {
  check_empty(*state, "GET", "HTTP/1.1 204 N\r\n\r\n");
}
static void test_304_has_no_body(void **state) {
  check_empty(*state, "GET", "HTTP/1.1 304 N\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n");
}

/* ---- ends */

static void test_a_body_that_the_close_ends_is_whole(void **state) {
  flow *f = *state;
  flow_call *c = get(f, "HTTP/1.1 200 OK\r\n\r\nall there is<<close>>");
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "all there is");
}

static void check_cut(flow *f, const char *answer, const char *text) {
  flow_call *c = get(f, answer);
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_string_equal(c->text, text);
  assert_int_equal(c->result_status, 200);
}

static void test_a_body_that_is_too_short_is_cut(void **state) {
  check_cut(*state, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc<<close>>", "abc");
}
static void test_chunks_without_the_last_are_cut(void **state) {
  check_cut(*state, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n<<chunked>>abc<<close>>",
            "abc");
}
static void test_a_reset_cuts(void **state) {
  flow *f = *state;
  flow_call *c = get(f, "HTTP/1.1 200 OK\r\n\r\n<<sleep 30>><<reset>>");
  flow_assert_error(c, LEAT_ETRUNCATED);
}

/* Over TLS only close_notify is an end. */
static void test_tls_03_an_end_without_close_notify_is_a_cut(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  check_cut(f, "HTTP/1.1 200 OK\r\n\r\nabc<<close>>", "abc");
}
static void test_an_end_with_close_notify_is_whole(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  flow_call *c = get(f, "HTTP/1.1 200 OK\r\n\r\nabc<<bye>>");
  flow_assert_error(c, LEAT_OK);
}

/* ---- repeats: only when they are asked for */

static void check_lost(flow *f, int retries, unsigned requests) {
  peer *p = flow_peer(f, (const char *const[]){"<<close>>", NULL});
  as_raw(f, NULL, peer_url(p));
  f->request.retries = retries;
  flow_call *c = ask(f);
  flow_assert_error(c, LEAT_ERESET);
  assert_int_equal(peer_requests(p), requests);
}

static void test_nothing_is_repeated(void **state) {
  flow *f = *state;
  f->config.retries = 5; /* of others */
  check_lost(f, 0, 1);
}
static void test_what_was_lost_is_repeated_when_that_is_asked_for(void **state) {
  check_lost(*state, 1, 2);
}

/* ---- over HTTP/2 */

static void test_over_http2(void **state) {
  flow *f = *state;
  taker *t = taker_start(
      f, &(taker_plan){.http2 = true, .answers = (const char *const[]){"404", "503", NULL}});
  taker_took *took = flow_keep(f, sizeof *took);
  for (int i = 0; i < 2; i++) {
    as_raw(f, "DELETE", peer_url(taker_peer(t)));
    f->request.http = LEAT_HTTP_2;
    f->request.path = "/thing?x";
    flow_call *c = ask(f);
    flow_assert_error(c, LEAT_OK);
    assert_int_equal(c->result_status, i ? 503 : 404);
    assert_string_equal(c->text, "ok");
    assert_string_equal(heads_of(c),
                        i ? "503\ncontent-type: text/plain\n" : "404\ncontent-type: text/plain\n");
  }
  taker_look(t, took);
  flow_assert_has(took->head, ":method: DELETE\r\n");
  flow_assert_has(took->head, ":path: /thing?x\r\n");
}

static void test_head_over_http2(void **state) {
  flow *f = *state;
  /* The server's "ok" would be a body where none may be. */
  taker *t = taker_start(
      f, &(taker_plan){.http2 = true, .body = "", .answers = (const char *const[]){"200", NULL}});
  as_raw(f, "HEAD", peer_url(taker_peer(t)));
  f->request.http = LEAT_HTTP_2;
  flow_call *c = ask(f);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->kinds, "H");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_the_request_goes_out_as_it_was_given),
      FLOW_TEST(test_any_method),
      FLOW_TEST(test_methods_that_are_none),
      FLOW_TEST(test_connect_is_no_request),
      FLOW_TEST(test_all_headers_in_their_order),
      FLOW_TEST(test_no_status_is_an_error),
      FLOW_TEST(test_no_redirect_is_followed),
      FLOW_TEST(test_no_coding_is_undone),
      FLOW_TEST(test_slices_come_as_they_arrive),
      FLOW_TEST(test_interim_answers_and_trailers_are_passed_over),
      FLOW_TEST(test_head_has_no_body),
      FLOW_TEST(test_head_of_chunks_has_no_body),
      FLOW_TEST(test_204_has_no_body),
      FLOW_TEST(test_304_has_no_body),
      FLOW_TEST(test_a_body_that_the_close_ends_is_whole),
      FLOW_TEST(test_a_body_that_is_too_short_is_cut),
      FLOW_TEST(test_chunks_without_the_last_are_cut),
      FLOW_TEST(test_a_reset_cuts),
      FLOW_TEST(test_tls_03_an_end_without_close_notify_is_a_cut),
      FLOW_TEST(test_an_end_with_close_notify_is_whole),
      FLOW_TEST(test_nothing_is_repeated),
      FLOW_TEST(test_what_was_lost_is_repeated_when_that_is_asked_for),
      FLOW_TEST(test_over_http2),
      FLOW_TEST(test_head_over_http2),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
