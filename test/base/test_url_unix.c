/* Unix sockets as origins, and the URLs of WebSockets: what is taken, what is refused, and that no
 * redirect leads into a socket or out of one. */
#include "base/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/failing.h"

static lti_url parsed(const char *text) {
  lti_url url;
  const char *why = "";
  if (lti_url_parse(&url, lti_slice_of(text), &why) != LEAT_OK)
    fail_msg("refused: %s: %s", text, why);
  return url;
}

static void assert_refused(leat_slice text) {
  lti_url url;
  const char *why = NULL;
  if (lti_url_parse(&url, text, &why) != LEAT_EURL)
    fail_msg("taken: %.*s", (int)text.size, text.data);
  assert_non_null(why);
}

/* What `append` writes of the URL is `expected`. */
static void assert_written(int (*append)(const lti_url *, lti_buf *), const lti_url *url,
                           const char *expected) {
  lti_alloc alloc;
  lti_buf out;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 512, LEAT_EURL);
  assert_int_equal(append(url, &out), LEAT_OK);
  assert_true(lti_slice_is(lti_buf_slice(&out), expected));
  lti_buf_deinit(&out);
}

static void a_socket_is_an_origin_with_or_without_a_path(void **state) {
  (void)state;
  static const struct {
    const char *text, *socket, *path;
  } rows[] = {
      {"unix:/run/x.sock", "/run/x.sock", ""},
      {"unix:///run/x.sock", "/run/x.sock", ""},
      {"UNIX:/Run/X.sock", "/Run/X.sock", ""},
      {"unix:/run/x.sock:/", "/run/x.sock", "/"},
      {"unix:/run/x.sock:/v1/models?a=b:c#frag", "/run/x.sock", "/v1/models?a=b:c"},
      {"unix:///run/x.sock:/v1", "/run/x.sock", "/v1"},
      {"unix:/tmp/with blank/\xc3\xa4%20.sock:/v1", "/tmp/with blank/\xc3\xa4%20.sock", "/v1"},
      {"unix:/x:/a:/b", "/x", "/a:/b"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char origin[200];
    lti_url url = parsed(rows[i].text);
    assert_true(url.unix_socket && url.loopback && !url.tls && !url.literal);
    assert_string_equal(url.host, rows[i].socket);
    assert_true(lti_slice_is(url.path, rows[i].path));
    snprintf(origin, sizeof origin, "unix:%s", rows[i].socket);
    assert_written(lti_url_origin, &url, origin);
    assert_written(lti_url_host_field, &url, "localhost");
  }
}

static void what_is_no_sockets_path_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
      "unix:",
      "unix://",
      "unix:run/x.sock",
      "unix://run/x.sock",
      "unix://localhost/run/x.sock",
      "unix:@abstract",
      "unix:////run/x.sock",
      "unix:/run/x.sock:",
      "unix:/run/x.sock:v1",
      "unix:/run/x.sock:80",
      "unix:/run/x.sock:80/v1",
      "unix:/run/x.sock?q",
      "unix:/run/x.sock#f",
      "unix:/run/x.sock:?q",
      "unix:/run/\x01",
      "unix:/run/\x7f",
      "unix:/run/x\r\nHost: evil",
      "unix:/run/x.sock:/a b",
      "unix:/run/x.sock:/a\r\nb",
      "unix:/run/x.sock:/\xc3\xa4",
      "http+unix://%2Frun%2Fx.sock",
      " unix:/run/x.sock",
      "unix",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_refused(lti_slice_of(texts[i]));
  assert_refused(lti_slice("unix:/run/x\0.sock", 17));
}

static void a_sockets_path_fits_into_its_address(void **state) {
  (void)state;
  char text[300] = "unix:/";
  memset(text + 6, 'a', 200);
  lti_url url;
  assert_int_equal(lti_url_parse(&url, lti_slice(text, 5 + LTI_URL_UNIX_MAX), NULL), LEAT_OK);
  assert_int_equal(strlen(url.host), LTI_URL_UNIX_MAX);
  assert_refused(lti_slice(text, 5 + LTI_URL_UNIX_MAX + 1));
  assert_refused(lti_slice(text, 205));
  memcpy(text + 5 + LTI_URL_UNIX_MAX, ":/v1", 4);
  assert_int_equal(lti_url_parse(&url, lti_slice(text, 5 + LTI_URL_UNIX_MAX + 4), NULL), LEAT_OK);
  assert_true(lti_slice_is(url.path, "/v1"));
}

static void pl_01_a_socket_is_no_other_origin(void **state) {
  (void)state;
  lti_url a = parsed("unix:/run/a"), same = parsed("unix:///run/a:/v1"), b = parsed("unix:/run/b");
  lti_url http = parsed("http://localhost");
  assert_true(lti_url_same_origin(&a, &same));
  assert_false(lti_url_same_origin(&a, &b));
  assert_false(lti_url_same_origin(&a, &http));
}

static int redirect(const char *from, const char *location, const char *expected) {
  lti_alloc alloc;
  lti_buf path;
  const char *why = NULL;
  lti_url base = parsed(from), to = {0};
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&path, &alloc, 4096, LEAT_EHEADERSMAX);
  int error = lti_url_redirect(&base, lti_slice_of(location), &to, &path, &why);
  if (error == LEAT_OK) {
    assert_true(lti_url_same_origin(&base, &to));
    assert_true(to.unix_socket && to.loopback);
    assert_true(lti_slice_is(to.path, expected));
  } else {
    assert_int_equal(error, LEAT_EREDIRECT);
    assert_non_null(why);
  }
  lti_buf_deinit(&path);
  return error;
}

static void key_01_no_redirect_leads_out_of_a_socket(void **state) {
  (void)state;
  static const char *const texts[] = {
      "http://localhost/",   "https://localhost/",    "//localhost/x",      "//run/x.sock",
      "unix:/run/x.sock:/a", "unix:/run/other:/a",    "HTTP://a",           "javascript:x",
      "file:///etc/passwd",  "http+unix://%2Frun/v1", "/a\r\nSet-Cookie: x"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_int_equal(redirect("unix:/run/x.sock:/v1/a", texts[i], ""), LEAT_EREDIRECT);
}

static void key_01_no_redirect_leads_into_a_socket(void **state) {
  (void)state;
  static const char *const froms[] = {"http://localhost/", "https://a/", "unix:/run/other"};
  for (size_t i = 0; i < sizeof froms / sizeof *froms; i++) {
    assert_int_equal(redirect(froms[i], "unix:/run/x.sock", ""), LEAT_EREDIRECT);
    assert_int_equal(redirect(froms[i], "unix:///run/x.sock:/v1", ""), LEAT_EREDIRECT);
    assert_int_equal(redirect(froms[i], "UNIX:/run/x.sock", ""), LEAT_EREDIRECT);
  }
}

static void a_relative_redirect_stays_on_its_socket(void **state) {
  (void)state;
  assert_int_equal(redirect("unix:/run/x.sock:/v1/a", "/v2", "/v2"), LEAT_OK);
  assert_int_equal(redirect("unix:/run/x.sock:/v1/a", "b?c", "/v1/b?c"), LEAT_OK);
  assert_int_equal(redirect("unix:/run/x.sock", "../../x", "/x"), LEAT_OK);
  assert_int_equal(redirect("unix:/run/x.sock:/v1?q", "?r", "/v1?r"), LEAT_OK);
}

/* ---- WebSockets */

static void the_schemes_of_websockets_are_those_of_http(void **state) {
  (void)state;
  static const struct {
    const char *text, *host, *path;
    bool tls;
    uint16_t port;
  } rows[] = {
      {"ws://h/x?y", "h", "/x?y", false, 80},
      {"wss://h", "h", "", true, 443},
      {"WSS://H:8443/x#f", "h", "/x", true, 8443},
      {"ws://[::1]:9/x", "::1", "/x", false, 9},
      {"http://h/x", "h", "/x", false, 80},
      {"https://h/x", "h", "/x", true, 443},
      {"unix:/run/s:/ws", "/run/s", "/ws", false, 80},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_url url;
    const char *why;
    assert_int_equal(lti_url_parse_ws(&url, lti_slice_of(rows[i].text), &why), LEAT_OK);
    assert_string_equal(url.host, rows[i].host);
    assert_true(lti_slice_is(url.path, rows[i].path));
    assert_int_equal(url.tls, rows[i].tls);
    assert_int_equal(url.port, rows[i].port);
  }
}

static void what_is_no_websockets_url_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"",           "ws:",          "ws:/h",   "ws://",
                                      "wss://u@h/", "wss://h:0/",   "wsx://h", "ws://h/a b",
                                      "ws",         "ws+unix:/run", "ws:/run", "wss://0x7f.1/"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    lti_url url;
    const char *why = NULL;
    assert_int_equal(lti_url_parse_ws(&url, lti_slice_of(texts[i]), &why), LEAT_EURL);
    assert_non_null(why);
  }
  assert_refused(lti_slice_of("ws://h"));
  assert_refused(lti_slice_of("wss://h"));
}

/* ---- memory, noise */

static void write_short_of_memory(const leat_allocator *fns, void *ctx) {
  lti_alloc alloc;
  lti_buf out;
  (void)ctx;
  lti_alloc_init(&alloc, fns);
  lti_buf_init(&out, &alloc, 512, LEAT_EURL);
  lti_url url = parsed("unix:/run/x.sock");
  int error = lti_url_origin(&url, &out);
  if (!error) error = lti_url_host_field(&url, &out);
  assert_true(error == LEAT_OK || error == LEAT_ENOMEM);
  lti_buf_deinit(&out);
}

static void what_is_written_survives_failing_memory(void **state) {
  (void)state;
  assert_true(failing_at_every_n(write_short_of_memory, NULL) > 0);
}

/* Whatever is taken is written back as the same origin. */
static void noise_is_taken_one_way_or_refused(void **state) {
  (void)state;
  static const char bytes[] = "/:?#x@%\\. \n\x7f";
  lti_prng prng;
  lti_prng_seed(&prng, 7);
  for (int round = 0; round < 20000; round++) {
    char text[40] = "unix:";
    size_t size = 5 + lti_prng_below(&prng, 20);
    for (size_t i = 5; i < size; i++) text[i] = bytes[lti_prng_below(&prng, sizeof bytes)];
    lti_url url, again;
    if (lti_url_parse(&url, lti_slice(text, size), NULL) != LEAT_OK) continue;
    assert_true(url.host[0] == '/' && strlen(url.host) <= LTI_URL_UNIX_MAX);
    assert_null(strpbrk(url.host, ":?#\n\x7f"));
    assert_true(lti_url_path_ok(url.path));
    assert_true(url.path.size == 0 || url.path.data[0] == '/');
    char origin[LTI_URL_HOST_MAX + 8];
    snprintf(origin, sizeof origin, "unix:%s", url.host);
    again = parsed(origin);
    assert_true(lti_url_same_origin(&url, &again));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_socket_is_an_origin_with_or_without_a_path),
      cmocka_unit_test(what_is_no_sockets_path_is_refused),
      cmocka_unit_test(a_sockets_path_fits_into_its_address),
      cmocka_unit_test(pl_01_a_socket_is_no_other_origin),
      cmocka_unit_test(key_01_no_redirect_leads_out_of_a_socket),
      cmocka_unit_test(key_01_no_redirect_leads_into_a_socket),
      cmocka_unit_test(a_relative_redirect_stays_on_its_socket),
      cmocka_unit_test(the_schemes_of_websockets_are_those_of_http),
      cmocka_unit_test(what_is_no_websockets_url_is_refused),
      cmocka_unit_test(what_is_written_survives_failing_memory),
      cmocka_unit_test(noise_is_taken_one_way_or_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
