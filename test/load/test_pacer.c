/* The pacer: never early, in order, set anew from its own callback, and without a descriptor the
 * same by other means. How late it is, depends on the machine: no test waits on that. */
#include "bench/load/run/pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

typedef struct scene {
  uv_loop_t loop;
  uv_timer_t limit;
  pacer *pacer;
  uint64_t at_ns, step_ns; /* the next, and the distance of those behind it */
  int left, fired, early;
  int others, others_before; /* timers beside it that fired, and those ahead of it */
} scene;

static void on_limit(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

static void on_due(void *ctx, uint64_t now_ns) {
  scene *s = ctx;
  s->fired++;
  s->others_before = s->others;
  if (now_ns < s->at_ns || uv_hrtime() < s->at_ns) s->early++;
  if (--s->left == 0) return;
  s->at_ns += s->step_ns;
  pacer_at(s->pacer, s->at_ns);
}

static void set_up(scene *s) {
  memset(s, 0, sizeof *s);
  assert_int_equal(uv_loop_init(&s->loop), 0);
  s->pacer = pacer_open(&s->loop, on_due, s);
  assert_non_null(s->pacer);
  uv_timer_init(&s->loop, &s->limit);
  uv_timer_start(&s->limit, on_limit, 30000, 0);
  uv_unref((uv_handle_t *)&s->limit);
  s->left = 1;
}

static void tear_down(scene *s) {
  pacer_close(s->pacer);
  uv_close((uv_handle_t *)&s->limit, NULL);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  pacer_free(s->pacer);
  assert_int_equal(uv_loop_close(&s->loop), 0);
}

/* Sets it to so far from now, and runs until it has fired as often as it should. */
static void run_at(scene *s, uint64_t from_now_ns) {
  s->at_ns = uv_hrtime() + from_now_ns;
  pacer_at(s->pacer, s->at_ns);
  uv_run(&s->loop, UV_RUN_DEFAULT);
}

static void fires_once_and_not_early(void **state) {
  (void)state;
  const uint64_t spans[] = {0, 1, 1000, MS / 3, 2 * MS - 1, 2 * MS, 5 * MS + 7, 31 * MS};
  for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
    scene s;
    set_up(&s);
    run_at(&s, spans[i]);
    assert_int_equal(s.fired, 1);
    assert_int_equal(s.early, 0);
    tear_down(&s);
  }
}

static void holds_the_loop_only_while_it_is_set(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(s.fired, 0);
  run_at(&s, 3 * MS);
  assert_int_equal(s.fired, 1);
  assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
  tear_down(&s);
}

static void the_past_is_now(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  pacer_at(s.pacer, 0);
  uv_run(&s.loop, UV_RUN_DEFAULT);
  assert_int_equal(s.fired, 1);
  tear_down(&s);
}

static void starts_follow_one_another(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.left = 500;
  s.step_ns = MS / 5;
  uint64_t from = uv_hrtime();
  run_at(&s, MS);
  assert_int_equal(s.fired, 500);
  assert_int_equal(s.early, 0);
  assert_true(uv_hrtime() - from >= 100 * MS);
  tear_down(&s);
}

static void can_be_put_off_and_called_off(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  pacer_at(s.pacer, uv_hrtime() + MS);
  pacer_at(s.pacer, UINT64_MAX);
  assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(s.fired, 0);
  pacer_at(s.pacer, uv_hrtime() + MS);
  run_at(&s, 8 * MS);
  assert_int_equal(s.fired, 1);
  assert_int_equal(s.early, 0);
  pacer_at(s.pacer, uv_hrtime() + 60000 * MS);
  s.left = 1;
  run_at(&s, MS);
  assert_int_equal(s.fired, 2);
  tear_down(&s);
}

static void on_other(uv_timer_t *timer) {
  scene *s = timer->data;
  s->others++;
}

/* Other handles are served while the busy tail runs, which is all of these 1.9 ms: here a timer in
 * its midst. A machine that stands still may hold up a try, but not each of them. */
static void loop_goes_on_in_the_last_moments(void **state) {
  (void)state;
  scene s;
  uv_timer_t other;
  set_up(&s);
  uv_timer_init(&s.loop, &other);
  other.data = &s;
  for (int i = 0; i < 50 && s.others_before == 0; i++) {
    s.left = 1;
    s.others = s.fired = 0;
    uv_update_time(&s.loop);
    uv_timer_start(&other, on_other, 1, 0);
    uv_unref((uv_handle_t *)&other);
    run_at(&s, 19 * MS / 10);
    assert_int_equal(s.fired, 1);
  }
  assert_int_equal(s.others_before, 1);
  uv_close((uv_handle_t *)&other, NULL);
  tear_down(&s);
}

/* No descriptor may be opened any more: the other way is taken, and is as exact. */
static void works_without_a_descriptor(void **state) {
  (void)state;
  struct rlimit before, none;
  scene s;
  memset(&s, 0, sizeof s);
  assert_int_equal(uv_loop_init(&s.loop), 0);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  none.rlim_cur = 0;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  s.pacer = pacer_open(&s.loop, on_due, &s);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_non_null(s.pacer);
  uv_timer_init(&s.loop, &s.limit);
  uv_timer_start(&s.limit, on_limit, 30000, 0);
  uv_unref((uv_handle_t *)&s.limit);
  s.left = 40;
  s.step_ns = 3 * MS;
  run_at(&s, 7 * MS);
  assert_int_equal(s.fired, 40);
  assert_int_equal(s.early, 0);
  pacer_at(s.pacer, uv_hrtime() + 5 * MS);
  pacer_at(s.pacer, UINT64_MAX);
  assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(s.fired, 40);
  tear_down(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fires_once_and_not_early),
      cmocka_unit_test(holds_the_loop_only_while_it_is_set),
      cmocka_unit_test(the_past_is_now),
      cmocka_unit_test(starts_follow_one_another),
      cmocka_unit_test(can_be_put_off_and_called_off),
      cmocka_unit_test(loop_goes_on_in_the_last_moments),
      cmocka_unit_test(works_without_a_descriptor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
