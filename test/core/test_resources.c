/* A process short of something: descriptors (RS-01, in a child with a low limit), time on the loop
 * (RS-05), memory (RS-02: every allocation of whole scenarios fails once, on the real loop). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"
#include "support/proxy.h"

/* ---- RS-01 */

static int next_fd(void) {
  int fd = dup(0);
  close(fd);
  return fd;
}

static void limit_fds(int count) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = (rlim_t)count;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* In the child: what goes wrong is told by the number. */
static int few_descriptors(flow *f, const peer *p) {
  f->request.base_url = peer_url(p);
  flow_open(f);
  limit_fds(next_fd() + 3);
  for (int i = 0; i < 20; i++) flow_submit(f);
  flow_wait(f);
  for (flow_call *c = f->calls; c; c = c->next)
    if (c->error != LEAT_OK) return 1;
  leat_stats s = flow_stats(f);
  if (s.conns_open > 3) return 2;
  return s.turns > 3000 ? 3 : 0;
}

static int no_descriptor(flow *f, const peer *p) {
  f->request.base_url = peer_url(p);
  f->request.deadlines.connect_ms = 300;
  flow_open(f);
  int fd = next_fd();
  limit_fds(fd);
  flow_call *c = flow_submit(f);
  flow_wait(f);
  if (c->error != LEAT_EFDLIMIT) return 1;
  if (flow_took_ms(c) < 290) return 2; /* it waits for one to come back */
  if (flow_stats(f).turns > 200) return 3;
  c = flow_submit(f);
  flow_run(f, 50);
  limit_fds(fd + 8); /* they are back: so is the request */
  flow_wait(f);
  return c->error == LEAT_OK ? 0 : 4;
}

static void check_in_child(flow *f, int (*run)(flow *f, const peer *p)) {
  peer *p = flow_peer(f, (const char *const[]){"<<sleep 5>>" CHAT_HELLO, NULL});
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    uv_loop_fork(&f->loop);
    _exit(run(f, p));
  }
  assert_true(pid > 0);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_rs_01_few_descriptors_are_shared(void **state) {
  check_in_child(*state, few_descriptors);
}

static void test_rs_01_without_a_descriptor_requests_wait_for_one(void **state) {
  check_in_child(*state, no_descriptor);
}

/* ---- RS-05 */

static void blast(peer_link *l, void *ctx) {
  (void)ctx;
  if (!peer_read(l) || !peer_say(l, CHAT_HEAD)) return;
  while (peer_say(l, CHAT_TEXT("a") CHAT_TEXT("b") ": <<fill 60000>>\n\n")) continue;
}

/* How many events of one request came in one turn of the loop: the most so far. */
typedef struct share {
  uint64_t turn;
  unsigned now, most;
} share;

static int count_share(flow_call *c, const leat_event *event) {
  share *s = c->ctx;
  uint64_t turn = flow_stats(c->flow).turns;
  (void)event;
  s->now = turn == s->turn ? s->now + 1 : 1;
  s->turn = turn;
  if (s->now > s->most) s->most = s->now;
  return LEAT_CONTINUE;
}

/* A turn takes what one read brings, 64 KiB, and that is two events and a comment's part; what the
 * kernel has stored meanwhile waits for the next turn, and the others are served before it. */
static void test_rs_05_one_at_line_rate_does_not_starve_the_others(void **state) {
  flow *f = *state;
  share loudness = {0};
  flow_call *loud = flow_chat(f, flow_peer_script(f, blast, NULL));
  loud->ctx = &loudness;
  loud->on_event = count_share;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_wait_events(f, loud, 2);
  for (int i = 0; i < 50; i++) {
    flow_call *c = flow_chat(f, p);
    flow_wait_for(f, c);
    flow_assert_error(c, LEAT_OK);
  }
  flow_wait_events(f, loud, 100);
  assert_in_range(loudness.most, 1, 8);
  assert_int_equal(loud->dones, 0);
}

/* ---- RS-02 */

typedef struct scenario {
  const char *url;
  leat_slice ca;
  const char *proxy;
  bool task, pauses, endpoint;
  unsigned submitted, dones, updates;
} scenario;

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  const scenario *s = user;
  (void)e, (void)id;
  return s->pauses && event->kind == LEAT_EVENT_TEXT ? LEAT_PAUSE : LEAT_CONTINUE;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  scenario *s = user;
  (void)e, (void)id;
  assert_non_null(leat_error_name(result->error));
  s->dones++;
}

static void on_task_done(leat_engine *e, leat_id id, const leat_task_update *last,
                         const leat_result *result, void *user) {
  (void)last;
  on_done(e, id, result, user);
}

static void on_closed(void *user) {
  *(bool *)user = true;
}

static leat_id start(leat_engine *e, scenario *s) {
  leat_id id = 0;
  int r;
  if (s->task) {
    leat_task t;
    leat_task_init(&t);
    t.base_url = s->url;
    t.model = t.prompt = "p";
    t.poll_ms = 1;
    t.download = true;
    t.on_done = on_task_done;
    t.user = s;
    t.retries = LEAT_NONE;
    r = leat_task_start(e, &t, &id);
  } else {
    leat_request q;
    leat_request_init(&q);
    q.base_url = s->url;
    q.api_key = "sk-oom";
    q.body = lti_slice_of(FLOW_BODY);
    if (s->endpoint) q.endpoint = "chat.completions";
    if (s->endpoint) q.auth = LEAT_AUTH_QUERY;
    q.on_event = on_event;
    q.on_done = on_done;
    q.user = s;
    r = leat_submit(e, &q, &id);
  }
  if (r == LEAT_OK) s->submitted++;
  return id;
}

/* Opens, asks twice, closes; whatever fails, each accepted submit has its done. */
static void run_scenario(const leat_allocator *fns, void *ctx) {
  scenario *s = ctx;
  leat_engine *e;
  leat_config config;
  uv_loop_t loop;
  bool closed = false;
  leat_id ids[2];
  uv_loop_init(&loop);
  leat_config_init(&config);
  config.loop = &loop;
  config.allocator = *fns;
  config.retries = LEAT_NONE;
  config.ca_pem = s->ca;
  config.proxy = s->proxy;
  s->submitted = s->dones = 0;
  int r = leat_open(&e, &config, NULL);
  for (int i = 0; i < 2 && r == LEAT_OK; i++) ids[i] = start(e, s);
  for (int i = 0; i < 20000 && r == LEAT_OK && s->dones < s->submitted; i++) {
    uv_run(&loop, UV_RUN_ONCE);
    for (int k = 0; k < 2 && s->pauses; k++) leat_resume(e, ids[k]);
  }
  if (r == LEAT_OK) {
    assert_int_equal(s->dones, s->submitted);
    assert_int_equal(leat_close(e, LEAT_CLOSE_NOW, on_closed, &closed), LEAT_OK);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  if (r == LEAT_OK) assert_true(closed);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void check_every_failure(scenario *s) {
  uint64_t calls = failing_at_every_n(run_scenario, s);
  assert_true(calls > 10);
  assert_int_equal(s->dones, 2); /* the last run had no failure */
}

static void test_rs_02_chats_with_any_allocation_failing(void **state) {
  flow *f = *state;
  peer *p = flow_peer(
      f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END, CHAT_JSON, NULL});
  check_every_failure(&(scenario){.url = peer_url(p)});
}

/* A key in the query, which a redirect takes along. */
static void test_rs_02_endpoints_with_any_allocation_failing(void **state) {
  static const char moved[] = "HTTP/1.1 307 Go\r\nLocation: /next?a=b\r\nContent-Length: 0\r\n\r\n";
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){moved, CHAT_HELLO, NULL});
  check_every_failure(&(scenario){.url = peer_url(p), .endpoint = true});
}

static void test_rs_02_pauses_with_any_allocation_failing(void **state) {
  flow *f = *state;
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") CHAT_TEXT("b") CHAT_END, NULL});
  check_every_failure(&(scenario){.url = peer_url(p), .pauses = true});
}

static void test_rs_02_refusals_with_any_allocation_failing(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){REFUSED("400 No", "x"), NULL});
  check_every_failure(&(scenario){.url = peer_url(p)});
}

static void test_rs_02_tls_with_any_allocation_failing(void **state) {
  flow *f = *state;
  flow_tls_server(f);
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  check_every_failure(&(scenario){.url = peer_url(p), .ca = f->config.ca_pem});
}

static void check_proxied(flow *f, bool tls) {
  flow_tls_server(f);
  peer *p = flow_peer_with(
      f, &(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL}, .tls = f->tls});
  proxy *via = proxy_start(
      &(proxy_options){.tls = tls ? f->tls : NULL, .auth = "Basic dXNlcjpjYW5hcnktcGFzcw=="});
  char url[96];
  snprintf(url, sizeof url, "http%s://user:canary-pass@127.0.0.1:%d", tls ? "s" : "",
           proxy_port(via));
  check_every_failure(&(scenario){.url = peer_url(p), .ca = f->config.ca_pem, .proxy = url});
  assert_false(proxy_saw(via, "sk-oom"));
  proxy_stop(via);
}

static void test_rs_02_tunnels_with_any_allocation_failing(void **state) {
  check_proxied(*state, false);
}

static void test_rs_02_tunnels_in_tls_with_any_allocation_failing(void **state) {
  check_proxied(*state, true);
}

static void test_rs_02_unix_sockets_with_any_allocation_failing(void **state) {
  flow *f = *state;
  char path[64];
  snprintf(path, sizeof path, "/tmp/leat-oom-%ld.sock", (long)getpid());
  peer *p = flow_peer_with(
      f, &(peer_options){.answers = (const char *const[]){CHAT_HELLO, NULL}, .unix_path = path});
  check_every_failure(&(scenario){.url = peer_url(p)});
}

static void serve_tasks(peer_link *l, void *ctx) {
  (void)ctx;
  while (peer_read(l)) {
    const char *text = peer_link_text(l);
    bool post = strncmp(text, "POST", 4) == 0, content = strstr(text, "/content ") != NULL;
    if (!peer_say(l, content ? ANSWER("200 OK", "video/mp4", "bytes")
                     : post  ? ANSWER_JSON("200 OK", "{\"id\":\"t\",\"status\":\"queued\"}")
                             : ANSWER_JSON("200 OK", "{\"id\":\"t\",\"status\":\"completed\"}")))
      return;
  }
}

static void test_rs_02_tasks_with_any_allocation_failing(void **state) {
  flow *f = *state;
  peer *p = flow_peer_script(f, serve_tasks, NULL);
  check_every_failure(&(scenario){.url = peer_url(p), .task = true});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_rs_01_few_descriptors_are_shared),
      FLOW_TEST(test_rs_01_without_a_descriptor_requests_wait_for_one),
      FLOW_TEST(test_rs_05_one_at_line_rate_does_not_starve_the_others),
      FLOW_TEST(test_rs_02_chats_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_endpoints_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_pauses_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_refusals_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_tls_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_tunnels_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_tunnels_in_tls_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_unix_sockets_with_any_allocation_failing),
      FLOW_TEST(test_rs_02_tasks_with_any_allocation_failing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
