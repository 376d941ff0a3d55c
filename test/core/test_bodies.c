/* What servers send instead of a good stream: other framings, codings and formats, bodies and heads
 * above the limits, interim answers, greetings of other protocols (rows H1-07 to H1-17, RS-06). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/slice.h"
#include "support/flow.h"

#define JSON_HELLO                                                                         \
  "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hello\"}," \
  "\"finish_reason\":\"stop\"}]}"

/* One answer, one call. */
static flow_call *ask(flow *f, const char *answer) {
  peer *p = flow_peer(f, (const char *const[]){answer, NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  return c;
}

static void test_js_11_json_instead_of_a_stream(void **state) {
  flow *f = *state;
  flow_call *c = ask(f, CHAT_JSON);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
}

static void test_js_11_blank_lines_before_json(void **state) {
  flow *f = *state;
  f->request.body = lti_slice_of(FLOW_BODY_JSON);
  flow_call *c = ask(f,
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n<<chunked>>\n"
                     "<<sleep 5>>\n\n<<sleep 5>>\n" JSON_HELLO "<<last>>");
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "hello");
}

static void test_h1_17_html_is_no_stream_and_is_shown(void **state) {
  flow *f = *state;
  flow_call *c = ask(f, ANSWER("200 OK", "text/html",
                               "<!DOCTYPE html><html><head><title>Welcome to the gateway</title>"
                               "</head><body>Please log in.</body></html>"));
  flow_assert_error(c, LEAT_ENOTSTREAM);
  flow_assert_has(c->message, "<!DOCTYPE html>");
  flow_assert_has(c->body, "Welcome to the gateway");
}

static void test_h1_17_the_content_type_alone_decides_nothing(void **state) {
  flow *f = *state;
  flow_call *c =
      ask(f, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" CHAT_TEXT(
                 "hello") CHAT_STOP CHAT_DONE "<<close>>");
  flow_assert_error(c, LEAT_OK);
  c = ask(f,
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=latin1\r\n"
          "Connection: close\r\n\r\n" CHAT_TEXT("hello") CHAT_STOP CHAT_DONE "<<close>>");
  flow_assert_error(c, LEAT_OK);
}

static void test_a_plain_text_failure_of_a_proxy_is_shown(void **state) {
  flow *f = *state;
  flow_call *c = ask(f, ANSWER("200 OK", "text/plain", "upstream connect error or disconnect"));
  flow_assert_error(c, LEAT_ENOTSTREAM);
  flow_assert_has(c->message, "upstream connect error");
}

static void test_an_empty_body_is_incomplete(void **state) {
  flow *f = *state;
  flow_call *c = ask(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  flow_assert_error(c, LEAT_EINCOMPLETE);
}

/* ---- gzip */

typedef struct packed {
  char bytes[4096];
  size_t size;
} packed;

static void gzip(packed *out, const char *text, size_t size) {
  z_stream z = {0};
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = (unsigned char *)(uintptr_t)text;
  z.avail_in = (unsigned)size;
  z.next_out = (unsigned char *)out->bytes;
  z.avail_out = sizeof out->bytes;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  out->size = z.total_out;
  deflateEnd(&z);
}

#define GZIPPED "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"

typedef struct zipped {
  const char *head;
  packed body;
  size_t piece;
} zipped;

static void send_zipped(peer_link *l, void *ctx) {
  const zipped *z = ctx;
  while (peer_read(l)) {
    char length[64];
    int n = snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", z->body.size);
    peer_say(l, z->head);
    peer_send(l, lti_slice(length, (size_t)n));
    for (size_t i = 0; i < z->body.size; i += z->piece) {
      size_t size = z->body.size - i < z->piece ? z->body.size - i : z->piece;
      if (!peer_send(l, lti_slice(z->body.bytes + i, size))) return;
    }
  }
}

/* Kept, because the peer still looks at it when the test's function has returned. */
static zipped *zip(flow *f, const char *head, size_t piece, leat_slice text) {
  zipped *z = flow_keep(f, sizeof *z);
  z->head = head;
  z->piece = piece;
  gzip(&z->body, text.data, text.size);
  return z;
}

static void test_gzip_answers_to_calls_without_stream(void **state) {
  flow *f = *state;
  zipped *both[] = {zip(f, GZIPPED, 4096, lti_slice_of(JSON_HELLO)),
                    zip(f, GZIPPED, 1, lti_slice_of(JSON_HELLO))};
  f->request.body = lti_slice_of(FLOW_BODY_JSON);
  for (int i = 0; i < 2; i++) {
    peer *p = flow_peer_script(f, send_zipped, both[i]);
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    assert_string_equal(c->text, "hello");
    assert_int_equal(c->result.bytes_received, both[i]->body.size);
    flow_assert_has(peer_request(p, 0), "\r\nAccept-Encoding: gzip\r\n");
  }
}

static void test_a_gzipped_refusal_is_read(void **state) {
  flow *f = *state;
  static const char error[] = "{\"error\":{\"message\":\"packed words\",\"code\":\"z\"}}";
  zipped *z = zip(f, "HTTP/1.1 400 No\r\nContent-Encoding: gzip\r\n", 7, lti_slice_of(error));
  f->request.body = lti_slice_of(FLOW_BODY_JSON);
  flow_call *c = flow_chat(f, flow_peer_script(f, send_zipped, z));
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_string_equal(c->provider_message, "packed words");
}

static void test_h1_16_a_bomb_ends_at_the_limit(void **state) {
  flow *f = *state;
  size_t size = (size_t)2 << 20;
  char *blanks = malloc(size);
  memset(blanks, ' ', size);
  zipped *z = zip(f, GZIPPED, 4096, lti_slice(blanks, size));
  free(blanks);
  f->config.body_bytes_max = 100000;
  f->request.body = lti_slice_of(FLOW_BODY_JSON);
  flow_call *c = flow_chat(f, flow_peer_script(f, send_zipped, z));
  flow_wait(f);
  flow_assert_error(c, LEAT_EBODYMAX);
  assert_true(f->memory.peak_bytes < 1500000);
}

static void test_h1_16_a_coding_that_was_not_offered_is_an_error(void **state) {
  flow *f = *state;
  flow_call *c =
      ask(f, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc");
  flow_assert_error(c, LEAT_EENCODING); /* a stream asks for identity */
  f->request.body = lti_slice_of(FLOW_BODY_JSON);
  c = ask(f, "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc");
  flow_assert_error(c, LEAT_EENCODING);
  c = ask(f, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 3\r\n\r\nabc");
  flow_assert_error(c, LEAT_EENCODING);
  c = ask(f, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc");
  flow_assert_error(c, LEAT_EENCODING); /* not gzip at all */
}

static void test_gzip_that_breaks_off_is_no_success(void **state) {
  flow *f = *state;
  zipped *z = zip(f, GZIPPED, 4096, lti_slice_of(JSON_HELLO));
  z->body.size -= 8;
  f->request.body = lti_slice_of(FLOW_BODY_JSON);
  flow_call *c = flow_chat(f, flow_peer_script(f, send_zipped, z));
  flow_wait(f);
  assert_int_not_equal(c->error, LEAT_OK);
}

/* ---- framing */

static void test_h1_07_ends_in_every_place_of_the_framing(void **state) {
  static const struct {
    const char *answer;
    int error;
  } rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Ty<<close>>", LEAT_ETRUNCATED},
      {"HTTP/1.1 20<<close>>", LEAT_ETRUNCATED},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5<<close>>", LEAT_ETRUNCATED},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\ndata<<close>>", LEAT_ETRUNCATED},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n: a\r\n<<close>>",
       LEAT_ETRUNCATED},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n: a\r\n0\r\n<<close>>",
       LEAT_ETRUNCATED},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345<<close>>", LEAT_ETRUNCATED},
      {"<<close>>", LEAT_ERESET},
  };
  flow *f = *state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer *p = peer_start(&(peer_options){.answers = (const char *const[]){rows[i].answer, NULL}});
    flow_call *c = flow_chat(f, p);
    flow_wait(f);
    peer_stop(p);
    if (c->error != rows[i].error) fail_msg("row %zu: %s", i, leat_error_name(c->error));
    assert_int_equal(flow_stats(f).conns_open, 0);
  }
}

static void test_h1_08_a_body_that_ends_with_the_connection(void **state) {
  flow *f = *state;
  flow_call *c = ask(f, "HTTP/1.1 200 OK\r\n\r\n" CHAT_TEXT("hello") CHAT_STOP "<<close>>");
  flow_assert_error(c, LEAT_OK);
  c = ask(f, "HTTP/1.1 200 OK\r\n\r\n" CHAT_TEXT("hello") CHAT_STOP "<<sleep 20>><<reset>>");
  flow_assert_error(c, LEAT_ETRUNCATED);
}

static void test_h1_09_statuses_without_a_body(void **state) {
  flow *f = *state;
  f->request.protocol = "raw";
  f->request.body = lti_slice(NULL, 0);
  flow_call *c = ask(f, "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n");
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->status, 204);
  c = ask(f, "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n");
  flow_assert_error(c, LEAT_OK);
  f->request.method = "HEAD";
  c = ask(f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->text, "");
}

static void test_h1_11_interim_answers_are_skipped_and_capped(void **state) {
  flow *f = *state;
  flow_call *c = ask(f,
                     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"
                     "HTTP/1.1 102 Processing\r\n\r\n" CHAT_HELLO);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->kinds, "HTF");
  assert_int_equal(c->status, 200);
  char many[64 * 25 + 1] = "";
  for (int i = 0; i < 64; i++) memcpy(many + i * 25, "HTTP/1.1 100 Continue\r\n\r\n", 26);
  peer *p = peer_start(&(peer_options){.answers = (const char *const[]){many, NULL}});
  c = flow_chat(f, p);
  flow_wait(f);
  peer_stop(p);
  flow_assert_error(c, LEAT_EHTTP);
  c = ask(f, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
  flow_assert_error(c, LEAT_EHTTP);
}

static void test_h1_12_headers_above_the_limit(void **state) {
  flow *f = *state;
  flow_call *c = ask(f, "HTTP/1.1 200 OK\r\nX: <<fill 300000>>\r\n\r\n");
  flow_assert_error(c, LEAT_EHEADERSMAX);
  lti_alloc alloc;
  lti_buf many;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&many, &alloc, 1 << 20, LEAT_EBODYMAX);
  lti_buf_text(&many, "HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 20000; i++) lti_buf_text(&many, "A: b\r\n");
  lti_buf_append(&many, lti_slice("", 1));
  peer *p = peer_start(&(peer_options){.answers = (const char *const[]){many.data, NULL}});
  c = flow_chat(f, p);
  flow_wait(f);
  peer_stop(p);
  lti_buf_deinit(&many);
  flow_assert_error(c, LEAT_EHEADERSMAX);
}

static void test_h1_13_other_protocols(void **state) {
  static const char *const greetings[] = {
      "220 mail.example ESMTP ready\r\n", "SSH-2.0-OpenSSH_9.2\r\n",      "<html>hi</html>",
      "HTTP/2.0 200 OK\r\n\r\n",          "\x15\x03\x01\x01\x02\x02\x28", "ICY 200 OK\r\n\r\n"};
  flow *f = *state;
  for (size_t i = 0; i < sizeof greetings / sizeof *greetings; i++) {
    peer *p = peer_start(&(peer_options){.answers = (const char *const[]){greetings[i], NULL}});
    flow_call *c = flow_chat(f, p);
    flow_wait_events(f, c, 1);
    if (!c->dones) flow_run(f, 20);
    if (!c->dones) fail_msg("%s: still waiting", greetings[i]);
    peer_stop(p);
    flow_assert_error(c, LEAT_EHTTP);
    assert_int_equal(c->layer, LEAT_LAYER_HTTP);
    assert_true(c->message[0] != '\0');
  }
}

/* ---- limits */

static void pour(peer_link *l, void *ctx) {
  const char *start = ctx;
  if (!peer_read(l) || !peer_say(l, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")) return;
  if (!peer_say(l, start)) return;
  while (peer_say(l, "<<fill 65536>>")) continue;
}

static void test_rs_06_an_endless_answer_ends_at_its_limit(void **state) {
  static const struct {
    const char *start;
    int error;
  } rows[] = {
      {"data: ", LEAT_EEVENTMAX}, {"{\"a\":\"", LEAT_EBODYMAX}, {"<html>", LEAT_ENOTSTREAM}};
  flow *f = *state;
  f->config.event_bytes_max = 200000;
  f->config.body_bytes_max = 200000;
  for (int i = 0; i < 3; i++) {
    flow_call *c = flow_chat(f, flow_peer_script(f, pour, (void *)(uintptr_t)rows[i].start));
    flow_wait(f);
    flow_assert_error(c, rows[i].error);
  }
  assert_true(f->memory.peak_bytes < 2000000);
}

static void test_rs_06_a_refusal_without_end_is_cut(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             "HTTP/1.1 400 No\r\nConnection: close\r\n\r\nwords<<fill 3000000>><<silent>>", NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result.body.size, 4096);
  assert_true(flow_took_ms(c) < FLOW_SOON_MS);
}

/* ---- raw */

static void test_raw_delivers_bytes_as_they_are(void **state) {
  flow *f = *state;
  f->request.protocol = "raw";
  f->request.method = "PUT";
  f->request.path = "/any/path?x=1";
  f->request.body = lti_slice_of("not json at all");
  peer *p =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 418 Teapot\r\nX-Kind: pot\r\nContent-Encoding: br\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n<<chunked>>some <<cut>>bytes<<last>>",
                       NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK); /* a status is the caller's to judge */
  assert_int_equal(c->status, 418);
  assert_string_equal(c->text, "some bytes");
  assert_int_equal(c->kinds[0], 'H');
  assert_ptr_equal(strstr(peer_request(p, 0), "PUT /any/path?x=1 HTTP/1.1\r\n"),
                   peer_request(p, 0));
  flow_assert_has(peer_request(p, 0), "\r\n\r\nnot json at all");
}

static void test_raw_that_breaks_off_is_truncated(void **state) {
  flow *f = *state;
  f->request.protocol = "raw";
  f->request.body = lti_slice(NULL, 0);
  flow_call *c = ask(f, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this<<close>>");
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_string_equal(c->text, "only this");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_js_11_json_instead_of_a_stream),
      FLOW_TEST(test_js_11_blank_lines_before_json),
      FLOW_TEST(test_h1_17_html_is_no_stream_and_is_shown),
      FLOW_TEST(test_h1_17_the_content_type_alone_decides_nothing),
      FLOW_TEST(test_a_plain_text_failure_of_a_proxy_is_shown),
      FLOW_TEST(test_an_empty_body_is_incomplete),
      FLOW_TEST(test_gzip_answers_to_calls_without_stream),
      FLOW_TEST(test_a_gzipped_refusal_is_read),
      FLOW_TEST(test_h1_16_a_bomb_ends_at_the_limit),
      FLOW_TEST(test_h1_16_a_coding_that_was_not_offered_is_an_error),
      FLOW_TEST(test_gzip_that_breaks_off_is_no_success),
      FLOW_TEST(test_h1_07_ends_in_every_place_of_the_framing),
      FLOW_TEST(test_h1_08_a_body_that_ends_with_the_connection),
      FLOW_TEST(test_h1_09_statuses_without_a_body),
      FLOW_TEST(test_h1_11_interim_answers_are_skipped_and_capped),
      FLOW_TEST(test_h1_12_headers_above_the_limit),
      FLOW_TEST(test_h1_13_other_protocols),
      FLOW_TEST(test_rs_06_an_endless_answer_ends_at_its_limit),
      FLOW_TEST(test_rs_06_a_refusal_without_end_is_cut),
      FLOW_TEST(test_raw_delivers_bytes_as_they_are),
      FLOW_TEST(test_raw_that_breaks_off_is_truncated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
