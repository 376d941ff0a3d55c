/* Figures by name, as gates, levels, comparisons and tables ask for them:
 *
 *     ttft.p99  ttft.mean  itl.max  e2e.p50  ttft.intended.p99  receive_lag.p99  schedule_lag.p99
 *     error_rate  failed  truncated  goodput (share)  goodput_rate  rate (requests/s)
 *     output_tokens_per_s  events_per_s  tokens_per_event  busy  completed
 *
 * Latencies are in ms, shares from 0 to 1. An expression compares one with a limit: a figure, one
 * of < <= > >= ==, and a number with ms, s, m, h (latencies; ms where none stands) or % (shares).
 */
#ifndef LOAD_FIGURE_H
#define LOAD_FIGURE_H

#include "bench/load/result/result.h"

enum figure_unit { FIGURE_MS, FIGURE_SHARE, FIGURE_PER_S, FIGURE_COUNT };
enum figure_order { FIGURE_LESS, FIGURE_AT_MOST, FIGURE_MORE, FIGURE_AT_LEAST, FIGURE_EQUAL };

#define FIGURE_NAME_MAX 48

typedef struct figure {
  char name[FIGURE_NAME_MAX];
  enum figure_unit unit;
  bool more_is_better;
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
/* Whether the gate holds; an unknown figure holds nothing: false, and `value` is NAN. */
bool figure_gate_holds(const figure_gate *gate, const result_point *p, double *value);
/* "12.3 ms", "99.1 %", "40.2/s", "17". */
const char *figure_show(enum figure_unit unit, double value, char *out, size_t size);

#endif
