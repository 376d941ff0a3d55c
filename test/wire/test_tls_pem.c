/* Certificates in PEM: held against mbedTLS's own reader, and bent in every way. */
#include "wire/tls_pem.h"

#include <mbedtls/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* mbedTLS 3 marks its fields; 2.28 does not know the mark. */
#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END   "-----END CERTIFICATE-----\n"

static size_t decode(const char *text, unsigned char *der) {
  return lti_tls_pem_decode(lti_slice_of(text), der);
}

static void blocks_are_found_among_other_text(void **state) {
  (void)state;
  leat_slice text = lti_slice_of("# a comment\n" BEGIN "AAAA\n" END
                                 "-----BEGIN X509 CRL-----\nBBBB\n-----END X509 CRL-----\n" BEGIN
                                 "CCCC\n" END "-- - the end");
  leat_slice body;
  assert_true(lti_tls_pem_next(&text, &body));
  assert_true(lti_slice_is(body, "\nAAAA\n"));
  assert_true(lti_tls_pem_next(&text, &body));
  assert_true(lti_slice_is(body, "\nCCCC\n"));
  assert_false(lti_tls_pem_next(&text, &body));
}

static void what_has_no_end_is_none(void **state) {
  (void)state;
  static const char whole[] = BEGIN "AAAA\n" END;
  leat_slice body;
  for (size_t size = 0; size < sizeof whole - 2; size++) {
    leat_slice text = lti_slice(whole, size);
    assert_false(lti_tls_pem_next(&text, &body));
  }
}

static void digits_become_bytes(void **state) {
  (void)state;
  unsigned char der[64];
  assert_int_equal(decode("TWFu", der), 3);
  assert_memory_equal(der, "Man", 3);
  assert_int_equal(decode("TWE=", der), 2);
  assert_memory_equal(der, "Ma", 2);
  assert_int_equal(decode("T\r\nQ \t= =\n", der), 1);
  assert_memory_equal(der, "M", 1);
  assert_int_equal(decode("+/+/", der), 3);
  assert_memory_equal(der, "\xfb\xff\xbf", 3);
}

static void what_is_no_base64_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"",     "T",     "TQ",    "TWF",    "TWF*", "=TQ=", "TQ=a",
                                      "T===", "TWE==", "TWFu=", "TQ==TQ", "TW-u", "TW_u"};
  unsigned char der[64];
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(decode(wrong[i], der), 0);
}

/* Every CA of this system, as mbedTLS decodes it. */
static void the_systems_own_are_read_as_mbedtls_reads_them(void **state) {
  (void)state;
  static unsigned char bytes[4 << 20];
  size_t count = 0;
  FILE *file = fopen("/etc/ssl/certs/ca-certificates.crt", "rb");
  if (!file) skip();
  size_t size = fread(bytes, 1, sizeof bytes - 1, file);
  fclose(file);
  unsigned char *der = malloc(size + 1), *rest_pem = bytes;
  leat_slice text = lti_slice((char *)bytes, size), body;
  assert_non_null(der);
  while (lti_tls_pem_next(&text, &body)) {
    mbedtls_pem_context pem;
    size_t used;
    mbedtls_pem_init(&pem);
    int native = mbedtls_pem_read_buffer(&pem, "-----BEGIN CERTIFICATE-----",
                                         "-----END CERTIFICATE-----", rest_pem, NULL, 0, &used);
    assert_int_equal(native, 0);
    size_t got = lti_tls_pem_decode(body, der);
    assert_memory_equal(der, pem.MBEDTLS_PRIVATE(buf), got);
    assert_int_equal(got, pem.MBEDTLS_PRIVATE(buflen));
    mbedtls_pem_free(&pem);
    rest_pem += used;
    count++;
  }
  assert_true(count > 0);
  free(der);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_found_among_other_text),
      cmocka_unit_test(what_has_no_end_is_none),
      cmocka_unit_test(digits_become_bytes),
      cmocka_unit_test(what_is_no_base64_is_refused),
      cmocka_unit_test(the_systems_own_are_read_as_mbedtls_reads_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
