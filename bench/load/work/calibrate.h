/* What a word is worth in tokens, asked of the gateway before the run. */
#ifndef LOAD_CALIBRATE_H
#define LOAD_CALIBRATE_H

#include "work_inside.h"

/* As work_calibrate; writes the work's note. */
bool calibrate_run(work *w, const leat_config *config);
/* tokens = fixed + each * words through these points, by least squares. False: words do not make
 * tokens there. */
bool calibrate_fit(const double *words, const double *tokens, size_t count, double *fixed,
                   double *each);

#endif
