/* Chat completions of OpenAI and of every gateway that speaks its dialect: POST /chat/completions.
 *
 * A streamed answer is `data: {chunk}` events, each with `choices[].delta`, closed by `data:
 * [DONE]`; a whole one is a JSON object with `choices[].message`. Both are read by one decoder
 * (openai_read.c), requests are written by one writer (openai_write.c). */
#include "dialects.h"
#include "openai.h"

static int encode(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  return lti_openai_write(chat, false, out, encoded);
}

const lti_protocol lti_openai_chat = {
    .name = "openai-chat",
    .path = "/chat/completions",
    .end_marker = "done",
    .encode = encode,
    .inspect = lti_openai_inspect,
    .decoder_size = sizeof(lti_openai),
    .decoder_init = lti_openai_init,
    .decoder_deinit = lti_openai_deinit,
    .record = lti_openai_record,
    .stray = lti_openai_stray,
    .body = lti_openai_body,
    .flush = lti_openai_flush,
    .verdict = lti_openai_verdict,
    .response = lti_openai_response,
};
