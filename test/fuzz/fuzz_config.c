/* Fuzzes the reader of configs, and of the moment in them. What must hold: what is read can be
 * written, and what was written reads back to the same; no difference is seen between the two. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/config.h"
#include "bench/load/run/shard.h"
#include "bindings/cli/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static lti_buf written_of(const config_file *c) {
  lti_buf out;
  lti_buf_init(&out, cli_program_alloc(), 2 * CONFIG_SIZE_MAX, LEAT_EBODYMAX);
  require(config_write(config_options(c), NULL, &out) == LEAT_OK, "what was read is written");
  return out;
}

static void check_moment(leat_slice text) {
  char moment[64];
  int64_t unix_ns = 0;
  const char *why = NULL;
  if (text.size >= sizeof moment) return;
  memcpy(moment, text.data, text.size);
  moment[text.size] = '\0';
  if (shard_moment(moment, &unix_ns, &why))
    require(unix_ns > INT64_C(-86400000000000), "a moment is not before 1970");
  else
    require(why != NULL, "a refusal has its reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  leat_slice text = lti_slice((const char *)input, size);
  cli_options none;
  char differs[400];
  memset(&none, 0, sizeof none);
  if (size > 0) check_moment(text);
  config_file *c = config_open_text(&none, "first", text);
  if (!c) return 0;
  lti_buf first = written_of(c);
  config_file *back = config_open_text(&none, "second", lti_buf_slice(&first));
  require(back != NULL, "what was written is read");
  lti_buf second = written_of(back);
  require(lti_slice_equal(lti_buf_slice(&first), lti_buf_slice(&second)), "to the same config");
  require(config_differences(text, text, NULL, differs, sizeof differs) == 0, "nothing differs");
  config_differences(text, lti_buf_slice(&first), "rate", differs, sizeof differs);
  require(strlen(differs) < sizeof differs, "differences keep to their room");
  lti_buf_deinit(&first);
  lti_buf_deinit(&second);
  config_close(c);
  config_close(back);
  return 0;
}
