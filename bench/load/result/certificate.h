/* The verdict on a run's own instrument: thresholds, reasons, advice. Pure: figures in, words out.
 *
 * valid: p99 of receive and of schedule lag at most 0.5 ms or 1 % of the median TTFT, whichever is
 * larger; no start missed its cap; busy less than 0.9. degraded: up to ten times those lags, busy
 * up to 0.99, and 1 % of the starts late for the cap, each figure with its bound; else invalid, as
 * is a run whose requests failed for want of descriptors or ports here. How far reads were behind
 * the kernel's stamps is told and not judged: where there are stamps, times are theirs. */
#ifndef LOAD_CERTIFICATE_H
#define LOAD_CERTIFICATE_H

#include "bench/load/result/result.h"

#define CERTIFICATE_LAG_US       500.0
#define CERTIFICATE_LAG_SHARE    0.01 /* of the median TTFT, if that is more */
#define CERTIFICATE_DEGRADED_FOR 10.0

/* The lag (us) up to which a run is valid, and up to which it is degraded. `ttft_us`: the median;
 * below 0: there is none. */
void certificate_lags(double ttft_us, double *valid_us, double *degraded_us);
/* Judges `p->certificate` from its own figures and the point's TTFT: sets thresholds, verdict and
 * reasons. */
void certificate_judge(result_point *p);

#endif
