/* The content of a task: taken up where it was cut, never decoded, never called whole when it is
 * not; and what the end of a task says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/flow.h"

#define FINISHED ANSWER_JSON("200 OK", "{\"id\":\"job\",\"status\":\"completed\"}")

typedef struct received {
  char bytes[256];
  size_t size;
  uint64_t begin;
} received;

static received got;

static int take(leat_engine *e, leat_id id, uint64_t offset, leat_slice bytes, void *user) {
  (void)e, (void)id, (void)user;
  assert_int_equal(offset, got.begin + got.size);
  assert_true(got.size + bytes.size < sizeof got.bytes);
  memcpy(got.bytes + got.size, bytes.data, bytes.size);
  got.size += bytes.size;
  return 0;
}

static flow_call *fetch(flow *f, peer *p, uint64_t resume_from) {
  leat_task task;
  leat_task_init(&task);
  got = (received){.begin = resume_from};
  task.base_url = peer_url(p);
  task.task_id = "job";
  task.retries = LEAT_NONE;
  task.poll_ms = 1;
  task.download = true;
  task.on_content = take;
  task.resume_from = resume_from;
  flow_call *c = flow_task(f, &task);
  flow_wait(f);
  return c;
}

/* Offsets are of the content, so a coding of it is not asked for. */
static void test_content_is_asked_for_without_a_coding(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){FINISHED, "HTTP/1.1 200 OK\r\n<<body>>abcdef<<cut>>", NULL});
  flow_call *c = fetch(f, p, 0);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(got.bytes, "abcdef");
  flow_assert_has(peer_request(p, 1), "\r\nAccept-Encoding: identity\r\n");
  assert_null(strstr(peer_request(p, 1), "Range"));
}

/* A server may send less of a range than was asked for: the rest is asked for next. */
static void test_a_part_of_the_range_is_not_the_whole(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){FINISHED,
                                               "HTTP/1.1 206 P\r\nContent-Range: bytes 3-5/9\r\n"
                                               "<<body>>def<<cut>>",
                                               "HTTP/1.1 206 P\r\nContent-Range: bytes 6-8/9\r\n"
                                               "<<body>>ghi<<cut>>",
                                               NULL});
  flow_call *c = fetch(f, p, 3);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(got.bytes, "defghi");
  flow_assert_has(peer_request(p, 1), "\r\nRange: bytes=3-\r\n");
  flow_assert_has(peer_request(p, 2), "\r\nRange: bytes=6-\r\n");
}

/* Everything anew is not taken, and not even read to its end. */
static void test_content_that_is_all_there_is_a_success(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){
                       FINISHED, "HTTP/1.1 416 R\r\nContent-Range: bytes */9\r\n<<body>>no", NULL});
  flow_assert_error(fetch(f, p, 9), LEAT_OK);
  assert_int_equal(got.size, 0);
}

static void test_a_range_behind_the_end_is_refused(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){
                       FINISHED, "HTTP/1.1 416 R\r\nContent-Range: bytes */9\r\n<<body>>no", NULL});
  flow_assert_error(fetch(f, p, 12), LEAT_ESTATUS);
}

static void test_a_server_that_ignores_the_range_is_left_at_once(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){FINISHED,
                                               "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
                                               "<<silent>>",
                                               NULL});
  flow_call *c = fetch(f, p, 3);
  flow_assert_error(c, LEAT_EIO);
  flow_assert_has(c->message, "resume");
  assert_true(flow_took_ms(c) < FLOW_SOON_MS);
  assert_int_equal(got.size, 0);
}

/* Cuts that bring a byte each are no progress. */
static void test_a_drip_of_cuts_ends(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){FINISHED, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na<<close>>",
                               "HTTP/1.1 206 P\r\nContent-Range: bytes 1-98/99\r\n"
                               "Content-Length: 98\r\n\r\n<<close>>",
                               NULL});
  flow_call *c = fetch(f, p, 0);
  flow_assert_error(c, LEAT_ETRUNCATED);
  assert_true(peer_requests(p) < 20);
  assert_string_equal(got.bytes, "a");
}

/* A poll that is cut is asked again: the job goes on whatever becomes of one answer. */
static void test_a_cut_poll_does_not_end_the_task(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
                                         "{\"id\":<<close>>",
                                         FINISHED, "HTTP/1.1 200 OK\r\n<<body>>abc<<cut>>", NULL});
  flow_call *c = fetch(f, p, 0);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(got.bytes, "abc");
}

static void test_the_providers_words_end_a_submit(void **state) {
  flow *f = *state;
  leat_task task;
  leat_task_init(&task);
  peer *p =
      flow_peer(f, (const char *const[]){
                       ANSWER_JSON("200 OK", "{\"error\":{\"message\":\"no such model\"}}"), NULL});
  task.base_url = peer_url(p);
  task.model = task.prompt = "x";
  flow_call *c = flow_task(f, &task);
  flow_wait(f);
  flow_assert_error(c, LEAT_EAPI);
  assert_string_equal(c->message, "no such model");
}

/* ---- files, and the addresses of results */

static void read_file(const char *name, char *out, size_t room) {
  FILE *file = fopen(name, "rb");
  assert_non_null(file);
  out[fread(out, 1, room - 1, file)] = '\0';
  fclose(file);
}

/* To a file in a folder of its own, which must hold it alone afterwards; the folder is removed. */
static flow_call *fetch_file(flow *f, peer *p, char *content, size_t room) {
  leat_task task;
  char folder[] = "/tmp/leat_task_XXXXXX", name[64];
  assert_non_null(mkdtemp(folder));
  snprintf(name, sizeof name, "%s/result.mp4", folder);
  leat_task_init(&task);
  task.base_url = peer_url(p);
  task.api_key = "sk-task-key";
  task.task_id = "job";
  task.retries = LEAT_NONE;
  task.poll_ms = 1;
  task.download = true;
  task.file = name;
  flow_call *c = flow_task(f, &task);
  memset(name, 'x', 5); /* it was copied */
  flow_wait(f);
  memcpy(name, folder, 5);
  if (c->error == LEAT_OK) read_file(name, content, room);
  if (c->error == LEAT_OK) assert_int_equal(unlink(name), 0);
  assert_int_equal(rmdir(folder), 0);
  return c;
}

static void test_a_result_becomes_a_file(void **state) {
  flow *f = *state;
  char content[64];
  peer *p = flow_peer(f, (const char *const[]){FINISHED,
                                               "HTTP/1.1 200 OK\r\nETag: \"v\"\r\n"
                                               "Content-Length: 6\r\n\r\nabc<<close>>",
                                               "HTTP/1.1 206 P\r\nETag: \"v\"\r\n"
                                               "Content-Range: bytes 3-5/6\r\n<<body>>def<<cut>>",
                                               NULL});
  flow_call *c = fetch_file(f, p, content, sizeof content);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(content, "abcdef");
  assert_int_equal(c->bytes, 6);
  assert_int_equal(c->bytes_total, 6);
  flow_assert_has(peer_request(p, 1), "GET /v1/videos/job/content HTTP/1.1\r\n");
  flow_assert_has(peer_request(p, 2), "\r\nIf-Range: \"v\"\r\n");
}

static const char *finished_at(flow *f, const char *url) {
  char *answer = flow_keep(f, 400);
  char body[200];
  snprintf(body, sizeof body, "{\"id\":\"job\",\"status\":\"completed\",\"url\":\"%s\"}", url);
  snprintf(answer, 400, "HTTP/1.1 200 OK\r\n<<body>>%s<<cut>>", body);
  return answer;
}

/* What the gateway does not have itself lies where the job says, and there the key is no one's
 * business. */
static void test_key_01_a_result_elsewhere_is_fetched_without_the_key(void **state) {
  flow *f = *state;
  char content[64], url[100];
  peer *cdn = flow_peer(f, (const char *const[]){"HTTP/1.1 200 OK\r\n<<body>>movie<<cut>>", NULL});
  snprintf(url, sizeof url, "%s/signed?s=1", peer_url(cdn));
  const char **answers = flow_keep(f, 3 * sizeof *answers);
  answers[0] = finished_at(f, url);
  answers[1] = "HTTP/1.1 404 N\r\n<<body>>{}<<cut>>";
  peer *p = flow_peer(f, answers);
  flow_call *c = fetch_file(f, p, content, sizeof content);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(content, "movie");
  flow_assert_has(peer_request(p, 1), "sk-task-key");
  flow_assert_has(peer_request(cdn, 0), "GET /signed?s=1 HTTP/1.1\r\n");
  assert_null(strstr(peer_request(cdn, 0), "sk-task-key"));
}

static void test_a_result_in_its_own_url(void **state) {
  flow *f = *state;
  char content[64];
  const char **answers = flow_keep(f, 2 * sizeof *answers);
  answers[0] = finished_at(f, "data:video/mp4;base64,bW92aWU=");
  peer *p = flow_peer(f, answers);
  flow_call *c = fetch_file(f, p, content, sizeof content);
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(content, "movie");
  assert_int_equal(peer_requests(p), 1);
}

static void test_a_result_that_is_nowhere(void **state) {
  flow *f = *state;
  char content[64];
  peer *p =
      flow_peer(f, (const char *const[]){FINISHED, "HTTP/1.1 404 N\r\n<<body>>{}<<cut>>", NULL});
  flow_call *c = fetch_file(f, p, content, sizeof content);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 404);
}

/* Wherever it is when it is cancelled, nothing of it is left. */
static void test_a_download_that_is_cancelled(void **state) {
  flow *f = *state;
  leat_task task;
  char folder[] = "/tmp/leat_task_XXXXXX", name[64];
  assert_non_null(mkdtemp(folder));
  snprintf(name, sizeof name, "%s/result.mp4", folder);
  peer *p = flow_peer(f, (const char *const[]){FINISHED,
                                               "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"
                                               "<<silent>>",
                                               NULL});
  leat_task_init(&task);
  task.base_url = peer_url(p);
  task.task_id = "job";
  task.poll_ms = 1;
  task.download = true;
  task.file = name;
  flow_call *c = flow_task(f, &task);
  for (int i = 0; i < 400 && peer_requests(p) < 2; i++) flow_run(f, 5);
  flow_run(f, 20);
  leat_cancel(f->engine, c->id);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  flow_run(f, 20);
  assert_int_equal(rmdir(folder), 0);
}

/* An id that would be another path is refused, and so is one that is too long for any. */
static void test_ids_that_are_no_part_of_a_path(void **state) {
  flow *f = *state;
  leat_task task;
  leat_id id;
  leat_task_init(&task);
  peer *p = flow_peer(f, (const char *const[]){
                             ANSWER_JSON("200 OK", "{\"id\":\"..\",\"status\":\"queued\"}"), NULL});
  task.base_url = peer_url(p);
  task.model = task.prompt = "x";
  task.poll_ms = 1;
  flow_call *c = flow_task(f, &task);
  flow_wait(f);
  flow_assert_error(c, LEAT_EURL);
  flow_assert_has(c->message, "id");
  task.prompt = NULL;
  task.task_id = "..";
  assert_int_equal(leat_task_start(f->engine, &task, &id), LEAT_EINVAL); /* no on_done */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_content_is_asked_for_without_a_coding),
      FLOW_TEST(test_a_part_of_the_range_is_not_the_whole),
      FLOW_TEST(test_content_that_is_all_there_is_a_success),
      FLOW_TEST(test_a_range_behind_the_end_is_refused),
      FLOW_TEST(test_a_server_that_ignores_the_range_is_left_at_once),
      FLOW_TEST(test_a_drip_of_cuts_ends),
      FLOW_TEST(test_a_cut_poll_does_not_end_the_task),
      FLOW_TEST(test_the_providers_words_end_a_submit),
      FLOW_TEST(test_a_result_becomes_a_file),
      FLOW_TEST(test_key_01_a_result_elsewhere_is_fetched_without_the_key),
      FLOW_TEST(test_a_result_in_its_own_url),
      FLOW_TEST(test_a_result_that_is_nowhere),
      FLOW_TEST(test_a_download_that_is_cancelled),
      FLOW_TEST(test_ids_that_are_no_part_of_a_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
