/* Fuzzes the HTTP/1.1 codec with a scripted connection.
 *
 *   byte 0      bit 0: the request was HEAD   bits 1-2: stays open, clean end, unclean end; or a
 *               clean end, and the request was CONNECT (with bit 0) or asked for an upgrade
 *               bit 3: a small header limit   bits 4-7: body bytes a sink takes before it stops
 *   byte 1      number of cuts, at most CUTS_MAX
 *   then        two bytes a cut: how far it is from the one before
 *   the rest    what the peer sends
 *
 * The same bytes are played whole, cut as scripted with a sink that stops, and byte by byte. No run
 * may crash, call a sink after a failure or the end, take more than it was given, or forget a
 * failure (http1_record.h counts such breaches), and all three must come to the same result. */
#include <stdint.h>

#include "support/http1_record.h"

#define CUTS_MAX    32
#define BYTES_MAX   8192 /* above this, byte by byte is left out */
#define LIMIT_SMALL 128
#define LIMIT       4096

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static record play(const record_script *script, record how, const size_t *cuts, size_t count) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record_run(&how, &alloc, script, cuts, count);
  if (how.breaches || how.heads > 1 || how.completes > 1) {
    record_print("breach", &how);
    abort();
  }
  return how;
}

static void must_agree(record *whole, record *other) {
  if (!record_equal(whole, other)) {
    record_print("whole", whole);
    record_print("cut", other);
    abort();
  }
  record_deinit(other);
}

static void play_every_byte(const record_script *script, record *whole) {
  static size_t each[BYTES_MAX];
  for (size_t i = 0; i < script->raw.size; i++) each[i] = i + 1;
  record other = play(script, (record){0}, each, script->raw.size);
  must_agree(whole, &other);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static const enum record_ending endings[] = {RECORD_STAYS_OPEN, RECORD_ENDS_CLEAN,
                                               RECORD_ENDS_UNCLEAN, RECORD_ENDS_CLEAN};
  if (size < 2) return 0;
  uint8_t flags = input[0];
  size_t count = input[1] % (CUTS_MAX + 1), at = 2, cuts[CUTS_MAX], last = 0;
  if (size - at < count * 2) return 0;
  static const char *const methods[2][2] = {{"POST", "HEAD"}, {"GET", "CONNECT"}};
  record_script script = {.method = methods[(flags >> 1 & 3) == 3][flags & 1],
                          .ending = endings[flags >> 1 & 3],
                          .header_bytes_max = flags & 8 ? LIMIT_SMALL : LIMIT};
  size_t raw_size = size - at - count * 2;
  for (size_t i = 0; i < count; i++, at += 2) {
    last += (size_t)input[at] << 8 | input[at + 1];
    if (last > raw_size) last = raw_size;
    cuts[i] = last;
  }
  script.raw = lti_slice((const char *)input + at, raw_size);
  record whole = play(&script, (record){0}, NULL, 0);
  record how = {.stop_bytes = flags >> 4, .stop_events = flags & 0x80};
  record other = play(&script, how, cuts, count);
  must_agree(&whole, &other);
  if (raw_size <= BYTES_MAX) play_every_byte(&script, &whole);
  record_deinit(&whole);
  return 0;
}
