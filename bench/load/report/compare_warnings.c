/* Each function looks for one thing, and says it once however many runs have it. */
#include "bench/load/report/compare_warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/config.h"

#define CLOCK_SLACK_S 0.05

static void warn(comparison *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warn(comparison *c, const char *format, ...) {
  va_list args;
  if (c->warning_count == COMPARE_WARNINGS_MAX) return;
  va_start(args, format);
  vsnprintf(c->warnings[c->warning_count++], COMPARE_WARNING_SIZE, format, args);
  va_end(args);
}

static leat_slice config_of(const result *r) {
  return lti_slice_of(r->config ? r->config : "{}");
}

static void warn_of_configs(comparison *c) {
  char text[COMPARE_WARNING_SIZE - 60];
  const compare_side *sides[] = {&c->a, &c->b};
  if (config_differences(config_of(c->a.runs[0]), config_of(c->b.runs[0]), NULL, text,
                         sizeof text) > 0)
    warn(c, "A and B were not asked for the same (A / B): %s", text);
  for (size_t s = 0; s < 2; s++)
    for (size_t i = 1; i < sides[s]->count; i++) {
      if (config_differences(config_of(sides[s]->runs[0]), config_of(sides[s]->runs[i]), NULL, text,
                             sizeof text) == 0)
        continue;
      warn(c, "the runs of %s are not of one config (run 1 / run %zu): %s", s == 0 ? "A" : "B",
           i + 1, text);
      break;
    }
}

/* Every run is held against A's first. */
static void warn_of_machines(comparison *c) {
  const result_machine *first = &c->a.runs[0]->machine;
  bool machine = false, versions = false;
  for (size_t i = 0; i < c->a.count + c->b.count; i++) {
    const result *r = i < c->a.count ? c->a.runs[i] : c->b.runs[i - c->a.count];
    const result_machine *m = &r->machine;
    bool other = strcmp(m->system, first->system) != 0 || m->cores != first->cores ||
                 strcmp(m->processor, first->processor) != 0;
    if (other && !machine)
      warn(c, "not all runs are of one machine: %s, %s, %lld cores / %s, %s, %lld cores",
           first->system, first->processor, (long long)first->cores, m->system, m->processor,
           (long long)m->cores);
    if (strcmp(m->versions, first->versions) != 0 && !versions)
      warn(c, "not all runs are of one program: %s / %s", first->versions, m->versions);
    machine = machine || other;
    versions = versions || strcmp(m->versions, first->versions) != 0;
  }
}

static const result_certificate *worst_of(const result *r) {
  const result_certificate *worst = NULL;
  for (size_t i = 0; i < r->point_count; i++) {
    const result_certificate *now = &r->points[i].certificate;
    if (!worst || now->verdict > worst->verdict) worst = now;
  }
  return worst;
}

static void warn_of_certificates(comparison *c, const compare_side *side, const char *name) {
  const result_certificate *worst = NULL;
  size_t bad = 0;
  for (size_t i = 0; i < side->count; i++) {
    const result_certificate *now = worst_of(side->runs[i]);
    if (!now || now->verdict == RESULT_VALID) continue;
    bad++;
    if (!worst || now->verdict > worst->verdict) worst = now;
  }
  if (!worst) return;
  warn(c, "%zu of %zu run%s of %s: the certificate is not valid, at worst %s%s%s", bad, side->count,
       side->count == 1 ? "" : "s", name, result_verdict_name(worst->verdict),
       worst->reason_count ? ": " : "", worst->reason_count ? worst->reasons[0].text : "");
}

static void warn_of_interrupted(comparison *c, const compare_side *side, const char *name) {
  size_t count = 0;
  for (size_t i = 0; i < side->count; i++) count += side->runs[i]->interrupted ? 1 : 0;
  if (count > 0)
    warn(c, "%zu of %zu run%s of %s: interrupted", count, side->count, side->count == 1 ? "" : "s",
         name);
}

static void warn_of_points(comparison *c) {
  const result *a = c->a.runs[0], *b = c->b.runs[0];
  size_t only_a = 0, only_b = 0;
  for (size_t i = 0; i < a->point_count; i++)
    if (!compare_point_of(b, a->points[i].offer.label, i)) only_a++;
  for (size_t i = 0; i < b->point_count; i++)
    if (!compare_point_of(a, b->points[i].offer.label, i)) only_b++;
  if (only_a + only_b > 0)
    warn(c, "%zu load%s of A and %zu of B have no counterpart, and are not compared", only_a,
         only_a == 1 ? "" : "s", only_b);
}

/* When a run began and ended, by the wall clock. False: it does not say. */
static bool span_of(const result *r, double *from, double *to) {
  if (r->point_count == 0 || !(r->points[0].begun_at > 0)) return false;
  const result_point *last = &r->points[r->point_count - 1];
  *from = r->points[0].begun_at;
  *to = last->begun_at + last->wall_s;
  return true;
}

typedef struct spans {
  double first, last; /* the begin of the first run, and of the last */
} spans;

static bool spans_of(const compare_side *side, spans *s) {
  double from, to;
  for (size_t i = 0; i < side->count; i++) {
    if (!span_of(side->runs[i], &from, &to)) return false;
    if (i == 0 || from < s->first) s->first = from;
    if (i == 0 || from > s->last) s->last = from;
  }
  return true;
}

/* Runs of one side before all of the other: a machine that warms up looks like a difference. */
static void warn_of_order(comparison *c) {
  spans a = {0}, b = {0};
  if (c->a.count < 2 || c->b.count < 2 || !spans_of(&c->a, &a) || !spans_of(&c->b, &b)) return;
  if (a.last < b.first || b.last < a.first)
    warn(c,
         "all runs of %s came before those of %s: what changed with the time between looks like a "
         "difference; leat compare --run takes turns",
         a.last < b.first ? "A" : "B", a.last < b.first ? "B" : "A");
}

static void warn_of_overlap(comparison *c) {
  double from_a, to_a, from_b, to_b;
  for (size_t i = 0; i < c->a.count; i++)
    for (size_t k = 0; k < c->b.count; k++) {
      if (!span_of(c->a.runs[i], &from_a, &to_a) || !span_of(c->b.runs[k], &from_b, &to_b))
        continue;
      if (from_a == from_b && to_a == to_b) {
        warn(c, "run %zu of A is run %zu of B", i + 1, k + 1);
        return;
      }
      if (from_a >= to_b - CLOCK_SLACK_S || from_b >= to_a - CLOCK_SLACK_S) continue;
      warn(c, "run %zu of A and run %zu of B ran at the same time, and may have met", i + 1, k + 1);
      return;
    }
}

void compare_warnings(comparison *c) {
  warn_of_configs(c);
  warn_of_machines(c);
  warn_of_certificates(c, &c->a, "A");
  warn_of_certificates(c, &c->b, "B");
  warn_of_interrupted(c, &c->a, "A");
  warn_of_interrupted(c, &c->b, "B");
  warn_of_points(c);
  warn_of_order(c);
  warn_of_overlap(c);
}
