/* Async tasks of the video family against a scripted gateway: submit, polls in every mood, and the
 * download with its cuts, to a callback and to a descriptor (row JS-14; replay rules of submits).
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define CUTS_MAX  10
#define POLLS_MAX 12

/* The gateway: what it answers to the submit and to poll n, the last one for all that follow; how
 * large its content is and at which offsets a download breaks off, each once. It is static in each
 * test, because the peer still looks at it when the test's function has returned. */
typedef struct gateway {
  const char *submit;
  const char *polls[POLLS_MAX];
  size_t content, cuts[CUTS_MAX];
  const char *content_head; /* instead of a good answer to a download */
  bool cuts_stay;           /* each cut for ever */
  bool ignores_range, shifts_range;
  /* what came */
  unsigned polled, downloads;
} gateway;

#define SUBMITTED ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"queued\"}")
#define RUNNING(n) \
  ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"in_progress\",\"progress\":" n "}")
#define COMPLETED                                            \
  ANSWER_JSON("200 OK",                                      \
              "{\"id\":\"task-1\",\"status\":\"completed\"," \
              "\"progress\":100,\"url\":\"https://cdn.test/v.mp4\"}")
#define FAILED                                                      \
  ANSWER_JSON("200 OK",                                             \
              "{\"id\":\"task-1\",\"status\":\"failed\",\"error\":" \
              "{\"code\":\"moderation\",\"message\":\"not this one\"}}")
#define NOT_FOUND ANSWER_JSON("404 Not Found", "{\"error\":{\"message\":\"no such task\"}}")

static char byte_at(size_t i) {
  return (char)('a' + i % 23 + (i / 1000) % 3);
}

static size_t next_cut(gateway *g, size_t from) {
  for (int i = 0; i < CUTS_MAX; i++) {
    size_t cut = g->cuts[i];
    if (cut == 0 || cut < from || (cut == from && !g->cuts_stay)) continue;
    if (!g->cuts_stay) g->cuts[i] = 0;
    return cut;
  }
  return g->content;
}

static void send_content(peer_link *l, gateway *g) {
  const char *range = strstr(peer_link_text(l), "Range: bytes=");
  size_t from = range && !g->ignores_range ? strtoul(range + 13, NULL, 10) : 0;
  size_t to = next_cut(g, from);
  char head[256], bytes[4096];
  g->downloads++;
  if (g->content_head) {
    peer_say(l, g->content_head);
    return;
  }
  int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n",
                   range && !g->ignores_range ? "206 Partial" : "200 OK", g->content - from);
  if (range)
    n += snprintf(head + n, sizeof head - (size_t)n, "Content-Range: bytes %zu-%zu/%zu\r\n",
                  from + g->shifts_range, g->content - 1, g->content);
  snprintf(head + n, sizeof head - (size_t)n, "\r\n");
  peer_send(l, lti_slice_of(head));
  while (from < to) {
    size_t size = to - from < sizeof bytes ? to - from : sizeof bytes;
    for (size_t i = 0; i < size; i++) bytes[i] = byte_at(from + i);
    if (!peer_send(l, lti_slice(bytes, size))) return;
    from += size;
  }
  if (to < g->content) peer_say(l, "<<close>>");
}

static void serve(peer_link *l, void *ctx) {
  gateway *g = ctx;
  while (peer_read(l)) {
    const char *text = peer_link_text(l);
    bool ok = true;
    if (strncmp(text, "POST ", 5) == 0) {
      ok = peer_say(l, g->submit ? g->submit : SUBMITTED);
    } else if (strstr(text, "/content HTTP")) {
      send_content(l, g);
      ok = peer_say(l, "");
    } else {
      unsigned n = g->polled++;
      if (n >= POLLS_MAX) n = POLLS_MAX - 1;
      while (n > 0 && !g->polls[n]) n--;
      ok = peer_say(l, g->polls[n] ? g->polls[n] : COMPLETED);
    }
    if (!ok) return;
  }
}

static leat_task basic(const peer *p) {
  leat_task t;
  leat_task_init(&t);
  t.base_url = peer_url(p);
  t.model = "v-1";
  t.prompt = "a \"horse\"";
  t.poll_ms = 5;
  t.retries = LEAT_NONE;
  return t;
}

static flow_call *run(flow *f, gateway *g) {
  peer *p = flow_peer_script(f, serve, g);
  leat_task t = basic(p);
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  return c;
}

/* ---- submit and poll */

static void test_a_task_from_submit_to_success(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {RUNNING("10"), RUNNING("10"), RUNNING("60"), COMPLETED}};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  t.api_key = "sk-task";
  flow_call *c = flow_task(f, &t);
  assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0); /* alive until it is done */
  flow_assert_error(c, LEAT_OK);
  assert_string_equal(c->states, "RRRC"); /* only news */
  assert_int_equal(c->polls, 4);
  assert_string_equal(c->task_id, "task-1");
  assert_string_equal(c->url, "https://cdn.test/v.mp4");
  flow_assert_has(peer_request(p, 0), "POST /v1/video/generations HTTP/1.1\r\n");
  flow_assert_has(peer_request(p, 0), "Bearer sk-task");
  flow_assert_has(peer_request(p, 0), "{\"model\":\"v-1\",\"prompt\":\"a \\\"horse\\\"\"}");
  flow_assert_has(peer_request(p, 1), "GET /v1/video/generations/task-1 HTTP/1.1\r\n");
  flow_assert_has(peer_request(p, 1), "Bearer sk-task");
  assert_int_equal(peer_conns(p), 1);
  assert_int_equal(flow_stats(f).task_polls, 4);
  assert_int_equal(flow_stats(f).tasks_done, 1);
}

static void test_an_id_is_encoded_into_the_path(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.submit = ANSWER_JSON("200 OK", "{\"id\":\"a/b?c d\",\"status\":\"queued\"}")};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  flow_task(f, &t);
  flow_wait(f);
  flow_assert_has(peer_request(p, 1), "GET /v1/video/generations/a%2Fb%3Fc%20d HTTP/1.1\r\n");
}

static void test_a_hostile_id_goes_nowhere(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.submit = ANSWER_JSON("200 OK", "{\"id\":\"..\",\"status\":\"queued\"}")};
  flow_call *c = run(f, &g);
  flow_assert_error(c, LEAT_EURL);
  assert_int_equal(g.polled, 0);
}

static void test_a_task_that_failed_says_why(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {RUNNING("5"), FAILED}};
  flow_call *c = run(f, &g);
  flow_assert_error(c, LEAT_ETASKFAILED);
  flow_assert_has(c->message, "not this one");
  assert_string_equal(c->task_error, "not this one");
  assert_int_equal(c->layer, LEAT_LAYER_PROVIDER);
  assert_int_equal(c->states[strlen(c->states) - 1], 'F');
}

static void test_a_task_that_wants_input(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"MODAL\"}")}};
  flow_assert_error(run(f, &g), LEAT_ETASKINPUT);
}

static void test_js_14_an_unknown_status_runs_until_the_deadline(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {ANSWER_JSON("200 OK", "{\"id\":\"task-1\",\"status\":\"pondering\"}")}};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  t.deadline_ms = 120;
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETASKTIME);
  assert_string_equal(c->status_word, "pondering");
  assert_true(c->polls >= 2);
  assert_true(flow_took_ms(c) >= 119 && flow_took_ms(c) < FLOW_SOON_MS);
}

static void test_the_deadline_ends_a_poll_that_hangs(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {"<<silent>>"}};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  t.deadline_ms = 120;
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, LEAT_ETASKTIME);
  assert_true(flow_took_ms(c) < FLOW_SOON_MS);
}

static void test_js_14_not_found_right_after_the_submit_is_asked_again(void **state) {
  flow *f = *state;
  gateway late = {.polls = {NOT_FOUND, NOT_FOUND, COMPLETED}};
  flow_assert_error(run(f, &late), LEAT_OK);
  gateway never = {.polls = {NOT_FOUND}};
  flow_call *c = run(f, &never);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 404);
  assert_true(never.polled > 2 && never.polled < 20);
}

static void test_polls_that_fail_in_passing(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", "<<close>>", "<<reset>>",
                          ANSWER("200 OK", "text/html", "<html>maintenance</html>"),
                          "HTTP/1.1 429 X\r\nRetry-After-Ms: 20\r\nContent-Length: 0\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\"<<close>>",
                          COMPLETED}};
  flow_call *c = run(f, &g);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(g.polled, 7);
}

static void test_a_refused_poll_ends_the_task(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {RUNNING("1"), REFUSED("401 No", "bad_key")}};
  flow_call *c = run(f, &g);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 401);
  flow_assert_has(c->message, "401");
}

static void test_the_server_says_when_to_poll(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {"HTTP/1.1 200 OK\r\nRetry-After-Ms: 120\r\n<<body>>{\"id\":\"task-1\","
                          "\"status\":\"running\"}<<cut>>",
                          COMPLETED}};
  flow_call *c = run(f, &g);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) >= 119);
}

/* ---- submits cost money */

static void check_submit(flow *f, const char *answer, int error, unsigned posts) {
  static gateway g;
  g = (gateway){.submit = answer};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  t.retries = 2;
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, error);
  assert_int_equal(peer_requests(p), posts);
  assert_true(c->message[0] != '\0');
}

static void test_a_submit_that_may_have_run_is_never_repeated(void **state) {
  flow *f = *state;
  check_submit(f, "<<close>>", LEAT_EUNCERTAIN, 1);
  check_submit(f, "HTTP/1.1 500 X\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n",
               LEAT_EUNCERTAIN, 1);
  check_submit(f, "HTTP/1.1 20<<close>>", LEAT_EUNCERTAIN, 1);
}

static void test_a_submit_that_was_rejected_is_repeated(void **state) {
  flow *f = *state;
  check_submit(f, "HTTP/1.1 429 X\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n", LEAT_ESTATUS,
               3);
  check_submit(f, "HTTP/1.1 503 X\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n", LEAT_ESTATUS,
               3);
}

static void test_submits_that_are_refused(void **state) {
  flow *f = *state;
  check_submit(f, REFUSED("400 No", "bad_prompt"), LEAT_ESTATUS, 1);
  check_submit(f, ANSWER_JSON("200 OK", "{\"code\":\"quota\",\"message\":\"no credit\"}"),
               LEAT_EAPI, 1);
  check_submit(f, ANSWER("200 OK", "text/html", "<html>hello</html>"), LEAT_EDECODE, 1);
  check_submit(f, ANSWER_JSON("200 OK", "{}"), LEAT_EDECODE, 1);
}

static void test_a_job_from_elsewhere_is_only_polled(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {RUNNING("1"), COMPLETED}};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  t.model = t.prompt = NULL;
  t.task_id = "task-1";
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(peer_requests(p), 2);
}

/* ---- download */

typedef struct keeper {
  char *bytes;
  size_t size;
  uint64_t first;
  int refuse_after; /* pieces; 0: never */
} keeper;

static int on_content(leat_engine *e, leat_id id, uint64_t offset, leat_slice bytes, void *user) {
  flow_call *c = user;
  keeper *k = c->ctx;
  (void)e, (void)id;
  if (k->size == 0) k->first = offset;
  if (offset != k->first + k->size) c->flow->faults++;
  k->bytes = realloc(k->bytes, k->size + bytes.size);
  memcpy(k->bytes + k->size, bytes.data, bytes.size);
  k->size += bytes.size;
  return k->refuse_after > 0 && --k->refuse_after == 0;
}

static flow_call *download(flow *f, gateway *g, keeper *k, const leat_task *more) {
  peer *p = flow_peer_script(f, serve, g);
  leat_task t = basic(p);
  t.download = true;
  if (more) {
    t.resume_from = more->resume_from;
    t.fd_plus_one = more->fd_plus_one;
  }
  if (k) t.on_content = on_content;
  flow_call *c = flow_task(f, &t);
  c->ctx = k;
  flow_wait(f);
  return c;
}

static void check_content(keeper *k, size_t from, size_t to) {
  assert_int_equal(k->size, to - from);
  for (size_t i = 0; i < k->size; i++) assert_int_equal(k->bytes[i], byte_at(from + i));
  free(k->bytes);
}

static void test_download_to_a_callback(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 300000};
  keeper k = {0};
  flow_call *c = download(f, &g, &k, NULL);
  flow_assert_error(c, LEAT_OK);
  check_content(&k, 0, 300000);
  assert_int_equal(c->bytes, 300000);
  assert_int_equal(c->bytes_total, 300000);
  peer *p = f->peers[0];
  flow_assert_has(peer_request(p, 2), "GET /v1/videos/task-1/content HTTP/1.1\r\n");
  flow_assert_has(peer_request(p, 2), "Accept-Encoding: identity\r\n");
  assert_null(strstr(peer_request(p, 2), "Range:"));
  flow_assert_has(c->states, "D");
}

static void test_download_resumes_behind_each_cut(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 100000,
                .cuts = {5000, 10000, 20001, 33333, 40000, 50000, 60000, 70000, 99999}};
  keeper k = {0};
  flow_call *c = download(f, &g, &k, NULL);
  flow_assert_error(c, LEAT_OK);
  check_content(&k, 0, 100000);
  assert_int_equal(g.downloads, 10);
  flow_assert_has(peer_request(f->peers[0], 3), "Range: bytes=5000-\r\n");
}

static void test_download_to_a_descriptor(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 50000, .cuts = {20000}};
  int fd = memfd_create("content", MFD_CLOEXEC);
  char bytes[50001];
  flow_call *c = download(f, &g, NULL, &(leat_task){.fd_plus_one = fd + 1});
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(pread(fd, bytes, sizeof bytes, 0), 50000);
  for (size_t i = 0; i < 50000; i++) assert_int_equal(bytes[i], byte_at(i));
  close(fd);
}

static void test_download_from_where_a_file_ends(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 9000, .cuts = {7000}};
  keeper k = {0};
  flow_call *c = download(f, &g, &k, &(leat_task){.resume_from = 4000});
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(k.first, 4000);
  check_content(&k, 4000, 9000);
  flow_assert_has(peer_request(f->peers[0], 2), "Range: bytes=4000-\r\n");
  assert_int_equal(c->bytes, 5000);
  assert_int_equal(c->bytes_total, 9000);
}

static void test_a_server_that_cannot_resume_is_an_error_not_a_mixture(void **state) {
  flow *f = *state;
  gateway from_start = {.content = 9000, .cuts = {7000}, .ignores_range = true};
  keeper k = {0};
  flow_assert_error(download(f, &from_start, &k, NULL), LEAT_EIO);
  check_content(&k, 0, 7000);
  gateway elsewhere = {.content = 9000, .cuts = {7000}, .shifts_range = true};
  keeper k2 = {0};
  flow_assert_error(download(f, &elsewhere, &k2, NULL), LEAT_EIO);
  check_content(&k2, 0, 7000);
}

static void test_a_download_that_makes_no_progress_ends(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 9000, .cuts = {7000}, .cuts_stay = true};
  keeper k = {0};
  flow_call *c = download(f, &g, &k, NULL);
  flow_assert_error(c, LEAT_ETRUNCATED);
  check_content(&k, 0, 7000);
  assert_true(g.downloads >= 2 && g.downloads <= 8);
}

static void test_a_receiver_that_takes_no_more(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 300000};
  keeper k = {.refuse_after = 1};
  flow_assert_error(download(f, &g, &k, NULL), LEAT_EIO);
  free(k.bytes);
  gateway again = {.content = 300000};
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  flow_assert_error(download(f, &again, NULL, &(leat_task){.fd_plus_one = fd + 1}), LEAT_EIO);
  close(fd);
}

static void test_a_refused_download(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 9, .content_head = REFUSED("410 Gone", "expired")};
  keeper k = {0};
  flow_call *c = download(f, &g, &k, NULL);
  flow_assert_error(c, LEAT_ESTATUS);
  assert_int_equal(c->result_status, 410);
  assert_int_equal(k.size, 0); /* the error's words are no content */
}

static void test_key_01_content_elsewhere_is_fetched_without_the_key(void **state) {
  flow *f = *state;
  static char moved[160];
  static gateway store;
  store = (gateway){.content = 5000};
  peer *cdn = flow_peer_script(f, serve, &store);
  snprintf(moved, sizeof moved,
           "HTTP/1.1 302 Found\r\nLocation: %s/x/content\r\nContent-Length: 0\r\n\r\n",
           peer_url(cdn));
  static gateway g;
  g = (gateway){.content_head = moved};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  keeper k = {0};
  t.download = true;
  t.api_key = "sk-task";
  t.on_content = on_content;
  flow_call *c = flow_task(f, &t);
  c->ctx = &k;
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  check_content(&k, 0, 5000);
  assert_null(strstr(peer_request(cdn, 0), "sk-task"));
}

/* ---- cancel, many, misuse */

static void cancel_now(flow_call *c, const leat_task_update *u) {
  if (strlen(c->states) != (size_t)c->number) return;
  (void)u;
  if (leat_cancel(c->flow->engine, c->id) != LEAT_OK) c->flow->faults++;
}

static void test_api_01_cancel_in_every_update(void **state) {
  flow *f = *state;
  for (int at = 1; at <= 4; at++) {
    static gateway g;
    g = (gateway){.polls = {RUNNING("1"), RUNNING("2"), COMPLETED}, .content = 300000};
    peer *p = flow_peer_script(f, serve, &g);
    leat_task t = basic(p);
    t.download = true;
    flow_call *c = flow_task(f, &t);
    c->on_update = cancel_now;
    c->number = at;
    flow_wait(f);
    flow_assert_error(c, LEAT_ECANCELLED);
    assert_int_equal(strlen(c->states), at);
  }
  assert_int_equal(flow_stats(f).tasks_live, 0);
}

static int cancel_in_content(leat_engine *e, leat_id id, uint64_t offset, leat_slice bytes,
                             void *user) {
  flow_call *c = user;
  (void)offset, (void)bytes;
  c->number++;
  if (leat_cancel(e, id) != LEAT_OK) c->flow->faults++;
  return 0;
}

static int close_in_content(leat_engine *e, leat_id id, uint64_t offset, leat_slice bytes,
                            void *user) {
  flow_call *c = user;
  (void)id, (void)offset, (void)bytes;
  if (c->number++ == 0 && leat_close(e, LEAT_CLOSE_NOW, NULL, NULL) != LEAT_OK) c->flow->faults++;
  return 0;
}

static void test_api_01_cancel_and_close_while_content_comes(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.content = 3000000};
  leat_task t = basic(flow_peer_script(f, serve, &g));
  t.download = true;
  t.on_content = cancel_in_content;
  flow_call *c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_int_equal(c->number, 1); /* no piece behind the cancel */
  t.on_content = close_in_content;
  c = flow_task(f, &t);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  flow_run(f, 20);
  f->closed = true;
}

static void test_cancel_in_every_phase(void **state) {
  static const char *const slow[] = {"<<silent>>", NULL};
  flow *f = *state;
  static gateway gs[4];
  gs[0] = (gateway){.submit = slow[0]};
  gs[1] = (gateway){.polls = {slow[0]}};
  gs[2] = (gateway){.polls = {RUNNING("1")}};
  gs[3] = (gateway){.content_head = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nab<<silent>>"};
  flow_call *calls[4];
  for (int i = 0; i < 4; i++) {
    leat_task t = basic(flow_peer_script(f, serve, &gs[i]));
    t.download = true;
    if (i == 2) t.poll_ms = 60000;
    calls[i] = flow_task(f, &t);
  }
  flow_run(f, 80);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(calls[i]->dones, 0);
    assert_int_equal(leat_cancel(f->engine, calls[i]->id), LEAT_OK);
    assert_int_equal(leat_cancel(f->engine, calls[i]->id), LEAT_OK);
    assert_int_equal(calls[i]->dones, 0);
  }
  flow_wait(f);
  for (int i = 0; i < 4; i++) {
    flow_assert_error(calls[i], LEAT_ECANCELLED);
    assert_int_equal(leat_cancel(f->engine, calls[i]->id), LEAT_ENOTFOUND);
  }
}

static void test_close_now_ends_tasks_and_drain_lets_them_end(void **state) {
  flow *f = *state;
  static gateway g;
  g = (gateway){.polls = {RUNNING("1"), RUNNING("2"), COMPLETED}};
  peer *p = flow_peer_script(f, serve, &g);
  leat_task t = basic(p);
  flow_call *c = flow_task(f, &t);
  flow_close(f, LEAT_CLOSE_DRAIN);
  flow_assert_error(c, LEAT_OK);
  f->closed = false;
  static gateway g2;
  g2 = (gateway){.polls = {RUNNING("1")}};
  t = basic(flow_peer_script(f, serve, &g2));
  c = flow_task(f, &t);
  flow_run(f, 40);
  flow_close(f, LEAT_CLOSE_NOW);
  flow_assert_error(c, LEAT_ECANCELLED);
}

static void answer_any(peer_link *l, void *ctx) {
  (void)ctx;
  while (peer_read(l)) {
    unsigned n = peer_link_number(l);
    if (strncmp(peer_link_text(l), "POST", 4) == 0) {
      if (!peer_say(l, SUBMITTED)) return;
    } else if (!peer_say(l, n % 3 ? RUNNING("1") : COMPLETED)) {
      return;
    }
  }
}

static void test_a_hundred_tasks_share_four_connections(void **state) {
  flow *f = *state;
  f->config.conns_max = 4;
  peer *p = flow_peer_script(f, answer_any, NULL);
  leat_task t = basic(p);
  t.poll_ms = 20;
  for (int i = 0; i < 100; i++) flow_task(f, &t);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
  assert_int_equal(peer_conns(p), 4);
  assert_int_equal(flow_stats(f).tasks_done, 100);
}

static void test_api_07_tasks_that_make_no_sense(void **state) {
  flow *f = *state;
  leat_task t, good;
  leat_id id;
  flow_open(f);
  leat_task_init(&good);
  good.on_done = (leat_task_done_cb)(void *)abort; /* never to be called */
  good.base_url = "http://127.0.0.1:1";
  good.model = "m";
  good.prompt = "p";
  const struct {
    leat_task change;
    int error;
  } rows[] = {{{.struct_size = 5}, LEAT_EINVAL},    {{.family = "holograms"}, LEAT_ENOPROTOCOL},
              {{.task_id = "x"}, LEAT_EINVAL},      {{.body = {"{", 1}}, LEAT_EINVAL},
              {{.base_url = "nowhere"}, LEAT_EURL}, {{.poll_ms = INT64_MAX}, LEAT_EINVAL},
              {{.api_key = "a b"}, LEAT_EHEADER},   {{.fd_plus_one = -3}, LEAT_EINVAL}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    t = good;
    if (rows[i].change.struct_size) t.struct_size = rows[i].change.struct_size;
    if (rows[i].change.family) t.family = rows[i].change.family;
    if (rows[i].change.task_id) t.task_id = rows[i].change.task_id;
    if (rows[i].change.body.data) t.body = rows[i].change.body;
    if (rows[i].change.base_url) t.base_url = rows[i].change.base_url;
    if (rows[i].change.poll_ms) t.poll_ms = rows[i].change.poll_ms;
    if (rows[i].change.api_key) t.api_key = rows[i].change.api_key;
    if (rows[i].change.fd_plus_one) t.fd_plus_one = rows[i].change.fd_plus_one;
    int r = leat_task_start(f->engine, &t, &id);
    if (r != rows[i].error) fail_msg("row %zu: %s", i, leat_error_name(r));
  }
  t = good;
  t.model = t.prompt = NULL;
  t.body = lti_slice_of("{\"a\":}");
  assert_int_equal(leat_task_start(f->engine, &t, &id), LEAT_EJSON);
  flow_assert_has(leat_last_message(f->engine), "offset 5");
  assert_int_equal(flow_stats(f).tasks_started, 0);
  assert_false(uv_loop_alive(&f->loop));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_task_from_submit_to_success),
      FLOW_TEST(test_an_id_is_encoded_into_the_path),
      FLOW_TEST(test_a_hostile_id_goes_nowhere),
      FLOW_TEST(test_a_task_that_failed_says_why),
      FLOW_TEST(test_a_task_that_wants_input),
      FLOW_TEST(test_js_14_an_unknown_status_runs_until_the_deadline),
      FLOW_TEST(test_the_deadline_ends_a_poll_that_hangs),
      FLOW_TEST(test_js_14_not_found_right_after_the_submit_is_asked_again),
      FLOW_TEST(test_polls_that_fail_in_passing),
      FLOW_TEST(test_a_refused_poll_ends_the_task),
      FLOW_TEST(test_the_server_says_when_to_poll),
      FLOW_TEST(test_a_submit_that_may_have_run_is_never_repeated),
      FLOW_TEST(test_a_submit_that_was_rejected_is_repeated),
      FLOW_TEST(test_submits_that_are_refused),
      FLOW_TEST(test_a_job_from_elsewhere_is_only_polled),
      FLOW_TEST(test_download_to_a_callback),
      FLOW_TEST(test_download_resumes_behind_each_cut),
      FLOW_TEST(test_download_to_a_descriptor),
      FLOW_TEST(test_download_from_where_a_file_ends),
      FLOW_TEST(test_a_server_that_cannot_resume_is_an_error_not_a_mixture),
      FLOW_TEST(test_a_download_that_makes_no_progress_ends),
      FLOW_TEST(test_a_receiver_that_takes_no_more),
      FLOW_TEST(test_a_refused_download),
      FLOW_TEST(test_key_01_content_elsewhere_is_fetched_without_the_key),
      FLOW_TEST(test_api_01_cancel_in_every_update),
      FLOW_TEST(test_api_01_cancel_and_close_while_content_comes),
      FLOW_TEST(test_cancel_in_every_phase),
      FLOW_TEST(test_close_now_ends_tasks_and_drain_lets_them_end),
      FLOW_TEST(test_a_hundred_tasks_share_four_connections),
      FLOW_TEST(test_api_07_tasks_that_make_no_sense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
