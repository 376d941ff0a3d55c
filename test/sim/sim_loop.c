/* The simulated loop and the world's clock: engine/io/loop.h without libuv.
 *
 * A pass does what one of libuv's does, in its order: events that are due (timers, segments,
 * lookups), sockets, closed handles, the engine's turn, sleep. The clock moves in the sleep, a
 * little with every pass, and by 1 ns with every look at it. As with libuv a timer may fire up to
 * 1 ms early or late. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/loop.h"
#include "sim/sim.h"

#define SLAB_BYTES 65536

struct lti_loop {
  sim *w;
  lti_alloc *alloc;
  const lti_loop_sink *sink;
  void *ctx;
  void (*closed)(void *ctx);
  uint64_t timer_at, timer_rings; /* as asked for, and with the clock's error */
  size_t handles;
  bool held, kicked, woken, closing, own_closed;
  char *slab;
  lti_loop_read read;
};

/* ---- the world */

sim *sim_new(uint64_t seed) {
  sim *w = calloc(1, sizeof *w);
  assert(w);
  w->seed = seed;
  w->now = 1000 * SIM_S;
  w->wall_ms = 1700000000000;
  w->owned = true;
  w->weather.latency_ns = 100 * SIM_US;
  w->weather.window = 65536;
  lti_prng_seed(&w->prng, seed);
  lti_list_init(&w->socks);
  lti_list_init(&w->closing);
  lti_list_init(&w->links);
  return w;
}

void sim_free(sim *w) {
  assert(!w->loop && lti_list_empty(&w->socks) && lti_list_empty(&w->closing));
  assert(w->lookups == 0);
  sim_links_free(w);
  free(w->events);
  free(w);
}

struct uv_loop_s *sim_uv(sim *w) {
  return (struct uv_loop_s *)(void *)w;
}

uint64_t sim_below(sim *w, uint64_t bound) {
  return bound ? lti_prng_below(&w->prng, bound) : 0;
}

bool sim_chance(sim *w, unsigned thousandths) {
  return thousandths > 0 && lti_prng_below(&w->prng, 1000) < thousandths;
}

/* ---- events: a heap by time, then by order of making */

static bool before(const sim_event *a, const sim_event *b) {
  return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void add_event(sim *w, sim_event event) {
  if (w->event_count == w->event_capacity) {
    w->event_capacity = w->event_capacity ? 2 * w->event_capacity : 64;
    w->events = realloc(w->events, w->event_capacity * sizeof *w->events);
    assert(w->events);
  }
  size_t at = w->event_count++;
  for (; at > 0 && before(&event, &w->events[(at - 1) / 2]); at = (at - 1) / 2)
    w->events[at] = w->events[(at - 1) / 2];
  w->events[at] = event;
}

static sim_event take_event(sim *w) {
  sim_event first = w->events[0], last = w->events[--w->event_count];
  size_t at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= w->event_count) break;
    if (child + 1 < w->event_count && before(&w->events[child + 1], &w->events[child])) child++;
    if (!before(&w->events[child], &last)) break;
    w->events[at] = w->events[child];
    at = child;
  }
  w->events[at] = last;
  return first;
}

void sim_after(sim *w, uint64_t delay_ns, void (*run)(void *ctx), void *ctx) {
  add_event(w, (sim_event){w->now + delay_ns, w->order++, run, ctx, false});
}

void sim_ours_after(sim *w, uint64_t delay_ns, void (*run)(void *ctx), void *ctx) {
  w->ours++;
  add_event(w, (sim_event){w->now + delay_ns, w->order++, run, ctx, true});
}

static void run_events(sim *w) {
  uint64_t now = w->now;
  while (w->event_count > 0 && w->events[0].at <= now) {
    sim_event event = take_event(w);
    if (event.ours) w->ours--;
    event.run(event.ctx);
  }
}

/* ---- a pass */

static bool alive(const sim *w) {
  const lti_loop *l = w->loop;
  return w->ours > 0 || w->lookups > 0 || !lti_list_empty(&w->closing) ||
         (l && (l->closing ? l->handles > 0 : l->held));
}

static void run_timer(lti_loop *l) {
  if (l && l->timer_rings <= l->w->now) l->timer_at = l->timer_rings = UINT64_MAX;
}

static void run_wake(lti_loop *l) {
  if (!l || !l->woken || l->closing) return;
  l->woken = false;
  l->sink->woken(l->ctx);
}

static void close_own_handles(lti_loop *l) {
  if (!l || !l->closing || l->own_closed) return;
  l->own_closed = true;
  lti_loop_handle_closed(l);
}

static void run_turn(lti_loop *l) {
  if (!l || l->closing) return;
  l->kicked = false;
  l->sink->turn(l->ctx, l->w->now);
}

/* Moves the clock to whatever comes next; false: nothing ever will. */
static bool sleep_on(sim *w) {
  const lti_loop *l = w->loop;
  uint64_t until = w->event_count ? w->events[0].at : UINT64_MAX;
  if (l && !l->closing && l->timer_rings < until) until = l->timer_rings;
  bool busy = (l && (l->kicked || l->woken || (l->closing && l->handles > 0))) ||
              !lti_list_empty(&w->closing) || sim_socks_ready(w);
  if (busy)
    w->now += 1 + sim_below(w, 20 * SIM_US);
  else if (until == UINT64_MAX)
    return false;
  else if (until > w->now)
    w->now = until;
  return true;
}

bool sim_pass(sim *w) {
  w->stuck = false;
  if (!alive(w)) return false;
  w->passes++;
  run_timer(w->loop);
  run_wake(w->loop);
  run_events(w);
  sim_socks_serve(w);
  sim_socks_reap(w);
  close_own_handles(w->loop);
  run_turn(w->loop);
  if (!alive(w)) return false;
  w->stuck = !sleep_on(w);
  return !w->stuck;
}

bool sim_run(sim *w, uint64_t until_ns) {
  until_ns += w->now;
  while (w->now <= until_ns)
    if (!sim_pass(w)) return !w->stuck;
  return false;
}

/* ---- engine/io/loop.h */

int lti_loop_open(lti_alloc *alloc, struct uv_loop_s *borrowed, const lti_loop_sink *sink,
                  void *ctx, lti_loop **loop) {
  assert(borrowed); /* the world */
  lti_loop *l = lti_alloc_zero(alloc, sizeof *l);
  if (!l) return LEAT_ENOMEM;
  l->slab = lti_alloc_get(alloc, SLAB_BYTES);
  if (!l->slab) {
    lti_alloc_put(alloc, l);
    return LEAT_ENOMEM;
  }
  l->w = (sim *)(void *)borrowed;
  l->alloc = alloc;
  l->sink = sink;
  l->ctx = ctx;
  l->timer_at = l->timer_rings = UINT64_MAX;
  l->handles = 1;
  assert(!l->w->loop);
  l->w->loop = l;
  *loop = l;
  return LTI_OK;
}

void lti_loop_close(lti_loop *l, void (*closed)(void *ctx)) {
  assert(!l->closing);
  l->closing = true;
  l->closed = closed;
}

void lti_loop_free(lti_loop *l) {
  assert(l->closing && l->handles == 0);
  l->w->loop = NULL;
  lti_alloc_put(l->alloc, l->slab);
  lti_alloc_put(l->alloc, l);
}

bool lti_loop_run(lti_loop *l, int64_t timeout_ms) {
  sim *w = l->w;
  if (timeout_ms < 0) {
    while (sim_pass(w)) continue;
    return false;
  }
  sim_pass(w);
  return alive(w);
}

bool lti_loop_run_one(lti_loop *l) {
  sim *w = l->w;
  sim_pass(w);
  return alive(w);
}

bool lti_loop_owned(const lti_loop *l) {
  return l->w->owned;
}

void lti_loop_hold(lti_loop *l, bool on) {
  if (!l->closing) l->held = on;
}

/* This world has no kernel that stamps. */
void lti_loop_stamp_segments(lti_loop *l) {
  (void)l;
}

const lti_loop_read *lti_loop_segment(const lti_loop *l, uint64_t read_ns) {
  (void)l, (void)read_ns;
  return NULL;
}

bool lti_loop_segment_ends(const lti_loop_read *read, leat_slice record) {
  (void)read, (void)record;
  return false;
}

lti_loop_read *lti_loop_last_read(lti_loop *l) {
  return &l->read;
}

void lti_loop_coalesce(lti_loop *l) {
  (void)l; /* nothing is gained where a wake-up costs nothing */
}

void lti_loop_kick(lti_loop *l) {
  if (!l->closing) l->kicked = true;
}

void lti_loop_sleep_until(lti_loop *l, uint64_t at_ns) {
  if (l->closing || at_ns == l->timer_at) return;
  if (l->timer_at < at_ns && at_ns != UINT64_MAX) return;
  l->timer_at = l->timer_rings = at_ns;
  if (at_ns == UINT64_MAX) return;
  uint64_t rings = at_ns - SIM_MS + sim_below(l->w, 2 * SIM_MS);
  l->timer_rings = rings > l->w->now ? rings : l->w->now + 1;
}

void lti_loop_wake(lti_loop *l) {
  l->woken = true;
}

uint64_t lti_loop_clock(const lti_loop *l) {
  return l->w->now++;
}

int64_t lti_loop_wall_ms(const lti_loop *l) {
  return l->w->wall_ms + (int64_t)(l->w->now / SIM_MS);
}

uint64_t lti_loop_seed(const lti_loop *l) {
  return l->w->seed;
}

char *lti_loop_slab(lti_loop *l, size_t *size) {
  *size = SLAB_BYTES;
  return l->slab;
}

void lti_loop_handle_opened(lti_loop *l) {
  l->handles++;
}

void lti_loop_handle_closed(lti_loop *l) {
  assert(l->handles > 0);
  if (--l->handles == 0) l->closed(l->ctx);
}

lti_alloc *lti_loop_alloc(lti_loop *l) {
  return l->alloc;
}

struct uv_loop_s *lti_loop_uv(lti_loop *l) {
  return sim_uv(l->w);
}
