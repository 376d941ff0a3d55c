/* One writer for each ending. */
#include "outlet.h"

#include <string.h>
#include <unistd.h>

#include "bench/load/report/report.h"
#include "bench/load/result/result_json.h"
#include "bindings/cli/jsonw.h"
#include "bindings/cli/out.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"

enum outlet_kind { OUTLET_JSON, OUTLET_HTML, OUTLET_CSV, OUTLET_PROMETHEUS, OUTLET_TABLE };

static const struct {
  const char *ending;
  enum outlet_kind kind;
} endings[] = {{".json", OUTLET_JSON},
               {".html", OUTLET_HTML},
               {".csv", OUTLET_CSV},
               {".prom", OUTLET_PROMETHEUS},
               {".txt", OUTLET_TABLE}};

static bool kind_of(const char *path, enum outlet_kind *kind) {
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    if (!lti_slice_ends(lti_slice_of(path), endings[i].ending)) continue;
    *kind = endings[i].kind;
    return true;
  }
  return false;
}

bool outlet_check(const cli_options *options) {
  enum outlet_kind kind;
  for (size_t i = 0; i < options->load.output.count; i++) {
    if (kind_of(options->load.output.items[i], &kind)) continue;
    cli_say("--output %s: its ending says what is written: .html, .json, .csv, .prom or .txt",
            options->load.output.items[i]);
    return false;
  }
  return true;
}

static void put_object(const cli_options *o, const result *r, const char *key, cli_jsonw *w) {
  const char *format = o->load.format ? o->load.format : "leat";
  (void)key;
  cli_jsonw_open(w, NULL, '{');
  if (strcmp(format, "vllm") == 0)
    report_vllm(r, w);
  else if (strcmp(format, "aiperf") == 0)
    report_aiperf(r, w);
  else
    result_json_write(r, w);
  cli_jsonw_close(w, '}');
}

static bool put_json(const cli_options *o, result *const *runs, size_t count, cli_out *out) {
  cli_jsonw w;
  cli_jsonw_init(&w, cli_program_alloc());
  if (count > 1) cli_jsonw_open(&w, NULL, '[');
  for (size_t i = 0; i < count; i++) put_object(o, runs[i], NULL, &w);
  if (count > 1) cli_jsonw_close(&w, ']');
  bool fine = cli_jsonw_line(&w, out);
  if (!fine && w.error) cli_say("no memory for the report");
  cli_jsonw_deinit(&w);
  return fine;
}

static void put_tables(result *const *runs, size_t count, cli_out *out) {
  for (size_t i = 0; i < count; i++) {
    if (count > 1) cli_out_format(out, "%srun %zu of %zu\n", i > 0 ? "\n" : "", i + 1, count);
    report_table(runs[i], out);
  }
  if (count > 1) cli_out_text(out, "\n");
  report_runs_table(runs, count, out);
}

static bool put_kind(const cli_options *o, enum outlet_kind kind, result *const *runs, size_t count,
                     cli_out *out) {
  const result *last = runs[count - 1];
  switch (kind) {
    case OUTLET_JSON: return put_json(o, runs, count, out);
    case OUTLET_HTML: return report_html(runs, count, out);
    case OUTLET_PROMETHEUS: report_prometheus(last, out); break;
    case OUTLET_TABLE: put_tables(runs, count, out); break;
    case OUTLET_CSV:
      report_csv(runs[0], out);
      for (size_t i = 1; i < count; i++) report_csv_rows(runs[i], out);
      break;
  }
  return true;
}

static bool put_file(const cli_options *o, const char *path, enum outlet_kind kind,
                     result *const *runs, size_t count) {
  static cli_out out;
  if (!cli_out_open(&out, path)) return false;
  bool fine = put_kind(o, kind, runs, count, &out);
  return cli_out_close(&out) && fine;
}

bool outlet_put(const cli_options *o, result *const *runs, size_t count) {
  static cli_out out;
  bool fine = true, json_to_stdout = o->load.json_path && strcmp(o->load.json_path, "-") == 0;
  if (o->load.json_path) fine = put_file(o, o->load.json_path, OUTLET_JSON, runs, count);
  for (size_t i = 0; i < o->load.output.count; i++) {
    enum outlet_kind kind = OUTLET_JSON;
    kind_of(o->load.output.items[i], &kind);
    fine = put_file(o, o->load.output.items[i], kind, runs, count) && fine;
  }
  if (o->quiet) return fine;
  if (json_to_stdout)
    cli_out_init(&out, STDERR_FILENO, "standard error");
  else
    cli_out_init(&out, STDOUT_FILENO, "standard output");
  put_tables(runs, count, &out);
  cli_out_flush(&out);
  return (json_to_stdout || cli_out_close(&out)) && fine;
}
