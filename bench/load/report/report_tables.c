/* What is told as tables: failures, measures with their formulas, lengths, traffic, and where the
 * result comes from. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "bindings/cli/json_layout.h"
#include "bindings/cli/program.h"
#include "report_parts.h"

#define WORDS_MAX   400
#define CONFIG_MAX  (1u << 20) /* of the configuration as it is laid out */
#define BAR_WIDTH   320.0
#define PARTS_SHOWN 64

/* ---- failures */

static void put_statuses(const result_point *p, cli_out *out) {
  char name[PAGE_FIGURE_MAX], count[PAGE_FIGURE_MAX];
  cli_out_text(out, "<div class=\"slim\">");
  page_table(out, "HTTP statuses", "HTTP status|Answers");
  for (size_t i = 0; i < p->status_count && i < RESULT_STATUS_MAX; i++) {
    snprintf(name, sizeof name, "%d", p->statuses[i].status);
    page_row(out, p->statuses[i].status > 0 ? name : "others");
    page_cell(out, page_count((double)p->statuses[i].count, count));
    page_row_end(out);
  }
  page_table_end(out);
  cli_out_text(out, "</div>\n");
}

static void put_errors(const result_point *p, cli_out *out) {
  char count[PAGE_FIGURE_MAX];
  page_table(out, "Failures by kind", "Failure|<Class|Requests|<First message");
  for (size_t i = 0; i < p->error_count && i < RESULT_ERRORS_MAX; i++) {
    const result_error *e = &p->errors[i];
    page_row(out, e->name);
    page_cell_words(out, e->kind);
    page_cell(out, page_count((double)e->count, count));
    page_cell_words(out, e->message);
    page_row_end(out);
  }
  page_table_end(out);
}

static void put_counts(const result_counts *c, cli_out *out) {
  const struct {
    const char *name;
    uint64_t count;
    bool always;
  } rows[] = {{"Started", c->started, true},
              {"Completed", c->completed, true},
              {"Failed", c->failed, true},
              {"of those, answers that were not whole", c->truncated, false},
              {"Cancelled", c->cancelled, false},
              {"Cut at the end", c->cut, false},
              {"Attempts beyond the first", c->retried, false},
              {"Begun late, behind the window", c->late, false},
              {"Starts that waited for the cap", c->missed, false},
              {"Conversations", c->sessions, false},
              {"Warm-up, in no figure", c->warmup, false}};
  char text[PAGE_FIGURE_MAX];
  page_terms(out);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (rows[i].always || rows[i].count > 0)
      page_term(out, rows[i].name, page_count((double)rows[i].count, text));
  page_terms_end(out);
}

void report_tables_failures(const result_point *p, cli_out *out) {
  page_section(out, "requests", "Requests, statuses and failures");
  put_counts(&p->counts, out);
  if (p->status_count > 0) put_statuses(p, out);
  if (p->error_count > 0)
    put_errors(p, out);
  else
    cli_out_text(out, "<p class=\"sub\">No request failed.</p>\n");
  page_section_end(out);
}

/* ---- measures */

static void put_measure_row(const lti_hist *h, const char *name, cli_out *out) {
  static const double percents[] = {50, 90, 95, 99, 99.9};
  char text[PAGE_FIGURE_MAX];
  page_row(out, name);
  page_cell(out, page_count((double)lti_hist_count(h), text));
  page_cell(out, page_ms(report_parts_mean(h), text));
  page_cell(out, page_ms(lti_hist_stddev(h), text));
  page_cell(out, page_ms((double)lti_hist_min(h), text));
  for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++)
    page_cell(out, page_ms(report_parts_percentile(h, percents[i]), text));
  page_cell(out, page_ms((double)lti_hist_max(h), text));
  page_row_end(out);
}

static bool told(const lti_hist *h) {
  return h && lti_hist_count(h) > 0;
}

static void put_formulas(cli_out *out) {
  page_table(out, "What each measure is, and what others call it",
             "Measure|<Name|<Formula|<Elsewhere");
  for (int m = 0; m < MEASURE_COUNT; m++) {
    const measure_row *row = measure_at((enum measure)m);
    page_row(out, row->name);
    page_cell_words(out, row->title);
    page_cell_words(out, row->formula);
    page_cell_words(out, row->peers ? row->peers : "\xe2\x80\x93");
    page_row_end(out);
  }
  page_table_end(out);
}

static void put_levels(const result_point *p, cli_out *out) {
  char name[WORDS_MAX], text[PAGE_FIGURE_MAX];
  const result_goodput *g = &p->goodput;
  if (g->slo_count == 0) return;
  cli_out_text(out, "<h3>Goodput</h3>\n<div class=\"slim\">");
  page_table(out, "Requests that met each level", "Level|Requests|Of those started");
  double started = p->counts.started > 0 ? (double)p->counts.started : 1;
  for (size_t i = 0; i < g->slo_count && i < sizeof g->slos / sizeof g->slos[0]; i++) {
    snprintf(name, sizeof name, "%s at most %s", measure_at(g->slos[i].measure)->name,
             page_time(g->slos[i].limit_ms * 1e3, text));
    page_row(out, name);
    page_cell(out, page_count((double)g->slos[i].met, text));
    page_cell(out, page_share((double)g->slos[i].met / started, text));
    page_row_end(out);
  }
  page_row(out, "all of them");
  page_cell(out, page_count((double)g->good, text));
  page_cell(out, page_share((double)g->good / started, text));
  page_row_end(out);
  page_table_end(out);
  cli_out_text(out, "</div>\n");
}

void report_tables_measures(const result_point *p, cli_out *out) {
  char name[WORDS_MAX];
  page_section(out, "measures", "All measures");
  cli_out_text(out,
               "<p class=\"sub\">Latencies in ms, from histograms of three digits. Percentiles "
               "are of all samples, never means of percentiles.</p>\n");
  page_table(out, "All measures in ms", "Measure|Samples|Mean|SD|Min|p50|p90|p95|p99|p99.9|Max");
  for (int m = 0; m < MEASURE_COUNT; m++) {
    const result_latency *l = &p->latencies[m];
    const measure_row *row = measure_at((enum measure)m);
    if (told(l->sent)) put_measure_row(l->sent, row->name, out);
    if (!told(l->intended)) continue;
    snprintf(name, sizeof name, "%s, from the intended start", row->name);
    put_measure_row(l->intended, name, out);
  }
  page_table_end(out);
  put_levels(p, out);
  cli_out_text(out,
               "<details><summary>What each measure is, and what other tools call it"
               "</summary>\n");
  put_formulas(out);
  cli_out_text(out, "</details>\n");
  page_section_end(out);
}

/* ---- lengths */

typedef struct length {
  const char *name;
  int64_t wanted, min, max;
  double mean, sd;
} length;

static double across(const length *l, double value) {
  double top = (double)l->max;
  return top > 0 ? fmin(fmax(value / top, 0), 1) * BAR_WIDTH : 0;
}

/* From the least to the most, with the mean and its spread. */
static void put_length_bar(const length *l, cli_out *out) {
  double from = across(l, (double)l->min), low = across(l, l->mean - fmax(l->sd, 0));
  double high = across(l, l->mean + fmax(l->sd, 0));
  cli_out_format(out,
                 "<td class=\"w\"><svg class=\"bars\" width=\"%.0f\" height=\"16\" "
                 "aria-hidden=\"true\"><rect class=\"t\" width=\"100%%\" height=\"16\"/>"
                 "<rect class=\"r\" x=\"%.1f\" width=\"%.1f\" y=\"7\" height=\"2\"/>"
                 "<rect x=\"%.1f\" width=\"%.1f\" y=\"4\" height=\"8\"/>"
                 "<rect class=\"r\" x=\"%.1f\" width=\"2\" y=\"1\" height=\"14\"/></svg></td>",
                 BAR_WIDTH, from, BAR_WIDTH - from, fmin(fmax(low, from), BAR_WIDTH - 2),
                 fmax(high - fmin(fmax(low, from), BAR_WIDTH - 2), 2),
                 fmin(across(l, l->mean), BAR_WIDTH - 2));
}

static void put_length(const length *l, cli_out *out) {
  char text[PAGE_FIGURE_MAX];
  page_row(out, l->name);
  page_cell(out, page_count((double)l->wanted, text));
  snprintf(text, sizeof text, "%.1f", l->mean);
  page_cell(out, text);
  snprintf(text, sizeof text, "%.1f", l->sd);
  page_cell(out, l->sd < 0 ? "\xe2\x80\x93" : text);
  page_cell(out, page_count((double)l->min, text));
  page_cell(out, page_count((double)l->max, text));
  put_length_bar(l, out);
  page_row_end(out);
}

void report_tables_lengths(const result_point *p, cli_out *out) {
  const result_lengths *n = &p->lengths;
  length input = {"Prompt",     n->input_wanted, n->input_min,
                  n->input_max, n->input_mean,   n->input_sd};
  length output = {"Answer",      n->output_wanted, n->output_min,
                   n->output_max, n->output_mean,   n->output_sd};
  page_section(out, "lengths", "Lengths in tokens");
  if (n->input_mean < 0 && n->output_mean < 0) {
    cli_out_text(out,
                 "<p class=\"sub\">The server told no token counts, so none are told here: "
                 "they are never guessed from events.</p>\n");
  } else {
    cli_out_text(out,
                 "<p class=\"sub\">As the server counted them. The bar goes from the least "
                 "to the most, its thick part is the mean and one standard deviation.</p>\n");
    page_table(out, "Lengths of prompts and answers in tokens",
               "Of|Asked for|Mean|SD|Least|Most|<From zero to the most");
    if (n->input_mean >= 0) put_length(&input, out);
    if (n->output_mean >= 0) put_length(&output, out);
    page_table_end(out);
  }
  if (n->note[0]) {
    cli_out_text(out, "<p class=\"sub\">Lengths that were asked for: ");
    page_word(out, n->note);
    cli_out_text(out, ".</p>\n");
  }
  page_section_end(out);
}

/* ---- traffic */

static void put_volume(const result_volume *v, cli_out *out) {
  char text[PAGE_FIGURE_MAX];
  page_term(out, "Events", page_count((double)v->events, text));
  page_term(out, "of those, with content", page_count((double)v->content_events, text));
  page_term(out, "Content", page_bytes((double)v->content_bytes, text));
  page_term(out, "Answers that told their tokens", page_count((double)v->usage_answers, text));
  page_term(out, "Prompt tokens", page_count((double)v->input_tokens, text));
  page_term(out, "of those, from a cache", page_count((double)v->cached_tokens, text));
  page_term(out, "Output tokens", page_count((double)v->output_tokens, text));
  page_term(out, "of those, reasoning", page_count((double)v->reasoning_tokens, text));
  page_term(out, "Received", page_bytes((double)v->bytes_received, text));
  page_term(out, "Sent", page_bytes((double)v->bytes_sent, text));
}

static void put_conns(const result_conns *c, cli_out *out) {
  char a[PAGE_FIGURE_MAX], b[PAGE_FIGURE_MAX], line[WORDS_MAX];
  snprintf(line, sizeof line, "%s, at most %s at once", page_count((double)c->opened, a),
           page_count((double)c->peak, b));
  page_term(out, "Connections opened", line);
  page_term(out, "Connections that failed", page_count((double)c->failed, a));
  snprintf(line, sizeof line, "%s full, %s resumed", page_count((double)c->full_handshakes, a),
           page_count((double)c->resumed, b));
  page_term(out, "TLS handshakes", line);
  snprintf(line, sizeof line, "%s over HTTP/1.1, %s over HTTP/2",
           page_count((double)c->requests_http1, a), page_count((double)c->requests_http2, b));
  page_term(out, "Requests", line);
}

void report_tables_traffic(const result_point *p, cli_out *out) {
  char a[PAGE_FIGURE_MAX], b[PAGE_FIGURE_MAX], line[WORDS_MAX];
  page_section(out, "traffic", "Traffic and this program's own cost");
  page_terms(out);
  put_volume(&p->volume, out);
  put_conns(&p->conns, out);
  snprintf(line, sizeof line, "%s user, %s system", page_time(p->process.user_s * 1e6, a),
           page_time(p->process.system_s * 1e6, b));
  page_term(out, "CPU time", line);
  page_term(out, "Memory, at most", page_bytes((double)p->process.rss_peak_kb * 1024, a));
  snprintf(line, sizeof line, "%s, of which %s before the drain", page_time(p->wall_s * 1e6, a),
           page_time(p->window_s * 1e6, b));
  page_term(out, "Measured", line);
  page_terms_end(out);
  page_section_end(out);
}

/* ---- where it comes from */

/* The shards of a merged result. */
static void put_parts(const result *r, cli_out *out) {
  double first = INFINITY;
  for (size_t i = 0; i < r->part_count; i++) first = fmin(first, r->parts[i].begun_at);
  for (size_t i = 0; i < r->part_count && i < PARTS_SHOWN; i++) {
    const result_part *part = &r->parts[i];
    char name[32], line[WORDS_MAX], late[PAGE_FIGURE_MAX], clock[PAGE_FIGURE_MAX];
    snprintf(name, sizeof name, "Shard %d", part->shard);
    snprintf(line, sizeof line, "%s; began %s behind the first, clock within %s",
             result_verdict_name(part->verdict), page_time((part->begun_at - first) * 1e6, late),
             page_time(part->clock_error_ms * 1e3, clock));
    page_term(out, name, line);
  }
}

static void put_machine(const result *r, cli_out *out) {
  const result_machine *m = &r->machine;
  char line[WORDS_MAX], text[PAGE_FIGURE_MAX];
  page_terms(out);
  page_term(out, "System", m->system);
  page_term(out, "Processor", m->processor);
  snprintf(line, sizeof line, "%" PRId64, m->cores);
  if (m->threads > 0)
    snprintf(line, sizeof line, "%" PRId64 " for %" PRId64 " measuring thread%s", m->cores,
             m->threads, m->threads == 1 ? "" : "s");
  page_term(out, "Cores", m->cores > 0 ? line : "");
  page_term(out, "Memory", page_bytes(m->memory_kb > 0 ? (double)m->memory_kb * 1024 : -1, text));
  page_term(out, "Versions", m->versions);
  snprintf(line, sizeof line, "%" PRId64, r->seed);
  page_term(out, "Seed", line);
  if (r->repeat > 0) {
    snprintf(line, sizeof line, "%zu", r->repeat + 1);
    page_term(out, "Repetition", line);
  }
  if (r->shards > 1) {
    snprintf(line, sizeof line, "%d of %d, clock within %s", r->shard, r->shards,
             page_time(r->clock_error_ms * 1e3, text));
    page_term(out, "Shard", line);
  }
  put_parts(r, out);
  page_terms_end(out);
}

/* The configuration, laid out if it is the JSON that it should be, else as it is. */
static bool put_config(const result *r, cli_out *out) {
  lti_buf laid;
  leat_slice config = lti_slice_of(r->config ? r->config : "{}");
  lti_buf_init(&laid, cli_program_alloc(), CONFIG_MAX, LEAT_EBODYMAX);
  int error = cli_json_layout(config, false, &laid);
  cli_out_text(out, "<pre tabindex=\"0\" aria-label=\"run.json\">");
  page_text(out, error == LEAT_OK ? lti_slice_trim(lti_buf_slice(&laid)) : config);
  cli_out_text(out, "</pre>\n");
  lti_buf_deinit(&laid);
  return error != LEAT_ENOMEM;
}

bool report_tables_origin(const result *r, cli_out *out) {
  page_section(out, "origin", "Configuration, machine, and how to do it again");
  put_machine(r, out);
  cli_out_text(out,
               "<p>Save this as <code>run.json</code> and run <code>leat load --config "
               "run.json</code>. Keys are not in it: give yours as before.</p>\n");
  bool fine = put_config(r, out);
  page_section_end(out);
  return fine;
}
