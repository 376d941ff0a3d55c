/* The messages of a turn as one text: how they are taken apart, and how recorded ones are decoded.
 *
 * Each message is a JSON text and may span lines; white space stands between two of them, or
 * nothing. "[DONE]", which some send as a message, is one too. */
#include "openai_responses.h"
#include "wire/json.h"

static leat_slice skip_blank(leat_slice text) {
  while (text.size && memchr(" \t\r\n", *text.data, 4)) text = lti_slice_from(text, 1);
  return text;
}

bool lti_protocol_frame(leat_slice *rest, leat_slice *frame) {
  static const char done[] = "[DONE]";
  lti_json r;
  leat_slice text = skip_blank(*rest);
  *rest = text;
  if (text.size == 0) return false;
  size_t size = sizeof done - 1;
  if (!lti_slice_starts(text, done)) {
    lti_json_init(&r, text);
    lti_json_skip(&r);
    size = lti_json_offset(&r);
    if (lti_json_failed(&r) || size == 0) {
      const char *end = memchr(text.data, '\n', text.size);
      size = end ? (size_t)(end - text.data) : text.size;
    }
  }
  *frame = lti_slice(text.data, size);
  *rest = lti_slice_from(text, size);
  return true;
}

int lti_frames_body(int (*record)(void *, leat_slice, leat_slice, lti_emit *), void *decoder,
                    leat_slice frames, lti_emit *emit) {
  leat_slice frame;
  int rc = LTI_OK;
  while ((rc == LTI_OK || rc == LTI_AGAIN) && lti_protocol_frame(&frames, &frame)) {
    rc = record(decoder, lti_slice(NULL, 0), frame, emit);
  }
  return rc == LTI_STOPPED || rc == LTI_AGAIN ? LTI_OK : rc;
}
