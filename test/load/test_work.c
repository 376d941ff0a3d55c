/* What requests say, from the options to what would be sent. Each request is encoded as the engine
 * would encode it, so that what is looked at are bytes of bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asked.h"
#include "bench/load/work/calibrate.h"
#include "bench/load/work/work.h"
#include "bindings/cli/program.h"
#include "protocol.h"
#include "wire/json.h"

#define WORDS_MAX 40

/* A work from words, which may hold blanks, and one hand. */
typedef struct scene {
  char *words[WORDS_MAX];
  int count;
  cli_options options;
  shape_spec spec;
  work *work;
  work_hand *hand;
  lti_buf body;
} scene;

static bool open_scene(scene *s, const char *const *words) {
  memset(s, 0, sizeof *s);
  for (; words[s->count]; s->count++) s->words[s->count] = strdup(words[s->count]);
  assert_int_equal(cli_options_parse(&s->options, CLI_LOAD, s->count, s->words), CLI_PARSED_OK);
  lti_buf_init(&s->body, cli_program_alloc(), (size_t)64 << 20, LEAT_EBODYMAX);
  s->work = work_open(&s->options, &s->spec);
  s->hand = s->work ? work_hand_new(s->work) : NULL;
  return s->work != NULL;
}

static void close_scene(scene *s) {
  work_hand_free(s->hand);
  work_free(s->work);
  cli_options_free(&s->options);
  lti_buf_deinit(&s->body);
  for (int i = 0; i < s->count; i++) free(s->words[i]);
}

#define SCENE(s, ...) assert_true(open_scene(s, (const char *const[]){__VA_ARGS__, NULL}))

/* The body that would be sent, with a NUL behind it. */
static const char *body_of(scene *s, const work_item *item) {
  const leat_request *q = &item->request;
  lti_encoded encoded;
  lti_buf_clear(&s->body);
  if (item->kind == WORK_TASK) {
    assert_int_equal(lti_buf_append(&s->body, item->task.body), LEAT_OK);
  } else if (q->chat) {
    const char *name = s->options.protocol ? s->options.protocol : "openai-chat";
    const leat_endpoint *row = q->endpoint ? leat_endpoint_find(NULL, q->endpoint) : NULL;
    const lti_protocol *p = lti_protocol_find(row ? row->protocol : name);
    int r = p->encode(q->chat, &s->body, &encoded);
    if (r != LEAT_OK) print_error("%s\n", encoded.message);
    assert_int_equal(r, LEAT_OK);
  } else {
    assert_int_equal(lti_buf_append(&s->body, q->body), LEAT_OK);
  }
  assert_int_equal(lti_buf_byte(&s->body, '\0'), LEAT_OK);
  return s->body.data;
}

/* The first turn of a conversation. */
static const char *first(scene *s, uint64_t index, work_item *item) {
  int failed;
  work_talk *t = work_begin(s->hand, index, NULL);
  assert_non_null(t);
  assert_true(work_turn(t, item, &failed));
  assert_int_equal(failed, LEAT_OK);
  const char *body = body_of(s, item);
  work_end(t);
  return body;
}

static char *text_at(const char *body, const char *pointer) {
  leat_slice value;
  if (!lti_json_find(lti_slice_of(body), pointer, &value)) return strdup("");
  return strndup(value.data, value.size);
}

static void check_at(const char *body, const char *pointer, const char *wanted) {
  char *text = text_at(body, pointer);
  if (strcmp(text, wanted) != 0) print_error("%s of %s\n", pointer, body);
  assert_string_equal(text, wanted);
  free(text);
}

static size_t words_at(const char *body, const char *pointer, char mark) {
  char *text = text_at(body, pointer);
  size_t n = *text ? 1 : 0;
  for (const char *at = text; *at; at++) n += *at == mark;
  free(text);
  return n;
}

/* --- all alike --- */

static void without_a_wish_all_ask_the_same(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--model", "m", "--max-tokens", "5");
  assert_string_equal(first(&s, 0, &item),
                      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
                      "\"Say a few words about water.\"}],\"stream\":true,\"stream_options\":"
                      "{\"include_usage\":true},\"max_tokens\":5}");
  assert_int_equal(item.input_wanted, -1);
  assert_int_equal(item.output_wanted, -1);
  assert_int_equal(work_count(s.work), UINT64_MAX);
  close_scene(&s);
}

static void a_body_goes_out_as_it_is(void **state) {
  static const char body[] = "{ \"model\":\"x\", \"odd\" : 1e3 }";
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--body", body);
  assert_string_equal(first(&s, 7, &item), body);
  close_scene(&s);
}

static void usage_is_asked_for_unless_it_is_not_wanted(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--model", "m", "--no-usage", "--input-tokens", "4");
  check_at(first(&s, 0, &item), "/stream_options", "");
  close_scene(&s);
}

/* --- made prompts --- */

static void prompts_and_answers_have_the_lengths_that_were_asked_for(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--model", "m", "--input-tokens", "50", "--output-tokens", "9", "--extra-body",
        "{\"ignore_eos\":true}");
  const char *body = first(&s, 3, &item);
  assert_int_equal(words_at(body, "/messages/0/content", ' '), 50);
  check_at(body, "/max_tokens", "9");
  check_at(body, "/ignore_eos", "true");
  assert_int_equal(item.input_wanted, 50);
  assert_int_equal(item.output_wanted, 9);
  close_scene(&s);
}

static void token_ids_are_exact(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--model", "m", "--protocol", "openai-completions", "--input-tokens", "50",
        "--output-tokens", "9", "--temperature", "0", "--extra-body", "{\"prompt2\":\"@\"}");
  const char *body = first(&s, 3, &item);
  assert_int_equal(words_at(body, "/prompt", ','), 50);
  assert_true(body[strlen(body) - 1] == '}' && lti_json_valid(lti_slice_of(body), NULL, NULL));
  check_at(body, "/max_tokens", "9");
  check_at(body, "/temperature", "0");
  check_at(body, "/stream", "true");
  check_at(body, "/stream_options/include_usage", "true");
  check_at(body, "/model", "\"m\"");
  check_at(body, "/prompt2", "\"@\"");
  close_scene(&s);
}

static void every_dialect_says_the_lengths_in_its_own_words(void **state) {
  static const struct {
    const char *protocol, *limit, *prompt;
  } cases[] = {
      {"openai-chat", "/max_tokens", "/messages/0/content"},
      {"openai-responses", "/max_output_tokens", "/input/0/content"},
      {"anthropic", "/max_tokens", "/messages/0/content"},
      {"gemini", "/generationConfig/maxOutputTokens", "/contents/0/parts/0/text"},
      {"chat-ws", "/max_tokens", "/messages/0/content"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    scene s;
    work_item item;
    SCENE(&s, "--model", "m", "--protocol", cases[i].protocol, "--input-tokens", "20",
          "--output-tokens", "9");
    const char *body = first(&s, 3, &item);
    check_at(body, cases[i].limit, "9");
    assert_int_equal(words_at(body, cases[i].prompt, ' '), 20);
    close_scene(&s);
  }
}

/* The same bodies whatever hand, order or length of history. */
static void the_same_seed_and_number_give_the_same_bytes_in_any_hand(void **state) {
  scene a, b;
  work_item item;
  (void)state;
  SCENE(&a, "--model", "m", "--input-tokens", "50,20", "--output-tokens", "90,30", "--seed", "5");
  SCENE(&b, "--model", "m", "--input-tokens", "50,20", "--output-tokens", "90,30", "--seed", "5");
  for (uint64_t i = 0; i < 200; i++) {
    work_hand *other = work_hand_new(b.work);
    work_hand *kept = b.hand;
    char *one = strdup(first(&a, 199 - i, &item));
    int64_t input = item.input_wanted, output = item.output_wanted;
    if (i % 2) b.hand = other;
    assert_string_equal(first(&b, 199 - i, &item), one);
    assert_int_equal(item.input_wanted, input);
    assert_int_equal(item.output_wanted, output);
    b.hand = kept;
    work_hand_free(other);
    free(one);
  }
  close_scene(&a);
  close_scene(&b);
}

static void conversations_that_run_at_once_do_not_mix(void **state) {
  scene s;
  work_item item;
  char *alone[20];
  int failed;
  (void)state;
  SCENE(&s, "--model", "m", "--input-tokens", "20,5", "--turns", "2");
  for (uint64_t i = 0; i < 20; i++) {
    work_talk *t = work_begin(s.hand, i, NULL);
    assert_true(work_turn(t, &item, &failed));
    work_answer(t, lti_slice_of("answer"));
    assert_true(work_turn(t, &item, &failed));
    alone[i] = strdup(body_of(&s, &item));
    work_end(t);
  }
  work_talk *talks[20];
  for (uint64_t i = 0; i < 20; i++) {
    talks[i] = work_begin(s.hand, i, NULL);
    assert_true(work_turn(talks[i], &item, &failed));
  }
  for (uint64_t i = 20; i-- > 0;) work_answer(talks[i], lti_slice_of("ans"));
  for (uint64_t i = 0; i < 20; i++) work_answer(talks[i], lti_slice_of("wer"));
  for (uint64_t i = 20; i-- > 0;) {
    assert_true(work_turn(talks[i], &item, &failed));
    assert_string_equal(body_of(&s, &item), alone[i]);
    assert_false(item.wants_answer);
    assert_false(work_turn(talks[i], &item, &failed));
    assert_int_equal(failed, LEAT_OK);
    work_end(talks[i]);
    free(alone[i]);
  }
  close_scene(&s);
}

/* --- conversations --- */

static void turns_carry_all_that_was_said(void **state) {
  scene s;
  work_item item;
  int failed;
  (void)state;
  SCENE(&s, "--model", "m", "--turns", "3", "--prompt", "why?", "--system", "be brief");
  work_talk *t = work_begin(s.hand, 0, NULL);
  assert_true(work_turn(t, &item, &failed));
  assert_true(item.wants_answer && !item.keeps_socket && item.turn == 0);
  work_answer(t, lti_slice_of("be"));
  work_answer(t, lti_slice_of("cause"));
  assert_true(work_turn(t, &item, &failed));
  assert_true(item.wants_answer && item.turn == 1);
  const char *body = body_of(&s, &item);
  check_at(body, "/messages/0/content", "\"be brief\"");
  check_at(body, "/messages/1/content", "\"why?\"");
  check_at(body, "/messages/2/role", "\"assistant\"");
  check_at(body, "/messages/2/content", "\"because\"");
  check_at(body, "/messages/3/content", "\"why?\"");
  assert_true(work_turn(t, &item, &failed));
  assert_false(item.wants_answer);
  assert_false(work_turn(t, &item, &failed));
  work_end(t);
  close_scene(&s);
}

static void turns_over_a_socket_share_it(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--model", "m", "--turns", "2", "--protocol", "chat-ws");
  first(&s, 0, &item);
  assert_true(item.keeps_socket);
  close_scene(&s);
  SCENE(&s, "--model", "m", "--protocol", "chat-ws");
  first(&s, 0, &item);
  assert_false(item.keeps_socket);
  close_scene(&s);
}

/* A server that remembers is told the new question alone. */
static void realtime_turns_say_only_what_is_new(void **state) {
  scene s;
  work_item item;
  int failed;
  (void)state;
  SCENE(&s, "--model", "m", "--turns", "2", "--protocol", "realtime", "--prompt", "why?");
  work_talk *t = work_begin(s.hand, 0, NULL);
  assert_true(work_turn(t, &item, &failed));
  char *one = strdup(body_of(&s, &item));
  work_answer(t, lti_slice_of("because"));
  assert_true(work_turn(t, &item, &failed));
  assert_string_equal(body_of(&s, &item), one);
  assert_true(item.keeps_socket && !item.wants_answer);
  work_end(t);
  free(one);
  close_scene(&s);
}

static void completions_get_a_conversation_as_one_prompt(void **state) {
  scene s;
  work_item item;
  int failed;
  (void)state;
  SCENE(&s, "--model", "m", "--turns", "2", "--protocol", "openai-completions", "--prompt", "why?");
  work_talk *t = work_begin(s.hand, 0, NULL);
  assert_true(work_turn(t, &item, &failed));
  work_answer(t, lti_slice_of("because"));
  assert_true(work_turn(t, &item, &failed));
  check_at(body_of(&s, &item), "/prompt", "\"why?\\n\\nbecause\\n\\nwhy?\"");
  work_end(t);
  close_scene(&s);
}

/* --- files --- */

static char file_name[64];

static const char *file_of(const char *text) {
  snprintf(file_name, sizeof file_name, "leat_work_XXXXXX");
  int fd = mkstemp(file_name);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  return file_name;
}

static void a_batch_file_is_sent_body_by_body(void **state) {
  static const char text[] =
      "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":"
      "{\"model\":\"x\",\"messages\":[],\"max_completion_tokens\":5}}\n"
      "{\"custom_id\":\"b\",\"url\":\"/v1/"
      "embeddings\",\"body\":{\"model\":\"x\",\"input\":\"a\"}}\n"
      "{\"custom_id\":\"c\",\"url\":\"/v1/responses\",\"body\":{\"model\":\"x\",\"input\":\"a\"}}\n"
      "{\"custom_id\":\"d\",\"url\":\"/v1/video/generations\",\"body\":{\"prompt\":\"a\"}}\n";
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--dataset", file_of(text), "--model", "m", "--output-tokens", "9");
  assert_int_equal(work_count(s.work), 4);
  assert_string_equal(first(&s, 0, &item),
                      "{\"messages\":[],\"model\":\"m\",\"stream\":true,\"stream_options\":"
                      "{\"include_usage\":true},\"max_completion_tokens\":9}");
  assert_string_equal(item.request.endpoint, "chat.completions");
  assert_string_equal(first(&s, 1, &item), "{\"input\":\"a\",\"model\":\"m\"}");
  assert_string_equal(item.request.endpoint, "embeddings.create");
  assert_string_equal(first(&s, 2, &item),
                      "{\"input\":\"a\",\"model\":\"m\",\"stream\":true,\"max_output_tokens\":9}");
  assert_string_equal(first(&s, 3, &item), "{\"prompt\":\"a\",\"model\":\"m\"}");
  assert_int_equal(item.kind, WORK_TASK);
  assert_string_equal(item.task.endpoint, "video.generate");
  char *again = strdup(first(&s, 4, &item)); /* it begins anew */
  assert_string_equal(first(&s, 0, &item), again);
  free(again);
  close_scene(&s);
  SCENE(&s, "--dataset", file_name, "--protocol", "openai-chat", "--no-stream");
  check_at(first(&s, 0, &item), "/stream", "false");
  check_at(first(&s, 0, &item), "/model", "\"x\"");
  assert_null(item.request.endpoint);
  close_scene(&s);
  unlink(file_name);
}

static void prompts_of_a_file_ask_for_answers_as_long_as_they_say(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--dataset", file_of("{\"prompt\":\"one\",\"output_tokens\":3}\n{\"prompt\":\"two\"}"),
        "--model", "m", "--system", "brief");
  const char *body = first(&s, 0, &item);
  check_at(body, "/messages/0/content", "\"brief\"");
  check_at(body, "/messages/1/content", "\"one\"");
  check_at(body, "/max_tokens", "3");
  check_at(first(&s, 1, &item), "/max_tokens", "");
  close_scene(&s);
  SCENE(&s, "--dataset", file_name, "--model", "m", "--output-tokens", "8");
  check_at(first(&s, 0, &item), "/max_tokens", "8");
  close_scene(&s);
  unlink(file_name);
}

static void shuffled_rows_come_all_and_in_another_order(void **state) {
  char text[4096] = "", seen[60] = "";
  int in_place = 0;
  scene s;
  work_item item;
  (void)state;
  for (unsigned i = 0; i < 60; i++) {
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "{\"prompt\":\"%u\"}\n", i);
  }
  SCENE(&s, "--dataset", file_of(text), "--model", "m", "--dataset-order", "shuffle");
  for (unsigned i = 0; i < 60; i++) {
    char *prompt = text_at(first(&s, i, &item), "/messages/0/content");
    unsigned row = (unsigned)strtoul(prompt + 1, NULL, 10);
    assert_int_equal(seen[row]++, 0);
    in_place += row == i;
    free(prompt);
  }
  assert_true(in_place < 20);
  close_scene(&s);
  unlink(file_name);
}

static void sharegpt_conversations_are_had_with_the_servers_answers(void **state) {
  static const char text[] =
      "[{\"conversations\":[{\"from\":\"system\",\"value\":\"s\"},{\"from\":\"human\",\"value\":"
      "\"q1\"}"
      ",{\"from\":\"gpt\",\"value\":\"theirs\"},{\"from\":\"human\",\"value\":\"q2\"}]},"
      "{\"conversations\":[{\"from\":\"human\",\"value\":\"q3\"}]}]";
  scene s;
  work_item item;
  int failed;
  (void)state;
  SCENE(&s, "--dataset", file_of(text), "--model", "m");
  work_talk *t = work_begin(s.hand, 0, NULL);
  assert_true(work_turn(t, &item, &failed));
  assert_true(item.wants_answer);
  work_answer(t, lti_slice_of("ours"));
  assert_true(work_turn(t, &item, &failed));
  const char *body = body_of(&s, &item);
  check_at(body, "/messages/0/content", "\"s\"");
  check_at(body, "/messages/1/content", "\"q1\"");
  check_at(body, "/messages/2/content", "\"ours\"");
  check_at(body, "/messages/3/content", "\"q2\"");
  assert_false(work_turn(t, &item, &failed));
  work_end(t);
  t = work_begin(s.hand, 1, NULL);
  assert_true(work_turn(t, &item, &failed));
  assert_false(item.wants_answer);
  assert_false(work_turn(t, &item, &failed));
  work_end(t);
  close_scene(&s);
  SCENE(&s, "--dataset", file_name, "--model", "m", "--turns", "1");
  first(&s, 0, &item);
  assert_false(item.wants_answer);
  close_scene(&s);
  unlink(file_name);
}

/* --- templates --- */

static void templates_fill_bodies_prompts_and_headers(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(
      &s, "--template", "--input-tokens", "5", "--body",
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"{{index}}: {{prompt}}\"}]}",
      "--header", "x-id: n{{index}}", "--header", "x-plain: a", "--output-tokens", "4");
  const char *body = first(&s, 12, &item);
  assert_int_equal(words_at(body, "/messages/0/content", ' '), 6);
  check_at(body, "/stream_options/include_usage", "true");
  check_at(body, "/max_tokens", "4");
  assert_int_equal(item.request.header_count, 1);
  assert_true(lti_slice_is(item.request.headers[0].name, "x-id"));
  assert_true(lti_slice_is(item.request.headers[0].value, "n12"));
  close_scene(&s);
  SCENE(&s, "--template", "--model", "m", "--prompt", "say {{random 3 3}} about {{prompt}}");
  check_at(first(&s, 0, &item), "/messages/0/content",
           "\"say 3 about Say a few words about water.\"");
  close_scene(&s);
}

static void many_headers_with_long_values_stay_whole(void **state) {
  scene s;
  work_item item;
  char wanted[64];
  (void)state;
  SCENE(&s, "--template", "--model", "m", "--header", "a: {{uuid}}{{uuid}}{{uuid}}{{uuid}}",
        "--header", "b: {{index}}", "--header", "c: {{uuid}}{{uuid}}{{uuid}}", "--header",
        "d: {{turn}}");
  for (uint64_t i = 0; i < 5; i++) {
    first(&s, 1000000 * i, &item);
    assert_int_equal(item.request.headers[0].value.size, 4 * 36);
    snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)(1000000 * i));
    assert_true(lti_slice_is(item.request.headers[1].value, wanted));
    assert_int_equal(item.request.headers[2].value.size, 3 * 36);
    assert_true(lti_slice_is(item.request.headers[3].value, "0"));
  }
  close_scene(&s);
}

/* --- endpoints --- */

static void endpoints_get_what_they_usually_take(void **state) {
  static const struct {
    const char *name, *body;
    enum work_kind kind;
  } cases[] = {
      {"embeddings.create", "{\"input\":\"hi\",\"model\":\"m\"}", WORK_REQUEST},
      {"images.generate", "{\"prompt\":\"hi\",\"model\":\"m\"}", WORK_REQUEST},
      {"video.generate", "{\"prompt\":\"hi\",\"model\":\"m\"}", WORK_TASK},
      {"models.list", "", WORK_REQUEST},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    scene s;
    work_item item;
    SCENE(&s, "--endpoint", cases[i].name, "--model", "m", "--prompt", "hi");
    assert_string_equal(first(&s, 0, &item), cases[i].body);
    assert_int_equal(item.kind, cases[i].kind);
    const char *name = item.kind == WORK_TASK ? item.task.endpoint : item.request.endpoint;
    assert_string_equal(name, cases[i].name);
    close_scene(&s);
  }
}

static void endpoints_take_bodies_and_parameters(void **state) {
  scene s;
  work_item item;
  (void)state;
  SCENE(&s, "--endpoint", "gemini.embed", "--model", "m", "--body", "{\"content\":1}");
  assert_string_equal(first(&s, 0, &item), "{\"content\":1}");
  assert_string_equal(item.request.model, "m");
  close_scene(&s);
  SCENE(&s, "--endpoint", "models.get", "--param", "model=a b", "--auth", "x-api-key");
  first(&s, 0, &item);
  assert_int_equal(item.request.param_count, 1);
  assert_string_equal(item.request.params[0].name, "model");
  assert_string_equal(item.request.params[0].value, "a b");
  assert_int_equal(item.request.auth, LEAT_AUTH_X_API_KEY);
  close_scene(&s);
  SCENE(&s, "--endpoint", "messages.create", "--model", "m", "--input-tokens", "9");
  assert_int_equal(words_at(first(&s, 0, &item), "/messages/0/content", ' '), 9);
  close_scene(&s);
}

static void whose_key_it_is_follows_from_the_endpoint(void **state) {
  static const struct {
    const char *endpoint, *provider;
  } cases[] = {{"messages.create", "anthropic"},
               {"messages.count_tokens", "anthropic"},
               {"gemini.embed", "gemini"},
               {"chat.completions", "openai-chat"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cli_options o;
    memset(&o, 0, sizeof o);
    o.load.endpoint = cases[i].endpoint;
    assert_string_equal(work_provider(&o), cases[i].provider);
  }
}

/* --- replays --- */

static void a_replay_brings_its_lengths(void **state) {
  scene s;
  work_item item;
  int failed;
  (void)state;
  memset(&s, 0, sizeof s);
  s.spec.kind = RESULT_REPLAY;
  char *words[] = {strdup("--model"), strdup("m")};
  assert_int_equal(cli_options_parse(&s.options, CLI_LOAD, 2, words), CLI_PARSED_OK);
  lti_buf_init(&s.body, cli_program_alloc(), (size_t)1 << 20, LEAT_EBODYMAX);
  s.work = work_open(&s.options, &s.spec);
  s.hand = work_hand_new(s.work);
  shape_start start = {
      .index = 4, .input_tokens = 700, .output_tokens = 33, .prefix = lti_slice_of("5,6")};
  work_talk *t = work_begin(s.hand, 4, &start);
  assert_true(work_turn(t, &item, &failed));
  char *one = strdup(body_of(&s, &item));
  assert_int_equal(words_at(one, "/messages/0/content", ' '), 700);
  check_at(one, "/max_tokens", "33");
  assert_int_equal(item.input_wanted, 700);
  work_end(t);
  start.index = 5;
  t = work_begin(s.hand, 5, &start);
  assert_true(work_turn(t, &item, &failed));
  assert_string_equal(body_of(&s, &item), one); /* of the same blocks */
  work_end(t);
  free(one);
  close_scene(&s);
  free(words[0]);
  free(words[1]);
}

/* --- what cannot be --- */

static void what_cannot_be_together_is_refused_with_a_reason(void **state) {
  static const struct {
    const char *words[10], *said;
  } cases[] = {
      {{"--input-tokens", "9", "--prompt", "a"}, "--input-tokens: the prompt is given already"},
      {{"--input-tokens", "9", "--body", "{}"}, "--input-tokens: the prompt is given already"},
      {{"--input-tokens", "x"}, "write it as M or M,SD"},
      {{"--output-tokens", "9", "--max-tokens", "3"}, "--output-tokens: it is what --max-tokens"},
      {{"--output-tokens", "9", "--body", "{}"}, "--output-tokens: --body is the whole request"},
      {{"--output-tokens", "9", "--endpoint", "embeddings.create"},
       "--output-tokens: this endpoint"},
      {{"--shared-prefix-tokens", "9"}, "--shared-prefix-tokens: it needs --input-tokens"},
      {{"--shared-prefix-tokens", "9", "--input-tokens", "9"}, "it must be less than"},
      {{"--tokens-by", "usage"}, "--tokens-by: no prompts are made"},
      {{"--tokens-by", "ids", "--input-tokens", "9"}, "only --protocol openai-completions takes"},
      {{"--vocabulary", "1000", "--input-tokens", "9"}, "--vocabulary: no token ids are sent"},
      {{"--dataset-order", "shuffle"}, "--dataset-order: there is no --dataset"},
      {{"--dataset", "no/such/file"}, "no/such/file"},
      {{"--turns", "2", "--body", "{}"}, "--turns: a body is whole"},
      {{"--turns", "2", "--protocol", "openai-completions", "--tokens-by", "ids", "--input-tokens",
        "9"},
       "--turns: answers come as text"},
      {{"--template"}, "--template: there is no --body"},
      {{"--template", "--body", "{\"a\":{{index}}"}, "is no JSON, at byte"},
      {{"--template", "--body", "[{{index}}]"}, "is no JSON object"},
      {{"--template", "--body", "{\"a\":{{index}}}", "--system", "x"}, "--system: bodies are sent"},
      {{"--template", "--header", "a: {{prompt}}"}, "--header: {{prompt}} is for bodies"},
      {{"--template", "--prompt", "{{nothing}}"}, "--prompt: {{nothing}}: index, turn"},
      {{"--endpoint", "realtime.connect"}, "is a WebSocket: use --protocol chat-ws"},
      {{"--endpoint", "images.edit"}, "takes a form, which load cannot send"},
      {{"--endpoint", "embeddings.creat"}, "did you mean embeddings.create"},
      {{"--endpoint", "gemini.embed"}, "give --model NAME"},
      {{"--endpoint", "chat.completions", "--protocol", "anthropic"}, "leave out --protocol"},
      {{"--endpoint", "chat.completions", "--chat-path", "/x"}, "leave out --chat-path"},
      {{"--endpoint", "rerank.create"}, "say what to send with --body or --dataset"},
      {{"--endpoint", "models.list", "--body", "{}"}, "takes no body"},
      {{"--endpoint", "models.get", "--model", "m", "--param", "x"}, "write it as NAME=TEXT"},
      {{"--param", "a=b"}, "--param stands in the path of an --endpoint"},
      {{"--protocol", "json"}, "takes a --body, or a --dataset of bodies"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    scene s;
    char heard[2048];
    asked_ear ear;
    asked_listen(&ear);
    bool opened = open_scene(&s, cases[i].words);
    asked_said(&ear, heard, sizeof heard);
    if (opened || !strstr(heard, cases[i].said))
      print_error("%s %s: %s\n", cases[i].words[0], cases[i].words[1], heard);
    assert_false(opened);
    assert_non_null(strstr(heard, cases[i].said));
    close_scene(&s);
  }
}

static void secrets_of_headers_are_not_in_what_is_said(void **state) {
  char heard[2048];
  asked_ear ear;
  scene s;
  (void)state;
  setenv("LEAT_TEST_KEY", "sk-never-shown", 1);
  asked_listen(&ear);
  bool opened =
      open_scene(&s, (const char *const[]){"--template", "--header", "x-key: {{env LEAT_TEST_KEY}}",
                                           "--body", "{\"a\":\"{{env LEAT_TEST_KEY}}", NULL});
  asked_said(&ear, heard, sizeof heard);
  assert_false(opened);
  assert_non_null(strstr(heard, "is no JSON"));
  assert_null(strstr(heard, "sk-never-shown"));
  close_scene(&s);
}

/* --- calibration's line --- */

static void a_line_is_laid_through_what_was_measured(void **state) {
  static const double words[] = {25, 50, 100}, tokens[] = {51, 83, 145}, flat[] = {7, 7, 7};
  double fixed, each;
  (void)state;
  assert_true(calibrate_fit(words, tokens, 3, &fixed, &each));
  assert_true(each > 1.24 && each < 1.27 && fixed > 19 && fixed < 21);
  assert_false(calibrate_fit(words, flat, 3, &fixed, &each));
  assert_false(calibrate_fit(flat, tokens, 3, &fixed, &each));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_a_wish_all_ask_the_same),
      cmocka_unit_test(a_body_goes_out_as_it_is),
      cmocka_unit_test(usage_is_asked_for_unless_it_is_not_wanted),
      cmocka_unit_test(prompts_and_answers_have_the_lengths_that_were_asked_for),
      cmocka_unit_test(token_ids_are_exact),
      cmocka_unit_test(every_dialect_says_the_lengths_in_its_own_words),
      cmocka_unit_test(the_same_seed_and_number_give_the_same_bytes_in_any_hand),
      cmocka_unit_test(conversations_that_run_at_once_do_not_mix),
      cmocka_unit_test(turns_carry_all_that_was_said),
      cmocka_unit_test(turns_over_a_socket_share_it),
      cmocka_unit_test(realtime_turns_say_only_what_is_new),
      cmocka_unit_test(completions_get_a_conversation_as_one_prompt),
      cmocka_unit_test(a_batch_file_is_sent_body_by_body),
      cmocka_unit_test(prompts_of_a_file_ask_for_answers_as_long_as_they_say),
      cmocka_unit_test(shuffled_rows_come_all_and_in_another_order),
      cmocka_unit_test(sharegpt_conversations_are_had_with_the_servers_answers),
      cmocka_unit_test(templates_fill_bodies_prompts_and_headers),
      cmocka_unit_test(many_headers_with_long_values_stay_whole),
      cmocka_unit_test(endpoints_get_what_they_usually_take),
      cmocka_unit_test(endpoints_take_bodies_and_parameters),
      cmocka_unit_test(whose_key_it_is_follows_from_the_endpoint),
      cmocka_unit_test(a_replay_brings_its_lengths),
      cmocka_unit_test(what_cannot_be_together_is_refused_with_a_reason),
      cmocka_unit_test(secrets_of_headers_are_not_in_what_is_said),
      cmocka_unit_test(a_line_is_laid_through_what_was_measured),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
