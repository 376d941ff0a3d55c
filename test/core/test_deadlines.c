/* Each deadline by its own error, against peers that are slow in one way at a time; and what does
 * and does not push a deadline back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"

#define COMMENTS_10                                                                       \
  "<<sleep 30>>: c\n<<sleep 30>>: c\n<<sleep 30>>: c\n<<sleep 30>>: c\n<<sleep 30>>: c\n" \
  "<<sleep 30>>: c\n<<sleep 30>>: c\n<<sleep 30>>: c\n<<sleep 30>>: c\n<<sleep 30>>: c\n"

static void check_took(const flow_call *c, double from_ms, double to_ms) {
  double took = flow_took_ms(c);
  assert_int_equal(leat_error_class(c->error), LEAT_CLASS_TIMEOUT);
  if (took < from_ms || took > to_ms)
    fail_msg("%s after %.1f ms instead of %.0f to %.0f", leat_error_name(c->error), took, from_ms,
             to_ms);
}

static void test_connect_deadline_on_a_dropped_syn(void **state) {
  flow *f = *state;
  peer *p = flow_peer_with(f, &(peer_options){.deaf = true});
  f->request.deadlines.connect_ms = 100;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECONNTIMEOUT);
  check_took(c, 99, FLOW_SOON_MS);
  assert_true(c->result.retryable);
  flow_assert_has(c->message, "127.0.0.1");
}

static void test_connect_deadline_covers_the_tls_handshake(void **state) {
  flow *f = *state;
  char url[64];
  peer *p = flow_peer_with(f, &(peer_options){.greets = (const char *const[]){"<<silent>>", NULL}});
  flow_tls_server(f); /* for the CA alone: the peer speaks no TLS */
  snprintf(url, sizeof url, "https://127.0.0.1:%d", peer_port(p));
  f->request.base_url = url;
  f->request.deadlines.connect_ms = 100;
  flow_call *c = flow_submit(f);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECONNTIMEOUT);
  check_took(c, 99, FLOW_SOON_MS);
}

static void test_net_09_nobody_reads_is_a_head_timeout(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  f->request.deadlines.head_ms = 100;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EHEADTIMEOUT);
  check_took(c, 99, FLOW_SOON_MS);
  assert_string_equal(c->kinds, "");
}

static void never_read(peer_link *l, void *ctx) {
  (void)ctx;
  peer_sleep(l, 5000);
}

static void test_head_deadline_counts_a_stalled_upload(void **state) {
  flow *f = *state;
  size_t size = (size_t)16 << 20;
  char *body = malloc(size);
  memset(body, 'x', size);
  peer *p = flow_peer_script(f, never_read, NULL);
  f->request.protocol = "raw";
  f->request.body = (leat_slice){body, size};
  f->request.deadlines.head_ms = 100;
  flow_call *c = flow_chat(f, p);
  free(body);
  flow_wait(f);
  flow_assert_error(c, LEAT_EHEADTIMEOUT);
  check_took(c, 99, FLOW_SOON_MS);
}

static void drip_headers(peer_link *l, void *ctx) {
  char line[64];
  (void)ctx;
  if (!peer_read(l) || !peer_say(l, "HTTP/1.1 200 OK\r\n")) return;
  for (int i = 0; i < 300 && peer_sleep(l, 10); i++) {
    snprintf(line, sizeof line, "X-%d: a\r\n", i);
    if (!peer_say(l, line)) return;
  }
}

static void test_h1_12_header_drip_without_end_is_a_head_timeout(void **state) {
  flow *f = *state;
  peer *p = flow_peer_script(f, drip_headers, NULL);
  f->request.deadlines.head_ms = 150;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EHEADTIMEOUT);
  check_took(c, 149, FLOW_SOON_MS);
}

static void test_interim_responses_do_not_stop_the_head_deadline(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"HTTP/1.1 102 Processing\r\n\r\n<<silent>>", NULL});
  f->request.deadlines.head_ms = 100;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EHEADTIMEOUT);
}

static void test_first_content_deadline(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD COMMENTS_10 CHAT_TEXT("late") CHAT_END, NULL});
  f->request.deadlines.first_ms = 120;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EFIRSTTIMEOUT);
  check_took(c, 119, FLOW_SOON_MS);
}

/* A role without text is an event of nothing: it is not the first content. */
static void test_an_empty_delta_is_no_content(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("") "<<silent>>", NULL});
  f->request.deadlines.first_ms = 80;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EFIRSTTIMEOUT);
}

static void test_content_gap_deadline(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD CHAT_TEXT("a") "<<sleep 50>>" CHAT_TEXT("b") COMMENTS_10 CHAT_END, NULL});
  f->request.deadlines.gap_ms = 100;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EGAPTIMEOUT);
  check_took(c, 149, FLOW_SOON_MS);
  assert_string_equal(c->text, "ab");
  assert_false(c->result.retryable);
}

static void test_gap_deadline_is_pushed_back_by_content(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             CHAT_HEAD CHAT_TEXT("a") "<<sleep 60>>" CHAT_TEXT("b") "<<sleep 60>>" CHAT_TEXT(
                 "c") "<<sleep 60>>" CHAT_TEXT("d") "<<sleep 60>>" CHAT_END,
             NULL});
  f->request.deadlines.gap_ms = 150;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_idle_deadline(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<silent>>", NULL});
  f->request.deadlines.idle_ms = 100;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_EIDLETIMEOUT);
  check_took(c, 99, FLOW_SOON_MS);
  assert_string_equal(c->text, "a");
}

static void test_sse_11_comments_push_back_only_the_idle_deadline(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") COMMENTS_10 CHAT_END, NULL});
  f->request.deadlines.idle_ms = 150;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_queue_deadline(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<silent>>", NULL});
  flow_call *first = flow_chat(f, p);
  f->request.deadlines.queue_ms = 80;
  flow_call *second = flow_chat(f, p);
  flow_wait_for(f, second);
  flow_assert_error(second, LEAT_EQUEUETIMEOUT);
  check_took(second, 79, FLOW_SOON_MS);
  assert_int_equal(second->result.attempts, 0);
  assert_int_equal(first->dones, 0);
}

/* What was spent on an attempt and in backoff is no waiting for a slot. */
static void test_queue_deadline_counts_only_waiting(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             "<<sleep 60>>HTTP/1.1 503 No\r\nRetry-After-Ms: 60\r\nContent-Length: 0\r\n\r\n",
             CHAT_HELLO, NULL});
  f->request.deadlines.queue_ms = 90;
  f->request.retries = 1;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(c->result.attempts, 2);
}

static void test_total_deadline_while_streaming(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") COMMENTS_10 CHAT_END, NULL});
  f->request.deadlines.total_ms = 120;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETOTALTIMEOUT);
  check_took(c, 119, FLOW_SOON_MS);
  assert_string_equal(c->text, "a");
}

static void test_total_deadline_over_attempts_and_backoff(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 503 No\r\nRetry-After-Ms: 60\r\nContent-Length: 0\r\n\r\n", NULL});
  f->request.deadlines.total_ms = 150;
  f->request.retries = 50;
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETOTALTIMEOUT);
  check_took(c, 149, FLOW_SOON_MS);
  assert_true(c->result.attempts >= 2);
}

static void test_total_deadline_in_the_queue(void **state) {
  flow *f = *state;
  f->config.conns_max = 1;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  flow_chat(f, p);
  f->request.deadlines.total_ms = 80;
  flow_call *c = flow_chat(f, p);
  flow_wait_for(f, c);
  flow_assert_error(c, LEAT_ETOTALTIMEOUT);
  assert_int_equal(c->result.attempts, 0);
}

static void drip_for_ever(peer_link *l, void *ctx) {
  const char *text = ctx;
  if (!peer_read(l)) return;
  for (; *text; text++) {
    if (!peer_send(l, (leat_slice){text, 1}) || !peer_sleep(l, 4)) return;
  }
  while (peer_send(l, (leat_slice){"a", 1}) && peer_sleep(l, 4)) continue;
}

/* Byte by byte in headers, in a chunk's line, in an event's line: a clock of its phase ends it. */
static void test_rs_04_drips_are_ended_by_the_clock_of_their_phase(void **state) {
  static const struct {
    const char *text;
    int error;
    int64_t head_ms, total_ms; /* those that are not meant to come first are far away */
  } drips[] = {
      {"HTTP/1.1 200 OK\r\nX: ", LEAT_EHEADTIMEOUT, 400, 30000},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", LEAT_EFIRSTTIMEOUT, 30000, 30000},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: ", LEAT_EFIRSTTIMEOUT, 30000, 30000},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n: ", LEAT_EFIRSTTIMEOUT, 30000, 30000},
      {"HTTP/1.1 400 No\r\nConnection: close\r\n\r\n", LEAT_ETOTALTIMEOUT, 30000, 700},
  };
  flow *f = *state;
  flow_call *calls[5];
  for (size_t i = 0; i < 5; i++) {
    f->request.deadlines = (leat_deadlines){.first_ms = 250, .idle_ms = 150};
    f->request.deadlines.head_ms = drips[i].head_ms;
    f->request.deadlines.total_ms = drips[i].total_ms;
    calls[i] = flow_chat(f, flow_peer_script(f, drip_for_ever, (void *)(uintptr_t)drips[i].text));
  }
  flow_wait(f);
  for (size_t i = 0; i < 5; i++) flow_assert_error(calls[i], drips[i].error);
}

static void test_absurd_deadlines_are_refused(void **state) {
  flow *f = *state;
  f->request.base_url = "http://127.0.0.1:1";
  f->request.deadlines.total_ms = -7;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
  f->request.deadlines.total_ms = INT64_MAX;
  assert_int_equal(flow_try(f)->error, LEAT_EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_connect_deadline_on_a_dropped_syn),
      FLOW_TEST(test_connect_deadline_covers_the_tls_handshake),
      FLOW_TEST(test_net_09_nobody_reads_is_a_head_timeout),
      FLOW_TEST(test_head_deadline_counts_a_stalled_upload),
      FLOW_TEST(test_h1_12_header_drip_without_end_is_a_head_timeout),
      FLOW_TEST(test_interim_responses_do_not_stop_the_head_deadline),
      FLOW_TEST(test_first_content_deadline),
      FLOW_TEST(test_an_empty_delta_is_no_content),
      FLOW_TEST(test_content_gap_deadline),
      FLOW_TEST(test_gap_deadline_is_pushed_back_by_content),
      FLOW_TEST(test_idle_deadline),
      FLOW_TEST(test_sse_11_comments_push_back_only_the_idle_deadline),
      FLOW_TEST(test_queue_deadline),
      FLOW_TEST(test_queue_deadline_counts_only_waiting),
      FLOW_TEST(test_total_deadline_while_streaming),
      FLOW_TEST(test_total_deadline_over_attempts_and_backoff),
      FLOW_TEST(test_total_deadline_in_the_queue),
      FLOW_TEST(test_rs_04_drips_are_ended_by_the_clock_of_their_phase),
      FLOW_TEST(test_absurd_deadlines_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
