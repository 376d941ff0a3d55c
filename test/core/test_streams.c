/* The corpus of recorded and made-up streams: what a collector assembles from the events must equal
 * the expectation, whole, byte by byte, in pieces of several sizes and cut at every place, in all
 * its members. The collector belongs to the program; test/CMakeLists.txt compiles it in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "bindings/cli/collect.h"
#include "support/corpora.h"
#include "wire/json.h"

#define EVENT_MAX ((size_t)1 << 20)
#define SMALL     ((size_t)8 << 10)
#define CUTS      256

/* Equal as JSON; objects of ours may not have members that the other lacks, nor the reverse, but
 * for the notes that expectations carry at the top. */
static bool same(leat_slice a, leat_slice b);

static bool same_string(leat_slice a, leat_slice b, lti_alloc *alloc) {
  lti_json ra, rb;
  lti_json_text ta, tb;
  lti_buf ba, bb;
  leat_slice da = {NULL, 0}, db = {NULL, 0};
  lti_json_init(&ra, a);
  lti_json_init(&rb, b);
  lti_buf_init(&ba, alloc, SIZE_MAX, LEAT_ENOMEM);
  lti_buf_init(&bb, alloc, SIZE_MAX, LEAT_ENOMEM);
  bool equal = lti_json_string(&ra, &ta) && lti_json_string(&rb, &tb) &&
               lti_json_decode(ta, NULL, &ba, &da) == LTI_OK &&
               lti_json_decode(tb, NULL, &bb, &db) == LTI_OK && lti_slice_equal(da, db);
  lti_buf_deinit(&ba);
  lti_buf_deinit(&bb);
  return equal;
}

static bool same_array(leat_slice a, leat_slice b) {
  lti_json ra, rb;
  leat_slice va, vb;
  lti_json_init(&ra, a);
  lti_json_init(&rb, b);
  lti_json_enter_array(&ra);
  lti_json_enter_array(&rb);
  while (lti_json_next_value(&ra)) {
    if (!lti_json_next_value(&rb) || !lti_json_raw(&ra, &va) || !lti_json_raw(&rb, &vb)) {
      return false;
    }
    if (!same(va, vb)) return false;
  }
  return !lti_json_next_value(&rb);
}

static bool same_members(leat_slice a, leat_slice b) {
  lti_json r;
  lti_json_text key;
  leat_slice value, other;
  lti_json_init(&r, a);
  lti_json_enter_object(&r);
  while (lti_json_next_key(&r, &key)) {
    char pointer[64];
    assert_true(key.raw.size < sizeof pointer - 2);
    snprintf(pointer, sizeof pointer, "/%.*s", (int)key.raw.size, key.raw.data);
    if (!lti_json_raw(&r, &value) || !lti_json_find(b, pointer, &other)) return false;
    if (!same(value, other)) return false;
  }
  return !lti_json_failed(&r);
}

static bool same(leat_slice a, leat_slice b) {
  lti_json ra, rb;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_json_init(&ra, a);
  lti_json_init(&rb, b);
  enum lti_json_type type = lti_json_peek(&ra);
  if (type != lti_json_peek(&rb)) return false;
  switch (type) {
    case LTI_JSON_STRING: return same_string(a, b, &alloc);
    case LTI_JSON_ARRAY: return same_array(a, b);
    case LTI_JSON_OBJECT: return same_members(a, b) && same_members(b, a);
    default: return lti_slice_equal(a, b);
  }
}

/* ---- one stream ------------------------------------------------------------------------------ */

/* One stream, and how it is fed. */
typedef struct stream {
  const char *name;
  const lti_protocol *protocol;
  leat_slice body, expected;
  size_t piece;
  bool cut; /* only the first piece has that size */
} stream;

static void decode(const stream *s, lti_buf *out) {
  static const lti_answer_limits limits = {EVENT_MAX, EVENT_MAX, NULL, NULL};
  lti_answer answer;
  lti_verdict verdict;
  cli_collect collect;
  lti_alloc alloc;
  leat_slice body = s->body;
  size_t piece = s->piece;
  lti_alloc_init(&alloc, NULL);
  cli_collect_init(&collect, &alloc);
  lti_answer_sink sink = {cli_collect_event, &collect};
  assert_int_equal(lti_answer_init(&answer, &alloc, s->protocol, &limits, sink), LTI_OK);
  while (body.size) {
    size_t size = body.size < piece ? body.size : piece, taken;
    /* A block of its own, so that reading past it, or after it, is found out. */
    char *block = test_malloc(size);
    memcpy(block, body.data, size);
    int rc = lti_answer_feed(&answer, lti_slice(block, size), &taken);
    memset(block, '#', size);
    test_free(block);
    body = lti_slice_from(body, size);
    if (rc != LTI_OK) break;
    assert_int_equal(taken, size);
    if (s->cut) piece = SIZE_MAX;
  }
  lti_answer_end(&answer, &verdict);
  assert_int_equal(cli_collect_write(&collect, &answer, &verdict, out), LTI_OK);
  lti_answer_deinit(&answer);
  cli_collect_deinit(&collect);
}

/* The wording may be ours, of errors that nobody put in words. */
static bool same_error(leat_slice expected, leat_slice a, leat_slice b) {
  static const char *const members[] = {"/type", "/code"};
  leat_slice is_free, va, vb;
  if (!lti_json_find(expected, "/error_message_free", &is_free)) return false;
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    if (!lti_json_find(a, members[i], &va) || !lti_json_find(b, members[i], &vb)) return false;
    if (!same(va, vb)) return false;
  }
  return true;
}

static void check_members(const stream *s, leat_slice got) {
  static const char *const members[] = {"/format", "/transport", "/choices", "/usage",
                                        "/error",  "/ended",     "/complete"};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    leat_slice a, b;
    assert_true(lti_json_find(s->expected, members[i], &a));
    assert_true(lti_json_find(got, members[i], &b));
    if (same(a, b)) continue;
    if (strcmp(members[i], "/error") == 0 && same_error(s->expected, a, b)) continue;
    fail_msg("%s in pieces of %zu: %s is %.*s instead of %.*s", s->name, s->piece, members[i],
             (int)b.size, b.data, (int)a.size, a.data);
  }
}

/* Members that only some have are as they should be, or are missing in both. */
static void check_rare(const stream *s, leat_slice got) {
  static const char *const members[] = {"/signature", "/incomplete_reason"};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    leat_slice a, b;
    bool wanted = lti_json_find(s->expected, members[i], &a);
    bool there = lti_json_find(got, members[i], &b);
    if (wanted == there && (!wanted || same(a, b))) continue;
    fail_msg("%s in pieces of %zu: %s is %s", s->name, s->piece, members[i],
             there ? "wrong" : "missing");
  }
}

static void check(const stream *s) {
  lti_alloc alloc;
  lti_buf got;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&got, &alloc, SIZE_MAX, LEAT_EBODYMAX);
  decode(s, &got);
  assert_true(lti_json_valid(lti_buf_slice(&got), NULL, NULL));
  check_members(s, lti_buf_slice(&got));
  check_rare(s, lti_buf_slice(&got));
  lti_buf_deinit(&got);
}

static void replay(const char *name, leat_slice expected, void *ctx) {
  static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7, 13, 64, 4096};
  size_t *replayed = ctx;
  char body_name[256], format[64];
  leat_slice text;
  assert_true(lti_json_find(expected, "/format", &text) && text.size < sizeof format);
  snprintf(format, sizeof format, "%.*s", (int)text.size - 2, text.data + 1);
  stream s = {.name = name, .protocol = lti_protocol_find(format), .expected = expected};
  if (!s.protocol) return;
  size_t stem = strlen(name) - strlen(".expected.json");
  snprintf(body_name, sizeof body_name, "streams/%.*s.body", (int)stem, name);
  s.body = corpora_load(body_name);
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    s.piece = pieces[i];
    check(&s);
  }
  /* Large bodies would take too long. */
  size_t stride = s.body.size <= SMALL ? 1 : s.body.size / CUTS;
  s.cut = true;
  for (s.piece = 1; s.piece < s.body.size; s.piece += stride) check(&s);
  corpora_free(s.body);
  (*replayed)++;
}

static void test_every_stream_of_the_corpus_at_every_piece_size(void **state) {
  size_t replayed = 0;
  (void)state;
  corpora_require("streams");
  corpora_each("streams", ".expected.json", replay, &replayed);
  printf("%zu streams replayed\n", replayed);
  assert_true(replayed >= 61);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_stream_of_the_corpus_at_every_piece_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
