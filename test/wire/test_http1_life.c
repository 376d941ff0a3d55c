/* The HTTP/1.1 codec over its life: what its sink is given, many requests on one codec, stopping,
 * failing and giving up at every point, memory; and requests on their way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing.h"
#include "support/http1_ways.h"

#define TWICE_MAX  110 /* up to this size every pair of cuts is tried */
#define SPLITS_MAX 2000

/* ---- what the sink is given -------------------------------------------------------------------
 */

static int fields_head(void *ctx, const lti_http_head *head) {
  assert_int_equal(head->status, 200);
  assert_true(head->has_body);
  assert_int_equal(head->header_count, 5);
  const leat_header *h = head->headers;
  assert_true(lti_slice_is(h[0].name, "A") && lti_slice_is(h[0].value, "1"));
  assert_true(lti_slice_is(h[1].name, "b-b") && lti_slice_is(h[1].value, "two words"));
  assert_true(lti_slice_is(h[2].name, "A") && lti_slice_is(h[2].value, "3"));
  assert_true(lti_slice_is(h[3].name, "Empty") && h[3].value.size == 0);
  assert_true(lti_slice_is(h[4].name, "U") && lti_slice_is(h[4].value, "\xc3\xa4"));
  *(bool *)ctx = true;
  return LTI_OK;
}

static int any_body(void *ctx, leat_slice bytes, size_t *taken) {
  (void)ctx;
  (void)bytes;
  (void)taken;
  return LTI_OK;
}

static int any_complete(void *ctx) {
  (void)ctx;
  return LTI_OK;
}

static void test_header_fields_keep_order_case_and_duplicates(void **state) {
  (void)state;
  static const lti_http_sink sink = {fields_head, any_body, any_complete};
  leat_slice raw = RAW(OK "A: 1\r\nb-b:two words \r\nA:\t3\r\nEmpty:\r\nU: \xc3\xa4\r\n\r\n");
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  for (size_t cut = 0; cut <= raw.size; cut++) {
    bool seen = false;
    lti_http1 *x = lti_http1_new(&alloc, HTTP1_LIMIT, &sink, &seen);
    size_t taken;
    lti_http1_begin(x, &(lti_http_request){.method = "GET"});
    assert_int_equal(lti_http1_feed(x, lti_slice(raw.data, cut), &taken), LTI_OK);
    assert_int_equal(lti_http1_feed(x, lti_slice_from(raw, cut), &taken), LTI_OK);
    assert_true(seen);
    lti_http1_free(x);
  }
}

/* ---- life over several requests -------------------------------------------------------------- */

static void again(record *r, lti_http1 *x, const char *method) {
  bool stops = r->stop_events;
  record_deinit(r);
  memset(r, 0, sizeof *r);
  r->codec = x;
  r->stop_events = stops;
  lti_http1_begin(x, &(lti_http_request){.method = method});
}

static void test_one_codec_serves_many_requests(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record r = {0};
  lti_http1 *x = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  for (int i = 0; i < 20; i++) {
    again(&r, x, i % 5 == 4 ? "HEAD" : "POST");
    assert_false(lti_http1_started(x));
    assert_false(lti_http1_reusable(x));
    leat_slice raw = i % 5 == 4 ? RAW(OK "Content-Length: 9\r\nKeep-Alive: timeout=7\r\n\r\n")
                     : i % 2    ? RAW(CHUNKED "5\r\nhello\r\n0\r\n\r\n")
                                : RAW("HTTP/1.1 100 C\r\n\r\n" OK "Content-Length: 5\r\n\r\nhello");
    size_t half = raw.size / 2;
    record_feed(&r, lti_slice(raw.data, half));
    assert_true(lti_http1_started(x));
    record_feed(&r, lti_slice_from(raw, half));
    assert_int_equal(r.code, LTI_OK);
    assert_int_equal(r.breaches, 0);
    assert_int_equal(r.completes, 1);
    assert_int_equal(r.body_size, i % 5 == 4 ? 0 : 5);
    assert_int_equal(lti_http1_keep_alive_ms(x), i % 5 == 4 ? 7000 : -1);
    assert_true(lti_http1_reusable(x));
  }
  assert_int_equal(lti_http1_end(x, false), LTI_OK);
  assert_false(lti_http1_reusable(x));
  record_deinit(&r);
  lti_http1_free(x);
}

static void test_h1_11_interim_responses_are_counted_for_each_request(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record r = {0};
  lti_http1 *x = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  for (int request = 0; request < 3; request++) {
    again(&r, x, "POST");
    for (int i = 0; i < 32; i++) record_feed(&r, RAW("HTTP/1.1 102 P\r\n\r\n"));
    record_feed(&r, RAW(OK "Content-Length: 0\r\n\r\n"));
    assert_int_equal(r.code, LTI_OK);
    assert_int_equal(r.completes, 1);
  }
  record_deinit(&r);
  lti_http1_free(x);
}

typedef struct chain {
  lti_http1 *x;
  int answers;
} chain;

static int chain_head(void *ctx, const lti_http_head *head) {
  (void)ctx;
  return head->status == 200 ? LTI_OK : LEAT_EINVAL;
}

static int chain_complete(void *ctx) {
  chain *c = ctx;
  c->answers++;
  if (lti_http1_reusable(c->x)) lti_http1_begin(c->x, &(lti_http_request){.method = "POST"});
  return LTI_OK;
}

static void test_complete_may_begin_the_next_request(void **state) {
  (void)state;
  static const lti_http_sink sink = {chain_head, any_body, chain_complete};
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  chain c = {0};
  c.x = lti_http1_new(&alloc, HTTP1_LIMIT, &sink, &c);
  lti_http1_begin(c.x, &(lti_http_request){.method = "POST"});
  size_t taken;
  for (int i = 1; i <= 3; i++) {
    assert_int_equal(lti_http1_feed(c.x, RAW(OK "Content-Length: 2\r\n\r\nok"), &taken), LTI_OK);
    assert_int_equal(lti_http1_feed(c.x, RAW(CHUNKED "2\r\nok\r\n0\r\n\r\n"), &taken), LTI_OK);
    assert_int_equal(lti_http1_feed(c.x, RAW(OK "Content-Length: 0\r\n\r\n"), &taken), LTI_OK);
    assert_int_equal(c.answers, 3 * i);
    assert_false(lti_http1_started(c.x));
  }
  lti_http1_free(c.x);
}

/* ---- stopping, failing and giving up --------------------------------------------------------- */

static void test_stop_at_every_body_byte_at_every_split(void **state) {
  (void)state;
  leat_slice raws[] = {RAW(OK "Content-Length: 11\r\n\r\nhello world"),
                       RAW(CHUNKED "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"),
                       RAW(OK "\r\nhello world")};
  for (size_t i = 0; i < 3; i++) {
    record_script v = {"POST", raws[i], RECORD_ENDS_CLEAN, HTTP1_LIMIT};
    record whole = {0};
    http1_play(&v, &whole, NULL, 0);
    assert_int_equal(whole.body_size, 11);
    for (size_t step = 1; step <= 12; step++)
      for (size_t cut = 0; cut <= raws[i].size; cut++) {
        record how = {.stop_bytes = step, .stop_events = cut & 1};
        http1_way(&v, &whole, &how, &cut, 1);
      }
    record_deinit(&whole);
  }
}

static void test_stop_tells_where(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record r = {.stop_bytes = 3, .stop_events = true};
  lti_http1 *x = r.codec = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  lti_http1_begin(x, &(lti_http_request){.method = "POST"});
  leat_slice rest = RAW(OK "Content-Length: 5\r\n\r\nhello");
  size_t taken;
  assert_int_equal(lti_http1_feed(x, rest, &taken), LTI_STOPPED); /* behind the head */
  assert_int_equal(taken, rest.size - 5);
  rest = lti_slice_from(rest, taken);
  assert_int_equal(lti_http1_feed(x, rest, &taken), LTI_STOPPED);
  assert_int_equal(taken, 3);
  rest = lti_slice_from(rest, taken);
  assert_int_equal(lti_http1_feed(x, rest, &taken), LTI_STOPPED);
  assert_int_equal(taken, 2);
  assert_int_equal(r.completes, 0);
  assert_int_equal(lti_http1_feed(x, lti_slice(NULL, 0), &taken), LTI_STOPPED); /* complete */
  assert_int_equal(r.completes, 1);
  assert_int_equal(lti_http1_feed(x, lti_slice(NULL, 0), &taken), LTI_OK);
  assert_true(lti_http1_reusable(x));
  assert_int_equal(r.breaches, 0);
  record_deinit(&r);
  lti_http1_free(x);
}

static void test_end_completes_what_was_stopped_behind_its_last_byte(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record r = {.stop_bytes = 5};
  lti_http1 *x = r.codec = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  lti_http1_begin(x, &(lti_http_request){.method = "POST"});
  leat_slice raw = RAW(OK "Content-Length: 5\r\n\r\nhello");
  size_t taken;
  assert_int_equal(lti_http1_feed(x, raw, &taken), LTI_STOPPED);
  assert_int_equal(taken, raw.size);
  assert_int_equal(lti_http1_end(x, false), LTI_OK);
  assert_int_equal(r.completes, 1);
  assert_false(r.reusable_at_complete);
  record_deinit(&r);
  lti_http1_free(x);
}

static void test_sink_errors_are_handed_on_and_stick(void **state) {
  (void)state;
  leat_slice raw = RAW(CHUNKED "5\r\nhello\r\n0\r\n\r\n");
  record hows[] = {{.head_error = LEAT_ECANCELLED}, {.body_error = LEAT_EBODYMAX}};
  for (size_t i = 0; i < 2; i++) {
    record_script v = {"POST", raw, RECORD_ENDS_CLEAN, HTTP1_LIMIT};
    record whole = hows[i];
    http1_play(&v, &whole, NULL, 0);
    assert_int_equal(whole.code, i ? LEAT_EBODYMAX : LEAT_ECANCELLED);
    assert_string_equal(whole.reason, "refused by the receiver");
    for (size_t cut = 0; cut <= raw.size; cut++) http1_way(&v, &whole, &hows[i], &cut, 1);
  }
}

static void test_error_of_complete_spoils_the_connection(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record r = {.complete_error = LEAT_ENOMEM};
  lti_http1 *x = r.codec = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  lti_http1_begin(x, &(lti_http_request){.method = "POST"});
  size_t taken;
  assert_int_equal(lti_http1_feed(x, RAW(OK "Content-Length: 0\r\n\r\n"), &taken), LEAT_ENOMEM);
  assert_false(lti_http1_reusable(x));
  lti_http1_free(x);
}

typedef struct quitter {
  lti_http1 *x;
  int at, calls; /* abandons at call number `at` */
  char name[8];
} quitter;

static int quit(quitter *q) {
  assert_true(q->calls < q->at); /* not called any more once it gave up */
  if (++q->calls == q->at) lti_http1_abandon(q->x);
  return LTI_OK;
}

static int quit_head(void *ctx, const lti_http_head *head) {
  quitter *q = ctx;
  int rc = quit(q);
  /* The views live until the call returns, also after abandon. */
  assert_int_equal(head->header_count, 1);
  assert_true(lti_slice_is(head->headers[0].name, "Transfer-Encoding"));
  return rc;
}

static int quit_body(void *ctx, leat_slice bytes, size_t *taken) {
  (void)taken;
  assert_int_equal(bytes.size, 1);
  return quit(ctx);
}

static int quit_complete(void *ctx) {
  return quit(ctx);
}

static void test_abandon_from_every_call(void **state) {
  (void)state;
  static const lti_http_sink sink = {quit_head, quit_body, quit_complete};
  leat_slice raw = RAW(CHUNKED "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  for (int at = 1; at <= 4; at++)
    for (size_t cut = 0; cut < raw.size; cut++) {
      quitter q = {.at = at};
      q.x = lti_http1_new(&alloc, HTTP1_LIMIT, &sink, &q);
      lti_http1_begin(q.x, &(lti_http_request){.method = "POST"});
      size_t taken;
      int first = lti_http1_feed(q.x, lti_slice(raw.data, cut), &taken);
      assert_true(first == LTI_OK || first == LEAT_ECANCELLED);
      assert_int_equal(lti_http1_feed(q.x, lti_slice_from(raw, cut), &taken), LEAT_ECANCELLED);
      assert_int_equal(q.calls, at);
      assert_int_equal(lti_http1_end(q.x, true), LEAT_ECANCELLED);
      assert_false(lti_http1_reusable(q.x));
      lti_http1_free(q.x);
    }
}

static void test_abandon_between_feeds(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record r = {0};
  lti_http1 *x = r.codec = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  lti_http1_begin(x, &(lti_http_request){.method = "POST"});
  record_feed(&r, RAW(OK "Content-"));
  lti_http1_abandon(x);
  lti_http1_abandon(x);
  size_t taken;
  assert_int_equal(lti_http1_feed(x, RAW("Length: 0\r\n\r\n"), &taken), LEAT_ECANCELLED);
  assert_int_equal(r.heads, 0);
  lti_http1_free(x);
  lti_http1_free(NULL);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void fed_in_pieces(const leat_allocator *fns, void *ctx) {
  leat_slice raw =
      RAW("HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" CHUNKED "5\r\nhello\r\n0\r\n\r\n");
  lti_alloc alloc;
  lti_alloc_init(&alloc, fns);
  size_t cuts[16];
  for (size_t i = 0; i < 16; i++) cuts[i] = raw.size * (i + 1) / 17;
  record r = {0};
  record_run(&r, &alloc, SCRIPT("POST", raw, RECORD_STAYS_OPEN), cuts, *(size_t *)ctx);
  assert_true(r.code == LTI_OK || r.code == LEAT_ENOMEM);
  assert_int_equal(r.completes, r.code == LTI_OK);
  assert_int_equal(r.breaches, 0);
  record_deinit(&r);
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  size_t cut_count = 0;
  /* In one piece: the codec, and the fields of two heads. */
  assert_int_equal(failing_at_every_n(fed_in_pieces, &cut_count), 3);
  cut_count = 16;
  assert_true(failing_at_every_n(fed_in_pieces, &cut_count) > 3);
}

static void test_streaming_holds_and_allocates_nothing(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc alloc;
  lti_alloc_init(&alloc, &fns);
  record r = {0};
  lti_http1 *x = r.codec = lti_http1_new(&alloc, HTTP1_LIMIT, &record_sink, &r);
  assert_true(f.live_bytes < 400);
  size_t idle = f.live_bytes;
  lti_http1_begin(x, &(lti_http_request){.method = "POST"});
  record_feed(&r, RAW("HTTP/1.1 200 OK\r\nTransfer-Enc"));
  assert_true(f.live_bytes > idle);
  record_feed(&r, RAW("oding: chunked\r\n\r\n"));
  assert_int_equal(f.live_bytes, idle);
  uint64_t calls = f.calls;
  for (int i = 0; i < 5000; i++) record_feed(&r, RAW("1a\r\nabcdefghijklmnopqrstuvwxyz\r\n"));
  record_feed(&r, RAW("0\r\n\r\n"));
  assert_int_equal(f.calls, calls);
  assert_int_equal(r.body_size, 130000);
  assert_int_equal(r.completes, 1);
  lti_http1_free(x);
  record_deinit(&r);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

/* ---- requests -------------------------------------------------------------------------------- */

static leat_header field(const char *name, const char *value) {
  return (leat_header){lti_slice_of(name), lti_slice_of(value)};
}

static void test_encode_writes_host_length_and_fields_in_order(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_buf out;
  lti_buf_init(&out, &alloc, 4096, LEAT_EHEADERSMAX);
  leat_header fields[] = {field("Authorization", "Bearer k"), field("B", ""), field("A", "x\ty")};
  lti_http_request q = {.method = "POST",
                        .path = RAW("/v1/chat/completions?x=1&y=%20"),
                        .host = RAW("api.example.com:8443"),
                        .headers = fields,
                        .header_count = 3,
                        .body_size = 18446744073709551615u,
                        .has_body = true};
  assert_int_equal(lti_buf_text(&out, "before|"), LTI_OK);
  assert_int_equal(lti_http1_encode(&q, &out), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&out),
                           "before|POST /v1/chat/completions?x=1&y=%20 HTTP/1.1\r\n"
                           "Host: api.example.com:8443\r\n"
                           "Content-Length: 18446744073709551615\r\n"
                           "Authorization: Bearer k\r\nB: \r\nA: x\ty\r\n\r\n"));
  lti_buf_clear(&out);
  q = (lti_http_request){.method = "GET", .path = RAW("/"), .host = RAW("[::1]")};
  assert_int_equal(lti_http1_encode(&q, &out), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&out), "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"));
  lti_buf_clear(&out);
  q = (lti_http_request){
      .method = "POST", .path = RAW("/"), .host = RAW("a"), .has_body = true, .body_size = 0};
  assert_int_equal(lti_http1_encode(&q, &out), LTI_OK);
  assert_true(
      lti_slice_is(lti_buf_slice(&out), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
  lti_buf_deinit(&out);
}

static void test_key_encode_refuses_forbidden_bytes(void **state) {
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_buf out;
  lti_buf_init(&out, &alloc, 4096, LEAT_EHEADERSMAX);
  static const leat_slice bad[] = {
      {"a\rb", 3}, {"a\nb", 3}, {"a\0b", 3}, {"a\x7f", 2}, {"\x01", 1}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    for (int where = 0; where < 4; where++) {
      leat_header h = field("A", "b");
      lti_http_request q = {
          .method = "GET", .path = RAW("/"), .host = RAW("a"), .headers = &h, .header_count = 1};
      if (where == 0) q.path = bad[i];
      if (where == 1) q.host = bad[i];
      if (where == 2) h.name = bad[i];
      if (where == 3) h.value = bad[i];
      assert_int_equal(lti_http1_encode(&q, &out), LEAT_EHEADER);
      assert_int_equal(out.size, 0);
    }
  lti_http_request q = {.method = "GET /x", .path = RAW("/"), .host = RAW("a")};
  assert_int_equal(lti_http1_encode(&q, &out), LEAT_EHEADER);
  q = (lti_http_request){.method = "GET", .path = RAW("/a b"), .host = RAW("a")};
  assert_int_equal(lti_http1_encode(&q, &out), LEAT_EHEADER);
  q = (lti_http_request){.method = "GET", .path = RAW(""), .host = RAW("a")};
  assert_int_equal(lti_http1_encode(&q, &out), LEAT_EHEADER);
  lti_buf_deinit(&out);
}

static void test_encode_is_all_or_nothing(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 1);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc alloc;
  lti_alloc_init(&alloc, &fns);
  lti_buf out;
  lti_buf_init(&out, &alloc, 100, LEAT_EHEADERSMAX);
  lti_http_request q = {.method = "GET", .path = RAW("/"), .host = RAW("a")};
  assert_int_equal(lti_http1_encode(&q, &out), LEAT_ENOMEM);
  assert_int_equal(out.size, 0);
  q.path = RAW("/0123456789012345678901234567890123456789012345678901234567890123456789012345678");
  assert_int_equal(lti_http1_encode(&q, &out), LEAT_EHEADERSMAX);
  assert_int_equal(out.size, 0);
  lti_buf_deinit(&out);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_header_fields_keep_order_case_and_duplicates),
      cmocka_unit_test(test_one_codec_serves_many_requests),
      cmocka_unit_test(test_h1_11_interim_responses_are_counted_for_each_request),
      cmocka_unit_test(test_complete_may_begin_the_next_request),
      cmocka_unit_test(test_stop_at_every_body_byte_at_every_split),
      cmocka_unit_test(test_stop_tells_where),
      cmocka_unit_test(test_end_completes_what_was_stopped_behind_its_last_byte),
      cmocka_unit_test(test_sink_errors_are_handed_on_and_stick),
      cmocka_unit_test(test_error_of_complete_spoils_the_connection),
      cmocka_unit_test(test_abandon_from_every_call),
      cmocka_unit_test(test_abandon_between_feeds),
      cmocka_unit_test(test_every_allocation_may_fail),
      cmocka_unit_test(test_streaming_holds_and_allocates_nothing),
      cmocka_unit_test(test_encode_writes_host_length_and_fields_in_order),
      cmocka_unit_test(test_key_encode_refuses_forbidden_bytes),
      cmocka_unit_test(test_encode_is_all_or_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
