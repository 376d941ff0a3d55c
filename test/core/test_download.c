/* Downloads: whole or not at all, taken up where they were cut, never two versions glued together,
 * and no key where it does not belong. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/download.h"
#include "support/flow.h"

#define KEY "sk-download-key"

typedef struct fetch {
  flow *flow;
  char folder[64], file[96];
  leat_request request;
  lti_download_order order;
  lti_download *download;
  unsigned dones;
  int error, status;
  char message[256];
  char content[4096]; /* of the callback */
  size_t content_size;
  size_t cancel_at;
} fetch;

static void on_done(void *user, int error, const leat_result *result, const char *message) {
  fetch *x = user;
  x->dones++;
  x->error = error;
  x->status = result ? result->status : 0;
  snprintf(x->message, sizeof x->message, "%s", message ? message : "");
  x->flow->live--;
}

static int on_content(void *user, uint64_t offset, leat_slice bytes) {
  fetch *x = user;
  assert_int_equal(offset, x->order.resume_from + x->content_size);
  memcpy(x->content + x->content_size, bytes.data, bytes.size);
  x->content_size += bytes.size;
  if (!x->cancel_at || x->content_size < x->cancel_at) return 0;
  lti_download_cancel(x->download);
  x->flow->live--;
  return 0;
}

static fetch *make(flow *f, peer *p) {
  fetch *x = flow_keep(f, sizeof *x);
  x->flow = f;
  snprintf(x->folder, sizeof x->folder, "/tmp/leat_download_XXXXXX");
  assert_non_null(mkdtemp(x->folder));
  snprintf(x->file, sizeof x->file, "%s/content.bin", x->folder);
  leat_request_init(&x->request);
  if (p) x->request.base_url = peer_url(p);
  x->request.path = "/v1/videos/a/content";
  x->request.api_key = KEY;
  x->order =
      (lti_download_order){.request = &x->request, .file = x->file, .done = on_done, .user = x};
  flow_open(f);
  return x;
}

static void start(fetch *x) {
  x->dones = 0;
  assert_int_equal(lti_download_start(x->flow->engine, &x->order, &x->download), LEAT_OK);
  assert_int_equal(x->dones, 0);
  x->flow->live++;
}

static void run(fetch *x) {
  start(x);
  flow_wait(x->flow);
  assert_int_equal(x->dones, 1);
}

static size_t count_files(const fetch *x) {
  size_t count = 0;
  DIR *dir = opendir(x->folder);
  struct dirent *entry;
  while ((entry = readdir(dir)))
    if (entry->d_name[0] != '.') count++;
  closedir(dir);
  return count;
}

static size_t read_named(const fetch *x, const char *ending, char *out, size_t room) {
  char name[128];
  snprintf(name, sizeof name, "%s%s", x->file, ending);
  FILE *file = fopen(name, "rb");
  if (!file) return SIZE_MAX;
  size_t n = fread(out, 1, room - 1, file);
  out[n] = '\0';
  fclose(file);
  return n;
}

static void write_named(const fetch *x, const char *ending, const char *text) {
  char name[128];
  snprintf(name, sizeof name, "%s%s", x->file, ending);
  FILE *file = fopen(name, "wb");
  fputs(text, file);
  fclose(file);
}

static void clean(const fetch *x) {
  static const char *const endings[] = {"", ".part", ".part.tag"};
  char name[128];
  for (size_t i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "%s%s", x->file, endings[i]);
    unlink(name);
  }
  rmdir(x->folder);
}

/* The file is there, alone, with this content. */
static void check_file(const fetch *x, const char *content) {
  char out[8192];
  assert_int_equal(x->error, LEAT_OK);
  assert_int_equal(read_named(x, "", out, sizeof out), strlen(content));
  assert_string_equal(out, content);
  assert_int_equal(count_files(x), 1);
}

#define WHOLE(etag, body) "HTTP/1.1 200 OK\r\n" etag "<<body>>" body "<<cut>>"
#define CUT(etag, length, body) \
  "HTTP/1.1 200 OK\r\n" etag "Content-Length: " length "\r\n\r\n" body "<<close>>"
#define PART(etag, range, body) \
  "HTTP/1.1 206 P\r\n" etag "Content-Range: bytes " range "\r\n<<body>>" body "<<cut>>"
#define ETAG(tag) "ETag: \"" tag "\"\r\n"

/* ---- files */

static void test_a_file_appears_whole(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){WHOLE(ETAG("v1"), "abcdef"), NULL});
  fetch *x = make(f, p);
  write_named(x, "", "what was there before");
  run(x);
  check_file(x, "abcdef");
  flow_assert_has(peer_request(p, 0), "GET /v1/videos/a/content HTTP/1.1\r\n");
  flow_assert_has(peer_request(p, 0), "\r\nAccept-Encoding: identity\r\n");
  flow_assert_has(peer_request(p, 0), "\r\nAuthorization: Bearer " KEY "\r\n");
  assert_null(strstr(peer_request(p, 0), "Range"));
  clean(x);
}

static void test_a_cut_is_taken_up_in_the_same_version(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CUT(ETAG("v1"), "9", "abc"), PART(ETAG("v1"), "3-5/9", "def"),
                               PART(ETAG("v1"), "6-8/9", "ghi"), NULL});
  fetch *x = make(f, p);
  run(x);
  check_file(x, "abcdefghi");
  flow_assert_has(peer_request(p, 1), "\r\nRange: bytes=3-\r\n");
  flow_assert_has(peer_request(p, 1), "\r\nIf-Range: \"v1\"\r\n");
  flow_assert_has(peer_request(p, 2), "\r\nRange: bytes=6-\r\n");
  clean(x);
}

/* The server has another version now, and says 200: what there was is thrown away. */
static void test_another_version_begins_anew(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CUT(ETAG("v1"), "9", "abc"), WHOLE(ETAG("v2"), "123456"), NULL});
  fetch *x = make(f, p);
  run(x);
  check_file(x, "123456");
  clean(x);
}

/* Parts of something else, whatever makes them so, are not glued on. */
static void check_not_glued(flow *f, const char *wrong) {
  peer *p = flow_peer(f, (const char *const[]){CUT(ETAG("v1"), "9", "abc"), wrong,
                                               WHOLE(ETAG("v2"), "123456789"), NULL});
  fetch *x = make(f, p);
  run(x);
  check_file(x, "123456789");
  assert_int_equal(peer_requests(p), 3);
  assert_null(strstr(peer_request(p, 2), "Range"));
  clean(x);
}

static void test_a_part_of_another_version_is_not_glued_on(void **state) {
  check_not_glued(*state, PART(ETAG("v2"), "3-8/9", "456789"));
}
static void test_a_part_that_begins_elsewhere_is_not_glued_on(void **state) {
  check_not_glued(*state, PART(ETAG("v1"), "2-8/9", "3456789"));
}
static void test_a_part_of_another_size_is_not_glued_on(void **state) {
  check_not_glued(*state, PART("", "3-9/10", "4567890"));
}
static void test_a_part_without_its_range_is_not_glued_on(void **state) {
  check_not_glued(*state, "HTTP/1.1 206 P\r\n<<body>>456789<<cut>>");
}
static void test_a_part_with_a_broken_range_is_not_glued_on(void **state) {
  check_not_glued(*state, PART("", "x-/", "456789"));
}
static void test_a_part_in_a_coding_is_not_glued_on(void **state) {
  check_not_glued(*state,
                  "HTTP/1.1 206 P\r\nContent-Encoding: gzip\r\n"
                  "Content-Range: bytes 3-8/9\r\n<<body>>456789<<cut>>");
}
static void test_a_range_that_cannot_be_begins_anew(void **state) {
  check_not_glued(*state, "HTTP/1.1 416 R\r\nContent-Range: bytes */7\r\n<<body>>no<<cut>>");
}

static void test_all_there_is_says_416(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){
                       CUT(ETAG("v1"), "6", "abc"),
                       "HTTP/1.1 206 P\r\nContent-Range: bytes 3-5/6\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n<<chunked>>def<<close>>",
                       "HTTP/1.1 416 R\r\nContent-Range: bytes */6\r\n<<body>>no<<cut>>", NULL});
  fetch *x = make(f, p);
  run(x);
  check_file(x, "abcdef");
  clean(x);
}

/* Its length came with the first answer; an end that comes early, however cleanly, is a cut. */
static void test_a_part_that_is_too_short_is_not_the_whole(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CUT(ETAG("v1"), "9", "abc"),
                                               "HTTP/1.1 206 P\r\nContent-Range: bytes 3-8/9\r\n"
                                               "Connection: close\r\n\r\ndef<<close>>",
                                               PART(ETAG("v1"), "6-8/9", "ghi"), NULL});
  fetch *x = make(f, p);
  run(x);
  check_file(x, "abcdefghi");
  clean(x);
}

/* ---- from one run to the next */

static void test_the_next_run_takes_it_up(void **state) {
  flow *f = *state;
  char out[64];
  peer *p = flow_peer(
      f, (const char *const[]){CUT(ETAG("v1"), "9", "abc"), "HTTP/1.1 404 N\r\n<<body>>no<<cut>>",
                               PART(ETAG("v1"), "3-8/9", "defghi"), NULL});
  fetch *x = make(f, p);
  run(x);
  assert_int_equal(x->error, LEAT_ESTATUS);
  assert_int_equal(x->status, 404);
  assert_int_equal(read_named(x, "", out, sizeof out), SIZE_MAX);
  assert_int_equal(read_named(x, ".part", out, sizeof out), 3);
  read_named(x, ".part.tag", out, sizeof out);
  assert_string_equal(out, "\"v1\"");
  run(x);
  check_file(x, "abcdefghi");
  flow_assert_has(peer_request(p, 2), "\r\nIf-Range: \"v1\"\r\n");
  clean(x);
}

/* A date will do where there is no ETag, a weak one will not, and without either nothing is kept:
 * nobody could tell of what it is a part. */
static void test_what_tells_versions_apart(void **state) {
  flow *f = *state;
  char out[64];
  static const char date[] = "Sat, 21 Nov 2026 08:00:00 GMT";
  peer *p = flow_peer(
      f, (const char *const[]){
             CUT("Last-Modified: Sat, 21 Nov 2026 08:00:00 GMT\r\nETag: W/\"w\"\r\n", "9", "abc"),
             "HTTP/1.1 404 N\r\n<<body>>no<<cut>>", CUT("ETag: W/\"w\"\r\n", "9", "xyz"),
             "HTTP/1.1 404 N\r\n<<body>>no<<cut>>", NULL});
  fetch *x = make(f, p);
  run(x);
  read_named(x, ".part.tag", out, sizeof out);
  assert_string_equal(out, date);
  run(x);
  flow_assert_has(peer_request(p, 2), date);
  assert_int_equal(x->error, LEAT_ESTATUS);
  assert_int_equal(count_files(x), 0);
  clean(x);
}

static void test_a_part_without_a_tag_is_not_taken_up(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){WHOLE("", "abcdef"), NULL});
  fetch *x = make(f, p);
  write_named(x, ".part", "xxx");
  run(x);
  check_file(x, "abcdef");
  assert_null(strstr(peer_request(p, 0), "Range"));
  clean(x);
}

static void test_two_do_not_write_one_file(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){WHOLE("", "abcdef"), NULL});
  fetch *x = make(f, p);
  lti_download *other;
  start(x);
  assert_int_equal(lti_download_start(f->engine, &x->order, &other), LEAT_EIO);
  flow_assert_has(leat_last_message(f->engine), "another download");
  flow_wait(f);
  check_file(x, "abcdef");
  clean(x);
}

static void test_a_folder_that_is_not_there(void **state) {
  flow *f = *state;
  fetch *x = make(f, flow_peer(f, (const char *const[]){WHOLE("", "abc"), NULL}));
  x->order.file = "/nowhere/at/all/content";
  assert_int_equal(lti_download_start(f->engine, &x->order, &x->download), LEAT_EIO);
  flow_assert_has(leat_last_message(f->engine), "/nowhere/at/all/content.part");
  clean(x);
}

/* A link in the place of the part is not followed. */
static void test_a_link_is_not_written_through(void **state) {
  flow *f = *state;
  char part[128], target[128];
  fetch *x = make(f, flow_peer(f, (const char *const[]){WHOLE("", "abc"), NULL}));
  snprintf(part, sizeof part, "%s.part", x->file);
  snprintf(target, sizeof target, "%s/precious", x->folder);
  assert_int_equal(symlink(target, part), 0);
  assert_int_equal(lti_download_start(f->engine, &x->order, &x->download), LEAT_EIO);
  assert_int_not_equal(access(target, F_OK), 0);
  clean(x);
}

/* ---- ends */

static void test_a_drip_of_cuts_ends(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CUT("", "99", "a"), CUT("", "99", "b"), NULL});
  fetch *x = make(f, p);
  run(x);
  assert_int_equal(x->error, LEAT_ETRUNCATED);
  assert_true(peer_requests(p) < 20);
  assert_int_equal(count_files(x), 0);
  clean(x);
}

/* Each time the same beginning, and no ranges: it must not go on for ever. */
static void test_a_server_that_cuts_the_same_each_time(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){
             "HTTP/1.1 200 OK\r\nETag: \"v\"\r\nContent-Length: 9000\r\n\r\n<<fill 3000>><<close>>",
             NULL});
  fetch *x = make(f, p);
  run(x);
  assert_int_equal(x->error, LEAT_ETRUNCATED);
  assert_true(peer_requests(p) < 20);
  clean(x);
}

static void test_cancel(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc<<silent>>", NULL});
  fetch *x = make(f, p);
  x->order.content = on_content;
  x->cancel_at = 3;
  start(x);
  flow_wait(f);
  flow_run(f, 20);
  assert_int_equal(x->dones, 0);
  assert_int_equal(count_files(x), 0);
  clean(x);
}

static void test_an_engine_that_closes_tells(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc<<silent>>", NULL});
  fetch *x = make(f, p);
  start(x);
  peer_await(p, 1);
  flow_run(f, 20);
  flow_close(f, LEAT_CLOSE_NOW);
  assert_int_equal(x->dones, 1);
  assert_int_equal(x->error, LEAT_ECANCELLED);
  clean(x);
}

/* ---- addresses that a gateway has named */

static const leat_header extra[] = {{{"X-Custom", 8}, {"mine", 4}},
                                    {{"X-Auth-Token", 12}, {"sk-header-secret", 16}}};

static void fetch_url(fetch *x, peer *p, const char *path) {
  char *url = flow_keep(x->flow, 200);
  snprintf(url, 200, "%s%s", peer_url(p), path);
  x->order.url = lti_slice_of(url);
  x->request.headers = extra;
  x->request.header_count = 2;
  run(x);
}

static void test_key_01_another_origin_gets_no_key(void **state) {
  flow *f = *state;
  peer *cdn = flow_peer(f, (const char *const[]){WHOLE("", "abcdef"), NULL});
  peer *gateway = flow_peer(f, (const char *const[]){WHOLE("", "wrong"), NULL});
  f->config.headers = &extra[1];
  f->config.header_count = 1;
  f->config.api_key = KEY;
  fetch *x = make(f, gateway);
  fetch_url(x, cdn, "/signed?sig=1&exp=2#fragment");
  check_file(x, "abcdef");
  flow_assert_has(peer_request(cdn, 0), "GET /signed?sig=1&exp=2 HTTP/1.1\r\n");
  assert_null(strstr(peer_request(cdn, 0), "sk-"));
  assert_null(strstr(peer_request(cdn, 0), "X-Custom"));
  assert_int_equal(peer_requests(gateway), 0);
  clean(x);
}

static void test_the_gateways_own_origin_gets_the_key(void **state) {
  flow *f = *state;
  peer *gateway = flow_peer(f, (const char *const[]){WHOLE("", "abcdef"), NULL});
  fetch *x = make(f, gateway);
  fetch_url(x, gateway, "/files/a.mp4");
  check_file(x, "abcdef");
  flow_assert_has(peer_request(gateway, 0), "GET /files/a.mp4 HTTP/1.1\r\n");
  flow_assert_has(peer_request(gateway, 0), "\r\nAuthorization: Bearer " KEY "\r\n");
  flow_assert_has(peer_request(gateway, 0), "\r\nX-Custom: mine\r\n");
  clean(x);
}

static void test_key_01_a_redirect_to_a_signed_url_gets_no_key(void **state) {
  flow *f = *state;
  char *answer = flow_keep(f, 300);
  peer *cdn = flow_peer(
      f, (const char *const[]){CUT(ETAG("v"), "6", "abc"), PART(ETAG("v"), "3-5/6", "def"), NULL});
  snprintf(answer, 300, "HTTP/1.1 302 F\r\nLocation: %s/signed?sig=1\r\n<<body>>moved<<cut>>",
           peer_url(cdn));
  peer *gateway = flow_peer(f, (const char *const[]){answer, NULL});
  fetch *x = make(f, gateway);
  run(x);
  check_file(x, "abcdef");
  assert_int_equal(peer_requests(gateway), 2); /* a signature may have run out meanwhile */
  assert_null(strstr(peer_request(cdn, 0), "sk-"));
  assert_null(strstr(peer_request(cdn, 1), "sk-"));
  flow_assert_has(peer_request(cdn, 1), "\r\nRange: bytes=3-\r\n");
  clean(x);
}

static void test_addresses_that_are_none(void **state) {
  flow *f = *state;
  static const char *const wrong[] = {
      "file:///etc/passwd", "unix:/run/x.sock", "ftp://a/b", "//a/b",
      "https://",           "http://u:p@h/",    "gopher://x"};
  fetch *x = make(f, flow_peer(f, (const char *const[]){WHOLE("", "x"), NULL}));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    x->order.url = lti_slice_of(wrong[i]);
    assert_int_equal(lti_download_start(f->engine, &x->order, &x->download), LEAT_EURL);
    flow_assert_has(leat_last_message(f->engine), "address");
  }
  assert_int_equal(count_files(x), 0);
  clean(x);
}

/* ---- data: URIs */

static void test_data_uris_become_the_same_file(void **state) {
  flow *f = *state;
  fetch *x = make(f, NULL);
  write_named(x, ".part", "of something else");
  write_named(x, ".part.tag", "\"v\"");
  x->order.url = lti_slice_of("data:text/plain;base64,aGVsbG8=");
  run(x);
  check_file(x, "hello");
  x->order.url = lti_slice_of("data:,100%25%20sure");
  run(x);
  check_file(x, "100% sure");
  clean(x);
}

static void test_a_broken_data_uri_leaves_nothing(void **state) {
  flow *f = *state;
  fetch *x = make(f, NULL);
  x->order.url = lti_slice_of("data:;base64,aGVs!");
  run(x);
  assert_int_equal(x->error, LEAT_EDECODE);
  assert_int_equal(count_files(x), 0);
  clean(x);
}

static void test_a_data_uri_may_be_cancelled(void **state) {
  flow *f = *state;
  fetch *x = make(f, NULL);
  x->order.url = lti_slice_of("data:,hello");
  x->order.content = on_content;
  x->cancel_at = 1;
  start(x);
  flow_run(f, 20);
  assert_int_equal(x->dones, 0);
  assert_string_equal(x->content, "hello");
  start(x);
  lti_download_cancel(x->download); /* at once */
  f->live--;
  flow_run(f, 20);
  assert_int_equal(x->dones, 0);
  clean(x);
}

/* ---- without a file: nothing can be taken back */

static void test_a_callback_cannot_begin_anew(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CUT(ETAG("v1"), "9", "abc"), WHOLE(ETAG("v2"), "123456"), NULL});
  fetch *x = make(f, p);
  x->order.file = NULL;
  x->order.content = on_content;
  run(x);
  assert_int_equal(x->error, LEAT_EIO);
  flow_assert_has(x->message, "resume");
  assert_string_equal(x->content, "abc");
  clean(x);
}

static void test_a_callback_goes_on_where_it_was(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){PART("", "4-6/7", "efg"), NULL});
  fetch *x = make(f, p);
  x->order.file = NULL;
  x->order.content = on_content;
  x->order.resume_from = 4;
  run(x);
  assert_int_equal(x->error, LEAT_OK);
  assert_string_equal(x->content, "efg");
  clean(x);
}

/* ---- no memory */

static const char *const memory_answers[] = {CUT(ETAG("v1"), "6", "abc"),
                                             PART(ETAG("v1"), "3-5/6", "def"),
                                             CUT(ETAG("v1"), "6", "abc"), NULL};

/* Each allocation in turn fails: it is told, or the file is whole; and nothing is left behind. */
static void test_at_every_allocation(void **state) {
  flow *f = *state;
  unsigned failures = 0;
  for (uint64_t n = 1; n < 400; n++) {
    peer *p = flow_peer(f, memory_answers);
    fetch *x = make(f, p);
    f->memory.fail_at = f->memory.calls + n;
    uint64_t failed = f->memory.failed;
    int r = lti_download_start(f->engine, &x->order, &x->download);
    if (r == LEAT_OK) {
      f->live++;
      flow_wait(f);
      assert_int_equal(x->dones, 1);
      if (x->error == LEAT_OK) check_file(x, "abcdef");
      if (x->error != LEAT_OK) failures++;
    }
    f->memory.fail_at = 0;
    clean(x);
    flow_peer_stop(f, p);
    if (f->memory.failed == failed) break;
  }
  assert_true(failures > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_file_appears_whole),
      FLOW_TEST(test_a_cut_is_taken_up_in_the_same_version),
      FLOW_TEST(test_another_version_begins_anew),
      FLOW_TEST(test_a_part_of_another_version_is_not_glued_on),
      FLOW_TEST(test_a_part_that_begins_elsewhere_is_not_glued_on),
      FLOW_TEST(test_a_part_of_another_size_is_not_glued_on),
      FLOW_TEST(test_a_part_without_its_range_is_not_glued_on),
      FLOW_TEST(test_a_part_with_a_broken_range_is_not_glued_on),
      FLOW_TEST(test_a_part_in_a_coding_is_not_glued_on),
      FLOW_TEST(test_a_range_that_cannot_be_begins_anew),
      FLOW_TEST(test_all_there_is_says_416),
      FLOW_TEST(test_a_part_that_is_too_short_is_not_the_whole),
      FLOW_TEST(test_the_next_run_takes_it_up),
      FLOW_TEST(test_what_tells_versions_apart),
      FLOW_TEST(test_a_part_without_a_tag_is_not_taken_up),
      FLOW_TEST(test_two_do_not_write_one_file),
      FLOW_TEST(test_a_folder_that_is_not_there),
      FLOW_TEST(test_a_link_is_not_written_through),
      FLOW_TEST(test_a_drip_of_cuts_ends),
      FLOW_TEST(test_a_server_that_cuts_the_same_each_time),
      FLOW_TEST(test_cancel),
      FLOW_TEST(test_an_engine_that_closes_tells),
      FLOW_TEST(test_key_01_another_origin_gets_no_key),
      FLOW_TEST(test_the_gateways_own_origin_gets_the_key),
      FLOW_TEST(test_key_01_a_redirect_to_a_signed_url_gets_no_key),
      FLOW_TEST(test_addresses_that_are_none),
      FLOW_TEST(test_data_uris_become_the_same_file),
      FLOW_TEST(test_a_broken_data_uri_leaves_nothing),
      FLOW_TEST(test_a_data_uri_may_be_cancelled),
      FLOW_TEST(test_a_callback_cannot_begin_anew),
      FLOW_TEST(test_a_callback_goes_on_where_it_was),
      FLOW_TEST(test_at_every_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
