/* The older text completions: POST /completions, a prompt in, text out.
 *
 * Chunks and whole answers look the same, with `choices[].text`. The decoder and the writer are
 * those of the chat dialect; a request takes a prompt and neither messages nor tools. */
#include "dialects.h"
#include "openai.h"

static int encode(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  return lti_openai_write(chat, true, out, encoded);
}

const lti_protocol lti_openai_completions = {
    .name = "openai-completions",
    .path = "/completions",
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
