/* Stages as arithmetic: their list as text, and for one of them its level at a time, how many
 * requests it has begun by then, and the way back. Closed forms for both kinds of way, so that a
 * ramp's starts are exact and not those of a staircase.
 *
 *     10@30s            ten a second for 30 s
 *     10..100@1m        from ten to a hundred, by the same amount each second
 *     10..100@1m:exp    from ten to a hundred, by the same factor each second
 */
#ifndef LOAD_STAGES_H
#define LOAD_STAGES_H

#include "bench/load/shape/shape.h"

#define STAGES_WHY_MAX 160

/* Reads a list, stages between commas, at most SHAPE_STAGES_MAX - 1 of them. `level_max` bounds
 * each level, and `whole` says that levels are whole numbers (streams). False: `why` (at least
 * STAGES_WHY_MAX bytes) says which stage and what is wrong with it. */
typedef struct stages_form {
  double level_max;
  bool whole;
} stages_form;
bool stages_parse(const char *text, stages_form form, shape_spec *spec, char *why);

/* Times are seconds from the stage's begin, and within it. */
double stages_level(const shape_stage *stage, double at_s);
/* Requests that it begins until then. */
double stages_amount(const shape_stage *stage, double at_s);
/* ... and in all; INFINITY of one that goes on. */
double stages_total(const shape_stage *stage);
/* When it has begun so many, which are fewer than all. */
double stages_when(const shape_stage *stage, double amount);
/* When its level is so high, which lies between `from` and `to`. */
double stages_reaches(const shape_stage *stage, double level);

#endif
