/* The opening handshake: what is asked, and every answer that is none (faults WS-01 and WS-02). The
 * key and its proof are those of RFC 6455 section 1.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "wire/ws.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define FIELDS 8

typedef struct answer {
  int status;
  const char *fields[FIELDS][2];
} answer;

/* The right answer; tests change one thing. */
static const answer right = {
    101, {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", ACCEPT}}};

/* What lti_ws_check makes of it; `chosen` may be NULL. */
static int checked(const answer *a, const char *offered, leat_slice *chosen) {
  leat_header headers[FIELDS];
  lti_http_head head = {.status = a->status, .headers = headers};
  for (; head.header_count < FIELDS && a->fields[head.header_count][0]; head.header_count++) {
    headers[head.header_count].name = lti_slice_of(a->fields[head.header_count][0]);
    headers[head.header_count].value = lti_slice_of(a->fields[head.header_count][1]);
  }
  char key[LTI_WS_KEY_BYTES];
  memcpy(key, KEY, sizeof key);
  leat_slice subprotocol;
  const char *why = "untouched";
  int rc = lti_ws_check(&head, key, lti_slice_of(offered), &subprotocol, &why);
  assert_true(rc == LTI_OK || rc == LEAT_EUPGRADE);
  assert_true((rc == LTI_OK) == (why == NULL));
  if (rc != LTI_OK) assert_int_equal(subprotocol.size, 0);
  if (chosen) *chosen = subprotocol;
  return rc;
}

/* The right answer with field `i` changed; a NULL name ends the list there. */
static int with(size_t i, const char *name, const char *value) {
  answer a = right;
  a.fields[i][0] = name;
  a.fields[i][1] = value;
  return checked(&a, "", NULL);
}

static int without(size_t i) {
  return with(i, "X-Other", "1");
}

static void counted(void *ctx, void *out, size_t size) {
  unsigned char *next = ctx, *to = out;
  for (size_t i = 0; i < size; i++) to[i] = (*next)++;
}

static void the_request_asks_with_a_fresh_key(void **state) {
  (void)state;
  unsigned char next = 0;
  lti_ws_config config = {.random = counted, .random_ctx = &next};
  leat_header headers[5];
  char key[LTI_WS_KEY_BYTES];
  assert_int_equal(lti_ws_ask(key, lti_slice(NULL, 0), &config, headers), 4);
  assert_true(lti_slice_is(headers[0].name, "Upgrade"));
  assert_true(lti_slice_is(headers[0].value, "websocket"));
  assert_true(lti_slice_is(headers[1].name, "Connection"));
  assert_true(lti_slice_is(headers[1].value, "Upgrade"));
  assert_true(lti_slice_is(headers[2].name, "Sec-WebSocket-Version"));
  assert_true(lti_slice_is(headers[2].value, "13"));
  assert_true(lti_slice_is(headers[3].name, "Sec-WebSocket-Key"));
  assert_true(lti_slice_is(headers[3].value, "AAECAwQFBgcICQoLDA0ODw=="));
  assert_ptr_equal(headers[3].value.data, key);
  assert_int_equal(lti_ws_ask(key, lti_slice_of("realtime, x.y"), &config, headers), 5);
  assert_true(lti_slice_is(headers[3].value, "EBESExQVFhcYGRobHB0eHw=="));
  assert_true(lti_slice_is(headers[4].name, "Sec-WebSocket-Protocol"));
  assert_true(lti_slice_is(headers[4].value, "realtime, x.y"));
}

static void ws_01_the_right_answer_in_its_spellings(void **state) {
  (void)state;
  assert_int_equal(checked(&right, "", NULL), LTI_OK);
  assert_int_equal(with(0, "uPGRADE", " WebSocket\t"), LTI_OK);
  assert_int_equal(with(1, "connection", "upgrade"), LTI_OK);
  assert_int_equal(with(1, "Connection", "keep-alive , UPGRADE"), LTI_OK);
  assert_int_equal(with(2, "sec-websocket-accept", " " ACCEPT " "), LTI_OK);
  answer a = right;
  a.fields[3][0] = a.fields[1][0];
  a.fields[3][1] = "keep-alive";
  assert_int_equal(checked(&a, "", NULL), LTI_OK);
}

static void ws_01_a_wrong_or_missing_accept(void **state) {
  (void)state;
  assert_int_equal(without(2), LEAT_EUPGRADE);
  assert_int_equal(with(2, "Sec-WebSocket-Accept", ""), LEAT_EUPGRADE);
  assert_int_equal(with(2, "Sec-WebSocket-Accept", KEY), LEAT_EUPGRADE);
  assert_int_equal(with(2, "Sec-WebSocket-Accept", "s3pplmbitxaq9kygzzhzrbk+xoo="), LEAT_EUPGRADE);
  assert_int_equal(with(2, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo"), LEAT_EUPGRADE);
  assert_int_equal(with(2, "Sec-WebSocket-Accept", ACCEPT "=" ACCEPT), LEAT_EUPGRADE);
  assert_int_equal(with(3, "Sec-WebSocket-Accept", ACCEPT), LEAT_EUPGRADE);
}

static void ws_01_a_wrong_or_missing_upgrade_or_connection(void **state) {
  (void)state;
  assert_int_equal(without(0), LEAT_EUPGRADE);
  assert_int_equal(without(1), LEAT_EUPGRADE);
  assert_int_equal(with(0, "Upgrade", "h2c"), LEAT_EUPGRADE);
  assert_int_equal(with(0, "Upgrade", "websocket, h2c"), LEAT_EUPGRADE);
  assert_int_equal(with(0, "Upgrade", "websocket/13"), LEAT_EUPGRADE);
  assert_int_equal(with(3, "Upgrade", "h2c"), LEAT_EUPGRADE);
  assert_int_equal(with(1, "Connection", "close"), LEAT_EUPGRADE);
  assert_int_equal(with(1, "Connection", "xupgrade, upgradex, up grade"), LEAT_EUPGRADE);
  assert_int_equal(with(1, "Connection", ""), LEAT_EUPGRADE);
}

static void ws_01_another_status(void **state) {
  static const int statuses[] = {0, 100, 200, 204, 301, 307, 400, 401, 403, 426, 429, 500};
  (void)state;
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
    answer a = right;
    a.status = statuses[i];
    assert_int_equal(checked(&a, "", NULL), LEAT_EUPGRADE);
  }
}

static int chose(const char *offered, const char *value, leat_slice *chosen) {
  answer a = right;
  a.fields[3][0] = "Sec-WebSocket-Protocol";
  a.fields[3][1] = value;
  return checked(&a, offered, chosen);
}

static void ws_02_a_subprotocol_is_one_of_ours(void **state) {
  (void)state;
  leat_slice chosen;
  assert_int_equal(chose("a, realtime ,b", "realtime", &chosen), LTI_OK);
  assert_true(lti_slice_is(chosen, "realtime"));
  assert_int_equal(chose("a,b", " b ", &chosen), LTI_OK);
  assert_true(lti_slice_is(chosen, "b"));
  assert_int_equal(checked(&right, "realtime", &chosen), LTI_OK);
  assert_int_equal(chosen.size, 0);
}

static void ws_02_a_subprotocol_that_was_not_offered(void **state) {
  (void)state;
  assert_int_equal(chose("", "realtime", NULL), LEAT_EUPGRADE);
  assert_int_equal(chose("realtime", "Realtime", NULL), LEAT_EUPGRADE);
  assert_int_equal(chose("realtime", "realtim", NULL), LEAT_EUPGRADE);
  assert_int_equal(chose("a, b", "a, b", NULL), LEAT_EUPGRADE);
  assert_int_equal(chose("a, b", "a,", NULL), LEAT_EUPGRADE);
  assert_int_equal(chose("a, b", "", NULL), LEAT_EUPGRADE);
  answer twice = right;
  for (size_t i = 3; i < 5; i++) {
    twice.fields[i][0] = "Sec-WebSocket-Protocol";
    twice.fields[i][1] = "a";
  }
  assert_int_equal(checked(&twice, "a, b", NULL), LEAT_EUPGRADE);
}

static void ws_02_an_extension_that_was_not_offered(void **state) {
  (void)state;
  assert_int_equal(with(3, "Sec-WebSocket-Extensions", "permessage-deflate"), LEAT_EUPGRADE);
  assert_int_equal(with(3, "sec-websocket-extensions", "x"), LEAT_EUPGRADE);
  assert_int_equal(with(3, "Sec-WebSocket-Extensions", " "), LTI_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_request_asks_with_a_fresh_key),
      cmocka_unit_test(ws_01_the_right_answer_in_its_spellings),
      cmocka_unit_test(ws_01_a_wrong_or_missing_accept),
      cmocka_unit_test(ws_01_a_wrong_or_missing_upgrade_or_connection),
      cmocka_unit_test(ws_01_another_status),
      cmocka_unit_test(ws_02_a_subprotocol_is_one_of_ours),
      cmocka_unit_test(ws_02_a_subprotocol_that_was_not_offered),
      cmocka_unit_test(ws_02_an_extension_that_was_not_offered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
