/* The canary of the secret tests: a copy is found wherever it lies, and no copy is not. */
#include "support/canary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

static void a_copy_on_the_heap_is_found_until_it_is_wiped(void **state) {
  (void)state;
  canary c;
  canary_init(&c, 1);
  assert_true(canary_find(&c) == 0);
  char *block = malloc(100000);
  assert_non_null(block);
  memset(block, 's', 100000);
  canary_text(&c, block + 70001);
  assert_true(canary_find(&c) == (uintptr_t)(block + 70001));
  lti_wipe(block, 100000);
  assert_true(canary_find(&c) == 0);
  free(block);
}

static void is_seen_in_bytes_at_every_place(void **state) {
  (void)state;
  canary c, other;
  char text[100];
  canary_init(&c, 2);
  canary_init(&other, 3);
  for (size_t at = 0; at + CANARY_SIZE < sizeof text; at++) {
    memset(text, 's', sizeof text);
    canary_text(&c, text + at);
    assert_true(canary_in(&c, lti_slice(text, at + CANARY_SIZE)));
    assert_false(canary_in(&c, lti_slice(text, at + CANARY_SIZE - 1)));
    assert_false(canary_in(&other, lti_slice(text, sizeof text)));
  }
  assert_false(canary_in(&c, lti_slice(NULL, 0)));
  lti_wipe(text, sizeof text);
}

/* A growing secret buffer on plain malloc leaves nothing behind, which no allocator of a test could
 * show as well: malloc's own realloc would have. */
static void key_07_a_secret_buffer_leaves_nothing_in_the_process(void **state) {
  (void)state;
  canary c;
  char text[CANARY_SIZE + 1];
  lti_alloc a;
  lti_buf b;
  canary_init(&c, 4);
  lti_alloc_init(&a, NULL);
  lti_buf_init(&b, &a, 1 << 20, LEAT_EBODYMAX);
  b.secret = true;
  for (int i = 0; i < 3000; i++) {
    canary_text(&c, text);
    assert_int_equal(lti_buf_text(&b, text), 0);
  }
  lti_wipe(text, sizeof text);
  assert_true(canary_find(&c) != 0);
  lti_buf_deinit(&b);
  assert_true(canary_find(&c) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_copy_on_the_heap_is_found_until_it_is_wiped),
      cmocka_unit_test(is_seen_in_bytes_at_every_place),
      cmocka_unit_test(key_07_a_secret_buffer_leaves_nothing_in_the_process),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
