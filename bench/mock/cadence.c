/* When things are due: one heap of connections and exchanges keyed by uv_hrtime and one timerfd
 * behind it.
 *
 * Deadlines ahead of now are rounded up to whole ticks of the monotonic clock, a millisecond where
 * nothing else is asked for, so that the events of thousands of streams share a wake-up instead of
 * costing one each; lateness is counted from the rounded time. Of the events that share a tick the
 * last is late by what the others cost, so a finer tick is a more punctual gateway; and so that the
 * first of hundreds does not leave with the last, bytes are written every SHARE_MAX. Schedules are
 * absolute: a late event does not move the next. libuv's own timers would add up to a millisecond
 * more, because a sleep starts at a cached time: built with LEAT_PORTABLE they serve instead, set a
 * millisecond early and then again and again, which keeps the loop awake until the time has come.
 */
#include <errno.h>
#include <string.h>
#ifndef LEAT_PORTABLE
#include <sys/timerfd.h>
#endif
#include <unistd.h>

#include "bench/mock/gateway.h"

#define TURN_MAX  2048 /* served before the loop looks at its sockets again */
#define SHARE_MAX 64   /* served before their bytes are given to the sockets */

static void run(mock *m);
static int open_clock(mock *m);
/* MOCK_NEVER: not at all. */
static void set_clock(mock *m, uint64_t at_ns);

int mock_cadence_init(mock *m) {
  lti_heap_init(&m->due, &m->alloc);
  m->armed_ns = MOCK_NEVER;
  return open_clock(m);
}

static void clock_closed(uv_handle_t *handle) {
  mock_unref(handle->data);
}

void mock_cadence_close(mock *m) {
  if (m->clock.data) uv_close((uv_handle_t *)&m->clock, clock_closed);
  if (m->clock_fd >= 0) close(m->clock_fd);
  m->clock_fd = -1;
}

static void arm(mock *m) {
  lti_heap_node *first = lti_heap_min(&m->due);
  if (!m->clock.data || uv_is_closing((uv_handle_t *)&m->clock)) return;
  if (first && first->key == m->armed_ns) return;
  m->armed_ns = first ? first->key : MOCK_NEVER;
  set_clock(m, m->armed_ns);
}

static void run(mock *m) {
  m->running_due = true;
  uint64_t now = uv_hrtime();
  for (int i = 0; i < TURN_MAX; i++) {
    lti_heap_node *first = lti_heap_min(&m->due);
    if (!first || first->key > now) break;
    mock_due *due = LTI_CONTAINER_OF(first, mock_due, node);
    lti_heap_remove(&m->due, first);
    due->on_due(due);
    if ((i + 1) % SHARE_MAX == 0) mock_conn_pump_marked(m);
  }
  mock_conn_pump_marked(m);
  m->running_due = false;
  arm(m);
}

void mock_cadence_turn(mock *m) {
  lti_heap_node *first = lti_heap_min(&m->due);
  if (!m->running_due && first && first->key <= uv_hrtime()) run(m);
}

bool mock_cadence_set(mock *m, mock_due *d, uint64_t due_ns, void (*on_due)(mock_due *)) {
  uint64_t tick_ns = m->config.tick_us * 1000;
  if (due_ns > uv_hrtime()) due_ns = (due_ns + tick_ns - 1) / tick_ns * tick_ns;
  d->on_due = on_due;
  if (lti_heap_set(&m->due, &d->node, due_ns)) return false;
  if (!m->running_due && lti_heap_min(&m->due)->key < m->armed_ns) arm(m);
  return true;
}

void mock_cadence_stop(mock *m, mock_due *d) {
  lti_heap_remove(&m->due, &d->node);
}

#ifndef LEAT_PORTABLE
static void on_clock(uv_poll_t *handle, int status, int events) {
  mock *m = handle->data;
  (void)status;
  (void)events;
  m->armed_ns = MOCK_NEVER;
  run(m);
}

static int open_clock(mock *m) {
  m->clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (m->clock_fd < 0) return -errno;
  int err = uv_poll_init(m->loop, &m->clock, m->clock_fd);
  if (err) return err;
  m->handles++;
  m->clock.data = m;
  return uv_poll_start(&m->clock, UV_READABLE, on_clock);
}

/* Setting the time also takes back an expiry that nobody has read; with nothing due it must be
 * taken back too, or the loop would not sleep. */
static void set_clock(mock *m, uint64_t at_ns) {
  struct itimerspec when;
  memset(&when, 0, sizeof when);
  if (at_ns != MOCK_NEVER) {
    when.it_value.tv_sec = (time_t)(at_ns / 1000000000u);
    when.it_value.tv_nsec = (long)(at_ns % 1000000000u);
  }
  timerfd_settime(m->clock_fd, at_ns == MOCK_NEVER ? 0 : TFD_TIMER_ABSTIME, &when, NULL);
}
#else
static void on_clock(uv_timer_t *handle) {
  mock *m = handle->data;
  m->armed_ns = MOCK_NEVER;
  run(m);
}

static int open_clock(mock *m) {
  int err = uv_timer_init(m->loop, &m->clock);
  if (err) return err;
  m->handles++;
  m->clock.data = m;
  return 0;
}

static void set_clock(mock *m, uint64_t at_ns) {
  uint64_t now = uv_hrtime();
  uv_timer_stop(&m->clock);
  if (at_ns == MOCK_NEVER) return;
  uv_update_time(m->loop);
  uv_timer_start(&m->clock, on_clock, at_ns > now ? (at_ns - now) / 1000000u : 0, 0);
}
#endif
