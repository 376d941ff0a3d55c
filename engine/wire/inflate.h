/* Content-coding gzip (RFC 1952; "deflate" is not offered) undone with zlib, for answers that are
 * not streamed. Output is bounded: above `out_max` bytes it is LEAT_EBODYMAX, so that a bomb costs
 * no more than that. Several members in a row are one body; bytes behind them are LEAT_EENCODING.
 */
#ifndef LTI_INFLATE_H
#define LTI_INFLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/slice.h"

typedef struct lti_inflate lti_inflate;
typedef int (*lti_inflate_cb)(void *ctx, leat_slice bytes);

lti_inflate *lti_inflate_new(lti_alloc *alloc, uint64_t out_max, lti_inflate_cb sink, void *ctx);
void lti_inflate_free(lti_inflate *x);
/* LTI_OK with all taken, the sink's error, LEAT_EENCODING, LEAT_EBODYMAX or LEAT_ENOMEM; sticky. */
int lti_inflate_feed(lti_inflate *x, leat_slice bytes, size_t *taken);
/* LEAT_EENCODING when the last member is not whole. */
int lti_inflate_end(lti_inflate *x);

#endif
