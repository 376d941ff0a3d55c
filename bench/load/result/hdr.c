/* HdrHistogram's V2 encoding. What is compressed:
 *
 *     1c849313 payload:4 0:4 digits:4 lowest:8 highest:8 ratio:8 (a double)   big endian, 40 bytes
 *     counts: ZigZag LEB128, at most 9 bytes each; a negative one is a run of so many zeros
 *
 * and around it 1c849314 and the length of the zlib stream. The low byte's 10 in the cookies says
 * that counts have no fixed width. Example: counts 0 0 0 5 0 are 05 0a (3 zeros as -3, then 5; what
 * is behind the last count is left out).
 *
 * Index i of the array of counts, for a lowest value of 1 and 3 digits (2048 buckets, then 1024 for
 * each doubling), is base/hist.c's bucket i. In general, with H = half the linear buckets:
 *
 *     octave = i / H - 1, sub = i % H + H; below H: octave 0, sub i
 *     its values: sub << (octave + unit) .. ((sub + 1) << (octave + unit)) - 1
 *
 * Reading is of foreign bytes: a document is walked twice, and only the second time is anything
 * added. */
#include "hdr.h"

#include <string.h>
#include <zlib.h>

#include "bindings/cli/base64.h"
#include "bindings/cli/program.h"

#define COOKIE            0x1c849303u
#define COOKIE_COMPRESSED 0x1c849304u
#define COOKIE_WIDTH      0xf0u /* bits of a cookie that do not tell the form */
#define COOKIE_VARIABLE   0x10u
#define HEADER_SIZE       40
#define DIGITS            3
/* 1.0, a double; JavaScript's library writes an integer. */
#define RATIO_ONE UINT64_C(0x3ff0000000000000)
#define HIGHEST   UINT64_C(3600000000)
#define PLAIN_MAX ((size_t)4 << 20)
#define TEXT_MAX  ((size_t)8 << 20)
#define COUNT_MAX (UINT64_C(1) << 53) /* all counts together */

/* --- writing --- */

static void put_u32(lti_buf *out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) lti_buf_byte(out, (char)(value >> shift & 0xff));
}

static void put_u64(lti_buf *out, uint64_t value) {
  put_u32(out, (uint32_t)(value >> 32));
  put_u32(out, (uint32_t)value);
}

static void put_count(lti_buf *out, int64_t count) {
  uint64_t v = (uint64_t)count << 1 ^ (count < 0 ? UINT64_MAX : 0);
  for (int i = 0; i < 8 && v > 0x7f; i++, v >>= 7) lti_buf_byte(out, (char)((v & 0x7f) | 0x80));
  lti_buf_byte(out, (char)(v & 0xff));
}

static void put_counts(lti_buf *out, const lti_hist *h) {
  size_t at = 0, next = 0;
  lti_hist_bucket b;
  while (lti_hist_next(h, &at, &b)) {
    size_t zeros = b.index - next;
    if (zeros) put_count(out, zeros == 1 ? 0 : -(int64_t)zeros);
    put_count(out, (int64_t)b.count);
    next = b.index + 1;
  }
  if (next == 0) put_count(out, 0);
}

static int put_plain(lti_buf *out, const lti_hist *h) {
  if (lti_buf_reserve(out, PLAIN_MAX / 16) != LEAT_OK) return LEAT_ENOMEM;
  put_u32(out, COOKIE | COOKIE_VARIABLE);
  put_u32(out, 0);
  put_u32(out, 0);
  put_u32(out, DIGITS);
  put_u64(out, 1);
  put_u64(out, HIGHEST);
  put_u64(out, RATIO_ONE);
  put_counts(out, h);
  uint32_t payload = (uint32_t)(out->size - HEADER_SIZE);
  for (int i = 0; i < 4; i++) out->data[4 + i] = (char)(payload >> (24 - 8 * i) & 0xff);
  return LEAT_OK;
}

static int put_compressed(lti_buf *out, leat_slice plain) {
  uLongf size = compressBound((uLong)plain.size);
  if (lti_buf_reserve(out, 8 + size) != LEAT_OK) return LEAT_ENOMEM;
  put_u32(out, COOKIE_COMPRESSED | COOKIE_VARIABLE);
  put_u32(out, 0);
  if (compress2((Bytef *)out->data + 8, &size, (const Bytef *)plain.data, (uLong)plain.size,
                Z_DEFAULT_COMPRESSION) != Z_OK)
    return LEAT_ENOMEM;
  for (int i = 0; i < 4; i++) out->data[4 + i] = (char)(size >> (24 - 8 * i) & 0xff);
  out->size += size;
  return LEAT_OK;
}

static int put_base64(lti_buf *out, leat_slice bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int error = lti_buf_reserve(out, (bytes.size + 2) / 3 * 4);
  if (error) return error;
  for (size_t i = 0; i < bytes.size; i += 3) {
    size_t n = bytes.size - i < 3 ? bytes.size - i : 3;
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; k++)
      bits = bits << 8 | (k < n ? (uint32_t)(unsigned char)bytes.data[i + k] : 0);
    for (size_t k = 0; k < 4; k++)
      lti_buf_byte(out, k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=');
  }
  return LEAT_OK;
}

int hdr_write(const lti_hist *h, lti_buf *out) {
  lti_buf plain, compressed;
  lti_buf_init(&plain, out->alloc, PLAIN_MAX, LEAT_EBODYMAX);
  lti_buf_init(&compressed, out->alloc, PLAIN_MAX, LEAT_EBODYMAX);
  int error = put_plain(&plain, h);
  if (!error) error = put_compressed(&compressed, lti_buf_slice(&plain));
  if (!error) error = put_base64(out, lti_buf_slice(&compressed));
  lti_buf_deinit(&plain);
  lti_buf_deinit(&compressed);
  return error;
}

/* --- reading --- */

typedef struct header {
  uint32_t digits;
  uint64_t lowest, highest;
  unsigned unit; /* log2 of the lowest value */
  uint64_t half; /* half the linear buckets */
  leat_slice counts;
} header;

static uint64_t take(leat_slice *rest, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) value = value << 8 | (unsigned char)rest->data[i];
  *rest = lti_slice_from(*rest, size);
  return value;
}

static bool is_cookie(uint64_t cookie, uint32_t form) {
  return (cookie & ~(uint64_t)COOKIE_WIDTH) == form;
}

/* Undoes zlib, up to PLAIN_MAX bytes. */
static bool inflate_all(leat_slice bytes, lti_buf *plain) {
  z_stream z;
  Bytef piece[4096];
  memset(&z, 0, sizeof z);
  if (inflateInit(&z) != Z_OK) return false;
  z.next_in = (Bytef *)(uintptr_t)bytes.data;
  z.avail_in = (uInt)bytes.size;
  int state = Z_OK;
  while (state == Z_OK) {
    z.next_out = piece;
    z.avail_out = sizeof piece;
    state = inflate(&z, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END) break;
    size_t size = sizeof piece - z.avail_out;
    if (lti_buf_append(plain, lti_slice((const char *)piece, size)) != LEAT_OK) state = Z_MEM_ERROR;
  }
  bool whole = state == Z_STREAM_END && z.avail_in == 0;
  inflateEnd(&z);
  return whole;
}

static bool decompress(leat_slice text, lti_buf *plain) {
  lti_buf bytes;
  bool fine = false;
  lti_buf_init(&bytes, cli_program_alloc(), TEXT_MAX, LEAT_EBODYMAX);
  if (text.size <= TEXT_MAX && cli_base64_decode(text, &bytes) && bytes.size >= 8) {
    leat_slice rest = lti_buf_slice(&bytes);
    fine = is_cookie(take(&rest, 4), COOKIE_COMPRESSED) && take(&rest, 4) == rest.size &&
           inflate_all(rest, plain);
  }
  lti_buf_deinit(&bytes);
  return fine;
}

/* The smallest power of two that is at least 2 * 10^digits, halved. */
static uint64_t half_of(uint32_t digits) {
  uint64_t wanted = 2, half = 1;
  for (uint32_t i = 0; i < digits; i++) wanted *= 10;
  while (2 * half < wanted) half *= 2;
  return half;
}

static bool read_header(leat_slice plain, header *x) {
  if (plain.size < HEADER_SIZE) return false;
  bool fine = is_cookie(take(&plain, 4), COOKIE);
  uint64_t payload = take(&plain, 4);
  take(&plain, 4); /* how its writer shifted its array; counts stand in their own order */
  x->digits = (uint32_t)take(&plain, 4);
  x->lowest = take(&plain, 8);
  x->highest = take(&plain, 8);
  uint64_t ratio = take(&plain, 8);
  if (!fine || payload != plain.size || x->digits > 5) return false;
  if (x->lowest < 1 || x->lowest > HIGHEST || x->highest < 2 * x->lowest) return false;
  if (ratio != RATIO_ONE && ratio != 1) return false;
  x->unit = 63 - (unsigned)__builtin_clzll(x->lowest);
  x->half = half_of(x->digits);
  x->counts = plain;
  return true;
}

/* False: the bytes end within a number. */
static bool take_count(leat_slice *rest, int64_t *count) {
  uint64_t v = 0;
  for (unsigned i = 0; i < 9; i++) {
    if (i == rest->size) return false;
    uint64_t byte = (unsigned char)rest->data[i];
    bool last = i == 8 || !(byte & 0x80);
    v |= (i == 8 ? byte : byte & 0x7f) << (7 * i);
    if (!last) continue;
    *rest = lti_slice_from(*rest, i + 1);
    break;
  }
  *count = (int64_t)(v >> 1 ^ (~(v & 1) + 1));
  return true;
}

/* Where the bucket of an index lies. False: above all that we can hold. */
static bool bucket_at(const header *x, uint64_t index, uint64_t *low, uint64_t *high) {
  uint64_t octave = index / x->half, sub = index;
  if (octave > 0) {
    octave--;
    sub = index % x->half + x->half;
  }
  if (octave + x->unit > 32) return false;
  unsigned shift = (unsigned)(octave + x->unit);
  if (sub > HIGHEST >> shift) return false;
  *low = sub << shift;
  *high = ((sub + 1) << shift) - 1;
  return true;
}

/* Walks the counts; with a histogram, they are added to it at their buckets' upper ends, which are
 * what any library reports of them. */
static bool walk_counts(const header *x, lti_hist *h) {
  uint64_t index = 0, total = 0, low, high;
  leat_slice rest = x->counts;
  while (rest.size) {
    int64_t count;
    if (!take_count(&rest, &count)) return false;
    if (count < 0) {
      if (count < -(int64_t)UINT32_MAX) return false;
      index += (uint64_t)-count;
    } else if (count == 0) {
      index++;
    } else {
      if (!bucket_at(x, index, &low, &high) || (uint64_t)count > COUNT_MAX - total) return false;
      total += (uint64_t)count;
      if (h) lti_hist_add(h, high < HIGHEST ? high : HIGHEST, (uint64_t)count);
      index++;
    }
    if (index > UINT32_MAX) return false;
  }
  return true;
}

bool hdr_read(leat_slice text, lti_hist *h) {
  lti_buf plain;
  header x;
  lti_buf_init(&plain, cli_program_alloc(), PLAIN_MAX, LEAT_EBODYMAX);
  bool fine = decompress(text, &plain) && read_header(lti_buf_slice(&plain), &x) &&
              walk_counts(&x, NULL) && walk_counts(&x, h);
  lti_buf_deinit(&plain);
  return fine;
}
