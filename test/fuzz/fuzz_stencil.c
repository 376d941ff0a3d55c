/* Fuzzes templates: whatever is taken can be filled, the same number gives the same bytes, and a
 * text without holes comes out as it is, but for the backslashes in front of braces. Input: one
 * byte that says whether it is JSON, then the template. */
#include <assert.h>

#include "bench/load/work/stencil.h"
#include "bindings/cli/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check(const stencil *s, leat_slice text) {
  static const char prompt[] = "a \"prompt\" \x01 \xff";
  stencil_fill fill = {
      .seed = 7, .index = 41, .turn = 3, .prompt = lti_slice(prompt, sizeof prompt - 1)};
  lti_buf a, b;
  lti_buf_init(&a, cli_program_alloc(), (size_t)64 << 20, LEAT_EBODYMAX);
  lti_buf_init(&b, cli_program_alloc(), (size_t)64 << 20, LEAT_EBODYMAX);
  assert(stencil_write(s, &fill, &a) == LEAT_OK && stencil_write(s, &fill, &b) == LEAT_OK);
  assert(lti_slice_equal(lti_buf_slice(&a), lti_buf_slice(&b)));
  if (!stencil_has_holes(s)) assert(a.size <= text.size);
  if (!stencil_has_holes(s) && !lti_slice_find(text, lti_slice_of("\\{{")))
    assert(lti_slice_equal(lti_buf_slice(&a), text));
  assert(!stencil_has_prompt(s) || stencil_has_holes(s));
  lti_buf_deinit(&a);
  lti_buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  if (size < 1 || size > 65536) return 0;
  leat_slice text = lti_slice((const char *)input + 1, size - 1);
  char why[STENCIL_WHY_MAX] = "";
  stencil *s = stencil_open(text, "--body", input[0] & 1, why);
  assert(s || (why[0] && memchr(why, 0, sizeof why)));
  if (s) check(s, text);
  stencil_free(s);
  return 0;
}
