/* Chat completions over WebSocket: both forms of chunks, the end of a turn, what one turn leaves to
 * the next. Messages are written as the endpoints' documents show them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/turns.h"

#define M(json)         json "\n"
#define CHUNK(id, rest) M("{\"id\":\"" id "\",\"object\":\"chat.completion.chunk\"," rest "}")
#define CHOICE(inner)   CHUNK("c1", "\"choices\":[{\"index\":0," inner "}]")
#define DELTA(text)     CHOICE("\"delta\":{\"content\":\"" text "\"}")
#define STOP            CHOICE("\"delta\":{},\"finish_reason\":\"stop\"")
#define COUNTS          "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}"
#define USAGE           CHUNK("c1", "\"choices\":[]," COUNTS)
#define DONE            M("[DONE]")
#define WHOLE(text, finish)                                                                   \
  M("{\"id\":\"c1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"                \
    "\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"},\"finish_reason\":" finish \
    "}]," COUNTS "}")

static const lti_protocol_turn plain = {.choices = 0};
static const lti_protocol_turn counted = {.usage = true};
static const lti_protocol_turn later = {.usage = true, .later = true, .before = {"c0", 2}};

static void check(const lti_protocol_turn *turn, const char *messages, const char *expected) {
  turns_check(&(turns_case){.protocol = "chat-ws", .turn = turn}, messages, expected);
}

/* ---- the end of a turn ----------------------------------------------------------------------- */

static void test_a_turn_without_usage_ends_with_its_last_finish(void **state) {
  (void)state;
  check(&plain, DELTA("a") DELTA("b") STOP DELTA("behind"),
        "T0 a\nT0 b\nF0 stop\n> end\n= LEAT_OK");
}

static void test_usage_that_was_asked_for_is_waited_for(void **state) {
  (void)state;
  check(&counted, DELTA("a") STOP, "T0 a\nF0 stop\n> wait\n= LEAT_OK");
  check(&counted, DELTA("a") STOP USAGE DELTA("behind"),
        "T0 a\nF0 stop\n> wait\nU 1 2 3\n> end\n= LEAT_OK");
  check(&counted, DELTA("a") STOP M("{\"ping\":1}") DONE USAGE,
        "T0 a\nF0 stop\n> wait\n> wait\n> end\n= LEAT_OK");
}

static void test_usage_beside_the_finish_is_enough(void **state) {
  (void)state;
  check(&counted,
        DELTA("a") CHUNK(
            "c1", "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]," COUNTS),
        "T0 a\nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_running_usage_before_the_finish_is_not_the_last_one(void **state) {
  (void)state;
  check(&counted,
        CHUNK("c1", "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]," COUNTS) STOP USAGE,
        "T0 a\nU 1 2 3\nF0 stop\n> wait\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_every_choice_that_was_asked_for_has_its_end(void **state) {
  static const lti_protocol_turn two = {.choices = 2}, two_counted = {.choices = 2, .usage = true};
  (void)state;
#define SECOND CHUNK("c1", "\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]")
#define SECOND_STOP \
  CHUNK("c1", "\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}]")
  check(&two, DELTA("a") STOP SECOND SECOND_STOP,
        "T0 a\nF0 stop\nT1 b\nF1 length\n> end\n= LEAT_OK");
  check(&two_counted, DELTA("a") STOP USAGE, "T0 a\nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
  check(&two_counted, DELTA("a") SECOND STOP SECOND_STOP USAGE,
        "T0 a\nT1 b\nF0 stop\nF1 length\n> wait\nU 1 2 3\n> end\n= LEAT_OK");
  check(&two, DELTA("a") STOP SECOND, "T0 a\nF0 stop\nT1 b\n= LEAT_EINCOMPLETE");
}

static void test_a_choice_that_begins_while_usage_is_waited_for_is_heard(void **state) {
  (void)state;
  check(&counted, DELTA("a") STOP SECOND SECOND_STOP USAGE,
        "T0 a\nF0 stop\n> wait\nT1 b\nF1 length\n> wait\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_done_ends_a_turn_and_is_no_evidence(void **state) {
  (void)state;
  check(&plain, DELTA("a") DONE STOP, "T0 a\n> end\n= LEAT_EINCOMPLETE");
  check(&plain, DONE, "> end\n= LEAT_EINCOMPLETE");
}

/* ---- two forms ------------------------------------------------------------------------------- */

static void test_one_whole_message(void **state) {
  (void)state;
  check(&plain, WHOLE("hi", "\"stop\""), "T0 hi\nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_messages_that_hold_pieces(void **state) {
  (void)state;
  check(&plain, WHOLE("one ", "null") WHOLE("two ", "null") WHOLE("two ", "\"stop\""),
        "T0 one \nU 1 2 3\nT0 two \nU 1 2 3\nT0 two \nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_messages_that_hold_everything_so_far(void **state) {
  (void)state;
  check(&plain, WHOLE("a", "null") WHOLE("ab", "null") WHOLE("ab", "null") WHOLE("abc", "\"stop\""),
        "T0 a\nU 1 2 3\nT0 b\nU 1 2 3\nU 1 2 3\nT0 c\nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_a_whole_behind_its_chunks_is_not_told_twice(void **state) {
  (void)state;
  check(&plain, DELTA("a") DELTA("b") WHOLE("ab", "\"stop\""),
        "T0 a\nT0 b\nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
  check(&plain,
        CHOICE("\"delta\":{\"reasoning_content\":\"r\",\"tool_calls\":[{\"index\":0,\"id\":\"i\","
               "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}")
            CHOICE("\"message\":{\"reasoning_content\":\"r\",\"tool_calls\":[{\"id\":\"i\","
                   "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
                   "\"finish_reason\":\"tool_calls\""),
        "R0 r\nC0.0 i f {}\nF0 tool_calls\n> end\n= LEAT_OK");
}

static void test_equal_deltas_are_told_each(void **state) {
  (void)state;
  check(&plain, DELTA("ha") DELTA("ha") DELTA("haha") STOP,
        "T0 ha\nT0 ha\nT0 haha\nF0 stop\n> end\n= LEAT_OK");
}

static void test_a_whole_that_changes_shape_is_told_as_it_is(void **state) {
  (void)state;
  check(&plain, DELTA("abc") WHOLE("ab", "\"stop\""),
        "T0 abc\nT0 ab\nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
}

/* ---- what a turn leaves behind --------------------------------------------------------------- */

static void test_what_the_turn_before_left_is_not_this_ones(void **state) {
  (void)state;
  check(&later,
        CHUNK("c0", "\"choices\":[]," COUNTS)
            DONE M("{\"id\":\"c0\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"old\"},"
                   "\"finish_reason\":\"stop\"}]}") DELTA("new") STOP USAGE,
        "T0 new\nF0 stop\n> wait\nU 1 2 3\n> end\n= LEAT_OK");
  check(&later, M("{\"choices\":[]," COUNTS "}") DELTA("a") STOP USAGE,
        "T0 a\nF0 stop\n> wait\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_only_one_end_can_be_left_over(void **state) {
  (void)state;
  check(&later, DONE DONE, "> end\n= LEAT_EINCOMPLETE");
}

static void test_a_gateway_that_gives_all_turns_one_id_is_understood_once_it_speaks(void **state) {
  (void)state;
  check(&later,
        M("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}")
            CHUNK("c0",
                  "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},"
                  "\"finish_reason\":\"stop\"}]," COUNTS),
        "T0 a\nT0 b\nF0 stop\nU 1 2 3\n> end\n= LEAT_OK");
}

static void test_whoever_follows_a_conversation_misses_nothing(void **state) {
  (void)state;
  check(NULL, DONE USAGE DELTA("a") STOP, "U 1 2 3\nT0 a\nF0 stop\n> end\n= LEAT_OK");
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void test_js_07_an_error_ends_the_turn_wherever_it_comes(void **state) {
  (void)state;
  check(&plain, M("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}}"),
        "> end\n= LEAT_EAPI t/c/m");
  check(&counted, DELTA("a") M("{\"error\":{\"message\":\"m\"}}") STOP,
        "T0 a\n> end\n= LEAT_EAPI //m");
  check(&later, M("{\"error\":\"m\"}"), "> end\n= LEAT_EAPI //m");
  check(&counted, DELTA("a") STOP M("{\"error\":{\"message\":\"late\"}}"),
        "T0 a\nF0 stop\n> wait\n> end\n= LEAT_EAPI //late");
}

static void check_close(unsigned code, const char *messages, const char *expected) {
  turns_case c = {.protocol = "chat-ws", .turn = &plain, .code = code, .reason = "no upstream"};
  turns_check(&c, messages, expected);
}

static void test_close_4001_is_an_error_of_the_gateway(void **state) {
  (void)state;
  check_close(4001, DELTA("a"), "T0 a\n= LEAT_EAPI gateway_error/4001/no upstream");
  check_close(4003, "", "= LEAT_EAPI /4003/no upstream");
  check_close(1011, DELTA("a"), "T0 a\n= LEAT_EINCOMPLETE");
  check_close(4001, DELTA("a") STOP, "T0 a\nF0 stop\n> end\n= LEAT_OK");
}

static void test_js_04_hostile_messages(void **state) {
  (void)state;
  check(&plain, M("not JSON"), "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
  check(&plain, M("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\""),
        "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
  check(&plain,
        M("5") M("null") M("\"x\"") M("[]") M("{}") M("{\"choices\":{}}") M("{\"choices\":[7]}")
            M("{\"choices\":[{\"message\":[1]}]}") STOP,
        "T0 \nF0 stop\n> end\n= LEAT_OK");
  check(&plain, M("{\"choices\":[{\"index\":-1,\"message\":{}}]}"),
        "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
}

static void test_js_05_a_thousand_calls_are_bounded(void **state) {
  (void)state;
  char *messages = malloc(600 * 160);
  size_t size = 0;
  trace *t = malloc(sizeof *t);
  turns_case c = {.protocol = "chat-ws", .turn = &plain};
  assert_non_null(messages);
  assert_non_null(t);
  for (int i = 0; i < 600; i++) {
    size += (size_t)snprintf(messages + size, 160,
                             "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,"
                             "\"function\":{\"arguments\":\"a\"}}]}}]}\n",
                             i);
  }
  assert_int_equal(turns_play(t, &c, lti_slice(messages, size)), LEAT_EDECODE);
  free(messages);
  free(t);
}

/* ---- cuts and memory ------------------------------------------------------------------------- */

#define LONG                                                                          \
  CHOICE("\"delta\":{\"role\":\"assistant\",\"content\":\"\"}")                       \
  DELTA("\\u00e9\\ud83d")                                                             \
  DELTA("\\ude00")                                                                    \
  CHOICE("\"message\":{\"content\":\"\\u00e9\\ud83d\\ude00 and on\"}")                \
  CHOICE(                                                                             \
      "\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"\\u00e9\",\"function\":"      \
      "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\"}},{\"index\":1,\"id\":\"y\"}]}") \
  SECOND                                                                              \
  SECOND_STOP

static void test_every_cut_is_seen(void **state) {
  static const char text[] = LONG STOP USAGE;
  turns_case c = {.protocol = "chat-ws", .turn = &counted};
  (void)state;
  check(&counted, text,
        "T0 \nT0 \xc3\xa9\nT0 \xf0\x9f\x98\x80\nT0  and on\nC0.0 \xc3\xa9 f {\"a\":\nC0.1 y  \n"
        "T1 b\nF1 length\nF0 stop\n> wait\nU 1 2 3\n> end\n= LEAT_OK");
  /* Once the last finish_reason is there, only usage can be lost; but half a message is one too
   * many. */
  size_t stop = strlen(LONG STOP) - 1;
  trace *t = malloc(sizeof *t);
  assert_non_null(t);
  for (size_t cut = 0; cut < sizeof text; cut++) {
    int rc = turns_play(t, &c, lti_slice(text, cut));
    bool between = cut >= stop && (cut <= stop + 1 || cut + 2 >= sizeof text);
    if ((rc == LEAT_OK) != between) fail_msg("cut at %zu: %s", cut, t->text);
    assert_true(t->utf8);
  }
  free(t);
}

static void test_every_failed_allocation_is_survived(void **state) {
  turns_case c = {.protocol = "chat-ws", .turn = &later};
  (void)state;
  turns_check_starved(&c, LONG M("{\"error\":{\"message\":\"\\u0065nd\"}}"));
  c.code = 4001;
  c.reason = "gone";
  turns_check_starved(&c, LONG);
}

/* ---- questions ------------------------------------------------------------------------------- */

static void test_what_a_body_asks_for(void **state) {
  const lti_protocol *p = lti_protocol_find("chat-ws");
  lti_encoded e;
  (void)state;
  assert_int_equal(p->inspect(lti_slice_of("{\"stream\":true,\"n\":3,\"stream_options\":"
                                           "{\"include_usage\":true}}"),
                              &e),
                   LEAT_OK);
  assert_true(e.stream && e.usage && e.choices == 3);
  assert_int_equal(p->inspect(lti_slice_of("{\"stream_options\":{\"include_usage\":true}}"), &e),
                   LEAT_OK);
  assert_false(e.stream || e.usage || e.choices);
  assert_int_equal(p->inspect(lti_slice_of("{\"stream\":true,\"stream_options\":7,\"n\":-1}"), &e),
                   LEAT_OK);
  assert_true(e.stream && !e.usage && !e.choices);
  assert_int_equal(p->inspect(lti_slice_of("[]"), &e), LEAT_EJSON);
}

static void test_a_question_is_one_message(void **state) {
  const lti_protocol *p = lti_protocol_find("chat-ws");
  leat_chat_request chat;
  lti_encoded e;
  lti_alloc alloc;
  lti_buf out;
  leat_slice rest, frame;
  (void)state;
  leat_chat_request_init(&chat);
  chat.model = "m";
  chat.prompt = lti_slice_of("hi");
  chat.stream = chat.has_n = true;
  chat.n = 2;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 4096, LEAT_EBODYMAX);
  assert_int_equal(p->encode(&chat, &out, &e), LEAT_OK);
  assert_true(e.stream && e.usage && e.choices == 2);
  rest = lti_buf_slice(&out);
  assert_true(lti_protocol_frame(&rest, &frame));
  assert_true(lti_slice_is(frame,
                           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
                           "\"hi\"}],\"stream\":true,\"stream_options\":"
                           "{\"include_usage\":true},\"n\":2}"));
  assert_false(lti_protocol_frame(&rest, &frame));
  assert_string_equal(p->path, "/chat/ws");
  assert_string_equal(p->socket->key_header, "x-api-key");
  lti_buf_deinit(&out);
}

static void test_messages_are_taken_apart(void **state) {
  leat_slice rest = lti_slice_of(" {\"a\":\n [1]}{\"b\":2}\r\n[DONE]5 \"x\ny\"\nno JSON {\n[] ");
  static const char *const expected[] = {"{\"a\":\n [1]}", "{\"b\":2}", "[DONE]", "5", "\"x", "y\"",
                                         "no JSON {",      "[]"};
  leat_slice frame;
  (void)state;
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    assert_true(lti_protocol_frame(&rest, &frame));
    if (!lti_slice_is(frame, expected[i])) fail_msg("%.*s", (int)frame.size, frame.data);
  }
  assert_false(lti_protocol_frame(&rest, &frame));
}

static void test_a_recorded_turn_is_decoded_as_a_body(void **state) {
  (void)state;
  trace_check_text("chat-ws", DELTA("a") STOP, "T0 a\nF0 stop\n= LEAT_OK");
  trace_check_text("chat-ws", DELTA("a") "{\"error\":{\"message\":\"m\"}}",
                   "T0 a\n= LEAT_EAPI //m");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_turn_without_usage_ends_with_its_last_finish),
      cmocka_unit_test(test_usage_that_was_asked_for_is_waited_for),
      cmocka_unit_test(test_usage_beside_the_finish_is_enough),
      cmocka_unit_test(test_running_usage_before_the_finish_is_not_the_last_one),
      cmocka_unit_test(test_every_choice_that_was_asked_for_has_its_end),
      cmocka_unit_test(test_a_choice_that_begins_while_usage_is_waited_for_is_heard),
      cmocka_unit_test(test_done_ends_a_turn_and_is_no_evidence),
      cmocka_unit_test(test_one_whole_message),
      cmocka_unit_test(test_messages_that_hold_pieces),
      cmocka_unit_test(test_messages_that_hold_everything_so_far),
      cmocka_unit_test(test_a_whole_behind_its_chunks_is_not_told_twice),
      cmocka_unit_test(test_equal_deltas_are_told_each),
      cmocka_unit_test(test_a_whole_that_changes_shape_is_told_as_it_is),
      cmocka_unit_test(test_what_the_turn_before_left_is_not_this_ones),
      cmocka_unit_test(test_only_one_end_can_be_left_over),
      cmocka_unit_test(test_a_gateway_that_gives_all_turns_one_id_is_understood_once_it_speaks),
      cmocka_unit_test(test_whoever_follows_a_conversation_misses_nothing),
      cmocka_unit_test(test_js_07_an_error_ends_the_turn_wherever_it_comes),
      cmocka_unit_test(test_close_4001_is_an_error_of_the_gateway),
      cmocka_unit_test(test_js_04_hostile_messages),
      cmocka_unit_test(test_js_05_a_thousand_calls_are_bounded),
      cmocka_unit_test(test_every_cut_is_seen),
      cmocka_unit_test(test_every_failed_allocation_is_survived),
      cmocka_unit_test(test_what_a_body_asks_for),
      cmocka_unit_test(test_a_question_is_one_message),
      cmocka_unit_test(test_messages_are_taken_apart),
      cmocka_unit_test(test_a_recorded_turn_is_decoded_as_a_body),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
