/* Fuzzes data sets: whatever is taken, every row of it can be read, in bounds, and every question
 * and body is what its JSON says; amending a body keeps it JSON. Input: one byte that says how the
 * text behind it is to be read. */
#include <assert.h>

#include "bench/load/work/amend.h"
#include "bench/load/work/dataset.h"
#include "bindings/cli/program.h"
#include "wire/json.h"

#define ROWS_LOOKED_AT 64

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static lti_buf scratch, out;

static void check_within(leat_slice text, leat_slice part) {
  assert(part.data >= text.data && part.data + part.size <= text.data + text.size);
}

static void check_body(leat_slice body) {
  amend a = {.model = "m",
             .stream = AMEND_STREAM_ON,
             .usage = true,
             .max_tokens = 5,
             .limit_name = "max_tokens",
             .extra = lti_slice_of("{\"top_k\":1}")};
  lti_buf_clear(&out);
  int r = amend_write(&a, body, &out);
  assert(r == LEAT_OK && lti_json_valid(lti_buf_slice(&out), NULL, NULL));
}

static void check_row(const dataset *d, leat_slice text, uint64_t i) {
  dataset_row row;
  dataset_read(d, i, &row);
  check_within(text, row.content);
  assert(lti_json_valid(row.content, NULL, NULL));
  assert(row.turns >= 1 && row.turns <= dataset_turns_max(d));
  lti_buf_clear(&out);
  assert(dataset_system(d, &row, &scratch, &out) == LEAT_OK);
  if (dataset_kind(d) == DATASET_BODIES) check_body(row.content);
  if (dataset_kind(d) != DATASET_PROMPTS && dataset_kind(d) != DATASET_TALKS) return;
  for (uint32_t turn = 0; turn < row.turns; turn++) {
    lti_buf_clear(&out);
    assert(dataset_question(d, &row, turn, &scratch, &out) == LEAT_OK);
    assert(lti_slice_is_utf8(lti_buf_slice(&out)));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static bool ready;
  char why[DATASET_WHY_MAX] = "";
  if (size < 1 || size > 65536) return 0;
  if (!ready) {
    lti_buf_init(&scratch, cli_program_alloc(), DATASET_ROW_MAX, LEAT_EBODYMAX);
    lti_buf_init(&out, cli_program_alloc(), DATASET_ROW_MAX, LEAT_EBODYMAX);
    ready = true;
  }
  leat_slice text = lti_slice((const char *)input + 1, size - 1);
  dataset *d = dataset_of(text, "fuzz", input[0] & 1, why);
  assert(d || (why[0] && memchr(why, 0, sizeof why)));
  if (!d) return 0;
  assert(dataset_count(d) > 0);
  for (uint64_t i = 0; i < dataset_count(d) && i < ROWS_LOOKED_AT; i++) check_row(d, text, i);
  dataset_close(d);
  return 0;
}
