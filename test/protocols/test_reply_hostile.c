/* Typed replies of hostile bodies: deep, wide, cut and changed, and with memory that ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "leat.h"
#include "support/failing.h"

static const enum leat_reply_group groups[] = {
    LEAT_REPLY_NONE,   LEAT_REPLY_IMAGES,     LEAT_REPLY_EMBEDDINGS, LEAT_REPLY_TRANSCRIPT,
    LEAT_REPLY_MODELS, LEAT_REPLY_MODERATION, LEAT_REPLY_RERANK,     LEAT_REPLY_TOKENS,
    LEAT_REPLY_FILES,  LEAT_REPLY_BATCHES,    LEAT_REPLY_TASK,       LEAT_REPLY_ERROR};

enum { GROUPS = sizeof groups / sizeof *groups };

static void read_all(leat_slice body, failing *f) {
  leat_allocator fns = failing_allocator(f);
  for (size_t i = 0; i < GROUPS; i++) {
    leat_reply *r;
    leat_reply_read(groups[i], body, NULL, &fns, &r);
    leat_reply_free(r);
  }
}

/* Deep, and wide: memory stays within a few times the body. */
static void test_js_01_deep_and_wide_bodies(void **state) {
  static const struct {
    const char *head, *piece, *tail;
    size_t factor;
  } rows[] = {
      {"", "[", "", 1},
      {"", "{\"data\":", "", 1},
      {"{\"data\":[", "{},", "{}]}", 1},
      {"{\"data\":[", "0,", "0]}", 6},
      {"[", "[],", "[]]", 24},
      {"{\"data\":[", "{\"url\":\"u\",\"embedding\":[0]},", "{}]}", 12},
      {"{\"data\":[", "{\"id\":\"\\u0061\"},", "{}]}", 24},
      {"{\"results\":[", "{\"flagged\":true},", "{}]}", 8},
      {"{\"results\":[{\"categories\":{", "\"a\":true,", "\"b\":true}}]}", 16},
      {"{\"segments\":[", "{\"text\":\"\"},", "{}]}", 16},
      {"{\"status\":\"done\",\"images\":[", "\"/\",", "\"/\"]}", 40},
      {"", "00:01 --> 00:02\n\n", "", 16},
      {"{\"text\":\"", "\\u0000", "\"}", 4},
      {"{\"error\":{\"message\":\"", "\xff", "\"}}", 4},
  };
  enum { SIZE = 1 << 18 };
  char *body = malloc(SIZE + 128);
  (void)state;
  assert_non_null(body);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t step = strlen(rows[i].piece), size = strlen(rows[i].head);
    memcpy(body, rows[i].head, size);
    for (; size + step < SIZE; size += step) memcpy(body + size, rows[i].piece, step);
    memcpy(body + size, rows[i].tail, strlen(rows[i].tail));
    size += strlen(rows[i].tail);
    failing f;
    failing_init(&f, 0);
    read_all(lti_slice(body, size), &f);
    if (f.peak_bytes > rows[i].factor * size + 65536)
      fail_msg("row %zu: %zu bytes for %zu", i, f.peak_bytes, size);
    assert_true(failing_clean(&f));
    failing_deinit(&f);
  }
  free(body);
}

/* Every beginning of every shape, and every byte of it changed. */
static void test_js_02_broken_bodies(void **state) {
  static const char *const bodies[] = {
      "{\"created\":7,\"data\":[{\"url\":\"https:\\/\\/"
      "a\",\"b64_json\":\"QUJD\",\"embedding\":[1,2],"
      "\"id\":\"\\ud83d\\ude00\",\"index\":0,\"score\":1}],\"usage\":{\"total_tokens\":3}}",
      "{\"code\":0,\"data\":{\"taskId\":\"t\",\"status\":\"SUCCESS\",\"stems\":{\"vUrl\":\"v\"},"
      "\"alignedLyrics\":[{\"time\":1,\"text\":\"l\"}],\"data\":{\"videos\":[{\"url\":\"x\"}]}}}",
      "{\"text\":\"a\",\"segments\":[{\"start\":0,\"end\":1,\"text\":\"b\"}],\"results\":[{"
      "\"flagged\":true,\"categories\":{\"x\":true},\"category_scores\":{\"x\":1}}]}",
      "WEBVTT\n\n00:01.5 --> 00:02,5 x\n<v A>hi</v>\n\n1\n0:0:0 --> 0:0:1\r\nx\r\n",
  };
  (void)state;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    size_t size = strlen(bodies[i]);
    for (size_t at = 0; at <= size; at++) {
      /* Cut there, and with another byte there; both in blocks of their exact size. */
      for (int change = 0; change < 2; change++) {
        size_t length = change ? size : at;
        char *block = malloc(length ? length : 1);
        failing f;
        assert_non_null(block);
        memcpy(block, bodies[i], length);
        if (change && at < size) block[at] = "\"}]\x00{\xff:,0"[at % 10];
        failing_init(&f, 0);
        read_all(lti_slice(block, length), &f);
        assert_true(failing_clean(&f));
        failing_deinit(&f);
        free(block);
      }
    }
  }
}

static void under_failure(const leat_allocator *fns, void *ctx) {
  static const struct {
    enum leat_reply_group group;
    const char *body;
  } rows[] = {
      {LEAT_REPLY_IMAGES, "{\"data\":[{\"url\":\"\\u0061\"}],\"id\":\"\\u0062\"}"},
      {LEAT_REPLY_EMBEDDINGS, "[[1,2],[3,4,5,6,7,8,9,10,11,12]]"},
      {LEAT_REPLY_TRANSCRIPT,
       "{\"segments\":[{\"text\":\"\\u0061\"}],\"words\":[{\"word\":\"b\"}]}"},
      {LEAT_REPLY_TRANSCRIPT, "00:01 --> 00:02\nhi\n"},
      {LEAT_REPLY_MODELS, "{\"data\":[{\"id\":\"\\u0061\"}]}"},
      {LEAT_REPLY_MODERATION, "{\"results\":[{\"categories\":{\"\\u0061\":true}}]}"},
      {LEAT_REPLY_RERANK, "[{\"index\":0,\"score\":1,\"text\":\"\\u0061\"}]"},
      {LEAT_REPLY_FILES, "{\"id\":\"\\u0061\"}"},
      {LEAT_REPLY_TASK,
       "{\"id\":\"\\u0061\",\"status\":\"done\",\"url\":\"\\u0061\",\"stems\":{\"a\":"
       "\"b\"},\"alignedLyrics\":[{\"text\":\"\\u0061\"}]}"},
      {LEAT_REPLY_TASK, "{\"code\":\"\\u0061\",\"message\":\"b\"}"},
      {LEAT_REPLY_ERROR, "\xff"},
  };
  (void)ctx;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    leat_reply *r;
    int rc = leat_reply_read(rows[i].group, lti_slice_of(rows[i].body), NULL, fns, &r);
    assert_true(rc == LEAT_OK || rc == LEAT_ENOMEM);
    assert_true((rc == LEAT_OK) == (r != NULL));
    leat_reply_free(r);
  }
}

static void test_every_failed_allocation(void **state) {
  (void)state;
  assert_true(failing_at_every_n(under_failure, NULL) >= 30);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_js_01_deep_and_wide_bodies),
      cmocka_unit_test(test_js_02_broken_bodies),
      cmocka_unit_test(test_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
