/* Opening an engine when memory runs out at any allocation (row RS-02), and running an owned loop a
 * turn at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include <cmocka.h>

#include "support/flow.h"

static void open_and_close(const leat_allocator *fns, void *ctx) {
  uv_loop_t *loop = ctx;
  leat_engine *e;
  leat_config config;
  const char *why = "";
  leat_config_init(&config);
  config.allocator = *fns;
  config.loop = loop;
  config.base_url = "http://127.0.0.1:1";
  config.resolve = (const char *const[]){"a.test:80=127.0.0.1"};
  config.resolve_count = 1;
  int r = leat_open(&e, &config, &why);
  if (r != LEAT_OK) {
    assert_null(e);
    assert_int_equal(r, LEAT_ENOMEM);
    assert_string_equal(why, leat_error_text(LEAT_ENOMEM));
  } else {
    assert_null(why);
    assert_int_equal(leat_close(e, LEAT_CLOSE_NOW, NULL, NULL), LEAT_OK);
    if (!loop) assert_int_equal(leat_run(e), LEAT_OK);
  }
  if (loop) uv_run(loop, UV_RUN_DEFAULT);
}

static void test_rs_02_opening_without_memory(void **state) {
  uv_loop_t loop;
  (void)state;
  assert_true(failing_at_every_n(open_and_close, NULL) > 5);
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_true(failing_at_every_n(open_and_close, &loop) > 5);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  (void)e, (void)id, (void)result;
  ++*(int *)user;
}

/* The loop's cached time is as old as its last pass: the wait is counted from now all the same. */
static void test_run_once_waits_no_longer_than_it_was_told(void **state) {
  flow *f = *state;
  int dones = 0;
  leat_engine *e;
  leat_id id;
  peer *p = flow_peer(f, (const char *const[]){"<<silent>>", NULL});
  f->config.loop = NULL;
  assert_int_equal(leat_open(&e, &f->config, NULL), LEAT_OK);
  f->request.base_url = peer_url(p);
  f->request.on_done = on_done;
  f->request.user = &dones;
  assert_int_equal(leat_submit(e, &f->request, &id), LEAT_OK);
  for (int i = 0; i < 20; i++) assert_int_equal(leat_run_once(e, 1), 1);
  for (int i = 0; i < 3; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 60 * 1000 * 1000}, NULL);
    uint64_t before = uv_hrtime();
    assert_int_equal(leat_run_once(e, 20), 1);
    assert_true(uv_hrtime() - before < 1000ull * 1000 * 1000);
  }
  assert_int_equal(leat_close(e, LEAT_CLOSE_NOW, NULL, NULL), LEAT_OK);
  assert_int_equal(leat_run(e), LEAT_OK);
  assert_int_equal(dones, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rs_02_opening_without_memory),
      FLOW_TEST(test_run_once_waits_no_longer_than_it_was_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
