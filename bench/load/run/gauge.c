/* The gauge of a loop: see gauge.h.
 *
 * One prepare handle, which runs last before each poll, and libuv's own clock of the time that it
 * sleeps in the poll tell a turn's three times: the poll's entry (our stamp), its return (entry and
 * sleep) and the turn's end (our next stamp).
 *
 *     entry        return     reads, events, flushes      end = entry of the next
 *       |  asleep    |   r1    r2          r3               |
 *
 * r1 is late by r1 - return if the poll slept, else by r1 - (the return before), since those bytes
 * may have come at any time behind it. A sleep shorter than SLEPT_NS does not count as one: so does
 * look what a signal interrupted, after which libuv begins its clock anew.
 *
 * A thread that was woken but had no core has a run delay, which the kernel adds up. Reading it
 * costs a microsecond: so reads wait in a short list, at most a millisecond or LIST_MAX of them,
 * and then those of sleeps are recorded with what the delay grew by in that time, though not with
 * more than the sleep was long. Most of them waited less: the bound errs against us.
 *
 * The heartbeat bounds each sleep: 2 ms behind a turn with events, and twice as long behind each
 * turn without, up to 16 ms, as a wake-up costs some 30 us of CPU and 500 of them a second would
 * take more than 1 % of a core. A sleep that outlasts its bound by LATE_NS, run delay apart, was a
 * stop. */
#include "bench/load/run/gauge.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SLEPT_NS    50000u
#define LATE_NS     500000u
#define SETTLE_NS   1000000u
#define LIST_MAX    256
#define TURNS       1024
#define BEAT_MIN_MS 2
#define BEAT_MAX_MS 16

/* A turn's reads may have waited since base_ns, and, while the run delay is not known, for so much
 * longer as that grew, but not more than room_ns. */
typedef struct gauge_turn {
  uint64_t entered_ns, base_ns, room_ns;
} gauge_turn;

/* A read that waits for the run delay to be known. */
typedef struct gauge_wait {
  int64_t lag_ns; /* below 0: the kernel's stamp is older than our waking */
  uint64_t events;
  uint64_t room_ns; /* the lag may be so much longer */
} gauge_wait;

struct gauge {
  uv_loop_t *loop;
  lti_hist *lag;
  pulse *live;
  uv_prepare_t prepare;
  uv_timer_t heartbeat;
  int schedstat; /* -1: none here */

  uint64_t entered_ns, idle_ns; /* the last poll's entry, and libuv's clock then */
  uint64_t returned_ns;         /* the poll before that one */
  uint64_t bound_ns;            /* how long the last poll could sleep */
  bool looked, stopped;         /* this turn's poll: it was looked at; it was a stop */
  uint64_t slept_ns;            /* in it */
  uint64_t beat_ms, due_ms;     /* the heartbeat's length, and when it comes, of uv_now */

  gauge_turn turns[TURNS]; /* the last ones, in a ring */
  uint64_t turn_count, turns_settled;

  uint64_t read_ns;              /* the read whose events come now */
  uint64_t segment_ns, since_ns; /* its bytes came by then and behind that, or 0 */
  uint64_t queue_ns;             /* it may be of what an earlier read left there, or 0 */
  uint64_t read_events;          /* of those that are not exact by that stamp */
  gauge_wait waits[LIST_MAX];
  size_t wait_count;
  uint64_t settled_ns, delay_ns; /* when the list was emptied, and the run delay then */
  bool stalled;                  /* since then */
  bool ran, eventful;            /* the latter: this turn had events */

  uint64_t mark_ns, mark_idle_ns, mark_cpu_ns, mark_delay_ns;
  uint64_t stall_above_ns;
  int64_t stalls;
  uint64_t stall_max_ns, peak_us;
};

static void on_prepare(uv_prepare_t *handle);
static void on_beat(uv_timer_t *handle);
static void settle(gauge *g, uint64_t now_ns);
static uint64_t run_delay(const gauge *g);
static int open_schedstat(void);

static uint64_t cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

gauge *gauge_open(uv_loop_t *loop, lti_hist *lag) {
  if (uv_loop_configure(loop, UV_METRICS_IDLE_TIME) != 0) return NULL;
  gauge *g = calloc(1, sizeof *g);
  if (!g) return NULL;
  g->loop = loop;
  g->lag = lag;
  g->schedstat = open_schedstat();
  g->stall_above_ns = GAUGE_STALL_NS;
  g->beat_ms = BEAT_MIN_MS;
  g->bound_ns = BEAT_MIN_MS * UINT64_C(1000000);
  g->entered_ns = g->returned_ns = g->settled_ns = uv_hrtime();
  g->delay_ns = run_delay(g);
  uv_prepare_init(loop, &g->prepare);
  uv_timer_init(loop, &g->heartbeat);
  g->prepare.data = g->heartbeat.data = g;
  uv_prepare_start(&g->prepare, on_prepare);
  uv_unref((uv_handle_t *)&g->prepare);
  uv_unref((uv_handle_t *)&g->heartbeat);
  gauge_mark(g, g->entered_ns);
  return g;
}

void gauge_close(gauge *g) {
  uv_close((uv_handle_t *)&g->prepare, NULL);
  uv_close((uv_handle_t *)&g->heartbeat, NULL);
}

void gauge_free(gauge *g) {
  if (!g) return;
  settle(g, uv_hrtime());
  if (g->schedstat >= 0) close(g->schedstat);
  free(g);
}

void gauge_show(gauge *g, pulse *live) {
  g->live = live;
}

void gauge_stall_above(gauge *g, uint64_t ns) {
  g->stall_above_ns = ns;
}

/* Longer than its bound, and not because the thread, awake, waited for a core: that is told by the
 * run delay. */
static bool overslept(const gauge *g, uint64_t slept_ns) {
  if (slept_ns <= g->bound_ns + LATE_NS) return false;
  return slept_ns > g->bound_ns + LATE_NS + (run_delay(g) - g->delay_ns);
}

static gauge_turn *turn_at(gauge *g, uint64_t number) {
  return &g->turns[number % TURNS];
}

/* Once a turn, at its first read or its end: from when on its reads may have waited, and how much
 * longer than that if the thread had no core. Bytes that woke a sleep were not there at its entry;
 * all other bases are the earliest that can be. */
static void look_at_poll(gauge *g) {
  if (g->looked) return;
  g->looked = true;
  g->slept_ns = uv_metrics_idle_time(g->loop) - g->idle_ns;
  g->stopped = overslept(g, g->slept_ns);
  bool woken = g->slept_ns >= SLEPT_NS && !g->stopped;
  gauge_turn *turn = turn_at(g, g->turn_count++);
  turn->entered_ns = g->entered_ns;
  turn->room_ns = woken ? g->slept_ns : 0;
  turn->base_ns = woken ? g->entered_ns + g->slept_ns : g->returned_ns;
  if (g->stopped) turn->base_ns = g->entered_ns;
}

/* The turn in which a read was begun; where that is not in the ring any more, its oldest. */
static const gauge_turn *turn_of(gauge *g, uint64_t ns) {
  uint64_t oldest = g->turn_count > TURNS ? g->turn_count - TURNS : 0, i = g->turn_count - 1;
  while (i > oldest && turn_at(g, i)->entered_ns > ns) i--;
  return turn_at(g, i);
}

/* The read whose events came until now is complete. Its turn's poll bounds it, or, if it is of what
 * another read had left there, that of the turn in which that queue was first read. An answer that
 * was paused is of an earlier turn, too. */
static void end_read(gauge *g) {
  if (g->read_events == 0) return;
  look_at_poll(g);
  uint64_t begun = g->queue_ns ? g->queue_ns : g->read_ns;
  const gauge_turn *turn = turn_of(g, begun);
  uint64_t at = g->segment_ns ? g->segment_ns : g->read_ns;
  bool lost = turn->entered_ns > begun; /* it was at least as late as the oldest turn says */
  bool told = g->since_ns && (lost || g->since_ns >= turn->base_ns);
  gauge_wait *wait = &g->waits[g->wait_count++];
  wait->lag_ns = (int64_t)(at - (told ? g->since_ns : turn->base_ns));
  wait->room_ns = told ? 0 : turn->room_ns;
  wait->events = g->read_events;
  g->read_events = 0;
  if (g->wait_count == LIST_MAX) settle(g, uv_hrtime());
}

static void record(gauge *g, uint64_t us, uint64_t events) {
  lti_hist_record_n(g->lag, us, events);
  if (g->live) pulse_add(&g->live->lag[pulse_bucket(us)], events);
  if (us > g->peak_us) g->peak_us = us;
}

void gauge_event(gauge *g, const leat_event *event) {
  if (event->received_ns != g->read_ns) {
    end_read(g);
    g->read_ns = event->received_ns;
    g->segment_ns = event->segment_ns;
    g->since_ns = event->segment_since_ns;
    g->queue_ns = event->segment_queue_ns;
    g->eventful = true;
  }
  if (event->segment_exact)
    record(g, 0, 1);
  else
    g->read_events++;
}

void gauge_mark(gauge *g, uint64_t now_ns) {
  end_read(g);
  settle(g, now_ns);
  /* What passed before the loop ran at all was no turn of it. */
  if (!g->ran) g->entered_ns = g->returned_ns = now_ns;
  g->mark_ns = now_ns;
  g->mark_idle_ns = uv_metrics_idle_time(g->loop);
  g->mark_cpu_ns = cpu_ns();
  g->mark_delay_ns = g->delay_ns;
  g->stalls = 0;
  g->stall_max_ns = g->peak_us = 0;
}

void gauge_read(gauge *g, uint64_t now_ns, gauge_reading *r) {
  end_read(g);
  settle(g, now_ns);
  uint64_t wall = now_ns > g->mark_ns ? now_ns - g->mark_ns : 0;
  uint64_t idle = uv_metrics_idle_time(g->loop) - g->mark_idle_ns;
  r->wall_s = (double)wall / 1e9;
  r->busy_s = idle < wall ? (double)(wall - idle) / 1e9 : 0;
  r->cpu_s = (double)(cpu_ns() - g->mark_cpu_ns) / 1e9;
  r->run_delay_us = g->schedstat < 0 ? -1 : (int64_t)((g->delay_ns - g->mark_delay_ns) / 1000);
  r->stalls = g->stalls;
  r->stall_max_us = (int64_t)(g->stall_max_ns / 1000);
}

uint64_t gauge_peak(gauge *g) {
  end_read(g);
  settle(g, uv_hrtime());
  uint64_t peak = g->peak_us;
  g->peak_us = 0;
  return peak;
}

static void note_stall(gauge *g, uint64_t ns) {
  if (ns <= g->stall_above_ns) return;
  g->stalls++;
  g->stalled = true;
  if (ns > g->stall_max_ns) g->stall_max_ns = ns;
}

static void settle_turns(gauge *g, uint64_t grown_ns) {
  if (g->turn_count - g->turns_settled > TURNS) g->turns_settled = g->turn_count - TURNS;
  for (; g->turns_settled < g->turn_count; g->turns_settled++) {
    gauge_turn *turn = turn_at(g, g->turns_settled);
    turn->base_ns -= grown_ns < turn->room_ns ? grown_ns : turn->room_ns;
    turn->room_ns = 0;
  }
}

static void settle(gauge *g, uint64_t now_ns) {
  uint64_t delay = run_delay(g), grown = delay > g->delay_ns ? delay - g->delay_ns : 0;
  g->delay_ns = delay;
  g->settled_ns = now_ns;
  for (size_t i = 0; i < g->wait_count; i++) {
    const gauge_wait *wait = &g->waits[i];
    int64_t ns = wait->lag_ns + (int64_t)(grown < wait->room_ns ? grown : wait->room_ns);
    record(g, ns > 0 ? (uint64_t)ns / 1000 : 0, wait->events);
  }
  g->wait_count = 0;
  settle_turns(g, grown);
  /* What made a turn long has been noted as that. */
  if (!g->stalled) note_stall(g, grown);
  g->stalled = false;
}

/* How long the coming poll can sleep: the timer is left alone while it bounds it well enough. */
static void set_heartbeat(gauge *g, bool eventful) {
  uint64_t now = uv_now(g->loop);
  g->beat_ms = eventful ? BEAT_MIN_MS : g->beat_ms * 2 < BEAT_MAX_MS ? g->beat_ms * 2 : BEAT_MAX_MS;
  if (g->due_ms <= now || g->due_ms > now + g->beat_ms) {
    g->due_ms = now + g->beat_ms;
    uv_timer_start(&g->heartbeat, on_beat, g->beat_ms, 0);
  }
  g->bound_ns = (g->due_ms - now) * 1000000;
}

static void on_prepare(uv_prepare_t *handle) {
  gauge *g = handle->data;
  g->ran = true;
  bool eventful = g->eventful;
  g->eventful = false;
  end_read(g);
  look_at_poll(g);
  uint64_t now = uv_hrtime(), returned = g->entered_ns + g->slept_ns;
  note_stall(g, now > returned ? now - returned : 0);
  if (g->stopped) note_stall(g, g->slept_ns - g->bound_ns);
  if (now - g->settled_ns >= SETTLE_NS) settle(g, now);
  set_heartbeat(g, eventful);
  /* A stop that ends the poll with a signal has libuv return from it without a look: what came in
   * the meantime is then reported by the next poll, and is held to the entry of this one. */
  g->returned_ns = g->stopped ? g->entered_ns : returned;
  g->idle_ns += g->slept_ns;
  g->looked = false;
  g->entered_ns = uv_hrtime();
}

static void on_beat(uv_timer_t *handle) {
  (void)handle; /* that the loop woke is all */
}

#ifndef LEAT_PORTABLE
/* The file tells of the thread that opened it, whoever reads it. */
static int open_schedstat(void) {
  return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

/* "95127200 107489 2": ns on a core, ns of waiting for one, times. */
static uint64_t run_delay(const gauge *g) {
  char text[80];
  unsigned long long waited = 0;
  ssize_t size = g->schedstat < 0 ? -1 : pread(g->schedstat, text, sizeof text - 1, 0);
  if (size <= 0) return g->delay_ns;
  text[size] = 0;
  return sscanf(text, "%*u %llu", &waited) == 1 ? waited : g->delay_ns;
}
#else
static int open_schedstat(void) {
  return -1;
}

static uint64_t run_delay(const gauge *g) {
  return g->delay_ns;
}
#endif
