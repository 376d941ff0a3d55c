/* A loop with two signals, a clock and a wake-up. */
#include "watch.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "bindings/cli/say.h"

#define LIVE_PERIOD_MS 200

struct watch {
  uv_loop_t loop;
  uv_signal_t interrupt, terminate;
  uv_timer_t clock, rest;
  uv_async_t wake;
  crew *crew;
  live *live;
  bool interrupted;
};

static void on_signal(uv_signal_t *handle, int number) {
  watch *w = handle->data;
  if (w->interrupted) _exit(128 + number);
  w->interrupted = true;
  if (w->crew) crew_stop(w->crew);
  uv_stop(&w->loop);
}

static void on_clock(uv_timer_t *handle) {
  watch *w = handle->data;
  if (w->live && w->crew) live_tick(w->live, w->crew, uv_hrtime());
}

static void on_wake(uv_async_t *handle) {
  uv_stop(handle->loop);
}

static void on_rest(uv_timer_t *handle) {
  uv_stop(handle->loop);
}

watch *watch_open(void) {
  watch *w = calloc(1, sizeof *w);
  if (!w || uv_loop_init(&w->loop) != 0) {
    cli_say("cannot make an event loop");
    free(w);
    return NULL;
  }
  if (uv_async_init(&w->loop, &w->wake, on_wake) != 0) {
    cli_say("cannot make an event loop: too many open files?");
    uv_loop_close(&w->loop);
    free(w);
    return NULL;
  }
  uv_signal_init(&w->loop, &w->interrupt);
  uv_signal_init(&w->loop, &w->terminate);
  uv_timer_init(&w->loop, &w->clock);
  uv_timer_init(&w->loop, &w->rest);
  w->interrupt.data = w->terminate.data = w->clock.data = w;
  uv_signal_start(&w->interrupt, on_signal, SIGINT);
  uv_signal_start(&w->terminate, on_signal, SIGTERM);
  return w;
}

void watch_over(void *w) {
  uv_async_send(&((watch *)w)->wake);
}

void watch_crew(watch *w, crew *c, live *view) {
  w->crew = c;
  w->live = view;
  if (w->interrupted) crew_stop(c);
  if (view) uv_timer_start(&w->clock, on_clock, LIVE_PERIOD_MS, LIVE_PERIOD_MS);
  while (!crew_over(c)) uv_run(&w->loop, UV_RUN_DEFAULT);
  uv_timer_stop(&w->clock);
  w->crew = NULL;
  w->live = NULL;
}

void watch_rest(watch *w, uint64_t ms) {
  if (w->interrupted || ms == 0) return;
  uv_update_time(&w->loop);
  uv_timer_start(&w->rest, on_rest, ms, 0);
  while (uv_is_active((uv_handle_t *)&w->rest) && !w->interrupted) uv_run(&w->loop, UV_RUN_DEFAULT);
  uv_timer_stop(&w->rest);
}

bool watch_interrupted(const watch *w) {
  return w->interrupted;
}

void watch_close(watch *w) {
  if (!w) return;
  uv_close((uv_handle_t *)&w->interrupt, NULL);
  uv_close((uv_handle_t *)&w->terminate, NULL);
  uv_close((uv_handle_t *)&w->clock, NULL);
  uv_close((uv_handle_t *)&w->rest, NULL);
  uv_close((uv_handle_t *)&w->wake, NULL);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  uv_loop_close(&w->loop);
  free(w);
}
