/* Gemini, as Google and gateways speak it: POST /v1beta/models/{model}:generateContent, and
 * :streamGenerateContent for streams. The model stands in the path and nowhere else.
 *
 * With alt=sse a stream is `data: {...}` events of CR LF lines without an end marker; without it,
 * one JSON array over the whole answer; and some proxies send one object a line. A whole answer is
 * one such object. Each is read by the same decoder (gemini_read.c). A gateway's "[DONE]" is taken
 * for the end it means. */
#include "dialects.h"
#include "gemini.h"

const lti_protocol lti_gemini_generate = {
    .name = "gemini",
    .base = "https://generativelanguage.googleapis.com",
    .path = "/v1beta/models/{model}:generateContent",
    .stream_path = "/v1beta/models/{model}:streamGenerateContent?alt=sse",
    .key_header = "x-goog-api-key",
    .elements = true,
    .end_marker = "done",
    .encode = lti_gemini_write,
    .inspect = lti_gemini_inspect,
    .decoder_size = sizeof(lti_gemini),
    .decoder_init = lti_gemini_init,
    .decoder_deinit = lti_gemini_deinit,
    .record = lti_gemini_record,
    .stray = lti_openai_stray,
    .flush = lti_openai_flush,
    .verdict = lti_gemini_verdict,
    .response = lti_openai_response,
};
