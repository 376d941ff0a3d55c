/* The pacer: see pacer.h.
 *
 * Where there is a timerfd, the kernel's high-resolution timer wakes the poll at the very time.
 * Setting it also forgets that it fired, so that a pacer which is set anew each time it is due
 * costs one system call a start.
 *
 * Else libuv's timer, which counts whole milliseconds, wakes the loop TAIL_NS early, and an idle
 * handle keeps it from sleeping until the time has come: the tail burns a core, but the loop goes
 * on reading in it, so that no answer is stamped late because of it. */
#include "bench/load/run/pacer.h"

#include <stdlib.h>
#include <unistd.h>
#ifndef LEAT_PORTABLE
#include <sys/timerfd.h>
#endif

#define TAIL_NS UINT64_C(2000000)

struct pacer {
  uv_loop_t *loop;
  void (*due)(void *ctx, uint64_t now_ns);
  void *ctx;
  uint64_t at_ns; /* UINT64_MAX: not set */
  int fd;         /* timerfd, -1: none */
  uv_poll_t poll;
  uv_timer_t timer;
  uv_idle_t idle;
};

static int open_timer(pacer *p);
static void set_timer(pacer *p, uint64_t at_ns);
static void on_alarm(uv_timer_t *handle);
static void on_idle(uv_idle_t *handle);

pacer *pacer_open(uv_loop_t *loop, void (*due)(void *ctx, uint64_t now_ns), void *ctx) {
  pacer *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->loop = loop;
  p->due = due;
  p->ctx = ctx;
  p->at_ns = UINT64_MAX;
  p->fd = open_timer(p);
  uv_timer_init(loop, &p->timer);
  uv_idle_init(loop, &p->idle);
  p->poll.data = p->timer.data = p->idle.data = p;
  return p;
}

void pacer_close(pacer *p) {
  if (p->fd >= 0) {
    uv_close((uv_handle_t *)&p->poll, NULL);
    close(p->fd);
    p->fd = -1;
  }
  uv_close((uv_handle_t *)&p->timer, NULL);
  uv_close((uv_handle_t *)&p->idle, NULL);
}

void pacer_free(pacer *p) {
  free(p);
}

/* In the last TAIL_NS the loop does not sleep. */
static void set_alarm(pacer *p, uint64_t at_ns) {
  uint64_t now = uv_hrtime();
  uv_timer_stop(&p->timer);
  uv_idle_stop(&p->idle);
  if (at_ns == UINT64_MAX) return;
  if (at_ns <= now + TAIL_NS) {
    uv_idle_start(&p->idle, on_idle);
    return;
  }
  uv_update_time(p->loop); /* libuv counts from the time it remembers */
  uv_timer_start(&p->timer, on_alarm, (at_ns - now - TAIL_NS) / 1000000, 0);
}

void pacer_at(pacer *p, uint64_t at_ns) {
  if (p->at_ns == at_ns) return;
  p->at_ns = at_ns;
  if (p->fd >= 0)
    set_timer(p, at_ns);
  else
    set_alarm(p, at_ns);
}

/* The time has come: whoever is told of it may set the next. */
static void fire(pacer *p, uint64_t now_ns) {
  p->at_ns = UINT64_MAX;
  p->due(p->ctx, now_ns);
}

static void on_alarm(uv_timer_t *handle) {
  pacer *p = handle->data;
  set_alarm(p, p->at_ns);
}

static void on_idle(uv_idle_t *handle) {
  pacer *p = handle->data;
  uint64_t now = uv_hrtime();
  if (now < p->at_ns) return;
  uv_idle_stop(&p->idle);
  fire(p, now);
}

#ifndef LEAT_PORTABLE
static void on_poll(uv_poll_t *poll, int status, int events) {
  pacer *p = poll->data;
  uint64_t now = uv_hrtime();
  (void)status, (void)events;
  if (p->at_ns > now) return; /* it was set anew behind the poll that reports it */
  fire(p, now);
  /* Not set anew, it would be reported again and again. */
  if (p->fd >= 0 && p->at_ns == UINT64_MAX) set_timer(p, UINT64_MAX);
}

/* Without a descriptor to be had, the other way serves as well. */
static int open_timer(pacer *p) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return -1;
  if (uv_poll_init(p->loop, &p->poll, fd) == 0) {
    uv_poll_start(&p->poll, UV_READABLE, on_poll);
    uv_unref((uv_handle_t *)&p->poll);
    return fd;
  }
  close(fd);
  return -1;
}

/* All zero disarms it: 0 is thus told as 1, which has passed as well. */
static void set_timer(pacer *p, uint64_t at_ns) {
  struct itimerspec spec = {0};
  if (at_ns == 0) at_ns = 1;
  if (at_ns != UINT64_MAX) {
    spec.it_value.tv_sec = (time_t)(at_ns / 1000000000u);
    spec.it_value.tv_nsec = (long)(at_ns % 1000000000u);
  }
  timerfd_settime(p->fd, TFD_TIMER_ABSTIME, &spec, NULL);
  if (at_ns == UINT64_MAX)
    uv_unref((uv_handle_t *)&p->poll);
  else
    uv_ref((uv_handle_t *)&p->poll);
}
#else
static int open_timer(pacer *p) {
  (void)p;
  return -1;
}

static void set_timer(pacer *p, uint64_t at_ns) {
  (void)p, (void)at_ns;
}
#endif
