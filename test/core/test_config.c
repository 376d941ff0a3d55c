/* The engine's settings: defaults, what is refused and why, copies that outlive the caller's, and
 * secrets that do not outlive the engine (rows KEY-07 and RS-02). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "core/config.h"
#include "support/flow.h"

#define SECRET_PROXY "http://user:swordfish-canary@proxy.test:3128"
#define SECRET_PEM   "-----BEGIN PRIVATE KEY-----\nswordfish-canary\n-----END PRIVATE KEY-----\n"

/* ---- defaults */

static const leat_config *read_into(leat_engine *e, const leat_config *config) {
  const char *why = NULL;
  memset(e, 0, sizeof *e);
  int r = lti_config_read(e, config, &why);
  if (r != LEAT_OK) fail_msg("%s: %s", leat_error_name(r), why ? why : "");
  return &e->config;
}

static void test_the_transports_defaults(void **state) {
  leat_engine e;
  (void)state;
  const leat_config *c = read_into(&e, NULL);
  assert_int_equal(c->http, LEAT_HTTP_AUTO);
  assert_int_equal(c->tls_max, LEAT_TLS_DEFAULT);
  assert_int_equal(c->conns_max, 64);
  assert_int_equal(c->h2_conns_max, 8);
  assert_int_equal(c->h2_streams_max, 1000);
  assert_int_equal(c->h2_stream_window, 512 << 10);
  assert_int_equal(c->h2_conn_window, 16 << 20);
  assert_int_equal(c->ping_ms, 20000);
  assert_int_equal(c->ping_timeout_ms, 10000);
  assert_int_equal(c->conn_age_ms, 3600000);
  assert_false(c->coalesce);
  assert_false(c->rx_timestamps);
  assert_null(c->proxy);
  assert_null(c->no_proxy);
  assert_null(c->cert_file);
  assert_null(c->key_file);
  assert_null(c->cert_pem.data);
  assert_null(c->key_pem.data);
  lti_config_free(&e);
}

static void test_what_is_set_stays_as_it_is(void **state) {
  leat_engine e;
  leat_config in;
  (void)state;
  leat_config_init(&in);
  in.http = LEAT_HTTP_2;
  in.coalesce = true;
  in.rx_timestamps = true;
  in.h2_conns_max = 3;
  in.h2_streams_max = 1;
  in.h2_stream_window = 64 << 10;
  in.h2_conn_window = 1 << 30;
  in.ping_ms = in.conn_age_ms = LEAT_NONE;
  in.ping_timeout_ms = 1;
  in.tls_max = LEAT_TLS_1_2;
  const leat_config *c = read_into(&e, &in);
  assert_int_equal(c->http, LEAT_HTTP_2);
  assert_true(c->coalesce);
  assert_true(c->rx_timestamps);
  assert_int_equal(c->h2_conns_max, 3);
  assert_int_equal(c->h2_streams_max, 1);
  assert_int_equal(c->h2_stream_window, 64 << 10);
  assert_int_equal(c->h2_conn_window, 1 << 30);
  assert_int_equal(c->ping_ms, LEAT_NONE);
  assert_int_equal(c->conn_age_ms, LEAT_NONE);
  assert_int_equal(c->ping_timeout_ms, 1);
  assert_int_equal(c->tls_max, LEAT_TLS_1_2);
  lti_config_free(&e);
}

/* ---- what is refused */

static void check_refused(const leat_config *config, const char *word) {
  leat_engine *e = NULL;
  const char *why = NULL;
  int r = leat_open(&e, config, &why);
  if (r == LEAT_OK) fail_msg("accepted: %s", word);
  assert_null(e);
  assert_int_equal(leat_error_class(r), LEAT_CLASS_USAGE);
  assert_non_null(why);
  if (!strstr(why, word)) fail_msg("\"%s\" does not name %s", why, word);
}

static void test_numbers_out_of_range_are_named(void **state) {
  static const struct {
    leat_config config;
    const char *word;
  } wrong[] = {{{.http = (enum leat_http)3}, "http"},
               {{.http = (enum leat_http)11}, "http"},
               {{.tls_max = (enum leat_tls)11}, "tls_max"},
               {{.tls_max = (enum leat_tls)1}, "tls_max"},
               {{.conns_max = -1}, "conns_max"},
               {{.h2_conns_max = LEAT_NONE}, "h2_conns_max"},
               {{.h2_streams_max = LEAT_NONE}, "h2_streams_max"},
               {{.h2_stream_window = LEAT_NONE}, "h2_stream_window"},
               {{.h2_stream_window = (64 << 10) - 1}, "h2_stream_window"},
               {{.h2_stream_window = (1ll << 30) + 1}, "h2_stream_window"},
               {{.h2_conn_window = 65535}, "h2_conn_window"},
               {{.h2_conn_window = INT64_MAX}, "h2_conn_window"},
               {{.ping_ms = -2}, "ping_ms"},
               {{.ping_ms = INT64_MAX}, "ping_ms"},
               {{.conn_age_ms = INT64_MIN}, "conn_age_ms"},
               {{.conn_age_ms = INT64_MAX}, "conn_age_ms"},
               {{.ping_timeout_ms = LEAT_NONE}, "ping_timeout_ms"},
               {{.ping_timeout_ms = INT64_MAX}, "ping_timeout_ms"}};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    leat_config config = wrong[i].config;
    config.struct_size = sizeof config;
    check_refused(&config, wrong[i].word);
  }
}

static void test_certificates_that_contradict_each_other_are_named(void **state) {
  static const leat_slice pem = {SECRET_PEM, sizeof SECRET_PEM - 1};
  leat_config c;
  (void)state;
  leat_config_init(&c);
  c.key_file = "key.pem";
  check_refused(&c, "without the certificate");
  c.cert_pem = pem;
  c.cert_file = "cert.pem";
  check_refused(&c, "cert_file and cert_pem");
  c.cert_file = NULL;
  c.key_pem = pem;
  check_refused(&c, "key_file and key_pem");
  c.key_file = NULL;
  c.cert_pem = lti_slice(NULL, 0);
  check_refused(&c, "without the certificate");
}

static void test_a_proxy_that_is_none_is_told_without_its_password(void **state) {
  static const char *const wrong[] = {"socks5://user:swordfish@h:1080",
                                      "http://user:swordfish@h:99999",
                                      "http://user:swordfish@",
                                      "http://user:sword%zzfish@h",
                                      "http://user:swordfish@h/path",
                                      "http://us\ner:swordfish@h",
                                      "://",
                                      "a b"};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    leat_config config;
    leat_engine *e = NULL;
    const char *why = NULL;
    leat_config_init(&config);
    config.proxy = wrong[i];
    assert_int_equal(leat_open(&e, &config, &why), LEAT_EURL);
    assert_null(e);
    assert_non_null(why);
    assert_non_null(strstr(why, "proxy"));
    assert_null(strstr(why, "fish"));
  }
}

static void test_a_request_with_an_http_that_there_is_not(void **state) {
  flow *f = *state;
  f->request.base_url = "http://127.0.0.1:1";
  f->request.http = (enum leat_http)4;
  flow_call *c = flow_try(f);
  assert_int_equal(c->error, LEAT_EINVAL);
  flow_assert_has(c->message, "http");
}

/* ---- copies */

static void test_a_key_that_is_not_named_stands_beside_its_certificate(void **state) {
  leat_engine e;
  leat_config in;
  (void)state;
  leat_config_init(&in);
  in.cert_file = "both.pem";
  assert_string_equal(read_into(&e, &in)->key_file, "both.pem");
  lti_config_free(&e);
  in.key_pem = lti_slice_of(SECRET_PEM);
  assert_null(read_into(&e, &in)->key_file);
  lti_config_free(&e);
  leat_config_init(&in);
  in.cert_pem = lti_slice_of(SECRET_PEM);
  const leat_config *c = read_into(&e, &in);
  assert_int_equal(c->key_pem.size, strlen(SECRET_PEM));
  assert_memory_equal(c->key_pem.data, SECRET_PEM, c->key_pem.size);
  assert_null(c->key_file);
  lti_config_free(&e);
}

static void test_the_callers_texts_may_go(void **state) {
  char texts[6][64] = {SECRET_PROXY, "a.test,10.0.0.0/8", "cert.pem", "key.pem", "https://x.test"};
  leat_header header = {{texts[5], 3}, {texts[5] + 3, 2}};
  leat_engine e;
  leat_config in;
  (void)state;
  memcpy(texts[5], "x-ayy", 5);
  leat_config_init(&in);
  in.proxy = texts[0];
  in.no_proxy = texts[1];
  in.cert_file = texts[2];
  in.key_file = texts[3];
  in.base_url = texts[4];
  in.headers = &header;
  in.header_count = 1;
  const leat_config *c = read_into(&e, &in);
  memset(texts, '#', sizeof texts);
  assert_string_equal(c->proxy, SECRET_PROXY);
  assert_string_equal(c->no_proxy, "a.test,10.0.0.0/8");
  assert_string_equal(c->cert_file, "cert.pem");
  assert_string_equal(c->key_file, "key.pem");
  assert_string_equal(c->base_url, "https://x.test");
  assert_true(lti_slice_is(c->headers[0].name, "x-a"));
  assert_true(lti_slice_is(c->headers[0].value, "yy"));
  lti_config_free(&e);
}

static void test_empty_texts_mean_none(void **state) {
  leat_engine e;
  leat_config in;
  (void)state;
  leat_config_init(&in);
  in.proxy = in.no_proxy = "";
  const leat_config *c = read_into(&e, &in);
  assert_null(c->proxy);
  assert_null(c->no_proxy);
  lti_config_free(&e);
}

/* A caller that was built before these fields were there gives a smaller struct. */
static void test_an_older_callers_struct_leaves_defaults(void **state) {
  leat_engine e;
  leat_config in;
  (void)state;
  leat_config_init(&in);
  in.http = LEAT_HTTP_2;
  in.tls_max = (enum leat_tls)99;
  in.struct_size = offsetof(leat_config, http);
  const leat_config *c = read_into(&e, &in);
  assert_int_equal(c->http, LEAT_HTTP_AUTO);
  assert_int_equal(c->tls_max, LEAT_TLS_DEFAULT);
  assert_int_equal(c->h2_conns_max, 8);
  lti_config_free(&e);
}

/* ---- secrets */

static void open_and_close(const leat_allocator *fns, void *ctx) {
  static const leat_slice pem = {SECRET_PEM, sizeof SECRET_PEM - 1};
  leat_config config;
  leat_engine *e;
  const char *why = NULL;
  (void)ctx;
  leat_config_init(&config);
  config.allocator = *fns;
  config.proxy = SECRET_PROXY;
  config.cert_file = "cert.pem";
  config.key_pem = pem;
  int r = leat_open(&e, &config, &why);
  if (r == LEAT_OK) {
    assert_int_equal(leat_close(e, LEAT_CLOSE_NOW, NULL, NULL), LEAT_OK);
    assert_int_equal(leat_run(e), LEAT_OK);
  } else {
    assert_int_equal(r, LEAT_ENOMEM);
  }
}

static void test_rs_02_no_memory_for_the_copies(void **state) {
  (void)state;
  assert_true(failing_at_every_n(open_and_close, NULL) > 5);
}

static void test_key_07_secrets_are_wiped_with_the_engine(void **state) {
  (void)state;
  for (uint64_t fail_at = 0; fail_at < 8; fail_at++) {
    failing f;
    failing_init(&f, fail_at);
    f.canary = "swordfish-canary";
    leat_allocator fns = failing_allocator(&f);
    open_and_close(&fns, NULL);
    assert_true(failing_clean(&f));
    failing_deinit(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_transports_defaults),
      cmocka_unit_test(test_what_is_set_stays_as_it_is),
      cmocka_unit_test(test_numbers_out_of_range_are_named),
      cmocka_unit_test(test_certificates_that_contradict_each_other_are_named),
      cmocka_unit_test(test_a_proxy_that_is_none_is_told_without_its_password),
      FLOW_TEST(test_a_request_with_an_http_that_there_is_not),
      cmocka_unit_test(test_a_key_that_is_not_named_stands_beside_its_certificate),
      cmocka_unit_test(test_the_callers_texts_may_go),
      cmocka_unit_test(test_empty_texts_mean_none),
      cmocka_unit_test(test_an_older_callers_struct_leaves_defaults),
      cmocka_unit_test(test_rs_02_no_memory_for_the_copies),
      cmocka_unit_test(test_key_07_secrets_are_wiped_with_the_engine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
