/* Frames out. "Hi" as a text with the mask 37 fa 21 3d:
 *
 *      81                fin, no reserved bits, opcode 1
 *      82                masked, two bytes
 *      37 fa 21 3d       the mask
 *      7f 93             'H' ^ 37, 'i' ^ fa
 *
 * wslay could write this as well, but it masks a byte at a time through a block of its own, from
 * which the bytes are copied once more, and it cannot take a frame back when the buffer is full in
 * the middle of it. Here room is made first, and the payload goes from the caller's memory to its
 * place in one pass, eight bytes a step. */
#include "wire/ws_frame.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

#define HEAD_BYTES_MAX 14

static size_t write_head(unsigned char *out, const lti_ws_frame *frame);
static void write_masked(unsigned char *out, leat_slice payload, const unsigned char mask[4]);

int lti_ws_frame_append(lti_buf *out, const lti_ws_frame *frame, size_t spare) {
  assert(frame->opcode < LTI_WS_CLOSE || frame->payload.size <= LTI_WS_FRAME_CONTROL_BYTES);
  unsigned char head[HEAD_BYTES_MAX];
  size_t head_size = write_head(head, frame), room = out->max - out->size;
  if (spare > room || head_size > room - spare) return out->full_error;
  if (frame->payload.size > room - spare - head_size) return out->full_error;
  int error = lti_buf_reserve(out, head_size + frame->payload.size);
  if (error) return error;
  memcpy(out->data + out->size, head, head_size);
  write_masked((unsigned char *)out->data + out->size + head_size, frame->payload, frame->mask);
  out->size += head_size + frame->payload.size;
  return LTI_OK;
}

static size_t write_head(unsigned char *out, const lti_ws_frame *frame) {
  uint64_t length = frame->payload.size;
  unsigned more = length < 126 ? 0 : length < 65536 ? 2 : 8; /* bytes of extended length */
  out[0] = (unsigned char)((frame->fin ? 0x80 : 0) | frame->opcode);
  out[1] = (unsigned char)(0x80 | (more == 0 ? length : more == 2 ? 126 : 127));
  for (unsigned i = 0; i < more; i++) out[2 + i] = (unsigned char)(length >> 8 * (more - 1 - i));
  memcpy(out + 2 + more, frame->mask, sizeof frame->mask);
  return 2 + more + sizeof frame->mask;
}

static void write_masked(unsigned char *out, leat_slice payload, const unsigned char mask[4]) {
  uint64_t wide, eight;
  memcpy(&wide, mask, 4);
  memcpy((char *)&wide + 4, mask, 4);
  size_t i = 0;
  for (; payload.size - i >= sizeof eight; i += sizeof eight) {
    memcpy(&eight, payload.data + i, sizeof eight);
    eight ^= wide;
    memcpy(out + i, &eight, sizeof eight);
  }
  for (; i < payload.size; i++) out[i] = (unsigned char)(payload.data[i] ^ mask[i & 3]);
}
