/* Fuzzes the HTTP/2 codec with a scripted connection.
 *
 *   byte 0      bits 0-2: requests opened first   bit 3: they have bodies   bit 4: HEAD
 *               bit 5: small windows and a small header limit   bit 6: bodies are held
 *               bit 7: each call gives itself up in its first body callback
 *   then        what the peer says, as steps. A step begins with a byte:
 *                 0..7     feed the rest in pieces of (byte + 1) * 3 bytes, raw
 *                 8        open one more request       9   give up the first that runs
 *                 10       take held bytes             11  PING   12  leave   13  drain nothing
 *                                                          before the next step
 *                 others   a frame: type = byte % 11, then flags, id, length (2 bytes), payload:
 *                          the header is made right, so that mutations get far
 *
 * The peer's SETTINGS come first, unless byte 1 is odd. The same script is played as it is and with
 * every feed cut into bytes. Neither may crash, leak, call a sink when it must not, or forget a
 * failure (h2_record.h counts such breaches), and where nothing but frames is in the script both
 * must come to the same. */
#include <stdint.h>

#include "support/h2_record.h"

#define STEPS_MAX 400
#define RAW_MAX   8

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct play {
  h2_record record;
  const uint8_t *input;
  size_t size, at;
  uint8_t flags;
  bool bytewise, undrained;
  bool comparable; /* all that was done is frames, drained each */
  uint64_t now_ns;
} play;

static char body[4000];

static uint8_t next(play *p) {
  return p->at < p->size ? p->input[p->at++] : 0;
}

static void feed_piece(play *p, leat_slice piece) {
  h2_record *r = &p->record;
  if (!p->undrained) {
    h2_record_feed(r, piece, p->now_ns);
    return;
  }
  r->inside = true;
  int rc = lti_http2_feed(r->codec, piece, p->now_ns);
  r->inside = false;
  if (rc != LTI_OK && r->code == LTI_OK) r->code = rc;
}

static void feed(play *p, const void *bytes, size_t size) {
  if (!p->bytewise) {
    feed_piece(p, lti_slice(bytes, size));
    return;
  }
  for (size_t i = 0; i < size; i++) feed_piece(p, lti_slice((const char *)bytes + i, 1));
}

static void open_one(play *p) {
  if (p->record.count == H2_CALLS_MAX) return;
  lti_http_request request = {.method = p->flags & 16 ? "HEAD" : "POST",
                              .path = {"/v1", 3},
                              .host = {"h", 1},
                              .has_body = (p->flags & 8) != 0,
                              .body_size = p->flags & 8 ? sizeof body : 0};
  h2_record_open(&p->record, &request, lti_slice(body, (size_t)request.body_size));
}

static void frame(play *p, uint8_t type) {
  uint8_t flags = next(p), id = next(p);
  size_t length = (size_t)(next(p) & 0x3f) << 8;
  length |= next(p);
  if (length > p->size - p->at) length = p->size - p->at;
  uint8_t head[9] = {0, (uint8_t)(length >> 8), (uint8_t)length, type, flags, 0, 0, 0, id};
  char *all = malloc(sizeof head + length);
  if (!all) abort();
  memcpy(all, head, sizeof head);
  if (length) memcpy(all + sizeof head, p->input + p->at, length);
  p->at += length;
  feed(p, all, sizeof head + length);
  free(all);
}

static void raw(play *p, size_t a_piece) {
  while (p->at < p->size) {
    size_t n = p->size - p->at < a_piece ? p->size - p->at : a_piece;
    feed(p, p->input + p->at, n);
    p->at += n;
  }
}

static void act(play *p, uint8_t what) {
  h2_record *r = &p->record;
  size_t i = 0;
  while (i < r->count && r->calls[i].over) i++;
  switch (what) {
    case 8: open_one(p); break;
    case 9:
      if (i < r->count) h2_record_cancel(r, i);
      break;
    case 10:
      if (i < r->count && r->calls[i].stream.unread)
        lti_http2_consume(r->codec, &r->calls[i].stream, (r->calls[i].stream.unread + 1) / 2);
      break;
    case 11: lti_http2_ping(r->codec); break;
    case 12: lti_http2_leave(r->codec); break;
    default: break;
  }
  p->undrained = what == 13;
  p->comparable = false;
}

static void step(play *p) {
  uint8_t what = next(p);
  p->now_ns += (uint64_t)what * 1000000;
  if (what < RAW_MAX) {
    raw(p, ((size_t)what + 1) * 3);
  } else if (what <= 13) {
    act(p, what);
  } else {
    frame(p, what % 11);
    p->undrained = false;
  }
}

static void run(play *p, bool bytewise) {
  static const uint8_t settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
  const lti_http2_config small = {256, 100, 65535, 20};
  p->flags = next(p);
  p->bytewise = bytewise;
  p->comparable = !(p->flags & 0xc0);
  if (!h2_record_init(&p->record, p->flags & 32 ? &small : NULL, NULL)) abort();
  p->record.cancel_self = (p->flags & 128) != 0;
  p->record.release = (p->flags & 16) != 0;
  if (p->flags & 64) p->record.hold_from = 0;
  for (int i = 0; i < (p->flags & 7); i++) open_one(p);
  h2_record_drain(&p->record);
  if (!(next(p) & 1)) feed(p, settings, sizeof settings);
  for (size_t i = 0; i < STEPS_MAX && p->at < p->size && p->record.code == LTI_OK; i++) step(p);
  /* When a connection leaves and its last stream has ended nghttp2 reads no further. */
  if (!p->record.code && lti_http2_leaving(p->record.codec)) p->comparable = false;
  h2_record_over(&p->record, p->record.code ? p->record.code : LEAT_ERESET, "the script is over");
  if (p->record.breaches) {
    h2_record_print("breach", &p->record);
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  play whole = {.input = input, .size = size}, cut = whole;
  run(&whole, false);
  run(&cut, true);
  if (whole.comparable && cut.comparable && whole.record.code != cut.record.code) {
    h2_record_print("whole", &whole.record);
    h2_record_print("cut", &cut.record);
    abort();
  }
  h2_record_deinit(&whole.record);
  h2_record_deinit(&cut.record);
  return 0;
}
