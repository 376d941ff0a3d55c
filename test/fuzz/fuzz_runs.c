/* Fuzzes what is done with files of runs: they are told apart, compared with themselves and merged.
 * What must hold: where A is B no figure differs, and a sum that is refused has its reason. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/report/compare.h"
#include "bench/load/report/compare_html.h"
#include "bench/load/report/report.h"
#include "bench/load/result/merge.h"
#include "bench/load/result/runs.h"
#include "bindings/cli/program.h"

#define RUNS_MOST 12

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static void compare_with_itself(const runs *r, cli_out *out) {
  cli_jsonw w;
  compare_side side = {.name = "runs", .runs = (const result *const *)r->items, .count = r->count};
  comparison *c = compare_new(&side, &side);
  require(c != NULL, "runs are compared");
  for (size_t i = 0; i < c->row_count; i++)
    require(c->rows[i].verdict == COMPARE_SAME || c->rows[i].verdict == COMPARE_UNDECIDABLE,
            "what is the same does not differ");
  compare_table(c, out);
  require(compare_html(c, "fuzz", out), "a page is made");
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  compare_json(c, &w);
  cli_jsonw_close(&w, '}');
  require(w.error == LEAT_OK, "a comparison is written");
  cli_jsonw_deinit(&w);
  compare_free(c);
}

static void merge_all(const runs *r, cli_out *out) {
  static const char *const names[RUNS_MOST] = {"0", "1", "2", "3", "4",  "5",
                                               "6", "7", "8", "9", "10", "11"};
  char why[300] = "";
  result *sum = merge_shards(r->items, names, r->count, why, sizeof why);
  require(sum != NULL || why[0] != '\0', "a refusal has its reason");
  if (!sum) return;
  require(sum->part_count == r->count, "each shard is told");
  report_table(sum, out);
  result_free(sum);
}

static void tell_together(const runs *r, cli_out *out) {
  report_runs_table(r->items, r->count, out);
  require(report_html(r->items, r->count, out), "a page is made");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static cli_out out;
  runs r = {0};
  cli_out_init(&out, -1, "nothing");
  bool fine = runs_read_text(&r, "runs", lti_slice((const char *)input, size));
  require(!fine || r.count > 0, "a file that is read holds a run");
  if (fine && r.count <= RUNS_MOST) {
    compare_with_itself(&r, &out);
    tell_together(&r, &out);
    merge_all(&r, &out);
  }
  runs_free(&r);
  return 0;
}
