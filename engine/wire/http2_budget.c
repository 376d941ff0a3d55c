/* What a peer may make us do, counted frame by frame before nghttp2 sees them.
 *
 * nghttp2 1.52 shows its user neither the frames of unknown types nor those of streams that are no
 * more, and puts no limit on most kinds. So this walks the bytes beside it: nine of them are a
 * frame's header, the rest is passed over. Bytes from the frame on that breaks a budget are never
 * given to nghttp2.
 *
 *   - Frames that bring nothing forward are paid for from one account of points, which fills with
 *     time and with what we send, since that is what WINDOW_UPDATE and acknowledgements answer.
 *   - Every PING and SETTINGS wants an answer of ours; those that wait are bounded.
 *   - PUSH_PROMISE: our first frame forbade it, before the peer could know any stream.
 *   - The peer's first frame is SETTINGS (RFC 9113 3.4). Most peers for which that is not so speak
 *     HTTP/1.1, and say it.
 *
 * With the numbers below a peer gets through, in one second, 10,000 useless frames, or 80,000
 * frames of a few bytes each, and twice as many at once. A stream of single tokens stays far
 * below. */
#include <string.h>

#include "wire/http2_inside.h"

#define POINTS_MAX        160000
#define POINTS_A_MS       80
#define POINTS_EARNED     24 /* by a frame of ours */
#define COST_IDLE         8  /* nothing comes of it */
#define COST_SMALL        1  /* little comes of it */
#define DATA_BYTES_USEFUL 32 /* a frame with as many is free */
#define ANSWERS_MAX       256

enum {
  FRAME_DATA,
  FRAME_HEADERS,
  FRAME_PRIORITY,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_PUSH_PROMISE,
  FRAME_PING
};
#define FLAG_END_STREAM 0x1 /* of DATA */
#define FLAG_ACK        0x1 /* of PING and SETTINGS */

static void refill(lti_http2_budget *b, uint64_t now_ns) {
  uint64_t passed_ms = now_ns > b->now_ns ? (now_ns - b->now_ns) / 1000000 : 0;
  if (passed_ms == 0) return;
  b->now_ns += passed_ms * 1000000;
  if (passed_ms > POINTS_MAX / POINTS_A_MS) passed_ms = POINTS_MAX / POINTS_A_MS;
  b->points += (int64_t)passed_ms * POINTS_A_MS;
  if (b->points > POINTS_MAX) b->points = POINTS_MAX;
}

static bool breach(lti_http2_budget *b, uint32_t code, const char *reason) {
  b->breach = reason;
  b->code = code;
  return false;
}

/* True when the peer may send this frame. */
static bool charge(lti_http2_budget *b, uint8_t type, uint8_t flags) {
  int64_t cost = COST_IDLE;
  if (!b->greeted && type != FRAME_SETTINGS)
    return breach(b, LTI_HTTP2_PROTOCOL_ERROR, "the server does not speak HTTP/2");
  b->greeted = true;
  if (type == FRAME_DATA) {
    if (b->payload >= DATA_BYTES_USEFUL) return true;
    if (b->payload || flags & FLAG_END_STREAM) cost = COST_SMALL;
  } else if (type == FRAME_HEADERS) {
    cost = COST_SMALL;
  } else if (type == FRAME_PUSH_PROMISE) {
    return breach(b, LTI_HTTP2_PROTOCOL_ERROR, "PUSH_PROMISE, which our SETTINGS forbid");
  } else if ((type == FRAME_PING || type == FRAME_SETTINGS) && !(flags & FLAG_ACK)) {
    if (++b->answers > ANSWERS_MAX)
      return breach(b, LTI_HTTP2_ENHANCE_YOUR_CALM, "too many PING or SETTINGS wait for an answer");
  }
  b->points -= cost;
  if (b->points < 0)
    return breach(b, LTI_HTTP2_ENHANCE_YOUR_CALM, "too many frames that bring nothing forward");
  return true;
}

void lti_http2_budget_init(lti_http2_budget *b) {
  memset(b, 0, sizeof *b);
  b->points = POINTS_MAX;
}

size_t lti_http2_budget_walk(lti_http2_budget *b, leat_slice bytes, uint64_t now_ns) {
  refill(b, now_ns);
  size_t at = 0;
  while (at < bytes.size) {
    if (b->header_size == sizeof b->header) {
      size_t left = bytes.size - at, n = b->payload < left ? b->payload : left;
      b->payload -= (uint32_t)n;
      at += n;
      if (b->payload == 0) b->header_size = 0;
      continue;
    }
    size_t start = at, left = bytes.size - at, wanted = sizeof b->header - b->header_size;
    size_t n = wanted < left ? wanted : left;
    memcpy(b->header + b->header_size, bytes.data + at, n);
    b->header_size = (uint8_t)(b->header_size + n);
    at += n;
    if (n < wanted) break;
    const uint8_t *h = b->header;
    b->payload = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    if (!charge(b, h[3], h[4])) return start;
    if (b->payload == 0) b->header_size = 0;
  }
  return bytes.size;
}

void lti_http2_budget_earn(lti_http2_budget *b) {
  b->points += POINTS_EARNED;
  if (b->points > POINTS_MAX) b->points = POINTS_MAX;
}
