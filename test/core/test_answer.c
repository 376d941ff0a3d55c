/* The reading side of one attempt: what a body is taken for, where a feed stops, what is copied,
 * which limits hold, and which verdict stands at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "core/answer.h"
#include "support/failing.h"
#include "support/trace.h"

#define CHAT        "openai-chat"
#define TOKEN(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STOP        "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n"
#define DONE        "data: [DONE]\n\n"
#define WHOLE       "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}"
#define BOM         "\xef\xbb\xbf"

static void check(const char *body, const char *expected) {
  trace_check_text(CHAT, body, expected);
}

static void test_the_first_bytes_decide_what_a_body_is(void **state) {
  static const struct {
    const char *body;
    enum lti_answer_form form;
  } rows[] = {
      {"", LTI_FORM_UNDECIDED},
      {" \r\n\t", LTI_FORM_UNDECIDED},
      {DONE, LTI_FORM_SSE},
      {":\n", LTI_FORM_SSE},
      {"error: x\n", LTI_FORM_SSE},
      {"id\n", LTI_FORM_SSE},
      {"{", LTI_FORM_JSON},
      {"\n\n[", LTI_FORM_JSON},
      {BOM "{", LTI_FORM_JSON},
      {BOM DONE, LTI_FORM_SSE},
      {"<html>", LTI_FORM_FOREIGN},
      {"\x1f\x8b", LTI_FORM_FOREIGN},
      {"\xef\xbb<", LTI_FORM_FOREIGN},
  };
  trace *t = calloc(1, sizeof *t);
  (void)state;
  assert_non_null(t);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    for (size_t piece = 0; piece < 4; piece++) {
      trace_options options = {.piece = piece};
      trace_body(t, CHAT, lti_slice_of(rows[i].body), &options);
      assert_int_equal(t->form, rows[i].form);
    }
  }
  free(t);
}

static void test_js_11_blank_lines_and_a_bom_in_front(void **state) {
  (void)state;
  check(WHOLE, "T0 a\nF0 stop\n= LEAT_OK");
  check("\n\n\r\n \t" WHOLE "\n\n", "T0 a\nF0 stop\n= LEAT_OK");
  check(BOM WHOLE, "T0 a\nF0 stop\n= LEAT_OK");
  check(BOM TOKEN("a") STOP, "T0 a\nF0 stop\n= LEAT_OK");
  check("\r\n\n" TOKEN("a") STOP, "T0 a\nF0 stop\n= LEAT_OK");
  check("", "= LEAT_EINCOMPLETE");
  check(" \n", "= LEAT_EINCOMPLETE");
}

static void test_sse_06_a_second_bom_is_part_of_the_first_field(void **state) {
  (void)state;
  check(BOM BOM TOKEN("lost") TOKEN("a") STOP, "= LEAT_ENOTSTREAM");
  check(BOM "\n" TOKEN("a") STOP, "T0 a\nF0 stop\n= LEAT_OK");
}

static void test_js_11_neither_stream_nor_json(void **state) {
  (void)state;
  check("<html><head><title>502</title></head></html>", "= LEAT_ENOTSTREAM");
  check("upstream connect error or disconnect/reset before headers", "= LEAT_ENOTSTREAM");
  check("error code: 1020", "= LEAT_ENOTSTREAM");
  check("404 page not found\n", "= LEAT_ENOTSTREAM");
  check("\xff\xfe", "= LEAT_ENOTSTREAM");
  check("x: 1\n\n" TOKEN("a") STOP, "T0 a\nF0 stop\n= LEAT_OK");
  check("x: 1\n\n" TOKEN("a"), "T0 a\n= LEAT_EINCOMPLETE");
  check(": only comments\n\n", "= LEAT_EINCOMPLETE");
}

static int drop(void *ctx, leat_event *event) {
  (void)ctx;
  (void)event;
  return LTI_OK;
}

static void answer_init(lti_answer *a, lti_alloc *alloc, const char *protocol) {
  static const lti_answer_limits limits = {4096, 4096, NULL, NULL};
  lti_answer_sink sink = {drop, NULL};
  lti_alloc_init(alloc, NULL);
  const lti_protocol *found = protocol ? lti_protocol_find(protocol) : NULL;
  assert_int_equal(lti_answer_init(a, alloc, found, &limits, sink), LTI_OK);
}

static void test_js_11_the_first_bytes_of_a_foreign_body_are_shown(void **state) {
  lti_answer a;
  lti_alloc alloc;
  lti_verdict verdict;
  char page[1000];
  size_t taken;
  (void)state;
  memset(page, 'x', sizeof page);
  page[0] = '<';
  answer_init(&a, &alloc, CHAT);
  for (size_t i = 0; i < 63; i++) {
    assert_int_equal(lti_answer_feed(&a, lti_slice(page + i, 1), &taken), LTI_OK);
  }
  assert_int_equal(lti_answer_feed(&a, lti_slice(page + 63, 1), &taken), LEAT_ENOTSTREAM);
  assert_int_equal(lti_answer_shows(&a).size, 64);
  assert_int_equal(lti_answer_feed(&a, lti_slice(page, 1), &taken), LEAT_ENOTSTREAM);
  assert_int_equal(lti_answer_end(&a, &verdict), LEAT_ENOTSTREAM);
  lti_answer_deinit(&a);
  answer_init(&a, &alloc, CHAT);
  assert_int_equal(lti_answer_feed(&a, lti_slice(page, sizeof page), &taken), LEAT_ENOTSTREAM);
  assert_int_equal(lti_answer_shows(&a).size, LTI_ANSWER_SHOWN);
  assert_memory_equal(lti_answer_shows(&a).data, page, LTI_ANSWER_SHOWN);
  lti_answer_deinit(&a);
  answer_init(&a, &alloc, CHAT);
  assert_int_equal(lti_answer_feed(&a, lti_slice_of("  Bad Gateway"), &taken), LTI_OK);
  assert_int_equal(lti_answer_end(&a, &verdict), LEAT_ENOTSTREAM);
  assert_true(lti_slice_is(lti_answer_shows(&a), "Bad Gateway"));
  lti_answer_deinit(&a);
}

typedef struct heard {
  char text[64];
} heard;

static int hear(void *ctx, leat_event *event) {
  heard *h = ctx;
  if (event->kind == LEAT_EVENT_TEXT)
    snprintf(h->text + strlen(h->text), sizeof h->text - strlen(h->text), "%.*s",
             (int)event->text.size, event->text.data);
  return LTI_OK;
}

static void test_answers_that_share_their_scratch_keep_apart(void **state) {
  enum { STREAMS = 3 };
  static const char *const pieces[] = {TOKEN("a\\n"), TOKEN("\\ud83d"), TOKEN("\\ude00\\t"),
                                       TOKEN("\\\\")};
  lti_alloc alloc;
  lti_buf scratch;
  lti_answer *answers[STREAMS];
  heard heards[STREAMS];
  (void)state;
  lti_alloc_init(&alloc, NULL);
  lti_protocol_scratch(&scratch, &alloc);
  memset(heards, 0, sizeof heards);
  const lti_answer_limits limits = {4096, 4096, &scratch, NULL};
  for (size_t i = 0; i < STREAMS; i++) {
    answers[i] = lti_answer_new(&alloc, lti_protocol_find(CHAT), &limits,
                                (lti_answer_sink){hear, &heards[i]});
    assert_non_null(answers[i]);
  }
  for (size_t n = 0; n < sizeof pieces / sizeof *pieces; n++) {
    for (size_t i = 0; i < STREAMS; i++) {
      size_t taken;
      assert_int_equal(lti_answer_feed(answers[i], lti_slice_of(pieces[n]), &taken), LTI_OK);
    }
  }
  for (size_t i = 0; i < STREAMS; i++) {
    assert_string_equal(heards[i].text, "a\n\xf0\x9f\x98\x80\t\\");
    lti_answer_free(answers[i]);
  }
  lti_buf_deinit(&scratch);
}

typedef struct stopper {
  lti_answer *a;
  uint64_t events;
  int answer;
} stopper;

static int stop_each(void *ctx, leat_event *event) {
  stopper *s = ctx;
  assert_true(event->raw.size > 0);
  assert_non_null(event->response);
  s->events++;
  return s->answer;
}

static void stopper_init(stopper *s, lti_answer *a, lti_alloc *alloc, int answer) {
  static const lti_answer_limits limits = {4096, 4096, NULL, NULL};
  lti_answer_sink sink = {stop_each, s};
  *s = (stopper){.a = a, .answer = answer};
  lti_alloc_init(alloc, NULL);
  assert_int_equal(lti_answer_init(a, alloc, lti_protocol_find(CHAT), &limits, sink), LTI_OK);
}

static void test_a_stop_takes_effect_behind_the_record(void **state) {
  lti_answer a;
  lti_alloc alloc;
  stopper s;
  size_t taken;
  (void)state;
  static const char one[] =
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
  static const char body[] =
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n" TOKEN(
          "b") DONE "rest";
  stopper_init(&s, &a, &alloc, LTI_STOPPED);
  leat_slice rest = lti_slice_of(body);
  assert_int_equal(lti_answer_feed(&a, rest, &taken), LTI_STOPPED);
  assert_int_equal(taken, strlen(one));
  assert_int_equal(s.events, 2);
  assert_false(a.ended);
  rest = lti_slice_from(rest, taken);
  assert_int_equal(lti_answer_feed(&a, rest, &taken), LTI_STOPPED);
  assert_int_equal(taken, strlen(TOKEN("b")));
  rest = lti_slice_from(rest, taken);
  assert_int_equal(lti_answer_feed(&a, rest, &taken), LTI_STOPPED);
  assert_true(a.ended);
  assert_true(lti_slice_is(lti_slice_from(rest, taken), "rest"));
  assert_int_equal(lti_answer_feed(&a, lti_slice_of("more"), &taken), LTI_STOPPED);
  assert_int_equal(taken, 0);
  assert_int_equal(a.records, 3);
  assert_int_equal(s.events, 3);
  lti_answer_deinit(&a);
}

static void test_an_error_of_the_sink_is_handed_on_and_stays(void **state) {
  lti_answer a;
  lti_alloc alloc;
  lti_verdict verdict;
  stopper s;
  size_t taken;
  (void)state;
  stopper_init(&s, &a, &alloc, LEAT_EHELDMAX);
  assert_int_equal(lti_answer_feed(&a, lti_slice_of(TOKEN("a") STOP), &taken), LEAT_EHELDMAX);
  assert_int_equal(s.events, 1);
  assert_int_equal(lti_answer_feed(&a, lti_slice_of(STOP), &taken), LEAT_EHELDMAX);
  assert_int_equal(lti_answer_end(&a, &verdict), LEAT_EHELDMAX);
  lti_answer_deinit(&a);
}

static void test_without_a_dialect_bytes_pass_as_they_are(void **state) {
  trace *t = calloc(1, sizeof *t);
  trace_options options = {.cut = 3};
  (void)state;
  assert_non_null(t);
  assert_int_equal(trace_body(t, NULL, lti_slice_of("{<any"), &options), LEAT_OK);
  assert_string_equal(t->text, "RAW {<a\nRAW ny\n= LEAT_OK");
  assert_int_equal(t->copied, 0);
  t->stop_at = 1;
  assert_int_equal(trace_body(t, NULL, lti_slice_of("abcdef"), &options), LEAT_OK);
  free(t);
}

static void test_want_raw_gives_each_record_first(void **state) {
  trace *t = calloc(1, sizeof *t);
  (void)state;
  assert_non_null(t);
  for (size_t piece = 0; piece < 8; piece++) {
    trace_options options = {.piece = piece, .want_raw = true};
    trace_body(t, CHAT, lti_slice_of(STOP DONE), &options);
    assert_string_equal(t->text,
                        "RAW {\"choices\":[{\"finish_reason\":\"stop\"}]}\nF0 stop\nRAW [DONE]\n"
                        "= LEAT_OK");
    trace_body(t, CHAT, lti_slice_of(" " WHOLE), &options);
    assert_string_equal(t->text, "RAW " WHOLE "\nT0 a\nF0 stop\n= LEAT_OK");
  }
  free(t);
}

static void test_limits_have_their_own_errors(void **state) {
  trace *t = calloc(1, sizeof *t);
  char event[512], body[512];
  (void)state;
  assert_non_null(t);
  snprintf(event, sizeof event, "data: {\"choices\":[{\"delta\":{\"content\":\"%0300d\"}}]}\n\n",
           1);
  snprintf(body, sizeof body, "{\"choices\":[{\"message\":{\"content\":\"%0300d\"}}]}", 1);
  for (size_t piece = 0; piece < 8; piece++) {
    trace_options options = {.piece = piece, .event_bytes_max = 300, .body_bytes_max = 300};
    assert_int_equal(trace_body(t, CHAT, lti_slice_of(STOP), &options), LEAT_OK);
    assert_int_equal(trace_body(t, CHAT, lti_slice_of(event), &options), LEAT_EEVENTMAX);
    assert_int_equal(trace_body(t, CHAT, lti_slice_of(WHOLE), &options), LEAT_OK);
    assert_int_equal(trace_body(t, CHAT, lti_slice_of(body), &options), LEAT_EBODYMAX);
  }
  free(t);
}

static void test_copied_counts_what_was_gathered(void **state) {
  trace *t = calloc(1, sizeof *t);
  trace_options options = {.piece = 0};
  (void)state;
  assert_non_null(t);
  trace_body(t, CHAT, lti_slice_of(TOKEN("a") STOP DONE), &options);
  assert_int_equal(t->copied, 0);
  assert_true(t->ended);
  trace_body(t, CHAT, lti_slice_of(WHOLE), &options);
  assert_int_equal(t->copied, strlen(WHOLE));
  assert_false(t->ended);
  options.piece = 1;
  trace_body(t, CHAT, lti_slice_of(TOKEN("a") STOP DONE), &options);
  assert_true(t->copied > 0 && t->copied <= 2 * strlen(TOKEN("a") STOP DONE));
  free(t);
}

static void test_js_08_json_outside_the_framing_on_any_number_of_lines(void **state) {
  (void)state;
  check(": PING\n\n{\"error\":{\"message\":\"m\"}}\n\n", "= LEAT_EAPI //m");
  check(": PING\n\n{\n\"error\":\n{\n\"message\":\"]}\\\\\"\n}\n}\n", "= LEAT_EAPI //]}\\");
  check(": PING\n\n[\n{\"error\":{\"message\":\"m\"}}\n]\n", "= LEAT_EAPI //m");
  check(": PING\n\n{\n\"cut\": 1\n" TOKEN("a") "{\"error\":\"late\"}\n\n",
        "T0 a\n= LEAT_EAPI //late");
  check(": PING\n\n{\"error\":\n\n", "= LEAT_EINCOMPLETE");
  check(": PING\n\n}\n]\n{}\n\n" STOP, "F0 stop\n= LEAT_OK");
}

static void test_js_08_json_outside_the_framing_is_bounded(void **state) {
  (void)state;
  size_t size = (size_t)300 << 10;
  char *body = malloc(size + 64);
  trace *t = calloc(1, sizeof *t);
  trace_options options = {.piece = 1000};
  assert_non_null(body);
  assert_non_null(t);
  memcpy(body, ":\n\n{\n", 5);
  for (size_t i = 5; i < size; i++) body[i] = i % 64 ? '5' : '\n';
  memcpy(body + size, "\n\n" STOP, sizeof("\n\n" STOP));
  assert_int_equal(trace_body(t, CHAT, lti_slice_of(body), &options), LEAT_OK);
  assert_true(t->copied < (size_t)200 << 10);
  free(body);
  free(t);
}

static void test_a_verdict_can_be_had_before_the_end(void **state) {
  lti_answer a;
  lti_alloc alloc;
  lti_verdict verdict;
  size_t taken;
  (void)state;
  answer_init(&a, &alloc, CHAT);
  lti_answer_verdict(&a, &verdict);
  assert_int_equal(verdict.error, LEAT_EINCOMPLETE);
  lti_answer_feed(&a, lti_slice_of(STOP), &taken);
  lti_answer_verdict(&a, &verdict);
  assert_int_equal(verdict.error, LEAT_OK);
  assert_int_equal(lti_answer_feed(&a, lti_slice_of("data: {\"error\":\"m\"}\n\n"), &taken),
                   LTI_STOPPED);
  lti_answer_verdict(&a, &verdict);
  assert_int_equal(verdict.error, LEAT_EAPI);
  assert_true(lti_slice_is(verdict.provider.message, "m"));
  lti_answer_deinit(&a);
}

static void under_failure(const leat_allocator *fns, void *ctx) {
  static const char *const bodies[] = {
      BOM TOKEN("a") STOP DONE,
      "\n" WHOLE,
      "<html>",
      "Bad Gateway",
      ": PING\n\n{\n\"error\":{\"message\":\"m\"}\n}\n",
  };
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    trace_options options = {.piece = 7, .allocator = fns};
    trace_body(ctx, CHAT, lti_slice_of(bodies[i]), &options);
  }
}

static void test_every_failed_allocation_is_survived(void **state) {
  trace *t = calloc(1, sizeof *t);
  (void)state;
  assert_non_null(t);
  assert_true(failing_at_every_n(under_failure, t) > 10);
  free(t);
}

static void test_an_event_of_megabytes_in_small_pieces_takes_linear_time(void **state) {
  size_t size = (size_t)8 << 20;
  char *body = malloc(size + 128);
  trace *t = calloc(1, sizeof *t);
  trace_options options = {.piece = 1000, .event_bytes_max = size + 128};
  (void)state;
  assert_non_null(body);
  assert_non_null(t);
  static const char head[] =
      "data: {\"choices\":[{\"finish_reason\":\"stop\",\"delta\":{"
      "\"images\":[{\"image_url\":\"data:image/png;base64,";
  memset(body, 'A', size);
  memcpy(body, head, strlen(head));
  memcpy(body + size, "\"}]}}]}\n\n", sizeof "\"}]}}]}\n\n");
  assert_int_equal(trace_body(t, CHAT, lti_slice_of(body), &options), LEAT_OK);
  assert_true(strncmp(t->text, "I0 image/png  AAAA", 18) == 0);
  assert_true(t->copied <= 2 * size);
  free(body);
  free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_first_bytes_decide_what_a_body_is),
      cmocka_unit_test(test_js_11_blank_lines_and_a_bom_in_front),
      cmocka_unit_test(test_sse_06_a_second_bom_is_part_of_the_first_field),
      cmocka_unit_test(test_js_11_neither_stream_nor_json),
      cmocka_unit_test(test_js_11_the_first_bytes_of_a_foreign_body_are_shown),
      cmocka_unit_test(test_answers_that_share_their_scratch_keep_apart),
      cmocka_unit_test(test_a_stop_takes_effect_behind_the_record),
      cmocka_unit_test(test_an_error_of_the_sink_is_handed_on_and_stays),
      cmocka_unit_test(test_without_a_dialect_bytes_pass_as_they_are),
      cmocka_unit_test(test_want_raw_gives_each_record_first),
      cmocka_unit_test(test_limits_have_their_own_errors),
      cmocka_unit_test(test_copied_counts_what_was_gathered),
      cmocka_unit_test(test_js_08_json_outside_the_framing_on_any_number_of_lines),
      cmocka_unit_test(test_js_08_json_outside_the_framing_is_bounded),
      cmocka_unit_test(test_a_verdict_can_be_had_before_the_end),
      cmocka_unit_test(test_every_failed_allocation_is_survived),
      cmocka_unit_test(test_an_event_of_megabytes_in_small_pieces_takes_linear_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
