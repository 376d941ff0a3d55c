/* The chat dialect's decoder. Bodies are given whole, in small pieces and cut at every
 * place (support/trace.h); rows of the catalogue of faults stand in the names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/openai.h"
#include "support/failing.h"
#include "support/trace.h"

#define CHAT          "openai-chat"
#define DATA(json)    "data: " json "\n\n"
#define CHOICE(inner) DATA("{\"choices\":[{\"index\":0," inner "}]}")
#define DELTA(inner)  CHOICE("\"delta\":{" inner "}")
#define STOP          CHOICE("\"delta\":{},\"finish_reason\":\"stop\"")
#define DONE          DATA("[DONE]")
#define OK            "F0 stop\n= LEAT_OK"

static void check(const char *body, const char *expected) {
  trace_check_text(CHAT, body, expected);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static void test_the_opening_chunk_tells_of_its_choice_and_empty_deltas_tell_nothing(void **state) {
  (void)state;
  check(DELTA("\"role\":\"assistant\",\"content\":\"\"") DELTA("\"content\":\"\"")
            DELTA("\"content\":null") DELTA("") DELTA("\"content\":\" \"") STOP DONE,
        "T0 \nT0  \n" OK);
}

static void test_reasoning_under_both_names_and_refusal(void **state) {
  (void)state;
  check(DELTA("\"reasoning_content\":\"a\"") DELTA("\"reasoning\":\"b\"")
            DELTA("\"reasoning\":\"c\",\"reasoning_content\":\"c\"")
                DELTA("\"reasoning\":\"d\",\"reasoning_content\":null") DELTA("\"refusal\":\"no\"")
                    STOP DONE,
        "R0 a\nR0 b\nR0 c\nR0 d\nX0 no\n" OK);
}

static void test_members_in_any_order_and_index_last(void **state) {
  (void)state;
  check(DATA("{\"choices\":[{\"finish_reason\":\"stop\",\"delta\":{\"content\":\"a\"},"
             "\"index\":3}],\"id\":\"x\"}"),
        "T3 a\nF3 stop\n= LEAT_OK");
}

static void test_js_04_a_duplicate_member_replaces_the_one_before(void **state) {
  (void)state;
  check(DELTA("\"content\":\"a\",\"content\":\"b\"") STOP, "T0 b\n" OK);
  check(DELTA("\"content\":\"a\",\"content\":null") STOP, "T0 \n" OK);
}

static void test_js_04_wrong_types_are_passed_over(void **state) {
  (void)state;
  check(DATA("{\"choices\":{}}") DATA("{\"choices\":[5,null,\"x\",[]]}") DATA("{\"choices\":null}")
            DATA("5") DATA("null") DATA("\"x\"") DATA("[]") DATA("{\"usage\":[]}")
                CHOICE("\"delta\":null") CHOICE("\"delta\":[1]") DELTA("\"content\":5")
                    DELTA("\"content\":{\"a\":1}") DELTA("\"tool_calls\":{}")
                        DELTA("\"tool_calls\":[1,null]") CHOICE("\"finish_reason\":7")
                            DATA("{\"choices\":[{\"index\":\"0\",\"delta\":{\"content\":\"a\"}}]}")
                                STOP,
        "T0 \nT0 a\n" OK);
}

static void test_escaped_names_of_members_are_understood(void **state) {
  (void)state;
  check(DATA("{\"ch\\u006fices\":[{\"d\\u0065lta\":{\"c\\u006fntent\":\"a\"}}]}") STOP,
        "T0 a\n" OK);
}

static void test_js_05_choice_index_is_never_a_size(void **state) {
  (void)state;
  check(DATA("{\"choices\":[{\"index\":4000000000,\"delta\":{\"content\":\"a\"}}]}"),
        "T4000000000 a\n= LEAT_EINCOMPLETE");
  check(DATA("{\"choices\":[{\"index\":-1,\"delta\":{\"content\":\"a\"}}]}"), "= LEAT_EDECODE");
  check(DATA("{\"choices\":[{\"index\":4294967296,\"delta\":{}}]}"), "= LEAT_EDECODE");
  check(DATA("{\"choices\":[{\"index\":0.5,\"delta\":{}}]}"), "= LEAT_EDECODE");
}

/* `count` choices, or tool calls, each with an index of its own. */
static char *many(const char *format, size_t count) {
  char *body = malloc(count * 128 + 1);
  size_t size = 0;
  assert_non_null(body);
  for (size_t i = 0; i < count; i++) {
    size += (size_t)snprintf(body + size, 128, format, i * 1000);
  }
  return body;
}

static int verdict_of(const char *body) {
  trace *t = calloc(1, sizeof *t);
  trace_options options = {.piece = 0};
  assert_non_null(t);
  int rc = trace_body(t, CHAT, lti_slice_of(body), &options);
  free(t);
  return rc;
}

static void test_js_05_choices_and_tool_calls_are_bounded(void **state) {
  (void)state;
  static const struct {
    const char *format;
    size_t count;
    int expected;
  } rows[] = {
      {DATA("{\"choices\":[{\"index\":%zu,\"finish_reason\":\"stop\"}]}"), 128, LEAT_OK},
      {DATA("{\"choices\":[{\"index\":%zu,\"finish_reason\":\"stop\"}]}"), 129, LEAT_EDECODE},
      {DELTA("\"tool_calls\":[{\"index\":%zu}]"), 512, LEAT_EINCOMPLETE},
      {DELTA("\"tool_calls\":[{\"index\":%zu}]"), 513, LEAT_EDECODE},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char *body = many(rows[i].format, rows[i].count);
    assert_int_equal(verdict_of(body), rows[i].expected);
    free(body);
  }
}

static void test_js_05_tool_calls_merge_by_choice_and_index(void **state) {
  (void)state;
  check(DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\","
              "\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"index\":1,\"id\":\"b\","
              "\"function\":{\"name\":\"g\",\"arguments\":\"{\"}}]")
            DELTA("\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\","
                  "\"arguments\":\"}\"}},{\"index\":0,\"function\":{\"arguments\":\"1\"}}]")
                DATA("{\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{\"index\":0,"
                     "\"id\":\"c\"}]}}]}") STOP,
        "C0.0 a f \nC0.1 b g {\nC0.1   }\nC0.0   1\nC1.0 c  \nF0 stop\n= LEAT_EINCOMPLETE");
}

static void test_js_05_without_an_index_a_new_id_opens_a_call(void **state) {
  (void)state;
  check(DELTA("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}}]")
            DELTA("\"tool_calls\":[{\"function\":{\"arguments\":\"2\"}}]")
                DELTA("\"tool_calls\":[{\"id\":\"b\",\"function\":{\"name\":\"f\"}}]")
                    DELTA("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"arguments\":\"3\"}}]")
                        DELTA("\"tool_calls\":[{\"index\":null,\"function\":{\"name\":\"g\"}}]")
                            DELTA("\"tool_calls\":[{\"index\":9,\"id\":\"c\"}]")
                                DELTA("\"tool_calls\":[{\"id\":\"d\"}]") STOP,
        "C0.0 a f 1\nC0.0   2\nC0.1 b f \nC0.0   3\nC0.2  g \nC0.9 c  \nC0.10 d  \n" OK);
}

static void test_js_05_a_tool_index_that_is_none_is_an_error(void **state) {
  (void)state;
  check(DELTA("\"tool_calls\":[{\"index\":-1}]"), "= LEAT_EDECODE");
  check(DELTA("\"tool_calls\":[{\"index\":1.5}]"), "= LEAT_EDECODE");
  check(DELTA("\"tool_calls\":[{\"index\":5000000000}]"), "= LEAT_EDECODE");
  check(DELTA("\"tool_calls\":[{\"index\":4294967295}]") DELTA("\"tool_calls\":[{\"id\":\"a\"}]"),
        "C0.4294967295   \n= LEAT_EDECODE");
}

static void test_js_06_arguments_are_handed_on_as_they_come(void **state) {
  (void)state;
  check(DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"q\\\":\\\"\\\\\"}}]")
            DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"n\\u00e9\"}}]") STOP,
        "C0.0   {\"q\":\"\\\nC0.0   n\xc3\xa9\n" OK);
}

static void test_tool_calls_of_other_shapes(void **state) {
  (void)state;
  check(DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\","
              "\"arguments\":{\"a\": 1}}}]") STOP,
        "C0.0  f {\"a\": 1}\n" OK);
  check(DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"type\":\"custom\","
              "\"custom\":{\"name\":\"c\",\"input\":\"x\"}}]") STOP,
        "C0.0 i c x\n" OK);
  check(DELTA("\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}")
            DELTA("\"function_call\":{\"arguments\":\"{}\"}")
                CHOICE("\"delta\":{},\"finish_reason\":\"function_call\""),
        "C0.0  f \nC0.0   {}\nF0 function_call\n= LEAT_OK");
  check(DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"\\u00e9\",\"function\":{\"name\":\"\\u00e8\","
              "\"arguments\":\"\\u00ea\"}}]") STOP,
        "C0.0 \xc3\xa9 \xc3\xa8 \xc3\xaa\n" OK);
}

static void test_js_03_halves_are_held_for_each_channel(void **state) {
  (void)state;
  check(DELTA("\"reasoning\":\"\\ud83d\"") DELTA("\"content\":\"\\ud83c\"")
            DELTA("\"reasoning\":\"\\ude00\"") DELTA("\"content\":\"\\udf0d\"") STOP,
        "T0 \nR0 \xf0\x9f\x98\x80\nT0 \xf0\x9f\x8c\x8d\n" OK);
  check(DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\ud83d\"}}]")
            DELTA("\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"\\ud83d\"}}]")
                DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\ude00\"}}]")
                    STOP,
        "C0.0   \nC0.1   \nC0.0   \xf0\x9f\x98\x80\nC0.1   \xef\xbf\xbd\n" OK);
}

static void test_js_03_a_held_half_comes_out_at_the_end_whatever_ends_it(void **state) {
  (void)state;
  static const char half[] = DELTA("\"content\":\"a\\ud83d\"");
  char body[512];
  static const struct {
    const char *tail, *expected;
  } rows[] = {
      {"", "T0 a\nT0 \xef\xbf\xbd\n= LEAT_EINCOMPLETE"},
      {DONE, "T0 a\nT0 \xef\xbf\xbd\n= LEAT_EINCOMPLETE"},
      {STOP, "T0 a\nT0 \xef\xbf\xbd\n" OK},
      {DATA("{\"error\":\"x\"}"), "T0 a\nT0 \xef\xbf\xbd\n= LEAT_EAPI //x"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    snprintf(body, sizeof body, "%s%s", half, rows[i].tail);
    check(body, rows[i].expected);
  }
}

static void test_invalid_utf8_becomes_replacement_characters(void **state) {
  (void)state;
  check(DELTA("\"content\":\"a\xff\xe2\x82z\"") STOP, "T0 a\xef\xbf\xbd\xef\xbf\xbdz\n" OK);
}

static void test_js_07_error_objects_of_every_shape_end_the_stream(void **state) {
  (void)state;
  check(DATA("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"c\"}}") STOP,
        "= LEAT_EAPI t/c/m");
  check(DATA("{\"error\":\"m\"}") STOP, "= LEAT_EAPI //m");
  check(DATA("{\"object\":\"error\",\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":400}"),
        "= LEAT_EAPI t/400/m");
  check(DATA("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},"
             "\"finish_reason\":\"error\"}],\"error\":{\"code\":502,\"message\":\"m\"}}") DONE,
        "T0 a\nF0 error\n= LEAT_EAPI /502/m");
  check(DATA("{\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"m\"}}"),
        "= LEAT_EAPI t//m");
  check(DATA("{\"code\":\"c\",\"message\":\"m\",\"data\":null}"), "= LEAT_EAPI /c/m");
  check(DATA("[{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"S\"}}]"),
        "= LEAT_EAPI S/429/m");
  check("event: error\n" DATA("{\"message\":\"m\"}"), "= LEAT_EAPI //m");
  check("event: error\n" DATA("went wrong"), "= LEAT_EAPI //went wrong");
  check("event: error\n" DATA("\"went \\u0077rong\""), "= LEAT_EAPI //went wrong");
}

static void test_js_07_what_says_that_there_is_no_error(void **state) {
  (void)state;
  check(DATA("{\"error\":null,\"choices\":[]}") DATA("{\"error\":{}}") DATA("{\"error\":\"\"}")
            DATA("{\"error\":false}") DATA("{\"error\":0}") DATA("{\"error\":[ ]}")
                DATA("{\"message\":\"only a notice\"}") DELTA("\"content\":\"a\"") STOP,
        "T0 a\n" OK);
}

static void test_js_07_an_error_wins_over_a_finish(void **state) {
  (void)state;
  check(DELTA("\"content\":\"a\"") STOP DATA("{\"error\":{\"message\":\"late\"}}") DONE,
        "T0 a\nF0 stop\n= LEAT_EAPI //late");
}

static void test_js_08_an_error_outside_the_framing_counts_when_nothing_better_came(void **state) {
  (void)state;
  check("error: {\"code\":400,\"message\":\"m\",\"type\":\"t\"}\n\n" DONE, "= LEAT_EAPI t/400/m");
  check("error:plain words\n\n", "= LEAT_EAPI //plain words");
  check(": PING\n\n: PING\n\n{\"error\":{\"message\":\"m\",\"code\":\"c\"}}\n", "= LEAT_EAPI /c/m");
  check(": PING\n\n{\"error\":{\"message\":\"m\"}}", "= LEAT_EAPI //m");
  check(": PING\n\n{\n  \"error\": {\n    \"message\": \"a } \\\" {\",\n\n    \"code\": 1\n  }\n}",
        "= LEAT_EAPI /1/a } \" {");
  check(DELTA("\"content\":\"a\"") "error: {\"message\":\"m\"}\n\n" STOP DONE, "T0 a\n" OK);
  check(DELTA("\"content\":\"a\"") "{\"error\":{\"message\":\"m\"}}\n" DONE,
        "T0 a\n= LEAT_EAPI //m");
  check("error: {\"message\":\"first\"}\n\nerror: {\"message\":\"second\"}\n\n",
        "= LEAT_EAPI //first");
  check("error: {\"message\":\"m\"}\n\n" DATA("{\"error\":\"inside\"}"), "= LEAT_EAPI //inside");
}

static void test_js_09_what_is_evidence_of_a_whole_answer(void **state) {
  (void)state;
  check(DELTA("\"content\":\"a\"") DONE, "T0 a\n= LEAT_EINCOMPLETE");
  check(DONE, "= LEAT_EINCOMPLETE");
  check(DATA("{\"choices\":[]}") DONE, "= LEAT_EINCOMPLETE");
  check(CHOICE("\"finish_reason\":\"\"") DONE, "T0 \n= LEAT_EINCOMPLETE");
  check(STOP, OK);
  check(STOP DELTA("\"content\":\"late\"") STOP, "F0 stop\nT0 late\n" OK);
  check(CHOICE("\"finish_reason\":\"something_new\""), "F0 something_new\n= LEAT_OK");
  check(STOP DATA("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}") DONE,
        "F0 stop\nT1 b\n= LEAT_EINCOMPLETE");
}

static void test_js_10_what_stands_behind_the_end_is_ignored(void **state) {
  (void)state;
  check(STOP DATA("[DONE] ") DELTA("\"content\":\"ghost\"") DATA("{broken"), OK);
  check(STOP "data:  [DONE]\n\n" DATA("{broken"), OK);
}

static void test_a_record_that_is_no_json_is_an_error(void **state) {
  (void)state;
  check(DELTA("\"content\":\"a\"") DATA("{\"choices\":[{\"delta\":{\"content\":\"b\"") STOP,
        "T0 a\n= LEAT_EDECODE");
  check(DATA("upstream went away"), "= LEAT_EDECODE");
  check(DATA("{} {}"), "= LEAT_EDECODE");
  check("data:\n\ndata: \n\n" STOP, OK);
}

static void test_usage_comes_from_any_chunk(void **state) {
  (void)state;
  check(CHOICE("\"delta\":{},\"finish_reason\":\"stop\"")
            DATA("{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,"
                 "\"total_tokens\":3}}") DONE,
        "F0 stop\nU 1 2 3\n= LEAT_OK");
  check(DATA("{\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}")
            DATA("{\"usage\":{\"prompt_tokens\":5},\"choices\":[{\"finish_reason\":\"stop\"}]}"),
        "T0 a\nF0 stop\nU 5 -1 -1\n= LEAT_OK");
  check(DATA("{\"choices\":[{\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":7}}]}"),
        "F0 stop\nU 7 -1 -1\n= LEAT_OK");
  check(DATA("{\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{}}"), "F0 stop\n= LEAT_OK");
}

static void test_every_count_of_usage(void **state) {
  (void)state;
  leat_usage u;
  assert_true(lti_openai_usage(
      lti_slice_of("{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,"
                   "\"prompt_tokens_details\":{\"cached_tokens\":4,\"text_tokens\":5,"
                   "\"audio_tokens\":6,\"image_tokens\":7,\"cache_write_tokens\":8},"
                   "\"completion_tokens_details\":{\"reasoning_tokens\":9,\"text_tokens\":10,"
                   "\"audio_tokens\":11,\"accepted_prediction_tokens\":12,"
                   "\"rejected_prediction_tokens\":13},\"input_tokens\":0}"),
      &u));
  int64_t got[] = {u.input,
                   u.output,
                   u.total,
                   u.cached,
                   u.input_text,
                   u.input_audio,
                   u.input_image,
                   u.cache_write,
                   u.reasoning,
                   u.output_text,
                   u.output_audio,
                   u.accepted_prediction,
                   u.rejected_prediction};
  for (size_t i = 0; i < sizeof got / sizeof *got; i++) assert_int_equal(got[i], i + 1);
  assert_true(lti_openai_usage(lti_slice_of("{\"cache_read_input_tokens\":1,\"input_tokens\":4,"
                                            "\"cache_creation_input_tokens\":2}"),
                               &u));
  assert_int_equal(u.cached, 1);
  assert_int_equal(u.cache_write, 2);
  assert_int_equal(u.input, 4);
  assert_int_equal(u.total, -1);
  assert_true(lti_openai_usage(lti_slice_of("{\"prompt_cache_hit_tokens\":3}"), &u));
  assert_int_equal(u.cached, 3);
}

static void test_js_02_counts_that_are_none_were_not_said(void **state) {
  (void)state;
  leat_usage u;
  assert_false(lti_openai_usage(lti_slice_of("{}"), &u));
  assert_false(lti_openai_usage(lti_slice_of("null"), &u));
  assert_false(lti_openai_usage(lti_slice_of("{\"prompt_tokens\":-1,\"total_tokens\":1e400,"
                                             "\"completion_tokens\":\"5\"}"),
                                &u));
  assert_true(lti_openai_usage(lti_slice_of("{\"prompt_tokens\":7.0,\"total_tokens\":0.5}"), &u));
  assert_int_equal(u.input, 7);
  assert_int_equal(u.total, -1);
}

static void test_logprobs_stand_beside_their_text(void **state) {
  (void)state;
  check(CHOICE("\"logprobs\":{\"content\":[ 1 ]},\"delta\":{\"content\":\"a\"}")
            CHOICE("\"delta\":{\"refusal\":\"r\"},\"logprobs\":[2]")
                CHOICE("\"delta\":{\"content\":\"\"},\"logprobs\":[3]")
                    CHOICE("\"delta\":{\"reasoning\":\"t\"},\"logprobs\":null") STOP,
        "T0 a # {\"content\":[ 1 ]}\nX0 r # [2]\nT0  # [3]\nR0 t\n" OK);
}

static void test_media(void **state) {
  (void)state;
  check(DELTA("\"images\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
              "\"data:image\\/png;base64,QUJD\"}},{\"image_url\":\"https://x/y.png\"}]")
            DELTA("\"audio\":{\"id\":\"au\",\"data\":\"UklG\",\"transcript\":\"h\\u00ef\","
                  "\"expires_at\":5}") STOP,
        "I0 image/png  QUJD  \nI0  https://x/y.png   \nA0   UklG h\xc3\xaf au\n" OK);
  check(DELTA("\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\","
              "\"image_url\":{\"url\":\"data:text/plain,b\"}}]") STOP,
        "T0 a\nI0  data:text/plain,b   \n" OK);
}

static void test_js_11_a_whole_answer_in_json(void **state) {
  (void)state;
  check(
      "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{"
      "\"role\":\"assistant\",\"content\":\"hi\",\"refusal\":null,\"reasoning_content\":\"r\","
      "\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"{}\"}},{\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"1\"}}]},"
      "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}",
      "R0 r\nT0 hi\nC0.0 a f {}\nC0.1 b g 1\nF0 stop\nU 1 -1 -1\n= LEAT_OK");
  check("\n\n \r\n{\"error\":{\"message\":\"m\",\"code\":404}}", "= LEAT_EAPI /404/m");
  check("[{\"error\":{\"message\":\"m\"}}]", "= LEAT_EAPI //m");
  check("{\"success\":false,\"message\":\"m\"}", "= LEAT_EAPI //m");
  check("{\"message\":\"m\"}", "= LEAT_EAPI //m");
  check("{\"object\":\"list\",\"data\":[]}", "= LEAT_EINCOMPLETE");
  check("{\"choices\":[{\"message\":{\"content\":\"cut", "= LEAT_EDECODE");
  check("{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", "T0 a\n= LEAT_EINCOMPLETE");
  check("{\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n\n", "= LEAT_EAPI //m");
}

static void test_js_13_unknown_members_and_event_types_are_passed_over(void **state) {
  (void)state;
  check("event: ping\n" DATA("{\"type\":\"ping\"}")
            DATA("{\"new\":{\"choices\":[1]},\"choices\":[{\"new\":[{}],\"delta\":{\"new\":1,"
                 "\"content\":\"a\"}}]}") STOP,
        "T0 a\n" OK);
}

/* ---- state ----------------------------------------------------------------------------------- */

typedef struct seen {
  leat_response last;
  char id[300], model[300];
  uint64_t events;
} seen;

static int note_response(void *ctx, leat_event *event) {
  seen *s = ctx;
  s->events++;
  s->last = *event->response;
  snprintf(s->id, sizeof s->id, "%.*s", (int)s->last.id.size, s->last.id.data);
  snprintf(s->model, sizeof s->model, "%.*s", (int)s->last.model.size, s->last.model.data);
  return LTI_OK;
}

static void feed(lti_answer *a, const char *text) {
  size_t taken, size = strlen(text);
  char *block = malloc(size);
  assert_non_null(block);
  memcpy(block, text, size);
  assert_int_equal(lti_answer_feed(a, lti_slice(block, size), &taken), LTI_OK);
  memset(block, '#', size);
  free(block);
}

static void answer_init(lti_answer *a, lti_alloc *alloc, seen *s) {
  static const lti_answer_limits limits = {1 << 20, 1 << 20, NULL, NULL};
  lti_answer_sink sink = {note_response, s};
  memset(s, 0, sizeof *s);
  lti_alloc_init(alloc, NULL);
  assert_int_equal(lti_answer_init(a, alloc, lti_protocol_find(CHAT), &limits, sink), LTI_OK);
}

#define META(id, model, rest)                             \
  DATA("{\"id\":\"" id "\",\"model\":\"" model "\"," rest \
       "\"choices\":[{\"delta\":{\"content\":\"a\"}}]}")

static void test_the_response_is_known_beside_each_event(void **state) {
  lti_answer a;
  lti_alloc alloc;
  seen s;
  (void)state;
  answer_init(&a, &alloc, &s);
  feed(&a,
       META("one", "m1", "\"created\":5,\"system_fingerprint\":\"fp\",\"service_tier\":\"t\","));
  assert_string_equal(s.id, "one");
  assert_string_equal(s.model, "m1");
  assert_int_equal(s.last.created, 5);
  feed(&a, META("two", "", "\"created\":0,"));
  assert_string_equal(s.id, "two");
  assert_string_equal(s.model, "m1");
  feed(&a, META("a longer one \\u00e9", "m\\/2", "\"service_tier\":null,"));
  assert_string_equal(s.id, "a longer one \xc3\xa9");
  assert_string_equal(s.model, "m/2");
  const leat_response *about = lti_protocol_find(CHAT)->response(a.decoder);
  assert_true(lti_slice_is(about->system_fingerprint, "fp"));
  assert_true(lti_slice_is(about->service_tier, "t"));
  assert_int_equal(about->created, 5);
  feed(&a, DELTA("\"role\":\"assistant\""));
  assert_true(lti_slice_is(about->role, "assistant"));
  assert_true(lti_slice_is(about->system_fingerprint, "fp"));
  lti_answer_deinit(&a);
}

static void test_an_id_without_end_is_cut_at_a_character(void **state) {
  lti_answer a;
  lti_alloc alloc;
  seen s;
  char id[401] = "", body[1200];
  (void)state;
  for (size_t i = 0; i < 400; i += 2) memcpy(id + i, "\xc3\xa9", 3);
  snprintf(body, sizeof body, DATA("{\"id\":\"x%s\",\"choices\":[{\"text\":\"a\"}]}"), id);
  answer_init(&a, &alloc, &s);
  feed(&a, body);
  assert_int_equal(s.last.id.size, 255);
  assert_int_equal(strlen(s.id), 255);
  lti_answer_deinit(&a);
}

static void test_a_steady_stream_allocates_and_copies_nothing(void **state) {
  lti_answer a;
  lti_alloc alloc;
  seen s;
  char slab[16384];
  size_t size = 0, taken;
  (void)state;
  answer_init(&a, &alloc, &s);
  for (int i = 0; i < 64; i++) {
    size +=
        (size_t)snprintf(slab + size, sizeof slab - size,
                         DATA("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
                              "\"created\":1755700000,\"model\":\"m\",\"choices\":[{\"index\":0,"
                              "\"delta\":{\"content\":\"tok %d\"},\"finish_reason\":null}]}"),
                         i);
  }
  assert_int_equal(lti_answer_feed(&a, lti_slice(slab, size), &taken), LTI_OK);
  uint64_t calls = alloc.calls;
  for (int i = 0; i < 100; i++) {
    assert_int_equal(lti_answer_feed(&a, lti_slice(slab, size), &taken), LTI_OK);
  }
  assert_int_equal(alloc.calls, calls);
  assert_int_equal(a.copied, 0);
  assert_int_equal(s.events, 6464);
  lti_answer_deinit(&a);
}

static void test_the_state_of_a_stream_is_small(void **state) {
  (void)state;
  assert_true(sizeof(lti_openai) < 300);
}

static void decode_under_failure(const leat_allocator *fns, void *ctx) {
  trace *t = ctx;
  trace_options options = {.piece = 5, .allocator = fns};
  static const char body[] =
      ": ping\n\n" DATA("{\"id\":\"\\u0069d\",\"model\":\"m\","
                      "\"choices\":[{\"delta\":{\"role\":\"a\"}}]}")
          DELTA("\"content\":\"\\u00e9\\ud83d\"") DELTA("\"reasoning\":\"\\ud83d\"")
              DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"\\u00e9\",\"function\":{\"name\":\"f\","
                    "\"arguments\":\"\\n\"}},{\"index\":1},{\"index\":2}]")
                  DATA("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},{\"index\":2}]}")
                      DELTA("\"audio\":{\"id\":\"\\u00e9\",\"data\":\"\\/\"}")
                          "{\n\"error\":{\"message\":\"stray\"}\n}\n" STOP
                              DATA("{\"error\":{\"message\":\"\\u0065nd\",\"code\":5}}");
  int rc = trace_body(t, CHAT, lti_slice_of(body), &options);
  assert_true(rc == LEAT_EAPI || rc == LEAT_ENOMEM);
}

static void test_every_failed_allocation_is_survived(void **state) {
  trace *t = calloc(1, sizeof *t);
  (void)state;
  assert_non_null(t);
  assert_true(failing_at_every_n(decode_under_failure, t) > 5);
  free(t);
}

static void test_the_registry_lists_what_it_finds(void **state) {
  (void)state;
  size_t count = 0;
  for (; lti_protocol_at(count); count++) {
    assert_ptr_equal(lti_protocol_find(lti_protocol_at(count)->name), lti_protocol_at(count));
  }
  assert_true(count >= 2);
  assert_null(lti_protocol_find("openai"));
  assert_null(lti_protocol_find(NULL));
  assert_string_equal(lti_protocol_find(CHAT)->path, "/chat/completions");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_opening_chunk_tells_of_its_choice_and_empty_deltas_tell_nothing),
      cmocka_unit_test(test_reasoning_under_both_names_and_refusal),
      cmocka_unit_test(test_members_in_any_order_and_index_last),
      cmocka_unit_test(test_js_04_a_duplicate_member_replaces_the_one_before),
      cmocka_unit_test(test_js_04_wrong_types_are_passed_over),
      cmocka_unit_test(test_escaped_names_of_members_are_understood),
      cmocka_unit_test(test_js_05_choice_index_is_never_a_size),
      cmocka_unit_test(test_js_05_choices_and_tool_calls_are_bounded),
      cmocka_unit_test(test_js_05_tool_calls_merge_by_choice_and_index),
      cmocka_unit_test(test_js_05_without_an_index_a_new_id_opens_a_call),
      cmocka_unit_test(test_js_05_a_tool_index_that_is_none_is_an_error),
      cmocka_unit_test(test_js_06_arguments_are_handed_on_as_they_come),
      cmocka_unit_test(test_tool_calls_of_other_shapes),
      cmocka_unit_test(test_js_03_halves_are_held_for_each_channel),
      cmocka_unit_test(test_js_03_a_held_half_comes_out_at_the_end_whatever_ends_it),
      cmocka_unit_test(test_invalid_utf8_becomes_replacement_characters),
      cmocka_unit_test(test_js_07_error_objects_of_every_shape_end_the_stream),
      cmocka_unit_test(test_js_07_what_says_that_there_is_no_error),
      cmocka_unit_test(test_js_07_an_error_wins_over_a_finish),
      cmocka_unit_test(test_js_08_an_error_outside_the_framing_counts_when_nothing_better_came),
      cmocka_unit_test(test_js_09_what_is_evidence_of_a_whole_answer),
      cmocka_unit_test(test_js_10_what_stands_behind_the_end_is_ignored),
      cmocka_unit_test(test_a_record_that_is_no_json_is_an_error),
      cmocka_unit_test(test_usage_comes_from_any_chunk),
      cmocka_unit_test(test_every_count_of_usage),
      cmocka_unit_test(test_js_02_counts_that_are_none_were_not_said),
      cmocka_unit_test(test_logprobs_stand_beside_their_text),
      cmocka_unit_test(test_media),
      cmocka_unit_test(test_js_11_a_whole_answer_in_json),
      cmocka_unit_test(test_js_13_unknown_members_and_event_types_are_passed_over),
      cmocka_unit_test(test_the_response_is_known_beside_each_event),
      cmocka_unit_test(test_an_id_without_end_is_cut_at_a_character),
      cmocka_unit_test(test_a_steady_stream_allocates_and_copies_nothing),
      cmocka_unit_test(test_the_state_of_a_stream_is_small),
      cmocka_unit_test(test_every_failed_allocation_is_survived),
      cmocka_unit_test(test_the_registry_lists_what_it_finds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
