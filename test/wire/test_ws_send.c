/* Frames of ours: heads of every size, masks (fault WS-12), text that must be UTF-8, what a full
 * buffer refuses, and memory that fails at every call, wslay's one included. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <wslay/wslay.h>

#include "support/failing.h"
#include "support/ws_ways.h"

static bool no_memory_for_wslay;

/* This program's own: the one call in which wslay's frame layer asks for memory. */
int wslay_frame_context_init(wslay_frame_context_ptr *ctx,
                             const struct wslay_frame_callbacks *callbacks, void *user_data) {
  static int (*real)(wslay_frame_context_ptr *, const struct wslay_frame_callbacks *, void *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "wslay_frame_context_init");
  return no_memory_for_wslay ? -1 : real(ctx, callbacks, user_data);
}

static void open_with(ws_record *r, size_t out_max) {
  static lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  memset(r, 0, sizeof *r);
  r->out_max = out_max;
  assert_true(ws_record_init(r, &alloc));
}

static void a_frame_of_every_size_is_what_was_sent(void **state) {
  static const size_t sizes[] = {0,  1,   2,   3,   4,   5,   7,     8,     9,     15,    16,
                                 17, 124, 125, 126, 127, 255, 65534, 65535, 65536, 65537, 99999};
  (void)state;
  ws_record r;
  open_with(&r, 1 << 20);
  char *bytes = malloc(100001);
  assert_non_null(bytes);
  for (size_t i = 0; i < 100001; i++) bytes[i] = (char)(i * 7 + i / 251);
  size_t at = 0;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    /* At an odd address every other time. */
    leat_slice payload = lti_slice(bytes + (i & 1), sizes[i]);
    size_t head = sizes[i] < 126 ? 6 : sizes[i] < 65536 ? 8 : 14, before = r.out.size;
    assert_int_equal(lti_ws_send(r.codec, LTI_WS_BINARY, payload, true), LTI_OK);
    assert_int_equal(r.out.size, before + head + sizes[i]);
    ws_sent sent;
    assert_true(ws_sent_next(&r.out, &at, &sent));
    assert_true(sent.fin && sent.opcode == 2 && at == r.out.size);
    assert_true(lti_slice_equal(lti_slice(sent.bytes, sent.size), payload));
  }
  free(bytes);
  ws_record_deinit(&r);
}

static void pieces_become_fragments(void **state) {
  (void)state;
  ws_record r;
  open_with(&r, 0);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("a"), false), LTI_OK);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_BINARY, lti_slice_of("b"), true), LEAT_ESTATE);
  assert_int_equal(lti_ws_ping(r.codec, lti_slice_of("p")), LTI_OK);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice("", 0), false), LTI_OK);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("c"), true), LTI_OK);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_BINARY, lti_slice_of("d"), true), LTI_OK);
  static const struct {
    unsigned opcode;
    bool fin;
    const char *text;
  } rows[] = {{1, false, "a"}, {9, true, "p"}, {0, false, ""}, {0, true, "c"}, {2, true, "d"}};
  size_t at = 0;
  for (size_t i = 0; i < 5; i++) {
    ws_sent sent;
    assert_true(ws_sent_next(&r.out, &at, &sent));
    assert_int_equal(sent.opcode, rows[i].opcode);
    assert_int_equal(sent.fin, rows[i].fin);
    assert_true(lti_slice_is(lti_slice(sent.bytes, sent.size), rows[i].text));
  }
  assert_int_equal(at, r.out.size);
  ws_record_deinit(&r);
}

/* WS-12: each frame draws a mask, of whatever kind it is, and no two are alike. */
static void ws_12_every_frame_has_a_fresh_mask(void **state) {
  (void)state;
  ws_record r;
  open_with(&r, 1 << 20);
  enum { FRAMES = 3000 };
  for (unsigned i = 0; i < FRAMES / 3; i++) {
    assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("x"), i % 2 == 0), LTI_OK);
    assert_int_equal(lti_ws_ping(r.codec, lti_slice_of("p")), LTI_OK);
    assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("same"), true), LTI_OK);
  }
  ws_feed(&r, RAW("\x89\x01p\x88\x00"), 1);
  assert_int_equal(r.drawn, FRAMES + 2);
  lti_prng same;
  lti_prng_seed(&same, 1);
  size_t at = 0, frames = 0;
  ws_sent sent;
  for (; ws_sent_next(&r.out, &at, &sent); frames++) {
    unsigned char mask[4];
    for (int i = 0; i < 4; i++) mask[i] = (unsigned char)(lti_prng_next(&same) >> 32);
    assert_memory_equal(&sent.mask, mask, 4);
  }
  assert_int_equal(frames, FRAMES + 2);
  assert_int_equal(at, r.out.size);
  ws_record_deinit(&r);
}

static void text_of_ours_must_be_utf8(void **state) {
  (void)state;
  ws_record r;
  open_with(&r, 0);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("\xff"), true), LEAT_EINVAL);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("\xe2\x82"), true), LEAT_EINVAL);
  assert_int_equal(r.out.size, 0);
  /* A character cut between two pieces; what was refused did not count. */
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("\xe2"), false), LTI_OK);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("x"), false), LEAT_EINVAL);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("\x82"), true), LEAT_EINVAL);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice("", 0), true), LEAT_EINVAL);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("\x82"), false), LTI_OK);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("\xac"), true), LTI_OK);
  assert_int_equal(r.out.size, 21);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_BINARY, lti_slice_of("\xff"), true), LTI_OK);
  ws_record_deinit(&r);
}

static void close_and_ping_refuse_what_may_not_be_sent(void **state) {
  static const unsigned bad[] = {1, 999, 1004, 1005, 1006, 1012, 1015, 2999, 5000, 65536 + 1000};
  static const char longest[125] = {0};
  (void)state;
  ws_record r;
  open_with(&r, 0);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(lti_ws_close(r.codec, bad[i], lti_slice("", 0)), LEAT_EINVAL);
  assert_int_equal(lti_ws_close(r.codec, 0, lti_slice_of("x")), LEAT_EINVAL);
  assert_int_equal(lti_ws_close(r.codec, 1000, lti_slice(longest, 124)), LEAT_EINVAL);
  assert_int_equal(lti_ws_close(r.codec, 1000, lti_slice_of("\xff")), LEAT_EINVAL);
  assert_int_equal(lti_ws_ping(r.codec, lti_slice(longest, 126)), LEAT_EINVAL);
  assert_int_equal(r.out.size, 0);
  assert_int_equal(lti_ws_ping(r.codec, lti_slice(longest, 125)), LTI_OK);
  assert_int_equal(lti_ws_close(r.codec, 1000, lti_slice(longest, 123)), LTI_OK);
  size_t size = r.out.size;
  assert_int_equal(lti_ws_close(r.codec, 1000, lti_slice("", 0)), LEAT_ESTATE);
  assert_int_equal(lti_ws_ping(r.codec, lti_slice("", 0)), LEAT_ESTATE);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice("", 0), true), LEAT_ESTATE);
  assert_int_equal(r.out.size, size);
  assert_int_equal(ws_close_in(&r.out), 1000);
  ws_record_deinit(&r);
}

/* What does not fit is not sent, and the message goes on where it was. */
static void a_full_buffer_refuses_messages_but_not_close(void **state) {
  (void)state;
  static const char block[700] = {0};
  ws_record r;
  open_with(&r, 1000);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice(block, 300), false), LTI_OK);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice(block, 700), true), LEAT_EQUEUEFULL);
  assert_int_equal(r.out.size, 308);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice(block, 422), true), LTI_OK);
  assert_int_equal(lti_ws_ping(r.codec, lti_slice("", 0)), LEAT_EQUEUEFULL);
  char ping[127] = {(char)0x89, 125};
  for (int i = 0; i < 5; i++) assert_int_equal(ws_feed(&r, lti_slice(ping, 127), 1), LTI_OK);
  assert_int_equal(lti_ws_close(r.codec, 1000, lti_slice(block, 123)), LTI_OK);
  assert_int_equal(r.out.size, 1000);
  assert_int_equal(ws_close_in(&r.out), 1000);
  ws_record_deinit(&r);
}

/* A buffer that was too small from the start: the failure is a named one, and nothing is sent. */
static void no_room_for_an_answer(void **state) {
  (void)state;
  static const char *const frames[] = {"\x89\x01p", "\x88\x02\x03\xe8"};
  for (size_t i = 0; i < 2; i++) {
    ws_record r;
    open_with(&r, 3);
    assert_int_equal(ws_feed(&r, lti_slice_of(frames[i]), 1), LEAT_EQUEUEFULL);
    assert_int_equal(lti_ws_code(r.codec), 0);
    assert_false(lti_ws_close_sent(r.codec));
    assert_int_equal(lti_ws_end(r.codec), LEAT_EQUEUEFULL);
    ws_record_deinit(&r);
  }
}

static void life(const leat_allocator *fns, void *ctx) {
  (void)ctx;
  lti_alloc alloc;
  lti_alloc_init(&alloc, fns);
  ws_record r;
  memset(&r, 0, sizeof r);
  if (ws_record_init(&r, &alloc)) {
    char block[5000] = {0};
    for (size_t size = 1; size < sizeof block; size *= 8) {
      size_t before = r.out.size;
      int rc = lti_ws_send(r.codec, LTI_WS_BINARY, lti_slice(block, size), true);
      assert_true(rc == LTI_OK || (rc == LEAT_ENOMEM && r.out.size == before));
    }
    ws_feed(&r,
            RAW("\x89\x7d"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234"
                "\x01\x01"
                "a\x80\x01"
                "b\x88\x00"),
            1);
    assert_true(r.code == LTI_OK || r.code == LEAT_ENOMEM);
    int end = lti_ws_end(r.codec);
    assert_int_equal(end, r.code);
  }
  assert_int_equal(r.breaches, 0);
  ws_record_deinit(&r);
}

static void memory_that_fails_at_every_call(void **state) {
  (void)state;
  assert_true(failing_at_every_n(life, NULL) >= 3);
  no_memory_for_wslay = true;
  failing_at_every_n(life, NULL);
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  ws_record r = {0};
  assert_false(ws_record_init(&r, &alloc));
  ws_record_deinit(&r);
  no_memory_for_wslay = false;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_frame_of_every_size_is_what_was_sent),
      cmocka_unit_test(pieces_become_fragments),
      cmocka_unit_test(ws_12_every_frame_has_a_fresh_mask),
      cmocka_unit_test(text_of_ours_must_be_utf8),
      cmocka_unit_test(close_and_ping_refuse_what_may_not_be_sent),
      cmocka_unit_test(a_full_buffer_refuses_messages_but_not_close),
      cmocka_unit_test(no_room_for_an_answer),
      cmocka_unit_test(memory_that_fails_at_every_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
