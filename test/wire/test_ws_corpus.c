/* The shared corpus of server frames, numbered as Autobahn's cases: every vector in every way of
 * ws_ways.h. A vector says which messages come whole, what is answered, and how it ends; "fail"
 * without a code is the end of the transport between two messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/corpora.h"
#include "support/ws_ways.h"
#include "wire/json.h"

#define VECTORS "ws-server-frames.jsonl"

static leat_slice value_at(leat_slice line, const char *pointer) {
  leat_slice value;
  return lti_json_find(line, pointer, &value) ? value : lti_slice(NULL, 0);
}

/* A string without escapes, as all are here. NULL: it is not there. */
static leat_slice text_at(leat_slice line, const char *pointer) {
  leat_slice value = value_at(line, pointer);
  return value.size < 2 ? lti_slice(NULL, 0) : lti_slice(value.data + 1, value.size - 2);
}

/* Messages and PINGs as ws_record.h writes them down. */
static lti_buf expected_log(leat_slice line, lti_alloc *alloc) {
  lti_buf log;
  lti_buf_init(&log, alloc, SIZE_MAX / 2, LEAT_EBODYMAX);
  for (int i = 0; i < 10; i++) {
    char op[64], bytes[64];
    snprintf(op, sizeof op, "/expected/messages/%d/op", i);
    snprintf(bytes, sizeof bytes, "/expected/messages/%d/data_b64", i);
    leat_slice kind = text_at(line, op);
    if (!kind.data) break;
    leat_slice message = corpora_base64(text_at(line, bytes));
    assert_int_equal(lti_buf_byte(&log, lti_slice_is(kind, "text") ? 'T' : 'B'), LTI_OK);
    assert_int_equal(lti_buf_append(&log, message), LTI_OK);
    assert_int_equal(lti_buf_byte(&log, '\n'), LTI_OK);
    corpora_free(message);
  }
  return log;
}

/* Only what begins a message's line is compared: a PING's is checked by its answer. */
static void check_messages(leat_slice line, const ws_record *r) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_buf log = expected_log(line, &alloc);
  leat_slice came = lti_buf_slice(&r->log);
  if (r->pings && r->messages == 0) came.size = 0;
  if (r->closes) came = lti_slice(came.data, log.size);
  assert_true(lti_slice_equal(came, lti_buf_slice(&log)));
  lti_buf_deinit(&log);
}

static void check_answers(leat_slice line, ws_record *r) {
  uint64_t code = 0;
  lti_slice_u64(value_at(line, "/expected/client_close_code"), &code);
  leat_slice pong = text_at(line, "/expected/pongs_b64/0");
  size_t at = 0;
  ws_sent sent;
  if (pong.data) {
    leat_slice payload = corpora_base64(pong);
    assert_true(ws_sent_next(&r->out, &at, &sent));
    assert_int_equal(sent.opcode, 10);
    assert_true(lti_slice_equal(lti_slice(sent.bytes, sent.size), payload));
    corpora_free(payload);
  }
  if (r->closes || code) {
    assert_true(ws_sent_next(&r->out, &at, &sent));
    assert_int_equal(sent.opcode, 8);
    const unsigned char *p = (const unsigned char *)sent.bytes;
    assert_int_equal(sent.size >= 2 ? (unsigned)p[0] << 8 | p[1] : 0, code);
  }
  assert_int_equal(at, r->out.size);
}

static void check_vector(leat_slice line) {
  leat_slice id = text_at(line, "/id"), raw = corpora_base64(text_at(line, "/frames_b64"));
  leat_slice outcome = text_at(line, "/expected/outcome");
  bool open = lti_slice_is(outcome, "open"), clean = lti_slice_is(outcome, "closed_clean");
  ws_record r, how = {.ends = !open};
  ws_every_way(&r, raw, &how);
  int result = open ? r.code : r.end_code;
  if ((result == LTI_OK) != (open || clean) || r.closes != clean) {
    ws_record_print("unexpected", &r);
    fail_msg("%.*s", (int)id.size, id.data);
  }
  check_messages(line, &r);
  check_answers(line, &r);
  ws_record_deinit(&r);
  corpora_free(raw);
}

static void ws_every_vector_of_the_corpus(void **state) {
  (void)state;
  corpora_require(VECTORS);
  leat_slice file = corpora_load(VECTORS), rest = file, line;
  size_t count = 0;
  for (; corpora_next_line(&rest, &line); count++) check_vector(line);
  assert_true(count >= 33);
  corpora_free(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ws_every_vector_of_the_corpus)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
