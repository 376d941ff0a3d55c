/* Figures by name, as gates, levels, comparisons and tables ask for them:
 *
 *     ttft.p99  ttft.mean  itl.max  e2e.p50  ttft.intended.p99  receive_lag.p99  schedule_lag.p99
 *     error_rate  failed  truncated  goodput (share)  goodput_rate  rate (requests/s)
 *     output_tokens_per_s  events_per_s  tokens_per_event  busy  completed
 *
 * Any measure goes with mean, min, max, sd and pN (p50, p99.9), and with .intended before it where
 * it is told from the intended start too (in a closed loop that is the same). Latencies are in ms,
 * shares from 0 to 1. An expression compares one with a limit: a figure, one of < <= > >= ==, and a
 * number with us, ms, s, m, h (latencies; ms where none stands), % (shares) or /s (rates). */
#ifndef LOAD_FIGURE_H
#define LOAD_FIGURE_H

#include "bench/load/result/result.h"

enum figure_unit { FIGURE_MS, FIGURE_SHARE, FIGURE_PER_S, FIGURE_COUNT };
enum figure_order { FIGURE_LESS, FIGURE_AT_MOST, FIGURE_MORE, FIGURE_AT_LEAST, FIGURE_EQUAL };
enum figure_source { FIGURE_SCALAR, FIGURE_MEASURE, FIGURE_CERTIFICATE };
enum figure_stat { FIGURE_MEAN, FIGURE_MIN, FIGURE_MAX, FIGURE_SD, FIGURE_PERCENTILE };

#define FIGURE_NAME_MAX 48

typedef struct figure {
  char name[FIGURE_NAME_MAX];
  enum figure_unit unit;
  bool more_is_better;
  /* where it is found */
  enum figure_source source;
  unsigned row; /* of the scalars, the measures or the certificate's histograms */
  bool intended;
  enum figure_stat stat;
  double percent;
} figure;

typedef struct figure_gate {
  figure figure;
  enum figure_order order;
  double limit;                    /* in the figure's unit */
  char text[FIGURE_NAME_MAX + 32]; /* as it was written */
} figure_gate;

/* False: no such figure; `why` (may be NULL) gets a clause. */
bool figure_parse(leat_slice name, figure *f, const char **why);
bool figure_gate_parse(const char *text, figure_gate *gate, const char **why);
/* False: it is not known of this point (no sample). */
bool figure_value(const figure *f, const result_point *p, double *value);
/* One statistic of a histogram, in ms; false: it has no sample. */
bool figure_of_hist(const lti_hist *h, enum figure_stat stat, double percent, double *ms);
/* Whether the gate holds; an unknown figure holds nothing: false, and `value` is NAN. */
bool figure_gate_holds(const figure_gate *gate, const result_point *p, double *value);
/* "12.3 ms", "99.1 %", "40.2/s", "17". */
const char *figure_show(enum figure_unit unit, double value, char *out, size_t size);
/* The number alone, with three digits that count, and no unit: "12.3", "1,240". */
const char *figure_number(double value, char *out, size_t size);

#endif
