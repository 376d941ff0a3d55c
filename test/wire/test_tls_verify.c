/* The certificate matrix of wire/tls, end to end over in-memory handshakes: which certificates are
 * accepted for which host, and what the refusal says. Trusted CA files too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/certs.h"
#include "support/tls_link.h"
#include "support/tls_scene.h"
#include "support/tls_server.h"
#include "wire/tls.h"

#define HOST "api.x.test"

static certs_pair ca, foreign_ca;
static lti_alloc alloc;
static lti_tls_context *strict, *insecure;

static int set_up(void **state) {
  (void)state;
  char message[200];
  lti_alloc_init(&alloc, NULL);
  certs_make(&ca, &(certs_spec){.cn = "Test CA", .ca = true}, NULL);
  certs_make(&foreign_ca, &(certs_spec){.cn = "Foreign CA", .ca = true}, NULL);
  assert_int_equal(lti_tls_context_new(&alloc, &(lti_tls_config){.ca_pem = certs_pem(&ca)}, &strict,
                                       message, sizeof message),
                   LTI_OK);
  assert_int_equal(lti_tls_context_new(&alloc, &(lti_tls_config){.insecure = true}, &insecure,
                                       message, sizeof message),
                   LTI_OK);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  lti_tls_context_free(strict);
  lti_tls_context_free(insecure);
  certs_free(&ca);
  certs_free(&foreign_ca);
  return 0;
}

typedef struct offer {
  certs_pair *leaf, *chain;
  const char *host;
} offer;

/* The client's last result; `message` gets its words, `sni` the name that the server saw. */
static int meet(lti_tls_context *context, const offer *o, char message[400], char sni[256]) {
  tls_server *server = tls_server_new(&(tls_server_options){.leaf = o->leaf, .chain = o->chain});
  tls_link l;
  assert_int_equal(tls_link_open(&l, &alloc, context, o->host, NULL), LTI_OK);
  tls_link_accept(&l, server);
  int result = tls_link_handshake(&l, TLS_LINK_WHOLE);
  snprintf(message, 400, "%s", lti_tls_message(l.tls));
  snprintf(sni, 256, "%s", tls_server_name(server));
  if (result == LTI_OK) {
    assert_false(lti_tls_resumed(l.tls));
    assert_true(l.peer->established);
  } else {
    assert_false(l.peer->established);
    assert_int_equal(lti_outq_size(&l.out), 0);
  }
  tls_link_close(&l);
  tls_server_free(server);
  return result;
}

static void expect(const offer *o, int error, const char *words) {
  char message[400], sni[256];
  int result = meet(strict, o, message, sni);
  if (result != error || !strstr(message, words)) {
    print_error("%s: %d, \"%s\"; wanted %d, \"%s\"\n", o->host, result, message, error, words);
  }
  assert_int_equal(result, error);
  assert_non_null(strstr(message, words));
  if (error) assert_non_null(strstr(message, o->host));
}

/* A leaf made for `spec`, signed by the CA, met as `host`; then the same without verification,
 * which accepts everything. */
static void expect_leaf(const certs_spec *spec, const char *host, int error, const char *words) {
  certs_pair leaf;
  char message[400], sni[256];
  certs_make(&leaf, spec, &ca);
  offer o = {&leaf, NULL, host};
  expect(&o, error, words);
  if (error) assert_int_equal(meet(insecure, &o, message, sni), LTI_OK);
  certs_free(&leaf);
}

static void tls_01_expired_or_not_yet_valid_is_refused_with_its_date(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .to = "20250101000000"}, HOST, LEAT_ECERT,
              "certificate refused for api.x.test: expired on 2025-01-01");
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .from = "20450607000000"}, HOST, LEAT_ECERT,
              "certificate refused for api.x.test: not valid before 2045-06-07");
}

static void tls_01_every_failed_check_is_told(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = "x", .dns = {"foo.test"}, .to = "20250101000000"}, HOST,
              LEAT_ECERT, "it is for foo.test, expired on 2025-01-01");
}

static void tls_02_self_signed_and_foreign_ca_are_refused(void **state) {
  (void)state;
  certs_pair leaf;
  certs_make(&leaf, &(certs_spec){.cn = "x", .dns = {HOST}}, NULL);
  expect(&(offer){&leaf, NULL, HOST}, LEAT_ECERT,
         "certificate refused for api.x.test: its issuer is not trusted");
  certs_free(&leaf);
  certs_make(&leaf, &(certs_spec){.cn = "x", .dns = {HOST}}, &foreign_ca);
  expect(&(offer){&leaf, NULL, HOST}, LEAT_ECERT, "its issuer is not trusted");
  expect(&(offer){&leaf, &foreign_ca, HOST}, LEAT_ECERT, "its issuer is not trusted");
  certs_free(&leaf);
}

static void tls_02_intermediate_is_followed_when_sent_and_missed_when_not(void **state) {
  (void)state;
  certs_pair middle, leaf;
  certs_make(&middle, &(certs_spec){.cn = "Middle CA", .ca = true}, &ca);
  certs_make(&leaf, &(certs_spec){.cn = "x", .dns = {HOST}}, &middle);
  expect(&(offer){&leaf, &middle, HOST}, LTI_OK, "");
  expect(&(offer){&leaf, NULL, HOST}, LEAT_ECERT, "its issuer is not trusted");
  certs_free(&middle);
  certs_free(&leaf);
  certs_make(&middle, &(certs_spec){.cn = "Old CA", .ca = true, .to = "20240229000000"}, &ca);
  certs_make(&leaf, &(certs_spec){.cn = "x", .dns = {HOST}}, &middle);
  expect(&(offer){&leaf, &middle, HOST}, LEAT_ECERT, "CA Old CA: expired on 2024-02-29");
  certs_free(&middle);
  certs_free(&leaf);
}

static void tls_03_end_entity_is_no_ca(void **state) {
  (void)state;
  certs_pair middle, leaf;
  certs_make(&middle, &(certs_spec){.cn = "leaf", .dns = {"evil.test"}}, &ca);
  certs_make(&leaf, &(certs_spec){.cn = "x", .dns = {HOST}}, &middle);
  expect(&(offer){&leaf, &middle, HOST}, LEAT_ECERT, "its issuer is not trusted");
  certs_free(&middle);
  certs_free(&leaf);
}

static void tls_04_wrong_host_is_told_with_the_names(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = "x", .dns = {"foo.test", "bar.test"}}, HOST, LEAT_ECERT,
              "certificate refused for api.x.test: it is for foo.test, bar.test");
}

static void tls_04_wildcard_stands_for_one_leftmost_label(void **state) {
  (void)state;
  static const struct {
    const char *name, *host;
    bool good;
  } rows[] = {
      {"*.x.test", "api.x.test", true},
      {"*.X.TEST", "API.x.test", true},
      {"*.x.test", "a.api.x.test", false},
      {"*.x.test", "x.test", false},
      {"*.x.test", ".x.test", false},
      {"a*.x.test", "api.x.test", false},
      {"*i.x.test", "api.x.test", false},
      {"api.*.test", "api.x.test", false},
      {"*.*.test", "api.x.test", false},
      {"*.test", "x.test", false},
      {"*", "api.x.test", false},
      {"*.", "api.x.test", false},
      {".x.test", "api.x.test", false},
      {"xapi.x.test", "api.x.test", false},
      {"api.x.tes", "api.x.test", false},
      {"api.x.test.evil", "api.x.test", false},
      {"*.xn--bcher-kva.test", "a.xn--bcher-kva.test", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect_leaf(&(certs_spec){.cn = "x", .dns = {rows[i].name}}, rows[i].host,
                rows[i].good ? LTI_OK : LEAT_ECERT, rows[i].good ? "" : rows[i].name);
  }
}

static void tls_05_cn_does_not_count_beside_other_names(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = HOST, .dns = {"foo.test"}}, HOST, LEAT_ECERT,
              "it is for foo.test");
}

static void tls_06_cn_does_not_count_alone(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = HOST}, HOST, LEAT_ECERT,
              "it is for no host at all (no subjectAltName)");
}

static void tls_07_ip_literal_matches_an_ip_address_alone_and_sends_no_name(void **state) {
  (void)state;
  static const struct {
    const char *host, *cn, *dns, *ip;
    bool good;
  } rows[] = {
      {"127.0.0.1", "x", NULL, "127.0.0.1", true},
      {"127.0.0.1", "x", "localhost", "127.0.0.1", true},
      {"127.0.0.1", "x", NULL, "127.0.0.2", false},
      {"127.0.0.1", "x", "localhost", NULL, false},
      {"127.0.0.1", "x", "127.0.0.1", NULL, false},
      {"127.0.0.1", "x", "*.0.0.1", NULL, false},
      {"127.0.0.1", "127.0.0.1", NULL, NULL, false},
      {"127.0.0.1", "127.0.0.1", NULL, "::1", false},
      {"::1", "x", NULL, "::1", true},
      {"0:0:0:0:0:0:0:1", "x", NULL, "::1", true},
      {"::1", "x", NULL, "::2", false},
      {"::1", "::1", "::1", "127.0.0.1", false},
      {HOST, "x", NULL, "127.0.0.1", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char message[400], sni[256];
    certs_pair leaf;
    certs_make(&leaf, &(certs_spec){.cn = rows[i].cn, .dns = {rows[i].dns}, .ip = rows[i].ip}, &ca);
    offer o = {&leaf, NULL, rows[i].host};
    int result = meet(strict, &o, message, sni);
    if (result != (rows[i].good ? LTI_OK : LEAT_ECERT)) print_error("row %zu: %s\n", i, message);
    assert_int_equal(result, rows[i].good ? LTI_OK : LEAT_ECERT);
    assert_string_equal(sni, strcmp(rows[i].host, HOST) == 0 ? HOST : "");
    certs_free(&leaf);
  }
}

static void tls_08_trailing_dot_is_dropped_from_name_and_check(void **state) {
  (void)state;
  certs_pair leaf;
  char message[400], sni[256];
  certs_make(&leaf, &(certs_spec){.cn = "x", .dns = {HOST}}, &ca);
  offer o = {&leaf, NULL, HOST "."};
  assert_int_equal(meet(strict, &o, message, sni), LTI_OK);
  assert_string_equal(sni, HOST);
  certs_free(&leaf);
}

static void tls_09_short_rsa_keys_and_sha1_are_refused(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .key = CERTS_RSA_1024}, HOST, LEAT_ECERT,
              "its key is too short");
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .sha1 = true}, HOST, LEAT_ECERT,
              "it is signed with a weak hash");
}

static void tls_09_rsa_2048_and_p384_are_accepted(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .key = CERTS_RSA_2048}, HOST, LTI_OK, "");
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .key = CERTS_P384}, HOST, LTI_OK, "");
}

static void tls_10_certificate_must_be_meant_for_servers(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .usage = CERTS_USAGE_CODE_SIGNING}, HOST,
              LEAT_ECERT, "api.x.test: it is not meant for TLS servers (no serverAuth)");
  expect_leaf(&(certs_spec){.cn = "x", .dns = {HOST}, .usage = CERTS_USAGE_ABSENT}, HOST, LTI_OK,
              "");
}

static void tls_11_no_session_without_a_host(void **state) {
  (void)state;
  static char longest[300];
  static const char *const hosts[] = {"", "."};
  lti_outq out;
  lti_tls *tls = NULL;
  lti_outq_init(&out, &alloc);
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    assert_int_equal(lti_tls_new(strict, &(lti_tls_target){.host = hosts[i]}, NULL, &out, &tls),
                     LEAT_EINVAL);
  }
  memset(longest, 'a', sizeof longest - 1);
  assert_int_equal(lti_tls_new(strict, &(lti_tls_target){.host = longest}, NULL, &out, &tls),
                   LEAT_EINVAL);
  assert_null(tls);
  lti_outq_deinit(&out);
}

static void tls_names_of_a_certificate_are_told_without_control_bytes(void **state) {
  (void)state;
  expect_leaf(&(certs_spec){.cn = "x", .dns = {"a\033[31m\r\n.test"}}, HOST, LEAT_ECERT,
              "it is for a?[31m??.test");
}

/* ---- trusted certificates ---------------------------------------------------------------------
 */

static int load(const lti_tls_config *config, char message[300]) {
  lti_tls_context *made = NULL;
  int error = lti_tls_context_new(&alloc, config, &made, message, 300);
  lti_tls_context_free(made);
  return error;
}

static void tls_missing_or_empty_ca_file_is_named(void **state) {
  (void)state;
  char message[300], path[] = "/tmp/leat-ca-XXXXXX";
  assert_int_equal(load(&(lti_tls_config){.ca_file = "/nonexistent/ca.pem"}, message), LEAT_ENOCA);
  assert_string_equal(message, "CA file /nonexistent/ca.pem cannot be read");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(load(&(lti_tls_config){.ca_file = path}, message), LEAT_ENOCA);
  assert_non_null(strstr(message, "holds no certificate that can be used"));
  assert_int_equal(write(fd, ca.pem, strlen(ca.pem)), strlen(ca.pem));
  assert_int_equal(load(&(lti_tls_config){.ca_file = path}, message), LTI_OK);
  assert_string_equal(message, "");
  close(fd);
  unlink(path);
  assert_int_equal(load(&(lti_tls_config){.ca_pem = lti_slice_of("nonsense")}, message),
                   LEAT_ENOCA);
  assert_string_equal(message, "the CA certificates given hold none that can be used");
}

static void tls_one_certificate_that_parses_makes_a_bundle(void **state) {
  (void)state;
  static const char broken[] = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n";
  char bundle[3 * sizeof broken + sizeof ca.pem], message[300];
  snprintf(bundle, sizeof bundle, "%s# text\n%s%s", broken, ca.pem, broken);
  assert_int_equal(load(&(lti_tls_config){.ca_pem = lti_slice_of(bundle)}, message), LTI_OK);
  assert_int_equal(load(&(lti_tls_config){.ca_pem = lti_slice_of(broken)}, message), LEAT_ENOCA);
}

static void tls_system_places_are_used_or_named(void **state) {
  (void)state;
  char message[300];
  int error = load(&(lti_tls_config){.ca_file = NULL}, message);
  if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0) {
    assert_int_equal(error, LTI_OK);
  } else if (error) {
    assert_int_equal(error, LEAT_ENOCA);
    assert_non_null(strstr(message, "/etc/ssl/certs/ca-certificates.crt"));
    assert_non_null(strstr(message, "/etc/ssl/cert.pem"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tls_01_expired_or_not_yet_valid_is_refused_with_its_date),
      cmocka_unit_test(tls_01_every_failed_check_is_told),
      cmocka_unit_test(tls_02_self_signed_and_foreign_ca_are_refused),
      cmocka_unit_test(tls_02_intermediate_is_followed_when_sent_and_missed_when_not),
      cmocka_unit_test(tls_03_end_entity_is_no_ca),
      cmocka_unit_test(tls_04_wrong_host_is_told_with_the_names),
      cmocka_unit_test(tls_04_wildcard_stands_for_one_leftmost_label),
      cmocka_unit_test(tls_05_cn_does_not_count_beside_other_names),
      cmocka_unit_test(tls_06_cn_does_not_count_alone),
      cmocka_unit_test(tls_07_ip_literal_matches_an_ip_address_alone_and_sends_no_name),
      cmocka_unit_test(tls_08_trailing_dot_is_dropped_from_name_and_check),
      cmocka_unit_test(tls_09_short_rsa_keys_and_sha1_are_refused),
      cmocka_unit_test(tls_09_rsa_2048_and_p384_are_accepted),
      cmocka_unit_test(tls_10_certificate_must_be_meant_for_servers),
      cmocka_unit_test(tls_11_no_session_without_a_host),
      cmocka_unit_test(tls_names_of_a_certificate_are_told_without_control_bytes),
      cmocka_unit_test(tls_missing_or_empty_ca_file_is_named),
      cmocka_unit_test(tls_one_certificate_that_parses_makes_a_bundle),
      cmocka_unit_test(tls_system_places_are_used_or_named),
  };
  return tls_scene_run(tests, set_up, tear_down);
}
