/* The gzip content-coding undone, on zlib, one member behind the other.
 *
 *      BETWEEN -- first byte of a member --> MEMBER -- its trailer was right --> BETWEEN
 *
 * zlib checks each member's header, CRC and length, and asks the engine's allocator for its memory.
 * Output passes through one block of OUT_BYTES on its way to the sink, so that a bomb costs at most
 * `out_max` bytes of output and that block. Bytes between members that begin no member are an
 * error: a zlib that skipped them would let two readers see two bodies. */
#include "wire/inflate.h"

#include <assert.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#include "base/error.h"

#define OUT_BYTES    16384
#define IN_BYTES_MAX (1u << 30) /* zlib counts a piece of input in an unsigned int */
#define WINDOW_BITS  15
#define GZIP_ONLY    16 /* added to the window's bits: no zlib header, no guessing */

struct lti_inflate {
  lti_alloc *alloc;
  lti_inflate_cb sink;
  void *ctx;
  uint64_t out_left;
  int error;
  bool in_member;
  z_stream z;
  unsigned char out[OUT_BYTES];
};

static voidpf zlib_alloc(voidpf alloc, uInt items, uInt size);
static void zlib_free(voidpf alloc, voidpf ptr);
static int feed_piece(lti_inflate *x);
static int feed_step(lti_inflate *x);

lti_inflate *lti_inflate_new(lti_alloc *alloc, uint64_t out_max, lti_inflate_cb sink, void *ctx) {
  lti_inflate *x = lti_alloc_zero(alloc, sizeof *x);
  if (!x) return NULL;
  x->alloc = alloc;
  x->sink = sink;
  x->ctx = ctx;
  x->out_left = out_max;
  x->z.zalloc = zlib_alloc;
  x->z.zfree = zlib_free;
  x->z.opaque = alloc;
  if (inflateInit2(&x->z, WINDOW_BITS + GZIP_ONLY) == Z_OK) return x;
  lti_alloc_put(alloc, x);
  return NULL;
}

void lti_inflate_free(lti_inflate *x) {
  if (!x) return;
  inflateEnd(&x->z);
  lti_alloc_put(x->alloc, x);
}

int lti_inflate_feed(lti_inflate *x, leat_slice bytes, size_t *taken) {
  *taken = 0;
  while (x->error == LTI_OK && *taken < bytes.size) {
    size_t rest = bytes.size - *taken;
    uInt piece = rest < IN_BYTES_MAX ? (uInt)rest : IN_BYTES_MAX;
    x->z.next_in = (const Bytef *)(bytes.data + *taken);
    x->z.avail_in = piece;
    x->error = feed_piece(x);
    *taken += piece - x->z.avail_in;
  }
  return x->error;
}

int lti_inflate_end(lti_inflate *x) {
  if (x->error == LTI_OK && x->in_member) x->error = LEAT_EENCODING;
  return x->error;
}

/* Until the piece is used up and nothing that it gave is still inside zlib. */
static int feed_piece(lti_inflate *x) {
  bool more;
  do {
    if (!x->in_member) {
      /* Cannot fail: the state is a live one of ours. */
      if (inflateReset(&x->z) != Z_OK) return LEAT_EENCODING;
      x->in_member = true;
    }
    int rc = feed_step(x);
    if (rc != LTI_OK) return rc;
    more = x->in_member && x->z.avail_out == 0;
  } while (x->z.avail_in > 0 || more);
  return LTI_OK;
}

/* One call of zlib, and its output to the sink. */
static int feed_step(lti_inflate *x) {
  x->z.next_out = x->out;
  x->z.avail_out = OUT_BYTES;
  int rc = inflate(&x->z, Z_NO_FLUSH);
  size_t made = OUT_BYTES - x->z.avail_out;
  if (rc == Z_MEM_ERROR) return LEAT_ENOMEM;
  /* Z_BUF_ERROR without input: a full block was handed out just as the piece had ended. */
  bool drained = rc == Z_BUF_ERROR && x->z.avail_in == 0;
  if (rc != Z_OK && rc != Z_STREAM_END && !drained) return LEAT_EENCODING;
  if (made > x->out_left) return LEAT_EBODYMAX;
  x->out_left -= made;
  if (rc == Z_STREAM_END) x->in_member = false;
  if (made == 0) return LTI_OK;
  int verdict = x->sink(x->ctx, lti_slice((const char *)x->out, made));
  assert(verdict <= LTI_OK);
  return verdict;
}

static voidpf zlib_alloc(voidpf alloc, uInt items, uInt size) {
  if (size && items > SIZE_MAX / size) return Z_NULL;
  return lti_alloc_get(alloc, (size_t)items * size);
}

static void zlib_free(voidpf alloc, voidpf ptr) {
  lti_alloc_put(alloc, ptr);
}
