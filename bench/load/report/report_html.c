/* The order of the page: whether its figures can be trusted, the figures in short, what they are
 * over all runs and the loads beside each other where there are several, then one load in pictures
 * and tables, and where it all comes from. Of a sweep every load has its row in the tables, and a
 * few are drawn: the knee, and others spread evenly, so that a page stays small however long the
 * sweep was. */
#include <math.h>
#include <stdio.h>

#include "report.h"
#include "report_parts.h"

#define DRAWN_MAX 5 /* loads of a sweep that are drawn in full */
#define DOTS_MAX  3000
#define TITLE     "Load test"
#define DOT       " \xc2\xb7 "

double report_parts_percentile(const lti_hist *h, double percent) {
  return h && lti_hist_count(h) > 0 ? (double)lti_hist_percentile(h, percent) : NAN;
}

double report_parts_mean(const lti_hist *h) {
  return h && lti_hist_count(h) > 0 ? lti_hist_mean(h) : NAN;
}

const lti_hist *report_parts_felt(const result_latency *latency) {
  const lti_hist *intended = latency->intended;
  return intended && lti_hist_count(intended) > 0 ? intended : latency->sent;
}

bool report_parts_open(const result_point *p) {
  return p->latencies[MEASURE_TTFT].intended || p->latencies[MEASURE_E2E].intended;
}

size_t report_parts_main(const result *r) {
  size_t main = 0;
  if (r->knee.found && r->knee.point < r->point_count) return r->knee.point;
  for (size_t i = 1; i < r->point_count; i++)
    if (r->points[i].certificate.verdict >= r->points[main].certificate.verdict) main = i;
  return main;
}

static void put_header(const result *r, size_t runs, cli_out *out) {
  char date[PAGE_FIGURE_MAX];
  cli_out_text(out, "<header>\n<h1>");
  page_word(out, r->title[0] ? r->title : TITLE);
  cli_out_text(out, "</h1>\n<p class=\"sub\">");
  if (runs > 1) cli_out_format(out, "the last of %zu runs%s", runs, DOT);
  if (r->point_count != 1) cli_out_format(out, "%zu loads%s", r->point_count, DOT);
  if (r->point_count == 1 && r->points[0].offer.label[0]) {
    page_word(out, r->points[0].offer.label);
    cli_out_text(out, DOT);
  }
  if (r->point_count > 0 && r->points[0].begun_at > 0) {
    page_word(out, page_date(r->points[0].begun_at, date));
    cli_out_text(out, DOT);
  }
  if (r->shards > 1) cli_out_format(out, "shard %d of %d%s", r->shard, r->shards, DOT);
  page_word(out, r->machine.versions);
  cli_out_text(out, "</p>\n");
  if (r->interrupted)
    cli_out_text(out,
                 "<p class=\"sub\"><strong>The run was interrupted: these are the figures of "
                 "what it did until then.</strong></p>\n");
  cli_out_text(out, "</header>\n");
}

static bool put_drawings(const result_point *p, size_t dots_max, cli_out *out) {
  report_charts_latency(p, out);
  return report_charts_time(p, dots_max, out);
}

static bool put_single(const result_point *p, cli_out *out) {
  page_section(out, "latency", "Latency by percentile");
  report_charts_latency(p, out);
  page_section_end(out);
  page_section(out, "time", "Over time");
  bool fine = report_charts_time(p, DOTS_MAX, out);
  page_section_end(out);
  return fine;
}

/* Whether this load of a sweep is drawn: the one that speaks for it, and every so many. */
static bool drawn(const result *r, size_t point) {
  if (r->point_count <= DRAWN_MAX || point == report_parts_main(r)) return true;
  size_t step = (r->point_count + DRAWN_MAX - 2) / (DRAWN_MAX - 1);
  return point % step == 0;
}

static bool put_drawn(const result *r, cli_out *out) {
  size_t main = report_parts_main(r);
  bool fine = true;
  page_section(out, "loads", "Loads in pictures");
  for (size_t i = 0; i < r->point_count && fine; i++) {
    const result_point *p = &r->points[i];
    if (!drawn(r, i)) continue;
    cli_out_format(out, "<details class=\"point\"%s><summary>", i == main ? " open" : "");
    page_word(out, p->offer.label);
    if (r->knee.found && i == r->knee.point) cli_out_text(out, ", the knee");
    cli_out_text(out, "</summary>\n");
    fine = put_drawings(p, DOTS_MAX / DRAWN_MAX, out);
    cli_out_text(out, "</details>\n");
  }
  page_section_end(out);
  return fine;
}

/* The tables of one load; of a sweep, of the one that speaks for it. */
static void put_tables(const result *r, const result_point *p, cli_out *out) {
  if (r->point_count > 1) {
    cli_out_text(out, "<p class=\"sub\">From here on: ");
    page_word(out, p->offer.label);
    cli_out_text(out, "</p>\n");
  }
  report_tracks(p, out);
  report_tables_failures(p, out);
  report_tables_measures(p, out);
  report_tables_lengths(p, out);
  report_tables_traffic(p, out);
}

bool report_html(result *const *runs, size_t count, cli_out *out) {
  const result *r = runs[count - 1];
  if (!page_begin(out, r->title[0] ? r->title : TITLE)) return false;
  put_header(r, count, out);
  bool fine = true;
  if (r->point_count > 0) {
    const result_point *p = &r->points[report_parts_main(r)];
    report_verdict(r, out);
    report_cards(p, out);
    report_runs(runs, count, report_parts_main(r), out);
    if (r->point_count > 1) report_sweep(r, out);
    fine = r->point_count > 1 ? put_drawn(r, out) : put_single(p, out);
    put_tables(r, p, out);
  } else {
    cli_out_text(out, "<section><p>There is nothing to tell: no load was run.</p></section>\n");
  }
  if (!report_tables_origin(r, out)) fine = false;
  page_end(out);
  return fine;
}
