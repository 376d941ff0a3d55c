/* wire/tls and the client's own certificate: shown to servers that ask, tied to sessions, refused
 * with a message that names the file when it cannot be used; and the key's text is wiped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/failing.h"
#include "support/tls_scene.h"
#include "wire/tls.h"

#define HOST TLS_SCENE_HOST

static tls_scene scene;
static certs_pair own, rsa, middle, behind_middle, stranger_ca, stranger;
static tls_server *asking; /* wants a certificate of scene.ca */
static char folder[40];

static int set_up(void **state) {
  (void)state;
  tls_scene_init(&scene);
  certs_make(&own, &(certs_spec){.cn = "own", .usage = CERTS_USAGE_CLIENT}, &scene.ca);
  certs_make(&rsa,
             &(certs_spec){.cn = "own rsa", .usage = CERTS_USAGE_CLIENT, .key = CERTS_RSA_2048},
             &scene.ca);
  certs_make(&middle, &(certs_spec){.cn = "middle", .ca = true}, &scene.ca);
  certs_make(&behind_middle, &(certs_spec){.cn = "behind", .usage = CERTS_USAGE_CLIENT}, &middle);
  certs_make(&stranger_ca, &(certs_spec){.cn = "Other CA", .ca = true}, NULL);
  certs_make(&stranger, &(certs_spec){.cn = "stranger", .usage = CERTS_USAGE_CLIENT}, &stranger_ca);
  asking = tls_server_new(
      &(tls_server_options){.leaf = &scene.leaf, .tickets = true, .client_ca = &scene.ca});
  snprintf(folder, sizeof folder, "/tmp/leat-client-cert-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  rmdir(folder);
  tls_server_free(asking);
  certs_free(&stranger);
  certs_free(&stranger_ca);
  certs_free(&behind_middle);
  certs_free(&middle);
  certs_free(&rsa);
  certs_free(&own);
  tls_scene_deinit(&scene);
  return 0;
}

static lti_tls_context *context_of(lti_tls_config config) {
  char message[300] = "";
  lti_tls_context *context = NULL;
  config.ca_pem = certs_pem(&scene.ca);
  int error = lti_tls_context_new(&scene.alloc, &config, &context, message, sizeof message);
  if (error) print_error("%s\n", message);
  assert_int_equal(error, LTI_OK);
  assert_string_equal(message, "");
  return context;
}

/* The client's result; for TLS 1.3 the server's refusal comes with what is read behind. */
static int connect_with(tls_link *l, lti_tls_context *context, tls_server *server,
                        const lti_tls_session *session) {
  lti_buf got;
  lti_buf_init(&got, &scene.alloc, 100, LEAT_EBODYMAX);
  assert_int_equal(tls_link_open(l, &scene.alloc, context, HOST, session), LTI_OK);
  tls_link_accept(l, server);
  int result = tls_link_handshake(l, TLS_LINK_WHOLE);
  if (result == LTI_OK) result = tls_link_read(l, TLS_LINK_WHOLE, 100, &got);
  lti_buf_deinit(&got);
  return result;
}

static void assert_shown(lti_tls_context *context, tls_server *server, const char *subject) {
  tls_link l;
  char text[100];
  int result = connect_with(&l, context, server, NULL);
  if (result) print_error("%s\n", lti_tls_message(l.tls));
  assert_int_equal(result, LTI_OK);
  assert_true(l.peer->established);
  tls_peer_subject(l.peer, text, sizeof text);
  assert_string_equal(text, subject);
  tls_link_close(&l);
}

/* Writes a file into the folder; the name is good until the next call but one. */
static const char *file_of(const char *name, const char *first, const char *second) {
  static char paths[2][100];
  static unsigned turn;
  char *path = paths[turn++ % 2];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fprintf(f, "%s%s", first, second);
  assert_int_equal(fclose(f), 0);
  return path;
}

static void assert_refused(const lti_tls_config *config, const char *words) {
  char message[300] = "";
  lti_tls_context *context = NULL;
  lti_tls_config with_ca = *config;
  with_ca.ca_pem = certs_pem(&scene.ca);
  assert_int_equal(lti_tls_context_new(&scene.alloc, &with_ca, &context, message, sizeof message),
                   LEAT_ECLIENTCERT);
  assert_null(context);
  assert_string_equal(message, words);
}

/* ---- showing it -------------------------------------------------------------------------------
 */

static void client_cert_is_shown_to_a_server_that_asks(void **state) {
  (void)state;
  const certs_pair *pairs[] = {&own, &rsa};
  static const char *const subjects[] = {"CN=own", "CN=own rsa"};
  for (int i = 0; i < 2; i++) {
    lti_tls_context *context = context_of(
        (lti_tls_config){.cert_pem = certs_pem(pairs[i]), .key_pem = certs_key_pem(pairs[i])});
    assert_shown(context, asking, subjects[i]);
    assert_shown(context, scene.server, "");
    lti_tls_context_free(context);
  }
}

static void client_cert_comes_with_the_certificates_behind_it(void **state) {
  (void)state;
  char chain[sizeof own.pem * 2];
  snprintf(chain, sizeof chain, "%s%s", behind_middle.pem, middle.pem);
  lti_tls_context *context = context_of(
      (lti_tls_config){.cert_pem = lti_slice_of(chain), .key_pem = certs_key_pem(&behind_middle)});
  assert_shown(context, asking, "CN=behind");
  lti_tls_context_free(context);
}

static void client_cert_and_key_come_from_files(void **state) {
  (void)state;
  const char *cert = file_of("cert.pem", own.pem, ""), *key = file_of("key.pem", own.key_pem, "");
  lti_tls_context *context = context_of((lti_tls_config){.cert_file = cert, .key_file = key});
  unlink(cert);
  unlink(key);
  assert_shown(context, asking, "CN=own");
  lti_tls_context_free(context);
}

static void client_cert_and_key_may_stand_in_one_file(void **state) {
  (void)state;
  const char *const orders[][2] = {{own.pem, own.key_pem}, {own.key_pem, own.pem}};
  for (int i = 0; i < 2; i++) {
    const char *both = file_of("both.pem", orders[i][0], orders[i][1]);
    lti_tls_context *context = context_of((lti_tls_config){.cert_file = both});
    unlink(both);
    assert_shown(context, asking, "CN=own");
    lti_tls_context_free(context);
  }
}

static void client_cert_bytes_go_before_the_files(void **state) {
  (void)state;
  lti_tls_context *context = context_of((lti_tls_config){.cert_file = "/nowhere/cert.pem",
                                                         .key_file = "/nowhere/key.pem",
                                                         .cert_pem = certs_pem(&own),
                                                         .key_pem = certs_key_pem(&own)});
  assert_shown(context, asking, "CN=own");
  lti_tls_context_free(context);
}

/* A server that must have one and gets none, or one of another CA, ends the connection. */
static void client_cert_missing_or_strange_is_told(void **state) {
  (void)state;
  for (int strange = 0; strange < 2; strange++) {
    tls_link l;
    lti_tls_config config = {0};
    if (strange) {
      config.cert_pem = certs_pem(&stranger);
      config.key_pem = certs_key_pem(&stranger);
    }
    lti_tls_context *context = context_of(config);
    assert_int_equal(connect_with(&l, context, asking, NULL), LEAT_ETLS);
    const char *words = strange ? "refuses the client certificate" : "wants a client certificate";
    /* In TLS 1.3 mbedTLS's server says it under a key that its client has left behind. */
    if (!tls_server_speaks_13()) assert_non_null(strstr(lti_tls_message(l.tls), words));
    assert_null(lti_tls_session_save(l.tls));
    tls_link_close(&l);
    lti_tls_context_free(context);
  }
}

/* A resumed connection shows nothing: the session itself stands for the certificate. So it must not
 * be lent to a context that has another certificate or none. */
static void tls_16_a_session_stays_with_its_client_certificate(void **state) {
  (void)state;
  tls_link l;
  char text[100];
  lti_tls_context *with =
      context_of((lti_tls_config){.cert_pem = certs_pem(&own), .key_pem = certs_key_pem(&own)});
  lti_tls_context *other =
      context_of((lti_tls_config){.cert_pem = certs_pem(&rsa), .key_pem = certs_key_pem(&rsa)});
  assert_int_equal(connect_with(&l, with, asking, NULL), LTI_OK);
  lti_tls_session *session = lti_tls_session_save(l.tls);
  assert_non_null(session);
  tls_link_close(&l);
  assert_int_equal(connect_with(&l, with, asking, session), LTI_OK);
  assert_true(lti_tls_resumed(l.tls));
  tls_link_close(&l);
  assert_int_equal(connect_with(&l, other, asking, session), LTI_OK);
  assert_false(lti_tls_resumed(l.tls));
  tls_peer_subject(l.peer, text, sizeof text);
  assert_string_equal(text, "CN=own rsa");
  tls_link_close(&l);
  assert_int_equal(connect_with(&l, scene.context, asking, session), LEAT_ETLS);
  tls_link_close(&l);
  lti_tls_session_free(session);
  lti_tls_context_free(other);
  lti_tls_context_free(with);
}

/* ---- what cannot be used ----------------------------------------------------------------------
 */

static void client_cert_bytes_that_cannot_be_used_are_refused(void **state) {
  (void)state;
  char broken[sizeof own.pem * 2];
  snprintf(broken, sizeof broken,
           "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", own.pem);
  const struct {
    lti_tls_config config;
    const char *words;
  } rows[] = {
      {{.cert_pem = lti_slice_of("x"), .key_pem = certs_key_pem(&own)},
       "the client certificate given holds no certificate that can be used"},
      {{.cert_pem = certs_key_pem(&own), .key_pem = certs_key_pem(&own)},
       "the client certificate given holds no certificate that can be used"},
      {{.cert_pem = lti_slice_of(broken), .key_pem = certs_key_pem(&own)},
       "the client certificate given holds a certificate that cannot be used"},
      {{.cert_pem = certs_pem(&own), .key_pem = lti_slice_of("x")},
       "the client key given holds no private key that can be used"},
      {{.cert_pem = certs_pem(&own)}, "the client key given holds no private key that can be used"},
      {{.cert_pem = certs_pem(&own), .key_pem = certs_key_pem(&rsa)},
       "the client key given does not belong to the certificate given"},
      {{.cert_pem = certs_pem(&own), .key_pem = certs_key_pem(&stranger)},
       "the client key given does not belong to the certificate given"},
      {{.key_pem = certs_key_pem(&own)}, "a client key was given without a certificate"},
      {{.key_file = "/nowhere"}, "a client key was given without a certificate"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_refused(&rows[i].config, rows[i].words);
    lti_tls_config insecure = rows[i].config;
    insecure.insecure = true;
    assert_refused(&insecure, rows[i].words);
  }
}

static void client_cert_files_that_cannot_be_used_are_named(void **state) {
  (void)state;
  char words[300];
  assert_refused(
      &(lti_tls_config){.cert_file = "/nowhere/c.pem", .key_file = "/nowhere/k.pem"},
      "client certificate file /nowhere/c.pem cannot be read: No such file or directory");
  const char *cert = file_of("cert.pem", own.pem, "");
  assert_refused(&(lti_tls_config){.cert_file = cert, .key_file = "/nowhere/k.pem"},
                 "client key file /nowhere/k.pem cannot be read: No such file or directory");
  snprintf(words, sizeof words, "client key file %s cannot be read: Is a directory", folder);
  assert_refused(&(lti_tls_config){.cert_file = cert, .key_file = folder}, words);
  snprintf(words, sizeof words, "client key file %s holds no private key that can be used", cert);
  assert_refused(&(lti_tls_config){.cert_file = cert}, words);
  const char *key = file_of("key.pem", stranger.key_pem, "");
  snprintf(words, sizeof words, "the client key %s does not belong to the certificate %s", key,
           cert);
  assert_refused(&(lti_tls_config){.cert_file = cert, .key_file = key}, words);
  snprintf(words, sizeof words, "client certificate file %s holds no certificate that can be used",
           key);
  assert_refused(&(lti_tls_config){.cert_file = key, .key_file = key}, words);
  assert_refused(&(lti_tls_config){.cert_file = "/dev/zero", .key_file = key},
                 "client certificate file /dev/zero cannot be read: File too large");
  unlink(cert);
  unlink(key);
}

/* An EC key under a passphrase, as `openssl pkcs8 -topk8` and `openssl ec -aes128` write it. */
static const char pkcs8[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHeMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAgjnhINrqAWMgICCAAw\n"
    "HQYJYIZIAWUDBAECBBAaGtO5dqxEVVsFjjXWP21BBIGQHIx4k3L02/c8qa4PjR8Q\n"
    "r7b4lCDqS8MDk2Kpg2xY8tuXjUbY3nrjk8yO6XupKZj57TZ1s6aHjQ8WSKSFJcPu\n"
    "ulgwqEsHVzxRVzBkrxdLsnAVfM+z/jJS3dX42XYiU2GMQhjtVX6HC9OcfQvAlV5v\n"
    "tdbTsED/IZJxMSbYtnrVRrxQV7pI6tUXoBp2eGSJb/1l\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";
static const char traditional[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,F686567148EC166D5E312F4EB1858EA3\n"
    "\n"
    "ELcrg53ZsWJa4NfTjk/hM5+z6IoGz80mVQcHsEdHJPr4A0fif2J4/9VF9TJld0+y\n"
    "gKaoRGKVnvS+07xo3KwCEXB72IGo33vSAl6ZFz2Ohz8eGGk0O82MVyYY/MCW3Ic2\n"
    "CuOcpPm87PfGhZZpiGDnH4i1Fg4AQA3V54JoPlE3Vww=\n"
    "-----END EC PRIVATE KEY-----\n";

static void client_key_under_a_passphrase_is_refused_in_words(void **state) {
  (void)state;
  const char *keys[] = {pkcs8, traditional};
  for (int i = 0; i < 2; i++) {
    lti_tls_config config = {.cert_pem = certs_pem(&own), .key_pem = lti_slice_of(keys[i])};
    assert_refused(&config, "the client key given is encrypted; decrypt it first");
  }
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static const char *cert_path, *key_path;

static void load(const leat_allocator *fns, void *from_files) {
  lti_alloc alloc;
  lti_tls_context *context = NULL;
  char message[300];
  lti_alloc_init(&alloc, fns);
  lti_tls_config config = {.insecure = true};
  if (*(bool *)from_files) {
    config.cert_file = cert_path;
    config.key_file = key_path;
  } else {
    config.cert_pem = certs_pem(&own);
    config.key_pem = certs_key_pem(&own);
  }
  int error = lti_tls_context_new(&alloc, &config, &context, message, sizeof message);
  assert_true(error == LTI_OK || error == LEAT_ENOMEM);
  lti_tls_context_free(context);
}

static void client_cert_our_allocations_may_fail_one_by_one(void **state) {
  (void)state;
  cert_path = file_of("cert.pem", own.pem, "");
  key_path = file_of("key.pem", own.key_pem, "");
  for (int i = 0; i < 2; i++) {
    bool from_files = i == 1;
    assert_in_range(failing_at_every_n(load, &from_files), 3, 100);
  }
  unlink(cert_path);
  unlink(key_path);
}

/* Sixteen characters out of the middle of the key's text are looked for in every block that is
 * given back, whether the key could be used or not. */
static void client_key_text_is_wiped(void **state) {
  (void)state;
  char canary[17];
  memcpy(canary, own.key_pem + 60, 16);
  canary[16] = '\0';
  assert_null(strchr(canary, '\n'));
  cert_path = file_of("cert.pem", own.pem, "");
  key_path = file_of("key.pem", own.key_pem, "");
  const lti_tls_config rows[] = {
      {.cert_pem = certs_pem(&own), .key_pem = certs_key_pem(&own)},
      {.cert_file = cert_path, .key_file = key_path},
      {.cert_pem = certs_pem(&stranger), .key_pem = certs_key_pem(&own)},
      {.cert_file = key_path},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    failing f;
    lti_alloc alloc;
    char message[300];
    lti_tls_context *context = NULL;
    lti_tls_config config = rows[i];
    config.insecure = true;
    failing_init(&f, 0);
    f.canary = canary;
    leat_allocator fns = failing_allocator(&f);
    lti_alloc_init(&alloc, &fns);
    int error = lti_tls_context_new(&alloc, &config, &context, message, sizeof message);
    assert_int_equal(error, i < 2 ? LTI_OK : LEAT_ECLIENTCERT);
    lti_tls_context_free(context);
    assert_true(failing_clean(&f));
    failing_deinit(&f);
  }
  unlink(cert_path);
  unlink(key_path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(client_cert_is_shown_to_a_server_that_asks),
      cmocka_unit_test(client_cert_comes_with_the_certificates_behind_it),
      cmocka_unit_test(client_cert_and_key_come_from_files),
      cmocka_unit_test(client_cert_and_key_may_stand_in_one_file),
      cmocka_unit_test(client_cert_bytes_go_before_the_files),
      cmocka_unit_test(client_cert_missing_or_strange_is_told),
      cmocka_unit_test(tls_16_a_session_stays_with_its_client_certificate),
      cmocka_unit_test(client_cert_bytes_that_cannot_be_used_are_refused),
      cmocka_unit_test(client_cert_files_that_cannot_be_used_are_named),
      cmocka_unit_test(client_key_under_a_passphrase_is_refused_in_words),
      cmocka_unit_test(client_cert_our_allocations_may_fail_one_by_one),
      cmocka_unit_test(client_key_text_is_wiped),
  };
  return tls_scene_run(tests, set_up, tear_down);
}
