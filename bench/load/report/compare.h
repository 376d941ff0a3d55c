/* Two sets of runs, figure by figure: is B unlike A, or is it the spread from run to run?
 *
 * A run is one observation of each figure (requests of one run share its server, its machine and
 * its minute, so they are no independent observations). Latencies and rates are compared by their
 * logarithms, so that a value is the geometric mean of the runs and the interval is one of B / A;
 * shares and counts, and what may be 0, as they are, with an interval of B - A.
 *
 * Method: the two-sample t statistic of each figure, and as its yardstick what the largest one of
 * all figures becomes when the runs are dealt to A and B anew in every possible way (in 20,000
 * drawn ways where there are more): a permutation test with the maximum statistic of Westfall and
 * Young. It needs no distribution, however skewed figures are, and looking at many figures is paid
 * for: where nothing differs, the chance that any figure of the comparison is called different is
 * at most 2 %, and at most 5 % where there are too few ways for less (3 runs against 4, or 4
 * against 4: 2.9 %). 3 against 3 can be dealt in 20 ways, of which 2 look alike: a chance of 10 %
 * is the least that can be had, so nothing is decidable there, nor with fewer runs, above all with
 * one; that is what is said beside the numbers.
 * The intervals are simultaneous and end where the verdicts do: a figure differs exactly where its
 * interval leaves out 1 (of B / A) or 0 (of B - A).
 *
 * What no test can know it warns of: other configs, machines or versions, certificates that are not
 * valid, sides that were not run in turns (a drift of the machine looks like a difference). */
#ifndef LOAD_COMPARE_H
#define LOAD_COMPARE_H

#include "bench/load/result/figure.h"
#include "bench/load/result/result.h"
#include "bindings/cli/jsonw.h"
#include "bindings/cli/out.h"

#define COMPARE_RUNS_MAX     1000 /* of a side */
#define COMPARE_ROWS_MAX     4096
#define COMPARE_WARNINGS_MAX 24
#define COMPARE_WARNING_SIZE 400

enum compare_verdict {
  COMPARE_SAME, /* no difference seen */
  COMPARE_BETTER,
  COMPARE_WORSE,
  COMPARE_UNDECIDABLE
};

/* One figure of one point, of B against A. What is not known is NAN. */
typedef struct compare_row {
  char point[64]; /* the offer's label */
  size_t point_a, point_b;
  figure figure;
  enum compare_verdict verdict;
  bool by_ratio; /* what low and high bound: B / A, else B - A */
  double a, b;   /* in the figure's unit */
  double difference, ratio;
  double low, high;
  double p;       /* adjusted for all figures: different where it is at most 1 - confidence */
  double *values; /* of each run: those of A, then those of B */
} compare_row;

typedef struct compare_side {
  const char *name;          /* what the user calls it: a file */
  const result *const *runs; /* the caller's */
  size_t count;
} compare_side;

typedef struct comparison {
  compare_side a, b;
  size_t row_count;
  compare_row *rows;
  double confidence; /* of the intervals together: 0.98 */
  size_t ways;       /* that runs were dealt; 0: nothing is decidable */
  char method[240];  /* a sentence, or why nothing is decidable */
  bool no_memory;    /* while it was made */
  size_t warning_count;
  char warnings[COMPARE_WARNINGS_MAX][COMPARE_WARNING_SIZE];
} comparison;

/* NULL: no memory, or more runs than COMPARE_RUNS_MAX, or a side without a run. */
comparison *compare_new(const compare_side *a, const compare_side *b);
void compare_free(comparison *c);

const char *compare_verdict_name(enum compare_verdict verdict); /* "no difference seen" */
/* The table for people, and the warnings. */
void compare_table(const comparison *c, cli_out *out);
/* The members of one object; "leat_compare": 1 is its version. */
void compare_json(const comparison *c, cli_jsonw *w);

#endif
