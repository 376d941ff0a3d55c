/* Prometheus' text format, read strictly: see exposition.h. */
#include "support/exposition.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define METRICS_MAX 256
#define NAME_MAX_   128
#define LABELS_MAX  8

enum type { COUNTER, GAUGE, HISTOGRAM };

typedef struct metric {
  char name[NAME_MAX_];
  enum type type;
  bool helped, typed;
} metric;

typedef struct label {
  char name[NAME_MAX_], value[NAME_MAX_];
} label;

typedef struct sample {
  char name[NAME_MAX_];
  label labels[LABELS_MAX];
  size_t label_count;
  double value;
} sample;

/* A histogram's series while its samples pass by. */
typedef struct buckets {
  char series[512];
  double last_bound, last_count;
  bool closed, summed; /* +Inf came, _sum came */
} buckets;

typedef struct reader {
  metric metrics[METRICS_MAX];
  size_t count;
  metric *now;
  buckets buckets;
  const char *all; /* the whole text, to look for a sample twice */
} reader;

static bool is_name(const char *text, bool colon) {
  if (!isalpha((unsigned char)*text) && *text != '_' && !(colon && *text == ':')) return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && *text != '_' && !(colon && *text == ':')) return false;
  return true;
}

static bool ends(const char *text, const char *end) {
  return lti_slice_ends(lti_slice_of(text), end);
}

static const char *take_name(const char *at, char *name) {
  size_t n = strcspn(at, " {=\n");
  if (n == 0 || n >= NAME_MAX_) fail_msg("no name: %.60s", at);
  memcpy(name, at, n);
  name[n] = '\0';
  return at + n;
}

/* ---- what promtool says of names */

static void check_conventions(const metric *m) {
  static const char *const abbreviations[] = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb"};
  static const char *const other_units[] = {"milliseconds", "microseconds", "nanoseconds",
                                            "minutes",      "hours",        "kilobytes",
                                            "megabytes",    "bits"};
  static const char *const types[] = {"counter", "gauge", "histogram", "summary"};
  char parts[NAME_MAX_];
  bool total = ends(m->name, "_total");
  if (!is_name(m->name, false)) fail_msg("%s: not a name, or one with a colon", m->name);
  if (total != (m->type == COUNTER)) fail_msg("%s: _total is for counters", m->name);
  if (ends(m->name, "_count") || ends(m->name, "_sum") || ends(m->name, "_bucket"))
    fail_msg("%s: the ending is a histogram's", m->name);
  for (const char *c = m->name; *c; c++)
    if (isupper((unsigned char)*c)) fail_msg("%s: upper case", m->name);
  snprintf(parts, sizeof parts, "%s", m->name);
  for (char *rest = parts, *part; (part = strtok_r(rest, "_", &rest));) {
    for (size_t i = 0; i < sizeof abbreviations / sizeof *abbreviations; i++)
      if (strcmp(part, abbreviations[i]) == 0) fail_msg("%s: an abbreviated unit", m->name);
    for (size_t i = 0; i < sizeof other_units / sizeof *other_units; i++)
      if (strcmp(part, other_units[i]) == 0) fail_msg("%s: not a base unit", m->name);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
      if (strcmp(part, types[i]) == 0) fail_msg("%s: says its type", m->name);
  }
}

/* ---- comments */

static metric *find(reader *r, const char *name) {
  for (size_t i = 0; i < r->count; i++)
    if (strcmp(r->metrics[i].name, name) == 0) return &r->metrics[i];
  assert_true(r->count < METRICS_MAX);
  metric *m = &r->metrics[r->count++];
  snprintf(m->name, sizeof m->name, "%s", name);
  return m;
}

static void close_series(const reader *r) {
  if (!r->buckets.series[0]) return;
  fail_msg("%s has no _count behind its buckets", r->buckets.series);
}

static void read_help(reader *r, const char *line) {
  char name[NAME_MAX_];
  close_series(r);
  const char *rest = take_name(line, name);
  metric *m = find(r, name);
  if (m->helped || m->typed) fail_msg("%s has two HELPs, or is in two groups", name);
  if (rest[0] != ' ' || !rest[1]) fail_msg("%s: HELP without a text", name);
  for (const char *c = rest; *c; c++)
    if (*c == '\\' && c[1] != '\\' && c[1] != 'n') fail_msg("%s: HELP with a bad escape", name);
  m->helped = true;
  r->now = m;
}

static void read_type(reader *r, const char *line) {
  static const char *const types[] = {"counter", "gauge", "histogram"};
  char name[NAME_MAX_];
  const char *rest = take_name(line, name);
  metric *m = find(r, name);
  size_t i = 0;
  if (m != r->now || m->typed) fail_msg("%s: TYPE is not behind its HELP", name);
  while (i < 3 && (rest[0] != ' ' || strcmp(rest + 1, types[i]) != 0)) i++;
  if (i == 3) fail_msg("%s: the type is%s", name, rest);
  m->type = (enum type)i;
  m->typed = true;
  check_conventions(m);
}

/* ---- samples */

static const char *read_label(const char *at, label *l) {
  at = take_name(at, l->name);
  size_t n = 0;
  if (!is_name(l->name, false) || lti_slice_starts(lti_slice_of(l->name), "__"))
    fail_msg("a label is called %s", l->name);
  if (at[0] != '=' || at[1] != '"') fail_msg("label %s has no value", l->name);
  for (at += 2; *at != '"'; at++) {
    if (*at == '\0') fail_msg("the value of label %s has no end", l->name);
    if (*at == '\\' && !strchr("\\\"n", *++at)) fail_msg("label %s has a bad escape", l->name);
    if (n + 1 < sizeof l->value) l->value[n++] = *at;
  }
  l->value[n] = '\0';
  return at + 1;
}

static const char *read_labels(const char *at, sample *s) {
  if (*at != '{') return at;
  for (at++; *at != '}'; at += *at == ',') {
    assert_true(s->label_count < LABELS_MAX);
    label *l = &s->labels[s->label_count++];
    at = read_label(at, l);
    for (size_t i = 0; i + 1 < s->label_count; i++)
      if (strcmp(s->labels[i].name, l->name) == 0) fail_msg("label %s stands twice", l->name);
    if (*at != ',' && *at != '}') fail_msg("behind a label: %.40s", at);
  }
  return at + 1;
}

static double read_number(const char *text) {
  char *end;
  if (strcmp(text, "+Inf") == 0) return (double)INFINITY;
  if (!isdigit((unsigned char)*text)) fail_msg("no number: %s", text);
  double value = strtod(text, &end);
  if (*end || !isfinite(value)) fail_msg("no number: %s", text);
  return value;
}

static const char *value_of(const sample *s, const char *name) {
  for (size_t i = 0; i < s->label_count; i++)
    if (strcmp(s->labels[i].name, name) == 0) return s->labels[i].value;
  return NULL;
}

static void series_of(const sample *s, char *out, size_t size) {
  int n = snprintf(out, size, "{");
  for (size_t i = 0; i < s->label_count; i++)
    if (strcmp(s->labels[i].name, "le") != 0)
      n += snprintf(out + n, size - (size_t)n, "%s=%s,", s->labels[i].name, s->labels[i].value);
}

static void check_bucket(reader *r, const sample *s) {
  char series[sizeof r->buckets.series];
  const char *le = value_of(s, "le");
  buckets *b = &r->buckets;
  series_of(s, series, sizeof series);
  if (!le) fail_msg("%s without le", s->name);
  if (!b->series[0]) {
    *b = (buckets){.last_bound = -1};
    memcpy(b->series, series, sizeof series);
  }
  double bound = read_number(le);
  if (strcmp(b->series, series) != 0 || b->closed) fail_msg("%s: series are mixed", s->name);
  if (bound <= b->last_bound) fail_msg("%s: le=%s does not ascend", s->name, le);
  if (s->value < b->last_count) fail_msg("%s: fewer in le=%s than before", s->name, le);
  b->last_bound = bound;
  b->last_count = s->value;
  b->closed = isinf(bound);
}

static void check_histogram(reader *r, const sample *s) {
  char series[sizeof r->buckets.series];
  const char *suffix = s->name + strlen(r->now->name);
  buckets *b = &r->buckets;
  if (strcmp(suffix, "_bucket") == 0) {
    check_bucket(r, s);
    return;
  }
  series_of(s, series, sizeof series);
  if (!b->closed || strcmp(b->series, series) != 0) fail_msg("%s is not behind +Inf", s->name);
  if (value_of(s, "le")) fail_msg("%s has a label le", s->name);
  if (strcmp(suffix, "_sum") == 0) {
    b->summed = true;
    return;
  }
  if (strcmp(suffix, "_count") != 0 || !b->summed) fail_msg("%s is out of place", s->name);
  if (s->value != b->last_count) fail_msg("%s is not what +Inf has", s->name);
  b->series[0] = '\0';
}

static void check_once(const reader *r, const char *line) {
  char key[600];
  size_t size = (size_t)(strrchr(line, ' ') - line);
  if (size + 3 > sizeof key) fail_msg("a long line: %.60s", line);
  snprintf(key, sizeof key, "\n%.*s ", (int)size, line);
  const char *first = strstr(r->all, key);
  if (!first || strstr(first + 1, key)) fail_msg("a sample stands twice:%s", key);
}

static void read_sample(reader *r, const char *line) {
  sample s = {.label_count = 0};
  const char *at = read_labels(take_name(line, s.name), &s);
  if (*at != ' ') fail_msg("no value: %s", line);
  s.value = read_number(at + 1);
  if (!r->now || !r->now->typed) fail_msg("a sample before its TYPE: %s", line);
  bool same = r->now->type == HISTOGRAM ? lti_slice_starts(lti_slice_of(s.name), r->now->name)
                                        : strcmp(s.name, r->now->name) == 0;
  if (!same) fail_msg("%s stands among the samples of %s", s.name, r->now->name);
  bool whole = r->now->type == COUNTER || ends(s.name, "_bucket") || ends(s.name, "_count");
  if (whole && s.value != floor(s.value)) fail_msg("not a whole number: %s", line);
  check_once(r, line);
  if (r->now->type == HISTOGRAM)
    check_histogram(r, &s);
  else if (value_of(&s, "le"))
    fail_msg("le is for histograms: %s", line);
}

void exposition_check(const char *text) {
  reader *r = calloc(1, sizeof *r);
  size_t size = strlen(text);
  char *copy = malloc(size + 2), *rest;
  if (!r || !copy) abort();
  copy[0] = '\n';
  memcpy(copy + 1, text, size + 1);
  r->all = copy;
  if (size == 0 || text[size - 1] != '\n') fail_msg("the text does not end with a line");
  char *lines = strdup(text);
  rest = lines;
  for (char *end; (end = strchr(rest, '\n')); rest = end + 1) {
    *end = '\0';
    if (lti_slice_starts(lti_slice_of(rest), "# HELP "))
      read_help(r, rest + 7);
    else if (lti_slice_starts(lti_slice_of(rest), "# TYPE "))
      read_type(r, rest + 7);
    else if (*rest != '#')
      read_sample(r, rest);
  }
  close_series(r);
  free(lines);
  free(copy);
  free(r);
}

/* ---- an engine's */

static int put(void *user, leat_slice text) {
  exposition *x = user;
  x->text = realloc(x->text, x->size + text.size + 1);
  if (!x->text) abort();
  memcpy(x->text + x->size, text.data, text.size);
  x->size += text.size;
  x->text[x->size] = '\0';
  x->pieces++;
  if (text.size == 0 || text.data[text.size - 1] != '\n') x->whole_lines = false;
  return 0;
}

void exposition_read(exposition *x, const leat_engine *e) {
  *x = (exposition){.whole_lines = true};
  int r = leat_stats_write(e, put, x);
  if (r != LEAT_OK) fail_msg("leat_stats_write: %s", leat_error_name(r));
  exposition_check(x->text);
}

void exposition_free(exposition *x) {
  free(x->text);
  x->text = NULL;
}

double exposition_value(const exposition *x, const char *name) {
  char key[512];
  snprintf(key, sizeof key, "\n%s ", name);
  const char *at = strstr(x->text, key);
  if (!at) fail_msg("%s is not there:\n%s", name, x->text);
  return strtod(at + strlen(key), NULL);
}

bool exposition_has(const exposition *x, const char *part) {
  return strstr(x->text, part) != NULL;
}
