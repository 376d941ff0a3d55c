/* Fuzzes the reader of results. What must hold: what is refused is refused with a sentence; what is
 * read can be written, judged and reported, and reads back to the same document. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/report/report.h"
#include "bench/load/result/result_json.h"
#include "bindings/cli/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static lti_buf written_of(const result *r) {
  cli_jsonw w;
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  result_json_write(r, &w);
  cli_jsonw_close(&w, '}');
  require(w.error == LEAT_OK, "what was read is written");
  return w.buf;
}

/* Into nothing; the reports must only come through. */
static void report_all(result *r) {
  static cli_out out;
  cli_jsonw w;
  cli_out_init(&out, -1, "nothing");
  report_table(r, &out);
  report_csv(r, &out);
  report_prometheus(r, &out);
  require(report_html(&r, 1, &out), "a page is made");
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  report_vllm(r, &w);
  report_aiperf(r, &w);
  cli_jsonw_close(&w, '}');
  require(w.error == LEAT_OK, "reports are written");
  cli_jsonw_deinit(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  char why[200] = "", again[200] = "";
  result *r = result_json_read(lti_slice((const char *)input, size), why, sizeof why);
  if (!r) {
    require(why[0] != '\0', "a refusal has its reason");
    return 0;
  }
  lti_buf first = written_of(r);
  result *back = result_json_read(lti_buf_slice(&first), again, sizeof again);
  if (!back) fprintf(stderr, "%s\n", again);
  require(back != NULL, "what was written is read");
  lti_buf second = written_of(back);
  require(lti_slice_equal(lti_buf_slice(&first), lti_buf_slice(&second)), "to the same document");
  report_all(back);
  lti_buf_deinit(&first);
  lti_buf_deinit(&second);
  result_free(r);
  result_free(back);
  return 0;
}
