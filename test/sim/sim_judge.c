/* Judging the engine's account against the server's: see sim_judge.h. */
#include "sim/sim_judge.h"

#include <stdlib.h>
#include <string.h>

#define SLACK_NS (3 * SIM_MS) /* libuv's clock, and what one pass may cost here */

static void say(sim_record *r, const char *what) {
  sim_client_fault(r->client, "job %u ends with %s (%.*s): %s", r->job->number,
                   leat_error_name(r->result.error), (int)r->result.message.size,
                   r->result.message.data, what);
}

/* ---- one result */

static void judge_success(sim_record *r) {
  if (r->want.task) {
    if (r->task_state != LEAT_TASK_SUCCEEDED) say(r, "but its state is another");
    if (!r->want.download) return;
  }
  if (r->job->blurred) return;
  if (!r->job->whole) say(r, "but the server never sent all of it");
  if (r->text_size != r->job->text_size) say(r, "but its text is not whole");
}

static bool protocol_error(int error) {
  return error == LEAT_EHTTP || error == LEAT_EHEADERSMAX;
}

/* Never the fault of this server or of this network. */
static void judge_error(sim_record *r) {
  if (r->result.error == LEAT_EDECODE && r->job->blurred) return;
  if (r->client->rude && protocol_error(r->result.error)) return;
  switch (r->result.error) {
    case LEAT_EINVAL:
    case LEAT_ENOTFOUND:
    case LEAT_ECLOSED:
    case LEAT_ESTATE:
    case LEAT_EHEADER:
    case LEAT_EURL:
    case LEAT_EJSON:
    case LEAT_ETLS:
    case LEAT_ECERT:
    case LEAT_EHTTP:
    case LEAT_EHEADERSMAX:
    case LEAT_EBODYMAX:
    case LEAT_EENCODING:
    case LEAT_EDECODE:
    case LEAT_EEVENTMAX: say(r, "which nobody gave a reason for"); break;
    default: break;
  }
}

static void near(sim_record *r, uint64_t from_ns, int64_t ms) {
  uint64_t due = from_ns + (uint64_t)ms * SIM_MS, at = r->result.times.done_ns;
  if (ms == 0) return; /* the engine's own default */
  if (ms < 0 || from_ns == 0) {
    say(r, "a deadline that is not set");
  } else if (at < due || at > due + SLACK_NS) {
    sim_client_fault(r->client, "job %u: %s comes %.3f ms after its time", r->job->number,
                     leat_error_name(r->result.error), ((double)at - (double)due) / (double)SIM_MS);
  }
}

static int64_t set_ms(const sim_record *r, size_t offset) {
  const char *own = (const char *)&r->want.deadlines + offset;
  const char *engine = (const char *)&r->client->config.deadlines + offset;
  int64_t ms;
  memcpy(&ms, own, sizeof ms);
  if (ms == 0) memcpy(&ms, engine, sizeof ms);
  return ms;
}

#define SET_MS(r, name) set_ms(r, offsetof(leat_deadlines, name))

/* The clocks whose beginning the result's stamps tell. */
static void judge_deadline(sim_record *r) {
  const leat_times *t = &r->result.times;
  switch (r->result.error) {
    case LEAT_EHEADTIMEOUT: near(r, t->leased_ns, SET_MS(r, head_ms)); break;
    case LEAT_EFIRSTTIMEOUT:
      if (!r->ever_paused) near(r, t->head_ns, SET_MS(r, first_ms));
      break;
    case LEAT_EGAPTIMEOUT:
      if (!r->ever_paused) near(r, t->last_content_ns, SET_MS(r, gap_ms));
      break;
    case LEAT_EQUEUETIMEOUT:
      /* Time in which a connection was being opened for it does not count. */
      if (t->done_ns < t->queued_ns + (uint64_t)SET_MS(r, queue_ms) * SIM_MS) say(r, "too early");
      break;
    case LEAT_ETOTALTIMEOUT: near(r, t->queued_ns, SET_MS(r, total_ms)); break;
    default: break;
  }
}

static void judge_task_deadline(sim_record *r) {
  int64_t ms = r->want.deadline_ms ? r->want.deadline_ms : 3600000;
  if (r->result.error == LEAT_ETASKTIME)
    near(r, r->result.times.queued_ns, ms);
  else if (r->result.times.done_ns > r->result.times.queued_ns + (uint64_t)ms * SIM_MS + SLACK_NS)
    say(r, "long after its deadline");
}

static void judge_runs(sim_record *r) {
  const sim_job *job = r->job;
  bool once = r->want.once || r->want.task;
  if (job->runs > 1 && once) say(r, "it ran twice, and was to run once");
  if (job->runs > 1 && !r->result.maybe_ran_twice) say(r, "it ran twice and nobody says so");
  if (r->result.maybe_ran_twice && !r->want.task && r->result.attempts + r->result.redirects < 2)
    say(r, "one attempt cannot have run twice");
}

static void judge_pause(sim_record *r) {
  int error = r->result.error;
  if (r->paused && !r->cancelled && error != LEAT_ETOTALTIMEOUT && error != LEAT_ECANCELLED &&
      error != LEAT_EHELDMAX)
    say(r, "in a pause");
}

static void judge_stats(sim_client *c) {
  leat_stats *s = &c->stats;
  if (leat_stats_get(c->engine, s, sizeof *s) != LEAT_OK) sim_client_fault(c, "no stats");
  uint64_t ended = s->requests_completed + s->requests_failed + s->requests_cancelled;
  if (s->requests_started != ended + s->requests_live)
    sim_client_fault(c, "%llu requests were started, %llu ended, %llu live",
                     (unsigned long long)s->requests_started, (unsigned long long)ended,
                     (unsigned long long)s->requests_live);
  if (s->tasks_started != s->tasks_done + s->tasks_live) sim_client_fault(c, "tasks do not add up");
}

void sim_judge_result(sim_record *r) {
  const leat_result *result = &r->result;
  if (r->dones > 1) say(r, "a second done");
  if (r->cancelled && result->error != LEAT_ECANCELLED) say(r, "though it was cancelled");
  if (result->error == LEAT_ECANCELLED && !r->cancelled && !r->client->closing)
    say(r, "though nobody cancelled it");
  if (result->error == LEAT_OK)
    judge_success(r);
  else
    judge_error(r);
  if (result->error != LEAT_OK && result->message.size == 0) say(r, "without a word");
  if (r->want.task)
    judge_task_deadline(r);
  else
    judge_deadline(r);
  judge_runs(r);
  judge_pause(r);
  judge_stats(r->client);
  r->result.message = r->result.body = (leat_slice){NULL, 0};
}

/* ---- the pool, and the end */

/* Ports above 1024 stand for one origin each in these tests. */
void sim_judge_conns(sim_client *c) {
  int set = c->config.conns_max ? c->config.conns_max : 64;
  if (c->config.http == LEAT_HTTP_2) set = c->config.h2_conns_max ? c->config.h2_conns_max : 8;
  size_t each = (size_t)set;
  for (uint16_t port = 8000; port < 8002; port++) {
    size_t open = sim_socks_at(c->w, port);
    if (open > each) sim_client_fault(c, "%zu sockets are open to port %u", open, port);
  }
}

void sim_client_check(sim_client *c) {
  for (size_t i = 0; i < c->count; i++)
    if (c->records[i].accepted && c->records[i].dones != 1)
      sim_client_fault(c, "job %zu has %u dones", i, c->records[i].dones);
  if (!c->engine || c->closed) return;
  judge_stats(c);
  if (c->stats.requests_live || c->stats.tasks_live || c->stats.held_bytes)
    sim_client_fault(c, "%llu requests, %llu tasks and %llu held bytes are left",
                     (unsigned long long)c->stats.requests_live,
                     (unsigned long long)c->stats.tasks_live,
                     (unsigned long long)c->stats.held_bytes);
}

void sim_judge_end(sim_client *c) {
  sim_client_check(c);
  if (c->posts_run != c->posts)
    sim_client_fault(c, "%u of %u posts were run", c->posts_run, c->posts);
  if (c->w->loop) sim_client_fault(c, "the loop has handles left");
  if (c->w->socks_open || c->w->lookups) sim_client_fault(c, "sockets or lookups are left");
  if (!failing_clean(&c->memory)) sim_client_fault(c, "memory is left, or was abused");
}
