/* URLs: what is refused before any lookup, how bases and endpoints join, and every redirect of the
 * shared vectors. */
#include "base/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "support/failing.h"

typedef struct desk {
  lti_alloc alloc;
  lti_buf out;
  const char *why;
} desk;

static void desk_init(desk *d) {
  lti_alloc_init(&d->alloc, NULL);
  lti_buf_init(&d->out, &d->alloc, 1 << 20, LEAT_EBODYMAX);
  d->why = NULL;
}

static void assert_out(desk *d, const char *expected) {
  assert_int_equal(lti_buf_byte(&d->out, '\0'), 0);
  assert_string_equal(d->out.data, expected);
  lti_buf_clear(&d->out);
}

static void assert_refused(leat_slice text) {
  lti_url url;
  const char *why = NULL;
  if (lti_url_parse(&url, text, &why) != LEAT_EURL)
    fail_msg("taken: %.*s", (int)text.size, text.data);
  assert_non_null(why);
  assert_int_equal(lti_url_parse(&url, text, NULL), LEAT_EURL);
}

static void parses_schemes_hosts_ports_and_paths(void **state) {
  (void)state;
  lti_url url;
  desk d;
  desk_init(&d);
  assert_int_equal(lti_url_parse(&url, lti_slice_of("HTTPS://API.OpenAI.com/v1?a=b#frag"), &d.why),
                   0);
  assert_true(url.tls && !url.literal && !url.loopback);
  assert_string_equal(url.host, "api.openai.com");
  assert_int_equal(url.port, 443);
  assert_true(lti_slice_is(url.path, "/v1?a=b"));
  assert_int_equal(lti_url_parse(&url, lti_slice_of("http://h?q"), &d.why), 0);
  assert_int_equal(url.port, 80);
  assert_true(lti_slice_is(url.path, "?q"));
  assert_int_equal(lti_url_parse(&url, lti_slice_of("http://h:65535"), &d.why), 0);
  assert_int_equal(url.port, 65535);
  assert_int_equal(url.path.size, 0);
  assert_int_equal(lti_url_parse(&url, lti_slice_of("http://h:/x"), &d.why), 0);
  assert_int_equal(url.port, 80);
  assert_int_equal(
      lti_url_parse(&url, lti_slice_of("https://a-b.xn--bcher-kva.example.:8443#x"), &d.why), 0);
  assert_string_equal(url.host, "a-b.xn--bcher-kva.example.");
  assert_int_equal(url.port, 8443);
}

static void net_05_hosts_are_refused_before_a_lookup(void **state) {
  (void)state;
  char text[400] = "https://";
  memset(text + 8, 'a', 300);
  assert_refused(lti_slice(text, 308));
  for (size_t i = 8 + 60; i < 308; i += 60) text[i] = '.';
  assert_refused(lti_slice(text, 308));
  assert_refused(lti_slice(text, 8 + 254));
  lti_url url;
  assert_int_equal(lti_url_parse(&url, lti_slice(text, 8 + 253), NULL), 0);
  assert_int_equal(strlen(url.host), 253);
  const char *hosts[] = {
      "0x7f.1", "0x7f000001",   "0X7F.0.0.1", "127.1", "2130706433", "0177.0.0.1",     "1.2.3.4.5",
      "1.2.3",  "256.1.1.1",    "1.2.3.4.",   "a.0x",  "a.1",        "foo bar",        " foo",
      "foo ",   "b\xc3\xbc.de", "a..b",       ".a",    ".",          "-a.b",           "a-.b",
      "a_b",    "a%2eb",        "a,b",        "a;b",   "foo\\bar",   "foo\\@bar",      "",
      "*",      "[::1",         "[::1]x",     "[]",    "[1.2.3.4]",  "[fe80::1%eth0]", "[::1]]",
      "::1",    "[::1",         "a]b"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    snprintf(text, sizeof text, "https://%s/v1", hosts[i]);
    assert_refused(lti_slice_of(text));
    snprintf(text, sizeof text, "https://%s", hosts[i]);
    assert_refused(lti_slice_of(text));
  }
  assert_refused(lti_slice("https://good.com\0.evil.com/", 27));
  assert_refused(lti_slice("https://127.0.0.1\0.evil.com/", 28));
  assert_refused(lti_slice("https://[::1\0]/", 15));
}

static void schemes_ports_and_userinfo_are_refused(void **state) {
  (void)state;
  const char *texts[] = {"",
                         "api.openai.com",
                         "ftp://a",
                         "https:/a",
                         "https:a",
                         "http",
                         "http://",
                         "https://",
                         "https:///v1",
                         "//a/b",
                         "https://user@a",
                         "https://u:p@a/",
                         "https://@a",
                         "https://a:0",
                         "https://a:65536",
                         "https://a:+1",
                         "https://a:-1",
                         "https://a:8 0",
                         "https://a:99999999999999999999",
                         "https://a:1:2",
                         "https://a:x",
                         " https://a",
                         "wss://a"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_refused(lti_slice_of(texts[i]));
  assert_refused(lti_slice(NULL, 0));
}

static void key_04_paths_hold_no_byte_that_splits_a_request(void **state) {
  (void)state;
  char text[] = "https://a/v1?x=y#z";
  lti_url url;
  for (int c = 0; c < 256; c++) {
    bool bad = c <= 0x20 || c > 0x7e;
    text[10] = (char)c;
    assert_int_equal(lti_url_parse(&url, lti_slice(text, sizeof text - 1), NULL),
                     bad ? LEAT_EURL : 0);
    assert_int_equal(lti_url_path_ok(lti_slice(text + 10, 1)), !bad && c != '#');
    text[10] = 'v';
    text[17] = (char)c;
    assert_int_equal(lti_url_parse(&url, lti_slice(text, sizeof text - 1), NULL),
                     bad ? LEAT_EURL : 0);
    text[17] = 'z';
  }
  assert_true(lti_url_path_ok(lti_slice_of("/v1/chat?x=%20")));
  assert_true(lti_url_path_ok(lti_slice(NULL, 0)));
  assert_false(lti_url_path_ok(lti_slice_of("/v1 HTTP/1.1\r\nX: y")));
}

static void knows_addresses_and_loopback(void **state) {
  (void)state;
  static const struct {
    const char *text, *host;
    bool literal, loopback;
  } rows[] = {
      {"http://127.0.0.1:8080", "127.0.0.1", true, true},
      {"http://127.255.3.4", "127.255.3.4", true, true},
      {"http://128.0.0.1", "128.0.0.1", true, false},
      {"http://[::1]", "::1", true, true},
      {"http://[0:0:0:0:0:0:0:1]:1", "::1", true, true},
      {"http://[2001:DB8::0:1]", "2001:db8::1", true, false},
      {"http://[::]", "::", true, false},
      {"http://localhost", "localhost", false, true},
      {"http://LOCALHOST.", "localhost.", false, true},
      {"http://a.localhost", "a.localhost", false, true},
      {"http://notlocalhost", "notlocalhost", false, false},
      {"http://localhost.evil.com", "localhost.evil.com", false, false},
      {"http://127.0.0.1.evil.com", "127.0.0.1.evil.com", false, false},
      {"http://1and1.com", "1and1.com", false, false},
      {"http://0xyz", "0xyz", false, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_url url;
    assert_int_equal(lti_url_parse(&url, lti_slice_of(rows[i].text), NULL), 0);
    assert_string_equal(url.host, rows[i].host);
    assert_int_equal(url.literal, rows[i].literal);
    assert_int_equal(url.loopback, rows[i].loopback);
  }
}

static void writes_origins_and_host_fields(void **state) {
  (void)state;
  static const struct {
    const char *text, *origin, *field;
  } rows[] = {
      {"https://A.b:443/x", "https://a.b", "a.b"},
      {"https://a.b:80", "https://a.b:80", "a.b:80"},
      {"http://a.b.:80", "http://a.b.", "a.b"},
      {"http://a.b.:443", "http://a.b.:443", "a.b:443"},
      {"http://[0::1]:8080/", "http://[::1]:8080", "[::1]:8080"},
      {"https://[::1]", "https://[::1]", "[::1]"},
  };
  desk d;
  desk_init(&d);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_url url;
    assert_int_equal(lti_url_parse(&url, lti_slice_of(rows[i].text), NULL), 0);
    assert_int_equal(lti_url_origin(&url, &d.out), 0);
    assert_out(&d, rows[i].origin);
    assert_int_equal(lti_url_host_field(&url, &d.out), 0);
    assert_out(&d, rows[i].field);
  }
  lti_buf_deinit(&d.out);
}

static void joins_bases_and_endpoints(void **state) {
  (void)state;
  static const char *rows[][3] = {
      {"", "/chat/completions", "/v1/chat/completions"},
      {"/", "/chat/completions", "/v1/chat/completions"},
      {"//", "/models", "/v1/models"},
      {"/v1", "/chat/completions", "/v1/chat/completions"},
      {"/v1/", "/chat/completions", "/v1/chat/completions"},
      {"/v1//", "//chat/completions", "/v1/chat/completions"},
      {"/api", "/chat/completions", "/api/chat/completions"},
      {"/api/paas/v4/", "/chat/completions", "/api/paas/v4/chat/completions"},
      {"", "/v1/video/generations", "/v1/video/generations"},
      {"/v1", "/v1/video/generations", "/v1/video/generations"},
      {"/v1/", "/v1/video/generations", "/v1/video/generations"},
      {"/proxy", "/v1/videos/x/content", "/proxy/v1/videos/x/content"},
      {"/proxy/v1", "/v1/videos/x/content", "/proxy/v1/videos/x/content"},
      {"/proxy//v1/", "/v1/x", "/proxy/v1/x"},
      {"/v1beta", "/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"},
      {"/api/v1beta/", "/v1beta/models", "/api/v1beta/models"},
      {"", "/v1beta/models/m:streamGenerateContent?alt=sse",
       "/v1beta/models/m:streamGenerateContent?alt=sse"},
      {"/v1", "/v1beta/models", "/v1beta/models"},
      {"/api/v1/", "/v1beta/models", "/api/v1beta/models"},
      {"/v1beta", "/v1/models", "/v1/models"},
      {"/api/paas/v4", "/v1beta/models", "/api/paas/v4/v1beta/models"},
      {"/v1beta/openai/", "/chat/completions", "/v1beta/openai/chat/completions"},
      {"/chat", "/chat/completions", "/chat/chat/completions"},
      {"/v", "/v/x", "/v/v/x"},
      {"/v1", "/v1", "/v1"},
      {"/xv1", "/v1/x", "/xv1/v1/x"},
      {"/d?api-version=1", "/chat/completions", "/d/chat/completions?api-version=1"},
      {"?k=v", "/models?alt=sse", "/v1/models?k=v&alt=sse"},
      {"/a//b", "/x", "/a//b/x"},
  };
  desk d;
  desk_init(&d);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(lti_url_join(lti_slice_of(rows[i][0]), rows[i][1], &d.out), 0);
    assert_out(&d, rows[i][2]);
  }
  lti_buf_deinit(&d.out);
}

static void joins_bases_and_paths_from_the_root(void **state) {
  (void)state;
  static const char *rows[][3] = {
      {"", "/v1/models", "/v1/models"},
      {"/", "/v1/models", "/v1/models"},
      {"//", "//v1/models", "/v1/models"},
      {"/v1", "/v1/models", "/v1/models"},
      {"/v1/", "/v1/models", "/v1/models"},
      {"//v1//", "/v1/models", "/v1/models"},
      {"/v1beta", "/v1/models", "/v1/models"},
      {"/v1", "/v1beta/models/m:countTokens", "/v1beta/models/m:countTokens"},
      {"/v1", "/suno/fetch/x", "/suno/fetch/x"},
      {"/v1/", "/jimeng/?Action=a&Version=b", "/jimeng/?Action=a&Version=b"},
      {"/v1beta/", "/kling/v1/videos/text2video", "/kling/v1/videos/text2video"},
      {"/proxy/v1", "/suno/fetch", "/proxy/suno/fetch"},
      {"/proxy/v1", "/v1/models", "/proxy/v1/models"},
      {"/kling/v1", "/kling/v1/videos", "/kling/v1/videos"},
      {"/api/v3", "/api/v3/contents/tasks", "/api/v3/contents/tasks"},
      {"/api/v3", "/suno/fetch", "/api/v3/suno/fetch"},
      {"/v1", "/api/v3/contents", "/api/v3/contents"},
      {"/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions"},
      {"/api/paas/v4/", "/v1beta/models", "/api/paas/v4/models"},
      {"/v10", "/v1/models", "/v10/models"},
      {"/openai", "/v1/images/generations", "/openai/images/generations"},
      {"/v1beta/openai/", "/v1/embeddings", "/v1beta/openai/embeddings"},
      {"/proxy", "/v1beta/models", "/proxy/v1beta/models"},
      {"/proxy", "/suno/fetch", "/proxy/suno/fetch"},
      {"/v1?k=v", "/v1/models?x=y", "/v1/models?k=v&x=y"},
      {"?k=v", "/v1/models", "/v1/models?k=v"},
      {"/v1", "/v1", "/v1"},
  };
  desk d;
  desk_init(&d);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(lti_url_join_root(lti_slice_of(rows[i][0]), rows[i][1], false, &d.out), 0);
    assert_out(&d, rows[i][2]);
  }
  assert_int_equal(lti_url_join_root(lti_slice_of("/api/a"), "/v1/messages", true, &d.out), 0);
  assert_out(&d, "/api/a/v1/messages");
  assert_int_equal(lti_url_join_root(lti_slice_of("/a/v4"), "/v1/messages", true, &d.out), 0);
  assert_out(&d, "/a/v4/messages");
  lti_buf_deinit(&d.out);
}

static void encodes_a_segment(void **state) {
  (void)state;
  desk d;
  desk_init(&d);
  assert_int_equal(lti_url_encode(lti_slice("aZ09-._~/?#%\r\n\0\xff", 16), &d.out), 0);
  assert_out(&d, "aZ09-._~%2F%3F%23%25%0D%0A%00%FF");
  assert_int_equal(lti_url_encode(lti_slice_of("..."), &d.out), 0);
  assert_out(&d, "...");
  assert_int_equal(lti_url_encode(lti_slice_of(".."), &d.out), LEAT_EURL);
  assert_int_equal(lti_url_encode(lti_slice_of("."), &d.out), LEAT_EURL);
  assert_int_equal(d.out.size, 0);
  lti_buf_deinit(&d.out);
}

/* ---- redirects */

/* Where `location` leads from `from`, as one text in d->out, or the error. */
static int redirect(desk *d, const char *from, leat_slice location, bool *same) {
  lti_url base, to;
  lti_buf path;
  assert_int_equal(lti_url_parse(&base, lti_slice_of(from), NULL), 0);
  lti_buf_init(&path, &d->alloc, 4096, LEAT_EHEADERSMAX);
  lti_buf_clear(&d->out);
  d->why = NULL;
  int error = lti_url_redirect(&base, location, &to, &path, &d->why);
  if (!error) {
    *same = lti_url_same_origin(&base, &to);
    assert_int_equal(lti_url_origin(&to, &d->out), 0);
    assert_int_equal(lti_buf_append(&d->out, to.path), 0);
    assert_true(lti_url_path_ok(to.path));
    assert_true(lti_slice_starts(to.path, "/"));
  } else if (error == LEAT_EREDIRECT) {
    assert_non_null(d->why);
  }
  lti_buf_deinit(&path);
  return error;
}

/* RFC 3986 section 5.4, with the base's path and query. */
static void resolves_the_references_of_rfc_3986(void **state) {
  (void)state;
  static const char *rows[][2] = {{"g", "/b/c/g"},
                                  {"./g", "/b/c/g"},
                                  {"g/", "/b/c/g/"},
                                  {"/g", "/g"},
                                  {"?y", "/b/c/d;p?y"},
                                  {"g?y", "/b/c/g?y"},
                                  {"#s", "/b/c/d;p?q"},
                                  {"g#s", "/b/c/g"},
                                  {"g?y#s", "/b/c/g?y"},
                                  {";x", "/b/c/;x"},
                                  {"g;x", "/b/c/g;x"},
                                  {".", "/b/c/"},
                                  {"./", "/b/c/"},
                                  {"..", "/b/"},
                                  {"../", "/b/"},
                                  {"../g", "/b/g"},
                                  {"../..", "/"},
                                  {"../../", "/"},
                                  {"../../g", "/g"},
                                  {"../../../g", "/g"},
                                  {"../../../../g", "/g"},
                                  {"/./g", "/g"},
                                  {"/../g", "/g"},
                                  {"g.", "/b/c/g."},
                                  {".g", "/b/c/.g"},
                                  {"g..", "/b/c/g.."},
                                  {"..g", "/b/c/..g"},
                                  {"./../g", "/b/g"},
                                  {"./g/.", "/b/c/g/"},
                                  {"g/./h", "/b/c/g/h"},
                                  {"g/../h", "/b/c/h"},
                                  {"g;x=1/./y", "/b/c/g;x=1/y"},
                                  {"g;x=1/../y", "/b/c/y"},
                                  {"g?y/./x", "/b/c/g?y/./x"},
                                  {"g?y/../x", "/b/c/g?y/../x"},
                                  {"//a", "/"},
                                  {"//a/../x/.?z", "/x/?z"},
                                  {"https://a", "/"},
                                  {"https://a?z", "/?z"},
                                  {"https://a/..//b", "//b"}};
  desk d;
  bool same;
  char expected[64];
  desk_init(&d);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(redirect(&d, "https://a/b/c/d;p?q", lti_slice_of(rows[i][0]), &same), 0);
    assert_true(same);
    snprintf(expected, sizeof expected, "https://a%s", rows[i][1]);
    assert_out(&d, expected);
  }
  assert_int_equal(redirect(&d, "https://a", lti_slice_of("g"), &same), 0);
  assert_out(&d, "https://a/g");
  assert_int_equal(redirect(&d, "https://a?q", lti_slice_of("#x"), &same), 0);
  assert_out(&d, "https://a/?q");
  lti_buf_deinit(&d.out);
}

static void key_01_another_origin_is_told_apart(void **state) {
  (void)state;
  static const struct {
    const char *location;
    bool same;
  } rows[] = {
      {"https://origin.test/x", true},
      {"https://ORIGIN.TEST:443/x", true},
      {"//origin.test/x", true},
      {"https://origin.test:444/x", false},
      {"https://origin.test./x", false},
      {"https://sub.origin.test/x", false},
      {"https://origin.test.evil/x", false},
      {"//evil.test/x", false},
      {"https://[::1]/x", false},
      {"/\\evil.test/x", true},
  };
  desk d;
  desk_init(&d);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bool same;
    assert_int_equal(redirect(&d, "https://origin.test/v1", lti_slice_of(rows[i].location), &same),
                     0);
    assert_int_equal(same, rows[i].same);
  }
  lti_buf_deinit(&d.out);
}

static void key_02_https_never_leads_to_plain_http(void **state) {
  (void)state;
  desk d;
  bool same;
  desk_init(&d);
  assert_int_equal(redirect(&d, "https://a/", lti_slice_of("http://a/"), &same), LEAT_EREDIRECT);
  assert_non_null(strstr(d.why, "plain http"));
  assert_int_equal(redirect(&d, "https://a/", lti_slice_of("HTTP://a:443/"), &same),
                   LEAT_EREDIRECT);
  assert_int_equal(redirect(&d, "https://a/", lti_slice_of("http://127.0.0.1/"), &same),
                   LEAT_EREDIRECT);
  assert_int_equal(redirect(&d, "http://a/", lti_slice_of("http://a/x"), &same), 0);
  assert_int_equal(redirect(&d, "http://a/", lti_slice_of("https://a/x"), &same), 0);
  assert_false(same);
  lti_buf_deinit(&d.out);
}

static void key_01_hostile_targets_are_refused(void **state) {
  (void)state;
  const char *texts[] = {"",
                         "javascript:alert(1)",
                         "gopher://x",
                         "http:x",
                         "https:/x",
                         "https://",
                         "//",
                         "//u@a/",
                         "https://a@b",
                         "//a:0/",
                         "//a:b/",
                         "/a b",
                         "/a\tb",
                         "/\x7f",
                         "/\xc3\xa4",
                         "/#\n",
                         "data:text/html,x",
                         "file:///x",
                         "//0x7f.1/",
                         "wss://a/"};
  desk d;
  bool same;
  desk_init(&d);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_int_equal(redirect(&d, "https://a/b", lti_slice_of(texts[i]), &same), LEAT_EREDIRECT);
  }
  for (int c = 0; c <= 0x20; c++) {
    char location[] = "https://a/x";
    for (size_t at = 0; at < sizeof location - 1; at++) {
      char was = location[at];
      location[at] = (char)c;
      assert_int_equal(redirect(&d, "https://a/b", lti_slice(location, sizeof location - 1), &same),
                       LEAT_EREDIRECT);
      location[at] = was;
    }
  }
  lti_buf_deinit(&d.out);
}

static void a_redirect_may_replace_its_own_origin(void **state) {
  (void)state;
  desk d;
  lti_url url;
  lti_buf second;
  desk_init(&d);
  lti_buf_init(&second, &d.alloc, 100, LEAT_EHEADERSMAX);
  assert_int_equal(lti_url_parse(&url, lti_slice_of("http://a/b/c"), NULL), 0);
  assert_int_equal(lti_url_redirect(&url, lti_slice_of("d/e?f"), &url, &d.out, &d.why), 0);
  assert_true(lti_slice_is(url.path, "/b/d/e?f"));
  assert_int_equal(lti_url_redirect(&url, lti_slice_of("//c:9"), &url, &second, &d.why), 0);
  assert_true(lti_slice_is(url.path, "/"));
  assert_string_equal(url.host, "c");
  assert_int_equal(url.port, 9);
  lti_buf_deinit(&second);
  lti_buf_deinit(&d.out);
}

/* A target of dots costs linear time, and one that is too long is the buffer's own error. */
static void long_targets_are_bounded_and_linear(void **state) {
  (void)state;
  desk d;
  lti_url base, to;
  lti_buf long_one;
  desk_init(&d);
  lti_buf_init(&long_one, &d.alloc, 1 << 23, LEAT_EBODYMAX);
  for (int i = 0; i < 500000; i++)
    assert_int_equal(lti_buf_text(&long_one, i % 2 ? "/.." : "/a"), 0);
  assert_int_equal(lti_url_parse(&base, lti_slice_of("http://a/"), NULL), 0);
  assert_int_equal(lti_url_redirect(&base, lti_buf_slice(&long_one), &to, &d.out, &d.why),
                   LEAT_EBODYMAX);
  lti_buf_deinit(&d.out);
  lti_buf_init(&d.out, &d.alloc, 1 << 23, LEAT_EBODYMAX);
  assert_int_equal(lti_url_redirect(&base, lti_buf_slice(&long_one), &to, &d.out, &d.why), 0);
  assert_true(lti_slice_is(to.path, "/"));
  lti_buf_deinit(&d.out);
  lti_buf_deinit(&long_one);
}

/* ---- the shared vectors */

/* The value of a member of one flat line of JSON, unescaped; strings and words alike. False when it
 * is null or absent. */
static bool member(const char *line, const char *name, lti_buf *out) {
  char wanted[40];
  unsigned point;
  snprintf(wanted, sizeof wanted, "\"%s\": ", name);
  const char *p = strstr(line, wanted);
  lti_buf_clear(out);
  if (!p || strncmp(p + strlen(wanted), "null", 4) == 0) return false;
  p += strlen(wanted);
  if (*p != '"') {
    assert_int_equal(lti_buf_append(out, lti_slice(p, strcspn(p, ",}"))), 0);
    return true;
  }
  for (p++; *p != '"'; p++) {
    char c = *p;
    assert_true(c != '\0');
    if (c == '\\') {
      c = *++p;
      if (c == 'r') c = '\r';
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
      if (c == 'u') {
        assert_int_equal(sscanf(p + 1, "%4x", &point), 1);
        c = (char)point;
        p += 4;
      }
    }
    assert_int_equal(lti_buf_byte(out, c), 0);
  }
  return true;
}

static bool member_is(const char *line, const char *name, const char *value, lti_buf *scratch) {
  return member(line, name, scratch) && lti_slice_is(lti_buf_slice(scratch), value);
}

static void replay(desk *d, const char *line) {
  lti_buf from, location, to;
  bool same = false;
  lti_buf_init(&from, &d->alloc, 4096, LEAT_EBODYMAX);
  lti_buf_init(&location, &d->alloc, 4096, LEAT_EBODYMAX);
  lti_buf_init(&to, &d->alloc, 4096, LEAT_EBODYMAX);
  assert_true(member(line, "from", &from));
  assert_int_equal(lti_buf_byte(&from, '\0'), 0);
  assert_true(member(line, "location", &location));
  int error = redirect(d, from.data, lti_buf_slice(&location), &same);
  if (member_is(line, "follow", "true", &to)) {
    assert_int_equal(error, 0);
    assert_int_equal(same, member_is(line, "keep_credentials", "true", &to));
    assert_true(member(line, "to", &to));
    assert_true(lti_slice_equal(lti_buf_slice(&d->out), lti_buf_slice(&to)));
  } else if (error != LEAT_EREDIRECT) {
    fail_msg("followed: %s", line);
  }
  lti_buf_deinit(&from);
  lti_buf_deinit(&location);
  lti_buf_deinit(&to);
}

static void key_01_the_shared_redirect_vectors_hold(void **state) {
  (void)state;
  char path[4096], line[4096];
  const char *corpora = getenv("LEAT_CORPORA"), *root = getenv("LEAT_SOURCE_DIR");
  int rows = 0;
  if (corpora && *corpora) {
    snprintf(path, sizeof path, "%s/redirect-origin.jsonl", corpora);
  } else {
    snprintf(path, sizeof path, "%s/../shared/corpora/redirect-origin.jsonl", root ? root : ".");
  }
  FILE *f = fopen(path, "r");
  if (!f) {
    print_message("skipped: %s is not there\n", path);
    skip();
  }
  desk d;
  desk_init(&d);
  while (fgets(line, sizeof line, f)) {
    if (line[0] != '{') continue;
    replay(&d, line);
    rows++;
  }
  fclose(f);
  print_message("%d redirects\n", rows);
  assert_true(rows > 0);
  lti_buf_deinit(&d.out);
}

static void write_everything(const leat_allocator *fns, void *ctx) {
  lti_alloc a;
  lti_buf out, path;
  lti_url url;
  (void)ctx;
  lti_alloc_init(&a, fns);
  lti_buf_init(&out, &a, 4096, LEAT_EBODYMAX);
  lti_buf_init(&path, &a, 4096, LEAT_EBODYMAX);
  leat_slice text =
      lti_slice_of("https://a-rather-long-name.of-a-host.example:8443/path?query=of-the-base");
  assert_int_equal(lti_url_parse(&url, text, NULL), 0);
  for (int i = 0; i < 5; i++) {
    size_t before = out.size;
    int error = i == 0   ? lti_url_origin(&url, &out)
                : i == 1 ? lti_url_host_field(&url, &out)
                : i == 2 ? lti_url_join(url.path, "/chat/completions?with=another", &out)
                : i == 3 ? lti_url_encode(text, &out)
                         : lti_url_redirect(&url, lti_slice_of("../x/y/z"), &url, &path, NULL);
    assert_true(error == 0 || error == LEAT_ENOMEM);
    if (error) assert_int_equal(out.size, before);
  }
  lti_buf_deinit(&out);
  lti_buf_deinit(&path);
}

static void every_failed_allocation_leaves_the_buffer(void **state) {
  (void)state;
  assert_true(failing_at_every_n(write_everything, NULL) > 3);
}

static void random_bytes_never_give_a_host_or_path_that_splits(void **state) {
  (void)state;
  static const char alphabet[] = "ahttps:/://[]@#?.%0x1\\ \r\n\0\xff-_";
  char text[64] = "https://";
  lti_prng r;
  lti_url url;
  lti_prng_seed(&r, 12);
  for (int i = 0; i < 200000; i++) {
    size_t n = 8 + (size_t)lti_prng_below(&r, 24);
    for (size_t k = 8; k < n; k++) text[k] = alphabet[lti_prng_below(&r, sizeof alphabet)];
    if (lti_url_parse(&url, lti_slice(text, n), NULL)) continue;
    assert_true(strlen(url.host) > 0 && strlen(url.host) <= LTI_URL_HOST_MAX);
    assert_int_equal(strspn(url.host, "abcdefghijklmnopqrstuvwxyz0123456789.-:"), strlen(url.host));
    assert_true(lti_url_path_ok(url.path));
    assert_true(url.port != 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parses_schemes_hosts_ports_and_paths),
      cmocka_unit_test(net_05_hosts_are_refused_before_a_lookup),
      cmocka_unit_test(schemes_ports_and_userinfo_are_refused),
      cmocka_unit_test(key_04_paths_hold_no_byte_that_splits_a_request),
      cmocka_unit_test(knows_addresses_and_loopback),
      cmocka_unit_test(writes_origins_and_host_fields),
      cmocka_unit_test(joins_bases_and_endpoints),
      cmocka_unit_test(joins_bases_and_paths_from_the_root),
      cmocka_unit_test(encodes_a_segment),
      cmocka_unit_test(resolves_the_references_of_rfc_3986),
      cmocka_unit_test(key_01_another_origin_is_told_apart),
      cmocka_unit_test(key_02_https_never_leads_to_plain_http),
      cmocka_unit_test(key_01_hostile_targets_are_refused),
      cmocka_unit_test(a_redirect_may_replace_its_own_origin),
      cmocka_unit_test(long_targets_are_bounded_and_linear),
      cmocka_unit_test(key_01_the_shared_redirect_vectors_hold),
      cmocka_unit_test(every_failed_allocation_leaves_the_buffer),
      cmocka_unit_test(random_bytes_never_give_a_host_or_path_that_splits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
