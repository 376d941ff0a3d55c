/* OpenAI's Responses over WebSocket ("responses-ws"): {"type":"response.create", ...} asks, the
 * events of the streamed answer come back one a message, turn after turn on one socket.
 *
 * The question is that of POST /responses without `stream`. Earlier turns are continued by
 * previous_response_id, which `extra` brings. */
#include <string.h>

#include "dialects.h"
#include "openai_responses.h"

static int encode(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  return lti_openai_responses_write(chat, true, out, encoded);
}

static int inspect(leat_slice body, lti_encoded *encoded) {
  leat_slice type;
  int rc = lti_openai_inspect(body, encoded);
  if (rc != LTI_OK) return rc;
  *encoded = (lti_encoded){.stream = true};
  if (lti_json_find(body, "/type", &type) && lti_slice_is(type, "\"response.create\"")) {
    return LTI_OK;
  }
  encoded->message = "the body's \"type\" must be \"response.create\"";
  return LEAT_EINVAL;
}

static int body(void *decoder, leat_slice frames, lti_emit *emit) {
  return lti_frames_body(lti_openai_responses_record, decoder, frames, emit);
}

const lti_protocol lti_responses_ws = {
    .name = "responses-ws",
    .path = "/responses",
    .end_marker = "turn",
    .socket = &(const lti_protocol_socket){.key_header = NULL},
    .encode = encode,
    .inspect = inspect,
    .decoder_size = sizeof(lti_responses),
    .decoder_init = lti_openai_responses_init,
    .decoder_deinit = lti_openai_responses_deinit,
    .record = lti_openai_responses_record,
    .stray = lti_openai_stray,
    .body = body,
    .flush = lti_openai_responses_flush,
    .verdict = lti_openai_verdict,
    .response = lti_openai_response,
    .begin = lti_openai_responses_begin,
};
