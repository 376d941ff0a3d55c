/* What the numbers of a comparison do not show: that A and B were not asked for the same, by the
 * same program, on the same machine, at times that tell them apart from a drift. */
#ifndef LOAD_COMPARE_WARNINGS_H
#define LOAD_COMPARE_WARNINGS_H

#include "bench/load/report/compare.h"

/* Fills in c->warnings from its sides. */
void compare_warnings(comparison *c);
/* The point of this label, the one at `near` if it has it; NULL: there is none. */
const result_point *compare_point_of(const result *r, const char *label, size_t near);

#endif
