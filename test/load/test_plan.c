/* What options make of a work: files, templates, endpoints, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "work_scene.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_batch_file_is_sent_body_by_body),
      cmocka_unit_test(prompts_of_a_file_ask_for_answers_as_long_as_they_say),
      cmocka_unit_test(shuffled_rows_come_all_and_in_another_order),
      cmocka_unit_test(sharegpt_conversations_are_had_with_the_servers_answers),
      cmocka_unit_test(templates_fill_bodies_prompts_and_headers),
      cmocka_unit_test(many_headers_with_long_values_stay_whole),
      cmocka_unit_test(endpoints_get_what_they_usually_take),
      cmocka_unit_test(endpoints_take_bodies_and_parameters),
      cmocka_unit_test(whose_key_it_is_follows_from_the_endpoint),
      cmocka_unit_test(what_cannot_be_together_is_refused_with_a_reason),
      cmocka_unit_test(secrets_of_headers_are_not_in_what_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
