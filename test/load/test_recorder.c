/* The file of every request: each line is JSON and tells what was handed over, whatever threads
 * add, and what is lost is counted. */
#include "bench/load/report/recorder.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"
#include "wire/json.h"

#define BASE    UINT64_C(5000000000)
#define THREADS 4
#define EACH    2000

static char path[64];

static int open_path(void **state) {
  (void)state;
  snprintf(path, sizeof path, "recorded.XXXXXX");
  int fd = mkstemp(path);
  if (fd < 0) return 1;
  close(fd);
  return 0;
}

static int remove_path(void **state) {
  (void)state;
  return unlink(path);
}

/* The whole file; to be freed. */
static char *file_text(void) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  size_t size = (size_t)ftell(file);
  char *text = malloc(size + 1);
  rewind(file);
  assert_int_equal(fread(text, 1, size, file), size);
  text[size] = '\0';
  fclose(file);
  return text;
}

static bool next_line(const char **at, leat_slice *line) {
  const char *end = strchr(*at, '\n');
  if (!end) {
    assert_int_equal(**at, '\0');
    return false;
  }
  *line = lti_slice(*at, (size_t)(end - *at));
  *at = end + 1;
  assert_true(lti_json_valid(*line, NULL, NULL));
  return true;
}

static void assert_member(leat_slice line, const char *pointer, const char *value) {
  leat_slice found;
  if (!lti_json_find(line, pointer, &found)) fail_msg("%s is missing", pointer);
  if (!lti_slice_is(found, value))
    fail_msg("%s is %.*s, not %s", pointer, (int)found.size, found.data, value);
}

static leat_result whole_answer(void) {
  leat_result a;
  memset(&a, 0, sizeof a);
  a.status = 200;
  a.attempts = 1;
  a.http = LEAT_HTTP_2;
  a.records = 12;
  a.times.queued_ns = BASE + 1000000;
  a.times.leased_ns = BASE + 1020000;
  a.times.sent_ns = BASE + 1500000;
  a.times.head_ns = BASE + 41000000;
  a.times.first_content_ns = BASE + 51500000;
  a.times.last_content_ns = BASE + 151500000;
  a.times.done_ns = BASE + 152000000;
  a.request_id = lti_slice_of("req-1");
  return a;
}

static recorder_request request_of(const leat_result *a) {
  recorder_request q;
  memset(&q, 0, sizeof q);
  q.index = 7;
  q.intended_ns = BASE + 1000000;
  q.submitted_ns = BASE + 1000500;
  q.result = a;
  q.input_tokens = 12;
  q.output_tokens = 10;
  q.reasoning_tokens = -1;
  q.content_events = 10;
  return q;
}

static void a_line_tells_of_a_request(void **state) {
  static const uint64_t events[] = {BASE + 51500000, BASE + 61500000, BASE + 71512345};
  (void)state;
  leat_result a = whole_answer();
  recorder_request q = request_of(&a);
  recorder *r = recorder_open(path, true, BASE);
  assert_non_null(r);
  assert_true(recorder_events(r));
  q.events_ns = events;
  q.event_count = 3;
  assert_true(recorder_add(r, &q));
  assert_true(recorder_close(r, NULL));
  char *text = file_text();
  const char *at = text;
  leat_slice line, value;
  assert_true(next_line(&at, &line));
  assert_member(line, "/index", "7");
  assert_member(line, "/intended_ms", "1.0000");
  assert_member(line, "/sent_ms", "0.5000");
  assert_member(line, "/ttft_ms", "50.0000");
  assert_member(line, "/e2e_ms", "150.0000");
  assert_member(line, "/connected_ms", "null");
  assert_member(line, "/error", "null");
  assert_member(line, "/status", "200");
  assert_member(line, "/http", "\"2\"");
  assert_member(line, "/request_id", "\"req-1\"");
  assert_member(line, "/input_tokens", "12");
  assert_member(line, "/reasoning_tokens", "null");
  assert_member(line, "/content_ms", "[50.5000,60.5000,70.5123]");
  assert_true(lti_json_find(line, "/at", &value) && value.size > 10);
  assert_false(next_line(&at, &line));
  free(text);
}

/* One line's text, to be freed. */
static char *line_of(const leat_result *a) {
  recorder_request q = request_of(a);
  recorder *r = recorder_open(path, false, BASE);
  assert_non_null(r);
  assert_true(recorder_add(r, &q));
  assert_true(recorder_close(r, NULL));
  return file_text();
}

static void a_connection_that_was_there_has_no_times_of_its_own(void **state) {
  (void)state;
  leat_result a = whole_answer();
  a.times.connected_ns = BASE + 1200000;
  a.times.tls_ns = BASE + 1400000;
  char *text = line_of(&a);
  assert_member(lti_slice(text, strlen(text) - 1), "/connected_ms", "0.2000");
  assert_member(lti_slice(text, strlen(text) - 1), "/tls_ms", "0.4000");
  free(text);
  a.times.tls_ns = a.times.connected_ns; /* plain */
  text = line_of(&a);
  assert_member(lti_slice(text, strlen(text) - 1), "/tls_ms", "null");
  free(text);
  a.reused_connection = true;
  text = line_of(&a);
  assert_member(lti_slice(text, strlen(text) - 1), "/connected_ms", "null");
  assert_member(lti_slice(text, strlen(text) - 1), "/reused", "true");
  free(text);
}

static void a_failure_tells_why(void **state) {
  (void)state;
  leat_result a = whole_answer();
  recorder_request q = request_of(&a);
  recorder *r = recorder_open(path, false, BASE);
  assert_false(recorder_events(r));
  a.error = LEAT_ETRUNCATED;
  a.message = lti_slice_of("cut \"short\"\nby\x01 the peer");
  a.times.first_content_ns = a.times.last_content_ns = a.times.head_ns = 0;
  a.status = 0;
  assert_true(recorder_add(r, &q));
  assert_true(recorder_close(r, NULL));
  char *text = file_text();
  const char *at = text;
  leat_slice line, value;
  assert_true(next_line(&at, &line));
  assert_member(line, "/error", "\"LEAT_ETRUNCATED\"");
  assert_member(line, "/message", "\"cut \\\"short\\\" by? the peer\"");
  assert_member(line, "/ttft_ms", "null");
  assert_member(line, "/status", "null");
  assert_false(lti_json_find(line, "/content_ms", &value));
  free(text);
}

typedef struct adder {
  recorder *r;
  uint32_t thread;
} adder;

static void *add_many(void *ctx) {
  const adder *a = ctx;
  uint64_t events[40];
  leat_result answer = whole_answer();
  recorder_request q = request_of(&answer);
  for (size_t i = 0; i < 40; i++) events[i] = BASE + 51500000 + i * 10000000;
  q.thread = a->thread;
  q.events_ns = events;
  for (uint64_t i = 0; i < EACH; i++) {
    q.index = i;
    q.event_count = (size_t)((i + a->thread) % 40);
    while (!recorder_add(a->r, &q)) sched_yield();
  }
  return NULL;
}

/* Through a queue that is much smaller than what goes through it, so that it goes round. */
static void lines_of_many_threads_stay_whole_and_in_their_order(void **state) {
  pthread_t threads[THREADS];
  adder adders[THREADS];
  uint64_t next[THREADS] = {0};
  (void)state;
  recorder *r = recorder_open_sized(path, true, BASE, 64 << 10);
  for (uint32_t i = 0; i < THREADS; i++) {
    adders[i] = (adder){r, i};
    assert_int_equal(pthread_create(&threads[i], NULL, add_many, &adders[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  uint64_t dropped;
  recorder_close(r, &dropped); /* those that found no room were added again */
  char *text = file_text();
  const char *at = text;
  leat_slice line, value;
  uint64_t index, thread;
  while (next_line(&at, &line)) {
    assert_true(lti_json_find(line, "/thread", &value) && lti_slice_u64(value, &thread));
    assert_true(lti_json_find(line, "/index", &value) && lti_slice_u64(value, &index));
    assert_true(thread < THREADS);
    assert_int_equal(index, next[thread]++);
    char last[24];
    snprintf(last, sizeof last, "/content_ms/%llu", (unsigned long long)((index + thread) % 40));
    assert_false(lti_json_find(line, last, &value));
  }
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(next[i], EACH);
  free(text);
}

static void what_finds_no_room_is_counted(void **state) {
  static uint64_t events[2000];
  (void)state;
  leat_result a = whole_answer();
  recorder_request q = request_of(&a);
  uint64_t dropped = 0;
  recorder *r = recorder_open_sized(path, true, BASE, 32 << 10);
  q.events_ns = events;
  q.event_count = 2000;
  assert_false(recorder_add(r, &q));
  q.event_count = 2;
  assert_true(recorder_add(r, &q));
  assert_false(recorder_close(r, &dropped));
  assert_int_equal(dropped, 1);
}

static void a_file_that_cannot_be_written_is_said(void **state) {
  (void)state;
  assert_null(recorder_open("/nonexistent/requests.jsonl", false, BASE));
  if (access("/dev/full", W_OK) != 0) return;
  leat_result a = whole_answer();
  recorder_request q = request_of(&a);
  recorder *r = recorder_open("/dev/full", false, BASE);
  assert_non_null(r);
  assert_true(recorder_add(r, &q));
  assert_false(recorder_close(r, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_line_tells_of_a_request, open_path, remove_path),
      cmocka_unit_test_setup_teardown(a_connection_that_was_there_has_no_times_of_its_own,
                                      open_path, remove_path),
      cmocka_unit_test_setup_teardown(a_failure_tells_why, open_path, remove_path),
      cmocka_unit_test_setup_teardown(lines_of_many_threads_stay_whole_and_in_their_order,
                                      open_path, remove_path),
      cmocka_unit_test_setup_teardown(what_finds_no_room_is_counted, open_path, remove_path),
      cmocka_unit_test(a_file_that_cannot_be_written_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
