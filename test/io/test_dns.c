/* Names to addresses: what never asks the resolver, what is kept, and lookups that are given up.
 * The one name that is looked up is localhost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "base/error.h"
#include "io/dns.h"

typedef struct scene {
  uv_loop_t uv;
  lti_alloc alloc;
  lti_loop *loop;
  lti_dns *dns;
  bool dns_closed, loop_closed;
} scene;

typedef struct answer {
  lti_dns_wait wait;
  int told, error;
  lti_addrs addrs;
} answer;

static void on_turn(void *ctx, uint64_t now_ns) {
  (void)ctx, (void)now_ns;
}
static void on_woken(void *ctx) {
  (void)ctx;
}
static void on_loop_closed(void *ctx) {
  scene *s = ctx;
  s->loop_closed = true;
}
static void on_dns_closed(void *ctx) {
  scene *s = ctx;
  s->dns_closed = true;
}

static void on_answer(lti_dns_wait *wait, int error, int native, const lti_addrs *addrs) {
  answer *a = LTI_CONTAINER_OF(wait, answer, wait);
  (void)native;
  a->told++;
  a->error = error;
  if (error == LTI_OK) a->addrs = *addrs;
}

static void answer_init(answer *a) {
  memset(a, 0, sizeof *a);
  lti_list_init(&a->wait.node);
  a->wait.done = on_answer;
}

static int setup(void **state) {
  static const lti_loop_sink sink = {on_turn, on_woken};
  static scene s;
  memset(&s, 0, sizeof s);
  lti_alloc_init(&s.alloc, NULL);
  assert_int_equal(uv_loop_init(&s.uv), 0);
  assert_int_equal(lti_loop_open(&s.alloc, &s.uv, &sink, &s, &s.loop), LTI_OK);
  static const char *const fixed[] = {"Api.Test:443=10.0.0.1", "api.test:443=[::2]",
                                      "[::1]:80=10.0.0.3"};
  assert_int_equal(lti_dns_open(s.loop, &s.alloc, fixed, 3, &s.dns), LTI_OK);
  *state = &s;
  return 0;
}

static int teardown(void **state) {
  scene *s = *state;
  lti_dns_close(s->dns, on_dns_closed, s);
  uv_run(&s->uv, UV_RUN_DEFAULT);
  assert_true(s->dns_closed);
  lti_loop_close(s->loop, on_loop_closed);
  uv_run(&s->uv, UV_RUN_DEFAULT);
  assert_true(s->loop_closed);
  lti_loop_free(s->loop);
  assert_int_equal(uv_loop_close(&s->uv), 0);
  return 0;
}

static void test_net_03_literals_and_fixed_names_never_wait(void **state) {
  scene *s = *state;
  lti_addrs addrs;
  assert_int_equal(lti_dns_find(s->dns, "127.0.0.1", 81, &addrs, NULL), LTI_OK);
  assert_int_equal(addrs.count, 1);
  assert_int_equal(ntohs(addrs.list[0].v4.sin_port), 81);
  assert_int_equal(lti_dns_find(s->dns, "::9", 82, &addrs, NULL), LTI_OK);
  assert_int_equal(addrs.list[0].any.sa_family, AF_INET6);
  assert_int_equal(lti_dns_find(s->dns, "api.test", 443, &addrs, NULL), LTI_OK);
  assert_int_equal(addrs.count, 2);
  assert_int_equal(ntohl(addrs.list[0].v4.sin_addr.s_addr), 0x0a000001);
  assert_int_equal(ntohs(addrs.list[1].v6.sin6_port), 443);
  assert_int_equal(lti_dns_find(s->dns, "::1", 80, &addrs, NULL), LTI_OK);
  assert_int_equal(addrs.list[0].any.sa_family, AF_INET);
}

static void test_overrides_that_make_no_sense(void **state) {
  static const char *const bad[] = {"",           "a",           "a=1.2.3.4", "a:80",
                                    "a:=1.2.3.4", "a:0=1.2.3.4", "a:80=b",    "a:65536=1.2.3.4",
                                    ":80=1.2.3.4"};
  scene *s = *state;
  lti_dns *d;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(lti_dns_open(s->loop, &s->alloc, &bad[i], 1, &d), LEAT_EINVAL);
}

static void test_one_lookup_serves_all_and_is_kept(void **state) {
  scene *s = *state;
  lti_addrs addrs;
  answer a, b, c;
  answer_init(&a), answer_init(&b), answer_init(&c);
  assert_int_equal(lti_dns_find(s->dns, "localhost", 1, &addrs, &a.wait), LTI_AGAIN);
  assert_int_equal(lti_dns_find(s->dns, "localhost", 2, &addrs, &b.wait), LTI_AGAIN);
  assert_int_equal(lti_dns_find(s->dns, "localhost", 3, &addrs, &c.wait), LTI_AGAIN);
  lti_dns_cancel(&b.wait);
  uv_run(&s->uv, UV_RUN_DEFAULT);
  assert_int_equal(a.told + b.told * 10 + c.told * 100, 101);
  assert_int_equal(a.error, LTI_OK);
  assert_true(a.addrs.count > 0);
  assert_int_equal(lti_dns_find(s->dns, "localhost", 80, &addrs, &a.wait), LTI_OK);
  assert_int_equal(ntohs(addrs.list[0].v4.sin_port), 80);
  lti_dns_forget(s->dns, "localhost");
  assert_int_equal(lti_dns_find(s->dns, "localhost", 80, &addrs, &a.wait), LTI_AGAIN);
  lti_dns_cancel(&a.wait);
}

/* Two run, and the teardown closes while they do; those that nobody waits for are never asked. */
static void test_net_04_lookups_are_given_up(void **state) {
  scene *s = *state;
  lti_addrs addrs;
  answer waits[300];
  for (int i = 0; i < 300; i++) {
    char host[32];
    snprintf(host, sizeof host, i < 2 ? "localhost" : "given-up-%d.test", i);
    answer_init(&waits[i]);
    int r = lti_dns_find(s->dns, host, 1, &addrs, &waits[i].wait);
    if (i < 2) assert_int_equal(r, LTI_AGAIN);
    if (i >= 2) lti_dns_cancel(&waits[i].wait);
    if (i < 200) assert_int_equal(r, LTI_AGAIN);
  }
  uint64_t before = uv_hrtime();
  while (!waits[0].told) uv_run(&s->uv, UV_RUN_ONCE);
  assert_true(uv_hrtime() - before < 5000ull * 1000 * 1000);
  assert_int_equal(waits[1].told, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_net_03_literals_and_fixed_names_never_wait, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_overrides_that_make_no_sense, setup, teardown),
      cmocka_unit_test_setup_teardown(test_one_lookup_serves_all_and_is_kept, setup, teardown),
      cmocka_unit_test_setup_teardown(test_net_04_lookups_are_given_up, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
