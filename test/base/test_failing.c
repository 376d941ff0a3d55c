/* The failing allocator itself: what it must see, it sees. */
#include "support/failing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fails_the_call_it_was_told_to(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 2);
  leat_allocator a = failing_allocator(&f);
  void *one = a.malloc(a.user, 10);
  assert_non_null(one);
  assert_null(a.malloc(a.user, 10));
  void *three = a.realloc(a.user, one, 10, 20);
  assert_non_null(three);
  assert_int_equal(f.calls, 3);
  assert_int_equal(f.failed, 1);
  assert_int_equal(f.live_blocks, 1);
  assert_int_equal(f.live_bytes, 20);
  assert_false(failing_clean(&f));
  a.free(a.user, three);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

static void fails_for_ever_when_told_so(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 1);
  f.for_ever = true;
  leat_allocator a = failing_allocator(&f);
  for (int i = 0; i < 3; i++) assert_null(a.malloc(a.user, 1));
  assert_int_equal(f.failed, 3);
  failing_deinit(&f);
}

static void sees_a_double_free(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 0);
  leat_allocator a = failing_allocator(&f);
  void *p = a.malloc(a.user, 8);
  a.free(a.user, p);
  a.free(a.user, p);
  assert_int_equal(f.faults, 1);
  failing_deinit(&f);
}

static void sees_writes_outside_and_after(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 0);
  leat_allocator a = failing_allocator(&f);
  char *p = a.malloc(a.user, 8);
  p[8] = 1;
  a.free(a.user, p);
  assert_int_equal(f.faults, 1);
  p = a.malloc(a.user, 8);
  p[-1] = 1;
  a.free(a.user, p);
  assert_int_equal(f.faults, 2);
  p = a.malloc(a.user, 8);
  a.free(a.user, p);
  p[3] = 1;
  assert_false(failing_clean(&f));
  assert_int_equal(f.faults, 3);
  failing_deinit(&f);
}

static void sees_a_wrong_old_size_and_a_secret(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 0);
  f.canary = "sk-canary";
  leat_allocator a = failing_allocator(&f);
  char *p = a.malloc(a.user, 16);
  p = a.realloc(a.user, p, 15, 32);
  assert_int_equal(f.faults, 1);
  memcpy(p + 4, "sk-canary", 9);
  p = a.realloc(a.user, p, 32, 64);
  assert_int_equal(f.faults, 2);
  memset(p, 0, 64);
  a.free(a.user, p);
  assert_int_equal(f.faults, 2);
  failing_deinit(&f);
}

static void three_blocks(const leat_allocator *a, void *ctx) {
  void *p[3];
  (void)ctx;
  for (int i = 0; i < 3; i++) p[i] = a->malloc(a->user, 4);
  for (int i = 0; i < 3; i++) {
    if (p[i]) a->free(a->user, p[i]);
  }
}

static void every_n_stops_behind_the_last_call(void **state) {
  (void)state;
  assert_int_equal(failing_at_every_n(three_blocks, NULL), 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fails_the_call_it_was_told_to),
      cmocka_unit_test(fails_for_ever_when_told_so),
      cmocka_unit_test(sees_a_double_free),
      cmocka_unit_test(sees_writes_outside_and_after),
      cmocka_unit_test(sees_a_wrong_old_size_and_a_secret),
      cmocka_unit_test(every_n_stops_behind_the_last_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
