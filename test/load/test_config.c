/* Options from a file and back: what is read, what wins, what is refused, and that no secret is
 * ever written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/load/config.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "wire/json.h"

/* A file that is gone after its test. */
static char path[] = "test_config_XXXXXX";

static void write_config(const char *text) {
  memcpy(path, "test_config_XXXXXX", sizeof path);
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

static config_file *read_config(const char *text, const cli_options *given) {
  write_config(text);
  config_file *c = config_open_file(given, path);
  unlink(path);
  return c;
}

/* A command line; each argument is copied, since the parser hides secrets in it. */
static void parse(cli_options *options, char **argv, int argc) {
  assert_int_equal(cli_options_parse(options, CLI_LOAD, argc, argv), CLI_PARSED_OK);
}

static void options_of_every_kind_are_read(void **state) {
  cli_options none = {0};
  (void)state;
  config_file *c = read_config(
      "{\"base-url\": \"http://127.0.0.1:1\", \"requests\": 500, \"rate\": 40.5, \"strict\": true,"
      " \"no-stream\": false, \"duration\": 1.5, \"think\": \"250ms\", \"timeout\": \"off\","
      " \"burstiness\": 0.25, \"arrivals\": \"gamma\", \"goodput\": [\"ttft:500\", \"tpot:50\"],"
      " \"slo\": \"ttft.p99<1s\", \"header\": [\"X-Team: a\"], \"title\": null,"
      " \"extra-body\": {\"ignore_eos\": true}, \"system\": \"a\\nb \\u00e9\"}",
      &none);
  assert_non_null(c);
  const cli_options *o = config_options(c);
  assert_string_equal(o->base_url, "http://127.0.0.1:1");
  assert_true(o->load.requests.set);
  assert_int_equal(o->load.requests.value, 500);
  assert_string_equal(o->load.rate, "40.5");
  assert_true(o->load.strict);
  assert_false(o->no_stream);
  assert_int_equal(o->load.duration.value, 1500);
  assert_int_equal(o->load.think.value, 250);
  assert_int_equal(o->timeout.value, LEAT_NONE);
  assert_true(o->load.burstiness.value == 0.25);
  assert_string_equal(o->load.arrivals, "gamma");
  assert_int_equal(o->load.goodput.count, 2);
  assert_string_equal(o->load.goodput.items[1], "tpot:50");
  assert_int_equal(o->load.slo.count, 1);
  assert_string_equal(o->headers.items[0], "X-Team: a");
  assert_null(o->load.title);
  assert_string_equal(o->extra_body, "{\"ignore_eos\": true}");
  assert_string_equal(o->system, "a\nb \xc3\xa9");
  config_close(c);
}

static void names_of_other_harnesses_are_taken(void **state) {
  cli_options none = {0};
  (void)state;
  config_file *c = read_config("{\"num-prompts\": 7, \"request-rate\": \"inf\"}", &none);
  assert_non_null(c);
  assert_int_equal(config_options(c)->load.requests.value, 7);
  assert_string_equal(config_options(c)->load.rate, "inf");
  config_close(c);
}

static void the_command_line_wins(void **state) {
  cli_options given;
  char n[] = "-n9", goodput[] = "--goodput=e2el:100", quiet[] = "-q";
  char *argv[] = {n, goodput, quiet};
  (void)state;
  parse(&given, argv, 3);
  config_file *c = read_config(
      "{\"requests\": 500, \"concurrency\": 3, \"goodput\": [\"ttft:500\", \"tpot:50\"]}", &given);
  assert_non_null(c);
  const cli_options *o = config_options(c);
  assert_int_equal(o->load.requests.value, 9);
  assert_int_equal(o->load.concurrency.value, 3);
  assert_int_equal(o->load.goodput.count, 1);
  assert_string_equal(o->load.goodput.items[0], "e2el:100");
  assert_true(o->quiet);
  config_close(c);
  cli_options_free(&given);
}

static void without_a_file_the_options_are_the_command_lines(void **state) {
  cli_options given;
  char n[] = "-n9", arg[] = "word";
  char *argv[] = {n, arg};
  (void)state;
  parse(&given, argv, 2);
  config_file *c = config_open(&given);
  assert_non_null(c);
  assert_int_equal(config_options(c)->load.requests.value, 9);
  assert_int_equal(config_options(c)->arg_count, 1);
  assert_false(config_options(c)->load.concurrency.set);
  config_close(c);
  cli_options_free(&given);
}

static void what_cannot_be_meant_is_refused(void **state) {
  static const char *const cases[] = {
      "",
      "[]",
      "5",
      "{\"requests\": 5",
      "{\"requests\": 5} {}",
      "{\"requests\": }",
      "{\"requets\": 5}",
      "{\"requests\": \"many\"}",
      "{\"requests\": 0}",
      "{\"requests\": 1.5}",
      "{\"requests\": true}",
      "{\"requests\": [5]}",
      "{\"requests\": {\"n\": 5}}",
      "{\"strict\": 1}",
      "{\"strict\": \"yes\"}",
      "{\"arrivals\": \"weekly\"}",
      "{\"duration\": -5}",
      "{\"goodput\": [[\"ttft:500\"]]}",
      "{\"goodput\": [true]}",
      "{\"title\": \"a\\u0000b\"}",
      "{\"help\": true}",
      "{\"config\": \"other.json\"}",
      "{\"print-config\": true}",
      "{\"chats\": 5}",
      "{\"\": 5}",
  };
  cli_options none = {0};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_null(read_config(cases[i], &none));
  assert_null(config_open_file(&none, "there-is-no-such-file.json"));
}

static void secrets_are_refused(void **state) {
  static const char *const cases[] = {
      "{\"api-key\": \"sk-live-0123456789\"}",
      "{\"header\": [\"Authorization: Bearer sk-live-0123456789\"]}",
      "{\"header\": \"X-Api-Key: sk-live-0123456789\"}",
      "{\"header\": \"X-Gateway-Token: sk-live-0123456789\"}",
      "{\"proxy\": \"http://me:password@127.0.0.1:3128\"}",
  };
  cli_options none = {0};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_null(read_config(cases[i], &none));
}

static void too_many_values_are_refused(void **state) {
  cli_options none = {0};
  static char text[65536];
  size_t n = (size_t)snprintf(text, sizeof text, "{\"goodput\": [\"ttft:1\"");
  (void)state;
  for (int i = 0; i < 300; i++) n += (size_t)snprintf(text + n, sizeof text - n, ",\"ttft:1\"");
  snprintf(text + n, sizeof text - n, "]}");
  assert_null(read_config(text, &none));
  n = (size_t)snprintf(text, sizeof text, "{\"title\": \"a\"");
  for (int i = 0; i < 4200; i++) n += (size_t)snprintf(text + n, sizeof text - n, ",\"seed\":1");
  snprintf(text + n, sizeof text - n, "}");
  assert_null(read_config(text, &none));
}

static const char *written(const cli_options *options, const char *base_url, lti_buf *out) {
  lti_buf_init(out, cli_program_alloc(), CONFIG_SIZE_MAX, LEAT_EBODYMAX);
  assert_int_equal(config_write(options, base_url, out), LEAT_OK);
  assert_int_equal(lti_buf_byte(out, '\0'), LEAT_OK);
  return out->data;
}

static void what_is_written_reads_back_the_same(void **state) {
  cli_options none = {0};
  lti_buf first, second;
  (void)state;
  config_file *c = read_config(
      "{\"base-url\": \"http://127.0.0.1:1\", \"requests\": 500, \"rate\": \"40.5\","
      " \"strict\": true, \"duration\": 1.5, \"timeout\": \"off\", \"burstiness\": 0.1,"
      " \"seed\": 9007199254740993, \"goodput\": [\"ttft:500\"], \"header\": [\"X-Team: a\"],"
      " \"extra-body\": {\"ignore_eos\": true}, \"system\": \"a\\nb \\u00e9 \\\"\"}",
      &none);
  assert_non_null(c);
  char *text = strdup(written(config_options(c), NULL, &first));
  config_file *again = read_config(text, &none);
  assert_non_null(again);
  assert_string_equal(written(config_options(again), NULL, &second), text);
  assert_int_equal(config_options(again)->load.seed.value, INT64_C(9007199254740993));
  free(text);
  lti_buf_deinit(&first);
  lti_buf_deinit(&second);
  config_close(c);
  config_close(again);
}

static void what_the_environment_adds_is_written(void **state) {
  cli_options none = {0};
  lti_buf out;
  (void)state;
  setenv("JOB_COMPLETION_INDEX", "1", 1);
  setenv("LEAT_SHARDS", "4", 1);
  config_file *c = config_open(&none);
  unsetenv("JOB_COMPLETION_INDEX");
  unsetenv("LEAT_SHARDS");
  assert_non_null(c);
  assert_string_equal(written(config_options(c), "http://there/v1", &out),
                      "{\"base-url\":\"http://there/v1\",\"seed\":1,\"shard\":\"1/4\"}");
  lti_buf_deinit(&out);
  config_close(c);
}

static void secrets_are_not_written(void **state) {
  cli_options given;
  lti_buf out;
  char key[] = "--api-key=sk-live-0123456789", team[] = "-HX-Team: a";
  char token[] = "-HX-Gateway-Token: hidden-1", cookie[] = "-HCookie: hidden-2";
  char proxy[] = "--proxy=http://me:hidden-3@127.0.0.1:3128",
       title[] = "--title=sk-live-0123456789";
  char url[] = "--base-url=http://me:hidden-4@127.0.0.1:1/v1";
  char *argv[] = {key, team, token, cookie, proxy, title, url};
  (void)state;
  parse(&given, argv, 7);
  const char *text = written(&given, NULL, &out);
  assert_null(strstr(text, "sk-live"));
  assert_null(strstr(text, "hidden"));
  assert_non_null(strstr(text, "\"proxy\":\"http://127.0.0.1:3128\""));
  assert_non_null(strstr(text, "\"base-url\":\"http://127.0.0.1:1/v1\""));
  assert_non_null(strstr(text, "\"header\":[\"X-Team: a\"]"));
  lti_buf_deinit(&out);
  cli_options_free(&given);
}

static size_t differ(const char *a, const char *b, const char *except, char *out, size_t size) {
  return config_differences(lti_slice_of(a), lti_slice_of(b), except, out, size);
}

static void differences_are_named_with_both_values(void **state) {
  char text[200], narrow[16];
  (void)state;
  assert_int_equal(differ("{\"rate\":10}", "{\"rate\":10.0}", NULL, text, sizeof text), 0);
  assert_string_equal(text, "");
  assert_int_equal(differ("{\"rate\":10,\"seed\":1,\"no-usage\":true}",
                          "{\"seed\":2,\"rate\":10,\"model\":\"m\"}", NULL, text, sizeof text),
                   3);
  assert_string_equal(text, "seed: 1 / 2; no-usage: true / none; model: none / \"m\"");
  assert_int_equal(differ("{\"rate\":10,\"shard\":\"0/2\"}", "{\"rate\":10,\"shard\":\"1/2\"}",
                          "shard start-at", text, sizeof text),
                   0);
  assert_int_equal(differ("{\"title\":\"a\",\"output\":[\"x\"]}", "{}", NULL, text, sizeof text),
                   0);
  assert_int_equal(differ("{\"rate\":10}", "{\"rate\":1000000}", NULL, narrow, sizeof narrow), 1);
  assert_string_equal(narrow, "rate: 10 / 1000");
  assert_int_equal(differ("nonsense", "{", NULL, text, sizeof text), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(options_of_every_kind_are_read),
      cmocka_unit_test(names_of_other_harnesses_are_taken),
      cmocka_unit_test(the_command_line_wins),
      cmocka_unit_test(without_a_file_the_options_are_the_command_lines),
      cmocka_unit_test(what_cannot_be_meant_is_refused),
      cmocka_unit_test(secrets_are_refused),
      cmocka_unit_test(too_many_values_are_refused),
      cmocka_unit_test(what_is_written_reads_back_the_same),
      cmocka_unit_test(what_the_environment_adds_is_written),
      cmocka_unit_test(secrets_are_not_written),
      cmocka_unit_test(differences_are_named_with_both_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
