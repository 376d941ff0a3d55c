/* The certificate in words: first whether the figures can be trusted, then what that rests on. */
#include <math.h>
#include <stdio.h>

#include "bench/load/result/certificate.h"
#include "report_parts.h"

#define LINE_MAX_SIZE   400
#define NOTHING         "No verdict: nothing was measured"
#define MISSED_DEGRADED 0.01 /* of the starts, as result/certificate.c has it */

static const char *const headlines[] = {
    [RESULT_VALID] = "Valid: the figures are those of the server and the network",
    [RESULT_DEGRADED] = "Degraded: read each figure with its bound",
    [RESULT_INVALID] = "Invalid: do not use these figures",
};
static const char *const meanings[] = {
    [RESULT_VALID] =
        "This program watched itself during the whole run: it timed every event and began every "
        "request within the bounds below.",
    [RESULT_DEGRADED] =
        "This program was late itself, by more than it should be and by less than ten times "
        "that: the bounds below say how far its own lateness may have moved the figures.",
    [RESULT_INVALID] =
        "This program, or the machine under it, was too late to measure what it claims to: the "
        "figures tell as much about them as about the server.",
};

static enum page_tone tone_of(double value, double valid, double degraded) {
  if (!isfinite(value)) return PAGE_PLAIN;
  return value <= valid ? PAGE_GOOD : value <= degraded ? PAGE_WARN : PAGE_BAD;
}

static void put_state(cli_out *out, enum page_tone tone) {
  static const char *const words[] = {"not known", "valid", "degraded", "invalid"};
  cli_out_text(out, "<td class=\"w state\">");
  page_mark(out, tone);
  cli_out_format(out, "%s</td>", words[tone]);
}

/* What was measured, and what `valid` and `degraded` allow of it. */
typedef struct bounded {
  const char *name, *value, *valid, *degraded;
  enum page_tone tone;
} bounded;

static void put_bounded(cli_out *out, const bounded *b) {
  page_row(out, b->name);
  page_cell(out, b->value);
  page_cell(out, b->valid);
  page_cell(out, b->degraded);
  put_state(out, b->tone);
  page_row_end(out);
}

static void put_lag(cli_out *out, const char *name, const lti_hist *h,
                    const result_certificate *c) {
  char value[PAGE_FIGURE_MAX], valid[PAGE_FIGURE_MAX], degraded[PAGE_FIGURE_MAX];
  double p99 = report_parts_percentile(h, 99);
  bounded b = {name, page_time(p99, value), page_time(c->lag_valid_us, valid),
               page_time(c->lag_degraded_us, degraded),
               tone_of(p99, c->lag_valid_us, c->lag_degraded_us)};
  put_bounded(out, &b);
}

/* Starts that waited for room: none in a valid run, one in a hundred in a degraded one. */
static void put_missed(cli_out *out, const result_point *p) {
  char value[PAGE_FIGURE_MAX], degraded[PAGE_FIGURE_MAX];
  double bound = MISSED_DEGRADED * (double)p->counts.started;
  double missed = p->certificate.missed < 0 ? (double)NAN : (double)p->certificate.missed;
  bounded b = {"Starts without room under a cap", page_count(missed, value), "0",
               page_count(floor(bound), degraded), tone_of(missed, 0, bound)};
  put_bounded(out, &b);
}

static void put_bounds(cli_out *out, const result_point *p) {
  const result_certificate *c = &p->certificate;
  char value[PAGE_FIGURE_MAX], valid[PAGE_FIGURE_MAX], degraded[PAGE_FIGURE_MAX];
  page_table(out, "What the verdict rests on",
             "Figure|Measured|Valid up to|Degraded up to|<Verdict");
  put_lag(out, "Receive lag, p99", c->receive_lag, c);
  if (c->schedule_lag) put_lag(out, "Schedule lag, p99", c->schedule_lag, c);
  double busy = c->busy_share < 0 ? (double)NAN : c->busy_share;
  bounded b = {"Busy share, busiest thread", page_share(c->busy_share, value),
               page_share(c->busy_valid, valid), page_share(c->busy_degraded, degraded),
               tone_of(busy, c->busy_valid, c->busy_degraded)};
  put_bounded(out, &b);
  put_missed(out, p);
  page_table_end(out);
}

static void put_span(cli_out *out, const char *name, const lti_hist *h) {
  char p50[PAGE_FIGURE_MAX], p99[PAGE_FIGURE_MAX], top[PAGE_FIGURE_MAX], line[LINE_MAX_SIZE];
  if (!h || lti_hist_count(h) == 0) return;
  snprintf(line, sizeof line, "p50 %s, p99 %s, max %s",
           page_time(report_parts_percentile(h, 50), p50),
           page_time(report_parts_percentile(h, 99), p99), page_time((double)lti_hist_max(h), top));
  page_term(out, name, line);
}

static void put_terms(cli_out *out, const result_certificate *c) {
  char a[PAGE_FIGURE_MAX], b[PAGE_FIGURE_MAX], line[LINE_MAX_SIZE];
  page_terms(out);
  put_span(out, "Receive lag", c->receive_lag);
  put_span(out, "Schedule lag", c->schedule_lag);
  put_span(out, "Reads behind the kernel's stamps", c->kernel_lag);
  page_term(out, "CPU of the busiest thread", page_share(c->cpu_share, a));
  snprintf(line, sizeof line, "%s (%s of the run)", page_time((double)c->run_delay_us, a),
           page_share(c->run_delay_share, b));
  page_term(out, "Waited for a core", c->run_delay_us < 0 ? "" : line);
  snprintf(line, sizeof line, "%s, the longest %s", page_count((double)c->stalls, a),
           page_time((double)c->stall_max_us, b));
  page_term(out, "Stalls of the loop", c->stalls < 0 ? "" : c->stalls == 0 ? "none" : line);
  page_term(out, "CPU stolen from the machine", page_share(c->steal_share, a));
  page_term(out, "TCP segments sent again", page_count((double)c->retransmits, a));
  snprintf(line, sizeof line, "%s of %s", page_count((double)c->descriptors_peak, a),
           page_count((double)c->descriptors_max, b));
  page_term(out, "File descriptors at once", line);
  page_term(out, "Ports to connect from", page_count((double)c->ports_max, a));
  page_term(out, "Clock", c->clock);
  page_terms_end(out);
}

static void put_reasons(cli_out *out, const result_certificate *c) {
  if (c->reason_count == 0) return;
  cli_out_text(out, "<ul class=\"reasons\">\n");
  for (size_t i = 0; i < c->reason_count && i < RESULT_REASONS_MAX; i++) {
    cli_out_text(out, "<li>");
    page_mark(out, page_tone_of(c->reasons[i].verdict));
    page_word(out, c->reasons[i].text);
    if (c->reasons[i].advice[0]) {
      cli_out_text(out, "<em>What helps: ");
      page_word(out, c->reasons[i].advice);
      cli_out_text(out, "</em>");
    }
    cli_out_text(out, "</li>\n");
  }
  cli_out_text(out, "</ul>\n");
}

/* What the lag comes to for the figures of a run that is not valid. */
static void put_bound(cli_out *out, const result_certificate *c) {
  char p99[PAGE_FIGURE_MAX], most[PAGE_FIGURE_MAX];
  double late = report_parts_percentile(c->receive_lag, 99);
  if (c->verdict == RESULT_VALID || !isfinite(late)) return;
  cli_out_format(out,
                 "<p>Of 100 events 99 were read at most <strong>%s</strong> late, and none more "
                 "than %s: no latency here is longer than the server's by more.</p>\n",
                 page_time(late, p99), page_time((double)lti_hist_max(c->receive_lag), most));
}

/* Of several loads: which one this is the certificate of, and what the others are. */
static void put_others(cli_out *out, const result *r, size_t main) {
  size_t counts[3] = {0, 0, 0};
  if (r->point_count < 2) return;
  for (size_t i = 0; i < r->point_count; i++) counts[r->points[i].certificate.verdict]++;
  cli_out_text(out, "<p>This is the certificate of <strong>");
  page_word(out, r->points[main].offer.label);
  cli_out_format(out, "</strong>%s. ", r->knee.found ? ", the knee" : ", the worst");
  cli_out_format(out,
                 "Of all %zu loads %zu are valid, %zu degraded and %zu invalid; the table of "
                 "loads has each one's verdict.</p>\n",
                 r->point_count, counts[RESULT_VALID], counts[RESULT_DEGRADED],
                 counts[RESULT_INVALID]);
}

void report_verdict(const result *r, cli_out *out) {
  size_t main = report_parts_main(r);
  const result_certificate *c = &r->points[main].certificate;
  bool nothing = !isfinite(report_parts_percentile(c->receive_lag, 99)) &&
                 r->points[main].counts.completed == 0 && c->verdict == RESULT_VALID;
  enum page_tone tone = nothing ? PAGE_PLAIN : page_tone_of(c->verdict);
  cli_out_format(out,
                 "<div class=\"verdict %s\" id=\"certificate\" role=\"region\" "
                 "aria-labelledby=\"certificate-h\">\n<h2 id=\"certificate-h\">",
                 page_tone_name(tone));
  page_mark(out, tone);
  cli_out_format(out, "<span>%s</span></h2>\n<p>%s</p>\n",
                 nothing ? NOTHING : headlines[c->verdict],
                 nothing ? "The run ended before anything came." : meanings[c->verdict]);
  put_others(out, r, main);
  put_bound(out, c);
  put_reasons(out, c);
  put_bounds(out, &r->points[main]);
  cli_out_text(out,
               "<details><summary>More of what this program saw of itself and its machine"
               "</summary>\n");
  put_terms(out, c);
  cli_out_text(
      out,
      "<p class=\"sub\">Receive lag: an event was read at the latest so long after it "
      "could be read. Schedule lag: a request was sent so long after its intended start. ");
  cli_out_format(out,
                 "Both are valid up to %g ms or %g %% of the median TTFT, whichever is more, and "
                 "degraded up to %g times that.</p></details>\n</div>\n",
                 CERTIFICATE_LAG_US / 1000, CERTIFICATE_LAG_SHARE * 100, CERTIFICATE_DEGRADED_FOR);
}
