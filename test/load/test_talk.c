/* The history of a conversation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/work/talk.h"
#include "bindings/cli/program.h"

static void check(const leat_message *m, const char *role, const char *text) {
  assert_string_equal(m->role, role);
  assert_true(lti_slice_is(m->text, text));
}

static void questions_and_answers_take_turns(void **state) {
  talk_history h;
  leat_message m[8];
  (void)state;
  talk_init(&h);
  assert_true(talk_reset(&h, 3));
  assert_int_equal(talk_ask(&h, lti_slice_of("one")), LEAT_OK);
  assert_int_equal(talk_messages(&h, m), 1);
  check(&m[0], "user", "one");
  talk_answer(&h, lti_slice_of("fi"));
  talk_answer(&h, lti_slice_of("ne"));
  assert_int_equal(talk_ask(&h, lti_slice_of("two")), LEAT_OK);
  assert_int_equal(talk_messages(&h, m), 3);
  check(&m[0], "user", "one");
  check(&m[1], "assistant", "fine");
  check(&m[2], "user", "two");
  /* An answer that said nothing is no message. */
  assert_int_equal(talk_ask(&h, lti_slice_of("three")), LEAT_OK);
  assert_int_equal(talk_messages(&h, m), 4);
  check(&m[3], "user", "three");
  talk_deinit(&h);
}

static void a_conversation_is_one_text_for_completions(void **state) {
  talk_history h;
  lti_buf out;
  (void)state;
  lti_buf_init(&out, cli_program_alloc(), 1000, LEAT_EBODYMAX);
  talk_init(&h);
  assert_true(talk_reset(&h, 2));
  assert_int_equal(talk_ask(&h, lti_slice_of("one")), LEAT_OK);
  talk_answer(&h, lti_slice_of("fine"));
  assert_int_equal(talk_ask(&h, lti_slice_of("two")), LEAT_OK);
  assert_int_equal(talk_prompt(&h, &out), LEAT_OK);
  assert_true(lti_slice_is(lti_buf_slice(&out), "one\n\nfine\n\ntwo"));
  talk_deinit(&h);
  lti_buf_deinit(&out);
}

static void what_was_said_is_forgotten_by_the_next_conversation(void **state) {
  talk_history h;
  leat_message m[8];
  (void)state;
  talk_init(&h);
  for (int i = 0; i < 3; i++) {
    assert_true(talk_reset(&h, 2 + (unsigned)i));
    assert_int_equal(talk_ask(&h, lti_slice_of("new")), LEAT_OK);
    assert_int_equal(talk_messages(&h, m), 1);
    check(&m[0], "user", "new");
    talk_answer(&h, lti_slice_of("old"));
  }
  talk_deinit(&h);
}

static void an_answer_without_end_ends_the_conversation_with_an_error(void **state) {
  static char large[1 << 20];
  talk_history h;
  (void)state;
  memset(large, 'x', sizeof large);
  talk_init(&h);
  assert_true(talk_reset(&h, 3));
  assert_int_equal(talk_ask(&h, lti_slice_of("go")), LEAT_OK);
  for (int i = 0; i < 40; i++) talk_answer(&h, lti_slice(large, sizeof large));
  assert_true(h.said.size <= TALK_BYTES_MAX);
  assert_int_equal(talk_ask(&h, lti_slice_of("more")), LEAT_EBODYMAX);
  assert_true(talk_reset(&h, 3));
  assert_true(h.said.capacity <= (size_t)1 << 17); /* large buffers are given back */
  assert_int_equal(talk_ask(&h, lti_slice_of("more")), LEAT_OK);
  talk_deinit(&h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(questions_and_answers_take_turns),
      cmocka_unit_test(a_conversation_is_one_text_for_completions),
      cmocka_unit_test(what_was_said_is_forgotten_by_the_next_conversation),
      cmocka_unit_test(an_answer_without_end_ends_the_conversation_with_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
