/* What an engine tells Prometheus: text that a strict reader takes, numbers that are right, and no
 * word of anybody's among the labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "core/metrics.h"
#include "support/asking.h"
#include "support/exposition.h"

#define SOON "Retry-After-Ms: 1\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\n" SOON "Content-Length: 0\r\n\r\n"
#define CHAT "{protocol=\"openai-chat\"}"
#define CHAT_USAGE                                                                    \
  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":70000," \
  "\"total_tokens\":70009}}\n\n<<cut>>"

static double value(const flow *f, const char *sample) {
  exposition x;
  exposition_read(&x, f->engine);
  double found = exposition_value(&x, sample);
  exposition_free(&x);
  return found;
}

static bool has(const flow *f, const char *part) {
  exposition x;
  exposition_read(&x, f->engine);
  bool found = exposition_has(&x, part);
  exposition_free(&x);
  return found;
}

static void test_an_idle_engine_is_readable(void **state) {
  flow *f = *state;
  flow_open(f);
  exposition x;
  exposition_read(&x, f->engine);
  assert_true(x.whole_lines);
  assert_int_equal(exposition_value(&x, "leat_requests_started_total"), 0);
  assert_int_equal(exposition_value(&x, "leat_build_info{version=\"" LEAT_VERSION "\"}"), 1);
  assert_false(exposition_has(&x, "histogram"));
  exposition_free(&x);
}

/* A counter that is new to leat_stats has a row here, too. */
static void test_nothing_of_leat_stats_is_left_out(void **state) {
  flow *f = *state;
  size_t samples = 0;
  flow_open(f);
  exposition x;
  exposition_read(&x, f->engine);
  for (const char *at = x.text; *at; at = strchr(at, '\n') + 1) samples += *at != '#';
  exposition_free(&x);
  assert_int_equal(samples, sizeof(leat_stats) / sizeof(uint64_t) + 1); /* and the version */
}

static void test_an_idle_engine_with_metrics_is_too(void **state) {
  flow *f = *state;
  f->config.metrics = true;
  flow_open(f);
  assert_true(has(f, "# TYPE leat_content_gap_seconds histogram\n"));
  assert_false(has(f, CHAT)); /* a protocol's rows come with its first request */
  assert_int_equal(value(f, "leat_queue_wait_seconds_count"), 0);
}

static void test_counters_are_those_of_leat_stats(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, BUSY, CHAT_HELLO, NULL});
  f->request.retries = 1;
  flow_chat(f, p);
  flow_wait(f);
  flow_chat(f, p);
  flow_wait(f);
  leat_stats stats = flow_stats(f);
  assert_int_equal(value(f, "leat_requests_started_total"), 2);
  assert_int_equal(value(f, "leat_requests_ended_total{outcome=\"completed\"}"), 2);
  assert_int_equal(value(f, "leat_requests_repeated_total"), 1);
  assert_int_equal(value(f, "leat_events_total"), stats.events);
  assert_int_equal(value(f, "leat_received_bytes_total"), stats.bytes_received);
  assert_int_equal(value(f, "leat_connections_opened_total"), stats.conns_opened);
  assert_int_equal(value(f, "leat_copied_bytes_total{stage=\"submit\"}"),
                   stats.bytes_copied_submit);
}

static void test_times_of_a_streamed_answer(void **state) {
  flow *f = *state;
  f->config.metrics = true;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 5>>" CHAT_TEXT("b")
                                                   CHAT_TEXT("c") CHAT_USAGE CHAT_END,
                                               NULL});
  flow_call *c = flow_chat(f, p);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  exposition x;
  exposition_read(&x, f->engine);
  assert_int_equal(exposition_value(&x, "leat_request_duration_seconds_count" CHAT), 1);
  assert_int_equal(exposition_value(&x, "leat_first_content_seconds_count" CHAT), 1);
  assert_int_equal(exposition_value(&x, "leat_content_gap_seconds_count" CHAT), 2);
  double gaps = exposition_value(&x, "leat_content_gap_seconds_sum" CHAT);
  double took = exposition_value(&x, "leat_request_duration_seconds_sum" CHAT);
  double first = exposition_value(&x, "leat_first_content_seconds_sum" CHAT);
  assert_true(took + 1e-9 >= gaps + first);
  const leat_times *t = &c->result.times;
  assert_true(took == (double)(t->done_ns - t->queued_ns) / 1e9);
  assert_true(first == (double)(t->first_content_ns - t->queued_ns) / 1e9);
  assert_true(gaps == (double)(t->last_content_ns - t->first_content_ns) / 1e9);
  assert_int_equal(exposition_value(&x, "leat_queue_wait_seconds_count"), 1);
  assert_int_equal(exposition_value(&x, "leat_connect_duration_seconds_count"), 1);
  static const char in[] = "{protocol=\"openai-chat\",direction=\"input\"}";
  static const char out[] = "{protocol=\"openai-chat\",direction=\"output\"}";
  char name[128];
  snprintf(name, sizeof name, "leat_request_tokens_sum%s", in);
  assert_int_equal(exposition_value(&x, name), 9);
  snprintf(name, sizeof name, "leat_request_tokens_sum%s", out);
  assert_int_equal(exposition_value(&x, name), 70000);
  snprintf(
      name, sizeof name,
      "leat_request_tokens_bucket{protocol=\"openai-chat\",direction=\"output\",le=\"65536\"}");
  assert_int_equal(exposition_value(&x, name), 0);
  exposition_free(&x);
}

static void test_what_is_not_streamed_has_no_first_content(void **state) {
  flow *f = *state;
  f->config.metrics = true;
  peer *p = flow_peer(f, (const char *const[]){CHAT_JSON, NULL});
  f->request.body = lti_slice_of(FLOW_BODY_JSON);
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(value(f, "leat_request_duration_seconds_count" CHAT), 1);
  assert_int_equal(value(f, "leat_first_content_seconds_count" CHAT), 0);
}

static void test_errors_by_class_and_heads_by_status(void **state) {
  flow *f = *state;
  f->config.metrics = true;
  peer *p = flow_peer(
      f, (const char *const[]){BUSY, CHAT_HELLO, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
                               CHAT_HEAD CHAT_TEXT("a") "<<close>>", CHAT_HEAD "<<silent>>", NULL});
  f->request.retries = 1;
  for (int i = 0; i < 3; i++) {
    flow_chat(f, p);
    flow_wait(f);
  }
  flow_call *c = flow_chat(f, p);
  flow_wait_events(f, c, 1);
  leat_cancel(f->engine, c->id);
  flow_wait(f);
  assert_int_equal(value(f, "leat_request_errors_total{class=\"status\"}"), 1);
  assert_int_equal(value(f, "leat_request_errors_total{class=\"stream\"}"), 1);
  assert_int_equal(value(f, "leat_request_errors_total{class=\"cancelled\"}"), 1);
  assert_int_equal(value(f, "leat_request_errors_total{class=\"tls\"}"), 0);
  assert_int_equal(value(f, "leat_attempt_errors_total{class=\"status\"}"), 1);
  assert_int_equal(value(f, "leat_responses_total{code=\"2xx\"}"), 3);
  assert_int_equal(value(f, "leat_responses_total{code=\"4xx\"}"), 1);
  assert_int_equal(value(f, "leat_responses_total{code=\"5xx\"}"), 1);
  assert_int_equal(value(f, "leat_request_duration_seconds_count" CHAT), 4);
}

static void test_sockets_turns_and_raw_requests(void **state) {
  flow *f = *state;
  f->config.metrics = true;
  peer *server = talk_peer(f, SCRIPTS("< one\n" DELTA("c", "hel") "\n" DELTA(
                                  "c", "lo") "\n" STOP("c") "\nclosed 1000\nclose 1000"));
  ask(f, server, 0, ASK_CHAT("one"));
  flow_wait(f);
  talk_peer_over(f, server);
  assert_int_equal(value(f, "leat_request_duration_seconds_count{protocol=\"chat-ws\"}"), 1);
  assert_int_equal(value(f, "leat_content_gap_seconds_count{protocol=\"chat-ws\"}"), 1);
  peer *p = flow_peer(f, (const char *const[]){CHAT_JSON, NULL});
  f->request.protocol = "raw";
  f->request.socket = 0;
  flow_chat(f, p);
  flow_wait(f);
  assert_int_equal(value(f, "leat_request_duration_seconds_count{protocol=\"raw\"}"), 1);
  leat_task task;
  leat_task_init(&task);
  task.base_url = peer_url(p);
  task.model = task.prompt = "p";
  flow_task(f, &task);
  flow_wait(f);
  assert_int_equal(value(f, "leat_request_duration_seconds_count{protocol=\"call\"}"), 1);
  assert_int_equal(value(f, "leat_tasks_ended_total"), 1);
}

/* Whatever a caller or a peer says. */
static void test_no_label_is_anybodys(void **state) {
  flow *f = *state;
  f->config.metrics = true;
  peer *p =
      flow_peer(f, (const char *const[]){
                       "HTTP/1.1 418 vile\r\nvile: vile\r\nContent-Length: 4\r\n\r\nvile", NULL});
  leat_header header = {{"vile", 4}, {"vile", 4}};
  f->request.headers = &header;
  f->request.header_count = 1;
  f->request.api_key = "vile";
  f->request.path = "/vile";
  f->request.body = lti_slice_of("{\"model\":\"vile\",\"messages\":[],\"stream\":true}");
  flow_chat(f, p);
  flow_wait(f);
  assert_false(has(f, "vile"));
  assert_false(has(f, "127.0.0.1"));
}

static int stop_at(void *user, leat_slice text) {
  int *left = user;
  (void)text;
  return --*left == 0 ? -77 : 0;
}

static void test_a_reader_that_has_enough_ends_it(void **state) {
  flow *f = *state;
  f->config.metrics = true;
  flow_open(f);
  exposition x;
  exposition_read(&x, f->engine);
  assert_true(x.whole_lines && x.pieces > 1);
  for (int n = 1; n <= (int)x.pieces; n++) {
    int left = n;
    assert_int_equal(leat_stats_write(f->engine, stop_at, &left), -77);
    assert_int_equal(left, 0);
  }
  exposition_free(&x);
  assert_int_equal(leat_stats_write(NULL, stop_at, NULL), LEAT_EINVAL);
  assert_int_equal(leat_stats_write(f->engine, NULL, NULL), LEAT_EINVAL);
}

/* ---- histograms */

static void test_a_bound_belongs_to_its_bucket(void **state) {
  (void)state;
  for (enum lti_metrics_which which = 0; which < METRICS_KINDS; which++) {
    const uint64_t *bounds = lti_metrics_kinds[which].bounds;
    uint64_t before = 0;
    for (size_t i = 0; i < LTI_METRICS_BOUNDS && bounds[i]; i++) {
      lti_metrics_hist h = {.sum = 0};
      assert_true(bounds[i] > before);
      lti_metrics_record(&h, which, before + (i > 0));
      lti_metrics_record(&h, which, bounds[i]);
      assert_int_equal(h.counts[i], 2);
      before = bounds[i];
    }
    lti_metrics_hist h = {.sum = 0};
    lti_metrics_record(&h, which, before + 1);
    lti_metrics_record(&h, which, UINT64_MAX);
    assert_int_equal(h.counts[LTI_METRICS_BOUNDS], 2);
  }
}

static void test_a_sum_goes_on_behind_what_64_bits_hold(void **state) {
  (void)state;
  lti_metrics_hist h = {.sum = 0};
  for (int i = 0; i < 50; i++) lti_metrics_record(&h, METRICS_GAP, LTI_METRICS_SUM_MAX - 1);
  assert_int_equal(h.sum_high, 49);
  assert_int_equal(h.sum, LTI_METRICS_SUM_MAX - 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_an_idle_engine_is_readable),
      FLOW_TEST(test_nothing_of_leat_stats_is_left_out),
      FLOW_TEST(test_an_idle_engine_with_metrics_is_too),
      FLOW_TEST(test_counters_are_those_of_leat_stats),
      FLOW_TEST(test_times_of_a_streamed_answer),
      FLOW_TEST(test_what_is_not_streamed_has_no_first_content),
      FLOW_TEST(test_errors_by_class_and_heads_by_status),
      FLOW_TEST(test_sockets_turns_and_raw_requests),
      FLOW_TEST(test_no_label_is_anybodys),
      FLOW_TEST(test_a_reader_that_has_enough_ends_it),
      cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
      cmocka_unit_test(test_a_sum_goes_on_behind_what_64_bits_hold),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
