/* HTTP/2 frames written and read byte by byte (RFC 9113 section 4, 6; RFC 7541 section 6), for
 * peers that say exactly what a test wants, right or wrong. Nothing is checked and nothing is
 * remembered: fields are literals without Huffman coding, never indexed unless said otherwise. */
#ifndef TEST_H2_FRAMES_H
#define TEST_H2_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum {
  H2_DATA,
  H2_HEADERS,
  H2_PRIORITY,
  H2_RST_STREAM,
  H2_SETTINGS,
  H2_PUSH_PROMISE,
  H2_PING,
  H2_GOAWAY,
  H2_WINDOW_UPDATE,
  H2_CONTINUATION
};
/* RFC 9113 section 7 */
enum {
  H2_NO_ERROR,
  H2_PROTOCOL_ERROR,
  H2_INTERNAL_ERROR,
  H2_FLOW_CONTROL_ERROR,
  H2_SETTINGS_TIMEOUT,
  H2_STREAM_CLOSED,
  H2_FRAME_SIZE_ERROR,
  H2_REFUSED_STREAM,
  H2_CANCEL,
  H2_COMPRESSION_ERROR,
  H2_ENHANCE_YOUR_CALM = 0xb,
  H2_HTTP_1_1_REQUIRED = 0xd
};
enum { H2_END_STREAM = 0x1, H2_ACK = 0x1, H2_END_HEADERS = 0x4, H2_PADDED = 0x8 };

/* Bytes that a peer sends, or a header block. */
typedef struct h2_script {
  lti_alloc alloc;
  lti_buf bytes;
} h2_script;

void h2_script_init(h2_script *script);
void h2_script_deinit(h2_script *script);
void h2_script_clear(h2_script *script);
leat_slice h2_script_bytes(const h2_script *script);

void h2_raw(h2_script *script, leat_slice bytes);
/* A frame's header alone. */
void h2_frame_head(h2_script *script, uint32_t length, uint8_t type, uint8_t flags, uint32_t id);
void h2_frame(h2_script *script, uint8_t type, uint8_t flags, uint32_t id, leat_slice payload);
/* `count` identifiers and values, one behind the other. */
void h2_settings(h2_script *script, const uint32_t *entries, size_t count);
void h2_settings_ack(h2_script *script);
/* A script from its beginning: SETTINGS and the acknowledgement of ours. */
void h2_greet(h2_script *script);
/* Fields: "name", "value", ..., NULL. END_HEADERS is added. */
void h2_headers(h2_script *script, uint32_t id, uint8_t flags, const char *const *fields);
/* ":status: 200" alone. */
void h2_ok(h2_script *script, uint32_t id, uint8_t flags);
void h2_text(h2_script *script, uint32_t id, uint8_t flags, const char *text);
void h2_rst(h2_script *script, uint32_t id, uint32_t code);
void h2_ping(h2_script *script, uint8_t flags);
void h2_goaway(h2_script *script, uint32_t last, uint32_t code);
void h2_window(h2_script *script, uint32_t id, uint32_t increment);

/* One field of a header block: RFC 7541 6.2.3, or 6.2.1 when it is to be indexed. */
void h2_field(h2_script *block, leat_slice name, leat_slice value, bool indexed);

typedef struct h2_seen {
  uint8_t type, flags;
  uint32_t id;
  leat_slice payload;
} h2_seen;

/* Takes the next whole frame off `*rest`; false when there is none. */
bool h2_next(leat_slice *rest, h2_seen *frame);
/* As above, from the client's first byte on: skips its preface. */
leat_slice h2_behind_preface(leat_slice sent);
/* The last frame of a type and a stream among those sent; false when there is none. */
bool h2_last(leat_slice sent, uint8_t type, uint32_t id, h2_seen *frame);
size_t h2_count(leat_slice sent, uint8_t type, uint32_t id);
/* Four bytes of a payload. */
uint32_t h2_number(leat_slice payload, size_t at);

#endif
