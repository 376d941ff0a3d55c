/* Random bytes: that they differ, that none is handed out twice or kept, across fork too, and that
 * a kernel that interrupts, gives parts or refuses is understood. getrandom is this program's own.
 */
#include "base/random.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
  int interrupts; /* so many calls are */
  size_t part;    /* a call gives at most this much; 0: all */
  bool refuses;
  unsigned calls;
} kernel;

/* Visible, so that it stands in the library's place too. */
__attribute__((visibility("default"))) ssize_t getrandom(void *out, size_t size, unsigned flags) {
  static ssize_t (*real)(void *, size_t, unsigned);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "getrandom");
  kernel.calls++;
  if (kernel.refuses || kernel.interrupts > 0) {
    errno = kernel.refuses ? EPERM : EINTR;
    kernel.interrupts--;
    return -1;
  }
  return real(out, kernel.part && kernel.part < size ? kernel.part : size, flags);
}

static lti_random *fresh(void) {
  static lti_random r;
  memset(&kernel, 0, sizeof kernel);
  lti_random_init(&r);
  return &r;
}

/* 65,536 bytes in pieces of all sizes: every value comes, about as often as every other. */
static void bytes_are_spread_evenly(void **state) {
  (void)state;
  lti_random *r = fresh();
  static unsigned char bytes[65536 + 300];
  unsigned seen[256] = {0};
  for (size_t at = 0, size = 0; at < 65536; at += size, size = (size + 1) % 300)
    lti_random_fill(r, bytes + at, size);
  for (size_t i = 0; i < 65536; i++) seen[bytes[i]]++;
  for (size_t i = 0; i < 256; i++) assert_in_range(seen[i], 100, 500);
  lti_random_deinit(r);
}

static int by_value(const void *a, const void *b) {
  uint64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return x < y ? -1 : x > y;
}

static void no_piece_comes_twice(void **state) {
  (void)state;
  lti_random *r = fresh();
  enum { PIECES = 20000 };
  uint64_t *pieces = malloc(PIECES * sizeof *pieces);
  assert_non_null(pieces);
  for (size_t i = 0; i < PIECES; i++) lti_random_fill(r, &pieces[i], sizeof pieces[i]);
  assert_int_equal(kernel.calls, PIECES * sizeof *pieces / LTI_RANDOM_BYTES);
  qsort(pieces, PIECES, sizeof *pieces, by_value);
  for (size_t i = 1; i < PIECES; i++) assert_true(pieces[i - 1] != pieces[i]);
  free(pieces);
  lti_random_deinit(r);
}

static bool holds(const lti_random *r, const unsigned char *piece, size_t size) {
  const unsigned char *all = (const unsigned char *)r;
  for (size_t i = 0; i + size <= sizeof *r; i++)
    if (memcmp(all + i, piece, size) == 0) return true;
  return false;
}

static void what_was_handed_out_is_not_kept(void **state) {
  (void)state;
  lti_random *r = fresh();
  unsigned char piece[16];
  for (int i = 0; i < 100; i++) {
    lti_random_fill(r, piece, sizeof piece);
    assert_false(holds(r, piece, sizeof piece));
  }
  lti_random_fill(r, piece, 1);
  lti_random_deinit(r);
  static const unsigned char nothing[LTI_RANDOM_BYTES];
  assert_memory_equal(r->bytes, nothing, sizeof nothing);
  assert_int_equal(r->left, 0);
}

/* Exactly what is asked for, and not a byte behind it. */
static void only_what_was_asked_for_is_written(void **state) {
  (void)state;
  lti_random *r = fresh();
  for (size_t size = 0; size < 600; size++) {
    unsigned char *out = malloc(size + 1);
    assert_non_null(out);
    memset(out, 0x5a, size + 1);
    lti_random_fill(r, out, size);
    assert_int_equal(out[size], 0x5a);
    free(out);
  }
  lti_random_deinit(r);
}

static void a_child_of_fork_draws_its_own(void **state) {
  (void)state;
  lti_random *r = fresh();
  unsigned char first, parents[32], childs[32];
  lti_random_fill(r, &first, 1);
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    lti_random_fill(r, childs, sizeof childs);
    _exit(write(ends[1], childs, sizeof childs) == sizeof childs ? 0 : 1);
  }
  lti_random_fill(r, parents, sizeof parents);
  assert_int_equal(read(ends[0], childs, sizeof childs), sizeof childs);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  assert_memory_not_equal(parents, childs, sizeof parents);
  close(ends[0]);
  close(ends[1]);
  lti_random_deinit(r);
}

static void a_kernel_that_interrupts_or_gives_parts(void **state) {
  (void)state;
  lti_random *r = fresh();
  kernel.interrupts = 5;
  kernel.part = 100;
  unsigned char long_one[1000] = {0}, zeroes[50] = {0};
  lti_random_fill(r, long_one, sizeof long_one);
  assert_int_equal(kernel.calls, 15);
  for (size_t i = 0; i < sizeof long_one; i += 50)
    assert_memory_not_equal(long_one + i, zeroes, sizeof zeroes);
  lti_random_fill(r, long_one, 1);
  assert_int_equal(kernel.calls, 18);
  lti_random_deinit(r);
}

static void a_kernel_that_refuses_ends_the_process(void **state) {
  (void)state;
  lti_random *r = fresh();
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGABRT, SIG_DFL);
    kernel.refuses = true;
    char out[4];
    lti_random_fill(r, out, sizeof out);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  lti_random_deinit(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_are_spread_evenly),
      cmocka_unit_test(no_piece_comes_twice),
      cmocka_unit_test(what_was_handed_out_is_not_kept),
      cmocka_unit_test(only_what_was_asked_for_is_written),
      cmocka_unit_test(a_child_of_fork_draws_its_own),
      cmocka_unit_test(a_kernel_that_interrupts_or_gives_parts),
      cmocka_unit_test(a_kernel_that_refuses_ends_the_process),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
