/* The decoder of Anthropic's Messages. Bodies are given whole, in small pieces and cut at every
 * place (support/trace.h); rows of the catalogue of faults stand in the names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/anthropic.h"
#include "support/failing.h"
#include "support/trace.h"

#define E(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                                     \
  E("message_start",                                                              \
    ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\"," \
    "\"content\":[],\"model\":\"claude\",\"stop_reason\":null,\"stop_sequence\":" \
    "null,\"usage\":{\"input_tokens\":11,\"cache_creation_input_tokens\":3,"      \
    "\"cache_read_input_tokens\":5,\"output_tokens\":1,\"service_tier\":"         \
    "\"standard\"}}")
#define BEGIN(at, block)   E("content_block_start", ",\"index\":" at ",\"content_block\":" block)
#define DELTA(at, inner)   E("content_block_delta", ",\"index\":" at ",\"delta\":{" inner "}")
#define TEXT_BLOCK(at)     BEGIN(at, "{\"type\":\"text\",\"text\":\"\"}")
#define TEXT(at, t)        DELTA(at, "\"type\":\"text_delta\",\"text\":\"" t "\"")
#define THINKING_BLOCK(at) BEGIN(at, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
#define THINKING(at, t)    DELTA(at, "\"type\":\"thinking_delta\",\"thinking\":\"" t "\"")
#define SIGNATURE(at, t)   DELTA(at, "\"type\":\"signature_delta\",\"signature\":\"" t "\"")
#define TOOL_BLOCK(at, id, name, input) \
  BEGIN(at, "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":" input "}")
#define INPUT(at, t) DELTA(at, "\"type\":\"input_json_delta\",\"partial_json\":\"" t "\"")
#define END(at)      E("content_block_stop", ",\"index\":" at)
#define PING         E("ping", "")
#define FINISH(reason)                                     \
  E("message_delta", ",\"delta\":{\"stop_reason\":" reason \
                     ",\"stop_sequence\":null},"           \
                     "\"usage\":{\"output_tokens\":9}")
#define STOP    E("message_stop", "")
#define STARTED "U 11 1 -1\n"
#define DONE    "U 11 9 -1\nF0 end_turn\n= LEAT_OK"

static void check(const char *body, const char *expected) {
  trace_check_text("anthropic", body, expected);
}

/* ---- content --------------------------------------------------------------------------------- */

static void test_text_with_pings_between(void **state) {
  (void)state;
  check(START TEXT_BLOCK("0") PING TEXT("0", "Hi ") PING TEXT("0", "") TEXT("0", "there") END("0")
            FINISH("\"end_turn\"") STOP,
        STARTED "T0 Hi \nT0 there\n" DONE);
}

static void test_text_that_stands_in_the_block_is_told(void **state) {
  (void)state;
  check(START BEGIN("0", "{\"type\":\"text\",\"text\":\"a\"}") TEXT("0", "b") END("0")
            FINISH("\"end_turn\""),
        STARTED "T0 a\nT0 b\n" DONE);
}

static void test_thinking_and_its_signature(void **state) {
  (void)state;
  check(START THINKING_BLOCK("0") THINKING("0", "why") SIGNATURE("0", "c2ln") END("0")
            TEXT_BLOCK("1") TEXT("1", "so") END("1") FINISH("\"end_turn\"") STOP,
        STARTED "R0 why\nS0 c2ln\nT0 so\n" DONE);
  check(START BEGIN("0", "{\"type\":\"thinking\",\"thinking\":\"a\",\"signature\":\"b\"}")
            FINISH("\"end_turn\"") STOP,
        STARTED "R0 a\nS0 b\n" DONE);
}

static void test_js_13_what_is_unknown_or_no_content_is_passed_over(void **state) {
  (void)state;
  check(START E("future_event", ",\"text\":\"x\"")
            BEGIN("0", "{\"type\":\"redacted_thinking\",\"data\":\"Em\"}") END("0") BEGIN(
                "1",
                "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\","
                "\"input\":{}}") INPUT("1", "{}") END("1")
                BEGIN("2", "{\"type\":\"web_search_tool_result\",\"content\":[{\"text\":\"x\"}]}")
                    END("2") TEXT_BLOCK("3")
                        DELTA("3", "\"type\":\"citations_delta\",\"citation\":{\"text\":\"x\"}")
                            DELTA("3", "\"type\":\"future_delta\",\"text\":\"x\"") DELTA("3", "")
                                TEXT("3", "b") FINISH("\"end_turn\"") STOP,
        STARTED "T0 b\n" DONE);
}

static void test_js_03_halves_are_held(void **state) {
  (void)state;
  check(START TEXT("0", "\\ud83d") PING TEXT("0", "\\ude00") TEXT("0", "\\ud83d")
            FINISH("\"end_turn\"") STOP,
        STARTED "T0 \xf0\x9f\x98\x80\nU 11 9 -1\nT0 \xef\xbf\xbd\nF0 end_turn\n= LEAT_OK");
  check(START THINKING("0", "\\ud83d") STOP, STARTED "R0 \xef\xbf\xbd\n= LEAT_EINCOMPLETE");
  check(START TOOL_BLOCK("0", "t", "f", "{}") INPUT("0", "\\ud83d") INPUT("0", "\\ude00"),
        STARTED "C0.0 t f \nC0.0   \xf0\x9f\x98\x80\n= LEAT_EINCOMPLETE");
}

/* ---- tools ----------------------------------------------------------------------------------- */

static void test_tool_calls_are_known_by_their_block(void **state) {
  (void)state;
  check(START TEXT_BLOCK("0") TEXT("0", "a") END("0") TOOL_BLOCK("1", "t1", "f", "{}")
            INPUT("1", "") INPUT("1", "{\\\"a\\\":") TOOL_BLOCK("2", "t2", "g", "{}")
                INPUT("2", "[]") INPUT("1", "1}") END("1") END("2") FINISH("\"tool_use\"") STOP,
        STARTED
        "T0 a\nC0.1 t1 f \nC0.1   {\"a\":\nC0.2 t2 g \nC0.2   []\nC0.1   1}\n"
        "U 11 9 -1\nF0 tool_use\n= LEAT_OK");
}

static void test_a_tool_without_input_is_given_an_empty_object(void **state) {
  (void)state;
  check(START TOOL_BLOCK("0", "t", "f", "{}") INPUT("0", "") END("0") END("0")
            FINISH("\"tool_use\"") STOP,
        STARTED "C0.0 t f \nC0.0   {}\nU 11 9 -1\nF0 tool_use\n= LEAT_OK");
  check(START TOOL_BLOCK("0", "t", "f", "{}") TOOL_BLOCK("1", "u", "g", "null")
            FINISH("\"tool_use\"") STOP,
        STARTED "C0.0 t f \nC0.1 u g \nU 11 9 -1\nC0.0   {}\nC0.1   {}\nF0 tool_use\n= LEAT_OK");
}

static void test_js_06_arguments_that_were_cut_stay_cut(void **state) {
  (void)state;
  check(START TOOL_BLOCK("0", "t", "f", "{}") INPUT("0", "{\\\"a\\\":\\\"x")
            FINISH("\"max_tokens\"") STOP,
        STARTED "C0.0 t f \nC0.0   {\"a\":\"x\nU 11 9 -1\nF0 max_tokens\n= LEAT_OK");
  check(START TOOL_BLOCK("0", "t", "f", "{}") FINISH("\"max_tokens\"") STOP,
        STARTED "C0.0 t f \nU 11 9 -1\nF0 max_tokens\n= LEAT_OK");
}

static void test_input_that_stands_in_the_block_is_told_once(void **state) {
  (void)state;
  check(START TOOL_BLOCK("0", "t", "f", "{\"a\": 1}") INPUT("0", "{\\\"a\\\": 1}") END("0")
            TOOL_BLOCK("0", "t", "f", "{\"a\": 1}"),
        STARTED "C0.0 t f {\"a\": 1}\n= LEAT_EINCOMPLETE");
  check(START TOOL_BLOCK("0", "t", "f", "\"{\\\"a\\\":1}\"") END("0"),
        STARTED "C0.0 t f {\"a\":1}\n= LEAT_EINCOMPLETE");
}

static void test_js_05_blocks_without_an_index_and_with_bad_ones(void **state) {
  (void)state;
  check(E("content_block_start", ",\"content_block\":{\"type\":\"text\",\"text\":\"a\"}")
            E("content_block_start",
              ",\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\"}")
                E("content_block_delta",
                  ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1\"}")
                    E("content_block_stop", ""),
        "T0 a\nC0.1 t f \nC0.1   1\n= LEAT_EINCOMPLETE");
  check(TEXT("4000000000", "a") TOOL_BLOCK("4000000000", "t", "f", "{}") INPUT("4000000000", "1"),
        "T0 a\nC0.4000000000 t f \nC0.4000000000   1\n= LEAT_EINCOMPLETE");
  check(TEXT("-1", "a"), "= LEAT_EDECODE");
  check(TEXT("4294967296", "a"), "= LEAT_EDECODE");
  check(TEXT("0.5", "a"), "= LEAT_EDECODE");
  check(TEXT("\"0\"", "a") TEXT("null", "b"), "T0 a\nT0 b\n= LEAT_EINCOMPLETE");
  check(INPUT("0", "1") END("0"), "= LEAT_EINCOMPLETE");
}

static void test_js_05_tools_are_bounded(void **state) {
  enum { EACH = 160 };
  size_t size = 0, room = (LTI_OPENAI_TOOLS_MAX + 1) * (size_t)EACH;
  char *body = malloc(room);
  trace *t = calloc(1, sizeof *t);
  (void)state;
  assert_non_null(body);
  assert_non_null(t);
  for (int i = 0; i <= LTI_OPENAI_TOOLS_MAX; i++) {
    size += (size_t)snprintf(body + size, room - size,
                             "data: {\"type\":\"content_block_start\",\"index\":%d,"
                             "\"content_block\":{\"type\":\"tool_use\",\"id\":\"t%d\"}}\n\n",
                             i * 7, i);
  }
  assert_int_equal(trace_body(t, "anthropic", lti_slice(body, size), &(trace_options){.piece = 0}),
                   LEAT_EDECODE);
  assert_int_equal(t->events, LTI_OPENAI_TOOLS_MAX);
  free(t);
  free(body);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void test_js_09_what_is_evidence_of_a_whole_answer(void **state) {
  (void)state;
  check(START TEXT("0", "a"), STARTED "T0 a\n= LEAT_EINCOMPLETE");
  check(START TEXT("0", "a") STOP, STARTED "T0 a\n= LEAT_EINCOMPLETE");
  check(START TEXT("0", "a") FINISH("null") STOP, STARTED "T0 a\nU 11 9 -1\n= LEAT_EINCOMPLETE");
  check(START TEXT("0", "a") FINISH("\"\"") STOP, STARTED "T0 a\nU 11 9 -1\n= LEAT_EINCOMPLETE");
  check(START TEXT("0", "a") FINISH("\"end_turn\""), STARTED "T0 a\n" DONE);
  check(START FINISH("null") FINISH("\"end_turn\"") STOP, STARTED "U 11 9 -1\n" DONE);
  check(START TEXT("0", "a") FINISH("\"end_turn\"") STOP TEXT("0", "b") "data: {\n\n",
        STARTED "T0 a\n" DONE);
  check(START FINISH("\"end_turn\"") "data: [DONE]\n\n" TEXT("0", "b"), STARTED DONE);
  check("data: [DONE]\n\n", "= LEAT_EINCOMPLETE");
  check(PING, "= LEAT_EINCOMPLETE");
}

static void test_a_finish_may_say_what_stopped_it(void **state) {
  (void)state;
  check(
      START E("message_delta",
              ",\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"\\n\\nHuman:\"}"),
      STARTED "F0 stop_sequence # \n\nHuman:\n= LEAT_OK");
  check(START E("message_delta",
                ",\"delta\":{\"stop_reason\":\"st\\u006fp\",\"stop_sequence\":\"\\u00e9\"}"),
        STARTED "F0 stop # \xc3\xa9\n= LEAT_OK");
}

static void test_js_07_errors_end_the_answer_wherever_they_stand(void **state) {
  static const char overloaded[] =
      START TEXT("0", "a") E("error",
                             ",\"error\":{\"type\":\"overloaded_error\","
                             "\"message\":\"Overloaded\"},\"request_id\":\"r\"") TEXT("0", "b");
  (void)state;
  check(overloaded, STARTED "T0 a\n= LEAT_EAPI overloaded_error//Overloaded");
  check(START FINISH("\"end_turn\"") E("error", ",\"error\":{\"type\":\"t\",\"message\":\"m\"}"),
        STARTED "U 11 9 -1\nF0 end_turn\n= LEAT_EAPI t//m");
  check("event: error\ndata: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n",
        "= LEAT_EAPI /429/m");
  check("data: {\"error\":{\"message\":\"m\",\"type\":\"new_api_error\"}}\n\n",
        "= LEAT_EAPI new_api_error//m");
  check("event: error\ndata: upstream is gone\n\n", "= LEAT_EAPI //upstream is gone");
  check("event: error\ndata: {}\n\n", "= LEAT_EAPI //the provider sent an error without words");
  check("event: error\ndata: {\n\n", "= LEAT_EDECODE");
  check(START TEXT("0", "\\ud83d") E("error", ",\"error\":\"m\""),
        STARTED "T0 \xef\xbf\xbd\n= LEAT_EAPI error//m");
  check("data: {\"error\":null}\n\n" START FINISH("\"end_turn\""), STARTED DONE);
}

static void test_js_08_errors_outside_the_framing(void **state) {
  (void)state;
  check(": PING\n\n{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}",
        "= LEAT_EAPI api_error//m");
  check(START TEXT("0", "a") FINISH("\"end_turn\"") "{\"error\":{\"message\":\"m\"}}\n",
        STARTED "T0 a\n" DONE);
}

static void test_an_event_stream_without_types_inside_is_read_by_its_names(void **state) {
  (void)state;
  check(
      "event: content_block_delta\n"
      "data: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
      "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
      "event: message_stop\ndata: {}\n\n",
      "T0 a\nF0 end_turn\n= LEAT_OK");
  check(
      "event: ping\ndata: " /* what the record says counts more */
      "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
      "T0 a\n= LEAT_EINCOMPLETE");
}

/* ---- whole answers --------------------------------------------------------------------------- */

static void test_a_whole_message(void **state) {
  (void)state;
  check(
      "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":["
      "{\"type\":\"thinking\",\"thinking\":\"w\",\"signature\":\"s\"},"
      "{\"type\":\"redacted_thinking\",\"data\":\"x\"},{\"type\":\"text\",\"text\":\"hi\"},"
      "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":[1]}},"
      "{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"g\",\"input\":{}}],"
      "\"stop_reason\":\"tool_use\",\"stop_sequence\":null,"
      "\"usage\":{\"input_tokens\":2,\"output_tokens\":3}}",
      "R0 w\nS0 s\nT0 hi\nC0.3 t f {\"a\":[1]}\nC0.4 u g \nC0.4   {}\nU 2 3 -1\n"
      "F0 tool_use\n= LEAT_OK");
  check("\n\n{\"type\":\"message\",\"content\":[],\"stop_reason\":\"end_turn\"}",
        "F0 end_turn\n= LEAT_OK");
  check("{\"type\":\"message\",\"content\":[],\"stop_reason\":null}", "= LEAT_EINCOMPLETE");
}

static void test_js_11_errors_as_whole_bodies(void **state) {
  (void)state;
  check("{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"m\"}}",
        "= LEAT_EAPI not_found_error//m");
  check("{\"error\":{\"message\":\"m\",\"type\":\"new_api_error\",\"code\":\"c\"}}",
        "= LEAT_EAPI new_api_error/c/m");
  check("{\"code\":\"c\",\"message\":\"m\",\"data\":null}", "= LEAT_EAPI /c/m");
  check("{\"detail\":\"m\"}", "= LEAT_EAPI //m");
  check("[{\"error\":{\"message\":\"m\"}}]", "= LEAT_EAPI //m");
  check("{}", "= LEAT_EINCOMPLETE");
  check("{\"type\":\"message\"", "= LEAT_EDECODE");
}

/* ---- hostile --------------------------------------------------------------------------------- */

static void test_js_04_wrong_types_and_duplicates(void **state) {
  (void)state;
  check(
      "data: 5\n\ndata: null\n\ndata: []\n\ndata: \"x\"\n\ndata:\n\n"
      "data: {\"type\":5}\n\ndata: {\"type\":\"message_start\",\"message\":[]}\n\n"
      "data: {\"type\":\"message_delta\",\"delta\":7,\"usage\":\"x\"}\n\n"
      "data: {\"type\":\"content_block_start\",\"content_block\":\"text\"}\n\n"
      "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\","
      "\"id\":5,\"name\":{},\"input\":7}}\n\n"
      "data: {\"type\":\"content_block_delta\",\"index\":9,\"delta\":[]}\n\n" TEXT("0", "a"),
      "C0.1   \nT0 a\n= LEAT_EINCOMPLETE");
  check(
      "data: {\"type\":\"ping\",\"delta\":{\"text\":\"x\"},\"delta\":{\"type\":\"text_delta\","
      "\"text\":\"a\",\"text\":\"b\"},\"type\":\"content_block_delta\"}\n\n",
      "T0 b\n= LEAT_EINCOMPLETE");
  check(
      "data: {\"t\\u0079pe\":\"content_bl\\u006fck_delta\",\"delta\":{\"type\":\"text_delta\","
      "\"text\":\"a\"}}\n\n",
      "T0 a\n= LEAT_EINCOMPLETE");
  check("data: hello\n\n", "= LEAT_EDECODE");
  check(TEXT("0", "a") "data: {\"type\":\n\n" TEXT("0", "b"), "T0 a\n= LEAT_EDECODE");
}

static void test_raw_records_come_before_their_events(void **state) {
  static trace t;
  (void)state;
  trace_body(&t, "anthropic", lti_slice_of("event: x\ndata: {\"type\":\"future\"}\n\n" STOP),
             &(trace_options){.want_raw = true});
  assert_string_equal(t.text,
                      "RAW {\"type\":\"future\"}\nRAW {\"type\":\"message_stop\"}\n"
                      "= LEAT_EINCOMPLETE");
}

/* ---- what is beside the events --------------------------------------------------------------- */

typedef struct gathered {
  leat_usage usage;
  char about[128];
} gathered;

static int gather(void *ctx, leat_event *event) {
  gathered *g = ctx;
  const leat_response *r = event->response;
  if (event->kind == LEAT_EVENT_USAGE) g->usage = event->usage;
  snprintf(g->about, sizeof g->about, "%.*s %.*s %.*s %.*s", (int)r->id.size, r->id.data,
           (int)r->model.size, r->model.data, (int)r->role.size, r->role.data,
           (int)r->service_tier.size, r->service_tier.data);
  return LTI_OK;
}

static void test_usage_is_cumulative_and_the_last_word_counts(void **state) {
  static const char body[] =
      START E("message_delta",
              ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9,"
              "\"input_tokens\":12,\"output_tokens_details\":{\"thinking_tokens\":4}}") STOP;
  lti_answer a;
  lti_alloc alloc;
  lti_verdict verdict;
  gathered g;
  size_t taken;
  (void)state;
  memset(&g, 0, sizeof g);
  lti_alloc_init(&alloc, NULL);
  assert_int_equal(
      lti_answer_init(&a, &alloc, lti_protocol_find("anthropic"),
                      &(lti_answer_limits){4096, 4096, NULL, NULL}, (lti_answer_sink){gather, &g}),
      LTI_OK);
  assert_int_equal(lti_answer_feed(&a, lti_slice_of(body), &taken), LTI_STOPPED);
  assert_int_equal(lti_answer_end(&a, &verdict), LEAT_OK);
  assert_int_equal(g.usage.input, 12);
  assert_int_equal(g.usage.output, 9);
  assert_int_equal(g.usage.cached, 5);
  assert_int_equal(g.usage.cache_write, 3);
  assert_int_equal(g.usage.reasoning, 4);
  assert_int_equal(g.usage.total, -1);
  assert_string_equal(g.about, "msg_1 claude assistant standard");
  lti_answer_deinit(&a);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void read_under_failure(const leat_allocator *fns, void *ctx) {
  static const char *const bodies[] = {
      START THINKING_BLOCK("0") THINKING("0", "\\u0077hy") SIGNATURE("0", "\\u0073")
          TOOL_BLOCK("1", "\\u0074", "\\u0066", "{\"a\":\"\xff\"}") TOOL_BLOCK("2", "u", "g", "{}")
              TOOL_BLOCK("3", "v", "h", "{}") INPUT("2", "\\u0031")
                  E("message_delta",
                    ",\"delta\":{\"stop_reason\":\"\\u0074ool_use\",\"stop_sequence\":\"\\u0061\"}")
                      STOP,
      START E("error", ",\"error\":{\"type\":\"t\",\"message\":\"\\u006d\"}"),
      "{\"type\":\"error\",\"error\":{\"message\":\"\\u006d\"}}",
  };
  static trace t;
  (void)ctx;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    int rc = trace_body(&t, "anthropic", lti_slice_of(bodies[i]),
                        &(trace_options){.piece = 64, .allocator = fns});
    assert_true(rc == (i ? LEAT_EAPI : LEAT_OK) || rc == LEAT_ENOMEM);
    assert_true(t.utf8);
  }
}

static void test_every_failed_allocation_is_survived(void **state) {
  (void)state;
  assert_true(failing_at_every_n(read_under_failure, NULL) >= 8);
}

static void test_the_dialect_says_where_and_how_it_is_asked(void **state) {
  const lti_protocol *p = lti_protocol_find("anthropic");
  lti_encoded e;
  (void)state;
  assert_string_equal(p->path, "/messages");
  assert_string_equal(p->key_header, "x-api-key");
  assert_string_equal(p->header, "anthropic-version");
  assert_string_equal(p->value, "2023-06-01");
  assert_int_equal(p->inspect(lti_slice_of("{\"stream\":true}"), &e), LEAT_OK);
  assert_true(e.stream);
  assert_int_equal(p->inspect(lti_slice_of("{\"model\":\"m\"}"), &e), LEAT_OK);
  assert_false(e.stream);
  assert_int_equal(p->inspect(lti_slice_of("{\"stream\""), &e), LEAT_EJSON);
  assert_int_equal(p->inspect(lti_slice_of("[]"), &e), LEAT_EJSON);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text_with_pings_between),
      cmocka_unit_test(test_text_that_stands_in_the_block_is_told),
      cmocka_unit_test(test_thinking_and_its_signature),
      cmocka_unit_test(test_js_13_what_is_unknown_or_no_content_is_passed_over),
      cmocka_unit_test(test_js_03_halves_are_held),
      cmocka_unit_test(test_tool_calls_are_known_by_their_block),
      cmocka_unit_test(test_a_tool_without_input_is_given_an_empty_object),
      cmocka_unit_test(test_js_06_arguments_that_were_cut_stay_cut),
      cmocka_unit_test(test_input_that_stands_in_the_block_is_told_once),
      cmocka_unit_test(test_js_05_blocks_without_an_index_and_with_bad_ones),
      cmocka_unit_test(test_js_05_tools_are_bounded),
      cmocka_unit_test(test_js_09_what_is_evidence_of_a_whole_answer),
      cmocka_unit_test(test_a_finish_may_say_what_stopped_it),
      cmocka_unit_test(test_js_07_errors_end_the_answer_wherever_they_stand),
      cmocka_unit_test(test_js_08_errors_outside_the_framing),
      cmocka_unit_test(test_an_event_stream_without_types_inside_is_read_by_its_names),
      cmocka_unit_test(test_a_whole_message),
      cmocka_unit_test(test_js_11_errors_as_whole_bodies),
      cmocka_unit_test(test_js_04_wrong_types_and_duplicates),
      cmocka_unit_test(test_raw_records_come_before_their_events),
      cmocka_unit_test(test_usage_is_cumulative_and_the_last_word_counts),
      cmocka_unit_test(test_every_failed_allocation_is_survived),
      cmocka_unit_test(test_the_dialect_says_where_and_how_it_is_asked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
