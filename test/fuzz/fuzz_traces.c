/* Fuzzes the readers of traces, both forms (the text itself says which it is). What is read must be
 * in the order of its times, from 0 on, and read the same a second time; what is not must say why.
 */
#include <stdlib.h>

#include "bench/load/shape/traces.h"
#include "bindings/cli/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void must(bool holds) {
  if (!holds) abort();
}

static void check_rows(const shape_trace *t, const shape_trace *again) {
  shape_start a = {0}, b = {0};
  uint64_t last = 0, count = traces_count(t);
  must(count > 0 && count == traces_count(again));
  for (uint64_t i = 0; i < count; i++) {
    a.prefix = b.prefix = lti_slice(NULL, 0);
    must(traces_row(t, i, &a) && traces_row(again, i, &b));
    must(i > 0 || a.at_ns == 0);
    must(a.at_ns >= last && a.at_ns == b.at_ns);
    must(a.input_tokens >= -1 && a.output_tokens >= -1 && a.output_tokens != 0);
    must(lti_slice_equal(a.prefix, b.prefix));
    last = a.at_ns;
  }
  must(!traces_row(t, count, &a) && traces_last(t) == last);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  char why[TRACES_WHY_MAX] = "";
  leat_slice text = lti_slice((const char *)input, size);
  shape_trace *t = traces_parse(cli_program_alloc(), text, 1, why);
  must(t || (why[0] && memchr(why, 0, sizeof why)));
  if (!t) return 0;
  shape_trace *again = traces_parse(cli_program_alloc(), text, 1, why);
  must(again != NULL);
  check_rows(t, again);
  traces_free(t);
  traces_free(again);
  return 0;
}
