/* Names to numbers. A name is a scalar's, or a histogram's with a statistic behind it:
 *
 *     ttft.intended.p99 = measure ttft, told from the intended start, percentile 99
 *
 * Gates compare with what a reader of the report sees, not with its rounding: a limit of 500 ms is
 * missed by 500.1. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bindings/cli/values.h"

typedef struct scalar_row {
  const char *name;
  enum figure_unit unit;
  bool more_is_better;
  double (*value)(const result_point *p); /* negative: not known */
} scalar_row;

static double started(const result_point *p) {
  return (double)p->counts.started;
}

static double completed(const result_point *p) {
  return (double)p->counts.completed;
}

static double failed(const result_point *p) {
  return (double)p->counts.failed;
}

static double cancelled(const result_point *p) {
  return (double)p->counts.cancelled;
}

static double truncated(const result_point *p) {
  return (double)p->counts.truncated;
}

static double retried(const result_point *p) {
  return (double)p->counts.retried;
}

static double missed(const result_point *p) {
  return (double)p->counts.missed;
}

static double busy(const result_point *p) {
  return p->certificate.busy_share;
}

static double error_rate(const result_point *p) {
  return p->counts.completed + p->counts.failed ? result_error_rate(p) : -1;
}

static const scalar_row scalars[] = {
    {"error_rate", FIGURE_SHARE, false, error_rate},
    {"failed", FIGURE_COUNT, false, failed},
    {"truncated", FIGURE_COUNT, false, truncated},
    {"cancelled", FIGURE_COUNT, false, cancelled},
    {"retried", FIGURE_COUNT, false, retried},
    {"missed", FIGURE_COUNT, false, missed},
    {"started", FIGURE_COUNT, true, started},
    {"completed", FIGURE_COUNT, true, completed},
    {"goodput", FIGURE_SHARE, true, result_goodput_share},
    {"goodput_rate", FIGURE_PER_S, true, result_goodput_rate},
    {"rate", FIGURE_PER_S, true, result_request_rate},
    {"output_tokens_per_s", FIGURE_PER_S, true, result_output_rate},
    {"input_tokens_per_s", FIGURE_PER_S, true, result_input_rate},
    {"events_per_s", FIGURE_PER_S, true, result_event_rate},
    {"tokens_per_event", FIGURE_COUNT, true, result_tokens_per_event},
    {"busy", FIGURE_SHARE, false, busy},
};

enum certificate_row { RECEIVE_LAG, SCHEDULE_LAG, KERNEL_LAG };
static const char *const lags[] = {"receive_lag", "schedule_lag", "kernel_lag"};

static bool refuse(const char **why, const char *clause) {
  if (why) *why = clause;
  return false;
}

/* The part of `*rest` before its first dot, which is taken with the dot. */
static leat_slice take_part(leat_slice *rest) {
  const char *dot = rest->size ? memchr(rest->data, '.', rest->size) : NULL;
  leat_slice part = lti_slice(rest->data, dot ? (size_t)(dot - rest->data) : rest->size);
  *rest = lti_slice_from(*rest, part.size + (dot ? 1 : 0));
  return part;
}

static bool parse_percent(leat_slice text, double *percent) {
  char copy[16];
  if (text.size == 0 || text.size >= sizeof copy) return false;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  return cli_values_real(copy, percent) && *percent > 0 && *percent <= 100;
}

static bool parse_stat(leat_slice text, figure *f) {
  static const struct {
    const char *name;
    enum figure_stat stat;
  } names[] = {{"mean", FIGURE_MEAN}, {"avg", FIGURE_MEAN}, {"min", FIGURE_MIN},
               {"max", FIGURE_MAX},   {"sd", FIGURE_SD},    {"std", FIGURE_SD}};
  f->percent = 50;
  f->stat = FIGURE_PERCENTILE;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!lti_slice_is(text, names[i].name)) continue;
    f->stat = names[i].stat;
    return true;
  }
  if (lti_slice_is(text, "median")) return true;
  return text.size > 1 && text.data[0] == 'p' &&
         parse_percent(lti_slice_from(text, 1), &f->percent);
}

static bool find_scalar(leat_slice name, figure *f) {
  for (unsigned i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
    if (!lti_slice_is(name, scalars[i].name)) continue;
    f->source = FIGURE_SCALAR;
    f->row = i;
    f->unit = scalars[i].unit;
    f->more_is_better = scalars[i].more_is_better;
    return true;
  }
  return false;
}

static bool find_hist(leat_slice name, figure *f) {
  enum measure measure;
  f->unit = FIGURE_MS;
  f->more_is_better = false;
  for (unsigned i = 0; i < sizeof lags / sizeof lags[0]; i++) {
    if (!lti_slice_is(name, lags[i])) continue;
    f->source = FIGURE_CERTIFICATE;
    f->row = i;
    return true;
  }
  if (!measure_find(name, &measure)) return false;
  f->source = FIGURE_MEASURE;
  f->row = (unsigned)measure;
  return true;
}

bool figure_parse(leat_slice name, figure *f, const char **why) {
  leat_slice rest = name;
  memset(f, 0, sizeof *f);
  if (name.size == 0 || name.size >= sizeof f->name) return refuse(why, "there is no such figure");
  memcpy(f->name, name.data, name.size);
  if (find_scalar(name, f)) return true;
  if (!find_hist(take_part(&rest), f))
    return refuse(why,
                  "there is no such figure: ttft.p99, itl.max, e2e.mean, error_rate, goodput, "
                  "rate, output_tokens_per_s and the like are known");
  if (lti_slice_starts(rest, "intended.") && f->source == FIGURE_MEASURE) {
    if (!measure_at((enum measure)f->row)->intended)
      return refuse(why, "this measure does not begin at a request's start");
    f->intended = true;
    take_part(&rest);
  }
  if (!parse_stat(rest, f))
    return refuse(why, "a latency needs a statistic behind it: .mean, .min, .max, .sd or .p99");
  return true;
}

/* --- gates --- */

static leat_slice take_order(const char *text, enum figure_order *order, bool *found) {
  static const struct {
    const char *sign;
    enum figure_order order;
  } signs[] = {{"<=", FIGURE_AT_MOST},
               {">=", FIGURE_AT_LEAST},
               {"==", FIGURE_EQUAL},
               {"<", FIGURE_LESS},
               {">", FIGURE_MORE}};
  size_t at = strcspn(text, "<>=");
  *found = false;
  for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
    if (strncmp(text + at, signs[i].sign, strlen(signs[i].sign)) != 0) continue;
    *order = signs[i].order;
    *found = true;
    return lti_slice_of(text + at + strlen(signs[i].sign));
  }
  return lti_slice_of("");
}

/* What one of the unit behind a number is worth; 0: not a unit of this figure. */
static double unit_worth(enum figure_unit unit, leat_slice name) {
  static const struct {
    enum figure_unit unit;
    const char *name;
    double worth;
  } units[] = {{FIGURE_MS, "", 1},      {FIGURE_MS, "us", 1e-3},   {FIGURE_MS, "ms", 1},
               {FIGURE_MS, "s", 1e3},   {FIGURE_MS, "m", 6e4},     {FIGURE_MS, "h", 3.6e6},
               {FIGURE_SHARE, "", 1},   {FIGURE_SHARE, "%", 0.01}, {FIGURE_PER_S, "", 1},
               {FIGURE_PER_S, "/s", 1}, {FIGURE_COUNT, "", 1}};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
    if (units[i].unit == unit && lti_slice_is(name, units[i].name)) return units[i].worth;
  return 0;
}

static bool parse_limit(leat_slice text, enum figure_unit unit, double *limit) {
  char number[32];
  size_t n = 0;
  text = lti_slice_trim(text);
  while (n < text.size && (strchr("0123456789.", text.data[n]) != NULL)) n++;
  if (n == 0 || n >= sizeof number) return false;
  memcpy(number, text.data, n);
  number[n] = '\0';
  double worth = unit_worth(unit, lti_slice_trim(lti_slice_from(text, n)));
  if (worth == 0 || !cli_values_real(number, limit)) return false;
  *limit *= worth;
  return true;
}

bool figure_gate_parse(const char *text, figure_gate *gate, const char **why) {
  bool found;
  memset(gate, 0, sizeof *gate);
  if (strlen(text) >= sizeof gate->text) return refuse(why, "it is too long");
  memcpy(gate->text, text, strlen(text));
  leat_slice limit = take_order(text, &gate->order, &found);
  if (!found) return refuse(why, "it needs one of < <= > >= == and a limit: ttft.p99<500ms");
  leat_slice name = lti_slice_trim(lti_slice(text, strcspn(text, "<>=")));
  if (!figure_parse(name, &gate->figure, why)) return false;
  if (!parse_limit(limit, gate->figure.unit, &gate->limit))
    return refuse(why,
                  "its limit is not a number of this figure's unit: latencies take us, ms, s, "
                  "m, h, shares take %");
  return true;
}

/* --- values --- */

bool figure_of_hist(const lti_hist *h, enum figure_stat stat, double percent, double *ms) {
  if (!h || lti_hist_count(h) == 0) return false;
  double us = 0;
  switch (stat) {
    case FIGURE_MEAN: us = lti_hist_mean(h); break;
    case FIGURE_MIN: us = (double)lti_hist_min(h); break;
    case FIGURE_MAX: us = (double)lti_hist_max(h); break;
    case FIGURE_SD: us = lti_hist_stddev(h); break;
    case FIGURE_PERCENTILE: us = (double)lti_hist_percentile(h, percent); break;
  }
  *ms = us / 1e3;
  return true;
}

static const lti_hist *hist_of(const figure *f, const result_point *p) {
  if (f->source == FIGURE_CERTIFICATE) {
    switch ((enum certificate_row)f->row) {
      case RECEIVE_LAG: return p->certificate.receive_lag;
      case SCHEDULE_LAG: return p->certificate.schedule_lag;
      case KERNEL_LAG: return p->certificate.kernel_lag;
    }
    return NULL;
  }
  const result_latency *l = &p->latencies[f->row];
  if (!f->intended || (!l->intended && p->offer.shape == RESULT_CLOSED)) return l->sent;
  return l->intended;
}

bool figure_value(const figure *f, const result_point *p, double *value) {
  if (f->source != FIGURE_SCALAR) return figure_of_hist(hist_of(f, p), f->stat, f->percent, value);
  *value = scalars[f->row].value(p);
  return *value >= 0;
}

bool figure_gate_holds(const figure_gate *gate, const result_point *p, double *value) {
  if (!figure_value(&gate->figure, p, value)) {
    *value = NAN;
    return false;
  }
  switch (gate->order) {
    case FIGURE_LESS: return *value < gate->limit;
    case FIGURE_AT_MOST: return *value <= gate->limit;
    case FIGURE_MORE: return *value > gate->limit;
    case FIGURE_AT_LEAST: return *value >= gate->limit;
    case FIGURE_EQUAL: return fabs(*value - gate->limit) <= 1e-9 * fabs(gate->limit);
  }
  return false;
}

/* --- as text --- */

/* Commas between the thousands of a whole number. */
static void group(const char *digits, char *out, size_t size) {
  size_t count = strlen(digits), used = 0;
  for (size_t i = 0; i < count && used + 2 < size; i++) {
    if (i > 0 && (count - i) % 3 == 0 && digits[i - 1] != '-') out[used++] = ',';
    out[used++] = digits[i];
  }
  out[used] = '\0';
}

const char *figure_number(double value, char *out, size_t size) {
  char digits[40];
  double a = fabs(value);
  if (!isfinite(value)) {
    snprintf(out, size, "-");
  } else if (a >= 1e15) {
    snprintf(out, size, "%.3g", value);
  } else if (a < 99.95 && a != 0) {
    snprintf(out, size, "%.*f", a < 0.9995 ? 3 : a < 9.995 ? 2 : 1, value);
  } else {
    snprintf(digits, sizeof digits, "%.0f", value);
    group(digits, out, size);
  }
  return out;
}

static const char *show_count(double value, char *out, size_t size) {
  char digits[40];
  if (value != floor(value) || fabs(value) >= 1e15) return figure_number(value, out, size);
  snprintf(digits, sizeof digits, "%.0f", value);
  group(digits, out, size);
  return out;
}

const char *figure_show(enum figure_unit unit, double value, char *out, size_t size) {
  char number[48];
  if (!isfinite(value)) {
    snprintf(out, size, "unknown");
    return out;
  }
  switch (unit) {
    case FIGURE_MS:
      snprintf(out, size, "%s ms", figure_number(value, number, sizeof number));
      break;
    case FIGURE_SHARE:
      snprintf(out, size, "%s %%", figure_number(value * 100, number, sizeof number));
      break;
    case FIGURE_PER_S:
      snprintf(out, size, "%s/s", figure_number(value, number, sizeof number));
      break;
    case FIGURE_COUNT: show_count(value, out, size); break;
  }
  return out;
}
