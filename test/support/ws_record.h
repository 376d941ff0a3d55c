/* Runs the WebSocket codec over scripted frames and writes down what its sink was told and what
 * stands in `out`, so that two ways of cutting the same bytes can be compared.
 *
 * Every piece is fed from a block of exactly its size that is freed afterwards, so that a read
 * behind it, or of an old view, is seen by the sanitizers. What a sink must never see (a piece of
 * another message, an empty piece that ends nothing, a call behind a Close, a view that is none of
 * what was fed) is counted in `breaches`. Header-only, because the fuzz target does not link
 * cmocka. */
#ifndef TEST_WS_RECORD_H
#define TEST_WS_RECORD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/prng.h"
#include "wire/ws.h"

#define WS_OUT_MAX 65536

typedef struct ws_record {
  /* what to do */
  lti_ws_config config; /* message_bytes_max and fragments_max; 0: 1 MiB and 1000 */
  bool stops;           /* at every piece of a message */
  bool ends;            /* the transport ends behind the bytes */
  bool echoes;          /* answers each message and PING from within the sink */
  uint64_t step_ns;     /* the clock goes on by this much a feed */
  size_t out_max;       /* 0: WS_OUT_MAX */
  /* what came */
  lti_ws *codec;
  lti_alloc *alloc;
  lti_prng prng;
  lti_buf out, log; /* a line each: T or B or P or O or C, and the bytes */
  size_t messages, pieces, pings, pongs, closes, drawn;
  unsigned closed_code;
  uint64_t within;            /* what came between the pieces of a message, added up */
  enum lti_ws_type under_way; /* 0: none */
  size_t message_from;
  leat_slice piece; /* what is being fed */
  int code, end_code, breaches;
  unsigned close_code; /* lti_ws_code */
  const char *reason;
  bool close_sent, close_seen;
} ws_record;

static inline void ws_random(void *ctx, void *out, size_t size) {
  ws_record *r = ctx;
  unsigned char *to = out;
  r->drawn++;
  for (size_t i = 0; i < size; i++) to[i] = (unsigned char)(lti_prng_next(&r->prng) >> 32);
}

static inline void ws_log(ws_record *r, leat_slice bytes) {
  if (lti_buf_append(&r->log, bytes) != LTI_OK) r->breaches++;
}

static inline void ws_log_entry(ws_record *r, char kind, leat_slice bytes) {
  if (r->closes) r->breaches++;
  ws_log(r, lti_slice(&kind, 1));
  ws_log(r, bytes);
  ws_log(r, lti_slice("\n", 1));
}

static inline int ws_message(void *ctx, enum lti_ws_type type, leat_slice bytes, bool first,
                             bool last) {
  ws_record *r = ctx;
  if (first != (r->under_way == 0) || (!first && type != r->under_way)) r->breaches++;
  if ((bytes.size == 0 && !last) || r->closes) r->breaches++;
  bool inside = bytes.size == 0 || (bytes.data >= r->piece.data && bytes.size <= r->piece.size &&
                                    bytes.data + bytes.size <= r->piece.data + r->piece.size);
  if (!inside) r->breaches++;
  if (first) ws_log(r, lti_slice(type == LTI_WS_TEXT ? "T" : "B", 1));
  if (first) r->message_from = r->log.size;
  ws_log(r, bytes);
  r->pieces++;
  r->under_way = last ? 0 : type;
  if (last) {
    leat_slice whole = lti_slice_from(lti_buf_slice(&r->log), r->message_from);
    if (type == LTI_WS_TEXT && !lti_slice_is_utf8(whole)) r->breaches++;
    if (r->echoes) (void)lti_ws_send(r->codec, type, whole, true);
    ws_log(r, lti_slice("\n", 1));
    r->messages++;
  }
  return r->stops ? LTI_STOPPED : LTI_OK;
}

/* A control frame may stand within a message, whose bytes go on behind it: it is added
 * up elsewhere. */
static inline void ws_control(ws_record *r, char kind, leat_slice payload) {
  if (payload.size > 125) r->breaches++;
  if (r->under_way)
    r->within = r->within * 31 + (unsigned char)kind + payload.size;
  else
    ws_log_entry(r, kind, payload);
}

static inline void ws_ping(void *ctx, leat_slice payload) {
  ws_record *r = ctx;
  r->pings++;
  ws_control(r, 'P', payload);
  if (r->echoes) (void)lti_ws_ping(r->codec, payload);
}

static inline void ws_pong(void *ctx, leat_slice payload) {
  ws_record *r = ctx;
  r->pongs++;
  ws_control(r, 'O', payload);
}

static inline void ws_closed(void *ctx, unsigned code, leat_slice reason) {
  ws_record *r = ctx;
  if (!lti_slice_is_utf8(reason) || !lti_ws_close_seen(r->codec)) r->breaches++;
  if (!lti_ws_close_sent(r->codec)) r->breaches++;
  ws_log_entry(r, 'C', reason);
  r->closed_code = code;
  r->closes++;
}

static const lti_ws_sink ws_sink = {ws_message, ws_ping, ws_pong, ws_closed};

/* NULL allocator: malloc's. False: no memory. Give back with ws_record_deinit in both cases. */
static inline bool ws_record_init(ws_record *r, lti_alloc *alloc) {
  if (!r->config.message_bytes_max) r->config.message_bytes_max = 1u << 20;
  if (!r->config.fragments_max) r->config.fragments_max = 1000;
  r->config.random = ws_random;
  r->config.random_ctx = r;
  lti_prng_seed(&r->prng, 1);
  r->alloc = alloc;
  r->reason = "";
  lti_buf_init(&r->out, alloc, r->out_max ? r->out_max : WS_OUT_MAX, LEAT_EQUEUEFULL);
  static lti_alloc plain;
  lti_alloc_init(&plain, NULL);
  lti_buf_init(&r->log, &plain, SIZE_MAX / 2, LEAT_EBODYMAX);
  r->codec = lti_ws_new(alloc, &r->config, &r->out, &ws_sink, r);
  if (!r->codec) r->code = LEAT_ENOMEM;
  return r->codec != NULL;
}

static inline void ws_record_deinit(ws_record *r) {
  lti_ws_free(r->codec);
  r->codec = NULL;
  lti_buf_deinit(&r->out);
  lti_buf_deinit(&r->log);
}

/* Feeds one piece, again and again while the sink stops; the first failure is kept. */
static inline int ws_feed(ws_record *r, leat_slice piece, uint64_t now_ns) {
  char *block = malloc(piece.size ? piece.size : 1);
  if (!block) abort();
  if (piece.size) memcpy(block, piece.data, piece.size);
  leat_slice rest = lti_slice(block, piece.size);
  r->piece = rest;
  int rc;
  do {
    size_t taken = SIZE_MAX, pieces = r->pieces;
    rc = lti_ws_feed(r->codec, rest, now_ns, &taken);
    if (taken > rest.size || (rc == LTI_OK && taken != rest.size)) r->breaches++;
    if (r->stops && r->pieces > pieces + 1) r->breaches++;
    if (taken <= rest.size) rest = lti_slice_from(rest, taken);
  } while (rc == LTI_STOPPED);
  free(block);
  if (rc < 0 && r->code == LTI_OK) r->code = rc;
  if (rc > 0) r->breaches++;
  return rc;
}

/* Plays the bytes, cut at the given offsets (rising), and sums up. */
static inline void ws_play(ws_record *r, leat_slice raw, const size_t *cuts, size_t cut_count) {
  uint64_t now_ns = 1;
  for (size_t i = 0, at = 0; i <= cut_count; i++) {
    size_t to = i < cut_count ? cuts[i] : raw.size;
    ws_feed(r, lti_slice(raw.data + at, to - at), now_ns += r->step_ns);
    at = to;
  }
  if (r->ends) r->end_code = lti_ws_end(r->codec);
  int failed = r->ends ? r->end_code : r->code;
  r->reason = lti_ws_reason(r->codec);
  r->close_code = lti_ws_code(r->codec);
  r->close_sent = lti_ws_close_sent(r->codec);
  r->close_seen = lti_ws_close_seen(r->codec);
  if (failed == LTI_OK) return;
  /* Failure is for good: the same code again, and not a word to the sink. */
  size_t taken = 1, before = r->log.size;
  if (lti_ws_feed(r->codec, lti_slice("\x81\0", 2), now_ns, &taken) != failed) r->breaches++;
  if (taken != 0 || lti_ws_end(r->codec) != failed || r->log.size != before) r->breaches++;
  if (lti_ws_send(r->codec, LTI_WS_TEXT, lti_slice("", 0), true) != LEAT_ESTATE) r->breaches++;
}

static inline bool ws_record_equal(const ws_record *a, const ws_record *b) {
  return a->code == b->code && a->end_code == b->end_code && a->messages == b->messages &&
         a->pings == b->pings && a->pongs == b->pongs && a->closes == b->closes &&
         a->closed_code == b->closed_code && a->within == b->within &&
         a->close_code == b->close_code && a->close_sent == b->close_sent &&
         a->close_seen == b->close_seen && strcmp(a->reason, b->reason) == 0 &&
         lti_slice_equal(lti_buf_slice(&a->log), lti_buf_slice(&b->log)) &&
         lti_slice_equal(lti_buf_slice(&a->out), lti_buf_slice(&b->out));
}

static inline void ws_record_print(const char *title, const ws_record *r) {
  fprintf(stderr,
          "%s: code %d, end %d (%s), %zu messages, %zu pings, %zu pongs, closed %u, close %u, "
          "%zu bytes told, %zu out, breaches %d\n",
          title, r->code, r->end_code, r->reason, r->messages, r->pings, r->pongs, r->closed_code,
          r->close_code, r->log.size, r->out.size, r->breaches);
}

/* A frame of a client, as a server reads it. */
typedef struct ws_sent {
  unsigned opcode;
  bool fin;
  uint32_t mask;
  char *bytes; /* unmasked in place */
  size_t size;
} ws_sent;

/* Takes the next frame off the front of what was sent and unmasks it there; false: none, or not a
 * whole and correct one (then `*at` is not the end, and `*sent` is not to be looked at). */
static inline bool ws_sent_next(lti_buf *out, size_t *at, ws_sent *sent) {
  unsigned char *p = (unsigned char *)out->data + *at;
  size_t have = out->size - *at;
  *sent = (ws_sent){0};
  if (have < 6 || (p[0] & 0x70) || !(p[1] & 0x80)) return false;
  size_t more = (p[1] & 127) == 126 ? 2 : (p[1] & 127) == 127 ? 8 : 0;
  uint64_t size = more ? 0 : p[1] & 127;
  if (have < 6 + more) return false;
  for (size_t i = 0; i < more; i++) size = size << 8 | p[2 + i];
  if ((more == 2 && size < 126) || (more == 8 && size < 65536)) return false;
  if (size > have - 6 - more) return false;
  const unsigned char *mask = p + 2 + more;
  sent->opcode = p[0] & 15;
  sent->fin = p[0] >> 7;
  memcpy(&sent->mask, mask, 4);
  sent->bytes = (char *)p + 6 + more;
  sent->size = (size_t)size;
  if (sent->opcode >= 8 && (sent->size > 125 || !sent->fin)) return false;
  for (size_t i = 0; i < sent->size; i++) sent->bytes[i] = (char)(sent->bytes[i] ^ mask[i % 4]);
  *at += 6 + more + sent->size;
  return true;
}

#endif
