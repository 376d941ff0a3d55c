/* Large bodies to a peer that does not read: how much of them leaves our hands. What the kernel has
 * taken cannot be overtaken any more, neither by the head of another request on the connection nor
 * by a PING; what waits with us can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/flow.h"
#include "support/h2_frames.h"

#define BODY_BYTES  (8u << 20)
#define TAKEN_MAX   (1u << 20) /* 128 KB unsent, and what fits into the peer's receive buffer */
#define WINDOW      (16u << 20)
#define SETTINGS_ID 0x4 /* INITIAL_WINDOW_SIZE (RFC 9113 6.5.2) */

/* A chat with a prompt of BODY_BYTES. */
static leat_slice large_body(flow *f) {
  static const char front[] = "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"";
  static const char back[] = "\"}]}";
  char *text = flow_keep(f, sizeof front + BODY_BYTES + sizeof back);
  memcpy(text, front, sizeof front - 1);
  memset(text + sizeof front - 1, 'x', BODY_BYTES);
  memcpy(text + sizeof front - 1 + BODY_BYTES, back, sizeof back - 1);
  return (leat_slice){text, sizeof front - 1 + BODY_BYTES + sizeof back - 1};
}

/* Submits, lets the kernel take what it wants to, and looks at how much that was. */
static void check_taken(flow *f) {
  f->request.body = large_body(f);
  flow_call *c = flow_submit(f);
  flow_run(f, 500);
  uint64_t taken = flow_stats(f).bytes_sent;
  assert_true(taken > 64 * 1024);
  assert_true(taken < TAKEN_MAX);
  leat_cancel(f->engine, c->id);
  flow_wait(f);
  assert_int_equal(c->error, LEAT_ECANCELLED);
}

static void read_nothing(peer_link *l, void *ctx) {
  (void)ctx;
  peer_sleep(l, 5000);
}

static void test_little_of_a_body_waits_in_the_kernel(void **state) {
  flow *f = *state;
  f->request.base_url = peer_url(flow_peer_script(f, read_nothing, NULL));
  check_taken(f);
}

/* Its windows are wide open. */
static void greet_and_read_nothing(peer_link *l, void *ctx) {
  const uint32_t window[] = {SETTINGS_ID, WINDOW};
  h2_script script;
  (void)ctx;
  h2_script_init(&script);
  h2_settings(&script, window, 1);
  h2_window(&script, 0, WINDOW);
  peer_send(l, h2_script_bytes(&script));
  h2_script_deinit(&script);
  peer_sleep(l, 5000);
}

static void test_little_of_a_body_waits_in_the_kernel_over_http2(void **state) {
  flow *f = *state;
  f->config.http = LEAT_HTTP_2;
  f->request.base_url = peer_url(flow_peer_script(f, greet_and_read_nothing, NULL));
  check_taken(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_little_of_a_body_waits_in_the_kernel),
      FLOW_TEST(test_little_of_a_body_waits_in_the_kernel_over_http2),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
