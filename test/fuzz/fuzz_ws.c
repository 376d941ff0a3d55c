/* Fuzzes the WebSocket codec with scripted frames of a server.
 *
 *   byte 0      bit 0: the transport ends behind the bytes   bit 1: small limits
 *               bit 2: the sink answers each message and PING   bit 3: a small `out`
 *               bit 4: it stops at each piece   bits 5-7: what is sent before: nothing, a piece of
 *               text, a message and a PING, or a Close
 *   byte 1      number of cuts, at most CUTS_MAX
 *   then        two bytes a cut: how far it is from the one before
 *   the rest    what the server sends
 *
 * The same bytes are played whole, cut as scripted, and byte by byte. No run may crash, call a sink
 * after a failure or a Close, deliver text that is not UTF-8 as whole, or forget a failure
 * (ws_record.h counts such breaches); all three must come to the same result and the same bytes in
 * `out`, which must be frames that a server can read, with at most one Close, at the end. */
#include <stdint.h>

#include "support/ws_record.h"

#define CUTS_MAX  32
#define BYTES_MAX 8192 /* above this, byte by byte is left out */
#define OUT_SMALL 600

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void give_up(const char *title, const ws_record *r) {
  ws_record_print(title, r);
  abort();
}

static void send_before(ws_record *r, unsigned what) {
  leat_slice half = lti_slice("half \xe2\x82", 7);
  if (what == 1) (void)lti_ws_send(r->codec, LTI_WS_TEXT, half, false);
  if (what == 2) (void)lti_ws_send(r->codec, LTI_WS_BINARY, half, true);
  if (what == 2) (void)lti_ws_ping(r->codec, half);
  if (what == 3) (void)lti_ws_close(r->codec, 1000, lti_slice_of("bye"));
}

static ws_record how_of(uint8_t flags) {
  ws_record how;
  memset(&how, 0, sizeof how);
  how.ends = flags & 1;
  how.echoes = flags & 4;
  if (flags & 2) how.config.message_bytes_max = 64;
  if (flags & 2) how.config.fragments_max = 4;
  if (flags & 8) how.out_max = OUT_SMALL;
  return how;
}

/* `r` must stay where it is: the codec knows its address. */
static void play(ws_record *r, uint8_t flags, leat_slice raw, const size_t *cuts, size_t count) {
  static lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  if (!ws_record_init(r, &alloc)) abort();
  send_before(r, flags >> 5 & 3);
  ws_play(r, raw, cuts, count);
  if (r->breaches || r->closes > 1) give_up("breach", r);
}

static void must_agree(const ws_record *whole, ws_record *other) {
  if (!ws_record_equal(whole, other)) {
    ws_record_print("whole", whole);
    give_up("cut", other);
  }
  ws_record_deinit(other);
}

static void must_be_frames(ws_record *r) {
  size_t at = 0;
  bool closed = false;
  ws_sent sent;
  while (at < r->out.size) {
    if (closed || !ws_sent_next(&r->out, &at, &sent)) give_up("out", r);
    closed = sent.opcode == 8;
  }
  if (closed != r->close_sent) give_up("Close", r);
}

static void play_every_byte(const ws_record *whole, uint8_t flags, leat_slice raw) {
  static size_t each[BYTES_MAX];
  for (size_t i = 0; i < raw.size; i++) each[i] = i + 1;
  ws_record other = how_of(flags);
  play(&other, flags, raw, each, raw.size);
  must_agree(whole, &other);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  if (size < 2) return 0;
  uint8_t flags = input[0];
  size_t count = input[1] % (CUTS_MAX + 1), at = 2, cuts[CUTS_MAX], last = 0;
  if (size - at < count * 2) return 0;
  size_t raw_size = size - at - count * 2;
  for (size_t i = 0; i < count; i++, at += 2) {
    last += (size_t)input[at] << 8 | input[at + 1];
    if (last > raw_size) last = raw_size;
    cuts[i] = last;
  }
  leat_slice raw = lti_slice((const char *)input + at, raw_size);
  ws_record whole = how_of(flags), other = how_of(flags);
  play(&whole, flags, raw, NULL, 0);
  other.stops = flags & 16;
  play(&other, flags, raw, cuts, count);
  must_agree(&whole, &other);
  if (raw_size <= BYTES_MAX) play_every_byte(&whole, flags, raw);
  must_be_frames(&whole);
  ws_record_deinit(&whole);
  return 0;
}
