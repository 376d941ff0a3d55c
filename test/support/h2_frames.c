/* Frames of h2_frames.h: plain bytes into a buffer, and a reader for the codec's own output. */
#include "support/h2_frames.h"

#include <stdlib.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

void h2_script_init(h2_script *script) {
  lti_alloc_init(&script->alloc, NULL);
  lti_buf_init(&script->bytes, &script->alloc, 256 << 20, LEAT_EBODYMAX);
}

void h2_script_deinit(h2_script *script) {
  lti_buf_deinit(&script->bytes);
}

void h2_script_clear(h2_script *script) {
  lti_buf_clear(&script->bytes);
}

leat_slice h2_script_bytes(const h2_script *script) {
  return lti_buf_slice(&script->bytes);
}

void h2_raw(h2_script *script, leat_slice bytes) {
  if (lti_buf_append(&script->bytes, bytes) != 0) abort();
}

static void big_endian(h2_script *script, uint32_t value, size_t size) {
  char bytes[4];
  for (size_t i = 0; i < size; i++) bytes[i] = (char)(value >> 8 * (size - 1 - i));
  h2_raw(script, lti_slice(bytes, size));
}

void h2_frame_head(h2_script *script, uint32_t length, uint8_t type, uint8_t flags, uint32_t id) {
  big_endian(script, length, 3);
  big_endian(script, type, 1);
  big_endian(script, flags, 1);
  big_endian(script, id, 4);
}

void h2_frame(h2_script *script, uint8_t type, uint8_t flags, uint32_t id, leat_slice payload) {
  h2_frame_head(script, (uint32_t)payload.size, type, flags, id);
  h2_raw(script, payload);
}

void h2_settings(h2_script *script, const uint32_t *entries, size_t count) {
  h2_frame_head(script, (uint32_t)count * 6, H2_SETTINGS, 0, 0);
  for (size_t i = 0; i < count; i++) {
    big_endian(script, entries[2 * i], 2);
    big_endian(script, entries[2 * i + 1], 4);
  }
}

void h2_settings_ack(h2_script *script) {
  h2_frame_head(script, 0, H2_SETTINGS, H2_ACK, 0);
}

void h2_greet(h2_script *script) {
  h2_script_clear(script);
  h2_settings(script, NULL, 0);
  h2_settings_ack(script);
}

/* RFC 7541 5.1, with a prefix of seven bits for lengths of strings. */
static void text(h2_script *block, leat_slice s) {
  size_t n = s.size;
  if (n < 127) {
    big_endian(block, (uint32_t)n, 1);
  } else {
    big_endian(block, 127, 1);
    for (n -= 127; n >= 128; n >>= 7) big_endian(block, (uint32_t)(n & 127) | 128, 1);
    big_endian(block, (uint32_t)n, 1);
  }
  h2_raw(block, s);
}

void h2_field(h2_script *block, leat_slice name, leat_slice value, bool indexed) {
  big_endian(block, indexed ? 0x40 : 0x10, 1);
  text(block, name);
  text(block, value);
}

void h2_headers(h2_script *script, uint32_t id, uint8_t flags, const char *const *fields) {
  h2_script block;
  h2_script_init(&block);
  for (size_t i = 0; fields[i]; i += 2)
    h2_field(&block, lti_slice_of(fields[i]), lti_slice_of(fields[i + 1]), false);
  h2_frame(script, H2_HEADERS, flags | H2_END_HEADERS, id, h2_script_bytes(&block));
  h2_script_deinit(&block);
}

void h2_ok(h2_script *script, uint32_t id, uint8_t flags) {
  const char *const fields[] = {":status", "200", NULL};
  h2_headers(script, id, flags, fields);
}

void h2_text(h2_script *script, uint32_t id, uint8_t flags, const char *bytes) {
  h2_frame(script, H2_DATA, flags, id, lti_slice_of(bytes));
}

void h2_rst(h2_script *script, uint32_t id, uint32_t code) {
  h2_frame_head(script, 4, H2_RST_STREAM, 0, id);
  big_endian(script, code, 4);
}

void h2_ping(h2_script *script, uint8_t flags) {
  h2_frame(script, H2_PING, flags, 0, lti_slice("\0\0\0\0\0\0\0\0", 8));
}

void h2_goaway(h2_script *script, uint32_t last, uint32_t code) {
  h2_frame_head(script, 8, H2_GOAWAY, 0, 0);
  big_endian(script, last, 4);
  big_endian(script, code, 4);
}

void h2_window(h2_script *script, uint32_t id, uint32_t increment) {
  h2_frame_head(script, 4, H2_WINDOW_UPDATE, 0, id);
  big_endian(script, increment, 4);
}

uint32_t h2_number(leat_slice payload, size_t at) {
  if (at + 4 > payload.size) abort();
  const unsigned char *p = (const unsigned char *)payload.data + at;
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool h2_next(leat_slice *rest, h2_seen *frame) {
  if (rest->size < 9) return false;
  const unsigned char *p = (const unsigned char *)rest->data;
  size_t length = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
  if (rest->size - 9 < length) return false;
  frame->type = p[3];
  frame->flags = p[4];
  frame->id = h2_number(*rest, 5) & 0x7fffffff;
  frame->payload = lti_slice(rest->data + 9, length);
  *rest = lti_slice_from(*rest, 9 + length);
  return true;
}

leat_slice h2_behind_preface(leat_slice sent) {
  return lti_slice_starts(sent, PREFACE) ? lti_slice_from(sent, sizeof PREFACE - 1) : sent;
}

bool h2_last(leat_slice sent, uint8_t type, uint32_t id, h2_seen *frame) {
  leat_slice rest = h2_behind_preface(sent);
  h2_seen seen;
  bool found = false;
  while (h2_next(&rest, &seen)) {
    if (seen.type != type || seen.id != id) continue;
    *frame = seen;
    found = true;
  }
  return found;
}

size_t h2_count(leat_slice sent, uint8_t type, uint32_t id) {
  leat_slice rest = h2_behind_preface(sent);
  h2_seen seen;
  size_t count = 0;
  while (h2_next(&rest, &seen)) count += seen.type == type && seen.id == id;
  return count;
}
