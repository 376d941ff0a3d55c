/* What one stream does: conversation after conversation, turn after turn.
 *
 *     (idle) -> runner_next -> running -> done -> thinking -> ready -> runner_next ... -> (idle)
 *     (idle) -> runner_arrive -> held -> runner_next ...                 an open loop under a cap
 *
 * A request is some ten times the work of an event. When a thousand streams end together, which
 * those of a closed loop do that began together, the events that come then must not wait for the
 * next thousand requests to be written: so what is ready begins behind a turn's reads, and no more
 * of it than is soon done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner_inside.h"

#define REFUSED_REST_NS UINT64_C(10000000) /* before a submit that found a limit is tried again */

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *engine, leat_id id, const leat_result *answer, void *user);
static void on_task(leat_engine *engine, leat_id id, const leat_task_update *last,
                    const leat_result *answer, void *user);
static void on_socket(leat_engine *engine, leat_id id, const leat_result *answer, unsigned code,
                      void *user);

/* --- permits: what all threads share --- */

/* One more request may begin; `*measured` says whether it counts. The schedule of an open loop
 * knows for each start; a closed loop counts. */
static bool take_permit(runner_stream *s, uint64_t intended_ns, bool *measured) {
  runner_shared *shared = s->runner->shared;
  const shape_spec *spec = shared->plan->shape;
  *measured = s->runner->starts && !s->start.warmup;
  if (atomic_load_explicit(&shared->stopping, memory_order_relaxed)) return false;
  if (s->runner->starts || intended_ns < shared->begin_ns + spec->warmup_ns) return true;
  uint64_t place = atomic_fetch_add(&shared->begun, 1);
  *measured = place >= spec->warmup_requests;
  return place < shared->most;
}

static bool take_room(runner *r) {
  if (r->shared->plan->shape->cap == UINT64_MAX) return true;
  if (atomic_fetch_sub(&r->shared->room, 1) > 0) return true;
  atomic_fetch_add(&r->shared->room, 1);
  return false;
}

/* Room for one more: this thread's own go first, then those of another. */
static void give_room(runner *r, uint64_t now_ns) {
  runner_shared *shared = r->shared;
  if (shared->plan->shape->cap == UINT64_MAX || !r->starts) return;
  atomic_fetch_add(&shared->room, 1);
  runner_serve_held(r, now_ns);
  if (atomic_load(&shared->waiting) == 0) return;
  for (size_t i = 0; i < shared->count; i++)
    if (shared->runners[i] != r) runner_wake(shared->runners[i]);
}

void runner_refuse(runner *r, int error, const char *message) {
  runner_shared *shared = r->shared;
  int none = 0;
  if (atomic_compare_exchange_strong(&shared->refused, &none, error))
    snprintf(shared->refusal, sizeof shared->refusal, "%s", message);
  atomic_store(&shared->stopping, true);
  for (size_t i = 0; i < shared->count; i++) runner_wake(shared->runners[i]);
}

/* --- from idle to running --- */

static void retire(runner_stream *s, uint64_t now_ns) {
  runner *r = s->runner;
  if (s->talk) work_end(s->talk);
  s->talk = NULL;
  if (s->socket) leat_ws_close(r->engine, s->socket, 1000, (leat_slice){NULL, 0});
  s->socket = 0;
  r->live--;
  runner_push(&r->idle, s);
  give_room(r, now_ns);
}

static void think(runner_stream *s, uint64_t due_ns) {
  s->due_ns = due_ns;
  runner_push(&s->runner->thinking, s);
}

/* The turns of a conversation over a WebSocket share one. */
static int open_socket(runner_stream *s, const work_item *item) {
  leat_ws ws;
  leat_ws_init(&ws);
  ws.protocol = item->request.protocol ? item->request.protocol : s->runner->config.protocol;
  ws.base_url = item->request.base_url ? item->request.base_url : s->runner->config.base_url;
  ws.api_key = item->request.api_key ? item->request.api_key : s->runner->config.api_key;
  ws.model = item->request.chat ? item->request.chat->model : item->request.model;
  ws.headers = item->request.headers;
  ws.header_count = item->request.header_count;
  ws.on_done = on_socket;
  ws.user = s;
  return leat_ws_open(s->runner->engine, &ws, &s->socket);
}

static int submit(runner_stream *s, work_item *item) {
  leat_engine *engine = s->runner->engine;
  if (item->kind == WORK_TASK) {
    item->task.on_done = on_task;
    item->task.user = s;
    return leat_task_start(engine, &item->task, &s->id);
  }
  item->request.on_event = on_event;
  item->request.on_done = on_done;
  item->request.user = s;
  if (item->keeps_socket && !s->socket) {
    int error = open_socket(s, item);
    if (error) return error;
  }
  item->request.socket = item->keeps_socket ? s->socket : item->request.socket;
  return leat_submit(engine, &item->request, &s->id);
}

/* Room for the times of events, where a file wants them: once a stream. */
static void keep_events(runner_stream *s) {
  score_request *q = &s->request;
  const crew_plan *plan = s->runner->shared->plan;
  if (!plan->recorder || q->events_ns || !recorder_events(plan->recorder)) return;
  q->events_ns = malloc(RUNNER_EVENTS * sizeof *q->events_ns);
  q->event_room = q->events_ns ? RUNNER_EVENTS : 0;
}

/* Requests of all threads at once. */
static void count_one(runner_shared *shared) {
  uint64_t now = atomic_fetch_add(&shared->in_flight, 1) + 1;
  uint64_t peak = atomic_load_explicit(&shared->in_flight_peak, memory_order_relaxed);
  while (now > peak && !atomic_compare_exchange_weak(&shared->in_flight_peak, &peak, now)) {
  }
}

/* Submits the turn. False: it was refused, and the stream rests or retires. */
static void start_turn(runner_stream *s, work_item *item, uint64_t now_ns) {
  runner *r = s->runner;
  score_request *q = &s->request;
  q->turn = item->turn;
  q->task = item->kind == WORK_TASK;
  s->wants_answer = item->wants_answer;
  s->cut = false;
  keep_events(s);
  score_start(&r->score, q, now_ns);
  count_one(r->shared);
  int error = submit(s, item);
  s->running = error == LEAT_OK;
  if (s->running) return;
  atomic_fetch_sub(&r->shared->in_flight, 1);
  const char *message = leat_last_message(r->engine);
  score_refused(&r->score, q, error, lti_slice_of(message));
  s->id = 0;
  if (leat_error_class(error) == LEAT_CLASS_USAGE) {
    runner_refuse(r, error, message);
    retire(s, now_ns);
  } else {
    think(s, now_ns + REFUSED_REST_NS);
  }
}

/* Of a closed loop: each shard has numbers of its own. */
static uint64_t next_index(runner_shared *shared) {
  const crew_plan *plan = shared->plan;
  uint64_t mine = atomic_fetch_add(&shared->index, 1);
  return plan->shape->index_from + mine * (uint64_t)plan->shards + (uint64_t)plan->shard;
}

/* A conversation for a stream that has none. False: there is to be none. */
static bool begin_talk(runner_stream *s, uint64_t now_ns) {
  runner *r = s->runner;
  bool open = r->starts != NULL;
  if (!open && (r->ended || r->live > r->wanted)) return false;
  if (open && !s->arrives) return false; /* its one conversation is over */
  uint64_t index = open ? s->start.index : next_index(r->shared);
  s->request.index = index;
  s->request.intended_ns = open ? s->due_ns : now_ns;
  s->talk = work_begin(r->hand, index, open ? &s->start : NULL);
  if (!s->talk) runner_refuse(r, LEAT_ENOMEM, "no memory for a conversation");
  s->arrives = false;
  return s->talk != NULL;
}

void runner_next(runner_stream *s, uint64_t now_ns) {
  runner *r = s->runner;
  work_item item;
  int failed = LEAT_OK;
  bool first = s->talk == NULL;
  if (!s->talk && !begin_talk(s, now_ns)) {
    retire(s, now_ns);
    return;
  }
  if (!first) s->request.intended_ns = now_ns;
  bool goes_on = work_turn(s->talk, &item, &failed);
  if (!goes_on && !failed && !first) { /* it is over: a closed loop's stream has another */
    work_end(s->talk);
    s->talk = NULL;
    if (!begin_talk(s, now_ns)) {
      retire(s, now_ns);
      return;
    }
    goes_on = work_turn(s->talk, &item, &failed);
    first = true;
  }
  if (!goes_on) {
    if (failed) runner_refuse(r, failed, leat_error_text(failed));
    retire(s, now_ns);
    return;
  }
  if (r->ended && !r->starts) {
    retire(s, now_ns);
    return;
  }
  if (!take_permit(s, s->request.intended_ns, &s->request.measured)) {
    runner_end(r);
    retire(s, now_ns);
    return;
  }
  if (s->request.measured) {
    runner_measure(r, first ? s->request.intended_ns : now_ns);
    if (first) r->score.counts.sessions++;
    if (now_ns >= r->end_ns) r->score.counts.late++;
  }
  start_turn(s, &item, now_ns);
}

void runner_arrive(runner_stream *s, uint64_t now_ns) {
  runner *r = s->runner;
  bool room = take_room(r);
  if (!room) {
    /* Told as waiting first, so that room that comes in between is not missed. */
    atomic_fetch_add(&r->shared->waiting, 1);
    room = r->held.first == NULL && take_room(r);
    if (room) atomic_fetch_sub(&r->shared->waiting, 1);
  }
  if (room) {
    runner_next(s, now_ns);
    return;
  }
  if (!s->start.warmup) r->score.counts.missed++;
  runner_push(&r->held, s);
}

void runner_serve_held(runner *r, uint64_t now_ns) {
  while (r->held.first && take_room(r)) {
    atomic_fetch_sub(&r->shared->waiting, 1);
    runner_next(runner_pop(&r->held), now_ns);
  }
}

/* --- from running to the next --- */

static void steady_ends(runner *r) {
  if (!r->steady || r->measured_steady) return;
  r->measured_steady = leat_stats_get(r->engine, &r->steady_to, sizeof r->steady_to) == LEAT_OK;
}

/* The steady state, for allocations an event, begins when every stream of the first wave has had
 * content, and ends when the first of them says that it is finishing, or is done. */
static void steady_begins(runner *r) {
  if (r->steady || r->score.counts.completed > 0 || r->starts) return;
  if (++r->live_content != r->wanted) return;
  r->steady = leat_stats_get(r->engine, &r->steady_from, sizeof r->steady_from) == LEAT_OK;
}

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  runner_stream *s = user;
  runner *r = s->runner;
  (void)engine;
  (void)id;
  gauge_event(r->gauge, event);
  bool had_content = s->request.first_ns != 0;
  score_event(&r->score, &s->request, event);
  if (!had_content && s->request.first_ns) steady_begins(r);
  if (event->kind == LEAT_EVENT_FINISH) steady_ends(r);
  if (s->wants_answer && event->kind == LEAT_EVENT_TEXT) work_answer(s->talk, event->text);
  return LEAT_CONTINUE;
}

/* The request has ended and was counted. */
static void go_on(runner_stream *s, uint64_t now_ns) {
  runner *r = s->runner;
  uint64_t rest_ns = r->shared->plan->shape->think_ns;
  bool over = s->cut || atomic_load_explicit(&r->shared->stopping, memory_order_relaxed);
  s->running = false;
  s->id = 0;
  atomic_fetch_sub(&r->shared->in_flight, 1);
  if (over || (r->ended && !r->starts)) {
    retire(s, now_ns);
  } else if (rest_ns) {
    think(s, now_ns + rest_ns);
  } else {
    runner_ready(s);
  }
  /* The alarm stands as it was but for these. */
  if (rest_ns || (r->ended && r->live == 0)) runner_step(r);
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *answer, void *user) {
  runner_stream *s = user;
  (void)engine;
  (void)id;
  steady_ends(s->runner);
  score_done(&s->runner->score, &s->request, answer, s->cut);
  go_on(s, uv_hrtime());
}

/* The exchange that decided was a poll: a task's own times are its submit and its end. */
static void on_task(leat_engine *engine, leat_id id, const leat_task_update *last,
                    const leat_result *answer, void *user) {
  runner_stream *s = user;
  uint64_t now_ns = uv_hrtime();
  leat_result own = *answer;
  (void)engine;
  (void)id;
  memset(&own.times, 0, sizeof own.times);
  own.times.queued_ns = own.times.sent_ns = s->request.submitted_ns;
  own.times.done_ns = now_ns;
  score_task(&s->runner->score, &s->request, last, now_ns);
  score_done(&s->runner->score, &s->request, &own, s->cut);
  go_on(s, now_ns);
}

static void on_socket(leat_engine *engine, leat_id id, const leat_result *answer, unsigned code,
                      void *user) {
  runner_stream *s = user;
  (void)engine;
  (void)answer;
  (void)code;
  if (s->socket == id) s->socket = 0;
}

/* --- ends --- */

void runner_retire_idle(runner *r) {
  uint64_t now_ns = uv_hrtime();
  while (r->thinking.first) retire(runner_pop(&r->thinking), now_ns);
  while (r->ready.first) retire(runner_pop(&r->ready), now_ns);
  while (r->held.first) {
    atomic_fetch_sub(&r->shared->waiting, 1);
    atomic_fetch_sub(&r->shared->room, 1); /* which retiring gives back */
    retire(runner_pop(&r->held), now_ns);
  }
}

void runner_cut(runner_stream *s) {
  if (!s->running) return;
  s->cut = true;
  leat_cancel(s->runner->engine, s->id);
}

void runner_cancel(runner_stream *s) {
  if (s->running) leat_cancel(s->runner->engine, s->id);
}
