/* What requests say: lengths, seeds, conversations, replays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/work/calibrate.h"
#include "work_scene.h"

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
      cmocka_unit_test(a_replay_brings_its_lengths),
      cmocka_unit_test(a_line_is_laid_through_what_was_measured),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
