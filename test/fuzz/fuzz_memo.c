/* Fuzzes the memo of OpenAI's decoder: each line of the input is a record, and is given to two
 * decoders, one with its memo and one without, which must say the same.
 *
 *   byte 0      bit 0: each record comes twice   bit 1: behind each the first comes again
 *   the rest    the records, one a line */
#include "protocols/memo_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static leat_slice line_of(leat_slice lines) {
  const char *end = memchr(lines.data, '\n', lines.size);
  return end ? lti_slice(lines.data, (size_t)(end - lines.data)) : lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static memo_pair p;
  if (size < 2) return 0;
  leat_slice rest = lti_slice((const char *)input + 1, size - 1), type = lti_slice_of("message");
  leat_slice first = line_of(rest);
  memo_pair_init(&p);
  while (rest.size) {
    leat_slice line = line_of(rest);
    memo_pair_record(&p, type, line);
    if (input[0] & 1) memo_pair_record(&p, type, line);
    if (input[0] & 2) memo_pair_record(&p, type, first);
    rest = lti_slice_from(rest, line.size < rest.size ? line.size + 1 : line.size);
  }
  memo_pair_deinit(&p);
  return 0;
}
