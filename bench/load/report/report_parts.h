/* The parts of the page of report_html.c, each in a file of its name. */
#ifndef LOAD_REPORT_PARTS_H
#define LOAD_REPORT_PARTS_H

#include "bench/load/report/page.h"
#include "bench/load/result/result.h"

/* The percentile of a histogram in us; NAN without a sample. */
double report_parts_percentile(const lti_hist *h, double percent);
double report_parts_mean(const lti_hist *h);
/* The first of both that has samples: what a user who waits has felt. */
const lti_hist *report_parts_felt(const result_latency *latency);
/* Whether any answer took place over a schedule, so that both forms of a latency exist. */
bool report_parts_open(const result_point *p);
/* The point that speaks for the result: its only one, the knee, or the worst certificate's last. */
size_t report_parts_main(const result *r);

/* The certificates' verdict, with figures, bounds, reasons and advice. */
void report_verdict(const result *r, cli_out *out);
void report_cards(const result_point *p, cli_out *out);
/* Several runs of one load: what its figures are over all of them. */
void report_runs(result *const *runs, size_t count, size_t point, cli_out *out);
/* Loads beside each other: charts with the knee, and their table. */
void report_sweep(const result *r, cli_out *out);
/* Two distributions of one measure; either may be NULL. */
typedef struct report_curves {
  const char *title; /* a constant */
  const char *names[2];
  const lti_hist *hists[2];
} report_curves;

/* Their percentiles in one chart; nothing where neither has a sample. */
void report_charts_curves(const report_curves *curves, cli_out *out);
/* Percentile curves. */
void report_charts_latency(const result_point *p, cli_out *out);
/* Charts over time, with at most so many dots. False: no memory. */
bool report_charts_time(const result_point *p, size_t dots_max, cli_out *out);
/* A picture of single requests. */
void report_tracks(const result_point *p, cli_out *out);
void report_tables_failures(const result_point *p, cli_out *out);
void report_tables_lengths(const result_point *p, cli_out *out);
void report_tables_measures(const result_point *p, cli_out *out);
void report_tables_traffic(const result_point *p, cli_out *out);
/* Configuration, machine, and how to do it again. False: no memory. */
bool report_tables_origin(const result *r, cli_out *out);

#endif
