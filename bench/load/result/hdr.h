/* Histograms as base64 HdrHistogram V2 (cookie 0x1c849303, and 0x1c849304 for the compressed form,
 * zlib): what every HdrHistogram library reads. Ours are written with 3 significant digits from 1
 * us to 1 h and conversion ratio 1; others are read if their values fit. */
#ifndef LOAD_HDR_H
#define LOAD_HDR_H

#include "base/buf.h"
#include "base/hist.h"

/* Appends the compressed form in base64. LEAT_ENOMEM. */
int hdr_write(const lti_hist *h, lti_buf *out);
/* Adds what `text` holds to `h`. False: it is none, is damaged, or has values that do not fit. */
bool hdr_read(leat_slice text, lti_hist *h);

#endif
