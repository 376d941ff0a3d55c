/* Data sets: their forms, their rows, and what is said of rows that cannot be used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asked.h"
#include "bench/load/work/dataset.h"
#include "bindings/cli/program.h"

static lti_buf scratch, out;
static char why[DATASET_WHY_MAX];

static const char *said(void) {
  assert_int_equal(lti_buf_byte(&out, '\0'), LEAT_OK);
  out.size--;
  return out.data;
}

static const char *question(const dataset *d, uint64_t i, uint32_t turn) {
  dataset_row row;
  dataset_read(d, i, &row);
  lti_buf_clear(&out);
  assert_int_equal(dataset_question(d, &row, turn, &scratch, &out), LEAT_OK);
  return said();
}

static void prompts_are_read_with_the_lengths_of_their_answers(void **state) {
  static const char text[] =
      "\xef\xbb\xbf"
      "{\"prompt\":\"one\"}\n"
      "\r\n  \n"
      " {\"output_tokens\":100,\"prompt\":\"t\\u0077o\\n\",\"id\":[1,{\"prompt\":2}]}\r\n"
      "{\"prompt\":\"three\",\"output_tokens\":1}";
  dataset_row row;
  (void)state;
  dataset *d = dataset_of(lti_slice(text, sizeof text - 1), "x.jsonl", true, why);
  assert_non_null(d);
  assert_int_equal(dataset_kind(d), DATASET_PROMPTS);
  assert_int_equal(dataset_count(d), 3);
  assert_int_equal(dataset_turns_max(d), 1);
  assert_string_equal(question(d, 0, 0), "one");
  assert_string_equal(question(d, 1, 0), "two\n");
  assert_string_equal(question(d, 2, 0), "three");
  dataset_read(d, 0, &row);
  assert_int_equal(row.output_tokens, -1);
  dataset_read(d, 1, &row);
  assert_int_equal(row.output_tokens, 100);
  dataset_read(d, 2, &row);
  assert_int_equal(row.output_tokens, 1);
  dataset_close(d);
}

static void lists_of_messages_are_handed_on_as_they_stand(void **state) {
  static const char text[] = "{\"messages\":[{\"role\":\"user\", \"content\":\"a\"}]}\n";
  dataset_row row;
  (void)state;
  dataset *d = dataset_of(lti_slice_of(text), "x", true, why);
  assert_non_null(d);
  assert_int_equal(dataset_kind(d), DATASET_MESSAGES);
  dataset_read(d, 0, &row);
  assert_true(lti_slice_is(row.content, "[{\"role\":\"user\", \"content\":\"a\"}]"));
  dataset_close(d);
}

static void bodies_go_where_their_lines_say(void **state) {
  static const char text[] =
      "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/"
      "completions\",\"body\":{\"a\":1}}\n"
      "{\"custom_id\":\"b\",\"url\":\"\\/v1\\/embeddings\",\"body\":{\"b\":2}}\n"
      "{\"custom_id\":\"c\",\"url\":\"/v1/video/generations\",\"body\":{}}\n";
  dataset_row row;
  (void)state;
  dataset *d = dataset_of(lti_slice_of(text), "x", true, why);
  assert_non_null(d);
  assert_int_equal(dataset_kind(d), DATASET_BODIES);
  dataset_read(d, 0, &row);
  assert_string_equal(row.endpoint->protocol, "openai-chat");
  assert_true(lti_slice_is(row.content, "{\"a\":1}"));
  dataset_read(d, 1, &row);
  assert_string_equal(row.endpoint->name, "embeddings.create");
  dataset_read(d, 2, &row);
  assert_int_equal(row.endpoint->reply, LEAT_REPLY_KIND_TASK);
  dataset_close(d);
}

static void bodies_need_no_url_where_options_say_where_they_go(void **state) {
  dataset_row row;
  (void)state;
  dataset *d = dataset_of(lti_slice_of("{\"body\":{\"x\":1}}\n{\"url\":\"/no/such\",\"body\":{}}"),
                          "x", false, why);
  assert_non_null(d);
  dataset_read(d, 1, &row);
  assert_null(row.endpoint);
  dataset_close(d);
}

static const char sharegpt[] =
    "[\n"
    " {\"id\":\"1\",\"conversations\":[{\"from\":\"human\",\"value\":\"Hi \\\"you\\\"\"},\n"
    "   "
    "{\"from\":\"gpt\",\"value\":\"hello\"},{\"value\":\"more?\",\"from\":\"user\",\"x\":{}}]},\n"
    " {\"id\":\"2\",\"conversations\":[{\"from\":\"gpt\",\"value\":\"hello\"}]},\n"
    " {\"id\":\"3\",\"conversations\":[]},\n"
    " {\"conversations\":[{\"role\":\"system\",\"content\":\"be brief\"},"
    "{\"role\":\"human\",\"content\":\"well\"}]}\n"
    "]\n";

static void conversations_are_the_questions_of_sharegpt(void **state) {
  dataset_row row;
  (void)state;
  dataset *d = dataset_of(lti_slice_of(sharegpt), "x.json", true, why);
  assert_non_null(d);
  assert_int_equal(dataset_kind(d), DATASET_TALKS);
  assert_int_equal(dataset_count(d), 2);
  assert_int_equal(dataset_skipped(d), 2);
  assert_int_equal(dataset_turns_max(d), 2);
  assert_string_equal(question(d, 0, 0), "Hi \"you\"");
  assert_string_equal(question(d, 0, 1), "more?");
  assert_string_equal(question(d, 1, 0), "well");
  dataset_read(d, 1, &row);
  assert_int_equal(row.turns, 1);
  lti_buf_clear(&out);
  assert_int_equal(dataset_system(d, &row, &scratch, &out), LEAT_OK);
  assert_string_equal(said(), "be brief");
  dataset_read(d, 0, &row);
  assert_int_equal(row.turns, 2);
  lti_buf_clear(&out);
  assert_int_equal(dataset_system(d, &row, &scratch, &out), LEAT_OK);
  assert_int_equal(out.size, 0);
  dataset_close(d);
}

static void conversations_may_come_a_line_each(void **state) {
  static const char text[] =
      "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}\n"
      "{\"conversations\":[{\"from\":\"human\",\"value\":\"b\"}]}\n";
  (void)state;
  dataset *d = dataset_of(lti_slice_of(text), "x", true, why);
  assert_non_null(d);
  assert_string_equal(question(d, 1, 0), "b");
  dataset_close(d);
}

static void what_cannot_be_used_is_said_with_its_line(void **state) {
#define FINE "{\"prompt\":\"a\"}\n"
  static const struct {
    const char *text, *said;
  } cases[] = {
      {"", "set.jsonl holds no request"},
      {"\n \n", "set.jsonl holds no request"},
      {"[]", "set.jsonl holds no request"},
      {FINE "\n{\"prompt\":}\n", "set.jsonl:3: not valid JSON"},
      {FINE "{\"prompt\":\"a\"} x", "set.jsonl:2: not valid JSON"},
      {FINE FINE "nonsense", "set.jsonl:3: not an object"},
      {FINE "3", "set.jsonl:2: not an object"},
      {FINE "{}", "set.jsonl:2: it has none of \"body\", \"prompt\", \"messages\""},
      {"{\"prompt\":3}", "set.jsonl:1: its \"prompt\" is not a text"},
      {"{\"prompt\":\"\"}", "set.jsonl:1: its \"prompt\" is empty"},
      {"{\"messages\":{}}", "set.jsonl:1: its \"messages\" is not an array"},
      {"{\"prompt\":\"a\",\"output_tokens\":0}",
       "set.jsonl:1: its \"output_tokens\" is no integer"},
      {"{\"prompt\":\"a\",\"output_tokens\":1.5}", "its \"output_tokens\" is no integer"},
      {"{\"prompt\":\"a\",\"output_tokens\":\"9\"}", "its \"output_tokens\" is no integer"},
      {"{\"body\":[]}", "set.jsonl:1: its \"body\" is not an object"},
      {"{\"body\":{}}", "set.jsonl:1: it has no \"url\""},
      {"{\"body\":{},\"url\":7}", "set.jsonl:1: it has no \"url\""},
      {"{\"body\":{},\"url\":\"/v1/nothing\"}", "no endpoint that takes JSON is POST /v1/nothing"},
      {"{\"body\":{},\"method\":\"GET\",\"url\":\"/v1/models\"}",
       "no endpoint that takes JSON is GET /v1/models"},
      {"{\"body\":{},\"method\":5,\"url\":\"/v1/models\"}", "its \"method\" or \"url\" is no text"},
      {"{\"conversations\":3}", "set.jsonl:1: \"conversations\" is not an array"},
      {"{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},3]}",
       "set.jsonl:1: \"conversations\"[1] has no \"from\" and \"value\""},
      {"{\"conversations\":[{\"from\":\"human\",\"value\":null}]}",
       "set.jsonl:1: \"conversations\"[0] has no"},
      {FINE "{\"messages\":[]}", "set.jsonl:2: it has another form than the rows before"},
      {"[\n{\"prompt\":\"a\"},\n{\"prompt\":4}\n]", "set.jsonl:3: its \"prompt\" is not a text"},
      {"[\n{\"prompt\":\"a\"},\n{\"prompt\":\"b\"\n", "set.jsonl:4: not valid JSON"},
      {"[{\"prompt\":\"a\"}]\n[", "set.jsonl:2: not valid JSON, or more behind the array's end"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    dataset *d = dataset_of(lti_slice_of(cases[i].text), "set.jsonl", true, why);
    if (d || !strstr(why, cases[i].said)) print_error("%s gives %s\n", cases[i].text, why);
    assert_null(d);
    assert_non_null(strstr(why, cases[i].said));
  }
}

static void a_file_that_is_not_there_is_said(void **state) {
  char heard[512];
  asked_ear ear;
  (void)state;
  asked_listen(&ear);
  dataset *d = dataset_open("/there/is/no/such.jsonl", true);
  asked_said(&ear, heard, sizeof heard);
  assert_null(d);
  assert_non_null(strstr(heard, "/there/is/no/such.jsonl"));
}

/* Above what is read into memory, so that it is mapped, and with pages to give back. */
static void large_files_are_mapped_and_every_row_is_found(void **state) {
  char path[] = "leat_dataset_XXXXXX";
  static char filler[8192];
  const unsigned rows = 10000;
  int fd = mkstemp(path);
  FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
  (void)state;
  assert_non_null(file);
  memset(filler, 'x', sizeof filler - 1);
  for (unsigned i = 0; i < rows; i++)
    fprintf(file, "{\"prompt\":\"row %u\",\"filler\":\"%s\"}\n", i, filler);
  fprintf(file, "{\"prompt\":\"last\"}");
  fclose(file);
  dataset *d = dataset_open(path, true);
  assert_non_null(d);
  assert_int_equal(dataset_count(d), rows + 1);
  for (unsigned i = 0; i < rows; i += 999) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, "row %u", i);
    assert_string_equal(question(d, i, 0), wanted);
  }
  assert_string_equal(question(d, rows, 0), "last");
  dataset_close(d);
  file = fopen(path, "a");
  assert_non_null(file);
  fprintf(file, "\n{\"prompt\":0}\n");
  fclose(file);
  char heard[512], wanted[64];
  asked_ear ear;
  asked_listen(&ear);
  d = dataset_open(path, true);
  asked_said(&ear, heard, sizeof heard);
  snprintf(wanted, sizeof wanted, ":%u: its \"prompt\" is not a text", rows + 2);
  assert_null(d);
  assert_non_null(strstr(heard, wanted));
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(prompts_are_read_with_the_lengths_of_their_answers),
      cmocka_unit_test(lists_of_messages_are_handed_on_as_they_stand),
      cmocka_unit_test(bodies_go_where_their_lines_say),
      cmocka_unit_test(bodies_need_no_url_where_options_say_where_they_go),
      cmocka_unit_test(conversations_are_the_questions_of_sharegpt),
      cmocka_unit_test(conversations_may_come_a_line_each),
      cmocka_unit_test(what_cannot_be_used_is_said_with_its_line),
      cmocka_unit_test(a_file_that_is_not_there_is_said),
      cmocka_unit_test(large_files_are_mapped_and_every_row_is_found),
  };
  lti_buf_init(&scratch, cli_program_alloc(), DATASET_ROW_MAX, LEAT_EBODYMAX);
  lti_buf_init(&out, cli_program_alloc(), DATASET_ROW_MAX, LEAT_EBODYMAX);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lti_buf_deinit(&scratch);
  lti_buf_deinit(&out);
  return failed;
}
