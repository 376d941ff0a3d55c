/* Synthetic prompts: as long as asked, the same for the same number, unlike all others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/work/prompts.h"
#include "bench/load/work/words.h"
#include "bindings/cli/program.h"

static char *written(const prompts *p, prompts_wish wish) {
  lti_buf out;
  lti_buf_init(&out, cli_program_alloc(), (size_t)64 << 20, LEAT_EBODYMAX);
  assert_int_equal(prompts_write(p, &wish, &out), LEAT_OK);
  char *text = malloc(out.size + 1);
  assert_non_null(text);
  memcpy(text, out.data, out.size);
  text[out.size] = '\0';
  lti_buf_deinit(&out);
  return text;
}

static char *simple(const prompts *p, uint64_t index, int64_t tokens) {
  return written(p, (prompts_wish){.index = index, .tokens = tokens});
}

static size_t count_of(const char *text, char mark) {
  size_t n = 1;
  for (; *text; text++) n += *text == mark;
  return n;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_unique(const prompts *p, uint64_t count, int64_t tokens) {
  char **all = malloc(count * sizeof *all);
  assert_non_null(all);
  for (uint64_t i = 0; i < count; i++) all[i] = simple(p, i, tokens);
  qsort(all, count, sizeof *all, by_text);
  for (uint64_t i = 1; i < count; i++) assert_true(strcmp(all[i - 1], all[i]) != 0);
  for (uint64_t i = 0; i < count; i++) free(all[i]);
  free(all);
}

static void words_are_four_letters_and_all_different(void **state) {
  (void)state;
  assert_int_equal(strlen(words_text), WORDS_COUNT * WORDS_STRIDE);
  for (size_t i = 0; i < WORDS_COUNT; i++) {
    const char *word = words_text + i * WORDS_STRIDE;
    assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz"), WORDS_STRIDE - 1);
    assert_int_equal(word[WORDS_STRIDE - 1], ' ');
    for (size_t k = 0; k < i; k++)
      assert_true(memcmp(word, words_text + k * WORDS_STRIDE, WORDS_STRIDE) != 0);
  }
}

static void a_prompt_has_as_many_words_as_its_tokens_are_worth(void **state) {
  prompts p;
  (void)state;
  prompts_init(&p, 1);
  for (int64_t n = 1; n < 300; n += 7) {
    char *text = simple(&p, 5, n);
    assert_int_equal(count_of(text, ' '), n);
    free(text);
  }
  p.fixed = 20;
  p.each = 1.25;
  assert_int_equal(prompts_words(&p, 120), 80);
  assert_int_equal(prompts_words(&p, 10), 1);
  char *text = simple(&p, 5, 120);
  assert_int_equal(count_of(text, ' '), 80);
  assert_int_equal(strlen(text), 80 * 5 - 1);
  free(text);
  prompts_deinit(&p);
}

static void ten_thousand_prompts_are_all_different(void **state) {
  static const int64_t lengths[] = {2, 3, 4, 8, 200};
  prompts p;
  (void)state;
  prompts_init(&p, 9);
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
    check_unique(&p, 10000, lengths[i]);
  p.ids = true;
  assert_true(prompts_share(&p));
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
    check_unique(&p, 10000, lengths[i]);
  check_unique(&p, 10000, 1); /* there are 29,900 ids */
  prompts_deinit(&p);
}

static void turns_of_conversations_are_different_too(void **state) {
  prompts p;
  char *all[600];
  (void)state;
  prompts_init(&p, 1);
  p.turns = 3;
  for (unsigned i = 0; i < 600; i++)
    all[i] = written(&p, (prompts_wish){.index = i / 3, .turn = i % 3, .tokens = 4});
  qsort(all, 600, sizeof *all, by_text);
  for (size_t i = 1; i < 600; i++) assert_true(strcmp(all[i - 1], all[i]) != 0);
  for (size_t i = 0; i < 600; i++) free(all[i]);
  prompts_deinit(&p);
}

static void the_same_number_gives_the_same_bytes(void **state) {
  prompts a, b, other;
  (void)state;
  prompts_init(&a, 77);
  prompts_init(&b, 77);
  prompts_init(&other, 78);
  for (uint64_t i = 0; i < 100; i++) {
    char *x = simple(&a, i, 50), *y = simple(&b, i, 50), *z = simple(&other, i, 50);
    assert_string_equal(x, y);
    assert_string_not_equal(x, z);
    free(x);
    free(y);
    free(z);
  }
  prompts_deinit(&a);
  prompts_deinit(&b);
  prompts_deinit(&other);
}

static void a_shared_prefix_is_the_beginning_of_all_and_no_more(void **state) {
  prompts p;
  (void)state;
  for (int ids = 0; ids < 2; ids++) {
    prompts_init(&p, 3);
    p.ids = ids;
    p.shared = 40;
    assert_true(prompts_share(&p));
    char *first = simple(&p, 0, 100);
    char mark = ids ? ',' : ' ';
    size_t prefix = 0;
    for (int n = 0; n < 40; prefix++) n += first[prefix] == mark;
    for (uint64_t i = 1; i < 50; i++) {
      char *text = simple(&p, i, 100);
      assert_int_equal(count_of(text, mark), 100);
      assert_memory_equal(text, first, prefix);
      size_t differ = prefix;
      while (text[differ] == first[differ]) differ++;
      assert_true(differ < prefix + 24); /* its own number begins at once */
      free(text);
    }
    free(first);
    prompts_deinit(&p);
  }
}

/* Words that both begin with. */
static size_t alike(const char *a, const char *b) {
  size_t n = 0, words = 0;
  for (; a[n] && a[n] == b[n]; n++) words += a[n] == ' ';
  return a[n] == b[n] ? words + 1 : words;
}

static void blocks_of_the_same_name_are_the_same(void **state) {
  prompts p;
  (void)state;
  prompts_init(&p, 1);
  prompts_wish wish = {.index = 1, .tokens = 1300, .blocks = lti_slice_of("7,8,9")};
  char *first = written(&p, wish);
  wish = (prompts_wish){.index = 2, .tokens = 1400, .blocks = lti_slice_of("7,8,10")};
  char *second = written(&p, wish);
  wish = (prompts_wish){.index = 3, .tokens = 600, .blocks = lti_slice_of("7,8")};
  char *third = written(&p, wish);
  assert_int_equal(count_of(first, ' '), 1300);
  assert_int_equal(count_of(second, ' '), 1400);
  assert_in_range(alike(first, second), 1024, 1030);
  assert_int_equal(count_of(third, ' '), 600);
  assert_memory_equal(first, third, strlen(third));
  free(first);
  free(second);
  free(third);
  prompts_deinit(&p);
}

static void requests_of_a_session_begin_alike(void **state) {
  prompts p;
  (void)state;
  prompts_init(&p, 1);
  p.ids = true;
  assert_true(prompts_share(&p));
  prompts_wish wish = {.index = 1, .tokens = 900, .blocks = lti_slice_of("session 4")};
  char *first = written(&p, wish);
  wish = (prompts_wish){.index = 9, .tokens = 2000, .blocks = lti_slice_of("session 4")};
  char *second = written(&p, wish);
  wish = (prompts_wish){.index = 9, .tokens = 2000, .blocks = lti_slice_of("session 5")};
  char *third = written(&p, wish);
  assert_memory_equal(first, second, strlen(first) - 1); /* all but the bracket */
  assert_memory_not_equal(second, third, 100);
  free(first);
  free(second);
  free(third);
  prompts_deinit(&p);
}

static void ids_are_json_within_the_vocabulary(void **state) {
  prompts p;
  (void)state;
  prompts_init(&p, 1);
  p.ids = true;
  p.vocabulary = 1000;
  assert_true(prompts_share(&p));
  for (int64_t n = 1; n < 50; n++) {
    char *text = simple(&p, (uint64_t)n, n);
    assert_int_equal(text[0], '[');
    char *at = text + 1;
    for (int64_t i = 0; i < n; i++) {
      char *end;
      long id = strtol(at, &end, 10);
      assert_in_range(id, 100, 999);
      assert_true(end > at);
      assert_int_equal(*end, i + 1 < n ? ',' : ']');
      at = end + 1;
    }
    assert_int_equal(*at, '\0');
    free(text);
  }
  prompts_deinit(&p);
}

static void the_largest_vocabulary_is_used_to_its_end(void **state) {
  prompts p;
  long most = 0;
  (void)state;
  prompts_init(&p, 1);
  p.ids = true;
  p.vocabulary = 1000000;
  assert_true(prompts_share(&p));
  char *text = simple(&p, UINT64_MAX, 20000);
  for (char *at = text; *at != ']';) {
    long id = strtol(at + 1, &at, 10);
    most = id > most ? id : most;
  }
  assert_in_range(most, 999000, 999999);
  free(text);
  prompts_deinit(&p);
}

static void a_prompt_that_finds_no_room_is_an_error(void **state) {
  prompts p;
  lti_buf out;
  (void)state;
  prompts_init(&p, 1);
  lti_buf_init(&out, cli_program_alloc(), 100, LEAT_EBODYMAX);
  prompts_wish wish = {.tokens = 1000};
  assert_int_equal(prompts_write(&p, &wish, &out), LEAT_EBODYMAX);
  assert_int_equal(out.size, 0);
  lti_buf_deinit(&out);
  prompts_deinit(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(words_are_four_letters_and_all_different),
      cmocka_unit_test(a_prompt_has_as_many_words_as_its_tokens_are_worth),
      cmocka_unit_test(ten_thousand_prompts_are_all_different),
      cmocka_unit_test(turns_of_conversations_are_different_too),
      cmocka_unit_test(the_same_number_gives_the_same_bytes),
      cmocka_unit_test(a_shared_prefix_is_the_beginning_of_all_and_no_more),
      cmocka_unit_test(blocks_of_the_same_name_are_the_same),
      cmocka_unit_test(requests_of_a_session_begin_alike),
      cmocka_unit_test(ids_are_json_within_the_vocabulary),
      cmocka_unit_test(the_largest_vocabulary_is_used_to_its_end),
      cmocka_unit_test(a_prompt_that_finds_no_room_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
