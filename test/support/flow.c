/* The fixture of whole-engine tests: see flow.h. What it allocates is malloc's; the engine alone
 * uses the failing allocator. */
#include "support/flow.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define GUARD_MS 60000 /* of a machine that is loaded and under sanitizers */

typedef struct flow_kept {
  struct flow_kept *next;
  max_align_t bytes[];
} flow_kept;

static void on_guard(uv_timer_t *timer) {
  flow *f = timer->data;
  f->timed_out = true;
}

static void on_trace(void *user, uint64_t now_ns, leat_id id, leat_slice text) {
  flow *f = user;
  (void)now_ns, (void)id;
  f->trace = realloc(f->trace, f->trace_size + text.size + 2);
  if (!f->trace) abort();
  memcpy(f->trace + f->trace_size, text.data, text.size);
  f->trace_size += text.size;
  f->trace[f->trace_size++] = '\n';
  f->trace[f->trace_size] = '\0';
}

int flow_count_fds(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  if (!dir) return -1;
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

/* ---- life */

int flow_setup(void **state) {
  flow *f = calloc(1, sizeof *f);
  uv_loop_t first;
  if (!f) return -1;
  /* The first loop of a process opens descriptors that stay: before they are counted. */
  uv_loop_init(&first);
  uv_loop_close(&first);
  f->fds = flow_count_fds();
  failing_init(&f->memory, 0);
  uv_loop_init(&f->loop);
  uv_timer_init(&f->loop, &f->guard);
  f->guard.data = f;
  leat_config_init(&f->config);
  f->config.loop = &f->loop;
  f->config.allocator = failing_allocator(&f->memory);
  f->config.retries = LEAT_NONE;
  f->config.trace = on_trace;
  f->config.trace_user = f;
  leat_request_init(&f->request);
  f->request.body = lti_slice_of(FLOW_BODY);
  *state = f;
  return 0;
}

static void count_close(void *user) {
  flow *f = user;
  f->closes++;
  f->closed = true;
}

static void start_guard(flow *f, int ms) {
  f->timed_out = false;
  uv_update_time(&f->loop);
  uv_timer_start(&f->guard, on_guard, (uint64_t)ms, 0);
}

static void stop_guard(flow *f, const char *what) {
  uv_timer_stop(&f->guard);
  if (f->timed_out)
    fail_msg("%s took more than %d s; the trace:\n%s", what, GUARD_MS / 1000,
             f->trace ? f->trace : "");
}

void flow_close(flow *f, enum leat_close_mode mode) {
  if (!f->closed) assert_int_equal(leat_close(f->engine, mode, count_close, f), LEAT_OK);
  start_guard(f, GUARD_MS);
  while (!f->closed && !f->timed_out) uv_run(&f->loop, UV_RUN_ONCE);
  stop_guard(f, "closing");
  f->engine = NULL;
}

static void free_calls(flow *f) {
  while (f->calls) {
    flow_call *c = f->calls;
    f->calls = c->next;
    free(c->text);
    free(c);
  }
}

static void free_rest(flow *f) {
  for (size_t i = 0; i < f->peer_count; i++) peer_stop(f->peers[i]);
  if (f->tls) {
    tls_server_free(f->tls);
    certs_free(&f->ca);
    certs_free(&f->leaf);
  }
  while (f->kept) {
    flow_kept *kept = f->kept;
    f->kept = kept->next;
    free(kept);
  }
}

static unsigned count_wrong(const flow *f) {
  unsigned wrong = 0;
  for (const flow_call *c = f->calls; c; c = c->next)
    if (c->dones != (c->forgiven ? 0 : 1)) wrong++;
  return wrong;
}

int flow_teardown(void **state) {
  flow *f = *state;
  if (f->engine && !f->closed) flow_close(f, LEAT_CLOSE_NOW);
  uv_close((uv_handle_t *)&f->guard, NULL);
  uv_run(&f->loop, UV_RUN_NOWAIT);
  int loop_left = uv_loop_close(&f->loop);
  free_rest(f);
  unsigned wrong = count_wrong(f);
  int fds = flow_count_fds();
  bool clean = failing_clean(&f->memory);
  assert_int_equal(wrong, 0);
  assert_int_equal(f->faults, 0);
  assert_int_equal(loop_left, 0);
  assert_int_equal(fds, f->fds);
  assert_int_equal(f->memory.live_blocks, 0);
  assert_true(clean);
  failing_deinit(&f->memory);
  free_calls(f);
  free(f->trace);
  free(f);
  return 0;
}

leat_engine *flow_open(flow *f) {
  const char *why = NULL;
  if (f->engine) return f->engine;
  int r = leat_open(&f->engine, &f->config, &why);
  if (r != LEAT_OK) fail_msg("leat_open: %s: %s", leat_error_name(r), why ? why : "");
  return f->engine;
}

/* ---- peers */

peer *flow_peer_with(flow *f, const peer_options *options) {
  assert_true(f->peer_count < FLOW_PEERS_MAX);
  return f->peers[f->peer_count++] = peer_start(options);
}

peer *flow_peer(flow *f, const char *const *answers) {
  return flow_peer_with(f, &(peer_options){.answers = answers, .tls = f->tls});
}

peer *flow_peer_script(flow *f, peer_script script, void *ctx) {
  return flow_peer_with(f, &(peer_options){.script = script, .ctx = ctx, .tls = f->tls});
}

void flow_peer_stop(flow *f, peer *p) {
  size_t i = 0;
  while (f->peers[i] != p) i++;
  peer_stop(p);
  f->peers[i] = f->peers[--f->peer_count];
}

void *flow_keep(flow *f, size_t size) {
  flow_kept *kept = calloc(1, sizeof *kept + size);
  if (!kept) abort();
  kept->next = f->kept;
  f->kept = kept;
  return kept->bytes;
}

tls_server *flow_tls_server(flow *f) {
  return flow_tls_server_of(f, NULL);
}

tls_server *flow_tls_server_of(flow *f, const char *const *alpn) {
  return flow_tls_server_with(f, &(tls_server_options){.tickets = true, .alpn = alpn});
}

tls_server *flow_tls_server_with(flow *f, const tls_server_options *options) {
  certs_make(&f->ca, &(certs_spec){.cn = "Flow CA", .ca = true}, NULL);
  certs_make(&f->leaf, &(certs_spec){.cn = "x", .dns = {"api.x.test"}, .ip = "127.0.0.1"}, &f->ca);
  tls_server_options filled = *options;
  filled.leaf = &f->leaf;
  f->tls = tls_server_new(&filled);
  f->config.ca_pem = certs_pem(&f->ca);
  return f->tls;
}

/* ---- callbacks */

static void add_text(flow_call *c, leat_slice text) {
  c->text = realloc(c->text, c->text_size + text.size + 1);
  if (!c->text) abort();
  if (text.size) memcpy(c->text + c->text_size, text.data, text.size);
  c->text_size += text.size;
  c->text[c->text_size] = '\0';
}

static void copy_text(char *to, size_t size, leat_slice from) {
  if (from.size >= size) from.size = size - 1;
  if (from.size) memcpy(to, from.data, from.size);
  to[from.size] = '\0';
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  flow_call *c = user;
  if (c->dones || c->flow->calling || id != c->id || e != c->flow->engine) c->flow->faults++;
  if (c->events < sizeof c->kinds - 1) c->kinds[c->events] = " HTRXCIAUFWSY"[event->kind];
  c->events++;
  c->content_at_ns = uv_hrtime();
  switch (event->kind) {
    case LEAT_EVENT_HEAD:
      c->heads++;
      c->status = (unsigned)event->head.status;
      c->head_http = event->head.http;
      break;
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL:
    case LEAT_EVENT_RAW: add_text(c, event->text); break;
    default: break;
  }
  return c->on_event ? c->on_event(c, event) : LEAT_CONTINUE;
}

static void keep_result(flow_call *c, const leat_result *result) {
  c->result = *result;
  if (c->heads == 1 && result->attempts == 1 && c->head_http != result->http) c->flow->faults++;
  c->error = result->error;
  c->native = result->native;
  c->result_status = result->status;
  c->layer = result->layer;
  copy_text(c->message, sizeof c->message, result->message);
  copy_text(c->provider_type, sizeof c->provider_type, result->provider_type);
  copy_text(c->provider_code, sizeof c->provider_code, result->provider_code);
  copy_text(c->provider_message, sizeof c->provider_message, result->provider_message);
  copy_text(c->request_id, sizeof c->request_id, result->request_id);
  copy_text(c->body, sizeof c->body, result->body);
  if (result->message.data && result->message.data[result->message.size] != '\0') c->flow->faults++;
  if (result->times.done_ns < result->times.queued_ns) c->flow->faults++;
}

static void count_done(flow_call *c) {
  if (c->dones++ || c->flow->calling) c->flow->faults++;
  c->flow->dones++;
  c->flow->live--;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  flow_call *c = user;
  if (id != c->id || e != c->flow->engine) c->flow->faults++;
  count_done(c);
  keep_result(c, result);
  if (c->on_done) c->on_done(c, result);
}

void flow_finish(flow_call *c, const leat_result *result) {
  count_done(c);
  keep_result(c, result);
}

static void keep_update(flow_call *c, const leat_task_update *u) {
  copy_text(c->task_id, sizeof c->task_id, u->task_id);
  copy_text(c->status_word, sizeof c->status_word, u->status);
  copy_text(c->task_error, sizeof c->task_error, u->error_message);
  copy_text(c->url, sizeof c->url, u->url);
  c->polls = u->polls;
  c->bytes = u->bytes;
  c->bytes_total = u->bytes_total;
}

static void on_update(leat_engine *e, leat_id id, const leat_task_update *u, void *user) {
  flow_call *c = user;
  size_t n = strlen(c->states);
  (void)e, (void)id;
  if (c->dones || c->flow->calling) c->flow->faults++;
  if (n < sizeof c->states - 1) c->states[n] = " SRDCFN"[u->state];
  keep_update(c, u);
  if (c->on_update) c->on_update(c, u);
}

static void on_task_done(leat_engine *e, leat_id id, const leat_task_update *last,
                         const leat_result *result, void *user) {
  flow_call *c = user;
  (void)e, (void)id;
  count_done(c);
  keep_update(c, last);
  keep_result(c, result);
  if (c->on_done) c->on_done(c, result);
}

/* ---- calls */

flow_call *flow_call_new(flow *f) {
  flow_call *c = calloc(1, sizeof *c);
  if (!c) abort();
  c->flow = f;
  add_text(c, lti_slice("", 0));
  c->next = f->calls;
  f->calls = c;
  return c;
}

void flow_accept(flow_call *c, int r) {
  flow *f = c->flow;
  f->calling = false;
  c->error = r;
  c->forgiven = r != LEAT_OK;
  if (r != LEAT_OK) {
    snprintf(c->message, sizeof c->message, "%s", leat_last_message(f->engine));
    return;
  }
  f->submitted++;
  f->live++;
}

flow_call *flow_try(flow *f) {
  flow_call *c = flow_call_new(f);
  leat_request q = f->request;
  flow_open(f);
  q.on_event = f->deaf ? NULL : on_event;
  q.on_done = on_done;
  q.user = c;
  f->calling = true;
  flow_accept(c, leat_submit(f->engine, &q, &c->id));
  return c;
}

flow_call *flow_submit(flow *f) {
  flow_call *c = flow_try(f);
  if (c->error != LEAT_OK) fail_msg("leat_submit: %s: %s", leat_error_name(c->error), c->message);
  return c;
}

flow_call *flow_chat(flow *f, peer *p) {
  f->request.base_url = peer_url(p);
  return flow_submit(f);
}

flow_call *flow_task(flow *f, const leat_task *task) {
  flow_call *c = flow_call_new(f);
  leat_task q = *task;
  flow_open(f);
  c->is_task = true;
  q.on_update = on_update;
  q.on_done = on_task_done;
  q.user = c;
  f->calling = true;
  flow_accept(c, leat_task_start(f->engine, &q, &c->id));
  if (c->error != LEAT_OK)
    fail_msg("leat_task_start: %s: %s", leat_error_name(c->error), c->message);
  return c;
}

/* ---- waiting */

void flow_wait(flow *f) {
  start_guard(f, GUARD_MS);
  while (f->live > 0 && !f->timed_out) uv_run(&f->loop, UV_RUN_ONCE);
  stop_guard(f, "waiting for all");
}

void flow_wait_for(flow *f, const flow_call *c) {
  start_guard(f, GUARD_MS);
  while (!c->dones && !f->timed_out) uv_run(&f->loop, UV_RUN_ONCE);
  stop_guard(f, "waiting for one");
}

void flow_wait_events(flow *f, const flow_call *c, unsigned n) {
  start_guard(f, GUARD_MS);
  while (!c->dones && c->events < n && !f->timed_out) uv_run(&f->loop, UV_RUN_ONCE);
  stop_guard(f, "waiting for events");
}

void flow_run(flow *f, int ms) {
  start_guard(f, ms);
  while (!f->timed_out) uv_run(&f->loop, UV_RUN_ONCE);
  uv_timer_stop(&f->guard);
}

leat_stats flow_stats(const flow *f) {
  leat_stats stats;
  assert_int_equal(leat_stats_get(f->engine, &stats, sizeof stats), LEAT_OK);
  return stats;
}

double flow_took_ms(const flow_call *c) {
  return (double)(c->result.times.done_ns - c->result.times.queued_ns) / 1e6;
}

void flow_assert_has(const char *text, const char *part) {
  if (!text || !strstr(text, part)) fail_msg("\"%s\" does not have \"%s\"", text, part);
}

void flow_assert_error(const flow_call *c, int error) {
  if (c->error == error) return;
  fail_msg("%s (%s) instead of %s; the trace:\n%s", leat_error_name(c->error), c->message,
           leat_error_name(error), c->flow->trace ? c->flow->trace : "");
}
