/* The arithmetic of a comparison: which of many figures, each observed once a run, differ between
 * two groups of runs, so that the chance of any false one is bounded (compare.h says how). Pure:
 * numbers in, numbers out, and the same numbers always. */
#ifndef LOAD_MAXT_H
#define LOAD_MAXT_H

#include <stdbool.h>
#include <stddef.h>

#define MAXT_WAYS_MAX 20000

typedef struct maxt_figure {
  const double *values; /* finite, of the first group, then of the second */
  double floor;         /* no standard deviation is taken to be less */
  double difference;    /* out: mean of the second less mean of the first */
  double margin;        /* out: half the interval's width */
  double p;             /* out: adjusted for all figures */
  bool differs;         /* out */
} maxt_figure;

typedef struct maxt_design {
  size_t first, second; /* runs of each group */
  double alpha;         /* the chance of any false difference, where there are enough ways */
  double alpha_max;     /* and the largest that is put up with where there are fewer */
} maxt_design;

/* In how many ways the runs can be dealt, at most SIZE_MAX. */
size_t maxt_ways(size_t first, size_t second);
/* Whether groups of such sizes can differ at all, at alpha_max. */
bool maxt_decidable(const maxt_design *d);
/* Judges them; `ways` gets how many were looked at. False: no memory, or not decidable. */
bool maxt_judge(const maxt_design *d, maxt_figure *figures, size_t count, size_t *ways);

#endif
