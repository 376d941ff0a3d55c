/* What the HTTP/2 codec makes of a request, as nghttp2's server reads it: the fields and their
 * order, what is left out, what is never indexed, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/h2_record.h"
#include "support/h2_server.h"

#define HEADER(name, value)     \
  {                             \
    {name, sizeof(name) - 1}, { \
      value, sizeof(value) - 1  \
    }                           \
  }

/* "name=value;" of each field, with "!" in front when it is never to be indexed. */
static char seen[4096];

static void on_field(void *ctx, h2_request *request, leat_slice name, leat_slice value,
                     bool never) {
  (void)ctx, (void)request;
  size_t at = strlen(seen);
  snprintf(seen + at, sizeof seen - at, "%s%.*s=%.*s;", never ? "!" : "", (int)name.size, name.data,
           (int)value.size, value.data);
}

static void on_request(void *ctx, h2_server *server, h2_request *request) {
  (void)ctx, (void)server, (void)request;
}

static void check_fields(const lti_http_request *request, leat_slice body, bool tls,
                         const char *expected) {
  h2_record r;
  const h2_server_config config = {.on = {.request = on_request, .field = on_field}};
  assert_true(h2_record_init(&r, NULL, NULL));
  h2_server *server = h2_server_new(&config);
  seen[0] = '\0';
  r.calls[0].record = &r;
  r.calls[0].stream.body = body;
  assert_int_equal(lti_http2_open(r.codec, &r.calls[0].stream, request, tls), LTI_OK);
  r.count = 1;
  h2_record_drain(&r);
  assert_true(h2_server_feed(server, lti_buf_slice(&r.sent)));
  assert_string_equal(seen, expected);
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_server_free(server);
  h2_record_deinit(&r);
}

static lti_http_request request_of(const char *method, const leat_header *headers, size_t count) {
  return (lti_http_request){.method = method,
                            .path = {"/v1/x?a=b", 9},
                            .host = {"h:8443", 6},
                            .headers = headers,
                            .header_count = count,
                            .credentials_from = count};
}

#define PSEUDO(method, scheme) \
  ":method=" method ";:scheme=" scheme ";:authority=h:8443;:path=/v1/x?a=b;"

static void test_fields_in_order_and_lower_case(void **state) {
  (void)state;
  const leat_header headers[] = {HEADER("Accept", "text/event-stream"),
                                 HEADER("X-Request-ID", " 7 "), HEADER("x-empty", "")};
  lti_http_request request = request_of("GET", headers, 3);
  check_fields(&request, lti_slice(NULL, 0), true,
               PSEUDO("GET", "https") "accept=text/event-stream;x-request-id=7;x-empty=;");
  check_fields(&request, lti_slice(NULL, 0), false,
               PSEUDO("GET", "http") "accept=text/event-stream;x-request-id=7;x-empty=;");
}

static void test_length_of_a_body(void **state) {
  (void)state;
  lti_http_request request = request_of("POST", NULL, 0);
  check_fields(&request, lti_slice(NULL, 0), true, PSEUDO("POST", "https"));
  request.has_body = true;
  check_fields(&request, lti_slice(NULL, 0), true, PSEUDO("POST", "https") "content-length=0;");
  request.body_size = 12;
  check_fields(&request, lti_slice("{\"model\":\"m\"", 12), true,
               PSEUDO("POST", "https") "content-length=12;");
}

static void test_credentials_are_never_indexed(void **state) {
  (void)state;
  const leat_header headers[] = {HEADER("accept", "a"),  HEADER("Authorization", "Bearer k"),
                                 HEADER("Cookie", "k"),  HEADER("x-api-key", "k"),
                                 HEADER("api-key", "k"), HEADER("X-Goog-Api-Key", "k"),
                                 HEADER("x-mine", "k"),  HEADER("x-other", "k")};
  lti_http_request request = request_of("GET", headers, 8);
  request.credentials_from = 7;
  check_fields(&request, lti_slice(NULL, 0), true,
               PSEUDO("GET", "https") "accept=a;!authorization=Bearer k;!cookie=k;!x-api-key=k;"
                                      "!api-key=k;!x-goog-api-key=k;x-mine=k;!x-other=k;");
}

static void test_key_09_a_path_with_a_key_is_never_indexed(void **state) {
  (void)state;
  lti_http_request request = request_of("GET", NULL, 0);
  request.path_secret = true;
  check_fields(&request, lti_slice(NULL, 0), true,
               ":method=GET;:scheme=https;:authority=h:8443;!:path=/v1/x?a=b;");
}

static void test_fields_of_a_connection_are_left_out(void **state) {
  (void)state;
  const leat_header headers[] = {
      HEADER("Connection", "close"),   HEADER("Keep-Alive", "timeout=5"),
      HEADER("Proxy-Connection", "x"), HEADER("Transfer-Encoding", "chunked"),
      HEADER("Upgrade", "h2c"),        HEADER("HTTP2-Settings", "AAA"),
      HEADER("Host", "elsewhere"),     HEADER("TE", "gzip"),
      HEADER("te", "trailers"),        HEADER("last", "1")};
  lti_http_request request = request_of("GET", headers, 10);
  check_fields(&request, lti_slice(NULL, 0), true, PSEUDO("GET", "https") "te=trailers;last=1;");
}

static void check_refused(lti_http_request request) {
  h2_record r;
  assert_true(h2_record_init(&r, NULL, NULL));
  assert_int_equal(h2_record_open(&r, &request, lti_slice(NULL, 0)), LEAT_EHEADER);
  assert_int_equal(lti_http2_active(r.codec), 0);
  assert_int_equal(lti_http2_slots(r.codec), 100);
  h2_record_deinit(&r);
}

static void test_what_is_refused(void **state) {
  (void)state;
  const leat_header bad[] = {HEADER("x", "a\nb"), HEADER("x", "a\rb"),   HEADER("x\0", "a"),
                             HEADER("", "a"),     HEADER(":path", "/x"), HEADER("x y", "a"),
                             HEADER("x", "\x7f"), HEADER("x", "\0")};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    check_refused(request_of("GET", &bad[i], 1));
  check_refused(request_of("GE T", NULL, 0));
  check_refused(request_of("", NULL, 0));
  check_refused(request_of("CONNECT", NULL, 0));
  lti_http_request request = request_of("GET", NULL, 0);
  request.path = lti_slice_of("/a b");
  check_refused(request);
  request.path = lti_slice_of("");
  check_refused(request);
  request = request_of("GET", NULL, 0);
  request.host = lti_slice_of("a\r\nx:y");
  check_refused(request);
  request = request_of("GET", NULL, 0);
  request.upgrade = true;
  check_refused(request);
}

static void test_large_headers_and_too_large_ones(void **state) {
  (void)state;
  char *value = malloc(520 << 10);
  assert_non_null(value);
  memset(value, 'v', 520 << 10);
  leat_header headers[8];
  for (size_t i = 0; i < 8; i++)
    headers[i] = (leat_header){lti_slice_of("x-large"), lti_slice(value, 60000)};
  lti_http_request request = request_of("GET", headers, 8);
  h2_record r;
  const h2_server_config config = {.on = {.request = on_request}};
  assert_true(h2_record_init(&r, NULL, NULL));
  h2_server *server = h2_server_new(&config);
  assert_int_equal(h2_record_open(&r, &request, lti_slice(NULL, 0)), LTI_OK);
  h2_record_drain(&r);
  assert_true(r.calls[0].stream.sent);
  /* The server takes no more than 64 KiB of them; it is enough that they left. */
  assert_true(r.sent.size > 8 * 30000);
  h2_record_over(&r, LEAT_ERESET, "over");
  h2_server_free(server);
  h2_record_deinit(&r);
  leat_header larger = {lti_slice_of("x"), lti_slice(value, 520 << 10)};
  check_refused(request_of("GET", &larger, 1));
  free(value);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fields_in_order_and_lower_case),
      cmocka_unit_test(test_length_of_a_body),
      cmocka_unit_test(test_credentials_are_never_indexed),
      cmocka_unit_test(test_key_09_a_path_with_a_key_is_never_indexed),
      cmocka_unit_test(test_fields_of_a_connection_are_left_out),
      cmocka_unit_test(test_what_is_refused),
      cmocka_unit_test(test_large_headers_and_too_large_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
