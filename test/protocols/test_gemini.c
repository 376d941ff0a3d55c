/* Gemini's decoder: events, array, objects one a line and one whole object alike. Bodies are given
 * whole, in small pieces and cut at every place (support/trace.h); rows of the catalogue of faults
 * stand in the names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/gemini.h"
#include "support/failing.h"
#include "support/trace.h"

#define GEMINI        "gemini"
#define DATA(json)    "data: " json "\r\n\r\n"
#define CANDIDATE(in) "{\"candidates\":[{" in "}]}"
#define PARTS(in)     "\"content\":{\"parts\":[" in "],\"role\":\"model\"}"
#define PART(in)      CANDIDATE(PARTS("{" in "}") ",\"index\":0")
#define TEXT(text)    PART("\"text\":\"" text "\"")
#define STOP          CANDIDATE("\"finishReason\":\"STOP\",\"index\":0")
#define FLAT          "\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\""
#define ERROR         "{\"error\":{" FLAT "}}"
#define OK            "F0 STOP\n= LEAT_OK"

static void check(const char *body, const char *expected) {
  trace_check_text(GEMINI, body, expected);
}

/* ---- framings -------------------------------------------------------------------------------- */

static void test_the_same_answer_in_every_framing(void **state) {
  (void)state;
  check(DATA(TEXT("a")) DATA(TEXT("b")) DATA(STOP), "T0 a\nT0 b\n" OK);
  check("data:" TEXT("a") "\n\n\ndata:" TEXT("b") "\n\ndata:" STOP "\n\n", "T0 a\nT0 b\n" OK);
  check("[" TEXT("a") "," TEXT("b") "," STOP "]", "T0 a\nT0 b\n" OK);
  check("\n [" TEXT("a") "\r\n,\r\n" TEXT("b") "\r\n,\r\n" STOP "\r\n]\r\n", "T0 a\nT0 b\n" OK);
  check(TEXT("a") "\n" TEXT("b") "\n" STOP "\n", "T0 a\nT0 b\n" OK);
  check("\xef\xbb\xbf[" TEXT("a") "," STOP "]", "T0 a\n" OK);
}

static void test_a_whole_answer_is_one_object(void **state) {
  (void)state;
  check("{\n  \"candidates\": [{" PARTS("{\"text\":\"}]{\"}") ", \"finishReason\":\"STOP\"}],\n"
        "  \"usageMetadata\": {\"promptTokenCount\": 1, \"candidatesTokenCount\": 2,"
        " \"totalTokenCount\": 3}\n}\n",
        "T0 }]{\nF0 STOP\nU 1 2 3\n= LEAT_OK");
  check("\n\n" ERROR "\n", "= LEAT_EAPI RESOURCE_EXHAUSTED/429/slow");
}

static void test_js_12_brackets_in_strings_are_text(void **state) {
  (void)state;
  check("[" TEXT("br{ace ]} \\\"q\\\" \\\\") ",\n" TEXT("[{,\\n") "," STOP "]",
        "T0 br{ace ]} \"q\" \\\nT0 [{,\n\n" OK);
}

static void test_the_closing_bracket_ends_it_and_nothing_behind_it_counts(void **state) {
  (void)state;
  check("[" TEXT("a") "," STOP "]\n[" TEXT("b") "]", "T0 a\n" OK);
  check("[" TEXT("a") "," STOP "] and more", "T0 a\n" OK);
  check("[" TEXT("a") "]\n[" STOP "]", "T0 a\n= LEAT_EINCOMPLETE");
}

static void test_done_of_a_gateway_ends_it_too(void **state) {
  (void)state;
  check(DATA(TEXT("a")) DATA(STOP) DATA("[DONE]") DATA(TEXT("b")), "T0 a\n" OK);
  check(DATA(TEXT("a")) DATA("[DONE]"), "T0 a\n= LEAT_EINCOMPLETE");
}

static void test_what_is_cut_is_incomplete(void **state) {
  (void)state;
  check(DATA(TEXT("a")), "T0 a\n= LEAT_EINCOMPLETE");
  check("[" TEXT("a") ",", "T0 a\n= LEAT_EINCOMPLETE");
  check("[" TEXT("a") ",{\"candidates\":[{\"finish", "T0 a\n= LEAT_EINCOMPLETE");
  check("[", "= LEAT_EINCOMPLETE");
  check("{\"candidates\":", "= LEAT_EINCOMPLETE");
  check("", "= LEAT_EINCOMPLETE");
  check("{}", "= LEAT_EINCOMPLETE");
}

/* The evidence decides where the body ends cleanly, as with events: no bracket adds to it. */
static void test_an_array_that_was_not_closed_may_be_whole(void **state) {
  (void)state;
  check("[" TEXT("a") "," STOP, "T0 a\n" OK);
  check("[" TEXT("a") "," STOP ",\n{\"usageMeta", "T0 a\n" OK);
}

static void test_an_array_with_nothing_in_it_is_no_answer(void **state) {
  (void)state;
  check("[]", "= LEAT_EDECODE");
  check(" [ \r\n ] ", "= LEAT_EDECODE");
}

static void test_garbage_between_elements_is_refused(void **state) {
  (void)state;
  check("[" TEXT("a") STOP "]", "T0 a\n= LEAT_EDECODE");
  check("[" TEXT("a") ",,", "T0 a\n= LEAT_EDECODE");
  check("[1]", "= LEAT_EDECODE");
  check(TEXT("a") "]", "T0 a\n= LEAT_EDECODE");
  check("[{]]", "= LEAT_EDECODE");
  check(DATA("{\"candidates\":"), "= LEAT_EDECODE");
  check(DATA("nonsense"), "= LEAT_EDECODE");
  check("<html>", "= LEAT_ENOTSTREAM");
}

static void test_limits_are_those_of_an_event_and_of_a_body(void **state) {
  trace *t = calloc(1, sizeof *t);
  trace_options options = {.event_bytes_max = 64, .body_bytes_max = 200};
  (void)state;
  assert_non_null(t);
  for (options.piece = 0; options.piece < 5; options.piece++) {
    leat_slice text = lti_slice_of("[" TEXT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") "]");
    assert_int_equal(trace_body(t, GEMINI, text, &options), LEAT_EEVENTMAX);
    text = lti_slice_of(TEXT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") STOP);
    assert_int_equal(trace_body(t, GEMINI, text, &options), LEAT_OK);
    options.body_bytes_max = 100;
    assert_int_equal(trace_body(t, GEMINI, text, &options), LEAT_EBODYMAX);
    options.body_bytes_max = 200;
  }
  free(t);
}

static void test_raw_records_come_in_front_of_their_events(void **state) {
  trace *t = calloc(1, sizeof *t);
  const trace_options options = {.want_raw = true, .piece = 3};
  (void)state;
  assert_non_null(t);
  assert_int_equal(trace_body(t, GEMINI, lti_slice_of("[" TEXT("a") ", " STOP "]"), &options),
                   LEAT_OK);
  assert_string_equal(t->text, "RAW " TEXT("a") "\nT0 a\nRAW " STOP "\n" OK);
  assert_true(t->ended);
  assert_int_equal(t->form, LTI_FORM_ARRAY);
  assert_int_equal(trace_body(t, GEMINI, lti_slice_of(" " STOP), &options), LEAT_OK);
  assert_string_equal(t->text, "RAW " STOP "\n" OK);
  assert_false(t->ended);
  assert_int_equal(t->form, LTI_FORM_OBJECTS);
  free(t);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void test_thoughts_and_their_signature(void **state) {
  (void)state;
  check(DATA(PART("\"text\":\"hm\",\"thought\":true"))
            DATA(PART("\"text\":\"It\",\"thoughtSignature\":\"AB==\""))
                DATA(PART("\"thought\":false,\"text\":\"!\"")) DATA(STOP),
        "R0 hm\nT0 It\nS0 AB==\nT0 !\n" OK);
  check(DATA(PART("\"text\":\"\",\"thoughtSignature\":\"A\\/B\"")) DATA(STOP), "S0 A/B\n" OK);
}

static void test_function_calls_are_whole_and_counted_for_each_candidate(void **state) {
  (void)state;
  check(DATA(PART("\"functionCall\":{\"name\":\"f\",\"args\":{\"a\": [1, \"}\"]}},"
                  "\"thoughtSignature\":\"S\""))
            DATA(CANDIDATE(PARTS("{\"functionCall\":{\"id\":\"x\",\"name\":\"g\",\"args\":{}}},"
                                 "{\"functionCall\":{\"id\":\"x\",\"name\":\"g\"}}"))) DATA(STOP),
        "C0.0  f {\"a\": [1, \"}\"]}\nS0 S\nC0.1 x g {}\nC0.2 x g {}\n" OK);
  check(
      DATA(
          "{\"candidates\":[{" PARTS("{\"functionCall\":{\"name\":\"f\"}}") ",\"index\":1},{" PARTS(
              "{\"functionCall\":{\"name\":\"h\",\"args\":5}}") ",\"index\":0}]}"),
      "C1.0  f {}\nC0.0  h {}\n= LEAT_EINCOMPLETE");
}

static void test_too_many_calls_are_an_error_and_no_memory(void **state) {
  trace *t = calloc(1, sizeof *t);
  lti_alloc alloc;
  lti_buf body;
  const trace_options options = {.piece = 0};
  (void)state;
  assert_non_null(t);
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&body, &alloc, 1 << 20, LEAT_EBODYMAX);
  lti_buf_byte(&body, '[');
  for (int i = 0; i <= LTI_OPENAI_TOOLS_MAX; i++) {
    lti_buf_text(&body, PART("\"functionCall\":{\"name\":\"f\"}") ",");
  }
  assert_int_equal(trace_body(t, GEMINI, lti_buf_slice(&body), &options), LEAT_EDECODE);
  lti_buf_deinit(&body);
  free(t);
}

static void test_media_by_its_mime_type(void **state) {
  (void)state;
  check(DATA(PART("\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"iVBO\"}"))
            DATA(PART("\"inlineData\":{\"data\":\"AA==\",\"mimeType\":\"audio\\/L16;rate=24000\"}"))
                DATA(PART("\"fileData\":{\"mimeType\":\"image/jpeg\",\"fileUri\":\"https://h/i\"}"))
                    DATA(STOP),
        "I0 image/png  iVBO  \nA0 audio/L16;rate=24000  AA==  \nI0 image/jpeg https://h/i   \n" OK);
  check(DATA(PART("\"inlineData\":{\"mimeType\":\"video/mp4\",\"data\":\"AA==\"}"))
            DATA(PART("\"inlineData\":{\"mimeType\":\"image/png\"}"))
                DATA(PART("\"inlineData\":{\"data\":\"AA==\"}"))
                    DATA(PART("\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"1\"}"))
                        DATA(STOP),
        "T0 \n" OK);
}

static void test_js_03_halves_of_a_character_meet_again(void **state) {
  (void)state;
  check(DATA(TEXT("a\\ud83d")) DATA(TEXT("\\ude00b")) DATA(STOP),
        "T0 a\nT0 \xf0\x9f\x98\x80"
        "b\n" OK);
  check("[" TEXT("\\ud83d") "," PART("\"text\":\"\\ude00\",\"thought\":true") "," STOP "]",
        "T0 \nR0 \xef\xbf\xbd\nT0 \xef\xbf\xbd\n" OK);
  check("[" TEXT("a\\ud83d") "]", "T0 a\nT0 \xef\xbf\xbd\n= LEAT_EINCOMPLETE");
  check("[" TEXT("a\\ud83d") "," ERROR,
        "T0 a\nT0 \xef\xbf\xbd\n"
        "= LEAT_EAPI RESOURCE_EXHAUSTED/429/slow");
}

static void test_logprobs_stand_beside_the_text(void **state) {
  (void)state;
  check(DATA(CANDIDATE(PARTS("{\"text\":\"a\"}") ",\"logprobsResult\":{\"x\":[1]}")) DATA(STOP),
        "T0 a # {\"x\":[1]}\n" OK);
  check(DATA(CANDIDATE("\"logprobsResult\":{\"x\":1},\"finishReason\":\"STOP\"")),
        "T0  # {\"x\":1}\n" OK);
}

/* ---- candidates ------------------------------------------------------------------------------ */

static void test_several_candidates_each_with_its_end(void **state) {
  (void)state;
  check(DATA("{\"candidates\":[{" PARTS("{\"text\":\"A\"}") ",\"index\":0},{" PARTS(
            "{\"text\":\"B\"}") ",\"index\":1}]}")
            DATA(CANDIDATE("\"finishReason\":\"MAX_TOKENS\",\"index\":1")),
        "T0 A\nT1 B\nF1 MAX_TOKENS\n= LEAT_EINCOMPLETE");
  check(DATA(CANDIDATE(PARTS("{\"text\":\"A\"}") ",\"finishReason\":\"SAFETY\""))
            DATA(CANDIDATE("\"finishReason\":\"STOP\",\"index\":7")),
        "T0 A\nF0 SAFETY\nF7 STOP\n= LEAT_OK");
}

static void test_a_reason_that_is_not_told_is_none(void **state) {
  (void)state;
  check(
      DATA(CANDIDATE(PARTS("{\"text\":\"A\"}") ",\"finishReason\":\"FINISH_REASON_UNSPECIFIED\"")),
      "T0 A\n= LEAT_EINCOMPLETE");
  check(DATA(CANDIDATE(PARTS("{\"text\":\"A\"}") ",\"finishReason\":null")),
        "T0 A\n= LEAT_EINCOMPLETE");
  check(DATA(CANDIDATE(PARTS("{\"text\":\"A\"}") ",\"finishReason\":\"\"")),
        "T0 A\n= LEAT_EINCOMPLETE");
}

static void test_js_09_text_behind_the_finish_is_text(void **state) {
  (void)state;
  check(DATA(STOP) DATA(TEXT("a")) DATA(STOP), "F0 STOP\nT0 a\nF0 STOP\n= LEAT_OK");
}

static void test_js_05_an_index_that_is_none(void **state) {
  (void)state;
  check(DATA(CANDIDATE("\"index\":-1")), "= LEAT_EDECODE");
  check(DATA(CANDIDATE("\"index\":4294967296")), "= LEAT_EDECODE");
  check(DATA(CANDIDATE("\"index\":0.5")), "= LEAT_EDECODE");
  check(DATA(CANDIDATE("\"index\":4294967295,\"finishReason\":\"STOP\"")),
        "F4294967295 STOP\n= LEAT_OK");
  check(DATA(CANDIDATE("\"index\":\"1\",\"finishReason\":\"STOP\"")), OK);
}

static void test_js_04_wrong_types_are_passed_over(void **state) {
  (void)state;
  check(DATA("{\"candidates\":{}}") DATA("{\"candidates\":[5,null,[]]}") DATA("5") DATA("null")
            DATA("\"x\"") DATA("{\"usageMetadata\":[]}") DATA("{\"promptFeedback\":5}") DATA(STOP),
        OK);
  check(DATA(CANDIDATE("\"content\":5")) DATA(CANDIDATE("\"content\":{\"parts\":{}}"))
            DATA(CANDIDATE(PARTS("5,null,{\"text\":5},{\"functionCall\":[]},{\"inlineData\":\"x\"},"
                                 "{\"thought\":\"yes\",\"text\":\"a\"}"))) DATA(STOP),
        "T0 \nT0 a\n" OK);
  check(DATA(CANDIDATE(PARTS("{\"text\":\"a\",\"text\":\"b\"}") ",\"index\":4,\"index\":0"))
            DATA(STOP),
        "T0 b\n" OK);
}

static void test_js_13_what_is_not_known_is_passed_over(void **state) {
  (void)state;
  check(
      DATA("{\"x\":{\"candidates\":[{}]},\"candidates\":[{\"y\":[{}],\"finishReason\":\"NEW\"}]}"),
      "F0 NEW\n= LEAT_OK");
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void test_js_07_an_error_object_ends_it_wherever_it_stands(void **state) {
  static const char said[] = "T0 a\n= LEAT_EAPI RESOURCE_EXHAUSTED/429/slow";
  (void)state;
  check(DATA(TEXT("a")) DATA(ERROR) DATA(STOP), said);
  check("[" TEXT("a") "," ERROR "," STOP "]", said);
  check("[" TEXT("a") ",\n" ERROR "\n]", said);
  check(TEXT("a") "\n" ERROR "\n" STOP, said);
  check(DATA(TEXT("a")) DATA("[" ERROR "]") DATA(STOP), said);
  check(DATA(TEXT("a")) DATA("{" FLAT "}"), said);
  check("[" ERROR "]", "= LEAT_EAPI RESOURCE_EXHAUSTED/429/slow");
}

static void test_js_07_no_error_is_none(void **state) {
  (void)state;
  check(DATA("{\"error\":null}") DATA("{\"error\":{}}") DATA("[]") DATA(STOP), OK);
}

static void test_js_08_an_error_outside_the_framing_is_found(void **state) {
  (void)state;
  check(DATA(TEXT("a")) "{\r\n \"error\": {\r\n \"code\": 499,\r\n \"message\": \"}gone\",\r\n"
                        "    \"status\": \"CANCELLED\"\r\n  }\r\n}\r\n",
        "T0 a\n= LEAT_EAPI CANCELLED/499/}gone");
  check(DATA(TEXT("a")) ERROR, "T0 a\n= LEAT_EAPI RESOURCE_EXHAUSTED/429/slow");
  check(DATA(TEXT("a")) "[" ERROR "]\n", "T0 a\n= LEAT_EAPI RESOURCE_EXHAUSTED/429/slow");
  check(DATA(TEXT("a")) DATA(STOP) ERROR, "T0 a\n" OK);
}

static void test_a_blocked_prompt_is_an_error_that_nobody_calls_one(void **state) {
  (void)state;
  check(DATA("{\"promptFeedback\":{\"blockReason\":\"SAFETY\",\"safetyRatings\":[{}]}}"),
        "= LEAT_EAPI prompt_blocked/SAFETY/");
  check(
      "[{\"promptFeedback\":{\"blockReason\":\"OTHER\",\"blockReasonMessage\":\"no \\\"x\\\"\"}}]",
      "= LEAT_EAPI prompt_blocked/OTHER/no \"x\"");
  check(
      "{\"candidates\":[],\"promptFeedback\":{\"blockReason\":\"BLOCKLIST\"},\"usageMetadata\":{"
      "\"promptTokenCount\":4}}",
      "U 4 -1 -1\n= LEAT_EAPI prompt_blocked/BLOCKLIST/");
  check(DATA("{\"promptFeedback\":{\"safetyRatings\":[]}}"), "= LEAT_EINCOMPLETE");
  check(DATA("{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}") DATA(ERROR),
        "= LEAT_EAPI RESOURCE_EXHAUSTED/429/slow");
  check(DATA("{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}") DATA(TEXT("a")) DATA(STOP),
        "T0 a\n" OK);
}

static void test_a_blocked_prompts_words_are_bounded(void **state) {
  enum { SIZE = 20000 };
  lti_gemini g;
  lti_alloc alloc;
  lti_verdict verdict;
  char *json = malloc(SIZE);
  (void)state;
  assert_non_null(json);
  lti_alloc_init(&alloc, NULL);
  memset(&g, 0, sizeof g);
  lti_buf scratch;
  lti_protocol_scratch(&scratch, &alloc);
  lti_gemini_init(&g, &alloc, &scratch);
  int n = snprintf(
      json, SIZE, "{\"promptFeedback\":{\"blockReason\":\"%0*d\",\"blockReasonMessage\":\"%0*d\"}}",
      9000, 1, 9000, 1);
  lti_emit emit = {NULL};
  assert_int_equal(lti_gemini_record(&g, lti_slice("", 0), lti_slice(json, (size_t)n), &emit),
                   LTI_OK);
  lti_gemini_verdict(&g, &verdict);
  assert_int_equal(verdict.error, LEAT_EAPI);
  assert_true(verdict.derived);
  assert_int_equal(verdict.provider.code.size, 256);
  assert_true(verdict.provider.message.size > 1000 && verdict.provider.message.size < 4096);
  lti_gemini_deinit(&g);
  lti_buf_deinit(&scratch);
  free(json);
}

/* ---- counts and the response ----------------------------------------------------------------- */

static void test_counts_are_cumulative_and_each_is_told(void **state) {
  (void)state;
  check(DATA("{\"usageMetadata\":{\"promptTokenCount\":5,\"totalTokenCount\":6,"
             "\"candidatesTokenCount\":1}}")
            DATA("{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{"
                 "\"promptTokenCount\":5,\"candidatesTokenCount\":8,\"totalTokenCount\":13}}"),
        "U 5 1 6\nF0 STOP\nU 5 8 13\n= LEAT_OK");
  check(DATA("{\"usageMetadata\":{\"promptTokenCount\":\"5\",\"totalTokenCount\":-1}}") DATA(STOP),
        OK);
}

static void test_every_count_has_its_place(void **state) {
  leat_usage u;
  (void)state;
  assert_true(lti_gemini_usage(
      lti_slice_of("{\"promptTokenCount\":1,\"candidatesTokenCount\":2,\"totalTokenCount\":3,"
                   "\"thoughtsTokenCount\":4,\"cachedContentTokenCount\":5,\"x\":[[{}]],"
                   "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":6},"
                   "{\"tokenCount\":7,\"modality\":\"AUDIO\"},{\"modality\":\"IMAGE\","
                   "\"tokenCount\":8},{\"modality\":\"VIDEO\",\"tokenCount\":9},5,{\"modality\":"
                   "\"TEXT\"}],\"candidatesTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":"
                   "10},{\"modality\":\"AUDIO\",\"tokenCount\":11}]}"),
      &u));
  const int64_t got[] = {u.input,      u.output,      u.total,       u.reasoning,   u.cached,
                         u.input_text, u.input_audio, u.input_image, u.output_text, u.output_audio};
  const int64_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 11};
  assert_memory_equal(got, want, sizeof want);
  assert_int_equal(u.cache_write, -1);
  assert_int_equal(u.accepted_prediction, -1);
  assert_false(lti_gemini_usage(lti_slice_of("{\"promptTokensDetails\":[]}"), &u));
  assert_false(lti_gemini_usage(lti_slice_of("[]"), &u));
  assert_false(lti_gemini_usage(lti_slice(NULL, 0), &u));
}

typedef struct told {
  char id[64], model[64], role[16], detail[64];
} told;

static void copy_text(char *to, size_t room, leat_slice text) {
  snprintf(to, room, "%.*s", (int)text.size, text.size ? text.data : "");
}

static int note(void *ctx, leat_event *event) {
  told *t = ctx;
  copy_text(t->id, sizeof t->id, event->response->id);
  copy_text(t->model, sizeof t->model, event->response->model);
  copy_text(t->role, sizeof t->role, event->response->role);
  if (event->kind == LEAT_EVENT_FINISH)
    copy_text(t->detail, sizeof t->detail, event->finish_detail);
  return LTI_OK;
}

static void test_id_model_and_role_of_the_response(void **state) {
  static const lti_answer_limits limits = {4096, 4096, NULL, NULL};
  static const char body[] =
      "[{\"responseId\":\"r1\",\"modelVersion\":\"gemini-2.5-flash\",\"candidates\":[{" PARTS(
          "{\"text\":\"a\"}") "}]},{\"candidates\":[{\"finishReason\":\"MALFORMED_FUNCTION_CALL\","
      "\"finishMessage\":\"why \\u2192 so\"}]}]";
  told t;
  lti_alloc alloc;
  size_t taken;
  lti_verdict verdict;
  (void)state;
  memset(&t, 0, sizeof t);
  lti_alloc_init(&alloc, NULL);
  lti_answer *a =
      lti_answer_new(&alloc, lti_protocol_find(GEMINI), &limits, (lti_answer_sink){note, &t});
  assert_non_null(a);
  assert_int_equal(lti_answer_feed(a, lti_slice_of(body), &taken), LTI_STOPPED);
  assert_int_equal(taken, sizeof body - 1);
  assert_true(lti_answer_closed(a));
  assert_int_equal(lti_answer_end(a, &verdict), LEAT_OK);
  assert_int_equal(a->records, 2);
  assert_string_equal(t.id, "r1");
  assert_string_equal(t.model, "gemini-2.5-flash");
  assert_string_equal(t.role, "model");
  assert_string_equal(t.detail, "why \xe2\x86\x92 so");
  lti_answer_free(a);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void decode_with(const leat_allocator *fns, void *ctx) {
  trace *t = ctx;
  const trace_options options = {.piece = 50, .allocator = fns};
  int rc = trace_body(
      t, GEMINI,
      lti_slice_of("[" TEXT(
          "\\u0061") ",{\"responseId\":\"r\",\"modelVersion\":\"m\",\"candidates\":["
                     "{" PARTS("{\"functionCall\":{\"id\":\"\\u0062\",\"name\":\"f\",\"args\":{}"
                               "}}") ",\"index\":1}]},"
                                     "{\"promptFeedback\":{\"blockReason\":\"X\","
                                     "\"blockReasonMessage\":\"y\"}}," STOP "," ERROR "]"),
      &options);
  assert_true(rc == LEAT_ENOMEM || rc == LEAT_EAPI);
}

static void test_without_memory_it_says_so_and_leaks_nothing(void **state) {
  trace *t = calloc(1, sizeof *t);
  (void)state;
  assert_non_null(t);
  assert_true(failing_at_every_n(decode_with, t) > 0);
  free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_same_answer_in_every_framing),
      cmocka_unit_test(test_a_whole_answer_is_one_object),
      cmocka_unit_test(test_js_12_brackets_in_strings_are_text),
      cmocka_unit_test(test_the_closing_bracket_ends_it_and_nothing_behind_it_counts),
      cmocka_unit_test(test_done_of_a_gateway_ends_it_too),
      cmocka_unit_test(test_what_is_cut_is_incomplete),
      cmocka_unit_test(test_an_array_that_was_not_closed_may_be_whole),
      cmocka_unit_test(test_an_array_with_nothing_in_it_is_no_answer),
      cmocka_unit_test(test_garbage_between_elements_is_refused),
      cmocka_unit_test(test_limits_are_those_of_an_event_and_of_a_body),
      cmocka_unit_test(test_raw_records_come_in_front_of_their_events),
      cmocka_unit_test(test_thoughts_and_their_signature),
      cmocka_unit_test(test_function_calls_are_whole_and_counted_for_each_candidate),
      cmocka_unit_test(test_too_many_calls_are_an_error_and_no_memory),
      cmocka_unit_test(test_media_by_its_mime_type),
      cmocka_unit_test(test_js_03_halves_of_a_character_meet_again),
      cmocka_unit_test(test_logprobs_stand_beside_the_text),
      cmocka_unit_test(test_several_candidates_each_with_its_end),
      cmocka_unit_test(test_a_reason_that_is_not_told_is_none),
      cmocka_unit_test(test_js_09_text_behind_the_finish_is_text),
      cmocka_unit_test(test_js_05_an_index_that_is_none),
      cmocka_unit_test(test_js_04_wrong_types_are_passed_over),
      cmocka_unit_test(test_js_13_what_is_not_known_is_passed_over),
      cmocka_unit_test(test_js_07_an_error_object_ends_it_wherever_it_stands),
      cmocka_unit_test(test_js_07_no_error_is_none),
      cmocka_unit_test(test_js_08_an_error_outside_the_framing_is_found),
      cmocka_unit_test(test_a_blocked_prompt_is_an_error_that_nobody_calls_one),
      cmocka_unit_test(test_a_blocked_prompts_words_are_bounded),
      cmocka_unit_test(test_counts_are_cumulative_and_each_is_told),
      cmocka_unit_test(test_every_count_has_its_place),
      cmocka_unit_test(test_id_model_and_role_of_the_response),
      cmocka_unit_test(test_without_memory_it_says_so_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
