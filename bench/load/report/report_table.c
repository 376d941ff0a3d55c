/* The report as a table of at most 100 columns, in the order in which one asks: did it work, how
 * much was done, how long did it take, what came, what did it cost, and may one believe it.
 *
 *     requests       1,000 completed, none failed, in 12.35 s
 *     throughput     81.0 requests/s, 8,123 events/s, 8,100 tokens/s out
 *     latency, ms                              samples      mean       p50       p90  ...
 *       ttft     from the send                   1,000     51.20     50.11     52.00  ...
 *                from the intended start         1,000     51.21     50.13     52.04  ...
 *
 * The certificate always comes last, with its figures, their bounds, and what to change. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/report/report.h"
#include "bindings/cli/say.h"

#define COLUMNS     100
#define PARTS_SHOWN 64
#define INDENT      15 /* where the text behind a key begins */
#define FINDING     19 /* and behind one of the certificate's */

typedef struct number {
  char text[40];
} number;

static number count_of(uint64_t n) {
  number x;
  figure_show(FIGURE_COUNT, (double)n, x.text, sizeof x.text);
  return x;
}

static number rate_of(double value) {
  number x;
  figure_number(value, x.text, sizeof x.text);
  return x;
}

/* With two decimals; a hyphen where it is not known. */
static number ms_of(double ms) {
  number x;
  if (isfinite(ms))
    snprintf(x.text, sizeof x.text, "%.2f", ms);
  else
    snprintf(x.text, sizeof x.text, "-");
  return x;
}

static number stat_of(const lti_hist *h, enum figure_stat stat, double percent) {
  double ms;
  return ms_of(figure_of_hist(h, stat, percent, &ms) ? ms : NAN);
}

/* Someone else's text: one line, without control characters. */
static void put_clean(cli_out *out, const char *text) {
  char line[RESULT_TEXT_MAX];
  cli_say_clean(lti_slice_of(text), line, sizeof line);
  cli_out_text(out, line);
}

/* Text in lines that end before the last column, `from` in. Its first line has begun there. */
static void put_wrapped(cli_out *out, int from, const char *foreign) {
  char line[2 * RESULT_TEXT_MAX];
  const char *text = line;
  cli_say_clean(lti_slice_of(foreign), line, sizeof line);
  size_t room = (size_t)(COLUMNS - from), used = 0;
  while (*text) {
    size_t space = strspn(text, " "), word = strcspn(text + space, " ");
    if (used > 0 && used + space + word > room) {
      cli_out_format(out, "\n%*s", from, "");
      used = space = 0;
      text += strspn(text, " ");
      word = strcspn(text, " ");
    }
    if (used == 0) {
      text += space;
      space = 0;
    }
    cli_out_write(out, lti_slice(text, space + word));
    used += space + word;
    text += space + word;
  }
  cli_out_text(out, "\n");
}

/* What stands behind one key, put together before it is cut into lines. */
typedef struct line {
  size_t used;
  char text[2 * RESULT_TEXT_MAX];
} line;

static void add(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(line *l, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(l->text + l->used, sizeof l->text - l->used, format, args);
  va_end(args);
  if (n > 0) l->used += (size_t)n;
  if (l->used >= sizeof l->text) l->used = sizeof l->text - 1;
}

static void put_line(cli_out *out, const char *key, const line *l) {
  cli_out_format(out, "%-*s ", INDENT - 1, key);
  put_wrapped(out, INDENT, l->text);
}

/* The same within the certificate. */
static void put_finding(cli_out *out, const char *key, const line *l) {
  cli_out_format(out, "  %-*s ", FINDING - 3, key);
  put_wrapped(out, FINDING, l->text);
}

/* --- what was done --- */

static void put_errors(const result_point *p, cli_out *out) {
  for (size_t i = 0; i < p->error_count; i++) {
    const result_error *e = &p->errors[i];
    line l = {.used = 0};
    add(&l, "%s: %s", e->name, e->message);
    cli_out_format(out, "%*s ", INDENT - 1, count_of(e->count).text);
    put_wrapped(out, INDENT, l.text);
  }
}

static void add_optional(line *l, uint64_t n, const char *what) {
  if (n) add(l, ", %s %s", count_of(n).text, what);
}

static void put_requests(const result_point *p, cli_out *out) {
  const result_counts *n = &p->counts;
  line l = {.used = 0};
  add(&l, "%s completed, %s failed", count_of(n->completed).text,
      n->failed ? count_of(n->failed).text : "none");
  add_optional(&l, n->truncated, "of them cut short");
  add_optional(&l, n->cancelled, "cancelled");
  add_optional(&l, n->cut, "cut at the end");
  add_optional(&l, n->retried, "retried");
  add(&l, ", in %.3f s", p->wall_s);
  put_line(out, "requests", &l);
  put_errors(p, out);
}

static void put_load(const result_point *p, cli_out *out) {
  const result_offer *o = &p->offer;
  const result_counts *n = &p->counts;
  line l = {.used = 0};
  add(&l, "%s", o->label[0] ? o->label : result_shape_name(o->shape));
  if (o->arrivals[0] && o->shape == RESULT_OPEN) add(&l, ", %s arrivals", o->arrivals);
  add(&l, "; at most %s at once", count_of(n->in_flight_peak).text);
  if (n->answering_peak) add(&l, ", %s answering", count_of(n->answering_peak).text);
  if (n->sessions < n->started) add_optional(&l, n->sessions, "conversations");
  add_optional(&l, n->warmup, "to warm up");
  add_optional(&l, n->missed, "kept waiting by the cap");
  add_optional(&l, n->late, "begun too late");
  add(&l, "; what ran at the end was %s", p->drained ? "waited for" : "cut");
  put_line(out, "load", &l);
}

static void put_throughput(const result_point *p, cli_out *out) {
  double output = result_output_rate(p), input = result_input_rate(p);
  line l = {.used = 0};
  add(&l, "%s requests/s, %s events/s", rate_of(result_request_rate(p)).text,
      rate_of(result_event_rate(p)).text);
  if (output >= 0) add(&l, ", %s tokens/s out", rate_of(output).text);
  if (input >= 0) add(&l, ", %s tokens/s in", rate_of(input).text);
  put_line(out, "throughput", &l);
}

/* --- how long it took --- */

static void put_latency(const char *name, const char *form, const lti_hist *h, cli_out *out) {
  cli_out_format(out, "  %-9s %-23s %10s", name, form, count_of(lti_hist_count(h)).text);
  cli_out_format(out, " %9s %9s %9s %9s %9s\n", stat_of(h, FIGURE_MEAN, 0).text,
                 stat_of(h, FIGURE_PERCENTILE, 50).text, stat_of(h, FIGURE_PERCENTILE, 90).text,
                 stat_of(h, FIGURE_PERCENTILE, 99).text, stat_of(h, FIGURE_MAX, 0).text);
}

static bool has_samples(const lti_hist *h) {
  return h && lti_hist_count(h) > 0;
}

static bool are_alike(const lti_hist *a, const lti_hist *b) {
  if (!has_samples(a) || !has_samples(b)) return has_samples(a) == has_samples(b);
  lti_hist_exact x, y;
  lti_hist_tell(a, &x);
  lti_hist_tell(b, &y);
  return lti_hist_count(a) == lti_hist_count(b) && x.min == y.min && x.max == y.max &&
         fabs(x.sum - y.sum) < 0.5;
}

/* Without reasoning the first output is the first token: one row tells both. */
static bool is_told(const result_point *p, unsigned m) {
  const result_latency *output = &p->latencies[MEASURE_TTFO], *first = &p->latencies[MEASURE_TTFT];
  if (!has_samples(p->latencies[m].sent)) return false;
  return m != MEASURE_TTFO || !are_alike(output->sent, first->sent) ||
         !are_alike(output->intended, first->intended);
}

static void put_latencies(const result_point *p, cli_out *out) {
  bool any = false;
  for (unsigned i = 0; i < MEASURE_COUNT; i++) {
    const result_latency *l = &p->latencies[i];
    const measure_row *m = measure_at((enum measure)i);
    bool both = has_samples(l->intended);
    if (!is_told(p, i)) continue;
    if (!any)
      cli_out_format(out, "%-35s %10s %9s %9s %9s %9s %9s\n", "latency, ms", "samples", "mean",
                     "p50", "p90", "p99", "max");
    any = true;
    put_latency(m->name, both ? "from the send" : "", l->sent, out);
    if (both) put_latency("", "from the intended start", l->intended, out);
  }
  if (any && p->offer.shape == RESULT_CLOSED)
    cli_out_format(out, "%12sin a closed loop the intended start is the send: both forms are one\n",
                   "");
}

/* --- what came --- */

static void put_volume(const result_point *p, cli_out *out) {
  const result_volume *v = &p->volume;
  double batching = result_tokens_per_event(p);
  line l = {.used = 0};
  add(&l, "%s, %s of them with content", count_of(v->events).text,
      count_of(v->content_events).text);
  put_line(out, "events", &l);
  l.used = 0;
  if (v->output_tokens < 0) {
    add(&l, "not known, since no answer told them");
    put_line(out, "tokens", &l);
    return;
  }
  add(&l, "%s out", count_of((uint64_t)v->output_tokens).text);
  if (v->reasoning_tokens > 0)
    add(&l, " (%s of reasoning)", count_of((uint64_t)v->reasoning_tokens).text);
  if (batching >= 0) add(&l, ", %.2f a content event", batching);
  if (v->input_tokens >= 0) add(&l, "; %s in", count_of((uint64_t)v->input_tokens).text);
  if (v->cached_tokens > 0)
    add(&l, " (%s from a cache)", count_of((uint64_t)v->cached_tokens).text);
  if (v->usage_answers < p->counts.completed)
    add(&l, "; only %s answers told theirs", count_of(v->usage_answers).text);
  put_line(out, "tokens", &l);
}

static void put_goodput(const result_point *p, cli_out *out) {
  const result_goodput *g = &p->goodput;
  char share[48];
  line l = {.used = 0};
  if (g->slo_count == 0) return;
  double part = result_goodput_share(p);
  add(&l, "%s of the requests (%s/s) kept to all levels;",
      figure_show(FIGURE_SHARE, part < 0 ? NAN : part, share, sizeof share),
      rate_of(result_goodput_rate(p)).text);
  for (size_t i = 0; i < g->slo_count; i++)
    add(&l, "%s %s to %s %g ms", i ? "," : "", count_of(g->slos[i].met).text,
        measure_at(g->slos[i].measure)->name, g->slos[i].limit_ms);
  put_line(out, "goodput", &l);
}

typedef struct side {
  const char *what;
  int64_t wanted, low, high;
  double mean, sd;
} side;

static void put_side(const side *s, const char *key, cli_out *out) {
  line l = {.used = 0};
  if (s->mean < 0) return;
  add(&l, "%s of", s->what);
  if (s->wanted >= 0) add(&l, " %s tokens wanted,", count_of((uint64_t)s->wanted).text);
  add(&l, " %s on average", rate_of(s->mean).text);
  if (s->sd >= 0) add(&l, " (sd %s)", rate_of(s->sd).text);
  if (s->low >= 0 && s->high >= 0)
    add(&l, ", %s to %s", count_of((uint64_t)s->low).text, count_of((uint64_t)s->high).text);
  if (s->wanted < 0) add(&l, " tokens");
  put_line(out, key, &l);
}

static void put_lengths(const result_lengths *l, cli_out *out) {
  side prompts = {"prompts",    l->input_wanted, l->input_min,
                  l->input_max, l->input_mean,   l->input_sd};
  side answers = {"answers",     l->output_wanted, l->output_min,
                  l->output_max, l->output_mean,   l->output_sd};
  put_side(&prompts, "lengths", out);
  put_side(&answers, l->input_mean < 0 ? "lengths" : "", out);
  if (!l->note[0]) return;
  line note = {.used = 0};
  add(&note, "%s", l->note);
  put_line(out, "", &note);
}

/* --- what it cost --- */

static void put_conns(const result_conns *c, cli_out *out) {
  line l = {.used = 0};
  add(&l, "%s opened, %s at once", count_of(c->opened).text, count_of(c->peak).text);
  if (c->allowed) add(&l, " of %s allowed", count_of(c->allowed).text);
  if (c->full_handshakes || c->resumed)
    add(&l, ", handshakes: %s full, %s resumed", count_of(c->full_handshakes).text,
        count_of(c->resumed).text);
  add_optional(&l, c->failed, "failed");
  put_line(out, "connections", &l);
  if (!c->requests_http1 && !c->requests_http2) return;
  l.used = 0;
  add(&l, "%s requests over HTTP/2, %s over HTTP/1.1", count_of(c->requests_http2).text,
      count_of(c->requests_http1).text);
  put_line(out, "http", &l);
}

static void put_client(const result_point *p, cli_out *out) {
  const result_process *c = &p->process;
  double cpu_s = c->user_s + c->system_s;
  line l = {.used = 0};
  add(&l, "CPU %.2f s", cpu_s);
  if (p->volume.events) add(&l, " (%.2f us/event)", cpu_s * 1e6 / (double)p->volume.events);
  add(&l, ", peak memory %.1f MB", (double)c->rss_peak_kb / 1024);
  if (c->decrypted_bytes)
    add(&l, ", %.2f %% copied", 100 * (double)c->copied_bytes / (double)c->decrypted_bytes);
  if (c->allocations_per_event >= 0) add(&l, ", %.3g allocations/event", c->allocations_per_event);
  put_line(out, "client", &l);
}

/* --- whether to believe it --- */

static void put_verdict(enum result_verdict verdict, cli_out *out) {
  static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
  bool coloured = out->terminal && cli_say_colour(out->fd);
  cli_out_text(out, coloured ? colours[verdict] : "");
  cli_out_text(out, result_verdict_name(verdict));
  cli_out_text(out, coloured ? "\033[0m" : "");
}

static const char *meaning(enum result_verdict verdict) {
  switch (verdict) {
    case RESULT_VALID: return "the figures are the server's, not this client's";
    case RESULT_DEGRADED: return "the figures hold within the bounds below";
    case RESULT_INVALID: break;
  }
  return "this client bent the figures: do not rely on them";
}

static void put_lag(const char *name, const lti_hist *h, const result_certificate *c,
                    cli_out *out) {
  line l = {.used = 0};
  if (!h) return;
  add(&l, "p50 %s, p99 %s, max %s ms", stat_of(h, FIGURE_PERCENTILE, 50).text,
      stat_of(h, FIGURE_PERCENTILE, 99).text, stat_of(h, FIGURE_MAX, 0).text);
  if (c && c->lag_valid_us >= 0)
    add(&l, "; p99 valid to %s, degraded to %s", ms_of(c->lag_valid_us / 1e3).text,
        ms_of(c->lag_degraded_us / 1e3).text);
  if (!c) add(&l, " behind the kernel's stamps, from which times count");
  put_finding(out, name, &l);
}

/* A comma before all but the first. */
static void add_comma(line *l) {
  if (l->used) add(l, ", ");
}

static void add_share(line *l, double share, const char *what) {
  if (share < 0) return;
  add_comma(l);
  add(l, "%.1f %% %s", share * 100, what);
}

/* Counts that may be unknown. */
static void add_fact(line *l, int64_t n, const char *what) {
  if (n < 0) return;
  add_comma(l);
  add(l, "%s %s", count_of((uint64_t)n).text, what);
}

static void put_busy(const result_certificate *c, cli_out *out) {
  line l = {.used = 0};
  if (c->busy_share < 0) return;
  add_share(&l, c->busy_share, "busy");
  if (c->busy_valid >= 0)
    add(&l, " (valid below %g, degraded below %g)", c->busy_valid * 100, c->busy_degraded * 100);
  add_share(&l, c->cpu_share, "CPU");
  add_share(&l, c->run_delay_share, "run delay");
  put_finding(out, "busiest thread", &l);
}

static void put_facts(const result_certificate *c, cli_out *out) {
  line l = {.used = 0};
  add_fact(&l, c->stalls, "stalls above 5 ms");
  if (c->stalls > 0 && c->stall_max_us >= 0)
    add(&l, " (longest %s)", ms_of((double)c->stall_max_us / 1e3).text);
  add_fact(&l, c->missed, "starts kept waiting by the cap");
  if (l.used) put_finding(out, "held up", &l);
  l.used = 0;
  add_share(&l, c->steal_share, "CPU stolen");
  add_fact(&l, c->retransmits, "TCP segments resent");
  if (c->descriptors_peak >= 0 && c->descriptors_max >= 0) {
    add_comma(&l);
    add(&l, "%s of %s descriptors", count_of((uint64_t)c->descriptors_peak).text,
        count_of((uint64_t)c->descriptors_max).text);
  }
  add_fact(&l, c->ports_max, "ports");
  if (c->clock[0]) {
    add_comma(&l);
    add(&l, "clock %s", c->clock);
  }
  if (l.used) put_finding(out, "machine", &l);
}

/* What the lag comes to for the figures above. */
static void put_bound(const result_certificate *c, cli_out *out) {
  line l = {.used = 0};
  if (c->verdict == RESULT_VALID || !has_samples(c->receive_lag)) return;
  add(&l,
      "of 100 events 99 were read at most %s ms late, none more than %s: no latency above is "
      "longer than the server's by more",
      stat_of(c->receive_lag, FIGURE_PERCENTILE, 99).text,
      stat_of(c->receive_lag, FIGURE_MAX, 0).text);
  put_finding(out, "bound", &l);
}

static void put_reasons(const result_certificate *c, cli_out *out) {
  for (size_t i = 0; i < c->reason_count; i++) {
    const result_reason *why = &c->reasons[i];
    line l = {.used = 0};
    add(&l, "%s", why->text);
    put_finding(out, result_verdict_name(why->verdict), &l);
    if (!why->advice[0]) continue;
    l.used = 0;
    add(&l, "%s", why->advice);
    put_finding(out, "", &l);
  }
}

static void put_certificate(const result_point *p, const char *of, cli_out *out) {
  const result_certificate *c = &p->certificate;
  cli_out_format(out, "%-*s ", INDENT - 1, "certificate");
  put_verdict(c->verdict, out);
  cli_out_format(out, ": %s", meaning(c->verdict));
  if (of) {
    cli_out_text(out, " (");
    put_clean(out, of);
    cli_out_text(out, ")");
  }
  cli_out_text(out, "\n");
  put_lag("receive lag", c->receive_lag, c, out);
  put_lag("schedule lag", c->schedule_lag, c, out);
  put_lag("kernel lag", c->kernel_lag, NULL, out);
  put_busy(c, out);
  put_facts(c, out);
  put_bound(c, out);
  put_reasons(c, out);
}

/* --- a sweep --- */

static number cell_of(const char *name, const result_point *p) {
  figure f;
  number x;
  double value;
  snprintf(x.text, sizeof x.text, "-");
  if (figure_parse(lti_slice_of(name), &f, NULL) && figure_value(&f, p, &value))
    figure_number(f.unit == FIGURE_SHARE ? value * 100 : value, x.text, sizeof x.text);
  return x;
}

static void put_row(const result_point *p, bool knee, cli_out *out) {
  char label[24];
  cli_say_clean(lti_slice_of(p->offer.label), label, sizeof label);
  cli_out_format(out, "%c %-19.19s %10s %10s", knee ? '*' : ' ', label, cell_of("rate", p).text,
                 cell_of("output_tokens_per_s", p).text);
  cli_out_format(out, " %9s %9s %9s %9s %7s  ", cell_of("ttft.p50", p).text,
                 cell_of("ttft.p99", p).text, cell_of("itl.p99", p).text,
                 cell_of("e2e.p99", p).text, cell_of("error_rate", p).text);
  put_verdict(p->certificate.verdict, out);
  cli_out_text(out, "\n");
}

static void put_knee(const result *r, cli_out *out) {
  const result_knee *k = &r->knee;
  if (!k->searched) return;
  line l = {.used = 0};
  if (k->found && k->point < r->point_count)
    add(&l, "%s is the most that kept %s", r->points[k->point].offer.label, k->level);
  else
    add(&l, "not found: %s", k->level);
  put_line(out, "knee", &l);
}

static const result_point *worst(const result *r) {
  const result_point *p = &r->points[0];
  for (size_t i = 1; i < r->point_count; i++)
    if (r->points[i].certificate.verdict > p->certificate.verdict) p = &r->points[i];
  return p;
}

static void put_sweep(const result *r, cli_out *out) {
  cli_out_format(out, "  %-19s %10s %10s %9s %9s %9s %9s %7s  %s\n", "load", "requests/s",
                 "tokens/s", "ttft p50", "ttft p99", "itl p99", "e2e p99", "error %", "verdict");
  for (size_t i = 0; i < r->point_count; i++)
    put_row(&r->points[i], r->knee.found && r->knee.point == i, out);
  put_knee(r, out);
  for (size_t i = 0; i < r->point_count; i++) {
    const result_point *p = &r->points[i];
    if (p->error_count == 0) continue;
    line l = {.used = 0};
    add(&l, "%s", p->offer.label);
    put_line(out, "errors", &l);
    put_errors(p, out);
  }
  const result_point *p = worst(r);
  put_certificate(p, p->offer.label, out);
}

static void put_single(const result_point *p, cli_out *out) {
  put_requests(p, out);
  put_load(p, out);
  put_throughput(p, out);
  put_latencies(p, out);
  if (p->volume.events || p->volume.content_events) put_volume(p, out);
  put_goodput(p, out);
  put_lengths(&p->lengths, out);
  put_conns(&p->conns, out);
  put_client(p, out);
  put_certificate(p, NULL, out);
}

/* The shards of a merged result, and what is known of their clocks, on which its window hangs. */
static void put_parts(const result *r, cli_out *out) {
  double first = r->parts[0].begun_at;
  for (size_t i = 1; i < r->part_count; i++) first = fmin(first, r->parts[i].begun_at);
  for (size_t i = 0; i < r->part_count && i < PARTS_SHOWN; i++) {
    const result_part *part = &r->parts[i];
    line l = {.used = 0};
    add(&l, "%d, %s, began %.3f s behind the first", part->shard,
        result_verdict_name(part->verdict), part->begun_at - first);
    if (part->clock_error_ms >= 0) add(&l, ", clock within %.3f ms", part->clock_error_ms);
    if (part->clock_error_ms < 0) add(&l, ", nothing known of its clock's error");
    put_line(out, i == 0 ? "shards" : "", &l);
  }
}

void report_table(const result *r, cli_out *out) {
  if (r->title[0]) {
    put_wrapped(out, 0, r->title);
    cli_out_text(out, "\n");
  }
  if (r->interrupted) cli_out_text(out, "interrupted: this is what was measured until then\n");
  if (r->shards > 1)
    cli_out_format(out, "%-*s %d of %d\n", INDENT - 1, "shard", r->shard, r->shards);
  if (r->part_count) put_parts(r, out);
  if (r->point_count == 0) {
    cli_out_text(out, "nothing was measured\n");
    return;
  }
  if (r->point_count > 1)
    put_sweep(r, out);
  else
    put_single(&r->points[0], out);
}
