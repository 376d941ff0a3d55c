/* The promise of large uploads: a form with 2 GB from a pipe, in flat memory, every byte as it was
 * written; and the same over HTTP/2, through windows, with less. Smaller where a sanitizer makes
 * each byte dear. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pthread.h>

#include <cmocka.h>

#include "support/giver.h"
#include "support/taker.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#define BYTES       ((uint64_t)64 << 20)
#define BYTES_HTTP2 ((uint64_t)8 << 20)
#else
#define BYTES       ((uint64_t)2 << 30)
#define BYTES_HTTP2 ((uint64_t)128 << 20)
#endif
#define GROWTH_KB 4096
#define BLOCK     65536
#define WAIT_MS   110000

typedef struct scene {
  uv_timer_t guard;
  bool late;
  int fd;
  uint64_t written, taken;
  bool whole, wrong;
} scene;

static char block[BLOCK];

static void make_block(void) {
  for (size_t i = 0; i < BLOCK; i++) block[i] = giver_byte(i);
}

/* Kilobytes of a line in /proc/self/status; the peak begins anew with reset_peak. */
static long status_kb(const char *name) {
  char line[256];
  long kb = -1;
  FILE *file = fopen("/proc/self/status", "r");
  if (!file) return -1;
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, name, strlen(name))) kb = strtol(line + strlen(name) + 1, NULL, 10);
  fclose(file);
  return kb;
}

static void reset_peak(void) {
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (!file) return;
  fputs("5", file);
  fclose(file);
}

/* ---- the other end of the pipe, and of the connection */

static void *write_pipe(void *arg) {
  scene *s = arg;
  while (s->written < BYTES) {
    ssize_t n = write(s->fd, block + s->written % BLOCK, BLOCK - s->written % BLOCK);
    if (n <= 0) break;
    s->written += (uint64_t)n;
  }
  close(s->fd);
  return NULL;
}

/* Passes over everything up to an empty line. */
static bool skip_head(peer_link *l) {
  unsigned matched = 0;
  for (char c; matched < 4 && peer_take(l, &c, 1);)
    matched = c == "\r\n\r\n"[matched] ? matched + 1 : c == '\r' ? 1 : 0;
  return matched == 4;
}

static void read_form(peer_link *l, void *ctx) {
  static const char end[] = "--\r\n";
  scene *s = ctx;
  char bytes[16384], tail[2 + 2 + 40 + sizeof end - 1];
  if (!skip_head(l) || !skip_head(l)) return;
  while (s->taken < BYTES && !s->wrong) {
    size_t at = s->taken % BLOCK, room = BLOCK - at;
    if (room > sizeof bytes) room = sizeof bytes;
    if (room > BYTES - s->taken) room = (size_t)(BYTES - s->taken);
    size_t n = peer_take_some(l, bytes, room);
    if (n == 0) return;
    s->wrong = memcmp(bytes, block + at, n) != 0;
    s->taken += n;
  }
  s->whole = peer_take(l, tail, sizeof tail) && !memcmp(tail, "\r\n--", 4) &&
             !memcmp(tail + sizeof tail - (sizeof end - 1), end, sizeof end - 1);
  peer_say(l, "HTTP/1.1 200 OK\r\n<<body>>ok<<cut>>");
}

/* ---- waiting longer than flow_wait does */

static void on_guard(uv_timer_t *timer) {
  ((scene *)timer->data)->late = true;
}

static void wait_long(flow *f, scene *s, const flow_call *c) {
  uv_timer_init(&f->loop, &s->guard);
  s->guard.data = s;
  uv_timer_start(&s->guard, on_guard, WAIT_MS, 0);
  while (!c->dones && !s->late) uv_run(&f->loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&s->guard, NULL);
  assert_false(s->late);
}

/* The process's memory is looked at, unless it is a sanitizer's as well: then the engine's own. */
static long open_engine(flow *f) {
#ifndef SANITIZED
  f->config.allocator = (leat_allocator){NULL, NULL, NULL, NULL};
#endif
  flow_open(f);
  reset_peak();
  return status_kb("VmRSS:");
}

/* What an upload has cost. */
static void check_memory(const flow *f, const char *what, uint64_t bytes, long before_kb) {
  long growth = status_kb("VmHWM:") - before_kb;
#ifdef SANITIZED
  growth = (long)(f->memory.peak_bytes >> 10);
#endif
  (void)f;
  print_message("%s: %llu MB, memory grew by %ld KB\n", what, (unsigned long long)(bytes >> 20),
                growth);
  assert_true(growth < GROWTH_KB);
}

static void test_a_form_of_two_gigabytes_from_a_pipe(void **state) {
  flow *f = *state;
  scene *s = flow_keep(f, sizeof *s);
  int fds[2];
  pthread_t writer;
  make_block();
  assert_int_equal(pipe(fds), 0);
  s->fd = fds[1];
  f->request.protocol = "raw";
  f->request.body = lti_slice(NULL, 0);
  f->request.base_url = peer_url(flow_peer_script(f, read_form, s));
  f->request.deadlines.total_ms = LEAT_NONE;
  leat_source pipe_end = {.fd_plus_one = fds[0] + 1, .size = (int64_t)BYTES};
  leat_form_field field = {.name = "file", .source = &pipe_end, .filename = "two.bin"};
  f->request.form = &field;
  f->request.form_count = 1;
  long before = open_engine(f);
  assert_int_equal(pthread_create(&writer, NULL, write_pipe, s), 0);
  flow_call *c = flow_submit(f);
  close(fds[0]);
  wait_long(f, s, c);
  pthread_join(writer, NULL);
  flow_assert_error(c, LEAT_OK);
  assert_true(s->whole);
  assert_false(s->wrong);
  assert_int_equal(s->taken, BYTES);
  check_memory(f, "a form from a pipe", BYTES, before);
}

static void test_a_large_body_over_http2(void **state) {
  flow *f = *state;
  scene *s = flow_keep(f, sizeof *s);
  taker *t = taker_start(
      f, &(taker_plan){
             .http2 = true, .window = 1 << 20, .answers = (const char *const[]){"200", NULL}});
  taker_took *took = flow_keep(f, sizeof *took);
  f->request.protocol = "raw";
  f->request.http = LEAT_HTTP_2;
  f->request.body = lti_slice(NULL, 0);
  f->request.base_url = peer_url(taker_peer(t));
  f->request.deadlines.total_ms = LEAT_NONE;
  leat_source source = {.fd_plus_one = giver_pipe(giver_new(f, BYTES_HTTP2))};
  f->request.source = &source;
  long before = open_engine(f);
  flow_call *c = flow_submit(f);
  close(source.fd_plus_one - 1);
  wait_long(f, s, c);
  flow_assert_error(c, LEAT_OK);
  taker_look(t, took);
  assert_int_equal(took->body_size, BYTES_HTTP2);
  assert_true(took->hash == giver_hash(BYTES_HTTP2));
  check_memory(f, "HTTP/2", BYTES_HTTP2, before);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_a_form_of_two_gigabytes_from_a_pipe),
      FLOW_TEST(test_a_large_body_over_http2),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
