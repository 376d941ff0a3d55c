/* What a peer may make us do, counted frame by frame before nghttp2 sees them.
 *
 * nghttp2 1.52 shows its user neither the frames of unknown types nor those of streams that are no
 * more, and puts no limit on most kinds. So this walks the bytes beside it: nine of them are a
 * frame's header, the rest is passed over. Bytes from the frame on that breaks a budget are never
 * given to nghttp2, and it gets the header of a frame in one piece, since it counts the pieces of a
 * CONTINUATION's as so many frames.
 *
 *   - Frames that bring nothing forward are paid for from one account of points, which fills with
 *     time and with what we send, since that is what WINDOW_UPDATE and acknowledgements answer.
 *     Some servers give back the stream's window and the connection's for each few KB they read.
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
#define POINTS_A_KB       16 /* and by what of a body it carries */
#define COST_IDLE         8  /* nothing comes of it */
#define COST_SMALL        1  /* little comes of it */
#define DATA_BYTES_USEFUL 32 /* a frame with as many is free */
#define ANSWERS_MAX       256
#define CONTINUATIONS_MAX 8 /* as nghttp2, which would not say GOAWAY */

enum {
  FRAME_DATA,
  FRAME_HEADERS,
  FRAME_PRIORITY,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_PUSH_PROMISE,
  FRAME_PING,
  FRAME_CONTINUATION = 9
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
  b->continuations = (uint8_t)(type == FRAME_CONTINUATION ? b->continuations + 1 : 0);
  if (b->continuations > CONTINUATIONS_MAX)
    return breach(b, LTI_HTTP2_ENHANCE_YOUR_CALM, "a header block in too many frames");
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

void lti_http2_budget_init(lti_http2_budget *b, const lti_http2_ahead *ahead) {
  memset(b, 0, sizeof *b);
  b->ahead = ahead;
  b->points = POINTS_MAX;
}

/* Reads a frame's header; false when the frame breaks a budget. */
static bool enter(lti_http2_budget *b, const uint8_t *h) {
  b->payload = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
  if (h[3] == FRAME_DATA) lti_http2_ahead_frame(b->ahead, h);
  return charge(b, h[3], h[4]);
}

/* A header of which some bytes came before. */
static size_t complete_header(lti_http2_budget *b, leat_slice bytes) {
  size_t wanted = sizeof b->header - b->header_size;
  size_t n = wanted < bytes.size ? wanted : bytes.size;
  if (n) memcpy(b->header + b->header_size, bytes.data, n);
  b->header_size = (uint8_t)(b->header_size + n);
  return n;
}

lti_http2_passed lti_http2_budget_walk(lti_http2_budget *b, leat_slice bytes, uint64_t now_ns) {
  lti_http2_passed passed = {.from = 0};
  refill(b, now_ns);
  if (b->header_size) {
    passed.from = passed.to = complete_header(b, bytes);
    if (b->header_size < sizeof b->header) return passed;
    b->header_size = 0;
    if (!enter(b, b->header)) return passed;
    passed.has_header = true;
    memcpy(passed.header, b->header, sizeof b->header);
  }
  size_t at = passed.from;
  while (at < bytes.size) {
    size_t left = bytes.size - at, n = b->payload < left ? b->payload : left;
    b->payload -= (uint32_t)n;
    at += n;
    left -= n;
    passed.to = at;
    if (left == 0) break;
    if (left < sizeof b->header) {
      complete_header(b, lti_slice(bytes.data + at, left));
      break;
    }
    if (!enter(b, (const uint8_t *)bytes.data + at)) break;
    at += sizeof b->header;
    passed.to = at;
  }
  return passed;
}

void lti_http2_budget_earn(lti_http2_budget *b, size_t size) {
  b->points += POINTS_EARNED + (int64_t)(size * POINTS_A_KB / 1024);
  if (b->points > POINTS_MAX) b->points = POINTS_MAX;
}
