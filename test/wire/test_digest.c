/* SHA-1 and base64 against the vectors of RFC 3174, FIPS 180, RFC 4648 and RFC 6455, and at every
 * length around the ends of a block. */
#include "wire/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/failing.h"

static void check_sha1(leat_slice bytes, const char *expected) {
  unsigned char sum[LTI_DIGEST_SHA1_BYTES];
  char text[2 * LTI_DIGEST_SHA1_BYTES + 1];
  lti_digest_sha1(bytes, sum);
  for (size_t i = 0; i < sizeof sum; i++) snprintf(text + 2 * i, 3, "%02x", sum[i]);
  assert_string_equal(text, expected);
}

static void sha1_of_the_published_vectors(void **state) {
  (void)state;
  check_sha1(lti_slice(NULL, 0), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  check_sha1(lti_slice_of("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  check_sha1(lti_slice_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
             "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  char eighty[81] = "";
  for (int i = 0; i < 10; i++) memcpy(eighty + 8 * i, "01234567", 9);
  char long_text[640];
  for (int i = 0; i < 8; i++) memcpy(long_text + 80 * i, eighty, 80);
  check_sha1(lti_slice(long_text, sizeof long_text), "dea356a2cddd90c7a7ecedc5ebb563934f460452");
}

static void sha1_of_a_million_letters(void **state) {
  (void)state;
  char *text = malloc(1000000);
  assert_non_null(text);
  memset(text, 'a', 1000000);
  check_sha1(lti_slice(text, 1000000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  free(text);
}

/* The padding takes a second block from 56 bytes on. */
static void sha1_at_the_ends_of_a_block(void **state) {
  static const struct {
    size_t size;
    const char *sum;
  } rows[] = {
      {55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
      {56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
      {63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
      {64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
      {65, "11655326c708d70319be2610e8a57d9a5b959d3b"},
      {119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
      {120, "f34c1488385346a55709ba056ddd08280dd4c6d6"},
      {128, "ad5b3fdbcb526778c2839d2f151ea753995e26a0"},
  };
  (void)state;
  char text[128];
  memset(text, 'a', sizeof text);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    check_sha1(lti_slice(text, rows[i].size), rows[i].sum);
}

static void check_base64(leat_slice bytes, const char *expected) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_buf out;
  lti_buf_init(&out, &alloc, 4096, LEAT_EBODYMAX);
  assert_int_equal(lti_buf_text(&out, "before "), LTI_OK);
  assert_int_equal(lti_digest_base64(bytes, &out), LTI_OK);
  assert_true(lti_slice_is(lti_slice_from(lti_buf_slice(&out), 7), expected));
  lti_buf_deinit(&out);
}

static void base64_of_the_published_vectors(void **state) {
  (void)state;
  check_base64(lti_slice(NULL, 0), "");
  check_base64(lti_slice_of("f"), "Zg==");
  check_base64(lti_slice_of("fo"), "Zm8=");
  check_base64(lti_slice_of("foo"), "Zm9v");
  check_base64(lti_slice_of("foob"), "Zm9vYg==");
  check_base64(lti_slice_of("fooba"), "Zm9vYmE=");
  check_base64(lti_slice_of("foobar"), "Zm9vYmFy");
  check_base64(lti_slice("\xff\xff\xff\xfb\xef\xbe\0\0\0", 9), "////++++AAAA");
  check_base64(lti_slice_of("Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

/* RFC 6455 1.3: the example of the handshake. */
static void both_give_the_accept_of_rfc_6455(void **state) {
  (void)state;
  unsigned char sum[LTI_DIGEST_SHA1_BYTES];
  lti_digest_sha1(lti_slice_of("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"),
                  sum);
  check_base64(lti_slice((const char *)sum, sizeof sum), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* Every byte value at every place of a group of three, against a reader written the other way. */
static void base64_is_undone_by_its_reverse(void **state) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  (void)state;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  char bytes[768];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7 + i / 256);
  for (size_t size = 0; size <= sizeof bytes; size += size < 8 ? 1 : 95) {
    lti_buf out;
    lti_buf_init(&out, &alloc, 4096, LEAT_EBODYMAX);
    assert_int_equal(lti_digest_base64(lti_slice(bytes, size), &out), LTI_OK);
    assert_int_equal(out.size % 4, 0);
    for (size_t i = 0; i < size; i++) {
      size_t bit = i * 8, sextet = bit / 6, skip = bit % 6;
      unsigned first = (unsigned)(strchr(letters, out.data[sextet]) - letters);
      unsigned second = (unsigned)(strchr(letters, out.data[sextet + 1]) - letters);
      unsigned byte = (first << 6 | second) >> (4 - skip) & 255;
      assert_int_equal(byte, (unsigned char)bytes[i]);
    }
    lti_buf_deinit(&out);
  }
}

static void a_full_buffer_is_left_as_it_was(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc alloc;
  lti_alloc_init(&alloc, &fns);
  lti_buf out;
  lti_buf_init(&out, &alloc, 7, LEAT_EBODYMAX);
  assert_int_equal(lti_digest_base64(lti_slice_of("foob"), &out), LEAT_EBODYMAX);
  assert_int_equal(out.size, 0);
  assert_int_equal(lti_digest_base64(lti_slice_of("foo"), &out), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&out), "Zm9v"));
  assert_int_equal(lti_digest_base64(lti_slice("", SIZE_MAX), &out), LEAT_EBODYMAX);
  lti_buf_deinit(&out);
  f.fail_at = f.calls + 1;
  lti_buf_init(&out, &alloc, 4096, LEAT_EBODYMAX);
  assert_int_equal(lti_digest_base64(lti_slice_of("foo"), &out), LEAT_ENOMEM);
  lti_buf_deinit(&out);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sha1_of_the_published_vectors),
      cmocka_unit_test(sha1_of_a_million_letters),
      cmocka_unit_test(sha1_at_the_ends_of_a_block),
      cmocka_unit_test(base64_of_the_published_vectors),
      cmocka_unit_test(both_give_the_accept_of_rfc_6455),
      cmocka_unit_test(base64_is_undone_by_its_reverse),
      cmocka_unit_test(a_full_buffer_is_left_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
