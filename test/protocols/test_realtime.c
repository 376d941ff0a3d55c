/* Realtime in both generations of its names, and its questions in several events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/turns.h"

#define M(type, rest) "{\"type\":\"" type "\",\"event_id\":\"e\"" rest "}\n"
#define OF(id) \
  ",\"response_id\":\"" id "\",\"item_id\":\"it\",\"output_index\":0,\"content_index\":0"
#define DELTA(id, type, t) M("response." type ".delta", OF(id) ",\"delta\":\"" t "\"")
#define CREATED(id)     \
  M("response.created", \
    ",\"response\":{\"id\":\"" id "\",\"status\":\"in_progress\",\"output\":[]}")
#define COUNTS                                                                           \
  ",\"usage\":{\"total_tokens\":48,\"input_tokens\":37,\"output_tokens\":11,"            \
  "\"input_token_details\":{\"text_tokens\":30,\"audio_tokens\":7,\"cached_tokens\":8}," \
  "\"output_token_details\":{\"text_tokens\":5,\"audio_tokens\":6}}"
#define FINISHED(id, status, rest) \
  M("response.done", ",\"response\":{\"id\":\"" id "\",\"status\":\"" status "\"" rest "}")
#define COMPLETED(id) FINISHED(id, "completed", ",\"status_details\":null,\"output\":[]" COUNTS)
#define END           "U 37 11 48\nF0 completed\n> end\n= LEAT_OK"
#define SESSION                                                              \
  M("session.created", ",\"session\":{\"id\":\"sess_1\",\"model\":\"m\"}")   \
  M("session.updated", ",\"session\":{}")                                    \
  M("conversation.created", "")                                              \
  M("conversation.item.added", ",\"item\":{\"id\":\"u\",\"role\":\"user\"}") \
  M("rate_limits.updated", "")

static const lti_protocol_turn first = {.choices = 0};
static const lti_protocol_turn second = {.later = true, .before = {"r0", 2}};

static void check(const lti_protocol_turn *turn, const char *messages, const char *expected) {
  turns_check(&(turns_case){.protocol = "realtime", .turn = turn}, messages, expected);
  turns_check(&(turns_case){.protocol = "realtime-beta", .turn = turn}, messages, expected);
}

static void test_text_in_both_generations(void **state) {
  (void)state;
  check(&first,
        SESSION CREATED("r1") DELTA("r1", "output_text", "Hi") DELTA("r1", "output_text", "!")
            M("response.output_text.done", OF("r1") ",\"text\":\"Hi!\"") COMPLETED("r1"),
        "T0 Hi\nT0 !\n" END);
  check(&first,
        CREATED("r1") DELTA("r1", "text", "Hi") M("response.text.done", OF("r1") ",\"text\":\"Hi\"")
            COMPLETED("r1"),
        "T0 Hi\n" END);
}

static void test_sound_and_its_words_in_both_generations(void **state) {
  (void)state;
  check(&first,
        CREATED("r1") DELTA("r1", "output_audio", "AAAA")
            DELTA("r1", "output_audio_transcript", "Hi")
                M("response.output_audio_transcript.done", OF("r1") ",\"transcript\":\"Hi\"")
                    M("response.output_audio.done", OF("r1")) COMPLETED("r1"),
        "A0   AAAA  it\nA0    Hi it\n" END);
  check(&first,
        CREATED("r1") DELTA("r1", "audio", "AAAA") DELTA("r1", "audio_transcript", "Hi")
            COMPLETED("r1"),
        "A0   AAAA  it\nA0    Hi it\n" END);
  check(&first,
        CREATED("r1") FINISHED("r1", "completed",
                               ",\"output\":[{\"id\":\"it\",\"type\":\"message\",\"content\":[{"
                               "\"type\":\"audio\",\"transcript\":\"Hi\"}]}]" COUNTS),
        "A0    Hi it\n" END);
}

static void test_calls(void **state) {
  (void)state;
  check(&first,
        CREATED("r1") M("response.function_call_arguments.delta",
                        ",\"response_id\":\"r1\",\"item_id\":\"it\",\"output_index\":0,"
                        "\"call_id\":\"c\",\"delta\":\"{}\"")
            M("response.function_call_arguments.done",
              ",\"response_id\":\"r1\",\"item_id\":\"it\",\"output_index\":0,\"call_id\":\"c\","
              "\"name\":\"f\",\"arguments\":\"{}\"")
                FINISHED("r1", "completed",
                         ",\"output\":[{\"id\":\"it\",\"type\":\"function_call\",\"call_id\":\"c\","
                         "\"name\":\"f\",\"arguments\":\"{}\"}]" COUNTS),
        "C0.0 c  {}\nC0.0  f \n" END);
}

static void test_js_09_how_a_response_may_end(void **state) {
  (void)state;
  check(&first, CREATED("r1") DELTA("r1", "text", "a"), "T0 a\n= LEAT_EINCOMPLETE");
  check(&first,
        FINISHED("r1", "incomplete",
                 ",\"status_details\":{\"type\":\"incomplete\",\"reason\":\"max_output_tokens\"}"),
        "F0 incomplete # max_output_tokens\n> end\n= LEAT_OK");
  check(&first,
        FINISHED("r1", "cancelled",
                 ",\"status_details\":{\"type\":\"cancelled\",\"reason\":\"turn_detected\"}"),
        "F0 cancelled\n> end\n= LEAT_EINCOMPLETE");
  check(
      &first,
      FINISHED("r1", "failed",
               ",\"status_details\":{\"type\":\"failed\",\"error\":{\"type\":\"t\",\"code\":\"c\","
               "\"message\":\"m\"}}"),
      "> end\n= LEAT_EAPI t/c/m");
  check(&first, FINISHED("r1", "failed", ",\"status_details\":{\"type\":\"failed\"}"),
        "> end\n= LEAT_EAPI //the response failed, and does not say why");
  check(&first, FINISHED("r1", "new", ""), "> end\n= LEAT_EINCOMPLETE");
  check(&first, M("response.done", ""), "> end\n= LEAT_EINCOMPLETE");
}

static void test_js_07_errors_end_the_turn(void **state) {
  (void)state;
  check(&first,
        M("error",
          ",\"error\":{\"type\":\"new_api_error\",\"code\":\"insufficient_user_quota\","
          "\"message\":\"m\",\"param\":null,\"event_id\":null}"),
        "> end\n= LEAT_EAPI new_api_error/insufficient_user_quota/m");
  check(&first,
        CREATED("r1") DELTA("r1", "text", "a") M("error", ",\"error\":{\"message\":\"m\"}")
            COMPLETED("r1"),
        "T0 a\n> end\n= LEAT_EAPI //m");
}

static void test_events_of_another_response_are_not_the_turns(void **state) {
  (void)state;
  check(&second,
        DELTA("r0", "text", "old") COMPLETED("r0") CREATED("r1") DELTA("r1", "text", "new")
            DELTA("rX", "text", "not ours") COMPLETED("rX") COMPLETED("r1"),
        "T0 new\n" END);
}

static void test_whoever_follows_a_conversation_hears_every_response(void **state) {
  (void)state;
  check(NULL, SESSION DELTA("r0", "text", "a") DELTA("r1", "text", "b") COMPLETED("r1"),
        "T0 a\nT0 b\n" END);
}

static void test_the_callers_own_sound_and_the_session_are_no_events(void **state) {
  (void)state;
  check(&first,
        SESSION M("input_audio_buffer.speech_started", "")
            M("conversation.item.input_audio_transcription.delta", ",\"delta\":\"me\"")
                M("conversation.item.created",
                  ",\"item\":{\"type\":\"message\",\"content\":[{"
                  "\"type\":\"input_text\",\"text\":\"me\"}]}")
                    M("conversation.item.done",
                      ",\"item\":{\"type\":\"message\",\"content\":[{"
                      "\"type\":\"text\",\"text\":\"me\"}]}") COMPLETED("r1"),
        END);
}

static void test_js_04_out_of_order_and_hostile(void **state) {
  (void)state;
  check(&first,
        DELTA("r1", "text", "a") CREATED("r1")
            M("response.output_item.added",
              ",\"response_id\":\"r1\",\"output_index\":0,\"item\":{"
              "\"id\":\"it\",\"type\":\"message\"}") DELTA("r1", "text", "b") COMPLETED("r1")
                COMPLETED("r1"),
        "T0 a\nT0 b\n" END);
  check(&first,
        "{\"type\":7,\"delta\":\"a\"}\n[]\n5\n{\"type\":\"response.done\",\"response\":[]}\n",
        "> end\n= LEAT_EINCOMPLETE");
  check(&first, "{\"type\":\"response.text.delta\"", "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
}

#define LONG                                                                                 \
  SESSION CREATED("r1") DELTA("r1", "text", "\\u00e9\\ud83d") DELTA("r1", "audio", "AA\\/A") \
      DELTA("r1", "audio_transcript", "\\n\\ud83d")

static void test_every_cut_is_seen(void **state) {
  turns_case c = {.protocol = "realtime", .turn = &first};
  (void)state;
  turns_check_cuts(&c, LONG COMPLETED("r1"), strlen(LONG COMPLETED("r1")) - 1);
}

static void test_every_failed_allocation_is_survived(void **state) {
  turns_case c = {.protocol = "realtime", .turn = &second};
  (void)state;
  turns_check_starved(&c, LONG COMPLETED("r1"));
  turns_check_starved(&c, LONG M("error", ",\"error\":{\"message\":\"\\u0065nd\"}"));
}

static void test_a_recorded_session_is_decoded_as_a_body(void **state) {
  (void)state;
  trace_check_text("realtime", CREATED("r1") DELTA("r1", "text", "a") COMPLETED("r1"),
                   "T0 a\nU 37 11 48\nF0 completed\n= LEAT_OK");
}

/* ---- questions ------------------------------------------------------------------------------- */

/* The events of a question, each on a line of its own, or why there is none. */
static int ask(const char *protocol, const leat_chat_request *chat, char *text, size_t room) {
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  leat_slice rest, frame;
  size_t size = 0;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 1 << 16, LEAT_EBODYMAX);
  int rc = lti_protocol_find(protocol)->encode(chat, &out, &e);
  if (rc == LEAT_OK) {
    assert_true(e.stream);
    lti_encoded seen;
    assert_int_equal(lti_protocol_find(protocol)->inspect(lti_buf_slice(&out), &seen), LEAT_OK);
  } else {
    assert_int_equal(out.size, 0);
    snprintf(text, room, "%s", e.message ? e.message : "");
  }
  rest = lti_buf_slice(&out);
  while (lti_protocol_frame(&rest, &frame)) {
    size += (size_t)snprintf(text + size, room - size, "%.*s\n", (int)frame.size, frame.data);
  }
  lti_buf_deinit(&out);
  return rc;
}

static void test_a_question_is_its_messages_and_a_wish(void **state) {
  static const leat_tool_use use = {.id = "c", .name = "f", .arguments = {"{}", 2}};
  static const leat_part sound = {.kind = LEAT_PART_AUDIO, .data = {"AA==", 4}};
  static const leat_message messages[] = {
      {.role = "developer", .text = {"be\nkind", 7}},
      {.role = "user", .parts = &sound, .part_count = 1},
      {.role = "assistant", .text = {"ok", 2}, .tool_uses = &use, .tool_use_count = 1},
      {.role = "tool", .tool_call_id = "c", .text = {"4", 1}}};
  leat_chat_request chat;
  char text[2048];
  (void)state;
  leat_chat_request_init(&chat);
  chat.model = "m";
  chat.messages = messages;
  chat.message_count = 4;
  chat.has_max_tokens = true;
  chat.max_tokens = 9;
  chat.extra = lti_slice_of("{\n\"instructions\":\"x\"}");
#define ITEM(json) "{\"type\":\"conversation.item.create\",\"item\":" json "}\n"
#define ITEMS(said)                                                                          \
  ITEM(                                                                                      \
      "{\"type\":\"message\",\"role\":\"system\",\"content\":[{\"type\":\"input_text\","     \
      "\"text\":\"be\\nkind\"}]}")                                                           \
  ITEM(                                                                                      \
      "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","      \
      "\"audio\":\"AA==\"}]}")                                                               \
  ITEM("{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"" said         \
       "\","                                                                                 \
       "\"text\":\"ok\"}]}")                                                                 \
  ITEM("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}") \
  ITEM("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"4\"}")
#define WISH(modalities)                                      \
  "{\"type\":\"response.create\",\"response\":{\"" modalities \
  "\":[\"text\"],"                                            \
  "\"max_output_tokens\":9,\n\"instructions\":\"x\"}}\n"
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_OK);
  assert_string_equal(text, ITEMS("output_text") WISH("output_modalities"));
  assert_int_equal(ask("realtime-beta", &chat, text, sizeof text), LEAT_OK);
  assert_string_equal(text, ITEMS("text") WISH("modalities"));
}

static void test_sound_may_be_asked_for(void **state) {
  leat_chat_request chat;
  char text[512];
  (void)state;
  leat_chat_request_init(&chat);
  chat.messages_json = lti_slice_of("[ {\"type\":\"message\"} , {\"a\":\n1} ]");
  chat.extra = lti_slice_of("{\"output_modalities\":[\"audio\"]}");
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_OK);
  assert_string_equal(text, ITEM("{\"type\":\"message\"}") ITEM("{\"a\":\n1}")
                      "{\"type\":\"response.create\",\"response\":{"
                      "\"output_modalities\":[\"audio\"]}}\n");
}

static void test_what_cannot_be_asked_is_refused_with_a_word(void **state) {
  leat_chat_request chat;
  char text[512];
  (void)state;
  leat_chat_request_init(&chat);
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_EINVAL);
  chat.prompt = lti_slice_of("hi");
  chat.has_temperature = true;
  chat.temperature = 0.5;
  assert_int_equal(ask("realtime-beta", &chat, text, sizeof text), LEAT_OK);
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_EINVAL);
  assert_string_equal(text, "realtime has no temperature");
  chat.has_temperature = false;
  chat.has_top_p = true;
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_EINVAL);
  chat.has_top_p = false;
  chat.prompt = lti_slice_of("");
  chat.messages_json = lti_slice_of("[1]");
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_EINVAL);
  chat.messages_json = lti_slice_of("{}");
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_EINVAL);
  chat.messages_json = lti_slice_of("[");
  assert_int_equal(ask("realtime", &chat, text, sizeof text), LEAT_EJSON);
}

static void test_events_of_the_callers(void **state) {
  static const struct {
    const char *body;
    int error;
  } rows[] = {
      {"{\"type\":\"response.create\"}", LEAT_OK},
      {"{\"type\":\"session.update\",\"session\":{}}\n{\"type\":\"response.create\"}", LEAT_OK},
      {"{\"type\":\"input_audio_buffer.append\",\"audio\":\"AA==\"}", LEAT_OK},
      {"{\"type\":\"session.update\"}", LEAT_EINVAL},
      {"", LEAT_EINVAL},
      {"{\"event\":1}", LEAT_EINVAL},
      {"{\"type\":\"response.create\"}\n{\"type\"", LEAT_EJSON},
      {"[DONE]", LEAT_EJSON},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_encoded e;
    int rc = lti_protocol_find("realtime")->inspect(lti_slice_of(rows[i].body), &e);
    assert_int_equal(rc, rows[i].error);
    if (rc != LEAT_OK) assert_non_null(e.message);
  }
}

static void test_how_the_handshake_is_made(void **state) {
  const lti_protocol *now = lti_protocol_find("realtime"),
                     *then = lti_protocol_find("realtime-beta");
  (void)state;
  assert_string_equal(now->path, "/realtime");
  assert_string_equal(now->socket->model_query, "model");
  assert_string_equal(now->socket->key_subprotocol, "openai-insecure-api-key.");
  assert_null(now->socket->header);
  assert_string_equal(then->socket->header, "OpenAI-Beta");
  assert_string_equal(then->socket->value, "realtime=v1");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text_in_both_generations),
      cmocka_unit_test(test_sound_and_its_words_in_both_generations),
      cmocka_unit_test(test_calls),
      cmocka_unit_test(test_js_09_how_a_response_may_end),
      cmocka_unit_test(test_js_07_errors_end_the_turn),
      cmocka_unit_test(test_events_of_another_response_are_not_the_turns),
      cmocka_unit_test(test_whoever_follows_a_conversation_hears_every_response),
      cmocka_unit_test(test_the_callers_own_sound_and_the_session_are_no_events),
      cmocka_unit_test(test_js_04_out_of_order_and_hostile),
      cmocka_unit_test(test_every_cut_is_seen),
      cmocka_unit_test(test_every_failed_allocation_is_survived),
      cmocka_unit_test(test_a_recorded_session_is_decoded_as_a_body),
      cmocka_unit_test(test_a_question_is_its_messages_and_a_wish),
      cmocka_unit_test(test_sound_may_be_asked_for),
      cmocka_unit_test(test_what_cannot_be_asked_is_refused_with_a_word),
      cmocka_unit_test(test_events_of_the_callers),
      cmocka_unit_test(test_how_the_handshake_is_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
