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

/* Judges `p->certificate` from its own figures and the point's TTFT: sets thresholds, verdict and
 * reasons. */
void certificate_judge(result_point *p);

#endif
