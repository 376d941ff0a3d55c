/* A gauge on a loop of a test's own: bytes come through a pipe from another process, the loop reads
 * them, stamps the read as the engine does, and tells the gauge. What the other process stamped is
 * the truth that a lag must not fall below. */
#include "bench/load/run/gauge.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

/* A loop with a gauge, and a pipe that it reads. */
typedef struct scene {
  uv_loop_t loop;
  uv_poll_t poll;
  uv_timer_t limit;
  gauge *gauge;
  lti_alloc alloc;
  lti_hist *lag;
  int pipe[2];
  uint64_t work_ns; /* a turn that reads takes so long behind its read */
  uint64_t events;  /* of each read */
  int reads, wanted;
  int echoes;       /* so many reads write the next message themselves, ahead of their work */
  uint64_t late_us; /* the latest read, by its writer's stamp */
} scene;

static void burn(uint64_t ns) {
  uint64_t end = uv_hrtime() + ns;
  while (uv_hrtime() < end) continue;
}

static void rest(uint64_t ns) {
  struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
  while (nanosleep(&t, &t) != 0) continue;
}

static void write_now(int fd) {
  uint64_t now = uv_hrtime();
  assert_int_equal(write(fd, &now, sizeof now), sizeof now);
}

/* Each message is the time of its writing. */
static void on_readable(uv_poll_t *poll, int status, int events) {
  scene *s = poll->data;
  uint64_t written;
  (void)status, (void)events;
  if (read(s->pipe[0], &written, sizeof written) != sizeof written) {
    uv_stop(&s->loop);
    return;
  }
  uint64_t now = uv_hrtime(), late_us = (now - written) / 1000;
  if (late_us > s->late_us) s->late_us = late_us;
  for (uint64_t i = 0; i < s->events; i++) gauge_event(s->gauge, &(leat_event){.received_ns = now});
  if (s->echoes-- > 0) write_now(s->pipe[1]);
  if (s->work_ns) burn(s->work_ns);
  if (++s->reads == s->wanted) uv_stop(&s->loop);
}

static void on_limit(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

static void set_up(scene *s) {
  memset(s, 0, sizeof *s);
  lti_alloc_init(&s->alloc, NULL);
  s->lag = lti_hist_new(&s->alloc);
  assert_non_null(s->lag);
  assert_int_equal(uv_loop_init(&s->loop), 0);
  assert_int_equal(pipe(s->pipe), 0);
  s->gauge = gauge_open(&s->loop, s->lag);
  assert_non_null(s->gauge);
  assert_int_equal(uv_poll_init(&s->loop, &s->poll, s->pipe[0]), 0);
  uv_timer_init(&s->loop, &s->limit);
  s->poll.data = s;
  s->events = 1;
  s->wanted = 1;
  uv_poll_start(&s->poll, UV_READABLE, on_readable);
}

static void run_for(scene *s, uint64_t ms) {
  gauge_mark(s->gauge, uv_hrtime());
  uv_update_time(&s->loop);
  uv_timer_start(&s->limit, on_limit, ms, 0);
  uv_run(&s->loop, UV_RUN_DEFAULT);
}

static void tear_down(scene *s) {
  gauge_close(s->gauge);
  uv_close((uv_handle_t *)&s->poll, NULL);
  uv_close((uv_handle_t *)&s->limit, NULL);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  gauge_free(s->gauge);
  assert_int_equal(uv_loop_close(&s->loop), 0);
  close(s->pipe[0]);
  if (s->pipe[1] >= 0) close(s->pipe[1]);
  lti_hist_free(s->lag);
}

static void write_some(scene *s, int count, uint64_t gap_ns) {
  for (int i = 0; i < count; i++) {
    rest(gap_ns);
    write_now(s->pipe[1]);
  }
}

/* A process that writes `count` messages, `gap_ns` apart, after as long. */
static pid_t start_writer(scene *s, int count, uint64_t gap_ns) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid > 0) {
    close(s->pipe[1]);
    s->pipe[1] = -1;
    return pid;
  }
  write_some(s, count, gap_ns);
  _exit(0);
}

static void reap(pid_t pid) {
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

static void events_count_by_reads_and_weigh_by_their_number(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.events = 7;
  s.wanted = 20;
  pid_t pid = start_writer(&s, 20, 3 * MS);
  run_for(&s, 20000);
  reap(pid);
  gauge_peak(s.gauge);
  assert_int_equal(s.reads, 20);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(lti_hist_count(s.lag), 140);
  tear_down(&s);
}

/* Bytes that wake a sleeping loop were not waiting while it slept: reads are late by far less than
 * the gaps between them, those apart that a busy machine keeps waiting. */
static void sleep_is_not_lag(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.wanted = 21;
  pid_t pid = start_writer(&s, 21, 20 * MS);
  run_for(&s, 20000);
  reap(pid);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(lti_hist_count(s.lag), 21);
  assert_true(lti_hist_percentile(s.lag, 10) < 10000);
  assert_true(r.wall_s >= 0.4);
  assert_true(r.busy_s < r.wall_s * 0.8);
  assert_true(r.cpu_s < r.wall_s * 0.8);
  tear_down(&s);
}

/* What comes while a turn works is late by as much as was left of the turn, and no lag is told that
 * is smaller than the truth. */
static void busy_turn_is_lag_of_what_came_in_it(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.wanted = 8;
  s.echoes = 7;
  s.work_ns = 20 * MS;
  write_now(s.pipe[1]);
  run_for(&s, 20000);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(lti_hist_count(s.lag), 8);
  assert_true(s.late_us >= 20000);
  assert_true(lti_hist_percentile(s.lag, 25) >= 20000);
  assert_true(lti_hist_max(s.lag) + 1000 >= s.late_us);
  assert_true(r.stalls >= 7);
  assert_true(r.stall_max_us >= 20000);
  assert_true(r.busy_s >= 0.16);
  tear_down(&s);
}

static void stalls_are_those_above_their_threshold(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.wanted = 3;
  s.work_ns = 8 * MS;
  gauge_stall_above(s.gauge, 60000 * MS);
  pid_t pid = start_writer(&s, 3, 12 * MS);
  run_for(&s, 20000);
  reap(pid);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(r.stalls, 0);
  assert_int_equal(r.stall_max_us, 0);
  tear_down(&s);
}

/* A writer that stops this process for 60 ms and goes on in the meantime: the last messages, for
 * which the run waits, come behind that. */
static pid_t start_stopper(scene *s) {
  pid_t us = getpid(), pid = fork();
  assert_true(pid >= 0);
  if (pid > 0) return pid;
  write_some(s, 10, 5 * MS);
  kill(us, SIGSTOP);
  write_some(s, 12, 5 * MS);
  kill(us, SIGCONT);
  write_some(s, 18, 5 * MS);
  _exit(0);
}

static void stopped_process_is_seen_in_its_sleep(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.wanted = 40;
  pid_t stopper = start_stopper(&s);
  run_for(&s, 20000);
  reap(stopper);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(s.reads, 40);
  assert_true(lti_hist_max(s.lag) >= 40000);
  assert_true(lti_hist_max(s.lag) + 1000 >= s.late_us);
  assert_true(r.stalls >= 1);
  assert_true(r.stall_max_us >= 40000);
  tear_down(&s);
}

static void on_prepare(uv_prepare_t *handle) {
  char *order = handle->loop->data;
  size_t size = strlen(order);
  if (size < 8) order[size] = *(const char *)handle->data;
}

/* What the gauge relies on: its prepare, started before the engine's, comes behind it in each turn,
 * right before the poll. */
static void what_starts_last_runs_first(void **state) {
  (void)state;
  uv_loop_t loop;
  uv_prepare_t first, last;
  char order[16] = {0};
  assert_int_equal(uv_loop_init(&loop), 0);
  loop.data = order;
  uv_prepare_init(&loop, &first);
  uv_prepare_init(&loop, &last);
  static char names[] = "fl";
  first.data = &names[0];
  last.data = &names[1];
  uv_prepare_start(&first, on_prepare);
  uv_prepare_start(&last, on_prepare);
  for (int i = 0; i < 3; i++) uv_run(&loop, UV_RUN_NOWAIT);
  assert_string_equal(order, "lflflf");
  uv_close((uv_handle_t *)&first, NULL);
  uv_close((uv_handle_t *)&last, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

/* A server that says nothing for long is no fault of ours. */
static void silence_is_no_lag(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.wanted = 1;
  pid_t writer = start_writer(&s, 1, 300 * MS);
  run_for(&s, 20000);
  reap(writer);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(lti_hist_count(s.lag), 1);
  assert_true(lti_hist_max(s.lag) < 100000);
  assert_true(r.wall_s >= 0.3);
  tear_down(&s);
}

static void marks_begin_anew(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.wanted = 4;
  s.echoes = 3;
  s.work_ns = 12 * MS;
  write_now(s.pipe[1]);
  run_for(&s, 20000);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_true(r.stalls >= 3);
  gauge_stall_above(s.gauge, 60000 * MS);
  gauge_mark(s.gauge, uv_hrtime());
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(r.stalls, 0);
  assert_int_equal(r.stall_max_us, 0);
  assert_true(r.wall_s < 10);
  assert_true(r.busy_s <= r.wall_s);
  tear_down(&s);
}

static void peak_is_told_once(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  s.wanted = 2;
  s.echoes = 1;
  s.work_ns = 15 * MS;
  write_now(s.pipe[1]);
  run_for(&s, 20000);
  assert_true(gauge_peak(s.gauge) >= 15000);
  assert_int_equal(gauge_peak(s.gauge), 0);
  tear_down(&s);
}

static uint64_t shown(const pulse *live) {
  uint64_t sum = 0;
  for (size_t i = 0; i < PULSE_BUCKETS; i++) sum += live->lag[i];
  return sum;
}

static void live_view_gets_the_same_events(void **state) {
  (void)state;
  scene s;
  static pulse live;
  set_up(&s);
  s.events = 300;
  s.wanted = 5;
  gauge_show(s.gauge, &live);
  pid_t writer = start_writer(&s, 5, 2 * MS);
  run_for(&s, 20000);
  reap(writer);
  gauge_peak(s.gauge);
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(shown(&live), 1500);
  assert_int_equal(lti_hist_count(s.lag), 1500);
  tear_down(&s);
}

/* More reads in one turn than the gauge's list holds. */
static void many_reads_of_a_turn_are_all_recorded(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  gauge_mark(s.gauge, uv_hrtime());
  uint64_t now = uv_hrtime();
  for (uint64_t i = 0; i < 5000; i++) gauge_event(s.gauge, &(leat_event){.received_ns = now + i});
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(lti_hist_count(s.lag), 5000);
  tear_down(&s);
}

/* A read 40 ms after the poll returned, of bytes that the kernel had 30 ms before. What they end
 * with came then; what lies in front of it came at some time of those 10 ms. */
static void what_ends_a_segment_is_not_late(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  gauge_mark(s.gauge, uv_hrtime());
  uint64_t read_ns = uv_hrtime() + 40 * MS, segment_ns = read_ns - 30 * MS;
  for (int i = 0; i < 3; i++)
    gauge_event(
        s.gauge,
        &(leat_event){.received_ns = read_ns, .segment_ns = segment_ns, .segment_exact = i == 2});
  gauge_event(s.gauge, &(leat_event){.received_ns = read_ns + 1});
  assert_in_range(gauge_peak(s.gauge), 39000, 40100);
  assert_int_equal(lti_hist_count(s.lag), 4);
  assert_int_equal(lti_hist_percentile(s.lag, 25), 0);
  assert_in_range(lti_hist_percentile(s.lag, 75), 9000, 10100);
  tear_down(&s);
}

/* Reads of one connection in a turn that began long before: what came behind the stamp of the read
 * before is late by no more than what is between the two. */
static void the_read_before_bounds_the_lag(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  gauge_mark(s.gauge, uv_hrtime());
  uint64_t now = uv_hrtime();
  leat_event event = {
      .received_ns = now + 50 * MS, .segment_ns = now + 49 * MS, .segment_since_ns = now + 44 * MS};
  gauge_event(s.gauge, &event);
  assert_in_range(gauge_peak(s.gauge), 4900, 5100);
  /* Of the first read of a connection nothing is known. */
  event = (leat_event){.received_ns = now + 52 * MS, .segment_ns = now + 51 * MS};
  gauge_event(s.gauge, &event);
  assert_in_range(gauge_peak(s.gauge), 50900, 51200);
  tear_down(&s);
}

static uint64_t peak_of(gauge *g, const leat_event *event) {
  gauge_event(g, event);
  gauge_event(g, &(leat_event){.received_ns = event->received_ns + 1, .segment_exact = true});
  return gauge_peak(g);
}

/* What is left of a queue may have been there when the first read of it was begun, many turns ago.
 * An older stamp bounds it better, and is all there is when that was too long ago. */
static void a_queue_is_late_since_its_first_read(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  gauge_mark(s.gauge, uv_hrtime());
  /* From before the gauge: its first turn is all that there is. */
  leat_event early = {.received_ns = uv_hrtime() + MS, .segment_queue_ns = 1};
  assert_in_range(peak_of(s.gauge, &early), 900, 100000);
  write_now(s.pipe[1]);
  run_for(&s, 20000);
  uint64_t first_ns = uv_hrtime();
  run_for(&s, 80);
  gauge_peak(s.gauge);
  uint64_t now = uv_hrtime();
  leat_event event = {.received_ns = now, .segment_ns = now};
  uint64_t alone_us = peak_of(s.gauge, &event);
  event.segment_queue_ns = first_ns;
  assert_true(peak_of(s.gauge, &event) >= 79000);
  assert_true(peak_of(s.gauge, &event) > alone_us);
  event.segment_since_ns = now - 5 * MS;
  assert_in_range(peak_of(s.gauge, &event), 4900, 5100);
  event.segment_since_ns = first_ns - 1000 * MS;
  assert_in_range(peak_of(s.gauge, &event), 79000, 900000);
  for (int i = 0; i < 5000; i++) uv_run(&s.loop, UV_RUN_NOWAIT);
  assert_in_range(peak_of(s.gauge, &event), 1000000, 1200000);
  tear_down(&s);
}

/* The kernel's stamp lies before our waking: what is late is the waking, and not the event. */
static void a_stamp_from_before_our_waking_is_no_lag(void **state) {
  (void)state;
  scene s;
  set_up(&s);
  gauge_mark(s.gauge, uv_hrtime());
  uint64_t now = uv_hrtime();
  gauge_event(s.gauge, &(leat_event){.received_ns = now + MS, .segment_ns = now - 2 * MS});
  gauge_reading r;
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(lti_hist_count(s.lag), 1);
  assert_int_equal(lti_hist_max(s.lag), 0);
  tear_down(&s);
}

#ifdef LEAT_PORTABLE
static void run_delay_is_unknown_here(void **state) {
  (void)state;
  scene s;
  gauge_reading r;
  set_up(&s);
  gauge_read(s.gauge, uv_hrtime(), &r);
  assert_int_equal(r.run_delay_us, -1);
  tear_down(&s);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(events_count_by_reads_and_weigh_by_their_number),
      cmocka_unit_test(sleep_is_not_lag),
      cmocka_unit_test(busy_turn_is_lag_of_what_came_in_it),
      cmocka_unit_test(stalls_are_those_above_their_threshold),
      cmocka_unit_test(stopped_process_is_seen_in_its_sleep),
      cmocka_unit_test(what_starts_last_runs_first),
      cmocka_unit_test(silence_is_no_lag),
      cmocka_unit_test(marks_begin_anew),
      cmocka_unit_test(peak_is_told_once),
      cmocka_unit_test(live_view_gets_the_same_events),
      cmocka_unit_test(many_reads_of_a_turn_are_all_recorded),
      cmocka_unit_test(what_ends_a_segment_is_not_late),
      cmocka_unit_test(the_read_before_bounds_the_lag),
      cmocka_unit_test(a_queue_is_late_since_its_first_read),
      cmocka_unit_test(a_stamp_from_before_our_waking_is_no_lag),
#ifdef LEAT_PORTABLE
      cmocka_unit_test(run_delay_is_unknown_here),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
