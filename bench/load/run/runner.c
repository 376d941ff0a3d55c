/* One thread's life: open, begin requests as the shape says, end.
 *
 *     runner_main: wait for the begin -> fill / arrivals -> (window's end) -> drain or cut -> close
 *
 * All that begins a request comes from the loop: the pacer (starts of an open loop, stages, ends of
 * thinking, the window's end), the done of another request, or room that another thread gave back.
 * Requests of a closed loop that can begin together do so a few a turn, so that what is read in
 * between is not late, and that none is written long before it leaves.
 * What streams do is in runner_stream.c. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bindings/cli/say.h"
#include "runner_inside.h"

#define TICK_MS 100
#define CHUNK   256 /* streams that are made together */

#define BEGIN_NS    UINT64_C(50000)    /* what beginning streams may take of one turn */
#define LEAD_MAX_NS UINT64_C(50000000) /* how long before its instant a burst is begun at most */

static void on_due(void *ctx, uint64_t now_ns);
static void on_wake(uv_async_t *handle);
static void on_tick(uv_timer_t *handle);
static void on_reads_done(uv_check_t *handle);
static void on_more(uv_idle_t *handle);
static void finish(runner *r);

/* --- life --- */

/* What a thread has of the connections that all have together. */
static int share_of(int all, size_t thread, size_t count) {
  int part = all / (int)count + ((size_t)all % count > thread);
  return part > 0 ? part : 1;
}

static bool open_engine(runner *r) {
  const char *why = NULL;
  char text[RESULT_TEXT_MAX];
  const crew_plan *plan = r->shared->plan;
  r->config = *plan->config;
  r->config.loop = &r->loop;
  r->config.rx_timestamps = plan->rx_timestamps;
  r->config.conns_max = share_of(plan->config->conns_max, r->thread, r->shared->count);
  r->config.h2_conns_max = share_of(plan->config->h2_conns_max, r->thread, r->shared->count);
  int error = leat_open(&r->engine, &r->config, &why);
  if (error == LEAT_OK) return true;
  snprintf(text, sizeof text, "%s%s%s%s", leat_error_text(error), why ? ": " : "", why ? why : "",
           error == LEAT_EURL ? ": check --proxy and HTTPS_PROXY" : "");
  runner_refuse(r, error, text);
  return false;
}

/* On the thread itself: the gauge measures the thread that opens it, and looks behind the engine.
 */
static bool open_parts(runner *r) {
  const crew_plan *plan = r->shared->plan;
  size_t parts = r->shared->count * (size_t)plan->shards;
  r->hand = work_hand_new(plan->work);
  r->gauge = gauge_open(&r->loop, r->score.receive_lag);
  r->pacer = pacer_open(&r->loop, on_due, r);
  if (r->gauge) gauge_show(r->gauge, &r->pulse);
  if (plan->shape->kind != RESULT_CLOSED)
    r->starts = shape_open(plan->shape, (size_t)plan->shard * r->shared->count + r->thread, parts);
  bool fine = r->hand && r->gauge && r->pacer && (plan->shape->kind == RESULT_CLOSED || r->starts);
  if (!fine) runner_refuse(r, LEAT_ENOMEM, "no memory, or no descriptors, for a thread");
  return fine && open_engine(r);
}

static bool open_loop(runner *r) {
  if (uv_loop_init(&r->loop) != 0) return false;
  if (uv_async_init(&r->loop, &r->wake, on_wake) != 0) {
    uv_loop_close(&r->loop);
    return false;
  }
  uv_loop_configure(&r->loop, UV_METRICS_IDLE_TIME);
  uv_timer_init(&r->loop, &r->tick);
  uv_check_init(&r->loop, &r->reads_done);
  uv_idle_init(&r->loop, &r->more);
  r->loop.data = r->wake.data = r->tick.data = r->reads_done.data = r;
  return true;
}

bool runner_init(runner *r, runner_shared *shared, size_t thread) {
  const crew_plan *plan = shared->plan;
  memset(r, 0, sizeof *r);
  r->thread = thread;
  if (!open_loop(r)) {
    cli_say("cannot make an event loop: too many open files?");
    return false;
  }
  r->shared = shared;
  if (!score_init(&r->score, shared->count, plan->shape->seed + thread)) {
    cli_say("no memory");
    return false;
  }
  r->score.thread = (uint32_t)thread;
  r->score.pulse = &r->pulse;
  r->score.recorder = plan->recorder;
  r->score.open_loop = plan->shape->kind != RESULT_CLOSED;
  r->score.stamped = plan->stamped;
  r->score.goodput = plan->goodput;
  return true;
}

static void on_handle_gone(uv_handle_t *handle) {
  (void)handle;
}

/* Everything that lives on the loop; twice is fine. */
static void close_loop(runner *r) {
  if (r->closing) return;
  r->closing = true;
  if (r->engine) leat_close(r->engine, LEAT_CLOSE_NOW, NULL, NULL);
  if (r->pacer) pacer_close(r->pacer);
  if (r->gauge) gauge_close(r->gauge);
  uv_close((uv_handle_t *)&r->wake, on_handle_gone);
  uv_close((uv_handle_t *)&r->tick, on_handle_gone);
  uv_close((uv_handle_t *)&r->reads_done, on_handle_gone);
  uv_close((uv_handle_t *)&r->more, on_handle_gone);
}

void runner_deinit(runner *r) {
  if (!r->shared) return;
  close_loop(r);
  uv_run(&r->loop, UV_RUN_DEFAULT);
  uv_loop_close(&r->loop);
  pacer_free(r->pacer);
  gauge_free(r->gauge);
  for (size_t i = 0; i < r->chunk_count; i++) {
    for (size_t k = 0; k < CHUNK; k++) {
      if (r->chunks[i][k].talk) work_end(r->chunks[i][k].talk);
      free(r->chunks[i][k].request.events_ns);
    }
    free(r->chunks[i]);
  }
  free(r->chunks);
  shape_free(r->starts);
  work_hand_free(r->hand);
  score_deinit(&r->score);
  r->shared = NULL;
}

void runner_wake(runner *r) {
  uv_async_send(&r->wake);
}

/* The window that begins then ends when its duration is over. */
static void bound_window(runner *r, uint64_t from_ns) {
  uint64_t duration = r->shared->plan->shape->duration_ns;
  if (duration < UINT64_MAX - from_ns && from_ns + duration < r->end_ns)
    r->end_ns = from_ns + duration;
}

static void tell_over(runner *r) {
  atomic_fetch_add(&r->shared->over, 1);
  if (r->shared->plan->over) r->shared->plan->over(r->shared->plan->user);
}

void *runner_main(void *arg) {
  runner *r = arg;
  const shape_spec *spec = r->shared->plan->shape;
  uint64_t window = shape_window(spec), length = shape_length(spec);
  r->cut_ns = r->end_ns = UINT64_MAX;
  if (!open_parts(r)) {
    close_loop(r);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    tell_over(r);
    return NULL;
  }
  bool staged = spec->kind == RESULT_CLOSED || spec->kind == RESULT_OPEN;
  if (length != SHAPE_FOREVER && staged) r->end_ns = r->shared->begin_ns + length;
  r->window_ns = window == SHAPE_FOREVER ? UINT64_MAX : r->shared->begin_ns + window;
  if (r->window_ns != UINT64_MAX) bound_window(r, r->window_ns);
  gauge_mark(r->gauge, uv_hrtime());
  uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
  uv_unref((uv_handle_t *)&r->tick);
  if (r->starts) r->has_start = shape_next(r->starts, &r->start);
  if (r->starts && !r->has_start) runner_end(r);
  pacer_at(r->pacer, r->shared->begin_ns);
  uv_run(&r->loop, UV_RUN_DEFAULT);
  tell_over(r);
  return NULL;
}

/* --- streams --- */

runner_stream *runner_pop(runner_line *line) {
  runner_stream *s = line->first;
  if (!s) return NULL;
  line->first = s->next;
  if (!line->first) line->last = NULL;
  s->next = NULL;
  return s;
}

void runner_push(runner_line *line, runner_stream *s) {
  s->next = NULL;
  if (line->last)
    line->last->next = s;
  else
    line->first = s;
  line->last = s;
}

static bool make_streams(runner *r) {
  if (r->chunk_count == r->chunk_room) {
    size_t room = r->chunk_room ? r->chunk_room * 2 : 16;
    runner_stream **chunks = realloc(r->chunks, room * sizeof *chunks);
    if (!chunks) return false;
    r->chunks = chunks;
    r->chunk_room = room;
  }
  runner_stream *chunk = calloc(CHUNK, sizeof *chunk);
  if (!chunk) return false;
  r->chunks[r->chunk_count++] = chunk;
  for (size_t i = 0; i < CHUNK; i++) {
    chunk[i].runner = r;
    runner_push(&r->idle, &chunk[i]);
  }
  return true;
}

runner_stream *runner_stream_new(runner *r) {
  if (!r->idle.first && !make_streams(r)) return NULL;
  runner_stream *s = runner_pop(&r->idle);
  s->arrives = s->cut = s->running = false;
  r->live++;
  return s;
}

void runner_each(runner *r, void (*visit)(runner_stream *s)) {
  for (size_t i = 0; i < r->chunk_count; i++)
    for (size_t k = 0; k < CHUNK; k++) visit(&r->chunks[i][k]);
}

/* --- when things begin --- */

/* Where a window begins, everything that is counted over time begins. */
void runner_measure(runner *r, uint64_t now_ns) {
  struct rusage usage;
  uint64_t unset = 0;
  if (r->measuring) return;
  r->measuring = true;
  /* A window that begins at a time has begun then, however long the first start took to come. */
  uint64_t from_ns = r->window_ns == UINT64_MAX ? now_ns : r->window_ns;
  atomic_compare_exchange_strong(&r->shared->measure_ns, &unset, from_ns);
  score_window(&r->score, atomic_load(&r->shared->measure_ns));
  if (!r->starts && r->shared->plan->shape->warmup_requests) {
    bound_window(r, atomic_load(&r->shared->measure_ns));
    pacer_at(r->pacer, r->end_ns);
  }
  gauge_mark(r->gauge, uv_hrtime());
  lti_hist_clear(r->score.receive_lag); /* which the gauge filled while it warmed up */
  leat_stats_get(r->engine, &r->before, sizeof r->before);
  if (getrusage(RUNNER_RUSAGE, &usage) != 0) return;
  r->user_mark = runner_seconds(usage.ru_utime);
  r->system_mark = runner_seconds(usage.ru_stime);
}

double runner_seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Nothing begins any more on this thread. */
void runner_end(runner *r) {
  const shape_spec *spec = r->shared->plan->shape;
  if (r->ended) return;
  r->ended = true;
  r->has_start = false;
  if (!spec->cut && spec->drain_ns != UINT64_MAX) r->cut_ns = uv_hrtime() + spec->drain_ns;
}

/* The window has ended: as runner_end, and what runs is cut if that was asked for. */
static void end_window(runner *r, uint64_t now_ns) {
  bool cut = r->shared->plan->shape->cut;
  runner_end(r);
  runner_retire_idle(r);
  if (cut || now_ns >= r->cut_ns) {
    r->cut_ns = UINT64_MAX;
    runner_each(r, runner_cut);
  }
}

/* As many streams as the shape wants now. */
static void fill(runner *r, uint64_t now_ns, uint64_t *changes_ns) {
  const crew_plan *plan = r->shared->plan;
  uint64_t all = shape_streams_at(plan->shape, now_ns - r->shared->begin_ns, changes_ns);
  size_t parts = r->shared->count * (size_t)plan->shards;
  size_t part = (size_t)plan->shard * r->shared->count + r->thread;
  if (*changes_ns != UINT64_MAX) *changes_ns += r->shared->begin_ns;
  r->wanted = (size_t)(all / parts + (all % parts > part));
  /* Nobody tells a thread without a stream that there are no requests left. */
  if (r->wanted == 0 && *changes_ns == UINT64_MAX) runner_end(r);
  uint64_t from_ns = uv_hrtime();
  while (r->live < r->wanted && !r->ended) {
    runner_stream *s = runner_stream_new(r);
    if (!s) {
      runner_refuse(r, LEAT_ENOMEM, "no memory for so many streams");
      return;
    }
    runner_next(s, now_ns);
    if (uv_hrtime() - from_ns > BEGIN_NS) {
      *changes_ns = now_ns; /* at once, which is the next turn */
      return;
    }
  }
}

/* The requests of a burst are written down before its instant, as soon as it is known how long that
 * takes, and all leave in the turn behind it. Returns how many began. */
static size_t begin_arrivals(runner *r, uint64_t now_ns) {
  size_t begun = 0;
  while (r->has_start && !r->ended) {
    uint64_t at_ns = r->shared->begin_ns + r->start.at_ns;
    if (at_ns > now_ns + r->lead_ns) return begun;
    runner_stream *s = runner_stream_new(r);
    if (!s) {
      runner_refuse(r, LEAT_ENOMEM, "no memory for so many streams");
      return begun;
    }
    s->start = r->start;
    s->due_ns = at_ns;
    s->arrives = true;
    r->has_start = shape_next(r->starts, &r->start);
    runner_arrive(s, now_ns);
    begun++;
    r->instant_ns = at_ns;
    if (!r->has_start) runner_end(r);
  }
  return begun;
}

/* Learns from one burst what the next one takes, and waits for this one's instant. */
static void hold_burst(runner *r, uint64_t from_ns) {
  uint64_t now_ns = uv_hrtime(), took_ns = now_ns - from_ns;
  r->lead_ns = took_ns + took_ns / 8;
  if (r->lead_ns > LEAD_MAX_NS) r->lead_ns = LEAD_MAX_NS;
  while (uv_hrtime() < r->instant_ns) {
  }
}

static void begin_due(runner *r, uint64_t now_ns) {
  bool burst = r->shared->plan->shape->kind == RESULT_BURST;
  if (begin_arrivals(r, now_ns) > 0 && burst) hold_burst(r, now_ns);
}

static void wake_thinkers(runner *r, uint64_t now_ns) {
  while (r->thinking.first && r->thinking.first->due_ns <= now_ns)
    runner_ready(runner_pop(&r->thinking));
}

/* --- what is ready --- */

void runner_ready(runner_stream *s) {
  runner *r = s->runner;
  runner_push(&r->ready, s);
  uv_check_start(&r->reads_done, on_reads_done);
  uv_idle_start(&r->more, on_more);
}

/* At least one a turn, whatever the clock says. */
static void on_reads_done(uv_check_t *handle) {
  runner *r = handle->data;
  uint64_t from_ns = uv_hrtime(), now_ns = from_ns;
  if (r->closing) return;
  do {
    if (r->ready.first) runner_next(runner_pop(&r->ready), now_ns);
    now_ns = uv_hrtime();
  } while (r->ready.first && now_ns - from_ns < BEGIN_NS);
  if (!r->ready.first) {
    uv_idle_stop(&r->more);
    uv_check_stop(handle);
  }
  if (r->thinking.first || (r->ended && r->live == 0)) runner_step(r);
}

/* Its being there keeps the poll from sleeping. */
static void on_more(uv_idle_t *handle) {
  (void)handle;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* Does what is due, and sets the alarm for what is due next. */
static void step(runner *r, uint64_t now_ns) {
  uint64_t next_ns = UINT64_MAX;
  if (!r->ended && now_ns >= r->end_ns && !r->starts) end_window(r, now_ns);
  if (r->starts && !r->ended) begin_due(r, now_ns);
  if (r->starts && now_ns >= r->end_ns && r->shared->plan->shape->cut) end_window(r, now_ns);
  if (r->ended && now_ns >= r->cut_ns) end_window(r, now_ns);
  if (!r->starts && !r->ended) fill(r, now_ns, &next_ns);
  wake_thinkers(r, now_ns);
  if (r->has_start) next_ns = r->shared->begin_ns + r->start.at_ns - r->lead_ns;
  if (r->thinking.first) next_ns = earlier(next_ns, r->thinking.first->due_ns);
  if (!r->ended) next_ns = earlier(next_ns, r->end_ns);
  if (r->starts && r->shared->plan->shape->cut && now_ns < r->end_ns)
    next_ns = earlier(next_ns, r->end_ns);
  if (r->ended) next_ns = earlier(next_ns, r->cut_ns);
  pacer_at(r->pacer, next_ns);
  if (r->ended && r->live == 0) finish(r);
}

void runner_step(runner *r) {
  if (!r->closing) step(r, uv_hrtime());
}

static void on_due(void *ctx, uint64_t now_ns) {
  runner *r = ctx;
  if (!r->closing) step(r, now_ns);
}

static void on_wake(uv_async_t *handle) {
  runner *r = handle->data;
  if (r->closing) return;
  if (atomic_load(&r->shared->stopping)) {
    runner_end(r);
    runner_retire_idle(r);
    runner_each(r, runner_cancel);
  } else {
    runner_serve_held(r, uv_hrtime());
  }
  runner_step(r);
}

static void on_tick(uv_timer_t *handle) {
  runner *r = handle->data;
  if (r->measuring) score_lag_peak(&r->score, uv_hrtime(), gauge_peak(r->gauge));
}

/* All is done: the figures are taken before anything is closed. */
static void finish(runner *r) {
  struct rusage usage;
  if (r->closing) return;
  gauge_read(r->gauge, uv_hrtime(), &r->reading);
  leat_stats_get(r->engine, &r->after, sizeof r->after);
  if (getrusage(RUNNER_RUSAGE, &usage) == 0) {
    r->user_s = runner_seconds(usage.ru_utime) - r->user_mark;
    r->system_s = runner_seconds(usage.ru_stime) - r->system_mark;
  }
  close_loop(r);
}
