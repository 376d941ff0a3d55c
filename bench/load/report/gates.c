/* Reading the options, then one verdict on a result. */
#include "gates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "bindings/cli/values.h"

#define LEVEL_TEXT_MAX 64

/* --- reading --- */

static bool read_failures(gates *g, const char *text) {
  char number[32];
  size_t size = text ? strlen(text) : 0;
  if (size == 0) return text == NULL;
  g->failures_are_share = text[size - 1] == '%';
  if (g->failures_are_share) size--;
  if (size >= sizeof number) return false;
  memcpy(number, text, size);
  number[size] = '\0';
  if (!cli_values_real(number, &g->failures_allowed) || g->failures_allowed < 0) return false;
  if (!g->failures_are_share) return g->failures_allowed == floor(g->failures_allowed);
  g->failures_allowed /= 100;
  return g->failures_allowed <= 1;
}

bool gates_init(gates *g, const cli_options *options) {
  const cli_load *o = &options->load;
  const char *why = NULL;
  memset(g, 0, sizeof *g);
  g->strict = o->strict;
  if (!read_failures(g, o->allow_failures)) {
    cli_say("--allow-failures %s: a number of requests or a share is expected: 3, 1%%",
            o->allow_failures);
    return false;
  }
  if (o->require.count > GATES_MAX) {
    cli_say("--require: at most %d can be judged, and %zu are given", GATES_MAX, o->require.count);
    return false;
  }
  for (size_t i = 0; i < o->require.count; i++) {
    if (!figure_gate_parse(o->require.items[i], &g->gates[i], &why)) {
      cli_say("--require '%s': %s", o->require.items[i], why);
      return false;
    }
    g->count++;
  }
  return true;
}

/* Whether each request has a figure of its own for it. */
static bool is_of_requests(enum measure m) {
  return m == MEASURE_TTFT || m == MEASURE_TTFO || m == MEASURE_TTST || m == MEASURE_ITL ||
         m == MEASURE_TPOT || m == MEASURE_E2E;
}

/* One level: a measure, a colon and a limit. */
static const char *read_level(result_goodput *goodput, leat_slice text) {
  char limit[32];
  result_slo slo = {.met = 0};
  const char *colon = memchr(text.data, ':', text.size);
  if (!colon) return "a measure, a colon and a limit are expected: ttft:500";
  leat_slice name = lti_slice(text.data, (size_t)(colon - text.data));
  size_t size = text.size - name.size - 1;
  if (!measure_find(name, &slo.measure) || !is_of_requests(slo.measure))
    return "levels are for ttft, ttfo, ttst, itl, tpot and e2e";
  if (size == 0 || size >= sizeof limit) return "it needs a limit in ms";
  memcpy(limit, colon + 1, size);
  limit[size] = '\0';
  int64_t whole_ms;
  if (cli_values_real(limit, &slo.limit_ms)) {
    if (slo.limit_ms < 0) return "its limit is below 0";
  } else if (cli_values_duration(limit, &whole_ms)) {
    slo.limit_ms = (double)whole_ms;
  } else {
    return "its limit is no number: ms, or with s, m or h behind it";
  }
  for (size_t i = 0; i < goodput->slo_count; i++)
    if (goodput->slos[i].measure == slo.measure) return "this measure has a level already";
  if (goodput->slo_count == sizeof goodput->slos / sizeof goodput->slos[0])
    return "there are too many levels: 8 at most";
  goodput->slos[goodput->slo_count++] = slo;
  return NULL;
}

static bool read_levels(result_goodput *goodput, const char *text) {
  while (*(text += strspn(text, " ,")) != '\0') {
    char shown[LEVEL_TEXT_MAX];
    leat_slice level = lti_slice(text, strcspn(text, " ,"));
    const char *why = read_level(goodput, level);
    if (why) {
      cli_say_clean(level, shown, sizeof shown);
      cli_say("--goodput %s: %s", shown, why);
      return false;
    }
    text += level.size;
  }
  return true;
}

bool gates_levels(result_goodput *goodput, const cli_list *levels) {
  memset(goodput, 0, sizeof *goodput);
  for (size_t i = 0; i < levels->count; i++)
    if (!read_levels(goodput, levels->items[i])) return false;
  return true;
}

/* --- judging --- */

/* " at rate 40/s", where there is more than one point. */
static const char *place_of(const result *r, const result_point *p, char *out, size_t size) {
  char label[sizeof p->offer.label];
  out[0] = '\0';
  if (r->point_count < 2) return out;
  cli_say_clean(lti_slice_of(p->offer.label), label, sizeof label);
  snprintf(out, size, " at %s", label);
  return out;
}

static bool failures_fit(const gates *g, const result *r, const result_point *p) {
  double failed = (double)p->counts.failed;
  double ended = failed + (double)p->counts.completed;
  char place[80];
  double allowed = g->failures_are_share ? g->failures_allowed * ended : g->failures_allowed;
  if (failed <= allowed * (1 + 1e-12)) return true;
  if (allowed > 0)
    cli_say("%.0f of %.0f requests failed%s, and --allow-failures has room for %.0f", failed, ended,
            place_of(r, p, place, sizeof place), floor(allowed));
  return false;
}

static bool is_valid(const result *r, const result_point *p) {
  const result_certificate *c = &p->certificate;
  char place[80], why[RESULT_TEXT_MAX];
  if (c->verdict == RESULT_VALID) return true;
  cli_say_clean(lti_slice_of(c->reason_count ? c->reasons[0].text : "see the report"), why,
                sizeof why);
  cli_say("--strict: the certificate says %s%s: %s", result_verdict_name(c->verdict),
          place_of(r, p, place, sizeof place), why);
  return false;
}

static bool requirement_holds(const figure_gate *gate, const result *r, const result_point *p) {
  double value;
  char place[80], shown[64];
  if (figure_gate_holds(gate, p, &value)) return true;
  place_of(r, p, place, sizeof place);
  if (isnan(value))
    cli_say("missed: %s: it is not known%s, since nothing was measured for it", gate->text, place);
  else
    cli_say("missed: %s: it is %s%s", gate->text,
            figure_show(gate->figure.unit, value, shown, sizeof shown), place);
  return false;
}

typedef struct findings {
  bool failed, not_valid, missed;
} findings;

static void judge_point(const gates *g, const result *r, const result_point *p, findings *f) {
  if (!failures_fit(g, r, p)) f->failed = true;
  if (g->strict && !is_valid(r, p)) f->not_valid = true;
  for (size_t i = 0; i < g->count; i++)
    if (!requirement_holds(&g->gates[i], r, p)) f->missed = true;
}

/* A level of --slo is an expression; without one the knee's own rule stands there in words. */
static bool is_search(const result *r) {
  return r->knee.searched && r->point_count > 0 && strpbrk(r->knee.level, "<>=");
}

int gates_judge(const gates *g, const result *r) {
  findings f = {false, false, false};
  size_t from = 0, to = r->point_count;
  if (is_search(r)) {
    from = r->knee.point < r->point_count ? r->knee.point : 0;
    to = from + 1;
  }
  for (size_t i = from; i < to; i++) judge_point(g, r, &r->points[i], &f);
  if (f.failed) return CLI_FAILED;
  if (f.not_valid) return GATES_NOT_VALID;
  return f.missed ? GATES_MISSED : CLI_DONE;
}
