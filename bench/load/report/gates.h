/* What must hold for a run to pass: --require, --strict, --allow-failures; and the levels of
 * --goodput.
 *
 * Everything that does not hold is said; the exit code names the first of, in this order:
 *
 *     1  more requests failed than are allowed: the figures are not those of the load asked for
 *     4  --strict, and the certificate does not say valid: the figures decide nothing
 *     3  a --require is missed
 *
 * (130, interrupted, is the caller's and comes before all of them.) A sweep passes where each of
 * its points does; with --slo it goes beyond the knee on purpose, so there the knee's point alone
 * counts, the highest that met the level, or the first point where none did. */
#ifndef LOAD_GATES_H
#define LOAD_GATES_H

#include "bench/load/result/figure.h"
#include "bindings/cli/options.h"

enum gates_exit { GATES_MISSED = 3, GATES_NOT_VALID = 4 };

#define GATES_MAX 64

typedef struct gates {
  size_t count;
  figure_gate gates[GATES_MAX];
  bool strict;
  bool failures_are_share; /* of the requests that ended; else a number of them */
  double failures_allowed;
} gates;

/* False, and said: an option cannot be used. */
bool gates_init(gates *g, const cli_options *options);
/* "ttft:500 tpot:50 e2el:5000", each text with one or many, in ms or with a unit of their own, by
 * our names or those of other tools, for what a request has one figure of: ttft, ttfo, ttst, itl
 * (its longest gap; the mean one is tpot's business), tpot and e2e.
 * False, and said. */
bool gates_levels(result_goodput *goodput, const cli_list *levels);
/* CLI_DONE, CLI_FAILED, GATES_MISSED or GATES_NOT_VALID; what does not hold is said. */
int gates_judge(const gates *g, const result *r);

#endif
