/* A result for people and for other programs. Each writer reads the result alone. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "bench/load/result/figure.h"
#include "bench/load/result/result.h"
#include "bindings/cli/jsonw.h"
#include "bindings/cli/out.h"

/* The table on a terminal, and the certificate, which always comes with it. */
void report_table(const result *r, cli_out *out);
/* What figures are over several runs of one load; nothing where they are not that. */
void report_runs_table(result *const *runs, size_t count, cli_out *out);
/* One row a point, with a header line: RFC 4180. */
void report_csv(const result *r, cli_out *out);
/* The rows alone, of a further result in the same file. */
void report_csv_rows(const result *r, cli_out *out);
/* Prometheus' text format, version 0.0.4. */
void report_prometheus(const result *r, cli_out *out);
/* What `vllm bench serve --save-result` writes, of the last point; null where we do not know. */
void report_vllm(const result *r, cli_jsonw *w);
/* The fields that profile_export_aiperf.json shares with us. */
void report_aiperf(const result *r, cli_jsonw *w);
/* One self-contained page: charts, tables, the certificate, of the last run; and, of several runs
 * of one load, what figures are over all of them. False: no memory. */
bool report_html(result *const *runs, size_t count, cli_out *out);

#endif
