/* Proxies: which texts are taken, how user and password reach Basic authentication and no error
 * text, what the CONNECT looks like, and whom NO_PROXY names. Names carry the row of the project's
 * table of faults that they stand for. */
#include "wire/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "support/failing.h"

static lti_alloc heap;

static lti_proxy taken(const char *text) {
  lti_proxy proxy;
  const char *why = "";
  lti_alloc_init(&heap, NULL);
  if (lti_proxy_init(&proxy, &heap, lti_slice_of(text), &why) != LTI_OK)
    fail_msg("refused: %s: %s", text, why);
  return proxy;
}

/* Refused, with a reason that has `part` and nothing of a password. */
static void assert_refused(leat_slice text, const char *part) {
  lti_proxy proxy;
  const char *why = NULL;
  lti_alloc_init(&heap, NULL);
  if (lti_proxy_init(&proxy, &heap, text, &why) != LEAT_EURL)
    fail_msg("taken: %.*s", (int)text.size, text.data);
  assert_non_null(why);
  assert_null(strstr(why, "hunter"));
  if (!strstr(why, part))
    fail_msg("%.*s: \"%s\" has no \"%s\"", (int)text.size, text.data, why, part);
  assert_int_equal(lti_proxy_init(&proxy, &heap, text, NULL), LEAT_EURL);
}

/* ---- the proxy's URL ------------------------------------------------------------------------- */

static void test_schemes_hosts_and_ports(void **state) {
  (void)state;
  static const struct {
    const char *text, *host;
    bool tls;
    uint16_t port;
  } rows[] = {
      {"http://proxy.test:3128", "proxy.test", false, 3128},
      {"http://proxy.test:3128/", "proxy.test", false, 3128},
      {"http://proxy.test", "proxy.test", false, 1080},
      {"http://proxy.test:", "proxy.test", false, 1080},
      {"http://proxy.test:80", "proxy.test", false, 80},
      {"https://proxy.test", "proxy.test", true, 443},
      {"https://proxy.test:8443", "proxy.test", true, 8443},
      {"HTTPS://PROXY.test:443", "proxy.test", true, 443},
      {"proxy.test:3128", "proxy.test", false, 3128},
      {"proxy.test", "proxy.test", false, 1080},
      {"10.0.0.1", "10.0.0.1", false, 1080},
      {"http://10.0.0.1:8080", "10.0.0.1", false, 8080},
      {"http://[::1]:8080", "::1", false, 8080},
      {"http://[::1]", "::1", false, 1080},
      {"https://[2001:db8::80]", "2001:db8::80", true, 443},
      {"[::1]:8080", "::1", false, 8080},
      {"http://@proxy.test:3128", "proxy.test", false, 3128},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_proxy proxy = taken(rows[i].text);
    assert_string_equal(proxy.url.host, rows[i].host);
    assert_int_equal(proxy.url.tls, rows[i].tls);
    assert_int_equal(proxy.url.port, rows[i].port);
    assert_int_equal(proxy.url.path.size, 0);
    assert_int_equal(proxy.auth.size, 0);
    lti_proxy_deinit(&proxy);
  }
}

static void test_what_is_no_proxy_is_refused(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"", "host"},
      {"http://", "host"},
      {"socks5://h:1080", "http:// or https://"},
      {"socks5h://u:hunter2@h", "http:// or https://"},
      {"ftp://h", "http:// or https://"},
      {"://h", "http:// or https://"},
      {"unix:///run/proxy.sock", "http:// or https://"},
      {"unix:/run/proxy.sock", "path"},
      {"http://h/path", "path"},
      {"http://h?q", "path"},
      {"http://h#f", "path"},
      {"http://h//", "path"},
      {"http://u:hunter/2@h", "%2F"},
      {"http://u:hunter?2@h", "%3F"},
      {"http://u:hunter#2@h", "%23"},
      {"http://h:0", "port"},
      {"http://h:65536", "port"},
      {"http://h:x", "port"},
      {"http://h:1:2", "port"},
      {"http://u:hunter2@h:hunter2", "port"},
      {"http://0x7f.1", "host"},
      {"http://u:hunter2@", "host"},
      {"http://u:hunter2@:80", "host"},
      {"http:///h", "path"},
      {"http://[::1", "brackets"},
      {"http://[hunter]", "brackets"},
      {"http://a b", "host"},
      {" http://h", "http:// or https://"},
      {"http://h\r\nX: y", "host"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_refused(lti_slice_of(rows[i][0]), rows[i][1]);
  assert_refused(lti_slice("http://h\0.test", 14), "host");
  assert_refused(lti_slice(NULL, 0), "host");
}

static void test_a_long_host_is_refused(void **state) {
  (void)state;
  char text[6000] = "http://";
  memset(text + 7, 'a', sizeof text - 7);
  assert_refused(lti_slice(text, 7 + 254), "253");
  assert_refused(lti_slice(text, sizeof text), "253");
}

/* ---- user and password ----------------------------------------------------------------------- */

static void test_user_and_password_become_basic_authentication(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"http://Aladdin:open%20sesame@h", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
      {"http://Aladdin:open sesame@h", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
      {"https://u:p@h:1", "Basic dTpw"},
      {"u:p@h", "Basic dTpw"},
      {"http://u@h", "Basic dTo="},
      {"http://u:@h", "Basic dTo="},
      {"http://:p@h", "Basic OnA="},
      {"http://:@h", "Basic Og=="},
      {"http://u:p:q@h", "Basic dTpwOnE="},
      {"http://u:p%3aq@h", "Basic dTpwOnE="},
      {"http://u:p@q@h", "Basic dTpwQHE="},
      {"http://u:p%40q@h", "Basic dTpwQHE="},
      {"http://a%25:%2f%3F%23@h", "Basic YSU6Lz8j"},
      {"http://test:123\xc2\xa3@h", "Basic dGVzdDoxMjPCow=="},
      {"http://test:123%C2%A3@h", "Basic dGVzdDoxMjPCow=="},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_proxy proxy = taken(rows[i][0]);
    if (!lti_slice_is(lti_buf_slice(&proxy.auth), rows[i][1]))
      fail_msg("%s: %.*s", rows[i][0], (int)proxy.auth.size, proxy.auth.data);
    assert_true(proxy.auth.secret);
    assert_string_equal(proxy.url.host, "h");
    lti_proxy_deinit(&proxy);
  }
}

static void test_key_04_control_bytes_of_user_or_password_are_refused(void **state) {
  (void)state;
  for (int c = 0; c < 256; c++) {
    bool control = c < 0x20 || c == 0x7f;
    char text[64];
    for (int place = 0; place < 4; place++) {
      int n = place == 0   ? snprintf(text, sizeof text, "http://hunter%%%02x:p@h", (unsigned)c)
              : place == 1 ? snprintf(text, sizeof text, "http://u:hunter%%%02X2@h", (unsigned)c)
              : place == 2 ? snprintf(text, sizeof text, "http://hunter_:p@h")
                           : snprintf(text, sizeof text, "http://u:hunter_2@h");
      char *raw = strchr(text, '_');
      if (raw) *raw = (char)c;
      /* Bytes that end or part what they stand in mean something else, or are refused for it. */
      if (raw && (c == '/' || c == '?' || c == '#' || c == '@' || c == ':' || c == '%')) continue;
      lti_proxy proxy;
      const char *why = NULL;
      lti_alloc_init(&heap, NULL);
      int error = lti_proxy_init(&proxy, &heap, lti_slice(text, (size_t)n), &why);
      bool refused = control || (place == 0 && c == ':');
      assert_int_equal(error, refused ? LEAT_EURL : LTI_OK);
      if (refused) assert_null(strstr(why, "hunter"));
      if (!refused) lti_proxy_deinit(&proxy);
    }
  }
}

static void test_broken_escapes_are_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
      "http://u:hunter%@h", "http://u:hunter%2@h", "http://u:hunter%zz@h", "http://hunter%:p@h",
      "http://u:%4%34@h",   "http://u:% 41@h",     "http://u:%+1@h"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_refused(lti_slice_of(texts[i]), "escape");
  assert_refused(lti_slice_of("http://hun%3Ater:p@h"), "colon");
}

static void test_a_long_password_is_refused(void **state) {
  (void)state;
  char text[7 + 4096 + 3] = "http://u:";
  memset(text + 9, 'p', sizeof text - 9);
  memcpy(text + 7 + 4096, "@h", 2);
  lti_proxy proxy;
  const char *why = "";
  lti_alloc_init(&heap, NULL);
  assert_int_equal(lti_proxy_init(&proxy, &heap, lti_slice(text, 7 + 4096 + 2), &why), LTI_OK);
  assert_int_equal(proxy.auth.size, 6 + (4096 + 2) / 3 * 4);
  lti_proxy_deinit(&proxy);
  memcpy(text + 7 + 4096, "p@h", 3);
  assert_refused(lti_slice(text, sizeof text), "4,096");
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

static int connect_text(const lti_proxy *proxy, const char *host, uint16_t port, char text[1024]) {
  lti_buf out;
  lti_buf_init(&out, &heap, 900, LEAT_EHEADERSMAX);
  assert_int_equal(lti_buf_text(&out, "|"), LTI_OK);
  int error = lti_proxy_connect(proxy, host, port, &out);
  snprintf(text, 1024, "%.*s", (int)out.size, out.data);
  lti_buf_deinit(&out);
  return error;
}

static void test_connect_names_host_and_port(void **state) {
  (void)state;
  char text[1024];
  lti_proxy proxy = taken("http://proxy.test:3128");
  assert_int_equal(connect_text(&proxy, "api.x.test", 443, text), LTI_OK);
  assert_string_equal(text, "|CONNECT api.x.test:443 HTTP/1.1\r\nHost: api.x.test:443\r\n\r\n");
  assert_int_equal(connect_text(&proxy, "10.0.0.1", 80, text), LTI_OK);
  assert_string_equal(text, "|CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n");
  assert_int_equal(connect_text(&proxy, "2001:db8::1", 65535, text), LTI_OK);
  assert_string_equal(text,
                      "|CONNECT [2001:db8::1]:65535 HTTP/1.1\r\nHost: [2001:db8::1]:65535\r\n\r\n");
  lti_proxy_deinit(&proxy);
  proxy = taken("http://u:p@proxy.test");
  assert_int_equal(connect_text(&proxy, "a", 443, text), LTI_OK);
  assert_string_equal(text,
                      "|CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
                      "Proxy-Authorization: Basic dTpw\r\n\r\n");
  lti_proxy_deinit(&proxy);
}

static void test_key_04_no_host_splits_a_connect(void **state) {
  (void)state;
  static const char *const hosts[] = {"",     "a b",  "a\r\nX: y", "a\n", "a\x01",
                                      "a/b",  "a?b",  "a#b",       "u@a", "[::1]",
                                      "a\\b", "\xff", "a\tb",      "/",   "a\x7f"};
  char text[1024], longest[300];
  lti_proxy proxy = taken("http://u:p@proxy.test");
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    assert_int_equal(connect_text(&proxy, hosts[i], 443, text), LEAT_EHEADER);
    assert_string_equal(text, "|");
  }
  memset(longest, 'a', sizeof longest);
  longest[254] = '\0';
  assert_int_equal(connect_text(&proxy, longest, 443, text), LEAT_EHEADER);
  longest[253] = '\0';
  assert_int_equal(connect_text(&proxy, longest, 443, text), LTI_OK);
  lti_proxy_deinit(&proxy);
}

static void test_a_full_buffer_is_left_as_it_was(void **state) {
  (void)state;
  lti_proxy proxy = taken("http://u:p@proxy.test");
  for (size_t max = 1; max < 300; max++) {
    lti_buf out;
    lti_buf_init(&out, &heap, max, LEAT_EHEADERSMAX);
    assert_int_equal(lti_buf_text(&out, "|"), LTI_OK);
    int error = lti_proxy_connect(&proxy, "api.x.test", 443, &out);
    assert_true(error == LTI_OK || error == LEAT_EHEADERSMAX);
    if (error) assert_int_equal(out.size, 1);
    lti_buf_deinit(&out);
  }
  lti_proxy_deinit(&proxy);
}

/* ---- NO_PROXY -------------------------------------------------------------------------------- */

typedef struct bypass_row {
  const char *list, *host;
  uint16_t port;
  bool bypassed;
} bypass_row;

static void check_rows(const bypass_row *rows, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (lti_proxy_bypassed(lti_slice_of(rows[i].list), rows[i].host, rows[i].port) !=
        rows[i].bypassed)
      fail_msg("\"%s\" with %s:%u is not %d", rows[i].list, rows[i].host, rows[i].port,
               rows[i].bypassed);
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void test_no_proxy_names_hosts_and_their_subdomains(void **state) {
  (void)state;
  static const bypass_row rows[] = {
      {"", "x.test", 443, false},
      {"x.test", "x.test", 443, true},
      {"x.test", "X.TEST", 443, true},
      {"X.Test", "x.test", 443, true},
      {"x.test", "api.x.test", 443, true},
      {"x.test", "a.b.x.test", 443, true},
      {"x.test", "ax.test", 443, false},
      {"x.test", "x.test.evil", 443, false},
      {"x.test", "test", 443, false},
      {".x.test", "x.test", 443, true},
      {".x.test", "api.x.test", 443, true},
      {".x.test", "ax.test", 443, false},
      {"*.x.test", "api.x.test", 443, true},
      {"*.x.test", "x.test", 443, true},
      {"x.test", "x.test.", 443, true},
      {"x.test.", "x.test", 443, true},
      {".x.test.", "api.x.test.", 443, true},
      {"test", "x.test", 443, true},
      {"localhost", "localhost", 80, true},
      {"localhost", "a.localhost", 80, true},
      {"localhost", "notlocalhost", 80, false},
      {"x.test:443", "x.test", 443, true},
      {"x.test:443", "x.test", 8443, false},
      {"x.test:443", "api.x.test", 443, true},
      {".x.test:8443", "api.x.test", 8443, true},
      {"x.test.:443", "x.test", 443, true},
  };
  CHECK(rows);
}

static void test_no_proxy_is_a_list(void **state) {
  (void)state;
  static const bypass_row rows[] = {
      {"a.test,x.test", "x.test", 443, true},
      {"a.test, x.test ,b", "x.test", 443, true},
      {"a.test x.test", "x.test", 443, true},
      {"a.test\tx.test\n", "x.test", 443, true},
      {",,a.test,,x.test", "x.test", 443, true},
      {",", "x.test", 443, false},
      {" ", "x.test", 443, false},
      {"a.test,b.test", "x.test", 443, false},
      {"*", "x.test", 443, true},
      {"a,*,b", "10.0.0.1", 443, true},
      {"*", "::1", 1, true},
      {"**", "x.test", 443, false},
      {"*test", "x.test", 443, false},
      {"x.*", "x.test", 443, false},
      {"*:443", "x.test", 443, false},
  };
  CHECK(rows);
  /* A list is not a text with a NUL at its end. */
  assert_false(lti_proxy_bypassed(lti_slice("a.test,x.test", 12), "x.test", 443));
  assert_true(lti_proxy_bypassed(lti_slice("a.test,x.testing", 13), "x.test", 443));
  assert_false(lti_proxy_bypassed(lti_slice(NULL, 0), "x.test", 443));
}

static void test_no_proxy_names_addresses_by_value(void **state) {
  (void)state;
  static const bypass_row rows[] = {
      {"10.0.0.1", "10.0.0.1", 443, true},
      {"10.0.0.1", "10.0.0.11", 443, false},
      {"10.0.0.1", "110.0.0.1", 443, false},
      {"0.0.1", "10.0.0.1", 443, false},
      {".0.0.1", "10.0.0.1", 443, false},
      {"1", "10.0.0.1", 443, false},
      {"10.0.0.1:443", "10.0.0.1", 443, true},
      {"10.0.0.1:443", "10.0.0.1", 80, false},
      {"010.0.0.1", "10.0.0.1", 443, false},
      {"10.0.0.1", "a.10.0.0.1.test", 443, false},
      {"10.0.0.1", "x.test", 443, false},
      {"::1", "::1", 443, true},
      {"0:0:0:0:0:0:0:1", "::1", 443, true},
      {"[::1]", "::1", 443, true},
      {"[::1]:443", "::1", 443, true},
      {"[::1]:443", "::1", 80, false},
      {"2001:DB8::1", "2001:db8::1", 443, true},
      {"2001:db8::1", "2001:db8::2", 443, false},
      {"2001:db8::1:443", "2001:db8::1", 443, false},
      {"::ffff:10.0.0.1", "10.0.0.1", 443, true},
      {"10.0.0.1", "::ffff:a00:1", 443, true},
      {"[::ffff:10.0.0.1]:443", "10.0.0.1", 443, true},
  };
  CHECK(rows);
}

static void test_no_proxy_names_blocks_of_addresses(void **state) {
  (void)state;
  static const bypass_row rows[] = {
      {"10.0.0.0/8", "10.255.3.4", 443, true},
      {"10.0.0.0/8", "11.0.0.1", 443, false},
      {"10.9.9.9/8", "10.1.2.3", 443, true},
      {"192.168.4.0/22", "192.168.7.255", 443, true},
      {"192.168.4.0/22", "192.168.8.0", 443, false},
      {"10.0.0.1/32", "10.0.0.1", 443, true},
      {"10.0.0.1/32", "10.0.0.2", 443, false},
      {"10.0.0.2/31", "10.0.0.3", 443, true},
      {"0.0.0.0/0", "203.0.113.9", 443, true},
      {"0.0.0.0/0", "2001:db8::1", 443, false},
      {"0.0.0.0/0", "x.test", 443, false},
      {"10.0.0.0/8", "::ffff:10.1.2.3", 443, true},
      {"fd00::/8", "fd12:3456::1", 443, true},
      {"fd00::/8", "fe80::1", 443, false},
      {"2001:db8::/33", "2001:db8:7fff::1", 443, true},
      {"2001:db8::/33", "2001:db8:8000::1", 443, false},
      {"::1/128", "::1", 443, true},
      {"::1/128", "::2", 443, false},
      {"::/0", "2001:db8::1", 443, true},
      {"::/0", "10.0.0.1", 443, false},
      {"::ffff:0:0/96", "10.0.0.1", 443, true},
      {"::ffff:10.0.0.0/104", "10.1.1.1", 443, true},
      {"::ffff:10.0.0.0/104", "11.1.1.1", 443, false},
      {"a.test,172.16.0.0/12,b.test", "172.31.0.1", 443, true},
  };
  CHECK(rows);
}

static void test_malformed_entries_of_no_proxy_are_ignored(void **state) {
  (void)state;
  static const char *const entries[] = {"10.0.0.0/33",
                                        "10.0.0.0/",
                                        "/8",
                                        "/",
                                        "10.0.0.0/8/8",
                                        "10.0.0/8",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/+8",
                                        "10.0.0.0/8x",
                                        "10.0.0.0/8:443",
                                        "fd00::/129",
                                        "[fd00::]/8",
                                        "x.test/8",
                                        "::1/",
                                        "10.0.0.1:",
                                        "10.0.0.1:x",
                                        "10.0.0.1:0",
                                        "10.0.0.1:443:443",
                                        "[10.0.0.1]",
                                        "[10.0.0.1]:443",
                                        "[",
                                        "[]",
                                        "[]:443",
                                        "]",
                                        "[::1",
                                        "::1]",
                                        "[::1]x443",
                                        "[::1]443",
                                        "[::1]:",
                                        "[::1]:x",
                                        "[::1]:65979",
                                        "[[::1]]",
                                        "[x.test]",
                                        ":443",
                                        ":",
                                        "x.test:",
                                        "x.test:x",
                                        "x.test:65979",
                                        "x.test:443x",
                                        "x.test:443:443",
                                        ".",
                                        "..",
                                        "*.",
                                        "..x.test",
                                        "http://x.test",
                                        "x.test/",
                                        "%",
                                        "\xff",
                                        "user@x.test",
                                        "10.0.0.1%eth0",
                                        "::1%lo",
                                        "10.0.0.1/99999999999999999999",
                                        "-",
                                        "0xa000001",
                                        "167772161",
                                        "10.1"};
  static const char *const hosts[] = {"x.test", "api.x.test", "10.0.0.1", "::1", "fd00::1"};
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    char list[128];
    snprintf(list, sizeof list, "%s,y.test", entries[i]);
    for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++)
      if (lti_proxy_bypassed(lti_slice_of(list), hosts[h], 443))
        fail_msg("%s names %s", entries[i], hosts[h]);
    assert_true(lti_proxy_bypassed(lti_slice_of(list), "y.test", 443));
  }
}

/* Entries of noise from blocks of exactly their size, so that a read behind them is seen. */
static void test_noise_in_no_proxy_is_harmless(void **state) {
  (void)state;
  static const char bytes[] = "*.:/[]0123af,x \0%\xff";
  static const char *const hosts[] = {"x.a", "10.0.0.1", "::1", ""};
  lti_prng prng;
  lti_prng_seed(&prng, 5);
  for (int round = 0; round < 50000; round++) {
    size_t size = lti_prng_below(&prng, 24);
    char *list = malloc(size ? size : 1);
    assert_non_null(list);
    for (size_t i = 0; i < size; i++) list[i] = bytes[lti_prng_below(&prng, sizeof bytes - 1)];
    for (size_t h = 0; h < 4; h++) (void)lti_proxy_bypassed(lti_slice(list, size), hosts[h], 80);
    lti_proxy proxy;
    lti_alloc_init(&heap, NULL);
    if (lti_proxy_init(&proxy, &heap, lti_slice(list, size), NULL) == LTI_OK) {
      assert_true(proxy.url.host[0] && proxy.url.port);
      lti_proxy_deinit(&proxy);
    }
    free(list);
  }
  assert_false(lti_proxy_bypassed(lti_slice_of("x"), "", 80));
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void proxy_short_of_memory(const leat_allocator *fns, void *ctx) {
  (void)ctx;
  lti_alloc alloc;
  lti_alloc_init(&alloc, fns);
  lti_proxy proxy;
  const char *why = NULL;
  int error = lti_proxy_init(
      &proxy, &alloc,
      lti_slice_of("http://hunter-user:hunter-password-hunter-password-hunter-password@h"), &why);
  assert_true(error == LTI_OK || error == LEAT_ENOMEM);
  if (error) return;
  lti_buf out;
  lti_buf_init(&out, &alloc, 4096, LEAT_EHEADERSMAX);
  out.secret = true;
  error = lti_proxy_connect(&proxy, "api.x.test", 443, &out);
  assert_true(error == LTI_OK || (error == LEAT_ENOMEM && out.size == 0));
  lti_buf_deinit(&out);
  lti_proxy_deinit(&proxy);
}

static void test_memory_that_fails_leaks_nothing(void **state) {
  (void)state;
  assert_true(failing_at_every_n(proxy_short_of_memory, NULL) >= 3);
}

static void test_key_07_the_password_is_wiped(void **state) {
  (void)state;
  static const char *const secrets[] = {"hunter-password", "aHVudGVy", "hunter-user:"};
  for (size_t i = 0; i < 3; i++) {
    failing f;
    failing_init(&f, 0);
    f.canary = secrets[i];
    leat_allocator fns = failing_allocator(&f);
    proxy_short_of_memory(&fns, NULL);
    assert_true(failing_clean(&f));
    failing_deinit(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_schemes_hosts_and_ports),
      cmocka_unit_test(test_what_is_no_proxy_is_refused),
      cmocka_unit_test(test_a_long_host_is_refused),
      cmocka_unit_test(test_user_and_password_become_basic_authentication),
      cmocka_unit_test(test_key_04_control_bytes_of_user_or_password_are_refused),
      cmocka_unit_test(test_broken_escapes_are_refused),
      cmocka_unit_test(test_a_long_password_is_refused),
      cmocka_unit_test(test_connect_names_host_and_port),
      cmocka_unit_test(test_key_04_no_host_splits_a_connect),
      cmocka_unit_test(test_a_full_buffer_is_left_as_it_was),
      cmocka_unit_test(test_no_proxy_names_hosts_and_their_subdomains),
      cmocka_unit_test(test_no_proxy_is_a_list),
      cmocka_unit_test(test_no_proxy_names_addresses_by_value),
      cmocka_unit_test(test_no_proxy_names_blocks_of_addresses),
      cmocka_unit_test(test_malformed_entries_of_no_proxy_are_ignored),
      cmocka_unit_test(test_noise_in_no_proxy_is_harmless),
      cmocka_unit_test(test_memory_that_fails_leaks_nothing),
      cmocka_unit_test(test_key_07_the_password_is_wiped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
