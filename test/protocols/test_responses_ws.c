/* The Responses decoder, over a socket and, as the recorded bodies of the corpus have it, in an
 * event stream. Shapes are those of the vendor's published types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocols/openai_responses.h"
#include "support/corpora.h"
#include "support/turns.h"

#define M(type, rest) "{\"type\":\"" type "\"" rest "}\n"
#define AT0           ",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0"
#define TEXT(t)       M("response.output_text.delta", AT0 ",\"delta\":\"" t "\",\"logprobs\":[]")
#define TEXT_DONE(t)  M("response.output_text.done", AT0 ",\"text\":\"" t "\"")
#define COUNTS                                                               \
  "{\"input_tokens\":37,\"input_tokens_details\":{\"cached_tokens\":8},"     \
  "\"output_tokens\":11,\"output_tokens_details\":{\"reasoning_tokens\":4}," \
  "\"total_tokens\":48}"
#define RESPONSE(status, rest)                                                            \
  ",\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1741290958.0," \
  "\"status\":\"" status "\",\"model\":\"gpt\",\"error\":null" rest "}"
#define CREATED   M("response.created", ",\"sequence_number\":0" RESPONSE("in_progress", ""))
#define COMPLETED M("response.completed", RESPONSE("completed", ",\"usage\":" COUNTS))
#define ITEM(what, at, json) \
  M("response.output_item." what, ",\"output_index\":" at ",\"item\":" json)
#define CALL_ITEM(id, call, name, args)                                                     \
  "{\"type\":\"function_call\",\"id\":\"" id "\",\"call_id\":\"" call "\",\"name\":\"" name \
  "\",\"arguments\":\"" args "\"}"
#define ARGUMENTS(at, id, t)                  \
  M("response.function_call_arguments.delta", \
    ",\"item_id\":\"" id "\",\"output_index\":" at ",\"delta\":\"" t "\"")
#define END "U 37 11 48\nF0 completed\n> end\n= LEAT_OK"

static const lti_protocol_turn first = {.choices = 0};
static const lti_protocol_turn second = {.later = true, .before = {"resp_0", 6}};

static void check(const lti_protocol_turn *turn, const char *messages, const char *expected) {
  turns_check(&(turns_case){.protocol = "responses-ws", .turn = turn}, messages, expected);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void test_a_text_comes_once_though_it_is_said_four_times(void **state) {
  (void)state;
  check(&first,
        CREATED ITEM("added", "0",
                     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
                     "\"content\":[]}") TEXT("Hi ") TEXT("there") TEXT_DONE("Hi there")
            M("response.content_part.done", AT0 ",\"part\":{\"type\":"
                                                "\"output_text\",\"text\":\"Hi there\"}")
                ITEM("done", "0",
                     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
                     "\"content\":[{\"type\":\"output_text\",\"text\":\"Hi there\"}]}")
                    M("response.completed",
                      RESPONSE(
                          "completed",
                          ",\"output\":[{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[{"
                          "\"type\":\"output_text\",\"text\":\"Hi there\"}]}],\"usage\":" COUNTS)),
        "T0 Hi \nT0 there\n" END);
}

static void test_a_text_that_comes_whole_only_is_told(void **state) {
  static const char output[] =
      M("response.completed",
        RESPONSE("completed",
                 ",\"output\":[{\"id\":\"rs\",\"type\":\"reasoning\",\"summary\":[{\"type\":"
                 "\"summary_text\",\"text\":\"why\"}]},{\"id\":\"m\",\"type\":\"message\","
                 "\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"},"
                 "{\"type\":\"refusal\",\"refusal\":\"no\"}]},"
                 "{\"type\":\"function_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":\"n\","
                 "\"arguments\":\"{}\"}],\"usage\":" COUNTS));
  (void)state;
  check(&first, TEXT_DONE("a") COMPLETED, "T0 a\n" END);
  check(&first, output, "R0 why\nT0 a\nX0 no\nC0.0 c n {}\n" END);
  check(&first,
        TEXT("a") M("response.output_text.done",
                    ",\"item_id\":\"msg_1\",\"output_index\":0,"
                    "\"content_index\":1,\"text\":\"b\"") COMPLETED,
        "T0 a\nT0 b\n" END);
}

static void test_a_list_that_leaves_items_out_repeats_nothing(void **state) {
  (void)state;
  check(&first,
        M("response.output_text.delta",
          ",\"item_id\":\"m\",\"output_index\":1,\"content_index\":0,\"delta\":\"a\"")
            M("response.completed",
              RESPONSE("completed",
                       ",\"output\":[{\"id\":\"m\",\"type\":\"message\",\"content\":[{"
                       "\"type\":\"output_text\",\"text\":\"a\"}]}],\"usage\":" COUNTS)),
        "T0 a\n" END);
}

static void test_reasoning_in_both_forms_and_refusals(void **state) {
  (void)state;
  check(&first,
        M("response.reasoning_summary_text.delta",
          ",\"item_id\":\"r\",\"output_index\":0,\"summary_index\":0,\"delta\":\"a\"")
            M("response.reasoning_summary_text.done",
              ",\"item_id\":\"r\",\"output_index\":0,\"summary_index\":0,\"text\":\"a\"")
                M("response.reasoning_text.delta",
                  ",\"item_id\":\"r\",\"output_index\":0,\"content_index\":0,\"delta\":\"b\"")
                    M("response.refusal.delta", ",\"output_index\":1,\"delta\":\"no\"")
                        M("response.refusal.done", ",\"output_index\":1,\"refusal\":\"no\"")
                            COMPLETED,
        "R0 a\nR0 b\nX0 no\n" END);
}

static void test_logprobs_stand_beside_their_text(void **state) {
  (void)state;
  check(&first,
        M("response.output_text.delta", AT0 ",\"delta\":\"a\",\"logprobs\":[{\"token\":\"a\"}]")
            COMPLETED,
        "T0 a # [{\"token\":\"a\"}]\n" END);
}

static void test_logprobs_that_are_no_filled_array_are_none(void **state) {
  static const char *const odd[] = {"1", "0.5", "[]", "[ ]", "{}", "\"\"", "null", "true"};
  char messages[1024];
  (void)state;
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    snprintf(messages, sizeof messages,
             M("response.output_text.delta", AT0 ",\"delta\":\"a\",\"logprobs\":%s") "%s", odd[i],
             COMPLETED);
    check(&first, messages, "T0 a\n" END);
  }
}

static void test_js_03_halves_are_held(void **state) {
  (void)state;
  check(&first, TEXT("\\ud83d") TEXT("\\ude00") TEXT("\\ud83d") COMPLETED,
        "T0 \xf0\x9f\x98\x80\nT0 \xef\xbf\xbd\n" END);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void test_calls_are_counted_and_named_once(void **state) {
  (void)state;
  check(&first,
        ITEM("added", "1", CALL_ITEM("fc_1", "call_a", "f", "")) ARGUMENTS(
            "1", "fc_1", "{\\\"a\\\":") ITEM("added", "2", CALL_ITEM("fc_2", "call_b", "g", ""))
            ARGUMENTS("2", "fc_2", "{}") ARGUMENTS("1", "fc_1", "1}")
                M("response.function_call_arguments.done",
                  ",\"item_id\":\"fc_1\",\"output_index\":1,\"arguments\":\"{\\\"a\\\":1}\"")
                    ITEM("done", "1", CALL_ITEM("fc_1", "call_a", "f", "{\\\"a\\\":1}")) COMPLETED,
        "C0.0 call_a f \nC0.0   {\"a\":\nC0.1 call_b g \nC0.1   {}\nC0.0   1}\n" END);
}

static void test_arguments_that_come_whole_only_are_told_once(void **state) {
  (void)state;
  check(&first,
        ITEM("added", "0", CALL_ITEM("fc_1", "call_a", "f", ""))
            M("response.function_call_arguments.done",
              ",\"item_id\":\"fc_1\",\"output_index\":0,\"arguments\":\"{}\"")
                ITEM("done", "0", CALL_ITEM("fc_1", "call_a", "f", "{}")) COMPLETED,
        "C0.0 call_a f \nC0.0   {}\n" END);
  check(&first, ITEM("done", "0", CALL_ITEM("fc_1", "call_a", "f", "{}")) COMPLETED,
        "C0.0 call_a f {}\n" END);
}

static void test_a_delta_before_its_item_is_not_lost(void **state) {
  (void)state;
  check(&first,
        ARGUMENTS("3", "fc_1", "{}") ITEM("added", "3", CALL_ITEM("fc_1", "call_a", "f", ""))
            COMPLETED,
        "C0.0   {}\nC0.0 call_a f \n" END);
}

static void test_items_without_an_index_are_known_by_their_id(void **state) {
  (void)state;
  check(&first,
        M("response.output_item.added", ",\"item\":" CALL_ITEM("x", "call_a", "f", ""))
            M("response.output_item.added", ",\"item\":" CALL_ITEM("y", "call_b", "g", ""))
                M("response.function_call_arguments.delta", ",\"item_id\":\"x\",\"delta\":\"1\"")
                    M("response.function_call_arguments.delta", ",\"delta\":\"2\"") COMPLETED,
        "C0.0 call_a f \nC0.1 call_b g \nC0.0   1\nC0.1   2\n" END);
}

static void test_custom_tools(void **state) {
  (void)state;
  check(&first,
        ITEM("added", "0",
             "{\"type\":\"custom_tool_call\",\"id\":\"x\",\"call_id\":\"c\","
             "\"name\":\"n\",\"input\":\"\"}")
            M("response.custom_tool_call_input.delta",
              ",\"item_id\":\"x\",\"output_index\":0,\"delta\":\"ls\"")
                M("response.custom_tool_call_input.done",
                  ",\"item_id\":\"x\",\"output_index\":0,\"input\":\"ls\"") COMPLETED,
        "C0.0 c n \nC0.0   ls\n" END);
}

static void test_js_05_an_index_is_never_a_size(void **state) {
  (void)state;
  check(&first, ARGUMENTS("4294967295", "x", "1") COMPLETED, "C0.0   1\n" END);
  check(&first, ARGUMENTS("-1", "x", "1") COMPLETED, "C0.0   1\n" END);
  check(&first, ARGUMENTS("-7", "x", "1"), "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
  check(&first, ARGUMENTS("4294967296", "x", "1"), "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
  check(&first, ARGUMENTS("1.5", "x", "1"), "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
}

static int play_many(const char *format, int count) {
  char *messages = malloc((size_t)count * 160);
  trace *t = malloc(sizeof *t);
  turns_case c = {.protocol = "responses-ws", .turn = &first};
  size_t size = 0;
  assert_non_null(messages);
  assert_non_null(t);
  for (int i = 0; i < count; i++) size += (size_t)snprintf(messages + size, 160, format, i);
  int rc = turns_play(t, &c, lti_slice(messages, size));
  free(messages);
  free(t);
  return rc;
}

static void test_js_05_items_are_bounded(void **state) {
  static const char format[] =
      M("response.output_text.delta", ",\"output_index\":%d,\"delta\":\"a\"");
  (void)state;
  assert_int_equal(play_many(format, 512), LEAT_EINCOMPLETE);
  assert_int_equal(play_many(format, 513), LEAT_EDECODE);
  /* Parts of one item need no room of their own. */
  assert_int_equal(
      play_many(M("response.output_text.delta", ",\"content_index\":%d,\"delta\":\"a\""), 700),
      LEAT_EINCOMPLETE);
}

/* ---- media ----------------------------------------------------------------------------------- */

static void test_images_partial_and_whole(void **state) {
  (void)state;
  check(&first,
        M("response.image_generation_call.partial_image",
          ",\"item_id\":\"ig\",\"output_index\":0,\"partial_image_index\":0,"
          "\"partial_image_b64\":\"AAAA\",\"output_format\":\"webp\"")
            ITEM("done", "0",
                 "{\"type\":\"image_generation_call\",\"id\":\"ig\","
                 "\"output_format\":\"png\",\"result\":\"BBBB\"}")
                M("response.completed",
                  RESPONSE("completed",
                           ",\"output\":[{\"type\":\"image_generation_call\","
                           "\"id\":\"ig\",\"result\":\"BBBB\"}],\"usage\":" COUNTS)),
        "I0 image/webp  AAAA  ig\nI0 image/png  BBBB  ig\n" END);
}

static void test_sound_and_its_words(void **state) {
  (void)state;
  check(&first,
        M("response.audio.delta", ",\"delta\":\"AAAA\"")
            M("response.audio.transcript.delta", ",\"delta\":\"a\\ud83d\"")
                M("response.audio.transcript.delta", ",\"delta\":\"\\ude00\"")
                    M("response.audio.transcript.delta", ",\"delta\":\"\\ud83d\"") COMPLETED,
        "A0   AAAA  \nA0    a \nA0    \xf0\x9f\x98\x80 \nA0    \xef\xbf\xbd \n" END);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void test_js_09_what_is_evidence_of_a_whole_answer(void **state) {
  (void)state;
  check(&first, TEXT("a"), "T0 a\n= LEAT_EINCOMPLETE");
  check(&first, TEXT("a") TEXT_DONE("a"), "T0 a\n= LEAT_EINCOMPLETE");
  check(&first,
        TEXT("a") M("response.incomplete",
                    RESPONSE("incomplete",
                             ",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
                             "\"usage\":" COUNTS)) TEXT("behind"),
        "T0 a\nU 37 11 48\nF0 incomplete # max_output_tokens\n> end\n= LEAT_OK");
  check(&first, M("response.cancelled", RESPONSE("cancelled", "")),
        "F0 cancelled\n> end\n= LEAT_EINCOMPLETE");
  check(&first, M("response.done", RESPONSE("in_progress", "")), "> end\n= LEAT_EINCOMPLETE");
  check(&first, M("response.completed", ""), "F0 completed\n> end\n= LEAT_OK");
}

static void test_js_07_failures(void **state) {
  (void)state;
  check(&first,
        TEXT("a") M("response.failed",
                    ",\"response\":{\"id\":\"r\",\"status\":\"failed\",\"error\":{\"code\":"
                    "\"server_error\",\"message\":\"m\"},\"usage\":null}"),
        "T0 a\n> end\n= LEAT_EAPI /server_error/m");
  check(&first,
        M("response.failed", ",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"c\"}}"),
        "> end\n= LEAT_EAPI /c/");
  check(&first, M("response.failed", ",\"response\":{\"status\":\"failed\",\"error\":null}"),
        "> end\n= LEAT_EAPI //the response failed, and does not say why");
  check(&first, M("response.failed", ""),
        "> end\n= LEAT_EAPI //the response failed, and does not say why");
}

static void test_js_07_error_events_of_every_shape(void **state) {
  (void)state;
  check(&first, TEXT("a") M("error", ",\"code\":\"c\",\"message\":\"m\",\"param\":null") TEXT("b"),
        "T0 a\n> end\n= LEAT_EAPI error/c/m");
  check(&first,
        M("error",
          ",\"status\":400,\"error\":{\"type\":\"t\",\"code\":\"c\","
          "\"message\":\"m\"}"),
        "> end\n= LEAT_EAPI t/c/m");
  check(&first, M("error", ""), "> end\n= LEAT_EAPI //the provider sent an error without words");
  check(&first, "{\"error\":{\"message\":\"m\",\"type\":\"new_api_error\",\"code\":\"\"}}\n",
        "> end\n= LEAT_EAPI new_api_error//m");
  check(&first, "{\"object\":\"error\",\"message\":\"m\"}\n", "> end\n= LEAT_EAPI //m");
  check(&first, "{\"error\":null,\"message\":\"m\"}\n" COMPLETED, END);
  check(&first, TEXT("a\\ud83d") M("error", ",\"message\":\"m\""),
        "T0 a\nT0 \xef\xbf\xbd\n> end\n= LEAT_EAPI error//m");
}

static void test_both_spellings_of_usage(void **state) {
  (void)state;
  check(&first,
        M("response.completed", RESPONSE("completed",
                                         ",\"usage\":{\"prompt_tokens\":1,"
                                         "\"completion_tokens\":2,\"total_tokens\":3}")),
        "U 1 2 3\nF0 completed\n> end\n= LEAT_OK");
}

static void test_counts_of_details(void **state) {
  leat_usage u;
  (void)state;
  assert_true(lti_openai_usage(lti_slice_of(COUNTS), &u));
  assert_true(u.cached == 8 && u.reasoning == 4);
  assert_true(lti_openai_usage(
      lti_slice_of(
          "{\"input_token_details\":{\"text_tokens\":1,\"audio_tokens\":2,\"image_tokens\":3,"
          "\"cached_tokens\":4},\"output_token_details\":{\"text_tokens\":5,"
          "\"audio_tokens\":6}}"),
      &u));
  assert_true(u.input_text == 1 && u.input_audio == 2 && u.input_image == 3 && u.cached == 4);
  assert_true(u.output_text == 5 && u.output_audio == 6 && u.input == -1);
  assert_true(lti_openai_usage(lti_slice_of("{\"prompt_tokens_details\":{\"cached_tokens\":5},"
                                            "\"input_tokens_details\":{\"cached_tokens\":0}}"),
                               &u));
  assert_int_equal(u.cached, 5);
}

static void test_what_the_turn_before_left_is_not_this_ones(void **state) {
  (void)state;
  check(&second,
        M("response.output_text.delta", ",\"response_id\":\"resp_0\",\"delta\":\"old\"")
            M("response.completed",
              ",\"response\":{\"id\":\"resp_0\",\"status\":\"completed\"}") "[DONE]\n" CREATED
                TEXT("new") COMPLETED,
        "T0 new\n" END);
  check(&second, CREATED TEXT("a") "[DONE]\n", "T0 a\n> end\n= LEAT_EINCOMPLETE");
}

static void test_js_13_unknown_types_and_members_are_passed_over(void **state) {
  (void)state;
  check(&first,
        M("response.web_search_call.searching", ",\"output_index\":0") "{}\n" M(
            "new.thing",
            ",\"delta\":\"x\"") "{\"new\":[{\"delta\":1}]}\n" M("response.mcp_call_arguments.delta",
                                                                ",\"delta\":\"x\"") TEXT("a")
            COMPLETED,
        "T0 a\n" END);
}

static void test_js_04_hostile_messages(void **state) {
  (void)state;
  check(&first, "not JSON\n", "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
  check(&first, "{\"type\":\"response.output_text.delta\",\"delta\":\"a\"",
        "> LEAT_EDECODE\n= LEAT_EINCOMPLETE");
  check(&first,
        "5\n[]\nnull\n\"x\"\n" M("response.output_text.delta", ",\"delta\":{\"a\":1}")
            M("response.output_text.delta", ",\"delta\":7,\"output_index\":\"0\"")
                M("response.output_item.added", ",\"item\":[1]") M(
                    "response.output_item.done", ",\"item\":{\"type\":\"message\",\"content\":7}")
                    M("response.output_item.done",
                      ",\"output_index\":1,\"item\":{\"type\":\"message\",\"content\":[7,{},"
                      "{\"text\":{}}],\"summary\":[null]}") M("response.created", ",\"response\":7")
                        M("response.completed", ",\"response\":[],\"usage\":3"),
        "F0 completed\n> end\n= LEAT_OK");
  check(&first, M("response.output_text.delta", ",\"delta\":\"a\",\"d\\u0065lta\":\"b\"") COMPLETED,
        "T0 b\n" END);
}

static void test_the_response_is_known_beside_each_event(void **state) {
  const lti_protocol *p = lti_protocol_find("responses-ws");
  lti_alloc alloc;
  trace *t = calloc(1, sizeof *t);
  lti_emit none = {NULL};
  (void)state;
  assert_non_null(t);
  lti_alloc_init(&alloc, NULL);
  void *d = lti_alloc_zero(&alloc, p->decoder_size);
  lti_buf scratch;
  lti_protocol_scratch(&scratch, &alloc);
  p->decoder_init(d, &alloc, &scratch);
  assert_int_equal(p->record(d, lti_slice(NULL, 0), lti_slice_of(CREATED), &none), LTI_OK);
  const leat_response *about = p->response(d);
  assert_true(lti_slice_is(about->id, "resp_1") && lti_slice_is(about->model, "gpt"));
  assert_int_equal(about->created, 1741290958);
  p->decoder_deinit(d);
  lti_buf_deinit(&scratch);
  lti_alloc_put(&alloc, d);
  free(t);
}

/* ---- cuts and memory ------------------------------------------------------------------------- */

#define LONG                                                                               \
  CREATED                                                                                  \
  ITEM("added", "0", "{\"type\":\"reasoning\",\"id\":\"\\u0072\",\"summary\":[]}")         \
  M("response.reasoning_summary_text.delta", ",\"summary_index\":0,\"delta\":\"\\u00e9\"") \
  ITEM("added", "1", CALL_ITEM("fc", "\\u00e9", "f", ""))                                  \
  ARGUMENTS("1", "fc", "\\n{}")                                                            \
  ITEM("added", "2", "{\"type\":\"message\",\"role\":\"assistant\"}")                      \
  M("response.output_text.delta", ",\"output_index\":2,\"delta\":\"\\u00e9\\ud83d\"")      \
  M("response.audio.transcript.delta",                                                     \
    ",\"output_index\":2,\"item_id\":\"\\u00e9\",\"delta\":\"\\n\"")                       \
  M("response.image_generation_call.partial_image",                                        \
    ",\"item_id\":\"\\u00e9\",\"partial_image_b64\":\"A\\/\"")

static void test_every_cut_is_seen(void **state) {
  turns_case c = {.protocol = "responses-ws", .turn = &first};
  (void)state;
  turns_check_cuts(&c, LONG COMPLETED, strlen(LONG COMPLETED) - 1);
}

static void test_every_failed_allocation_is_survived(void **state) {
  turns_case c = {.protocol = "responses-ws", .turn = &second};
  (void)state;
  turns_check_starved(&c, LONG COMPLETED);
  turns_check_starved(&c, LONG M("error", ",\"message\":\"\\u0065nd\""));
  turns_check_starved(&c, M("response.failed", ",\"response\":{\"error\":{}}"));
}

/* ---- the same decoder in an event stream ----------------------------------------------------- */

static lti_protocol in_events(void) {
  lti_protocol p = *lti_protocol_find("responses-ws");
  p.name = "openai-responses";
  p.body = lti_openai_responses_body;
  p.socket = NULL;
  return p;
}

/* Feeds a body in pieces; every text of the answer goes to one line of its own. */
typedef struct gathered {
  char text[4096], reasoning[4096], refusal[4096], finish[64], calls[4096];
} gathered;

static void join(char *to, size_t room, leat_slice text) {
  size_t size = strlen(to);
  assert_true(size + text.size < room);
  if (text.size) memcpy(to + size, text.data, text.size);
  to[size + text.size] = '\0';
}

static int gather(void *ctx, leat_event *event) {
  gathered *g = ctx;
  switch (event->kind) {
    case LEAT_EVENT_TEXT: join(g->text, sizeof g->text, event->text); break;
    case LEAT_EVENT_REASONING: join(g->reasoning, sizeof g->reasoning, event->text); break;
    case LEAT_EVENT_REFUSAL: join(g->refusal, sizeof g->refusal, event->text); break;
    case LEAT_EVENT_FINISH: join(g->finish, sizeof g->finish, event->finish_reason); break;
    case LEAT_EVENT_TOOL_CALL:
      join(g->calls, sizeof g->calls, event->tool_call.id);
      join(g->calls, sizeof g->calls, event->tool_call.name);
      join(g->calls, sizeof g->calls, event->tool_call.arguments);
      break;
    default: break;
  }
  return LTI_OK;
}

static int read_body(leat_slice body, size_t piece, gathered *g) {
  static const lti_answer_limits limits = {1 << 20, 1 << 20, NULL, NULL};
  const lti_protocol p = in_events();
  lti_answer a;
  lti_alloc alloc;
  lti_verdict verdict;
  memset(g, 0, sizeof *g);
  lti_alloc_init(&alloc, NULL);
  assert_int_equal(lti_answer_init(&a, &alloc, &p, &limits, (lti_answer_sink){gather, g}), LTI_OK);
  while (body.size && !a.ended) {
    size_t size = body.size < piece ? body.size : piece, taken;
    char *block = malloc(size);
    assert_non_null(block);
    memcpy(block, body.data, size);
    lti_answer_feed(&a, lti_slice(block, size), &taken);
    free(block);
    body = lti_slice_from(body, size);
  }
  int rc = lti_answer_end(&a, &verdict);
  lti_answer_deinit(&a);
  return rc;
}

static void check_said(leat_slice expected, const char *pointer, const char *got) {
  lti_json r;
  lti_json_text text;
  leat_slice value, decoded;
  lti_alloc alloc;
  lti_buf scratch;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&scratch, &alloc, 1 << 20, LEAT_ENOMEM);
  assert_true(lti_json_find(expected, pointer, &value));
  lti_json_init(&r, value);
  assert_true(lti_json_string(&r, &text));
  assert_int_equal(lti_json_decode(text, NULL, &scratch, &decoded), LTI_OK);
  if (!lti_slice_is(decoded, got)) fail_msg("%s: %s", pointer, got);
  lti_buf_deinit(&scratch);
}

static void replay(const char *name, leat_slice expected, void *ctx) {
  static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7, 64, 4096};
  char body_name[256];
  leat_slice format, call;
  size_t *replayed = ctx;
  assert_true(lti_json_find(expected, "/format", &format));
  if (!lti_slice_is(format, "\"openai-responses\"")) return;
  size_t stem = strlen(name) - strlen(".expected.json");
  snprintf(body_name, sizeof body_name, "streams/%.*s.body", (int)stem, name);
  leat_slice body = corpora_load(body_name);
  gathered *g = malloc(sizeof *g);
  assert_non_null(g);
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    assert_int_equal(read_body(body, pieces[i], g), LEAT_OK);
    check_said(expected, "/choices/0/text", g->text);
    check_said(expected, "/choices/0/reasoning", g->reasoning);
    check_said(expected, "/choices/0/refusal", g->refusal);
    check_said(expected, "/choices/0/finish_reason", g->finish);
    bool called = lti_json_find(expected, "/choices/0/tool_calls/0", &call);
    assert_string_equal(g->calls, called ? "call_aget_weather{\"location\":\"Paris, France\"}"
                                           "call_bnow{}"
                                         : "");
  }
  free(g);
  corpora_free(body);
  (*replayed)++;
}

static void test_every_recorded_body_of_the_corpus(void **state) {
  size_t replayed = 0;
  (void)state;
  corpora_require("streams");
  corpora_each("streams", ".expected.json", replay, &replayed);
  assert_int_equal(replayed, 5);
}

static void test_an_event_stream_without_types_inside_is_read_by_its_names(void **state) {
  gathered g;
  (void)state;
  assert_int_equal(
      read_body(lti_slice_of("event: response.output_text.delta\ndata: {\"delta\":\"a\"}"
                             "\n\nevent: response.completed\ndata: {}\n\n"),
                SIZE_MAX, &g),
      LEAT_OK);
  assert_string_equal(g.text, "a");
  assert_int_equal(read_body(lti_slice_of("event: error\ndata: {\"message\":\"m\"}\n\n"), 1, &g),
                   LEAT_EAPI);
  assert_int_equal(read_body(lti_slice_of("data: [DONE]\n\n"), 1, &g), LEAT_EINCOMPLETE);
}

static void test_a_whole_response_object(void **state) {
  gathered g;
  (void)state;
  assert_int_equal(
      read_body(lti_slice_of("{\"object\":\"response\",\"status\":\"completed\",\"output\":[{"
                             "\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
                             "\"text\":\"hi\"}]}]}"),
                1, &g),
      LEAT_OK);
  assert_string_equal(g.text, "hi");
  assert_int_equal(
      read_body(lti_slice_of("{\"object\":\"response\",\"status\":\"queued\"}"), 1, &g),
      LEAT_EINCOMPLETE);
  assert_int_equal(read_body(lti_slice_of("{\"error\":{\"message\":\"m\"}}"), 1, &g), LEAT_EAPI);
}

/* ---- questions ------------------------------------------------------------------------------- */

static void test_a_body_of_the_callers(void **state) {
  const lti_protocol *p = lti_protocol_find("responses-ws");
  lti_encoded e;
  (void)state;
  assert_int_equal(p->inspect(lti_slice_of("{\"type\":\"response.create\",\"input\":\"a\"}"), &e),
                   LEAT_OK);
  assert_true(e.stream);
  assert_int_equal(p->inspect(lti_slice_of("{\"input\":\"a\"}"), &e), LEAT_EINVAL);
  assert_non_null(e.message);
  assert_int_equal(p->inspect(lti_slice_of("{\"type\""), &e), LEAT_EJSON);
  assert_string_equal(p->path, "/responses");
  assert_null(p->socket->key_header);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_text_comes_once_though_it_is_said_four_times),
      cmocka_unit_test(test_a_text_that_comes_whole_only_is_told),
      cmocka_unit_test(test_a_list_that_leaves_items_out_repeats_nothing),
      cmocka_unit_test(test_reasoning_in_both_forms_and_refusals),
      cmocka_unit_test(test_logprobs_stand_beside_their_text),
      cmocka_unit_test(test_logprobs_that_are_no_filled_array_are_none),
      cmocka_unit_test(test_js_03_halves_are_held),
      cmocka_unit_test(test_calls_are_counted_and_named_once),
      cmocka_unit_test(test_arguments_that_come_whole_only_are_told_once),
      cmocka_unit_test(test_a_delta_before_its_item_is_not_lost),
      cmocka_unit_test(test_items_without_an_index_are_known_by_their_id),
      cmocka_unit_test(test_custom_tools),
      cmocka_unit_test(test_js_05_an_index_is_never_a_size),
      cmocka_unit_test(test_js_05_items_are_bounded),
      cmocka_unit_test(test_images_partial_and_whole),
      cmocka_unit_test(test_sound_and_its_words),
      cmocka_unit_test(test_js_09_what_is_evidence_of_a_whole_answer),
      cmocka_unit_test(test_js_07_failures),
      cmocka_unit_test(test_js_07_error_events_of_every_shape),
      cmocka_unit_test(test_both_spellings_of_usage),
      cmocka_unit_test(test_counts_of_details),
      cmocka_unit_test(test_what_the_turn_before_left_is_not_this_ones),
      cmocka_unit_test(test_js_13_unknown_types_and_members_are_passed_over),
      cmocka_unit_test(test_js_04_hostile_messages),
      cmocka_unit_test(test_the_response_is_known_beside_each_event),
      cmocka_unit_test(test_every_cut_is_seen),
      cmocka_unit_test(test_every_failed_allocation_is_survived),
      cmocka_unit_test(test_every_recorded_body_of_the_corpus),
      cmocka_unit_test(test_an_event_stream_without_types_inside_is_read_by_its_names),
      cmocka_unit_test(test_a_whole_response_object),
      cmocka_unit_test(test_a_body_of_the_callers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
