/* Fuzzes the reader of HdrHistogram's encoding. The first byte chooses: the rest is the text
 * itself, or the bytes behind zlib and base64, which no fuzzer would get through by itself.
 *
 * What must hold: what is refused adds nothing; what is read is written, and reads back to the same
 * buckets. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bench/load/result/hdr.h"
#include "bindings/cli/jsonw.h"
#include "bindings/cli/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static void check(leat_slice text) {
  lti_hist *h = lti_hist_new(cli_program_alloc()), *back = lti_hist_new(cli_program_alloc());
  if (!hdr_read(text, h)) {
    require(lti_hist_count(h) == 0, "what is refused adds nothing");
  } else {
    lti_buf out;
    lti_hist_bucket a, b;
    size_t i = 0, k = 0;
    lti_buf_init(&out, cli_program_alloc(), SIZE_MAX, LEAT_EBODYMAX);
    require(hdr_write(h, &out) == LEAT_OK, "what was read is written");
    require(hdr_read(lti_buf_slice(&out), back), "and read again");
    while (lti_hist_next(h, &i, &a))
      require(lti_hist_next(back, &k, &b) && a.index == b.index && a.count == b.count, "as it was");
    require(!lti_hist_next(back, &k, &b), "and no more");
    lti_buf_deinit(&out);
  }
  lti_hist_free(h);
  lti_hist_free(back);
}

/* As a writer would have it: compressed, with its cookie and length, in base64. */
static void check_plain(leat_slice plain) {
  uLongf size = compressBound((uLong)plain.size);
  unsigned char *bytes = malloc(8 + size);
  cli_jsonw w;
  if (compress2(bytes + 8, &size, (const Bytef *)plain.data, (uLong)plain.size, 1) != Z_OK) abort();
  const unsigned char head[8] = {0x1c,
                                 0x84,
                                 0x93,
                                 0x14,
                                 0,
                                 (unsigned char)(size >> 16),
                                 (unsigned char)(size >> 8),
                                 (unsigned char)size};
  memcpy(bytes, head, sizeof head);
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_base64(&w, NULL, lti_slice((const char *)bytes, 8 + size));
  check(lti_slice(w.buf.data + 1, w.buf.size - 2));
  cli_jsonw_deinit(&w);
  free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  if (size == 0 || size > 1 << 20) return 0;
  leat_slice rest = lti_slice((const char *)input + 1, size - 1);
  if (input[0] == 'P')
    check_plain(rest);
  else
    check(rest);
  return 0;
}
