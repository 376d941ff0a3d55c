/* gzip undone: whole, byte by byte and at every split; several members, garbage, truncation,
 * corruption, bombs, failing sinks and failing memory. Inputs are made with zlib's own deflate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/error.h"
#include "support/failing.h"
#include "wire/inflate.h"

#define TEXT "the quick brown fox jumps over the lazy dog, and the quick dog over the fox"

typedef struct sunk {
  char *bytes;
  size_t size, room;
  uint64_t total;
  int calls, fail_at_call, code;
  bool count_only;
} sunk;

static int sink(void *ctx, leat_slice bytes) {
  sunk *s = ctx;
  assert_true(bytes.size > 0);
  assert_int_equal(s->code, LTI_OK); /* no call after a failure */
  if (++s->calls == s->fail_at_call) return s->code = LEAT_ECANCELLED;
  s->total += bytes.size;
  if (s->count_only) return LTI_OK;
  assert_true(s->size + bytes.size <= s->room);
  memcpy(s->bytes + s->size, bytes.data, bytes.size);
  s->size += bytes.size;
  return LTI_OK;
}

/* Appends one compressed member to `out`, which has room; `bits` as deflateInit2 wants them. */
static void pack(leat_slice plain, int bits, unsigned char *out, size_t room, size_t *size) {
  z_stream z;
  memset(&z, 0, sizeof z);
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  gz_header header;
  memset(&header, 0, sizeof header);
  header.name = (Bytef *)(uintptr_t) "name";
  header.comment = (Bytef *)(uintptr_t) "comment";
  header.hcrc = 1;
  if (bits > 15) assert_int_equal(deflateSetHeader(&z, &header), Z_OK);
  z.next_in = (Bytef *)(uintptr_t)plain.data;
  z.avail_in = (uInt)plain.size;
  z.next_out = out + *size;
  z.avail_out = (uInt)(room - *size);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  *size = room - z.avail_out;
  deflateEnd(&z);
}

static leat_slice gzip(const char *text, unsigned char *out, size_t room) {
  size_t size = 0;
  pack(lti_slice_of(text), 31, out, room, &size);
  return lti_slice((char *)out, size);
}

/* Feeds `packed` in pieces that end at `cut` and at the end, or byte by byte; the first error. */
static int unpack(leat_slice packed, size_t cut, bool bytewise, uint64_t max, sunk *s) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_inflate *x = lti_inflate_new(&alloc, max, sink, s);
  assert_non_null(x);
  int rc = LTI_OK;
  size_t at = 0;
  while (rc == LTI_OK && at < packed.size) {
    size_t n = bytewise ? 1 : at < cut ? cut - at : packed.size - at, taken;
    char *block = malloc(n);
    assert_non_null(block);
    memcpy(block, packed.data + at, n);
    rc = lti_inflate_feed(x, lti_slice(block, n), &taken);
    free(block);
    assert_true(taken <= n);
    if (rc == LTI_OK) assert_int_equal(taken, n);
    at += n;
  }
  if (rc != LTI_OK) { /* for good */
    size_t taken;
    assert_int_equal(lti_inflate_feed(x, lti_slice("x", 1), &taken), rc);
    assert_int_equal(taken, 0);
    assert_int_equal(lti_inflate_end(x), rc);
  } else {
    rc = lti_inflate_end(x);
  }
  lti_inflate_free(x);
  return rc;
}

/* In every way: `code`, and when that is LTI_OK exactly `text`. */
static void check_every_way(leat_slice packed, uint64_t max, int code, const char *text) {
  char bytes[1024];
  for (size_t cut = 0; cut <= packed.size + 1; cut++) {
    sunk s = {.bytes = bytes, .room = sizeof bytes};
    bool bytewise = cut > packed.size;
    assert_int_equal(unpack(packed, bytewise ? 0 : cut, bytewise, max, &s), code);
    if (code == LTI_OK) assert_int_equal(s.size, strlen(text));
    if (code == LTI_OK && s.size) assert_memory_equal(bytes, text, s.size);
  }
}

static void test_one_member(void **state) {
  (void)state;
  unsigned char room[512];
  check_every_way(gzip(TEXT, room, sizeof room), 1024, LTI_OK, TEXT);
  check_every_way(gzip("", room, sizeof room), 1024, LTI_OK, "");
  check_every_way(lti_slice(NULL, 0), 1024, LTI_OK, "");
}

static void test_members_in_a_row_are_one_body(void **state) {
  (void)state;
  unsigned char room[1024];
  size_t size = 0;
  pack(lti_slice_of("one "), 31, room, sizeof room, &size);
  pack(lti_slice_of(""), 31, room, sizeof room, &size);
  pack(lti_slice_of("two"), 31, room, sizeof room, &size);
  check_every_way(lti_slice((char *)room, size), 1024, LTI_OK, "one two");
}

static void test_bytes_behind_the_last_member_are_refused(void **state) {
  (void)state;
  unsigned char room[512];
  leat_slice packed = gzip(TEXT, room, sizeof room - 3);
  static const char tails[][4] = {"\0", "GET", "\x1f", "\x1f\x8b"};
  static const size_t sizes[] = {1, 3, 1, 2};
  for (size_t i = 0; i < 4; i++) {
    memcpy(room + packed.size, tails[i], sizes[i]);
    check_every_way(lti_slice(packed.data, packed.size + sizes[i]), 1024, LEAT_EENCODING, "");
  }
}

static void test_truncation_anywhere_is_found(void **state) {
  (void)state;
  unsigned char room[512];
  leat_slice packed = gzip(TEXT, room, sizeof room);
  for (size_t n = 1; n < packed.size; n++)
    check_every_way(lti_slice(packed.data, n), 1024, LEAT_EENCODING, "");
}

static void test_corruption_anywhere_is_found(void **state) {
  (void)state;
  unsigned char room[512];
  leat_slice packed = gzip(TEXT, room, sizeof room);
  for (size_t i = 0; i < packed.size; i++) {
    room[i] ^= 0x10;
    char bytes[1024];
    sunk s = {.bytes = bytes, .room = sizeof bytes};
    /* Every bit counts: even the header's are under its own checksum here. */
    assert_int_equal(unpack(packed, 0, false, 1024, &s), LEAT_EENCODING);
    room[i] ^= 0x10;
  }
}

static void test_h1_16_other_encodings_are_refused(void **state) {
  (void)state;
  unsigned char room[512];
  size_t size = 0;
  pack(lti_slice_of(TEXT), 15, room, sizeof room, &size); /* zlib's own wrapping */
  check_every_way(lti_slice((char *)room, size), 1024, LEAT_EENCODING, "");
  size = 0;
  pack(lti_slice_of(TEXT), -15, room, sizeof room, &size); /* none */
  check_every_way(lti_slice((char *)room, size), 1024, LEAT_EENCODING, "");
  check_every_way(lti_slice_of("{\"choices\":[]}"), 1024, LEAT_EENCODING, "");
}

static void test_output_limit_is_exact(void **state) {
  (void)state;
  unsigned char room[512];
  leat_slice packed = gzip(TEXT, room, sizeof room);
  check_every_way(packed, sizeof TEXT - 1, LTI_OK, TEXT);
  check_every_way(packed, sizeof TEXT - 2, LEAT_EBODYMAX, "");
  check_every_way(packed, 0, LEAT_EBODYMAX, "");
}

static void test_h1_16_bomb_costs_no_more_than_the_limit(void **state) {
  (void)state;
  size_t plain = 64 << 20, room = 1 << 20, size = 0;
  char *zeros = calloc(1, plain);
  unsigned char *packed = malloc(room);
  assert_true(zeros && packed);
  pack(lti_slice(zeros, plain), 31, packed, room, &size);
  free(zeros);
  sunk s = {.count_only = true};
  assert_int_equal(unpack(lti_slice((char *)packed, size), 0, false, 1 << 20, &s), LEAT_EBODYMAX);
  assert_true(s.total <= 1 << 20);
  sunk all = {.count_only = true};
  assert_int_equal(unpack(lti_slice((char *)packed, size), 0, false, plain, &all), LTI_OK);
  assert_int_equal(all.total, plain);
  free(packed);
}

static void test_sink_error_is_handed_on(void **state) {
  (void)state;
  unsigned char room[512];
  size_t size = 0;
  pack(lti_slice_of("one"), 31, room, sizeof room, &size);
  pack(lti_slice_of("two"), 31, room, sizeof room, &size);
  for (int call = 1; call <= 2; call++)
    for (size_t cut = 0; cut < size; cut++) {
      sunk s = {.count_only = true, .fail_at_call = call};
      assert_int_equal(unpack(lti_slice((char *)room, size), cut, false, 1024, &s),
                       LEAT_ECANCELLED);
    }
}

static void out_of_memory(const leat_allocator *fns, void *ctx) {
  const leat_slice *packed = ctx;
  lti_alloc alloc;
  lti_alloc_init(&alloc, fns);
  char bytes[1024];
  sunk s = {.bytes = bytes, .room = sizeof bytes};
  lti_inflate *x = lti_inflate_new(&alloc, 1024, sink, &s);
  if (!x) return;
  size_t taken;
  int rc = lti_inflate_feed(x, lti_slice(packed->data, packed->size / 2), &taken);
  if (rc == LTI_OK) rc = lti_inflate_feed(x, lti_slice_from(*packed, packed->size / 2), &taken);
  if (rc == LTI_OK) rc = lti_inflate_end(x);
  assert_true(rc == LTI_OK || rc == LEAT_ENOMEM);
  if (rc == LTI_OK) assert_int_equal(s.size, sizeof TEXT - 1);
  lti_inflate_free(x);
  lti_inflate_free(NULL);
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  unsigned char room[512];
  leat_slice packed = gzip(TEXT, room, sizeof room);
  /* The codec, zlib's state and its window: all of it through the engine's allocator. */
  assert_int_equal(failing_at_every_n(out_of_memory, &packed), 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_member),
      cmocka_unit_test(test_members_in_a_row_are_one_body),
      cmocka_unit_test(test_bytes_behind_the_last_member_are_refused),
      cmocka_unit_test(test_truncation_anywhere_is_found),
      cmocka_unit_test(test_corruption_anywhere_is_found),
      cmocka_unit_test(test_h1_16_other_encodings_are_refused),
      cmocka_unit_test(test_output_limit_is_exact),
      cmocka_unit_test(test_h1_16_bomb_costs_no_more_than_the_limit),
      cmocka_unit_test(test_sink_error_is_handed_on),
      cmocka_unit_test(test_every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
