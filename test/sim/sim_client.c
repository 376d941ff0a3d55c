/* The caller in the simulated world: see sim_client.h. Its checks of single results are in
 * sim_judge.c. */
#include "sim/sim_client.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_judge.h"

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user);
static void on_update(leat_engine *e, leat_id id, const leat_task_update *update, void *user);
static int on_content(leat_engine *e, leat_id id, uint64_t offset, leat_slice bytes, void *user);
static void on_task_done(leat_engine *e, leat_id id, const leat_task_update *last,
                         const leat_result *result, void *user);

void sim_client_fault(sim_client *c, const char *format, ...) {
  va_list args;
  fprintf(stderr, "seed %llu at %llu.%06llu ms: ", (unsigned long long)c->w->seed,
          (unsigned long long)(c->w->now / SIM_MS), (unsigned long long)(c->w->now % SIM_MS));
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  c->faults++;
}

/* ---- life */

sim_client *sim_client_new(uint64_t seed,
                           void (*script)(void *ctx, sim_job *job, enum sim_form *form,
                                          sim_reply *reply),
                           void *ctx) {
  sim_client *c = calloc(1, sizeof *c);
  assert(c);
  c->w = sim_new(seed);
  sim_server_config config = {script, ctx, c->jobs, SIM_JOBS_MAX};
  c->server = sim_server_new(c->w, &config);
  c->ctx = ctx;
  failing_init(&c->memory, 0);
  leat_config_init(&c->config);
  c->config.loop = sim_uv(c->w);
  c->config.allocator = failing_allocator(&c->memory);
  c->config.allow_plain_key = true;
  return c;
}

static void trace(void *user, uint64_t now_ns, leat_id id, leat_slice text) {
  (void)user;
  fprintf(stderr, "%llu.%06llu #%llu %.*s\n", (unsigned long long)(now_ns / SIM_MS),
          (unsigned long long)(now_ns % SIM_MS), (unsigned long long)(id & 0xffffffff),
          (int)text.size, text.data);
}

int sim_client_open(sim_client *c) {
  const char *why = NULL;
  if (getenv("LEAT_SIM_TRACE")) c->config.trace = trace;
  c->inside++;
  int r = leat_open(&c->engine, &c->config, &why);
  c->inside--;
  if (r != LEAT_OK && (c->engine || !why))
    sim_client_fault(c, "a failed open gives an engine, or no reason");
  return r;
}

bool sim_client_run(sim_client *c, uint64_t ns) {
  if (sim_run(c->w, ns)) return true;
  sim_client_fault(c, c->w->stuck ? "the loop sleeps for ever" : "it takes too long");
  return false;
}

static void on_closed(void *user) {
  sim_client *c = user;
  if (c->inside) sim_client_fault(c, "the close callback comes inside a call");
  if (c->closed) sim_client_fault(c, "two close callbacks");
  c->closed = true;
  for (size_t i = 0; i < c->count; i++)
    if (c->records[i].accepted && !c->records[i].dones)
      sim_client_fault(c, "job %zu: closed before its done", i);
}

void sim_client_close(sim_client *c, enum leat_close_mode mode) {
  c->inside++;
  int r = leat_close(c->engine, mode, on_closed, c);
  c->inside--;
  if (r != LEAT_OK && !(c->closing && r == LEAT_ECLOSED))
    sim_client_fault(c, "close gives %s", leat_error_name(r));
  c->closing = true;
}

unsigned sim_client_end(sim_client *c) {
  if (c->engine && !c->closing) sim_client_close(c, LEAT_CLOSE_DRAIN);
  sim_client_run(c, 10000 * SIM_S);
  if (c->engine && c->w->owned) leat_run(c->engine); /* the engine frees itself behind its run */
  if (c->engine && !c->closed) {
    sim_client_fault(c, "not closed");
    return c->faults; /* what is left would only confuse */
  }
  sim_judge_end(c);
  unsigned faults = c->faults;
  for (size_t i = 0; i < c->count; i++) free(c->records[i].body);
  sim_free(c->w);
  sim_server_free(c->server);
  failing_deinit(&c->memory);
  free(c);
  return faults;
}

/* ---- submitting */

static char *make_body(const sim_want *want, unsigned number) {
  size_t size = 256 + want->body_pad;
  char *body = malloc(size);
  assert(body);
  int n = snprintf(body, size,
                   "{\"model\":\"sim\",\"stream\":%s,\"prompt\":\"%u\",\"messages\":"
                   "[{\"role\":\"user\",\"content\":\"%u\"}],\"user\":\"",
                   want->json ? "false" : "true", number, number);
  memset(body + n, 'x', want->body_pad);
  memcpy(body + n + want->body_pad, "\"}", 3);
  return body;
}

static int submit_chat(sim_client *c, sim_record *r, const leat_header *header, const char *key) {
  leat_request q;
  leat_request_init(&q);
  q.base_url = r->want.origin;
  q.api_key = key;
  q.headers = header;
  q.header_count = 1;
  q.deadlines = r->want.deadlines;
  q.retries = r->want.retries;
  q.once = r->want.once;
  q.body = r->job->body;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = r;
  return leat_submit(c->engine, &q, &r->id);
}

static int start_task(sim_client *c, sim_record *r, const leat_header *header, const char *key) {
  leat_task t;
  leat_task_init(&t);
  t.base_url = r->want.origin;
  t.api_key = key;
  t.headers = header;
  t.header_count = 1;
  t.deadlines = r->want.deadlines;
  t.retries = r->want.retries;
  t.body = r->job->body;
  t.poll_ms = r->want.poll_ms;
  t.deadline_ms = r->want.deadline_ms;
  t.download = r->want.download;
  t.on_update = on_update;
  t.on_content = on_content;
  t.on_done = on_task_done;
  t.user = r;
  return leat_task_start(c->engine, &t, &r->id);
}

sim_record *sim_client_submit(sim_client *c, const sim_want *want, int *error) {
  char value[16], key[32];
  int rc = LEAT_EQUEUEFULL;
  if (error) *error = rc;
  if (c->count == SIM_JOBS_MAX) return NULL;
  unsigned number = (unsigned)c->count;
  sim_record *r = &c->records[number];
  memset(r, 0, sizeof *r);
  r->client = c;
  r->want = *want;
  if (!r->want.origin) r->want.origin = "http://127.0.0.1:8000";
  r->job = &c->jobs[number];
  sim_server_text(r->job, number, want->text_size ? want->text_size : 400);
  r->body = make_body(&r->want, number);
  r->job->body = lti_slice_of(r->body);
  snprintf(value, sizeof value, "%u", number);
  snprintf(key, sizeof key, "sk-sim-%u", number);
  leat_header header = {lti_slice_of("X-Sim"), lti_slice_of(value)};
  c->inside++;
  rc = want->task ? start_task(c, r, &header, key) : submit_chat(c, r, &header, key);
  c->inside--;
  memset(value, '#', sizeof value); /* API-08: all was copied */
  memset(key, '#', sizeof key);
  if (error) *error = rc;
  c->count++; /* a number is used up even when it is refused, so that scripts may go by it */
  if (rc != LEAT_OK) return NULL;
  if (getenv("LEAT_SIM_TRACE"))
    fprintf(stderr, "job %u is #%llu\n", number, (unsigned long long)(r->id & 0xffffffff));
  r->accepted = true;
  r->submitted_ns = c->w->now;
  return r;
}

void sim_client_cancel(sim_record *r) {
  sim_client *c = r->client;
  if (!r->accepted) return;
  c->inside++;
  int rc = leat_cancel(c->engine, r->id);
  c->inside--;
  if (rc != (r->dones ? LEAT_ENOTFOUND : LEAT_OK))
    sim_client_fault(c, "job %u: cancel gives %s", r->job->number, leat_error_name(rc));
  if (rc == LEAT_OK) r->cancelled = true;
}

void sim_client_resume(sim_record *r) {
  sim_client *c = r->client;
  r->paused = false;
  c->inside++;
  int rc = leat_resume(c->engine, r->id);
  c->inside--;
  if (rc != (r->dones || r->want.task ? LEAT_ENOTFOUND : LEAT_OK))
    sim_client_fault(c, "job %u: resume gives %s", r->job->number, leat_error_name(rc));
}

static void on_post(leat_engine *e, void *user) {
  sim_client *c = user;
  if (c->inside || e != c->engine) sim_client_fault(c, "a post is run inside a call");
  if (c->closed) sim_client_fault(c, "a post is run behind the close callback");
  c->posts_run++;
}

void sim_client_post(sim_client *c) {
  c->inside++;
  int rc = leat_post(c->engine, on_post, c);
  c->inside--;
  if (rc != (c->closing ? LEAT_ECLOSED : LEAT_OK))
    sim_client_fault(c, "post gives %s", leat_error_name(rc));
  if (rc == LEAT_OK) c->posts++;
}

/* ---- being called */

static void on_resume_time(void *ctx) {
  sim_record *r = ctx;
  r->timed_resume = false;
  if (r->client->closed) return;
  if (r->paused && !r->dones) sim_client_resume(r);
}

static int pause_or_not(sim_record *r) {
  sim_client *c = r->client;
  if (r->cancelled || r->dones || r->timed_resume) return LEAT_CONTINUE;
  if (!sim_chance(c->w, r->want.pause_permille)) return LEAT_CONTINUE;
  r->paused = r->ever_paused = true;
  if (r->want.pause_ns) {
    r->timed_resume = true;
    sim_ours_after(c->w, sim_below(c->w, r->want.pause_ns) + 1, on_resume_time, r);
  }
  return LEAT_PAUSE;
}

static void take_text(sim_record *r, leat_slice text) {
  sim_client *c = r->client;
  const sim_job *job = r->job;
  size_t left = job->text_size - r->text_size;
  if (text.size > left || memcmp(job->text + r->text_size, text.data, text.size) != 0) {
    sim_client_fault(c, "job %u: \"%.*s\" at %zu is not what the server sent", job->number,
                     (int)text.size, text.data, r->text_size);
    return;
  }
  memcpy(r->text + r->text_size, text.data, text.size);
  r->text_size += text.size;
}

static void check_call(sim_client *c, sim_record *r, leat_id id) {
  if (c->inside) sim_client_fault(c, "job %u: called inside a call", r->job->number);
  if (!r->accepted || r->id != id)
    sim_client_fault(c, "job %u: called with another's id", r->job->number);
  if (r->dones) sim_client_fault(c, "job %u: called after its done", r->job->number);
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  sim_record *r = user;
  sim_client *c = r->client;
  (void)e;
  check_call(c, r, id);
  if (r->cancelled) sim_client_fault(c, "job %u: an event after cancel", r->job->number);
  if (r->paused) sim_client_fault(c, "job %u: an event in a pause", r->job->number);
  r->events++;
  if (event->kind == LEAT_EVENT_HEAD) r->heads++;
  if (event->kind == LEAT_EVENT_TEXT) take_text(r, event->text);
  if (r->want.cancel_at == r->events) sim_client_cancel(r);
  sim_judge_conns(c);
  if (c->mischief) c->mischief(c, r);
  return pause_or_not(r);
}

static void finish(sim_record *r, const leat_result *result) {
  sim_client *c = r->client;
  r->dones++;
  r->done_ns = c->w->now;
  r->result = *result;
  c->done_count++;
  sim_judge_result(r);
  sim_judge_conns(c);
  if (c->mischief) c->mischief(c, r);
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  sim_record *r = user;
  (void)e;
  check_call(r->client, r, id);
  finish(r, result);
}

static void on_update(leat_engine *e, leat_id id, const leat_task_update *update, void *user) {
  sim_record *r = user;
  (void)e, (void)update;
  check_call(r->client, r, id);
  if (r->cancelled) sim_client_fault(r->client, "job %u: an update after cancel", r->job->number);
  r->events++;
  if (r->want.cancel_at == r->events) sim_client_cancel(r);
  if (r->client->mischief) r->client->mischief(r->client, r);
}

static int on_content(leat_engine *e, leat_id id, uint64_t offset, leat_slice bytes, void *user) {
  sim_record *r = user;
  (void)e;
  check_call(r->client, r, id);
  if (r->cancelled) sim_client_fault(r->client, "job %u: content after cancel", r->job->number);
  if (offset != r->text_size)
    sim_client_fault(r->client, "job %u: content at %llu instead of %zu", r->job->number,
                     (unsigned long long)offset, r->text_size);
  take_text(r, bytes);
  return 0;
}

static void on_task_done(leat_engine *e, leat_id id, const leat_task_update *last,
                         const leat_result *result, void *user) {
  sim_record *r = user;
  (void)e;
  check_call(r->client, r, id);
  r->task_state = last->state;
  finish(r, result);
}
