/* Templates: what holes mean, what is text, and what is refused in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asked.h"
#include "bench/load/work/stencil.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "wire/json.h"

static lti_buf filled;
static char why[STENCIL_WHY_MAX];

static const char *fill(const char *text, bool json, stencil_fill how) {
  stencil *s = stencil_open(lti_slice_of(text), "--body", json, why);
  assert_non_null(s);
  lti_buf_clear(&filled);
  assert_int_equal(stencil_write(s, &how, &filled), LEAT_OK);
  assert_int_equal(lti_buf_byte(&filled, '\0'), LEAT_OK);
  stencil_free(s);
  return filled.data;
}

static void holes_are_filled(void **state) {
  stencil_fill how = {.seed = 1, .index = 41, .turn = 2, .prompt = lti_slice_of("a \"b\"")};
  (void)state;
  setenv("LEAT_TEST_HOLE", "so\"so", 1);
  assert_string_equal(fill("", false, how), "");
  assert_string_equal(fill("plain }} { } {", false, how), "plain }} { } {");
  assert_string_equal(fill("{{index}}", false, how), "41");
  assert_string_equal(fill("<{{ index }}{{turn}}>", false, how), "<412>");
  assert_string_equal(fill("{{prompt}}!", false, how), "a \"b\"!");
  assert_string_equal(fill("\"{{prompt}}\"", true, how), "\"a \\\"b\\\"\"");
  assert_string_equal(fill("{{env LEAT_TEST_HOLE}}", false, how), "so\"so");
  assert_string_equal(fill("{{env  LEAT_TEST_HOLE }}", true, how), "so\\\"so");
  assert_string_equal(fill("{{random 5 5}}", false, how), "5");
  assert_string_equal(fill("{{random -7 -7}}", false, how), "-7");
}

static void a_backslash_makes_braces_text(void **state) {
  stencil_fill how = {.index = 3};
  (void)state;
  assert_string_equal(fill("\\{{index}}", false, how), "{{index}}");
  assert_string_equal(fill("\\{{index}} {{index}}", false, how), "{{index}} 3");
  assert_string_equal(fill("{{index}}\\{{", false, how), "3{{");
  assert_string_equal(fill("\\{{\\{{{{index}}", false, how), "{{{{3");
  assert_string_equal(fill("\\x \\\\", false, how), "\\x \\\\");
}

static void random_integers_stay_in_their_range_and_reach_its_ends(void **state) {
  int seen[7] = {0};
  (void)state;
  for (uint64_t i = 0; i < 2000; i++) {
    long x =
        strtol(fill("{{random -3 3}}", false, (stencil_fill){.seed = 1, .index = i}), NULL, 10);
    assert_in_range(x + 3, 0, 6);
    seen[x + 3]++;
  }
  for (size_t i = 0; i < 7; i++) assert_in_range(seen[i], 200, 380);
  for (uint64_t i = 0; i < 10; i++)
    fill("{{random -9223372036854775808 9223372036854775807}}", false, (stencil_fill){.index = i});
}

static void uuids_are_of_version_four_and_differ(void **state) {
  char last[40] = "";
  (void)state;
  for (uint64_t i = 0; i < 1000; i++) {
    const char *text = fill("{{uuid}}", false, (stencil_fill){.seed = 5, .index = i});
    assert_int_equal(strlen(text), 36);
    assert_int_equal(strspn(text, "0123456789abcdef-"), 36);
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
    assert_true(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
    assert_string_not_equal(text, last);
    memcpy(last, text, 37);
    assert_string_equal(fill("{{uuid}}", false, (stencil_fill){.seed = 5, .index = i}), last);
  }
}

static void two_uuids_of_one_text_differ(void **state) {
  const char *text = fill("{{uuid}} {{uuid}}", false, (stencil_fill){.seed = 5});
  (void)state;
  assert_memory_not_equal(text, text + 37, 36);
}

static void what_is_no_hole_is_refused_by_name(void **state) {
  static const struct {
    const char *text, *said;
  } cases[] = {
      {"{{", "--body: {{ is not closed by }}; \\{{ is two braces as they are"},
      {"x {{index", "--body: {{index is not closed by }}"},
      {"{{}}", "--body: {{}}: index, turn, uuid, random A B, prompt and env NAME are known"},
      {"{{idx}}", "--body: {{idx}}: index, turn, uuid"},
      {"{{index 3}}", "--body: {{index 3}}: index, turn, uuid"},
      {"{{random}}", "--body: {{random}}: write it as {{random A B}}, two integers"},
      {"{{random 1}}", "write it as {{random A B}}"},
      {"{{random 1 2 3}}", "write it as {{random A B}}"},
      {"{{random a b}}", "write it as {{random A B}}"},
      {"{{random 1 99999999999999999999}}", "write it as {{random A B}}"},
      {"{{random 2 1}}", "the first must not be above the second"},
      {"{{env}}", "write it as {{env NAME}}"},
      {"{{env LEAT_TEST_NOT_THERE}}", "the environment has no such variable"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    stencil *s = stencil_open(lti_slice_of(cases[i].text), "--body", false, why);
    assert_null(s);
    if (!strstr(why, cases[i].said)) print_error("%s gives %s\n", cases[i].text, why);
    assert_non_null(strstr(why, cases[i].said));
  }
}

static void holes_have_a_maximum(void **state) {
  lti_buf text;
  (void)state;
  lti_buf_init(&text, cli_program_alloc(), 1 << 20, LEAT_EBODYMAX);
  for (int i = 0; i < STENCIL_HOLES_MAX + 1; i++) lti_buf_text(&text, "{{index}}");
  assert_null(stencil_open(lti_buf_slice(&text), "--body", false, why));
  assert_non_null(strstr(why, "more than 1000 holes"));
  lti_buf_deinit(&text);
}

static void what_the_environment_gives_is_not_said_again(void **state) {
  char said[512];
  asked_ear ear;
  (void)state;
  setenv("LEAT_TEST_SECRET", "tell-nobody-this", 1);
  fill("{{env LEAT_TEST_SECRET}}", false, (stencil_fill){.index = 0});
  asked_listen(&ear);
  cli_say("a gateway repeats tell-nobody-this");
  asked_said(&ear, said, sizeof said);
  assert_null(strstr(said, "tell-nobody-this"));
  assert_non_null(strstr(said, "***"));
}

/* Their number is bounded, since they are looked for in every line that is said. */
static void more_secrets_than_can_be_hidden_are_refused(void **state) {
  stencil *s = NULL;
  (void)state;
  for (int i = 0; i < 100; i++) {
    char value[64];
    snprintf(value, sizeof value, "%d is a long secret", i + 100);
    setenv("LEAT_TEST_MANY", value, 1);
    s = stencil_open(lti_slice_of("{{env LEAT_TEST_MANY}}"), "--body", false, why);
    if (!s) break;
    assert_true(cli_say_is_secret(lti_slice_of(value)));
    stencil_free(s);
  }
  assert_null(s);
  assert_non_null(strstr(why, "more variables than can be kept out of reports"));
}

static void filled_json_is_json_whatever_the_prompt_says(void **state) {
  static const char hard[] = "line\nbreak \\ \"quote\" \t \x01 \xff {{index}}";
  size_t offset;
  const char *reason;
  (void)state;
  fill("{\"a\":\"{{prompt}}\",\"n\":{{index}},\"r\":{{random 1 6}}}", true,
       (stencil_fill){.prompt = lti_slice(hard, sizeof hard - 1)});
  assert_true(lti_json_valid(lti_slice(filled.data, filled.size - 1), &offset, &reason));
}

static void what_holes_there_are_can_be_asked(void **state) {
  static const struct {
    const char *text;
    bool holes, prompt;
  } cases[] = {{"", false, false},
               {"\\{{prompt}}", false, false},
               {"{{index}}", true, false},
               {"{{index}} {{prompt}}", true, true}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    stencil *s = stencil_open(lti_slice_of(cases[i].text), "--prompt", false, why);
    assert_non_null(s);
    assert_int_equal(stencil_has_holes(s), cases[i].holes);
    assert_int_equal(stencil_has_prompt(s), cases[i].prompt);
    stencil_free(s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(holes_are_filled),
      cmocka_unit_test(a_backslash_makes_braces_text),
      cmocka_unit_test(random_integers_stay_in_their_range_and_reach_its_ends),
      cmocka_unit_test(uuids_are_of_version_four_and_differ),
      cmocka_unit_test(two_uuids_of_one_text_differ),
      cmocka_unit_test(what_is_no_hole_is_refused_by_name),
      cmocka_unit_test(holes_have_a_maximum),
      cmocka_unit_test(what_the_environment_gives_is_not_said_again),
      cmocka_unit_test(filled_json_is_json_whatever_the_prompt_says),
      cmocka_unit_test(what_holes_there_are_can_be_asked),
      cmocka_unit_test(more_secrets_than_can_be_hidden_are_refused), /* last: they stay */
  };
  lti_buf_init(&filled, cli_program_alloc(), (size_t)1 << 20, LEAT_EBODYMAX);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lti_buf_deinit(&filled);
  return failed;
}
