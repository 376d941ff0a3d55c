/* The HTTP/2 codec against a server that nobody here wrote: nghttp2's, behind h2_server.h. Requests
 * with and without bodies, a thousand streams at once, small windows in both directions, answers
 * before the request's body is up, and a session that leaves in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/h2_record.h"
#include "support/h2_server.h"

static const lti_http_request get = {.method = "GET",
                                     .path = {"/v1/models?x=1", 14},
                                     .host = {"api.test", 8},
                                     .credentials_from = 9};

/* What the server of a test is told, and answers. */
typedef struct scene {
  h2_server *server;
  h2_record client;
  lti_buf back; /* from the server */
  size_t requests, closed;
  h2_request last;
  size_t answer_bytes;                      /* of each answer's body */
  bool answer;                              /* each request at once, with the body and the end */
  bool echo_length;                         /* says Content-Length */
  void (*judge)(const h2_request *request); /* looks at each, when it is whole; may be NULL */
} scene;

static void answer(scene *t, h2_request *request) {
  char length[24];
  snprintf(length, sizeof length, "%zu", t->answer_bytes);
  const char *const with[] = {"content-type", "text/plain", "content-length", length, NULL};
  const char *const without[] = {"content-type", "text/plain", NULL};
  h2_server_head(t->server, request, 200, t->echo_length ? with : without, false);
  char *body = calloc(1, t->answer_bytes + 1);
  for (size_t i = 0; i < t->answer_bytes; i++) body[i] = (char)('a' + i % 26);
  h2_server_body(t->server, request, lti_slice(body, t->answer_bytes));
  free(body);
  h2_server_finish(t->server, request, NULL);
}

static void on_request(void *ctx, h2_server *server, h2_request *request) {
  (void)server;
  scene *t = ctx;
  t->requests++;
  t->last = *request;
  if (t->judge) t->judge(request);
  if (t->answer) answer(t, request);
}

static void on_closed(void *ctx, h2_server *server, h2_request *request, uint32_t code) {
  (void)server, (void)request, (void)code;
  scene *t = ctx;
  t->closed++;
}

static void scene_open(scene *t, h2_server_config config, const lti_http2_config *client) {
  memset(t, 0, sizeof *t);
  config.on = (h2_server_events){.request = on_request, .closed = on_closed, .ctx = t};
  t->answer_bytes = 5;
  assert_true(h2_record_init(&t->client, client, NULL));
  t->server = h2_server_new(&config);
  lti_buf_init(&t->back, &t->client.alloc, 64 << 20, LEAT_EBODYMAX);
}

static void scene_close(scene *t) {
  h2_record_over(&t->client, LEAT_ERESET, "the test is over");
  assert_int_equal(t->client.breaches, 0);
  h2_server_free(t->server);
  lti_buf_deinit(&t->back);
  h2_record_deinit(&t->client);
}

/* Lets both speak until neither has anything to say. */
static void talk(scene *t) {
  bool more = true;
  while (more) {
    more = false;
    lti_buf_clear(&t->client.sent);
    assert_int_equal(lti_http2_drain(t->client.codec, &t->client.sent, 1 << 20), LTI_OK);
    if (t->client.sent.size) {
      more = true;
      assert_true(h2_server_feed(t->server, lti_buf_slice(&t->client.sent)));
    }
    lti_buf_clear(&t->back);
    if (h2_server_drain(t->server, &t->back, 1 << 20)) {
      more = true;
      t->client.inside = true;
      int rc = lti_http2_feed(t->client.codec, lti_buf_slice(&t->back), 0);
      t->client.inside = false;
      assert_int_equal(rc, LTI_OK);
    }
  }
}

static void test_request_and_answer(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.give_back = true}, NULL);
  t.answer = true;
  assert_int_equal(h2_record_open(&t.client, &get, lti_slice(NULL, 0)), LTI_OK);
  talk(&t);
  assert_int_equal(t.requests, 1);
  assert_string_equal(t.last.method, "GET");
  assert_string_equal(t.last.scheme, "https");
  assert_string_equal(t.last.authority, "api.test");
  assert_string_equal(t.last.path, "/v1/models?x=1");
  assert_int_equal(t.last.fields, 0);
  h2_call *call = &t.client.calls[0];
  assert_int_equal(call->completes, 1);
  assert_int_equal(call->status, 200);
  assert_int_equal(call->header_count, 1);
  assert_int_equal(call->body_size, 5);
  assert_memory_equal(call->body, "abcde", 5);
  assert_true(lti_http2_settled(t.client.codec) && lti_http2_acked(t.client.codec));
  assert_int_equal(lti_http2_active(t.client.codec), 0);
  assert_int_equal(h2_server_active(t.server), 0);
  scene_close(&t);
}

/* ---- many streams -----------------------------------------------------------------------------
 */

#define CROWD 1000

/* A thousand streams on one connection, with sinks of their own: h2_record has room for fewer. */
typedef struct crowd {
  lti_http2_stream streams[CROWD];
  size_t bytes[CROWD];
  size_t heads, completes, failures, held; /* `held`: whose body is not taken; SIZE_MAX: none */
} crowd;

static size_t crowd_place(void *ctx, const lti_http2_stream *s) {
  return (size_t)(s - ((crowd *)ctx)->streams);
}

static void crowd_head(void *ctx, lti_http2_stream *s, const lti_http_head *head) {
  (void)s;
  ((crowd *)ctx)->heads += head->status == 200;
}

static size_t crowd_body(void *ctx, lti_http2_stream *s, leat_slice bytes) {
  crowd *c = ctx;
  size_t place = crowd_place(ctx, s);
  for (size_t i = 0; i < bytes.size; i++)
    assert_int_equal(bytes.data[i], 'a' + (int)((c->bytes[place] + i) % 26));
  c->bytes[place] += bytes.size;
  return place == c->held ? 0 : bytes.size;
}

static void crowd_complete(void *ctx, lti_http2_stream *s) {
  (void)s;
  ((crowd *)ctx)->completes++;
}

static void crowd_failed(void *ctx, lti_http2_stream *s, const lti_http2_failure *failure) {
  (void)s, (void)failure;
  ((crowd *)ctx)->failures++;
}

static const lti_http2_sink crowd_sink = {crowd_head,   crowd_body, crowd_complete,
                                          crowd_failed, NULL,       NULL};

/* One round of both sides; false when neither had anything to say. */
static bool exchange(scene *t, lti_http2 *x) {
  lti_buf *sent = &t->client.sent;
  lti_buf_clear(sent);
  lti_buf_clear(&t->back);
  assert_int_equal(lti_http2_drain(x, sent, 65536), LTI_OK);
  if (sent->size) assert_true(h2_server_feed(t->server, lti_buf_slice(sent)));
  h2_server_drain(t->server, &t->back, 65536);
  if (t->back.size) assert_int_equal(lti_http2_feed(x, lti_buf_slice(&t->back), 0), LTI_OK);
  return sent->size || t->back.size;
}

static void check_crowd(size_t answer_bytes, const lti_http2_config *config, size_t held) {
  scene t;
  crowd *c = calloc(1, sizeof *c);
  assert_non_null(c);
  c->held = held;
  scene_open(&t, (h2_server_config){.streams_max = CROWD, .give_back = true}, NULL);
  t.answer = t.echo_length = true;
  t.answer_bytes = answer_bytes;
  lti_http2 *x = lti_http2_new(&t.client.alloc, config, &crowd_sink, c);
  assert_non_null(x);
  exchange(&t, x);
  exchange(&t, x);
  assert_int_equal(lti_http2_slots(x), CROWD);
  for (size_t i = 0; i < CROWD; i++)
    assert_int_equal(lti_http2_open(x, &c->streams[i], &get, true), LTI_OK);
  assert_int_equal(lti_http2_slots(x), 0);
  while (exchange(&t, x)) continue;
  assert_int_equal(c->heads, CROWD);
  if (held != SIZE_MAX && answer_bytes > config->stream_window) {
    assert_int_equal(c->completes, CROWD - 1);
    assert_int_equal(c->bytes[held], config->stream_window);
    assert_int_equal(c->streams[held].unread, config->stream_window);
    c->held = SIZE_MAX;
    lti_http2_consume(x, &c->streams[held], c->streams[held].unread);
    while (exchange(&t, x)) continue;
  }
  assert_int_equal(c->completes, CROWD);
  for (size_t i = 0; i < CROWD; i++) assert_int_equal(c->bytes[i], answer_bytes);
  assert_int_equal(h2_server_active_peak(t.server), CROWD);
  assert_int_equal(h2_server_active(t.server), 0);
  assert_int_equal(lti_http2_active(x), 0);
  lti_http2_free(x);
  scene_close(&t);
  free(c);
}

static void test_thousand_streams(void **state) {
  (void)state;
  check_crowd(2000, &h2_record_config, SIZE_MAX);
}

/* Each answer is many times its stream's window, and all of them many times the connection's. */
static void test_thousand_streams_through_small_windows(void **state) {
  (void)state;
  const lti_http2_config config = {4096, 3000, 65535, CROWD};
  check_crowd(20000, &config, SIZE_MAX);
}

static void test_h2_11_held_stream_starves_nobody(void **state) {
  (void)state;
  const lti_http2_config small = {4096, 3000, 65535, CROWD}, large = {4096, 100000, 100000, CROWD};
  check_crowd(20000, &small, 17);
  check_crowd(120000, &large, 999);
}

/* ---- uploads ----------------------------------------------------------------------------------
 */

static char upload[1 << 20];

static lti_http_request post_of(size_t size) {
  lti_http_request post = get;
  post.method = "POST";
  post.has_body = true;
  post.body_size = size;
  return post;
}

static void fill_upload(void) {
  for (size_t i = 0; i < sizeof upload; i++) upload[i] = (char)(i * 7 + i / 251);
}

/* As the server counts it. */
static uint64_t hash_of(leat_slice bytes) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < bytes.size; i++)
    hash = (hash ^ (unsigned char)bytes.data[i]) * 1099511628211u;
  return hash;
}

#define UPLOADS 60

/* Number `n` of them: each another part of `upload`, sizes from nothing to all of it. */
static leat_slice part_of(size_t n) {
  static const size_t sizes[] = {0, 1, 9, 16383, 16384, 16385, 65534, 65535, 65536, 300000};
  size_t size = n + 1 == UPLOADS ? sizeof upload - n : sizes[n % 10] + n / 10 * (n % 10);
  return lti_slice(upload + n, size);
}

static void judge_part(const h2_request *request) {
  leat_slice part = part_of((size_t)request->id / 2);
  assert_int_equal(request->body_bytes, part.size);
  if (part.size) assert_true(request->body_hash == hash_of(part));
}

/* All at once, through windows of all kinds: each arrives as it was. */
static void test_uploads_of_all_sizes_at_once(void **state) {
  static const uint32_t windows[][2] = {{0, 0}, {1000, 0}, {65535, 70000}, {4 << 20, 8 << 20}};
  (void)state;
  fill_upload();
  for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
    scene t;
    scene_open(&t,
               (h2_server_config){
                   .give_back = true, .stream_window = windows[w][0], .conn_window = windows[w][1]},
               NULL);
    t.answer = true;
    t.judge = judge_part;
    for (size_t n = 0; n < UPLOADS; n++) {
      lti_http_request post = post_of(part_of(n).size);
      assert_int_equal(h2_record_open(&t.client, &post, part_of(n)), LTI_OK);
    }
    talk(&t);
    assert_int_equal(t.requests, UPLOADS);
    for (size_t n = 0; n < UPLOADS; n++) assert_int_equal(t.client.calls[n].completes, 1);
    assert_int_equal(lti_http2_upload(t.client.codec), 0);
    scene_close(&t);
  }
}

static void test_upload_through_a_window(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.give_back = true}, NULL);
  t.answer = true;
  fill_upload();
  uint64_t hash = hash_of(lti_slice(upload, sizeof upload));
  lti_http_request post = post_of(sizeof upload);
  for (int i = 0; i < 3; i++)
    assert_int_equal(h2_record_open(&t.client, &post, lti_slice(upload, sizeof upload)), LTI_OK);
  assert_int_equal(lti_http2_upload(t.client.codec), 3 * sizeof upload);
  talk(&t);
  assert_int_equal(t.requests, 3);
  assert_int_equal(t.last.body_bytes, sizeof upload);
  assert_true(t.last.body_hash == hash);
  assert_int_equal(lti_http2_upload(t.client.codec), 0);
  for (size_t i = 0; i < 3; i++) assert_int_equal(t.client.calls[i].completes, 1);
  scene_close(&t);
}

/* The windows hold 65,535 bytes; a small request behind two large ones gets its share. */
static void test_upload_waits_for_windows(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.early = true, .conn_window = 200000}, NULL);
  lti_http_request post = post_of(sizeof upload), small = post_of(1000);
  talk(&t);
  assert_int_equal(lti_http2_window(t.client.codec), 200000);
  assert_int_equal(lti_http2_window_peak(t.client.codec), 200000);
  for (int i = 0; i < 2; i++)
    assert_int_equal(h2_record_open(&t.client, &post, lti_slice(upload, sizeof upload)), LTI_OK);
  assert_int_equal(h2_record_open(&t.client, &small, lti_slice(upload, 1000)), LTI_OK);
  talk(&t);
  assert_int_equal(t.client.calls[0].stream.body_sent, 65535);
  assert_int_equal(t.client.calls[1].stream.body_sent, 65535);
  assert_int_equal(t.client.calls[2].stream.body_sent, 1000);
  assert_int_equal(lti_http2_window(t.client.codec), 200000 - 2 * 65535 - 1000);
  assert_int_equal(lti_http2_upload(t.client.codec), 2 * (sizeof upload - 65535));
  assert_false(lti_http2_pending(t.client.codec));
  h2_record_cancel(&t.client, 0);
  h2_request *second = h2_server_find(t.server, 3);
  assert_non_null(second);
  while (!second->whole) {
    assert_true(second->unread > 0);
    h2_server_give_back(t.server, second, (size_t)second->unread);
    talk(&t);
  }
  assert_int_equal(lti_http2_upload(t.client.codec), 0);
  scene_close(&t);
}

/* The answer is whole while the upload is not: it stands, and the stream is reset. */
static void test_answer_before_the_upload_is_through(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.early = true}, NULL);
  t.answer = true;
  lti_http_request post = post_of(sizeof upload);
  assert_int_equal(h2_record_open(&t.client, &post, lti_slice(upload, sizeof upload)), LTI_OK);
  talk(&t);
  assert_int_equal(t.client.calls[0].completes, 1);
  assert_int_equal(t.client.calls[0].body_size, 5);
  assert_int_equal(lti_http2_upload(t.client.codec), 0);
  assert_int_equal(h2_server_active(t.server), 0);
  assert_int_equal(t.closed, 1);
  scene_close(&t);
}

static void test_drain_stops_where_it_is_told(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.give_back = true}, NULL);
  talk(&t);
  lti_http_request post = post_of(60000);
  assert_int_equal(h2_record_open(&t.client, &post, lti_slice(upload, 60000)), LTI_OK);
  lti_buf *sent = &t.client.sent;
  lti_buf_clear(sent);
  size_t rounds = 0;
  while (lti_http2_pending(t.client.codec)) {
    size_t before = sent->size;
    assert_int_equal(lti_http2_drain(t.client.codec, sent, before + 1), LTI_OK);
    assert_true(sent->size - before <= 16384 + 9);
    rounds++;
  }
  assert_in_range(rounds, 5, 7);
  assert_true(h2_server_feed(t.server, lti_buf_slice(sent)));
  assert_int_equal(t.requests, 1);
  assert_int_equal(t.last.body_bytes, 60000);
  scene_close(&t);
}

/* ---- interim answers, trailers, leaving -------------------------------------------------------
 */

static void test_interim_answer_and_trailers(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.early = true}, NULL);
  const char *const none[] = {NULL}, *const trailers[] = {"x-sum", "7", NULL};
  assert_int_equal(h2_record_open(&t.client, &get, lti_slice(NULL, 0)), LTI_OK);
  talk(&t);
  h2_request *request = h2_server_find(t.server, 1);
  h2_server_head(t.server, request, 103, none, false);
  h2_server_head(t.server, request, 200, none, false);
  h2_server_body(t.server, request, lti_slice("piece", 5));
  talk(&t);
  assert_int_equal(t.client.calls[0].body_size, 5);
  assert_int_equal(t.client.calls[0].completes, 0);
  h2_server_finish(t.server, request, trailers);
  talk(&t);
  assert_int_equal(t.client.calls[0].completes, 1);
  scene_close(&t);
}

static void test_goaway_of_a_server(void **state) {
  (void)state;
  scene t;
  scene_open(&t, (h2_server_config){.early = true}, NULL);
  for (int i = 0; i < 4; i++)
    assert_int_equal(h2_record_open(&t.client, &get, lti_slice(NULL, 0)), LTI_OK);
  talk(&t);
  h2_server_goaway(t.server, 3, 0);
  answer(&t, h2_server_find(t.server, 1));
  talk(&t);
  answer(&t, h2_server_find(t.server, 3));
  talk(&t);
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(t.client.calls[i].completes, i < 2);
    assert_int_equal(t.client.calls[i].failure.unprocessed, i >= 2);
  }
  assert_true(lti_http2_leaving(t.client.codec));
  assert_int_equal(lti_http2_active(t.client.codec), 0);
  scene_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_request_and_answer),
      cmocka_unit_test(test_thousand_streams),
      cmocka_unit_test(test_thousand_streams_through_small_windows),
      cmocka_unit_test(test_h2_11_held_stream_starves_nobody),
      cmocka_unit_test(test_uploads_of_all_sizes_at_once),
      cmocka_unit_test(test_upload_through_a_window),
      cmocka_unit_test(test_upload_waits_for_windows),
      cmocka_unit_test(test_answer_before_the_upload_is_through),
      cmocka_unit_test(test_drain_stops_where_it_is_told),
      cmocka_unit_test(test_interim_answer_and_trailers),
      cmocka_unit_test(test_goaway_of_a_server),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
