/* See scale.h. Settling turns the borrowed loop without sleeping for ever: idle connections hold no
 * loop, so it is the test that waits for them. */
#include "support/scale.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

uint64_t scale_divisor(void) {
  const char *text = getenv("LEAT_SCALE_DIVISOR");
  unsigned long long n = text ? strtoull(text, NULL, 10) : 0;
  return n > 0 ? n : SCALE_SANITIZED ? 4 : 1;
}

long scale_fds(void) {
  DIR *folder = opendir("/proc/self/fd");
  long count = 0;
  assert_non_null(folder);
  for (const struct dirent *e; (e = readdir(folder));) count += e->d_name[0] != '.';
  closedir(folder);
  return count - 1; /* the folder's own */
}

long scale_rss_kb(void) {
  FILE *f = fopen("/proc/self/statm", "r");
  long pages = 0, resident = 0;
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%ld %ld", &pages, &resident), 2);
  fclose(f);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

bool scale_init(scale *s, const char *const *gateway_options, unsigned seconds_max) {
  memset(s, 0, sizeof *s);
  alarm(seconds_max);
  if (!gateway_start(&s->gateway, gateway_options)) return false;
  leat_config_init(&s->config);
  s->config.base_url = s->gateway.url;
  s->config.ca_file = *s->gateway.ca ? s->gateway.ca : NULL;
  s->config.http = LEAT_HTTP_1;
  return true;
}

void scale_open(scale *s) {
  const char *message = NULL;
  /* The first loop of a process leaves libuv's signal pipe behind. */
  assert_int_equal(uv_loop_init(&s->loop), 0);
  assert_int_equal(uv_loop_close(&s->loop), 0);
  s->fds = scale_fds();
  failing_init(&s->memory, 0);
  assert_int_equal(uv_loop_init(&s->loop), 0);
  s->config.loop = &s->loop;
  if (!s->config.allocator.malloc) s->config.allocator = failing_allocator(&s->memory);
  int error = leat_open(&s->engine, &s->config, &message);
  if (error) fail_msg("leat_open: %s: %s", leat_error_name(error), message ? message : "");
}

void scale_close(scale *s) {
  assert_int_equal(leat_close(s->engine, LEAT_CLOSE_NOW, NULL, NULL), LEAT_OK);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&s->loop), 0);
  assert_true(failing_clean(&s->memory));
  failing_deinit(&s->memory);
  assert_int_equal(scale_fds(), s->fds);
}

void scale_deinit(scale *s) {
  gateway_stop(&s->gateway);
  alarm(0);
}

void scale_run(scale *s) {
  uv_run(&s->loop, UV_RUN_DEFAULT);
}

leat_stats scale_stats(const scale *s) {
  leat_stats stats;
  assert_int_equal(leat_stats_get(s->engine, &stats, sizeof stats), LEAT_OK);
  return stats;
}

static void on_tick(uv_timer_t *timer) {
  (void)timer;
}

void scale_settle(scale *s) {
  uv_timer_t tick;
  uv_timer_init(&s->loop, &tick);
  uv_timer_start(&tick, on_tick, 10, 10);
  do uv_run(&s->loop, UV_RUN_ONCE);
  while (scale_stats(s).conns_open > 0);
  uv_run(&s->loop, UV_RUN_ONCE); /* libuv tells of closed sockets a turn later */
  uv_close((uv_handle_t *)&tick, NULL);
  uv_run(&s->loop, UV_RUN_DEFAULT);
}

scale_level scale_level_now(const scale *s) {
  return (scale_level){s->memory.live_blocks, s->memory.live_bytes, scale_fds()};
}

void scale_level_check(scale_level before, scale_level after) {
  assert_int_equal(after.blocks, before.blocks);
  assert_int_equal(after.bytes, before.bytes);
  assert_int_equal(after.fds, before.fds);
}
